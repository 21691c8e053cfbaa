//! `kibble recon`: bills of the sandbox rails, what they settle and book, every kind of difference planted and found, decisions by a
//! file, and copies that a spreadsheet saved.

use std::collections::BTreeMap;
use std::fs;

use encoding_rs::GBK;
use kibble::ops::Ctx;
use kibble::ops::read_now;
use serde_json::Value;

use crate::due::{ALIPAY, WECHAT, ask, ask_rail, holds, shop};
use crate::november::run_here;
use crate::plant::{sandbox_sql, sql};
use crate::shop::{Ran, Shop};

/// Two agreements on Alipay and two on WeChat, their first term collected on 2026-11-05, and now the next morning.
fn collected() -> Shop {
    let mut shop = shop(&[ALIPAY, ALIPAY, WECHAT, WECHAT]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    shop.at("2026-11-08T10:30");
    assert_eq!(number(&shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), 4);
    shop
}

/// A run every three hours by day, in this process.
fn hours(shop: &Shop, from: &str, to: &str) {
    let mut at: chrono::NaiveDateTime = format!("{from}:00").parse().unwrap();
    let end: chrono::NaiveDateTime = format!("{to}:00").parse().unwrap();
    let ctx = Ctx::open(&shop.dir(), Some(from)).unwrap();
    while at <= end {
        if (8..22).contains(&chrono::Timelike::hour(&at)) {
            ctx.clock.set(read_now(&at.format("%Y-%m-%dT%H:%M").to_string(), ctx.zone()).unwrap());
            run_here(&ctx);
        }
        at += chrono::TimeDelta::hours(3);
    }
}

fn number(shop: &Shop, query: &str) -> i64 {
    ask(shop, query).trim().parse().unwrap()
}

/// The bill of a rail's day as the provider writes it, in the shop's folder.
fn bill(shop: &Shop, rail: &str, day: &str, name: &str) -> Vec<u8> {
    shop.run(&format!("sandbox bill {rail} {day} --out {name}")).exits(0);
    fs::read(shop.path(name)).unwrap()
}

/// The day on which charges of a rail were paid.
fn paid_day(shop: &Shop, rail: &str) -> String {
    ask(shop, &format!("SELECT substr(MIN(paid_at), 1, 10) FROM charge WHERE rail = '{rail}'")).trim().to_owned()
}

pub fn list(shop: &Shop) -> Vec<Value> {
    shop.run("--json recon list --waiting").json().as_array().unwrap().clone()
}

/// Differences by class.
fn classes(shop: &Shop) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for it in list(shop) {
        *found.entry(it["class"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    found
}

fn books(shop: &Shop) -> String {
    ask(
        shop,
        "SELECT 'bill ' || count(*) FROM bill UNION ALL SELECT 'line ' || count(*) FROM bill_line
         UNION ALL SELECT 'entry ' || count(*) FROM entry UNION ALL SELECT 'audit ' || count(*) FROM audit WHERE op <> 'exported'
         UNION ALL SELECT 'decision ' || count(*) FROM decision UNION ALL SELECT 'refund ' || count(*) FROM refund",
    )
}

fn fetch(shop: &Shop) -> Ran {
    let ran = shop.run("recon fetch --month 2026-11");
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
    ran
}

/// Fetches the days up to the seventh.
fn fetch_days(shop: &Shop) {
    for day in 1..=7 {
        let ran = shop.run(&format!("recon fetch --day 2026-11-{day:02}"));
        assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
    }
}

/// A file of decisions with these decisions by row id.
pub fn decisions(shop: &Shop, decide: &[(&str, &str)]) {
    shop.run("recon export --out open.csv --yes").exits(0);
    let text = shop.read("open.csv");
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let head = reader.headers().unwrap().clone();
    let place = |name: &str| head.iter().position(|it| it == name).unwrap();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&head).unwrap();
    for row in reader.records() {
        let mut cells: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
        if let Some((_, decision)) = decide.iter().find(|(id, _)| cells[place("Id")] == *id) {
            let (word, account) = decision.split_once(' ').unwrap_or((decision, ""));
            cells[place("Decision")] = word.to_owned();
            cells[place("Account")] = account.to_owned();
        }
        writer.write_record(&cells).unwrap();
    }
    shop.write("decided.csv", writer.into_inner().unwrap());
}

#[test]
fn a_bill_that_says_what_we_say_is_booked_once() {
    let shop = collected();
    fetch_days(&shop);
    shop.run("recon list").ok("nothing differs");
    // 199.00 at 0.6 % is 1.19 four times; the rest of 796.00 is the shop's.
    let sums = "SELECT account || ' ' || SUM(amount) FROM posting WHERE account IN ('bank','fees') OR account LIKE 'rail:%' GROUP BY account ORDER BY 1";
    assert_eq!(ask(&shop, sums).trim(), "bank 79124\nfees 476\nrail:alipay 0\nrail:wechat 0");
    let before = books(&shop);
    fetch_days(&shop);
    let day = paid_day(&shop, "alipay");
    bill(&shop, "alipay", &day, "a.csv");
    shop.run("recon import a.csv").ok("known already");
    assert_eq!(books(&shop), before);
    holds(&shop);
    shop.run("recon bills").ok("b-1");
    let shown = shop.run("--json recon show b-1").exits(0).json();
    assert_eq!((&shown["open_lines"], &shown["rail"]), (&0.into(), &"alipay".into()));
}

#[test]
fn fees_are_told_by_the_export() {
    let shop = collected();
    fetch_days(&shop);
    shop.run("report export --month 2026-11 --out out").ok("fees");
    let fees = shop.read("out/fees.csv");
    assert_eq!(fees.lines().count(), 1 + 2, "{fees}");
    assert!(fees.contains("b-") && fees.contains("2.38"), "{fees}");
    assert!(shop.read("out/summary.csv").contains("fees.csv,Fee,4.76,4.76"), "{}", shop.read("out/summary.csv"));
}

#[test]
fn a_saved_bill_is_known_whatever_a_spreadsheet_made_of_it() {
    let mut shop = collected();
    let day = paid_day(&shop, "wechat");
    let plain = String::from_utf8(bill(&shop, "wechat", &day, "w.csv")).unwrap();
    shop.run(&format!("recon import w.csv --day {day}")).ok("2 lines, 2 new, 2 as in our book");
    let before = books(&shop);
    let bare = plain.replace(['\u{feff}', '`'], "");
    let shorter: String = bare.replace(":00,", ",").replace("199.00", "199").replace("1.19000", "1.19");
    for (name, bytes) in [
        ("gbk.csv", GBK.encode(&bare).0.into_owned()),
        ("short.csv", shorter.clone().into_bytes()),
        ("semicolon.csv", shorter.replace(',', ";").into_bytes()),
        ("tab.txt", shorter.replace(',', "\t").encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("ticks.csv", plain.replace("\r\n", "\n").into_bytes()),
    ] {
        let bytes = if name == "tab.txt" { [b"\xff\xfe".to_vec(), bytes].concat() } else { bytes };
        shop.write(name, bytes);
        shop.run(&format!("recon import {name} --day {day}")).ok("known already");
        assert_eq!(books(&shop), before, "{name}");
    }
    let trade = ask(&shop, "SELECT MIN(trade_no) FROM bill_line WHERE rail = 'wechat'");
    shop.write("mangled.csv", shorter.replace(trade.trim(), "4.20002E+27"));
    shop.run("recon import mangled.csv").fails(1, "微信订单号").says("4.20002E+27").says("row 2");
    shop.lang("zh").run("recon import mangled.csv").fails(1, "单号被表格软件改短了");
}

#[test]
fn a_bill_is_refused_when_its_totals_or_an_earlier_bill_contradict_it() {
    let shop = collected();
    let day = paid_day(&shop, "alipay");
    let bytes = bill(&shop, "alipay", &day, "a.csv");
    let text = GBK.decode(&bytes).0.into_owned();
    shop.write("less.csv", GBK.encode(&text.replace("金额共398.00元", "金额共199.00元")).0);
    shop.run("recon import less.csv").fails(1, "199.00").says("398.00").says("交易合计");
    assert_eq!(number(&shop, "SELECT count(*) FROM bill_line"), 0, "nothing of it was kept");
    shop.run("recon import a.csv").exits(0);
    // The same day without one of its lines, totals mended: both cannot be whole.
    let row = text.lines().find(|line| line.contains("KB7")).unwrap();
    let cut = text
        .replacen(&format!("{row}\r\n"), "", 1)
        .replace("交易合计：2笔，金额共398.00元", "交易合计：1笔，金额共199.00元");
    shop.write("cut.csv", GBK.encode(&cut).0);
    shop.run("recon import cut.csv").fails(1, "it lacks a line of b-1");
    shop.run("recon fetch --rail alipay --day 2026-11-08").ok("not ready before 2026-11-09 10:00");
    shop.run("recon import nowhere.csv").fails(1, "cannot read");
    shop.write("book.txt", "姓名,手机号\n");
    shop.run("recon import book.txt").fails(1, "it is no bill");
}

#[test]
fn a_month_over_known_days_brings_only_the_rest_and_equal_lines_are_two() {
    let shop = collected();
    let day = paid_day(&shop, "alipay");
    shop.run(&format!("recon fetch --rail alipay --day {day}")).exits(0);
    let bytes = bill(&shop, "alipay", &day, "a.csv");
    let text = GBK.decode(&bytes).0.into_owned();
    let row = text.lines().find(|line| line.contains("KB7")).unwrap();
    let more = format!("{row}\r\n{row}");
    let month = text
        .replacen(row, &more, 1)
        .replace("交易合计：2笔，金额共398.00元", "交易合计：3笔，金额共597.00元")
        .replace(&chinese_day(&day), "2026年11月01日")
        .replace(&chinese_day(&next_day(&day)), "2026年11月08日");
    shop.write("month.csv", GBK.encode(&month).0);
    // 3 lines, 1 new: two were known, and the third is really there twice.
    shop.run("recon import month.csv").fails(3, "3 lines, 1 new");
    let before = books(&shop);
    shop.run("recon import month.csv").fails(3, "known already");
    assert_eq!(books(&shop), before);
    assert_eq!(classes(&shop), BTreeMap::from([("duplicate".to_owned(), 1)]));
    let found = &list(&shop)[0];
    assert_eq!((&found["proposed"], &found["ours"]), (&"book-as".into(), &"199.00".into()));
    holds(&shop);
}

fn chinese_day(day: &str) -> String {
    format!("{}年{}月{}日", &day[..4], &day[5..7], &day[8..])
}

fn next_day(day: &str) -> String {
    let day: chrono::NaiveDate = day.parse().unwrap();
    day.succ_opt().unwrap().to_string()
}

#[test]
fn every_class_of_difference_is_found_and_decided_by_a_file() {
    let mut shop = shop(&[ALIPAY, ALIPAY, ALIPAY, ALIPAY, ALIPAY, ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    assert_eq!(number(&shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), 6);
    let order = |agreement: u32| {
        ask(&shop, &format!("SELECT order_no FROM charge WHERE agreement_id = {agreement}")).trim().to_owned()
    };
    let orders: Vec<String> = (1..=6).map(order).collect();
    // Their book differs from ours: one is gone, two amounts and one fee are others, a stranger paid, an old number of ours was paid.
    sandbox_sql(
        &shop,
        &format!(
            "UPDATE orders SET state = 'closed', paid_at = NULL WHERE order_no = '{}';
             UPDATE orders SET amount = 18900, fee = 113 WHERE order_no = '{}';
             UPDATE orders SET fee = 250 WHERE order_no = '{}';
             INSERT INTO orders SELECT * FROM (SELECT * FROM orders WHERE order_no = '{}') WHERE false;",
            orders[0], orders[1], orders[2], orders[3]
        ),
    );
    let copy = |from: &str, to: &str| {
        let columns = "rail, contract_no, payer, amount, subject, cycle, state, reason, code, text, created_at, decide_at, paid_at, paid_from, fee, refunded";
        format!(
            "INSERT INTO orders (order_no, trade_no, {columns}) SELECT '{to}', '{to}T', {columns} FROM orders WHERE order_no = '{from}';"
        )
    };
    // The fifth attempt of a term that is paid already, and a payment at the counter with a number of somebody else's.
    let twice = format!("{}0005", &orders[3][..22]);
    sandbox_sql(&shop, &(copy(&orders[3], &twice) + &copy(&orders[3], "COUNTER20261105")));
    // Here it was given up, there it was paid.
    sql(
        &shop,
        "UPDATE installment SET state = 'open', paid_at = NULL WHERE agreement_id = 5 AND term = 1;
         UPDATE charge SET state = 'void', paid_at = NULL WHERE agreement_id = 5;
         DELETE FROM posting WHERE entry_id IN (SELECT id FROM entry WHERE kind = 'charge' AND ref = (SELECT 'k-' || id FROM charge WHERE agreement_id = 5));
         DELETE FROM entry WHERE kind = 'charge' AND ref = (SELECT 'k-' || id FROM charge WHERE agreement_id = 5);
         DELETE FROM points WHERE ref = (SELECT 'k-' || id FROM charge WHERE agreement_id = 5);",
    );
    shop.at("2026-11-12T10:30");
    for day in 1..=11 {
        shop.run(&format!("recon fetch --rail alipay --day 2026-11-{day:02}"));
    }
    let found = list(&shop);
    let by: BTreeMap<(String, String), &Value> = found
        .iter()
        .map(|it| ((it["class"].as_str().unwrap().to_owned(), it["order_no"].as_str().unwrap().to_owned()), it))
        .collect();
    let at = |class: &str, order: &str| {
        *by.get(&(class.to_owned(), order.to_owned())).unwrap_or_else(|| panic!("{class} {order}: {found:#?}"))
    };
    let expected = [
        ("missing_there", orders[0].as_str(), "ask"),
        ("amount", orders[1].as_str(), "ask"),
        ("fee", orders[2].as_str(), "accept"),
        ("missing_here", twice.as_str(), "refund"),
        ("missing_here", "COUNTER20261105", "book-as"),
        ("status", orders[4].as_str(), "accept"),
    ];
    for (class, order, proposed) in expected {
        let it = at(class, order);
        assert_eq!(it["proposed"], proposed, "{it}");
        assert!(it["age_days"].as_i64().unwrap() > 2 && !it["is_waiting"].as_bool().unwrap(), "{it}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let id = |class: &str, order: &str| at(class, order)["id"].as_str().unwrap().to_owned();
    let (gone, amount, fee) = (id("missing_there", &orders[0]), id("amount", &orders[1]), id("fee", &orders[2]));
    let (lost, foreign) = (id("missing_here", &twice), id("missing_here", "COUNTER20261105"));
    let status = id("status", &orders[4]);

    // What a rule of money forbids is told row by row, and the rest is done.
    decisions(&shop, &[(&gone, "accept"), (&foreign, "refund"), (&fee, "wait")]);
    shop.run("recon apply decided.csv").fails(3, "is not unpaid because a bill is silent").says("is not kibble's");
    assert_eq!(number(&shop, "SELECT count(*) FROM decision"), 0);

    decisions(
        &shop,
        &[
            (&gone, "book-as goodwill"),
            (&amount, "accept"),
            (&fee, "accept"),
            (&lost, "refund"),
            (&foreign, "book-as sales:counter"),
            (&status, "accept"),
        ],
    );
    let decided = shop.read("decided.csv");
    let edited = |from: &str, to: &str| shop.write("edited.csv", decided.replacen(from, to, 1));
    let before = books(&shop);
    edited(&orders[1], &orders[2]);
    shop.run("recon apply edited.csv").fails(1, "Order number").says("was changed");
    edited(&orders[1], "1.23E+25");
    shop.run("recon apply edited.csv").fails(1, "shortened the number to 1.23E+25");
    edited(",199.00,189.00,", ",199.00,198.00,");
    shop.run("recon apply edited.csv").fails(1, "Their amount: 198.00 was changed; it is 189.00");
    edited("goodwill", "wallet:principal");
    shop.run("recon apply edited.csv").fails(1, "is no account");
    edited(",refund,,", ",sell,,");
    assert_eq!(books(&shop), before);
    // A spreadsheet writes 199.00 as 199, with semicolons, in GBK.
    let resaved = decided.replace("199.00", "199").replace(',', ";");
    shop.write("resaved.csv", GBK.encode(&resaved).0);
    let ran = shop.run("recon apply resaved.csv");
    ran.ok("6 done, 0 left, 0 decided before, 0 not done");
    let after = books(&shop);
    shop.run("recon apply resaved.csv").ok("0 done, 0 left, 6 decided before");
    assert_eq!(books(&shop), after);
    shop.run("recon list").ok("nothing differs");
    shop.run(&format!("recon show {amount}")).ok("decided");

    assert_eq!(ask(&shop, "SELECT state FROM refund").trim(), "paid");
    assert_eq!(ask(&shop, "SELECT state FROM charge WHERE agreement_id = 5").trim(), "paid");
    let sums = "SELECT account || ' ' || SUM(amount) FROM posting WHERE account IN ('goodwill','sales:counter') GROUP BY account ORDER BY 1";
    assert_eq!(ask(&shop, sums).trim(), "goodwill 20900\nsales:counter -19900");
    // Every difference is explained: what stays on the rail's account is the refund that their next bill will show.
    let clearing = "SELECT SUM(amount) FROM posting WHERE account LIKE 'rail:%'";
    assert_eq!(number(&shop, clearing), -19_900);
    shop.at("2026-11-13T10:30");
    shop.run("recon fetch --rail alipay --day 2026-11-12").exits(0);
    assert_eq!(number(&shop, clearing), 0);
    shop.run("recon list --waiting").ok("nothing differs");
}

#[test]
fn a_second_payment_of_a_term_goes_back_and_its_charge_is_no_question_any_more() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    let order = ask(&shop, "SELECT order_no FROM charge").trim().to_owned();
    let second = format!("{}0002", &order[..22]);
    let columns = "rail, contract_no, payer, amount, subject, cycle, state, reason, code, text, created_at, decide_at, paid_at, paid_from, fee, refunded";
    sandbox_sql(
        &shop,
        &format!("INSERT INTO orders (order_no, trade_no, {columns}) SELECT '{second}', 'T2', {columns} FROM orders;"),
    );
    let columns = "agreement_id, term, kind, mandate_id, rail, amount, said, noted_at, asked_at, refunded";
    sql(
        &shop,
        &format!(
            "INSERT INTO charge (order_no, attempt, state, code, {columns}) SELECT '{second}', 2, 'unknown', 'PAID_TWICE', {columns} FROM charge"
        ),
    );
    shop.at("2026-11-10T10:30");
    let day = paid_day(&shop, "alipay");
    shop.run(&format!("recon fetch --rail alipay --day {day}")).fails(3, "1 difference needs a decision");
    let it = list(&shop).remove(0);
    assert_eq!((&it["class"], &it["proposed"]), (&"duplicate".into(), &"refund".into()));
    let wallet = ask(&shop, "SELECT SUM(amount) FROM posting WHERE account = 'wallet:principal'");
    decisions(&shop, &[(it["id"].as_str().unwrap(), "refund")]);
    // Its answer is lost: from the moment at which it is noted nobody asks about the charge, which would be credited then.
    shop.run("sandbox fault alipay drop --times 1").exits(0);
    shop.run("recon apply decided.csv").ok("goes back as f-1");
    assert_eq!(ask(&shop, "SELECT code FROM charge WHERE attempt = 2").trim(), "GIVEN_BACK");
    shop.run("debit run").exits(0).hides("second payment");
    assert_eq!(ask(&shop, "SELECT state FROM refund").trim(), "paid");
    assert_eq!(ask(&shop, "SELECT SUM(amount) FROM posting WHERE account = 'wallet:principal'"), wallet);
    assert_eq!(ask(&shop, "SELECT state FROM installment WHERE term = 1").trim(), "paid");
    shop.run("debit run").exits(0).hides("second payment");
    holds(&shop);
}

#[test]
fn a_link_paid_after_the_termination_is_settled_by_the_bill_and_goes_back_once() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-04T21:00");
    shop.at("2026-11-05T09:00").run("sandbox fund c-1 0").exits(0);
    shop.run("debit run").exits(0);
    shop.run("sandbox fault alipay down --for 20m").exits(0);
    shop.run("agreement terminate a-1 --cause merchant --pet returned --reason closed --yes");
    shop.at("2026-11-05T10:00").run("sandbox fund c-1 1000").exits(0);
    shop.run("sandbox pay a-1/1").exits(0);
    shop.at("2026-11-06T10:30").run("recon fetch --rail alipay --day 2026-11-05").exits(0);
    assert_eq!(ask(&shop, "SELECT state || ' ' || code FROM charge WHERE kind = 'link'").trim(), "paid BILL");
    shop.run("sandbox fault alipay drop --times 1").exits(0);
    shop.run("agreement confirm a-1 --yes");
    shop.at("2026-11-06T11:30").run("debit run");
    assert_eq!(
        ask_rail(&shop, "SELECT SUM(amount) || ' ' || SUM(refunded) FROM orders WHERE state = 'paid'").trim(),
        "19900 19900"
    );
    assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'wallet%'"), 0);
    holds(&shop);
}

#[test]
fn a_refund_made_in_the_providers_console_leaves_the_wallet() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    let order = ask(&shop, "SELECT order_no FROM charge").trim().to_owned();
    sandbox_sql(
        &shop,
        &format!(
            "INSERT INTO refunds (rail, refund_no, order_no, amount, fee_back, code, text, trade_no, at)
             SELECT rail, 'CONSOLE1', order_no, 5000, 30, '', '', 'T9', paid_at + 3600 FROM orders;
             UPDATE orders SET refunded = 5000 WHERE order_no = '{order}'"
        ),
    );
    shop.at("2026-11-10T10:30");
    for day in 5..=9 {
        shop.run(&format!("recon fetch --rail alipay --day 2026-11-{day:02}"));
    }
    let it = list(&shop).remove(0);
    assert_eq!(
        (&it["class"], &it["kind"], &it["proposed"]),
        (&"missing_here".into(), &"refund".into(), &"accept".into())
    );
    decisions(&shop, &[(it["id"].as_str().unwrap(), "accept")]);
    shop.run("recon apply decided.csv").ok("taken over as f-1");
    shop.run("wallet show c-1 --json").ok("149.00");
    shop.run("recon list --waiting").ok("nothing differs");
    holds(&shop);
}

#[test]
fn a_bill_settles_what_the_rail_cannot_be_asked_about_any_more() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    // Both answers were lost; the second never reached the rail.
    let order = ask(&shop, "SELECT order_no FROM charge WHERE agreement_id = 2").trim().to_owned();
    sandbox_sql(&shop, &format!("DELETE FROM orders WHERE order_no = '{order}'"));
    sql(
        &shop,
        "UPDATE installment SET state = 'open', paid_at = NULL WHERE term = 1; UPDATE charge SET state = 'unknown', paid_at = NULL, answered_at = NULL;
         DELETE FROM posting; DELETE FROM entry; DELETE FROM points; UPDATE message SET event = event || 'x'",
    );
    // Far beyond the days in which a query is answered.
    shop.at("2027-03-01T10:30");
    let days: Vec<String> = (1..=8).map(|day| format!("2026-11-{day:02}")).collect();
    for day in &days[..6] {
        shop.run(&format!("recon fetch --rail alipay --day {day}"));
    }
    let state = |agreement: u32| {
        ask(&shop, &format!("SELECT state || ' ' || code FROM charge WHERE agreement_id = {agreement} AND attempt = 1"))
            .trim()
            .to_owned()
    };
    assert_eq!(state(1), "paid BILL");
    // Not all of the waiting days are known, so nothing is concluded from silence.
    assert!(state(2).starts_with("unknown"), "{}", state(2));
    let mut said = String::new();
    for day in &days[6..] {
        said += &shop.run(&format!("recon fetch --rail alipay --day {day}")).out;
    }
    assert_eq!(state(2), "void NOT_ON_BILL", "{said}");
    assert!(said.contains("never paid, as complete bills show"), "{said}");
    assert_eq!(ask(&shop, "SELECT state FROM installment WHERE agreement_id = 2 AND term = 1").trim(), "open");
    assert_eq!(number(&shop, "SELECT -SUM(amount) FROM posting WHERE account = 'wallet:principal'"), 19_900);
    assert_eq!(number(&shop, "SELECT count(*) FROM flag"), 0, "it counts against nobody");
}

#[test]
fn the_cut_off_waits_for_the_next_bill() {
    let mut shop = collected();
    fetch_days(&shop);
    // Paid here a moment before midnight; there it stands in the next day's bill, which is not there yet.
    sql(
        &shop,
        "UPDATE bill_line SET charge_id = NULL, state = 'open', order_no = 'X' || order_no WHERE id = 1;
         UPDATE charge SET paid_at = '2026-11-07T15:59:30Z' WHERE id = (SELECT MIN(id) FROM charge WHERE rail = 'alipay')",
    );
    let waiting: Vec<_> = list(&shop).into_iter().filter(|it| it["class"] == "missing_there").collect();
    assert_eq!((waiting.len(), &waiting[0]["is_waiting"], &waiting[0]["proposed"]), (1, &true.into(), &"wait".into()));
    shop.at("2026-11-12T10:30");
    // Days pass, but the next bill is still missing.
    let still: Vec<_> = list(&shop).into_iter().filter(|it| it["class"] == "missing_there").collect();
    assert_eq!(still[0]["is_waiting"], true);
    shop.run("recon fetch --rail alipay --day 2026-11-08");
    let now: Vec<_> = list(&shop).into_iter().filter(|it| it["class"] == "missing_there").collect();
    assert_eq!(
        (&now[0]["is_waiting"], &now[0]["age_days"], &now[0]["proposed"]),
        (&false.into(), &5.into(), &"ask".into())
    );
}

#[test]
fn a_fetch_without_a_day_catches_up_and_one_rail_that_is_down_does_not_stop_the_others() {
    let mut shop = collected();
    shop.run("recon fetch").exits(0);
    shop.at("2026-11-10T10:30");
    shop.run("recon fetch --rail alipay").ok("2026-11-08").says("2026-11-09");
    shop.run("recon fetch --rail alipay").ok("every bill up to yesterday is there");
    shop.at("2026-11-11T10:30");
    shop.run("sandbox fault wechat down --for 1d").exits(0);
    shop.run("recon fetch").fails(3, "alipay  2026-11-10").says("wechat  ").says("failed");
    // A day of which WeChat has no bill is known once the waiting days are over.
    shop.run("sandbox fault wechat --clear").exits(0);
    shop.run("recon fetch --rail wechat --day 2026-11-10").ok("no bill so far");
    shop.at("2026-11-13T10:30");
    shop.run("recon fetch --rail wechat --day 2026-11-10").ok("b-");
    shop.run("recon fetch --rail wechat --day 2026-11-10").ok("known already");
    shop.run("recon fetch --rail nowhere").exits(1);
}

#[test]
fn old_differences_are_named_by_the_debit_run() {
    let mut shop = collected();
    let day = paid_day(&shop, "alipay");
    sandbox_sql(&shop, "UPDATE orders SET fee = 250 WHERE rail = 'alipay'");
    shop.run(&format!("recon fetch --rail alipay --day {day}")).fails(3, "2 differences need a decision");
    shop.at("2026-11-12T10:30");
    shop.run("debit run").says("2 lines of bills differ from our book").says("kibble recon list");
    shop.lang("zh").run("recon list").ok("手续费");
}

#[test]
fn a_month_reconciles_with_every_difference_explained() {
    let mut rows = vec![ALIPAY; 20];
    rows.extend([WECHAT; 20]);
    let settings = "[sandbox]\nno_funds_bps = 1000\nlose_answer_bps = 500\n";
    let mut shop = crate::due::shop_with("--rail alipay=sandbox --rail wechat=sandbox", settings, &rows);
    hours(&shop, "2026-11-02T09:00", "2026-11-20T21:00");
    shop.run("debit refund a-1/1 --amount 50 --reason test");
    shop.at("2026-12-04T10:30");
    fetch(&shop).says("alipay  2026-11-01 – 2026-11-30");
    shop.run("recon list --waiting").ok("nothing differs");
    let clearing = number(&shop, "SELECT SUM(amount) FROM posting WHERE account LIKE 'rail:%'");
    let open = number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM charge WHERE state = 'unknown'");
    assert_eq!((clearing, open), (0, 0));
    let lines = number(&shop, "SELECT SUM(amount - fee) FROM bill_line");
    assert_eq!(number(&shop, "SELECT SUM(amount) FROM posting WHERE account = 'bank'"), lines);
    holds(&shop);
}

#[test]
fn a_saved_file_vouches_only_for_the_days_that_it_shows() {
    let shop = collected();
    let day = paid_day(&shop, "wechat");
    bill(&shop, "wechat", &day, "w.csv");
    // Whatever a person says: silence about the rest of the month proves nothing.
    shop.run("recon import w.csv --month 2026-11").exits(0);
    assert_eq!(ask(&shop, "SELECT day FROM bill_day WHERE rail = 'wechat'").trim(), day);
    // A bill of a day that is not over is taken, but proves nothing either.
    let shop = collected();
    bill(&shop, "wechat", &day, "w.csv");
    let mut shop = shop;
    shop.at(&format!("{day}T23:30"));
    shop.run("recon import w.csv").ok("the last day of this bill is not over");
    assert_eq!(number(&shop, "SELECT count(*) FROM bill_day"), 0);
}

#[test]
fn a_zip_as_alipay_gives_it_is_taken_and_its_sums_are_compared() {
    use std::io::Write;
    let shop = collected();
    let day = paid_day(&shop, "alipay");
    let detail = bill(&shop, "alipay", &day, "a.csv");
    let zip = |net: &str| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        let summary = format!("#汇总\r\n门店编号,交易订单总笔数,实收净额（元）\r\n合计\t,2\t,{net}\t\r\n");
        for (name, bytes) in
            [("20881_业务明细.csv", detail.clone()), ("20881_业务明细(汇总).csv", GBK.encode(&summary).0.into_owned())]
        {
            writer.start_file(name, options).unwrap();
            writer.write_all(&bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    shop.write("wrong.zip", zip("395.63"));
    shop.run("recon import wrong.zip").fails(1, "实收净额 says 395.63, the rows add up to 395.62");
    shop.write("right.zip", zip("395.62"));
    shop.run("recon import right.zip").ok("2 lines, 2 new, 2 as in our book");
    // The same bill out of its zip brings nothing new.
    shop.run("recon import a.csv").ok("known already");
    holds(&shop);
}

#[test]
fn asking_the_rail_and_waiting_change_nothing_that_is_known() {
    let mut shop = collected();
    let order = ask(&shop, "SELECT order_no FROM charge WHERE rail = 'alipay' ORDER BY id LIMIT 1").trim().to_owned();
    sandbox_sql(&shop, &format!("UPDATE orders SET paid_at = paid_at + 30 * 86400 WHERE order_no = '{order}'"));
    shop.at("2026-11-12T10:30");
    for day in 4..=11 {
        shop.run(&format!("recon fetch --rail alipay --day 2026-11-{day:02}"));
    }
    let it = list(&shop).remove(0);
    assert_eq!((&it["class"], &it["order_no"]), (&"missing_there".into(), &order.as_str().into()));
    let before = books(&shop);
    decisions(&shop, &[(it["id"].as_str().unwrap(), "ask")]);
    shop.run("recon apply decided.csv").ok("alipay says: paid").says("0 done, 1 left");
    decisions(&shop, &[(it["id"].as_str().unwrap(), "wait")]);
    shop.run("recon apply decided.csv").ok("left as it is");
    assert_eq!(books(&shop), before);
    // The line comes a month late, and the difference is gone by itself.
    shop.at("2026-12-10T10:30");
    shop.run("recon fetch --rail alipay --day 2026-12-05").exits(0);
    shop.run("recon list --waiting").ok("nothing differs");
    shop.run("recon apply decided.csv").ok("1 decided before");
}

#[test]
fn a_bill_taken_for_the_wrong_rail_never_looks_like_money_to_give_back() {
    let rails = "--rail alipay=sandbox --rail alipay2=sandbox --rail wechat=sandbox";
    let mut shop = crate::due::shop_with(rails, "", &[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    shop.at("2026-11-12T10:30");
    let rail = ask(&shop, "SELECT rail FROM charge").trim().to_owned();
    let other = if rail == "alipay" { "alipay2" } else { "alipay" };
    let day = paid_day(&shop, &rail);
    bill(&shop, &rail, &day, "a.csv");
    let before = books(&shop);
    shop.run("recon import a.csv --rail wechat").fails(1, "it is a bill of Alipay, not of wechat");
    shop.run(&format!("recon import a.csv --rail {other}")).fails(1, &format!("was charged on {rail}"));
    shop.run("recon import a.csv").fails(2, "nobody can say which payment rail");
    shop.run("recon import a.csv --rail cash").fails(1, "was charged on");
    assert_eq!(books(&shop), before);
    shop.run(&format!("recon import a.csv --rail {rail}")).ok("1 line, 1 new");
}

#[test]
fn a_restored_shop_takes_no_bill_before_it_is_adopted() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-03T21:00");
    shop.at("2026-11-04T07:30").run("backup").exits(0);
    let copy = fs::read_dir(shop.path("backups")).unwrap().next().unwrap().unwrap().path();
    fs::copy(copy, shop.path("copy.db")).unwrap();
    hours(&shop, "2026-11-04T09:00", "2026-11-07T21:00");
    assert_eq!(number(&shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), 1);
    let day = paid_day(&shop, "alipay");
    shop.at("2026-11-12T10:30").run("restore copy.db --yes").exits(0);
    bill(&shop, "alipay", &day, "a.csv");
    // The payment of the lost state would look like money that nobody asked for, to be given back.
    for command in ["recon import a.csv", "recon fetch", "recon apply a.csv"] {
        shop.run(command).fails(1, "no money moves").says("kibble adopt");
    }
    shop.run("adopt --yes").exits(0);
    shop.run("recon import a.csv").ok("1 line, 1 new").says("settled by the bill: k-");
    shop.run("recon list --waiting").ok("nothing differs");
    holds(&shop);
}

#[test]
fn money_that_came_in_another_amount_goes_back_and_the_term_is_free_again() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    sql(
        &shop,
        "UPDATE installment SET state = 'open', paid_at = NULL WHERE term = 1; UPDATE charge SET state = 'unknown', paid_at = NULL, answered_at = NULL;
         DELETE FROM posting; DELETE FROM entry; DELETE FROM points; DELETE FROM message WHERE template = 'debit_success'",
    );
    sandbox_sql(&shop, "UPDATE orders SET amount = 18900, fee = 113");
    let day = ask_rail(&shop, "SELECT date(MIN(paid_at), 'unixepoch') FROM orders").trim().to_owned();
    shop.at("2026-11-12T10:30");
    shop.run(&format!("recon fetch --rail alipay --day {day}")).exits(3);
    let it = list(&shop).remove(0);
    let id = it["id"].as_str().unwrap();
    assert_eq!((&it["class"], &it["our_state"]), (&"amount".into(), &"unknown".into()));
    decisions(&shop, &[(id, "book-as goodwill")]);
    shop.run("recon apply decided.csv").fails(3, "does not fit this difference");
    decisions(&shop, &[(id, "refund")]);
    shop.run("recon apply decided.csv").ok("189.00 went back as f-1");
    assert_eq!(ask(&shop, "SELECT state || ' ' || code FROM charge").trim(), "void GIVEN_BACK");
    assert_eq!(ask(&shop, "SELECT state FROM installment WHERE term = 1").trim(), "open");
    assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'wallet%'"), 0);
    shop.run("check").ok("every law holds");
}

#[test]
fn a_payment_of_another_amount_never_counts_as_the_payment_of_a_declined_debit() {
    for state in ["declined", "void"] {
        let mut shop = shop(&[ALIPAY]);
        hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
        sql(
            &shop,
            &format!(
                "UPDATE installment SET state = 'open', paid_at = NULL WHERE term = 1;
                 UPDATE charge SET state = '{state}', paid_at = NULL;
                 DELETE FROM posting; DELETE FROM entry; DELETE FROM points; DELETE FROM message WHERE template = 'debit_success'"
            ),
        );
        sandbox_sql(&shop, "UPDATE orders SET amount = 10000, fee = 60");
        let day = ask_rail(&shop, "SELECT date(MIN(paid_at), 'unixepoch') FROM orders");
        shop.at("2026-11-12T10:30");
        shop.run(&format!("recon fetch --rail alipay --day {day}")).exits(3);
        let it = list(&shop).remove(0);
        let id = it["id"].as_str().unwrap();
        assert_eq!((&it["class"], &it["our_state"]), (&"amount".into(), &state.into()));
        decisions(&shop, &[(id, "accept")]);
        shop.run("recon apply decided.csv").fails(3, "does not fit this difference");
        decisions(&shop, &[(id, "refund")]);
        shop.run("recon apply decided.csv").ok("100.00 went back as f-1");
        assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'wallet%'"), 0);
        shop.run("check").ok("every law holds");
    }
}

/// The first term was collected, and the provider gave `amount` of it back on the seventh, under this refund number.
fn given_back(shop: &Shop, number: &str, amount: i64) {
    sandbox_sql(
        shop,
        &format!(
            "DELETE FROM refunds;
             INSERT INTO refunds (rail, refund_no, order_no, amount, fee_back, code, text, trade_no, at)
             SELECT rail, '{number}', order_no, {amount}, {amount} * 6 / 1000, '', '', 'T9', paid_at + 172800 FROM orders;
             UPDATE orders SET refunded = {amount}"
        ),
    );
}

/// Takes over the bills up to the ninth, and gives what differs then.
fn bills_to_the_ninth(shop: &mut Shop) -> Vec<Value> {
    shop.at("2026-11-10T10:30");
    for day in 5..=9 {
        shop.run(&format!("recon fetch --rail alipay --day 2026-11-{day:02}"));
    }
    list(shop)
}

#[test]
fn money_given_back_in_the_console_is_not_given_back_again_by_a_settlement() {
    for amount in [19_900, 5_000] {
        let mut shop = shop(&[ALIPAY]);
        hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
        given_back(&shop, "CONSOLE1", amount);
        shop.at("2026-11-10T09:00")
            .run("agreement terminate a-1 --cause consumer --pet returned --reason x --yes")
            .exits(0);
        let it = bills_to_the_ninth(&mut shop).remove(0);
        let id = it["id"].as_str().unwrap();
        assert_eq!((&it["class"], &it["proposed"]), (&"missing_here".into(), &"accept".into()));
        shop.run("agreement confirm a-1 --yes").fails(1, &format!("a bill says that money of a-1 went back: {id}"));
        decisions(&shop, &[(id, "accept")]);
        shop.run("recon apply decided.csv").ok("taken over as f-1");
        shop.run("agreement confirm a-1 --yes").ok("a-1: terminated and settled");
        assert_eq!(ask_rail(&shop, "SELECT refunded FROM orders"), "19900");
        assert_eq!(number(&shop, "SELECT SUM(amount) FROM refund"), 19_900);
        assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'wallet%'"), 0);
        holds(&shop);
    }
}

/// A refund of the first term, refused by the rail.
fn refused() -> Shop {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    sandbox_sql(&shop, "UPDATE orders SET refunded = amount");
    shop.at("2026-11-08T09:00").run("debit refund a-1/1 --reason x --yes").fails(3, "the rail refused");
    sandbox_sql(&shop, "UPDATE orders SET refunded = 0");
    shop
}

#[test]
fn a_refused_refund_that_was_made_in_the_console_is_not_handed_over_as_well() {
    let mut shop = refused();
    given_back(&shop, "CONSOLE1", 19_900);
    let it = bills_to_the_ninth(&mut shop).remove(0);
    let id = it["id"].as_str().unwrap();
    assert_eq!((&it["class"], &it["proposed"]), (&"missing_here".into(), &"accept".into()));
    shop.run("debit hand-over f-1 --yes").fails(1, &format!("a bill says that the money of f-1 went back: {id}"));
    decisions(&shop, &[(id, "accept")]);
    shop.run("recon apply decided.csv").ok("f-1 went back, as their bill says");
    assert_eq!(ask(&shop, "SELECT state || ' ' || code FROM refund"), "paid BILL");
    assert_eq!(ask(&shop, "SELECT state FROM installment WHERE term = 1"), "refunded");
    shop.run("debit hand-over f-1 --yes").fails(1, "is not waiting to be paid by hand");
    shop.run("debit run").exits(0).hides("hand-over");
    shop.run("recon list --waiting").ok("nothing differs");
    holds(&shop);
}

#[test]
fn a_refused_refund_that_went_back_under_its_own_number_is_paid_from_the_bill_or_the_rail() {
    let number = |shop: &Shop| ask(shop, "SELECT refund_no FROM refund WHERE id = 1");
    // The bill tells it.
    let mut shop = refused();
    given_back(&shop, &number(&shop), 19_900);
    let it = bills_to_the_ninth(&mut shop).remove(0);
    let id = it["id"].as_str().unwrap();
    assert_eq!((&it["class"], &it["our_state"]), (&"status".into(), &"declined".into()));
    shop.run("debit hand-over f-1 --yes").fails(1, &format!("a bill says that the money of f-1 went back: {id}"));
    decisions(&shop, &[(id, "accept")]);
    shop.run("recon apply decided.csv").ok("f-1 went back, as their bill says");
    shop.run("debit run").exits(0).hides("hand-over");
    holds(&shop);
    // The rail tells it when somebody is about to hand the money over.
    let shop = refused();
    given_back(&shop, &number(&shop), 19_900);
    shop.run("debit hand-over f-1 --yes").fails(1, "alipay has paid f-1 after all");
    assert_eq!(ask(&shop, "SELECT count(*) || ' ' || MIN(state) FROM refund"), "1 paid");
    shop.run("debit run").exits(0).hides("hand-over");
    holds(&shop);
}

#[test]
fn a_refund_that_was_handed_over_and_stands_in_a_bill_too_went_back_once_too_often() {
    let mut shop = refused();
    shop.run("debit hand-over f-1 --yes").exits(0);
    given_back(&shop, &ask(&shop, "SELECT refund_no FROM refund WHERE id = 1"), 19_900);
    let it = bills_to_the_ninth(&mut shop).remove(0);
    let id = it["id"].as_str().unwrap();
    assert_eq!((&it["class"], &it["proposed"]), (&"duplicate".into(), &"book-as".into()));
    decisions(&shop, &[(id, "accept")]);
    shop.run("recon apply decided.csv").fails(3, "does not fit this difference");
}

/// A refund of 100.00 whose answer was lost, while the bill says that `amount` went back under its number.
fn billed(amount: i64) -> (Shop, String) {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    shop.run("sandbox fault alipay drop --times 1").exits(0);
    shop.at("2026-11-08T09:00").run("debit refund a-1/1 --amount 100 --reason x --yes").ok("is on its way");
    given_back(&shop, &ask(&shop, "SELECT refund_no FROM refund"), amount);
    let it = bills_to_the_ninth(&mut shop).remove(0);
    assert_eq!((&it["class"], &it["kind"]), (&"amount".into(), &"refund".into()));
    (shop, it["id"].as_str().unwrap().to_owned())
}

#[test]
fn a_refund_of_another_amount_is_taken_as_the_bill_says_and_is_no_question_any_more() {
    for (amount, wallet) in [(3_000, 16_900), (10_100, 9_800), (19_900, 0)] {
        let (shop, id) = billed(amount);
        decisions(&shop, &[(&id, "accept")]);
        shop.run("recon apply decided.csv").ok("of f-1 went back, as their bill says");
        assert_eq!(ask(&shop, "SELECT state || ' ' || amount FROM refund"), format!("paid {amount}"));
        assert_eq!(number(&shop, "SELECT refunded FROM charge"), amount);
        assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account = 'refunds_due'"), 0);
        assert_eq!(number(&shop, "SELECT -SUM(amount) FROM posting WHERE account = 'wallet:principal'"), wallet);
        assert_eq!(number(&shop, "SELECT SUM(points) FROM points"), wallet / 100);
        shop.run("recon list --waiting").ok("nothing differs");
        holds(&shop);
        // The settlement pays the rest, and not a fen more.
        shop.run("agreement terminate a-1 --cause consumer --pet returned --reason x --yes").exits(0);
        shop.run("agreement confirm a-1 --yes").ok("a-1: terminated and settled");
        assert_eq!(number(&shop, "SELECT SUM(amount) FROM refund"), 19_900);
        assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account = 'wallet:principal'"), 0);
        holds(&shop);
    }
}

#[test]
fn more_than_could_go_back_is_booked_by_name_and_its_refund_is_paid() {
    let (shop, id) = billed(19_900);
    shop.write("catalog.csv", include_bytes!("../../examples/data/catalog.csv"));
    shop.run("catalog import catalog.csv").exits(0);
    shop.run("orders add c-1 STP-003 --pay wallet --counter --yes").exits(0);
    let left = number(&shop, "SELECT -SUM(amount) FROM posting WHERE account = 'wallet:principal'");
    assert!((1..9_900).contains(&left), "{left}");
    decisions(&shop, &[(&id, "accept")]);
    let most = kibble::domain::money::Money::from_fen(10_000 + left).yuan();
    shop.run("recon apply decided.csv")
        .fails(3, &format!("¥199.00 of f-1 cannot have gone back: at most {most} could"));
    decisions(&shop, &[(&id, "book-as goodwill")]);
    shop.run("recon apply decided.csv").ok("¥99.00 is booked on goodwill");
    assert_eq!(ask(&shop, "SELECT state || ' ' || amount FROM refund"), "paid 10000");
    assert_eq!(number(&shop, "SELECT SUM(amount) FROM posting WHERE account = 'goodwill'"), 9_900);
    assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account = 'refunds_due'"), 0);
    shop.run("recon list --waiting").ok("nothing differs");
    holds(&shop);
}

#[test]
fn stray_money_of_which_the_bill_shows_a_part_is_booked_by_name_and_its_refund_is_paid() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    sql(
        &shop,
        "UPDATE installment SET state = 'open', paid_at = NULL WHERE term = 1; UPDATE charge SET state = 'declined', paid_at = NULL;
         DELETE FROM posting; DELETE FROM entry; DELETE FROM points; DELETE FROM message WHERE template = 'debit_success'",
    );
    shop.at("2026-11-10T10:30").run("recon fetch --rail alipay --day 2026-11-05").exits(3);
    decisions(&shop, &[(list(&shop)[0]["id"].as_str().unwrap(), "refund")]);
    shop.run("sandbox fault alipay drop --times 1").exits(0);
    shop.run("recon apply decided.csv").ok("goes back as f-1");
    given_back(&shop, &ask(&shop, "SELECT refund_no FROM refund"), 3_000);
    let it = bills_to_the_ninth(&mut shop).remove(0);
    let id = it["id"].as_str().unwrap();
    decisions(&shop, &[(id, "accept")]);
    shop.run("recon apply decided.csv").fails(3, "so it goes back wholly or not at all");
    decisions(&shop, &[(id, "book-as goodwill")]);
    shop.run("recon apply decided.csv").ok("¥169.00 is booked on goodwill");
    assert_eq!(ask(&shop, "SELECT state || ' ' || amount FROM refund"), "paid 19900");
    shop.run("recon list --waiting").ok("nothing differs");
    holds(&shop);
}

#[test]
fn a_settlement_of_which_the_bill_shows_less_still_pays_all_that_it_owes() {
    let mut shop = shop(&[ALIPAY]);
    hours(&shop, "2026-11-02T09:00", "2026-11-07T21:00");
    shop.at("2026-11-08T09:00")
        .run("agreement terminate a-1 --cause consumer --pet returned --reason x --yes")
        .exits(0);
    shop.run("sandbox fault alipay drop --times 1").exits(0);
    shop.run("agreement confirm a-1 --yes").exits(0);
    given_back(&shop, &ask(&shop, "SELECT refund_no FROM refund"), 3_000);
    let it = bills_to_the_ninth(&mut shop).remove(0);
    decisions(&shop, &[(it["id"].as_str().unwrap(), "accept")]);
    shop.run("recon apply decided.csv").ok("¥30.00 of f-1 went back, as their bill says");
    shop.run("debit run").exits(0);
    assert_eq!(ask(&shop, "SELECT state || ' ' || amount FROM refund ORDER BY id"), "paid 3000\npaid 16900");
    assert_eq!(ask(&shop, "SELECT state FROM agreement"), "ended");
    assert_eq!(ask_rail(&shop, "SELECT refunded FROM orders"), "19900");
    assert_eq!(number(&shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account = 'refunds_due'"), 0);
    holds(&shop);
}

#[test]
fn silence_without_a_bill_is_no_proof_and_entered_decisions_are_not_written_over() {
    let shop = Shop::opened();
    shop.run("recon list").ok("so nothing was compared").hides("nothing differs");
    shop.run("recon export --out open.csv").exits(0);
    shop.write("open.csv", "my decisions");
    shop.run("recon export --out open.csv").fails(1, "open.csv is there already").says("--yes");
    assert_eq!(shop.read("open.csv"), "my decisions");
    shop.run("recon export --out open.csv --yes").ok("0 differences are in open.csv");
}
