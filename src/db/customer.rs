//! Customers: sealed columns, look-ups by keyed hash. Knows nothing of agreements.

use anyhow::{Context, Result};
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Instant, at};
use crate::domain::customer;
use crate::domain::date::At;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;
use crate::fault::Fault;
use crate::t;

const COLUMNS: &str = "id, wrapped_key, name, phone, id_number, address, lang, created_at";

/// A customer to be added; phone and ID number are normalised already.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Full name.
    pub name: String,
    /// Eleven digits.
    pub phone: String,
    /// Eighteen characters.
    pub id_number: String,
    /// Where goods go.
    pub address: Option<String>,
    /// `zh` or `en`: language of messages.
    pub lang: String,
}

/// A customer, unsealed. Mask before showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Customer {
    /// The id.
    pub id: CustomerId,
    /// Full name.
    pub name: String,
    /// Eleven digits.
    pub phone: String,
    /// Eighteen characters.
    pub id_number: String,
    /// Where goods go.
    pub address: Option<String>,
    /// Language of messages.
    pub lang: String,
    /// When they were added.
    pub created_at: At,
}

/// Adds a customer.
///
/// # Errors
/// When the ID number is known already (unique by its look-up hash).
pub fn insert(conn: &Conn, new: &NewCustomer, now: At) -> Result<CustomerId> {
    let keys = conn.keys();
    let (key, wrapped) = keys.new_customer_key()?;
    let address = new.address.as_deref().map(|text| keys.seal_text(&key, "address", text)).transpose()?;
    Ok(conn
        .sql()
        .prepare_cached(
            "INSERT INTO customer (wrapped_key, name, phone, id_number, address, name_hash, phone_hash, id_hash, lang, created_at)
             VALUES (:wrapped, :name, :phone, :id_number, :address, :name_hash, :phone_hash, :id_hash, :lang, :at)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":wrapped": wrapped,
                ":name": keys.seal_text(&key, "name", &new.name)?,
                ":phone": keys.seal_text(&key, "phone", &new.phone)?,
                ":id_number": keys.seal_text(&key, "id_number", &new.id_number)?,
                ":address": address,
                ":name_hash": keys.lookup("name", &new.name),
                ":phone_hash": keys.lookup("phone", &new.phone),
                ":id_hash": keys.lookup("id_number", &new.id_number),
                ":lang": new.lang,
                ":at": Instant(now),
            },
            |row| row.get("id"),
        )?)
}

/// Changes where goods go.
pub fn set_address(conn: &Conn, id: CustomerId, address: &str) -> Result<()> {
    let key = conn.keys().customer_key(&wrapped_key(conn, id)?)?;
    let sealed = conn.keys().seal_text(&key, "address", address)?;
    conn.sql().execute(
        "UPDATE customer SET address = :address WHERE id = :id",
        named_params! { ":address": sealed, ":id": id },
    )?;
    Ok(())
}

/// Ways to reach a customer beside the phone, unsealed. Mask before showing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// E-mail address.
    pub email: Option<String>,
    /// The customer's id at the shop's own WeChat mini program.
    pub openid: Option<String>,
}

/// How a customer can be reached beside the phone.
pub fn contact(conn: &Conn, id: CustomerId) -> Result<Contact> {
    let mut query = conn.sql().prepare_cached("SELECT wrapped_key, email, openid FROM customer WHERE id = :id")?;
    let mut rows = query.query(named_params! { ":id": id })?;
    match rows.next()? {
        Some(row) => contact_of(conn, row),
        None => Ok(Contact::default()),
    }
}

/// Changes how a customer can be reached beside the phone; what is `None` is forgotten.
pub fn set_contact(conn: &Conn, id: CustomerId, contact: &Contact) -> Result<()> {
    let key = conn.keys().customer_key(&wrapped_key(conn, id)?)?;
    let seal = |column: &str, text: &Option<String>| {
        text.as_deref().map(|text| conn.keys().seal_text(&key, column, text)).transpose()
    };
    conn.sql().execute(
        "UPDATE customer SET email = :email, openid = :openid WHERE id = :id",
        named_params! {
            ":email": seal("email", &contact.email)?,
            ":openid": seal("openid", &contact.openid)?,
            ":id": id,
        },
    )?;
    Ok(())
}

/// From a row that holds `wrapped_key`, `email` and `openid`; nothing once the customer was erased.
pub(super) fn contact_of(conn: &Conn, row: &Row<'_>) -> Result<Contact> {
    let Some(wrapped) = row.get::<_, Option<Vec<u8>>>("wrapped_key")? else { return Ok(Contact::default()) };
    let (email, openid): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get("email")?, row.get("openid")?);
    if email.is_none() && openid.is_none() {
        return Ok(Contact::default());
    }
    let key = conn.keys().customer_key(&wrapped)?;
    let open = |column: &str, sealed: Option<Vec<u8>>| sealed.map(|sealed| key.open_text(column, &sealed)).transpose();
    Ok(Contact { email: open("email", email)?, openid: open("openid", openid)? })
}

/// The mark by which a phone number is known without being written down: the look-up hash of its column.
pub fn phone_mark(conn: &Conn, phone: &str) -> Vec<u8> {
    conn.keys().lookup("phone", phone)
}

/// The customer with this id.
pub fn get(conn: &Conn, id: CustomerId) -> Result<Option<Customer>> {
    one(conn, "id = :value", &id.number())
}

/// The customer with this ID number.
pub fn by_id_number(conn: &Conn, id_number: &str) -> Result<Option<Customer>> {
    one(conn, "id_hash = :value", &conn.keys().lookup("id_number", id_number))
}

/// Everybody with this phone number.
pub fn by_phone(conn: &Conn, phone: &str) -> Result<Vec<Customer>> {
    many(conn, "phone_hash = :value", &conn.keys().lookup("phone", phone))
}

/// Everybody with exactly this name.
pub fn by_name(conn: &Conn, name: &str) -> Result<Vec<Customer>> {
    many(conn, "name_hash = :value", &conn.keys().lookup("name", name))
}

/// Visits every customer that is not erased, by id.
pub fn each(conn: &Conn, mut visit: impl FnMut(Customer) -> Result<()>) -> Result<()> {
    let mut query =
        conn.sql().prepare(&format!("SELECT {COLUMNS} FROM customer WHERE erased_at IS NULL ORDER BY id"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        visit(from_row(conn, row)?)?;
    }
    Ok(())
}

/// Visits every customer that is not erased, by id, with the number of their agreements and what their wallet holds. One
/// statement for the whole list.
pub fn each_listed(conn: &Conn, mut visit: impl FnMut(Customer, u64, Money) -> Result<()>) -> Result<()> {
    let mut query = conn.sql().prepare(
        "SELECT c.id, c.wrapped_key, c.name, c.phone, c.id_number, c.address, c.lang, c.created_at,
                COALESCE(a.agreements, 0) AS agreements, COALESCE(w.balance, 0) AS balance
         FROM customer c
         LEFT JOIN (SELECT customer_id, CAST(count(*) AS BIGINT) AS agreements FROM agreement GROUP BY customer_id) a
           ON a.customer_id = c.id
         LEFT JOIN (SELECT customer_id, CAST(-SUM(amount) AS BIGINT) AS balance FROM posting
                    WHERE customer_id > 0 AND account IN ('wallet:principal', 'wallet:bonus') GROUP BY customer_id) w
           ON w.customer_id = c.id
         WHERE c.erased_at IS NULL ORDER BY c.id",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let agreements: i64 = row.get("agreements")?;
        visit(from_row(conn, row)?, agreements.unsigned_abs(), row.get("balance")?)?;
    }
    Ok(())
}

/// How many there are.
pub fn count(conn: &Conn) -> Result<u64> {
    Ok(conn
        .sql()
        .query_row("SELECT count(*) FROM customer WHERE erased_at IS NULL", [], |row| row.get::<_, i64>(0))?
        .unsigned_abs())
}

/// How a customer is shown in lists, `王**(0001)`, from a row that holds `wrapped_key`, `name` and `phone`; `—` once erased.
pub(super) fn label_of(conn: &Conn, row: &Row<'_>) -> Result<String> {
    let column = |name: &str| row.get::<_, Option<Vec<u8>>>(name);
    let (Some(wrapped), Some(name), Some(phone)) = (column("wrapped_key")?, column("name")?, column("phone")?) else {
        return Ok("—".into());
    };
    let key = conn.keys().customer_key(&wrapped)?;
    let (name, phone) = (key.open_text("name", &name)?, key.open_text("phone", &phone)?);
    Ok(customer::label(&name, &phone))
}

/// How a customer is shown in lists.
pub fn label(conn: &Conn, id: CustomerId) -> Result<String> {
    let mut query = conn.sql().prepare_cached("SELECT wrapped_key, name, phone FROM customer WHERE id = :id")?;
    let mut rows = query.query(named_params! { ":id": id })?;
    match rows.next()? {
        Some(row) => label_of(conn, row),
        None => Ok("—".into()),
    }
}

/// Seals a text under the customer's key, for other records about the customer.
pub(super) fn seal_for(conn: &Conn, id: CustomerId, column: &str, text: &str) -> Result<Vec<u8>> {
    let key = conn.keys().customer_key(&wrapped_key(conn, id)?)?;
    conn.keys().seal_text(&key, column, text)
}

/// Opens a text sealed with [`seal_for`].
pub(super) fn open_for(conn: &Conn, id: CustomerId, column: &str, sealed: &[u8]) -> Result<String> {
    conn.keys().customer_key(&wrapped_key(conn, id)?)?.open_text(column, sealed)
}

fn wrapped_key(conn: &Conn, id: CustomerId) -> Result<Vec<u8>> {
    let mut query = conn.sql().prepare_cached("SELECT wrapped_key FROM customer WHERE id = :id")?;
    let key: Option<Vec<u8>> = query.query_row(named_params! { ":id": id }, |row| row.get(0))?;
    key.ok_or_else(|| Fault::refused(t!("{customer} has been erased", customer = id)).into())
}

fn one(conn: &Conn, condition: &str, value: &dyn rusqlite::ToSql) -> Result<Option<Customer>> {
    Ok(many(conn, condition, value)?.pop())
}

fn many(conn: &Conn, condition: &str, value: &dyn rusqlite::ToSql) -> Result<Vec<Customer>> {
    let sql = format!("SELECT {COLUMNS} FROM customer WHERE {condition} AND erased_at IS NULL ORDER BY id");
    let mut query = conn.sql().prepare_cached(&sql)?;
    let mut rows = query.query(named_params! { ":value": value })?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(conn, row)?);
    }
    Ok(found)
}

fn from_row(conn: &Conn, row: &Row<'_>) -> Result<Customer> {
    let id: CustomerId = row.get("id")?;
    let wrapped: Vec<u8> = row.get("wrapped_key")?;
    let key = conn.keys().customer_key(&wrapped).with_context(|| id.to_string())?;
    let open = |column: &str| -> Result<String> { key.open_text(column, &row.get::<_, Vec<u8>>(column)?) };
    let address = match row.get::<_, Option<Vec<u8>>>("address")? {
        Some(sealed) => Some(key.open_text("address", &sealed)?),
        None => None,
    };
    Ok(Customer {
        id,
        name: open("name").with_context(|| id.to_string())?,
        phone: open("phone")?,
        id_number: open("id_number")?,
        address,
        lang: row.get("lang")?,
        created_at: at(row, "created_at")?,
    })
}
