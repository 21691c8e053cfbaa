//! How our types are spelled in columns: fen and ids as integers, instants as UTC text that sorts, dates as `2026-11-05`, words as text.

use chrono::{Datelike, NaiveDate, Timelike};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::domain::date::At;
use crate::domain::id::{
    AgreementId, BillId, ChargeId, CustomerId, EntryId, LineId, MandateId, MessageId, OrderId, PetId, RefundId, RunId,
    StatementId,
};
use crate::domain::money::Money;

/// An instant as it stands in a column: `2026-11-05T01:00:00Z`. Written and read by hand, because a row has many of them.
pub(super) fn instant(at: At) -> String {
    let (day, time) = (at.date_naive(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        day.year(),
        day.month(),
        day.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// What [`instant`] wrote.
fn read_instant(text: &str) -> Option<At> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let shape =
        |text: &str, sign: u8, places: [usize; 2]| places.iter().all(|at| text.as_bytes().get(*at) == Some(&sign));
    if day.len() != 10 || time.len() != 8 || !shape(day, b'-', [4, 7]) || !shape(time, b':', [2, 5]) {
        return None;
    }
    let year = i32::try_from(number(day, 0, 4)?).ok()?;
    let day = NaiveDate::from_ymd_opt(year, number(day, 5, 7)?, number(day, 8, 10)?)?;
    Some(day.and_hms_opt(number(time, 0, 2)?, number(time, 3, 5)?, number(time, 6, 8)?)?.and_utc())
}

/// A column's instant, wrapped so that rusqlite's own spelling of chrono types never creeps in.
pub(super) struct Instant(pub(super) At);

impl FromSql for Instant {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Instant> {
        let text = value.as_str()?;
        let wrong = || FromSqlError::Other(format!("`{text}` is no instant like 2026-11-05T01:00:00Z").into());
        read_instant(text).map(Instant).ok_or_else(wrong)
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
    word_at(row, row.as_ref().column_index(column)?, read)
}

fn word_at<T>(row: &rusqlite::Row<'_>, place: usize, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(place)?.as_str()?;
    read(text).ok_or_else(|| {
        let column = row.as_ref().column_name(place).unwrap_or_default();
        let what = format!("`{text}` is not a word that column {column} knows").into();
        rusqlite::Error::FromSqlConversionFailure(place, rusqlite::types::Type::Text, what)
    })
}

/// Reads a row's columns one after the other, in the order of its SELECT. Looking each up by its name is most of the cost of a wide row;
/// rows that are read a few at a time are better read by name.
pub(super) struct Cells<'row, 'rows> {
    row: &'row rusqlite::Row<'rows>,
    next: usize,
}

impl<'row, 'rows> Cells<'row, 'rows> {
    /// From the first column on.
    pub(super) fn of(row: &'row rusqlite::Row<'rows>) -> Cells<'row, 'rows> {
        Cells { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// Leaves out so many columns.
    pub(super) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    /// The next column.
    pub(super) fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.row.get(self.step())
    }

    /// The next column, a word of one of our enums.
    pub(super) fn word<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
        word_at(self.row, self.step(), read)
    }

    /// The same where there may be none.
    pub(super) fn maybe_word<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<Option<T>> {
        let place = self.step();
        match self.row.get_ref(place)? {
            ValueRef::Null => Ok(None),
            _ => word_at(self.row, place, read).map(Some),
        }
    }

    /// The next column, an instant.
    pub(super) fn at(&mut self) -> rusqlite::Result<At> {
        Ok(self.get::<Instant>()?.0)
    }

    /// The next column, an instant that may be absent.
    pub(super) fn maybe_at(&mut self) -> rusqlite::Result<Option<At>> {
        Ok(self.get::<Option<Instant>>()?.map(|at| at.0))
    }

    /// The next column, a date.
    pub(super) fn day(&mut self) -> rusqlite::Result<NaiveDate> {
        Ok(self.get::<Day>()?.0)
    }

    /// The next column, a date that may be absent.
    pub(super) fn maybe_day(&mut self) -> rusqlite::Result<Option<NaiveDate>> {
        Ok(self.get::<Option<Day>>()?.map(|day| day.0))
    }
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

#[cfg(test)]
mod tests {
    use super::{instant, read_instant};

    #[test]
    fn an_instant_is_read_as_it_was_written_and_nothing_else_is() {
        for text in ["2026-11-05T01:00:00Z", "0001-01-01T00:00:00Z", "2028-02-29T23:59:59Z"] {
            assert_eq!(instant(read_instant(text).unwrap()), text);
        }
        for text in [
            "2026-11-05",
            "2026-11-05T01:00:00",
            "2026-02-30T01:00:00Z",
            "2026-11-05T24:00:00Z",
            "2026-1--05T01:00:00Z",
            "年026-11-05T01:00:00Z",
            "2026-11-05 01:00:00Z",
        ] {
            assert_eq!(read_instant(text), None, "{text}");
        }
    }
}
