//! Why money went back, or has not gone back yet.

use anyhow::Result;

use crate::db;
use crate::db::refund::Refund;
use crate::domain::date::At;
use crate::domain::refund::RefundState;
use crate::ops::refund::{hand_over_command, is_stranded, waits_for_hand};
use crate::ops::report::export::word_text;
use crate::ops::why::term::{rail_name, tell_entries, tell_refund};
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, clause, rows_about};
use crate::ops::{Ctx, agreement, customer};
use crate::t;

/// Why a refund is as it is.
pub fn why(ctx: &Ctx, it: &Refund, now: At) -> Result<Why> {
    let conn = ctx.db.read();
    let id = it.id;
    let rail = rail_name(ctx, &it.rail);
    let mut story = Story::default();
    let mut references = vec![id.to_string()];
    let charge = it.charge.map(|charge| db::charge::get(conn, charge)).transpose()?.flatten();
    let statement = it.statement.map(|statement| db::statement::get(conn, statement)).transpose()?.flatten();
    let of = charge.as_ref().map(|it| it.installment.agreement).or(statement.as_ref().map(|it| it.agreement));
    if let Some(of) = of {
        let numbers: &[&str] = match statement.as_ref().map(|it| it.cause.as_str()) {
            Some("cooling_off") => &[clause::COOLING_OFF],
            Some(_) => &[clause::TERMINATION, clause::SETTLEMENT],
            None => &[clause::WALLET],
        };
        clause::put(&mut story, ctx, &agreement::get(conn, of)?, numbers)?;
    }
    if let Some(charge) = &charge {
        let (amount, term, order_no) = (charge.amount.yuan(), charge.installment, &charge.order_no);
        let paid = t!(
            "{amount} had been collected for {term}, order {order_no}",
            amount = amount,
            term = term,
            order_no = order_no
        );
        story.event(charge.paid_at.unwrap_or(charge.noted_at), charge.id, Kind::Charge, paid);
    }
    if let Some(statement) = &statement {
        let ended = t!("the agreement ended: {cause}", cause = word_text(&statement.cause));
        story.event(statement.notice_at, statement.id, Kind::Statement, ended);
        if let Some(at) = statement.confirmed_at {
            let sum = t!("the settlement was confirmed: {amount} goes back", amount = statement.refund.yuan());
            story.event(at, statement.id, Kind::Statement, sum);
        }
        references.push(statement.id.to_string());
    }
    tell_refund(ctx, &mut story, it);
    tell_entries(ctx, &mut story, &references)?;
    let stopped = stopped(ctx, it, &rail, now)?;
    let answer = match (&stopped, it.paid_at) {
        (Some(stop), _) => t!("Not paid back yet: {why}.", why = stop.text),
        (None, at) => {
            let at = at.map_or(String::new(), |at| ctx.wall(at));
            t!("{amount} went back on {at}, on {rail}.", amount = it.amount.yuan(), at = at, rail = rail)
        }
    };
    let mut records = vec![id.to_string()];
    records.extend(statement.map(|it| it.id.to_string()));
    Ok(Why {
        subject: id.to_string(),
        about: About::Refund,
        title: format!(
            "{id} · {} · {rail} · {} · {} {}",
            it.amount.yuan(),
            it.refund_no,
            it.customer,
            customer::label(ctx, it.customer)?
        ),
        customer: Some(it.customer),
        answer,
        stopped,
        steps: story.steps(),
        changes: changes(rows_about(ctx, records)?),
    })
}

fn stopped(ctx: &Ctx, it: &Refund, rail: &str, now: At) -> Result<Option<Stopped>> {
    let (rule, text, earliest, next) = match it.state {
        RefundState::Paid => return Ok(None),
        RefundState::Declined => {
            let words = format!("{} {}", it.code, it.said);
            let text = t!("{rail} refused it [{words}]; it must be handed over", rail = rail, words = words.trim());
            ("declined", text, None, hand_over_command(ctx.db.read(), it)?)
        }
        _ if is_stranded(ctx, it) => {
            let text = t!(
                "its rail {rail} is not in shop.toml any more: look there whether it went back, or hand it over",
                rail = rail
            );
            ("rail_gone", text, None, hand_over_command(ctx.db.read(), it)?)
        }
        _ if waits_for_hand(ctx, it) => (
            "by_hand",
            t!("no payment rail can pay it: it must be handed over"),
            None,
            hand_over_command(ctx.db.read(), it)?,
        ),
        RefundState::Noted => {
            let text = t!("{rail} has not heard of it yet; the next debit run sends it", rail = rail);
            ("not_sent", text, Some(now), "kibble debit run".to_owned())
        }
        RefundState::Pending => {
            let text = t!("{rail} accepted it and has not said that it arrived; every debit run asks", rail = rail);
            ("pending", text, None, "kibble debit run".to_owned())
        }
        RefundState::Unknown => {
            let text = t!(
                "no answer came from {rail}; the next debit run asks under the same number, so it is paid once",
                rail = rail
            );
            ("unknown", text, None, "kibble debit run".to_owned())
        }
    };
    Ok(Some(Stopped { rule: rule.to_owned(), text, earliest, next: vec![next] }))
}
