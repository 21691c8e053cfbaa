//! Debits and links: apply, ask, close. An order counts as paid only when a signed answer names our order number, our amount and a
//! transaction; `/pay/pappayapply` alone never says so, because its success means "accepted" (payment facts 2.4).

use std::time::Duration;

use super::door::{Miss, Said, Word};
use super::tables::{self, OrderState, Verdict, find};
use super::v2::SignType;
use super::xml::Fields;
use super::{OrderQuery, Wechat, beijing};
use crate::adapters::rail::{ChargeRequest, Closed, MandateState, PayLink, PayLinkRequest, Rail, Trouble};
use crate::domain::money::Money;
use crate::domain::rail::{Acceptance, Answer, Reason, Reply};
use crate::t;

/// Longest `body` in bytes.
const BODY_BYTES: usize = 127;
/// Minutes after which an accepted debit that should be decided at once is worth asking about.
const DECISION_MINUTES: i64 = 10;
/// Hours for which a NATIVE code can be scanned.
const CODE_HOURS: i64 = 2;

impl Wechat {
    /// Applies for a debit. See [`Rail::charge`].
    pub(super) fn apply(&self, request: &ChargeRequest) -> Reply {
        if let Err(miss) = self.clock_is_right() {
            return miss.charge();
        }
        let contract_id = match self.contract_id(request) {
            Ok(contract_id) => contract_id,
            Err(reply) => return reply,
        };
        let fields = self
            .order_fields(&request.order_no, request.amount, &request.subject)
            .with("trade_type", "PAP")
            .with("contract_id", contract_id)
            // Comes back in queries, notices and the bill: the agreed day, for people.
            .with("attach", request.due.to_string());
        let said = match self.v2("/pay/pappayapply", fields, SignType::HmacSha256) {
            Ok(Said::Fine(answer)) if speaks_of(&answer, request) => return self.accepted(request),
            Ok(Said::Fine(_)) => return Miss::foreign("out_trade_no").unknown(),
            Ok(Said::Refused(word)) => word,
            Err(miss) => return miss.charge(),
        };
        match tables::verdict(tables::APPLY, &said.code) {
            Some(Verdict::Refused(reason)) => said.reply(Answer::Declined(reason)),
            Some(Verdict::Seen) => self.asked_instead(request, said, Answer::Unknown),
            Some(Verdict::Unless(reason)) => self.asked_instead(request, said, Answer::Declined(reason)),
            Some(Verdict::Unknown | Verdict::Fine | Verdict::Absent) | None => said.reply(Answer::Unknown),
        }
    }

    /// What became of an order number.
    pub(super) fn ask(&self, order_no: &str, amount: Money) -> Reply {
        let order = match self.order(order_no) {
            Ok(order) => order,
            Err(Lost::Absent(word)) => return word.reply(Answer::NotFound),
            Err(Lost::Unknown(reply)) => return reply,
        };
        self.told(&order, amount)
    }

    /// Closes an unpaid order.
    pub(super) fn close(&self, order_no: &str) -> Result<Closed, Trouble> {
        let said = match self.v2("/pay/closeorder", self.order_asked(order_no), SignType::HmacSha256) {
            Ok(Said::Fine(_)) => return Ok(Closed::Closed),
            Ok(Said::Refused(word)) => word,
            Err(miss) => return Err(miss.trouble()),
        };
        match tables::verdict(tables::CLOSE, &said.code) {
            Some(Verdict::Fine) => Ok(Closed::Closed),
            Some(Verdict::Unknown) => Err(said.unreachable()),
            Some(Verdict::Refused(reason)) => Err(said.refused(reason)),
            Some(Verdict::Seen | Verdict::Absent | Verdict::Unless(_)) | None => self.not_closed(order_no, said),
        }
    }

    /// A code that the customer scans in WeChat to pay a missed installment.
    ///
    /// By the v2 call: it needs the same key as the debits and is asked about and closed by the same calls, so a shop without v3 keys
    /// has links too. Nothing in the request depends on the time, so that asking again gives the same order.
    pub(super) fn native(&self, request: &PayLinkRequest) -> Result<PayLink, Trouble> {
        let fields = self
            .order_fields(&request.order_no, request.amount, &request.subject)
            .with("trade_type", "NATIVE")
            .with("product_id", request.order_no.clone());
        let good_until = Some(self.clock.now() + chrono::Duration::hours(CODE_HOURS));
        match self.v2("/pay/unifiedorder", fields, SignType::HmacSha256) {
            Ok(Said::Fine(fields)) => match fields.get("code_url") {
                Some(url) if url.starts_with("weixin://") => Ok(PayLink { url: url.to_owned(), good_until }),
                _ => Err(Miss::garbage("code_url").trouble()),
            },
            Ok(Said::Refused(word)) => Err(word.trouble(tables::LINK)),
            Err(miss) => Err(miss.trouble()),
        }
    }

    /// The provider's number of the contract, asked for where we were not told it.
    fn contract_id(&self, request: &ChargeRequest) -> Result<String, Reply> {
        if let Some(contract_id) = &request.mandate.provider_no {
            return Ok(contract_id.clone());
        }
        match self.mandate_state(&request.mandate) {
            Ok(MandateState::Live { provider_no, .. }) => Ok(provider_no),
            Ok(_) => Err(Reply::said(
                Answer::Declined(Reason::MandateGone),
                "CONTRACT_NOT_EXIST",
                t!("there is no live contract with this number"),
            )),
            Err(trouble) => Err(Reply::said(Answer::Unknown, "", trouble.to_string())),
        }
    }

    /// After acceptance. Where the profile says that the outcome is there at once, it is asked for a few times; else it comes by query.
    fn accepted(&self, request: &ChargeRequest) -> Reply {
        let now = self.clock.now();
        let pending_until = match self.profile.acceptance {
            Acceptance::Pending => now + chrono::Duration::hours(i64::from(self.profile.pending_hours)),
            Acceptance::Final => now + chrono::Duration::minutes(DECISION_MINUTES),
        };
        let looks = if self.profile.acceptance == Acceptance::Final { self.account.decision_looks } else { 0 };
        for look in 0..looks {
            // In a rehearsal the clock stands still, and so would the waiting.
            if look > 0 && !self.clock.is_rehearsal() {
                std::thread::sleep(Duration::from_millis(self.account.decision_pause_ms));
            }
            let reply = self.ask(&request.order_no, request.amount);
            if matches!(reply.answer, Answer::Paid | Answer::Declined(_)) {
                return reply;
            }
        }
        Reply::said(Answer::Pending(pending_until), "ACCEPT", "")
    }

    /// The number was seen before, or may have been: the query decides, and where it knows nothing `otherwise` stands.
    fn asked_instead(&self, request: &ChargeRequest, said: Word, otherwise: Answer) -> Reply {
        let asked = self.ask(&request.order_no, request.amount);
        if asked.answer == Answer::NotFound { said.reply(otherwise) } else { asked }
    }

    /// Why an order could not be closed: it is paid, or closed, or too young.
    fn not_closed(&self, order_no: &str, said: Word) -> Result<Closed, Trouble> {
        let reply = match self.order(order_no) {
            // Nobody told us the sum: callers ask by it before anything is booked.
            Ok(order) => {
                let amount =
                    order.get("total_fee").and_then(|fen| fen.parse().ok()).map_or(Money::ZERO, Money::from_fen);
                self.told(&order, amount)
            }
            Err(Lost::Absent(word)) => word.reply(Answer::NotFound),
            Err(Lost::Unknown(reply)) => reply,
        };
        match reply.answer {
            Answer::Paid => Ok(Closed::AlreadyPaid(reply)),
            Answer::Declined(_) => Ok(Closed::Closed),
            Answer::Pending(_) => Err(Trouble::Refused {
                reason: Reason::Other,
                code: said.code,
                text: t!(
                    "WeChat Pay closes an order no sooner than five minutes after it was made: {said}",
                    said = said.text
                ),
            }),
            Answer::NotFound => Err(said.refused(Reason::Other)),
            Answer::Unknown => Err(Trouble::Unreachable { text: reply.text }),
        }
    }

    /// An order as WeChat Pay tells it, proved to be about our number.
    fn order(&self, order_no: &str) -> Result<Fields, Lost> {
        match self.order_by(self.account.order_query, order_no) {
            // `paporderquery` may not find an order that is closed. Who uses it may have no leave for the other one.
            Err(Lost::Absent(word)) if self.account.order_query == OrderQuery::Paporderquery => {
                match self.order_by(OrderQuery::Orderquery, order_no) {
                    Err(Lost::Unknown(reply)) if tables::is_ours(&reply.code) => Err(Lost::Absent(word)),
                    answer => answer,
                }
            }
            answer => answer,
        }
    }

    fn order_by(&self, by: OrderQuery, order_no: &str) -> Result<Fields, Lost> {
        let unknown = |miss: Miss| Lost::Unknown(miss.unknown());
        let fields = match self.v2(by.path(), self.order_asked(order_no), SignType::HmacSha256).map_err(unknown)? {
            Said::Fine(fields) => fields,
            Said::Refused(word) if tables::verdict(tables::QUERY, &word.code) == Some(Verdict::Absent) => {
                return Err(Lost::Absent(word));
            }
            Said::Refused(word) => return Err(Lost::Unknown(word.reply(Answer::Unknown))),
        };
        if fields.get("out_trade_no") != Some(order_no) {
            return Err(unknown(Miss::foreign("out_trade_no")));
        }
        Ok(fields)
    }

    fn told(&self, order: &Fields, amount: Money) -> Reply {
        let state = order.text("trade_state");
        // Whatever became of an order of another sum, it is not the one we mean.
        if order.get("total_fee").is_some_and(|fen| fen.parse() != Ok(amount.fen())) {
            return Miss::foreign("total_fee").unknown();
        }
        let said = |answer| Reply::said(answer, state, order.text("trade_state_desc"));
        match find(tables::ORDER_STATES, state) {
            None => said(Answer::Unknown),
            Some(OrderState::Paid) => paid(order),
            Some(OrderState::Pending) => {
                let hours = match order.text("trade_type") {
                    "NATIVE" => CODE_HOURS,
                    _ => i64::from(self.profile.pending_hours),
                };
                let wait = chrono::Duration::hours(hours).max(chrono::Duration::minutes(DECISION_MINUTES));
                said(Answer::Pending(self.clock.now() + wait))
            }
            Some(OrderState::Failed) => {
                let (code, text) = (order.text("err_code"), order.text("trade_state_desc"));
                let reason = tables::why_failed(code, text);
                let failed = said(Answer::Declined(reason));
                if code.is_empty() { failed } else { Reply { code: code.to_owned(), ..failed } }
            }
        }
    }

    fn order_fields(&self, order_no: &str, amount: Money, subject: &str) -> Fields {
        let account = &self.account;
        self.order_asked(order_no)
            .with("body", plain(subject, BODY_BYTES))
            .with("total_fee", amount.fen().to_string())
            .with("fee_type", "CNY")
            .with("spbill_create_ip", account.spbill_create_ip.clone())
            .with("notify_url", account.notify_url.clone())
    }

    fn order_asked(&self, order_no: &str) -> Fields {
        Fields::new()
            .with("appid", self.account.appid.clone())
            .with("mch_id", self.account.mch_id.clone())
            .with("sign_type", "HMAC-SHA256")
            .with("out_trade_no", order_no)
    }
}

/// Why there is no order to look at.
enum Lost {
    /// WeChat Pay has never heard of it.
    Absent(Word),
    /// Nobody can say.
    Unknown(Reply),
}

/// Paid, if the answer names the sum, which was compared, and a transaction.
fn paid(order: &Fields) -> Reply {
    let in_yuan = order.get("fee_type").is_none_or(|currency| currency == "CNY");
    match (order.get("total_fee"), order.get("transaction_id")) {
        (Some(_), Some(trade_no)) if in_yuan => Reply {
            trade_no: Some(trade_no.to_owned()),
            at: order.get("time_end").and_then(|text| beijing(text, "%Y%m%d%H%M%S")),
            ..Reply::said(Answer::Paid, order.text("trade_state"), "")
        },
        _ => Miss::foreign("total_fee").unknown(),
    }
}

/// Whether an acceptance is ours. It need not name the order, but it must not name another.
fn speaks_of(answer: &Fields, request: &ChargeRequest) -> bool {
    answer.get("out_trade_no").is_none_or(|number| number == request.order_no)
        && answer.get("total_fee").is_none_or(|fen| fen.parse() == Ok(request.amount.fen()))
}

/// Text as WeChat Pay takes it: characters of at most three bytes, cut to `bytes` between characters.
pub(super) fn plain(text: &str, bytes: usize) -> String {
    let mut plain = String::new();
    for c in text.chars().filter(|c| c.len_utf8() <= 3 && !c.is_control()) {
        if plain.len() + c.len_utf8() > bytes {
            break;
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn subjects_have_no_emoji_and_fit() {
        assert_eq!(plain("喵星人🐱宠物店 3/12", 127), "喵星人宠物店 3/12");
        assert_eq!(plain("猫粮月付", 7), "猫粮");
    }
}
