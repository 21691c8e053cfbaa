//! What the customer and the provider do by themselves: agree, revoke, be funded, pay a link, have faults; and what an open
//! book shows. For the commands of `sandbox …`, for tests and for the check of the laws; no rail ever calls it.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Serialize;

use super::Book;
use super::book::Page;
use super::fault::{Fault, FaultKind, FaultSpan};
use super::rows::{Card, Contract, ContractState, Order, OrderState, Payer, Refund};
use super::{rules, work};
use crate::domain::date::At;
use crate::domain::money::Money;
use crate::domain::rail::Reason;
use crate::t;

/// The sums of one rail in the book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RailTotals {
    /// Orders by state: `paid`, `declined`, `pending`, `closed`, `link_open`.
    pub orders: BTreeMap<&'static str, i64>,
    /// Sum paid, refunds not subtracted.
    pub paid: Money,
    /// Sum refunded.
    pub refunded: Money,
}

/// An open book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Who pays, with what they have left.
    pub payers: Vec<Payer>,
    /// Every contract.
    pub contracts: Vec<Contract>,
    /// Sums per rail.
    pub rails: BTreeMap<String, RailTotals>,
    /// Faults that are set.
    pub faults: Vec<Fault>,
}

/// What the pretended provider of credit checks says of a payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditTold {
    /// This score.
    Score(u32),
    /// It cannot tell.
    Unknown,
    /// It cannot be asked.
    Down,
}

impl CreditTold {
    /// The word in the book and in commands: a score, `unknown` or `down`.
    pub fn word(self) -> String {
        match self {
            CreditTold::Score(score) => score.to_string(),
            CreditTold::Unknown => "unknown".to_owned(),
            CreditTold::Down => "down".to_owned(),
        }
    }

    /// Reads [`CreditTold::word`] back.
    pub fn from_word(word: &str) -> Option<CreditTold> {
        match word {
            "unknown" => Some(CreditTold::Unknown),
            "down" => Some(CreditTold::Down),
            score => score.parse().ok().map(CreditTold::Score),
        }
    }
}

impl Book {
    /// The customer agrees to a contract that waits. Agreeing again changes nothing.
    ///
    /// # Errors
    /// When the rail does not know the contract, or it has ended.
    pub fn agree(&self, rail: &str, contract_no: &str, now: At) -> anyhow::Result<()> {
        self.write(|page| {
            let contract = known(page, rail, contract_no)?;
            match contract.state {
                ContractState::Live => Ok(()),
                ContractState::Waiting => agreed(page, contract, now),
                ContractState::Ended => {
                    bail!(t!("contract {contract} of rail {rail} has ended", contract = contract_no, rail = rail))
                }
            }
        })
    }

    /// Every customer agrees to every contract that waits; the rails and numbers of those.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn agree_all(&self, now: At) -> anyhow::Result<Vec<(String, String)>> {
        self.write(|page| {
            let waiting = page.waiting()?;
            for (rail, contract_no) in &waiting {
                agreed(page, known(page, rail, contract_no)?, now)?;
            }
            Ok(waiting)
        })
    }

    /// The customer ends a contract in the wallet app. Ending it again changes nothing.
    ///
    /// # Errors
    /// When the rail does not know the contract.
    pub fn revoke(&self, rail: &str, contract_no: &str, now: At) -> anyhow::Result<()> {
        self.write(|page| {
            let mut contract = known(page, rail, contract_no)?;
            if contract.state != ContractState::Ended {
                contract.state = ContractState::Ended;
                contract.ended_at = Some(now);
                contract.ended_by = Some("customer".to_owned());
                page.save_contract(&contract)?;
            }
            Ok(())
        })
    }

    /// Sets a payer's balance to exactly `amount`.
    ///
    /// # Errors
    /// When `amount` is below zero.
    pub fn fund(&self, payer: &str, amount: Money) -> anyhow::Result<()> {
        not_negative(amount)?;
        self.write(|page| {
            page.know_payer(payer)?;
            page.set_balance(payer, amount)
        })
    }

    /// Binds a card to a payer, or changes the one of that label, which keeps its place.
    ///
    /// # Errors
    /// When what it can pay is below zero.
    pub fn set_card(&self, payer: &str, card: &Card) -> anyhow::Result<()> {
        not_negative(card.available)?;
        self.write(|page| {
            page.know_payer(payer)?;
            page.set_card(payer, card)
        })
    }

    /// Takes a card away; false when there was none of that label.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn drop_card(&self, payer: &str, label: &str) -> anyhow::Result<bool> {
        self.write(|page| page.drop_card(payer, label))
    }

    /// Sets what the pretended provider of credit checks says of a payer.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn set_credit(&self, payer: &str, told: CreditTold) -> anyhow::Result<()> {
        self.write(|page| page.set_credit(payer, &told.word()))
    }

    /// What the pretended provider of credit checks was told of a payer.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn credit_of(&self, payer: &str) -> anyhow::Result<Option<CreditTold>> {
        Ok(self.write(|page| page.credit(payer))?.as_deref().and_then(CreditTold::from_word))
    }

    /// Sets a fault; one of the same kind is replaced. `reason` is for [`FaultKind::Decline`].
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn set_fault(
        &self,
        rail: &str,
        kind: FaultKind,
        span: FaultSpan,
        reason: Option<Reason>,
    ) -> anyhow::Result<()> {
        self.write(|page| page.set_fault(rail, kind, span, reason))
    }

    /// The customer pays an open link, with money from outside the book. Paying it again changes nothing.
    ///
    /// # Errors
    /// When there is no such link, or it is closed.
    pub fn pay_link_order(&self, rail: &str, order_no: &str, now: At) -> anyhow::Result<()> {
        self.write(|page| {
            let Some(mut order) = page.order(rail, order_no)?.filter(|it| it.contract_no.is_none()) else {
                bail!(t!("rail {rail} knows no pay link {order}", rail = rail, order = order_no));
            };
            let over = order.decide_at.is_some_and(|until| until <= now);
            match order.state {
                OrderState::Paid => Ok(()),
                OrderState::LinkOpen if !over => {
                    order.state = OrderState::Paid;
                    order.paid_at = Some(now);
                    order.paid_from = Some(work::OUTSIDE.to_owned());
                    page.save_order(&order)
                }
                _ => bail!(t!("pay link {order} of rail {rail} is closed", order = order_no, rail = rail)),
            }
        })
    }

    /// Writes down contracts and orders that were made with a real provider, so that the sandbox can stand in for it from here on. Payers
    /// it has not heard of have the default balance.
    ///
    /// # Errors
    /// When the book cannot be used, or has one of the orders already.
    pub fn take_over(&self, contracts: &[Contract], orders: &[Order]) -> anyhow::Result<()> {
        self.write(|page| {
            for contract in contracts {
                page.know_payer(&contract.payer)?;
                page.save_contract(contract)?;
            }
            orders.iter().try_for_each(|order| page.add_order(order))
        })
    }

    /// The whole book but its orders, which are counted. Debits whose time has come but which nobody asked about are still
    /// counted as pending.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn state(&self) -> anyhow::Result<Snapshot> {
        self.write(|page| {
            Ok(Snapshot {
                payers: page.payers()?,
                contracts: page.contracts()?,
                rails: sums(page)?,
                faults: page.faults()?,
            })
        })
    }

    /// The sums of one rail; all zero for a rail that the book has never heard of.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn totals(&self, rail: &str) -> anyhow::Result<RailTotals> {
        self.write(|page| Ok(sums(page)?.remove(rail).unwrap_or_default()))
    }

    /// Hands every order of a rail to `visit`, by order number, one at a time, so that memory does not grow with them. `visit`
    /// must not use the book: it is being read.
    ///
    /// # Errors
    /// The first that `visit` returns, or when the book cannot be used.
    pub fn orders(&self, rail: &str, mut visit: impl FnMut(Order) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.write(|page| page.each_order(rail, &mut visit))
    }

    /// Orders of all rails that arrived at `from` or later.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn orders_since(&self, from: At) -> anyhow::Result<Vec<Order>> {
        self.write(|page| page.made_since(from))
    }

    /// One contract.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn contract(&self, rail: &str, contract_no: &str) -> anyhow::Result<Option<Contract>> {
        self.write(|page| page.contract(rail, contract_no))
    }

    /// One refund.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn refund(&self, rail: &str, refund_no: &str) -> anyhow::Result<Option<Refund>> {
        self.write(|page| page.refund(rail, refund_no))
    }

    /// One order.
    ///
    /// # Errors
    /// When the book cannot be used.
    pub fn order(&self, rail: &str, order_no: &str) -> anyhow::Result<Option<Order>> {
        self.write(|page| page.order(rail, order_no))
    }
}

fn known(page: &Page<'_>, rail: &str, contract_no: &str) -> anyhow::Result<Contract> {
    match page.contract(rail, contract_no)? {
        Some(contract) => Ok(contract),
        None => bail!(t!("rail {rail} knows no contract {contract}", rail = rail, contract = contract_no)),
    }
}

fn agreed(page: &Page<'_>, mut contract: Contract, now: At) -> anyhow::Result<()> {
    contract.provider_no = Some(rules::number("2026", 0, &[&contract.rail, &contract.contract_no], 16));
    contract.state = ContractState::Live;
    contract.signed_at = Some(now);
    page.save_contract(&contract)
}

fn not_negative(amount: Money) -> anyhow::Result<()> {
    if amount < Money::ZERO {
        bail!(t!("{amount} is below zero", amount = amount));
    }
    Ok(())
}

fn sums(page: &Page<'_>) -> anyhow::Result<BTreeMap<String, RailTotals>> {
    let mut rails: BTreeMap<String, RailTotals> = BTreeMap::new();
    for sum in page.sums()? {
        let totals = rails.entry(sum.rail).or_default();
        totals.orders.insert(sum.state.word(), sum.count);
        totals.refunded += sum.refunded;
        if sum.state == OrderState::Paid {
            totals.paid += sum.amount;
        }
    }
    Ok(rails)
}
