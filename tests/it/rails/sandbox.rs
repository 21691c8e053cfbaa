//! The shared suite on the sandbox, once per provider's profile, and what only the sandbox has: cards, caps, faults, its
//! temper, bills, a book shared between rails and kept between processes.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::rails::suite::{
    Mishap, Stage, at, charge, due, profile, rail_suite, ready, refund, request, sign_request, signed,
};
use kibble::adapters::rail::sandbox::rows::{Card, CardKind, OrderState};
use kibble::adapters::rail::sandbox::{Book, FaultKind, FaultSpan, Sandbox, Temper};
use kibble::adapters::rail::{BillPeriod, ChargeRequest, MandateRef, MandateState, Rail, SignRequest, Trouble};
use kibble::clock::Clock;
use kibble::domain::bill::Dialect;
use kibble::domain::date::plus_days;
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Profile, Reason};

rail_suite!(alipay, stage("alipay"));
rail_suite!(wechat_prenotify, stage("wechat-prenotify"));
rail_suite!(wechat_notify24h, stage("wechat-notify24h"));

struct Play {
    rail: Sandbox,
    clock: Clock,
}

impl Play {
    fn book(&self) -> &Book {
        self.rail.book()
    }
}

impl Stage for Play {
    fn rail(&self) -> &dyn Rail {
        &self.rail
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn keeps_date(&self) -> bool {
        Dialect::of(self.rail.name(), self.rail.profile()) == Dialect::Alipay
    }

    fn agree(&self, contract_no: &str) {
        self.book().agree(self.rail.name(), contract_no, self.clock.now()).unwrap();
    }

    fn revoke(&self, contract_no: &str) {
        self.book().revoke(self.rail.name(), contract_no, self.clock.now()).unwrap();
    }

    fn fund(&self, payer: &str, amount: Money) {
        self.book().fund(payer, amount).unwrap();
    }

    fn pay_link(&self, order_no: &str) {
        // A closed link refuses, which the suite sees by asking the rail.
        let _ = self.book().pay_link_order(self.rail.name(), order_no, self.clock.now());
    }

    fn mishap(&self, mishap: Mishap) {
        let (kind, span) = match mishap {
            Mishap::Drop => (FaultKind::Drop, FaultSpan::Times(1)),
            Mishap::LoseAnswer => (FaultKind::LoseAnswer, FaultSpan::Times(1)),
            Mishap::Garbage => (FaultKind::Garbage, FaultSpan::Times(1)),
            Mishap::Down => (FaultKind::Down, FaultSpan::Times(1_000)),
            Mishap::Up => (FaultKind::Down, FaultSpan::Times(0)),
        };
        self.book().set_fault(self.rail.name(), kind, span, None).unwrap();
    }

    fn decline_next(&self, reason: Reason) -> Option<Reason> {
        let span = FaultSpan::Times(1);
        self.book().set_fault(self.rail.name(), FaultKind::Decline, span, Some(reason)).unwrap();
        Some(reason)
    }

    fn moved(&self) -> Money {
        let totals = self.book().totals(self.rail.name()).unwrap();
        totals.paid - totals.refunded
    }
}

fn stage(name: &str) -> Play {
    stage_of(name, profile(name), Temper::default())
}

fn stage_of(name: &str, rules: Profile, temper: Temper) -> Play {
    let clock = Clock::fixed(at(due(), 10));
    let book = Arc::new(Book::in_memory().unwrap());
    Play { rail: Sandbox::open(name, rules, clock.clone(), book).with_temper(temper), clock }
}

fn fen(fen: i64) -> Money {
    Money::from_fen(fen)
}

#[test]
fn cards_pay_in_their_order_when_the_balance_cannot_and_get_their_money_back() {
    let stage = stage("alipay");
    let mandate = ready(&stage);
    stage.fund("c-12", fen(19_899));
    let card = |label: &str, kind, available| Card { label: label.to_owned(), kind, available: fen(available) };
    for it in [card("a", CardKind::Debit, 100), card("b", CardKind::Credit, 50_000), card("c", CardKind::Debit, 50_000)]
    {
        stage.book().set_card("c-12", &it).unwrap();
    }
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    let order = stage.book().order("alipay", "n1").unwrap().unwrap();
    assert_eq!((order.paid_from.as_deref(), order.fee), (Some("card:b"), fen(119)));
    let left = |stage: &Play| stage.book().state().unwrap().payers[0].cards[1].available;
    assert_eq!(left(&stage), fen(30_100));
    assert_eq!(stage.rail.refund(&refund("f1", fen(10_000))).answer, Answer::Paid);
    assert_eq!(left(&stage), fen(40_100));
    // The card is gone: the rest goes to the balance.
    assert!(stage.book().drop_card("c-12", "b").unwrap());
    assert_eq!(stage.rail.refund(&refund("f2", fen(9_900))).answer, Answer::Paid);
    assert_eq!(stage.book().state().unwrap().payers[0].balance, fen(29_799));
}

#[test]
fn what_the_rail_moved_is_what_the_payer_misses() {
    for name in ["alipay", "wechat-prenotify", "wechat-notify24h"] {
        let stage = stage(name);
        let mandate = ready(&stage);
        let left = || stage.book().state().unwrap().payers[0].balance + stage.moved();
        charge(&stage, &mandate, "n1");
        assert_eq!((left(), stage.moved()), (fen(100_000), fen(19_900)), "{name}");
        stage.rail.refund(&refund("f1", fen(5_000)));
        assert_eq!((left(), stage.moved()), (fen(100_000), fen(14_900)), "{name}");
    }
}

#[test]
fn a_payer_nobody_funded_can_pay() {
    let stage = stage("alipay");
    stage.rail.sign_link(&SignRequest { payer: "c-99".to_owned(), ..sign_request(&stage) }).unwrap();
    assert_eq!(stage.book().state().unwrap().payers[0].balance, fen(10_000_000));
}

#[test]
fn caps_refuse_by_contract_count_rail_day_and_month() {
    type Change = fn(&mut Profile);
    let cases: [(Change, i64, Reason); 4] = [
        (|_| {}, 20_000, Reason::OutsidePlan),
        (|it| it.single_cap = Money::from_fen(19_000), 19_900, Reason::OutsidePlan),
        (|it| it.day_cap = Money::from_fen(19_000), 19_900, Reason::Limit),
        (|it| it.month_cap = Money::from_fen(19_000), 19_900, Reason::Limit),
    ];
    for (change, amount, reason) in cases {
        let mut rules = profile("alipay");
        change(&mut rules);
        let stage = stage_of("alipay", rules, Temper::default());
        let mandate = ready(&stage);
        let asked = ChargeRequest { amount: fen(amount), ..request(&mandate, "n1") };
        assert_eq!(stage.rail.charge(&asked).answer, Answer::Declined(reason));
    }
}

#[test]
fn a_year_of_debits_keeps_its_day_and_ends_with_the_count() {
    for name in ["alipay", "wechat-notify24h"] {
        let stage = stage(name);
        let mandate = signed(&stage);
        stage.fund("c-12", fen(19_900 * 12));
        for term in 0..13 {
            let day = kibble::domain::date::anchored(due(), term, 5);
            stage.clock.set(at(day, 10));
            let order_no = format!("n{term}");
            let asked = ChargeRequest { due: day, ..request(&mandate, &order_no) };
            let answer = stage.rail.charge(&asked).answer;
            let right = match answer {
                Answer::Paid | Answer::Pending(_) => term < 12,
                Answer::Declined(Reason::OutsidePlan) => term == 12,
                _ => false,
            };
            assert!(right, "{name} term {term}: {answer:?}");
        }
    }
}

#[test]
fn a_mandate_is_over_after_its_last_day() {
    let stage = stage("alipay");
    let mandate = signed(&stage);
    stage.clock.set(at("2028-01-01".parse().unwrap(), 0));
    let Ok(MandateState::Ended { at: Some(ended), by }) = stage.rail.mandate_state(&mandate) else { panic!("ended") };
    assert_eq!((ended, by.as_str()), (stage.clock.now(), "expiry"));
}

#[test]
fn a_debit_in_flight_declines_when_the_mandate_ended_before_its_time() {
    let stage = stage("wechat-notify24h");
    let mandate = ready(&stage);
    let Answer::Pending(until) = stage.rail.charge(&request(&mandate, "n1")).answer else { panic!("accepted") };
    assert!(matches!(stage.rail.close_order("n1"), Err(Trouble::Refused { .. })));
    stage.rail.close_mandate(&mandate, "terminated").unwrap();
    stage.clock.set(until);
    assert_eq!(stage.rail.query_charge("n1", fen(19_900)).answer, Answer::Declined(Reason::MandateGone));
}

#[test]
fn a_revocation_after_the_decision_was_due_does_not_undo_it() {
    let stage = stage("wechat-notify24h");
    let mandate = ready(&stage);
    let Answer::Pending(until) = stage.rail.charge(&request(&mandate, "n1")).answer else { panic!("accepted") };
    stage.clock.set(until + chrono::Duration::hours(3));
    stage.revoke("m1");
    let reply = stage.rail.query_charge("n1", fen(19_900));
    assert_eq!((reply.answer, reply.at), (Answer::Paid, Some(until)));
}

#[test]
fn the_first_charge_within_hours_of_signing_needs_no_notice_on_wechat() {
    let stage = stage("wechat-prenotify");
    let mandate = signed(&stage);
    let asked = ChargeRequest { due: plus_days(due(), -15), ..request(&mandate, "n1") };
    assert_eq!(stage.rail.charge(&asked).answer, Answer::Paid);
}

#[test]
fn a_date_that_the_rail_cannot_register_is_refused_at_signing() {
    let stage = stage("alipay");
    let asked = SignRequest { first_date: "2026-12-31".parse().unwrap(), ..sign_request(&stage) };
    assert!(matches!(stage.rail.sign_link(&asked), Err(Trouble::Refused { .. })));
}

#[test]
fn an_old_order_is_not_found_but_still_never_charged_again() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    stage.clock.set(at(plus_days(due(), 31), 10));
    assert_eq!(stage.rail.query_charge("n1", fen(19_900)).answer, Answer::NotFound);
    assert_eq!(stage.rail.charge(&request(&mandate, "n1")).answer, Answer::Paid);
    assert_eq!(stage.moved(), fen(19_900));
}

#[test]
fn an_unpaid_link_closes_by_itself() {
    let stage = stage("alipay");
    let link =
        kibble::adapters::rail::PayLinkRequest { order_no: "n1".to_owned(), amount: fen(100), subject: String::new() };
    let until = stage.rail.pay_link(&link).unwrap().good_until.unwrap();
    stage.clock.set(until);
    assert!(stage.book().pay_link_order("alipay", "n1", until).is_err());
    assert_eq!(stage.rail.query_charge("n1", fen(100)).answer, Answer::Declined(Reason::Other));
}

#[test]
fn faults_count_down_end_in_time_and_name_their_reason() {
    let stage = stage("alipay");
    let mandate = ready(&stage);
    stage.book().set_fault("alipay", FaultKind::Decline, FaultSpan::Times(2), Some(Reason::RiskRefused)).unwrap();
    for order_no in ["n1", "n2"] {
        let reply = charge(&stage, &mandate, order_no);
        assert_eq!(reply.answer, Answer::Declined(Reason::RiskRefused));
        assert_eq!(reply.code, "ACQ.PAYMENT_REQUEST_HAS_RISK");
    }
    let until = stage.clock.now() + chrono::Duration::hours(2);
    stage.book().set_fault("alipay", FaultKind::Down, FaultSpan::Until(until), None).unwrap();
    assert_eq!(charge(&stage, &mandate, "n3").answer, Answer::Unknown);
    stage.clock.set(until);
    assert_eq!(stage.rail.query_charge("n3", fen(19_900)).answer, Answer::NotFound);
    // A rehearsal does not wait for a slow answer: it comes too late.
    stage.book().set_fault("alipay", FaultKind::Slow, FaultSpan::Times(1), None).unwrap();
    assert_eq!(charge(&stage, &mandate, "n3").answer, Answer::Unknown);
    assert_eq!(stage.rail.query_charge("n3", fen(19_900)).answer, Answer::Paid);
    assert!(stage.book().state().unwrap().faults.is_empty());
}

#[test]
fn the_same_seed_always_does_the_same() {
    let outcome = |seed| -> Vec<(Answer, Option<String>)> {
        let temper = Temper { seed, no_funds_bps: 3_000, limit_bps: 3_000, lose_answer_bps: 5_000 };
        let stage = stage_of("alipay", profile("alipay"), temper);
        let mandate = ready(&stage);
        (0..8).map(|n| charge(&stage, &mandate, &format!("n{n}"))).map(|it| (it.answer, it.trade_no)).collect()
    };
    assert_eq!(outcome(7), outcome(7));
    assert_ne!(outcome(7), outcome(8));
}

#[test]
fn rails_of_one_book_do_not_mix_and_the_book_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.db");
    let clock = Clock::fixed(at(due(), 10));
    let open = |name: &str, book: &Arc<Book>| Play {
        rail: Sandbox::open(name, profile("alipay"), clock.clone(), book.clone()),
        clock: clock.clone(),
    };
    let book = Arc::new(Book::open(&path).unwrap());
    let (one, two) = (open("alipay", &book), open("alipay-2", &book));
    let mandate = ready(&one);
    two.rail.sign_link(&sign_request(&two)).unwrap();
    assert_eq!(two.book().agree_all(clock.now()).unwrap(), [("alipay-2".to_owned(), "m1".to_owned())]);
    assert_eq!(charge(&one, &mandate, "n1").answer, Answer::Paid);
    assert_eq!(two.rail.query_charge("n1", fen(19_900)).answer, Answer::NotFound);
    // A second process opens the same file.
    let later = open("alipay", &Arc::new(Book::open(&path).unwrap()));
    assert_eq!(later.rail.charge(&request(&mandate, "n1")).answer, Answer::Paid);
    let mut seen = Vec::new();
    later
        .book()
        .orders("alipay", |order| {
            seen.push((order.order_no, order.amount, order.state, order.refunded));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [("n1".to_owned(), fen(19_900), OrderState::Paid, Money::ZERO)]);
}

#[test]
fn a_file_that_is_no_book_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.db");
    std::fs::write(&path, "this is not a database, but it is long enough to look like a header ".repeat(20)).unwrap();
    let error = format!("{:#}", Book::open(&path).unwrap_err());
    assert!(error.contains("sandbox.db"), "{error}");
}

#[test]
fn customers_of_unknown_contracts_are_told_by_name() {
    let stage = stage("alipay");
    let error = stage.book().agree("alipay", "m9", stage.clock.now()).unwrap_err();
    assert_eq!(error.to_string(), "rail alipay knows no contract m9");
    stage.rail.sign_link(&sign_request(&stage)).unwrap();
    stage.revoke("m1");
    let error = stage.book().agree("alipay", "m1", stage.clock.now()).unwrap_err();
    assert_eq!(error.to_string(), "contract m1 of rail alipay has ended");
}

/// A paid order and a part refund on one day; the bill is asked for the next morning.
fn billed(name: &str) -> (Play, NaiveDate) {
    let stage = stage(name);
    let mandate: MandateRef = ready(&stage);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    stage.clock.set(at(due(), 18));
    assert_eq!(stage.rail.refund(&refund("f1", fen(5_000))).answer, Answer::Paid);
    stage.clock.set(at(plus_days(due(), 1), 9));
    assert!(matches!(stage.rail.bill(BillPeriod::Day(due())), Err(Trouble::Refused { .. })), "not ready");
    stage.clock.set(at(plus_days(due(), 1), 10));
    (stage, due())
}

#[test]
fn an_alipay_bill_is_gbk_with_its_frame_and_sums() {
    let (stage, day) = billed("alipay");
    let bill = stage.rail.bill(BillPeriod::Day(day)).unwrap();
    assert_eq!(bill.name, "2088000000000022_20261205_业务明细.csv");
    let (text, _, broken) = encoding_rs::GBK.decode(&bill.bytes);
    assert!(!broken);
    let table: String = text.split("\r\n").filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\r\n");
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), 25);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let read = |row: usize, columns: [usize; 6]| columns.map(|column| rows[row][column].to_owned());
    assert_eq!(read(0, [1, 2, 5, 11, 21, 22]), ["n1", "交易", "2026-12-05 10:00:00", "199.00", "", "-1.19"]);
    assert_eq!(read(1, [1, 2, 5, 11, 21, 22]), ["n1", "退款", "2026-12-05 18:00:00", "-50.00", "f1", "0.30"]);
    assert_eq!((rows.len(), &rows[0][3]), (2, "猫粮月付 2026-12"));
    // A day without trades has a bill without rows.
    stage.clock.set(at(plus_days(day, 2), 10));
    assert!(!stage.rail.bill(BillPeriod::Day(plus_days(day, 1))).unwrap().bytes.is_empty());
}

#[test]
fn a_wechat_bill_is_utf8_with_backticks_and_totals() {
    let (stage, day) = billed("wechat-prenotify");
    let bill = stage.rail.bill(BillPeriod::Day(day)).unwrap();
    let text = String::from_utf8(bill.bytes).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines[0].starts_with('\u{feff}') && lines[0].split(',').count() == 27);
    let values =
        |line: &str| -> Vec<String> { line.strip_prefix('`').unwrap().split(",`").map(str::to_owned).collect() };
    let (paid, back, totals) = (values(lines[1]), values(lines[2]), values(lines[4]));
    assert_eq!((paid.len(), back.len()), (27, 27));
    assert_eq!([&paid[0], &paid[6], &paid[8], &paid[9]], ["2026-12-05 10:00:00", "n1", "PAP", "SUCCESS"]);
    assert_eq!([&paid[12], &paid[22], &paid[23]], ["199.00", "1.19000", "0.60%"]);
    assert_eq!([&back[9], &back[15], &back[16], &back[22]], ["REFUND", "f1", "50.00", "-0.30000"]);
    assert_eq!(totals, ["2", "199.00", "50.00", "0.00", "0.89000", "199.00", "50.00"]);
    stage.clock.set(at(plus_days(day, 2), 10));
    let Err(Trouble::Refused { code, .. }) = stage.rail.bill(BillPeriod::Day(plus_days(day, 1))) else {
        panic!("no bill")
    };
    assert_eq!(code, "NO_STATEMENT_EXIST");
}
