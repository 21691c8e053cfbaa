//! Refunds and their queries, by v3 or by v2 over mutual TLS (payment facts 2.7). One refund number is paid once, and it is never
//! changed on a repeat; so whatever can mend itself stays unknown and is asked about again.

use serde_json::{Value, json};

use super::door::{Miss, Said, Said3, Word};
use super::tables::{self, RefundState, Verdict, find};
use super::v2::SignType;
use super::xml::Fields;
use super::{RefundWay, Wechat, beijing};
use crate::adapters::percent::encoded;
use crate::adapters::rail::RefundRequest;
use crate::domain::date::{At, machine_moment};
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Reason, Reply};
use crate::t;

/// Hours within which a refund on its way is worth asking about again; one to a bank card takes up to three days.
const REFUND_HOURS: i64 = 24;

impl Wechat {
    /// Sends money back. See [`crate::adapters::rail::Rail::refund`].
    pub(super) fn send_back(&self, request: &RefundRequest) -> Reply {
        match self.account.refund_way {
            RefundWay::V3 => self.send_back_v3(request),
            RefundWay::V2 => self.send_back_v2(request),
        }
    }

    /// What became of a refund number.
    pub(super) fn ask_refund(&self, request: &RefundRequest) -> Reply {
        match self.account.refund_way {
            RefundWay::V3 => self.ask_refund_v3(request),
            RefundWay::V2 => self.ask_refund_v2(request),
        }
    }

    fn send_back_v3(&self, request: &RefundRequest) -> Reply {
        let body = json!({
            "out_trade_no": request.order_no,
            "out_refund_no": request.refund_no,
            "notify_url": self.account.notify_url,
            "amount": { "refund": request.amount.fen(), "total": request.paid.fen(), "currency": "CNY" },
        });
        match self.v3("POST", "/v3/refund/domestic/refunds", Some(&body)) {
            Ok(Said3::Fine(answer)) => self.told_v3(&answer, request),
            Ok(Said3::Refused(word)) => self.refused_refund(tables::REFUND_V3, word, request),
            Err(miss) => miss.unknown(),
        }
    }

    fn ask_refund_v3(&self, request: &RefundRequest) -> Reply {
        let path = format!("/v3/refund/domestic/refunds/{}", encoded(&request.refund_no));
        match self.v3("GET", &path, None) {
            Ok(Said3::Fine(answer)) => self.told_v3(&answer, request),
            Ok(Said3::Refused(word)) => not_told(tables::REFUND_QUERY_V3, word),
            Err(miss) => miss.unknown(),
        }
    }

    fn told_v3(&self, answer: &Value, request: &RefundRequest) -> Reply {
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        let ours = text("out_refund_no") == request.refund_no
            && text("out_trade_no") == request.order_no
            && answer["amount"]["total"].as_i64() == Some(request.paid.fen());
        let back = answer["amount"]["refund"].as_i64();
        if !ours || back != Some(request.amount.fen()) {
            return Reply {
                taken_for: back.filter(|_| ours).map(Money::from_fen),
                ..Miss::foreign("out_refund_no").unknown()
            };
        }
        let at = machine_moment(text("success_time"));
        self.told_refund(text("status"), text("refund_id"), at)
    }

    fn send_back_v2(&self, request: &RefundRequest) -> Reply {
        let fields = self
            .refund_asked(request)
            .with("out_trade_no", request.order_no.clone())
            .with("total_fee", request.paid.fen().to_string())
            .with("refund_fee", request.amount.fen().to_string())
            .with("notify_url", self.account.notify_url.clone());
        match self.v2_mutual("/secapi/pay/refund", fields, SignType::HmacSha256) {
            // Success means accepted: how far it is, the query says.
            Ok(Said::Fine(_)) => match self.ask_refund_v2(request) {
                Reply { answer: Answer::NotFound, .. } => self.told_refund("PROCESSING", "", None),
                reply => reply,
            },
            Ok(Said::Refused(word)) => self.refused_refund(tables::REFUND_V2, word, request),
            Err(miss) => miss.unknown(),
        }
    }

    fn ask_refund_v2(&self, request: &RefundRequest) -> Reply {
        let fields = match self.v2("/pay/refundquery", self.refund_asked(request), SignType::HmacSha256) {
            Ok(Said::Fine(fields)) => fields,
            Ok(Said::Refused(word)) => return not_told(tables::REFUND_QUERY_V2, word),
            Err(miss) => return miss.unknown(),
        };
        let number = |name: &str| fields.get(name).and_then(|fen| fen.parse::<i64>().ok());
        let ours = fields.get("out_refund_no_0") == Some(&request.refund_no)
            && fields.get("out_trade_no") == Some(&request.order_no);
        let back = number("refund_fee_0");
        if !ours || back != Some(request.amount.fen()) {
            return Reply {
                taken_for: back.filter(|_| ours).map(Money::from_fen),
                ..Miss::foreign("out_refund_no_0").unknown()
            };
        }
        let at = fields.get("refund_success_time_0").and_then(|text| beijing(text, "%Y-%m-%d %H:%M:%S"));
        self.told_refund(fields.text("refund_status_0"), fields.text("refund_id_0"), at)
    }

    fn refund_asked(&self, request: &RefundRequest) -> Fields {
        Fields::new()
            .with("appid", self.account.appid.clone())
            .with("mch_id", self.account.mch_id.clone())
            .with("sign_type", "HMAC-SHA256")
            .with("out_refund_no", request.refund_no.clone())
    }

    pub(super) fn told_refund(&self, state: &str, refund_id: &str, at: Option<At>) -> Reply {
        match find(tables::REFUND_STATES, state) {
            None => Reply::said(Answer::Unknown, state, ""),
            Some(RefundState::Paid) => Reply {
                trade_no: Some(refund_id.to_owned()).filter(|number| !number.is_empty()),
                at,
                ..Reply::said(Answer::Paid, state, "")
            },
            Some(RefundState::Pending) => {
                let until = self.clock.now() + chrono::Duration::hours(REFUND_HOURS);
                Reply::said(Answer::Pending(until), state, "")
            }
            Some(RefundState::Closed) => {
                Reply::said(Answer::Declined(Reason::Other), state, t!("the refund was closed"))
            }
            Some(RefundState::Stuck) => Reply::said(
                Answer::Unknown,
                state,
                t!("the customer's bank sent the money back; finish this refund in WeChat Pay's merchant platform"),
            ),
        }
    }

    fn refused_refund(&self, table: &tables::Table, word: Word, request: &RefundRequest) -> Reply {
        match tables::verdict(table, &word.code) {
            // Our settings can be mended, and then the same number is sent again.
            Some(Verdict::Refused(Reason::OurConfiguration)) => word.reply(Answer::Unknown),
            Some(Verdict::Refused(reason)) => word.reply(Answer::Declined(reason)),
            Some(Verdict::Unless(reason)) => match self.ask_refund(request) {
                Reply { answer: Answer::NotFound, .. } => word.reply(Answer::Declined(reason)),
                reply => reply,
            },
            Some(Verdict::Unknown | Verdict::Seen | Verdict::Fine | Verdict::Absent) | None => {
                word.reply(Answer::Unknown)
            }
        }
    }
}

fn not_told(table: &tables::Table, word: Word) -> Reply {
    match tables::verdict(table, &word.code) {
        Some(Verdict::Absent) => word.reply(Answer::NotFound),
        _ => word.reply(Answer::Unknown),
    }
}
