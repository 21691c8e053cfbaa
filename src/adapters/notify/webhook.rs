//! A web address of the shop's own that takes messages: POST of one JSON document, signed.
//!
//! The body is the message as `exec` gets it, with `key` as the event's id. `X-Kibble-Timestamp` holds Unix seconds and
//! `X-Kibble-Signature` the hex HMAC-SHA256 of `timestamp.body` under the shared secret; `X-Kibble-Event` repeats the key. The
//! receiver checks signature and age, and takes a key once: so a message whose answer was lost is handed over again.
//!
//! Answers: 2xx took it; 400, 410, 413 and 422 never this message; 429 and 503 not now; 401, 403, 404, 405 and 3xx are settings;
//! anything else leaves it unknown.

use serde::{Deserialize, Serialize};

use crate::adapters::finding::Finding;
use crate::adapters::keys;
use crate::adapters::notify::call::{Caller, inspected, secret};
use crate::adapters::notify::{Handed, Notify, Parcel, Receipt, Trace, scrubbed};
use crate::clock::Clock;
use crate::config::{HttpSettings, SecretRef};
use crate::t;

/// Version of the document.
const VERSION: u32 = 1;

/// The address, as `shop.toml` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Where messages go.
    pub url: String,
    /// The shared secret.
    pub secret: SecretRef,
}

/// The channel.
pub struct Webhook {
    name: String,
    account: Account,
    caller: Caller,
    clock: Clock,
}

#[derive(Serialize)]
struct Body<'a> {
    v: u32,
    #[serde(flatten)]
    parcel: &'a Parcel,
}

/// The signature of `body` at `timestamp` (Unix seconds).
pub fn signature(secret: &str, timestamp: i64, body: &str) -> String {
    keys::hex(&keys::hmac_sha256(secret.as_bytes(), format!("{timestamp}.{body}").as_bytes()))
}

impl Webhook {
    /// The channel `name`. Nothing is read and nobody is asked yet.
    pub fn open(name: &str, account: &Account, http: &HttpSettings, clock: Clock) -> Webhook {
        Webhook { name: name.to_owned(), account: account.clone(), caller: Caller::new(http), clock }
    }

    fn send_one(&self, parcel: &Parcel) -> Receipt {
        let secret = match secret(&self.name, "secret", &self.account.secret) {
            Ok(secret) => secret,
            Err(receipt) => return receipt,
        };
        let body = serde_json::to_string(&Body { v: VERSION, parcel })
            .expect("a parcel is made of text, which JSON can always write");
        let timestamp = self.clock.now().timestamp();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-kibble-event", parcel.key.clone()),
            ("x-kibble-timestamp", timestamp.to_string()),
            ("x-kibble-signature", signature(secret.text(), timestamp, &body)),
        ];
        let response = match self.caller.post(&self.account.url, headers, body.as_bytes(), parcel) {
            Ok(response) => response,
            Err(receipt) => return receipt,
        };
        let said = t!("HTTP {status}", status = response.status);
        match response.status {
            200..=299 => Receipt::Sent { said: scrubbed(&String::from_utf8_lossy(&response.body), parcel) },
            400 | 410 | 413 | 422 => Receipt::Refused { said },
            429 | 503 => Receipt::Down { said },
            300..=399 | 401 | 403 | 404 | 405 => Receipt::Broken { said },
            _ => Receipt::Unknown { said },
        }
    }
}

impl Notify for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        parcels.iter().map(|parcel| self.send_one(parcel)).collect()
    }

    fn look_up(&self, handed: &[Handed]) -> Vec<Trace> {
        vec![Trace::Repeat { said: t!("the receiver takes the same event once") }; handed.len()]
    }

    fn inspect(&self) -> Vec<Finding> {
        inspected(&self.name, &[("url", &self.account.url)], &[("secret", &self.account.secret)])
    }
}
