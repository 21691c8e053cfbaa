//! WeChat Pay's entrusted debits (委托代扣): v2 calls in XML for contracts, debits, links and queries, v3 calls in JSON for the notice
//! ahead of a debit, refunds and bills (payment facts 2). Owns the protocol; when to ask for what is the profile's and the debit run's.
//!
//! | file | owns |
//! |---|---|
//! | `account.rs` | the settings of the merchant account, and what is wrong with them |
//! | `door.rs` | making a call, and believing its answer or not |
//! | `v2.rs`, `v3.rs`, `xml.rs` | signatures and formats |
//! | `tables.rs` | what the provider's words mean in ours |
//! | `contract.rs`, `debit.rs`, `refund.rs`, `bill.rs`, `notice.rs` | the calls |
//!
//! An answer says something about money only when its signature holds over the bytes received and it names our order and our amount.
//! Everything else is "unknown", and unknown is asked about again under the same number.

mod account;
mod bill;
mod contract;
mod debit;
mod door;
mod notice;
mod refund;
mod tables;
#[cfg(test)]
mod tests;
mod v2;
mod v3;
mod xml;

use chrono::{NaiveDate, NaiveDateTime};

pub use self::account::{Account, BillVersion, OrderQuery, RefundWay, SignWay};
use self::door::Keys;
use crate::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Finding, Health, MandateRef, MandateState,
    Noticed, PayLink, PayLinkRequest, Rail, RefundRequest, SavedNotice, SignLink, SignRequest, Trouble,
};
use crate::clock::Clock;
use crate::config::HttpSettings;
use crate::domain::date::{At, moment_in_reach};
use crate::domain::money::Money;
use crate::domain::rail::{Profile, Reply};

/// One WeChat Pay rail of a shop. Nothing is read from disk or network before the first call that needs it.
#[derive(Debug)]
pub struct Wechat {
    name: String,
    profile: Profile,
    clock: Clock,
    account: Account,
    http: HttpSettings,
    keys: Keys,
}

impl Wechat {
    /// The rail called `name` with the rules of `profile`, on the merchant's `account`.
    pub fn open(name: &str, profile: Profile, clock: Clock, account: Account, http: HttpSettings) -> Wechat {
        Wechat { name: name.to_owned(), profile, clock, account, http, keys: Keys::default() }
    }
}

impl Rail for Wechat {
    fn name(&self) -> &str {
        &self.name
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn sign_link(&self, request: &SignRequest) -> Result<SignLink, Trouble> {
        self.page(request)
    }

    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        self.state(mandate)
    }

    fn close_mandate(&self, mandate: &MandateRef, why: &str) -> Result<(), Trouble> {
        self.end(mandate, why)
    }

    fn announce(&self, notice: &DebitNotice) -> Result<(), Trouble> {
        self.notify(notice)
    }

    fn charge(&self, request: &ChargeRequest) -> Reply {
        self.apply(request)
    }

    fn query_charge(&self, order_no: &str, amount: Money) -> Reply {
        self.ask(order_no, amount)
    }

    fn close_order(&self, order_no: &str) -> Result<Closed, Trouble> {
        self.close(order_no)
    }

    fn refund(&self, request: &RefundRequest) -> Reply {
        self.send_back(request)
    }

    fn query_refund(&self, request: &RefundRequest) -> Reply {
        self.ask_refund(request)
    }

    /// WeChat Pay keeps no date of its own.
    fn postpone(&self, _mandate: &MandateRef, _to: NaiveDate) -> Result<(), Trouble> {
        Err(Trouble::Unsupported)
    }

    fn pay_link(&self, request: &PayLinkRequest) -> Result<PayLink, Trouble> {
        self.native(request)
    }

    /// WeChat Pay has bills of days only.
    fn bill(&self, period: BillPeriod) -> Result<BillFile, Trouble> {
        match period {
            BillPeriod::Day(day) => self.statement(day),
            BillPeriod::Month(_) => Err(Trouble::Unsupported),
        }
    }

    fn read_notice(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        self.noticed(notice)
    }

    fn inspect(&self) -> Vec<Finding> {
        self.looked_over()
    }

    fn capabilities(&self) -> Vec<Capability> {
        self.abilities()
    }

    fn health(&self) -> Result<Health, Trouble> {
        self.pulse()
    }
}

/// A time of WeChat Pay's, which is Beijing's.
fn beijing(text: &str, shape: &str) -> Option<At> {
    let wall = NaiveDateTime::parse_from_str(text, shape).ok()?;
    moment_in_reach(wall.date(), wall.time(), chrono_tz::Asia::Shanghai)
}
