//! Flags on agreements, with the reason they stand for and the reason they were cleared for.

use anyhow::Result;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::customer::label_of;
use crate::db::types::{Instant, at, maybe_at};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId};

const COLUMNS: &str = "agreement_id, kind, since, reason, cleared_at, cleared_by, clear_reason";

/// A flag.
#[derive(Clone, Debug, Serialize)]
pub struct Flag {
    /// On which agreement.
    pub agreement: AgreementId,
    /// `high_risk`.
    pub kind: String,
    /// Since when.
    pub since: At,
    /// Why.
    pub reason: String,
    /// When it was cleared.
    pub cleared_at: Option<At>,
    /// By whom; `payment` for a late payment.
    pub cleared_by: Option<String>,
    /// Why.
    pub clear_reason: Option<String>,
}

/// Raises the high-risk flag; one that stands is left. Returns whether it was raised.
pub fn raise(conn: &Conn, agreement: AgreementId, reason: &str, now: At) -> Result<bool> {
    let raised = conn.sql().execute(
        "INSERT INTO flag (agreement_id, kind, since, reason) VALUES (:agreement, 'high_risk', :at, :reason)
         ON CONFLICT (agreement_id, kind) WHERE cleared_at IS NULL DO NOTHING",
        named_params! { ":agreement": agreement, ":at": Instant(now), ":reason": reason },
    )?;
    Ok(raised > 0)
}

/// Clears the standing flag. Returns whether there was one.
pub fn clear(conn: &Conn, agreement: AgreementId, by: &str, reason: &str, now: At) -> Result<bool> {
    let cleared = conn
        .sql()
        .prepare_cached(
            "UPDATE flag SET cleared_at = :at, cleared_by = :by, clear_reason = :reason
             WHERE agreement_id = :agreement AND cleared_at IS NULL",
        )?
        .execute(named_params! { ":at": Instant(now), ":by": by, ":reason": reason, ":agreement": agreement })?;
    Ok(cleared > 0)
}

/// Flags of one agreement, or every standing one, oldest first.
pub fn list(conn: &Conn, agreement: Option<AgreementId>) -> Result<Vec<Flag>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM flag
         WHERE (:agreement IS NULL AND cleared_at IS NULL) OR agreement_id = :agreement ORDER BY since, id"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every standing flag with its customer and masked label, oldest first.
pub fn standing<T>(conn: &Conn, mut make: impl FnMut(Flag, CustomerId, String) -> T) -> Result<Vec<T>> {
    let mut query = conn.sql().prepare(
        "SELECT f.agreement_id, f.kind, f.since, f.reason, f.cleared_at, f.cleared_by, f.clear_reason,
                a.customer_id, u.wrapped_key, u.name, u.phone
         FROM flag f JOIN agreement a ON a.id = f.agreement_id JOIN customer u ON u.id = a.customer_id
         WHERE f.cleared_at IS NULL ORDER BY f.since, f.id",
    )?;
    let mut rows = query.query([])?;
    let mut flags = Vec::new();
    while let Some(row) = rows.next()? {
        flags.push(make(from_row(row)?, row.get("customer_id")?, label_of(conn, row)?));
    }
    Ok(flags)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Flag> {
    Ok(Flag {
        agreement: row.get("agreement_id")?,
        kind: row.get("kind")?,
        since: at(row, "since")?,
        reason: row.get("reason")?,
        cleared_at: maybe_at(row, "cleared_at")?,
        cleared_by: row.get("cleared_by")?,
        clear_reason: row.get("clear_reason")?,
    })
}
