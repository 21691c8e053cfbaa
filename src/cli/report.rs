//! `kibble report`: what a period was like, and its files for the accountant.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui, columns};
use crate::cli::usage::reason;
use crate::cli::{self, Globals};
use crate::config;
use crate::domain::money::Money;
use crate::domain::report::{Rank, Rate};
use crate::ops::Ctx;
use crate::ops::catalog::category_text;
use crate::ops::report::export::{Exported, Wanted, export, no_reason};
use crate::ops::report::{Asked, Overview, overview, period};
use crate::ops::risk::reason_text;
use crate::t;

/// Width of a bar, in columns of the terminal.
const BAR: usize = 20;

/// Figures of a month, and its files for the accountant
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Overview(OverviewArgs),
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
struct Days {
    /// A month, for example 2026-11; without it and without --from, this month
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "to"])]
    month: Option<String>,
    /// First day, for example 2026-11-01
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day; today when left out
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<String>,
}

/// Show what a month or a range of days was like, each figure with its definition
#[derive(Debug, clap::Args)]
struct OverviewArgs {
    #[command(flatten)]
    days: Days,
    /// Leave out the definitions
    #[arg(long)]
    no_definitions: bool,
    /// What best sellers are ranked by
    #[arg(long, default_value = "units", value_parser = ["units", "revenue", "profit"])]
    by: String,
    /// How many best sellers to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: u32,
}

/// Write the files of a month for the accountant: CSV, a workbook, and a journal for `hledger`
#[derive(Debug, clap::Args)]
struct ExportArgs {
    #[command(flatten)]
    days: Days,
    /// The folder that is to hold the files and nothing else; without it `exports` in the shop's folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show names and phones in full; needs --reason
    #[arg(long)]
    full: bool,
    /// Why names and phones are needed in full; kept in the audit trail
    #[arg(long, value_name = "TEXT", requires = "full", value_parser = reason)]
    reason: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Those of [`crate::ops::report`].
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    match &args.verb {
        Verb::Overview(args) => run_overview(&ctx, args, ui),
        Verb::Export(args) => run_export(&ctx, args, ui),
    }
}

impl Days {
    fn asked(&self) -> Asked {
        Asked { month: self.month.clone(), from: self.from.clone(), to: self.to.clone() }
    }
}

fn run_export(ctx: &Ctx, args: &ExportArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let full = match (args.full, &args.reason) {
        (false, _) => None,
        (true, Some(reason)) => Some(reason.clone()),
        (true, None) => return Err(no_reason().into()),
    };
    let out = args.out.as_deref().map(config::absolute).transpose()?;
    let period = period(&args.days.asked(), ctx.today(ctx.now()))?;
    let exported = export(ctx, &Wanted { period, out, full })?;
    ui.answer(&exported, |ui| {
        show_export(ui, &exported);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_export(ui: &Ui, it: &Exported) {
    ui.data(&t!("exported to {folder}, rows: {count}", count = it.rows, folder = it.folder.display()));
    for file in &it.files {
        ui.data(&format!("  {file}"));
    }
    ui.data("");
    let money = [
        (t!("collected"), it.collected),
        (t!("paid back"), it.paid_back),
        (t!("into wallets"), it.wallet_in),
        (t!("out of wallets"), it.wallet_out),
        (t!("all wallets before"), it.wallet_before),
        (t!("all wallets after"), it.wallet_after),
        (t!("sold from the shelf"), it.redeemed),
        (t!("fees"), it.fees),
    ];
    let rows: Vec<Vec<String>> = money.into_iter().map(|(label, amount)| vec![label, amount.yuan()]).collect();
    for line in columns(&rows, &[1]) {
        ui.data(&format!("  {line}"));
    }
    ui.status(&t!("the totals of the files were read back and agree with the books"));
    if !it.fees_known {
        ui.status(&t!("fees.csv is empty: no bill of a payment rail with fees was reconciled in this period"));
    }
    if it.full {
        ui.warn(&t!("the files show names and phones in full: pass them on to nobody who does not need them"));
    }
}

fn run_overview(ctx: &Ctx, args: &OverviewArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let period = period(&args.days.asked(), ctx.today(ctx.now()))?;
    let rank = match args.by.as_str() {
        "revenue" => Rank::Revenue,
        "profit" => Rank::Profit,
        _ => Rank::Units,
    };
    let overview = overview(ctx, period, rank, args.top)?;
    let sections = sections(&overview);
    let definitions = (!args.no_definitions).then(|| {
        let all = sections.iter().flat_map(|section| &section.lines).filter(|line| !line.definition.is_empty());
        let mut map: BTreeMap<&str, String> = all.map(|line| (line.key, line.definition.clone())).collect();
        map.insert("best_sellers", sellers_definition());
        map.insert("high_risk", risk_definition());
        map
    });
    ui.answer(&Answer { overview: &overview, definitions: definitions.as_ref() }, |ui| {
        show(ui, &overview, &sections, definitions.is_some());
        Ok(())
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    overview: &'a Overview,
    #[serde(skip_serializing_if = "Option::is_none")]
    definitions: Option<&'a BTreeMap<&'static str, String>>,
}

/// The overview as people read it, without definitions.
pub(super) fn show_overview(ui: &Ui, it: &Overview) {
    show(ui, it, &sections(it), false);
}

struct Section {
    title: String,
    lines: Vec<Line>,
}

/// One figure: its key in JSON, its words, its value, what stands beside it, and its definition, empty when the line above has it.
struct Line {
    key: &'static str,
    label: String,
    value: String,
    beside: String,
    bar: Option<Rate>,
    definition: String,
}

impl Line {
    fn new(key: &'static str, label: String, value: impl ToString, definition: String) -> Line {
        Line { key, label, value: value.to_string(), beside: String::new(), bar: None, definition }
    }

    fn rate(key: &'static str, label: String, rate: Rate, definition: String) -> Line {
        Line { bar: Some(rate), ..Line::new(key, label, rate, definition) }
    }

    fn beside(self, text: String) -> Line {
        Line { beside: text, ..self }
    }
}

fn sections(it: &Overview) -> Vec<Section> {
    vec![
        Section { title: t!("Agreements of the period"), lines: agreement_lines(it) },
        Section { title: t!("Collection"), lines: collection_lines(it) },
        Section { title: t!("Debits"), lines: debit_lines(it) },
        Section { title: t!("Overdue"), lines: overdue_lines(it) },
        Section { title: t!("Wallets and sales"), lines: wallet_lines(it) },
    ]
}

fn agreement_lines(it: &Overview) -> Vec<Line> {
    vec![
        Line::new(
            "signed",
            t!("signed"),
            it.signed,
            t!("signed in the period, without those that never ran or ended within the cooling-off days"),
        ),
        Line::new("active", t!("running"), it.active, t!("running or paused at the end of the period")),
        Line::new("completed", t!("completed"), it.completed, t!("came to their agreed end in the period")),
        Line::new("ended", t!("terminated"), it.ended, t!("whose notice of termination came in the period")),
    ]
}

fn collection_lines(it: &Overview) -> Vec<Line> {
    let months = match it.months_partial {
        true => t!("months: {count}, not all of them whole", count = it.months),
        false => t!("months: {count}", count = it.months),
    };
    vec![
        Line::new(
            "due_amount",
            t!("due"),
            it.due_amount.yuan(),
            t!("terms due in the period, without cancelled ones and those collected before kibble"),
        )
        .beside(t!("terms: {count}", count = it.due)),
        Line::new("due_paid_amount", t!("of this, paid"), it.due_paid_amount.yuan(), String::new())
            .beside(t!("terms: {count}", count = it.due_paid)),
        Line::rate(
            "collection_rate",
            t!("collection rate"),
            it.collection_rate,
            t!("amount of terms due in the period and paid by its end ÷ amount due in the period"),
        ),
        Line::new(
            "collected",
            t!("collected"),
            it.collected.yuan(),
            t!("charges booked in the period, whenever the term was due: debits, pay links, counter"),
        )
        .beside(t!("charges: {count}", count = it.collections)),
        Line::new("refunded", t!("refunded"), it.refunded.yuan(), t!("refunds booked as paid in the period"))
            .beside(t!("refunds: {count}", count = it.refunds)),
        Line::new(
            "monthly_collection",
            t!("collected per month"),
            it.monthly_collection.yuan(),
            t!("collected less refunded ÷ calendar months in the period"),
        )
        .beside(months),
    ]
}

fn debit_lines(it: &Overview) -> Vec<Line> {
    vec![
        Line::new(
            "presented",
            t!("terms presented"),
            it.presented,
            t!("terms due in the period with at least one automatic debit"),
        ),
        Line::rate(
            "first_try_rate",
            t!("success at first try"),
            it.first_try_rate,
            t!("terms paid by their first debit ÷ terms presented"),
        ),
        Line::rate(
            "installment_rate",
            t!("success by term"),
            it.installment_rate,
            t!("terms paid by a debit made within 24 hours of the first one ÷ terms presented"),
        ),
        Line::rate(
            "attempt_rate",
            t!("success by attempt"),
            it.attempt_rate,
            t!("debits paid ÷ debits paid or declined, second mandates included"),
        )
        .beside(t!("debits: {count}", count = it.attempts)),
    ]
}

fn overdue_lines(it: &Overview) -> Vec<Line> {
    let mut lines = Vec::new();
    for (place, late) in it.overdue.iter().enumerate() {
        let first = |definition: String| if place == 0 { definition } else { String::new() };
        let definition = first(t!(
            "unpaid terms of the period that are so many days late on {day} ÷ terms of the period due by then",
            day = it.cut_off
        ));
        let label = t!("{days}+ days, by amount", days = late.days);
        lines.push(Line::rate("overdue", label, late.rate, definition).beside(late.amount.yuan()));
        let definition = first(t!("agreements with such a term ÷ agreements with a term due by then"));
        let label = t!("{days}+ days, by agreement", days = late.days);
        let beside = t!("agreements: {count}", count = late.agreements);
        lines.push(Line::rate("overdue_agreements", label, late.agreements_rate, definition).beside(beside));
    }
    for (place, late) in it.overdue.iter().enumerate() {
        let definition = match place {
            0 => t!("unpaid today and so many days late, whatever month it fell due in"),
            _ => String::new(),
        };
        let label = t!("{days}+ days, all months", days = late.days);
        lines.push(Line::new("unpaid_today", label, late.unpaid_today.yuan(), definition));
    }
    lines
}

fn wallet_lines(it: &Overview) -> Vec<Line> {
    vec![
        Line::new(
            "wallet_balance",
            t!("in all wallets"),
            it.wallet_balance.yuan(),
            t!("balances at the end of the period, bonus included"),
        ),
        Line::new(
            "wallet_days",
            t!("days it lasts"),
            it.wallet_days.map_or_else(|| "-".to_owned(), |days| days.to_string()),
            t!("balance ÷ average daily value delivered from wallets in the 90 days before"),
        ),
        Line::new(
            "revenue",
            t!("sales"),
            it.revenue.yuan(),
            t!("goods and services delivered in the period, less what was returned in it"),
        ),
        Line::new("cost", t!("cost of these"), it.cost.yuan(), t!("their cost, what was sent again included")),
    ]
}

fn sellers_definition() -> String {
    t!("delivered in the period, less pieces returned since; profit = revenue less cost")
}

fn risk_definition() -> String {
    t!("agreements whose flag stood at the end of the period: two terms in a row failed after all retries")
}

fn show(ui: &Ui, it: &Overview, sections: &[Section], with_definitions: bool) {
    // A month has a name; any other range is named by its days, once.
    let (period, days) = match it.period.contains('_') {
        true => (t!("{from} – {to}", from = it.from, to = it.to), t!("overdue counted on {day}", day = it.cut_off)),
        false => (
            it.period.clone(),
            t!("{from} – {to}, overdue counted on {day}", from = it.from, to = it.to, day = it.cut_off),
        ),
    };
    ui.data(&ui.paint(Paint::Heading, &t!("Overview {period}", period = period)));
    ui.data(&days);
    // One width for all sections, so that the whole page lines up.
    let rows: Vec<Vec<String>> = sections
        .iter()
        .flat_map(|section| &section.lines)
        .map(|line| {
            let beside = match (line.bar.filter(|rate| rate.bps().is_some()), line.beside.is_empty()) {
                (Some(rate), true) => bar(rate),
                (Some(rate), false) => format!("{}  {}", bar(rate), line.beside),
                (None, _) => line.beside.clone(),
            };
            vec![line.label.clone(), line.value.clone(), beside]
        })
        .collect();
    let mut lined_up = columns(&rows, &[1]).into_iter();
    for section in sections {
        ui.data("");
        ui.data(&ui.paint(Paint::Heading, &section.title));
        for (line, text) in section.lines.iter().zip(lined_up.by_ref()) {
            ui.data(&format!("  {text}"));
            if with_definitions && !line.definition.is_empty() {
                define(ui, &line.definition);
            }
        }
    }
    show_sellers(ui, it, with_definitions);
    show_risk(ui, it, with_definitions);
}

fn show_sellers(ui: &Ui, it: &Overview, with_definitions: bool) {
    ui.data("");
    ui.data(&ui.paint(Paint::Heading, &t!("Best sellers")));
    if with_definitions {
        define(ui, &sellers_definition());
    }
    if it.best_sellers.is_empty() {
        ui.data(&format!("  {}", t!("nothing was delivered")));
        return;
    }
    let measure = |units: i64, revenue: Money, profit: Money| match it.best_by {
        "revenue" => revenue.fen(),
        "profit" => profit.fen(),
        _ => units,
    };
    let most = it.best_sellers.iter().map(|item| measure(item.units, item.revenue, item.profit)).max().unwrap_or(0);
    let heads =
        [t!("Item code"), t!("Item"), t!("Category"), t!("Units"), t!("Revenue"), t!("Profit"), t!("Beside the best")];
    let mut table = Table::new(heads).right(&[3, 4, 5]);
    for item in &it.best_sellers {
        table.row([
            item.sku.clone(),
            item.name.clone(),
            category_text(&item.category),
            item.units.to_string(),
            item.revenue.yuan(),
            item.profit.yuan(),
            bar(Rate::of(measure(item.units, item.revenue, item.profit), most)),
        ]);
    }
    ui.table(&table);
}

fn show_risk(ui: &Ui, it: &Overview, with_definitions: bool) {
    ui.data("");
    ui.data(&ui.paint(Paint::Heading, &t!("High risk: {count}", count = it.high_risk)));
    if with_definitions {
        define(ui, &risk_definition());
    }
    if it.high_risk_newest.is_empty() {
        return;
    }
    let mut table = Table::new([t!("Agreement"), t!("Customer no."), t!("Customer"), t!("Since"), t!("Reason")]);
    for risk in &it.high_risk_newest {
        table.row([
            risk.agreement.to_string(),
            risk.customer.to_string(),
            risk.label.clone(),
            risk.since.to_string(),
            reason_text(&risk.reason),
        ]);
    }
    ui.table(&table);
}

fn define(ui: &Ui, definition: &str) {
    ui.data(&ui.paint(Paint::Dim, &format!("      {definition}")));
}

fn bar(rate: Rate) -> String {
    let full = rate.pieces(BAR);
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}
