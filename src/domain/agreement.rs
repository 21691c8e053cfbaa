//! What was signed, frozen: states, conditions, pauses. Rendering the text is `ops/sign`, money is elsewhere.

use chrono::{Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::domain::date::{At, FirstDebit, Schedule};
use crate::domain::id::{AgreementId, CustomerId, PetId};
use crate::domain::money::Money;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word in columns, files and JSON.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|it| it.word() == word)
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The life of an agreement.
    AgreementState {
        /// Signed here; the customer has not agreed to the mandate yet.
        Waiting = "waiting",
        /// Running.
        Active = "active",
        /// Paused by agreement; nothing is charged.
        Paused = "paused",
        /// Every term is settled and the term of the agreement is over.
        Completed = "completed",
        /// Terminated by notice; the settlement statement is open.
        Settling = "settling",
        /// Terminated and settled.
        Ended = "ended",
        /// Never became active.
        Cancelled = "cancelled",
    }
}

words! {
    /// What a pause does to the terms that fall into it.
    PauseEffect {
        /// The terms move to the end; the agreement runs longer.
        Extend = "extend",
        /// The terms are dropped; the customer pays less in total.
        Skip = "skip",
    }
}

words! {
    /// Where an agreement comes from.
    AgreementSource {
        /// Signed with kibble.
        Signed = "signed",
        /// From the shop's earlier book.
        Imported = "imported",
    }
}

/// The numbers promised in the text of an agreement, frozen with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Days after the first debit in which the customer may leave without reasons; at least 7 (法释〔2025〕4号 art. 14).
    pub cooling_off_days: u32,
    /// Days from termination to refund; at most 15.
    pub refund_days: u32,
    /// Days in which the shop confirms the settlement statement, or it confirms itself.
    pub confirm_days: u32,
    /// Days a written reminder gives before the shop may terminate.
    pub cure_days: u32,
    /// Retries within 24 hours; at most 2.
    pub retry_max: u32,
    /// Days of the health guarantee.
    pub guarantee_days: u32,
    /// Years for which records are kept.
    pub retention_years: u32,
    /// Days in which a complaint is answered with a decision.
    pub resolve_days: u32,
    /// Rate of interest when the shop is the cause: the one-year loan prime rate at signing, in basis points a year.
    pub interest_bps_merchant: i64,
    /// Rate of interest otherwise: the one-year deposit benchmark at signing, in basis points a year.
    pub interest_bps_consumer: i64,
    /// Whether settlement at list prices after the customer's own termination was disclosed at signing.
    pub list_price_settlement: bool,
}

/// Why an agreement ended that ran to its last day.
pub const COMPLETED: &str = "completed";
/// Why an agreement ended whose terms were all collected before kibble.
pub const TERMS_OVER: &str = "terms_over";

/// An agreement as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Its id.
    pub id: AgreementId,
    /// The number printed on it, `KB-2026-000123` (see [`printed_no`]) or the imported one.
    pub no: String,
    /// Who signed.
    pub customer: CustomerId,
    /// Which pet.
    pub pet: PetId,
    /// Plan code at signing.
    pub plan_code: String,
    /// Plan name at signing.
    pub plan_name: String,
    /// Signed here or imported.
    pub source: AgreementSource,
    /// Where it stands.
    pub state: AgreementState,
    /// Amount of each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: u32,
    /// Debit day, kept forever.
    pub anchor_day: u32,
    /// When term 1 falls due.
    pub first_debit: FirstDebit,
    /// Civil date of signing.
    pub signed_on: NaiveDate,
    /// Moment of signing.
    pub signed_at: At,
    /// When the rail said that the customer agreed.
    pub active_at: Option<At>,
    /// Last day.
    pub ends_on: NaiveDate,
    /// Terms collected before kibble.
    pub paid_before: u32,
    /// Pet reference cost shown at signing.
    pub reference_cost: Money,
    /// The numbers promised in the text.
    pub conditions: Conditions,
    /// Language of the text and of messages.
    pub lang: String,
    /// Template name and version; `imported` for the earlier book.
    pub template: String,
    /// SHA-256 of the text with its digest line replaced by `-`.
    pub text_sha256: Option<String>,
    /// First day of the pause.
    pub paused_on: Option<NaiveDate>,
    /// Until when it is paused.
    pub paused_until: Option<NaiveDate>,
    /// What the pause does.
    pub pause_effect: Option<PauseEffect>,
    /// Whole months that the pause added.
    pub pause_shift: u32,
    /// Whole months by which later terms were moved.
    pub shift_months: u32,
    /// First term moved.
    pub shifted_from: u32,
    /// Failed terms in a row.
    pub failed_in_row: u32,
    /// When it ended.
    pub ended_at: Option<At>,
    /// Why it ended.
    pub end_cause: Option<String>,
}

/// The number printed on an agreement that is signed here. The first copy of a database counts alone; a later one has its code in the
/// number, because a state that was lost may have printed the same count on somebody else's paper.
pub fn printed_no(code: &str, copy_no: i64, year: i32, count: i64) -> String {
    match copy_no {
        1 => format!("KB-{year}-{count:06}"),
        _ => format!("KB-{year}-{code}-{count:06}"),
    }
}

/// The longest that pauses may move terms, ten years: beyond it a date was mistyped.
const MOST_MONTHS: u32 = 120;

/// The last day until which a pause that begins `today` may last.
pub fn longest_pause(today: NaiveDate) -> NaiveDate {
    today.checked_add_months(Months::new(MOST_MONTHS)).unwrap_or(NaiveDate::MAX)
}

impl Agreement {
    /// What fixes its due dates.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            signed_on: self.signed_on,
            anchor_day: self.anchor_day,
            first: self.first_debit,
            shift_months: self.shift_months,
            shifted_from: self.shifted_from,
        }
    }

    /// The schedule when the terms from `from_term` on move by as few whole months as make `from_term` fall due on `day` or
    /// later, and by how many more than before. Dates come from the anchor, so short months do not make later ones drift.
    pub fn schedule_from(&self, from_term: u32, day: NaiveDate) -> (Schedule, u32) {
        let now = self.schedule();
        let mut moved = Schedule { shifted_from: from_term, ..now };
        // A term before the first moved one was not moved at all, so the count starts from none there.
        if from_term < now.shifted_from {
            moved.shift_months = 0;
        }
        let before = moved.shift_months;
        while moved.due(from_term) < day && moved.shift_months < MOST_MONTHS {
            moved.shift_months += 1;
        }
        (moved, moved.shift_months - before)
    }

    /// All terms together.
    pub fn total(&self) -> Money {
        self.monthly.times(i64::from(self.terms)).expect("at most 36 terms of an accepted amount")
    }
}
