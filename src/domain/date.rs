//! Civil dates and the shop's wall time: due dates, month ends, daily hours. Owns every calendar rule that is not a rail's.
//!
//! Business dates are civil dates in the shop's time zone; instants are UTC. A due date comes from the anchor day and the
//! term number, never from the previous due date, so a short month cannot make later months drift.

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A moment, in UTC.
pub type At = DateTime<Utc>;

/// When the first term falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstDebit {
    /// On the day of signing: the customer pays term 1 at once.
    AtSigning,
    /// On the debit day of the month after the month of signing.
    NextMonth,
}

impl FirstDebit {
    /// The word in files and columns.
    pub const fn word(self) -> &'static str {
        match self {
            FirstDebit::AtSigning => "at_signing",
            FirstDebit::NextMonth => "next_month",
        }
    }

    /// Reads [`FirstDebit::word`] back.
    pub fn from_word(word: &str) -> Option<FirstDebit> {
        [FirstDebit::AtSigning, FirstDebit::NextMonth].into_iter().find(|it| it.word() == word)
    }
}

/// What fixes every due date of an agreement: the month that term 0 would fall in, and the anchor day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Day of signing (civil, shop's zone).
    pub signed_on: NaiveDate,
    /// Day of the month, 1–31, kept forever.
    pub anchor_day: u32,
    /// When term 1 falls due.
    pub first: FirstDebit,
    /// Whole months by which the terms from `shifted_from` on were moved (pauses that extend), 0 without a pause.
    pub shift_months: u32,
    /// First term that is moved by `shift_months`.
    pub shifted_from: u32,
}

impl Schedule {
    /// The plain schedule of a signing.
    pub const fn new(signed_on: NaiveDate, anchor_day: u32, first: FirstDebit) -> Schedule {
        Schedule { signed_on, anchor_day, first, shift_months: 0, shifted_from: 1 }
    }

    /// The due date of term `term` (1-based): the anchor day of its month, or the month's last day where it has no such day
    /// (domain facts 3.3).
    pub fn due(&self, term: u32) -> NaiveDate {
        if self.first == FirstDebit::AtSigning && term == 1 {
            return self.signed_on;
        }
        let offset = match self.first {
            FirstDebit::AtSigning => term - 1,
            FirstDebit::NextMonth => term,
        };
        let shift = if term >= self.shifted_from { self.shift_months } else { 0 };
        anchored(self.signed_on, offset + shift, self.anchor_day)
    }

    /// The last day on which the agreement of `terms` terms runs: the day before the term after the last would fall due.
    pub fn end(&self, terms: u32) -> NaiveDate {
        self.due(terms + 1).pred_opt().expect("due dates lie far from the calendar's ends")
    }
}

/// The `anchor_day` of the month that lies `months` after the month of `from`, clamped to that month's last day.
pub fn anchored(from: NaiveDate, months: u32, anchor_day: u32) -> NaiveDate {
    let first = from.with_day(1).expect("every month has a first day");
    let month = first.checked_add_months(Months::new(months)).expect("agreements end before the calendar does");
    month.with_day(anchor_day.clamp(1, days_in_month(month))).expect("clamped to the month")
}

/// Days in the month of `date`, 28–31.
pub fn days_in_month(date: NaiveDate) -> u32 {
    let first = date.with_day(1).expect("every month has a first day");
    let next = first.checked_add_months(Months::new(1)).expect("the calendar goes on");
    next.pred_opt().expect("the day before a first is a last").day()
}

/// `date` plus `days` (negative goes back).
pub fn plus_days(date: NaiveDate, days: i64) -> NaiveDate {
    let count = Days::new(days.unsigned_abs());
    let moved = if days >= 0 { date.checked_add_days(count) } else { date.checked_sub_days(count) };
    moved.expect("dates stay far from the calendar's ends")
}

/// Whole years of age on `today`; a person born on 29 February turns older on 1 March of a common year (domain facts 3.1).
pub fn age_on(birth: NaiveDate, today: NaiveDate) -> i32 {
    let had_birthday = (today.month(), today.day()) >= (birth.month(), birth.day());
    today.year() - birth.year() - i32::from(!had_birthday)
}

/// The civil date of `at` in the shop's zone.
pub fn day_of(at: At, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The wall time of `at` in the shop's zone.
pub fn time_of(at: At, zone: Tz) -> NaiveTime {
    at.with_timezone(&zone).time()
}

/// The moment of `time` on `date` in `zone`. A time that daylight saving skips becomes the first moment after the gap;
/// one that occurs twice is the earlier.
pub fn moment(date: NaiveDate, time: NaiveTime, zone: Tz) -> At {
    let wall = date.and_time(time);
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(at) => at.to_utc(),
        LocalResult::Ambiguous(earlier, _) => earlier.to_utc(),
        LocalResult::None => {
            let mut later = wall;
            loop {
                later += chrono::Duration::minutes(15);
                if let Some(at) = zone.from_local_datetime(&later).earliest() {
                    return at.to_utc();
                }
            }
        }
    }
}

/// The years in which a shop lives. Whatever comes from outside with another one is a mistake or an attack: such dates leave the
/// calendar as soon as anything is added to them, and years of five digits cannot be stored.
const YEARS: std::ops::Range<i32> = 1970..2200;

/// Whether a moment from outside lies in the years in which a shop lives (1970 to 2199).
pub fn is_in_reach(at: At) -> bool {
    YEARS.contains(&at.year())
}

/// [`moment`] of a wall time from outside; `None` where it lies outside the years in which a shop lives.
pub fn moment_in_reach(date: NaiveDate, time: NaiveTime, zone: Tz) -> Option<At> {
    YEARS.contains(&date.year()).then(|| moment(date, time, zone)).filter(|at| is_in_reach(*at))
}

/// A date from outside; `None` where it lies outside the years in which a shop lives.
pub fn day_in_reach(date: NaiveDate) -> Option<NaiveDate> {
    YEARS.contains(&date.year()).then_some(date)
}

/// Reads a moment as machines write it (RFC 3339); `None` for anything else, and outside the years in which a shop lives.
pub fn machine_moment(text: &str) -> Option<At> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).filter(|at| is_in_reach(*at))
}

/// Hours of a day, from `from` to before `to`. `to` = 00:00 means midnight at the day's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// First minute inside.
    pub from: NaiveTime,
    /// First minute outside.
    pub to: NaiveTime,
}

impl Hours {
    /// Hours given as (hour, minute) pairs, for constants and tests.
    pub fn new(from: (u32, u32), to: (u32, u32)) -> Hours {
        let time = |(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0).expect("an hour of a day");
        Hours { from: time(from), to: time(to) }
    }

    /// True when `time` lies inside.
    pub fn contains(&self, time: NaiveTime) -> bool {
        time >= self.from && (time < self.to || self.to == NaiveTime::MIN)
    }

    /// `at` itself when it lies inside the hours, else the next moment that does.
    pub fn next(&self, at: At, zone: Tz) -> At {
        let time = time_of(at, zone);
        if self.contains(time) {
            return at;
        }
        let today = day_of(at, zone);
        let day = if time < self.from { today } else { plus_days(today, 1) };
        moment(day, self.from, zone)
    }
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}–{}", self.from.format("%H:%M"), self.to.format("%H:%M"))
    }
}

impl Serialize for Hours {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.from.format("%H:%M").to_string(), self.to.format("%H:%M").to_string()].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hours, D::Error> {
        let [from, to] = <[String; 2]>::deserialize(deserializer)?;
        Ok(Hours { from: clock_time(&from)?, to: clock_time(&to)? })
    }
}

/// `"09:00"` in a settings file; `"24:00"` is midnight at the day's end.
///
/// # Errors
/// Any other text.
pub fn clock_time<E: serde::de::Error>(text: &str) -> Result<NaiveTime, E> {
    if text == "24:00" {
        return Ok(NaiveTime::MIN);
    }
    NaiveTime::parse_from_str(text, "%H:%M")
        .map_err(|_| E::custom(format!("`{text}` is not a time of day like \"09:00\"")))
}

#[cfg(test)]
mod tests {
    use super::{FirstDebit, Hours, Schedule, age_on, moment};
    use chrono::{NaiveDate, NaiveTime, TimeZone, Utc};
    use chrono_tz::{America::New_York, Asia::Shanghai};

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn due_dates_come_from_the_anchor_and_never_drift() {
        let plan = Schedule::new(date("2026-12-31"), 31, FirstDebit::NextMonth);
        let due: Vec<String> = (1..=6).map(|term| plan.due(term).to_string()).collect();
        assert_eq!(due, ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]);
        assert_eq!(plan.due(14), date("2028-02-29"));
    }

    #[test]
    fn the_worked_example_of_the_domain_facts() {
        let plan = Schedule::new(date("2026-11-21"), 15, FirstDebit::NextMonth);
        assert_eq!((plan.due(1), plan.due(12)), (date("2026-12-15"), date("2027-11-15")));
        assert_eq!(plan.end(12), date("2027-12-14"));
    }

    #[test]
    fn a_first_debit_at_signing_counts_as_term_one() {
        let plan = Schedule::new(date("2026-01-31"), 28, FirstDebit::AtSigning);
        assert_eq!(plan.due(1), date("2026-01-31"));
        assert_eq!(plan.due(2), date("2026-02-28"));
        assert_eq!(plan.due(3), date("2026-03-28"));
    }

    #[test]
    fn a_pause_that_extends_moves_only_the_terms_after_it() {
        let mut plan = Schedule::new(date("2026-01-10"), 10, FirstDebit::NextMonth);
        plan.shift_months = 2;
        plan.shifted_from = 3;
        assert_eq!(plan.due(2), date("2026-03-10"));
        assert_eq!(plan.due(3), date("2026-06-10"));
        assert_eq!(plan.end(12), date("2027-04-09"));
    }

    #[test]
    fn a_leap_day_child_comes_of_age_on_the_first_of_march() {
        assert_eq!(age_on(date("2008-02-29"), date("2026-02-28")), 17);
        assert_eq!(age_on(date("2008-02-29"), date("2026-03-01")), 18);
        assert_eq!(age_on(date("2008-11-21"), date("2026-11-21")), 18);
        assert_eq!(age_on(date("2008-11-22"), date("2026-11-21")), 17);
    }

    #[test]
    fn hours_move_a_moment_forward_only() {
        let hours = Hours::new((7, 0), (22, 0));
        let at = |day: u32, hour: u32| Shanghai.with_ymd_and_hms(2026, 11, day, hour, 0, 0).unwrap().to_utc();
        assert_eq!(hours.next(at(5, 9), Shanghai), at(5, 9));
        assert_eq!(hours.next(at(5, 6), Shanghai), at(5, 7));
        assert_eq!(hours.next(at(5, 22), Shanghai), at(6, 7));
        assert!(Hours::new((0, 0), (0, 0)).contains(NaiveTime::from_hms_opt(23, 59, 0).unwrap()));
    }

    #[test]
    fn a_time_skipped_by_daylight_saving_is_the_first_after_the_gap() {
        let at = moment(date("2026-03-08"), NaiveTime::from_hms_opt(2, 30, 0).unwrap(), New_York);
        assert_eq!(at, Utc.with_ymd_and_hms(2026, 3, 8, 7, 0, 0).unwrap());
    }
}
