//! `kibble plan`: what is on offer.

use crate::shop::Shop;

fn shop() -> Shop {
    let mut shop = Shop::opened();
    shop.at("2026-11-21T09:00");
    shop
}

#[test]
fn a_quote_says_what_will_be_paid_by_when() {
    let mut shop = shop();
    let quote = shop.run("plan quote cat-199-12 --signed-on 2026-11-21 --day 15 --json").json();
    assert_eq!((quote["total"].as_str(), quote["monthly"].as_str()), (Some("2388.00"), Some("199.00")));
    assert_eq!((quote["last_due"].as_str(), quote["ends_on"].as_str()), (Some("2027-11-15"), Some("2027-12-14")));
    let lines = quote["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 12);
    assert_eq!(lines[0]["due"], "2026-12-15");
    assert_eq!(lines[11]["paid_by_then"], "2388.00");
    shop.run("plan quote cat-199-12 --day 15").ok("Paid by then").says("2,388.00").hides("warning");
    shop.lang("zh").run("plan quote cat-199-12 --day 15").ok("累计已付").says("合计").hides("Total");
}

#[test]
fn a_late_debit_day_is_warned_of_or_refused_by_the_rail() {
    let shop = shop();
    shop.run("plan quote cat-199-12 --day 27 --rail alipay").ok("Alipay: a debit day above 26 leaves no room");
    shop.run("plan quote cat-199-12 --day 27 --rail wechat").ok("Total").hides("leaves no room");
    shop.run("plan quote cat-199-12 --day 31").fails(2, "not every month has a day 31").says("28 or 1");
    shop.run("plan quote cat-199-12 --day 0").fails(2, "0 is not a day of the month");
    shop.run("plan quote cat-199-12 --rail unionpay").fails(1, "no payment rail called unionpay");
    shop.write(
        "shop.toml",
        shop.read("shop.toml").replace("[rail.alipay]", "[rail.alipay.rules]\nregistered_day_max = 20\n[rail.alipay]"),
    );
    shop.run("plan quote cat-199-12 --day 25 --rail alipay").fails(2, "Alipay takes debit days up to 20, not 25");
}

#[test]
fn a_plan_is_offered_changed_and_withdrawn() {
    let shop = shop();
    shop.run("plan add --code cat-99-6 --name-zh 小套餐 --monthly 99 --terms 6")
        .ok("the plan cat-99-6 is on offer")
        .says("plans usually cost")
        .says("plans usually have 12 to 24 terms");
    shop.run("plan add --code cat-99-6 --name-zh 小套餐 --monthly 99 --terms 6")
        .fails(1, "there is a plan cat-99-6 already");
    shop.run("plan add --code cat-99-6 --name-zh 小套餐 --monthly 89 --terms 6 --replace").ok("¥89.00");
    shop.run("plan withdraw cat-99-6").ok("off the offer");
    shop.run("plan withdraw cat-99-6").fails(1, "not on offer any more");
    shop.run("plan list").ok("cat-199-12").hides("cat-99-6");
    shop.run("plan list --all").ok("cat-99-6");
    shop.run("plan show nope").fails(1, "there is no plan nope").says("cat-199-12");
    shop.run("plan quote cat-99-6").ok("the plan is not on offer any more");
}

#[test]
fn a_plan_that_breaks_a_rule_is_not_offered() {
    let shop = shop();
    for (flags, expected) in [
        ("--code Cat --monthly 199 --terms 12", "small letters"),
        ("--code a --monthly 501 --terms 12", "at most 500.00 a month"),
        ("--code a --monthly 0 --terms 12", "more than 0.00"),
        ("--code a --monthly 199 --terms 37", "a plan has 1 to 36 terms"),
        ("--code a --monthly 199 --terms twelve", "twelve is not a whole number"),
        ("--code a --monthly 1e3 --terms 12", "this is not an amount"),
        ("--code a --monthly 199 --terms 12 --guarantee-days 7", "15 days at least"),
        ("--code a --monthly 199", "answer it with --terms"),
        ("--code a --monthly 199 --terms 12 --scenario sale", "answer it with --sale-price"),
    ] {
        shop.run(&format!("plan add --name-zh x {flags}")).fails(2, expected);
    }
    assert_eq!(shop.run("plan list --all --json").json()["plans"].as_array().unwrap().len(), 7);
}
