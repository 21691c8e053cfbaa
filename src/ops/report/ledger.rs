//! The exported journal as hledger reads it: declarations, the balances that stood when the period began, and every entry.
//! Owns the file's shape; the names of accounts are `domain/report.rs`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;

use crate::db::Conn;
use crate::db::report::Span;
use crate::db::report::export::{PostingRow, each_account, each_opening};
use crate::domain::id::EntryId;
use crate::domain::money::Money;
use crate::domain::report::{COMMODITY, EARLIER_RESULTS, is_result, ledger_account, ledger_text};
use crate::t;

/// The code of the entry that holds the opening balances.
const OPENING: &str = "opening";

/// A journal file being written.
pub(super) struct Ledger {
    to: BufWriter<File>,
    path: PathBuf,
    entry: Option<EntryId>,
}

impl Ledger {
    /// Starts the file: what it is, its commodity, every account, and the opening balances.
    pub(super) fn begin(path: &Path, conn: &Conn, span: &Span, title: &str) -> Result<Ledger> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut ledger = Ledger { to: BufWriter::new(file), path: path.to_owned(), entry: None };
        ledger.line(&format!("; {}", ledger_text(title)))?;
        ledger.line(&format!("commodity 1,000.00 {COMMODITY}"))?;
        ledger.line("decimal-mark .")?;
        ledger.line("")?;
        ledger.declare(conn)?;
        ledger.opening(conn, span)?;
        Ok(ledger)
    }

    /// Adds a posting; a new entry begins with its first one.
    pub(super) fn posting(&mut self, row: &PostingRow, kind: &str) -> Result<()> {
        if self.entry != Some(row.entry) {
            self.entry = Some(row.entry);
            let mut text = kind.to_owned();
            if let Some(customer) = row.whose {
                text = format!("{text} {customer}");
            }
            if let Some(corrected) = row.corrects {
                text = format!("{text}, {}", t!("corrects {entry}", entry = corrected));
            }
            if !row.note.is_empty() {
                text = format!("{text}: {}", row.note);
            }
            self.head(row.day, &format!("{} {}", row.entry, row.reference), &text)?;
        }
        self.amount(&ledger_account(&row.account, row.customer), row.amount)
    }

    /// Ends the file; it is on disk afterwards.
    pub(super) fn finish(self) -> Result<()> {
        let named = || self.path.display().to_string();
        let file = self.to.into_inner().map_err(|error| error.into_error()).with_context(named)?;
        file.sync_all().with_context(named)
    }

    fn declare(&mut self, conn: &Conn) -> Result<()> {
        self.line(&format!("account {EARLIER_RESULTS}"))?;
        each_account(conn, |code, customer| self.line(&format!("account {}", ledger_account(code, customer))))
    }

    /// What stood on each account, as one entry. Revenues and expenses begin anew with the period: what they came to before is
    /// the result of earlier days.
    fn opening(&mut self, conn: &Conn, span: &Span) -> Result<()> {
        let mut results: BTreeMap<&str, Money> = BTreeMap::new();
        let mut begun = false;
        let day = span.period.from();
        each_opening(conn, span, |code, customer, amount| {
            if !begun {
                begun = true;
                self.head(day, OPENING, &t!("Balances when the period began"))?;
            }
            let account = ledger_account(code, customer);
            if is_result(&account) {
                *results.entry(EARLIER_RESULTS).or_default() += amount;
                return Ok(());
            }
            self.amount(&account, amount)
        })?;
        for (account, amount) in results {
            self.amount(account, amount)?;
        }
        Ok(())
    }

    fn head(&mut self, day: NaiveDate, code: &str, text: &str) -> Result<()> {
        self.line("")?;
        self.line(&format!("{day} * ({}) {}", ledger_text(code), ledger_text(text)))
    }

    fn amount(&mut self, account: &str, amount: Money) -> Result<()> {
        self.line(&format!("    {account}  {amount} {COMMODITY}"))
    }

    fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.to, "{text}").with_context(|| self.path.display().to_string())
    }
}

/// Reads a journal file back: postings and debits of its entries, the opening left out.
pub(super) fn read_back(path: &Path) -> Result<(i64, Money)> {
    let named = || path.display().to_string();
    let file = File::open(path).with_context(named)?;
    let (mut postings, mut debit, mut counts) = (0, Money::ZERO, false);
    let opening = format!(" * ({OPENING}) ");
    for line in BufReader::new(file).lines() {
        let line = line.with_context(named)?;
        match line.strip_prefix("    ").and_then(|rest| rest.rsplit_once("  ")) {
            Some((_, amount)) if counts => {
                let amount = amount.strip_suffix(COMMODITY).unwrap_or(amount).trim();
                let amount: Money =
                    amount.parse().map_err(|_| anyhow::anyhow!("`{amount}` is no amount")).with_context(named)?;
                postings += 1;
                if amount.is_positive() {
                    debit += amount;
                }
            }
            Some(_) => {}
            None => counts = line.starts_with(|c: char| c.is_ascii_digit()) && !line.contains(&opening),
        }
    }
    Ok((postings, debit))
}
