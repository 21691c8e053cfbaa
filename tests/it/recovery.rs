//! The run that comes after an outage, a crash or a restore explains itself: each test removes the fear that nobody would know what
//! happened meanwhile.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use kibble::ops::Event;
use kibble::ops::debit::{self, Options};
use serde_json::Value;

use crate::due::{ALIPAY, Row, WECHAT, announced, ask, charges, holds, run, shop, wallet};
use crate::shop::Shop;
use crate::stage;

/// A run in a process of its own that is killed with SIGKILL after the `steps`th commit of its charge step, before it asks any rail
/// about what it noted there.
fn killed(shop: &Shop, at: &str, steps: u32) {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["recovery::run_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("KIBBLE_TEST_RUN", shop.dir())
        .env("KIBBLE_TEST_AT", at)
        .env("KIBBLE_TEST_STEPS", steps.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(ended.code(), None, "a signal ended it");
    assert_eq!(ask(shop, "SELECT count(*) FROM run WHERE ended_at IS NULL"), "1");
}

/// Not a test: one debit run in a process of its own.
#[test]
#[ignore = "the tests below start it"]
#[allow(clippy::disallowed_methods, reason = "a process of its own is told by its environment what to do")]
fn run_process() {
    let Some(folder) = std::env::var_os("KIBBLE_TEST_RUN").map(PathBuf::from) else { return };
    let at = std::env::var("KIBBLE_TEST_AT").unwrap();
    let mut left: u32 = std::env::var("KIBBLE_TEST_STEPS").unwrap().parse().unwrap();
    let ctx = kibble::ops::Ctx::open(&folder, Some(&at)).unwrap();
    let mut charging = false;
    ctx.on_event(move |event| match event {
        Event::Begin { label, .. } => charging = label == "charging",
        Event::Step(_) if charging => {
            left -= 1;
            if left == 0 {
                Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
                std::thread::park();
            }
        }
        _ => {}
    });
    debit::run(&ctx, &Options::default()).unwrap();
}

fn story(shop: &Shop, at: &str) -> Value {
    let report = ask(shop, &format!("SELECT report FROM run WHERE started_at = '{at}' ORDER BY id DESC LIMIT 1"));
    serde_json::from_str::<Value>(&report).unwrap()["recovery"].clone()
}

#[test]
fn an_ordinary_hour_and_an_ordinary_night_explain_nothing() {
    let mut shop = shop(&[ALIPAY]);
    for at in ["2026-11-02T08:00", "2026-11-02T22:00", "2026-11-03T09:00", "2026-11-04T20:59"] {
        run(&mut shop, at).exits(0).hides("Since the last run");
    }
    assert_eq!(ask(&shop, "SELECT count(*) FROM run WHERE report LIKE '%recovery%'"), "0");
}

#[test]
fn nine_days_without_cron_are_told_in_plain_words() {
    let late = Row { signed: "2026-10-16", day: 16, ..ALIPAY };
    let soon = Row { signed: "2026-10-14", day: 14, ..WECHAT };
    let mut shop = shop(&[ALIPAY, WECHAT, ALIPAY, late, soon]);
    run(&mut shop, "2026-11-02T08:00").exits(0);
    run(&mut shop, "2026-11-05T08:00").exits(0);

    // The fifth at eight to the fourteenth at ten: the dry run says it in the conditional and touches nothing.
    let dry = shop.at("2026-11-14T10:00").run("debit run --dry-run");
    dry.ok("Since the last run")
        .says("No debit run for 9 days, since 2026-11-05 08:00.")
        .says("Fell due in that time: 4, ¥796.00.")
        .says("Window passed, would not be charged any more: 3, ¥597.00: a-1/1, a-2/1, a-3/1.")
        .says("nothing was touched");
    assert_eq!(ask(&shop, "SELECT count(*) FROM run"), "2");

    let ran = run(&mut shop, "2026-11-14T10:00");
    ran.exits(0)
        .says("No debit run for 9 days, since 2026-11-05 08:00.")
        .says("Fell due in that time: 4, ¥796.00.")
        .says("Window passed, not charged any more: 3, ¥597.00: a-1/1, a-2/1, a-3/1.")
        .says("Proposal: move each with `kibble debit postpone TERM --to DATE`")
        .says("kibble debit postpone a-1/1 --to DATE")
        .says("Needs a decision: 3")
        .says("Told now: ");
    let story = story(&shop, "2026-11-14T02:00:00Z");
    assert_eq!((story["away_hours"].as_i64(), story["due"]["count"].as_u64()), (Some(218), Some(4)));
    // Everything that was due has one fate, and the fates add up to the fen.
    let count = |of: &Value| of["count"].as_u64().unwrap();
    let waiting: u64 = story["waiting"].as_array().unwrap().iter().map(count).sum();
    let missed = story["missed"].as_array().unwrap().len() as u64;
    assert_eq!(count(&story["lawful"]) + waiting + missed, 4, "{story:#}");
    holds(&shop);
    shop.lang("zh");
    run(&mut shop, "2026-11-16T23:00")
        .exits(0)
        .says("上次批次以来")
        .says("自 2026-11-14 10:00 起，有 61 小时没有运行扣款批次。")
        .says("这段时间到期：")
        .hides("Since the last run");
}

#[test]
fn what_waits_for_its_announcement_is_named_with_the_earliest_moment() {
    // The same reason on two rails is one line.
    let on = |rail| Row { signed: "2026-10-14", day: 14, ..rail };
    let mut shop = shop(&[on(WECHAT), on(ALIPAY)]);
    run(&mut shop, "2026-11-02T08:00").exits(0);
    let dry = shop.at("2026-11-14T10:00").run("debit run --dry-run");
    dry.ok("Would wait: 2, ¥398.00: not announced yet; earliest charge 2026-11-16 10:00.");
    run(&mut shop, "2026-11-14T10:00")
        .ok("No debit run for 12 days")
        .says("Nothing could be charged.")
        .says("Must wait: 2, ¥398.00: the announcement is younger than 48 hours; earliest charge 2026-11-16 10:00.")
        .says("debit announced 2")
        .says("Nothing needs a decision.");
    run(&mut shop, "2026-11-15T10:00").hides("Since the last run");
}

#[test]
fn who_is_still_to_be_told_after_a_night_is_named_with_the_hour() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    run(&mut shop, "2026-11-02T08:00").exits(0);
    let ran = run(&mut shop, "2026-11-14T23:00");
    ran.says("Still to be told: 2.").says("from 2026-11-15 08:00");
    ran.says("王**(0001)  a-1/1  overdue").says("李**(0002)  a-2/1  overdue");
    assert_eq!(story(&shop, "2026-11-14T15:00:00Z")["to_tell"].as_array().unwrap().len(), 2);
    run(&mut shop, "2026-11-15T08:00").hides("Still to be told").says("2 sent");
}

#[test]
fn a_run_killed_between_note_and_ask_is_named_and_its_charges_are_accounted_for() {
    let mut shop = shop(&[ALIPAY, ALIPAY, ALIPAY]);
    crate::due::set(&shop, "window = 1");
    announced(&mut shop);
    // The first is paid and written, the second is on disk and no rail has heard of it.
    killed(&shop, "2026-11-05T09:00", 2);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay paid\na-2/1 1 debit alipay noted");
    let broken = ask(&shop, "SELECT 'r-' || id FROM run WHERE ended_at IS NULL");

    let dry = shop.at("2026-11-05T10:00").run("debit run --dry-run");
    dry.ok(&format!("Run {broken} of 2026-11-05 09:00 was broken off before its end."))
        .says("Without an outcome: 1, ¥199.00; the rails would be asked first.");
    let ran = run(&mut shop, "2026-11-05T10:00");
    ran.ok(&format!("Run {broken} of 2026-11-05 09:00 was broken off before its end."))
        .says("Fell due in that time: 3, ¥597.00.")
        .says("Without an outcome when it stopped: 1, ¥199.00; asked now: 1 paid ¥199.00.")
        .says("Still lawful to charge, and charged now: 1, ¥199.00: 1 paid ¥199.00.")
        .says("Nothing needs a decision.")
        .hides("No debit run for");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2), wallet(&shop, 3)), (19_900, 19_900, 19_900));
    // Told once: the run after it has nothing to explain.
    run(&mut shop, "2026-11-05T11:00").ok("nothing was due").hides("Since the last run");
    holds(&shop);
}

#[test]
fn a_killed_run_and_days_of_silence_are_told_together_in_chinese() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    killed(&shop, "2026-11-05T09:00", 1);
    shop.lang("zh");
    run(&mut shop, "2026-11-14T10:00")
        .exits(0)
        .says("自 2026-11-05 09:00 起，有 9 天没有运行扣款批次。")
        .says("2026-11-05 09:00 开始的批次 r-4 中途断了，没有跑完。")
        .says("中断时尚无结果的扣款：1 笔，¥199.00；现已查询：未送达渠道、已作废 1 笔。")
        .says("已过扣款时间、不再自动扣款：1 期，¥199.00：a-1/1。")
        .says("需要您决定：1 项")
        .hides("broken off");
    holds(shop.lang("en"));
}

#[test]
fn an_answer_lost_with_the_run_is_found_at_the_rail() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fault alipay lose-answer --times 1").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(3);
    killed_idle(&shop);
    run(&mut shop, "2026-11-05T10:00")
        .ok("was broken off before its end")
        .says("Without an outcome when it stopped: 1, ¥199.00; asked now: 1 paid ¥199.00.");
    holds(&shop);
}

/// The power goes while the run at half past nine has only just begun.
fn killed_idle(shop: &Shop) {
    killed_idle_at(shop, "2026-11-05T09:30");
}

fn killed_idle_at(shop: &Shop, at: &str) {
    let ctx = stage::open(shop, at);
    ctx.db
        .write(ctx.now(), |tx| {
            let run = kibble::db::run::start(tx, "till", ctx.now())?;
            Ok(((), kibble::domain::op::Op::RunStarted { run }))
        })
        .unwrap();
}

#[test]
fn a_night_of_broken_runs_is_counted_and_not_listed_for_pages() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    for _ in 0..5 {
        killed_idle(&shop);
    }
    run(&mut shop, "2026-11-05T10:00")
        .ok("Run r-6 of 2026-11-05 09:30 was broken off before its end.")
        .says("So were 2 more runs after it.")
        .hides("Run r-7");
}

#[test]
fn a_restored_shop_says_what_the_rails_told_of() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-04T12:00").run("backup").exits(0);
    run(&mut shop, "2026-11-05T09:00").ok("2 paid");
    shop.at("2026-11-06T09:00").run("restore backups/shop-2026-11-04T1200.db --yes").exits(0);
    run(&mut shop, "2026-11-06T09:00").fails(1, "no money moves");
    shop.run("adopt --yes").ok("paid, was missing here");
    run(&mut shop, "2026-11-06T10:00")
        .says("This database was restored or copied, and adopted on 2026-11-06 09:00 as copy 2; charges found that were missing here: 2.")
        .says("Without an outcome when it stopped: 2, ¥398.00; asked now: 2 paid ¥398.00.");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900));
    run(&mut shop, "2026-11-06T11:00").hides("Since the last run");
    holds(&shop);
}

#[test]
fn a_window_that_a_broken_run_gave_up_is_still_named() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    // The run that named it was killed before anybody read its report.
    run(&mut shop, "2026-11-08T09:00").says("kibble debit postpone a-1/1 --to DATE");
    crate::plant::sql(&shop, "UPDATE run SET ended_at = NULL, report = '{}' WHERE id = (SELECT MAX(id) FROM run)");
    run(&mut shop, "2026-11-08T10:00")
        .says("was broken off before its end")
        .says("Window passed, not charged any more: 1, ¥199.00: a-1/1.")
        .says("kibble debit postpone a-1/1 --to DATE");
}

#[test]
fn a_term_that_the_run_charged_is_not_counted_as_waiting_too() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    killed_idle_at(&shop, "2026-11-05T08:30");
    shop.run("sandbox fault alipay lose-answer --times 2").exits(0);
    run(&mut shop, "2026-11-05T09:00")
        .exits(3)
        .says("Fell due in that time: 1, ¥199.00.")
        .says("Still lawful to charge, and charged now: 1, ¥199.00: 1 still unknown.")
        .hides("Must wait");
    let story = story(&shop, "2026-11-05T01:00:00Z");
    assert_eq!((&story["lawful"]["count"], &story["waiting"]), (&1.into(), &serde_json::json!([])));
    holds(&shop);
}

#[test]
fn postponing_is_offered_only_where_a_day_is_left() {
    let mut shop = shop(&[ALIPAY, Row { signed: "2026-10-25", day: 25, ..ALIPAY }]);
    announced(&mut shop);
    // A month of silence: the second term of a-1 is due tomorrow, that of a-2 in three weeks.
    let at = "2026-12-04T10:00";
    let dry = shop.at(at).run("debit run --dry-run");
    dry.ok("Window passed, would not be charged any more: 2, ¥398.00: a-1/1, a-2/1.")
        .says("No day is left before the next term or the end of the mandate: 1; take the money with `kibble debit pay TERM --cash`");
    run(&mut shop, at)
        .ok("Proposal: move each with `kibble debit postpone TERM --to DATE`")
        .says("No day is left before the next term or the end of the mandate: 1; take the money with `kibble debit pay TERM --cash`")
        .says("kibble debit pay a-1/1 --cash")
        .says("kibble debit postpone a-2/1 --to DATE")
        .hides("kibble debit postpone a-1/1");
    shop.run("debit show a-1/1").ok("take the money with `kibble debit pay a-1/1 --cash`").hides("postpone");
    shop.run("debit show a-2/1").ok("postpone a-2/1 --to DATE");
    // What is offered works, and nothing else is left unsaid.
    shop.run("debit pay a-1/1 --cash --yes").exits(0);
    shop.run("debit postpone a-2/1 --to 2026-12-10").exits(0);
    holds(&shop);
}

#[test]
fn more_decisions_than_lines_are_named_with_the_list_that_holds_them() {
    let mut shop = shop(&[ALIPAY; 35]);
    run(&mut shop, "2026-11-02T08:00").exits(0);
    shop.at("2026-11-14T10:00");
    let ran = shop.run("debit run");
    ran.ok("Needs a decision: 35; below stand the first with the command to type, and where the others are.")
        .says("and 5 more: `kibble debit list overdue`")
        .hides("each stands below")
        .hides("debit list failed");
    assert_eq!(ran.out.matches("not collected in the rail's window").count(), 30);
    let listed = shop.run("debit list overdue").out;
    for agreement in 1..=35 {
        assert!(listed.contains(&format!("a-{agreement}/1 ")), "{listed}");
    }
}

#[test]
fn a_long_list_of_terms_is_a_sentence_in_chinese_too() {
    let mut shop = shop(&[ALIPAY; 12]);
    run(&mut shop, "2026-11-02T08:00").exits(0);
    let dry = shop.at("2026-11-14T10:00").run("debit run --dry-run");
    dry.ok("a-9/1, a-10/1 and 2 more.");
    shop.lang("zh").run("debit run --dry-run").ok("a-9/1、a-10/1 等，另有 2 期。").hides("、等");
}
