//! A computer whose clock is wrong by a year.

use crate::due::{
    ALIPAY, Row, WECHAT, announced, ask, ask_rail, charges, counts, holds, hours, id_number, run, sent, shop, wallet,
};
use crate::shop::Shop;

fn sign() -> String {
    format!(
        "sign --name 王小明 --phone 19900000009 --id-number {} --pet-name 团子 --species cat --breed 英短 --sex female
         --source rescued --reference-cost 800 --plan cat-199-12 --rail alipay --debit-day 5 --acknowledged",
        id_number(9)
    )
}

/// The first term of the first customer is paid, that of the second failed and has a link.
fn ready() -> Shop {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.run("sandbox fund c-2 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").exits(0);
    shop.run("sandbox fund c-2 1000").exits(0);
    shop
}

#[test]
fn no_command_that_moves_money_or_signs_believes_a_clock_that_is_a_year_off() {
    let mut shop = ready();
    let before = counts(&shop);
    let lines = [
        "debit run".to_owned(),
        "debit pay a-2/1 --cash --yes".to_owned(),
        "debit refund a-1/1 --amount 10 --reason test --yes".to_owned(),
        "sign --again a-1".to_owned(),
        sign(),
    ];
    for (at, english, chinese, next, weiter) in [
        (
            "2025-11-05T10:00",
            "the clock says 2025-11-05 10:00, but the last run was at 2026-11-05 09:00",
            "时钟显示 2025-11-05 10:00，而上一批次在 2026-11-05 09:00",
            "set this computer's clock right",
            "校准这台电脑的时钟",
        ),
        (
            "2027-11-05T10:00",
            "the clock says 2027-11-05 10:00, 365 days after the last run",
            "时钟显示 2027-11-05 10:00，距上一批次 365 天",
            "--confirm-backlog",
            "--confirm-backlog",
        ),
    ] {
        for line in &lines {
            shop.at(at).lang("en").run(line).fails(1, english).says(next);
            shop.lang("zh").run(line).fails(1, chinese).says(weiter);
        }
    }
    shop.lang("en");
    assert_eq!(counts(&shop), before);
    run(&mut shop, "2026-11-05T17:00").says("1 paid");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900));
    holds(&shop);
}

#[test]
fn a_year_without_a_run_that_somebody_confirms_charges_nobody_late_and_one_term_at_most() {
    let mut shop = shop(&[Row { terms: 24, ..ALIPAY }, Row { terms: 24, ..WECHAT }]);
    announced(&mut shop);
    let told = sent(&shop, "pre_debit_48h");
    shop.at("2027-11-05T09:00").run("debit run").fails(1, "366 days after the last run");
    shop.run("debit run --dry-run").fails(3, "366 days after the last run");
    shop.run("debit run --dry-run --confirm-backlog").exits(0);
    assert_eq!(charges(&shop), "");
    let ran = shop.run("debit run --confirm-backlog");
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
    assert_eq!(ask(&shop, "SELECT count(*) FROM charge WHERE kind = 'debit'"), "0", "{}", charges(&shop));
    // No notice bears a day on which nobody was told.
    assert_eq!(
        ask(&shop, "SELECT count(*) FROM notice WHERE given_at BETWEEN '2026-11-05' AND '2027-11-05T00:59'"),
        "0"
    );
    hours(&mut shop, "2027-11-05T10:00", "2027-11-09T10:00");
    assert!(sent(&shop, "pre_debit_48h") > told);
    // Of each agreement the term of this month alone is still in its window, and it was collected 48 hours after its announcement.
    let debits = "SELECT agreement_id, count(*), min(noted_at >= i.charge_from) FROM charge c
                  JOIN installment i USING (agreement_id, term) WHERE c.kind = 'debit' GROUP BY 1";
    for line in ask(&shop, debits).lines() {
        assert!(line.ends_with("|1|1"), "{}\n{}", ask(&shop, debits), charges(&shop));
    }
    assert_eq!(ask_rail(&shop, "SELECT count(*) > 0 FROM orders WHERE state = 'paid'"), "1");
    holds(&shop);
}

#[test]
fn a_run_at_a_wrong_later_time_does_not_stop_the_shop_until_that_time_comes() {
    let mut shop = ready();
    let ran = shop.at("2027-11-05T09:00").run("debit run --confirm-backlog");
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
    shop.at("2026-11-05T17:00").run("debit run").fails(1, "the last run was at 2027-11-05").says("--confirm-clock");
    shop.run("debit pay a-2/1 --cash --yes").fails(1, "the last run was at 2027-11-05").says("--confirm-clock");
    let ran = shop.run("debit run --confirm-clock");
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
    run(&mut shop, "2026-11-05T18:00");
    shop.run("debit pay a-2/1 --cash --yes").exits(0);
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900));
}
