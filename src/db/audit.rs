//! Who changed what, when: rows chained by hash, so that a removed or edited row shows. Rows are appended by [`super::Db::write`]
//! and never touched again.

use anyhow::{Context, Result};
use ring::digest;
use rusqlite::named_params;

use crate::db::types::{Instant, at, instant};
use crate::db::{Conn, Hand};
use crate::domain::date::At;
use crate::domain::op::Op;
use crate::planted::{self, Mistake};

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
        let (seq, at) = (self.seq.to_string(), instant(self.at));
        hash_of([&self.prev_hash, &seq, &at, &self.actor, &self.host, &self.op, &self.entity, &self.detail])
    }
}

/// SHA-256 over the columns of a row as they are spelled in the file.
fn hash_of(parts: [&str; 8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        // Each part carries its length, so that text cannot move from one column into the next unseen.
        context.update(part.len().to_string().as_bytes());
        context.update(b":");
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())
}

/// Why the chain does not hold at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    /// The rows before it are missing.
    Gap,
    /// It does not follow the row before it: that one was replaced.
    Link,
    /// Its own columns were changed.
    Edited,
}

/// The chain from its beginning to its end, or to the first row that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Chain {
    /// How many rows hold.
    pub sound: u64,
    /// The first row that does not, and why.
    pub broken: Option<(i64, Break)>,
}

/// Walks the chain and recomputes every hash; `step` hears of every thousand rows.
pub fn walk(conn: &Conn, mut step: impl FnMut(u64)) -> Result<Chain> {
    const STEP_ROWS: u64 = 1_000;
    let mut query = conn
        .sql()
        .prepare("SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    let mut chain = Chain { sound: 0, broken: None };
    let (mut last, mut last_hash) = (0_i64, String::new());
    while let Some(row) = rows.next()? {
        // The columns as they stand, because an edited one need not read as what it should be.
        let text = |column: &str| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let seq: i64 = row.get("seq")?;
        let (prev, hash) = (text("prev_hash")?, text("hash")?);
        let computed = hash_of([
            prev,
            &seq.to_string(),
            text("at")?,
            text("actor")?,
            text("host")?,
            text("op")?,
            text("entity")?,
            text("detail")?,
        ]);
        let broken = match () {
            () if seq != last + 1 => Some(Break::Gap),
            () if computed != hash => Some(Break::Edited),
            () if prev != last_hash => Some(Break::Link),
            () => None,
        };
        if let Some(broken) = broken {
            chain.broken = Some((seq, broken));
            return Ok(chain);
        }
        (last, last_hash) = (seq, hash.to_owned());
        chain.sound += 1;
        if chain.sound.is_multiple_of(STEP_ROWS) {
            step(STEP_ROWS);
        }
    }
    Ok(chain)
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("four bits are a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Appends the row for `op` at the end of the chain.
pub(super) fn append(conn: &Conn, hand: &Hand, now: At, op: &Op) -> Result<()> {
    let (last, mut prev_hash) = head(conn)?;
    if planted::is(Mistake::LooseAudit) {
        prev_hash = hash_at(conn, last - 1)?.unwrap_or_default();
    }
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

/// The machine that wrote the last row, and when; empty before the first.
pub fn last_host(conn: &Conn) -> Result<(String, Option<At>)> {
    let mut query = conn.sql().prepare_cached("SELECT host, at FROM audit ORDER BY seq DESC LIMIT 1")?;
    let mut rows = query.query([])?;
    Ok(match rows.next()? {
        Some(row) => (row.get("host")?, Some(at(row, "at")?)),
        None => (String::new(), None),
    })
}

/// The hash of row `seq`, if it exists.
pub fn hash_at(conn: &Conn, seq: i64) -> Result<Option<String>> {
    let mut query = conn.sql().prepare_cached("SELECT hash FROM audit WHERE seq = :seq")?;
    let mut rows = query.query(named_params! { ":seq": seq })?;
    Ok(rows.next()?.map(|row| row.get("hash")).transpose()?)
}

/// The last row that two databases of one shop have in common; 0 without any. Each row's hash covers all before it, so what they share
/// is a beginning.
pub fn last_common(ours: &Conn, theirs: &Conn) -> Result<i64> {
    let (mut low, mut high) = (0, head(ours)?.0.min(head(theirs)?.0));
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if hash_at(ours, middle)? == hash_at(theirs, middle)? {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

/// When the database was adopted last, if it ever was.
pub fn last_adoption(conn: &Conn) -> Result<Option<At>> {
    let mut query =
        conn.sql().prepare_cached("SELECT at FROM audit WHERE op = 'shop_adopted' ORDER BY seq DESC LIMIT 1")?;
    let mut rows = query.query([])?;
    Ok(rows.next()?.map(|row| at(row, "at")).transpose()?)
}

/// Whether the database was adopted after row `seq`.
pub fn is_adopted_after(conn: &Conn, seq: i64) -> Result<bool> {
    let mut query = conn.sql().prepare_cached("SELECT 1 FROM audit WHERE op = 'shop_adopted' AND seq > :seq")?;
    Ok(query.exists(named_params! { ":seq": seq })?)
}

/// When the last change was made before the database was restored, if it was restored and not adopted since; else when the last one was
/// made. `None` before the first.
pub fn last_before_restore(conn: &Conn) -> Result<Option<At>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT at FROM audit
         WHERE seq < COALESCE((SELECT MIN(r.seq) FROM audit r WHERE r.op = 'restored'
                                 AND r.seq > COALESCE((SELECT MAX(a.seq) FROM audit a WHERE a.op = 'shop_adopted'), 0)),
                              (SELECT MAX(m.seq) + 1 FROM audit m))
         ORDER BY seq DESC LIMIT 1",
    )?;
    let mut rows = query.query([])?;
    Ok(rows.next()?.map(|row| at(row, "at")).transpose()?)
}

/// The rows after row `seq` of any of these words, oldest first.
pub fn after(conn: &Conn, seq: i64, ops: &[&str]) -> Result<Vec<AuditRow>> {
    let wanted = vec!["?"; ops.len()].join(",");
    let mut query = conn.sql().prepare(&format!(
        "SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit
         WHERE op IN ({wanted}) AND seq > {seq} ORDER BY seq"
    ))?;
    let rows = query.query_map(rusqlite::params_from_iter(ops), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest rows first, at most `limit`, not older than `since`; of one record when `entity` is given, also where it was one of
/// several.
pub fn newest(conn: &Conn, entity: Option<&str>, since: Option<At>, limit: u32) -> Result<Vec<AuditRow>> {
    let mut query = conn.sql().prepare(
        "SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit
         WHERE (:entity IS NULL OR entity = :entity OR detail LIKE '%\"' || :entity || '\"%')
           AND (:since IS NULL OR at >= :since) ORDER BY seq DESC LIMIT :limit",
    )?;
    let values = named_params! { ":entity": entity, ":since": since.map(Instant), ":limit": limit };
    let rows = query.query_map(values, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest rows about any of these records, oldest first, at most `limit`; also where a record was one of several. One walk along
/// the trail, whatever the number of records.
pub fn about(conn: &Conn, records: &[String], limit: u32) -> Result<Vec<AuditRow>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = vec!["(?)"; records.len()].join(",");
    let mut query = conn.sql().prepare(&format!(
        "WITH wanted (record) AS (VALUES {wanted})
         SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit a
         WHERE EXISTS (SELECT 1 FROM wanted w WHERE a.entity = w.record OR a.detail LIKE '%\"' || w.record || '\"%')
         ORDER BY seq DESC LIMIT {limit}"
    ))?;
    let rows = query.query_map(rusqlite::params_from_iter(records), from_row)?;
    let mut rows: Vec<AuditRow> = rows.collect::<rusqlite::Result<_>>()?;
    rows.reverse();
    Ok(rows)
}

/// The rows whose own record is one of these, oldest first.
pub fn of_records(conn: &Conn, records: &[String]) -> Result<Vec<AuditRow>> {
    let wanted = vec!["?"; records.len()].join(",");
    let mut query = conn.sql().prepare(&format!(
        "SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit WHERE entity IN ({wanted}) ORDER BY seq"
    ))?;
    let rows = query.query_map(rusqlite::params_from_iter(records), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest adoption of a restored or copied database since the last debit run began, with its detail.
pub fn adopted_since_run(conn: &Conn) -> Result<Option<(At, String)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT at, detail FROM audit
         WHERE op = 'shop_adopted'
           AND seq > COALESCE((SELECT r.seq FROM audit r WHERE r.op = 'run_started' ORDER BY r.seq DESC LIMIT 1), 0)
         ORDER BY seq DESC LIMIT 1",
    )?;
    let mut rows = query.query([])?;
    Ok(rows.next()?.map(|row| Ok::<_, rusqlite::Error>((at(row, "at")?, row.get("detail")?))).transpose()?)
}

/// The details of every row of one word, oldest first.
pub fn details(conn: &Conn, op: &str) -> Result<Vec<(String, String)>> {
    let mut query = conn.sql().prepare("SELECT entity, detail FROM audit WHERE op = :op ORDER BY seq")?;
    let rows = query.query_map(named_params! { ":op": op }, |row| Ok((row.get("entity")?, row.get("detail")?)))?;
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
