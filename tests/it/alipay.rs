//! The debit run on Alipay in earnest: a term collected, what stops the rail before any harm, answers that are lost.

use kibble::domain::money::Money;
use kibble::ops::debit::report::{Concern, RunReport};
use kibble::ops::debit::{self, Options};

use crate::due::{ALIPAY, WECHAT, announced, ask, charges, holds, shop, wallet};
use crate::earnest::{Till, moment};
use crate::provider::alipay::form;
use crate::rails::suite::Trick;

/// A shop with an agreement on Alipay and one on WeChat Pay's sandbox, their first terms due today and announced.
fn till(settings: &str) -> Till {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    Till::open(shop, "2026-11-05T09:00", settings)
}

fn run(till: &Till, at: &str) -> RunReport {
    till.ctx.clock.set(moment(at));
    match debit::run(&till.ctx, &Options::default()).unwrap() {
        debit::Outcome::Ran(report) => *report,
        debit::Outcome::Busy => panic!("nobody else is at work"),
    }
}

/// What the run says of the rail.
fn trouble(report: &RunReport) -> String {
    let said = report.needs.iter().find(|need| need.record == "alipay").map(|need| need.what.clone());
    match said {
        Some(Concern::RailDown { said } | Concern::RailMisconfigured { said }) => said,
        other => panic!("{other:?} in {report:?}"),
    }
}

#[test]
fn a_term_is_collected_and_both_books_agree() {
    let till = till("");
    let report = run(&till, "2026-11-05T09:00");
    assert_eq!((report.charged, report.paid), (2, 2), "{report:?}");
    assert_eq!((wallet(&till.shop, 1), wallet(&till.shop, 2)), (19_900, 19_900));
    assert_eq!(till.book().totals("alipay").unwrap().paid, Money::from_fen(19_900));
    // The provider moved its date on; the next term is announced and collected like this one.
    for at in ["2026-12-02T09:00", "2026-12-05T09:00"] {
        run(&till, at);
    }
    assert_eq!(wallet(&till.shop, 1), 39_800);
    assert_eq!(till.book().totals("alipay").unwrap().paid, Money::from_fen(39_800));
    holds(&till.shop);
}

#[test]
fn what_cannot_be_right_stops_the_rail_before_any_harm_and_charges_the_others() {
    let account = "rail.alipay.account.";
    for (settings, trick, named) in [
        ("alipay_public_key = { file = \"keys/own\" }\n", None, "alipay_public_key"),
        ("private_key = { file = \"keys/strange\" }\n", None, "private_key"),
        ("private_key = { file = \"keys/nowhere\" }\n", None, "private_key"),
        (
            "app_cert = { file = \"keys/app.crt\" }\nalipay_cert = { file = \"keys/alipay.crt\" }\n\
             alipay_root_cert = { file = \"keys/app.crt\" }\n",
            None,
            // Made after the day of this test: as wrong as one that has expired.
            "app_cert: the certificate is not valid yet",
        ),
        ("", Some(Trick::ClockOff), "this machine's clock"),
        ("", Some(Trick::ErrorPage), "gateway"),
        ("gateway = \"https://127.0.0.1:1/gateway.do\"\n", None, "127.0.0.1 cannot be reached"),
        ("gateway = \"http://openapi.alipay.com/gateway.do\"\n", None, "gateway"),
    ] {
        let till = till(settings);
        if let Some(trick) = trick {
            till.gateway.trick(trick);
        }
        let report = run(&till, "2026-11-05T09:00");
        let said = trouble(&report);
        assert!(said.contains(named), "{settings} {trick:?}: {said}");
        assert!(named.contains(' ') || said.contains(&format!("{account}{named}")), "{said}");
        assert_eq!(charges(&till.shop), "a-2/1 1 debit wechat paid", "{settings} {trick:?}");
        assert_eq!(till.book().totals("alipay").unwrap().paid, Money::ZERO);
        assert!(till.server.asked().iter().all(|asked| form(&asked.query)["method"] != "alipay.trade.pay"));
        // Once it is put right, the next run collects.
        till.gateway.trick(Trick::Over);
        if settings.is_empty() {
            run(&till, "2026-11-05T10:00");
            assert_eq!(wallet(&till.shop, 1), 19_900);
        }
        holds(&till.shop);
    }
}

#[test]
fn a_lost_answer_is_settled_by_the_next_run_and_never_repeated() {
    let till = till("");
    till.server.lose_next();
    let report = run(&till, "2026-11-05T09:00");
    assert_eq!((report.unknown, wallet(&till.shop, 1)), (1, 0));
    run(&till, "2026-11-05T10:00");
    assert_eq!(wallet(&till.shop, 1), 19_900);
    assert_eq!(ask(&till.shop, "SELECT count(*) FROM charge WHERE rail = 'alipay'"), "1");
    let sent = till.server.asked().iter().filter(|asked| form(&asked.query)["method"] == "alipay.trade.pay").count();
    assert_eq!(sent, 1);
    holds(&till.shop);
}

#[test]
fn a_failed_term_gets_a_link_that_stays_open_until_it_is_paid() {
    let till = till("");
    till.book().fund("c-1", Money::ZERO).unwrap();
    let report = run(&till, "2026-11-05T09:00");
    assert_eq!(report.links, 1, "{report:?}");
    let link = ask(&till.shop, "SELECT link FROM charge WHERE kind = 'link'");
    assert!(link.starts_with("https://qr.alipay.com/"), "{link}");
    // Alipay does not know the order before somebody opens the link; it is not given up for that.
    run(&till, "2026-11-05T10:00");
    assert!(charges(&till.shop).ends_with("a-1/1 2 link alipay pending"), "{}", charges(&till.shop));
    let order_no = ask(&till.shop, "SELECT order_no FROM charge WHERE kind = 'link'");
    till.book().pay_link_order("alipay", &order_no, till.ctx.now()).unwrap();
    run(&till, "2026-11-05T11:00");
    assert_eq!(wallet(&till.shop, 1), 19_900);
    holds(&till.shop);
}

#[test]
fn a_link_that_nobody_opened_is_closed_before_the_retry() {
    let till = till("");
    till.book().fund("c-1", Money::ZERO).unwrap();
    run(&till, "2026-11-05T09:00");
    till.book().fund("c-1", Money::from_fen(100_000)).unwrap();
    run(&till, "2026-11-05T17:00");
    assert_eq!(
        charges(&till.shop).lines().filter(|line| line.starts_with("a-1")).collect::<Vec<_>>(),
        ["a-1/1 1 debit alipay declined", "a-1/1 2 link alipay void", "a-1/1 3 debit alipay paid"]
    );
    assert_eq!(wallet(&till.shop, 1), 19_900);
    holds(&till.shop);
}
