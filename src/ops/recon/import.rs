//! Taking over a bill: its lines once, whichever files have them; what they settle; what they book. All of a file or nothing.
//!
//! The rules of repetition. A file that was taken over before changes nothing, nor does a copy that a spreadsheet saved, nor a bill of
//! a month over days that are known already: a line is known by its numbers, its amount, its fee and its day. A bill that lacks a line
//! which an earlier bill of the same day had is refused, because both cannot be whole; a bill that has more brings the rest. Two lines
//! that are equal in everything are two.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use super::file::{Opened, refused};
use crate::config::AdapterKind;
use crate::db::bill::{Line, NewBill, Staged};
use crate::db::recon::Wanted;
use crate::db::{self, Conn};
use crate::domain::bill::{Dialect, Figures};
use crate::domain::date::{At, day_of, moment, plus_days};
use crate::domain::id::{BillId, ChargeId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::rail::{Answer, Profile, Reply};
use crate::domain::recon::{Ours, Verdict, WAIT_DAYS, expected_fee, is_sound, judge};
use crate::domain::report::Period;
use crate::fault::Fault;
use crate::ops::debit::book::{Asked, apply};
use crate::ops::debit::refuse_copies;
use crate::ops::{Ctx, Event, refund};
use crate::t;

/// Code on a charge or a refund that a bill settled.
pub(super) const BY_BILL: &str = "BILL";
/// Code on a charge that was given up because complete bills have no line of it.
pub const NOT_ON_BILL: &str = "NOT_ON_BILL";

/// Lines between two words of progress.
const STEP: u64 = 1_000;

/// What became of a bill.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    /// Whose.
    pub rail: String,
    /// The bill; of a file that brought nothing new, the one that was there before, if it was this very file.
    pub bill: Option<BillId>,
    /// False when everything in it was known, so that nothing was changed.
    pub is_new: bool,
    /// The file's name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// First day that it is about.
    pub first_day: NaiveDate,
    /// Last day that it is about.
    pub last_day: NaiveDate,
    /// False when its last day was not over, or the rail's bill of it not ready.
    pub is_complete: bool,
    /// Its lines.
    pub lines: u64,
    /// Those that no earlier bill had.
    pub new_lines: u64,
    /// Of these, those that say what we say.
    pub matched: u64,
    /// What its payments brought.
    pub came: Money,
    /// What its refunds gave back.
    pub went_back: Money,
    /// What the provider kept.
    pub fees: Money,
    /// Charges and refunds whose outcome it told: the record and `paid`.
    pub settled: Vec<(String, &'static str)>,
    /// Charges that were never paid: complete bills have no line of them.
    pub never_paid: Vec<ChargeId>,
}

/// Takes over a saved file. Without `rail` it is the one whose name begins like the provider's. `period` says which days it is about
/// when the file does not.
///
/// # Errors
/// When it is no sound bill, contradicts an earlier one, or nobody can say whose it is; nothing is changed then.
pub fn import(ctx: &Ctx, path: &Path, rail: Option<&str>, period: Option<Period>, now: At) -> Result<Taken> {
    // Payments that a lost state made would look like money that nobody asked for.
    refuse_copies(ctx)?;
    let named = || Fault::not_found(t!("cannot read {file}", file = path.display()));
    let file = File::open(path).with_context(named)?;
    if file.metadata().with_context(named)?.is_dir() {
        return Err(Fault::usage(t!("{file} is a folder, not a file", file = path.display())).into());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut opened = Opened::new(&name, Box::new(BufReader::new(file)))?;
    let dialect = opened.dialect()?;
    let rail = match rail {
        Some(rail) => rail.to_owned(),
        None => rail_of(ctx, dialect)?,
    };
    ctx.config.rail(&rail)?;
    take(ctx, &rail, "file", opened, period.map(|it| (it.from(), it.to())), now)
}

/// Takes over bytes that the rail gave for these days.
pub(super) fn from_rail(
    ctx: &Ctx,
    rail: &str,
    name: &str,
    bytes: &[u8],
    days: (NaiveDate, NaiveDate),
    now: At,
) -> Result<Taken> {
    take(ctx, rail, "fetched", Opened::new(name, Box::new(Cursor::new(bytes)))?, Some(days), now)
}

/// The rail said, after the waiting days, that it has no bill of `day`: nothing happened. The day is known from now on.
pub(super) fn nothing_on(ctx: &Ctx, rail: &str, day: NaiveDate, now: At) -> Result<Taken> {
    let days = (day, day);
    let sha256 = format!("none {day}");
    if let Some(known) = db::bill::by_sha(ctx.db.read(), rail, &sha256)? {
        let mut taken = unchanged(rail, "", &sha256, days);
        taken.bill = Some(known.id);
        taken.never_paid = settle_silent(ctx, rail, now)?;
        return Ok(taken);
    }
    let bill = ctx.db.write(now, |tx| {
        let dialect = Dialect::of(rail, &ctx.config.rail(rail)?.profile);
        db::bill::begin_stage(tx)?;
        if let Some(lost) = db::bill::first_lost(tx, rail, days)? {
            return Err(refused(rail, &contradicts(&lost)).into());
        }
        let new = NewBill {
            rail,
            dialect,
            source: "none",
            name: "",
            sha256: &sha256,
            days,
            lines: 0,
            new_lines: 0,
            came: Money::ZERO,
            went_back: Money::ZERO,
            fees: Money::ZERO,
        };
        let bill = db::bill::insert(tx, &new, now)?;
        db::bill::add_days(tx, rail, bill, &[day])?;
        let op = Op::BillImported {
            bill,
            rail: rail.to_owned(),
            sha256: sha256.clone(),
            lines: 0,
            new: 0,
            settled: Vec::new(),
        };
        Ok((bill, op))
    })?;
    let mut taken = unchanged(rail, "", &sha256, days);
    taken.bill = Some(bill);
    taken.is_new = true;
    taken.never_paid = settle_silent(ctx, rail, now)?;
    Ok(taken)
}

fn unchanged(rail: &str, name: &str, sha256: &str, days: (NaiveDate, NaiveDate)) -> Taken {
    Taken {
        rail: rail.to_owned(),
        bill: None,
        is_new: false,
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        first_day: days.0,
        last_day: days.1,
        is_complete: true,
        lines: 0,
        new_lines: 0,
        matched: 0,
        came: Money::ZERO,
        went_back: Money::ZERO,
        fees: Money::ZERO,
        settled: Vec::new(),
        never_paid: Vec::new(),
    }
}

fn take(
    ctx: &Ctx,
    rail: &str,
    source: &str,
    mut opened: Opened<'_>,
    asked: Option<(NaiveDate, NaiveDate)>,
    now: At,
) -> Result<Taken> {
    if let Some(known) = db::bill::by_sha(ctx.db.read(), rail, &opened.sha256)? {
        let mut taken = unchanged(rail, &opened.name, &opened.sha256, (known.first_day, known.last_day));
        taken.bill = Some(known.id);
        taken.lines = known.lines;
        (taken.came, taken.went_back, taken.fees) = (known.came, known.went_back, known.fees);
        taken.never_paid = settle_silent(ctx, rail, now)?;
        return Ok(taken);
    }
    ctx.say(Event::Begin { label: opened.name.clone(), total: 0 });
    let settings = ctx.config.rail(rail)?;
    let conn = ctx.db.read();
    let figures = db::bill::staged(conn, || stage(ctx, conn, &mut opened, &settings.profile, settings.fee_bps));
    ctx.say(Event::End);
    let figures = figures?;
    belongs(ctx, rail, &opened.name, figures.dialect)?;
    let mut taken = ctx.db.write_or_undo(now, |tx| keep(ctx, tx, rail, source, &opened, &figures, asked, now))?;
    taken.never_paid = settle_silent(ctx, rail, now)?;
    Ok(taken)
}

/// Refuses a bill of another provider's or of another rail's: its lines would look like money that nobody asked for.
fn belongs(ctx: &Ctx, rail: &str, name: &str, dialect: Dialect) -> Result<()> {
    let settings = ctx.config.rail(rail)?;
    let expected = match settings.adapter {
        AdapterKind::Alipay => Some(Dialect::Alipay),
        AdapterKind::Wechat => Some(Dialect::Wechat),
        AdapterKind::Sandbox => Some(Dialect::of(rail, &settings.profile)),
        AdapterKind::Cash | AdapterKind::Exec => None,
    };
    if expected.is_some_and(|expected| expected != dialect) {
        let provider = match dialect {
            Dialect::Alipay => t!("Alipay"),
            Dialect::Wechat => t!("WeChat Pay"),
        };
        let why = t!("it is a bill of {provider}, not of {rail}", provider = provider, rail = rail);
        return Err(refused(name, &why).hint(t!("name it with --rail")).into());
    }
    if let Some((other, order_no)) = db::bill::other_rail(ctx.db.read(), rail)? {
        let why = t!("order {order_no} was charged on {rail}", order_no = order_no, rail = other);
        return Err(refused(name, &why).hint(t!("name it with --rail")).into());
    }
    Ok(())
}

/// Everything that a bill changes, in one transaction; no [`Op`] when it brings nothing new.
#[expect(clippy::too_many_arguments, reason = "each is a part of the bill")]
fn keep(
    ctx: &Ctx,
    tx: &Conn,
    rail: &str,
    source: &str,
    opened: &Opened<'_>,
    figures: &Figures,
    asked: Option<(NaiveDate, NaiveDate)>,
    now: At,
) -> Result<(Taken, Option<Op>)> {
    let profile = &ctx.config.rail(rail)?.profile;
    let (name, sha256) = (opened.name.clone(), opened.sha256.clone());
    let days = days_of(&name, figures, asked)?;
    if let Some(lost) = db::bill::first_lost(tx, rail, days)? {
        return Err(refused(&name, &contradicts(&lost)).into());
    }
    // A saved file that does not name its days vouches for those that its rows reach, whatever a person says.
    let vouched = match (source, figures.named_days.or(figures.seen_days)) {
        ("file", Some(days)) => Some(days),
        // Without rows nothing but one day can be meant.
        ("file", None) => (days.0 == days.1).then_some(days),
        _ => Some(days),
    };
    // A bill of some hours, or one that was written before a day was over, is silent about the rest of it.
    let over = |day: &NaiveDate| figures.written_at.is_none_or(|at| *day < at.date());
    let mut complete = match vouched {
        Some(days) if !figures.is_part_of_day => complete_days(profile, days, now),
        _ => Vec::new(),
    };
    complete.retain(over);
    let known = db::bill::days(tx, rail, days.0, days.1)?;
    let new_lines = db::bill::count_new(tx, rail)?;
    let mut taken = unchanged(rail, &name, &sha256, days);
    taken.lines = figures.rows;
    taken.is_complete = vouched.is_some_and(|(_, last)| complete.last() == Some(&last));
    (taken.came, taken.went_back, taken.fees) = (figures.payments.1, figures.refunds.1, figures.fees);
    if new_lines == 0 && complete.iter().all(|day| known.contains(day)) {
        return Ok((taken, None));
    }
    let new = NewBill {
        rail,
        dialect: figures.dialect,
        source,
        name: &name,
        sha256: &sha256,
        days,
        lines: figures.rows,
        new_lines,
        came: taken.came,
        went_back: taken.went_back,
        fees: taken.fees,
    };
    let bill = db::bill::insert(tx, &new, now)?;
    db::bill::keep_new(tx, rail, bill)?;
    db::bill::end_stage(tx)?;
    db::bill::add_days(tx, rail, bill, &complete)?;
    db::recon::link(tx, rail)?;
    taken.matched = db::recon::mark_matched(tx, rail)?;
    taken.settled = settle(ctx, tx, rail, now)?;
    if !taken.settled.is_empty() {
        taken.matched += db::recon::mark_matched(tx, rail)?;
    }
    book(tx, rail, bill, now)?;
    (taken.bill, taken.is_new, taken.new_lines) = (Some(bill), true, new_lines);
    let op = Op::BillImported {
        bill,
        rail: rail.to_owned(),
        sha256,
        lines: figures.rows,
        new: new_lines,
        settled: taken.settled.clone(),
    };
    Ok((taken, Some(op)))
}

fn stage(ctx: &Ctx, tx: &Conn, opened: &mut Opened<'_>, profile: &Profile, fee_bps: i64) -> Result<Figures> {
    let mut seen = 0;
    opened.read(&mut |line| {
        seen += 1;
        if seen % STEP == 0 {
            ctx.say(Event::Step(STEP));
        }
        let expected = expected_fee(line.amount, fee_bps);
        let staged = Staged {
            row: line.row,
            day: line.at.date(),
            at: moment(line.at.date(), line.at.time(), profile.timezone),
            kind: line.kind,
            order_no: &line.order_no,
            trade_no: &line.trade_no,
            refund_no: &line.refund_no,
            amount: line.amount,
            fee: line.fee,
            fee_expected: expected,
            is_sound: is_sound(line.kind, line.fee, expected, &line.said),
            said: &line.said,
        };
        db::bill::stage(tx, &staged)
    })
}

/// The days that a bill is about: as it says itself, as was asked for, as its name says, or else as its rows reach.
fn days_of(name: &str, figures: &Figures, asked: Option<(NaiveDate, NaiveDate)>) -> Result<(NaiveDate, NaiveDate)> {
    let days_text = |(first, last): (NaiveDate, NaiveDate)| {
        if first == last { first.to_string() } else { format!("{first} – {last}") }
    };
    if let (Some(named), Some(asked)) = (figures.named_days, asked)
        && named != asked
    {
        let why = t!("it is the bill of {found}, not of {wanted}", found = days_text(named), wanted = days_text(asked));
        return Err(refused(name, &why).into());
    }
    let Some(days) = figures.named_days.or(asked).or_else(|| day_in(name)).or(figures.seen_days) else {
        return Err(refused(name, &t!("it has no rows and does not say of which day it is"))
            .hint(t!("name the day with --day"))
            .into());
    };
    if let Some(seen) = figures.seen_days
        && (seen.0 < days.0 || seen.1 > days.1)
    {
        let why = t!("its rows are of {found}, not of {wanted}", found = days_text(seen), wanted = days_text(days));
        return Err(refused(name, &why).hint(t!("name the day with --day, or the month with --month")).into());
    }
    Ok(days)
}

/// The one day in a file's name: `1900000022All2026-11-05.csv`, `20881_20261105_业务明细.csv`. A long number is no day.
fn day_in(name: &str) -> Option<(NaiveDate, NaiveDate)> {
    let mut days = name
        .split(|c: char| !(c.is_ascii_digit() || c == '-'))
        .filter(|word| matches!(word.len(), 8 | 10))
        .filter_map(|word| crate::domain::sheet::date(word).ok());
    let day = days.next()?;
    days.next().is_none().then_some((day, day))
}

/// Days of the bill that are over, and whose bill was ready when it was taken over.
fn complete_days(profile: &Profile, days: (NaiveDate, NaiveDate), now: At) -> Vec<NaiveDate> {
    days.0.iter_days().take_while(|day| *day <= days.1 && now >= profile.bill_ready_at(*day)).collect()
}

fn contradicts(lost: &db::bill::Named) -> String {
    t!(
        "it lacks a line of {bill} from {day}: order {order_no} with {amount}; both cannot be whole",
        bill = lost.bill,
        day = lost.day,
        order_no = lost.order_no,
        amount = lost.amount.yuan()
    )
}

/// Lines that tell the outcome of something that is open here: booked through the same doors as the answers of a debit run.
fn settle(ctx: &Ctx, tx: &Conn, rail: &str, now: At) -> Result<Vec<(String, &'static str)>> {
    let mut settled = Vec::new();
    for open in db::recon::open_lines(tx, Wanted { rail: Some(rail), ..Wanted::default() })? {
        let line = &open.line;
        if judge(&open.pair()) != Verdict::Settles {
            continue;
        }
        let reply = by_bill(line, now);
        match (open.ours, line.charge, line.refund) {
            (Ours::Charge { .. }, Some(id), _) => {
                // Two lines may settle two charges of one term: what is open is read anew each time.
                let Some(charge) = db::charge::get(tx, id)? else { continue };
                let Some(asked) = Asked::about(tx, None, &charge)? else { continue };
                let effect = apply(ctx, tx, &asked, &reply, None, now)?;
                settled.push((id.to_string(), effect.word()));
            }
            (Ours::Refund { .. }, _, Some(id)) => {
                if let Some(refund) = db::refund::get(tx, id)? {
                    refund::answer_in(ctx, tx, &refund, &reply, now)?;
                    settled.push((id.to_string(), Answer::Paid.word()));
                }
            }
            _ => {}
        }
    }
    Ok(settled)
}

/// A line that says paid, as the answer of its rail.
pub(in crate::ops) fn by_bill(line: &Line, now: At) -> Reply {
    Reply {
        at: Some(line.at.min(now)),
        trade_no: Some(line.trade_no.clone()).filter(|number| !number.is_empty()),
        ..Reply::said(Answer::Paid, BY_BILL, line.bill.to_string())
    }
}

/// One entry for each day of the bill's new lines: what came less what went back leaves the rail's account, the fee is the provider's,
/// the rest is the shop's.
fn book(tx: &Conn, rail: &str, bill: BillId, now: At) -> Result<()> {
    for sum in db::bill::day_sums(tx, bill)? {
        let entry = Entry::new(EntryKind::Bill, format!("{bill}/{}", sum.day))
            .noted(t!("bill of {rail}, {count} {count|line|lines}", rail = rail, count = sum.lines))
            .debit(Account::Bank, sum.amount - sum.fee)
            .debit(Account::Fees, sum.fee)
            .credit(Account::RailClearing(rail.to_owned()), sum.amount);
        if !entry.postings.is_empty() {
            db::journal::book(tx, &entry, sum.day, now)?;
        }
    }
    Ok(())
}

/// Charges whose outcome the rail cannot be asked for any more: when every day on which their money could have moved, and the waiting
/// days after it, stand in complete bills without a line of them, they were never paid. They are given up, which counts against nobody,
/// and their term is free again.
fn settle_silent(ctx: &Ctx, rail: &str, now: At) -> Result<Vec<ChargeId>> {
    let profile = &ctx.config.rail(rail)?.profile;
    let before = now - TimeDelta::days(i64::from(profile.query_days));
    let doubtful = db::recon::doubtful(ctx.db.read(), rail, before)?;
    let span = |it: &db::recon::Doubtful| {
        (day_of(it.noted_at, profile.timezone), plus_days(day_of(it.latest, profile.timezone), WAIT_DAYS))
    };
    let Some(first) = doubtful.iter().map(|it| span(it).0).min() else { return Ok(Vec::new()) };
    let last = doubtful.iter().map(|it| span(it).1).max().unwrap_or(first);
    let known = db::bill::days(ctx.db.read(), rail, first, last)?;
    let is_known = |day: NaiveDate| known.binary_search(&day).is_ok();
    let silent: Vec<ChargeId> = doubtful
        .iter()
        .filter(|it| {
            let (first, last) = span(it);
            first.iter_days().take_while(|day| *day <= last).all(is_known)
        })
        .map(|it| it.id)
        .collect();
    if silent.is_empty() {
        return Ok(silent);
    }
    ctx.db.write(now, |tx| {
        for id in &silent {
            db::charge::void(tx, *id, NOT_ON_BILL, now)?;
        }
        Ok((silent.clone(), Op::BillsSilent { rail: rail.to_owned(), charges: silent.clone() }))
    })
}

/// The rail that a saved bill belongs to, when nobody says: the only one whose name begins like the provider's, or else the only one
/// that is not the counter.
fn rail_of(ctx: &Ctx, dialect: Dialect) -> Result<String> {
    let rails: Vec<&String> =
        ctx.config.rails.iter().filter(|(_, it)| it.adapter != AdapterKind::Cash).map(|(name, _)| name).collect();
    let alike: Vec<&&String> = rails.iter().filter(|name| dialect.is_named(name)).collect();
    match (alike.as_slice(), rails.as_slice()) {
        ([name], _) => Ok((**name).clone()),
        ([], [name]) => Ok((*name).clone()),
        _ => {
            let names = rails.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Fault::usage(t!("nobody can say which payment rail this bill belongs to: {rails}", rails = names))
                .hint(t!("name it with --rail"))
                .into())
        }
    }
}
