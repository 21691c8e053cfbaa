//! Shops whose terms fall due, and their hours: for tests of the debit run. What happened is read with SQL of the tests' own, so
//! that no reading code of kibble's can hide what its writing code did.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::shop::{Ran, Shop};

/// The rails of most tests.
pub const RAILS: &str = "--rail alipay=sandbox --rail wechat=sandbox";

/// An agreement of a shop's earlier book.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// `支付宝` or `微信`.
    pub rail: &'a str,
    /// Signed on; the first term falls due a month later.
    pub signed: &'a str,
    /// Day of the month.
    pub day: u32,
    /// Number of terms.
    pub terms: u32,
}

/// Twelve terms on Alipay, the first due on 2026-11-05.
pub const ALIPAY: Row<'_> = Row { rail: "支付宝", signed: "2026-10-05", day: 5, terms: 12 };
/// The same on WeChat Pay.
pub const WECHAT: Row<'_> = Row { rail: "微信", ..ALIPAY };

/// An English shop with these agreements, `a-1` of customer `c-1` and so on, agreed to on 2026-11-01.
pub fn shop(rows: &[Row<'_>]) -> Shop {
    shop_with(RAILS, "", rows)
}

/// The same with other rails, and with lines that go before everything else in `shop.toml`.
pub fn shop_with(rails: &str, settings: &str, rows: &[Row<'_>]) -> Shop {
    shop_at("2026-11-01T08:00", rails, settings, rows)
}

/// The same, agreed to at another time; everything that fell due before that day was collected by somebody else.
pub fn shop_at(at: &str, rails: &str, settings: &str, rows: &[Row<'_>]) -> Shop {
    let mut shop = opened(rails, settings);
    let mut book =
        "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号\n".to_owned();
    for (row, place) in rows.iter().zip(1..) {
        let (name, id) = (name(place), id_number(place));
        let Row { rail, signed, day, terms } = row;
        book += &format!(
            "{name},199000{place:05},{id},团子{place},猫,英短,猫粮月付199,199.00,{terms},{signed},{day},{rail},HT{place}\n"
        );
    }
    shop.write("book.csv", book);
    shop.at(at);
    let today: chrono::NaiveDate = at[..10].parse().unwrap();
    let until = today.pred_opt().unwrap();
    let answer = shop.run(&format!("agreement import book.csv --paid-until {until} --json"));
    assert_eq!(answer.json()["accepted"], rows.len(), "{}", answer.full());
    shop.run("sandbox sign --all").exits(0);
    shop
}

/// An agreement with a second mandate: signed on 2026-10-05, both agreed to an hour later, first term due on 2026-11-05.
pub fn signed(first: &str, second: Option<&str>) -> Shop {
    let mut shop = signed_waiting(first, second);
    shop.at("2026-10-05T13:00").run("sandbox sign --all").exits(0);
    shop
}

/// The same before anybody agreed.
pub fn signed_waiting(first: &str, second: Option<&str>) -> Shop {
    let mut shop = opened(RAILS, "");
    let second = second.map(|rail| format!("--second-rail {rail}")).unwrap_or_default();
    let (name, id) = (name(1), id_number(1));
    shop.at("2026-10-05T12:00");
    shop.run(&format!(
        "sign --name {name} --phone 19900000001 --id-number {id} --pet-name 团子 --species cat --breed 英短 --sex female
         --source rescued --reference-cost 800 --plan cat-199-12 --rail {first} {second} --debit-day 5 --acknowledged"
    ))
    .exits(0);
    shop
}

/// A shop with its own address and phone, which texts name.
pub fn opened(rails: &str, settings: &str) -> Shop {
    let mut shop = Shop::new();
    shop.lang("en");
    shop.run(&format!("init --install-code 7K2QX9AB --name 团子宠物 --name-en Tuanzi {rails} --yes")).exits(0);
    let toml = shop.read("shop.toml");
    let toml = toml
        .replacen("uscc = \"\"", "uscc = \"91110101MA00TEST0X\"", 1)
        .replacen("address = \"\"", "address = \"青禾路1号\"", 1)
        .replacen("\nphone = \"\"", "\nphone = \"010-00000000\"", 1);
    shop.write("shop.toml", toml);
    set(&shop, settings);
    shop
}

/// Changes settings: lines of `key = value`, each of which stands in `shop.toml` already.
pub fn set(shop: &Shop, settings: &str) {
    let mut toml = shop.read("shop.toml");
    for line in settings.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let key = line.split('=').next().unwrap().trim();
        let old = toml.lines().find(|old| old.split('=').next().unwrap().trim() == key);
        let old = old.unwrap_or_else(|| panic!("shop.toml has no {key}")).to_owned();
        toml = toml.replacen(&old, line, 1);
    }
    shop.write("shop.toml", toml);
}

/// Runs the cycle at that time.
pub fn run(shop: &mut Shop, at: &str) -> Ran {
    shop.at(at).run("debit run")
}

/// Runs the cycle at every hour from `from` to `to`, both included, and returns what the last one said.
pub fn hours(shop: &mut Shop, from: &str, to: &str) -> Ran {
    let mut at = hour(from);
    loop {
        let ran = run(shop, &at.format("%Y-%m-%dT%H:%M").to_string());
        assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
        if at >= hour(to) {
            return ran;
        }
        at += chrono::TimeDelta::hours(1);
    }
}

/// Runs the cycle once a day at 10:00 from `from` to `to`, both included.
pub fn days(shop: &mut Shop, from: &str, to: &str) {
    let (mut day, last): (chrono::NaiveDate, chrono::NaiveDate) = (from.parse().unwrap(), to.parse().unwrap());
    while day <= last {
        let ran = run(shop, &format!("{day}T10:00"));
        assert!(ran.code == 0 || ran.code == 3, "{}", ran.full());
        day = day.succ_opt().unwrap();
    }
}

/// The runs before a term due on 2026-11-05: announced here, and at the rail.
pub fn announced(shop: &mut Shop) {
    for at in ["2026-11-02T08:00", "2026-11-03T09:00", "2026-11-04T09:00"] {
        run(shop, at).exits(0);
    }
}

fn hour(text: &str) -> chrono::NaiveDateTime {
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap()
}

/// What a query finds in the shop's database: columns by `|`, rows by line.
pub fn ask(shop: &Shop, sql: &str) -> String {
    ask_file(shop, "shop.db", sql)
}

/// The same in the pretended provider's own book.
pub fn ask_rail(shop: &Shop, sql: &str) -> String {
    ask_file(shop, "sandbox.db", sql)
}

fn ask_file(shop: &Shop, file: &str, sql: &str) -> String {
    let connection = Connection::open(shop.path(file)).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let mut query = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns = query.column_count();
    let mut rows = query.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cell = |place| match row.get_ref(place).unwrap() {
            ValueRef::Null => String::new(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            ValueRef::Real(_) | ValueRef::Blob(_) => panic!("{sql}: a number or text is wanted"),
        };
        lines.push((0..columns).map(cell).collect::<Vec<_>>().join("|"));
    }
    lines.join("\n")
}

/// The attempts so far: `term attempt kind rail state`, a line each.
pub fn charges(shop: &Shop) -> String {
    ask(
        shop,
        "SELECT 'a-' || agreement_id || '/' || term || ' ' || attempt || ' ' || kind || ' ' || rail || ' ' || state
         FROM charge ORDER BY id",
    )
}

/// What the wallet of a customer holds, in fen, by the postings alone.
pub fn wallet(shop: &Shop, customer: u32) -> i64 {
    let sql = format!(
        "SELECT -COALESCE(SUM(amount), 0) FROM posting WHERE account = 'wallet:principal' AND customer_id = {customer}"
    );
    ask(shop, &sql).parse().unwrap()
}

/// How many messages of a template have been sent.
pub fn sent(shop: &Shop, template: &str) -> usize {
    let sql = format!("SELECT count(*) FROM message WHERE template = '{template}' AND state = 'sent'");
    ask(shop, &sql).parse().unwrap()
}

/// Everything that a run which has nothing to do must leave as it is: rows by table, and audit rows beside those of runs.
pub fn counts(shop: &Shop) -> String {
    ask(
        shop,
        "SELECT (SELECT count(*) FROM audit WHERE op NOT IN ('run_started', 'run_ended')),
                (SELECT count(*) FROM charge), (SELECT count(*) FROM message), (SELECT count(*) FROM entry),
                (SELECT count(*) FROM posting), (SELECT count(*) FROM points), (SELECT count(*) FROM notice),
                (SELECT count(*) FROM flag), (SELECT count(*) FROM refund)",
    ) + "\n"
        + &ask(shop, "SELECT id, state, code, asked_at FROM charge ORDER BY id")
        + "\n"
        + &ask(shop, "SELECT id, state, tries FROM message ORDER BY id")
        + "\n"
        + &ask(
            shop,
            "SELECT agreement_id, term, state, course, lane, failures, next_try_at FROM installment ORDER BY 1, 2",
        )
        + "\n"
        + &ask_rail(shop, "SELECT rail, order_no, state, paid_at FROM orders ORDER BY 1, 2")
}

/// The shop's books hold, by kibble's own word.
#[track_caller]
pub fn holds(shop: &Shop) {
    shop.run("check").ok("every law holds");
}

fn name(place: u32) -> String {
    const NAMES: [&str; 12] = [
        "王小明",
        "李晓红",
        "张伟光",
        "刘洋帆",
        "陈静怡",
        "杨帆远",
        "赵大海",
        "黄丽娟",
        "周建国",
        "吴雪梅",
        "徐志强",
        "孙丽华",
    ];
    NAMES[usize::try_from(place - 1).unwrap() % NAMES.len()].to_owned()
}

/// A sound ID number of an area that does not exist, born on 1990-05-06.
/// A valid ID number of nobody.
pub fn id_number(place: u32) -> String {
    let body = format!("11999919900506{place:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{body}{}", b"10X98765432"[usize::try_from(sum % 11).unwrap()] as char)
}
