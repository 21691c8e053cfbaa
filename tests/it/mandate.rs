//! `kibble mandate`: agreed, ended, closed, asked for again.

use crate::shop::Shop;
use crate::signing::{rows, running, shop, sign};

fn messages(shop: &Shop, template: &str) -> usize {
    rows(shop, &format!("SELECT id FROM message WHERE template = '{template}'"))
}

#[test]
fn a_revoked_mandate_is_told_once() {
    let shop = running();
    shop.run("sandbox revoke m-1").ok("the shop has not heard of it yet");
    shop.run("mandate list").ok("live");
    shop.run("mandate sync m-1").ok("1 ended");
    shop.run("mandate sync m-1").exits(0);
    shop.run("mandate list").ok("ended in the wallet app");
    assert_eq!(messages(&shop, "mandate_revoked_customer"), 1);
    assert_eq!(messages(&shop, "mandate_revoked_merchant"), 1);
}

#[test]
fn a_new_mandate_has_a_new_number_and_the_agreement_runs_on() {
    let shop = running();
    shop.run("sign --again a-1").fails(1, "m-1 still stands");
    shop.run("sandbox revoke m-1").exits(0);
    shop.run("mandate sync m-1").exits(0);
    shop.run("sign --again a-1").ok("gets a new mandate").says("m-2");
    shop.run("sandbox sign m-2").exits(0);
    let mandates = shop.run("mandate list --json").json();
    assert_ne!(mandates[0]["contract_no"], mandates[1]["contract_no"]);
    assert_eq!((&mandates[0]["state"], &mandates[1]["state"]), (&"revoked".into(), &"live".into()));
    assert_eq!(shop.run("agreement show a-1 --json").json()["terms"].as_array().unwrap().len(), 12);
}

#[test]
fn another_rail_registers_its_own_dates() {
    let shop = running();
    shop.run("mandate close m-1 --reason test").ok("m-1 is closed");
    shop.run("sign --again a-1 --rail wechat").exits(0);
    shop.run("sandbox sign --all").exits(0);
    let term = shop.run("agreement show a-1 --json").json()["terms"][0].clone();
    assert_eq!((&term["due"], &term["registered"]), (&"2026-12-10".into(), &"2026-12-10".into()));
}

#[test]
fn a_mandate_is_closed_even_while_the_rail_is_down() {
    let shop = running();
    shop.run("sandbox fault alipay down --for 2h").exits(0);
    shop.run("mandate close m-1 --reason test").exits(0).says("asks the rail again until it confirms");
    shop.run("mandate list").ok("closing, the rail has not confirmed");
    shop.run("sandbox fault alipay --clear").exits(0);
    shop.run("mandate sync m-1").exits(0);
    assert_eq!(shop.run("mandate list --json").json()[0]["state"], "closed");
    shop.run("mandate close m-1 --reason test").fails(1, "over already");
}

#[test]
fn a_rail_that_cannot_say_is_named() {
    let shop = shop();
    sign(&shop, "cat-199-12", "").exits(0);
    shop.run("sandbox fault alipay down --times 1").exits(0);
    shop.run("mandate sync").exits(3).says("alipay could not say");
    shop.run("mandate sync m-9").fails(1, "there is no mandate m-9");
}

#[test]
fn the_fallback_alone_starts_nothing() {
    let shop = shop();
    sign(&shop, "cat-199-12", "--second-rail wechat").exits(0);
    shop.run("sandbox sign m-2").ok("1 agreed").says("0 agreements run now");
    shop.run("sandbox sign m-1").ok("1 agreement runs now");
}
