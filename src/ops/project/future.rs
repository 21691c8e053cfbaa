//! One possible future: the real use cases, day by day on a copy, while customers behave by habits drawn from the shop's past. Every
//! chance follows from the future's seed and the record it is about, so the same seed tells the same story.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime, Timelike};

use crate::adapters::rail::sandbox::Book;
use crate::adapters::rail::sandbox::book::DEFAULT_BALANCE;
use crate::config::Config;
use crate::db;
use crate::db::project::{Course, Stretch, ToDebit};
use crate::domain::agreement::AgreementState;
use crate::domain::date::{At, day_of, moment, plus_days};
use crate::domain::id::{AgreementId, InstallmentId, MandateId};
use crate::domain::money::Money;
use crate::domain::project::{Dice, still_to_come_bps};
use crate::domain::statement::Cause;
use crate::fault::{Fault, Kind};
use crate::ops::debit::{self, Options, Outcome};
use crate::ops::project::copy::{Copy, payer};
use crate::ops::project::history::{Habits, History};
use crate::ops::project::is_live;
use crate::ops::statement::{self, Termination};
use crate::ops::{Ctx, sandbox};
use crate::t;

/// Days of a month, where chances per month are spread over days.
const MONTH_DAYS: i64 = 30;
/// No debit run begins later than this hour: messages go out after each.
const LAST_HOUR: u32 = 21;
/// Hours between the two runs of a day when the shop's settings plan no retry.
const EVENING_HOURS: u32 = 8;

/// What one stretch came to.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Terms of the stretch that were paid by its end.
    pub collected: u64,
    /// How much that is.
    pub collected_amount: Money,
    /// Paid for earlier terms.
    pub earlier_amount: Money,
    /// Paid over rails.
    by_rail: Money,
    /// The rails' fees.
    pub fees: Money,
    /// Taken at the counter.
    pub cash: Money,
    /// Everything else.
    pub course: Course,
    /// Messages sent, by text.
    pub messages: BTreeMap<String, u64>,
    /// Messages that can never be sent.
    pub unsendable: u64,
}

impl Figures {
    /// What the rails pay out.
    pub fn bank(&self) -> Money {
        self.by_rail - self.fees - self.course.back_by_rail
    }
}

/// Runs the future `number` from its seed through the stretches, and says what each came to. `step` hears of every day.
///
/// # Errors
/// When the copy cannot be made, read or written.
pub fn run(
    copy: &Copy,
    config: &Config,
    history: &History,
    stretches: &[Stretch],
    (number, seed): (u32, u64),
    step: &Sender<u64>,
) -> Result<Vec<Figures>> {
    let Some(first) = stretches.first() else { return Ok(Vec::new()) };
    let habits = history.drawn(seed);
    let ctx = copy.shop(config, number, first.start, seed, habits.answer_lost)?;
    let mut future = Future::new(&ctx, habits, seed, stretches)?;
    let mut figures = Vec::with_capacity(stretches.len());
    for it in stretches {
        let mut day = it.from;
        while day <= it.to {
            future.day(day)?;
            // Nobody may listen any more, because another future could not be run.
            let _ = step.send(1);
            day = plus_days(day, 1);
        }
        figures.push(future.figures(it)?);
    }
    drop(ctx);
    copy.remove(number)?;
    Ok(figures)
}

struct Future<'a> {
    ctx: &'a Ctx,
    book: &'a Book,
    habits: Habits,
    seed: u64,
    /// Nothing happens before.
    start: At,
    /// Mandates that customers end, by day: rail and contract.
    revocations: BTreeMap<NaiveDate, Vec<(String, String)>>,
    /// Agreements that are terminated, by day.
    terminations: BTreeMap<NaiveDate, Vec<AgreementId>>,
    /// Mandates whose purse is empty.
    empty: BTreeSet<MandateId>,
}

impl<'a> Future<'a> {
    fn new(ctx: &'a Ctx, habits: Habits, seed: u64, stretches: &[Stretch]) -> Result<Future<'a>> {
        let book = ctx.sandbox.as_deref().ok_or_else(|| Fault::broken(t!("this shop has no payment rail")))?;
        let start = stretches.first().map_or(ctx.now(), |it| it.start);
        let mut future = Future {
            ctx,
            book,
            habits,
            seed,
            start,
            revocations: BTreeMap::new(),
            terminations: BTreeMap::new(),
            empty: BTreeSet::new(),
        };
        let days = stretches.last().map_or(0, |last| (last.to - ctx.today(start)).num_days() + 1);
        for it in db::project::mandates_at_rails(ctx.db.read())?.into_iter().filter(|it| is_live(it.state)) {
            if let Some(day) = future.ends_on("revoke", &it.mandate.to_string(), future.habits.mandate_ended, days) {
                future.revocations.entry(day).or_default().push((it.rail, it.contract_no));
            }
        }
        for id in db::project::agreements_in(ctx.db.read(), AgreementState::Active)? {
            if let Some(day) = future.ends_on("terminate", &id.to_string(), future.habits.terminated, days) {
                future.terminations.entry(day).or_default().push(id);
            }
        }
        Ok(future)
    }

    /// The day on which something with a chance per month ends within so many days, if it does.
    fn ends_on(&self, what: &str, record: &str, bps: u64, days: i64) -> Option<NaiveDate> {
        let mut dice = Dice::new(self.seed, &[what, record]);
        let mut month = 0;
        while month * MONTH_DAYS < days {
            let day = i64::try_from(dice.below(MONTH_DAYS.unsigned_abs())).unwrap_or_default();
            if dice.hits(bps) {
                return Some(plus_days(self.ctx.today(self.start), month * MONTH_DAYS + day));
            }
            month += 1;
        }
        None
    }

    /// A day: what customers do, then the run at the shop's hour and the one for retries. Messages go out with each.
    fn day(&mut self, day: NaiveDate) -> Result<()> {
        let [morning, evening] = self.hours();
        let mut is_begun = false;
        for time in [morning, evening] {
            let at = moment(day, time, self.ctx.zone());
            if at < self.start {
                continue;
            }
            self.ctx.clock.set(at);
            if !is_begun {
                is_begun = true;
                self.customers_end(day, at)?;
                self.customers_pay_late(day, at)?;
            }
            self.fill_purses(day)?;
            let Outcome::Ran(_) = debit::run(self.ctx, &Options { confirm_backlog: true, ..Options::default() })?
            else {
                anyhow::bail!(t!("another debit run is at work"));
            };
        }
        Ok(())
    }

    /// The shop's hour, and the hour of the first retry on the same day.
    fn hours(&self) -> [NaiveTime; 2] {
        let settings = &self.ctx.config.settings.debit;
        let gap = settings.retry_gaps_hours.first().copied().unwrap_or(EVENING_HOURS);
        let hour = settings.hour.hour();
        let evening = (hour + gap).min(LAST_HOUR);
        let full = |hour: u32| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(settings.hour);
        match evening > hour {
            true => [settings.hour, full(evening)],
            // A shop that charges at night: the day's other run is the one at noon.
            false => [full(hour / 2), settings.hour],
        }
    }

    /// Fills and empties purses so that what is debited now goes as its luck has it.
    fn fill_purses(&mut self, day: NaiveDate) -> Result<()> {
        for it in db::project::to_debit(self.ctx.db.read(), day)? {
            let pays = self.pays(&it);
            if pays == self.empty.contains(&it.mandate) {
                let balance = if pays { DEFAULT_BALANCE } else { Money::ZERO };
                self.book.fund(&payer(it.mandate), balance)?;
                match pays {
                    true => self.empty.remove(&it.mandate),
                    false => self.empty.insert(it.mandate),
                };
            }
        }
        Ok(())
    }

    fn pays(&self, it: &ToDebit) -> bool {
        let (term, lane, round) = (it.installment.to_string(), it.lane.to_string(), it.failures.to_string());
        let hits = |words: &[&str], bps| Dice::new(self.seed, words).hits(bps);
        // Whoever fails after a failed month has stopped paying: no retry helps, on no rail.
        if it.after_failure {
            return !hits(&["again", &term], self.habits.failed_again);
        }
        match (it.failures, it.lane) {
            (0, 1) => !hits(&["first", &term], self.habits.declined(&it.rail)),
            // Whoever has no money on one rail tries his luck on the next, as on a retry.
            _ => hits(&["retry", &term, &lane, &round], self.habits.retry_paid),
        }
    }

    /// Customers end mandates in the app, and give notice of termination.
    fn customers_end(&mut self, day: NaiveDate, now: At) -> Result<()> {
        for (rail, contract_no) in self.revocations.remove(&day).unwrap_or_default() {
            self.book.revoke(&rail, &contract_no, now)?;
        }
        for id in self.terminations.remove(&day).unwrap_or_default() {
            let notice = Termination { cause: Cause::Consumer, keep_pet: true, reason: String::new() };
            unless_refused(statement::terminate(self.ctx, id, &notice, now))?;
        }
        Ok(())
    }

    /// Customers pay terms whose tries are over, by link or at the counter.
    fn customers_pay_late(&self, day: NaiveDate, now: At) -> Result<()> {
        for (id, due) in db::project::overdue(self.ctx.db.read(), day)? {
            if self.pays_late_on(id, due).is_none_or(|on| on > day) {
                continue;
            }
            let by_link = Dice::new(self.seed, &["link", &id.to_string()]).hits(self.habits.by_link);
            if by_link && unless_refused(sandbox::pay(self.ctx, &id.to_string(), now))?.is_some() {
                continue;
            }
            unless_refused(debit::pay::pay_at_counter(self.ctx, id, now))?;
        }
        Ok(())
    }

    /// When an unpaid term is paid after all. The longer it has been open today, the less likely that is.
    fn pays_late_on(&self, id: InstallmentId, due: NaiveDate) -> Option<NaiveDate> {
        let age = (day_of(self.start, self.ctx.zone()) - due).num_days();
        let days = &self.habits.days_late;
        let ahead = &days[days.partition_point(|late| *late <= age)..];
        let count = |days: &[i64]| u64::try_from(days.len()).unwrap_or_default();
        let bps = still_to_come_bps(self.habits.paid_late, count(ahead), count(days));
        let mut dice = Dice::new(self.seed, &["late", &id.to_string()]);
        if !dice.hits(bps) {
            return None;
        }
        let place = usize::try_from(dice.below(count(ahead))).unwrap_or_default();
        ahead.get(place).map(|late| plus_days(due, *late))
    }

    /// What a stretch came to; asked when it is over.
    fn figures(&self, it: &Stretch) -> Result<Figures> {
        let conn = self.ctx.db.read();
        let mut figures = Figures {
            course: db::project::course(conn, it)?,
            messages: db::project::messages(conn, it)?,
            unsendable: db::project::unsendable(conn, it)?,
            ..Figures::default()
        };
        for came in db::project::came_in(conn, it)? {
            let paid = came.of_stretch + came.of_earlier;
            figures.collected += came.terms;
            figures.collected_amount += came.of_stretch;
            figures.earlier_amount += came.of_earlier;
            match self.ctx.config.rails.get(&came.rail) {
                Some(rail) if rail.name != "cash" => {
                    figures.by_rail += paid;
                    figures.fees += paid.bps(rail.fee_bps);
                }
                _ => figures.cash += paid,
            }
        }
        Ok(figures)
    }
}

/// What a rule forbids does not happen: a term is disputed, an agreement has ended meanwhile.
fn unless_refused<T>(done: Result<T>) -> Result<Option<T>> {
    match done {
        Ok(it) => Ok(Some(it)),
        Err(error) => match error.downcast_ref::<Fault>().map(Fault::kind) {
            Some(Kind::Refused | Kind::NotFound) => Ok(None),
            _ => Err(error),
        },
    }
}
