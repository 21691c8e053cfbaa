//! The arithmetic of looking ahead: what a few counted events say about a rate, numbers that look like chance and are the same every
//! time, and the range of several possible futures. Whole numbers only; knows no shop.

use serde::Serialize;

/// Parts in a whole rate.
const WHOLE_BPS: u64 = 10_000;

/// More events than this say no more about a rate than so many: beyond it, a range would look narrower than any shop's future is.
const MOST_EVENTS: u64 = 1_000;

/// How often something happened, of how often it could have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Times it happened.
    pub yes: u64,
    /// Times it could have.
    pub of: u64,
}

/// What is assumed of a rate before any history: as if it had been seen `yes` times of `of`. With much history it hardly counts, with
/// none it is all there is. Neither `yes` nor the rest is zero, so that nothing is ever thought impossible or certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prior {
    /// Times it happened.
    pub yes: u64,
    /// Times it could have.
    pub of: u64,
}

impl Seen {
    /// The rate that history and assumption make likely, in basis points.
    pub fn likely_bps(self, prior: Prior) -> u64 {
        let (yes, no) = self.with(prior);
        (yes * WHOLE_BPS + (yes + no) / 2) / (yes + no)
    }

    /// One of the rates that history and assumption allow, in basis points; likely ones are drawn often, and the less history there is,
    /// the further they lie apart. (A Beta distribution: its value is the `yes`-th smallest of `yes + no - 1` even numbers.)
    pub fn drawn_bps(self, prior: Prior, dice: &mut Dice) -> u64 {
        let (yes, no) = self.with(prior);
        let mut even: Vec<u64> = (0..yes + no - 1).map(|_| dice.below(WHOLE_BPS + 1)).collect();
        let place = usize::try_from(yes - 1).expect("at most a thousand events");
        *even.select_nth_unstable(place).1
    }

    /// Times it happened and times it did not, assumption included, at least one of each.
    fn with(self, prior: Prior) -> (u64, u64) {
        let yes = self.yes.min(self.of) + prior.yes;
        let no = self.of.saturating_sub(self.yes) + prior.of.saturating_sub(prior.yes);
        let all = yes + no;
        if all <= MOST_EVENTS {
            return (yes.max(1), no.max(1));
        }
        let yes = (yes * MOST_EVENTS / all).clamp(1, MOST_EVENTS - 1);
        (yes, MOST_EVENTS - yes)
    }
}

/// Numbers that look like chance and follow from a seed and some words alone (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice for what the words name.
    pub fn new(seed: u64, words: &[&str]) -> Dice {
        // FNV-1a over the words, each ended by a byte that no text has.
        let byte = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let text = |hash: u64, word: &&str| byte(word.bytes().fold(hash, byte), 0xff);
        let mut dice = Dice(words.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), text));
        dice.next();
        dice
    }

    /// A number from 0 to before `count`; 0 when `count` is 0.
    pub fn below(&mut self, count: u64) -> u64 {
        self.next() % count.max(1)
    }

    /// True in `bps` of 10 000 cases.
    pub fn hits(&mut self, bps: u64) -> bool {
        self.below(WHOLE_BPS) < bps
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A figure in several possible futures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Range<T> {
    /// In nine of ten futures it is at least this.
    pub low: T,
    /// As many futures lie above as below.
    pub likely: T,
    /// In nine of ten futures it is at most this.
    pub high: T,
}

impl<T: Copy + Ord + Default> Range<T> {
    /// The range of a figure, given its value in each future.
    pub fn of(mut values: Vec<T>) -> Range<T> {
        values.sort_unstable();
        let at = |percent: usize| {
            let last = values.len().saturating_sub(1);
            values.get((last * percent + 50) / 100).copied().unwrap_or_default()
        };
        Range { low: at(10), likely: at(50), high: at(90) }
    }
}

/// How likely it is, in basis points, that something comes after all that had not come by now: `bps` at the beginning, and of the times
/// after which it comes `later` of `all` are still ahead.
pub fn still_to_come_bps(bps: u64, later: u64, all: u64) -> u64 {
    let all = all.max(1);
    let ahead = bps * later.min(all);
    let never = (WHOLE_BPS - bps.min(WHOLE_BPS)) * all;
    if ahead + never == 0 { 0 } else { ahead * WHOLE_BPS / (ahead + never) }
}

#[cfg(test)]
mod tests {
    use super::{Dice, Prior, Range, Seen, still_to_come_bps};

    const PRIOR: Prior = Prior { yes: 1, of: 20 };

    #[test]
    fn with_no_history_the_assumption_counts_and_with_much_it_does_not() {
        for (yes, of, bps) in [(0, 0, 500), (0, 20, 250), (20, 20, 5_250), (300, 980, 3_010), (30_000, 100_000, 2_990)]
        {
            let likely = Seen { yes, of }.likely_bps(PRIOR);
            assert!(likely.abs_diff(bps) <= 10, "{yes} of {of}: {likely}");
        }
    }

    #[test]
    fn drawn_rates_lie_round_the_likely_one_and_closer_with_more_history() {
        let spread = |yes, of| {
            let seen = Seen { yes, of };
            let mut dice = Dice::new(7, &["spread"]);
            let drawn: Vec<u64> = (0..401).map(|_| seen.drawn_bps(PRIOR, &mut dice)).collect();
            let range = Range::of(drawn);
            let likely = seen.likely_bps(PRIOR);
            assert!(range.low <= likely && likely <= range.high, "{range:?} {likely}");
            range.high - range.low
        };
        let (little, some, much) = (spread(3, 10), spread(30, 100), spread(3_000, 10_000));
        assert!(little > some && some > much && much > 0, "{little} {some} {much}");
    }

    #[test]
    fn the_same_words_throw_the_same_and_other_words_other_numbers() {
        let throws = |seed, words: &[&str]| {
            let mut dice = Dice::new(seed, words);
            (0..8).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, &["a", "b"]), throws(1, &["a", "b"]));
        assert_ne!(throws(1, &["a", "b"]), throws(2, &["a", "b"]));
        assert_ne!(throws(1, &["ab"]), throws(1, &["a", "b"]));
        let mut dice = Dice::new(1, &["hits"]);
        let hits = (0..10_000).filter(|_| dice.hits(3_000)).count();
        assert!((2_850..3_150).contains(&hits), "{hits}");
        assert!(!dice.hits(0) && dice.hits(10_000));
    }

    #[test]
    fn a_range_is_ordered_and_leaves_the_extremes_out() {
        let range = Range::of((0..=20).rev().collect::<Vec<u64>>());
        assert_eq!((range.low, range.likely, range.high), (2, 10, 18));
        assert_eq!(Range::<u64>::of(Vec::new()), Range::default());
        assert_eq!(Range::of(vec![7]), Range { low: 7, likely: 7, high: 7 });
    }

    #[test]
    fn the_longer_something_has_not_come_the_less_likely_it_is() {
        assert_eq!(still_to_come_bps(5_000, 10, 10), 5_000);
        assert_eq!(still_to_come_bps(5_000, 5, 10), 3_333);
        assert_eq!(still_to_come_bps(5_000, 0, 10), 0);
        assert_eq!(still_to_come_bps(10_000, 0, 10), 0);
    }
}
