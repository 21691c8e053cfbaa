//! The gateway's form of requests, answers and notices as bytes (payment facts 1.2, 1.4): what is signed, how it is encoded, where
//! a value begins and ends. Owns no key and opens no connection; everything here is checked against fixed vectors.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::adapters::percent::in_form;

/// Most members of an answer beside and with the one that is signed: Alipay's has three.
const MOST_MEMBERS: usize = 64;

/// Parameters of a request, in the order in which they are sent.
pub type Params = Vec<(String, String)>;

/// The text that is signed: every parameter but `sign` that has a value, sorted by name, values as they are.
pub fn to_sign(params: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> =
        params.iter().filter(|(name, value)| name != "sign" && !value.is_empty()).collect();
    sorted.sort();
    joined(sorted.into_iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// The text of a notice that is signed: as [`to_sign`], but without `sign_type` too.
pub fn notice_to_sign(fields: &BTreeMap<String, String>) -> String {
    let signed = fields.iter().filter(|(name, value)| *name != "sign" && *name != "sign_type" && !value.is_empty());
    joined(signed.map(|(name, value)| (name.as_str(), value.as_str())))
}

/// `name=value&…`, each value encoded as forms do.
pub fn form(params: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in params {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&in_form(name));
        text.push('=');
        text.push_str(&in_form(value));
    }
    text
}

/// Reads a form. `None` where it is none: a broken `%XX`, bytes that are no UTF-8, a name given twice.
pub fn fields(form: &str) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for part in form.trim().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        if fields.insert(decoded(name)?, decoded(value)?).is_some() {
            return None;
        }
    }
    Some(fields)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// An answer taken apart without touching the bytes that are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The value that is signed, exactly as received: an object, or a string in quotes where it is encrypted.
    pub signed: &'a str,
    /// Whether it stands under `error_response`.
    pub is_error: bool,
    /// The signature, absent from some refusals of the gateway's own.
    pub sign: Option<&'a str>,
    /// Which of Alipay's certificates signed, in certificate mode.
    pub cert_sn: Option<&'a str>,
}

/// Takes an answer to `method` apart. `None` where it is no such answer.
pub fn parts<'a>(body: &'a str, method: &str) -> Option<Parts<'a>> {
    let members = members(body)?;
    let own = format!("{}_response", method.replace('.', "_"));
    let find = |wanted: &str| members.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let (signed, is_error) = match find(&own) {
        Some(value) => (value, false),
        None => (find("error_response")?, true),
    };
    let plain = |wanted: &str| find(wanted).and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
    Some(Parts { signed, is_error, sign: plain("sign"), cert_sn: plain("alipay_cert_sn") })
}

/// The fields of an answer as text, whatever they were in JSON; lists and objects are left out, nothing reads them.
pub fn texts(value: &Value) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => texts.insert(name.clone(), text.clone()),
            Value::Number(number) => texts.insert(name.clone(), number.to_string()),
            Value::Bool(flag) => texts.insert(name.clone(), flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
    }
    texts
}

/// The members of the outermost object with their values as they stand. `None` where it is no JSON object, or a name comes
/// twice: then nobody can say which of the two is meant.
fn members(body: &str) -> Option<Vec<(&str, &str)>> {
    let text = body.trim_start_matches('\u{feff}').trim();
    // The whole must be JSON; the walk below then only needs to know about strings and brackets.
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut rest = text.strip_prefix('{')?.trim_start();
    let mut members: Vec<(&str, &str)> = Vec::new();
    while !rest.starts_with('}') {
        let name_end = string_end(rest)?;
        let name = &rest[1..name_end - 1];
        rest = rest[name_end..].trim_start().strip_prefix(':')?.trim_start();
        let value_end = value_end(rest)?;
        if members.len() == MOST_MEMBERS || members.iter().any(|(known, _)| *known == name) {
            return None;
        }
        members.push((name, rest[..value_end].trim_end()));
        rest = rest[value_end..].trim_start();
        rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
    }
    Some(members)
}

/// Where the string at the beginning of `text` ends, its quotes included.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Where the value at the beginning of `text` ends: brackets are counted outside strings.
fn value_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_u32;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += string_end(&text[at..])?;
                if depth == 0 {
                    return Some(at);
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{fields, form, parts};

    #[test]
    fn values_are_cut_at_their_own_brackets() {
        let body =
            r#" {"a":1,"x_y_response" : {"note":"} \" ]","list":[{"b":"}"}],"deep":{"c":{}}} , "sign":"Zg==" } "#;
        let found = parts(body, "x.y").unwrap();
        assert_eq!(found.signed, r#"{"note":"} \" ]","list":[{"b":"}"}],"deep":{"c":{}}}"#);
        assert_eq!((found.sign, found.is_error, found.cert_sn), (Some("Zg=="), false, None));
        let encrypted = parts(r#"{"x_y_response":"abc=","sign":"s","alipay_cert_sn":"n"}"#, "x.y").unwrap();
        assert_eq!((encrypted.signed, encrypted.cert_sn), ("\"abc=\"", Some("n")));
        assert!(parts(r#"{"error_response":{"code":"40002"}}"#, "x.y").unwrap().is_error);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for body in [
            "",
            "garbage",
            "<html>",
            "[]",
            "{}",
            r#"{"x_y_response":{"code":"10000"}"#,
            r#"{"other_response":{"code":"10000"},"sign":"s"}"#,
            r#"{"x_y_response":{"code":"40004"},"x_y_response":{"code":"10000"},"sign":"s"}"#,
            r#"{"x_y_response":{"code":"10000"},"sign":"s"} trailing"#,
        ] {
            assert_eq!(parts(body, "x.y"), None, "{body}");
        }
    }

    #[test]
    fn forms_are_read_back_and_broken_ones_refused() {
        let params = vec![("a b".to_owned(), "猫粮+罐头 100%&=".to_owned()), ("n".to_owned(), String::new())];
        let read = fields(&form(&params)).unwrap();
        assert_eq!(read.get("a b").map(String::as_str), Some("猫粮+罐头 100%&="));
        assert_eq!(read.len(), 2);
        for broken in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=1&a=2", "no value"] {
            assert_eq!(fields(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_answer_without_end_is_given_up_early() {
        let many: String = (0..100_000).map(|it| format!("\"a{it}\":1,")).collect();
        assert_eq!(parts(&format!(r#"{{{many}"x_y_response":{{}},"sign":"s"}}"#), "x.y"), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_answer_or_none(
            text in "[{}\\[\\]\",:\\\\a1猫 \n]{0,80}", at in 0usize..100, put in any::<char>(),
        ) {
            parts(&text, "x.y");
            parts(&format!("{{\"x_y_response\":{text},\"sign\":\"s\"}}"), "x.y");
            let mut body: Vec<char> = r#"{"x_y_response":{"note":"} \" ]","list":[{"b":"}"}]},"sign":"Zg=="}"#.chars().collect();
            let place = at % body.len();
            body[place] = put;
            let body: String = body.into_iter().collect();
            if let Some(found) = parts(&body, "x.y") {
                prop_assert!(serde_json::from_str::<serde_json::Value>(found.signed).is_ok(), "{}", found.signed);
            }
        }

        #[test]
        fn whatever_is_sent_as_a_form_is_read_back(name in ".{1,9}", value in ".{0,40}", noise in "[%+=&a0é]{0,20}") {
            let params = vec![(name.clone(), value.clone())];
            let read = fields(&form(&params)).unwrap();
            prop_assert_eq!(read.get(&name), Some(&value));
            fields(&noise);
        }
    }
}
