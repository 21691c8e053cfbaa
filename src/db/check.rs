//! Reads what `kibble check` recomputes the laws from. Every query here is written apart from the code that writes the rows, so
//! that the two can disagree. Sets are compared by the database; what needs the calendar or a rail's rules is streamed.
//!
//! A probe's query gives the rows that break a law: `record` names the record, `shows` is what stands in it.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{at, day, maybe_at, maybe_day, word};
use crate::domain::charge::{ChargeKind, ChargeState, InstallmentState};
use crate::domain::date::{At, FirstDebit, Schedule};
use crate::domain::id::{AgreementId, ChargeId, InstallmentId, MessageId};
use crate::domain::money::Money;
use crate::english;

/// A query for broken rows.
pub struct Probe {
    /// What is wrong with the rows it finds, as an English key.
    pub what: &'static str,
    sql: &'static str,
}

/// A row that breaks a law.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Culprit {
    /// Which record.
    pub record: String,
    /// What stands in it.
    pub shows: String,
}

/// Law 1: one installment is collected at most once, and says so.
pub const COLLECTED_ONCE: &[Probe] = &[
    Probe {
        what: english!("collected more than once"),
        sql: "SELECT 'a-' || agreement_id || '/' || term AS record, 'k-' || MIN(id) || ', k-' || MAX(id) AS shows
              FROM charge WHERE state = 'paid' GROUP BY agreement_id, term HAVING count(*) > 1",
    },
    Probe {
        what: english!("a charge is paid, the installment is not"),
        sql: "SELECT 'a-' || i.agreement_id || '/' || i.term AS record, 'k-' || c.id || ' paid, ' || i.state AS shows
              FROM charge c JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
              WHERE c.state = 'paid' AND i.state NOT IN ('paid','refunded')",
    },
    Probe {
        what: english!("the installment is paid, no charge is"),
        sql: "SELECT 'a-' || i.agreement_id || '/' || i.term AS record, i.state AS shows FROM installment i
              WHERE i.state IN ('paid','refunded') AND NOT EXISTS (SELECT 1 FROM charge c
                WHERE c.agreement_id = i.agreement_id AND c.term = i.term AND c.state = 'paid')",
    },
];

/// Law 2: charges are on disk first, one open at a time, one order number each. The numbers themselves are recomputed in code.
pub const ON_DISK_FIRST: &[Probe] = &[
    Probe {
        what: english!("two charges are open at once"),
        sql: "SELECT 'a-' || agreement_id || '/' || term AS record, 'k-' || MIN(id) || ', k-' || MAX(id) AS shows
              FROM charge WHERE state IN ('noted','pending','unknown') GROUP BY agreement_id, term HAVING count(*) > 1",
    },
    Probe {
        what: english!("one order number stands twice"),
        sql: "SELECT order_no AS record, 'k-' || MIN(id) || ', k-' || MAX(id) AS shows
              FROM charge GROUP BY order_no HAVING count(*) > 1",
    },
    Probe {
        what: english!("the rail was asked before the charge was noted"),
        sql: "SELECT 'k-' || id AS record, asked_at || ' < ' || noted_at AS shows FROM charge WHERE asked_at < noted_at",
    },
];

/// Law 3: an unknown outcome is neither paid nor failed. A second payment from outside (`PAID_TWICE`) stays unknown on purpose.
pub const UNKNOWN_APART: &[Probe] = &[
    Probe {
        what: english!("an unknown charge counts as paid"),
        sql: "SELECT 'k-' || c.id AS record, 'a-' || i.agreement_id || '/' || i.term || ' ' || i.state AS shows
              FROM charge c JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
              WHERE c.state = 'unknown' AND (c.paid_at IS NOT NULL
                OR (i.state IN ('paid','refunded') AND c.code <> 'PAID_TWICE'))",
    },
    Probe {
        what: english!("an unknown debit counts as failed"),
        sql: "SELECT 'k-' || c.id AS record, 'a-' || i.agreement_id || '/' || i.term || ' ' || i.course AS shows
              FROM charge c JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
              WHERE c.state = 'unknown' AND (c.reason IS NOT NULL
                OR (c.kind = 'debit' AND i.state = 'open' AND i.course = 'failed'))",
    },
    Probe {
        what: english!("a failure notice about a charge of which nobody knows"),
        sql: "SELECT 'n-' || m.id AS record, m.template || ' k-' || c.id AS shows
              FROM charge c JOIN message m ON m.agreement_id = c.agreement_id AND m.term = c.term
              WHERE c.state = 'unknown' AND m.state IN ('queued','sending','unknown','sent')
                AND m.template IN ('debit_failed','retry_exhausted_customer','retry_exhausted_merchant')
                AND NOT EXISTS (SELECT 1 FROM charge d WHERE d.agreement_id = c.agreement_id AND d.term = c.term
                                  AND d.state = 'declined')",
    },
];

/// Law 4: a paid charge credits the wallet once and grants points once; nothing else does.
pub const CREDITED_ONCE: &[Probe] = &[
    Probe {
        what: english!("a paid charge without its journal entry"),
        sql: "SELECT 'k-' || c.id AS record, 'a-' || c.agreement_id || '/' || c.term AS shows FROM charge c
              WHERE c.state = 'paid'
                AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.kind = 'charge' AND e.ref = 'k-' || c.id)",
    },
    Probe {
        what: english!("a journal entry without its paid charge"),
        sql: "SELECT 'j-' || e.id AS record, e.ref AS shows FROM entry e
              LEFT JOIN charge c ON c.id = CAST(substr(e.ref, 3) AS BIGINT)
              WHERE e.kind = 'charge' AND (c.id IS NULL OR c.state <> 'paid')",
    },
    Probe {
        what: english!("the wallet was credited another amount than was paid"),
        sql: "SELECT 'k-' || c.id AS record, 'j-' || e.id AS shows
              FROM charge c JOIN agreement a ON a.id = c.agreement_id
              JOIN entry e ON e.kind = 'charge' AND e.ref = 'k-' || c.id
              LEFT JOIN posting p ON p.entry_id = e.id AND p.account = 'wallet:principal' AND p.customer_id = a.customer_id
              WHERE c.state = 'paid' GROUP BY c.id, e.id, c.amount HAVING COALESCE(SUM(p.amount), 0) <> -c.amount",
    },
    Probe {
        what: english!("a paid charge without its points"),
        sql: "SELECT 'k-' || c.id AS record, CAST(COALESCE(p.points, 0) AS TEXT) AS shows
              FROM charge c JOIN agreement a ON a.id = c.agreement_id
              LEFT JOIN points p ON p.kind = 'charge' AND p.ref = 'k-' || c.id
              WHERE c.state = 'paid' AND c.amount >= 100
                AND (p.id IS NULL OR p.points <> c.amount / 100 OR p.customer_id <> a.customer_id)",
    },
    Probe {
        what: english!("points without a paid charge"),
        sql: "SELECT p.ref AS record, CAST(p.points AS TEXT) AS shows FROM points p
              LEFT JOIN charge c ON c.id = CAST(substr(p.ref, 3) AS BIGINT)
              WHERE p.kind = 'charge' AND (c.id IS NULL OR c.state <> 'paid')",
    },
];

/// Law 5: every entry sums to zero, corrections name what they correct, and refunds stand in the journal as they stand by themselves.
pub const ENTRIES_BALANCE: &[Probe] = &[
    Probe {
        what: english!("an entry does not sum to zero"),
        sql: "SELECT 'j-' || entry_id AS record, CAST(CAST(SUM(amount) AS BIGINT) AS TEXT) || ' fen' AS shows
              FROM posting GROUP BY entry_id HAVING SUM(amount) <> 0",
    },
    Probe {
        what: english!("an entry without postings"),
        sql: "SELECT 'j-' || e.id AS record, e.kind || ' ' || e.ref AS shows FROM entry e
              WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE p.entry_id = e.id)",
    },
    Probe {
        what: english!("postings without an entry"),
        sql: "SELECT 'j-' || p.entry_id AS record, p.account AS shows FROM posting p
              WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.id = p.entry_id)",
    },
    Probe {
        what: english!("a correction that names no earlier entry"),
        sql: "SELECT 'j-' || e.id AS record, e.ref AS shows FROM entry e LEFT JOIN entry c ON c.id = e.corrects
              WHERE (e.kind = 'correction' AND e.corrects IS NULL)
                 OR (e.corrects IS NOT NULL AND (c.id IS NULL OR c.id >= e.id))",
    },
    Probe {
        what: english!("a posting on nobody's account, or on somebody's where there is none"),
        sql: "SELECT 'j-' || entry_id AS record, account || ' c-' || customer_id AS shows FROM posting
              WHERE (customer_id > 0) <> (account IN ('wallet:principal','wallet:bonus','refunds_due','clawback_due'))",
    },
    Probe {
        what: english!("another amount counts as given back of a charge than its refunds come to"),
        sql: "SELECT 'k-' || c.id AS record, CAST(c.refunded AS TEXT) || ' / ' || CAST(COALESCE(r.amount, 0) AS TEXT) || ' fen' AS shows
              FROM charge c
              LEFT JOIN (SELECT charge_id, SUM(amount) AS amount FROM refund WHERE charge_id IS NOT NULL GROUP BY charge_id) r
                ON r.charge_id = c.id
              WHERE c.refunded <> COALESCE(r.amount, 0)",
    },
    Probe {
        what: english!("a refund is paid and not booked as paid, or the other way round"),
        sql: "SELECT 'f-' || r.id AS record, r.state || ' j-' || COALESCE(e.id, 0) AS shows FROM refund r
              LEFT JOIN entry e ON e.kind = 'refund_paid' AND e.ref = 'f-' || r.id
              LEFT JOIN posting p ON p.entry_id = e.id AND p.account = 'refunds_due' AND p.customer_id = r.customer_id
              WHERE CASE r.state WHEN 'paid' THEN COALESCE(p.amount, 0) <> r.amount ELSE e.id IS NOT NULL END",
    },
    Probe {
        what: english!("an entry of a refund that does not exist"),
        sql: "SELECT 'j-' || e.id AS record, e.ref AS shows FROM entry e LEFT JOIN refund r ON 'f-' || r.id = e.ref
              WHERE e.kind IN ('refund_due','refund_paid') AND r.id IS NULL",
    },
    // One that a bill corrected goes back in two parts; together they are what was booked.
    Probe {
        what: english!("a refund is owed that is not booked so"),
        sql: "SELECT 'f-' || MIN(id) AS record, CAST(SUM(amount) AS TEXT) || ' / ' || CAST(SUM(due) AS TEXT) || ' fen' AS shows
              FROM (SELECT r.id, r.charge_id, r.line_id, r.amount,
                           COALESCE((SELECT -SUM(p.amount) FROM entry e JOIN posting p ON p.entry_id = e.id
                                     WHERE e.kind = 'refund_due' AND e.ref = 'f-' || r.id AND p.account = 'refunds_due'), 0)
                         + COALESCE((SELECT -SUM(p.amount) FROM bill_line l JOIN entry e ON e.kind = 'recon' AND e.ref = 'l-' || l.id
                                     JOIN posting p ON p.entry_id = e.id
                                     WHERE l.refund_id = r.id AND p.account = 'refunds_due'), 0) AS due
                    FROM refund r WHERE r.statement_id IS NULL AND (r.charge_id IS NOT NULL OR r.line_id IS NOT NULL)) AS noted
              GROUP BY charge_id, line_id HAVING SUM(amount) <> SUM(due)",
    },
    Probe {
        what: english!("a settlement gives back another amount than is booked"),
        sql: "SELECT 't-' || id AS record, CAST(noted AS TEXT) || ' / ' || CAST(due AS TEXT) || ' fen' AS shows
              FROM (SELECT s.id,
                           COALESCE((SELECT SUM(r.amount) FROM refund r WHERE r.statement_id = s.id
                                       AND NOT EXISTS (SELECT 1 FROM refund d WHERE r.refund_no = d.refund_no || 'H')), 0) AS noted,
                           COALESCE((SELECT -SUM(p.amount) FROM entry e JOIN posting p ON p.entry_id = e.id
                                     WHERE e.kind = 'settlement' AND e.ref = 't-' || s.id AND p.account = 'refunds_due'), 0) AS due
                    FROM statement s) AS settled
              WHERE noted <> due",
    },
    Probe {
        what: english!("what is booked as due back is not what refunds still owe"),
        sql: "SELECT 'c-' || customer_id AS record, CAST(SUM(owed) AS TEXT) || ' / ' || CAST(SUM(booked) AS TEXT) || ' fen' AS shows
              FROM (SELECT customer_id, -SUM(amount) AS booked, 0 AS owed FROM posting WHERE account = 'refunds_due'
                    GROUP BY customer_id
                    UNION ALL
                    SELECT customer_id, 0 AS booked, SUM(amount) AS owed FROM refund r
                    WHERE state <> 'paid' AND NOT EXISTS (SELECT 1 FROM refund h WHERE h.refund_no = r.refund_no || 'H')
                    GROUP BY customer_id) AS both
              GROUP BY customer_id HAVING SUM(booked) <> SUM(owed)",
    },
];

/// Law 6: a wallet is never negative, and pays only for what it may pay for.
pub const WALLET_COVERS: &[Probe] = &[
    Probe {
        what: english!("the wallet was below zero"),
        sql: "SELECT 'c-' || customer_id AS record, 'j-' || MIN(entry_id) || ' ' || account AS shows FROM (
                SELECT customer_id, account, entry_id,
                       SUM(amount) OVER (PARTITION BY customer_id, account ORDER BY entry_id) AS running
                FROM posting WHERE account IN ('wallet:principal','wallet:bonus')) AS course
              WHERE running > 0 GROUP BY customer_id, account",
    },
    Probe {
        what: english!("the wallet paid for something that it may not pay for"),
        sql: "SELECT 'o-' || order_id AS record, sku AS shows FROM order_line WHERE wallet_part > 0 AND wallet_ok = 0",
    },
    Probe {
        what: english!("the wallet paid more than the goods cost"),
        sql: "SELECT 'o-' || order_id AS record, sku AS shows FROM order_line WHERE wallet_part > qty * unit_price",
    },
];

/// Law 7, the part about credit checks: an agreement whose check was not decided in its favour never started.
pub const CREDIT_DECIDED: &[Probe] = &[Probe {
    what: english!("an agreement runs although its credit check was not decided in its favour"),
    sql: "SELECT 'a-' || c.agreement_id AS record, c.verdict || ' ' || c.review AS shows
          FROM credit_check c JOIN agreement a ON a.id = c.agreement_id
          WHERE a.active_at IS NOT NULL AND c.review IN ('open','refused')",
}];

/// Law 8: one event, one message. The hours are checked in code.
pub const TOLD_ONCE: &[Probe] = &[
    Probe {
        what: english!("one event was told twice"),
        sql: "SELECT event AS record, 'n-' || MIN(id) || ', n-' || MAX(id) AS shows
              FROM message GROUP BY event HAVING count(*) > 1",
    },
    Probe {
        what: english!("a message was sent before its time"),
        sql: "SELECT 'n-' || id AS record, sent_at || ' < ' || not_before AS shows
              FROM message WHERE state = 'sent' AND sent_at < not_before",
    },
];

/// Law 11: sealed columns are sealed, and an erased customer has no key. Whether they open is checked in code.
pub const SEALED: &[Probe] = &[Probe {
    what: english!("a customer without a key who was not erased, or the other way round"),
    sql: "SELECT 'c-' || id AS record, COALESCE(erased_at, '') AS shows FROM customer
          WHERE (wrapped_key IS NULL) <> (erased_at IS NOT NULL)",
}];

/// The first `limit` rows that a probe finds.
pub fn culprits(conn: &Conn, probe: &Probe, limit: u32) -> Result<Vec<Culprit>> {
    let mut query = conn.sql().prepare(&format!("{} ORDER BY record LIMIT :limit", probe.sql))?;
    let rows = query.query_map(named_params! { ":limit": limit }, |row| {
        Ok(Culprit { record: row.get("record")?, shows: row.get("shows")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A table whose rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Terms.
    Installments,
    /// Attempts.
    Charges,
    /// Attempts with an unknown outcome.
    UnknownCharges,
    /// Attempts that were paid.
    PaidCharges,
    /// Journal entries.
    Entries,
    /// Postings on wallets.
    WalletPostings,
    /// Messages.
    Messages,
    /// Lines of bills.
    BillLines,
}

/// Law 13: what a bill's lines add up to is booked once, a line that counts as the same as ours is, and a decision is kept with its
/// entry.
pub const BILLS_BOOKED: &[Probe] = &[
    Probe {
        what: english!("fees and net of a bill are not booked as its lines say"),
        sql: "SELECT l.record, CAST(l.fee AS TEXT) || ' / ' || CAST(l.amount AS TEXT) || ' fen' AS shows
              FROM (SELECT 'b-' || bill_id || '/' || day AS record, SUM(fee) AS fee, SUM(amount) AS amount
                    FROM bill_line GROUP BY bill_id, day) l
              LEFT JOIN entry e ON e.kind = 'bill' AND e.ref = l.record
              WHERE COALESCE((SELECT SUM(p.amount) FROM posting p WHERE p.entry_id = e.id AND p.account = 'fees'), 0) <> l.fee
                 OR COALESCE((SELECT SUM(p.amount) FROM posting p WHERE p.entry_id = e.id AND p.account LIKE 'rail:%'), 0) <> -l.amount",
    },
    Probe {
        what: english!("a bill is booked that has no lines"),
        sql: "SELECT 'j-' || e.id AS record, e.ref AS shows FROM entry e
              LEFT JOIN (SELECT DISTINCT 'b-' || bill_id || '/' || day AS ref FROM bill_line) l ON l.ref = e.ref
              WHERE e.kind = 'bill' AND l.ref IS NULL",
    },
    Probe {
        what: english!("a bill does not have the lines that it brought"),
        sql: "SELECT 'b-' || b.id AS record, CAST(b.new_lines AS TEXT) AS shows FROM bill b
              WHERE b.new_lines <> (SELECT count(*) FROM bill_line l WHERE l.bill_id = b.id)",
    },
    Probe {
        what: english!("a line counts as ours and says something else"),
        sql: "SELECT 'l-' || l.id AS record, l.order_no AS shows FROM bill_line l
              LEFT JOIN charge c ON c.id = l.charge_id AND c.state = 'paid' AND c.amount = l.amount AND c.rail = l.rail
              LEFT JOIN refund r ON r.id = l.refund_id AND r.state = 'paid' AND r.amount = -l.amount AND r.rail = l.rail
              WHERE l.state = 'matched' AND CASE l.kind WHEN 'payment' THEN c.id IS NULL ELSE r.id IS NULL END",
    },
    Probe {
        what: english!("two lines count as the same charge"),
        sql: "SELECT 'k-' || charge_id AS record, 'l-' || MIN(id) || ', l-' || MAX(id) AS shows FROM bill_line
              WHERE state = 'matched' AND kind = 'payment' GROUP BY charge_id HAVING count(*) > 1",
    },
    Probe {
        what: english!("a line is decided without a decision, or the other way round"),
        sql: "SELECT 'l-' || l.id AS record, l.state AS shows FROM bill_line l
              LEFT JOIN decision d ON d.subject = 'l-' || l.id
              WHERE (l.state = 'decided') <> (d.subject IS NOT NULL)",
    },
    Probe {
        what: english!("a line was accepted as the payment of a charge that is not paid with its amount"),
        sql: "SELECT d.subject AS record, CAST(l.amount AS TEXT) || ' / ' || CAST(c.amount AS TEXT) || ' fen, ' || c.state AS shows
              FROM decision d JOIN bill_line l ON l.id = CAST(substr(d.subject, 3) AS BIGINT) JOIN charge c ON c.id = l.charge_id
              WHERE d.subject LIKE 'l-%' AND d.decision = 'accept' AND d.class = 'status' AND l.kind = 'payment'
                AND (c.state <> 'paid' OR c.amount <> l.amount)",
    },
    Probe {
        what: english!("a decision about a bill is booked that nobody took"),
        sql: "SELECT 'j-' || e.id AS record, e.ref AS shows FROM entry e LEFT JOIN decision d ON d.entry_id = e.id
              WHERE e.kind = 'recon' AND d.subject IS NULL",
    },
];

/// How many rows a law looks at.
pub fn count(conn: &Conn, what: Counted) -> Result<u64> {
    let sql = match what {
        Counted::Installments => "SELECT count(*) AS number FROM installment",
        Counted::Charges => "SELECT count(*) AS number FROM charge",
        Counted::UnknownCharges => "SELECT count(*) AS number FROM charge WHERE state = 'unknown'",
        Counted::PaidCharges => "SELECT count(*) AS number FROM charge WHERE state = 'paid'",
        Counted::Entries => "SELECT count(*) AS number FROM entry",
        Counted::WalletPostings => {
            "SELECT count(*) AS number FROM posting WHERE account IN ('wallet:principal','wallet:bonus')"
        }
        Counted::Messages => "SELECT count(*) AS number FROM message",
        Counted::BillLines => "SELECT count(*) AS number FROM bill_line",
    };
    Ok(conn.sql().query_row(sql, [], |row| row.get::<_, i64>("number"))?.unsigned_abs())
}

/// A charge as its order number is derived.
pub struct Numbered {
    /// Its id.
    pub id: ChargeId,
    /// Which term.
    pub installment: InstallmentId,
    /// Which attempt.
    pub attempt: u32,
    /// Its order number.
    pub order_no: String,
}

/// Visits every charge's order number.
pub fn each_number(conn: &Conn, mut visit: impl FnMut(Numbered)) -> Result<()> {
    let mut query = conn.sql().prepare("SELECT id, agreement_id, term, attempt, order_no FROM charge ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(Numbered {
            id: row.get("id")?,
            installment: installment_id(row)?,
            attempt: row.get("attempt")?,
            order_no: row.get("order_no")?,
        });
    }
    Ok(())
}

/// A debit with what must have been true when it was noted.
pub struct Debit {
    /// Its id.
    pub id: ChargeId,
    /// Which term.
    pub installment: InstallmentId,
    /// Where it stands.
    pub state: ChargeState,
    /// On which rail.
    pub rail: String,
    /// When it was noted.
    pub noted_at: At,
    /// The agreed day.
    pub due: NaiveDate,
    /// The date registered with the rail of the first lane.
    pub registered: NaiveDate,
    /// The lane of the mandate; 1 without one.
    pub lane: u32,
    /// When the agreement became active.
    pub active_at: Option<At>,
    /// When it ended.
    pub agreement_ended_at: Option<At>,
    /// When the customer agreed to the mandate; `None` also without a mandate.
    pub mandate_signed_at: Option<At>,
    /// When the mandate ended, and whether by us.
    pub mandate_ended: Option<(At, bool)>,
    /// Last day of the mandate.
    pub mandate_until: Option<NaiveDate>,
    /// When 48 hours' notice was given.
    pub announced_at: Option<At>,
    /// When the signing itself announced it.
    pub signing_at: Option<At>,
    /// The day on which the pet died, was lost or was returned.
    pub pet_gone_on: Option<NaiveDate>,
}

/// Visits every debit charge, in one pass.
pub fn each_debit(conn: &Conn, mut visit: impl FnMut(Debit)) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT c.id, c.agreement_id, c.term, c.state, c.rail, c.noted_at, i.due, i.registered, a.active_at,
                a.ended_at AS agreement_ended_at, m.signed_at, m.ended_at, m.valid_until, m.state AS mandate_state,
                COALESCE(m.lane, 1) AS lane, n.given_at AS announced_at, s.given_at AS signing_at, p.status, p.status_on
         FROM charge c
         JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
         JOIN agreement a ON a.id = c.agreement_id
         JOIN pet p ON p.id = a.pet_id
         LEFT JOIN mandate m ON m.id = c.mandate_id AND m.agreement_id = c.agreement_id
         LEFT JOIN notice n ON n.agreement_id = c.agreement_id AND n.term = c.term AND n.kind = 'message' AND n.lane = 0
         LEFT JOIN notice s ON s.agreement_id = c.agreement_id AND s.term = c.term AND s.kind = 'signing' AND s.lane = 0
         WHERE c.kind = 'debit'
         ORDER BY c.id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(debit(row)?);
    }
    Ok(())
}

fn debit(row: &Row<'_>) -> rusqlite::Result<Debit> {
    let mandate_state: Option<String> = row.get("mandate_state")?;
    let by_us = matches!(mandate_state.as_deref(), Some("closing" | "closed"));
    let status: String = row.get("status")?;
    let gone = matches!(status.as_str(), "died" | "lost" | "returned");
    Ok(Debit {
        id: row.get("id")?,
        installment: installment_id(row)?,
        state: word(row, "state", ChargeState::from_word)?,
        rail: row.get("rail")?,
        noted_at: at(row, "noted_at")?,
        due: day(row, "due")?,
        registered: day(row, "registered")?,
        lane: row.get("lane")?,
        active_at: maybe_at(row, "active_at")?,
        agreement_ended_at: maybe_at(row, "agreement_ended_at")?,
        mandate_signed_at: maybe_at(row, "signed_at")?,
        mandate_ended: maybe_at(row, "ended_at")?.map(|at| (at, by_us)),
        mandate_until: maybe_day(row, "valid_until")?,
        announced_at: maybe_at(row, "announced_at")?,
        signing_at: maybe_at(row, "signing_at")?,
        pet_gone_on: if gone { Some(day(row, "status_on")?) } else { None },
    })
}

/// Visits every message that a customer was sent, with its moment.
pub fn each_sent(conn: &Conn, mut visit: impl FnMut(MessageId, At)) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT id, sent_at FROM message WHERE audience = 'customer' AND state = 'sent' AND sent_at IS NOT NULL ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(row.get("id")?, at(row, "sent_at")?);
    }
    Ok(())
}

/// A term with what its due date comes from.
pub struct Scheduled {
    /// Which term.
    pub id: InstallmentId,
    /// The stored day.
    pub due: NaiveDate,
    /// Where it stands.
    pub state: InstallmentState,
    /// What the day comes from.
    pub schedule: Schedule,
}

/// Visits every term with its agreement's schedule.
pub fn each_due(conn: &Conn, mut visit: impl FnMut(Scheduled)) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT i.agreement_id, i.term, i.due, i.state, a.signed_on, a.anchor_day, a.first_debit, a.shift_months, a.shifted_from
         FROM installment i JOIN agreement a ON a.id = i.agreement_id ORDER BY i.agreement_id, i.term",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(Scheduled {
            id: installment_id(row)?,
            due: day(row, "due")?,
            state: word(row, "state", InstallmentState::from_word)?,
            schedule: Schedule {
                signed_on: day(row, "signed_on")?,
                anchor_day: row.get("anchor_day")?,
                first: word(row, "first_debit", FirstDebit::from_word)?,
                shift_months: row.get("shift_months")?,
                shifted_from: row.get("shifted_from")?,
            },
        });
    }
    Ok(())
}

/// Visits every text column that a person or a provider may have put a phone number into.
pub fn each_plain_text(conn: &Conn, mut visit: impl FnMut(&str, &str)) -> Result<u64> {
    let mut query = conn.sql().prepare(
        "SELECT 'n-' || id AS record, event || ' ' || params || ' ' || said AS plain FROM message
         UNION ALL SELECT 'k-' || id, code || ' ' || said FROM charge
         UNION ALL SELECT 'f-' || id, code || ' ' || said || ' ' || why FROM refund
         UNION ALL SELECT 'a-' || id, shown || ' ' || conditions || ' ' || COALESCE(end_cause, '') FROM agreement
         UNION ALL SELECT 'p-' || id, name || ' ' || note FROM pet
         UNION ALL SELECT 'o-' || id, note FROM orders
         UNION ALL SELECT 'j-' || id, note FROM entry
         UNION ALL SELECT 'a-' || agreement_id, reason || ' ' || COALESCE(clear_reason, '') FROM flag
         UNION ALL SELECT 'a-' || agreement_id, said || ' ' || COALESCE(decide_reason, '') FROM credit_check
         UNION ALL SELECT 'audit ' || seq, entity || ' ' || detail FROM audit",
    )?;
    let mut rows = query.query([])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let text = |column: &str| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        visit(text("record")?, text("plain")?);
        seen += 1;
    }
    Ok(seen)
}

/// Visits every customer that is not erased; true when all sealed columns open under that customer's own key.
pub fn each_sealed(conn: &Conn, mut visit: impl FnMut(&str, bool)) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT 'c-' || id AS record, wrapped_key, name, phone, id_number, address, email, openid FROM customer
         WHERE erased_at IS NULL AND wrapped_key IS NOT NULL ORDER BY id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let record: String = row.get("record")?;
        visit(&record, opens(conn, row));
    }
    Ok(())
}

fn opens(conn: &Conn, row: &Row<'_>) -> bool {
    let Ok(wrapped) = row.get::<_, Vec<u8>>("wrapped_key") else { return false };
    let Ok(key) = conn.keys().customer_key(&wrapped) else { return false };
    ["name", "phone", "id_number", "address", "email", "openid"].into_iter().all(|column| {
        match row.get::<_, Option<Vec<u8>>>(column) {
            Ok(Some(sealed)) => key.open_text(column, &sealed).is_ok(),
            Ok(None) => true,
            Err(_) => false,
        }
    })
}

/// What our book says of an order number.
#[derive(Clone, Debug)]
pub struct OurOrder {
    /// The charge.
    pub id: ChargeId,
    /// The order number.
    pub order_no: String,
    /// Where it stands.
    pub state: ChargeState,
    /// How the money was asked for.
    pub kind: ChargeKind,
    /// How much.
    pub amount: Money,
    /// How much of it went back, as far as is decided.
    pub refunded: Money,
    /// True while a refund of it is not decided.
    pub refund_open: bool,
    /// True when a person decided about a difference with a bill.
    pub is_decided: bool,
}

/// Up to `limit` order numbers of a rail after `after`, in order.
pub fn orders_page(conn: &Conn, rail: &str, after: &str, limit: u32) -> Result<Vec<OurOrder>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT c.id, c.order_no, c.state, c.kind, c.amount,
                (SELECT CAST(COALESCE(SUM(r.amount), 0) AS BIGINT) FROM refund r
                 WHERE r.charge_id = c.id AND r.state = 'paid') AS refunded,
                EXISTS (SELECT 1 FROM refund r WHERE r.charge_id = c.id
                          AND r.state IN ('noted','pending','unknown')) AS refund_open,
                EXISTS (SELECT 1 FROM bill_line l WHERE l.charge_id = c.id AND l.state = 'decided')
                  OR EXISTS (SELECT 1 FROM decision d WHERE d.subject = 'k-' || c.id) AS is_decided
         FROM charge c WHERE c.order_no > :after AND c.rail = :rail ORDER BY c.order_no LIMIT :limit",
    )?;
    let rows = query.query_map(named_params! { ":after": after, ":rail": rail, ":limit": limit }, |row| {
        Ok(OurOrder {
            id: row.get("id")?,
            order_no: row.get("order_no")?,
            state: word(row, "state", ChargeState::from_word)?,
            kind: word(row, "kind", ChargeKind::from_word)?,
            amount: row.get("amount")?,
            refunded: row.get("refunded")?,
            refund_open: row.get("refund_open")?,
            is_decided: row.get("is_decided")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn installment_id(row: &Row<'_>) -> rusqlite::Result<InstallmentId> {
    let agreement: AgreementId = row.get("agreement_id")?;
    Ok(InstallmentId { agreement, term: row.get("term")? })
}
