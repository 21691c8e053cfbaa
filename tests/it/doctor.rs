//! `kibble doctor`: what is not well is named with what to type, and a shop that is well is told so.

use std::fs;

use serde_json::Value;

use crate::plant::sql;
use crate::shop::Shop;
use crate::signing::{running, shop};

/// What the doctor says about a thing, as `level what`.
fn said(shop: &Shop, about: &str) -> Vec<String> {
    let json = shop.run("doctor --offline --json").json();
    let of = |it: &&Value| it["about"] == about;
    let text = |it: &Value| format!("{} {}", it["level"].as_str().unwrap(), it["what"].as_str().unwrap());
    json["findings"].as_array().unwrap().iter().filter(of).map(text).collect()
}

#[track_caller]
fn finds(shop: &Shop, about: &str, part: &str) {
    let found = said(shop, about);
    assert!(found.iter().any(|it| it.contains(part)), "{about}: {part}\n{found:#?}");
}

#[test]
fn a_shop_in_order_is_told_so() {
    let mut shop = running();
    shop.at("2026-11-10T10:30");
    shop.run("debit run").exits(0);
    shop.run("backup").exits(0);
    let ran = shop.run("doctor");
    ran.ok("everything is well").says("✓ database: shop.db is sound").says("a sandbox: no real money moves");
    ran.says("✓ payment rail alipay: it answers").says("no outcome is unknown");
    shop.run("doctor --offline").ok("were not asked (--offline)").hides("it answers");
}

#[test]
fn a_new_shop_is_told_what_is_missing() {
    let mut shop = Shop::opened();
    shop.at("2026-11-10T10:00");
    let ran = shop.run("doctor");
    ran.ok("to look at: 3").says("uscc, address, phone").says("there was no debit run yet").says("0 * * * * ");
    ran.says("there is no backup yet").says("kibble backup");
}

#[test]
fn a_cron_that_died_and_an_old_backup_are_noticed() {
    let mut shop = running();
    shop.run("backup").exits(0);
    shop.run("debit run").exits(0);
    for (now, level) in [("2026-11-10T11:59", "ok"), ("2026-11-10T12:01", "warn"), ("2026-11-12T10:00", "bad")] {
        shop.at(now);
        finds(&shop, "cron", &format!("{level} the last debit run was r-1"));
    }
    shop.run("doctor --offline").exits(3).says("not well: 1");
    shop.at("2026-11-13T10:00");
    finds(&shop, "backup", "warn the last backup is 3 days old");
    sql(&shop, "UPDATE run SET ended_at = NULL");
    finds(&shop, "cron", "warn r-1 was stopped before its end");
}

#[test]
fn a_rail_that_is_down_is_bad_and_a_clock_that_went_back_too() {
    let mut shop = running();
    shop.run("sandbox fault alipay down --times 9").exits(0);
    shop.run("doctor")
        .exits(3)
        .says("✗ payment rail alipay: it cannot be reached")
        .says("✓ payment rail wechat: it answers");
    shop.run("sandbox fault alipay --clear").exits(0);
    shop.run("debit run").exits(0);
    shop.at("2026-11-09T10:00");
    finds(&shop, "clock", "bad the last run was at 2026-11-10 10:00, which lies ahead");
}

#[test]
fn outcomes_that_nobody_knows_age_from_a_warning_into_trouble() {
    let mut shop = running();
    let charge = "INSERT INTO charge (agreement_id, term, attempt, kind, rail, order_no, amount, state, code, said, noted_at, asked_at, refunded)
                  VALUES (1, 1, 1, 'link', 'alipay', 'KB7K2QX9AB0100000001010001', 19900, 'unknown', '', '',
                          '2026-11-10T02:00:00Z', '2026-11-10T02:00:00Z', 0)";
    sql(&shop, charge);
    finds(&shop, "money", "warn charges with an unknown outcome: 1, the oldest since 2026-11-10 10:00");
    shop.at("2026-11-11T10:01");
    finds(&shop, "money", "bad charges with an unknown outcome: 1");
    shop.run("doctor --offline").says("kibble debit list unknown");
}

#[test]
fn messages_that_wait_hang_or_failed_are_counted() {
    let shop = running();
    let message = |id: u32, state: &str, at: &str| {
        format!(
            "INSERT INTO message (event, template, audience, lang, params, created_at, not_before, state, said, tries, refused)
             VALUES ('e{id}', 'debit_failed', 'merchant', 'zh', '{{}}', '{at}', '{at}', '{state}', '', 0, '[]');"
        )
    };
    let (old, recent) = ("2026-11-01T02:00:00Z", "2026-11-09T02:00:00Z");
    let rows = [(1, "queued", recent), (2, "sending", recent), (3, "failed", recent), (4, "failed", old)];
    sql(&shop, &rows.map(|(id, state, at)| message(id, state, at)).concat());
    finds(&shop, "messages", "warn messages that wait: 1, the oldest since 2026-11-09 10:00");
    finds(&shop, "messages", "warn messages of which nobody knows whether they arrived: 1");
    finds(&shop, "messages", "warn messages that failed within a week: 1");
}

#[test]
fn a_lost_key_and_a_damaged_database_are_findings_and_not_the_end() {
    let shop = shop();
    let settings = shop.read("shop.toml");
    let key =
        settings.lines().find_map(|line| line.strip_prefix("key_file = \"")).unwrap().trim_end_matches('"').to_owned();
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    shop.run("doctor --offline").exits(3).says("✗ data key: the data key").says("✓ folder:").says("once the data key");
    fs::write(&key, "not a key").unwrap();
    shop.run("doctor --offline").exits(3).says("✗ data key");
    fs::write(&key, kept).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        shop.run("doctor --offline").exits(3).says("other people on this machine can read").says("chmod 600");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(shop.path("shop.db"), "this is no database ".repeat(500)).unwrap();
    shop.run("doctor --offline").exits(3).says("✗ database: shop.db is damaged").says("✓ data key");
}

#[test]
fn a_copy_is_told_before_it_moves_money() {
    let mut shop = running();
    shop.run("debit run").exits(0);
    let copy = shop.path("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["shop.toml", "shop.db", "sandbox.db"] {
        fs::copy(shop.path(name), copy.join(name)).unwrap();
    }
    shop.at("2026-11-10T10:10");
    shop.run("--shop copy doctor --offline").exits(3).says("✗ database").says("kibble adopt");
}

#[test]
fn the_doctor_changes_nothing() {
    let shop = running();
    let rows = crate::signing::rows(&shop, "SELECT 1 FROM audit");
    let files = || fs::read_dir(shop.dir()).unwrap().count();
    let before = files();
    shop.run("doctor").exits(0);
    assert_eq!((crate::signing::rows(&shop, "SELECT 1 FROM audit"), files()), (rows, before));
}

#[test]
fn the_doctor_speaks_chinese() {
    let mut shop = Shop::opened();
    shop.lang("zh").at("2026-11-10T10:00");
    let ran = shop.run("doctor");
    ran.ok("✓ 数据库：shop.db 完好").says("还没有备份").hides("is sound").hides("well");
}
