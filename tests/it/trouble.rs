//! Both real rails in one shop, and one of them in trouble: it is stopped before any harm, a person is told what to look at, and the
//! other goes on. What each adapter says about its own settings is in `alipay.rs` and `rails/wechat_run.rs`.

use std::sync::Arc;

use kibble::ops::debit::report::{Concern, RunReport};

use crate::due::{ask, holds};
use crate::provider::Server;
use crate::provider::alipay::Alipay;
use crate::provider::tls::{Flaw, Tls};
use crate::rails::suite::profile;
use crate::real::Eve;

/// What the report says about a rail that it left alone.
fn said(report: &RunReport, rail: &str) -> String {
    let need = report.needs.iter().find(|need| need.record == rail).unwrap_or_else(|| panic!("{:?}", report.needs));
    match &need.what {
        Concern::RailMisconfigured { said } | Concern::RailDown { said } => said.clone(),
        other => panic!("{other:?}"),
    }
}

/// With `broken` before the hour, `rail` is stopped with these words, the other one collects, and an hour later, mended, it collects too.
#[track_caller]
fn stops(rail: &str, broken: impl FnOnce(&Eve), mended: impl FnOnce(&Eve), words: &[&str]) {
    let eve = Eve::new();
    let before = eve.shop.read("shop.toml");
    broken(&eve);
    let report = eve.run("2026-11-05T09:00");
    let text = said(&report, rail);
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(report.needs_person(), "exit code 3");
    let other = if rail == "alipay" { "wechat" } else { "alipay" };
    assert_eq!(ask(&eve.shop, &format!("SELECT count(*) FROM charge WHERE rail = '{rail}'")), "0", "{text}");
    assert_eq!(ask(&eve.shop, &format!("SELECT count(*) FROM charge WHERE rail = '{other}'")), "1", "{text}");
    eve.shop.write("shop.toml", before);
    mended(&eve);
    let report = eve.run("2026-11-05T10:00");
    eve.run("2026-11-05T11:00");
    assert_eq!(ask(&eve.shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), "2", "{:?}", report.needs);
    holds(&eve.shop);
}

#[test]
fn an_expired_certificate_stops_its_rail_before_anything_is_sent() {
    let tls = Tls::new(Flaw::Expired);
    let clock = kibble::clock::Clock::fixed("2026-11-05T01:00:00Z".parse().unwrap());
    let book = Arc::new(kibble::adapters::rail::sandbox::Book::in_memory().unwrap());
    let gateway = Arc::new(Alipay::new("alipay", profile("alipay"), clock, book));
    let server = Server::start_tls(gateway, &tls);
    let broken = |eve: &Eve| {
        eve.shop.write("keys/root.pem", &tls.root);
        let toml = eve.shop.read("shop.toml");
        let toml = toml.replace(&eve.alipay_server.url(), &server.url());
        eve.shop.write("shop.toml", toml.replace("ca_file = \"\"", "ca_file = \"keys/root.pem\""));
    };
    stops("alipay", broken, |_| {}, &["has expired"]);
    assert!(server.asked().is_empty());
}

#[test]
fn a_clock_ten_minutes_off_stops_both_rails() {
    let eve = Eve::new();
    let ctx = eve.ctx("2026-11-05T09:00");
    // The providers' clocks are right; ours is fast.
    eve.clock.set(ctx.now() - chrono::TimeDelta::minutes(10));
    let report = crate::real::run(&ctx);
    for rail in ["alipay", "wechat"] {
        assert!(said(&report, rail).contains("clock"), "{}", said(&report, rail));
    }
    assert_eq!(ask(&eve.shop, "SELECT count(*) FROM charge"), "0");
    eve.run("2026-11-05T10:00");
    eve.run("2026-11-05T11:00");
    assert_eq!(ask(&eve.shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), "2");
    holds(&eve.shop);
}
