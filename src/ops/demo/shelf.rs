//! What the people of the demo buy: which items, how they are handed over, and what becomes of the parcels. Owns no price and no
//! rule about wallets: those are the order's own.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;

use super::choice;
use super::people::Person;
use crate::db::catalog::Filter;
use crate::domain::date::plus_days;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::order::{Handover, OrderState, Pay};
use crate::fault::{Fault, Kind};
use crate::ops::catalog::{self, Listed};
use crate::ops::order::{self, Basket};
use crate::ops::{Ctx, wallet};

/// The example price list.
const CATALOG: &[u8] = include_bytes!("../../../examples/data/catalog.csv");

/// Of a hundred chances to buy, how many are taken.
const BUYS_OF_HUNDRED: usize = 34;

/// The order of so many that is shipped.
const SHIPPED_EVERY: u64 = 3;

/// The order of so many that the wallet and cash pay together.
const SPLIT_EVERY: u64 = 7;

/// Days until a parcel has arrived.
const ON_THE_WAY_DAYS: i64 = 3;

/// The category that nobody ships.
const SERVICE: &str = "service";

/// What the wallet never pays for, which makes an order a mixed one.
const TOY: &str = "toy";

/// The shelf and what was taken from it.
pub struct Shelf {
    items: Vec<Listed>,
    /// Orders placed.
    pub orders: u64,
    /// The first paid by wallet and cash together.
    pub split: Option<OrderId>,
    /// The first that was shipped.
    pub shipped: Option<OrderId>,
    /// The first that was brought back, with the day for it.
    pub to_return: Option<(OrderId, NaiveDate)>,
    /// The first that was called off, with the day for it.
    pub to_cancel: Option<(OrderId, NaiveDate)>,
}

/// Puts the example price list on the shelf.
///
/// # Errors
/// When it cannot be imported.
pub fn stock(ctx: &Ctx) -> Result<Shelf> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let file = folder.path().join("catalog.csv");
    fs::write(&file, CATALOG).with_context(|| file.display().to_string())?;
    let rejects = folder.path().join("rejects.csv");
    catalog::import(ctx, &catalog::Import { file: &file, dry_run: false, rejects: Some(&rejects) })?;
    let mut items = Vec::new();
    catalog::list(ctx, &Filter::default(), |item| {
        items.push(item);
        Ok(())
    })?;
    Ok(Shelf { items, orders: 0, split: None, shipped: None, to_return: None, to_cancel: None })
}

impl Shelf {
    /// Somebody comes by and perhaps buys something. `counter_only` for those whose agreement is about to end: nothing may be
    /// under way then.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn visit(&mut self, ctx: &Ctx, who: CustomerId, it: &Person, day: NaiveDate, counter_only: bool) -> Result<()> {
        let seed = day.to_string();
        if choice(&[&it.phone, &seed, "buys"], 100) >= BUYS_OF_HUNDRED {
            return Ok(());
        }
        let customer = crate::ops::customer::resolve(ctx, &who.to_string())?;
        let balance = wallet::show(ctx, &customer)?.balance;
        let number = self.orders + 1;
        let ship = number.is_multiple_of(SHIPPED_EVERY) && !counter_only;
        let mixed = number.is_multiple_of(SPLIT_EVERY);
        let mut wants = Vec::new();
        let mut left = balance;
        for turn in ["first", "second"] {
            let fits = |item: &&Listed| {
                item.on_sale
                    && item.wallet
                    && item.price <= left
                    && item.species.is_none_or(|species| species == it.species)
                    && !(ship && item.category == SERVICE)
            };
            if let Some(item) = pick(self.items.iter().filter(fits), &[&it.phone, &seed, turn]) {
                left -= item.price;
                wants.push((item.sku.clone(), 1));
            }
        }
        if wants.is_empty() {
            return Ok(());
        }
        if mixed {
            let toys = self.items.iter().filter(|item| item.on_sale && item.category == TOY);
            wants.extend(pick(toys, &[&it.phone, &seed, TOY]).map(|item| (item.sku.clone(), 1)));
        }
        let basket = Basket {
            customer: who,
            wants,
            pay: if mixed { Pay::Split } else { Pay::Wallet },
            handover: if ship { Handover::Ship } else { Handover::Counter },
            address: Some(format!("示例市青禾路{}号", it.place + 1)),
            note: String::new(),
        };
        let placed = match order::quote(ctx, &basket) {
            Ok(quote) => order::place(ctx, &basket, &quote)?,
            // An agreement that ended or a paused one may keep the wallet shut: then nothing is bought.
            Err(error) if error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind() == Kind::Refused) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.orders = number;
        if mixed && self.split.is_none() && placed.quote.cash.is_positive() && placed.quote.wallet.is_positive() {
            self.split = Some(placed.order);
        } else if ship && placed.quote.handover == Handover::Ship {
            if self.shipped.is_none() {
                self.shipped = Some(placed.order);
            } else if self.to_cancel.is_none() {
                self.to_cancel = Some((placed.order, plus_days(day, 1)));
            }
        } else if !ship && self.to_return.is_none() && number > 4 && !counter_only {
            self.to_return = Some((placed.order, plus_days(day, 2)));
        }
        Ok(())
    }

    /// What a day brings for orders under way: one brought back, one called off, parcels to suppliers on Mondays, their numbers on
    /// Tuesdays, arrivals every day. Returns the order that was brought back and the one that was called off.
    ///
    /// # Errors
    /// When a file or the database cannot be written.
    pub fn day(&mut self, ctx: &Ctx, day: NaiveDate) -> Result<(Option<OrderId>, Option<OrderId>)> {
        use chrono::{Datelike, Weekday};
        let returned = match self.to_return {
            Some((order, on)) if on == day => {
                order::return_line(ctx, order, 1, 1, "wrong size")?;
                Some(order)
            }
            _ => None,
        };
        let cancelled = match self.to_cancel {
            Some((order, on)) if on == day => {
                order::cancel(ctx, order, None, "ordered twice")?;
                Some(order)
            }
            _ => None,
        };
        match day.weekday() {
            Weekday::Mon => {
                order::send_to_suppliers(ctx, &ctx.config.folder.join("exports").join("suppliers"), false)?;
            }
            Weekday::Tue => self.numbers(ctx, day)?,
            _ => {}
        }
        order::deliver_shipped_before(ctx, plus_days(day, -ON_THE_WAY_DAYS))?;
        Ok((returned, cancelled))
    }

    /// The suppliers answer with tracking numbers.
    fn numbers(&self, ctx: &Ctx, day: NaiveDate) -> Result<()> {
        let mut sent = Vec::new();
        let filter = crate::db::order::Filter { state: Some(OrderState::Sent), ..Default::default() };
        order::list(ctx, &filter, |it| {
            sent.push(it.order.id);
            Ok(())
        })?;
        if sent.is_empty() {
            return Ok(());
        }
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().context("a temporary file")?;
        writeln!(file, "order,sku,carrier,tracking_no")?;
        for order in sent {
            for line in order::show(ctx, order)?.lines.iter().filter(|line| line.state == OrderState::Sent) {
                let words = [order.to_string(), line.supplier.clone(), day.to_string()];
                let number = choice(&words.each_ref().map(String::as_str), 90_000_000) + 10_000_000;
                writeln!(file, "{order},{},示例速运,SF{number}", line.sku)?;
            }
        }
        file.flush()?;
        let tracked = order::track(ctx, file.path())?;
        if let Some(row) = tracked.refused.first() {
            bail!("{}: {}", row.value, row.reason);
        }
        Ok(())
    }
}

fn pick<'a>(items: impl Iterator<Item = &'a Listed>, words: &[&str]) -> Option<&'a Listed> {
    let items: Vec<&Listed> = items.collect();
    items.get(choice(words, items.len())).copied()
}

