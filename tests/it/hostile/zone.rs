//! Zones: the machine's changes, the shop's changes, daylight saving takes an hour away and gives one twice, and February has 29 days.

use crate::due::{ALIPAY, Row, WECHAT, announced, ask, charges, holds, hours, run, sent, set, shop, shop_at, wallet};
use crate::shop::Shop;

/// Runs of every hour between two moments, both in UTC, with these variables of the machine.
fn hourly(shop: &Shop, from: &str, to: &str, env: &[(&str, &str)]) {
    let parse = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let (mut at, last) = (parse(from), parse(to));
    while at <= last {
        let ran = shop.run_with(&format!("debit run --now {}", at.to_rfc3339()), env);
        assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
        at += chrono::TimeDelta::hours(1);
    }
}

#[test]
fn the_zone_of_the_machine_changes_nothing() {
    let story = |env: &[(&str, &str)]| {
        let mut shop = shop(&[ALIPAY, WECHAT]);
        shop.in_real_time();
        hourly(&shop, "2026-11-02T00:00:00Z", "2026-11-05T03:00:00Z", env);
        let told = shop.run_with("debit run --dry-run --now 2026-12-01T09:00", env).out;
        holds(shop.at("2026-11-05T12:00"));
        (ask(&shop, "SELECT order_no, state, noted_at, paid_at FROM charge"), shop.read("messages.txt"), told)
    };
    let here = story(&[]);
    assert!(here.0.contains("|paid|2026-11-05T01:00:00Z"), "{}", here.0);
    for zone in ["Pacific/Kiritimati", "America/New_York", "Nowhere/Atlantis"] {
        assert_eq!(story(&[("TZ", zone)]), here, "{zone}");
    }
}

#[test]
fn a_shop_whose_zone_is_changed_between_announcement_and_charge_stays_lawful() {
    for (zone, first) in [("America/New_York", "2026-11-05T14:00:00Z"), ("Asia/Tokyo", "2026-11-05T00:00:00Z")] {
        let mut shop = shop(&[ALIPAY, WECHAT]);
        announced(&mut shop);
        set(&shop, &format!("timezone = \"{zone}\""));
        shop.in_real_time();
        hourly(&shop, "2026-11-04T02:00:00Z", "2026-11-06T02:00:00Z", &[]);
        // Nine o'clock is the shop's own nine o'clock, the rail's hours are the rail's, and 48 hours are 48 hours.
        assert_eq!(
            ask(&shop, "SELECT noted_at FROM charge WHERE rail = 'alipay' AND state = 'paid'"),
            first,
            "{zone}: {}",
            charges(&shop)
        );
        hourly(&shop, "2026-11-06T03:00:00Z", "2026-11-07T02:00:00Z", &[]);
        assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900), "{zone}: {}", charges(&shop));
        assert_eq!(sent(&shop, "pre_debit_48h"), 2, "told once");
        holds(shop.at("2026-11-07T12:00"));
    }
}

/// A shop in New York, with a rail of its own zone; charges at that hour of the shop's day.
fn new_york(at: &str, hour: &str, row: Row<'_>) -> Shop {
    let settings = format!("timezone = \"America/New_York\"\nhour = \"{hour}\"");
    let mut shop = shop_at(at, "--rail alipay=sandbox --rail wechat=sandbox", &settings, &[row]);
    let toml = shop.read("shop.toml");
    let rule = "[rail.alipay]\nrules = { timezone = \"America/New_York\" }";
    shop.write("shop.toml", toml.replacen("[rail.alipay]", rule, 1));
    shop.in_real_time();
    shop
}

#[test]
fn the_hour_that_daylight_saving_skips_charges_at_the_next_one_and_48_hours_stay_48_hours() {
    // On 2027-03-14 half past two does not exist in New York; three o'clock there is 07:00 UTC.
    let shop = new_york("2027-03-08T08:00", "02:30", Row { signed: "2027-02-14", day: 14, ..ALIPAY });
    hourly(&shop, "2027-03-10T00:00:00Z", "2027-03-14T06:00:00Z", &[]);
    assert_eq!(charges(&shop), "", "half past one is too early");
    hourly(&shop, "2027-03-14T07:00:00Z", "2027-03-15T07:00:00Z", &[]);
    assert_eq!(ask(&shop, "SELECT noted_at, state FROM charge"), "2027-03-14T07:00:00Z|paid");
    lawful(&shop, "2027-03-15T12:00");
}

#[test]
fn the_hour_that_daylight_saving_gives_twice_charges_once_at_the_first() {
    // On 2027-11-07 half past one comes at 05:30 UTC and again at 06:30 UTC.
    let shop = new_york("2027-11-01T08:00", "01:30", Row { signed: "2027-10-07", day: 7, ..ALIPAY });
    hourly(&shop, "2027-11-03T00:30:00Z", "2027-11-07T04:30:00Z", &[]);
    assert_eq!(charges(&shop), "");
    hourly(&shop, "2027-11-07T05:30:00Z", "2027-11-08T05:30:00Z", &[]);
    assert_eq!(ask(&shop, "SELECT noted_at, state FROM charge"), "2027-11-07T05:30:00Z|paid");
    lawful(&shop, "2027-11-08T12:00");
}

/// Collected once, told once, at an hour at which people may be told, and 48 real hours before.
#[track_caller]
fn lawful(shop: &Shop, now: &str) {
    assert_eq!((wallet(shop, 1), sent(shop, "pre_debit_48h")), (19_900, 1));
    let ahead = "SELECT (julianday(noted_at) - julianday(given_at)) * 24 >= 48 - 0.001 FROM charge
                 JOIN notice USING (agreement_id, term) WHERE notice.kind = 'message'";
    assert_eq!(ask(shop, ahead), "1");
    shop.run(&format!("check --now {now}")).ok("every law holds");
    shop.run(&format!("audit verify --now {now}")).exits(0);
}

#[test]
fn every_hour_of_the_two_odd_days_can_be_a_runs_and_nothing_happens_twice() {
    for (at, signed, day, from, to) in [
        ("2027-03-08T08:00", "2027-02-14", 14, "2027-03-11T05:00:00Z", "2027-03-15T12:00:00Z"),
        ("2027-11-01T08:00", "2027-10-07", 7, "2027-11-04T04:00:00Z", "2027-11-08T12:00:00Z"),
    ] {
        let shop = new_york(at, "02:30", Row { signed, day, ..ALIPAY });
        shop.run(&format!("sandbox fund c-1 0 --now {at}")).exits(0);
        hourly(&shop, from, to, &[]);
        let tries = ask(&shop, "SELECT attempt, noted_at FROM charge WHERE kind = 'debit' ORDER BY attempt");
        assert_eq!(tries.lines().count(), 3, "one charge and two retries: {tries}");
        shop.run(&format!("check --now {to}")).ok("every law holds");
    }
}

#[test]
fn the_29th_of_february_is_a_day_like_any_other() {
    let rows = [Row { signed: "2027-12-28", day: 28, ..WECHAT }, Row { signed: "2028-01-05", day: 5, ..ALIPAY }];
    let mut shop = shop_at("2028-02-20T08:00", "--rail alipay=sandbox --rail wechat=sandbox", "", &rows);
    // The runs of the days round it: announced on the 25th and 26th, collected on the 28th and, once a retry is needed, on the 29th.
    shop.at("2028-02-25T08:00").run("sandbox fund c-1 0").exits(0);
    hours(&mut shop, "2028-02-25T08:00", "2028-02-28T21:00");
    shop.run("sandbox fund c-1 1000").exits(0);
    hours(&mut shop, "2028-02-28T22:00", "2028-03-01T09:00");
    let paid = ask(&shop, "SELECT term, paid_at FROM charge WHERE agreement_id = 1 AND state = 'paid'");
    assert!(paid.contains("|2028-02-29T"), "{paid}\n{}", charges(&shop));
    shop.run("report export --month 2028-02 --out out").exits(0);
    assert!(shop.read("out/charges.csv").contains("2028-02-29"), "{}", shop.read("out/charges.csv"));
    run(&mut shop, "2028-03-02T09:00");
    let due = "SELECT term, due FROM installment WHERE agreement_id = 1 AND due > '2028-01-31' ORDER BY term";
    let days: Vec<String> = ask(&shop, due).lines().map(|line| line.split('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(&days[..2], ["2028-02-28", "2028-03-28"]);
    holds(&shop);
}
