//! The only reader of the wall clock. A command asks it once and passes `now` down; adapters hold it to stamp their calls.

use std::sync::{Arc, Mutex};

use chrono::{SubsecRound, Utc};

use crate::domain::date::At;

/// Where time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A rehearsal's clock: stands still until it is set.
    Fixed(Arc<Mutex<At>>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn fixed(at: At) -> Clock {
        Clock::Fixed(Arc::new(Mutex::new(at)))
    }

    /// The moment, in whole seconds: that is what the database keeps.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    pub fn now(&self) -> At {
        match self {
            Clock::System => Utc::now().trunc_subsecs(0),
            Clock::Fixed(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// Moves a rehearsal's clock; the machine's clock cannot be moved and stays.
    pub fn set(&self, to: At) {
        if let Clock::Fixed(at) = self {
            *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
        }
    }

    /// True for a rehearsal's clock.
    pub fn is_rehearsal(&self) -> bool {
        matches!(self, Clock::Fixed(_))
    }
}
