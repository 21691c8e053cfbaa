//! Who changed what, when: rows chained by hash, so that a removed or edited row shows. Rows are appended by [`super::Db::write`]
//! and never touched again.

use anyhow::{Context, Result};
use ring::digest;
use rusqlite::named_params;

use crate::db::types::{Instant, at, instant};
use crate::db::{Conn, Hand};
use crate::domain::date::At;
use crate::domain::op::Op;

/// One row of the audit trail.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AuditRow {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When.
    pub at: At,
    /// Who: the person at the terminal, or `cron`.
    pub actor: String,
    /// On which machine.
    pub host: String,
    /// What happened, as a word: `charge_noted`.
    pub op: String,
    /// To which record, `a-7/3`; empty for several at once.
    pub entity: String,
    /// The rest, as JSON; never a name, phone or ID number.
    pub detail: String,
    /// Hash of the row before; empty for the first.
    pub prev_hash: String,
    /// SHA-256 over all of the above, hex.
    pub hash: String,
}

impl AuditRow {
    /// What the row's hash must be.
    pub fn computed_hash(&self) -> String {
        let at = instant(self.at);
        let seq = self.seq.to_string();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&self.prev_hash, &seq, &at, &self.actor, &self.host, &self.op, &self.entity, &self.detail] {
            // Each part carries its length, so that text cannot move from one column into the next unseen.
            context.update(part.len().to_string().as_bytes());
            context.update(b":");
            context.update(part.as_bytes());
        }
        hex(context.finish().as_ref())
    }
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Appends the row for `op` at the end of the chain.
pub(super) fn append(conn: &Conn, hand: &Hand, now: At, op: &Op) -> Result<()> {
    let (last, prev_hash) = head(conn)?;
    let mut row = AuditRow {
        seq: last + 1,
        at: now,
        actor: hand.actor.clone(),
        host: hand.host.clone(),
        op: op.word().to_owned(),
        entity: op.entity(),
        detail: op.detail().context("audit detail")?,
        prev_hash,
        hash: String::new(),
    };
    row.hash = row.computed_hash();
    conn.sql()
        .prepare_cached(
            "INSERT INTO audit (seq, at, actor, host, op, entity, detail, prev_hash, hash)
             VALUES (:seq, :at, :actor, :host, :op, :entity, :detail, :prev_hash, :hash)",
        )?
        .execute(named_params! {
            ":seq": row.seq,
            ":at": Instant(row.at),
            ":actor": row.actor,
            ":host": row.host,
            ":op": row.op,
            ":entity": row.entity,
            ":detail": row.detail,
            ":prev_hash": row.prev_hash,
            ":hash": row.hash,
        })?;
    Ok(())
}

/// Number and hash of the last row; 0 and empty before the first.
pub fn head(conn: &Conn) -> Result<(i64, String)> {
    let mut query = conn.sql().prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    let mut rows = query.query([])?;
    Ok(match rows.next()? {
        Some(row) => (row.get("seq")?, row.get("hash")?),
        None => (0, String::new()),
    })
}

/// The hash of row `seq`, if it exists.
pub fn hash_at(conn: &Conn, seq: i64) -> Result<Option<String>> {
    let mut query = conn.sql().prepare_cached("SELECT hash FROM audit WHERE seq = :seq")?;
    let mut rows = query.query(named_params! { ":seq": seq })?;
    Ok(rows.next()?.map(|row| row.get("hash")).transpose()?)
}

/// Visits every row from the first on.
pub fn each(conn: &Conn, mut visit: impl FnMut(AuditRow) -> Result<()>) -> Result<()> {
    let mut query = conn
        .sql()
        .prepare("SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(from_row(row)?)?;
    }
    Ok(())
}

/// The newest rows first, at most `limit`; of one record when `entity` is given.
pub fn newest(conn: &Conn, entity: Option<&str>, limit: u32) -> Result<Vec<AuditRow>> {
    let mut query = conn.sql().prepare(
        "SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit
         WHERE :entity IS NULL OR entity = :entity ORDER BY seq DESC LIMIT :limit",
    )?;
    let rows = query.query_map(named_params! { ":entity": entity, ":limit": limit }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        seq: row.get("seq")?,
        at: at(row, "at")?,
        actor: row.get("actor")?,
        host: row.get("host")?,
        op: row.get("op")?,
        entity: row.get("entity")?,
        detail: row.get("detail")?,
        prev_hash: row.get("prev_hash")?,
        hash: row.get("hash")?,
    })
}
