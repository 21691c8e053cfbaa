//! `kibble pet`: the animal and its papers.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::Globals;
use crate::cli::customer::{species_text, status_text};
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui, columns};
use crate::cli::usage::reason;
use crate::domain::id::PetId;
use crate::domain::money::Money;
use crate::domain::pet::{Sex, Species, Status};
use crate::fault::Fault;
use crate::ops::agreement::state_text;
use crate::ops::pet::{Changed, Draft, Shown, add, list, set_status, show};
use crate::ops::{Ctx, read_day, read_money};
use crate::t;

/// The animals and their papers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(Add),
    List(List),
    Show(Show),
    Status(SetStatus),
}

/// Add a pet; asks for what the options do not say
#[derive(Debug, clap::Args)]
struct Add {
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// What kind of animal
    #[arg(long, value_parser = all_species())]
    species: Option<Species>,
    /// Its breed
    #[arg(long)]
    breed: Option<String>,
    /// Its sex
    #[arg(long, value_parser = sexes(), default_value = "unknown")]
    sex: Sex,
    /// Date of birth
    #[arg(long, value_name = "DATE")]
    birth_date: Option<String>,
    /// The date of birth is an estimate
    #[arg(long, requires = "birth_date")]
    birth_estimated: bool,
    /// Chip number, 15 digits
    #[arg(long, value_name = "NUMBER")]
    chip: Option<String>,
    /// Number of the quarantine certificate
    #[arg(long, value_name = "NUMBER")]
    quarantine_no: Option<String>,
    /// Where it came from
    #[arg(long, value_parser = PossibleValuesParser::new(["bred", "bought", "rescued", "surrendered", "imported", "unknown"]), default_value = "unknown")]
    source: String,
    /// What it cost the shop in yuan, vaccination and quarantine included
    #[arg(long, value_name = "AMOUNT")]
    cost: Option<String>,
    /// Whose it is already: id, phone number or name; without it the pet lives in the shop
    #[arg(long, value_name = "WHO")]
    customer: Option<String>,
    /// A remark
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

/// List pets
#[derive(Debug, clap::Args)]
struct List {
    /// Only this customer's: id, phone number or name
    #[arg(long, value_name = "WHO")]
    customer: Option<String>,
    /// Only those of this status
    #[arg(long, value_parser = statuses(&["in-shop", "reserved", "adopted", "returned", "died", "lost"]))]
    status: Option<Status>,
}

/// Show a pet with its customer and agreements
#[derive(Debug, clap::Args)]
struct Show {
    /// The pet's id, for example p-3
    pet: String,
}

/// Say where a pet stands; death, loss and return stop every charge
#[derive(Debug, clap::Args)]
struct SetStatus {
    /// The pet's id, for example p-3
    pet: String,
    /// The new status; adopted again when a lost pet was found
    #[arg(value_parser = statuses(&["died", "lost", "returned", "in-shop", "adopted"]))]
    status: Status,
    /// What happened
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Those of `ops::pet`.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = super::open(globals, ui)?;
    match &args.verb {
        Verb::Add(args) => run_add(args, &ctx, ui),
        Verb::List(args) => run_list(args, &ctx, ui),
        Verb::Show(args) => run_show(args, &ctx, ui),
        Verb::Status(args) => run_status(args, &ctx, ui),
    }
}

fn run_add(args: &Add, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let guided = args.name.is_none() && ui.can_ask();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => ui.input(&t!("What is the pet called?"), None, "--name")?,
    };
    let species = match args.species {
        Some(species) => species,
        None => {
            let choices: Vec<String> = Species::ALL.iter().map(|it| species_text(it.word())).collect();
            Species::ALL[ui.select(&t!("What kind of animal?"), &choices, None, "--species")?]
        }
    };
    let breed = match &args.breed {
        Some(breed) => breed.clone(),
        None if guided => ui.input(&t!("Which breed? Leave it empty if unknown."), Some(""), "--breed")?,
        None => String::new(),
    };
    let draft = Draft {
        name,
        species,
        breed,
        sex: args.sex,
        birth_date: args.birth_date.as_deref().map(read_day).transpose()?,
        birth_estimated: args.birth_estimated,
        chip_no: args.chip.clone(),
        quarantine_no: args.quarantine_no.clone(),
        source: args.source.clone(),
        reference_cost: args.cost.as_deref().map(cost).transpose()?.unwrap_or(Money::ZERO),
        customer: args.customer.clone(),
        note: args.note.clone(),
    };
    let pet = add(ctx, &draft)?;
    ui.answer(&pet, |ui| {
        let status = status_text(pet.status);
        ui.data(&t!("{pet} {name} was added ({status})", pet = pet.id, name = pet.name, status = status));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_list(args: &List, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let pets = list(ctx, args.customer.as_deref(), args.status)?;
    ui.answer(&serde_json::json!({ "pets": pets }), |ui| {
        if pets.is_empty() {
            ui.status(&t!("there are no such pets"));
            return Ok(());
        }
        let head = [t!("Pet"), t!("Pet name"), t!("Species"), t!("Breed"), t!("Status"), t!("Since"), t!("Customer")];
        let mut table = Table::new(head);
        for pet in &pets {
            table.row([
                pet.id.to_string(),
                pet.name.clone(),
                species_text(&pet.species),
                pet.breed.clone(),
                status_text(pet.status),
                pet.status_on.to_string(),
                pet.customer.map(|it| it.to_string()).unwrap_or_default(),
            ]);
        }
        ui.table(&table);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_show(args: &Show, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let shown = show(ctx, pet_id(&args.pet)?)?;
    ui.answer(&shown, |ui| {
        show_pet(ui, &shown);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_pet(ui: &Ui, it: &Shown) {
    let pet = &it.pet;
    ui.data(&ui.paint(Paint::Heading, &format!("{} {}", pet.id, pet.name)));
    let mut rows = vec![
        vec![t!("Species"), species_text(&pet.species)],
        vec![t!("Breed"), pet.breed.clone()],
        vec![t!("Sex"), sex_text(pet.sex)],
    ];
    if let Some(day) = pet.birth_date {
        let told = if pet.birth_estimated { t!("about {date}", date = day) } else { day.to_string() };
        rows.push(vec![t!("Born"), told]);
    }
    for (name, value) in [(t!("Chip"), &pet.chip_no), (t!("Quarantine certificate"), &pet.quarantine_no)] {
        rows.extend(value.clone().map(|value| vec![name, value]));
    }
    rows.push(vec![t!("Cost"), pet.reference_cost.yuan()]);
    rows.push(vec![t!("Status"), t!("{status} since {date}", status = status_text(pet.status), date = pet.status_on)]);
    if let Some(customer) = pet.customer {
        let name = it.customer_name.clone().unwrap_or_default();
        rows.push(vec![t!("Customer"), format!("{customer} {name}")]);
    }
    if !pet.note.is_empty() {
        rows.push(vec![t!("Note"), pet.note.clone()]);
    }
    for agreement in &it.agreements {
        let told = format!("{} {} {}", agreement.id, agreement.no, state_text(agreement.state));
        rows.push(vec![t!("Agreement"), told]);
    }
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
}

fn run_status(args: &SetStatus, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let id = pet_id(&args.pet)?;
    let reason = match &args.reason {
        Some(reason) => reason.clone(),
        None => reason(&ui.input(&t!("What happened?"), None, "--reason")?)?,
    };
    let changed = set_status(ctx, id, args.status, &reason)?;
    ui.answer(&changed, |ui| {
        show_changed(ui, &changed);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_changed(ui: &Ui, it: &Changed) {
    ui.data(&t!(
        "{pet} {name}: {before} → {after}",
        pet = it.pet.id,
        name = it.pet.name,
        before = status_text(it.before),
        after = status_text(it.pet.status)
    ));
    for agreement in &it.stopped {
        ui.data(&format!("  {}", t!("nothing is charged for {agreement} any more", agreement = agreement)));
        ui.hint(&t!(
            "settle it and refund what is left with `kibble agreement terminate {agreement} --cause … --pet … --reason …`",
            agreement = agreement
        ));
    }
}

fn pet_id(text: &str) -> anyhow::Result<PetId> {
    text.trim().parse().map_err(|_| {
        Fault::usage(t!("{text} is not a pet's id like p-3", text = text))
            .hint(t!("`kibble pet list` shows all pets"))
            .into()
    })
}

fn cost(text: &str) -> anyhow::Result<Money> {
    let amount = read_money(text)?;
    if amount < Money::ZERO {
        return Err(Fault::usage(t!("a cost is never below zero")).hint(t!("correct --cost")).into());
    }
    Ok(amount)
}

fn sex_text(sex: Sex) -> String {
    match sex {
        Sex::Male => t!("male"),
        Sex::Female => t!("female"),
        Sex::Unknown => t!("unknown"),
    }
}

fn all_species() -> impl TypedValueParser<Value = Species> {
    PossibleValuesParser::new(["cat", "dog", "rabbit", "other"])
        .map(|word| Species::from_word(&word).unwrap_or(Species::Other))
}

fn sexes() -> impl TypedValueParser<Value = Sex> {
    PossibleValuesParser::new(["male", "female", "unknown"]).map(|word| Sex::from_word(&word).unwrap_or(Sex::Unknown))
}

fn statuses(words: &'static [&'static str]) -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(words)
        .map(|word| Status::from_word(&word.replace('-', "_")).expect("the words above are the domain's"))
}
