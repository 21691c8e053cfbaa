//! Takes the agreements of a shop's earlier book over: customer, pet, agreement and mandate per row, then a sign link per
//! mandate, because a mandate at another system's account cannot be taken along. Installments come when the customer has agreed;
//! `paid_before` says which of them were collected before kibble.
//!
//! All rows are one transaction: a book is in kibble as a whole or not at all. Links are asked for afterwards, with no
//! transaction open, and can be asked for again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;

use crate::adapters::keys::hex;
use crate::adapters::rail::{SignLink, SignRequest, Trouble};
use crate::config::Config;
use crate::db::agreement::NewAgreement;
use crate::db::shop::Identity;
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementSource, AgreementState, TERMS_OVER};
use crate::domain::book::{Candidate, Field, Outcome, Problem, Warning};
use crate::domain::charge::contract_no;
use crate::domain::customer::label;
use crate::domain::date::{At, FirstDebit, Schedule, moment};
use crate::domain::id::{AgreementId, CustomerId, MandateId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::plan::Plan;
use crate::domain::sheet::Writer;
use crate::fault::Fault;
use crate::ops::book_file::{BookText, Findings, Tally, write_whole};
use crate::ops::customer::{Person, message_lang, person, pet_of};
use crate::ops::debit::may_move_money;
use crate::ops::{Ctx, Event};
use crate::t;
use crate::text::Lang;

/// Plan code of an agreement whose plan kibble does not know.
pub const IMPORTED_PLAN: &str = "imported";

/// Template name of an agreement whose text kibble does not have.
pub const IMPORTED_TEMPLATE: &str = "imported";

/// Rows between two steps of the progress bar.
const STEP_ROWS: u64 = 50;

/// How a book is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The file.
    pub file: PathBuf,
    /// Terms due on or before this date were collected before kibble.
    pub paid_until: Option<NaiveDate>,
    /// When the first term of these agreements fell due.
    pub first_debit: FirstDebit,
    /// Where refused rows go; beside the file when `None`.
    pub rejects: Option<PathBuf>,
    /// Where the sign links go.
    pub links: Option<PathBuf>,
    /// Change nothing.
    pub dry_run: bool,
}

/// What became of a book.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// What reading the file found.
    #[serde(flatten)]
    pub findings: Findings,
    /// Rows that became agreements.
    pub accepted: u64,
    /// Rows that were in kibble already, word for word.
    pub unchanged: u64,
    /// Customers added.
    pub customers: u64,
    /// Pets added.
    pub pets: u64,
    /// Terms of the new agreements that were collected before kibble.
    pub terms_before: u64,
    /// Terms of the new agreements that fell due before today and were not collected.
    pub terms_past: u64,
    /// Wallet balances taken over.
    pub opening: Money,
    /// The sign links.
    pub links: Links,
}

/// What became of asking the rails for sign links.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Links {
    /// Links that were made.
    pub made: u64,
    /// Mandates still without one.
    pub missing: u64,
    /// Why, by rail.
    pub troubles: Vec<LinkTrouble>,
    /// The file with the links.
    pub file: Option<PathBuf>,
}

/// Why a rail gave no link.
#[derive(Clone, Debug, Serialize)]
pub struct LinkTrouble {
    /// Which rail.
    pub rail: String,
    /// What it said.
    pub why: String,
    /// To how many mandates.
    pub count: u64,
}

/// Imports the book. The same file again changes nothing; a mended rejects file adds the mended rows.
///
/// # Errors
/// When the file is no customer book, or something cannot be written; nothing is changed then.
pub fn import(ctx: &Ctx, options: &ImportOptions) -> Result<Imported> {
    let now = ctx.now();
    let today = ctx.today(now);
    if let Some(until) = options.paid_until.filter(|until| *until > today) {
        return Err(Fault::usage(t!("{date} lies in the future: nobody has paid those terms yet", date = until))
            .hint(t!("give --paid-until the last day up to which everything was collected"))
            .into());
    }
    if !options.dry_run {
        may_move_money(ctx, now)?;
    }
    let text = BookText::read(&options.file)?;
    let book = text.open(ctx, today, true)?;
    ctx.say(Event::Begin { label: t!("agreements"), total: text.lines() });
    let done = ctx.db.write_or_undo(now, |tx| {
        let mut tally = Tally::new(&text, &book, options.dry_run)?;
        let mut intake = Intake::new(ctx, tx, options, now, today)?;
        let mut outcomes = book.rows();
        let mut rows = 0_u64;
        while let Some(outcome) = outcomes.next() {
            rows += 1;
            if rows.is_multiple_of(STEP_ROWS) {
                ctx.say(Event::Step(STEP_ROWS));
            }
            match outcome {
                Outcome::Refused(row) => tally.refuse(&row)?,
                Outcome::Repeat { .. } => tally.repeat(),
                Outcome::Sound(row) => {
                    let taken = intake.take(tx, &row).with_context(|| t!("line {line}", line = row.line))?;
                    match taken {
                        Taken::Unchanged => {}
                        Taken::Refused(field, problem) => tally.refuse(&outcomes.refuse_last(field, problem))?,
                        Taken::Added(warnings) => {
                            row.warnings.iter().chain(&warnings).for_each(|it| tally.warn(row.line, it));
                        }
                    }
                }
            }
        }
        let findings = tally.finish(options.rejects.as_deref())?;
        let Intake { waiting, known, counts, .. } = intake;
        let op =
            Op::BookImported { customers: counts.customers, agreements: counts.accepted, refused: findings.refused };
        let keep = counts.accepted > 0 && !options.dry_run;
        Ok(((findings, counts, waiting, known), keep.then_some(op)))
    });
    ctx.say(Event::End);
    let (findings, counts, mut waiting, known) = done?;
    if options.links.is_some() {
        waiting.extend(known);
    }
    let links = match options.dry_run {
        true => Links::default(),
        false => ask_links(ctx, &waiting, options.links.as_deref(), today)?,
    };
    Ok(Imported {
        findings,
        accepted: counts.accepted,
        unchanged: counts.unchanged,
        customers: counts.customers,
        pets: counts.pets,
        terms_before: counts.terms_before,
        terms_past: counts.terms_past,
        opening: counts.opening,
        links,
    })
}

/// What a rail must know to let the customer of `agreement` sign `mandate`: the debits that are left, from the first one that can
/// still be registered. `payer` is the customer's masked name with the end of the phone number.
///
/// # Errors
/// When `shop.toml` has lost the mandate's rail.
pub fn sign_request(
    config: &Config,
    agreement: &Agreement,
    mandate: &Mandate,
    payer: &str,
    today: NaiveDate,
) -> Result<SignRequest> {
    let profile = &config.rail(&mandate.rail)?.profile;
    let schedule = agreement.schedule();
    let registered = |term: u32| profile.registered(schedule.due(term));
    let first = (agreement.paid_before + 1..=agreement.terms).find(|term| registered(*term) >= today);
    let first = first.unwrap_or(agreement.terms);
    Ok(SignRequest {
        contract_no: mandate.contract_no.clone(),
        customer_label: payer.to_owned(),
        payer: agreement.customer.to_string(),
        amount: agreement.monthly,
        count: agreement.terms + 1 - first,
        first_date: registered(first),
        valid_until: mandate.valid_until,
    })
}

#[derive(Default)]
struct Counts {
    accepted: u64,
    unchanged: u64,
    customers: u64,
    pets: u64,
    terms_before: u64,
    terms_past: u64,
    opening: Money,
}

enum Taken {
    Added(Vec<Warning>),
    Unchanged,
    Refused(Field, Problem),
}

/// Takes rows one by one inside the import's transaction.
struct Intake<'c> {
    ctx: &'c Ctx,
    options: &'c ImportOptions,
    now: At,
    today: NaiveDate,
    lang: Lang,
    identity: Identity,
    plans: Vec<Plan>,
    counts: Counts,
    /// New agreements whose mandate waits for the customer.
    waiting: Vec<AgreementId>,
    /// Agreements of the book that were in kibble already.
    known: Vec<AgreementId>,
}

impl<'c> Intake<'c> {
    fn new(ctx: &'c Ctx, tx: &Conn, options: &'c ImportOptions, now: At, today: NaiveDate) -> Result<Intake<'c>> {
        Ok(Intake {
            ctx,
            options,
            now,
            today,
            lang: message_lang(ctx),
            identity: db::shop::identity(tx)?,
            plans: db::plan::list(tx, true)?,
            counts: Counts::default(),
            waiting: Vec::new(),
            known: Vec::new(),
        })
    }

    fn take(&mut self, tx: &Conn, row: &Candidate) -> Result<Taken> {
        let print = hex(&row.fingerprint());
        if let Some(known) = db::agreement::by_no(tx, &row.contract_no)? {
            if db::agreement::import_row(tx, known.id)?.as_deref() == Some(print.as_str()) {
                self.counts.unchanged += 1;
                self.known.push(known.id);
                return Ok(Taken::Unchanged);
            }
            let fields = self.differences(tx, &known, row)?;
            return Ok(Taken::Refused(Field::ContractNo, Problem::KnownOtherwise { agreement: known.id, fields }));
        }
        let mut warnings = Vec::new();
        let customer = match person(tx, row, self.lang, self.now)? {
            Person::Refused(field, problem) => return Ok(Taken::Refused(field, problem)),
            Person::Known { id, warning, .. } => {
                warnings.extend(warning);
                id
            }
            Person::Added(id) => {
                self.counts.customers += 1;
                id
            }
        };
        let agreement = self.add(tx, row, customer, print, &mut warnings)?;
        if let Some(balance) = row.balance.filter(|balance| balance.is_positive()) {
            let entry = Entry::new(EntryKind::Opening, agreement)
                .of(customer)
                .debit(Account::Opening, balance)
                .credit(Account::WalletPrincipal(customer), balance);
            db::journal::book(tx, &entry, self.today, self.now)?;
            self.counts.opening += balance;
        }
        self.counts.accepted += 1;
        Ok(Taken::Added(warnings))
    }

    fn add(
        &mut self,
        tx: &Conn,
        row: &Candidate,
        customer: CustomerId,
        print: String,
        warnings: &mut Vec<Warning>,
    ) -> Result<AgreementId> {
        let pet = match db::pet::like(tx, customer, &row.pet_name, row.species.word(), &row.breed, true)? {
            Some(pet) => pet,
            None => {
                self.counts.pets += 1;
                db::pet::insert(tx, &pet_of(row, customer), self.today, self.now)?
            }
        };
        let plan = self.plan(row);
        let plan_name = match plan {
            Some(plan) if self.lang == Lang::En => plan.name_en.clone(),
            Some(plan) => plan.name_zh.clone(),
            None => {
                warnings.push(Warning::PlanUnknown(row.plan.clone()));
                row.plan.clone()
            }
        };
        let (plan_code, guarantee_days) = match plan {
            Some(plan) => (plan.code.clone(), plan.guarantee_days),
            None => (IMPORTED_PLAN.to_owned(), 0),
        };
        let schedule = Schedule::new(row.signed_on, row.debit_day, self.options.first_debit);
        let due_by = |day: NaiveDate| (1..=row.terms).take_while(|term| schedule.due(*term) <= day).last().unwrap_or(0);
        let paid_before = self.options.paid_until.map_or(0, due_by);
        let past = (1..=row.terms).take_while(|term| schedule.due(*term) < self.today).last().unwrap_or(0);
        self.counts.terms_before += u64::from(paid_before);
        self.counts.terms_past += u64::from(past.saturating_sub(paid_before));
        let ends_on = schedule.end(row.terms);
        let zone = self.ctx.zone();
        let id = db::agreement::insert(
            tx,
            &NewAgreement {
                no: row.contract_no.clone(),
                customer,
                pet,
                plan_code,
                plan_name,
                source: AgreementSource::Imported,
                monthly: row.amount,
                terms: row.terms,
                anchor_day: row.debit_day,
                first_debit: self.options.first_debit,
                signed_on: row.signed_on,
                signed_at: moment(row.signed_on, NaiveTime::MIN, zone),
                ends_on,
                paid_before,
                reference_cost: Money::ZERO,
                conditions: self.ctx.config.settings.terms.conditions(guarantee_days),
                lang: self.lang.word().to_owned(),
                template: IMPORTED_TEMPLATE.to_owned(),
                text: None,
                text_sha256: None,
                shown: "[]".to_owned(),
                import_row: Some(print),
            },
        )?;
        if paid_before == row.terms {
            // Nothing is left to collect, so nobody is asked for a permission to debit.
            db::agreement::set_state(tx, id, AgreementState::Completed, Some((self.now, TERMS_OVER)))?;
            warnings.push(Warning::NothingLeft);
            return Ok(id);
        }
        let number = contract_no(&self.identity.code, self.identity.copy_no, id, 1);
        db::mandate::insert(tx, id, 1, &row.rail, &number, ends_on, self.now)?;
        self.waiting.push(id);
        Ok(id)
    }

    /// The plan that the row names, when amount and number of terms are the same too.
    fn plan(&self, row: &Candidate) -> Option<&Plan> {
        let fits = |plan: &&Plan| plan.monthly == row.amount && plan.terms == row.terms && is_called(plan, &row.plan);
        self.plans.iter().find(fits)
    }

    /// Where a stored agreement and a row of the same number differ.
    fn differences(&self, tx: &Conn, known: &Agreement, row: &Candidate) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        let mut differs = |is_different: bool, field: Field| {
            if is_different {
                fields.push(field);
            }
        };
        if let Some(customer) = db::customer::get(tx, known.customer)? {
            differs(customer.name != row.name.reveal(), Field::Name);
            differs(customer.phone != row.phone.reveal(), Field::Phone);
            differs(customer.id_number != row.id_number.reveal(), Field::IdNumber);
            differs(row.address.is_some() && customer.address != row.address, Field::Address);
        }
        if let Some(pet) = db::pet::get(tx, known.pet)? {
            differs(pet.name != row.pet_name, Field::PetName);
            differs(pet.species != row.species.word(), Field::Species);
            differs(pet.breed != row.breed, Field::Breed);
            differs(pet.note != row.note.as_deref().unwrap_or(""), Field::Note);
        }
        let named = |plan: &Plan| plan.code == known.plan_code && is_called(plan, &row.plan);
        let same_plan = row.plan == known.plan_name || self.plans.iter().any(named);
        differs(!same_plan, Field::Plan);
        differs(known.monthly != row.amount, Field::Amount);
        differs(known.terms != row.terms, Field::Terms);
        differs(known.signed_on != row.signed_on, Field::SignedOn);
        differs(known.anchor_day != row.debit_day, Field::DebitDay);
        let mandates = db::mandate::of_agreement(tx, known.id)?;
        differs(mandates.first().is_some_and(|mandate| mandate.rail != row.rail), Field::Rail);
        if fields.is_empty() {
            // The rest is compared by digest alone: what kibble keeps agrees, so it is the opening balance.
            fields.push(Field::Balance);
        }
        Ok(fields)
    }
}

/// Asks each rail for the sign link of every waiting mandate of `agreements`. A rail that cannot be reached is not asked again in
/// this command.
fn ask_links(ctx: &Ctx, agreements: &[AgreementId], to: Option<&Path>, today: NaiveDate) -> Result<Links> {
    let mut links = Links::default();
    let mut troubles: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut down: BTreeMap<String, String> = BTreeMap::new();
    let mut file = LinkFile::new(to)?;
    ctx.say(Event::Begin { label: t!("sign links"), total: agreements.len() as u64 });
    for id in agreements {
        let conn = ctx.db.read();
        let Some(agreement) = db::agreement::get(conn, *id)? else { continue };
        let mandates = db::mandate::of_agreement(conn, *id)?;
        let Some(mandate) = mandates.into_iter().find(|it| it.state == MandateStatus::Waiting) else { continue };
        let Some(customer) = db::customer::get(conn, agreement.customer)? else { continue };
        let payer = label(&customer.name, &customer.phone);
        let asked = match down.get(&mandate.rail) {
            Some(why) => Err(Trouble::Unreachable { text: why.clone() }),
            None => {
                let request = sign_request(&ctx.config, &agreement, &mandate, &payer, today)?;
                ctx.rail(&mandate.rail)?.sign_link(&request)
            }
        };
        match asked {
            Ok(link) => {
                links.made += 1;
                file.add(&agreement, mandate.id, &payer, &mandate.rail, &link)?;
            }
            Err(trouble) => {
                links.missing += 1;
                if let Trouble::Unreachable { text } = &trouble {
                    down.insert(mandate.rail.clone(), text.clone());
                }
                *troubles.entry((mandate.rail, trouble_text(trouble))).or_default() += 1;
            }
        }
        ctx.say(Event::Step(1));
    }
    ctx.say(Event::End);
    links.file = file.finish().with_context(|| {
        Fault::broken(t!("the agreements are in kibble, but the file with the sign links was not written"))
            .hint(t!("import the same file again with --links FILE"))
    })?;
    links.troubles = troubles.into_iter().map(|((rail, why), count)| LinkTrouble { rail, why, count }).collect();
    Ok(links)
}

fn trouble_text(trouble: Trouble) -> String {
    match trouble {
        Trouble::Unsupported => t!("it has no sign links"),
        Trouble::Refused { code, text, .. } => t!("it refused: {text} ({code})", text = text, code = code),
        Trouble::Unreachable { text } => text,
    }
}

/// The CSV with the links to be sent.
struct LinkFile<'p> {
    to: Option<&'p Path>,
    writer: Writer<Vec<u8>>,
}

impl<'p> LinkFile<'p> {
    fn new(to: Option<&'p Path>) -> Result<LinkFile<'p>> {
        let mut writer = Writer::new(Vec::new())?;
        let header =
            [t!("agreement no"), t!("agreement"), t!("mandate"), t!("customer"), t!("payment rail"), t!("sign link")];
        writer.row(header.iter().map(String::as_str))?;
        Ok(LinkFile { to, writer })
    }

    fn add(&mut self, it: &Agreement, mandate: MandateId, payer: &str, rail: &str, link: &SignLink) -> Result<()> {
        let (id, mandate) = (it.id.to_string(), mandate.to_string());
        Ok(self.writer.row([it.no.as_str(), &id, &mandate, payer, rail, &link.url])?)
    }

    fn finish(self) -> Result<Option<PathBuf>> {
        let Some(path) = self.to else { return Ok(None) };
        write_whole(path, &self.writer.finish()?)?;
        Ok(Some(path.to_owned()))
    }
}

fn is_called(plan: &Plan, name: &str) -> bool {
    [&plan.code, &plan.name_zh, &plan.name_en].iter().any(|it| *it == name)
}
