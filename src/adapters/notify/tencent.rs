//! SMS through Tencent Cloud: signature TC3-HMAC-SHA256, one message a call, judged by the answer for that very number.
//!
//! The provider knows no idempotent send. Our number of a message travels as `SessionContext`; the list of receipts for a number
//! (`PullSmsSendStatusByPhoneNumber`) repeats it where the shop had that switched on. A receipt proves that a message was taken.
//! Its absence proves nothing, because the list holds only what an operator has answered: so a message whose answer was lost is
//! never sent again by itself (payment facts 4.2).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration};
use serde::{Deserialize, Serialize};

use crate::adapters::finding::Finding;
use crate::adapters::keys;
use crate::adapters::notify::call::{Caller, host, inspected, is_mobile, looked_up, refused_as_sms, secret};
use crate::adapters::notify::registered::{Filled, Registered, Texts};
use crate::adapters::notify::{Handed, Notify, Parcel, Receipt, Trace, Wait, scrubbed};
use crate::clock::Clock;
use crate::config::{HttpSettings, SecretRef};
use crate::domain::date::At;
use crate::t;

const VERSION: &str = "2021-01-11";
/// Signed with the rest, so it must be exactly what is sent.
const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// Hours after which no operator's receipt is expected any more.
const RECEIPT_HOURS: i64 = 72;
/// Most entries of a list of receipts.
const PAGE: u32 = 100;

/// The account, as `shop.toml` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The secret's id.
    pub secret_id: String,
    /// The secret's key.
    pub secret_key: SecretRef,
    /// The application's number.
    pub sdk_app_id: String,
    /// The registered signature, without brackets.
    pub sign_name: String,
    /// Where the provider works.
    #[serde(default = "region")]
    pub region: String,
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
pub struct Tencent {
    name: String,
    account: Account,
    texts: Texts,
    caller: Caller,
    clock: Clock,
}

/// The `Authorization` of a POST of `body` to `/` of `host` at `timestamp` (Unix seconds).
pub fn authorization(id: &str, secret: &str, host: &str, timestamp: i64, body: &str) -> String {
    let date = DateTime::from_timestamp(timestamp, 0).unwrap_or_default().format("%Y-%m-%d").to_string();
    let canonical = format!(
        "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\ncontent-type;host\n{}",
        keys::sha256_hex(body.as_bytes())
    );
    let scope = format!("{date}/sms/tc3_request");
    let text = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", keys::sha256_hex(canonical.as_bytes()));
    let key = keys::hmac_sha256(format!("TC3{secret}").as_bytes(), date.as_bytes());
    let key = keys::hmac_sha256(&key, b"sms");
    let key = keys::hmac_sha256(&key, b"tc3_request");
    let signature = keys::hex(&keys::hmac_sha256(&key, text.as_bytes()));
    format!("TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=content-type;host, Signature={signature}")
}

impl Tencent {
    /// The channel `name`. Nothing is read and nobody is asked yet.
    pub fn open(name: &str, account: &Account, http: &HttpSettings, clock: Clock) -> Tencent {
        Tencent {
            name: name.to_owned(),
            texts: Texts::new(&account.templates, &account.templates_en),
            account: account.clone(),
            caller: Caller::new(http),
            clock,
        }
    }

    /// Calls `action` with `body`; the answer, whatever it says.
    fn call(&self, action: &str, body: &impl Serialize, parcel: &Parcel) -> Result<Answer, Receipt> {
        let secret = secret(&self.name, "secret_key", &self.account.secret_key)?;
        let body =
            serde_json::to_string(body).expect("a body is made of text and numbers, which JSON can always write");
        let endpoint = self.account.endpoint.trim_end_matches('/');
        let timestamp = self.clock.now().timestamp();
        let signed = authorization(&self.account.secret_id, secret.text(), host(endpoint), timestamp, &body);
        let headers = vec![
            ("authorization", signed),
            ("content-type", CONTENT_TYPE.to_owned()),
            ("x-tc-action", action.to_owned()),
            ("x-tc-version", VERSION.to_owned()),
            ("x-tc-timestamp", timestamp.to_string()),
            ("x-tc-region", self.account.region.clone()),
        ];
        let response = self.caller.post(&format!("{endpoint}/"), headers, body.as_bytes(), parcel)?;
        match serde_json::from_slice::<Envelope>(&response.body) {
            Ok(envelope) => Ok(envelope.response),
            Err(_) => Err(Receipt::Unknown {
                said: t!("the answer cannot be read (HTTP {status})", status = response.status),
            }),
        }
    }

    fn send_one(&self, parcel: &Parcel) -> Receipt {
        let Filled { code: template_id, values } = match self.texts.filled(parcel) {
            Ok(filled) => filled,
            Err(said) => return Receipt::Refused { said },
        };
        let number = international(&parcel.phone);
        let body = SendSms {
            phone_number_set: [&number],
            sms_sdk_app_id: &self.account.sdk_app_id,
            sign_name: &self.account.sign_name,
            template_id,
            template_param_set: values.into_iter().map(|(_, value)| value).collect(),
            session_context: &parcel.key,
        };
        let answer = match self.call("SendSms", &body, parcel) {
            Ok(answer) => answer,
            Err(receipt) => return receipt,
        };
        if let Some(error) = answer.error {
            return judged(&error.code, &error.message, parcel);
        }
        // The call went through; that says nothing about this number.
        match answer.send_status_set.iter().find(|it| it.phone_number == number) {
            Some(status) if status.code == "Ok" => Receipt::Sent { said: scrubbed(&status.serial_no, parcel) },
            Some(status) => judged(&status.code, &status.message, parcel),
            None => Receipt::Unknown { said: t!("the answer says nothing about this number") },
        }
    }

    fn look_up_one(&self, handed: &Handed, now: At) -> Result<Trace, Receipt> {
        let parcel = &handed.parcel;
        if now - handed.at > Duration::hours(RECEIPT_HOURS) || !is_mobile(&parcel.phone) {
            return Ok(Trace::CannotTell);
        }
        let body = PullStatus {
            begin_time: (handed.at - Duration::minutes(1)).timestamp(),
            end_time: now.timestamp(),
            offset: 0,
            limit: PAGE,
            phone_number: &international(&parcel.phone),
            sms_sdk_app_id: &self.account.sdk_app_id,
        };
        let answer = self.call("PullSmsSendStatusByPhoneNumber", &body, parcel)?;
        if let Some(error) = answer.error {
            return Ok(Trace::NotYet { said: scrubbed(&format!("{} {}", error.code, error.message), parcel) });
        }
        let ours = |it: &&Pulled| it.session_context.as_deref() == Some(&parcel.key);
        Ok(match answer.pulled.iter().find(ours) {
            Some(it) if it.report_status == "SUCCESS" => Trace::Took { said: scrubbed(&it.serial_no, parcel) },
            Some(it) if it.report_status == "FAIL" => Trace::Refused { said: scrubbed(&it.description, parcel) },
            _ => Trace::NotYet { said: t!("no operator's receipt for it yet") },
        })
    }
}

impl Notify for Tencent {
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
        let now = self.clock.now();
        looked_up(handed, |it| self.look_up_one(it, now))
    }

    fn inspect(&self) -> Vec<Finding> {
        let account = &self.account;
        let texts = [
            ("secret_id", &account.secret_id),
            ("sdk_app_id", &account.sdk_app_id),
            ("sign_name", &account.sign_name),
            ("region", &account.region),
        ];
        inspected(&self.name, &texts, &[("secret_key", &account.secret_key)])
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendSms<'a> {
    phone_number_set: [&'a str; 1],
    sms_sdk_app_id: &'a str,
    sign_name: &'a str,
    template_id: &'a str,
    template_param_set: Vec<String>,
    session_context: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PullStatus<'a> {
    begin_time: i64,
    end_time: i64,
    offset: u32,
    limit: u32,
    phone_number: &'a str,
    sms_sdk_app_id: &'a str,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Response")]
    response: Answer,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Error")]
    error: Option<Fault>,
    #[serde(rename = "SendStatusSet", default)]
    send_status_set: Vec<Status>,
    #[serde(rename = "PullSmsSendStatusSet", default)]
    pulled: Vec<Pulled>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "Code", default)]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Status {
    serial_no: String,
    phone_number: String,
    code: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Pulled {
    serial_no: String,
    report_status: String,
    description: String,
    session_context: Option<String>,
}

/// The provider's code in our words. What is not listed is unknown.
fn judged(code: &str, message: &str, parcel: &Parcel) -> Receipt {
    let said = scrubbed(&format!("{code} {message}"), parcel);
    match code {
        "LimitExceeded.PhoneNumberThirtySecondLimit" => Receipt::Later { said, wait: Wait::Minutes(5) },
        "LimitExceeded.PhoneNumberOneHourLimit" => Receipt::Later { said, wait: Wait::Minutes(60) },
        "LimitExceeded.PhoneNumberDailyLimit" | "LimitExceeded.PhoneNumberSameContentDailyLimit" => {
            Receipt::Later { said, wait: Wait::Tomorrow }
        }
        "LimitExceeded.DeliveryFrequencyLimit" => Receipt::Later { said, wait: Wait::Minutes(60) },
        "LimitExceeded"
        | "LimitExceeded.AppDailyLimit"
        | "LimitExceeded.AppMainlandChinaDailyLimit"
        | "LimitExceeded.DailyLimit"
        | "LimitExceeded.GlobalSmsSendingRateLimit"
        | "RequestLimitExceeded" => Receipt::Down { said },
        "FailedOperation.PhoneNumberInBlacklist"
        | "FailedOperation.PhoneNumberParseFail"
        | "FailedOperation.ContainSensitiveWord"
        | "FailedOperation.TemplateIncorrectOrUnapproved"
        | "FailedOperation.TemplateUnapprovedOrNotExist"
        | "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"
        | "InvalidParameterValue.IncorrectPhoneNumber"
        | "InvalidParameterValue.TemplateParameterFormatError"
        | "InvalidParameterValue.TemplateParameterLengthLimit" => Receipt::Refused { said },
        "FailedOperation.InsufficientBalanceInSmsPackage"
        | "FailedOperation.SignatureIncorrectOrUnapproved"
        | "FailedOperation.MissingSignatureToModify"
        | "FailedOperation.MissingSignature"
        | "InvalidParameterValue.SdkAppIdNotExist"
        | "UnsupportedRegion" => Receipt::Broken { said },
        _ if code.starts_with("AuthFailure") || code.starts_with("UnauthorizedOperation") => Receipt::Broken { said },
        _ => Receipt::Unknown { said },
    }
}

/// A mainland number as the provider wants it.
fn international(phone: &str) -> String {
    format!("+86{phone}")
}

fn region() -> String {
    "ap-guangzhou".into()
}

fn endpoint() -> String {
    "https://sms.tencentcloudapi.com".into()
}

#[cfg(test)]
mod tests {
    use super::judged;
    use crate::adapters::notify::{Parcel, Receipt, Wait};

    #[test]
    fn each_code_means_one_thing_and_an_unlisted_one_is_unknown() {
        let parcel = Parcel::default();
        let word = |receipt: &Receipt| match receipt {
            Receipt::Sent { .. } => "sent",
            Receipt::Refused { .. } => "refused",
            Receipt::Later { wait: Wait::Tomorrow, .. } => "tomorrow",
            Receipt::Later { .. } => "soon",
            Receipt::Down { .. } => "down",
            Receipt::Broken { .. } => "broken",
            Receipt::Unknown { .. } => "unknown",
        };
        for (code, expected) in [
            ("LimitExceeded.PhoneNumberThirtySecondLimit", "soon"),
            ("LimitExceeded.PhoneNumberOneHourLimit", "soon"),
            ("LimitExceeded.PhoneNumberDailyLimit", "tomorrow"),
            ("LimitExceeded.PhoneNumberSameContentDailyLimit", "tomorrow"),
            ("LimitExceeded.DeliveryFrequencyLimit", "soon"),
            ("LimitExceeded.AppDailyLimit", "down"),
            ("LimitExceeded.GlobalSmsSendingRateLimit", "down"),
            ("FailedOperation.PhoneNumberInBlacklist", "refused"),
            ("InvalidParameterValue.IncorrectPhoneNumber", "refused"),
            ("FailedOperation.TemplateIncorrectOrUnapproved", "refused"),
            ("FailedOperation.TemplateParamSetNotMatchApprovedTemplate", "refused"),
            ("InvalidParameterValue.TemplateParameterLengthLimit", "refused"),
            ("FailedOperation.InsufficientBalanceInSmsPackage", "broken"),
            ("FailedOperation.SignatureIncorrectOrUnapproved", "broken"),
            ("UnauthorizedOperation.ServiceSuspendDueToArrears", "broken"),
            ("AuthFailure.SignatureFailure", "broken"),
            ("InternalError.Timeout", "unknown"),
            ("InternalError.RequestTimeException", "unknown"),
            ("InternalError.SendAndRecvFail", "unknown"),
            ("Something.New", "unknown"),
        ] {
            assert_eq!(word(&judged(code, "", &parcel)), expected, "{code}");
        }
    }
}
