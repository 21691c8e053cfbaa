//! Money going back, and settlements that have something to give.

use kibble::db;
use kibble::domain::charge::{ChargeKind, InstallmentState};
use kibble::domain::date::At;
use kibble::domain::id::{AgreementId, CustomerId, InstallmentId};
use kibble::domain::journal::{Account, Entry, EntryKind};
use kibble::domain::money::Money;
use kibble::domain::op::Op;
use kibble::domain::refund::RefundState;
use kibble::domain::statement::Cause;
use kibble::ops::Ctx;
use kibble::ops::agreement;
use kibble::ops::refund::{refund_charge, settle_open_refunds};
use kibble::ops::statement::{self, Termination};

use crate::plant::sandbox_sql;
use crate::shop::Shop;
use crate::signing::{collect, ctx, rows, running};

const A: AgreementId = AgreementId::new(1);
const C: CustomerId = CustomerId::new(1);

fn fen(fen: i64) -> Money {
    Money::from_fen(fen)
}

fn balance(ctx: &Ctx, account: &str) -> i64 {
    db::journal::balance(ctx.db.read(), C, account).unwrap().fen()
}

fn refunded_at_rail(ctx: &Ctx) -> i64 {
    ctx.sandbox.as_ref().unwrap().totals("alipay").unwrap().refunded.fen()
}

fn notice(cause: Cause, keep_pet: bool) -> Termination {
    Termination { cause, keep_pet, reason: "test".into() }
}

/// Goods for `amount` are bought and handed over.
fn buy(ctx: &Ctx, amount: i64, now: At) {
    let entry = Entry::new(EntryKind::Order, "o-1")
        .of(C)
        .debit(Account::WalletPrincipal(C), fen(amount))
        .credit(Account::Sales("staple".into()), fen(amount));
    let op = Op::Corrected { kind: "order".into(), reference: "o-1".into(), amount: fen(amount) };
    ctx.db.write(now, |tx| Ok((db::journal::book(tx, &entry, ctx.today(now), now)?, op))).unwrap();
}

/// December and January are collected.
fn two_terms() -> (Shop, Ctx) {
    let shop = running();
    collect(&ctx(&shop, "2026-12-10T10:00"), 1, 1, ChargeKind::Debit);
    let ctx = ctx(&shop, "2027-01-10T10:00");
    collect(&ctx, 1, 2, ChargeKind::Debit);
    (shop, ctx)
}

#[test]
fn a_refund_comes_out_of_the_wallet_and_takes_points_back() {
    let (shop, ctx) = two_terms();
    let now = ctx.now();
    let charge = db::charge::paid_of(ctx.db.read(), A).unwrap().remove(0).id;
    assert!(refund_charge(&ctx, charge, fen(19_901), "test", now).unwrap_err().to_string().contains("cannot go back"));
    let refund = refund_charge(&ctx, charge, fen(9_950), "test", now).unwrap();
    assert_eq!((refund.state, refunded_at_rail(&ctx)), (RefundState::Paid, 9_950));
    assert_eq!((balance(&ctx, "wallet:principal"), balance(&ctx, "refunds_due")), (-29_850, 0));
    let rest = refund_charge(&ctx, charge, fen(9_950), "test", now).unwrap();
    assert_ne!(rest.refund_no, refund.refund_no);
    assert_eq!(db::points::sum(ctx.db.read(), C).unwrap(), 199);
    let first = db::installment::get(ctx.db.read(), InstallmentId { agreement: A, term: 1 }).unwrap().unwrap();
    assert_eq!(first.state, InstallmentState::Refunded);
    assert_eq!(rows(&shop, "SELECT id FROM message WHERE template = 'refund_done'"), 2);
    buy(&ctx, 15_000, now);
    let second = db::charge::paid_of(ctx.db.read(), A).unwrap().pop().unwrap().id;
    let error = refund_charge(&ctx, second, fen(19_900), "test", now).unwrap_err();
    assert!(error.to_string().contains("holds ¥49.00"), "{error}");
}

#[test]
fn a_refund_is_never_sent_twice_after_a_lost_answer() {
    for fault in ["lose-answer", "drop", "garbage"] {
        let (mut shop, ctx) = two_terms();
        let now = ctx.now();
        shop.at("2027-01-10T10:00").run(&format!("sandbox fault alipay {fault} --times 1")).exits(0);
        let charge = db::charge::paid_of(ctx.db.read(), A).unwrap().remove(0).id;
        let refund = refund_charge(&ctx, charge, fen(19_900), "test", now).unwrap();
        assert_eq!(refund.state, RefundState::Unknown, "{fault}");
        assert_eq!(balance(&ctx, "refunds_due"), -19_900);
        let settled = settle_open_refunds(&ctx, now).unwrap();
        assert_eq!((settled.paid, settled.open), (1, 0), "{fault}");
        assert_eq!(settle_open_refunds(&ctx, now).unwrap(), kibble::ops::refund::Settled::default());
        assert_eq!((refunded_at_rail(&ctx), balance(&ctx, "refunds_due")), (19_900, 0), "{fault}");
    }
}

#[test]
fn a_refund_waits_while_the_rail_is_down() {
    let (mut shop, ctx) = two_terms();
    shop.at("2027-01-10T10:00").run("sandbox fault alipay down --for 2h").exits(0);
    let charge = db::charge::paid_of(ctx.db.read(), A).unwrap().remove(0).id;
    refund_charge(&ctx, charge, fen(19_900), "test", ctx.now()).unwrap();
    let settled = settle_open_refunds(&ctx, ctx.now()).unwrap();
    assert_eq!((settled.paid, settled.open, settled.down.len()), (0, 1, 1));
    shop.run("sandbox fault alipay --clear").exits(0);
    assert_eq!(settle_open_refunds(&ctx, ctx.now()).unwrap().paid, 1);
}

#[test]
fn a_refund_that_the_rail_refuses_is_said_until_somebody_has_handed_it_over_once() {
    let (mut shop, ctx) = two_terms();
    sandbox_sql(&shop, "UPDATE orders SET refunded = amount");
    let charge = db::charge::paid_of(ctx.db.read(), A).unwrap().remove(0).id;
    let refund = refund_charge(&ctx, charge, fen(19_900), "wrong", ctx.now()).unwrap();
    assert_eq!((refund.state, balance(&ctx, "refunds_due")), (RefundState::Declined, -19_900));
    sandbox_sql(&shop, "UPDATE orders SET refunded = 0");
    shop.at("2027-01-10T10:00");
    for _ in 0..2 {
        shop.run("debit run").fails(3, "kibble debit hand-over f-1");
    }
    shop.run("doctor").says("the rail refused f-1: ¥199.00 is owed to a customer");
    shop.run("why f-1").ok("kibble debit hand-over f-1");
    shop.run("debit hand-over f-1 --yes").ok("f-1: ¥199.00 went back to the customer");
    // As if the rail had paid it: the term counts as given back, and its history says by whom.
    let first = db::installment::get(ctx.db.read(), InstallmentId { agreement: A, term: 1 }).unwrap().unwrap();
    assert_eq!(first.state, InstallmentState::Refunded);
    assert_eq!(db::points::performed(ctx.db.read(), C).unwrap(), (1, fen(19_900)));
    shop.run("debit show a-1/1").ok("f-1").says("refund f-2: handed over");
    shop.run("debit hand-over f-1 --yes").fails(1, "was paid by hand before");
    shop.run("debit run").hides("hand-over");
    assert_eq!((balance(&ctx, "refunds_due"), balance(&ctx, "wallet:principal")), (0, -19_900));
    assert_eq!(rows(&shop, "SELECT entry_id FROM posting GROUP BY entry_id HAVING SUM(amount) <> 0"), 0);
}

/// Wang has a second animal and a second agreement.
fn two_signed() -> Shop {
    let shop = running();
    shop.run(
        "sign --customer c-1 --pet-name 小黑 --species cat --sex male --reference-cost 800 --plan cat-199-12 --rail alipay --acknowledged",
    )
    .exits(0);
    shop.run("sandbox sign m-2").exits(0);
    shop
}

/// One term of each is collected.
fn two_agreements() -> (Shop, Ctx) {
    let shop = two_signed();
    let ctx = ctx(&shop, "2026-12-10T10:00");
    collect(&ctx, 1, 1, ChargeKind::Debit);
    collect(&ctx, 2, 1, ChargeKind::Debit);
    (shop, ctx)
}

/// Goods for `amount` that were bought come back.
fn bring_back(ctx: &Ctx, amount: i64, now: At) {
    let entry = Entry::new(EntryKind::Return, "o-1/1")
        .of(C)
        .debit(Account::Sales("staple".into()), fen(amount))
        .credit(Account::WalletPrincipal(C), fen(amount));
    let op = Op::Corrected { kind: "return".into(), reference: "o-1/1".into(), amount: fen(amount) };
    ctx.db.write(now, |tx| Ok((db::journal::book(tx, &entry, ctx.today(now), now)?, op))).unwrap();
}

#[test]
fn goods_brought_back_after_one_agreement_was_settled_are_money_of_the_other() {
    const B: AgreementId = AgreementId::new(2);
    // Which agreement is settled first: the one whose money was spent, or the one whose money went back before any was spent.
    for (first, second, spent_before) in [(A, B, true), (B, A, false)] {
        let (_shop, ctx) = two_agreements();
        let now = ctx.now();
        if spent_before {
            buy(&ctx, 14_700, now);
        }
        statement::terminate(&ctx, first, &notice(Cause::Consumer, false), now).unwrap();
        statement::confirm(&ctx, first, "test", now).unwrap();
        if !spent_before {
            buy(&ctx, 14_700, now);
        }
        bring_back(&ctx, 14_700, now);
        statement::terminate(&ctx, second, &notice(Cause::Consumer, false), now).unwrap();
        statement::confirm(&ctx, second, "test", now).unwrap();
        // Every fen of both goes back, and none is left with nobody.
        assert_eq!(balance(&ctx, "wallet:principal"), 0, "{first}");
        let back = ctx.db.read();
        let noted: i64 = [first, second]
            .iter()
            .map(|it| agreement::show(&ctx, agreement::get(back, *it).unwrap(), now).unwrap().statement.unwrap())
            .flat_map(|it| it.refunds)
            .map(|it| it.amount.fen())
            .sum();
        assert_eq!(noted, 39_800, "{first}");
    }
}

#[test]
fn goods_brought_back_before_the_other_agreement_brought_anything_go_back_with_the_last_settlement() {
    const B: AgreementId = AgreementId::new(2);
    for collects in [false, true] {
        let shop = two_signed();
        // One more was signed and never agreed to: it waits, and can settle nothing.
        shop.run(
            "sign --customer c-1 --pet-name 花花 --species cat --sex male --reference-cost 800 --plan cat-199-12 --rail alipay --acknowledged",
        )
        .exits(0);
        let first = ctx(&shop, "2026-12-10T10:00");
        collect(&first, 1, 1, ChargeKind::Debit);
        buy(&first, 7_800, first.now());
        statement::terminate(&first, A, &notice(Cause::Consumer, false), first.now()).unwrap();
        statement::confirm(&first, A, "test", first.now()).unwrap();
        drop(first);
        let ctx = ctx(&shop, "2026-12-10T15:00");
        bring_back(&ctx, 7_800, ctx.now());
        if collects {
            collect(&ctx, 2, 1, ChargeKind::Debit);
        }
        statement::terminate(&ctx, B, &notice(Cause::Consumer, false), ctx.now()).unwrap();
        let done = statement::confirm(&ctx, B, "test", ctx.now()).unwrap();
        let due: i64 = done.refunds.iter().map(|it| it.amount.fen()).sum();
        assert_eq!((balance(&ctx, "wallet:principal"), due), (0, 7_800 + if collects { 19_900 } else { 0 }));
    }
}

#[test]
fn a_settlement_pays_back_what_was_not_spent_and_leaves_nothing_in_the_wallet() {
    let (shop, ctx) = two_terms();
    let now = ctx.now();
    buy(&ctx, 5_000, now);
    statement::terminate(&ctx, A, &notice(Cause::Consumer, false), now).unwrap();
    let done = statement::confirm(&ctx, A, "test", now).unwrap();
    assert_eq!(
        (&done.figures["paid"], &done.figures["delivered"], &done.figures["payable"]),
        (&"398.00".into(), &"50.00".into(), &"348.00".into())
    );
    // The newest charge first, each at most what was paid.
    let amounts: Vec<i64> = done.refunds.iter().map(|it| it.amount.fen()).collect();
    assert_eq!(amounts, [19_900, 14_900]);
    assert_eq!(done.refunds.len(), 2);
    for account in ["wallet:principal", "refunds_due", "clawback_due"] {
        assert_eq!(balance(&ctx, account), 0, "{account}");
    }
    assert_eq!(refunded_at_rail(&ctx), 34_800);
    assert_eq!(agreement::get(ctx.db.read(), A).unwrap().state.word(), "ended");
    assert_eq!(rows(&shop, "SELECT id FROM message WHERE template = 'refund_done'"), 1);
    assert_eq!(rows(&shop, "SELECT entry_id FROM posting GROUP BY entry_id HAVING SUM(amount) <> 0"), 0);
}

#[test]
fn a_kept_pet_costs_its_share_and_a_merchants_fault_bears_interest() {
    let (_shop, ctx) = two_terms();
    let now = ctx.now();
    statement::terminate(&ctx, A, &notice(Cause::Consumer, true), now).unwrap();
    let done = statement::confirm(&ctx, A, "test", now).unwrap();
    // 900.00 × 10 / 12 = 750.00 against 398.00 paid.
    assert_eq!((&done.figures["compensation"], &done.figures["claim"]), (&"750.00".into(), &"352.00".into()));
    assert_eq!((balance(&ctx, "wallet:principal"), balance(&ctx, "clawback_due")), (0, 35_200));

    let (shop, ctx) = two_terms();
    statement::terminate(&ctx, A, &notice(Cause::Merchant, true), ctx.now()).unwrap();
    let later = crate::signing::ctx(&shop, "2027-01-20T10:00");
    assert_eq!(statement::confirm_due_statements(&later, later.now()).unwrap().count, 1);
    assert_eq!(statement::confirm_due_statements(&later, later.now()).unwrap().count, 0);
    let shown = agreement::show(&later, agreement::get(later.db.read(), A).unwrap(), later.now()).unwrap();
    let statement = shown.statement.unwrap();
    // 398.00 × 3 % × 10 / 365 = 0.327; no charge was paid for it, so it is handed over.
    assert_eq!(
        (&statement.figures["interest"], statement.row.confirmed_by.as_deref()),
        (&"0.33".into(), Some("deadline"))
    );
    assert_eq!(
        statement.refunds.last().map(|it| (it.rail.as_str(), it.amount, it.state)),
        Some(("cash", fen(33), RefundState::Noted))
    );
    settle_open_refunds(&later, later.now()).unwrap();
    let owed = statement::to_hand_over(&later).unwrap();
    assert_eq!(owed.iter().map(|it| (it.agreement, it.amount)).collect::<Vec<_>>(), [(A, fen(33))]);
    let paid = statement::pay_by_hand(&later, A, later.now()).unwrap();
    assert_eq!((paid.state.word(), balance(&later, "refunds_due")), ("ended", 0));
    assert!(statement::pay_by_hand(&later, A, later.now()).is_err());
}

#[test]
fn cash_is_handed_back_by_a_person_not_by_cron() {
    let shop = running();
    let at = ctx(&shop, "2026-12-12T10:00");
    collect(&at, 1, 1, ChargeKind::Cash);
    statement::terminate(&at, A, &notice(Cause::NoFault, true), at.now()).unwrap();
    let done = statement::confirm(&at, A, "test", at.now()).unwrap();
    assert_eq!((done.state.word(), done.by_hand.len()), ("settling", 1));
    assert_eq!(settle_open_refunds(&at, at.now()).unwrap().paid, 0);
    let done = statement::pay_by_hand(&at, A, at.now()).unwrap();
    assert_eq!((done.state.word(), balance(&at, "refunds_due")), ("ended", 0));
    assert_eq!(db::journal::balance(at.db.read(), CustomerId::new(0), "cash").unwrap(), Money::ZERO);
}

#[test]
fn a_statement_is_not_confirmed_while_a_charge_is_in_the_air() {
    let (shop, ctx) = two_terms();
    let now = ctx.now();
    let id = InstallmentId { agreement: A, term: 3 };
    let new = db::charge::NewCharge {
        installment: id,
        attempt: 1,
        kind: ChargeKind::Debit,
        mandate: None,
        rail: "alipay",
        order_no: "KBTEST",
        amount: fen(19_900),
        run: None,
    };
    let op = Op::ChargesWritten { noted: Vec::new(), answers: Vec::new() };
    ctx.db.write(now, |tx| Ok((db::charge::note(tx, &new, now)?, op))).unwrap();
    let done = statement::terminate(&ctx, A, &notice(Cause::Consumer, false), now).unwrap();
    assert_eq!(done.open_charges, [id]);
    let error = statement::confirm(&ctx, A, "test", now).unwrap_err();
    assert!(error.to_string().contains("what became of a-1/3"), "{error}");
    let later = crate::signing::ctx(&shop, "2027-02-01T10:00");
    assert_eq!(statement::confirm_due_statements(&later, later.now()).unwrap().count, 0);
}

#[test]
fn an_agreement_completes_once_after_its_last_day_and_is_told_ahead() {
    let (shop, _) = two_terms();
    {
        let db = rusqlite::Connection::open(shop.path("shop.db")).unwrap();
        db.execute("UPDATE installment SET state = 'cancelled' WHERE term > 3", []).unwrap();
        db.execute("UPDATE agreement SET ends_on = '2027-03-09'", []).unwrap();
    }
    let ahead = ctx(&shop, "2027-01-20T10:00");
    assert_eq!(agreement::complete_finished(&ahead, ahead.now()).unwrap(), 0);
    assert_eq!(agreement::complete_finished(&ahead, ahead.now()).unwrap(), 0);
    assert_eq!(rows(&shop, "SELECT id FROM message WHERE template = 'contract_expiring'"), 1);
    collect(&ctx(&shop, "2027-02-10T10:00"), 1, 3, ChargeKind::Debit);
    let after = ctx(&shop, "2027-03-10T10:00");
    assert_eq!(agreement::complete_finished(&after, after.now()).unwrap(), 1);
    assert_eq!(agreement::complete_finished(&after, after.now()).unwrap(), 0);
    assert_eq!(kibble::ops::mandate::pursue_closing(&after, after.now()).unwrap().closed, 1);
    assert_eq!(rows(&shop, "SELECT id FROM message WHERE template = 'contract_completed'"), 1);
    // What is left stays in the wallet: it does not expire.
    assert_eq!(balance(&after, "wallet:principal"), -59_700);
}

#[test]
fn a_pause_ends_by_itself_and_the_rail_learns_the_new_date() {
    let mut shop = running();
    shop.run("agreement pause a-1 --until 2027-02-01 --effect extend --reason travel").exits(0);
    shop.at("2027-02-01T09:00");
    let now = ctx(&shop, "2027-02-01T09:00");
    assert_eq!(agreement::end_pauses(&now, now.now()).unwrap(), 1);
    assert_eq!(agreement::end_pauses(&now, now.now()).unwrap(), 0);
    let contract = now.sandbox.as_ref().unwrap().state().unwrap().contracts.remove(0);
    assert_eq!(contract.next_date.to_string(), "2027-02-12");
    collect(&ctx(&shop, "2027-02-10T10:00"), 1, 1, ChargeKind::Debit);
}

#[test]
fn paid_orders_that_were_not_handed_over_come_back_before_the_settlement() {
    let (mut shop, ctx) = two_terms();
    shop.at("2027-01-10T11:00");
    shop.write("catalog.csv", include_bytes!("../../examples/data/catalog.csv"));
    shop.run("catalog import catalog.csv").exits(0);
    shop.run("orders add c-1 STP-003 --pay wallet --counter --yes").exits(0);
    let spent = 39_800 + balance(&ctx, "wallet:principal");
    assert!(spent > 0, "{spent}");
    let address = "--ship --address 示例市青禾路2号";
    let placed = shop.run(&format!("orders add c-1 STP-003 --pay wallet --yes {address}"));
    if placed.code != 0 {
        panic!("{}", placed.full());
    }
    assert!(balance(&ctx, "wallet:principal") > -39_800 + spent);
    let done = statement::terminate(&ctx, A, &notice(Cause::Consumer, false), ctx.now()).unwrap();
    assert_eq!((done.undelivered, balance(&ctx, "wallet:principal")), (Vec::new(), spent - 39_800));
    let done = statement::confirm(&ctx, A, "test", ctx.now()).unwrap();
    assert_eq!(done.figures["payable"], Money::from_fen(39_800 - spent).to_string());
    assert_eq!(balance(&ctx, "wallet:principal"), 0);
}

#[test]
fn what_no_rail_can_pay_of_a_settlement_is_named_until_it_was_handed_over() {
    let shop = running();
    let at = ctx(&shop, "2026-12-12T10:00");
    collect(&at, 1, 1, ChargeKind::Cash);
    statement::terminate(&at, A, &notice(Cause::NoFault, true), at.now()).unwrap();
    statement::confirm(&at, A, "test", at.now()).unwrap();
    drop(at);
    let mut shop = shop;
    let named = "¥199.00 of its settlement are to be handed over until 2026-12-17";
    for _ in 0..2 {
        shop.at("2026-12-12T11:00").run("debit run").ok(named).says("kibble agreement settle a-1");
    }
    shop.run("doctor").says("¥199.00 of the settlement of a-1 are to be handed over until 2026-12-17");
    // The days that the agreement promises are over.
    shop.at("2026-12-18T11:00").run("debit run").fails(3, named);
    shop.run("agreement settle a-1 --yes").ok("a-1: terminated and settled");
    shop.run("debit run").exits(0).hides("settlement");
}

#[test]
fn the_hint_of_a_refused_refund_of_a_settlement_names_the_settlement() {
    let (mut shop, ctx) = two_terms();
    sandbox_sql(&shop, "UPDATE orders SET refunded = amount");
    statement::terminate(&ctx, A, &notice(Cause::Consumer, false), ctx.now()).unwrap();
    statement::confirm(&ctx, A, "test", ctx.now()).unwrap();
    shop.at("2027-01-10T10:00").run("debit run").fails(3, "kibble agreement settle a-1").hides("hand-over");
}

#[test]
fn a_refund_on_a_rail_that_was_taken_out_is_named_and_can_be_handed_over() {
    let (mut shop, ctx) = two_terms();
    shop.at("2027-01-10T10:00").run("sandbox fault alipay drop --times 1").exits(0);
    shop.run("debit refund a-1/1 --reason test --yes").ok("is on its way");
    drop(ctx);
    let toml = shop.read("shop.toml");
    let (before, rest) = toml.split_once("[rail.alipay]").unwrap();
    let rest = &rest[rest.find("[rail.wechat]").unwrap()..];
    shop.write("shop.toml", format!("{before}{rest}"));
    let gone = "its rail alipay is not in shop.toml any more";
    for _ in 0..2 {
        shop.run("debit run").fails(3, gone).says("kibble debit hand-over f-1");
    }
    shop.run("doctor").says(gone);
    shop.run("why f-1").ok(gone);
    // One that is noted now goes nowhere, and says so.
    shop.run("debit refund a-1/2 --reason test --yes")
        .fails(3, "f-2: the rail refused: alipay is not in shop.toml any more");
    for refund in ["f-1", "f-2"] {
        shop.run(&format!("debit hand-over {refund} --yes")).ok("went back to the customer");
        shop.run(&format!("debit hand-over {refund} --yes")).fails(1, "was paid by hand before");
    }
    shop.run("debit run").hides("hand-over");
    // When the rail comes back, nothing is sent to it.
    shop.write("shop.toml", toml);
    shop.run("debit run").hides("hand-over");
    assert_eq!(refunded_at_rail(&self::ctx(&shop, "2027-01-10T10:00")), 0);
    assert_eq!(rows(&shop, "SELECT id FROM refund WHERE state = 'paid' AND rail = 'cash'"), 2);
}
