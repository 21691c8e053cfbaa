//! `kibble customer`: who signs and buys.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::Globals;
use crate::cli::agreement_import::{show_file, show_findings};
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui, pad, pad_left};
use crate::cli::usage::reason;
use crate::domain::pet::{Species, Status};
use crate::ops::Ctx;
use crate::ops::agreement::state_text;
use crate::ops::customer::{
    Draft, ImportOptions, Listed, Shown, add, check_id_number, check_name, check_phone, import, list, set_contact, show,
};
use crate::t;
use crate::text::Lang;

/// Who signs and buys
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
    Import(Import),
    Contact(Contact),
}

/// Add a customer; asks for what the options do not say
#[derive(Debug, clap::Args)]
struct Add {
    /// Full name, as on the ID card
    #[arg(long)]
    name: Option<String>,
    /// Mobile number, 11 digits
    #[arg(long)]
    phone: Option<String>,
    /// ID number, 18 characters
    #[arg(long)]
    id_number: Option<String>,
    /// Where goods go
    #[arg(long)]
    address: Option<String>,
    /// Language of messages to this customer; without it the shop's
    #[arg(long, value_name = "LANG", value_parser = langs())]
    message_lang: Option<Lang>,
}

/// List customers, masked, with their agreements and wallets
#[derive(Debug, clap::Args)]
struct List {
    /// Only those whose name or phone number holds this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

/// Show a customer with pets and agreements, masked
#[derive(Debug, clap::Args)]
struct Show {
    /// Id, phone number or name
    who: String,
    /// Show name, phone number, ID number and address in full; who looked and why is recorded
    #[arg(long, requires = "reason")]
    reveal: bool,
    /// Why the full data is needed
    #[arg(long, value_name = "TEXT", requires = "reveal", value_parser = reason)]
    reason: Option<String>,
}

/// Take over customers and pets from a CSV book, without their agreements
#[derive(Debug, clap::Args)]
struct Import {
    /// The book: CSV with Chinese or English column names
    file: PathBuf,
    /// Where refused rows go; without it beside the book
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Show what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Set how a customer can be reached beside the phone; both are kept sealed
#[derive(Debug, clap::Args)]
struct Contact {
    /// Id, phone number or name
    who: String,
    /// E-mail address; an empty text removes it
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The customer's id (OPENID) at the shop's WeChat mini program; an empty text removes it
    #[arg(long, value_name = "OPENID")]
    openid: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Those of `ops::customer`.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = super::open(globals, ui)?;
    match &args.verb {
        Verb::Add(args) => run_add(args, &ctx, ui),
        Verb::List(args) => run_list(args, &ctx, ui),
        Verb::Show(args) => run_show(args, &ctx, ui),
        Verb::Import(args) => run_import(args, &ctx, ui),
        Verb::Contact(args) => run_contact(args, &ctx, ui),
    }
}

fn run_add(args: &Add, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    // Somebody who typed none of the options is led through all of them, the optional one too.
    let guided = args.name.is_none() && args.phone.is_none() && args.id_number.is_none() && ui.can_ask();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => ui.input_checked(&t!("What is the customer's full name?"), None, "--name", &check_name)?,
    };
    let phone = match &args.phone {
        Some(phone) => phone.clone(),
        None => ui.input_checked(&t!("Mobile number?"), None, "--phone", &check_phone)?,
    };
    let id_number = match &args.id_number {
        Some(id_number) => id_number.clone(),
        None => {
            let check = |text: &str| check_id_number(ctx, text);
            ui.input_checked(&t!("ID number?"), None, "--id-number", &check)?
        }
    };
    let address = match &args.address {
        None if guided => {
            Some(ui.input(&t!("Address for goods? Leave it empty if unknown."), Some(""), "--address")?)
        }
        given => given.clone(),
    };
    let added = add(ctx, &Draft { name, phone, id_number, address, lang: args.message_lang })?;
    ui.answer(&added, |ui| {
        ui.data(&t!(
            "{customer} {name} {phone} was added",
            customer = added.id,
            name = added.name,
            phone = added.phone
        ));
        for other in &added.same_phone {
            ui.warn(&t!("{customer} has the same phone number", customer = other));
        }
        ui.hint(&t!("next: `kibble sign` signs an agreement with this customer"));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_list(args: &List, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let search = args.search.as_deref();
    if ui.is_json() {
        let mut all = Vec::new();
        list(ctx, search, |it| {
            all.push(it);
            Ok(())
        })?;
        ui.json(&serde_json::json!({ "customers": all }));
        return Ok(Exit::Done);
    }
    let mut count = 0_u64;
    // Lines go out as they come: a long list needs no memory, so columns have fixed widths.
    list(ctx, search, |it| {
        if count == 0 {
            let heading = [t!("Id"), t!("Name"), t!("Phone"), t!("Agreements"), t!("Wallet"), t!("Since")];
            ui.data(&ui.paint(Paint::Heading, &listed(&heading)));
        }
        count += 1;
        ui.data(&listed(&cells(&it)));
        Ok(())
    })?;
    match (count, search) {
        (0, Some(text)) => ui.status(&t!("nobody's name or phone number holds {text}", text = text)),
        (0, None) => ui.status(&t!("there are no customers yet")),
        _ => ui.status(&t!("{count} {count|customer|customers}", count = count)),
    }
    Ok(Exit::Done)
}

fn cells(it: &Listed) -> [String; 6] {
    [
        it.id.to_string(),
        it.name.clone(),
        it.phone.clone(),
        it.agreements.to_string(),
        it.wallet.grouped(),
        it.since.to_string(),
    ]
}

fn listed([id, name, phone, agreements, wallet, since]: &[String; 6]) -> String {
    let (id, name, phone) = (pad(id, 8), pad(name, 8), pad(phone, 13));
    format!("{id}{name}{phone}{}{}  {since}", pad_left(agreements, 10), pad_left(wallet, 13))
}

fn run_show(args: &Show, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let reason = if args.reveal { Some(args.reason.as_deref().unwrap_or_default()) } else { None };
    let shown = show(ctx, &args.who, reason)?;
    ui.answer(&shown, |ui| {
        show_customer(ui, &shown);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_customer(ui: &Ui, it: &Shown) {
    ui.data(&ui.paint(Paint::Heading, &format!("{} {}", it.id, it.name)));
    let mut rows = vec![
        [t!("Phone"), it.phone.clone()],
        [t!("ID number"), it.id_number.clone()],
        [t!("Language"), it.lang.clone()],
        [t!("Since"), it.since.to_string()],
        [t!("Wallet"), it.wallet.yuan()],
    ];
    let more = [(t!("Address"), &it.address), (t!("E-mail"), &it.email), (t!("WeChat id"), &it.openid)];
    for (name, value) in more.into_iter().rev() {
        if let Some(value) = value {
            rows.insert(2, [name, value.clone()]);
        }
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.to_vec()).collect();
    for line in crate::cli::ui::columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    if !it.pets.is_empty() {
        let mut table = Table::new([t!("Pet"), t!("Pet name"), t!("Species"), t!("Breed"), t!("Status")]);
        for pet in &it.pets {
            let species = species_text(&pet.species);
            table.row([pet.id.to_string(), pet.name.clone(), species, pet.breed.clone(), status_text(pet.status)]);
        }
        ui.data("");
        ui.table(&table);
    }
    if !it.agreements.is_empty() {
        let head = [t!("Agreement"), t!("Number"), t!("Plan"), t!("Status"), t!("Monthly"), t!("Terms"), t!("Ends")];
        let mut table = Table::new(head).right(&[4, 5]);
        for a in &it.agreements {
            table.row([
                a.id.to_string(),
                a.no.clone(),
                a.plan.clone(),
                state_text(a.state),
                a.monthly.grouped(),
                a.terms.to_string(),
                a.ends_on.to_string(),
            ]);
        }
        ui.data("");
        ui.table(&table);
    }
}

fn run_import(args: &Import, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let (file, rejects) = (args.file.clone(), args.rejects.clone());
    let imported = import(ctx, &ImportOptions { file, rejects, dry_run: args.dry_run })?;
    ui.answer(&imported, |ui| {
        show_file(ui, &imported.findings);
        if imported.accepted == 0 && !args.dry_run {
            ui.data(&format!("  {}", t!("nothing new: nothing was changed")));
        }
        if imported.accepted > 0 {
            let (customers, pets) = (imported.customers, imported.pets);
            let told = t!("new customers: {customers}, new pets: {pets}", customers = customers, pets = pets);
            ui.data(&format!("  {told}"));
        }
        if imported.unchanged > 0 {
            let told = t!("in kibble already, unchanged: {count}", count = imported.unchanged);
            ui.data(&format!("  {told}"));
        }
        show_findings(ui, &imported.findings);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn run_contact(args: &Contact, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = set_contact(ctx, &args.who, args.email.as_deref(), args.openid.as_deref())?;
    ui.answer(&done, |ui| {
        let word = |known: bool| if known { t!("on record") } else { t!("not on record") };
        ui.data(&t!(
            "{customer} {name}: e-mail address {email}, WeChat id {openid}",
            customer = done.id,
            name = done.name,
            email = word(done.has_email),
            openid = word(done.has_openid)
        ));
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// What people call a species.
pub(super) fn species_text(word: &str) -> String {
    match Species::from_word(word) {
        Some(Species::Cat) => t!("cat"),
        Some(Species::Dog) => t!("dog"),
        Some(Species::Rabbit) => t!("rabbit"),
        Some(Species::Other) | None => t!("other animal"),
    }
}

/// What people call a pet's status.
pub(super) fn status_text(status: Status) -> String {
    match status {
        Status::InShop => t!("in the shop"),
        Status::Reserved => t!("reserved"),
        Status::Adopted => t!("adopted"),
        Status::Returned => t!("brought back"),
        Status::Died => t!("died"),
        Status::Lost => t!("lost"),
    }
}

fn langs() -> impl TypedValueParser<Value = Lang> {
    PossibleValuesParser::new(["zh", "en"]).map(|word| Lang::from_word(&word).unwrap_or_default())
}
