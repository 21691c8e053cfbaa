//! `report export`: the period as files for an accountant. Every table is read once and written row by row, the files are read
//! back and compared with the books, and only then does the folder appear.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use super::files::{Book, Staging, Table, read_back};
use super::ledger::{self, Ledger};
use super::span;
use crate::db::report::export::{
    self as rows, AgreementRow, ChargeRow, FeeRow, PostingRow, RedemptionRow, RefundRow, Totals, WalletRow,
};
use crate::db::report::{Person, Span, at_one_moment};
use crate::domain::date::{At, plus_days};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::report::{Cell, Period};
use crate::english;
use crate::fault::Fault;
use crate::ops::catalog::category_text;
use crate::ops::{Ctx, Event};
use crate::t;
use crate::text;

const CHARGES: &str = "charges.csv";
const REFUNDS: &str = "refunds.csv";
const FEES: &str = "fees.csv";
const WALLET: &str = "wallet_entries.csv";
const REDEMPTIONS: &str = "redemptions.csv";
const AGREEMENTS: &str = "agreements.csv";
const JOURNAL: &str = "journal.csv";
const SUMMARY: &str = "summary.csv";

const CHARGE_HEADINGS: &[&str] = &[
    english!("Day"),
    english!("Charge"),
    english!("Installment"),
    english!("Attempt"),
    english!("How"),
    english!("Payment rail"),
    english!("Order number"),
    english!("Provider's number"),
    english!("Customer no."),
    english!("Customer"),
    english!("Phone"),
    english!("State"),
    english!("Reason"),
    english!("Provider's code"),
    english!("Asked for"),
    english!("Collected"),
];
const REFUND_HEADINGS: &[&str] = &[
    english!("Day"),
    english!("Refund"),
    english!("Charge"),
    english!("Payment rail"),
    english!("Refund number"),
    english!("Customer no."),
    english!("Customer"),
    english!("Phone"),
    english!("State"),
    english!("Why"),
    english!("Provider's code"),
    english!("To pay back"),
    english!("Paid back"),
];
const FEE_HEADINGS: &[&str] =
    &[english!("Day"), english!("Entry"), english!("Kind"), english!("Reference"), english!("Remark"), english!("Fee")];
const WALLET_HEADINGS: &[&str] = &[
    english!("Day"),
    english!("Entry"),
    english!("Kind"),
    english!("Reference"),
    english!("Customer no."),
    english!("Customer"),
    english!("Phone"),
    english!("Part of the wallet"),
    english!("Remark"),
    english!("In"),
    english!("Out"),
];
const REDEMPTION_HEADINGS: &[&str] = &[
    english!("Day"),
    english!("Entry"),
    english!("Kind"),
    english!("Order"),
    english!("Reference"),
    english!("Customer no."),
    english!("Customer"),
    english!("Phone"),
    english!("Item code"),
    english!("Item"),
    english!("Category"),
    english!("Supplier"),
    english!("Pieces"),
    english!("Price"),
    english!("Amount"),
    english!("From the wallet"),
    english!("In cash"),
    english!("Cost"),
];
const AGREEMENT_HEADINGS: &[&str] = &[
    english!("Agreement"),
    english!("Agreement number"),
    english!("Customer no."),
    english!("Customer"),
    english!("Phone"),
    english!("Plan code"),
    english!("Plan"),
    english!("Source"),
    english!("State today"),
    english!("Signed on"),
    english!("Runs until"),
    english!("Ended on"),
    english!("Why it ended"),
    english!("Terms"),
    english!("Monthly"),
    english!("In all"),
    english!("Terms before kibble"),
    english!("Terms collected"),
    english!("Collected"),
];
const JOURNAL_HEADINGS: &[&str] = &[
    english!("Entry"),
    english!("Day"),
    english!("Booked at"),
    english!("Kind"),
    english!("Reference"),
    english!("Corrects"),
    english!("Remark"),
    english!("Line"),
    english!("Account"),
    english!("Customer no."),
    english!("Debit"),
    english!("Credit"),
];
const SUMMARY_HEADINGS: &[&str] =
    &[english!("File"), english!("What"), english!("From the file"), english!("From the books"), english!("Note")];

/// What to export.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which days.
    pub period: Period,
    /// Where to; `exports/2026-11` in the shop folder when nothing is said.
    pub out: Option<PathBuf>,
    /// Names and phones in full, for this reason; masked when nothing is said.
    pub full: Option<String>,
}

/// What was exported.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<String>,
    /// Rows in all tables together.
    pub rows: i64,
    /// Whether names and phones are shown in full.
    pub full: bool,
    /// Collected, as the files say.
    pub collected: Money,
    /// Paid back, as the files say.
    pub paid_back: Money,
    /// Into wallets, as the files say.
    pub wallet_in: Money,
    /// Out of wallets, as the files say.
    pub wallet_out: Money,
    /// All wallets when the period began.
    pub wallet_before: Money,
    /// All wallets when it ended.
    pub wallet_after: Money,
    /// Sold from the shelf, returns taken off, as the files say.
    pub redeemed: Money,
    /// Fees of payment rails, as the files say.
    pub fees: Money,
    /// False while no bill with fees was reconciled in the period, so that `fees.csv` is empty.
    pub fees_known: bool,
}

/// Writes the files of a period.
///
/// # Errors
/// Refused when the folder holds anything else, or when names are wanted in full without a reason; broken when the files and the
/// books differ. An earlier export of the period stays as it was then.
pub fn export(ctx: &Ctx, wanted: &Wanted) -> Result<Exported> {
    if wanted.full.as_deref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(no_reason().into());
    }
    let now = ctx.now();
    let label = wanted.period.to_string();
    let (workbook, journal) = (format!("{label}.xlsx"), format!("{label}.journal"));
    let tables = [CHARGES, REFUNDS, FEES, WALLET, REDEMPTIONS, AGREEMENTS, JOURNAL, SUMMARY];
    let files: Vec<String> = tables.into_iter().map(str::to_owned).chain([workbook, journal]).collect();
    let out = wanted.out.clone().unwrap_or_else(|| ctx.config.folder.join("exports").join(&label));
    let staging = Staging::begin(&out, files.iter().cloned().collect::<BTreeSet<_>>())?;
    let work = Work { ctx, span: span(ctx, wanted.period, now), full: wanted.full.is_some(), staging: &staging };
    let exported =
        at_one_moment(ctx.db.read(), || work.run(now, files, &label)).map_err(|error| staging.named(error))?;
    // The audit row comes first: files with names must not lie there without one.
    ctx.db.write(now, |_| {
        let reason = wanted.full.clone().unwrap_or_default();
        let rows = exported.rows.unsigned_abs();
        Ok(((), Op::Exported { what: format!("report {label}"), rows, reason }))
    })?;
    staging.finish()?;
    Ok(exported)
}

/// The refusal of names in full without a reason.
pub fn no_reason() -> Fault {
    Fault::usage(t!("names and phones are shown in full for a reason only"))
        .hint(t!("say why with --reason, for example --reason \"tax audit\"; it is kept in the audit trail"))
}

/// One figure that a file and the books must agree on.
struct Compared {
    file: String,
    what: String,
    from_file: Cell,
    from_books: Cell,
}

struct Work<'a> {
    ctx: &'a Ctx,
    span: Span,
    full: bool,
    staging: &'a Staging,
}

impl Work<'_> {
    fn run(&self, now: At, files: Vec<String>, label: &str) -> Result<Exported> {
        let conn = self.ctx.db.read();
        let books = rows::totals(conn, &self.span)?;
        let wallet_before = rows::wallets_at(conn, plus_days(self.span.period.from(), -1))?;
        let wallet_after = rows::wallets_at(conn, self.span.period.to())?;
        let mut book = Book::new(self.staging.folder(), self.ctx.today(now))?;
        self.charges(&mut book, books.charges)?;
        self.refunds(&mut book, books.refunds)?;
        self.fees(&mut book, books.fee_rows)?;
        self.wallet(&mut book, books.wallet_rows)?;
        self.redemptions(&mut book, books.redemptions)?;
        self.agreements(&mut book, books.agreements)?;
        let ledger_path = self.staging.path(&format!("{label}.journal"));
        self.journal(&mut book, &ledger_path, books.postings)?;

        let compared = self.compare(&books, &ledger_path, label)?;
        differences(&compared)?;
        self.summary(&mut book, &compared, &books, wallet_before, wallet_after)?;
        book.save(&self.staging.path(&format!("{label}.xlsx")))?;
        let rows = books.charges
            + books.refunds
            + books.fee_rows
            + books.wallet_rows
            + books.redemptions
            + books.agreements
            + books.postings;
        // These are the files' own figures as well: they were compared to the fen.
        Ok(Exported {
            folder: self.staging.target().to_owned(),
            files,
            rows,
            full: self.full,
            collected: books.collected,
            paid_back: books.paid_back,
            wallet_in: books.wallet_in,
            wallet_out: books.wallet_out,
            wallet_before,
            wallet_after,
            redeemed: books.redeemed,
            fees: books.fees,
            fees_known: books.fee_rows > 0,
        })
    }

    fn charges(&self, book: &mut Book, total: i64) -> Result<()> {
        let mut table = self.begin(book, CHARGES, t!("Charges"), CHARGE_HEADINGS, total)?;
        rows::each_charge(self.ctx.db.read(), &self.span, self.full, |row| {
            self.ctx.say(Event::Step(1));
            table.row(book, &self.charge_cells(&row))
        })?;
        self.end(table)
    }

    fn charge_cells(&self, row: &ChargeRow) -> [Cell; 16] {
        let collected = if row.state == "paid" { row.amount } else { Money::ZERO };
        let [no, name, phone] = person_cells(row.customer, &row.person);
        [
            Cell::Date(row.day.unwrap_or_else(|| self.ctx.today(row.at))),
            Cell::text(row.id),
            Cell::text(row.installment),
            Cell::Count(row.attempt),
            Cell::Text(word_text(&row.kind)),
            Cell::Text(self.rail_text(&row.rail)),
            Cell::text(&row.order_no),
            Cell::maybe(row.trade_no.as_ref().map(Cell::text)),
            no,
            name,
            phone,
            Cell::Text(word_text(&row.state)),
            Cell::maybe(row.reason.as_deref().map(word_text).map(Cell::Text)),
            Cell::text(&row.code),
            Cell::Amount(row.amount),
            Cell::Amount(collected),
        ]
    }

    fn refunds(&self, book: &mut Book, total: i64) -> Result<()> {
        let mut table = self.begin(book, REFUNDS, t!("Refunds"), REFUND_HEADINGS, total)?;
        rows::each_refund(self.ctx.db.read(), &self.span, self.full, |row| {
            self.ctx.say(Event::Step(1));
            table.row(book, &self.refund_cells(&row))
        })?;
        self.end(table)
    }

    fn refund_cells(&self, row: &RefundRow) -> [Cell; 13] {
        let paid_back = if row.state == "paid" { row.amount } else { Money::ZERO };
        let [no, name, phone] = person_cells(row.customer, &row.person);
        [
            Cell::Date(row.day.unwrap_or_else(|| self.ctx.today(row.at))),
            Cell::text(row.id),
            Cell::maybe(row.charge.map(Cell::text)),
            Cell::Text(self.rail_text(&row.rail)),
            Cell::text(&row.refund_no),
            no,
            name,
            phone,
            Cell::Text(word_text(&row.state)),
            // A settlement gives this word; every other reason is somebody's own.
            if row.why == "settlement" { Cell::Text(word_text(&row.why)) } else { Cell::text(&row.why) },
            Cell::text(&row.code),
            Cell::Amount(row.amount),
            Cell::Amount(paid_back),
        ]
    }

    fn fees(&self, book: &mut Book, total: i64) -> Result<()> {
        let mut table = self.begin(book, FEES, t!("Fees"), FEE_HEADINGS, total)?;
        rows::each_fee(self.ctx.db.read(), &self.span, |row| {
            self.ctx.say(Event::Step(1));
            table.row(book, &fee_cells(&row))
        })?;
        self.end(table)
    }

    fn wallet(&self, book: &mut Book, total: i64) -> Result<()> {
        let mut table = self.begin(book, WALLET, t!("Wallets"), WALLET_HEADINGS, total)?;
        rows::each_wallet_entry(self.ctx.db.read(), &self.span, self.full, |row| {
            self.ctx.say(Event::Step(1));
            table.row(book, &wallet_cells(&row))
        })?;
        self.end(table)
    }

    fn redemptions(&self, book: &mut Book, total: i64) -> Result<()> {
        let mut table = self.begin(book, REDEMPTIONS, t!("Redemptions"), REDEMPTION_HEADINGS, total)?;
        rows::each_redemption(self.ctx.db.read(), &self.span, self.full, |row| {
            self.ctx.say(Event::Step(1));
            table.row(book, &redemption_cells(&row))
        })?;
        self.end(table)
    }

    fn agreements(&self, book: &mut Book, total: i64) -> Result<()> {
        let mut table = self.begin(book, AGREEMENTS, t!("Agreements of the period"), AGREEMENT_HEADINGS, total)?;
        rows::each_agreement(self.ctx.db.read(), &self.span, self.full, |row| {
            self.ctx.say(Event::Step(1));
            table.row(book, &self.agreement_cells(&row)?)
        })?;
        self.end(table)
    }

    fn agreement_cells(&self, row: &AgreementRow) -> Result<[Cell; 19]> {
        let in_all = row.monthly.times(row.terms).unwrap_or(Money::ZERO);
        let [no, name, phone] = person_cells(row.customer, &row.person);
        Ok([
            Cell::text(row.id),
            Cell::text(&row.no),
            no,
            name,
            phone,
            Cell::text(&row.plan_code),
            Cell::text(&row.plan_name),
            Cell::Text(word_text(&row.source)),
            Cell::Text(word_text(&row.state)),
            Cell::Date(row.signed_on),
            Cell::Date(row.ends_on),
            Cell::maybe(row.ended_at.map(|at| Cell::Date(self.ctx.today(at)))),
            Cell::maybe(row.end_cause.as_deref().map(word_text).map(Cell::Text)),
            Cell::Count(row.terms),
            Cell::Amount(row.monthly),
            Cell::Amount(in_all),
            Cell::Count(row.paid_before),
            Cell::Count(row.collected_terms),
            Cell::Amount(row.collected),
        ])
    }

    /// The journal twice in one pass: as a table, and as hledger reads it.
    fn journal(&self, book: &mut Book, ledger_path: &Path, total: i64) -> Result<()> {
        let conn = self.ctx.db.read();
        let title = format!("{} {}", self.ctx.config.shop_name(text::lang()), self.span.period);
        let mut table = self.begin(book, JOURNAL, t!("Journal"), JOURNAL_HEADINGS, total)?;
        let mut ledger = Ledger::begin(ledger_path, conn, &self.span, &title)?;
        rows::each_posting(conn, &self.span, |row| {
            self.ctx.say(Event::Step(1));
            ledger.posting(&row, &word_text(&row.kind))?;
            table.row(book, &self.posting_cells(&row))
        })?;
        ledger.finish()?;
        self.end(table)
    }

    fn posting_cells(&self, row: &PostingRow) -> [Cell; 12] {
        let (debit, credit) = match row.amount.is_positive() {
            true => (Cell::Amount(row.amount), Cell::Empty),
            false => (Cell::Empty, Cell::Amount(-row.amount)),
        };
        [
            Cell::text(row.entry),
            Cell::Date(row.day),
            Cell::text(row.at.with_timezone(&self.ctx.zone()).format("%Y-%m-%d %H:%M:%S")),
            Cell::Text(word_text(&row.kind)),
            Cell::text(&row.reference),
            Cell::maybe(row.corrects.map(Cell::text)),
            Cell::text(&row.note),
            Cell::Count(row.line),
            Cell::text(&row.account),
            Cell::maybe((row.customer > 0).then(|| Cell::text(format_args!("c-{}", row.customer)))),
            debit,
            credit,
        ]
    }

    /// Reads every file back and sets its figures beside those of the books.
    fn compare(&self, books: &Totals, ledger_path: &Path, label: &str) -> Result<Vec<Compared>> {
        /// Columns counted from 0, their names, and what the books say.
        type Sums = Vec<(usize, String, Money)>;
        let (collected, paid_back) = (t!("Collected"), t!("Paid back"));
        let plan: [(&str, i64, Sums); 7] = [
            (CHARGES, books.charges, vec![(15, collected, books.collected)]),
            (REFUNDS, books.refunds, vec![(12, paid_back, books.paid_back)]),
            (FEES, books.fee_rows, vec![(5, t!("Fee"), books.fees)]),
            (WALLET, books.wallet_rows, vec![(9, t!("In"), books.wallet_in), (10, t!("Out"), books.wallet_out)]),
            (
                REDEMPTIONS,
                books.redemptions,
                vec![(14, t!("Amount"), books.redeemed), (17, t!("Cost"), books.redeemed_cost)],
            ),
            (AGREEMENTS, books.agreements, Vec::new()),
            (JOURNAL, books.postings, vec![(10, t!("Debit"), books.debit), (11, t!("Credit"), books.debit)]),
        ];
        let mut compared = Vec::new();
        let mut add = |file: &str, what: String, from_file: Cell, from_books: Cell| {
            compared.push(Compared { file: file.to_owned(), what, from_file, from_books });
        };
        for (file, rows, sums) in plan {
            let columns: Vec<usize> = sums.iter().map(|(column, ..)| *column).collect();
            let found = read_back(&self.staging.path(file), &columns)?;
            add(file, t!("Rows"), Cell::Count(found.rows), Cell::Count(rows));
            for ((_, what, expected), sum) in sums.into_iter().zip(found.sums) {
                add(file, what, Cell::Amount(sum), Cell::Amount(expected));
            }
        }
        let (postings, debit) = ledger::read_back(ledger_path)?;
        let file = format!("{label}.journal");
        add(&file, t!("Rows"), Cell::Count(postings), Cell::Count(books.postings));
        add(&file, t!("Debit"), Cell::Amount(debit), Cell::Amount(books.debit));
        Ok(compared)
    }

    fn summary(
        &self,
        book: &mut Book,
        compared: &[Compared],
        books: &Totals,
        wallet_before: Money,
        wallet_after: Money,
    ) -> Result<()> {
        let mut table = self.begin(book, SUMMARY, t!("Summary"), SUMMARY_HEADINGS, 0)?;
        let no_fees = (books.fee_rows == 0)
            .then(|| t!("no bill of a payment rail with fees was reconciled in this period, so the file is empty"));
        for it in compared {
            let is_empty = it.file == FEES && it.from_file == Cell::Count(0);
            let note = no_fees.as_ref().filter(|_| is_empty).map(Cell::text);
            let cells = [
                Cell::text(&it.file),
                Cell::text(&it.what),
                it.from_file.clone(),
                it.from_books.clone(),
                Cell::maybe(note),
            ];
            table.row(book, &cells)?;
        }
        let day_before: NaiveDate = plus_days(self.span.period.from(), -1);
        for (day, amount) in [(day_before, wallet_before), (self.span.period.to(), wallet_after)] {
            let what = t!("All wallets at the end of {day}", day = day);
            table.row(book, &[Cell::text(WALLET), Cell::Text(what), Cell::Empty, Cell::Amount(amount), Cell::Empty])?;
        }
        self.end(table)
    }

    fn begin(
        &self,
        book: &mut Book,
        file: &str,
        title: String,
        headings: &'static [&'static str],
        total: i64,
    ) -> Result<Table> {
        self.ctx.say(Event::Begin { label: file.to_owned(), total: total.unsigned_abs() });
        Table::begin(book, self.staging.path(file), title, headings)
    }

    fn end(&self, table: Table) -> Result<()> {
        self.ctx.say(Event::End);
        table.finish()
    }

    /// What customers call a rail; its own name where the shop has it no more.
    fn rail_text(&self, name: &str) -> String {
        self.ctx.config.rails.get(name).map_or_else(|| name.to_owned(), |rail| rail.label(text::lang()).to_owned())
    }
}

/// Fails on the first figure that differs.
fn differences(compared: &[Compared]) -> Result<()> {
    match compared.iter().find(|it| it.from_file != it.from_books) {
        None => Ok(()),
        Some(it) => Err(Fault::broken(t!(
            "{file} and the books differ in {what}: {from_file} in the file, {from_books} in the books; nothing was exported",
            file = it.file,
            what = it.what,
            from_file = it.from_file.csv(),
            from_books = it.from_books.csv()
        ))
        .hint(t!("`kibble check` names the records that do not fit together"))
        .into()),
    }
}

fn fee_cells(row: &FeeRow) -> [Cell; 6] {
    [
        Cell::Date(row.day),
        Cell::text(row.entry),
        Cell::Text(word_text(&row.kind)),
        Cell::text(&row.reference),
        Cell::text(&row.note),
        Cell::Amount(row.amount),
    ]
}

fn wallet_cells(row: &WalletRow) -> [Cell; 11] {
    let (into, out) = match row.amount.is_positive() {
        true => (Cell::Amount(row.amount), Cell::Empty),
        false => (Cell::Empty, Cell::Amount(-row.amount)),
    };
    let [no, name, phone] = person_cells(row.customer, &row.person);
    [
        Cell::Date(row.day),
        Cell::text(row.entry),
        Cell::Text(word_text(&row.kind)),
        Cell::text(&row.reference),
        no,
        name,
        phone,
        Cell::Text(if row.is_bonus { t!("bonus") } else { t!("paid in") }),
        Cell::text(&row.note),
        into,
        out,
    ]
}

fn redemption_cells(row: &RedemptionRow) -> [Cell; 18] {
    let line = row.line.as_ref();
    let text = |pick: fn(&rows::LineRow) -> &str| Cell::maybe(line.map(|line| Cell::text(pick(line))));
    // Lines are delivered and brought back at their price, so the amount says how many pieces it was about.
    let pieces = line.map(|line| match (row.amount.fen(), line.unit_price.fen()) {
        (0, _) | (_, 0) => line.qty,
        (amount, price) => amount / price,
    });
    let from_wallet = match (row.kind.as_str(), line) {
        ("delivery", Some(line)) => line.wallet_part,
        _ => row.from_wallet,
    };
    let person = match row.customer {
        Some(customer) => person_cells(customer, &row.person),
        None => [Cell::Empty, Cell::Empty, Cell::Empty],
    };
    let [no, name, phone] = person;
    [
        Cell::Date(row.day),
        Cell::text(row.entry),
        Cell::Text(word_text(&row.kind)),
        Cell::maybe(row.order.map(Cell::text)),
        Cell::text(&row.reference),
        no,
        name,
        phone,
        text(|line| &line.sku),
        text(|line| &line.name),
        Cell::maybe(line.map(|line| Cell::Text(category_text(&line.category)))),
        text(|line| &line.supplier),
        Cell::maybe(pieces.map(Cell::Count)),
        Cell::maybe(line.map(|line| Cell::Amount(line.unit_price))),
        Cell::Amount(row.amount),
        Cell::Amount(from_wallet),
        Cell::Amount(row.amount - from_wallet),
        Cell::Amount(row.cost),
    ]
}

fn person_cells(customer: crate::domain::id::CustomerId, person: &Person) -> [Cell; 3] {
    [Cell::text(customer), Cell::text(&person.name), Cell::text(&person.phone)]
}

/// A word of a column in the language of the files; a word that is not known here stays as it is.
pub fn word_text(word: &str) -> String {
    match word {
        "debit" => t!("debit"),
        "link" => t!("pay link"),
        "cash" => t!("at the counter"),
        "noted" => t!("noted"),
        "pending" => t!("pending"),
        "unknown" => t!("unknown"),
        "paid" => t!("paid"),
        "declined" => t!("declined"),
        "void" => t!("given up"),
        "no_funds" => t!("no funds"),
        "limit" => t!("limit reached"),
        "mandate_gone" => t!("mandate ended"),
        "customer_blocked" => t!("customer blocked"),
        "risk_refused" => t!("refused by the rail's risk check"),
        "outside_plan" => t!("outside the plan's dates"),
        "our_configuration" => t!("our configuration"),
        "other" => t!("other reason"),
        "signed" => t!("signed"),
        "imported" => t!("from the earlier book"),
        "waiting" => t!("waiting"),
        "active" => t!("active"),
        "paused" => t!("paused"),
        "completed" => t!("completed"),
        "settling" => t!("being settled"),
        "ended" => t!("terminated"),
        "cancelled" => t!("cancelled"),
        "consumer" => t!("ended by the customer"),
        "merchant" => t!("for the shop's cause"),
        "no_fault" => t!("nobody's fault"),
        "cooling_off" => t!("within the cooling-off days"),
        "charge" => t!("charge"),
        "refund_due" => t!("refund noted"),
        "refund_paid" => t!("refund paid"),
        "order" => t!("order paid"),
        "delivery" => t!("delivered"),
        "cancel" => t!("cancelled before delivery"),
        "return" => t!("returned"),
        "resend" => t!("sent again"),
        "settlement" => t!("settlement"),
        "opening" => t!("balance from before kibble"),
        "correction" => t!("correction"),
        "bill" => t!("bill of a payment rail"),
        "recon" => t!("decision about a bill"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AGREEMENT_HEADINGS, CHARGE_HEADINGS, Compared, FEE_HEADINGS, JOURNAL_HEADINGS, REDEMPTION_HEADINGS,
        REFUND_HEADINGS, WALLET_HEADINGS, differences, word_text,
    };
    use crate::domain::charge::{ChargeKind, ChargeState};
    use crate::domain::journal::EntryKind;
    use crate::domain::money::Money;
    use crate::domain::refund::RefundState;
    use crate::domain::report::Cell;
    use crate::text;

    #[test]
    fn a_file_that_differs_from_the_books_by_one_fen_is_an_error() {
        let pair = |file: i64, books: i64| Compared {
            file: "charges.csv".to_owned(),
            what: "Collected".to_owned(),
            from_file: Cell::Amount(Money::from_fen(file)),
            from_books: Cell::Amount(Money::from_fen(books)),
        };
        assert!(differences(&[pair(19_900, 19_900)]).is_ok());
        let error = differences(&[pair(1, 1), pair(19_900, 19_901)]).unwrap_err().to_string();
        assert!(error.contains("charges.csv") && error.contains("199.00") && error.contains("199.01"), "{error}");
    }

    #[test]
    fn the_columns_that_are_added_up_are_the_ones_with_money() {
        for (headings, column, name) in [
            (CHARGE_HEADINGS, 15, "Collected"),
            (REFUND_HEADINGS, 12, "Paid back"),
            (FEE_HEADINGS, 5, "Fee"),
            (WALLET_HEADINGS, 9, "In"),
            (WALLET_HEADINGS, 10, "Out"),
            (REDEMPTION_HEADINGS, 14, "Amount"),
            (REDEMPTION_HEADINGS, 17, "Cost"),
            (JOURNAL_HEADINGS, 10, "Debit"),
            (JOURNAL_HEADINGS, 11, "Credit"),
        ] {
            assert_eq!(headings[column], name);
        }
        assert_eq!(AGREEMENT_HEADINGS.len(), 19);
    }

    #[test]
    fn every_word_of_the_books_has_its_chinese() {
        let words = ChargeKind::ALL.iter().map(|it| it.word());
        let words = words.chain(ChargeState::ALL.iter().map(|it| it.word()));
        let words = words.chain(crate::domain::rail::Reason::ALL.iter().map(|it| it.word()));
        let words = words.chain(crate::domain::statement::Cause::ALL.iter().map(|it| it.word()));
        let words = words.chain(RefundState::ALL.iter().map(|it| it.word()));
        let words = words.chain(EntryKind::ALL.iter().map(|it| it.word()));
        let words = words.chain(crate::domain::agreement::AgreementState::ALL.iter().map(|it| it.word()));
        for word in words {
            let english = word_text(word);
            assert!(text::chinese(&english).is_some(), "{word}: {english}");
        }
    }
}
