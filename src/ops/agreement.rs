//! The life of an agreement after signing: starting, pausing, completing, terminating, settling. Termination works the moment its
//! notice is entered (Civil Code 565); what it owes is computed by `domain/statement.rs` and confirmed afterwards.

use anyhow::Result;
use chrono::{Duration, NaiveDate};
use serde::Serialize;
use serde_json::{Value, json};

use crate::adapters::rail::Closed;
use crate::db::charge::Outcome;
use crate::db::installment::{Installment, NewInstallment};
use crate::db::mandate::of_agreement as mandates_of;
use crate::db::refund::{NewRefund, Refund};
use crate::db::statement::Delivered;
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementState, PauseEffect};
use crate::domain::charge::{Charge, ChargeKind, ChargeState, Course, InstallmentState, order_no, refund_no};
use crate::domain::date::{At, FirstDebit, day_of, plus_days};
use crate::domain::id::{AgreementId, CustomerId, EntryId, InstallmentId, RefundId, StatementId};
use crate::domain::journal::{Account, Entry, EntryKind, WALLET_PRINCIPAL};
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::message::Audience;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::Status;
use crate::domain::refund::RefundState;
use crate::domain::statement::{self, Cause, Ended, Line, Move, Rates, Share, Statement};
use crate::fault::{Fault, Kind};
use crate::ops::mandate::{self, Pursued, date_texts, params};
use crate::ops::remind::{Letter, tell};
use crate::ops::{Ctx, refund};
use crate::t;

/// Days before the last term at which the customer is told that the agreement ends.
const EXPIRING_DAYS: i64 = 30;

/// Announcements that make no sense once a term is moved or cancelled, or the agreement has ended.
const OVERTAKEN: [&str; 9] = [
    "pre_debit_48h",
    "pre_debit_heads_up",
    "debit_failed",
    "retry_exhausted_customer",
    "overdue_l1",
    "overdue_l2",
    "overdue_l3",
    "overdue_l4",
    "contract_expiring",
];

/// The agreement with this id.
///
/// # Errors
/// When there is none.
pub fn get(conn: &Conn, id: AgreementId) -> Result<Agreement> {
    db::agreement::get(conn, id)?.ok_or_else(|| {
        Fault::not_found(t!("there is no agreement {agreement}", agreement = id))
            .hint(t!("`kibble agreement list` shows them"))
            .into()
    })
}

/// The agreement meant by an id or by its printed number.
///
/// # Errors
/// When there is none.
pub fn find(ctx: &Ctx, text: &str) -> Result<Agreement> {
    let (conn, text) = (ctx.db.read(), text.trim());
    if let Ok(id) = text.parse() {
        return get(conn, id);
    }
    db::agreement::by_no(conn, text)?.ok_or_else(|| {
        Fault::not_found(t!("there is no agreement {agreement}", agreement = text))
            .hint(t!("`kibble agreement list` shows them"))
            .into()
    })
}

/// Starts an agreement whose customer has agreed to the mandate: it runs from `now`, and all of its terms exist. Terms
/// collected before kibble are marked so. Returns how many terms were created.
///
/// # Errors
/// When the database cannot be written, or the mandate's rail is not in `shop.toml`.
pub fn activate(ctx: &Ctx, tx: &Conn, agreement: &Agreement, mandate: &Mandate, now: At) -> Result<u64> {
    let profile = &ctx.config.rail(&mandate.rail)?.profile;
    let schedule = agreement.schedule();
    db::agreement::activate(tx, agreement.id, now)?;
    let mut created = 0;
    for term in 1..=agreement.terms {
        let due = schedule.due(term);
        let state = if term <= agreement.paid_before { InstallmentState::Before } else { InstallmentState::Open };
        let id = InstallmentId { agreement: agreement.id, term };
        let registered = profile.registered(due);
        let new = NewInstallment { id, due, registered, amount: agreement.monthly, state };
        created += u64::from(db::installment::create(tx, &new)?);
    }
    if agreement.first_debit == FirstDebit::AtSigning && agreement.paid_before == 0 {
        // The agreement itself, read and acknowledged at signing, announced this debit.
        let id = InstallmentId { agreement: agreement.id, term: 1 };
        let due = schedule.due(1);
        db::installment::put_notice(tx, id, "signing", 0, due, agreement.monthly, agreement.signed_at)?;
        db::installment::set_charge_from(tx, id, now)?;
    }
    db::pet::set_status(tx, agreement.pet, Status::Adopted, Some(agreement.customer), ctx.today(now))?;
    Ok(created)
}

/// The terms still to be collected, with their due dates: those on record, else those of the schedule.
pub(super) fn open_terms(conn: &Conn, agreement: &Agreement) -> Result<Vec<(u32, NaiveDate)>> {
    let rows = db::installment::of_agreement(conn, agreement.id)?;
    if rows.is_empty() {
        let schedule = agreement.schedule();
        return Ok((agreement.paid_before + 1..=agreement.terms).map(|term| (term, schedule.due(term))).collect());
    }
    let open = rows.into_iter().filter(|it| it.state == InstallmentState::Open);
    Ok(open.map(|it| (it.id.term, it.due)).collect())
}

/// A new mandate is on another rail: terms to come are registered for it, and announced again, because the announcement named
/// the other rail.
pub(super) fn register_anew(ctx: &Ctx, tx: &Conn, agreement: &Agreement, mandate: &Mandate, now: At) -> Result<()> {
    let profile = &ctx.config.rail(&mandate.rail)?.profile;
    let today = ctx.today(now);
    for it in db::installment::of_agreement(tx, agreement.id)? {
        if is_movable(&it) && it.due >= today {
            db::installment::move_due(tx, it.id, it.due, profile.registered(it.due))?;
            drop_messages(tx, it.id)?;
        }
    }
    Ok(())
}

/// One agreement of a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: AgreementId,
    /// The number printed on it.
    pub no: String,
    /// Who signed.
    pub customer: CustomerId,
    /// Masked.
    pub label: String,
    /// The plan's name at signing.
    pub plan: String,
    /// Where it stands.
    pub state: AgreementState,
    /// Each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: u32,
    /// Signed on.
    pub signed_on: NaiveDate,
    /// Last day.
    pub ends_on: NaiveDate,
}

/// Visits agreements by id, of one customer or in one state when given.
///
/// # Errors
/// Those of `visit`, and of the database.
pub fn list(
    ctx: &Ctx,
    customer: Option<CustomerId>,
    state: Option<AgreementState>,
    mut visit: impl FnMut(Listed) -> Result<()>,
) -> Result<()> {
    let conn = ctx.db.read();
    db::agreement::each(conn, customer, state, |it| {
        let label = db::customer::get(conn, it.customer)?.map_or_else(|| "—".into(), |who| super::sign::label(&who));
        visit(Listed {
            id: it.id,
            no: it.no,
            customer: it.customer,
            label,
            plan: it.plan_name,
            state: it.state,
            monthly: it.monthly,
            terms: it.terms,
            signed_on: it.signed_on,
            ends_on: it.ends_on,
        })
    })
}

/// An agreement with everything about it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The agreement.
    pub agreement: Agreement,
    /// Masked name of the customer.
    pub label: String,
    /// The pet's name.
    pub pet_name: String,
    /// Strength of the evidence of signing; `None` for an imported one.
    pub evidence: Option<String>,
    /// Its terms.
    pub terms: Vec<Installment>,
    /// Its mandates.
    pub mandates: Vec<Mandate>,
    /// Terms collected.
    pub collected: u32,
    /// Collected through kibble, less what went back.
    pub paid: Money,
    /// Terms still to be collected.
    pub left_terms: u32,
    /// What they come to.
    pub left: Money,
    /// What the customer's wallet holds.
    pub wallet: Money,
    /// Standing flags.
    pub flags: Vec<db::risk::Flag>,
    /// The settlement statement.
    pub statement: Option<StatementShown>,
}

/// A settlement statement with its figures.
#[derive(Clone, Debug, Serialize)]
pub struct StatementShown {
    /// The row.
    #[serde(flatten)]
    pub row: db::statement::Statement,
    /// Every figure; as they would be today while it is open.
    pub figures: Value,
    /// What goes back, and how.
    pub refunds: Vec<Refund>,
}

/// Everything about an agreement.
///
/// # Errors
/// When the database cannot be read.
pub fn show(ctx: &Ctx, agreement: Agreement, now: At) -> Result<Shown> {
    let conn = ctx.db.read();
    let id = agreement.id;
    let terms = db::installment::of_agreement(conn, id)?;
    let open: Vec<&Installment> = terms.iter().filter(|it| it.state == InstallmentState::Open).collect();
    let (left_terms, left) = match terms.is_empty() {
        true => {
            let count = agreement.terms - agreement.paid_before;
            (count, agreement.monthly.times(i64::from(count)).unwrap_or_default())
        }
        false => (u32::try_from(open.len())?, open.iter().map(|it| it.amount).sum()),
    };
    let paid = db::charge::paid_of(conn, id)?.iter().map(|it| it.amount - it.refunded).sum();
    let (principal, bonus) = db::journal::wallet(conn, agreement.customer)?;
    let statement = match db::statement::of_agreement(conn, id)? {
        None => None,
        Some(row) => {
            let figures = match row.state.as_str() {
                "open" => preview(ctx, conn, &agreement, &row, now)?,
                _ => serde_json::from_str(&row.figures)?,
            };
            let refunds = db::refund::of_statement(conn, row.id)?;
            Some(StatementShown { row, figures, refunds })
        }
    };
    let evidence = evidence(&db::agreement::shown(conn, id)?);
    Ok(Shown {
        label: db::customer::get(conn, agreement.customer)?.map_or_else(|| "—".into(), |it| super::sign::label(&it)),
        pet_name: db::pet::get(conn, agreement.pet)?.map(|pet| pet.name).unwrap_or_default(),
        evidence,
        mandates: mandates_of(conn, id)?,
        collected: db::installment::count_collected(conn, id)?,
        paid,
        left_terms,
        left,
        wallet: principal + bonus,
        flags: db::risk::list(conn, Some(id))?.into_iter().filter(|flag| flag.cleared_at.is_none()).collect(),
        statement,
        terms,
        agreement,
    })
}

fn evidence(shown: &str) -> Option<String> {
    serde_json::from_str::<Value>(shown).ok()?.get("evidence")?.as_str().map(str::to_owned)
}

/// A pause to be made.
#[derive(Clone, Debug)]
pub struct Pause {
    /// The day on which it is over.
    pub until: NaiveDate,
    /// What it does to the terms that fall into it.
    pub effect: PauseEffect,
    /// Why.
    pub reason: String,
}

/// What a pause, or its end, did.
#[derive(Clone, Debug, Serialize)]
pub struct Paused {
    /// The agreement.
    pub agreement: AgreementId,
    /// When it is over; `None` once it is.
    pub until: Option<NaiveDate>,
    /// Terms that have another due date now: term and date.
    pub moved: Vec<(u32, NaiveDate)>,
    /// Terms that are not collected.
    pub cancelled: Vec<u32>,
    /// Terms that are collected again, because the pause ended early.
    pub reopened: Vec<u32>,
    /// Last day of the agreement.
    pub ends_on: NaiveDate,
    /// What rails said that could not move the date they keep.
    pub troubles: Vec<String>,
}

/// Pauses an agreement until a day. `Extend` moves the terms that fall into the pause, and all after them, by whole months;
/// `Skip` drops them.
///
/// # Errors
/// When the agreement does not run, or the day is not ahead.
pub fn pause(ctx: &Ctx, id: AgreementId, pause: &Pause, now: At) -> Result<Paused> {
    let today = ctx.today(now);
    if pause.until <= today {
        return Err(Fault::usage(t!("a pause ends on a day ahead; {day} is not", day = pause.until)).into());
    }
    ctx.db.write(now, |tx| {
        let agreement = get(tx, id)?;
        must_be(&agreement, AgreementState::Active)?;
        let mut done = Paused {
            agreement: id,
            until: Some(pause.until),
            moved: Vec::new(),
            cancelled: Vec::new(),
            reopened: Vec::new(),
            ends_on: agreement.ends_on,
            troubles: Vec::new(),
        };
        let terms = db::installment::of_agreement(tx, id)?;
        let inside: Vec<&Installment> =
            terms.iter().filter(|it| is_movable(it) && it.due >= today && it.due < pause.until).collect();
        let mut added_months = 0;
        match (pause.effect, inside.first()) {
            (PauseEffect::Skip, _) => {
                for it in &inside {
                    db::installment::set_state(tx, it.id, InstallmentState::Cancelled)?;
                    drop_messages(tx, it.id)?;
                    done.cancelled.push(it.id.term);
                }
            }
            (PauseEffect::Extend, Some(first)) => {
                let (schedule, added) = agreement.schedule_from(first.id.term, pause.until);
                added_months = added;
                done.ends_on = schedule.end(agreement.terms);
                db::agreement::reschedule(tx, id, schedule.shift_months, schedule.shifted_from, done.ends_on)?;
                done.moved = move_terms(ctx, tx, &agreement, &terms, first.id.term, &schedule)?;
            }
            (PauseEffect::Extend, None) => {}
        }
        let new = db::agreement::NewPause { on: today, until: pause.until, effect: pause.effect, added_months };
        db::agreement::pause(tx, id, &new)?;
        let reason = format!("{} until {}: {}", pause.effect.word(), pause.until, pause.reason);
        Ok((done, Op::AgreementChanged { agreement: id, state: AgreementState::Paused.word().into(), reason }))
    })
}

/// Ends a pause now. Ended early, a pause that extends gives back the months it did not need, and one that skips collects
/// terms again that fall due from today on.
///
/// # Errors
/// When the agreement is not paused.
pub fn resume(ctx: &Ctx, id: AgreementId, reason: &str, now: At) -> Result<Paused> {
    let today = ctx.today(now);
    let mut done = ctx.db.write(now, |tx| {
        let agreement = get(tx, id)?;
        must_be(&agreement, AgreementState::Paused)?;
        let mut done = Paused {
            agreement: id,
            until: None,
            moved: Vec::new(),
            cancelled: Vec::new(),
            reopened: Vec::new(),
            ends_on: agreement.ends_on,
            troubles: Vec::new(),
        };
        let (mut shift_months, shifted_from) = (agreement.shift_months, agreement.shifted_from);
        let terms = db::installment::of_agreement(tx, id)?;
        let until = agreement.paused_until.unwrap_or(today);
        if agreement.pause_effect == Some(PauseEffect::Skip) {
            for it in &terms {
                let skipped = it.state == InstallmentState::Cancelled && it.due >= today && it.due < until;
                if skipped {
                    db::installment::set_state(tx, it.id, InstallmentState::Open)?;
                    // What was announced before the pause was withdrawn with it.
                    db::installment::move_due(tx, it.id, it.due, it.registered)?;
                    done.reopened.push(it.id.term);
                }
            }
        } else if agreement.pause_shift > 0 {
            let before = Agreement { shift_months: shift_months - agreement.pause_shift, ..agreement.clone() };
            let (schedule, needed) = before.schedule_from(shifted_from, today);
            if needed < agreement.pause_shift {
                shift_months = schedule.shift_months;
                done.ends_on = schedule.end(agreement.terms);
                done.moved = move_terms(ctx, tx, &agreement, &terms, shifted_from, &schedule)?;
            }
        }
        db::agreement::resume(tx, id, shift_months, shifted_from, done.ends_on)?;
        let state = AgreementState::Active.word().into();
        Ok((done, Op::AgreementChanged { agreement: id, state, reason: reason.to_owned() }))
    })?;
    done.troubles = mandate::postpone(ctx, id)?;
    Ok(done)
}

/// Ends every pause whose day has come. Returns how many.
///
/// # Errors
/// When the database cannot be read or written.
pub fn end_pauses(ctx: &Ctx, now: At) -> Result<u64> {
    let over = db::agreement::pauses_over(ctx.db.read(), ctx.today(now))?;
    for agreement in &over {
        resume(ctx, agreement.id, "the pause is over", now)?;
    }
    Ok(u64::try_from(over.len())?)
}

/// Completes every agreement whose terms are all settled and whose last day is past: its mandates are to be closed, and the
/// customer is told. Also tells customers once, 30 days ahead, that the last term comes. Returns how many were completed.
///
/// # Errors
/// When the database cannot be read or written.
pub fn complete_finished(ctx: &Ctx, now: At) -> Result<u64> {
    tell_expiring(ctx, now)?;
    let finished = db::agreement::finished(ctx.db.read(), ctx.today(now))?;
    for agreement in &finished {
        ctx.db.write(now, |tx| {
            db::agreement::set_state(tx, agreement.id, AgreementState::Completed, Some((now, "completed")))?;
            db::mandate::close_all(tx, agreement.id, "completed", now)?;
            let values = [("balance", balance(tx, agreement.customer)?), ("no", agreement.no.clone())];
            let letter = letter(ctx, agreement, "contract_completed", &values);
            tell(ctx, tx, letter, now)?;
            let state = AgreementState::Completed.word().into();
            Ok(((), Op::AgreementChanged { agreement: agreement.id, state, reason: "completed".into() }))
        })?;
    }
    Ok(u64::try_from(finished.len())?)
}

/// A notice of termination.
#[derive(Clone, Debug)]
pub struct Termination {
    /// Why.
    pub cause: Cause,
    /// Whether the customer keeps the pet.
    pub keep_pet: bool,
    /// In the shop's words.
    pub reason: String,
}

/// What a termination did at once.
#[derive(Clone, Debug, Serialize)]
pub struct Terminated {
    /// The agreement.
    pub agreement: AgreementId,
    /// Where it stands now: `settling`, or `cancelled` when the customer had not agreed to a mandate yet.
    pub state: AgreementState,
    /// The settlement statement.
    pub statement: Option<StatementId>,
    /// When it confirms itself.
    pub confirm_by: Option<At>,
    /// Terms that are not collected any more.
    pub cancelled: u64,
    /// What the rails said about closing the mandates.
    pub mandates: Pursued,
    /// Charges whose outcome the rail has not said yet: what they bring in is refunded as well.
    pub open_charges: Vec<InstallmentId>,
    /// Paid orders that must be cancelled before the statement can be confirmed.
    pub undelivered: Vec<crate::domain::id::OrderId>,
    /// The figures as they would be today.
    pub figures: Value,
}

/// Enters a notice of termination. It takes effect at once, whoever still has to confirm figures: nothing more is charged, the
/// mandates are closed, open pay links too.
///
/// # Errors
/// When the agreement does not run, or the cause does not fit.
pub fn terminate(ctx: &Ctx, id: AgreementId, notice: &Termination, now: At) -> Result<Terminated> {
    let agreement = get(ctx.db.read(), id)?;
    match agreement.state {
        AgreementState::Active | AgreementState::Paused => {}
        AgreementState::Waiting => return cancel_waiting(ctx, &agreement, notice, now),
        _ => {
            return Err(Fault::refused(t!(
                "{agreement} has ended already: {state}",
                agreement = id,
                state = state_text(agreement.state)
            ))
            .hint(t!("see `kibble agreement show {agreement}`", agreement = id))
            .into());
        }
    }
    if notice.cause == Cause::CoolingOff {
        within_cooling_off(ctx, &agreement, notice, now)?;
    }
    let confirm_by = now + Duration::days(i64::from(agreement.conditions.confirm_days));
    let cause = notice.cause.word();
    let (statement, cancelled) = ctx.db.write(now, |tx| {
        db::agreement::set_state(tx, id, AgreementState::Settling, Some((now, cause)))?;
        let cancelled = db::installment::cancel_open(tx, id, 1)?;
        db::mandate::close_all(tx, id, "terminated", now)?;
        if !notice.keep_pet {
            db::pet::set_status(tx, agreement.pet, Status::Returned, None, ctx.today(now))?;
        }
        for template in OVERTAKEN {
            db::message::drop_queued(tx, id, template, None)?;
        }
        let statement = db::statement::insert(tx, id, cause, notice.keep_pet, now, confirm_by)?;
        let letter = letter(ctx, &agreement, "termination_ack", &[("no", agreement.no.clone())]);
        tell(ctx, tx, letter, now)?;
        let op = Op::Terminated {
            agreement: id,
            cause: cause.to_owned(),
            keep_pet: notice.keep_pet,
            reason: notice.reason.clone(),
        };
        Ok(((statement, cancelled), op))
    })?;
    let mandates = close_now(ctx, id, now)?;
    close_links(ctx, id, now)?;
    let conn = ctx.db.read();
    let row = db::statement::get(conn, statement)?
        .ok_or_else(|| Fault::broken(t!("{statement} is not there", statement = statement)))?;
    Ok(Terminated {
        agreement: id,
        state: AgreementState::Settling,
        statement: Some(statement),
        confirm_by: Some(confirm_by),
        cancelled,
        mandates,
        open_charges: db::charge::open_of(conn, id)?.into_iter().map(|it| it.installment).collect(),
        undelivered: db::statement::undelivered(conn, agreement.customer)?,
        figures: preview(ctx, conn, &get(conn, id)?, &row, now)?,
    })
}

/// What confirming a statement did.
#[derive(Clone, Debug, Serialize)]
pub struct Confirmed {
    /// The agreement.
    pub agreement: AgreementId,
    /// The statement.
    pub statement: StatementId,
    /// Where the agreement stands now: `ended` once every refund is paid.
    pub state: AgreementState,
    /// Every figure, final.
    pub figures: Value,
    /// What goes back, and how.
    pub refunds: Vec<Refund>,
    /// Refunds that somebody must hand over, or look at.
    pub by_hand: Vec<RefundId>,
}

/// Confirms the settlement statement of a terminated agreement: the figures are final, the books settle the wallet, and the
/// refunds go out. `by` is the person, or `deadline`.
///
/// # Errors
/// When there is nothing to confirm, a charge is not decided yet, or paid orders are not delivered.
pub fn confirm(ctx: &Ctx, id: AgreementId, by: &str, now: At) -> Result<Confirmed> {
    let agreement = get(ctx.db.read(), id)?;
    let row = open_statement(ctx.db.read(), &agreement)?;
    close_links(ctx, id, now)?;
    may_confirm(ctx.db.read(), &agreement)?;
    ctx.db.write(now, |tx| {
        may_confirm(tx, &agreement)?;
        let row = open_statement(tx, &agreement)?;
        db::installment::cancel_open(tx, id, 1)?;
        let (figures, worked) = figures(ctx, tx, &agreement, &row, now)?;
        settle_books(ctx, tx, &agreement, row.id, &worked, now)?;
        note_refunds(tx, &agreement, row.id, worked.statement.payable, now)?;
        let claim = worked.statement.claim;
        db::statement::confirm(tx, row.id, by, &figures.to_string(), worked.statement.payable, claim, now)?;
        refund::settle_if_paid(ctx, tx, row.id, now)?;
        Ok(((), Op::StatementConfirmed { statement: row.id, by: by.to_owned() }))
    })?;
    for refund in db::refund::of_statement(ctx.db.read(), row.id)? {
        if !refund::waits_for_hand(ctx, &refund) {
            refund::send(ctx, &refund, now)?;
        }
    }
    confirmed(ctx, id, row.id)
}

/// Confirms every statement whose deadline has passed. Those that cannot be confirmed yet stay open and in sight. Returns how
/// many were confirmed.
///
/// # Errors
/// When the database cannot be read or written.
pub fn confirm_due_statements(ctx: &Ctx, now: At) -> Result<u64> {
    let mut count = 0;
    for row in db::statement::due(ctx.db.read(), now)? {
        match confirm(ctx, row.agreement, "deadline", now) {
            Ok(_) => count += 1,
            Err(error) if error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind() == Kind::Refused) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// The shop handed over what no rail can pay of a settlement: cash, balances from before kibble, and declined refunds.
///
/// # Errors
/// When there is nothing to hand over.
pub fn pay_by_hand(ctx: &Ctx, id: AgreementId, now: At) -> Result<Confirmed> {
    let conn = ctx.db.read();
    get(conn, id)?;
    let row = db::statement::of_agreement(conn, id)?;
    let Some(row) = row.filter(|row| row.state != "open") else {
        return Err(Fault::refused(t!("{agreement} has no confirmed settlement", agreement = id))
            .hint(t!("see `kibble agreement show {agreement}`", agreement = id))
            .into());
    };
    let waiting = by_hand(ctx, row.id)?;
    if waiting.is_empty() {
        return Err(Fault::refused(t!("nothing of {agreement} is to be paid by hand", agreement = id)).into());
    }
    for refund in waiting {
        refund::pay_by_hand(ctx, refund, now)?;
    }
    confirmed(ctx, id, row.id)
}

/// Who confirms, for the statement: the person at the terminal.
pub fn actor() -> String {
    crate::config::actor()
}

/// An agreement's state in the person's language.
pub fn state_text(state: AgreementState) -> String {
    match state {
        AgreementState::Waiting => t!("waiting for the customer to agree"),
        AgreementState::Active => t!("running"),
        AgreementState::Paused => t!("on pause"),
        AgreementState::Completed => t!("completed at its end"),
        AgreementState::Settling => t!("terminated, being settled"),
        AgreementState::Ended => t!("terminated and settled"),
        AgreementState::Cancelled => t!("cancelled before its start"),
    }
}

fn must_be(agreement: &Agreement, state: AgreementState) -> Result<()> {
    if agreement.state == state {
        return Ok(());
    }
    Err(Fault::refused(t!(
        "{agreement} is not {wanted}: it is {state}",
        agreement = agreement.id,
        wanted = state_text(state),
        state = state_text(agreement.state)
    ))
    .into())
}

/// Terms that can be moved or dropped: open, not tried yet.
fn is_movable(it: &Installment) -> bool {
    it.state == InstallmentState::Open && it.course == Course::Planned
}

fn move_terms(
    ctx: &Ctx,
    tx: &Conn,
    agreement: &Agreement,
    terms: &[Installment],
    from_term: u32,
    schedule: &crate::domain::date::Schedule,
) -> Result<Vec<(u32, NaiveDate)>> {
    let mandates = mandates_of(tx, agreement.id)?;
    let rail = mandates.iter().rfind(|it| it.lane == 1).map(|it| ctx.config.rail(&it.rail)).transpose()?;
    let open = db::charge::open_of(tx, agreement.id)?;
    let mut moved = Vec::new();
    for it in terms.iter().filter(|it| it.id.term >= from_term && is_movable(it)) {
        if open.iter().any(|charge| charge.installment == it.id) {
            continue;
        }
        let due = schedule.due(it.id.term);
        let registered = rail.map_or(due, |rail| rail.profile.registered(due));
        db::installment::move_due(tx, it.id, due, registered)?;
        drop_messages(tx, it.id)?;
        moved.push((it.id.term, due));
    }
    Ok(moved)
}

fn drop_messages(tx: &Conn, id: InstallmentId) -> Result<()> {
    for template in ["pre_debit_48h", "pre_debit_heads_up"] {
        db::message::drop_queued(tx, id.agreement, template, Some(id.term))?;
    }
    Ok(())
}

fn balance(conn: &Conn, customer: CustomerId) -> Result<String> {
    let (principal, bonus) = db::journal::wallet(conn, customer)?;
    Ok((principal + bonus).to_string())
}

/// A letter to the customer about the agreement itself, once per template.
fn letter(ctx: &Ctx, agreement: &Agreement, template: &'static str, values: &[(&str, String)]) -> Letter {
    Letter {
        event: format!("{template}:{}", agreement.id),
        template,
        audience: Audience::Customer,
        customer: Some(agreement.customer),
        agreement: Some(agreement.id),
        term: None,
        lang: agreement.lang.clone(),
        params: params(ctx, agreement.id, values),
    }
}

fn tell_expiring(ctx: &Ctx, now: At) -> Result<()> {
    const TEMPLATE: &str = "contract_expiring";
    if ctx.config.settings.messages.off.iter().any(|off| off == TEMPLATE) {
        return Ok(());
    }
    let today = ctx.today(now);
    let expiring = db::agreement::expiring(ctx.db.read(), today, plus_days(today, EXPIRING_DAYS))?;
    if expiring.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        let mut count = 0;
        for (id, last_due) in expiring {
            let agreement = get(tx, id)?;
            let (date, date_en) = date_texts(last_due);
            let values = [
                ("no", agreement.no.clone()),
                ("date", date),
                ("date_en", date_en),
                ("balance", balance(tx, agreement.customer)?),
            ];
            count += u64::from(tell(ctx, tx, letter(ctx, &agreement, TEMPLATE, &values), now)?);
        }
        Ok(((), Op::MessagesQueued { template: TEMPLATE.into(), count }))
    })
}

/// Asks the rails at once to close what is to be closed of one agreement.
fn close_now(ctx: &Ctx, id: AgreementId, now: At) -> Result<Pursued> {
    let closing: Vec<Mandate> =
        mandates_of(ctx.db.read(), id)?.into_iter().filter(|it| it.state == MandateStatus::Closing).collect();
    mandate::pursue(ctx, closing, now)
}

/// An agreement that never started is simply called off.
fn cancel_waiting(ctx: &Ctx, agreement: &Agreement, notice: &Termination, now: At) -> Result<Terminated> {
    let id = agreement.id;
    ctx.db.write(now, |tx| {
        db::agreement::set_state(tx, id, AgreementState::Cancelled, Some((now, notice.cause.word())))?;
        db::mandate::close_all(tx, id, "cancelled", now)?;
        let pet = db::pet::get(tx, agreement.pet)?;
        if pet.is_some_and(|pet| pet.status == Status::Reserved) {
            db::pet::set_status(tx, agreement.pet, Status::InShop, None, ctx.today(now))?;
        }
        let state = AgreementState::Cancelled.word().into();
        Ok(((), Op::AgreementChanged { agreement: id, state, reason: notice.reason.clone() }))
    })?;
    Ok(Terminated {
        agreement: id,
        state: AgreementState::Cancelled,
        statement: None,
        confirm_by: None,
        cancelled: 0,
        mandates: close_now(ctx, id, now)?,
        open_charges: Vec::new(),
        undelivered: Vec::new(),
        figures: Value::Null,
    })
}

/// The right to leave without reasons: in the days after the first successful debit, and the pet goes back (domain facts 1.6).
fn within_cooling_off(ctx: &Ctx, agreement: &Agreement, notice: &Termination, now: At) -> Result<()> {
    let days = agreement.conditions.cooling_off_days;
    let refuse = |what: String| -> Result<()> {
        Err(Fault::refused(what).hint(t!("the customer may still leave with --cause consumer")).into())
    };
    if notice.keep_pet {
        return refuse(t!("within the cooling-off days the pet goes back; give --pet returned"));
    }
    let first = db::charge::paid_of(ctx.db.read(), agreement.id)?.into_iter().filter_map(|it| it.paid_at).min();
    let over = match first {
        Some(at) => ctx.today(now) > plus_days(day_of(at, ctx.zone()), i64::from(days)),
        None => agreement.paid_before > 0,
    };
    if over {
        return refuse(t!("the {days} cooling-off days after the first debit are over", days = days));
    }
    Ok(())
}

/// Closes the unpaid pay links of an agreement at the rail. One that was paid meanwhile, or cannot be closed now, stays open:
/// the debit run settles it.
fn close_links(ctx: &Ctx, id: AgreementId, now: At) -> Result<()> {
    let mut closed: Vec<Charge> = Vec::new();
    for charge in db::charge::open_of(ctx.db.read(), id)? {
        if charge.kind != ChargeKind::Link {
            continue;
        }
        let Ok(rail) = ctx.rail(&charge.rail) else { continue };
        if rail.close_order(&charge.order_no) == Ok(Closed::Closed) {
            closed.push(charge);
        }
    }
    if closed.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        let mut answers = Vec::new();
        for charge in &closed {
            let outcome = Outcome {
                state: ChargeState::Void,
                reason: None,
                code: "CLOSED",
                said: "",
                trade_no: None,
                pending_until: None,
                paid_at: None,
                asked_at: now,
                run: None,
            };
            db::charge::answer(tx, charge.id, &outcome)?;
            answers.push((charge.id, ChargeState::Void.word()));
        }
        Ok(((), Op::ChargesWritten { noted: Vec::new(), answers }))
    })
}

fn open_statement(conn: &Conn, agreement: &Agreement) -> Result<db::statement::Statement> {
    let row = db::statement::of_agreement(conn, agreement.id)?;
    match row {
        Some(row) if row.state == "open" => Ok(row),
        Some(_) => {
            Err(Fault::refused(t!("the settlement of {agreement} is confirmed already", agreement = agreement.id))
                .into())
        }
        None => Err(Fault::refused(t!(
            "{agreement} was not terminated, so there is nothing to confirm",
            agreement = agreement.id
        ))
        .hint(t!("enter the notice with `kibble agreement terminate {agreement}`", agreement = agreement.id))
        .into()),
    }
}

/// Figures are final only when nothing can change them any more.
fn may_confirm(conn: &Conn, agreement: &Agreement) -> Result<()> {
    if let Some(charge) = db::charge::open_of(conn, agreement.id)?.first() {
        return Err(Fault::refused(t!("the rail has not said what became of {term}", term = charge.installment))
            .hint(t!("`kibble debit run` asks it; then confirm again"))
            .into());
    }
    if let Some(order) = db::statement::undelivered(conn, agreement.customer)?.first() {
        return Err(Fault::refused(t!("{order} is paid and not delivered", order = order))
            .hint(t!("cancel it with `kibble orders cancel {order}`, or ship it; then confirm again", order = order))
            .into());
    }
    Ok(())
}

/// A settlement worked out.
struct Worked {
    statement: Statement,
    /// What the agreement brought into the wallet, and what is left of it.
    share: Share,
}

fn preview(ctx: &Ctx, conn: &Conn, agreement: &Agreement, row: &db::statement::Statement, now: At) -> Result<Value> {
    figures(ctx, conn, agreement, row, now).map(|(figures, _)| figures)
}

fn figures(
    ctx: &Ctx,
    conn: &Conn,
    agreement: &Agreement,
    row: &db::statement::Statement,
    now: At,
) -> Result<(Value, Worked)> {
    let share = share_of(conn, agreement)?;
    let all = db::statement::delivered(conn, agreement.customer)?;
    let line = delivered_line(conn, agreement.customer, share, &all)?;
    let days = (ctx.today(now) - day_of(row.notice_at, ctx.zone())).num_days().max(0);
    let cause = Cause::from_word(&row.cause)
        .ok_or_else(|| Fault::broken(t!("{statement} is not there", statement = row.id)))?;
    let conditions = &agreement.conditions;
    let statement = statement::settle(&Ended {
        paid: vec![share.paid],
        // Nothing in kibble gives a bonus on top of what is paid.
        bonus: Money::ZERO,
        delivered: vec![line],
        terms: agreement.terms,
        paid_terms: db::installment::count_collected(conn, agreement.id)?.min(agreement.terms),
        plan_total: agreement.total(),
        reference_cost: agreement.reference_cost,
        cause,
        keep_pet: row.keep_pet,
        list_price_disclosed: conditions.list_price_settlement,
        rates: Rates {
            agreed_bps: None,
            lpr_bps: conditions.interest_bps_merchant,
            deposit_bps: conditions.interest_bps_consumer,
        },
        days: u32::try_from(days)?,
    })
    .map_err(|wrong| {
        Fault::broken(t!(
            "the settlement of {agreement} cannot be computed: {why}",
            agreement = agreement.id,
            why = format!("{wrong:?}")
        ))
        .hint(t!("run `kibble check`; a record contradicts another"))
    })?;
    let figures = json!({
        "paid": statement.paid,
        "delivered": statement.delivered,
        "delivered_basis": statement.basis.word(),
        "delivered_charged": statement.delivered_charged,
        "delivered_list": statement.delivered_list,
        "delivered_lines": all.lines,
        "reference_cost": statement.reference_cost,
        "terms": statement.terms,
        "terms_left": statement.terms_left,
        "compensation": statement.compensation,
        "balance": statement.balance,
        "refund": statement.refund,
        "claim": statement.claim,
        "waived": statement.waived,
        "rate_bps": statement.rate_bps,
        "days": statement.days,
        "interest": statement.interest,
        "payable": statement.payable,
        "warnings": statement.warnings.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>(),
    });
    Ok((figures, Worked { statement, share }))
}

/// What this agreement brought into the customer's wallet and what is left of it, from the books themselves.
fn share_of(conn: &Conn, agreement: &Agreement) -> Result<Share> {
    let charges = db::charge::agreements_of(conn, agreement.customer)?;
    let statements = db::statement::agreements_of(conn, agreement.customer)?;
    let refunds = db::refund::of_customer(conn, agreement.customer)?;
    let of_refund = |id: RefundId| {
        let refund = refunds.iter().find(|it| it.id == id)?;
        refund.charge.and_then(|charge| charges.get(&charge)).copied()
    };
    let mut moves = Vec::new();
    for step in db::journal::wallet_moves(conn, agreement.customer)? {
        let (amount, into) = (step.amount.abs(), step.amount < Money::ZERO);
        let name = step.reference.as_str();
        let whose = match step.kind {
            EntryKind::Charge => name.parse().ok().and_then(|id| charges.get(&id)).copied(),
            EntryKind::RefundDue => name.parse().ok().and_then(of_refund),
            EntryKind::Settlement => name.parse().ok().and_then(|id| statements.get(&id)).copied(),
            EntryKind::Opening => name.parse().ok(),
            _ => None,
        };
        moves.push(match step.kind {
            EntryKind::Charge | EntryKind::Opening | EntryKind::Correction if into => Move::In(whose, amount),
            EntryKind::RefundDue | EntryKind::Settlement if !into => Move::Back(whose, amount),
            _ if into => Move::Unspent(amount),
            _ => Move::Spent(amount),
        });
    }
    Ok(statement::shares(&moves).get(&Some(agreement.id)).copied().unwrap_or_default())
}

/// The goods that this agreement's money paid for: with several agreements, its part of what was delivered.
fn delivered_line(conn: &Conn, customer: CustomerId, share: Share, all: &Delivered) -> Result<Line> {
    let spent = (share.paid - share.left).max(Money::ZERO);
    let (principal, _) = db::journal::wallet(conn, customer)?;
    // With no other money about, the lines on record are this agreement's.
    if all.charged == spent || !all.charged.is_positive() || principal < Money::ZERO {
        return Ok(Line { charged: spent, list: all.list.max(spent), from_principal: spent });
    }
    let list = all.list.share(spent.fen(), all.charged.fen()).max(spent);
    Ok(Line { charged: spent, list, from_principal: spent })
}

/// Books the end: what is left of the agreement's money leaves the wallet, as refund, compensation and interest say.
fn settle_books(
    ctx: &Ctx,
    tx: &Conn,
    agreement: &Agreement,
    id: StatementId,
    worked: &Worked,
    now: At,
) -> Result<Option<EntryId>> {
    let (it, left) = (&worked.statement, worked.share.left);
    let customer = agreement.customer;
    let wallet = -db::journal::balance(tx, customer, WALLET_PRINCIPAL)?;
    if left > wallet {
        return Err(Fault::broken(t!(
            "the wallet of {customer} holds {wallet}, and {left} of {agreement} should be in it",
            customer = customer,
            wallet = wallet.yuan(),
            left = left.yuan(),
            agreement = agreement.id
        ))
        .hint(t!("run `kibble check`; a record contradicts another"))
        .into());
    }
    // What the customer does not get back is the shop's: compensation, or goods counted at list price. Where goods count for
    // less than the wallet paid, the shop gives the difference.
    let kept = left + it.claim - it.refund;
    let (compensation, given) = (kept.max(Money::ZERO), (-kept).max(Money::ZERO));
    let entry = Entry::new(EntryKind::Settlement, id)
        .of(customer)
        .noted(agreement.id.to_string())
        .debit(Account::WalletPrincipal(customer), left)
        .debit(Account::ClawbackDue(customer), it.claim)
        .debit(Account::Interest, it.interest)
        .debit(Account::Goodwill, given)
        .credit(Account::RefundsDue(customer), it.payable)
        .credit(Account::Compensation, compensation);
    if entry.postings.is_empty() {
        return Ok(None);
    }
    db::journal::book(tx, &entry, ctx.today(now), now).map(Some)
}

/// Newest paid charge first, each at most what is left of it; the rest, which no rail can pay, by hand.
fn note_refunds(tx: &Conn, agreement: &Agreement, statement: StatementId, payable: Money, now: At) -> Result<()> {
    const WHY: &str = "settlement";
    let customer = agreement.customer;
    let mut rest = payable;
    for charge in db::charge::refundable(tx, agreement.id)? {
        let amount = (charge.amount - charge.refunded).min(rest);
        if amount.is_positive() {
            refund::note(tx, &charge, customer, Some(statement), amount, WHY, now)?;
            rest -= amount;
        }
    }
    if rest.is_positive() {
        let identity = db::shop::identity(tx)?;
        // No order was paid, so the number is derived from the agreement: term and attempt zero exist in no charge.
        let term = InstallmentId { agreement: agreement.id, term: 0 };
        let number = refund_no(&order_no(&identity.install_code, identity.copy_no, term, 0), 1);
        let new = NewRefund {
            charge: None,
            customer,
            statement: Some(statement),
            rail: "cash",
            refund_no: &number,
            amount: rest,
            why: WHY,
        };
        db::refund::note(tx, &new, now)?;
    }
    Ok(())
}

/// Refunds of a statement that somebody must pay by hand.
fn by_hand(ctx: &Ctx, statement: StatementId) -> Result<Vec<RefundId>> {
    let refunds = db::refund::of_statement(ctx.db.read(), statement)?;
    let replaced = |it: &Refund| refunds.iter().any(|other| other.refund_no == refund::by_hand_no(it));
    Ok(refunds
        .iter()
        .filter(|it| match it.state {
            RefundState::Noted => refund::waits_for_hand(ctx, it),
            RefundState::Declined => !replaced(it),
            _ => false,
        })
        .map(|it| it.id)
        .collect())
}

fn confirmed(ctx: &Ctx, id: AgreementId, statement: StatementId) -> Result<Confirmed> {
    let conn = ctx.db.read();
    let row = db::statement::get(conn, statement)?
        .ok_or_else(|| Fault::broken(t!("{statement} is not there", statement = statement)))?;
    Ok(Confirmed {
        agreement: id,
        statement,
        state: get(conn, id)?.state,
        figures: serde_json::from_str(&row.figures)?,
        refunds: db::refund::of_statement(conn, statement)?,
        by_hand: by_hand(ctx, statement)?,
    })
}
