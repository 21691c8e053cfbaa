//! Settlement statements: one per terminated agreement.

use std::collections::BTreeMap;

use anyhow::Result;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId, OrderId, StatementId};
use crate::domain::money::Money;

const COLUMNS: &str = "id, agreement_id, cause, keep_pet, notice_at, confirm_by, confirmed_at, confirmed_by, figures, refund, claim, state";

/// A settlement statement as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// Its id.
    pub id: StatementId,
    /// Of which agreement.
    pub agreement: AgreementId,
    /// `consumer`, `merchant`, `no_fault`, `cooling_off`.
    pub cause: String,
    /// Whether the customer keeps the pet.
    pub keep_pet: bool,
    /// When the notice arrived.
    pub notice_at: At,
    /// When it confirms itself.
    pub confirm_by: At,
    /// When it was confirmed.
    pub confirmed_at: Option<At>,
    /// By whom; `deadline` when it confirmed itself.
    pub confirmed_by: Option<String>,
    /// Every figure, as JSON.
    pub figures: String,
    /// What goes back.
    pub refund: Money,
    /// What the customer owes.
    pub claim: Money,
    /// `open`, `confirmed`, `settled`.
    pub state: String,
}

/// Adds an open statement.
pub fn insert(
    conn: &Conn,
    agreement: AgreementId,
    cause: &str,
    keep_pet: bool,
    notice_at: At,
    confirm_by: At,
) -> Result<StatementId> {
    Ok(conn.sql().query_row(
        "INSERT INTO statement (agreement_id, cause, keep_pet, notice_at, confirm_by, figures, refund, claim, state)
         VALUES (:agreement, :cause, :keep, :notice, :by, '{}', 0, 0, 'open') RETURNING id",
        named_params! {
            ":agreement": agreement,
            ":cause": cause,
            ":keep": keep_pet,
            ":notice": Instant(notice_at),
            ":by": Instant(confirm_by),
        },
        |row| row.get("id"),
    )?)
}

/// The shop confirmed, or the deadline did: the figures are final.
pub fn confirm(
    conn: &Conn,
    id: StatementId,
    by: &str,
    figures: &str,
    refund: Money,
    claim: Money,
    now: At,
) -> Result<()> {
    conn.sql().execute(
        "UPDATE statement SET state = 'confirmed', confirmed_at = :at, confirmed_by = :by, figures = :figures,
           refund = :refund, claim = :claim WHERE id = :id AND state = 'open'",
        named_params! {
            ":at": Instant(now),
            ":by": by,
            ":figures": figures,
            ":refund": refund,
            ":claim": claim,
            ":id": id,
        },
    )?;
    Ok(())
}

/// Everything owed has been paid.
pub fn settle(conn: &Conn, id: StatementId) -> Result<()> {
    conn.sql().execute("UPDATE statement SET state = 'settled' WHERE id = :id", named_params! { ":id": id })?;
    Ok(())
}

/// The statement of an agreement.
pub fn of_agreement(conn: &Conn, agreement: AgreementId) -> Result<Option<Statement>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM statement WHERE agreement_id = :agreement"))?;
    let mut rows = query.query(named_params! { ":agreement": agreement })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Statements in `state`, by id.
pub fn in_state(conn: &Conn, state: &str) -> Result<Vec<Statement>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM statement WHERE state = :state ORDER BY id"))?;
    let rows = query.query_map(named_params! { ":state": state }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The statement with this id.
pub fn get(conn: &Conn, id: StatementId) -> Result<Option<Statement>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM statement WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Open statements whose deadline has passed, by id.
pub fn due(conn: &Conn, now: At) -> Result<Vec<Statement>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM statement WHERE state = 'open' AND confirm_by <= :now ORDER BY id"
    ))?;
    let rows = query.query_map(named_params! { ":now": Instant(now) }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Which agreement each statement of a customer settles, and when it was confirmed.
pub fn agreements_of(conn: &Conn, customer: CustomerId) -> Result<BTreeMap<StatementId, (AgreementId, Option<At>)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT s.id, s.agreement_id, s.confirmed_at FROM agreement a JOIN statement s ON s.agreement_id = a.id
         WHERE a.customer_id = :customer",
    )?;
    let rows = query.query_map(named_params! { ":customer": customer }, |row| {
        Ok((row.get("id")?, (row.get("agreement_id")?, maybe_at(row, "confirmed_at")?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Goods that a customer's wallet paid for and that were handed over, what came back left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Lines.
    pub lines: i64,
    /// What the wallet was charged.
    pub charged: Money,
    /// The same goods without membership or discount.
    pub list: Money,
}

/// What was delivered to a customer and paid by the wallet. A line that the wallet paid in part counts with
/// that part of its list price.
pub fn delivered(conn: &Conn, customer: CustomerId) -> Result<Delivered> {
    let mut query = conn.sql().prepare_cached(
        "SELECT l.qty, l.returned_qty, l.unit_price, l.list_price, l.wallet_part
         FROM orders o JOIN order_line l ON l.order_id = o.id
         WHERE o.customer_id = :customer AND l.wallet_part > 0 AND l.state = 'delivered'",
    )?;
    let mut rows = query.query(named_params! { ":customer": customer })?;
    let mut sum = Delivered::default();
    while let Some(row) = rows.next()? {
        let (qty, returned): (i64, i64) = (row.get("qty")?, row.get("returned_qty")?);
        let (unit, list, wallet): (Money, Money, Money) =
            (row.get("unit_price")?, row.get("list_price")?, row.get("wallet_part")?);
        let kept = qty - returned;
        let charged = wallet.share(kept, qty);
        let price = unit.times(qty).unwrap_or(wallet).max(wallet);
        let list = list.times(kept).unwrap_or(charged);
        sum.lines += i64::from(kept > 0);
        sum.charged += charged;
        sum.list += if price.is_positive() { list.share(wallet.fen(), price.fen()) } else { list };
    }
    Ok(sum)
}

/// The orders of a customer that are paid and not handed over: they are cancelled before a settlement.
pub fn undelivered(conn: &Conn, customer: CustomerId) -> Result<Vec<OrderId>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT DISTINCT o.id FROM orders o JOIN order_line l ON l.order_id = o.id
         WHERE o.customer_id = :customer AND l.wallet_part > 0 AND l.state IN ('placed','sent','shipped') ORDER BY o.id",
    )?;
    let rows = query.query_map(named_params! { ":customer": customer }, |row| row.get("id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Statement> {
    Ok(Statement {
        id: row.get("id")?,
        agreement: row.get("agreement_id")?,
        cause: row.get("cause")?,
        keep_pet: row.get("keep_pet")?,
        notice_at: at(row, "notice_at")?,
        confirm_by: at(row, "confirm_by")?,
        confirmed_at: maybe_at(row, "confirmed_at")?,
        confirmed_by: row.get("confirmed_by")?,
        figures: row.get("figures")?,
        refund: row.get("refund")?,
        claim: row.get("claim")?,
        state: row.get("state")?,
    })
}
