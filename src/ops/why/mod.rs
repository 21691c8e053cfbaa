//! Why something is as it is: the chain from the clause that was signed to the term, the notice, the attempt, the rail's answer and the
//! journal entry, each with its time and record; and for what did not happen, the first rule that stopped it and the earliest moment at
//! which it could. Reads, and touches nothing. Rules are asked where they stand ([`crate::ops::debit::plan`]); none has a copy here.

mod agreement;
mod clause;
mod flag;
mod mandate;
mod message;
mod moves;
mod refund;
mod run;
mod term;
mod wallet;

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use crate::db;
use crate::db::audit::AuditRow;
use crate::domain::customer::{PersonName, Phone};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, InstallmentId, MandateId, MessageId, RefundId, RunId};
use crate::fault::Fault;
use crate::ops::{Ctx, customer};
use crate::t;

/// So many of the newest changes are told.
const CHANGES: usize = 30;
/// So many are read: more than a term with every overdue reminder has.
const ROWS: u32 = 1_000;

/// The answer to "why".
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// The record asked about: `a-7/3`.
    pub subject: String,
    /// What sort of record it is.
    pub about: About,
    /// The record in a line.
    pub title: String,
    /// Whose, where it is somebody's.
    pub customer: Option<CustomerId>,
    /// The answer in a sentence.
    pub answer: String,
    /// What stopped it, where something that could have happened did not.
    pub stopped: Option<Stopped>,
    /// The chain, in order.
    pub steps: Vec<Step>,
    /// Who changed it, when; the oldest first.
    pub changes: Vec<Change>,
}

/// What sort of record was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A term of an agreement.
    Installment,
    /// One attempt to collect it.
    Charge,
    /// What a customer's wallet holds.
    Wallet,
    /// A message.
    Message,
    /// The high-risk flag of an agreement.
    Flag,
    /// A permission to debit.
    Mandate,
    /// Money on its way back.
    Refund,
    /// A debit run.
    Run,
    /// An agreement.
    Agreement,
}

/// What a step of the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The agreement.
    Agreement,
    /// A sentence of what was signed.
    Clause,
    /// What falls due when.
    Term,
    /// The permission to debit.
    Mandate,
    /// The customer was told of a debit.
    Notice,
    /// Money was asked for.
    Charge,
    /// What the rail said.
    Answer,
    /// It was booked.
    Entry,
    /// Money on its way back.
    Refund,
    /// Something was told.
    Message,
    /// A flag was raised or cleared.
    Flag,
    /// Something was bought.
    Order,
    /// A settlement.
    Statement,
    /// A debit run.
    Run,
}

/// One step of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When.
    pub at: Option<At>,
    /// In which record it stands.
    pub record: String,
    /// What it is.
    pub kind: Kind,
    /// In words that can be read to a customer on the phone.
    pub text: String,
}

/// The first rule that stopped something, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The rule's word.
    pub rule: String,
    /// The rule in a sentence.
    pub text: String,
    /// The earliest moment at which it could happen; none where time alone does not change it.
    pub earliest: Option<At>,
    /// What to type, where a person can change it.
    pub next: Vec<String>,
}

/// One change, from the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its row.
    pub seq: i64,
    /// When.
    pub at: At,
    /// Who.
    pub actor: String,
    /// On which machine.
    pub host: String,
    /// What, as the trail's word.
    pub op: String,
    /// The record it names; empty for several at once.
    pub record: String,
}

/// Explains `subject`: an id, an order number, a refund number, or a customer for the wallet; with `high_risk` the flag of an agreement.
///
/// # Errors
/// When there is no such record; the hint says how each kind is spelled.
pub fn why(ctx: &Ctx, subject: &str, high_risk: bool, now: At) -> Result<Why> {
    let subject = subject.trim();
    if high_risk {
        return match subject.parse::<AgreementId>() {
            Ok(id) => flag::why(ctx, id, now),
            Err(_) => Err(no_flag(ctx, subject)?.into()),
        };
    }
    if let Ok(id) = subject.parse::<InstallmentId>() {
        return term::of_term(ctx, id, now);
    }
    if let Ok(id) = subject.parse::<AgreementId>() {
        return agreement::why(ctx, id, now);
    }
    if let Ok(id) = subject.parse::<ChargeId>() {
        let charge = db::charge::get(ctx.db.read(), id)?.ok_or_else(|| unknown(subject))?;
        return term::of_charge(ctx, &charge, now);
    }
    if let Ok(id) = subject.parse::<MessageId>() {
        return message::why(ctx, id, now);
    }
    if let Ok(id) = subject.parse::<MandateId>() {
        return mandate::why(ctx, id, now);
    }
    if let Ok(id) = subject.parse::<RefundId>() {
        let refund = db::refund::get(ctx.db.read(), id)?.ok_or_else(|| unknown(subject))?;
        return refund::why(ctx, &refund, now);
    }
    if let Ok(id) = subject.parse::<RunId>() {
        return run::why(ctx, id);
    }
    by_number(ctx, subject, now)
}

/// What has no id: an order number, a refund number, or a customer.
fn by_number(ctx: &Ctx, subject: &str, now: At) -> Result<Why> {
    let conn = ctx.db.read();
    if let Some(charge) = db::charge::by_order_no(conn, subject)? {
        return term::of_charge(ctx, &charge, now);
    }
    if let Some(refund) = db::refund::by_no(conn, subject)? {
        return refund::why(ctx, &refund, now);
    }
    let is_customer = subject.parse::<CustomerId>().is_ok() || Phone::parse(subject).is_ok();
    // A word with a digit is a number that was mistyped, not a name.
    let is_name = PersonName::parse(subject).is_ok() && !subject.chars().any(|c| c.is_ascii_digit());
    if !is_customer && !is_name {
        return Err(unknown(subject).into());
    }
    wallet::why(ctx, &customer::resolve(ctx, subject)?)
}

/// Of a term or a charge that is there, only the agreement behind it has a flag.
fn no_flag(ctx: &Ctx, subject: &str) -> Result<Fault> {
    let conn = ctx.db.read();
    let term = match (subject.parse::<InstallmentId>(), subject.parse::<ChargeId>()) {
        (Ok(id), _) => db::installment::get(conn, id)?.map(|it| it.id),
        (_, Ok(id)) => db::charge::get(conn, id)?.map(|it| it.installment),
        _ => None,
    };
    let Some(term) = term else { return Ok(unknown(subject)) };
    Ok(Fault::usage(t!("only an agreement has a high-risk flag; {subject} has none of its own", subject = subject))
        .hint(t!("ask for the agreement: `kibble why {agreement} --high-risk`", agreement = term.agreement)))
}

fn unknown(subject: &str) -> Fault {
    Fault::not_found(t!("there is no record {subject}", subject = subject)).hint(t!(
        "a term is a-7/3, an agreement a-7 (its flag: a-7 --high-risk), a charge k-12 or its order number, a wallet c-12, a phone number or a name, a message n-9, a mandate m-9, a refund f-3 or its number, a run r-31"
    ))
}

/// A chain while it is put together.
#[derive(Default)]
struct Story {
    /// What stands before everything else, in its own order.
    head: Vec<Step>,
    /// What happened, to be sorted by its time.
    events: Vec<Step>,
}

impl Story {
    fn first(&mut self, at: Option<At>, record: impl ToString, kind: Kind, text: String) {
        self.head.push(Step { at, record: record.to_string(), kind, text });
    }

    fn event(&mut self, at: At, record: impl ToString, kind: Kind, text: String) {
        self.events.push(Step { at: Some(at), record: record.to_string(), kind, text });
    }

    /// The chain: what happened at the same moment stays in the order in which it was put in.
    fn steps(mut self) -> Vec<Step> {
        self.events.sort_by_key(|step| step.at);
        self.head.append(&mut self.events);
        self.head
    }
}

fn rows_about(ctx: &Ctx, records: impl IntoIterator<Item = String>) -> Result<Vec<AuditRow>> {
    let records: BTreeSet<String> = records.into_iter().collect();
    db::audit::about(ctx.db.read(), &records.into_iter().collect::<Vec<_>>(), ROWS)
}

fn changes(rows: Vec<AuditRow>) -> Vec<Change> {
    let change = |row: AuditRow| Change {
        seq: row.seq,
        at: row.at,
        actor: row.actor,
        host: row.host,
        op: row.op,
        record: row.entity,
    };
    let older = rows.len().saturating_sub(CHANGES);
    rows.into_iter().skip(older).map(change).collect()
}
