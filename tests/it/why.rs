//! `kibble why`: each test removes the fear that a customer calls and nobody can say why.

use crate::due::{ALIPAY, Row, WECHAT, announced, ask, hours, run, shop, signed};
use crate::plant::sql;
use crate::shop::{Ran, Shop};

/// What is shown in either language; the sentences of the other do not show.
fn why(shop: &mut Shop, at: &str, subject: &str) -> Ran {
    let ran = shop.lang("en").at(at).run(&format!("why {subject}"));
    ran.exits(0);
    ran
}

fn why_zh(shop: &mut Shop, at: &str, subject: &str) -> Ran {
    let ran = shop.lang("zh").at(at).run(&format!("why {subject}"));
    shop.lang("en");
    ran.exits(0);
    ran
}

/// The texts stand below each other in this order.
#[track_caller]
fn in_order(ran: &Ran, parts: &[&str]) {
    let mut rest = ran.out.as_str();
    for part in parts {
        let Some(at) = rest.find(part) else { panic!("not after the one before it: {part:?}\n{}", ran.full()) };
        rest = &rest[at + part.len()..];
    }
}

/// The three rounds of a term due on the fifth of that month, with the customer out of money.
fn fail_month(shop: &mut Shop, month: &str) {
    for at in ["02T08:00", "03T09:00", "05T09:00", "05T17:00", "06T08:00"] {
        run(shop, &format!("{month}-{at}"));
    }
}

// ---- Terms ------------------------------------------------------------------------------------------------------------------

#[test]
fn a_paid_term_is_a_chain_from_the_clause_to_the_wallet() {
    let mut shop = signed("alipay", None);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    let ran = why(&mut shop, "2026-11-06T10:00", "a-1/1");
    in_order(
        &ran,
        &[
            "a-1/1 · term 1 of 12 · ¥199.00 · due 2026-11-05",
            "Paid: ¥199.00 came on 2026-11-05 09:00, by debit on Alipay.",
            "clause 3.1: ",
            "clause 3.2: ",
            "clause 3.3: ",
            "clause 4.1: ",
            "agreed with the customer: ¥199.00 is debited on 2026-11-05",
            "the customer agreed to debits on Alipay",
            "the customer was told of the debit of ¥199.00 on 2026-11-05",
            "attempt 1: ¥199.00 was asked of Alipay, order KB7K2QX9AB",
            "¥199.00 was paid, by debit on Alipay",
            "booked: ¥199.00 into the wallet",
            "message sent: debit done",
            "Changed by",
            "charges_written",
        ],
    );
    ran.hides("王小明").hides("19900000001");
    // The very sentence that was signed, not one of the program's.
    let text = shop.run("agreement text a-1");
    let sentence =
        text.out.lines().find(|line| line.starts_with("3.1 ")).unwrap().trim_start_matches("3.1 ").to_owned();
    ran.says(&sentence);
    let zh = why_zh(&mut shop, "2026-11-06T10:00", "a-1/1");
    zh.says("已支付：2026-11-05 09:00 收到 ¥199.00，支付宝代扣。").says("记账：¥199.00 计入宠物钱包").hides("Paid:");
    // The same by the charge and by its order number.
    let order_no = ask(&shop, "SELECT order_no FROM charge");
    for subject in ["k-1", order_no.as_str()] {
        let ran = why(&mut shop, "2026-11-06T10:00", subject);
        ran.says("k-1 · for a-1/1 · ¥199.00 on Alipay").says("booked: ¥199.00 into the wallet");
    }
}

#[test]
fn a_term_declined_twice_and_paid_by_link_tells_every_attempt() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined");
    why(&mut shop, "2026-11-05T10:00", "a-1/1")
        .says("Not charged: next retry 2026-11-05 17:00.")
        .says("kibble debit pay a-1/1 --cash");
    run(&mut shop, "2026-11-05T17:00");
    shop.run("sandbox fund c-1 500").exits(0);
    shop.run("sandbox pay a-1/1").exits(0);
    run(&mut shop, "2026-11-05T18:00").ok("1 paid");
    let ran = why(&mut shop, "2026-11-06T10:00", "a-1/1");
    in_order(
        &ran,
        &[
            "Paid: ¥199.00 came on 2026-11-05",
            "through the pay link on Alipay.",
            "agreement HT1 from the shop's earlier book",
            "attempt 1: ",
            "Alipay declined it: no funds",
            "the customer got a pay link for ¥199.00",
            "attempt 2: ",
            "Alipay declined it: no funds",
            "was paid, through the pay link on Alipay",
            "booked: ¥199.00 into the wallet",
        ],
    );
    why(&mut shop, "2026-11-06T10:00", "k-1").says("Alipay declined it: no funds").says("Paid: ");
    why_zh(&mut shop, "2026-11-06T10:00", "a-1/1").says("支付宝扣款失败：余额不足").says("客户通过支付宝链接付款");
}

#[test]
fn an_unknown_outcome_is_told_and_so_is_how_it_was_settled() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    let unknown = "no answer came from Alipay: nobody could say whether the money moved, so nothing else was tried";
    why(&mut shop, "2026-11-05T09:30", "a-1/1")
        .says("Not charged: an earlier attempt has no outcome yet.")
        .says(unknown)
        .says("`kibble debit run`");
    why(&mut shop, "2026-11-05T09:30", "k-1").says(unknown).says("n-1 ");
    run(&mut shop, "2026-11-05T10:00").ok("1 paid");
    // The charge's row knows the end only; the trail knows the way.
    in_order(
        &why(&mut shop, "2026-11-05T10:30", "a-1/1"),
        &["Paid: ", unknown, "¥199.00 was paid, by debit on Alipay"],
    );
    why_zh(&mut shop, "2026-11-05T10:30", "a-1/1").says("支付宝没有回音：不知道钱是否已扣");
}

#[test]
fn what_was_not_charged_names_the_first_rule_and_the_earliest_moment() {
    let mut shop = shop(&[ALIPAY, WECHAT, ALIPAY, ALIPAY]);
    why(&mut shop, "2026-11-02T07:00", "a-1/1").says("Not charged: agreed for 2026-11-05, from 2026-11-05 09:00.");
    run(&mut shop, "2026-11-04T20:00").exits(0);
    why(&mut shop, "2026-11-05T09:00", "a-1/1")
        .says("Not charged: the announcement is younger than 48 hours; earliest charge 2026-11-06 20:00.")
        .says("the customer was told of the debit of ¥199.00 on 2026-11-05");
    why_zh(&mut shop, "2026-11-05T09:00", "a-1/1").says("没有扣款：提醒还不满48小时，最早 2026-11-06 20:00 扣款。");
    why(&mut shop, "2026-11-06T22:30", "a-2/1").says("wechat accepts debits 07:00–22:00; next 2026-11-07 07:00");

    shop.at("2026-11-05T10:00");
    shop.run("agreement pause a-3 --until 2026-11-20 --effect extend --reason travel").exits(0);
    let paused = why(&mut shop, "2026-11-05T11:00", "a-3");
    paused.says("it goes on by itself on 2026-11-20").says("`kibble agreement resume a-3`").says("agreement_changed");
    why(&mut shop, "2026-11-05T11:00", "a-3/1").says("Not charged: the agreement is paused until 2026-11-20 09:00.");

    shop.run("sandbox revoke m-4").exits(0);
    shop.run("mandate sync m-4").exits(0);
    why(&mut shop, "2026-11-05T11:00", "a-4/1")
        .says("Not charged: no live mandate.")
        .says("the customer ended the mandate on Alipay")
        .says("`kibble sign --again a-4`");
    // The dry run and why ask the same rule.
    shop.at("2026-11-05T11:00").run("debit run --dry-run").ok("a-4/1  not charged: no live mandate");
}

#[test]
fn a_missed_window_says_what_a_person_can_do() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    run(&mut shop, "2026-11-08T09:00").says("kibble debit postpone a-1/1 --to DATE");
    why(&mut shop, "2026-11-08T10:00", "a-1/1")
        .says("Not charged: the rail's window passed without a decided attempt")
        .says("`kibble debit pay a-1/1 --cash`")
        .says("`kibble debit postpone a-1/1 --to DATE`");
    let json = shop.run("why a-1/1 --json").json();
    assert_eq!((json["stopped"]["rule"].as_str(), json["stopped"]["earliest"].is_null()), (Some("tries_over"), true));
    // No day is left before the next term.
    why(&mut shop, "2026-12-04T10:00", "a-1/1").says("`kibble debit pay a-1/1 --cash`").hides("debit postpone");
}

#[test]
fn a_declined_attempt_of_a_term_that_was_paid_says_by_which_charge() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined");
    shop.run("sandbox fund c-1 500").exits(0);
    run(&mut shop, "2026-11-05T17:00").ok("1 paid");
    let paid = ask(&shop, "SELECT 'k-' || id FROM charge WHERE state = 'paid'");
    why(&mut shop, "2026-11-06T10:00", "k-1")
        .says("Alipay declined it: no funds")
        .says(&format!("Paid: ¥199.00 came on 2026-11-05 17:00, by debit on Alipay ({paid})."));
    why_zh(&mut shop, "2026-11-06T10:00", "k-1")
        .says(&format!("已支付：2026-11-05 17:00 收到 ¥199.00，支付宝代扣（{paid}）。"));
}

#[test]
fn a_day_that_a_pause_moved_is_not_told_as_the_agreed_one() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    shop.at("2026-11-01T12:00");
    shop.run("agreement pause a-1 --until 2026-12-20 --effect extend --reason travel").exits(0);
    shop.run("agreement pause a-2 --until 2027-02-20 --effect extend --reason travel").exits(0);
    run(&mut shop, "2026-12-20T08:00").exits(0);
    shop.at("2026-12-21T10:00").run("agreement resume a-2 --reason 'home again'").exits(0);
    let agreed = "agreed with the customer: ¥199.00 is debited on 2026-11-05";
    let paused = "paused until 2026-12-20: travel; what falls due until then moves to later months";
    in_order(
        &why(&mut shop, "2026-12-22T10:00", "a-1/1"),
        &["due 2027-01-05", agreed, "2026-11-01 12:00", paused, "is debited on 2027-01-05 now", "the pause is over"],
    );
    // The first term that lies after a pause moves with the others.
    in_order(&why(&mut shop, "2026-12-22T10:00", "a-1/9"), &["debited on 2027-07-05", paused, "on 2027-09-05 now"]);
    // Ended early, it gives months back: the day is told where it was fixed.
    let early = "the pause was ended early: home again";
    in_order(&why(&mut shop, "2026-12-22T10:00", "a-2/1"), &[agreed, "paused until", early, "on 2027-01-05 now"]);
    in_order(&why(&mut shop, "2026-12-22T10:00", "a-1"), &[paused, "the pause is over"]);
    in_order(&why(&mut shop, "2026-12-22T10:00", "a-2"), &["paused until 2027-02-20: travel", early]);
    why_zh(&mut shop, "2026-12-22T10:00", "a-1/1")
        .says("与客户约定：2026-11-05 扣款 ¥199.00")
        .says("暂停至 2026-12-20：travel；此前到期的各期顺延到以后的月份")
        .says("现改为 2027-01-05 扣款")
        .says("暂停结束");
}

#[test]
fn a_postponed_term_tells_its_agreed_day_and_who_moved_it_where() {
    let mut shop = shop(&[ALIPAY]);
    shop.at("2026-11-01T12:00");
    shop.run("debit postpone a-1/1 --to 2026-11-20 --reason 'pay day'").exits(0);
    in_order(
        &why(&mut shop, "2026-11-02T10:00", "a-1/1"),
        &["due 2026-11-20", "is debited on 2026-11-05", "2026-11-01 12:00", "put off to 2026-11-20: pay day"],
    );
    why(&mut shop, "2026-11-02T10:00", "a-1/1")
        .says("it falls due on 2026-11-20, from 2026-11-20 09:00")
        .hides("agreed for");
    why_zh(&mut shop, "2026-11-02T10:00", "a-1/1").says("改期至 2026-11-20：pay day");
    // Another term is not concerned.
    why(&mut shop, "2026-11-02T10:00", "a-1/2").says("is debited on 2026-12-05").hides("put off");
}

#[test]
fn the_notice_that_allowed_an_attempt_is_told_after_the_term_was_postponed() {
    let mut shop = shop(&[ALIPAY]);
    shop.run("sandbox fund c-1 0").exits(0);
    fail_month(&mut shop, "2026-11");
    shop.at("2026-11-07T10:00").run("debit postpone a-1/1 --to 2026-11-20 --reason 'pay day'").exits(0);
    hours(&mut shop, "2026-11-17T09:00", "2026-11-17T10:00");
    let (first, second) = (
        "the customer was told of the debit of ¥199.00 on 2026-11-05",
        "was told of the debit of ¥199.00 on 2026-11-20",
    );
    in_order(
        &why(&mut shop, "2026-11-18T10:00", "a-1/1"),
        &["2026-11-02 08:00", "n-1 ", first, "attempt 1: ", "put off to 2026-11-20", second],
    );
    // What came after an attempt did not allow it.
    why(&mut shop, "2026-11-18T10:00", "k-1").says(first).says("n-1 ").hides(second).hides("put off");
}

#[test]
fn nothing_that_was_dropped_happens_in_the_future() {
    let mut shop = shop(&[ALIPAY]);
    shop.at("2026-11-03T10:00");
    shop.run("agreement pause a-1 --until 2026-12-20 --effect skip --reason travel").exits(0);
    let ran = why(&mut shop, "2026-11-03T11:00", "a-1");
    in_order(&ran, &["2026-11-03 10:00", "terms that are not collected any more: 2"]);
    let json = shop.run("why a-1 --json").json();
    for step in json["steps"].as_array().unwrap() {
        assert!(step["at"].as_str().unwrap() <= "2026-11-03T03:00:00Z", "{}", ran.full());
    }
    why(&mut shop, "2026-11-03T11:00", "a-1/1")
        .says("Not to be collected any more: it was dropped by a pause.")
        .says("paused until 2026-12-20: travel; what falls due until then is dropped");
    // What a pause dropped and what the end of the agreement dropped are two decisions.
    run(&mut shop, "2026-12-20T08:00").exits(0);
    shop.at("2026-12-21T10:00");
    shop.run("agreement terminate a-1 --cause consumer --pet kept --reason moved --yes").exits(0);
    in_order(
        &why(&mut shop, "2026-12-21T11:00", "a-1"),
        &["terms that are not collected any more: 2", "the pause is over", "terms that are not collected any more: 10"],
    );
}

#[test]
fn the_earliest_charge_of_a_paused_agreement_is_not_before_the_terms_own_day() {
    let mut shop = shop(&[ALIPAY]);
    shop.at("2026-11-03T10:00");
    shop.run("agreement pause a-1 --until 2026-11-20 --effect extend --reason travel").exits(0);
    let ran = why(&mut shop, "2026-11-03T11:00", "a-1/6");
    ran.says("Not charged: the agreement is paused until 2026-11-20 09:00.").says("Not before 2027-05-05 09:00.");
    shop.at("2026-11-03T11:00");
    let json = shop.run("why a-1/6 --json").json();
    assert_eq!(json["stopped"]["earliest"], "2027-05-05T01:00:00Z");
    assert_eq!(json["stopped"]["rule"], "paused");
    // The mandate runs out before the last term now: time alone brings no charge.
    let last = shop.run("why a-1/12 --json").json();
    assert!(last["title"].as_str().unwrap().contains("due 2027-11-05") && last["stopped"]["earliest"].is_null());
    assert!(ask(&shop, "SELECT valid_until FROM mandate").as_str() < "2027-11-05");
}

#[test]
fn an_open_pay_link_says_until_when_it_can_be_paid() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined");
    let link = ask(&shop, "SELECT 'k-' || id FROM charge WHERE kind = 'link' AND state = 'pending'");
    let ran = why(&mut shop, "2026-11-05T10:00", &link);
    ran.says("the pay link is open, and can be paid until 2026-1").hides("Not before");
    assert!(shop.run(&format!("why {link} --json")).json()["stopped"]["earliest"].is_null());
    why_zh(&mut shop, "2026-11-05T10:00", &link).says("补缴链接待客户付款，可付至 2026-1");
}

// ---- The wallet -------------------------------------------------------------------------------------------------------------

#[test]
fn a_wallet_is_a_chain_of_entries_that_ends_at_its_balance() {
    let mut shop = signed("alipay", None);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.write("catalog.csv", include_bytes!("../../examples/data/catalog.csv"));
    shop.at("2026-11-06T10:00").run("catalog import catalog.csv").exits(0);
    shop.run("orders add c-1 STP-003 --counter --pay wallet").exits(0);
    shop.at("2026-11-06T11:00").run("debit refund a-1/1 --amount 49.50 --reason 'bag torn' --yes").exits(0);
    let order_no = ask(&shop, "SELECT order_no FROM charge");
    let bought = ask(&shop, "SELECT name FROM order_line");
    let ran = why(&mut shop, "2026-11-07T10:00", "c-1");
    in_order(
        &ran,
        &[
            "The wallet holds ¥72.50: ¥199.00 came in and ¥126.50 went out, in 3 entries.",
            "While the agreement runs it is spent on goods and not paid out.",
            "clause 4.1: ",
            "Consumer Law, implementing regulations, article 22",
            "clause 4.3: ",
            "¥199.00 in, ¥199.00 held · charge k-1 for a-1/1, on Alipay, order ",
            &order_no,
            "¥77.00 out, ¥122.00 held · order o-1 (",
            &bought,
            "¥49.50 out, ¥72.50 held · refund f-1 (bag torn)",
        ],
    );
    // By phone number and by name, and nothing of them is shown.
    for who in ["19900000001", "王小明"] {
        let ran = why(&mut shop, "2026-11-07T10:00", who);
        ran.says("The wallet holds ¥72.50").hides(who);
    }
    why_zh(&mut shop, "2026-11-07T10:00", "c-1").says("宠物钱包余额 ¥72.50：共 3 笔记账，存入 ¥199.00，支出 ¥126.50。");
    why(&mut shop, "2026-11-07T10:00", "f-1")
        .says("¥49.50 went back on 2026-11-06 11:00, on Alipay.")
        .says("¥199.00 had been collected for a-1/1")
        .says("is to go back on Alipay")
        .says("out of the wallet");
}

#[test]
fn one_of_two_goods_brought_back_names_that_one() {
    let mut shop = signed("alipay", None);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    hours(&mut shop, "2026-12-02T09:00", "2026-12-02T10:00");
    run(&mut shop, "2026-12-05T09:00").ok("1 paid");
    shop.write("catalog.csv", include_bytes!("../../examples/data/catalog.csv"));
    shop.at("2026-12-06T10:00").run("catalog import catalog.csv").exits(0);
    shop.run("orders add c-1 STP-001 STP-003:3 --counter --pay wallet").exits(0);
    for (line, qty) in [(1, 1), (2, 1), (2, 2)] {
        shop.run(&format!("orders return o-1 --line {line} --qty {qty} --reason torn")).exits(0);
    }
    let name = |line: u32| ask(&shop, &format!("SELECT name FROM order_line WHERE line = {line}"));
    let (kitten, salmon) = (name(1), name(2));
    in_order(
        &why(&mut shop, "2026-12-07T10:00", "c-1"),
        &[
            &format!("order o-1 ({kitten} × 1, {salmon} × 3)"),
            &format!("¥72.00 in, ¥167.00 held · return o-1/1/1 ({kitten} × 1)"),
            &format!("return o-1/2/1 ({salmon} × 1)"),
            // The number of the return counts all pieces so far.
            &format!("return o-1/2/3 ({salmon} × 2)"),
        ],
    );
}

// ---- Messages ---------------------------------------------------------------------------------------------------------------

#[test]
fn a_message_held_for_the_night_says_until_when() {
    let mut shop = shop(&[ALIPAY]);
    run(&mut shop, "2026-11-04T23:00").ok("announced");
    let ran = why(&mut shop, "2026-11-04T23:30", "n-1");
    ran.says("Not sent: customers are contacted 08:00–22:00 only; earliest 2026-11-05 08:00.").hides("Not before");
    why_zh(&mut shop, "2026-11-04T23:30", "n-1").says("没有发送：只在 08:00–22:00 联系客户，最早 2026-11-05 08:00。");
    run(&mut shop, "2026-11-05T08:00").exits(0);
    why(&mut shop, "2026-11-05T09:00", "n-1")
        .says("Sent on 2026-11-05 08:00")
        .says("held until 2026-11-05 08:00")
        .says("from then on a-1/1 waits 48 hours before it may be charged")
        .hides("199000");
}

#[test]
fn a_message_in_doubt_hints_commands_that_work_as_typed() {
    let mut shop = shop(&[ALIPAY]);
    run(&mut shop, "2026-11-02T08:00").exits(0);
    let sql = rusqlite::Connection::open(shop.path("shop.db")).unwrap();
    sql.execute("UPDATE message SET state = 'unknown', sent_at = NULL WHERE id = 1", []).unwrap();
    why(&mut shop, "2026-11-02T10:00", "n-1")
        .says("nobody knows whether it arrived")
        .says("`kibble remind settle n-1 --arrived`")
        .says("`kibble remind settle n-1 --not-arrived`");
    shop.run("remind settle n-1 --not-arrived").exits(0);
}

// ---- Flags ------------------------------------------------------------------------------------------------------------------

#[test]
fn high_risk_names_the_terms_that_failed_and_what_cleared_it() {
    let mut shop = shop(&[ALIPAY]);
    shop.run("sandbox fund c-1 0").exits(0);
    fail_month(&mut shop, "2026-11");
    why(&mut shop, "2026-11-10T10:00", "a-1 --high-risk")
        .says("Not high risk: 2 terms must fail one after the other, and 1 did since the last payment.")
        .says("Not before 2026-12-05 09:00.");
    fail_month(&mut shop, "2026-12");
    let ran = why(&mut shop, "2026-12-07T09:00", "a-1 --high-risk");
    in_order(
        &ran,
        &[
            "High risk since 2026-12-06 08:00: 2 terms in a row failed, the last was a-1/2.",
            "a-1/1, due 2026-11-05, was declined 3 times; the last time: no funds",
            "a-1/2, due 2026-12-05, was declined 3 times",
            "flagged as high risk",
        ],
    );
    shop.at("2026-12-07T10:00").run("debit pay a-1/1 --cash").exits(0);
    why(&mut shop, "2026-12-08T10:00", "a-1 --high-risk")
        .says("Not high risk: ")
        .says("a-1/1 was paid after all")
        .says("no longer high risk: a-1/1 was paid");
    why_zh(&mut shop, "2026-12-08T10:00", "a-1 --high-risk").says("不再是高风险：a-1/1 已付");
}

// ---- Mandates, refunds, runs ------------------------------------------------------------------------------------------------

#[test]
fn a_mandate_says_why_it_is_open_closing_or_over() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    why(&mut shop, "2026-11-02T10:00", "m-1").says("In force, and not closed").says("kibble mandate close m-1");
    shop.run("sandbox revoke m-1").exits(0);
    shop.run("mandate sync m-1").exits(0);
    why(&mut shop, "2026-11-02T11:00", "m-1")
        .says("Over since 2026-11-02")
        .says("the customer ended the mandate on Alipay")
        .says("kibble sign --again a-1");
    shop.at("2026-11-02T11:00").run("sandbox fault alipay down --for 2h").exits(0);
    shop.run("mandate close m-2 --reason moved");
    why(&mut shop, "2026-11-02T11:30", "m-2")
        .says("To be closed, and not closed yet: Alipay has not confirmed yet")
        .says("`kibble debit run`");
    why_zh(&mut shop, "2026-11-02T11:30", "m-2").says("应关闭，尚未关闭：支付宝还没有确认");
}

#[test]
fn a_mandate_whose_last_day_has_passed_is_not_in_force() {
    let mut shop = shop(&[Row { terms: 3, ..ALIPAY }]);
    let until = ask(&shop, "SELECT valid_until FROM mandate");
    let on_the_day = format!("{until}T10:00");
    why(&mut shop, &on_the_day, "m-1").says("In force, and not closed");
    why(&mut shop, "2027-06-01T10:00", "m-1")
        .says(&format!("Not in force any more: it was good until {until}."))
        .hides("In force, and");
    why_zh(&mut shop, "2027-06-01T10:00", "m-1").says(&format!("已失效：有效期到 {until} 为止")).hides("没有关闭");
}

#[test]
fn a_refund_without_an_answer_says_that_it_is_paid_once() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    shop.run("debit refund a-1/1 --reason 'bag torn' --yes").exits(0);
    let ran = why(&mut shop, "2026-11-05T09:30", "f-1");
    ran.says("Not paid back yet: no answer came from Alipay; the next debit run asks under the same number")
        .says("`kibble debit run`");
    let number = ask(&shop, "SELECT refund_no FROM refund");
    why_zh(&mut shop, "2026-11-05T09:30", &number).says("还没有退还：支付宝没有回音");
    run(&mut shop, "2026-11-05T10:00").exits(0);
    why(&mut shop, "2026-11-05T10:30", "f-1").says("¥199.00 went back on 2026-11-05");
}

#[test]
fn a_run_names_its_charges_and_what_it_left_to_a_person() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.run("sandbox fault wechat lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    let id = ask(&shop, "SELECT 'r-' || MAX(id) FROM run");
    why(&mut shop, "2026-11-05T09:30", &id)
        .says("It ran to its end: 1 paid, 0 declined, 1 without an outcome.")
        .says("a-1/1: ¥199.00 on Alipay, paid")
        .says("a-2/1: ¥199.00 on WeChat Pay, no outcome yet")
        .says("left to a person: `kibble debit show a-2/1`");
}

#[test]
fn an_agreement_that_ended_tells_how_and_what_went_back() {
    let mut shop = signed("alipay", None);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.at("2026-11-07T10:00");
    shop.run("agreement terminate a-1 --cause cooling-off --pet returned --reason allergy --yes").exits(0);
    why(&mut shop, "2026-11-07T11:00", "a-1")
        .says("the settlement waits for your word; it confirms itself on 2026-11-10")
        .says("`kibble agreement confirm a-1`")
        .says("terms that are not collected any more: 11");
    // The pet came back alive: what was signed about a pet's death has no part in it.
    why(&mut shop, "2026-11-07T11:00", "a-1/2")
        .says("Not to be collected any more: the agreement is not running.")
        .says("withdraw without reasons")
        .hides("clause 5.4");
    shop.run("agreement confirm a-1 --yes").exits(0);
    // Leaving in the first days is an article of its own, and the law behind it another one.
    why(&mut shop, "2026-11-07T12:00", "f-1")
        .says("¥199.00 went back on 2026-11-07 11:00, on Alipay.")
        .says("withdraw without reasons")
        .says("judicial interpretation of 2025, article 14");
    why_zh(&mut shop, "2026-11-07T12:00", "a-1").says("不再收取 11 期").says("已解约并结清");
}

#[test]
fn terms_whose_tries_are_over_are_not_to_come() {
    let mut shop = shop(&[ALIPAY]);
    shop.run("sandbox fund c-1 0").exits(0);
    fail_month(&mut shop, "2026-11");
    let over = "of 1 more the tries are over: the customer pays by link or at the counter";
    why(&mut shop, "2026-11-10T10:00", "a-1").says("running: 0 of 12 terms collected, 11 to come;").says(over);
    why_zh(&mut shop, "2026-11-10T10:00", "a-1")
        .says("已收 0 期，还有 11 期；另有 1 期不再代扣，由客户通过链接或到店补缴");
}

// ---- Shape ------------------------------------------------------------------------------------------------------------------

#[test]
fn a_message_held_by_a_pause_says_until_when_and_what_ends_it() {
    let mut shop = shop(&[ALIPAY]);
    run(&mut shop, "2026-11-02T23:00").exits(0);
    sql(
        &shop,
        "UPDATE agreement SET state = 'paused', paused_on = '2026-11-02', paused_until = '2026-11-10', pause_effect = 'skip'",
    );
    why(&mut shop, "2026-11-03T09:00", "n-1")
        .says("Not sent: the agreement is paused.")
        .says("Not before 2026-11-10 08:00.")
        .says("kibble agreement resume a-1");
}

#[test]
fn json_has_one_shape_for_every_record() {
    let mut shop = shop(&[Row { ..ALIPAY }]);
    announced(&mut shop);
    hours(&mut shop, "2026-11-05T09:00", "2026-11-05T10:00");
    shop.at("2026-11-05T11:00").run("debit refund a-1/1 --amount 50 --reason 袋子破了 --yes").exits(0);
    for (subject, about) in [
        ("a-1/1", "installment"),
        ("f-1", "refund"),
        ("k-1", "charge"),
        ("c-1", "wallet"),
        ("n-1", "message"),
        ("a-1 --high-risk", "flag"),
        ("m-1", "mandate"),
        ("r-1", "run"),
        ("a-1", "agreement"),
    ] {
        let ran = shop.run(&format!("why {subject} --json"));
        let json = ran.exits(0).json();
        assert_eq!(json["about"], about, "{}", ran.full());
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        let wanted = ["about", "answer", "changes", "customer", "steps", "stopped", "subject", "title"];
        assert_eq!(
            {
                let mut keys = keys;
                keys.sort();
                keys
            },
            wanted,
            "{subject}"
        );
        let step = &json["steps"][0];
        assert!(step["record"].is_string() && step["kind"].is_string() && step["text"].is_string(), "{}", ran.full());
        ran.hides("199000").hides("王小明");
    }
}

#[test]
fn a_record_that_is_not_there_says_how_each_is_spelled() {
    let mut shop = shop(&[ALIPAY]);
    shop.at("2026-11-02T10:00");
    for subject in
        ["k-99", "n-99", "m-99", "f-99", "r-99", "x-1", "KB0000", "b-1", "k-1 --high-risk", "a-1/99 --high-risk"]
    {
        shop.run(&format!("why {subject}")).fails(1, "there is no record").says("a term is a-7/3");
    }
    shop.run("why a-1/99").fails(1, "there is no installment a-1/99").says("kibble agreement show a-1");
    // What helps must exist itself.
    shop.run("why a-9/1")
        .fails(1, "there is no agreement a-9")
        .says("kibble agreement list")
        .hides("agreement show a-9");
    // A term is there, only it has no flag of its own.
    let flag = shop.run("why a-1/2 --high-risk");
    flag.fails(2, "only an agreement has a high-risk flag")
        .says("`kibble why a-1 --high-risk`")
        .hides("there is no record");
    shop.run("why a-9").fails(1, "there is no agreement a-9");
    shop.run("why c-99").fails(1, "no customer has the id");
    shop.lang("zh").run("why a-1/2 --high-risk").fails(2, "只有协议才有高风险标记");
    shop.run("why k-99").fails(1, "没有 k-99 这条记录").says("写法：期 a-7/3");
}
