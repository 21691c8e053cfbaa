//! What an answer means for the books: a paid charge credits the wallet once and grants points once; a decline plans the next try or
//! ends the tries; anything else blocks the installment until somebody knows. Used by whoever asked the rail.

use anyhow::Result;
use serde_json::json;

use crate::db::charge::Outcome;
use crate::db::installment::{DueRow, Progress};
use crate::db::{self, Conn};
use crate::domain::charge::{Charge, ChargeKind, ChargeState, Course, InstallmentState};
use crate::domain::date::At;
use crate::domain::id::{ChargeId, RunId};
use crate::domain::journal::{Account, Entry, EntryKind, WALLET_PRINCIPAL};
use crate::domain::message::Audience;
use crate::domain::money::Money;
use crate::domain::points::{PointsKind, points_for};
use crate::domain::rail::{Answer, Reason, Reply};
use crate::domain::retry::{self, Failure, Next};
use crate::ops::Ctx;
use crate::ops::remind::{Letter, tell};
use crate::planted::{self, Mistake};

/// Failed terms in a row that make an agreement high risk (domain facts 6.2).
pub const HIGH_RISK_AFTER: u32 = 2;

/// A charge the rail has been asked about, with what surrounds it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The charge.
    pub charge: ChargeId,
    /// How the money is asked for.
    pub kind: ChargeKind,
    /// On which rail.
    pub rail: String,
    /// How much.
    pub amount: Money,
    /// The installment and its agreement.
    pub row: DueRow,
}

impl Asked {
    /// A charge as it stands, asked about outside of a run or in `run`; `None` when its installment is gone.
    pub fn about(tx: &Conn, run: Option<RunId>, charge: &Charge) -> Result<Option<Asked>> {
        let row = db::installment::due_one(tx, run, charge.installment)?;
        Ok(row.map(|row| Asked {
            charge: charge.id,
            kind: charge.kind,
            rail: charge.rail.clone(),
            amount: charge.amount,
            row,
        }))
    }
}

/// What an answer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The wallet was credited.
    Paid,
    /// Declined; a retry follows at that moment, or another lane at once.
    WillRetry {
        /// Why.
        reason: Reason,
        /// When; `None` for another lane.
        at: Option<At>,
    },
    /// Declined; no more automatic tries. The flag says whether the agreement became high risk by it.
    GaveUp {
        /// Why.
        reason: Reason,
        /// Whether it became high risk.
        high_risk: bool,
    },
    /// Declined because of our own settings: neutral for the customer, and the rail must be looked at.
    Misconfigured,
    /// A link or a charge was closed unpaid.
    Closed,
    /// Accepted; the outcome comes later.
    Pending,
    /// Nobody can say.
    Unknown,
    /// The rail says that a second charge of a collected installment was paid.
    PaidTwice,
    /// The charge was decided already.
    Nothing,
}

impl Effect {
    /// The word in the audit row.
    pub const fn word(self) -> &'static str {
        match self {
            Effect::Paid => "paid",
            Effect::WillRetry { .. } | Effect::GaveUp { .. } | Effect::Misconfigured => "declined",
            Effect::Closed => "void",
            Effect::Pending => "pending",
            Effect::Unknown => "unknown",
            Effect::PaidTwice => "paid_twice",
            Effect::Nothing => "unchanged",
        }
    }
}

/// Writes the answer and what follows from it, inside the transaction `tx`.
pub fn apply(ctx: &Ctx, tx: &Conn, asked: &Asked, reply: &Reply, run: Option<RunId>, now: At) -> Result<Effect> {
    let outcome = |state: ChargeState, reason: Option<Reason>| Outcome {
        state,
        reason,
        code: &reply.code,
        said: &reply.text,
        trade_no: reply.trade_no.as_deref(),
        pending_until: None,
        paid_at: None,
        asked_at: now,
        run,
    };
    let answer = match reply.answer {
        Answer::Unknown if planted::is(Mistake::UnknownIsDecline) => Answer::Declined(Reason::NoFunds),
        answer => answer,
    };
    match answer {
        Answer::Paid if is_collected(asked.row.installment.state) => {
            // Two payments for one term can only come from outside; the second never becomes a paid charge of ours. A charge that
            // is decided is the one that collected the term, and somebody else wrote it a moment ago.
            let twice = Outcome { code: PAID_TWICE, ..outcome(ChargeState::Unknown, None) };
            match db::charge::answer(tx, asked.charge, &twice)? {
                true => Ok(Effect::PaidTwice),
                false => Ok(Effect::Nothing),
            }
        }
        Answer::Paid => {
            let paid_at = reply.at.unwrap_or(now);
            let paid = Outcome { paid_at: Some(paid_at), ..outcome(ChargeState::Paid, None) };
            if !db::charge::answer(tx, asked.charge, &paid)? {
                return Ok(Effect::Nothing);
            }
            collected(ctx, tx, asked, paid_at, now)?;
            Ok(Effect::Paid)
        }
        Answer::Declined(reason) if asked.kind == ChargeKind::Link => {
            db::charge::answer(tx, asked.charge, &outcome(ChargeState::Void, Some(reason)))?;
            Ok(Effect::Closed)
        }
        Answer::Declined(reason) => {
            if !db::charge::answer(tx, asked.charge, &outcome(ChargeState::Declined, Some(reason)))? {
                return Ok(Effect::Nothing);
            }
            declined(ctx, tx, asked, reason, now, now)
        }
        Answer::Pending(until) => {
            let pending = Outcome { pending_until: Some(until), ..outcome(ChargeState::Pending, None) };
            db::charge::answer(tx, asked.charge, &pending)?;
            Ok(Effect::Pending)
        }
        Answer::Unknown | Answer::NotFound => {
            db::charge::answer(tx, asked.charge, &outcome(ChargeState::Unknown, None))?;
            Ok(Effect::Unknown)
        }
    }
}

/// Whether the term has been collected, even where its money went back since: whatever comes for it now comes once too often.
const fn is_collected(state: InstallmentState) -> bool {
    matches!(state, InstallmentState::Paid | InstallmentState::Refunded | InstallmentState::Before)
}

/// Our code on a charge that the rail reports as a second payment.
pub const PAID_TWICE: &str = "PAID_TWICE";

/// The money came: installment, wallet, points, message, and a clean record.
fn collected(ctx: &Ctx, tx: &Conn, asked: &Asked, paid_at: At, now: At) -> Result<()> {
    let row = &asked.row;
    let id = row.installment.id;
    db::installment::set_paid(tx, id, paid_at)?;
    let from = match asked.kind {
        ChargeKind::Cash => Account::Cash,
        ChargeKind::Debit | ChargeKind::Link => Account::RailClearing(asked.rail.clone()),
    };
    let entry = Entry::new(EntryKind::Charge, asked.charge)
        .of(row.customer)
        .noted(id.to_string())
        .debit(from, asked.amount)
        .credit(Account::WalletPrincipal(row.customer), asked.amount);
    if !(planted::is(Mistake::NoCredit) && asked.kind == ChargeKind::Link) {
        db::journal::book(tx, &entry, ctx.today(paid_at), now)?;
    }
    db::points::grant(tx, row.customer, PointsKind::Charge, &asked.charge.to_string(), points_for(asked.amount), now)?;
    if row.failed_in_row > 0 {
        db::agreement::set_failed_in_row(tx, id.agreement, 0)?;
        db::risk::clear(tx, id.agreement, "payment", &id.to_string(), now)?;
    }
    let balance = -db::journal::balance(tx, row.customer, WALLET_PRINCIPAL)?;
    let params = json!({
        "n": id.term,
        "terms": row.terms,
        "amount": asked.amount.to_string(),
        "balance": balance.to_string(),
    });
    tell(ctx, tx, letter(row, "debit_success", Audience::Customer, params), now)?;
    Ok(())
}

/// What follows from a decline of `failed_at`, seen now: the two differ when a later mandate turned out to have ended.
fn declined(ctx: &Ctx, tx: &Conn, asked: &Asked, reason: Reason, failed_at: At, now: At) -> Result<Effect> {
    let row = &asked.row;
    let it = &row.installment;
    if reason == Reason::OurConfiguration {
        // Not the customer's doing: the term stays as it was and is tried again once the rail has been looked at.
        return Ok(Effect::Misconfigured);
    }
    if it.state != InstallmentState::Open {
        return Ok(Effect::Closed);
    }
    let profile = &ctx.config.rail(&asked.rail)?.profile;
    let first_failed_at = it.first_failed_at.unwrap_or(failed_at);
    let failure = Failure {
        now,
        reason,
        lane: it.lane,
        has_next_lane: row.has_next_lane,
        failures: it.failures,
        first_failed_at,
        window: row.candidate.window(profile),
        profile,
        gaps_hours: &ctx.config.settings.debit.retry_gaps_hours,
    };
    let first_failed_at = Some(first_failed_at);
    let progress = match retry::after(&failure) {
        Next::OtherLane => Progress {
            course: it.course,
            lane: it.lane + 1,
            failures: it.failures,
            first_failed_at: it.first_failed_at,
            next_try_at: None,
        },
        Next::Retry(at) => Progress {
            course: Course::Failing,
            lane: 1,
            failures: it.failures + 1,
            first_failed_at,
            next_try_at: Some(at),
        },
        Next::GiveUp => {
            Progress { course: Course::Failed, lane: 1, failures: it.failures + 1, first_failed_at, next_try_at: None }
        }
    };
    db::installment::set_progress(tx, it.id, progress)?;
    if progress.course == Course::Failed {
        let high_risk = term_failed(ctx, tx, row, now)?;
        return Ok(Effect::GaveUp { reason, high_risk });
    }
    Ok(Effect::WillRetry { reason, at: progress.next_try_at })
}

/// The mandate of a later lane ended before it was tried: the round ends with the decline that led to it. `None` without one.
pub fn lane_ended(ctx: &Ctx, tx: &Conn, row: &DueRow, now: At) -> Result<Option<Effect>> {
    let charges = db::charge::of_installment(tx, row.installment.id)?;
    let Some(last) = charges.into_iter().rfind(|it| it.state == ChargeState::Declined) else { return Ok(None) };
    let reason = last.reason.unwrap_or(Reason::Other);
    let failed_at = last.answered_at.unwrap_or(now);
    let asked = Asked { charge: last.id, kind: last.kind, rail: last.rail, amount: last.amount, row: row.clone() };
    declined(ctx, tx, &asked, reason, failed_at, now).map(Some)
}

/// A term failed after its last try: it counts towards the high-risk rule, once. Returns whether the agreement became high risk.
pub fn term_failed(ctx: &Ctx, tx: &Conn, row: &DueRow, now: At) -> Result<bool> {
    let agreement = row.installment.id.agreement;
    let in_row = row.failed_in_row + 1;
    db::agreement::set_failed_in_row(tx, agreement, in_row)?;
    if in_row < HIGH_RISK_AFTER {
        return Ok(false);
    }
    let reason = format!("{}/{} {in_row}", agreement, row.installment.id.term);
    if !db::risk::raise(tx, agreement, &reason, now)? {
        return Ok(false);
    }
    let mut alert = letter(row, "high_risk_alert", Audience::Merchant, json!({}));
    // A flag that was cleared and raised again is a new event.
    alert.event = format!("high_risk_alert:{}", row.installment.id);
    tell(ctx, tx, alert, now)?;
    Ok(true)
}

/// A letter about an installment, told once per template and term.
pub fn letter(row: &DueRow, template: &'static str, audience: Audience, params: serde_json::Value) -> Letter {
    let id = row.installment.id;
    Letter {
        event: format!("{template}:{id}"),
        template,
        audience,
        customer: Some(row.customer),
        agreement: Some(id.agreement),
        term: Some(id.term),
        lang: row.lang.clone(),
        params,
    }
}
