//! When to try again after a decline, and when to stop: the second mandate first, then at most two retries within 24 hours of the first
//! failure, inside the rail's window (agreement clause 3.4, RQ06).

use chrono::{DurationRound, TimeDelta};

use crate::domain::date::At;
use crate::domain::rail::{Profile, Reason, Window};
use crate::planted::{self, Mistake};

/// A declined attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// When it was known.
    pub now: At,
    /// Why.
    pub reason: Reason,
    /// Which lane was tried.
    pub lane: u32,
    /// True when the next lane has a live mandate.
    pub has_next_lane: bool,
    /// Rounds over all lanes that failed before.
    pub failures: u32,
    /// When the first round failed: the decline itself, where this is the first.
    pub first_failed_at: At,
    /// When the rail accepts charges of this installment.
    pub window: Window,
    /// The rail's rules.
    pub profile: &'a Profile,
    /// Hours between a failure and each retry, from `shop.toml`.
    pub gaps_hours: &'a [u32],
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next lane, at once.
    OtherLane,
    /// All lanes again, from the first, at that moment.
    Retry(At),
    /// No more automatic tries.
    GiveUp,
}

/// Decides what follows a decline.
pub fn after(failure: &Failure<'_>) -> Next {
    if failure.has_next_lane {
        return Next::OtherLane;
    }
    if planted::is(Mistake::EndlessRetry) {
        return Next::Retry(failure.now + TimeDelta::hours(1));
    }
    let made = usize::try_from(failure.failures).unwrap_or(usize::MAX);
    let gap = match failure.gaps_hours.get(made) {
        Some(gap) if failure.failures < failure.profile.retries && failure.reason.may_retry() => *gap,
        _ => return Next::GiveUp,
    };
    // Cron starts a few seconds past the hour; counted from the full hour, the retry is ready when cron comes.
    let hour = failure.now.duration_trunc(TimeDelta::hours(1)).unwrap_or(failure.now);
    let wanted = hour + TimeDelta::hours(i64::from(gap.max(failure.profile.retry_gap_hours)));
    match failure.window.next(wanted) {
        Some(at) if at <= deadline(failure.first_failed_at, failure.profile) => Next::Retry(at),
        _ => Next::GiveUp,
    }
}

/// The last moment of a retry, counted from the first failure.
pub fn deadline(first_failed_at: At, profile: &Profile) -> At {
    first_failed_at + TimeDelta::hours(i64::from(profile.retry_within_hours))
}

#[cfg(test)]
mod tests {
    use super::{Failure, Next, after};
    use crate::domain::date::At;
    use crate::domain::rail::{Profile, Reason};
    use chrono::TimeZone;
    use chrono_tz::Asia::Shanghai;

    fn at(day: u32, hour: u32, second: u32) -> At {
        Shanghai.with_ymd_and_hms(2026, 11, day, hour, 0, second).unwrap().to_utc()
    }

    fn alipay() -> Profile {
        toml::from_str(include_str!("../adapters/rail/profiles/alipay.toml")).unwrap()
    }

    fn failure(profile: &Profile, now: At, failures: u32) -> Failure<'_> {
        let due = "2026-11-05".parse().unwrap();
        Failure {
            now,
            reason: Reason::NoFunds,
            lane: 1,
            has_next_lane: false,
            failures,
            first_failed_at: if failures > 0 { at(5, 9, 5) } else { now },
            window: profile.window(due, profile.registered(due)),
            profile,
            gaps_hours: &[8, 15],
        }
    }

    #[test]
    fn two_retries_fit_into_24_hours_of_an_hourly_cron() {
        let profile = alipay();
        assert_eq!(after(&failure(&profile, at(5, 9, 5), 0)), Next::Retry(at(5, 17, 0)));
        assert_eq!(after(&failure(&profile, at(5, 17, 4), 1)), Next::Retry(at(6, 8, 0)));
        assert_eq!(after(&failure(&profile, at(6, 8, 3), 2)), Next::GiveUp);
    }

    #[test]
    fn a_third_retry_is_never_made() {
        let profile = alipay();
        let generous = Failure { gaps_hours: &[1, 1, 1, 1], ..failure(&profile, at(5, 15, 0), 2) };
        assert_eq!(after(&generous), Next::GiveUp);
    }

    #[test]
    fn no_retry_after_24_hours_or_outside_the_window() {
        let profile = alipay();
        // The second failure was only known late: the next try would come after the 24 hours.
        assert_eq!(after(&failure(&profile, at(6, 1, 0), 1)), Next::GiveUp);
        let mut last_day = failure(&profile, at(7, 20, 0), 0);
        assert_eq!(after(&last_day), Next::GiveUp);
        last_day.now = at(7, 9, 0);
        assert_eq!(after(&last_day), Next::Retry(at(7, 17, 0)));
    }

    #[test]
    fn the_second_mandate_is_tried_at_once_and_only_after_a_definite_decline() {
        let profile = alipay();
        let first = Failure { has_next_lane: true, ..failure(&profile, at(5, 9, 5), 0) };
        assert_eq!(after(&first), Next::OtherLane);
    }

    #[test]
    fn a_reason_that_hours_cannot_mend_is_not_retried() {
        let profile = alipay();
        for reason in [Reason::MandateGone, Reason::CustomerBlocked, Reason::OutsidePlan] {
            let hard = Failure { reason, ..failure(&profile, at(5, 9, 5), 0) };
            assert_eq!(after(&hard), Next::GiveUp, "{reason:?}");
        }
    }
}
