//! What the shop's own past says about its customers, and the habits that a possible future takes from it. Every rate is counted events
//! beside an assumption that weighs as much as a few of them, so that a young shop gets wide ranges and an old one its own.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::db::project::Lived;
use crate::db::{self, Conn};
use crate::domain::date::{At, day_of, plus_days};
use crate::domain::project::{Dice, Prior, Seen};
use crate::domain::report::Rate;
use crate::text::lang;

/// How far back the past counts: what was longer ago says little about next month.
const DAYS_BACK: i64 = 365;
/// Days of a month, where months are counted and not named.
const MONTH_DAYS: i64 = 30;
/// Parts in a whole rate.
const WHOLE_BPS: i64 = 10_000;
/// Late payments that are looked at.
const MOST_LATE: u32 = 500;
/// Days late that are assumed beside those on record: most who pay late do so in the first days, some after weeks.
const ASSUMED_DAYS_LATE: [i64; 7] = [1, 2, 3, 5, 8, 13, 21];

/// Something the past is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// First debits of a term that are declined for the customer's reasons.
    FirstDeclined,
    /// Terms after one whose tries all failed, whose tries all fail too: whoever has stopped paying is not helped by a retry.
    FailedAgain,
    /// Later debits of a term that are paid.
    RetryPaid,
    /// Terms whose tries are over that are paid by link or at the counter.
    PaidLate,
    /// Of these, by link.
    ByLink,
    /// Mandates that customers end, per month of a mandate.
    MandateEnded,
    /// Agreements that are terminated, per month of an agreement.
    Terminated,
    /// Answers of rails that are lost.
    AnswerLost,
}

impl Question {
    /// What is assumed before any history, and how much it weighs.
    const fn prior(self) -> Prior {
        match self {
            Question::FirstDeclined => Prior { yes: 1, of: 20 },
            Question::FailedAgain | Question::PaidLate | Question::ByLink => Prior { yes: 3, of: 6 },
            Question::RetryPaid => Prior { yes: 3, of: 10 },
            Question::MandateEnded | Question::Terminated => Prior { yes: 1, of: 200 },
            Question::AnswerLost => Prior { yes: 1, of: 500 },
        }
    }
}

/// What the past says about one question.
#[derive(Clone, Debug, Serialize)]
pub struct Habit {
    /// About what.
    pub question: Question,
    /// On which rail, where rails are told apart.
    pub rail: Option<String>,
    /// What people call it.
    #[serde(skip)]
    pub label: String,
    /// How often it happened.
    pub seen: Seen,
    /// The rate that this makes likely.
    pub likely: Rate,
}

/// What the past says.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// When its first debit was made; `None` without any.
    pub since: Option<NaiveDate>,
    /// Months since then, begun ones included; at most twelve.
    pub months: u64,
    /// First debits of terms that had a result.
    pub charges: u64,
    /// What each question was answered.
    pub habits: Vec<Habit>,
    /// How many days late the late payments came, in order.
    #[serde(skip)]
    days_late: Vec<i64>,
    /// The middle of these with what is assumed.
    pub likely_days_late: i64,
}

/// The part of a run's report that says how many answers were lost.
#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    charged: u64,
    #[serde(default)]
    unknown: u64,
}

impl History {
    /// Reads the past before `at`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read(conn: &Conn, config: &Config, at: At) -> Result<History> {
        let zone = config.settings.timezone;
        let since = at - TimeDelta::days(DAYS_BACK);
        let (since_day, today) = (day_of(since, zone), day_of(at, zone));
        let first = db::project::first_debit_at(conn, since)?;
        let mut habits = Vec::new();
        let mut again = Seen::default();
        let mut by_rail: BTreeMap<String, Seen> = live_rails(config);
        let mut charges = 0;
        for tries in db::project::first_tries(conn, since)? {
            charges += tries.declined.of;
            match tries.after_failure {
                true => add(&mut again, tries.declined),
                false => add(by_rail.entry(tries.rail).or_default(), tries.declined),
            }
        }
        for (rail, seen) in by_rail {
            let label = config.rails.get(&rail).map_or(rail.as_str(), |it| it.label(lang())).to_owned();
            habits.push(Habit { label, ..habit(Question::FirstDeclined, Some(rail), seen) });
        }
        habits.push(habit(Question::FailedAgain, None, again));
        habits.push(habit(Question::RetryPaid, None, db::project::retries(conn, since)?));
        let late = db::project::paid_late(conn, since_day, MOST_LATE)?;
        let unpaid = db::project::count_unpaid(conn, since_day, plus_days(today, -MONTH_DAYS))?;
        let paid = u64::try_from(late.len())?;
        habits.push(habit(Question::PaidLate, None, Seen { yes: paid, of: paid + unpaid }));
        let links = u64::try_from(late.iter().filter(|it| it.by_link).count())?;
        habits.push(habit(Question::ByLink, None, Seen { yes: links, of: paid }));
        let mut mandates = Life::new(since, at);
        db::project::each_mandate_life(conn, since, |it| mandates.add(&it))?;
        habits.push(habit(Question::MandateEnded, None, mandates.seen()));
        let mut agreements = Life::new(since, at);
        db::project::each_agreement_life(conn, since, |it| agreements.add(&it))?;
        habits.push(habit(Question::Terminated, None, agreements.seen()));
        let mut lost = Seen::default();
        db::project::each_report(conn, since, |report| {
            // A report of an older kibble may say something else; it is not counted then.
            if let Ok(it) = serde_json::from_str::<Reported>(report) {
                add(&mut lost, Seen { yes: it.unknown.min(it.charged), of: it.charged });
            }
        })?;
        habits.push(habit(Question::AnswerLost, None, lost));
        let on_record = late.iter().map(|it| (day_of(it.paid_at, zone) - it.due).num_days().max(0));
        let mut days_late: Vec<i64> = on_record.chain(ASSUMED_DAYS_LATE).collect();
        days_late.sort_unstable();
        Ok(History {
            since: first.map(|first| day_of(first, zone)),
            months: first.map_or(0, |first| months((at - first).num_days() + MONTH_DAYS - 1).max(1)),
            charges,
            habits,
            likely_days_late: days_late[days_late.len() / 2],
            days_late,
        })
    }

    /// The habits of one possible future.
    pub fn drawn(&self, seed: u64) -> Habits {
        let mut declined = BTreeMap::new();
        let mut rates = BTreeMap::new();
        for (place, it) in self.habits.iter().enumerate() {
            let mut dice = Dice::new(seed, &["habit", &place.to_string()]);
            let bps = it.seen.drawn_bps(it.question.prior(), &mut dice);
            match &it.rail {
                Some(rail) => drop(declined.insert(rail.clone(), bps)),
                None => drop(rates.insert(it.question as u8, bps)),
            }
        }
        let rate = |question: Question| rates.get(&(question as u8)).copied().unwrap_or_default();
        Habits {
            declined,
            failed_again: rate(Question::FailedAgain),
            retry_paid: rate(Question::RetryPaid),
            paid_late: rate(Question::PaidLate),
            by_link: rate(Question::ByLink),
            mandate_ended: rate(Question::MandateEnded),
            terminated: rate(Question::Terminated),
            answer_lost: rate(Question::AnswerLost),
            days_late: self.days_late.clone(),
        }
    }
}

/// How customers and rails behave in one possible future: rates in basis points.
#[derive(Clone, Debug)]
pub struct Habits {
    declined: BTreeMap<String, u64>,
    /// Terms that fail altogether after a failed one.
    pub failed_again: u64,
    /// Later debits paid.
    pub retry_paid: u64,
    /// Failed terms paid late.
    pub paid_late: u64,
    /// Of these, by link.
    pub by_link: u64,
    /// Mandates ended by customers, each month.
    pub mandate_ended: u64,
    /// Agreements terminated, each month.
    pub terminated: u64,
    /// Answers lost.
    pub answer_lost: u64,
    /// Days late, in order.
    pub days_late: Vec<i64>,
}

impl Habits {
    /// First debits declined on a rail. Every rail with debits ahead has a habit, because [`History::read`] gives it one.
    pub fn declined(&self, rail: &str) -> u64 {
        self.declined.get(rail).copied().unwrap_or_default()
    }
}

/// Every rail of the shop but the counter, so that one without history has what is assumed.
fn live_rails(config: &Config) -> BTreeMap<String, Seen> {
    let rails = config.rails.values().filter(|rail| rail.adapter != crate::config::AdapterKind::Cash);
    rails.map(|rail| (rail.name.clone(), Seen::default())).collect()
}

fn habit(question: Question, rail: Option<String>, seen: Seen) -> Habit {
    let likely = i64::try_from(seen.likely_bps(question.prior())).unwrap_or_default();
    Habit { question, rail, label: String::new(), seen, likely: Rate::of(likely, WHOLE_BPS) }
}

fn add(to: &mut Seen, more: Seen) {
    to.yes += more.yes;
    to.of += more.of;
}

fn months(days: i64) -> u64 {
    (days.max(0) / MONTH_DAYS).unsigned_abs()
}

/// How long things ran within the past that counts, and how many the customer ended.
struct Life {
    since: At,
    until: At,
    days: i64,
    ended: u64,
}

impl Life {
    fn new(since: At, until: At) -> Life {
        Life { since, until, days: 0, ended: 0 }
    }

    fn add(&mut self, it: &Lived) {
        let to = it.to.unwrap_or(self.until).min(self.until);
        self.days += (to - it.from.max(self.since)).num_days().max(0);
        self.ended += u64::from(it.by_customer && it.to.is_some());
    }

    /// Ended ones, of months lived.
    fn seen(&self) -> Seen {
        Seen { yes: self.ended, of: months(self.days).max(self.ended) }
    }
}
