//! Reports: what a period was like, each figure beside its definition (domain facts 6.4), and the files an accountant needs.
//! Reads only; the one thing an export writes to the books is its audit row.

pub mod export;
mod files;
mod ledger;

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;

use crate::db;
use crate::db::report::Span;
use crate::domain::date::{At, moment, plus_days};
use crate::domain::id::{AgreementId, CustomerId};
use crate::domain::money::Money;
use crate::domain::report::{Period, PeriodError, Rank, Rate};
use crate::domain::sheet;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

/// Days over which redemption is averaged (domain facts 6.4, idle balance).
const REDEMPTION_DAYS: i64 = 90;

/// How many agreements at high risk are listed by name; all are counted.
const LISTED_AT_RISK: u32 = 10;

/// The period a person asked for, in their words.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `2026-11`.
    pub month: Option<String>,
    /// First day.
    pub from: Option<String>,
    /// Last day; today when only the first is given.
    pub to: Option<String>,
}

/// Reads the period; this month when nothing was said.
///
/// # Errors
/// Usage, when the words are no month and no days.
pub fn period(asked: &Asked, today: NaiveDate) -> Result<Period> {
    let date = |text: &str| {
        sheet::date(&sheet::tidy(text))
            .map_err(|_| Fault::usage(t!("{text} is not a date like 2026-11-05", text = text)))
    };
    let wrong = |error: PeriodError, text: &str| match error {
        PeriodError::NotAMonth => Fault::usage(t!("{text} is not a month like 2026-11", text = text)),
        PeriodError::Backwards => Fault::usage(t!("the last day lies before the first: {text}", text = text)),
        PeriodError::FarAway => Fault::usage(t!("the year is mistyped: {text}", text = text)),
    };
    match (&asked.month, &asked.from, &asked.to) {
        (Some(month), _, _) => Ok(Period::month(month).map_err(|error| wrong(error, month))?),
        (None, None, None) => Ok(Period::month_of(today)),
        (None, None, Some(_)) => Err(Fault::usage(t!("--to needs --from")).into()),
        (None, Some(from), to) => {
            let first = date(from)?;
            let last = to.as_deref().map(date).transpose()?.unwrap_or(today);
            Ok(Period::new(first, last).map_err(|error| wrong(error, &format!("{first} – {last}")))?)
        }
    }
}

/// The period with the moments at which it begins and ends in the shop's zone.
fn span(ctx: &Ctx, period: Period, now: At) -> Span {
    let midnight = |day: NaiveDate| moment(day, NaiveTime::MIN, ctx.zone());
    Span {
        period,
        start: midnight(period.from()),
        end: midnight(plus_days(period.to(), 1)),
        cut_off: period.cut_off(ctx.today(now)),
    }
}

/// What a period was like. Rates are null where nothing could be divided.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// `2026-11`, or first and last day.
    pub period: String,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// The day at which overdue was counted.
    pub cut_off: NaiveDate,
    /// Agreements signed.
    pub signed: i64,
    /// Agreements running at the end.
    pub active: i64,
    /// Agreements completed.
    pub completed: i64,
    /// Agreements terminated.
    pub ended: i64,
    /// Installments due.
    pub due: i64,
    /// Their sum.
    pub due_amount: Money,
    /// Of these, paid by the end.
    pub due_paid: i64,
    /// Their sum.
    pub due_paid_amount: Money,
    /// Share of the amount due that was paid.
    pub collection_rate: Rate,
    /// Collected in the period, whenever it was due.
    pub collected: Money,
    /// How many charges brought it.
    pub collections: i64,
    /// Paid back in the period.
    pub refunded: Money,
    /// How many refunds that were.
    pub refunds: i64,
    /// Calendar months the period touches.
    pub months: i64,
    /// True when one of these months is not there in full.
    pub months_partial: bool,
    /// Collected less refunded, per month.
    pub monthly_collection: Money,
    /// Installments with at least one attempt.
    pub presented: i64,
    /// Share of these that the first attempt collected.
    pub first_try_rate: Rate,
    /// Share of these that was collected by a debit made within 24 hours of the first.
    pub installment_rate: Rate,
    /// Attempts with a final result.
    pub attempts: i64,
    /// Share of these that was paid.
    pub attempt_rate: Rate,
    /// Overdue by at least 1, 8 and 31 days.
    pub overdue: Vec<Overdue>,
    /// All wallets at the end.
    pub wallet_balance: Money,
    /// Value delivered from wallets in the 90 days before the end.
    pub wallet_redeemed_90_days: Money,
    /// For how many days the balance lasts at that pace; null without redemption.
    pub wallet_days: Option<i64>,
    /// Sales of goods delivered, less returns.
    pub revenue: Money,
    /// Their cost.
    pub cost: Money,
    /// By what best sellers are ranked.
    pub best_by: &'static str,
    /// Best sellers, best first.
    pub best_sellers: Vec<BestSeller>,
    /// How many agreements are at high risk.
    pub high_risk: i64,
    /// The newest of them.
    pub high_risk_newest: Vec<HighRisk>,
}

/// Overdue by at least so many days.
#[derive(Clone, Debug, Serialize)]
pub struct Overdue {
    /// Days past due.
    pub days: i64,
    /// Overdue of what fell due in the period by the cut-off day.
    pub amount: Money,
    /// Its share; null where nothing of the period could be so late.
    pub rate: Rate,
    /// Agreements with such a term.
    pub agreements: i64,
    /// Their share of the agreements with a term due; null where none could be so late.
    pub agreements_rate: Rate,
    /// Unpaid today by at least so many days, whatever month it fell due in.
    pub unpaid_today: Money,
}

/// An item that sold.
#[derive(Clone, Debug, Serialize)]
pub struct BestSeller {
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Its category.
    pub category: String,
    /// Pieces delivered and kept.
    pub units: i64,
    /// What was paid for them.
    pub revenue: Money,
    /// That less their cost.
    pub profit: Money,
}

/// An agreement at high risk.
#[derive(Clone, Debug, Serialize)]
pub struct HighRisk {
    /// Which.
    pub agreement: AgreementId,
    /// Whose.
    pub customer: CustomerId,
    /// The masked name.
    pub label: String,
    /// Since which day.
    pub since: NaiveDate,
    /// Why.
    pub reason: String,
}

/// Reads what `period` was like. Every figure comes from one state of the database.
///
/// # Errors
/// Those of reading.
pub fn overview(ctx: &Ctx, period: Period, rank: Rank, top: u32) -> Result<Overview> {
    let now = ctx.now();
    let today = ctx.today(now);
    let span = span(ctx, period, now);
    let since = moment(plus_days(period.to(), 1 - REDEMPTION_DAYS), NaiveTime::MIN, ctx.zone());
    let conn = ctx.db.read();
    db::report::at_one_moment(conn, || {
        let agreements = db::report::agreements(conn, &span)?;
        let terms = db::report::terms(conn, &span)?;
        let attempts = db::report::attempts(conn, &span)?;
        let moved = db::report::moved(conn, &span)?;
        let wallets = db::report::wallets(conn, &span, since)?;
        let arrears = db::report::arrears(conn, today)?;
        let sellers = db::report::sellers(conn, &span, rank, top)?;
        let (high_risk, at_risk) = db::report::at_risk(conn, &span, LISTED_AT_RISK)?;
        let overdue = |(late, unpaid_today): (&db::report::Late, Money)| {
            // Nothing that fell due in the period can be later than the period's first day is old.
            let possible = plus_days(span.cut_off, -late.days) >= period.from();
            let rate = |rate: Rate| if possible { rate } else { Rate::NONE };
            Overdue {
                days: late.days,
                amount: late.amount,
                rate: rate(Rate::of_money(late.amount, terms.fallen_amount)),
                agreements: late.agreements,
                agreements_rate: rate(Rate::of(late.agreements, terms.fallen_agreements)),
                unpaid_today,
            }
        };
        let months = period.months();
        Ok(Overview {
            period: period.to_string(),
            from: period.from(),
            to: period.to(),
            cut_off: span.cut_off,
            signed: agreements.signed,
            active: agreements.active,
            completed: agreements.completed,
            ended: agreements.ended,
            due: terms.due_count,
            due_amount: terms.due_amount,
            due_paid: terms.paid_count,
            due_paid_amount: terms.paid_amount,
            collection_rate: Rate::of_money(terms.paid_amount, terms.due_amount),
            collected: moved.collected,
            collections: moved.collections,
            refunded: moved.refunded,
            refunds: moved.refunds,
            months,
            months_partial: period.is_partial(today),
            monthly_collection: (moved.collected - moved.refunded).share(1, months),
            presented: attempts.presented,
            first_try_rate: Rate::of(attempts.first_try, attempts.presented),
            installment_rate: Rate::of(attempts.within_day, attempts.presented),
            attempts: attempts.decided,
            attempt_rate: Rate::of(attempts.paid, attempts.decided),
            overdue: terms.late.iter().zip(arrears).map(overdue).collect(),
            wallet_balance: wallets.balance,
            wallet_redeemed_90_days: wallets.redeemed,
            wallet_days: days_of_balance(wallets.balance, wallets.redeemed),
            revenue: moved.revenue,
            cost: moved.cost,
            best_by: rank.word(),
            best_sellers: sellers.into_iter().map(best_seller).collect(),
            high_risk,
            high_risk_newest: at_risk.into_iter().map(|it| risk_row(ctx, it)).collect(),
        })
    })
}

/// Balance divided by what is redeemed on an average day.
fn days_of_balance(balance: Money, redeemed: Money) -> Option<i64> {
    redeemed.is_positive().then(|| Money::from_fen(REDEMPTION_DAYS).share(balance.fen(), redeemed.fen()).fen())
}

fn best_seller(it: db::report::Seller) -> BestSeller {
    BestSeller {
        sku: it.sku,
        name: it.name,
        category: it.category,
        units: it.units,
        revenue: it.revenue,
        profit: it.profit,
    }
}

fn risk_row(ctx: &Ctx, it: db::report::AtRisk) -> HighRisk {
    HighRisk {
        agreement: it.agreement,
        customer: it.customer,
        label: it.label,
        since: ctx.today(it.since),
        reason: it.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, days_of_balance, period};
    use crate::domain::money::Money;
    use crate::fault::Fault;

    fn asked(month: &str, from: &str, to: &str) -> Asked {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Asked { month: some(month), from: some(from), to: some(to) }
    }

    #[test]
    fn a_period_is_read_and_a_wrong_one_is_named() {
        let today = "2026-11-21".parse().unwrap();
        for (month, from, to, label) in [
            ("", "", "", "2026-11"),
            ("2026-10", "", "", "2026-10"),
            ("", "2026/11/1", "2026-11-30", "2026-11"),
            ("", "2026-11-05", "", "2026-11-05_2026-11-21"),
        ] {
            assert_eq!(period(&asked(month, from, to), today).unwrap().to_string(), label);
        }
        for (month, from, to, named) in [
            ("November", "", "", "November"),
            ("", "yesterday", "", "yesterday"),
            ("", "2026-11-05", "2026-11-04", "2026-11-05 – 2026-11-04"),
            ("", "", "2026-11-04", "--to"),
            ("1999-01", "", "", "1999-01"),
        ] {
            let error = period(&asked(month, from, to), today).unwrap_err();
            let fault = error.downcast_ref::<Fault>().unwrap();
            assert_eq!(fault.kind().exit_code(), 2);
            assert!(fault.to_string().contains(named), "{fault}");
        }
    }

    #[test]
    fn idle_days_need_redemption() {
        let fen = Money::from_fen;
        assert_eq!(days_of_balance(fen(9_000), fen(3_000)), Some(270));
        assert_eq!(days_of_balance(fen(9_000), fen(0)), None);
        assert_eq!(days_of_balance(fen(0), fen(100)), Some(0));
    }
}
