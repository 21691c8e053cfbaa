//! Bills of providers and their lines. A line is kept once, whichever files have it: its identity is the rail, the day, the numbers,
//! the amount, the fee and its ordinal among lines that are equal in all of these. The time of day is not part of it, because a
//! spreadsheet loses the seconds.
//!
//! A file goes row by row into a temporary table; one statement then numbers equal lines and keeps the new ones.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Day, Instant, at, day, filter, maybe_day, word};
use crate::domain::bill::{Dialect, LineKind};
use crate::domain::date::At;
use crate::domain::id::{BillId, ChargeId, LineId, RefundId};
use crate::domain::money::Money;

/// A bill as it was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// Its id.
    pub id: BillId,
    /// Whose.
    pub rail: String,
    /// In whose format.
    pub dialect: Dialect,
    /// `fetched`, `file`, `none`.
    pub source: String,
    /// The file's name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// First day.
    pub first_day: NaiveDate,
    /// Last day.
    pub last_day: NaiveDate,
    /// Its lines.
    pub lines: u64,
    /// Those that no earlier bill had.
    pub new_lines: u64,
    /// What its payments brought.
    pub came: Money,
    /// What its refunds gave back.
    pub went_back: Money,
    /// What the provider kept.
    pub fees: Money,
    /// When it was taken over.
    pub imported_at: At,
}

/// A bill to be kept.
#[derive(Clone, Debug)]
pub struct NewBill<'a> {
    /// Whose.
    pub rail: &'a str,
    /// In whose format.
    pub dialect: Dialect,
    /// `fetched`, `file`, `none`.
    pub source: &'a str,
    /// The file's name.
    pub name: &'a str,
    /// SHA-256 of the file.
    pub sha256: &'a str,
    /// First and last day.
    pub days: (NaiveDate, NaiveDate),
    /// Its lines.
    pub lines: u64,
    /// Those that no earlier bill had.
    pub new_lines: u64,
    /// What its payments brought.
    pub came: Money,
    /// What its refunds gave back.
    pub went_back: Money,
    /// What the provider kept.
    pub fees: Money,
}

const COLUMNS: &str = "id, rail, dialect, source, name, sha256, first_day, last_day, lines, new_lines, came, went_back, fees, imported_at";

/// Keeps a bill.
pub fn insert(conn: &Conn, new: &NewBill<'_>, now: At) -> Result<BillId> {
    Ok(conn.sql().query_row(
        "INSERT INTO bill (rail, dialect, source, name, sha256, first_day, last_day, lines, new_lines, came, went_back, fees,
                           imported_at)
         VALUES (:rail, :dialect, :source, :name, :sha256, :first, :last, :lines, :new, :came, :back, :fees, :at) RETURNING id",
        named_params! {
            ":rail": new.rail,
            ":dialect": new.dialect.word(),
            ":source": new.source,
            ":name": new.name,
            ":sha256": new.sha256,
            ":first": Day(new.days.0),
            ":last": Day(new.days.1),
            ":lines": i64::try_from(new.lines)?,
            ":new": i64::try_from(new.new_lines)?,
            ":came": new.came,
            ":back": new.went_back,
            ":fees": new.fees,
            ":at": Instant(now),
        },
        |row| row.get("id"),
    )?)
}

/// The bill with this id.
pub fn get(conn: &Conn, id: BillId) -> Result<Option<Bill>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM bill WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// The bill of a rail that came from the file with this hash.
pub fn by_sha(conn: &Conn, rail: &str, sha256: &str) -> Result<Option<Bill>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM bill WHERE rail = :rail AND sha256 = :sha256"))?;
    let mut rows = query.query(named_params! { ":rail": rail, ":sha256": sha256 })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Bills, the newest first, at most `limit`.
pub fn list(conn: &Conn, rail: Option<&str>, limit: u32) -> Result<Vec<Bill>> {
    let wanted = filter("rail", ":rail", rail.is_some());
    let mut query = conn
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM bill WHERE {wanted} ORDER BY id DESC LIMIT :limit"))?;
    let rows = query.query_map(named_params! { ":rail": rail, ":limit": limit }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Bill> {
    let count = |name: &str| row.get::<_, i64>(name).map(i64::unsigned_abs);
    Ok(Bill {
        id: row.get("id")?,
        rail: row.get("rail")?,
        dialect: word(row, "dialect", Dialect::from_word)?,
        source: row.get("source")?,
        name: row.get("name")?,
        sha256: row.get("sha256")?,
        first_day: day(row, "first_day")?,
        last_day: day(row, "last_day")?,
        lines: count("lines")?,
        new_lines: count("new_lines")?,
        came: row.get("came")?,
        went_back: row.get("went_back")?,
        fees: row.get("fees")?,
        imported_at: at(row, "imported_at")?,
    })
}

/// Days of a rail of which everything is known, from `from` to `to`.
pub fn days(conn: &Conn, rail: &str, from: NaiveDate, to: NaiveDate) -> Result<Vec<NaiveDate>> {
    let mut query = conn
        .sql()
        .prepare_cached("SELECT day FROM bill_day WHERE rail = :rail AND day BETWEEN :from AND :to ORDER BY day")?;
    let rows =
        query.query_map(named_params! { ":rail": rail, ":from": Day(from), ":to": Day(to) }, |row| day(row, "day"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The first and the last day of each rail of which everything is known.
pub fn known_days(conn: &Conn) -> Result<BTreeMap<String, (NaiveDate, NaiveDate)>> {
    let mut query = conn
        .sql()
        .prepare_cached("SELECT rail, MIN(day) AS first_day, MAX(day) AS last_day FROM bill_day GROUP BY rail")?;
    let rows = query.query_map([], |row| {
        // A group has at least one day.
        let none = NaiveDate::default();
        let first = maybe_day(row, "first_day")?.unwrap_or(none);
        Ok((row.get::<_, String>("rail")?, (first, maybe_day(row, "last_day")?.unwrap_or(none))))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Everything about these days is known from `bill` on.
pub fn add_days(conn: &Conn, rail: &str, bill: BillId, days: &[NaiveDate]) -> Result<()> {
    let mut insert = conn.sql().prepare_cached(
        "INSERT INTO bill_day (rail, day, bill_id) VALUES (:rail, :day, :bill) ON CONFLICT (rail, day) DO NOTHING",
    )?;
    for day in days {
        insert.execute(named_params! { ":rail": rail, ":day": Day(*day), ":bill": bill })?;
    }
    Ok(())
}

/// A row of a file on its way in.
#[derive(Clone, Debug)]
pub struct Staged<'a> {
    /// Its row in the file.
    pub row: u64,
    /// Day in the rail's zone.
    pub day: NaiveDate,
    /// The moment.
    pub at: At,
    /// What it is about.
    pub kind: LineKind,
    /// Our order number.
    pub order_no: &'a str,
    /// The provider's number.
    pub trade_no: &'a str,
    /// Our refund number.
    pub refund_no: &'a str,
    /// Positive came, negative went back.
    pub amount: Money,
    /// What the provider kept.
    pub fee: Money,
    /// What it should have kept.
    pub fee_expected: Money,
    /// Whether it needs no look by itself.
    pub is_sound: bool,
    /// The provider's words.
    pub said: &'a str,
}

/// Stages a file: `work` calls [`stage`] for each row. Only a temporary table is written, so that reading a long file keeps nobody from
/// the shop's database. What `work` returns comes back; after an error nothing is staged.
///
/// # Errors
/// Those of `work`, and of a full disk.
pub fn staged<T>(conn: &Conn, work: impl FnOnce() -> Result<T>) -> Result<T> {
    begin_stage(conn)?;
    conn.sql().execute_batch("BEGIN")?;
    let done = work();
    conn.sql().execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

/// Empties the table in which a file is staged.
pub fn begin_stage(conn: &Conn) -> Result<()> {
    conn.sql().execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS bill_stage (row INTEGER, day TEXT, at TEXT, kind TEXT, order_no TEXT, trade_no TEXT,
           refund_no TEXT, amount INTEGER, fee INTEGER, fee_expected INTEGER, is_sound INTEGER, said TEXT);
         DELETE FROM bill_stage;",
    )?;
    Ok(())
}

/// Stages a row.
pub fn stage(conn: &Conn, it: &Staged<'_>) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "INSERT INTO bill_stage (row, day, at, kind, order_no, trade_no, refund_no, amount, fee, fee_expected, is_sound, said)
             VALUES (:row, :day, :at, :kind, :order_no, :trade_no, :refund_no, :amount, :fee, :expected, :sound, :said)",
        )?
        .execute(named_params! {
            ":row": i64::try_from(it.row)?,
            ":day": Day(it.day),
            ":at": Instant(it.at),
            ":kind": it.kind.word(),
            ":order_no": it.order_no,
            ":trade_no": it.trade_no,
            ":refund_no": it.refund_no,
            ":amount": it.amount,
            ":fee": it.fee,
            ":expected": it.fee_expected,
            ":sound": it.is_sound,
            ":said": it.said,
        })?;
    Ok(())
}

/// Ends the staging; the rows are gone.
pub fn end_stage(conn: &Conn) -> Result<()> {
    conn.sql().execute_batch("DELETE FROM bill_stage")?;
    Ok(())
}

/// What a line is about, for a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The line.
    pub line: LineId,
    /// The bill that had it first.
    pub bill: BillId,
    /// Its day.
    pub day: NaiveDate,
    /// Its order number.
    pub order_no: String,
    /// Its amount.
    pub amount: Money,
}

const STAGED: &str =
    "SELECT row, day, at, kind, order_no, trade_no, refund_no, amount, fee, fee_expected, is_sound, said,
    row_number() OVER (PARTITION BY day, order_no, kind, trade_no, refund_no, amount, fee ORDER BY row) AS ordinal
  FROM bill_stage";

const SAME: &str = "s.day = l.day AND s.order_no = l.order_no AND s.kind = l.kind AND s.trade_no = l.trade_no
    AND s.refund_no = l.refund_no AND s.amount = l.amount AND s.fee = l.fee AND s.ordinal = l.ordinal";

/// A line of an earlier bill that the staged file should have and does not: it is of a day that the file has whole. A refund counts
/// only where the earlier bill lies inside the days of the file, because its row may carry the time of its payment.
pub fn first_lost(conn: &Conn, rail: &str, days: (NaiveDate, NaiveDate)) -> Result<Option<Named>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "WITH s AS ({STAGED})
         SELECT l.id, l.bill_id, l.day, l.order_no, l.amount FROM bill_line l
         JOIN bill b ON b.id = l.bill_id
         LEFT JOIN s ON {SAME}
         WHERE l.rail = :rail AND l.day BETWEEN :first AND :last AND s.row IS NULL
           AND (l.kind <> 'refund' OR (b.first_day >= :first AND b.last_day <= :last))
         ORDER BY l.id LIMIT 1"
    ))?;
    let mut rows = query.query(named_params! { ":rail": rail, ":first": Day(days.0), ":last": Day(days.1) })?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Named {
        line: row.get("id")?,
        bill: row.get("bill_id")?,
        day: day(row, "day")?,
        order_no: row.get("order_no")?,
        amount: row.get("amount")?,
    }))
}

/// A charge of another rail's with the order number of a staged row: the file belongs to that rail.
pub fn other_rail(conn: &Conn, rail: &str) -> Result<Option<(String, String)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT c.rail, c.order_no FROM bill_stage s JOIN charge c ON c.order_no = s.order_no
         WHERE c.rail <> :rail ORDER BY s.row LIMIT 1",
    )?;
    let mut rows = query.query(named_params! { ":rail": rail })?;
    Ok(rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get("rail")?, row.get("order_no")?))).transpose()?)
}

/// How many staged rows no earlier bill has.
pub fn count_new(conn: &Conn, rail: &str) -> Result<u64> {
    let count: i64 = conn.sql().query_row(
        &format!(
            "WITH s AS ({STAGED})
             SELECT CAST(count(*) AS BIGINT) AS number FROM s
             WHERE NOT EXISTS (SELECT 1 FROM bill_line l WHERE l.rail = :rail AND {SAME})"
        ),
        named_params! { ":rail": rail },
        |row| row.get("number"),
    )?;
    Ok(count.unsigned_abs())
}

/// Keeps the staged rows that no earlier bill has, as lines of `bill`.
pub fn keep_new(conn: &Conn, rail: &str, bill: BillId) -> Result<u64> {
    let kept = conn.sql().execute(
        &format!(
            "INSERT INTO bill_line (bill_id, row, rail, day, at, kind, order_no, trade_no, refund_no, amount, fee, fee_expected,
                                    is_sound, said, ordinal, state)
             SELECT :bill, s.row, :rail, s.day, s.at, s.kind, s.order_no, s.trade_no, s.refund_no, s.amount, s.fee,
                    s.fee_expected, s.is_sound, s.said, s.ordinal, 'open'
             FROM ({STAGED}) s WHERE true ORDER BY s.row
             ON CONFLICT (rail, day, order_no, kind, trade_no, refund_no, amount, fee, ordinal) DO NOTHING"
        ),
        named_params! { ":bill": bill, ":rail": rail },
    )?;
    Ok(u64::try_from(kept)?)
}

/// What the new lines of a bill come to on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySum {
    /// The day.
    pub day: NaiveDate,
    /// How many lines.
    pub lines: i64,
    /// What came less what went back.
    pub amount: Money,
    /// What the provider kept.
    pub fee: Money,
}

/// Adds up the lines that `bill` brought, day by day.
pub fn day_sums(conn: &Conn, bill: BillId) -> Result<Vec<DaySum>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT day, CAST(count(*) AS BIGINT) AS lines, CAST(SUM(amount) AS BIGINT) AS amount, CAST(SUM(fee) AS BIGINT) AS fee
         FROM bill_line WHERE bill_id = :bill GROUP BY day ORDER BY day",
    )?;
    let rows = query.query_map(named_params! { ":bill": bill }, |row| {
        Ok(DaySum { day: day(row, "day")?, lines: row.get("lines")?, amount: row.get("amount")?, fee: row.get("fee")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// The bill that had it first.
    pub bill: BillId,
    /// Its row in that file.
    pub row: u64,
    /// Whose.
    pub rail: String,
    /// Its day.
    pub day: NaiveDate,
    /// The moment.
    pub at: At,
    /// What it is about.
    pub kind: LineKind,
    /// Our order number.
    pub order_no: String,
    /// The provider's number.
    pub trade_no: String,
    /// Our refund number.
    pub refund_no: String,
    /// Positive came, negative went back.
    pub amount: Money,
    /// What the provider kept.
    pub fee: Money,
    /// What it should have kept.
    pub fee_expected: Money,
    /// Whether it needs no look by itself.
    pub is_sound: bool,
    /// The provider's words.
    pub said: String,
    /// `open`, `matched`, `decided`.
    pub state: String,
    /// The charge with its order number.
    pub charge: Option<ChargeId>,
    /// The refund with its refund number.
    pub refund: Option<RefundId>,
}

/// The columns of a line, as `l`.
pub(super) const LINE: &str =
    "l.id, l.bill_id, l.row, l.rail, l.day, l.at, l.kind, l.order_no, l.trade_no, l.refund_no, l.amount,
    l.fee, l.fee_expected, l.is_sound, l.said, l.state, l.charge_id, l.refund_id";

/// The line with this id.
pub fn line(conn: &Conn, id: LineId) -> Result<Option<Line>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {LINE} FROM bill_line l WHERE l.id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(line_row).transpose()?)
}

pub(super) fn line_row(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        id: row.get("id")?,
        bill: row.get("bill_id")?,
        row: row.get::<_, i64>("row")?.unsigned_abs(),
        rail: row.get("rail")?,
        day: day(row, "day")?,
        at: at(row, "at")?,
        kind: word(row, "kind", LineKind::from_word)?,
        order_no: row.get("order_no")?,
        trade_no: row.get("trade_no")?,
        refund_no: row.get("refund_no")?,
        amount: row.get("amount")?,
        fee: row.get("fee")?,
        fee_expected: row.get("fee_expected")?,
        is_sound: row.get("is_sound")?,
        said: row.get("said")?,
        state: row.get("state")?,
        charge: row.get("charge_id")?,
        refund: row.get("refund_id")?,
    })
}
