//! `kibble customer`: who signs and buys.

use crate::import::{BOOK, book_of};
use crate::shop::Shop;

fn shop() -> Shop {
    let mut shop = Shop::opened();
    shop.at("2026-11-21T09:00");
    shop
}

/// Two people called 王小明, and one called 李四 with the first one's phone.
fn namesakes() -> Shop {
    let shop = shop();
    shop.run("customer add --name 王小明 --phone '+86 199-0000 0001' --id-number 119999198506150016").ok("c-1 王**");
    shop.run("customer add --name ' 王 小 明' --phone 18600000233 --id-number 119999199003070019")
        .ok("c-2 王** 186****0233");
    shop.run("customer add --name 李四 --phone 19900000001 --id-number 119999199512010014 --message-lang en --address 青禾路1号")
        .ok("c-3 李**")
        .says("c-1 has the same phone number");
    shop
}

#[test]
fn an_ambiguous_name_lists_ids_and_masked_phones() {
    let mut shop = namesakes();
    shop.run("customer show 王小明")
        .fails(1, "two customers are called 王小明: c-1 (199****0001) and c-2 (186****0233)")
        .says(
            "use the id or the phone number, for example `kibble --now 2026-11-21T09:00 --lang en customer show c-1`",
        );
    shop.run("customer show 19900000001").fails(1, "2 customers fit 19900000001: c-1 (王**), c-3 (李**)");
    shop.run("customer show 王大明")
        .fails(1, "no customer has the id, phone number or name 王大明")
        .says("customer list --search");
    shop.run("customer show c-9").fails(1, "no customer has the id");
    shop.run("customer show ' c-2 '").ok("c-2 王**");
    shop.run("customer show '+86 186 0000 0233'").ok("c-2 王**");
    shop.lang("zh")
        .run("customer show 王小明")
        .fails(1, "有两位客户都叫 王小明")
        .says("请改用编号或手机号")
        .hides("two");
}

#[test]
fn nothing_is_shown_in_full_without_a_reason_that_is_recorded() {
    let shop = namesakes();
    shop.run("customer show c-3")
        .ok("李**")
        .says("199****0001")
        .says("119999********0014")
        .hides("李四")
        .hides("青禾路");
    shop.run("customer show c-3 --reveal").fails(2, "--reason");
    shop.run("customer show c-3 --reveal --reason ' '").fails(2, "say why, in a few words");
    shop.run("customer show c-3 --reveal --reason 'call about delivery'")
        .ok("李四")
        .says("19900000001")
        .says("青禾路1号");
    shop.run("customer list").ok("李**").hides("李四").hides("19900000001");
    let listed = shop.run("customer list --json").json();
    assert_eq!(
        listed["customers"][2],
        serde_json::json!({
            "id": "c-3", "name": "李**", "phone": "199****0001", "agreements": 0, "wallet": "0.00", "since": "2026-11-21",
        })
    );
}

#[test]
fn the_list_is_searched_by_parts_of_name_or_phone() {
    let shop = namesakes();
    shop.run("customer list --search 小明").ok("c-1").says("c-2").hides("c-3");
    shop.run("customer list --search 0233").ok("c-2").hides("c-1").hides("c-3");
    shop.run("customer list --search nobody").ok("nobody's name or phone number holds nobody");
}

#[test]
fn a_customer_that_cannot_be_read_is_refused_with_the_fix() {
    let shop = namesakes();
    for (flags, expected) in [
        ("--name 张 --phone 19900000002 --id-number 119999198506150016", "one character is not a full name"),
        ("--name 张三 --phone 1990000000 --id-number 119999198506150016", "a mobile number has 11 digits, this has 10"),
        ("--name 张三 --phone 19900000002 --id-number 119999198506150015", "one was mistyped"),
        ("--name 张三 --phone 19900000002", "answer it with --id-number"),
    ] {
        shop.run(&format!("customer add {flags}")).fails(2, expected);
    }
    shop.run("customer add --name 张三 --phone 19900000002 --id-number 119999198506150016")
        .fails(1, "c-1 王** has this ID number already");
    assert_eq!(shop.run("customer list --json").json()["customers"].as_array().unwrap().len(), 3);
}

#[test]
fn a_name_that_looks_like_a_formula_stays_text() {
    let shop = shop();
    shop.run("customer add --name =1+1 --phone 19900000001 --id-number 119999198506150016").ok("c-1 =**");
    shop.run("customer show =1+1 --reveal --reason test").ok("c-1 =1+1");
}

#[test]
fn a_book_brings_customers_and_pets_but_no_agreements() {
    let shop = shop();
    shop.write("customers.csv", BOOK);
    shop.run("customer import customers.csv --dry-run").ok("new customers: 301, new pets: 301").says("Dry run");
    assert_eq!(shop.run("customer list --json").json()["customers"].as_array().unwrap().len(), 0);
    shop.run("customer import customers.csv").ok("new customers: 301, new pets: 301").says("Rows refused: 10");
    shop.run("customer import customers.csv")
        .ok("nothing new: nothing was changed")
        .says("in kibble already, unchanged: 301");
    let listed = shop.run("customer list --json").json();
    let customers = listed["customers"].as_array().unwrap();
    assert!(customers.len() == 301 && customers.iter().all(|it| it["agreements"] == 0));
    // The agreements come later and find customers and pets there.
    shop.run("agreement import customers.csv --paid-until 2026-10-31")
        .ok("agreements taken over: 301 (new customers: 0, new pets: 0)");
    assert_eq!(shop.run("pet list --json").json()["pets"].as_array().unwrap().len(), 301);
}

#[test]
fn wallets_and_agreements_are_counted_in_the_list() {
    let shop = shop();
    let rows = [
        "王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H1,100.50,",
        "王小明,19900000001,119999198506150016,圆子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,微信,H2,20,",
    ];
    shop.write("book.csv", book_of(&rows));
    shop.run("agreement import book.csv").ok("agreements taken over: 2 (new customers: 1, new pets: 2)");
    let listed = shop.run("customer list --json").json();
    assert_eq!(
        (listed["customers"][0]["agreements"].as_u64(), listed["customers"][0]["wallet"].as_str()),
        (Some(2), Some("120.50"))
    );
}
