//! Notices that Alipay sent to the shop's own web server (payment facts 1.4). Nothing in one is believed before its signature fits
//! and its app is ours; whether it fits kibble's own record is the use case's business.

use std::collections::BTreeMap;

use super::{Alipay, SIGNATURE, beijing, wire};
use crate::adapters::rail::{MandateState, Noticed, SavedNotice, Trouble};
use crate::domain::rail::{Answer, Reason, Reply};
use crate::t;

/// Our code on something that is no notice of Alipay's.
const NO_NOTICE: &str = "NO_NOTICE";
/// Our code on a notice for another app or merchant.
const NOT_OURS: &str = "NOT_OURS";

impl Alipay {
    pub(super) fn noticed(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        let text = std::str::from_utf8(&notice.body).ok();
        let fields = text.and_then(wire::fields).filter(|it| it.contains_key("notify_type") && it.contains_key("sign"));
        let Some(fields) = fields else {
            return Err(refused(NO_NOTICE, t!("this is no notice of Alipay's")));
        };
        let fields = Fields(fields);
        self.prove(&fields)?;
        let account = self.account();
        if fields.get("app_id") != Some(account.app_id.as_str()) {
            return Err(refused(NOT_OURS, t!("the notice is for another app than {rail}'s", rail = self.name)));
        }
        let seller = fields.get("seller_id");
        if !account.seller_id.is_empty() && seller.is_some_and(|seller| seller != account.seller_id) {
            return Err(refused(NOT_OURS, t!("the notice is for another merchant than {rail}'s", rail = self.name)));
        }
        match fields.get("notify_type") {
            Some("trade_status_sync") => self.trade(&fields),
            Some("dut_user_sign") => Self::signed(&fields),
            Some("dut_user_unsign") => Self::unsigned(&fields),
            _ => Err(refused(NO_NOTICE, t!("kibble does not know this kind of notice"))),
        }
    }

    fn prove(&self, fields: &Fields) -> Result<(), Trouble> {
        let sign = fields.get("sign").unwrap_or_default();
        let without_type = wire::notice_to_sign(&fields.0);
        // Notices about agreements are signed like requests, with the kind of signature among the fields.
        let mut all: wire::Params = fields.0.clone().into_iter().collect();
        all.retain(|(name, _)| name != "sign");
        let with_type = wire::to_sign(&all);
        for text in [without_type, with_type] {
            match self.gateway.proves(&text, sign) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(heard) => return Err(self.trouble(heard)),
            }
        }
        Err(refused(SIGNATURE, t!("the notice is not signed by Alipay")))
    }

    fn trade(&self, fields: &Fields) -> Result<Noticed, Trouble> {
        let trade_no = fields.get("trade_no").map(str::to_owned);
        // A refund is told as another state of its order, with the refund's number.
        if let (Some(refund_no), Some(at)) = (fields.get("out_biz_no"), fields.get("gmt_refund")) {
            let reply = Reply { trade_no, at: beijing(at), ..Reply::said(Answer::Paid, "REFUND_SUCCESS", "") };
            return Ok(Noticed::Refund { refund_no: refund_no.to_owned(), reply });
        }
        let status = fields.get("trade_status").unwrap_or_default();
        let paid_at = fields.get("gmt_payment").and_then(beijing);
        let answer = match status {
            "TRADE_SUCCESS" | "TRADE_FINISHED" => Answer::Paid,
            "TRADE_CLOSED" if paid_at.is_some() => Answer::Paid,
            "TRADE_CLOSED" => Answer::Declined(Reason::Other),
            "WAIT_BUYER_PAY" => Answer::Pending(self.pending_until()),
            _ => Answer::Unknown,
        };
        let paid = answer == Answer::Paid;
        let order_no = fields.get("out_trade_no").ok_or_else(|| refused(NO_NOTICE, t!("the notice names no order")))?;
        Ok(Noticed::Charge {
            order_no: order_no.to_owned(),
            amount: fields.get("total_amount").and_then(|text| text.parse().ok()),
            reply: Reply {
                trade_no: trade_no.filter(|_| paid),
                at: paid_at.filter(|_| paid),
                ..Reply::said(answer, status, "")
            },
        })
    }

    fn signed(fields: &Fields) -> Result<Noticed, Trouble> {
        let (contract_no, provider_no) = numbers(fields)?;
        let signed_at = fields.get("sign_time").and_then(beijing);
        match fields.get("status") {
            Some("NORMAL") => Ok(Noticed::Mandate {
                contract_no,
                state: MandateState::Live { provider_no, signed_at, next_date: None },
            }),
            _ => Err(refused(NO_NOTICE, t!("Alipay tells a state that kibble does not know"))),
        }
    }

    fn unsigned(fields: &Fields) -> Result<Noticed, Trouble> {
        let (contract_no, _) = numbers(fields)?;
        let at = fields.get("unsign_time").or(fields.get("notify_time")).and_then(beijing);
        match fields.get("status") {
            Some("UNSIGN") => {
                Ok(Noticed::Mandate { contract_no, state: MandateState::Ended { at, by: "customer".into() } })
            }
            _ => Err(refused(NO_NOTICE, t!("Alipay tells a state that kibble does not know"))),
        }
    }
}

/// The fields of a notice; an empty one counts as absent.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// Our number of the agreement, and Alipay's.
fn numbers(fields: &Fields) -> Result<(String, String), Trouble> {
    match (fields.get("external_agreement_no"), fields.get("agreement_no")) {
        (Some(ours), Some(theirs)) => Ok((ours.to_owned(), theirs.to_owned())),
        _ => Err(refused(NO_NOTICE, t!("the notice names no agreement"))),
    }
}

fn refused(code: &str, text: String) -> Trouble {
    Trouble::Refused { reason: Reason::Other, code: code.into(), text }
}
