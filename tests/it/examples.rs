//! The walk-throughs of `examples/` run, in both languages, and say what they promise.

#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::signing::running;

/// Runs a script as a person would, in a folder and a home of its own, and gives what it printed.
fn run(script: &str, lang: &str, env: &[(&str, &str)]) -> String {
    let root = TempDir::new().unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg(example(script)).arg(root.path().join("work")).current_dir(root.path());
    command.env_clear().env("HOME", root.path()).env("LANG", lang).env("KIBBLE", env!("CARGO_BIN_EXE_kibble"));
    command.env("PATH", path()).envs(env.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{script}: {}\n{out}\n{err}", output.status);
    out
}

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[expect(clippy::disallowed_methods, reason = "the scripts look for programs where this test run does")]
fn path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned())
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[track_caller]
fn holds(out: &str, parts: &[&str]) {
    for part in parts {
        assert!(out.contains(part), "nowhere: {part:?}\n{out}");
    }
}

#[test]
fn an_empty_folder_becomes_a_shop_with_its_first_debit() {
    let english = ["120 items added", "Signed: KB-2026-000001", "1 agreed", "1 paid ¥199.00", "a-1/1  charge ¥199.00"];
    let out = run("first-shop.sh", "en_US.UTF-8", &[]);
    holds(&out, &english);
    holds(&out, &["# The debit day.", "left in the wallet: ¥127.00"]);
    let out = run("first-shop.sh", "zh_CN.UTF-8", &[]);
    holds(&out, &["# 扣款日。", "已签约：KB-2026-000001", "成功 1 笔 ¥199.00", "钱包余额：¥127.00"]);
}

#[test]
fn a_customer_book_is_taken_over_and_debited() {
    let out = run("from-a-customer-book.sh", "en_US.UTF-8", &[("DAYS", "01 03 04"), ("HOURS", "09 17")]);
    holds(
        &out,
        &[
            "Rows refused: 12",
            "nothing new: nothing was changed",
            "299 agreements run now",
            "2 declined (2 no funds)",
            "1 unknown",
            "retries    2 planned",
            "Needs you",
            "Overview 2026-11",
        ],
    );
}

#[test]
fn the_accountants_files_add_up_in_other_programs() {
    let out = run("accountant.sh", "en_US.UTF-8", &[]);
    holds(&out, &["2026-12.xlsx", "collected            ¥199.00", "all wallets after    ¥111.00"]);
    let zh = run("accountant.sh", "zh_CN.UTF-8", &[]);
    if is_installed("python3") {
        holds(&out, &["python3: rows 1 sum 199.00"]);
        holds(&zh, &["python3: rows 1 sum 199.00"]);
    } else {
        holds(&out, &["python3 is not installed: skipped."]);
    }
    if is_installed("hledger") {
        holds(&out, &["hledger: check passed", "-111.00 CNY  liabilities:wallet:c-1"]);
    } else {
        holds(&out, &["hledger is not installed: skipped."]);
    }
}

#[test]
fn a_program_takes_the_messages_and_takes_none_twice() {
    let mut shop = running();
    let program = example("exec-channel/send.sh");
    let kept = shop.path("sent.jsonl");
    let command = format!("command = [\"{program}\", \"{}\"]", kept.display());
    let settings = shop.read("shop.toml").replace("channels = [\"print\"]", "channels = [\"program\"]");
    shop.write("shop.toml", format!("{settings}\n[channel.program]\nadapter = \"exec\"\n{command}\n"));
    shop.at("2026-12-07T10:00");
    shop.run("debit run").ok("1 sent");
    let lines = fs::read_to_string(&kept).unwrap();
    holds(&lines, &["\"template\":\"pre_debit_48h\"", "\"phone\":\"19900000001\""]);
    shop.run("remind list").ok("debit announced").says("kept");
    assert!(answers(&program, &kept, &lines).contains("\"result\":\"sent\",\"said\":\"kept before\""));
    assert_eq!(fs::read_to_string(&kept).unwrap(), lines, "the same line was kept twice");
    // A file that cannot be made: nothing was sent, and it says so.
    let nowhere = shop.path("no/such/folder/sent.jsonl");
    assert_eq!(answers(&program, &nowhere, &lines), "75");
}

/// What the program answers to some lines, or the exit code of its refusal.
fn answers(program: &str, kept: &Path, lines: &str) -> String {
    let mut child = Command::new(program)
        .arg(kept)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A program that refuses does not read what it is told.
    drop(child.stdin.take().unwrap().write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    match output.status.code() {
        Some(0) => String::from_utf8(output.stdout).unwrap(),
        code => code.unwrap().to_string(),
    }
}
