//! Something to be told to somebody once: who hears it, about which event, and the hours in which people may be contacted.
//! Texts are in `templates/`; channels are adapters.

use chrono_tz::Tz;

use crate::domain::agreement::words;
use crate::domain::date::{At, Hours};
use crate::domain::id::{AgreementId, CustomerId};

words! {
    /// Who hears a message.
    Audience {
        /// The customer; contact hours are kept.
        Customer = "customer",
        /// The shop; told at any hour.
        Merchant = "merchant",
    }
}

words! {
    /// Where a message stands.
    MessageState {
        /// Waiting for its hour and for the next delivery.
        Queued = "queued",
        /// Handed to the channel; the answer is not written yet.
        Sending = "sending",
        /// The channel took it.
        Sent = "sent",
        /// The channel refused it for good.
        Failed = "failed",
        /// Overtaken by events before it was sent.
        Dropped = "dropped",
    }
}

/// A message to be queued.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Names the event; the same event is told once.
    pub event: String,
    /// Which text.
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
    /// Values for the text: numbers, dates, amounts; names are filled in at delivery.
    pub params: serde_json::Value,
    /// Not to be sent before.
    pub not_before: At,
}

/// The earliest moment from `now` on at which `audience` may be contacted.
pub fn contact_time(audience: Audience, now: At, hours: Hours, zone: Tz) -> At {
    match audience {
        Audience::Customer => hours.next(now, zone),
        Audience::Merchant => now,
    }
}
