//! `kibble debit`: each test removes one fear about the run that charges people.

use std::fs::{self, File};
use std::process::Stdio;

use kibble::ops::debit::{self, Options};
use kibble::ops::{Ctx, Event};

use crate::due::{
    ALIPAY, Row, WECHAT, announced, ask, ask_rail, charges, counts, days, holds, hours, run, sent, set, shop,
    shop_with, signed, wallet,
};
use crate::plant::sql;
use crate::shop::Shop;

const MONTHLY: i64 = 19_900;

/// `a-1/1` and its customer have no money.
fn broke(shop: &Shop) {
    shop.run("sandbox fund c-1 0").exits(0);
}

/// The pay link that the newest message of a template carries.
fn link_told(shop: &Shop, template: &str) -> String {
    let params =
        ask(shop, &format!("SELECT params FROM message WHERE template = '{template}' ORDER BY id DESC LIMIT 1"));
    let params: serde_json::Value = serde_json::from_str(&params).unwrap();
    params["link"].as_str().unwrap_or_default().to_owned()
}

fn course(shop: &Shop, term: u32) -> String {
    ask(shop, &format!("SELECT state || ' ' || course FROM installment WHERE agreement_id = 1 AND term = {term}"))
}

// ---- Announcing -------------------------------------------------------------------------------------------------------------

#[test]
fn nothing_is_charged_before_48_hours_after_the_announcement() {
    let mut shop = shop(&[ALIPAY]);
    // Cron was dead until the night before; nobody is told at night.
    run(&mut shop, "2026-11-04T23:00").ok("announced");
    assert_eq!((sent(&shop, "pre_debit_48h"), charges(&shop).as_str()), (0, ""));
    run(&mut shop, "2026-11-05T07:00").exits(0);
    assert_eq!(sent(&shop, "pre_debit_48h"), 0);
    run(&mut shop, "2026-11-05T08:00").exits(0);
    assert_eq!(sent(&shop, "pre_debit_48h"), 1);
    hours(&mut shop, "2026-11-05T09:00", "2026-11-07T07:00");
    assert_eq!(charges(&shop), "", "the announcement was not 48 hours old");
    run(&mut shop, "2026-11-07T08:00").ok("1 paid ¥199.00");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit alipay paid", MONTHLY));
    assert_eq!(sent(&shop, "pre_debit_48h"), 1, "told once");
    holds(&shop);
}

#[test]
fn the_ordinary_month_is_announced_in_the_morning_and_charged_at_nine() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    run(&mut shop, "2026-11-02T07:00").ok("nothing was due");
    run(&mut shop, "2026-11-02T08:00").ok("2 debits").says("for 2026-11-05");
    hours(&mut shop, "2026-11-03T07:00", "2026-11-03T09:00");
    run(&mut shop, "2026-11-05T08:00").exits(0);
    assert_eq!(charges(&shop), "");
    let told = shop.read("messages.txt");
    assert!(told.contains("Pet plan 1/12: 199.00 yuan will be debited by Alipay on Nov 5"), "{told}");
    run(&mut shop, "2026-11-05T09:00").ok("2 paid ¥398.00");
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay paid\na-2/1 1 debit wechat paid");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (MONTHLY, MONTHLY));
    assert_eq!(ask(&shop, "SELECT points, kind FROM points ORDER BY id"), "199|charge\n199|charge");
    holds(&shop);
}

// ---- The dry run ------------------------------------------------------------------------------------------------------------

#[test]
fn the_dry_run_names_the_first_rule_that_stops_each_and_when_that_changes() {
    let late = |signed| Row { signed, ..ALIPAY };
    // a-1 to a-9 fall due on the fifth; a-10 later.
    let rows =
        [ALIPAY, WECHAT, ALIPAY, ALIPAY, ALIPAY, ALIPAY, ALIPAY, WECHAT, ALIPAY, Row { day: 6, ..late("2026-10-06") }];
    let mut shop = shop(&rows);
    let says = |shop: &mut Shop, at: &str, line: &str| {
        shop.at(at).run("debit run --dry-run").ok(line).says("nothing was touched");
    };
    says(
        &mut shop,
        "2026-11-02T09:00",
        "a-1/1  announce ¥199.00, not charged: agreed for 2026-11-05, from 2026-11-05 09:00",
    );
    says(&mut shop, "2026-11-05T09:00", "a-1/1  announce ¥199.00, not charged: not announced yet");
    run(&mut shop, "2026-11-02T08:00").exits(0);
    says(&mut shop, "2026-11-04T09:00", "a-1/1  not charged: agreed for 2026-11-05, from 2026-11-05 09:00");

    shop.at("2026-11-04T10:00");
    shop.run("agreement pause a-3 --until 2026-11-20 --effect skip --reason travel").exits(0);
    shop.run("sandbox revoke m-4").exits(0);
    shop.run("mandate sync m-4").exits(0);
    sql(&shop, "UPDATE pet SET status = 'died' WHERE id = 5");
    shop.run("sandbox fund c-6 0").exits(0);
    shop.run("agreement terminate a-9 --cause consumer --pet kept --reason moved --yes").exits(0);
    shop.at("2026-11-05T09:00");
    says(&mut shop, "2026-11-05T09:00", "a-1/1  charge ¥199.00 on alipay");
    says(&mut shop, "2026-11-05T09:00", "a-4/1  not charged: no live mandate");
    says(&mut shop, "2026-11-05T09:00", "a-5/1  not charged: the pet died, is lost or was returned");
    shop.run("debit run --dry-run").ok("would charge").hides("a-9/1").hides("a-3/1");

    shop.run("sandbox fault wechat lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    says(&mut shop, "2026-11-05T10:00", "a-6/1  not charged: next retry 2026-11-05 17:00");
    says(&mut shop, "2026-11-05T17:00", "a-6/1  charge ¥199.00 on alipay again");
    let unknown = ask(&shop, "SELECT agreement_id FROM charge WHERE state = 'unknown'");
    says(&mut shop, "2026-11-05T10:00", &format!("a-{unknown}/1  not charged: an earlier attempt has no outcome yet"));
    hours(&mut shop, "2026-11-05T17:00", "2026-11-05T17:00");
    run(&mut shop, "2026-11-06T08:00");
    says(
        &mut shop,
        "2026-11-06T09:00",
        "a-6/1  not charged: all tries are over; the customer pays by link or at the counter",
    );
    says(&mut shop, "2026-11-09T09:00", "a-10/1  not charged: the rail's window has passed");
}

#[test]
fn the_dry_run_tells_of_notices_and_hours() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    run(&mut shop, "2026-11-04T20:00").exits(0);
    let at = |shop: &mut Shop, at: &str, line: &str| {
        shop.at(at).run("debit run --dry-run").ok(line);
    };
    at(
        &mut shop,
        "2026-11-05T09:00",
        "a-1/1  not charged: the announcement is younger than 48 hours; earliest charge 2026-11-06 20:00",
    );
    at(&mut shop, "2026-11-06T22:30", "a-2/1  not charged: wechat accepts debits 07:00–22:00; next 2026-11-07 07:00");
    // The rail's own notice lasts seven days and is not given again by itself.
    sql(&shop, "UPDATE notice SET given_at = '2026-11-05T12:00:00Z' WHERE kind = 'rail'");
    at(
        &mut shop,
        "2026-11-06T21:00",
        "a-2/1  not charged: the rail's own notice must come first; earliest charge 2026-11-07 07:00",
    );
    shop.lang("zh");
    at(&mut shop, "2026-11-06T22:30", "a-2/1");
    shop.run("debit run --dry-run").hides("not charged").hides("earliest");
}

#[test]
fn the_dry_run_knows_that_a_pause_ends_today_and_that_tries_are_over() {
    let mut shop = shop(&[ALIPAY]);
    shop.run("agreement pause a-1 --until 2026-11-02 --effect extend --reason travel").exits(0);
    let dry = shop.at("2026-11-02T08:00").run("debit run --dry-run --json").json();
    let ran = shop.run("debit run --json").json();
    assert_eq!((&dry["announcements"], &dry["messages"]), (&1.into(), &1.into()));
    assert_eq!((&ran["announced"], &ran["messages_sent"]), (&dry["announcements"], &dry["messages"]));
    run(&mut shop, "2026-11-04T09:00");
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00");
    let dry = shop.at("2026-11-09T09:00").run("debit run --dry-run --json").json();
    let ran = shop.run("debit run --json").json();
    assert_eq!(ran["messages_sent"], dry["messages"]);
    assert!(dry["messages"].as_u64() >= Some(2), "to the customer and to the owner: {dry}");
}

#[test]
fn the_dry_run_touches_nothing() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.at("2026-11-05T09:00").run("debit run --dry-run").ok("would charge 2 with ¥398.00");
    let bytes = |shop: &Shop| ["shop.db", "sandbox.db", "messages.txt"].map(|name| fs::read(shop.path(name)).unwrap());
    let (before, count) = (bytes(&shop), counts(&shop));
    let plan = shop.run("debit run --dry-run --json").json();
    assert_eq!((&plan["charges"], &plan["amount"]), (&2.into(), &"398.00".into()));
    assert!(bytes(&shop) == before, "a file changed");
    assert_eq!(counts(&shop), count);
}

#[test]
fn the_dry_run_announces_what_the_run_announces_and_counts_its_messages() {
    let late = |day| Row { day, signed: if day == 12 { "2026-10-12" } else { "2026-10-14" }, ..ALIPAY };
    // The fifth was missed, the twelfth can no longer be announced in time, the fourteenth can.
    let mut shop = shop(&[ALIPAY, ALIPAY, late(12), late(14), Row { rail: "微信", ..late(14) }]);
    run(&mut shop, "2026-11-01T09:00").exits(0);
    for at in ["2026-11-12T23:00", "2026-11-13T09:00", "2026-11-13T10:00", "2026-11-14T10:00"] {
        let plan = shop.at(at).run("debit run --dry-run --json").json();
        let ran = shop.run("debit run --json").json();
        let both = format!("{at}\n{plan:#}\n{ran:#}");
        assert_eq!(plan["announcements"], ran["announced"], "{both}");
        assert_eq!(plan["messages"], ran["messages_sent"], "{both}");
    }
    assert_eq!((sent(&shop, "pre_debit_48h"), sent(&shop, "overdue_l2")), (2, 2));
}

#[test]
fn the_dry_run_names_no_announcement_that_comes_too_late() {
    let mut shop = shop(&[ALIPAY]);
    run(&mut shop, "2026-11-01T09:00").exits(0);
    shop.at("2026-11-06T10:00")
        .run("debit run --dry-run")
        .ok("announce 0")
        .says("a-1/1  not charged: no announcement can be 48 hours old before the rail's window closes");
    run(&mut shop, "2026-11-06T10:00").hides("announced");
}

#[test]
fn the_dry_run_refuses_what_the_run_refuses() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    let early = fs::read(shop.path("shop.db")).unwrap();
    run(&mut shop, "2026-11-04T10:00").exits(0);
    let before = counts(&shop);
    // A clock far ahead, and one that went back: it is shown what would be, and that it would not be.
    for at in ["2027-11-05T09:00", "2026-11-03T09:00"] {
        let ran = run(&mut shop, at);
        let why = ran.err.lines().next().unwrap().trim_start_matches("error: ").replace("; nothing was charged", "");
        shop.run("debit run --dry-run").fails(3, &format!("a run would refuse all of this: {why}"));
        assert_eq!(shop.run("debit run --dry-run --json").json()["refused"]["what"], why);
    }
    shop.at("2027-11-05T09:00").run("debit run --dry-run --confirm-backlog").exits(0).hides("refuse");
    assert_eq!(counts(&shop), before);
    // An older database was put back.
    shop.at("2026-11-05T09:00");
    shop.run("debit run --dry-run").ok("would charge 1");
    fs::remove_file(shop.path("shop.db-wal")).ok();
    shop.write("shop.db", early);
    let refused = shop.run("debit run --dry-run");
    refused.fails(1, "older than the last run").says("kibble adopt").hides("would charge");
    assert_eq!(refused.err, shop.run("debit run").err);
}

// ---- Twice, and at once -----------------------------------------------------------------------------------------------------

#[test]
fn running_any_hour_twice_changes_nothing() {
    let mut shop = shop(&[ALIPAY, WECHAT, ALIPAY, WECHAT]);
    shop.run("sandbox fund c-3 0").exits(0);
    shop.run("sandbox fund c-4 0").exits(0);
    let hours = [
        "02T07:00", "02T08:00", "03T09:00", "05T08:00", "05T09:00", "05T10:00", "05T17:00", "06T07:00", "06T08:00",
        "06T09:00", "07T10:00", "09T10:00", "12T10:00",
    ];
    for at in hours {
        let at = format!("2026-11-{at}");
        run(&mut shop, &at);
        let before = counts(&shop);
        let again = run(&mut shop, &at);
        assert_eq!(counts(&shop), before, "{at} {}", again.full());
    }
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2), wallet(&shop, 3)), (MONTHLY, MONTHLY, 0));
    holds(&shop);
}

#[test]
fn two_runs_at_the_same_instant_charge_once() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.at("2026-11-05T09:00");
    // While one is at work, another says so and is content.
    let lock = File::options().create(true).truncate(false).write(true).open(shop.path("debit.lock")).unwrap();
    lock.lock().unwrap();
    shop.run("debit run").ok("another debit run is at work");
    assert_eq!(shop.run("debit run --json").json()["busy"], true);
    assert_eq!(charges(&shop), "");
    drop(lock);
    let start = || shop.command("debit run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let both = [start(), start()].map(|mut child| child.wait().unwrap().code());
    assert_eq!(both, [Some(0), Some(0)]);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay paid\na-2/1 1 debit wechat paid");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (MONTHLY, MONTHLY));
    holds(&shop);
}

// ---- Declines ---------------------------------------------------------------------------------------------------------------

#[test]
fn an_agreement_paused_while_the_run_is_under_way_is_not_charged() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    set(&shop, "window = 1");
    announced(&mut shop);
    shop.at("2026-11-05T09:00");
    let mut pause = shop.command("agreement pause a-2 --until 2026-12-01 --effect skip --reason 出差 --yes");
    let ctx = Ctx::open(&shop.dir(), Some("2026-11-05T09:00")).unwrap();
    let mut charging = false;
    ctx.on_event(move |event| match event {
        Event::Begin { total, .. } => charging = total == 2,
        // The first charge is on disk, and the row of the second has been read.
        Event::Step(1) if charging => {
            charging = false;
            let paused = pause.output().unwrap();
            assert!(paused.status.success(), "{}", String::from_utf8_lossy(&paused.stderr));
        }
        _ => {}
    });
    debit::run(&ctx, &Options::default()).unwrap();
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay paid");
    assert_eq!(ask(&shop, "SELECT state FROM agreement WHERE id = 2"), "paused");
    holds(&shop);
}

#[test]
fn a_decline_is_retried_twice_within_a_day_and_never_a_third_time() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined (1 no funds)").says("today 17:00");
    // Told within the hour, with a link to pay.
    assert_eq!(sent(&shop, "debit_failed"), 1);
    let first_link = link_told(&shop, "debit_failed");
    assert!(first_link.starts_with("https://"), "{first_link}");
    hours(&mut shop, "2026-11-05T10:00", "2026-11-05T16:00");
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay pending");
    assert_eq!(sent(&shop, "debit_failed"), 1);
    run(&mut shop, "2026-11-05T17:00").ok("1 declined");
    // The link was closed before the retry, and a new one was told.
    assert_eq!(
        charges(&shop),
        "a-1/1 1 debit alipay declined\na-1/1 2 link alipay void\na-1/1 3 debit alipay declined\na-1/1 4 link alipay pending"
    );
    assert_eq!(sent(&shop, "debit_failed"), 2);
    assert_ne!(link_told(&shop, "debit_failed"), first_link);
    hours(&mut shop, "2026-11-05T18:00", "2026-11-06T07:00");
    assert_eq!(sent(&shop, "retry_exhausted_merchant"), 0);
    run(&mut shop, "2026-11-06T08:00")
        .ok("Needs you")
        .says("all tries declined, no funds")
        .says("kibble debit show a-1/1");
    assert_eq!((sent(&shop, "retry_exhausted_customer"), sent(&shop, "retry_exhausted_merchant")), (1, 1));
    hours(&mut shop, "2026-11-06T09:00", "2026-11-08T00:00");
    let debits = ask(&shop, "SELECT count(*), min(noted_at), max(noted_at) FROM charge WHERE kind = 'debit'");
    assert_eq!(debits, "3|2026-11-05T01:00:00Z|2026-11-06T00:00:00Z");
    assert_eq!((course(&shop, 1).as_str(), wallet(&shop, 1)), ("open failed", 0));
    shop.run("debit list failed").ok("a-1/1").says("no funds").says("failed");
    shop.run("debit show a-1/1").ok("charge k-1 on alipay").says("declined: no funds").says("pay link");
    holds(&shop);
}

#[test]
fn a_customer_is_told_in_the_shops_own_language() {
    let mut shop = shop_with("--rail alipay=sandbox", "lang = \"zh\"", &[Row { signed: "2025-11-05", ..ALIPAY }]);
    shop.lang("zh");
    sql(&shop, "UPDATE customer SET lang = 'zh'; UPDATE agreement SET lang = 'zh'");
    broke(&shop);
    fail_month(&mut shop, "2026-11");
    days(&mut shop, "2026-11-07", "2026-11-10");
    let told = shop.read("messages.txt");
    for part in [
        "宠粮月付第12/12期199.00元将于11月5日从支付宝扣款",
        "第12期199.00元扣款未成功（余额不足），24小时内会再试",
        "第12期199.00元未扣成功，已停止重试",
        "温馨提醒：第12期199.00元尚未支付",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("yuan"), "{told}");
}

#[test]
fn a_retry_that_finds_money_is_the_end_of_it() {
    let mut shop = shop(&[WECHAT]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined");
    shop.run("sandbox fund c-1 199").exits(0);
    run(&mut shop, "2026-11-05T17:00").ok("1 paid ¥199.00");
    hours(&mut shop, "2026-11-06T07:00", "2026-11-06T10:00");
    assert_eq!(charges(&shop), "a-1/1 1 debit wechat declined\na-1/1 2 link wechat void\na-1/1 3 debit wechat paid");
    let numbers = ask(&shop, "SELECT count(DISTINCT order_no) FROM charge");
    assert_eq!((numbers.as_str(), wallet(&shop, 1)), ("3", MONTHLY));
    assert_eq!(sent(&shop, "debit_success"), 1);
    holds(&shop);
}

#[test]
fn nobody_is_told_of_a_failure_while_a_later_try_may_have_been_paid() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(0);
    // As if the power had failed after the decline was written and before anybody was told of it.
    let books = rusqlite::Connection::open(shop.path("shop.db")).unwrap();
    books
        .execute_batch("DELETE FROM message WHERE template = 'debit_failed'; UPDATE installment SET told_failures = 0")
        .unwrap();
    books.execute_batch("UPDATE charge SET state = 'void' WHERE kind = 'link'").unwrap();
    shop.run("sandbox fund c-1 1000").exits(0);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T17:00").exits(3);
    assert_eq!(ask(&shop, "SELECT state FROM charge ORDER BY id DESC LIMIT 1"), "unknown");
    assert_eq!(sent(&shop, "debit_failed"), 0);
    run(&mut shop, "2026-11-05T18:00").exits(0);
    assert_eq!((sent(&shop, "debit_failed"), sent(&shop, "debit_success")), (0, 1));
}

#[test]
fn a_customer_who_pays_the_link_is_not_debited_too() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00");
    shop.run("sandbox fund c-1 1000").exits(0);
    shop.at("2026-11-05T16:59").run("sandbox pay a-1/1").exits(0);
    run(&mut shop, "2026-11-05T17:00").ok("1 paid");
    hours(&mut shop, "2026-11-05T18:00", "2026-11-06T09:00");
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay paid");
    assert_eq!(wallet(&shop, 1), MONTHLY);
    assert_eq!(ask(&shop, "SELECT SUM(points) FROM points"), "199");
    assert_eq!(sent(&shop, "retry_exhausted_customer"), 0);
    holds(&shop);
}

// ---- The second mandate -----------------------------------------------------------------------------------------------------

#[test]
fn the_second_mandate_is_tried_after_a_definite_decline_of_the_first() {
    let mut shop = signed("alipay", Some("wechat"));
    announced(&mut shop);
    shop.run("sandbox fault alipay decline --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid ¥199.00");
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 debit wechat paid");
    assert_eq!(ask(&shop, "SELECT count(DISTINCT order_no) FROM charge"), "2");
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders WHERE state = 'paid'"), "1");
    assert_eq!((wallet(&shop, 1), sent(&shop, "debit_failed")), (MONTHLY, 0));
    holds(&shop);
}

#[test]
fn the_second_mandate_works_the_other_way_round_too() {
    let mut shop = signed("wechat", Some("alipay"));
    announced(&mut shop);
    shop.run("sandbox fault wechat decline --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid ¥199.00");
    assert_eq!(charges(&shop), "a-1/1 1 debit wechat declined\na-1/1 2 debit alipay paid");
    holds(&shop);
}

#[test]
fn both_mandates_declined_are_one_failed_round_and_both_are_retried() {
    let mut shop = signed("alipay", Some("wechat"));
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00").ok("2 declined").says("1 planned").says("today 17:00");
    assert_eq!(sent(&shop, "debit_failed"), 1);
    run(&mut shop, "2026-11-05T17:00");
    run(&mut shop, "2026-11-06T08:00").ok("all tries declined");
    hours(&mut shop, "2026-11-06T09:00", "2026-11-06T12:00");
    assert_eq!(
        ask(&shop, "SELECT rail, count(*) FROM charge WHERE kind = 'debit' GROUP BY rail"),
        "alipay|3\nwechat|3"
    );
    assert_eq!(sent(&shop, "retry_exhausted_merchant"), 1);
    holds(&shop);
}

#[test]
fn a_second_mandate_that_ended_leaves_the_first_to_be_retried() {
    let mut shop = signed("alipay", Some("wechat"));
    announced(&mut shop);
    shop.run("sandbox fault alipay decline --times 1").exits(0);
    shop.run("sandbox revoke m-2").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined").says("mandate ended by the customer").says("today 17:00");
    assert_eq!(sent(&shop, "debit_failed"), 1);
    run(&mut shop, "2026-11-05T17:00").ok("1 paid");
    assert_eq!(ask(&shop, "SELECT rail, state FROM charge WHERE kind = 'debit'"), "alipay|declined\nalipay|paid");
    holds(&shop);
}

#[test]
fn a_second_mandate_found_ended_a_day_later_does_not_stretch_the_24_hours_of_the_first() {
    let mut shop = signed("alipay", Some("wechat"));
    announced(&mut shop);
    shop.run("sandbox fault alipay decline --times 1").exits(0);
    shop.run("sandbox revoke m-2").exits(0);
    shop.run("sandbox fault wechat down --for 30h").exits(0);
    shop.at("2026-11-05T09:00").run("debit run");
    shop.run("sandbox fault wechat --clear").exits(0);
    run(&mut shop, "2026-11-06T08:30").says("mandate ended by the customer");
    hours(&mut shop, "2026-11-06T09:00", "2026-11-06T20:00");
    assert_eq!(ask(&shop, "SELECT rail, state FROM charge WHERE kind = 'debit'"), "alipay|declined");
    assert_eq!((sent(&shop, "retry_exhausted_merchant"), wallet(&shop, 1)), (1, 0));
    holds(&shop);
}

#[test]
fn an_unknown_outcome_of_the_first_mandate_never_tries_the_second() {
    let mut shop = signed("alipay", Some("wechat"));
    announced(&mut shop);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay unknown");
    run(&mut shop, "2026-11-05T10:00").exits(0);
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit alipay paid", MONTHLY));
    holds(&shop);
}

// ---- Answers that do not come -----------------------------------------------------------------------------------------------

#[test]
fn a_lost_answer_is_neither_repeated_nor_called_a_failure() {
    for fault in ["lose-answer", "garbage", "slow"] {
        let mut shop = shop(&[ALIPAY]);
        announced(&mut shop);
        shop.run(&format!("sandbox fault alipay {fault} --times 1")).exits(0);
        run(&mut shop, "2026-11-05T09:00")
            .fails(3, "1 unknown")
            .says("outcome unknown at alipay; the next run asks again");
        assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit alipay unknown", 0), "{fault}");
        assert_eq!(ask(&shop, "SELECT count(*) FROM message WHERE template <> 'pre_debit_48h'"), "0", "{fault}");
        shop.run("debit list unknown").ok("a-1/1").says("outcome unknown");
        shop.run("debit pay a-1/1 --cash").fails(1, "the outcome of a debit of a-1/1 is not known yet");
        run(&mut shop, "2026-11-05T10:00").ok("settled").says("1 paid");
        assert_eq!(charges(&shop), "a-1/1 1 debit alipay paid", "{fault}");
        assert_eq!(ask_rail(&shop, "SELECT state FROM orders"), "paid", "{fault}");
        assert_eq!((wallet(&shop, 1), sent(&shop, "debit_success")), (MONTHLY, 1), "{fault}");
        holds(&shop);
    }
}

#[test]
fn a_charge_that_never_arrived_does_not_stay_unknown_when_its_term_is_called_off() {
    for hour in [10, 12] {
        let mut shop = shop(&[ALIPAY]);
        announced(&mut shop);
        shop.run("sandbox fault alipay drop --times 2").exits(0);
        run(&mut shop, "2026-11-05T09:00").exits(3);
        if hour == 12 {
            // The rail has said once already that it never heard of it, and the repeat is lost too.
            run(&mut shop, "2026-11-05T11:00").exits(3);
        }
        shop.run("agreement pause a-1 --until 2026-11-20 --effect skip --reason travel").exits(0);
        run(&mut shop, &format!("2026-11-05T{hour}:00")).exits(0);
        assert_eq!(ask(&shop, "SELECT state FROM charge"), "void", "{hour}");
        assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders"), "0");
        holds(&shop);
    }
}

#[test]
fn a_connection_lost_before_the_work_sends_the_same_number_again() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fault alipay drop --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    let number = ask(&shop, "SELECT order_no FROM charge WHERE state = 'unknown'");
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders"), "0");
    run(&mut shop, "2026-11-05T10:00").ok("1 paid");
    assert_eq!(ask_rail(&shop, "SELECT order_no, state FROM orders"), format!("{number}|paid"));
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit alipay paid", MONTHLY));
    holds(&shop);
}

#[test]
fn a_rail_that_is_down_does_not_stop_the_other_and_fails_nobody() {
    let mut shop = shop(&[ALIPAY, ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.at("2026-11-05T08:30").run("sandbox fault alipay down --for 2h").exits(0);
    run(&mut shop, "2026-11-05T09:00").fails(3, "rail cannot be reached").says("1 paid ¥199.00");
    run(&mut shop, "2026-11-05T10:00").exits(3);
    assert_eq!(charges(&shop), "a-3/1 1 debit wechat paid");
    assert_eq!(ask(&shop, "SELECT DISTINCT course FROM installment"), "planned");
    assert_eq!(sent(&shop, "debit_failed"), 0);
    run(&mut shop, "2026-11-05T11:00").ok("2 paid ¥398.00");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2), wallet(&shop, 3)), (MONTHLY, MONTHLY, MONTHLY));
    holds(&shop);
}

#[test]
fn a_rail_that_is_down_for_the_whole_window_is_nobodys_failure() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-05T08:30").run("sandbox fault alipay down --for 5d").exits(0);
    hours(&mut shop, "2026-11-05T09:00", "2026-11-05T11:00");
    let ran = run(&mut shop, "2026-11-08T09:00");
    ran.ok("not collected in the rail's window after 2026-11-05").says("kibble debit postpone a-1/1 --to DATE");
    assert_eq!(course(&shop, 1), "open missed");
    assert_eq!(ask(&shop, "SELECT failed_in_row FROM agreement"), "0");
    holds(&shop);
}

#[test]
fn our_own_settings_stop_the_rail_and_blame_nobody() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.run("sandbox fault alipay decline --reason our_configuration --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").fails(3, "rail refuses our settings").says("1 paid ¥199.00");
    assert_eq!((course(&shop, 1).as_str(), sent(&shop, "debit_failed")), ("open planned", 0));
    run(&mut shop, "2026-11-05T10:00").ok("1 paid ¥199.00");
    assert_eq!(wallet(&shop, 1), MONTHLY);
    holds(&shop);
}

// ---- WeChat, told by the rail and decided a day later -----------------------------------------------------------------------

const NOTIFY24: &str = "--rail wechat=sandbox:wechat-notify24h";

#[test]
fn an_accepted_charge_is_pending_for_a_day_and_then_paid() {
    let mut shop = shop_with(NOTIFY24, "", &[WECHAT]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 pending");
    hours(&mut shop, "2026-11-05T10:00", "2026-11-06T08:00");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit wechat pending", 0));
    shop.run("debit pay a-1/1 --cash").fails(1, "not known yet");
    run(&mut shop, "2026-11-06T09:00").ok("1 paid");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit wechat paid", MONTHLY));
    holds(&shop);
}

#[test]
fn a_charge_declined_a_day_later_is_retried() {
    let mut shop = shop_with(NOTIFY24, "", &[WECHAT]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 pending");
    run(&mut shop, "2026-11-06T09:00").ok("1 declined").says("today 17:00");
    assert_eq!(sent(&shop, "debit_failed"), 1);
    shop.run("sandbox fund c-1 500").exits(0);
    run(&mut shop, "2026-11-06T17:00").ok("1 pending");
    run(&mut shop, "2026-11-07T17:00").ok("1 paid");
    assert_eq!(charges(&shop), "a-1/1 1 debit wechat declined\na-1/1 2 link wechat void\na-1/1 3 debit wechat paid");
    assert_eq!(wallet(&shop, 1), MONTHLY);
    holds(&shop);
}

// ---- High risk --------------------------------------------------------------------------------------------------------------

/// The three rounds of a term due on the fifth of that month, with the customer out of money.
fn fail_month(shop: &mut Shop, month: &str) {
    for at in ["02T08:00", "03T09:00", "05T09:00", "05T17:00", "06T08:00"] {
        run(shop, &format!("{month}-{at}"));
    }
}

fn flags(shop: &Shop) -> String {
    ask(shop, "SELECT reason, COALESCE(cleared_by, ''), COALESCE(clear_reason, '') FROM flag ORDER BY id")
}

#[test]
fn two_failed_terms_in_a_row_are_high_risk_and_a_late_payment_clears_it() {
    let mut shop = shop(&[ALIPAY]);
    broke(&shop);
    fail_month(&mut shop, "2026-11");
    assert_eq!((course(&shop, 1).as_str(), flags(&shop).as_str()), ("open failed", ""));
    fail_month(&mut shop, "2026-12");
    assert_eq!(flags(&shop), "a-1/2 2||");
    assert_eq!(sent(&shop, "high_risk_alert"), 1);
    shop.run("risk list").ok("a-1").says("2 terms in a row failed, the last was a-1/2");
    shop.at("2026-12-07T10:00").run("debit pay a-1/1 --cash").ok("¥199.00 taken in cash");
    assert_eq!(flags(&shop), "a-1/2 2|payment|a-1/1");
    assert_eq!(ask(&shop, "SELECT failed_in_row FROM agreement"), "0");
    shop.run("risk list").ok("no agreement is flagged");
    // The next failure begins to count anew.
    fail_month(&mut shop, "2027-01");
    assert_eq!(ask(&shop, "SELECT failed_in_row FROM agreement"), "1");
    holds(&shop);
}

#[test]
fn the_owner_clears_high_risk_with_a_reason() {
    let mut shop = shop(&[ALIPAY]);
    broke(&shop);
    fail_month(&mut shop, "2026-11");
    fail_month(&mut shop, "2026-12");
    shop.at("2026-12-08T10:00");
    shop.run("risk clear a-1").exits(2);
    shop.run("risk clear a-1 --reason 'spoke on the phone'").exits(0);
    assert!(flags(&shop).ends_with("|spoke on the phone"), "{}", flags(&shop));
    shop.run("audit list").ok("flag_changed");
    holds(&shop);
}

#[test]
fn outages_and_pauses_between_two_failures_do_not_break_the_row_nor_count() {
    let mut shop = shop(&[ALIPAY]);
    broke(&shop);
    fail_month(&mut shop, "2026-11");
    // December is lost to the rail.
    run(&mut shop, "2026-12-02T08:00");
    shop.at("2026-12-05T08:00").run("sandbox fault alipay down --for 4d").exits(0);
    days(&mut shop, "2026-12-05", "2026-12-09");
    assert_eq!(course(&shop, 2), "open missed");
    assert_eq!(ask(&shop, "SELECT failed_in_row FROM agreement"), "1");
    // January is skipped by a pause.
    shop.at("2026-12-20T10:00");
    shop.run("agreement pause a-1 --until 2027-01-20 --effect skip --reason travel").exits(0);
    days(&mut shop, "2027-01-04", "2027-01-08");
    assert_eq!((flags(&shop).as_str(), course(&shop, 3).as_str()), ("", "cancelled planned"));
    run(&mut shop, "2027-01-20T10:00");
    fail_month(&mut shop, "2027-02");
    assert_eq!(flags(&shop), "a-1/4 2||");
    holds(&shop);
}

// ---- Overdue ----------------------------------------------------------------------------------------------------------------

#[test]
fn nobody_is_reminded_more_often_than_the_ladder_says() {
    // The last term only, so that nothing else is told.
    let mut shop = shop(&[Row { signed: "2025-11-05", ..ALIPAY }]);
    broke(&shop);
    fail_month(&mut shop, "2026-11");
    days(&mut shop, "2026-11-06", "2027-02-15");
    let told = ["overdue_l1", "overdue_l2", "overdue_l3", "overdue_l4", "overdue_l5"].map(|level| sent(&shop, level));
    // Days past due 2 and 3 (on the first the failure itself was told), 4 7 10 13, 16 23 30, 31, 61.
    assert_eq!(told, [2, 4, 3, 1, 1]);
    let at_night = "SELECT count(*) FROM message WHERE template LIKE 'overdue%' AND substr(sent_at, 12, 2) NOT BETWEEN '00' AND '13'";
    assert_eq!(ask(&shop, at_night), "0");
    let twice = "SELECT count(*) FROM (SELECT substr(sent_at, 1, 10) FROM message WHERE template LIKE 'overdue%' GROUP BY 1 HAVING count(*) > 1)";
    assert_eq!(ask(&shop, twice), "0");
    // Each reminder carried a link that was alive when it was told.
    assert!(link_told(&shop, "overdue_l5").starts_with("https://"));
    shop.run("debit list overdue").ok("a-1/12");
    holds(&shop);
    shop.lang("zh").run("debit list overdue").ok("a-1/12").says("失败").hides("failed");
}

// ---- Mandates that end outside ----------------------------------------------------------------------------------------------

#[test]
fn a_mandate_revoked_in_the_app_is_noticed_before_the_next_charge() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-05T08:30").run("sandbox revoke m-1").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("mandate ended by the customer").says("kibble sign --again a-1");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("", 0));
    days(&mut shop, "2026-11-05", "2026-11-08");
    assert_eq!((course(&shop, 1).as_str(), charges(&shop).as_str()), ("open missed", "a-1/1 1 link alipay pending"));
    let december = |day| format!("2026-12-{day:02}");
    days(&mut shop, &december(1), &december(9));
    assert_eq!(course(&shop, 2), "open missed");
    assert!(charges(&shop).ends_with("a-1/2 1 link alipay pending"), "{}", charges(&shop));
    assert_eq!((sent(&shop, "mandate_revoked_customer"), sent(&shop, "mandate_revoked_merchant")), (1, 1));
    assert_eq!(ask(&shop, "SELECT count(*) FROM message WHERE template = 'pre_debit_48h'"), "1");
    shop.at("2026-12-10T12:00").run("sandbox pay a-1/2").exits(0);
    run(&mut shop, "2026-12-10T13:00").ok("1 paid");
    assert_eq!(wallet(&shop, 1), MONTHLY);
    holds(&shop);
}

#[test]
fn a_term_that_was_missed_is_not_announced_when_a_new_mandate_comes() {
    let mut shop = shop(&[ALIPAY]);
    run(&mut shop, "2026-11-01T09:00").exits(0);
    shop.run("sandbox revoke m-1").exits(0);
    shop.run("mandate sync m-1").exits(0);
    days(&mut shop, "2026-11-05", "2026-11-08");
    assert_eq!(course(&shop, 1), "open missed");
    // WeChat's window of the same term is open for days yet; but it is the customer's to pay now, and nobody debits it.
    shop.at("2026-11-08T12:00").run("sign --again a-1 --rail wechat").exits(0);
    shop.run("sandbox sign --all").exits(0);
    days(&mut shop, "2026-11-08", "2026-11-13");
    assert_eq!(
        (sent(&shop, "pre_debit_48h"), ask(&shop, "SELECT count(*) FROM charge WHERE kind = 'debit'").as_str()),
        (0, "0")
    );
    holds(&shop);
}

#[test]
fn a_new_mandate_takes_the_agreement_up_again() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-05T08:30").run("sandbox revoke m-1").exits(0);
    days(&mut shop, "2026-11-05", "2026-11-09");
    shop.at("2026-11-09T12:00").run("sign --again a-1 --rail wechat").exits(0);
    shop.run("sandbox sign --all").exits(0);
    for at in ["2026-12-02T08:00", "2026-12-03T09:00", "2026-12-05T09:00"] {
        run(&mut shop, at);
    }
    assert!(charges(&shop).ends_with("a-1/2 1 debit wechat paid"), "{}", charges(&shop));
    holds(&shop);
}

// ---- Outages ----------------------------------------------------------------------------------------------------------------

#[test]
fn after_an_outage_of_nine_days_missed_windows_are_named_and_nothing_is_charged_late() {
    let mut shop = shop(&[ALIPAY, Row { signed: "2026-10-10", day: 10, ..WECHAT }]);
    announced(&mut shop);
    let ran = run(&mut shop, "2026-11-13T09:00");
    ran.ok("missed")
        .says("not collected in the rail's window after 2026-11-05")
        .says("kibble debit postpone a-1/1 --to DATE");
    // The other window is open still; but nobody was told, and no notice is given back in time.
    assert_eq!(ask(&shop, "SELECT count(*) FROM charge WHERE kind = 'debit'"), "0");
    assert_eq!(
        ask(&shop, "SELECT agreement_id, charge_from FROM installment WHERE announced_at > '2026-11-10' ORDER BY 1"),
        "2|2026-11-15T01:00:00Z"
    );
    hours(&mut shop, "2026-11-14T09:00", "2026-11-15T08:00");
    assert_eq!(ask(&shop, "SELECT count(*) FROM charge WHERE kind = 'debit'"), "0");
    run(&mut shop, "2026-11-15T09:00").ok("1 paid ¥199.00");
    // The owner moves the missed one; it is announced anew and charged on its new day, at the rail's new date.
    shop.run("debit postpone a-1/1 --to 2026-11-20 --reason outage").ok("a-1/1 now falls due on 2026-11-20");
    assert_eq!(ask_rail(&shop, "SELECT next_date FROM contract WHERE rail = 'alipay'"), "2026-11-22");
    hours(&mut shop, "2026-11-17T07:00", "2026-11-17T09:00");
    run(&mut shop, "2026-11-19T09:00").exits(0);
    assert_eq!(wallet(&shop, 1), 0);
    run(&mut shop, "2026-11-20T09:00").ok("1 paid ¥199.00");
    assert_eq!((wallet(&shop, 1), sent(&shop, "pre_debit_48h")), (MONTHLY, 3));
    // The next month is where it always was.
    for at in ["2026-12-02T08:00", "2026-12-05T09:00"] {
        run(&mut shop, at);
    }
    assert_eq!(
        ask(&shop, "SELECT term, state FROM charge WHERE agreement_id = 1 AND kind = 'debit'"),
        "1|paid\n2|paid"
    );
    holds(&shop);
}

#[test]
fn a_backlog_that_nobody_has_looked_at_is_not_charged() {
    let mut shop = shop_with("--rail alipay=sandbox", "backlog_count = 1", &[ALIPAY, ALIPAY]);
    announced(&mut shop);
    let before = counts(&shop);
    let ran = run(&mut shop, "2026-11-06T09:00");
    ran.fails(1, "after 48 hours without a run 2 installments with ¥398.00 are due; nothing was charged");
    ran.says("--confirm-backlog");
    assert_eq!(counts(&shop), before);
    shop.run("debit run --confirm-backlog").ok("2 paid ¥398.00");
    set(&shop, "backlog_count = 500");
    shop.lang("zh");
    run(&mut shop, "2026-11-06T10:00").ok("扣款批次");
    holds(shop.lang("en"));
}

#[test]
fn after_nine_days_away_a_large_backlog_waits_for_the_owner_and_nothing_else_is_caught_up() {
    let late = Row { signed: "2026-10-14", day: 14, ..WECHAT };
    let mut shop = shop_with(
        "--rail alipay=sandbox --rail wechat=sandbox",
        "backlog_count = 2",
        &[WECHAT, WECHAT, WECHAT, ALIPAY, late],
    );
    let rules = "[rail.wechat]\nrules = { window_days_after = 20, notice_valid_days = 20 }";
    shop.write("shop.toml", shop.read("shop.toml").replacen("[rail.wechat]", rules, 1));
    announced(&mut shop);
    let before = counts(&shop);
    // The machine comes back after nine days: three terms can still be charged, one window is over, and one term fell due unannounced.
    let ran = run(&mut shop, "2026-11-13T09:00");
    ran.fails(1, "after 216 hours without a run").says("nothing was charged").says("--confirm-backlog");
    assert_eq!(counts(&shop), before);
    let dry = shop.run("debit run --dry-run");
    dry.fails(3, "would charge 3 with ¥597.00").says("a run would refuse all of this: after 216 hours without a run");
    shop.run("debit run --dry-run --confirm-backlog").ok("would charge 3 with ¥597.00").hides("refuse");
    assert_eq!(counts(&shop), before);
    let ran = shop.run("debit run --confirm-backlog");
    ran.ok("3 paid ¥597.00").says("missed").says("kibble debit postpone a-4/1 --to DATE");
    assert_eq!(
        charges(&shop),
        "a-1/1 1 debit wechat paid\na-2/1 1 debit wechat paid\na-3/1 1 debit wechat paid\na-4/1 1 link alipay pending"
    );
    // Nobody is told in the past: what falls due tomorrow is told now, and waits its 48 hours.
    let told = "SELECT announced_at, charge_from FROM installment WHERE agreement_id = 5 AND term = 1";
    assert_eq!(ask(&shop, told), "2026-11-13T01:00:00Z|2026-11-15T01:00:00Z");
    run(&mut shop, "2026-11-14T09:00").hides("paid ¥");
    run(&mut shop, "2026-11-15T09:00").ok("1 paid ¥199.00");
    holds(&shop);
}

#[test]
fn a_clock_that_went_backwards_or_leapt_moves_no_money() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    let before = counts(&shop);
    run(&mut shop, "2026-11-03T09:00")
        .fails(1, "the clock says 2026-11-03 09:00, but the last run was at 2026-11-04 09:00");
    run(&mut shop, "2027-11-05T09:00").fails(1, "366 days after the last run; nothing was charged");
    assert_eq!(counts(&shop), before);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
}

#[test]
fn at_most_one_term_of_an_agreement_is_charged_in_a_run() {
    let mut shop = shop(&[WECHAT]);
    let toml = shop.read("shop.toml").replacen(
        "[rail.wechat]",
        "[rail.wechat]\nrules = { successes_per_cycle = 2, notice = \"none\" }",
        1,
    );
    shop.write("shop.toml", toml);
    announced(&mut shop);
    shop.run("debit postpone a-1/1 --to 2026-12-05").fails(1, "the next term falls due on 2026-12-05");
    shop.run("debit postpone a-1/1 --to 2026-12-04").exits(0);
    for at in ["2026-12-01T08:00", "2026-12-02T08:00", "2026-12-03T09:00"] {
        run(&mut shop, at);
    }
    // Cron was away on the fourth: both windows are open.
    shop.at("2026-12-06T10:00").run("debit run --dry-run").ok("would charge 1 with ¥199.00");
    shop.run("debit run --dry-run").ok("a-1/2  not charged: another term of this agreement goes first; one per run");
    run(&mut shop, "2026-12-06T10:00").ok("1 paid ¥199.00");
    assert_eq!(charges(&shop), "a-1/1 1 debit wechat paid");
    holds(&shop);
}

#[test]
fn a_postponed_term_that_fails_again_is_told_again() {
    let mut shop = shop(&[ALIPAY]);
    broke(&shop);
    fail_month(&mut shop, "2026-11");
    shop.at("2026-11-06T12:00");
    shop.run("debit postpone a-1/1 --to 2026-11-06").fails(1, "can only be moved to a later day").says("2026-11-07");
    shop.run("debit postpone a-1/1 --to 2026-11-15 --reason 'salary comes late'").exits(0);
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders WHERE state = 'link_open'"), "0", "the link was closed");
    for at in ["12T08:00", "15T09:00", "15T17:00", "16T08:00"] {
        run(&mut shop, &format!("2026-11-{at}"));
    }
    assert_eq!((sent(&shop, "pre_debit_48h"), sent(&shop, "debit_failed")), (2, 4));
    assert_eq!((sent(&shop, "retry_exhausted_customer"), sent(&shop, "retry_exhausted_merchant")), (2, 2));
    // It is one failed term, however often it was tried.
    assert_eq!((ask(&shop, "SELECT failed_in_row FROM agreement").as_str(), flags(&shop).as_str()), ("1", ""));
    holds(&shop);
}

// ---- At the counter ---------------------------------------------------------------------------------------------------------

#[test]
fn cash_at_the_counter_closes_the_link_first_and_is_credited_once() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00");
    shop.at("2026-11-05T12:00");
    shop.run("debit pay a-1/1").exits(2);
    shop.run("debit pay a-1/1 --cash").ok("a-1/1: ¥199.00 taken in cash; the wallet holds ¥199.00");
    assert_eq!(ask_rail(&shop, "SELECT state FROM orders WHERE contract_no IS NULL"), "closed");
    shop.run("sandbox pay a-1/1").fails(1, "a-1/1 has no open pay link");
    shop.run("debit pay a-1/1 --cash").fails(1, "a-1/1 is not open any more");
    days(&mut shop, "2026-11-06", "2026-11-08");
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay void\na-1/1 3 cash cash paid");
    assert_eq!((wallet(&shop, 1), ask(&shop, "SELECT SUM(points) FROM points").as_str()), (MONTHLY, "199"));
    assert_eq!(ask(&shop, "SELECT SUM(amount) FROM posting WHERE account = 'cash'"), "19900");
    holds(&shop);
}

#[test]
fn a_move_that_the_rail_refuses_leaves_the_customer_the_pay_link() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00");
    shop.run("sandbox revoke m-1").exits(0);
    shop.at("2026-11-05T12:00");
    shop.run("debit postpone a-1/1 --to 2026-11-20")
        .fails(1, "does not move the date of a-1/1")
        .says("debit pay a-1/1 --cash");
    shop.run("debit postpone a-1/1 --to 2026-11-20").fails(1, "does not move the date of a-1/1");
    shop.run("sandbox pay a-1/1").exits(0);
    run(&mut shop, "2026-11-05T13:00");
    assert_eq!(wallet(&shop, 1), MONTHLY);
    holds(&shop);
}

#[test]
fn a_day_beyond_the_mandate_is_refused_before_anything_changes() {
    let mut shop = shop(&[Row { terms: 1, ..ALIPAY }]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00");
    shop.at("2026-11-05T12:00");
    shop.run("debit postpone a-1/1 --to 2027-06-20").fails(1, "is valid until");
    shop.run("sandbox pay a-1/1").exits(0);
}

#[test]
fn a_customer_who_paid_the_link_on_the_way_to_the_counter_does_not_pay_twice() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00");
    shop.at("2026-11-05T12:00").run("sandbox pay a-1/1").exits(0);
    shop.run("debit pay a-1/1 --cash").ok("give the cash back");
    assert_eq!((wallet(&shop, 1), charges(&shop).ends_with("link alipay paid")), (MONTHLY, true));
    assert_eq!(ask(&shop, "SELECT count(*) FROM posting WHERE account = 'cash'"), "0");
    holds(&shop);
}

#[test]
fn a_refund_goes_to_where_it_came_from_and_takes_its_points_back() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 300").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.at("2026-11-06T10:00");
    shop.run("debit refund a-1/2 --reason x --yes").fails(1, "a-1/2 was not collected through kibble");
    shop.run("debit refund a-1/1 --amount 200 --reason x --yes").fails(1, "¥200.00 cannot go back");
    shop.run("debit refund a-1/1 --amount 0 --reason x --yes").exits(2);
    shop.run("debit refund a-1/1 --amount 49.50 --reason 'bag torn' --yes").ok("¥49.50 went back to the customer");
    assert_eq!((wallet(&shop, 1), ask(&shop, "SELECT SUM(points) FROM points").as_str()), (MONTHLY - 4_950, "149"));
    assert_eq!(ask_rail(&shop, "SELECT balance FROM payer"), "15050");
    // What has been spent cannot go back.
    shop.write(
        "items.csv",
        "sku,name,category,species,brand,unit,cost,price,member_price,supplier\nF1,粮,staple,cat,b,bag,50,100,100,s\n",
    );
    shop.run("catalog import items.csv").exits(0);
    shop.run("orders add c-1 F1 --counter").exits(0);
    shop.run("debit refund a-1/1 --reason rest --yes").fails(1, "holds ¥49.50, less than the ¥149.50 to give back");
    assert_eq!(wallet(&shop, 1), 4_950);
    holds(&shop);
}

#[test]
fn a_refund_whose_answer_is_lost_is_paid_once() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.at("2026-11-06T10:00");
    let before = ask_rail(&shop, "SELECT balance FROM payer");
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    shop.run("debit refund a-1/1 --reason moved --yes").ok("is on its way; the next runs ask the rail");
    assert_eq!(wallet(&shop, 1), 0);
    run(&mut shop, "2026-11-06T11:00").ok("refunds");
    run(&mut shop, "2026-11-06T12:00").exits(0);
    let after = ask_rail(&shop, "SELECT balance FROM payer");
    assert_eq!(after.parse::<i64>().unwrap() - before.parse::<i64>().unwrap(), MONTHLY);
    assert_eq!(
        (ask(&shop, "SELECT count(*), MIN(state) FROM refund").as_str(), course(&shop, 1).as_str()),
        ("1|paid", "refunded planned")
    );
    assert_eq!(ask(&shop, "SELECT SUM(points) FROM points"), "0");
    holds(&shop);
}

// ---- The end of agreements --------------------------------------------------------------------------------------------------

#[test]
fn an_agreement_that_has_run_out_closes_its_mandate_and_is_never_charged_again() {
    let mut shop = shop(&[Row { signed: "2025-11-05", ..ALIPAY }]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    days(&mut shop, "2026-11-06", "2026-12-04");
    assert_eq!(ask(&shop, "SELECT state FROM agreement"), "active");
    run(&mut shop, "2026-12-05T10:00").ok("1 completed").says("1 closed");
    assert_eq!(
        ask(&shop, "SELECT a.state, m.state FROM agreement a JOIN mandate m ON m.agreement_id = a.id"),
        "completed|closed"
    );
    assert_eq!(ask_rail(&shop, "SELECT state FROM contract"), "ended");
    days(&mut shop, "2026-12-06", "2027-01-08");
    assert_eq!(charges(&shop), "a-1/12 1 debit alipay paid");
    assert_eq!((wallet(&shop, 1), sent(&shop, "contract_completed")), (MONTHLY, 1));
    holds(&shop);
}

#[test]
fn the_mandate_of_an_ended_agreement_is_pursued_until_the_rail_confirms() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    broke(&shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 declined");
    shop.at("2026-11-05T12:00").run("sandbox fault alipay down --for 3h").exits(0);
    // The notice works at once, though the rail cannot be reached.
    shop.run("agreement terminate a-1 --cause consumer --pet kept --reason moved --yes");
    shop.run("sandbox fund c-1 5000").exits(0);
    run(&mut shop, "2026-11-05T13:00").exits(3);
    assert_eq!(ask(&shop, "SELECT state FROM mandate"), "closing");
    for at in ["05T17:00", "06T08:00", "06T09:00"] {
        run(&mut shop, &format!("2026-11-{at}"));
    }
    assert_eq!(ask(&shop, "SELECT state FROM mandate"), "closed");
    assert_eq!(ask_rail(&shop, "SELECT state, ended_by FROM contract"), "ended|merchant");
    days(&mut shop, "2026-11-07", "2026-12-08");
    assert_eq!(ask(&shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), "0");
    assert_eq!(
        ask_rail(&shop, "SELECT count(*) FROM orders WHERE state IN ('paid', 'link_open')"),
        "0",
        "its link is closed too"
    );
    assert_eq!(ask(&shop, "SELECT count(*) FROM message WHERE template LIKE 'overdue%' AND state = 'sent'"), "0");
    holds(&shop);
}

#[test]
fn a_charge_in_the_air_at_termination_is_booked_and_goes_back() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    shop.at("2026-11-05T09:30");
    shop.run("agreement terminate a-1 --cause consumer --pet kept --reason moved --yes");
    run(&mut shop, "2026-11-05T10:00");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit alipay paid", MONTHLY));
    shop.run("agreement confirm a-1").exits(0);
    assert_eq!(wallet(&shop, 1), 0);
    assert_eq!(ask_rail(&shop, "SELECT amount, refunded FROM orders"), "19900|19900");
    holds(&shop);
}

#[test]
fn a_pause_that_outlives_the_mandate_is_told_in_time_and_nothing_is_announced_in_vain() {
    // Two terms: 2026-11-05 and 2026-12-05, and the mandate ends with 2027-01-04. The pause moves both by two months.
    let mut shop = shop(&[Row { terms: 2, ..ALIPAY }]);
    shop.run("agreement pause a-1 --until 2026-12-20 --effect extend --reason moving").exits(0);
    run(&mut shop, "2026-12-20T09:00").ok("1 resumed");
    assert_eq!(ask(&shop, "SELECT due FROM installment ORDER BY term"), "2027-01-05\n2027-02-05");
    // The next term falls due a day after the mandate ends: both sides hear of it, and the rail closes the mandate.
    run(&mut shop, "2026-12-20T10:00");
    assert_eq!(ask(&shop, "SELECT state FROM mandate"), "closed");
    assert_eq!((sent(&shop, "mandate_revoked_customer"), sent(&shop, "mandate_revoked_merchant")), (1, 1));
    days(&mut shop, "2026-12-30", "2027-01-05");
    assert_eq!(sent(&shop, "pre_debit_48h"), 0);
    // A new mandate carries on where the old one ended.
    shop.at("2027-01-06T10:00").run("sign --again a-1 --rail alipay --yes").exits(0);
    shop.run("sandbox sign --all").exits(0);
    days(&mut shop, "2027-02-01", "2027-02-04");
    run(&mut shop, "2027-02-05T10:00");
    assert!(ask(&shop, "SELECT state FROM installment WHERE term = 2").contains("paid"), "{}", charges(&shop));
    holds(&shop);
}
