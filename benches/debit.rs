//! The debit run on an instant rail, beside a bare program that does only the durable writes: the same rows, the same indexes,
//! `synchronous=FULL`. Prints the ratio and the peak memory of each case.
//!
//! Each case runs in a process of its own, so that its memory is its own. `cargo bench --bench debit -- 10000` limits the sizes.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a benchmark is a program that prints"
)]
#![allow(missing_docs, reason = "nobody links to a benchmark")]

mod seed;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;
use kibble::adapters::notify::{Notify, Parcel, Receipt};
use kibble::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Health, MandateRef, MandateState, PayLink,
    PayLinkRequest, Rail, RefundRequest, SignLink, SignRequest, Trouble,
};
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Profile, Reply};
use kibble::ops::debit::{self, Options};
use kibble::ops::{Ctx, read_now};
use rusqlite::{Connection, params};

use crate::seed::Seed;

const NOW: &str = "2026-11-05T09:00";
const WINDOWS: [u32; 3] = [1, 32, 128];
/// The fastest of so many tries counts: this machine is small and noisy.
const TRIES: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ours", folder, window] => ours(Path::new(folder), window.parse().unwrap()),
        ["bare", folder, window] => bare(Path::new(folder), window.parse().unwrap()),
        sizes => {
            let sizes: Vec<u32> = sizes.iter().filter_map(|size| size.parse().ok()).collect();
            table(if sizes.is_empty() { &[10_000, 100_000] } else { &sizes });
        }
    }
}

fn table(sizes: &[u32]) {
    println!(
        "{:>9} {:>7} {:>10} {:>10} {:>6} {:>9} {:>9}",
        "charges", "window", "kibble s", "bare s", "ratio", "kibble MB", "bare MB"
    );
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for size in sizes {
        let seed = root.path().join(format!("seed-{size}"));
        seed_shop(&seed, *size);
        for window in WINDOWS {
            let tries = if window == 1 && *size > 10_000 { 1 } else { TRIES };
            let (mut best, mut bare) = ((f64::MAX, 0.0), (f64::MAX, 0.0));
            for _ in 0..tries {
                best = faster(best, case("ours", &seed, root.path(), window));
                bare = faster(bare, case("bare", &seed, root.path(), window));
            }
            println!(
                "{size:>9} {window:>7} {:>10.2} {:>10.2} {:>6.2} {:>9.1} {:>9.1}",
                best.0,
                bare.0,
                best.0 / bare.0,
                best.1,
                bare.1
            );
        }
    }
}

fn faster(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if b.0 < a.0 { b } else { a }
}

/// Runs one case on a fresh copy of the seeded shop; seconds and peak megabytes.
fn case(what: &str, seed: &Path, root: &Path, window: u32) -> (f64, f64) {
    let folder = root.join("case");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir(&folder).unwrap();
    for name in ["shop.toml", "shop.db"] {
        std::fs::copy(seed.join(name), folder.join(name)).unwrap();
    }
    // What the case before remembered beside the key would show this copy to be an older database.
    drop(std::fs::remove_file(key_path(seed).with_extension("seen")));
    let output = Command::new(std::env::current_exe().unwrap())
        .args([what, folder.to_str().unwrap(), &window.to_string()])
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
    let mut config = Config::load(folder).unwrap();
    config.settings.debit.window = window;
    let clock = Clock::fixed(read_now(NOW, config.settings.timezone).unwrap());
    let mut ctx = Ctx::wire(config, clock).unwrap();
    let profile = ctx.config.rails["alipay"].profile.clone();
    ctx.rails.insert("alipay".into(), Arc::new(InstantRail { profile }));
    ctx.notify.put(Box::new(InstantChannel));
    let started = Instant::now();
    let outcome = debit::run(&ctx, &Options { confirm_backlog: true }).unwrap();
    report(started);
    let debit::Outcome::Ran(run) = outcome else { panic!("another run") };
    assert!(run.paid == run.charged && run.paid > 0, "{run:?}");
}

/// The same rows in the same transactions, and nothing else: no rules, no reading ahead, no checks.
fn bare(folder: &Path, window: u32) {
    let sql = Connection::open(folder.join("shop.db")).unwrap();
    sql.execute_batch("PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;").unwrap();
    sql.set_prepared_statement_cache_capacity(64);
    let started = Instant::now();
    let mut last = 0i64;
    let mut answers: Vec<(i64, i64)> = Vec::new();
    let mut seq: i64 = sql.query_row("SELECT max(seq) FROM audit", [], |row| row.get(0)).unwrap();
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
        seq += 1;
        let detail = format!("{{\"noted\":{:?},\"answers\":{:?}}}", agreements, answers);
        let hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        sql.prepare_cached(
            "INSERT INTO audit VALUES (?1, '2026-11-05T01:00:00Z', 'cron', 'bench', 'charges_written', '', ?2, ?3, ?3)",
        )
        .unwrap()
        .execute(params![seq, detail, hash])
        .unwrap();
        sql.execute_batch("COMMIT").unwrap();
        last = agreements.last().copied().unwrap_or(i64::MAX);
    }
    deliver(&sql);
    report(started);
}

fn answer(sql: &Connection, charge: i64, agreement: i64) {
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
fn deliver(sql: &Connection) {
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
    let zone = chrono_tz::Asia::Shanghai;
    let at = |text: &str| read_now(text, zone).unwrap();
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
    Connection::open(folder.join("shop.db")).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
}

fn key_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap().to_os_string();
    name.push(".key");
    folder.with_file_name(name)
}

/// Takes every message at once.
struct InstantChannel;

impl Notify for InstantChannel {
    fn name(&self) -> &str {
        "print"
    }

    fn batch(&self) -> usize {
        200
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        vec![Receipt::Sent { said: String::new() }; parcels.len()]
    }
}

/// Answers at once, without a book.
struct InstantRail {
    profile: Profile,
}

impl Rail for InstantRail {
    fn name(&self) -> &str {
        "alipay"
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn sign_link(&self, _: &SignRequest) -> Result<SignLink, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        let provider_no = mandate.provider_no.clone().unwrap_or_default();
        Ok(MandateState::Live { provider_no, signed_at: None, next_date: None })
    }

    fn close_mandate(&self, _: &MandateRef, _: &str) -> Result<(), Trouble> {
        Ok(())
    }

    fn announce(&self, _: &DebitNotice) -> Result<(), Trouble> {
        Ok(())
    }

    fn charge(&self, request: &ChargeRequest) -> Reply {
        Reply { trade_no: Some(request.order_no.clone()), ..Reply::bare(Answer::Paid) }
    }

    fn query_charge(&self, _: &str, _: Money) -> Reply {
        Reply::bare(Answer::NotFound)
    }

    fn close_order(&self, _: &str) -> Result<Closed, Trouble> {
        Ok(Closed::Closed)
    }

    fn refund(&self, _: &RefundRequest) -> Reply {
        Reply::bare(Answer::Paid)
    }

    fn query_refund(&self, _: &RefundRequest) -> Reply {
        Reply::bare(Answer::NotFound)
    }

    fn postpone(&self, _: &MandateRef, _: NaiveDate) -> Result<(), Trouble> {
        Ok(())
    }

    fn pay_link(&self, _: &PayLinkRequest) -> Result<PayLink, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn bill(&self, _: BillPeriod) -> Result<BillFile, Trouble> {
        Err(Trouble::Unsupported)
    }

    fn capabilities(&self) -> Vec<Capability> {
        Vec::new()
    }

    fn health(&self) -> Result<Health, Trouble> {
        Ok(Health::default())
    }
}
