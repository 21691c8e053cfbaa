//! Notices that WeChat Pay sent to the shop's own web server: v2 XML of contracts, debits, links and refunds, v3 JSON with headers. Owns
//! telling them apart, checking and reading them; nothing in one is believed before its signature holds.

use serde_json::Value;

use super::contract::ended_state;
use super::door::Miss;
use super::tables::{self, find};
use super::xml::Fields;
use super::{Wechat, beijing, v2};
use crate::adapters::keys::{md5_hex, open_ecb, unbase64};
use crate::adapters::rail::{MandateState, Noticed, SavedNotice, Trouble};
use crate::domain::date::machine_moment;
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Reason, Reply};
use crate::t;

/// What `err_code` says where nothing went wrong.
const NO_ERROR: [&str; 2] = ["SUCCESS", "0"];

impl Wechat {
    /// What a saved notice says.
    pub(super) fn noticed(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        let body = std::str::from_utf8(&notice.body).map_err(|_| unread())?;
        match body.trim_start_matches('\u{feff}').trim_start().chars().next() {
            Some('<') => self.noticed_v2(body),
            Some('{') => self.noticed_v3(notice, body),
            _ => Err(unread()),
        }
    }

    fn noticed_v2(&self, body: &str) -> Result<Noticed, Trouble> {
        let fields = Fields::read(body, "xml").map_err(|_| unread())?;
        if fields.get("req_info").is_some() {
            return self.refund_v2(&fields);
        }
        if !v2::holds(&fields, self.v2_key().map_err(Miss::trouble)?.text()) {
            return Err(not_theirs());
        }
        self.made_out_to_us(&fields)?;
        match fields.get("change_type") {
            Some(change) => self.contract_changed(change, &fields),
            None => Ok(charged(&fields)?),
        }
    }

    /// A contract was signed or ended.
    fn contract_changed(&self, change: &str, fields: &Fields) -> Result<Noticed, Trouble> {
        if fields.get("plan_id").is_some_and(|plan| plan != self.account.plan_id) {
            return Err(not_ours("plan_id"));
        }
        let contract_no = fields.get("contract_code").ok_or_else(unread)?.to_owned();
        let at = fields.get("operate_time").and_then(|text| beijing(text.trim(), "%Y-%m-%d %H:%M:%S"));
        let state = match change {
            "ADD" => MandateState::Live {
                provider_no: fields.get("contract_id").ok_or_else(unread)?.to_owned(),
                signed_at: at,
                next_date: None,
            },
            "DELETE" => ended_state(fields, at),
            _ => return Err(unread()),
        };
        Ok(Noticed::Mandate { contract_no, state })
    }

    /// Sealed with our key but not signed: it says which refund to ask about, and the query says what became of it.
    fn refund_v2(&self, fields: &Fields) -> Result<Noticed, Trouble> {
        self.made_out_to_us(fields)?;
        let inner = self.unsealed(fields.text("req_info")).ok_or_else(not_theirs)?;
        let refund_no = inner.get("out_refund_no").ok_or_else(unread)?.to_owned();
        let text = t!("a notice of this kind is not signed; the refund is asked about instead");
        let reply = Reply::said(Answer::Unknown, inner.text("refund_status"), text);
        Ok(Noticed::Refund { refund_no, reply })
    }

    /// The fields behind `req_info`: AES-256-ECB under the MD5 of the v2 key, in lower-case hex.
    pub(super) fn unsealed(&self, req_info: &str) -> Option<Fields> {
        let key = md5_hex(self.v2_key().ok()?.text().as_bytes());
        let plain = open_ecb(key.as_bytes(), &unbase64(req_info)?)?;
        Fields::read(std::str::from_utf8(&plain).ok()?, "root").ok()
    }

    fn noticed_v3(&self, notice: &SavedNotice, body: &str) -> Result<Noticed, Trouble> {
        let header = |name: &str| notice.headers.iter().find(|(known, _)| known == name).map(|(_, it)| it.as_str());
        // A saved notice may be old; what it says is told apart by its number, not by its time.
        self.sealed_by_wechat(header, body).map_err(|miss| match miss {
            Miss::Unsure(_) => not_theirs(),
            other => other.trouble(),
        })?;
        let outer: Value = serde_json::from_str(body).map_err(|_| unread())?;
        let inner = self.opened(&outer["resource"]).map_err(Miss::trouble)?;
        let inner: Value = serde_json::from_slice(&inner).map_err(|_| unread())?;
        let text = |name: &str| inner[name].as_str().unwrap_or_default();
        if text("mchid") != self.account.mch_id {
            return Err(not_ours("mchid"));
        }
        let at = machine_moment(text("success_time"));
        match outer["event_type"].as_str().unwrap_or_default() {
            event if event.starts_with("REFUND.") => {
                let reply = self.told_refund(text("refund_status"), text("refund_id"), at);
                Ok(Noticed::Refund { refund_no: text("out_refund_no").to_owned(), reply })
            }
            "TRANSACTION.SUCCESS" => {
                let paid = text("trade_state") == "SUCCESS" && !text("transaction_id").is_empty();
                let amount = inner["amount"]["total"].as_i64().map(Money::from_fen);
                let reply = Reply {
                    trade_no: Some(text("transaction_id").to_owned()),
                    at,
                    ..Reply::said(if paid { Answer::Paid } else { Answer::Unknown }, text("trade_state"), "")
                };
                Ok(Noticed::Charge { order_no: text("out_trade_no").to_owned(), amount, reply })
            }
            event => Err(Trouble::Refused {
                reason: Reason::Other,
                code: event.to_owned(),
                text: t!("kibble has no use for a notice of this kind"),
            }),
        }
    }

    fn made_out_to_us(&self, fields: &Fields) -> Result<(), Trouble> {
        if fields.get("mch_id") != Some(&self.account.mch_id) {
            return Err(not_ours("mch_id"));
        }
        // Notices of contracts name no appid.
        match fields.get("appid") {
            Some(appid) if appid != self.account.appid => Err(not_ours("appid")),
            _ => Ok(()),
        }
    }
}

/// The outcome of a debit or a link. Paid only without an error and with a transaction: `result_code` alone means nothing, because
/// notices of failure were seen with both words.
fn charged(fields: &Fields) -> Result<Noticed, Trouble> {
    let order_no = fields.get("out_trade_no").ok_or_else(unread)?.to_owned();
    let amount = fields.get("total_fee").and_then(|fen| fen.parse().ok()).map(Money::from_fen);
    let error = fields.get("err_code").filter(|code| !NO_ERROR.contains(code));
    let said = |answer| Reply::said(answer, error.unwrap_or(fields.text("result_code")), fields.text("err_code_des"));
    let reply = match (error, fields.get("transaction_id"), amount) {
        (None, Some(trade_no), Some(_)) if fields.text("result_code") == "SUCCESS" => Reply {
            trade_no: Some(trade_no.to_owned()),
            at: fields.get("time_end").and_then(|text| beijing(text, "%Y%m%d%H%M%S")),
            ..said(Answer::Paid)
        },
        (Some(error), None, _) => match find(tables::FAILED, error) {
            Some(reason) => said(Answer::Declined(reason)),
            None => said(Answer::Unknown),
        },
        _ => said(Answer::Unknown),
    };
    Ok(Noticed::Charge { order_no, amount, reply })
}

fn unread() -> Trouble {
    refused(t!("this is no notice of WeChat Pay's"))
}

fn not_theirs() -> Trouble {
    refused(t!("this notice is not signed by WeChat Pay"))
}

fn not_ours(field: &str) -> Trouble {
    refused(t!("this notice is made out to another merchant ({field})", field = field))
}

fn refused(text: String) -> Trouble {
    Trouble::Refused { reason: Reason::Other, code: String::new(), text }
}
