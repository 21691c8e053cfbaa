//! `kibble risk`: flags on agreements.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::ui::{Table, Ui};
use crate::cli::{self, Globals};
use crate::domain::id::AgreementId;
use crate::ops::risk::{self, Standing};
use crate::t;

/// See who is high risk and why, and clear a flag
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(ListArgs),
    Clear(ClearArgs),
}

/// List the flags that stand
#[derive(Debug, clap::Args)]
struct ListArgs {}

/// Clear the flag of an agreement
#[derive(Debug, clap::Args)]
struct ClearArgs {
    /// Which agreement, for example `a-7`
    agreement: AgreementId,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
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
            #[derive(Serialize)]
            struct Answer<'a> {
                flags: &'a [Standing],
            }
            ui.answer(&Answer { flags: &flags }, |ui| {
                if flags.is_empty() {
                    ui.status(&t!("no agreement is flagged"));
                    return Ok(());
                }
                ui.table(&table(&flags, ctx.zone()));
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
    }
    Ok(Exit::Done)
}

fn table(flags: &[Standing], zone: chrono_tz::Tz) -> Table {
    let mut table = Table::new([t!("Agreement"), t!("Customer"), t!("High risk since"), t!("Why")]);
    for it in flags {
        table.row([
            it.flag.agreement.to_string(),
            it.label.clone(),
            it.flag.since.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string(),
            why(&it.flag.reason),
        ]);
    }
    table
}

/// Why a flag stands. It is kept as "term and count", so that it reads in either language.
pub(super) fn why(reason: &str) -> String {
    match reason.split_once(' ') {
        Some((term, count)) => t!("{count} terms in a row failed, the last was {term}", count = count, term = term),
        None => reason.to_owned(),
    }
}
