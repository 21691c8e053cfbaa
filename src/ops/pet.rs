//! Pets: adding, listing, showing, and where each stands. A pet that died, was lost or came back stops every charge of its
//! agreement at once; settling the agreement is `agreement terminate`.

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use crate::db;
use crate::db::pet::NewPet;
use crate::domain::agreement::AgreementState;
use crate::domain::customer::mask_name;
use crate::domain::id::{AgreementId, CustomerId, PetId};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::{ChipNumber, Sex, Species, Status};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::customer::resolve;
use crate::t;

pub use crate::db::pet::Pet;

/// A pet to be added.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// What kind of animal.
    pub species: Species,
    /// Its breed.
    pub breed: String,
    /// Its sex.
    pub sex: Sex,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Whether that date is an estimate.
    pub birth_estimated: bool,
    /// Chip number as typed.
    pub chip_no: Option<String>,
    /// Number of the quarantine certificate.
    pub quarantine_no: Option<String>,
    /// Where it came from.
    pub source: String,
    /// What it cost the shop.
    pub reference_cost: Money,
    /// Whose it is; nobody's while it lives in the shop.
    pub customer: Option<String>,
    /// Anything else.
    pub note: String,
}

/// A pet with its customer and agreements.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The pet.
    #[serde(flatten)]
    pub pet: Pet,
    /// The customer's name, masked.
    pub customer_name: Option<String>,
    /// Its agreements.
    pub agreements: Vec<AgreementLine>,
}

/// An agreement for a pet.
#[derive(Clone, Debug, Serialize)]
pub struct AgreementLine {
    /// The id.
    pub id: AgreementId,
    /// The printed number.
    pub no: String,
    /// Where it stands.
    pub state: AgreementState,
}

/// A pet's status changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The pet as it stands now.
    pub pet: Pet,
    /// Where it stood before.
    pub before: Status,
    /// Agreements that are not charged any more and wait to be settled.
    pub stopped: Vec<AgreementId>,
}

/// Adds a pet.
///
/// # Errors
/// Usage for an empty name, a chip number that is none, or a birth in the future; refused for a known chip number; those of
/// [`resolve`].
pub fn add(ctx: &Ctx, draft: &Draft) -> Result<Pet> {
    let now = ctx.now();
    let today = ctx.today(now);
    let name = draft.name.trim();
    if name.is_empty() {
        return Err(Fault::usage(t!("a pet needs a name")).hint(t!("give --name")).into());
    }
    if draft.birth_date.is_some_and(|day| day > today) {
        return Err(Fault::usage(t!("the pet's date of birth lies in the future"))
            .hint(t!("correct --birth-date"))
            .into());
    }
    let chip_no = match draft.chip_no.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Some(chip(text)?),
        None => None,
    };
    let customer: Option<CustomerId> = match &draft.customer {
        Some(who) => Some(resolve(ctx, who)?.id),
        None => None,
    };
    let new = NewPet {
        customer,
        name: name.to_owned(),
        species: draft.species.word().to_owned(),
        breed: draft.breed.trim().to_owned(),
        sex: draft.sex,
        birth_date: draft.birth_date,
        birth_estimated: draft.birth_estimated,
        chip_no,
        quarantine_no: draft.quarantine_no.clone(),
        source: draft.source.clone(),
        reference_cost: draft.reference_cost,
        status: if customer.is_some() { Status::Adopted } else { Status::InShop },
        note: draft.note.clone(),
    };
    let id = ctx.db.write(now, |tx| {
        if let Some(chip_no) = &new.chip_no
            && let Some(known) = db::pet::by_chip(tx, chip_no)?
        {
            return Err(Fault::refused(t!(
                "{pet} {name} has this chip number already",
                pet = known.id,
                name = known.name
            ))
            .hint(t!("`kibble pet show {pet}` shows which it is", pet = known.id))
            .into());
        }
        let id = db::pet::insert(tx, &new, today, now)?;
        Ok((id, Op::PetAdded { pet: id }))
    })?;
    get(ctx, id)
}

/// Pets, of one customer or in one status when given, by id.
///
/// # Errors
/// Those of [`resolve`].
pub fn list(ctx: &Ctx, customer: Option<&str>, status: Option<Status>) -> Result<Vec<Pet>> {
    let customer = match customer {
        Some(who) => Some(resolve(ctx, who)?.id),
        None => None,
    };
    db::pet::list(ctx.db.read(), customer, status)
}

/// A pet with its customer and agreements.
///
/// # Errors
/// Not found when there is none.
pub fn show(ctx: &Ctx, id: PetId) -> Result<Shown> {
    let pet = get(ctx, id)?;
    let conn = ctx.db.read();
    let customer_name = match pet.customer {
        Some(customer) => db::customer::get(conn, customer)?.map(|it| mask_name(&it.name)),
        None => None,
    };
    let agreements = db::agreement::of_pet(conn, id)?.into_iter();
    let agreements = agreements.map(|it| AgreementLine { id: it.id, no: it.no, state: it.state }).collect();
    Ok(Shown { pet, customer_name, agreements })
}

/// Says where a pet stands. A pet goes back into the shop only when no agreement runs for it, because from then on it could be
/// charged for again.
///
/// # Errors
/// Not found when there is no such pet; usage without a reason; refused when the change does not fit.
pub fn set_status(ctx: &Ctx, id: PetId, to: Status, reason: &str) -> Result<Changed> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Fault::usage(t!("say why the pet's status changes")).hint(t!("add --reason TEXT")).into());
    }
    let now = ctx.now();
    let before = get(ctx, id)?;
    if before.status == to {
        return Err(Fault::refused(t!("{pet} has this status already", pet = id))
            .hint(t!("`kibble pet show {pet}` shows it", pet = id))
            .into());
    }
    let running: Vec<AgreementId> = db::agreement::of_pet(ctx.db.read(), id)?
        .into_iter()
        .filter(|it| matches!(it.state, AgreementState::Waiting | AgreementState::Active | AgreementState::Paused))
        .map(|it| it.id)
        .collect();
    let customer = match to {
        Status::InShop | Status::Reserved => {
            if let Some(agreement) = running.first() {
                return Err(Fault::refused(t!(
                    "{agreement} still runs for {pet}: back in the shop it would be charged for again",
                    agreement = agreement,
                    pet = id
                ))
                .hint(t!(
                    "say `returned` now, and end it with `kibble agreement terminate {agreement} --cause … --pet … --reason …`",
                    agreement = agreement
                ))
                .into());
            }
            None
        }
        Status::Adopted if before.customer.is_none() => {
            return Err(Fault::refused(t!("{pet} belongs to nobody", pet = id))
                .hint(t!("a customer adopts it with `kibble sign`"))
                .into());
        }
        Status::Adopted | Status::Returned | Status::Died | Status::Lost => before.customer,
    };
    ctx.db.write(now, |tx| {
        db::pet::set_status(tx, id, to, customer, ctx.today(now))?;
        let op = Op::PetChanged { pet: id, status: to.word().to_owned(), reason: reason.to_owned() };
        Ok(((), op))
    })?;
    let stopped = if to.may_be_charged_for() { Vec::new() } else { running };
    Ok(Changed { pet: get(ctx, id)?, before: before.status, stopped })
}

fn get(ctx: &Ctx, id: PetId) -> Result<Pet> {
    db::pet::get(ctx.db.read(), id)?.ok_or_else(|| {
        Fault::not_found(t!("there is no pet {pet}", pet = id)).hint(t!("`kibble pet list` shows all pets")).into()
    })
}

fn chip(text: &str) -> Result<String> {
    let chip = ChipNumber::parse(text).map_err(|wrong| match wrong.digits {
        15 => Fault::usage(t!("a chip number has digits only")).hint(t!("read the chip again: it has 15 digits")),
        found => Fault::usage(t!("a chip number has 15 digits, this has {found}", found = found))
            .hint(t!("read the chip again: it has 15 digits")),
    })?;
    Ok(chip.as_str().to_owned())
}
