//! Customers: finding the one that is meant, adding, listing, showing, and taking them over from a book. Everything that leaves
//! here is masked, unless somebody asks for more and says why.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::NaiveDate;
use serde::Serialize;

use crate::config;
use crate::db::customer::NewCustomer;
use crate::db::pet::NewPet;
use crate::db::{self, Conn};
use crate::domain::book::{Candidate, Field, Outcome, Problem, Warning};
use crate::domain::customer::{IdNumber, PersonName, Phone, mask_name};
use crate::domain::date::{At, day_of};
use crate::domain::id::{AgreementId, CustomerId, PetId};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::{Sex, Status};
use crate::fault::Fault;
use crate::ops::book::{Advice, id_number_text, name_text, phone_text};
use crate::ops::book_file::{BookText, Findings, Tally};
use crate::ops::{Ctx, Event};
use crate::t;
use crate::text::{self, Lang};

pub use crate::db::customer::Customer;

/// People that an ambiguous name lists.
const NAMESAKES_SHOWN: usize = 5;

/// Rows between two steps of the progress bar.
const STEP_ROWS: u64 = 50;

/// A customer to be added, as typed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Full name.
    pub name: String,
    /// Mobile number in any spelling.
    pub phone: String,
    /// ID number in any spelling.
    pub id_number: String,
    /// Where goods go.
    pub address: Option<String>,
    /// Language of messages; the shop's when `None`.
    pub lang: Option<Lang>,
}

/// A customer was added.
#[derive(Clone, Debug, Serialize)]
pub struct Added {
    /// The id.
    pub id: CustomerId,
    /// The name, masked.
    pub name: String,
    /// The phone, masked.
    pub phone: String,
    /// Other customers with the same phone number.
    pub same_phone: Vec<CustomerId>,
}

/// One line of the list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The id.
    pub id: CustomerId,
    /// The name, masked.
    pub name: String,
    /// The phone, masked.
    pub phone: String,
    /// Number of agreements, ended ones included.
    pub agreements: u64,
    /// What the wallet holds.
    pub wallet: Money,
    /// When they were added, in the shop's zone.
    pub since: NaiveDate,
}

/// A customer with pets and agreements.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The id.
    pub id: CustomerId,
    /// The name.
    pub name: String,
    /// The phone.
    pub phone: String,
    /// The ID number.
    pub id_number: String,
    /// Where goods go.
    pub address: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// The customer's id at the shop's WeChat mini program.
    pub openid: Option<String>,
    /// Language of messages.
    pub lang: String,
    /// When they were added, in the shop's zone.
    pub since: NaiveDate,
    /// True when nothing above is masked.
    pub revealed: bool,
    /// What the wallet holds.
    pub wallet: Money,
    /// Their pets.
    pub pets: Vec<PetLine>,
    /// Their agreements.
    pub agreements: Vec<AgreementLine>,
}

/// A pet of a customer.
#[derive(Clone, Debug, Serialize)]
pub struct PetLine {
    /// The id.
    pub id: PetId,
    /// Its name.
    pub name: String,
    /// `cat`, `dog` …
    pub species: String,
    /// Its breed.
    pub breed: String,
    /// Where it stands.
    pub status: Status,
}

/// An agreement of a customer.
#[derive(Clone, Debug, Serialize)]
pub struct AgreementLine {
    /// The id.
    pub id: AgreementId,
    /// The printed number.
    pub no: String,
    /// The plan's name at signing.
    pub plan: String,
    /// Where it stands.
    pub state: crate::domain::agreement::AgreementState,
    /// Amount of each term.
    pub monthly: Money,
    /// Number of terms.
    pub terms: u32,
    /// Last day.
    pub ends_on: NaiveDate,
}

/// What became of a book's customers.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// What reading the file found.
    #[serde(flatten)]
    pub findings: Findings,
    /// Rows that added somebody.
    pub accepted: u64,
    /// Rows whose customer and pet were known.
    pub unchanged: u64,
    /// Customers added.
    pub customers: u64,
    /// Pets added.
    pub pets: u64,
}

/// How a book is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The file.
    pub file: PathBuf,
    /// Where refused rows go; beside the file when `None`.
    pub rejects: Option<PathBuf>,
    /// Change nothing.
    pub dry_run: bool,
}

/// Whose row it is.
pub(super) enum Person {
    /// A customer that was there.
    Known {
        /// Who.
        id: CustomerId,
        /// What does not match.
        warning: Option<Warning>,
        /// True when the row told an address that was missing.
        changed: bool,
    },
    /// A customer that this row added.
    Added(CustomerId),
    /// The row cannot be taken.
    Refused(Field, Problem),
}

/// How a customer is shown in lists: `王**(0001)`.
///
/// # Errors
/// When the database cannot be read.
pub fn label(ctx: &Ctx, id: CustomerId) -> Result<String> {
    db::customer::label(ctx.db.read(), id)
}

/// The customer that `who` means: an id (`c-12`), a phone number in any spelling, or an exact, unambiguous name.
///
/// # Errors
/// Not found when nobody or more than one fits; the hint says what to type instead.
pub fn resolve(ctx: &Ctx, who: &str) -> Result<Customer> {
    let who = who.trim();
    let conn = ctx.db.read();
    let mut found = if let Ok(id) = who.parse::<CustomerId>() {
        db::customer::get(conn, id)?.into_iter().collect()
    } else if let Ok(phone) = Phone::parse(who) {
        db::customer::by_phone(conn, phone.reveal())?
    } else if let Ok(name) = PersonName::parse(who) {
        db::customer::by_name(conn, name.reveal())?
    } else {
        Vec::new()
    };
    match found.len() {
        0 => Err(Fault::not_found(t!("no customer has the id, phone number or name {who}", who = who))
            .hint(t!("`kibble customer list --search TEXT` finds part of a name or phone number"))
            .into()),
        1 => Ok(found.remove(0)),
        _ => Err(ambiguous(who, &found).into()),
    }
}

/// Adds a customer. The ID number says who it is, so it stands once in a shop. Being of age is asked when they sign.
///
/// # Errors
/// Usage for a text that is no name, phone or ID number; refused when the ID number is known.
pub fn add(ctx: &Ctx, draft: &Draft) -> Result<Added> {
    let now = ctx.now();
    let name = PersonName::parse(&draft.name).map_err(|error| usage(name_text(error)))?;
    let phone = Phone::parse(&draft.phone).map_err(|error| usage(phone_text(error)))?;
    let id_number = IdNumber::parse(&draft.id_number, ctx.today(now)).map_err(|error| usage(id_number_text(error)))?;
    let address = draft.address.as_deref().map(str::trim).filter(|address| !address.is_empty());
    let new = NewCustomer {
        name: name.reveal().to_owned(),
        phone: phone.reveal().to_owned(),
        id_number: id_number.reveal().to_owned(),
        address: address.map(str::to_owned),
        lang: draft.lang.unwrap_or_else(|| message_lang(ctx)).word().to_owned(),
    };
    ctx.db.write(now, |tx| {
        if let Some(known) = db::customer::by_id_number(tx, &new.id_number)? {
            return Err(Fault::refused(t!(
                "{customer} {name} has this ID number already",
                customer = known.id,
                name = mask_name(&known.name)
            ))
            .hint(t!("`kibble customer show {customer}` shows who it is", customer = known.id))
            .into());
        }
        let same_phone = db::customer::by_phone(tx, &new.phone)?.iter().map(|it| it.id).collect();
        let id = db::customer::insert(tx, &new, now)?;
        let added = Added { id, name: name.masked(), phone: phone.masked(), same_phone };
        Ok((added, Op::CustomerAdded { customer: id }))
    })
}

/// A way to reach a customer was changed.
#[derive(Clone, Debug, Serialize)]
pub struct Contacted {
    /// The id.
    pub id: CustomerId,
    /// The name, masked.
    pub name: String,
    /// True when an e-mail address is on record now.
    pub has_email: bool,
    /// True when a WeChat id is on record now.
    pub has_openid: bool,
}

/// Changes how a customer can be reached beside the phone. What is `None` stays; an empty text is forgotten.
///
/// # Errors
/// Those of [`resolve`]; usage for a text that is no e-mail address or WeChat id, and when nothing is to be changed.
pub fn set_contact(ctx: &Ctx, who: &str, email: Option<&str>, openid: Option<&str>) -> Result<Contacted> {
    let customer = resolve(ctx, who)?;
    if email.is_none() && openid.is_none() {
        return Err(Fault::usage(t!("say what to change: --email or --openid")).into());
    }
    let email = email.map(str::trim);
    let openid = openid.map(str::trim);
    if email.is_some_and(|it| !it.is_empty() && !looks_like_email(it)) {
        return Err(Fault::usage(t!("this is not an e-mail address like name@example.com")).into());
    }
    if openid.is_some_and(|it| it.chars().any(|c| !c.is_ascii_alphanumeric() && !"_-".contains(c))) {
        return Err(Fault::usage(t!("a WeChat openid is made of letters, digits, - and _")).into());
    }
    ctx.db.write(ctx.now(), |tx| {
        let mut contact = db::customer::contact(tx, customer.id)?;
        let mut what = Vec::new();
        let kept = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if let Some(email) = email {
            contact.email = kept(email);
            what.push("email");
        }
        if let Some(openid) = openid {
            contact.openid = kept(openid);
            what.push("openid");
        }
        db::customer::set_contact(tx, customer.id, &contact)?;
        let done = Contacted {
            id: customer.id,
            name: mask_name(&customer.name),
            has_email: contact.email.is_some(),
            has_openid: contact.openid.is_some(),
        };
        Ok((done, Op::ContactChanged { customer: customer.id, what }))
    })
}

/// One `@` with something on both sides and a dot behind it; the mail server judges the rest.
fn looks_like_email(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;@".contains(c));
    text.split_once('@').is_some_and(|(name, domain)| plain(name) && plain(domain) && domain.contains('.'))
}

/// Why a text is no name, for a prompt.
///
/// # Errors
/// What is wrong and how to mend it.
pub fn check_name(text: &str) -> Result<(), String> {
    PersonName::parse(text).map(drop).map_err(|error| joined(&name_text(error)))
}

/// Why a text is no phone number, for a prompt.
///
/// # Errors
/// What is wrong and how to mend it.
pub fn check_phone(text: &str) -> Result<(), String> {
    Phone::parse(text).map(drop).map_err(|error| joined(&phone_text(error)))
}

/// Why a text is no ID number, for a prompt.
///
/// # Errors
/// What is wrong and how to mend it.
pub fn check_id_number(ctx: &Ctx, text: &str) -> Result<(), String> {
    let today = ctx.today(ctx.now());
    IdNumber::parse(text, today).map(drop).map_err(|error| joined(&id_number_text(error)))
}

/// Visits every customer, or those whose name or phone number holds `search`, by id.
///
/// # Errors
/// Those of the database and of `visit`.
pub fn list(ctx: &Ctx, search: Option<&str>, mut visit: impl FnMut(Listed) -> Result<()>) -> Result<()> {
    let zone = ctx.zone();
    let wanted = search.map(|text| text.trim().to_lowercase());
    let digits: String = wanted.iter().flat_map(|text| text.chars()).filter(char::is_ascii_digit).collect();
    let fits = |it: &Customer| match &wanted {
        None => true,
        Some(text) => {
            let by_phone = !digits.is_empty() && digits.len() == text.chars().filter(|c| !" -".contains(*c)).count();
            it.name.to_lowercase().contains(text) || (by_phone && it.phone.contains(&digits))
        }
    };
    db::customer::each_listed(ctx.db.read(), |it, agreements, wallet| {
        if !fits(&it) {
            return Ok(());
        }
        let since = day_of(it.created_at, zone);
        visit(Listed {
            id: it.id,
            name: mask_name(&it.name),
            phone: masked_phone(&it.phone),
            agreements,
            wallet,
            since,
        })
    })
}

/// A customer with pets and agreements, masked; with `reveal`, the reason for looking, in full. Who looked stands in the audit
/// trail before anything is shown.
///
/// # Errors
/// Those of [`resolve`]; usage when the reason is empty.
pub fn show(ctx: &Ctx, who: &str, reveal: Option<&str>) -> Result<Shown> {
    let customer = resolve(ctx, who)?;
    let id = customer.id;
    if let Some(reason) = reveal {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(Fault::usage(t!("say why the full data is needed")).hint(t!("add --reason TEXT")).into());
        }
        ctx.db.write(ctx.now(), |_| Ok(((), Op::Revealed { customer: id, reason: reason.to_owned() })))?;
    }
    let conn = ctx.db.read();
    let pets = db::pet::list(conn, Some(id), None)?.into_iter();
    let pets =
        pets.map(|it| PetLine { id: it.id, name: it.name, species: it.species, breed: it.breed, status: it.status });
    let mut agreements = Vec::new();
    db::agreement::each(conn, Some(id), None, |it| {
        agreements.push(AgreementLine {
            id: it.id,
            no: it.no,
            plan: it.plan_name,
            state: it.state,
            monthly: it.monthly,
            terms: it.terms,
            ends_on: it.ends_on,
        });
        Ok(())
    })?;
    let (principal, bonus) = db::journal::wallet(conn, id)?;
    let contact = db::customer::contact(conn, id)?;
    let full = reveal.is_some();
    let or = |whole: &str, masked: String| if full { whole.to_owned() } else { masked };
    Ok(Shown {
        id,
        name: or(&customer.name, mask_name(&customer.name)),
        phone: or(&customer.phone, masked_phone(&customer.phone)),
        id_number: or(&customer.id_number, masked_id(&customer.id_number)),
        address: customer.address.as_deref().map(|text| or(text, mask_name(text))),
        email: contact.email.as_deref().map(|text| or(text, mask_name(text))),
        openid: contact.openid.as_deref().map(|text| or(text, mask_name(text))),
        lang: customer.lang,
        since: day_of(customer.created_at, ctx.zone()),
        revealed: full,
        wallet: principal + bonus,
        pets: pets.collect(),
        agreements,
    })
}

/// Takes customers and pets over from a book; agreements stay out. The same file again changes nothing.
///
/// # Errors
/// When the file is no customer book, or something cannot be written; nothing is changed then.
pub fn import(ctx: &Ctx, options: &ImportOptions) -> Result<Imported> {
    let now = ctx.now();
    let today = ctx.today(now);
    let text = BookText::read(&options.file)?;
    let book = text.open(ctx, today, false)?;
    let lang = message_lang(ctx);
    ctx.say(Event::Begin { label: t!("customers"), total: text.lines() });
    let done = ctx.db.write_or_undo(now, |tx| {
        let mut tally = Tally::new(&text, &book, options.dry_run)?;
        let (mut accepted, mut unchanged, mut customers, mut pets, mut rows) = (0, 0, 0, 0, 0_u64);
        let mut outcomes = book.rows();
        while let Some(outcome) = outcomes.next() {
            rows += 1;
            if rows.is_multiple_of(STEP_ROWS) {
                ctx.say(Event::Step(STEP_ROWS));
            }
            let row = match outcome {
                Outcome::Refused(row) => {
                    tally.refuse(&row)?;
                    continue;
                }
                Outcome::Repeat { .. } => {
                    tally.repeat();
                    continue;
                }
                Outcome::Sound(row) => row,
            };
            let named = || t!("line {line}", line = row.line);
            let (customer, is_new, is_changed) = match person(tx, &row, lang, now).with_context(named)? {
                Person::Refused(field, problem) => {
                    tally.refuse(&outcomes.refuse_last(field, problem))?;
                    continue;
                }
                Person::Known { id, warning, changed } => {
                    warning.iter().for_each(|it| tally.warn(row.line, it));
                    (id, false, changed)
                }
                Person::Added(id) => (id, true, false),
            };
            row.warnings.iter().for_each(|it| tally.warn(row.line, it));
            let known_pet = match is_new {
                true => None,
                false => db::pet::like(tx, customer, &row.pet_name, row.species.word(), &row.breed, false)?,
            };
            if known_pet.is_none() {
                db::pet::insert(tx, &pet_of(&row, customer), today, now).with_context(named)?;
                pets += 1;
            }
            customers += u64::from(is_new);
            if is_new || is_changed || known_pet.is_none() { accepted += 1 } else { unchanged += 1 }
        }
        let findings = tally.finish(options.rejects.as_deref())?;
        let op = Op::BookImported { customers, agreements: 0, refused: findings.refused };
        let keep = accepted > 0 && !options.dry_run;
        Ok((Imported { findings, accepted, unchanged, customers, pets }, keep.then_some(op)))
    });
    ctx.say(Event::End);
    done
}

/// Finds the customer of a row by ID number, or adds them.
pub(super) fn person(tx: &Conn, row: &Candidate, lang: Lang, now: At) -> Result<Person> {
    let Some(known) = db::customer::by_id_number(tx, row.id_number.reveal())? else {
        let new = NewCustomer {
            name: row.name.reveal().to_owned(),
            phone: row.phone.reveal().to_owned(),
            id_number: row.id_number.reveal().to_owned(),
            address: row.address.clone(),
            lang: lang.word().to_owned(),
        };
        return Ok(Person::Added(db::customer::insert(tx, &new, now)?));
    };
    let customer = known.id;
    if known.name != row.name.reveal() {
        return Ok(Person::Refused(Field::IdNumber, Problem::IdOfAnother { customer }));
    }
    let mut changed = false;
    if let (None, Some(address)) = (&known.address, &row.address) {
        db::customer::set_address(tx, customer, address)?;
        changed = true;
    }
    let differs = known.phone != row.phone.reveal();
    Ok(Person::Known { id: customer, warning: differs.then_some(Warning::PhoneDiffers { customer }), changed })
}

/// The pet of a row: it lives with its customer already.
pub(super) fn pet_of(row: &Candidate, customer: CustomerId) -> NewPet {
    NewPet {
        customer: Some(customer),
        name: row.pet_name.clone(),
        species: row.species.word().to_owned(),
        breed: row.breed.clone(),
        sex: Sex::Unknown,
        birth_date: None,
        birth_estimated: false,
        chip_no: None,
        quarantine_no: None,
        source: "imported".to_owned(),
        reference_cost: Money::ZERO,
        status: Status::Adopted,
        note: row.note.clone().unwrap_or_default(),
    }
}

/// The language in which customers get messages when nobody says: the shop's, else that of who types.
pub(super) fn message_lang(ctx: &Ctx) -> Lang {
    ctx.config.settings.lang.unwrap_or_else(text::lang)
}

/// A stored phone number, masked.
pub(super) fn masked_phone(phone: &str) -> String {
    Phone::parse(phone).map_or_else(|_| mask_name(phone), |phone| phone.masked())
}

fn masked_id(id_number: &str) -> String {
    let chars: Vec<char> = id_number.chars().collect();
    let part = |chars: &[char]| chars.iter().collect::<String>();
    match chars.len() {
        18 => format!("{}********{}", part(&chars[..6]), part(&chars[14..])),
        _ => mask_name(id_number),
    }
}

fn ambiguous(who: &str, found: &[Customer]) -> Fault {
    let namesakes = found.iter().all(|it| it.name == found[0].name);
    let label = |it: &Customer| {
        let told = if namesakes { masked_phone(&it.phone) } else { mask_name(&it.name) };
        format!("{} ({told})", it.id)
    };
    let what = match found {
        [first, second] if namesakes => t!(
            "two customers are called {name}: {first} and {second}",
            name = who,
            first = label(first),
            second = label(second)
        ),
        _ => {
            let mut shown: Vec<String> = found.iter().take(NAMESAKES_SHOWN).map(label).collect();
            if found.len() > NAMESAKES_SHOWN {
                shown.push("…".to_owned());
            }
            t!("{count} customers fit {who}: {list}", count = found.len(), who = who, list = shown.join(", "))
        }
    };
    let first = found[0].id;
    let command = config::retyped(who, &first.to_string());
    let command = command.unwrap_or_else(|| format!("kibble customer show {first}"));
    Fault::not_found(what).hint(t!("use the id or the phone number, for example `{command}`", command = command))
}

fn usage(advice: Advice) -> Fault {
    Fault::usage(advice.reason).hint(advice.fix)
}

fn joined(advice: &Advice) -> String {
    format!("{} — {}", advice.reason, advice.fix)
}
