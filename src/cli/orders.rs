//! `kibble orders`: what customers take or have shipped.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui, pad, pad_left};
use crate::cli::usage::reason;
use crate::cli::{Globals, open};
use crate::domain::date::At;
use crate::domain::id::OrderId;
use crate::domain::money::Money;
use crate::domain::order::{Handover, OrderState, Pay};
use crate::domain::sheet;
use crate::fault::Fault;
use crate::ops::order::{self, Basket, Filter, Listed, Placed, Quote, Shown, state_text};
use crate::ops::wallet::{account_text, entry_text};
use crate::ops::{Ctx, customer};
use crate::t;

/// Orders: place, ship, deliver, cancel, return
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its `Args`.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Ship(ShipArgs),
    Deliver(DeliverArgs),
    Cancel(CancelArgs),
    Return(ReturnArgs),
    Resend(ResendArgs),
}

/// Place an order
#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The customer: id, phone number or name
    #[arg(value_name = "CUSTOMER")]
    customer: String,
    /// Items by code, with the number of pieces where it is not one: `STP-001:2`
    #[arg(value_name = "SKU[:QTY]", required = true)]
    items: Vec<String>,
    /// Who pays; without it the wallet for what it may pay for and as far as it goes, and cash for the rest
    #[arg(long, value_name = "HOW", value_parser = ["wallet", "cash", "split"])]
    pay: Option<String>,
    /// Hand the goods over now
    #[arg(long, conflicts_with = "ship")]
    counter: bool,
    /// Let the suppliers ship the goods; this is so without either
    #[arg(long)]
    ship: bool,
    /// Where the goods go; without it the customer's address
    #[arg(long, conflicts_with = "counter")]
    address: Option<String>,
    /// A remark, which the supplier reads too
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
}

/// List orders
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this customer's: id, phone number or name
    #[arg(long)]
    customer: Option<String>,
    /// Only orders in this state
    #[arg(long, value_parser = ["placed", "sent", "shipped", "delivered", "cancelled", "returned"])]
    state: Option<String>,
    /// Only orders with something from this supplier
    #[arg(long)]
    supplier: Option<String>,
}

/// Show an order: its lines, who paid, its journal entries
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The order, for example `o-31`
    #[arg(value_name = "ORDER")]
    order: OrderId,
}

/// Write an order file for each supplier, or read tracking numbers back
#[derive(Debug, clap::Args)]
struct ShipArgs {
    /// The folder for the order files
    #[arg(long, value_name = "DIR", required_unless_present = "tracking", conflicts_with = "tracking")]
    out: Option<PathBuf>,
    /// Write also what the suppliers have already, as long as it is not on its way
    #[arg(long, conflicts_with = "tracking")]
    again: bool,
    /// A file with tracking numbers: order, sku (may be missing), carrier, tracking number
    #[arg(long, value_name = "FILE")]
    tracking: Option<PathBuf>,
}

/// Say that goods have arrived
#[derive(Debug, clap::Args)]
struct DeliverArgs {
    /// The order, for example `o-31`
    #[arg(value_name = "ORDER", required_unless_present = "all_shipped_before")]
    order: Option<OrderId>,
    /// Instead of one order: everything that went on its way before this day
    #[arg(long, value_name = "DATE", conflicts_with = "order")]
    all_shipped_before: Option<String>,
}

/// Call off what was not handed over yet; the money goes back where it came from
#[derive(Debug, clap::Args)]
struct CancelArgs {
    /// The order, for example `o-31`
    #[arg(value_name = "ORDER")]
    order: OrderId,
    /// Only this line
    #[arg(long, value_name = "N")]
    line: Option<u32>,
    /// Why
    #[arg(long, value_parser = reason)]
    reason: String,
}

/// Take back goods that were handed over; the money goes back where it came from
#[derive(Debug, clap::Args)]
struct ReturnArgs {
    /// The order, for example `o-31`
    #[arg(value_name = "ORDER")]
    order: OrderId,
    /// The line
    #[arg(long, value_name = "N")]
    line: u32,
    /// How many pieces
    #[arg(long, value_name = "N")]
    qty: u32,
    /// Why
    #[arg(long, value_parser = reason)]
    reason: String,
}

/// Send damaged or lost goods again, at the shop's cost
#[derive(Debug, clap::Args)]
struct ResendArgs {
    /// The order, for example `o-31`
    #[arg(value_name = "ORDER")]
    order: OrderId,
    /// The line
    #[arg(long, value_name = "N")]
    line: u32,
    /// Why
    #[arg(long, value_parser = reason)]
    reason: String,
    /// Also when it was sent again before
    #[arg(long)]
    again: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = open(globals, ui)?;
    match &args.verb {
        Verb::Add(args) => add(args, &ctx, ui),
        Verb::List(args) => list(args, &ctx, ui),
        Verb::Show(args) => show(args, &ctx, ui),
        Verb::Ship(args) => ship(args, &ctx, ui),
        Verb::Deliver(args) => deliver(args, &ctx, ui),
        Verb::Cancel(args) => cancel(args, &ctx, ui),
        Verb::Return(args) => return_line(args, &ctx, ui),
        Verb::Resend(args) => resend(args, &ctx, ui),
    }
}

/// A day as people type it.
///
/// # Errors
/// Usage, naming the text.
pub(super) fn read_day(text: &str) -> anyhow::Result<NaiveDate> {
    sheet::date(text).map_err(|_| Fault::usage(t!("{text} is not a day like 2026-11-05", text = text)).into())
}

fn add(args: &AddArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let customer = customer::resolve(ctx, &args.customer)?;
    let basket = Basket {
        customer: customer.id,
        wants: args.items.iter().map(|text| want(text)).collect::<anyhow::Result<_>>()?,
        pay: args.pay.as_deref().and_then(Pay::from_word).unwrap_or(Pay::Split),
        handover: if args.counter { Handover::Counter } else { Handover::Ship },
        address: args.address.clone(),
        note: args.note.clone(),
    };
    let quote = order::quote(ctx, &basket)?;
    // Who named the way of paying has decided; otherwise cash is asked for, since the clerk has to take it.
    if args.pay.is_none() && quote.cash.is_positive() {
        if ui.can_ask() && !ui.is_json() {
            show_quote(ui, &quote);
        }
        let question =
            t!("{wallet} from the wallet and {cash} in cash?", wallet = quote.wallet.yuan(), cash = quote.cash.yuan());
        if !ui.confirm(&question, true)? {
            return Err(Fault::refused(t!("nothing was ordered")).into());
        }
    }
    let placed = order::place(ctx, &basket, &quote)?;
    ui.answer(&placed, |ui| {
        show_placed(ui, &placed);
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// `STP-001:2`; the code itself may hold a colon.
fn want(text: &str) -> anyhow::Result<(String, u32)> {
    match text.rsplit_once(':') {
        Some((sku, qty)) if !sku.is_empty() && qty.bytes().all(|b| b.is_ascii_digit()) => match qty.parse() {
            Ok(qty) => Ok((sku.to_owned(), qty)),
            Err(_) => {
                Err(Fault::usage(t!("{text} is not an item with a number of pieces like STP-001:2", text = text))
                    .into())
            }
        },
        _ => Ok((text.to_owned(), 1)),
    }
}

fn show_quote(ui: &Ui, quote: &Quote) {
    let mut table = Table::new([t!("SKU"), t!("Item"), t!("Qty"), t!("Price"), t!("Total"), t!("Wallet"), t!("Cash")])
        .right(&[2, 3, 4, 5, 6]);
    for line in &quote.lines {
        table.row([
            line.sku.clone(),
            line.name.clone(),
            line.qty.to_string(),
            line.unit_price.grouped(),
            line.total.grouped(),
            line.wallet_part.grouped(),
            (line.total - line.wallet_part).grouped(),
        ]);
    }
    table.row([
        String::new(),
        t!("Total"),
        String::new(),
        String::new(),
        quote.total.grouped(),
        quote.wallet.grouped(),
        quote.cash.grouped(),
    ]);
    ui.table(&table);
}

fn show_placed(ui: &Ui, placed: &Placed) {
    let quote = &placed.quote;
    ui.data(&t!(
        "Order {order} for {customer} {name}: {state}",
        order = placed.order,
        customer = quote.customer,
        name = quote.name,
        state = state_text(placed.state)
    ));
    show_quote(ui, quote);
    ui.data(&t!("left in the wallet: {balance}", balance = quote.balance_after.yuan()));
    if !quote.member {
        ui.status(&t!("no agreement runs, so list prices hold"));
    }
    if placed.state.is_open() {
        ui.hint(&t!("next: `kibble orders ship --out DIR` writes the order files for the suppliers"));
    }
}

fn list(args: &ListArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let filter = Filter {
        customer: match &args.customer {
            Some(who) => Some(customer::resolve(ctx, who)?.id),
            None => None,
        },
        state: args.state.as_deref().and_then(OrderState::from_word),
        supplier: args.supplier.clone(),
    };
    if ui.is_json() {
        let mut orders = Vec::new();
        order::list(ctx, &filter, |order| {
            orders.push(order);
            Ok(())
        })?;
        ui.json(&orders);
        return Ok(Exit::Done);
    }
    let mut count = 0u64;
    order::list(ctx, &filter, |order| {
        if count == 0 {
            let heading = [t!("Order"), t!("Placed"), t!("Customer"), t!("Name"), t!("State")];
            let counts = [t!("Lines"), t!("Wallet"), t!("Cash")];
            ui.data(&ui.paint(Paint::Heading, &list_cells(&heading, &counts)));
        }
        count += 1;
        ui.data(&list_row(&order));
        Ok(())
    })?;
    match count {
        0 => ui.status(&t!("no order fits")),
        _ => ui.status(&t!("{count} {count|order|orders}", count = count)),
    }
    Ok(Exit::Done)
}

fn list_row(listed: &Listed) -> String {
    let order = &listed.order;
    let texts = [
        order.id.to_string(),
        order.placed_on.to_string(),
        order.customer.to_string(),
        listed.name.clone(),
        state_text(order.state),
    ];
    list_cells(&texts, &[listed.lines.to_string(), order.wallet_paid.grouped(), order.cash_paid.grouped()])
}

fn list_cells([order, placed, customer, name, state]: &[String; 5], [lines, wallet, cash]: &[String; 3]) -> String {
    let parts = [
        pad(order, 8),
        pad(placed, 10),
        pad(customer, 8),
        pad(name, 8),
        pad(state, 20),
        pad_left(lines, 5),
        pad_left(wallet, 10),
        pad_left(cash, 10),
    ];
    parts.join("  ")
}

fn show(args: &ShowArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let shown = order::show(ctx, args.order)?;
    ui.answer(&shown, |ui| {
        show_order(ui, ctx, &shown);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_order(ui: &Ui, ctx: &Ctx, shown: &Shown) {
    let order = &shown.order;
    ui.data(&t!(
        "Order {order} for {customer} {name}: {state}",
        order = order.id,
        customer = order.customer,
        name = shown.name,
        state = state_text(order.state)
    ));
    ui.data(&t!("placed {at}", at = wall(ctx, order.placed_at)));
    if let Some(earlier) = order.resend_of {
        ui.data(&t!("sends goods of {order} again, free of charge", order = earlier));
    }
    if !order.note.is_empty() {
        ui.data(&t!("note: {note}", note = order.note));
    }
    let heading = [
        t!("Line"),
        t!("SKU"),
        t!("Item"),
        t!("Qty"),
        t!("Price"),
        t!("Total"),
        t!("Wallet"),
        t!("Cash"),
        t!("State"),
        t!("Parcel"),
    ];
    let mut table = Table::new(heading).right(&[0, 3, 4, 5, 6, 7]);
    for line in &shown.lines {
        let state = match line.returned_qty {
            qty if qty == 0 || qty == line.qty => state_text(line.state),
            qty => t!("{state}, {qty} returned", state = state_text(line.state), qty = qty),
        };
        let parcel = [line.carrier.clone(), line.tracking_no.clone()].into_iter().flatten().collect::<Vec<_>>();
        table.row([
            line.line.to_string(),
            line.sku.clone(),
            line.name.clone(),
            line.qty.to_string(),
            line.unit_price.grouped(),
            line.total().grouped(),
            line.wallet_part.grouped(),
            (line.total() - line.wallet_part).grouped(),
            state,
            parcel.join(" "),
        ]);
    }
    ui.table(&table);
    ui.data(&t!(
        "paid: {wallet} from the wallet, {cash} in cash",
        wallet = order.wallet_paid.yuan(),
        cash = order.cash_paid.yuan()
    ));
    if shown.wallet_back.is_positive() || shown.cash_back.is_positive() {
        ui.data(&t!(
            "given back: {wallet} to the wallet, {cash} in cash",
            wallet = shown.wallet_back.yuan(),
            cash = shown.cash_back.yuan()
        ));
    }
    let mut table = Table::new([t!("Entry"), t!("Time"), t!("About"), t!("Account"), t!("Amount")]).right(&[4]);
    for entry in &shown.entries {
        for (place, (account, amount)) in entry.postings.iter().enumerate() {
            let once = |text: String| if place == 0 { text } else { String::new() };
            let about = entry_text(entry.kind, &entry.reference);
            table.row([
                once(entry.id.to_string()),
                once(wall(ctx, entry.at)),
                once(about),
                account_text(account),
                amount.grouped(),
            ]);
        }
    }
    if !table.is_empty() {
        ui.table(&table);
    }
}

fn ship(args: &ShipArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    match (&args.tracking, &args.out) {
        (Some(file), _) => track(file, ctx, ui),
        (None, Some(folder)) => send(folder, args.again, ctx, ui),
        (None, None) => {
            Err(Fault::usage(t!("name the folder for the order files")).hint("kibble orders ship --out DIR").into())
        }
    }
}

fn send(folder: &std::path::Path, again: bool, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let sent = order::send_to_suppliers(ctx, folder, again)?;
    ui.answer(&sent, |ui| {
        if sent.files.is_empty() {
            ui.data(&t!("nothing to send: every order is with its supplier or done"));
            return Ok(());
        }
        let mut table = Table::new([t!("Supplier"), t!("Lines"), t!("File")]).right(&[1]);
        for file in &sent.files {
            table.row([file.supplier.clone(), file.lines.to_string(), file.file.display().to_string()]);
        }
        ui.table(&table);
        ui.data(&t!("{count} {count|order|orders} sent", count = sent.orders.len()));
        ui.hint(&t!("these files hold names and addresses: send them on safely, then delete them"));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn track(file: &std::path::Path, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = order::track(ctx, file)?;
    ui.answer(&done, |ui| {
        ui.data(&t!(
            "{lines} {lines|line|lines} of {orders} {orders|order|orders} on the way; {same} had their number already",
            lines = done.shipped,
            orders = done.orders.len(),
            same = done.unchanged
        ));
        if !done.refused.is_empty() {
            ui.data(&t!("{count} {count|row|rows} refused:", count = done.refused.len()));
            let mut table = Table::new([t!("Line"), t!("Field"), t!("Value"), t!("Reason"), t!("Fix")]).right(&[0]);
            for cell in &done.refused {
                let field = cell.field.clone().unwrap_or_else(|| t!("row"));
                table.row([cell.line.to_string(), field, cell.value.clone(), cell.reason.clone(), cell.fix.clone()]);
            }
            ui.table(&table);
        }
        Ok(())
    })?;
    Ok(if done.refused.is_empty() { Exit::Done } else { Exit::NeedsPerson })
}

fn deliver(args: &DeliverArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = match (args.order, &args.all_shipped_before) {
        (Some(order), _) => order::deliver(ctx, order)?,
        (None, Some(day)) => order::deliver_shipped_before(ctx, read_day(day)?)?,
        (None, None) => {
            return Err(Fault::usage(t!("name an order")).hint("kibble orders deliver o-31").into());
        }
    };
    ui.answer(&done, |ui| {
        ui.data(&t!(
            "{lines} {lines|line|lines} of {orders} {orders|order|orders} delivered",
            lines = done.lines,
            orders = done.orders.len()
        ));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn cancel(args: &CancelArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = order::cancel(ctx, args.order, args.line, &args.reason)?;
    ui.answer(&done, |ui| {
        ui.data(&t!(
            "Order {order}: {count} {count|line|lines} cancelled",
            order = done.order,
            count = done.lines.len()
        ));
        show_back(ui, done.wallet, done.cash);
        Ok(())
    })?;
    for supplier in &done.suppliers {
        ui.warn(&t!("{supplier} has this order already: tell them", supplier = supplier));
    }
    Ok(Exit::Done)
}

fn return_line(args: &ReturnArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = order::return_line(ctx, args.order, args.line, args.qty, &args.reason)?;
    ui.answer(&done, |ui| {
        ui.data(&t!("{order}/{line}: {qty} taken back", order = done.order, line = done.line, qty = done.qty));
        show_back(ui, done.wallet, done.cash);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn resend(args: &ResendArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = order::resend(ctx, args.order, args.line, &args.reason, args.again)?;
    ui.answer(&done, |ui| {
        ui.data(&t!(
            "Order {order} sends {qty} of {earlier} again; it costs the shop {cost}",
            order = done.order,
            qty = done.qty,
            earlier = format!("{}/{}", done.resend_of, args.line),
            cost = done.cost.yuan()
        ));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_back(ui: &Ui, wallet: Money, cash: Money) {
    ui.data(&t!("given back: {wallet} to the wallet, {cash} in cash", wallet = wallet.yuan(), cash = cash.yuan()));
}

/// A moment on the shop's clock.
pub(super) fn wall(ctx: &Ctx, at: At) -> String {
    at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M").to_string()
}
