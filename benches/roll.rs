//! Rolling forward: a run that finds nothing to do, which a shop has every hour, and the run in which every agreement is at its end.

use std::path::Path;
use std::time::Duration;

use kibble::ops::debit::report::RunReport;
use kibble::ops::debit::{self, Options};
use rusqlite::{Connection, params};

use crate::debit::deliver;
use crate::seed::{self, Seed, at, instant_ctx, key_path};
use crate::table::{Figure, Row, Scale, grouped, timed};

const NOW: &str = "2026-11-05T09:00";

pub fn run(scale: &Scale) -> Vec<Row> {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut rows = Vec::new();
    for size in scale.sizes(&[10_000], 20) {
        let idle = root.path().join(format!("idle-{size}"));
        seed_shop(&idle, size);
        // The first run tells everybody what there is to tell; from then on there is nothing.
        ran(&idle);
        checkpoint(&idle);
        let ended = root.path().join(format!("ended-{size}"));
        seed_shop(&ended, size);
        Connection::open(ended.join("shop.db"))
            .unwrap()
            .execute_batch(
                "UPDATE installment SET state = 'paid', paid_at = due || 'T01:00:00Z';
                 UPDATE agreement SET ends_on = '2026-11-04'; PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
        let (mut ours, mut bare) = (Duration::MAX, Duration::MAX);
        let (mut ours_ended, mut bare_ended) = (Duration::MAX, Duration::MAX);
        for _ in 0..scale.tries(3) {
            let (time, report) = ran(seed::fresh(&idle));
            assert_eq!((report.charged, report.completed, report.messages_sent), (0, 0, 0), "{report:?}");
            ours = ours.min(time);
            bare = bare.min(bare_idle(seed::fresh(&idle)));
            let (time, report) = ran(seed::fresh(&ended));
            assert_eq!((report.completed, report.mandates_closed), (size.into(), size.into()), "{report:?}");
            ours_ended = ours_ended.min(time);
            bare_ended = bare_ended.min(bare_completion(seed::fresh(&ended)));
        }
        let row = |what: &str, kibble, bare| Row {
            what: what.to_owned(),
            size: format!("{} agreements", grouped(size)),
            kibble: Figure::Time(kibble),
            bare: Figure::Time(bare),
            goal: None,
        };
        rows.push(row("run with nothing to do, beside one look at what is open and the rows of a run", ours, bare));
        rows.push(row("run that completes every agreement, beside its rows alone", ours_ended, bare_ended));
    }
    rows
}

/// Opening the shop and one run.
fn ran(folder: &Path) -> (Duration, RunReport) {
    let (time, outcome) = timed(|| {
        let ctx = instant_ctx(folder, NOW, 32, false);
        debit::run(&ctx, &Options { confirm_backlog: true, ..Options::default() }).unwrap()
    });
    let debit::Outcome::Ran(report) = outcome else { panic!("another run") };
    (time, *report)
}

fn bare_idle(folder: &Path) -> Duration {
    let look = |sql: &Connection| {
        let mut open = sql
            .prepare("SELECT agreement_id, term, due FROM installment WHERE state = 'open' AND due <= '2026-11-08'")
            .unwrap();
        assert!(!open.exists([]).unwrap());
    };
    timed(|| {
        let sql = seed::bare(folder);
        sql.execute_batch(
            "BEGIN IMMEDIATE; INSERT INTO run (started_at, host, report) VALUES ('2026-11-05T01:00:00Z', 'bench', '');",
        )
        .unwrap();
        seed::audit(&sql, "{}");
        sql.execute_batch("COMMIT").unwrap();
        look(&sql);
        sql.execute_batch("BEGIN IMMEDIATE; UPDATE run SET ended_at = '2026-11-05T01:00:00Z';").unwrap();
        seed::audit(&sql, "{}");
        sql.execute_batch("COMMIT").unwrap();
    })
    .0
}

/// A commit for each agreement, as kibble makes it, and the rails' word about the mandates afterwards.
fn bare_completion(folder: &Path) -> Duration {
    let at = "2026-11-05T01:00:00Z";
    timed(|| {
        let sql = seed::bare(folder);
        let ids: Vec<i64> = sql
            .prepare("SELECT id FROM agreement WHERE state = 'active' AND ends_on < '2026-11-05'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let run = |text: &str, values: &[&dyn rusqlite::ToSql]| sql.prepare_cached(text).unwrap().execute(values).unwrap();
        for id in &ids {
            sql.execute_batch("BEGIN IMMEDIATE").unwrap();
            run("UPDATE agreement SET state = 'completed', ended_at = ?2, end_cause = 'completed' WHERE id = ?1", &[id, &at]);
            run("UPDATE mandate SET state = 'closing', end_cause = 'completed' WHERE agreement_id = ?1", &[id]);
            run(
                "INSERT INTO message (event, template, audience, customer_id, agreement_id, lang, params, created_at, not_before, state, said, tries, refused)
                 VALUES (?1, 'contract_completed', 'customer', ?2, ?2, 'zh', ?3, ?4, ?4, 'queued', '', 0, '')",
                &[&format!("contract_completed:a-{id}"), id, &r#"{"balance":"0.00","no":"KB-2026-000001"}"#, &at],
            );
            seed::audit(&sql, r#"{"agreement":"a-1","state":"completed","reason":"completed"}"#);
            sql.execute_batch("COMMIT").unwrap();
        }
        for id in &ids {
            sql.execute_batch("BEGIN IMMEDIATE").unwrap();
            sql.prepare_cached("UPDATE mandate SET state = 'closed', ended_at = ?2 WHERE agreement_id = ?1")
                .unwrap()
                .execute(params![id, at])
                .unwrap();
            seed::audit(&sql, r#"{"mandate":"m-1","state":"closed"}"#);
            sql.execute_batch("COMMIT").unwrap();
        }
        deliver(&sql);
    })
    .0
}

fn checkpoint(folder: &Path) {
    let sql = Connection::open(folder.join("shop.db")).unwrap();
    sql.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
}

/// Agreements whose open term is a month away.
fn seed_shop(folder: &Path, size: u32) {
    let seed = Seed {
        folder,
        key: &key_path(folder),
        size,
        now: at("2026-11-01T09:00"),
        signed_on: "2026-11-01".parse().unwrap(),
        due: "2026-12-01".parse().unwrap(),
        term: 1,
        charge_from: at("2026-11-30T08:00"),
    };
    seed::shop(&seed, |number| format!("P{number}"));
}
