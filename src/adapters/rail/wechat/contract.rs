//! Contracts (委托代扣协议): the link to sign one, its state, ending it, and the notice ahead of a debit (payment facts 2.3, 2.5).

use chrono::Datelike;
use serde_json::json;

use super::account::check_notify_url;
use super::debit::plain;
use super::door::{Miss, Said, Said3};
use super::tables::{self, Verdict, find};
use super::v2::{self, SignType};
use super::xml::Fields;
use super::{SignWay, Wechat, beijing};
use crate::adapters::percent::encoded;
use crate::adapters::rail::{DebitNotice, MandateRef, MandateState, Rail, SignLink, SignRequest, Trouble};
use crate::domain::date::At;
use crate::domain::rail::{RailNotice, Reason};
use crate::t;

/// Longest link that WeChat opens, in bytes.
const LINK_BYTES: usize = 1024;
/// Minutes for which the page of the `h5` way can be opened, once.
const H5_MINUTES: i64 = 10;
/// Longest `contract_termination_remark` in bytes.
const REMARK_BYTES: usize = 255;

impl Wechat {
    /// Where the customer agrees: a page to be opened inside WeChat, or asked for by a phone's browser.
    pub(super) fn page(&self, request: &SignRequest) -> Result<SignLink, Trouble> {
        check_notify_url(&self.account.sign_notify_url()).map_err(|text| ours("notify_url", text))?;
        let account = &self.account;
        let now = self.clock.now();
        let fields = Fields::new()
            .with("appid", account.appid.clone())
            .with("contract_code", request.contract_no.clone())
            .with("contract_display_account", plain(&request.customer_label, 32))
            .with("mch_id", account.mch_id.clone())
            .with("notify_url", account.sign_notify_url())
            .with("plan_id", account.plan_id.clone())
            .with("request_serial", request_serial(now.timestamp(), &request.contract_no))
            .with("timestamp", now.timestamp().to_string())
            .with("version", "1.0");
        match account.sign_way {
            SignWay::Entrustweb => {
                let url = self.signed_link("/papay/entrustweb", fields, SignType::Md5)?;
                if url.len() > LINK_BYTES {
                    return Err(ours(
                        "notify_url",
                        t!("the sign link is longer than WeChat allows; use a shorter address"),
                    ));
                }
                Ok(SignLink { qr: url.clone(), url, good_until: None })
            }
            SignWay::H5 => {
                let fields = fields.with("clientip", account.spbill_create_ip.clone());
                let url = self.signed_link("/papay/h5entrustweb", fields, SignType::HmacSha256)?;
                let answer = self.plain_get(&url).map_err(Miss::trouble)?;
                let good_until = Some(now + chrono::Duration::minutes(H5_MINUTES));
                let page = h5_page(&answer)?;
                Ok(SignLink { qr: page.clone(), url: page, good_until })
            }
        }
    }

    /// The state of a contract.
    pub(super) fn state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        let fields = self.contract_asked(mandate);
        let answer = match self.v2_bare("/papay/querycontract", fields, SignType::Md5).map_err(Miss::trouble)? {
            Said::Fine(fields) => fields,
            Said::Refused(word) => {
                // What a number that nobody ever signed is answered with differs; one that was live is only gone when it is said so.
                let never_signed = mandate.provider_no.is_none() && word.code == "-25";
                if never_signed || tables::verdict(tables::CONTRACT_QUERY, &word.code) == Some(Verdict::Absent) {
                    return Ok(MandateState::NotFound);
                }
                return Err(word.trouble(tables::CONTRACT_QUERY));
            }
        };
        if answer.get("contract_code") != Some(&mandate.contract_no) {
            return Err(Miss::foreign("contract_code").trouble());
        }
        let contract_id = answer.get("contract_id");
        if mandate.provider_no.is_some() && contract_id.is_some() && contract_id != mandate.provider_no.as_deref() {
            return Err(Miss::foreign("contract_id").trouble());
        }
        match (answer.text("contract_state"), contract_id) {
            ("0", Some(contract_id)) => Ok(MandateState::Live {
                provider_no: contract_id.to_owned(),
                signed_at: time(&answer, "contract_signed_time"),
                next_date: None,
            }),
            ("1", _) => Ok(ended(&answer)),
            ("9", _) => Ok(MandateState::Waiting),
            _ => Err(Miss::garbage("contract_state").trouble()),
        }
    }

    /// Ends a contract. One that WeChat Pay does not know is looked at before it counts as ended.
    pub(super) fn end(&self, mandate: &MandateRef, why: &str) -> Result<(), Trouble> {
        let remark = match plain(why, REMARK_BYTES) {
            empty if empty.is_empty() => "end".to_owned(),
            remark => remark,
        };
        let fields = self.contract_asked(mandate).with("contract_termination_remark", remark);
        let said = match self.v2_bare("/papay/deletecontract", fields, SignType::Md5).map_err(Miss::trouble)? {
            Said::Fine(_) => return Ok(()),
            Said::Refused(word) => word,
        };
        if tables::verdict(tables::CONTRACT_DELETE, &said.code) != Some(Verdict::Absent) {
            return Err(said.trouble(tables::CONTRACT_DELETE));
        }
        match self.mandate_state(mandate)? {
            MandateState::Live { .. } => Err(said.refused(Reason::Other)),
            MandateState::Waiting | MandateState::Ended { .. } | MandateState::NotFound => Ok(()),
        }
    }

    /// Has WeChat Pay tell the customer of a coming debit.
    pub(super) fn notify(&self, notice: &DebitNotice) -> Result<(), Trouble> {
        if self.profile.notice != RailNotice::Announce {
            return Err(Trouble::Unsupported);
        }
        let contract_id = match &notice.mandate.provider_no {
            Some(contract_id) => contract_id.clone(),
            None => match self.mandate_state(&notice.mandate)? {
                MandateState::Live { provider_no, .. } => provider_no,
                _ => {
                    let text = t!("there is no live contract with this number");
                    return Err(Trouble::Refused {
                        reason: Reason::MandateGone,
                        code: "CONTRACT_NOT_EXIST".into(),
                        text,
                    });
                }
            },
        };
        let body = json!({
            "mchid": self.account.mch_id,
            "appid": self.account.appid,
            "deduct_duration": { "count": self.profile.notice_valid_days, "unit": "DAY" },
            "estimated_amount": { "amount": notice.amount.fen(), "currency": "CNY" },
        });
        let path = format!("/v3/papay/contracts/{}/notify", encoded(&contract_id));
        match self.v3("POST", &path, Some(&body)).map_err(Miss::trouble)? {
            Said3::Fine(_) => Ok(()),
            Said3::Refused(word) if tables::verdict(tables::NOTIFY, &word.code) == Some(Verdict::Fine) => Ok(()),
            Said3::Refused(word) => Err(word.trouble(tables::NOTIFY)),
        }
    }

    fn contract_asked(&self, mandate: &MandateRef) -> Fields {
        let fields =
            Fields::new().with("appid", self.account.appid.clone()).with("mch_id", self.account.mch_id.clone());
        let fields = match &mandate.provider_no {
            Some(contract_id) => fields.with("contract_id", contract_id.clone()),
            None => {
                fields.with("plan_id", self.account.plan_id.clone()).with("contract_code", mandate.contract_no.clone())
            }
        };
        fields.with("version", "1.0")
    }

    fn signed_link(&self, path: &str, fields: Fields, kind: SignType) -> Result<String, Trouble> {
        let key = self.v2_key().map_err(Miss::trouble)?;
        let query: Vec<String> = v2::signed(fields, kind, key.text())
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        Ok(format!("{}{path}?{}", self.account.host, query.join("&")))
    }
}

/// The number that orders signings: rising with time, another for each contract, never from chance. 18 digits.
fn request_serial(timestamp: i64, contract_no: &str) -> String {
    let own = contract_no.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 100_000_000);
    format!("{timestamp}{own:08}")
}

/// A contract in state 1 was never signed, or it has ended.
fn ended(answer: &Fields) -> MandateState {
    let mode = answer.get("contract_termination_mode").filter(|mode| *mode != "0");
    let at = time(answer, "contract_terminated_time");
    if mode.is_none() && at.is_none() {
        return MandateState::Waiting;
    }
    ended_state(answer, at)
}

/// A contract that has ended, by whomever.
pub(super) fn ended_state(fields: &Fields, at: Option<At>) -> MandateState {
    let by = fields.get("contract_termination_mode").and_then(|mode| find(tables::ENDED_BY, mode));
    MandateState::Ended { at, by: by.unwrap_or("provider").to_owned() }
}

/// A time in an answer. A zero is no time, however it is written.
fn time(answer: &Fields, name: &str) -> Option<At> {
    let at = answer.get(name).and_then(|text| beijing(text.trim(), "%Y-%m-%d %H:%M:%S"))?;
    (at.year() > 1970).then_some(at)
}

/// The page in the answer of `h5entrustweb`, which is not signed: so it is only ever opened, and only at WeChat's.
fn h5_page(answer: &str) -> Result<String, Trouble> {
    let fields = Fields::read(answer, "xml").map_err(|_| Miss::garbage("h5entrustweb").trouble())?;
    let refused = fields.text("return_code") != "SUCCESS" || fields.text("result_code") != "SUCCESS";
    if refused {
        let text = [fields.text("result_msg"), fields.text("return_msg")].join(" ");
        return Err(ours("h5entrustweb", text.trim().to_owned()));
    }
    let page = fields.text("redirect_url");
    let host = page.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if host.ends_with(".qq.com") && host.chars().all(plain) {
        return Ok(page.to_owned());
    }
    Err(Miss::garbage("redirect_url").trouble())
}

fn ours(code: &str, text: String) -> Trouble {
    Trouble::Refused { reason: Reason::OurConfiguration, code: code.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::{Fields, ended, h5_page, request_serial};
    use crate::adapters::rail::MandateState;

    #[test]
    fn serials_rise_and_differ_between_contracts() {
        let first = request_serial(1_796_090_400, "KMABCDEFGH0000000012");
        assert_eq!(first.len(), 18);
        assert_eq!(first, request_serial(1_796_090_400, "KMABCDEFGH0000000012"));
        assert_ne!(first, request_serial(1_796_090_400, "KMABCDEFGH0000000013"));
        let later: i64 = request_serial(1_796_090_401, "KMABCDEFGH0000000012").parse().unwrap();
        assert!(later > first.parse::<i64>().unwrap());
    }

    #[test]
    fn who_ended_a_contract_is_told_in_our_words() {
        let with = |mode: &str, at: &str| {
            ended(&Fields::new().with("contract_termination_mode", mode).with("contract_terminated_time", at))
        };
        for (mode, by) in [
            ("1", "expiry"),
            ("2", "customer"),
            ("3", "merchant"),
            ("4", "merchant"),
            ("5", "customer"),
            ("7", "customer"),
            ("6", "provider"),
        ] {
            let MandateState::Ended { by: told, at } = with(mode, "2026-12-01 10:00:00") else { panic!("{mode}") };
            assert_eq!((told.as_str(), at.is_some()), (by, true), "{mode}");
        }
        assert_eq!(with("0", "1970-01-01 08:00:00"), MandateState::Waiting);
        assert_eq!(with("0", "0000-00-00 00:00:00"), MandateState::Waiting);
        assert_eq!(with("", ""), MandateState::Waiting);
    }

    #[test]
    fn an_unsigned_page_is_only_opened_at_wechat() {
        let page = |url: &str| {
            h5_page(&format!(
                "<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code>\
                 <redirect_url><![CDATA[{url}]]></redirect_url></xml>"
            ))
        };
        assert!(page("https://payapp.weixin.qq.com/x?y=1").is_ok());
        for url in [
            "http://payapp.weixin.qq.com/x",
            "https://qq.com.evil.example/",
            "https://evil.example/.qq.com",
            "https://evil.example#.qq.com",
            "https://x.qq.com@evil.example/",
            "",
        ] {
            assert!(page(url).is_err(), "{url}");
        }
    }
}
