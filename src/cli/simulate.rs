//! `kibble simulate`: what the next months of the own shop will bring.

use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::cli::{Globals, project};
use crate::ops::project::{MONTHS, MOST_MONTHS, SEED, Wanted};

/// Look ahead: what falls due in the next months, what probably comes in, what is sent; on a copy, nothing is touched
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many whole months to look ahead
    #[arg(long, value_name = "N", default_value_t = MONTHS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MONTHS)))]
    months: u32,
    /// Draws other possible futures; the same number always draws the same
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Run so many possible futures only
    #[arg(long, value_name = "N", hide = true)]
    futures: Option<u32>,
}

/// Looks ahead.
///
/// # Errors
/// Those of [`crate::ops::project::project`].
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    project::run(&Wanted { months: args.months, seed: args.seed, futures: args.futures }, globals, ui)
}
