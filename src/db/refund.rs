//! Refunds: noted before the rail hears of them, like charges.

use anyhow::Result;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at, word};
use crate::domain::date::At;
use crate::domain::id::{ChargeId, CustomerId, LineId, RefundId, StatementId};
use crate::domain::money::Money;
use crate::domain::refund::RefundState;

const COLUMNS: &str =
    "id, charge_id, customer_id, statement_id, rail, refund_no, amount, state, why, code, said, noted_at,
     asked_at, paid_at, line_id";

/// What a refund's number ends with where somebody handed over what the rail refused under the number before it.
pub const BY_HAND: &str = "H";

/// A refund as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// Which paid charge it gives back; none for a balance from before kibble, which is paid by hand.
    pub charge: Option<ChargeId>,
    /// To whom.
    pub customer: CustomerId,
    /// Of which settlement.
    pub statement: Option<StatementId>,
    /// On which rail.
    pub rail: String,
    /// Our refund number.
    pub refund_no: String,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub state: RefundState,
    /// Why.
    pub why: String,
    /// The provider's code.
    pub code: String,
    /// The provider's text.
    pub said: String,
    /// When it was written down.
    pub noted_at: At,
    /// When the rail was last asked.
    pub asked_at: Option<At>,
    /// When the money moved.
    pub paid_at: Option<At>,
    /// The line of a bill whose money it gives back, when that money never came as a paid charge of ours.
    pub line: Option<LineId>,
}

/// A refund to be noted.
#[derive(Clone, Debug)]
pub struct NewRefund<'a> {
    /// Which paid charge.
    pub charge: Option<ChargeId>,
    /// To whom.
    pub customer: CustomerId,
    /// Of which settlement.
    pub statement: Option<StatementId>,
    /// On which rail.
    pub rail: &'a str,
    /// The derived refund number.
    pub refund_no: &'a str,
    /// How much.
    pub amount: Money,
    /// Why.
    pub why: &'a str,
    /// The line of a bill whose money it gives back.
    pub line: Option<LineId>,
}

/// Notes a refund.
pub fn note(conn: &Conn, new: &NewRefund<'_>, now: At) -> Result<RefundId> {
    Ok(conn.sql().query_row(
        "INSERT INTO refund (charge_id, customer_id, statement_id, rail, refund_no, amount, state, why, code, said, noted_at,
                             line_id)
         VALUES (:charge, :customer, :statement, :rail, :refund_no, :amount, 'noted', :why, '', '', :at, :line)
         RETURNING id",
        named_params! {
            ":charge": new.charge,
            ":customer": new.customer,
            ":statement": new.statement,
            ":rail": new.rail,
            ":refund_no": new.refund_no,
            ":amount": new.amount,
            ":why": new.why,
            ":line": new.line,
            ":at": Instant(now),
        },
        |row| row.get("id"),
    )?)
}

/// Writes what is known after asking. A decided refund stays as it is; returns whether it changed.
pub fn answer(
    conn: &Conn,
    id: RefundId,
    state: RefundState,
    code: &str,
    said: &str,
    paid_at: Option<At>,
    asked_at: At,
) -> Result<bool> {
    let changed = conn.sql().execute(
        "UPDATE refund SET state = :state, code = :code, said = :said, paid_at = :paid, asked_at = :asked
         WHERE id = :id AND state IN ('noted','pending','unknown')",
        named_params! {
            ":state": state.word(),
            ":code": code,
            ":said": said,
            ":paid": paid_at.map(Instant),
            ":asked": Instant(asked_at),
            ":id": id,
        },
    )?;
    Ok(changed > 0)
}

/// An open refund is of another amount, as a bill says.
pub fn set_amount(conn: &Conn, id: RefundId, amount: Money) -> Result<()> {
    conn.sql().execute(
        "UPDATE refund SET amount = :amount WHERE id = :id AND state IN ('noted','pending','unknown')",
        named_params! { ":amount": amount, ":id": id },
    )?;
    Ok(())
}

/// Opens a declined refund again, because its money went back after all.
pub fn reopen(conn: &Conn, id: RefundId) -> Result<()> {
    conn.sql().execute(
        "UPDATE refund SET state = 'unknown' WHERE id = :id AND state = 'declined'",
        named_params! { ":id": id },
    )?;
    Ok(())
}

/// The refund with this id.
pub fn get(conn: &Conn, id: RefundId) -> Result<Option<Refund>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM refund WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Up to `limit` open refunds after `after`, by id.
pub fn open_page(conn: &Conn, after: RefundId, limit: u32) -> Result<Vec<Refund>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM refund WHERE state IN ('noted','pending','unknown') AND id > :after ORDER BY id LIMIT :limit"
    ))?;
    let rows = query.query_map(named_params! { ":after": after, ":limit": limit }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Refunds that the rail refused and nobody has handed over, by id.
pub fn declined(conn: &Conn) -> Result<Vec<Refund>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM refund AS refused
         WHERE state = 'declined' AND NOT EXISTS (SELECT 1 FROM refund WHERE refund_no = refused.refund_no || '{BY_HAND}')
         ORDER BY id"
    ))?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The order whose money a refund gives back, and how much had come under it; `None` for a balance from before kibble.
pub fn order(conn: &Conn, refund: &Refund) -> Result<Option<(String, Money)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT order_no, amount FROM charge WHERE id = :charge
         UNION ALL SELECT order_no, amount FROM bill_line WHERE id = :line",
    )?;
    let mut rows = query.query(named_params! { ":charge": refund.charge, ":line": refund.line })?;
    Ok(rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get("order_no")?, row.get("amount")?))).transpose()?)
}

/// The refunds of a settlement.
pub fn of_statement(conn: &Conn, statement: StatementId) -> Result<Vec<Refund>> {
    let mut query =
        conn.sql().prepare(&format!("SELECT {COLUMNS} FROM refund WHERE statement_id = :statement ORDER BY id"))?;
    let rows = query.query_map(named_params! { ":statement": statement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The refunds of a charge, oldest first.
pub fn of_charge(conn: &Conn, charge: ChargeId) -> Result<Vec<Refund>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM refund WHERE charge_id = :charge ORDER BY id"))?;
    let rows = query.query_map(named_params! { ":charge": charge }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The refunds of a customer, oldest first.
pub fn of_customer(conn: &Conn, customer: CustomerId) -> Result<Vec<Refund>> {
    let mut query = conn
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM refund WHERE customer_id = :customer ORDER BY id"))?;
    let rows = query.query_map(named_params! { ":customer": customer }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The refund with this number.
pub fn by_no(conn: &Conn, refund_no: &str) -> Result<Option<Refund>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM refund WHERE refund_no = :no"))?;
    let mut rows = query.query(named_params! { ":no": refund_no })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Gives a refund that no rail has heard of another number. Returns whether it did.
pub fn renumber(conn: &Conn, id: RefundId, refund_no: &str) -> Result<bool> {
    let changed = conn.sql().execute(
        "UPDATE refund SET refund_no = :no WHERE id = :id AND state = 'noted' AND asked_at IS NULL",
        named_params! { ":no": refund_no, ":id": id },
    )?;
    Ok(changed > 0)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Refund> {
    Ok(Refund {
        id: row.get("id")?,
        charge: row.get("charge_id")?,
        customer: row.get("customer_id")?,
        statement: row.get("statement_id")?,
        rail: row.get("rail")?,
        refund_no: row.get("refund_no")?,
        amount: row.get("amount")?,
        state: word(row, "state", RefundState::from_word)?,
        why: row.get("why")?,
        code: row.get("code")?,
        said: row.get("said")?,
        noted_at: at(row, "noted_at")?,
        asked_at: maybe_at(row, "asked_at")?,
        paid_at: maybe_at(row, "paid_at")?,
        line: row.get("line_id")?,
    })
}
