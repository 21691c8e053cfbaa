//! What a run would do now, and the first rule that stops everything else: reads, and touches nothing.

use std::collections::BTreeSet;

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use crate::db;
use crate::db::installment::{DueRow, Place};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{ChargeHour, Course, Decision, Stop, decide};
use crate::domain::date::{At, moment, plus_days};
use crate::domain::id::{AgreementId, CustomerId, InstallmentId, RunId};
use crate::domain::money::Money;
use crate::domain::rail::Profile;
use crate::ops::Ctx;
use crate::ops::debit::{announce, follow_up, roll};
use crate::t;

/// Installments read at once.
const PAGE: u32 = 500;

/// One installment in a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// Which.
    pub installment: InstallmentId,
    /// Whose.
    pub customer: CustomerId,
    /// The agreed day.
    pub due: NaiveDate,
    /// How much.
    pub amount: Money,
    /// On which rail.
    pub rail: String,
    /// Whether it would be charged.
    pub charge: bool,
    /// The first rule that stops it.
    pub stop: Option<Stop>,
    /// When that rule no longer stops it, where time alone changes it.
    pub until: Option<At>,
    /// The same where a step of kibble's own must come first, an announcement for example: the earliest moment at which it can be
    /// charged if that step is taken now; and the term's own time where a pause ends before it. `None` too where the window closes
    /// before.
    pub earliest: Option<At>,
    /// From when its announcement allows a charge.
    pub charge_from: Option<At>,
    /// Whether its announcement would be queued.
    pub announce: bool,
    /// Whether it is a retry.
    pub retry: bool,
    /// Whether the run would give it up: its window passed without a decided attempt.
    pub missed: bool,
}

impl Planned {
    /// The moment of which the rule's sentence speaks ([`stop_text`]): the end of a pause, else the earliest charge.
    pub fn rule_until(&self) -> Option<At> {
        if self.stop == Some(Stop::Paused) { self.until } else { self.earliest }
    }
}

/// What else a run would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rest {
    /// Charges and links whose outcome would be asked for.
    pub to_settle: u64,
    /// Mandates that would be asked about, because the customer has not agreed yet.
    pub mandates_waiting: u64,
    /// Mandates that would be closed.
    pub mandates_closing: u64,
    /// Messages that would be sent, as far as that is known before: those that wait, announcements, and reminders of what is overdue. What
    /// follows from an answer of a rail, a receipt for example, and what is said of an agreement that ends, is not among them.
    pub messages: u64,
}

/// Visits everything that is due, or falls due within the time of an announcement, in the order of a run.
///
/// # Errors
/// When the database cannot be read.
pub fn plan(ctx: &Ctx, now: At, visit: impl FnMut(Planned) -> Result<()>) -> Result<Rest> {
    plan_in(ctx, None, now, visit)?;
    rest(ctx, now)
}

/// The same without the rest; as it stands for `run`, which may have charged another term of an agreement, when given.
///
/// # Errors
/// When the database cannot be read.
pub fn plan_in(ctx: &Ctx, run: Option<RunId>, now: At, mut visit: impl FnMut(Planned) -> Result<()>) -> Result<()> {
    let settings = &ctx.config.settings.debit;
    let ahead = TimeDelta::hours(i64::from(settings.announce_hours));
    let until = plus_days(ctx.today(now), ahead.num_days() + 1);
    let mut charged: BTreeSet<AgreementId> = BTreeSet::new();
    for over in [false, true] {
        let mut place = Place::start();
        loop {
            let page = match over {
                false => db::installment::due_page(ctx.db.read(), run.unwrap_or(RunId::new(0)), until, place, PAGE)?,
                true => db::installment::over_page(ctx.db.read(), until, place, PAGE)?,
            };
            let Some(last) = page.last() else { break };
            place = Place { due: last.installment.due, id: last.installment.id };
            for mut row in page {
                row.candidate.charged_this_run |= charged.contains(&row.installment.id.agreement);
                let planned = planned(ctx, row, now);
                if planned.charge {
                    charged.insert(planned.installment.agreement);
                }
                visit(planned)?;
            }
        }
    }
    Ok(())
}

/// What a run would do about one installment now.
pub fn planned(ctx: &Ctx, mut row: DueRow, now: At) -> Planned {
    let settings = &ctx.config.settings.debit;
    let hour = ChargeHour { time: settings.hour, zone: ctx.zone() };
    row.candidate.resume(ctx.today(now));
    let missed = roll::would_end(ctx, &row, now) == Some(Course::Missed);
    // An order of which the rail has never heard is sent again, and an unpaid link is closed first.
    if row.open.as_ref().is_some_and(|open| open.unheard) {
        row.candidate.open_charge = None;
    }
    let decision = match roll::profile_of(ctx, &row) {
        _ if row.is_disputed => Decision::Wait { stop: Stop::OpenCharge, until: None },
        Some(profile) => decide(now, &row.candidate, profile, hour),
        None => Decision::Wait { stop: Stop::NoMandate, until: None },
    };
    // Nothing is charged on a rail that shop.toml does not name any more.
    let decision = match decision {
        Decision::Charge if !ctx.config.rails.contains_key(&row.rail) => {
            Decision::Wait { stop: Stop::NoMandate, until: None }
        }
        decision => decision,
    };
    let (stop, until) = match decision {
        Decision::Charge => (None, None),
        Decision::Wait { stop, until } => (Some(stop), until),
    };
    let earliest = match (stop, until, ctx.config.rails.get(&row.rail)) {
        (Some(Stop::Paused), Some(over), _) => after_pause(ctx, &row, over.max(now)),
        (Some(Stop::NotAnnounced), None, Some(rail)) => announce::earliest(ctx, &row, &rail.profile, now),
        (Some(Stop::RailNotice), None, Some(rail)) => after_notice(&row, &rail.profile, now),
        _ => until,
    };
    let announce = announce::would_announce(ctx, &row, now);
    Planned {
        installment: row.installment.id,
        customer: row.customer,
        due: row.installment.due,
        amount: row.installment.amount,
        rail: row.rail,
        charge: stop.is_none(),
        stop,
        until,
        earliest,
        charge_from: row.installment.charge_from,
        announce,
        retry: row.installment.failures > 0,
        missed,
    }
}

/// The earliest charge once a pause is over: what the same rules say at that moment of an agreement that runs.
fn after_pause(ctx: &Ctx, row: &DueRow, over: At) -> Option<At> {
    let mut row = row.clone();
    row.candidate.agreement = AgreementState::Active;
    let then = planned(ctx, row, over);
    if then.charge { Some(over) } else { then.earliest }
}

/// The earliest charge when the rail's own notice is given at the next hour in which it takes one.
fn after_notice(row: &DueRow, profile: &Profile, now: At) -> Option<At> {
    let given = profile.notice_hours.next(now, profile.timezone);
    let first = moment(profile.notice_covers(given).0, profile.hours.from, profile.timezone);
    row.candidate.window(profile).next(first)
}

/// The rule that stops a charge, in words, with its moment ([`Planned::rule_until`]).
pub fn stop_text(ctx: &Ctx, stop: Stop, due: NaiveDate, rail: &str, earliest: Option<At>) -> String {
    let until = earliest.map_or_else(|| "—".to_owned(), |at| ctx.wall(at));
    match stop {
        Stop::NotOpen => t!("it is settled"),
        Stop::AgreementNotLive => t!("the agreement is not running"),
        Stop::Paused => t!("the agreement is paused until {until}", until = until),
        Stop::PetGone => t!("the pet died, is lost or was returned"),
        Stop::TriesOver => t!("all tries are over; the customer pays by link or at the counter"),
        Stop::NoMandate => t!("no live mandate"),
        Stop::OpenCharge => t!("an earlier attempt has no outcome yet"),
        Stop::NotDue => t!("agreed for {due}, from {until}", due = due, until = until),
        Stop::NotAnnounced | Stop::NoticeTooYoung if earliest.is_none() => {
            t!("no announcement can be 48 hours old before the rail's window closes")
        }
        Stop::NotAnnounced => t!("not announced yet; earliest charge {until}", until = until),
        Stop::NoticeTooYoung => t!("the announcement is younger than 48 hours; earliest charge {until}", until = until),
        Stop::RailNotice if earliest.is_none() => {
            t!("the rail's own notice must come first, and the window closes before it is good")
        }
        Stop::RailNotice => t!("the rail's own notice must come first; earliest charge {until}", until = until),
        Stop::RetryLater => t!("next retry {until}", until = until),
        Stop::OutsideHours => {
            let hours = ctx.config.rails.get(rail).map_or(String::new(), |rail| rail.profile.hours.to_string());
            t!("{rail} accepts debits {hours}; next {until}", rail = rail, hours = hours, until = until)
        }
        Stop::WindowPassed => t!(
            "the rail's window has passed; the customer pays by link or at the counter, or on another day if one is free"
        ),
        Stop::OnePerRun => t!("another term of this agreement goes first; one per run"),
    }
}

fn rest(ctx: &Ctx, now: At) -> Result<Rest> {
    let conn = ctx.db.read();
    let quiet = ctx.config.settings.messages.hours.next(now, ctx.zone()) != now;
    let (reminders, to_owner) = follow_up::count(ctx, now)?;
    let to_customers = if quiet { 0 } else { announce::count(ctx, now)? + reminders };
    Ok(Rest {
        to_settle: db::charge::count_open(conn)?,
        mandates_waiting: db::mandate::count_in(conn, crate::domain::mandate::MandateStatus::Waiting)?,
        mandates_closing: db::mandate::count_in(conn, crate::domain::mandate::MandateStatus::Closing)?,
        messages: db::message::count_sendable(conn, now, quiet)? + to_customers + to_owner,
    })
}
