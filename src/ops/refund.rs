//! Money going back: noted, asked, noted again, like a charge. A refund has one number from the moment at which a rail hears of it,
//! so a lost answer never pays it twice. Owns the booking of refunds; how much a settlement owes is `domain/statement.rs`.

use anyhow::Result;
use serde::Serialize;

use crate::adapters::rail::RefundRequest;
use crate::config::AdapterKind;
use crate::db::bill::Line;
use crate::db::refund::{NewRefund, Refund};
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementState};
use crate::domain::charge::{Charge, ChargeState, InstallmentState, refund_no};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, EntryId, RefundId, StatementId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::message::Audience;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::points::points_for;
use crate::domain::rail::{Answer, Reason, Reply};
use crate::domain::refund::RefundState;
use crate::fault::Fault;
use crate::ops::debit::may_move_money;
use crate::ops::mandate::params;
use crate::ops::recon::by_bill;
use crate::ops::remind::{Letter, tell};
use crate::ops::{Ctx, agreement};
use crate::t;

/// Refunds looked at per page.
const PAGE: u32 = 64;
/// Code on a refund whose rail is not in shop.toml any more.
const NO_RAIL: &str = "NO_RAIL";
/// Refund numbers that an order has: two digits count them.
const MOST_NUMBERS: u32 = 99;

/// What asking about open refunds came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The money went back.
    pub paid: u64,
    /// Still open.
    pub open: u64,
    /// Rails that could not say, with what they said; each once.
    pub down: Vec<(String, String)>,
}

/// Gives back `amount` of a paid charge: out of the wallet, and to where it came from. Cash counts as handed over.
///
/// # Errors
/// When the charge was not paid, so much cannot go back, or the wallet does not hold it any more. What the rail says is in the
/// answer, not an error.
pub fn refund_charge(ctx: &Ctx, id: ChargeId, amount: Money, why: &str, now: At) -> Result<Refund> {
    may_move_money(ctx, now)?;
    let refund = ctx.db.write(now, |tx| {
        let refund = note_out_of_wallet(ctx, tx, id, amount, why, None, now)?;
        let op = Op::RefundNoted { refund: refund.id, amount, why: why.to_owned() };
        Ok((refund, op))
    })?;
    send(ctx, &refund, now)
}

/// Notes a refund that leaves the wallet, under the next derived number; one that was `made` already, as a bill says, under its own.
fn note_out_of_wallet(
    ctx: &Ctx,
    tx: &Conn,
    id: ChargeId,
    amount: Money,
    why: &str,
    made: Option<&Line>,
    now: At,
) -> Result<Refund> {
    let charge = charge(tx, id)?;
    let agreement = agreement::get(tx, charge.installment.agreement)?;
    may_refund(tx, &charge, &agreement, amount, made.is_some())?;
    let number = made.map(|line| line.refund_no.as_str()).filter(|number| !number.is_empty());
    let refund = note_numbered(tx, &charge, agreement.customer, None, amount, why, number, now)?;
    let entry = Entry::new(EntryKind::RefundDue, refund.id)
        .of(agreement.customer)
        .noted(charge.installment.to_string())
        .debit(Account::WalletPrincipal(agreement.customer), amount)
        .credit(Account::RefundsDue(agreement.customer), amount);
    db::journal::book(tx, &entry, ctx.today(now), now)?;
    Ok(refund)
}

/// A refund that was made in the provider's own console, as its bill tells: noted and paid in one, out of the wallet like any other.
///
/// # Errors
/// As [`refund_charge`], except that no rail is asked.
pub(super) fn made_elsewhere(
    ctx: &Ctx,
    tx: &Conn,
    charge: ChargeId,
    line: &Line,
    why: &str,
    now: At,
) -> Result<Refund> {
    let refund = note_out_of_wallet(ctx, tx, charge, -line.amount, why, Some(line), now)?;
    answer_in(ctx, tx, &refund, &by_bill(line, now), now)?;
    get(tx, refund.id)
}

/// An open refund is paid with another amount, as a line of a bill says. The difference goes back into the wallet, or out of it; once a
/// settlement is final, what is still owed goes back as one more refund. Gives the entry of the difference.
///
/// # Errors
/// When more went back than could.
pub(super) fn paid_as_billed(ctx: &Ctx, tx: &Conn, refund: &Refund, line: &Line, now: At) -> Result<Option<EntryId>> {
    let (billed, more) = (-line.amount, -line.amount - refund.amount);
    let too_much = |could: Money| {
        Fault::refused(t!(
            "{billed} of {refund} cannot have gone back: at most {could} could",
            billed = billed.yuan(),
            refund = refund.id,
            could = could.yuan()
        ))
        .hint(t!("book it with book-as"))
    };
    // What came without being asked for was in no wallet, so nothing there could take the difference.
    let Some(charge) = refund.charge.filter(|_| billed.is_positive()).map(|id| charge(tx, id)).transpose()? else {
        return Err(Fault::refused(t!(
            "{refund} gives back {amount} that was in no wallet, so it goes back wholly or not at all",
            refund = refund.id,
            amount = refund.amount.yuan()
        ))
        .hint(t!("book it with book-as"))
        .into());
    };
    let statement = db::statement::of_agreement(tx, charge.installment.agreement)?;
    let entry = if statement.is_some_and(|it| it.state != "open") {
        if more.is_positive() {
            return Err(too_much(refund.amount).into());
        }
        let rest = NewRefund {
            charge: refund.charge,
            customer: refund.customer,
            statement: refund.statement,
            rail: &refund.rail,
            refund_no: &next_no(tx, &charge.order_no)?,
            amount: -more,
            why: &refund.why,
            line: None,
        };
        db::refund::note(tx, &rest, now)?;
        None
    } else {
        let left = charge.amount - charge.refunded;
        let could = left.min(db::journal::wallet(tx, refund.customer)?.0);
        if more > could {
            return Err(too_much(refund.amount + could).into());
        }
        db::charge::add_refunded(tx, charge.id, more)?;
        let points = points_for(left) - points_for(left - more);
        db::points::take_back(tx, refund.customer, &line.id.to_string(), points, now)?;
        let difference = Entry::new(EntryKind::Recon, line.id)
            .of(refund.customer)
            .noted(charge.installment.to_string())
            .debit(Account::WalletPrincipal(refund.customer), more)
            .credit(Account::RefundsDue(refund.customer), more);
        Some(db::journal::book(tx, &difference, ctx.today(now), now)?)
    };
    db::refund::set_amount(tx, refund.id, billed)?;
    answer_in(ctx, tx, &get(tx, refund.id)?, &by_bill(line, now), now)?;
    Ok(entry)
}

/// The refund that a line of a bill pays although its rail had refused it: somebody made it in the provider's own console, under a
/// number that is unknown here.
pub(super) fn refused_before(tx: &Conn, line: &Line) -> Result<Option<Refund>> {
    for refund in db::refund::declined(tx)? {
        let is_it = refund.rail == line.rail && refund.amount == -line.amount;
        if is_it && db::refund::order(tx, &refund)?.is_some_and(|(order_no, _)| order_no == line.order_no) {
            return Ok(Some(refund));
        }
    }
    Ok(None)
}

/// A refund that its rail had refused went back after all, as `reply` says.
///
/// # Errors
/// When somebody has handed it over meanwhile.
pub(super) fn paid_after_all(ctx: &Ctx, tx: &Conn, refund: &Refund, reply: &Reply, now: At) -> Result<()> {
    refuse_handed_over(tx, refund)?;
    db::refund::reopen(tx, refund.id)?;
    answer_in(ctx, tx, &get(tx, refund.id)?, reply, now)
}

/// Notes the return of money that came without being asked for, or once too often: a line of a bill, `whose` money it is. It never was
/// in a wallet, so it goes from the rail's account straight to what is due back. To be sent with [`send`].
///
/// # Errors
/// When the line's money is on its way back already.
pub(super) fn note_stray(ctx: &Ctx, tx: &Conn, line: &Line, whose: CustomerId, why: &str, now: At) -> Result<Refund> {
    let new = NewRefund {
        charge: None,
        customer: whose,
        statement: None,
        rail: &line.rail,
        refund_no: &next_no(tx, &line.order_no)?,
        amount: line.amount,
        why,
        line: Some(line.id),
    };
    let id = db::refund::note(tx, &new, now)?;
    let entry = Entry::new(EntryKind::RefundDue, id)
        .of(whose)
        .noted(line.order_no.clone())
        .debit(Account::RailClearing(line.rail.clone()), line.amount)
        .credit(Account::RefundsDue(whose), line.amount);
    db::journal::book(tx, &entry, ctx.today(now), now)?;
    get(tx, id)
}

/// The state of a refund in the chosen language.
pub fn refund_text(state: RefundState) -> String {
    match state {
        RefundState::Noted => t!("to be paid"),
        RefundState::Pending => t!("the refund is on its way"),
        RefundState::Unknown => t!("outcome not known yet"),
        RefundState::Paid => t!("given back"),
        RefundState::Declined => t!("refused by the rail"),
    }
}

/// Asks the rails about every refund that is not decided. A number the rail has never heard of is sent again; the same number
/// is paid once.
///
/// # Errors
/// When the database cannot be read or written; an unreachable rail is no error.
pub fn settle_open_refunds(ctx: &Ctx, now: At) -> Result<Settled> {
    let mut settled = Settled::default();
    let mut after = RefundId::new(0);
    loop {
        let page = db::refund::open_page(ctx.db.read(), after, PAGE)?;
        let Some(last) = page.last() else { return Ok(settled) };
        after = last.id;
        for refund in page {
            if waits_for_hand(ctx, &refund) {
                continue;
            }
            let refund = ask_again(ctx, &refund, now)?;
            match refund.state {
                RefundState::Paid => settled.paid += 1,
                RefundState::Declined => {}
                RefundState::Noted | RefundState::Pending | RefundState::Unknown => {
                    settled.open += 1;
                    let known = settled.down.iter().any(|(rail, _)| *rail == refund.rail);
                    if refund.state == RefundState::Unknown && !known {
                        settled.down.push((refund.rail, refund.said));
                    }
                }
            }
        }
    }
}

/// Open refunds whose rail is not in shop.toml any more: nobody can be asked what became of them.
///
/// # Errors
/// When the database cannot be read.
pub fn stranded(ctx: &Ctx) -> Result<Vec<Refund>> {
    let mut found = Vec::new();
    let mut after = RefundId::new(0);
    loop {
        let page = db::refund::open_page(ctx.db.read(), after, PAGE)?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        found.extend(page.into_iter().filter(|it| is_stranded(ctx, it)));
    }
}

/// Somebody handed over the money of a refund that no rail can pay: one by hand, one that the rail declined, or one whose rail is gone.
///
/// # Errors
/// When a rail can still pay it or has paid it, a bill says that it went back, or it was handed over before.
pub fn pay_by_hand(ctx: &Ctx, id: RefundId, now: At) -> Result<Refund> {
    may_move_money(ctx, now)?;
    look_before_hand_over(ctx, &get(ctx.db.read(), id)?, now)?;
    ctx.db.write(now, |tx| {
        let refund = get(tx, id)?;
        refuse_gone_back(tx, &refund)?;
        let paid = match refund.state {
            RefundState::Noted | RefundState::Pending | RefundState::Unknown if is_stranded(ctx, &refund) => {
                // Should its rail come back to shop.toml one day, it must not be sent.
                let said = rail_gone(&refund);
                db::refund::answer(tx, id, RefundState::Declined, NO_RAIL, &said, None, now)?;
                hand_over_declined(ctx, tx, &refund, now)?
            }
            RefundState::Noted if waits_for_hand(ctx, &refund) => {
                answer_in(ctx, tx, &refund, &Reply { at: Some(now), ..Reply::bare(Answer::Paid) }, now)?;
                refund
            }
            RefundState::Declined => hand_over_declined(ctx, tx, &refund, now)?,
            _ => {
                return Err(Fault::refused(t!("{refund} is not waiting to be paid by hand", refund = id)).into());
            }
        };
        let paid = get(tx, paid.id)?;
        let op = Op::RefundAnswered { refund: paid.id, answer: "by_hand".into() };
        Ok((paid, op))
    })
}

/// Asks once more before money is handed over: the rail may have paid what it had refused. Then that is entered.
///
/// # Errors
/// When nothing is to be handed over.
pub(super) fn look_before_hand_over(ctx: &Ctx, refund: &Refund, now: At) -> Result<()> {
    refuse_gone_back(ctx.db.read(), refund)?;
    if refund.state != RefundState::Declined {
        return Ok(());
    }
    refuse_handed_over(ctx.db.read(), refund)?;
    let Some((rail, request)) = request(ctx, refund)? else { return Ok(()) };
    let reply = rail.query_refund(&request);
    if reply.answer != Answer::Paid {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        paid_after_all(ctx, tx, refund, &reply, now)?;
        Ok(((), Op::RefundAnswered { refund: refund.id, answer: reply.answer.word().to_owned() }))
    })?;
    Err(Fault::refused(t!(
        "{rail} has paid {refund} after all: nothing is to be handed over, and the books say so now",
        rail = refund.rail,
        refund = refund.id
    ))
    .into())
}

/// Refuses to hand over what a bill says went back, before somebody has decided about that.
fn refuse_gone_back(conn: &Conn, refund: &Refund) -> Result<()> {
    match db::recon::gone_back(conn, refund)? {
        Some(line) => Err(Fault::refused(t!(
            "a bill says that the money of {refund} went back: {line}",
            refund = refund.id,
            line = line
        ))
        .hint(t!("decide about it with `kibble recon list` first"))
        .into()),
        None => Ok(()),
    }
}

fn refuse_handed_over(conn: &Conn, refund: &Refund) -> Result<()> {
    match by_hand(conn, refund)? {
        Some(_) => Err(Fault::refused(t!("{refund} was paid by hand before", refund = refund.id)).into()),
        None => Ok(()),
    }
}

/// What to type once the money of a refund that waits for a person was handed over.
///
/// # Errors
/// When the database cannot be read.
pub fn hand_over_command(conn: &Conn, refund: &Refund) -> Result<String> {
    let statement = refund.statement.map(|id| db::statement::get(conn, id)).transpose()?.flatten();
    Ok(match statement {
        Some(statement) => format!("kibble agreement settle {}", statement.agreement),
        None => format!("kibble debit hand-over {}", refund.id),
    })
}

/// The number of the refund that stands in for one that the rail declined: unique, so it is handed over once.
pub(super) fn by_hand_no(refund: &Refund) -> String {
    format!("{}{}", refund.refund_no, db::refund::BY_HAND)
}

/// Notes a refund of a charge: its row, what has gone back of the charge, and the points it takes back.
pub(super) fn note(
    tx: &Conn,
    charge: &Charge,
    customer: CustomerId,
    statement: Option<StatementId>,
    amount: Money,
    why: &str,
    now: At,
) -> Result<Refund> {
    note_numbered(tx, charge, customer, statement, amount, why, None, now)
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the refund")]
fn note_numbered(
    tx: &Conn,
    charge: &Charge,
    customer: CustomerId,
    statement: Option<StatementId>,
    amount: Money,
    why: &str,
    number: Option<&str>,
    now: At,
) -> Result<Refund> {
    let number = number.map_or_else(|| next_no(tx, &charge.order_no), |number| Ok(number.to_owned()))?;
    let id = db::refund::note(
        tx,
        &NewRefund {
            charge: Some(charge.id),
            customer,
            statement,
            rail: &charge.rail,
            refund_no: &number,
            amount,
            why,
            line: None,
        },
        now,
    )?;
    db::charge::add_refunded(tx, charge.id, amount)?;
    // Counted on what is left of the charge, so that several part refunds take back no more than it gave.
    let left = charge.amount - charge.refunded;
    db::points::take_back(tx, customer, &id.to_string(), points_for(left) - points_for(left - amount), now)?;
    get(tx, id)
}

/// The first number that no refund of an order has.
fn next_no(conn: &Conn, order_no: &str) -> Result<String> {
    for count in 1..=MOST_NUMBERS {
        let number = refund_no(order_no, count);
        if db::refund::by_no(conn, &number)?.is_none() {
            return Ok(number);
        }
    }
    Err(no_number(order_no))
}

fn no_number(order_no: &str) -> anyhow::Error {
    Fault::refused(t!("no more refunds of {order_no} can be counted", order_no = order_no)).into()
}

/// Asks the rail to pay a noted refund, and writes the answer.
pub(super) fn send(ctx: &Ctx, refund: &Refund, now: At) -> Result<Refund> {
    if may_be_taken(ctx, refund)? {
        return send_after_adoption(ctx, refund, now);
    }
    let reply = match request(ctx, refund)? {
        Some((rail, request)) => rail.refund(&request),
        // Nobody has heard of it, and nobody will.
        None if is_stranded(ctx, refund) => {
            Reply::said(Answer::Declined(Reason::OurConfiguration), NO_RAIL, rail_gone(refund))
        }
        None => return Ok(refund.clone()),
    };
    answer(ctx, refund, &reply, now)
}

/// True when nobody but a person can pay it: cash of a settlement, what no charge of kibble's brought in, and what belongs to a rail
/// that is gone.
pub(super) fn waits_for_hand(ctx: &Ctx, refund: &Refund) -> bool {
    is_stranded(ctx, refund)
        || (refund.charge.is_none() && refund.line.is_none())
        || (refund.statement.is_some() && is_cash(ctx, &refund.rail))
}

/// True when its rail is not in shop.toml any more, so that nobody can be asked.
pub(super) fn is_stranded(ctx: &Ctx, refund: &Refund) -> bool {
    !ctx.config.rails.contains_key(&refund.rail)
}

fn rail_gone(refund: &Refund) -> String {
    t!("{rail} is not in shop.toml any more", rail = refund.rail)
}

/// A settlement whose refunds are all paid is settled, and its agreement has ended. Returns whether it is.
pub(super) fn settle_if_paid(ctx: &Ctx, tx: &Conn, statement: StatementId, now: At) -> Result<bool> {
    let refunds = db::refund::of_statement(tx, statement)?;
    let replaced = |it: &Refund| refunds.iter().any(|other| other.refund_no == by_hand_no(it));
    if refunds.iter().any(|it| it.state != RefundState::Paid && !replaced(it)) {
        return Ok(false);
    }
    let Some(row) = db::statement::get(tx, statement)? else { return Ok(false) };
    if row.state == "settled" {
        return Ok(true);
    }
    db::statement::settle(tx, statement)?;
    let agreement = agreement::get(tx, row.agreement)?;
    db::agreement::set_state(tx, agreement.id, AgreementState::Ended, None)?;
    let total: Money = refunds.iter().filter(|it| it.state == RefundState::Paid).map(|it| it.amount).sum();
    if total.is_positive() {
        let event = format!("refund_done:{statement}");
        tell_done(ctx, tx, event, agreement.customer, agreement.id, &agreement.lang, total, now)?;
    }
    Ok(true)
}

fn get(conn: &Conn, id: RefundId) -> Result<Refund> {
    db::refund::get(conn, id)?.ok_or_else(|| Fault::not_found(t!("there is no refund {refund}", refund = id)).into())
}

fn charge(conn: &Conn, id: ChargeId) -> Result<Charge> {
    db::charge::get(conn, id)?.ok_or_else(|| Fault::not_found(t!("there is no charge {charge}", charge = id)).into())
}

fn may_refund(tx: &Conn, charge: &Charge, agreement: &Agreement, amount: Money, is_made: bool) -> Result<()> {
    let (term, customer) = (charge.installment, agreement.customer);
    if charge.state != ChargeState::Paid {
        return Err(
            Fault::refused(t!("{term} was not paid by this charge, so nothing can go back", term = term)).into()
        );
    }
    // What went back already is left out of the settlement, as long as its figures are not final.
    let is_left_out = is_made && db::statement::of_agreement(tx, agreement.id)?.is_some_and(|it| it.state == "open");
    if matches!(agreement.state, AgreementState::Settling | AgreementState::Ended) && !is_left_out {
        return Err(Fault::refused(t!(
            "{agreement} was terminated; its settlement refunds what is due",
            agreement = term.agreement
        ))
        .hint(t!("see `kibble agreement show {agreement}`", agreement = term.agreement))
        .into());
    }
    let left = charge.amount - charge.refunded;
    if !amount.is_positive() || amount > left {
        return Err(Fault::refused(t!(
            "{amount} cannot go back: {left} of {term} is left",
            amount = amount.yuan(),
            left = left.yuan(),
            term = term
        ))
        .into());
    }
    let (principal, _) = db::journal::wallet(tx, customer)?;
    if amount > principal {
        return Err(Fault::refused(t!(
            "the wallet of {customer} holds {balance}, less than the {amount} to give back",
            customer = customer,
            balance = principal.yuan(),
            amount = amount.yuan()
        ))
        .hint(t!("goods that came back must be entered first with `kibble orders return`"))
        .into());
    }
    Ok(())
}

fn is_cash(ctx: &Ctx, rail: &str) -> bool {
    ctx.config.rails.get(rail).is_some_and(|it| it.adapter == AdapterKind::Cash)
}

type Question = (std::sync::Arc<dyn crate::adapters::rail::Rail>, RefundRequest);

/// Whom to ask and what; `None` where no rail can be asked.
fn request(ctx: &Ctx, refund: &Refund) -> Result<Option<Question>> {
    let Ok(rail) = ctx.rail(&refund.rail) else { return Ok(None) };
    let Some((order_no, paid)) = db::refund::order(ctx.db.read(), refund)? else { return Ok(None) };
    let request = RefundRequest { refund_no: refund.refund_no.clone(), order_no, paid, amount: refund.amount };
    Ok(Some((rail.clone(), request)))
}

/// Asks the rail about a refund, and books its answer while the refund is open here. Never sends it again.
pub(super) fn ask(ctx: &Ctx, refund: &Refund, now: At) -> Result<Answer> {
    let Some((rail, request)) = request(ctx, refund)? else { return Ok(Answer::Unknown) };
    let reply = rail.query_refund(&request);
    let is_open = matches!(refund.state, RefundState::Noted | RefundState::Pending | RefundState::Unknown);
    if is_open && reply.answer == Answer::Paid {
        answer(ctx, refund, &reply, now)?;
    }
    Ok(reply.answer)
}

/// True for a refund that no rail has heard of from this database, of money that came before the last adoption: the state that was lost
/// may have given some of it back, under the very number.
fn may_be_taken(ctx: &Ctx, refund: &Refund) -> Result<bool> {
    let conn = ctx.db.read();
    // A first copy was never adopted; the walk along the trail is for the others.
    if refund.asked_at.is_some() || db::shop::identity(conn)?.copy_no == 1 {
        return Ok(false);
    }
    let Some(adopted_at) = db::audit::last_adoption(conn)? else { return Ok(false) };
    let came_at = match (refund.charge, refund.line) {
        (Some(id), _) => charge(conn, id)?.paid_at,
        (None, Some(id)) => db::bill::line(conn, id)?.map(|line| line.at),
        (None, None) => None,
    };
    Ok(came_at.is_some_and(|at| at <= adopted_at))
}

/// Sends a refund whose number the lost state may have used. The rail is asked first: what it gave back under the number in this very
/// amount is this refund; another amount is another one, which a bill will tell of, and this one takes the next number. It does so on
/// disk before the rail hears of that. While the rail cannot say, the refund waits as it was noted.
fn send_after_adoption(ctx: &Ctx, refund: &Refund, now: At) -> Result<Refund> {
    let mut refund = refund.clone();
    loop {
        let Some((rail, request)) = request(ctx, &refund)? else { return Ok(refund) };
        let reply = rail.query_refund(&request);
        if reply.taken_for.is_none() {
            return match reply.answer {
                Answer::Unknown => Ok(refund),
                Answer::NotFound => answer(ctx, &refund, &rail.refund(&request), now),
                _ => answer(ctx, &refund, &reply, now),
            };
        }
        refund = renumber(ctx, &refund, &request.order_no, now)?;
    }
}

/// Gives a refund the next number that no refund of its order has. Numbers only go up, so that none is asked about twice.
fn renumber(ctx: &Ctx, refund: &Refund, order_no: &str, now: At) -> Result<Refund> {
    ctx.db.write(now, |tx| {
        let later = (1..=MOST_NUMBERS).map(|count| refund_no(order_no, count)).filter(|no| *no > refund.refund_no);
        for number in later {
            if db::refund::by_no(tx, &number)?.is_some() {
                continue;
            }
            if !db::refund::renumber(tx, refund.id, &number)? {
                return Err(Fault::refused(t!(
                    "something else happened to {installment} at this moment",
                    installment = refund.id
                ))
                .into());
            }
            let op = Op::RefundAnswered { refund: refund.id, answer: "number_taken".to_owned() };
            return Ok((get(tx, refund.id)?, op));
        }
        Err(no_number(order_no))
    })
}

fn ask_again(ctx: &Ctx, refund: &Refund, now: At) -> Result<Refund> {
    if may_be_taken(ctx, refund)? {
        return send_after_adoption(ctx, refund, now);
    }
    let Some((rail, request)) = request(ctx, refund)? else { return Ok(refund.clone()) };
    let reply = match rail.query_refund(&request) {
        Reply { answer: Answer::NotFound, .. } => rail.refund(&request),
        reply => reply,
    };
    answer(ctx, refund, &reply, now)
}

/// Asks the rail what became of a refund and writes what is decided. Nothing is sent.
pub(super) fn look(ctx: &Ctx, refund: &Refund, now: At) -> Result<Refund> {
    let Some((rail, request)) = request(ctx, refund)? else { return Ok(refund.clone()) };
    let reply = rail.query_refund(&request);
    match reply.answer {
        Answer::Paid | Answer::Declined(_) => answer(ctx, refund, &reply, now),
        Answer::Pending(_) | Answer::Unknown | Answer::NotFound => Ok(refund.clone()),
    }
}

fn answer(ctx: &Ctx, refund: &Refund, reply: &Reply, now: At) -> Result<Refund> {
    // What stands as it stood is not written again, so that an hourly run leaves no trail of nothing.
    if state_of(reply.answer) == refund.state && refund.asked_at.is_some() {
        return Ok(refund.clone());
    }
    ctx.db.write(now, |tx| {
        answer_in(ctx, tx, refund, reply, now)?;
        let op = Op::RefundAnswered { refund: refund.id, answer: reply.answer.word().to_owned() };
        Ok((get(tx, refund.id)?, op))
    })
}

const fn state_of(answer: Answer) -> RefundState {
    match answer {
        Answer::Paid => RefundState::Paid,
        Answer::Declined(_) => RefundState::Declined,
        Answer::Pending(_) => RefundState::Pending,
        Answer::Unknown => RefundState::Unknown,
        Answer::NotFound => RefundState::Noted,
    }
}

/// Writes what is known of a refund, and books it when the money went back, inside the transaction `tx`.
pub(super) fn answer_in(ctx: &Ctx, tx: &Conn, refund: &Refund, reply: &Reply, now: At) -> Result<()> {
    let state = state_of(reply.answer);
    let paid_at = (state == RefundState::Paid).then(|| reply.at.unwrap_or(now));
    let changed = db::refund::answer(tx, refund.id, state, &reply.code, &reply.text, paid_at, now)?;
    if !changed || state != RefundState::Paid {
        return Ok(());
    }
    book_paid(ctx, tx, refund, paid_at.unwrap_or(now), now)?;
    let of = match refund.charge {
        Some(id) => Some(mark_refunded(tx, id)?),
        None => None,
    };
    match (refund.statement, of) {
        (Some(statement), _) => settle_if_paid(ctx, tx, statement, now).map(|_| ()),
        (None, Some(id)) => {
            let lang = agreement::get(tx, id)?.lang;
            let event = format!("refund_done:{}", refund.id);
            tell_done(ctx, tx, event, refund.customer, id, &lang, refund.amount, now)
        }
        (None, None) => Ok(()),
    }
}

/// Marks the term of a charge whose money went back wholly, by its rail or by hand. Gives its agreement.
fn mark_refunded(tx: &Conn, id: ChargeId) -> Result<AgreementId> {
    let charge = charge(tx, id)?;
    let mut all_paid = charge.refunded == charge.amount;
    for refund in db::refund::of_charge(tx, id)? {
        all_paid &= refund.state == RefundState::Paid || by_hand(tx, &refund)?.is_some();
    }
    if all_paid {
        db::installment::set_state(tx, charge.installment, InstallmentState::Refunded)?;
    }
    Ok(charge.installment.agreement)
}

/// The row that says who paid a refund in place of its rail.
pub(super) fn by_hand(conn: &Conn, refund: &Refund) -> Result<Option<Refund>> {
    db::refund::by_no(conn, &by_hand_no(refund))
}

fn book_paid(ctx: &Ctx, tx: &Conn, refund: &Refund, paid_at: At, now: At) -> Result<()> {
    let from = if is_cash(ctx, &refund.rail) { Account::Cash } else { Account::RailClearing(refund.rail.clone()) };
    let entry = Entry::new(EntryKind::RefundPaid, refund.id)
        .of(refund.customer)
        .noted(refund.refund_no.clone())
        .debit(Account::RefundsDue(refund.customer), refund.amount)
        .credit(from, refund.amount);
    db::journal::book(tx, &entry, ctx.today(paid_at), now)?;
    Ok(())
}

/// The declined refund stays as it is; a second row, whose number can exist once, says who paid it instead.
fn hand_over_declined(ctx: &Ctx, tx: &Conn, refund: &Refund, now: At) -> Result<Refund> {
    refuse_handed_over(tx, refund)?;
    let id = db::refund::note(
        tx,
        &NewRefund {
            charge: None,
            customer: refund.customer,
            statement: refund.statement,
            rail: "cash",
            refund_no: &by_hand_no(refund),
            amount: refund.amount,
            why: &refund.why,
            line: None,
        },
        now,
    )?;
    let by_hand = get(tx, id)?;
    answer_in(ctx, tx, &by_hand, &Reply { at: Some(now), ..Reply::bare(Answer::Paid) }, now)?;
    if let Some(charge) = refund.charge {
        let of = mark_refunded(tx, charge)?;
        if refund.statement.is_none() {
            let lang = agreement::get(tx, of)?.lang;
            let event = format!("refund_done:{}", refund.id);
            tell_done(ctx, tx, event, refund.customer, of, &lang, refund.amount, now)?;
        }
    }
    Ok(by_hand)
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the letter")]
fn tell_done(
    ctx: &Ctx,
    tx: &Conn,
    event: String,
    customer: CustomerId,
    agreement: AgreementId,
    lang: &str,
    amount: Money,
    now: At,
) -> Result<()> {
    let letter = Letter {
        event,
        template: "refund_done",
        audience: Audience::Customer,
        customer: Some(customer),
        agreement: Some(agreement),
        term: None,
        lang: lang.to_owned(),
        params: params(ctx, agreement, &[("refund", amount.to_string())]),
    };
    tell(ctx, tx, letter, now)?;
    Ok(())
}
