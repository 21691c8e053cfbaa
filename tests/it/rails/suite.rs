//! The suite that every rail adapter with mandates passes: one function per fear. It speaks only the trait [`Rail`] and a
//! [`Stage`], which plays the customer and the provider; an adapter's tests bring a stage (the sandbox, or a fake server) and
//! call [`rail_suite!`] once per profile. A fear that a profile cannot have is passed over.

use chrono::{NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Asia::Shanghai;

use kibble::adapters::rail::{
    ChargeRequest, Closed, DebitNotice, MandateRef, MandateState, PROFILES, PayLinkRequest, Rail, RefundRequest,
    SignLink, SignRequest, Trouble,
};
use kibble::clock::Clock;
use kibble::domain::date::{At, moment, plus_days};
use kibble::domain::money::Money;
use kibble::domain::rail::{Acceptance, Answer, Profile, RailNotice, Reason, Reply};

/// A built-in profile.
pub fn profile(name: &str) -> Profile {
    let (_, text) = PROFILES.iter().find(|(known, _)| *known == name).unwrap();
    toml::from_str(text).unwrap()
}

/// What can go wrong between the rail and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The next call that moves money is lost before the work.
    Drop,
    /// The next answer to a call that moves money is lost after the work.
    LoseAnswer,
    /// The next answer to a call that moves money is nonsense, after the work.
    Garbage,
    /// Nothing works from now on.
    Down,
    /// Everything works again.
    Up,
}

/// What a provider with a protocol can be made to do beyond [`Mishap`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// The next answer comes, after the work, with a signature that does not fit.
    BadSignature,
    /// The next answer comes, after the work, without a signature.
    NoSignature,
    /// The next answer comes, after the work, signed with somebody else's key.
    ForeignSignature,
    /// The next answer comes, after the work and well signed, about another order.
    OtherOrder,
    /// The next answer comes, after the work and well signed, about another amount.
    OtherAmount,
    /// Until it is over the two clocks differ by ten minutes, and the provider refuses that.
    ClockOff,
    /// Until it is over every call is one too many.
    TooMany,
    /// Until it is over the provider says that it is in maintenance.
    Maintenance,
    /// Until it is over a page of HTML in GBK comes in place of every answer.
    ErrorPage,
    /// Everything is as it should be.
    Over,
}

/// A rail with somebody who plays the customer and the provider behind it.
pub trait Stage: Sync {
    /// The rail.
    fn rail(&self) -> &dyn Rail;
    /// Its clock.
    fn clock(&self) -> &Clock;
    /// Whether the provider keeps a registered date that can be postponed.
    fn keeps_date(&self) -> bool;
    /// The customer agrees.
    fn agree(&self, contract_no: &str);
    /// The customer ends the mandate in the app.
    fn revoke(&self, contract_no: &str);
    /// The payer has exactly that much.
    fn fund(&self, payer: &str, amount: Money);
    /// The customer pays a link.
    fn pay_link(&self, order_no: &str);
    /// Something goes wrong.
    fn mishap(&self, mishap: Mishap);
    /// The customer opens the link for signing, where the provider hears of a mandate by that only.
    fn opens(&self, link: &SignLink) {
        let _ = link;
    }
    /// Whether the provider tells a mandate that nobody has agreed to from one that never was.
    fn hears_of_links(&self) -> bool {
        true
    }
    /// Whether the provider says who ended a mandate.
    fn says_who_ended(&self) -> bool {
        true
    }
    /// Whether the provider knows the order of a pay link that nobody has opened.
    fn knows_unopened_links(&self) -> bool {
        true
    }
    /// Whether the provider still says why, where it only accepted a debit at first and it failed later.
    fn says_why_later(&self) -> bool {
        true
    }
    /// The provider does that; false where it cannot, and the fear is passed over.
    fn trick(&self, trick: Trick) -> bool {
        let _ = trick;
        false
    }
    /// The next debit is declined for that reason. Says as what the provider's code for it can be told; `None` where it cannot be
    /// made to decline.
    fn decline_next(&self, reason: Reason) -> Option<Reason> {
        let _ = reason;
        None
    }
    /// Payments less refunds, as the provider counts them.
    fn moved(&self) -> Money;
}

/// One test per fear, in a module of its own, on a fresh stage each.
macro_rules! rail_suite {
    ($name:ident, $stage:expr) => {
        mod $name {
            use super::*;
            $crate::rails::suite::rail_suite!(@tests $stage;
                a_charge_is_paid_once
                no_funds_then_a_new_number_is_paid
                a_dead_number_is_never_paid
                a_lost_answer_is_found_paid
                garbage_is_found_paid
                a_dropped_call_left_nothing_and_its_number_can_be_used
                a_pending_debit_is_decided_in_its_time_and_blocks_another
                outside_the_days_nothing_is_taken
                outside_the_hours_nothing_is_taken
                a_second_success_in_a_period_is_refused
                without_a_notice_nothing_is_taken
                a_notice_too_late_does_not_cover_the_day
                more_than_announced_is_refused
                a_mandate_not_agreed_or_revoked_outside_takes_nothing
                closing_a_mandate_twice_is_fine
                a_missed_date_can_be_postponed_but_only_later
                one_refund_number_goes_back_once
                no_more_goes_back_than_was_paid
                a_closed_link_cannot_be_paid_and_a_paid_one_not_closed
                a_rail_that_is_down_takes_nothing
                another_amount_under_the_same_number_takes_nothing
                one_number_from_eight_threads_is_charged_once
                unknown_numbers_are_not_found
                each_class_of_decline_is_told_apart
                a_pending_debit_that_fails_leaves_nothing_and_its_number_dies
                an_answer_with_a_bad_signature_is_not_believed
                an_answer_without_a_signature_is_not_believed
                an_answer_signed_with_a_foreign_key_is_not_believed
                the_answer_to_another_order_is_not_believed
                an_answer_about_another_amount_is_not_believed
                an_unproven_decline_is_not_believed
                an_unproven_end_of_a_mandate_is_not_believed
                a_clock_ten_minutes_off_charges_nothing_and_names_the_clock
                a_rate_limited_charge_did_not_happen_and_keeps_its_number
                a_provider_in_maintenance_charges_nothing
                a_page_instead_of_an_answer_is_readable_and_charges_nothing
            );
        }
    };
    (@tests $stage:expr; $($fear:ident)+) => {
        $(#[test]
        fn $fear() {
            $crate::rails::suite::$fear(&$stage);
        })+
    };
}
pub(crate) use rail_suite;

const AMOUNT: Money = Money::from_fen(19_900);
const PAYER: &str = "c-12";

pub fn a_charge_is_paid_once(stage: &dyn Stage) {
    let mandate = ready(stage);
    let first = charge(stage, &mandate, "n1");
    assert_eq!(first.answer, Answer::Paid);
    assert!(first.trade_no.is_some() && first.at.is_some());
    let again = charge(stage, &mandate, "n1");
    assert_eq!((again.answer, again.trade_no), (Answer::Paid, first.trade_no.clone()));
    let asked = stage.rail().query_charge("n1", AMOUNT);
    assert_eq!((asked.answer, asked.trade_no), (Answer::Paid, first.trade_no));
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn no_funds_then_a_new_number_is_paid(stage: &dyn Stage) {
    let mandate = ready(stage);
    stage.fund(PAYER, Money::from_fen(19_899));
    let reply = charge(stage, &mandate, "n1");
    match stage.says_why_later() {
        true => assert_eq!(reply.answer, Answer::Declined(Reason::NoFunds)),
        false => assert!(matches!(reply.answer, Answer::Declined(Reason::NoFunds | Reason::Other)), "{reply:?}"),
    }
    assert!(!reply.code.is_empty() && !reply.text.is_empty());
    stage.fund(PAYER, AMOUNT);
    assert_eq!(charge(stage, &mandate, "n2").answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn a_dead_number_is_never_paid(stage: &dyn Stage) {
    let mandate = ready(stage);
    stage.fund(PAYER, Money::ZERO);
    charge(stage, &mandate, "n1");
    stage.fund(PAYER, AMOUNT);
    assert!(matches!(charge(stage, &mandate, "n1").answer, Answer::Declined(_)));
    assert!(matches!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Declined(_)));
    assert_eq!(stage.moved(), Money::ZERO);
}

pub fn a_lost_answer_is_found_paid(stage: &dyn Stage) {
    done_but_unheard(stage, Mishap::LoseAnswer);
}

pub fn garbage_is_found_paid(stage: &dyn Stage) {
    done_but_unheard(stage, Mishap::Garbage);
}

fn done_but_unheard(stage: &dyn Stage, mishap: Mishap) {
    let mandate = ready(stage);
    stage.mishap(mishap);
    assert_eq!(stage.rail().charge(&request(&mandate, "n1")).answer, Answer::Unknown);
    let reply = decided(stage, stage.rail().query_charge("n1", AMOUNT), "n1");
    assert_eq!(reply.answer, Answer::Paid);
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
    stage.mishap(mishap);
    assert_eq!(stage.rail().refund(&refund("f1", AMOUNT)).answer, Answer::Unknown);
    assert_eq!(stage.rail().query_refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
    assert_eq!(stage.moved(), Money::ZERO);
}

pub fn a_dropped_call_left_nothing_and_its_number_can_be_used(stage: &dyn Stage) {
    let mandate = ready(stage);
    stage.mishap(Mishap::Drop);
    assert_eq!(stage.rail().charge(&request(&mandate, "n1")).answer, Answer::Unknown);
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::NotFound);
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
    stage.mishap(Mishap::Drop);
    assert_eq!(stage.rail().refund(&refund("f1", AMOUNT)).answer, Answer::Unknown);
    assert_eq!(stage.rail().query_refund(&refund("f1", AMOUNT)).answer, Answer::NotFound);
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn a_pending_debit_is_decided_in_its_time_and_blocks_another(stage: &dyn Stage) {
    if stage.rail().profile().acceptance != Acceptance::Pending {
        return;
    }
    let mandate = ready(stage);
    let Answer::Pending(until) = stage.rail().charge(&request(&mandate, "n1")).answer else {
        panic!("accepted only");
    };
    assert_eq!(stage.moved(), Money::ZERO);
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Pending(until));
    assert_eq!(stage.rail().charge(&request(&mandate, "n1")).answer, Answer::Pending(until));
    let other = stage.rail().charge(&request(&mandate, "n2"));
    // Alipay calls a debit in the air a limit, WeChat Pay says that the request does not fit.
    assert!(matches!(other.answer, Answer::Declined(Reason::OutsidePlan | Reason::Limit)), "{other:?}");
    stage.clock().set(until);
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn outside_the_days_nothing_is_taken(stage: &dyn Stage) {
    let mandate = ready(stage);
    let profile = stage.rail().profile().clone();
    // The rail's own days lie round the registered date; ours begin with the agreed one.
    let registered = profile.registered(due());
    let base = if stage.keeps_date() { registered } else { due() };
    let too_early = plus_days(base, -i64::from(profile.window_days_before) - 1);
    let too_late = plus_days(base, i64::from(profile.window_days_after) + 1);
    for (order_no, day) in [("n1", too_early), ("n2", too_late)] {
        stage.clock().set(at(day, 10));
        assert_eq!(charge(stage, &mandate, order_no).answer, Answer::Declined(Reason::OutsidePlan), "{day}");
    }
    assert_eq!(stage.moved(), Money::ZERO);
    stage.clock().set(at(profile.window(due(), registered).last_day, 10));
    assert_eq!(charge(stage, &mandate, "n3").answer, Answer::Paid);
}

pub fn outside_the_hours_nothing_is_taken(stage: &dyn Stage) {
    let mandate = ready(stage);
    let hours = stage.rail().profile().hours;
    for (order_no, time) in [("n1", hours.from - chrono::Duration::minutes(1)), ("n2", hours.to)] {
        stage.clock().set(moment(due(), time, Shanghai));
        assert_eq!(charge(stage, &mandate, order_no).answer, Answer::Declined(Reason::OutsidePlan), "{time}");
    }
    stage.clock().set(moment(due(), hours.to - chrono::Duration::minutes(1), Shanghai));
    assert_eq!(charge(stage, &mandate, "n3").answer, Answer::Paid);
}

pub fn a_second_success_in_a_period_is_refused(stage: &dyn Stage) {
    let mandate = ready(stage);
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
    // A provider that tells when it debited last shows that this is no failure; then it is unknown, and nothing is asked for again.
    let second = charge(stage, &mandate, "n2").answer;
    assert!(matches!(second, Answer::Declined(Reason::OutsidePlan) | Answer::Unknown), "{second:?}");
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn without_a_notice_nothing_is_taken(stage: &dyn Stage) {
    let mandate = signed(stage);
    stage.clock().set(at(due(), 10));
    let reply = charge(stage, &mandate, "n1");
    if stage.rail().profile().notice == RailNotice::Announce {
        assert_eq!(reply.answer, Answer::Declined(Reason::OutsidePlan));
        assert_eq!(stage.moved(), Money::ZERO);
    } else {
        assert_eq!(stage.rail().announce(&notice(&mandate, AMOUNT)), Err(Trouble::Unsupported));
        assert_eq!(reply.answer, Answer::Paid);
    }
}

pub fn a_notice_too_late_does_not_cover_the_day(stage: &dyn Stage) {
    if stage.rail().profile().notice != RailNotice::Announce {
        return;
    }
    let mandate = signed(stage);
    stage.clock().set(at(plus_days(due(), -2), 6));
    assert!(
        matches!(stage.rail().announce(&notice(&mandate, AMOUNT)), Err(Trouble::Refused { .. })),
        "too early in the day"
    );
    stage.clock().set(at(plus_days(due(), -1), 10));
    assert_eq!(stage.rail().announce(&notice(&mandate, AMOUNT)), Ok(()));
    assert_eq!(stage.rail().announce(&notice(&mandate, AMOUNT)), Ok(()), "the same notice stands");
    let other = stage.rail().announce(&notice(&mandate, Money::from_fen(100)));
    assert!(matches!(other, Err(Trouble::Refused { .. })));
    stage.clock().set(at(due(), 10));
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Declined(Reason::OutsidePlan));
    stage.clock().set(at(plus_days(due(), 1), 10));
    assert_eq!(charge(stage, &mandate, "n2").answer, Answer::Paid);
}

pub fn more_than_announced_is_refused(stage: &dyn Stage) {
    if stage.rail().profile().notice != RailNotice::Announce {
        return;
    }
    let mandate = signed(stage);
    stage.clock().set(at(plus_days(due(), -2), 10));
    assert_eq!(stage.rail().announce(&notice(&mandate, Money::from_fen(19_899))), Ok(()));
    stage.clock().set(at(due(), 10));
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Declined(Reason::OutsidePlan));
    assert_eq!(stage.moved(), Money::ZERO);
}

pub fn a_mandate_not_agreed_or_revoked_outside_takes_nothing(stage: &dyn Stage) {
    stage.clock().set(at(due(), 10));
    let mandate = MandateRef { contract_no: "m1".to_owned(), provider_no: None };
    let unheard = stage.rail().mandate_state(&mandate);
    match stage.hears_of_links() {
        true => assert_eq!(unheard, Ok(MandateState::NotFound)),
        false => assert!(matches!(unheard, Ok(MandateState::NotFound | MandateState::Waiting)), "{unheard:?}"),
    }
    assert_eq!(charge(stage, &mandate, "n0").answer, Answer::Declined(Reason::MandateGone));
    stage.opens(&stage.rail().sign_link(&sign_request(stage)).unwrap());
    let waiting = stage.rail().mandate_state(&mandate);
    match stage.hears_of_links() {
        true => assert_eq!(waiting, Ok(MandateState::Waiting)),
        false => assert!(matches!(waiting, Ok(MandateState::NotFound | MandateState::Waiting)), "{waiting:?}"),
    }
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Declined(Reason::MandateGone));
    stage.agree("m1");
    assert!(matches!(stage.rail().mandate_state(&mandate), Ok(MandateState::Live { .. })));
    stage.revoke("m1");
    let Ok(MandateState::Ended { by, at: Some(_) }) = stage.rail().mandate_state(&mandate) else {
        panic!("ended");
    };
    assert!(by == "customer" || !stage.says_who_ended(), "{by}");
    assert_eq!(charge(stage, &mandate, "n2").answer, Answer::Declined(Reason::MandateGone));
    assert_eq!(stage.moved(), Money::ZERO);
}

pub fn closing_a_mandate_twice_is_fine(stage: &dyn Stage) {
    let mandate = ready(stage);
    assert_eq!(stage.rail().close_mandate(&mandate, "the agreement ended"), Ok(()));
    assert_eq!(stage.rail().close_mandate(&mandate, "the agreement ended"), Ok(()));
    let Ok(MandateState::Ended { by, .. }) = stage.rail().mandate_state(&mandate) else { panic!("ended") };
    assert!(by == "merchant" || !stage.says_who_ended(), "{by}");
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Declined(Reason::MandateGone));
}

pub fn a_missed_date_can_be_postponed_but_only_later(stage: &dyn Stage) {
    let mandate = ready(stage);
    let to = plus_days(due(), 15);
    if !stage.keeps_date() {
        assert_eq!(stage.rail().postpone(&mandate, to), Err(Trouble::Unsupported));
        return;
    }
    stage.clock().set(at(to, 10));
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Declined(Reason::OutsidePlan));
    assert!(matches!(stage.rail().postpone(&mandate, due()), Err(Trouble::Refused { .. })), "only later");
    assert_eq!(stage.rail().postpone(&mandate, to), Ok(()));
    assert_eq!(stage.rail().postpone(&mandate, to), Ok(()), "the same again");
    assert_eq!(charge(stage, &mandate, "n2").answer, Answer::Paid);
    let Ok(MandateState::Live { next_date, .. }) = stage.rail().mandate_state(&mandate) else { panic!("live") };
    let registered = stage.rail().profile().registered(date("2027-01-05"));
    assert_eq!(next_date, Some(registered), "later periods keep their day");
}

pub fn one_refund_number_goes_back_once(stage: &dyn Stage) {
    let mandate = ready(stage);
    charge(stage, &mandate, "n1");
    let part = Money::from_fen(5_000);
    let first = stage.rail().refund(&refund("f1", part));
    assert_eq!(first.answer, Answer::Paid);
    let again = stage.rail().refund(&refund("f1", part));
    assert_eq!((again.answer, again.trade_no), (Answer::Paid, first.trade_no));
    let known = stage.rail().query_refund(&refund("f1", part));
    assert_eq!((known.answer, known.taken_for), (Answer::Paid, None));
    let other = stage.rail().query_refund(&refund("f1", AMOUNT));
    assert_eq!((other.answer, other.taken_for), (Answer::Unknown, Some(part)), "it was another amount");
    let unheard = stage.rail().query_refund(&refund("f2", AMOUNT));
    assert_eq!((unheard.answer, unheard.taken_for), (Answer::NotFound, None));
    assert_eq!(stage.moved(), AMOUNT - part);
    assert_eq!(stage.rail().refund(&refund("f1", AMOUNT)).answer, Answer::Unknown, "same number, other amount");
    assert_eq!(stage.moved(), AMOUNT - part);
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Paid, "it was paid, whatever went back");
}

pub fn no_more_goes_back_than_was_paid(stage: &dyn Stage) {
    let mandate = ready(stage);
    assert!(matches!(stage.rail().refund(&refund("f0", AMOUNT)).answer, Answer::Declined(_)));
    charge(stage, &mandate, "n1");
    assert_eq!(stage.rail().refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
    assert!(matches!(stage.rail().refund(&refund("f2", Money::from_fen(1))).answer, Answer::Declined(_)));
    assert_eq!(stage.moved(), Money::ZERO);
}

pub fn a_closed_link_cannot_be_paid_and_a_paid_one_not_closed(stage: &dyn Stage) {
    stage.clock().set(at(due(), 10));
    let link =
        |order_no: &str| PayLinkRequest { order_no: order_no.to_owned(), amount: AMOUNT, subject: "food".to_owned() };
    let rail = stage.rail();
    let url = rail.pay_link(&link("n1")).unwrap().url;
    assert_eq!(rail.pay_link(&link("n1")).unwrap().url, url);
    match stage.knows_unopened_links() {
        true => assert!(matches!(rail.query_charge("n1", AMOUNT).answer, Answer::Pending(_))),
        false => assert_eq!(rail.query_charge("n1", AMOUNT).answer, Answer::NotFound),
    }
    // WeChat Pay closes nothing younger than five minutes.
    stage.clock().set(at(due(), 11));
    assert_eq!(rail.close_order("n1"), Ok(Closed::Closed));
    assert_eq!(rail.close_order("n1"), Ok(Closed::Closed));
    stage.pay_link("n1");
    assert!(matches!(rail.query_charge("n1", AMOUNT).answer, Answer::Declined(_)));
    assert_eq!(stage.moved(), Money::ZERO);
    rail.pay_link(&link("n2")).unwrap();
    stage.pay_link("n2");
    assert_eq!(rail.query_charge("n2", AMOUNT).answer, Answer::Paid);
    let Ok(Closed::AlreadyPaid(reply)) = rail.close_order("n2") else { panic!("paid") };
    assert_eq!(reply.answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn a_rail_that_is_down_takes_nothing(stage: &dyn Stage) {
    let mandate = ready(stage);
    stage.mishap(Mishap::Down);
    let rail = stage.rail();
    assert_eq!(rail.charge(&request(&mandate, "n1")).answer, Answer::Unknown);
    assert_eq!(rail.query_charge("n1", AMOUNT).answer, Answer::Unknown);
    assert_eq!(rail.refund(&refund("f1", AMOUNT)).answer, Answer::Unknown);
    assert!(matches!(rail.mandate_state(&mandate), Err(Trouble::Unreachable { .. })));
    assert!(matches!(rail.health(), Err(Trouble::Unreachable { .. })));
    stage.mishap(Mishap::Up);
    assert!(rail.health().is_ok());
    assert_eq!(rail.query_charge("n1", AMOUNT).answer, Answer::NotFound);
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
}

pub fn another_amount_under_the_same_number_takes_nothing(stage: &dyn Stage) {
    let mandate = ready(stage);
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
    let other = ChargeRequest { amount: Money::from_fen(100), ..request(&mandate, "n1") };
    assert_eq!(stage.rail().charge(&other).answer, Answer::Unknown);
    assert_eq!(stage.rail().query_charge("n1", other.amount).answer, Answer::Unknown);
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn one_number_from_eight_threads_is_charged_once(stage: &dyn Stage) {
    let mandate = ready(stage);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..8).map(|_| scope.spawn(|| stage.rail().charge(&request(&mandate, "n1")).answer)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Paid | Answer::Pending(_))), "{answers:?}");
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
}

pub fn unknown_numbers_are_not_found(stage: &dyn Stage) {
    stage.clock().set(at(due(), 10));
    assert_eq!(stage.rail().query_charge("n9", AMOUNT).answer, Answer::NotFound);
    assert_eq!(stage.rail().query_refund(&refund("f9", AMOUNT)).answer, Answer::NotFound);
}

/// Every reason to decline is told as what it is, and none of them takes money.
pub fn each_class_of_decline_is_told_apart(stage: &dyn Stage) {
    let mandate = ready(stage);
    for (reason, number) in Reason::ALL.into_iter().zip(1..) {
        let Some(told) = stage.decline_next(reason) else { return };
        let reply = charge(stage, &mandate, &format!("d{number}"));
        assert_eq!(reply.answer, Answer::Declined(told), "{reason:?}");
        assert!(!reply.code.is_empty() && !reply.text.is_empty(), "{reason:?}: {reply:?}");
    }
    assert_eq!(stage.moved(), Money::ZERO);
    assert_eq!(charge(stage, &mandate, "n1").answer, Answer::Paid);
}

pub fn a_pending_debit_that_fails_leaves_nothing_and_its_number_dies(stage: &dyn Stage) {
    if stage.rail().profile().acceptance != Acceptance::Pending {
        return;
    }
    let mandate = ready(stage);
    stage.fund(PAYER, Money::ZERO);
    let Answer::Pending(until) = stage.rail().charge(&request(&mandate, "n1")).answer else { panic!("accepted only") };
    stage.clock().set(until);
    assert!(matches!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Declined(_)));
    stage.fund(PAYER, AMOUNT);
    assert!(matches!(charge(stage, &mandate, "n1").answer, Answer::Declined(_)), "dead");
    assert_eq!(stage.moved(), Money::ZERO);
}

pub fn an_answer_with_a_bad_signature_is_not_believed(stage: &dyn Stage) {
    not_believed(stage, Trick::BadSignature);
}

pub fn an_answer_without_a_signature_is_not_believed(stage: &dyn Stage) {
    not_believed(stage, Trick::NoSignature);
}

pub fn an_answer_signed_with_a_foreign_key_is_not_believed(stage: &dyn Stage) {
    not_believed(stage, Trick::ForeignSignature);
}

pub fn the_answer_to_another_order_is_not_believed(stage: &dyn Stage) {
    not_believed(stage, Trick::OtherOrder);
}

pub fn an_answer_about_another_amount_is_not_believed(stage: &dyn Stage) {
    not_believed(stage, Trick::OtherAmount);
}

/// Whatever the untrue answer says, the charge is unknown until a true one comes, and the money moved once.
fn not_believed(stage: &dyn Stage, trick: Trick) {
    let mandate = ready(stage);
    if !stage.trick(trick) {
        return;
    }
    let first = stage.rail().charge(&request(&mandate, "n1"));
    assert_eq!(first.answer, Answer::Unknown, "{trick:?}: {first:?}");
    assert!(!first.text.is_empty(), "{trick:?} says nothing to a person");
    stage.trick(trick);
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Unknown, "{trick:?}");
    let asked = decided(stage, stage.rail().query_charge("n1", AMOUNT), "n1");
    assert_eq!(asked.answer, Answer::Paid, "{trick:?}");
    assert_eq!(stage.moved(), AMOUNT, "{trick:?}");
    stage.trick(trick);
    // An adapter may ask at once on its own; then it knows.
    let back = stage.rail().refund(&refund("f1", AMOUNT));
    assert!(matches!(back.answer, Answer::Unknown | Answer::Paid), "{trick:?}: {back:?}");
    assert_eq!(stage.rail().query_refund(&refund("f1", AMOUNT)).answer, Answer::Paid, "{trick:?}");
    assert_eq!(stage.moved(), Money::ZERO, "{trick:?}");
}

/// A decline that nobody vouches for is no decline: another number must not be tried after it.
pub fn an_unproven_decline_is_not_believed(stage: &dyn Stage) {
    let mandate = ready(stage);
    stage.fund(PAYER, Money::ZERO);
    for (trick, number) in [Trick::BadSignature, Trick::NoSignature, Trick::ForeignSignature].into_iter().zip(1..) {
        if !stage.trick(trick) {
            continue;
        }
        let reply = stage.rail().charge(&request(&mandate, &format!("n{number}")));
        assert_eq!(reply.answer, Answer::Unknown, "{trick:?}");
    }
    assert_eq!(stage.moved(), Money::ZERO);
}

/// What an untrue answer says of a mandate ends nothing.
pub fn an_unproven_end_of_a_mandate_is_not_believed(stage: &dyn Stage) {
    let mandate = ready(stage);
    stage.revoke("m1");
    for trick in [Trick::BadSignature, Trick::NoSignature, Trick::ForeignSignature] {
        if stage.trick(trick) {
            let state = stage.rail().mandate_state(&mandate);
            assert!(state.is_err(), "{trick:?}: {state:?}");
        }
    }
    assert!(matches!(stage.rail().mandate_state(&mandate), Ok(MandateState::Ended { .. })));
}

pub fn a_clock_ten_minutes_off_charges_nothing_and_names_the_clock(stage: &dyn Stage) {
    let mandate = ready(stage);
    if !stage.trick(Trick::ClockOff) {
        return;
    }
    let state = stage.rail().mandate_state(&mandate);
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, text, .. }) = state else {
        panic!("a wrong clock is ours to put right: {state:?}");
    };
    assert!(text.contains("clock"), "{text}");
    refused_before_the_work(stage, &mandate);
}

pub fn a_rate_limited_charge_did_not_happen_and_keeps_its_number(stage: &dyn Stage) {
    passing_trouble(stage, Trick::TooMany);
}

pub fn a_provider_in_maintenance_charges_nothing(stage: &dyn Stage) {
    passing_trouble(stage, Trick::Maintenance);
}

pub fn a_page_instead_of_an_answer_is_readable_and_charges_nothing(stage: &dyn Stage) {
    passing_trouble(stage, Trick::ErrorPage);
}

fn passing_trouble(stage: &dyn Stage, trick: Trick) {
    let mandate = ready(stage);
    if !stage.trick(trick) {
        return;
    }
    let state = stage.rail().mandate_state(&mandate);
    let Err(Trouble::Unreachable { text }) = state else { panic!("{trick:?} passes by itself: {state:?}") };
    assert!(!text.is_empty() && !text.contains('\u{fffd}'), "{text}");
    assert!(matches!(stage.rail().health(), Err(Trouble::Unreachable { .. })), "{trick:?}");
    refused_before_the_work(stage, &mandate);
}

/// The provider does nothing until the trick is over; then the same number is paid once, or, where the refusal was definite,
/// the next one.
fn refused_before_the_work(stage: &dyn Stage, mandate: &MandateRef) {
    let reply = stage.rail().charge(&request(mandate, "n1"));
    assert!(
        matches!(reply.answer, Answer::Unknown | Answer::NotFound | Answer::Declined(Reason::OurConfiguration)),
        "{reply:?}"
    );
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::Unknown, "nobody can say yet");
    assert_eq!(stage.moved(), Money::ZERO);
    stage.trick(Trick::Over);
    assert_eq!(stage.rail().query_charge("n1", AMOUNT).answer, Answer::NotFound);
    assert_eq!(charge(stage, mandate, "n1").answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
}

/// The agreed day of the installment in every fear.
pub fn due() -> NaiveDate {
    date("2026-12-05")
}

/// `hour` o'clock on `day` in Shanghai.
pub fn at(day: NaiveDate, hour: u32) -> At {
    let time = NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    Shanghai.from_local_datetime(&day.and_time(time)).unwrap().to_utc()
}

/// What a customer with mandate `m1` signs: 12 debits, signed weeks before the first.
pub fn sign_request(stage: &dyn Stage) -> SignRequest {
    SignRequest {
        contract_no: "m1".to_owned(),
        customer_label: "王**".to_owned(),
        payer: PAYER.to_owned(),
        amount: AMOUNT,
        count: 12,
        first_date: stage.rail().profile().registered(due()),
        valid_until: date("2027-12-31"),
    }
}

/// A live mandate, well before its first debit.
pub fn signed(stage: &dyn Stage) -> MandateRef {
    stage.clock().set(at(date("2026-11-20"), 10));
    stage.fund(PAYER, Money::from_fen(100_000));
    stage.opens(&stage.rail().sign_link(&sign_request(stage)).unwrap());
    stage.agree("m1");
    let mandate = MandateRef { contract_no: "m1".to_owned(), provider_no: None };
    let Ok(MandateState::Live { provider_no, .. }) = stage.rail().mandate_state(&mandate) else { panic!("live") };
    MandateRef { provider_no: Some(provider_no), ..mandate }
}

/// A live mandate at 10 o'clock of its due day, announced where the rail wants that.
pub fn ready(stage: &dyn Stage) -> MandateRef {
    let mandate = signed(stage);
    if stage.rail().profile().notice == RailNotice::Announce {
        stage.clock().set(at(plus_days(due(), -2), 10));
        stage.rail().announce(&notice(&mandate, AMOUNT)).unwrap();
    }
    stage.clock().set(at(due(), 10));
    mandate
}

/// Charges, and waits for the decision where the answer is not the outcome.
pub fn charge(stage: &dyn Stage, mandate: &MandateRef, order_no: &str) -> Reply {
    let reply = stage.rail().charge(&request(mandate, order_no));
    decided(stage, reply, order_no)
}

fn decided(stage: &dyn Stage, reply: Reply, order_no: &str) -> Reply {
    let Answer::Pending(until) = reply.answer else { return reply };
    stage.clock().set(until);
    stage.rail().query_charge(order_no, AMOUNT)
}

/// A charge of the usual amount.
pub fn request(mandate: &MandateRef, order_no: &str) -> ChargeRequest {
    ChargeRequest {
        order_no: order_no.to_owned(),
        mandate: mandate.clone(),
        amount: AMOUNT,
        subject: "猫粮月付 2026-12".to_owned(),
        due: due(),
    }
}

/// A refund of order `n1`.
pub fn refund(refund_no: &str, amount: Money) -> RefundRequest {
    RefundRequest { refund_no: refund_no.to_owned(), order_no: "n1".to_owned(), paid: AMOUNT, amount }
}

fn notice(mandate: &MandateRef, amount: Money) -> DebitNotice {
    DebitNotice { mandate: mandate.clone(), amount, due: due() }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}
