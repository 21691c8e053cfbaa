//! Step 4: tells customers of coming debits early enough, by message and, where the rail has a notice of its own, through the rail. A charge
//! is allowed a set number of hours after the message reached its channel, so announcing is queueing here and counting at delivery.

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use crate::adapters::rail::{DebitNotice, MandateRef, Rail, Trouble};
use crate::config::RailSettings;
use crate::db;
use crate::db::installment::{DueRow, Place};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{Course, InstallmentState};
use crate::domain::date::{At, day_of, moment, plus_days};
use crate::domain::id::{InstallmentId, MandateId, RunId};
use crate::domain::mandate::MandateStatus;
use crate::domain::message::Audience;
use crate::domain::op::Op;
use crate::domain::rail::{Profile, RailNotice, Reason};
use crate::ops::debit::book::letter;
use crate::ops::debit::flight::with_pool;
use crate::ops::debit::report::{Concern, Need, RunReport};
use crate::ops::remind::tell;
use crate::ops::{Ctx, Event, mandate};
use crate::t;
use crate::text::Lang;

/// Installments per commit.
const PAGE: u32 = 200;

/// Announces what falls due soon: first the messages, then the notices of rails that have one of their own.
pub fn announce(ctx: &Ctx, run: RunId, report: &mut RunReport, now: At) -> Result<()> {
    let until = last_day(ctx, now);
    ctx.say(Event::Begin { label: t!("announcing"), total: 0 });
    let mut place = Place::start();
    loop {
        let page = db::installment::unannounced_page(ctx.db.read(), until, place, PAGE)?;
        let Some(last) = page.last() else { break };
        place = Place { due: last.installment.due, id: last.installment.id };
        messages(ctx, &page, report, now)?;
        ctx.say(Event::Step(u64::try_from(page.len())?));
    }
    if ctx.config.rails.values().any(|rail| takes_notices(&rail.profile, now)) {
        let mut place = Place::start();
        loop {
            let page = db::installment::due_page(ctx.db.read(), run, until, place, PAGE)?;
            let Some(last) = page.last() else { break };
            place = Place { due: last.installment.due, id: last.installment.id };
            rail_notices(ctx, &page, report, now)?;
        }
    }
    ctx.say(Event::End);
    Ok(())
}

/// Whether a debit of this installment is to be expected at all.
fn is_coming(row: &DueRow) -> bool {
    row.installment.state == InstallmentState::Open
        && matches!(row.installment.course, Course::Planned | Course::Failing)
        && row.candidate.agreement == AgreementState::Active
        && !row.candidate.pet_gone
        && matches!(row.candidate.mandate, Some((_, MandateStatus::Live)))
        && row.candidate.mandate_until.is_some_and(|until| row.installment.due <= until)
}

/// What the customer hears of a coming debit today.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The announcement that the charge waits for, and the day on which the debit will be made.
    Announcement(NaiveDate),
    /// The earlier reminder.
    HeadsUp,
}

/// Whether a run at `now` would announce the installment.
pub fn would_announce(ctx: &Ctx, row: &DueRow, now: At) -> bool {
    let Some(rail) = ctx.config.rails.get(&row.rail) else { return false };
    matches!(word(ctx, row, &rail.profile, now), Some(Word::Announcement(_)))
}

/// How many messages a run at `now` would queue here.
///
/// # Errors
/// When the database cannot be read.
pub fn count(ctx: &Ctx, now: At) -> Result<u64> {
    let off = &ctx.config.settings.messages.off;
    let is_on = |template: &str| !off.iter().any(|off| off == template);
    let mut number = 0;
    let until = last_day(ctx, now);
    let mut place = Place::start();
    loop {
        let page = db::installment::unannounced_page(ctx.db.read(), until, place, PAGE)?;
        let Some(last) = page.last() else { return Ok(number) };
        place = Place { due: last.installment.due, id: last.installment.id };
        for mut row in page {
            row.candidate.resume(ctx.today(now));
            let Some(rail) = ctx.config.rails.get(&row.rail) else { continue };
            // The earlier reminder is the same text, sent earlier.
            if let Some(word) = word(ctx, &row, &rail.profile, now).filter(|_| is_on("pre_debit_48h")) {
                number += u64::from(!db::message::is_known(ctx.db.read(), &event(&row, word == Word::HeadsUp))?);
            }
        }
    }
}

/// The last due date of which anybody is told at `now`.
fn last_day(ctx: &Ctx, now: At) -> NaiveDate {
    let settings = &ctx.config.settings.debit;
    let soon = ctx.today(now + TimeDelta::hours(i64::from(settings.announce_hours)));
    soon.max(plus_days(ctx.today(now), i64::from(settings.heads_up_days)))
}

fn word(ctx: &Ctx, row: &DueRow, profile: &Profile, now: At) -> Option<Word> {
    if !is_coming(row) || row.installment.announced_at.is_some() {
        return None;
    }
    let settings = &ctx.config.settings.debit;
    let charge_at = moment(row.installment.due, settings.hour, ctx.zone());
    if now >= charge_at - TimeDelta::hours(i64::from(settings.announce_hours)) {
        return debit_day(ctx, row, profile, now).map(Word::Announcement);
    }
    let early = i64::from(settings.heads_up_days);
    (early > 0 && plus_days(row.installment.due, -early) == ctx.today(now)).then_some(Word::HeadsUp)
}

fn messages(ctx: &Ctx, page: &[DueRow], report: &mut RunReport, now: At) -> Result<()> {
    let mut to_tell: Vec<(&DueRow, &RailSettings, NaiveDate, bool)> = Vec::new();
    for row in page.iter().filter(|row| is_coming(row)) {
        let rail = ctx.config.rail(&row.rail)?;
        match word(ctx, row, &rail.profile, now) {
            Some(Word::Announcement(day)) => to_tell.push((row, rail, day, false)),
            Some(Word::HeadsUp) => to_tell.push((row, rail, row.installment.due, true)),
            None => {}
        }
    }
    if to_tell.is_empty() {
        return Ok(());
    }
    let announced = ctx.db.write(now, |tx| {
        let mut announced: Vec<InstallmentId> = Vec::new();
        for (row, rail, day, heads_up) in &to_tell {
            let id = row.installment.id;
            let params = json!({
                "n": id.term,
                "terms": row.terms,
                "amount": row.installment.amount.to_string(),
                "date": date_text(*day, Lang::Zh),
                "date_en": date_text(*day, Lang::En),
                "channel": rail.label(Lang::Zh),
                "channel_en": rail.label(Lang::En),
            });
            let mut announcement = letter(row, "pre_debit_48h", Audience::Customer, params);
            announcement.event = event(row, *heads_up);
            tell(ctx, tx, announcement, now)?;
            if !heads_up {
                db::installment::set_announced(tx, id, now)?;
                announced.push(id);
            }
        }
        Ok((announced.clone(), Op::NoticesGiven { kind: "message".into(), installments: announced }))
    })?;
    report.announced += u64::try_from(announced.len())?;
    for (_, _, day, _) in to_tell.iter().filter(|it| !it.3) {
        let (first, last) = report.announced_for.unwrap_or((*day, *day));
        report.announced_for = Some((first.min(*day), last.max(*day)));
    }
    Ok(())
}

/// What is told once.
fn event(row: &DueRow, heads_up: bool) -> String {
    let kind = if heads_up { "heads_up" } else { "pre_debit_48h" };
    format!("{kind}:{}:{}", row.installment.id, row.installment.due)
}

/// The day on which the debit will be made if it is announced now: the agreed day, or the first day the notice and the rail allow.
/// `None` when the window closes before the notice is old enough.
fn debit_day(ctx: &Ctx, row: &DueRow, profile: &Profile, now: At) -> Option<NaiveDate> {
    earliest(ctx, row, profile, now).map(|at| day_of(at, ctx.zone()))
}

/// The earliest charge if the announcement is queued now.
pub fn earliest(ctx: &Ctx, row: &DueRow, profile: &Profile, now: At) -> Option<At> {
    let settings = &ctx.config.settings.debit;
    let agreed = moment(row.installment.due, settings.hour, ctx.zone());
    let ready =
        ctx.config.settings.messages.hours.next(now, ctx.zone()) + TimeDelta::hours(i64::from(settings.notice_hours));
    let window = row.candidate.window(profile);
    window.next(agreed.max(ready))
}

/// `12月15日` or `Dec 15`.
pub fn date_text(day: NaiveDate, lang: Lang) -> String {
    use chrono::Datelike;
    match lang {
        Lang::Zh => format!("{}月{}日", day.month(), day.day()),
        Lang::En => day.format("%b %-d").to_string(),
    }
}

/// One notice through a rail.
struct Due<'a> {
    row: &'a DueRow,
    lane: u32,
    /// Under which mandate; `None` when the row has none.
    mandate: Option<MandateId>,
    rail: String,
    notice: DebitNotice,
}

/// Has the rails tell customers, where their profile wants that from us. A notice that fails is tried again by the next run.
fn rail_notices(ctx: &Ctx, page: &[DueRow], report: &mut RunReport, now: At) -> Result<()> {
    let mut due: Vec<Due<'_>> = Vec::new();
    for row in page.iter().filter(|row| is_announced(ctx, row, now)) {
        if needs_rail_notice(ctx, &row.rail, row, row.candidate.rail_notice_at, now)? {
            let reference = MandateRef { contract_no: row.contract_no.clone(), provider_no: row.provider_no.clone() };
            let mandate = row.candidate.mandate.map(|(id, _)| id);
            due.push(one(row, (row.installment.lane, mandate), row.rail.clone(), reference));
        }
        if row.has_next_lane {
            fallback_notice(ctx, row, &mut due, now)?;
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    let ask = |rail: &dyn Rail, notice: DebitNotice| rail.announce(&notice);
    let said = with_pool(&ctx.rails, !ctx.clock.is_rehearsal(), &ask, |pool| {
        pool.ask_all(due.iter().map(|it| (it.rail.clone(), it.notice.clone())).collect())
    });
    let mut given = Vec::with_capacity(due.len());
    for (it, said) in due.iter().zip(said) {
        match said {
            Some(Ok(()) | Err(Trouble::Unsupported)) => given.push(it),
            Some(Err(Trouble::Refused { reason: Reason::MandateGone, .. })) => mandate_gone(ctx, it, report, now)?,
            Some(Err(trouble)) => trouble_with(&it.rail, &trouble, report),
            None => {}
        }
    }
    if given.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        for it in &given {
            let installment = &it.row.installment;
            db::installment::put_notice(tx, installment.id, "rail", it.lane, installment.due, installment.amount, now)?;
        }
        let installments = given.iter().map(|it| it.row.installment.id).collect();
        Ok(((), Op::NoticesGiven { kind: "rail".into(), installments }))
    })
}

fn one(row: &DueRow, (lane, id): (u32, Option<MandateId>), rail: String, mandate: MandateRef) -> Due<'_> {
    let notice = DebitNotice { mandate, amount: row.installment.amount, due: row.installment.due };
    Due { row, lane, mandate: id, rail, notice }
}

/// The second mandate may be charged minutes after the first declined, so its rail is told ahead too.
fn fallback_notice<'a>(ctx: &Ctx, row: &'a DueRow, due: &mut Vec<Due<'a>>, now: At) -> Result<()> {
    let lane = row.installment.lane + 1;
    let mandates = db::mandate::of_agreement(ctx.db.read(), row.installment.id.agreement)?;
    let Some(mandate) = mandates.into_iter().find(|it| it.lane == lane && it.state == MandateStatus::Live) else {
        return Ok(());
    };
    let given = db::installment::notices(ctx.db.read(), row.installment.id)?
        .into_iter()
        .find(|notice| notice.kind == "rail" && notice.lane == lane)
        .map(|notice| notice.given_at);
    if needs_rail_notice(ctx, &mandate.rail, row, given, now)? {
        let reference = MandateRef { contract_no: mandate.contract_no, provider_no: mandate.provider_no };
        due.push(one(row, (lane, Some(mandate.id)), mandate.rail, reference));
    }
    Ok(())
}

fn is_announced(ctx: &Ctx, row: &DueRow, now: At) -> bool {
    let settings = &ctx.config.settings.debit;
    let charge_at = moment(row.installment.due, settings.hour, ctx.zone());
    is_coming(row) && now >= charge_at - TimeDelta::hours(i64::from(settings.announce_hours))
}

/// Whether a rail has notices of its own and takes them at this hour.
fn takes_notices(profile: &Profile, now: At) -> bool {
    profile.notice == RailNotice::Announce && profile.notice_hours.next(now, profile.timezone) == now
}

fn needs_rail_notice(ctx: &Ctx, rail: &str, row: &DueRow, given: Option<At>, now: At) -> Result<bool> {
    let profile = &ctx.config.rail(rail)?.profile;
    if !takes_notices(profile, now) {
        return Ok(false);
    }
    let wanted = row.installment.due.max(day_of(now, profile.timezone));
    Ok(match given {
        None => true,
        // A notice that has run out is given again, as long as the window lets a charge follow it.
        Some(given) => {
            let (first, _) = profile.notice_covers(now);
            profile.notice_covers(given).1 < wanted
                && first <= profile.window(row.installment.due, profile.registered(row.installment.due)).last_day
        }
    })
}

/// The rail gives no notice because the customer ended the mandate: asked, written and told now. Without its notice no charge would
/// ever be tried, so nothing else would find out.
fn mandate_gone(ctx: &Ctx, it: &Due<'_>, report: &mut RunReport, now: At) -> Result<()> {
    let Some(id) = it.mandate else { return Ok(()) };
    for ended in mandate::sync(ctx, id, now)?.ended {
        report.mandates_ended += 1;
        let by = db::mandate::get(ctx.db.read(), ended)?.and_then(|it| it.end_cause).unwrap_or_default();
        report.need(Need {
            record: ended.to_string(),
            customer: Some(it.row.customer),
            what: Concern::MandateEnded { by },
            next: format!("kibble sign --again {}", it.row.installment.id.agreement),
            urgent: false,
        });
    }
    Ok(())
}

fn trouble_with(rail: &str, trouble: &Trouble, report: &mut RunReport) {
    let said = trouble.to_string();
    match trouble {
        Trouble::Unreachable { .. } => report.rail_trouble(rail, Concern::RailDown { said }),
        Trouble::Refused { reason: Reason::OurConfiguration, .. } => {
            report.rail_trouble(rail, Concern::RailMisconfigured { said });
        }
        Trouble::Refused { .. } | Trouble::Unsupported => {}
    }
}
