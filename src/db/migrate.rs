//! Brings the tables up to date: a numbered list, and `user_version` says how many have run. A shipped step is never edited.

use anyhow::{Context, Result};
use rusqlite::Connection;

use crate::fault::Fault;
use crate::t;

/// The steps, in order.
const STEPS: &[&str] = &[include_str!("migrations/0001_init.sql")];

/// Marks the file as kibble's (`PRAGMA application_id`, "kibl").
const APPLICATION_ID: i64 = 0x6b69_626c;

/// Runs the steps that are missing, one transaction each, so that two commands that start together do not collide.
pub(super) fn run(sql: &Connection) -> Result<()> {
    let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = newest();
    if version > known {
        return Err(too_new(version).into());
    }
    let application: i64 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Fault::refused(t!("shop.db is a database of some other program"))
            .hint(t!("name the shop's folder with --shop"))
            .into());
    }
    for number in version..known {
        step(sql, number)?;
    }
    Ok(())
}

/// The newest format that this kibble knows.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// The format of a file, without changing it; `None` when it is not kibble's.
pub(super) fn version_of(sql: &Connection) -> Result<Option<i64>> {
    let application: i64 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application == APPLICATION_ID && version > 0).then_some(version))
}

/// A file of a newer kibble.
pub(super) fn too_new(version: i64) -> Fault {
    Fault::refused(t!(
        "this shop database is of a newer kibble (format {version}; this one knows up to {known})",
        version = version,
        known = newest()
    ))
    .hint(t!("install the newer kibble on this machine; nothing was changed"))
}

fn step(sql: &Connection, number: i64) -> Result<()> {
    sql.execute_batch("BEGIN IMMEDIATE")?;
    let done = (|| {
        let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != number {
            return Ok(());
        }
        let place = usize::try_from(number).expect("steps are counted from zero");
        sql.execute_batch(STEPS[place]).with_context(|| format!("migration {}", number + 1))?;
        sql.pragma_update(None, "application_id", APPLICATION_ID)?;
        sql.pragma_update(None, "user_version", number + 1)?;
        anyhow::Ok(())
    })();
    match done {
        Ok(()) => Ok(sql.execute_batch("COMMIT")?),
        Err(error) => {
            drop(sql.execute_batch("ROLLBACK"));
            Err(error)
        }
    }
}
