//! `kibble sandbox`: playing customer and provider.

use crate::shop::Shop;
use crate::signing::{running, shop, sign};

#[test]
fn a_shop_without_sandbox_rails_refuses_to_play() {
    let shop = shop();
    let settings = shop.read("shop.toml");
    let start = settings.find("[rail.alipay]").unwrap();
    let end = settings.find("# The debit run.").unwrap();
    shop.write("shop.toml", format!("{}{}", &settings[..start], &settings[end..]));
    for line in ["sandbox state", "sandbox sign --all", "sandbox fund c-1 5"] {
        shop.run(line).exits(1);
    }
    shop.run("sandbox state").says("no sandbox rail");
}

#[test]
fn customers_are_funded_and_given_cards() {
    let shop = running();
    shop.run("sandbox fund 19900000001 12.50").ok("c-1 has ¥12.50");
    shop.run("sandbox card c-1 --label cmb --kind credit --limit 300").ok("¥300.00");
    let state = shop.run("sandbox state --json").json();
    assert_eq!((&state["payers"][0]["payer"], &state["payers"][0]["balance"]), (&"c-1".into(), &"12.50".into()));
    assert_eq!(state["payers"][0]["cards"][0]["label"], "cmb");
    shop.run("sandbox card c-1 --label cmb --drop").exits(0);
    shop.run("sandbox card c-1 --label cmb --drop").fails(1, "has no card cmb");
    shop.run("sandbox fund c-1 -- -5").fails(1, "below zero");
}

#[test]
fn faults_are_set_for_calls_or_for_a_time_and_taken_away() {
    let shop = shop();
    shop.run("sandbox fault alipay decline --times 2 --reason limit").ok("declines, for the next 2 calls");
    shop.run("sandbox fault wechat down --for 2h").ok("is down, until 2026-11-10 12:00");
    assert_eq!(shop.run("sandbox state --json").json()["faults"].as_array().unwrap().len(), 2);
    shop.run("sandbox fault alipay --clear").exits(0);
    assert_eq!(shop.run("sandbox state --json").json()["faults"].as_array().unwrap().len(), 1);
    shop.run("sandbox fault cash down").fails(1, "is no sandbox rail");
    shop.run("sandbox fault alipay down --for soon").fails(2, "is not a time like");
    shop.run("sandbox fault alipay explode").fails(2, "");
}

#[test]
fn a_bill_comes_as_a_file_when_it_is_ready() {
    let mut shop = running();
    shop.run("sandbox bill alipay 2026-11-10").fails(1, "not ready");
    shop.at("2026-11-11T11:00");
    let bill = shop.run("sandbox bill alipay 2026-11-10 --json").json();
    assert!(std::path::Path::new(bill["file"].as_str().unwrap()).exists(), "{bill}");
    shop.run("sandbox bill alipay 2026-11-10 --out b/bill.zip").ok("bill.zip");
    assert!(shop.path("b/bill.zip").exists());
}

#[test]
fn an_open_link_is_asked_for_by_term_or_number() {
    let shop = running();
    shop.run("sandbox pay a-1/1").fails(1, "a-1/1 has no open pay link");
    shop.run("sandbox pay KB123").fails(1, "KB123 has no open pay link");
}

#[test]
fn everybody_signs_at_once() {
    let shop: Shop = shop();
    sign(&shop, "cat-199-12", "--second-rail wechat").exits(0);
    shop.run("sign --customer c-1 --pet-name 豆豆 --species dog --reference-cost 500 --plan dog-229-12 --rail wechat --acknowledged").exits(0);
    shop.run("sandbox sign --all").ok("3 agreed").says("2 agreements run now");
    shop.run("sandbox sign --all").ok("0 agreed");
}
