//! How our types are spelled in columns: fen and ids as integers, instants as UTC text that sorts, dates as `2026-11-05`, words as text.

use chrono::{NaiveDate, NaiveDateTime};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::domain::date::At;
use crate::domain::id::{
    AgreementId, BillId, ChargeId, CustomerId, EntryId, LineId, MandateId, MessageId, OrderId, PetId, RefundId, RunId,
    StatementId,
};
use crate::domain::money::Money;

/// `2026-11-05T01:00:00Z`
const INSTANT: &str = "%Y-%m-%dT%H:%M:%SZ";

/// An instant as it stands in a column.
pub(super) fn instant(at: At) -> String {
    at.format(INSTANT).to_string()
}

/// A column's instant, wrapped so that rusqlite's own spelling of chrono types never creeps in.
pub(super) struct Instant(pub(super) At);

impl FromSql for Instant {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Instant> {
        let text = value.as_str()?;
        NaiveDateTime::parse_from_str(text, INSTANT)
            .map(|at| Instant(at.and_utc()))
            .map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Instant {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(instant(self.0)))
    }
}

/// A column's civil date.
pub(super) struct Day(pub(super) NaiveDate);

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Day> {
        value.as_str()?.parse().map(Day).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.to_string()))
    }
}

impl FromSql for Money {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Money> {
        value.as_i64().map(Money::from_fen)
    }
}

impl ToSql for Money {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.fen()))
    }
}

macro_rules! id_column {
    ($($name:ident),+) => {$(
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$name> {
                value.as_i64().map($name::new)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.number()))
            }
        }
    )+};
}

id_column!(
    AgreementId,
    BillId,
    ChargeId,
    CustomerId,
    EntryId,
    LineId,
    MandateId,
    MessageId,
    OrderId,
    PetId,
    RefundId,
    RunId,
    StatementId
);

/// A condition that holds for every row when its parameter is not given. The usual `(:x IS NULL OR column = :x)` reads the whole
/// table even when it is given, because no index fits both halves.
pub(super) fn filter(column: &str, parameter: &str, is_given: bool) -> String {
    if is_given { format!("{column} = {parameter}") } else { format!("{parameter} IS NULL") }
}

/// Reads a column whose text is a word of one of our enums.
pub(super) fn word<T>(row: &rusqlite::Row<'_>, column: &str, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| {
        let place = row.as_ref().column_index(column).unwrap_or(0);
        let what = format!("`{text}` is not a word that column {column} knows").into();
        rusqlite::Error::FromSqlConversionFailure(place, rusqlite::types::Type::Text, what)
    })
}

/// Reads an instant that may be absent.
pub(super) fn maybe_at(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Option<At>> {
    Ok(row.get::<_, Option<Instant>>(column)?.map(|at| at.0))
}

/// Reads a date that may be absent.
pub(super) fn maybe_day(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Option<NaiveDate>> {
    Ok(row.get::<_, Option<Day>>(column)?.map(|day| day.0))
}

/// Reads an instant.
pub(super) fn at(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<At> {
    Ok(row.get::<_, Instant>(column)?.0)
}

/// Reads a date.
pub(super) fn day(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<NaiveDate> {
    Ok(row.get::<_, Day>(column)?.0)
}
