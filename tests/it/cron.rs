//! The debit run where nobody sits beside it: started by cron with nothing round it, and in bad surroundings. Each trouble gives a
//! clear sentence, exit code 1 or 2, and changes nothing.

use std::fs;
use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::due::{ALIPAY, announced, ask, charges, counts, holds, run, shop};
use crate::plant::sql;
use crate::shop::Shop;

/// One agreement, announced, its term due at nine on 2026-11-05.
fn ready() -> Shop {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-05T09:00");
    shop
}

/// As cron starts it: no variable at all, another folder.
fn cron(shop: &Shop, at: &str, more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kibble"));
    command.env_clear().current_dir("/").stdin(Stdio::null());
    command.arg("--shop").arg(shop.dir()).args(["debit", "run", "--now", at]).args(more);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn cron_needs_no_home_no_folder_and_no_terminal() {
    let shop = ready();
    let (code, out, err) = cron(&shop, "2026-11-05T08:00", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("nothing was due"), "{out}");
    let (code, out, err) = cron(&shop, "2026-11-05T09:00", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("1 paid ¥199.00"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours in cron's mail: {out}");
    let (code, out, _) = cron(&shop, "2026-11-05T10:00", &["--json"]);
    assert_eq!((code, serde_json::from_str::<serde_json::Value>(&out).unwrap()["charged"].as_u64()), (0, Some(0)));
    assert_eq!(ask(&shop, "SELECT DISTINCT actor FROM audit WHERE op = 'run_started'"), "cron");
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay paid");
    holds(&shop);
}

/// Runs `debit run` in both languages, looks for the sentences, and sees that nothing changed.
#[track_caller]
fn refused(shop: &mut Shop, code: i32, english: &str, chinese: &str) {
    for (lang, part) in [("en", english), ("zh", chinese)] {
        let ran = shop.lang(lang).run_with("debit run", &[("KIBBLE_BUSY_MS", "20")]);
        ran.fails(code, part);
        assert!(ran.err.lines().count() <= 2, "a person reads this: {}", ran.full());
        assert!(!ran.err.contains("panicked"), "{}", ran.full());
    }
    shop.lang("en");
}

#[test]
fn a_broken_shop_toml_names_its_line_and_key() {
    let mut shop = ready();
    let (good, before) = (shop.read("shop.toml"), counts(&shop));
    let line = 1 + good.lines().position(|line| line.starts_with("hour = ")).unwrap();
    for (broken, why, warum) in [
        ("hour = \"9 o'clock\"", "this is not a time of day like \"09:00\"", "hour"),
        ("huor = \"09:00\"", "there is no setting called huor", "huor"),
        ("hour = ", "this is not written as TOML wants it", "hour"),
    ] {
        shop.write("shop.toml", good.replacen("hour = \"09:00\"", broken, 1));
        refused(&mut shop, 1, why, warum);
        shop.run("debit run").says(&format!("shop.toml, line {line}:"));
    }
    shop.write("shop.toml", good);
    assert_eq!(counts(&shop), before);
    shop.run("debit run").ok("1 paid");
}

#[test]
fn a_missing_key_file_charges_nobody() {
    let mut shop = ready();
    let before = counts(&shop);
    let toml = shop.read("shop.toml");
    let key =
        toml.lines().find_map(|line| line.strip_prefix("key_file = \"")).unwrap().trim_end_matches('"').to_owned();
    fs::rename(&key, format!("{key}.away")).unwrap();
    refused(&mut shop, 1, "is missing", "数据密钥");
    // Another shop's key opens nothing either.
    fs::copy(format!("{key}.away"), &key).unwrap();
    fs::write(&key, "00".repeat(32)).unwrap();
    refused(&mut shop, 1, "key", "密钥");
    fs::rename(format!("{key}.away"), &key).unwrap();
    assert_eq!(counts(&shop), before);
    shop.run("debit run").ok("1 paid");
}

#[test]
fn a_database_of_a_newer_kibble_is_left_alone() {
    let mut shop = ready();
    let before = counts(&shop);
    sql(&shop, "PRAGMA user_version = 99");
    refused(&mut shop, 1, "this shop database is of a newer kibble (format 99;", "99");
    assert_eq!(counts(&shop), before);
}

#[test]
fn a_locked_database_is_named_and_nothing_is_asked_of_the_rail() {
    let mut shop = ready();
    let before = counts(&shop);
    let other = Connection::open(shop.path("shop.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    refused(
        &mut shop,
        1,
        "the shop database is locked by another program; the step under way was undone, all before it stands",
        "店铺数据库被别的程序占用",
    );
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert_eq!(counts(&shop), before);
    shop.run("debit run").ok("1 paid");
}

#[test]
fn a_shop_that_is_no_shop_is_named() {
    let mut shop = ready();
    // What root could still write, root cannot write into a folder where a file should be.
    let aside = |shop: &Shop, name: &str| fs::rename(shop.path(name), shop.path(&format!("{name}.away"))).unwrap();
    let back = |shop: &Shop, name: &str| fs::rename(shop.path(&format!("{name}.away")), shop.path(name)).unwrap();
    let before = counts(&shop);
    aside(&shop, "shop.db");
    refused(&mut shop, 1, "there is no shop database at", "shop.db");
    fs::create_dir(shop.path("shop.db")).unwrap();
    refused(
        &mut shop,
        1,
        "the shop folder cannot be written; the step under way was undone, all before it stands",
        "店铺文件夹不能写入；正在做的这一步已撤销，之前的都有效",
    );
    fs::remove_dir(shop.path("shop.db")).unwrap();
    fs::write(shop.path("shop.db"), "姓名,手机号\n".repeat(99)).unwrap();
    refused(&mut shop, 1, "shop.db is damaged or is not a kibble database", "shop.db");
    fs::remove_file(shop.path("shop.db")).unwrap();
    back(&shop, "shop.db");
    let lock = shop.path("debit.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    refused(&mut shop, 1, "debit.lock", "debit.lock");
    fs::remove_dir(&lock).unwrap();
    assert_eq!(counts(&shop), before);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    // A channel that cannot be written is told, and nothing is lost.
    fs::remove_file(shop.path("messages.txt")).unwrap();
    fs::create_dir(shop.path("messages.txt")).unwrap();
    shop.at("2026-11-05T09:30").run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-12-02T08:00").fails(3, "messages cannot be handed over");
    fs::remove_dir(shop.path("messages.txt")).unwrap();
    run(&mut shop, "2026-12-02T09:00").ok("1 sent");
    holds(&shop);
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_before_the_rail_is_asked() {
    let shop = ready();
    let before = counts(&shop);
    // No file may grow: every write that needs space fails, as on a full disk. The signal is ignored, so the write says so.
    let run = |limit: u32| {
        let line = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let inner = shop.command("debit run");
        let mut command = Command::new("/bin/sh");
        command.env_clear().current_dir(shop.dir()).arg("-c").arg(line).arg(inner.get_program()).args(inner.get_args());
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = run(0);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("all before it stands") && err.contains("disk"), "{err}");
    assert_eq!(counts(&shop), before);
    shop.run("debit run").ok("1 paid");
    holds(&shop);
}

#[test]
fn what_is_typed_wrong_is_named_and_changes_nothing() {
    let mut shop = ready();
    let before = counts(&shop);
    shop.write("not.csv", [0xff, 0xfe, 0x00, 0x81, 0x92]);
    shop.write("other.csv", "a,b\n1,2\n");
    let lines: [(&str, i32, &str); 12] = [
        ("agreement import not.csv", 1, "not.csv"),
        ("agreement import other.csv", 1, "other.csv"),
        ("catalog import other.csv", 1, "other.csv"),
        ("agreement import nowhere.csv", 1, "nowhere.csv"),
        ("wallet show 无此人", 1, "无此人"),
        ("wallet show c-99", 1, "c-99"),
        ("debit show a-9/1", 1, "there is no installment a-9/1"),
        ("debit show a-1", 2, "a-1"),
        ("debit pay a-1/99 --cash", 1, "there is no installment a-1/99"),
        ("debit postpone a-1/1 --to yesterday", 2, "yesterday"),
        ("debit refund a-1/1 --reason x --yes", 1, "a-1/1 was not collected through kibble"),
        ("debit run --now noon", 2, "noon"),
    ];
    for (line, code, part) in lines {
        for lang in ["en", "zh"] {
            let ran = shop.lang(lang).run(line);
            ran.exits(code).says(if lang == "en" { part } else { part.split(' ').next_back().unwrap() });
            assert_eq!(ran.out, "", "{}", ran.full());
        }
    }
    assert_eq!(counts(&shop), before);
}
