//! A program behind `adapter = "exec"`: it reads questions, one JSON document per line, and answers each with one line. Behind it
//! stands kibble's own pretended provider with a book in a file; your program asks your bank instead. `examples/exec-rail/README.md`
//! explains the lines, and kibble's tests put this program through everything that every payment rail must stand.
//!
//! ```sh
//! cargo run --example exec_rail -- BOOK.db alipay
//! ```
//!
//! With a third argument, a file, it goes wrong as the file says, once: `drop` ends before the work, `lose` after it, `garbage`
//! answers nonsense after it, `order` and `amount` answer about another one. For as long as the file is there, `down` answers that
//! the bank cannot be reached, and `page` writes what a broken web server sends.

#![allow(clippy::print_stdout, reason = "a program of its own, whose answers are lines")]

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::NaiveDate;
use kibble::adapters::rail::sandbox::{Book, Sandbox};
use kibble::adapters::rail::{
    BillPeriod, ChargeRequest, Closed, DebitNotice, MandateRef, MandateState, PROFILES, PayLinkRequest, Rail,
    RefundRequest, SignRequest, Trouble,
};
use kibble::clock::Clock;
use kibble::domain::date::At;
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

/// Version of the lines that this program speaks.
const VERSION: u64 = 1;

/// What this program can be asked.
const CAN: [&str; 13] = [
    "sign_link",
    "mandate_state",
    "close_mandate",
    "announce",
    "charge",
    "query_charge",
    "close_order",
    "refund",
    "query_refund",
    "postpone",
    "pay_link",
    "bill",
    "health",
];

/// A question. Which fields it has depends on what is asked; the rest is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Question {
    id: u64,
    ask: String,
    now: Option<At>,
    contract_no: String,
    provider_no: Option<String>,
    customer_label: String,
    payer: String,
    order_no: String,
    refund_no: String,
    amount_fen: i64,
    paid_fen: i64,
    count: u32,
    subject: String,
    why: String,
    period: String,
    due: Option<NaiveDate>,
    to: Option<NaiveDate>,
    first_date: Option<NaiveDate>,
    valid_until: Option<NaiveDate>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let book = PathBuf::from(arguments.next().context("usage: exec_rail BOOK PROFILE [FILE]")?);
    let profile_name = arguments.next().unwrap_or_else(|| "alipay".to_owned());
    let told = arguments.next().map(PathBuf::from);
    let (_, rules) = PROFILES.iter().find(|(name, _)| *name == profile_name).context("no such profile")?;
    let clock = Clock::fixed(At::default());
    let bank = Sandbox::open("bank", toml::from_str(rules)?, clock.clone(), Arc::new(Book::open(&book)?));
    let folder = book.parent().unwrap_or(Path::new(".")).to_owned();

    for line in io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        // A real provider has a clock of its own; the pretended one lives in the time of whoever asks.
        clock.set(question.now.context("`now` is in every question")?);
        let trouble = told.as_deref().map(|file| trouble_of(file, &question.ask)).unwrap_or_default();
        let mut answer = match trouble.as_str() {
            "drop" => return Ok(()),
            "down" if question.ask != "hello" => json!({ "result": "unreachable", "text": "the bank does not answer" }),
            _ => answer(&bank, &question, &folder),
        };
        answer["id"] = question.id.into();
        match trouble.as_str() {
            "lose" => return Ok(()),
            "garbage" => println!("<html><body>504 Gateway Timeout</body></html>"),
            // 系统繁忙, as an old web server writes it.
            "page" => io::stdout().write_all(b"<html><body>\xcf\xb5\xcd\xb3\xb7\xb1\xc3\xa6</body></html>\n")?,
            "order" => {
                let number = if question.ask == "refund" { "refund_no" } else { "order_no" };
                answer[number] = "n999".into();
                println!("{answer}");
            }
            "amount" => {
                answer["amount_fen"] = (question.amount_fen + 1).into();
                println!("{answer}");
            }
            _ => println!("{answer}"),
        }
        // Whoever asked waits for this line; it must not stay in a buffer.
        io::stdout().flush()?;
    }
    Ok(())
}

fn answer(bank: &Sandbox, it: &Question, folder: &Path) -> Value {
    let amount = Money::from_fen(it.amount_fen);
    let mandate = MandateRef { contract_no: it.contract_no.clone(), provider_no: it.provider_no.clone() };
    let day = |day: Option<NaiveDate>| day.unwrap_or_default();
    let refund = || RefundRequest {
        refund_no: it.refund_no.clone(),
        order_no: it.order_no.clone(),
        paid: Money::from_fen(it.paid_fen),
        amount,
    };
    match it.ask.as_str() {
        "hello" => json!({ "kibble": VERSION, "name": "exec_rail", "version": "1.0", "can": CAN }),
        "charge" => {
            let request = ChargeRequest {
                order_no: it.order_no.clone(),
                mandate,
                amount,
                subject: it.subject.clone(),
                due: day(it.due),
            };
            outcome(&bank.charge(&request), "order_no", &it.order_no, it.amount_fen)
        }
        "query_charge" => outcome(&bank.query_charge(&it.order_no, amount), "order_no", &it.order_no, it.amount_fen),
        "refund" => outcome(&bank.refund(&refund()), "refund_no", &it.refund_no, it.amount_fen),
        "query_refund" => outcome(&bank.query_refund(&refund()), "refund_no", &it.refund_no, it.amount_fen),
        "close_order" => match bank.close_order(&it.order_no) {
            Ok(Closed::Closed) => json!({ "result": "closed", "order_no": it.order_no }),
            Ok(Closed::AlreadyPaid(reply)) => outcome(&reply, "order_no", &it.order_no, it.amount_fen),
            Err(trouble) => refusal(&trouble),
        },
        "sign_link" => {
            let request = SignRequest {
                contract_no: it.contract_no.clone(),
                customer_label: it.customer_label.clone(),
                payer: it.payer.clone(),
                amount,
                count: it.count,
                first_date: day(it.first_date),
                valid_until: day(it.valid_until),
            };
            let link = bank.sign_link(&request);
            told(link.map(|link| {
                json!({ "contract_no": it.contract_no, "url": link.url, "qr": link.qr, "good_until": link.good_until })
            }))
        }
        "mandate_state" => match bank.mandate_state(&mandate) {
            Ok(state) => {
                let mut answer = state_of(state);
                answer["contract_no"] = it.contract_no.clone().into();
                answer
            }
            Err(trouble) => refusal(&trouble),
        },
        "close_mandate" => {
            told(bank.close_mandate(&mandate, &it.why).map(|()| json!({ "contract_no": it.contract_no })))
        }
        "announce" => {
            let notice = DebitNotice { mandate, amount, due: day(it.due) };
            told(bank.announce(&notice).map(|()| json!({ "contract_no": it.contract_no })))
        }
        "postpone" => told(bank.postpone(&mandate, day(it.to)).map(|()| json!({ "contract_no": it.contract_no }))),
        "pay_link" => {
            let request = PayLinkRequest { order_no: it.order_no.clone(), amount, subject: it.subject.clone() };
            let link = bank.pay_link(&request);
            told(link.map(|link| json!({ "order_no": it.order_no, "url": link.url, "good_until": link.good_until })))
        }
        "bill" => bill(bank, &it.period, folder),
        "health" => json!({ "result": "ok", "time": it.now }),
        _ => json!({ "result": "unsupported" }),
    }
}

/// An outcome with the number and the amount that it is about: kibble believes nothing else.
fn outcome(reply: &Reply, number_name: &str, number: &str, amount_fen: i64) -> Value {
    let mut answer = json!({ "result": reply.answer.word(), "code": reply.code, "text": reply.text });
    answer[number_name] = number.into();
    if let Some(other) = reply.taken_for {
        answer["result"] = "paid".into();
        answer["amount_fen"] = other.fen().into();
        return answer;
    }
    match reply.answer {
        Answer::Paid => {
            answer["amount_fen"] = amount_fen.into();
            answer["trade_no"] = json!(reply.trade_no);
            answer["paid_at"] = json!(reply.at);
        }
        Answer::Declined(reason) => answer["reason"] = reason.word().into(),
        Answer::Pending(until) => answer["pending_until"] = json!(until),
        Answer::Unknown | Answer::NotFound => {}
    }
    answer
}

fn state_of(state: MandateState) -> Value {
    match state {
        MandateState::Waiting => json!({ "result": "waiting" }),
        MandateState::Live { provider_no, signed_at, next_date } => {
            json!({ "result": "live", "provider_no": provider_no, "signed_at": signed_at, "next_date": next_date })
        }
        MandateState::Ended { at, by } => json!({ "result": "ended", "ended_at": at, "by": by }),
        MandateState::NotFound => json!({ "result": "not_found" }),
    }
}

fn told(answer: Result<Value, Trouble>) -> Value {
    match answer {
        Ok(mut answer) => {
            answer["result"] = "ok".into();
            answer
        }
        Err(trouble) => refusal(&trouble),
    }
}

fn refusal(trouble: &Trouble) -> Value {
    match trouble {
        Trouble::Unsupported => json!({ "result": "unsupported" }),
        Trouble::Refused { reason, code, text } => {
            json!({ "result": "refused", "reason": reason.word(), "code": code, "text": text })
        }
        Trouble::Unreachable { text } => json!({ "result": "unreachable", "text": text }),
    }
}

/// A bill goes into a file, because it can be longer than any line.
fn bill(bank: &Sandbox, period: &str, folder: &Path) -> Value {
    let Ok(day) = period.parse() else { return json!({ "result": "unsupported" }) };
    match bank.bill(BillPeriod::Day(day)) {
        Ok(bill) => {
            let file = folder.join(&bill.name);
            match fs::write(&file, &bill.bytes) {
                Ok(()) => json!({ "result": "ok", "name": bill.name, "file": file }),
                Err(error) => json!({ "result": "unreachable", "text": error.to_string() }),
            }
        }
        Err(trouble) => refusal(&trouble),
    }
}

/// What the file says goes wrong now.
fn trouble_of(file: &Path, ask: &str) -> String {
    let word = fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    let struck: &[&str] = match word.as_str() {
        "down" | "page" => return word,
        "order" | "amount" => &["charge", "query_charge", "refund"],
        _ => &["charge", "refund"],
    };
    // Of several programs that read it at once, the one that removes it goes wrong.
    match struck.contains(&ask) && fs::remove_file(file).is_ok() {
        true => word,
        false => String::new(),
    }
}
