//! The debit run: guard, settle, roll, announce, charge, follow up, deliver, record, in this order. Safe at any moment, twice, after a
//! crash, a week late: it works from what is due and what is open, never from what the last run meant to do.

mod announce;
pub mod book;
mod charge;
mod flight;
mod follow_up;
mod guard;
pub mod list;
pub mod pay;
pub mod plan;
pub mod recovery;
pub mod report;
mod roll;
mod settle;

use anyhow::Result;

use crate::db;
use crate::domain::op::Op;
use crate::domain::rail::Reason;
use crate::ops::debit::report::{Concern, Need, RunReport};
use crate::ops::{Ctx, recon, refund, remind, statement, witness};
use crate::text::{Lang, lookup_in};

pub use announce::date_text;
pub use guard::copies as refuse_copies;
pub use guard::money as may_move_money;
pub use guard::{Refusal, refusal};

/// How a run is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The owner has looked at the backlog after an outage, or at a clock that leapt.
    pub confirm_backlog: bool,
    /// The owner says that the clock was ahead at the last run and is right now.
    pub confirm_clock: bool,
}

/// What became of starting a run.
#[derive(Debug)]
pub enum Outcome {
    /// Another run is at work.
    Busy,
    /// It ran.
    Ran(Box<RunReport>),
}

/// Runs the cycle once.
///
/// # Errors
/// When the guard refuses, or the database or the disk does; what was written before is complete in itself, and the next run goes on
/// from there.
pub fn run(ctx: &Ctx, options: &Options) -> Result<Outcome> {
    let Some(_lock) = guard::lock(ctx)? else { return Ok(Outcome::Busy) };
    let now = ctx.now();
    guard::check(ctx, options, now)?;
    let recovery = recovery::begin(ctx, now)?;
    let host = crate::config::host();
    let run = ctx.db.write(now, |tx| {
        let run = db::run::start(tx, &host, now)?;
        Ok((run, Op::RunStarted { run }))
    })?;
    let mut report = RunReport::new(run, now);
    settle::settle(ctx, run, &mut report, now)?;
    refunds(ctx, &mut report)?;
    roll::roll(ctx, run, &mut report, now)?;
    announce::announce(ctx, run, &mut report, now)?;
    charge::charge(ctx, run, &mut report, now)?;
    follow_up::follow_up(ctx, run, &mut report, now)?;
    deliver(ctx, &mut report)?;
    if let Some((count, oldest)) = recon::overdue(ctx, now)? {
        report.need(Need {
            record: "recon".to_owned(),
            customer: None,
            what: Concern::BillsDiffer { count, oldest },
            next: "kibble recon list".to_owned(),
            urgent: false,
        });
    }
    if let Some(recovery) = recovery {
        recovery.end(ctx, &mut report, now)?;
    }
    report.propose(ctx, now)?;
    let written = serde_json::to_string(&report)?;
    ctx.db.write(now, |tx| {
        db::run::end(tx, run, &written, now)?;
        Ok(((), Op::RunEnded { run, needs: u64::try_from(report.needs.len())? }))
    })?;
    witness::remember(ctx)?;
    Ok(Outcome::Ran(Box::new(report)))
}

fn refunds(ctx: &Ctx, report: &mut RunReport) -> Result<()> {
    let settled = refund::settle_open_refunds(ctx, ctx.now())?;
    report.refunds_paid += settled.paid;
    // Said by every run, until the money was handed over.
    for refund in db::refund::declined(ctx.db.read())? {
        report.need(Need {
            record: refund.id.to_string(),
            customer: Some(refund.customer),
            what: Concern::RefundDeclined { said: format!("{} {}", refund.said, refund.code).trim().to_owned() },
            next: refund::hand_over_command(ctx.db.read(), &refund)?,
            urgent: true,
        });
    }
    for refund in refund::stranded(ctx)? {
        report.need(Need {
            record: refund.id.to_string(),
            customer: Some(refund.customer),
            what: Concern::RefundStranded { rail: refund.rail.clone() },
            next: refund::hand_over_command(ctx.db.read(), &refund)?,
            urgent: true,
        });
    }
    for owed in statement::to_hand_over(ctx)? {
        report.need(Need {
            record: owed.agreement.to_string(),
            customer: Some(owed.customer),
            what: Concern::SettlementByHand { amount: owed.amount, pay_by: owed.pay_by },
            next: format!("kibble agreement settle {}", owed.agreement),
            urgent: owed.pay_by < ctx.today(report.at),
        });
    }
    for (rail, said) in settled.down {
        report.rail_trouble(&rail, Concern::RailDown { said });
    }
    Ok(())
}

fn deliver(ctx: &Ctx, report: &mut RunReport) -> Result<()> {
    let delivered = remind::deliver(ctx, ctx.now())?;
    report.messages_sent += delivered.sent;
    report.messages_waiting += delivered.later + delivered.capped;
    for (channel, stop) in delivered.stopped {
        let next = if stop.broken { "kibble doctor" } else { "kibble remind list --state queued" };
        report.need(Need {
            record: channel,
            customer: None,
            what: Concern::MessagesStuck { said: stop.said },
            next: next.to_owned(),
            urgent: true,
        });
    }
    for message in delivered.in_doubt {
        let next = match delivered.undecidable.contains(&message) {
            true => format!("kibble why {message}"),
            false => "kibble remind list --state unknown".to_owned(),
        };
        report.need(Need {
            record: message.to_string(),
            customer: None,
            what: Concern::MessageInDoubt,
            next,
            urgent: true,
        });
    }
    for message in delivered.failed {
        report.need(Need {
            record: message.to_string(),
            customer: None,
            what: Concern::MessageFailed,
            next: format!("kibble remind retry {message}"),
            urgent: false,
        });
    }
    Ok(())
}

/// Why a charge was declined, for people.
pub fn reason_text(reason: Option<Reason>, lang: Lang) -> &'static str {
    use crate::english;
    let english = match reason {
        Some(Reason::NoFunds) => english!("no funds"),
        Some(Reason::Limit) => english!("limit reached"),
        Some(Reason::MandateGone) => english!("mandate ended"),
        Some(Reason::CustomerBlocked) => english!("account cannot pay"),
        Some(Reason::RiskRefused) => english!("refused by risk control"),
        Some(Reason::OutsidePlan) => english!("outside the agreed dates"),
        Some(Reason::OurConfiguration) => english!("our settings"),
        Some(Reason::Other) | None => english!("not collected"),
    };
    lookup_in(lang, english)
}
