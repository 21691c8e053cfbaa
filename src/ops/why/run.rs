//! Why a debit run did what it did: what it sent, what came of it, what it left to a person.

use anyhow::Result;
use serde_json::Value;

use crate::db;
use crate::domain::charge::ChargeState;
use crate::domain::id::RunId;
use crate::ops::Ctx;
use crate::ops::debit::reason_text;
use crate::ops::why::term::rail_name;
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, rows_about, unknown};
use crate::t;
use crate::text;

/// Why a run did what it did.
pub fn why(ctx: &Ctx, id: RunId) -> Result<Why> {
    let conn = ctx.db.read();
    let it = db::run::get(conn, id)?.ok_or_else(|| unknown(&id.to_string()))?;
    let mut story = Story::default();
    story.event(it.started_at, id, Kind::Run, t!("began on {host}", host = it.host));
    let (mut paid, mut declined, mut open) = (0_u64, 0_u64, 0_u64);
    for charge in db::charge::of_run(conn, id)? {
        let (amount, term, rail) = (charge.amount.yuan(), charge.installment, rail_name(ctx, &charge.rail));
        let text = match charge.state {
            ChargeState::Paid => {
                paid += 1;
                t!("{term}: {amount} on {rail}, paid", term = term, amount = amount, rail = rail)
            }
            ChargeState::Declined => {
                declined += 1;
                let reason = reason_text(charge.reason, text::lang());
                t!(
                    "{term}: {amount} on {rail}, declined: {reason}",
                    term = term,
                    amount = amount,
                    rail = rail,
                    reason = reason
                )
            }
            ChargeState::Void => t!("{term}: {amount} on {rail}, given up", term = term, amount = amount, rail = rail),
            ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown => {
                open += 1;
                t!("{term}: {amount} on {rail}, no outcome yet", term = term, amount = amount, rail = rail)
            }
        };
        story.event(charge.noted_at.max(it.started_at), charge.id, Kind::Charge, text);
    }
    let report: Value = serde_json::from_str(&it.report).unwrap_or_default();
    let needs = report["needs"].as_array().map_or(0, Vec::len);
    let sums = t!(
        "{paid} paid, {declined} declined, {open} without an outcome",
        paid = paid,
        declined = declined,
        open = open
    );
    let (answer, stopped) = match it.ended_at {
        Some(at) => {
            story.event(at, id, Kind::Run, t!("ended; things left to a person: {count}", count = needs));
            (t!("It ran to its end: {sums}.", sums = sums), None)
        }
        None => {
            let text = t!("it was broken off, or is at work; the next run asks about everything that has no outcome");
            let stopped = Stopped {
                rule: "not_ended".into(),
                text: text.clone(),
                earliest: None,
                next: vec!["kibble debit run".to_owned()],
            };
            (t!("It has no end: {why}. Until then: {sums}.", why = text, sums = sums), Some(stopped))
        }
    };
    for need in report["needs"].as_array().into_iter().flatten() {
        let (record, next) = (need["record"].as_str().unwrap_or_default(), need["next"].as_str().unwrap_or_default());
        let at = it.ended_at.unwrap_or(it.started_at);
        story.event(at, record, Kind::Run, t!("left to a person: `{next}`", next = next));
    }
    Ok(Why {
        subject: id.to_string(),
        about: About::Run,
        title: t!("{run} · {at} · {host}", run = id, at = ctx.wall(it.started_at), host = it.host),
        customer: None,
        answer,
        stopped,
        steps: story.steps(),
        changes: changes(rows_about(ctx, [id.to_string()])?),
    })
}
