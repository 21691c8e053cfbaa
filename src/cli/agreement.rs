//! `kibble agreement`: what was signed. Parses; each verb has its own file.

use crate::cli::Globals;
use crate::cli::agreement_import;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;

/// What customers signed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Import(agreement_import::Args),
}

/// Runs the verb.
///
/// # Errors
/// Those of the verb.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    match &args.verb {
        Verb::Import(args) => agreement_import::run(args, globals, ui),
    }
}
