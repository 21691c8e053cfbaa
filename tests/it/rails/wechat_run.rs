//! Debit runs on WeChat Pay in earnest. The shop was rehearsed on its sandbox, whose book then stands behind WeChat Pay, so that
//! mandates and money are the same on both sides.

use std::sync::Arc;

use chrono::Duration;
use kibble::adapters::rail::sandbox::Book;
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::money::Money;
use kibble::ops::debit::report::{Concern, RunReport};
use kibble::ops::debit::{self, Options, Outcome};
use kibble::ops::{Ctx, notice, read_now};
use tempfile::TempDir;

use crate::due::{ALIPAY, Row, WECHAT, ask, charges, holds, shop, wallet};
use crate::provider::wechat::{self, Trick, WechatPay};
use crate::provider::{Server, key_file};
use crate::rails::suite::profile;
use crate::shop::Shop;

/// A shop with WeChat Pay in earnest.
struct Till {
    shop: Shop,
    clock: Clock,
    provider: Arc<WechatPay>,
    server: Server,
    keys: TempDir,
}

impl Till {
    fn open(rows: &[Row<'_>], mode: &str) -> Till {
        let mut shop = shop(rows);
        shop.in_real_time();
        let clock = Clock::fixed(at("2026-11-01T12:00"));
        let book = Arc::new(Book::open(&shop.path("sandbox.db")).unwrap());
        let provider = Arc::new(WechatPay::new("wechat", profile(mode), clock.clone(), book));
        let server = Server::start(provider.clone());
        let till = Till { shop, clock, provider, server, keys: TempDir::new().unwrap() };
        till.settings(mode, |_| {});
        till
    }

    /// `shop.toml` names WeChat Pay's account in place of the sandbox.
    fn settings(&self, mode: &str, change: impl FnOnce(&mut toml::Table)) {
        let mut account = wechat::account(self.keys.path(), &self.server.url());
        change(&mut account);
        let mut settings: toml::Table = toml::from_str(&self.shop.read("shop.toml")).unwrap();
        let rail = settings["rail"]["wechat"].as_table_mut().unwrap();
        rail.insert("adapter".to_owned(), "wechat".into());
        rail.insert("profile".to_owned(), mode.into());
        rail.insert("account".to_owned(), account.into());
        self.shop.write("shop.toml", toml::to_string(&settings).unwrap());
    }

    fn ctx(&self) -> Ctx {
        Ctx::wire(Config::load(&self.shop.dir()).unwrap(), self.clock.clone()).unwrap()
    }

    fn run(&self, time: &str) -> RunReport {
        self.clock.set(at(time));
        match debit::run(&self.ctx(), &Options::default()).unwrap() {
            Outcome::Ran(report) => *report,
            Outcome::Busy => panic!("busy"),
        }
    }

    /// The runs before a term due on 2026-11-05: announced here, and at the rail.
    fn announced(&self) {
        for time in ["2026-11-02T08:00", "2026-11-03T09:00", "2026-11-04T09:00"] {
            let report = self.run(time);
            assert!(report.needs.is_empty(), "{:?}", report.needs);
        }
    }

    fn asked(&self, path: &str) -> usize {
        self.server.asked().iter().filter(|it| it.path.starts_with(path)).count()
    }
}

fn at(text: &str) -> kibble::domain::date::At {
    read_now(text, chrono_tz::Asia::Shanghai).unwrap()
}

const AMOUNT: Money = Money::from_fen(19_900);

#[test]
fn a_term_is_noticed_debited_once_and_booked() {
    let till = Till::open(&[WECHAT], "wechat-prenotify");
    till.announced();
    assert_eq!((till.asked("/v3/papay/contracts/"), till.asked("/pay/pappayapply")), (1, 0));
    let report = till.run("2026-11-05T09:00");
    assert!(report.needs.is_empty(), "{:?}", report.needs);
    assert_eq!(charges(&till.shop), "a-1/1 1 debit wechat paid");
    assert_eq!((wallet(&till.shop, 1), till.provider.moved()), (19_900, AMOUNT));
    till.run("2026-11-05T10:00");
    assert_eq!((till.asked("/pay/pappayapply"), till.provider.moved()), (1, AMOUNT));
    holds(&till.shop);
}

#[test]
fn a_debit_that_waits_a_day_is_settled_by_the_run_after_it() {
    let till = Till::open(&[WECHAT], "wechat-notify24h");
    till.announced();
    till.run("2026-11-05T09:00");
    assert_eq!(charges(&till.shop), "a-1/1 1 debit wechat pending");
    till.run("2026-11-05T15:00");
    assert_eq!((charges(&till.shop).as_str(), till.provider.moved()), ("a-1/1 1 debit wechat pending", Money::ZERO));
    till.run("2026-11-06T10:00");
    assert_eq!((charges(&till.shop).as_str(), wallet(&till.shop, 1)), ("a-1/1 1 debit wechat paid", 19_900));
    assert_eq!((till.asked("/pay/pappayapply"), till.provider.moved()), (1, AMOUNT));
    holds(&till.shop);
}

#[test]
fn an_answer_that_was_lost_or_forged_is_asked_for_and_never_repeated_under_another_number() {
    for trick in [None, Some(Trick::BadSignature), Some(Trick::Page), Some(Trick::DoneBut("SYSTEMERROR"))] {
        let till = Till::open(&[WECHAT], "wechat-prenotify");
        till.announced();
        match trick {
            Some(trick) => till.provider.play("/pay/pappayapply", trick),
            None => till.server.lose_next(),
        }
        let report = till.run("2026-11-05T09:00");
        assert!(!report.needs.is_empty(), "an unknown outcome is told");
        assert_eq!(charges(&till.shop), "a-1/1 1 debit wechat unknown", "{trick:?}");
        till.run("2026-11-05T10:00");
        assert_eq!(charges(&till.shop), "a-1/1 1 debit wechat paid", "{trick:?}");
        assert_eq!((wallet(&till.shop, 1), till.provider.moved()), (19_900, AMOUNT), "{trick:?}");
        holds(&till.shop);
    }
}

#[test]
fn a_wrong_key_or_clock_or_a_page_stops_this_rail_alone_and_says_where_to_look() {
    type Break = fn(&Till);
    let cases: [(Break, &str); 4] = [
        (
            |till| {
                let file = key_file(till.keys.path(), "wrong", "ffffffffffffffffffffffffffffffff");
                till.settings("wechat-prenotify", |account| drop(account.insert("api_v2_key".to_owned(), file.into())));
            },
            "rail.wechat.account.api_v2_key",
        ),
        (|till| till.provider.set_ahead(Duration::minutes(10)), "clock"),
        (|till| till.provider.set_mood(Some(Trick::Page)), "WeChat Pay"),
        (|till| till.server.set_down(true), "127.0.0.1"),
    ];
    for (breaks, named) in cases {
        let till = Till::open(&[WECHAT, ALIPAY], "wechat-prenotify");
        till.announced();
        breaks(&till);
        let report = till.run("2026-11-05T09:00");
        let said: Vec<&str> = report
            .needs
            .iter()
            .filter_map(|need| match &need.what {
                Concern::RailMisconfigured { said } | Concern::RailDown { said } => Some(said.as_str()),
                _ => None,
            })
            .collect();
        assert!(said.iter().any(|said| said.contains(named)), "{named}: {:?}", report.needs);
        assert_eq!(charges(&till.shop), "a-2/1 1 debit alipay paid", "{named}");
        assert_eq!((till.asked("/pay/pappayapply"), till.provider.moved()), (0, Money::ZERO), "{named}");
        holds(&till.shop);
    }
}

#[test]
fn a_debit_that_the_run_did_not_hear_of_is_booked_by_its_notice() {
    let till = Till::open(&[WECHAT], "wechat-prenotify");
    till.announced();
    till.server.lose_next();
    till.run("2026-11-05T09:00");
    let order_no = ask(&till.shop, "SELECT order_no FROM charge");
    let saved = kibble::adapters::rail::SavedNotice {
        headers: Vec::new(),
        body: till.provider.debit_notice(&order_no).into_bytes(),
    };
    let ctx = till.ctx();
    for result in [notice::Outcome::Applied, notice::Outcome::Unchanged] {
        let heard = notice::apply(&ctx, None, &saved, ctx.now()).unwrap();
        assert_eq!((heard.result, heard.state.as_str()), (result, "paid"));
        assert_eq!(wallet(&till.shop, 1), 19_900);
    }
    let ended = till.provider.contract_notice(&ask(&till.shop, "SELECT contract_no FROM mandate"));
    let saved = kibble::adapters::rail::SavedNotice { headers: Vec::new(), body: ended.into_bytes() };
    let heard = notice::apply(&ctx, None, &saved, ctx.now()).unwrap();
    assert_eq!((heard.result, heard.state.as_str()), (notice::Outcome::Unchanged, "live"));
    holds(&till.shop);
}
