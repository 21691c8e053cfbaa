//! `kibble mandate`: the customers' permissions to debit.

use anyhow::Result;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::exit::Exit;
use crate::cli::ui::{Table, Ui};
use crate::cli::usage::reason;
use crate::cli::{self, Globals};
use crate::domain::id::{AgreementId, MandateId};
use crate::domain::mandate::MandateStatus;
use crate::ops::mandate::{self, Link, Pursued, Synced, status_text};
use crate::t;

/// The customers' permissions to debit
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its arguments.
#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Link(LinkArgs),
    Sync(Sync),
    Close(Close),
}

/// List mandates
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<MandateStatus>,
    /// Only those of this agreement
    #[arg(long, value_name = "AGREEMENT")]
    agreement: Option<AgreementId>,
}

/// Show again where the customer agrees, as a link and as a QR code
#[derive(Debug, clap::Args)]
struct LinkArgs {
    /// The mandate, for example m-7
    mandate: MandateId,
}

/// Ask the payment rail what has become of a mandate, or of all that wait for their customers
#[derive(Debug, clap::Args)]
struct Sync {
    /// The mandate, for example m-7; without it all that wait
    mandate: Option<MandateId>,
}

/// Close a mandate: nothing more is debited under it
#[derive(Debug, clap::Args)]
struct Close {
    /// The mandate, for example m-7
    mandate: MandateId,
    /// Why, for the records
    #[arg(long, value_parser = reason)]
    reason: String,
}

fn states() -> impl TypedValueParser<Value = MandateStatus> {
    PossibleValuesParser::new(MandateStatus::ALL.iter().map(|state| state.word()))
        .map(|word| MandateStatus::from_word(&word).unwrap_or(MandateStatus::Waiting))
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let now = ctx.now();
    match &args.verb {
        Verb::List(list) => {
            let found = mandate::list(&ctx, list.state, list.agreement)?;
            ui.answer(&found, |ui| {
                let mut table = Table::new([
                    t!("Mandate"),
                    t!("Agreement"),
                    t!("Payment rail"),
                    t!("State"),
                    t!("Valid until"),
                    t!("Contract number"),
                ]);
                for it in &found {
                    table.row([
                        it.id.to_string(),
                        it.agreement.to_string(),
                        it.rail.clone(),
                        status_text(it.state),
                        it.valid_until.to_string(),
                        it.contract_no.clone(),
                    ]);
                }
                match table.is_empty() {
                    true => ui.status(&t!("no mandates")),
                    false => ui.table(&table),
                }
                Ok(())
            })?;
            Ok(Exit::Done)
        }
        Verb::Link(link) => {
            let link = mandate::link(&ctx, link.mandate, now)?;
            ui.answer(&link, |ui| show_link(ui, &link))?;
            Ok(if link.trouble.is_some() { Exit::NeedsPerson } else { Exit::Done })
        }
        Verb::Sync(sync) => {
            let synced = match sync.mandate {
                Some(id) => mandate::sync(&ctx, id, now)?,
                None => mandate::sync_waiting(&ctx, now)?,
            };
            ui.answer(&synced, |ui| {
                show_synced(ui, &synced);
                Ok(())
            })?;
            Ok(if synced.down.is_empty() { Exit::Done } else { Exit::NeedsPerson })
        }
        Verb::Close(close) => {
            let pursued = mandate::close(&ctx, close.mandate, &close.reason, now)?;
            ui.answer(&pursued, |ui| {
                if pursued.closed > 0 {
                    ui.data(&t!("{mandate} is closed; the rail confirmed.", mandate = close.mandate));
                }
                show_pursued(ui, &pursued);
                Ok(())
            })?;
            Ok(if pursued.refused.is_empty() { Exit::Done } else { Exit::NeedsPerson })
        }
    }
}

/// The link and its QR code, or why there is none.
pub(super) fn show_link(ui: &Ui, link: &Link) -> Result<()> {
    if let Some(trouble) = &link.trouble {
        ui.warn(&t!(
            "{rail} gave no link for {mandate}: {why}",
            rail = link.rail,
            mandate = link.mandate,
            why = trouble
        ));
        ui.hint(&t!("ask again with `kibble mandate link {mandate}`", mandate = link.mandate));
        return Ok(());
    }
    ui.data(&t!("The customer agrees to {mandate} on {rail} here:", mandate = link.mandate, rail = link.rail));
    ui.data(link.url.as_deref().unwrap_or_default());
    match &link.qr {
        Some(qr) => ui.qr(qr),
        None => Ok(()),
    }
}

/// What asking about mandates came to.
pub(super) fn show_synced(ui: &Ui, synced: &Synced) {
    let asked = t!("{count} {count|mandate|mandates} asked about", count = synced.asked);
    let active = t!("{count} {count|agreement runs|agreements run} now", count = synced.activated.len());
    ui.data(&t!(
        "{asked}: {live} agreed, {waiting} waiting, {ended} ended; {active}",
        asked = asked,
        live = synced.live,
        waiting = synced.waiting,
        ended = synced.ended.len(),
        active = active
    ));
    show_down(ui, &synced.down);
}

/// What is left of closing mandates.
pub(super) fn show_pursued(ui: &Ui, pursued: &Pursued) {
    show_down(ui, &pursued.down);
    if !pursued.down.is_empty() {
        ui.status(&t!("nothing is charged any more; `kibble debit run` asks the rail again until it confirms"));
    }
    for (mandate, said) in &pursued.refused {
        ui.warn(&t!("{mandate} could not be closed: {why}", mandate = mandate, why = said));
    }
}

fn show_down(ui: &Ui, down: &[(String, String)]) {
    for (rail, said) in down {
        ui.warn(&t!("{rail} could not say: {why}", rail = rail, why = said));
    }
}
