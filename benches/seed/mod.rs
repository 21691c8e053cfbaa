//! The shop of the benches: as many agreements as wanted, one open term each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
use kibble::ops::init::{NewShop, init};
use kibble::ops::{Ctx, read_now};
use kibble::text::Lang;
use rusqlite::Connection;

use crate::instant::{InstantChannel, InstantRail};

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

/// A moment in the shop's zone.
pub fn at(text: &str) -> At {
    read_now(text, chrono_tz::Asia::Shanghai).unwrap()
}

/// Where the key of the shop in `folder` lies.
pub fn key_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap().to_os_string();
    name.push(".key");
    folder.with_file_name(name)
}

/// The shop in `folder` as it was when this was called first: at its own place, because a copy elsewhere moves no money.
pub fn fresh(folder: &Path) -> &Path {
    let store = folder.with_extension("store");
    let files = [folder.join("shop.toml"), folder.join("shop.db"), key_path(folder).with_extension("seen")];
    let stored = files.each_ref().map(|file| store.join(file.file_name().unwrap()));
    if !store.exists() {
        std::fs::create_dir(&store).unwrap();
        for (file, stored) in files.iter().zip(&stored) {
            std::fs::copy(file, stored).unwrap();
        }
        return folder;
    }
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::create_dir(folder).unwrap();
    for (file, stored) in files.iter().zip(&stored) {
        std::fs::copy(stored, file).unwrap();
    }
    folder
}

/// The shop in `folder` at a moment, on the rail and the channel that answer at once.
pub fn instant_ctx(folder: &Path, now: &str, window: u32, knows_orders: bool) -> Ctx {
    let mut config = Config::load(folder).unwrap();
    config.settings.debit.window = window;
    let clock = Clock::fixed(at(now));
    let mut ctx = Ctx::wire(config, clock).unwrap();
    let profile = ctx.config.rails["alipay"].profile.clone();
    ctx.rails.insert("alipay".into(), Arc::new(InstantRail { profile, knows_orders }));
    ctx.notify.put(Box::new(InstantChannel));
    ctx
}

/// A connection that keeps kibble's promises about the disk.
pub fn bare(folder: &Path) -> Connection {
    let sql = Connection::open(folder.join("shop.db")).unwrap();
    sql.execute_batch("PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;").unwrap();
    sql.set_prepared_statement_cache_capacity(64);
    sql
}

/// One more audit row, as long as the ones that kibble writes.
pub fn audit(sql: &Connection, detail: &str) {
    let hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    sql.prepare_cached(
        "INSERT INTO audit SELECT max(seq) + 1, '2026-11-05T01:00:00Z', 'cron', 'bench', 'bench', '', ?1, ?2, ?2 FROM audit",
    )
    .unwrap()
    .execute([detail, hash])
    .unwrap();
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
    drop(ctx);
    let sql = Connection::open(seed.folder.join("shop.db")).unwrap();
    sql.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
}
