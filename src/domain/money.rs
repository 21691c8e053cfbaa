//! Whole fen: parse, add, share, show. Owns every rounding rule of kibble; knows nothing of accounts.
//!
//! A float never touches money, and yuan exist only as text at the edges.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in fen (1 yuan = 100 fen). Negative amounts exist only inside journal postings and corrections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// The largest amount that can be entered: 10 billion yuan. Nine thousand of them still fit an `i64`,
/// so a sum of entered amounts cannot overflow before it is noticed.
const LIMIT_FEN: i64 = 1_000_000_000_000;

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// Nothing but spaces.
    Empty,
    /// Not digits with at most two decimals, for example `一百九十九` or `1e3`.
    NotANumber,
    /// More than two decimals: kibble does not round what a person typed.
    TooPrecise,
    /// Above 10 billion yuan.
    TooLarge,
}

impl Money {
    /// No money.
    pub const ZERO: Money = Money(0);

    /// An amount of `fen`.
    pub const fn from_fen(fen: i64) -> Money {
        Money(fen)
    }

    /// The amount in fen, for the database and the rails.
    pub const fn fen(self) -> i64 {
        self.0
    }

    /// True above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// True at exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The amount without its sign.
    pub const fn abs(self) -> Money {
        Money(self.0.abs())
    }

    /// `self` taken `count` times, or `None` when it does not fit.
    pub fn times(self, count: i64) -> Option<Money> {
        self.0.checked_mul(count).map(Money)
    }

    /// `self × part / whole`, rounded half up (away from zero), for example 0.6 % = `share(60, 10_000)`.
    ///
    /// # Panics
    /// When `whole` is not positive: that is a bug in the caller, not bad input.
    pub fn share(self, part: i64, whole: i64) -> Money {
        assert!(whole > 0, "a share needs a positive whole");
        let product = i128::from(self.0) * i128::from(part);
        let whole = i128::from(whole);
        let half = whole / 2;
        let rounded = if product >= 0 { (product + half) / whole } else { -((-product + half) / whole) };
        Money(i64::try_from(rounded).expect("a share of an amount is no larger than the ranges kibble accepts"))
    }

    /// `bps` basis points of the amount (10 000 bps = the whole), rounded half up.
    pub fn bps(self, bps: i64) -> Money {
        self.share(bps, 10_000)
    }

    /// Splits by `weights` so that the parts sum to the whole exactly: floors first, then the missing fen one by one
    /// to the largest remainders; among equal remainders the earlier weight gets it. Empty or all-zero weights give
    /// everything to nobody, so the result is all zeros and the caller must hold the rest.
    pub fn split(self, weights: &[i64]) -> Vec<Money> {
        let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
        if total <= 0 {
            return vec![Money::ZERO; weights.len()];
        }
        let whole = i128::from(self.0);
        let mut parts: Vec<i128> = Vec::with_capacity(weights.len());
        let mut rests: Vec<(i128, usize)> = Vec::with_capacity(weights.len());
        for (place, weight) in weights.iter().enumerate() {
            let exact = whole * i128::from(*weight);
            parts.push(exact.div_euclid(total));
            rests.push((exact.rem_euclid(total), place));
        }
        let missing = whole - parts.iter().sum::<i128>();
        rests.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, place) in rests.iter().take(usize::try_from(missing).unwrap_or(0)) {
            parts[*place] += 1;
        }
        parts.into_iter().map(|part| Money(i64::try_from(part).expect("a part is no larger than the whole"))).collect()
    }

    /// Yuan with two decimals and grouped thousands, for people: `7,562.00`.
    pub fn grouped(self) -> String {
        let plain = self.to_string();
        let (sign, digits) = match plain.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", plain.as_str()),
        };
        let (yuan, rest) = digits.split_at(digits.len() - 3);
        let mut grouped = String::with_capacity(plain.len() + yuan.len() / 3);
        for (place, digit) in yuan.chars().enumerate() {
            if place > 0 && (yuan.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{sign}{grouped}{rest}")
    }

    /// The grouped amount with the yuan sign: `¥7,562.00`.
    pub fn yuan(self) -> String {
        match self.grouped().strip_prefix('-') {
            Some(rest) => format!("-¥{rest}"),
            None => format!("¥{}", self.grouped()),
        }
    }
}

/// Plain yuan with two decimals, for files and templates: `199.00`, `-0.05`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", fen / 100, fen % 100))
    }
}

/// Exact yuan text: `199`, `199.5`, `¥1,990.00`, `-12.30`. Full-width digits and stray spaces are the importer's business.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Money, MoneyError> {
        let text = text.trim();
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let text = text.trim_start_matches(['¥', '￥']);
        let text = text.strip_suffix('元').unwrap_or(text).trim();
        if text.is_empty() {
            return Err(MoneyError::Empty);
        }
        let (yuan, fen) = text.split_once('.').unwrap_or((text, ""));
        let yuan = ungrouped(yuan).ok_or(MoneyError::NotANumber)?;
        if !fen.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MoneyError::NotANumber);
        }
        if fen.trim_end_matches('0').len() > 2 {
            return Err(MoneyError::TooPrecise);
        }
        let fen: i64 = format!("{fen:0<2}")[..2].parse().map_err(|_| MoneyError::NotANumber)?;
        let yuan: i64 = yuan.parse().map_err(|_| MoneyError::TooLarge)?;
        match yuan.checked_mul(100).and_then(|all| all.checked_add(fen)) {
            Some(all) if all <= LIMIT_FEN => Ok(Money(sign * all)),
            _ => Err(MoneyError::TooLarge),
        }
    }
}

/// `1,990` -> `1990`; refuses misplaced commas and anything that is not a digit.
fn ungrouped(yuan: &str) -> Option<String> {
    if yuan.is_empty() || !yuan.bytes().all(|b| b.is_ascii_digit() || b == b',') {
        return None;
    }
    if !yuan.contains(',') {
        return Some(yuan.to_owned());
    }
    let mut groups = yuan.split(',');
    let first = groups.next()?;
    let sound = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    sound.then(|| yuan.replace(',', ""))
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.checked_add(other.0).expect("sums of accepted amounts fit"))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.checked_sub(other.0).expect("differences of accepted amounts fit"))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        *self = *self - other;
    }
}

impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(-self.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

/// JSON and TOML carry yuan text, never a float.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            serde::de::Error::custom(format!("`{text}` is not an amount in yuan with at most two decimals, in quotes"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Money, MoneyError};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn yuan_text_is_exact_or_refused() {
        let table: [(&str, Result<i64, MoneyError>); 16] = [
            ("199", Ok(19_900)),
            ("199.5", Ok(19_950)),
            (" 199.00 ", Ok(19_900)),
            ("¥1,990.00", Ok(199_000)),
            ("150元", Ok(15_000)),
            ("-12.30", Ok(-1_230)),
            ("0.01", Ok(1)),
            ("199.000", Ok(19_900)),
            ("", Err(MoneyError::Empty)),
            ("268.005", Err(MoneyError::TooPrecise)),
            ("一百九十九", Err(MoneyError::NotANumber)),
            ("1e3", Err(MoneyError::NotANumber)),
            ("1,99", Err(MoneyError::NotANumber)),
            (".5", Err(MoneyError::NotANumber)),
            ("--5", Err(MoneyError::NotANumber)),
            ("99999999999999999999", Err(MoneyError::TooLarge)),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Money>(), expected.map(Money::from_fen), "{text}");
        }
    }

    #[test]
    fn people_see_grouped_yuan_and_files_see_plain_yuan() {
        for (fen, plain, yuan) in [
            (0, "0.00", "¥0.00"),
            (5, "0.05", "¥0.05"),
            (-5, "-0.05", "-¥0.05"),
            (99_900, "999.00", "¥999.00"),
            (756_200, "7562.00", "¥7,562.00"),
            (123_456_789, "1234567.89", "¥1,234,567.89"),
            (-10_000_000, "-100000.00", "-¥100,000.00"),
        ] {
            assert_eq!(Money::from_fen(fen).to_string(), plain);
            assert_eq!(Money::from_fen(fen).yuan(), yuan);
        }
    }

    #[test]
    fn rates_round_half_up() {
        // 0.6 % of 199.00 is 1.194, of 12.50 is 0.075: the half goes up.
        assert_eq!(Money::from_fen(19_900).bps(60), Money::from_fen(119));
        assert_eq!(Money::from_fen(1_250).bps(60), Money::from_fen(8));
        assert_eq!(Money::from_fen(-1_250).bps(60), Money::from_fen(-8));
        // The worked settlement: 900.00 × 7 / 12.
        assert_eq!(Money::from_fen(90_000).share(7, 12), Money::from_fen(52_500));
    }

    #[test]
    fn a_split_gives_the_odd_fen_to_the_largest_remainder() {
        // 197.81 by 12 %, 10 %, 78 %: the missing fen goes to .72.
        let parts = Money::from_fen(19_781).split(&[1_200, 1_000, 7_800]);
        assert_eq!(parts, [2_374, 1_978, 15_429].map(Money::from_fen));
        assert_eq!(Money::from_fen(100).split(&[1, 1, 1]), [34, 33, 33].map(Money::from_fen));
        assert_eq!(Money::from_fen(100).split(&[0, 0]), [0, 0].map(Money::from_fen));
    }

    proptest! {
        #[test]
        fn a_split_loses_nothing(fen in 0i64..1_000_000_000, weights in proptest::collection::vec(0i64..10_000, 1..8)) {
            let parts = Money::from_fen(fen).split(&weights);
            if weights.iter().sum::<i64>() > 0 {
                prop_assert_eq!(parts.iter().copied().sum::<Money>(), Money::from_fen(fen));
            }
            prop_assert!(parts.iter().all(|part| part.fen() >= 0));
        }

        #[test]
        fn shown_amounts_read_back(fen in -1_000_000_000_000i64..1_000_000_000_000) {
            prop_assert_eq!(Money::from_fen(fen).to_string().parse::<Money>(), Ok(Money::from_fen(fen)));
            prop_assert_eq!(Money::from_fen(fen).grouped().parse::<Money>(), Ok(Money::from_fen(fen)));
        }
    }
}
