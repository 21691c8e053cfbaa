//! The rules of a payment channel as data (a profile), and the words in which every rail answers. Owns no protocol:
//! adapters speak to providers and translate into these words.

use chrono::{Datelike, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::date::{At, Hours, day_of, moment, plus_days};
use crate::domain::money::Money;

/// Who tells the customer ahead of a debit on this rail, beside kibble's own 48-hour announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RailNotice {
    /// The rail asks for no notice of its own; ours is the only one.
    None,
    /// We ask the rail to give its notice some natural days ahead (WeChat pre-notice).
    Announce,
    /// The rail gives notice itself when it accepts a charge (WeChat notify-then-24h).
    ByRail,
}

/// What it means that the rail accepted a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acceptance {
    /// The answer is the outcome.
    Final,
    /// The outcome comes up to `pending_hours` later, by query.
    Pending,
}

/// Which order number the attempt after a definite decline uses. After an unknown outcome it is always the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterDecline {
    /// A new number: the declined one is dead (WeChat closes the order itself).
    NewNumber,
}

/// The rules of one rail. Every field can be overridden in `shop.toml`, because providers change them without notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Largest debit day offered at signing (day of the month).
    pub debit_day_max: u32,
    /// Days between the debit day agreed with the customer and the date registered with the rail.
    /// Alipay accepts nothing after the registered date, so it is set later to leave room for retries.
    pub registered_days_after: u32,
    /// Largest day of the month that the rail accepts as the registered date.
    pub registered_day_max: u32,
    /// Days before the registered date from which a charge is accepted.
    pub window_days_before: u32,
    /// Days after the registered date up to which a charge is accepted.
    pub window_days_after: u32,
    /// Hours of the day in which charges are accepted, in the rail's zone.
    pub hours: Hours,
    /// Who gives the rail's own notice.
    pub notice: RailNotice,
    /// Natural days between the day of the rail's notice and the first day on which a charge is accepted, with `notice = "announce"`.
    pub notice_days: u32,
    /// Days, counted from the first accepted day, for which one notice is good, with `notice = "announce"`.
    pub notice_valid_days: u32,
    /// Hours of the day in which notices are accepted, in the rail's zone.
    pub notice_hours: Hours,
    /// Hours after (re)signing in which the first charge needs no notice of the rail's.
    pub first_charge_grace_hours: u32,
    /// Whether the answer to a charge is the outcome.
    pub acceptance: Acceptance,
    /// With `acceptance = "pending"`: hours until the outcome is there.
    pub pending_hours: u32,
    /// Retries after the first attempt.
    pub retries: u32,
    /// Least hours between a decline and the next attempt.
    pub retry_gap_hours: u32,
    /// Hours after the first decline in which retries are made.
    pub retry_within_hours: u32,
    /// The number rule after a decline.
    pub after_decline: AfterDecline,
    /// Seconds after a charge was sent before "not found" is believed.
    pub not_found_after_seconds: u32,
    /// Days back for which the rail answers queries; older unknowns are settled by a bill.
    pub query_days: u32,
    /// Largest single debit.
    pub single_cap: Money,
    /// Largest sum per customer and day.
    pub day_cap: Money,
    /// Largest sum per customer and calendar month.
    pub month_cap: Money,
    /// Successful debits per agreement and cycle.
    pub successes_per_cycle: u32,
    /// Hour of the next day at which the bill of a day is ready, `HH:MM` in the rail's zone.
    pub bill_ready: String,
    /// Zone of the rail's calendar rules.
    pub timezone: Tz,
    /// Calls in flight at once.
    pub calls_in_flight: u32,
    /// Calls per second; 0 for no limit.
    pub calls_per_second: u32,
}

/// The days and hours in which one installment may be charged on one rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First day on which a charge is accepted and agreed with the customer.
    pub first_day: NaiveDate,
    /// Last such day.
    pub last_day: NaiveDate,
    /// Daily hours.
    pub hours: Hours,
    /// The rail's zone.
    pub zone: Tz,
}

impl Window {
    /// The first moment of the window.
    pub fn opens(&self) -> At {
        moment(self.first_day, self.hours.from, self.zone)
    }

    /// The first moment after the window.
    pub fn closes(&self) -> At {
        let midnight = self.hours.to == chrono::NaiveTime::MIN;
        let day = if midnight { plus_days(self.last_day, 1) } else { self.last_day };
        moment(day, self.hours.to, self.zone)
    }

    /// True when a charge is accepted at `at`.
    pub fn is_open(&self, at: At) -> bool {
        self.next(at) == Some(at)
    }

    /// `at` itself or the next moment inside the window; `None` once it has closed.
    pub fn next(&self, at: At) -> Option<At> {
        let inside = self.hours.next(at.max(self.opens()), self.zone);
        (day_of(inside, self.zone) <= self.last_day).then_some(inside)
    }
}

impl Profile {
    /// The date to register with the rail for an installment agreed for `due`.
    pub fn registered(&self, due: NaiveDate) -> NaiveDate {
        let wanted = plus_days(due, i64::from(self.registered_days_after));
        // A registered date never leaves the month of the agreed day, nor the days that the rail knows.
        let last = self.registered_day_max.max(due.day());
        if wanted.month() != due.month() || wanted.day() > last {
            return due.with_day(last.min(crate::domain::date::days_in_month(due))).unwrap_or(due);
        }
        wanted
    }

    /// When an installment agreed for `due` and registered for `registered` may be charged: never before the agreed day,
    /// never outside what the rail accepts.
    pub fn window(&self, due: NaiveDate, registered: NaiveDate) -> Window {
        let accepted_from = plus_days(registered, -i64::from(self.window_days_before));
        Window {
            first_day: due.max(accepted_from),
            last_day: plus_days(registered, i64::from(self.window_days_after)),
            hours: self.hours,
            zone: self.timezone,
        }
    }

    /// With a notice of the rail's own given at `noticed`: the days in which it allows a charge.
    pub fn notice_covers(&self, noticed: At) -> (NaiveDate, NaiveDate) {
        let first = plus_days(day_of(noticed, self.timezone), i64::from(self.notice_days));
        (first, plus_days(first, i64::from(self.notice_valid_days.max(1)) - 1))
    }

    /// From when the bill of `day` can be had. An hour that cannot be read counts as ten o'clock, the providers' own.
    pub fn bill_ready_at(&self, day: NaiveDate) -> At {
        let ten = NaiveTime::from_hms_opt(10, 0, 0).expect("ten o'clock exists");
        let hour = NaiveTime::parse_from_str(&self.bill_ready, "%H:%M").unwrap_or(ten);
        moment(plus_days(day, 1), hour, self.timezone)
    }
}

/// Why a charge was declined, in kibble's words. The provider's own code and text are kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Neither balance nor bound card could pay.
    NoFunds,
    /// A limit of the customer's, the rail's or the merchant's for today.
    Limit,
    /// The mandate does not exist any more.
    MandateGone,
    /// The customer's account cannot pay at all.
    CustomerBlocked,
    /// The rail's risk control refused.
    RiskRefused,
    /// Outside the dates, amount or count agreed with the rail.
    OutsidePlan,
    /// Our keys, parameters or permissions: the whole rail stops until somebody looks.
    OurConfiguration,
    /// Anything else that is definitely not paid.
    Other,
}

impl Reason {
    /// Every reason, for reports and tests.
    pub const ALL: [Reason; 8] = [
        Reason::NoFunds,
        Reason::Limit,
        Reason::MandateGone,
        Reason::CustomerBlocked,
        Reason::RiskRefused,
        Reason::OutsidePlan,
        Reason::OurConfiguration,
        Reason::Other,
    ];

    /// The word in columns and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Reason::NoFunds => "no_funds",
            Reason::Limit => "limit",
            Reason::MandateGone => "mandate_gone",
            Reason::CustomerBlocked => "customer_blocked",
            Reason::RiskRefused => "risk_refused",
            Reason::OutsidePlan => "outside_plan",
            Reason::OurConfiguration => "our_configuration",
            Reason::Other => "other",
        }
    }

    /// Reads [`Reason::word`] back.
    pub fn from_word(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// Whether trying again within hours can help (payment facts 1.7 and 2.4).
    pub const fn may_retry(self) -> bool {
        matches!(self, Reason::NoFunds | Reason::Limit | Reason::RiskRefused | Reason::Other)
    }
}

/// What a rail says about a charge or a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The money moved; verified.
    Paid,
    /// It definitely did not move and will not under this order number.
    Declined(Reason),
    /// Accepted; the outcome will be known by then.
    Pending(At),
    /// Nobody can say. Settled only by asking again with the same number, or by a bill.
    Unknown,
    /// The rail has never heard of this number.
    NotFound,
}

impl Answer {
    /// True when the rail knows the number and says what became of it.
    pub const fn is_known(self) -> bool {
        matches!(self, Answer::Paid | Answer::Declined(_) | Answer::Pending(_))
    }

    /// The word in columns, JSON and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Answer::Paid => "paid",
            Answer::Declined(_) => "declined",
            Answer::Pending(_) => "pending",
            Answer::Unknown => "unknown",
            Answer::NotFound => "not_found",
        }
    }
}

/// An answer with what the provider itself said, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// In kibble's words.
    pub answer: Answer,
    /// The provider's code, empty when there was none.
    pub code: String,
    /// The provider's text, empty when there was none.
    pub text: String,
    /// The provider's own number of the trade or refund.
    pub trade_no: Option<String>,
    /// When the provider moved the money.
    pub at: Option<At>,
    /// What went back under this refund number, where that is another amount than was asked about: the number is taken.
    pub taken_for: Option<Money>,
}

impl Reply {
    /// An answer without the provider's words.
    pub fn bare(answer: Answer) -> Reply {
        Reply { answer, code: String::new(), text: String::new(), trade_no: None, at: None, taken_for: None }
    }

    /// An answer with the provider's code and text.
    pub fn said(answer: Answer, code: impl Into<String>, text: impl Into<String>) -> Reply {
        Reply { code: code.into(), text: text.into(), ..Reply::bare(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use chrono::{NaiveDate, TimeZone};
    use chrono_tz::Asia::Shanghai;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn alipay() -> Profile {
        toml::from_str(include_str!("../adapters/rail/profiles/alipay.toml")).unwrap()
    }

    #[test]
    fn alipay_registers_two_days_later_so_that_retries_fit() {
        let profile = alipay();
        for (due, registered, last) in [
            ("2026-11-05", "2026-11-07", "2026-11-07"),
            ("2026-11-26", "2026-11-28", "2026-11-28"),
            ("2026-11-27", "2026-11-28", "2026-11-28"),
            ("2026-11-28", "2026-11-28", "2026-11-28"),
            ("2027-02-28", "2027-02-28", "2027-02-28"),
        ] {
            let when = profile.registered(date(due));
            assert_eq!(when, date(registered), "{due}");
            let window = profile.window(date(due), when);
            assert_eq!((window.first_day, window.last_day), (date(due), date(last)), "{due}");
        }
    }

    #[test]
    fn a_window_opens_at_its_hour_and_closes_for_good() {
        let profile = alipay();
        let window = profile.window(date("2026-11-05"), date("2026-11-07"));
        let at = |day: u32, hour: u32| Shanghai.with_ymd_and_hms(2026, 11, day, hour, 30, 0).unwrap().to_utc();
        assert_eq!(window.next(at(4, 12)), Some(window.opens()));
        assert!(window.is_open(at(6, 12)));
        assert!(window.is_open(at(7, 22)));
        assert_eq!(window.next(at(7, 23)), None);
        assert_eq!(window.next(at(8, 9)), None);
    }
}
