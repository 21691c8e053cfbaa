//! A shop in a temporary folder, for tests of use cases: opened like a real one, with a clock that stands where it is put.

use std::ops::Deref;

use tempfile::TempDir;

use crate::clock::Clock;
use crate::config::Config;
use crate::db;
use crate::db::agreement::NewAgreement;
use crate::db::customer::{Customer, NewCustomer};
use crate::db::pet::NewPet;
use crate::domain::agreement::{AgreementSource, Conditions};
use crate::domain::date::FirstDebit;
use crate::domain::id::{AgreementId, CustomerId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::{Sex, Status};
use crate::ops::init::{NewShop, init};
use crate::ops::{Ctx, read_now};
use crate::text::Lang;

/// An open shop. Its folder vanishes with it.
pub(crate) struct TestShop {
    ctx: Ctx,
    /// Holds the shop folder and the key beside it.
    pub(crate) root: TempDir,
}

impl Deref for TestShop {
    type Target = Ctx;

    fn deref(&self) -> &Ctx {
        &self.ctx
    }
}

impl TestShop {
    /// A shop with sandbox rails on 2026-11-05 at ten.
    pub(crate) fn open() -> TestShop {
        let root = TempDir::new().unwrap();
        let clock = Clock::fixed(read_now("2026-11-05T10:00", chrono_tz::Asia::Shanghai).unwrap());
        let rail = |name: &str| (name.to_owned(), "sandbox".to_owned(), None);
        let new = NewShop {
            folder: root.path().join("shop"),
            name: "团子宠物".to_owned(),
            name_en: "Tuanzi".to_owned(),
            uscc: String::new(),
            address: String::new(),
            phone: String::new(),
            lang: Lang::En,
            rails: vec![rail("alipay"), rail("wechat")],
            key_file: Some(root.path().join("key")),
            install_code: Some("TESTSHOP".to_owned()),
        };
        init(&new, &clock).unwrap();
        let ctx = Ctx::wire(Config::load(&new.folder).unwrap(), clock).unwrap();
        TestShop { ctx, root }
    }

    /// Adds a customer with an address; `number` tells customers apart.
    pub(crate) fn customer(&self, name: &str, number: u32) -> Customer {
        let now = self.now();
        let new = NewCustomer {
            name: name.to_owned(),
            phone: format!("1380000{number:04}"),
            id_number: format!("11999919900101{number:04}"),
            address: Some("示例市青禾路2号".to_owned()),
            lang: "zh".to_owned(),
        };
        let added = self.db.write(now, |tx| {
            let customer = db::customer::insert(tx, &new, now)?;
            Ok((customer, Op::CustomerAdded { customer }))
        });
        db::customer::get(self.db.read(), added.unwrap()).unwrap().unwrap()
    }

    /// Gives a customer a running agreement of twelve terms of 199.00, nothing paid yet.
    pub(crate) fn sign(&self, customer: CustomerId) -> AgreementId {
        let (now, today) = (self.now(), self.today(self.now()));
        let pet = NewPet {
            customer: Some(customer),
            name: "团子".to_owned(),
            species: "cat".to_owned(),
            breed: String::new(),
            sex: Sex::Female,
            birth_date: None,
            birth_estimated: false,
            chip_no: None,
            quarantine_no: None,
            source: "bred".to_owned(),
            reference_cost: Money::from_fen(90_000),
            status: Status::Adopted,
            note: String::new(),
        };
        let conditions = Conditions {
            cooling_off_days: 7,
            refund_days: 5,
            confirm_days: 3,
            cure_days: 15,
            retry_max: 2,
            guarantee_days: 15,
            retention_years: 3,
            resolve_days: 7,
            interest_bps_merchant: 300,
            interest_bps_consumer: 150,
            list_price_settlement: false,
        };
        let signed = self.db.write(now, |tx| {
            let pet = db::pet::insert(tx, &pet, today, now)?;
            let no = format!("KB-{}", db::agreement::next_number(tx)?);
            let new = NewAgreement {
                no,
                customer,
                pet,
                plan_code: "cat-199-12".to_owned(),
                plan_name: "cat".to_owned(),
                source: AgreementSource::Signed,
                monthly: Money::from_fen(19_900),
                terms: 12,
                anchor_day: 5,
                first_debit: FirstDebit::NextMonth,
                signed_on: today,
                signed_at: now,
                ends_on: "2027-12-04".parse()?,
                paid_before: 0,
                reference_cost: Money::from_fen(90_000),
                conditions: conditions.clone(),
                lang: "zh".to_owned(),
                template: "test".to_owned(),
                text: None,
                text_sha256: None,
                shown: "{}".to_owned(),
                import_row: None,
            };
            let agreement = db::agreement::insert(tx, &new)?;
            db::agreement::activate(tx, agreement, now)?;
            Ok((agreement, Op::AgreementSigned { agreement, customer, pet, sha256: String::new() }))
        });
        signed.unwrap()
    }

    /// Puts money into a wallet, as a balance from before kibble; `reference` is unique.
    pub(crate) fn fund(&self, customer: CustomerId, fen: i64, reference: &str) {
        let (now, amount) = (self.now(), Money::from_fen(fen));
        let entry = Entry::new(EntryKind::Opening, reference)
            .of(customer)
            .debit(Account::Opening, amount)
            .credit(Account::WalletPrincipal(customer), amount);
        let booked = self.db.write(now, |tx| {
            db::journal::book(tx, &entry, self.today(now), now)?;
            Ok(((), Op::Corrected { kind: "opening".to_owned(), reference: reference.to_owned(), amount }))
        });
        booked.unwrap();
    }

    /// What a wallet holds, in fen: principal and bonus.
    pub(crate) fn wallet(&self, customer: CustomerId) -> (i64, i64) {
        let (principal, bonus) = db::journal::wallet(self.db.read(), customer).unwrap();
        (principal.fen(), bonus.fen())
    }
}
