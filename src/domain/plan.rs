//! What is on offer: amount, number of terms, contents, guarantee; and what a customer will have paid by when.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::agreement::words;
use crate::domain::date::{FirstDebit, Schedule};
use crate::domain::money::Money;

words! {
    /// The two ways a shop uses a plan (the brief's scenarios).
    Scenario {
        /// Free adoption, then a monthly food plan.
        Adoption = "adoption",
        /// The pet is sold; the plan is a service package.
        Sale = "sale",
    }
}

/// A plan on offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Short code, `cat-199-12`.
    pub code: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Adoption or sale.
    pub scenario: Scenario,
    /// Amount of each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: u32,
    /// When term 1 falls due.
    pub first_debit: FirstDebit,
    /// What the pet itself costs, for a sale; zero for an adoption.
    pub sale_price: Money,
    /// Days of the health guarantee.
    pub guarantee_days: u32,
    /// What the plan holds, in Chinese.
    pub contents_zh: String,
    /// What the plan holds, in English.
    pub contents_en: String,
}

/// Why a plan cannot be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanProblem {
    /// Below 1 or above 36 terms (PC02).
    Terms,
    /// Zero, or above 500 yuan a month (PC01).
    Amount,
    /// The code is not lower-case letters, digits and hyphens.
    Code,
    /// A guarantee under 15 days is below what shops promise (PC08).
    Guarantee,
}

/// What an owner should look at before offering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanAdvice {
    /// Outside 150–300 yuan a month.
    UnusualAmount,
    /// Outside 12–24 terms.
    UnusualTerms,
}

/// One line of a quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuoteLine {
    /// Term number.
    pub term: u32,
    /// Due date.
    pub due: NaiveDate,
    /// This term.
    pub amount: Money,
    /// What the customer will have paid by then.
    pub paid_by_then: Money,
}

impl Plan {
    /// All terms together, exactly (PC03).
    pub fn total(&self) -> Money {
        self.monthly.times(i64::from(self.terms)).expect("at most 36 terms of an accepted amount")
    }

    /// Whether it may be offered at all.
    ///
    /// # Errors
    /// The first [`PlanProblem`].
    pub fn check(&self) -> Result<Vec<PlanAdvice>, PlanProblem> {
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.code.is_empty() || !self.code.chars().all(sound) {
            return Err(PlanProblem::Code);
        }
        if !(1..=36).contains(&self.terms) {
            return Err(PlanProblem::Terms);
        }
        if !self.monthly.is_positive() || self.monthly > Money::from_fen(50_000) {
            return Err(PlanProblem::Amount);
        }
        if self.guarantee_days < 15 && self.scenario == Scenario::Adoption {
            return Err(PlanProblem::Guarantee);
        }
        let mut advice = Vec::new();
        if !(Money::from_fen(15_000)..=Money::from_fen(30_000)).contains(&self.monthly) {
            advice.push(PlanAdvice::UnusualAmount);
        }
        if !(12..=24).contains(&self.terms) {
            advice.push(PlanAdvice::UnusualTerms);
        }
        Ok(advice)
    }

    /// Every term with its date and the sum so far, if it were signed on `signed_on` with `anchor_day`.
    pub fn quote(&self, signed_on: NaiveDate, anchor_day: u32) -> Vec<QuoteLine> {
        let schedule = Schedule::new(signed_on, anchor_day, self.first_debit);
        (1..=self.terms)
            .map(|term| QuoteLine {
                term,
                due: schedule.due(term),
                amount: self.monthly,
                paid_by_then: self.monthly.times(i64::from(term)).expect("no more than the total"),
            })
            .collect()
    }
}
