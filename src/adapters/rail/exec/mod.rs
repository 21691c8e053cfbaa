//! A rail that is a program of the shop's own: any bank, any provider, any language. One JSON document per line, questions on its
//! standard input, answers on its standard output.
//!
//! The program runs for as long as kibble does and answers one question after the other; where several calls may be in flight,
//! several of it run. It ends when its input ends. A program that breaks the rules below is killed with everything it started.
//!
//! **Hello.** The first line is `{"id":1,"ask":"hello","now":"2026-12-05T02:00:00Z","kibble":1,"rail":"bank"}`. The answer says which
//! version of these lines it speaks, who it is, and what it can be asked:
//! `{"id":1,"kibble":1,"name":"bank","version":"1.0","can":["charge","query_charge", …]}`.
//!
//! **Questions** are the methods of [`Rail`] by name. `id` counts up, `now` is kibble's clock (a rehearsal's in a rehearsal).
//! Amounts are whole fen and say so in their names, dates are `2026-12-05`, moments RFC 3339. Whatever has no value is `null`.
//!
//! | ask | with | answer, beside `id` and `result` |
//! |---|---|---|
//! | `sign_link` | `contract_no`, `customer_label`, `payer`, `amount_fen`, `count`, `first_date`, `valid_until` | `ok`: `contract_no`, `url`, `qr`, `good_until` |
//! | `mandate_state` | `contract_no`, `provider_no` | `waiting`; `live`: `provider_no`, `signed_at`, `next_date`; `ended`: `ended_at`, `by`; `not_found`; always `contract_no` |
//! | `close_mandate` | `contract_no`, `provider_no`, `why` | `ok`: `contract_no` |
//! | `announce` | `contract_no`, `provider_no`, `amount_fen`, `due` | `ok`: `contract_no` |
//! | `charge` | `order_no`, `contract_no`, `provider_no`, `amount_fen`, `subject`, `due` | an outcome with `order_no` |
//! | `query_charge` | `order_no`, `amount_fen` | an outcome with `order_no` |
//! | `close_order` | `order_no` | `closed`, or the outcome `paid`; always `order_no` |
//! | `refund`, `query_refund` | `refund_no`, `order_no`, `paid_fen`, `amount_fen` | an outcome with `refund_no` |
//! | `postpone` | `contract_no`, `provider_no`, `to` | `ok`: `contract_no` |
//! | `pay_link` | `order_no`, `amount_fen`, `subject` | `ok`: `order_no`, `url`, `good_until` |
//! | `bill` | `period`: `2026-12-05` or `2026-12` | `ok`: `name`, `file` (a file that the program has written, laid out like a bill of Alipay's or WeChat Pay's; kibble reads it) |
//! | `read_notice` | `headers` (names in lower case), `body_base64` | what a notice of the provider says, once its signature was checked: an outcome with `order_no` or `refund_no`, or a state of a mandate with `contract_no` |
//! | `health` | | `ok`: `time`, the provider's clock |
//!
//! **Outcomes** are `paid` (with `amount_fen`, `trade_no`, `paid_at`), `declined` (with `reason`), `pending` (with `pending_until`),
//! `unknown`, `not_found` (to a query only). Every one may have the provider's own `code` and `text`, for people.
//! Reasons are the words of [`Reason`]: `no_funds`, `limit`, `mandate_gone`, `customer_blocked`, `risk_refused`, `outside_plan`,
//! `our_configuration`, `other`. `paid` is believed only with our number and our amount beside it; an outcome about another number,
//! with another amount, without its reason, or with a word that does not stand here is `unknown`. To `query_refund`, `paid` with another
//! amount says that the number is taken for that one.
//!
//! **Everything else** may also be answered with `refused` (with `reason`, `code`, `text`), `unreachable` (with `text`) or
//! `unsupported`. What the hello does not list is not asked.
//!
//! **The rules.** One order number is charged at most once, one refund number refunded at most once, whatever is asked again after an
//! answer was lost. A declined number stays declined. An answer that cannot be had from the provider is `unknown`, never a guess.
//! `examples/exec-rail/README.md` is for whoever writes such a program; `examples/exec_rail.rs` is one.

mod pool;
mod talk;

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::pool::Pool;
use self::talk::{Failure, Talk};
pub use self::talk::{Program, VERSION};
use crate::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Finding, Health, MandateRef, MandateState,
    Noticed, PayLink, PayLinkRequest, Rail, RefundRequest, SavedNotice, SignLink, SignRequest, Trouble,
};
use crate::clock::Clock;
use crate::domain::date::{At, day_in_reach, machine_moment};
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Profile, Reason, Reply};
use crate::fault::io_reason;
use crate::t;

/// Characters kept of what a program says for people.
const SAID_MAX_CHARS: usize = 200;
/// Largest bill that is read, in bytes.
const BILL_MAX_BYTES: u64 = 256 << 20;
/// What every program must be able to do: without it no charge could be settled.
const MUST: [&str; 2] = ["charge", "query_charge"];
/// The words in which a program lists what it can do beside that.
const ABLE: [(&str, Capability); 10] = [
    ("sign_link", Capability::SignLink),
    ("mandate_state", Capability::MandateState),
    ("close_mandate", Capability::CloseMandate),
    ("announce", Capability::Announce),
    ("close_order", Capability::CloseOrder),
    ("refund", Capability::Refund),
    ("postpone", Capability::Postpone),
    ("pay_link", Capability::PayLink),
    ("bill", Capability::Bill),
    ("read_notice", Capability::Notice),
];
/// The states of a mandate.
const STATES: [&str; 4] = ["waiting", "live", "ended", "not_found"];

/// The settings of a program, `[rail.NAME.account]` in `shop.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The program and its arguments; no shell. A path is looked up as the operating system does.
    pub command: Vec<String>,
    /// Seconds within which a question must be answered; the program is killed then.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
}

fn default_timeout_seconds() -> u64 {
    30
}

/// A rail behind a program.
#[derive(Debug)]
pub struct Exec {
    name: String,
    profile: Profile,
    clock: Clock,
    account: Account,
    pool: Pool,
}

type Fields = Map<String, Value>;

impl Exec {
    /// The rail called `name`. The program is started by the first question.
    pub fn open(name: &str, profile: Profile, clock: Clock, account: Account) -> Exec {
        let pool = Pool::new(profile.calls_in_flight);
        Exec { name: name.to_owned(), profile, clock, account, pool }
    }

    /// Who the program says it is.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be started or does not introduce itself.
    pub fn program(&self) -> Result<Program, Trouble> {
        let mut lent = self.lend().map_err(|failure| self.trouble(failure))?;
        lent.talk(|talk| Ok(talk.program().clone())).map_err(|failure| self.trouble(failure))
    }

    fn lend(&self) -> Result<pool::Lent<'_>, Failure> {
        let timeout = self.timeout();
        self.pool.lend(|| {
            let talk = Talk::start(&self.account.command, &self.name, timeout, self.clock.now())?;
            match MUST.iter().find(|must| !talk.program().can.contains(**must)) {
                Some(missing) => Err(Failure::Setup(t!("the program cannot do {what}", what = missing))),
                None => Ok(talk),
            }
        })
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.account.timeout_seconds.max(1))
    }

    fn ask(&self, ask: &str, body: Value) -> Result<Fields, Failure> {
        let (timeout, now) = (self.timeout(), self.clock.now());
        let answered = self.lend()?.talk(|talk| match talk.program().can.contains(ask) {
            true => talk.call(ask, body, timeout, now).map(Some),
            false => Ok(None),
        });
        answered?.ok_or(Failure::Unsupported)
    }

    /// A question about anything but an outcome: `ok`, or a word of `also`, is good.
    fn tell(&self, ask: &str, body: Value, also: &[&str]) -> Result<Fields, Trouble> {
        let contract_no = body.get("contract_no").cloned();
        let answer = self.ask(ask, body).map_err(|failure| self.trouble(failure))?;
        let said = |key: &str| text(&answer, key);
        match word(&answer) {
            "unsupported" => Err(Trouble::Unsupported),
            "refused" => Err(Trouble::Refused {
                reason: Reason::from_word(answer.get("reason").and_then(Value::as_str).unwrap_or_default())
                    .unwrap_or(Reason::Other),
                code: said("code"),
                text: said("text"),
            }),
            "unreachable" => Err(Trouble::Unreachable { text: said("text") }),
            good if good == "ok" || also.contains(&good) => {
                let ours = contract_no.is_none_or(|ours| answer.get("contract_no") == Some(&ours));
                if ours { Ok(answer) } else { Err(misunderstood()) }
            }
            _ => Err(misunderstood()),
        }
    }

    /// A question about an outcome: of order or refund `number`, over `amount` where that is known.
    fn outcome(&self, ask: &str, number: (&str, &str), amount: Option<Money>, body: Value) -> Reply {
        let unknown = |text: String| Reply::said(Answer::Unknown, "", text);
        let is_query = ask.starts_with("query");
        let answer = match self.ask(ask, body) {
            Ok(answer) => answer,
            // Nothing was asked, so nothing moved; about an earlier question that says nothing.
            Err(Failure::Setup(said)) if !is_query => {
                return Reply::said(Answer::Declined(Reason::OurConfiguration), "", self.setting(&said));
            }
            Err(Failure::Unsupported) if !is_query => {
                return Reply::said(
                    Answer::Declined(Reason::Other),
                    "",
                    t!("the program cannot do {what}", what = ask),
                );
            }
            Err(Failure::Unsupported) => return unknown(t!("the program cannot do {what}", what = ask)),
            Err(Failure::Setup(said)) => return unknown(self.setting(&said)),
            Err(Failure::NotAsked(said) | Failure::Unsure(said)) => return unknown(said),
        };
        if answer.get(number.0).and_then(Value::as_str) != Some(number.1) {
            return unknown(t!("the program answered about another number"));
        }
        if !same_amount(&answer, amount) {
            let told = answer.get("amount_fen").and_then(Value::as_i64).map(Money::from_fen);
            let is_known = is_query && outcome_of(&answer, true, true).is_ok_and(|it| it.answer.is_known());
            let reply = unknown(t!("the program answered about another amount"));
            return Reply { taken_for: told.filter(|_| is_known), ..reply };
        }
        outcome_of(&answer, amount.is_some(), is_query)
            .unwrap_or_else(|()| unknown(t!("the program's answer cannot be understood")))
    }

    fn trouble(&self, failure: Failure) -> Trouble {
        match failure {
            Failure::Unsupported => Trouble::Unsupported,
            Failure::Setup(said) => {
                Trouble::Refused { reason: Reason::OurConfiguration, code: String::new(), text: self.setting(&said) }
            }
            Failure::NotAsked(text) | Failure::Unsure(text) => Trouble::Unreachable { text },
        }
    }

    /// What is wrong, with the setting to look at.
    fn setting(&self, said: &str) -> String {
        format!("rail.{}.account.command: {said}", self.name)
    }
}

impl Rail for Exec {
    fn name(&self) -> &str {
        &self.name
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn sign_link(&self, it: &SignRequest) -> Result<SignLink, Trouble> {
        let body = json!({
            "contract_no": it.contract_no,
            "customer_label": it.customer_label,
            "payer": it.payer,
            "amount_fen": it.amount.fen(),
            "count": it.count,
            "first_date": it.first_date,
            "valid_until": it.valid_until,
        });
        let answer = self.tell("sign_link", body, &[])?;
        let url = link(&answer, "url").ok_or_else(misunderstood)?;
        let good_until = moment(&answer, "good_until").map_err(|()| misunderstood())?;
        Ok(SignLink { qr: link(&answer, "qr").unwrap_or_else(|| url.clone()), url, good_until })
    }

    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        let answer = self.tell("mandate_state", reference(mandate), &STATES)?;
        state_of(&answer).map_err(|()| misunderstood())
    }

    fn close_mandate(&self, mandate: &MandateRef, why: &str) -> Result<(), Trouble> {
        self.tell("close_mandate", with(reference(mandate), json!({ "why": why })), &[]).map(|_| ())
    }

    fn announce(&self, notice: &DebitNotice) -> Result<(), Trouble> {
        let more = json!({ "amount_fen": notice.amount.fen(), "due": notice.due });
        self.tell("announce", with(reference(&notice.mandate), more), &[]).map(|_| ())
    }

    fn charge(&self, it: &ChargeRequest) -> Reply {
        let body = json!({
            "order_no": it.order_no,
            "amount_fen": it.amount.fen(),
            "subject": it.subject,
            "due": it.due,
        });
        self.outcome("charge", ("order_no", &it.order_no), Some(it.amount), with(reference(&it.mandate), body))
    }

    fn query_charge(&self, order_no: &str, amount: Money) -> Reply {
        let body = json!({ "order_no": order_no, "amount_fen": amount.fen() });
        self.outcome("query_charge", ("order_no", order_no), Some(amount), body)
    }

    fn close_order(&self, order_no: &str) -> Result<Closed, Trouble> {
        let answer = self.tell("close_order", json!({ "order_no": order_no }), &["closed", "paid"])?;
        if answer.get("order_no").and_then(Value::as_str) != Some(order_no) {
            return Err(misunderstood());
        }
        match word(&answer) {
            "closed" => Ok(Closed::Closed),
            "paid" => Ok(Closed::AlreadyPaid(Reply {
                trade_no: answer.get("trade_no").and_then(Value::as_str).map(scrubbed),
                at: moment(&answer, "paid_at").map_err(|()| misunderstood())?,
                ..Reply::said(Answer::Paid, text(&answer, "code"), text(&answer, "text"))
            })),
            _ => Err(misunderstood()),
        }
    }

    fn refund(&self, request: &RefundRequest) -> Reply {
        self.outcome("refund", ("refund_no", &request.refund_no), Some(request.amount), going_back(request))
    }

    fn query_refund(&self, request: &RefundRequest) -> Reply {
        self.outcome("query_refund", ("refund_no", &request.refund_no), Some(request.amount), going_back(request))
    }

    fn postpone(&self, mandate: &MandateRef, to: NaiveDate) -> Result<(), Trouble> {
        self.tell("postpone", with(reference(mandate), json!({ "to": to })), &[]).map(|_| ())
    }

    fn pay_link(&self, it: &PayLinkRequest) -> Result<PayLink, Trouble> {
        let body = json!({ "order_no": it.order_no, "amount_fen": it.amount.fen(), "subject": it.subject });
        let answer = self.tell("pay_link", body, &[])?;
        let ours = answer.get("order_no").and_then(Value::as_str) == Some(&it.order_no);
        let url = link(&answer, "url").filter(|_| ours).ok_or_else(misunderstood)?;
        Ok(PayLink { url, good_until: moment(&answer, "good_until").map_err(|()| misunderstood())? })
    }

    fn bill(&self, period: BillPeriod) -> Result<BillFile, Trouble> {
        let period = match period {
            BillPeriod::Day(day) => day.to_string(),
            BillPeriod::Month(day) => day.format("%Y-%m").to_string(),
        };
        let answer = self.tell("bill", json!({ "period": period }), &[])?;
        let path = link(&answer, "file").ok_or_else(misunderstood)?;
        let bytes = bill_bytes(&path)
            .map_err(|error| Trouble::Unreachable { text: format!("{path}: {}", io_reason(&error)) })?;
        Ok(BillFile { name: text(&answer, "name"), bytes })
    }

    fn read_notice(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        let headers: Fields = notice.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let body = json!({ "headers": headers, "body_base64": STANDARD.encode(&notice.body) });
        let words = ["paid", "declined", "pending", "unknown", "waiting", "live", "ended", "not_found"];
        let answer = self.tell("read_notice", body, &words)?;
        let reply = || outcome_of(&answer, false, false).map_err(|()| misunderstood());
        match (link(&answer, "order_no"), link(&answer, "refund_no"), link(&answer, "contract_no")) {
            (Some(order_no), None, None) => {
                let amount = match answer.get("amount_fen") {
                    None | Some(Value::Null) => None,
                    Some(fen) => Some(Money::from_fen(fen.as_i64().ok_or_else(misunderstood)?)),
                };
                Ok(Noticed::Charge { order_no, amount, reply: reply()? })
            }
            (None, Some(refund_no), None) => Ok(Noticed::Refund { refund_no, reply: reply()? }),
            (None, None, Some(contract_no)) => {
                Ok(Noticed::Mandate { contract_no, state: state_of(&answer).map_err(|()| misunderstood())? })
            }
            _ => Err(misunderstood()),
        }
    }

    /// Starts the program, which is on this machine; the provider is not asked.
    fn inspect(&self) -> Vec<Finding> {
        let finding = match self.program() {
            Ok(it) => {
                let what = t!("{name} {version} answers", name = scrubbed(&it.name), version = scrubbed(&it.version));
                Finding::ok(what)
            }
            Err(trouble) => {
                let what = match trouble {
                    Trouble::Refused { text, .. } => text,
                    other => self.setting(&other.to_string()),
                };
                let hint = t!("start the program by hand and see what it says");
                Finding::bad(what, hint)
            }
        };
        vec![finding]
    }

    /// None when the program cannot be asked.
    fn capabilities(&self) -> Vec<Capability> {
        let Ok(program) = self.program() else { return Vec::new() };
        ABLE.iter().filter(|(word, _)| program.can.contains(*word)).map(|(_, able)| *able).collect()
    }

    fn health(&self) -> Result<Health, Trouble> {
        let answer = self.tell("health", json!({}), &[])?;
        Ok(Health { provider_time: moment(&answer, "time").map_err(|()| misunderstood())? })
    }
}

fn misunderstood() -> Trouble {
    Trouble::Unreachable { text: t!("the program's answer cannot be understood") }
}

/// Whether an answer is about our amount; one that names none is not about another.
fn same_amount(answer: &Fields, amount: Option<Money>) -> bool {
    let told = answer.get("amount_fen").filter(|it| !it.is_null());
    told.is_none_or(|told| amount.is_none_or(|amount| told.as_i64() == Some(amount.fen())))
}

/// The outcome that an answer tells. `paid` names its amount where that `needs_amount`; only a query may find nothing.
fn outcome_of(answer: &Fields, needs_amount: bool, is_query: bool) -> Result<Reply, ()> {
    let names_amount = answer.get("amount_fen").is_some_and(|it| !it.is_null());
    let paid_at = moment(answer, "paid_at")?;
    let decided = match word(answer) {
        "paid" if names_amount || !needs_amount => Answer::Paid,
        "declined" => {
            let reason = answer.get("reason").and_then(Value::as_str).and_then(Reason::from_word);
            Answer::Declined(reason.ok_or(())?)
        }
        "pending" => Answer::Pending(moment(answer, "pending_until")?.ok_or(())?),
        "not_found" if is_query => Answer::NotFound,
        "unknown" => Answer::Unknown,
        _ => return Err(()),
    };
    Ok(Reply {
        answer: decided,
        code: text(answer, "code"),
        text: text(answer, "text"),
        trade_no: answer.get("trade_no").and_then(Value::as_str).map(scrubbed),
        at: paid_at.filter(|_| decided == Answer::Paid),
        taken_for: None,
    })
}

fn state_of(answer: &Fields) -> Result<MandateState, ()> {
    match word(answer) {
        "waiting" => Ok(MandateState::Waiting),
        "live" => Ok(MandateState::Live {
            provider_no: link(answer, "provider_no").ok_or(())?,
            signed_at: moment(answer, "signed_at")?,
            next_date: day(answer, "next_date")?,
        }),
        "ended" => Ok(MandateState::Ended { at: moment(answer, "ended_at")?, by: text(answer, "by") }),
        "not_found" => Ok(MandateState::NotFound),
        _ => Err(()),
    }
}

fn reference(mandate: &MandateRef) -> Value {
    json!({ "contract_no": mandate.contract_no, "provider_no": mandate.provider_no })
}

fn going_back(it: &RefundRequest) -> Value {
    json!({
        "refund_no": it.refund_no,
        "order_no": it.order_no,
        "paid_fen": it.paid.fen(),
        "amount_fen": it.amount.fen(),
    })
}

fn with(mut body: Value, more: Value) -> Value {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn bill_bytes(path: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BILL_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= BILL_MAX_BYTES) {
        true => Ok(bytes),
        false => Err(std::io::ErrorKind::FileTooLarge.into()),
    }
}

fn word(answer: &Fields) -> &str {
    answer.get("result").and_then(Value::as_str).unwrap_or_default()
}

/// What the program says for people, without control characters and not endless.
fn text(answer: &Fields, key: &str) -> String {
    answer.get(key).and_then(Value::as_str).map(scrubbed).unwrap_or_default()
}

fn scrubbed(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(SAID_MAX_CHARS).collect()
}

/// A text that kibble goes on to use, whole or not at all.
fn link(answer: &Fields, key: &str) -> Option<String> {
    answer
        .get(key)
        .and_then(Value::as_str)
        .filter(|it| !it.is_empty() && !it.contains(char::is_control))
        .map(str::to_owned)
}

/// A moment that may be absent, but must be one where it stands.
fn moment(answer: &Fields, key: &str) -> Result<Option<At>, ()> {
    match answer.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => machine_moment(text).map(Some).ok_or(()),
        Some(_) => Err(()),
    }
}

fn day(answer: &Fields, key: &str) -> Result<Option<NaiveDate>, ()> {
    match answer.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => text.parse().ok().and_then(day_in_reach).map(Some).ok_or(()),
        Some(_) => Err(()),
    }
}

#[cfg(all(test, unix))]
mod tests;
