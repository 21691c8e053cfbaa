//! The rows of an export, visited one by one so that memory does not grow with their number, and what the books say in total.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, Statement, named_params};

use super::{Person, Span, person};
use crate::db::Conn;
use crate::db::types::{Day, Instant, at, day, maybe_at, maybe_day};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, CustomerId, EntryId, InstallmentId, OrderId, RefundId};
use crate::domain::money::Money;

/// What the books say about a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows of charges.
    pub charges: i64,
    /// Collected, by the journal.
    pub collected: Money,
    /// Rows of refunds.
    pub refunds: i64,
    /// Paid back, by the journal.
    pub paid_back: Money,
    /// Postings on the fees account.
    pub fee_rows: i64,
    /// Their sum.
    pub fees: Money,
    /// Postings on wallets.
    pub wallet_rows: i64,
    /// Into wallets.
    pub wallet_in: Money,
    /// Out of wallets.
    pub wallet_out: Money,
    /// Lines delivered and returned.
    pub redemptions: i64,
    /// Their sales, returns taken off.
    pub redeemed: Money,
    /// Their cost, returns taken off.
    pub redeemed_cost: Money,
    /// Agreements that ran in the period.
    pub agreements: i64,
    /// Postings.
    pub postings: i64,
    /// All debits; the credits are as much.
    pub debit: Money,
}

/// Adds up the books.
pub fn totals(conn: &Conn, span: &Span) -> Result<Totals> {
    Ok(conn.sql().query_row(
        include_str!("totals.sql"),
        named_params! {
            ":from": Day(span.period.from()),
            ":to": Day(span.period.to()),
            ":start": Instant(span.start),
            ":end": Instant(span.end),
        },
        |row| {
            Ok(Totals {
                charges: row.get("charges")?,
                collected: row.get("collected")?,
                refunds: row.get("refunds")?,
                paid_back: row.get("paid_back")?,
                fee_rows: row.get("fee_rows")?,
                fees: row.get("fees")?,
                wallet_rows: row.get("wallet_rows")?,
                wallet_in: row.get("wallet_in")?,
                wallet_out: row.get("wallet_out")?,
                redemptions: row.get("redemptions")?,
                redeemed: row.get("redeemed")?,
                redeemed_cost: row.get("redeemed_cost")?,
                agreements: row.get("agreements")?,
                postings: row.get("postings")?,
                debit: row.get("debit")?,
            })
        },
    )?)
}

/// What all wallets held together at the end of `day`.
pub fn wallets_at(conn: &Conn, day: NaiveDate) -> Result<Money> {
    Ok(conn
        .sql()
        .query_row(include_str!("wallet_at.sql"), named_params! { ":day": Day(day) }, |row| row.get("balance"))?)
}

/// A charge as it is exported.
#[derive(Clone, Debug)]
pub struct ChargeRow {
    /// The day it was booked on, when it was.
    pub day: Option<NaiveDate>,
    /// When it was declined, or else written down.
    pub at: At,
    /// Its id.
    pub id: ChargeId,
    /// Which term.
    pub installment: InstallmentId,
    /// Number of the attempt.
    pub attempt: i64,
    /// `debit`, `link`, `cash`.
    pub kind: String,
    /// On which rail.
    pub rail: String,
    /// Our order number.
    pub order_no: String,
    /// The provider's number.
    pub trade_no: Option<String>,
    /// How much was asked for.
    pub amount: Money,
    /// Its state.
    pub state: String,
    /// Why it was declined.
    pub reason: Option<String>,
    /// The provider's code.
    pub code: String,
    /// When the money moved.
    pub paid_at: Option<At>,
    /// Whose.
    pub customer: CustomerId,
    /// Name and phone as they are shown.
    pub person: Person,
}

/// Visits the charges of a period.
pub fn each_charge(conn: &Conn, span: &Span, full: bool, mut visit: impl FnMut(ChargeRow) -> Result<()>) -> Result<()> {
    each_in_span(conn, include_str!("charges.sql"), span, |row| {
        visit(ChargeRow {
            day: maybe_day(row, "day")?,
            at: at(row, "at")?,
            id: row.get("id")?,
            installment: InstallmentId { agreement: row.get("agreement_id")?, term: row.get("term")? },
            attempt: row.get("attempt")?,
            kind: row.get("kind")?,
            rail: row.get("rail")?,
            order_no: row.get("order_no")?,
            trade_no: row.get("trade_no")?,
            amount: row.get("amount")?,
            state: row.get("state")?,
            reason: row.get("reason")?,
            code: row.get("code")?,
            paid_at: maybe_at(row, "paid_at")?,
            customer: row.get("customer_id")?,
            person: person(conn, row, full)?,
        })
    })
}

/// A refund as it is exported.
#[derive(Clone, Debug)]
pub struct RefundRow {
    /// The day it was booked as paid, when it was.
    pub day: Option<NaiveDate>,
    /// When it was written down.
    pub at: At,
    /// Its id.
    pub id: RefundId,
    /// Of which charge.
    pub charge: Option<ChargeId>,
    /// On which rail.
    pub rail: String,
    /// Our refund number.
    pub refund_no: String,
    /// How much.
    pub amount: Money,
    /// Its state.
    pub state: String,
    /// Why.
    pub why: String,
    /// The provider's code.
    pub code: String,
    /// To whom.
    pub customer: CustomerId,
    /// Name and phone as they are shown.
    pub person: Person,
}

/// Visits the refunds of a period.
pub fn each_refund(conn: &Conn, span: &Span, full: bool, mut visit: impl FnMut(RefundRow) -> Result<()>) -> Result<()> {
    each_in_span(conn, include_str!("refunds.sql"), span, |row| {
        visit(RefundRow {
            day: maybe_day(row, "day")?,
            at: at(row, "at")?,
            id: row.get("id")?,
            charge: row.get("charge_id")?,
            rail: row.get("rail")?,
            refund_no: row.get("refund_no")?,
            amount: row.get("amount")?,
            state: row.get("state")?,
            why: row.get("why")?,
            code: row.get("code")?,
            customer: row.get("customer_id")?,
            person: person(conn, row, full)?,
        })
    })
}

/// A posting on the fees account.
#[derive(Clone, Debug)]
pub struct FeeRow {
    /// Its entry.
    pub entry: EntryId,
    /// The day it was booked on.
    pub day: NaiveDate,
    /// Kind of the entry.
    pub kind: String,
    /// What it is about.
    pub reference: String,
    /// The entry's remark.
    pub note: String,
    /// How much; negative for a fee given back.
    pub amount: Money,
}

/// Visits the fees of a period.
pub fn each_fee(conn: &Conn, span: &Span, mut visit: impl FnMut(FeeRow) -> Result<()>) -> Result<()> {
    each_in_days(conn, include_str!("fees.sql"), span, |row| {
        visit(FeeRow {
            entry: row.get("id")?,
            day: day(row, "day")?,
            kind: row.get("kind")?,
            reference: row.get("ref")?,
            note: row.get("note")?,
            amount: row.get("amount")?,
        })
    })
}

/// A movement on a wallet.
#[derive(Clone, Debug)]
pub struct WalletRow {
    /// Its entry.
    pub entry: EntryId,
    /// The day it was booked on.
    pub day: NaiveDate,
    /// Kind of the entry.
    pub kind: String,
    /// What it is about.
    pub reference: String,
    /// The entry's remark.
    pub note: String,
    /// True for the bonus the shop gave, false for what the customer paid in.
    pub is_bonus: bool,
    /// How much; positive goes in.
    pub amount: Money,
    /// Whose.
    pub customer: CustomerId,
    /// Name and phone as they are shown.
    pub person: Person,
}

/// Visits the wallet movements of a period.
pub fn each_wallet_entry(
    conn: &Conn,
    span: &Span,
    full: bool,
    mut visit: impl FnMut(WalletRow) -> Result<()>,
) -> Result<()> {
    each_in_days(conn, include_str!("wallet_entries.sql"), span, |row| {
        visit(WalletRow {
            entry: row.get("id")?,
            day: day(row, "day")?,
            kind: row.get("kind")?,
            reference: row.get("ref")?,
            note: row.get("note")?,
            is_bonus: row.get::<_, String>("account")? == crate::domain::journal::WALLET_BONUS,
            amount: row.get("amount")?,
            customer: row.get("customer_id")?,
            person: person(conn, row, full)?,
        })
    })
}

/// The order line that a delivery or a return is about.
#[derive(Clone, Debug)]
pub struct LineRow {
    /// The item's code.
    pub sku: String,
    /// Its name when it was ordered.
    pub name: String,
    /// Its category.
    pub category: String,
    /// Who supplied it.
    pub supplier: String,
    /// Pieces ordered.
    pub qty: i64,
    /// What one cost the customer.
    pub unit_price: Money,
    /// What the wallet paid for the whole line.
    pub wallet_part: Money,
}

/// A delivery or a return.
#[derive(Clone, Debug)]
pub struct RedemptionRow {
    /// Its entry.
    pub entry: EntryId,
    /// The day it was booked on.
    pub day: NaiveDate,
    /// `delivery` or `return`.
    pub kind: String,
    /// Order, line and, for a return, its count.
    pub reference: String,
    /// The order, where the reference names one.
    pub order: Option<OrderId>,
    /// The line, where it still can be found.
    pub line: Option<LineRow>,
    /// What was sold; negative for a return.
    pub amount: Money,
    /// What its own entry moved on the wallet; negative when it went back. A delivery moves nothing there: the wallet paid
    /// when the order was placed.
    pub from_wallet: Money,
    /// What it cost; negative for a return.
    pub cost: Money,
    /// Whose.
    pub customer: Option<CustomerId>,
    /// Name and phone as they are shown.
    pub person: Person,
}

/// Visits the order lines delivered and returned in a period.
pub fn each_redemption(
    conn: &Conn,
    span: &Span,
    full: bool,
    mut visit: impl FnMut(RedemptionRow) -> Result<()>,
) -> Result<()> {
    // The line is looked up by its key, row by row: the key stands inside the reference's text, and databases share no
    // function that would cut it out for a join.
    let mut lines = conn.sql().prepare(
        "SELECT sku, name, category, supplier, qty, unit_price, wallet_part FROM order_line
         WHERE order_id = :order AND line = :line",
    )?;
    each_in_days(conn, include_str!("redemptions.sql"), span, |row| {
        let reference: String = row.get("ref")?;
        let key = numbers(&reference);
        let line = match key.as_slice() {
            [order, line, ..] => order_line(&mut lines, *order, *line)?,
            _ => None,
        };
        visit(RedemptionRow {
            entry: row.get("id")?,
            day: day(row, "day")?,
            kind: row.get("kind")?,
            order: key.first().map(|number| OrderId::new(*number)),
            line,
            reference,
            amount: row.get("amount")?,
            from_wallet: row.get("from_wallet")?,
            cost: row.get("cost")?,
            customer: row.get("customer_id")?,
            person: person(conn, row, full)?,
        })
    })
}

fn order_line(lines: &mut Statement<'_>, order: i64, line: i64) -> Result<Option<LineRow>> {
    let mut rows = lines.query(named_params! { ":order": order, ":line": line })?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(LineRow {
        sku: row.get("sku")?,
        name: row.get("name")?,
        category: row.get("category")?,
        supplier: row.get("supplier")?,
        qty: row.get("qty")?,
        unit_price: row.get("unit_price")?,
        wallet_part: row.get("wallet_part")?,
    }))
}

/// The numbers in a reference: `o-31/2/1` -> 31, 2, 1.
fn numbers(reference: &str) -> Vec<i64> {
    reference.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// An agreement as it is exported.
#[derive(Clone, Debug)]
pub struct AgreementRow {
    /// Its id.
    pub id: AgreementId,
    /// The number printed on it.
    pub no: String,
    /// Whose.
    pub customer: CustomerId,
    /// Name and phone as they are shown.
    pub person: Person,
    /// Plan code at signing.
    pub plan_code: String,
    /// Plan name at signing.
    pub plan_name: String,
    /// `signed` or `imported`.
    pub source: String,
    /// Where it stands today.
    pub state: String,
    /// Amount of each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: i64,
    /// Civil date of signing.
    pub signed_on: NaiveDate,
    /// Last day agreed.
    pub ends_on: NaiveDate,
    /// Terms collected before kibble.
    pub paid_before: i64,
    /// Terms collected by the end of the period.
    pub collected_terms: i64,
    /// Collected for it by the end of the period.
    pub collected: Money,
    /// When it ended.
    pub ended_at: Option<At>,
    /// Why it ended.
    pub end_cause: Option<String>,
}

/// Visits the agreements that ran in a period.
pub fn each_agreement(
    conn: &Conn,
    span: &Span,
    full: bool,
    mut visit: impl FnMut(AgreementRow) -> Result<()>,
) -> Result<()> {
    let mut query = conn.sql().prepare(include_str!("agreement_list.sql"))?;
    let mut rows = query.query(named_params! {
        ":to": Day(span.period.to()),
        ":start": Instant(span.start),
        ":end": Instant(span.end),
    })?;
    while let Some(row) = rows.next()? {
        visit(AgreementRow {
            id: row.get("id")?,
            no: row.get("no")?,
            customer: row.get("customer_id")?,
            person: person(conn, row, full)?,
            plan_code: row.get("plan_code")?,
            plan_name: row.get("plan_name")?,
            source: row.get("source")?,
            state: row.get("state")?,
            monthly: row.get("monthly")?,
            terms: row.get("terms")?,
            signed_on: day(row, "signed_on")?,
            ends_on: day(row, "ends_on")?,
            paid_before: row.get("paid_before")?,
            collected_terms: row.get("collected_terms")?,
            collected: row.get("collected")?,
            ended_at: maybe_at(row, "ended_at")?,
            end_cause: row.get("end_cause")?,
        })?;
    }
    Ok(())
}

/// A posting with its entry.
#[derive(Clone, Debug)]
pub struct PostingRow {
    /// Its entry.
    pub entry: EntryId,
    /// When it was booked.
    pub at: At,
    /// On which business day.
    pub day: NaiveDate,
    /// Kind of the entry.
    pub kind: String,
    /// What it is about.
    pub reference: String,
    /// Whose movement it is.
    pub whose: Option<CustomerId>,
    /// Which entry it corrects.
    pub corrects: Option<EntryId>,
    /// The entry's remark.
    pub note: String,
    /// Number of the posting within its entry.
    pub line: i64,
    /// The account's code.
    pub account: String,
    /// Number of the customer whose account it is; 0 for the shop's own.
    pub customer: i64,
    /// Positive debits, negative credits.
    pub amount: Money,
}

/// Visits every posting of a period, entry by entry.
pub fn each_posting(conn: &Conn, span: &Span, mut visit: impl FnMut(PostingRow) -> Result<()>) -> Result<()> {
    each_in_days(conn, include_str!("journal.sql"), span, |row| {
        visit(PostingRow {
            entry: row.get("id")?,
            at: at(row, "at")?,
            day: day(row, "day")?,
            kind: row.get("kind")?,
            reference: row.get("ref")?,
            whose: row.get("whose")?,
            corrects: row.get("corrects")?,
            note: row.get("note")?,
            line: row.get("line")?,
            account: row.get("account")?,
            customer: row.get("customer_id")?,
            amount: row.get("amount")?,
        })
    })
}

/// Visits every account that was ever used: its code, and the number of its customer or 0.
pub fn each_account(conn: &Conn, mut visit: impl FnMut(&str, i64) -> Result<()>) -> Result<()> {
    let mut query = conn.sql().prepare(include_str!("accounts.sql"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(&row.get::<_, String>("account")?, row.get("customer_id")?)?;
    }
    Ok(())
}

/// Visits every account that was not at zero when the period began: code, number of its customer or 0, balance.
pub fn each_opening(conn: &Conn, span: &Span, mut visit: impl FnMut(&str, i64, Money) -> Result<()>) -> Result<()> {
    let mut query = conn.sql().prepare(include_str!("opening.sql"))?;
    let mut rows = query.query(named_params! { ":from": Day(span.period.from()) })?;
    while let Some(row) = rows.next()? {
        visit(&row.get::<_, String>("account")?, row.get("customer_id")?, row.get("amount")?)?;
    }
    Ok(())
}

/// Runs a statement that knows the period's days and moments.
fn each_in_span(conn: &Conn, sql: &str, span: &Span, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut query = conn.sql().prepare(sql)?;
    let mut rows = query.query(named_params! {
        ":from": Day(span.period.from()),
        ":to": Day(span.period.to()),
        ":start": Instant(span.start),
        ":end": Instant(span.end),
    })?;
    while let Some(row) = rows.next()? {
        visit(row)?;
    }
    Ok(())
}

/// Runs a statement that knows the period's days only.
fn each_in_days(conn: &Conn, sql: &str, span: &Span, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut query = conn.sql().prepare(sql)?;
    let mut rows = query.query(named_params! { ":from": Day(span.period.from()), ":to": Day(span.period.to()) })?;
    while let Some(row) = rows.next()? {
        visit(row)?;
    }
    Ok(())
}
