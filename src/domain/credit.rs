//! Credit checks at signing: what a check can say, and when a person must decide. A check is a reason to look, never a reason to
//! refuse by itself (domain facts 6.1; PIPL article 24: nobody is refused by a machine alone).

use crate::domain::agreement::words;
use crate::domain::id::AgreementId;

/// Lowest and highest score that Zhima gives; a threshold lies between them.
pub const SCORES: (u32, u32) = (350, 950);

/// How far below the threshold a score counts as near it (domain facts 6.1).
pub const NEAR_POINTS: u32 = 50;

/// Seconds for which the provider gives the first answer again to the same number, without a second fee (payment facts 3).
pub const SAME_ANSWER_SECONDS: i64 = 86_400;

words! {
    /// What a check said.
    Verdict {
        /// At or above the threshold.
        Pass = "pass",
        /// Below the threshold.
        Fail = "fail",
        /// The provider cannot tell, for example because the customer has no score, or nobody asked it.
        CannotTell = "cannot_tell",
        /// The provider could not be asked.
        Error = "error",
    }
}

words! {
    /// Where the decision about a check stands.
    Review {
        /// Nothing to decide: it passed.
        None = "none",
        /// A person must decide; until then no mandate is offered.
        Open = "open",
        /// A person decided to go on.
        Approved = "approved",
        /// A person decided not to.
        Refused = "refused",
    }
}

impl Verdict {
    /// What a score means against a threshold.
    pub fn of(score: u32, threshold: u32) -> Verdict {
        if score >= threshold { Verdict::Pass } else { Verdict::Fail }
    }

    /// Only a pass needs no person: "cannot tell" and "could not be asked" must not read as one.
    pub fn review(self) -> Review {
        match self {
            Verdict::Pass => Review::None,
            Verdict::Fail | Verdict::CannotTell | Verdict::Error => Review::Open,
        }
    }
}

impl Review {
    /// Whether the agreement may go on to its mandate.
    pub fn lets_pass(self) -> bool {
        matches!(self, Review::None | Review::Approved)
    }
}

/// True when a score below the threshold is close to it: a smaller plan or a shorter term may do.
pub fn is_near(score: u32, threshold: u32) -> bool {
    score < threshold && threshold - score <= NEAR_POINTS
}

/// Our number of a check at its provider, built like an order number: at most 64 letters and digits.
pub fn transaction_no(code: &str, copy_no: i64, agreement: AgreementId, attempt: u32) -> String {
    format!("KZ{code}{copy_no:02}{:08}{attempt:04}", agreement.number())
}

#[cfg(test)]
mod tests {
    use super::{Review, Verdict, is_near, transaction_no};
    use crate::domain::id::AgreementId;

    #[test]
    fn only_a_pass_goes_on_without_a_person() {
        for (verdict, review) in [
            (Verdict::of(600, 600), Review::None),
            (Verdict::of(599, 600), Review::Open),
            (Verdict::CannotTell, Review::Open),
            (Verdict::Error, Review::Open),
        ] {
            assert_eq!(verdict.review(), review, "{verdict:?}");
        }
        assert!(Review::None.lets_pass() && Review::Approved.lets_pass());
        assert!(!Review::Open.lets_pass() && !Review::Refused.lets_pass());
    }

    #[test]
    fn near_is_below_and_within_fifty() {
        for (score, near) in [(600, false), (599, true), (550, true), (549, false)] {
            assert_eq!(is_near(score, 600), near, "{score}");
        }
    }

    #[test]
    fn numbers_differ_by_agreement_and_attempt() {
        assert_eq!(transaction_no("7K2QX9AB", 1, AgreementId::new(7), 2), "KZ7K2QX9AB01000000070002");
    }
}
