//! Channels that carry messages to people. A channel takes finished texts; which message goes out when, and by which channel, is
//! not its business.
//!
//! What a channel says is one of ours, never the provider's word: see [`Receipt`]. Only an answer that says so is `Sent`, and only
//! one that says so, or a connection that never came about, is "not sent"; whatever else happens is `Unknown`, and is looked up
//! ([`Notify::look_up`]) before anybody sends it again.

pub mod aliyun;
mod call;
pub mod exec;
pub mod nowhere;
pub mod print;
pub mod registered;
pub mod smtp;
pub mod tencent;
pub mod webhook;
pub mod wechat;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::adapters::finding::Finding;
use crate::adapters::notify::registered::Texts;
use crate::domain::date::At;
use crate::text::Lang;

/// Characters kept of what a channel says.
const SAID_MAX_CHARS: usize = 200;
/// Digits of a mobile number.
const MOBILE_DIGITS: usize = 11;

/// A finished message.
#[derive(Clone, Default, Serialize)]
pub struct Parcel {
    /// Our number of it, `n-9`; the same number is the same message.
    pub id: String,
    /// The same towards providers, told apart from other shops: letters and digits, at most 32. A restored copy of the shop gives
    /// the same message the same key.
    pub key: String,
    /// Which text it is, `pre_debit_48h`.
    pub template: String,
    /// `customer` or `merchant`.
    pub audience: String,
    /// Phone number of the customer, or of the shop; may be empty.
    pub phone: String,
    /// E-mail address, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The customer's id at the shop's WeChat mini program, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openid: Option<String>,
    /// `zh` or `en`.
    pub lang: String,
    /// A heading, for channels that have one.
    pub subject: String,
    /// The text.
    pub text: String,
    /// What was filled into the text, by name, for channels that only send registered texts.
    pub values: BTreeMap<String, String>,
}

impl fmt::Debug for Parcel {
    /// Without whom it is for and what it says: what is printed for debugging ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("id", &self.id).field("template", &self.template).finish_non_exhaustive()
    }
}

impl Parcel {
    /// The language of the text.
    pub fn language(&self) -> Lang {
        Lang::from_word(&self.lang).unwrap_or_default()
    }
}

/// A message that was handed over and whose answer was lost.
#[derive(Clone, Debug)]
pub struct Handed {
    /// The message, without its text.
    pub parcel: Parcel,
    /// When it was handed over.
    pub at: At,
}

/// How long a message waits for its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// That many minutes.
    Minutes(u32),
    /// Until the next day's contact hours.
    Tomorrow,
}

/// What the channel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It took the message.
    Sent {
        /// The channel's own number or words.
        said: String,
    },
    /// It will never take this message; another channel may.
    Refused {
        /// Why.
        said: String,
    },
    /// It did not take this message now, for example because of the number's rate limit; others may go on.
    Later {
        /// Why.
        said: String,
        /// Until when.
        wait: Wait,
    },
    /// It cannot be reached, or takes nothing more for a while; nothing was sent.
    Down {
        /// What happened.
        said: String,
    },
    /// It takes nothing from us until a person mends settings or pays; nothing was sent.
    Broken {
        /// What is wrong, with the name of the setting.
        said: String,
    },
    /// Nobody can say whether it took it.
    Unknown {
        /// What happened.
        said: String,
    },
}

impl Receipt {
    /// The channel's number or words.
    pub fn said(&self) -> &str {
        match self {
            Receipt::Sent { said }
            | Receipt::Refused { said }
            | Receipt::Later { said, .. }
            | Receipt::Down { said }
            | Receipt::Broken { said }
            | Receipt::Unknown { said } => said,
        }
    }
}

/// What a look-up found about a message whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The channel has it.
    Took {
        /// The channel's own number or words.
        said: String,
    },
    /// The channel had it and could not bring it to the person; another channel may.
    Refused {
        /// Why.
        said: String,
    },
    /// The channel does not have it: handing it over again, here or elsewhere, is safe.
    Again {
        /// How that is known.
        said: String,
    },
    /// The channel may have it, and takes the same message once: handing it over again, here, is safe.
    Repeat {
        /// How that is known.
        said: String,
    },
    /// Nothing can be said yet; ask again later.
    NotYet {
        /// Why not.
        said: String,
    },
    /// The channel can never say. A person decides.
    CannotTell,
}

/// A channel.
pub trait Notify: Send + Sync {
    /// The name under which `shop.toml` knows it.
    fn name(&self) -> &str;

    /// How many messages it takes in one call. What stands in one call is in doubt together when the program dies, so only
    /// channels for which one call is much cheaper than many take more than one.
    fn batch(&self) -> usize {
        1
    }

    /// Why this channel can never carry this message, found without asking anybody: no address, no registered text.
    fn refuses(&self, parcel: &Parcel) -> Option<String> {
        let _ = parcel;
        None
    }

    /// The registered texts, of a channel that sends no others.
    fn texts(&self) -> Option<&Texts> {
        None
    }

    /// Hands over messages, at most [`Notify::batch`]; one receipt for each, in order.
    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt>;

    /// What became of messages whose answer was lost, in order.
    fn look_up(&self, handed: &[Handed]) -> Vec<Trace> {
        vec![Trace::CannotTell; handed.len()]
    }

    /// Whether keys can be read and settings make sense. Asks nobody outside this machine.
    fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// What a channel said, short, on one line, without the person's phone number, address or ids.
fn scrubbed(said: &str, parcel: &Parcel) -> String {
    let mut said = said.to_owned();
    let known = [Some(parcel.phone.as_str()), parcel.email.as_deref(), parcel.openid.as_deref()];
    for secret in known.into_iter().flatten().filter(|secret| !secret.is_empty()) {
        said = said.replace(secret, "***");
    }
    without_mobiles(&said).chars().filter(|c| !c.is_control()).take(SAID_MAX_CHARS).collect()
}

/// Masks whatever looks like a mobile number: eleven digits in a row that begin with 1, with or without 86 before them.
fn without_mobiles(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut digits = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(char::is_ascii_digit) {
            digits.push(c);
            continue;
        }
        let national = digits.strip_prefix("86").filter(|rest| rest.len() == MOBILE_DIGITS).unwrap_or(&digits);
        let is_mobile = national.len() == MOBILE_DIGITS && national.starts_with('1');
        masked.push_str(if is_mobile { "***" } else { &digits });
        digits.clear();
        masked.extend(c);
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::{Parcel, SAID_MAX_CHARS, scrubbed};

    #[test]
    fn what_a_provider_says_never_brings_a_number_or_an_address_into_the_books() {
        let parcel = Parcel {
            phone: "19900000001".into(),
            email: Some("wang@example.com".into()),
            openid: Some("oABC123".into()),
            ..Parcel::default()
        };
        for (said, kept) in [
            ("no such number +8619900000001", "no such number +86***"),
            ("13800000002 and 8613800000002 too", "*** and *** too"),
            ("<wang@example.com>: mailbox full\r\noABC123", "<***>: mailbox full***"),
            ("900619746936498440^0", "900619746936498440^0"),
        ] {
            assert_eq!(scrubbed(said, &parcel), kept);
        }
        assert_eq!(scrubbed(&"长".repeat(300), &parcel).chars().count(), SAID_MAX_CHARS);
    }
}
