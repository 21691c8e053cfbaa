//! A shop with real accounts at providers on this machine. Real rails take no pretended time on the command line, so its hours run in
//! this process, by the use case that `debit run` calls.

use std::path::Path;
use std::sync::Arc;

use kibble::adapters::rail::sandbox::Book;
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::date::FirstDebit;
use kibble::ops::agreement_import::{ImportOptions, Imported, import};
use kibble::ops::debit::report::RunReport;
use kibble::ops::debit::{self, Options, Outcome};
use kibble::ops::{Ctx, read_now};

use crate::due::id_number;
use crate::provider::Server;
use crate::provider::alipay::{self, Alipay};
use crate::provider::wechat::{self, WechatPay};
use crate::rails::suite::profile;
use crate::shop::Shop;

/// Puts real accounts into the place of the shop's sandbox rails. `more` goes before them.
pub fn connect(shop: &Shop, more: &str, alipay: &str, wechat: &str) {
    let toml = shop.read("shop.toml");
    let rails = toml.find("[rail.").unwrap();
    let after = toml[rails..].find("\n[debit]").unwrap() + rails;
    let keys = shop.path("keys");
    std::fs::create_dir_all(&keys).unwrap();
    let accounts = [
        ("alipay", "alipay", alipay::account(&keys, alipay)),
        ("wechat", "wechat-prenotify", wechat::account(&keys, wechat)),
    ];
    let mut text = toml[..rails].to_owned() + more;
    for (name, profile, account) in accounts {
        let account = toml::to_string(&account).unwrap().replace("\n[", &format!("\n[rail.{name}.account."));
        let head = format!("[rail.{name}]\nadapter = \"{name}\"\nprofile = \"{profile}\"\n[rail.{name}.account]\n");
        text += &(head + &account + "\n");
    }
    shop.write("shop.toml", text + &toml[after..]);
}

/// The shop in `folder` at a time of its own zone.
pub fn open(folder: &Path, at: &str) -> Ctx {
    let config = Config::load(folder).unwrap();
    let now = read_now(at, config.settings.timezone).unwrap();
    Ctx::wire(config, Clock::fixed(now)).unwrap()
}

/// Takes over a book; the links go to `links.csv`.
pub fn take_over(shop: &Shop, ctx: &Ctx, book: &[u8]) -> Imported {
    let options = ImportOptions {
        file: shop.write("customers.csv", book),
        paid_until: Some("2026-10-31".parse().unwrap()),
        first_debit: FirstDebit::NextMonth,
        rejects: Some(shop.path("rejects.csv")),
        links: Some(shop.path("links.csv")),
        dry_run: false,
    };
    import(ctx, &options).unwrap()
}

/// The links of an import: the mandate and its link.
pub fn links(shop: &Shop) -> Vec<(String, String)> {
    let text = shop.read("links.csv");
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    reader.records().map(Result::unwrap).map(|row| (row[2].to_owned(), row[5].to_owned())).collect()
}

/// One run of the shop in `ctx`.
pub fn run(ctx: &Ctx) -> RunReport {
    loop {
        match debit::run(ctx, &Options::default()).unwrap() {
            Outcome::Ran(report) => return *report,
            Outcome::Busy => std::thread::yield_now(),
        }
    }
}

/// A shop with one customer on each rail, both providers in this process, and the fifth of November just before nine.
pub struct Eve {
    pub shop: Shop,
    pub clock: Clock,
    pub alipay: Arc<Alipay>,
    pub alipay_server: Server,
    pub wechat: Arc<WechatPay>,
    /// Keeps the provider answering.
    _wechat_server: Server,
}

fn two() -> String {
    let head = "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号\n";
    let row = |place: u32, name: &str, rail: &str| {
        let id = id_number(place);
        format!("{name},1990000000{place},{id},团子,猫,英短,猫粮月付199,199.00,12,2026-10-05,5,{rail},HT{place}\n")
    };
    head.to_owned() + &row(1, "陈一", "支付宝") + &row(2, "陈二", "微信")
}

impl Eve {
    /// Signed, announced, and everything in order.
    pub fn new() -> Eve {
        let clock = Clock::fixed("2026-11-01T00:00:00Z".parse().unwrap());
        let book = || Arc::new(Book::in_memory().unwrap());
        let alipay = Arc::new(Alipay::new("alipay", profile("alipay"), clock.clone(), book()));
        let wechat = Arc::new(WechatPay::new("wechat", profile("wechat-prenotify"), clock.clone(), book()));
        let (alipay_server, wechat_server) = (Server::start(alipay.clone()), Server::start(wechat.clone()));
        alipay.at(&alipay_server.url());
        let shop = Shop::opened();
        connect(&shop, "", &alipay_server.url(), &wechat_server.url());
        let eve = Eve { shop, clock, alipay, alipay_server, wechat, _wechat_server: wechat_server };
        let done = take_over(&eve.shop, &eve.ctx("2026-11-01T08:00"), two().as_bytes());
        assert_eq!((done.accepted, done.links.made), (2, 2), "{:?} {:?}", done.findings, done.links.troubles);
        for (mandate, link) in links(&eve.shop) {
            match link.contains("entrustweb") {
                true => eve.wechat.customer_signs(&link, &mandate).unwrap(),
                false => eve.alipay.agrees(&eve.alipay.opens(&link, &mandate)),
            }
        }
        for at in ["2026-11-01T09:00", "2026-11-02T08:00", "2026-11-03T09:00", "2026-11-04T09:00"] {
            let report = eve.run(at);
            assert!(!report.needs_person(), "{at}: {:?}", report.needs);
        }
        eve
    }

    /// The shop and both providers at a time.
    pub fn ctx(&self, at: &str) -> Ctx {
        let ctx = open(&self.shop.dir(), at);
        self.clock.set(ctx.now());
        ctx
    }

    /// One run at a time.
    pub fn run(&self, at: &str) -> RunReport {
        run(&self.ctx(at))
    }
}
