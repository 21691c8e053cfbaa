//! Mandates: permissions to debit.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::{Day, Instant, at, day, maybe_at, word};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, MandateId};
use crate::domain::mandate::{Mandate, MandateStatus};

const COLUMNS: &str =
    "id, agreement_id, lane, rail, contract_no, provider_no, state, valid_until, created_at, signed_at,
     ended_at, end_cause";

/// Adds a mandate that waits for the customer.
pub fn insert(
    conn: &Conn,
    agreement: AgreementId,
    lane: u32,
    rail: &str,
    contract_no: &str,
    valid_until: NaiveDate,
    now: At,
) -> Result<MandateId> {
    Ok(conn
        .sql()
        .prepare_cached(
            "INSERT INTO mandate (agreement_id, lane, rail, contract_no, state, valid_until, created_at)
             VALUES (:agreement, :lane, :rail, :contract_no, 'waiting', :until, :at) RETURNING id",
        )?
        .query_row(
            named_params! {
                ":agreement": agreement,
                ":lane": lane,
                ":rail": rail,
                ":contract_no": contract_no,
                ":until": Day(valid_until),
                ":at": Instant(now),
            },
            |row| row.get("id"),
        )?)
}

/// The mandate with this id.
pub fn get(conn: &Conn, id: MandateId) -> Result<Option<Mandate>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM mandate WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// The mandate with this number of ours, on this rail.
pub fn by_contract_no(conn: &Conn, rail: &str, contract_no: &str) -> Result<Option<Mandate>> {
    let mut query = conn
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM mandate WHERE contract_no = :contract_no AND rail = :rail"))?;
    let mut rows = query.query(named_params! { ":contract_no": contract_no, ":rail": rail })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Every mandate of an agreement, the first lane first, newer ones of a lane last.
pub fn of_agreement(conn: &Conn, agreement: AgreementId) -> Result<Vec<Mandate>> {
    let mut query = conn
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM mandate WHERE agreement_id = :agreement ORDER BY lane, id"))?;
    let rows = query.query_map(named_params! { ":agreement": agreement }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// States that the rail is asked about, in the words of the partial index, so that mandates of past years cost nothing.
const OPEN: &str = "state IN ('waiting','closing')";

/// Up to `limit` mandates in `state`, which is waiting or closing, after `after`, by id: pages for work that asks the rail about each.
pub fn page(conn: &Conn, state: MandateStatus, after: MandateId, limit: u32) -> Result<Vec<Mandate>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM mandate WHERE {OPEN} AND state = :state AND id > :after ORDER BY id LIMIT :limit"
    ))?;
    let rows = query.query_map(named_params! { ":state": state.word(), ":after": after, ":limit": limit }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Live mandates that end before `soon`, and before the next term of their agreement falls due.
pub fn outlived(conn: &Conn, soon: NaiveDate) -> Result<Vec<Mandate>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM mandate m
         WHERE state = 'live' AND valid_until < :soon
           AND valid_until < (SELECT MIN(i.due) FROM installment i
                              WHERE i.agreement_id = m.agreement_id AND i.state = 'open'
                                AND i.course IN ('planned','failing'))
         ORDER BY id"
    ))?;
    let rows = query.query_map(named_params! { ":soon": Day(soon) }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many mandates are in `state`, which is waiting or closing.
pub fn count_in(conn: &Conn, state: MandateStatus) -> Result<u64> {
    let count: i64 = conn.sql().query_row(
        &format!("SELECT count(*) FROM mandate WHERE {OPEN} AND state = :state"),
        named_params! { ":state": state.word() },
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// Visits every mandate by id, in one state when given.
pub fn each(conn: &Conn, state: Option<MandateStatus>, mut visit: impl FnMut(Mandate) -> Result<()>) -> Result<()> {
    let mut query = conn
        .sql()
        .prepare(&format!("SELECT {COLUMNS} FROM mandate WHERE :state IS NULL OR state = :state ORDER BY id"))?;
    let mut rows = query.query(named_params! { ":state": state.map(MandateStatus::word) })?;
    while let Some(row) = rows.next()? {
        visit(from_row(row)?)?;
    }
    Ok(())
}

/// The customer agreed.
pub fn set_live(conn: &Conn, id: MandateId, provider_no: &str, signed_at: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE mandate SET state = 'live', provider_no = :provider_no, signed_at = :signed_at WHERE id = :id",
        )?
        .execute(named_params! {
            ":provider_no": provider_no,
            ":signed_at": Instant(signed_at),
            ":id": id,
        })?;
    Ok(())
}

/// Moves a mandate into an ending state, with the cause.
pub fn end(conn: &Conn, id: MandateId, state: MandateStatus, cause: &str, when: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE mandate SET state = :state, end_cause = COALESCE(end_cause, :cause), ended_at = :at WHERE id = :id",
        )?
        .execute(named_params! { ":state": state.word(), ":cause": cause, ":at": Instant(when), ":id": id })?;
    Ok(())
}

/// Marks every waiting or live mandate of an agreement as to be closed. Returns their ids.
pub fn close_all(conn: &Conn, agreement: AgreementId, cause: &str, now: At) -> Result<Vec<MandateId>> {
    let mut query = conn.sql().prepare_cached(
        "UPDATE mandate SET state = 'closing', end_cause = :cause, ended_at = :at
         WHERE agreement_id = :agreement AND state IN ('waiting','live') RETURNING id",
    )?;
    let rows = query
        .query_map(named_params! { ":cause": cause, ":at": Instant(now), ":agreement": agreement }, |row| {
            row.get("id")
        })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many mandates the agreement has had, for the next contract number.
pub fn count_of(conn: &Conn, agreement: AgreementId) -> Result<u32> {
    Ok(conn.sql().query_row(
        "SELECT count(*) FROM mandate WHERE agreement_id = :agreement",
        named_params! { ":agreement": agreement },
        |row| row.get(0),
    )?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Mandate> {
    Ok(Mandate {
        id: row.get("id")?,
        agreement: row.get("agreement_id")?,
        lane: row.get("lane")?,
        rail: row.get("rail")?,
        contract_no: row.get("contract_no")?,
        provider_no: row.get("provider_no")?,
        state: word(row, "state", MandateStatus::from_word)?,
        valid_until: day(row, "valid_until")?,
        created_at: at(row, "created_at")?,
        signed_at: maybe_at(row, "signed_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        end_cause: row.get("end_cause")?,
    })
}
