//! `kibble sign`: what must be said, what is refused, what is kept.

use crate::shop::Shop;
use crate::signing::{WANG, shop, sign};

#[test]
fn an_agreement_is_signed_with_flags_and_runs_once_the_customer_agrees() {
    let shop = shop();
    let signed = sign(&shop, "cat-199-12", "--json").json();
    assert_eq!(signed["no"], "KB-2026-000001");
    assert_eq!(
        (&signed["debit_day"], &signed["first_due"], &signed["last_due"]),
        (&10.into(), &"2026-12-10".into(), &"2027-11-10".into())
    );
    assert_eq!(signed["ends_on"], "2027-12-09");
    assert_eq!(signed["evidence"], "E1");
    assert!(signed["links"][0]["url"].as_str().unwrap().contains("/sign/alipay/KM"), "{signed}");
    shop.run("agreement show a-1").ok("waiting for the customer to agree").says("12 terms, ¥2,388.00");
    shop.run("sandbox sign m-1").ok("1 agreed").says("1 agreement runs now");
    shop.run("agreement show KB-2026-000001").ok("running").says("a-1/12").says("2027-11-10").hides("19900000001");
}

#[test]
fn the_text_is_kept_and_says_when_it_is_unchanged() {
    let shop = shop();
    sign(&shop, "cat-199-12", "--text zh").ok("Signed: KB-2026-000001");
    let text = shop.run("agreement text a-1");
    text.ok("宠粮月付服务协议").says("119999********0016").says("199****0001").says("unchanged since signing");
    text.says("每月10日扣款199.00元，共12期，合计2388.00元").hides("119999198506150016");
    let json = shop.run("agreement text a-1 --json").json();
    assert_eq!(json["intact"], true);
    assert!(json["template"].as_str().unwrap().starts_with("agreement.zh v1 "), "{json}");
}

#[test]
fn a_link_can_be_shown_again_with_its_qr_code() {
    let shop = shop();
    sign(&shop, "cat-199-12", "").ok("█");
    let first = shop.run("mandate link m-1 --json").json();
    assert_eq!(first["url"], shop.run("mandate link m-1 --json").json()["url"]);
    shop.run("sandbox sign --all").exits(0);
    shop.run("mandate link m-1").fails(1, "does not wait for the customer");
}

#[test]
fn nobody_signs_without_having_understood_the_points() {
    let shop = shop();
    shop.run(&format!("sign {WANG} --plan cat-199-12 --rail alipay"))
        .fails(1, "has not acknowledged")
        .says("--acknowledged");
    assert_eq!(shop.run("agreement list --json").json(), serde_json::json!([]));
}

#[test]
fn the_young_do_not_sign_and_the_old_are_told_twice() {
    let shop = shop();
    let with_id = |id: &str| WANG.replace("119999198506150016", id);
    let line =
        |id: &str, more: &str| format!("sign {} --plan cat-199-12 --rail alipay --acknowledged {more}", with_id(id));
    // Born 2010-01-01 and 1950-01-01.
    shop.run(&line(&numbered("11999920100101001"), "")).fails(1, "only people of 18 or older may sign");
    let old = numbered("11999919500101001");
    shop.run(&line(&old, "")).fails(1, "60 or older").says("--explained");
    shop.run(&line(&old, "--explained")).ok("Signed");
}

/// With its check character (ISO 7064 MOD 11-2).
fn numbered(digits: &str) -> String {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.chars().zip(weights).map(|(c, weight)| c.to_digit(10).unwrap() * weight).sum();
    format!("{digits}{}", "10X98765432".chars().nth((sum % 11) as usize).unwrap())
}

#[test]
fn a_debit_day_that_the_rail_does_not_know_is_refused_with_what_to_give() {
    let mut shop = shop();
    sign(&shop, "cat-199-12", "--debit-day 27")
        .fails(1, "day 27 cannot be the debit day on alipay")
        .says("--debit-day 26 or --debit-day 1");
    shop.at("2026-11-30T10:00");
    sign(&shop, "cat-199-12", "").fails(1, "day 30 cannot be the debit day");
    sign(&shop, "deluxe-299-12", "--debit-day 1").fails(1, "takes no debit on day 30");
    let signed = sign(&shop, "cat-199-12", "--debit-day 1 --json").json();
    assert_eq!(signed["first_due"], "2026-12-01");
}

#[test]
fn a_first_debit_at_signing_is_announced_by_the_agreement_itself() {
    let shop = shop();
    let signed = sign(&shop, "deluxe-299-12", "--json").json();
    assert_eq!((&signed["first_due"], &signed["last_due"]), (&"2026-11-10".into(), &"2027-10-10".into()));
    shop.run("sandbox sign m-1").exits(0);
    let terms = shop.run("agreement show a-1 --json").json();
    assert_eq!(terms["terms"][0]["charge_from"], "2026-11-10T02:00:00Z");
    assert_eq!(terms["terms"][1]["charge_from"], serde_json::Value::Null);
}

#[test]
fn a_missing_placeholder_refuses_to_sign() {
    let shop = shop();
    shop.write(
        "templates/agreement.en.txt.j2",
        "[IMPORTANT]\n(1) {{ plan.monthly_amount }} {{ plan.bonus }}\n\n{{ agreement.sha256 }}\n",
    );
    sign(&shop, "cat-199-12", "").fails(1, "placeholders without a value: plan.bonus");
    shop.write(
        "templates/agreement.en.txt.j2",
        "[IMPORTANT]\n(1) {{ plan.monthly_amount }}\n\n{{ agreement.sha256 }}\n",
    );
    sign(&shop, "cat-199-12", "").ok("Signed");
    let text = shop.run("agreement text a-1 --json").json();
    assert!(text["template"].as_str().unwrap().starts_with("agreement.en own "), "{text}");
    shop.write("templates/agreement.en.txt.j2", "{% if %}");
    sign(&shop, "cat-199-12", "").fails(1, "");
}

#[test]
fn a_shop_without_papers_signs_nothing() {
    let mut shop = Shop::opened();
    shop.at("2026-11-10T10:00");
    sign(&shop, "cat-199-12", "").fails(1, "uscc, address, phone").says("[merchant]");
}

#[test]
fn a_pet_that_is_bought_is_not_called_free() {
    let shop = shop();
    sign(&shop, "care-168-12", "--text zh").exits(0);
    shop.run("agreement text a-1").ok("乙方另付购宠款1800.00元").says("宠物参考成本为0.00元").hides("无需另付购宠款");
}

#[test]
fn a_reference_cost_above_half_of_the_plan_is_pointed_at() {
    let shop = shop();
    let line =
        |cost: &str| format!("sign {} --plan cat-199-12 --rail alipay --acknowledged", WANG.replace("cost 900", cost));
    shop.run(&line("cost 3000")).fails(1, "above the plan's total");
    shop.run(&line("cost 1500")).ok("Signed").says("above half of the plan's total");
}

#[test]
fn one_file_says_everything_and_a_wrong_key_is_named() {
    let shop = shop();
    let file = "name = \"王小明\"\nphone = \"+86 199-0000-0001\"\nid_number = \"119999198506150016\"\npet_name = \"团子\"\n\
                species = \"猫\"\nreference_cost = \"900.00\"\nplan = \"cat-199-12\"\nrail = \"wechat\"\nsecond_rail = \"alipay\"\n\
                acknowledged = true\n";
    shop.write("sign.toml", file);
    shop.run("sign --file sign.toml --debit-day 15").ok("Signed").says("debited on day 15");
    let mandates = shop.run("mandate list --json").json();
    assert_eq!(
        (&mandates[0]["rail"], &mandates[1]["rail"], &mandates[1]["lane"]),
        (&"wechat".into(), &"alipay".into(), &2.into())
    );
    shop.write("sign.toml", file.replace("plan =", "plam ="));
    shop.run("sign --file sign.toml").fails(2, "has the key plam");
}

#[test]
fn what_is_missing_or_wrong_is_named_with_its_flag() {
    let shop = shop();
    for (drop, part) in [
        ("--name 王小明", "--name"),
        ("--phone 19900000001", "--phone"),
        ("--pet-name 团子", "--pet-name"),
        ("--reference-cost 900", "--reference-cost"),
    ] {
        let line = format!("sign {} --plan cat-199-12 --rail alipay --acknowledged", WANG.replace(drop, ""));
        shop.run(&line).fails(2, part);
    }
    for (from, to, part) in [
        ("19900000001", "1990000001", "has 11 digits"),
        ("119999198506150016", "119999198506150015", "does not fit the others"),
        ("cost 900", "cost 9oo", "not an amount"),
        ("cat", "cow", "no species"),
    ] {
        let line = format!("sign {} --plan cat-199-12 --rail alipay --acknowledged", WANG.replace(from, to));
        shop.run(&line).fails(2, part);
    }
    sign(&shop, "cat-1", "").fails(1, "no plan cat-1 is on offer");
    shop.run(&format!("sign {WANG} --plan cat-199-12 --rail cash --acknowledged")).fails(1, "paid at the counter");
    assert_eq!(shop.run("agreement list --json").json(), serde_json::json!([]));
}

#[test]
fn nobody_is_entered_twice_and_no_pet_is_promised_twice() {
    let shop = shop();
    sign(&shop, "cat-199-12", "").exits(0);
    sign(&shop, "cat-199-12", "").fails(1, "c-1 has this ID number already").says("--customer c-1");
    let line = "sign --customer 19900000001 --pet p-1 --plan cat-199-12 --rail alipay --acknowledged";
    shop.run(line).fails(1, "p-1 has an agreement already: a-1");
    shop.run(&line.replace("--pet p-1", "--pet-name 豆豆 --species dog --reference-cost 500"))
        .ok("a-2, customer c-1, pet p-2");
}

#[test]
fn an_unreachable_rail_leaves_the_agreement_and_its_link_for_later() {
    let shop = shop();
    shop.run("sandbox fault alipay down --times 1").exits(0);
    sign(&shop, "cat-199-12", "").ok("Signed").says("gave no link").says("kibble mandate link m-1");
    shop.run("mandate link m-1").ok("https://");
}

#[test]
fn signing_speaks_chinese() {
    let mut shop = shop();
    shop.lang("zh");
    sign(&shop, "cat-199-12", "").ok("已签约").hides("Signed");
    shop.run("agreement show a-1").ok("等待客户同意").hides("waiting");
    shop.run("agreement text a-1").ok("宠粮月付服务协议").says("签署后没有改动");
}
