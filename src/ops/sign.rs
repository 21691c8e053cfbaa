//! Signing: checks what was entered, renders the agreement, and writes customer, pet, agreement and mandates in one transaction.
//! Asking the rail for the sign link comes afterwards, in `mandate.rs`. Owns no text of the agreement: that is a template.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{Datelike, NaiveDate};
use minijinja::ErrorKind;
use serde::Serialize;
use serde_json::{Value, json};

use crate::adapters::keys::sha256_hex;
use crate::config::AdapterKind;
use crate::db::agreement::NewAgreement;
use crate::db::customer::{Customer, NewCustomer};
use crate::db::pet::{NewPet, Pet};
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementSource, AgreementState, Conditions};
use crate::domain::charge::contract_no;
use crate::domain::customer::{Age, IdNumber, PersonName, Phone};
use crate::domain::date::{At, FirstDebit, Schedule};
use crate::domain::id::{AgreementId, CustomerId, MandateId, PetId};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::{ChipNumber, Sex, Species, Status};
use crate::domain::plan::{Plan, Scenario};
use crate::english;
use crate::fault::Fault;
use crate::ops::book::{Advice, amount_text, id_number_text, name_text, phone_text};
use crate::ops::customer::resolve;
use crate::ops::debit::may_move_money;
use crate::ops::mandate::{self, Link};
use crate::ops::{Ctx, credit};
use crate::t;
use crate::text::{self, Lang, lookup_in, template};

/// Version of the built-in agreement texts; raised with every change of their wording.
const TEMPLATE_VERSION: u32 = 1;

/// What stands in the digest line while the digest itself is computed (domain facts 2).
const NO_DIGEST: &str = "-";

/// Everything that can be said about a signing, as typed: by flags, in a file, or at prompts. Nothing is checked yet.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the flag of its name, and the help of `kibble sign` explains them")]
pub struct Form {
    pub customer: Option<String>,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub id_number: Option<String>,
    pub address: Option<String>,
    pub pet: Option<String>,
    pub pet_name: Option<String>,
    pub species: Option<String>,
    pub breed: Option<String>,
    pub sex: Option<String>,
    pub born: Option<String>,
    pub chip: Option<String>,
    pub quarantine: Option<String>,
    pub source: Option<String>,
    pub reference_cost: Option<String>,
    pub plan: Option<String>,
    pub rail: Option<String>,
    pub second_rail: Option<String>,
    pub debit_day: Option<String>,
    pub text: Option<String>,
    pub credit_consent: Option<String>,
    pub credit_score: Option<String>,
    pub credit_result: Option<String>,
    pub credit_reference: Option<String>,
    pub credit_seen_on: Option<String>,
    pub acknowledged: bool,
    pub explained: bool,
}

impl Form {
    /// The keys of a file, which are the names of the flags.
    pub const KEYS: [&'static str; 27] = [
        "customer",
        "name",
        "phone",
        "id_number",
        "address",
        "pet",
        "pet_name",
        "species",
        "breed",
        "sex",
        "born",
        "chip",
        "quarantine",
        "source",
        "reference_cost",
        "plan",
        "rail",
        "second_rail",
        "debit_day",
        "text",
        "credit_consent",
        "credit_score",
        "credit_result",
        "credit_reference",
        "credit_seen_on",
        "acknowledged",
        "explained",
    ];

    /// Reads a file of one signing, TOML or JSON: one key per flag.
    ///
    /// # Errors
    /// When it is neither, or has a key that is no flag; line and key are named.
    pub fn read(name: &str, content: &str) -> Result<Form> {
        let values: BTreeMap<String, Value> = if content.trim_start().starts_with('{') {
            serde_json::from_str(content).map_err(|error| not_a_form(name, error.line()))?
        } else {
            toml::from_str(content).map_err(|error| {
                let at = error.span().map_or(0, |span| span.start.min(content.len()));
                not_a_form(name, content.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1)
            })?
        };
        let mut form = Form::default();
        for (key, value) in values {
            let text = match value {
                Value::String(text) => text,
                Value::Null => continue,
                Value::Array(_) | Value::Object(_) => return Err(unknown_key(name, &key)),
                plain => plain.to_string(),
            };
            if !form.set(&key.replace('-', "_"), text) {
                return Err(unknown_key(name, &key));
            }
        }
        Ok(form)
    }

    fn set(&mut self, key: &str, text: String) -> bool {
        let place = match key {
            "customer" => &mut self.customer,
            "name" => &mut self.name,
            "phone" => &mut self.phone,
            "id_number" => &mut self.id_number,
            "address" => &mut self.address,
            "pet" => &mut self.pet,
            "pet_name" => &mut self.pet_name,
            "species" => &mut self.species,
            "breed" => &mut self.breed,
            "sex" => &mut self.sex,
            "born" => &mut self.born,
            "chip" => &mut self.chip,
            "quarantine" => &mut self.quarantine,
            "source" => &mut self.source,
            "reference_cost" => &mut self.reference_cost,
            "plan" => &mut self.plan,
            "rail" => &mut self.rail,
            "second_rail" => &mut self.second_rail,
            "debit_day" => &mut self.debit_day,
            "text" => &mut self.text,
            "credit_consent" => &mut self.credit_consent,
            "credit_score" => &mut self.credit_score,
            "credit_result" => &mut self.credit_result,
            "credit_reference" => &mut self.credit_reference,
            "credit_seen_on" => &mut self.credit_seen_on,
            "acknowledged" => {
                self.acknowledged = text == "true";
                return true;
            }
            "explained" => {
                self.explained = text == "true";
                return true;
            }
            _ => return false,
        };
        *place = Some(text);
        true
    }

    /// What the clerk saw at the credit check.
    pub fn credit_seen(&self) -> credit::Typed {
        credit::Typed {
            score: self.credit_score.clone(),
            result: self.credit_result.clone(),
            reference: self.credit_reference.clone(),
            seen_on: self.credit_seen_on.clone(),
        }
    }
}

fn not_a_form(name: &str, line: usize) -> anyhow::Error {
    Fault::usage(t!("{file}, line {line}: this is neither TOML nor JSON", file = name, line = line))
        .hint(t!("write one `key = \"value\"` per line; the keys are the flags of `kibble sign`"))
        .into()
}

fn unknown_key(name: &str, key: &str) -> anyhow::Error {
    Fault::usage(t!("{file} has the key {key}, which `kibble sign` does not know", file = name, key = key))
        .hint(t!("one of: {choices}", choices = Form::KEYS.join(", ")))
        .into()
}

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
    let able = |rail: &&crate::config::RailSettings| rail.adapter != AdapterKind::Cash;
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
        None => text::lang(),
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
        let no = format!("KB-{}-{:06}", schedule.signed_on.year(), db::agreement::next_number(tx)?);
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
        let identity = db::shop::identity(tx)?;
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

/// The digest of a text whose digest line holds `-`: lower-case hex of SHA-256.
pub fn digest_of(text: &str) -> String {
    sha256_hex(text.as_bytes())
}

/// Whether a sealed text is the one whose digest was recorded.
pub fn is_intact(text: &str, sha256: &str) -> bool {
    digest_of(&text.replacen(sha256, NO_DIGEST, 1)) == sha256
}

fn links(ctx: &Ctx, mandates: &[MandateId], now: At) -> Result<Vec<Link>> {
    mandates.iter().map(|id| mandate::link(ctx, *id, now)).collect()
}

fn usage(what: String, flag: &str) -> Fault {
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

/// An agreement names the shop with code, address and phone (RQ01), so without them there is none.
/// Makes sure that the settings hold what every agreement says about the shop.
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
    .hint(t!(
        "fill them in under [merchant] in {path}",
        path = ctx.config.folder.join(crate::config::SHOP_TOML).display()
    ))
    .into())
}

fn signer(ctx: &Ctx, form: &Form, lang: Lang, today: NaiveDate) -> Result<Signer> {
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

fn plan(ctx: &Ctx, form: &Form) -> Result<Plan> {
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

fn rails(ctx: &Ctx, form: &Form, plan: &Plan) -> Result<Vec<String>> {
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

fn can_carry<'a>(ctx: &'a Ctx, rail: &str) -> Result<&'a crate::config::RailSettings> {
    let settings = ctx.config.rail(rail)?;
    if settings.adapter == AdapterKind::Cash {
        return Err(Fault::refused(t!("{rail} is paid at the counter and cannot be debited", rail = rail))
            .hint(t!("one of: {choices}", choices = mandate_rails(ctx).join(", ")))
            .into());
    }
    Ok(settings)
}

fn debit_day(ctx: &Ctx, form: &Form, rails: &[String], today: NaiveDate) -> Result<u32> {
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
fn first_day_fits(ctx: &Ctx, rails: &[String], schedule: &Schedule) -> Result<()> {
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

fn animal(ctx: &Ctx, form: &Form, plan: &Plan, customer: Option<CustomerId>) -> Result<Animal> {
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

/// PC11 and PC12, and a phone that may not be the customer's own.
fn warnings(prepared: &Prepared) -> Vec<String> {
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

/// Numbers that exist only once the records do.
struct Numbers {
    no: String,
    record_no: String,
    signed_at: At,
}

/// The template for `lang`, and its name with version; a shop's own one says so.
fn template(ctx: &Ctx, lang: Lang) -> Result<(String, String)> {
    let (built_in, file) = match lang {
        Lang::Zh => (include_str!("../text/templates/agreement.zh.txt.j2"), "agreement.zh.txt.j2"),
        Lang::En => (include_str!("../text/templates/agreement.en.txt.j2"), "agreement.en.txt.j2"),
    };
    let own = ctx.config.template(file)?;
    let version = if own.is_some() { "own".to_owned() } else { format!("v{TEMPLATE_VERSION}") };
    let text = own.unwrap_or_else(|| built_in.to_owned());
    let name = format!("agreement.{} {version} {}", lang.word(), &digest_of(&text)[..12]);
    Ok((text, name))
}

/// The agreement's text. A placeholder that has no value refuses (domain facts 2).
fn render(ctx: &Ctx, prepared: &Prepared, numbers: &Numbers, sha256: &str) -> Result<String> {
    let (source, name) = template(ctx, prepared.lang)?;
    let values = values(ctx, prepared, numbers, sha256)?;
    let env = template::environment();
    let wrong = |error: &minijinja::Error| -> anyhow::Error {
        let line = error.line().unwrap_or_default();
        Fault::refused(t!("the template {name} is wrong in line {line}", name = name, line = line))
            .hint(t!("correct templates/ in the shop folder, or delete the file to use the built-in text"))
            .into()
    };
    template::check(&source).map_err(|fault| {
        Fault::refused(t!("the template {name} cannot be used: {why}", name = name, why = fault.text()))
            .hint(t!("correct templates/ in the shop folder, or delete the file to use the built-in text"))
    })?;
    let template = env.template_from_str(&source).map_err(|error| wrong(&error))?;
    template.render(minijinja::Value::from(minijinja::value::Serde(&values))).map_err(|error| {
        let known = |path: &String| values.pointer(&format!("/{}", path.replace('.', "/"))).is_some();
        let mut missing: Vec<String> =
            template.undeclared_variables(true).into_iter().filter(|it| !known(it)).collect();
        missing.sort();
        if error.kind() != ErrorKind::UndefinedError || missing.is_empty() {
            return wrong(&error);
        }
        Fault::refused(t!(
            "the template {name} has placeholders without a value: {list}",
            name = name,
            list = missing.join(", ")
        ))
        .hint(t!("correct templates/ in the shop folder, or delete the file to use the built-in text"))
        .into()
    })
}

fn values(ctx: &Ctx, prepared: &Prepared, numbers: &Numbers, sha256: &str) -> Result<Value> {
    let (plan, schedule, lang) = (&prepared.plan, &prepared.schedule, prepared.lang);
    let (merchant, terms) = (&ctx.config.settings.merchant, &prepared.conditions);
    let today = schedule.signed_on;
    let id = IdNumber::parse(prepared.signer.id_number(), today).map(|id| id.masked()).unwrap_or_default();
    let complaint_phone = if merchant.complaint_phone.is_empty() { &merchant.phone } else { &merchant.complaint_phone };
    let channels: Result<Vec<String>> = prepared
        .rails
        .iter()
        .map(|rail| {
            let label = ctx.config.rail(rail)?.label(lang).to_owned();
            Ok(text::fill(lookup_in(lang, english!("{label} recurring debit")), &[("label", &label)]))
        })
        .collect();
    let comma = if lang == Lang::Zh { "、" } else { ", " };
    let pet = pet_values(prepared, numbers);
    let diseases = match lang {
        Lang::Zh => &ctx.config.settings.terms.disease_list_zh,
        Lang::En => &ctx.config.settings.terms.disease_list_en,
    };
    let sale_price = if plan.scenario == Scenario::Sale && plan.sale_price.is_positive() {
        plan.sale_price.to_string()
    } else {
        String::new()
    };
    Ok(json!({
        "agreement": {
            "no": numbers.no,
            "signed_on": today.to_string(),
            "signed_at": numbers.signed_at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M:%S %:z").to_string(),
            "sha256": sha256,
        },
        "merchant": {
            "name": ctx.config.shop_name(lang),
            "uscc": merchant.uscc,
            "address": merchant.address,
            "phone": merchant.phone,
            "complaint_phone": complaint_phone,
        },
        "customer": {
            "name": prepared.signer.name(),
            "id_masked": id,
            "phone_masked": masked_phone(prepared.signer.phone()),
        },
        "pet": pet,
        "plan": {
            "monthly_amount": plan.monthly.to_string(),
            "terms": plan.terms,
            "total_amount": plan.total().to_string(),
            "debit_day": schedule.anchor_day,
            "first_due": schedule.due(1).to_string(),
            "last_due": schedule.due(plan.terms).to_string(),
            "sale_price": sale_price,
            "name": plan_name(plan, lang),
        },
        "mandate": { "channel_name": channels?.join(comma), "valid_until": schedule.end(plan.terms).to_string() },
        "terms": {
            "cooling_off_days": terms.cooling_off_days,
            "refund_days": terms.refund_days,
            "confirm_days": terms.confirm_days,
            "cure_days": terms.cure_days,
            "retry_max": terms.retry_max,
        },
        "health": { "guarantee_days": terms.guarantee_days, "disease_list": diseases },
        "privacy": { "retention_years": terms.retention_years },
        "complaint": { "resolve_days": terms.resolve_days },
    }))
}

fn pet_values(prepared: &Prepared, numbers: &Numbers) -> Value {
    let lang = prepared.lang;
    let (name, species, breed, sex, born, quarantine) = match &prepared.animal {
        Animal::Known(pet) => (&pet.name, &pet.species, &pet.breed, pet.sex, pet.birth_date, &pet.quarantine_no),
        Animal::New(pet) => (&pet.name, &pet.species, &pet.breed, pet.sex, pet.birth_date, &pet.quarantine_no),
    };
    let unknown = || lookup_in(lang, english!("not known")).to_owned();
    let species = match Species::from_word(species) {
        Some(Species::Cat) => english!("cat"),
        Some(Species::Dog) => english!("dog"),
        Some(Species::Rabbit) => english!("rabbit"),
        _ => english!("other animal"),
    };
    let sex = match sex {
        Sex::Male => english!("male"),
        Sex::Female => english!("female"),
        Sex::Unknown => english!("sex not known"),
    };
    json!({
        "name": name,
        "species": lookup_in(lang, species),
        "breed": if breed.trim().is_empty() { unknown() } else { breed.clone() },
        "sex": lookup_in(lang, sex),
        "birth_date": born.map_or_else(unknown, |day| day.to_string()),
        "record_no": numbers.record_no,
        "reference_cost": prepared.reference_cost.to_string(),
        "quarantine_no": quarantine.clone().unwrap_or_default(),
    })
}

/// The points of major interest: the lines below the one that begins with the mark, up to the next empty line.
fn points(text: &str) -> Result<Vec<String>> {
    const MARKS: [&str; 2] = ["【重要提示】", "[IMPORTANT]"];
    let mut lines = text.lines().skip_while(|line| !MARKS.iter().any(|mark| line.starts_with(mark)));
    lines.next();
    let points: Vec<String> =
        lines.take_while(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned()).collect();
    if points.is_empty() {
        return Err(Fault::refused(t!("the agreement's template has no list of important points"))
            .hint(t!("it begins with a line {mark} and has one point per line", mark = MARKS.join(" / ")))
            .into());
    }
    Ok(points)
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

fn plan_name(plan: &Plan, lang: Lang) -> &str {
    match lang {
        Lang::Zh => &plan.name_zh,
        Lang::En => &plan.name_en,
    }
}

fn masked_phone(phone: &str) -> String {
    Phone::parse(phone).map(|phone| phone.masked()).unwrap_or_default()
}

/// Who the customer is to people who read a rail's page: `王**(0001)`.
pub(super) fn label(customer: &Customer) -> String {
    match Phone::parse(&customer.phone) {
        Ok(phone) => crate::domain::customer::label(&customer.name, &phone),
        Err(_) => crate::domain::customer::mask_name(&customer.name),
    }
}

/// The agreement's own text, checked against its digest.
#[derive(Clone, Debug, Serialize)]
pub struct SealedText {
    /// Which agreement.
    pub agreement: AgreementId,
    /// The number printed on it.
    pub no: String,
    /// Template name and version.
    pub template: String,
    /// The recorded digest.
    pub sha256: Option<String>,
    /// Whether the text still has that digest.
    pub intact: bool,
    /// The text.
    pub text: String,
}

/// The text that was signed.
///
/// # Errors
/// When there is none: an agreement from the earlier book is on paper.
pub fn text_of(ctx: &Ctx, agreement: &Agreement) -> Result<SealedText> {
    let conn = ctx.db.read();
    let text = db::agreement::text(conn, agreement.id).with_context(|| agreement.id.to_string())?;
    let Some(text) = text else {
        return Err(Fault::not_found(t!(
            "the text of {agreement} is not in kibble: it came from the earlier book",
            agreement = agreement.id
        ))
        .into());
    };
    let intact = agreement.text_sha256.as_deref().is_some_and(|sha256| is_intact(&text, sha256));
    Ok(SealedText {
        agreement: agreement.id,
        no: agreement.no.clone(),
        template: agreement.template.clone(),
        sha256: agreement.text_sha256.clone(),
        intact,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::{Form, digest_of, is_intact, points};

    #[test]
    fn a_changed_letter_shows_in_the_digest() {
        let bare = "Agreement\nDigest: -";
        let sha256 = digest_of(bare);
        let signed = format!("Agreement\nDigest: {sha256}");
        assert!(is_intact(&signed, &sha256));
        assert!(!is_intact(&signed.replace("Agreement", "Agreemend"), &sha256));
    }

    #[test]
    fn the_points_of_the_built_in_texts_are_four() {
        for text in [
            include_str!("../text/templates/agreement.zh.txt.j2"),
            include_str!("../text/templates/agreement.en.txt.j2"),
        ] {
            assert_eq!(points(text).unwrap().len(), 4);
        }
        assert!(points("no points here").is_err());
    }

    #[test]
    fn a_file_is_toml_or_json_and_knows_the_flags_only() {
        let toml = Form::read("s.toml", "name = \"王小明\"\ndebit-day = 15\nacknowledged = true").unwrap();
        assert_eq!((toml.name.as_deref(), toml.debit_day.as_deref()), (Some("王小明"), Some("15")));
        assert!(toml.acknowledged && !toml.explained);
        let json = Form::read("s.json", r#"{"id_number": "119999198506150016", "pet": null}"#).unwrap();
        assert_eq!(json.id_number.as_deref(), Some("119999198506150016"));
        for (text, part) in [
            ("name = ", "line 1"),
            ("nane = 'x'", "nane"),
            ("{\"name\": }", "line 1"),
            ("[customer]\nid = 1", "customer"),
        ] {
            let error = Form::read("s", text).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
