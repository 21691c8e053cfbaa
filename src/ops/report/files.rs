//! Tables as files: each one a CSV as Excel and WPS expect it and a sheet of one workbook, written row by row, and the CSV read
//! back. Also the folder that appears whole or not at all. Owns no column and no figure.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{Datelike, NaiveDate};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};
use tempfile::TempDir;

use crate::domain::money::Money;
use crate::domain::report::Cell;
use crate::domain::sheet;
use crate::fault::{Fault, io_reason};
use crate::t;
use crate::text;

/// Rows that fit into one sheet, by the format; a longer table goes on in another sheet.
const SHEET_ROWS: u32 = 1_048_576;

/// A file that takes everything and tells of the first refusal at the end: the archive writer, refused in the middle, would write of it
/// to the terminal in words of its own.
struct Patient<'a> {
    file: &'a File,
    at: u64,
    len: u64,
    refused: Option<io::Error>,
}

impl<'a> Patient<'a> {
    fn new(file: &'a File) -> Patient<'a> {
        Patient { file, at: 0, len: 0, refused: None }
    }

    fn end(self) -> io::Result<()> {
        self.refused.map_or(Ok(()), Err)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = bytes.len();
        if self.refused.is_none() {
            match self.file.write(bytes) {
                Ok(count) => taken = count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => self.refused = Some(error),
            }
        }
        self.at += u64::try_from(taken).map_err(io::Error::other)?;
        self.len = self.len.max(self.at);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Patient<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        if self.refused.is_none() {
            self.file.seek(SeekFrom::Start(self.at))?;
        }
        Ok(self.at)
    }
}

/// Room that is looked for at once while rows are written.
const ROOM_BYTES: usize = 1024 * 1024;

/// A file of so many bytes that is gone again when it is dropped: whoever could write it has room for as much.
fn spare(folder: &Path, bytes: usize) -> io::Result<tempfile::NamedTempFile> {
    let mut spare = tempfile::NamedTempFile::new_in(folder)?;
    io::copy(&mut io::repeat(0).take(u64::try_from(bytes).map_err(io::Error::other)?), &mut spare)?;
    Ok(spare)
}

/// More than a cell takes in all the files of an export together, every character escaped.
fn most_bytes(cell: &Cell) -> usize {
    const MARKS: usize = 128;
    const ESCAPED: usize = 12;
    match cell {
        Cell::Text(text) => MARKS + ESCAPED * text.len(),
        Cell::Empty | Cell::Amount(_) | Cell::Count(_) | Cell::Date(_) => MARKS,
    }
}

/// The workbook of an export. Rows go to a temporary file at once, so memory does not grow with them.
pub(super) struct Book {
    workbook: Workbook,
    /// Where the rows go until it is saved.
    folder: PathBuf,
    /// Bytes of rows for which there was room on the disk when somebody last looked.
    room: usize,
    heading: Format,
    amount: Format,
    date: Format,
    sheets: usize,
}

impl Book {
    /// A workbook whose temporary files lie in `folder`. `day` is its date, so that the same export gives the same file.
    pub(super) fn new(folder: &Path, day: NaiveDate) -> Result<Book> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(folder)?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&excel_date(day)?));
        Ok(Book {
            workbook,
            folder: folder.to_owned(),
            room: 0,
            heading: Format::new().set_bold().set_align(FormatAlign::Left),
            amount: Format::new().set_num_format("#,##0.00"),
            date: Format::new().set_num_format("yyyy-mm-dd"),
            sheets: 0,
        })
    }

    /// Ends the workbook; it is on disk afterwards.
    pub(super) fn save(mut self, path: &Path) -> Result<()> {
        let named = || path.display().to_string();
        self.make_sure_of_room(path).with_context(named)?;
        let file = File::create(path).with_context(named)?;
        let mut patient = Patient::new(&file);
        self.workbook.save_to_writer(&mut patient).with_context(named)?;
        patient.end().with_context(named)?;
        file.sync_all().with_context(named)
    }

    /// The writer of workbooks panics when the last rows of a sheet do not fit on the disk, so there must be room for them beforehand.
    fn make_sure_of_room(&self, path: &Path) -> io::Result<()> {
        const SHEET_BYTES: usize = 16 * 1024;
        spare(path.parent().unwrap_or(Path::new(".")), (self.sheets + 1) * SHEET_BYTES)?.as_file().sync_all()
    }

    /// It panics too when rows on their way do not fit: room for many of them is looked for at once.
    fn make_room_for(&mut self, cells: &[Cell]) -> io::Result<()> {
        let need = cells.iter().map(most_bytes).sum();
        if self.room < need {
            spare(&self.folder, ROOM_BYTES + need)?;
            self.room = ROOM_BYTES + need;
        }
        self.room -= need;
        Ok(())
    }

    fn sheet(&mut self, name: &str, headings: &[&'static str]) -> Result<usize> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, heading) in (0..).zip(headings) {
            sheet.set_column_width(column, 16)?;
            sheet.write_string_with_format(0, column, text::lookup(heading), &self.heading)?;
        }
        self.sheets += 1;
        Ok(self.sheets - 1)
    }

    fn row(&mut self, sheet: usize, row: u32, cells: &[Cell]) -> Result<()> {
        self.make_room_for(cells).with_context(|| self.folder.display().to_string())?;
        let sheet = self.workbook.worksheet_from_index(sheet)?;
        for (column, cell) in (0..).zip(cells) {
            match cell {
                Cell::Empty => {}
                // Written as text whatever it looks like: never a formula, never a number, every digit kept.
                Cell::Text(text) => drop(sheet.write_string(row, column, cut(text))?),
                Cell::Amount(amount) => write_amount(sheet, row, column, *amount, &self.amount)?,
                Cell::Count(count) => write_count(sheet, row, column, *count)?,
                Cell::Date(date) => drop(sheet.write_date_with_format(row, column, &excel_date(*date)?, &self.date)?),
            }
        }
        Ok(())
    }
}

/// A spreadsheet knows one kind of number, a float. This and [`write_count`] are the only places where kibble makes one: from the
/// exact decimal text, never by arithmetic, and nothing of ours ever reads it back.
fn write_amount(sheet: &mut Worksheet, row: u32, column: u16, amount: Money, format: &Format) -> Result<()> {
    let nearest: f64 = amount.to_string().parse()?;
    sheet.write_number_with_format(row, column, nearest, format)?;
    Ok(())
}

fn write_count(sheet: &mut Worksheet, row: u32, column: u16, count: i64) -> Result<()> {
    let nearest: f64 = count.to_string().parse()?;
    sheet.write_number(row, column, nearest)?;
    Ok(())
}

fn excel_date(day: NaiveDate) -> Result<ExcelDateTime> {
    let (year, month, day) = (u16::try_from(day.year())?, u8::try_from(day.month())?, u8::try_from(day.day())?);
    Ok(ExcelDateTime::from_ymd(year, month, day)?)
}

/// A cell of a workbook holds 32,767 characters at most.
fn cut(text: &str) -> String {
    text.chars().take(32_767).collect()
}

/// A table being written: its CSV and its sheet.
pub(super) struct Table {
    csv: sheet::Writer<BufWriter<File>>,
    path: PathBuf,
    title: String,
    headings: &'static [&'static str],
    sheet: usize,
    row: u32,
    parts: u32,
}

impl Table {
    /// Starts `path` and a sheet called `title`. Headings are English texts marked by `english!`.
    pub(super) fn begin(
        book: &mut Book,
        path: PathBuf,
        title: String,
        headings: &'static [&'static str],
    ) -> Result<Table> {
        let named = || path.display().to_string();
        let file = File::create(&path).with_context(named)?;
        let mut csv = sheet::Writer::new(BufWriter::new(file)).with_context(named)?;
        csv.row(headings.iter().map(|heading| text::lookup(heading))).with_context(named)?;
        let sheet = book.sheet(&title, headings)?;
        Ok(Table { csv, path, title, headings, sheet, row: 1, parts: 1 })
    }

    /// Adds a row to both.
    pub(super) fn row(&mut self, book: &mut Book, cells: &[Cell]) -> Result<()> {
        debug_assert_eq!(cells.len(), self.headings.len(), "{}", self.title);
        self.csv.row_as_is(cells.iter().map(Cell::csv)).with_context(|| self.path.display().to_string())?;
        if self.row >= SHEET_ROWS {
            self.parts += 1;
            self.sheet = book.sheet(&format!("{} {}", self.title, self.parts), self.headings)?;
            self.row = 1;
        }
        book.row(self.sheet, self.row, cells)?;
        self.row += 1;
        Ok(())
    }

    /// Ends the CSV; it is on disk afterwards.
    pub(super) fn finish(self) -> Result<()> {
        let named = || self.path.display().to_string();
        let file = self.csv.finish().with_context(named)?;
        file.into_inner().map_err(|error| error.into_error()).with_context(named)?.sync_all().with_context(named)
    }
}

/// What a CSV holds, read back from disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadBack {
    /// Rows below the header.
    pub(super) rows: i64,
    /// Sums of the columns asked for.
    pub(super) sums: Vec<Money>,
}

/// Reads a CSV back and adds up `columns`, counted from 0.
pub(super) fn read_back(path: &Path, columns: &[usize]) -> Result<ReadBack> {
    let named = || path.display().to_string();
    let mut reader = csv::Reader::from_path(path).with_context(named)?;
    let mut found = ReadBack { rows: 0, sums: vec![Money::ZERO; columns.len()] };
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).with_context(named)? {
        found.rows += 1;
        for (sum, column) in found.sums.iter_mut().zip(columns) {
            let cell = record.get(*column).unwrap_or("");
            if !cell.is_empty() {
                let amount: Money = cell
                    .parse()
                    .map_err(|_| anyhow::anyhow!("`{cell}` in row {} is no amount", found.rows))
                    .with_context(named)?;
                *sum += amount;
            }
        }
    }
    Ok(found)
}

/// A folder that is filled beside its place and then moved there whole.
pub(super) struct Staging {
    temp: TempDir,
    target: PathBuf,
    own: BTreeSet<String>,
}

impl Staging {
    /// Prepares `target`, which is to hold the files `own` and nothing else.
    ///
    /// # Errors
    /// Refused when something lies there that is not an earlier export of the same period.
    pub(super) fn begin(target: &Path, own: BTreeSet<String>) -> Result<Staging> {
        // A link to a folder stays a link: what it points to is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        check(&target, &own)?;
        let beside = target.parent().unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".kibble-export-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The files tell who bought what; the owner decides who else may read them.
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let temp = fs::create_dir_all(beside)
            .and_then(|()| builder.tempdir_in(beside))
            .map_err(|error| unwritable(&target, &error))?;
        Ok(Staging { temp, target, own })
    }

    /// A disk that refuses is told of the export, and not of the folder with a name of chance in which it is made.
    pub(super) fn named(&self, error: anyhow::Error) -> anyhow::Error {
        match error.chain().find_map(io_of) {
            Some(io) => unwritable(&self.target, io),
            None => error,
        }
    }

    /// Where to write a file for now.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// The folder to write into for now.
    pub(super) fn folder(&self) -> &Path {
        self.temp.path()
    }

    /// Where the files will be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Moves the folder to its place. An earlier export stays until the new one can take its place, and comes back when it
    /// cannot.
    pub(super) fn finish(self) -> Result<()> {
        let Staging { temp, target, own } = self;
        check(&target, &own)?;
        if let Ok(old) = fs::metadata(&target) {
            // Whoever could read the earlier export can read this one.
            fs::set_permissions(temp.path(), old.permissions()).map_err(|error| unwritable(&target, &error))?;
            let aside = temp.path().with_extension("old");
            fs::rename(&target, &aside).map_err(|error| unwritable(&target, &error))?;
            if let Err(error) = fs::rename(temp.path(), &target) {
                drop(fs::rename(&aside, &target));
                return Err(unwritable(&target, &error));
            }
            // The new export is in place; leftovers of the old one under a hidden name would only take room.
            drop(fs::remove_dir_all(&aside));
        } else {
            fs::rename(temp.path(), &target).map_err(|error| unwritable(&target, &error))?;
        }
        // The folder has moved, so there is nothing left to clean up.
        drop(temp.keep());
        Ok(())
    }
}

/// Refuses a target with anything in it but the files of an export of the same period.
fn check(target: &Path, own: &BTreeSet<String>) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    let folder = target.display();
    if !target.is_dir() {
        return Err(Fault::refused(t!("{folder} is a file, not a folder", folder = folder)).into());
    }
    let is_own = |name: &OsStr| name.to_str().is_some_and(|name| own.contains(name));
    for entry in fs::read_dir(target).map_err(|error| unwritable(target, &error))? {
        let name = entry.map_err(|error| unwritable(target, &error))?.file_name();
        if !is_own(&name) {
            let file = name.to_string_lossy().into_owned();
            return Err(Fault::refused(t!(
                "{folder} holds {file}, which is not part of an export of this period; nothing was written",
                folder = folder,
                file = file
            ))
            .hint(t!("name a new folder with --out"))
            .into());
        }
    }
    Ok(())
}

/// What the disk said, wherever the writers of tables keep it.
fn io_of<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        return Some(io);
    }
    match (cause.downcast_ref::<csv::Error>().map(csv::Error::kind), cause.downcast_ref::<XlsxError>()) {
        (Some(csv::ErrorKind::Io(io)), _) | (_, Some(XlsxError::IoError(io))) => Some(io),
        _ => None,
    }
}

fn unwritable(target: &Path, error: &std::io::Error) -> anyhow::Error {
    let why = io_reason(error);
    Fault::broken(t!("the export cannot be written to {folder}: {why}", folder = target.display(), why = why))
        .hint(t!("check the disk and its free space, then run the command again"))
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::{Book, ReadBack, Staging, Table, read_back};
    use crate::domain::money::Money;
    use crate::domain::report::Cell;

    const HEADINGS: &[&str] = &["Name", "Amount"];

    fn own() -> BTreeSet<String> {
        BTreeSet::from(["a.csv".to_owned()])
    }

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let day = "2026-11-21".parse().unwrap();
        let mut book = Book::new(folder.path(), day).unwrap();
        let path = folder.path().join("a.csv");
        let mut table = Table::begin(&mut book, path.clone(), "a".to_owned(), HEADINGS).unwrap();
        for (name, fen) in [("=1+1", 19_900), ("13800000002", -5), ("a\"b,\n", 0)] {
            table.row(&mut book, &[Cell::text(name), Cell::Amount(Money::from_fen(fen))]).unwrap();
        }
        table.row(&mut book, &[Cell::Empty, Cell::Empty]).unwrap();
        table.finish().unwrap();
        book.save(&folder.path().join("a.xlsx")).unwrap();
        assert_eq!(read_back(&path, &[1]).unwrap(), ReadBack { rows: 4, sums: vec![Money::from_fen(19_895)] });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("\u{feff}Name,Amount\r\n'=1+1,199.00\r\n13800000002\t,-0.05\r\n"), "{text:?}");
        assert!(read_back(&path, &[0]).is_err());
    }

    #[test]
    fn a_half_written_export_never_replaces_a_whole_one() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("out");
        let write = |text: &str| {
            let staging = Staging::begin(&target, own()).unwrap();
            fs::write(staging.path("a.csv"), text).unwrap();
            staging
        };
        write("one").finish().unwrap();
        // Given up half way: dropped without an end.
        drop(write("half"));
        assert_eq!(fs::read_to_string(target.join("a.csv")).unwrap(), "one");
        write("two").finish().unwrap();
        assert_eq!(fs::read_to_string(target.join("a.csv")).unwrap(), "two");
        let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["out"]);
    }

    #[test]
    fn foreign_files_are_never_mixed_or_removed() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("out");
        fs::create_dir(&target).unwrap();
        let staging = Staging::begin(&target, own()).unwrap();
        fs::write(target.join("letter.txt"), "dear").unwrap();
        assert!(staging.finish().unwrap_err().to_string().contains("letter.txt"));
        assert!(Staging::begin(&target, own()).is_err());
        assert!(Staging::begin(&target.join("letter.txt"), own()).is_err());
        assert_eq!(fs::read_to_string(target.join("letter.txt")).unwrap(), "dear");
    }
}
