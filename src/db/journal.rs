//! Entries and postings. The only writer of money's movements; it refuses an entry that does not sum to zero.

use anyhow::{Result, bail};
use chrono::NaiveDate;
use rusqlite::named_params;

use crate::db::Conn;
use crate::db::types::{Day, Instant, at, word};
use crate::domain::date::At;
use crate::domain::id::{CustomerId, EntryId};
use crate::domain::journal::{Entry, EntryKind, WALLET_BONUS, WALLET_PRINCIPAL};
use crate::domain::money::Money;

/// Books an entry at `now`, on the business day `day`. An entry whose kind and reference are booked already is refused by the
/// unique index, so nothing is booked twice.
pub fn book(conn: &Conn, entry: &Entry, day: NaiveDate, now: At) -> Result<EntryId> {
    write(conn, entry, None, day, now)
}

/// Books a correction of entry `corrects`.
pub fn correct(conn: &Conn, entry: &Entry, corrects: EntryId, day: NaiveDate, now: At) -> Result<EntryId> {
    write(conn, entry, Some(corrects), day, now)
}

fn write(conn: &Conn, entry: &Entry, corrects: Option<EntryId>, day: NaiveDate, now: At) -> Result<EntryId> {
    if !entry.balances() || entry.postings.is_empty() {
        bail!("entry {} {} does not sum to zero", entry.kind.word(), entry.reference);
    }
    let id: EntryId = conn
        .sql()
        .prepare_cached(
            "INSERT INTO entry (at, day, kind, ref, customer_id, corrects, note)
             VALUES (:at, :day, :kind, :ref, :customer, :corrects, :note) RETURNING id",
        )?
        .query_row(
            named_params! {
                ":at": Instant(now),
                ":day": Day(day),
                ":kind": entry.kind.word(),
                ":ref": entry.reference,
                ":customer": entry.customer,
                ":corrects": corrects,
                ":note": entry.note,
            },
            |row| row.get("id"),
        )?;
    let mut insert = conn.sql().prepare_cached(
        "INSERT INTO posting (entry_id, line, account, customer_id, amount)
         VALUES (:entry, :line, :account, :customer, :amount)",
    )?;
    for (line, posting) in entry.postings.iter().enumerate() {
        insert.execute(named_params! {
            ":entry": id,
            ":line": i64::try_from(line).expect("a handful of postings") + 1,
            ":account": posting.account.code(),
            ":customer": posting.account.customer().map_or(0, CustomerId::number),
            ":amount": posting.amount,
        })?;
    }
    Ok(id)
}

/// What a customer may spend: principal and bonus, both as positive amounts.
pub fn wallet(conn: &Conn, customer: CustomerId) -> Result<(Money, Money)> {
    Ok((-balance(conn, customer, WALLET_PRINCIPAL)?, -balance(conn, customer, WALLET_BONUS)?))
}

/// Sum of a customer's postings on `account`; positive means debit.
pub fn balance(conn: &Conn, customer: CustomerId, account: &str) -> Result<Money> {
    let mut query = conn.sql().prepare_cached(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS total FROM posting
         WHERE customer_id = :customer AND account = :account",
    )?;
    Ok(query.query_row(named_params! { ":customer": customer, ":account": account }, |row| row.get("total"))?)
}

/// An entry as it was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Its id.
    pub id: EntryId,
    /// When it was booked.
    pub at: At,
    /// What it is about.
    pub kind: EntryKind,
    /// The record it is about.
    pub reference: String,
    /// Accounts with their amounts.
    pub postings: Vec<(String, Money)>,
}

/// The entries about charges, refunds and settlements with these ids, in the order of booking.
pub fn about(conn: &Conn, references: &[String]) -> Result<Vec<Booked>> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = vec!["(?)"; references.len()].join(",");
    let mut query = conn.sql().prepare(&format!(
        "WITH wanted (ref) AS (VALUES {wanted})
         SELECT e.id, e.at, e.kind, e.ref, p.account, p.amount
         FROM wanted w JOIN entry e ON e.ref = w.ref AND e.kind IN ('charge','refund_due','refund_paid','settlement','recon')
         JOIN posting p ON p.entry_id = e.id
         ORDER BY e.id, p.line"
    ))?;
    let mut rows = query.query(rusqlite::params_from_iter(references))?;
    let mut found: Vec<Booked> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: EntryId = row.get("id")?;
        if found.last().is_none_or(|last| last.id != id) {
            found.push(Booked {
                id,
                at: at(row, "at")?,
                kind: word(row, "kind", EntryKind::from_word)?,
                reference: row.get("ref")?,
                postings: Vec::new(),
            });
        }
        if let Some(last) = found.last_mut() {
            last.postings.push((row.get("account")?, row.get("amount")?));
        }
    }
    Ok(found)
}

/// One movement of a customer's paid money in the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletMove {
    /// What it was about.
    pub kind: EntryKind,
    /// The record it was about.
    pub reference: String,
    /// Positive takes from the wallet, negative puts into it.
    pub amount: Money,
    /// When it was booked.
    pub at: At,
}

/// Every movement of a customer's paid money in the wallet, in the order in which they were booked.
pub fn wallet_moves(conn: &Conn, customer: CustomerId) -> Result<Vec<WalletMove>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT e.kind, e.ref, e.at, p.amount FROM posting p JOIN entry e ON e.id = p.entry_id
         WHERE p.customer_id = :customer AND p.account = :account ORDER BY p.entry_id, p.line",
    )?;
    let rows = query.query_map(named_params! { ":customer": customer, ":account": WALLET_PRINCIPAL }, |row| {
        Ok(WalletMove {
            kind: word(row, "kind", EntryKind::from_word)?,
            reference: row.get("ref")?,
            amount: row.get("amount")?,
            at: at(row, "at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
