//! `kibble simulate --months`: what the next months will bring follows from the shop's own past, is the same every time, and nothing of the
//! shop is touched by asking.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{Datelike, NaiveDate};
use kibble::domain::money::Money;
use kibble::ops::{Ctx, read_now};
use serde_json::Value;

use crate::due::{ALIPAY, Row, WECHAT, ask, ask_rail, shop, shop_with};
use crate::november::run_here;
use crate::shop::Shop;

/// Few futures are enough where the range is not the question.
const FEW: &str = "--futures 5";
/// Each term in fen.
const MONTHLY: i64 = 19_900;

/// Every file below a folder with its bytes.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(bytes(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// Shop folder and home folder, where the key and its witness lie.
fn everything(shop: &Shop) -> BTreeMap<PathBuf, Vec<u8>> {
    bytes(shop.dir().parent().unwrap())
}

/// Two months of the shop's past: runs at nine and at five.
fn live_until(shop: &Shop, last: &str) {
    let ctx = Ctx::open(&shop.dir(), Some("2026-11-01T09:00")).unwrap();
    let (mut day, last): (NaiveDate, NaiveDate) = ("2026-11-01".parse().unwrap(), last.parse().unwrap());
    while day <= last {
        // Nothing happens between the tenth and the announcements of the next month.
        if day.day() <= 10 || day.day() >= 28 {
            for hour in [9, 17] {
                ctx.clock.set(read_now(&format!("{day}T{hour:02}:00"), ctx.zone()).unwrap());
                run_here(&ctx);
            }
        }
        day = day.succ_opt().unwrap();
    }
}

/// `size` agreements on two rails, due on the fourth to the eighth.
fn rows(size: usize) -> Vec<Row<'static>> {
    let base = [ALIPAY, WECHAT];
    (0..size).map(|place| Row { day: 4 + u32::try_from(place % 5).unwrap(), ..base[place % 2] }).collect()
}

fn fen(value: &Value) -> i64 {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse::<Money>().unwrap().fen()
}

fn months(answer: &Value) -> Vec<&Value> {
    answer["months"].as_array().unwrap().iter().collect()
}

/// What is likely to be collected of 10 000 fen due.
fn collected_bps(answer: &Value) -> i64 {
    let sum = |pick: &dyn Fn(&Value) -> i64| months(answer).into_iter().map(pick).sum::<i64>();
    let due = sum(&|it| fen(&it["due_amount"]));
    sum(&|it| fen(&it["collected_amount"]["likely"])) * 10_000 / due
}

#[track_caller]
fn ordered(answer: &Value) {
    for it in months(answer) {
        let range = &it["collected_amount"];
        let [low, likely, high] = ["low", "likely", "high"].map(|key| fen(&range[key]));
        assert!(0 <= low && low <= likely && likely <= high && high <= fen(&it["due_amount"]), "{it}");
        let [low, likely, high] = ["low", "likely", "high"].map(|key| it["collected"][key].as_u64().unwrap());
        assert!(low <= likely && likely <= high && high <= it["due"].as_u64().unwrap(), "{it}");
    }
}

#[test]
fn looking_ahead_touches_nothing_even_while_the_shop_is_in_use() {
    let mut shop = shop(&rows(4));
    live_until(&shop, "2026-11-06");
    shop.at("2026-11-21T10:00");
    let before = everything(&shop);
    shop.run(&format!("simulate --months 1 {FEW}")).exits(0);
    assert!(before == everything(&shop), "a file of the shop or beside its key was changed");

    // Another program has the file open, and its last change stands in the log alone.
    let other = rusqlite::Connection::open(shop.path("shop.db")).unwrap();
    other.execute("UPDATE agreement SET state = 'paused', paused_until = '2027-06-01' WHERE id = 1", []).unwrap();
    let before = everything(&shop);
    assert!(before.keys().any(|path| path.ends_with("shop.db-wal")), "{:?}", before.keys());
    let answer = shop.run(&format!("simulate --months 1 {FEW} --json")).exits(0).json();
    assert!(before == everything(&shop), "a file of the shop or beside its key was changed");
    let collected = answer["months"][1]["collected"]["high"].as_u64().unwrap();
    assert!(collected <= 3, "the pause in the log was seen: {answer}");
    drop(other);

    // The debit run is at work, and holds its lock.
    let lock = fs::File::options().create(true).write(true).truncate(false).open(shop.path("debit.lock")).unwrap();
    lock.lock().unwrap();
    shop.run(&format!("simulate --months 1 {FEW}")).exits(0);
}

#[cfg(unix)]
#[test]
fn a_shop_that_nobody_may_write_can_be_looked_at() {
    use std::os::unix::fs::PermissionsExt;
    let mut shop = shop(&[ALIPAY]);
    shop.at("2026-11-01T10:00");
    let expected = shop.run(&format!("simulate {FEW} --json")).exits(0).json();
    let mode = |mode: u32| {
        for name in ["shop.db", "shop.toml", "sandbox.db"] {
            fs::set_permissions(shop.path(name), fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
        fs::set_permissions(shop.dir(), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o555);
    let ran = shop.run(&format!("simulate {FEW} --json"));
    mode(0o755);
    assert_eq!(ran.exits(0).json(), expected);
}

#[test]
fn the_same_seed_draws_the_same_future_and_another_seed_another() {
    let mut shop = shop(&rows(12));
    live_until(&shop, "2026-11-10");
    shop.at("2026-11-21T10:00");
    let look = |seed: u32| shop.run(&format!("simulate --months 2 --seed {seed} {FEW} --json")).exits(0).out.clone();
    let first = look(7);
    assert_eq!(first, look(7));
    assert_ne!(first, look(8));
}

#[test]
fn what_is_due_is_what_the_agreements_say() {
    let mut shop = shop(&rows(6));
    live_until(&shop, "2026-11-10");
    shop.at("2026-11-21T10:00");
    let answer = shop.run(&format!("simulate --months 12 {FEW} --json")).exits(0).json();
    ordered(&answer);
    let found: Vec<(String, u64, i64)> = months(&answer)
        .into_iter()
        .map(|it| (it["month"].as_str().unwrap().to_owned(), it["due"].as_u64().unwrap(), fen(&it["due_amount"])))
        .collect();
    // Twelve terms from November 2026 to October 2027, one a month; November's were due before the 21st.
    let terms = |month: &str| if ("2026-12".."2027-11").contains(&month) { 6 } else { 0 };
    assert_eq!(found.len(), 13);
    for (month, due, amount) in found {
        assert_eq!((due, amount), (terms(&month), i64::try_from(terms(&month)).unwrap() * MONTHLY), "{month}");
    }
    // Everybody's agreement ends: in most futures all of them complete, and there is nothing to say of the time after.
    let completing: u64 = months(&answer).iter().map(|it| it["completing"]["likely"].as_u64().unwrap()).sum();
    assert!((4..=6).contains(&completing), "{completing}");
    let announced: u64 =
        months(&answer).iter().filter_map(|it| it["messages"]["pre_debit_48h"]["likely"].as_u64()).sum();
    assert!((55..=66).contains(&announced), "{announced}");
}

#[test]
fn a_good_past_brings_nearly_everything_and_a_bad_one_less() {
    let mut shops = ["", "seed = 3\nno_funds_bps = 5500"].map(|temper| {
        let shop = shop_with("--rail alipay=sandbox --rail wechat=sandbox", temper, &rows(30));
        live_until(&shop, "2027-01-10");
        shop
    });
    let [good, bad] = shops.each_mut().map(|shop| {
        shop.at("2027-01-21T10:00");
        let answer = shop.run("simulate --months 2 --futures 9 --json").exits(0).json();
        ordered(&answer);
        answer
    });
    assert!(collected_bps(&good) >= 9_400, "{}", collected_bps(&good));
    // Over half of the first tries failed, and of the retries too: a quarter and more of the terms were lost.
    let unpaid = ask(&shops[1], "SELECT count(*) FROM installment WHERE due < '2027-01-12' AND state = 'open'");
    assert!(unpaid.parse::<u32>().unwrap() >= 9, "{unpaid}");
    assert!(collected_bps(&bad) < 9_200, "{}", collected_bps(&bad));
    assert!(collected_bps(&bad) > 3_000, "{}", collected_bps(&bad));
    // The past is told as it was: every first debit with its result, and nothing of the futures.
    let first =
        ask_rail(&shops[1], "SELECT count(*) FROM orders WHERE order_no LIKE '%0001' AND contract_no IS NOT NULL");
    assert_eq!(bad["history"]["charges"].to_string(), first);
    let declined = bad["history"]["habits"][0]["seen"].clone();
    assert!(declined["yes"].as_u64().unwrap() * 3 > declined["of"].as_u64().unwrap(), "{declined}");
    let risk = |answer: &Value| answer["months"][2]["high_risk"]["likely"].as_u64().unwrap();
    assert!(risk(&bad) > risk(&good), "{} {}", risk(&bad), risk(&good));
}

#[test]
fn little_history_makes_the_range_wide_and_is_said() {
    let mut shop = shop(&rows(30));
    shop.at("2026-11-01T10:00");
    shop.run("simulate --months 1").ok("Your shop has made no debit yet");
    let young = shop.run("simulate --months 1 --futures 15 --json").exits(0).json();
    live_until(&shop, "2027-01-10");
    shop.at("2027-01-21T10:00");
    shop.run("simulate --months 1").ok("Your shop has debited 90 terms so far: the ranges are wide because of that.");
    let older = shop.run("simulate --months 1 --futures 15 --json").exits(0).json();
    let width = |answer: &Value, place: usize| {
        let range = &answer["months"][place]["collected_amount"];
        fen(&range["high"]) - fen(&range["low"])
    };
    assert!(width(&young, 0) > width(&older, 1), "{} {}", width(&young, 0), width(&older, 1));
}

#[test]
fn charges_in_the_air_and_late_terms_are_part_of_the_future() {
    let mut shop = shop(&rows(4));
    live_until(&shop, "2026-11-04");
    shop.at("2026-11-05T08:00").run("sandbox fault alipay --kind lose-answer --times 5").exits(0);
    shop.run("sandbox fault wechat --kind lose-answer --times 5").exits(0);
    shop.at("2026-11-05T09:00").run("debit run").exits(3);
    assert_eq!(ask(&shop, "SELECT count(*) FROM charge WHERE state = 'unknown'"), "1");
    let answer = shop.run(&format!("simulate --months 1 {FEW} --json")).exits(0).json();
    ordered(&answer);
    // Nothing stays in the air: what was asked for is decided, by the habits of the past.
    let november = &answer["months"][0];
    assert_eq!(november["due"], 3);
    assert!(november["collected"]["likely"].as_u64().unwrap() >= 2, "{november}");
}

#[test]
fn a_shop_without_agreements_is_told_so() {
    let mut shop = Shop::opened();
    shop.at("2026-11-21T10:00");
    shop.run("simulate").ok("no agreement runs in this shop, so nothing falls due").says("kibble sign");
    let answer = shop.run("simulate --json").exits(0).json();
    assert_eq!((&answer["futures"], &answer["running"]), (&0.into(), &0.into()));
    assert_eq!(months(&answer).len(), 4);
    shop.run("simulate --months 0").fails(2, "--months");
    shop.run("simulate --months 13").fails(2, "--months");
    Shop::new().run("simulate").fails(1, "there is no shop");
}

#[test]
fn an_agreement_that_waits_is_named_and_not_counted() {
    let mut shop = crate::due::signed_waiting("alipay", None);
    shop.at("2026-10-05T13:00");
    shop.run("simulate")
        .ok("1 agreement waits for its customer to agree; nothing of it is counted")
        .says("no agreement runs");
}

#[test]
fn a_restored_shop_can_be_looked_at_and_still_moves_no_money() {
    let mut shop = shop(&rows(4));
    shop.run("backup").exits(0);
    live_until(&shop, "2026-11-06");
    shop.at("2026-11-07T09:00");
    shop.run("restore backups/shop-2026-11-01T0800.db --yes").exits(0);
    let before = everything(&shop);
    shop.run(&format!("simulate {FEW}")).ok("restored and not adopted").says("What falls due");
    assert!(before == everything(&shop), "a file of the shop or beside its key was changed");
    shop.run("debit run").fails(1, "restored");
}

#[test]
fn the_owner_reads_it_in_chinese() {
    let mut shop = shop(&rows(2));
    live_until(&shop, "2026-11-06");
    shop.at("2026-11-21T10:00").lang("zh");
    let ran = shop.run(&format!("simulate --months 1 {FEW}"));
    ran.ok("未来推演：2026-11-21 至 2026-12-31").says("进行中的协议 2 份。本店到现在只扣过 2 期");
    ran.says("2026-11（21日起）").says("¥398.00").says("扣款提醒").says("在副本上推演").hides("Month");
}
