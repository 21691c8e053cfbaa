//! The life of an agreement after signing: starting, pausing, completing, and everything about it at a glance. How it is terminated
//! and settled is `statement.rs`.

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

use crate::db::installment::{Installment, NewInstallment};
use crate::db::mandate::of_agreement as mandates_of;
use crate::db::refund::Refund;
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementState, COMPLETED, PauseEffect, longest_pause};
use crate::domain::charge::{Course, InstallmentState};
use crate::domain::date::{At, FirstDebit, Schedule, plus_days};
use crate::domain::id::{AgreementId, CustomerId, InstallmentId};
use crate::domain::mandate::Mandate;
use crate::domain::message::Audience;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::Status;
use crate::fault::Fault;
use crate::ops::mandate::{self, date_texts, params};
use crate::ops::remind::{Letter, tell};
use crate::ops::{Ctx, statement};
use crate::t;

/// Days before the last term at which the customer is told that the agreement ends.
const EXPIRING_DAYS: i64 = 30;
/// Why an agreement runs again whose pause had an end.
pub(super) const PAUSE_OVER: &str = "the pause is over";

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
    db::agreement::each_labelled(ctx.db.read(), customer, state, |it, label| {
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
    /// The credit check at signing, where one was made.
    pub credit: Option<db::credit::Check>,
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
                "open" => statement::preview(ctx, conn, &agreement, &row, now)?,
                _ => serde_json::from_str(&row.figures)?,
            };
            let refunds = db::refund::of_statement(conn, row.id)?;
            Some(StatementShown { row, figures, refunds })
        }
    };
    let evidence = evidence(&db::agreement::shown(conn, id)?);
    Ok(Shown {
        label: db::customer::label(conn, agreement.customer)?,
        pet_name: db::pet::get(conn, agreement.pet)?.map(|pet| pet.name).unwrap_or_default(),
        evidence,
        mandates: mandates_of(conn, id)?,
        collected: db::installment::count_collected(conn, id)?,
        paid,
        left_terms,
        left,
        wallet: principal + bonus,
        credit: db::credit::of_agreement(conn, id)?,
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
    /// Terms that keep their day inside the pause: on their way to the rail already, or due at signing. Term and date.
    pub kept: Vec<(u32, NaiveDate)>,
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
    if pause.until > longest_pause(today) {
        return Err(too_long(pause.until).into());
    }
    ctx.db.write(now, |tx| {
        let agreement = get(tx, id)?;
        must_be(&agreement, AgreementState::Active)?;
        let mut done = Paused {
            agreement: id,
            until: Some(pause.until),
            moved: Vec::new(),
            kept: Vec::new(),
            cancelled: Vec::new(),
            reopened: Vec::new(),
            ends_on: agreement.ends_on,
            troubles: Vec::new(),
        };
        let terms = db::installment::of_agreement(tx, id)?;
        let open = db::charge::open_of(tx, id)?;
        let inside: Vec<&Installment> =
            terms.iter().filter(|it| is_movable(it) && it.due >= today && it.due < pause.until).collect();
        // A term whose debit is on its way keeps its day, and so does one that fell due at signing, because no months are counted
        // for it: the months are added after them.
        let at_signing = |it: &Installment| it.id.term == 1 && agreement.first_debit == FirstDebit::AtSigning;
        let first_moved =
            inside.iter().find(|it| !at_signing(it) && open.iter().all(|charge| charge.installment != it.id));
        let mut added_months = 0;
        match (pause.effect, first_moved) {
            (PauseEffect::Skip, _) => {
                for it in &inside {
                    db::installment::set_state(tx, it.id, InstallmentState::Cancelled)?;
                    drop_messages(tx, it.id)?;
                    done.cancelled.push(it.id.term);
                }
            }
            (PauseEffect::Extend, Some(first)) => {
                let (schedule, added) = agreement.schedule_from(first.id.term, pause.until);
                // Earlier pauses moved it too.
                if schedule.due(first.id.term) < pause.until {
                    return Err(too_long(pause.until).into());
                }
                added_months = added;
                done.ends_on = schedule.end(agreement.terms);
                db::agreement::reschedule(tx, id, schedule.shift_months, schedule.shifted_from, done.ends_on)?;
                done.moved = move_terms(ctx, tx, &agreement, &terms, first.id.term, &schedule)?;
            }
            (PauseEffect::Extend, None) => {}
        }
        let changed = |term| done.cancelled.contains(&term) || done.moved.iter().any(|(moved, _)| *moved == term);
        done.kept = inside.iter().filter(|it| !changed(it.id.term)).map(|it| (it.id.term, it.due)).collect();
        let new = db::agreement::NewPause { on: today, until: pause.until, effect: pause.effect, added_months };
        db::agreement::pause(tx, id, &new)?;
        let reason = pause_words(pause);
        Ok((done, Op::AgreementChanged { agreement: id, state: AgreementState::Paused.word().into(), reason }))
    })
}

fn too_long(until: NaiveDate) -> Fault {
    Fault::refused(t!("a pause until {day} is too long: terms are put off by ten years at most", day = until))
        .hint(t!("check the date; a customer who does not come back ends the agreement"))
}

/// A pause as the audit trail keeps it.
fn pause_words(pause: &Pause) -> String {
    format!("{} until {}: {}", pause.effect.word(), pause.until, pause.reason)
}

/// Reads a pause back from the audit trail, the only place that remembers one that is over.
pub(super) fn read_pause(words: &str) -> Option<Pause> {
    let (effect, rest) = words.split_once(" until ")?;
    let (until, reason) = rest.split_once(": ")?;
    Some(Pause { effect: PauseEffect::from_word(effect)?, until: until.parse().ok()?, reason: reason.to_owned() })
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
            kept: Vec::new(),
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
                // What was paid at the counter meanwhile was moved with the others, and comes back with them.
                let moved =
                    |it: &&Installment| it.id.term >= shifted_from && it.due == agreement.schedule().due(it.id.term);
                for it in terms.iter().filter(|it| it.state != InstallmentState::Open).filter(moved) {
                    db::installment::set_due(tx, it.id, schedule.due(it.id.term))?;
                }
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
        resume(ctx, agreement.id, PAUSE_OVER, now)?;
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
            db::agreement::set_state(tx, agreement.id, AgreementState::Completed, Some((now, COMPLETED)))?;
            db::mandate::close_all(tx, agreement.id, COMPLETED, now)?;
            let values = [("balance", balance(tx, agreement.customer)?), ("no", agreement.no.clone())];
            let letter = letter(ctx, agreement, "contract_completed", &values);
            tell(ctx, tx, letter, now)?;
            let state = AgreementState::Completed.word().into();
            Ok(((), Op::AgreementChanged { agreement: agreement.id, state, reason: COMPLETED.to_owned() }))
        })?;
    }
    Ok(u64::try_from(finished.len())?)
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
    schedule: &Schedule,
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
pub(super) fn letter(ctx: &Ctx, agreement: &Agreement, template: &'static str, values: &[(&str, String)]) -> Letter {
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

#[cfg(test)]
mod tests {
    use super::{Pause, pause_words, read_pause};
    use crate::domain::agreement::PauseEffect;

    #[test]
    fn a_pause_is_read_back_from_the_trail_as_it_was_made() {
        for (effect, reason) in [(PauseEffect::Extend, "travel: until spring: maybe"), (PauseEffect::Skip, "")] {
            let pause = Pause { until: "2027-02-01".parse().unwrap(), effect, reason: reason.to_owned() };
            let read = read_pause(&pause_words(&pause)).unwrap();
            assert_eq!((read.until, read.effect, read.reason.as_str()), (pause.until, effect, reason));
        }
        assert!(read_pause("completed").is_none() && read_pause("the pause is over").is_none());
    }
}
