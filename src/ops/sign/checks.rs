//! What a signing must fulfil: who signs, for which animal, on which plan, rails and day.

use anyhow::Result;
use chrono::{Datelike, NaiveDate};

use super::{Animal, Form, Prepared, Signer, day_offer, mandate_rails};
use crate::config::{AdapterKind, RailSettings, SHOP_TOML};
use crate::db;
use crate::db::customer::NewCustomer;
use crate::db::pet::NewPet;
use crate::domain::agreement::AgreementState;
use crate::domain::customer::{IdNumber, PersonName, Phone};
use crate::domain::date::{FirstDebit, Schedule};
use crate::domain::id::{CustomerId, PetId};
use crate::domain::money::Money;
use crate::domain::pet::{ChipNumber, Sex, Species, Status};
use crate::domain::plan::{Plan, Scenario};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::book::{Advice, amount_text, id_number_text, name_text, phone_text};
use crate::ops::customer::resolve;
use crate::t;
use crate::text::Lang;

/// Makes sure that the settings hold what every agreement says about the shop: code, address and phone (RQ01).
///
/// # Errors
/// Refused, naming what is missing and where to fill it in.
pub fn merchant_is_complete(ctx: &Ctx) -> Result<()> {
    let merchant = &ctx.config.settings.merchant;
    let missing: Vec<&str> = [("uscc", &merchant.uscc), ("address", &merchant.address), ("phone", &merchant.phone)]
        .into_iter()
        .filter(|(_, value)| value.trim().is_empty())
        .map(|(key, _)| key)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::refused(t!(
        "shop.toml says nothing about the shop's {list}, which every agreement names",
        list = missing.join(", ")
    ))
    .hint(t!("fill them in under [merchant] in {path}", path = ctx.config.folder.join(SHOP_TOML).display()))
    .into())
}

pub(super) fn signer(ctx: &Ctx, form: &Form, lang: Lang, today: NaiveDate) -> Result<Signer> {
    if let Some(text) = &form.customer {
        return Ok(Signer::Known(resolve(ctx, text)?));
    }
    let name = needed(&form.name, t!("the customer's name"), "--name")?;
    let name = PersonName::parse(name).map_err(|error| advised(name_text(error), t!("the customer's name")))?;
    let phone = needed(&form.phone, t!("the customer's phone number"), "--phone")?;
    let phone = Phone::parse(phone).map_err(|error| advised(phone_text(error), t!("the customer's phone number")))?;
    let id = needed(&form.id_number, t!("the customer's ID number"), "--id-number")?;
    let id =
        IdNumber::parse(id, today).map_err(|error| advised(id_number_text(error), t!("the customer's ID number")))?;
    if let Some(known) = db::customer::by_id_number(ctx.db.read(), id.reveal())? {
        return Err(Fault::refused(t!("{customer} has this ID number already", customer = known.id))
            .hint(t!("sign for the known customer with --customer {customer}", customer = known.id))
            .into());
    }
    Ok(Signer::New(NewCustomer {
        name: name.reveal().to_owned(),
        phone: phone.reveal().to_owned(),
        id_number: id.reveal().to_owned(),
        address: form.address.clone().filter(|text| !text.trim().is_empty()),
        lang: lang.word().to_owned(),
    }))
}

pub(super) fn plan(ctx: &Ctx, form: &Form) -> Result<Plan> {
    let code = needed(&form.plan, t!("the plan"), "--plan")?;
    let offered = db::plan::list(ctx.db.read(), false)?;
    let codes: Vec<&str> = offered.iter().map(|plan| plan.code.as_str()).collect();
    let found = offered.iter().find(|plan| plan.code == code).cloned();
    found.ok_or_else(|| {
        Fault::not_found(t!("no plan {code} is on offer", code = code))
            .hint(t!("one of: {choices}", choices = codes.join(", ")))
            .into()
    })
}

pub(super) fn rails(ctx: &Ctx, form: &Form, plan: &Plan) -> Result<Vec<String>> {
    let first = needed(&form.rail, t!("the payment rail"), "--rail")?;
    let mut rails = vec![first.to_owned()];
    if let Some(second) = form.second_rail.as_deref().filter(|text| !text.trim().is_empty()) {
        if second == first {
            return Err(usage(t!("the fallback must be another payment rail"), "--second-rail").into());
        }
        rails.push(second.to_owned());
    }
    for rail in &rails {
        let cap = can_carry(ctx, rail)?.profile.single_cap;
        if plan.monthly > cap {
            return Err(Fault::refused(t!(
                "{rail} debits {cap} at most, and the plan has {monthly} a month",
                rail = rail,
                cap = cap.yuan(),
                monthly = plan.monthly.yuan()
            ))
            .into());
        }
    }
    Ok(rails)
}

pub(super) fn can_carry<'a>(ctx: &'a Ctx, rail: &str) -> Result<&'a RailSettings> {
    let settings = ctx.config.rail(rail)?;
    if settings.adapter == AdapterKind::Cash {
        return Err(Fault::refused(t!("{rail} is paid at the counter and cannot be debited", rail = rail))
            .hint(t!("one of: {choices}", choices = mandate_rails(ctx).join(", ")))
            .into());
    }
    Ok(settings)
}

pub(super) fn debit_day(ctx: &Ctx, form: &Form, rails: &[String], today: NaiveDate) -> Result<u32> {
    let offer = day_offer(ctx, rails, today)?;
    let day = match &form.debit_day {
        None => offer.wanted,
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|day| (1..=31).contains(day))
            .ok_or_else(|| usage(t!("{text} is no day of a month", text = text), "--debit-day"))?,
    };
    if day > offer.largest {
        return Err(Fault::refused(t!(
            "day {day} cannot be the debit day on {rails}",
            day = day,
            rails = rails.join(", ")
        ))
        .hint(t!("give --debit-day {largest} or --debit-day 1, as the customer prefers", largest = offer.largest))
        .into());
    }
    Ok(day)
}

/// Where the first debit is at signing, the signing day itself must be one that the rail takes.
pub(super) fn first_day_fits(ctx: &Ctx, rails: &[String], schedule: &Schedule) -> Result<()> {
    if schedule.first != FirstDebit::AtSigning {
        return Ok(());
    }
    for rail in rails {
        let profile = &ctx.config.rail(rail)?.profile;
        let registered = profile.registered(schedule.signed_on);
        if registered.day() > profile.registered_day_max || registered < schedule.signed_on {
            return Err(Fault::refused(t!(
                "the plan's first debit is today, and {rail} takes no debit on day {day} of a month",
                rail = rail,
                day = schedule.signed_on.day()
            ))
            .hint(t!("choose a plan whose first debit is a month later, or another payment rail"))
            .into());
        }
    }
    Ok(())
}

pub(super) fn animal(ctx: &Ctx, form: &Form, plan: &Plan, customer: Option<CustomerId>) -> Result<Animal> {
    if let Some(text) = &form.pet {
        return known_animal(ctx, text, customer);
    }
    let name = needed(&form.pet_name, t!("the pet's name"), "--pet-name")?;
    let species = needed(&form.species, t!("the pet's species"), "--species")?;
    let species = Species::from_text(species)
        .ok_or_else(|| usage(t!("{text} is no species that kibble knows", text = species), "--species"))?;
    let sex = form.sex.as_deref().unwrap_or_default();
    let sex =
        Sex::from_text(sex).ok_or_else(|| usage(t!("{text} is no sex that kibble knows", text = sex), "--sex"))?;
    let birth_date = match form.born.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => {
            Some(text.parse().map_err(|_| usage(t!("{text} is not a date like 2026-08-10", text = text), "--born"))?)
        }
        None => None,
    };
    let chip_no = match form.chip.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Some(
            ChipNumber::parse(text)
                .map_err(|wrong| {
                    usage(t!("a chip number has 15 digits, this has {found}", found = wrong.digits), "--chip")
                })?
                .as_str()
                .to_owned(),
        ),
        None => None,
    };
    let reference_cost = match (&form.reference_cost, plan.scenario) {
        (None, Scenario::Sale) => Money::ZERO,
        (cost, _) => needed(cost, t!("the pet's reference cost"), "--reference-cost")?
            .parse::<Money>()
            .map_err(|error| advised(amount_text(error), t!("the pet's reference cost")))?,
    };
    if reference_cost < Money::ZERO {
        return Err(usage(t!("an amount cannot be below zero"), "--reference-cost").into());
    }
    Ok(Animal::New(NewPet {
        customer,
        name: name.to_owned(),
        species: species.word().to_owned(),
        breed: form.breed.clone().unwrap_or_default(),
        sex,
        birth_date,
        birth_estimated: false,
        chip_no,
        quarantine_no: form.quarantine.clone().filter(|text| !text.trim().is_empty()),
        source: form.source.clone().unwrap_or_else(|| "unknown".into()),
        reference_cost,
        status: Status::Reserved,
        note: String::new(),
    }))
}

fn known_animal(ctx: &Ctx, text: &str, customer: Option<CustomerId>) -> Result<Animal> {
    let conn = ctx.db.read();
    let id: PetId =
        text.trim().parse().map_err(|_| usage(t!("{text} is not a pet's id like p-12", text = text), "--pet"))?;
    let pet = db::pet::get(conn, id)?.ok_or_else(|| {
        Fault::not_found(t!("there is no pet {pet}", pet = id)).hint(t!("`kibble pet list` shows them"))
    })?;
    let own = pet.customer.is_none() || pet.customer == customer;
    let free = match pet.status {
        Status::InShop | Status::Reserved | Status::Returned => own || pet.status != Status::Reserved,
        Status::Adopted => own && customer.is_some(),
        Status::Died | Status::Lost => false,
    };
    if !free {
        return Err(Fault::refused(t!("{pet} cannot be given to this customer", pet = id))
            .hint(t!("`kibble pet show {pet}` says where it is", pet = id))
            .into());
    }
    let mut running = None;
    db::agreement::each(conn, pet.customer, None, |it| {
        let over = matches!(it.state, AgreementState::Completed | AgreementState::Ended | AgreementState::Cancelled);
        if it.pet == id && !over {
            running = Some(it.id);
        }
        Ok(())
    })?;
    match running {
        Some(agreement) => {
            Err(Fault::refused(t!("{pet} has an agreement already: {agreement}", pet = id, agreement = agreement))
                .into())
        }
        None => Ok(Animal::Known(pet)),
    }
}

/// PC11 and PC12, and a phone that may not be the customer's own.
pub(super) fn warnings(prepared: &Prepared) -> Vec<String> {
    let mut warnings = Vec::new();
    if prepared.reference_cost.fen() * 2 > prepared.plan.total().fen() {
        warnings.push(t!(
            "the pet's reference cost {cost} is above half of the plan's total {total}: at an early end it looks like a penalty",
            cost = prepared.reference_cost.yuan(),
            total = prepared.plan.total().yuan()
        ));
    }
    if let Some(years) = prepared.senior_years {
        warnings.push(t!("the customer is {years}: explain every point once more, in person", years = years));
    }
    if Phone::parse(prepared.signer.phone()).is_ok_and(|phone| phone.is_virtual_operator()) {
        warnings.push(t!("the phone number belongs to a virtual operator; make sure that it is the customer's own"));
    }
    warnings
}

pub(super) fn usage(what: String, flag: &str) -> Fault {
    Fault::usage(what).hint(t!("answer it with {flag}", flag = flag))
}

fn advised(advice: Advice, what: String) -> anyhow::Error {
    Fault::usage(format!("{what}: {}", advice.reason)).hint(advice.fix).into()
}

fn needed<'a>(value: &'a Option<String>, what: String, flag: &str) -> Result<&'a str> {
    match value.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text),
        None => Err(usage(t!("this is missing: {list}", list = what), flag).into()),
    }
}
