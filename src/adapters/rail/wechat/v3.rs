//! Signing and checking of WeChat Pay's v3 calls (payment facts 2.6). Owns the rule, knows no call and no network.

use crate::adapters::keys::PublicKey;

/// Name of the scheme in the `Authorization` header.
const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

/// What a signature of WeChat Pay's begins with when it probes whether we check signatures at all.
const PROBE: &str = "WECHATPAY/SIGNTEST/";

/// The text of a request that is signed.
pub(super) fn request_text(method: &str, path: &str, timestamp: i64, nonce: &str, body: &str) -> String {
    format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n")
}

/// The text of an answer or a notice that is signed.
pub(super) fn answer_text(timestamp: &str, nonce: &str, body: &str) -> String {
    format!("{timestamp}\n{nonce}\n{body}\n")
}

/// The `Authorization` header.
pub(super) fn authorization(mch_id: &str, serial: &str, timestamp: i64, nonce: &str, signature: &str) -> String {
    format!(
        "{SCHEME} mchid=\"{mch_id}\",serial_no=\"{serial}\",timestamp=\"{timestamp}\",nonce_str=\"{nonce}\",signature=\"{signature}\""
    )
}

/// Whom an answer says it is from, and the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// `Wechatpay-Timestamp`.
    pub(super) timestamp: String,
    /// `Wechatpay-Nonce`.
    pub(super) nonce: String,
    /// `Wechatpay-Signature`.
    pub(super) signature: String,
    /// `Wechatpay-Serial`.
    pub(super) serial: String,
}

impl Seal {
    /// From headers, asked for in lower case; `None` where one is missing.
    pub(super) fn of<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<Seal> {
        Some(Seal {
            timestamp: header("wechatpay-timestamp")?.to_owned(),
            nonce: header("wechatpay-nonce")?.to_owned(),
            signature: header("wechatpay-signature")?.to_owned(),
            serial: header("wechatpay-serial")?.to_owned(),
        })
    }

    /// Whether it was made with `key` over `body`. A probe never holds.
    pub(super) fn holds(&self, key: &PublicKey, body: &str) -> bool {
        if self.signature.starts_with(PROBE) {
            return false;
        }
        key.verifies(answer_text(&self.timestamp, &self.nonce, body).as_bytes(), &self.signature)
    }
}
