//! `kibble wallet`: what is in a wallet and how it came about. There is no verb that pays out or gives away a balance: while an
//! agreement runs it is bound to the pet's goods, and at its end it goes back with the settlement.

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::orders::{read_day, wall};
use crate::cli::ui::{Paint, Ui, columns, pad, pad_left};
use crate::cli::{Globals, open};
use crate::domain::id::CustomerId;
use crate::ops::wallet::{self, Shown, Terms, WalletEntry};
use crate::ops::{Ctx, customer};
use crate::t;

/// What is in a customer's wallet, and every entry
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its `Args`.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Show(ShowArgs),
    Entries(EntriesArgs),
}

/// Show the balance, the terms left, points and tier
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The customer: id, phone number or name
    #[arg(value_name = "CUSTOMER")]
    customer: String,
}

/// List every entry with the balance after it
#[derive(Debug, clap::Args)]
struct EntriesArgs {
    /// The customer: id, phone number or name
    #[arg(value_name = "CUSTOMER")]
    customer: String,
    /// From this day on
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Up to this day, included
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
}

#[derive(Serialize)]
struct Entries {
    customer: CustomerId,
    entries: Vec<WalletEntry>,
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = open(globals, ui)?;
    match &args.verb {
        Verb::Show(args) => show(args, &ctx, ui),
        Verb::Entries(args) => entries(args, &ctx, ui),
    }
}

fn show(args: &ShowArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let shown = wallet::show(ctx, &customer::resolve(ctx, &args.customer)?)?;
    ui.answer(&shown, |ui| {
        show_wallet(ui, ctx, &shown);
        Ok(())
    })?;
    if shown.above_limit {
        ui.warn(&t!(
            "{customer} has more than {limit} in the wallet, the limit set in shop.toml for a named prepaid card",
            customer = shown.customer,
            limit = ctx.config.settings.wallet.warn_above.yuan()
        ));
    }
    Ok(Exit::Done)
}

fn show_wallet(ui: &Ui, ctx: &Ctx, shown: &Shown) {
    ui.data(&format!("{} {}", shown.customer, shown.name));
    let mut rows = vec![vec![t!("balance"), shown.balance.yuan()]];
    if shown.bonus.is_positive() {
        rows.push(vec![t!("of this, given by the shop"), shown.bonus.yuan()]);
    }
    rows.push(vec![t!("points"), shown.points.to_string()]);
    rows.push(vec![t!("tier"), tier(shown)]);
    for agreement in &shown.agreements {
        rows.push(vec![agreement.agreement.to_string(), terms(agreement)]);
    }
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    if !shown.last.is_empty() {
        ui.data(&t!("Last entries"));
        for entry in &shown.last {
            ui.data(&row(ctx, entry));
        }
    }
}

fn tier(shown: &Shown) -> String {
    let amount = shown.standing.collected.yuan();
    let done =
        t!("{months} {months|term|terms} paid, {amount} collected", months = shown.standing.months, amount = amount);
    match (&shown.standing.tier, &shown.standing.benefits) {
        (Some(tier), Some(benefits)) if !benefits.is_empty() => format!("{tier} · {benefits} · {done}"),
        (Some(tier), _) => format!("{tier} · {done}"),
        (None, _) => format!("{} · {done}", t!("normal")),
    }
}

fn terms(terms: &Terms) -> String {
    let left = t!("{left} of {terms} terms left", left = terms.left, terms = terms.terms);
    let next = match (terms.next_due, terms.next_amount) {
        (Some(due), Some(amount)) => t!("next on {due}: {amount}", due = due, amount = amount.yuan()),
        _ => t!("nothing more falls due"),
    };
    let paused = if terms.paused { format!(" · {}", t!("paused")) } else { String::new() };
    format!("{} · {left} · {next}{paused}", terms.plan)
}

fn entries(args: &EntriesArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let from = args.from.as_deref().map(read_day).transpose()?;
    let to = args.to.as_deref().map(read_day).transpose()?;
    let customer = customer::resolve(ctx, &args.customer)?;
    if ui.is_json() {
        let mut answer = Entries { customer: customer.id, entries: Vec::new() };
        wallet::entries(ctx, &customer, from, to, |entry| {
            answer.entries.push(entry);
            Ok(())
        })?;
        ui.json(&answer);
        return Ok(Exit::Done);
    }
    let mut count = 0u64;
    wallet::entries(ctx, &customer, from, to, |entry| {
        if count == 0 {
            let heading = cells(&t!("Entry"), &t!("Time"), &t!("About"), &t!("Amount"), &t!("Balance"));
            ui.data(&ui.paint(Paint::Heading, &heading));
        }
        count += 1;
        ui.data(&row(ctx, &entry));
        Ok(())
    })?;
    if count == 0 {
        ui.status(&t!("no entry in this time"));
    }
    Ok(Exit::Done)
}

fn row(ctx: &Ctx, entry: &WalletEntry) -> String {
    cells(
        &entry.entry.to_string(),
        &wall(ctx, entry.at),
        &entry.text(),
        &entry.amount.grouped(),
        &entry.balance.grouped(),
    )
}

/// Fixed columns, so that a long list appears as it is read.
fn cells(entry: &str, time: &str, about: &str, amount: &str, balance: &str) -> String {
    format!(
        "{}  {}  {}  {}  {}",
        pad(entry, 8),
        pad(time, 16),
        pad(about, 28),
        pad_left(amount, 12),
        pad_left(balance, 12)
    )
}
