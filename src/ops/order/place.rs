//! Placing an order: what it costs, who pays for which line, and the entry that takes the money.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{Standing, book, get, hand_over, standing};
use crate::db::order::{NewLine, NewOrder};
use crate::db::{self, Conn};
use crate::domain::catalog::wallet_pays;
use crate::domain::customer::mask_name;
use crate::domain::date::At;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::order::{Due, Handover, LIMIT_QTY, OrderState, Pay, Unpayable, wallet_parts};
use crate::fault::Fault;
use crate::ops::debit::refuse_copies;
use crate::ops::{Ctx, catalog};
use crate::t;
use crate::text::{Lang, lang};

/// The category whose items are done on the spot, whatever the rest of the order needs.
const SERVICE: &str = "service";

/// What somebody wants.
#[derive(Clone, Debug)]
pub struct Basket {
    /// Who.
    pub customer: CustomerId,
    /// Codes and pieces, as they were typed.
    pub wants: Vec<(String, u32)>,
    /// Who pays.
    pub pay: Pay,
    /// Over the counter or shipped.
    pub handover: Handover,
    /// Where it goes, if not to the customer's own address.
    pub address: Option<String>,
    /// For people.
    pub note: String,
}

/// A line of a quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuoteLine {
    /// The item's code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Its category.
    pub category: String,
    /// Who ships it.
    pub supplier: String,
    /// Pieces.
    pub qty: u32,
    /// Price of one.
    pub unit_price: Money,
    /// Price of one for anybody.
    pub list_price: Money,
    /// What one costs the shop.
    #[serde(skip)]
    pub unit_cost: Money,
    /// Price of all.
    pub total: Money,
    /// Of this, from the wallet.
    pub wallet_part: Money,
    /// Whether the wallet may pay for it.
    pub wallet_ok: bool,
}

/// What an order would cost, and who would pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// Whose order.
    pub customer: CustomerId,
    /// The customer's name, masked.
    pub name: String,
    /// Whether member prices hold.
    pub member: bool,
    /// Its lines.
    pub lines: Vec<QuoteLine>,
    /// What it costs.
    pub total: Money,
    /// From the wallet.
    pub wallet: Money,
    /// In cash.
    pub cash: Money,
    /// What the wallet holds before.
    pub balance: Money,
    /// What it holds after.
    pub balance_after: Money,
    /// Over the counter or shipped.
    pub handover: Handover,
    /// Where it goes.
    #[serde(skip)]
    pub address: Option<String>,
}

/// An order that was placed.
#[derive(Clone, Debug, Serialize)]
pub struct Placed {
    /// Its id.
    pub order: OrderId,
    /// How far it is.
    pub state: OrderState,
    /// What it cost.
    #[serde(flatten)]
    pub quote: Quote,
}

/// What the basket would cost now.
///
/// # Errors
/// When an item is unknown or not on sale, the wallet alone may not or cannot pay, or nobody knows where it goes.
pub fn quote(ctx: &Ctx, basket: &Basket) -> Result<Quote> {
    quoted(ctx, ctx.db.read(), basket)
}

/// Places an order for what the person has seen.
///
/// # Errors
/// As [`quote`]; also when prices or the balance have changed since, and on a database that was restored or copied and not adopted.
pub fn place(ctx: &Ctx, basket: &Basket, seen: &Quote) -> Result<Placed> {
    let now = ctx.now();
    refuse_copies(ctx)?;
    ctx.db.write(now, |tx| {
        // The balance counts as it stands inside this transaction, so that two orders at once cannot spend it twice.
        let quote = quoted(ctx, tx, basket)?;
        if quote != *seen {
            return Err(Fault::refused(t!("prices or the balance have changed meanwhile; nothing was ordered"))
                .hint(t!("run the command again"))
                .into());
        }
        let order = insert(ctx, tx, basket, &quote, now)?;
        pay(ctx, tx, order, &quote, now)?;
        let state = hand_over_now(ctx, tx, order, now)?;
        let op = Op::OrderPlaced { order, wallet: quote.wallet, cash: quote.cash };
        Ok((Placed { order, state, quote }, op))
    })
}

fn quoted(ctx: &Ctx, conn: &Conn, basket: &Basket) -> Result<Quote> {
    let customer = db::customer::get(conn, basket.customer)?.ok_or_else(|| {
        Fault::not_found(t!("no customer has the id, phone number or name {who}", who = basket.customer))
    })?;
    let standing = standing(conn, basket.customer)?;
    let mut lines = lines(ctx, basket, standing.member)?;
    let (principal, bonus) = db::journal::wallet(conn, basket.customer)?;
    let balance = principal + bonus;
    let spendable = spendable(basket, standing, balance)?;
    let due: Vec<Due> = lines.iter().map(|line| Due { total: line.total, wallet_ok: line.wallet_ok }).collect();
    let parts = wallet_parts(&due, spendable, basket.pay).map_err(|why| unpayable(&why, &lines, basket, balance))?;
    for (line, part) in lines.iter_mut().zip(parts) {
        line.wallet_part = part;
    }
    let total: Money = lines.iter().map(|line| line.total).sum();
    let wallet: Money = lines.iter().map(|line| line.wallet_part).sum();
    let ships = basket.handover == Handover::Ship && lines.iter().any(|line| line.category != SERVICE);
    let address = if ships { Some(goes_to(basket, customer.address.as_deref())?) } else { None };
    Ok(Quote {
        customer: customer.id,
        name: mask_name(&customer.name),
        member: standing.member,
        lines,
        total,
        wallet,
        cash: total - wallet,
        balance,
        balance_after: balance - wallet,
        handover: if ships { Handover::Ship } else { Handover::Counter },
        address,
    })
}

/// The lines of the basket at today's prices; the same code twice becomes one line.
fn lines(ctx: &Ctx, basket: &Basket, member: bool) -> Result<Vec<QuoteLine>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lines: Vec<QuoteLine> = Vec::new();
    for (sku, qty) in &basket.wants {
        let too_many =
            || Fault::usage(t!("{sku}: an order takes 1 to {limit} pieces of an item", sku = sku, limit = LIMIT_QTY));
        let place = match places.get(sku.as_str()) {
            Some(place) => *place,
            None => {
                lines.push(line(ctx, sku, member)?);
                places.insert(sku, lines.len() - 1);
                lines.len() - 1
            }
        };
        let line = &mut lines[place];
        line.qty = line.qty.checked_add(*qty).filter(|sum| *qty > 0 && *sum <= LIMIT_QTY).ok_or_else(too_many)?;
        line.total = line.unit_price.times(i64::from(line.qty)).ok_or_else(too_many)?;
    }
    if lines.is_empty() {
        return Err(Fault::usage(t!("an order needs at least one item")).into());
    }
    Ok(lines)
}

fn line(ctx: &Ctx, sku: &str, member: bool) -> Result<QuoteLine> {
    let shelved = catalog::get(ctx, sku)?;
    if !shelved.on_sale {
        return Err(Fault::refused(t!("{sku} is not on sale", sku = sku))
            .hint(t!("`kibble catalog set {sku} on-sale yes` puts it back on sale", sku = sku))
            .into());
    }
    let item = shelved.item;
    let english = ctx.config.settings.lang.unwrap_or_else(lang) == Lang::En && !item.name_en.is_empty();
    Ok(QuoteLine {
        name: if english { item.name_en } else { item.name_zh },
        wallet_ok: wallet_pays(item.wallet, &item.category, &ctx.config.settings.wallet.categories),
        sku: item.sku,
        category: item.category,
        supplier: item.supplier,
        qty: 0,
        unit_price: if member { item.member_price } else { item.price },
        list_price: item.price,
        unit_cost: item.cost,
        total: Money::ZERO,
        wallet_part: Money::ZERO,
    })
}

/// What of the balance may be spent: nothing while an agreement is being settled, because the statement counts it.
fn spendable(basket: &Basket, standing: Standing, balance: Money) -> Result<Money> {
    if !standing.settling {
        return Ok(balance);
    }
    if basket.pay == Pay::Wallet {
        return Err(Fault::refused(t!(
            "the wallet of {customer} is closed until the settlement of the ended agreement is done",
            customer = basket.customer
        ))
        .hint(t!("take cash with --pay cash"))
        .into());
    }
    Ok(Money::ZERO)
}

fn unpayable(why: &Unpayable, lines: &[QuoteLine], basket: &Basket, balance: Money) -> Fault {
    match why {
        Unpayable::NotForWallet(places) => {
            let skus: Vec<&str> = places.iter().map(|place| lines[*place].sku.as_str()).collect();
            Fault::refused(t!("the wallet may not pay for {items}", items = skus.join(", ")))
                .hint(t!("--pay split takes cash for these"))
        }
        Unpayable::TooLittle { needed } => Fault::refused(t!(
            "the wallet of {customer} holds {balance}, and {needed} are needed",
            customer = basket.customer,
            balance = balance.yuan(),
            needed = needed.yuan()
        ))
        .hint(t!("--pay split takes cash for the rest")),
    }
}

fn goes_to(basket: &Basket, own: Option<&str>) -> Result<String> {
    let address = basket.address.as_deref().or(own).map(str::trim).unwrap_or_default();
    if address.is_empty() {
        return Err(Fault::refused(t!("{customer} has no address to ship to", customer = basket.customer))
            .hint(t!("name it with --address, or hand the goods over with --counter"))
            .into());
    }
    Ok(address.to_owned())
}

fn insert(ctx: &Ctx, tx: &Conn, basket: &Basket, quote: &Quote, now: At) -> Result<OrderId> {
    let line = |line: &QuoteLine| NewLine {
        sku: line.sku.clone(),
        name: line.name.clone(),
        category: line.category.clone(),
        supplier: line.supplier.clone(),
        qty: line.qty,
        unit_price: line.unit_price,
        list_price: line.list_price,
        unit_cost: line.unit_cost,
        wallet_part: line.wallet_part,
        wallet_ok: line.wallet_ok,
    };
    let new = NewOrder {
        customer: quote.customer,
        handover: quote.handover,
        address: quote.address.as_deref(),
        resend_of: None,
        note: &basket.note,
        lines: quote.lines.iter().map(line).collect(),
    };
    db::order::insert(tx, &new, ctx.today(now), now)
}

/// Takes the money: principal first, because it is the customer's own, then bonus; then cash. It waits in `orders_open` until
/// the goods are handed over.
fn pay(ctx: &Ctx, tx: &Conn, order: OrderId, quote: &Quote, now: At) -> Result<()> {
    let (principal, _) = db::journal::wallet(tx, quote.customer)?;
    let from_principal = quote.wallet.min(principal.max(Money::ZERO));
    let entry = Entry::new(EntryKind::Order, order)
        .of(quote.customer)
        .debit(Account::WalletPrincipal(quote.customer), from_principal)
        .debit(Account::WalletBonus(quote.customer), quote.wallet - from_principal)
        .debit(Account::Cash, quote.cash)
        .credit(Account::OrdersOpen, quote.total);
    book(ctx, tx, &entry, now)
}

/// Hands over what does not have to be shipped.
pub(super) fn hand_over_now(ctx: &Ctx, tx: &Conn, id: OrderId, now: At) -> Result<OrderState> {
    let order = get(tx, id)?;
    for line in db::order::lines(tx, id)? {
        if order.handover == Handover::Counter || line.category == SERVICE {
            hand_over(ctx, tx, &order, &line, now)?;
        }
    }
    db::order::refresh(tx, id, now)
}
