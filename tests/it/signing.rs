//! What the tests of signing share: a shop whose papers are complete, and somebody who signs.

use kibble::adapters::rail::ChargeRequest;
use kibble::db;
use kibble::db::charge::{NewCharge, Outcome};
use kibble::domain::charge::{ChargeKind, ChargeState, order_no};
use kibble::domain::id::{AgreementId, ChargeId, InstallmentId};
use kibble::domain::journal::{Account, Entry, EntryKind};
use kibble::domain::op::Op;
use kibble::domain::points::PointsKind;
use kibble::domain::rail::Answer;
use kibble::ops::Ctx;

use crate::shop::{Ran, Shop};

/// Flags of a customer with a cat, everything said.
pub const WANG: &str = "--name 王小明 --phone 19900000001 --id-number 119999198506150016 --pet-name 团子 --species cat \
                        --sex female --born 2026-08-10 --reference-cost 900";

/// An open shop that may sign, on 10 November 2026 at ten.
pub fn shop() -> Shop {
    let mut shop = Shop::opened();
    let settings = shop.read("shop.toml");
    let settings = settings
        .replace("uscc = \"\"", "uscc = \"91110101MA00TEST0X\"")
        .replace("address = \"\"", "address = \"示例市青禾路1号\"")
        .replace("\nphone = \"\"", "\nphone = \"010-00000000\"");
    shop.write("shop.toml", settings);
    shop.at("2026-11-10T10:00");
    shop
}

/// Wang signs for a cat on a plan.
pub fn sign(shop: &Shop, plan: &str, more: &str) -> Ran {
    shop.run(&format!("sign {WANG} --plan {plan} --rail alipay --acknowledged {more}"))
}

/// A shop with Wang's agreement a-1 running.
pub fn running() -> Shop {
    let shop = shop();
    sign(&shop, "cat-199-12", "").exits(0);
    shop.run("sandbox sign m-1").exits(0);
    shop
}

/// How many rows a query of the shop's database gives.
pub fn rows(shop: &Shop, sql: &str) -> usize {
    let db = rusqlite::Connection::open(shop.path("shop.db")).unwrap();
    let mut query = db.prepare(sql).unwrap();
    let mut found = query.query([]).unwrap();
    let mut count = 0;
    while found.next().unwrap().is_some() {
        count += 1;
    }
    count
}

/// The shop opened as a library, at a moment.
pub fn ctx(shop: &Shop, at: &str) -> Ctx {
    Ctx::open(&shop.dir(), Some(at)).unwrap()
}

/// Collects a term as the debit run does: noted, asked, answered, booked.
pub fn collect(ctx: &Ctx, agreement: i64, term: u32, kind: ChargeKind) -> ChargeId {
    let now = ctx.now();
    let id = InstallmentId { agreement: AgreementId::new(agreement), term };
    let conn = ctx.db.read();
    let due = db::installment::get(conn, id).unwrap().unwrap();
    let agreement = db::agreement::get(conn, id.agreement).unwrap().unwrap();
    let mandate = db::mandate::of_agreement(conn, id.agreement).unwrap().pop().unwrap();
    let identity = db::shop::identity(conn).unwrap();
    let order = order_no(&identity.code, identity.copy_no, id, 1);
    let rail = if kind == ChargeKind::Cash { "cash".to_owned() } else { mandate.rail.clone() };
    let new = NewCharge {
        installment: id,
        attempt: 1,
        kind,
        mandate: (kind == ChargeKind::Debit).then_some(mandate.id),
        rail: &rail,
        order_no: &order,
        amount: due.amount,
        run: None,
    };
    let op = |charge| Op::ChargesWritten { noted: vec![charge], answers: Vec::new() };
    let charge = ctx.db.write(now, |tx| db::charge::note(tx, &new, now).map(|charge| (charge, op(charge)))).unwrap();
    let request = ChargeRequest {
        order_no: order.clone(),
        mandate: kibble::ops::mandate::reference(&mandate),
        amount: due.amount,
        subject: String::new(),
        due: due.due,
    };
    assert_eq!(ctx.rail(&rail).unwrap().charge(&request).answer, Answer::Paid);
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
    let from = if kind == ChargeKind::Cash { Account::Cash } else { Account::RailClearing(rail.clone()) };
    let entry = Entry::new(EntryKind::Charge, charge)
        .of(agreement.customer)
        .debit(from, due.amount)
        .credit(Account::WalletPrincipal(agreement.customer), due.amount);
    ctx.db
        .write(now, |tx| {
            db::charge::answer(tx, charge, &outcome)?;
            db::installment::set_paid(tx, id, now)?;
            db::journal::book(tx, &entry, ctx.today(now), now)?;
            db::points::grant(tx, agreement.customer, PointsKind::Charge, &charge.to_string(), 199, now)?;
            Ok(((), op(charge)))
        })
        .unwrap();
    charge
}
