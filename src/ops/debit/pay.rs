//! What a clerk does with one installment: takes the money at the counter, moves its day, looks at its history.

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use crate::adapters::rail::{Closed, Trouble};
use crate::db;
use crate::db::charge::NewCharge;
use crate::db::installment::{DueRow, Installment, Notice};
use crate::db::message::Message;
use crate::db::refund::Refund;
use crate::domain::charge::{Charge, ChargeKind, ChargeState, Course, InstallmentState, order_no};
use crate::domain::date::{At, plus_days};
use crate::domain::id::{ChargeId, CustomerId, InstallmentId};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::rail::{Answer, Reply};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::debit::book::{Asked, apply};
use crate::ops::debit::may_move_money;
use crate::ops::mandate::reference;
use crate::ops::refund::{by_hand, refund_charge};
use crate::t;

/// What became of paying at the counter.
#[derive(Clone, Debug, Serialize)]
pub struct Paid {
    /// Which term.
    pub installment: InstallmentId,
    /// How much.
    pub amount: Money,
    /// True when it turned out that the customer had paid the link already: no cash is to be taken.
    pub by_link: bool,
    /// The wallet afterwards.
    pub balance: Money,
}

/// Takes an open installment's money at the counter.
///
/// # Errors
/// When it is not open, or a debit of it is in the air: its outcome must be known first, or it could be collected twice.
pub fn pay_at_counter(ctx: &Ctx, id: InstallmentId, now: At) -> Result<Paid> {
    may_move_money(ctx, now)?;
    let row = open_row(ctx, id)?;
    let by_link = match close_link(ctx, &row)? {
        LinkEnd::PaidAlready(reply) => {
            let open = row.open.clone().expect("a paid link is an open charge");
            let (kind, rail, amount) = (ChargeKind::Link, open.rail, open.amount);
            write_paid(ctx, Asked { charge: open.id, kind, rail, amount, row: row.clone() }, &reply, now)?;
            true
        }
        LinkEnd::Closed => {
            take_cash(ctx, &row, now)?;
            false
        }
    };
    let balance = db::journal::wallet(ctx.db.read(), row.customer)?.0;
    Ok(Paid { installment: id, amount: row.installment.amount, by_link, balance })
}

fn take_cash(ctx: &Ctx, row: &DueRow, now: At) -> Result<()> {
    let shop = db::shop::identity(ctx.db.read())?;
    let id = row.installment.id;
    let attempt = row.attempts + 1;
    let order_no = order_no(&shop.code, shop.copy_no, id, attempt);
    ctx.db.write(now, |tx| {
        still(tx, row)?;
        if let Some(link) = &row.open {
            db::charge::void(tx, link.id, "CLOSED", now)?;
        }
        let new = NewCharge {
            installment: id,
            attempt,
            kind: ChargeKind::Cash,
            mandate: None,
            rail: "cash",
            order_no: &order_no,
            amount: row.installment.amount,
            run: None,
        };
        // The clerk's entry is the outcome: note and answer are one.
        let charge = db::charge::note(tx, &new, now)?;
        let (kind, rail, amount) = (ChargeKind::Cash, "cash".to_owned(), row.installment.amount);
        apply(ctx, tx, &Asked { charge, kind, rail, amount, row: row.clone() }, &Reply::bare(Answer::Paid), None, now)?;
        Ok(((), Op::PaidAtCounter { installment: id, amount }))
    })
}

fn write_paid(ctx: &Ctx, asked: Asked, reply: &Reply, now: At) -> Result<()> {
    ctx.db.write(now, |tx| {
        let effect = apply(ctx, tx, &asked, reply, None, now)?;
        Ok(((), Op::ChargesWritten { noted: Vec::new(), answers: vec![(asked.charge, effect.word())] }))
    })
}

/// Moves an open installment to a later day, at the rail too where it keeps a date. It is announced again.
///
/// # Errors
/// When it is not open, the day is not later, a debit is in the air, or the rail refuses.
pub fn postpone(ctx: &Ctx, id: InstallmentId, to: NaiveDate, reason: &str, now: At) -> Result<Installment> {
    may_move_money(ctx, now)?;
    let row = open_row(ctx, id)?;
    let earliest = plus_days(ctx.today(now), 1);
    if to < earliest || to < row.installment.due {
        return Err(Fault::refused(t!("{installment} can only be moved to a later day", installment = id))
            .hint(t!("the earliest is {day}", day = earliest.max(row.installment.due)))
            .into());
    }
    // A rail takes one debit per period (payment facts 1.6, 2.5): two terms on one day would leave the later one refused.
    let next = db::installment::get(ctx.db.read(), InstallmentId { term: id.term + 1, ..id })?;
    if let Some(next) = next.filter(|next| next.state == InstallmentState::Open && to >= next.due) {
        return Err(Fault::refused(t!(
            "{installment} cannot be moved to {day}: the next term falls due on {due}",
            installment = id,
            day = to,
            due = next.due
        ))
        .hint(t!(
            "choose an earlier day, or take the money with `kibble debit pay {installment} --cash`",
            installment = id
        ))
        .into());
    }
    // The date on record is that of the first lane's rail; another lane's rail is moved before its charge.
    let mandates = db::mandate::of_agreement(ctx.db.read(), id.agreement)?;
    let first = mandates.iter().rfind(|it| it.lane == 1);
    let registered = match first {
        Some(mandate) => ctx.config.rail(&mandate.rail)?.profile.registered(to),
        None => to,
    };
    if let Some(mandate) = first.filter(|it| it.state == MandateStatus::Live) {
        if to > mandate.valid_until {
            return Err(Fault::refused(t!(
                "{mandate} is valid until {day} only",
                mandate = mandate.id,
                day = mandate.valid_until
            ))
            .hint(t!(
                "choose an earlier day, or take the money with `kibble debit pay {installment} --cash`",
                installment = id
            ))
            .into());
        }
        match ctx.rail(&mandate.rail)?.postpone(&reference(mandate), registered) {
            Ok(()) | Err(Trouble::Unsupported) => {}
            Err(trouble) => {
                return Err(Fault::refused(t!(
                    "{rail} does not move the date of {installment}: {why}",
                    rail = mandate.rail,
                    installment = id,
                    why = trouble
                ))
                .hint(match trouble {
                    Trouble::Unreachable { .. } => t!("try again later"),
                    _ => t!("take the money with `kibble debit pay {id} --cash`", id = id),
                })
                .into());
            }
        }
    }
    // Only now: a rail that refuses the day leaves the customer the link.
    if let LinkEnd::PaidAlready(reply) = close_link(ctx, &row)? {
        let open = row.open.clone().expect("a paid link is an open charge");
        let (kind, rail, amount) = (ChargeKind::Link, open.rail, open.amount);
        write_paid(ctx, Asked { charge: open.id, kind, rail, amount, row: row.clone() }, &reply, now)?;
        return Err(Fault::refused(t!("{installment} has been paid through its link", installment = id)).into());
    }
    ctx.db.write(now, |tx| {
        still(tx, &row)?;
        if let Some(link) = &row.open {
            db::charge::void(tx, link.id, "CLOSED", now)?;
        }
        db::message::drop_queued(tx, id.agreement, "pre_debit_48h", Some(id.term))?;
        db::installment::move_due(tx, id, to, registered)?;
        if row.installment.course == Course::Failed {
            // It counted towards the high-risk rule; should it fail again on its new day, it is still one term.
            db::agreement::set_failed_in_row(tx, id.agreement, row.failed_in_row.saturating_sub(1))?;
        }
        Ok(((), Op::InstallmentPostponed { installment: id, to: to.to_string(), reason: reason.to_owned() }))
    })?;
    Ok(db::installment::get(ctx.db.read(), id)?.expect("it was there a moment ago"))
}

/// Whether there is a day to which an installment can be moved: one on which its announcement can be old enough, before the next term falls
/// due, and on which the mandate still holds.
///
/// # Errors
/// When the database cannot be read.
pub fn may_postpone(ctx: &Ctx, id: InstallmentId, due: NaiveDate, now: At) -> Result<bool> {
    let settings = &ctx.config.settings;
    let told = settings.messages.hours.next(now, ctx.zone());
    let ready = ctx.today(told + TimeDelta::hours(i64::from(settings.debit.notice_hours)));
    let next = db::installment::get(ctx.db.read(), InstallmentId { term: id.term + 1, ..id })?;
    if next.is_some_and(|next| next.state == InstallmentState::Open && due.max(ready) >= next.due) {
        return Ok(false);
    }
    let mandates = db::mandate::of_agreement(ctx.db.read(), id.agreement)?;
    let live = mandates.iter().rfind(|it| it.lane == 1 && it.state == MandateStatus::Live);
    Ok(live.is_some_and(|mandate| due.max(ready) <= mandate.valid_until))
}

/// Gives a collected installment back, `amount` of it or all that is left.
///
/// # Errors
/// When it was not collected through kibble, or the wallet does not hold so much any more.
pub fn refund(ctx: &Ctx, id: InstallmentId, amount: Option<Money>, why: &str, now: At) -> Result<Refund> {
    let charges = db::charge::of_installment(ctx.db.read(), id)?;
    let Some(paid) = charges.iter().find(|charge| charge.state == ChargeState::Paid) else {
        return Err(Fault::refused(t!("{installment} was not collected through kibble", installment = id))
            .hint(t!("see what happened with `kibble debit show {installment}`", installment = id))
            .into());
    };
    refund_charge(ctx, paid.id, amount.unwrap_or(paid.amount - paid.refunded), why, now)
}

fn open_row(ctx: &Ctx, id: InstallmentId) -> Result<DueRow> {
    let row = db::installment::due_one(ctx.db.read(), None, id)?.ok_or_else(|| unknown(id))?;
    if row.installment.state != InstallmentState::Open {
        return Err(Fault::refused(t!("{installment} is not open any more", installment = id))
            .hint(t!("see what happened with `kibble debit show {installment}`", installment = id))
            .into());
    }
    if matches!(row.candidate.open_charge, Some((_, kind)) if kind != ChargeKind::Link) {
        return Err(Fault::refused(t!("the outcome of a debit of {installment} is not known yet", installment = id))
            .hint(t!("run `kibble debit run` first; it asks the rail"))
            .into());
    }
    if row.is_disputed {
        return Err(Fault::refused(t!("a bill says that {installment} was paid", installment = id))
            .hint(t!("decide about it with `kibble recon list` first"))
            .into());
    }
    Ok(row)
}

/// Refused when somebody else, a debit run or another clerk, did something with the term since `row` was read: whoever asked decides
/// anew, because a debit may be on its way, or the money here.
fn still(tx: &db::Conn, row: &DueRow) -> Result<()> {
    let id = row.installment.id;
    let now = db::installment::due_one(tx, None, id)?.ok_or_else(|| unknown(id))?;
    let open = |row: &DueRow| row.open.as_ref().map(|open| open.id);
    if now.installment == row.installment && now.attempts == row.attempts && open(&now) == open(row) {
        return Ok(());
    }
    Err(Fault::refused(t!("something else happened to {installment} at this moment", installment = id))
        .hint(t!("see what happened with `kibble debit show {installment}`", installment = id))
        .into())
}

/// Closes the pay link of a term, if it has one, because its money came by another number. Gives the link's charge, closed at the rail
/// and still to be written.
///
/// # Errors
/// When a debit of it is in the air, or the link was paid or cannot be closed.
pub(in crate::ops) fn close_other_link(ctx: &Ctx, id: InstallmentId) -> Result<Option<ChargeId>> {
    let row = db::installment::due_one(ctx.db.read(), None, id)?.ok_or_else(|| unknown(id))?;
    let Some(open) = &row.open else { return Ok(None) };
    if !matches!(row.candidate.open_charge, Some((_, ChargeKind::Link))) {
        return Err(Fault::refused(t!("another attempt of {installment} is open", installment = id))
            .hint(t!("run `kibble debit run` first; it asks the rail"))
            .into());
    }
    match close_link(ctx, &row)? {
        LinkEnd::Closed => Ok(Some(open.id)),
        LinkEnd::PaidAlready(_) => {
            Err(Fault::refused(t!("{installment} has been paid through its link", installment = id))
                .hint(t!("run `kibble debit run` first; it asks the rail"))
                .into())
        }
    }
}

enum LinkEnd {
    Closed,
    PaidAlready(Reply),
}

fn close_link(ctx: &Ctx, row: &DueRow) -> Result<LinkEnd> {
    let Some(open) = &row.open else { return Ok(LinkEnd::Closed) };
    let rail = ctx.rail(&open.rail)?;
    let why = match rail.close_order(&open.order_no) {
        Ok(Closed::Closed) => return Ok(LinkEnd::Closed),
        // Whoever closes an order names no sum; only the question that names it may say "paid".
        Ok(Closed::AlreadyPaid(_)) => match rail.query_charge(&open.order_no, open.amount) {
            reply if reply.answer == Answer::Paid => return Ok(LinkEnd::PaidAlready(reply)),
            reply => format!("{} {}", reply.code, reply.text),
        },
        Err(trouble) => trouble.to_string(),
    };
    Err(Fault::refused(t!(
        "{rail} does not close the pay link of {installment}: {why}",
        rail = open.rail,
        installment = row.installment.id,
        why = why
    ))
    .hint(t!("the customer could still pay through it; try again later"))
    .into())
}

fn unknown(id: InstallmentId) -> Fault {
    Fault::not_found(t!("there is no installment {installment}", installment = id))
        .hint(t!("see them with `kibble agreement show {agreement}`", agreement = id.agreement))
}

/// The whole history of an installment.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// The term as it stands.
    pub installment: Installment,
    /// Whose.
    pub customer: CustomerId,
    /// Masked.
    pub label: String,
    /// Printed number of the agreement.
    pub agreement_no: String,
    /// Number of terms.
    pub terms: u32,
    /// Notices given.
    pub notices: Vec<Notice>,
    /// Attempts, in order.
    pub charges: Vec<Charge>,
    /// Refunds of the paid one.
    pub refunds: Vec<Refund>,
    /// Messages about it.
    pub messages: Vec<Message>,
}

/// Collects the history of an installment.
///
/// # Errors
/// When there is no such installment.
pub fn history(ctx: &Ctx, id: InstallmentId) -> Result<History> {
    let conn = ctx.db.read();
    let row = db::installment::due_one(conn, None, id)?.ok_or_else(|| unknown(id))?;
    let charges = db::charge::of_installment(conn, id)?;
    let mut refunds = Vec::new();
    for charge in charges.iter().filter(|charge| charge.refunded.is_positive()) {
        for refund in db::refund::of_charge(conn, charge.id)? {
            let by_hand = by_hand(conn, &refund)?;
            refunds.push(refund);
            refunds.extend(by_hand);
        }
    }
    Ok(History {
        label: db::customer::label(conn, row.customer)?,
        customer: row.customer,
        agreement_no: row.agreement_no,
        terms: row.terms,
        notices: db::installment::notices(conn, id)?,
        messages: db::message::of_installment(conn, id)?,
        installment: row.installment,
        charges,
        refunds,
    })
}
