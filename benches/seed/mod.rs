//! The shop of the benches: as many agreements as wanted, one open term each.

use std::path::Path;

use chrono::NaiveDate;
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::db;
use kibble::domain::agreement::AgreementSource;
use kibble::domain::charge::InstallmentState;
use kibble::domain::date::{At, FirstDebit};
use kibble::domain::id::InstallmentId;
use kibble::domain::money::Money;
use kibble::domain::op::Op;
use kibble::domain::pet::{Sex, Status};
use kibble::ops::Ctx;
use kibble::ops::init::{NewShop, init};
use kibble::text::Lang;

/// What stands in the shop.
pub struct Seed<'a> {
    pub folder: &'a Path,
    pub key: &'a Path,
    /// Number of agreements, all on the rail `alipay`.
    pub size: u32,
    /// When the shop was opened.
    pub now: At,
    pub signed_on: NaiveDate,
    /// The open term.
    pub term: u32,
    pub due: NaiveDate,
    /// From when it may be charged.
    pub charge_from: At,
}

/// Our number of the mandate of agreement `number`.
pub fn contract_no(number: u32) -> String {
    format!("KM{number:010}")
}

/// A Chinese shop on a sandbox rail. `provider_no` is the provider's number of the mandate of agreement 1, 2, ….
pub fn shop(seed: &Seed<'_>, provider_no: impl Fn(u32) -> String) {
    let new = NewShop {
        folder: seed.folder.to_owned(),
        name: "bench".into(),
        name_en: String::new(),
        uscc: String::new(),
        address: String::new(),
        phone: String::new(),
        lang: Lang::Zh,
        rails: vec![("alipay".into(), "sandbox".into(), None)],
        key_file: Some(seed.key.to_owned()),
        install_code: Some("7K2QX9AB".into()),
    };
    let now = seed.now;
    init(&new, &Clock::fixed(now)).unwrap();
    let ctx = Ctx::wire(Config::load(seed.folder).unwrap(), Clock::fixed(now)).unwrap();
    let registered = ctx.config.rails["alipay"].profile.registered(seed.due);
    let amount = Money::from_fen(19_900);
    ctx.db
        .write(now, |tx| {
            for number in 1..=seed.size {
                let customer = db::customer::NewCustomer {
                    name: "测试".into(),
                    phone: format!("138{number:08}"),
                    id_number: format!("11999920000101{number:06}"),
                    address: None,
                    lang: "zh".into(),
                };
                let customer = db::customer::insert(tx, &customer, now)?;
                let pet = db::pet::NewPet {
                    customer: Some(customer),
                    name: "团子".into(),
                    species: "cat".into(),
                    breed: String::new(),
                    sex: Sex::Unknown,
                    birth_date: None,
                    birth_estimated: false,
                    chip_no: None,
                    quarantine_no: None,
                    source: "unknown".into(),
                    reference_cost: Money::ZERO,
                    status: Status::Adopted,
                    note: String::new(),
                };
                let pet = db::pet::insert(tx, &pet, seed.signed_on, now)?;
                let until: NaiveDate = seed.signed_on + chrono::Months::new(13);
                let agreement = db::agreement::NewAgreement {
                    no: format!("KB-2026-{number:06}"),
                    customer,
                    pet,
                    plan_code: "cat-199-12".into(),
                    plan_name: "猫粮月付199".into(),
                    source: AgreementSource::Imported,
                    monthly: amount,
                    terms: 12,
                    anchor_day: chrono::Datelike::day(&seed.due),
                    first_debit: FirstDebit::NextMonth,
                    signed_on: seed.signed_on,
                    signed_at: now,
                    ends_on: until,
                    paid_before: seed.term - 1,
                    reference_cost: Money::ZERO,
                    conditions: ctx.config.settings.terms.conditions(30),
                    lang: "zh".into(),
                    template: "imported".into(),
                    text: None,
                    text_sha256: None,
                    shown: "{}".into(),
                    import_row: None,
                };
                let agreement = db::agreement::insert(tx, &agreement)?;
                db::agreement::activate(tx, agreement, now)?;
                let mandate = db::mandate::insert(tx, agreement, 1, "alipay", &contract_no(number), until, now)?;
                db::mandate::set_live(tx, mandate, &provider_no(number), now)?;
                let id = InstallmentId { agreement, term: seed.term };
                let (due, state) = (seed.due, InstallmentState::Open);
                let new = db::installment::NewInstallment { id, due, registered, amount, state };
                db::installment::create(tx, &new)?;
                db::installment::set_charge_from(tx, id, seed.charge_from)?;
            }
            let count = u64::from(seed.size);
            Ok(((), Op::BookImported { customers: count, agreements: count, refused: 0 }))
        })
        .unwrap();
}
