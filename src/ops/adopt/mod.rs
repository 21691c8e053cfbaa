//! Makes a restored or copied database the shop's own. The state that was lost may have charged what looks open here, so the
//! rails are asked about every order number that it could have used before anything is charged again. What no rail knows of, cash above
//! all, is taken from the replaced database, where that can be read.

mod replaced;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use serde::Serialize;

use crate::adapters::rail::{Capability, Closed, Rail, Trouble};
use crate::db;
use crate::db::audit::AuditRow;
use crate::db::charge::{NewCharge, Outcome};
use crate::db::installment::NewInstallment;
use crate::domain::agreement::{Agreement, AgreementState};
use crate::domain::charge::{
    Charge, ChargeKind, ChargeState, Copies, CopyMade, Course, InstallmentState, order_no, reach,
};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, InstallmentId, MandateId};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::rail::{Answer, Reason, Reply};
use crate::fault::Fault;
use crate::ops::debit::book::{Asked, apply};
use crate::ops::init::code_of;
use crate::ops::sign::mandate_rails;
use crate::ops::{Ctx, Event, agreement, witness};
use crate::t;

pub use replaced::{Replaced, look};

/// Numbers in a row that no rail knows, after which a lost state is believed to have made no more attempts at an installment: a debit
/// that was never sent or refused at the door leaves none there, nor does a pay link that nobody opened.
const LOST_ATTEMPTS: u32 = 6;

/// What adopting found.
#[derive(Clone, Debug, Serialize)]
pub struct Adopted {
    /// This database's copy number from now on.
    pub copy_no: i64,
    /// The code in every number that it makes from now on. No other copy has it.
    pub code: String,
    /// How many order numbers the rails were asked about.
    pub asked: u64,
    /// Charges that this database did not know. Those of a rail are unknown until the next debit run settles them; those at the counter
    /// are booked.
    pub found: Vec<Found>,
    /// Messages that waited here, and that the lost state may have told. They are looked up before they are told.
    pub messages: u64,
    /// What was done by hand in the replaced database and is missing here, oldest first: it must be entered again.
    pub by_hand: Vec<AuditRow>,
    /// From when on nobody can tell what was done by hand, where no replaced database could be read.
    pub unseen_since: Option<At>,
}

/// A charge of the lost state.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its new record here.
    pub charge: ChargeId,
    /// Which term.
    pub installment: InstallmentId,
    /// On which rail; `cash` for a payment at the counter.
    pub rail: String,
    /// Its order number.
    pub order_no: String,
    /// How much.
    pub amount: Money,
    /// `paid` or `pending`: what the rail says, or the replaced database.
    pub answer: &'static str,
}

impl Found {
    fn of(charge: ChargeId, new: &NewCharge<'_>, answer: Answer) -> Found {
        Found {
            charge,
            installment: new.installment,
            rail: new.rail.to_owned(),
            order_no: new.order_no.to_owned(),
            amount: new.amount,
            answer: answer.word(),
        }
    }
}

/// A term that the lost state may have charged.
struct Doubt {
    id: InstallmentId,
    amount: Money,
    attempts: u32,
    /// A debit while the automatic tries go on, else a link.
    kind: ChargeKind,
    /// A charge of it that is open here. When the lost state went on to another one, this one is over.
    open: Option<Charge>,
    /// The term itself, when it does not exist here.
    missing: Option<NewInstallment>,
    mandates: Mandates,
}

/// A charge to be written.
struct Lost {
    doubt: usize,
    rail: String,
    mandate: Option<MandateId>,
    attempt: u32,
    order_no: String,
    reply: Reply,
    /// What the rail says of the charge that is open here.
    open: Option<Reply>,
}

/// A payment at the counter of the lost state, to be booked.
struct Taken {
    charge: Charge,
    /// The charge of its term that is open here, and what the rail says of it.
    open: Option<(Charge, Reply)>,
    /// Terms up to its own that do not exist here.
    missing: Vec<NewInstallment>,
}

/// Adopts the database, with what the `replaced` ones tell. `code` is the one that its numbers carry from now on; drawn by chance when `None`, so that two copies that know
/// nothing of each other, each adopted on a computer of its own, never make the same number.
///
/// # Errors
/// When a rail cannot say now what became of an order number; nothing is changed then.
pub fn adopt(ctx: &Ctx, replaced: Replaced, code: Option<&str>, now: At) -> Result<Adopted> {
    let code = code_of(code)?;
    let identity = db::shop::identity(ctx.db.read())?;
    let known = db::shop::copies(ctx.db.read())?;
    if known.contains_key(&code) {
        return Err(Fault::refused(t!("another copy of this database has the code {code}", code = code))
            .hint(t!("leave --code out; a new one is drawn"))
            .into());
    }
    // Copies that were used here after the state that this database knows: their numbers are asked about too.
    let Replaced { cash, mut by_hand, copies, unseen_since } = replaced;
    let mut lost = copies;
    lost.extend(witness::seen_copies(ctx, &identity.install_code));
    lost.retain(|code, _| !known.contains_key(code));
    let lines = lines(&identity.code, &known, &lost);
    let doubts = doubts(ctx, ctx.today(now))?;
    // The lost state may have gone over to a rail on which this one knows no mandate of the customer's.
    let mut rails: BTreeSet<String> = mandate_rails(ctx).into_iter().collect();
    rails.extend(doubts.iter().flat_map(|it| it.mandates.keys().cloned()));
    let total = u64::try_from(doubts.len() * rails.len() * lines.len()).unwrap_or_default() * u64::from(LOST_ATTEMPTS);
    ctx.say(Event::Begin { label: t!("asking the payment rails"), total });
    let asked = ask(ctx, &doubts, &rails, &lines);
    ctx.say(Event::End);
    let (charged, mut unsure, asked) = asked?;
    let told = |id: &InstallmentId| charged.iter().any(|it| doubts[it.doubt].id == *id);
    let cash = cash.into_iter().filter(|(id, _)| !told(id)).map(|(_, charge)| charge);
    let taken = at_counter(ctx, cash, &mut unsure)?;
    if let Some(first) = unsure.first() {
        return Err(Fault::refused(t!(
            "the payment rails cannot say now what became of {count} order numbers, the first is {order_no}; nothing was changed",
            count = unsure.len(),
            order_no = first
        ))
        .hint(t!("run `kibble adopt` again when they answer"))
        .into());
    }
    let (copy_no, found, messages) = ctx.db.write(now, |tx| {
        let mut found = Vec::new();
        for it in &charged {
            found.push(note(tx, &doubts[it.doubt], it, now)?);
        }
        for it in &taken {
            found.push(book(ctx, tx, it, now)?);
        }
        let copy_no = db::shop::adopt(tx, &code, &lost)?;
        let messages = db::message::doubt_queued(tx, &t!("it waited when this database was restored or copied"))?;
        let op = Op::ShopAdopted {
            copy_no,
            code: code.clone(),
            found: found.iter().map(|it| it.charge).collect(),
            messages,
        };
        Ok(((copy_no, found, messages), op))
    })?;
    witness::remember(ctx)?;
    let is_taken = |row: &AuditRow| taken.iter().any(|it| it.charge.installment.to_string() == row.entity);
    by_hand.retain(|row| row.op != "paid_at_counter" || !is_taken(row));
    Ok(Adopted { copy_no, code, asked, found, messages, by_hand, unseen_since })
}

/// Every open term that was due, and the terms that the lost state may have created since.
fn doubts(ctx: &Ctx, today: NaiveDate) -> Result<Vec<Doubt>> {
    let conn = ctx.db.read();
    let mandates = mandates(conn)?;
    let mut charges = open_charges(conn)?;
    let mut open: BTreeMap<AgreementId, Vec<Doubt>> = BTreeMap::new();
    for (term, attempts) in db::installment::open_due(conn, today)? {
        let over = matches!(term.course, Course::Failed | Course::Missed);
        let mandates = mandates.get(&term.id.agreement).cloned().unwrap_or_default();
        open.entry(term.id.agreement).or_default().push(Doubt {
            id: term.id,
            amount: term.amount,
            attempts,
            kind: if over { ChargeKind::Link } else { ChargeKind::Debit },
            open: charges.remove(&term.id),
            missing: None,
            mandates,
        });
    }
    let last = db::installment::last_terms(conn)?;
    db::agreement::each(conn, None, None, |agreement| {
        let known = last.get(&agreement.id).copied().unwrap_or(agreement.paid_before);
        let mandates = mandates.get(&agreement.id).cloned().unwrap_or_default();
        let missing = missing(ctx, &agreement, known, today, &mandates);
        open.entry(agreement.id).or_default().extend(missing);
        Ok(())
    })?;
    Ok(open.into_values().flatten().collect())
}

/// The newest mandate of an agreement on each rail.
type Mandates = BTreeMap<String, MandateId>;

fn mandates(conn: &db::Conn) -> Result<BTreeMap<AgreementId, Mandates>> {
    let mut found: BTreeMap<AgreementId, Mandates> = BTreeMap::new();
    db::mandate::each(conn, None, |mandate| {
        found.entry(mandate.agreement).or_default().insert(mandate.rail, mandate.id);
        Ok(())
    })?;
    Ok(found)
}

fn missing(ctx: &Ctx, agreement: &Agreement, known: u32, today: NaiveDate, mandates: &Mandates) -> Vec<Doubt> {
    let running = matches!(agreement.state, AgreementState::Waiting | AgreementState::Active | AgreementState::Paused);
    if !running {
        return Vec::new();
    }
    let due = (known + 1..=agreement.terms).map(|term| new_term(ctx, agreement, term, mandates));
    let doubt = |new: NewInstallment| Doubt {
        id: new.id,
        amount: new.amount,
        attempts: 0,
        kind: ChargeKind::Debit,
        open: None,
        missing: Some(new),
        mandates: mandates.clone(),
    };
    due.take_while(|new| new.due <= today).map(doubt).collect()
}

/// A term as it would have been made here.
fn new_term(ctx: &Ctx, agreement: &Agreement, term: u32, mandates: &Mandates) -> NewInstallment {
    let due = agreement.schedule().due(term);
    let rail = mandates.keys().find_map(|rail| ctx.config.rails.get(rail));
    NewInstallment {
        id: InstallmentId { agreement: agreement.id, term },
        due,
        registered: rail.map_or(due, |rail| rail.profile.registered(due)),
        amount: agreement.monthly,
        state: InstallmentState::Open,
    }
}

fn open_charges(conn: &db::Conn) -> Result<BTreeMap<InstallmentId, Charge>> {
    const PAGE: u32 = 500;
    let mut found = BTreeMap::new();
    let mut after = ChargeId::new(0);
    loop {
        let page = db::charge::open_page(conn, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        found.extend(page.into_iter().map(|charge| (charge.installment, charge)));
    }
}

/// The numbers that one copy of the database may have made for a term.
struct Line {
    code: String,
    copy_no: i64,
    /// True for the copy that this database was until now: what it made up to the state known here is on record.
    is_own: bool,
    /// The newest agreement of which its numbers speak here; after that it gave the same numbers to others.
    reach: Option<AgreementId>,
}

/// One line for each copy. A former copy of this database may have gone on elsewhere, against the promise, so it is asked about as well.
fn lines(own: &str, known: &Copies, lost: &Copies) -> Vec<Line> {
    let all: Copies = known.iter().chain(lost).map(|(code, copy)| (code.clone(), copy.clone())).collect();
    let line = |(code, copy): (&String, &CopyMade)| Line {
        code: code.clone(),
        copy_no: copy.copy_no,
        is_own: code == own,
        reach: reach(&all, own, code),
    };
    all.iter().map(line).collect()
}

/// Asks every rail about every number. Gives what was found, the numbers nobody can say anything about, and how many were asked about.
fn ask(ctx: &Ctx, doubts: &[Doubt], rails: &BTreeSet<String>, lines: &[Line]) -> Result<(Vec<Lost>, Vec<String>, u64)> {
    let (mut lost, mut unsure, mut asked) = (Vec::new(), Vec::new(), 0);
    for (place, doubt) in doubts.iter().enumerate() {
        let mut found: Option<Lost> = None;
        for name in rails {
            let rail = ctx.rail(name)?;
            let has_links = rail.capabilities().contains(&Capability::PayLink);
            for line in lines.iter().filter(|it| it.reach.is_none_or(|last| doubt.id.agreement <= last)) {
                // Another copy counted from whatever it knew when the two parted, so its first number may be the first of all.
                let mut attempt = if line.is_own { doubt.attempts } else { 0 };
                let mut last = doubt.attempts;
                while attempt < last + LOST_ATTEMPTS {
                    attempt += 1;
                    let order_no = order_no(&line.code, line.copy_no, doubt.id, attempt);
                    if doubt.open.as_ref().is_some_and(|open| open.order_no == order_no) {
                        continue;
                    }
                    let reply = heard(rail.as_ref(), has_links, &order_no, doubt.amount);
                    asked += 1;
                    ctx.say(Event::Step(1));
                    if !matches!(reply.answer, Answer::Unknown | Answer::NotFound) {
                        last = last.max(attempt);
                    }
                    // One installment is collected at most once; but a link may stay open beside the number that was paid, and
                    // then it is not the one to go by.
                    let is_better = match (reply.answer, found.as_ref().map(|it| it.reply.answer)) {
                        (Answer::Paid, Some(Answer::Paid)) => false,
                        (Answer::Paid, _) | (Answer::Pending(_), None) => true,
                        _ => false,
                    };
                    if reply.answer == Answer::Unknown {
                        unsure.push(order_no);
                    } else if is_better {
                        let (rail, open) = (name.clone(), None);
                        let mandate = doubt.mandates.get(name).copied().filter(|_| doubt.kind == ChargeKind::Debit);
                        found = Some(Lost { doubt: place, rail, mandate, attempt, order_no, reply, open });
                    }
                }
            }
        }
        if let Some(mut found) = found {
            if let Some(open) = &doubt.open {
                let reply = ctx.rail(&open.rail)?.query_charge(&open.order_no, open.amount);
                if reply.answer == Answer::Unknown {
                    unsure.push(open.order_no.clone());
                }
                found.open = Some(reply);
            }
            lost.push(found);
        }
    }
    Ok((lost, unsure, asked))
}

/// What became of a number, once nobody can pay it any more.
///
/// "Not found" is not the end of a pay link: Alipay makes its order only when the customer opens the link, and until the link's time is
/// over it may still be paid, beside the charge that this database makes under a number of its own. So a number that is not found is
/// closed for good. Nothing lawful can be hurt by that: the numbers asked about here are those after the state that is known, of copies
/// that make no more numbers. This database makes its next ones with a new code, a lost copy is gone, and of one that lives elsewhere
/// somebody has just promised that it is never used again; should it be used all the same, the rail refuses its numbers, and nobody
/// pays twice. Numbers on record are left alone: the debit run settles them.
fn heard(rail: &dyn Rail, has_links: bool, order_no: &str, amount: Money) -> Reply {
    let reply = rail.query_charge(order_no, amount);
    if reply.answer != Answer::NotFound || !has_links {
        return reply;
    }
    match rail.close_order(order_no) {
        // A rail that does not close what it does not know has made no order that could be paid either.
        Ok(Closed::Closed) | Err(Trouble::Refused { .. } | Trouble::Unsupported) => reply,
        // Whoever closes an order names no sum; only the question that names it may say "paid".
        Ok(Closed::AlreadyPaid(_)) => rail.query_charge(order_no, amount),
        Err(Trouble::Unreachable { .. }) => Reply { answer: Answer::Unknown, ..reply },
    }
}

/// Writes a charge of the lost state as unknown: the next debit run asks about it and books it like any other.
fn note(tx: &db::Conn, doubt: &Doubt, it: &Lost, now: At) -> Result<Found> {
    if let Some(new) = &doubt.missing {
        db::installment::create(tx, new)?;
    }
    if let (Some(open), Some(reply)) = (&doubt.open, &it.open) {
        is_over(tx, open, reply, now)?;
    }
    let new = NewCharge {
        installment: doubt.id,
        attempt: it.attempt,
        kind: doubt.kind,
        mandate: it.mandate,
        rail: &it.rail,
        order_no: &it.order_no,
        amount: doubt.amount,
        run: None,
    };
    let charge = db::charge::note(tx, &new, now)?;
    db::charge::answer(tx, charge, &outcome(ChargeState::Unknown, None, &it.reply, now))?;
    Ok(Found::of(charge, &new, it.reply.answer))
}

/// The charge that is open here is over: the lost state went on to another one.
fn is_over(tx: &db::Conn, open: &Charge, reply: &Reply, now: At) -> Result<()> {
    let (state, reason) = match reply.answer {
        // A link that nobody paid is no decline of the customer's.
        Answer::Declined(reason) if open.kind != ChargeKind::Link => (ChargeState::Declined, Some(reason)),
        _ => (ChargeState::Void, None),
    };
    db::charge::answer(tx, open.id, &outcome(state, reason, reply, now))?;
    Ok(())
}

/// The payments at the counter that can be booked. A term whose open charge the rail says was paid, or may still be, is left to the debit
/// run, and the cash to whoever reads what was done by hand: the customer may have paid twice.
fn at_counter(ctx: &Ctx, cash: impl Iterator<Item = Charge>, unsure: &mut Vec<String>) -> Result<Vec<Taken>> {
    let conn = ctx.db.read();
    let (last, mandates) = (db::installment::last_terms(conn)?, mandates(conn)?);
    let mut taken = Vec::new();
    for charge in cash {
        let id = charge.installment;
        let agreement = agreement::get(conn, id.agreement)?;
        let known = last.get(&id.agreement).copied().unwrap_or(agreement.paid_before);
        let on = mandates.get(&id.agreement).cloned().unwrap_or_default();
        let missing = (known + 1..=id.term).map(|term| new_term(ctx, &agreement, term, &on)).collect();
        let is_open =
            |it: &Charge| matches!(it.state, ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown);
        let mut open = None;
        if let Some(standing) = db::charge::of_installment(conn, id)?.into_iter().find(is_open) {
            let rail = ctx.rail(&standing.rail)?;
            let has_links = rail.capabilities().contains(&Capability::PayLink);
            let reply = heard(rail.as_ref(), has_links, &standing.order_no, standing.amount);
            match reply.answer {
                Answer::Paid | Answer::Pending(_) => continue,
                Answer::Unknown => unsure.push(standing.order_no.clone()),
                Answer::Declined(_) | Answer::NotFound => {}
            }
            open = Some((standing, reply));
        }
        taken.push(Taken { charge, open, missing });
    }
    Ok(taken)
}

/// Books a payment at the counter of the lost state under its own number, as on the day on which it was made.
fn book(ctx: &Ctx, tx: &db::Conn, it: &Taken, now: At) -> Result<Found> {
    for new in &it.missing {
        db::installment::create(tx, new)?;
    }
    if let Some((open, reply)) = &it.open {
        is_over(tx, open, reply, now)?;
    }
    let paid = &it.charge;
    let new = NewCharge {
        installment: paid.installment,
        attempt: paid.attempt,
        kind: paid.kind,
        mandate: None,
        rail: &paid.rail,
        order_no: &paid.order_no,
        amount: paid.amount,
        run: None,
    };
    let charge = db::charge::note(tx, &new, now)?;
    let row = db::installment::due_one(tx, None, paid.installment)?;
    let row = row.with_context(|| paid.installment.to_string())?;
    let reply = Reply { at: paid.paid_at, ..Reply::bare(Answer::Paid) };
    let asked = Asked { charge, kind: paid.kind, rail: paid.rail.clone(), amount: paid.amount, row };
    apply(ctx, tx, &asked, &reply, None, now)?;
    Ok(Found::of(charge, &new, reply.answer))
}

fn outcome<'a>(state: ChargeState, reason: Option<Reason>, reply: &'a Reply, now: At) -> Outcome<'a> {
    Outcome {
        state,
        reason,
        code: &reply.code,
        said: &reply.text,
        trade_no: reply.trade_no.as_deref(),
        pending_until: None,
        paid_at: None,
        asked_at: now,
        run: None,
    }
}
