use super::dice::Dice;
use super::people::people;
use super::story::{Act, Snag, Step, at, tell};
use super::{End, Plot, Wanted, play, simulate};
use crate::db;
use crate::domain::agreement::AgreementState;
use crate::domain::date::plus_days;
use crate::domain::op::Op;
use crate::domain::statement::Cause;
use crate::ops::init::plan_templates;
use crate::ops::testing::TestShop;
use crate::planted::{self, Mistake};

/// Days in which everything that a story knows happens at least now and then.
const DAYS: u32 = 75;

fn plot(seed: u64, days: u32) -> Plot {
    Plot { seed, days, agreements: 24, faults: true }
}

/// The law that breaks in a story, told once and not shortened.
fn broken(seed: u64) -> Option<u32> {
    let plot = plot(seed, super::DAYS_OF_YEAR);
    let people = people(seed, plot.agreements, &plan_templates().unwrap(), plot.from(), plot.days);
    match play(&plot, &people, &tell(&plot, &people)).unwrap() {
        End::Holds(_) => None,
        End::Breaks { broken, .. } => Some(broken.law),
    }
}

#[test]
fn a_season_with_faults_at_every_boundary_keeps_every_law_and_the_same_seed_tells_the_same() {
    let told = || simulate(&Wanted { plot: plot(7, DAYS), seeds: 2 }, &mut |_| {}).unwrap();
    let first = told();
    assert!(first.holds(), "{:#?}", first.failures);
    let counts = &first.counts;
    assert!(counts.charges["paid"] > 40 && counts.charges["declined"] > 5, "{counts:?}");
    assert!(
        counts.power_cuts > 2 && counts.disk_full > 2 && counts.lost_calls > 2 && counts.meanwhile > 2,
        "{counts:?}"
    );
    assert_eq!(told(), first);
}

#[test]
fn a_term_that_a_run_charges_at_the_moment_when_it_is_moved_or_paid_keeps_every_law() {
    let plot = Plot { faults: false, ..plot(7, 60) };
    let people = people(plot.seed, plot.agreements, &plan_templates().unwrap(), plot.from(), plot.days);
    let morning = |day: i64| at(plus_days(plot.from(), day), 9, 0);
    for act in [Act::Postpone(0, 5), Act::Counter(0)] {
        let mut met = 0;
        for (day, boundary) in (13..15).flat_map(|day| (0..4).map(move |boundary| (day, boundary))) {
            // Cron stood still for two days, and runs at this moment.
            let mut steps: Vec<Step> =
                (0..day - 2).map(|day| Step { at: morning(day), act: Act::Run, snag: None }).collect();
            let snag = Some((boundary, Snag::Meanwhile(Box::new(Act::Run))));
            steps.push(Step { at: morning(day), act: act.clone(), snag });
            match play(&plot, &people, &steps).unwrap() {
                End::Holds(counts) => met += counts.meanwhile,
                End::Breaks { broken, .. } => panic!("{act:?} on day {day} at boundary {boundary}: {broken:?}"),
            }
        }
        assert!(met > 3, "{act:?}: {met}");
    }
}

/// A mistake is caught by one of so many seeds, and shows in one of these laws; law 0 is a command that ends in an error.
#[test]
fn customers_with_several_pets_who_buy_bring_back_and_leave_leave_no_money_with_nobody() {
    for seed in 1..=4 {
        let plot = Plot { seed, days: 100, agreements: 6, faults: false };
        let people = people(seed, plot.agreements, &plan_templates().unwrap(), plot.from(), plot.days);
        let mut dice = Dice::new(seed);
        let mut steps = Vec::new();
        let mut day = plot.from();
        let mut tell = |day, acts: &[Act]| {
            steps.push(Step { at: at(day, 9, 0), act: Act::Run, snag: None });
            steps.extend((10..).zip(acts).map(|(hour, act)| Step {
                at: at(day, hour, 0),
                act: act.clone(),
                snag: None,
            }));
        };
        while day < plot.to() {
            let (who, any) = (dice.below(plot.agreements), dice.below(1_000));
            let bought = Act::Buy(who, any - any % 4);
            let more = if any < 80 { Act::SignAnother(who) } else { Act::TakeBack(dice.below(plot.agreements), any) };
            tell(day, &[bought, more, Act::Agree, Act::EveryoneEarns]);
            day = plus_days(day, 1);
        }
        // One after the other they leave, and some bring something back in between.
        for _ in 0..40 {
            let who = dice.below(plot.agreements);
            let cause = Cause::ALL[usize::try_from(dice.below(4)).unwrap()];
            let brought = [(); 2].map(|()| Act::TakeBack(who, dice.below(1_000)));
            tell(day, &[brought[0].clone(), Act::Terminate(who, cause, false), Act::Confirm(who), Act::PayByHand(who)]);
            tell(plus_days(day, 1), &[brought[1].clone(), Act::SignAnother(who), Act::Agree, Act::PayByHand(who)]);
            day = plus_days(day, 2);
        }
        match play(&plot, &people, &steps).unwrap() {
            End::Holds(_) => {}
            End::Breaks { at, broken } => panic!("seed {seed}: {} {broken:?}", steps[at].text()),
        }
    }
}

#[test]
fn money_that_nobody_can_settle_any_more_is_seen() {
    let shop = TestShop::open();
    let customer = shop.customer("王小明", 1).id;
    let [first, second] = [(); 2].map(|()| shop.sign(customer));
    shop.fund(customer, 7_800, "before");
    let left = || db::watch::left_with_nobody(shop.db.read()).unwrap();
    for (agreement, seen) in [(first, vec![]), (second, vec![(1, 7_800)])] {
        let ended = shop.db.write(shop.now(), |tx| {
            let state = AgreementState::Ended;
            db::agreement::set_state(tx, agreement, state, Some((shop.now(), "consumer")))?;
            Ok(((), Op::AgreementChanged { agreement, state: state.word().to_owned(), reason: String::new() }))
        });
        ended.unwrap();
        assert_eq!(left(), seen);
    }
}

#[test]
fn every_planted_mistake_is_caught() {
    const SEEDS: u64 = 4;
    for (mistake, laws) in [
        (Mistake::OrderNumber, &[0, 2][..]),
        (Mistake::AskBeforeNote, &[2]),
        (Mistake::UnknownIsDecline, &[3]),
        (Mistake::NoCredit, &[4]),
        (Mistake::EndlessRetry, &[7]),
        (Mistake::NoNotice, &[7]),
        (Mistake::LooseAudit, &[10]),
    ] {
        let law = planted::with(mistake, || (1..=SEEDS).find_map(broken));
        assert!(law.is_some_and(|law| laws.contains(&law)), "{mistake:?}: {law:?}");
    }
}

#[test]
fn a_seed_that_breaks_a_law_shows_a_story_that_a_person_can_read() {
    let (_, failure) = planted::with(Mistake::NoNotice, || super::one(&plot(1, super::DAYS_OF_YEAR))).unwrap();
    let failure = failure.unwrap();
    assert!(failure.people <= 2 && failure.story.len() <= 5, "{failure:#?}");
    assert_eq!(failure.broken.law, 7);
    assert_eq!(failure.command, "kibble simulate --years 1 --agreements 24 --seed 1");
}
