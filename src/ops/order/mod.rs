//! Orders: placing them (`place.rs`), moving them between shop, supplier and customer (`send.rs`), and undoing them
//! (`undo.rs`). This file lists and shows.

mod place;
mod send;
mod undo;

use anyhow::Result;
use serde::Serialize;

use crate::db::order::{Line, Order, OrderEntry};
use crate::db::{self, Conn};
use crate::domain::agreement::AgreementState;
use crate::domain::customer::mask_name;
use crate::domain::date::At;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::order::OrderState;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

pub use crate::db::order::Filter;
pub use place::{Basket, Placed, Quote, QuoteLine, place, quote};
pub use send::{
    Delivered, RefusedTracking, SentFile, SentOut, Tracked, deliver, deliver_shipped_before, send_to_suppliers, track,
};
pub use undo::{Cancelled, Resent, Returned, cancel, cancel_undelivered, resend, return_line, state_text};

/// An order as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// The customer's name, masked.
    pub name: String,
    /// How many lines it has.
    pub lines: u32,
}

/// An order with everything that happened to it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// The customer's name, masked.
    pub name: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Given back to the wallet so far.
    pub wallet_back: Money,
    /// Given back in cash so far.
    pub cash_back: Money,
    /// Its journal entries.
    pub entries: Vec<OrderEntry>,
}

/// Visits orders by id.
pub fn list(ctx: &Ctx, filter: &Filter, mut visit: impl FnMut(Listed) -> Result<()>) -> Result<()> {
    db::order::each(ctx.db.read(), filter, |row| {
        let name = row.name.as_deref().map(mask_name).unwrap_or_default();
        visit(Listed { order: row.order, name, lines: row.lines })
    })
}

/// Everything about one order.
///
/// # Errors
/// When there is none with this id.
pub fn show(ctx: &Ctx, id: OrderId) -> Result<Shown> {
    let conn = ctx.db.read();
    let order = get(conn, id)?;
    let entries = db::order::entries(conn, id)?;
    let back = |of_wallet: bool| -> Money {
        let undone = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Cancel | EntryKind::Return));
        let postings = undone.flat_map(|entry| &entry.postings);
        let wanted =
            postings.filter(|(account, _)| if of_wallet { account.starts_with("wallet:") } else { account == "cash" });
        -wanted.map(|(_, amount)| *amount).sum::<Money>()
    };
    Ok(Shown {
        name: db::customer::get(conn, order.customer)?.map(|it| mask_name(&it.name)).unwrap_or_default(),
        lines: db::order::lines(conn, id)?,
        wallet_back: back(true),
        cash_back: back(false),
        order,
        entries,
    })
}

fn get(conn: &Conn, id: OrderId) -> Result<Order> {
    db::order::get(conn, id)?.ok_or_else(|| {
        Fault::not_found(t!("there is no order {order}", order = id))
            .hint(t!("`kibble orders list` shows all orders"))
            .into()
    })
}

/// One line of an order.
fn line_of(lines: Vec<Line>, order: OrderId, number: u32) -> Result<Line> {
    let count = lines.len();
    lines.into_iter().find(|line| line.line == number).ok_or_else(|| {
        Fault::not_found(t!("{order} has no line {line}; it has {count}", order = order, line = number, count = count))
            .hint(t!("`kibble orders show {order}` shows its lines", order = order))
            .into()
    })
}

/// How a line is named in entries: `o-31/1`.
fn reference(line: &Line) -> String {
    format!("{}/{}", line.order, line.line)
}

/// Hands a line over: the money that waited becomes a sale, and the supplier is owed the cost. Goods sent again were paid for
/// by the shop when they were ordered, so nothing more is booked for them.
fn hand_over(ctx: &Ctx, tx: &Conn, order: &Order, line: &Line, now: At) -> Result<()> {
    db::order::set_line_state(tx, line.order, line.line, OrderState::Delivered, now)?;
    if order.resend_of.is_some() {
        return Ok(());
    }
    let (total, cost) = (line.total(), line.cost_of(line.qty));
    let entry = Entry::new(EntryKind::Delivery, reference(line))
        .of(order.customer)
        .debit(Account::OrdersOpen, total)
        .credit(Account::Sales(line.category.clone()), total)
        .debit(Account::Cost, cost)
        .credit(Account::Suppliers, cost);
    book(ctx, tx, &entry, now)
}

/// Books an entry, unless nothing moves: free goods without cost.
fn book(ctx: &Ctx, tx: &Conn, entry: &Entry, now: At) -> Result<()> {
    if !entry.postings.is_empty() {
        db::journal::book(tx, entry, ctx.today(now), now)?;
    }
    Ok(())
}

/// How a customer's agreements bear on orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// An agreement runs: member prices.
    member: bool,
    /// An agreement is being settled: what is in the wallet may have to go back, so nothing is spent meanwhile.
    settling: bool,
    /// Everything that money came in for is settled: the wallet takes nothing back.
    over: bool,
}

fn standing(conn: &Conn, customer: CustomerId) -> Result<Standing> {
    let mut standing = Standing::default();
    let (mut takes_back, mut settled) = (false, false);
    db::agreement::each(conn, Some(customer), None, |agreement| {
        match agreement.state {
            AgreementState::Active | AgreementState::Paused => (standing.member, takes_back) = (true, true),
            AgreementState::Completed => takes_back = true,
            AgreementState::Settling => {
                standing.settling = true;
                // Until it is confirmed a settlement counts what comes back.
                match db::statement::of_agreement(conn, agreement.id)?.is_some_and(|it| it.state == "open") {
                    true => takes_back = true,
                    false => settled = true,
                }
            }
            AgreementState::Ended => settled = true,
            AgreementState::Waiting | AgreementState::Cancelled => {}
        }
        Ok(())
    })?;
    standing.over = settled && !takes_back;
    Ok(standing)
}

#[cfg(test)]
mod tests;
