//! SMS through Aliyun: signature ACS3-HMAC-SHA256, one message a call, and the look-up of what was sent to a number on a day.
//!
//! The provider knows no idempotent send. Our number of a message travels as `OutId`, which is only echoed; so a message whose
//! answer was lost is looked for under the number and the day with `QuerySendDetails`, and sent again only when it is not there
//! some minutes later (payment facts 4.1).

use std::collections::BTreeMap;

use chrono::Duration;
use chrono_tz::Asia::Shanghai;
use serde::Deserialize;

use crate::adapters::finding::Finding;
use crate::adapters::keys::{self, Nonces};
use crate::adapters::notify::call::{Caller, host, inspected, is_mobile, looked_up, refused_as_sms, secret};
use crate::adapters::notify::registered::{Filled, Registered, Texts};
use crate::adapters::notify::{Handed, Notify, Parcel, Receipt, Trace, Wait, scrubbed};
use crate::adapters::percent::encoded;
use crate::clock::Clock;
use crate::config::{HttpSettings, SecretRef};
use crate::domain::date::At;
use crate::t;

const VERSION: &str = "2017-05-25";
/// Minutes after which a message that the provider does not list was not taken. Its lists lag behind by seconds to minutes.
const LISTED_MINUTES: i64 = 10;
/// Days after the hand-over that are searched, too.
const LATER_DAYS: i64 = 3;
/// Days for which the provider lists what was sent.
const LISTED_DAYS: i64 = 30;
/// Most entries of one page of the list.
const PAGE: u64 = 50;
/// Pages after which a number's list of one day is not believed any more.
const MAX_PAGES: u64 = 20;

/// The account, as `shop.toml` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub access_key_secret: SecretRef,
    /// The registered signature, without brackets.
    pub sign_name: String,
    /// Where the provider answers.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Registered texts in Chinese.
    #[serde(default)]
    pub templates: BTreeMap<String, Registered>,
    /// Registered texts in English.
    #[serde(default)]
    pub templates_en: BTreeMap<String, Registered>,
}

/// The channel.
pub struct Aliyun {
    name: String,
    account: Account,
    texts: Texts,
    caller: Caller,
    clock: Clock,
    nonces: Nonces,
}

/// What a call is signed with.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The access key's id.
    pub id: &'a str,
    /// The access key's secret.
    pub secret: &'a str,
    /// The host, with its port where that is not the usual one.
    pub host: &'a str,
    /// `SendSms`.
    pub action: &'a str,
    /// `2026-12-01T02:00:00Z`.
    pub date: &'a str,
    /// Never the same twice.
    pub nonce: &'a str,
}

impl Signer<'_> {
    /// The headers of a POST to `/` with this canonical query and no body, `Authorization` among them.
    pub fn headers(&self, query: &str) -> Vec<(&'static str, String)> {
        let payload = keys::sha256_hex(b"");
        let mut headers = vec![
            ("host", self.host.to_owned()),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", payload.clone()),
            ("x-acs-date", self.date.to_owned()),
            ("x-acs-signature-nonce", self.nonce.to_owned()),
            ("x-acs-version", VERSION.to_owned()),
        ];
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("POST\n/\n{query}\n{lines}\n{names}\n{payload}");
        let text = format!("ACS3-HMAC-SHA256\n{}", keys::sha256_hex(canonical.as_bytes()));
        let signature = keys::hex(&keys::hmac_sha256(self.secret.as_bytes(), text.as_bytes()));
        let authorization =
            format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}", self.id);
        headers.push(("authorization", authorization));
        headers
    }
}

/// Names and values as a canonical query: sorted by name, RFC 3986 encoded.
pub fn query(values: &BTreeMap<&str, String>) -> String {
    let pairs = values.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

impl Aliyun {
    /// The channel `name`. Nothing is read and nobody is asked yet.
    pub fn open(name: &str, account: &Account, http: &HttpSettings, clock: Clock) -> Aliyun {
        Aliyun {
            name: name.to_owned(),
            texts: Texts::new(&account.templates, &account.templates_en),
            account: account.clone(),
            caller: Caller::new(http),
            clock,
            nonces: Nonces::default(),
        }
    }

    /// Calls `action`; the answer's JSON.
    fn call(&self, action: &str, values: &BTreeMap<&str, String>, parcel: &Parcel) -> Result<Answer, Receipt> {
        let secret = secret(&self.name, "access_key_secret", &self.account.access_key_secret)?;
        let now = self.clock.now();
        let query = query(values);
        // The provider refuses a nonce that it has seen.
        let nonce = self.nonces.next(now, &format!("{action} {}", parcel.key));
        let host = host(&self.account.endpoint);
        let signer = Signer {
            id: &self.account.access_key_id,
            secret: secret.text(),
            host,
            action,
            date: &now.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            nonce: &nonce,
        };
        let url = format!("{}/?{query}", self.account.endpoint.trim_end_matches('/'));
        // The client writes the host by itself, from the same address.
        let headers = signer.headers(&query).into_iter().filter(|(name, _)| *name != "host").collect();
        let response = self.caller.post(&url, headers, b"", parcel)?;
        serde_json::from_slice::<Answer>(&response.body).map_err(|_| Receipt::Unknown {
            said: t!("the answer cannot be read (HTTP {status})", status = response.status),
        })
    }

    fn send_one(&self, parcel: &Parcel) -> Receipt {
        let Filled { code, values } = match self.texts.filled(parcel) {
            Ok(filled) => filled,
            Err(said) => return Receipt::Refused { said },
        };
        let values: serde_json::Map<String, serde_json::Value> =
            values.into_iter().map(|(name, value)| (name, value.into())).collect();
        let query = BTreeMap::from([
            ("PhoneNumbers", parcel.phone.clone()),
            ("SignName", self.account.sign_name.clone()),
            ("TemplateCode", code.to_owned()),
            ("TemplateParam", serde_json::Value::Object(values).to_string()),
            ("OutId", parcel.key.clone()),
        ]);
        match self.call("SendSms", &query, parcel) {
            Ok(answer) if answer.code == "OK" => Receipt::Sent { said: scrubbed(&answer.biz_id, parcel) },
            Ok(answer) => judged(&answer.code, &answer.message, parcel),
            Err(receipt) => receipt,
        }
    }

    fn look_up_one(&self, handed: &Handed, now: At) -> Result<Trace, Receipt> {
        let parcel = &handed.parcel;
        if now - handed.at > Duration::days(LISTED_DAYS) || !is_mobile(&parcel.phone) {
            return Ok(Trace::CannotTell);
        }
        let mut query = BTreeMap::from([
            ("PhoneNumber", parcel.phone.clone()),
            ("SendDate", day(handed.at)),
            ("PageSize", PAGE.to_string()),
        ]);
        // A message of midnight may be dated by the day after, and one that a restored database knows only from its queue went out
        // some day later.
        let days = (0..=LATER_DAYS).map(|days| handed.at + Duration::days(days));
        for at in days.take_while(|at| day(*at) <= day(now)) {
            query.insert("SendDate", day(at));
            let mut page = 1;
            loop {
                query.insert("CurrentPage", page.to_string());
                let answer = self.call("QuerySendDetails", &query, parcel)?;
                if answer.code != "OK" {
                    return Ok(Trace::NotYet {
                        said: scrubbed(&format!("{} {}", answer.code, answer.message), parcel),
                    });
                }
                let details = answer.details.list;
                if let Some(detail) = details.iter().find(|it| it.out_id == parcel.key) {
                    return Ok(match detail.send_status {
                        // The operator could not bring it to the phone; the message itself will never come.
                        2 => Trace::Refused { said: scrubbed(&detail.err_code, parcel) },
                        _ => Trace::Took { said: scrubbed(&detail.err_code, parcel) },
                    });
                }
                if u64::try_from(details.len()).unwrap_or(PAGE) < PAGE {
                    break;
                }
                page += 1;
                if page > MAX_PAGES {
                    return Ok(Trace::CannotTell);
                }
            }
        }
        if now - handed.at < Duration::minutes(LISTED_MINUTES) {
            return Ok(Trace::NotYet { said: t!("not in the provider's list yet") });
        }
        Ok(Trace::Again { said: t!("not in the provider's list of that day") })
    }
}

impl Notify for Aliyun {
    fn name(&self) -> &str {
        &self.name
    }

    fn refuses(&self, parcel: &Parcel) -> Option<String> {
        refused_as_sms(&self.texts, parcel)
    }

    fn texts(&self) -> Option<&Texts> {
        Some(&self.texts)
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        parcels.iter().map(|parcel| self.send_one(parcel)).collect()
    }

    fn look_up(&self, handed: &[Handed]) -> Vec<Trace> {
        looked_up(handed, |it| self.look_up_one(it, self.clock.now()))
    }

    fn inspect(&self) -> Vec<Finding> {
        let texts = [("access_key_id", &self.account.access_key_id), ("sign_name", &self.account.sign_name)];
        inspected(&self.name, &texts, &[("access_key_secret", &self.account.access_key_secret)])
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(rename = "Code", default)]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
    #[serde(rename = "BizId", default)]
    biz_id: String,
    #[serde(rename = "SmsSendDetailDTOs", default)]
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    #[serde(rename = "SmsSendDetailDTO", default)]
    list: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(rename = "OutId", default)]
    out_id: String,
    /// 1 waits for the operator's receipt, 2 failed, 3 arrived.
    #[serde(rename = "SendStatus", default)]
    send_status: i64,
    #[serde(rename = "ErrCode", default)]
    err_code: String,
}

/// The provider's code in our words. What is not listed is unknown, and is looked up before it is sent again.
fn judged(code: &str, message: &str, parcel: &Parcel) -> Receipt {
    let said = scrubbed(&format!("{code} {message}"), parcel);
    match code {
        // The same number: one a minute, five an hour, ten a day. The level stands in the message.
        "isv.BUSINESS_LIMIT_CONTROL" => {
            let wait = match message {
                _ if message.contains("天级") || message.contains("day") => Wait::Tomorrow,
                _ if message.contains("小时级") || message.contains("hour") => Wait::Minutes(60),
                _ => Wait::Minutes(5),
            };
            Receipt::Later { said, wait }
        }
        "isv.DAY_LIMIT_CONTROL" | "Throttling" | "Throttling.User" | "Throttling.Api" => Receipt::Down { said },
        "isv.MOBILE_NUMBER_ILLEGAL"
        | "isv.MOBILE_COUNT_OVER_LIMIT"
        | "isv.BLACK_KEY_CONTROL_LIMIT"
        | "isv.SMS_TEMPLATE_ILLEGAL"
        | "isv.TEMPLATE_MISSING_PARAMETERS"
        | "isv.TEMPLATE_PARAMS_ILLEGAL"
        | "isv.INVALID_PARAMETERS"
        | "isv.INVALID_JSON_PARAM"
        | "isv.PARAM_LENGTH_LIMIT"
        | "isv.PARAM_NOT_SUPPORT_URL" => Receipt::Refused { said },
        "isv.SMS_SIGNATURE_ILLEGAL"
        | "isv.PRODUCT_UN_SUBSCRIPT"
        | "isv.PRODUCT_UNSUBSCRIBE"
        | "isv.ACCOUNT_NOT_EXISTS"
        | "isv.ACCOUNT_ABNORMAL"
        | "isv.OUT_OF_SERVICE"
        | "isv.AMOUNT_NOT_ENOUGH"
        | "isv.MONTH_LIMIT_CONTROL"
        | "isp.RAM_PERMISSION_DENY"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "InvalidTimeStamp.Expired" => Receipt::Broken { said },
        _ if code.starts_with("InvalidAccessKeyId") || code.starts_with("Forbidden") => Receipt::Broken { said },
        _ => Receipt::Unknown { said },
    }
}

/// The provider's date of a moment: Beijing's.
fn day(at: At) -> String {
    at.with_timezone(&Shanghai).format("%Y%m%d").to_string()
}

fn endpoint() -> String {
    "https://dysmsapi.aliyuncs.com".into()
}

#[cfg(test)]
mod tests {
    use super::{day, judged, query};
    use crate::adapters::notify::{Parcel, Receipt, Wait};
    use std::collections::BTreeMap;

    #[test]
    fn each_code_means_one_thing_and_an_unlisted_one_is_unknown() {
        let parcel = Parcel { phone: "19900000001".into(), ..Parcel::default() };
        let word = |receipt: &Receipt| match receipt {
            Receipt::Sent { .. } => "sent",
            Receipt::Refused { .. } => "refused",
            Receipt::Later { wait: Wait::Tomorrow, .. } => "tomorrow",
            Receipt::Later { wait: Wait::Minutes(60), .. } => "in an hour",
            Receipt::Later { wait: Wait::Minutes(_), .. } => "soon",
            Receipt::Down { .. } => "down",
            Receipt::Broken { .. } => "broken",
            Receipt::Unknown { .. } => "unknown",
        };
        for (code, message, expected) in [
            ("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", "soon"),
            ("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", "in an hour"),
            ("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", "tomorrow"),
            ("isv.DAY_LIMIT_CONTROL", "", "down"),
            ("Throttling.User", "", "down"),
            ("isv.MOBILE_NUMBER_ILLEGAL", "", "refused"),
            ("isv.BLACK_KEY_CONTROL_LIMIT", "", "refused"),
            ("isv.SMS_TEMPLATE_ILLEGAL", "", "refused"),
            ("isv.TEMPLATE_MISSING_PARAMETERS", "", "refused"),
            ("isv.INVALID_PARAMETERS", "", "refused"),
            ("isv.INVALID_JSON_PARAM", "", "refused"),
            ("isv.PARAM_LENGTH_LIMIT", "", "refused"),
            ("isv.PARAM_NOT_SUPPORT_URL", "", "refused"),
            ("isv.SMS_SIGNATURE_ILLEGAL", "", "broken"),
            ("isv.PRODUCT_UN_SUBSCRIPT", "", "broken"),
            ("isv.OUT_OF_SERVICE", "", "broken"),
            ("isv.AMOUNT_NOT_ENOUGH", "", "broken"),
            ("isp.RAM_PERMISSION_DENY", "", "broken"),
            ("SignatureDoesNotMatch", "", "broken"),
            ("InvalidAccessKeyId.NotFound", "", "broken"),
            ("isp.SYSTEM_ERROR", "", "unknown"),
            ("ServiceUnavailable", "", "unknown"),
            ("isv.SOMETHING_NEW", "", "unknown"),
            ("", "", "unknown"),
        ] {
            assert_eq!(word(&judged(code, message, &parcel)), expected, "{code} {message}");
        }
        assert!(!judged("isv.MOBILE_NUMBER_ILLEGAL", "19900000001", &parcel).said().contains("1990"));
    }

    #[test]
    fn the_query_is_encoded_and_the_day_is_beijings() {
        let values = BTreeMap::from([("b", "a b*~+/".to_owned()), ("a", "团".to_owned())]);
        assert_eq!(query(&values), "a=%E5%9B%A2&b=a%20b%2A~%2B%2F");
        assert_eq!(day("2026-11-02T16:00:00Z".parse().unwrap()), "20261103");
    }
}
