//! A book on its way in: the file, the refused rows and warnings it gave, and the rejects file that can be mended. Both imports
//! of the customer book use it. Decides nothing about a row: that is `domain/book.rs` and the import's own use case.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use serde::Serialize;

use crate::config::{self, AdapterKind};
use crate::domain::book::{Book, BookRail, Refused, Rules, Warning};
use crate::domain::sheet::{Column, SheetError, decode};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::book::{Rejects, column_text, is_added, refusal_text, sheet_error_text, warning_text};
use crate::t;

/// Lines that a grouped warning names.
const NAMED_LINES: usize = 10;

/// The largest table that is read whole, in bytes: a book of some hundred thousand rows.
const TABLE_LIMIT_BYTES: u64 = 64 << 20;

/// Refused rows after which a file as a whole is refused: nobody mends so many by hand, and each takes room for what is said about it.
pub const MOST_REFUSED_ROWS: u64 = 20_000;

/// A refused cell as a person may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedCell {
    /// The line in the file.
    pub line: u64,
    /// The column's English name; `None` when the row as a whole is at fault.
    pub field: Option<&'static str>,
    /// The column's name in the chosen language.
    #[serde(skip)]
    pub heading: &'static str,
    /// What stands there, masked.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub fix: String,
}

/// One warning with the lines that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warned {
    /// What is unusual.
    pub text: String,
    /// How many rows.
    pub count: u64,
    /// The first of them.
    pub lines: Vec<u64>,
}

/// What reading a book found, whatever was made of its sound rows.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// The file.
    pub file: PathBuf,
    /// How its text is spelled: `UTF-8`, `GBK` …
    pub encoding: &'static str,
    /// Columns that kibble does not use.
    pub ignored_columns: Vec<String>,
    /// Rows that say exactly what an earlier one says.
    pub repeated: u64,
    /// Rows that were not taken.
    pub refused: u64,
    /// Every fault of every refused row.
    pub refusals: Vec<RefusedCell>,
    /// What is unusual about accepted rows.
    pub warnings: Vec<Warned>,
    /// Where the refused rows can be mended; `None` when there are none, or in a dry run.
    pub rejects: Option<PathBuf>,
    /// True when nothing was written.
    pub dry_run: bool,
}

/// A book's text.
pub struct BookText {
    file: PathBuf,
    text: String,
    encoding: &'static str,
}

impl BookText {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or is no text table.
    pub fn read(file: &Path) -> Result<BookText> {
        let bytes = table_bytes(file)?;
        let (text, encoding) = decode(&bytes).map_err(|error| refused(file, &error))?;
        Ok(BookText { file: file.to_owned(), text, encoding: encoding.name() })
    }

    /// Understands its header. `payers_only` leaves out the counter: nothing can be debited there.
    ///
    /// # Errors
    /// When it is not a customer book.
    pub fn open(&self, ctx: &Ctx, today: NaiveDate, payers_only: bool) -> Result<Book<'_>> {
        let rules = Rules { today, rails: rails(ctx, payers_only) };
        Book::open(&self.text, rules).map_err(|error| refused(&self.file, &error))
    }

    /// Lines of the file, for progress.
    pub fn lines(&self) -> u64 {
        self.text.lines().count() as u64
    }
}

/// Counts what becomes of a book's rows.
pub struct Tally {
    findings: Findings,
    warned: BTreeMap<String, Warned>,
    rejects: Rejects<Vec<u8>>,
}

impl Tally {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Never in memory; the type comes from the CSV writer.
    pub fn new(text: &BookText, book: &Book<'_>, dry_run: bool) -> Result<Tally> {
        let ignored = book.sheet().ignored().into_iter().filter(|name| !is_added(name));
        let findings = Findings {
            file: text.file.clone(),
            encoding: text.encoding,
            ignored_columns: ignored.map(str::to_owned).collect(),
            repeated: 0,
            refused: 0,
            refusals: Vec::new(),
            warnings: Vec::new(),
            rejects: None,
            dry_run,
        };
        Ok(Tally { findings, warned: BTreeMap::new(), rejects: Rejects::new(Vec::new(), book.sheet().header())? })
    }

    /// A row was not taken.
    ///
    /// # Errors
    /// As [`Tally::new`].
    pub fn refuse(&mut self, row: &Refused) -> Result<()> {
        self.findings.refused += 1;
        if self.findings.refused > MOST_REFUSED_ROWS {
            let first = self.findings.refusals.first();
            return Err(too_many_refused(&self.findings.file, first.map(|it| (it.line, it.reason.as_str()))));
        }
        for refusal in &row.refusals {
            let advice = refusal_text(refusal);
            self.findings.refusals.push(RefusedCell {
                line: refusal.line,
                field: refusal.field.map(|field| field.name().1),
                heading: refusal.field.map_or("", column_text),
                value: refusal.shown(),
                reason: advice.reason,
                fix: advice.fix,
            });
        }
        Ok(self.rejects.book_row(row)?)
    }

    /// A row repeats an earlier one.
    pub fn repeat(&mut self) {
        self.findings.repeated += 1;
    }

    /// Something is unusual about an accepted row.
    pub fn warn(&mut self, line: u64, warning: &Warning) {
        let text = warning_text(warning);
        let warned = self.warned.entry(text.clone()).or_insert_with(|| Warned { text, count: 0, lines: Vec::new() });
        warned.count += 1;
        if warned.lines.len() < NAMED_LINES {
            warned.lines.push(line);
        }
    }

    /// Ends the counting and writes the rejects file, to `wish` or beside the book. Without refusals and in a dry run no file is
    /// written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self, wish: Option<&Path>) -> Result<Findings> {
        let mut warnings: Vec<Warned> = self.warned.into_values().collect();
        warnings.sort_by_key(|warned| warned.lines.first().copied());
        self.findings.warnings = warnings;
        if self.findings.refused > 0 && !self.findings.dry_run {
            let bytes = self.rejects.finish()?;
            self.findings.rejects = Some(keep_rejects(&bytes, &self.findings.file, wish)?);
        }
        Ok(self.findings)
    }
}

/// The bytes of a table that is read whole.
///
/// # Errors
/// When it cannot be read, or is larger than any table that a shop keeps.
pub fn table_bytes(file: &Path) -> Result<Vec<u8>> {
    let named = || Fault::not_found(t!("cannot read {file}", file = file.display()));
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).with_context(named)?;
    opened.take(TABLE_LIMIT_BYTES + 1).read_to_end(&mut bytes).with_context(named)?;
    if bytes.len() as u64 > TABLE_LIMIT_BYTES {
        let limit = TABLE_LIMIT_BYTES >> 20;
        return Err(Fault::refused(t!("{file} is larger than {limit} MB", file = file.display(), limit = limit))
            .hint(t!("split it into several files, each with the header in its first row"))
            .into());
    }
    Ok(bytes)
}

/// A file with more refused rows than [`MOST_REFUSED_ROWS`]; `first` is the line of the first one, and what is wrong there.
pub fn too_many_refused(file: &Path, first: Option<(u64, &str)>) -> anyhow::Error {
    let (line, reason) = first.unwrap_or_default();
    let count = MOST_REFUSED_ROWS;
    Fault::refused(t!(
        "{file}: more than {count} rows were refused, and nothing was changed; the first is line {line}: {reason}",
        file = file.display(),
        count = count,
        line = line,
        reason = reason
    ))
    .hint(t!("mend what so many rows have in common, then import the file again"))
    .into()
}

/// Writes a file that appears whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let named = || Fault::broken(t!("cannot write {file}", file = path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(named)?;
    file.write_all(bytes).with_context(named)?;
    file.as_file().sync_all().with_context(named)?;
    file.persist(path).map_err(|error| error.error).with_context(named)?;
    Ok(())
}

fn rails(ctx: &Ctx, payers_only: bool) -> Vec<BookRail> {
    let rails = ctx.config.rails.values().filter(|rail| !payers_only || rail.adapter != AdapterKind::Cash);
    rails
        .map(|rail| BookRail {
            name: rail.name.clone(),
            labels: vec![rail.label_zh.clone(), rail.label_en.clone()],
            debit_day_max: rail.profile.debit_day_max,
            registered_day_max: rail.profile.registered_day_max,
        })
        .collect()
}

fn refused(file: &Path, error: &SheetError) -> anyhow::Error {
    let advice = sheet_error_text(error);
    let what = t!("{file} cannot be imported: {reason}", file = file.display(), reason = advice.reason);
    Fault::refused(what).hint(advice.fix).into()
}

/// Without a wish the file lies beside the book, and never replaces another one: somebody may be mending it.
fn keep_rejects(bytes: &[u8], book: &Path, wish: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = wish {
        if config::absolute(path)? == config::absolute(book)? {
            return Err(Fault::usage(t!("the rejects file must not replace the book itself"))
                .hint(t!("give --rejects another name"))
                .into());
        }
        write_whole(path, bytes)?;
        return Ok(path.to_owned());
    }
    let stem = book.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    // The rejects of a mended rejects file are the next file of the same book.
    let stem = stem.split(".rejects").next().unwrap_or(&stem).to_owned();
    let mut count = 1;
    loop {
        let name = if count == 1 { format!("{stem}.rejects.csv") } else { format!("{stem}.rejects-{count}.csv") };
        let path = book.with_file_name(name);
        match fs::read(&path) {
            Ok(there) if there == bytes => return Ok(path),
            Ok(_) => count += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_whole(&path, bytes)?;
                return Ok(path);
            }
            Err(error) => {
                let named = Fault::broken(t!("cannot read {file}", file = path.display()));
                return Err(anyhow::Error::from(error).context(named));
            }
        }
    }
}
