//! Undoing orders: calling off what was not handed over, taking back what was, and sending damaged goods again. Money goes
//! back where it came from.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use super::place::hand_over_now;
use super::{book, get, line_of, reference, standing};
use crate::db::order::{Line, NewLine, NewOrder, Order};
use crate::db::{self, Conn};
use crate::domain::date::At;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::order::{Back, Handover, OrderState, principal_and_bonus};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::debit::refuse_copies;
use crate::t;

/// What was called off.
#[derive(Clone, Debug, Serialize)]
pub struct Cancelled {
    /// The order.
    pub order: OrderId,
    /// How far it is now.
    pub state: OrderState,
    /// The lines that were called off.
    pub lines: Vec<u32>,
    /// Given back to the wallet.
    pub wallet: Money,
    /// Given back in cash.
    pub cash: Money,
    /// Suppliers that have the order already and must be told.
    pub suppliers: BTreeSet<String>,
}

/// What was taken back.
#[derive(Clone, Debug, Serialize)]
pub struct Returned {
    /// The order.
    pub order: OrderId,
    /// The line.
    pub line: u32,
    /// How far the order is now.
    pub state: OrderState,
    /// Pieces taken back this time.
    pub qty: u32,
    /// Pieces of the line taken back so far.
    pub returned_qty: u32,
    /// Given back to the wallet.
    pub wallet: Money,
    /// Given back in cash.
    pub cash: Money,
}

/// Goods sent again.
#[derive(Clone, Debug, Serialize)]
pub struct Resent {
    /// The new order.
    pub order: OrderId,
    /// The order whose goods were damaged.
    pub resend_of: OrderId,
    /// How far the new order is.
    pub state: OrderState,
    /// Pieces.
    pub qty: u32,
    /// What they cost the shop.
    pub cost: Money,
}

/// Calls off the lines of an order that were not handed over, or one of them.
///
/// # Errors
/// When there is no such order or line, or it was handed over or called off already.
pub fn cancel(ctx: &Ctx, id: OrderId, line: Option<u32>, reason: &str) -> Result<Cancelled> {
    let now = ctx.now();
    refuse_copies(ctx)?;
    ctx.db.write(now, |tx| {
        let order = get(tx, id)?;
        let lines = db::order::lines(tx, id)?;
        let wanted = match line {
            Some(number) => {
                let line = line_of(lines, id, number)?;
                if !line.state.is_open() {
                    return Err(not_open(&reference(&line), line.state, id, number).into());
                }
                vec![line]
            }
            None => lines.into_iter().filter(|line| line.state.is_open()).collect(),
        };
        if wanted.is_empty() {
            return Err(not_open(&id.to_string(), order.state, id, 1).into());
        }
        let mut back = Back::default();
        for line in &wanted {
            let one = cancel_line(ctx, tx, &order, line, reason, now)?;
            back = Back { wallet: back.wallet + one.wallet, cash: back.cash + one.cash };
        }
        let state = db::order::refresh(tx, id, now)?;
        let told = wanted.iter().filter(|line| line.state != OrderState::Placed);
        let done = Cancelled {
            order: id,
            state,
            lines: wanted.iter().map(|line| line.line).collect(),
            wallet: back.wallet,
            cash: back.cash,
            suppliers: told.map(|line| line.supplier.clone()).collect(),
        };
        let op = Op::OrderChanged { order: id, state: state.word().to_owned(), reason: reason.to_owned() };
        Ok((done, op))
    })
}

/// For a termination, inside its transaction: calls off every line of a customer that the wallet paid for, at least in part,
/// and that was not handed over, so that the settlement counts that money (domain facts 1.10). What was paid in cash alone, and
/// goods sent again, stay on their way: they are no part of the settlement.
pub fn cancel_undelivered(ctx: &Ctx, tx: &Conn, customer: CustomerId, now: At, reason: &str) -> Result<Vec<OrderId>> {
    let lines = db::order::lines_of_customer(tx, customer)?;
    let lines = lines.into_iter().filter(|line| line.state.is_open() && line.wallet_part.is_positive());
    let mut orders = BTreeSet::new();
    for line in lines {
        let order = get(tx, line.order)?;
        cancel_line(ctx, tx, &order, &line, reason, now)?;
        orders.insert(line.order);
    }
    for order in &orders {
        db::order::refresh(tx, *order, now)?;
    }
    Ok(orders.into_iter().collect())
}

/// Takes back `qty` pieces of a line that was handed over.
///
/// # Errors
/// When there is no such line, it was not handed over, fewer pieces are left, or the wallet that paid is closed because the
/// agreement has ended.
pub fn return_line(ctx: &Ctx, id: OrderId, number: u32, qty: u32, reason: &str) -> Result<Returned> {
    let now = ctx.now();
    refuse_copies(ctx)?;
    ctx.db.write(now, |tx| {
        let order = get(tx, id)?;
        let line = line_of(db::order::lines(tx, id)?, id, number)?;
        check_return(tx, &order, &line)?;
        let left = line.qty - line.returned_qty;
        let back = line.bought().back(qty).filter(|_| qty > 0).ok_or_else(|| {
            Fault::refused(t!(
                "of {line} {left} pieces can be brought back, not {qty}",
                line = reference(&line),
                left = left,
                qty = qty
            ))
        })?;
        let returned_qty = line.returned_qty + qty;
        db::order::set_returned(tx, id, number, returned_qty)?;
        if returned_qty == line.qty {
            db::order::set_line_state(tx, id, number, OrderState::Returned, now)?;
        }
        book_return(ctx, tx, &order, &line, (qty, returned_qty), back, reason, now)?;
        let state = db::order::refresh(tx, id, now)?;
        let done = Returned { order: id, line: number, state, qty, returned_qty, wallet: back.wallet, cash: back.cash };
        Ok((done, Op::OrderChanged { order: id, state: format!("returned {number}:{qty}"), reason: reason.to_owned() }))
    })
}

/// Sends the goods of a line again, at the shop's cost and without a price: they arrived damaged, or not at all. `again` lets it
/// happen a second time.
///
/// # Errors
/// When there is no such line, it is not on its way or delivered, or its goods were sent again before.
pub fn resend(ctx: &Ctx, id: OrderId, number: u32, reason: &str, again: bool) -> Result<Resent> {
    let now = ctx.now();
    refuse_copies(ctx)?;
    ctx.db.write(now, |tx| {
        let order = get(tx, id)?;
        let line = line_of(db::order::lines(tx, id)?, id, number)?;
        if !matches!(line.state, OrderState::Shipped | OrderState::Delivered) {
            return Err(Fault::refused(t!(
                "{line} is {state}; only goods that were shipped or handed over can be sent again",
                line = reference(&line),
                state = state_text(line.state)
            ))
            .into());
        }
        if !again && db::order::resent_skus(tx, id)?.contains(&line.sku) {
            return Err(Fault::refused(t!("{line} was sent again before", line = reference(&line)))
                .hint(t!("add --again to send it once more"))
                .into());
        }
        let qty = line.qty - line.returned_qty;
        let new = free_copy(tx, &order, &line, qty)?;
        let resent = db::order::insert(tx, &new.order(id, reason), ctx.today(now), now)?;
        let cost = line.cost_of(qty);
        let entry = Entry::new(EntryKind::Resend, resent)
            .of(order.customer)
            .noted(reason)
            .debit(Account::Cost, cost)
            .credit(Account::Suppliers, cost);
        book(ctx, tx, &entry, now)?;
        let state = hand_over_now(ctx, tx, resent, now)?;
        let done = Resent { order: resent, resend_of: id, state, qty, cost };
        Ok((
            done,
            Op::OrderChanged { order: resent, state: format!("resend of {id}/{number}"), reason: reason.to_owned() },
        ))
    })
}

/// A state in the chosen language.
pub fn state_text(state: OrderState) -> String {
    match state {
        OrderState::Placed => t!("placed"),
        OrderState::Sent => t!("sent to the supplier"),
        OrderState::Shipped => t!("on its way"),
        OrderState::Delivered => t!("delivered"),
        OrderState::Cancelled => t!("cancelled"),
        OrderState::Returned => t!("returned"),
    }
}

fn not_open(what: &str, state: OrderState, order: OrderId, line: u32) -> Fault {
    let fault = Fault::refused(t!("{what} is {state}; it cannot be cancelled", what = what, state = state_text(state)));
    match state {
        OrderState::Delivered => fault.hint(t!(
            "goods that were handed over come back with `kibble orders return {order} --line {line} --qty N --reason …`",
            order = order,
            line = line
        )),
        _ => fault,
    }
}

fn cancel_line(ctx: &Ctx, tx: &Conn, order: &Order, line: &Line, reason: &str, now: At) -> Result<Back> {
    // Nothing of an open line was returned, so all of it goes back.
    let back = line.bought().back(line.qty).unwrap_or_default();
    db::order::set_line_state(tx, line.order, line.line, OrderState::Cancelled, now)?;
    let entry = Entry::new(EntryKind::Cancel, reference(line)).of(order.customer).noted(reason);
    let entry = match order.resend_of {
        // Goods sent again had no price; what they would have cost is owed to nobody now.
        Some(_) => {
            let cost = line.cost_of(line.qty);
            entry.debit(Account::Suppliers, cost).credit(Account::Cost, cost)
        }
        None => give_back(tx, entry.debit(Account::OrdersOpen, back.total()), order, back)?,
    };
    book(ctx, tx, &entry, now)?;
    Ok(back)
}

/// Credits what goes back where it came from.
fn give_back(tx: &Conn, entry: Entry, order: &Order, back: Back) -> Result<Entry> {
    let (principal, bonus) = principal_and_bonus(back.wallet, db::order::bonus_out(tx, order.id)?);
    Ok(entry
        .credit(Account::WalletPrincipal(order.customer), principal)
        .credit(Account::WalletBonus(order.customer), bonus)
        .credit(Account::Cash, back.cash))
}

fn check_return(tx: &Conn, order: &Order, line: &Line) -> Result<()> {
    if line.state != OrderState::Delivered {
        let fault = Fault::refused(t!(
            "{line} is {state}; only goods that were handed over can be returned",
            line = reference(line),
            state = state_text(line.state)
        ));
        return Err(match line.state.is_open() {
            true => fault.hint(t!("`kibble orders cancel {order} --reason …` calls it off", order = order.id)).into(),
            false => fault.into(),
        });
    }
    if order.resend_of.is_some() {
        return Err(Fault::refused(t!("{line} was free of charge, so no money can go back", line = reference(line)))
            .hint(t!("return the line of the order that was paid"))
            .into());
    }
    if line.wallet_part.is_positive() && standing(tx, order.customer)?.over {
        return Err(Fault::refused(t!(
            "the agreement of {customer} has ended, so nothing goes back to the wallet",
            customer = order.customer
        ))
        .hint(t!(
            "its settlement counted these goods and is final: `kibble why {customer}` shows it",
            customer = order.customer
        ))
        .into());
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one entry speaks of all of these, and it is called once")]
fn book_return(
    ctx: &Ctx,
    tx: &Conn,
    order: &Order,
    line: &Line,
    (qty, returned): (u32, u32),
    back: Back,
    reason: &str,
    now: At,
) -> Result<()> {
    let cost = line.cost_of(qty);
    // The count of pieces returned so far makes the reference of each return of a line its own.
    let entry = Entry::new(EntryKind::Return, format!("{}/{returned}", reference(line)))
        .of(order.customer)
        .noted(reason)
        .debit(Account::Sales(line.category.clone()), back.total());
    let entry = give_back(tx, entry, order, back)?.debit(Account::Suppliers, cost).credit(Account::Cost, cost);
    book(ctx, tx, &entry, now)
}

/// What is sent again, and where it goes.
struct FreeCopy {
    customer: CustomerId,
    handover: Handover,
    address: Option<String>,
    line: NewLine,
}

impl FreeCopy {
    fn order<'a>(&'a self, resend_of: OrderId, note: &'a str) -> NewOrder<'a> {
        NewOrder {
            customer: self.customer,
            handover: self.handover,
            address: self.address.as_deref(),
            resend_of: Some(resend_of),
            note,
            lines: vec![self.line.clone()],
        }
    }
}

fn free_copy(tx: &Conn, order: &Order, line: &Line, qty: u32) -> Result<FreeCopy> {
    Ok(FreeCopy {
        customer: order.customer,
        handover: order.handover,
        address: db::order::address(tx, order.id)?,
        line: NewLine {
            sku: line.sku.clone(),
            name: line.name.clone(),
            category: line.category.clone(),
            supplier: line.supplier.clone(),
            qty,
            unit_price: Money::ZERO,
            // Zero as well, so that a settlement at list prices does not count the same goods twice.
            list_price: Money::ZERO,
            unit_cost: line.unit_cost,
            wallet_part: Money::ZERO,
            wallet_ok: line.wallet_ok,
        },
    })
}
