//! Who lives in a simulated shop: invented people with valid numbers of nobody, their pets, plans, rails and debit days. All of it
//! follows from the place of the person and from the seed.

use super::dice::Dice;
use crate::domain::customer::IdNumber;
use crate::domain::date::{FirstDebit, plus_days};
use crate::domain::plan::Plan;
use crate::ops::sign::Form;
use chrono::NaiveDate;

/// The rails of a simulated shop, with their profiles: one of each kind of rules.
pub const RAILS: [(&str, &str); 3] =
    [("alipay", "alipay"), ("wechat", "wechat-prenotify"), ("later", "wechat-notify24h")];

/// Given names are drawn from these; nobody else's text contains them.
const SURNAMES: [&str; 10] = ["欧阳", "上官", "司徒", "诸葛", "令狐", "皇甫", "尉迟", "公孙", "慕容", "东方"];
const GIVEN: [&str; 10] = ["甲一", "乙二", "丙三", "丁四", "戊五", "己六", "庚七", "辛八", "壬九", "癸十"];

/// Whether a text has somebody's name, phone or ID number in the open.
pub fn names_somebody(text: &str) -> bool {
    let number = |word: &str| {
        let starts = |with: &str, length: usize| word.len() == length && word.starts_with(with);
        (starts("1990", 11) || starts("119999", 18)) && word.bytes().take(17).all(|byte| byte.is_ascii_digit())
    };
    SURNAMES.iter().any(|it| text.contains(it)) || text.split(|c: char| !c.is_ascii_alphanumeric()).any(number)
}

/// A person.
#[derive(Clone, Debug)]
pub struct Person {
    /// Place, from 0.
    pub place: u32,
    /// Name.
    pub name: String,
    /// Mobile number.
    pub phone: String,
    /// ID number.
    pub id_number: String,
    /// Name of the rail.
    pub rail: &'static str,
    /// Rail of a second mandate.
    pub second: Option<&'static str>,
    /// Day of the month.
    pub debit_day: u32,
    /// The plan, for those who sign with kibble.
    pub plan: Plan,
    /// `None` for those who come with the earlier book.
    pub signs_on: Option<NaiveDate>,
    /// When the agreement of the earlier book was signed.
    pub signed_before: NaiveDate,
}

/// The people of a shop that opens on `from`; the last third of them sign within `days`.
pub fn people(seed: u64, count: u32, plans: &[Plan], from: NaiveDate, days: u32) -> Vec<Person> {
    let mut dice = Dice::new(seed ^ 0x9E0B);
    let earlier = count - count / 3;
    (0..count)
        .map(|place| {
            let pick = |list: &[&str], at: u32| list[usize::try_from(at).unwrap_or(0) % list.len()].to_owned();
            let rail = RAILS[usize::try_from(place % 3).unwrap_or(0)].0;
            let other = RAILS[usize::try_from((place + 1) % 3).unwrap_or(0)].0;
            let plan = usize::try_from(dice.below(u32::try_from(plans.len()).unwrap_or(1))).unwrap_or(0);
            let signs_on = (place >= earlier).then(|| plus_days(from, 1 + i64::from(dice.below(days.max(31) - 30))));
            Person {
                place,
                name: pick(&SURNAMES, place / 10 % 10) + &pick(&GIVEN, place % 10),
                phone: format!("1990{place:07}"),
                id_number: id_number(place),
                rail,
                second: (place % 5 == 1).then_some(other),
                debit_day: 1 + dice.below(26),
                plan: plans[plan].clone(),
                signs_on,
                signed_before: plus_days(from, -1 - i64::from(dice.below(28))),
            }
        })
        .collect()
}

/// A valid ID number of an area that does not exist, of somebody born in 1990.
fn id_number(place: u32) -> String {
    let born = format!("1990{:02}{:02}", 1 + place / 1_000 % 12, 1 + place / 12_000 % 28);
    let body = format!("119999{born}{:03}", place % 1_000);
    let check = IdNumber::check_letter(&body).unwrap_or('0');
    format!("{body}{check}")
}

/// The earlier book as a CSV file: those who do not sign with kibble.
pub fn earlier_book(people: &[Person]) -> String {
    let mut book =
        "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号\n".to_owned();
    for it in people.iter().filter(|it| it.signs_on.is_none()) {
        book += &format!(
            "{},{},{},团子,猫,英短,猫粮月付199,199.00,{},{},{},{},{}\n",
            it.name,
            it.phone,
            it.id_number,
            12 + it.place % 13,
            it.signed_before,
            it.debit_day,
            it.rail,
            earlier_no(it.place),
        );
    }
    book
}

/// The number printed on an agreement of the earlier book.
fn earlier_no(place: u32) -> String {
    format!("HT{place}")
}

/// What is filled in at a signing.
pub fn form(it: &Person) -> Form {
    let cat = it.plan.code.starts_with("cat");
    let text = |text: &str| Some(text.to_owned());
    Form {
        name: Some(it.name.clone()),
        phone: Some(it.phone.clone()),
        id_number: Some(it.id_number.clone()),
        address: Some(format!("示例市青禾路{}号", it.place + 1)),
        pet_name: text("团子"),
        species: text(if cat { "cat" } else { "dog" }),
        breed: text(if cat { "英短" } else { "柯基" }),
        sex: text("female"),
        source: text("rescued"),
        reference_cost: text("800.00"),
        plan: Some(it.plan.code.clone()),
        rail: text(it.rail),
        second_rail: it.second.map(str::to_owned),
        debit_day: (it.plan.first_debit == FirstDebit::NextMonth).then(|| it.debit_day.to_string()),
        acknowledged: true,
        explained: true,
        ..Form::default()
    }
}
