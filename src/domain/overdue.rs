//! Levels of an unpaid installment by days past due, and how often each is told (domain facts 6.3). Overdue installments cost the
//! customer nothing extra, and only the customer hears of them.

use chrono::NaiveDate;

/// Days past due at which each level begins, level 1 first. From day 91 on a person decides; nothing more is sent.
const FROM_DAYS: [i64; 5] = [1, 4, 16, 31, 61];

/// Last day past due on which a level is told.
pub const LAST_DAY: i64 = 90;

/// Least days between two messages of a level; `None` for a level that is told once.
const EVERY_DAYS: [Option<i64>; 5] = [Some(1), Some(3), Some(7), None, None];

/// Days from the due date to `today`; zero on the due date itself.
pub fn days_past_due(due: NaiveDate, today: NaiveDate) -> i64 {
    (today - due).num_days().max(0)
}

/// The level at that many days past due: 0 for none yet, 1–5.
pub fn level(days: i64) -> u32 {
    let passed = FROM_DAYS.iter().filter(|from| days >= **from).count();
    u32::try_from(passed).unwrap_or(0)
}

/// Whether a level is to be told today, when `told_level` was the last one told, on `told_on`.
pub fn is_to_be_told(days: i64, told_level: u32, told_on: Option<NaiveDate>, today: NaiveDate) -> bool {
    let level = level(days);
    if level == 0 || days > LAST_DAY {
        return false;
    }
    match told_on {
        None => true,
        Some(day) if day >= today => false,
        Some(_) if level > told_level => true,
        Some(day) => {
            let every = usize::try_from(level - 1).ok().and_then(|place| EVERY_DAYS[place]);
            every.is_some_and(|every| (today - day).num_days() >= every)
        }
    }
}

/// The text of a level in `notifications.toml`.
pub fn template(level: u32) -> &'static str {
    match level {
        1 => "overdue_l1",
        2 => "overdue_l2",
        3 => "overdue_l3",
        4 => "overdue_l4",
        _ => "overdue_l5",
    }
}

#[cfg(test)]
mod tests {
    use super::{is_to_be_told, level};
    use chrono::NaiveDate;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
    }

    #[test]
    fn levels_follow_the_days_past_due() {
        let table = [(0, 0), (1, 1), (3, 1), (4, 2), (15, 2), (16, 3), (30, 3), (31, 4), (60, 4), (61, 5), (90, 5)];
        for (days, expected) in table {
            assert_eq!(level(days), expected, "{days}");
        }
    }

    #[test]
    fn nobody_is_told_twice_a_day_nor_more_often_than_the_ladder_says() {
        assert!(is_to_be_told(1, 0, None, day(6)));
        assert!(!is_to_be_told(1, 1, Some(day(6)), day(6)));
        assert!(is_to_be_told(2, 1, Some(day(6)), day(7)));
        assert!(is_to_be_told(4, 1, Some(day(8)), day(9)));
        assert!(!is_to_be_told(6, 2, Some(day(9)), day(11)));
        assert!(is_to_be_told(7, 2, Some(day(9)), day(12)));
        assert!(!is_to_be_told(40, 4, Some(day(1)), day(30)));
        assert!(!is_to_be_told(91, 5, Some(day(1)), day(30)));
    }
}
