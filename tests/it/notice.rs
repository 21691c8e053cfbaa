//! Saved notices: genuine, forged, repeated, stale, about somebody else's order. The shop was rehearsed on its sandbox, whose book then
//! stands behind Alipay's gateway, so that the rail can be asked too.

use kibble::adapters::rail::SavedNotice;
use kibble::adapters::rail::sandbox::{FaultKind, FaultSpan};
use kibble::domain::id::AgreementId;
use kibble::domain::money::Money;
use kibble::domain::statement::Cause;
use kibble::ops::notice::{self, Heard, Kind, Outcome};
use kibble::ops::statement::{self, Termination};

use crate::due::{ALIPAY, announced, ask, charges, counts, holds, run, shop, signed_waiting, wallet};
use crate::earnest::Till;
use crate::plant::sql;
use crate::provider::alipay::SELLER;
use crate::recon;
use crate::shop::Shop;

/// When the notices are read.
const NOW: &str = "2026-11-05T09:30";

/// What notices do to the till.
trait Hears {
    fn hears(&self, fields: &[(&str, &str)]) -> Heard;
    fn tries(&self, body: &str) -> anyhow::Result<Heard>;
    fn order_no(&self) -> String;
    fn contract_no(&self) -> String;
}

impl Hears for Till {
    fn hears(&self, fields: &[(&str, &str)]) -> Heard {
        self.tries(&self.gateway.notice(fields)).unwrap()
    }

    fn tries(&self, body: &str) -> anyhow::Result<Heard> {
        let notice = SavedNotice { headers: Vec::new(), body: body.as_bytes().to_vec() };
        notice::apply(&self.ctx, None, &notice, self.ctx.now())
    }

    fn order_no(&self) -> String {
        ask(&self.shop, "SELECT order_no FROM charge ORDER BY id DESC LIMIT 1")
    }

    fn contract_no(&self) -> String {
        ask(&self.shop, "SELECT contract_no FROM mandate WHERE id = 1")
    }
}

/// Term 1 was debited, and its answer was lost.
fn unheard() -> Till {
    Till::open(unanswered(), NOW, "")
}

/// The same, still on the sandbox.
fn unanswered() -> Shop {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay unknown");
    shop
}

fn paid<'a>(order_no: &'a str, amount: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("notify_type", "trade_status_sync"),
        ("trade_status", "TRADE_SUCCESS"),
        ("out_trade_no", order_no),
        ("trade_no", "2026110522001400000000000001"),
        ("total_amount", amount),
        ("gmt_payment", "2026-11-05 09:00:03"),
        ("seller_id", SELLER),
        ("buyer_logon_id", "159****5620"),
    ]
}

#[test]
fn a_payment_is_booked_once_however_often_its_notice_comes() {
    let till = unheard();
    let order_no = till.order_no();
    let heard = till.hears(&paid(&order_no, "199.00"));
    assert_eq!((heard.kind, heard.result, heard.state.as_str()), (Kind::Charge, Outcome::Applied, "paid"));
    assert_eq!((heard.rail.as_str(), heard.record.as_deref()), ("alipay", Some("a-1/1")));
    assert_eq!(wallet(&till.shop, 1), 19_900);
    assert_eq!(
        ask(&till.shop, "SELECT paid_at FROM charge"),
        "2026-11-05T01:00:03Z",
        "when Alipay says, not when it was read"
    );
    let after = counts(&till.shop);
    let again = till.hears(&paid(&order_no, "199.00"));
    assert_eq!((again.result, again.state.as_str()), (Outcome::Unchanged, "paid"));
    assert_eq!(counts(&till.shop), after);
    holds(&till.shop);
}

#[test]
fn a_forged_notice_changes_nothing() {
    let till = unheard();
    let before = counts(&till.shop);
    let genuine = till.gateway.notice(&paid(&till.order_no(), "199.00"));
    for forged in [genuine.replace("199", "198"), genuine.replace("SUCCESS", "CLOSED"), "nonsense".to_owned()] {
        let error = till.tries(&forged).unwrap_err().to_string();
        assert!(error.contains("this notice is not genuine; nothing was changed (alipay: "), "{error}");
    }
    assert_eq!(counts(&till.shop), before);
}

#[test]
fn another_amount_or_an_order_of_nobodys_changes_nothing_and_is_told() {
    let till = unheard();
    let before = counts(&till.shop);
    let other = till.hears(&paid(&till.order_no(), "198.00"));
    assert_eq!(other.result, Outcome::Disputed);
    assert_eq!(other.why, "the notice speaks of ¥198.00, the order of ¥199.00");
    let nobodys = till.hears(&paid("SOMEBODYELSES1", "199.00"));
    assert_eq!((nobodys.result, nobodys.record.as_deref()), (Outcome::UnknownNumber, None));
    assert!(other.needs_person() && nobodys.needs_person());
    assert_eq!(counts(&till.shop), before);
}

#[test]
fn a_notice_of_failure_is_looked_up_and_the_rail_has_the_last_word() {
    let closed = |order_no: &str| {
        let mut fields =
            paid(order_no, "199.00").iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        fields.retain(|(name, _)| name != "gmt_payment");
        fields[1].1 = "TRADE_CLOSED".into();
        fields
    };
    let hears = |till: &Till| {
        let fields = closed(&till.order_no());
        till.hears(&fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>())
    };
    // The debit was paid although its answer was lost: the notice is wrong about it.
    let till = unheard();
    assert_eq!((hears(&till).result, wallet(&till.shop, 1)), (Outcome::Applied, 19_900));
    assert_eq!(charges(&till.shop), "a-1/1 1 debit alipay paid");
    assert_eq!(hears(&till).result, Outcome::Disputed, "booked as paid, and said to be closed");
    // The debit had failed: the rail says so too.
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    let till = Till::open(shop, NOW, "");
    let heard = hears(&till);
    assert_eq!((heard.result, heard.state.as_str()), (Outcome::Applied, "declined"));
    assert_eq!(hears(&till).result, Outcome::Unchanged);
    // A payment of a number that is booked as dead is no matter for a program alone.
    let late = till.hears(&paid(&till.order_no(), "199.00"));
    assert_eq!((late.result, wallet(&till.shop, 1)), (Outcome::Disputed, 0));
}

/// The same debit, booked as declined here while Alipay has its money; `before` happens next, and then its bill is taken over.
fn dead_here(before: &str) -> Shop {
    let mut shop = unanswered();
    sql(&shop, "UPDATE charge SET state = 'declined', reason = 'no_funds', code = '', answered_at = asked_at");
    shop.at("2026-11-05T12:00");
    if !before.is_empty() {
        shop.run(before).exits(0);
    }
    shop.at("2026-11-06T10:30")
        .run("recon fetch --rail alipay --day 2026-11-05")
        .fails(3, "1 difference needs a decision");
    shop
}

#[test]
fn a_notice_after_the_decision_about_a_bill_books_the_money_no_second_time() {
    for (before, class) in [("", "status"), ("debit pay a-1/1 --cash --yes", "duplicate")] {
        let shop = dead_here(before);
        let it = recon::list(&shop).remove(0);
        assert_eq!(it["class"], class);
        recon::decisions(&shop, &[(it["id"].as_str().unwrap(), "refund")]);
        shop.run("recon apply decided.csv").ok("went back as f-1");
        let money = wallet(&shop, 1);
        let till = Till::open(shop, "2026-11-06T11:00", "");
        let order_no = ask(&till.shop, "SELECT order_no FROM charge WHERE id = 1");
        let after = counts(&till.shop);
        let heard = till.hears(&paid(&order_no, "199.00"));
        assert_eq!((heard.result, heard.state.as_str()), (Outcome::Unchanged, "declined"), "{class}");
        assert_eq!(heard.why, "it was decided from a bill before");
        assert_eq!((counts(&till.shop), wallet(&till.shop, 1)), (after, money), "{class}");
        holds(&till.shop);
        // Nothing is left open that would keep the agreement from being settled.
        let (a, now) = (AgreementId::new(1), till.ctx.now());
        let notice = Termination { cause: Cause::Consumer, keep_pet: false, reason: "test".into() };
        statement::terminate(&till.ctx, a, &notice, now).unwrap();
        statement::confirm(&till.ctx, a, "test", now).unwrap();
    }
}

#[test]
fn a_notice_about_a_term_that_nobody_collects_any_more_is_left_to_the_bill() {
    let shop = dead_here("debit pay a-1/1 --cash --yes");
    let till = Till::open(shop, "2026-11-06T11:00", "");
    let order_no = ask(&till.shop, "SELECT order_no FROM charge WHERE id = 1");
    let after = counts(&till.shop);
    let heard = till.hears(&paid(&order_no, "199.00"));
    assert_eq!((heard.result, heard.state.as_str()), (Outcome::Disputed, "declined"));
    assert_eq!(
        heard.why,
        "the notice says that it was paid, and its term is not collected any more; the bill will tell"
    );
    assert_eq!((counts(&till.shop), wallet(&till.shop, 1)), (after, 19_900));
    holds(&till.shop);
}

#[test]
fn a_customer_who_agrees_or_ends_the_mandate_is_heard_of_by_notice() {
    let till = unheard();
    let contract_no = till.contract_no();
    let agreement_no = till.book().contract("alipay", &contract_no).unwrap().unwrap().provider_no.unwrap();
    let about = |kind: &'static str, status: &'static str| {
        vec![
            ("notify_type", kind),
            ("status", status),
            ("external_agreement_no", contract_no.as_str()),
            ("agreement_no", agreement_no.as_str()),
            ("notify_time", "2026-11-05 09:20:00"),
        ]
    };
    let end = about("dut_user_unsign", "UNSIGN");
    let stale = till.hears(&end);
    assert_eq!((stale.result, stale.state.as_str()), (Outcome::Disputed, "live"), "the rail says that it lives");
    till.book().revoke("alipay", &contract_no, till.ctx.now()).unwrap();
    let ended = till.hears(&end);
    assert_eq!((ended.kind, ended.result, ended.state.as_str()), (Kind::Mandate, Outcome::Applied, "revoked"));
    assert_eq!(ended.record.as_deref(), Some("m-1"));
    let after = counts(&till.shop);
    assert_eq!(till.hears(&end).result, Outcome::Unchanged);
    assert_eq!(
        till.hears(&about("dut_user_sign", "NORMAL")).result,
        Outcome::Unchanged,
        "an old consent revives nothing"
    );
    assert_eq!(counts(&till.shop), after);
    let mut strange = end.clone();
    strange[2].1 = "NOBODYS";
    assert_eq!(till.hears(&strange).result, Outcome::UnknownNumber);
}

#[test]
fn a_consent_starts_the_agreement_once() {
    let shop = signed_waiting("alipay", None);
    let till = Till::open(shop, "2026-10-05T13:00", "");
    let contract_no = till.contract_no();
    let fields = [
        ("notify_type", "dut_user_sign"),
        ("status", "NORMAL"),
        ("external_agreement_no", contract_no.as_str()),
        ("agreement_no", "20261005000000000001"),
        ("sign_time", "2026-10-05 12:30:00"),
    ];
    let heard = till.hears(&fields);
    assert_eq!((heard.result, heard.state.as_str()), (Outcome::Applied, "live"));
    assert_eq!(ask(&till.shop, "SELECT state FROM agreement"), "active");
    assert_eq!(ask(&till.shop, "SELECT provider_no FROM mandate"), "20261005000000000001");
    assert_eq!(till.hears(&fields).result, Outcome::Unchanged);
    holds(&till.shop);
}

#[test]
fn a_notice_of_a_refund_is_looked_up_and_booked_once() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").exits(0);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    shop.run("debit refund a-1/1 --amount 49.50 --reason test --yes").exits(0);
    let till = Till::open(shop, NOW, "");
    let refund_no = ask(&till.shop, "SELECT refund_no FROM refund WHERE state = 'unknown'");
    let about = |number: &str| {
        let fields = [
            ("notify_type", "trade_status_sync"),
            ("trade_status", "TRADE_SUCCESS"),
            ("out_trade_no", "x"),
            ("out_biz_no", number),
            ("gmt_refund", "2026-11-05 09:10:00.000"),
            ("refund_fee", "49.50"),
        ];
        till.hears(&fields)
    };
    let heard = about(&refund_no);
    assert_eq!((heard.kind, heard.result, heard.state.as_str()), (Kind::Refund, Outcome::Applied, "paid"));
    assert_eq!(about(&refund_no).result, Outcome::Unchanged);
    assert_eq!(about("NOBODYS").result, Outcome::UnknownNumber);
    assert_eq!(wallet(&till.shop, 1), 14_950);
    holds(&till.shop);
}

#[test]
fn a_rail_that_cannot_be_asked_leaves_a_failure_open() {
    let till = unheard();
    till.book().set_fault("alipay", FaultKind::Down, FaultSpan::Times(100), None).unwrap();
    let order_no = till.order_no();
    let mut fields = paid(&order_no, "199.00");
    fields[1].1 = "TRADE_CLOSED";
    fields.retain(|(name, _)| *name != "gmt_payment");
    let heard = till.hears(&fields);
    assert_eq!((heard.result, heard.state.as_str()), (Outcome::Unchanged, "unknown"));
    // A payment of the right amount needs nobody else's word.
    assert_eq!(till.hears(&paid(&order_no, "199.00")).result, Outcome::Applied);
    assert_eq!(Money::from_fen(wallet(&till.shop, 1)), Money::from_fen(19_900));
}

#[test]
fn the_command_reads_a_file_and_says_what_it_did() {
    let till = unheard();
    let genuine = till.gateway.notice(&paid(&till.order_no(), "199.00"));
    let mut shop = till.shop;
    drop(till.ctx);
    shop.write("notice.txt", &genuine);
    shop.write("forged.txt", genuine.replace("199", "1"));
    shop.write("headers.txt", format!("POST /alipay HTTP/1.1\r\nContent-Length: {}\r\n\r\n{genuine}\n", genuine.len()));
    shop.write("unknown.txt", till.gateway.notice(&paid("NOBODYS", "199.00")));
    shop.run("notice nowhere.txt").fails(1, "cannot read nowhere.txt");
    shop.run("notice forged.txt").fails(1, "this notice is not genuine; nothing was changed");
    shop.run("notice notice.txt --rail cash").fails(1, "cash: it has no notices");
    shop.run("notice unknown.txt").fails(3, "this shop knows no such order");
    let answer = shop.run("notice notice.txt --json");
    answer.exits(0);
    assert_eq!((answer.json()["result"].as_str(), answer.json()["record"].as_str()), (Some("applied"), Some("a-1/1")));
    shop.run("notice headers.txt --rail alipay").ok("a-1/1: nothing changed, it was known already");
    shop.lang("zh");
    shop.run("notice notice.txt").ok("没有变化，之前已经知道");
    shop.run("notice forged.txt").fails(1, "这条通知不是真的，什么都没有改变");
}

#[test]
fn a_shop_without_such_rails_says_so() {
    let shop = Shop::opened();
    shop.write("notice.txt", "app_id=1&sign=2");
    shop.run("notice notice.txt").fails(1, "no payment rail of this shop sends notices");
}
