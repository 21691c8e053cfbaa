//! Points and member tiers: how many points a payment is worth, and which tier a customer has reached. What a tier brings
//! stands in the shop's settings; who has how many points is `db/points.rs`.

use crate::domain::agreement::words;
use crate::domain::money::Money;

words! {
    /// What points were given or taken for.
    PointsKind {
        /// A paid charge; the reference is the charge.
        Charge = "charge",
        /// A refund took them back; the reference is the refund.
        Refund = "refund",
        /// The customer used them.
        Spend = "spend",
        /// The shop corrected them.
        Adjust = "adjust",
    }
}

/// Points for an amount paid: one for each whole yuan. A refund takes back as many as the same function gives for it.
pub fn points_for(amount: Money) -> i64 {
    amount.fen() / 100
}

/// What a customer must have done for a tier; either is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Monthly terms paid.
    pub months: u32,
    /// Money collected.
    pub amount: Money,
}

/// The place of the highest rung reached, `None` below the first. Rungs stand from the lowest to the highest tier.
pub fn tier_reached(rungs: &[Rung], months: u32, amount: Money) -> Option<usize> {
    rungs.iter().rposition(|rung| months >= rung.months || amount >= rung.amount)
}

#[cfg(test)]
mod tests {
    use super::{Rung, points_for, tier_reached};
    use crate::domain::money::Money;

    #[test]
    fn one_whole_yuan_is_one_point() {
        for (fen, points) in [(0, 0), (99, 0), (100, 1), (19_900, 199), (19_999, 199)] {
            assert_eq!(points_for(Money::from_fen(fen)), points, "{fen}");
        }
    }

    #[test]
    fn months_or_money_reach_a_tier() {
        let rungs = [
            Rung { months: 6, amount: Money::from_fen(120_000) },
            Rung { months: 12, amount: Money::from_fen(240_000) },
        ];
        for (months, fen, reached) in [
            (0, 0, None),
            (5, 119_999, None),
            (6, 0, Some(0)),
            (0, 120_000, Some(0)),
            (11, 239_999, Some(0)),
            (12, 0, Some(1)),
            (1, 240_000, Some(1)),
        ] {
            assert_eq!(tier_reached(&rungs, months, Money::from_fen(fen)), reached, "{months} {fen}");
        }
        assert_eq!(tier_reached(&[], 99, Money::ZERO), None);
    }
}
