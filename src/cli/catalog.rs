//! `kibble catalog`: the shelf and its prices.

use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui, pad, pad_left};
use crate::cli::{Globals, open};
use crate::domain::catalog::category;
use crate::fault::Fault;
use crate::ops::catalog::{self, Change, Filter, Import, Imported, Listed, category_text, read_price};
use crate::t;
use crate::text::{Lang, lang};

/// Items, prices, and what the wallet may pay for
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its `Args`.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Import(ImportArgs),
    List(ListArgs),
    Set(SetArgs),
}

/// Take over a price list (CSV); importing it twice changes nothing
#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The price list
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Where refused rows go, to be mended and imported again; without it beside the file
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

/// List items with their prices
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this category, for example `staple`
    #[arg(long)]
    category: Option<String>,
    /// Only items with this in code, name or brand
    #[arg(long, value_name = "WORD")]
    search: Option<String>,
    /// Only this supplier's
    #[arg(long)]
    supplier: Option<String>,
}

/// Change one item by hand
#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The item's code
    #[arg(value_name = "SKU")]
    sku: String,
    /// What to change
    #[arg(value_name = "WHAT", value_parser = ["price", "member-price", "cost", "wallet", "on-sale"])]
    what: String,
    /// An amount in yuan; yes or no; for the wallet also default, which leaves it to the category
    #[arg(value_name = "VALUE")]
    value: String,
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Import(args) => import(args, globals, ui),
        Verb::List(args) => list(args, globals, ui),
        Verb::Set(args) => set(args, globals, ui),
    }
}

fn import(args: &ImportArgs, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = open(globals, ui)?;
    let options = Import { file: &args.file, dry_run: args.dry_run, rejects: args.rejects.as_deref() };
    let done = catalog::import(&ctx, &options)?;
    ui.answer(&done, |ui| {
        show_import(ui, &done);
        Ok(())
    })?;
    Ok(if done.refused_rows == 0 { Exit::Done } else { Exit::NeedsPerson })
}

fn show_import(ui: &Ui, done: &Imported) {
    let rows = done.rows;
    if done.added + done.changed == 0 {
        ui.data(&t!(
            "{rows} {rows|row|rows}: nothing changes; {count} {count|item|items} stood like that already",
            rows = rows,
            count = done.unchanged
        ));
    } else {
        ui.data(&t!(
            "{rows} {rows|row|rows}: {added} {added|item|items} added, {changed} changed, {same} as before",
            rows = rows,
            added = done.added,
            changed = done.changed,
            same = done.unchanged
        ));
    }
    if done.repeated > 0 {
        ui.data(&t!("{count} {count|row says|rows say} again what an earlier row said", count = done.repeated));
    }
    if !done.ignored_columns.is_empty() {
        ui.status(&t!("columns that are not used: {columns}", columns = done.ignored_columns.join(", ")));
    }
    for odd in &done.odd {
        ui.warn(&t!("line {line}, {sku}: {what}", line = odd.line, sku = odd.sku, what = odd.what));
    }
    if done.refused_rows > 0 {
        ui.data(&t!("{count} {count|row|rows} refused:", count = done.refused_rows));
        let mut table = Table::new([t!("Line"), t!("Field"), t!("Value"), t!("Reason"), t!("Fix")]).right(&[0]);
        for cell in &done.refused {
            let field = cell.field.clone().unwrap_or_else(|| t!("row"));
            let value = cell.value.clone();
            table.row([cell.line.to_string(), field, value, cell.reason.clone(), cell.fix.clone()]);
        }
        ui.table(&table);
    }
    if let Some(file) = &done.rejects {
        ui.hint(&t!("mend the refused rows in {file} and import that file", file = file.display()));
    }
    if done.dry_run {
        ui.status(&t!("this was a dry run: nothing was written"));
    }
}

fn list(args: &ListArgs, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = open(globals, ui)?;
    let filter = Filter {
        category: args.category.as_deref().map(category),
        search: args.search.clone(),
        supplier: args.supplier.clone(),
    };
    if ui.is_json() {
        let mut items = Vec::new();
        catalog::list(&ctx, &filter, |item| {
            items.push(item);
            Ok(())
        })?;
        ui.json(&items);
        return Ok(Exit::Done);
    }
    let mut count = 0u64;
    catalog::list(&ctx, &filter, |item| {
        if count == 0 {
            ui.data(&ui.paint(Paint::Heading, &heading()));
        }
        count += 1;
        ui.data(&row(&item));
        Ok(())
    })?;
    match count {
        0 => ui.status(&t!("no item fits")),
        _ => ui.status(&t!("{count} {count|item|items}", count = count)),
    }
    Ok(Exit::Done)
}

/// Fixed columns, so that a long list appears as it is read.
fn heading() -> String {
    cells(
        [&t!("SKU"), &t!("Category"), &t!("Price"), &t!("Member"), &t!("Cost"), &t!("Wallet")],
        &t!("Item"),
        &t!("Supplier"),
    )
}

fn row(item: &Listed) -> String {
    let english = lang() == Lang::En && !item.name_en.is_empty();
    let name = if english { &item.name_en } else { &item.name_zh };
    let name = if item.on_sale { name.clone() } else { t!("{item} (not on sale)", item = name) };
    let yes = if item.wallet { t!("yes") } else { t!("no") };
    // A star marks an item that does not follow its category.
    let wallet = if item.wallet_override.is_some() { format!("{yes}*") } else { yes };
    let money = [item.price, item.member_price, item.cost].map(|price| price.grouped());
    cells([&item.sku, &category_text(&item.category), &money[0], &money[1], &money[2], &wallet], &name, &item.supplier)
}

fn cells([sku, category, price, member, cost, wallet]: [&str; 6], name: &str, supplier: &str) -> String {
    let parts = [
        pad(sku, 12),
        pad(category, 12),
        pad_left(price, 9),
        pad_left(member, 9),
        pad_left(cost, 9),
        pad(wallet, 8),
        pad(name, 40),
        supplier.to_owned(),
    ];
    parts.join("  ").trim_end().to_owned()
}

fn set(args: &SetArgs, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let change = match args.what.as_str() {
        "price" => Change::Price(read_price(&args.value)?),
        "member-price" => Change::MemberPrice(read_price(&args.value)?),
        "cost" => Change::Cost(read_price(&args.value)?),
        "on-sale" => Change::OnSale(yes_or_no(&args.value)?),
        _ if args.value == "default" => Change::Wallet(None),
        _ => Change::Wallet(Some(yes_or_no(&args.value)?)),
    };
    let ctx = open(globals, ui)?;
    let done = catalog::set(&ctx, &args.sku, change)?;
    ui.answer(&done, |ui| {
        let item = &done.item;
        match done.changed {
            true => ui.data(&t!("{sku} changed", sku = item.sku)),
            false => ui.data(&t!("{sku} stood like that already; nothing changed", sku = item.sku)),
        }
        ui.data(&heading());
        ui.data(&row(item));
        Ok(())
    })?;
    if let Some(odd) = &done.odd {
        ui.warn(odd);
    }
    Ok(Exit::Done)
}

fn yes_or_no(text: &str) -> anyhow::Result<bool> {
    match text {
        "yes" | "是" => Ok(true),
        "no" | "否" => Ok(false),
        _ => Err(Fault::usage(t!("{value} is neither yes nor no", value = text)).into()),
    }
}
