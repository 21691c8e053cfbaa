//! Fears about real money: a debit repeated because an answer was lost or a bill came late, a decline that was none, a copy that pays,
//! a rail that stops for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::Duration;
use kibble::adapters::rail::{ChargeRequest, MandateRef, MandateState, PayLinkRequest, SavedNotice, SignRequest};
use kibble::db;
use kibble::db::charge::NewCharge;
use kibble::domain::charge::{ChargeKind, InstallmentState, order_no};
use kibble::domain::money::Money;
use kibble::domain::op::Op;
use kibble::domain::rail::Answer;
use kibble::ops::debit::report::{Concern, RunReport};
use kibble::ops::debit::{self, Options};
use kibble::ops::notice::{self, Heard, Outcome};
use kibble::ops::witness;

use crate::due::{ALIPAY, WECHAT, announced, ask, charges, holds, run, shop, shop_with, wallet};
use crate::earnest::{Till, moment};
use crate::plant::sandbox_sql;
use crate::provider::alipay::{SELLER, form};
use crate::recon::{decisions, list};
use crate::shop::Shop;
use crate::stage;

/// Alipay in earnest with one term due today, and WeChat Pay's sandbox with another.
fn till() -> Till {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    Till::open(shop, "2026-11-05T09:00", "")
}

fn runs(till: &Till, at: &str) -> RunReport {
    till.ctx.clock.set(moment(at));
    match debit::run(&till.ctx, &Options::default()).unwrap() {
        debit::Outcome::Ran(report) => *report,
        debit::Outcome::Busy => panic!("nobody else is at work"),
    }
}

/// Cuts the first `times` calls of a method before the work.
fn cut(till: &Till, method: &'static str, times: usize) -> Arc<AtomicUsize> {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    till.server.set_watch(Box::new(move |asked| {
        form(&asked.query)["method"] == method && count.fetch_add(1, Ordering::SeqCst) < times
    }));
    seen
}

/// The provider's book says of the newest debit that it was paid after all.
fn paid_after_all(shop: &Shop) {
    sandbox_sql(
        shop,
        "UPDATE orders SET state = 'paid', reason = NULL, paid_at = created_at, fee = 119, trade_no = '2026LATE'
         WHERE state IN ('declined', 'closed') AND contract_no IS NOT NULL",
    );
}

fn first(shop: &Shop) -> String {
    charges(shop).lines().filter(|line| line.starts_with("a-1/")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_lost_look_at_one_mandate_does_not_stop_the_rail() {
    for times in [1, 2] {
        let till = till();
        cut(&till, "alipay.user.agreement.query", times);
        let report = runs(&till, "2026-11-05T09:00");
        assert_eq!((report.charged, report.paid, report.needs.len()), (2, 2, 0), "{times}: {report:?}");
        assert_eq!(wallet(&till.shop, 1), 19_900);
        holds(&till.shop);
    }
}

#[test]
fn a_lost_answer_to_the_first_question_does_not_stop_the_rail() {
    let till = till();
    cut(&till, "alipay.trade.query", 2);
    let report = runs(&till, "2026-11-05T09:00");
    assert_eq!((report.paid, report.needs.len()), (2, 0), "{report:?}");
}

#[test]
fn looks_that_are_lost_one_after_another_stop_the_rail_and_no_other() {
    let till = till();
    let seen = cut(&till, "alipay.user.agreement.query", usize::MAX);
    let report = runs(&till, "2026-11-05T09:00");
    assert_eq!((report.charged, report.paid), (1, 1), "{report:?}");
    assert!(report.needs.iter().any(|it| it.record == "alipay" && matches!(it.what, Concern::RailDown { .. })));
    assert_eq!(seen.load(Ordering::SeqCst), 3, "it is not asked for ever");
    assert_eq!(first(&till.shop), "");
    let _ = cut(&till, "nothing", 0);
    assert_eq!(runs(&till, "2026-11-05T10:00").paid, 1);
    holds(&till.shop);
}

#[test]
fn a_run_that_takes_long_charges_nobody_after_the_hours_of_the_rail() {
    let mut shop = shop_with("--rail alipay=sandbox --rail wechat=sandbox", "window = 1", &[ALIPAY, ALIPAY]);
    announced(&mut shop);
    let till = Till::open(shop, "2026-11-05T23:10", "");
    let clock = till.ctx.clock.clone();
    till.server.set_watch(Box::new(move |asked| {
        if form(&asked.query)["method"] == "alipay.trade.pay" {
            clock.set(moment("2026-11-05T23:40"));
        }
        false
    }));
    let report = runs(&till, "2026-11-05T23:10");
    assert_eq!(report.charged, 1, "{report:?}");
    assert_eq!(charges(&till.shop).lines().count(), 1);
    holds(&till.shop);
}

#[test]
fn a_term_that_a_bill_says_is_paid_is_collected_by_nothing_else() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T20:00").exits(0);
    assert_eq!(first(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay pending");
    shop.run("sandbox fund c-1 1000").exits(0);
    paid_after_all(&shop);
    shop.at("2026-11-06T10:30").run("sandbox bill alipay 2026-11-05 --out a.csv").exits(0);
    shop.run("recon import a.csv --rail alipay").says("1 line, 1 new");
    let before = first(&shop);
    run(&mut shop, "2026-11-06T11:00").exits(3).says("kibble recon list");
    assert_eq!(first(&shop), before, "the retry would have been a second debit");
    shop.run("debit run --dry-run").hides("a-1/1  charged");
    shop.run("debit pay a-1/1 --cash --yes").fails(1, "a bill says that a-1/1 was paid");
    let line = list(&shop).remove(0);
    assert_eq!((&line["class"], &line["our_state"]), (&"status".into(), &"declined".into()));
    decisions(&shop, &[(line["id"].as_str().unwrap(), "accept")]);
    shop.run("recon apply decided.csv").ok("paid, as their bill says");
    assert_eq!((wallet(&shop, 1), first(&shop).lines().next()), (19_900, Some("a-1/1 1 debit alipay paid")));
    assert!(first(&shop).ends_with("a-1/1 2 link alipay void"), "{}", first(&shop));
    run(&mut shop, "2026-11-06T12:00");
    assert_eq!(first(&shop).lines().count(), 2);
    holds(&shop);
}

fn hears(till: &Till, order_no: &str) -> Heard {
    let fields = [
        ("notify_type", "trade_status_sync"),
        ("trade_status", "TRADE_SUCCESS"),
        ("out_trade_no", order_no),
        ("trade_no", "2026LATE"),
        ("total_amount", "199.00"),
        ("gmt_payment", "2026-11-05 09:00:03"),
        ("seller_id", SELLER),
    ];
    let notice = SavedNotice { headers: Vec::new(), body: till.gateway.notice(&fields).into_bytes() };
    notice::apply(&till.ctx, None, &notice, till.ctx.now()).unwrap()
}

#[test]
fn a_notice_that_a_dead_number_was_paid_is_booked_before_another_number_is_charged() {
    let till = till();
    till.book().fund("c-1", Money::ZERO).unwrap();
    runs(&till, "2026-11-05T09:00");
    till.book().fund("c-1", Money::from_fen(100_000)).unwrap();
    let order_no = ask(&till.shop, "SELECT order_no FROM charge WHERE state = 'declined'");
    // The rail does not say so: somebody must look, and nothing changes.
    let before = first(&till.shop);
    assert_eq!((hears(&till, &order_no).result, first(&till.shop)), (Outcome::Disputed, before));
    paid_after_all(&till.shop);
    let heard = hears(&till, &order_no);
    assert_eq!((heard.result, heard.state.as_str()), (Outcome::Applied, "paid"), "{heard:?}");
    assert_eq!(wallet(&till.shop, 1), 19_900);
    assert_eq!(hears(&till, &order_no).result, Outcome::Unchanged);
    runs(&till, "2026-11-05T17:00");
    assert_eq!(first(&till.shop), "a-1/1 1 debit alipay paid\na-1/1 2 link alipay void");
    holds(&till.shop);
}

#[test]
fn a_notice_about_a_dead_number_blocks_the_term_while_the_rail_cannot_say() {
    let till = till();
    till.book().fund("c-1", Money::ZERO).unwrap();
    runs(&till, "2026-11-05T09:00");
    till.book().fund("c-1", Money::from_fen(100_000)).unwrap();
    let order_no = ask(&till.shop, "SELECT order_no FROM charge WHERE state = 'declined'");
    paid_after_all(&till.shop);
    cut(&till, "alipay.trade.query", 1);
    assert_eq!(hears(&till, &order_no).result, Outcome::Doubtful);
    assert!(first(&till.shop).starts_with("a-1/1 1 debit alipay unknown"), "{}", first(&till.shop));
    runs(&till, "2026-11-05T17:00");
    assert_eq!(first(&till.shop), "a-1/1 1 debit alipay paid\na-1/1 2 link alipay void");
    assert_eq!(wallet(&till.shop, 1), 19_900);
    holds(&till.shop);
}

#[test]
fn a_second_payment_of_a_term_that_went_back_is_told_and_stops_no_run() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-05T09:30");
    let cast = stage::set(&ctx);
    stage::collect(&ctx, &cast);
    let identity = db::shop::identity(ctx.db.read()).unwrap();
    let id = stage::term(&cast, 1);
    let order_no = order_no(&identity.code, identity.copy_no, id, 2);
    let request = PayLinkRequest { order_no: order_no.clone(), amount: stage::MONTHLY, subject: "x".into() };
    ctx.rail("alipay").unwrap().pay_link(&request).unwrap();
    ctx.sandbox.as_ref().unwrap().pay_link_order("alipay", &order_no, ctx.now()).unwrap();
    let charge = ctx.db.write(ctx.now(), |tx| {
        db::installment::set_state(tx, id, InstallmentState::Refunded)?;
        let new = NewCharge {
            installment: id,
            attempt: 2,
            kind: ChargeKind::Link,
            mandate: None,
            rail: "alipay",
            order_no: &order_no,
            amount: stage::MONTHLY,
            run: None,
        };
        let charge = db::charge::note(tx, &new, ctx.now())?;
        Ok((charge, Op::ChargesWritten { noted: vec![charge], answers: Vec::new() }))
    });
    let before = wallet(&shop, 1);
    for _ in 0..2 {
        let debit::Outcome::Ran(report) = debit::run(&ctx, &Options::default()).unwrap() else { panic!("busy") };
        assert!(report.needs.iter().any(|it| matches!(it.what, Concern::PaidTwice { .. })), "{report:?}");
    }
    let stands = db::charge::get(ctx.db.read(), charge.unwrap()).unwrap().unwrap();
    assert_eq!((stands.state.word(), stands.code.as_str(), wallet(&shop, 1)), ("unknown", "PAID_TWICE", before));
}

#[test]
fn a_link_that_the_rail_never_closes_is_closed_when_its_time_is_over() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-06T17:00");
    run(&mut shop, "2026-11-07T21:00");
    sandbox_sql(&shop, "UPDATE orders SET decide_at = NULL WHERE state = 'link_open'");
    let link = "SELECT state FROM charge WHERE kind = 'link' ORDER BY id DESC LIMIT 1";
    assert_eq!(ask(&shop, link), "pending", "{}", charges(&shop));
    let until: kibble::domain::date::At =
        ask(&shop, "SELECT pending_until FROM charge WHERE kind = 'link' ORDER BY id DESC LIMIT 1").parse().unwrap();
    let at = |more: i64| {
        (until + Duration::minutes(more)).with_timezone(&chrono_tz::Asia::Shanghai).format("%Y-%m-%dT%H:%M").to_string()
    };
    run(&mut shop, &at(-10));
    assert_eq!(ask(&shop, link), "pending");
    run(&mut shop, &at(10));
    assert_eq!(ask(&shop, link), "void", "{}", charges(&shop));
    holds(&shop);
}

#[test]
fn a_lost_state_that_tried_often_is_found_all_the_same() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    witness::remember(&ctx).unwrap();
    shop.run("--now 2026-11-02T10:00 backup").exits(0);
    // The lost state: seven declines, then the money.
    let later = stage::open(&shop, "2026-11-05T09:30");
    let identity = db::shop::identity(later.db.read()).unwrap();
    let mandate = db::mandate::get(later.db.read(), cast.mandate).unwrap().unwrap();
    let rail = later.rail("alipay").unwrap();
    let signing = SignRequest {
        contract_no: mandate.contract_no.clone(),
        customer_label: "王**".into(),
        payer: cast.customer.to_string(),
        amount: stage::MONTHLY,
        count: 12,
        first_date: "2026-11-07".parse().unwrap(),
        valid_until: mandate.valid_until,
    };
    rail.sign_link(&signing).unwrap();
    let book = later.sandbox.as_ref().unwrap();
    book.agree_all(later.now()).unwrap();
    let mut named = MandateRef { contract_no: mandate.contract_no, provider_no: None };
    let Ok(MandateState::Live { provider_no, .. }) = rail.mandate_state(&named) else { panic!("not live") };
    named.provider_no = Some(provider_no);
    let mut last = String::new();
    for attempt in 1..=8 {
        let amount = if attempt < 8 { Money::ZERO } else { Money::from_fen(100_000) };
        book.fund(&cast.customer.to_string(), amount).unwrap();
        last = order_no(&identity.code, identity.copy_no, stage::term(&cast, 1), attempt);
        let request = ChargeRequest {
            order_no: last.clone(),
            mandate: named.clone(),
            amount: stage::MONTHLY,
            subject: "宠粮月付".into(),
            due: "2026-11-05".parse().unwrap(),
        };
        assert_eq!(rail.charge(&request).answer == Answer::Paid, attempt == 8);
    }
    witness::remember(&later).unwrap();
    drop((ctx, later));
    shop.run("--now 2026-11-06T09:00 restore backups/shop-2026-11-02T1000.db --yes").exits(0);
    shop.run("--now 2026-11-06T09:00 adopt --yes").says(&last).says("paid, was missing here");
}

#[test]
fn a_restored_shop_takes_no_cash_and_gives_nothing_back() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-2 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(0);
    shop.at("2026-11-05T10:00").run("backup").exits(0);
    run(&mut shop, "2026-11-05T17:00");
    let copy = std::fs::read_dir(shop.path("backups")).unwrap().next().unwrap().unwrap().path();
    shop.at("2026-11-06T10:00").run(&format!("restore {} --yes", copy.display())).exits(0);
    for command in ["debit refund a-1/1 --amount 10 --reason test --yes", "debit pay a-2/1 --cash --yes"] {
        shop.run(command).fails(1, "no money moves").says("kibble adopt");
    }
    assert_eq!(ask(&shop, "SELECT count(*) FROM refund"), "0");
}

#[test]
fn a_bill_of_some_hours_or_written_too_early_vouches_for_no_day() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").exits(0);
    shop.at("2026-11-08T10:30").run("sandbox bill alipay 2026-11-05 --out a.csv").exits(0);
    let text = encoding_rs::GBK.decode(&std::fs::read(shop.path("a.csv")).unwrap()).0.into_owned();
    let whole = "终止日期：[2026年11月06日 00:00:00]";
    let cases = [
        (text.replacen(whole, "终止日期：[2026年11月05日 15:00:00]", 1), "0"),
        (text.replace("导出时间：[2026年11月06日 09:00:00]", "导出时间：[2026年11月05日 15:00:00]"), "0"),
        (text.clone(), "1"),
    ];
    for (text, days) in cases {
        shop.write("b.csv", encoding_rs::GBK.encode(&text).0);
        shop.run("recon import b.csv --rail alipay").exits(0);
        assert_eq!(ask(&shop, "SELECT count(*) FROM bill_day"), days, "{text}");
    }
    holds(&shop);
}
