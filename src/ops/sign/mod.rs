//! Signing: checks what was entered, renders the agreement, and writes customer, pet, agreement and mandates in one transaction.
//! Asking the rail for the sign link comes afterwards, in `mandate.rs`. Owns no text of the agreement: that is a template.

mod checks;
mod form;
mod text;

use anyhow::Result;
use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::checks::merchant_is_complete;
pub use self::form::Form;
pub use self::text::{SealedText, digest_of, is_intact, text_of};

use self::checks::{animal, can_carry, debit_day, first_day_fits, plan, rails, signer, usage, warnings};
use self::text::{NO_DIGEST, Numbers, plan_name, points, render, template};
use crate::config::{AdapterKind, RailSettings};
use crate::db::agreement::NewAgreement;
use crate::db::customer::{Customer, NewCustomer};
use crate::db::pet::{NewPet, Pet};
use crate::db::{self, Conn};
use crate::domain::agreement::{AgreementSource, AgreementState, Conditions, printed_no};
use crate::domain::charge::contract_no;
use crate::domain::customer::{Age, IdNumber};
use crate::domain::date::{At, Schedule};
use crate::domain::id::{AgreementId, CustomerId, MandateId, PetId};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::Status;
use crate::domain::plan::{Plan, Scenario};
use crate::fault::Fault;
use crate::ops::debit::may_move_money;
use crate::ops::mandate::{self, Link};
use crate::ops::{Ctx, credit};
use crate::t;
use crate::text::Lang;

/// Somebody who signs.
#[derive(Clone, Debug)]
pub enum Signer {
    /// A customer of the shop.
    Known(Customer),
    /// Somebody new.
    New(NewCustomer),
}

impl Signer {
    fn name(&self) -> &str {
        match self {
            Signer::Known(it) => &it.name,
            Signer::New(it) => &it.name,
        }
    }

    fn phone(&self) -> &str {
        match self {
            Signer::Known(it) => &it.phone,
            Signer::New(it) => &it.phone,
        }
    }

    fn id_number(&self) -> &str {
        match self {
            Signer::Known(it) => &it.id_number,
            Signer::New(it) => &it.id_number,
        }
    }

    fn id(&self) -> Option<CustomerId> {
        match self {
            Signer::Known(it) => Some(it.id),
            Signer::New(_) => None,
        }
    }
}

/// The animal.
#[derive(Clone, Debug)]
pub enum Animal {
    /// A pet with a record.
    Known(Pet),
    /// One without.
    New(NewPet),
}

/// A signing that passed every check and can be signed. Nothing is written yet.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Who signs.
    pub signer: Signer,
    /// For which animal.
    pub animal: Animal,
    /// On which plan.
    pub plan: Plan,
    /// The rail, and the fallback if any.
    pub rails: Vec<String>,
    /// What fixes the due dates.
    pub schedule: Schedule,
    /// Language of the text.
    pub lang: Lang,
    /// The numbers promised.
    pub conditions: Conditions,
    /// The pet's reference cost; zero where the pet itself is bought.
    pub reference_cost: Money,
    /// The points of major interest as the customer reads them.
    pub points: Vec<String>,
    /// Years of a signer who is to be given an extra explanation.
    pub senior_years: Option<i32>,
    /// What the shop should look at.
    pub warnings: Vec<String>,
    /// The credit check that is to be made.
    pub credit: Option<credit::Wish>,
}

/// What was shown to the customer and agreed to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Acknowledged {
    /// When the point was shown.
    pub shown_at: At,
    /// When the customer said that it was understood.
    pub acknowledged_at: At,
    /// Whether the staff explained it.
    pub explained: bool,
}

/// A signed agreement that waits for the customer's mandate.
#[derive(Clone, Debug, Serialize)]
pub struct Signed {
    /// The agreement.
    pub agreement: AgreementId,
    /// The number printed on it.
    pub no: String,
    /// Who signed.
    pub customer: CustomerId,
    /// For which pet.
    pub pet: PetId,
    /// Plan code.
    pub plan: String,
    /// Each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: u32,
    /// All terms together.
    pub total: Money,
    /// Debit day.
    pub debit_day: u32,
    /// First due date.
    pub first_due: NaiveDate,
    /// Last due date.
    pub last_due: NaiveDate,
    /// Last day.
    pub ends_on: NaiveDate,
    /// Digest of the text.
    pub sha256: String,
    /// Strength of the evidence: `E1`, signed before staff.
    pub evidence: &'static str,
    /// What the shop should look at.
    pub warnings: Vec<String>,
    /// The credit check, where the shop makes one. No links are there while it waits for a decision.
    pub credit: Option<credit::Check>,
    /// Where the customer agrees to each mandate.
    pub links: Vec<Link>,
}

/// The strength of evidence that kibble alone gives (domain facts 1.1): a typed name before staff. An SMS code would make it E2;
/// only a licensed certificate makes more.
pub const EVIDENCE: &str = "E1";

/// The debit day that is asked for and, where it cannot be had, what can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayOffer {
    /// The signing day.
    pub wanted: u32,
    /// The largest day that every rail accepts.
    pub largest: u32,
}

impl DayOffer {
    /// True when the signing day itself can be the debit day.
    pub fn fits(&self) -> bool {
        self.wanted <= self.largest
    }
}

/// The debit day for a signing on `today` over `rails`.
///
/// # Errors
/// When a rail is not known.
pub fn day_offer(ctx: &Ctx, rails: &[String], today: NaiveDate) -> Result<DayOffer> {
    let mut largest = 28;
    for rail in rails {
        largest = largest.min(ctx.config.rail(rail)?.profile.debit_day_max);
    }
    Ok(DayOffer { wanted: today.day(), largest })
}

/// The rails that can carry a mandate, by name.
pub fn mandate_rails(ctx: &Ctx) -> Vec<String> {
    let able = |rail: &&RailSettings| rail.adapter != AdapterKind::Cash;
    ctx.config.rails.values().filter(able).map(|rail| rail.name.clone()).collect()
}

/// The plans on offer.
///
/// # Errors
/// When the database cannot be read.
pub fn plans(ctx: &Ctx) -> Result<Vec<Plan>> {
    db::plan::list(ctx.db.read(), false)
}

/// Checks a form and renders the agreement for reading. Writes nothing.
///
/// # Errors
/// The first thing that is missing or wrong, with what to give.
pub fn prepare(ctx: &Ctx, form: &Form, now: At) -> Result<Prepared> {
    merchant_is_complete(ctx)?;
    let today = ctx.today(now);
    let lang = match &form.text {
        Some(word) => {
            Lang::from_word(word).ok_or_else(|| usage(t!("the text of an agreement is zh or en"), "--text"))?
        }
        None => crate::text::lang(),
    };
    let signer = signer(ctx, form, lang, today)?;
    let age = IdNumber::parse(signer.id_number(), today).map(|id| Age::on(id.birth_date(), today));
    let senior_years = match age {
        Ok(Age::TooYoung { years }) => {
            return Err(Fault::refused(t!(
                "the customer is {years} years old; only people of 18 or older may sign",
                years = years
            ))
            .into());
        }
        Ok(Age::NeedsExplanation { years }) => Some(years),
        _ => None,
    };
    let plan = plan(ctx, form)?;
    let rails = rails(ctx, form, &plan)?;
    let animal = animal(ctx, form, &plan, signer.id())?;
    let anchor_day = debit_day(ctx, form, &rails, today)?;
    let schedule = Schedule::new(today, anchor_day, plan.first_debit);
    first_day_fits(ctx, &rails, &schedule)?;
    let reference_cost = match (plan.scenario, &animal) {
        // A pet that is bought has its price already; counting its cost again at the end would charge for it twice.
        (Scenario::Sale, _) => Money::ZERO,
        (Scenario::Adoption, Animal::Known(pet)) => pet.reference_cost,
        (Scenario::Adoption, Animal::New(pet)) => pet.reference_cost,
    };
    if reference_cost > plan.total() {
        return Err(Fault::refused(t!(
            "the pet's reference cost {cost} is above the plan's total {total}",
            cost = reference_cost.yuan(),
            total = plan.total().yuan()
        ))
        .hint(t!("the reference cost is what the shop paid for the animal, its vaccination and quarantine; correct it"))
        .into());
    }
    let mut prepared = Prepared {
        signer,
        animal,
        conditions: ctx.config.settings.terms.conditions(plan.guarantee_days),
        plan,
        rails,
        schedule,
        lang,
        reference_cost,
        points: Vec::new(),
        senior_years,
        warnings: Vec::new(),
        credit: credit::wish(ctx, form, lang, today)?,
    };
    prepared.warnings = warnings(&prepared);
    let numbers = Numbers { no: t!("(at signing)"), record_no: t!("(at signing)"), signed_at: now };
    let text = render(ctx, &prepared, &numbers, NO_DIGEST)?;
    prepared.points = points(&text)?;
    Ok(prepared)
}

/// Signs: writes customer, pet, agreement and mandates in one transaction, then asks the rails for their sign links.
/// `acknowledged` has one entry per point of [`Prepared::points`].
///
/// # Errors
/// When a point was not acknowledged, or the database cannot be written. An unreachable rail is no error: the link can be
/// asked for later.
pub fn sign(ctx: &Ctx, prepared: &Prepared, acknowledged: &[Acknowledged], now: At) -> Result<Signed> {
    may_move_money(ctx, now)?;
    if acknowledged.len() != prepared.points.len() {
        return Err(Fault::refused(t!("the customer has not acknowledged every important point"))
            .hint(t!("show the points and give --acknowledged when the customer has understood them"))
            .into());
    }
    if prepared.senior_years.is_some() && !acknowledged.iter().all(|point| point.explained) {
        return Err(Fault::refused(t!("the customer is 60 or older, so every point must be explained in person"))
            .hint(t!("explain them, then give --explained"))
            .into());
    }
    let schedule = prepared.schedule;
    let ends_on = schedule.end(prepared.plan.terms);
    let (customer, pet, agreement, no, sha256, mandates) = ctx.db.write(now, |tx| {
        let customer = match &prepared.signer {
            Signer::Known(known) => known.id,
            Signer::New(new) => db::customer::insert(tx, new, now)?,
        };
        let pet = hold_pet(ctx, tx, &prepared.animal, customer, now)?;
        let identity = db::shop::identity(tx)?;
        let no =
            printed_no(&identity.code, identity.copy_no, schedule.signed_on.year(), db::agreement::next_number(tx)?);
        let numbers = Numbers { no: no.clone(), record_no: pet.to_string(), signed_at: now };
        let sha256 = digest_of(&render(ctx, prepared, &numbers, NO_DIGEST)?);
        let text = render(ctx, prepared, &numbers, &sha256)?;
        let agreement = db::agreement::insert(
            tx,
            &NewAgreement {
                no: no.clone(),
                customer,
                pet,
                plan_code: prepared.plan.code.clone(),
                plan_name: plan_name(&prepared.plan, prepared.lang).to_owned(),
                source: AgreementSource::Signed,
                monthly: prepared.plan.monthly,
                terms: prepared.plan.terms,
                anchor_day: schedule.anchor_day,
                first_debit: schedule.first,
                signed_on: schedule.signed_on,
                signed_at: now,
                ends_on,
                paid_before: 0,
                reference_cost: prepared.reference_cost,
                conditions: prepared.conditions.clone(),
                lang: prepared.lang.word().to_owned(),
                template: template(ctx, prepared.lang)?.1,
                text: Some(text),
                text_sha256: Some(sha256.clone()),
                shown: shown(prepared, acknowledged).to_string(),
                import_row: None,
            },
        )?;
        let mut mandates = Vec::new();
        for (lane, rail) in (1..).zip(&prepared.rails) {
            let contract = contract_no(&identity.code, identity.copy_no, agreement, lane);
            mandates.push(db::mandate::insert(tx, agreement, lane, rail, &contract, ends_on, now)?);
        }
        if let Some(wish) = &prepared.credit {
            credit::note(ctx, tx, agreement, customer, wish, now)?;
        }
        let op = Op::AgreementSigned { agreement, customer, pet, sha256: sha256.clone() };
        Ok(((customer, pet, agreement, no, sha256, mandates), op))
    })?;
    let credit = prepared.credit.as_ref().map(|wish| credit::make(ctx, agreement, wish, now)).transpose()?;
    let links = match credit.as_ref().is_none_or(|check| check.review.lets_pass()) {
        true => links(ctx, &mandates, now)?,
        false => Vec::new(),
    };
    Ok(Signed {
        agreement,
        no,
        customer,
        pet,
        plan: prepared.plan.code.clone(),
        monthly: prepared.plan.monthly,
        terms: prepared.plan.terms,
        total: prepared.plan.total(),
        debit_day: schedule.anchor_day,
        first_due: schedule.due(1),
        last_due: schedule.due(prepared.plan.terms),
        ends_on,
        sha256,
        evidence: EVIDENCE,
        warnings: prepared.warnings.clone(),
        credit,
        links,
    })
}

/// A new mandate for an agreement whose mandate ended.
#[derive(Clone, Debug, Serialize)]
pub struct SignedAgain {
    /// The agreement.
    pub agreement: AgreementId,
    /// The number printed on it.
    pub no: String,
    /// Where the customer agrees.
    pub links: Vec<Link>,
}

/// Asks for a new mandate for an agreement whose mandate ended: the same lane, a new contract number; `rail` only when it is to
/// be another one.
///
/// # Errors
/// When the agreement does not run, its mandate still stands, or the rail cannot keep its debit day.
pub fn again(ctx: &Ctx, id: AgreementId, rail: Option<&str>, now: At) -> Result<SignedAgain> {
    may_move_money(ctx, now)?;
    let agreement = crate::ops::agreement::get(ctx.db.read(), id)?;
    if !matches!(agreement.state, AgreementState::Waiting | AgreementState::Active | AgreementState::Paused) {
        return Err(
            Fault::refused(t!("{agreement} does not run any more, so it needs no mandate", agreement = id)).into()
        );
    }
    let mandate = ctx.db.write(now, |tx| {
        let all = db::mandate::of_agreement(tx, id)?;
        let stands = |lane: u32| {
            all.iter().find(|it| it.lane == lane && matches!(it.state, MandateStatus::Waiting | MandateStatus::Live))
        };
        let lane = all.iter().map(|it| it.lane).find(|lane| stands(*lane).is_none());
        let Some(lane) = lane else {
            let standing = stands(1).map_or_else(|| id.to_string(), |it| it.id.to_string());
            return Err(Fault::refused(t!("{mandate} still stands", mandate = standing))
                .hint(t!("show its link with `kibble mandate link {mandate}`", mandate = standing))
                .into());
        };
        let last = all.iter().rfind(|it| it.lane == lane).expect("the lane was taken from one of them");
        let rail = rail.unwrap_or(&last.rail);
        let settings = can_carry(ctx, rail)?;
        if agreement.anchor_day > settings.profile.debit_day_max {
            return Err(Fault::refused(t!(
                "{rail} accepts debit days up to {largest}, and {agreement} has day {day}",
                rail = rail,
                largest = settings.profile.debit_day_max,
                agreement = id,
                day = agreement.anchor_day
            ))
            .into());
        }
        let identity = db::shop::identity(tx)?;
        let count = db::mandate::count_of(tx, id)? + 1;
        let contract = contract_no(&identity.code, identity.copy_no, id, count);
        let mandate = db::mandate::insert(tx, id, lane, rail, &contract, agreement.ends_on, now)?;
        Ok((mandate, Op::MandateAsked { mandate, rail: rail.to_owned() }))
    })?;
    Ok(SignedAgain { agreement: id, no: agreement.no, links: links(ctx, &[mandate], now)? })
}

fn links(ctx: &Ctx, mandates: &[MandateId], now: At) -> Result<Vec<Link>> {
    mandates.iter().map(|id| mandate::link(ctx, *id, now)).collect()
}

/// The pet is promised until the customer has agreed to the mandate.
fn hold_pet(ctx: &Ctx, tx: &Conn, animal: &Animal, customer: CustomerId, now: At) -> Result<PetId> {
    let today = ctx.today(now);
    match animal {
        Animal::Known(pet) => {
            if pet.status != Status::Adopted {
                db::pet::set_status(tx, pet.id, Status::Reserved, Some(customer), today)?;
            }
            Ok(pet.id)
        }
        Animal::New(new) => db::pet::insert(tx, &NewPet { customer: Some(customer), ..new.clone() }, today, now),
    }
}

/// The evidence that each point was shown and understood: a tick box alone proves nothing (domain facts 1.2).
fn shown(prepared: &Prepared, acknowledged: &[Acknowledged]) -> Value {
    let points: Vec<Value> = prepared
        .points
        .iter()
        .zip(acknowledged)
        .map(|(point, it)| {
            json!({
                "sha256": digest_of(point),
                "shown_at": it.shown_at,
                "acknowledged_at": it.acknowledged_at,
                "explained": it.explained,
            })
        })
        .collect();
    json!({ "evidence": EVIDENCE, "points": points })
}
