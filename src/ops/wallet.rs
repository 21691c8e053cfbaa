//! The wallet as people look at it: what is in it, what is still to come, and every entry with the record it is about. There
//! is no way to pay out or give away a balance while an agreement runs; what is left at its end goes back with the settlement.

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use crate::db;
use crate::db::customer::Customer;
use crate::db::wallet::Change;
use crate::domain::agreement::{Agreement, AgreementState};
use crate::domain::charge::{Course, InstallmentState};
use crate::domain::customer::label;
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, EntryId};
use crate::domain::journal::EntryKind;
use crate::domain::money::Money;
use crate::ops::Ctx;
use crate::ops::catalog::category_text;
use crate::ops::points::{Standing, tier_of};
use crate::t;

/// How many of the last entries `wallet show` gives.
const LAST: usize = 5;

/// What is still to come under a running agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// The agreement.
    pub agreement: AgreementId,
    /// Its plan.
    pub plan: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Terms agreed.
    pub terms: u32,
    /// Terms not collected yet, overdue ones included.
    pub left: u32,
    /// The term that falls due next.
    pub next_term: Option<u32>,
    /// When.
    pub next_due: Option<NaiveDate>,
    /// How much.
    pub next_amount: Option<Money>,
}

/// An entry of the wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WalletEntry {
    /// The entry.
    pub entry: EntryId,
    /// When it was booked.
    pub at: At,
    /// The shop's date then.
    pub day: NaiveDate,
    /// What it is about.
    pub kind: EntryKind,
    /// The record it is about.
    pub record: String,
    /// What came in; negative for what went out.
    pub amount: Money,
    /// What the wallet held afterwards.
    pub balance: Money,
}

impl WalletEntry {
    /// Kind and record in the chosen language: `charge a-7/3`.
    pub fn text(&self) -> String {
        entry_text(self.kind, &self.record)
    }
}

/// A wallet.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Whose.
    pub customer: CustomerId,
    /// The name, masked, with the phone's tail.
    pub name: String,
    /// What may be spent.
    pub balance: Money,
    /// Of this, what the customer paid in.
    pub principal: Money,
    /// Of this, what the shop gave on top.
    pub bonus: Money,
    /// Whether the balance is above what the shop wants to be warned of.
    pub above_limit: bool,
    /// Terms left, of each running agreement.
    pub agreements: Vec<Terms>,
    /// Points.
    pub points: i64,
    /// Tier and what counts for it.
    #[serde(flatten)]
    pub standing: Standing,
    /// The last entries, oldest first.
    pub last: Vec<WalletEntry>,
}

/// What a customer's wallet holds, and what is still to come.
pub fn show(ctx: &Ctx, customer: &Customer) -> Result<Shown> {
    let conn = ctx.db.read();
    let (principal, bonus) = db::journal::wallet(conn, customer.id)?;
    let mut agreements = Vec::new();
    db::agreement::each(conn, Some(customer.id), None, |agreement| {
        if matches!(agreement.state, AgreementState::Active | AgreementState::Paused) {
            agreements.push(terms(ctx, &agreement)?);
        }
        Ok(())
    })?;
    let mut last = std::collections::VecDeque::new();
    entries(ctx, customer, None, None, |entry| {
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(entry);
        Ok(())
    })?;
    Ok(Shown {
        customer: customer.id,
        name: label(&customer.name, &customer.phone),
        balance: principal + bonus,
        principal,
        bonus,
        above_limit: principal + bonus > ctx.config.settings.wallet.warn_above,
        agreements,
        points: db::points::sum(conn, customer.id)?,
        standing: tier_of(ctx, customer.id)?,
        last: last.into(),
    })
}

/// Visits a customer's wallet entries from the day `from` to the day `to`, oldest first.
pub fn entries(
    ctx: &Ctx,
    customer: &Customer,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    mut visit: impl FnMut(WalletEntry) -> Result<()>,
) -> Result<()> {
    let conn = ctx.db.read();
    let charges = db::wallet::charges(conn, customer.id)?;
    db::wallet::each(conn, customer.id, from, to, |change| {
        let Change { entry, at, day, kind, reference, amount, balance } = change;
        // The entry of a paid charge names the attempt; people know the term that it collected.
        let term = match kind {
            EntryKind::Charge => reference.parse::<ChargeId>().ok().and_then(|charge| charges.get(&charge)),
            _ => None,
        };
        let record = term.map_or(reference, ToString::to_string);
        visit(WalletEntry { entry, at, day, kind, record, amount, balance })
    })
}

/// What an entry is about, in the chosen language: `charge a-7/3`.
pub fn entry_text(kind: EntryKind, record: &str) -> String {
    match kind {
        EntryKind::Charge => t!("charge {record}", record = record),
        EntryKind::RefundDue | EntryKind::RefundPaid => t!("refund {record}", record = record),
        EntryKind::Order => t!("order {record}", record = record),
        EntryKind::Delivery => t!("delivery {record}", record = record),
        EntryKind::Cancel => t!("cancelled order {record}", record = record),
        EntryKind::Return => t!("return {record}", record = record),
        EntryKind::Resend => t!("goods sent again {record}", record = record),
        EntryKind::Settlement => t!("settlement {record}", record = record),
        EntryKind::Opening => t!("opening balance {record}", record = record),
        EntryKind::Correction => t!("correction {record}", record = record),
        EntryKind::Bill | EntryKind::Recon => t!("bill {record}", record = record),
    }
}

/// An account of the journal in the chosen language.
pub fn account_text(code: &str) -> String {
    match code {
        "wallet:principal" => t!("wallet"),
        "wallet:bonus" => t!("wallet bonus"),
        "cash" => t!("cash"),
        "orders_open" => t!("paid, not yet delivered"),
        "cost" => t!("cost of goods"),
        "suppliers" => t!("owed to suppliers"),
        other => match other.strip_prefix("sales:") {
            Some(category) => t!("sales: {category}", category = category_text(category)),
            None => other.to_owned(),
        },
    }
}

fn terms(ctx: &Ctx, agreement: &Agreement) -> Result<Terms> {
    let installments = db::installment::of_agreement(ctx.db.read(), agreement.id)?;
    let gone = installments.iter().filter(|it| it.state != InstallmentState::Open).count();
    let coming = installments
        .iter()
        .find(|it| it.state == InstallmentState::Open && matches!(it.course, Course::Planned | Course::Failing));
    let next = match (coming, installments.last()) {
        (Some(it), _) => Some((it.id.term, it.due, it.amount)),
        // An agreement that waits for its mandate has no terms written down yet; their dates follow from the agreement.
        (None, last) => {
            let term = last.map_or(agreement.paid_before, |it| it.id.term) + 1;
            (term <= agreement.terms).then(|| (term, agreement.schedule().due(term), agreement.monthly))
        }
    };
    Ok(Terms {
        agreement: agreement.id,
        plan: agreement.plan_name.clone(),
        paused: agreement.state == AgreementState::Paused,
        terms: agreement.terms,
        left: agreement.terms.saturating_sub(u32::try_from(gone)?),
        next_term: next.map(|it| it.0),
        next_due: next.map(|it| it.1),
        next_amount: next.map(|it| it.2),
    })
}
