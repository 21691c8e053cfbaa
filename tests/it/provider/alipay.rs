//! Alipay's gateway on this machine: it speaks the protocol of payment facts 1.2 to 1.9, checks what every call must carry, and lets
//! kibble's own sandbox engine decide about the money. Where the real one behaves oddly it does too: it hears of an agreement only
//! when the customer agrees, makes the order of a pay link only when the link is opened, says `TRADE_HAS_SUCCESS` to a paid number,
//! `fund_change: N` to a repeated refund, and takes later dates only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};

use kibble::adapters::keys::{PrivateKey, PublicKey, base64, open_cbc, seal_cbc, unbase64};
use kibble::adapters::rail::sandbox::rows::{Order, OrderState};
use kibble::adapters::rail::sandbox::{Book, CreditTold, Sandbox, Temper};
use kibble::adapters::rail::{
    BillPeriod, ChargeRequest, Closed, MandateRef, MandateState, PayLinkRequest, Rail, RefundRequest, SignRequest,
    Trouble,
};
use kibble::clock::Clock;
use kibble::domain::bill::Dialect;
use kibble::domain::date::{At, day_of, moment, plus_days};
use kibble::domain::money::Money;
use kibble::domain::rail::{Answer, Profile};

use super::{Answered, Asked, Provider, key, key_file};
use crate::rails::suite::Trick;

/// The merchant's app.
pub const APP_ID: &str = "2021000000000001";
/// The merchant.
pub const SELLER: &str = "2088000000000022";
/// How far the caller's clock may be off, in minutes.
const SKEW_MINUTES: i64 = 5;

/// What stands in `[rail.NAME.account]` of a shop with this gateway at `url`; its key files are written into `folder`.
pub fn account(folder: &Path, url: &str) -> toml::Table {
    let file = |name: &str, text: &str| key_file(folder, name, text);
    toml::Table::from_iter([
        ("app_id".to_owned(), APP_ID.into()),
        ("seller_id".to_owned(), SELLER.into()),
        ("gateway".to_owned(), format!("{url}/gateway.do").into()),
        ("private_key".to_owned(), file("alipay_app", &key("app_private_pkcs8")).into()),
        ("alipay_public_key".to_owned(), file("alipay_public", &key("alipay_public")).into()),
    ])
}

/// Certificates in place of bare keys.
pub struct Certificates {
    /// What the caller must name.
    pub app_cert_sn: String,
    pub root_cert_sn: String,
    /// What answers are signed with.
    pub alipay_cert_sn: String,
}

pub struct Alipay {
    engine: Sandbox,
    clock: Clock,
    app: PublicKey,
    own: PrivateKey,
    foreign: PrivateKey,
    certificates: Option<Certificates>,
    encrypt: Option<Vec<u8>>,
    /// Agreements whose page was opened and that nobody has agreed to.
    pages: Mutex<BTreeMap<String, SignRequest>>,
    /// Our numbers of agreements by Alipay's.
    agreements: Mutex<BTreeMap<String, String>>,
    tricks: Mutex<BTreeSet<String>>,
    bills: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Answers of Zhima by the caller's numbers.
    checks: Mutex<BTreeMap<String, (At, Value)>>,
    url: Mutex<String>,
}

/// What a method answers.
enum Said {
    Fine(Value),
    /// `sub_code`, `sub_msg`.
    Business(String, String),
}

impl Alipay {
    pub fn new(name: &str, profile: Profile, clock: Clock, book: Arc<Book>) -> Alipay {
        let engine = Sandbox::open(name, profile, clock.clone(), book).with_dialect(Dialect::Alipay);
        Alipay {
            engine,
            clock,
            app: PublicKey::read(&key("app_public")).unwrap(),
            own: PrivateKey::read(&key("alipay_private_pkcs8")).unwrap(),
            foreign: PrivateKey::read(&key("mch_private_pkcs8")).unwrap(),
            certificates: None,
            encrypt: None,
            pages: Mutex::default(),
            agreements: Mutex::default(),
            tricks: Mutex::default(),
            bills: Mutex::default(),
            checks: Mutex::default(),
            url: Mutex::default(),
        }
    }

    /// With certificates: callers must name theirs, answers name Alipay's, which is the second one of the vectors.
    pub fn with_certificates(self, certificates: Certificates) -> Alipay {
        let own = PrivateKey::read(&key("wxplatform_private_pkcs8")).unwrap();
        Alipay { certificates: Some(certificates), own, ..self }
    }

    /// With encrypted bodies.
    pub fn with_encryption(self, key: &[u8]) -> Alipay {
        Alipay { encrypt: Some(key.to_vec()), ..self }
    }

    /// With a temper of its own.
    pub fn with_temper(self, temper: Temper) -> Alipay {
        Alipay { engine: self.engine.with_temper(temper), ..self }
    }

    /// Where it can be reached, for the addresses of bills.
    pub fn at(&self, url: &str) {
        url.clone_into(&mut self.url.lock().unwrap());
    }

    pub fn book(&self) -> &Arc<Book> {
        self.engine.book()
    }

    pub fn name(&self) -> &str {
        self.engine.name()
    }

    /// The gateway does that from now on, or with the next answer.
    pub fn trick(&self, trick: Trick) {
        let mut tricks = self.tricks.lock().unwrap();
        match trick {
            Trick::Over => tricks.clear(),
            other => {
                tricks.insert(format!("{other:?}"));
            }
        }
    }

    /// The customer opens the link for signing; it must be whole and signed.
    pub fn opens(&self, link: &str, payer: &str) -> String {
        let query = link.split_once('?').expect("a link with parameters").1;
        let params = form(query);
        assert_eq!(self.fault(&params), None, "the page refuses the link");
        assert_eq!(params["method"], "alipay.user.agreement.page.sign");
        let biz: Value = serde_json::from_str(&self.plain(&params["biz_content"])).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("text in {biz}")).to_owned();
        for required in ["personal_product_code", "product_code", "sign_scene", "external_agreement_no"] {
            assert!(!text(&biz[required]).is_empty(), "{required}");
        }
        let rule = &biz["period_rule_params"];
        assert_eq!((text(&rule["period_type"]), rule["period"].as_u64()), ("MONTH".into(), Some(1)));
        let days: i64 = text(&biz["sign_validity_period"]).strip_suffix('d').unwrap().parse().unwrap();
        assert!((0..=86_400).contains(&biz["effect_time"].as_i64().unwrap()), "the page stays valid for a day at most");
        let contract_no = text(&biz["external_agreement_no"]);
        let request = SignRequest {
            contract_no: contract_no.clone(),
            customer_label: String::new(),
            payer: payer.to_owned(),
            amount: text(&rule["single_amount"]).parse().unwrap(),
            count: rule["total_payments"].as_u64().unwrap().try_into().unwrap(),
            first_date: text(&rule["execute_time"]).parse().unwrap(),
            valid_until: plus_days(day_of(self.clock.now(), Shanghai), days),
        };
        self.pages.lock().unwrap().insert(contract_no.clone(), request);
        contract_no
    }

    /// The customer agrees on a page that was opened.
    pub fn agrees(&self, contract_no: &str) {
        let request = self.pages.lock().unwrap().remove(contract_no).expect("nobody opened that page");
        self.engine.sign_link(&request).unwrap();
        self.book().agree(self.name(), contract_no, self.clock.now()).unwrap();
    }

    /// The body of a notice as Alipay posts it, signed.
    pub fn notice(&self, fields: &[(&str, &str)]) -> String {
        let mut all: BTreeMap<String, String> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in [("app_id", APP_ID), ("charset", "utf-8"), ("version", "1.0"), ("notify_id", "2026")] {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        let sign = self.own.sign(to_sign(&all).as_bytes());
        all.insert("sign_type".into(), "RSA2".into());
        all.insert("sign".into(), sign);
        all.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
    }

    fn is(&self, trick: Trick) -> bool {
        self.tricks.lock().unwrap().contains(&format!("{trick:?}"))
    }

    fn takes(&self, trick: Trick) -> bool {
        self.tricks.lock().unwrap().remove(&format!("{trick:?}"))
    }

    /// Why the gateway refuses the parameters themselves: code and sub code.
    fn fault(&self, params: &BTreeMap<String, String>) -> Option<(&'static str, &'static str)> {
        let param = |name: &str| params.get(name).map_or("", String::as_str);
        for (name, code) in [
            ("app_id", "isv.missing-app-id"),
            ("method", "isv.missing-method"),
            ("timestamp", "isv.missing-timestamp"),
            ("version", "isv.missing-version"),
            ("sign", "isv.missing-signature"),
            ("biz_content", "isv.missing-biz-content"),
        ] {
            if param(name).is_empty() {
                return Some(("40001", code));
            }
        }
        if param("app_id") != APP_ID {
            return Some(("40002", "isv.invalid-app-id"));
        }
        if !param("charset").eq_ignore_ascii_case("utf-8") {
            return Some(("40002", "isv.invalid-charset"));
        }
        if param("sign_type") != "RSA2" || param("version") != "1.0" {
            return Some(("40002", "isv.invalid-signature-type"));
        }
        if let Some(certificates) = &self.certificates {
            let named = (param("app_cert_sn"), param("alipay_root_cert_sn"));
            if named != (certificates.app_cert_sn.as_str(), certificates.root_cert_sn.as_str()) {
                return Some(("40002", "isv.invalid-app-cert-sn"));
            }
        }
        if self.encrypt.is_some() && param("encrypt_type") != "AES" {
            return Some(("40002", "isv.invalid-encrypt-type"));
        }
        let Ok(wall) = NaiveDateTime::parse_from_str(param("timestamp"), "%Y-%m-%d %H:%M:%S") else {
            return Some(("40002", "isv.invalid-timestamp"));
        };
        let mut now = self.clock.now();
        if self.is(Trick::ClockOff) {
            now += chrono::Duration::minutes(10);
        }
        let theirs = moment(wall.date(), wall.time(), Shanghai);
        if (now - theirs).num_minutes().abs() > SKEW_MINUTES {
            return Some(("40002", "isv.invalid-timestamp"));
        }
        let mut signed = params.clone();
        signed.remove("sign");
        if !self.app.verifies(to_sign_request(&signed).as_bytes(), param("sign")) {
            return Some(("40002", "isv.invalid-signature"));
        }
        None
    }

    fn plain(&self, biz: &str) -> String {
        match &self.encrypt {
            None => biz.to_owned(),
            Some(key) => String::from_utf8(open_cbc(key, &unbase64(biz).unwrap()).unwrap()).unwrap(),
        }
    }

    fn gateway(&self, asked: &Asked) -> Answered {
        if self.is(Trick::ErrorPage) {
            let page = "<html><head><title>502</title></head><body><h1>系统繁忙</h1><p>请稍后再试</p></body></html>";
            let body = encoding_rs::GBK.encode(page).0.into_owned();
            return Answered { status: 200, headers: html("GBK"), body };
        }
        assert!(form(&asked.query).contains_key("charset"), "the charset travels in the address");
        assert!(asked.header("content-type").starts_with("application/x-www-form-urlencoded"));
        let mut params = form(&asked.query);
        params.extend(form(std::str::from_utf8(&asked.body).unwrap()));
        let method = params.get("method").cloned().unwrap_or_default();
        if let Some((code, sub_code)) = self.fault(&params) {
            // Refusals of the gateway's own are not signed.
            let body = json!({ "code": code, "msg": "Invalid Arguments", "sub_code": sub_code, "sub_msg": "参数无效" });
            return self.envelope(&method, &body, false);
        }
        if self.is(Trick::TooMany) {
            let body = json!({ "code": "40005", "msg": "Call Limited", "sub_code": "isv.app-call-limited", "sub_msg": "应用调用次数超限" });
            return self.envelope(&method, &body, true);
        }
        if self.is(Trick::Maintenance) {
            let body = json!({ "code": "20000", "msg": "Service Currently Unavailable", "sub_code": "aop.unknow-error", "sub_msg": "系统繁忙" });
            return self.envelope(&method, &body, true);
        }
        let biz: Value = serde_json::from_str(&self.plain(&params["biz_content"])).unwrap();
        let Some(said) = self.method(&method, &biz) else {
            // The engine's own fault: nobody answers, and the caller cannot know.
            return Answered { status: 504, headers: html("utf-8"), body: Vec::new() };
        };
        let mut body = match said {
            Said::Fine(mut fields) => {
                fields["code"] = "10000".into();
                fields["msg"] = "Success".into();
                fields
            }
            Said::Business(code, text) => {
                json!({ "code": "40004", "msg": "Business Failed", "sub_code": code, "sub_msg": text })
            }
        };
        if self.takes(Trick::OtherOrder) {
            if body["code"] != "10000" {
                body = json!({ "code": "10000", "msg": "Success", "trade_status": "TRADE_SUCCESS", "fund_change": "Y", "total_amount": "199.00", "refund_fee": "199.00" });
            }
            body["out_trade_no"] = "SOMEBODYELSES".into();
        }
        if self.takes(Trick::OtherAmount) {
            body["total_amount"] = "0.01".into();
            body["refund_fee"] = "0.01".into();
        }
        self.envelope(&method, &body, true)
    }

    /// The answer as the real one writes it: slashes escaped, the signature behind the value, called HTML.
    fn envelope(&self, method: &str, body: &Value, with_sign: bool) -> Answered {
        let value = match &self.encrypt {
            Some(key) if with_sign => {
                format!("\"{}\"", base64(&seal_cbc(key, body.to_string().as_bytes()).unwrap()).replace('/', "\\/"))
            }
            _ => body.to_string().replace('/', "\\/"),
        };
        let sign = match () {
            () if !with_sign || self.takes(Trick::NoSignature) => None,
            () if self.takes(Trick::BadSignature) => Some(self.own.sign(format!("{value} ").as_bytes())),
            () if self.takes(Trick::ForeignSignature) => Some(self.foreign.sign(value.as_bytes())),
            () => Some(self.own.sign(value.as_bytes())),
        };
        let mut text = format!("{{\"{}_response\":{value}", method.replace('.', "_"));
        if let (Some(certificates), true) = (&self.certificates, sign.is_some()) {
            text.push_str(&format!(",\"alipay_cert_sn\":\"{}\"", certificates.alipay_cert_sn));
        }
        if let Some(sign) = sign {
            text.push_str(&format!(",\"sign\":\"{sign}\""));
        }
        text.push('}');
        Answered { status: 200, headers: html("utf-8"), body: text.into_bytes() }
    }

    /// `None` where the engine itself was told to fail.
    fn method(&self, method: &str, biz: &Value) -> Option<Said> {
        match method {
            "alipay.trade.pay" => self.pay(biz),
            "alipay.trade.query" => self.query(biz),
            "alipay.trade.close" => self.close(biz),
            "alipay.trade.cancel" => self.cancel(biz),
            "alipay.trade.refund" => self.refund(biz),
            "alipay.trade.fastpay.refund.query" => self.refund_query(biz),
            "alipay.trade.precreate" => self.precreate(biz),
            "alipay.user.agreement.query" => self.agreement(biz),
            "alipay.user.agreement.unsign" => self.unsign(biz),
            "alipay.user.agreement.executionplan.modify" => self.modify(biz),
            "alipay.data.dataservice.bill.downloadurl.query" => self.bill(biz),
            "zhima.credit.score.brief.get" => Some(self.zhima(biz)),
            other => panic!("kibble calls {other}, which this gateway does not have"),
        }
    }

    /// Zhima: the same number gets the same answer for a day, without a second fee, and is dead afterwards (payment facts 3).
    fn zhima(&self, biz: &Value) -> Said {
        let fixed = (word(biz, "product_code"), word(biz, "cert_type"));
        assert_eq!(fixed, ("w1010100000000002733".to_owned(), "IDENTITY_CARD".to_owned()));
        let (number, cert_no, now) = (word(biz, "transaction_id"), word(biz, "cert_no"), self.clock.now());
        assert!((1..=64).contains(&number.len()), "{number}");
        assert!(number.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{number}");
        assert!(cert_no.len() == 18 && !word(biz, "name").is_empty());
        let threshold = biz["admittance_score"].as_u64().expect("a number");
        assert!((350..=950).contains(&threshold), "{threshold}");
        let mut checks = self.checks.lock().unwrap();
        if let Some((first, said)) = checks.get(&number) {
            return match (now - *first).num_seconds() < 86_400 {
                true => Said::Fine(said.clone()),
                false => business("TRANSACTION_ID_INVALID", "transaction_id 已失效"),
            };
        }
        let told = match self.book().credit_of(&cert_no).unwrap() {
            Some(CreditTold::Score(score)) if u64::from(score) < threshold => "N",
            Some(CreditTold::Score(_)) | None => "Y",
            Some(CreditTold::Unknown) => "N/A",
            Some(CreditTold::Down) => return business("SYSTEM_ERROR", "系统繁忙"),
        };
        let said = json!({ "biz_no": format!("ZM{}", checks.len() + 1), "is_admittance": told });
        checks.insert(number, (now, said.clone()));
        Said::Fine(said)
    }

    fn pay(&self, biz: &Value) -> Option<Said> {
        let order_no = word(biz, "out_trade_no");
        let subject = word(biz, "subject");
        assert!(!subject.contains(['/', '=', '&']), "forbidden in a subject: {subject}");
        assert!(!word(biz, "product_code").is_empty() && !word(biz, "timeout_express").is_empty());
        let amount = yuan(biz, "total_amount");
        let agreement_no = biz["agreement_params"]["agreement_no"].as_str().expect("agreement_no").to_owned();
        let paid_before = self.order(&order_no).is_some_and(|it| it.state == OrderState::Paid);
        let contract_no = self.contract_no(&agreement_no).unwrap_or_else(|| "unknown".into());
        let reply = self.engine.charge(&ChargeRequest {
            order_no: order_no.clone(),
            mandate: MandateRef { contract_no, provider_no: Some(agreement_no) },
            amount,
            subject,
            due: day_of(self.clock.now(), Shanghai),
        });
        let fine = |order: &Order| {
            json!({
                "out_trade_no": order_no,
                "trade_no": order.trade_no.clone().unwrap_or_else(|| "2026".into()),
                "total_amount": order.amount.to_string(),
                "buyer_logon_id": "159****5620",
                "fund_bill_list": [{ "amount": order.amount.to_string(), "fund_channel": "ALIPAYACCOUNT" }],
            })
        };
        Some(match reply.answer {
            Answer::Paid if paid_before => business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"),
            Answer::Paid => {
                let order = self.order(&order_no).unwrap();
                let mut said = fine(&order);
                said["gmt_payment"] = order.paid_at.map(wall).into();
                Said::Fine(said)
            }
            Answer::Pending(_) => {
                let mut said = fine(&self.order(&order_no).unwrap());
                said["async_payment_mode"] = "ASYNC_DELAY_PAY".into();
                said["async_pay_apply_status"] = "S".into();
                Said::Fine(said)
            }
            Answer::Declined(_) => Said::Business(reply.code, reply.text),
            Answer::Unknown if reply.code == "ACQ.CONTEXT_INCONSISTENT" => Said::Business(reply.code, reply.text),
            Answer::Unknown | Answer::NotFound => return None,
        })
    }

    fn query(&self, biz: &Value) -> Option<Said> {
        let order_no = word(biz, "out_trade_no");
        let Some(order) = self.order(&order_no) else {
            self.engine.health().ok()?;
            return Some(no_trade());
        };
        // The engine decides what is due, and says nothing of what is older than queries reach.
        match self.engine.query_charge(&order_no, order.amount).answer {
            Answer::Unknown => return None,
            Answer::NotFound => return Some(no_trade()),
            Answer::Paid | Answer::Declined(_) | Answer::Pending(_) => {}
        }
        let order = self.order(&order_no).unwrap();
        let status = match order.state {
            OrderState::LinkOpen => return Some(no_trade()),
            OrderState::Paid if order.refunded == order.amount => "TRADE_CLOSED",
            OrderState::Paid => "TRADE_SUCCESS",
            OrderState::Pending => "WAIT_BUYER_PAY",
            OrderState::Declined | OrderState::Closed => "TRADE_CLOSED",
        };
        let mut said = json!({
            "out_trade_no": order_no,
            "trade_no": order.trade_no.unwrap_or_else(|| "2026".into()),
            "trade_status": status,
            "total_amount": order.amount.to_string(),
            "buyer_logon_id": "159****5620",
        });
        if let Some(at) = order.paid_at {
            said["send_pay_date"] = wall(at).into();
        }
        Some(Said::Fine(said))
    }

    fn close(&self, biz: &Value) -> Option<Said> {
        let order_no = word(biz, "out_trade_no");
        self.engine.health().ok()?;
        Some(match self.order(&order_no).map(|it| it.state) {
            None | Some(OrderState::LinkOpen) => no_trade(),
            Some(OrderState::Declined) => Said::Fine(json!({ "out_trade_no": order_no, "trade_no": "2026" })),
            Some(OrderState::Paid | OrderState::Pending | OrderState::Closed) => {
                business("ACQ.REASON_TRADE_STATUS_INVALID", "交易状态异常")
            }
        })
    }

    fn cancel(&self, biz: &Value) -> Option<Said> {
        let order_no = word(biz, "out_trade_no");
        let known = self.order(&order_no);
        assert!(
            known.as_ref().is_none_or(|it| matches!(it.state, OrderState::LinkOpen | OrderState::Closed)),
            "a cancel gives the money of a paid order back: {known:?}"
        );
        let fine = |action: &str| Said::Fine(json!({ "out_trade_no": order_no, "retry_flag": "N", "action": action }));
        if known.is_none() {
            self.engine.health().ok()?;
            return Some(fine(""));
        }
        match self.engine.close_order(&order_no) {
            Ok(Closed::Closed) => Some(fine("close")),
            Ok(Closed::AlreadyPaid(_)) => panic!("it was open a moment ago"),
            Err(Trouble::Refused { code, text, .. }) => Some(Said::Business(code, text)),
            Err(_) => None,
        }
    }

    fn refund(&self, biz: &Value) -> Option<Said> {
        let (order_no, refund_no) = (word(biz, "out_trade_no"), word(biz, "out_request_no"));
        let amount = yuan(biz, "refund_amount");
        let before = self.order(&order_no);
        let paid = before.as_ref().map_or(amount, |it| it.amount);
        let reply = self.engine.refund(&RefundRequest { refund_no, order_no: order_no.clone(), paid, amount });
        Some(match reply.answer {
            Answer::Paid => {
                let (before, order) = (before.unwrap(), self.order(&order_no).unwrap());
                let moved = order.refunded != before.refunded;
                let mut said = json!({
                    "out_trade_no": order_no,
                    "trade_no": order.trade_no,
                    "fund_change": if moved { "Y" } else { "N" },
                    "refund_fee": order.refunded.to_string(),
                });
                if moved {
                    said["gmt_refund_pay"] = reply.at.map(wall).into();
                }
                Said::Fine(said)
            }
            Answer::Declined(_) => Said::Business(reply.code, reply.text),
            Answer::Unknown if reply.code == "ACQ.CONTEXT_INCONSISTENT" => {
                business("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
            }
            Answer::Unknown | Answer::Pending(_) | Answer::NotFound => return None,
        })
    }

    fn refund_query(&self, biz: &Value) -> Option<Said> {
        let (order_no, refund_no) = (word(biz, "out_trade_no"), word(biz, "out_request_no"));
        self.engine.health().ok()?;
        let Some(order) = self.order(&order_no) else { return Some(no_trade()) };
        let mut said = json!({ "out_trade_no": order_no, "out_request_no": refund_no, "trade_no": order.trade_no });
        let known = self.book().refund(self.name(), &refund_no).unwrap();
        if let Some(refund) = known.filter(|it| it.refused.is_none() && it.order_no == order_no) {
            said["refund_status"] = "REFUND_SUCCESS".into();
            said["refund_amount"] = refund.amount.to_string().into();
            said["total_amount"] = order.amount.to_string().into();
            said["gmt_refund_pay"] = wall(refund.at).into();
        }
        Some(Said::Fine(said))
    }

    fn precreate(&self, biz: &Value) -> Option<Said> {
        let order_no = word(biz, "out_trade_no");
        let request = PayLinkRequest {
            order_no: order_no.clone(),
            amount: yuan(biz, "total_amount"),
            subject: word(biz, "subject"),
        };
        match self.engine.pay_link(&request) {
            Ok(_) => Some(Said::Fine(
                json!({ "out_trade_no": order_no, "qr_code": format!("https://qr.alipay.com/{order_no}") }),
            )),
            Err(Trouble::Refused { code, text, .. }) => Some(Said::Business(code, text)),
            Err(_) => None,
        }
    }

    fn agreement(&self, biz: &Value) -> Option<Said> {
        let none = || business("USER_AGREEMENT_NOT_EXIST", "用户协议不存在");
        let by_number = biz["agreement_no"].as_str().map(str::to_owned);
        let contract_no = match &by_number {
            Some(number) => self.contract_no(number),
            None => {
                for required in ["sign_scene", "personal_product_code"] {
                    assert!(!word(biz, required).is_empty(), "{required}");
                }
                Some(word(biz, "external_agreement_no"))
            }
        };
        let Some(contract_no) = contract_no else {
            self.engine.health().ok()?;
            return Some(none());
        };
        let state = self.engine.mandate_state(&MandateRef { contract_no: contract_no.clone(), provider_no: by_number });
        let contract = self.book().contract(self.name(), &contract_no).unwrap();
        let fields = |status: &str| {
            let contract = contract.as_ref().unwrap();
            let number = contract.provider_no.clone().unwrap_or_default();
            self.agreements.lock().unwrap().insert(number.clone(), contract_no.clone());
            json!({
                "agreement_no": number,
                "external_agreement_no": contract_no,
                "status": status,
                "sign_time": contract.signed_at.map(wall),
                "valid_time": contract.signed_at.map(wall),
                "invalid_time": format!("{} 00:00:00", plus_days(contract.valid_until, 1)),
                "last_deduct_time": (contract.paid_count > 0).then(|| wall(self.clock.now())),
                "next_deduct_time": format!("{} 00:00:00", contract.next_date),
                "alipay_logon_id": "159****5620",
                "pricipal_type": "CARD",
                "single_quota": contract.single_cap.to_string(),
            })
        };
        match state {
            Ok(MandateState::NotFound | MandateState::Waiting) => Some(none()),
            Ok(MandateState::Live { .. }) => Some(Said::Fine(fields("NORMAL"))),
            Ok(MandateState::Ended { at, .. }) => {
                let mut said = fields("STOP");
                said["invalid_time"] = at.map(wall).into();
                Some(Said::Fine(said))
            }
            Err(_) => None,
        }
    }

    fn unsign(&self, biz: &Value) -> Option<Said> {
        let number = word(biz, "agreement_no");
        let Some(contract_no) = self.contract_no(&number) else {
            return Some(business("AGREEMENT_NOT_EXSIT", "协议不存在"));
        };
        let mandate = MandateRef { contract_no, provider_no: Some(number) };
        match self.engine.mandate_state(&mandate) {
            Ok(MandateState::Live { .. }) => {
                self.engine.close_mandate(&mandate, "").unwrap();
                Some(Said::Fine(json!({})))
            }
            Ok(_) => Some(business("USER_AGREEMENT_STATUS_IS_NOT_NORMAL", "用户签约的协议状态不正常")),
            Err(_) => None,
        }
    }

    fn modify(&self, biz: &Value) -> Option<Said> {
        let number = word(biz, "agreement_no");
        let to: NaiveDate = word(biz, "deduct_time").parse().unwrap();
        let Some(contract_no) = self.contract_no(&number) else {
            return Some(business("ILLEGAL_AGREEMENT", "协议不存在"));
        };
        let next = self.book().contract(self.name(), &contract_no).unwrap().unwrap().next_date;
        if to <= next {
            return Some(business("ILLEGAL_EXECUTION_TIME", "执行时间不合法"));
        }
        match self.engine.postpone(&MandateRef { contract_no, provider_no: Some(number.clone()) }, to) {
            Ok(()) => Some(Said::Fine(json!({ "agreement_no": number, "deduct_time": to.to_string() }))),
            Err(Trouble::Refused { code, text, .. }) => Some(Said::Business(code, text)),
            Err(_) => None,
        }
    }

    fn bill(&self, biz: &Value) -> Option<Said> {
        assert_eq!(word(biz, "bill_type"), "trade");
        let day = word(biz, "bill_date");
        let period = match day.len() {
            7 => BillPeriod::Month(format!("{day}-01").parse().unwrap()),
            _ => BillPeriod::Day(day.parse().unwrap()),
        };
        match self.engine.bill(period) {
            Ok(file) => {
                let url = format!("{}/bill/{day}", self.url.lock().unwrap());
                let bytes = if file.bytes.starts_with(b"PK") { file.bytes } else { zipped(&file.name, &file.bytes) };
                self.bills.lock().unwrap().insert(format!("/bill/{day}"), bytes);
                Some(Said::Fine(json!({ "bill_download_url": url })))
            }
            Err(Trouble::Refused { code, text, .. }) => Some(Said::Business(code, text)),
            Err(_) => None,
        }
    }

    fn order(&self, order_no: &str) -> Option<Order> {
        self.book().order(self.name(), order_no).unwrap()
    }

    fn contract_no(&self, agreement_no: &str) -> Option<String> {
        if let Some(known) = self.agreements.lock().unwrap().get(agreement_no) {
            return Some(known.clone());
        }
        let contracts = self.book().state().unwrap().contracts;
        let mut known = self.agreements.lock().unwrap();
        for it in contracts.into_iter().filter(|it| it.rail == self.name()) {
            if let Some(number) = it.provider_no {
                known.insert(number, it.contract_no);
            }
        }
        known.get(agreement_no).cloned()
    }
}

impl Provider for Alipay {
    fn answer(&self, asked: &Asked) -> Answered {
        if asked.method == "GET" {
            let bill = self.bills.lock().unwrap().remove(&asked.path);
            return match bill {
                Some(body) => Answered { status: 200, headers: Vec::new(), body },
                // The address is good once, and for half a minute.
                None => Answered { status: 403, headers: html("utf-8"), body: b"expired".to_vec() },
            };
        }
        self.gateway(asked)
    }

    fn moves_money(&self, asked: &Asked) -> bool {
        matches!(form(&asked.query).get("method").map(String::as_str), Some("alipay.trade.pay" | "alipay.trade.refund"))
    }

    fn now(&self) -> At {
        self.clock.now()
    }
}

fn business(code: &str, text: &str) -> Said {
    Said::Business(code.to_owned(), text.to_owned())
}

fn no_trade() -> Said {
    business("ACQ.TRADE_NOT_EXIST", "交易不存在")
}

fn html(charset: &str) -> Vec<(String, String)> {
    vec![("Content-Type".to_owned(), format!("text/html;charset={charset}"))]
}

fn word(biz: &Value, name: &str) -> String {
    biz[name].as_str().unwrap_or_default().to_owned()
}

fn yuan(biz: &Value, name: &str) -> Money {
    let text = word(biz, name);
    assert_eq!(text.rsplit_once('.').map(|(_, fen)| fen.len()), Some(2), "two decimals: {text}");
    text.parse().unwrap()
}

/// The engine's file in a zip, as the real one comes.
fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

fn wall(at: At) -> String {
    at.with_timezone(&Shanghai).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Everything but `sign` and `sign_type`, as notices are signed.
fn to_sign(fields: &BTreeMap<String, String>) -> String {
    let mut rest = fields.clone();
    rest.remove("sign_type");
    to_sign_request(&rest)
}

/// Everything but `sign` that has a value, sorted.
fn to_sign_request(fields: &BTreeMap<String, String>) -> String {
    let signed = fields.iter().filter(|(name, value)| *name != "sign" && !value.is_empty());
    signed.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A form, read by this file's own code so that a mistake in kibble's does not cancel itself out.
pub fn form(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            match first {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let code = std::str::from_utf8(&rest[..2]).unwrap();
                    bytes.push(u8::from_str_radix(code, 16).unwrap());
                    rest = &rest[2..];
                }
                other => bytes.push(*other),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap()).map(|(name, value)| (decode(name), decode(value))).collect()
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
