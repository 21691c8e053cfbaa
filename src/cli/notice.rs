//! `kibble notice`: a provider's notice that the shop's own web server saved.

use std::path::PathBuf;

use anyhow::Result;

use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::cli::{self, Globals};
use crate::ops::notice::{self, Heard, Kind, Outcome};
use crate::t;

/// Apply a provider's notice that the shop's own web server saved
///
/// The file holds the body of the provider's request, byte for byte. Where the provider signs headers too (WeChat Pay v3), they
/// stand above it, one `Name: value` per line, with an empty line between them and the body. kibble asks the rails by itself and
/// needs no notices; they only bring news earlier. A notice that is not genuine changes nothing; the same one twice changes
/// nothing the second time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The saved notice
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The payment rail it came from; found by its signature when left out
    #[arg(long)]
    rail: Option<String>,
}

/// Applies the notice.
///
/// # Errors
/// When the file cannot be read, or no rail vouches for it.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let saved = notice::read(&args.file)?;
    let heard = notice::apply(&ctx, args.rail.as_deref(), &saved, ctx.now())?;
    ui.answer(&heard, |ui| {
        show(ui, &heard);
        Ok(())
    })?;
    Ok(if heard.needs_person() { Exit::NeedsPerson } else { Exit::Done })
}

fn show(ui: &Ui, heard: &Heard) {
    let about = match heard.kind {
        Kind::Charge => t!("order {number}", number = heard.number),
        Kind::Mandate => t!("mandate {number}", number = heard.number),
        Kind::Refund => t!("refund number {number}", number = heard.number),
    };
    let record = heard.record.as_deref().unwrap_or("-");
    match heard.result {
        Outcome::Applied => ui.data(&t!(
            "{rail}: {about}, {record}: {state}",
            rail = heard.rail,
            about = about,
            record = record,
            state = state_text(&heard.state)
        )),
        Outcome::Unchanged => ui.data(&t!(
            "{rail}: {about}, {record}: nothing changed, {why}",
            rail = heard.rail,
            about = about,
            record = record,
            why = heard.why
        )),
        Outcome::UnknownNumber | Outcome::Disputed | Outcome::Doubtful => {
            let (rail, why) = (&heard.rail, &heard.why);
            ui.warn(&match heard.result {
                Outcome::Doubtful => t!(
                    "{rail}: {about}, {record}: the notice is genuine, and somebody must look: {why}",
                    rail = rail,
                    about = about,
                    record = record,
                    why = why
                ),
                _ => t!(
                    "{rail}: {about}: the notice is genuine and nothing was changed: {why}",
                    rail = rail,
                    about = about,
                    why = why
                ),
            });
            match (&heard.record, heard.kind) {
                (Some(record), Kind::Charge) => {
                    ui.hint(&t!("see what happened with `kibble debit show {installment}`", installment = record));
                }
                (Some(record), Kind::Mandate) => {
                    ui.hint(&t!("ask the rail with `kibble mandate sync {mandate}`", mandate = record));
                }
                _ => ui.hint(&t!("the bill tells it too: `kibble recon`")),
            }
        }
    }
}

/// A state of a charge, a mandate or a refund in the person's language.
fn state_text(word: &str) -> String {
    match word {
        "paid" => t!("paid"),
        "declined" => t!("declined"),
        "void" => t!("closed unpaid"),
        "live" => t!("live"),
        "revoked" => t!("ended in the wallet app"),
        "closed" => t!("closed"),
        "expired" => t!("expired"),
        other => other.to_owned(),
    }
}
