//! Read-only views of the wallet: it has no table of its own, it is the sum of a customer's postings in the journal.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::named_params;

use crate::db::Conn;
use crate::db::types::{Day, at, day, word};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, EntryId, InstallmentId};
use crate::domain::journal::{EntryKind, WALLET_BONUS, WALLET_PRINCIPAL};
use crate::domain::money::Money;

/// An entry as the wallet sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The entry.
    pub entry: EntryId,
    /// When it was booked.
    pub at: At,
    /// The shop's date then.
    pub day: NaiveDate,
    /// What it is about.
    pub kind: EntryKind,
    /// The record it is about.
    pub reference: String,
    /// What came in; negative for what went out.
    pub amount: Money,
    /// What the wallet held afterwards.
    pub balance: Money,
}

/// Visits a customer's wallet entries from the day `from` to the day `to`, oldest first, each with the balance after it.
pub fn each(
    conn: &Conn,
    customer: CustomerId,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    mut visit: impl FnMut(Change) -> Result<()>,
) -> Result<()> {
    // The balance runs over everything before `from` as well, so the window function sees all and the filter stands outside.
    let mut query = conn.sql().prepare_cached(
        "WITH change AS (
           SELECT e.id, e.at, e.day, e.kind, e.ref, CAST(-SUM(p.amount) AS BIGINT) AS amount
           FROM posting p JOIN entry e ON e.id = p.entry_id
           WHERE p.customer_id = :customer AND p.account IN (:principal, :bonus)
           GROUP BY e.id, e.at, e.day, e.kind, e.ref
         ), running AS (
           SELECT id, at, day, kind, ref, amount,
                  CAST(SUM(amount) OVER (ORDER BY day, id ROWS UNBOUNDED PRECEDING) AS BIGINT) AS balance
           FROM change
         )
         SELECT id, at, day, kind, ref, amount, balance FROM running
         WHERE (:from IS NULL OR day >= :from) AND (:to IS NULL OR day <= :to)
         ORDER BY day, id",
    )?;
    let mut rows = query.query(named_params! {
        ":customer": customer,
        ":principal": WALLET_PRINCIPAL,
        ":bonus": WALLET_BONUS,
        ":from": from.map(Day),
        ":to": to.map(Day),
    })?;
    while let Some(row) = rows.next()? {
        visit(Change {
            entry: row.get("id")?,
            at: at(row, "at")?,
            day: day(row, "day")?,
            kind: word(row, "kind", EntryKind::from_word)?,
            reference: row.get("ref")?,
            amount: row.get("amount")?,
            balance: row.get("balance")?,
        })?;
    }
    Ok(())
}

/// Which installment each charge of a customer collected: entries name the charge, people know the term.
pub fn charges(conn: &Conn, customer: CustomerId) -> Result<BTreeMap<ChargeId, InstallmentId>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT c.id, c.agreement_id, c.term FROM agreement a JOIN charge c ON c.agreement_id = a.id
         WHERE a.customer_id = :customer AND c.state = 'paid'",
    )?;
    let rows = query.query_map(named_params! { ":customer": customer }, |row| {
        let agreement: AgreementId = row.get("agreement_id")?;
        Ok((row.get("id")?, InstallmentId { agreement, term: row.get("term")? }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
