//! `kibble plan`: what is on offer.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::Globals;
use crate::cli::agreement_import::first_debits;
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui, columns};
use crate::domain::date::FirstDebit;
use crate::domain::money::Money;
use crate::domain::plan::{Plan, Scenario};
use crate::fault::Fault;
use crate::ops::plan::{Offer, Quote, QuoteOptions, add, list, quote, show, withdraw};
use crate::ops::{Ctx, read_day, read_money};
use crate::t;
use crate::text::{self, Lang};

/// What is on offer
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(Add),
    List(List),
    Show(Show),
    Withdraw(Withdraw),
    Quote(QuoteArgs),
}

/// Offer a plan; asks for what the options do not say
#[derive(Debug, clap::Args)]
struct Add {
    /// Short code, for example cat-199-12
    #[arg(long)]
    code: Option<String>,
    /// Chinese name
    #[arg(long, value_name = "NAME")]
    name_zh: Option<String>,
    /// English name
    #[arg(long, value_name = "NAME")]
    name_en: Option<String>,
    /// Free adoption with a food plan, or sale with a service package
    #[arg(long, value_parser = scenarios(), default_value = "adoption")]
    scenario: Scenario,
    /// Yuan a month
    #[arg(long, value_name = "AMOUNT")]
    monthly: Option<String>,
    /// Number of months
    #[arg(long, value_name = "NUMBER")]
    terms: Option<String>,
    /// When the first term falls due
    #[arg(long, value_name = "WHEN", default_value = "next-month", value_parser = first_debits())]
    first_debit: FirstDebit,
    /// What the pet itself costs, for a sale
    #[arg(long, value_name = "AMOUNT")]
    sale_price: Option<String>,
    /// Days of the health guarantee
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    guarantee_days: u32,
    /// What the plan holds, in Chinese
    #[arg(long, value_name = "TEXT")]
    contents_zh: Option<String>,
    /// What the plan holds, in English
    #[arg(long, value_name = "TEXT")]
    contents_en: Option<String>,
    /// Change a plan that is there; signed agreements keep what was signed
    #[arg(long)]
    replace: bool,
}

/// List the plans on offer
#[derive(Debug, clap::Args)]
struct List {
    /// Also those that are not on offer any more
    #[arg(long)]
    all: bool,
}

/// Show a plan
#[derive(Debug, clap::Args)]
struct Show {
    /// The plan's code
    code: String,
}

/// Take a plan off the offer; signed agreements go on
#[derive(Debug, clap::Args)]
struct Withdraw {
    /// The plan's code
    code: String,
}

/// Show what a customer will have paid by when
#[derive(Debug, clap::Args)]
struct QuoteArgs {
    /// The plan's code
    code: String,
    /// If it were signed on this day; without it today
    #[arg(long, value_name = "DATE")]
    signed_on: Option<String>,
    /// Debit day of the month; without it the day of signing, as far as the payment rail takes it
    #[arg(long, value_name = "DAY")]
    day: Option<u32>,
    /// Payment rail; without it all of the shop's
    #[arg(long, value_name = "RAIL")]
    rail: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Those of `ops::plan`.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = super::open(globals, ui)?;
    match &args.verb {
        Verb::Add(args) => run_add(args, &ctx, ui),
        Verb::List(args) => run_list(args, &ctx, ui),
        Verb::Show(args) => answer(ui, &show(&ctx, &args.code)?, None),
        Verb::Withdraw(args) => {
            let offer = withdraw(&ctx, &args.code)?;
            let told = t!("the plan {code} is off the offer; signed agreements go on", code = offer.plan.code);
            answer(ui, &offer, Some(&told))
        }
        Verb::Quote(args) => run_quote(args, &ctx, ui),
    }
}

fn run_add(args: &Add, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let ask = |given: &Option<String>, question: String, default: Option<&str>, flag: &str| match given {
        Some(text) => Ok(text.clone()),
        None => ui.input(&question, default, flag),
    };
    let code = ask(&args.code, t!("Short code, for example cat-199-12?"), None, "--code")?;
    let name = match (&args.name_zh, &args.name_en) {
        (None, None) => ui.input(&t!("What is the plan called?"), None, "--name-zh")?,
        (Some(name), _) | (None, Some(name)) => name.clone(),
    };
    let monthly = read_money(&ask(&args.monthly, t!("How many yuan a month?"), None, "--monthly")?)?;
    let terms = ask(&args.terms, t!("How many months?"), None, "--terms")?;
    let terms = terms.trim().parse().map_err(|_| {
        Fault::usage(t!("{text} is not a whole number", text = terms)).hint(t!("write digits only, for example 12"))
    })?;
    let sale_price = match (&args.sale_price, args.scenario) {
        (None, Scenario::Adoption) => Money::ZERO,
        (given, _) => read_money(&ask(given, t!("What does the pet itself cost, in yuan?"), None, "--sale-price")?)?,
    };
    let or = |given: &Option<String>, other: &Option<String>, default: &str| {
        given.clone().or_else(|| other.clone()).unwrap_or_else(|| default.to_owned())
    };
    let plan = Plan {
        code: code.trim().to_owned(),
        name_zh: or(&args.name_zh, &args.name_en, &name),
        name_en: or(&args.name_en, &args.name_zh, &name),
        scenario: args.scenario,
        monthly,
        terms,
        first_debit: args.first_debit,
        sale_price,
        guarantee_days: args.guarantee_days,
        contents_zh: or(&args.contents_zh, &args.contents_en, ""),
        contents_en: or(&args.contents_en, &args.contents_zh, ""),
    };
    let offer = add(ctx, &plan, args.replace)?;
    let told = t!("the plan {code} is on offer", code = offer.plan.code);
    answer(ui, &offer, Some(&told))
}

fn run_list(args: &List, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let plans = list(ctx, args.all)?;
    ui.answer(&serde_json::json!({ "plans": plans }), |ui| {
        if plans.is_empty() {
            ui.status(&t!("no plan is on offer"));
            return Ok(());
        }
        let head = [t!("Code"), t!("Plan"), t!("Kind"), t!("Monthly"), t!("Terms"), t!("Total"), t!("On offer")];
        let mut table = Table::new(head).right(&[3, 4, 5]);
        for it in &plans {
            table.row([
                it.plan.code.clone(),
                name(&it.plan).to_owned(),
                scenario_text(it.plan.scenario),
                it.plan.monthly.grouped(),
                it.plan.terms.to_string(),
                it.total.grouped(),
                if it.on_offer { t!("yes") } else { t!("no") },
            ]);
        }
        ui.table(&table);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_quote(args: &QuoteArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let signed_on = args.signed_on.as_deref().map(read_day).transpose()?;
    let options = QuoteOptions { signed_on, day: args.day, rail: args.rail.clone() };
    let quote = quote(ctx, &args.code, &options)?;
    ui.answer(&quote, |ui| {
        show_quote(ui, &quote);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn answer(ui: &Ui, offer: &Offer, told: Option<&str>) -> anyhow::Result<Exit> {
    ui.answer(offer, |ui| {
        if let Some(told) = told {
            ui.data(told);
        }
        show_offer(ui, offer);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_offer(ui: &Ui, it: &Offer) {
    let plan = &it.plan;
    ui.data(&ui.paint(Paint::Heading, &format!("{} {}", plan.code, name(plan))));
    let mut rows = vec![
        vec![t!("Kind"), scenario_text(plan.scenario)],
        vec![t!("Monthly"), plan.monthly.yuan()],
        vec![t!("Terms"), plan.terms.to_string()],
        vec![t!("Total"), it.total.yuan()],
        vec![t!("First debit"), first_text(plan.first_debit)],
        vec![t!("Health guarantee"), t!("{count} {count|day|days}", count = plan.guarantee_days)],
        vec![t!("On offer"), if it.on_offer { t!("yes") } else { t!("no") }],
    ];
    if plan.sale_price.is_positive() {
        rows.push(vec![t!("Price of the pet"), plan.sale_price.yuan()]);
    }
    let contents = if text::lang() == Lang::En { &plan.contents_en } else { &plan.contents_zh };
    if !contents.is_empty() {
        rows.push(vec![t!("Contents"), contents.clone()]);
    }
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    for advice in &it.advice {
        ui.warn(advice);
    }
}

fn show_quote(ui: &Ui, it: &Quote) {
    show_offer(ui, &it.offer);
    ui.data("");
    ui.data(&t!("Signed on {date}, debit day {day}", date = it.signed_on, day = it.day));
    let mut table = Table::new([t!("Term"), t!("Due"), t!("Amount"), t!("Paid by then")]).right(&[0, 2, 3]);
    for line in &it.lines {
        let (amount, paid) = (line.amount.grouped(), line.paid_by_then.grouped());
        table.row([line.term.to_string(), line.due.to_string(), amount, paid]);
    }
    ui.table(&table);
    ui.data(&t!("The last debit is on {due}; the agreement ends on {end}", due = it.last_due, end = it.ends_on));
    if !it.offer.on_offer {
        ui.warn(&t!("the plan is not on offer any more"));
    }
    for warning in &it.warnings {
        ui.warn(warning);
    }
}

/// The plan's name in the reader's language.
pub(super) fn name(plan: &Plan) -> &str {
    if text::lang() == Lang::En { &plan.name_en } else { &plan.name_zh }
}

fn scenario_text(scenario: Scenario) -> String {
    match scenario {
        Scenario::Adoption => t!("free adoption with a food plan"),
        Scenario::Sale => t!("sale with a service package"),
    }
}

fn first_text(first: FirstDebit) -> String {
    match first {
        FirstDebit::AtSigning => t!("on the day of signing"),
        FirstDebit::NextMonth => t!("on the debit day of the next month"),
    }
}

fn scenarios() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(["adoption", "sale"])
        .map(|word| Scenario::from_word(&word).expect("the words above are the domain's"))
}
