//! What channels over HTTP have in common: one call and what its failure means, whom an SMS reaches, and how look-ups end when nobody
//! answers. Owns no provider's words.

use std::sync::OnceLock;

use crate::adapters::finding::Finding;
use crate::adapters::http::{Failure, Http, Request, Response};
use crate::adapters::notify::registered::Texts;
use crate::adapters::notify::{Handed, MOBILE_DIGITS, Parcel, Receipt, Trace, scrubbed};
use crate::config::{HttpSettings, Secret, SecretRef};
use crate::t;

/// A client that is made for the first call and keeps its connections.
pub(super) struct Caller {
    settings: HttpSettings,
    http: OnceLock<Result<Http, Failure>>,
}

impl Caller {
    /// With these settings; nothing is read yet.
    pub(super) fn new(settings: &HttpSettings) -> Caller {
        Caller { settings: settings.clone(), http: OnceLock::new() }
    }

    /// Posts `body`. What went wrong is a receipt: nothing was sent, a setting is wrong, or nobody knows.
    pub(super) fn post(
        &self,
        url: &str,
        headers: Vec<(&str, String)>,
        body: &[u8],
        parcel: &Parcel,
    ) -> Result<Response, Receipt> {
        let request = Request { method: "POST", url, headers, body, most_bytes: None };
        let http = self.http.get_or_init(|| Http::new(&self.settings, None));
        http.as_ref().map_err(Clone::clone).and_then(|http| http.send(&request)).map_err(|failure| {
            let said = scrubbed(failure.text(), parcel);
            match failure {
                Failure::NotSent(_) => Receipt::Down { said },
                Failure::Setup(_) => Receipt::Broken { said },
                Failure::Unsure(_) => Receipt::Unknown { said },
            }
        })
    }
}

/// The secret `word` of a channel; where it cannot be read, the channel is broken until somebody mends it.
pub(super) fn secret(channel: &str, word: &str, secret: &SecretRef) -> Result<Secret, Receipt> {
    let read = secret.read(&format!("channel.{channel}.{word}"));
    read.map_err(|fault| Receipt::Broken { said: fault.to_string() })
}

/// What is wrong with a channel's account: texts that are empty, secrets that cannot be read.
pub(super) fn inspected(channel: &str, texts: &[(&str, &String)], secrets: &[(&str, &SecretRef)]) -> Vec<Finding> {
    let setting = |word: &str| format!("channel.{channel}.{word}");
    let mut found = Vec::new();
    for (word, _) in texts.iter().filter(|(_, text)| text.trim().is_empty()) {
        found.push(bad(&setting(word), &t!("it is empty")));
    }
    for (word, secret) in secrets {
        if let Err(fault) = secret.read(&setting(word)) {
            found.push(Finding::of_fault(&fault));
        }
    }
    if found.is_empty() {
        let what = t!("channel {channel}: keys and settings are there", channel = channel);
        found.push(Finding::ok(what));
    }
    found
}

/// A setting that keeps a channel from working.
pub(super) fn bad(setting: &str, why: &str) -> Finding {
    let hint = t!("correct it in shop.toml; every setting is explained in shop.example.toml");
    Finding::bad(format!("{setting}: {why}"), hint)
}

/// Looks up one by one, and stops asking a provider that cannot be reached.
pub(super) fn looked_up(handed: &[Handed], one: impl Fn(&Handed) -> Result<Trace, Receipt>) -> Vec<Trace> {
    let mut unreachable: Option<String> = None;
    let ask = |it: &Handed| {
        if let Some(said) = &unreachable {
            return Trace::NotYet { said: said.clone() };
        }
        one(it).unwrap_or_else(|receipt| {
            let said = receipt.said().to_owned();
            unreachable = Some(said.clone());
            Trace::NotYet { said }
        })
    };
    handed.iter().map(ask).collect()
}

/// Eleven digits that begin with 1: a mainland mobile number.
pub(super) fn is_mobile(phone: &str) -> bool {
    phone.len() == MOBILE_DIGITS && phone.starts_with('1') && phone.bytes().all(|b| b.is_ascii_digit())
}

/// Why an SMS of registered texts can never carry this message.
pub(super) fn refused_as_sms(texts: &Texts, parcel: &Parcel) -> Option<String> {
    if !is_mobile(&parcel.phone) {
        return Some(t!("no mobile number is known"));
    }
    texts.filled(parcel).err()
}

/// The host of an address as it stands in the `Host` header.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}
