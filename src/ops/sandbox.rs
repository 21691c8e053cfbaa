//! Rehearsals: plays the customer and the provider on the sandbox's book. Nothing here touches the shop's own records but
//! `sign`, which asks the rail afterwards what has become of the mandates, as any run would.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use serde::Serialize;

use crate::adapters::rail::BillPeriod;
pub use crate::adapters::rail::sandbox::Snapshot;
pub use crate::adapters::rail::sandbox::rows::ContractState;
use crate::adapters::rail::sandbox::rows::{Card, CardKind};
use crate::adapters::rail::sandbox::{Book, CreditTold, FaultKind, FaultSpan};
use crate::config::AdapterKind;
use crate::db;
use crate::domain::charge::{Charge, ChargeKind, ChargeState};
use crate::domain::credit::SCORES;
use crate::domain::date::At;
use crate::domain::id::{CustomerId, InstallmentId, MandateId};
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::money::Money;
use crate::domain::rail::Reason;
use crate::fault::Fault;
use crate::ops::mandate::{self, Synced, trouble_text};
use crate::ops::{Ctx, Event, credit};
use crate::t;

/// Mandates signed between two steps of the progress bar.
const STEP: u64 = 20;

/// The words of faults, for help and errors.
pub const FAULTS: [&str; 6] = ["decline", "drop", "lose-answer", "slow", "garbage", "down"];

/// The customer agrees: to one mandate, or to all that wait. The shop learns of it at once.
///
/// # Errors
/// When the shop has no sandbox rail, or the mandate does not wait on one.
pub fn sign(ctx: &Ctx, which: Option<MandateId>, now: At) -> Result<Synced> {
    let book = book(ctx)?;
    match which {
        Some(id) => {
            let it = mandate::get(ctx.db.read(), id)?;
            must_be_sandbox(ctx, &it.rail)?;
            agree(ctx, book, &it, now)?;
            mandate::sync(ctx, id, now)
        }
        None => {
            let mut waiting = Vec::new();
            db::mandate::each(ctx.db.read(), Some(MandateStatus::Waiting), |it| {
                waiting.push(it);
                Ok(())
            })?;
            waiting.retain(|it| must_be_sandbox(ctx, &it.rail).is_ok());
            // No link is offered while a credit check waits for a decision, so nobody agrees.
            waiting.retain(|it| credit::must_let_pass(ctx.db.read(), it.agreement).is_ok());
            ctx.say(Event::Begin { label: t!("signing"), total: u64::try_from(waiting.len())? });
            for (place, it) in (1..).zip(&waiting) {
                agree(ctx, book, it, now)?;
                if place % STEP == 0 {
                    ctx.say(Event::Step(STEP));
                }
            }
            ctx.say(Event::End);
            mandate::sync_waiting(ctx, now)
        }
    }
}

/// Sets what a customer has in the wallet app.
///
/// # Errors
/// When the shop has no sandbox rail, or the amount is below zero.
pub fn fund(ctx: &Ctx, customer: CustomerId, amount: Money) -> Result<()> {
    book(ctx)?.fund(&customer.to_string(), amount).map_err(refused)
}

/// Binds a card to a customer's wallet app, or changes it.
///
/// # Errors
/// When the shop has no sandbox rail, or the amount is below zero.
pub fn set_card(ctx: &Ctx, customer: CustomerId, label: &str, kind: CardKind, available: Money) -> Result<()> {
    let card = Card { label: label.to_owned(), kind, available };
    book(ctx)?.set_card(&customer.to_string(), &card).map_err(refused)
}

/// Takes a card away.
///
/// # Errors
/// When the shop has no sandbox rail, or the customer no such card.
pub fn drop_card(ctx: &Ctx, customer: CustomerId, label: &str) -> Result<()> {
    if book(ctx)?.drop_card(&customer.to_string(), label)? {
        return Ok(());
    }
    Err(Fault::not_found(t!("{customer} has no card {label}", customer = customer, label = label)).into())
}

/// Sets what the pretended provider of credit checks says of a customer: a score, `unknown` or `down`.
///
/// # Errors
/// When the shop has no sandbox, or the word is none of these.
pub fn set_credit(ctx: &Ctx, customer: CustomerId, word: &str) -> Result<()> {
    let told = CreditTold::from_word(word.trim()).filter(|told| match told {
        CreditTold::Score(score) => (SCORES.0..=SCORES.1).contains(score),
        CreditTold::Unknown | CreditTold::Down => true,
    });
    let told = told.ok_or_else(|| {
        Fault::usage(t!("{word} is no score from {low} to {high}", word = word, low = SCORES.0, high = SCORES.1))
            .hint(t!("or one of: {choices}", choices = "unknown, down"))
    })?;
    book(ctx)?.set_credit(&customer.to_string(), told)
}

/// The customer ends a mandate in the wallet app. The shop learns of it when it asks, as in life.
///
/// # Errors
/// When the shop has no sandbox rail, or the rail does not know the mandate.
pub fn revoke(ctx: &Ctx, id: MandateId, now: At) -> Result<Mandate> {
    let it = mandate::get(ctx.db.read(), id)?;
    must_be_sandbox(ctx, &it.rail)?;
    book(ctx)?.revoke(&it.rail, &it.contract_no, now).map_err(refused)?;
    Ok(it)
}

/// The customer pays an open pay link: of a term, or by its order number.
///
/// # Errors
/// When there is no open link.
pub fn pay(ctx: &Ctx, what: &str, now: At) -> Result<Charge> {
    let book = book(ctx)?;
    let conn = ctx.db.read();
    let charge = match what.parse::<InstallmentId>() {
        Ok(term) => db::charge::of_installment(conn, term)?
            .into_iter()
            .rfind(|it| it.kind == ChargeKind::Link && matches!(it.state, ChargeState::Pending | ChargeState::Noted)),
        Err(_) => db::charge::by_order_no(conn, what.trim())?.filter(|it| it.kind == ChargeKind::Link),
    };
    let charge = charge.ok_or_else(|| {
        Fault::not_found(t!("{what} has no open pay link", what = what))
            .hint(t!("a failed debit gets its link in the next `kibble debit run`"))
    })?;
    must_be_sandbox(ctx, &charge.rail)?;
    book.pay_link_order(&charge.rail, &charge.order_no, now).map_err(refused)?;
    Ok(charge)
}

/// Sets a fault of a rail.
///
/// # Errors
/// When the rail is no sandbox.
pub fn set_fault(ctx: &Ctx, rail: &str, kind: FaultKind, span: FaultSpan, reason: Option<Reason>) -> Result<()> {
    must_be_sandbox(ctx, rail)?;
    book(ctx)?.set_fault(rail, kind, span, reason)
}

/// Takes every fault of a rail away.
///
/// # Errors
/// When the rail is no sandbox.
pub fn clear_faults(ctx: &Ctx, rail: &str) -> Result<()> {
    must_be_sandbox(ctx, rail)?;
    let book = book(ctx)?;
    for kind in FaultKind::ALL {
        book.set_fault(rail, kind, FaultSpan::Times(0), None)?;
    }
    Ok(())
}

/// A provider's bill, written to a file.
#[derive(Clone, Debug, Serialize)]
pub struct BillWritten {
    /// Which rail.
    pub rail: String,
    /// Which day.
    pub day: NaiveDate,
    /// Where it lies.
    pub file: PathBuf,
    /// How large it is.
    pub bytes: u64,
}

/// Writes the bill of a day as the provider would give it; to `out`, or under its own name into the shop's exports.
///
/// # Errors
/// When the bill is not ready, or the file cannot be written.
pub fn bill(ctx: &Ctx, rail: &str, day: NaiveDate, out: Option<&Path>) -> Result<BillWritten> {
    must_be_sandbox(ctx, rail)?;
    let found = ctx.rail(rail)?.bill(BillPeriod::Day(day)).map_err(|trouble| Fault::refused(trouble_text(&trouble)))?;
    let file = match out {
        Some(path) => crate::config::absolute(path)?,
        None => ctx.config.folder.join("exports").join(&found.name),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let named = || file.display().to_string();
    std::fs::create_dir_all(folder).with_context(named)?;
    let mut written = tempfile::NamedTempFile::new_in(folder).with_context(named)?;
    std::io::Write::write_all(&mut written, &found.bytes).with_context(named)?;
    written.persist(&file).map_err(|error| error.error).with_context(named)?;
    Ok(BillWritten { rail: rail.to_owned(), day, bytes: u64::try_from(found.bytes.len())?, file })
}

/// The whole book of the pretended provider.
///
/// # Errors
/// When the shop has no sandbox rail.
pub fn state(ctx: &Ctx) -> Result<Snapshot> {
    book(ctx)?.state()
}

/// The fault that a word names.
///
/// # Errors
/// For any other word.
pub fn fault_of(word: &str) -> Result<FaultKind> {
    FaultKind::from_word(word).ok_or_else(|| {
        Fault::usage(t!("{word} is no fault of the sandbox", word = word))
            .hint(t!("one of: {choices}", choices = FAULTS.join(", ")))
            .into()
    })
}

/// What people call a fault.
pub fn fault_text(kind: FaultKind) -> String {
    match kind {
        FaultKind::Decline => t!("declines"),
        FaultKind::Drop => t!("the connection drops before the work"),
        FaultKind::LoseAnswer => t!("the work is done and the answer is lost"),
        FaultKind::Slow => t!("answers too late"),
        FaultKind::Garbage => t!("answers nonsense"),
        FaultKind::Down => t!("is down"),
    }
}

/// The span of a fault: so many calls, or until a moment.
pub fn span(times: Option<u32>, until: Option<At>) -> FaultSpan {
    match (times, until) {
        (_, Some(until)) => FaultSpan::Until(until),
        (times, None) => FaultSpan::Times(times.unwrap_or(1)),
    }
}

/// The kind of card that a word names.
///
/// # Errors
/// For any other word.
pub fn card_kind(word: &str) -> Result<CardKind> {
    CardKind::from_word(word)
        .ok_or_else(|| Fault::usage(t!("{word} is no kind of card", word = word)).hint("debit, credit").into())
}

/// Rails of this shop that are a sandbox.
pub fn rails(ctx: &Ctx) -> Vec<String> {
    let all = ctx.config.rails.values();
    all.filter(|rail| rail.adapter == AdapterKind::Sandbox).map(|rail| rail.name.clone()).collect()
}

fn book(ctx: &Ctx) -> Result<&Book> {
    ctx.sandbox.as_deref().ok_or_else(|| {
        Fault::refused(t!("this shop has no sandbox rail: real money moves on its rails"))
            .hint(t!("rehearse in a shop of its own: `kibble init --rail alipay=sandbox`, or `kibble demo`"))
            .into()
    })
}

fn must_be_sandbox(ctx: &Ctx, rail: &str) -> Result<()> {
    if ctx.config.rail(rail)?.adapter == AdapterKind::Sandbox {
        return Ok(());
    }
    Err(Fault::refused(t!("{rail} is no sandbox rail", rail = rail))
        .hint(t!("one of: {choices}", choices = rails(ctx).join(", ")))
        .into())
}

/// The customer opens the link and agrees. Asking for the link first makes the contract known to a rail that has not heard of it.
fn agree(ctx: &Ctx, book: &Book, mandate: &Mandate, now: At) -> Result<()> {
    if mandate.state == MandateStatus::Waiting {
        let known = book.contract(&mandate.rail, &mandate.contract_no)?;
        if known.is_none() {
            let link = mandate::link(ctx, mandate.id, now)?;
            if let Some(trouble) = link.trouble {
                return Err(Fault::refused(format!("{}: {trouble}", mandate.id)).into());
            }
        }
    }
    book.agree(&mandate.rail, &mandate.contract_no, now).map_err(refused)
}

/// What the book says no to is the person's to mend, not a broken file.
fn refused(error: anyhow::Error) -> anyhow::Error {
    match error.chain().count() {
        1 => Fault::refused(error.to_string()).into(),
        _ => error,
    }
}
