//! The accountant's month out of the shop of the report bench: eight tables, a workbook and a journal, read back and compared with the
//! books. Beside it stands one pass over the same statements into plain CSV files, and nothing else.

use std::path::Path;
use std::time::Duration;

use kibble::domain::report::Period;
use kibble::ops::Ctx;
use kibble::ops::report::export::{Wanted, export};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::report::{NOW, each_row, shop_of};
use crate::table::{Figure, Row, Scale, grouped, timed};

const AGREEMENTS: u32 = 40_000;
const MONTH: (&str, &str) = ("2026-11-01", "2026-11-30");

/// The statements behind the files.
const STATEMENTS: [&str; 7] = [
    include_str!("../src/db/report/charges.sql"),
    include_str!("../src/db/report/refunds.sql"),
    include_str!("../src/db/report/fees.sql"),
    include_str!("../src/db/report/wallet_entries.sql"),
    include_str!("../src/db/report/redemptions.sql"),
    include_str!("../src/db/report/agreement_list.sql"),
    include_str!("../src/db/report/journal.sql"),
];

pub fn run(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for agreements in scale.sizes(&[AGREEMENTS], 30) {
        let shop = shop_of(agreements);
        let (mut ours, mut bare, mut written) = (Duration::MAX, Duration::MAX, 0);
        for _ in 0..scale.tries(3) {
            let out = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let (time, exported) = timed(|| {
                let ctx = Ctx::open(&shop, Some(NOW)).unwrap();
                let period = Period::new(MONTH.0.parse().unwrap(), MONTH.1.parse().unwrap()).unwrap();
                export(&ctx, &Wanted { period, out: Some(out.path().join("ours")), full: None }).unwrap()
            });
            assert!(exported.folder.join("charges.csv").exists());
            ours = ours.min(time);
            let (time, rows) = timed(|| bare_export(&shop, &out.path().join("bare")));
            bare = bare.min(time);
            written = rows;
        }
        assert!(written > 0);
        rows.push(Row {
            what: "export of a month, checked, with its workbook, beside one pass into plain CSV".into(),
            size: format!("{} rows of {} agreements", grouped(written), grouped(agreements)),
            kibble: Figure::Time(ours),
            bare: Figure::Time(bare),
            goal: None,
        });
    }
    rows
}

fn bare_export(shop: &Path, out: &Path) -> u32 {
    std::fs::create_dir(out).unwrap();
    let sql = Connection::open(shop.join("shop.db")).unwrap();
    sql.execute_batch("PRAGMA cache_size = -8192").unwrap();
    let mut count = 0;
    for (place, statement) in STATEMENTS.iter().enumerate() {
        let mut writer = csv::Writer::from_path(out.join(format!("{place}.csv"))).unwrap();
        each_row(&sql, statement, MONTH.0, MONTH.1, |row| {
            count += 1;
            for place in 0.. {
                match row.get_ref(place) {
                    Ok(ValueRef::Integer(number)) => writer.write_field(number.to_string()).unwrap(),
                    Ok(ValueRef::Text(text) | ValueRef::Blob(text)) => writer.write_field(text).unwrap(),
                    Ok(ValueRef::Null | ValueRef::Real(_)) => writer.write_field("").unwrap(),
                    Err(_) => break,
                }
            }
            writer.write_record(None::<&[u8]>).unwrap();
        });
        writer.into_inner().unwrap().sync_all().unwrap();
    }
    count
}
