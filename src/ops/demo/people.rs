//! The sixty people of the demo: the first usable rows of the example customer book, each with a plan, a payment rail and a
//! debit day that follow from the place in the book. Owns no story: that is `year.rs`.

use anyhow::{Context, Result};
use chrono::NaiveDate;

use crate::domain::customer::{Age, IdNumber, Phone};
use crate::domain::date::plus_days;
use crate::domain::plan::Plan;
use crate::domain::pet::Species;
use crate::ops::init::plan_templates;

/// The example customer book.
const BOOK: &str = include_str!("../../../examples/data/customers.csv");

/// People in the demo.
pub const PEOPLE: usize = 60;

/// Of these, in the book that the shop had before kibble.
pub const EARLIER: usize = 24;

/// The rail that decides a day later.
pub const SLOW_RAIL: &str = "wechat24";

/// Debit days. The first days of a month are left out, so that December's terms of the earlier book can still be announced.
const DEBIT_DAYS: [u32; 10] = [5, 6, 8, 10, 12, 15, 18, 20, 22, 25];

/// Days between two signings.
const SIGNING_GAP_DAYS: i64 = 5;

/// Somebody in the demo.
#[derive(Clone, Debug)]
pub struct Person {
    /// Place in the demo, from 0.
    pub place: usize,
    /// Name.
    pub name: String,
    /// Phone.
    pub phone: String,
    /// ID number.
    pub id_number: String,
    /// The pet's name.
    pub pet_name: String,
    /// What kind of animal.
    pub species: Species,
    /// Breed.
    pub breed: String,
    /// The plan.
    pub plan: Plan,
    /// The rail.
    pub rail: &'static str,
    /// Debit day, for plans whose first debit comes a month later.
    pub debit_day: u32,
    /// When the agreement was signed.
    pub signed_on: NaiveDate,
}

impl Person {
    /// True for somebody of the book that the shop had before kibble.
    pub fn is_earlier(&self) -> bool {
        self.place < EARLIER
    }

    /// The number printed on the earlier agreement.
    pub fn earlier_no(&self) -> String {
        format!("TZ2025-{:03}", self.place + 1)
    }
}

/// The people, in the order of their places.
///
/// # Errors
/// When the example book has fewer usable rows.
pub fn people(from: NaiveDate) -> Result<Vec<Person>> {
    let plans = plan_templates()?;
    let mut people: Vec<Person> = Vec::with_capacity(PEOPLE);
    let mut reader = csv::Reader::from_reader(BOOK.as_bytes());
    for row in reader.records() {
        // The book has rows that are broken on purpose, for the import; they are nobody here.
        let Ok(row) = row else { continue };
        if people.len() == PEOPLE {
            break;
        }
        people.extend(person(&row, people.len(), &plans, from, &people));
    }
    (people.len() == PEOPLE).then_some(people).context("the example book has too few usable rows")
}

fn person(
    row: &csv::StringRecord,
    place: usize,
    plans: &[Plan],
    from: NaiveDate,
    before: &[Person],
) -> Option<Person> {
    let cell = |at: usize| row.get(at).map(str::trim).unwrap_or_default();
    let id = IdNumber::parse(cell(2), from).ok()?;
    let phone = Phone::parse(cell(1)).ok()?;
    // Grown up a year before the demo begins already, and young enough to need no second explanation.
    let adult = matches!(Age::on(id.birth_date(), plus_days(from, -365)), Age::Adult);
    let known = before.iter().any(|it| it.phone == phone.reveal() || it.id_number == id.reveal());
    if !adult || known || cell(0).is_empty() || cell(3).is_empty() {
        return None;
    }
    let species = Species::from_text(cell(4)).filter(|it| matches!(it, Species::Cat | Species::Dog))?;
    let named = plans.iter().find(|plan| plan.name_zh == cell(6))?;
    let signed_on = signed_on(place, from);
    let plan = if fits(named, place, signed_on) { named } else { plain_plan(plans, species)? };
    Some(Person {
        place,
        name: cell(0).to_owned(),
        phone: phone.reveal().to_owned(),
        id_number: id.reveal().to_owned(),
        pet_name: cell(3).to_owned(),
        species,
        breed: cell(5).to_owned(),
        plan: plan.clone(),
        rail: rail(place),
        debit_day: DEBIT_DAYS[place % DEBIT_DAYS.len()],
        signed_on,
    })
}

/// The earlier book was signed from February to November of the year before; the others sign every few days from the second day on.
fn signed_on(place: usize, from: NaiveDate) -> NaiveDate {
    let nth = i64::try_from(place).unwrap_or(0);
    if place >= EARLIER {
        return plus_days(from, 1 + SIGNING_GAP_DAYS * (nth - i64::try_from(EARLIER).unwrap_or(0)));
    }
    let month = 2 + u32::try_from(place * 10 / EARLIER).unwrap_or(0);
    NaiveDate::from_ymd_opt(2025, month, DEBIT_DAYS[place % DEBIT_DAYS.len()]).unwrap_or(from)
}

/// A plan whose first debit is at signing needs a signing day that every rail takes; and those who leave early in the story do so
/// after a debit a month later.
fn fits(plan: &Plan, place: usize, signed_on: NaiveDate) -> bool {
    use crate::domain::date::FirstDebit;
    use chrono::Datelike;
    let at_signing = plan.first_debit == FirstDebit::AtSigning;
    let told_otherwise = super::year::LEAVES_EARLY.contains(&place) || place < EARLIER;
    !at_signing || (!told_otherwise && signed_on.day() <= 24)
}

fn plain_plan(plans: &[Plan], species: Species) -> Option<&Plan> {
    let code = if species == Species::Cat { "cat-199-12" } else { "dog-229-12" };
    plans.iter().find(|plan| plan.code == code)
}

fn rail(place: usize) -> &'static str {
    match (place >= EARLIER && place % 7 == 2, place % 5) {
        (true, _) => SLOW_RAIL,
        (false, 0..=2) => "alipay",
        (false, _) => "wechat",
    }
}

/// The earlier book as a CSV file.
pub fn earlier_book(people: &[Person]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let heads = BOOK.lines().next().unwrap_or_default().trim_start_matches('\u{feff}');
    writer.write_record(heads.split(','))?;
    for it in people.iter().filter(|it| it.is_earlier()) {
        let species = if it.species == Species::Cat { "猫" } else { "狗" };
        let (monthly, terms) = (it.plan.monthly.to_string(), it.plan.terms.to_string());
        writer.write_record([
            it.name.as_str(),
            &it.phone,
            &it.id_number,
            &it.pet_name,
            species,
            &it.breed,
            &it.plan.name_zh,
            &monthly,
            &terms,
            &it.signed_on.to_string(),
            &it.debit_day.to_string(),
            it.rail,
            &it.earlier_no(),
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?)?)
}

#[cfg(test)]
mod tests {
    use super::{EARLIER, PEOPLE, SLOW_RAIL, people};
    use std::collections::BTreeSet;

    #[test]
    fn sixty_different_people_on_three_rails() {
        let people = people("2025-12-01".parse().unwrap()).unwrap();
        assert_eq!(people.len(), PEOPLE);
        let phones: BTreeSet<&str> = people.iter().map(|it| it.phone.as_str()).collect();
        assert_eq!(phones.len(), PEOPLE);
        assert_eq!(people.iter().filter(|it| it.is_earlier()).count(), EARLIER);
        let slow = people.iter().filter(|it| it.rail == SLOW_RAIL).count();
        assert!((3..=8).contains(&slow), "{slow}");
        assert!(people.iter().all(|it| it.debit_day <= 26));
    }
}
