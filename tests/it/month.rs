//! A month on both real rails: 299 agreements of a shop's book, hourly runs, each in a process of its own; the providers stand in
//! processes of their own too, behind their own protocols. On the way answers and calls are lost, customers have no money, one
//! provider is down for six hours, and once a day the run is killed with SIGKILL. At the end both sides' books agree to the fen.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use kibble::adapters::rail::sandbox::{Book, Temper};
use kibble::clock::Clock;
use kibble::domain::date::At;
use kibble::domain::report::Period;
use kibble::ops::recon::{self, FetchOutcome, FetchWanted, Filter};

use crate::due::{ask, holds};
use crate::import::BOOK;
use crate::process::{self, this_program};
use crate::provider::alipay::Alipay;
use crate::provider::wechat::WechatPay;
use crate::provider::{Answered, Asked, Provider, Server};
use crate::rails::suite::profile;
use crate::real::{connect, links, open, take_over};
use crate::shop::Shop;

/// Of 100 calls, how many are cut before the work.
const DROPPED: u64 = 2;
/// Of 100 calls, how many lose their answer.
const LOST: u64 = 5;
/// Of 10,000 charges, how many find no money.
const NO_FUNDS_BPS: u32 = 1_000;

// ---- The other processes ----------------------------------------------------------------------------------------------------

/// Not a test: a provider in a process of its own. Its folder says which; what it is told comes line by line.
#[test]
#[ignore = "the month below starts it"]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a process of its own talks to the one that started it"
)]
fn provider_process() {
    let Some(folder) = std::env::var_os("KIBBLE_TEST_PROVIDER").map(PathBuf::from) else { return };
    let clock = Clock::fixed("2026-11-01T00:00:00Z".parse().unwrap());
    let book = Arc::new(Book::open(&folder.join("book.db")).unwrap());
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let temper = Temper { seed: 7, no_funds_bps: NO_FUNDS_BPS, ..Temper::default() };
    let inner = match name.as_str() {
        "alipay" => Inner::Alipay(Alipay::new("alipay", profile("alipay"), clock.clone(), book).with_temper(temper)),
        _ => {
            let provider = WechatPay::new("wechat", profile("wechat-prenotify"), clock.clone(), book);
            Inner::Wechat(provider.with_temper(temper))
        }
    };
    let rough = Arc::new(Rough { inner, asked: AtomicU64::new(0), server: OnceLock::new() });
    let server = rough.server.get_or_init(|| Server::start(rough.clone()));
    if let Inner::Alipay(alipay) = &rough.inner {
        alipay.at(&server.url());
    }
    println!("ok {}", server.url());
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["at", time] => clock.set(time.parse().unwrap()),
            ["down"] => server.set_down(true),
            ["up"] => server.set_down(false),
            ["agree", payer, link] => rough.inner.agrees(link, payer),
            _ => panic!("{line}"),
        }
        println!("ok");
    }
}

/// Not a test: one debit run in a process of its own, at a time of the test's.
#[test]
#[ignore = "the month below starts it"]
#[allow(clippy::disallowed_methods, reason = "a process of its own is told by its environment what to do")]
fn run_process() {
    let Some(folder) = std::env::var_os("KIBBLE_TEST_RUN").map(PathBuf::from) else { return };
    let at = std::env::var("KIBBLE_TEST_AT").unwrap();
    crate::real::run(&open(&folder, &at));
}

enum Inner {
    Alipay(Alipay),
    Wechat(WechatPay),
}

impl Inner {
    fn agrees(&self, link: &str, payer: &str) {
        match self {
            Inner::Alipay(it) => it.agrees(&it.opens(link, payer)),
            Inner::Wechat(it) => it.customer_signs(link, payer).unwrap(),
        }
    }

    fn provider(&self) -> &dyn Provider {
        match self {
            Inner::Alipay(it) => it,
            Inner::Wechat(it) => it,
        }
    }
}

/// A provider at the end of a bad line: every so many calls one is lost before or after the work.
struct Rough {
    inner: Inner,
    asked: AtomicU64,
    server: OnceLock<Server>,
}

impl Provider for Rough {
    fn answer(&self, asked: &Asked) -> Answered {
        self.inner.provider().answer(asked)
    }

    /// Asked once for every call: here it is decided what becomes of it, and any call may be struck.
    fn moves_money(&self, _: &Asked) -> bool {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let server = self.server.get().unwrap();
        match number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF {
            roll if roll * 100 < DROPPED << 16 => server.drop_next(),
            roll if roll * 100 < (DROPPED + LOST) << 16 => server.lose_next(),
            _ => {}
        }
        true
    }

    fn now(&self) -> At {
        self.inner.provider().now()
    }
}

/// A provider's process, as the test sees it.
struct Standing {
    process: process::Standing,
    url: String,
    book: PathBuf,
}

impl Standing {
    fn start(root: &Path, name: &str) -> Standing {
        let folder = root.join(name);
        fs::create_dir(&folder).unwrap();
        let mut command = this_program("month::provider_process");
        command.env("KIBBLE_TEST_PROVIDER", &folder);
        let (process, url) = process::Standing::start(command);
        Standing { process, url, book: folder.join("book.db") }
    }

    fn tell(&mut self, line: &str) {
        self.process.tell(line);
    }
}

fn run(shop: &Shop, at: &str) -> Child {
    this_program("month::run_process")
        .env("KIBBLE_TEST_RUN", shop.dir())
        .env("KIBBLE_TEST_AT", at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ran(child: Child, at: &str) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{at}: {}", String::from_utf8_lossy(&output.stderr));
}

// ---- The month --------------------------------------------------------------------------------------------------------------

/// A shop with real accounts at both providers and its whole book signed.
fn opened(shop: &Shop, alipay: &mut Standing, wechat: &mut Standing) {
    connect(shop, "", &alipay.url, &wechat.url);
    let done = take_over(shop, &open(&shop.dir(), "2026-11-01T08:00"), BOOK);
    assert_eq!((done.accepted, done.links.made, done.links.missing), (299, 299, 0), "{:?}", done.links.troubles);
    for (mandate, link) in links(shop) {
        let provider = if link.contains("entrustweb") { &mut *wechat } else { &mut *alipay };
        provider.tell(&format!("agree {mandate} {link}"));
    }
}

/// What the providers have in their books, order by order.
fn theirs(providers: [&Standing; 2]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for provider in providers {
        let book = rusqlite::Connection::open(&provider.book).unwrap();
        let mut query =
            book.prepare("SELECT rail || '|' || order_no || '|' || amount FROM orders WHERE state = 'paid'").unwrap();
        lines.extend(query.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn a_month_of_lost_calls_outages_and_kills_charges_everybody_once() {
    let root = tempfile::tempdir().unwrap();
    let mut alipay = Standing::start(root.path(), "alipay");
    let mut wechat = Standing::start(root.path(), "wechat");
    let shop = Shop::opened();
    opened(&shop, &mut alipay, &mut wechat);

    let mut at: NaiveDateTime = "2026-11-01T09:00:00".parse().unwrap();
    let end: NaiveDateTime = "2026-12-01T00:00:00".parse().unwrap();
    let mut killed = 0;
    while at <= end {
        let text = at.format("%Y-%m-%dT%H:%M").to_string();
        let utc = (at - TimeDelta::hours(8)).and_utc();
        for provider in [&mut alipay, &mut wechat] {
            provider.tell(&format!("at {}", utc.to_rfc3339()));
        }
        // WeChat Pay is down for six hours of the month's busiest days.
        match text.as_str() {
            "2026-11-10T09:00" => wechat.tell("down"),
            "2026-11-10T15:00" => wechat.tell("up"),
            _ => {}
        }
        // Once a day the power goes while the run is at work.
        if at.hour() == 9 {
            let mut child = run(&shop, &text);
            std::thread::sleep(Duration::from_millis(
                10 + u64::from(at.date().to_string().bytes().map(u32::from).sum::<u32>()) * 7 % 90,
            ));
            killed += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        ran(run(&shop, &text), &text);
        at += TimeDelta::hours(1);
    }
    assert!(killed > 2, "only {killed} of the kills met a run at work");

    let paid =
        ask(&shop, "SELECT rail || '|' || order_no || '|' || amount FROM charge WHERE state = 'paid' ORDER BY 1");
    let theirs = theirs([&alipay, &wechat]);
    assert!(paid == theirs, "the books differ:\n{}", difference(&paid, &theirs));
    let count = |sql: &str| -> i64 { ask(&shop, sql).parse().unwrap() };
    assert!(count("SELECT count(*) FROM charge WHERE state = 'paid'") > 250);
    assert_eq!(ask(&shop, "SELECT order_no FROM charge GROUP BY order_no HAVING count(*) > 1"), "");
    let twice = "SELECT agreement_id, term FROM charge WHERE state = 'paid' GROUP BY 1, 2 HAVING count(*) > 1";
    assert_eq!(ask(&shop, twice), "");
    let unsettled =
        "SELECT count(*) FROM charge WHERE state IN ('noted', 'unknown') AND noted_at < '2026-11-30T00:00:00Z'";
    assert_eq!(count(unsettled), 0);
    // Nobody was lost: what is due and not paid has failed or was missed, by name.
    let forgotten = "SELECT 'a-' || agreement_id || '/' || term FROM installment
        WHERE due BETWEEN '2026-11-01' AND '2026-11-27' AND state = 'open' AND course NOT IN ('failed', 'missed')";
    assert_eq!(ask(&shop, forgotten), "");
    // Answers were lost, found no money, and came late: the month was not an easy one.
    assert!(count("SELECT count(*) FROM audit WHERE op = 'charges_written' AND detail LIKE '%unknown%'") > 5);
    assert!(count("SELECT count(*) FROM charge WHERE state = 'declined'") > 10);
    holds(&shop);
    reconciles(&shop, [&mut alipay, &mut wechat]);
    holds(&shop);
}

/// The providers' own bills of the month say the same, to the fen, with every fee booked.
fn reconciles(shop: &Shop, providers: [&mut Standing; 2]) {
    let at = "2026-12-04T11:00";
    let ctx = open(&shop.dir(), at);
    for provider in providers {
        provider.tell(&format!("at {}", ctx.now().to_rfc3339()));
    }
    let month = Period::month("2026-11").unwrap();
    let wanted = FetchWanted { month: Some(month), ..FetchWanted::default() };
    // The line is as bad as ever: what was lost is asked for again.
    let mut missing: BTreeSet<(String, NaiveDate)> = BTreeSet::new();
    for round in 0..20 {
        for fetched in recon::fetch(&ctx, &wanted, ctx.now()).unwrap() {
            let bill = (fetched.rail, fetched.first_day);
            match fetched.outcome {
                FetchOutcome::Taken(_) | FetchOutcome::None { .. } => drop(missing.remove(&bill)),
                _ if round == 0 => drop(missing.insert(bill)),
                _ => {}
            }
        }
        if missing.is_empty() {
            break;
        }
    }
    assert_eq!(missing, BTreeSet::new());
    let open = recon::differences(&ctx, Filter::default(), ctx.now()).unwrap();
    assert!(open.is_empty(), "{open:#?}");
    let paid = ask(shop, "SELECT rail || '|' || SUM(amount) FROM charge WHERE state = 'paid' GROUP BY rail ORDER BY 1");
    let billed =
        ask(shop, "SELECT rail || '|' || SUM(amount) FROM bill_line WHERE kind = 'payment' GROUP BY rail ORDER BY 1");
    assert_eq!(paid, billed);
    let fees = ask(shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'fee%'");
    assert_ne!(fees, "0");
}

fn difference(ours: &str, theirs: &str) -> String {
    let only =
        |a: &str, b: &str| a.lines().filter(|line| !b.lines().any(|it| it == *line)).collect::<Vec<_>>().join("\n");
    format!("ours alone:\n{}\ntheirs alone:\n{}", only(ours, theirs), only(theirs, ours))
}
