//! Tables that come from outside as CSV: bytes to text, text to rows, header words to columns, cells to dates and numbers,
//! and rows back to CSV that a spreadsheet cannot run as formulas. Owns what every such table shares; knows neither customers
//! nor items.
//!
//! Rows are split here and not by the csv crate, because one forgotten quotation mark must not swallow the rest of the file:
//! such a row is refused by itself and reading goes on with the next line. The csv crate writes, and a test reads its output
//! back here.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;

use chrono::{Datelike, Days, NaiveDate};
use encoding_rs::{DecoderResult, Encoding as Codec, GB18030, UTF_16BE, UTF_16LE};
use unicode_normalization::UnicodeNormalization;

use super::customer::is_invisible;

/// The longest row that is read, in bytes of UTF-8.
pub const ROW_LIMIT_BYTES: usize = 64 * 1024;

/// The most lines of a row. A mark that is never closed is looked for no further: else every line of a file of such marks would be
/// read over and over.
pub const ROW_LIMIT_LINES: u64 = 64;

/// In how many rows from the top the header is looked for: books often begin with a title.
const HEADER_WITHIN_ROWS: usize = 10;

/// How a file spells its characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without byte order mark.
    Utf8,
    /// UTF-16 with a byte order mark.
    Utf16,
    /// GBK or its superset GB18030, as Chinese Excel saves CSV.
    Gb18030,
}

impl Encoding {
    /// The name that people know.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16 => "UTF-16",
            Encoding::Gb18030 => "GBK",
        }
    }
}

/// Why a file as a whole is not a table of the wanted kind. Column names are given as (Chinese, English).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SheetError {
    /// No bytes, or only blanks.
    Empty,
    /// An Excel or WPS workbook (`.xlsx`, `.xls`, `.et`): save it as CSV.
    Workbook,
    /// A PDF.
    Pdf,
    /// A web page or XML, often what a failed download or an "export" really is.
    WebPage,
    /// Not text at all.
    Binary,
    /// Neither UTF-8 nor GBK: broken on the way.
    BrokenText {
        /// The line of the first character that cannot be read, from 1.
        line: u64,
    },
    /// No row near the top has a known column name.
    NoHeader {
        /// The first row as it was read, shortened.
        found: String,
    },
    /// Columns that must be there are not.
    MissingColumns {
        /// Their names.
        missing: Vec<(&'static str, &'static str)>,
    },
    /// One column name stands twice, so nobody can say which one counts.
    ColumnTwice {
        /// The name as it stands in the file.
        header: String,
    },
}

/// Reads bytes as UTF-8 (with or without mark), UTF-16 with a mark, or else GBK/GB18030. Strict: nothing is replaced, since a
/// replaced character in a name would be stored for good.
///
/// # Errors
/// When the bytes are not a text table.
pub fn decode(bytes: &[u8]) -> Result<(String, Encoding), SheetError> {
    if let Some(error) = not_text(bytes) {
        return Err(error);
    }
    let (text, encoding) = match Codec::for_bom(bytes) {
        Some((codec, mark)) if codec == UTF_16LE || codec == UTF_16BE => {
            (strict(codec, &bytes[mark..])?, Encoding::Utf16)
        }
        Some((_, mark)) => (utf8(&bytes[mark..])?, Encoding::Utf8),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), Encoding::Utf8),
            Err(error) if is_broken_utf8(&bytes[..error.valid_up_to()]) => {
                return Err(SheetError::BrokenText { line: line_at(bytes, error.valid_up_to()) });
            }
            Err(_) => (strict(GB18030, bytes)?, Encoding::Gb18030),
        },
    };
    if text.contains('\0') {
        return Err(SheetError::Binary);
    }
    let start = text.trim_start();
    if start.is_empty() {
        return Err(SheetError::Empty);
    }
    let start: String = start.chars().take(9).collect::<String>().to_ascii_lowercase();
    if ["<!doctype", "<html", "<head", "<table", "<?xml", "<meta"].iter().any(|tag| start.starts_with(tag)) {
        return Err(SheetError::WebPage);
    }
    Ok((text, encoding))
}

fn not_text(bytes: &[u8]) -> Option<SheetError> {
    const MAGIC: [(&[u8], SheetError); 4] = [
        (b"PK\x03\x04", SheetError::Workbook),
        (b"\xd0\xcf\x11\xe0", SheetError::Workbook),
        (b"%PDF", SheetError::Pdf),
        (b"SQLite format 3", SheetError::Binary),
    ];
    if bytes.is_empty() {
        return Some(SheetError::Empty);
    }
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, error)| error.clone())
}

fn utf8(bytes: &[u8]) -> Result<String, SheetError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|error| SheetError::BrokenText { line: line_at(bytes, error.valid_up_to()) })
}

/// GBK text is almost never valid UTF-8 for more than a character or two, so four three-byte characters before the first
/// fault mean UTF-8 with a broken byte, which must not be read as GBK: it would turn every name into other characters.
fn is_broken_utf8(sound: &[u8]) -> bool {
    sound.iter().filter(|byte| (0xe0..=0xef).contains(*byte)).count() >= 4
}

fn strict(codec: &'static Codec, bytes: &[u8]) -> Result<String, SheetError> {
    let mut decoder = codec.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).ok_or(SheetError::Binary)?;
    let mut text = String::with_capacity(room);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(text),
        (_, read) if codec == GB18030 => Err(SheetError::BrokenText { line: line_at(bytes, read.saturating_sub(1)) }),
        _ => Err(SheetError::BrokenText { line: 1 + text.bytes().filter(|b| *b == b'\n').count() as u64 }),
    }
}

fn line_at(bytes: &[u8], place: usize) -> u64 {
    1 + bytes.iter().take(place).filter(|byte| **byte == b'\n').count() as u64
}

/// A kind of column that a table may have.
pub trait Column: Copy + Ord + Debug + 'static {
    /// Every column, in the order of a fresh file.
    const ALL: &'static [Self];

    /// The column's own name: (Chinese, English).
    fn name(self) -> (&'static str, &'static str);

    /// Other words for it, in lower case without spaces; an earlier one wins over a later one.
    fn aliases(self) -> &'static [&'static str];

    /// Whether a file without it is refused.
    fn is_required(self) -> bool;
}

/// One row as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line in the file where it begins, from 1, as an editor counts.
    pub line: u64,
    /// The cells, quotation marks removed and otherwise untouched; as many as the header has where the row is sound.
    pub cells: Vec<String>,
    /// What is wrong with the row as a whole.
    pub fault: Option<RowFault>,
}

/// What can be wrong with a row as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// Fewer or more cells than the header, usually a comma inside a value.
    CellCount {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// A quotation mark is opened and never closed (or 64 KiB or 64 lines later).
    OpenQuote,
    /// Longer than [`ROW_LIMIT_BYTES`].
    TooLong,
}

/// A refused cell or row. `C` is the kind of column, `P` the kind of problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal<C, P> {
    /// The line in the file.
    pub line: u64,
    /// The column; `None` when the row as a whole is at fault.
    pub field: Option<C>,
    /// The cell as it stands in the file.
    pub value: String,
    /// What is wrong.
    pub problem: P,
}

/// A refused row with all its faults, so that it is mended once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<C, P> {
    /// The line in the file.
    pub line: u64,
    /// The cells as they stand in the file.
    pub cells: Vec<String>,
    /// At least one.
    pub refusals: Vec<Refusal<C, P>>,
}

impl<C, P: From<RowFault>> Refused<C, P> {
    /// A row that is refused as a whole.
    pub fn whole(row: Row, fault: RowFault) -> Refused<C, P> {
        let value = row.cells.first().map(|cell| cell.chars().take(40).collect()).unwrap_or_default();
        let refusal = Refusal { line: row.line, field: None, value, problem: P::from(fault) };
        Refused { line: row.line, cells: row.cells, refusals: vec![refusal] }
    }
}

/// A text table with its header understood.
#[derive(Clone, Debug)]
pub struct Sheet<'t, C> {
    body: &'t str,
    body_line: u64,
    delimiter: char,
    header: Vec<String>,
    columns: BTreeMap<C, usize>,
}

impl<'t, C: Column> Sheet<'t, C> {
    /// Finds the delimiter (`,`, `;` or tab) and the header row: whichever reading knows most columns.
    ///
    /// # Errors
    /// No header, a required column missing, or a column twice.
    pub fn open(text: &'t str) -> Result<Sheet<'t, C>, SheetError> {
        let mut best: Option<(usize, Sheet<'t, C>)> = None;
        for delimiter in [',', ';', '\t'] {
            let mut rows = Rows { rest: text, line: 1, delimiter, width: None };
            for (row, rest, line) in rows.near_the_top() {
                let columns = columns_of::<C>(&row.cells);
                let known = columns.len();
                if known > best.as_ref().map_or(0, |(count, _)| *count) {
                    let sheet = Sheet { body: rest, body_line: line, delimiter, header: row.cells, columns };
                    best = Some((known, sheet));
                }
            }
        }
        let Some((_, sheet)) = best else {
            let found = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            return Err(SheetError::NoHeader { found: found.chars().take(60).collect() });
        };
        let missing: Vec<_> = C::ALL
            .iter()
            .filter(|column| column.is_required() && !sheet.columns.contains_key(column))
            .map(|column| column.name())
            .collect();
        if !missing.is_empty() {
            return Err(SheetError::MissingColumns { missing });
        }
        for place in sheet.columns.values() {
            let key = header_key(&sheet.header[*place]);
            if sheet.header.iter().filter(|other| header_key(other) == key).count() > 1 {
                return Err(SheetError::ColumnTwice { header: sheet.header[*place].clone() });
            }
        }
        Ok(sheet)
    }

    /// The header as it stands in the file.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Columns that kibble does not use, as they stand in the file.
    pub fn ignored(&self) -> Vec<&str> {
        let used: Vec<usize> = self.columns.values().copied().collect();
        let unused = self.header.iter().enumerate().filter(|(place, _)| !used.contains(place));
        unused.map(|(_, name)| name.as_str()).filter(|name| !name.trim().is_empty()).collect()
    }

    /// `,`, `;` or tab.
    pub fn delimiter(&self) -> char {
        self.delimiter
    }

    /// Whether the file has this column.
    pub fn has(&self, column: C) -> bool {
        self.columns.contains_key(&column)
    }

    /// The rows below the header, one by one; blank ones are left out.
    pub fn rows(&self) -> Rows<'t> {
        Rows { rest: self.body, line: self.body_line, delimiter: self.delimiter, width: Some(self.header.len()) }
    }

    /// The cell as it stands in the file; empty where the file has no such column.
    pub fn raw<'r>(&self, row: &'r Row, column: C) -> &'r str {
        self.columns.get(&column).and_then(|place| row.cells.get(*place)).map_or("", String::as_str)
    }

    /// The cell tidied: see [`tidy`].
    pub fn value(&self, row: &Row, column: C) -> String {
        tidy(self.raw(row, column))
    }
}

/// The columns that a row of names means. Where two names mean one column (`手机号` and `电话`), the better word wins and the
/// other is ignored.
fn columns_of<C: Column>(names: &[String]) -> BTreeMap<C, usize> {
    let keys: Vec<String> = names.iter().map(|name| header_key(name)).collect();
    let mut columns = BTreeMap::new();
    for column in C::ALL {
        let (zh, en) = column.name();
        let own = [header_key(zh), header_key(en)];
        let words = own.iter().map(String::as_str).chain(column.aliases().iter().copied());
        if let Some(place) = words.into_iter().find_map(|word| keys.iter().position(|key| key == word)) {
            columns.insert(*column, place);
        }
    }
    columns
}

/// A header name reduced to what identifies it: NFKC, lower case, no spaces, underscores or hyphens, and no unit in brackets
/// (`月付金额（元）`).
pub(super) fn header_key(name: &str) -> String {
    let name = tidy(name).to_lowercase();
    let name = match name.split_once(['(', '[']) {
        Some((before, _)) if !before.trim().is_empty() => before.to_owned(),
        _ => name,
    };
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '*' | ':' | '"' | '\'')).collect()
}

/// Rows of a table, read one at a time from text in memory. No row is longer than [`ROW_LIMIT_BYTES`].
#[derive(Clone, Debug)]
pub struct Rows<'t> {
    rest: &'t str,
    line: u64,
    delimiter: char,
    width: Option<usize>,
}

impl<'t> Rows<'t> {
    /// The first rows, each with the text and the line that follow it, to look for a header.
    fn near_the_top(&mut self) -> Vec<(Row, &'t str, u64)> {
        let mut found = Vec::new();
        for _ in 0..HEADER_WITHIN_ROWS {
            let Some(row) = self.next() else { break };
            if row.fault.is_none() {
                found.push((row, self.rest, self.line));
            }
        }
        found
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while !self.rest.is_empty() {
            let scan = scan(self.rest, self.delimiter);
            let line = self.line;
            self.rest = &self.rest[scan.bytes..];
            self.line += scan.lines;
            if scan.fault.is_none() && scan.cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let mut row = Row { line, cells: scan.cells, fault: scan.fault };
            if let (None, Some(expected)) = (row.fault, self.width) {
                while row.cells.len() > expected && row.cells.last().is_some_and(|cell| cell.trim().is_empty()) {
                    row.cells.pop();
                }
                let found = row.cells.len();
                if found != expected {
                    row.fault = Some(RowFault::CellCount { found, expected });
                }
            }
            return Some(row);
        }
        None
    }
}

struct Scan {
    bytes: usize,
    lines: u64,
    cells: Vec<String>,
    fault: Option<RowFault>,
}

/// Reads one row from the start of `text`. A quotation mark opens a quoted cell only at the cell's start; two of them inside
/// are one. `\n`, `\r\n` and `\r` end a row.
fn scan(text: &str, delimiter: char) -> Scan {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut lines = 0;
    let mut quoted = false;
    let mut at_start = true;
    let mut chars = text.char_indices().peekable();
    while let Some((place, c)) = chars.next() {
        if place > ROW_LIMIT_BYTES || lines > ROW_LIMIT_LINES {
            return refused_line(text, if quoted { RowFault::OpenQuote } else { RowFault::TooLong }, delimiter);
        }
        let follows = |wanted: char| text[place + c.len_utf8()..].starts_with(wanted);
        if quoted {
            if c == '"' && follows('"') {
                chars.next();
                cell.push('"');
            } else if c == '"' {
                quoted = false;
            } else {
                if c == '\n' || (c == '\r' && !follows('\n')) {
                    lines += 1;
                }
                cell.push(c);
            }
        } else if c == delimiter {
            cells.push(std::mem::take(&mut cell));
            at_start = true;
            continue;
        } else if c == '\n' || c == '\r' {
            cells.push(cell);
            let ended = place + 1 + usize::from(c == '\r' && follows('\n'));
            return Scan { bytes: ended, lines: lines + 1, cells, fault: None };
        } else if c == '"' && at_start {
            quoted = true;
        } else {
            cell.push(c);
        }
        at_start = false;
    }
    if quoted {
        return refused_line(text, RowFault::OpenQuote, delimiter);
    }
    cells.push(cell);
    Scan { bytes: text.len(), lines: lines + 1, cells, fault: None }
}

/// Gives up on a row and takes only its first line, so that the next line is read as a row again.
fn refused_line(text: &str, fault: RowFault, delimiter: char) -> Scan {
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    let ended =
        end + if text[end..].starts_with("\r\n") { 2 } else { text[end..].chars().next().map_or(0, char::len_utf8) };
    let kept = if end <= ROW_LIMIT_BYTES { &text[..end] } else { "" };
    let cells = match kept {
        "" => vec![text.chars().take(80).collect()],
        line => line.split(delimiter).map(str::to_owned).collect(),
    };
    Scan { bytes: ended, lines: 1, cells, fault: Some(fault) }
}

/// A cell as a value: one leading `'` removed (spreadsheets and kibble's own rejects file write it to keep text text), NFKC,
/// no invisible characters, no spaces at the ends.
pub fn tidy(cell: &str) -> String {
    unquoted(cell).nfkc().filter(|c| !is_invisible(*c)).collect::<String>().trim().to_owned()
}

/// As [`tidy`] but with the punctuation as it was typed: for names of goods, addresses and notes, where `（大包）` should stay.
pub fn tidy_prose(cell: &str) -> String {
    unquoted(cell).chars().filter(|c| !is_invisible(*c)).collect::<String>().trim().to_owned()
}

fn unquoted(cell: &str) -> &str {
    let cell = cell.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// A cell that no spreadsheet runs as a formula: a leading `'` where it would begin one (OWASP's list, full-width forms
/// included). [`tidy`] takes it off again.
pub fn guarded(cell: &str) -> String {
    let dangerous = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
    let first = cell.chars().next().is_some_and(dangerous);
    if first || cell.trim_start().chars().next().is_some_and(dangerous) { format!("'{cell}") } else { cell.to_owned() }
}

/// Writes rows as Excel and WPS expect them: UTF-8 with a mark, `\r\n`, no formulas.
pub struct Writer<W: io::Write> {
    inner: csv::Writer<W>,
}

impl<W: io::Write> Writer<W> {
    /// Starts the file.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn new(mut to: W) -> io::Result<Writer<W>> {
        to.write_all("\u{feff}".as_bytes())?;
        let inner = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(to);
        Ok(Writer { inner })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        let cells: Vec<String> = cells.into_iter().map(guarded).collect();
        self.inner.write_record(&cells).map_err(of_the_disk)
    }

    /// Adds a row whose cells are safe already, because the caller knows text from numbers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn row_as_is(&mut self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) -> io::Result<()> {
        self.inner.write_record(cells).map_err(of_the_disk)
    }

    /// Ends the file and gives back what was written to.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.inner.into_inner().map_err(|error| io::Error::new(error.error().kind(), error.error().to_string()))
    }
}

/// What the disk said, as such: whoever shows it has words for a full one.
fn of_the_disk(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(io) => io,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Why a text is not a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateError {
    /// Not year, month, day in that order.
    NotADate,
    /// A month or day that the calendar does not have, or a year outside 1900–2199.
    NoSuchDay,
}

/// A date as books write it: `2026-01-09`, `2026/1/9`, `2026.1.9`, `20260109`, `2026年1月9日`, each with an optional time of
/// day, or a spreadsheet's serial number (`46031`, 1900 system). Day-first and two-digit years are refused: they can be read
/// in two ways.
///
/// # Errors
/// When it is none of these.
pub fn date(text: &str) -> Result<NaiveDate, DateError> {
    let text = without_time(text.trim());
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits && text.len() == 5 {
        return serial(text);
    }
    if digits && text.len() == 8 {
        return day(&text[..4], &text[4..6], &text[6..]);
    }
    let western = ['-', '/', '.'].into_iter().find_map(|sign| {
        let mut parts = text.split(sign);
        let three = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(three)
    });
    let chinese = || {
        let (year, rest) = text.split_once('年')?;
        let (month, rest) = rest.split_once('月')?;
        Some((year, month, rest.trim_end_matches(['日', '号'])))
    };
    let (year, month, of_month) = western.or_else(chinese).ok_or(DateError::NotADate)?;
    day(year, month, of_month)
}

/// `2026-01-09 00:00:00` and `2026-01-09T00:00` without the time.
fn without_time(text: &str) -> &str {
    match text.split_once([' ', 'T']) {
        Some((date, time))
            if time.contains(':') && time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')) =>
        {
            date
        }
        _ => text,
    }
}

fn day(year: &str, month: &str, of_month: &str) -> Result<NaiveDate, DateError> {
    let number = |text: &str, longest: usize| -> Result<u32, DateError> {
        let text = text.trim();
        if text.is_empty() || text.len() > longest || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DateError::NotADate);
        }
        text.parse().map_err(|_| DateError::NotADate)
    };
    if year.trim().len() != 4 {
        return Err(DateError::NotADate);
    }
    let (year, month, of_month) = (number(year, 4)?, number(month, 2)?, number(of_month, 2)?);
    let year = i32::try_from(year).map_err(|_| DateError::NoSuchDay)?;
    let found = NaiveDate::from_ymd_opt(year, month, of_month).ok_or(DateError::NoSuchDay)?;
    if (1900..2200).contains(&found.year()) { Ok(found) } else { Err(DateError::NoSuchDay) }
}

/// Days since 1899-12-30, which makes the 1900 system right from March 1900 on.
fn serial(text: &str) -> Result<NaiveDate, DateError> {
    let days: u64 = text.parse().map_err(|_| DateError::NotADate)?;
    let zero = NaiveDate::from_ymd_opt(1899, 12, 30).ok_or(DateError::NoSuchDay)?;
    zero.checked_add_days(Days::new(days))
        .filter(|found| (1950..2200).contains(&found.year()))
        .ok_or(DateError::NotADate)
}

/// A whole number as books write it: `24`, `24期`, `5日`, `24.0`. `None` when it is not one or beyond nine digits.
pub fn whole(text: &str) -> Option<u32> {
    let text = text.trim();
    let text =
        ["个月", "期", "月", "日", "号", "天"].iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(text).trim();
    let text = text.strip_suffix(".00").or_else(|| text.strip_suffix(".0")).unwrap_or(text);
    let sound = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{
        Column, DateError, Encoding, ROW_LIMIT_BYTES, RowFault, Sheet, SheetError, Writer, date, decode, guarded, tidy,
        whole,
    };
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Col {
        Name,
        Phone,
    }

    impl Column for Col {
        const ALL: &'static [Col] = &[Col::Name, Col::Phone];
        fn name(self) -> (&'static str, &'static str) {
            match self {
                Col::Name => ("姓名", "name"),
                Col::Phone => ("手机号", "phone"),
            }
        }
        fn aliases(self) -> &'static [&'static str] {
            match self {
                Col::Name => &["客户"],
                Col::Phone => &["手机", "电话"],
            }
        }
        fn is_required(self) -> bool {
            true
        }
    }

    fn rows(text: &str) -> Vec<(u64, Vec<String>, Option<RowFault>)> {
        Sheet::<Col>::open(text).unwrap().rows().map(|row| (row.line, row.cells, row.fault)).collect()
    }

    #[test]
    fn every_encoding_that_spreadsheets_write_is_read() {
        let text = "姓名,手机号\r\n王小明,1\r\n";
        let utf16 = |big: bool| -> Vec<u8> {
            "\u{feff}"
                .encode_utf16()
                .chain(text.encode_utf16())
                .flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() })
                .collect()
        };
        let (gbk, _, _) = encoding_rs::GBK.encode(text);
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            (format!("\u{feff}{text}").into_bytes(), Encoding::Utf8),
            (gbk.into_owned(), Encoding::Gb18030),
            (utf16(true), Encoding::Utf16),
            (utf16(false), Encoding::Utf16),
        ] {
            assert_eq!(decode(&bytes), Ok((text.to_owned(), encoding)));
        }
    }

    #[test]
    fn what_is_not_a_csv_is_called_by_its_name() {
        let mut broken = "姓名,手机号\n王小明,1\n".as_bytes().to_vec();
        broken.extend(b"\xe7\x8e,2\n");
        for (bytes, error) in [
            (&b""[..], SheetError::Empty),
            (b"\xef\xbb\xbf \r\n", SheetError::Empty),
            (b"PK\x03\x04rest", SheetError::Workbook),
            (b"\xd0\xcf\x11\xe0\xa1", SheetError::Workbook),
            (b"%PDF-1.7", SheetError::Pdf),
            (b"\n <!DOCTYPE html><html>", SheetError::WebPage),
            (b"a\0b,c", SheetError::Binary),
            (b"a,b\n\xff\xff\n", SheetError::BrokenText { line: 2 }),
            (&broken, SheetError::BrokenText { line: 3 }),
        ] {
            assert_eq!(decode(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn the_header_is_found_below_a_title_with_any_delimiter_and_spelling() {
        for text in [
            "姓名,手机号\n王小明,1",
            "2026 客户名册\n\n姓名;手机\n王小明;1",
            " Name \tPHONE\n王小明\t1",
            "客户,电话（手机）\r王小明,1\r",
            "\"姓名\",\"手 机 号\"\n王小明,1,,\n,,\n",
        ] {
            let cells: Vec<_> = rows(text).into_iter().map(|(_, cells, fault)| (cells, fault)).collect();
            assert_eq!(cells, [(vec!["王小明".to_owned(), "1".to_owned()], None)], "{text}");
        }
    }

    #[test]
    fn a_missing_or_doubled_column_is_named() {
        assert_eq!(Sheet::<Col>::open("a,b\n").unwrap_err(), SheetError::NoHeader { found: "a,b".to_owned() });
        assert_eq!(
            Sheet::<Col>::open("姓名,地址\n").unwrap_err(),
            SheetError::MissingColumns { missing: vec![("手机号", "phone")] }
        );
        assert_eq!(
            Sheet::<Col>::open("姓名,手机号,手机号\n").unwrap_err(),
            SheetError::ColumnTwice { header: "手机号".to_owned() }
        );
        let sheet = Sheet::<Col>::open("姓名,电话,手机号,原因\n").unwrap();
        assert_eq!(sheet.ignored(), ["电话", "原因"]);
    }

    #[test]
    fn a_forgotten_quotation_mark_costs_one_row_only() {
        let text = "姓名,手机号\n王小明,1\n\"李四,2\n张三,3\n赵五,4\n";
        let found = rows(text);
        assert_eq!(found.len(), 4);
        assert_eq!(found[1], (3, vec!["\"李四".to_owned(), "2".to_owned()], Some(RowFault::OpenQuote)));
        assert_eq!(found[3], (5, vec!["赵五".to_owned(), "4".to_owned()], None));
    }

    #[test]
    fn a_mark_that_stays_open_is_looked_for_in_a_few_lines_only() {
        let cell = |lines: usize| format!("a,\"{}\"\nb,c\n", "line\n".repeat(lines));
        let sound = rows(&format!("姓名,手机号\n{}", cell(60)));
        assert_eq!(sound.iter().map(|(line, _, fault)| (*line, *fault)).collect::<Vec<_>>(), [(2, None), (63, None)]);
        assert_eq!(rows(&format!("姓名,手机号\n{}", cell(80)))[0].2, Some(RowFault::OpenQuote));
        // Every line opens a mark, whether it is read by itself or inside the one before it: once this took the square of the file.
        let text = format!("姓名,手机号\n{}", "x\"y,\"\n".repeat(40_000));
        assert!(rows(&text).iter().all(|row| row.2 == Some(RowFault::OpenQuote)));
    }

    #[test]
    fn quoted_cells_may_span_lines_and_lines_are_still_counted() {
        let found = rows("姓名,手机号\n\"王\n小明\",\"a\"\"b\"\n张三\n李四,\"1\",3\n");
        assert_eq!(found[0], (2, vec!["王\n小明".to_owned(), "a\"b".to_owned()], None));
        assert_eq!((found[1].0, found[1].2), (4, Some(RowFault::CellCount { found: 1, expected: 2 })));
        assert_eq!((found[2].0, found[2].2), (5, Some(RowFault::CellCount { found: 3, expected: 2 })));
    }

    #[test]
    fn a_row_above_the_limit_is_refused_and_not_kept() {
        let long = "长".repeat(ROW_LIMIT_BYTES);
        let found = rows(&format!("姓名,手机号\n{long},1\n\"{long}\",1\n张三,3\n"));
        assert_eq!(
            found.iter().map(|row| row.2).collect::<Vec<_>>(),
            [Some(RowFault::TooLong), Some(RowFault::OpenQuote), None]
        );
        assert!(found[0].1[0].len() < 400);
        assert_eq!(found[2].0, 4);
    }

    #[test]
    fn dates_are_read_as_books_write_them() {
        for text in [
            "2026-01-09",
            "2026/1/9",
            "2026.1.9",
            "20260109",
            "2026年1月9日",
            "46031",
            "2026-01-09 00:00:00",
            "2026-1-9T8:00",
        ] {
            assert_eq!(date(text), Ok("2026-01-09".parse().unwrap()), "{text}");
        }
        for (text, error) in [
            ("2026-02-30", DateError::NoSuchDay),
            ("2026-13-01", DateError::NoSuchDay),
            ("20261301", DateError::NoSuchDay),
            ("26-1-9", DateError::NotADate),
            ("9/1/2026", DateError::NotADate),
            ("01234", DateError::NotADate),
            ("1850-01-01", DateError::NoSuchDay),
            ("", DateError::NotADate),
            ("昨天", DateError::NotADate),
            ("2026-1-9-1", DateError::NotADate),
        ] {
            assert_eq!(date(text), Err(error), "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_carry_their_unit() {
        for (text, number) in [
            ("24", Some(24)),
            ("24期", Some(24)),
            ("12个月", Some(12)),
            ("5 日", Some(5)),
            ("12.0", Some(12)),
            ("0", Some(0)),
            ("12.5", None),
            ("-1", None),
            ("", None),
            ("期", None),
            ("9999999999", None),
        ] {
            assert_eq!(whole(text), number, "{text}");
        }
    }

    #[test]
    fn a_formula_becomes_text_and_comes_back() {
        for cell in ["=1+1", "+86 138", "-5", "@a", "\tx", " =1", "＝1"] {
            let safe = guarded(cell);
            assert!(safe.starts_with('\''), "{cell}");
            assert_eq!(tidy(&safe), tidy(cell));
        }
        assert_eq!(guarded("王小明"), "王小明");
        assert_eq!(tidy(" \u{200b}\u{3000}ＡＢ１ \u{feff}"), "AB1");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), cut in any::<String>()) {
            for bytes in [bytes, cut.clone().into_bytes(), format!("姓名,手机号\n{cut}").into_bytes()] {
                if let Ok((text, _)) = decode(&bytes)
                    && let Ok(sheet) = Sheet::<Col>::open(&text)
                {
                    assert!(sheet.rows().count() <= text.len() + 1);
                }
            }
            let _ = (date(&cut), whole(&cut), guarded(&cut), tidy(&cut));
        }

        #[test]
        fn what_the_csv_crate_writes_is_read_back(cells in proptest::collection::vec("[a\",\n\r;'王 ]{1,6}", 2..3)) {
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            writer.write_record(["姓名", "手机号"]).unwrap();
            writer.write_record(&cells).unwrap();
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let sheet = Sheet::<Col>::open(&text).unwrap();
            let found: Vec<_> = sheet.rows().map(|row| row.cells).collect();
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                prop_assert_eq!(found.len(), 0);
            } else {
                // A row's blank last cells may fall away only beyond the header's width.
                prop_assert_eq!(found, vec![cells]);
            }
        }
    }

    #[test]
    fn the_writer_makes_what_excel_expects() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.row(["姓名", "=1"]).unwrap();
        assert_eq!(writer.finish().unwrap(), "\u{feff}姓名,'=1\r\n".as_bytes());
    }
}
