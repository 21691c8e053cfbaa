//! `kibble demo`: the story is all there, the books are in order, the same seed tells the same, and nobody's folder is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::shop::{Ran, Shop};

/// Four months are enough for every early part of the story.
const MONTHS: u32 = 4;
const NOW: &str = "2026-03-31T10:00";

fn demo(shop: &Shop, more: &str) -> Ran {
    shop.run(&format!("demo --months {MONTHS} {more}"))
}

fn records(demo: &Value) -> BTreeMap<String, String> {
    let word = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    demo["highlights"].as_array().unwrap().iter().map(|it| (word(it, "tale"), word(it, "record"))).collect()
}

/// The answer without paths, which differ from folder to folder.
fn figures(mut demo: Value) -> Value {
    let fields = demo.as_object_mut().unwrap();
    for path in ["folder", "key_file"] {
        assert!(fields.remove(path).is_some(), "{path}");
    }
    demo
}

#[test]
fn a_demo_tells_its_story_and_its_books_are_in_order() {
    let mut shop = Shop::new();
    shop.lang("en");
    let built = demo(&shop, "--json");
    let answer = built.exits(0).json();
    assert_eq!(answer["now"], NOW);
    let look = |rest: &str| shop.run(&format!("--shop kibble-demo --now {NOW} {rest}"));
    look("check").ok("every law holds");

    let counts = |key: &str| answer["counts"][key].as_u64().unwrap();
    assert_eq!((counts("customers"), counts("imported")), (48, 24));
    for key in ["declined", "retries", "unknown", "messages", "orders", "terminated", "completed"] {
        assert!(counts(key) > 0, "{key}: {answer}");
    }

    // What is told of debits is what the book holds, whatever was sent again or declined a day later.
    let book = Connection::open(shop.path("kibble-demo/shop.db")).unwrap();
    for (key, states) in [("charges", "state"), ("paid", "'paid'"), ("declined", "'declined'")] {
        let sql = format!("SELECT count(*) FROM charge WHERE kind = 'debit' AND state = {states}");
        assert_eq!(i64::try_from(counts(key)).unwrap(), book.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap());
    }
    drop(book);

    let found = records(&answer);
    let told: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let wanted = BTreeSet::from([
        "high_risk_cleared",
        "unknown_settled",
        "dropped_settled",
        "link_paid",
        "retry_paid",
        "paid_at_counter",
        "revoked",
        "paused",
        "cooling_off",
        "terminated",
        "pet_died",
        "refunded",
        "completed",
        "order_split",
        "order_shipped",
        "order_returned",
        "order_cancelled",
    ]);
    assert_eq!(wanted.difference(&told).collect::<Vec<_>>(), Vec::<&&str>::new());

    let charges = |tale: &str| look(&format!("debit show {} --json", found[tale])).json()["charges"].clone();
    let states = |tale: &str| -> Vec<(String, String)> {
        let word = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        charges(tale).as_array().unwrap().iter().map(|it| (word(it, "kind"), word(it, "state"))).collect()
    };
    let last = |tale: &str| states(tale).pop().unwrap();
    let pair = |kind: &str, state: &str| (kind.to_owned(), state.to_owned());
    // One order number, asked about and paid: neither repeated nor undone.
    assert_eq!(states("unknown_settled"), [pair("debit", "paid")]);
    assert_eq!(states("dropped_settled"), [pair("debit", "paid")]);
    assert_eq!(last("link_paid"), pair("link", "paid"));
    assert_eq!(last("retry_paid"), pair("debit", "paid"));
    assert!(states("retry_paid").contains(&pair("debit", "declined")));
    assert_eq!(last("paid_at_counter"), pair("cash", "paid"));

    let agreement = |tale: &str| look(&format!("agreement show {} --json", found[tale])).json();
    assert_eq!(agreement("completed")["agreement"]["state"], "completed");
    let ended = agreement("terminated");
    let figure = |key: &str| ended["statement"]["figures"][key].as_str().unwrap().to_owned();
    assert_ne!(figure("compensation"), "0.00");
    assert_ne!(figure("payable"), "0.00");
    assert_eq!(agreement("cooling_off")["statement"]["cause"], "cooling_off");
    assert_eq!(agreement("pet_died")["statement"]["cause"], "no_fault");
    look(&format!("orders show {}", found["order_shipped"])).ok("SF");

    // Law 12 compares every order of the providers' book with ours, to the fen.
    let checked = look("check --json").json();
    let agree = checked["laws"][11].clone();
    assert!(agree["checked"].as_u64().unwrap() > 100, "{agree}");
    assert_ne!(answer["provider_collected"], "0.00");
    assert_ne!(answer["provider_refunded"], "0.00");

    // The bills of the last month were fetched day by day, and nothing in them differs.
    assert!(counts("bill_lines") > 0 && counts("bills") > 30, "{answer}");
    assert_eq!(look("recon bills --json").json().as_array().unwrap().len() as u64, counts("bills"));
    look("recon list --waiting").ok("nothing differs");

    a_demo_is_replaced_only_when_told(&shop);
    the_closing_is_whole_in_chinese(&mut shop);
}

fn a_demo_is_replaced_only_when_told(shop: &Shop) {
    let database = shop.path("kibble-demo/shop.db");
    let before = fs::metadata(&database).unwrap().modified().unwrap();
    demo(shop, "").fails(1, "there is a demo in").says("--again");
    assert_eq!(fs::metadata(&database).unwrap().modified().unwrap(), before);
}

fn the_closing_is_whole_in_chinese(shop: &mut Shop) {
    shop.lang("zh");
    let ran = shop.run("demo --months 1 --again");
    ran.ok("接下来可以输入").says("kibble --shop kibble-demo --now 2025-12-31T10:00 check").says("不动真钱");
    ran.hides("What to type next").hides("Records worth a look");
    shop.lang("en");
    let ran = shop.run("demo --months 1 --again");
    ran.ok("What to type next").says("No real money moves").says("kibble-demo.key");
    ran.hides("接下来");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let mut shop = Shop::new();
    shop.lang("en");
    let one = shop.run("demo --months 2 --dir one --json").exits(0).json();
    let two = shop.run("demo --months 2 --dir two --json").exits(0).json();
    assert_eq!(figures(one), figures(two));
    assert!(shop.path("one.key").exists() && !Path::new(&shop.path("one/one.key")).exists());
}

#[test]
fn a_folder_that_is_no_demo_is_never_touched() {
    let mut shop = Shop::new();
    shop.lang("en");
    let precious = shop.write("mine/precious.txt", "1");
    for more in ["", "--again"] {
        shop.run(&format!("demo --months 1 --dir mine {more}")).fails(1, "is no demo of kibble's");
    }
    assert_eq!(fs::read_to_string(precious).unwrap(), "1");
    let key = shop.write("other.key", "a key whose shop lies elsewhere");
    shop.run("demo --months 1 --dir other --again").fails(1, "there is a data key at");
    assert_eq!(fs::read_to_string(key).unwrap(), "a key whose shop lies elsewhere");
    assert!(!shop.path("other").exists());
    // A demo that somebody made a shop of is a shop.
    shop.write("sold/kibble-demo.txt", "kibble demo\n");
    for settings in ["nonsense", "[rail.alipay]\nadapter = \"alipay\"\n"] {
        shop.write("sold/shop.toml", settings);
        shop.run("demo --months 1 --dir sold --again").fails(1, "is no demo of kibble's");
        assert_eq!(shop.read("sold/shop.toml"), settings);
    }
    shop.run("--shop x demo").fails(2, "a demo has a folder of its own");
    shop.run("--now 2026-01-01 demo").fails(2, "--now does not fit");
}
