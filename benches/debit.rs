//! The debit run on an instant rail, beside a bare program that does only the durable writes: the same rows, the same indexes,
//! `synchronous=FULL`.
//! Each case runs in a process of its own, so that its memory is its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kibble::ops::debit::{self, Options};
use rusqlite::{Connection, params};

use crate::seed::{self, Seed, at, instant_ctx, key_path};
use crate::table::{Figure, Row, Scale, grouped};

const NOW: &str = "2026-11-05T09:00";
const WINDOWS: [u32; 3] = [1, 32, 128];
/// The fastest of so many tries counts: this machine is small and noisy.
const TRIES: usize = 3;

pub fn run(scale: &Scale) -> Vec<Row> {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut rows = Vec::new();
    let mut memory: Vec<(u32, f64, f64)> = Vec::new();
    for size in scale.sizes(&[10_000, 100_000], 40) {
        let seed = root.path().join(format!("seed-{size}"));
        seed_shop(&seed, size);
        for window in WINDOWS {
            let tries = if window == 1 && size > 10_000 { 1 } else { scale.tries(TRIES) };
            let (mut ours, mut bare) = ((f64::MAX, 0.0), (f64::MAX, 0.0));
            for _ in 0..tries {
                ours = faster(ours, case("ours", &seed, window));
                bare = faster(bare, case("bare", &seed, window));
            }
            let seconds = |it: (f64, f64)| Figure::Time(Duration::from_secs_f64(it.0));
            rows.push(Row {
                what: format!("debit run, {window} per commit, beside its rows alone"),
                size: format!("{} charges", grouped(size)),
                kibble: seconds(ours),
                bare: seconds(bare),
                goal: Some(2.0),
            });
            if window == WINDOWS[WINDOWS.len() - 1] {
                memory.push((size, ours.1, bare.1));
            }
        }
    }
    for (size, ours, bare) in &memory {
        rows.push(Row {
            what: "memory of the debit run, beside its rows alone".into(),
            size: format!("{} charges", grouped(*size)),
            kibble: Figure::Megabytes(*ours),
            bare: Figure::Megabytes(*bare),
            goal: None,
        });
    }
    if let [(_, small, _), .., (size, large, _)] = memory.as_slice() {
        rows.push(Row {
            what: "memory of the debit run, beside a tenth of it".into(),
            size: format!("{} charges", grouped(*size)),
            kibble: Figure::Megabytes(*large),
            bare: Figure::Megabytes(*small),
            goal: Some(1.5),
        });
    }
    rows
}

pub fn child(words: &[&str]) {
    match words {
        ["ours", folder, window] => ours(Path::new(folder), window.parse().unwrap()),
        ["bare", folder, window] => bare(Path::new(folder), window.parse().unwrap()),
        other => panic!("{other:?}"),
    }
}

fn faster(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if b.0 < a.0 { b } else { a }
}

/// Runs one case on a fresh copy of the seeded shop; seconds and peak megabytes.
fn case(what: &str, seed: &Path, window: u32) -> (f64, f64) {
    let folder = seed::fresh(seed);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["child", "debit", what, folder.to_str().unwrap(), &window.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn report(started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak.and_then(|text| text.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    println!("{seconds} {}", kib / 1024.0);
}

fn ours(folder: &Path, window: u32) {
    let ctx = instant_ctx(folder, NOW, window, false);
    let started = Instant::now();
    let outcome = debit::run(&ctx, &Options { confirm_backlog: true, ..Options::default() }).unwrap();
    report(started);
    let debit::Outcome::Ran(run) = outcome else { panic!("another run") };
    assert!(run.paid == run.charged && run.paid > 0, "{run:?}");
}

/// The same rows in the same transactions, and nothing else: no rules, no reading ahead, no checks.
fn bare(folder: &Path, window: u32) {
    let sql = seed::bare(folder);
    let started = Instant::now();
    let mut last = 0i64;
    let mut answers: Vec<(i64, i64)> = Vec::new();
    loop {
        let agreements: Vec<i64> = sql
            .prepare_cached("SELECT agreement_id FROM installment WHERE state='open' AND agreement_id > ?1 ORDER BY agreement_id LIMIT ?2")
            .unwrap()
            .query_map(params![last, window], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        if agreements.is_empty() && answers.is_empty() {
            break;
        }
        sql.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (charge, agreement) in answers.drain(..) {
            answer(&sql, charge, agreement);
        }
        for agreement in &agreements {
            let order = format!("KB7K2QX9AB01{agreement:08}030001");
            sql.prepare_cached("INSERT INTO charge (agreement_id, term, attempt, kind, mandate_id, rail, order_no, amount, state, code, said, run_id, noted_at, refunded) VALUES (?1, 3, 1, 'debit', ?1, 'alipay', ?2, 19900, 'noted', '', '', 1, '2026-11-05T01:00:00Z', 0)")
                .unwrap()
                .execute(params![agreement, order])
                .unwrap();
            answers.push((sql.last_insert_rowid(), *agreement));
        }
        seed::audit(&sql, &format!("{{\"noted\":{:?},\"answers\":{:?}}}", agreements, answers));
        sql.execute_batch("COMMIT").unwrap();
        last = agreements.last().copied().unwrap_or(i64::MAX);
    }
    deliver(&sql);
    report(started);
}

/// What a paid charge writes.
pub fn answer(sql: &Connection, charge: i64, agreement: i64) {
    let at = "2026-11-05T01:00:00Z";
    let run = |text: &str, values: &[&dyn rusqlite::ToSql]| sql.prepare_cached(text).unwrap().execute(values).unwrap();
    run(
        "UPDATE charge SET state='paid', trade_no=?2, answered_at=?3, asked_at=?3, paid_at=?3 WHERE id=?1",
        &[&charge, &format!("T{charge}"), &at],
    );
    run("UPDATE installment SET state='paid', paid_at=?2 WHERE agreement_id=?1 AND term=3", &[&agreement, &at]);
    run(
        "INSERT INTO entry (at, day, kind, ref, customer_id, note) VALUES (?1, '2026-11-05', 'charge', ?2, ?3, ?4)",
        &[&at, &format!("k-{charge}"), &agreement, &format!("a-{agreement}/3")],
    );
    let entry = sql.last_insert_rowid();
    run("INSERT INTO posting VALUES (?1, 1, 'rail:alipay', 0, 19900)", &[&entry]);
    run("INSERT INTO posting VALUES (?1, 2, 'wallet:principal', ?2, -19900)", &[&entry, &agreement]);
    run(
        "INSERT INTO points (customer_id, at, kind, ref, points) VALUES (?1, ?2, 'charge', ?3, 199)",
        &[&agreement, &at, &format!("k-{charge}")],
    );
    run(
        "INSERT INTO message (event, template, audience, customer_id, agreement_id, term, lang, params, created_at, not_before, state, said, tries, refused) VALUES (?1, 'debit_success', 'customer', ?2, ?2, 3, 'zh', ?3, ?4, ?4, 'queued', '', 0, '')",
        &[
            &format!("debit_success:a-{agreement}/3"),
            &agreement,
            &r#"{"amount":"199.00","balance":"199.00","n":3,"terms":12}"#,
            &at,
        ],
    );
}

/// Messages are marked before and after they are handed over, like the ones of the run.
pub fn deliver(sql: &Connection) {
    for state in ["sending", "sent"] {
        loop {
            let from = if state == "sending" { "queued" } else { "sending" };
            sql.execute_batch("BEGIN IMMEDIATE").unwrap();
            let changed = sql
                .prepare_cached("UPDATE message SET state=?1, channel='print', handed_at='2026-11-05T01:00:00Z', sent_at='2026-11-05T01:00:00Z', tries=1 WHERE id IN (SELECT id FROM message WHERE state=?2 ORDER BY id LIMIT 200)")
                .unwrap()
                .execute(params![state, from])
                .unwrap();
            sql.execute_batch("COMMIT").unwrap();
            if changed == 0 {
                break;
            }
        }
    }
}

/// A shop with `size` agreements whose third term is due, announced, and may be charged at [`NOW`].
fn seed_shop(folder: &Path, size: u32) {
    let seed = Seed {
        folder,
        key: &key_path(folder),
        size,
        now: at("2026-09-05T09:00"),
        signed_on: "2026-08-05".parse().unwrap(),
        due: "2026-11-05".parse().unwrap(),
        term: 3,
        charge_from: at("2026-11-04T08:00"),
    };
    seed::shop(&seed, |number| format!("P{number}"));
}
