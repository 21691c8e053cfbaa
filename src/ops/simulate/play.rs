//! Acts of a story, done by the same use cases that commands call. What people try at the wrong moment is refused, and that is part of
//! the story; anything else that ends in an error, without a snag to blame, is a fault of kibble's.

use anyhow::{Result, bail};
use chrono::Datelike;

use super::people::{Person, RAILS, form};
use super::story::Act;
use crate::adapters::rail::sandbox::rows::CardKind;
use crate::adapters::rail::sandbox::{FaultKind, FaultSpan};
use crate::db;
use crate::domain::agreement::{Agreement, AgreementState, PauseEffect};
use crate::domain::charge::InstallmentState;
use crate::domain::date::plus_days;
use crate::domain::id::InstallmentId;
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::order::{Handover, OrderState, Pay};
use crate::domain::pet::Status;
use crate::fault::{Fault, Kind};
use crate::ops::agreement::Pause;
use crate::ops::debit::list::Shelf;
use crate::ops::debit::report::Concern;
use crate::ops::debit::{Options, Outcome};
use crate::ops::order::Basket;
use crate::ops::recon::{self, FetchWanted};
use crate::ops::sign::{Acknowledged, Form};
use crate::ops::statement::Termination;
use crate::ops::{Ctx, agreement, debit, mandate, order, pet, remind, risk, sandbox, sign, statement};

/// Why the story's people do things; stands in the audit trail.
const WHY: &str = "story";
/// What is given back of a term, when not all of it.
const PART: Money = Money::from_fen(1_000);
/// Less than this does not pay for a month.
const MONTH: Money = Money::from_fen(30_000);
/// What somebody has after pay day.
const PLENTY: Money = Money::from_fen(5_000_000);
/// Overdue terms paid in one go: people come when they were reminded, and seldom alone.
const PAID_AT_ONCE: u32 = 4;
/// Nobody takes more pets.
const MOST_AGREEMENTS: usize = 3;

/// Does an act. `Ok(false)` when there was nobody to do it, nothing to do it to, or a rule refused it.
///
/// # Errors
/// What no rule explains.
pub fn act(ctx: &Ctx, people: &[Person], what: &Act) -> Result<bool> {
    match done(ctx, people, what) {
        Ok(done) => Ok(done),
        Err(error) if is_refusal(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error is a rule's no.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind() != Kind::Broken)
}

fn done(ctx: &Ctx, people: &[Person], what: &Act) -> Result<bool> {
    let now = ctx.now();
    let today = ctx.today(now);
    let who = |place: &u32| agreement_of(ctx, people, *place);
    match what {
        Act::Run | Act::RunEarly(_) => {
            let ran = debit::run(ctx, &Options { confirm_backlog: *what == Act::Run, ..Options::default() })?;
            let Outcome::Ran(report) = ran else { return Ok(false) };
            // The run says so and goes on; here it is a contradiction in kibble's own books.
            if let Some(stuck) = report.needs.iter().find(|need| matches!(need.what, Concern::StatementStuck { .. })) {
                bail!("{}: {:?}", stuck.record, stuck.what);
            }
            return Ok(true);
        }
        Act::Sign(place) => return sign_up(ctx, people, *place),
        Act::SignAnother(place) => return sign_another(ctx, people, *place),
        Act::Agree => drop(sandbox::sign(ctx, None, now)?),
        Act::Fund(place, fen) => {
            let Some(it) = who(place)? else { return Ok(false) };
            sandbox::fund(ctx, it.customer, Money::from_fen(*fen))?;
        }
        Act::EveryoneEarns => {
            for payer in sandbox::state(ctx)?.payers {
                if payer.balance < MONTH {
                    let Some(book) = &ctx.sandbox else { continue };
                    book.fund(&payer.payer, PLENTY)?;
                }
            }
        }
        Act::Card(place, fen) => {
            let Some(it) = who(place)? else { return Ok(false) };
            sandbox::set_card(ctx, it.customer, "0001", CardKind::Debit, Money::from_fen(*fen))?;
        }
        Act::PayLink(which) => {
            let terms = overdue(ctx, *which, PAID_AT_ONCE)?;
            for term in &terms {
                refused_is_fine(sandbox::pay(ctx, &term.to_string(), now))?;
            }
            return Ok(!terms.is_empty());
        }
        Act::Counter(which) => {
            let terms = overdue(ctx, *which, PAID_AT_ONCE)?;
            for term in &terms {
                refused_is_fine(debit::pay::pay_at_counter(ctx, *term, now))?;
            }
            return Ok(!terms.is_empty());
        }
        Act::Postpone(which, days) => {
            let Some(term) = overdue(ctx, *which, 1)?.pop() else { return Ok(false) };
            debit::pay::postpone(ctx, term, plus_days(today, i64::from(*days)), WHY, now)?;
        }
        Act::Refund(place, wholly) => {
            let Some(it) = who(place)? else { return Ok(false) };
            let terms = db::installment::of_agreement(ctx.db.read(), it.id)?;
            let Some(paid) = terms.iter().rfind(|it| it.state == InstallmentState::Paid) else { return Ok(false) };
            debit::pay::refund(ctx, paid.id, (!wholly).then_some(PART), WHY, now)?;
        }
        Act::Revoke(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            let mandates = db::mandate::of_agreement(ctx.db.read(), it.id)?;
            let Some(live) = mandates.iter().rfind(|it| it.state == MandateStatus::Live) else { return Ok(false) };
            sandbox::revoke(ctx, live.id, now)?;
        }
        Act::SignAgain(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            sign::again(ctx, it.id, None, now)?;
            sandbox::sign(ctx, None, now)?;
        }
        Act::CloseMandate(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            let mandates = db::mandate::of_agreement(ctx.db.read(), it.id)?;
            let Some(live) = mandates.iter().rfind(|it| it.state == MandateStatus::Live) else { return Ok(false) };
            mandate::close(ctx, live.id, WHY, now)?;
        }
        Act::Pause(place, days) => {
            let Some(it) = who(place)? else { return Ok(false) };
            let effect = if days.is_multiple_of(2) { PauseEffect::Extend } else { PauseEffect::Skip };
            let until = plus_days(today, i64::from(*days));
            agreement::pause(ctx, it.id, &Pause { until, effect, reason: WHY.to_owned() }, now)?;
        }
        Act::Resume(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            agreement::resume(ctx, it.id, WHY, now)?;
        }
        Act::Terminate(place, cause, keep_pet) => {
            let Some(it) = who(place)? else { return Ok(false) };
            let notice = Termination { cause: *cause, keep_pet: *keep_pet, reason: WHY.to_owned() };
            statement::terminate(ctx, it.id, &notice, now)?;
        }
        Act::Confirm(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            statement::confirm(ctx, it.id, WHY, now)?;
        }
        Act::PayByHand(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            statement::pay_by_hand(ctx, it.id, now)?;
        }
        Act::PetDies(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            pet::set_status(ctx, it.pet, Status::Died, WHY)?;
        }
        Act::Buy(place, any) => return buy(ctx, people, *place, *any),
        Act::TakeBack(place, any) => return take_back(ctx, people, *place, *any),
        Act::Trouble(rail, kind, times) => {
            let name = RAILS[usize::try_from(*rail)? % RAILS.len()].0;
            let span = match kind {
                FaultKind::Down => FaultSpan::Until(now + chrono::TimeDelta::hours(i64::from(*times))),
                _ => FaultSpan::Times(1 + times % 5),
            };
            sandbox::set_fault(ctx, name, *kind, span, None)?;
        }
        Act::SendMessages => drop(remind::send(ctx, now)?),
        Act::SyncMandates => drop(mandate::sync_waiting(ctx, now)?),
        Act::FetchBills => drop(recon::fetch(ctx, &FetchWanted::default(), now)?),
        Act::ClearFlag(place) => {
            let Some(it) = who(place)? else { return Ok(false) };
            risk::clear(ctx, it.id, WHY, now)?;
        }
        Act::AllWell => {
            for (name, _) in RAILS {
                sandbox::clear_faults(ctx, name)?;
            }
        }
    }
    Ok(true)
}

/// The agreements of a person, the oldest first.
fn agreements_of(ctx: &Ctx, people: &[Person], place: u32) -> Result<Vec<Agreement>> {
    let mut found = Vec::new();
    let Some(it) = people.iter().find(|it| it.place == place) else { return Ok(found) };
    let customer = match crate::ops::customer::resolve(ctx, &it.phone) {
        Ok(customer) => customer,
        Err(error) if is_refusal(&error) => return Ok(found),
        Err(error) => return Err(error),
    };
    db::agreement::each(ctx.db.read(), Some(customer.id), None, |agreement| {
        found.push(agreement);
        Ok(())
    })?;
    Ok(found)
}

/// The agreement that somebody speaks of: the oldest that is not over on one day, the newest on the next.
fn agreement_of(ctx: &Ctx, people: &[Person], place: u32) -> Result<Option<Agreement>> {
    let mut all = agreements_of(ctx, people, place)?;
    let newest = all.last().cloned();
    all.retain(|it| !matches!(it.state, AgreementState::Ended | AgreementState::Cancelled));
    let old = ctx.today(ctx.now()).day().is_multiple_of(2);
    let spoken_of = if old { all.into_iter().next() } else { all.pop() };
    Ok(spoken_of.or(newest))
}

/// Some of the terms that are overdue, from one of them on.
fn overdue(ctx: &Ctx, which: u32, count: u32) -> Result<Vec<InstallmentId>> {
    let mut found = Vec::new();
    debit::list::each(ctx, Shelf::Overdue, None, ctx.now(), |it| {
        found.push(it.installment.id);
        Ok(())
    })?;
    let from = usize::try_from(which)?.checked_rem(found.len()).unwrap_or(0);
    Ok(found.into_iter().skip(from).take(usize::try_from(count)?).collect())
}

fn refused_is_fine<T>(done: Result<T>) -> Result<()> {
    match done {
        Err(error) if !is_refusal(&error) => Err(error),
        _ => Ok(()),
    }
}

fn sign_up(ctx: &Ctx, people: &[Person], place: u32) -> Result<bool> {
    let Some(it) = people.iter().find(|it| it.place == place) else { return Ok(false) };
    if agreement_of(ctx, people, place)?.is_some() {
        return Ok(false);
    }
    sign_form(ctx, &form(it))
}

fn sign_another(ctx: &Ctx, people: &[Person], place: u32) -> Result<bool> {
    let Some(it) = people.iter().find(|it| it.place == place) else { return Ok(false) };
    let all = agreements_of(ctx, people, place)?;
    let Some(known) = all.first().filter(|_| all.len() < MOST_AGREEMENTS) else { return Ok(false) };
    let another = Form { customer: Some(known.customer.to_string()), pet_name: Some("圆子".to_owned()), ..form(it) };
    sign_form(ctx, &another)
}

fn sign_form(ctx: &Ctx, form: &Form) -> Result<bool> {
    let now = ctx.now();
    let prepared = sign::prepare(ctx, form, now)?;
    let shown = Acknowledged { shown_at: now, acknowledged_at: now, explained: true };
    sign::sign(ctx, &prepared, &vec![shown; prepared.points.len()], now)?;
    Ok(true)
}

fn buy(ctx: &Ctx, people: &[Person], place: u32, any: u32) -> Result<bool> {
    let Some(it) = agreement_of(ctx, people, place)? else { return Ok(false) };
    let mut skus = Vec::new();
    crate::ops::catalog::list(ctx, &db::catalog::Filter::default(), |item| {
        if item.on_sale {
            skus.push(item.sku);
        }
        Ok(())
    })?;
    let pick = |nth: u32| skus.get(usize::try_from(nth).unwrap_or(0) % skus.len().max(1)).cloned();
    let wants = [pick(any), pick(any / 7 + 1)].into_iter().flatten().map(|sku| (sku, 1 + any % 2)).collect();
    let pay = [Pay::Wallet, Pay::Split, Pay::Wallet, Pay::Cash][usize::try_from(any % 4)?];
    let handover = if any.is_multiple_of(5) { Handover::Ship } else { Handover::Counter };
    let address = Some("示例市青禾路2号".to_owned());
    let basket = Basket { customer: it.customer, wants, pay, handover, address, note: String::new() };
    let quote = order::quote(ctx, &basket)?;
    order::place(ctx, &basket, &quote)?;
    Ok(true)
}

fn take_back(ctx: &Ctx, people: &[Person], place: u32, any: u32) -> Result<bool> {
    let Some(it) = agreement_of(ctx, people, place)? else { return Ok(false) };
    let filter = order::Filter { customer: Some(it.customer), ..order::Filter::default() };
    let mut orders = Vec::new();
    order::list(ctx, &filter, |listed| {
        orders.push((listed.order.id, listed.order.state));
        Ok(())
    })?;
    let Some((id, state)) = orders.get(usize::try_from(any)? % orders.len().max(1)).copied() else { return Ok(false) };
    match state {
        OrderState::Delivered => order::return_line(ctx, id, 1, 1, WHY).map(|_| ())?,
        _ if any.is_multiple_of(2) => order::cancel(ctx, id, None, WHY).map(|_| ())?,
        _ => order::deliver(ctx, id).map(|_| ())?,
    }
    Ok(true)
}
