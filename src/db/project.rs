//! What looking ahead reads: how often things happened so far, what is open at the rails, who falls due when, and what a month came to.
//! Owns no table and writes nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::{Day, Instant, at, day, maybe_at, word};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{ChargeKind, ChargeState};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, InstallmentId, MandateId};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::project::Seen;

// ---- The history -------------------------------------------------------------------------------------------------------------

/// The first debits of terms on one rail, those whose term before had failed apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstTries {
    /// On which rail.
    pub rail: String,
    /// Whether all tries of the term before had failed.
    pub after_failure: bool,
    /// Declined, of those with a result; after a failed term, those whose later tries were declined as well.
    pub declined: Seen,
}

/// How the first debits went that were noted since `since`, by rail. Only results that are the customer's count: what our settings or an
/// ended mandate caused says nothing about funds.
pub fn first_tries(conn: &Conn, since: At) -> Result<Vec<FirstTries>> {
    let mut query = conn.sql().prepare(include_str!("project/first_tries.sql"))?;
    let rows = query.query_map(named_params! { ":since": Instant(since) }, |row| {
        Ok(FirstTries {
            rail: row.get("rail")?,
            after_failure: row.get("after_failure")?,
            declined: Seen { yes: count(row, "declined")?, of: count(row, "decided")? },
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Debits after the first one of a term, since `since`: paid, of those with a result.
pub fn retries(conn: &Conn, since: At) -> Result<Seen> {
    Ok(conn.sql().query_row(
        include_str!("project/retries.sql"),
        named_params! { ":since": Instant(since) },
        |row| Ok(Seen { yes: count(row, "paid")?, of: count(row, "decided")? }),
    )?)
}

/// A term that was paid late, by link or at the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidLate {
    /// The agreed day.
    pub due: NaiveDate,
    /// When it was paid.
    pub paid_at: At,
    /// True for a link, false for the counter.
    pub by_link: bool,
}

/// The newest `limit` terms due since `since` that were paid by link or at the counter.
pub fn paid_late(conn: &Conn, since: NaiveDate, limit: u32) -> Result<Vec<PaidLate>> {
    let mut query = conn.sql().prepare(
        "SELECT i.due, c.paid_at, CASE WHEN c.kind = 'link' THEN 1 ELSE 0 END AS by_link
         FROM installment i JOIN charge c ON c.agreement_id = i.agreement_id AND c.term = i.term
         WHERE i.due >= :since AND c.state = 'paid' AND c.kind IN ('link','cash') AND c.paid_at IS NOT NULL
         ORDER BY c.paid_at DESC, c.id DESC LIMIT :limit",
    )?;
    let rows = query.query_map(named_params! { ":since": Day(since), ":limit": limit }, |row| {
        Ok(PaidLate { due: day(row, "due")?, paid_at: at(row, "paid_at")?, by_link: row.get("by_link")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Terms due from `since` to `until` whose automatic tries are over and that are still unpaid.
pub fn count_unpaid(conn: &Conn, since: NaiveDate, until: NaiveDate) -> Result<u64> {
    Ok(conn.sql().query_row(
        "SELECT count(*) AS number FROM installment
         WHERE state = 'open' AND course IN ('failed','missed') AND due >= :since AND due <= :until",
        named_params! { ":since": Day(since), ":until": Day(until) },
        |row| count(row, "number"),
    )?)
}

/// From when to when something ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lived {
    /// Its beginning.
    pub from: At,
    /// Its end; `None` while it runs.
    pub to: Option<At>,
    /// Whether the customer ended it.
    pub by_customer: bool,
}

/// Visits every mandate that was live at some time since `since`; those of agreements that ended count as closed, not as ended by the
/// customer.
pub fn each_mandate_life(conn: &Conn, since: At, mut visit: impl FnMut(Lived)) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT signed_at AS began, ended_at AS ended, CASE WHEN state = 'revoked' THEN 1 ELSE 0 END AS by_customer
         FROM mandate WHERE signed_at IS NOT NULL AND (ended_at IS NULL OR ended_at >= :since)",
    )?;
    let mut rows = query.query(named_params! { ":since": Instant(since) })?;
    while let Some(row) = rows.next()? {
        visit(lived(row)?);
    }
    Ok(())
}

/// Visits every agreement that ran at some time since `since`; one is ended by the customer or the shop when a notice of termination was
/// entered.
pub fn each_agreement_life(conn: &Conn, since: At, mut visit: impl FnMut(Lived)) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT a.active_at AS began, COALESCE(s.notice_at, a.ended_at) AS ended,
                CASE WHEN s.id IS NULL THEN 0 ELSE 1 END AS by_customer
         FROM agreement a LEFT JOIN statement s ON s.agreement_id = a.id
         WHERE a.active_at IS NOT NULL AND (COALESCE(s.notice_at, a.ended_at) IS NULL OR COALESCE(s.notice_at, a.ended_at) >= :since)",
    )?;
    let mut rows = query.query(named_params! { ":since": Instant(since) })?;
    while let Some(row) = rows.next()? {
        visit(lived(row)?);
    }
    Ok(())
}

/// Visits the reports of the debit runs begun since `since`, as they were stored.
pub fn each_report(conn: &Conn, since: At, mut visit: impl FnMut(&str)) -> Result<()> {
    let mut query = conn.sql().prepare("SELECT report FROM run WHERE started_at >= :since AND ended_at IS NOT NULL")?;
    let mut rows = query.query(named_params! { ":since": Instant(since) })?;
    while let Some(row) = rows.next()? {
        visit(row.get_ref("report")?.as_str()?);
    }
    Ok(())
}

/// When the first debit since `since` was noted.
pub fn first_debit_at(conn: &Conn, since: At) -> Result<Option<At>> {
    Ok(conn.sql().query_row(
        "SELECT MIN(noted_at) AS first FROM charge
         WHERE kind = 'debit' AND state IN ('paid','declined') AND noted_at >= :since",
        named_params! { ":since": Instant(since) },
        |row| maybe_at(row, "first"),
    )?)
}

// ---- What the rails know -----------------------------------------------------------------------------------------------------

/// A mandate as its rail should know it.
#[derive(Clone, Debug)]
pub struct AtRail {
    /// Which.
    pub mandate: MandateId,
    /// On which rail.
    pub rail: String,
    /// Our number of it.
    pub contract_no: String,
    /// The provider's number of it.
    pub provider_no: Option<String>,
    /// Where it stands.
    pub state: MandateStatus,
    /// When the customer agreed.
    pub signed_at: Option<At>,
    /// Last day.
    pub valid_until: NaiveDate,
    /// The most of one debit.
    pub amount: Money,
    /// Number of terms of its agreement.
    pub terms: u32,
    /// Debits made under it.
    pub paid: u32,
    /// The agreed day of the next term that is to be debited; the last day where there is none.
    pub next_due: NaiveDate,
}

/// Every mandate that is not over.
pub fn mandates_at_rails(conn: &Conn) -> Result<Vec<AtRail>> {
    let mut query = conn.sql().prepare(include_str!("project/mandates.sql"))?;
    let rows = query.query_map([], |row| {
        Ok(AtRail {
            mandate: row.get("id")?,
            rail: row.get("rail")?,
            contract_no: row.get("contract_no")?,
            provider_no: row.get("provider_no")?,
            state: word(row, "state", MandateStatus::from_word)?,
            signed_at: maybe_at(row, "signed_at")?,
            valid_until: day(row, "valid_until")?,
            amount: row.get("amount")?,
            terms: row.get("terms")?,
            paid: row.get("paid")?,
            next_due: day(row, "next_due")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// An order as its rail should know it.
#[derive(Clone, Debug)]
pub struct OrderAtRail {
    /// Our charge.
    pub charge: ChargeId,
    /// On which rail.
    pub rail: String,
    /// Its number.
    pub order_no: String,
    /// How the money was asked for.
    pub kind: ChargeKind,
    /// Where it stands with us.
    pub state: ChargeState,
    /// How much.
    pub amount: Money,
    /// What has gone back of it.
    pub refunded: Money,
    /// The provider's number.
    pub trade_no: Option<String>,
    /// Under which mandate: our number and its contract's.
    pub mandate: Option<(MandateId, String)>,
    /// When it was written down.
    pub noted_at: At,
    /// Until when it is pending.
    pub pending_until: Option<At>,
    /// When it was paid.
    pub paid_at: Option<At>,
}

/// Every order that is open, or whose money may still go back.
pub fn orders_at_rails(conn: &Conn) -> Result<Vec<OrderAtRail>> {
    let mut query = conn.sql().prepare(include_str!("project/orders.sql"))?;
    let rows = query.query_map([], |row| {
        let mandate: Option<MandateId> = row.get("mandate_id")?;
        let contract_no: Option<String> = row.get("contract_no")?;
        Ok(OrderAtRail {
            charge: row.get("id")?,
            rail: row.get("rail")?,
            order_no: row.get("order_no")?,
            kind: word(row, "kind", ChargeKind::from_word)?,
            state: word(row, "state", ChargeState::from_word)?,
            amount: row.get("amount")?,
            refunded: row.get("refunded")?,
            trade_no: row.get("trade_no")?,
            mandate: mandate.zip(contract_no),
            noted_at: at(row, "noted_at")?,
            pending_until: maybe_at(row, "pending_until")?,
            paid_at: maybe_at(row, "paid_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

// ---- Who falls due -----------------------------------------------------------------------------------------------------------

/// A term that a debit may be made for, with one of its live mandates.
#[derive(Clone, Debug)]
pub struct ToDebit {
    /// Which term.
    pub installment: InstallmentId,
    /// Rounds that failed.
    pub failures: u32,
    /// Whether all tries of the term before failed.
    pub after_failure: bool,
    /// The mandate.
    pub mandate: MandateId,
    /// Its rail.
    pub rail: String,
    /// 1 for the first choice.
    pub lane: u32,
}

/// Terms due by `until` that may be debited, once for each live mandate.
pub fn to_debit(conn: &Conn, until: NaiveDate) -> Result<Vec<ToDebit>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT i.agreement_id, i.term, i.failures, m.id AS mandate_id, m.rail, m.lane,
                CASE WHEN q.course = 'failed' THEN 1 ELSE 0 END AS after_failure
         FROM installment i
         JOIN mandate m ON m.agreement_id = i.agreement_id AND m.state = 'live'
         LEFT JOIN installment q ON q.agreement_id = i.agreement_id AND q.term = i.term - 1
         WHERE i.state = 'open' AND i.course IN ('planned','failing') AND i.due <= :until
         ORDER BY i.due, i.agreement_id, i.term, m.lane",
    )?;
    let rows = query.query_map(named_params! { ":until": Day(until) }, |row| {
        Ok(ToDebit {
            installment: installment(row)?,
            failures: row.get("failures")?,
            after_failure: row.get("after_failure")?,
            mandate: row.get("mandate_id")?,
            rail: row.get("rail")?,
            lane: row.get("lane")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Open terms of running agreements, due by `until`, whose automatic tries are over, with their agreed days.
pub fn overdue(conn: &Conn, until: NaiveDate) -> Result<Vec<(InstallmentId, NaiveDate)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT i.agreement_id, i.term, i.due FROM installment i JOIN agreement a ON a.id = i.agreement_id
         WHERE i.state = 'open' AND i.course IN ('failed','missed') AND i.due <= :until AND a.state IN ('active','paused')
         ORDER BY i.due, i.agreement_id, i.term",
    )?;
    let rows =
        query.query_map(named_params! { ":until": Day(until) }, |row| Ok((installment(row)?, day(row, "due")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The agreements in a state.
pub fn agreements_in(conn: &Conn, state: AgreementState) -> Result<Vec<AgreementId>> {
    let mut query = conn.sql().prepare("SELECT id FROM agreement WHERE state = :state ORDER BY id")?;
    let rows = query.query_map(named_params! { ":state": state.word() }, |row| row.get("id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Number and sum of the open terms of running agreements that fall due from `from` to `to`.
pub fn falling_due(conn: &Conn, from: NaiveDate, to: NaiveDate) -> Result<(u64, Money)> {
    Ok(conn.sql().query_row(
        "SELECT count(*) AS number, CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) AS amount
         FROM installment i JOIN agreement a ON a.id = i.agreement_id
         WHERE i.state = 'open' AND i.due >= :from AND i.due <= :to AND a.state IN ('active','paused')",
        named_params! { ":from": Day(from), ":to": Day(to) },
        |row| Ok((count(row, "number")?, row.get("amount")?)),
    )?)
}

// ---- What a month came to ----------------------------------------------------------------------------------------------------

/// The days of a month that is over in a possible future, with the moments of its beginning and its end.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// The moment from which things count.
    pub start: At,
    /// The first moment after it.
    pub end: At,
}

/// What came in over one rail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameIn {
    /// Which rail; `cash` for the counter.
    pub rail: String,
    /// Terms paid that fell due in the stretch.
    pub terms: u64,
    /// How much that is.
    pub of_stretch: Money,
    /// Paid for terms that fell due before.
    pub of_earlier: Money,
}

/// What was paid in a stretch, by rail.
pub fn came_in(conn: &Conn, it: &Stretch) -> Result<Vec<CameIn>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT c.rail,
                CAST(SUM(CASE WHEN i.due >= :from THEN 1 ELSE 0 END) AS BIGINT) AS terms,
                CAST(SUM(CASE WHEN i.due >= :from THEN c.amount ELSE 0 END) AS BIGINT) AS of_stretch,
                CAST(SUM(CASE WHEN i.due < :from THEN c.amount ELSE 0 END) AS BIGINT) AS of_earlier
         FROM charge c JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
         WHERE c.state = 'paid' AND c.answered_at >= :start AND c.answered_at < :end
         GROUP BY c.rail ORDER BY c.rail",
    )?;
    let values = named_params! { ":from": Day(it.from), ":start": Instant(it.start), ":end": Instant(it.end) };
    let rows = query.query_map(values, |row| {
        Ok(CameIn {
            rail: row.get("rail")?,
            terms: count(row, "terms")?,
            of_stretch: row.get("of_stretch")?,
            of_earlier: row.get("of_earlier")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The other figures of a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Unpaid at its end, whenever it fell due.
    pub open: Money,
    /// Went back over the rails.
    pub back_by_rail: Money,
    /// Went back, or is to go back, at the counter.
    pub back_by_hand: Money,
    /// What customers owe by settlements made in it.
    pub claims: Money,
    /// Agreements that came to their agreed end.
    pub completed: u64,
    /// Agreements that were terminated.
    pub terminated: u64,
    /// Mandates that the customer ended, or that ran out before their agreement.
    pub mandates_ended: u64,
    /// Agreements at high risk at its end.
    pub high_risk: u64,
}

/// The other figures of a stretch, asked at its end.
pub fn course(conn: &Conn, it: &Stretch) -> Result<Course> {
    let mut query = conn.sql().prepare_cached(include_str!("project/course.sql"))?;
    let values = named_params! { ":to": Day(it.to), ":start": Instant(it.start), ":end": Instant(it.end) };
    Ok(query.query_row(values, |row| {
        Ok(Course {
            open: row.get("open_amount")?,
            back_by_rail: row.get("back_by_rail")?,
            back_by_hand: row.get("back_by_hand")?,
            claims: row.get("claims")?,
            completed: count(row, "completed")?,
            terminated: count(row, "terminated")?,
            mandates_ended: count(row, "mandates_ended")?,
            high_risk: count(row, "high_risk")?,
        })
    })?)
}

/// Messages sent in a stretch, by text.
pub fn messages(conn: &Conn, it: &Stretch) -> Result<BTreeMap<String, u64>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT template, count(*) AS number FROM message
         WHERE state = 'sent' AND sent_at >= :start AND sent_at < :end GROUP BY template ORDER BY template",
    )?;
    let values = named_params! { ":start": Instant(it.start), ":end": Instant(it.end) };
    let rows = query.query_map(values, |row| Ok((row.get("template")?, count(row, "number")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn lived(row: &Row<'_>) -> rusqlite::Result<Lived> {
    Ok(Lived { from: at(row, "began")?, to: maybe_at(row, "ended")?, by_customer: row.get("by_customer")? })
}

fn installment(row: &Row<'_>) -> rusqlite::Result<InstallmentId> {
    Ok(InstallmentId { agreement: row.get("agreement_id")?, term: row.get("term")? })
}

fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(row.get::<_, Option<i64>>(column)?.unwrap_or_default().unsigned_abs())
}
