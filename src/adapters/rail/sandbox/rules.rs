//! What the pretended provider accepts, from a profile and the facts: hours, windows, notices, caps, periods. Pure; owns no
//! money and no words of the provider's.

use chrono::{Datelike, NaiveDate};
use ring::digest::{Context, SHA256};

use super::rows::{Contract, ContractState, Notice};
use crate::domain::bill::Dialect;
use crate::domain::date::{At, anchored, day_of, moment, plus_days, time_of};
use crate::domain::money::Money;
use crate::domain::rail::{Acceptance, Profile, RailNotice, Reason};

/// Why the provider says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Never heard of the contract.
    ContractUnknown,
    /// The customer has not agreed.
    ContractWaiting,
    /// The contract is over.
    ContractEnded,
    /// Not a positive amount.
    BadAmount,
    /// Not 1 to 32 letters and digits.
    BadNumber,
    /// Outside the hours of the day.
    OutsideHours,
    /// Before or after the days round the registered date.
    OutsideDays,
    /// The period has had its debit.
    PeriodUsed,
    /// A debit of this contract has not been decided yet.
    InFlight,
    /// No notice stands.
    NoNotice,
    /// A notice stands, but not for today.
    NoticeOtherDays,
    /// More than was announced.
    AboveNotice,
    /// More than the customer agreed to.
    AboveContract,
    /// More than the rail debits at once.
    AboveRail,
    /// All agreed debits have been made.
    CountUsed,
    /// Above the customer's day.
    DayCap,
    /// Above the customer's month.
    MonthCap,
    /// Neither balance nor card could pay.
    NoFunds,
    /// Told to decline, by a fault or by its temper.
    Told(Reason),
}

/// What a charge asks for, and what the book knows about it.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// How much.
    pub amount: Money,
    /// The agreed day, as the merchant says.
    pub due: NaiveDate,
    /// When.
    pub now: At,
    /// The notice that stands, with `notice = "announce"`.
    pub notice: Option<&'a Notice>,
    /// Whether a debit of the contract waits for its decision.
    pub in_flight: bool,
    /// Debits of the period that were paid.
    pub paid_in_cycle: u32,
}

/// Whether the provider takes the charge on, before it looks at funds and sums.
pub fn accept(profile: &Profile, dialect: Dialect, asked: &Asked<'_>) -> Result<(), Refusal> {
    let contract = asked.contract;
    match contract.state {
        ContractState::Waiting => return Err(Refusal::ContractWaiting),
        ContractState::Ended => return Err(Refusal::ContractEnded),
        ContractState::Live => {}
    }
    if !asked.amount.is_positive() {
        return Err(Refusal::BadAmount);
    }
    if !profile.hours.contains(time_of(asked.now, profile.timezone)) {
        return Err(Refusal::OutsideHours);
    }
    if profile.acceptance == Acceptance::Pending && asked.in_flight {
        return Err(Refusal::InFlight);
    }
    let first = in_grace(profile, contract, asked.now);
    let today = day_of(asked.now, profile.timezone);
    // A rail that keeps no date of its own takes a first debit at once, whatever day was agreed.
    if (dialect.keeps_date() || !first) && !in_days(profile, base_date(dialect, contract, asked.due), today) {
        return Err(Refusal::OutsideDays);
    }
    if asked.paid_in_cycle >= profile.successes_per_cycle.max(1) {
        return Err(Refusal::PeriodUsed);
    }
    if contract.paid_count >= contract.count {
        return Err(Refusal::CountUsed);
    }
    if asked.amount > contract.single_cap {
        return Err(Refusal::AboveContract);
    }
    if asked.amount > profile.single_cap {
        return Err(Refusal::AboveRail);
    }
    if profile.notice == RailNotice::Announce && !first {
        noticed(profile, asked, today)?;
    }
    Ok(())
}

/// Whether `spent` on the day and in the month leave room for `amount`.
pub fn sums(profile: &Profile, amount: Money, spent_day: Money, spent_month: Money) -> Result<(), Refusal> {
    if spent_day + amount > profile.day_cap {
        return Err(Refusal::DayCap);
    }
    if spent_month + amount > profile.month_cap {
        return Err(Refusal::MonthCap);
    }
    Ok(())
}

/// The period that a success on this charge uses up. Where the rail keeps a date, the period is that date; else it is the
/// calendar month of the agreed day.
pub fn cycle(dialect: Dialect, contract: &Contract, due: NaiveDate) -> String {
    if dialect.keeps_date() { contract.next_date.to_string() } else { due.format("%Y-%m").to_string() }
}

/// The registered date after a success: the next day with the anchor's number after `paid`. A postponed date therefore does
/// not move the ones after it, and a short month does not make later months drift.
pub fn date_after(paid: NaiveDate, anchor_day: u32) -> NaiveDate {
    let this_month = anchored(paid, 0, anchor_day);
    if this_month > paid { this_month } else { anchored(paid, 1, anchor_day) }
}

/// The last moment at which a contract valid until `last` is live: midnight at that day's end.
pub fn expires(last: NaiveDate, profile: &Profile) -> At {
    moment(plus_days(last, 1), chrono::NaiveTime::MIN, profile.timezone)
}

/// Whether a notice given at `given` can still be used on `today`.
pub fn notice_stands(profile: &Profile, given: At, today: NaiveDate) -> bool {
    today <= profile.notice_covers(given).1
}

/// First moments of the day of `at`, of its month, in the rail's zone: from when day and month sums count.
pub fn sums_from(profile: &Profile, at: At) -> (At, At) {
    let day = day_of(at, profile.timezone);
    let first = anchored(day, 0, 1);
    let start = |date| moment(date, chrono::NaiveTime::MIN, profile.timezone);
    (start(day), start(first))
}

/// First moments of `day` and of the day after, in the rail's zone.
pub fn day_bounds(profile: &Profile, day: NaiveDate) -> (At, At) {
    let start = |date| moment(date, chrono::NaiveTime::MIN, profile.timezone);
    (start(day), start(plus_days(day, 1)))
}

/// `length` digits after `prefix`, always the same for the same seed and parts: the provider's own numbers.
pub fn number(prefix: &str, seed: u64, parts: &[&str], length: usize) -> String {
    let mut text = prefix.to_owned();
    for byte in digest(seed, parts).into_iter().take(length) {
        text.push(char::from(b'0' + byte % 10));
    }
    text
}

/// A number from 0 to 9 999, always the same for the same seed and parts: the sandbox's chance.
pub fn roll(seed: u64, parts: &[&str]) -> u32 {
    let digest = digest(seed, parts);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 10_000
}

fn digest(seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&seed.to_be_bytes());
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// Round which day the window lies: the date registered with the rail, or the agreed day where the rail keeps none.
fn base_date(dialect: Dialect, contract: &Contract, due: NaiveDate) -> NaiveDate {
    if dialect.keeps_date() { contract.next_date } else { due }
}

fn in_days(profile: &Profile, base: NaiveDate, today: NaiveDate) -> bool {
    let first = plus_days(base, -i64::from(profile.window_days_before));
    let last = plus_days(base, i64::from(profile.window_days_after));
    (first..=last).contains(&today)
}

/// The hours after signing in which the first charge needs no notice.
fn in_grace(profile: &Profile, contract: &Contract, now: At) -> bool {
    let grace = chrono::Duration::hours(i64::from(profile.first_charge_grace_hours));
    contract.paid_count == 0 && contract.signed_at.is_some_and(|signed| now < signed + grace)
}

fn noticed(profile: &Profile, asked: &Asked<'_>, today: NaiveDate) -> Result<(), Refusal> {
    let notice = asked.notice.ok_or(Refusal::NoNotice)?;
    let (first, last) = profile.notice_covers(notice.given_at);
    if !(first..=last).contains(&today) {
        return Err(Refusal::NoticeOtherDays);
    }
    if asked.amount > notice.amount {
        return Err(Refusal::AboveNotice);
    }
    Ok(())
}

/// Whether `number` is one that both providers take: 1 to 32 letters and digits.
pub fn is_number(number: &str) -> bool {
    (1..=32).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether `date` can be registered with the rail at all.
pub fn can_register(profile: &Profile, date: NaiveDate) -> bool {
    date.day() <= profile.registered_day_max
}

#[cfg(test)]
mod tests {
    use super::{date_after, number, roll};
    use chrono::NaiveDate;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn registered_dates_keep_their_anchor_through_short_months_and_postponing() {
        for (paid, anchor, next) in [
            ("2026-11-07", 7, "2026-12-07"),
            ("2027-01-31", 31, "2027-02-28"),
            ("2027-02-28", 31, "2027-03-31"),
            // Postponed within the month, and into the next one.
            ("2026-11-20", 7, "2026-12-07"),
            ("2026-12-03", 28, "2026-12-28"),
        ] {
            assert_eq!(date_after(date(paid), anchor), date(next), "{paid}");
        }
    }

    #[test]
    fn numbers_and_chance_depend_on_seed_and_parts_alone() {
        assert_eq!(number("42", 1, &["wechat", "a"], 26), number("42", 1, &["wechat", "a"], 26));
        assert_ne!(number("42", 1, &["wechat", "a"], 26), number("42", 2, &["wechat", "a"], 26));
        assert_ne!(number("", 1, &["ab", "c"], 20), number("", 1, &["a", "bc"], 20));
        assert_eq!(number("42", 1, &["x"], 26).len(), 28);
        assert!((0..200).map(|n| roll(7, &[&n.to_string()])).all(|it| it < 10_000));
    }
}
