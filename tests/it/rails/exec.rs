//! The shared suite on a program of its own: `examples/exec_rail.rs`, which stands between kibble and the sandbox's engine. Its book
//! is a file that the stage opens too, to play the customer and the bank.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use chrono_tz::Asia::Shanghai;
use kibble::adapters::rail::exec::{Account, Exec};
use kibble::adapters::rail::sandbox::{Book, FaultKind, FaultSpan};
use kibble::adapters::rail::{BillPeriod, Capability, Level, Rail};
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::bill::Dialect;
use kibble::domain::date::plus_days;
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Reason};
use kibble::ops::sign::{self, Acknowledged, Form};
use kibble::ops::{Ctx, mandate, read_now};
use tempfile::TempDir;

use crate::november::run_here;
use crate::rails::suite::{Mishap, Stage, Trick, at, charge, due, profile, rail_suite, ready};
use crate::shop::Shop;
use crate::signing::rows;

rail_suite!(alipay, stage("alipay"));
rail_suite!(wechat_prenotify, stage("wechat-prenotify"));
rail_suite!(wechat_notify24h, stage("wechat-notify24h"));

/// What the program calls its bank.
const BANK: &str = "bank";

struct Play {
    rail: Exec,
    clock: Clock,
    book: Book,
    folder: TempDir,
}

impl Stage for Play {
    fn rail(&self) -> &dyn Rail {
        &self.rail
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn keeps_date(&self) -> bool {
        Dialect::of(BANK, self.rail.profile()) == Dialect::Alipay
    }

    fn agree(&self, contract_no: &str) {
        self.book.agree(BANK, contract_no, self.clock.now()).unwrap();
    }

    fn revoke(&self, contract_no: &str) {
        self.book.revoke(BANK, contract_no, self.clock.now()).unwrap();
    }

    fn fund(&self, payer: &str, amount: Money) {
        self.book.fund(payer, amount).unwrap();
    }

    fn pay_link(&self, order_no: &str) {
        // A closed link refuses, which the suite sees by asking the rail.
        let _ = self.book.pay_link_order(BANK, order_no, self.clock.now());
    }

    fn mishap(&self, mishap: Mishap) {
        let told = self.folder.path().join("told");
        let word = match mishap {
            Mishap::Drop => "drop",
            Mishap::LoseAnswer => "lose",
            Mishap::Garbage => "garbage",
            Mishap::Down => "down",
            Mishap::Up => {
                fs::remove_file(&told).unwrap();
                return;
            }
        };
        fs::write(&told, word).unwrap();
    }

    fn trick(&self, trick: Trick) -> bool {
        let word = match trick {
            Trick::OtherOrder => "order",
            Trick::OtherAmount => "amount",
            Trick::TooMany | Trick::Maintenance => "down",
            Trick::ErrorPage => "page",
            Trick::Over => {
                fs::remove_file(self.folder.path().join("told")).unwrap();
                return true;
            }
            // Signatures and the provider's clock are between the program and its provider.
            Trick::BadSignature | Trick::NoSignature | Trick::ForeignSignature | Trick::ClockOff => return false,
        };
        fs::write(self.folder.path().join("told"), word).unwrap();
        true
    }

    fn decline_next(&self, reason: Reason) -> Option<Reason> {
        self.book.set_fault(BANK, FaultKind::Decline, FaultSpan::Times(1), Some(reason)).unwrap();
        Some(reason)
    }

    fn moved(&self) -> Money {
        let totals = self.book.totals(BANK).unwrap();
        totals.paid - totals.refunded
    }
}

fn stage(name: &str) -> Play {
    let clock = Clock::fixed(at(due(), 10));
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let book = Book::open(Path::new(&path("book.db"))).unwrap();
    let command = vec![program().display().to_string(), path("book.db"), name.to_owned(), path("told")];
    let account = Account { command, timeout_seconds: 60 };
    Play { rail: Exec::open(BANK, profile(name), clock.clone(), account), clock, book, folder }
}

/// The example, as `cargo test` builds it beside the tests. `cargo test --test it` builds no examples, so it is built here then.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let profile = tests.parent().and_then(Path::parent).expect("a test lies in deps/ of its profile's folder");
        let path = profile.join("examples").join(format!("exec_rail{}", std::env::consts::EXE_SUFFIX));
        if !path.exists() {
            let target = profile.parent().expect("a profile's folder lies in the target folder");
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--offline", "--quiet", "--example", "exec_rail", "--target-dir"]).arg(target);
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(build.status().unwrap().success(), "build it with `cargo build --example exec_rail`");
        }
        path
    })
}

#[test]
fn the_program_says_who_it_is_and_what_it_can() {
    let stage = stage("alipay");
    let findings = stage.rail.inspect();
    assert!(findings[0].level == Level::Ok && findings[0].what.contains("exec_rail 1.0"), "{findings:?}");
    let able = stage.rail.capabilities();
    assert!(able.contains(&Capability::Refund) && !able.contains(&Capability::Notice), "{able:?}");
    assert_eq!(stage.rail.health().unwrap().provider_time, Some(stage.clock.now()));
}

#[test]
fn a_bill_comes_as_a_file() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    stage.clock.set(at(plus_days(due(), 1), 12));
    let bill = stage.rail.bill(BillPeriod::Day(due())).unwrap();
    assert!(String::from_utf8(bill.bytes).unwrap().contains("n1"));
}

#[test]
fn it_goes_on_after_kibble_is_gone_with_the_same_book() {
    let first = stage("alipay");
    let mandate = ready(&first);
    assert_eq!(charge(&first, &mandate, "n1").answer, Answer::Paid);
    // Another kibble starts the program anew.
    let Play { rail, clock, book, folder } = first;
    let account = Account {
        command: vec![
            program().display().to_string(),
            folder.path().join("book.db").display().to_string(),
            "alipay".to_owned(),
        ],
        timeout_seconds: 60,
    };
    drop(rail);
    let second = Play { rail: Exec::open(BANK, profile("alipay"), clock.clone(), account), clock, book, folder };
    assert_eq!(charge(&second, &mandate, "n1").answer, Answer::Paid);
    assert_eq!(second.moved(), Money::from_fen(19_900));
}

/// A shop whose rail `alipay` is the program; its bank's book lies beside the settings.
fn shop() -> (Shop, Book) {
    let shop = Shop::opened();
    let book = shop.path("bank.db");
    let account = format!(
        "[rail.alipay]\nadapter = \"exec\"\n[rail.alipay.account]\ncommand = [\"{}\", \"{}\", \"alipay\"]\n",
        program().display(),
        book.display()
    );
    let settings = shop.read("shop.toml").replace("[rail.alipay]\nadapter = \"sandbox\"\n", &account);
    let settings = settings
        .replace("uscc = \"\"", "uscc = \"91110101MA00TEST0X\"")
        .replace("address = \"\"", "address = \"示例市青禾路1号\"")
        .replace("\nphone = \"\"", "\nphone = \"010-00000000\"");
    shop.write("shop.toml", settings);
    let book = Book::open(&book).unwrap();
    (shop, book)
}

#[test]
fn the_doctor_names_the_program_and_time_is_not_pretended_beside_it() {
    let (mut shop, _) = shop();
    let ran = shop.run("doctor");
    ran.says("✓ payment rail alipay: exec_rail 1.0 answers").says("✓ payment rail alipay: it answers");
    ran.says("it can do: sign links").says("this computer's clock agrees");
    ran.says("! payment rail wechat: a sandbox beside rails that move real money");
    let settings = shop.read("shop.toml").replace("exec_rail", "no_such_rail");
    shop.write("shop.toml", settings);
    shop.run("doctor --offline")
        .exits(3)
        .says("✗ payment rail alipay: rail.alipay.account.command: ")
        .says("cannot be started");
    shop.run("wallet show c-1").fails(1, "c-1");
    shop.at("2026-12-05T10:00").run("doctor").fails(2, "a payment rail of this shop moves real money");
}

#[test]
fn a_term_is_signed_announced_and_charged_through_the_program_once() {
    let (shop, book) = shop();
    let config = Config::load(&shop.dir()).unwrap();
    let ctx = Ctx::wire(config, Clock::fixed(read_now("2026-11-10T10:00", Shanghai).unwrap())).unwrap();
    let form = "name = '王小明'\nphone = '19900000001'\nid_number = '119999198506150016'\npet_name = '团子'\nspecies = 'cat'\n\
                reference_cost = '900'\nplan = 'cat-199-12'\nrail = 'alipay'\nacknowledged = true\n";
    let now = ctx.now();
    let prepared = sign::prepare(&ctx, &Form::read("form", form).unwrap(), now).unwrap();
    let shown = Acknowledged { shown_at: now, acknowledged_at: now, explained: true };
    let signed = sign::sign(&ctx, &prepared, &vec![shown; prepared.points.len()], now).unwrap();
    assert!(signed.links[0].url.as_deref().unwrap().starts_with("https://"), "{:?}", signed.links);
    assert_eq!(book.agree_all(ctx.now()).unwrap().len(), 1);
    assert_eq!(mandate::sync_waiting(&ctx, ctx.now()).unwrap().activated.len(), 1);
    for (at, paid) in [("2026-12-07T10:00", 0), ("2026-12-10T10:00", 19_900), ("2026-12-10T11:00", 19_900)] {
        ctx.clock.set(read_now(at, Shanghai).unwrap());
        run_here(&ctx);
        assert_eq!(book.totals(BANK).unwrap().paid, Money::from_fen(paid), "{at}");
    }
    assert_eq!(rows(&shop, "SELECT 1 FROM charge WHERE state = 'paid' AND trade_no IS NOT NULL"), 1);
}
