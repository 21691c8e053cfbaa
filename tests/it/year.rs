//! A simulated year from a seed: three rails with three rule books, customers who run out of money, answers that are lost, rails
//! that go down, mandates that are revoked, pauses, terminations, counters and links. After every month the laws are computed anew
//! by SQL of this file's own.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, TimeDelta};
use kibble::adapters::rail::sandbox::{FaultKind, FaultSpan};
use kibble::domain::agreement::PauseEffect;
use kibble::domain::id::{AgreementId, InstallmentId, MandateId};
use kibble::domain::money::Money;
use kibble::domain::statement::Cause;
use kibble::ops::agreement::{self, Pause};
use kibble::ops::statement::{self, Termination};
use kibble::ops::{Ctx, debit, read_now, sandbox};

use crate::due::{Row, ask, ask_rail, holds, shop_with};
use crate::november::run_here;
use crate::shop::Shop;

const RAILS: &str =
    "--rail alipay=sandbox --rail wechat=sandbox:wechat-prenotify --rail later=sandbox:wechat-notify24h";
const AGREEMENTS: u32 = 40;

/// Numbers that look like chance and are the same every time (xorshift).
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_of(&mut self, count: u32) -> u32 {
        u32::try_from(self.roll(u64::from(count))).unwrap() + 1
    }
}

#[test]
fn a_year_with_everything_that_goes_wrong_keeps_the_laws() {
    let mut dice = Dice(20_261_101);
    let days: Vec<(String, u32)> = (0..AGREEMENTS)
        .map(|_| {
            let day = dice.one_of(26);
            (format!("2026-10-{day:02}"), day)
        })
        .collect();
    let rails = ["支付宝", "微信", "later"];
    let rows: Vec<Row<'_>> = days
        .iter()
        .zip(0_usize..)
        .map(|((signed, day), place)| Row { rail: rails[place % 3], signed, day: *day, terms: 12 })
        .collect();
    let temper = "seed = 7\nno_funds_bps = 900\nlimit_bps = 200\nlose_answer_bps = 400";
    let mut shop = shop_with(RAILS, temper, &rows);
    let ctx = Ctx::open(&shop.dir(), Some("2026-11-01T09:00")).unwrap();
    let mut day: NaiveDate = "2026-11-01".parse().unwrap();
    let end: NaiveDate = "2027-12-05".parse().unwrap();
    while day <= end {
        // Nine days of outage in spring: nobody started cron.
        let is_outage = ("2027-03-10".parse().unwrap().."2027-03-19".parse().unwrap()).contains(&day);
        for hour in [9, 17, 8 + 24].into_iter().filter(|_| !is_outage) {
            let at = day.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::hours(hour);
            ctx.clock.set(read_now(&at.format("%Y-%m-%dT%H:%M").to_string(), ctx.zone()).unwrap());
            run_here(&ctx);
            if hour == 17 {
                happens(&ctx, &mut dice, day);
            }
        }
        day = day.succ_opt().unwrap();
        if day.day() == 1 {
            laws(&shop, day);
        }
    }
    // The faults are over; whatever was open is settled.
    for rail in ["alipay", "wechat", "later"] {
        sandbox::clear_faults(&ctx, rail).unwrap();
    }
    for hours in [24, 48, 72] {
        let at = end.and_hms_opt(12, 0, 0).unwrap() + TimeDelta::hours(hours);
        ctx.clock.set(read_now(&at.format("%Y-%m-%dT%H:%M").to_string(), ctx.zone()).unwrap());
        run_here(&ctx);
    }
    laws(&shop, end);
    assert_eq!(ask(&shop, "SELECT count(*) FROM charge WHERE state = 'unknown'"), "0");
    // The year was a year: most was paid, and everything that can happen did.
    let count = |sql: &str| ask(&shop, sql).parse::<i64>().unwrap();
    assert!(count("SELECT count(*) FROM charge WHERE state = 'paid'") > 330);
    for (what, sql) in [
        ("declines", "SELECT count(*) FROM charge WHERE state = 'declined'"),
        ("links paid", "SELECT count(*) FROM charge WHERE kind = 'link' AND state = 'paid'"),
        ("cash", "SELECT count(*) FROM charge WHERE kind = 'cash'"),
        ("refunds", "SELECT count(*) FROM refund WHERE state = 'paid'"),
        ("missed windows", "SELECT count(*) FROM installment WHERE course = 'missed'"),
        ("failed terms", "SELECT count(*) FROM installment WHERE course = 'failed'"),
        ("high risk", "SELECT count(*) FROM flag"),
        ("revoked mandates", "SELECT count(*) FROM mandate WHERE state = 'revoked'"),
        ("terminations", "SELECT count(*) FROM statement"),
        ("completed agreements", "SELECT count(*) FROM agreement WHERE state = 'completed'"),
    ] {
        assert!(count(sql) > 0, "{what} never happened");
    }
    shop.at("2027-12-09T12:00");
    holds(&shop);
}

/// What a day may bring, beside the temper of the rails.
fn happens(ctx: &Ctx, dice: &mut Dice, day: NaiveDate) {
    let now = ctx.now();
    let rail = ["alipay", "wechat", "later"][usize::try_from(dice.roll(3)).unwrap()];
    let id = dice.one_of(AGREEMENTS);
    let agreement = AgreementId::new(i64::from(id));
    let until = |hours| FaultSpan::Until(now + TimeDelta::hours(hours));
    // What people try at the wrong moment is refused, which is fine: the laws are what counts.
    match dice.roll(24) {
        0 => sandbox::set_fault(ctx, rail, FaultKind::Down, until(20), None).unwrap(),
        1 => sandbox::set_fault(ctx, rail, FaultKind::LoseAnswer, FaultSpan::Times(3), None).unwrap(),
        2 => sandbox::set_fault(ctx, rail, FaultKind::Drop, FaultSpan::Times(3), None).unwrap(),
        3 => sandbox::set_fault(ctx, rail, FaultKind::Garbage, FaultSpan::Times(2), None).unwrap(),
        4 | 5 => drop(sandbox::fund(ctx, kibble::domain::id::CustomerId::new(i64::from(id)), Money::ZERO)),
        6 | 7 => {
            drop(sandbox::fund(ctx, kibble::domain::id::CustomerId::new(i64::from(id)), Money::from_fen(5_000_000)))
        }
        8..=12 => each_overdue(ctx, day, |term| drop(sandbox::pay(ctx, &term.to_string(), now))),
        13 | 14 => each_overdue(ctx, day, |term| drop(debit::pay::pay_at_counter(ctx, term, now))),
        15 => each_overdue(ctx, day, |term| {
            drop(debit::pay::postpone(ctx, term, day + TimeDelta::days(6), "asked for it", now));
        }),
        16 => drop(debit::pay::refund(ctx, InstallmentId { agreement, term: dice.one_of(12) }, None, "goodwill", now)),
        17 if dice.roll(3) == 0 => drop(sandbox::revoke(ctx, MandateId::new(i64::from(id)), now)),
        18 if dice.roll(2) == 0 => {
            let pause =
                Pause { until: day + TimeDelta::days(40), effect: PauseEffect::Extend, reason: "travel".into() };
            drop(agreement::pause(ctx, agreement, &pause, now));
        }
        19 if dice.roll(3) == 0 => {
            let notice = Termination { cause: Cause::Consumer, keep_pet: true, reason: "moved".into() };
            drop(statement::terminate(ctx, agreement, &notice, now));
        }
        _ => {}
    }
}

/// Up to three terms that are overdue.
fn each_overdue(ctx: &Ctx, day: NaiveDate, mut visit: impl FnMut(InstallmentId)) {
    let mut found = Vec::new();
    let shelf = debit::list::Shelf::Overdue;
    debit::list::each(ctx, shelf, None, ctx.now(), |it| {
        found.push(it.installment.id);
        Ok(())
    })
    .unwrap();
    let skip = usize::try_from(day.day()).unwrap() % 3;
    found.into_iter().skip(skip).take(3).for_each(&mut visit);
}

/// The laws, computed from the tables alone. Each query finds the rows that break one.
fn laws(shop: &Shop, day: NaiveDate) {
    for (law, sql) in [
        ("a term is paid once", "SELECT agreement_id, term FROM charge WHERE state = 'paid' GROUP BY 1, 2 HAVING count(*) > 1"),
        (
            "a paid term has its paid charge",
            "SELECT i.agreement_id, i.term FROM installment i WHERE i.state IN ('paid', 'refunded') AND NOT EXISTS (SELECT 1 FROM charge c
               WHERE c.agreement_id = i.agreement_id AND c.term = i.term AND c.state = 'paid' AND c.amount = i.amount)",
        ),
        (
            "a paid charge has its paid term",
            "SELECT c.id FROM charge c JOIN installment i ON i.agreement_id = c.agreement_id AND i.term = c.term
             WHERE c.state = 'paid' AND i.state NOT IN ('paid', 'refunded')",
        ),
        ("an order number is used once", "SELECT order_no FROM charge GROUP BY 1 HAVING count(*) > 1"),
        ("entries balance", "SELECT entry_id FROM posting GROUP BY 1 HAVING SUM(amount) <> 0"),
        (
            "a wallet is never negative, at any moment",
            "SELECT customer_id, entry_id FROM (SELECT customer_id, entry_id, SUM(amount) OVER (PARTITION BY customer_id ORDER BY entry_id) AS held
               FROM posting WHERE account LIKE 'wallet:%') WHERE held > 0",
        ),
        (
            "a paid charge credits the wallet once",
            "SELECT c.id FROM charge c WHERE c.state = 'paid' AND 1 <> (SELECT count(*) FROM entry e JOIN posting p ON p.entry_id = e.id
               WHERE e.kind = 'charge' AND e.ref = 'k-' || c.id AND p.account = 'wallet:principal' AND p.amount = -c.amount)",
        ),
        (
            "nothing else credits it as a charge",
            "SELECT e.ref FROM entry e WHERE e.kind = 'charge' AND NOT EXISTS (SELECT 1 FROM charge c WHERE 'k-' || c.id = e.ref AND c.state = 'paid')",
        ),
        (
            "a paid charge grants its points",
            "SELECT c.id FROM charge c WHERE c.state = 'paid' AND NOT EXISTS (SELECT 1 FROM points p WHERE p.kind = 'charge' AND p.ref = 'k-' || c.id
               AND p.points = c.amount / 100)",
        ),
        (
            "no debit is younger than 48 hours after its announcement",
            "SELECT c.id FROM charge c LEFT JOIN message m ON m.template = 'pre_debit_48h' AND m.state = 'sent'
               AND m.agreement_id = c.agreement_id AND m.term = c.term
             WHERE c.kind = 'debit' GROUP BY c.id
             HAVING MAX(COALESCE(unixepoch(c.noted_at) - unixepoch(m.sent_at), 0)) < 48 * 3600",
        ),
        (
            "at most three tries a round, in 24 hours",
            "SELECT agreement_id, term FROM charge c WHERE kind = 'debit' AND state = 'declined' AND reason <> 'our_configuration'
               AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.op = 'installment_postponed' AND a.entity = 'a-' || c.agreement_id || '/' || c.term)
             GROUP BY 1, 2 HAVING count(*) > 3",
        ),
        ("an event is told once", "SELECT event FROM message GROUP BY 1 HAVING count(*) > 1"),
        (
            "customers are told by day",
            "SELECT id FROM message WHERE audience = 'customer' AND state = 'sent' AND substr(sent_at, 12, 2) NOT BETWEEN '00' AND '13'",
        ),
        (
            "an ended agreement keeps no live mandate",
            "SELECT m.id FROM mandate m JOIN agreement a ON a.id = m.agreement_id WHERE a.state IN ('completed', 'settling', 'ended', 'cancelled')
               AND m.state IN ('waiting', 'live')",
        ),
    ] {
        let broken = ask(shop, sql);
        assert!(broken.is_empty(), "{day}: {law}:\n{broken}");
    }
    // Their book and ours, order by order; what they have and we do not know yet is open here.
    let lines = |text: String| -> BTreeMap<String, String> {
        text.lines().map(|line| line.split_once('|').unwrap()).map(|(key, rest)| (key.into(), rest.into())).collect()
    };
    let theirs = lines(ask_rail(shop, "SELECT order_no, rail || ' ' || amount FROM orders WHERE state = 'paid'"));
    let ours =
        lines(ask(shop, "SELECT order_no, rail || ' ' || amount FROM charge WHERE state = 'paid' AND kind <> 'cash'"));
    let open = lines(ask(
        shop,
        "SELECT order_no, rail || ' ' || amount FROM charge WHERE state IN ('noted', 'pending', 'unknown')",
    ));
    for (number, what) in &ours {
        assert_eq!(theirs.get(number), Some(what), "{day}: {number} is paid here");
    }
    for (number, what) in &theirs {
        let known = ours.get(number).or(open.get(number));
        assert_eq!(known, Some(what), "{day}: {number} is paid there");
    }
    let sum = |text: String| text.parse::<i64>().unwrap();
    let clearing = sum(ask(shop, "SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account LIKE 'rail:%'"));
    let there: i64 = theirs
        .iter()
        .filter(|it| ours.contains_key(it.0))
        .map(|it| it.1.rsplit(' ').next().unwrap().parse::<i64>().unwrap())
        .sum();
    let back = sum(ask(shop, "SELECT COALESCE(SUM(amount), 0) FROM refund WHERE state = 'paid' AND rail <> 'cash'"));
    assert_eq!(clearing, there - back, "{day}");
}
