//! The next months of the own shop, from its own history: what falls due, what is probably collected, which messages go out. Several
//! possible futures are run with the real use cases on copies of the database, in a temporary folder, where every rail is a sandbox and
//! every channel leads nowhere. The shop itself is only read, byte by byte: nothing of it is opened, locked or written.
//!
//! Owns the answer and the order of things. What history says is `history.rs`, the copies are `copy.rs`, one future is `future.rs`.

mod copy;
mod future;
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::Result;
use chrono::{Datelike, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::Serialize;

use crate::config::Config;
use crate::db;
use crate::db::project::Stretch;
use crate::domain::agreement::AgreementState;
use crate::domain::date::{At, anchored, day_of, days_in_month, moment, plus_days};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::project::{Dice, Range};
use crate::fault::Fault;
use crate::ops::project::copy::Copy;
use crate::ops::project::future::Figures;
pub use crate::ops::project::history::{Habit, History, Question};
use crate::ops::{Event, clock_for};
use crate::t;

/// Months looked ahead when nothing is said.
pub const MONTHS: u32 = 3;
/// The most months that can be asked for: beyond a year the agreements that run today say little.
pub const MOST_MONTHS: u32 = 12;
/// Which futures are drawn when nothing is said.
pub const SEED: u64 = 1;

/// Futures that are run: more make a range steadier, and take longer.
const MOST_FUTURES: u64 = 21;
/// The least that give a range.
const LEAST_FUTURES: u64 = 7;
/// Terms debited in all futures together, about: what a small machine does in well under a minute.
const MOST_TERMS: u64 = 60_000;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whole months, 1 to [`MOST_MONTHS`].
    pub months: u32,
    /// Which futures are drawn; the same seed draws the same.
    pub seed: u64,
    /// How many futures are run; as many as the shop's size allows when `None`.
    pub futures: Option<u32>,
}

/// The next months.
#[derive(Clone, Debug, Serialize)]
pub struct Projection {
    /// The moment from which it looks ahead.
    pub at: At,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Which futures were drawn.
    pub seed: u64,
    /// How many; none where nothing can fall due.
    pub futures: u64,
    /// Agreements that run or are paused now.
    pub running: u64,
    /// Agreements whose customers have not agreed to the mandate: nothing of them is counted.
    pub waiting: u64,
    /// True for a database that was restored and not adopted.
    pub restored: bool,
    /// What the past says, and what was taken from it.
    pub history: History,
    /// Each month.
    pub months: Vec<Month>,
}

/// One month.
#[derive(Clone, Debug, Serialize)]
pub struct Month {
    /// `2026-12`.
    pub month: String,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Terms that fall due.
    pub due: u64,
    /// How much that is.
    pub due_amount: Money,
    /// Of these, paid by the month's end.
    pub collected: Range<u64>,
    /// How much that is.
    pub collected_amount: Range<Money>,
    /// Paid in the month for terms that fell due before it.
    pub earlier_amount: Range<Money>,
    /// Unpaid at its end, whenever it fell due.
    pub open_amount: Range<Money>,
    /// What the payment rails pay out for the month: collected over them, less their fees and what goes back over them.
    pub bank: Range<Money>,
    /// Taken at the counter.
    pub cash: Range<Money>,
    /// The rails' fees.
    pub fees: Range<Money>,
    /// Goes back to customers, over the rails and by hand.
    pub refunds: Range<Money>,
    /// What customers come to owe by settlements.
    pub claims: Range<Money>,
    /// Agreements that come to their agreed end.
    pub completing: Range<u64>,
    /// Agreements that are terminated.
    pub terminated: Range<u64>,
    /// Mandates that customers end, or that run out too early.
    pub mandates_ended: Range<u64>,
    /// Agreements at high risk at its end.
    pub high_risk: Range<u64>,
    /// Messages by text.
    pub messages: BTreeMap<String, Range<u64>>,
    /// All messages.
    pub messages_total: Range<u64>,
}

/// Looks ahead in the shop in `folder`. `now` is the pretended time, if any, in the words of the `--now` option.
///
/// # Errors
/// When settings, key or database cannot be read, or the temporary folder cannot be written. The shop is never changed.
pub fn project(folder: &Path, now: Option<&str>, wanted: &Wanted, say: &mut dyn FnMut(Event)) -> Result<Projection> {
    let config = Config::load(folder)?;
    let clock = clock_for(&config, now)?;
    let copy = Copy::make(&config)?;
    let base = copy.open_base()?;
    let conn = base.read();
    // A clock behind the last run, as in a demo that is looked at without its own time: the future begins where the past ends.
    let at = db::run::last(conn)?.map_or(clock.now(), |last| last.started_at.max(clock.now()));
    let zone = config.settings.timezone;
    let stretches = stretches(at, wanted.months, zone);
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
        return Err(Fault::usage(t!("look ahead at least one month")).into());
    };
    let running = count_in(conn, &[AgreementState::Active, AgreementState::Paused])?;
    let terms = db::project::falling_due(conn, first.from, last.to)?.0;
    let mut projection = Projection {
        at,
        from: first.from,
        to: last.to,
        seed: wanted.seed,
        futures: 0,
        running,
        waiting: count_in(conn, &[AgreementState::Waiting])?,
        restored: copy.restored,
        history: History::read(conn, &config, at)?,
        months: Vec::new(),
    };
    let mut figures: Vec<Vec<Figures>> = Vec::new();
    if running + count_in(conn, &[AgreementState::Settling])? > 0 {
        projection.futures = wanted.futures.map_or_else(|| futures_for(terms), u64::from).max(1);
        copy.fill_book(conn, &config, at)?;
        figures = run_all(&copy, &config, &projection, &stretches, say)?;
    }
    for (place, it) in stretches.iter().enumerate() {
        let due = db::project::falling_due(conn, it.from, it.to)?;
        let of_month: Vec<&Figures> = figures.iter().filter_map(|months| months.get(place)).collect();
        projection.months.push(month(it, due, &of_month));
    }
    Ok(projection)
}

/// How many futures are run for a shop with so many terms ahead; odd, so that one is in the middle.
fn futures_for(terms: u64) -> u64 {
    (MOST_TERMS / terms.max(1)).clamp(LEAST_FUTURES, MOST_FUTURES) | 1
}

fn count_in(conn: &db::Conn, states: &[AgreementState]) -> Result<u64> {
    states.iter().map(|state| Ok(u64::try_from(db::project::agreements_in(conn, *state)?.len())?)).sum()
}

/// The rest of this month, and so many whole months; on the last day of a month the rest belongs to the next one.
fn stretches(at: At, months: u32, zone: Tz) -> Vec<Stretch> {
    let today = day_of(at, zone);
    let last_of = |day: NaiveDate| day.with_day(days_in_month(day)).unwrap_or(day);
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut from = today;
    // The rest of a month that has begun comes on top of the whole months.
    let is_rest = today.day() > 1 && today != last_of(today);
    let first_whole = u32::from(today.day() > 1);
    let rest = is_rest.then(|| last_of(today));
    let whole = (first_whole..first_whole + months).map(|ahead| last_of(anchored(today, ahead, 1)));
    for to in rest.into_iter().chain(whole) {
        let start = if from == today { at } else { moment(from, NaiveTime::MIN, zone) };
        stretches.push(Stretch { from, to, start, end: moment(plus_days(to, 1), NaiveTime::MIN, zone) });
        from = plus_days(to, 1);
    }
    stretches
}

/// Runs every future, several at once where the machine can: each has its own copy, so their order makes no difference.
fn run_all(
    copy: &Copy,
    config: &Config,
    projection: &Projection,
    stretches: &[Stretch],
    say: &mut dyn FnMut(Event),
) -> Result<Vec<Vec<Figures>>> {
    let days = u64::try_from((projection.to - projection.from).num_days() + 1)?;
    say(Event::Begin { label: t!("looking ahead"), total: days * projection.futures });
    let count = u32::try_from(projection.futures)?;
    let next = AtomicU32::new(0);
    let done: Mutex<BTreeMap<u32, Result<Vec<Figures>>>> = Mutex::new(BTreeMap::new());
    let work = |days: &Sender<u64>| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let seed = Dice::new(projection.seed, &["future", &number.to_string()]).below(u64::MAX);
            let outcome = future::run(copy, config, &projection.history, stretches, (number, seed), days);
            if outcome.is_err() {
                // One that cannot be run makes the answer impossible; the others need not go on.
                next.store(count, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, outcome);
        }
    };
    thread::scope(|scope| {
        let (step, steps) = channel();
        let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(usize::try_from(count)?);
        for _ in 0..workers {
            let (step, work) = (step.clone(), &work);
            scope.spawn(move || work(&step));
        }
        drop(step);
        steps.iter().for_each(|days| say(Event::Step(days)));
        anyhow::Ok(())
    })?;
    say(Event::End);
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// A month from its figures in every future.
fn month(it: &Stretch, (due, due_amount): (u64, Money), figures: &[&Figures]) -> Month {
    let count = |of: fn(&Figures) -> u64| Range::of(figures.iter().map(|it| of(it)).collect());
    let money = |of: fn(&Figures) -> Money| Range::of(figures.iter().map(|it| of(it)).collect());
    let texts: BTreeSet<&String> = figures.iter().flat_map(|it| it.messages.keys()).collect();
    let of_text = |text: &String| {
        let in_each = figures.iter().map(|it| it.messages.get(text).copied().unwrap_or_default());
        (text.clone(), Range::of(in_each.collect()))
    };
    Month {
        month: it.to.format("%Y-%m").to_string(),
        from: it.from,
        to: it.to,
        due,
        due_amount,
        collected: count(|it| it.collected),
        collected_amount: money(|it| it.collected_amount),
        earlier_amount: money(|it| it.earlier_amount),
        open_amount: money(|it| it.course.open),
        bank: money(Figures::bank),
        cash: money(|it| it.cash),
        fees: money(|it| it.fees),
        refunds: money(|it| it.course.back_by_rail + it.course.back_by_hand),
        claims: money(|it| it.course.claims),
        completing: count(|it| it.course.completed),
        terminated: count(|it| it.course.terminated),
        mandates_ended: count(|it| it.course.mandates_ended),
        high_risk: count(|it| it.course.high_risk),
        messages: texts.into_iter().map(of_text).collect(),
        messages_total: count(|it| it.messages.values().sum()),
    }
}

/// A mandate that a possible future begins with.
fn is_live(state: MandateStatus) -> bool {
    state == MandateStatus::Live
}

#[cfg(test)]
mod tests {
    use chrono_tz::Asia::Shanghai;

    use super::{futures_for, stretches};
    use crate::ops::read_now;

    #[test]
    fn whole_months_follow_the_rest_of_this_one() {
        for (now, expected) in [
            ("2026-11-21T09:00", "2026-11-21..2026-11-30 2026-12-01..2026-12-31 2027-01-01..2027-01-31"),
            ("2026-12-01T09:00", "2026-12-01..2026-12-31 2027-01-01..2027-01-31"),
            ("2026-11-30T10:00", "2026-11-30..2026-12-31 2027-01-01..2027-01-31"),
            ("2027-01-31T23:00", "2027-01-31..2027-02-28 2027-03-01..2027-03-31"),
        ] {
            let found: Vec<String> = stretches(read_now(now, Shanghai).unwrap(), 2, Shanghai)
                .iter()
                .map(|it| format!("{}..{}", it.from, it.to))
                .collect();
            assert_eq!(found.join(" "), expected);
        }
    }

    #[test]
    fn large_shops_get_fewer_futures_and_always_one_in_the_middle() {
        for (terms, futures) in [(0, 21), (100, 21), (3_000, 21), (6_000, 11), (1_000_000, 7)] {
            assert_eq!(futures_for(terms), futures, "{terms}");
        }
    }
}
