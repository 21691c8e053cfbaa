//! Step 3: brings agreements, mandates and statements up to today, and names the windows that were missed.

use anyhow::Result;

use crate::db;
use crate::db::installment::{DueRow, Place, Progress};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{ChargeHour, Course, Decision, InstallmentState, Stop, decide};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, InstallmentId, RunId};
use crate::domain::op::Op;
use crate::domain::retry;
use crate::ops::debit::book::{lane_ended, term_failed};
use crate::ops::debit::report::{Concern, Need, RunReport};
use crate::ops::{Ctx, agreement, mandate, statement};

/// Installments looked at per commit.
const PAGE: u32 = 500;

/// Rolls everything forward.
pub fn roll(ctx: &Ctx, run: RunId, report: &mut RunReport, now: At) -> Result<()> {
    let synced = mandate::sync_waiting(ctx, now)?;
    report.mandates_live += synced.live;
    report.resumed += agreement::end_pauses(ctx, now)?;
    overtaken(ctx, run, report, now)?;
    report.completed += agreement::complete_finished(ctx, now)?;
    let confirmed = statement::confirm_due_statements(ctx, now)?;
    report.statements_confirmed += confirmed.count;
    let stuck: Vec<AgreementId> = confirmed.stuck.iter().map(|(agreement, _)| *agreement).collect();
    for (agreement, why) in confirmed.stuck {
        report.need(Need {
            record: agreement.to_string(),
            customer: None,
            what: Concern::StatementStuck { why },
            next: "kibble check".to_owned(),
            urgent: true,
        });
    }
    for outlived in mandate::close_outlived(ctx, now)? {
        report.mandates_ended += 1;
        report.need(Need {
            record: outlived.id.to_string(),
            customer: None,
            what: Concern::MandateEnded { by: "expiry".to_owned() },
            next: format!("kibble sign --again {}", outlived.agreement),
            urgent: false,
        });
    }
    let pursued = mandate::pursue_closing(ctx, now)?;
    report.mandates_closed += pursued.closed;
    for (mandate, said) in pursued.refused {
        report.need(Need {
            record: mandate.to_string(),
            customer: None,
            what: Concern::MandateNotClosed { said },
            next: format!("kibble mandate close {mandate} --reason TEXT"),
            urgent: true,
        });
    }
    for (rail, said) in synced.down.into_iter().chain(pursued.down) {
        report.rail_trouble(&rail, Concern::RailDown { said });
    }
    for statement in db::statement::in_state(ctx.db.read(), "open")? {
        if stuck.contains(&statement.agreement) {
            continue;
        }
        report.need(Need {
            record: statement.agreement.to_string(),
            customer: None,
            what: Concern::StatementOpen { confirm_by: statement.confirm_by },
            next: format!("kibble agreement confirm {}", statement.agreement),
            urgent: false,
        });
    }
    Ok(())
}

/// What time or events did to an installment that was to be charged.
enum Overtaken {
    /// The agreement ended: it is not collected any more.
    Cancelled,
    /// Its window passed, or it has no mandate, without a decided attempt: neutral.
    Missed,
    /// It had failed once, and the time for retries is over.
    Failed,
    /// A mandate declined, and the one after it ended before it was tried.
    LaneEnded,
}

/// Walks over everything that fell due before today and writes what became of installments whose time is over. What falls due today
/// still has its day.
fn overtaken(ctx: &Ctx, run: RunId, report: &mut RunReport, now: At) -> Result<()> {
    let mut place = Place::start();
    loop {
        let page = db::installment::elapsed_page(ctx.db.read(), run, ctx.today(now), place, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        place = Place { due: last.installment.due, id: last.installment.id };
        let over: Vec<InstallmentId> =
            page.iter().filter(|row| judge(ctx, row, now).is_some()).map(|row| row.installment.id).collect();
        if !over.is_empty() {
            write(ctx, run, &over, report, now)?;
        }
    }
}

/// What a run at `now` would make of an installment whose time is over: missed, without a decided attempt, or failed.
pub fn would_end(ctx: &Ctx, row: &DueRow, now: At) -> Option<Course> {
    let has_elapsed = row.installment.due < ctx.today(now) || row.installment.lane > 1;
    match judge(ctx, row, now).filter(|_| has_elapsed)? {
        Overtaken::Missed => Some(Course::Missed),
        Overtaken::Failed => Some(Course::Failed),
        Overtaken::Cancelled | Overtaken::LaneEnded => None,
    }
}

fn judge(ctx: &Ctx, row: &DueRow, now: At) -> Option<Overtaken> {
    let mut candidate = row.candidate.clone();
    // An order that the rail has never heard of does not keep the installment waiting.
    let unheard = row.open.as_ref().is_some_and(|open| open.unheard);
    if unheard {
        candidate.open_charge = None;
    }
    // A bill says that it was paid: whoever decides about that decides about the term.
    if row.is_disputed {
        return None;
    }
    let profile = profile_of(ctx, row)?;
    let settings = &ctx.config.settings;
    let hour = ChargeHour { time: settings.debit.hour, zone: settings.timezone };
    let window_over = now >= candidate.window(profile).closes();
    let too_late = |course: Course| if course == Course::Failing { Overtaken::Failed } else { Overtaken::Missed };
    match decide(now, &candidate, profile, hour) {
        Decision::Wait { stop: Stop::AgreementNotLive, .. } => match candidate.agreement {
            AgreementState::Waiting => None,
            _ => Some(Overtaken::Cancelled),
        },
        Decision::Wait { stop: Stop::NoMandate, .. } if candidate.lane > 1 && !window_over => {
            Some(Overtaken::LaneEnded)
        }
        Decision::Wait { stop: Stop::WindowPassed, .. } => Some(too_late(candidate.course)),
        Decision::Wait { stop: Stop::NoMandate | Stop::PetGone, .. } if window_over => Some(too_late(candidate.course)),
        // Nothing is sent again during a pause, so the order would stay open for as long as that lasts.
        Decision::Wait { stop: Stop::Paused, .. } if unheard && window_over => Some(too_late(candidate.course)),
        Decision::Wait { stop: Stop::OpenCharge | Stop::NotOpen | Stop::Paused, .. } => None,
        _ => {
            let retries_over =
                row.installment.first_failed_at.is_some_and(|first| now > retry::deadline(first, profile));
            (candidate.course == Course::Failing && retries_over).then_some(Overtaken::Failed)
        }
    }
}

/// The rules of the rail on which an installment is collected.
pub fn profile_of<'a>(ctx: &'a Ctx, row: &DueRow) -> Option<&'a crate::domain::rail::Profile> {
    // Without a live mandate the cash profile's wide window would never close: any rail of the shop gives the ordinary one.
    let named = ctx.config.rails.get(&row.rail);
    let any = || ctx.config.rails.values().find(|rail| rail.name != "cash");
    named.or_else(any).map(|rail| &rail.profile)
}

/// Writes what became of installments, judged once more: a clerk may have taken the money of one, or moved its day, a moment ago.
fn write(ctx: &Ctx, run: RunId, over: &[InstallmentId], report: &mut RunReport, now: At) -> Result<()> {
    let mut flags = Vec::new();
    let mut effects = Vec::new();
    let mut missed = Vec::new();
    ctx.db.write(now, |tx| {
        let mut installments: Vec<InstallmentId> = Vec::with_capacity(over.len());
        for id in over {
            let Some(row) = db::installment::due_one(tx, Some(run), *id)? else { continue };
            let Some(what) = judge(ctx, &row, now) else { continue };
            let it = &row.installment;
            if let Some(open) = row.open.as_ref().filter(|open| open.unheard) {
                db::charge::void(tx, open.id, db::charge::NOT_FOUND, now)?;
            }
            match what {
                Overtaken::Cancelled => db::installment::set_state(tx, it.id, InstallmentState::Cancelled)?,
                Overtaken::Missed => {
                    db::installment::set_progress(tx, it.id, ended(&row, Course::Missed))?;
                    missed.push((it.id, row.customer, it.due));
                }
                Overtaken::Failed => {
                    db::installment::set_progress(tx, it.id, ended(&row, Course::Failed))?;
                    if term_failed(ctx, tx, &row, now)? {
                        flags.push(it.id.agreement);
                    }
                }
                Overtaken::LaneEnded => {
                    if let Some(effect) = lane_ended(ctx, tx, &row, now)? {
                        effects.push((row, effect));
                    }
                }
            }
            installments.push(*id);
        }
        Ok(((), Op::FollowedUp { installments, flags: flags.clone() }))
    })?;
    for (row, effect) in effects {
        report.lane_ended(&row, effect);
    }
    for (id, customer, due) in missed {
        report.missed += 1;
        report.missed(id, customer, due);
    }
    Ok(())
}

fn ended(row: &DueRow, course: Course) -> Progress {
    let it = &row.installment;
    Progress { course, lane: 1, failures: it.failures, first_failed_at: it.first_failed_at, next_try_at: None }
}

#[cfg(test)]
mod tests {
    use super::{RunReport, write};
    use chrono::NaiveDate;

    use crate::db;
    use crate::db::installment::NewInstallment;
    use crate::domain::charge::{Course, InstallmentState};
    use crate::domain::id::InstallmentId;
    use crate::domain::money::Money;
    use crate::domain::op::Op;
    use crate::ops::debit::pay::pay_at_counter;
    use crate::ops::read_now;
    use crate::ops::testing::TestShop;

    #[test]
    fn a_term_paid_at_the_counter_since_the_run_looked_is_not_given_up() {
        let shop = TestShop::open();
        let agreement = shop.sign(shop.customer("王小明", 1).id);
        shop.clock.set(read_now("2026-12-20T10:00", shop.zone()).unwrap());
        let now = shop.now();
        let [paid, open] = [1, 2].map(|term| InstallmentId { agreement, term });
        let due = NaiveDate::from_ymd_opt(2026, 12, 5).unwrap();
        let run = shop.db.write(now, |tx| {
            for id in [paid, open] {
                let amount = Money::from_fen(19_900);
                let new = NewInstallment { id, due, registered: due, amount, state: InstallmentState::Open };
                db::installment::create(tx, &new)?;
            }
            let run = db::run::start(tx, "here", now)?;
            Ok((run, Op::RunStarted { run }))
        });
        let run = run.unwrap();
        pay_at_counter(&shop, paid, now).unwrap();
        let mut report = RunReport::new(run, now);
        write(&shop, run, &[paid, open], &mut report, now).unwrap();
        let stands = |id| {
            let it = db::installment::get(shop.db.read(), id).unwrap().unwrap();
            (it.state, it.course)
        };
        assert_eq!(stands(paid), (InstallmentState::Paid, Course::Planned));
        assert_eq!((stands(open), report.missed), ((InstallmentState::Open, Course::Missed), 1));
    }
}
