//! Plans on offer.

use anyhow::Result;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::{Instant, word};
use crate::domain::date::{At, FirstDebit};
use crate::domain::plan::{Plan, Scenario};

const COLUMNS: &str = "code, name_zh, name_en, scenario, monthly, terms, first_debit, sale_price, guarantee_days,
     contents_zh, contents_en";

/// Adds a plan, or replaces the one with the same code; signed agreements keep what they were signed with.
pub fn save(conn: &Conn, plan: &Plan, now: At) -> Result<()> {
    conn.sql().execute(
        "INSERT INTO plan (code, name_zh, name_en, scenario, monthly, terms, first_debit, sale_price, guarantee_days,
                           contents_zh, contents_en, on_offer, created_at)
         VALUES (:code, :name_zh, :name_en, :scenario, :monthly, :terms, :first, :sale_price, :guarantee,
                 :contents_zh, :contents_en, 1, :at)
         ON CONFLICT (code) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en,
           scenario = excluded.scenario, monthly = excluded.monthly, terms = excluded.terms,
           first_debit = excluded.first_debit, sale_price = excluded.sale_price, guarantee_days = excluded.guarantee_days,
           contents_zh = excluded.contents_zh, contents_en = excluded.contents_en, on_offer = 1",
        named_params! {
            ":code": plan.code,
            ":name_zh": plan.name_zh,
            ":name_en": plan.name_en,
            ":scenario": plan.scenario.word(),
            ":monthly": plan.monthly,
            ":terms": plan.terms,
            ":first": plan.first_debit.word(),
            ":sale_price": plan.sale_price,
            ":guarantee": plan.guarantee_days,
            ":contents_zh": plan.contents_zh,
            ":contents_en": plan.contents_en,
            ":at": Instant(now),
        },
    )?;
    Ok(())
}

/// Takes a plan off the offer. Returns false when there is none with this code.
pub fn withdraw(conn: &Conn, code: &str) -> Result<bool> {
    let changed =
        conn.sql().execute("UPDATE plan SET on_offer = 0 WHERE code = :code", named_params! { ":code": code })?;
    Ok(changed > 0)
}

/// The plan with this code, on offer or not.
pub fn get(conn: &Conn, code: &str) -> Result<Option<Plan>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM plan WHERE code = :code"))?;
    let mut rows = query.query(named_params! { ":code": code })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Plans by code; only those on offer unless `all`.
pub fn list(conn: &Conn, all: bool) -> Result<Vec<Plan>> {
    let mut query =
        conn.sql().prepare(&format!("SELECT {COLUMNS} FROM plan WHERE on_offer = 1 OR :all ORDER BY code"))?;
    let rows = query.query_map(named_params! { ":all": all }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Plan> {
    Ok(Plan {
        code: row.get("code")?,
        name_zh: row.get("name_zh")?,
        name_en: row.get("name_en")?,
        scenario: word(row, "scenario", Scenario::from_word)?,
        monthly: row.get("monthly")?,
        terms: row.get("terms")?,
        first_debit: word(row, "first_debit", FirstDebit::from_word)?,
        sale_price: row.get("sale_price")?,
        guarantee_days: row.get("guarantee_days")?,
        contents_zh: row.get("contents_zh")?,
        contents_en: row.get("contents_en")?,
    })
}
