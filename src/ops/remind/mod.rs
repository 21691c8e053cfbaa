//! Messages: queueing an event's message once, listing, and what a person decides about one that failed or is in doubt. Sending is
//! `deliver`, and which channel carries what is `route`.

mod deliver;
pub mod route;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::db::message::{Addressed, Message};
use crate::db::{self, Conn};
use crate::domain::customer::{Phone, mask_name};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId, MessageId};
use crate::domain::message::{Audience, MessageState, NewMessage, contact_time};
use crate::domain::op::Op;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

use deliver::is_quiet;
pub use deliver::{Delivered, Preview, deliver, preview, preview_one, send};

/// A message about one event.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Names the event, for example `pre_debit_48h:a-7/3:2026-11-05`; the same event is told once.
    pub event: String,
    /// Which text of `notifications.toml`.
    pub template: &'static str,
    /// Who hears it.
    pub audience: Audience,
    /// About which customer.
    pub customer: Option<CustomerId>,
    /// About which agreement.
    pub agreement: Option<AgreementId>,
    /// About which term.
    pub term: Option<u32>,
    /// `zh` or `en`.
    pub lang: String,
    /// Values for the text that hold no personal data, see [`crate::domain::message::REQUIRED`]; names and the shop's own values
    /// are filled in at delivery.
    pub params: Value,
}

/// Queues `letter` inside the transaction of the change it tells of. Returns false when the event was told before, or when the
/// shop switched this message off.
pub fn tell(ctx: &Ctx, tx: &Conn, letter: Letter, now: At) -> Result<bool> {
    let messages = &ctx.config.settings.messages;
    if messages.off.iter().any(|off| off == letter.template) {
        return Ok(false);
    }
    let new = NewMessage {
        not_before: contact_time(letter.audience, now, messages.hours, ctx.zone()),
        event: letter.event,
        template: letter.template,
        audience: letter.audience,
        customer: letter.customer,
        agreement: letter.agreement,
        term: letter.term,
        lang: letter.lang,
        params: letter.params,
    };
    db::message::queue(tx, &new, now)
}

/// A message in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Who hears it, masked.
    pub to: String,
}

/// The newest messages first; of one customer or in one state when given.
///
/// # Errors
/// When the database cannot be read.
pub fn list(ctx: &Ctx, customer: Option<CustomerId>, state: Option<MessageState>, limit: u32) -> Result<Vec<Listed>> {
    let found = db::message::newest_addressed(ctx.db.read(), customer, state, limit)?;
    Ok(found.into_iter().map(|it| Listed { to: to_whom(&it), message: it.message }).collect())
}

/// Puts a failed message back into the queue, after its cause was removed. Returns when it will be sent.
///
/// # Errors
/// When there is no such message, or it has not failed.
pub fn retry(ctx: &Ctx, id: MessageId, now: At) -> Result<At> {
    let Some(message) = db::message::get(ctx.db.read(), id)? else {
        return Err(Fault::not_found(t!("there is no message {message}", message = id))
            .hint(t!("`kibble remind list --state failed` shows those that failed"))
            .into());
    };
    if message.state != MessageState::Failed {
        let state = state_text(message.state);
        return Err(Fault::refused(t!("message {message} has not failed: it is {state}", message = id, state = state))
            .hint(t!("`kibble remind list --state failed` shows those that failed"))
            .into());
    }
    let not_before = contact_time(message.audience, now, ctx.config.settings.messages.hours, ctx.zone());
    ctx.db.write(now, |tx| {
        db::message::requeue(tx, id, not_before)?;
        Ok((not_before, Op::MessageRetried { message: id }))
    })
}

/// What a person found out about a message in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It arrived: it counts as sent from now on.
    Arrived,
    /// It did not: it is sent again.
    NotArrived,
}

/// Settles a message of which nobody knew whether it arrived. Returns when it will be sent again, if it will.
///
/// # Errors
/// When there is no such message, or it is not in doubt.
pub fn settle(ctx: &Ctx, id: MessageId, verdict: Verdict, now: At) -> Result<Option<At>> {
    let Some(it) = db::message::get_addressed(ctx.db.read(), id)? else {
        return Err(Fault::not_found(t!("there is no message {message}", message = id))
            .hint(t!("`kibble remind list --state unknown` shows those in doubt"))
            .into());
    };
    if it.message.state != MessageState::Unknown {
        let state = state_text(it.message.state);
        return Err(Fault::refused(t!(
            "message {message} is not in doubt: it is {state}",
            message = id,
            state = state
        ))
        .hint(t!("`kibble remind list --state unknown` shows those in doubt"))
        .into());
    }
    let not_before = contact_time(it.message.audience, now, ctx.config.settings.messages.hours, ctx.zone());
    ctx.db.write(now, |tx| {
        let again = match verdict {
            Verdict::Arrived => {
                deliver::settled(ctx, tx, &it, now)?;
                None
            }
            Verdict::NotArrived => {
                db::message::requeue(tx, id, not_before)?;
                Some(not_before)
            }
        };
        Ok((again, Op::MessageSettled { message: id, arrived: verdict == Verdict::Arrived }))
    })
}

/// Settles every message in doubt at once, as [`settle`] does one. Returns which.
///
/// # Errors
/// When the database cannot be read or written.
pub fn settle_all(ctx: &Ctx, verdict: Verdict, now: At) -> Result<Vec<MessageId>> {
    let doubtful = db::message::unknown(ctx.db.read())?;
    let ids: Vec<MessageId> = doubtful.iter().map(|it| it.message.id).collect();
    if ids.is_empty() {
        return Ok(ids);
    }
    let hours = ctx.config.settings.messages.hours;
    ctx.db.write(now, |tx| {
        for it in &doubtful {
            match verdict {
                Verdict::Arrived => deliver::settled(ctx, tx, it, now)?,
                Verdict::NotArrived => {
                    db::message::requeue(tx, it.message.id, contact_time(it.message.audience, now, hours, ctx.zone()))?;
                }
            }
        }
        let word = if verdict == Verdict::Arrived { MessageState::Sent } else { MessageState::Queued }.word();
        Ok((ids.clone(), Op::MessagesMoved { moves: ids.iter().map(|id| (*id, word)).collect() }))
    })
}

/// The state of a message in the chosen language.
pub fn state_text(state: MessageState) -> String {
    match state {
        MessageState::Queued => t!("queued"),
        MessageState::Sending => t!("being sent"),
        MessageState::Sent => t!("sent"),
        MessageState::Unknown => t!("in doubt"),
        MessageState::Failed => t!("not sent"),
        MessageState::Dropped => t!("overtaken"),
    }
}

/// The record that a message's link leads to.
fn record(message: &Message) -> String {
    match (message.installment(), message.agreement, message.customer) {
        (Some(installment), _, _) => installment.to_string(),
        (None, Some(agreement), _) => agreement.to_string(),
        (None, None, Some(customer)) => customer.to_string(),
        (None, None, None) => message.id.to_string(),
    }
}

/// Who hears a message, masked: `王** 199****0001`, or the shop.
fn to_whom(it: &Addressed) -> String {
    match (it.message.audience, &it.customer) {
        (Audience::Merchant, _) => t!("the shop"),
        (Audience::Customer, Some((name, phone))) => {
            let phone = Phone::parse(phone).map_or_else(|_| "***".to_owned(), |phone| phone.masked());
            format!("{} {phone}", mask_name(name))
        }
        (Audience::Customer, None) => it.message.customer.map(|id| id.to_string()).unwrap_or_default(),
    }
}
