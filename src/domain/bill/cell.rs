//! Cells of a bill as providers and spreadsheets write them: splitting a row, and what stands in a cell.

use chrono::{NaiveDateTime, NaiveTime};

use crate::domain::customer::is_invisible;
use crate::domain::sheet;

/// The largest amount of a cell, in hundred-thousandths of a yuan: 100 million yuan. More rows than any file can hold still add up.
const LIMIT: i64 = 10_000_000_000_000;

/// Splits a row. A row whose values all stand behind a back-quote is split before the back-quotes, because such values are not
/// quoted and may hold the delimiter; every other row as a CSV row. An open quotation mark swallows the rest of its row, which shows as
/// a wrong number of cells. Blank cells beyond `width` are dropped: spreadsheets add them.
pub(super) fn split(text: &str, delimiter: char, width: usize, cells: &mut Vec<String>) {
    if let Some(rest) = text.strip_prefix('`') {
        let mark: String = [delimiter, '`'].iter().collect();
        if width == usize::MAX || rest.split(mark.as_str()).count() == width {
            fill(cells, rest.split(mark.as_str()));
            return;
        }
    }
    if !text.contains('"') {
        fill(cells, text.split(delimiter));
    } else {
        quoted(text, delimiter, cells);
    }
    // Only cells with nothing at all in them: one that a provider padded is a cell of its own.
    while cells.len() > width && cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
}

/// Keeps the strings of the row before, so that a long bill does not ask for memory cell by cell.
fn fill<'t>(cells: &mut Vec<String>, parts: impl Iterator<Item = &'t str>) {
    let mut count = 0;
    for part in parts {
        match cells.get_mut(count) {
            Some(cell) => {
                cell.clear();
                cell.push_str(part);
            }
            None => cells.push(part.to_owned()),
        }
        count += 1;
    }
    cells.truncate(count);
}

fn quoted(text: &str, delimiter: char, cells: &mut Vec<String>) {
    cells.clear();
    let mut cell = String::new();
    let (mut inside, mut fresh) = (false, true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' if inside => inside = false,
            '"' if fresh => (inside, fresh) = (true, false),
            c if c == delimiter && !inside => {
                cells.push(std::mem::take(&mut cell));
                fresh = true;
            }
            c => {
                cell.push(c);
                fresh = false;
            }
        }
    }
    cells.push(cell);
}

/// A cell without what providers and spreadsheets put round it: tabs, spaces, invisible marks, a back-quote, an apostrophe.
pub(super) fn clean(cell: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let cell = cell.trim_matches(blank);
    let cell = cell.strip_prefix('`').unwrap_or(cell);
    cell.strip_prefix('\'').unwrap_or(cell).trim_matches(blank)
}

/// What a spreadsheet makes of a long number: `1.23E+27`, or fifteen digits and then nothing but zeros.
pub fn is_mangled(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((number, power)) = text.split_once("E+").or_else(|| text.split_once("e+")) {
        return digits(&number.replacen('.', "", 1)) && digits(power);
    }
    text.len() >= 19 && text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().skip(15).all(|b| b == b'0')
}

/// An amount in hundred-thousandths of a yuan: `199.00`, `-1.19000`, `1,990.00`, `¥5`.
pub(super) fn amount(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.trim_start_matches(['¥', '￥']).trim();
    let (yuan, rest) = text.split_once('.').unwrap_or((text, ""));
    let yuan = if yuan.contains(',') { yuan.replace(',', "") } else { yuan.to_owned() };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let rest = if rest.len() > 5 { rest.trim_end_matches('0') } else { rest };
    if yuan.is_empty() || yuan.len() > 12 || rest.len() > 5 || !digits(&yuan) || !digits(rest) {
        return None;
    }
    let whole: i64 = yuan.parse().ok()?;
    let part: i64 = format!("{rest:0<5}").parse().ok()?;
    let all = whole.checked_mul(100_000)?.checked_add(part)?;
    (all <= LIMIT).then_some(sign * all)
}

pub(super) fn yuan(raw: i128) -> String {
    let sign = if raw < 0 { "-" } else { "" };
    let (whole, part) = (raw.unsigned_abs() / 100_000, raw.unsigned_abs() % 100_000);
    let part = format!("{part:05}");
    format!("{sign}{whole}.{}{}", &part[..2], part[2..].trim_end_matches('0'))
}

/// `3`, `3.0` and `3.00`, as spreadsheets write counts.
pub(super) fn whole(text: &str) -> Option<u64> {
    let text = text.strip_suffix(".00").or_else(|| text.strip_suffix(".0")).unwrap_or(text);
    let sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

/// `2026-11-05 09:00:00`, and what spreadsheets make of it: `2026/11/5 9:00`.
pub(super) fn time(text: &str) -> Option<NaiveDateTime> {
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, "0:00"));
    let day = sheet::date(day).ok()?;
    let mut parts = clock.trim().split(':').map(|part| {
        let sound = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        sound.then(|| part.parse::<u32>().ok()).flatten()
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() {
        return None;
    }
    Some(day.and_time(NaiveTime::from_hms_opt(hour, minute, second)?))
}
