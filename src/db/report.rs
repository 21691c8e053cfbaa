//! Read-only joins for reports, each a statement in `report/*.sql` that adds up in one pass. Owns no table and writes nothing.

pub mod export;

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::{Day, Instant, at};
use crate::domain::customer::{Phone, label, mask_name};
use crate::domain::date::{At, plus_days};
use crate::domain::id::{AgreementId, CustomerId};
use crate::domain::money::Money;
use crate::domain::report::{Period, Rank};

/// The days of a report with the moments at which they begin and end in the shop's zone.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// First and last day.
    pub period: Period,
    /// The first moment of the first day.
    pub start: At,
    /// The first moment after the last day.
    pub end: At,
    /// The day at which overdue is counted.
    pub cut_off: NaiveDate,
}

/// Days past due at which overdue is counted: the standard, and the bounds of the next two levels (domain facts 6.4).
pub const LATE_DAYS: [i64; 3] = [1, 8, 31];

/// Runs `work` on one state of the database, whatever other programs write meanwhile. For reading only.
///
/// # Errors
/// Those of `work`.
pub fn at_one_moment<T>(conn: &Conn, work: impl FnOnce() -> Result<T>) -> Result<T> {
    conn.sql().execute_batch("BEGIN")?;
    let done = work();
    // Nothing was written, so ending either way loses nothing; the result of `work` is what counts.
    drop(conn.sql().execute_batch("ROLLBACK"));
    done
}

/// How agreements came and went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreements {
    /// Signed in the period.
    pub signed: i64,
    /// Running at its end.
    pub active: i64,
    /// Completed in it.
    pub completed: i64,
    /// Terminated in it.
    pub ended: i64,
}

/// Counts agreements.
pub fn agreements(conn: &Conn, span: &Span) -> Result<Agreements> {
    let mut query = conn.sql().prepare_cached(include_str!("report/agreements.sql"))?;
    Ok(query.query_row(
        named_params! {
            ":from": Day(span.period.from()),
            ":to": Day(span.period.to()),
            ":start": Instant(span.start),
            ":end": Instant(span.end),
        },
        |row| {
            Ok(Agreements {
                signed: row.get("signed")?,
                active: row.get("active")?,
                completed: row.get("completed")?,
                ended: row.get("ended")?,
            })
        },
    )?)
}

/// Unpaid at the cut-off day by at least so many days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Days past due, one of [`LATE_DAYS`].
    pub days: i64,
    /// How much.
    pub amount: Money,
    /// How many agreements have such a term.
    pub agreements: i64,
}

/// What became of the installments due in the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many were due.
    pub due_count: i64,
    /// How much was due.
    pub due_amount: Money,
    /// How many were paid by its end.
    pub paid_count: i64,
    /// How much was paid by its end.
    pub paid_amount: Money,
    /// How much was due by the cut-off day.
    pub fallen_amount: Money,
    /// How many agreements had something due by the cut-off day.
    pub fallen_agreements: i64,
    /// What of it was overdue at the cut-off day.
    pub late: [Late; 3],
}

/// Adds up the installments due.
pub fn terms(conn: &Conn, span: &Span) -> Result<Terms> {
    let mut query = conn.sql().prepare_cached(include_str!("report/terms.sql"))?;
    let late_day = |days: i64| Day(plus_days(span.cut_off, -days));
    Ok(query.query_row(
        named_params! {
            ":from": Day(span.period.from()),
            ":to": Day(span.period.to()),
            ":end": Instant(span.end),
            ":cut_off": Day(span.cut_off),
            ":late_1": late_day(LATE_DAYS[0]),
            ":late_8": late_day(LATE_DAYS[1]),
            ":late_31": late_day(LATE_DAYS[2]),
        },
        |row| {
            let late = |days: i64| -> rusqlite::Result<Late> {
                Ok(Late {
                    days,
                    amount: row.get(format!("late_{days}_amount").as_str())?,
                    agreements: row.get(format!("late_{days}_agreements").as_str())?,
                })
            };
            Ok(Terms {
                due_count: row.get("due_count")?,
                due_amount: row.get("due_amount")?,
                paid_count: row.get("paid_count")?,
                paid_amount: row.get("paid_amount")?,
                fallen_amount: row.get("fallen_amount")?,
                fallen_agreements: row.get("fallen_agreements")?,
                late: [late(LATE_DAYS[0])?, late(LATE_DAYS[1])?, late(LATE_DAYS[2])?],
            })
        },
    )?)
}

/// How the debits for those installments went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Installments with at least one attempt.
    pub presented: i64,
    /// Paid by the first one.
    pub first_try: i64,
    /// Paid by one made within 24 hours of the first.
    pub within_day: i64,
    /// Attempts with a final result.
    pub decided: i64,
    /// Of these, paid.
    pub paid: i64,
}

/// Adds up the debits.
pub fn attempts(conn: &Conn, span: &Span) -> Result<Attempts> {
    let mut query = conn.sql().prepare_cached(include_str!("report/attempts.sql"))?;
    Ok(query.query_row(
        named_params! {
            ":from": Day(span.period.from()),
            ":to": Day(span.period.to()),
            ":calendar": span.period.calendar(),
        },
        |row| {
            Ok(Attempts {
                presented: row.get("presented")?,
                first_try: row.get("first_try")?,
                within_day: row.get("within_day")?,
                decided: row.get("decided")?,
                paid: row.get("paid")?,
            })
        },
    )?)
}

/// What moved in the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Collected by charges of every kind.
    pub collected: Money,
    /// How many charges that were.
    pub collections: i64,
    /// Paid back.
    pub refunded: Money,
    /// How many refunds that were.
    pub refunds: i64,
    /// Sales of goods delivered, less returns.
    pub revenue: Money,
    /// Their cost.
    pub cost: Money,
}

/// Adds up the journal.
pub fn moved(conn: &Conn, span: &Span) -> Result<Moved> {
    let mut query = conn.sql().prepare_cached(include_str!("report/money.sql"))?;
    Ok(query.query_row(named_params! { ":from": Day(span.period.from()), ":to": Day(span.period.to()) }, |row| {
        Ok(Moved {
            collected: row.get("collected")?,
            collections: row.get("collections")?,
            refunded: row.get("refunded")?,
            refunds: row.get("refunds")?,
            revenue: row.get("revenue")?,
            cost: row.get("cost")?,
        })
    })?)
}

/// What lies in wallets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wallets {
    /// All balances together at the end of the period.
    pub balance: Money,
    /// Value delivered from wallets since `since`.
    pub redeemed: Money,
}

/// Adds up wallets; `since` is the first moment of the days over which redemption is averaged.
pub fn wallets(conn: &Conn, span: &Span, since: At) -> Result<Wallets> {
    let mut query = conn.sql().prepare_cached(include_str!("report/wallet.sql"))?;
    Ok(query.query_row(
        named_params! { ":to": Day(span.period.to()), ":since": Instant(since), ":end": Instant(span.end) },
        |row| Ok(Wallets { balance: row.get("balance")?, redeemed: row.get("redeemed")? }),
    )?)
}

/// Unpaid today, whatever month it fell due in, by at least 1, 8 and 31 days.
pub fn arrears(conn: &Conn, today: NaiveDate) -> Result<[Money; 3]> {
    let mut query = conn.sql().prepare_cached(include_str!("report/arrears.sql"))?;
    let late_day = |days: i64| Day(plus_days(today, -days));
    Ok(query.query_row(
        named_params! {
            ":late_1": late_day(LATE_DAYS[0]),
            ":late_8": late_day(LATE_DAYS[1]),
            ":late_31": late_day(LATE_DAYS[2]),
        },
        |row| Ok([row.get("late_1_amount")?, row.get("late_8_amount")?, row.get("late_31_amount")?]),
    )?)
}

/// An item that sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seller {
    /// Its code.
    pub sku: String,
    /// Its name when it was ordered.
    pub name: String,
    /// Its category.
    pub category: String,
    /// Pieces delivered and kept.
    pub units: i64,
    /// What was paid for them.
    pub revenue: Money,
    /// That less their cost.
    pub profit: Money,
}

/// The `top` best sellers by `rank`.
pub fn sellers(conn: &Conn, span: &Span, rank: Rank, top: u32) -> Result<Vec<Seller>> {
    let mut query = conn.sql().prepare_cached(include_str!("report/sellers.sql"))?;
    let rows = query.query_map(
        named_params! {
            ":start": Instant(span.start),
            ":end": Instant(span.end),
            ":by": rank.word(),
            ":top": top,
        },
        |row| {
            Ok(Seller {
                sku: row.get("sku")?,
                name: row.get("name")?,
                category: row.get("category")?,
                units: row.get("units")?,
                revenue: row.get("revenue")?,
                profit: row.get("profit")?,
            })
        },
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// An agreement at high risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtRisk {
    /// Which.
    pub agreement: AgreementId,
    /// Whose.
    pub customer: CustomerId,
    /// The customer's masked name.
    pub label: String,
    /// Since when.
    pub since: At,
    /// Why.
    pub reason: String,
}

/// The `top` newest agreements at high risk, and how many there are in all.
pub fn at_risk(conn: &Conn, span: &Span, top: u32) -> Result<(i64, Vec<AtRisk>)> {
    let mut query = conn.sql().prepare_cached(include_str!("report/risk.sql"))?;
    let mut rows = query.query(named_params! { ":end": Instant(span.end), ":top": top })?;
    let (mut standing, mut found) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        standing = row.get("standing")?;
        found.push(AtRisk {
            agreement: row.get("agreement_id")?,
            customer: row.get("customer_id")?,
            label: person(conn, row, false)?.name,
            since: at(row, "since")?,
            reason: row.get("reason")?,
        });
    }
    Ok((standing, found))
}

/// A customer's name and phone as a report shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// `王**(0001)`, or the whole name; empty for a customer who was erased.
    pub name: String,
    /// `199****0001`, or the whole number.
    pub phone: String,
}

/// Unseals the columns `wrapped_key`, `name` and `phone` of a row; masked unless `full`.
fn person(conn: &Conn, row: &Row<'_>, full: bool) -> Result<Person> {
    let Some(wrapped) = row.get::<_, Option<Vec<u8>>>("wrapped_key")? else { return Ok(Person::default()) };
    let key = conn.keys().customer_key(&wrapped)?;
    let open = |column: &str| -> Result<String> { key.open_text(column, &row.get::<_, Vec<u8>>(column)?) };
    let (name, phone) = (open("name")?, open("phone")?);
    if full {
        return Ok(Person { name, phone });
    }
    Ok(match Phone::parse(&phone) {
        Ok(known) => Person { name: label(&name, &phone), phone: known.masked() },
        // A number that is no mobile number any more is not shown at all rather than shown in full.
        Err(_) => Person { name: mask_name(&name), phone: String::new() },
    })
}
