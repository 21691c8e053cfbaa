//! `kibble wallet`: what is in a wallet and how it came about.

use crate::orders::with_customer;

#[test]
fn every_entry_names_its_record_and_the_balance_after_it() {
    let shop = with_customer(50_000);
    shop.run("orders add c-1 STP-003 --pay wallet").exits(0);
    let entries = shop.run("wallet entries c-1");
    entries.ok("opening balance a-1").says("order o-1").says("-85.00        415.00");
    let json = shop.run("wallet entries c-1 --json").json();
    assert_eq!(json["entries"][1]["record"], "o-1");
    assert_eq!(json["entries"][1]["balance"], "415.00");
    shop.run("wallet entries c-1 --from 2026-11-06").ok("no entry in this time");
    shop.run("wallet entries c-1 --to yesterday").fails(2, "yesterday is not a day like 2026-11-05");
}

#[test]
fn a_large_balance_warns() {
    let shop = with_customer(500_000);
    shop.run("wallet show c-1").ok("¥5,000.00").hides("warning");
    let shop = with_customer(500_001);
    shop.run("wallet show c-1").ok("warning: c-1 has more than ¥5,000.00");
}

#[test]
fn a_wallet_cannot_be_paid_out_by_hand() {
    let shop = with_customer(100);
    for verb in ["withdraw", "transfer", "refund"] {
        shop.run(&format!("wallet {verb} c-1")).fails(2, "there is no command");
    }
    let json = shop.run("wallet show c-1 --json").json();
    assert_eq!((json["balance"].as_str(), json["points"].as_i64()), (Some("1.00"), Some(0)));
}
