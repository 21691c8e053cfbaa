//! Alipay 周期扣款 / 商家扣款 by the gateway protocol (payment facts 1). Translates what a rail can be asked into gateway calls, and
//! Alipay's words into kibble's. Owns no rule about when to ask: that is the profile's and the debit run's business.
//!
//! The laws of this file: an answer is `Paid` only when its signature fits, the order number is ours and the amount is ours; what
//! is not signed, not understood or not listed is `Unknown`; no call that moves money is sent twice by this adapter.
//!
//! `account.rs` has the settings, `wire.rs` the bytes, `gateway.rs` keys and calls, `codes.rs` the meaning of Alipay's codes,
//! `notice.rs` saved notices, `inspect.rs` what can be wrong with keys and settings.

mod account;
mod codes;
pub(in crate::adapters) mod gateway;
mod inspect;
mod notice;
#[cfg(test)]
mod vectors;
mod wire;

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};

pub use self::account::{Account, LinkKind};
use self::codes::{Code, RefundRefusal, Refusal};
use self::gateway::{Gateway, Heard, Said};
use crate::adapters::percent::encoded;
use crate::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Finding, Health, Level, MandateRef,
    MandateState, Noticed, PayLink, PayLinkRequest, Rail, RefundRequest, SavedNotice, SignLink, SignRequest, Trouble,
};
use crate::clock::Clock;
use crate::config::HttpSettings;
use crate::domain::date::{At, day_in_reach, day_of, moment_in_reach, plus_days};
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Profile, Reason, Reply};
use crate::t;

/// An order number that nobody uses, for [`Rail::health`].
const NO_ORDER: &str = "KIBBLEHEALTH";
/// Our code where Alipay's signature does not fit.
const SIGNATURE: &str = "SIGNATURE";
/// Our code where keys or settings cannot be right.
const SETTINGS: &str = "SETTINGS";
/// Our code where there is no bill, or not yet: Alipay spells it in several ways.
const NO_BILL: &str = "BILL_NOT_EXIST";
/// Our code where an answer speaks of another order, amount or refund than ours.
const MISMATCH: &str = "MISMATCH";
/// `appId` of Alipay's page that opens a web link inside the wallet.
const OPEN_IN_WALLET: &str = "20000067";
/// `appId` of Alipay's page that shows an agreement to an app of the shop's own.
const SIGN_IN_WALLET: &str = "60000157";

/// One Alipay account of a shop.
pub struct Alipay {
    name: String,
    profile: Profile,
    clock: Clock,
    gateway: Gateway,
}

/// An order as `alipay.trade.query` tells it.
struct Trade {
    status: String,
    amount: Option<Money>,
    trade_no: Option<String>,
    paid_at: Option<At>,
    /// What the customer paid with it, where the answer says.
    paid: Option<Money>,
}

/// What a query of an order came to.
enum Found {
    Trade(Trade),
    NoTrade(Said),
    Unclear { code: String, text: String },
}

impl Alipay {
    /// The rail called `name`. Nothing is read or sent before the first call.
    pub fn open(name: &str, profile: Profile, clock: Clock, account: Account, http: &HttpSettings) -> Alipay {
        let gateway = Gateway::open(name, clock.clone(), account, http.clone());
        Alipay { name: name.to_owned(), profile, clock, gateway }
    }

    fn account(&self) -> &Account {
        self.gateway.account()
    }

    /// Asks about an order, believing only what is signed and speaks of this order.
    fn found(&self, order_no: &str) -> Found {
        let said = match self.gateway.call("alipay.trade.query", &json!({ "out_trade_no": order_no }), false) {
            Heard::Signed(said) => said,
            other => {
                let (code, text) = other.words();
                return Found::Unclear { code, text };
            }
        };
        match codes::code(&said.code) {
            Code::Succeeded if said.field("out_trade_no") == Some(order_no) => Found::Trade(Trade {
                status: said.field("trade_status").unwrap_or_default().to_owned(),
                amount: said.money("total_amount"),
                trade_no: said.owned("trade_no"),
                paid_at: said.field("send_pay_date").and_then(beijing),
                paid: said.money("buyer_pay_amount").or(said.money("receipt_amount")),
            }),
            Code::Succeeded => Found::Unclear { code: MISMATCH.into(), text: t!("the answer speaks of another order") },
            Code::Business if codes::is_no_trade(&said.sub_code) => Found::NoTrade(said),
            _ => Found::Unclear { code: said.word(), text: said.text.clone() },
        }
    }

    /// What became of an order of `amount`.
    fn queried(&self, order_no: &str, amount: Money) -> Reply {
        let trade = match self.found(order_no) {
            Found::Trade(trade) => trade,
            Found::NoTrade(said) => return Reply::said(Answer::NotFound, said.word(), said.text),
            Found::Unclear { code, text } => return Reply::said(Answer::Unknown, code, text),
        };
        if trade.amount != Some(amount) {
            let text = t!(
                "Alipay knows order {order} with another amount than {amount}",
                order = order_no,
                amount = amount.yuan()
            );
            return Reply::said(Answer::Unknown, MISMATCH, text);
        }
        self.stands(&trade)
    }

    /// An order's status in our words. A closed order that carries a payment was paid and given back in full: it was paid.
    fn stands(&self, trade: &Trade) -> Reply {
        let said = |answer, text: String| Reply {
            trade_no: trade.trade_no.clone(),
            at: trade.paid_at,
            ..Reply::said(answer, trade.status.clone(), text)
        };
        match trade.status.as_str() {
            "TRADE_SUCCESS" | "TRADE_FINISHED" => said(Answer::Paid, String::new()),
            "TRADE_CLOSED" if trade.paid_at.is_some() => {
                said(Answer::Paid, t!("it was paid, and given back in full since"))
            }
            "TRADE_CLOSED" if trade.paid.is_some_and(Money::is_positive) => {
                said(Answer::Unknown, t!("the order is closed, and money was paid with it"))
            }
            "TRADE_CLOSED" => Reply {
                trade_no: None,
                ..said(Answer::Declined(Reason::Other), t!("Alipay has closed the order unpaid"))
            },
            "WAIT_BUYER_PAY" => {
                Reply { trade_no: None, ..said(Answer::Pending(self.pending_until()), t!("not paid yet")) }
            }
            _ => said(Answer::Unknown, t!("Alipay tells a state that kibble does not know")),
        }
    }

    /// By when a debit that was only accepted is asked about as decided.
    fn pending_until(&self) -> At {
        self.clock.now() + chrono::Duration::hours(i64::from(self.profile.pending_hours.max(1)))
    }

    /// A verified answer to a debit that says it worked.
    fn accepted(&self, request: &ChargeRequest, said: &Said) -> Reply {
        if said.field("out_trade_no") != Some(&request.order_no) || said.money("total_amount") != Some(request.amount) {
            return Reply::said(Answer::Unknown, MISMATCH, t!("the answer speaks of another order or amount"));
        }
        let answer = match said.field("async_payment_mode") {
            None | Some("SYNC_DIRECT_PAY" | "") => Answer::Paid,
            Some(_) => Answer::Pending(self.pending_until()),
        };
        let paid = answer == Answer::Paid;
        Reply {
            trade_no: said.owned("trade_no").filter(|_| paid),
            at: said.field("gmt_payment").and_then(beijing).filter(|_| paid),
            ..Reply::said(answer, said.word(), said.text.clone())
        }
    }

    /// A verified refusal of a debit.
    fn refused(&self, request: &ChargeRequest, said: &Said) -> Reply {
        let declined = |reason| Reply::said(Answer::Declined(reason), said.word(), said.text.clone());
        match codes::pay(&said.sub_code) {
            Refusal::Declined(Reason::MandateGone) => self.let_go(request, declined(self.gone_or_ours(request, said))),
            Refusal::Declined(Reason::OutsidePlan) => {
                let (text, last) = self.with_dates(&request.mandate, &said.text);
                let earliest = plus_days(request.due, -i64::from(self.profile.window_days_before));
                // Alipay has debited for this very period: some number of ours was paid, so this is no failure of the customer's
                // and nothing may be asked for again before that number is found.
                if codes::is_date(&said.sub_code) && last.is_some_and(|last| last >= earliest) {
                    return Reply::said(Answer::Unknown, said.word(), text);
                }
                self.let_go(request, Reply { text, ..declined(Reason::OutsidePlan) })
            }
            Refusal::Declined(reason) => self.let_go(request, declined(reason)),
            Refusal::PaidBefore => match self.queried(&request.order_no, request.amount) {
                paid @ Reply { answer: Answer::Paid, .. } => paid,
                other => Reply { answer: Answer::Unknown, ..other },
            },
            Refusal::UsedUp => match self.queried(&request.order_no, request.amount) {
                // The number is dead, whatever else Alipay still remembers of it.
                Reply { answer: Answer::NotFound, .. } if said.sub_code.ends_with("TRADE_HAS_CLOSE") => {
                    declined(Reason::Other)
                }
                Reply { answer: Answer::NotFound, code, text, .. } => Reply::said(Answer::Unknown, code, text),
                Reply { answer: Answer::Declined(_), .. } => declined(Reason::Other),
                other => other,
            },
            Refusal::Unknown => Reply::said(Answer::Unknown, said.word(), said.text.clone()),
        }
    }

    /// `AGREEMENT_ERROR` is also said of a wrong product code: where the agreement lives, the settings are at fault.
    fn gone_or_ours(&self, request: &ChargeRequest, said: &Said) -> Reason {
        let doubtful = said.sub_code.ends_with("AGREEMENT_ERROR");
        match doubtful && matches!(self.mandate_state(&request.mandate), Ok(MandateState::Live { .. })) {
            true => Reason::OurConfiguration,
            false => Reason::MandateGone,
        }
    }

    /// A refusal for reasons of the plan, with the dates that Alipay keeps: a debit that it has made in this period and we do not
    /// know of is for a person to find, never to be made again.
    fn with_dates(&self, mandate: &MandateRef, why: &str) -> (String, Option<NaiveDate>) {
        let heard = self.gateway.call("alipay.user.agreement.query", &self.agreement(mandate), false);
        let Heard::Signed(said) = heard else { return (why.to_owned(), None) };
        let day = |name: &str| said.field(name).and_then(date);
        let last = day("last_deduct_time");
        let text = match (day("next_deduct_time"), last) {
            (Some(next), Some(last)) => {
                t!(
                    "{why}; Alipay's next date is {next}, its last debit was on {last}",
                    why = why,
                    next = next,
                    last = last
                )
            }
            (Some(next), None) => t!("{why}; Alipay's next date is {next}", why = why, next = next),
            (None, _) => why.to_owned(),
        };
        (text, last)
    }

    /// After a decline the order may be left open at Alipay, where the customer could still pay it (payment facts 7.4): it is
    /// closed, and the decline only counts when the order is surely closed or was never made. If it turns out to be paid after
    /// all, it was; while nobody can say, it is unknown, because the next number would be a second order that can be paid. Should
    /// the closing stay lost, `timeout_express` closes it.
    fn let_go(&self, request: &ChargeRequest, declined: Reply) -> Reply {
        let heard = self.gateway.call("alipay.trade.close", &json!({ "out_trade_no": request.order_no }), false);
        if let Heard::Signed(said) = &heard
            && (codes::code(&said.code) == Code::Succeeded || codes::is_no_trade(&said.sub_code))
        {
            return declined;
        }
        match self.queried(&request.order_no, request.amount) {
            Reply { answer: Answer::NotFound | Answer::Declined(_), .. } => declined,
            paid @ Reply { answer: Answer::Paid, .. } => paid,
            _ => Reply { answer: Answer::Unknown, ..declined },
        }
    }

    /// Alipay's number of the agreement; `None` where it knows none.
    fn agreement_no(&self, mandate: &MandateRef) -> Result<Option<String>, Trouble> {
        if let Some(number) = &mandate.provider_no {
            return Ok(Some(number.clone()));
        }
        match self.mandate_state(mandate)? {
            MandateState::Live { provider_no, .. } => Ok(Some(provider_no)),
            MandateState::Waiting | MandateState::Ended { .. } | MandateState::NotFound => Ok(None),
        }
    }

    /// How an agreement is named in a call.
    fn agreement(&self, mandate: &MandateRef) -> Value {
        match &mandate.provider_no {
            Some(number) => json!({ "agreement_no": number }),
            None => json!({
                "external_agreement_no": mandate.contract_no,
                "sign_scene": self.account().sign_scene,
                "personal_product_code": self.account().personal_product_code,
            }),
        }
    }

    fn state_of(&self, mandate: &MandateRef, said: &Said) -> Result<MandateState, Trouble> {
        let ours = said.field("external_agreement_no").is_none_or(|number| number == mandate.contract_no);
        let number = said.owned("agreement_no").unwrap_or_default();
        if !ours || mandate.provider_no.as_ref().is_some_and(|known| *known != number) {
            return Err(Trouble::Unreachable { text: t!("the answer speaks of another agreement") });
        }
        match said.field("status") {
            Some("TEMP") => Ok(MandateState::Waiting),
            Some("NORMAL") if !number.is_empty() => Ok(MandateState::Live {
                provider_no: number,
                signed_at: said.field("sign_time").and_then(beijing),
                next_date: said.field("next_deduct_time").and_then(date),
            }),
            // Alipay does not say who ended it. Ours are marked as closing before Alipay is asked, so it was not us.
            Some("STOP") => {
                let now = self.clock.now();
                let at = said.field("invalid_time").and_then(beijing).filter(|at| *at <= now);
                Ok(MandateState::Ended { at, by: "customer".into() })
            }
            _ => Err(Trouble::Unreachable { text: t!("Alipay tells a state that kibble does not know") }),
        }
    }

    /// The customer may open a link that has not been scanned as long as it lives; only a cancel ends it, because Alipay makes
    /// the order when the link is scanned. A link older than a day cannot be cancelled and has died by itself, since
    /// [`Account::pay_link_hours`] is a day at most.
    fn close_unopened(&self, order_no: &str) -> Result<Closed, Trouble> {
        let heard = self.gateway.call("alipay.trade.cancel", &json!({ "out_trade_no": order_no }), false);
        match heard {
            Heard::Signed(said) => match codes::code(&said.code) {
                Code::Succeeded if said.field("retry_flag") == Some("Y") => {
                    Err(Trouble::Unreachable { text: t!("Alipay has not closed the order yet") })
                }
                Code::Succeeded => Ok(Closed::Closed),
                Code::Business if said.sub_code.ends_with("TRADE_CANCEL_TIME_OUT") => Ok(Closed::Closed),
                _ => Err(self.trouble(Heard::Signed(said))),
            },
            other => Err(self.trouble(other)),
        }
    }

    /// What keeps a call that moves no money from succeeding.
    fn trouble(&self, heard: Heard) -> Trouble {
        match heard {
            Heard::Misset { code, text } => Trouble::Refused { reason: Reason::OurConfiguration, code, text },
            Heard::Unproven(text) => {
                Trouble::Refused { reason: Reason::OurConfiguration, code: SIGNATURE.into(), text }
            }
            Heard::Lost(text) => Trouble::Unreachable { text },
            Heard::Signed(said) | Heard::Unsigned(said) => match codes::code(&said.code) {
                Code::Configuration => {
                    Trouble::Refused { reason: Reason::OurConfiguration, code: said.word(), text: said.text }
                }
                Code::Business if !codes::is_passing(&said.sub_code) => {
                    Trouble::Refused { reason: codes::agreement(&said.sub_code), code: said.word(), text: said.text }
                }
                Code::Business | Code::TooMany | Code::Unclear | Code::Succeeded => {
                    Trouble::Unreachable { text: format!("{} ({})", said.text, said.word()) }
                }
            },
        }
    }

    /// A signed success, or what kept it from being one.
    fn done(&self, heard: Heard) -> Result<Said, Trouble> {
        match heard {
            Heard::Signed(said) if codes::code(&said.code) == Code::Succeeded => Ok(said),
            other => Err(self.trouble(other)),
        }
    }
}

impl Rail for Alipay {
    fn name(&self) -> &str {
        &self.name
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The link is a signed address and costs no call: Alipay hears of the agreement when the customer opens it.
    fn sign_link(&self, request: &SignRequest) -> Result<SignLink, Trouble> {
        let account = self.account();
        let now = self.clock.now();
        let days = (request.valid_until - day_of(now, Shanghai)).num_days().max(1);
        let biz = json!({
            "personal_product_code": account.personal_product_code,
            "product_code": account.sign_product_code,
            "sign_scene": account.sign_scene,
            "external_agreement_no": request.contract_no,
            "access_params": { "channel": account.channel },
            "sign_validity_period": format!("{days}d"),
            "effect_time": u64::from(account.sign_link_minutes) * 60,
            "period_rule_params": {
                "period_type": "MONTH",
                "period": 1,
                "execute_time": request.first_date.to_string(),
                "single_amount": request.amount.to_string(),
                "total_payments": request.count,
            },
        });
        let query = match self.gateway.signed_query("alipay.user.agreement.page.sign", &biz) {
            Ok(query) => query,
            Err(heard) => return Err(self.trouble(heard)),
        };
        let web = format!("{}?{query}", account.gateway);
        let in_wallet = || format!("alipays://platformapi/startapp?appId={OPEN_IN_WALLET}&url={}", encoded(&web));
        let url = match account.sign_link {
            LinkKind::Web => web.clone(),
            LinkKind::Scheme => in_wallet(),
            LinkKind::App => format!(
                "alipays://platformapi/startapp?appId={SIGN_IN_WALLET}&appClearTop=false&startMultApp=YES&sign_params={}",
                encoded(&query)
            ),
            LinkKind::Wrapped => {
                format!("https://render.alipay.com/p/s/i/?scheme={}", encoded(&in_wallet()))
            }
        };
        let good_until = Some(now + chrono::Duration::minutes(i64::from(account.sign_link_minutes)));
        Ok(SignLink { url, qr: web, good_until })
    }

    /// Alipay knows nothing of an agreement until the customer agrees, and says so in the words for one that never was: while we
    /// have not seen it live that means waiting, afterwards it means gone.
    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        match self.gateway.call("alipay.user.agreement.query", &self.agreement(mandate), false) {
            Heard::Signed(said) if codes::code(&said.code) == Code::Succeeded => self.state_of(mandate, &said),
            Heard::Signed(said) if codes::is_no_agreement(&said.sub_code) => Ok(match mandate.provider_no {
                None => MandateState::Waiting,
                Some(_) => MandateState::Ended { at: None, by: "provider".into() },
            }),
            Heard::Signed(said) if codes::is_unsigned(&said.sub_code) => {
                Ok(MandateState::Ended { at: None, by: "customer".into() })
            }
            other => Err(self.trouble(other)),
        }
    }

    fn close_mandate(&self, mandate: &MandateRef, _why: &str) -> Result<(), Trouble> {
        let Some(number) = self.agreement_no(mandate)? else { return Ok(()) };
        match self.gateway.call("alipay.user.agreement.unsign", &json!({ "agreement_no": number }), true) {
            Heard::Signed(said) if codes::code(&said.code) == Code::Succeeded => Ok(()),
            Heard::Signed(said) if codes::is_gone_already(&said.sub_code) => {
                let known = MandateRef { contract_no: mandate.contract_no.clone(), provider_no: Some(number) };
                match self.mandate_state(&known)? {
                    MandateState::Live { .. } => Err(self.trouble(Heard::Signed(said))),
                    MandateState::Waiting | MandateState::Ended { .. } | MandateState::NotFound => Ok(()),
                }
            }
            other => Err(self.trouble(other)),
        }
    }

    /// Alipay gives no notice of its own before a debit.
    fn announce(&self, _notice: &DebitNotice) -> Result<(), Trouble> {
        Err(Trouble::Unsupported)
    }

    fn charge(&self, request: &ChargeRequest) -> Reply {
        let number = match self.agreement_no(&request.mandate) {
            Ok(Some(number)) => number,
            Ok(None) => {
                return Reply::said(
                    Answer::Declined(Reason::MandateGone),
                    "USER_AGREEMENT_NOT_EXIST",
                    t!("Alipay knows no such agreement"),
                );
            }
            Err(trouble) => return Reply::said(Answer::Unknown, "", trouble.to_string()),
        };
        let account = self.account();
        let biz = json!({
            "out_trade_no": request.order_no,
            "total_amount": request.amount.to_string(),
            "subject": subject(&request.subject),
            "product_code": account.pay_product_code,
            "agreement_params": { "agreement_no": number },
            "timeout_express": format!("{}m", account.debit_minutes),
        });
        match self.gateway.call("alipay.trade.pay", &biz, true) {
            // Without keys nothing can have been sent. A connection that is set up wrongly may still have carried something.
            Heard::Misset { code, text } if code == gateway::KEY => {
                Reply::said(Answer::Declined(Reason::OurConfiguration), code, text)
            }
            Heard::Misset { code, text } => Reply::said(Answer::Unknown, code, text),
            Heard::Lost(text) => Reply::said(Answer::Unknown, "", text),
            Heard::Unproven(text) => Reply::said(Answer::Unknown, SIGNATURE, text),
            // Nobody vouches for this refusal, so the number is asked about before it counts.
            Heard::Unsigned(said) => match self.queried(&request.order_no, request.amount) {
                Reply { answer: Answer::NotFound | Answer::Declined(_), .. } => {
                    Reply::said(Answer::Declined(Reason::OurConfiguration), said.word(), said.text)
                }
                paid @ Reply { answer: Answer::Paid, .. } => paid,
                _ => Reply::said(Answer::Unknown, said.word(), said.text),
            },
            Heard::Signed(said) => match codes::code(&said.code) {
                Code::Succeeded => self.accepted(request, &said),
                Code::Business => self.refused(request, &said),
                Code::Configuration => Reply::said(Answer::Declined(Reason::OurConfiguration), said.word(), said.text),
                Code::TooMany | Code::Unclear => Reply::said(Answer::Unknown, said.word(), said.text),
            },
        }
    }

    fn query_charge(&self, order_no: &str, amount: Money) -> Reply {
        self.queried(order_no, amount)
    }

    fn close_order(&self, order_no: &str) -> Result<Closed, Trouble> {
        match self.gateway.call("alipay.trade.close", &json!({ "out_trade_no": order_no }), true) {
            Heard::Signed(said) if codes::code(&said.code) == Code::Succeeded => Ok(Closed::Closed),
            Heard::Signed(said) if codes::is_no_trade(&said.sub_code) => self.close_unopened(order_no),
            Heard::Signed(said) if codes::is_other_state(&said.sub_code) => match self.found(order_no) {
                Found::Trade(trade) => match self.stands(&trade) {
                    paid @ Reply { answer: Answer::Paid, .. } => Ok(Closed::AlreadyPaid(paid)),
                    Reply { answer: Answer::Declined(_), .. } => Ok(Closed::Closed),
                    _ => Err(self.trouble(Heard::Signed(said))),
                },
                Found::NoTrade(_) | Found::Unclear { .. } => Err(self.trouble(Heard::Signed(said))),
            },
            other => Err(self.trouble(other)),
        }
    }

    fn refund(&self, request: &RefundRequest) -> Reply {
        let biz = json!({
            "out_trade_no": request.order_no,
            "refund_amount": request.amount.to_string(),
            "out_request_no": request.refund_no,
        });
        let said = match self.gateway.call("alipay.trade.refund", &biz, false) {
            Heard::Signed(said) => said,
            other => {
                let (code, text) = other.words();
                return Reply::said(Answer::Unknown, code, text);
            }
        };
        match codes::code(&said.code) {
            Code::Succeeded if said.field("out_trade_no") != Some(&request.order_no) => {
                Reply::said(Answer::Unknown, MISMATCH, t!("the answer speaks of another order"))
            }
            // `refund_fee` is all that ever went back of this order, so less than this refund cannot be it.
            Code::Succeeded
                if said.field("fund_change") == Some("Y")
                    && said.money("refund_fee").is_some_and(|back| back >= request.amount) =>
            {
                Reply {
                    trade_no: said.owned("trade_no"),
                    at: Some(said.field("gmt_refund_pay").and_then(beijing).unwrap_or_else(|| self.clock.now())),
                    ..Reply::said(Answer::Paid, said.word(), said.text)
                }
            }
            // Nothing moved by this call: it may have moved by an earlier one.
            Code::Succeeded => match self.query_refund(request) {
                paid @ Reply { answer: Answer::Paid, .. } => paid,
                other => Reply { answer: Answer::Unknown, ..other },
            },
            Code::Business => match codes::refund(&said.sub_code) {
                // A refused repeat may stand for a refund that went through: only a query that finds none makes it a refusal,
                // since a refused refund is handed over by somebody else.
                RefundRefusal::Declined(reason) => match self.query_refund(request) {
                    Reply { answer: Answer::NotFound | Answer::Declined(_), .. } => {
                        Reply::said(Answer::Declined(reason), said.word(), said.text)
                    }
                    other => other,
                },
                RefundRefusal::Later | RefundRefusal::Unknown => Reply::said(Answer::Unknown, said.word(), said.text),
            },
            Code::Configuration | Code::TooMany | Code::Unclear => Reply::said(Answer::Unknown, said.word(), said.text),
        }
    }

    /// Where Alipay names no refund status, nothing went back under this number.
    fn query_refund(&self, request: &RefundRequest) -> Reply {
        let biz = json!({
            "out_trade_no": request.order_no,
            "out_request_no": request.refund_no,
            "query_options": ["gmt_refund_pay"],
        });
        let said = match self.gateway.call("alipay.trade.fastpay.refund.query", &biz, false) {
            Heard::Signed(said) => said,
            other => {
                let (code, text) = other.words();
                return Reply::said(Answer::Unknown, code, text);
            }
        };
        match codes::code(&said.code) {
            Code::Succeeded => self.refunded(request, &said),
            Code::Business if codes::is_no_trade(&said.sub_code) => {
                Reply::said(Answer::NotFound, said.word(), said.text)
            }
            _ => Reply::said(Answer::Unknown, said.word(), said.text),
        }
    }

    fn postpone(&self, mandate: &MandateRef, to: NaiveDate) -> Result<(), Trouble> {
        let gone = || Trouble::Refused {
            reason: Reason::MandateGone,
            code: "USER_AGREEMENT_NOT_EXIST".into(),
            text: t!("Alipay knows no such agreement"),
        };
        let number = self.agreement_no(mandate)?.ok_or_else(gone)?;
        let biz = json!({ "agreement_no": number, "deduct_time": to.to_string(), "memo": "kibble" });
        match self.gateway.call("alipay.user.agreement.executionplan.modify", &biz, false) {
            Heard::Signed(said) if codes::code(&said.code) == Code::Succeeded => Ok(()),
            Heard::Signed(said) if codes::agreement(&said.sub_code) == Reason::OutsidePlan => {
                // Alipay takes later dates only: the same one again is refused although it stands.
                let known = MandateRef { contract_no: mandate.contract_no.clone(), provider_no: Some(number) };
                match self.mandate_state(&known) {
                    Ok(MandateState::Live { next_date: Some(next), .. }) if next == to => Ok(()),
                    _ => Err(self.trouble(Heard::Signed(said))),
                }
            }
            other => Err(self.trouble(other)),
        }
    }

    fn pay_link(&self, request: &PayLinkRequest) -> Result<PayLink, Trouble> {
        let hours = self.account().pay_link_hours;
        let biz = json!({
            "out_trade_no": request.order_no,
            "total_amount": request.amount.to_string(),
            "subject": subject(&request.subject),
            "timeout_express": format!("{hours}h"),
            "qr_code_timeout_express": format!("{hours}h"),
        });
        let said = self.done(self.gateway.call("alipay.trade.precreate", &biz, true))?;
        let ours = said.field("out_trade_no") == Some(&request.order_no);
        match said.owned("qr_code").filter(|url| ours && url.starts_with("https://")) {
            Some(url) => {
                Ok(PayLink { url, good_until: Some(self.clock.now() + chrono::Duration::hours(i64::from(hours))) })
            }
            None => Err(Trouble::Unreachable { text: t!("the answer speaks of another order") }),
        }
    }

    fn bill(&self, period: BillPeriod) -> Result<BillFile, Trouble> {
        let day = match period {
            BillPeriod::Day(day) => day.to_string(),
            BillPeriod::Month(first) => first.format("%Y-%m").to_string(),
        };
        let biz = json!({ "bill_type": "trade", "bill_date": day });
        let missing = |text: String| Trouble::Refused { reason: Reason::Other, code: NO_BILL.into(), text };
        let said = match self.gateway.call("alipay.data.dataservice.bill.downloadurl.query", &biz, false) {
            Heard::Signed(said) if codes::is_no_bill(&said.sub_code) => return Err(missing(said.text)),
            other => self.done(other)?,
        };
        let Some(url) = said.field("bill_download_url").filter(|url| !url.is_empty()) else {
            return Err(missing(t!("Alipay has no bill for {day}", day = day)));
        };
        // Alipay writes the address without encryption; the same one with it serves the same file. A gateway on this machine has none.
        let url = match url.strip_prefix("http://") {
            Some(rest) if self.account().gateway.starts_with("https://") => format!("https://{rest}"),
            _ => url.to_owned(),
        };
        let bytes = self.gateway.fetch(&url).map_err(|heard| self.trouble(heard))?;
        // The address is good for half a minute; what comes after that is a page and no zip.
        if !bytes.starts_with(b"PK") {
            return Err(Trouble::Unreachable {
                text: t!("what Alipay sent as the bill of {day} is no zip file", day = day),
            });
        }
        Ok(BillFile { name: format!("alipay-{day}.zip"), bytes })
    }

    fn read_notice(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        self.noticed(notice)
    }

    fn inspect(&self) -> Vec<Finding> {
        inspect::inspect(&self.gateway, self.clock.now())
    }

    fn capabilities(&self) -> Vec<Capability> {
        Capability::ALL.into_iter().filter(|it| *it != Capability::Announce).collect()
    }

    /// Asks about an order that nobody made: a signed "no such order" proves address, keys, app and clock at once.
    fn health(&self) -> Result<Health, Trouble> {
        // What is known to be wrong stops the rail before anything is sent: an expired certificate, the wrong public key.
        if let Some(wrong) = self.inspect().into_iter().find(|it| it.level == Level::Bad) {
            let text = match wrong.hint.is_empty() {
                true => wrong.what,
                false => format!("{}; {}", wrong.what, wrong.hint),
            };
            return Err(Trouble::Refused { reason: Reason::OurConfiguration, code: SETTINGS.into(), text });
        }
        match self.gateway.call("alipay.trade.query", &json!({ "out_trade_no": NO_ORDER }), false) {
            Heard::Signed(said) if codes::is_no_trade(&said.sub_code) || codes::code(&said.code) == Code::Succeeded => {
                Ok(Health { provider_time: said.date })
            }
            other => Err(self.trouble(other)),
        }
    }
}

impl Alipay {
    fn refunded(&self, request: &RefundRequest, said: &Said) -> Reply {
        let about = |name: &str, ours: &str| said.field(name).is_none_or(|value| value == ours);
        if !about("out_trade_no", &request.order_no) || !about("out_request_no", &request.refund_no) {
            return Reply::said(Answer::Unknown, MISMATCH, t!("the answer speaks of another order"));
        }
        match said.field("refund_status") {
            None | Some("") => Reply::said(Answer::NotFound, said.word(), said.text.clone()),
            Some("REFUND_SUCCESS") if said.money("refund_amount") == Some(request.amount) => Reply {
                trade_no: said.owned("trade_no"),
                at: said.field("gmt_refund_pay").and_then(beijing),
                ..Reply::said(Answer::Paid, said.word(), said.text.clone())
            },
            Some("REFUND_SUCCESS") => Reply {
                taken_for: said.money("refund_amount"),
                ..Reply::said(
                    Answer::Unknown,
                    MISMATCH,
                    t!("Alipay gave back another amount under refund number {number}", number = request.refund_no),
                )
            },
            Some(other) => Reply::said(Answer::Unknown, other, t!("Alipay tells a state that kibble does not know")),
        }
    }
}

/// A subject that Alipay takes: three characters are forbidden in it, and their wide twins are not.
fn subject(text: &str) -> String {
    text.replace('/', "／").replace('=', "＝").replace('&', "＆")
}

/// `2026-12-05 10:00:00` in Beijing; milliseconds, as some answers have them, are dropped.
fn beijing(text: &str) -> Option<At> {
    let whole = text.split('.').next().unwrap_or_default();
    let wall = NaiveDateTime::parse_from_str(whole, "%Y-%m-%d %H:%M:%S").ok()?;
    moment_in_reach(wall.date(), wall.time(), Shanghai)
}

/// The day of a date or a moment.
fn date(text: &str) -> Option<NaiveDate> {
    text.get(..10)?.parse().ok().and_then(day_in_reach)
}
