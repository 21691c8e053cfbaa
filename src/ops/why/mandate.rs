//! Why a mandate is as it is: agreed to, in use, closed or not closed.

use anyhow::Result;

use crate::db;
use crate::domain::charge::ChargeState;
use crate::domain::date::At;
use crate::domain::id::MandateId;
use crate::domain::mandate::MandateStatus;
use crate::ops::mandate::status_text;
use crate::ops::why::term::{rail_name, tell_mandate};
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, clause, rows_about, unknown};
use crate::ops::{Ctx, agreement, customer};
use crate::t;

/// Why a mandate is as it is.
pub fn why(ctx: &Ctx, id: MandateId, now: At) -> Result<Why> {
    let conn = ctx.db.read();
    let it = db::mandate::get(conn, id)?.ok_or_else(|| unknown(&id.to_string()))?;
    let of = agreement::get(conn, it.agreement)?;
    let rail = rail_name(ctx, &it.rail);
    let mut story = Story::default();
    clause::put(&mut story, ctx, &of, &[clause::MANDATE, clause::TERMINATION])?;
    let asked = t!(
        "the customer was asked to agree to debits on {rail}, contract {number}",
        rail = rail,
        number = it.contract_no
    );
    story.event(it.created_at, id, Kind::Mandate, asked);
    tell_mandate(ctx, &mut story, &it);
    let charges = db::charge::of_agreement(conn, it.agreement)?;
    for charge in charges.iter().filter(|charge| charge.mandate == Some(id) && charge.state == ChargeState::Paid) {
        let (term, amount) = (charge.installment, charge.amount.yuan());
        let at = charge.paid_at.unwrap_or(charge.noted_at);
        story.event(at, charge.id, Kind::Charge, t!("{amount} was debited for {term}", amount = amount, term = term));
    }
    if let Some(at) = of.ended_at {
        let state = agreement::state_text(of.state);
        story.event(at, of.id, Kind::Agreement, t!("the agreement: {state}", state = state));
    }
    let stop = |rule: &str, text: String, next: String| {
        Some(Stopped { rule: rule.to_owned(), text, earliest: None, next: vec![next] })
    };
    let runs =
        now < crate::domain::date::moment(of.ends_on, chrono::NaiveTime::MIN, ctx.zone()) && of.ended_at.is_none();
    let (answer, stopped) = match it.state {
        MandateStatus::Waiting => {
            let text = t!("the customer has not agreed to it on {rail} yet", rail = rail);
            (t!("Not in force: {why}.", why = text), stop("not_agreed", text, format!("kibble mandate link {id}")))
        }
        // It is live on record until a run notices: no rail takes a debit after its last day.
        MandateStatus::Live if ctx.today(now) > it.valid_until => {
            let text = t!("it was good until {until}", until = it.valid_until);
            let next = runs.then(|| format!("kibble sign --again {}", it.agreement)).into_iter().collect();
            let stopped = Stopped { rule: "ran_out".to_owned(), text: text.clone(), earliest: None, next };
            (t!("Not in force any more: {why}.", why = text), Some(stopped))
        }
        MandateStatus::Live => {
            let text = t!(
                "it is closed when the agreement ends, when the customer wishes, or on {until}",
                until = it.valid_until
            );
            let next = format!("kibble mandate close {id} --reason TEXT");
            (t!("In force, and not closed: {why}.", why = text), stop("agreement_runs", text, next))
        }
        MandateStatus::Closing => {
            let text = t!(
                "{rail} has not confirmed yet; every debit run asks again, and nothing is charged meanwhile",
                rail = rail
            );
            (
                t!("To be closed, and not closed yet: {why}.", why = text),
                stop("not_confirmed", text, "kibble debit run".to_owned()),
            )
        }
        over => {
            let at = it.ended_at.map_or(String::new(), |at| ctx.wall(at));
            let next = t!("For more debits: `kibble sign --again {agreement}`.", agreement = it.agreement);
            let said = t!("Over since {at}: {state}.", at = at, state = status_text(over));
            (if runs { t!("{first} {second}", first = said, second = next) } else { said }, None)
        }
    };
    Ok(Why {
        subject: id.to_string(),
        about: About::Mandate,
        title: format!("{id} · {rail} · {} · {} {}", it.agreement, of.customer, customer::label(ctx, of.customer)?),
        customer: Some(of.customer),
        answer,
        stopped,
        steps: story.steps(),
        changes: changes(rows_about(ctx, [id.to_string()])?),
    })
}
