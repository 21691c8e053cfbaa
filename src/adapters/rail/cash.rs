//! Paid at the counter. The clerk's entry is the outcome: whoever records a payment has the money in hand, so a charge, a
//! refund and every question about them is "paid". Owns no book; the shop's own is the only one.

use chrono::NaiveDate;

use crate::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Health, MandateRef, MandateState, PayLink,
    PayLinkRequest, Rail, RefundRequest, SignLink, SignRequest, Trouble,
};
use crate::clock::Clock;
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Profile, Reply};

/// The counter.
#[derive(Debug)]
pub struct Cash {
    name: String,
    profile: Profile,
    clock: Clock,
}

impl Cash {
    /// The counter under the name that `shop.toml` gives it, usually `cash`.
    pub fn open(name: &str, profile: Profile, clock: Clock) -> Cash {
        Cash { name: name.to_owned(), profile, clock }
    }

    fn paid(&self) -> Reply {
        Reply { at: Some(self.clock.now()), ..Reply::bare(Answer::Paid) }
    }
}

impl Rail for Cash {
    fn name(&self) -> &str {
        &self.name
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn sign_link(&self, _request: &SignRequest) -> Result<SignLink, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn mandate_state(&self, _mandate: &MandateRef) -> Result<MandateState, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn close_mandate(&self, _mandate: &MandateRef, _why: &str) -> Result<(), Trouble> {
        Err(Trouble::Unsupported)
    }

    fn announce(&self, _notice: &DebitNotice) -> Result<(), Trouble> {
        Err(Trouble::Unsupported)
    }

    fn charge(&self, _request: &ChargeRequest) -> Reply {
        self.paid()
    }

    fn query_charge(&self, _order_no: &str, _amount: Money) -> Reply {
        self.paid()
    }

    fn close_order(&self, _order_no: &str) -> Result<Closed, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn refund(&self, _request: &RefundRequest) -> Reply {
        self.paid()
    }

    fn query_refund(&self, _request: &RefundRequest) -> Reply {
        self.paid()
    }

    fn postpone(&self, _mandate: &MandateRef, _to: NaiveDate) -> Result<(), Trouble> {
        Err(Trouble::Unsupported)
    }

    fn pay_link(&self, _request: &PayLinkRequest) -> Result<PayLink, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn bill(&self, _period: BillPeriod) -> Result<BillFile, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn capabilities(&self) -> Vec<Capability> {
        Vec::new()
    }

    fn health(&self) -> Result<Health, Trouble> {
        Ok(Health::default())
    }
}

#[cfg(test)]
mod tests {
    use super::Cash;
    use crate::adapters::rail::{ChargeRequest, MandateRef, PROFILES, Rail, Trouble};
    use crate::clock::Clock;
    use crate::domain::money::Money;
    use crate::domain::rail::Answer;
    use chrono::{TimeZone, Utc};

    #[test]
    fn what_the_clerk_enters_is_paid_and_everything_else_says_it_cannot() {
        let text = PROFILES.iter().find(|(name, _)| *name == "cash").unwrap().1;
        let now = Utc.with_ymd_and_hms(2026, 11, 5, 1, 0, 0).unwrap();
        let cash = Cash::open("cash", toml::from_str(text).unwrap(), Clock::fixed(now));
        let mandate = MandateRef { contract_no: "m1".to_owned(), provider_no: None };
        let reply = cash.charge(&ChargeRequest {
            order_no: "n1".to_owned(),
            mandate: mandate.clone(),
            amount: Money::from_fen(19_900),
            subject: String::new(),
            due: now.date_naive(),
        });
        assert_eq!((reply.answer, reply.at), (Answer::Paid, Some(now)));
        assert_eq!(cash.query_charge("n1", Money::from_fen(19_900)).answer, Answer::Paid);
        assert_eq!(cash.mandate_state(&mandate), Err(Trouble::Unsupported));
        assert!(!cash.is_sandbox());
    }
}
