//! What a command costs before it has done anything: the real program with one indexed read, beside the `sqlite3` shell that selects
//! a 1 from the same file, and beside a bare program that opens the file and reads the same row. The goal is at most 3 times the shell.
//!
//! The runs are taken in turn and the median counts, because one start is a few milliseconds and the machine is noisy.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::seed::{self, Seed, at};
use crate::table::{Figure, Row, Scale};

/// Runs of each, in turn.
const ROUNDS: usize = 200;

/// The row that everyone reads.
const ONE_ROW: &str = "SELECT due FROM installment WHERE agreement_id = 1 AND term = 1";

pub fn run(scale: &Scale) -> Vec<Row> {
    let rounds = if scale.small { 1 } else { ROUNDS };
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = root.path().join("shop");
    seed_shop(&folder, &root.path().join("shop.key"));
    let file = folder.join("shop.db");
    let shell = Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_ok();

    let mut cases: Vec<(&str, Command)> = Vec::new();
    if shell {
        cases.push(("sqlite3 FILE 'select 1'", command("sqlite3", &[file.to_str().unwrap(), "select 1"])));
    }
    let this = std::env::current_exe().unwrap();
    cases.push((
        "bare program, one row",
        command(this.to_str().unwrap(), &["child", "startup", file.to_str().unwrap()]),
    ));
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
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    let beside = if shell { "`sqlite3 FILE 'select 1'`" } else { "a bare program" };
    let ours = cases.iter().zip(&medians).skip(1);
    ours.map(|((name, _), time)| Row {
        what: format!("{name}, beside {beside}"),
        size: format!("median of {rounds}"),
        kibble: Figure::Time(*time),
        bare: Figure::Time(medians[0]),
        goal: name.starts_with("kibble debit").then_some(3.0),
    })
    .collect()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The least that a program in this language does for the same row.
pub fn child(file: &Path) {
    let sql = Connection::open(file).unwrap();
    println!("{}", sql.query_row(ONE_ROW, [], |row| row.get::<_, String>(0)).unwrap());
}

/// A Chinese shop on a sandbox rail, with one agreement and its first term.
fn seed_shop(folder: &Path, key: &Path) {
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
