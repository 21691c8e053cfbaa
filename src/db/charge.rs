//! Charges: noted before the rail hears of them, answered afterwards. Booking a paid one is the journal's business.

use std::collections::BTreeMap;

use anyhow::Result;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at, word};
use crate::domain::charge::{Charge, ChargeKind, ChargeState};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, InstallmentId, MandateId, RunId};
use crate::domain::money::Money;
use crate::domain::rail::Reason;

const COLUMNS: &str =
    "id, agreement_id, term, attempt, kind, mandate_id, rail, order_no, amount, state, reason, code, said,
     trade_no, link, noted_at, asked_at, pending_until, answered_at, paid_at, refunded";

/// A charge to be noted.
#[derive(Clone, Debug)]
pub struct NewCharge<'a> {
    /// Which term.
    pub installment: InstallmentId,
    /// Its attempt number.
    pub attempt: u32,
    /// How the money is asked for.
    pub kind: ChargeKind,
    /// Under which mandate.
    pub mandate: Option<MandateId>,
    /// On which rail.
    pub rail: &'a str,
    /// The derived order number.
    pub order_no: &'a str,
    /// How much.
    pub amount: Money,
    /// In which run.
    pub run: Option<RunId>,
}

/// Notes a charge. The unique indexes refuse a second open charge of an installment, and any reuse of an order number.
pub fn note(conn: &Conn, new: &NewCharge<'_>, now: At) -> Result<ChargeId> {
    Ok(conn
        .sql()
        .prepare_cached(
            "INSERT INTO charge (agreement_id, term, attempt, kind, mandate_id, rail, order_no, amount, state, code, said, run_id,
                                 noted_at, refunded)
             VALUES (:agreement, :term, :attempt, :kind, :mandate, :rail, :order_no, :amount, 'noted', '', '', :run, :at, 0)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":agreement": new.installment.agreement,
                ":term": new.installment.term,
                ":attempt": new.attempt,
                ":kind": new.kind.word(),
                ":mandate": new.mandate,
                ":rail": new.rail,
                ":order_no": new.order_no,
                ":amount": new.amount,
                ":run": new.run,
                ":at": Instant(now),
            },
            |row| row.get("id"),
        )?)
}

/// What is known after asking the rail.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// Where the charge stands now.
    pub state: ChargeState,
    /// Why it was declined.
    pub reason: Option<Reason>,
    /// The provider's code.
    pub code: &'a str,
    /// The provider's text.
    pub said: &'a str,
    /// The provider's number.
    pub trade_no: Option<&'a str>,
    /// Until when it is pending.
    pub pending_until: Option<At>,
    /// When the money moved.
    pub paid_at: Option<At>,
    /// When the rail was asked.
    pub asked_at: At,
    /// In which run it was asked, when it was sent in one.
    pub run: Option<RunId>,
}

/// Writes what is known. A charge that is paid stays paid: the statement only moves open charges. Returns whether it did.
pub fn answer(conn: &Conn, id: ChargeId, outcome: &Outcome<'_>) -> Result<bool> {
    let decided = matches!(outcome.state, ChargeState::Paid | ChargeState::Declined | ChargeState::Void);
    let changed = conn
        .sql()
        .prepare_cached(
            "UPDATE charge SET state = :state, reason = :reason, code = :code, said = :said,
               trade_no = COALESCE(:trade_no, trade_no), pending_until = :until, asked_at = :asked, answered_at = :answered,
               paid_at = :paid, run_id = COALESCE(:run, run_id)
             WHERE id = :id AND state IN ('noted','pending','unknown')",
        )?
        .execute(named_params! {
            ":state": outcome.state.word(),
            ":reason": outcome.reason.map(Reason::word),
            ":code": outcome.code,
            ":said": outcome.said,
            ":trade_no": outcome.trade_no,
            ":until": outcome.pending_until.map(Instant),
            ":asked": Instant(outcome.asked_at),
            ":answered": decided.then_some(Instant(outcome.asked_at)),
            ":paid": outcome.paid_at.map(Instant),
            ":run": outcome.run,
            ":id": id,
        })?;
    Ok(changed > 0)
}

/// Code on a noted charge of which the rail has never heard: it is sent again under the same number, or given up.
pub const NOT_FOUND: &str = "NOT_FOUND";

/// The rail has never heard of this order number.
pub fn mark_not_found(conn: &Conn, id: ChargeId) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE charge SET state = 'noted', code = :code, said = ''
             WHERE id = :id AND state IN ('noted','pending','unknown')",
        )?
        .execute(named_params! { ":code": NOT_FOUND, ":id": id })?;
    Ok(())
}

/// Gives an open charge up: no money moved, and its number is never sent again.
pub fn void(conn: &Conn, id: ChargeId, code: &str, now: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE charge SET state = 'void', code = :code, answered_at = :at
             WHERE id = :id AND state IN ('noted','pending','unknown')",
        )?
        .execute(named_params! { ":code": code, ":at": Instant(now), ":id": id })?;
    Ok(())
}

/// Opens a declined or given-up charge again, because a provider's bill says that it was paid. The unique index refuses it while
/// another charge of the term is open.
pub fn reopen(conn: &Conn, id: ChargeId, code: &str) -> Result<()> {
    conn.sql().execute(
        "UPDATE charge SET state = 'unknown', reason = NULL, code = :code, said = '', answered_at = NULL
         WHERE id = :id AND state IN ('declined','void')",
        named_params! { ":code": code, ":id": id },
    )?;
    Ok(())
}

/// The pay link of a link charge; it is pending from here on.
pub fn set_link(conn: &Conn, id: ChargeId, url: &str, until: Option<At>, now: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE charge SET state = 'pending', link = :url, pending_until = :until, asked_at = :at
             WHERE id = :id AND state = 'noted'",
        )?
        .execute(named_params! { ":url": url, ":until": until.map(Instant), ":at": Instant(now), ":id": id })?;
    Ok(())
}

/// Adds to what has gone back of a charge.
pub fn add_refunded(conn: &Conn, id: ChargeId, amount: Money) -> Result<()> {
    conn.sql().execute(
        "UPDATE charge SET refunded = refunded + :amount WHERE id = :id",
        named_params! { ":amount": amount, ":id": id },
    )?;
    Ok(())
}

/// The charge with this id.
pub fn get(conn: &Conn, id: ChargeId) -> Result<Option<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM charge WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Every attempt for a term, in order.
pub fn of_installment(conn: &Conn, id: InstallmentId) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM charge WHERE agreement_id = :agreement AND term = :term ORDER BY attempt"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": id.agreement, ":term": id.term }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Up to `limit` open charges (noted, pending or unknown) after `after`, by id.
pub fn open_page(conn: &Conn, after: ChargeId, limit: u32) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM charge WHERE state IN ('noted','pending','unknown') AND id > :after ORDER BY id LIMIT :limit"
    ))?;
    let rows = query.query_map(named_params! { ":after": after, ":limit": limit }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many charges are open.
pub fn count_open(conn: &Conn) -> Result<u64> {
    let count: i64 = conn.sql().query_row(
        "SELECT count(*) FROM charge WHERE state IN ('noted','pending','unknown')",
        [],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// The newest charge; 0 without any.
pub fn newest(conn: &Conn) -> Result<ChargeId> {
    Ok(conn.sql().query_row("SELECT COALESCE(MAX(id), 0) AS id FROM charge", [], |row| row.get("id"))?)
}

/// How many charges there are, and their sum.
pub type Sums = BTreeMap<ChargeState, (u64, Money)>;

/// The debits up to the charge `newest` that are open, or were decided at `since` or later, by state: how many and how much.
pub fn standing(conn: &Conn, newest: ChargeId, since: At) -> Result<Sums> {
    let mut query = conn.sql().prepare(
        "SELECT state, count(*) AS number, CAST(SUM(amount) AS BIGINT) AS total FROM charge
         WHERE id <= :newest AND kind = 'debit' AND (state IN ('noted','pending','unknown') OR answered_at >= :since)
         GROUP BY state",
    )?;
    let rows = query.query_map(named_params! { ":newest": newest, ":since": Instant(since) }, sum_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The debits after the charge `after`, by state: how many and how much.
pub fn made_after(conn: &Conn, after: ChargeId) -> Result<Sums> {
    let mut query = conn.sql().prepare(
        "SELECT state, count(*) AS number, CAST(SUM(amount) AS BIGINT) AS total FROM charge
         WHERE id > :after AND kind = 'debit' GROUP BY state",
    )?;
    let rows = query.query_map(named_params! { ":after": after }, sum_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether a debit of a term was made after the charge `after`.
pub fn is_made_after(conn: &Conn, after: ChargeId, id: InstallmentId) -> Result<bool> {
    let mut query = conn.sql().prepare_cached(
        "SELECT 1 FROM charge
         WHERE agreement_id = :agreement AND term = :term AND id > :after AND kind = 'debit'",
    )?;
    Ok(query.exists(named_params! { ":agreement": id.agreement, ":term": id.term, ":after": after })?)
}

fn sum_of(row: &Row<'_>) -> rusqlite::Result<(ChargeState, (u64, Money))> {
    let count: i64 = row.get("number")?;
    Ok((word(row, "state", ChargeState::from_word)?, (count.unsigned_abs(), row.get("total")?)))
}

/// The paid charges of a customer's agreement that can still be refunded, newest first.
pub fn refundable(conn: &Conn, agreement: AgreementId) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM charge WHERE agreement_id = :agreement AND state = 'paid' AND refunded < amount
         ORDER BY paid_at DESC, id DESC"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every attempt of an agreement's terms, in order.
pub fn of_agreement(conn: &Conn, agreement: AgreementId) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM charge WHERE agreement_id = :agreement ORDER BY term, attempt"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The paid charges of a customer, oldest first.
pub fn paid_of_customer(conn: &Conn, customer: CustomerId) -> Result<Vec<Charge>> {
    let columns = COLUMNS.split(',').map(|column| format!("c.{}", column.trim())).collect::<Vec<_>>().join(", ");
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {columns} FROM agreement a JOIN charge c ON c.agreement_id = a.id
         WHERE a.customer_id = :customer AND c.state = 'paid' ORDER BY c.paid_at, c.id"
    ))?;
    let rows = query.query_map(named_params! { ":customer": customer }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The debits that a run sent, in order.
pub fn of_run(conn: &Conn, run: RunId) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare(&format!("SELECT {COLUMNS} FROM charge WHERE run_id = :run ORDER BY id"))?;
    let rows = query.query_map(named_params! { ":run": run }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The open charges (noted, pending or unknown) of an agreement.
pub fn open_of(conn: &Conn, agreement: AgreementId) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM charge WHERE agreement_id = :agreement AND state IN ('noted','pending','unknown') ORDER BY id"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The paid charges of an agreement, oldest first.
pub fn paid_of(conn: &Conn, agreement: AgreementId) -> Result<Vec<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM charge WHERE agreement_id = :agreement AND state = 'paid' ORDER BY paid_at, id"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The paid charges whose money was taken at the counter, oldest first.
pub fn paid_at_counter(conn: &Conn) -> Result<Vec<Charge>> {
    let mut query = conn
        .sql()
        .prepare(&format!("SELECT {COLUMNS} FROM charge WHERE state = 'paid' AND kind = 'cash' ORDER BY id"))?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The charge with this order number.
pub fn by_order_no(conn: &Conn, order_no: &str) -> Result<Option<Charge>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM charge WHERE order_no = :no"))?;
    let mut rows = query.query(named_params! { ":no": order_no })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Which agreement each charge of a customer belongs to.
pub fn agreements_of(conn: &Conn, customer: CustomerId) -> Result<BTreeMap<ChargeId, AgreementId>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT c.id, c.agreement_id FROM agreement a JOIN charge c ON c.agreement_id = a.id WHERE a.customer_id = :customer",
    )?;
    let rows = query
        .query_map(named_params! { ":customer": customer }, |row| Ok((row.get("id")?, row.get("agreement_id")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Charge> {
    let reason: Option<String> = row.get("reason")?;
    Ok(Charge {
        id: row.get("id")?,
        installment: InstallmentId { agreement: row.get("agreement_id")?, term: row.get("term")? },
        attempt: row.get("attempt")?,
        kind: word(row, "kind", ChargeKind::from_word)?,
        mandate: row.get("mandate_id")?,
        rail: row.get("rail")?,
        order_no: row.get("order_no")?,
        amount: row.get("amount")?,
        state: word(row, "state", ChargeState::from_word)?,
        reason: reason.as_deref().and_then(Reason::from_word),
        code: row.get("code")?,
        said: row.get("said")?,
        trade_no: row.get("trade_no")?,
        link: row.get("link")?,
        noted_at: at(row, "noted_at")?,
        asked_at: maybe_at(row, "asked_at")?,
        pending_until: maybe_at(row, "pending_until")?,
        answered_at: maybe_at(row, "answered_at")?,
        paid_at: maybe_at(row, "paid_at")?,
        refunded: row.get("refunded")?,
    })
}
