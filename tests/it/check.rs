//! `kibble check`: a shop whose books are in order passes, and each law notices its own break.

use std::fs;

use crate::due;
use crate::plant::{sandbox_sql, sql};
use crate::shop::Shop;
use crate::stage;

/// Points are granted by the code that books a charge; here the row stands for it.
const POINTS: &str =
    "INSERT INTO points (customer_id, at, kind, ref, points) VALUES (1, '2026-11-05T01:30:00Z', 'charge', 'k-1', 199)";

/// An order that the wallet paid for, without its journal entry.
const ORDER: &str = "INSERT INTO orders (id, customer_id, placed_at, placed_on, state, wallet_paid, cash_paid, handover, note)
     VALUES (1, 1, '2026-11-06T01:00:00Z', '2026-11-06', 'placed', 100, 0, 'counter', '');
     INSERT INTO order_line (order_id, line, sku, name, category, supplier, qty, returned_qty, unit_price, list_price, unit_cost,
       wallet_part, wallet_ok, state) VALUES (1, 1, 'F-1', '', 'staple', '', 1, 0, 100, 100, 50, 100, 1, 'placed');";

/// Another charge of a term: attempt 2 of term 1 in a state.
fn another(term: u32, state: &str) -> String {
    format!(
        "INSERT INTO charge (agreement_id, term, attempt, kind, mandate_id, rail, order_no, amount, state, code, said, noted_at, asked_at, refunded)
         SELECT 1, {term}, 2, 'link', NULL, 'alipay', substr(order_no, 1, 20) || '0{term}0002', 19900, '{state}', '', '', noted_at, asked_at, 0
         FROM charge WHERE id = 1;"
    )
}

/// A charge, its books and its rail in order.
fn sound() -> Shop {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-05T09:30");
    let cast = stage::set(&ctx);
    stage::collect(&ctx, &cast);
    drop(ctx);
    sql(&shop, POINTS);
    sql(&shop, ORDER);
    shop
}

#[test]
fn books_in_order_keep_every_law() {
    let shop = sound();
    shop.run("check").ok("every law holds").says("✓  1  One installment is collected at most once  2 records");
    let laws = shop.run("--json check").json();
    assert_eq!(laws["laws"].as_array().unwrap().len(), 13);
    Shop::opened().run("check").ok("every law holds");
}

#[test]
fn each_law_catches_a_planted_break() {
    let edit = |text: &str| text.to_owned();
    // The law, the break, what `check` calls it, the record it names.
    let plants: Vec<(usize, String, &str, &str)> = vec![
        (1, format!("DROP INDEX charge_paid_once; {}", another(1, "paid")), "collected more than once", "a-1/1"),
        (1, edit("UPDATE installment SET state = 'open' WHERE term = 1"), "a charge is paid, the installment is not", "a-1/1"),
        (1, edit("UPDATE installment SET state = 'paid' WHERE term = 2"), "the installment is paid, no charge is", "a-1/2"),
        (
            2,
            format!("DROP INDEX charge_open_once; {}{}", another(2, "noted"), another(2, "pending").replace("2, 'link'", "3, 'link'").replace("0002'", "0003'")),
            "two charges are open at once",
            "a-1/2",
        ),
        (2, edit("UPDATE charge SET order_no = substr(order_no, 1, 25) || '7'"), "an order number that does not come from its installment", "k-1"),
        (2, edit("UPDATE charge SET order_no = 'KB' || 'XXXXXXXX' || substr(order_no, 11)"), "an order number that does not come", "k-1"),
        (2, edit("UPDATE charge SET asked_at = '2026-11-05T01:29:59Z'"), "the rail was asked before the charge was noted", "k-1"),
        (3, another(1, "unknown"), "an unknown charge counts as paid", "k-2"),
        (3, another(2, "unknown").replace("'link'", "'debit'") + "UPDATE installment SET course = 'failed' WHERE term = 2", "an unknown debit counts as failed", "k-2"),
        (
            3,
            another(2, "unknown")
                + "INSERT INTO message (event, template, audience, customer_id, agreement_id, term, lang, params, created_at, not_before, state, said, tries, refused)
                   VALUES ('x', 'debit_failed', 'customer', 1, 1, 2, 'zh', '{}', '2026-11-05T02:00:00Z', '2026-11-05T02:00:00Z', 'queued', '', 0, '')",
            "a failure notice about a charge of which nobody knows",
            "n-1",
        ),
        (4, edit("DELETE FROM posting; DELETE FROM entry"), "a paid charge without its journal entry", "k-1"),
        (4, edit("UPDATE entry SET ref = 'k-9'"), "a journal entry without its paid charge", "j-1"),
        (4, edit("UPDATE posting SET amount = amount * 2"), "another amount than was paid", "k-1"),
        (4, edit("DELETE FROM points"), "a paid charge without its points", "k-1"),
        (4, edit("UPDATE points SET ref = 'k-9'"), "points without a paid charge", "k-9"),
        (5, edit("UPDATE posting SET amount = 1 WHERE line = 1"), "an entry does not sum to zero", "j-1"),
        (5, edit("DELETE FROM posting"), "an entry without postings", "j-1"),
        (5, edit("DELETE FROM entry"), "postings without an entry", "j-1"),
        (5, edit("UPDATE entry SET kind = 'correction'"), "a correction that names no earlier entry", "j-1"),
        (5, edit("UPDATE posting SET customer_id = 1"), "a posting on nobody's account", "j-1"),
        (
            6,
            edit(
                "INSERT INTO entry (id, at, day, kind, ref, note) VALUES (2, '2026-11-06T01:00:00Z', '2026-11-06', 'order', 'o-1', ''), (3, '2026-11-07T01:00:00Z', '2026-11-07', 'cancel', 'o-1/1', '');
                 INSERT INTO posting VALUES (2, 1, 'wallet:principal', 1, 19901), (2, 2, 'orders_open', 0, -19901), (3, 1, 'wallet:principal', 1, -19901), (3, 2, 'orders_open', 0, 19901)",
            ),
            "the wallet was below zero",
            "c-1",
        ),
        (6, edit("UPDATE order_line SET wallet_ok = 0"), "something that it may not pay for", "o-1"),
        (6, edit("UPDATE order_line SET wallet_part = 101"), "the wallet paid more than the goods cost", "o-1"),
        (7, edit("DELETE FROM notice"), "charged without an announcement 48 hours before", "k-1"),
        (7, edit("UPDATE notice SET given_at = '2026-11-03T01:30:01Z'"), "charged without an announcement 48 hours before", "k-1"),
        (7, edit("UPDATE agreement SET ended_at = '2026-11-05T01:29:59Z'"), "charged while the agreement did not run", "k-1"),
        (7, edit("UPDATE charge SET mandate_id = NULL"), "charged without a live mandate", "k-1"),
        (7, edit("UPDATE mandate SET state = 'closed', ended_at = '2026-11-05T01:29:59Z'"), "charged after the mandate ended", "k-1"),
        (7, edit("UPDATE pet SET status = 'died', status_on = '2026-11-04'"), "charged after the pet died", "k-1"),
        (7, edit("UPDATE charge SET noted_at = '2026-11-05T15:40:00Z', asked_at = '2026-11-05T15:40:00Z'"), "charged outside the rail's window", "k-1"),
        (
            8,
            edit(
                "INSERT INTO message (event, template, audience, customer_id, lang, params, created_at, not_before, state, sent_at, said, tries, refused)
                 VALUES ('x', 'refund_done', 'customer', 1, 'zh', '{}', '2026-11-05T02:00:00Z', '2026-11-05T02:00:00Z', 'sent', '2026-11-05T14:00:00Z', '', 1, '')",
            ),
            "a customer was contacted outside the contact hours",
            "n-1",
        ),
        (
            8,
            edit(
                "INSERT INTO message (event, template, audience, customer_id, lang, params, created_at, not_before, state, sent_at, said, tries, refused)
                 VALUES ('x', 'refund_done', 'customer', 1, 'zh', '{}', '2026-11-05T02:00:00Z', '2026-11-05T04:00:00Z', 'sent', '2026-11-05T03:00:00Z', '', 1, '')",
            ),
            "a message was sent before its time",
            "n-1",
        ),
        (9, edit("UPDATE installment SET due = '2026-12-06' WHERE term = 2"), "a due date that does not come from the anchor day", "a-1/2"),
        (10, edit("UPDATE audit SET detail = '{}' WHERE seq = 2"), "a row of the audit trail was edited", "2"),
        (11, edit("UPDATE pet SET note = '电话19900000001'"), "a phone number stands in the open", "p-1"),
        (11, edit("UPDATE customer SET name = CAST('王小明' AS BLOB)"), "a customer's data is not sealed", "c-1"),
        (11, edit("UPDATE customer SET erased_at = '2026-11-05T01:00:00Z'"), "a customer without a key who was not erased", "c-1"),
        (12, edit("UPDATE charge SET amount = 19901"), "paid with another amount at the rail", "k-1"),
        (12, edit("UPDATE charge SET state = 'declined', reason = 'no_funds'"), "paid at the rail, not in our book", "k-1"),
        (12, edit("UPDATE charge SET order_no = 'A'"), "paid in our book, unknown to the rail", "k-1"),
        (12, edit("DELETE FROM charge"), "paid at the rail, unknown in our book", "KB"),
    ];
    let shop = sound();
    caught(&shop, plants);
}

#[test]
fn the_rails_own_book_is_compared_both_ways() {
    let shop = sound();
    sandbox_sql(&shop, "UPDATE orders SET refunded = 100");
    shop.run("check").fails(1, "another amount went back at the rail");
    let shop = sound();
    sandbox_sql(&shop, "UPDATE orders SET state = 'closed', paid_at = NULL");
    shop.run("check").fails(1, "paid in our book, not at the rail");
    // What is open here is nobody's break yet: it is counted as not to be judged.
    let shop = sound();
    sql(&shop, &another(2, "unknown"));
    shop.run("check").ok("1 not to be judged yet");
}

/// Plants each mistake alone into the shop as it stands: it must break its law, in these words and about this record.
fn caught<'a>(shop: &Shop, plants: impl IntoIterator<Item = (usize, String, &'a str, &'a str)>) {
    let saved = fs::read(shop.path("shop.db")).unwrap();
    for (law, statements, what, record) in plants {
        for log in ["shop.db-wal", "shop.db-shm"] {
            drop(fs::remove_file(shop.path(log)));
        }
        fs::write(shop.path("shop.db"), &saved).unwrap();
        sql(shop, &statements);
        let ran = shop.run("--json check");
        let found = ran.exits(1).json();
        let broken = found["laws"][law - 1]["broken"].as_array().unwrap();
        let rows = broken.iter().find(|it| it["what"].as_str().unwrap().contains(what));
        let rows = rows.unwrap_or_else(|| panic!("law {law} misses: {what}\n{statements}\n{}", ran.full()));
        let named = rows["rows"][0]["record"].as_str().unwrap();
        assert!(named.starts_with(record), "law {law}, {what}: names {named} instead of {record}");
        shop.run("check").fails(1, what).says("broken");
    }
}

#[test]
fn a_bill_that_was_tampered_with_is_seen() {
    let edit = |text: &str| text.to_owned();
    let plants = [
        (
            edit("UPDATE bill_line SET fee = fee + 1"),
            "fees and net of a bill are not booked as its lines say",
            "b-1/2026-11-05",
        ),
        (
            edit("DELETE FROM posting WHERE account = 'fees'"),
            "fees and net of a bill are not booked as its lines say",
            "b-1",
        ),
        (edit("DELETE FROM bill_line"), "a bill is booked that has no lines", "j-"),
        (edit("UPDATE bill SET new_lines = 0"), "a bill does not have the lines that it brought", "b-1"),
        (edit("UPDATE bill_line SET charge_id = NULL"), "a line counts as ours and says something else", "l-1"),
        (edit("UPDATE bill_line SET state = 'decided'"), "a line is decided without a decision", "l-1"),
        (
            edit(
                "INSERT INTO decision (subject, class, decision, account, amount, at) VALUES ('l-1', 'fee', 'accept', '', 0, '2026-11-06T03:00:00Z')",
            ),
            "a line is decided without a decision",
            "l-1",
        ),
        (
            edit(
                "UPDATE bill_line SET state = 'decided', amount = 10000;
                 INSERT INTO decision (subject, class, decision, account, amount, at) VALUES ('l-1', 'status', 'accept', '', 19900, '2026-11-06T03:00:00Z')",
            ),
            "a line was accepted as the payment of a charge that is not paid with its amount",
            "l-1",
        ),
        (
            edit("UPDATE entry SET kind = 'recon' WHERE kind = 'bill'"),
            "a decision about a bill is booked that nobody took",
            "j-",
        ),
    ];
    let mut shop = sound();
    shop.at("2026-11-06T10:30").run("recon fetch --rail alipay --day 2026-11-05").ok("1 line, 1 new, 1 as in our book");
    shop.run("check").ok("every law holds");
    caught(&shop, plants.map(|(statements, what, record)| (13, statements, what, record)));
}

#[test]
fn a_refund_that_stands_otherwise_in_the_journal_is_seen() {
    let mut shop = due::shop(&[due::ALIPAY]);
    due::announced(&mut shop);
    due::run(&mut shop, "2026-11-05T09:00").exits(0);
    shop.at("2026-11-06T09:00").run("debit refund a-1/1 --amount 50 --reason x --yes").exits(0);
    shop.run("agreement terminate a-1 --cause consumer --pet returned --reason x --yes").exits(0);
    shop.run("agreement confirm a-1 --yes").exits(0);
    shop.run("check").ok("every law holds");
    let doubled = |kind: &str| {
        format!("UPDATE posting SET amount = amount * 2 WHERE entry_id IN (SELECT id FROM entry WHERE kind = '{kind}')")
    };
    let edit = |text: &str| text.to_owned();
    let gone = "another amount counts as given back of a charge than its refunds come to";
    let paid = "a refund is paid and not booked as paid, or the other way round";
    let due = "what is booked as due back is not what refunds still owe";
    let plants = [
        (edit("UPDATE charge SET refunded = 5000"), gone, "k-1"),
        (edit("DELETE FROM refund WHERE id = 2"), gone, "k-1"),
        (edit("UPDATE refund SET state = 'declined' WHERE id = 1"), paid, "f-1"),
        (doubled("refund_paid"), paid, "f-1"),
        (edit("UPDATE entry SET ref = 'f-9' WHERE kind = 'refund_paid' AND ref = 'f-2'"), paid, "f-2"),
        (
            edit("UPDATE entry SET ref = 'f-9' WHERE kind = 'refund_due'"),
            "an entry of a refund that does not exist",
            "j-",
        ),
        (doubled("refund_due"), "a refund is owed that is not booked so", "f-1"),
        (doubled("settlement"), "a settlement gives back another amount than is booked", "t-1"),
        (edit("UPDATE refund SET statement_id = NULL WHERE id = 2"), "a refund is owed that is not booked so", "f-1"),
        (doubled("refund_due"), due, "c-1"),
        (edit("UPDATE refund SET state = 'noted' WHERE id = 2"), due, "c-1"),
    ];
    caught(&shop, plants.map(|(statements, what, record)| (5, statements, what, record)));
}
