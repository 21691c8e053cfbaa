//! What a run would do now, and the first rule that stops everything else: reads, and touches nothing.

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use crate::db;
use crate::db::installment::Place;
use crate::domain::charge::{ChargeHour, Decision, Stop, decide};
use crate::domain::date::{At, moment, plus_days};
use crate::domain::id::{CustomerId, InstallmentId, RunId};
use crate::domain::money::Money;
use crate::ops::Ctx;

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
    /// From when its announcement allows a charge.
    pub charge_from: Option<At>,
    /// Whether its announcement would be queued.
    pub announce: bool,
    /// Whether it is a retry.
    pub retry: bool,
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
    /// Messages that would be sent, beside the announcements above.
    pub messages: u64,
}

/// Visits everything that is due, or falls due within the time of an announcement, in the order of a run.
///
/// # Errors
/// When the database cannot be read.
pub fn plan(ctx: &Ctx, now: At, mut visit: impl FnMut(Planned) -> Result<()>) -> Result<Rest> {
    let settings = &ctx.config.settings.debit;
    let hour = ChargeHour { time: settings.hour, zone: ctx.zone() };
    let ahead = TimeDelta::hours(i64::from(settings.announce_hours));
    let until = plus_days(ctx.today(now), ahead.num_days() + 1);
    for over in [false, true] {
        let mut place = Place::start();
        loop {
            let page = match over {
                false => db::installment::due_page(ctx.db.read(), RunId::new(0), until, place, PAGE)?,
                true => db::installment::over_page(ctx.db.read(), until, place, PAGE)?,
            };
            let Some(last) = page.last() else { break };
            place = Place { due: last.installment.due, id: last.installment.id };
            for mut row in page {
                // An order of which the rail has never heard is sent again, and an unpaid link is closed first.
                if row.open.as_ref().is_some_and(|open| open.unheard) {
                    row.candidate.open_charge = None;
                }
                let profile = ctx.config.rails.get(&row.rail).map(|rail| &rail.profile);
                let decision = match profile {
                    _ if row.is_disputed => Decision::Wait { stop: Stop::OpenCharge, until: None },
                    Some(profile) => decide(now, &row.candidate, profile, hour),
                    None => Decision::Wait { stop: Stop::NoMandate, until: None },
                };
                let (stop, until) = match decision {
                    Decision::Charge => (None, None),
                    Decision::Wait { stop, until } => (Some(stop), until),
                };
                let charge_at = moment(row.installment.due, settings.hour, ctx.zone());
                let may_announce = matches!(stop, Some(Stop::NotDue | Stop::NotAnnounced));
                visit(Planned {
                    installment: row.installment.id,
                    customer: row.customer,
                    due: row.installment.due,
                    amount: row.installment.amount,
                    rail: row.rail,
                    charge: stop.is_none(),
                    stop,
                    until,
                    charge_from: row.installment.charge_from,
                    announce: may_announce && row.installment.announced_at.is_none() && now >= charge_at - ahead,
                    retry: row.installment.failures > 0,
                })?;
            }
        }
    }
    rest(ctx, now)
}

fn rest(ctx: &Ctx, now: At) -> Result<Rest> {
    let conn = ctx.db.read();
    let contact = ctx.config.settings.messages.hours.next(now, ctx.zone()) == now;
    Ok(Rest {
        to_settle: db::charge::count_open(conn)?,
        mandates_waiting: db::mandate::count_in(conn, crate::domain::mandate::MandateStatus::Waiting)?,
        mandates_closing: db::mandate::count_in(conn, crate::domain::mandate::MandateStatus::Closing)?,
        messages: db::message::count_sendable(conn, now, !contact)?,
    })
}
