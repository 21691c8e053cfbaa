//! A real rail in trouble: it is stopped before any harm, a person is told which setting to look at, and the other rail goes on.

use std::sync::Arc;

use kibble::ops::debit::report::{Concern, RunReport};

use crate::due::{ask, holds};
use crate::provider::Server;
use crate::provider::alipay::{Alipay, key};
use crate::provider::tls::{Flaw, Tls};
use crate::rails::suite::Trick;
use crate::real::{Eve, profile};
use crate::shop::Shop;

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

/// Replaces the text of a key file.
fn replaced(shop: &Shop, file: &str, text: &str) {
    shop.write(&format!("keys/{file}"), text);
}

#[test]
fn a_private_key_that_the_provider_does_not_know_stops_its_rail() {
    let whole = |eve: &Eve| replaced(&eve.shop, "alipay_app", &key("app_private_pkcs8"));
    let broken = |eve: &Eve| replaced(&eve.shop, "alipay_app", &key("mch_private_pkcs8"));
    stops("alipay", broken, whole, &["private_key"]);
    let whole = |eve: &Eve| replaced(&eve.shop, "apiclient_key.pem", &key("mch_private_pkcs8"));
    let broken = |eve: &Eve| replaced(&eve.shop, "apiclient_key.pem", &key("app_private_pkcs8"));
    stops("wechat", broken, whole, &["merchant_key"]);
}

#[test]
fn the_apps_own_public_key_in_the_place_of_alipays_is_named() {
    let whole = |eve: &Eve| replaced(&eve.shop, "alipay_public", &key("alipay_public"));
    let broken = |eve: &Eve| replaced(&eve.shop, "alipay_public", &key("app_public"));
    stops("alipay", broken, whole, &["alipay_public_key"]);
}

#[test]
fn a_platform_key_that_does_not_fit_stops_wechat() {
    let whole = |eve: &Eve| replaced(&eve.shop, "pub_key.pem", &key("wxplatform_public"));
    let broken = |eve: &Eve| replaced(&eve.shop, "pub_key.pem", &key("app_public"));
    stops("wechat", broken, whole, &["platform_public_key"]);
}

#[test]
fn a_key_that_is_missing_or_open_to_others_is_named_with_its_file() {
    let path = |eve: &Eve| eve.shop.path("keys/alipay_app");
    let away = |eve: &Eve| std::fs::rename(path(eve), eve.shop.path("keys/away")).unwrap();
    let back = |eve: &Eve| std::fs::rename(eve.shop.path("keys/away"), path(eve)).unwrap();
    stops("alipay", away, back, &["rail.alipay.account.private_key", "cannot be read"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |eve: &Eve, mode| {
            std::fs::set_permissions(path(eve), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        stops("alipay", |eve| mode(eve, 0o644), |eve| mode(eve, 0o600), &["private_key", "can read"]);
    }
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

#[test]
fn an_error_page_in_gbk_is_readable_and_stops_its_rail() {
    stops("alipay", |eve| eve.alipay.trick(Trick::ErrorPage), |eve| eve.alipay.trick(Trick::Over), &["gateway"]);
    let page = |eve: &Eve| eve.wechat.set_mood(Some(crate::provider::wechat::Trick::Page));
    stops("wechat", page, |eve| eve.wechat.set_mood(None), &["host"]);
}
