//! A rail that answers at once, without a book, and a channel that takes every message.

use chrono::NaiveDate;
use kibble::adapters::notify::{Notify, Parcel, Receipt};
use kibble::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Health, MandateRef, MandateState, PayLink,
    PayLinkRequest, Rail, RefundRequest, SignLink, SignRequest, Trouble,
};
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Profile, Reply};

/// Takes every message at once.
pub struct InstantChannel;

impl Notify for InstantChannel {
    fn name(&self) -> &str {
        "print"
    }

    fn batch(&self) -> usize {
        200
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        vec![Receipt::Sent { said: String::new() }; parcels.len()]
    }
}

/// Answers at once, without a book.
pub struct InstantRail {
    pub profile: Profile,
    /// Whether it says of every order that it was paid, or that it has never heard of it.
    pub knows_orders: bool,
}

impl Rail for InstantRail {
    fn name(&self) -> &str {
        "alipay"
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn sign_link(&self, _: &SignRequest) -> Result<SignLink, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        let provider_no = mandate.provider_no.clone().unwrap_or_default();
        Ok(MandateState::Live { provider_no, signed_at: None, next_date: None })
    }

    fn close_mandate(&self, _: &MandateRef, _: &str) -> Result<(), Trouble> {
        Ok(())
    }

    fn announce(&self, _: &DebitNotice) -> Result<(), Trouble> {
        Ok(())
    }

    fn charge(&self, request: &ChargeRequest) -> Reply {
        Reply { trade_no: Some(request.order_no.clone()), ..Reply::bare(Answer::Paid) }
    }

    fn query_charge(&self, order_no: &str, _: Money) -> Reply {
        match self.knows_orders {
            true => Reply { trade_no: Some(order_no.to_owned()), ..Reply::bare(Answer::Paid) },
            false => Reply::bare(Answer::NotFound),
        }
    }

    fn close_order(&self, _: &str) -> Result<Closed, Trouble> {
        Ok(Closed::Closed)
    }

    fn refund(&self, _: &RefundRequest) -> Reply {
        Reply::bare(Answer::Paid)
    }

    fn query_refund(&self, _: &RefundRequest) -> Reply {
        Reply::bare(Answer::NotFound)
    }

    fn postpone(&self, _: &MandateRef, _: NaiveDate) -> Result<(), Trouble> {
        Ok(())
    }

    fn pay_link(&self, _: &PayLinkRequest) -> Result<PayLink, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn bill(&self, _: BillPeriod) -> Result<BillFile, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn capabilities(&self) -> Vec<Capability> {
        Vec::new()
    }

    fn health(&self) -> Result<Health, Trouble> {
        Ok(Health::default())
    }
}
