//! What changed in the books since somebody last looked, as it stands in the tables: for whoever judges the laws without believing the
//! code that wrote the rows. Shares no query with the rest of the room, and decides nothing.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::named_params;

use crate::db::Conn;
use crate::db::types::{Cells, Instant};
use crate::domain::date::At;

/// How far somebody has looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Charges from this one on may have changed.
    pub charge: i64,
    /// Entries after this one are new.
    pub entry: i64,
    /// Points after this row are new.
    pub points: i64,
    /// Messages from this one on may have changed.
    pub message: i64,
    /// Audit rows after this one are new.
    pub audit: i64,
    /// Orders after this one are new.
    pub order: i64,
}

/// A charge with its installment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct ChargeRow {
    pub id: i64,
    pub agreement: i64,
    pub term: u32,
    pub attempt: u32,
    pub kind: String,
    pub mandate: Option<i64>,
    pub rail: String,
    pub order_no: String,
    pub amount: i64,
    pub state: String,
    pub reason: Option<String>,
    pub code: String,
    pub noted_at: At,
    pub answered_at: Option<At>,
    pub term_state: String,
    pub due: NaiveDate,
    pub customer: i64,
}

/// A posting with its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct PostingRow {
    pub entry: i64,
    pub kind: String,
    pub reference: String,
    pub account: String,
    pub customer: i64,
    pub amount: i64,
    pub note: String,
}

/// A grant of points.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct PointsRow {
    pub id: i64,
    pub kind: String,
    pub reference: String,
    pub points: i64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct MessageRow {
    pub id: i64,
    pub event: String,
    pub template: String,
    pub audience: String,
    pub agreement: Option<i64>,
    pub term: Option<u32>,
    pub params: String,
    pub state: String,
    pub created_at: At,
}

/// A mandate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct MandateRow {
    pub id: i64,
    pub agreement: i64,
    pub state: String,
}

/// An agreement with its pet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct AgreementRow {
    pub id: i64,
    pub state: String,
    pub pet: String,
}

/// A line of an order that the wallet paid for in part or whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct LineRow {
    pub order: i64,
    pub sku: String,
    pub wallet_part: i64,
}

/// A row of the audit trail as it is spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct TrailRow {
    pub seq: i64,
    pub columns: [String; 6],
    pub prev_hash: String,
    pub hash: String,
}

/// Charges that are new or may have changed.
pub fn charges(conn: &Conn, from: i64) -> Result<Vec<ChargeRow>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT c.id, c.agreement_id, c.term, c.attempt, c.kind, c.mandate_id, c.rail, c.order_no, c.amount, c.state, c.reason,
                c.code, c.noted_at, c.answered_at, i.state AS term_state, i.due, a.customer_id
         FROM charge c JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
         JOIN agreement a ON a.id = c.agreement_id WHERE c.id >= :from ORDER BY c.id",
    )?;
    let rows = query.query_map(named_params! { ":from": from }, |row| {
        let mut cells = Cells::of(row);
        Ok(ChargeRow {
            id: cells.get()?,
            agreement: cells.get()?,
            term: cells.get()?,
            attempt: cells.get()?,
            kind: cells.get()?,
            mandate: cells.get()?,
            rail: cells.get()?,
            order_no: cells.get()?,
            amount: cells.get()?,
            state: cells.get()?,
            reason: cells.get()?,
            code: cells.get()?,
            noted_at: cells.at()?,
            answered_at: cells.maybe_at()?,
            term_state: cells.get()?,
            due: cells.day()?,
            customer: cells.get()?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Postings of new entries, entry by entry.
pub fn postings(conn: &Conn, after: i64) -> Result<Vec<PostingRow>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT e.id, e.kind, e.ref, p.account, p.customer_id, p.amount, e.note
         FROM entry e JOIN posting p ON p.entry_id = e.id WHERE e.id > :after ORDER BY e.id, p.line",
    )?;
    let rows = query.query_map(named_params! { ":after": after }, |row| {
        let mut cells = Cells::of(row);
        Ok(PostingRow {
            entry: cells.get()?,
            kind: cells.get()?,
            reference: cells.get()?,
            account: cells.get()?,
            customer: cells.get()?,
            amount: cells.get()?,
            note: cells.get()?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// New grants of points.
pub fn points(conn: &Conn, after: i64) -> Result<Vec<PointsRow>> {
    let mut query =
        conn.sql().prepare_cached("SELECT id, kind, ref, points FROM points WHERE id > :after ORDER BY id")?;
    let rows = query.query_map(named_params! { ":after": after }, |row| {
        Ok(PointsRow {
            id: row.get("id")?,
            kind: row.get("kind")?,
            reference: row.get("ref")?,
            points: row.get("points")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Messages that are new or may have changed.
pub fn messages(conn: &Conn, from: i64) -> Result<Vec<MessageRow>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT id, event, template, audience, agreement_id, term, params, state, created_at FROM message
         WHERE id >= :from ORDER BY id",
    )?;
    let rows = query.query_map(named_params! { ":from": from }, |row| {
        let mut cells = Cells::of(row);
        Ok(MessageRow {
            id: cells.get()?,
            event: cells.get()?,
            template: cells.get()?,
            audience: cells.get()?,
            agreement: cells.get()?,
            term: cells.get()?,
            params: cells.get()?,
            state: cells.get()?,
            created_at: cells.at()?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every mandate.
pub fn mandates(conn: &Conn) -> Result<Vec<MandateRow>> {
    let mut query = conn.sql().prepare_cached("SELECT id, agreement_id, state FROM mandate ORDER BY id")?;
    let rows = query.query_map([], |row| {
        let mut cells = Cells::of(row);
        Ok(MandateRow { id: cells.get()?, agreement: cells.get()?, state: cells.get()? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every agreement.
pub fn agreements(conn: &Conn) -> Result<Vec<AgreementRow>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT a.id, a.state, p.status FROM agreement a JOIN pet p ON p.id = a.pet_id ORDER BY a.id",
    )?;
    let rows = query.query_map([], |row| {
        let mut cells = Cells::of(row);
        Ok(AgreementRow { id: cells.get()?, state: cells.get()?, pet: cells.get()? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Customers whose agreements were all settled or never ran, and whose wallet is not empty: number, and fen.
pub fn left_with_nobody(conn: &Conn) -> Result<Vec<(i64, i64)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT customer_id, -SUM(amount) AS fen FROM posting
         WHERE account = 'wallet:principal'
           AND customer_id IN (SELECT customer_id FROM agreement GROUP BY customer_id
                               HAVING SUM(state = 'ended') > 0 AND SUM(state NOT IN ('ended','cancelled')) = 0)
         GROUP BY customer_id HAVING SUM(amount) <> 0 ORDER BY customer_id",
    )?;
    let rows = query.query_map([], |row| Ok((row.get("customer_id")?, row.get("fen")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What wallets paid for in new orders.
pub fn wallet_lines(conn: &Conn, after: i64) -> Result<Vec<LineRow>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT order_id, sku, wallet_part FROM order_line WHERE order_id > :after AND wallet_part > 0 ORDER BY order_id, line",
    )?;
    let rows = query.query_map(named_params! { ":after": after }, |row| {
        Ok(LineRow { order: row.get("order_id")?, sku: row.get("sku")?, wallet_part: row.get("wallet_part")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Codes of what the wallet may not pay for: by its own mark, or by its category.
pub fn not_for_wallets(conn: &Conn, categories: &[String]) -> Result<Vec<String>> {
    let mut query = conn.sql().prepare_cached("SELECT sku, category, wallet_ok FROM item ORDER BY sku")?;
    let mut rows = query.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (category, own): (String, Option<bool>) = (row.get("category")?, row.get("wallet_ok")?);
        if !own.unwrap_or(categories.contains(&category)) {
            found.push(row.get("sku")?);
        }
    }
    Ok(found)
}

/// New rows of the audit trail: `at`, `actor`, `host`, `op`, `entity` and `detail` as they are spelled.
pub fn trail(conn: &Conn, after: i64) -> Result<Vec<TrailRow>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT seq, at, actor, host, op, entity, detail, prev_hash, hash FROM audit WHERE seq > :after ORDER BY seq",
    )?;
    let rows = query.query_map(named_params! { ":after": after }, |row| {
        let mut cells = Cells::of(row);
        Ok(TrailRow {
            seq: cells.get()?,
            columns: [cells.get()?, cells.get()?, cells.get()?, cells.get()?, cells.get()?, cells.get()?],
            prev_hash: cells.get()?,
            hash: cells.get()?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Terms whose notice was given at signing, which need no announcement.
pub fn announced_at_signing(conn: &Conn, before: At) -> Result<Vec<(i64, u32)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT agreement_id, term FROM notice WHERE kind = 'signing' AND given_at <= :before ORDER BY 1, 2",
    )?;
    let rows = query.query_map(named_params! { ":before": Instant(before) }, |row| {
        Ok((row.get("agreement_id")?, row.get("term")?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
