//! Whole years from seeds, with faults at every boundary: the short form here and beside the code, the long form by
//! `cargo test --release --test it -- --ignored --nocapture simulate`.

use kibble::ops::simulate::{DAYS_OF_YEAR, Plot, Simulated, Wanted, simulate};

fn told(seed: u64, seeds: u32, agreements: u32) -> Simulated {
    simulate(&Wanted { plot: Plot { seed, days: DAYS_OF_YEAR, agreements, faults: true }, seeds }, &mut |_| {}).unwrap()
}

/// A number from the environment, for whoever wants more or less of the long form.
#[allow(clippy::disallowed_methods, reason = "seed and number of years come from outside")]
fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Takes about two hours on two processors in a release build.
#[test]
#[ignore = "the long form: a thousand years of three hundred agreements"]
#[allow(clippy::print_stdout, reason = "its figures are wanted")]
fn a_thousand_years_keep_every_law() {
    let (from, seeds) = (number("KIBBLE_SEED", 1), number("KIBBLE_SEEDS", 1_000));
    let agreements = number("KIBBLE_AGREEMENTS", 300);
    let told = told(u64::from(from), seeds, agreements);
    println!("{} seeds from {from}: {:#?}", told.seeds, told.counts);
    assert!(told.holds(), "{:#?}", told.failures);
}
