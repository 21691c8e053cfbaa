//! WeChat Pay on this machine: a protocol front for the sandbox engine. It checks every signature and field of v2 and v3 calls as the
//! provider does, asks the engine, and says the engine's answer in the provider's words, signed. What it can be told to do wrong is
//! [`Trick`]; what customers do is [`WechatPay::customer_signs`] and the book's own functions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{Duration, NaiveDate};
use chrono_tz::Asia::Shanghai;
use kibble::adapters::keys::{PrivateKey, PublicKey, base64, hex, hmac_sha256, md5_hex, sha1_hex};
use kibble::adapters::rail::sandbox::rows::{Contract, ContractState, Order, OrderState};
use kibble::adapters::rail::sandbox::{Book, Sandbox, Temper};
use kibble::adapters::rail::{
    BillPeriod, ChargeRequest, Closed, DebitNotice, MandateRef, MandateState, PayLinkRequest, Rail, RefundRequest,
    SignRequest, Trouble,
};
use kibble::clock::Clock;
use kibble::domain::bill::Dialect;
use kibble::domain::date::{At, day_of};
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Profile};
use serde_json::{Value, json};

use super::{Answered, Asked, Provider, key, key_file};

pub const APPID: &str = "wx0000000000000001";
/// The one that the sandbox writes into its bills.
pub const MCH_ID: &str = "1900000022";
pub const PLAN_ID: &str = "125350";
pub const V2_KEY: &str = "192006250b4c09247ec02edce69f6a2d";
pub const V3_KEY: &str = "0123456789abcdef0123456789abcdef";
pub const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000222026112100000000000001";
/// Serial number of the merchant certificate, as the calls must name it.
pub const MERCHANT_SERIAL: &str = "17F373E42E9117CA8DB55613A107810BFFAD6FAF";
const NOTIFY_URL: &str = "https://shop.example/wechat";

/// Refusals of `/pay/pappayapply` at the door: no order was made then.
const DOOR: [&str; 5] = ["INVALID_REQUEST", "CONTRACT_NOT_EXIST", "RULELIMIT", "PARAM_ERROR", "NOAUTH"];
/// Minutes before an order may be closed.
const CLOSE_MINUTES: i64 = 5;
/// Seconds by which a v3 call's time may be off.
const SKEW_SECONDS: i64 = 300;

/// What goes wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Without a signature.
    Unsigned,
    /// One letter of the signature is another.
    BadSignature,
    /// Signed with somebody else's key.
    ForeignSignature,
    /// v3: the probe that must fail.
    Probe,
    /// The answer to another order, well signed.
    OtherOrder,
    /// The answer names another sum, well signed.
    OtherSum,
    /// A gateway's error page in GBK, status 200.
    Page,
    /// The call is refused with this code and nothing is done.
    Refuse(&'static str),
    /// The call is done, and answered with this code all the same.
    DoneBut(&'static str),
    /// `return_code` FAIL: turned away, unsigned, nothing done.
    TurnedAway,
    /// Status 503 with a page, nothing done.
    Maintenance,
    /// One call too many: nothing done.
    TooMany,
    /// v3: signed, ten minutes ago.
    Stale,
}

/// The provider.
pub struct WechatPay {
    profile: Profile,
    engine: Sandbox,
    book: Arc<Book>,
    clock: Clock,
    keys: Keys,
    state: Mutex<State>,
}

struct Keys {
    merchant: PublicKey,
    platform: PrivateKey,
    stranger: PrivateKey,
    certificate: String,
    certificate_serial: String,
}

#[derive(Default)]
struct State {
    tricks: Vec<(String, Trick)>,
    /// What goes wrong with every answer.
    mood: Option<Trick>,
    refunds: BTreeMap<String, RefundRequest>,
    announced: BTreeMap<String, (Money, At)>,
    bills: BTreeMap<String, Vec<u8>>,
    /// The platform certificate signs, not the public key.
    certificates: bool,
    /// Queries do not say why a debit failed.
    mute: bool,
    /// By how much the provider's clock is ahead.
    ahead: i64,
    answers: u64,
}

/// Fields of a v2 message, by name.
type Xml = BTreeMap<String, String>;

/// What is to be said.
enum Say {
    /// v2, to be signed.
    Xml(Xml),
    /// v2, never signed.
    Plain(String),
    /// v3, to be signed.
    Json(u16, Value),
    /// As it is.
    Raw(Answered),
}

impl WechatPay {
    /// The provider with the rules of `profile`, on a book of its own.
    pub fn new(rail: &str, profile: Profile, clock: Clock, book: Arc<Book>) -> WechatPay {
        let engine = Sandbox::open(rail, profile.clone(), clock.clone(), book.clone()).with_dialect(Dialect::Wechat);
        WechatPay { profile, engine, book, clock, keys: Keys::read(), state: Mutex::default() }
    }

    /// With a temper of its own.
    pub fn with_temper(self, temper: Temper) -> WechatPay {
        WechatPay { engine: self.engine.with_temper(temper), ..self }
    }

    /// The next call whose path begins so goes wrong.
    pub fn play(&self, path: &str, trick: Trick) {
        self.state().tricks.push((path.to_owned(), trick));
    }

    /// Every call goes wrong from now on, or none.
    pub fn set_mood(&self, mood: Option<Trick>) {
        self.state().mood = mood;
    }

    /// Signs with the platform certificate from now on.
    pub fn use_certificates(&self) {
        self.state().certificates = true;
    }

    /// Queries do not say from now on why a debit failed: no published sample of them does.
    pub fn set_mute(&self) {
        self.state().mute = true;
    }

    /// The provider's clock runs ahead by that much.
    pub fn set_ahead(&self, by: Duration) {
        self.state().ahead = by.num_seconds();
    }

    /// The customer opens a sign link and agrees.
    pub fn customer_signs(&self, url: &str, payer: &str) -> Result<(), String> {
        let (_, rest) = url.split_once("/papay/entrustweb?").ok_or("not the page")?;
        let contract_no = self.page(url.len(), rest, payer, false)?;
        self.book.agree(self.engine.name(), &contract_no, self.clock.now()).map_err(|error| error.to_string())
    }

    /// A notice of a debit or a link as the provider sends it, signed with MD5.
    pub fn debit_notice(&self, order_no: &str) -> String {
        let order = self.book.order(self.engine.name(), order_no).unwrap().unwrap();
        let mut xml = self.order_fields(&order, "trade_state");
        xml.remove("trade_state");
        xml.remove("trade_state_desc");
        written(&signed(named(xml, &[("return_code", "SUCCESS"), ("result_code", "SUCCESS")]), V2_KEY, false))
    }

    /// A notice of a contract as the provider sends it.
    pub fn contract_notice(&self, contract_no: &str) -> String {
        let contract = self.contract(contract_no).unwrap();
        let ended = contract.state == ContractState::Ended;
        let change = if ended { "DELETE" } else { "ADD" };
        let at = if ended { contract.ended_at } else { contract.signed_at };
        let mode = if ended { termination_mode(contract.ended_by.as_deref()) } else { "" };
        let xml = fields(&[
            ("return_code", "SUCCESS"),
            ("result_code", "SUCCESS"),
            ("mch_id", MCH_ID),
            ("contract_code", contract_no),
            ("openid", "oHZx6uMbIG46UXQ3SKxVYEgw1LZs"),
            ("plan_id", PLAN_ID),
            ("change_type", change),
            ("operate_time", &wall(at.unwrap())),
            ("contract_id", contract.provider_no.as_deref().unwrap()),
            ("contract_termination_mode", mode),
            ("request_serial", "179609040000000001"),
        ]);
        written(&signed(xml, V2_KEY, false))
    }

    /// The headers that prove a v3 notice or answer.
    pub fn sealed(&self, body: &str) -> Vec<(String, String)> {
        self.headers(body, None, self.now().timestamp())
    }

    /// Payments less refunds.
    pub fn moved(&self) -> Money {
        let totals = self.book.totals(self.engine.name()).unwrap();
        totals.paid - totals.refunded
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn trick(&self, path: &str) -> Option<Trick> {
        let mut state = self.state();
        match state.tricks.iter().position(|(start, _)| path.starts_with(start.as_str())) {
            Some(at) => Some(state.tricks.remove(at).1),
            None => state.mood,
        }
    }

    fn contract(&self, contract_no: &str) -> Option<Contract> {
        self.book.contract(self.engine.name(), contract_no).unwrap()
    }

    /// The contract that a call names, by the provider's number or by ours.
    fn named_contract(&self, xml: &Xml) -> Result<Option<Contract>, String> {
        if let Some(contract_id) = xml.get("contract_id") {
            return Ok(self.contract_by_id(contract_id));
        }
        need(xml, &["plan_id", "contract_code"])?;
        if xml["plan_id"] != PLAN_ID {
            return Err("plan_id".to_owned());
        }
        Ok(self.contract(&xml["contract_code"]))
    }

    fn contract_by_id(&self, contract_id: &str) -> Option<Contract> {
        let all = self.book.state().unwrap().contracts;
        all.into_iter().find(|it| it.rail == self.engine.name() && it.provider_no.as_deref() == Some(contract_id))
    }
}

impl Provider for WechatPay {
    fn answer(&self, asked: &Asked) -> Answered {
        let trick = self.trick(&asked.path);
        let said = match trick {
            Some(Trick::Maintenance) => Say::Raw(page(503)),
            Some(Trick::Page) => Say::Raw(page(200)),
            Some(Trick::TooMany) if asked.path.starts_with("/v3/") => {
                Say::Json(429, json!({ "code": "FREQUENCY_LIMITED", "message": "频率超限" }))
            }
            Some(Trick::TooMany) => Say::Xml(fail("FREQUENCY_LIMITED", "频率超限")),
            Some(Trick::TurnedAway) => Say::Plain(turned_away("签名错误")),
            Some(Trick::Refuse(code)) => self.refused_by_trick(asked, code),
            Some(Trick::DoneBut(code)) => {
                self.say(asked);
                self.refused_by_trick(asked, code)
            }
            _ => self.say(asked),
        };
        self.finished(said, trick)
    }

    fn moves_money(&self, asked: &Asked) -> bool {
        let refund = asked.path == "/v3/refund/domestic/refunds" || asked.path == "/secapi/pay/refund";
        asked.path == "/pay/pappayapply" || (refund && asked.method == "POST")
    }

    fn now(&self) -> At {
        self.clock.now() + Duration::seconds(self.state().ahead)
    }
}

/// v2.
impl WechatPay {
    fn say(&self, asked: &Asked) -> Say {
        if asked.path.starts_with("/v3/") {
            return self.say_v3(asked);
        }
        if asked.path == "/papay/h5entrustweb" {
            return self.h5(asked);
        }
        // A customer in another process opens the page and agrees; `X-Payer` says who pays.
        if asked.path == "/papay/entrustweb" && asked.method == "GET" {
            let payer = code_or(asked.header("x-payer"), "c-0");
            let agreed = self.customer_signs(&format!("/papay/entrustweb?{}", asked.query), payer);
            let (status, text) = agreed.map_or_else(|why| (400, why), |()| (200, "签约成功".to_owned()));
            return Say::Raw(Answered { status, headers: Vec::new(), body: text.into_bytes() });
        }
        match self.say_v2(asked) {
            Ok(Ok(xml)) => Say::Xml(fine(xml)),
            Ok(Err((code, text))) => Say::Xml(fail(&code, &text)),
            Err(why) => Say::Plain(turned_away(&why)),
        }
    }

    /// Outer: turned away at the door. Inner: refused in a signed answer.
    fn say_v2(&self, asked: &Asked) -> Result<Result<Xml, (String, String)>, String> {
        if asked.method != "POST" {
            return Err("REQUIRE_POST_METHOD".to_owned());
        }
        let xml = parsed(std::str::from_utf8(&asked.body).map_err(|_| "NOT_UTF8")?)?;
        let bare = asked.path.starts_with("/papay/");
        need(&xml, &["appid", "mch_id", "sign"])?;
        need(&xml, if bare { &["version"] } else { &["nonce_str"] })?;
        if bare && xml.contains_key("nonce_str") {
            return Err("nonce_str".to_owned());
        }
        if xml["appid"] != APPID || xml["mch_id"] != MCH_ID {
            return Err("appid and mch_id".to_owned());
        }
        let hmac = xml.get("sign_type").is_some_and(|kind| kind == "HMAC-SHA256");
        if signature(&xml, V2_KEY, hmac) != xml["sign"] {
            return Err("签名错误".to_owned());
        }
        match asked.path.as_str() {
            "/papay/querycontract" => self.querycontract(&xml),
            "/papay/deletecontract" => self.deletecontract(&xml),
            "/pay/pappayapply" => self.pappayapply(&xml),
            "/pay/orderquery" => self.orderquery(&xml, "PAYERROR"),
            "/pay/paporderquery" => self.orderquery(&xml, "PAY_FAIL"),
            "/pay/closeorder" => self.closeorder(&xml),
            "/pay/unifiedorder" => self.unifiedorder(&xml),
            "/secapi/pay/refund" => self.refund_v2(&xml),
            "/pay/refundquery" => self.refundquery(&xml),
            "/pay/downloadbill" => self.downloadbill(&xml),
            other => Err(format!("no such call: {other}")),
        }
    }

    fn querycontract(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        let Some(contract) = self.named_contract(xml)? else { return Ok(no("RESULT_NULL", "查询结果为空")) };
        let mandate = mandate_of(&contract);
        let state = self.engine.mandate_state(&mandate).map_err(|trouble| trouble.to_string())?;
        let contract = self.contract(&contract.contract_no).unwrap();
        let mut said = fields(&[
            ("contract_code", &contract.contract_no),
            ("plan_id", PLAN_ID),
            ("request_serial", "179609040000000001"),
            ("contract_display_account", "王**"),
            ("err_code", "0"),
            ("err_code_des", "SUCCESS"),
        ]);
        let times = [("contract_signed_time", contract.signed_at), ("contract_terminated_time", contract.ended_at)];
        for (name, at) in times {
            said.extend(at.map(|at| (name.to_owned(), wall(at))));
        }
        said.extend(contract.provider_no.map(|number| ("contract_id".to_owned(), number)));
        let (number, mode) = match state {
            MandateState::Live { .. } => ("0", ""),
            MandateState::Waiting | MandateState::NotFound => ("1", ""),
            MandateState::Ended { by, .. } => ("1", termination_mode(Some(&by))),
        };
        Ok(Ok(named(said, &[("contract_state", number), ("contract_termination_mode", mode)])))
    }

    fn deletecontract(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        need(xml, &["contract_termination_remark"])?;
        match self.named_contract(xml)? {
            Some(contract) if contract.state == ContractState::Live => {
                let mandate = mandate_of(&contract);
                self.engine.close_mandate(&mandate, "").map_err(|trouble| trouble.to_string())?;
                Ok(Ok(fields(&[("contract_code", &contract.contract_no), ("plan_id", PLAN_ID)])))
            }
            _ => Ok(no("CONTRACT_NOT_EXIST", "协议不存在")),
        }
    }

    fn pappayapply(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        let wanted =
            ["body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url", "trade_type", "contract_id"];
        need(xml, &wanted)?;
        let sum = order_sum(xml)?;
        if xml["trade_type"] != "PAP" {
            return Ok(no("PARAM_ERROR", "trade_type"));
        }
        let order_no = &xml["out_trade_no"];
        let contract = self.contract_by_id(&xml["contract_id"]);
        if let Some(known) = self.settled(order_no) {
            let same = known.amount == sum && known.contract_no == contract.as_ref().map(|it| it.contract_no.clone());
            if !at_the_door(&known) {
                return Ok(match known.state {
                    OrderState::Declined | OrderState::Closed => no("ORDERCLOSED", "订单已关闭"),
                    _ if !same => no("INVALID_REQUEST", "商户订单号重复"),
                    OrderState::Paid => no("ORDERPAID", "订单已支付"),
                    OrderState::Pending | OrderState::LinkOpen => no("ORDER_ACCEPTED", "订单已受理"),
                });
            }
        }
        let Some(contract) = contract else { return Ok(no("CONTRACT_NOT_EXIST", "签约协议不存在")) };
        // The front's own way to learn the agreed day: WeChat Pay itself knows none.
        let due: NaiveDate = xml.get("attach").ok_or("attach")?.parse().map_err(|_| "attach")?;
        let reply = self.engine.charge(&ChargeRequest {
            order_no: order_no.clone(),
            mandate: mandate_of(&contract),
            amount: sum,
            subject: xml["body"].clone(),
            due,
        });
        match reply.answer {
            Answer::Declined(_) if DOOR.contains(&reply.code.as_str()) => Ok(no(&reply.code, &reply.text)),
            Answer::Unknown => Ok(no(code_or(&reply.code, "SYSTEMERROR"), &reply.text)),
            _ => Ok(Ok(Xml::new())),
        }
    }

    fn orderquery(&self, xml: &Xml, failed: &str) -> Result<Result<Xml, (String, String)>, String> {
        need(xml, &["out_trade_no"])?;
        match self.settled(&xml["out_trade_no"]) {
            Some(order) if !at_the_door(&order) => Ok(Ok(self.order_fields(&order, failed))),
            _ => Ok(no("ORDERNOTEXIST", "订单不存在")),
        }
    }

    fn order_fields(&self, order: &Order, failed: &str) -> Xml {
        let state = match order.state {
            OrderState::Paid if order.refunded.is_positive() => "REFUND",
            OrderState::Paid => "SUCCESS",
            OrderState::Declined => failed,
            OrderState::Pending => "ACCEPT",
            OrderState::Closed => "CLOSED",
            OrderState::LinkOpen => "NOTPAY",
        };
        let fen = order.amount.fen().to_string();
        let mut said = fields(&[
            ("appid", APPID),
            ("mch_id", MCH_ID),
            ("out_trade_no", &order.order_no),
            ("trade_type", if order.contract_no.is_some() { "PAP" } else { "NATIVE" }),
            ("total_fee", &fen),
            ("fee_type", "CNY"),
            ("trade_state", state),
            ("trade_state_desc", &order.text),
        ]);
        if order.state == OrderState::Declined && self.state().mute {
            return named(said, &[("trade_state_desc", "支付失败")]);
        }
        if order.state == OrderState::Declined {
            return named(said, &[("err_code", &order.code), ("err_code_des", &order.text)]);
        }
        if let Some(at) = order.paid_at {
            said.insert("transaction_id".to_owned(), order.trade_no.clone().unwrap());
            said.insert("time_end".to_owned(), at.with_timezone(&Shanghai).format("%Y%m%d%H%M%S").to_string());
            said.insert("openid".to_owned(), "oHZx6uMbIG46UXQ3SKxVYEgw1LZs".to_owned());
        }
        said
    }

    fn closeorder(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        need(xml, &["out_trade_no"])?;
        let Some(order) = self.settled(&xml["out_trade_no"]) else { return Ok(no("ORDERNOTEXIST", "订单不存在")) };
        if order.state == OrderState::Paid {
            return Ok(no("ORDERPAID", "订单已支付"));
        }
        if matches!(order.state, OrderState::Closed | OrderState::Declined) {
            return Ok(no("ORDERCLOSED", "订单已关闭"));
        }
        if self.clock.now() < order.created_at + Duration::minutes(CLOSE_MINUTES) {
            return Ok(no("INVALID_REQUEST", "订单生成后5分钟内不能关闭"));
        }
        match self.engine.close_order(&order.order_no) {
            Ok(Closed::Closed) => Ok(Ok(Xml::new())),
            Ok(Closed::AlreadyPaid(_)) => Ok(no("ORDERPAID", "订单已支付")),
            Err(Trouble::Refused { code, text, .. }) => Ok(no(&code, &text)),
            Err(trouble) => Err(trouble.to_string()),
        }
    }

    fn unifiedorder(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        let wanted =
            ["body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url", "trade_type", "product_id"];
        need(xml, &wanted)?;
        let amount = order_sum(xml)?;
        let order_no = xml["out_trade_no"].clone();
        let asked = PayLinkRequest { order_no, amount, subject: xml["body"].clone() };
        match self.engine.pay_link(&asked) {
            Ok(_) => {
                let code = format!("weixin://wxpay/bizpayurl?pr={}", &md5_hex(asked.order_no.as_bytes())[..9]);
                Ok(Ok(fields(&[("trade_type", "NATIVE"), ("prepay_id", "wx2026"), ("code_url", &code)])))
            }
            Err(Trouble::Refused { code, text, .. }) if code == "INVALID_REQUEST" => Ok(no("OUT_TRADE_NO_USED", &text)),
            Err(Trouble::Refused { code, text, .. }) => Ok(no(&code, &text)),
            Err(trouble) => Err(trouble.to_string()),
        }
    }

    fn refund_v2(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        need(xml, &["out_trade_no", "out_refund_no", "total_fee", "refund_fee"])?;
        let fen = |name: &str| xml[name].parse().map(Money::from_fen).map_err(|_| name.to_owned());
        let request = RefundRequest {
            refund_no: xml["out_refund_no"].clone(),
            order_no: xml["out_trade_no"].clone(),
            paid: fen("total_fee")?,
            amount: fen("refund_fee")?,
        };
        match self.refunded(&request) {
            Ok(refund_id) => Ok(Ok(fields(&[("out_refund_no", &request.refund_no), ("refund_id", &refund_id)]))),
            Err((code, text)) => Ok(no(&code, &text)),
        }
    }

    fn refundquery(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        need(xml, &["out_refund_no"])?;
        let Some((request, refund_id, at)) = self.refund_known(&xml["out_refund_no"]) else {
            return Ok(no("REFUNDNOTEXIST", "退款单不存在"));
        };
        Ok(Ok(fields(&[
            ("out_trade_no", &request.order_no),
            ("total_fee", &request.paid.fen().to_string()),
            ("refund_count", "1"),
            ("out_refund_no_0", &request.refund_no),
            ("refund_fee_0", &request.amount.fen().to_string()),
            ("refund_id_0", &refund_id),
            ("refund_status_0", "SUCCESS"),
            ("refund_success_time_0", &wall(at)),
        ])))
    }

    fn downloadbill(&self, xml: &Xml) -> Result<Result<Xml, (String, String)>, String> {
        need(xml, &["bill_date", "bill_type"])?;
        let day = NaiveDate::parse_from_str(&xml["bill_date"], "%Y%m%d").map_err(|_| "invalid bill_date")?;
        // The door's words are the refusals of this call, and a bill is no XML.
        Err(match self.engine.bill(BillPeriod::Day(day)) {
            Ok(bill) => String::from_utf8(bill.bytes).unwrap(),
            Err(Trouble::Refused { code, .. }) if code == "STATEMENT_CREATING" => "Bill Creating".to_owned(),
            Err(_) => "No Bill Exist".to_owned(),
        })
    }

    fn h5(&self, asked: &Asked) -> Say {
        let answer = match self.page(0, &asked.query, "c-0", true) {
            Ok(contract_no) => format!(
                "<xml><return_code><![CDATA[SUCCESS]]></return_code><result_code><![CDATA[SUCCESS]]></result_code>\
                 <redirect_url><![CDATA[https://payapp.weixin.qq.com/h5?c={contract_no}]]></redirect_url></xml>"
            ),
            Err(why) => format!(
                "<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code><result_msg>{why}</result_msg></xml>"
            ),
        };
        Say::Plain(answer)
    }

    /// Checks a sign page's parameters and keeps the contract; its number.
    fn page(&self, length: usize, query: &str, payer: &str, h5: bool) -> Result<String, String> {
        if length > 1024 {
            return Err("too long".to_owned());
        }
        let xml: Xml = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let wanted = [
            "appid",
            "mch_id",
            "plan_id",
            "contract_code",
            "request_serial",
            "contract_display_account",
            "notify_url",
            "version",
            "timestamp",
            "sign",
        ];
        need(&xml, &wanted)?;
        if h5 {
            need(&xml, &["clientip"])?;
        }
        let serial = &xml["request_serial"];
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let sound = xml["appid"] == APPID
            && xml["mch_id"] == MCH_ID
            && xml["plan_id"] == PLAN_ID
            && xml["version"] == "1.0"
            && !xml.contains_key("sign_type")
            && (9..=18).contains(&serial.len())
            && numeric(serial)
            && !serial.starts_with('0')
            && xml["timestamp"].len() == 10
            && numeric(&xml["timestamp"])
            && !xml["notify_url"].contains('?')
            && query.contains("notify_url=https%3A%2F%2F");
        if !sound {
            return Err("PARAM_ERROR".to_owned());
        }
        if signature(&xml, V2_KEY, h5) != xml["sign"] {
            return Err("SIGN_ERROR".to_owned());
        }
        let contract_no = xml["contract_code"].clone();
        // A template fixes no number of debits and no end; the rail's own cap is its cap.
        self.engine
            .sign_link(&SignRequest {
                contract_no: contract_no.clone(),
                customer_label: xml["contract_display_account"].clone(),
                payer: payer.to_owned(),
                amount: self.profile.single_cap,
                count: 1_000,
                first_date: day_of(self.clock.now(), Shanghai),
                valid_until: NaiveDate::from_ymd_opt(2099, 12, 31).unwrap(),
            })
            .map_err(|trouble| trouble.to_string())?;
        Ok(contract_no)
    }

    /// The order as it stands now.
    fn settled(&self, order_no: &str) -> Option<Order> {
        let known = self.book.order(self.engine.name(), order_no).unwrap()?;
        let heard = self.engine.query_charge(order_no, known.amount);
        let older = heard.answer == Answer::NotFound;
        if older { None } else { self.book.order(self.engine.name(), order_no).unwrap() }
    }

    fn refunded(&self, request: &RefundRequest) -> Result<String, (String, String)> {
        let reply = self.engine.refund(request);
        match reply.answer {
            Answer::Paid => {
                self.state().refunds.insert(request.refund_no.clone(), request.clone());
                Ok(reply.trade_no.unwrap())
            }
            Answer::Declined(_) => Err((reply.code, reply.text)),
            _ => Err((code_or(&reply.code, "SYSTEMERROR").to_owned(), reply.text)),
        }
    }

    /// A refund that was made; one that was refused was never made.
    fn refund_known(&self, refund_no: &str) -> Option<(RefundRequest, String, At)> {
        let request = self.state().refunds.get(refund_no).cloned()?;
        let reply = self.engine.query_refund(&request);
        Some((request, reply.trade_no.unwrap(), reply.at.unwrap()))
    }
}

/// v3.
impl WechatPay {
    fn say_v3(&self, asked: &Asked) -> Say {
        if let Err(why) = self.authorized(asked) {
            // Turned away before anybody knew who asks: not signed.
            let body = json!({ "code": "SIGN_ERROR", "message": why }).to_string();
            return Say::Raw(Answered { status: 401, headers: Vec::new(), body: body.into_bytes() });
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let part = |start: &str, end: &str| asked.path.strip_prefix(start)?.strip_suffix(end).map(str::to_owned);
        if let Some(contract_id) = part("/v3/papay/contracts/", "/notify") {
            return self.notify(&contract_id, &body);
        }
        if asked.path == "/v3/refund/domestic/refunds" {
            return self.refund_v3(&body);
        }
        if let Some(refund_no) = part("/v3/refund/domestic/refunds/", "") {
            return match self.refund_known(&refund_no) {
                Some((request, refund_id, at)) => Say::Json(200, refund_json(&request, &refund_id, at)),
                None => Say::Json(404, json!({ "code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在" })),
            };
        }
        match asked.path.as_str() {
            "/v3/bill/tradebill" => self.tradebill(asked),
            "/v3/billdownload/file" => self.billdownload(asked),
            "/v3/certificates" => self.certificates(),
            _ => Say::Json(404, json!({ "code": "RESOURCE_NOT_EXISTS", "message": asked.path })),
        }
    }

    fn authorized(&self, asked: &Asked) -> Result<(), String> {
        let header = asked.header("authorization");
        let given = header.strip_prefix("WECHATPAY2-SHA256-RSA2048 ").ok_or("no Authorization")?;
        let given: Xml = given
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        need(&given, &["mchid", "serial_no", "timestamp", "nonce_str", "signature"])?;
        if given["mchid"] != MCH_ID || given["serial_no"] != MERCHANT_SERIAL {
            return Err("商户证书序列号有误".to_owned());
        }
        let timestamp: i64 = given["timestamp"].parse().map_err(|_| "timestamp")?;
        if (timestamp - self.now().timestamp()).abs() > SKEW_SECONDS {
            return Err("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟".to_owned());
        }
        if asked.header("accept") != "application/json" || asked.header("user-agent").is_empty() {
            return Err("Accept and User-Agent".to_owned());
        }
        if !self.state().certificates && asked.header("wechatpay-serial") != PUBLIC_KEY_ID {
            return Err("Wechatpay-Serial".to_owned());
        }
        let target = match asked.query.as_str() {
            "" => asked.path.clone(),
            query => format!("{}?{query}", asked.path),
        };
        let body = String::from_utf8(asked.body.clone()).map_err(|_| "UTF-8")?;
        let text = format!("{}\n{target}\n{timestamp}\n{}\n{body}\n", asked.method, given["nonce_str"]);
        match self.keys.merchant.verifies(text.as_bytes(), &given["signature"]) {
            true => Ok(()),
            false => Err("错误的签名".to_owned()),
        }
    }

    fn notify(&self, contract_id: &str, body: &Value) -> Say {
        let amount = body["estimated_amount"]["amount"].as_i64().map(Money::from_fen);
        let sound = body["mchid"] == MCH_ID
            && body["appid"] == APPID
            && body["deduct_duration"]["unit"] == "DAY"
            && body["deduct_duration"]["count"] == self.profile.notice_valid_days
            && body["estimated_amount"]["currency"] == "CNY";
        let (Some(amount), true) = (amount, sound) else {
            return Say::Json(400, json!({ "code": "PARAM_ERROR", "message": "参数错误" }));
        };
        let Some(contract) = self.contract_by_id(contract_id) else {
            return Say::Json(404, json!({ "code": "CONTRACT_NOT_EXIST", "message": "签约协议不存在" }));
        };
        let standing = self.state().announced.get(contract_id).copied().filter(|(_, given)| {
            let (_, last) = self.profile.notice_covers(*given);
            day_of(self.clock.now(), Shanghai) <= last
        });
        // WeChat Pay is told no agreed day: any fixed one makes equal notices equal.
        let due = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
        match self.engine.announce(&DebitNotice { mandate: mandate_of(&contract), amount, due }) {
            Ok(()) if standing.is_some_and(|(sum, _)| sum == amount) => {
                Say::Json(400, json!({ "code": "RESOURCE_ALREADY_EXISTS", "message": "已成功发送通知" }))
            }
            Ok(()) => {
                self.state().announced.insert(contract_id.to_owned(), (amount, self.clock.now()));
                Say::Json(204, Value::Null)
            }
            Err(Trouble::Refused { code, text, .. }) => Say::Json(400, json!({ "code": code, "message": text })),
            Err(trouble) => Say::Json(500, json!({ "code": "SYSTEM_ERROR", "message": trouble.to_string() })),
        }
    }

    fn refund_v3(&self, body: &Value) -> Say {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let fen = |name: &str| body["amount"][name].as_i64().map(Money::from_fen);
        let (Some(refund_no), Some(order_no), Some(amount), Some(paid), Some("CNY")) = (
            text("out_refund_no"),
            text("out_trade_no"),
            fen("refund"),
            fen("total"),
            body["amount"]["currency"].as_str(),
        ) else {
            return Say::Json(400, json!({ "code": "PARAM_ERROR", "message": "参数错误" }));
        };
        let request = RefundRequest { refund_no, order_no, paid, amount };
        match self.refunded(&request) {
            Ok(refund_id) => Say::Json(200, refund_json(&request, &refund_id, self.clock.now())),
            Err((code, text)) => {
                let (status, code) = match code.as_str() {
                    "ORDERNOTEXIST" => (404, "RESOURCE_NOT_EXISTS"),
                    "SYSTEMERROR" => (500, "SYSTEM_ERROR"),
                    _ => (400, "INVALID_REQUEST"),
                };
                Say::Json(status, json!({ "code": code, "message": text }))
            }
        }
    }

    fn tradebill(&self, asked: &Asked) -> Say {
        let day = asked.query.split('&').find_map(|pair| pair.strip_prefix("bill_date="));
        let Some(day) = day.and_then(|day| day.parse::<NaiveDate>().ok()) else {
            return Say::Json(400, json!({ "code": "PARAM_ERROR", "message": "bill_date" }));
        };
        match self.engine.bill(BillPeriod::Day(day)) {
            Ok(bill) => {
                let token = md5_hex(bill.name.as_bytes());
                let url = format!("http://{}/v3/billdownload/file?token={token}", asked.header("host"));
                let hash = sha1_hex(&bill.bytes);
                let gzip = asked.query.contains("tar_type=GZIP");
                self.state().bills.insert(token, if gzip { packed(&bill.bytes) } else { bill.bytes });
                Say::Json(200, json!({ "hash_type": "SHA1", "hash_value": hash, "download_url": url }))
            }
            Err(Trouble::Refused { code, text, .. }) => Say::Json(400, json!({ "code": code, "message": text })),
            Err(trouble) => Say::Json(500, json!({ "code": "SYSTEM_ERROR", "message": trouble.to_string() })),
        }
    }

    fn billdownload(&self, asked: &Asked) -> Say {
        let bytes = asked.query.strip_prefix("token=").and_then(|token| self.state().bills.get(token).cloned());
        match bytes {
            Some(body) => Say::Raw(Answered { status: 200, headers: Vec::new(), body }),
            None => Say::Json(404, json!({ "code": "RESOURCE_NOT_EXISTS", "message": "token" })),
        }
    }

    fn certificates(&self) -> Say {
        let (nonce, about) = ("fdasflkja484", "certificate");
        let sealed = sealed_gcm(V3_KEY, nonce, about, self.keys.certificate.as_bytes());
        let entry = json!({
            "serial_no": self.keys.certificate_serial,
            "effective_time": "2026-01-01T00:00:00+08:00",
            "expire_time": "2031-01-01T00:00:00+08:00",
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": nonce,
                "associated_data": about,
                "ciphertext": sealed,
            },
        });
        Say::Json(200, json!({ "data": [entry] }))
    }
}

/// Signing.
impl WechatPay {
    fn finished(&self, said: Say, trick: Option<Trick>) -> Answered {
        match said {
            Say::Raw(answered) => answered,
            Say::Plain(text) => xml_answer(text),
            Say::Xml(mut xml) => {
                match trick {
                    // An acceptance names no order by itself; one that does must name ours.
                    Some(Trick::OtherOrder) => {
                        for name in ["out_trade_no", "contract_code", "out_refund_no_0"] {
                            xml.insert(name.to_owned(), "KB00000000".to_owned());
                        }
                    }
                    Some(Trick::OtherSum) => {
                        for name in ["total_fee", "refund_fee_0"] {
                            xml.insert(name.to_owned(), "1".to_owned());
                        }
                    }
                    _ => {}
                }
                let count = {
                    let mut state = self.state();
                    state.answers += 1;
                    state.answers
                };
                xml.insert("nonce_str".to_owned(), format!("NONCE{count}"));
                // Something new that no client knows yet: it is signed like everything else.
                xml.insert("promotion_hint".to_owned(), "新字段".to_owned());
                let key = if trick == Some(Trick::ForeignSignature) { V3_KEY } else { V2_KEY };
                let mut xml = signed(xml, key, count.is_multiple_of(2));
                match trick {
                    Some(Trick::Unsigned | Trick::Probe) => drop(xml.remove("sign")),
                    Some(Trick::BadSignature) => {
                        xml.entry("sign".to_owned()).and_modify(spoil);
                    }
                    _ => {}
                }
                xml_answer(written(&xml))
            }
            Say::Json(status, mut value) => {
                match trick {
                    Some(Trick::OtherOrder) if value["out_refund_no"].is_string() => {
                        value["out_refund_no"] = "KR00000000".into();
                    }
                    Some(Trick::OtherSum) if value["amount"].is_object() => value["amount"]["refund"] = 1.into(),
                    _ => {}
                }
                let body = if value.is_null() { String::new() } else { value.to_string() };
                let stale = if trick == Some(Trick::Stale) { 600 } else { 0 };
                let headers = self.headers(&body, trick, self.now().timestamp() - stale);
                Answered { status, headers, body: body.into_bytes() }
            }
        }
    }

    fn headers(&self, body: &str, trick: Option<Trick>, timestamp: i64) -> Vec<(String, String)> {
        let nonce = format!("NONCE{timestamp}");
        let text = format!("{timestamp}\n{nonce}\n{body}\n");
        let key = if trick == Some(Trick::ForeignSignature) { &self.keys.stranger } else { &self.keys.platform };
        let mut signature = key.sign(text.as_bytes());
        match trick {
            Some(Trick::BadSignature) => spoil(&mut signature),
            Some(Trick::Probe) => signature = format!("WECHATPAY/SIGNTEST/{signature}"),
            _ => {}
        }
        let serial =
            if self.state().certificates { self.keys.certificate_serial.clone() } else { PUBLIC_KEY_ID.to_owned() };
        let mut headers = vec![
            ("wechatpay-timestamp".to_owned(), timestamp.to_string()),
            ("wechatpay-nonce".to_owned(), nonce),
            ("wechatpay-serial".to_owned(), serial),
        ];
        if trick != Some(Trick::Unsigned) {
            headers.push(("wechatpay-signature".to_owned(), signature));
        }
        headers
    }

    fn refused_by_trick(&self, asked: &Asked, code: &str) -> Say {
        match asked.path.starts_with("/v3/") {
            true => {
                let status = if code == "SYSTEM_ERROR" { 500 } else { 400 };
                Say::Json(status, json!({ "code": code, "message": "说明" }))
            }
            false => Say::Xml(fail(code, "说明")),
        }
    }
}

impl Keys {
    fn read() -> Keys {
        let certificate = key("wxplatform_cert");
        let serial = kibble::adapters::keys::Certificate::read(&certificate).unwrap().serial_hex;
        Keys {
            merchant: PublicKey::read(&key("mch_public")).unwrap(),
            platform: PrivateKey::read(&key("wxplatform_private_pkcs8")).unwrap(),
            stranger: PrivateKey::read(&key("alipay_private_pkcs8")).unwrap(),
            certificate,
            certificate_serial: serial,
        }
    }
}

/// What stands in `[rail.NAME.account]` of a shop with this provider at `host`; its key files are written into `folder`.
pub fn account(folder: &Path, host: &str) -> toml::Table {
    let file = |name: &str, text: &str| key_file(folder, name, text);
    let mut account = toml::Table::new();
    let texts = [
        ("appid", APPID),
        ("mch_id", MCH_ID),
        ("plan_id", PLAN_ID),
        ("notify_url", NOTIFY_URL),
        ("merchant_serial", MERCHANT_SERIAL),
        ("platform_public_key_id", PUBLIC_KEY_ID),
        ("host", host),
        ("spare_host", ""),
    ];
    for (name, value) in texts {
        account.insert(name.to_owned(), value.into());
    }
    let files = [
        ("api_v2_key", file("v2.key", V2_KEY)),
        ("api_v3_key", file("v3.key", V3_KEY)),
        ("merchant_key", file("apiclient_key.pem", &key("mch_private_pkcs8"))),
        ("platform_public_key", file("pub_key.pem", &key("wxplatform_public"))),
    ];
    for (name, value) in files {
        account.insert(name.to_owned(), value.into());
    }
    account
}

/// Certificate and key of the merchant as PEM.
pub fn merchant_pem() -> (String, String) {
    let key = key("mch_private_pkcs8");
    let lines: Vec<&str> = key.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let pair = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut made = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let serial: Vec<u8> = (0..MERCHANT_SERIAL.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&MERCHANT_SERIAL[at..at + 2], 16).unwrap())
        .collect();
    made.serial_number = Some(serial.into());
    (made.self_signed(&pair).unwrap().pem(), pem)
}

/// A v2 message of WeChat Pay's, signed.
pub fn signed_xml(pairs: &[(&str, &str)]) -> String {
    written(&signed(fields(pairs), V2_KEY, true))
}

fn mandate_of(contract: &Contract) -> MandateRef {
    MandateRef { contract_no: contract.contract_no.clone(), provider_no: contract.provider_no.clone() }
}

/// Refused when it was sent in, so that WeChat Pay made no order of it.
fn at_the_door(order: &Order) -> bool {
    order.state == OrderState::Declined && order.decide_at.is_none() && DOOR.contains(&order.code.as_str())
}

fn order_sum(xml: &Xml) -> Result<Money, String> {
    let number = |text: &str| !text.is_empty() && text.len() <= 32 && text.bytes().all(|it| it.is_ascii_alphanumeric());
    let fen: i64 = xml["total_fee"].parse().map_err(|_| "total_fee")?;
    let sound = number(&xml["out_trade_no"])
        && fen > 0
        && xml["body"].len() <= 127
        && xml["body"].chars().all(|c| c.len_utf8() <= 3)
        && !xml["notify_url"].contains('?')
        && xml.get("fee_type").is_none_or(|it| it == "CNY");
    if sound { Ok(Money::from_fen(fen)) } else { Err("PARAM_ERROR".to_owned()) }
}

fn refund_json(request: &RefundRequest, refund_id: &str, at: At) -> Value {
    json!({
        "refund_id": refund_id,
        "out_refund_no": request.refund_no,
        "out_trade_no": request.order_no,
        "status": "SUCCESS",
        "success_time": at.with_timezone(&Shanghai).to_rfc3339(),
        "amount": { "total": request.paid.fen(), "refund": request.amount.fen(), "currency": "CNY" },
    })
}

const fn termination_mode_number(by: &str) -> &'static str {
    match by.as_bytes() {
        b"expiry" => "1",
        b"customer" => "2",
        b"merchant" => "3",
        _ => "7",
    }
}

fn termination_mode(by: Option<&str>) -> &'static str {
    termination_mode_number(by.unwrap_or_default())
}

fn wall(at: At) -> String {
    at.with_timezone(&Shanghai).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn code_or<'c>(code: &'c str, other: &'c str) -> &'c str {
    if code.is_empty() { other } else { code }
}

fn need(xml: &Xml, names: &[&str]) -> Result<(), String> {
    match names.iter().find(|name| xml.get(**name).is_none_or(String::is_empty)) {
        Some(missing) => Err(format!("缺少参数{missing}")),
        None => Ok(()),
    }
}

fn no(code: &str, text: &str) -> Result<Xml, (String, String)> {
    Err((code.to_owned(), text.to_owned()))
}

fn fields(pairs: &[(&str, &str)]) -> Xml {
    named(Xml::new(), pairs)
}

/// With further fields; an empty one is left out.
fn named(mut xml: Xml, pairs: &[(&str, &str)]) -> Xml {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    xml.extend(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    xml
}

fn fine(xml: Xml) -> Xml {
    let pairs = [
        ("return_code", "SUCCESS"),
        ("return_msg", "OK"),
        ("result_code", "SUCCESS"),
        ("appid", APPID),
        ("mch_id", MCH_ID),
    ];
    named(xml, &pairs)
}

fn fail(code: &str, text: &str) -> Xml {
    fields(&[
        ("return_code", "SUCCESS"),
        ("return_msg", "OK"),
        ("result_code", "FAIL"),
        ("appid", APPID),
        ("mch_id", MCH_ID),
        ("err_code", code),
        ("err_code_des", text),
    ])
}

/// What is said at the door, or a bill as it is.
fn turned_away(why: &str) -> String {
    if why.starts_with('\u{feff}') {
        return why.to_owned();
    }
    format!("<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[{why}]]></return_msg></xml>")
}

fn signature(xml: &Xml, key: &str, hmac: bool) -> String {
    let pairs: Vec<String> = xml
        .iter()
        .filter(|(name, value)| *name != "sign" && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let text = format!("{}&key={key}", pairs.join("&"));
    let digest = match hmac {
        true => hex(&hmac_sha256(key.as_bytes(), text.as_bytes())),
        false => md5_hex(text.as_bytes()),
    };
    digest.to_uppercase()
}

fn signed(xml: Xml, key: &str, hmac: bool) -> Xml {
    let sign = signature(&xml, key, hmac);
    named(xml, &[("sign", &sign)])
}

fn spoil(signature: &mut String) {
    let first = if signature.starts_with('A') { "B" } else { "A" };
    signature.replace_range(0..1, first);
}

fn written(xml: &Xml) -> String {
    let fields: String = xml.iter().map(|(name, value)| format!("<{name}><![CDATA[{value}]]></{name}>\n")).collect();
    format!("<xml>\n{fields}</xml>")
}

/// One level of fields, read without a library so that the two sides cannot share a fault.
fn parsed(text: &str) -> Result<Xml, String> {
    let inner = text.strip_prefix("<xml>").and_then(|rest| rest.strip_suffix("</xml>")).ok_or("XML_FORMAT_ERROR")?;
    let mut xml = Xml::new();
    let mut rest = inner;
    while !rest.is_empty() {
        let (tag, after) = rest.strip_prefix('<').and_then(|it| it.split_once('>')).ok_or("XML_FORMAT_ERROR")?;
        if let Some(name) = tag.strip_suffix('/') {
            xml.insert(name.to_owned(), String::new());
            rest = after;
            continue;
        }
        let (value, after) = after.split_once(&format!("</{tag}>")).ok_or("XML_FORMAT_ERROR")?;
        let plain = value.strip_prefix("<![CDATA[").and_then(|it| it.strip_suffix("]]>"));
        let plain =
            plain.map_or_else(|| value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"), str::to_owned);
        xml.insert(tag.to_owned(), plain);
        rest = after;
    }
    Ok(xml)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [a, b, after @ ..]) = (first, after) {
            let pair = [*a, *b];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn xml_answer(text: String) -> Answered {
    let headers = vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())];
    Answered { status: 200, headers, body: text.into_bytes() }
}

/// An error page as gateways write it, in GBK.
fn page(status: u16) -> Answered {
    let text =
        "<!DOCTYPE html><html><head><title>系统维护</title></head><body>服务暂时不可用，请稍后再试</body></html>";
    let (body, _, _) = encoding_rs::GBK.encode(text);
    let headers = vec![("Content-Type".to_owned(), "text/html;charset=GBK".to_owned())];
    Answered { status, headers, body: body.into_owned() }
}

/// AES-256-GCM as WeChat Pay seals certificates and notices.
pub fn sealed_gcm(key: &str, nonce: &str, about: &str, plain: &[u8]) -> String {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).unwrap());
    let mut bytes = plain.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).unwrap();
    key.seal_in_place_append_tag(nonce, Aad::from(about.as_bytes()), &mut bytes).unwrap();
    base64(&bytes)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
