//! What differs between our book and the bills, worked out anew from the records each time: a difference that time or a debit run has
//! explained is gone by itself.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;

use crate::db;
use crate::db::bill::Bill;
use crate::db::recon::{OpenLine, Unbilled, Wanted};
use crate::domain::bill::LineKind;
use crate::domain::charge::{ChargeState, Copies, InstallmentState, read_order_no};
use crate::domain::date::{At, day_of, moment, plus_days};
use crate::domain::id::{BillId, CustomerId, InstallmentId};
use crate::domain::money::Money;
use crate::domain::recon::{Case, Class, Decision, Ours, Subject, Verdict, WAIT_DAYS, judge};
use crate::domain::refund::RefundState;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

/// Bills that a list shows.
const BILLS: u32 = 400;

/// Which differences are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Of one rail.
    pub rail: Option<&'a str>,
    /// Of the lines of one bill.
    pub bill: Option<BillId>,
    /// About one thing.
    pub subject: Option<Subject>,
}

/// A difference between our book and a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about; the same for ever.
    pub id: Subject,
    /// How it differs.
    pub class: Class,
    /// A payment or a refund.
    pub kind: LineKind,
    /// On which rail.
    pub rail: String,
    /// The day on which the money moved, in the rail's zone.
    pub day: NaiveDate,
    /// Days since then.
    pub age_days: i64,
    /// True while it may be the cut-off between two bills.
    pub is_waiting: bool,
    /// Our order number, or a stranger's.
    pub order_no: String,
    /// Our refund number.
    pub refund_no: String,
    /// The provider's number.
    pub trade_no: String,
    /// What we say; positive came, negative went back.
    pub ours: Option<Money>,
    /// What they say.
    pub theirs: Option<Money>,
    /// What they kept.
    pub fee: Option<Money>,
    /// What they should have kept.
    pub fee_expected: Option<Money>,
    /// Where it stands here: `paid`, `declined` …; empty when we have nothing.
    pub our_state: &'static str,
    /// The provider's words.
    pub said: String,
    /// The term it is about.
    pub installment: Option<InstallmentId>,
    /// Whose.
    pub customer: Option<CustomerId>,
    /// The bill of its line.
    pub bill: Option<BillId>,
    /// What is proposed.
    pub proposed: Decision,
    /// What may be decided.
    #[serde(skip)]
    pub case: Case,
}

/// Every difference, the oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn differences(ctx: &Ctx, filter: Filter<'_>, now: At) -> Result<Vec<Difference>> {
    let conn = ctx.db.read();
    let line = match filter.subject {
        Some(Subject::Line(line)) => Some(line),
        _ => None,
    };
    let mut found = Vec::new();
    if line.is_some() || filter.subject.is_none() {
        let own = Own::new(ctx)?;
        for open in db::recon::open_lines(conn, Wanted { rail: filter.rail, bill: filter.bill, line })? {
            if let Verdict::Differs(class) = judge(&open.pair()) {
                found.push(of_line(ctx, &own, open, class, now)?);
            }
        }
    }
    if filter.bill.is_none() && line.is_none() {
        unbilled(ctx, filter, now, &mut found)?;
    }
    found.sort_by(|a, b| (a.day, &a.rail, a.id).cmp(&(b.day, &b.rail, b.id)));
    Ok(found)
}

/// Order numbers that this shop made.
struct Own<'a> {
    ctx: &'a Ctx,
    copies: Copies,
    code: String,
}

impl<'a> Own<'a> {
    fn new(ctx: &'a Ctx) -> Result<Own<'a>> {
        let conn = ctx.db.read();
        Ok(Own { ctx, copies: db::shop::copies(conn)?, code: db::shop::identity(conn)?.code })
    }

    /// The agreement and the term in an order number of ours, where there is such an agreement. What the lost state of a restored
    /// database signed is none: here somebody else may have its number.
    fn owner(&self, order_no: &str) -> Result<Option<(InstallmentId, CustomerId)>> {
        let Some((id, _)) = read_order_no(&self.copies, &self.code, order_no) else { return Ok(None) };
        let agreement = db::agreement::get(self.ctx.db.read(), id.agreement)?;
        Ok(agreement.map(|agreement| (id, agreement.customer)))
    }
}

fn of_line(ctx: &Ctx, own: &Own<'_>, open: OpenLine, class: Class, now: At) -> Result<Difference> {
    let is_done = open.pair().is_done;
    let line = open.line;
    let (mut installment, mut customer) = (open.installment, open.customer);
    let mut is_own_number = line.charge.is_some();
    if !is_own_number && let Some((id, whose)) = own.owner(&line.order_no)? {
        (installment, customer, is_own_number) = (Some(id), Some(whose), true);
    }
    let age_days = age(ctx, &line.rail, line.day, now)?;
    let is_waiting = waits(class, line.kind, age_days);
    let case = Case { class, kind: line.kind, ours: open.ours, is_own_number, is_waiting, is_done };
    let (ours, our_state) = match open.ours {
        Ours::Nothing => (None, ""),
        Ours::Charge { state, amount, .. } => (Some(amount), state.word()),
        Ours::Refund { state, amount } => (Some(-amount), state.word()),
    };
    Ok(Difference {
        id: Subject::Line(line.id),
        class,
        kind: line.kind,
        rail: line.rail,
        day: line.day,
        age_days,
        is_waiting: case.is_waiting,
        order_no: line.order_no,
        refund_no: line.refund_no,
        trade_no: line.trade_no,
        ours,
        theirs: Some(line.amount),
        fee: Some(line.fee),
        fee_expected: Some(line.fee_expected),
        our_state,
        said: line.said,
        installment,
        customer,
        bill: Some(line.bill),
        proposed: case.proposed(),
        case,
    })
}

/// What time alone may explain: something that the other side has not yet, or a refund under way. An amount or a fee that differs is
/// wrong at once.
const fn waits(class: Class, kind: LineKind, age_days: i64) -> bool {
    let may = match class {
        Class::MissingHere | Class::MissingThere => true,
        Class::Status => matches!(kind, LineKind::Refund),
        Class::Amount | Class::Fee | Class::Duplicate => false,
    };
    may && age_days <= WAIT_DAYS
}

fn age(ctx: &Ctx, rail: &str, day: NaiveDate, now: At) -> Result<i64> {
    // A rail that is no longer in shop.toml is counted in the shop's own zone.
    let zone = ctx.config.rails.get(rail).map_or(ctx.zone(), |rail| rail.profile.timezone);
    Ok((day_of(now, zone) - day).num_days())
}

/// What is paid here on a day whose bill is complete, and stands in no bill.
fn unbilled(ctx: &Ctx, filter: Filter<'_>, now: At, found: &mut Vec<Difference>) -> Result<()> {
    let conn = ctx.db.read();
    let mut known = BTreeMap::new();
    for (rail, (first, last)) in db::bill::known_days(conn)? {
        // A rail that is no longer in shop.toml has no zone to say on which day a payment was.
        let Some(zone) = ctx.config.rails.get(&rail).map(|rail| rail.profile.timezone) else { continue };
        let days = db::bill::days(conn, &rail, first, last)?;
        known.insert(rail, (zone, days));
    }
    let starts = known.values().filter_map(|(zone, days)| Some(moment(*days.first()?, NaiveTime::MIN, *zone)));
    let Some(since) = starts.min() else { return Ok(()) };
    for it in db::recon::unbilled(conn, since, filter.rail, filter.subject)? {
        let Some((zone, days)) = known.get(&it.rail) else { continue };
        let day = day_of(it.paid_at, *zone);
        if days.binary_search(&day).is_err() {
            continue;
        }
        let next_is_known = days.binary_search(&plus_days(day, 1)).is_ok();
        found.push(of_unbilled(ctx, it, day, next_is_known, now)?);
    }
    Ok(())
}

fn of_unbilled(ctx: &Ctx, it: Unbilled, day: NaiveDate, next_is_known: bool, now: At) -> Result<Difference> {
    let age_days = age(ctx, &it.rail, day, now)?;
    let (kind, ours) = match it.subject {
        Subject::Refund(_) => (LineKind::Refund, Ours::Refund { state: RefundState::Paid, amount: -it.amount }),
        _ => {
            let (state, term) = (ChargeState::Paid, InstallmentState::Paid);
            (LineKind::Payment, Ours::Charge { state, amount: it.amount, term })
        }
    };
    // What moved a moment before midnight here may stand in their next bill.
    let is_waiting = age_days <= WAIT_DAYS || !next_is_known;
    let case = Case { class: Class::MissingThere, kind, ours, is_own_number: true, is_waiting, is_done: true };
    Ok(Difference {
        id: it.subject,
        class: Class::MissingThere,
        kind,
        rail: it.rail,
        day,
        age_days,
        is_waiting,
        order_no: it.order_no,
        refund_no: it.refund_no,
        trade_no: it.trade_no,
        ours: Some(it.amount),
        theirs: None,
        fee: None,
        fee_expected: None,
        our_state: "paid",
        said: String::new(),
        installment: it.installment,
        customer: Some(it.customer),
        bill: None,
        proposed: case.proposed(),
        case,
    })
}

/// A bill with how far it is explained.
#[derive(Clone, Debug, Serialize)]
pub struct BillStand {
    /// The bill.
    #[serde(flatten)]
    pub bill: Bill,
    /// Lines that are not explained.
    pub open_lines: u64,
}

/// Bills, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub fn bills(ctx: &Ctx, rail: Option<&str>) -> Result<Vec<BillStand>> {
    let conn = ctx.db.read();
    let open = db::recon::open_by_bill(conn)?;
    let stand = |bill: Bill| BillStand { open_lines: open.get(&bill.id).copied().unwrap_or_default(), bill };
    Ok(db::bill::list(conn, rail, BILLS)?.into_iter().map(stand).collect())
}

/// A bill and what of it is not explained.
///
/// # Errors
/// When there is no such bill.
pub fn bill(ctx: &Ctx, id: BillId, now: At) -> Result<(BillStand, Vec<Difference>)> {
    let conn = ctx.db.read();
    let Some(bill) = db::bill::get(conn, id)? else {
        return Err(Fault::not_found(t!("there is no bill {bill}", bill = id))
            .hint(t!("see them with `kibble recon bills`"))
            .into());
    };
    let open = db::recon::open_by_bill(conn)?;
    let stand = BillStand { open_lines: open.get(&id).copied().unwrap_or_default(), bill };
    Ok((stand, differences(ctx, Filter { bill: Some(id), ..Filter::default() }, now)?))
}

/// One thing as the bills have it: its line, the difference if it is one, and what was decided.
#[derive(Clone, Debug, Serialize)]
pub struct Looked {
    /// What it is.
    pub id: Subject,
    /// Its line.
    pub line: Option<db::bill::Line>,
    /// How it differs, while it does.
    pub difference: Option<Difference>,
    /// What was decided.
    pub decided: Option<db::recon::Decided>,
}

/// Looks at one thing.
///
/// # Errors
/// When there is no such record.
pub fn look(ctx: &Ctx, id: Subject, now: At) -> Result<Looked> {
    let conn = ctx.db.read();
    let is_there = match id {
        Subject::Line(line) => db::bill::line(conn, line)?.is_some(),
        Subject::Charge(charge) => db::charge::get(conn, charge)?.is_some(),
        Subject::Refund(refund) => db::refund::get(conn, refund)?.is_some(),
    };
    if !is_there {
        return Err(Fault::not_found(t!("there is no record {id}", id = id))
            .hint(t!("see what differs with `kibble recon list`"))
            .into());
    }
    let line = match id {
        Subject::Line(line) => db::bill::line(conn, line)?,
        _ => None,
    };
    let difference = differences(ctx, Filter { subject: Some(id), ..Filter::default() }, now)?.pop();
    Ok(Looked { id, line, difference, decided: db::recon::decided(conn, id)? })
}

/// A sentence about a difference, for people.
pub fn class_text(class: Class, kind: LineKind) -> String {
    match (class, kind) {
        (Class::MissingThere, LineKind::Refund) => t!("given back here, not in their bill"),
        (Class::MissingThere, _) => t!("paid here, not in their bill"),
        (Class::MissingHere, LineKind::Payment) => t!("in their bill, never asked for here"),
        (Class::MissingHere, LineKind::Refund) => t!("given back there, unknown here"),
        (Class::MissingHere, LineKind::Other) => t!("moved there for another reason"),
        (Class::Amount, _) => t!("another amount"),
        (Class::Status, LineKind::Refund) => t!("they say given back or under way, we say otherwise"),
        (Class::Status, _) => t!("they say paid, we say not"),
        (Class::Fee, _) => t!("another fee than agreed"),
        (Class::Duplicate, LineKind::Refund) => t!("given back once too often"),
        (Class::Duplicate, _) => t!("paid once too often"),
    }
}

/// What a decision does, for people.
pub fn decision_text(decision: Decision) -> String {
    match decision {
        Decision::Accept => t!("accept"),
        Decision::Refund => t!("refund it"),
        Decision::Wait => t!("wait"),
        Decision::Ask => t!("ask"),
        Decision::BookAs => t!("book-as"),
    }
}
