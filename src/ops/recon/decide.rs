//! Carrying out one decision about a difference. Money moves only through the doors that everything else uses: a paid charge through
//! the debit run's book, money back through the refunds. Everything else is an entry of its own that names what it is about.

use anyhow::Result;
use serde::Serialize;

use super::import::{BY_BILL, by_bill};
use super::list::Difference;
use crate::db::bill::Line;
use crate::db::recon::Decided;
use crate::db::refund::Refund;
use crate::db::{self, Conn};
use crate::domain::bill::LineKind;
use crate::domain::charge::ChargeState;
use crate::domain::date::At;
use crate::domain::id::{ChargeId, EntryId, LineId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::rail::Answer;
use crate::domain::recon::{Class, Decision, Ours, Subject};
use crate::domain::refund::RefundState;
use crate::fault::Fault;
use crate::ops::debit::book::{Asked, Effect, apply};
use crate::ops::debit::pay::close_other_link;
use crate::ops::{Ctx, refund};
use crate::t;

/// Why money goes back, in the refund's own record.
const WHY: &str = "recon";
/// Code on a charge whose money came once too often and goes back.
const GIVEN_BACK: &str = "GIVEN_BACK";
/// Code on a charge whose money was booked elsewhere by a decision.
const BOOKED: &str = "BOOKED";

/// What a decision did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// It is done, and the difference is explained.
    Done,
    /// It stays as it is.
    Left,
    /// The rail was asked; the difference stays until its answer or a person explains it.
    Asked,
    /// It was decided so before; nothing was done again.
    Before,
}

/// Carries out a decision. Returns what it did, in a word and in a sentence.
///
/// # Errors
/// When it does not fit the difference, or a rule of money forbids it; nothing is changed then.
pub fn decide(
    ctx: &Ctx,
    it: &Difference,
    decision: Decision,
    account: Option<&Account>,
    now: At,
) -> Result<(Did, String)> {
    if !it.case.may(decision) {
        return Err(unfit(it, decision).into());
    }
    match decision {
        Decision::Wait => Ok((Did::Left, t!("left as it is"))),
        Decision::Ask => ask(ctx, it, now),
        Decision::Accept => accept(ctx, it, now),
        Decision::Refund => give_back(ctx, it, now),
        Decision::BookAs => match account {
            Some(account) => book_as(ctx, it, account, now),
            None => Err(Fault::refused(t!("book-as needs an account")).hint(accounts_hint()).into()),
        },
    }
}

/// Which accounts a person may name.
pub fn accounts_hint() -> String {
    t!(
        "accounts: bank, cash, fees, goodwill, compensation, interest, cost, suppliers, advances, opening, sales:CATEGORY"
    )
}

fn unfit(it: &Difference, decision: Decision) -> Fault {
    match (decision, it.class) {
        (Decision::Refund, Class::MissingHere) if it.kind == LineKind::Payment => Fault::refused(t!(
            "the order number {order_no} is not kibble's, so nobody knows whose money it is",
            order_no = it.order_no
        ))
        .hint(t!("give it back in the provider's own console, or book it with book-as")),
        (Decision::Refund, Class::Duplicate) if it.kind == LineKind::Payment => Fault::refused(t!(
            "one order number stands twice in their bill; a refund could only name the order that is rightly paid"
        ))
        .hint(t!("let the provider give it back, or book it with book-as")),
        (Decision::Accept, Class::MissingThere) => {
            Fault::refused(t!("what is paid is not unpaid because a bill is silent"))
                .hint(t!("ask the rail, or book the amount with book-as"))
        }
        (Decision::Ask, _) => Fault::refused(t!("there is no number of ours to ask the rail about")),
        _ => Fault::refused(t!("that decision does not fit this difference"))
            .hint(t!("see what is proposed with `kibble recon show {id}`", id = it.id)),
    }
}

/// What stays on the rail's account because the books and the bill differ; positive is too much in our books.
fn residue(it: &Difference) -> Money {
    let theirs = it.theirs.unwrap_or_default();
    match (it.class, it.case.ours) {
        (Class::MissingThere, _) => it.ours.unwrap_or_default(),
        (Class::Amount | Class::Status, Ours::Refund { state: RefundState::Declined, .. }) => -theirs,
        (Class::Amount, Ours::Charge { state: ChargeState::Paid, .. } | Ours::Refund { .. })
        | (Class::Status, Ours::Refund { state: RefundState::Paid, .. }) => it.ours.unwrap_or_default() - theirs,
        (Class::Fee, _) => Money::ZERO,
        _ => -theirs,
    }
}

fn accept(ctx: &Ctx, it: &Difference, now: At) -> Result<(Did, String)> {
    match (it.class, it.id, it.case.ours) {
        (Class::Status, Subject::Line(line), Ours::Charge { .. }) => accept_paid(ctx, it, line, now),
        (Class::MissingHere, Subject::Line(line), _) => accept_refund(ctx, it, line, now),
        (Class::Status, Subject::Line(line), Ours::Refund { state: RefundState::Declined, .. }) => {
            accept_refused(ctx, it, line, now)
        }
        (Class::Amount, Subject::Line(line), _) if it.case.is_open_refund() => accept_billed(ctx, it, line, now),
        (Class::Amount, ..) => {
            let residue = residue(it);
            let entry = entry(it, residue, &Account::Goodwill);
            keep(ctx, it, Decision::Accept, "", residue, entry, now)?;
            Ok((Did::Done, t!("the difference of {amount} is booked as goodwill", amount = unsigned(residue))))
        }
        _ => {
            keep(ctx, it, Decision::Accept, "", Money::ZERO, None, now)?;
            Ok((Did::Done, t!("accepted; the books have it as billed")))
        }
    }
}

/// They say paid, we said not: the charge is opened again and paid through the debit run's own door.
fn accept_paid(ctx: &Ctx, it: &Difference, line: LineId, now: At) -> Result<(Did, String)> {
    // The link that the customer was sent meanwhile would be a second payment.
    let link = it.installment.map(|id| close_other_link(ctx, id)).transpose()?.flatten();
    ctx.db.write(now, |tx| {
        if let Some(link) = link {
            db::charge::void(tx, link, "CLOSED", now)?;
        }
        let line = line_of(tx, line)?;
        let charge = line.charge.map(|id| db::charge::get(tx, id)).transpose()?.flatten();
        let charge = charge.ok_or_else(|| Fault::refused(t!("its charge is gone")))?;
        let id = charge.installment;
        // The wallet is credited with what was asked for, so nothing else may have come.
        if line.amount != charge.amount {
            return Err(Fault::refused(t!(
                "the bill speaks of {theirs}, the order of {ours}",
                theirs = line.amount.yuan(),
                ours = charge.amount.yuan()
            ))
            .hint(t!("see what is proposed with `kibble recon show {id}`", id = it.id))
            .into());
        }
        let Some(asked) = Asked::about(tx, None, &charge)? else {
            return Err(Fault::not_found(t!("there is no installment {installment}", installment = id)).into());
        };
        if asked.row.open.is_some() {
            return Err(Fault::refused(t!("another attempt of {installment} is open", installment = id))
                .hint(t!("run `kibble debit run` first; it asks the rail"))
                .into());
        }
        db::charge::reopen(tx, charge.id, BY_BILL)?;
        let effect = apply(ctx, tx, &asked, &by_bill(&line, now), None, now)?;
        if effect != Effect::Paid {
            // Another attempt was paid since the difference was looked at: this money came once too often, and is no payment of it.
            return Err(Fault::refused(t!(
                "{installment} was collected by another attempt meanwhile",
                installment = id
            ))
            .hint(t!("look again with `kibble recon list`"))
            .into());
        }
        record(tx, it, Decision::Accept, "", charge.amount, None, now)?;
        let op = Op::ChargesWritten { noted: Vec::new(), answers: vec![(charge.id, effect.word())] };
        Ok(((), op))
    })?;
    Ok((Did::Done, t!("paid, as their bill says; the wallet is credited")))
}

/// A refund that was made in the provider's own console: it leaves the wallet like any other, or pays the one that the rail had refused.
fn accept_refund(ctx: &Ctx, it: &Difference, line: LineId, now: At) -> Result<(Did, String)> {
    ctx.db.write(now, |tx| {
        let line = line_of(tx, line)?;
        if let Some(refused) = refund::refused_before(tx, &line)? {
            return pay_refused(ctx, tx, it, &line, &refused, now);
        }
        let charge = line.charge.map(|id| db::charge::get(tx, id)).transpose()?.flatten();
        let charge = charge.filter(|charge| charge.state == ChargeState::Paid).ok_or_else(|| {
            Fault::refused(t!("no paid charge of ours has order number {order_no}", order_no = it.order_no))
                .hint(t!("book it with book-as"))
        })?;
        let refund = refund::made_elsewhere(ctx, tx, charge.id, &line, WHY, now)?;
        db::recon::set_refund(tx, line.id, refund.id)?;
        record(tx, it, Decision::Accept, "", refund.amount, None, now)?;
        let op = Op::RefundNoted { refund: refund.id, amount: refund.amount, why: WHY.to_owned() };
        Ok(((Did::Done, t!("taken over as {refund}; the wallet is debited", refund = refund.id)), op))
    })
}

/// They gave back another amount than a refund asked for that is open here.
fn accept_billed(ctx: &Ctx, it: &Difference, line: LineId, now: At) -> Result<(Did, String)> {
    ctx.db.write(now, |tx| {
        let line = line_of(tx, line)?;
        let refund = open_refund(tx, it, &line)?;
        let entry = refund::paid_as_billed(ctx, tx, &refund, &line, now)?;
        record(tx, it, Decision::Accept, "", -line.amount, entry, now)?;
        let (amount, op) = (unsigned(line.amount), decided(it, Decision::Accept, "", -line.amount));
        Ok((
            (Did::Done, t!("{amount} of {refund} went back, as their bill says", amount = amount, refund = refund.id)),
            op,
        ))
    })
}

/// The refund of a line, as long as nobody has decided about it.
fn open_refund(tx: &Conn, it: &Difference, line: &Line) -> Result<Refund> {
    let refund = line.refund.map(|id| db::refund::get(tx, id)).transpose()?.flatten();
    let refund = refund.filter(|it| !matches!(it.state, RefundState::Paid | RefundState::Declined));
    refund.ok_or_else(|| {
        Fault::refused(t!("{id} does not differ any more", id = it.id))
            .hint(t!("look again with `kibble recon list`"))
            .into()
    })
}

/// They say that a refund went back which the rail had refused: it is paid from the line as from an answer of the rail.
fn accept_refused(ctx: &Ctx, it: &Difference, line: LineId, now: At) -> Result<(Did, String)> {
    ctx.db.write(now, |tx| {
        let line = line_of(tx, line)?;
        let refund = line.refund.map(|id| db::refund::get(tx, id)).transpose()?.flatten();
        let refund = refund.ok_or_else(|| Fault::not_found(t!("there is no record {id}", id = it.id)))?;
        pay_refused(ctx, tx, it, &line, &refund, now)
    })
}

fn pay_refused(
    ctx: &Ctx,
    tx: &Conn,
    it: &Difference,
    line: &Line,
    refund: &Refund,
    now: At,
) -> Result<((Did, String), Op)> {
    let reply = by_bill(line, now);
    refund::paid_after_all(ctx, tx, refund, &reply, now)?;
    db::recon::set_refund(tx, line.id, refund.id)?;
    record(tx, it, Decision::Accept, "", refund.amount, None, now)?;
    let told = t!("{refund} went back, as their bill says", refund = refund.id);
    Ok(((Did::Done, told), Op::RefundAnswered { refund: refund.id, answer: reply.answer.word().to_owned() }))
}

/// Money that came without being asked for, or once too often, goes back.
fn give_back(ctx: &Ctx, it: &Difference, now: At) -> Result<(Did, String)> {
    let (Subject::Line(line), Some(whose)) = (it.id, it.customer) else {
        return Err(unfit(it, Decision::Refund).into());
    };
    let noted = ctx.db.write(now, |tx| {
        let line = line_of(tx, line)?;
        // A charge on another rail means that the bill was taken over for the wrong one; that money is not given back.
        let elsewhere = line.charge.is_none() && db::charge::by_order_no(tx, &line.order_no)?.is_some();
        if !line.amount.is_positive() || elsewhere {
            return Err(unfit(it, Decision::Refund).into());
        }
        if let Some(charge) = line.charge.map(|id| db::charge::get(tx, id)).transpose()?.flatten() {
            if charge.state == ChargeState::Paid {
                return Err(Fault::refused(t!(
                    "{installment} was collected meanwhile",
                    installment = charge.installment
                ))
                .hint(t!("look again with `kibble recon list`"))
                .into());
            }
            // From here on its money belongs to the refund: whoever asked about the charge would credit it a second time.
            db::charge::void(tx, charge.id, GIVEN_BACK, now)?;
        }
        let refund = refund::note_stray(ctx, tx, &line, whose, WHY, now)?;
        record(tx, it, Decision::Refund, "", refund.amount, None, now)?;
        let op = Op::RefundNoted { refund: refund.id, amount: refund.amount, why: WHY.to_owned() };
        Ok((refund, op))
    })?;
    let sent = refund::send(ctx, &noted, now)?;
    let amount = sent.amount.yuan();
    let told = match sent.state {
        RefundState::Paid => t!("{amount} went back as {refund}", amount = amount, refund = sent.id),
        RefundState::Declined => t!("the rail refuses {refund}: {said}", refund = sent.id, said = sent.said),
        _ => {
            t!("{amount} goes back as {refund}; the next run asks what became of it", amount = amount, refund = sent.id)
        }
    };
    Ok((Did::Done, told))
}

/// An amount as the owner reads it: which side of the journal it stands on says nothing to them.
fn unsigned(amount: Money) -> String {
    if amount < Money::ZERO { (-amount).yuan() } else { amount.yuan() }
}

fn book_as(ctx: &Ctx, it: &Difference, account: &Account, now: At) -> Result<(Did, String)> {
    let code = account.code();
    let (amount, entry) = match it.class {
        // The fee stands in the books as billed; what is more than agreed is moved to where it belongs.
        Class::Fee => {
            let more = it.fee.unwrap_or_default() - it.fee_expected.unwrap_or_default();
            let entry = Entry::new(EntryKind::Recon, it.id).debit(account.clone(), more).credit(Account::Fees, more);
            (more, Some(noted(entry, it)))
        }
        _ => (residue(it), entry(it, residue(it), account)),
    };
    keep(ctx, it, Decision::BookAs, &code, amount, entry.filter(|entry| !entry.postings.is_empty()), now)?;
    Ok((Did::Done, t!("{amount} is booked on {account}", amount = unsigned(amount), account = code)))
}

fn entry(it: &Difference, residue: Money, account: &Account) -> Option<Entry> {
    let entry = Entry::new(EntryKind::Recon, it.id)
        .debit(account.clone(), residue)
        .credit(Account::RailClearing(it.rail.clone()), residue);
    (!entry.postings.is_empty()).then(|| noted(entry, it))
}

fn noted(entry: Entry, it: &Difference) -> Entry {
    let entry = entry.noted(format!("{} {}", it.class.word(), it.order_no));
    match it.customer {
        Some(customer) => entry.of(customer),
        None => entry,
    }
}

/// Books the entry, if any, and keeps the decision.
fn keep(
    ctx: &Ctx,
    it: &Difference,
    decision: Decision,
    account: &str,
    amount: Money,
    entry: Option<Entry>,
    now: At,
) -> Result<()> {
    ctx.db.write(now, |tx| {
        let booked = entry.as_ref().map(|entry| db::journal::book(tx, entry, ctx.today(now), now)).transpose()?;
        record(tx, it, decision, account, amount, booked, now)?;
        if let (Subject::Line(line), Class::Duplicate | Class::Status) = (it.id, it.class)
            && let Some(charge) = line_of(tx, line)?.charge
        {
            // Its money stands elsewhere in the books now; an open charge would be asked about for ever.
            db::charge::void(tx, charge, BOOKED, now)?;
        }
        if let Subject::Line(line) = it.id
            && it.class == Class::Amount
            && it.case.is_open_refund()
        {
            // The refund went back with the line; what is booked here is only the difference.
            let line = line_of(tx, line)?;
            refund::answer_in(ctx, tx, &open_refund(tx, it, &line)?, &by_bill(&line, now), now)?;
        }
        Ok(((), decided(it, decision, account, amount)))
    })
}

fn decided(it: &Difference, decision: Decision, account: &str, amount: Money) -> Op {
    Op::ReconDecided {
        subject: it.id.to_string(),
        class: it.class.word(),
        decision: decision.word(),
        account: account.to_owned(),
        amount,
    }
}

fn record(
    tx: &Conn,
    it: &Difference,
    decision: Decision,
    account: &str,
    amount: Money,
    entry: Option<EntryId>,
    now: At,
) -> Result<()> {
    let (class, account) = (it.class, account.to_owned());
    db::recon::decide(tx, &Decided { subject: it.id.to_string(), class, decision, account, amount, entry, at: now })?;
    if let Subject::Line(line) = it.id {
        db::recon::set_decided(tx, line)?;
    }
    Ok(())
}

fn line_of(tx: &Conn, id: LineId) -> Result<Line> {
    db::bill::line(tx, id)?.ok_or_else(|| Fault::not_found(t!("there is no record {id}", id = id)).into())
}

/// Asks the rail, and books its answer where something is open here.
fn ask(ctx: &Ctx, it: &Difference, now: At) -> Result<(Did, String)> {
    let rail = ctx.rail(&it.rail)?;
    let told = match (it.kind, refund_of(ctx, it)?, charge_of(ctx, it)?) {
        (LineKind::Refund, Some(found), _) => refund::ask(ctx, &found, now)?,
        (LineKind::Refund, None, _) => return Err(unfit(it, Decision::Ask).into()),
        (_, _, Some(id)) => ask_charge(ctx, id, now)?,
        // A number that this shop made, and of which it knows nothing more.
        _ => rail.query_charge(&it.order_no, it.theirs.unwrap_or_default()).answer,
    };
    let rail = it.rail.clone();
    let text = match told {
        Answer::Paid => t!("{rail} says: paid", rail = rail),
        Answer::Declined(_) => t!("{rail} says: not paid", rail = rail),
        Answer::Pending(_) => t!("{rail} says: under way", rail = rail),
        Answer::NotFound => t!("{rail} does not know the number", rail = rail),
        Answer::Unknown => t!("{rail} cannot say now", rail = rail),
    };
    Ok((Did::Asked, text))
}

fn ask_charge(ctx: &Ctx, id: ChargeId, now: At) -> Result<Answer> {
    let charge = db::charge::get(ctx.db.read(), id)?
        .ok_or_else(|| Fault::not_found(t!("there is no charge {charge}", charge = id)))?;
    let reply = ctx.rail(&charge.rail)?.query_charge(&charge.order_no, charge.amount);
    let is_open = matches!(charge.state, ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown);
    // What the debit run would do with it, it does at its next hour; only money that came is booked at once.
    if is_open && reply.answer == Answer::Paid {
        ctx.db.write(now, |tx| {
            let Some(asked) = Asked::about(tx, None, &charge)? else {
                return Ok(((), Op::ChargesWritten { noted: Vec::new(), answers: Vec::new() }));
            };
            let effect = apply(ctx, tx, &asked, &reply, None, now)?;
            Ok(((), Op::ChargesWritten { noted: Vec::new(), answers: vec![(id, effect.word())] }))
        })?;
    }
    Ok(reply.answer)
}

fn charge_of(ctx: &Ctx, it: &Difference) -> Result<Option<ChargeId>> {
    Ok(match it.id {
        Subject::Charge(id) => Some(id),
        Subject::Line(id) => db::bill::line(ctx.db.read(), id)?.and_then(|line| line.charge),
        Subject::Refund(_) => None,
    })
}

fn refund_of(ctx: &Ctx, it: &Difference) -> Result<Option<Refund>> {
    let conn = ctx.db.read();
    let id = match it.id {
        Subject::Refund(id) => Some(id),
        Subject::Line(id) => db::bill::line(conn, id)?.and_then(|line| line.refund),
        Subject::Charge(_) => None,
    };
    Ok(id.map(|id| db::refund::get(conn, id)).transpose()?.flatten())
}
