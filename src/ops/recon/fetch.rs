//! Asking the rails for their bills: which days are wanted, whether a bill can be there yet, and what a "there is none" means.

use anyhow::Result;
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use super::import::{self, Taken};
use crate::adapters::rail::{BillPeriod, Trouble};
use crate::config::AdapterKind;
use crate::db;
use crate::domain::date::{At, day_of, plus_days};
use crate::domain::rail::Profile;
use crate::domain::recon::WAIT_DAYS;
use crate::domain::report::Period;
use crate::ops::Ctx;
use crate::ops::debit::refuse_copies;
use crate::ops::mandate::trouble_text;

/// Days that a fetch without a day catches up.
const CATCH_UP_DAYS: i64 = 31;

/// What is to be fetched.
#[derive(Clone, Debug, Default)]
pub struct FetchWanted {
    /// From one rail; without it from every rail that has bills.
    pub rail: Option<String>,
    /// Of one day.
    pub day: Option<NaiveDate>,
    /// Of a month.
    pub month: Option<Period>,
}

/// What became of asking for one bill.
#[derive(Clone, Debug, Serialize)]
pub struct Fetched {
    /// Whom.
    pub rail: String,
    /// First day.
    pub first_day: NaiveDate,
    /// Last day.
    pub last_day: NaiveDate,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: FetchOutcome,
}

/// What can become of asking for a bill.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FetchOutcome {
    /// It was taken over, or was known.
    Taken(Box<Taken>),
    /// It is not ready.
    NotReady {
        /// From when it should be there.
        ready_at: At,
    },
    /// The rail has none: perhaps nothing happened, perhaps it is late. Asked again until the waiting days are over.
    None {
        /// What it said.
        said: String,
    },
    /// The rail has no bills.
    Unsupported,
    /// The rail could not be asked, refused, or gave a file that cannot be taken over.
    Failed {
        /// Why.
        why: String,
    },
}

/// Fetches bills. A rail that fails does not keep the others from being asked.
///
/// # Errors
/// When there is no such rail, or the database cannot be read.
pub fn fetch(ctx: &Ctx, wanted: &FetchWanted, now: At) -> Result<Vec<Fetched>> {
    refuse_copies(ctx)?;
    let rails: Vec<String> = match &wanted.rail {
        Some(name) => {
            ctx.rail(name)?;
            vec![name.clone()]
        }
        None => {
            let rails = ctx.config.rails.iter().filter(|(_, it)| it.adapter != AdapterKind::Cash);
            rails.map(|(name, _)| name.clone()).collect()
        }
    };
    let mut fetched = Vec::new();
    for rail in rails {
        match (wanted.day, wanted.month) {
            (Some(day), _) => fetched.push(one(ctx, &rail, BillPeriod::Day(day), (day, day), now)),
            (None, Some(month)) => of_month(ctx, &rail, month, now, &mut fetched)?,
            (None, None) => catch_up(ctx, &rail, now, &mut fetched)?,
        }
    }
    Ok(fetched)
}

/// The bill of a month, or of its days one by one where the rail has none of a month.
fn of_month(ctx: &Ctx, rail: &str, month: Period, now: At, fetched: &mut Vec<Fetched>) -> Result<()> {
    let whole = one(ctx, rail, BillPeriod::Month(month.from()), (month.from(), month.to()), now);
    if !matches!(whole.outcome, FetchOutcome::Unsupported) {
        fetched.push(whole);
        return Ok(());
    }
    let profile = &ctx.config.rail(rail)?.profile;
    let over = |day: &NaiveDate| *day <= month.to() && now >= profile.bill_ready_at(*day);
    for day in month.from().iter_days().take_while(over) {
        let day = one(ctx, rail, BillPeriod::Day(day), (day, day), now);
        let unsupported = matches!(day.outcome, FetchOutcome::Unsupported);
        fetched.push(day);
        if unsupported {
            break;
        }
    }
    Ok(())
}

/// Every day since the last one that is known, up to yesterday; only yesterday when none is.
fn catch_up(ctx: &Ctx, rail: &str, now: At, fetched: &mut Vec<Fetched>) -> Result<()> {
    let profile = &ctx.config.rail(rail)?.profile;
    let yesterday = plus_days(day_of(now, profile.timezone), -1);
    let earliest = plus_days(yesterday, -CATCH_UP_DAYS);
    let known = db::bill::days(ctx.db.read(), rail, earliest, yesterday)?;
    // A gap is asked about again, for example a day of which the rail said that it had no bill yet.
    let from = known.first().map_or(yesterday, |first| plus_days(*first, 1));
    for day in from.iter_days().take_while(|day| *day <= yesterday) {
        if known.binary_search(&day).is_err() {
            fetched.push(one(ctx, rail, BillPeriod::Day(day), (day, day), now));
        }
    }
    Ok(())
}

fn one(ctx: &Ctx, rail: &str, period: BillPeriod, days: (NaiveDate, NaiveDate), now: At) -> Fetched {
    let outcome =
        ask(ctx, rail, period, days, now).unwrap_or_else(|error| FetchOutcome::Failed { why: format!("{error:#}") });
    Fetched { rail: rail.to_owned(), first_day: days.0, last_day: days.1, outcome }
}

fn ask(ctx: &Ctx, rail: &str, period: BillPeriod, days: (NaiveDate, NaiveDate), now: At) -> Result<FetchOutcome> {
    let profile: &Profile = &ctx.config.rail(rail)?.profile;
    let ready_at = profile.bill_ready_at(days.1);
    if now < ready_at {
        return Ok(FetchOutcome::NotReady { ready_at });
    }
    match ctx.rail(rail)?.bill(period) {
        Ok(file) => {
            let taken = import::from_rail(ctx, rail, &file.name, &file.bytes, days, now)?;
            Ok(FetchOutcome::Taken(Box::new(taken)))
        }
        Err(Trouble::Unsupported) => Ok(FetchOutcome::Unsupported),
        Err(Trouble::Refused { code, text, .. }) if says_none(&code, &text) => {
            // "None" also means "not yet" (payment facts 2.7), so it is believed only after the waiting days.
            if days.0 == days.1 && now - ready_at >= TimeDelta::days(WAIT_DAYS) {
                return Ok(FetchOutcome::Taken(Box::new(import::nothing_on(ctx, rail, days.0, now)?)));
            }
            Ok(FetchOutcome::None { said: format!("{text} {code}").trim().to_owned() })
        }
        Err(trouble) => Ok(FetchOutcome::Failed { why: trouble_text(&trouble) }),
    }
}

/// WeChat's words for "no bill of this day". Alipay gives an empty file instead.
fn says_none(code: &str, text: &str) -> bool {
    let said = format!("{code} {text}").to_ascii_uppercase();
    ["NO_STATEMENT_EXIST", "NO BILL EXIST", "NO_BILL_EXIST", "20002"].iter().any(|word| said.contains(word))
}
