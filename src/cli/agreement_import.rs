//! `kibble agreement import`: the shop's earlier book. Also how both imports show what a book held.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::Globals;
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui};
use crate::domain::date::FirstDebit;
use crate::ops::agreement_import::{ImportOptions, Imported, import};
use crate::ops::book_file::Findings;
use crate::ops::read_day;
use crate::t;

/// Take over running agreements from a CSV book, with their customers and pets
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The book: CSV with Chinese or English column names
    file: PathBuf,
    /// Terms due up to this day were collected before kibble
    #[arg(long, value_name = "DATE")]
    paid_until: Option<String>,
    /// When the first term of these agreements fell due
    #[arg(long, value_name = "WHEN", default_value = "next-month", value_parser = first_debits())]
    first_debit: FirstDebit,
    /// Where refused rows go; without it beside the book
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Write the sign links into this CSV, to be sent to the customers
    #[arg(long, value_name = "FILE")]
    links: Option<PathBuf>,
    /// Show what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Imports and shows what became of the book.
///
/// # Errors
/// Those of [`import`].
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let options = ImportOptions {
        file: args.file.clone(),
        paid_until: args.paid_until.as_deref().map(read_day).transpose()?,
        first_debit: args.first_debit,
        rejects: args.rejects.clone(),
        links: args.links.clone(),
        dry_run: args.dry_run,
    };
    let ctx = super::open(globals, ui)?;
    let imported = import(&ctx, &options)?;
    ui.answer(&imported, |ui| {
        show(ui, &imported, args.paid_until.is_some());
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// The words for when a first term falls due.
pub(super) fn first_debits() -> impl TypedValueParser<Value = FirstDebit> {
    PossibleValuesParser::new(["next-month", "at-signing"]).map(|word| match word.as_str() {
        "at-signing" => FirstDebit::AtSigning,
        _ => FirstDebit::NextMonth,
    })
}

/// What reading the book found beside its sound rows: refusals with reason and fix, warnings, where to mend.
pub(super) fn show_findings(ui: &Ui, findings: &Findings) {
    if findings.repeated > 0 {
        ui.data(&format!("  {}", t!("repeats of an earlier row, skipped: {count}", count = findings.repeated)));
    }
    if !findings.ignored_columns.is_empty() {
        let columns = findings.ignored_columns.join(", ");
        ui.data(&format!("  {}", t!("columns that are not used: {columns}", columns = columns)));
    }
    if findings.refused > 0 {
        let heading = t!("Rows refused: {count}", count = findings.refused);
        ui.data(&ui.paint(Paint::Bad, &heading));
        let mut table = Table::new([t!("Line"), t!("Field"), t!("Value"), t!("Reason"), t!("Fix")]).right(&[0]);
        for it in &findings.refusals {
            let (reason, fix) = (it.reason.clone(), it.fix.clone());
            table.row([it.line.to_string(), it.heading.to_owned(), it.value.clone(), reason, fix]);
        }
        ui.table(&table);
    }
    if !findings.warnings.is_empty() {
        ui.data(&ui.paint(Paint::Warn, &t!("Worth a look")));
        for it in &findings.warnings {
            let mut lines: Vec<String> = it.lines.iter().map(u64::to_string).collect();
            if it.count > it.lines.len() as u64 {
                lines.push("…".to_owned());
            }
            let told =
                t!("{count} × {text} (line {lines})", count = it.count, text = it.text, lines = lines.join(", "));
            ui.data(&format!("  {told}"));
        }
    }
    if let Some(path) = &findings.rejects {
        ui.hint(&t!("mend the refused rows in {file}, then import that file", file = path.display()));
    }
}

/// The first line of an import's answer: what it is about, and that nothing was changed where that is so.
pub(super) fn show_file(ui: &Ui, findings: &Findings) {
    let file = findings.file.display();
    ui.data(&ui.paint(Paint::Heading, &t!("{file} ({encoding})", file = file, encoding = findings.encoding)));
    if findings.dry_run {
        ui.data(&t!("Dry run: this is what would happen; nothing was changed."));
    }
}

fn show(ui: &Ui, it: &Imported, has_paid_until: bool) {
    show_file(ui, &it.findings);
    let line = |text: String| ui.data(&format!("  {text}"));
    if it.accepted == 0 && !it.findings.dry_run {
        line(t!("nothing new: nothing was changed"));
    }
    if it.accepted > 0 {
        line(t!(
            "agreements taken over: {count} (new customers: {customers}, new pets: {pets})",
            count = it.accepted,
            customers = it.customers,
            pets = it.pets
        ));
        line(t!("terms collected before kibble: {count}", count = it.terms_before));
    }
    if it.unchanged > 0 {
        line(t!("in kibble already, unchanged: {count}", count = it.unchanged));
    }
    if it.opening.is_positive() {
        line(t!("{amount} taken over into wallets", amount = it.opening.yuan()));
    }
    if it.links.made > 0 {
        line(t!("sign links made: {count}", count = it.links.made));
    }
    show_findings(ui, &it.findings);
    if it.terms_past > 0 && !has_paid_until {
        ui.warn(&t!(
            "terms due before today that count as not collected: {count}; --paid-until DATE says which were collected",
            count = it.terms_past
        ));
    }
    for trouble in &it.links.troubles {
        ui.warn(&t!(
            "{rail} gave no sign link ({count} {count|time|times}): {why}",
            rail = trouble.rail,
            count = trouble.count,
            why = trouble.why
        ));
    }
    if it.links.missing > 0 {
        ui.hint(&t!("import the same file again with --links FILE to ask for the missing links"));
    }
    match &it.links.file {
        Some(file) => ui.hint(&t!("send each customer the link in {file}", file = file.display())),
        None if it.links.made > 0 => {
            ui.hint(&t!("the same command with --links FILE writes the links to be sent to the customers"));
        }
        None => {}
    }
}
