//! The counter beside the other rails: the parts of the suite that a rail without mandates and without a provider can have.

use kibble::adapters::rail::cash::Cash;
use kibble::adapters::rail::{
    BillPeriod, DebitNotice, Health, MandateRef, PayLinkRequest, Rail, SavedNotice, SignRequest, Trouble,
};
use kibble::clock::Clock;
use kibble::domain::money::Money;
use kibble::domain::rail::Answer;

use crate::rails::suite::{at, due, profile, refund, request};

const AMOUNT: Money = Money::from_fen(19_900);

fn counter() -> Cash {
    Cash::open("cash", profile("cash"), Clock::fixed(at(due(), 10)))
}

fn mandate() -> MandateRef {
    MandateRef { contract_no: "m1".to_owned(), provider_no: None }
}

#[test]
fn what_the_clerk_enters_is_the_outcome_however_often_it_is_asked() {
    let counter = counter();
    for _ in 0..2 {
        assert_eq!(counter.charge(&request(&mandate(), "n1")).answer, Answer::Paid);
        assert_eq!(counter.query_charge("n1", AMOUNT).answer, Answer::Paid);
        assert_eq!(counter.refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
        assert_eq!(counter.query_refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
    }
    assert!(!counter.is_sandbox(), "cash is real money");
}

#[test]
fn everything_that_needs_a_provider_is_said_to_be_impossible() {
    let counter = counter();
    let link = SignRequest {
        contract_no: "m1".to_owned(),
        customer_label: "王**".to_owned(),
        payer: "c-12".to_owned(),
        amount: AMOUNT,
        count: 12,
        first_date: due(),
        valid_until: due(),
    };
    let pay = PayLinkRequest { order_no: "n1".to_owned(), amount: AMOUNT, subject: String::new() };
    assert_eq!(counter.sign_link(&link), Err(Trouble::Unsupported));
    assert_eq!(counter.mandate_state(&mandate()), Err(Trouble::Unsupported));
    assert_eq!(counter.close_mandate(&mandate(), "x"), Err(Trouble::Unsupported));
    let notice = DebitNotice { mandate: mandate(), amount: AMOUNT, due: due() };
    assert_eq!(counter.announce(&notice), Err(Trouble::Unsupported));
    assert_eq!(counter.close_order("n1"), Err(Trouble::Unsupported));
    assert_eq!(counter.postpone(&mandate(), due()), Err(Trouble::Unsupported));
    assert_eq!(counter.pay_link(&pay), Err(Trouble::Unsupported));
    assert_eq!(counter.bill(BillPeriod::Day(due())), Err(Trouble::Unsupported));
    assert_eq!(counter.read_notice(&SavedNotice::default()), Err(Trouble::Unsupported));
    assert_eq!(counter.health(), Ok(Health::default()));
    assert!(counter.capabilities().is_empty() && counter.inspect().is_empty());
}
