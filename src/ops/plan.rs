//! Plans on offer: adding, listing, withdrawing, and what a customer will have paid by when.

use anyhow::Result;
use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use crate::config::{AdapterKind, RailSettings};
use crate::db;
use crate::domain::date::Schedule;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::plan::{Plan, PlanAdvice, PlanProblem, QuoteLine};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;
use crate::text;

/// The last day that every month has.
const LAST_COMMON_DAY: u32 = 28;

/// A plan and whether it is on offer.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// All terms together.
    pub total: Money,
    /// True while it can be signed.
    pub on_offer: bool,
    /// What the owner should look at.
    pub advice: Vec<String>,
}

/// What a customer would pay.
#[derive(Clone, Debug, Serialize)]
pub struct Quote {
    /// The plan and its total.
    #[serde(flatten)]
    pub offer: Offer,
    /// If it were signed on this day.
    pub signed_on: NaiveDate,
    /// Debit day.
    pub day: u32,
    /// Every term.
    pub lines: Vec<QuoteLine>,
    /// When the last term falls due.
    pub last_due: NaiveDate,
    /// Last day of the agreement.
    pub ends_on: NaiveDate,
    /// Payment rails that leave no room for every retry on this day, in sentences.
    pub warnings: Vec<String>,
}

/// What is asked of a quote.
#[derive(Clone, Debug, Default)]
pub struct QuoteOptions {
    /// Day of signing; today when `None`.
    pub signed_on: Option<NaiveDate>,
    /// Debit day; the day of signing, or the largest that every channel likes, when `None`.
    pub day: Option<u32>,
    /// Payment rail; all of the shop's when `None`.
    pub rail: Option<String>,
}

/// Offers a plan. With `replace` it may change one that is there: signed agreements keep what they were signed with.
///
/// # Errors
/// Usage when a rule forbids the plan; refused when the code is taken.
pub fn add(ctx: &Ctx, plan: &Plan, replace: bool) -> Result<Offer> {
    let now = ctx.now();
    let advice = plan.check().map_err(problem)?;
    if plan.name_zh.trim().is_empty() || plan.name_en.trim().is_empty() {
        return Err(Fault::usage(t!("a plan needs a name")).hint(t!("give --name-zh or --name-en")).into());
    }
    ctx.db.write(now, |tx| {
        if !replace && db::plan::get(tx, &plan.code)?.is_some() {
            return Err(Fault::refused(t!("there is a plan {code} already", code = plan.code))
                .hint(t!("choose another code, or add --replace: signed agreements keep what was signed"))
                .into());
        }
        db::plan::save(tx, plan, now)?;
        let op = Op::PlanSaved { code: plan.code.clone(), monthly: plan.monthly, terms: plan.terms };
        Ok((offer(plan.clone(), true, &advice), op))
    })
}

/// Plans by code; only those on offer unless `all`.
///
/// # Errors
/// Those of the database.
pub fn list(ctx: &Ctx, all: bool) -> Result<Vec<Offer>> {
    let conn = ctx.db.read();
    let current: Vec<String> = db::plan::list(conn, false)?.into_iter().map(|plan| plan.code).collect();
    let plans = db::plan::list(conn, all)?.into_iter();
    Ok(plans
        .map(|plan| {
            let on_offer = current.contains(&plan.code);
            let advice = plan.check().unwrap_or_default();
            offer(plan, on_offer, &advice)
        })
        .collect())
}

/// One plan.
///
/// # Errors
/// Not found, naming the plans that there are.
pub fn show(ctx: &Ctx, code: &str) -> Result<Offer> {
    let plans = list(ctx, true)?;
    let known: Vec<String> = plans.iter().map(|it| it.plan.code.clone()).collect();
    plans.into_iter().find(|it| it.plan.code == code.trim()).ok_or_else(|| {
        Fault::not_found(t!("there is no plan {code}", code = code))
            .hint(t!("the plans are: {list}", list = known.join(", ")))
            .into()
    })
}

/// Takes a plan off the offer; signed agreements go on.
///
/// # Errors
/// As [`show`]; refused when it is off the offer already.
pub fn withdraw(ctx: &Ctx, code: &str) -> Result<Offer> {
    let mut offer = show(ctx, code)?;
    if !offer.on_offer {
        return Err(Fault::refused(t!("the plan {code} is not on offer any more", code = offer.plan.code))
            .hint(t!("`kibble plan list` shows what is on offer"))
            .into());
    }
    ctx.db.write(ctx.now(), |tx| {
        db::plan::withdraw(tx, &offer.plan.code)?;
        Ok(((), Op::PlanWithdrawn { code: offer.plan.code.clone() }))
    })?;
    offer.on_offer = false;
    Ok(offer)
}

/// What a customer will have paid by when.
///
/// # Errors
/// As [`show`]; usage for a debit day that the payment rail does not take.
pub fn quote(ctx: &Ctx, code: &str, options: &QuoteOptions) -> Result<Quote> {
    let offer = show(ctx, code)?;
    let signed_on = options.signed_on.unwrap_or_else(|| ctx.today(ctx.now()));
    let rails: Vec<&RailSettings> = match &options.rail {
        Some(name) => vec![ctx.config.rail(name)?],
        None => ctx.config.rails.values().filter(|rail| rail.adapter != AdapterKind::Cash).collect(),
    };
    let comfortable = rails.iter().map(|rail| rail.profile.debit_day_max).min().unwrap_or(LAST_COMMON_DAY);
    let day = options.day.unwrap_or_else(|| signed_on.day().min(comfortable).min(LAST_COMMON_DAY));
    if !(1..=31).contains(&day) {
        return Err(Fault::usage(t!("{day} is not a day of the month", day = day))
            .hint(t!("give --day a number from 1 to 28"))
            .into());
    }
    if day > LAST_COMMON_DAY {
        return Err(Fault::usage(t!("not every month has a day {day}", day = day))
            .hint(t!("offer the customer 28 or 1 instead"))
            .into());
    }
    let mut warnings = Vec::new();
    for rail in rails {
        let label = rail.label(text::lang());
        let (good, last) = (rail.profile.debit_day_max, rail.profile.registered_day_max);
        if day > last {
            let refused = t!("{rail} takes debit days up to {max}, not {day}", rail = label, max = last, day = day);
            if options.rail.is_some() {
                return Err(Fault::usage(refused).hint(t!("choose an earlier day, or 1 of the next month")).into());
            }
            warnings.push(refused);
        } else if day > good {
            warnings.push(t!(
                "{rail}: a debit day above {max} leaves no room for every retry",
                rail = label,
                max = good
            ));
        }
    }
    let schedule = Schedule::new(signed_on, day, offer.plan.first_debit);
    Ok(Quote {
        lines: offer.plan.quote(signed_on, day),
        last_due: schedule.due(offer.plan.terms),
        ends_on: schedule.end(offer.plan.terms),
        offer,
        signed_on,
        day,
        warnings,
    })
}

fn offer(plan: Plan, on_offer: bool, advice: &[PlanAdvice]) -> Offer {
    let advice = advice.iter().map(|it| match it {
        PlanAdvice::UnusualAmount => t!("plans usually cost 150.00 to 300.00 a month"),
        PlanAdvice::UnusualTerms => t!("plans usually have 12 to 24 terms"),
    });
    Offer { advice: advice.collect(), total: plan.total(), on_offer, plan }
}

fn problem(problem: PlanProblem) -> Fault {
    match problem {
        PlanProblem::Code => Fault::usage(t!("a plan's code has small letters, digits and hyphens only"))
            .hint(t!("for example cat-199-12")),
        PlanProblem::Terms => Fault::usage(t!("a plan has 1 to 36 terms"))
            .hint(t!("write how many monthly debits were agreed, usually 12 to 24")),
        PlanProblem::Amount => Fault::usage(t!("a plan costs more than 0.00 and at most 500.00 a month"))
            .hint(t!("write the amount of one month, not of the whole plan, for example 199.00")),
        PlanProblem::Guarantee => Fault::usage(t!("the health guarantee of an adoption is 15 days at least"))
            .hint(t!("give --guarantee-days 15 or more")),
    }
}
