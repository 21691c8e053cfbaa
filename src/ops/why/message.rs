//! Why a message was sent, or was not.

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime};

use crate::db;
use crate::db::message::Message;
use crate::domain::agreement::AgreementState;
use crate::domain::date::{At, moment};
use crate::domain::id::MessageId;
use crate::domain::message::{Audience, DebitNoticeKind, MessageState, contact_time, debit_notice};
use crate::ops::remind::preview_one;
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, clause, rows_about, unknown};
use crate::ops::{Ctx, agreement, remind};
use crate::t;
use crate::text::letters;

/// Why a message was sent, or was not.
pub fn why(ctx: &Ctx, id: MessageId, now: At) -> Result<Why> {
    let conn = ctx.db.read();
    let it = db::message::get(conn, id)?.ok_or_else(|| unknown(&id.to_string()))?;
    let preview = preview_one(ctx, id, now)?;
    let to = preview.as_ref().map(|it| it.to.clone()).unwrap_or_default();
    let mut story = Story::default();
    let mut paused_until = None;
    if let Some(agreement) = it.agreement {
        let agreement = agreement::get(conn, agreement)?;
        paused_until = agreement.paused_until.filter(|_| agreement.state == AgreementState::Paused);
        clause::put(&mut story, ctx, &agreement, clauses(&it))?;
    }
    let (title, record) = (letters::title(&it.template), about(&it));
    let queued = t!("queued for {to}: {title}, about {record}", to = to, title = title, record = record);
    story.event(it.created_at, id, Kind::Message, queued);
    if it.not_before > it.created_at {
        let hours = ctx.config.settings.messages.hours;
        let held =
            t!("held until {from}: customers are contacted {hours}", from = ctx.wall(it.not_before), hours = hours);
        story.event(it.created_at, id, Kind::Message, held);
    }
    let channel = it.channel.clone().unwrap_or_default();
    if let Some(at) = it.handed_at.filter(|at| it.sent_at != Some(*at)) {
        story.event(at, id, Kind::Message, t!("handed to {channel}", channel = channel));
    }
    if let Some(at) = it.sent_at {
        let words = if it.said.is_empty() { String::new() } else { format!(" [{}]", it.said) };
        story.event(at, id, Kind::Answer, format!("{}{words}", t!("{channel} took it", channel = channel)));
    }
    if let (Some(at), Some((DebitNoticeKind::Announcement, _)), Some(term)) =
        (it.sent_at, debit_notice(&it.event), it.installment())
    {
        let hours = ctx.config.settings.debit.notice_hours;
        let allowed =
            t!("from then on {term} waits {hours} hours before it may be charged", term = term, hours = hours);
        story.event(at, term, Kind::Notice, allowed);
    }
    let held = preview.and_then(|it| it.why.map(|why| (why, it.from)));
    let stopped = stopped(ctx, &it, held, paused_until, now);
    let answer = match (&stopped, it.sent_at) {
        (Some(stop), _) => t!("Not sent: {why}.", why = stop.text),
        (None, Some(at)) => t!("Sent on {at} by {channel}.", at = ctx.wall(at), channel = channel),
        (None, None) => t!("Nothing stops it: the next delivery sends it."),
    };
    Ok(Why {
        subject: id.to_string(),
        about: About::Message,
        title: format!("{id} · {title} · {to}"),
        customer: it.customer,
        answer,
        stopped,
        steps: story.steps(),
        changes: changes(rows_about(ctx, [id.to_string()])?),
    })
}

/// The record that a message is about.
fn about(it: &Message) -> String {
    match (it.installment(), it.agreement, it.customer) {
        (Some(term), ..) => term.to_string(),
        (_, Some(agreement), _) => agreement.to_string(),
        (.., Some(customer)) => customer.to_string(),
        _ => it.event.clone(),
    }
}

fn clauses(it: &Message) -> &'static [&'static str] {
    match it.template.as_str() {
        "pre_debit_48h" | "heads_up" => &[clause::NOTICE],
        "debit_success" => &[clause::WALLET],
        "debit_failed" | "retry_exhausted_customer" | "retry_exhausted_merchant" => &[clause::FAILED],
        "termination_ack" => &[clause::TERMINATION],
        "refund_done" => &[clause::SETTLEMENT],
        "mandate_revoked_customer" | "mandate_revoked_merchant" => &[clause::MANDATE],
        template if template.starts_with("overdue") => &[clause::REMINDERS],
        _ => &[],
    }
}

/// The first rule that keeps a message from being sent; `held` is what its delivery would say now, and from when on it would send it.
fn stopped(
    ctx: &Ctx,
    it: &Message,
    held: Option<(String, Option<At>)>,
    paused_until: Option<NaiveDate>,
    now: At,
) -> Option<Stopped> {
    let id = it.id;
    let stop = |rule: &str, text: String, earliest: Option<At>, next: Vec<String>| {
        Some(Stopped { rule: rule.to_owned(), text, earliest, next })
    };
    let words = |fallback: String| if it.said.is_empty() { fallback } else { it.said.clone() };
    match it.state {
        MessageState::Sent => None,
        MessageState::Dropped => stop("dropped", words(remind::state_text(it.state)), None, Vec::new()),
        MessageState::Failed => {
            let next = vec!["kibble doctor".to_owned(), format!("kibble remind retry {id}")];
            stop("failed", words(remind::state_text(it.state)), None, next)
        }
        MessageState::Sending | MessageState::Unknown => {
            let text = t!("nobody knows whether it arrived, and on a guess it is not sent twice");
            let settle = |how: &str| format!("kibble remind settle {id} --{how}");
            stop("in_doubt", text, None, vec![settle("arrived"), settle("not-arrived")])
        }
        MessageState::Queued => {
            let hours = ctx.config.settings.messages.hours;
            let from = contact_time(it.audience, now.max(it.not_before), hours, ctx.zone());
            if from > now {
                let at = ctx.wall(from);
                let text = match it.audience {
                    Audience::Customer if hours.next(now, ctx.zone()) > now => {
                        t!("customers are contacted {hours} only; earliest {at}", hours = hours, at = at)
                    }
                    _ => t!("it waits until {at}", at = at),
                };
                return stop("hours", text, Some(from), Vec::new());
            }
            let (text, from) = held?;
            let (next, from) = match it.agreement.zip(paused_until) {
                Some((agreement, day)) => {
                    let resumed = moment(day, NaiveTime::MIN, ctx.zone());
                    let from = contact_time(it.audience, resumed, hours, ctx.zone());
                    (format!("kibble agreement resume {agreement}"), Some(from))
                }
                None => ("kibble remind send".to_owned(), from),
            };
            stop("held", text, from, vec![next])
        }
    }
}
