//! A simulated year with its faults and its laws, beside a program that makes one commit of one row for each of its steps.

use std::time::Duration;

use kibble::ops::simulate::{DAYS_OF_YEAR, Plot, Wanted, simulate};
use rusqlite::Connection;

use crate::table::{Figure, Row, Scale, grouped, timed};

pub fn run(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for agreements in scale.sizes(&[300, 1_000], 3) {
        let (mut ours, mut bare, mut steps) = (Duration::MAX, Duration::MAX, 0);
        for _ in 0..scale.tries(if agreements > 300 { 1 } else { 3 }) {
            let days = if scale.small { 20 } else { DAYS_OF_YEAR };
            let plot = Plot { seed: 7, days, agreements, faults: true };
            let (time, told) = timed(|| simulate(&Wanted { plot, seeds: 1 }, &mut |_| {}).unwrap());
            assert!(told.holds(), "{told:?}");
            ours = ours.min(time);
            steps = told.counts.steps;
            bare = bare.min(timed(|| commits(steps)).0);
        }
        rows.push(Row {
            what: format!(
                "simulated year of {} steps, beside a commit for each step",
                grouped(steps.try_into().unwrap())
            ),
            size: format!("{} agreements", grouped(agreements)),
            kibble: Figure::Time(ours),
            bare: Figure::Time(bare),
            goal: None,
        });
    }
    rows
}

/// That many commits, as safe or unsafe as those of the simulation.
fn commits(count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let sql = Connection::open(folder.path().join("bare.db")).unwrap();
    sql.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE step (id INTEGER PRIMARY KEY, said TEXT);",
    )
    .unwrap();
    for _ in 0..count {
        sql.prepare_cached("INSERT INTO step (said) VALUES ('one step of a simulated year')")
            .unwrap()
            .execute([])
            .unwrap();
    }
}
