//! Faults that the sandbox can be told to have. Owns their words and which calls they strike; the book counts them down.

use serde::Serialize;

use crate::domain::date::At;
use crate::domain::rail::Reason;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The charge is declined, for a reason that can be chosen. Refunds are not struck.
    Decline,
    /// The connection is lost before the work: nothing happened, nobody knows.
    Drop,
    /// The work is done, the answer is lost.
    LoseAnswer,
    /// The answer takes 1.2 seconds. In a rehearsal nobody waits: the work is done and the answer comes too late to be heard.
    Slow,
    /// The work is done, the answer cannot be understood.
    Garbage,
    /// Nothing works, not even a query.
    Down,
}

impl FaultKind {
    /// Every kind, for help and errors.
    pub const ALL: [FaultKind; 6] = [
        FaultKind::Decline,
        FaultKind::Drop,
        FaultKind::LoseAnswer,
        FaultKind::Slow,
        FaultKind::Garbage,
        FaultKind::Down,
    ];

    /// The word on the command line and in the book.
    pub const fn word(self) -> &'static str {
        match self {
            FaultKind::Decline => "decline",
            FaultKind::Drop => "drop",
            FaultKind::LoseAnswer => "lose-answer",
            FaultKind::Slow => "slow",
            FaultKind::Garbage => "garbage",
            FaultKind::Down => "down",
        }
    }

    /// Reads [`FaultKind::word`] back.
    pub fn from_word(word: &str) -> Option<FaultKind> {
        FaultKind::ALL.into_iter().find(|it| it.word() == word)
    }

    /// Whether this fault strikes `call`, and is counted down by it.
    pub(super) const fn strikes(self, call: Call) -> bool {
        match self {
            FaultKind::Down => true,
            FaultKind::Decline => matches!(call, Call::Charge),
            FaultKind::Drop | FaultKind::LoseAnswer | FaultKind::Slow | FaultKind::Garbage => {
                matches!(call, Call::Charge | Call::Refund)
            }
        }
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultSpan {
    /// For so many calls; 0 takes the fault away.
    Times(u32),
    /// Until that moment.
    Until(At),
}

/// A fault as the book holds it. A rail has at most one of each kind; the one set first strikes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which rail.
    pub rail: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Why a charge is declined; no funds when `None`.
    pub reason: Option<Reason>,
    /// Calls left, where it is counted.
    pub left: Option<u32>,
    /// When it is over, where it lasts for a time.
    pub until: Option<At>,
}

/// The kinds of calls that faults tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A charge.
    Charge,
    /// A refund.
    Refund,
    /// Everything that moves no money by itself.
    Other,
}
