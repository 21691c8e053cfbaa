//! `kibble simulate`: what the next months of the own shop will bring; or, with `--years`, the proof that kibble keeps its laws, on
//! shops made for it.

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui, columns};
use crate::cli::{Globals, progress, project};
use crate::fault::Fault;
use crate::ops::project::{MONTHS, MOST_MONTHS, SEED, Wanted as Ahead};
use crate::ops::simulate::{Counts, DAYS_OF_YEAR, Failure, Plot, Simulated, Wanted, simulate};
use crate::t;

/// Agreements of a simulated shop when nothing is said.
const AGREEMENTS: u32 = 300;
/// The most that can be asked for, so that everybody has a phone number of nobody.
const MOST_AGREEMENTS: i64 = 100_000;

/// Look ahead: what falls due in the next months, what probably comes in, what is sent; on a copy, nothing is touched
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many whole months to look ahead
    #[arg(long, value_name = "N", default_value_t = MONTHS, conflicts_with = "years", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MONTHS)))]
    months: u32,
    /// Draws other possible futures; the same number always draws the same
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Run so many possible futures only
    #[arg(long, value_name = "N", hide = true)]
    futures: Option<u32>,
    /// Test kibble instead: play so many years of an invented shop with faults everywhere, and judge the laws after every step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    years: Option<u32>,
    /// With --years: play so many seeds, counted up from --seed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "years", value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// With --years: agreements of the invented shop
    #[arg(long, value_name = "N", default_value_t = AGREEMENTS, requires = "years", value_parser = clap::value_parser!(u32).range(3..=MOST_AGREEMENTS))]
    agreements: u32,
    /// With --years: nothing goes wrong on the machine and at the rails
    #[arg(long, requires = "years")]
    no_faults: bool,
}

/// Looks ahead, or plays years.
///
/// # Errors
/// Those of [`crate::ops::project::project`] and [`simulate`]. A broken law is an answer, with exit code 1.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let Some(years) = args.years else {
        return project::run(&Ahead { months: args.months, seed: args.seed, futures: args.futures }, globals, ui);
    };
    if globals.shop.is_some() || globals.now.is_some() {
        return Err(Fault::usage(t!("a simulated year has a shop and a time of its own"))
            .hint(t!("leave out --shop and --now; for your own shop use `kibble simulate --months 3`"))
            .into());
    }
    let plot =
        Plot { seed: args.seed, days: years * DAYS_OF_YEAR, agreements: args.agreements, faults: !args.no_faults };
    let told = simulate(&Wanted { plot, seeds: args.seeds }, &mut progress(ui))?;
    ui.answer(&told, |ui| {
        show(ui, &told);
        Ok(())
    })?;
    Ok(if told.holds() { Exit::Done } else { Exit::Broken })
}

fn show(ui: &Ui, told: &Simulated) {
    let head = t!(
        "{seeds} × {years} simulated {years|year|years} of {agreements} agreements, from seed {seed}",
        seeds = told.seeds,
        years = told.days / DAYS_OF_YEAR,
        agreements = told.agreements,
        seed = told.seed
    );
    ui.data(&ui.paint(Paint::Heading, &head));
    for line in columns(&rows(&told.counts), &[1]) {
        ui.data(&format!("  {line}"));
    }
    for failure in &told.failures {
        show_failure(ui, failure);
    }
    match told.failures.len() {
        0 => ui.data(&ui.paint(Paint::Good, &t!("every law held after every step"))),
        count => ui.data(&ui.paint(Paint::Bad, &t!("{count} {count|seed breaks|seeds break} a law", count = count))),
    }
}

fn rows(counts: &Counts) -> Vec<Vec<String>> {
    let charges = |state: &str| counts.charges.get(state).copied().unwrap_or(0);
    [
        (t!("steps"), counts.steps),
        (t!("debit runs"), counts.runs),
        (t!("refused by a rule"), counts.refused),
        (t!("power cuts"), counts.power_cuts),
        (t!("full disks"), counts.disk_full),
        (t!("lost calls"), counts.lost_calls),
        (t!("acts of others in between"), counts.meanwhile),
        (t!("charges paid"), charges("paid")),
        (t!("charges declined"), charges("declined")),
        (t!("charges closed unpaid"), charges("void")),
        (t!("charges still open"), charges("noted") + charges("pending") + charges("unknown")),
    ]
    .into_iter()
    .map(|(what, count)| vec![what, count.to_string()])
    .collect()
}

fn show_failure(ui: &Ui, it: &Failure) {
    let law = t!(
        "seed {seed} breaks law {law}: {what} ({record})",
        seed = it.seed,
        law = it.broken.law,
        what = it.broken.what,
        record = it.broken.record
    );
    ui.data(&ui.paint(Paint::Bad, &law));
    ui.data(&t!("  the shortest story that shows it, with {count} people:", count = it.people));
    for line in &it.story {
        ui.data(&format!("    {line}"));
    }
    ui.hint(&it.command);
}
