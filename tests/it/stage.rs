//! A shop with one customer, one pet and one running agreement, written through the database room, for tests of commands that
//! read what others wrote. Signing and debiting have tests of their own.

use std::sync::Arc;

use chrono::NaiveDate;
use kibble::adapters::rail::{ChargeRequest, MandateRef, MandateState, SignRequest};
use kibble::db;
use kibble::db::agreement::NewAgreement;
use kibble::db::charge::{NewCharge, Outcome};
use kibble::db::customer::NewCustomer;
use kibble::db::installment::NewInstallment;
use kibble::db::pet::NewPet;
use kibble::domain::agreement::AgreementSource;
use kibble::domain::charge::{ChargeKind, ChargeState, InstallmentState, order_no};
use kibble::domain::date::{At, FirstDebit, Schedule};
use kibble::domain::id::{AgreementId, CustomerId, InstallmentId, MandateId, PetId};
use kibble::domain::journal::{Account, Entry, EntryKind};
use kibble::domain::money::Money;
use kibble::domain::op::Op;
use kibble::domain::pet::{Sex, Status};
use kibble::domain::rail::Answer;
use kibble::ops::Ctx;

use crate::shop::Shop;

/// Who is on the stage.
pub struct Cast {
    pub customer: CustomerId,
    pub agreement: AgreementId,
    pub mandate: MandateId,
}

/// The monthly amount.
pub const MONTHLY: Money = Money::from_fen(19_900);

/// The shop at `time` of its own zone, in this process.
pub fn open(shop: &Shop, time: &str) -> Ctx {
    Ctx::open(&shop.dir(), Some(time)).unwrap()
}

/// Term `term` of the agreement.
pub fn term(cast: &Cast, term: u32) -> InstallmentId {
    InstallmentId { agreement: cast.agreement, term }
}

/// 王小明 signed on 2026-10-05 for twelve months on the fifth; the mandate on alipay is live; terms 1 and 2 exist.
pub fn set(ctx: &Ctx) -> Cast {
    let now = ctx.now();
    let signed: NaiveDate = "2026-10-05".parse().unwrap();
    let signed_at: At = "2026-10-05T02:00:00Z".parse().unwrap();
    let cast = ctx.db.write(now, |tx| {
        let customer = NewCustomer {
            name: "王小明".into(),
            phone: "19900000001".into(),
            id_number: "11999919900101001X".into(),
            address: None,
            lang: "zh".into(),
        };
        let customer = db::customer::insert(tx, &customer, now)?;
        let pet = db::pet::insert(tx, &pet(customer), signed, now)?;
        let agreement = db::agreement::insert(tx, &agreement(ctx, customer, pet, signed, signed_at))?;
        db::agreement::activate(tx, agreement, signed_at)?;
        let no = format!("KM{:016}", agreement.number());
        let mandate = db::mandate::insert(tx, agreement, 1, "alipay", &no, "2027-10-04".parse()?, signed_at)?;
        db::mandate::set_live(tx, mandate, "2026X", signed_at)?;
        for term in 1..=2 {
            let due = Schedule::new(signed, 5, FirstDebit::NextMonth).due(term);
            let id = InstallmentId { agreement, term };
            let registered = ctx.config.rail("alipay")?.profile.registered(due);
            let new = NewInstallment { id, due, registered, amount: MONTHLY, state: InstallmentState::Open };
            db::installment::create(tx, &new)?;
        }
        Ok((Cast { customer, agreement, mandate }, Op::BookImported { customers: 1, agreements: 1, refused: 0 }))
    });
    cast.unwrap()
}

/// Charges term 1 at the sandbox with the order number of `attempt`, without a word in our own book. Returns the number.
pub fn charge_at_rail(ctx: &Ctx, cast: &Cast, attempt: u32) -> String {
    let identity = db::shop::identity(ctx.db.read()).unwrap();
    let mandate = db::mandate::get(ctx.db.read(), cast.mandate).unwrap().unwrap();
    let rail = Arc::clone(ctx.rail("alipay").unwrap());
    let request = SignRequest {
        contract_no: mandate.contract_no.clone(),
        customer_label: "王**".into(),
        payer: cast.customer.to_string(),
        amount: MONTHLY,
        count: 12,
        first_date: "2026-11-07".parse().unwrap(),
        valid_until: mandate.valid_until,
    };
    rail.sign_link(&request).unwrap();
    ctx.sandbox.as_ref().unwrap().agree_all(ctx.now()).unwrap();
    let mut named = MandateRef { contract_no: mandate.contract_no, provider_no: None };
    match rail.mandate_state(&named) {
        Ok(MandateState::Live { provider_no, .. }) => named.provider_no = Some(provider_no),
        other => panic!("{other:?}"),
    }
    let order_no = order_no(&identity.code, identity.copy_no, term(cast, 1), attempt);
    let charge = ChargeRequest {
        order_no: order_no.clone(),
        mandate: named,
        amount: MONTHLY,
        subject: "宠粮月付".into(),
        due: "2026-11-05".parse().unwrap(),
    };
    assert_eq!(rail.charge(&charge).answer, Answer::Paid);
    order_no
}

/// Term 1 was announced and collected by the book: notice, charge, entry. Points are the caller's.
pub fn collect(ctx: &Ctx, cast: &Cast) {
    let now = ctx.now();
    let order_no = charge_at_rail(ctx, cast, 1);
    let id = term(cast, 1);
    let collected = ctx.db.write(now, |tx| {
        let due = "2026-11-05".parse()?;
        db::installment::put_notice(tx, id, "message", 0, due, MONTHLY, now - chrono::Duration::hours(50))?;
        let new = NewCharge {
            installment: id,
            attempt: 1,
            kind: ChargeKind::Debit,
            mandate: Some(cast.mandate),
            rail: "alipay",
            order_no: &order_no,
            amount: MONTHLY,
            run: None,
        };
        let charge = db::charge::note(tx, &new, now)?;
        let outcome = Outcome {
            state: ChargeState::Paid,
            reason: None,
            code: "",
            said: "",
            trade_no: None,
            pending_until: None,
            paid_at: Some(now),
            asked_at: now,
            run: None,
        };
        db::charge::answer(tx, charge, &outcome)?;
        db::installment::set_paid(tx, id, now)?;
        let entry = Entry::new(EntryKind::Charge, charge)
            .of(cast.customer)
            .debit(Account::RailClearing("alipay".into()), MONTHLY)
            .credit(Account::WalletPrincipal(cast.customer), MONTHLY);
        db::journal::book(tx, &entry, due, now)?;
        Ok(((), Op::ChargesWritten { noted: vec![charge], answers: vec![(charge, "paid")] }))
    });
    collected.unwrap();
}

fn pet(customer: CustomerId) -> NewPet {
    NewPet {
        customer: Some(customer),
        name: "团子".into(),
        species: "cat".into(),
        breed: "中华田园猫".into(),
        sex: Sex::Female,
        birth_date: None,
        birth_estimated: false,
        chip_no: None,
        quarantine_no: None,
        source: "rescued".into(),
        reference_cost: Money::from_fen(80_000),
        status: Status::Adopted,
        note: String::new(),
    }
}

fn agreement(ctx: &Ctx, customer: CustomerId, pet: PetId, signed_on: NaiveDate, signed_at: At) -> NewAgreement {
    NewAgreement {
        no: format!("KB-{}", customer.number()),
        customer,
        pet,
        plan_code: "cat-199-12".into(),
        plan_name: "猫咪月付".into(),
        source: AgreementSource::Imported,
        monthly: MONTHLY,
        terms: 12,
        anchor_day: 5,
        first_debit: FirstDebit::NextMonth,
        signed_on,
        signed_at,
        ends_on: Schedule::new(signed_on, 5, FirstDebit::NextMonth).end(12),
        paid_before: 0,
        reference_cost: Money::from_fen(80_000),
        conditions: ctx.config.settings.terms.conditions(15),
        lang: "zh".into(),
        template: "imported".into(),
        text: None,
        text_sha256: None,
        shown: "{}".into(),
        import_row: None,
    }
}
