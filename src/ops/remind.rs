//! Messages: queueing an event's message once, inside contact hours.

use anyhow::Result;
use serde_json::Value;

use crate::db::{self, Conn};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId};
use crate::domain::message::{Audience, NewMessage, contact_time};
use crate::ops::Ctx;

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
    /// Values for the text that hold no personal data; names and the shop's own values are filled in at delivery.
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
