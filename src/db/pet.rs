//! Pets: the animal and its papers. Status words are the domain's.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Day, Instant, day, filter, maybe_day, word};
use crate::domain::date::At;
use crate::domain::id::{CustomerId, PetId};
use crate::domain::money::Money;
use crate::domain::pet::{Sex, Status};

const COLUMNS: &str = "id, customer_id, name, species, breed, sex, birth_date, birth_estimated, chip_no, quarantine_no,
     source, reference_cost, status, status_on, note";

/// A pet to be added.
#[derive(Clone, Debug)]
pub struct NewPet {
    /// Whose it is; nobody's while it is in the shop.
    pub customer: Option<CustomerId>,
    /// Its name.
    pub name: String,
    /// `cat`, `dog`, `rabbit`, `other`.
    pub species: String,
    /// Free text.
    pub breed: String,
    /// Male, female, unknown.
    pub sex: Sex,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Whether that date is an estimate.
    pub birth_estimated: bool,
    /// 15 digits (ISO 11784/5).
    pub chip_no: Option<String>,
    /// Number of the quarantine certificate.
    pub quarantine_no: Option<String>,
    /// `bred`, `bought`, `rescued`, `surrendered`, `imported`, `unknown`.
    pub source: String,
    /// Acquisition plus documented vaccination and quarantine, shown at signing.
    pub reference_cost: Money,
    /// Where it stands.
    pub status: Status,
    /// Anything else.
    pub note: String,
}

/// A pet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pet {
    /// The id.
    pub id: PetId,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// Its name.
    pub name: String,
    /// Its species.
    pub species: String,
    /// Its breed.
    pub breed: String,
    /// Its sex.
    pub sex: Sex,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Whether that date is an estimate.
    pub birth_estimated: bool,
    /// Chip number.
    pub chip_no: Option<String>,
    /// Quarantine certificate.
    pub quarantine_no: Option<String>,
    /// Where it came from.
    pub source: String,
    /// Reference cost.
    pub reference_cost: Money,
    /// Where it stands.
    pub status: Status,
    /// Since when.
    pub status_on: NaiveDate,
    /// Anything else.
    pub note: String,
}

/// Adds a pet.
pub fn insert(conn: &Conn, new: &NewPet, today: NaiveDate, now: At) -> Result<PetId> {
    Ok(conn
        .sql()
        .prepare_cached(
            "INSERT INTO pet (customer_id, name, species, breed, sex, birth_date, birth_estimated, chip_no, quarantine_no,
                              source, reference_cost, status, status_on, note, created_at)
             VALUES (:customer, :name, :species, :breed, :sex, :birth, :estimated, :chip, :quarantine,
                     :source, :cost, :status, :today, :note, :at)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":customer": new.customer,
                ":name": new.name,
                ":species": new.species,
                ":breed": new.breed,
                ":sex": new.sex.word(),
                ":birth": new.birth_date.map(Day),
                ":estimated": new.birth_estimated,
                ":chip": new.chip_no,
                ":quarantine": new.quarantine_no,
                ":source": new.source,
                ":cost": new.reference_cost,
                ":status": new.status.word(),
                ":today": Day(today),
                ":note": new.note,
                ":at": Instant(now),
            },
            |row| row.get("id"),
        )?)
}

/// Changes where a pet stands and whose it is.
pub fn set_status(
    conn: &Conn,
    id: PetId,
    status: Status,
    customer: Option<CustomerId>,
    today: NaiveDate,
) -> Result<()> {
    conn.sql().execute(
        "UPDATE pet SET status = :status, status_on = :today, customer_id = :customer WHERE id = :id",
        named_params! { ":status": status.word(), ":today": Day(today), ":customer": customer, ":id": id },
    )?;
    Ok(())
}

/// The pet with this id.
pub fn get(conn: &Conn, id: PetId) -> Result<Option<Pet>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM pet WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// The pet with this chip number.
pub fn by_chip(conn: &Conn, chip_no: &str) -> Result<Option<Pet>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM pet WHERE chip_no = :chip"))?;
    let mut rows = query.query(named_params! { ":chip": chip_no })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// A customer's pet of this name, species and breed, for books that are read again; with `free`, only one that no agreement
/// is for.
pub fn like(
    conn: &Conn,
    customer: CustomerId,
    name: &str,
    species: &str,
    breed: &str,
    free: bool,
) -> Result<Option<PetId>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT id FROM pet WHERE customer_id = :customer AND name = :name AND species = :species AND breed = :breed
           AND (NOT :free OR NOT EXISTS (SELECT 1 FROM agreement WHERE pet_id = pet.id)) ORDER BY id LIMIT 1",
    )?;
    let mut rows = query.query(named_params! {
        ":customer": customer,
        ":name": name,
        ":species": species,
        ":breed": breed,
        ":free": free,
    })?;
    Ok(rows.next()?.map(|row| row.get("id")).transpose()?)
}

/// Pets, of one customer or in one status when given, by id.
pub fn list(conn: &Conn, customer: Option<CustomerId>, status: Option<Status>) -> Result<Vec<Pet>> {
    let of = filter("customer_id", ":customer", customer.is_some());
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS} FROM pet WHERE {of} AND (:status IS NULL OR status = :status) ORDER BY id"
    ))?;
    let rows =
        query.query_map(named_params! { ":customer": customer, ":status": status.map(Status::word) }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Pet> {
    Ok(Pet {
        id: row.get("id")?,
        customer: row.get("customer_id")?,
        name: row.get("name")?,
        species: row.get("species")?,
        breed: row.get("breed")?,
        sex: word(row, "sex", Sex::from_word)?,
        birth_date: maybe_day(row, "birth_date")?,
        birth_estimated: row.get("birth_estimated")?,
        chip_no: row.get("chip_no")?,
        quarantine_no: row.get("quarantine_no")?,
        source: row.get("source")?,
        reference_cost: row.get("reference_cost")?,
        status: word(row, "status", Status::from_word)?,
        status_on: day(row, "status_on")?,
        note: row.get("note")?,
    })
}
