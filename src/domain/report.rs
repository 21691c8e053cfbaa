//! What reports are made of: periods, rates, cells of exported files, and the names that accounts have in the exported journal.
//! Pure; knows neither tables nor files.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use serde::{Serialize, Serializer};

use super::date::{days_in_month, plus_days};
use super::money::Money;
use super::sheet;

/// Days of a report, first and last included; business dates in the shop's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: NaiveDate,
    to: NaiveDate,
}

/// Why a text or a pair of dates is no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodError {
    /// Not a month like `2026-11`.
    NotAMonth,
    /// The last day lies before the first.
    Backwards,
    /// A year outside 2000–2999: somebody mistyped it.
    FarAway,
}

impl Period {
    /// The days `from` to `to`.
    ///
    /// # Errors
    /// When `to` lies before `from`, or one of them in another age.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Result<Period, PeriodError> {
        let sane = |date: NaiveDate| (2000..3000).contains(&date.year());
        match (sane(from) && sane(to), from <= to) {
            (false, _) => Err(PeriodError::FarAway),
            (true, false) => Err(PeriodError::Backwards),
            (true, true) => Ok(Period { from, to }),
        }
    }

    /// The month that holds `date`.
    pub fn month_of(date: NaiveDate) -> Period {
        let from = date.with_day(1).expect("every month has a first day");
        let to = date.with_day(days_in_month(date)).expect("every month has its last day");
        Period { from, to }
    }

    /// Reads `2026-11`, `2026/11`, `2026.11` or `2026年11月`.
    ///
    /// # Errors
    /// For any other text.
    pub fn month(text: &str) -> Result<Period, PeriodError> {
        let text = sheet::tidy(text);
        let text = text.strip_suffix('月').unwrap_or(&text);
        let (year, month) = text.split_once(['-', '/', '.', '年']).ok_or(PeriodError::NotAMonth)?;
        let digits = |part: &str, longest| part.len() <= longest && part.bytes().all(|b| b.is_ascii_digit());
        if year.len() != 4 || !digits(year, 4) || !digits(month, 2) {
            return Err(PeriodError::NotAMonth);
        }
        let year: i32 = year.parse().map_err(|_| PeriodError::NotAMonth)?;
        let month: u32 = month.parse().map_err(|_| PeriodError::NotAMonth)?;
        let first = NaiveDate::from_ymd_opt(year, month, 1).ok_or(PeriodError::NotAMonth)?;
        let whole = Period::month_of(first);
        Period::new(whole.from, whole.to)
    }

    /// First day.
    pub const fn from(&self) -> NaiveDate {
        self.from
    }

    /// Last day.
    pub const fn to(&self) -> NaiveDate {
        self.to
    }

    /// True when it is one calendar month.
    pub fn is_month(&self) -> bool {
        *self == Period::month_of(self.from)
    }

    /// How many calendar months it touches.
    pub fn months(&self) -> i64 {
        let count = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
        count(self.to) - count(self.from) + 1
    }

    /// True when its first or last month is not there in full, or when it is not over at `today`.
    pub fn is_partial(&self, today: NaiveDate) -> bool {
        self.from != Period::month_of(self.from).from || self.to != Period::month_of(self.to).to || today < self.to
    }

    /// The day at which something overdue is counted: the last day, or today while the period is not over.
    pub fn cut_off(&self, today: NaiveDate) -> NaiveDate {
        self.to.min(today)
    }

    /// Every day from two days before the first to two months after the last, as `2026-10-30,2026-10-31,…`. A statement finds
    /// in it which day follows another, because databases share no arithmetic of dates.
    pub fn calendar(&self) -> String {
        let mut text = String::new();
        let mut day = plus_days(self.from, -2);
        let last = plus_days(self.to, 62);
        while day <= last {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&day.to_string());
            day = plus_days(day, 1);
        }
        text
    }
}

/// `2026-11` for a month, `2026-11-01_2026-11-15` for other days; also the name of exported files.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_month() {
            true => f.pad(&self.from.format("%Y-%m").to_string()),
            false => f.pad(&format!("{}_{}", self.from, self.to)),
        }
    }
}

/// A share with four decimals (domain facts 6.4), or nothing where nothing can be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Option<i64>);

impl Rate {
    /// Nothing to divide by.
    pub const NONE: Rate = Rate(None);

    /// `part` of `whole`, rounded half up to four decimals.
    pub fn of(part: i64, whole: i64) -> Rate {
        if whole <= 0 {
            return Rate::NONE;
        }
        let (part, whole) = (i128::from(part), i128::from(whole));
        let scaled = part * 10_000;
        let rounded = (scaled + if scaled < 0 { -(whole / 2) } else { whole / 2 }) / whole;
        Rate(i64::try_from(rounded).ok())
    }

    /// `part` of `whole`, in money.
    pub fn of_money(part: Money, whole: Money) -> Rate {
        Rate::of(part.fen(), whole.fen())
    }

    /// Ten-thousandths, `None` where nothing could be divided.
    pub const fn bps(self) -> Option<i64> {
        self.0
    }

    /// How many of `width` pieces of a bar are full, rounded, never more than all.
    pub fn pieces(self, width: usize) -> usize {
        let width_bps = i64::try_from(width).unwrap_or(0);
        let full = self.0.map_or(0, |bps| (bps.clamp(0, 10_000) * width_bps + 5_000) / 10_000);
        usize::try_from(full).unwrap_or(0)
    }
}

/// One decimal of a percent, `95.0 %`; `-` where nothing could be divided.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bps) = self.0 else { return f.pad("-") };
        let sign = if bps < 0 { "-" } else { "" };
        let tenths = (bps.unsigned_abs() + 5) / 10;
        f.pad(&format!("{sign}{}.{} %", tenths / 10, tenths % 10))
    }
}

/// `"0.9500"`, or null where nothing could be divided; never a float.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_none(),
            Some(bps) => {
                let sign = if bps < 0 { "-" } else { "" };
                let bps = bps.unsigned_abs();
                serializer.collect_str(&format_args!("{sign}{}.{:04}", bps / 10_000, bps % 10_000))
            }
        }
    }
}

/// By what best sellers are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rank {
    /// Pieces.
    #[default]
    Units,
    /// What was paid for them.
    Revenue,
    /// That less their cost.
    Profit,
}

impl Rank {
    /// The word of the option and of the statement.
    pub const fn word(self) -> &'static str {
        match self {
            Rank::Units => "units",
            Rank::Revenue => "revenue",
            Rank::Profit => "profit",
        }
    }
}

/// A cell of an exported table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text, whatever it looks like.
    Text(String),
    /// Money.
    Amount(Money),
    /// A count.
    Count(i64),
    /// A date.
    Date(NaiveDate),
}

impl Cell {
    /// Text from whatever prints itself.
    pub fn text(value: impl fmt::Display) -> Cell {
        Cell::Text(value.to_string())
    }

    /// A cell that may hold nothing.
    pub fn maybe(value: Option<Cell>) -> Cell {
        value.unwrap_or(Cell::Empty)
    }

    /// The cell in a CSV: numbers as numbers, text so that Excel and WPS leave it alone.
    pub fn csv(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text_for_csv(text),
            Cell::Amount(amount) => amount.to_string(),
            Cell::Count(count) => count.to_string(),
            Cell::Date(date) => date.to_string(),
        }
    }
}

/// Text that a spreadsheet neither runs nor turns into a number or a date. A formula gets the `'` of [`sheet::guarded`]. Text
/// that looks like a number gets a tab at its end, as Alipay's own bills do: nobody sees it, every digit stays, and programs
/// that trim or parse the cell read the number.
pub fn text_for_csv(text: &str) -> String {
    let guarded = sheet::guarded(text);
    if guarded == text && looks_like_a_number(text) { format!("{text}\t") } else { guarded }
}

/// Digits, perhaps with what stands between the digits of numbers, dates and times: `13800000002`, `0012`, `1e5`, `11-5`.
fn looks_like_a_number(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || ".,:/-+eE% ".contains(c))
}

/// The commodity of the exported journal.
pub const COMMODITY: &str = "CNY";

/// Account of the exported journal that holds the results of earlier days.
pub const EARLIER_RESULTS: &str = "equity:earlier results";

/// The name that an account of ours has in the exported journal. hledger tells kinds of accounts by the first word. `customer`
/// is 0 for the shop's own accounts.
pub fn ledger_account(code: &str, customer: i64) -> String {
    let (family, rest) = code.split_once(':').unwrap_or((code, ""));
    let rest = ledger_name(rest);
    match (family, rest.as_str()) {
        ("rail", rail) => format!("assets:rail:{rail}"),
        ("bank", "") => "assets:bank".to_owned(),
        ("cash", "") => "assets:cash".to_owned(),
        ("clawback_due", "") => format!("assets:clawback due:c-{customer}"),
        ("wallet", "principal") => format!("liabilities:wallet:c-{customer}"),
        ("wallet", "bonus") => format!("liabilities:wallet:c-{customer}:bonus"),
        ("orders_open", "") => "liabilities:orders open".to_owned(),
        ("suppliers", "") => "liabilities:suppliers".to_owned(),
        ("refunds_due", "") => format!("liabilities:refunds due:c-{customer}"),
        ("advances", "") => "liabilities:advances".to_owned(),
        ("sales", category) => format!("revenues:sales:{category}"),
        ("compensation", "") => "revenues:compensation".to_owned(),
        ("cost" | "fees" | "interest" | "goodwill", "") => format!("expenses:{family}"),
        ("opening", "") => "equity:opening".to_owned(),
        // An account that this table does not know keeps its own code, so that no posting is lost.
        _ => match customer {
            0 => format!("equity:other:{}", ledger_name(code)),
            _ => format!("equity:other:{}:c-{customer}", ledger_name(code)),
        },
    }
}

/// True for accounts whose balance starts anew with each period: revenues and expenses.
pub fn is_result(ledger_account: &str) -> bool {
    ledger_account.starts_with("revenues:") || ledger_account.starts_with("expenses:")
}

/// A part of an account's name: hledger ends a name at two spaces, and a colon begins a sub-account.
fn ledger_name(text: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { ' ' };
    let spaced: String = text.chars().map(kept).collect();
    let name = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() && !text.is_empty() { "-".to_owned() } else { name }
}

/// Text of a journal's description or code: one line, without the signs that end one or begin a comment.
pub fn ledger_text(text: &str) -> String {
    let kept = |c: char| match c {
        ';' | '；' => ',',
        '|' => '/',
        '(' => '[',
        ')' => ']',
        c if c.is_control() => ' ',
        c => c,
    };
    let spaced: String = text.chars().map(kept).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Cell, Period, PeriodError, Rate, is_result, ledger_account, ledger_text, text_for_csv};
    use crate::domain::money::Money;
    use chrono::NaiveDate;
    use proptest::prelude::{any, prop_assert, proptest};

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn period(from: &str, to: &str) -> Period {
        Period::new(date(from), date(to)).unwrap()
    }

    #[test]
    fn months_are_read_as_people_write_them() {
        for text in ["2026-11", "2026/11", "2026.11", "2026年11月", "２０２６-１１", " 2026-11 "] {
            assert_eq!(Period::month(text), Ok(period("2026-11-01", "2026-11-30")), "{text}");
        }
        assert_eq!(Period::month("2028-2").unwrap().to(), date("2028-02-29"));
        for text in ["", "2026", "11-2026", "2026-13", "2026-00", "2026-", "26-11", "2026-11-05", "2026-1x", "十一月"]
        {
            assert_eq!(Period::month(text), Err(PeriodError::NotAMonth), "{text}");
        }
        assert_eq!(Period::month("1026-11"), Err(PeriodError::FarAway));
        assert_eq!(Period::new(date("2026-11-02"), date("2026-11-01")), Err(PeriodError::Backwards));
    }

    #[test]
    fn a_period_knows_its_months_and_whether_they_are_whole() {
        let today = date("2026-11-21");
        for (from, to, label, months, partial) in [
            ("2026-10-01", "2026-10-31", "2026-10", 1, false),
            ("2026-11-01", "2026-11-30", "2026-11", 1, true),
            ("2026-09-01", "2026-10-31", "2026-09-01_2026-10-31", 2, false),
            ("2025-12-15", "2026-01-31", "2025-12-15_2026-01-31", 2, true),
            ("2026-10-01", "2026-10-30", "2026-10-01_2026-10-30", 1, true),
        ] {
            let it = period(from, to);
            assert_eq!((it.to_string().as_str(), it.months(), it.is_partial(today)), (label, months, partial));
        }
        assert_eq!(period("2026-11-01", "2026-11-30").cut_off(today), today);
        assert_eq!(period("2026-10-01", "2026-10-31").cut_off(today), date("2026-10-31"));
        let calendar = period("2026-11-01", "2026-11-02").calendar();
        assert!(calendar.starts_with("2026-10-30,2026-10-31,2026-11-01,"), "{calendar}");
        assert!(calendar.ends_with("2027-01-02,2027-01-03"), "{calendar}");
    }

    #[test]
    fn division_by_nothing_shows_a_dash() {
        for whole in [0, -1] {
            assert_eq!(Rate::of(0, whole).to_string(), "-");
            assert_eq!(Rate::of(5, whole).bps(), None);
        }
        assert_eq!(serde_json::to_string(&Rate::of(1, 0)).unwrap(), "null");
        assert_eq!(Rate::NONE.pieces(10), 0);
    }

    #[test]
    fn rates_keep_four_decimals_and_show_one() {
        for (part, whole, shown, json) in [
            (16, 20, "80.0 %", "\"0.8000\""),
            (18, 20, "90.0 %", "\"0.9000\""),
            (18, 27, "66.7 %", "\"0.6667\""),
            (378_100, 398_000, "95.0 %", "\"0.9500\""),
            (1, 20, "5.0 %", "\"0.0500\""),
            (0, 7, "0.0 %", "\"0.0000\""),
            (3, 2, "150.0 %", "\"1.5000\""),
            (-1, 20, "-5.0 %", "\"-0.0500\""),
            (1, 20_000, "0.0 %", "\"0.0001\""),
            (i64::MAX, i64::MAX, "100.0 %", "\"1.0000\""),
        ] {
            let rate = Rate::of(part, whole);
            assert_eq!(rate.to_string(), shown, "{part} of {whole}");
            assert_eq!(serde_json::to_string(&rate).unwrap(), json, "{part} of {whole}");
        }
        assert_eq!((Rate::of(1, 2).pieces(20), Rate::of(9, 2).pieces(20), Rate::of(-1, 2).pieces(20)), (10, 20, 0));
    }

    #[test]
    fn a_name_like_a_formula_stays_text() {
        for text in ["=1+1", "+86 138", "-5", "@sum", "\t=1", "＝1+1"] {
            assert_eq!(text_for_csv(text), format!("'{text}"));
        }
        assert_eq!(text_for_csv("王小明"), "王小明");
        assert_eq!(Cell::Amount(Money::from_fen(-500)).csv(), "-5.00");
    }

    #[test]
    fn a_phone_keeps_its_digits() {
        for text in ["13800000002", "0012", "2026112122001400001234567890", "1e5", "11-5", "3/4", "12:30", "1,000"] {
            assert_eq!(text_for_csv(text), format!("{text}\t"));
        }
        for text in ["199****0001", "c-12", "KB7K2QX9AB01", "a-7/3", "3岁", "", "-", "e"] {
            assert!(!text_for_csv(text).ends_with('\t'), "{text}");
        }
    }

    #[test]
    fn accounts_have_readable_names_of_the_right_kind() {
        for (code, customer, name) in [
            ("rail:alipay", 0, "assets:rail:alipay"),
            ("bank", 0, "assets:bank"),
            ("cash", 0, "assets:cash"),
            ("wallet:principal", 12, "liabilities:wallet:c-12"),
            ("wallet:bonus", 12, "liabilities:wallet:c-12:bonus"),
            ("orders_open", 0, "liabilities:orders open"),
            ("sales:staple", 0, "revenues:sales:staple"),
            ("sales:a:b  c;(d)", 0, "revenues:sales:a b c d"),
            ("sales:主粮", 0, "revenues:sales:主粮"),
            ("sales:;", 0, "revenues:sales:-"),
            ("compensation", 0, "revenues:compensation"),
            ("cost", 0, "expenses:cost"),
            ("fees", 0, "expenses:fees"),
            ("suppliers", 0, "liabilities:suppliers"),
            ("refunds_due", 12, "liabilities:refunds due:c-12"),
            ("clawback_due", 12, "assets:clawback due:c-12"),
            ("opening", 0, "equity:opening"),
            ("goodwill", 0, "expenses:goodwill"),
            ("new:thing", 0, "equity:other:new thing"),
            ("new", 3, "equity:other:new:c-3"),
        ] {
            assert_eq!(ledger_account(code, customer), name);
        }
        assert!(is_result("revenues:sales:staple") && is_result("expenses:cost") && !is_result("equity:opening"));
        assert_eq!(ledger_text("a;b\n|c (d)"), "a,b /c [d]");
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_journal_line(text in any::<String>()) {
            let line = ledger_text(&text);
            prop_assert!(!line.contains(['\n', '\r', ';', '(', ')', '|']));
            let account = ledger_account(&format!("sales:{text}"), 0);
            prop_assert!(!account.contains("  ") && !account.contains(['\n', ';', '(', '[', '=']));
        }
    }
}
