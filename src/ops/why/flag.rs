//! Why an agreement is high risk, or is not.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::db;
use crate::db::risk::Flag;
use crate::domain::charge::{Charge, ChargeState, Course, InstallmentState};
use crate::domain::date::{At, moment};
use crate::domain::id::AgreementId;
use crate::ops::debit::book::HIGH_RISK_AFTER;
use crate::ops::debit::reason_text;
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, clause, rows_about};
use crate::ops::{Ctx, agreement, customer, risk};
use crate::t;
use crate::text;

/// Why an agreement is high risk, or is not.
pub fn why(ctx: &Ctx, id: AgreementId, now: At) -> Result<Why> {
    let conn = ctx.db.read();
    let it = agreement::get(conn, id)?;
    let mut story = Story::default();
    clause::put(&mut story, ctx, &it, &[clause::FAILED, clause::REMINDERS, clause::TWO_UNPAID])?;
    let mut attempts: BTreeMap<u32, Vec<Charge>> = BTreeMap::new();
    for charge in db::charge::of_agreement(conn, id)? {
        attempts.entry(charge.installment.term).or_default().push(charge);
    }
    let terms = db::installment::of_agreement(conn, id)?;
    for term in &terms {
        let tried = attempts.get(&term.id.term).map(Vec::as_slice).unwrap_or_default();
        let declined: Vec<&Charge> = tried.iter().filter(|it| it.state == ChargeState::Declined).collect();
        if let (Some(last), true) = (declined.last(), term.failures > 0) {
            let text = t!(
                "{term}, due {due}, was declined {count} {count|time|times}; the last time: {reason}",
                term = term.id,
                due = term.due,
                count = declined.len(),
                reason = reason_text(last.reason, text::lang())
            );
            story.event(last.answered_at.unwrap_or(last.noted_at), term.id, Kind::Term, text);
        }
        // A term that was lost to the rail, a pause or an outage is nobody's failure.
        if term.course == Course::Missed && term.state == InstallmentState::Open {
            let at = moment(term.due, ctx.config.settings.debit.hour, ctx.zone());
            let text = t!("{term}, due {due}, was missed and does not count", term = term.id, due = term.due);
            story.event(at, term.id, Kind::Term, text);
        }
        if let (Some(at), true) = (term.paid_at, term.failures > 0) {
            story.event(at, term.id, Kind::Answer, t!("{term} was paid after all", term = term.id));
        }
    }
    let flags = db::risk::list(conn, Some(id))?;
    for flag in &flags {
        tell(&mut story, flag);
    }
    let standing = flags.iter().find(|flag| flag.cleared_at.is_none());
    let (answer, stopped) = match standing {
        Some(flag) => {
            let (since, why) = (ctx.wall(flag.since), risk::reason_text(&flag.reason));
            (t!("High risk since {since}: {why}.", since = since, why = why), None)
        }
        None => {
            let text = t!(
                "{needed} terms must fail one after the other, and {count} did since the last payment",
                needed = HIGH_RISK_AFTER,
                count = it.failed_in_row
            );
            let coming = terms.iter().find(|it| {
                it.state == InstallmentState::Open && matches!(it.course, Course::Planned | Course::Failing)
            });
            // The flag is raised by the last failed try of a term, and no try is made before its day.
            let earliest = coming
                .filter(|_| it.failed_in_row + 1 >= HIGH_RISK_AFTER)
                .map(|it| moment(it.due, ctx.config.settings.debit.hour, ctx.zone()).max(now));
            let stopped =
                Stopped { rule: "not_enough_failures".into(), text: text.clone(), earliest, next: Vec::new() };
            (t!("Not high risk: {why}.", why = text), Some(stopped))
        }
    };
    let mut why = Why {
        subject: id.to_string(),
        about: About::Flag,
        title: t!(
            "high risk of {agreement} · {customer} {label}",
            agreement = id,
            customer = it.customer,
            label = customer::label(ctx, it.customer)?
        ),
        customer: Some(it.customer),
        answer,
        stopped,
        steps: story.steps(),
        changes: changes(rows_about(ctx, [id.to_string()])?),
    };
    if standing.is_some() {
        let advice = t!(
            "A late payment clears it, or you do with a reason: `kibble risk clear {agreement} --reason TEXT`.",
            agreement = id
        );
        why.answer = t!("{first} {second}", first = why.answer, second = advice);
    }
    Ok(why)
}

fn tell(story: &mut Story, flag: &Flag) {
    let raised = t!("flagged as high risk: {why}", why = risk::reason_text(&flag.reason));
    story.event(flag.since, flag.agreement, Kind::Flag, raised);
    let Some(at) = flag.cleared_at else { return };
    let (by, reason) = (flag.cleared_by.clone().unwrap_or_default(), flag.clear_reason.clone().unwrap_or_default());
    let text = match by.as_str() {
        "payment" => t!("no longer high risk: {term} was paid", term = reason),
        _ => t!("no longer high risk: {by} cleared it, {reason}", by = by, reason = reason),
    };
    story.event(at, flag.agreement, Kind::Flag, text);
}
