//! The month report over a million charges, beside the same statements in the `sqlite3` shell, and beside nothing but the database
//! crate where there is no shell. The goal is at most 1.2 times the shell. Builds its shop once in `target/tmp/report-bench` (about 1 GB) and keeps it; delete the folder to
//! build it again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kibble::clock::Clock;
use kibble::domain::report::{Period, Rank};
use kibble::ops::init::{NewShop, init};
use kibble::ops::report::overview;
use kibble::ops::{Ctx, read_now};
use kibble::text::Lang;
use rusqlite::Connection;

use crate::table::{Figure, Row, Scale, grouped, timed};

/// Agreements, each with [`TERMS`] terms; a quarter of the terms needs a second attempt, so there are a million charges.
const AGREEMENTS: u32 = 40_000;
const TERMS: i64 = 20;

/// What is measured: a name, the first and the last day.
const SCOPES: [(&str, &str, &str); 2] =
    [("one month", "2026-11-01", "2026-11-30"), ("all 20 months", "2025-04-01", "2026-11-30")];

/// Runs of each, taken in turn; the fastest counts, because everything else on the machine only adds.
const ROUNDS: usize = 7;

/// The overview's statements.
const STATEMENTS: [&str; 8] = [
    include_str!("../src/db/report/agreements.sql"),
    include_str!("../src/db/report/terms.sql"),
    include_str!("../src/db/report/attempts.sql"),
    include_str!("../src/db/report/money.sql"),
    include_str!("../src/db/report/wallet.sql"),
    include_str!("../src/db/report/arrears.sql"),
    include_str!("../src/db/report/sellers.sql"),
    include_str!("../src/db/report/risk.sql"),
];

/// A shop that was built on other tables is built again.
const SCHEMA: &str = include_str!("../src/db/migrations/0001_init.sql");

pub const NOW: &str = "2026-12-02T10:00";

pub fn run(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for agreements in scale.sizes(&[AGREEMENTS], 30) {
        rows.extend(measured(scale, agreements));
    }
    rows
}

fn measured(scale: &Scale, agreements: u32) -> Vec<Row> {
    let shop = shop_of(agreements);
    let db = shop.join("shop.db");
    let charges: u32 =
        Connection::open(&db).unwrap().query_row("SELECT count(*) FROM charge", [], |row| row.get(0)).unwrap();
    let shell = Command::new("sqlite3").arg("--version").output().is_ok();
    let mut rows = Vec::new();
    for (name, from, to) in SCOPES {
        let (mut process, mut library, mut outside, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.tries(ROUNDS) {
            process.push(timed(|| run_kibble(&shop, from, to)).0);
            library.push(timed(|| run_library(&shop, from, to)).0);
            if shell {
                outside.push(timed(|| run_shell(&db, from, to)).0);
            }
            bare.push(timed(|| run_bare(&db, from, to)).0);
        }
        let best = |times: &[Duration]| times.iter().min().copied();
        let row = |what: &str, ours: &[Duration], theirs: &[Duration], goal| {
            let (kibble, bare) = (Figure::Time(best(ours)?), Figure::Time(best(theirs)?));
            let what = format!("report of {name}, {what}");
            Some(Row { what, size: format!("{} charges", grouped(charges)), kibble, bare, goal })
        };
        let goal = Some(1.2);
        rows.extend(row("beside the same statements in the `sqlite3` shell", &process, &outside, goal));
        rows.extend(row("beside the same statements alone", &process, &bare, if shell { None } else { goal }));
        rows.extend(row("without starting a process, beside the same statements alone", &library, &bare, None));
    }
    rows
}

/// A shop of so many agreements, built once and kept.
pub fn shop_of(agreements: u32) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-bench-{agreements}"));
    let shop = folder.join("shop");
    if fs::read_to_string(folder.join("built")).ok().as_deref() != Some(SCHEMA) {
        build(&folder, &shop, agreements);
    }
    shop
}

fn run_kibble(shop: &Path, from: &str, to: &str) {
    let status = Command::new(env!("CARGO_BIN_EXE_kibble"))
        .args(["--now", NOW, "--lang", "en", "report", "overview", "--from", from, "--to", to, "--shop"])
        .arg(shop)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn run_library(shop: &Path, from: &str, to: &str) {
    let ctx = Ctx::open(shop, Some(NOW)).unwrap();
    let period = Period::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
    let overview = overview(&ctx, period, Rank::Units, 10).unwrap();
    assert!(overview.due > 0 && overview.attempts > overview.presented);
}

/// Every parameter of the statements, as SQL text. Days begin at midnight in Shanghai.
pub fn parameters(from: &str, to: &str) -> Vec<(&'static str, String)> {
    let period = Period::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
    let before = |days: u64| period.to().checked_sub_days(chrono::Days::new(days)).unwrap();
    let midnight = |day: chrono::NaiveDate| format!("{}T16:00:00Z", day.pred_opt().unwrap());
    let after = period.to().succ_opt().unwrap();
    let text = |text: String| format!("'{text}'");
    vec![
        (":from", text(from.to_owned())),
        (":to", text(to.to_owned())),
        (":start", text(midnight(period.from()))),
        (":end", text(midnight(after))),
        (":since", text(midnight(before(89)))),
        (":cut_off", text(to.to_owned())),
        (":late_1", text(before(1).to_string())),
        (":late_8", text(before(8).to_string())),
        (":late_31", text(before(31).to_string())),
        (":calendar", text(period.calendar())),
        (":by", text("units".to_owned())),
        (":top", "10".to_owned()),
    ]
}

fn run_shell(db: &Path, from: &str, to: &str) {
    // The same page cache as kibble's, so that the statements are compared and not the settings.
    let mut script = "PRAGMA cache_size = -8192;\n.param init\n".to_owned();
    for (name, value) in parameters(from, to) {
        script.push_str(&format!("INSERT INTO temp.sqlite_parameters VALUES ('{name}', {value});\n"));
    }
    for statement in STATEMENTS {
        script.push_str(statement.trim());
        script.push_str(";\n");
    }
    let mut shell =
        Command::new("sqlite3").arg("-bail").arg(db).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

fn run_bare(db: &Path, from: &str, to: &str) {
    let sql = Connection::open(db).unwrap();
    sql.execute_batch("PRAGMA cache_size = -8192").unwrap();
    for statement in STATEMENTS {
        each_row(&sql, statement, from, to, |_| {});
    }
}

/// Visits the rows of a statement of kibble's.
pub fn each_row(sql: &Connection, statement: &str, from: &str, to: &str, mut visit: impl FnMut(&rusqlite::Row<'_>)) {
    let mut query = sql.prepare(statement).unwrap();
    for (name, value) in parameters(from, to) {
        if let Some(place) = query.parameter_index(name).unwrap() {
            match value.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
                Some(text) => query.raw_bind_parameter(place, text).unwrap(),
                None => query.raw_bind_parameter(place, value.parse::<i64>().unwrap()).unwrap(),
            }
        }
    }
    let mut rows = query.raw_query();
    while let Some(row) = rows.next().unwrap() {
        visit(row);
    }
}

/// Makes the shop with the library and fills it by bulk statements, in the order in which a shop's books grow.
fn build(folder: &Path, shop: &Path, agreements: u32) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    let new = NewShop {
        folder: shop.to_owned(),
        name: "bench".to_owned(),
        name_en: "bench".to_owned(),
        uscc: String::new(),
        address: String::new(),
        phone: String::new(),
        lang: Lang::En,
        rails: vec![("alipay".to_owned(), "sandbox".to_owned(), None)],
        key_file: Some(PathBuf::from(folder).join("shop.key")),
        install_code: None,
    };
    init(&new, &Clock::fixed(read_now("2025-03-01", chrono_tz::Asia::Shanghai).unwrap())).unwrap();
    let sql = Connection::open(shop.join("shop.db")).unwrap();
    sql.execute_batch(&filling(agreements)).unwrap();
    fs::write(folder.join("built"), SCHEMA).unwrap();
}

fn filling(agreements: u32) -> String {
    format!(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {agreements}) SELECT i FROM n;
CREATE TEMP TABLE t AS WITH RECURSIVE t(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM t WHERE k < {TERMS}) SELECT k FROM t;
INSERT INTO customer (id, wrapped_key, lang, created_at, erased_at)
  SELECT i, NULL, 'zh', '2025-03-01T01:00:00Z', NULL FROM n;
INSERT INTO pet (id, customer_id, name, species, breed, sex, birth_estimated, source, reference_cost, status, status_on, note, created_at)
  SELECT i, i, 'x', 'cat', 'x', 'male', 0, 'bred', 0, 'adopted', '2025-03-01', '', '2025-03-01T01:00:00Z' FROM n;
INSERT INTO agreement (id, no, customer_id, pet_id, plan_code, plan_name, source, state, monthly, terms, anchor_day, first_debit,
    signed_on, signed_at, active_at, ends_on, paid_before, reference_cost, conditions, lang, template, shown, shift_months,
    shifted_from, pause_shift, failed_in_row, text_sealed)
  SELECT i, 'KB' || i, i, i, 'cat-199-20', 'x', 'signed', 'active', 19900, {TERMS}, 1 + i % 28, 'next_month',
    '2025-03-' || substr('0' || (1 + i % 28), -2), '2025-03-01T01:00:00Z', '2025-03-01T01:00:00Z', '2026-12-31', 0, 0, '{{}}', 'zh',
    'x', '{{}}', 0, 1, 0, 0, zeroblob(8000) FROM n;
-- Terms in the order of their due dates; three in a hundred stay unpaid.
INSERT INTO installment (agreement_id, term, due, registered, amount, state, course, lane, failures, told_failures, paid_at, overdue_level)
  SELECT i, k, due, due, 19900, CASE WHEN unpaid THEN 'open' ELSE 'paid' END, CASE WHEN unpaid THEN 'failed' ELSE 'planned' END,
    1, 0, 0, CASE WHEN unpaid THEN NULL ELSE due || 'T01:00:05Z' END, 0
  FROM (SELECT i, k, (2025 + (k + 2) / 12) || '-' || substr('0' || (1 + (k + 2) % 12), -2) || '-' || substr('0' || (1 + i % 28), -2) AS due,
          ((i * 7 + k * 13) % 4 = 0 AND (i + k) % 8 = 0) AS unpaid
        FROM t CROSS JOIN n) ORDER BY due, i;
-- A quarter fails at first; of these, those that stay unpaid fail again.
INSERT INTO charge (agreement_id, term, attempt, kind, rail, order_no, amount, state, reason, code, said, trade_no, noted_at,
    asked_at, answered_at, paid_at, refunded)
  SELECT agreement_id, term, 1, 'debit', 'alipay', 'KB0000000001' || printf('%08d%02d0001', agreement_id, term), amount,
    CASE WHEN (agreement_id * 7 + term * 13) % 4 = 0 THEN 'declined' ELSE 'paid' END,
    CASE WHEN (agreement_id * 7 + term * 13) % 4 = 0 THEN 'no_funds' END, '', '', printf('20261121220014%014d', rowid),
    due || 'T01:00:00Z', due || 'T01:00:00Z', due || 'T01:00:05Z',
    CASE WHEN (agreement_id * 7 + term * 13) % 4 <> 0 THEN due || 'T01:00:05Z' END, 0 FROM installment ORDER BY rowid;
INSERT INTO charge (agreement_id, term, attempt, kind, rail, order_no, amount, state, reason, code, said, trade_no, noted_at,
    asked_at, answered_at, paid_at, refunded)
  SELECT agreement_id, term, 2, 'debit', 'alipay', 'KB0000000001' || printf('%08d%02d0002', agreement_id, term), amount,
    CASE WHEN state = 'open' THEN 'declined' ELSE 'paid' END, CASE WHEN state = 'open' THEN 'no_funds' END, '', '',
    printf('20261121220015%014d', rowid), due || 'T09:00:00Z', due || 'T09:00:00Z', due || 'T09:00:05Z', paid_at, 0
  FROM installment WHERE (agreement_id * 7 + term * 13) % 4 = 0 ORDER BY rowid;
-- Every fourth term is followed by an order that is delivered at once.
INSERT INTO orders (id, customer_id, placed_at, placed_on, state, wallet_paid, cash_paid, handover, note)
  SELECT rowid, agreement_id, due || 'T04:00:00Z', due, 'delivered', 7200, 0, 'counter', '' FROM installment
  WHERE state = 'paid' AND (agreement_id + term) % 4 = 1 ORDER BY rowid;
INSERT INTO order_line (order_id, line, sku, name, category, supplier, qty, returned_qty, unit_price, list_price, unit_cost,
    wallet_part, wallet_ok, state, delivered_at)
  SELECT id, 1, printf('SKU%03d', id % 120), 'x', 'staple', 's', 2, 0, 3600, 3900, 2000, 7200, 1, 'delivered', placed_at FROM orders;
-- The journal, in the order of days.
CREATE TEMP TABLE j AS
  SELECT substr(paid_at, 1, 10) AS day, 'charge' AS kind, 'k-' || id AS ref, agreement_id AS customer FROM charge WHERE state = 'paid'
  UNION ALL SELECT placed_on, 'order', 'o-' || id, customer_id FROM orders
  UNION ALL SELECT placed_on, 'delivery', 'o-' || id || '/1', customer_id FROM orders;
INSERT INTO entry (at, day, kind, ref, customer_id, note)
  SELECT day || 'T05:00:00Z', day, kind, ref, customer, '' FROM j ORDER BY day, kind;
INSERT INTO posting (entry_id, line, account, customer_id, amount)
  SELECT e.id, l.line,
    CASE e.kind WHEN 'charge' THEN CASE l.line WHEN 1 THEN 'rail:alipay' ELSE 'wallet:principal' END
                WHEN 'order' THEN CASE l.line WHEN 1 THEN 'wallet:principal' ELSE 'orders_open' END
                ELSE CASE l.line WHEN 1 THEN 'orders_open' WHEN 2 THEN 'sales:staple' WHEN 3 THEN 'cost' ELSE 'suppliers' END END,
    CASE WHEN (e.kind = 'charge' AND l.line = 2) OR (e.kind = 'order' AND l.line = 1) THEN e.customer_id ELSE 0 END,
    CASE e.kind WHEN 'charge' THEN CASE l.line WHEN 1 THEN 19900 ELSE -19900 END
                WHEN 'order' THEN CASE l.line WHEN 1 THEN 7200 ELSE -7200 END
                ELSE CASE l.line WHEN 1 THEN 7200 WHEN 2 THEN -7200 WHEN 3 THEN 4000 ELSE -4000 END END
  FROM entry e JOIN (SELECT 1 AS line UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) l
    ON l.line <= CASE e.kind WHEN 'delivery' THEN 4 ELSE 2 END
  ORDER BY e.id, l.line;
COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);"
    )
}
