//! `kibble debit`: the run, and what a clerk does with one installment.

mod recovery;
mod run;
mod show;

use chrono::NaiveDate;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::ui::{Table, Ui};
use crate::cli::usage::reason;
use crate::cli::{self, Globals};
use crate::domain::charge::Course;
use crate::domain::id::{InstallmentId, RefundId};
use crate::domain::money::Money;
use crate::domain::rail::Reason;
use crate::domain::refund::RefundState;
use crate::fault::Fault;
use crate::ops::debit::list::{Listed, Shelf};
use crate::ops::debit::{list, pay, reason_text};
use crate::ops::{Ctx, customer, refund};
use crate::t;
use crate::text;

/// Collect what falls due, and look after single installments
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    List(ListArgs),
    Show(show::Args),
    Pay(PayArgs),
    Postpone(PostponeArgs),
    Refund(RefundArgs),
    HandOver(HandOverArgs),
}

/// List installments: due, charged, failed, overdue or unknown
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Which installments: due within a week, charged this month, failed, overdue, or with an unknown outcome
    #[arg(default_value = "due", value_parser = shelf_words())]
    shelf: Shelf,
    /// Only those of one customer: id, phone or name
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
}

/// Take the money for an installment at the counter
#[derive(Debug, clap::Args)]
struct PayArgs {
    /// Which installment, for example `a-7/3`
    installment: InstallmentId,
    /// The customer paid in cash
    #[arg(long, required = true)]
    cash: bool,
}

/// Move an installment to a later day; it is announced again
#[derive(Debug, clap::Args)]
struct PostponeArgs {
    /// Which installment, for example `a-7/3`
    installment: InstallmentId,
    /// The new day, for example 2026-11-20
    #[arg(long, value_name = "DATE")]
    to: NaiveDate,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

/// Give a collected installment back, whole or in part, to where it came from
#[derive(Debug, clap::Args)]
struct RefundArgs {
    /// Which installment, for example `a-7/3`
    installment: InstallmentId,
    /// How much in yuan; all of it when left out
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    amount: Option<Money>,
    /// Why, for the customer and the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

/// Enter that the money of a refund, which the rail refused, was handed over at the counter
#[derive(Debug, clap::Args)]
struct HandOverArgs {
    /// Which refund, for example `f-3`
    refund: RefundId,
}

/// Runs the verb.
///
/// # Errors
/// Those of the use case behind it.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    match &args.verb {
        Verb::Run(args) => run::run(args, &ctx, ui),
        Verb::List(args) => run_list(args, &ctx, ui),
        Verb::Show(args) => show::run(args, &ctx, ui),
        Verb::Pay(args) => run_pay(args, &ctx, ui),
        Verb::Postpone(args) => run_postpone(args, &ctx, ui),
        Verb::Refund(args) => run_refund(args, &ctx, ui),
        Verb::HandOver(args) => run_hand_over(args, &ctx, ui),
    }
}

fn run_list(args: &ListArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let customer = match &args.customer {
        Some(who) => Some(customer::resolve(ctx, who)?.id),
        None => None,
    };
    let mut lines = Vec::new();
    list::each(ctx, args.shelf, customer, ctx.now(), |line| {
        lines.push(line);
        Ok(())
    })?;
    #[derive(Serialize)]
    struct Answer<'a> {
        installments: &'a [Listed],
    }
    ui.answer(&Answer { installments: &lines }, |ui| {
        if lines.is_empty() {
            ui.status(&t!("nothing to show"));
            return Ok(());
        }
        ui.table(&table(&lines));
        let total: Money = lines.iter().map(|line| line.installment.amount).sum();
        ui.status(&t!("{count} {count|installment|installments}, {total}", count = lines.len(), total = total.yuan()));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn table(lines: &[Listed]) -> Table {
    let header = [t!("Installment"), t!("Customer"), t!("Due"), t!("Amount"), t!("Rail"), t!("State"), t!("Reason")];
    let mut table = Table::new(header).right(&[3]);
    for line in lines {
        let it = &line.installment;
        // Why an earlier try was declined no longer matters once the term is paid.
        let is_paid = it.state.word() == "paid";
        let reason = line.reason.as_deref().and_then(Reason::from_word);
        table.row([
            it.id.to_string(),
            line.label.clone(),
            it.due.to_string(),
            it.amount.grouped(),
            line.rail.clone().unwrap_or_default(),
            state_text(line),
            reason
                .filter(|_| !is_paid)
                .map(|reason| reason_text(Some(reason), text::lang()).to_owned())
                .unwrap_or_default(),
        ]);
    }
    table
}

fn state_text(line: &Listed) -> String {
    match (line.open_charge.as_deref(), line.installment.state.word(), line.installment.course) {
        (Some("unknown" | "noted"), ..) => t!("outcome unknown"),
        (_, "paid", _) => t!("paid"),
        (_, _, Course::Planned) => t!("planned"),
        (_, _, Course::Failing) => t!("retrying"),
        (_, _, Course::Failed) => t!("failed"),
        (_, _, Course::Missed) => t!("missed"),
    }
}

fn run_pay(args: &PayArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let paid = pay::pay_at_counter(ctx, args.installment, ctx.now())?;
    ui.answer(&paid, |ui| {
        if paid.by_link {
            ui.warn(&t!(
                "{installment} had just been paid through its link: give the cash back",
                installment = paid.installment
            ));
        } else {
            ui.data(&t!(
                "{installment}: {amount} taken in cash; the wallet holds {balance}",
                installment = paid.installment,
                amount = paid.amount.yuan(),
                balance = paid.balance.yuan()
            ));
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_postpone(args: &PostponeArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let reason = args.reason.as_deref().unwrap_or_default();
    let moved = pay::postpone(ctx, args.installment, args.to, reason, ctx.now())?;
    ui.answer(&moved, |ui| {
        ui.data(&t!(
            "{installment} now falls due on {day}; the customer is told 48 hours ahead",
            installment = moved.id,
            day = moved.due
        ));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_refund(args: &RefundArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let question = t!("Give {installment} back to the customer?", installment = args.installment);
    if !ui.confirm(&question, false)? {
        return Err(Fault::refused(t!("nothing was changed")).into());
    }
    let refund = pay::refund(ctx, args.installment, args.amount, &args.reason, ctx.now())?;
    ui.answer(&refund, |ui| {
        let (id, amount) = (refund.id, refund.amount.yuan());
        match refund.state {
            RefundState::Paid => ui.data(&t!("{id}: {amount} went back to the customer", id = id, amount = amount)),
            RefundState::Declined => ui.warn(&t!("{id}: the rail refused: {said}", id = id, said = refund.said)),
            _ => ui.data(&t!("{id}: {amount} is on its way; the next runs ask the rail", id = id, amount = amount)),
        }
        Ok(())
    })?;
    Ok(if refund.state == RefundState::Declined { Exit::NeedsPerson } else { Exit::Done })
}

fn run_hand_over(args: &HandOverArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let question = t!("Has the customer got the money of {refund}?", refund = args.refund);
    if !ui.confirm(&question, false)? {
        return Err(Fault::refused(t!("nothing was changed")).into());
    }
    let paid = refund::pay_by_hand(ctx, args.refund, ctx.now())?;
    ui.answer(&paid, |ui| {
        ui.data(&t!("{id}: {amount} went back to the customer", id = args.refund, amount = paid.amount.yuan()));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn shelf_words() -> impl TypedValueParser<Value = Shelf> {
    PossibleValuesParser::new(["due", "charged", "failed", "overdue", "unknown"]).map(|word| match word.as_str() {
        "charged" => Shelf::Charged,
        "failed" => Shelf::Failed,
        "overdue" => Shelf::Overdue,
        "unknown" => Shelf::Unknown,
        _ => Shelf::Due,
    })
}

fn amount(text: &str) -> Result<Money, Fault> {
    match text.parse::<Money>() {
        Ok(amount) if amount.is_positive() => Ok(amount),
        _ => Err(Fault::usage(t!("{text} is not an amount in yuan like 199.00", text = text))),
    }
}
