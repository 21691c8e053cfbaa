//! Debit runs: when each began and ended, and what it reported.

use anyhow::Result;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at};
use crate::domain::date::At;
use crate::domain::id::RunId;

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// When it began.
    pub started_at: At,
    /// When it ended; `None` while it runs or after a crash.
    pub ended_at: Option<At>,
    /// On which machine.
    pub host: String,
    /// What it reported, as JSON.
    pub report: String,
}

/// A run begins.
pub fn start(conn: &Conn, host: &str, now: At) -> Result<RunId> {
    Ok(conn.sql().query_row(
        "INSERT INTO run (started_at, host, report) VALUES (:at, :host, '{}') RETURNING id",
        named_params! { ":at": Instant(now), ":host": host },
        |row| row.get("id"),
    )?)
}

/// A run ends with its report.
pub fn end(conn: &Conn, id: RunId, report: &str, now: At) -> Result<()> {
    conn.sql().execute(
        "UPDATE run SET ended_at = :at, report = :report WHERE id = :id",
        named_params! { ":at": Instant(now), ":report": report, ":id": id },
    )?;
    Ok(())
}

/// The newest run, if there was one.
pub fn last(conn: &Conn) -> Result<Option<Run>> {
    let mut query =
        conn.sql().prepare_cached("SELECT id, started_at, ended_at, host, report FROM run ORDER BY id DESC LIMIT 1")?;
    let mut rows = query.query([])?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// The newest run that ended, and the runs after it, oldest first: all of those were cut off, as long as none is at work.
pub fn since_last_end(conn: &Conn) -> Result<Vec<Run>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT id, started_at, ended_at, host, report FROM run
         WHERE id >= COALESCE((SELECT e.id FROM run e WHERE e.ended_at IS NOT NULL ORDER BY e.id DESC LIMIT 1), 0) ORDER BY id",
    )?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The run with this id.
pub fn get(conn: &Conn, id: RunId) -> Result<Option<Run>> {
    let mut query =
        conn.sql().prepare_cached("SELECT id, started_at, ended_at, host, report FROM run WHERE id = :id")?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get("id")?,
        started_at: at(row, "started_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        host: row.get("host")?,
        report: row.get("report")?,
    })
}
