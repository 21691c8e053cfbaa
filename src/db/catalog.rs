//! The shelf: items with their prices, and whether the wallet may pay for them.

use anyhow::Result;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::Instant;
use crate::domain::catalog::Item;
use crate::domain::date::At;
use crate::domain::pet::Species;

const COLUMNS: &str = "sku, name_zh, name_en, category, species, brand, unit, cost, price, member_price, wallet_ok,
     wallet_by_hand, supplier, on_sale";

/// An item as it stands on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// The item.
    pub item: Item,
    /// Whether a person decided about the wallet; then a price list does not change that.
    pub wallet_by_hand: bool,
    /// Whether it can be ordered.
    pub on_sale: bool,
}

/// Which items.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this category.
    pub category: Option<String>,
    /// With this in code, name or brand.
    pub search: Option<String>,
    /// From this supplier.
    pub supplier: Option<String>,
}

/// Puts an item on the shelf, or in the place of the one with the same code.
pub fn save(conn: &Conn, shelved: &Shelved, now: At) -> Result<()> {
    let item = &shelved.item;
    conn.sql()
        .prepare_cached(
            "INSERT INTO item (sku, name_zh, name_en, category, species, brand, unit, cost, price, member_price, wallet_ok,
                               wallet_by_hand, supplier, on_sale, updated_at)
             VALUES (:sku, :name_zh, :name_en, :category, :species, :brand, :unit, :cost, :price, :member_price, :wallet,
                     :by_hand, :supplier, :on_sale, :at)
             ON CONFLICT (sku) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en,
               category = excluded.category, species = excluded.species, brand = excluded.brand, unit = excluded.unit,
               cost = excluded.cost, price = excluded.price, member_price = excluded.member_price,
               wallet_ok = excluded.wallet_ok, wallet_by_hand = excluded.wallet_by_hand, supplier = excluded.supplier,
               on_sale = excluded.on_sale, updated_at = excluded.updated_at",
        )?
        .execute(named_params! {
            ":sku": item.sku,
            ":name_zh": item.name_zh,
            ":name_en": item.name_en,
            ":category": item.category,
            ":species": item.species.map_or("", Species::word),
            ":brand": item.brand,
            ":unit": item.unit,
            ":cost": item.cost,
            ":price": item.price,
            ":member_price": item.member_price,
            ":wallet": item.wallet,
            ":by_hand": shelved.wallet_by_hand,
            ":supplier": item.supplier,
            ":on_sale": shelved.on_sale,
            ":at": Instant(now),
        })?;
    Ok(())
}

/// The item with this code.
pub fn get(conn: &Conn, sku: &str) -> Result<Option<Shelved>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM item WHERE sku = :sku"))?;
    let mut rows = query.query(named_params! { ":sku": sku })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Visits items by category and code.
pub fn each(conn: &Conn, filter: &Filter, mut visit: impl FnMut(Shelved) -> Result<()>) -> Result<()> {
    let like = filter.search.as_deref().map(contains);
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS} FROM item
         WHERE (:category IS NULL OR category = :category) AND (:supplier IS NULL OR supplier = :supplier)
           AND (:like IS NULL OR LOWER(sku) LIKE :like ESCAPE '!' OR LOWER(name_zh) LIKE :like ESCAPE '!'
                OR LOWER(name_en) LIKE :like ESCAPE '!' OR LOWER(brand) LIKE :like ESCAPE '!')
         ORDER BY category, sku"
    ))?;
    let mut rows =
        query.query(named_params! { ":category": filter.category, ":supplier": filter.supplier, ":like": like })?;
    while let Some(row) = rows.next()? {
        visit(from_row(row)?)?;
    }
    Ok(())
}

/// A pattern that finds `text` anywhere; its own `%` and `_` stand for themselves.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Shelved> {
    let species: String = row.get("species")?;
    Ok(Shelved {
        item: Item {
            sku: row.get("sku")?,
            name_zh: row.get("name_zh")?,
            name_en: row.get("name_en")?,
            category: row.get("category")?,
            species: Species::from_word(&species),
            brand: row.get("brand")?,
            unit: row.get("unit")?,
            cost: row.get("cost")?,
            price: row.get("price")?,
            member_price: row.get("member_price")?,
            wallet: row.get("wallet_ok")?,
            supplier: row.get("supplier")?,
        },
        wallet_by_hand: row.get("wallet_by_hand")?,
        on_sale: row.get("on_sale")?,
    })
}
