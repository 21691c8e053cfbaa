//! Which lines of bills belong to which charges and refunds, what is left over on either side, and what was decided about it. The
//! judgement is `domain/recon.rs`; only lines that are plainly the same are marked here, by one statement for a whole bill.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, Rows, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::bill::{LINE, Line, line_row};
use crate::db::refund::{BY_HAND, Refund};
use crate::db::types::{Day, Instant, at, filter, maybe_at, word};
use crate::domain::bill::LineKind;
use crate::domain::charge::{ChargeKind, ChargeState, InstallmentState};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, BillId, ChargeId, CustomerId, EntryId, InstallmentId, LineId, RefundId};
use crate::domain::money::Money;
use crate::domain::recon::{Class, Decision, Ours, Pair, Subject, is_done};
use crate::domain::refund::RefundState;

/// Finds the charge and the refund of every line of `rail` that has none yet. A number of another rail's is nobody's here.
pub fn link(conn: &Conn, rail: &str) -> Result<()> {
    conn.sql().execute(
        "UPDATE bill_line SET charge_id = (SELECT c.id FROM charge c
                                           WHERE c.order_no = bill_line.order_no AND c.rail = bill_line.rail)
         WHERE state = 'open' AND rail = :rail AND charge_id IS NULL",
        named_params! { ":rail": rail },
    )?;
    conn.sql().execute(
        "UPDATE bill_line SET refund_id = (SELECT r.id FROM refund r
                                           WHERE r.refund_no = bill_line.refund_no AND r.rail = bill_line.rail)
         WHERE state = 'open' AND rail = :rail AND refund_id IS NULL AND kind = 'refund' AND refund_no <> ''",
        named_params! { ":rail": rail },
    )?;
    Ok(())
}

/// Marks the lines of `rail` that say what we say. Returns how many.
pub fn mark_matched(conn: &Conn, rail: &str) -> Result<u64> {
    let payments = conn.sql().execute(
        "UPDATE bill_line SET state = 'matched'
         WHERE state = 'open' AND rail = :rail AND kind = 'payment' AND is_sound = 1
           AND EXISTS (SELECT 1 FROM charge c
                       WHERE c.id = bill_line.charge_id AND c.state = 'paid' AND c.amount = bill_line.amount)
           AND NOT EXISTS (SELECT 1 FROM bill_line o WHERE o.charge_id = bill_line.charge_id AND o.kind = 'payment'
                             AND o.id < bill_line.id)",
        named_params! { ":rail": rail },
    )?;
    let refunds = conn.sql().execute(
        "UPDATE bill_line SET state = 'matched'
         WHERE state = 'open' AND rail = :rail AND kind = 'refund' AND is_sound = 1
           AND EXISTS (SELECT 1 FROM refund r
                       WHERE r.id = bill_line.refund_id AND r.state = 'paid' AND r.amount = -bill_line.amount)
           AND NOT EXISTS (SELECT 1 FROM bill_line o WHERE o.refund_id = bill_line.refund_id AND o.id < bill_line.id)",
        named_params! { ":rail": rail },
    )?;
    Ok(u64::try_from(payments + refunds)?)
}

/// Which open lines are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Of one rail.
    pub rail: Option<&'a str>,
    /// Of one bill.
    pub bill: Option<BillId>,
    /// One line.
    pub line: Option<LineId>,
}

/// A line that is not explained, with what we know of its numbers.
#[derive(Clone, Debug)]
pub struct OpenLine {
    /// The line.
    pub line: Line,
    /// Whether it is the first about its charge or refund. A refund that somebody handed over has gone back before.
    pub is_first: bool,
    /// What we know.
    pub ours: Ours,
    /// The term of its charge.
    pub installment: Option<InstallmentId>,
    /// Whose charge or refund it is.
    pub customer: Option<CustomerId>,
}

impl OpenLine {
    /// The pair that the domain judges.
    pub fn pair(&self) -> Pair {
        Pair {
            kind: self.line.kind,
            amount: self.line.amount,
            is_first: self.is_first,
            is_sound: self.line.is_sound,
            is_done: is_done(&self.line.said),
            ours: self.ours,
        }
    }
}

/// Lines that are not explained, in the order of their numbers.
pub fn open_lines(conn: &Conn, wanted: Wanted<'_>) -> Result<Vec<OpenLine>> {
    let of_rail = filter("l.rail", ":rail", wanted.rail.is_some());
    let of_bill = filter("l.bill_id", ":bill", wanted.bill.is_some());
    let one = filter("l.id", ":line", wanted.line.is_some());
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {LINE}, c.state AS charge_state, c.amount AS charge_amount, c.agreement_id, c.term, i.state AS term_state,
                r.state AS refund_state, r.amount AS refund_amount, COALESCE(r.customer_id, a.customer_id) AS customer_id,
                CASE WHEN l.kind = 'refund' THEN NOT EXISTS (SELECT 1 FROM bill_line o WHERE o.refund_id = l.refund_id AND o.id < l.id)
                                                 AND NOT EXISTS (SELECT 1 FROM refund h WHERE h.refund_no = r.refund_no || '{BY_HAND}')
                     ELSE NOT EXISTS (SELECT 1 FROM bill_line o WHERE o.charge_id = l.charge_id AND o.kind = l.kind AND o.id < l.id)
                END AS is_first
         FROM bill_line l
         LEFT JOIN charge c ON c.id = l.charge_id
         LEFT JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
         LEFT JOIN agreement a ON a.id = c.agreement_id
         LEFT JOIN refund r ON r.id = l.refund_id
         WHERE l.state = 'open' AND {of_rail} AND {of_bill} AND {one} ORDER BY l.id"
    ))?;
    let rows = query
        .query_map(named_params! { ":rail": wanted.rail, ":bill": wanted.bill, ":line": wanted.line }, open_line)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn open_line(row: &Row<'_>) -> rusqlite::Result<OpenLine> {
    let line = line_row(row)?;
    let ours = match (line.kind, line.charge, line.refund) {
        (LineKind::Refund, _, Some(_)) => Ours::Refund {
            state: word(row, "refund_state", RefundState::from_word)?,
            amount: row.get("refund_amount")?,
        },
        (LineKind::Payment, Some(_), _) => Ours::Charge {
            state: word(row, "charge_state", ChargeState::from_word)?,
            amount: row.get("charge_amount")?,
            term: word(row, "term_state", InstallmentState::from_word)?,
        },
        _ => Ours::Nothing,
    };
    let installment = match (row.get("agreement_id")?, row.get("term")?) {
        (Some(agreement), Some(term)) => Some(InstallmentId { agreement, term }),
        _ => None,
    };
    Ok(OpenLine { is_first: row.get("is_first")?, customer: row.get("customer_id")?, line, ours, installment })
}

/// A line that is not explained and says that the money of `refund` went back: under its number, or of its order under a number that
/// is unknown here, as the provider's console gives one.
pub fn gone_back(conn: &Conn, refund: &Refund) -> Result<Option<LineId>> {
    let order = super::refund::order(conn, refund)?.map(|(order_no, _)| order_no);
    let mut query = conn.sql().prepare_cached(
        "SELECT id, said FROM bill_line
         WHERE state = 'open' AND kind = 'refund' AND rail = :rail
           AND (refund_id = :refund OR (refund_id IS NULL AND order_no = :order_no)) ORDER BY id",
    )?;
    first_done(query.query(named_params! { ":rail": refund.rail, ":refund": refund.id, ":order_no": order })?)
}

/// A line that is not explained and says that money of this agreement went back under a number that is unknown here.
pub fn console_refund(conn: &Conn, agreement: AgreementId) -> Result<Option<LineId>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT l.id, l.said FROM bill_line l JOIN charge c ON c.id = l.charge_id
         WHERE l.state = 'open' AND l.kind = 'refund' AND l.refund_id IS NULL AND c.agreement_id = :agreement
           AND c.state = 'paid' ORDER BY l.id",
    )?;
    first_done(query.query(named_params! { ":agreement": agreement })?)
}

fn first_done(mut rows: Rows<'_>) -> Result<Option<LineId>> {
    while let Some(row) = rows.next()? {
        if is_done(&row.get::<_, String>("said")?) {
            return Ok(Some(row.get("id")?));
        }
    }
    Ok(None)
}

/// How many lines are not explained although they are older than `before`.
pub fn count_open(conn: &Conn, before: NaiveDate) -> Result<u64> {
    let count: i64 = conn.sql().query_row(
        "SELECT CAST(count(*) AS BIGINT) AS number FROM bill_line WHERE state = 'open' AND day < :before",
        named_params! { ":before": Day(before) },
        |row| row.get("number"),
    )?;
    Ok(count.unsigned_abs())
}

/// How many lines of each bill are not explained.
pub fn open_by_bill(conn: &Conn) -> Result<BTreeMap<BillId, u64>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT bill_id, CAST(count(*) AS BIGINT) AS number FROM bill_line WHERE state = 'open' GROUP BY bill_id",
    )?;
    let rows = query.query_map([], |row| Ok((row.get("bill_id")?, row.get::<_, i64>("number")?.unsigned_abs())))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Something of ours that is paid and that no bill has.
#[derive(Clone, Debug)]
pub struct Unbilled {
    /// A charge or a refund.
    pub subject: Subject,
    /// On which rail.
    pub rail: String,
    /// Its order number.
    pub order_no: String,
    /// Its refund number; empty for a charge.
    pub refund_no: String,
    /// The provider's number, where it told one.
    pub trade_no: String,
    /// What it does to the shop's money at the provider: positive came, negative went back.
    pub amount: Money,
    /// When the money moved.
    pub paid_at: At,
    /// The term of its charge.
    pub installment: Option<InstallmentId>,
    /// Whose.
    pub customer: CustomerId,
}

/// What is paid here since `since` on a rail that has bills, stands in none of them, and was not decided about. `subject` picks one.
pub fn unbilled(conn: &Conn, since: At, rail: Option<&str>, subject: Option<Subject>) -> Result<Vec<Unbilled>> {
    let of_rail = filter("x.rail", ":rail", rail.is_some());
    let (charge, refund) = match subject {
        Some(Subject::Charge(id)) => (Some(id), Some(RefundId::new(0))),
        Some(Subject::Refund(id)) => (Some(ChargeId::new(0)), Some(id)),
        Some(Subject::Line(_)) => return Ok(Vec::new()),
        None => (None, None),
    };
    let one_charge = filter("x.id", ":charge", charge.is_some());
    let one_refund = filter("x.id", ":refund", refund.is_some());
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT 'k' AS letter, x.id, x.rail, x.order_no, '' AS refund_no, COALESCE(x.trade_no, '') AS trade_no, x.amount, x.paid_at,
                x.agreement_id, x.term, a.customer_id
         FROM charge x JOIN agreement a ON a.id = x.agreement_id
         WHERE x.state = 'paid' AND x.kind IN ('debit','link') AND x.paid_at >= :since AND {of_rail} AND {one_charge}
           AND NOT EXISTS (SELECT 1 FROM bill_line l WHERE l.charge_id = x.id AND l.kind = 'payment')
           AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.subject = 'k-' || x.id)
         UNION ALL
         SELECT 'f' AS letter, x.id, x.rail, COALESCE(c.order_no, s.order_no, '') AS order_no, x.refund_no, '' AS trade_no,
                -x.amount AS amount, x.paid_at, c.agreement_id, c.term, x.customer_id
         FROM refund x LEFT JOIN charge c ON c.id = x.charge_id LEFT JOIN bill_line s ON s.id = x.line_id
         WHERE x.state = 'paid' AND (x.charge_id IS NOT NULL OR x.line_id IS NOT NULL) AND x.paid_at >= :since AND {of_rail}
           AND {one_refund}
           AND NOT EXISTS (SELECT 1 FROM bill_line l WHERE l.refund_id = x.id)
           AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.subject = 'f-' || x.id)
         ORDER BY 8, 1, 2"
    ))?;
    let rows = query.query_map(
        named_params! { ":since": Instant(since), ":rail": rail, ":charge": charge, ":refund": refund },
        |row| {
            let subject = match row.get::<_, String>("letter")?.as_str() {
                "k" => Subject::Charge(row.get("id")?),
                _ => Subject::Refund(row.get("id")?),
            };
            let installment = match (row.get("agreement_id")?, row.get("term")?) {
                (Some(agreement), Some(term)) => Some(InstallmentId { agreement, term }),
                _ => None,
            };
            Ok(Unbilled {
                subject,
                rail: row.get("rail")?,
                order_no: row.get("order_no")?,
                refund_no: row.get("refund_no")?,
                trade_no: row.get("trade_no")?,
                amount: row.get("amount")?,
                paid_at: at(row, "paid_at")?,
                installment,
                customer: row.get("customer_id")?,
            })
        },
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// An open charge that a bill could settle.
#[derive(Clone, Debug)]
pub struct Doubtful {
    /// The charge.
    pub id: ChargeId,
    /// When it was written down.
    pub noted_at: At,
    /// The last moment at which money could have moved under it, as far as is known.
    pub latest: At,
}

/// Open charges of `rail` noted before `before` that stand in no bill.
pub fn doubtful(conn: &Conn, rail: &str, before: At) -> Result<Vec<Doubtful>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT id, kind, noted_at, asked_at, pending_until FROM charge
         WHERE state IN ('noted','pending','unknown') AND code <> 'PAID_TWICE' AND rail = :rail AND noted_at < :before
           AND NOT EXISTS (SELECT 1 FROM bill_line l WHERE l.charge_id = charge.id)
         ORDER BY id",
    )?;
    let rows = query.query_map(named_params! { ":rail": rail, ":before": Instant(before) }, |row| {
        let noted_at = at(row, "noted_at")?;
        let asked = maybe_at(row, "asked_at")?.unwrap_or(noted_at);
        let pending = maybe_at(row, "pending_until")?.unwrap_or(noted_at);
        let kind = word(row, "kind", ChargeKind::from_word)?;
        Ok((kind, Doubtful { id: row.get("id")?, noted_at, latest: noted_at.max(asked).max(pending) }))
    })?;
    let found: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|(kind, _)| *kind != ChargeKind::Cash).map(|(_, it)| it).collect())
}

/// A line is explained by a decision.
pub fn set_decided(conn: &Conn, line: LineId) -> Result<()> {
    conn.sql().execute("UPDATE bill_line SET state = 'decided' WHERE id = :id", named_params! { ":id": line })?;
    Ok(())
}

/// A refund noted here belongs to a line.
pub fn set_refund(conn: &Conn, line: LineId, refund: RefundId) -> Result<()> {
    conn.sql().execute(
        "UPDATE bill_line SET refund_id = :refund WHERE id = :id",
        named_params! { ":refund": refund, ":id": line },
    )?;
    Ok(())
}

/// What was decided about a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// What it is about.
    pub subject: String,
    /// How it differed.
    pub class: Class,
    /// What was decided.
    pub decision: Decision,
    /// The account of `book-as`.
    pub account: String,
    /// What was booked or given back.
    pub amount: Money,
    /// The entry, where one was booked.
    pub entry: Option<EntryId>,
    /// When.
    pub at: At,
}

/// Keeps a decision; a second one about the same thing is refused by the key.
pub fn decide(conn: &Conn, it: &Decided) -> Result<()> {
    conn.sql().execute(
        "INSERT INTO decision (subject, class, decision, account, amount, entry_id, at)
         VALUES (:subject, :class, :decision, :account, :amount, :entry, :at)",
        named_params! {
            ":subject": it.subject,
            ":class": it.class.word(),
            ":decision": it.decision.word(),
            ":account": it.account,
            ":amount": it.amount,
            ":entry": it.entry,
            ":at": Instant(it.at),
        },
    )?;
    Ok(())
}

/// What was decided about `subject`.
pub fn decided(conn: &Conn, subject: Subject) -> Result<Option<Decided>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT subject, class, decision, account, amount, entry_id, at FROM decision WHERE subject = :subject",
    )?;
    let mut rows = query.query(named_params! { ":subject": subject.to_string() })?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Decided {
        subject: row.get("subject")?,
        class: word(row, "class", Class::from_word)?,
        decision: word(row, "decision", Decision::from_word)?,
        account: row.get("account")?,
        amount: row.get("amount")?,
        entry: row.get("entry_id")?,
        at: at(row, "at")?,
    }))
}

/// Whether a line with this order number was decided about.
pub fn is_order_decided(conn: &Conn, rail: &str, order_no: &str) -> Result<bool> {
    let mut query = conn.sql().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM bill_line WHERE state = 'decided' AND rail = :rail AND order_no = :order_no) AS is_decided",
    )?;
    Ok(query.query_row(named_params! { ":rail": rail, ":order_no": order_no }, |row| row.get("is_decided"))?)
}
