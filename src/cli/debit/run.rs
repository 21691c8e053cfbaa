//! `kibble debit run`: what happened and what needs a person, in that order; with `--dry-run` what would happen, and why not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::debit::recovery as story;
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui, columns};
use crate::domain::date::At;
use crate::domain::money::Money;
use crate::ops::debit::plan::{Planned, Rest, plan, stop_text};
use crate::ops::debit::recovery::{self, Recovery};
use crate::ops::debit::report::{Concern, Need, RunReport};
use crate::ops::debit::{self, Options, Outcome, Refusal, reason_text};
use crate::ops::{Ctx, customer};
use crate::t;
use crate::text::{self, Lang};

/// At most so many lines of what needs a person are printed; the rest is counted.
const NEEDS_SHOWN: usize = 30;

/// Charge, retry, remind and flag: everything that is due; safe at any moment and twice
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show what would be charged, what would be said as far as it is known before, and why everything else would not be charged; touch nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on although much has piled up or the clock leapt; you have looked at it
    #[arg(long)]
    confirm_backlog: bool,
    /// Go on although the last run bears a later time; the clock was ahead then and is right now
    #[arg(long)]
    confirm_clock: bool,
}

/// Runs the cycle once, or shows what it would do.
///
/// # Errors
/// Those of [`debit::run`].
pub fn run(args: &Args, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let options = Options { confirm_backlog: args.confirm_backlog, confirm_clock: args.confirm_clock };
    if args.dry_run {
        return dry_run(ctx, &options, ui);
    }
    match debit::run(ctx, &options)? {
        Outcome::Busy => {
            #[derive(Serialize)]
            struct Busy {
                busy: bool,
            }
            ui.answer(&Busy { busy: true }, |ui| {
                ui.status(&t!("another debit run is at work; nothing to do"));
                Ok(())
            })?;
            Ok(Exit::Done)
        }
        Outcome::Ran(report) => {
            ui.answer(&report, |ui| show(ctx, ui, &report))?;
            Ok(if report.needs_person() { Exit::NeedsPerson } else { Exit::Done })
        }
    }
}

fn show(ctx: &Ctx, ui: &Ui, report: &RunReport) -> anyhow::Result<()> {
    let title = t!(
        "Debit run {run} · {time} · {zone}",
        run = report.run,
        time = long_time(ctx, report.at),
        zone = ctx.zone().name()
    );
    ui.data(&ui.paint(Paint::Heading, &title));
    if let Some(recovery) = &report.recovery {
        story::show(ctx, ui, recovery, shown(report).1.is_empty())?;
    }
    let lines = happened(ctx, report);
    if lines.is_empty() {
        ui.data(&format!("  {}", t!("nothing was due")));
    }
    for line in columns(&lines, &[]) {
        ui.data(&format!("  {line}"));
    }
    needs(ctx, ui, report)
}

/// What happened, a line a step; steps in which nothing happened are left out.
fn happened(ctx: &Ctx, report: &RunReport) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut line = |word: String, count: String, rest: String| lines.push(vec![word, count, rest]);
    let settled: u64 = report.settled.values().sum();
    if settled > 0 {
        let part = |(word, count): (&&str, &u64)| match *word {
            "paid" => t!("{count} paid {amount}", count = count, amount = report.settled_amount.yuan()),
            word => format!("{count} {}", effect_text(word)),
        };
        let parts: Vec<String> = report.settled.iter().map(part).collect();
        let counted = t!("{count} open {count|charge|charges}", count = settled);
        line(t!("settled"), counted, parts.join(" · "));
    }
    if report.refunds_paid > 0 {
        line(t!("refunds"), t!("{count} paid", count = report.refunds_paid), String::new());
    }
    if report.mandates_live + report.mandates_closed + report.mandates_ended > 0 {
        let parts = [
            (report.mandates_live, t!("{count} agreed", count = report.mandates_live)),
            (report.mandates_closed, t!("{count} closed", count = report.mandates_closed)),
            (report.mandates_ended, t!("{count} ended outside", count = report.mandates_ended)),
        ];
        line(t!("mandates"), joined(&parts), String::new());
    }
    if report.completed + report.resumed + report.statements_confirmed > 0 {
        let parts = [
            (report.completed, t!("{count} completed", count = report.completed)),
            (report.resumed, t!("{count} resumed", count = report.resumed)),
            (report.statements_confirmed, t!("{count} settled by deadline", count = report.statements_confirmed)),
        ];
        line(t!("agreements"), joined(&parts), String::new());
    }
    if report.announced > 0 {
        let days = report.announced_for.map_or(String::new(), |(first, last)| match first == last {
            true => t!("for {day}", day = first),
            false => t!("for {first} to {last}", first = first, last = last),
        });
        let count = t!("{count} {count|debit|debits}", count = report.announced);
        line(t!("announced"), count, days);
    }
    if report.charged > 0 {
        line(t!("charged"), t!("{count} due", count = report.charged), charged(report));
    }
    if report.retries > 0 {
        let at = report.next_retry.map_or(String::new(), |at| near_time(ctx, report.at, at));
        line(t!("retries"), t!("{count} planned", count = report.retries), at);
    }
    if report.links > 0 {
        line(t!("pay links"), t!("{count} made", count = report.links), String::new());
    }
    if report.missed > 0 {
        let count = t!("{count} {count|window|windows}", count = report.missed);
        line(t!("missed"), count, String::new());
    }
    if report.messages_sent + report.messages_waiting > 0 {
        let parts = [
            (report.messages_sent, t!("{count} sent", count = report.messages_sent)),
            (report.messages_waiting, t!("{count} waiting", count = report.messages_waiting)),
        ];
        line(t!("messages"), joined(&parts), String::new());
    }
    lines
}

fn joined(parts: &[(u64, String)]) -> String {
    parts.iter().filter(|part| part.0 > 0).map(|part| part.1.clone()).collect::<Vec<_>>().join(" · ")
}

fn charged(report: &RunReport) -> String {
    let mut parts = vec![t!("{count} paid {amount}", count = report.paid, amount = report.paid_amount.yuan())];
    let declined: u64 = report.declined.values().sum();
    if declined > 0 {
        let reasons: Vec<String> = report
            .declined
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason_text(Some(*reason), text::lang())))
            .collect();
        parts.push(t!("{count} declined ({reasons})", count = declined, reasons = list(&reasons)));
    }
    if report.pending > 0 {
        parts.push(t!("{count} pending", count = report.pending));
    }
    if report.unknown > 0 {
        parts.push(t!("{count} unknown", count = report.unknown));
    }
    parts.join(" · ")
}

fn list(parts: &[String]) -> String {
    parts.join(if text::lang() == Lang::Zh { "、" } else { ", " })
}

fn effect_text(word: &str) -> String {
    match word {
        "declined" => t!("declined"),
        "pending" => t!("pending"),
        "void" => t!("closed unpaid"),
        "paid_twice" => t!("paid twice"),
        _ => t!("unknown"),
    }
}

fn needs(ctx: &Ctx, ui: &Ui, report: &RunReport) -> anyhow::Result<()> {
    if report.needs.is_empty() {
        return Ok(());
    }
    ui.data(&ui.paint(Paint::Warn, &t!("Needs you")));
    let (shown, elsewhere) = shown(report);
    let mut rows = Vec::new();
    for need in shown {
        let who = match need.customer {
            Some(customer) => customer::label(ctx, customer)?,
            None => String::new(),
        };
        rows.push(vec![need.record.clone(), who, concern_text(ctx, &need.what), need.next.clone()]);
    }
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    for (list, more) in elsewhere {
        ui.data(&format!("  {}", t!("and {count} more: `{list}`", count = more, list = list)));
    }
    Ok(())
}

/// What gets a line of its own, what cannot wait first; and how much more stands in which list. What stands in no list always gets its line.
fn shown(report: &RunReport) -> (Vec<&Need>, BTreeMap<&'static str, usize>) {
    let mut needs: Vec<&Need> = report.needs.iter().collect();
    needs.sort_by_key(|need| !need.urgent);
    let (mut shown, mut elsewhere) = (Vec::new(), BTreeMap::new());
    for need in needs {
        match list_of(&need.what).filter(|_| shown.len() >= NEEDS_SHOWN) {
            Some(list) => *elsewhere.entry(list).or_default() += 1,
            None => shown.push(need),
        }
    }
    (shown, elsewhere)
}

/// The command that lists everything of this kind.
const fn list_of(concern: &Concern) -> Option<&'static str> {
    match concern {
        Concern::TriesFailed { .. } => Some("kibble debit list failed"),
        Concern::Missed { .. } => Some("kibble debit list overdue"),
        Concern::Unknown { .. } => Some("kibble debit list unknown"),
        Concern::MandateEnded { .. } => Some("kibble mandate list"),
        Concern::MessageFailed => Some("kibble remind list --state failed"),
        Concern::MessageInDoubt => Some("kibble remind list --state unknown"),
        _ => None,
    }
}

fn concern_text(ctx: &Ctx, concern: &Concern) -> String {
    match concern {
        Concern::TriesFailed { reason, high_risk } => {
            let reason = reason_text(Some(*reason), text::lang());
            if *high_risk {
                t!("all tries declined, {reason}; high risk from now on", reason = reason)
            } else {
                t!("all tries declined, {reason}", reason = reason)
            }
        }
        Concern::MandateEnded { by } if by == "customer" => t!("mandate ended by the customer"),
        Concern::MandateEnded { by } if by == "expiry" => t!("mandate runs out before the next term"),
        Concern::MandateEnded { .. } => t!("mandate ended at the rail"),
        Concern::Missed { due } => t!("not collected in the rail's window after {due}", due = due),
        Concern::Unknown { rail } => t!("outcome unknown at {rail}; the next run asks again", rail = rail),
        Concern::PaidTwice { rail } => t!("{rail} reports a second payment; give it back", rail = rail),
        Concern::RailDown { said } => t!("rail cannot be reached: {said}", said = said),
        Concern::RailRefuses { said } => t!("not charged, because the rail refuses: {said}", said = said),
        Concern::RailMisconfigured { said } => t!("rail refuses our settings: {said}", said = said),
        Concern::RefundDeclined { said } => t!("refund refused: {said}", said = said),
        Concern::RefundStranded { rail } => t!(
            "its rail {rail} is not in shop.toml any more: look there whether it went back, or hand it over",
            rail = rail
        ),
        Concern::SettlementByHand { amount, pay_by } => t!(
            "{amount} of its settlement are to be handed over until {day}: no rail can pay them",
            amount = amount.yuan(),
            day = pay_by
        ),
        Concern::MessagesStuck { said } => t!("messages cannot be handed over: {said}", said = said),
        Concern::MessageFailed => t!("message cannot be sent"),
        Concern::MessageInDoubt => t!("nobody knows whether this message arrived"),
        Concern::MandateNotClosed { said } => t!("the rail does not close the mandate: {said}", said = said),
        Concern::StatementOpen { confirm_by } => {
            t!("settlement to confirm; confirms itself {time}", time = ctx.wall(*confirm_by))
        }
        Concern::StatementStuck { why } => t!("settlement cannot be worked out: {why}", why = why),
        Concern::BillsDiffer { count, oldest } => {
            t!(
                "{count} {count|line|lines} of bills {count|differs|differ} from our book, the oldest of {day}",
                count = count,
                day = oldest
            )
        }
    }
}

fn long_time(ctx: &Ctx, at: At) -> String {
    let local = at.with_timezone(&ctx.zone());
    let weekday = match (text::lang(), chrono::Datelike::weekday(&local).num_days_from_monday()) {
        (Lang::En, _) => local.format("%a").to_string(),
        (Lang::Zh, day) => {
            format!("周{}", ["一", "二", "三", "四", "五", "六", "日"][usize::try_from(day % 7).unwrap_or(0)])
        }
    };
    format!("{weekday} {}", local.format("%Y-%m-%d %H:%M"))
}

fn near_time(ctx: &Ctx, now: At, at: At) -> String {
    if ctx.today(now) == ctx.today(at) {
        t!("today {time}", time = at.with_timezone(&ctx.zone()).format("%H:%M"))
    } else {
        ctx.wall(at)
    }
}

#[derive(Serialize)]
struct DryRun {
    at: At,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
    charges: u64,
    amount: Money,
    announcements: u64,
    #[serde(flatten)]
    rest: Rest,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    installments: Vec<Planned>,
}

fn dry_run(ctx: &Ctx, options: &Options, ui: &Ui) -> anyhow::Result<Exit> {
    let now = ctx.now();
    // What a copy does not know may have been charged, so nothing true can be said of it. A backlog is there to be looked at.
    debit::refuse_copies(ctx)?;
    let mut answer = DryRun {
        at: now,
        refused: debit::refusal(ctx, options, now)?,
        charges: 0,
        amount: Money::ZERO,
        announcements: 0,
        rest: Rest::default(),
        recovery: recovery::begin(ctx, now)?.map(|begun| begun.forecast(ctx, now)).transpose()?,
        installments: Vec::new(),
    };
    if let Some(recovery) = answer.recovery.as_ref().filter(|_| !ui.is_json()) {
        story::show(ctx, ui, recovery, true)?;
    }
    // As text, lines go out as they come; only the one JSON document is collected.
    let json = ui.is_json();
    let rest = plan(ctx, now, |planned| {
        answer.charges += u64::from(planned.charge);
        answer.announcements += u64::from(planned.announce);
        if planned.charge {
            answer.amount += planned.amount;
        }
        if json {
            answer.installments.push(planned);
        } else {
            ui.data(&format!("  {}", planned_text(ctx, &planned)));
        }
        Ok(())
    })?;
    answer.rest = rest;
    ui.answer(&answer, |ui| {
        ui.data(&t!(
            "would charge {count} with {amount}, announce {announced}, ask about {open} open charges, close {closing} mandates, send {messages} messages known so far; nothing was touched",
            count = answer.charges,
            amount = answer.amount.yuan(),
            announced = answer.announcements,
            open = answer.rest.to_settle,
            closing = answer.rest.mandates_closing,
            messages = answer.rest.messages
        ));
        if let Some(Refusal { what, hint }) = &answer.refused {
            ui.warn(&t!("a run would refuse all of this: {what}", what = what));
            ui.hint(hint);
        }
        Ok(())
    })?;
    Ok(if answer.refused.is_some() { Exit::NeedsPerson } else { Exit::Done })
}

fn planned_text(ctx: &Ctx, planned: &Planned) -> String {
    let id = planned.installment.to_string();
    let amount = planned.amount.yuan();
    if planned.charge {
        return match planned.retry {
            false => t!("{id}  charge {amount} on {rail}", id = id, amount = amount, rail = planned.rail),
            true => t!("{id}  charge {amount} on {rail} again", id = id, amount = amount, rail = planned.rail),
        };
    }
    let text = |stop| stop_text(ctx, stop, planned.due, &planned.rail, planned.rule_until());
    let why = planned.stop.map_or(String::new(), text);
    if planned.announce {
        return t!("{id}  announce {amount}, not charged: {why}", id = id, amount = amount, why = why);
    }
    t!("{id}  not charged: {why}", id = id, why = why)
}
