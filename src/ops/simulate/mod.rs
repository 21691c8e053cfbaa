//! `kibble simulate`: whole years of a shop made for it, told from a seed, with faults before and after every commit and every call, and
//! the laws judged after every step. Same seed, same story; a seed that breaks a law shows the shortest story in which it does.
//!
//! `story.rs` says what happens and when, `people.rs` to whom, `world.rs` where, `play.rs` does it by the use cases of commands, and
//! `watch.rs` judges. Nothing of the owner's shop is read or touched.

mod dice;
mod people;
mod play;
mod shrink;
mod story;
#[cfg(test)]
mod tests;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use serde::Serialize;

use crate::ops::init::plan_templates;
use crate::ops::{Ctx, Event};
use crate::t;
use people::{Person, people};
use shrink::Tale;
use story::{Act, Snag, Step, tell};
use watch::Watch;
use world::World;

pub use story::Plot;
pub use watch::Broken;

/// Days between two looks at everything from the first row on.
const WHOLE_EVERY_DAYS: i64 = 30;

/// Days of a simulated year.
pub const DAYS_OF_YEAR: u32 = 365;

/// How a simulation is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The first story.
    pub plot: Plot,
    /// How many seeds, counted up from that of the plot.
    pub seeds: u32,
}

/// What happened in one story or in all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Steps.
    pub steps: u64,
    /// Debit runs that ran to their end or until something struck.
    pub runs: u64,
    /// Things people tried that a rule refused.
    pub refused: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// Commits that did not fit on the disk.
    pub disk_full: u64,
    /// Calls whose question or answer was lost.
    pub lost_calls: u64,
    /// Acts of somebody else in the middle of a step.
    pub meanwhile: u64,
    /// Charges by state.
    pub charges: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.runs += other.runs;
        self.refused += other.refused;
        self.power_cuts += other.power_cuts;
        self.disk_full += other.disk_full;
        self.lost_calls += other.lost_calls;
        self.meanwhile += other.meanwhile;
        for (state, count) in &other.charges {
            *self.charges.entry(state.clone()).or_default() += count;
        }
    }
}

/// A seed that breaks a law.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What breaks.
    pub broken: Broken,
    /// People in the shortest story.
    pub people: u64,
    /// The shortest story, a line a step.
    pub story: Vec<String>,
    /// What tells the whole story again.
    pub command: String,
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Simulated {
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub seeds: u32,
    /// Days of each.
    pub days: u32,
    /// Agreements of each.
    pub agreements: u32,
    /// What happened in all of them.
    pub counts: Counts,
    /// Seeds that break a law, by seed.
    pub failures: Vec<Failure>,
}

impl Simulated {
    /// True when every law held in every story.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What happened in one story, and what broke.
type Told = (Counts, Option<Failure>);

/// How a story ends.
enum End {
    /// Every law held.
    Holds(Counts),
    /// One broke at this step.
    Breaks { at: usize, broken: Broken },
}

/// Tells every story, several at once where the machine has several processors.
///
/// # Errors
/// When temporary folders cannot be written. A broken law is no error; it stands in the answer.
pub fn simulate(wanted: &Wanted, say: &mut dyn FnMut(Event)) -> Result<Simulated> {
    let seeds = u64::from(wanted.seeds);
    say(Event::Begin { label: t!("simulating"), total: seeds });
    let next = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(usize::try_from(seeds)?.max(1));
    let mut told: Vec<(u64, Result<Told>)> = thread::scope(|scope| {
        let (done, waiting) = channel();
        for _ in 0..workers {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let seed = wanted.plot.seed.wrapping_add(nth);
                    if nth >= seeds || done.send((seed, one(&Plot { seed, ..wanted.plot }))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        waiting.iter().inspect(|_| say(Event::Step(1))).collect()
    });
    say(Event::End);
    told.sort_by_key(|it| it.0);
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for (_, told) in told {
        let (of_one, failure) = told?;
        counts.add(&of_one);
        failures.extend(failure);
    }
    let Plot { seed, days, agreements, .. } = wanted.plot;
    Ok(Simulated { seed, seeds: wanted.seeds, days, agreements, counts, failures })
}

/// Tells one story; one that breaks a law is told again until it is as short as can be.
fn one(plot: &Plot) -> Result<Told> {
    let people = people(plot.seed, plot.agreements, &plan_templates()?, plot.from(), plot.days);
    let mut steps = tell(plot, &people);
    let (at, broken) = match play(plot, &people, &steps)? {
        End::Holds(counts) => return Ok((counts, None)),
        End::Breaks { at, broken } => (at, broken),
    };
    steps.truncate(at + 1);
    let tale = shrink::shortest(plot, Tale { people, steps, broken })?;
    let faults = if plot.faults { "" } else { " --no-faults" };
    let failure = Failure {
        seed: plot.seed,
        people: u64::try_from(tale.people.len())?,
        story: tale.steps.iter().map(Step::text).collect(),
        broken: tale.broken,
        // The command tells whole years; a shorter plot is a test's own and is told again by that test.
        command: format!(
            "kibble simulate --years {} --agreements {} --seed {}{faults}",
            plot.days / DAYS_OF_YEAR,
            plot.agreements,
            plot.seed
        ),
    };
    Ok((Counts::default(), Some(failure)))
}

/// Tells a story to its end, or until a law breaks.
fn play(plot: &Plot, people: &[Person], steps: &[Step]) -> Result<End> {
    let world = World::open(plot, people.to_vec())?;
    let hands = world.hands();
    let mut ctx = hands.open()?;
    let mut watch = Watch::new(&ctx)?;
    let mut counts = Counts::default();
    let mut whole_on = plot.from();
    if let Err(broken) = watch.step(&ctx, hands)? {
        return Ok(End::Breaks { at: 0, broken });
    }
    for (at, step) in steps.iter().enumerate() {
        let early = if let Act::RunEarly(hours) = step.act { i64::from(hours) } else { 0 };
        hands.clock.set(step.at - chrono::TimeDelta::hours(early));
        let beside = Arc::new(Mutex::new(None));
        world.strike(step.snag.as_ref(), |act| meanwhile(&world, act, &beside));
        let done = play::act(&ctx, people, &step.act);
        let (struck, dead) = (hands.stage.has_struck(), hands.stage.is_dead());
        world.strike(None, |_| Box::new(|| {}));
        count(&mut counts, step, struck, &done);
        if dead {
            ctx = hands.open()?;
        }
        let beside = beside.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failed = match done {
            Err(error) if !struck => Some(format!("{error:#}")),
            _ => beside,
        };
        if let Some(said) = failed {
            let broken = Broken { law: 0, what: t!("a command failed although nothing went wrong"), record: said };
            return Ok(End::Breaks { at, broken });
        }
        if let Err(broken) = watch.step(&ctx, hands)? {
            return Ok(End::Breaks { at, broken });
        }
        let today = ctx.today(step.at);
        let is_last = at + 1 == steps.len();
        if is_last || (today - whole_on).num_days() >= WHOLE_EVERY_DAYS {
            whole_on = today;
            if let Err(broken) = watch.whole(&ctx, hands)? {
                return Ok(End::Breaks { at, broken });
            }
        }
        let end = story::at(plot.to(), 0, 0);
        if is_last
            && step.at >= end
            && let Err(broken) = watch.settled(end)
        {
            return Ok(End::Breaks { at, broken });
        }
    }
    counts.charges = watch.tally();
    Ok(End::Holds(counts))
}

/// What somebody else does in the middle of a step, with the shop open a second time. An error that no rule explains is kept.
fn meanwhile(world: &World, act: &Act, failed: &Arc<Mutex<Option<String>>>) -> Box<dyn FnOnce() + Send> {
    let (hands, people) = (world.hands().clone(), world.people.clone());
    let (act, failed) = (act.clone(), failed.clone());
    Box::new(move || {
        let done = hands.open_beside().and_then(|ctx: Ctx| play::act(&ctx, &people, &act));
        if let Err(error) = done {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
        }
    })
}

fn count(counts: &mut Counts, step: &Step, struck: bool, done: &Result<bool>) {
    counts.steps += 1;
    counts.runs += u64::from(step.act == Act::Run);
    counts.refused += u64::from(matches!(done, Ok(false)));
    match step.snag.as_ref().filter(|_| struck).map(|it| &it.1) {
        Some(Snag::Dies) => counts.power_cuts += 1,
        Some(Snag::DiskFull) => counts.disk_full += 1,
        Some(Snag::LostCall) => counts.lost_calls += 1,
        Some(Snag::Meanwhile(_)) => counts.meanwhile += 1,
        None => {}
    }
}
