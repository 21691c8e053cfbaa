//! Settling: every charge of yesterday lost its answer, and the rail now says of each that it was paid.

use std::path::Path;
use std::time::Duration;

use kibble::ops::debit::{self, Options};
use rusqlite::Connection;

use crate::debit::{answer, deliver};
use crate::seed::{self, Seed, at, instant_ctx, key_path};
use crate::table::{Figure, Row, Scale, grouped, timed};

const NOW: &str = "2026-11-06T09:00";
/// Charges settled per commit, as in kibble.
const PAGE: usize = 200;

pub fn run(scale: &Scale) -> Vec<Row> {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut rows = Vec::new();
    for size in scale.sizes(&[10_000], 20) {
        let shop = root.path().join(format!("seed-{size}"));
        seed_shop(&shop, size);
        let (mut ours, mut bare) = (Duration::MAX, Duration::MAX);
        for _ in 0..scale.tries(3) {
            let folder = seed::fresh(&shop);
            let (time, outcome) = timed(|| {
                let ctx = instant_ctx(folder, NOW, 32, true);
                debit::run(&ctx, &Options { confirm_backlog: true, ..Options::default() }).unwrap()
            });
            let debit::Outcome::Ran(report) = outcome else { panic!("another run") };
            assert_eq!(report.settled.get("paid"), Some(&u64::from(size)), "{report:?}");
            ours = ours.min(time);
            bare = bare.min(bare_settling(seed::fresh(&shop)));
        }
        rows.push(Row {
            what: "settling of unknown charges that were paid, beside its rows alone".into(),
            size: format!("{} charges", grouped(size)),
            kibble: Figure::Time(ours),
            bare: Figure::Time(bare),
            goal: None,
        });
    }
    rows
}

fn bare_settling(folder: &Path) -> Duration {
    timed(|| {
        let sql = seed::bare(folder);
        let open: Vec<(i64, i64)> = sql
            .prepare("SELECT id, agreement_id FROM charge WHERE state IN ('noted','pending','unknown') ORDER BY id")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for page in open.chunks(PAGE) {
            sql.execute_batch("BEGIN IMMEDIATE").unwrap();
            for (charge, agreement) in page {
                answer(&sql, *charge, *agreement);
            }
            seed::audit(&sql, &format!("{{\"answers\":{page:?}}}"));
            sql.execute_batch("COMMIT").unwrap();
        }
        deliver(&sql);
    })
    .0
}

/// Agreements whose third term was due yesterday, each with a charge whose answer was lost.
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
    Connection::open(folder.join("shop.db"))
        .unwrap()
        .execute_batch(
            "INSERT INTO charge (agreement_id, term, attempt, kind, mandate_id, rail, order_no, amount, state, code, said, noted_at, asked_at, refunded)
               SELECT id, 3, 1, 'debit', id, 'alipay', printf('KB7K2QX9AB01%08d030001', id), 19900, 'unknown', '', '',
                 '2026-11-05T01:00:00Z', '2026-11-05T01:00:00Z', 0 FROM agreement;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
}
