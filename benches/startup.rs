//! What a command costs before it has done anything: the real program with one indexed read, beside the `sqlite3` shell that selects
//! a 1 from the same file, and beside a bare program that opens the file and reads the same row. The goal is at most 3 times the shell.
//!
//! The runs are taken in turn and the median counts, because one start is a few milliseconds and the machine is noisy.
//! `cargo bench --bench startup -- 50` changes the number of runs.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark is a program that prints, and stops when it cannot run"
)]
#![allow(missing_docs, reason = "nobody links to a benchmark")]

mod seed;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kibble::ops::read_now;
use rusqlite::Connection;

use crate::seed::Seed;

/// Runs of each, in turn.
const ROUNDS: usize = 200;

/// The row that everyone reads.
const ONE_ROW: &str = "SELECT due FROM installment WHERE agreement_id = 1 AND term = 1";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bare", file] => bare(Path::new(file)),
        rest => table(rest.iter().find_map(|word| word.parse().ok()).unwrap_or(ROUNDS)),
    }
}

fn table(rounds: usize) {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = root.path().join("shop");
    seed_shop(&folder, &root.path().join("shop.key"));
    let file = folder.join("shop.db");
    let shell = Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_ok();

    let mut cases: Vec<(&str, Command)> = Vec::new();
    if shell {
        cases.push(("sqlite3 FILE 'select 1'", command("sqlite3", &[file.to_str().unwrap(), "select 1"])));
    } else {
        println!("there is no sqlite3 shell on this machine; the bare program stands in for it");
    }
    let this = std::env::current_exe().unwrap();
    cases.push(("bare program, one row", command(this.to_str().unwrap(), &["bare", file.to_str().unwrap()])));
    let kibble = |words: &[&str]| {
        let mut command = command(env!("CARGO_BIN_EXE_kibble"), words);
        command.env_clear().env("HOME", root.path()).env("KIBBLE_SHOP", &folder);
        command
    };
    cases.push(("kibble --version", kibble(&["--version"])));
    cases.push(("kibble debit show, in English", kibble(&["--lang", "en", "debit", "show", "a-1/1", "--json"])));
    cases.push(("kibble debit show, in Chinese", kibble(&["debit", "show", "a-1/1", "--json"])));

    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    // The first round fills the page cache and is not counted.
    for round in 0..=rounds {
        for ((name, command), times) in cases.iter_mut().zip(&mut times) {
            let started = Instant::now();
            let status = command.status().unwrap();
            let time = started.elapsed();
            assert!(status.success(), "{name}: {status}");
            if round > 0 {
                times.push(time);
            }
        }
    }
    let micros: Vec<u128> = times.iter_mut().map(|times| median(times)).collect();
    println!("{:<32} {:>10} {:>10} {:>8}", "", "median", "fastest", "ratio");
    for (((name, _), times), median) in cases.iter().zip(&times).zip(&micros) {
        let fastest = times.iter().min().map_or(0, Duration::as_micros);
        println!("{name:<32} {:>10} {:>10} {:>8}", shown(*median), shown(fastest), ratio(*median, micros[0]));
    }
    println!(
        "{rounds} runs of each, in turn; ratio = median ÷ median of the first line; goal for kibble: at most 3.00"
    );
}

fn median(times: &mut [Duration]) -> u128 {
    times.sort_unstable();
    times[times.len() / 2].as_micros()
}

fn shown(micros: u128) -> String {
    format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10)
}

/// Hundredths, by whole numbers.
fn ratio(ours: u128, theirs: u128) -> String {
    let hundredths = ours * 100 / theirs.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The least that a program in this language does for the same row.
fn bare(file: &Path) {
    let sql = Connection::open(file).unwrap();
    println!("{}", sql.query_row(ONE_ROW, [], |row| row.get::<_, String>(0)).unwrap());
}

/// A Chinese shop on a sandbox rail, with one agreement and its first term.
fn seed_shop(folder: &Path, key: &Path) {
    let at = |text: &str| read_now(text, chrono_tz::Asia::Shanghai).unwrap();
    let seed = Seed {
        folder,
        key,
        size: 1,
        now: at("2026-11-05T09:00"),
        signed_on: "2026-11-05".parse().unwrap(),
        due: "2026-12-05".parse().unwrap(),
        term: 1,
        charge_from: at("2026-12-04T08:00"),
    };
    seed::shop(&seed, |number| format!("P{number}"));
}
