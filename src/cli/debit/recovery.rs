//! What a debit run says of the time before it, in sentences: after an outage, a run that was broken off, or a restore.

use std::collections::BTreeMap;

use crate::cli::ui::{Paint, Ui, columns};
use crate::domain::charge::ChargeState;
use crate::domain::message::MessageState;
use crate::domain::money::Money;
use crate::ops::debit::plan::stop_text;
use crate::ops::debit::recovery::{Recovery, Sum, ToTell};
use crate::ops::{Ctx, customer};
use crate::t;
use crate::text::{self, Lang, letters};

/// So many terms or customers are named; the rest is counted.
const NAMED: usize = 10;
/// So many runs that were broken off are named.
const RUNS_NAMED: usize = 3;
/// From so many hours on, a gap is told in days.
const HOURS_TOLD: i64 = 72;

/// Shows the story; `all_listed` when every decision has a line of its own below it.
///
/// # Errors
/// When the database cannot be read.
pub fn show(ctx: &Ctx, ui: &Ui, it: &Recovery, all_listed: bool) -> anyhow::Result<()> {
    ui.data(&ui.paint(Paint::Heading, &t!("Since the last run")));
    let mut lines = happened(ctx, it);
    lines.extend(money(ctx, it));
    lines.extend(missed(it));
    lines.extend(told(it));
    for line in lines {
        ui.data(&format!("  {line}"));
    }
    to_tell(ctx, ui, &it.to_tell)?;
    if it.planned {
        return Ok(());
    }
    let decisions = match it.decisions {
        0 => t!("Nothing needs a decision."),
        count if all_listed => {
            t!("Needs a decision: {count}; each stands below with the command to type.", count = count)
        }
        count => t!(
            "Needs a decision: {count}; below stand the first with the command to type, and where the others are.",
            count = count
        ),
    };
    ui.data(&format!("  {decisions}"));
    Ok(())
}

fn happened(ctx: &Ctx, it: &Recovery) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(hours) = it.away_hours {
        let since = ctx.wall(it.last_at);
        lines.push(match hours {
            ..HOURS_TOLD => t!("No debit run for {hours} hours, since {since}.", hours = hours, since = since),
            _ => t!("No debit run for {days} days, since {since}.", days = hours / 24, since = since),
        });
    }
    for broken in it.broken.iter().take(RUNS_NAMED) {
        let at = ctx.wall(broken.at);
        lines.push(t!("Run {run} of {at} was broken off before its end.", run = broken.run, at = at));
    }
    if it.broken.len() > RUNS_NAMED {
        lines.push(t!("So were {count} more runs after it.", count = it.broken.len() - RUNS_NAMED));
    }
    if let Some(adopted) = &it.adopted {
        lines.push(t!(
            "This database was restored or copied, and adopted on {at} as copy {copy}; charges found that were missing here: {count}.",
            at = ctx.wall(adopted.at),
            copy = adopted.copy_no,
            count = adopted.found
        ));
    }
    lines.push(match it.due.count {
        0 => t!("Nothing fell due in that time."),
        count => t!("Fell due in that time: {count}, {amount}.", count = count, amount = it.due.amount.yuan()),
    });
    lines
}

fn money(ctx: &Ctx, it: &Recovery) -> Vec<String> {
    let mut lines = Vec::new();
    if it.open.count > 0 {
        let (count, amount) = (it.open.count, it.open.amount.yuan());
        lines.push(match it.planned {
            true => t!(
                "Without an outcome: {count}, {amount}; the rails would be asked first.",
                count = count,
                amount = amount
            ),
            false => t!(
                "Without an outcome when it stopped: {count}, {amount}; asked now: {found}.",
                count = count,
                amount = amount,
                found = states(&it.settled)
            ),
        });
    }
    let (count, amount) = (it.lawful.count, it.lawful.amount.yuan());
    lines.push(match (it.planned, count) {
        (true, 0) => t!("Nothing would be charged."),
        (true, _) => {
            t!("Still lawful to charge, and would be charged: {count}, {amount}.", count = count, amount = amount)
        }
        (false, 0) => t!("Nothing could be charged."),
        (false, _) => t!(
            "Still lawful to charge, and charged now: {count}, {amount}: {found}.",
            count = count,
            amount = amount,
            found = states(&it.charged)
        ),
    });
    lines.extend(waiting(ctx, it));
    lines
}

/// A line for each reason; rails on which it is the same in words share one.
fn waiting(ctx: &Ctx, it: &Recovery) -> Vec<String> {
    let mut reasons: Vec<(String, Sum)> = Vec::new();
    for group in &it.waiting {
        let why = match group.stop {
            Some(stop) => stop_text(ctx, stop, group.due, &group.rail, group.until),
            None => t!("the rail was left alone; the next run tries again"),
        };
        match reasons.iter_mut().find(|(said, _)| *said == why) {
            Some((_, sum)) => *sum += group.sum,
            None => reasons.push((why, group.sum)),
        }
    }
    let line = |(why, sum): (String, Sum)| {
        let (count, amount) = (sum.count, sum.amount.yuan());
        match it.planned {
            true => t!("Would wait: {count}, {amount}: {why}.", count = count, amount = amount, why = why),
            false => t!("Must wait: {count}, {amount}: {why}.", count = count, amount = amount, why = why),
        }
    };
    reasons.into_iter().map(line).collect()
}

/// `1 paid ¥199.00 · 1 declined`.
fn states(sums: &BTreeMap<ChargeState, Sum>) -> String {
    let part = |(state, sum): (&ChargeState, &Sum)| {
        let count = sum.count;
        match state {
            ChargeState::Paid => t!("{count} paid {amount}", count = count, amount = sum.amount.yuan()),
            ChargeState::Declined => t!("{count} declined", count = count),
            ChargeState::Void => t!("{count} never reached the rail, given up", count = count),
            ChargeState::Pending => t!("{count} under way at the rail", count = count),
            ChargeState::Unknown => t!("{count} still unknown", count = count),
            ChargeState::Noted => t!("{count} never reached the rail, sent again by the next run", count = count),
        }
    };
    sums.iter().map(part).collect::<Vec<_>>().join(" · ")
}

fn missed(it: &Recovery) -> Vec<String> {
    if it.missed.is_empty() {
        return Vec::new();
    }
    let named: Vec<String> = it.missed.iter().take(NAMED).map(|term| term.installment.to_string()).collect();
    let mut terms = named.join(if text::lang() == Lang::Zh { "、" } else { ", " });
    if it.missed.len() > NAMED {
        terms = t!("{terms} and {count} more", terms = terms, count = it.missed.len() - NAMED);
    }
    let (count, amount) = (it.missed.len(), it.missed.iter().map(|term| term.amount).sum::<Money>().yuan());
    let mut lines = vec![match it.planned {
        true => t!(
            "Window passed, would not be charged any more: {count}, {amount}: {terms}.",
            count = count,
            amount = amount,
            terms = terms
        ),
        false => t!(
            "Window passed, not charged any more: {count}, {amount}: {terms}.",
            count = count,
            amount = amount,
            terms = terms
        ),
    }];
    let stuck = count.saturating_sub(usize::try_from(it.movable).unwrap_or(usize::MAX));
    if stuck < count {
        lines.push(t!(
            "Proposal: move each with `kibble debit postpone TERM --to DATE`, or leave it to the pay link in the customer's reminder."
        ));
    }
    if stuck > 0 {
        lines.push(t!(
            "No day is left before the next term or the end of the mandate: {count}; take the money with `kibble debit pay TERM --cash`, or leave it to the pay link in the customer's reminder.",
            count = stuck
        ));
    }
    lines
}

fn told(it: &Recovery) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for group in it.told.iter().filter(|group| group.state == MessageState::Sent) {
        *counts.entry(&group.template).or_default() += group.count;
    }
    if counts.is_empty() {
        return Vec::new();
    }
    let parts: Vec<String> =
        counts.iter().map(|(template, count)| format!("{} {count}", letters::title(template))).collect();
    vec![t!("Told now: {messages}.", messages = parts.join(" · "))]
}

fn to_tell(ctx: &Ctx, ui: &Ui, waiting: &[ToTell]) -> anyhow::Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    ui.data(&format!("  {}", t!("Still to be told: {count}.", count = waiting.len())));
    let mut rows = Vec::new();
    for message in waiting.iter().take(NAMED) {
        let who = match message.customer {
            Some(customer) => customer::label(ctx, customer)?,
            None => String::new(),
        };
        let when = match message.state {
            MessageState::Queued => t!("from {time}", time = ctx.wall(message.not_before)),
            MessageState::Failed => t!("cannot be sent"),
            _ => t!("nobody knows whether it arrived"),
        };
        let term = message.installment.map_or(String::new(), |term| term.to_string());
        rows.push(vec![message.message.to_string(), who, term, letters::title(&message.template), when]);
    }
    for line in columns(&rows, &[]) {
        ui.data(&format!("    {line}"));
    }
    if waiting.len() > NAMED {
        let more = waiting.len() - NAMED;
        ui.data(&format!("    {}", t!("and {count} more: `kibble remind list --state queued`", count = more)));
    }
    Ok(())
}
