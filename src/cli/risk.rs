//! `kibble risk`: flags on agreements, and credit checks that wait for a decision.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::mandate::{show_link, show_pursued};
use crate::cli::sign::show_check;
use crate::cli::ui::{Table, Ui};
use crate::cli::usage::reason;
use crate::cli::{self, Globals};
use crate::domain::id::AgreementId;
use crate::ops::credit::{self, Approved, Typed, Waiting};
use crate::ops::risk::{self, Standing};
use crate::t;

/// See who is high risk and why, clear a flag, and decide about credit checks
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(ListArgs),
    Clear(ClearArgs),
    Check(CheckArgs),
    Approve(DecideArgs),
    Refuse(RefuseArgs),
}

/// List the flags that stand, and the credit checks that wait for a decision
#[derive(Debug, clap::Args)]
struct ListArgs {}

/// Clear the flag of an agreement
#[derive(Debug, clap::Args)]
struct ClearArgs {
    /// Which agreement, for example `a-7`
    agreement: AgreementId,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

/// Make a credit check again that did not pass
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Which agreement, for example `a-7`
    agreement: AgreementId,
    /// The credit score that you saw
    #[arg(long, value_name = "SCORE")]
    credit_score: Option<String>,
    /// What you saw where no score is shown: pass, fail or unknown
    #[arg(long, value_name = "RESULT")]
    credit_result: Option<String>,
    /// Where the proof is, for example the name of a screenshot
    #[arg(long, value_name = "TEXT")]
    credit_reference: Option<String>,
    /// The day on which you saw it; without it today
    #[arg(long, value_name = "DATE")]
    credit_seen_on: Option<String>,
}

/// Go on in spite of a credit check: the customer may agree to the mandate
#[derive(Debug, clap::Args)]
struct DecideArgs {
    /// Which agreement, for example `a-7`
    agreement: AgreementId,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

/// Call an agreement off after its credit check
#[derive(Debug, clap::Args)]
struct RefuseArgs {
    /// Which agreement, for example `a-7`
    agreement: AgreementId,
    /// Why, for the audit trail and for the customer who asks
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

/// Runs the verb.
///
/// # Errors
/// Those of the use case behind it.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    match &args.verb {
        Verb::List(_) => {
            let flags = risk::standing(&ctx)?;
            let checks = credit::waiting(&ctx)?;
            #[derive(Serialize)]
            struct Answer<'a> {
                flags: &'a [Standing],
                credit_checks: &'a [Waiting],
            }
            ui.answer(&Answer { flags: &flags, credit_checks: &checks }, |ui| {
                match flags.is_empty() {
                    true => ui.status(&t!("no agreement is flagged")),
                    false => ui.table(&table(&flags, ctx.zone())),
                }
                if !checks.is_empty() {
                    ui.table(&check_table(&checks));
                    ui.hint(&t!(
                        "decide with `kibble risk approve AGREEMENT --reason TEXT` or `kibble risk refuse AGREEMENT --reason TEXT`"
                    ));
                }
                Ok(())
            })?;
        }
        Verb::Clear(args) => {
            risk::clear(&ctx, args.agreement, &args.reason, ctx.now())?;
            #[derive(Serialize)]
            struct Answer {
                cleared: AgreementId,
            }
            ui.answer(&Answer { cleared: args.agreement }, |ui| {
                ui.data(&t!("{agreement} is no longer high risk", agreement = args.agreement));
                Ok(())
            })?;
        }
        Verb::Check(args) => {
            let typed = Typed {
                score: args.credit_score.clone(),
                result: args.credit_result.clone(),
                reference: args.credit_reference.clone(),
                seen_on: args.credit_seen_on.clone(),
            };
            let done = credit::again(&ctx, args.agreement, &typed, ctx.now())?;
            ui.answer(&done, |ui| show_approved(ui, &done))?;
            return Ok(if done.check.review.lets_pass() { Exit::Done } else { Exit::NeedsPerson });
        }
        Verb::Approve(args) => {
            let done = credit::approve(&ctx, args.agreement, &args.reason, ctx.now())?;
            ui.answer(&done, |ui| {
                ui.data(&t!("{agreement} may go on", agreement = args.agreement));
                show_approved(ui, &done)
            })?;
        }
        Verb::Refuse(args) => {
            let done = credit::refuse(&ctx, args.agreement, &args.reason, ctx.now())?;
            ui.answer(&done, |ui| {
                ui.data(&t!("{agreement} is called off; it had not started", agreement = args.agreement));
                show_pursued(ui, &done.terminated.mandates);
                ui.hint(&t!(
                    "tell the customer why, and whom they can talk to: they have a right to an explanation by a person"
                ));
                Ok(())
            })?;
        }
    }
    Ok(Exit::Done)
}

fn show_approved(ui: &Ui, done: &Approved) -> anyhow::Result<()> {
    show_check(ui, &done.check);
    done.links.iter().try_for_each(|link| show_link(ui, link))
}

fn check_table(checks: &[Waiting]) -> Table {
    let headings = [t!("Agreement"), t!("Customer"), t!("Credit check"), t!("Score"), t!("Proof"), t!("On")];
    let mut table = Table::new(headings).right(&[3]);
    for it in checks {
        let said = match it.near {
            true => t!("{verdict}, but close to it: a smaller plan may do", verdict = credit::verdict_text(&it.check)),
            false => credit::verdict_text(&it.check),
        };
        table.row([
            it.check.agreement.to_string(),
            it.label.clone(),
            said,
            it.score.map(|score| score.to_string()).unwrap_or_default(),
            it.reference.clone(),
            it.check.checked_on.to_string(),
        ]);
    }
    table
}

fn table(flags: &[Standing], zone: chrono_tz::Tz) -> Table {
    let mut table = Table::new([t!("Agreement"), t!("Customer"), t!("High risk since"), t!("Why")]);
    for it in flags {
        table.row([
            it.flag.agreement.to_string(),
            it.label.clone(),
            it.flag.since.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string(),
            risk::reason_text(&it.flag.reason),
        ]);
    }
    table
}
