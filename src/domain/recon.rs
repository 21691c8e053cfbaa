//! Our book against theirs: what a line of a bill means beside what we know, which differences there are, what may be decided about
//! each, and how long one waits. Pure: finding the pairs is `db/recon.rs`, acting on a decision `ops/recon/`.
//!
//! The expected fee is `fee_bps` of the amount, rounded half up to whole fen (0.6 % of 199.00 is 1.194, so 1.19). Of a refund the same
//! share comes back; one fen more or less fits there, because providers round the sum of several part refunds and not each of them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::domain::agreement::words;
use crate::domain::bill::LineKind;
use crate::domain::charge::{ChargeState, InstallmentState};
use crate::domain::id::{ChargeId, LineId, NotAnId, RefundId};
use crate::domain::money::Money;
use crate::domain::refund::RefundState;

/// Days in which a difference may still be the cut-off between two bills: until then it waits and nobody need look.
pub const WAIT_DAYS: i64 = 2;

words! {
    /// How our book and theirs can differ.
    Class {
        /// We have it, a complete bill of the day has not.
        MissingThere = "missing_there",
        /// The bill has it, we have not.
        MissingHere = "missing_here",
        /// Another amount.
        Amount = "amount",
        /// They say that it happened, we say that it did not.
        Status = "status",
        /// Another fee than agreed.
        Fee = "fee",
        /// Paid or given back once too often.
        Duplicate = "duplicate",
    }
}

words! {
    /// What a person decides about a difference.
    Decision {
        /// Take the provider's figure.
        Accept = "accept",
        /// Give the money back.
        Refund = "refund",
        /// Leave it for now.
        Wait = "wait",
        /// Ask the rail what it knows.
        Ask = "ask",
        /// Book the amount on an account.
        BookAs = "book-as",
    }
}

/// What a difference is about; its number stays the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A line of a bill.
    Line(LineId),
    /// A charge of ours that no bill has.
    Charge(ChargeId),
    /// A refund of ours that no bill has.
    Refund(RefundId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Line(id) => id.fmt(f),
            Subject::Charge(id) => id.fmt(f),
            Subject::Refund(id) => id.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Subject, NotAnId> {
        let line = || text.parse().map(Subject::Line);
        let charge = || text.parse().map(Subject::Charge);
        let refund = || text.parse().map(Subject::Refund);
        line().or_else(|_| charge()).or_else(|_| refund()).map_err(|_: NotAnId| NotAnId { example: "l-12" })
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The fee that is expected of `amount` (negative for a refund, and so is the fee then).
pub fn expected_fee(amount: Money, fee_bps: i64) -> Money {
    amount.bps(fee_bps)
}

/// True when a line needs no look by itself: its fee is the expected one, and the provider does not call it unfinished.
pub fn is_sound(kind: LineKind, fee: Money, expected: Money, said: &str) -> bool {
    let leeway = match kind {
        LineKind::Refund => Money::from_fen(1),
        LineKind::Payment | LineKind::Other => Money::ZERO,
    };
    (fee - expected).abs() <= leeway && is_done(said)
}

/// False for a refund that WeChat lists while it is under way, or after it failed.
pub fn is_done(said: &str) -> bool {
    !["PROCESSING", "FAIL", "CHANGE", "ABNORMAL", "CLOSE"].iter().any(|word| said.contains(word))
}

/// What we know of the thing that a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// Nothing.
    Nothing,
    /// A charge with the line's order number.
    Charge {
        /// Where it stands.
        state: ChargeState,
        /// How much.
        amount: Money,
        /// Where its term stands.
        term: InstallmentState,
    },
    /// A refund with the line's refund number.
    Refund {
        /// Where it stands.
        state: RefundState,
        /// How much.
        amount: Money,
    },
}

/// A line beside what we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What the line is about.
    pub kind: LineKind,
    /// Positive came, negative went back.
    pub amount: Money,
    /// True for the first line about this charge or refund; false too when a person gave the refund back before.
    pub is_first: bool,
    /// See [`is_sound`].
    pub is_sound: bool,
    /// See [`is_done`].
    pub is_done: bool,
    /// What we know.
    pub ours: Ours,
}

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It says what we say.
    Fits,
    /// It tells the outcome of something that is open here.
    Settles,
    /// It differs.
    Differs(Class),
}

/// Judges a line.
pub fn judge(pair: &Pair) -> Verdict {
    let unfitting = if pair.is_done { Class::Fee } else { Class::Status };
    match pair.ours {
        Ours::Nothing => Verdict::Differs(Class::MissingHere),
        _ if !pair.is_first => Verdict::Differs(Class::Duplicate),
        Ours::Charge { state: ChargeState::Paid, amount, .. } => match amount == pair.amount {
            false => Verdict::Differs(Class::Amount),
            true if pair.is_sound => Verdict::Fits,
            true => Verdict::Differs(unfitting),
        },
        // The term was collected by another charge: this money came once too often.
        Ours::Charge {
            term: InstallmentState::Paid | InstallmentState::Refunded | InstallmentState::Before, ..
        } => Verdict::Differs(Class::Duplicate),
        Ours::Charge { amount, .. } if amount != pair.amount => Verdict::Differs(Class::Amount),
        Ours::Charge { state: ChargeState::Declined | ChargeState::Void, .. } => Verdict::Differs(Class::Status),
        Ours::Charge { .. } => Verdict::Settles,
        Ours::Refund { amount, .. } if amount != -pair.amount => Verdict::Differs(Class::Amount),
        Ours::Refund { state: RefundState::Paid, .. } => match pair.is_sound {
            true => Verdict::Fits,
            false => Verdict::Differs(unfitting),
        },
        Ours::Refund { state: RefundState::Declined, .. } => Verdict::Differs(Class::Status),
        Ours::Refund { .. } if !pair.is_done => Verdict::Differs(Class::Status),
        Ours::Refund { .. } => Verdict::Settles,
    }
}

/// What decides which decisions fit a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// How it differs.
    pub class: Class,
    /// A payment or a refund.
    pub kind: LineKind,
    /// What we know.
    pub ours: Ours,
    /// True when its order number was made by this shop, so that it is known whose money it is.
    pub is_own_number: bool,
    /// True while it waits for the next bills.
    pub is_waiting: bool,
    /// See [`is_done`].
    pub is_done: bool,
}

impl Case {
    /// The decision to propose.
    pub fn proposed(&self) -> Decision {
        match (self.class, self.kind) {
            _ if self.is_waiting => Decision::Wait,
            (Class::MissingThere, _) | (Class::Amount, _) => Decision::Ask,
            (Class::Fee, _) => Decision::Accept,
            (Class::MissingHere, LineKind::Refund) if self.may(Decision::Accept) => Decision::Accept,
            (Class::Status, _) if self.may(Decision::Accept) => Decision::Accept,
            _ if self.may(Decision::Refund) => Decision::Refund,
            (Class::Status, _) => Decision::Ask,
            _ => Decision::BookAs,
        }
    }

    /// Whether the decision can be carried out at all.
    pub fn may(&self, decision: Decision) -> bool {
        let is_payment = self.kind == LineKind::Payment;
        match decision {
            Decision::Wait => true,
            // A charge that is open here, paid there with another amount, must not stay a question for ever: its money goes back.
            // A refund that is open here is paid by its line, so the provider must have finished it.
            Decision::BookAs => {
                self.class != Class::Amount || !(self.is_open_charge() || (self.is_open_refund() && !self.is_done))
            }
            // There must be a number to ask for.
            Decision::Ask => self.ours != Ours::Nothing || self.is_own_number,
            // Only money that came, of which it is known whose it is, and which no paid charge of ours is about.
            Decision::Refund => match self.class {
                Class::MissingHere => is_payment && self.is_own_number,
                Class::Duplicate | Class::Status | Class::Amount => is_payment && !self.is_ours_paid(),
                Class::MissingThere | Class::Fee => false,
            },
            Decision::Accept => match self.class {
                // The fee stands in the books as billed, so there is nothing to book.
                Class::Fee => true,
                // Only between amounts that are both decided; a refund that is open here is decided by its line.
                Class::Amount => self.is_ours_paid() || (self.is_open_refund() && self.is_done),
                // A refund made in the provider's own console, of a payment of ours.
                Class::MissingHere => self.kind == LineKind::Refund && self.is_own_number,
                Class::Status => match self.ours {
                    Ours::Charge { state: ChargeState::Declined | ChargeState::Void, term, .. } => {
                        term == InstallmentState::Open
                    }
                    Ours::Refund { state: RefundState::Paid, .. } => true,
                    // The rail had refused it, and it went back after all.
                    Ours::Refund { state: RefundState::Declined, .. } => self.is_done,
                    _ => false,
                },
                // What we know to be paid is never unpaid because a bill is silent.
                Class::MissingThere | Class::Duplicate => false,
            },
        }
    }

    fn is_open_charge(&self) -> bool {
        matches!(
            self.ours,
            Ours::Charge { state: ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown, .. }
        )
    }

    /// A refund that is open here.
    pub fn is_open_refund(&self) -> bool {
        matches!(
            self.ours,
            Ours::Refund { state: RefundState::Noted | RefundState::Pending | RefundState::Unknown, .. }
        )
    }

    fn is_ours_paid(&self) -> bool {
        matches!(
            self.ours,
            Ours::Charge { state: ChargeState::Paid, .. } | Ours::Refund { state: RefundState::Paid, .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Class, Decision, Ours, Pair, Subject, Verdict, expected_fee, is_sound, judge};
    use crate::domain::bill::LineKind;
    use crate::domain::charge::{ChargeState, InstallmentState};
    use crate::domain::id::{ChargeId, LineId, RefundId};
    use crate::domain::money::Money;
    use crate::domain::refund::RefundState;

    fn fen(fen: i64) -> Money {
        Money::from_fen(fen)
    }

    fn charge(state: ChargeState, term: InstallmentState) -> Ours {
        Ours::Charge { state, amount: fen(19_900), term }
    }

    fn pair(kind: LineKind, amount: i64, ours: Ours) -> Pair {
        Pair { kind, amount: fen(amount), is_first: true, is_sound: true, is_done: true, ours }
    }

    #[test]
    fn a_line_is_judged_beside_what_we_know() {
        use ChargeState::{Declined, Noted, Paid, Pending, Unknown, Void};
        use InstallmentState::{Cancelled, Open};
        let paid = InstallmentState::Paid;
        for (ours, amount, expected) in [
            (Ours::Nothing, 19_900, Verdict::Differs(Class::MissingHere)),
            (charge(Paid, paid), 19_900, Verdict::Fits),
            (charge(Paid, InstallmentState::Refunded), 19_900, Verdict::Fits),
            (charge(Paid, paid), 19_899, Verdict::Differs(Class::Amount)),
            (charge(Unknown, Open), 19_900, Verdict::Settles),
            (charge(Noted, Open), 19_900, Verdict::Settles),
            (charge(Pending, Open), 19_900, Verdict::Settles),
            (charge(Unknown, Open), 1, Verdict::Differs(Class::Amount)),
            (charge(Unknown, paid), 19_900, Verdict::Differs(Class::Duplicate)),
            (charge(Void, paid), 19_900, Verdict::Differs(Class::Duplicate)),
            (charge(Declined, Open), 19_900, Verdict::Differs(Class::Status)),
            (charge(Void, Open), 19_900, Verdict::Differs(Class::Status)),
            // What came is not what was asked for: it never counts as the term's payment.
            (charge(Declined, Open), 10_000, Verdict::Differs(Class::Amount)),
            (charge(Void, Open), 10_000, Verdict::Differs(Class::Amount)),
            (charge(Declined, paid), 10_000, Verdict::Differs(Class::Duplicate)),
            // Its settlement gives it back.
            (charge(Unknown, Cancelled), 19_900, Verdict::Settles),
        ] {
            assert_eq!(judge(&pair(LineKind::Payment, amount, ours)), expected, "{ours:?}");
        }
        let refund = |state| Ours::Refund { state, amount: fen(500) };
        for (ours, amount, expected) in [
            (refund(RefundState::Paid), -500, Verdict::Fits),
            (refund(RefundState::Paid), -501, Verdict::Differs(Class::Amount)),
            (refund(RefundState::Unknown), -500, Verdict::Settles),
            (refund(RefundState::Declined), -500, Verdict::Differs(Class::Status)),
        ] {
            assert_eq!(judge(&pair(LineKind::Refund, amount, ours)), expected, "{ours:?}");
        }
    }

    #[test]
    fn a_second_line_a_wrong_fee_and_an_unfinished_refund_are_seen() {
        let paid = pair(LineKind::Payment, 19_900, charge(ChargeState::Paid, InstallmentState::Paid));
        assert_eq!(judge(&Pair { is_first: false, ..paid }), Verdict::Differs(Class::Duplicate));
        assert_eq!(judge(&Pair { is_sound: false, ..paid }), Verdict::Differs(Class::Fee));
        let back = pair(LineKind::Refund, -500, Ours::Refund { state: RefundState::Paid, amount: fen(500) });
        assert_eq!(judge(&Pair { is_sound: false, is_done: false, ..back }), Verdict::Differs(Class::Status));
        let open = Ours::Refund { state: RefundState::Pending, amount: fen(500) };
        assert_eq!(judge(&Pair { is_done: false, ours: open, ..back }), Verdict::Differs(Class::Status));
    }

    #[test]
    fn the_fee_is_rounded_half_up_and_a_refund_may_be_a_fen_off() {
        for (amount, bps, fee) in
            [(19_900, 60, 119), (25_000, 60, 150), (-19_900, 60, -119), (75, 100, 1), (19_900, 0, 0)]
        {
            assert_eq!(expected_fee(fen(amount), bps), fen(fee), "{amount}");
        }
        for (kind, fee, sound) in [
            (LineKind::Payment, 119, true),
            (LineKind::Payment, 120, false),
            (LineKind::Payment, 0, false),
            (LineKind::Refund, 120, true),
            (LineKind::Refund, 121, false),
        ] {
            assert_eq!(is_sound(kind, fen(fee), fen(119), "SUCCESS"), sound, "{kind:?} {fee}");
        }
        assert!(!is_sound(LineKind::Refund, fen(119), fen(119), "REFUND PROCESSING"));
    }

    #[test]
    fn money_is_only_given_back_when_it_came_and_is_not_ours_to_keep() {
        let case = |class, kind, ours, is_own_number| Case {
            class,
            kind,
            ours,
            is_own_number,
            is_waiting: false,
            is_done: true,
        };
        let open = InstallmentState::Open;
        let paid = InstallmentState::Paid;
        for (it, proposed, refund, accept) in [
            (case(Class::MissingHere, LineKind::Payment, Ours::Nothing, true), Decision::Refund, true, false),
            // A stranger's payment on the same account, for example at the counter: kibble does not touch it.
            (case(Class::MissingHere, LineKind::Payment, Ours::Nothing, false), Decision::BookAs, false, false),
            (case(Class::MissingHere, LineKind::Refund, Ours::Nothing, true), Decision::Accept, false, true),
            (case(Class::MissingHere, LineKind::Refund, Ours::Nothing, false), Decision::BookAs, false, false),
            (
                case(Class::Duplicate, LineKind::Payment, charge(ChargeState::Unknown, paid), true),
                Decision::Refund,
                true,
                false,
            ),
            // One order number that the provider lists twice: our refund could only name the order that is ours.
            (
                case(Class::Duplicate, LineKind::Payment, charge(ChargeState::Paid, paid), true),
                Decision::BookAs,
                false,
                false,
            ),
            (
                case(Class::Status, LineKind::Payment, charge(ChargeState::Declined, open), true),
                Decision::Accept,
                true,
                true,
            ),
            (
                case(Class::Status, LineKind::Payment, charge(ChargeState::Unknown, InstallmentState::Cancelled), true),
                Decision::Refund,
                true,
                false,
            ),
            (
                case(Class::MissingThere, LineKind::Payment, charge(ChargeState::Paid, paid), true),
                Decision::Ask,
                false,
                false,
            ),
            (case(Class::Amount, LineKind::Payment, charge(ChargeState::Paid, paid), true), Decision::Ask, false, true),
            (
                case(Class::Amount, LineKind::Payment, charge(ChargeState::Unknown, open), true),
                Decision::Ask,
                true,
                false,
            ),
            (
                case(Class::Amount, LineKind::Payment, charge(ChargeState::Declined, open), true),
                Decision::Ask,
                true,
                false,
            ),
            (
                case(
                    Class::Status,
                    LineKind::Refund,
                    Ours::Refund { state: RefundState::Declined, amount: fen(500) },
                    true,
                ),
                Decision::Accept,
                false,
                true,
            ),
            (
                case(
                    Class::Amount,
                    LineKind::Refund,
                    Ours::Refund { state: RefundState::Unknown, amount: fen(500) },
                    true,
                ),
                Decision::Ask,
                false,
                true,
            ),
            (case(Class::Fee, LineKind::Payment, charge(ChargeState::Paid, paid), true), Decision::Accept, false, true),
        ] {
            let found = (it.proposed(), it.may(Decision::Refund), it.may(Decision::Accept));
            assert_eq!(found, (proposed, refund, accept), "{it:?}");
            assert!(it.may(it.proposed()));
            assert_eq!(Case { is_waiting: true, ..it }.proposed(), Decision::Wait);
        }
    }

    #[test]
    fn a_number_says_what_it_is_about() {
        for (text, subject) in [
            ("l-12", Subject::Line(LineId::new(12))),
            ("k-40", Subject::Charge(ChargeId::new(40))),
            ("f-3", Subject::Refund(RefundId::new(3))),
        ] {
            assert_eq!(text.parse(), Ok(subject));
            assert_eq!(subject.to_string(), text);
        }
        assert!("x-1".parse::<Subject>().is_err() && "12".parse::<Subject>().is_err());
    }
}
