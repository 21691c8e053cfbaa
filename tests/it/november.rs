//! The first month of a shop that brings its book: every accepted row is charged in November exactly once or accounted for by
//! name, and the provider's book, the wallets, the journal and the accountant's files agree to the fen. The hours run in this
//! process; some of them, and everything round them, through the program.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use chrono::{NaiveDateTime, TimeDelta};
use kibble::ops::debit::{self, Options, Outcome};
use kibble::ops::{Ctx, read_now};

use crate::due::{ask, ask_rail, counts, holds, set};
use crate::import::BOOK;
use crate::shop::Shop;

const CATALOG: &[u8] = include_bytes!("../../examples/data/catalog.csv");
/// Accounts of the journal whose sums must agree with the provider's book.
const CLEARING: &str = "account LIKE 'rail:%'";

/// The shop on the morning of its first day, every mandate agreed to.
fn opened(settings: &str) -> Shop {
    let mut shop = Shop::opened();
    set(&shop, settings);
    shop.at("2026-11-01T08:00");
    shop.write("catalog.csv", CATALOG);
    shop.write("customers.csv", BOOK);
    shop.run("catalog import catalog.csv").exits(0);
    let answer = shop.run("agreement import customers.csv --paid-until 2026-10-31 --json").json();
    // Two of the book turn eighteen later this month.
    assert_eq!((&answer["accepted"], &answer["refused"]), (&299.into(), &12.into()));
    shop.run("sandbox sign --all").exits(0);
    shop
}

/// Every hour of November, and the first of December; at night only every `at_night` hours.
fn november(shop: &mut Shop, at_night: u32) {
    let mut at: NaiveDateTime = "2026-11-01T09:00:00".parse().unwrap();
    let end: NaiveDateTime = "2026-12-01T00:00:00".parse().unwrap();
    let ctx = Ctx::open(&shop.dir(), Some("2026-11-01T09:00")).unwrap();
    while at <= end {
        let text = at.format("%Y-%m-%dT%H:%M").to_string();
        let hour = chrono::Timelike::hour(&at);
        if !(7..22).contains(&hour) && !hour.is_multiple_of(at_night) {
            at += TimeDelta::hours(1);
            continue;
        }
        if at.format("%d %H").to_string() == "05 09" {
            // The busiest hour, as cron has it; once more changes nothing.
            shop.at(&text).run("debit run").says("charged");
            let ran = shop.run("debit run");
            assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
            let before = counts(shop);
            shop.run("debit run");
            assert_eq!(counts(shop), before);
        } else {
            ctx.clock.set(read_now(&text, ctx.zone()).unwrap());
            run_here(&ctx);
        }
        at += TimeDelta::hours(1);
    }
    shop.at("2026-12-01T09:00");
}

/// A run in this process. Another test that starts a program at this very moment holds a copy of the lock until that program
/// begins, so a busy lock is tried again.
pub fn run_here(ctx: &Ctx) {
    loop {
        match debit::run(ctx, &Options::default()) {
            Ok(Outcome::Ran(_)) => return,
            Ok(Outcome::Busy) => std::thread::yield_now(),
            Err(error) => panic!("{}: {error:#}", ctx.now()),
        }
    }
}

fn fen(text: &str) -> i64 {
    if text.is_empty() {
        return 0;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (yuan, cents) = digits.split_once('.').unwrap_or((digits, "00"));
    sign * (yuan.replace(',', "").parse::<i64>().unwrap() * 100 + cents.parse::<i64>().unwrap())
}

fn number(text: String) -> i64 {
    text.parse().unwrap()
}

/// A CSV of the export: a line as a map from heading to cell.
fn csv(shop: &Shop, name: &str) -> Vec<BTreeMap<String, String>> {
    let text = shop.read(&format!("out/{name}"));
    let text =
        text.strip_prefix('\u{feff}').unwrap_or_else(|| panic!("{name} has no byte order mark, which Excel needs"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().clone();
    let lines = reader
        .records()
        .map(|line| head.iter().map(str::to_owned).zip(line.unwrap().iter().map(str::to_owned)).collect());
    lines.collect()
}

/// Everything that must agree.
fn agrees(shop: &Shop) -> i64 {
    // The provider's book, by its own orders.
    let provider =
        number(ask_rail(shop, "SELECT COALESCE(SUM(amount - refunded), 0) FROM orders WHERE state = 'paid'"));
    let paid = number(ask(shop, "SELECT COALESCE(SUM(amount), 0) FROM charge WHERE state = 'paid'"));
    let wallets = number(ask(shop, "SELECT -COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'wallet:%'"));
    let clearing = number(ask(shop, &format!("SELECT COALESCE(SUM(amount), 0) FROM posting WHERE {CLEARING}")));
    let opening = number(ask(shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'opening%'"));
    assert_eq!((paid, clearing, wallets - opening), (provider, provider, provider));
    // Rail by rail, order by order.
    let theirs = ask_rail(shop, "SELECT rail, order_no, amount FROM orders WHERE state = 'paid' ORDER BY 1, 2");
    let ours = ask(shop, "SELECT rail, order_no, amount FROM charge WHERE state = 'paid' ORDER BY 1, 2");
    assert!(theirs == ours, "the paid orders differ");

    shop.run("report export --month 2026-11 --out out --full --reason test").exits(0);
    let charged: i64 = csv(shop, "charges.csv").iter().map(|it| fen(&it["Collected"])).sum();
    let summary = csv(shop, "summary.csv");
    for line in &summary {
        assert!(line["From the file"].is_empty() || line["From the file"] == line["From the books"], "{line:?}");
    }
    let told = summary.iter().find(|it| it["File"] == "charges.csv" && it["What"] == "Collected").unwrap();
    assert_eq!((charged, fen(&told["From the file"])), (provider, provider), "charges.csv, summary.csv");
    provider
}

/// hledger reads the exported journal, and finds the same in every wallet as `wallet show`.
#[allow(clippy::disallowed_methods, reason = "where the tests themselves run decides whether hledger must be there")]
fn hledger(shop: &Shop) {
    let file = shop.path("out/2026-11.journal");
    let hledger = |args: &[&str]| Command::new("hledger").arg("-f").arg(&file).args(args).output();
    let Ok(check) = hledger(&["check"]) else {
        let wanted = std::env::var("KIBBLE_REQUIRE_HLEDGER").is_ok_and(|it| it == "1");
        assert!(!wanted, "hledger is not on the PATH");
        return;
    };
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let balances = hledger(&["balance", "wallet", "--flat", "--no-total", "-O", "csv"]).unwrap();
    let said = String::from_utf8(balances.stdout).unwrap();
    let mut reader = csv::Reader::from_reader(said.as_bytes());
    let theirs: BTreeMap<String, i64> = reader
        .records()
        .map(|line| line.unwrap())
        .map(|line| (line[0].rsplit(':').next().unwrap().to_owned(), -fen(line[1].trim_end_matches(" CNY"))))
        .collect();
    let ours: BTreeMap<String, i64> = ask(
        shop,
        "SELECT 'c-' || customer_id, -SUM(amount) FROM posting WHERE account LIKE 'wallet:%' GROUP BY 1 HAVING SUM(amount) <> 0",
    )
    .lines()
    .map(|line| line.split_once('|').unwrap())
    .map(|(customer, fen)| (customer.to_owned(), fen.parse().unwrap()))
    .collect();
    assert_eq!(theirs, ours);
    for (customer, balance) in theirs.iter().take(5) {
        let shown = shop.run(&format!("wallet show {customer} --json")).json();
        assert_eq!(fen(shown["balance"].as_str().unwrap()), *balance, "{shown}");
    }
}

/// Terms due in November, by what became of them.
fn outcomes(shop: &Shop) -> BTreeMap<String, i64> {
    let sql = "SELECT state || ' ' || course, count(*) FROM installment WHERE due BETWEEN '2026-11-01' AND '2026-11-30' GROUP BY 1";
    ask(shop, sql)
        .lines()
        .map(|line| line.split_once('|').unwrap())
        .map(|(what, count)| (what.into(), count.parse().unwrap()))
        .collect()
}

#[test]
fn every_accepted_row_is_charged_once_in_november() {
    let mut shop = opened("");
    november(&mut shop, 1);
    let rows = number(ask(&shop, "SELECT count(*) FROM agreement"));
    let none = number(ask(
        &shop,
        "SELECT count(*) FROM agreement a WHERE NOT EXISTS (SELECT 1 FROM installment i
        WHERE i.agreement_id = a.id AND i.due BETWEEN '2026-11-01' AND '2026-11-30')",
    ));
    let found = outcomes(&shop);
    let paid = found.iter().filter(|it| it.0.starts_with("paid")).map(|it| it.1).sum::<i64>();
    let named: Vec<String> = ask(
        &shop,
        "SELECT 'a-' || agreement_id || '/' || term FROM installment
        WHERE due BETWEEN '2026-11-01' AND '2026-11-30' AND state <> 'paid'",
    )
    .lines()
    .map(str::to_owned)
    .collect();
    assert_eq!(rows, 299);
    assert_eq!(paid + none + i64::try_from(named.len()).unwrap(), rows, "{found:?}");
    // What was not charged fell due before its announcement could be old enough, and is listed by name.
    let listed = shop.run("debit list overdue").out;
    for id in &named {
        assert!(listed.contains(&format!("{id} ")), "{id} is not accounted for: {listed}");
    }
    let debits = "SELECT count(*) FROM charge WHERE kind = 'debit'";
    assert_eq!(number(ask(&shop, debits)), paid, "nobody was charged twice, and nobody declined");
    assert_eq!(number(ask_rail(&shop, "SELECT count(*) FROM orders WHERE state = 'paid'")), paid);
    agrees(&shop);
    holds(&shop);
    hledger(&shop);
}

#[test]
fn declines_and_lost_answers_leave_nobody_unaccounted_for() {
    let mut shop = opened("no_funds_bps = 1500\nlimit_bps = 300\nlose_answer_bps = 700");
    november(&mut shop, 3);
    let found = outcomes(&shop);
    let failed = found.get("open failed").copied().unwrap_or_default();
    assert!(failed > 0 && found.get("paid planned").copied().unwrap_or_default() > 200, "{found:?}");
    assert_eq!(found.get("open planned").copied().unwrap_or_default(), 0, "{found:?}");
    let listed = shop.run("debit list overdue").out;
    for id in ask(
        &shop,
        "SELECT 'a-' || agreement_id || '/' || term FROM installment
        WHERE due BETWEEN '2026-11-01' AND '2026-11-28' AND state = 'open'",
    )
    .lines()
    {
        assert!(listed.contains(&format!("{id} ")), "{id} is not accounted for");
    }
    let most = "SELECT MAX(n) FROM (SELECT count(*) AS n FROM charge WHERE kind = 'debit' GROUP BY agreement_id, term)";
    assert_eq!(ask(&shop, most), "3");
    agrees(&shop);
    holds(&shop);
    hledger(&shop);
    fs::remove_dir_all(shop.path("out")).unwrap();
}
