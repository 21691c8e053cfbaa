//! Agreements: what was signed, with its sealed text.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::customer;
use crate::db::types::{Day, Instant, at, day, filter, maybe_at, maybe_day, word};
use crate::domain::agreement::{Agreement, AgreementSource, AgreementState, Conditions, PauseEffect};
use crate::domain::date::{At, FirstDebit};
use crate::domain::id::{AgreementId, CustomerId, PetId};
use crate::domain::money::Money;

const COLUMNS: &str =
    "id, no, customer_id, pet_id, plan_code, plan_name, source, state, monthly, terms, anchor_day, first_debit,
     signed_on, signed_at, active_at, ends_on, paid_before, reference_cost, conditions, lang, template, text_sha256,
     paused_on, paused_until, pause_effect, pause_shift, shift_months, shifted_from, failed_in_row, ended_at, end_cause";

/// An agreement to be added.
#[derive(Clone, Debug)]
pub struct NewAgreement {
    /// The number printed on it.
    pub no: String,
    /// Who signs.
    pub customer: CustomerId,
    /// For which pet.
    pub pet: PetId,
    /// Plan code.
    pub plan_code: String,
    /// Plan name in the agreement's language.
    pub plan_name: String,
    /// Signed or imported.
    pub source: AgreementSource,
    /// Amount of each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: u32,
    /// Debit day.
    pub anchor_day: u32,
    /// When term 1 falls due.
    pub first_debit: FirstDebit,
    /// Civil date of signing.
    pub signed_on: NaiveDate,
    /// Moment of signing.
    pub signed_at: At,
    /// Last day.
    pub ends_on: NaiveDate,
    /// Terms collected before kibble.
    pub paid_before: u32,
    /// Pet reference cost.
    pub reference_cost: Money,
    /// The numbers promised in the text.
    pub conditions: Conditions,
    /// `zh` or `en`.
    pub lang: String,
    /// Template name and version.
    pub template: String,
    /// The rendered text, sealed on the way in.
    pub text: Option<String>,
    /// Its SHA-256.
    pub text_sha256: Option<String>,
    /// What was shown and acknowledged when, as JSON.
    pub shown: String,
    /// Identity of the row of the earlier book it came from.
    pub import_row: Option<String>,
}

/// The number the next agreement gets: one more than the highest id so far.
pub fn next_number(conn: &Conn) -> Result<i64> {
    Ok(conn.sql().query_row("SELECT COALESCE(MAX(id), 0) + 1 FROM agreement", [], |row| row.get(0))?)
}

/// Adds an agreement in state `waiting`.
pub fn insert(conn: &Conn, new: &NewAgreement) -> Result<AgreementId> {
    let text = new.text.as_deref().map(|text| customer::seal_for(conn, new.customer, "agreement", text)).transpose()?;
    Ok(conn
        .sql()
        .prepare_cached(
            "INSERT INTO agreement (no, customer_id, pet_id, plan_code, plan_name, source, state, monthly, terms, anchor_day,
                first_debit, signed_on, signed_at, ends_on, paid_before, reference_cost, conditions, lang, template,
                text_sealed, text_sha256, shown, pause_shift, shift_months, shifted_from, failed_in_row, import_row)
             VALUES (:no, :customer, :pet, :plan_code, :plan_name, :source, 'waiting', :monthly, :terms, :anchor_day,
                :first, :signed_on, :signed_at, :ends_on, :paid_before, :reference_cost, :conditions, :lang, :template,
                :text, :sha256, :shown, 0, 0, 1, 0, :import_row)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":no": new.no,
                ":customer": new.customer,
                ":pet": new.pet,
                ":plan_code": new.plan_code,
                ":plan_name": new.plan_name,
                ":source": new.source.word(),
                ":monthly": new.monthly,
                ":terms": new.terms,
                ":anchor_day": new.anchor_day,
                ":first": new.first_debit.word(),
                ":signed_on": Day(new.signed_on),
                ":signed_at": Instant(new.signed_at),
                ":ends_on": Day(new.ends_on),
                ":paid_before": new.paid_before,
                ":reference_cost": new.reference_cost,
                ":conditions": serde_json::to_string(&new.conditions)?,
                ":lang": new.lang,
                ":template": new.template,
                ":text": text,
                ":sha256": new.text_sha256,
                ":shown": new.shown,
                ":import_row": new.import_row,
            },
            |row| row.get("id"),
        )?)
}

/// The agreement with this id.
pub fn get(conn: &Conn, id: AgreementId) -> Result<Option<Agreement>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM agreement WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    rows.next()?.map(from_row).transpose()
}

/// The agreement with this printed number.
pub fn by_no(conn: &Conn, no: &str) -> Result<Option<Agreement>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM agreement WHERE no = :no"))?;
    let mut rows = query.query(named_params! { ":no": no })?;
    rows.next()?.map(from_row).transpose()
}

/// The identity of the book row an imported agreement came from.
pub fn import_row(conn: &Conn, id: AgreementId) -> Result<Option<String>> {
    let mut query = conn.sql().prepare_cached("SELECT import_row FROM agreement WHERE id = :id")?;
    Ok(query.query_row(named_params! { ":id": id }, |row| row.get(0))?)
}

/// Every agreement for a pet, by id.
pub fn of_pet(conn: &Conn, pet: PetId) -> Result<Vec<Agreement>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM agreement WHERE pet_id = :pet ORDER BY id"))?;
    let mut rows = query.query(named_params! { ":pet": pet })?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

/// Visits agreements by id, of one customer or in one state when given.
pub fn each(
    conn: &Conn,
    customer: Option<CustomerId>,
    state: Option<AgreementState>,
    mut visit: impl FnMut(Agreement) -> Result<()>,
) -> Result<()> {
    let of = filter("customer_id", ":customer", customer.is_some());
    let stands = filter("state", ":state", state.is_some());
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM agreement WHERE {of} AND {stands} ORDER BY id"))?;
    let mut rows = query.query(named_params! { ":customer": customer, ":state": state.map(AgreementState::word) })?;
    while let Some(row) = rows.next()? {
        visit(from_row(row)?)?;
    }
    Ok(())
}

/// The same, with how the customer is shown in lists.
pub fn each_labelled(
    conn: &Conn,
    customer: Option<CustomerId>,
    state: Option<AgreementState>,
    mut visit: impl FnMut(Agreement, String) -> Result<()>,
) -> Result<()> {
    let of = filter("customer_id", ":customer", customer.is_some());
    let stands = filter("state", ":state", state.is_some());
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS}, who.wrapped_key, who.name, who.phone
           FROM agreement JOIN (SELECT id AS who_id, wrapped_key, name, phone FROM customer) AS who ON who_id = customer_id
          WHERE {of} AND {stands} ORDER BY agreement.id"
    ))?;
    let mut rows = query.query(named_params! { ":customer": customer, ":state": state.map(AgreementState::word) })?;
    while let Some(row) = rows.next()? {
        visit(from_row(row)?, customer::label_of(conn, row)?)?;
    }
    Ok(())
}

/// The text that was signed; `None` for an imported agreement.
pub fn text(conn: &Conn, id: AgreementId) -> Result<Option<String>> {
    let (customer, sealed): (CustomerId, Option<Vec<u8>>) = conn.sql().query_row(
        "SELECT customer_id, text_sealed FROM agreement WHERE id = :id",
        named_params! { ":id": id },
        |row| Ok((row.get("customer_id")?, row.get("text_sealed")?)),
    )?;
    sealed.map(|sealed| customer::open_for(conn, customer, "agreement", &sealed)).transpose()
}

/// What was shown and acknowledged when, as JSON.
pub fn shown(conn: &Conn, id: AgreementId) -> Result<String> {
    Ok(conn
        .sql()
        .query_row("SELECT shown FROM agreement WHERE id = :id", named_params! { ":id": id }, |row| row.get(0))?)
}

/// The customer agreed at the rail: the agreement runs from `now`.
pub fn activate(conn: &Conn, id: AgreementId, now: At) -> Result<()> {
    conn.sql()
        .prepare_cached("UPDATE agreement SET state = 'active', active_at = :at WHERE id = :id")?
        .execute(named_params! { ":at": Instant(now), ":id": id })?;
    Ok(())
}

/// Moves an agreement into `state`. Ending states take the moment and the cause.
pub fn set_state(conn: &Conn, id: AgreementId, state: AgreementState, ended: Option<(At, &str)>) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE agreement SET state = :state, ended_at = COALESCE(:at, ended_at), end_cause = COALESCE(:cause, end_cause)
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":state": state.word(),
            ":at": ended.map(|it| Instant(it.0)),
            ":cause": ended.map(|it| it.1),
            ":id": id,
        })?;
    Ok(())
}

/// A pause to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewPause {
    /// Its first day.
    pub on: NaiveDate,
    /// The day on which it is over.
    pub until: NaiveDate,
    /// What it does to the terms that fall into it.
    pub effect: PauseEffect,
    /// Whole months that this pause adds, so that an early end can take some of them back.
    pub added_months: u32,
}

/// Pauses an agreement.
pub fn pause(conn: &Conn, id: AgreementId, pause: &NewPause) -> Result<()> {
    conn.sql().execute(
        "UPDATE agreement SET state = 'paused', paused_on = :on, paused_until = :until, pause_effect = :effect,
           pause_shift = :added WHERE id = :id",
        named_params! {
            ":on": Day(pause.on),
            ":until": Day(pause.until),
            ":effect": pause.effect.word(),
            ":added": pause.added_months,
            ":id": id,
        },
    )?;
    Ok(())
}

/// Moves the terms from `shifted_from` on by `shift_months` in all, with the new last day.
pub fn reschedule(
    conn: &Conn,
    id: AgreementId,
    shift_months: u32,
    shifted_from: u32,
    ends_on: NaiveDate,
) -> Result<()> {
    conn.sql().execute(
        "UPDATE agreement SET shift_months = :months, shifted_from = :from_term, ends_on = :ends_on WHERE id = :id",
        named_params! { ":months": shift_months, ":from_term": shifted_from, ":ends_on": Day(ends_on), ":id": id },
    )?;
    Ok(())
}

/// Ends a pause; `schedule` is the new shift, when terms were moved, with the new last day.
pub fn resume(conn: &Conn, id: AgreementId, shift_months: u32, shifted_from: u32, ends_on: NaiveDate) -> Result<()> {
    conn.sql().execute(
        "UPDATE agreement SET state = 'active', paused_on = NULL, paused_until = NULL, pause_effect = NULL, pause_shift = 0,
           shift_months = :months, shifted_from = :from_term, ends_on = :ends_on WHERE id = :id",
        named_params! { ":months": shift_months, ":from_term": shifted_from, ":ends_on": Day(ends_on), ":id": id },
    )?;
    Ok(())
}

/// Paused agreements whose pause is over on `today`, by id.
pub fn pauses_over(conn: &Conn, today: NaiveDate) -> Result<Vec<Agreement>> {
    many(conn, "state = 'paused' AND paused_until <= :today", today)
}

/// Running agreements whose last day is past and that have no open term and no charge in the air, by id.
pub fn finished(conn: &Conn, today: NaiveDate) -> Result<Vec<Agreement>> {
    many(
        conn,
        "state = 'active' AND ends_on < :today
           AND NOT EXISTS (SELECT 1 FROM installment i WHERE i.agreement_id = agreement.id AND i.state = 'open')
           AND NOT EXISTS (SELECT 1 FROM charge c WHERE c.agreement_id = agreement.id
                             AND c.state IN ('noted','pending','unknown'))",
        today,
    )
}

/// Running agreements whose last term is open and falls due from `today` to `until`, with that day, which were not told of it
/// yet: the message's event is `contract_expiring:` and the id. `CROSS JOIN` keeps the due dates first: few terms fall due soon, and
/// otherwise every run would look at every agreement.
pub fn expiring(conn: &Conn, today: NaiveDate, until: NaiveDate) -> Result<Vec<(AgreementId, NaiveDate)>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT i.agreement_id, i.due FROM installment i CROSS JOIN agreement a
         WHERE a.id = i.agreement_id AND i.state = 'open' AND i.course IN ('planned','failing') AND i.due BETWEEN :today AND :until
           AND a.state = 'active'
           AND NOT EXISTS (SELECT 1 FROM installment l WHERE l.agreement_id = i.agreement_id AND l.term > i.term
                             AND l.state <> 'cancelled')
           AND NOT EXISTS (SELECT 1 FROM message m WHERE m.event = 'contract_expiring:a-' || CAST(a.id AS TEXT))
         ORDER BY i.agreement_id",
    )?;
    let rows = query.query_map(named_params! { ":today": Day(today), ":until": Day(until) }, |row| {
        Ok((row.get("agreement_id")?, day(row, "due")?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Sets the count of failed terms in a row.
pub fn set_failed_in_row(conn: &Conn, id: AgreementId, count: u32) -> Result<()> {
    conn.sql()
        .prepare_cached("UPDATE agreement SET failed_in_row = :count WHERE id = :id")?
        .execute(named_params! { ":count": count, ":id": id })?;
    Ok(())
}

fn many(conn: &Conn, condition: &str, today: NaiveDate) -> Result<Vec<Agreement>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM agreement WHERE {condition} ORDER BY id"))?;
    let mut rows = query.query(named_params! { ":today": Day(today) })?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> Result<Agreement> {
    let conditions: String = row.get("conditions")?;
    let conditions: Conditions = serde_json::from_str(&conditions)?;
    let effect: Option<String> = row.get("pause_effect")?;
    Ok(Agreement {
        id: row.get("id")?,
        no: row.get("no")?,
        customer: row.get("customer_id")?,
        pet: row.get("pet_id")?,
        plan_code: row.get("plan_code")?,
        plan_name: row.get("plan_name")?,
        source: word(row, "source", AgreementSource::from_word)?,
        state: word(row, "state", AgreementState::from_word)?,
        monthly: row.get("monthly")?,
        terms: row.get("terms")?,
        anchor_day: row.get("anchor_day")?,
        first_debit: word(row, "first_debit", FirstDebit::from_word)?,
        signed_on: day(row, "signed_on")?,
        signed_at: at(row, "signed_at")?,
        active_at: maybe_at(row, "active_at")?,
        ends_on: day(row, "ends_on")?,
        paid_before: row.get("paid_before")?,
        reference_cost: row.get("reference_cost")?,
        conditions,
        lang: row.get("lang")?,
        template: row.get("template")?,
        text_sha256: row.get("text_sha256")?,
        paused_on: maybe_day(row, "paused_on")?,
        paused_until: maybe_day(row, "paused_until")?,
        pause_effect: effect.as_deref().and_then(PauseEffect::from_word),
        pause_shift: row.get("pause_shift")?,
        shift_months: row.get("shift_months")?,
        shifted_from: row.get("shifted_from")?,
        failed_in_row: row.get("failed_in_row")?,
        ended_at: maybe_at(row, "ended_at")?,
        end_cause: row.get("end_cause")?,
    })
}
