//! What the doctor looks at: the file itself, and counts of what waits. Owns no judgement: what is too much is `ops/doctor.rs`.

use anyhow::Result;
use rusqlite::named_params;

use crate::db::types::{Instant, maybe_at};
use crate::db::{Conn, Db};
use crate::domain::date::At;

/// The state of the database file.
#[derive(Clone, Debug)]
pub struct FileState {
    /// Whether readers and the writer do not wait for each other.
    pub has_log: bool,
    /// What a quick look through its pages found; `None` when nothing.
    pub damage: Option<String>,
}

/// Something that waits, and since when the oldest does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub count: u64,
    /// The oldest.
    pub since: Option<At>,
}

/// Looks through the file's pages.
///
/// # Errors
/// When the file cannot be read.
pub fn file_state(db: &Db) -> Result<FileState> {
    let sql = db.read().sql();
    let mode: String = sql.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let said: String = sql.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(FileState { has_log: mode == "wal", damage: (said != "ok").then_some(said) })
}

/// Charges whose outcome nobody knows. The first condition is that of the index of open ones, here and for refunds.
pub fn unknown_charges(conn: &Conn) -> Result<Backlog> {
    backlog(
        conn,
        "SELECT CAST(count(*) AS BIGINT) AS number, MIN(asked_at) AS since FROM charge
         WHERE state IN ('noted','pending','unknown') AND state = 'unknown'",
    )
}

/// Refunds whose outcome nobody knows.
pub fn unknown_refunds(conn: &Conn) -> Result<Backlog> {
    backlog(
        conn,
        "SELECT CAST(count(*) AS BIGINT) AS number, MIN(asked_at) AS since FROM refund
         WHERE state IN ('noted','pending','unknown') AND state = 'unknown'",
    )
}

/// Messages that could have been sent before a moment and still wait.
pub fn late_messages(conn: &Conn, before: At) -> Result<Backlog> {
    let mut query = conn.sql().prepare(
        "SELECT CAST(count(*) AS BIGINT) AS number, MIN(not_before) AS since FROM message
         WHERE state = 'queued' AND not_before < :before",
    )?;
    Ok(query.query_row(named_params! { ":before": Instant(before) }, from_row)?)
}

/// Messages of whose fate nobody knows.
pub fn messages_in_doubt(conn: &Conn) -> Result<Backlog> {
    backlog(
        conn,
        "SELECT CAST(count(*) AS BIGINT) AS number, MIN(created_at) AS since FROM message WHERE state = 'sending'",
    )
}

/// Messages made since a moment that no channel took.
pub fn failed_messages(conn: &Conn, since: At) -> Result<Backlog> {
    let mut query = conn.sql().prepare(
        "SELECT CAST(count(*) AS BIGINT) AS number, MIN(created_at) AS since FROM message
         WHERE state = 'failed' AND created_at >= :since",
    )?;
    Ok(query.query_row(named_params! { ":since": Instant(since) }, from_row)?)
}

/// When the last backup was made, wherever it went.
pub fn last_backup(conn: &Conn) -> Result<Option<At>> {
    let mut query = conn.sql().prepare("SELECT at FROM audit WHERE op = 'backed_up' ORDER BY seq DESC LIMIT 1")?;
    let mut rows = query.query([])?;
    match rows.next()? {
        Some(row) => Ok(maybe_at(row, "at")?),
        None => Ok(None),
    }
}

fn backlog(conn: &Conn, sql: &str) -> Result<Backlog> {
    Ok(conn.sql().prepare(sql)?.query_row([], from_row)?)
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Backlog> {
    Ok(Backlog { count: row.get::<_, i64>("number")?.unsigned_abs(), since: maybe_at(row, "since")? })
}
