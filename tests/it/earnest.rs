//! A shop that was rehearsed on its sandbox and then goes over to Alipay in earnest: the sandbox's book stands behind Alipay's gateway
//! on this machine, so that customers, agreements and balances go on.

use std::sync::Arc;

use kibble::adapters::rail::sandbox::Book;
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::date::At;
use kibble::ops::{Ctx, read_now};

use crate::provider::alipay::{APP_ID, Alipay as Gateway, SELLER};
use crate::provider::{Server, key, private};
use crate::rails::suite::profile;
use crate::shop::Shop;

/// The shop with Alipay in earnest, and Alipay itself.
pub struct Till {
    pub shop: Shop,
    pub ctx: Ctx,
    pub gateway: Arc<Gateway>,
    pub server: Server,
}

impl Till {
    /// Puts Alipay's gateway in front of the shop's sandbox book. `settings` are lines of the account, in place of or beside the usual
    /// ones.
    pub fn open(mut shop: Shop, now: &str, settings: &str) -> Till {
        shop.in_real_time();
        let clock = Clock::fixed(moment(now));
        let book = Arc::new(Book::open(&shop.path("sandbox.db")).unwrap());
        let gateway = Arc::new(Gateway::new("alipay", profile("alipay"), clock.clone(), book));
        let server = Server::start(gateway.clone());
        in_earnest(&shop, &server.url(), settings);
        let ctx = Ctx::wire(Config::load(&shop.dir()).unwrap(), clock).unwrap();
        Till { shop, ctx, gateway, server }
    }

    /// The provider's own book.
    pub fn book(&self) -> &Book {
        self.gateway.book()
    }
}

/// A moment in Beijing.
pub fn moment(text: &str) -> At {
    read_now(text, chrono_tz::Asia::Shanghai).unwrap()
}

/// `shop.toml` names Alipay's account in place of the sandbox.
fn in_earnest(shop: &Shop, url: &str, settings: &str) {
    let keys = shop.path("keys");
    std::fs::create_dir_all(&keys).unwrap();
    for (file, name) in [
        ("app", "app_private_pkcs8"),
        ("alipay", "alipay_public"),
        ("own", "app_public"),
        ("strange", "mch_private_pkcs8"),
        ("app.crt", "app_cert"),
        ("alipay.crt", "wxplatform_cert"),
    ] {
        private(&keys.join(file), &key(name));
    }
    let mut account = format!("[rail.alipay.account]\napp_id = \"{APP_ID}\"\nseller_id = \"{SELLER}\"\n{settings}");
    for (name, value) in [
        ("gateway", format!("\"{url}/gateway.do\"")),
        ("private_key", "{ file = \"keys/app\" }".to_owned()),
        ("alipay_public_key", "{ file = \"keys/alipay\" }".to_owned()),
    ] {
        let certificates = name == "alipay_public_key" && settings.contains("_cert = ");
        if !settings.contains(&format!("{name} = ")) && !certificates {
            account += &format!("{name} = {value}\n");
        }
    }
    let text = shop.read("shop.toml");
    let (before, rail) = text.split_once("[rail.alipay]").unwrap();
    let rail = rail.replacen("adapter = \"sandbox\"", "adapter = \"alipay\"", 1);
    let rail = rail.replacen("[rail.wechat]", &format!("{account}\n[rail.wechat]"), 1);
    shop.write("shop.toml", format!("{before}[rail.alipay]{rail}"));
}
