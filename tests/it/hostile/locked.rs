//! A database that another program holds, and a folder that may not be written.

use std::fs::File;
use std::process::Stdio;

use rusqlite::Connection;

use crate::due::{ALIPAY, Row, WECHAT, announced, counts, holds, id_number, run, shop, wallet};
use crate::shop::Shop;

/// The first term of the first customer is paid, that of the second falls due tomorrow.
fn ready() -> Shop {
    let mut shop = shop(&[ALIPAY, Row { signed: "2026-10-06", day: 6, ..WECHAT }]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.at("2026-11-05T10:00");
    shop
}

/// Commands that write, each with what it needs.
fn writers() -> Vec<String> {
    let sign = format!(
        "sign --name 王小明 --phone 19900000009 --id-number {} --pet-name 团子 --species cat --breed 英短 --sex female
         --source rescued --reference-cost 800 --plan cat-199-12 --rail alipay --debit-day 5 --acknowledged",
        id_number(9)
    );
    let mut lines: Vec<String> = [
        "debit run",
        "debit pay a-2/1 --cash --yes",
        "debit refund a-1/1 --amount 10 --reason test --yes",
        "debit postpone a-1/2 --to 2026-12-20 --reason test",
        "agreement pause a-1 --until 2027-01-01 --effect extend --reason test",
        "adopt --yes",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.push(sign);
    lines.push(format!("customer add --name 陈静怡 --phone 19900000008 --id-number {}", id_number(8)));
    lines
}

#[test]
fn a_database_that_another_program_holds_changes_nothing_and_is_named_in_both_languages() {
    let mut shop = ready();
    let before = counts(&shop);
    for hold in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let other = Connection::open(shop.path("shop.db")).unwrap();
        other.execute_batch(hold).unwrap();
        for line in writers() {
            for (lang, locked, next) in [
                ("en", "the shop database is locked by another program", "close the program that holds shop.db open"),
                ("zh", "店铺数据库被别的程序占用", "关掉占用 shop.db 的程序"),
            ] {
                let ran = shop.lang(lang).run_with(&line, &[("KIBBLE_BUSY_MS", "10")]);
                ran.fails(1, locked).says(next).hides("panicked");
            }
        }
        other.execute_batch("ROLLBACK").unwrap();
    }
    shop.lang("en");
    assert_eq!(counts(&shop), before);
    run(&mut shop, "2026-11-06T09:00").says("1 paid");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900));
    holds(&shop);
}

#[test]
fn a_lock_that_is_released_in_time_only_makes_the_run_wait() {
    let mut shop = ready();
    let other = Connection::open(shop.path("shop.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    shop.at("2026-11-06T09:00");
    let mut child = shop
        .command("debit run")
        .env("KIBBLE_BUSY_MS", "600000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The run's own lock is the last thing that it takes before it wants to write.
    let lock = File::options().write(true).open(shop.path("debit.lock")).unwrap();
    while lock.try_lock().is_ok() {
        lock.unlock().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "it did not wait");
        std::thread::yield_now();
    }
    other.execute_batch("ROLLBACK").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(wallet(&shop, 2), 19_900);
    holds(&shop);
}

/// Root may write everywhere, so the folder itself, or one file, is mounted to be read only: for this command alone.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_or_a_file_that_may_not_be_written_changes_nothing_and_is_named_in_both_languages() {
    const SCRIPT: &str =
        r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 97; cd "$2"; shift 2; exec "$@""#;
    let may = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", "/tmp", "/", "true"])
        .stderr(Stdio::null())
        .status();
    if !may.is_ok_and(|it| it.success()) {
        super::skipped("this machine lets nobody mount a folder to be read only");
        return;
    }
    let mut shop = ready();
    shop.run("backup").exits(0);
    let before = counts(&shop);
    let file = std::fs::read_dir(shop.path("backups")).unwrap().next().unwrap().unwrap().path();
    let mut lines = writers();
    lines.extend(["backup".to_owned(), "report export --month 2026-11".to_owned()]);
    lines.push(format!("restore {} --yes", file.display()));
    let folder = shop.dir();
    for (place, lines) in [(folder.clone(), &lines[..]), (folder.join("shop.db"), &lines[..2])] {
        for line in lines {
            for (lang, words) in [
                ("en", ["the shop folder cannot be written", "the disk is read-only"]),
                ("zh", ["店铺文件夹不能写入", "磁盘是只读的"]),
            ] {
                let inner = shop.lang(lang).command(line);
                let mut command = std::process::Command::new("unshare");
                command
                    .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
                    .arg(&place)
                    .arg(&folder);
                command
                    .arg(inner.get_program())
                    .args(inner.get_args())
                    .env_clear()
                    .env("PATH", "/usr/bin:/bin:/usr/sbin");
                command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
                let output = command.output().unwrap();
                let err = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(1), "{line}: {err}");
                assert!(words.iter().any(|word| err.contains(word)) && !err.contains("panicked"), "{line}: {err}");
            }
        }
    }
    shop.lang("en");
    assert_eq!(counts(&shop), before);
    run(&mut shop, "2026-11-06T09:00").says("1 paid");
    holds(&shop);
}
