//! Signing and checking of WeChat Pay's v2 calls (payment facts 2.2). Owns the rule, knows no call and no network.
//!
//! Requests are signed over the fields that are sent, answers are checked over every field that was received, known or not. The two
//! kinds tell each other apart by length, so nobody has to believe a field that says which it is.

use super::xml::Fields;
use crate::adapters::keys::{hex, hmac_sha256, md5_hex, same};

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignType {
    /// The default of v2. `entrustweb` knows no other.
    Md5,
    /// The better one, wherever the call takes it.
    HmacSha256,
}

/// Length of a signature in hexadecimal digits.
const MD5_LEN: usize = 32;
const HMAC_LEN: usize = 64;

/// The text that is signed: fields that are not empty by name, `name=value` joined by `&`, and the key behind.
pub(super) fn to_sign(fields: &Fields, key: &str) -> String {
    let mut pairs: Vec<(&str, &str)> =
        fields.iter().filter(|(name, value)| *name != "sign" && !value.is_empty()).collect();
    pairs.sort_unstable();
    let mut text = String::new();
    for (name, value) in pairs {
        text.push_str(&format!("{name}={value}&"));
    }
    text.push_str(&format!("key={key}"));
    text
}

/// The signature of `fields`.
pub(super) fn sign(fields: &Fields, kind: SignType, key: &str) -> String {
    let text = to_sign(fields, key);
    let digest = match kind {
        SignType::Md5 => md5_hex(text.as_bytes()),
        SignType::HmacSha256 => hex(&hmac_sha256(key.as_bytes(), text.as_bytes())),
    };
    digest.to_uppercase()
}

/// The fields with their signature behind.
pub(super) fn signed(fields: Fields, kind: SignType, key: &str) -> Fields {
    let sign = sign(&fields, kind, key);
    fields.with("sign", sign)
}

/// Whether the signature among `fields` is theirs, whichever kind it is.
pub(super) fn holds(fields: &Fields, key: &str) -> bool {
    let Some(given) = fields.get("sign") else { return false };
    let kind = match given.len() {
        MD5_LEN => SignType::Md5,
        HMAC_LEN => SignType::HmacSha256,
        _ => return false,
    };
    same(&sign(fields, kind, key), &given.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{Fields, SignType, holds, sign, signed};

    const KEY: &str = "192006250b4c09247ec02edce69f6a2d";

    fn fields() -> Fields {
        Fields::new().with("b", "2").with("a", "1").with("empty", "")
    }

    #[test]
    fn order_of_fields_and_empty_ones_do_not_matter() {
        let other = Fields::new().with("a", "1").with("b", "2");
        for kind in [SignType::Md5, SignType::HmacSha256] {
            assert_eq!(sign(&fields(), kind, KEY), sign(&other, kind, KEY));
        }
    }

    #[test]
    fn only_the_whole_truth_holds() {
        for kind in [SignType::Md5, SignType::HmacSha256] {
            let good = signed(fields(), kind, KEY);
            assert!(holds(&good, KEY));
            assert!(!holds(&good, "192006250b4c09247ec02edce69f6a2e"), "another key");
            assert!(!holds(&good.clone().with("unknown", "x"), KEY), "a field that we do not know counts too");
        }
        assert!(!holds(&fields(), KEY), "no signature");
        assert!(!holds(&fields().with("sign", "ABC"), KEY), "half a signature");
        assert!(!holds(&fields().with("sign", ""), KEY), "an empty signature");
    }
}
