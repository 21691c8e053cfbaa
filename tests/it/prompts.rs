//! The guided prompts, answered on a pseudo-terminal the way a person answers them: each answer is typed when its question
//! stands there, so nothing waits for the clock.

use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Session};

use crate::shop::Shop;

const ENTER: &str = "\r";
const DOWN: &str = "\x1b[B";
const ESCAPE: &str = "\x1b";

/// A command at a terminal.
struct Typist {
    line: String,
    session: OsSession,
}

impl Typist {
    fn sits_at(shop: &Shop, line: &str) -> Typist {
        let mut command = shop.command(line);
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        let mut session = Session::spawn(command).unwrap();
        // Only a test that fails waits so long.
        session.set_expect_timeout(Some(Duration::from_secs(60)));
        Typist { line: line.to_owned(), session }
    }

    /// Waits for a text.
    fn reads(&mut self, text: &str) -> &mut Typist {
        let read = self.session.expect(text);
        assert!(read.is_ok(), "`{}` never showed {text}: {:?}", self.line, read.err());
        self
    }

    /// Waits for a question, then presses keys.
    fn when(&mut self, question: &str, keys: &[&str]) -> &mut Typist {
        self.reads(question);
        for key in keys {
            self.session.send(key).unwrap();
        }
        self
    }

    /// Waits for the end and checks the exit code.
    fn ends(&mut self, code: i32) {
        self.session.expect(Eof).unwrap();
        let status = self.session.get_process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, ended) if ended == code), "`{}`: {status:?}", self.line);
    }
}

fn init(shop: &Shop) {
    Typist::sits_at(shop, "init --install-code 7K2QX9AB")
        .when("店名叫什么？", &[ENTER])
        .reads("这一项不能不填")
        .when("店名叫什么？", &["团子宠物", ENTER])
        .when("只用微信支付", &[DOWN, ENTER])
        .when("统一社会信用代码", &["91110101MA00TEST0X", ENTER])
        .when("店铺地址", &["示例市青禾路1号", ENTER])
        .when("店铺电话", &["010-00000000", ENTER])
        .reads("店铺已建好")
        .ends(0);
}

#[test]
fn a_shop_is_opened_by_answering() {
    let mut shop = Shop::new();
    shop.lang("zh");
    init(&shop);
    let settings = shop.read("shop.toml");
    for line in
        ["name = \"团子宠物\"", "uscc = \"91110101MA00TEST0X\"", "address = \"示例市青禾路1号\"", "[rail.alipay]"]
    {
        assert!(settings.contains(line), "{line}\n{settings}");
    }
    assert!(!settings.contains("[rail.wechat]"), "{settings}");
    Typist::sits_at(&shop, "init").reads("已经有店铺了").ends(1);
}

#[test]
fn who_stops_at_a_question_leaves_no_shop_behind_and_keeps_the_cursor() {
    let mut shop = Shop::new();
    shop.lang("en");
    let mut typist = Typist::sits_at(&shop, "init --name x");
    let shown = typist.session.expect("WeChat Pay only").unwrap();
    let hidden = "\x1b[?25l".as_bytes();
    assert!(!shown.before().windows(hidden.len()).any(|bytes| bytes == hidden));
    typist.session.send(ESCAPE).unwrap();
    typist.reads("you stopped the command").ends(1);
    assert_eq!(std::fs::read_dir(shop.dir()).unwrap().count(), 0);
}

#[test]
fn an_agreement_is_signed_by_answering_and_a_slip_costs_one_answer() {
    let mut shop = Shop::new();
    shop.lang("zh").at("2026-08-31T10:00");
    init(&shop);
    let mut typist = Typist::sits_at(&shop, "sign");
    typist
        .when("已有客户", &[ENTER])
        .when("姓名（与身份证一致）", &["王小明", ENTER])
        .when("手机号：", &["199", ENTER])
        .reads("手机号应为 11 位")
        .when("手机号：", &["19900000001", ENTER])
        .when("身份证号：", &["11010119900307002X", ENTER])
        .when("收货地址", &[ENTER])
        .when("已建档的宠物", &[ENTER])
        .when("宠物的名字", &["团子", ENTER])
        .when("其他动物", &[ENTER])
        .when("品种", &[ENTER])
        .when("> 未知", &[DOWN, ENTER])
        .when("出生日期", &["8月", ENTER])
        .reads("不是")
        .when("出生日期", &[ENTER])
        .when("参考成本", &["800", ENTER])
        .when("light-150-24", &[DOWN, ENTER])
        .when("> alipay", &[ENTER])
        // No rail debits on the 31st: its last day is offered, or the first.
        .reads("不能以 31 号为扣款日")
        .when("  1", &[DOWN, ENTER]);
    for point in ["（一）每月1日扣款169.00元", "（二）", "（三）", "（四）"] {
        typist.reads(point).when("是否已阅读并理解", &["y"]).when("是否已当面讲解", &["y"]);
    }
    typist.reads("已签约").ends(0);
    shop.run("agreement show a-1").ok("cat-169-18").says("扣款日        1");
}

#[test]
fn a_point_that_is_not_understood_ends_the_signing_and_writes_nothing() {
    let mut shop = Shop::new();
    shop.lang("zh").at("2026-08-31T10:00");
    init(&shop);
    let customer = "--name 王小明 --phone 19900000001 --id-number 11010119900307002X --pet-name 团子 --species 猫";
    let line =
        format!("sign {customer} --reference-cost 800 --plan cat-199-12 --rail alipay --debit-day 1 --address x");
    Typist::sits_at(&shop, &format!("{line} --breed x --sex 公 --born 2026-06-01"))
        .when("是否已阅读并理解", &["n"])
        .reads("什么都没有写入")
        .ends(1);
    shop.run("agreement list --json").ok("[]");
}

#[test]
fn consent_to_the_credit_check_is_asked_apart_and_a_no_costs_nothing_but_a_decision() {
    let mut shop = Shop::new();
    shop.lang("zh").at("2026-11-10T10:00");
    init(&shop);
    shop.write("shop.toml", shop.read("shop.toml").replace("check = \"off\"", "check = \"manual\""));
    let customer =
        "--name 王小明 --phone 19900000001 --id-number 11010119900307002X --pet-name 团子 --species 猫 --sex 公";
    let plan =
        "--born 2026-06-01 --breed x --address x --reference-cost 800 --plan cat-199-12 --rail alipay --debit-day 1";
    let line = format!("sign {customer} {plan} --acknowledged");
    Typist::sits_at(&shop, &line)
        .reads("本人同意商户查看本人的信用分")
        .when("客户是否同意查询信用", &[DOWN, ENTER])
        .when("您看到的信用分", &["59", ENTER])
        .reads("信用分是 350 到 950 之间的数")
        .when("您看到的信用分", &["590", ENTER])
        .when("凭据在哪里", &["shot-1.png", ENTER])
        .reads("不到 600 分")
        .ends(3);
    shop.run("risk refuse a-1 --reason 收入不明").exits(0);
    // The first choice is no: whoever only presses Enter consents to nothing.
    Typist::sits_at(
        &shop,
        &line.replace("--name 王小明 --phone 19900000001 --id-number 11010119900307002X", "--customer c-1"),
    )
    .when("客户是否同意查询信用", &[ENTER])
    .reads("客户不同意，没有查询")
    .ends(3);
}
