//! `kibble sign`: customer, pet, plan, payment rail, debit day; guided on a terminal, by flags, or from one file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::NaiveDate;

use crate::cli::customer::species_text;
use crate::cli::exit::Exit;
use crate::cli::mandate::show_link;
use crate::cli::ui::{Paint, Ui, columns};
use crate::cli::{self, Globals, plan};
use crate::config;
use crate::domain::credit::Review;
use crate::domain::date::At;
use crate::domain::id::AgreementId;
use crate::domain::money::Money;
use crate::domain::pet::Species;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::book::amount_text;
use crate::ops::credit::{self, Check};
use crate::ops::customer::{check_id_number, check_name, check_phone};
use crate::ops::sign::{self, Acknowledged, Form, Prepared, Signed};
use crate::t;
use crate::text::{Lang, lang as text_lang};

/// Sign an agreement: customer, pet, plan, payment rail, debit day
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file with one key per flag, TOML or JSON; flags go before it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A new mandate for this agreement, whose mandate ended
    #[arg(long, value_name = "AGREEMENT")]
    again: Option<AgreementId>,
    /// A customer of the shop: id, phone number or name
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// A new customer's name, as on the ID card
    #[arg(long)]
    name: Option<String>,
    /// A new customer's mobile number
    #[arg(long)]
    phone: Option<String>,
    /// A new customer's ID number
    #[arg(long, value_name = "NUMBER")]
    id_number: Option<String>,
    /// Where a new customer's goods go
    #[arg(long)]
    address: Option<String>,
    /// A pet of the shop, for example p-12
    #[arg(long, value_name = "PET")]
    pet: Option<String>,
    /// A new pet's name
    #[arg(long, value_name = "NAME")]
    pet_name: Option<String>,
    /// A new pet's species
    #[arg(long)]
    species: Option<String>,
    /// A new pet's breed
    #[arg(long)]
    breed: Option<String>,
    /// A new pet's sex
    #[arg(long)]
    sex: Option<String>,
    /// A new pet's date of birth
    #[arg(long, value_name = "DATE")]
    born: Option<String>,
    /// A new pet's chip number, 15 digits
    #[arg(long, value_name = "NUMBER")]
    chip: Option<String>,
    /// Number of a new pet's quarantine certificate
    #[arg(long, value_name = "NUMBER")]
    quarantine: Option<String>,
    /// Where a new pet comes from
    #[arg(long)]
    source: Option<String>,
    /// What a new pet cost the shop, with vaccination and quarantine; shown in the agreement
    #[arg(long, value_name = "AMOUNT")]
    reference_cost: Option<String>,
    /// The plan's code
    #[arg(long)]
    plan: Option<String>,
    /// The payment rail that is debited
    #[arg(long)]
    rail: Option<String>,
    /// A payment rail that is tried after the first has declined
    #[arg(long, value_name = "RAIL")]
    second_rail: Option<String>,
    /// Day of the month on which is debited; without it the day of signing
    #[arg(long, value_name = "DAY")]
    debit_day: Option<String>,
    /// Language of the agreement's text, zh or en
    #[arg(long, value_name = "LANG")]
    text: Option<String>,
    /// Whether the customer consents to the credit check: yes or no; after a no a person decides
    #[arg(long, value_name = "ANSWER")]
    credit_consent: Option<String>,
    /// The credit score that you saw
    #[arg(long, value_name = "SCORE")]
    credit_score: Option<String>,
    /// What you saw where no score is shown: pass, fail or unknown
    #[arg(long, value_name = "RESULT")]
    credit_result: Option<String>,
    /// Where the proof is, for example the name of a screenshot
    #[arg(long, value_name = "TEXT")]
    credit_reference: Option<String>,
    /// The day on which you saw it; without it today
    #[arg(long, value_name = "DATE")]
    credit_seen_on: Option<String>,
    /// The customer has read and understood every important point
    #[arg(long)]
    acknowledged: bool,
    /// The staff explained every important point in person
    #[arg(long)]
    explained: bool,
}

/// Signs, asking for what the flags and the file do not say.
///
/// # Errors
/// Those of [`sign::prepare`] and [`sign::sign`], and a missing flag where nobody can be asked.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let now = ctx.now();
    if let Some(agreement) = args.again {
        let again = sign::again(&ctx, agreement, args.rail.as_deref(), now)?;
        ui.answer(&again, |ui| {
            ui.data(&t!("{no} gets a new mandate; it runs on once the customer agrees.", no = again.no));
            again.links.iter().try_for_each(|link| show_link(ui, link))
        })?;
        return Ok(Exit::Done);
    }
    let mut form = form(args)?;
    if ui.can_ask() {
        ask(&ctx, ui, &mut form, now)?;
    }
    let prepared = sign::prepare(&ctx, &form, now)?;
    for warning in &prepared.warnings {
        ui.warn(warning);
    }
    let acknowledged = acknowledge(&ctx, ui, &form, &prepared, now)?;
    let signed = sign::sign(&ctx, &prepared, &acknowledged, now)?;
    ui.answer(&signed, |ui| show(ui, &signed))?;
    let held = signed.credit.as_ref().is_some_and(|check| !check.review.lets_pass());
    Ok(if held { Exit::NeedsPerson } else { Exit::Done })
}

fn form(args: &Args) -> Result<Form> {
    let mut form = match &args.file {
        None => Form::default(),
        Some(path) => {
            let name = path.display().to_string();
            Form::read(&name, &config::read_text(path).with_context(|| name.clone())?)?
        }
    };
    let flags = [
        (&args.customer, &mut form.customer),
        (&args.name, &mut form.name),
        (&args.phone, &mut form.phone),
        (&args.id_number, &mut form.id_number),
        (&args.address, &mut form.address),
        (&args.pet, &mut form.pet),
        (&args.pet_name, &mut form.pet_name),
        (&args.species, &mut form.species),
        (&args.breed, &mut form.breed),
        (&args.sex, &mut form.sex),
        (&args.born, &mut form.born),
        (&args.chip, &mut form.chip),
        (&args.quarantine, &mut form.quarantine),
        (&args.source, &mut form.source),
        (&args.reference_cost, &mut form.reference_cost),
        (&args.plan, &mut form.plan),
        (&args.rail, &mut form.rail),
        (&args.second_rail, &mut form.second_rail),
        (&args.debit_day, &mut form.debit_day),
        (&args.text, &mut form.text),
        (&args.credit_consent, &mut form.credit_consent),
        (&args.credit_score, &mut form.credit_score),
        (&args.credit_result, &mut form.credit_result),
        (&args.credit_reference, &mut form.credit_reference),
        (&args.credit_seen_on, &mut form.credit_seen_on),
    ];
    for (flag, place) in flags {
        if flag.is_some() {
            place.clone_from(flag);
        }
    }
    form.acknowledged |= args.acknowledged;
    form.explained |= args.explained;
    Ok(form)
}

/// Step by step: what the form does not say yet.
fn ask(ctx: &Ctx, ui: &Ui, form: &mut Form, now: At) -> Result<()> {
    // Said before anything is asked: nobody answers a dozen questions in vain.
    sign::merchant_is_complete(ctx)?;
    if form.customer.is_none() && form.name.is_none() {
        let known = t!("a customer of the shop");
        let new = t!("a new customer");
        if ui.select(&t!("Who signs?"), &[new, known], Some(0), "--customer")? == 1 {
            form.customer = Some(ui.input(&t!("Id, phone number or name"), None, "--customer")?);
        }
    }
    if form.customer.is_none() {
        checked(ui, &mut form.name, t!("Name, as on the ID card"), "--name", &check_name)?;
        checked(ui, &mut form.phone, t!("Mobile number"), "--phone", &check_phone)?;
        checked(ui, &mut form.id_number, t!("ID number"), "--id-number", &|text| check_id_number(ctx, text))?;
        text(ui, &mut form.address, t!("Address for deliveries (may be empty)"), "--address", Some(""))?;
    }
    if form.pet.is_none() && form.pet_name.is_none() {
        let choices = [t!("a new pet"), t!("a pet with a record")];
        if ui.select(&t!("Which pet?"), &choices, Some(0), "--pet")? == 1 {
            form.pet = Some(ui.input(&t!("The pet's id, for example p-12"), None, "--pet")?);
        }
    }
    if form.pet.is_none() {
        text(ui, &mut form.pet_name, t!("The pet's name"), "--pet-name", None)?;
        if form.species.is_none() {
            let choices = Species::ALL.map(|it| species_text(it.word()));
            let chosen = ui.select(&t!("What kind of animal?"), &choices, Some(0), "--species")?;
            form.species = Species::ALL.get(chosen).map(|it| it.word().to_owned());
        }
        text(ui, &mut form.breed, t!("Breed (may be empty)"), "--breed", Some(""))?;
        if form.sex.is_none() {
            let chosen = ui.select(&t!("Which sex?"), &[t!("male"), t!("female"), t!("unknown")], Some(2), "--sex")?;
            form.sex = Some(["male", "female", "unknown"][chosen].to_owned());
        }
        if form.born.is_none() {
            let born = t!("Date of birth, for example 2026-08-10 (may be empty)");
            form.born = Some(ui.input_checked(&born, Some(""), "--born", &is_date)?);
        }
        let cost = t!("What the pet cost the shop, in yuan; shown in the agreement");
        checked(ui, &mut form.reference_cost, cost, "--reference-cost", &is_amount)?;
    }
    if form.plan.is_none() {
        let plans = sign::plans(ctx)?;
        let rows: Vec<Vec<String>> = plans
            .iter()
            .map(|plan| {
                let months = t!("{terms} months", terms = plan.terms);
                vec![plan.code.clone(), plan::name(plan).to_owned(), plan.monthly.yuan(), months, plan.total().yuan()]
            })
            .collect();
        let chosen = ui.select(&t!("Which plan?"), &columns(&rows, &[2, 4]), Some(0), "--plan")?;
        form.plan = plans.get(chosen).map(|plan| plan.code.clone());
    }
    if form.rail.is_none() {
        let rails = sign::mandate_rails(ctx);
        let chosen = ui.select(&t!("Which payment rail?"), &rails, Some(0), "--rail")?;
        form.rail = rails.get(chosen).cloned();
    }
    if form.debit_day.is_none() {
        let rails: Vec<String> = form.rail.iter().chain(&form.second_rail).cloned().collect();
        let offer = sign::day_offer(ctx, &rails, ctx.today(now))?;
        if !offer.fits() {
            let days = [offer.largest, 1].map(|day| day.to_string());
            let question = t!("Day {day} cannot be the debit day there. Which day instead?", day = offer.wanted);
            let chosen = ui.select(&question, &days, Some(0), "--debit-day")?;
            form.debit_day = days.get(chosen).cloned();
        }
    }
    ask_credit(ctx, ui, form)
}

/// Consent first, as a step of its own, and never by `--yes`: nobody consents for the customer.
fn ask_credit(ctx: &Ctx, ui: &Ui, form: &mut Form) -> Result<()> {
    if !credit::is_on(ctx) {
        return Ok(());
    }
    if form.credit_consent.is_none() {
        let lang = form.text.as_deref().and_then(Lang::from_word).unwrap_or_else(text_lang);
        ui.status(&ui.paint(Paint::Heading, &credit::consent_text(ctx, lang)));
        let choices = [t!("no, a person decides without it"), t!("yes, the customer consents")];
        let chosen =
            ui.select(&t!("Does the customer consent to the credit check?"), &choices, Some(0), "--credit-consent")?;
        form.credit_consent = Some(["no", "yes"][chosen].to_owned());
    }
    if !credit::is_manual(ctx) || form.credit_consent.as_deref() != Some("yes") {
        return Ok(());
    }
    if form.credit_score.is_none() && form.credit_result.is_none() {
        let question = t!("The score you saw (may be empty)");
        let score = ui.input_checked(&question, Some(""), "--credit-score", &credit::check_score)?;
        if score.is_empty() {
            let choices = [t!("it cannot be told"), t!("high enough"), t!("too low")];
            let chosen = ui.select(&t!("What did you see?"), &choices, Some(0), "--credit-result")?;
            form.credit_result = Some(["unknown", "pass", "fail"][chosen].to_owned());
        }
        form.credit_score = Some(score);
    }
    // A pass without a number needs its proof; a number may have one.
    let needed = form.credit_result.as_deref() == Some("pass");
    let question = match needed {
        true => t!("Where is the proof, for example the name of a screenshot?"),
        false => t!("Where is the proof, for example the name of a screenshot? (may be empty)"),
    };
    text(ui, &mut form.credit_reference, question, "--credit-reference", (!needed).then_some(""))
}

fn text(ui: &Ui, place: &mut Option<String>, question: String, flag: &str, default: Option<&str>) -> Result<()> {
    if place.is_none() {
        *place = Some(ui.input(&question, default, flag)?);
    }
    Ok(())
}

/// Asks until the answer is sound, so that a slip does not cost every answer before it.
fn checked(
    ui: &Ui,
    place: &mut Option<String>,
    question: String,
    flag: &str,
    check: &dyn Fn(&str) -> Result<(), String>,
) -> Result<()> {
    if place.is_none() {
        *place = Some(ui.input_checked(&question, None, flag, check)?);
    }
    Ok(())
}

fn is_date(text: &str) -> Result<(), String> {
    match text.is_empty() || text.parse::<NaiveDate>().is_ok() {
        true => Ok(()),
        false => Err(t!("{text} is not a date like 2026-08-10", text = text)),
    }
}

fn is_amount(text: &str) -> Result<(), String> {
    match text.parse::<Money>() {
        Ok(_) => Ok(()),
        Err(error) => Err(amount_text(error).reason),
    }
}

/// Shows the important points and takes the customer's word for each; with `--acknowledged` it was given beforehand.
fn acknowledge(ctx: &Ctx, ui: &Ui, form: &Form, prepared: &Prepared, now: At) -> Result<Vec<Acknowledged>> {
    if form.acknowledged {
        let point = Acknowledged { shown_at: now, acknowledged_at: now, explained: form.explained };
        return Ok(vec![point; prepared.points.len()]);
    }
    if !ui.can_ask() {
        return Err(Fault::refused(t!("the customer has not acknowledged every important point"))
            .hint(t!("show the points and give --acknowledged when the customer has understood them"))
            .into());
    }
    let mut acknowledged = Vec::new();
    for point in &prepared.points {
        let shown_at = ctx.now();
        ui.status(&ui.paint(Paint::Heading, point));
        if !ui.confirm(&t!("Has the customer read and understood this?"), false)? {
            return Err(Fault::refused(t!("the customer has not acknowledged every important point"))
                .hint(t!("explain the point, then sign again; nothing was written"))
                .into());
        }
        let explained =
            form.explained || ui.confirm(&t!("Did you explain it in person?"), prepared.senior_years.is_some())?;
        acknowledged.push(Acknowledged { shown_at, acknowledged_at: ctx.now(), explained });
    }
    Ok(acknowledged)
}

fn show(ui: &Ui, signed: &Signed) -> Result<()> {
    ui.data(&t!(
        "Signed: {no}, {agreement}, customer {customer}, pet {pet}",
        no = signed.no,
        agreement = signed.agreement,
        customer = signed.customer,
        pet = signed.pet
    ));
    ui.data(&format!(
        "  {}",
        t!(
            "{terms} × {monthly} = {total}, debited on day {day}, first {first}, last {last}, until {end}",
            terms = signed.terms,
            monthly = signed.monthly.yuan(),
            total = signed.total.yuan(),
            day = signed.debit_day,
            first = signed.first_due,
            last = signed.last_due,
            end = signed.ends_on
        )
    ));
    ui.data(&format!("  {}", t!("digest {sha256}, evidence {level}", sha256 = signed.sha256, level = signed.evidence)));
    if let Some(check) = &signed.credit {
        show_check(ui, check);
    }
    signed.links.iter().try_for_each(|link| show_link(ui, link))?;
    ui.hint(&t!("the text for both sides: `kibble agreement text {agreement}`", agreement = signed.agreement));
    Ok(())
}

/// What a credit check said, and what to do when it holds the agreement.
pub(super) fn show_check(ui: &Ui, check: &Check) {
    let said = t!(
        "credit check: {verdict} ({provider})",
        verdict = credit::verdict_text(check),
        provider = credit::provider_text(&check.provider)
    );
    ui.data(&format!("  {said}"));
    if check.review == Review::Open {
        ui.warn(&t!("{agreement} gets no mandate before a person has decided", agreement = check.agreement));
        ui.hint(&credit::decide_hint(check.agreement));
    }
}
