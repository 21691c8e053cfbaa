//! Step 6: after failures. A pay link for everything that failed, a notice within the hour, the owner told after the last try, and overdue
//! levels by days past due. Works from what is stored, so a run that died in between is caught up by the next.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use chrono::NaiveDate;
use serde_json::json;

use crate::adapters::rail::{PayLink, PayLinkRequest, Rail, Trouble};
use crate::db;
use crate::db::charge::NewCharge;
use crate::db::installment::{DueRow, Place};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{ChargeKind, Course, order_no};
use crate::domain::date::{At, plus_days};
use crate::domain::id::{AgreementId, ChargeId, InstallmentId, RunId};
use crate::domain::message::Audience;
use crate::domain::op::Op;
use crate::domain::overdue;
use crate::domain::rail::{Answer, Reply};
use crate::ops::Ctx;
use crate::ops::debit::book::{Asked, apply, letter};
use crate::ops::debit::flight::with_pool;
use crate::ops::debit::reason_text;
use crate::ops::debit::report::RunReport;
use crate::ops::debit::roll::would_end;
use crate::ops::remind::tell;
use crate::text::Lang;

/// Installments per commit.
const PAGE: u32 = 200;

/// The last word after all tries, to the customer and to the owner.
const EXHAUSTED: &str = "retry_exhausted_customer";
const EXHAUSTED_OWNER: &str = "retry_exhausted_merchant";

/// Follows up on everything that failed.
pub fn follow_up(ctx: &Ctx, run: RunId, report: &mut RunReport, now: At) -> Result<()> {
    let today = ctx.today(now);
    let mut told: BTreeSet<AgreementId> = BTreeSet::new();
    let mut place = Place::start();
    loop {
        let page = db::installment::due_page(ctx.db.read(), run, today, place, PAGE)?;
        let Some(last) = page.last() else { break };
        place = Place { due: last.installment.due, id: last.installment.id };
        let failing = page.into_iter().filter(|row| row.installment.course == Course::Failing).collect();
        page_of(ctx, failing, &mut told, report, now)?;
    }
    let mut place = Place::start();
    loop {
        let page = db::installment::over_to_tell_page(
            ctx.db.read(),
            today,
            plus_days(today, -overdue::LAST_DAY),
            place,
            PAGE,
        )?;
        let Some(last) = page.last() else { return Ok(()) };
        place = Place { due: last.installment.due, id: last.installment.id };
        page_of(ctx, page, &mut told, report, now)?;
    }
}

fn page_of(
    ctx: &Ctx,
    page: Vec<DueRow>,
    told: &mut BTreeSet<AgreementId>,
    report: &mut RunReport,
    now: At,
) -> Result<()> {
    let live: Vec<DueRow> = page.into_iter().filter(is_followed).collect();
    let wanting: Vec<&DueRow> = live.iter().filter(|row| row.open.is_none() && wants_link(row, ctx, now)).collect();
    let known = make_links(ctx, &wanting, report, now)?;
    let live: Vec<DueRow> = live.into_iter().filter(|row| !known.contains(&row.installment.id)).collect();
    notices(ctx, &live, told, now)
}

/// Whether the customer hears of a failure of this term at all.
fn is_followed(row: &DueRow) -> bool {
    matches!(row.candidate.agreement, AgreementState::Active | AgreementState::Paused)
        // Nobody is asked for money that a bill says has come.
        && !row.candidate.pet_gone && !row.is_disputed
        // Nor told of a failure while a later try may have been paid: what is said depends on how that ends.
        && !matches!(row.candidate.open_charge, Some((_, ChargeKind::Debit | ChargeKind::Cash)))
}

/// How many messages a run at `now` would queue here, for customers and for the owner, about terms whose tries are over already or whose
/// window it would find closed. What the answers of rails bring is not known before.
///
/// # Errors
/// When the database cannot be read.
pub fn count(ctx: &Ctx, now: At) -> Result<(u64, u64)> {
    let today = ctx.today(now);
    let mut rows: Vec<(Place, Words)> = Vec::new();
    let mut note = |row: &DueRow| {
        let place = Place { due: row.installment.due, id: row.installment.id };
        rows.extend(Some(row).filter(|row| is_followed(row)).map(|row| (place, words(row, today))));
    };
    let mut place = Place::start();
    loop {
        let page = db::installment::due_page(ctx.db.read(), RunId::new(0), today, place, PAGE)?;
        let Some(last) = page.last() else { break };
        place = Place { due: last.installment.due, id: last.installment.id };
        for mut row in page {
            if let Some(course) = would_end(ctx, &row, now) {
                row.installment.course = course;
                note(&row);
            }
        }
    }
    let mut place = Place::start();
    let since = plus_days(today, -overdue::LAST_DAY);
    loop {
        let page = db::installment::over_to_tell_page(ctx.db.read(), today, since, place, PAGE)?;
        let Some(last) = page.last() else { break };
        place = Place { due: last.installment.due, id: last.installment.id };
        page.iter().for_each(&mut note);
    }
    rows.sort_by_key(|(place, _)| (place.due, place.id));
    let off = &ctx.config.settings.messages.off;
    let one = |template: &str| u64::from(!off.iter().any(|off| off == template));
    let (mut customers, mut owner) = (0, 0);
    let mut told: BTreeSet<AgreementId> = BTreeSet::new();
    for (place, words) in rows {
        if let Some(template) = words.first {
            customers += one(template);
            owner += if template == EXHAUSTED { one(EXHAUSTED_OWNER) } else { 0 };
            told.insert(place.id.agreement);
        } else if let Some((level, _)) = words.level
            && told.insert(place.id.agreement)
        {
            customers += one(overdue::template(level));
        }
    }
    Ok((customers, owner))
}

/// A link is made when there is something new to say: a failure that has not been told, or an overdue level.
fn wants_link(row: &DueRow, ctx: &Ctx, now: At) -> bool {
    let it = &row.installment;
    let today = ctx.today(now);
    let days = overdue::days_past_due(it.due, today);
    match it.course {
        Course::Failing => it.failures > it.told_failures,
        Course::Failed | Course::Missed => {
            it.overdue_told_on.is_none() || overdue::is_to_be_told(days, it.overdue_level, it.overdue_told_on, today)
        }
        Course::Planned => false,
    }
}

/// What a rail says when it is asked for a link.
enum Said {
    Link(PayLink),
    /// It refuses, and this is what it knows of the number: a state of this database that a disk lost may have used it.
    Known(Reply),
    /// Nobody has the address of this order, so nobody can pay it.
    Nothing,
}

fn ask(rail: &dyn Rail, request: PayLinkRequest) -> Said {
    match rail.pay_link(&request) {
        Ok(link) => Said::Link(link),
        Err(Trouble::Refused { .. }) => Said::Known(rail.query_charge(&request.order_no, request.amount)),
        Err(_) => Said::Nothing,
    }
}

/// Notes link orders, asks the rails for the links, writes them. Returns the installments whose number the rail knew already as paid
/// or undecided: nobody is told that they failed.
fn make_links(ctx: &Ctx, rows: &[&DueRow], report: &mut RunReport, now: At) -> Result<BTreeSet<InstallmentId>> {
    let shop = db::shop::identity(ctx.db.read())?;
    let mut wanted = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(rail) = link_rail(ctx, row)? {
            wanted.push((*row, rail));
        }
    }
    if wanted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let noted: Vec<(ChargeId, String, PayLinkRequest)> = ctx.db.write(now, |tx| {
        let mut noted = Vec::with_capacity(wanted.len());
        for (row, rail) in &wanted {
            let id = row.installment.id;
            let attempt = row.attempts + 1;
            let order_no = order_no(&shop.code, shop.copy_no, id, attempt);
            let new = NewCharge {
                installment: id,
                attempt,
                kind: ChargeKind::Link,
                mandate: None,
                rail,
                order_no: &order_no,
                amount: row.installment.amount,
                run: None,
            };
            let charge = db::charge::note(tx, &new, now)?;
            let subject = format!("{} {}/{}", ctx.config.settings.name, id.term, row.terms);
            let request = PayLinkRequest { order_no, amount: row.installment.amount, subject };
            noted.push((charge, rail.clone(), request));
        }
        let ids = noted.iter().map(|it| it.0).collect();
        Ok((noted, Op::ChargesWritten { noted: ids, answers: Vec::new() }))
    })?;
    let said: Vec<Option<Said>> = with_pool(&ctx.rails, !ctx.clock.is_rehearsal(), &ask, |pool| {
        pool.ask_all(noted.iter().map(|it| (it.1.clone(), it.2.clone())).collect())
    });
    let (made, known) = ctx.db.write(now, |tx| {
        let (mut made, mut known) = (0, Vec::new());
        let mut answers = Vec::with_capacity(noted.len());
        for ((charge, _, _), said) in noted.iter().zip(said) {
            let word = match said {
                Some(Said::Link(link)) => {
                    db::charge::set_link(tx, *charge, &link.url, link.good_until, now)?;
                    made += 1;
                    "pending"
                }
                Some(Said::Known(reply)) if !matches!(reply.answer, Answer::NotFound | Answer::Declined(_)) => {
                    let charge = db::charge::get(tx, *charge)?.with_context(|| charge.to_string())?;
                    let asked = Asked::about(tx, None, &charge)?.with_context(|| charge.installment.to_string())?;
                    let effect = apply(ctx, tx, &asked, &reply, None, now)?;
                    known.push((charge, asked.row, effect));
                    effect.word()
                }
                _ => {
                    db::charge::void(tx, *charge, "NO_LINK", now)?;
                    "void"
                }
            };
            answers.push((*charge, word));
        }
        Ok(((made, known), Op::ChargesWritten { noted: Vec::new(), answers }))
    })?;
    report.links += made;
    for (charge, row, effect) in &known {
        report.settled(charge, row, *effect);
    }
    Ok(known.into_iter().map(|(charge, _, _)| charge.installment).collect())
}

/// The rail on which the customer is asked to pay: that of the newest mandate of the first lane, live or not.
fn link_rail(ctx: &Ctx, row: &DueRow) -> Result<Option<String>> {
    if !row.rail.is_empty() {
        return Ok(Some(row.rail.clone()));
    }
    let mandates = db::mandate::of_agreement(ctx.db.read(), row.installment.id.agreement)?;
    Ok(mandates.into_iter().rfind(|it| it.lane == 1).map(|it| it.rail))
}

/// What is to be said of a term: a first word about its failure, or else its overdue level with the days.
struct Words {
    first: Option<&'static str>,
    level: Option<(u32, i64)>,
}

fn words(row: &DueRow, today: NaiveDate) -> Words {
    let it = &row.installment;
    let days = overdue::days_past_due(it.due, today);
    let first = match it.course {
        Course::Failing if it.failures > it.told_failures => Some("debit_failed"),
        Course::Failed if it.overdue_told_on.is_none() => Some(EXHAUSTED),
        _ => None,
    };
    let tell_level = matches!(it.course, Course::Failed | Course::Missed)
        && first.is_none()
        && overdue::is_to_be_told(days, it.overdue_level, it.overdue_told_on, today);
    Words { first, level: tell_level.then(|| (overdue::level(days), days)) }
}

fn notices(ctx: &Ctx, rows: &[DueRow], told: &mut BTreeSet<AgreementId>, now: At) -> Result<()> {
    let today = ctx.today(now);
    let mut to_write = Vec::new();
    for row in rows {
        let agreement = row.installment.id.agreement;
        let Words { first, level } = words(row, today);
        // One agreement hears of its oldest overdue term only, and of one thing a day.
        let level = level.filter(|_| !told.contains(&agreement));
        if first.is_some() || level.is_some() {
            told.insert(agreement);
            to_write.push((row, first, level));
        }
    }
    if to_write.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        let mut installments = Vec::new();
        for (row, first_word, overdue_level) in &to_write {
            let it = &row.installment;
            let charges = db::charge::of_installment(tx, it.id)?;
            let link = charges.iter().rev().find_map(|charge| charge.link.clone());
            let reason = charges.iter().rev().find_map(|charge| charge.reason);
            let mut params = json!({
                "n": it.id.term,
                "amount": it.amount.to_string(),
                "due": it.amount.to_string(),
                "days": overdue_level.map_or(0, |level| level.1),
                "reason": reason_text(reason, Lang::Zh),
                "reason_en": reason_text(reason, Lang::En),
            });
            if let (Some(link), Some(map)) = (link, params.as_object_mut()) {
                map.insert("link".into(), link.into());
            }
            if let Some(template) = first_word {
                let mut notice = letter(row, template, Audience::Customer, params.clone());
                // Each failed round closes the link before it, so the customer is told of the new one; a term that was moved to
                // another day begins its rounds anew.
                notice.event = format!("{template}:{}:{}:{}", it.id, it.due, it.failures);
                tell(ctx, tx, notice, now)?;
                db::installment::set_told(tx, it.id, it.failures)?;
            }
            if *first_word == Some(EXHAUSTED) {
                let mut owner = letter(row, EXHAUSTED_OWNER, Audience::Merchant, params.clone());
                owner.event = format!("{}:{}", owner.event, it.due);
                tell(ctx, tx, owner, now)?;
                db::installment::set_overdue(tx, it.id, overdue::level(overdue::days_past_due(it.due, today)), today)?;
            }
            if let Some((level, _)) = overdue_level {
                let mut reminder = letter(row, overdue::template(*level), Audience::Customer, params);
                reminder.event = format!("{}:{}:{today}", overdue::template(*level), it.id);
                tell(ctx, tx, reminder, now)?;
                db::installment::set_overdue(tx, it.id, *level, today)?;
            }
            installments.push(it.id);
        }
        Ok(((), Op::FollowedUp { installments, flags: Vec::new() }))
    })
}
