//! What a run says of the time before it, when there was an outage, a run that was broken off, or a database that was restored: what
//! happened, what fell due, what could still be charged, what waits, what was missed, and who is still to be told. Owns the figures,
//! all of them from the records; the sentences are `cli/debit/recovery.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use crate::db;
use crate::db::charge::Sums;
use crate::db::installment::Missed;
use crate::db::message::Counted;
use crate::domain::charge::{ChargeState, Stop};
use crate::domain::date::{At, moment, plus_days};
use crate::domain::id::{ChargeId, CustomerId, InstallmentId, MessageId, RunId};
use crate::domain::message::MessageState;
use crate::domain::money::Money;
use crate::ops::Ctx;
use crate::ops::debit::pay::may_postpone;
use crate::ops::debit::plan::{Planned, plan_in};
use crate::ops::debit::report::{Concern, Need, RunReport};

/// No rail accepts a debit for longer than this after its agreed day: how far back a window can have been open when the runs stopped.
const LONGEST_WINDOW_DAYS: i64 = 31;

/// A number of terms, charges or messages, and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How much.
    pub amount: Money,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Sum) {
        self.count += other.count;
        self.amount += other.amount;
    }
}

/// A run that was broken off before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Which.
    pub run: RunId,
    /// When it began.
    pub at: At,
    /// On which machine.
    pub host: String,
}

/// The adoption of a restored or copied database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// When.
    pub at: At,
    /// Which copy it is since.
    pub copy_no: i64,
    /// How many charges it found that were missing here.
    pub found: u64,
}

/// Terms that are due and wait, all for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The first rule that stops them; none where only the rail was in the way.
    pub stop: Option<Stop>,
    /// On which rail; empty without a live mandate.
    pub rail: String,
    /// How many and how much.
    #[serde(flatten)]
    pub sum: Sum,
    /// The earliest moment at which one of them can be charged, where time alone changes it.
    pub until: Option<At>,
    /// The agreed day of the first.
    pub due: NaiveDate,
}

/// A customer who is still to be told something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToTell {
    /// Which message.
    pub message: MessageId,
    /// Whom.
    pub customer: Option<CustomerId>,
    /// About which term.
    pub installment: Option<InstallmentId>,
    /// Which text.
    pub template: String,
    /// Where it stands.
    pub state: MessageState,
    /// Not to be sent before.
    pub not_before: At,
}

/// The story of a run's first part: why things are not as they would be had every run come at its hour.
#[derive(Clone, Debug, Serialize)]
pub struct Recovery {
    /// True in a dry run: what would be.
    pub planned: bool,
    /// The run before, whether it ended or not.
    pub last: RunId,
    /// When that began.
    pub last_at: At,
    /// Whole hours since then, where that is an outage.
    pub away_hours: Option<i64>,
    /// Runs that were broken off.
    pub broken: Vec<Broken>,
    /// The adoption, where there was one.
    pub adopted: Option<Adoption>,
    /// What fell due since the last run that ended.
    pub due: Sum,
    /// Debits whose outcome was not known.
    pub open: Sum,
    /// What became of those, by state; `noted` and `unknown` are still open.
    pub settled: BTreeMap<ChargeState, Sum>,
    /// What could still be charged.
    pub lawful: Sum,
    /// What became of that, by state.
    pub charged: BTreeMap<ChargeState, Sum>,
    /// What is due and waits, by reason.
    pub waiting: Vec<Waiting>,
    /// Terms whose window passed.
    pub missed: Vec<Missed>,
    /// How many of them can still be moved to another day.
    pub movable: u64,
    /// Messages queued, by text and state.
    pub told: Vec<Counted>,
    /// Customers who are still to be told something.
    pub to_tell: Vec<ToTell>,
    /// How many things need a decision.
    pub decisions: u64,
}

/// A story that has begun: what stood in the records before the run touched them.
pub struct Begun {
    story: Recovery,
    from: NaiveDate,
    charge: ChargeId,
    message: MessageId,
    at: At,
    before: Sums,
}

/// Looks whether there is something to explain. Nothing is said of a gap up to `backlog_after_hours`.
///
/// # Errors
/// When the database cannot be read.
pub fn begin(ctx: &Ctx, now: At) -> Result<Option<Begun>> {
    let conn = ctx.db.read();
    let runs = db::run::since_last_end(conn)?;
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(None) };
    let outage = TimeDelta::hours(i64::from(ctx.config.settings.debit.backlog_after_hours));
    let away = now - last.started_at;
    let broken: Vec<Broken> = runs
        .iter()
        .filter(|run| run.ended_at.is_none())
        .map(|run| Broken { run: run.id, at: run.started_at, host: run.host.clone() })
        .collect();
    let adopted = adoption(ctx)?;
    if away <= outage && broken.is_empty() && adopted.is_none() {
        return Ok(None);
    }
    let (from, until) = (first_day(ctx, first.started_at), last_day(ctx, now));
    let charge = db::charge::newest(conn)?;
    let before = db::charge::standing(conn, charge, now)?;
    let mut open = Sum::default();
    for (state, (count, amount)) in &before {
        if is_open(*state) {
            open += Sum { count: *count, amount: *amount };
        }
    }
    let (count, amount) = db::installment::due_between(conn, from, until)?;
    Ok(Some(Begun {
        story: Recovery {
            planned: false,
            last: last.id,
            last_at: last.started_at,
            away_hours: (away > outage).then(|| away.num_hours()),
            broken,
            adopted,
            due: Sum { count, amount },
            open,
            settled: BTreeMap::new(),
            lawful: Sum::default(),
            charged: BTreeMap::new(),
            waiting: Vec::new(),
            missed: Vec::new(),
            movable: 0,
            told: Vec::new(),
            to_tell: Vec::new(),
            decisions: 0,
        },
        from,
        charge,
        message: db::message::last_id(conn)?,
        at: now,
        before,
    }))
}

impl Begun {
    /// Ends the story with what the run found and did, and puts it into its report.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn end(self, ctx: &Ctx, report: &mut RunReport, now: At) -> Result<()> {
        let Begun { mut story, from, charge, message, at, before } = self;
        let conn = ctx.db.read();
        for (state, (count, amount)) in db::charge::standing(conn, charge, at)? {
            // What was decided at this very moment before the run, by one that was broken off, is not this run's finding.
            let (had, had_amount) = match is_open(state) {
                true => (0, Money::ZERO),
                false => before.get(&state).copied().unwrap_or((0, Money::ZERO)),
            };
            if count > had {
                story.settled.insert(state, Sum { count: count - had, amount: amount - had_amount });
            }
        }
        for (state, (count, amount)) in db::charge::made_after(conn, charge)? {
            let sum = Sum { count, amount };
            story.charged.insert(state, sum);
            story.lawful += sum;
        }
        let today = ctx.today(now);
        let mut waiting = Groups::default();
        plan_in(ctx, Some(report.run), now, |planned| {
            // What this run charged has its line already, with what became of it.
            if planned.due <= today && !db::charge::is_made_after(conn, charge, planned.installment)? {
                waiting.add(&planned);
            }
            Ok(())
        })?;
        story.waiting = waiting.into_list();
        let named: BTreeSet<String> = report
            .needs
            .iter()
            .filter(|need| matches!(need.what, Concern::Missed { .. }))
            .map(|need| need.record.clone())
            .collect();
        story.missed = db::installment::missed_since(conn, plus_days(from, -LONGEST_WINDOW_DAYS))?;
        story.missed.retain(|it| it.due >= from || named.contains(&it.installment.to_string()));
        // What a run named that was broken off was never printed.
        for it in &story.missed {
            report.missed(it.installment, it.customer, it.due);
        }
        story.told = db::message::queued_after(conn, message)?;
        story.to_tell = db::message::untold(conn, message)?.iter().map(to_tell).collect();
        story.decisions = u64::try_from(report.needs.len())?;
        report.recovery = Some(story);
        Ok(())
    }

    /// Ends the story with what a run would do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn forecast(self, ctx: &Ctx, now: At) -> Result<Recovery> {
        let Begun { mut story, from, message, .. } = self;
        let conn = ctx.db.read();
        story.planned = true;
        let today = ctx.today(now);
        let mut waiting = Groups::default();
        story.missed = db::installment::missed_since(conn, from)?;
        plan_in(ctx, None, now, |planned| {
            if planned.charge {
                story.lawful += Sum { count: 1, amount: planned.amount };
            } else if planned.missed {
                let Planned { installment, customer, due, amount, .. } = planned;
                story.missed.push(Missed { installment, customer, due, amount });
            } else if planned.due <= today {
                waiting.add(&planned);
            }
            Ok(())
        })?;
        story.waiting = waiting.into_list();
        for it in &story.missed {
            story.movable += u64::from(may_postpone(ctx, it.installment, it.due, now)?);
        }
        story.to_tell = db::message::untold(conn, message)?.iter().map(to_tell).collect();
        Ok(story)
    }
}

fn to_tell(message: &db::message::Message) -> ToTell {
    ToTell {
        message: message.id,
        customer: message.customer,
        installment: message.installment(),
        template: message.template.clone(),
        state: message.state,
        not_before: message.not_before,
    }
}

/// What waits, by reason and rail.
#[derive(Default)]
struct Groups(BTreeMap<(Option<Stop>, String), Waiting>);

impl Groups {
    fn add(&mut self, planned: &Planned) {
        // Tries that are over are no longer waited for: the customer has heard of it and pays by link or at the counter.
        if planned.stop == Some(Stop::TriesOver) {
            return;
        }
        let group = self.0.entry((planned.stop, planned.rail.clone())).or_insert_with(|| Waiting {
            stop: planned.stop,
            rail: planned.rail.clone(),
            sum: Sum::default(),
            until: planned.rule_until(),
            due: planned.due,
        });
        group.sum += Sum { count: 1, amount: planned.amount };
        group.until = match (group.until, planned.rule_until()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    fn into_list(self) -> Vec<Waiting> {
        self.0.into_values().collect()
    }
}

fn adoption(ctx: &Ctx) -> Result<Option<Adoption>> {
    let Some((at, detail)) = db::audit::adopted_since_run(ctx.db.read())? else { return Ok(None) };
    let detail: serde_json::Value = serde_json::from_str(&detail)?;
    let found = detail["found"].as_array().map_or(0, Vec::len);
    Ok(Some(Adoption { at, copy_no: detail["copy_no"].as_i64().unwrap_or_default(), found: u64::try_from(found)? }))
}

const fn is_open(state: ChargeState) -> bool {
    matches!(state, ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown)
}

/// The first agreed day whose hour had not come at `at`.
fn first_day(ctx: &Ctx, at: At) -> NaiveDate {
    let day = ctx.today(at);
    if at >= moment(day, ctx.config.settings.debit.hour, ctx.zone()) { plus_days(day, 1) } else { day }
}

/// The last agreed day whose hour has come at `at`.
fn last_day(ctx: &Ctx, at: At) -> NaiveDate {
    plus_days(first_day(ctx, at), -1)
}

impl RunReport {
    /// Proposes the counter for terms that were missed and for which no other day is left, and counts the others for the story.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn propose(&mut self, ctx: &Ctx, now: At) -> Result<()> {
        let mut movable = 0;
        for need in &mut self.needs {
            let (Concern::Missed { due }, Ok(term)) = (&need.what, need.record.parse()) else { continue };
            match may_postpone(ctx, term, *due, now)? {
                true => movable += 1,
                false => need.next = format!("kibble debit pay {term} --cash"),
            }
        }
        if let Some(story) = &mut self.recovery {
            story.movable = movable;
        }
        Ok(())
    }

    /// A window that passed, named once.
    pub fn missed(&mut self, installment: InstallmentId, customer: CustomerId, due: NaiveDate) {
        self.need(Need {
            record: installment.to_string(),
            customer: Some(customer),
            what: Concern::Missed { due },
            next: format!("kibble debit postpone {installment} --to DATE"),
            urgent: false,
        });
    }
}
