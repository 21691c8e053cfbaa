//! A customer book taken over with its agreements, beside a program that reads the same CSV and writes the same rows with nothing
//! sealed and nothing checked.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use kibble::domain::date::FirstDebit;
use kibble::ops::agreement_import::{ImportOptions, import};
use rusqlite::params;

use crate::seed::{self, Seed, at, instant_ctx, key_path};
use crate::table::{Figure, Row, Scale, grouped, timed};

const NOW: &str = "2026-11-05T09:00";

pub fn run(scale: &Scale) -> Vec<Row> {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shop = root.path().join("seed");
    let seed = Seed {
        folder: &shop,
        key: &key_path(&shop),
        size: 0,
        now: at("2026-11-01T09:00"),
        signed_on: "2026-11-01".parse().unwrap(),
        due: "2026-12-01".parse().unwrap(),
        term: 1,
        charge_from: at("2026-11-30T08:00"),
    };
    seed::shop(&seed, |number| format!("P{number}"));
    let mut rows = Vec::new();
    for size in scale.sizes(&[1_000, 10_000], 20) {
        let book = root.path().join(format!("book-{size}.csv"));
        std::fs::write(&book, text(size)).unwrap();
        let (mut ours, mut bare) = (Duration::MAX, Duration::MAX);
        for _ in 0..scale.tries(3) {
            let folder = seed::fresh(&shop);
            let options = ImportOptions {
                file: book.clone(),
                paid_until: None,
                first_debit: FirstDebit::NextMonth,
                rejects: None,
                links: Some(root.path().join("links.csv")),
                dry_run: false,
            };
            let (time, done) = timed(|| import(&instant_ctx(folder, NOW, 32, false), &options).unwrap());
            assert_eq!((done.accepted, done.findings.refused), (size.into(), 0), "{done:?}");
            ours = ours.min(time);
            bare = bare.min(timed(|| bare_import(seed::fresh(&shop), &book)).0);
        }
        rows.push(Row {
            what: "import of a customer book with its agreements, beside reading the CSV and its rows alone".into(),
            size: format!("{} rows", grouped(size)),
            kibble: Figure::Time(ours),
            bare: Figure::Time(bare),
            goal: None,
        });
    }
    rows
}

/// A book of sound rows.
fn text(size: u32) -> String {
    let mut book =
        "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号\n".to_owned();
    for number in 1..=size {
        // A day of birth for every thousand people: the sequence number has three digits.
        let day = format!("1985{:02}{:02}", 1 + number / 1_000 / 28 % 12, 1 + number / 1_000 % 28);
        let id = with_check(&format!("119999{day}{:03}", number % 1_000));
        writeln!(book, "测试,199{number:08},{id},团子,猫,布偶,A,199.00,12,2026-11-01,9,支付宝,H{number}").unwrap();
    }
    book
}

/// An ID number with its check character.
fn with_check(digits: &str) -> String {
    const WEIGHTS: [usize; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: usize = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| usize::from(digit - b'0') * weight).sum();
    format!("{digits}{}", char::from(b"10X98765432"[sum % 11]))
}

fn bare_import(folder: &Path, book: &Path) {
    let sql = seed::bare(folder);
    let at = "2026-11-05T01:00:00Z";
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut reader = csv::Reader::from_path(book).unwrap();
    for (record, id) in reader.records().zip(1i64..) {
        let record = record.unwrap();
        sql.prepare_cached(
            "INSERT INTO customer (id, wrapped_key, name, phone, id_number, name_hash, phone_hash, id_hash, lang, created_at)
             VALUES (?1, zeroblob(60), ?2, ?3, ?4, ?2, ?3, ?4, 'zh', ?5)",
        )
        .unwrap()
        .execute(params![id, record[0].as_bytes(), record[1].as_bytes(), record[2].as_bytes(), at])
        .unwrap();
        sql.prepare_cached(
            "INSERT INTO pet (id, customer_id, name, species, breed, sex, birth_estimated, source, reference_cost, status, status_on, note, created_at)
             VALUES (?1, ?1, ?2, 'cat', ?3, 'unknown', 0, 'unknown', 0, 'reserved', '2026-11-05', '', ?4)",
        )
        .unwrap()
        .execute(params![id, &record[3], &record[5], at])
        .unwrap();
        sql.prepare_cached(
            "INSERT INTO agreement (id, no, customer_id, pet_id, plan_code, plan_name, source, state, monthly, terms, anchor_day, first_debit,
               signed_on, signed_at, ends_on, paid_before, reference_cost, conditions, lang, template, shown, shift_months, shifted_from,
               pause_shift, failed_in_row, import_row)
             VALUES (?1, ?2, ?1, ?1, 'imported', ?3, 'imported', 'waiting', 19900, 12, 9, 'next_month', ?4, ?5, '2027-11-08', 0, 0,
               printf('%0200d', 0), 'zh', 'imported', '{}', 0, 1, 0, 0, ?6)",
        )
        .unwrap_or_else(|error| panic!("{error}"))
        .execute(params![id, &record[12], &record[6], &record[9], at, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"])
        .unwrap();
        sql.prepare_cached(
            "INSERT INTO mandate (id, agreement_id, lane, rail, contract_no, state, valid_until, created_at)
             VALUES (?1, ?1, 1, 'alipay', ?2, 'waiting', '2027-11-08', ?3)",
        )
        .unwrap()
        .execute(params![id, format!("KM{id:010}"), at])
        .unwrap();
    }
    seed::audit(&sql, "{}");
    sql.execute_batch("COMMIT").unwrap();
}
