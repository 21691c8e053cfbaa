//! Points: given for paid charges, taken back by refunds. Rows are never changed; a customer's points are their sum.

use anyhow::Result;
use rusqlite::named_params;

use crate::db::Conn;
use crate::db::types::Instant;
use crate::domain::date::At;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;
use crate::domain::points::PointsKind;

/// Gives points. None are written for zero. The unique index refuses a second grant for the same record.
pub fn grant(conn: &Conn, customer: CustomerId, kind: PointsKind, reference: &str, points: i64, now: At) -> Result<()> {
    if points == 0 {
        return Ok(());
    }
    conn.sql()
        .prepare_cached(
            "INSERT INTO points (customer_id, at, kind, ref, points) VALUES (:customer, :at, :kind, :ref, :points)",
        )?
        .execute(named_params! {
            ":customer": customer,
            ":at": Instant(now),
            ":kind": kind.word(),
            ":ref": reference,
            ":points": points,
        })?;
    Ok(())
}

/// Takes back `points` for the refund `reference`. The sum may fall below zero when the customer has used them already.
pub fn take_back(conn: &Conn, customer: CustomerId, reference: &str, points: i64, now: At) -> Result<()> {
    grant(conn, customer, PointsKind::Refund, reference, -points, now)
}

/// How many points a customer has.
pub fn sum(conn: &Conn, customer: CustomerId) -> Result<i64> {
    let mut query = conn.sql().prepare_cached(
        "SELECT CAST(COALESCE(SUM(points), 0) AS BIGINT) AS total FROM points WHERE customer_id = :customer",
    )?;
    Ok(query.query_row(named_params! { ":customer": customer }, |row| row.get("total"))?)
}

/// What counts for a tier: terms collected, by kibble or before it, and their amount less what was refunded of it.
pub fn performed(conn: &Conn, customer: CustomerId) -> Result<(u32, Money)> {
    let mut query = conn.sql().prepare_cached(
        "SELECT count(*) AS months,
                CAST(COALESCE(SUM(i.amount - COALESCE(c.refunded, 0)), 0) AS BIGINT) AS amount
         FROM agreement a
         JOIN installment i ON i.agreement_id = a.id AND i.state IN ('paid','before')
         LEFT JOIN charge c ON c.agreement_id = i.agreement_id AND c.term = i.term AND c.state = 'paid'
         WHERE a.customer_id = :customer",
    )?;
    Ok(query.query_row(named_params! { ":customer": customer }, |row| Ok((row.get("months")?, row.get("amount")?)))?)
}
