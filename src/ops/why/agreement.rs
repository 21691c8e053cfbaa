//! Why an agreement is as it is: signed, agreed to, paused, flagged, ended, settled; and its terms in a line each.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::db::installment::Installment;
use crate::domain::agreement::AgreementState;
use crate::domain::charge::{Course, InstallmentState};
use crate::domain::date::{At, moment};
use crate::domain::id::AgreementId;
use crate::ops::report::export::word_text;
use crate::ops::why::moves::{dropped_at, moves};
use crate::ops::why::term::{tell_mandate, tell_refund};
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, clause, rows_about};
use crate::ops::{Ctx, agreement, customer, risk};
use crate::t;

/// Why an agreement is as it is.
pub fn why(ctx: &Ctx, id: AgreementId, now: At) -> Result<Why> {
    let conn = ctx.db.read();
    let shown = agreement::show(ctx, agreement::get(conn, id)?, now)?;
    let it = &shown.agreement;
    let mut story = Story::default();
    let ending = if clause::is_cooling_off(it) { clause::COOLING_OFF } else { clause::TERMINATION };
    clause::put(&mut story, ctx, it, &[clause::DEBIT_DAY, clause::MANDATE, ending])?;
    for mandate in &shown.mandates {
        tell_mandate(ctx, &mut story, mandate);
    }
    for term in shown.terms.iter().filter(|term| term.state != InstallmentState::Before) {
        let what = match (term.state, term.course) {
            (InstallmentState::Paid, _) => t!("paid"),
            (InstallmentState::Refunded, _) => t!("paid and given back"),
            // What was cancelled is told in one line below.
            (InstallmentState::Cancelled, _) => continue,
            (_, Course::Failing) => t!("declined, retries to come"),
            (_, Course::Failed) => t!("declined, retries over"),
            (_, Course::Missed) => t!("window missed"),
            // What is still to come is no part of why things are as they are.
            (_, Course::Planned) => continue,
        };
        let at = term.paid_at.unwrap_or_else(|| moment(term.due, ctx.config.settings.debit.hour, ctx.zone()));
        story.event(at, term.id, Kind::Term, format!("{} · {what}", term.amount.yuan()));
    }
    let moves = moves(ctx, id, None)?;
    for it in &moves {
        it.tell(&mut story);
    }
    // By the decision that dropped them: a pause, else the end of the agreement. It lies in the past; their days may not.
    let mut cancelled: BTreeMap<At, Vec<&Installment>> = BTreeMap::new();
    for term in shown.terms.iter().filter(|term| term.state == InstallmentState::Cancelled) {
        let at = dropped_at(ctx, &moves, term.due).or(it.ended_at).unwrap_or(now);
        cancelled.entry(at).or_default().push(term);
    }
    for (at, terms) in cancelled {
        let text = t!("terms that are not collected any more: {count}", count = terms.len());
        story.event(at, terms[0].id, Kind::Term, text);
    }
    for flag in &shown.flags {
        let text = t!("flagged as high risk: {why}", why = risk::reason_text(&flag.reason));
        story.event(flag.since, id, Kind::Flag, text);
    }
    if let Some(statement) = &shown.statement {
        let ended = t!("the agreement ended: {cause}", cause = word_text(&statement.row.cause));
        story.event(statement.row.notice_at, statement.row.id, Kind::Statement, ended);
        for refund in &statement.refunds {
            tell_refund(ctx, &mut story, refund);
        }
    }
    let state = agreement::state_text(it.state);
    let stopped = stopped(ctx, &shown);
    let (collected, terms) = (shown.collected, it.terms);
    let over = u32::try_from(shown.terms.iter().filter(|term| is_over(term)).count())?;
    let left = shown.left_terms - over;
    let answer = match (&stopped, over) {
        (Some(stop), _) => t!("{state}: {why}.", state = state, why = stop.text),
        (None, 0) => t!(
            "{state}: {collected} of {terms} terms collected, {left} to come.",
            state = state,
            collected = collected,
            terms = terms,
            left = left
        ),
        (None, over) => t!(
            "{state}: {collected} of {terms} terms collected, {left} to come; of {over} more the tries are over: the customer pays by link or at the counter.",
            state = state,
            collected = collected,
            terms = terms,
            left = left,
            over = over
        ),
    };
    Ok(Why {
        subject: id.to_string(),
        about: About::Agreement,
        title: format!("{id} · {} · {} · {} {}", it.no, it.plan_name, it.customer, customer::label(ctx, it.customer)?),
        customer: Some(it.customer),
        answer,
        stopped,
        steps: story.steps(),
        changes: changes(rows_about(ctx, [id.to_string()])?),
    })
}

/// Whether it is open and no debit will be tried for it any more.
fn is_over(term: &Installment) -> bool {
    term.state == InstallmentState::Open && matches!(term.course, Course::Failed | Course::Missed)
}

/// Why it does not run, where it could.
fn stopped(ctx: &Ctx, shown: &agreement::Shown) -> Option<Stopped> {
    let it = &shown.agreement;
    let id = it.id;
    let stop = |rule: &str, text: String, earliest: Option<At>, next: Vec<String>| {
        Some(Stopped { rule: rule.to_owned(), text, earliest, next })
    };
    match it.state {
        AgreementState::Waiting => {
            let next = shown.mandates.iter().rev().take(1).map(|it| format!("kibble mandate link {}", it.id)).collect();
            stop("waiting", t!("the customer has not agreed to the debits yet"), None, next)
        }
        AgreementState::Paused => {
            let until = it.paused_until.map(|day| moment(day, ctx.config.settings.debit.hour, ctx.zone()));
            let text =
                t!("it goes on by itself on {day}", day = it.paused_until.map_or(String::new(), |day| day.to_string()));
            stop("paused", text, until, vec![format!("kibble agreement resume {id}")])
        }
        AgreementState::Settling => {
            let by = shown.statement.as_ref().map(|it| it.row.confirm_by);
            let is_open = shown.statement.as_ref().is_some_and(|it| it.row.state == "open");
            let at = by.map_or(String::new(), |by| ctx.wall(by));
            match is_open {
                true => stop(
                    "statement_open",
                    t!("the settlement waits for your word; it confirms itself on {at}", at = at),
                    by,
                    vec![format!("kibble agreement confirm {id}")],
                ),
                false => stop(
                    "refunds_open",
                    t!("money of the settlement is still on its way back"),
                    None,
                    vec!["kibble debit run".to_owned()],
                ),
            }
        }
        _ => None,
    }
}
