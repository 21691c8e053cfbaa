//! `kibble sandbox`: plays the customer and the provider in a rehearsal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use chrono::NaiveDate;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use crate::cli::exit::Exit;
use crate::cli::mandate::show_synced;
use crate::cli::ui::{Table, Ui};
use crate::cli::{self, Globals};
use crate::domain::id::MandateId;
use crate::domain::money::Money;
use crate::domain::rail::Reason;
use crate::fault::Fault;
use crate::ops::book::amount_text;
use crate::ops::customer::resolve;
use crate::ops::sandbox::{self, ContractState, FAULTS, Snapshot};
use crate::ops::{self, Ctx};
use crate::t;

/// Play the customer and the provider of a sandbox rail
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its arguments.
#[derive(Debug, Subcommand)]
enum Verb {
    Sign(Sign),
    Fund(Fund),
    Card(Card),
    Credit(CreditArgs),
    Revoke(Revoke),
    Pay(Pay),
    Fault(FaultArgs),
    Bill(Bill),
    State(State),
}

/// The customer agrees to a mandate
#[derive(Debug, clap::Args)]
struct Sign {
    /// The mandate, for example m-7
    #[arg(required_unless_present = "all")]
    mandate: Option<MandateId>,
    /// Every mandate that waits
    #[arg(long, conflicts_with = "mandate")]
    all: bool,
}

/// Set what a customer has in the wallet app
#[derive(Debug, clap::Args)]
struct Fund {
    /// Id, phone number or name
    customer: String,
    /// In yuan
    amount: String,
}

/// Bind a card to a customer's wallet app, or take it away
#[derive(Debug, clap::Args)]
struct Card {
    /// Id, phone number or name
    customer: String,
    /// What the card is called, for example cmb-1234
    #[arg(long)]
    label: String,
    /// What sort of card
    #[arg(long, default_value = "debit", value_parser = PossibleValuesParser::new(["debit", "credit"]))]
    kind: String,
    /// What it can pay, in yuan
    #[arg(long, value_name = "AMOUNT", required_unless_present = "drop")]
    limit: Option<String>,
    /// Take the card away
    #[arg(long, conflicts_with = "limit")]
    drop: bool,
}

/// Set what the pretended provider of credit checks says of a customer
#[derive(Debug, clap::Args)]
struct CreditArgs {
    /// Id, phone number or name
    customer: String,
    /// A score from 350 to 950, `unknown`, or `down`
    told: String,
}

/// The customer ends a mandate in the wallet app
#[derive(Debug, clap::Args)]
struct Revoke {
    /// The mandate, for example m-7
    mandate: MandateId,
}

/// The customer pays an open pay link
#[derive(Debug, clap::Args)]
struct Pay {
    /// A term, for example a-7/3, or the link's order number
    what: String,
}

/// Let a payment rail go wrong
#[derive(Debug, clap::Args)]
struct FaultArgs {
    /// The payment rail
    rail: String,
    /// What goes wrong: it declines, the connection drops before or after the work, it is slow, answers nonsense, or is down
    #[arg(value_parser = PossibleValuesParser::new(FAULTS), required_unless_present = "clear")]
    kind: Option<String>,
    /// For so many calls; without it one
    #[arg(long, value_name = "COUNT", conflicts_with = "lasts")]
    times: Option<u32>,
    /// For so long, for example 30m, 2h or 1d
    #[arg(long = "for", id = "lasts", value_name = "TIME")]
    lasts: Option<String>,
    /// Why it declines
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::word)))]
    reason: Option<String>,
    /// Take every fault of the rail away
    #[arg(long, conflicts_with_all = ["kind", "times", "lasts", "reason"])]
    clear: bool,
}

/// Write the bill of a day, as the provider would give it
#[derive(Debug, clap::Args)]
struct Bill {
    /// The payment rail
    rail: String,
    /// The day
    date: NaiveDate,
    /// Where it goes; without it into the shop's exports
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Show the provider's book
#[derive(Debug, clap::Args)]
struct State {
    /// Also list every contract
    #[arg(long)]
    all: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let now = ctx.now();
    match &args.verb {
        Verb::Sign(it) => {
            let synced = sandbox::sign(&ctx, it.mandate.filter(|_| !it.all), now)?;
            ui.answer(&synced, |ui| {
                show_synced(ui, &synced);
                Ok(())
            })?;
        }
        Verb::Fund(it) => {
            let customer = resolve(&ctx, &it.customer)?;
            let amount = amount(&it.amount, "AMOUNT")?;
            sandbox::fund(&ctx, customer.id, amount)?;
            said(ui, t!("{customer} has {amount} in the wallet app", customer = customer.id, amount = amount.yuan()))?;
        }
        Verb::Card(it) => card(&ctx, ui, it)?,
        Verb::Credit(it) => {
            let customer = resolve(&ctx, &it.customer)?;
            sandbox::set_credit(&ctx, customer.id, &it.told)?;
            said(ui, t!("the credit check of {customer} will say: {told}", customer = customer.id, told = it.told))?;
        }
        Verb::Revoke(it) => {
            sandbox::revoke(&ctx, it.mandate, now)?;
            said(
                ui,
                t!("{mandate} was ended in the wallet app; the shop has not heard of it yet", mandate = it.mandate),
            )?;
        }
        Verb::Pay(it) => {
            let charge = sandbox::pay(&ctx, &it.what, now)?;
            let text = t!(
                "{term} was paid by link, {amount}; `kibble debit run` books it",
                term = charge.installment,
                amount = charge.amount.yuan()
            );
            said(ui, text)?;
        }
        Verb::Fault(it) => fault(&ctx, ui, it, now)?,
        Verb::Bill(it) => {
            let bill = sandbox::bill(&ctx, &it.rail, it.date, it.out.as_deref())?;
            ui.answer(&bill, |ui| {
                ui.data(&bill.file.display().to_string());
                Ok(())
            })?;
        }
        Verb::State(it) => state(&ctx, ui, it.all)?,
    }
    Ok(Exit::Done)
}

fn card(ctx: &Ctx, ui: &Ui, it: &Card) -> Result<()> {
    let customer = resolve(ctx, &it.customer)?;
    if it.drop {
        sandbox::drop_card(ctx, customer.id, &it.label)?;
        return said(ui, t!("{customer} has no card {label} any more", customer = customer.id, label = it.label));
    }
    let limit = amount(it.limit.as_deref().unwrap_or_default(), "--limit")?;
    sandbox::set_card(ctx, customer.id, &it.label, sandbox::card_kind(&it.kind)?, limit)?;
    let text = t!(
        "{customer} can pay {amount} with the card {label}",
        customer = customer.id,
        amount = limit.yuan(),
        label = it.label
    );
    said(ui, text)
}

fn fault(ctx: &Ctx, ui: &Ui, it: &FaultArgs, now: crate::domain::date::At) -> Result<()> {
    if it.clear {
        sandbox::clear_faults(ctx, &it.rail)?;
        return said(ui, t!("{rail} has no faults any more", rail = it.rail));
    }
    let kind = sandbox::fault_of(it.kind.as_deref().unwrap_or_default())?;
    let until = it.lasts.as_deref().map(ops::read_span).transpose()?.map(|span| now + span);
    let reason = it.reason.as_deref().and_then(Reason::from_word);
    sandbox::set_fault(ctx, &it.rail, kind, sandbox::span(it.times, until), reason)?;
    let text = match until {
        Some(until) => {
            let until = until.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M").to_string();
            t!("{rail}: {fault}, until {until}", rail = it.rail, fault = sandbox::fault_text(kind), until = until)
        }
        None => {
            let fault = sandbox::fault_text(kind);
            match it.times.unwrap_or(1) {
                1 => t!("{rail}: {fault}, for the next call", rail = it.rail, fault = fault),
                count => {
                    t!("{rail}: {fault}, for the next {count} calls", rail = it.rail, fault = fault, count = count)
                }
            }
        }
    };
    said(ui, text)
}

fn state(ctx: &Ctx, ui: &Ui, all: bool) -> Result<()> {
    let book = sandbox::state(ctx)?;
    ui.answer(&book, |ui| {
        let mut rails = Table::new([
            t!("Payment rail"),
            t!("Paid"),
            t!("Declined"),
            t!("Pending"),
            t!("Open links"),
            t!("Sum paid"),
            t!("Sum refunded"),
        ])
        .right(&[1, 2, 3, 4, 5, 6]);
        for (rail, sums) in &book.rails {
            let count = |state| sums.orders.get(state).copied().unwrap_or_default().to_string();
            rails.row([
                rail.clone(),
                count("paid"),
                count("declined"),
                count("pending"),
                count("link_open"),
                sums.paid.grouped(),
                sums.refunded.grouped(),
            ]);
        }
        if !rails.is_empty() {
            ui.table(&rails);
            ui.data("");
        }
        let contracts = if all { contract_list(&book) } else { contract_counts(&book) };
        match contracts.is_empty() {
            true => ui.status(&t!("the provider's book is empty")),
            false => ui.table(&contracts),
        }
        for fault in &book.faults {
            ui.data(&t!("fault of {rail}: {fault}", rail = fault.rail, fault = sandbox::fault_text(fault.kind)));
        }
        Ok(())
    })
}

/// How many contracts each rail has in each state.
fn contract_counts(book: &Snapshot) -> Table {
    let mut counts: BTreeMap<&str, [u64; ContractState::ALL.len()]> = BTreeMap::new();
    for it in &book.contracts {
        let row = counts.entry(&it.rail).or_default();
        for (count, state) in row.iter_mut().zip(ContractState::ALL) {
            *count += u64::from(it.state == state);
        }
    }
    let states = ContractState::ALL.map(contract_state);
    let mut table = Table::new([vec![t!("Contracts")], states.to_vec()].concat()).right(&[1, 2, 3]);
    for (rail, row) in counts {
        table.row([vec![rail.to_owned()], row.map(|count| count.to_string()).to_vec()].concat());
    }
    table
}

fn contract_list(book: &Snapshot) -> Table {
    let headings = [t!("Contract number"), t!("Payment rail"), t!("Customer"), t!("State"), t!("Next date")];
    let mut table = Table::new(headings);
    for it in &book.contracts {
        table.row([
            it.contract_no.clone(),
            it.rail.clone(),
            it.payer.clone(),
            contract_state(it.state),
            it.next_date.to_string(),
        ]);
    }
    table
}

fn contract_state(state: ContractState) -> String {
    match state {
        ContractState::Waiting => t!("not agreed to"),
        ContractState::Live => t!("in force"),
        ContractState::Ended => t!("ended"),
    }
}

#[derive(serde::Serialize)]
struct Said {
    done: String,
}

fn said(ui: &Ui, done: String) -> Result<()> {
    ui.answer(&Said { done: done.clone() }, |ui| {
        ui.data(&done);
        Ok(())
    })
}

fn amount(text: &str, flag: &str) -> Result<Money> {
    text.parse().map_err(|error| {
        let advice = amount_text(error);
        Fault::usage(format!("{flag}: {}", advice.reason)).hint(advice.fix).into()
    })
}
