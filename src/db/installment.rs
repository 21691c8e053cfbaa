//! Installments: what falls due when, how collecting it goes, and the notices given for it.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Cells, Day, Instant, day};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{Candidate, ChargeKind, ChargeState, Course, InstallmentState};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, InstallmentId, MandateId, RunId};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::pet::Status;

/// A term as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installment {
    /// Which.
    pub id: InstallmentId,
    /// The agreed day.
    pub due: NaiveDate,
    /// The date registered with the rail.
    pub registered: NaiveDate,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub state: InstallmentState,
    /// How collecting it goes.
    pub course: Course,
    /// The lane that is tried next.
    pub lane: u32,
    /// Rounds that failed.
    pub failures: u32,
    /// When the first round failed.
    pub first_failed_at: Option<At>,
    /// When the next retry is due.
    pub next_try_at: Option<At>,
    /// When the announcement was queued.
    pub announced_at: Option<At>,
    /// From when the announcement allows a charge.
    pub charge_from: Option<At>,
    /// When it was paid.
    pub paid_at: Option<At>,
    /// Failed rounds that the customer has been told of.
    pub told_failures: u32,
    /// Highest overdue level told so far, 0–5.
    pub overdue_level: u32,
    /// When that was told last.
    pub overdue_told_on: Option<NaiveDate>,
}

const COLUMNS: &str = "i.agreement_id, i.term, i.due, i.registered, i.amount, i.state, i.course, i.lane, i.failures,
     i.first_failed_at, i.next_try_at, i.announced_at, i.charge_from, i.paid_at, i.told_failures, i.overdue_level, i.overdue_told_on";

/// What decides about a charge, with what is needed to make it.
#[derive(Clone, Debug)]
pub struct DueRow {
    /// The term itself.
    pub installment: Installment,
    /// What the rule looks at.
    pub candidate: Candidate,
    /// Whose.
    pub customer: CustomerId,
    /// Printed number of the agreement.
    pub agreement_no: String,
    /// Number of terms of the agreement.
    pub terms: u32,
    /// Language of messages.
    pub lang: String,
    /// Rail of the lane that is next; empty without a mandate.
    pub rail: String,
    /// Our number of the mandate.
    pub contract_no: String,
    /// The provider's number of the mandate.
    pub provider_no: Option<String>,
    /// An open charge.
    pub open: Option<OpenCharge>,
    /// Number of attempts so far.
    pub attempts: u32,
    /// Failed terms in a row of the agreement.
    pub failed_in_row: u32,
    /// True when the agreement has a live mandate in the lane after this one.
    pub has_next_lane: bool,
    /// True while a provider's bill says that a dead charge of it was paid, and nobody has decided about that: it may be collected.
    pub is_disputed: bool,
}

/// The charge that an installment waits for.
#[derive(Clone, Debug)]
pub struct OpenCharge {
    /// Which.
    pub id: ChargeId,
    /// Its order number.
    pub order_no: String,
    /// On which rail it was asked.
    pub rail: String,
    /// How much it asked for.
    pub amount: Money,
    /// True when the rail has never heard of it: the same number may be sent again.
    pub unheard: bool,
}

/// A place in the order in which due installments are worked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Due date.
    pub due: NaiveDate,
    /// Agreement and term.
    pub id: InstallmentId,
}

impl Place {
    /// Before everything.
    pub fn start() -> Place {
        let id = InstallmentId { agreement: AgreementId::new(0), term: 0 };
        Place { due: NaiveDate::default(), id }
    }
}

/// What is selected after `COLUMNS`, and from where.
const DUE_SQL: &str = "
       a.state, a.paused_until, a.customer_id, a.no, a.terms, a.lang, a.failed_in_row, p.status,
       m.id, m.rail, m.state, m.contract_no, m.provider_no, m.signed_at, m.valid_until,
       c.id, c.state, c.kind, c.order_no, c.rail, c.amount, c.code,
       n.given_at,
       (SELECT COALESCE(MAX(attempt), 0) FROM charge k WHERE k.agreement_id = i.agreement_id AND k.term = i.term) AS attempts,
       EXISTS (SELECT 1 FROM charge k WHERE k.agreement_id = i.agreement_id AND k.run_id = :run AND k.term <> i.term) AS in_run,
       EXISTS (SELECT 1 FROM mandate l WHERE l.agreement_id = i.agreement_id AND l.lane = i.lane + 1 AND l.state = 'live')
         AS next_lane,
       EXISTS (SELECT 1 FROM charge k JOIN bill_line b ON b.charge_id = k.id
               WHERE k.agreement_id = i.agreement_id AND k.term = i.term AND k.state IN ('declined','void')
                 AND b.kind = 'payment' AND b.state = 'open') AS is_disputed
FROM installment i
JOIN agreement a ON a.id = i.agreement_id
JOIN pet p ON p.id = a.pet_id
LEFT JOIN mandate m ON m.agreement_id = i.agreement_id AND m.lane = i.lane AND m.state IN ('waiting','live')
LEFT JOIN charge c ON c.agreement_id = i.agreement_id AND c.term = i.term AND c.state IN ('noted','pending','unknown')
LEFT JOIN notice n ON n.agreement_id = i.agreement_id AND n.term = i.term AND n.kind = 'rail' AND n.lane = i.lane
";

/// Open and still charged automatically; the words are those of the partial index on due dates, so that paid terms of past years
/// cost nothing.
const TO_CHARGE: &str = "i.state = 'open' AND i.course IN ('planned','failing') AND i.due <= :until";

/// Up to `limit` open installments that may still be charged automatically, due by `until`, after `after`: one page of the due list.
pub fn due_page(conn: &Conn, run: RunId, until: NaiveDate, after: Place, limit: u32) -> Result<Vec<DueRow>> {
    page(conn, TO_CHARGE, run, until, after, limit)
}

/// The same, without those that fall due on `until` itself and are in their first lane: what time may have overtaken.
pub fn elapsed_page(conn: &Conn, run: RunId, until: NaiveDate, after: Place, limit: u32) -> Result<Vec<DueRow>> {
    page(conn, &format!("{TO_CHARGE} AND (i.due < :until OR i.lane > 1)"), run, until, after, limit)
}

/// Up to `limit` open installments due by `until` that have not been announced, after `after`.
pub fn unannounced_page(conn: &Conn, until: NaiveDate, after: Place, limit: u32) -> Result<Vec<DueRow>> {
    let condition = "i.state = 'open' AND i.announced_at IS NULL AND i.due <= :until";
    page(conn, condition, RunId::new(0), until, after, limit)
}

/// Open terms whose automatic tries are over (failed or missed), due by `until`, after `after`: a page of the overdue list.
pub fn over_page(conn: &Conn, until: NaiveDate, after: Place, limit: u32) -> Result<Vec<DueRow>> {
    let condition = "i.state = 'open' AND i.course IN ('failed','missed') AND i.due <= :until";
    page(conn, condition, RunId::new(0), until, after, limit)
}

/// Those of them about which something may be said `today`: nothing was said yet, or nothing today and the term fell due on `since` or
/// later. A shop's old arrears must not be read by every run.
pub fn over_to_tell_page(
    conn: &Conn,
    today: NaiveDate,
    since: NaiveDate,
    after: Place,
    limit: u32,
) -> Result<Vec<DueRow>> {
    let condition = format!(
        "i.state = 'open' AND i.course IN ('failed','missed') AND i.due <= :until
         AND (i.overdue_told_on IS NULL OR (i.overdue_told_on < :until AND i.due >= '{since}'))"
    );
    page(conn, &condition, RunId::new(0), today, after, limit)
}

fn page(conn: &Conn, condition: &str, run: RunId, until: NaiveDate, after: Place, limit: u32) -> Result<Vec<DueRow>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS}, {DUE_SQL} WHERE {condition} AND (i.due, i.agreement_id, i.term) > (:due, :agreement, :term)
         ORDER BY i.due, i.agreement_id, i.term LIMIT :limit"
    ))?;
    let rows = query.query_map(
        named_params! {
            ":run": run,
            ":until": Day(until),
            ":due": Day(after.due),
            ":agreement": after.id.agreement,
            ":term": after.id.term,
            ":limit": limit,
        },
        due_row,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The same for one installment, whatever its state; `run` is the debit run that asks, where it is one.
pub fn due_one(conn: &Conn, run: Option<RunId>, id: InstallmentId) -> Result<Option<DueRow>> {
    let mut query = conn
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS}, {DUE_SQL} WHERE i.agreement_id = :agreement AND i.term = :term"))?;
    let mut rows = query.query(named_params! { ":run": run, ":agreement": id.agreement, ":term": id.term })?;
    Ok(rows.next()?.map(due_row).transpose()?)
}

/// A term to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewInstallment {
    /// Which.
    pub id: InstallmentId,
    /// The agreed day.
    pub due: NaiveDate,
    /// The date registered with the rail.
    pub registered: NaiveDate,
    /// How much.
    pub amount: Money,
    /// `Open`, or `Before` for terms collected before kibble.
    pub state: InstallmentState,
}

/// Creates a term that does not exist yet; an existing one is left as it is. Returns whether it was created.
pub fn create(conn: &Conn, new: &NewInstallment) -> Result<bool> {
    let created = conn
        .sql()
        .prepare_cached(
            "INSERT INTO installment (agreement_id, term, due, registered, amount, state, course, lane, failures,
                                      told_failures, overdue_level)
             VALUES (:agreement, :term, :due, :registered, :amount, :state, 'planned', 1, 0, 0, 0)
             ON CONFLICT (agreement_id, term) DO NOTHING",
        )?
        .execute(named_params! {
            ":agreement": new.id.agreement,
            ":term": new.id.term,
            ":due": Day(new.due),
            ":registered": Day(new.registered),
            ":amount": new.amount,
            ":state": new.state.word(),
        })?;
    Ok(created > 0)
}

/// The terms of an agreement.
pub fn of_agreement(conn: &Conn, agreement: AgreementId) -> Result<Vec<Installment>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM installment i WHERE i.agreement_id = :agreement ORDER BY i.term"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One term.
pub fn get(conn: &Conn, id: InstallmentId) -> Result<Option<Installment>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM installment i WHERE i.agreement_id = :agreement AND i.term = :term"
    ))?;
    let mut rows = query.query(named_params! { ":agreement": id.agreement, ":term": id.term })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// How many terms of an agreement count as collected (paid by a charge, or before kibble).
pub fn count_collected(conn: &Conn, agreement: AgreementId) -> Result<u32> {
    let mut query = conn.sql().prepare_cached(
        "SELECT count(*) FROM installment WHERE agreement_id = :agreement AND state IN ('paid','before')",
    )?;
    Ok(query.query_row(named_params! { ":agreement": agreement }, |row| row.get(0))?)
}

/// The term was collected.
pub fn set_paid(conn: &Conn, id: InstallmentId, paid_at: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE installment SET state = 'paid', paid_at = :at, next_try_at = NULL
             WHERE agreement_id = :agreement AND term = :term",
        )?
        .execute(named_params! { ":at": Instant(paid_at), ":agreement": id.agreement, ":term": id.term })?;
    Ok(())
}

/// How collecting goes on after an answer that is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The course from here.
    pub course: Course,
    /// The lane to try next.
    pub lane: u32,
    /// Rounds that failed so far.
    pub failures: u32,
    /// When the first round failed.
    pub first_failed_at: Option<At>,
    /// When to try next.
    pub next_try_at: Option<At>,
}

/// Writes how collecting goes on.
pub fn set_progress(conn: &Conn, id: InstallmentId, progress: Progress) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE installment SET course = :course, lane = :lane, failures = :failures, first_failed_at = :first,
               next_try_at = :next WHERE agreement_id = :agreement AND term = :term",
        )?
        .execute(named_params! {
            ":course": progress.course.word(),
            ":lane": progress.lane,
            ":failures": progress.failures,
            ":first": progress.first_failed_at.map(Instant),
            ":next": progress.next_try_at.map(Instant),
            ":agreement": id.agreement,
            ":term": id.term,
        })?;
    Ok(())
}

/// Moves a term to another state that is not `paid`.
pub fn set_state(conn: &Conn, id: InstallmentId, state: InstallmentState) -> Result<()> {
    conn.sql()
        .prepare_cached("UPDATE installment SET state = :state WHERE agreement_id = :agreement AND term = :term")?
        .execute(named_params! { ":state": state.word(), ":agreement": id.agreement, ":term": id.term })?;
    Ok(())
}

/// Cancels the open terms of an agreement from `from_term` on that have no charge in the air. Returns how many.
pub fn cancel_open(conn: &Conn, agreement: AgreementId, from_term: u32) -> Result<u64> {
    let changed = conn.sql().execute(
        "UPDATE installment SET state = 'cancelled'
         WHERE agreement_id = :agreement AND term >= :term AND state = 'open'
           AND NOT EXISTS (SELECT 1 FROM charge c WHERE c.agreement_id = installment.agreement_id
                             AND c.term = installment.term AND c.state IN ('noted','pending','unknown') AND c.kind = 'debit')",
        named_params! { ":agreement": agreement, ":term": from_term },
    )?;
    Ok(u64::try_from(changed)?)
}

/// Gives a term that is over the day that its schedule says.
pub fn set_due(conn: &Conn, id: InstallmentId, due: NaiveDate) -> Result<()> {
    conn.sql().execute(
        "UPDATE installment SET due = :due WHERE agreement_id = :agreement AND term = :term",
        named_params! { ":due": Day(due), ":agreement": id.agreement, ":term": id.term },
    )?;
    Ok(())
}

/// Moves a term to another day; its announcement no longer counts.
pub fn move_due(conn: &Conn, id: InstallmentId, due: NaiveDate, registered: NaiveDate) -> Result<()> {
    conn.sql().execute(
        "UPDATE installment SET due = :due, registered = :registered, announced_at = NULL, charge_from = NULL,
           course = 'planned', lane = 1, failures = 0, told_failures = 0, first_failed_at = NULL, next_try_at = NULL,
           overdue_level = 0, overdue_told_on = NULL
         WHERE agreement_id = :agreement AND term = :term AND state = 'open'",
        named_params! {
            ":due": Day(due),
            ":registered": Day(registered),
            ":agreement": id.agreement,
            ":term": id.term,
        },
    )?;
    conn.sql().execute(
        "DELETE FROM notice WHERE agreement_id = :agreement AND term = :term",
        named_params! { ":agreement": id.agreement, ":term": id.term },
    )?;
    Ok(())
}

/// The announcement was queued.
pub fn set_announced(conn: &Conn, id: InstallmentId, now: At) -> Result<()> {
    conn.sql()
        .prepare_cached("UPDATE installment SET announced_at = :at WHERE agreement_id = :agreement AND term = :term")?
        .execute(named_params! { ":at": Instant(now), ":agreement": id.agreement, ":term": id.term })?;
    Ok(())
}

/// The announcement reached its channel: charges are allowed from `charge_from`.
pub fn set_charge_from(conn: &Conn, id: InstallmentId, charge_from: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE installment SET charge_from = :at, announced_at = COALESCE(announced_at, :at)
             WHERE agreement_id = :agreement AND term = :term",
        )?
        .execute(named_params! { ":at": Instant(charge_from), ":agreement": id.agreement, ":term": id.term })?;
    Ok(())
}

/// The customer has been told of that many failed rounds.
pub fn set_told(conn: &Conn, id: InstallmentId, failures: u32) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE installment SET told_failures = :failures WHERE agreement_id = :agreement AND term = :term",
        )?
        .execute(named_params! { ":failures": failures, ":agreement": id.agreement, ":term": id.term })?;
    Ok(())
}

/// Remembers which overdue level was told when.
pub fn set_overdue(conn: &Conn, id: InstallmentId, level: u32, told_on: NaiveDate) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE installment SET overdue_level = :level, overdue_told_on = :day
             WHERE agreement_id = :agreement AND term = :term",
        )?
        .execute(named_params! {
            ":level": level,
            ":day": Day(told_on),
            ":agreement": id.agreement,
            ":term": id.term,
        })?;
    Ok(())
}

/// Open terms due by `until`, with the number of attempts so far, in order.
pub fn open_due(conn: &Conn, until: NaiveDate) -> Result<Vec<(Installment, u32)>> {
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS}, (SELECT COALESCE(MAX(attempt), 0) FROM charge k
                            WHERE k.agreement_id = i.agreement_id AND k.term = i.term) AS attempts
         FROM installment i WHERE i.state = 'open' AND i.due <= :until ORDER BY i.agreement_id, i.term"
    ))?;
    let rows =
        query.query_map(named_params! { ":until": Day(until) }, |row| Ok((from_row(row)?, row.get("attempts")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The highest term that exists, by agreement.
pub fn last_terms(conn: &Conn) -> Result<BTreeMap<AgreementId, u32>> {
    let mut query =
        conn.sql().prepare("SELECT agreement_id, MAX(term) AS last FROM installment GROUP BY agreement_id")?;
    let rows = query.query_map([], |row| Ok((row.get("agreement_id")?, row.get("last")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A notice that was given.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// `signing`, `message`, `heads_up`, `rail`.
    pub kind: String,
    /// For which lane; 0 when it is for all.
    pub lane: u32,
    /// The due date it named.
    pub due: NaiveDate,
    /// The amount it named.
    pub amount: Money,
    /// When.
    pub given_at: At,
}

/// Records a notice. A second of the same kind and lane replaces the first.
pub fn put_notice(
    conn: &Conn,
    id: InstallmentId,
    kind: &str,
    lane: u32,
    due: NaiveDate,
    amount: Money,
    at: At,
) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "INSERT INTO notice (agreement_id, term, kind, lane, due, amount, given_at)
             VALUES (:agreement, :term, :kind, :lane, :due, :amount, :at)
             ON CONFLICT (agreement_id, term, kind, lane)
             DO UPDATE SET due = excluded.due, amount = excluded.amount, given_at = excluded.given_at",
        )?
        .execute(named_params! {
            ":agreement": id.agreement,
            ":term": id.term,
            ":kind": kind,
            ":lane": lane,
            ":due": Day(due),
            ":amount": amount,
            ":at": Instant(at),
        })?;
    Ok(())
}

/// The notices given for a term, oldest first.
pub fn notices(conn: &Conn, id: InstallmentId) -> Result<Vec<Notice>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT kind, lane, due, amount, given_at FROM notice WHERE agreement_id = :agreement AND term = :term
         ORDER BY given_at, kind",
    )?;
    let rows = query.query_map(named_params! { ":agreement": id.agreement, ":term": id.term }, |row| {
        Ok(Notice {
            kind: row.get("kind")?,
            lane: row.get("lane")?,
            due: day(row, "due")?,
            amount: row.get("amount")?,
            given_at: crate::db::types::at(row, "given_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Number and sum of what is due by `until` and could be charged automatically: the size of a backlog, in one query.
pub fn backlog(conn: &Conn, until: NaiveDate) -> Result<(u64, Money)> {
    Ok(conn.sql().query_row(
        "SELECT count(*) AS due, CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) AS total
         FROM installment i
         WHERE i.state = 'open' AND i.course IN ('planned','failing') AND i.due <= :until AND i.charge_from IS NOT NULL
           AND EXISTS (SELECT 1 FROM agreement a WHERE a.id = i.agreement_id AND a.state = 'active')",
        named_params! { ":until": Day(until) },
        |row| Ok((row.get::<_, i64>("due")?.unsigned_abs(), row.get("total")?)),
    )?)
}

/// Number and sum of what fell due from `from` to `until`: terms of running agreements that are open, and those that were collected.
pub fn due_between(conn: &Conn, from: NaiveDate, until: NaiveDate) -> Result<(u64, Money)> {
    Ok(conn.sql().query_row(
        "SELECT count(*) AS due, CAST(COALESCE(SUM(i.amount), 0) AS BIGINT) AS total
         FROM installment i JOIN agreement a ON a.id = i.agreement_id
         WHERE i.due >= :from AND i.due <= :until
           AND (i.state IN ('paid','refunded') OR (i.state = 'open' AND a.state = 'active'))",
        named_params! { ":from": Day(from), ":until": Day(until) },
        |row| Ok((row.get::<_, i64>("due")?.unsigned_abs(), row.get("total")?)),
    )?)
}

/// A term whose window passed without a decided attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Which.
    pub installment: InstallmentId,
    /// Whose.
    pub customer: CustomerId,
    /// The agreed day.
    pub due: NaiveDate,
    /// How much.
    pub amount: Money,
}

/// The open terms due from `from` on whose window passed without a decided attempt. The condition on both courses is that of the
/// index of the overdue list.
pub fn missed_since(conn: &Conn, from: NaiveDate) -> Result<Vec<Missed>> {
    let mut query = conn.sql().prepare(
        "SELECT i.agreement_id, i.term, i.due, i.amount, a.customer_id
         FROM installment i JOIN agreement a ON a.id = i.agreement_id
         WHERE i.state = 'open' AND i.course IN ('failed','missed') AND i.course = 'missed' AND i.due >= :from
         ORDER BY i.due, i.agreement_id, i.term",
    )?;
    let rows = query.query_map(named_params! { ":from": Day(from) }, |row| {
        Ok(Missed {
            installment: InstallmentId { agreement: row.get("agreement_id")?, term: row.get("term")? },
            customer: row.get("customer_id")?,
            due: day(row, "due")?,
            amount: row.get("amount")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Which installments a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Open and due by the given day.
    Due,
    /// Paid, due in the month of the given day.
    Charged,
    /// Declined, retries to come or over.
    Failed,
    /// Open and due before the given day.
    Overdue,
    /// With a charge whose outcome is not known yet.
    Unknown,
}

/// One line of a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The term.
    #[serde(flatten)]
    pub installment: Installment,
    /// Whose.
    pub customer: CustomerId,
    /// Masked.
    pub label: String,
    /// Rail of the newest charge, or of the mandate.
    pub rail: Option<String>,
    /// Why the newest declined charge was declined.
    pub reason: Option<String>,
    /// State of an open charge.
    pub open_charge: Option<String>,
}

/// Visits the installments of a shelf, by due date; of one customer when given.
pub fn each_on(
    conn: &Conn,
    shelf: Shelf,
    day: NaiveDate,
    customer: Option<CustomerId>,
    mut visit: impl FnMut(Listed) -> Result<()>,
) -> Result<()> {
    let condition = match shelf {
        Shelf::Due => "i.state = 'open' AND i.course IN ('planned','failing') AND i.due <= :day",
        Shelf::Charged => "i.state = 'paid' AND i.due >= :month AND i.due <= :day",
        Shelf::Failed => "i.state = 'open' AND i.course IN ('failing','failed') AND i.due <= :day",
        Shelf::Overdue => "i.state = 'open' AND i.due < :day",
        Shelf::Unknown => {
            "EXISTS (SELECT 1 FROM charge k WHERE k.agreement_id = i.agreement_id AND k.term = i.term
               AND k.state IN ('noted','pending','unknown') AND k.kind <> 'link')"
        }
    };
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS}, a.customer_id, u.wrapped_key, u.name, u.phone,
                (SELECT k.rail FROM charge k WHERE k.agreement_id = i.agreement_id AND k.term = i.term
                  ORDER BY k.attempt DESC LIMIT 1) AS charge_rail,
                (SELECT m.rail FROM mandate m WHERE m.agreement_id = i.agreement_id AND m.lane = 1
                  ORDER BY m.id DESC LIMIT 1) AS mandate_rail,
                (SELECT k.reason FROM charge k WHERE k.agreement_id = i.agreement_id AND k.term = i.term
                  AND k.state = 'declined' ORDER BY k.attempt DESC LIMIT 1) AS reason,
                (SELECT k.state FROM charge k WHERE k.agreement_id = i.agreement_id AND k.term = i.term
                  AND k.state IN ('noted','pending','unknown')) AS open_state
         FROM installment i JOIN agreement a ON a.id = i.agreement_id JOIN customer u ON u.id = a.customer_id
         WHERE {condition} AND a.state IN ('active','paused','completed','settling')
           AND (:customer IS NULL OR a.customer_id = :customer) AND :month = :month AND :day = :day
         ORDER BY i.due, i.agreement_id, i.term"
    ))?;
    let month = chrono::Datelike::with_day(&day, 1).unwrap_or(day);
    let mut rows = query.query(named_params! { ":day": Day(day), ":month": Day(month), ":customer": customer })?;
    while let Some(row) = rows.next()? {
        let charge_rail: Option<String> = row.get("charge_rail")?;
        visit(Listed {
            installment: from_row(row)?,
            customer: row.get("customer_id")?,
            label: crate::db::customer::label_of(conn, row)?,
            rail: charge_rail.or(row.get("mandate_rail")?),
            reason: row.get("reason")?,
            open_charge: row.get("open_state")?,
        })?;
    }
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Installment> {
    from_cells(&mut Cells::of(row))
}

/// Reads `COLUMNS`.
fn from_cells(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Installment> {
    Ok(Installment {
        id: InstallmentId { agreement: cells.get()?, term: cells.get()? },
        due: cells.day()?,
        registered: cells.day()?,
        amount: cells.get()?,
        state: cells.word(InstallmentState::from_word)?,
        course: cells.word(Course::from_word)?,
        lane: cells.get()?,
        failures: cells.get()?,
        first_failed_at: cells.maybe_at()?,
        next_try_at: cells.maybe_at()?,
        announced_at: cells.maybe_at()?,
        charge_from: cells.maybe_at()?,
        paid_at: cells.maybe_at()?,
        told_failures: cells.get()?,
        overdue_level: cells.get()?,
        overdue_told_on: cells.maybe_day()?,
    })
}

/// Reads `COLUMNS` and what `DUE_SQL` selects after them, in this order.
fn due_row(row: &Row<'_>) -> rusqlite::Result<DueRow> {
    let mut cells = Cells::of(row);
    let installment = from_cells(&mut cells)?;
    let agreement = cells.word(AgreementState::from_word)?;
    let paused_until = cells.maybe_day()?;
    let customer = cells.get()?;
    let agreement_no = cells.get()?;
    let terms = cells.get()?;
    let lang = cells.get()?;
    let failed_in_row = cells.get()?;
    let pet_gone = !cells.word(Status::from_word)?.may_be_charged_for();
    let mandate: Option<MandateId> = cells.get()?;
    let rail: Option<String> = cells.get()?;
    let mandate_state = cells.maybe_word(MandateStatus::from_word)?;
    let contract_no: Option<String> = cells.get()?;
    let provider_no = cells.get()?;
    let mandate_signed_at = cells.maybe_at()?;
    let mandate_until = cells.maybe_day()?;
    let open = open_charge(&mut cells)?;
    let rail_notice_at = cells.maybe_at()?;
    let attempts = cells.get()?;
    let charged_this_run = cells.get()?;
    let has_next_lane = cells.get()?;
    let is_disputed = cells.get()?;
    let candidate = Candidate {
        installment: installment.id,
        state: installment.state,
        course: installment.course,
        due: installment.due,
        registered: installment.registered,
        lane: installment.lane,
        agreement,
        paused_until,
        pet_gone,
        mandate: mandate.zip(mandate_state),
        mandate_signed_at,
        mandate_until,
        open_charge: open.as_ref().map(|(_, state, kind)| (*state, *kind)),
        charge_from: installment.charge_from,
        rail_notice_at,
        next_try_at: installment.next_try_at,
        charged_this_run,
    };
    Ok(DueRow {
        candidate,
        customer,
        agreement_no,
        terms,
        lang,
        rail: rail.unwrap_or_default(),
        contract_no: contract_no.unwrap_or_default(),
        provider_no,
        open: open.map(|(open, _, _)| open),
        attempts,
        failed_in_row,
        has_next_lane,
        is_disputed,
        installment,
    })
}

/// The open charge of a row, with its state and kind.
fn open_charge(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<(OpenCharge, ChargeState, ChargeKind)>> {
    const OTHERS: usize = 6;
    let id: Option<ChargeId> = cells.get()?;
    let Some(id) = id else {
        cells.skip(OTHERS);
        return Ok(None);
    };
    let state = cells.word(ChargeState::from_word)?;
    let kind = cells.word(ChargeKind::from_word)?;
    let order_no = cells.get()?;
    let rail = cells.get()?;
    let amount = cells.get()?;
    let code: String = cells.get()?;
    let unheard = code == crate::db::charge::NOT_FOUND && state == ChargeState::Noted;
    Ok(Some((OpenCharge { id, order_no, rail, amount, unheard }, state, kind)))
}
