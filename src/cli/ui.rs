//! The only writer to the terminal: data to stdout, everything else to stderr; colour, tables, prompts, progress, QR codes.
//! Owns no sentence of any command.
//!
//! When the reader of stdout goes away (`kibble … | head`), what is written afterwards is dropped and the command goes on:
//! a debit run must not stop half way because somebody looked at its first lines. Any other failure to write is kept and
//! becomes the command's error in [`Ui::finish`].

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width};
use dialoguer::console::{Key, Term, truncate_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::fault::{Fault, io_reason};
use crate::t;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal that has it, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always, for a pager that understands it.
    Always,
    /// Never.
    Never,
}

/// What the person asked of the terminal, by global options.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// One JSON document instead of text.
    pub json: bool,
    /// No status lines.
    pub quiet: bool,
    /// Yes to every question.
    pub yes: bool,
    /// When to use colour.
    pub color: Color,
}

/// What a piece of text is, so that colour means the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// A heading.
    Heading,
    /// Less important than the rest.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

impl Paint {
    const fn style(self) -> Style {
        match self {
            Paint::Heading => Style::new().bold(),
            Paint::Dim => Style::new().dimmed(),
            Paint::Good => AnsiColor::Green.on_default(),
            Paint::Warn => AnsiColor::Yellow.on_default(),
            Paint::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// The terminal of one command. Shared between threads where a command uses several.
pub struct Ui {
    wishes: Wishes,
    out_color: bool,
    err_color: bool,
    out_is_terminal: bool,
    can_ask: bool,
    out: Mutex<Out>,
    bars: Bars,
}

/// Starts progress bars; kept by whoever reports progress after the command's own borrow of the terminal is over.
#[derive(Clone)]
pub struct Bars {
    shown: bool,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Ui {
    /// The terminal this process was started on.
    pub fn new(wishes: Wishes) -> Ui {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let out_is_terminal = stdout.is_terminal();
        let err_is_terminal = stderr.is_terminal();
        Ui {
            out_color: colored(wishes.color, &stdout),
            err_color: colored(wishes.color, &stderr),
            out_is_terminal,
            can_ask: err_is_terminal && io::stdin().is_terminal(),
            out: Mutex::new(Out { writer: BufWriter::new(stdout), end: End::Open, document: false }),
            bars: Bars { shown: err_is_terminal && !wishes.quiet && !wishes.json, bar: Arc::new(Mutex::new(None)) },
            wishes,
        }
    }

    /// Shows a command's answer: as the one JSON document under `--json`, else the way `human` writes it.
    ///
    /// # Errors
    /// Those of `human`.
    pub fn answer<T: Serialize>(
        &self,
        answer: &T,
        human: impl FnOnce(&Ui) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.wishes.json {
            self.json(answer);
            return Ok(());
        }
        human(self)
    }

    /// True when the person asked for JSON.
    pub fn is_json(&self) -> bool {
        self.wishes.json
    }

    /// True when somebody sits there who can be asked.
    pub fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// A line of the answer, to stdout. Under `--json` stdout carries one document and nothing else, so it is dropped.
    pub fn data(&self, line: &str) {
        if !self.wishes.json {
            self.put(line, true);
        }
    }

    /// A document to stdout.
    pub fn json<T: Serialize>(&self, document: &T) {
        let text = match serde_json::to_string_pretty(document) {
            Ok(text) => text,
            // Only a map with keys that are no text fails here; say so instead of printing half a document.
            Err(error) => {
                self.lock().fail(io::Error::other(error));
                return;
            }
        };
        self.put(&text, true);
        self.lock().document = true;
    }

    /// A table, to stdout.
    pub fn table(&self, table: &Table) {
        let width = if self.out_is_terminal { comfy_table::Table::new().width() } else { None };
        self.data(&table.text(width, self.out_color));
    }

    /// A text as a QR code, to stdout, in half blocks.
    ///
    /// # Errors
    /// Refused when the text is too long for a QR code (about 2,900 bytes).
    pub fn qr(&self, text: &str) -> anyhow::Result<()> {
        let code = QrCode::new(text)
            .map_err(|_| Fault::refused(t!("the text is too long for a QR code: {text}", text = text)))?;
        self.data(&qr_lines(&code, self.out_color));
        Ok(())
    }

    /// What is going on, to stderr. Silent under `--quiet`.
    pub fn status(&self, line: &str) {
        if !self.wishes.quiet {
            self.say(line);
        }
    }

    /// What to type next, to stderr. Silent under `--quiet`.
    pub fn hint(&self, line: &str) {
        if !self.wishes.quiet {
            self.say(&self.labelled(AnsiColor::Cyan.on_default(), &t!("hint: {text}", text = line), line));
        }
    }

    /// Something to look at, to stderr, also under `--quiet`.
    pub fn warn(&self, line: &str) {
        self.say(&self.labelled(Paint::Warn.style(), &t!("warning: {text}", text = line), line));
    }

    /// An error, its causes and what to type next, to stderr.
    pub fn error(&self, lines: &[String], hint: Option<&str>) {
        let mut lines = lines.iter();
        if let Some(first) = lines.next() {
            self.say(&self.labelled(Paint::Bad.style(), &t!("error: {text}", text = first), first));
        }
        for cause in lines {
            self.say(&format!("  {}", t!("because: {text}", text = cause)));
        }
        if let Some(hint) = hint {
            self.say(&self.labelled(AnsiColor::Cyan.on_default(), &t!("hint: {text}", text = hint), hint));
        }
    }

    /// `text` in colour for stdout; pad first, then paint.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if self.out_color { painted(paint.style(), text) } else { text.to_owned() }
    }

    /// Asks yes or no. Under `--yes` it is yes without asking.
    ///
    /// # Errors
    /// Usage when nobody can be asked; refused when the person stops.
    pub fn confirm(&self, question: &str, default: bool) -> anyhow::Result<bool> {
        if self.wishes.yes {
            return Ok(true);
        }
        self.needs_terminal(question, "--yes")?;
        confirmed(&Term::stderr(), question, default).map_err(stopped)
    }

    /// Asks for a text. Under `--yes` the default is taken without asking.
    ///
    /// # Errors
    /// Usage, naming `flag`, when nobody can be asked; refused when the person stops.
    pub fn input(&self, question: &str, default: Option<&str>, flag: &str) -> anyhow::Result<String> {
        self.input_checked(question, default, flag, &|_| Ok(()))
    }

    /// Asks for a text until `check` has nothing to say against it. What `check` says is shown to the person.
    ///
    /// # Errors
    /// As [`Ui::input`]; usage also when `check` refuses the default taken under `--yes`.
    pub fn input_checked(
        &self,
        question: &str,
        default: Option<&str>,
        flag: &str,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> anyhow::Result<String> {
        if let (true, Some(default)) = (self.wishes.yes, default) {
            check(default).map_err(Fault::usage)?;
            return Ok(default.to_owned());
        }
        self.needs_terminal(question, flag)?;
        let mut prompt = dialoguer::Input::<String>::with_theme(&Prompt)
            .with_prompt(question)
            // Left to itself, the prompt asks again after an empty answer without saying why.
            .allow_empty(true)
            .validate_with(|text: &String| match text.trim() {
                "" if default.is_none() => Err(t!("this cannot be left empty")),
                text => check(text),
            });
        if let Some(default) = default {
            prompt = prompt.default(default.to_owned());
        }
        let answer = prompt.interact_text().map_err(|dialoguer::Error::IO(error)| stopped(error))?;
        Ok(answer.trim().to_owned())
    }

    /// Lets the person choose one of `choices` and gives its place. Under `--yes` the default is taken without asking.
    ///
    /// # Errors
    /// Usage, naming `flag`, when nobody can be asked; refused when the person stops.
    pub fn select(
        &self,
        question: &str,
        choices: &[String],
        default: Option<usize>,
        flag: &str,
    ) -> anyhow::Result<usize> {
        if let (true, Some(default)) = (self.wishes.yes, default) {
            return Ok(default);
        }
        self.needs_terminal(question, flag)?;
        chosen(&Term::stderr(), question, choices, default.unwrap_or(0)).map_err(stopped)
    }

    /// What starts progress bars.
    pub fn bars(&self) -> Bars {
        self.bars.clone()
    }

    /// Brings everything out.
    ///
    /// # Errors
    /// Broken when something could not be written. A reader that went away is no error.
    pub fn finish(&self) -> anyhow::Result<()> {
        let mut out = self.lock();
        out.flush();
        match &out.end {
            End::Failed(why) => {
                Err(Fault::broken(t!("the output could not be written to the end: {why}", why = why)).into())
            }
            End::Open | End::Closed => Ok(()),
        }
    }

    /// Help text, to stdout whatever was asked for: somebody typed `--help`.
    pub(super) fn help(&self, text: &clap::builder::StyledStr, fix: impl Fn(String) -> String) {
        let text = if self.out_color { text.ansi().to_string() } else { text.to_string() };
        self.put(fix(text).trim_end(), true);
    }

    /// Help text, to stderr: somebody typed too little.
    pub(super) fn short_help(&self, text: &clap::builder::StyledStr, fix: impl Fn(String) -> String) {
        let text = if self.err_color { text.ansi().to_string() } else { text.to_string() };
        self.say(fix(text).trim_end());
    }

    /// True when an error belongs on stdout as the one document: JSON was asked for and none has been written.
    pub(super) fn wants_error_document(&self) -> bool {
        self.wishes.json && !self.lock().document
    }

    fn needs_terminal(&self, question: &str, flag: &str) -> anyhow::Result<()> {
        if !self.can_ask {
            let fault = Fault::usage(t!("there is no terminal to ask on: {question}", question = question));
            return Err(fault.hint(t!("answer it with {flag}", flag = flag)).into());
        }
        self.lock().flush();
        Ok(())
    }

    fn put(&self, text: &str, line: bool) {
        let write = || {
            let mut out = self.lock();
            out.write(text, line);
            // On a terminal, data and status lines must appear in the order in which they were said.
            if self.out_is_terminal {
                out.flush();
            }
        };
        if self.out_is_terminal { self.around_bar(write) } else { write() }
    }

    fn say(&self, line: &str) {
        self.around_bar(|| {
            // Where both end up in one place, as in a mail from cron, they stand in the order in which they were said.
            self.lock().flush();
            // Nobody can be told that stderr is gone.
            let _ = writeln!(io::stderr().lock(), "{line}");
        });
    }

    fn around_bar(&self, write: impl FnOnce()) {
        let bar = self.bars.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) if !bar.is_finished() => bar.suspend(write),
            _ => write(),
        }
    }

    /// Paints what stands before the text, the label.
    fn labelled(&self, style: Style, whole: &str, text: &str) -> String {
        match whole.strip_suffix(text) {
            Some(label) if self.err_color => format!("{}{text}", painted(style, label)),
            _ => whole.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bars {
    /// Shows how far long work has come, on a terminal only. `total` is in the unit of [`Progress::inc`].
    pub fn start(&self, total: u64, label: &str) -> Progress {
        let target = if self.shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}")
            .expect("the template is a constant that every test run parses");
        bar.set_style(style);
        bar.set_message(label.to_owned());
        if self.shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Progress { bar }
    }
}

/// Long work being shown. It vanishes when it is dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// `by` more are done.
    pub fn inc(&self, by: u64) {
        self.bar.inc(by);
    }

    /// What is being done now.
    pub fn label(&self, label: &str) {
        self.bar.set_message(label.to_owned());
    }

    /// Takes it off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Rows under a header. Borderless, one rule below the header; wide characters line up.
#[derive(Clone, Debug, Default)]
pub struct Table {
    header: Vec<String>,
    right: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(header: impl IntoIterator<Item = String>) -> Table {
        Table { header: header.into_iter().collect(), ..Table::default() }
    }

    /// Aligns these columns, counted from 0, to the right: money and counts.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Table {
        self.right.extend_from_slice(columns);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// True when it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The widest cell of a column of dates, amounts or ids, which are never broken in two on a narrow terminal; `None` where the
    /// cells are words.
    fn whole(&self, index: usize) -> Option<u16> {
        const LONGEST: usize = 12;
        let cells = || self.rows.iter().filter_map(|row| row.get(index)).map(|text| plain(text));
        if cells().any(|text| text.contains(' ') || text.width() > LONGEST) {
            return None;
        }
        let words = self.header.get(index).into_iter().flat_map(|text| text.split(' ')).map(UnicodeWidthStr::width);
        cells().map(|text| text.width()).chain(words).max().and_then(|width| u16::try_from(width).ok())
    }

    fn text(&self, width: Option<u16>, color: bool) -> String {
        const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE);
        if color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if let Some(width) = width {
            table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        }
        let heading = |text: &String| Cell::new(plain(text)).add_attribute(Attribute::Bold);
        table.set_header(self.header.iter().map(heading).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(row.iter().map(|text| Cell::new(plain(text))).collect::<Vec<_>>());
        }
        let last = table.column_count().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            let padding = if index == last { 0 } else { 2 };
            column.set_padding((0, padding));
            if let Some(widest) = self.whole(index) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(widest + padding)));
            }
            if self.right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// `text` filled with spaces to `width` columns of the terminal; a wide character takes two.
pub fn pad(text: &str, width: usize) -> String {
    let text = plain(text);
    let missing = width.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// As [`pad`], aligned to the right.
pub fn pad_left(text: &str, width: usize) -> String {
    let text = plain(text);
    " ".repeat(width.saturating_sub(text.width())) + &text
}

/// Lines whose cells stand below each other, two spaces apart, without a header; `right` are the columns aligned to the right.
pub fn columns(rows: &[Vec<String>], right: &[usize]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..count).map(|column| width_of(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(index, (cell, width))| {
            if right.contains(&index) { pad_left(cell, *width) } else { pad(cell, *width) }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The text without control characters: a customer's name must not move the cursor or change colours.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Open,
    Closed,
    Failed(String),
}

struct Out {
    writer: BufWriter<io::Stdout>,
    end: End,
    document: bool,
}

impl Out {
    fn write(&mut self, text: &str, line: bool) {
        if self.end == End::Open {
            let end = if line { "\n" } else { "" };
            let result = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.write_all(end.as_bytes()));
            self.note(result);
        }
    }

    fn flush(&mut self) {
        if self.end == End::Open {
            let result = self.writer.flush();
            self.note(result);
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.end = match error.kind() {
            io::ErrorKind::BrokenPipe => End::Closed,
            _ => End::Failed(io_reason(&error)),
        };
    }
}

/// How prompts look: the question, and our own words around it.
struct Prompt;

impl dialoguer::theme::Theme for Prompt {
    fn format_input_prompt(
        &self,
        f: &mut dyn std::fmt::Write,
        prompt: &str,
        default: Option<&str>,
    ) -> std::fmt::Result {
        match default.filter(|default| !default.is_empty()) {
            Some(default) => f.write_str(&asked(&format!("{prompt} [{default}]"))),
            None => f.write_str(&asked(prompt)),
        }
    }

    fn format_input_prompt_selection(
        &self,
        f: &mut dyn std::fmt::Write,
        prompt: &str,
        answer: &str,
    ) -> std::fmt::Result {
        write!(f, "{}{answer}", asked(prompt))
    }

    fn format_error(&self, f: &mut dyn std::fmt::Write, error: &str) -> std::fmt::Result {
        write!(f, "{}", t!("error: {text}", text = error))
    }
}

/// A question as it stands before its answer: one that ends in a question mark needs no colon.
fn asked(question: &str) -> String {
    match question.ends_with(['?', '？']) {
        true => format!("{question} "),
        false => t!("{question}: ", question = question),
    }
}

/// Asks yes or no with one key. Not `dialoguer`'s, which says yes and no in English, and which leaves a terminal without a
/// cursor behind when the person stops it.
fn confirmed(term: &Term, question: &str, default: bool) -> io::Result<bool> {
    let keys = if default { "[Y/n]" } else { "[y/N]" };
    let yes = loop {
        term.write_str(&format!("{question} {keys} "))?;
        let key = term.read_key_raw()?;
        term.clear_line()?;
        match key {
            Key::Char('y' | 'Y' | '是') => break true,
            Key::Char('n' | 'N' | '否') => break false,
            Key::Enter => break default,
            Key::Escape | Key::CtrlC => return Err(interrupted(term)),
            _ => {}
        }
    };
    term.write_line(&format!("{question} {}", if yes { t!("yes") } else { t!("no") }))?;
    Ok(yes)
}

/// Lets the person move to one of `choices`, a page at a time where the terminal is lower than the list. Not `dialoguer`'s,
/// for the reason given at [`confirmed`].
fn chosen(term: &Term, question: &str, choices: &[String], first: usize) -> io::Result<usize> {
    let (height, width) = term.size();
    let page = choices.len().min(usize::from(height).saturating_sub(2)).max(1);
    let last = choices.len().saturating_sub(1);
    let mut at = first.min(last);
    term.write_line(asked(question).trim_end())?;
    loop {
        let shown = choices.iter().enumerate().skip(at / page * page).take(page);
        let lines: Vec<String> = shown
            .map(|(place, choice)| format!("{} {choice}", if place == at { ">" } else { " " }))
            .map(|line| truncate_str(&line, usize::from(width), "…").into_owned())
            .collect();
        for line in &lines {
            term.write_line(line)?;
        }
        let key = term.read_key_raw()?;
        term.clear_last_lines(lines.len())?;
        match key {
            Key::ArrowUp => at = at.checked_sub(1).unwrap_or(last),
            Key::ArrowDown | Key::Tab => at = if at == last { 0 } else { at + 1 },
            Key::Enter => break,
            Key::Escape | Key::CtrlC => return Err(interrupted(term)),
            _ => {}
        }
    }
    term.clear_last_lines(1)?;
    let answer = choices.get(at).map_or("", |choice| choice.trim());
    term.write_line(&format!("{}{answer}", asked(question)))?;
    Ok(at)
}

/// What a person's Ctrl-C or Escape is, on a line of its own.
fn interrupted(term: &Term) -> io::Error {
    // A terminal that cannot be written to any more is no reason to say something else.
    drop(term.write_line(""));
    io::Error::from(io::ErrorKind::Interrupted)
}

fn stopped(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => Fault::refused(t!("you stopped the command")).into(),
        _ => anyhow::Error::from(error).context(Fault::broken(t!("the terminal could not be read"))),
    }
}

fn colored(color: Color, stream: &impl anstream::stream::RawStream) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
    }
}

fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A scanner wants dark squares on a light ground. With colour both are set, so it works on any theme; without, most
/// terminals are dark, so the light squares are drawn.
fn qr_lines(code: &QrCode, color: bool) -> String {
    let (dark, light) = if color { (Dense1x2::Dark, Dense1x2::Light) } else { (Dense1x2::Light, Dense1x2::Dark) };
    let image = code.render::<Dense1x2>().dark_color(dark).light_color(light).quiet_zone(true).build();
    if !color {
        return image;
    }
    let style = AnsiColor::Black.on(AnsiColor::BrightWhite);
    image.lines().map(|line| painted(style, line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use qrcode::QrCode;
    use unicode_width::UnicodeWidthStr;

    use super::{Table, Ui, Wishes, columns, pad, pad_left, qr_lines};
    use crate::fault::{Fault, Kind};

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn wallets() -> Table {
        let mut table = Table::new(cells(&["客户", "Pet", "Amount"])).right(&[2]);
        table.row(cells(&["王小明", "团子", "1,234.00"]));
        table.row(cells(&["Li", "Mimi 咪", "9.90"]));
        table
    }

    #[test]
    fn chinese_and_english_rows_line_up_and_money_is_on_the_right() {
        assert_eq!(
            wallets().text(None, false),
            "客户    Pet        Amount\n\
             ─────────────────────────\n\
             王小明  团子     1,234.00\n\
             Li      Mimi 咪      9.90"
        );
    }

    #[test]
    fn a_narrow_terminal_wraps_inside_the_column() {
        let text = wallets().text(Some(20), false);
        assert!(text.lines().all(|line| line.width() <= 20), "{text}");
    }

    #[test]
    fn colour_appears_only_where_it_is_wanted() {
        assert!(!wallets().text(None, false).contains('\u{1b}'));
        assert!(wallets().text(None, true).contains('\u{1b}'));
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let mut table = Table::new(cells(&["Name"]));
        table.row(cells(&["\u{1b}[2Jx\ny"]));
        assert!(!table.text(None, false).contains('\u{1b}'));
        assert_eq!(pad("a\u{7}b", 4), "a b ");
    }

    #[test]
    fn padding_counts_columns_of_the_terminal() {
        assert_eq!(pad("王明", 6), "王明  ");
        assert_eq!(pad_left("王明", 6), "  王明");
        assert_eq!(pad("too long", 3), "too long");
        let rows = [cells(&["王明", "1"]), cells(&["x", "22", "y"])];
        assert_eq!(columns(&rows, &[1]), ["王明   1", "x     22  y"]);
    }

    /// What cron sees.
    fn nobody(yes: bool) -> Ui {
        Ui { can_ask: false, ..Ui::new(Wishes { yes, ..Wishes::default() }) }
    }

    #[test]
    fn without_a_terminal_nothing_asks_and_the_flag_is_named() {
        let ui = nobody(false);
        let choices = cells(&["Alipay", "WeChat"]);
        for (error, flag) in [
            (ui.confirm("Go on?", true).unwrap_err(), "--yes"),
            (ui.input("Name", Some("x"), "--name").unwrap_err(), "--name"),
            (ui.select("Rail", &choices, Some(0), "--rail").unwrap_err(), "--rail"),
        ] {
            let fault = error.downcast_ref::<Fault>().unwrap();
            assert_eq!(fault.kind(), Kind::Usage);
            assert!(fault.next_step().unwrap().contains(flag), "{fault:?}");
        }
    }

    #[test]
    fn yes_agrees_and_takes_what_is_suggested_but_makes_nothing_up() {
        let ui = nobody(true);
        let choices = cells(&["Alipay", "WeChat"]);
        assert!(ui.confirm("Go on?", false).unwrap());
        assert_eq!(ui.input("Name", Some("x"), "--name").unwrap(), "x");
        assert_eq!(ui.select("Rail", &choices, Some(1), "--rail").unwrap(), 1);
        assert!(ui.input("Name", None, "--name").is_err());
        assert!(ui.select("Rail", &choices, None, "--rail").is_err());
        assert!(ui.input_checked("Day", Some("31"), "--day", &|_| Err("no".to_owned())).is_err());
    }

    #[test]
    fn progress_counts_without_a_terminal_too() {
        let ui = nobody(false);
        let progress = ui.bars().start(3, "charging");
        progress.inc(2);
        progress.label("still charging");
        progress.finish();
    }

    #[test]
    fn a_qr_code_is_as_wide_on_every_line() {
        let code = QrCode::new("https://example.test/sign/m-7").unwrap();
        let text = qr_lines(&code, false);
        let widths: Vec<usize> = text.lines().map(UnicodeWidthStr::width).collect();
        assert!(widths.len() > 10 && widths.iter().all(|width| *width == widths[0]), "{text}");
        assert!(qr_lines(&code, true).starts_with('\u{1b}'));
    }
}
