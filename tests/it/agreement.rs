//! `kibble agreement`: pauses, termination, settlement.

use crate::shop::Shop;
use crate::signing::{rows, running, shop, sign};

#[test]
fn a_pause_that_extends_moves_terms_by_whole_months_from_the_anchor() {
    let mut shop = running();
    shop.run("agreement pause a-1 --until 2027-02-01 --effect extend --reason travel").ok("fall due from 2027-02-10");
    let shown = shop.run("agreement show a-1 --json").json();
    assert_eq!((&shown["terms"][0]["due"], &shown["terms"][11]["due"]), (&"2027-02-10".into(), &"2028-01-10".into()));
    assert_eq!(shown["agreement"]["ends_on"], "2028-02-09");
    // Ended early, it gives back the months it did not need.
    shop.at("2026-12-20T10:00");
    shop.run("agreement resume a-1").ok("runs again");
    let shown = shop.run("agreement show a-1 --json").json();
    assert_eq!(
        (&shown["terms"][0]["due"], &shown["agreement"]["ends_on"]),
        (&"2027-01-10".into(), &"2028-01-09".into())
    );
    shop.run("agreement resume a-1").fails(1, "is not on pause");
}

#[test]
fn a_pause_that_skips_drops_terms_and_an_early_end_collects_them_again() {
    let mut shop = running();
    shop.run("agreement pause a-1 --until 2027-03-01 --effect skip --reason travel").ok("terms dropped: 1, 2, 3");
    shop.run("agreement pause a-1 --until 2027-03-01 --effect skip --reason again").fails(1, "is not running");
    shop.at("2026-12-20T10:00");
    shop.run("agreement resume a-1").ok("terms collected again: 2, 3");
    shop.run("agreement pause a-1 --until 2026-12-20 --effect skip --reason late").fails(2, "ends on a day ahead");
}

#[test]
fn a_pause_leaves_the_term_of_the_signing_day_where_it_is_and_moves_the_others_by_months() {
    let shop = shop();
    sign(&shop, "deluxe-299-12", "--debit-day 5").exits(0);
    shop.run("sandbox sign m-1").exits(0);
    shop.run("agreement pause a-1 --until 2026-12-20 --effect extend --reason trip")
        .ok("fall due from 2027-01-05")
        .says("a-1/1 keeps its day 2026-11-10");
    shop.run("agreement resume a-1 --reason back").ok("fall due from 2026-12-05");
    // Nobody pauses until the year 2999.
    for effect in ["extend", "skip"] {
        let typo = format!("agreement pause a-1 --until 2999-01-01 --effect {effect} --reason typo");
        shop.run(&typo).fails(1, "a pause until 2999-01-01 is too long");
    }
    shop.run("check").ok("every law holds");
}

/// Wang's first term is asked for on its day, and the rail meets `fault` as often as it is asked.
fn asked_for(fault: &str) -> Shop {
    let mut shop = running();
    shop.at("2026-12-07T10:00").run("debit run").exits(0);
    shop.run(&format!("sandbox fault alipay {fault} --times 9")).exits(0);
    shop.at("2026-12-10T10:00").run("debit run").exits(3);
    shop
}

#[test]
fn a_pause_begun_while_a_debit_is_on_its_way_leaves_that_term_its_day() {
    let shop = asked_for("lose-answer");
    shop.run("agreement pause a-1 --until 2027-02-01 --effect extend --reason travel").ok("fall due from 2027-02-10");
    let terms = || {
        let shown = shop.run("agreement show a-1 --json").json();
        let due = |nth: usize| shown["terms"][nth]["due"].as_str().unwrap_or_default().to_owned();
        (due(0), due(1), due(11))
    };
    assert_eq!(terms(), ("2026-12-10".into(), "2027-02-10".into(), "2027-12-10".into()));
    shop.run("check").exits(0);
    shop.run("sandbox fault alipay --clear").exits(0);
    shop.run("debit run").exits(0);
    assert_eq!(rows(&shop, "SELECT 1 FROM installment WHERE term = 1 AND state = 'paid' AND due = '2026-12-10'"), 1);
    shop.run("check").exits(0);
}

#[test]
fn an_order_that_never_arrived_does_not_stay_open_for_as_long_as_a_pause_lasts() {
    let mut shop = asked_for("drop");
    shop.run("sandbox fault alipay --clear").exits(0);
    shop.run("agreement pause a-1 --until 2027-02-01 --effect extend --reason travel").exits(0);
    for at in ["2026-12-10T12:00", "2026-12-11T10:00", "2026-12-13T10:00"] {
        shop.at(at).run("debit run");
    }
    assert_eq!(rows(&shop, "SELECT 1 FROM charge WHERE state = 'void'"), 1);
    assert_eq!(rows(&shop, "SELECT 1 FROM installment WHERE term = 1 AND state = 'open' AND course = 'missed'"), 1);
    shop.run("check").exits(0);
}

#[test]
fn a_term_paid_at_the_counter_during_a_pause_keeps_its_day_when_the_pause_ends_early() {
    let mut shop = running();
    shop.run("agreement pause a-1 --until 2027-02-01 --effect extend --reason travel").exits(0);
    shop.run("debit pay a-1/1 --cash").exits(0);
    shop.at("2026-12-20T10:00");
    shop.run("agreement resume a-1").ok("runs again");
    shop.run("check").exits(0);
}

#[test]
fn termination_stops_debits_before_anybody_confirms() {
    let shop = running();
    let done = shop.run("agreement terminate a-1 --cause consumer --pet returned --reason moved --json").json();
    assert_eq!(
        (&done["state"], &done["cancelled"], &done["mandates"]["closed"]),
        (&"settling".into(), &12.into(), &1.into())
    );
    let shown = shop.run("agreement show a-1 --json").json();
    assert!(shown["terms"].as_array().unwrap().iter().all(|term| term["state"] == "cancelled"), "{shown}");
    assert_eq!(shop.run("mandate list --json").json()[0]["state"], "closed");
    assert_eq!(rows(&shop, "SELECT id FROM message WHERE template = 'termination_ack'"), 1);
    assert_eq!(rows(&shop, "SELECT id FROM pet WHERE status = 'returned' AND customer_id IS NULL"), 1);
    shop.run("agreement terminate a-1 --cause consumer --pet kept --reason again").fails(1, "has ended already");
}

#[test]
fn a_termination_while_the_rail_is_down_still_stops_everything() {
    let shop = running();
    shop.run("sandbox fault alipay down --for 2h").exits(0);
    shop.run("agreement terminate a-1 --cause merchant --pet kept --reason closing").ok("Nothing more is charged");
    assert_eq!(shop.run("mandate list --json").json()[0]["state"], "closing");
    assert_eq!(shop.run("agreement show a-1 --json").json()["agreement"]["state"], "settling");
}

#[test]
fn a_settlement_with_nothing_paid_ends_at_once_and_claims_no_more_than_the_pet() {
    let shop = running();
    shop.run("agreement terminate a-1 --cause consumer --pet kept --reason moved").ok("compensation for the pet");
    let done = shop.run("agreement confirm a-1 --json").json();
    assert_eq!(
        (&done["state"], &done["figures"]["claim"], &done["figures"]["payable"]),
        (&"ended".into(), &"900.00".into(), &"0.00".into())
    );
    shop.run("agreement confirm a-1").fails(1, "confirmed already");
    shop.run("agreement show a-1").ok("still owed by the customer").says("terminated and settled");
}

#[test]
fn cooling_off_gives_the_pet_back_and_costs_nothing() {
    let shop = running();
    shop.run("agreement terminate a-1 --cause cooling-off --pet kept --reason x").fails(1, "the pet goes back");
    shop.run("agreement terminate a-1 --cause cooling-off --pet returned --reason x").ok("has ended");
    let done = shop.run("agreement confirm a-1 --json").json();
    assert_eq!((&done["figures"]["compensation"], &done["figures"]["claim"]), (&"0.00".into(), &"0.00".into()));
}

#[test]
fn an_agreement_that_never_started_is_called_off() {
    let shop = shop();
    sign(&shop, "cat-199-12", "").exits(0);
    shop.run("agreement terminate a-1 --cause consumer --pet returned --reason changed-mind").ok("is called off");
    shop.run("sandbox sign --all").ok("0 agreed");
    shop.run("agreement list --state cancelled").ok("KB-2026-000001").says("王**(0001)").hides("王小明");
}

#[test]
fn what_is_not_there_is_named() {
    let shop = shop();
    shop.run("agreement show a-9").fails(1, "there is no agreement a-9");
    shop.run("agreement text KB-2026-000009").fails(1, "there is no agreement KB-2026-000009");
    shop.run("agreement confirm a-9").fails(1, "there is no agreement");
    sign(&shop, "cat-199-12", "").exits(0);
    shop.run("agreement confirm a-1").fails(1, "was not terminated");
    shop.run("agreement settle a-1").fails(1, "no confirmed settlement");
}
