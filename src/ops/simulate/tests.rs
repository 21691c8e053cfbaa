use super::{Plot, Wanted, simulate};
use crate::planted::{self, Mistake};

fn plot(seed: u64, agreements: u32) -> Plot {
    Plot { seed, years: 1, agreements, faults: true }
}

fn told(seed: u64, agreements: u32) -> super::Simulated {
    simulate(&Wanted { plot: plot(seed, agreements), seeds: 1 }, &mut |_| {}).unwrap()
}

#[test]
fn a_year_with_a_fault_at_every_boundary_keeps_every_law() {
    let told = told(1, 24);
    assert!(told.holds(), "{:#?}", told.failures);
}

#[test]
fn every_planted_mistake_is_caught() {
    for mistake in [
        Mistake::OrderNumber,
        Mistake::AskBeforeNote,
        Mistake::UnknownIsDecline,
        Mistake::NoCredit,
        Mistake::EndlessRetry,
        Mistake::NoNotice,
        Mistake::LooseAudit,
    ] {
        let found = planted::with(mistake, || (1..=5).find_map(|seed| super::one(&plot(seed, 24)).unwrap().1));
        assert!(found.is_some(), "{mistake:?} was not caught by five seeds");
    }
}
