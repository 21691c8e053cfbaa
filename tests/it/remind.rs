//! `kibble remind`: what is queued is told once, at a decent hour, whole.

use kibble::db;
use kibble::domain::charge::InstallmentState;
use kibble::domain::message::{Audience, FILLED, MessageState, REQUIRED};
use kibble::domain::op::Op;
use kibble::ops::Ctx;
use kibble::ops::remind::{self, Letter};
use kibble::text::Lang;
use kibble::text::letters::{Letters, sample};
use serde_json::{Map, Value, json};

use crate::shop::Shop;
use crate::stage::{self, Cast};

pub fn tell(ctx: &Ctx, letter: Letter) {
    let queued = ctx.db.write(ctx.now(), |tx| {
        let queued = remind::tell(ctx, tx, letter, ctx.now())?;
        Ok((queued, Op::MessagesQueued { template: String::new(), count: 1 }))
    });
    assert!(queued.unwrap());
}

pub fn announcement(cast: &Cast, term: u32, due: &str) -> Letter {
    let params = json!({ "n": term, "terms": 12, "amount": "199.00", "date": "11月5日", "date_en": "Nov 5", "channel": "支付宝", "channel_en": "Alipay" });
    Letter {
        event: format!("pre_debit_48h:{}:{due}", stage::term(cast, term)),
        template: "pre_debit_48h",
        audience: Audience::Customer,
        customer: Some(cast.customer),
        agreement: Some(cast.agreement),
        term: Some(term),
        lang: "zh".into(),
        params,
    }
}

/// Something the shop is told, not the customer.
pub fn alert(cast: &Cast) -> Letter {
    Letter {
        event: "high_risk_alert:a-1".into(),
        template: "high_risk_alert",
        audience: Audience::Merchant,
        term: None,
        params: json!({}),
        ..announcement(cast, 1, "2026-11-05")
    }
}

pub fn states(ctx: &Ctx) -> Vec<(String, String)> {
    let all = remind::list(ctx, None, None, 100).unwrap();
    all.into_iter().rev().map(|it| (it.message.state.word().to_owned(), it.message.said)).collect()
}

/// Puts a program in the place of the channel.
#[cfg(unix)]
fn exec(shop: &Shop, script: &str) {
    let script = shop.write("send.sh", script);
    let settings = shop.read("shop.toml").replace("channels = [\"print\"]", "channels = [\"program\"]");
    let settings = settings.split("\n[channel.program]").next().unwrap().to_owned();
    let command = format!("command = [\"/bin/sh\", \"{}\"]", script.display());
    shop.write("shop.toml", format!("{settings}\n[channel.program]\nadapter = \"exec\"\n{command}\n"));
}

#[test]
fn whoever_queues_a_message_knows_what_its_text_needs() {
    let letters = Letters::new(None).unwrap();
    let sample = sample();
    for (template, required) in REQUIRED {
        let mut values = Map::new();
        for name in required.iter().chain(&FILLED) {
            values.insert((*name).to_owned(), sample.get(*name).cloned().unwrap_or_else(|| Value::from(1)));
        }
        for lang in [Lang::Zh, Lang::En] {
            let text = letters.render(template, lang, &values).unwrap_or_else(|error| panic!("{template}: {error:?}"));
            assert!(lang == Lang::En || text.chars().count() <= 70, "{template}: {text}");
        }
        let needs = |lang| letters.needs(template, lang).unwrap();
        let all: std::collections::BTreeSet<String> = needs(Lang::Zh).union(&needs(Lang::En)).cloned().collect();
        for name in *required {
            assert!(all.contains(*name), "{template} does not use {name}");
        }
    }
    let known = |id: &String| REQUIRED.iter().any(|(template, _)| template == id);
    assert!(letters.ids().iter().all(known), "a text has no line in REQUIRED");
}

#[test]
fn an_announcement_that_was_sent_starts_the_48_hours() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    shop.run("--now 2026-11-02T09:00 remind send --dry-run")
        .ok("王** 199****0001")
        .says("第1/12期199.00元")
        .hides("19900000001");
    assert_eq!(states(&ctx)[0].0, "queued");
    let done = remind::deliver(&ctx, ctx.now()).unwrap();
    assert_eq!((done.sent, done.failed.len(), done.dropped), (1, 0, 0));
    let told = shop.read("messages.txt");
    assert!(
        told.contains("n-1\tcustomer\t19900000001\t【团子宠物】宠粮月付第1/12期199.00元将于11月5日从支付宝扣款"),
        "{told}"
    );
    let term = db::installment::get(ctx.db.read(), stage::term(&cast, 1)).unwrap().unwrap();
    assert_eq!(term.charge_from, Some(ctx.now() + chrono::Duration::hours(48)));
    let notices = db::installment::notices(ctx.db.read(), term.id).unwrap();
    assert_eq!((notices.len(), notices[0].kind.as_str(), notices[0].lane, notices[0].due), (1, "message", 0, term.due));
    shop.run("remind list").ok("debit announced").says("a-1/1").hides("19900000001").hides("王小明");
    assert_eq!(shop.run("--json remind list --state sent").json()["messages"][0]["id"], "n-1");
    assert_eq!(remind::deliver(&ctx, ctx.now()).unwrap().sent, 0);
}

#[test]
fn an_announcement_that_no_longer_holds_is_not_sent() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    tell(&ctx, announcement(&cast, 2, "2026-12-04"));
    let close = |tx: &db::Conn| {
        db::installment::set_state(tx, stage::term(&cast, 1), InstallmentState::Cancelled)?;
        Ok(((), Op::InstallmentsRolled { created: 0, changed: 1 }))
    };
    ctx.db.write(ctx.now(), close).unwrap();
    let done = remind::deliver(&ctx, ctx.now()).unwrap();
    assert_eq!((done.sent, done.dropped), (0, 2));
    let states = states(&ctx);
    assert_eq!(states[0], ("dropped".into(), "a-1/1 is not open any more".into()));
    assert_eq!(states[1], ("dropped".into(), "a-1/2 was moved to 2026-12-05".into()));
}

#[test]
fn quiet_hours_are_kept() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T21:55");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    tell(&ctx, alert(&cast));
    // The hour has passed between queueing and delivery: the shop is told, the customer sleeps.
    let night = stage::open(&shop, "2026-11-02T22:05");
    assert_eq!(remind::deliver(&night, night.now()).unwrap().sent, 1);
    let told = shop.read("messages.txt");
    assert!(told.contains("王**(0001)连续2个月扣款失败") && !told.contains("19900000001"), "{told}");
    let morning = stage::open(&shop, "2026-11-03T08:00");
    assert_eq!(remind::deliver(&morning, morning.now()).unwrap().sent, 1);
    let term = db::installment::get(morning.db.read(), stage::term(&cast, 1)).unwrap().unwrap();
    assert_eq!(term.charge_from.unwrap().to_rfc3339(), "2026-11-05T00:00:00+00:00");
}

#[test]
fn half_a_text_is_never_sent_and_can_be_retried_once_mended() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    let mut letter = announcement(&cast, 1, "2026-11-05");
    letter.event = "retry_exhausted_customer:a-1/1".into();
    letter.template = "retry_exhausted_customer";
    tell(&ctx, letter);
    let ran = shop.run("--now 2026-11-02T09:00 remind send");
    ran.exits(3).says("not sent: n-1").says("remind retry");
    shop.run("remind list --state failed").ok("merchant.phone in shop.toml is empty");
    shop.run("remind retry n-2").fails(1, "there is no message n-2");
    shop.run("remind retry 9").fails(2, "not a message like n-9");
    shop.write("shop.toml", shop.read("shop.toml").replace("\nphone = \"\"", "\nphone = \"010-1234\""));
    shop.run("--now 2026-11-02T23:00 remind retry n-1").ok("from 2026-11-03 08:00 on");
    shop.run("--now 2026-11-03T08:00 remind retry n-1").fails(1, "has not failed: it is queued");
    shop.run("--now 2026-11-03T08:00 remind send").ok("1 message sent");
    assert!(shop.read("messages.txt").contains("010-1234"));
}

#[test]
fn a_shops_own_text_takes_the_place_of_ours_and_a_broken_one_stops_delivery() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    let own = "[[msg]]\nid = \"pre_debit_48h\"\nzh = \"{{ pet }}的口粮钱{{ amount }}元{{ date }}扣\"\nen = \"x\"\n";
    shop.write("templates/notifications.toml", own.replace("}}元", "}元"));
    shop.run("--now 2026-11-02T09:00 remind send")
        .fails(1, "notifications.toml cannot be used")
        .says("no message was sent");
    shop.write("templates/notifications.toml", own);
    shop.run("--now 2026-11-02T09:00 remind send").ok("1 message sent");
    assert!(shop.read("messages.txt").contains("\t团子的口粮钱199.00元11月5日扣\n"));
}

#[test]
fn a_message_is_not_told_twice_after_a_crash() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    tell(&ctx, announcement(&cast, 2, "2026-12-05"));
    assert_eq!(remind::deliver(&ctx, ctx.now()).unwrap().sent, 2);
    // The crash: both were marked, the file has the first whole and half of the second, no answer was written.
    let mark = |tx: &db::Conn| {
        for id in [1, 2] {
            let id = kibble::domain::id::MessageId::new(id);
            db::message::set_state(tx, id, MessageState::Sending, Some("print"), "", ctx.now())?;
        }
        Ok(((), Op::MessagesMoved { moves: Vec::new() }))
    };
    ctx.db.write(ctx.now(), mark).unwrap();
    let told = shop.read("messages.txt");
    shop.write("messages.txt", &told.as_bytes()[..told.len() - 9]);
    let done = remind::deliver(&ctx, ctx.now()).unwrap();
    assert_eq!((done.sent, done.in_doubt.len()), (2, 0));
    let told = shop.read("messages.txt");
    let whole = |id: &str| told.lines().filter(|line| line.starts_with(id) && line.contains("kb.cn/a-1/")).count();
    assert_eq!((whole("n-1"), whole("n-2")), (1, 1), "{told}");
}

#[cfg(unix)]
#[test]
fn after_a_crash_with_a_program_the_doubt_is_named_and_nobody_is_told_twice() {
    let shop = Shop::opened();
    exec(&shop, "read -r one; echo \"$one\" >> told.txt; exit 1");
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    tell(&ctx, announcement(&cast, 2, "2026-12-05"));
    let ran = shop.run("--now 2026-11-02T09:00 remind send");
    ran.exits(3).says("nobody knows whether these arrived; none is sent again: n-1, n-2").hides("19900000001");
    shop.run("--now 2026-11-02T10:00 remind send").exits(3).says("0 messages sent").says("remind settle");
    assert_eq!(shop.read("told.txt").lines().count(), 1);
    assert!(states(&ctx).iter().all(|(state, said)| state == "unknown" && said.contains("exit code 1")));
    // Nobody is charged on an announcement that may never have arrived.
    let charge_from =
        |term| db::installment::get(ctx.db.read(), stage::term(&cast, term)).unwrap().unwrap().charge_from;
    assert_eq!((charge_from(1), charge_from(2)), (None, None));
    shop.run("remind settle n-1").exits(2);
    shop.run("--now 2026-11-02T11:00 remind settle n-1 --arrived").ok("n-1 counts as sent from now on");
    assert_eq!(charge_from(1).unwrap().to_rfc3339(), "2026-11-04T03:00:00+00:00");
    shop.run("--now 2026-11-02T23:00 remind settle n-2 --not-arrived").ok("to be sent from 2026-11-03 08:00 on");
    shop.run("--now 2026-11-02T23:00 remind settle n-2 --arrived").fails(1, "n-2 is not in doubt: it is queued");
    shop.run("remind settle n-9 --arrived").fails(1, "there is no message n-9");
}

#[cfg(unix)]
#[test]
fn a_channel_that_is_down_gets_the_message_later() {
    let shop = Shop::opened();
    exec(&shop, "exit 75");
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    shop.run("--now 2026-11-02T09:00 remind send").exits(3).says("channel program does not work now").says("1 wait");
    exec(&shop, "while read -r one; do echo '{\"id\":\"n-1\",\"result\":\"sent\",\"said\":\"x-1\"}'; done");
    shop.run("--now 2026-11-02T09:10 remind send").ok("0 messages sent");
    let term = db::installment::get(ctx.db.read(), stage::term(&cast, 1)).unwrap().unwrap();
    assert_eq!(term.charge_from, None);
    shop.run("--now 2026-11-02T09:15 remind send").ok("1 message sent");
    let term = db::installment::get(ctx.db.read(), stage::term(&cast, 1)).unwrap().unwrap();
    assert_eq!(term.charge_from.unwrap().to_rfc3339(), "2026-11-04T01:15:00+00:00");
}
