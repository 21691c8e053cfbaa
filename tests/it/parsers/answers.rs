//! What providers and programs of the shop's own answer: Alipay's JSON, WeChat Pay's XML and JSON, lines of a program, channels of
//! messages. Each comes over a real connection or pipe. "Proven" means that the input is signed with the provider's key on the way, so
//! that what lies behind the check of the signature is read too.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use chrono::TimeDelta;
use kibble::adapters::credit::zhima::Zhima;
use kibble::adapters::credit::{Credit, Question};
use kibble::adapters::keys::{PrivateKey, hex, hmac_sha256};
use kibble::adapters::notify::{
    Handed, Notify, Parcel, aliyun, exec as notify_exec, tencent, webhook, wechat as notify_wechat,
};
use kibble::adapters::rail::alipay::Alipay;
use kibble::adapters::rail::exec::{self, Exec};
use kibble::adapters::rail::wechat::Wechat;
use kibble::adapters::rail::{
    BillPeriod, ChargeRequest, DebitNotice, MandateRef, PayLinkRequest, Rail, RefundRequest, SignRequest,
};
use kibble::clock::Clock;
use kibble::config::HttpSettings;
use kibble::domain::money::Money;
use tempfile::TempDir;

use super::outside::{Answered, Provider, key, now, private_key, profile, secret_file, vectors};
use super::{Parser, size, texts};

pub const ALL: &[Parser] = &[
    Parser { name: "Alipay's answer", read: alipay_raw, samples: sample_alipay, growth: 40, cases: 24 },
    Parser {
        name: "Alipay's proven answer",
        read: alipay_proven,
        samples: sample_alipay_values,
        growth: 40,
        cases: 24,
    },
    Parser { name: "WeChat Pay's answer", read: wechat_raw, samples: sample_wechat, growth: 40, cases: 24 },
    Parser { name: "WeChat Pay's proven XML", read: wechat_fields, samples: sample_fields, growth: 40, cases: 24 },
    Parser { name: "WeChat Pay's proven JSON", read: wechat_json, samples: sample_json, growth: 40, cases: 16 },
    Parser { name: "answer of a channel", read: channels, samples: sample_channels, growth: 40, cases: 16 },
    Parser { name: "line of a rail's program", read: program, samples: sample_lines, growth: 40, cases: 8 },
    Parser {
        name: "lines of a channel's program",
        read: notifying_program,
        samples: sample_receipts,
        growth: 40,
        cases: 8,
    },
];

const ORDER: &str = "KB7K2QX9AB0100000007030001";
const REFUND: &str = "KR7K2QX9AB0100000007030001";
const AMOUNT: Money = Money::from_fen(19_900);

/// The rails, on a provider of this machine.
pub struct Rails {
    pub alipay: Alipay,
    pub zhima: Zhima,
    pub wechat: Wechat,
    pub provider: Provider,
    folder: TempDir,
}

/// Work with this thread's rails.
pub fn with_rails<T>(work: impl FnOnce(&Rails) -> T) -> T {
    thread_local! {
        static RAILS: OnceCell<Rails> = const { OnceCell::new() };
    }
    RAILS.with(|rails| work(rails.get_or_init(Rails::open)))
}

/// The merchant's app at Alipay, and the merchant at WeChat Pay.
pub const APP_ID: &str = "2021000000000001";
pub const MCH_ID: &str = "1900000022";
pub const V2_KEY: &str = "192006250b4c09247ec02edce69f6a2d";
pub const V3_KEY: &str = "0123456789abcdef0123456789abcdef";
const APPID: &str = "wx0000000000000001";
const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000222026112100000000000001";

impl Rails {
    fn open() -> Rails {
        let folder = TempDir::new().unwrap();
        let provider = Provider::start();
        let file = |name: &str, text: &str| secret_file(folder.path(), name, text);
        let text = |text: &str| toml::Value::from(text);
        let alipay = toml::Table::from_iter([
            ("app_id".to_owned(), text(APP_ID)),
            ("gateway".to_owned(), text(&format!("{}/gateway.do", provider.url))),
            ("private_key".to_owned(), file("alipay_app", &key("app_private_pkcs8"))),
            ("alipay_public_key".to_owned(), file("alipay_public", &key("alipay_public"))),
        ]);
        let wechat = toml::Table::from_iter([
            ("appid".to_owned(), text(APPID)),
            ("mch_id".to_owned(), text(MCH_ID)),
            ("plan_id".to_owned(), text("125350")),
            ("notify_url".to_owned(), text("https://shop.example/wechat")),
            ("merchant_serial".to_owned(), text("17F373E42E9117CA8DB55613A107810BFFAD6FAF")),
            ("platform_public_key_id".to_owned(), text(PUBLIC_KEY_ID)),
            ("host".to_owned(), text(&provider.url)),
            ("spare_host".to_owned(), text("")),
            ("api_v2_key".to_owned(), file("v2.key", V2_KEY)),
            ("api_v3_key".to_owned(), file("v3.key", V3_KEY)),
            ("merchant_key".to_owned(), file("apiclient_key.pem", &key("mch_private_pkcs8"))),
            ("platform_public_key".to_owned(), file("pub_key.pem", &key("wxplatform_public"))),
        ]);
        let clock = Clock::fixed(now());
        let http = HttpSettings { timeout_seconds: 60, ..HttpSettings::default() };
        let account = || alipay.clone().try_into().unwrap();
        let zhima = Zhima::open("alipay", clock.clone(), account(), &http, "w1010100000000002859");
        let alipay = Alipay::open("alipay", profile("alipay"), clock.clone(), account(), &http);
        let wechat = Wechat::open("wechat", profile("wechat-prenotify"), clock, wechat.try_into().unwrap(), http);
        Rails { alipay, zhima, wechat, provider, folder }
    }

    /// Asks about everything there is to ask; what the answers came to.
    fn asked(&self, rail: &dyn Rail) -> usize {
        let mandate = MandateRef { contract_no: "KM0000000007".into(), provider_no: Some("2026".into()) };
        let refund = RefundRequest { refund_no: REFUND.into(), order_no: ORDER.into(), paid: AMOUNT, amount: AMOUNT };
        let (order_no, subject, due) = (ORDER.to_owned(), "\u{56e2}\u{5b50}".to_owned(), now().date_naive());
        let charge =
            ChargeRequest { order_no, mandate: mandate.clone(), amount: AMOUNT, subject: subject.clone(), due };
        let sign = SignRequest {
            contract_no: mandate.contract_no.clone(),
            customer_label: subject.clone(),
            payer: "c-1".into(),
            amount: AMOUNT,
            count: 12,
            first_date: due,
            valid_until: due + TimeDelta::days(400),
        };
        let link = PayLinkRequest { order_no: ORDER.into(), amount: AMOUNT, subject };
        let asked = (
            rail.query_charge(ORDER, AMOUNT),
            rail.mandate_state(&mandate),
            rail.query_refund(&refund),
            rail.close_order(ORDER),
            rail.bill(BillPeriod::Day(due)).map(|bill| bill.name),
            rail.health(),
        );
        let told = (
            rail.charge(&charge),
            rail.refund(&refund),
            rail.announce(&DebitNotice { mandate: mandate.clone(), amount: AMOUNT, due }),
            rail.postpone(&mandate, due),
            rail.pay_link(&link),
            rail.sign_link(&sign),
            rail.close_mandate(&mandate, "x"),
        );
        size(&asked) + size(&told)
    }
}

impl Rails {
    fn asked_for_credit(&self) -> usize {
        let (transaction_no, name, id_number) = ("KC7K2QX9AB000000000001", "\u{738b}", "110101199001011237");
        size(&self.zhima.ask(&Question { transaction_no, name, id_number, payer: "c-1", threshold: 600 }))
    }
}

fn alipay_raw(input: &[u8]) -> usize {
    let input = input.to_vec();
    with_rails(|rails| {
        rails.provider.says(move |_| Answered::plain(&input));
        rails.asked(&rails.alipay) + rails.asked_for_credit()
    })
}

/// The input as the value of an answer, signed by Alipay.
fn alipay_proven(input: &[u8]) -> usize {
    thread_local! {
        static ALIPAY: PrivateKey = private_key("alipay_private_pkcs8");
    }
    let value = String::from_utf8_lossy(input).into_owned();
    let sign = ALIPAY.with(|key| key.sign(value.as_bytes()));
    with_rails(|rails| {
        rails.provider.says(move |asked| {
            let method = asked.target.split(['?', '&']).find_map(|it| it.strip_prefix("method=")).unwrap_or_default();
            let name = method.replace('.', "_");
            Answered::plain(format!("{{\"{name}_response\":{value},\"sign\":\"{sign}\"}}").as_bytes())
        });
        rails.asked(&rails.alipay) + rails.asked_for_credit()
    })
}

fn wechat_raw(input: &[u8]) -> usize {
    let input = input.to_vec();
    with_rails(|rails| {
        rails.provider.says(move |_| Answered::plain(&input));
        rails.asked(&rails.wechat)
    })
}

/// The input as lines `name=value`, as fields of a v2 answer that WeChat Pay signed.
fn wechat_fields(input: &[u8]) -> usize {
    let xml = proven_xml(input);
    with_rails(|rails| {
        rails.provider.says(move |_| Answered::plain(xml.as_bytes()));
        rails.asked(&rails.wechat)
    })
}

/// The input as the body of a v3 answer that WeChat Pay signed; a bill is fetched from where it says.
fn wechat_json(input: &[u8]) -> usize {
    let input = String::from_utf8_lossy(input).into_owned();
    with_rails(|rails| {
        let url = rails.provider.url.clone();
        let body = input.replace("@URL@", &url);
        let headers = sealed(&body);
        rails.provider.says(move |_| Answered {
            status: 200,
            headers: headers.clone(),
            body: body.clone().into_bytes(),
        });
        rails.asked(&rails.wechat)
    })
}

/// Headers with which WeChat Pay says that a body is its own.
pub fn sealed(body: &str) -> Vec<(String, String)> {
    thread_local! {
        static WECHAT: PrivateKey = private_key("wxplatform_private_pkcs8");
    }
    let timestamp = now().timestamp().to_string();
    let signature = WECHAT.with(|key| key.sign(format!("{timestamp}\nnonce\n{body}\n").as_bytes()));
    let named = [
        ("wechatpay-timestamp", timestamp.as_str()),
        ("wechatpay-nonce", "nonce"),
        ("wechatpay-serial", PUBLIC_KEY_ID),
        ("wechatpay-signature", signature.as_str()),
    ];
    named.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Lines `name=value` as fields that WeChat Pay signed.
pub fn proven_xml(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let mut fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    fields.remove("sign");
    let mut signed: String =
        fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}&")).collect();
    signed.push_str(&format!("key={V2_KEY}"));
    let sign = hex(&hmac_sha256(V2_KEY.as_bytes(), signed.as_bytes())).to_uppercase();
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let fields: String = fields.iter().map(|(name, value)| format!("<{name}>{}</{name}>\n", escaped(value))).collect();
    format!("<xml>\n{fields}<sign>{sign}</sign></xml>")
}

fn channels(input: &[u8]) -> usize {
    let (status, input) = match input.split_first() {
        Some((first, rest)) if first % 4 == 0 => ([400, 401, 429, 500][usize::from(first / 4) % 4], rest.to_vec()),
        _ => (200, input.to_vec()),
    };
    with_rails(|rails| {
        rails.provider.says(move |_| Answered { status, headers: Vec::new(), body: input.clone() });
        let channels = open_channels(rails);
        let parcel = parcel();
        let handed = [Handed { parcel: parcel.clone(), at: now() }];
        let told = channels.iter().map(|it| (it.send(std::slice::from_ref(&parcel)), it.look_up(&handed)));
        size(&told.collect::<Vec<_>>())
    })
}

fn open_channels(rails: &Rails) -> Vec<Box<dyn Notify>> {
    let (url, http, clock) = (rails.provider.url.as_str(), HttpSettings::default(), Clock::fixed(now()));
    let account = |more: &str| -> toml::Table {
        let templates = "[templates.debit_failed]\ncode = \"SMS_1\"\nparams = [\"amount\"]\n";
        let secret = secret_file(rails.folder.path(), "secret", "testsk");
        let mut table: toml::Table = toml::from_str(&format!("{more}\n{templates}")).unwrap();
        for name in ["access_key_secret", "secret_key", "app_secret", "secret"] {
            if table.remove(name).is_some() {
                table.insert(name.to_owned(), secret.clone());
            }
        }
        table
    };
    let aliyun =
        account(&format!("access_key_id = \"a\"\naccess_key_secret = 1\nsign_name = \"s\"\nendpoint = \"{url}\""));
    let tencent = account(&format!(
        "secret_id = \"a\"\nsecret_key = 1\nsdk_app_id = \"1\"\nsign_name = \"s\"\nendpoint = \"{url}\""
    ));
    let wechat = account(&format!("app_id = \"wx1\"\napp_secret = 1\nendpoint = \"{url}\""));
    let mut hook = account(&format!("url = \"{url}/hook\"\nsecret = 1"));
    hook.remove("templates");
    let (aliyun, tencent, wechat, hook): (aliyun::Account, tencent::Account, notify_wechat::Account, webhook::Account) =
        (aliyun.try_into().unwrap(), tencent.try_into().unwrap(), wechat.try_into().unwrap(), hook.try_into().unwrap());
    vec![
        Box::new(aliyun::Aliyun::open("a", &aliyun, &http, clock.clone())),
        Box::new(tencent::Tencent::open("t", &tencent, &http, clock.clone())),
        Box::new(notify_wechat::Wechat::open("w", &wechat, &http, clock.clone())),
        Box::new(webhook::Webhook::open("h", &hook, &http, clock)),
    ]
}

fn parcel() -> Parcel {
    Parcel {
        id: "n-1".into(),
        key: "7K2QX9AB000000000000000000000001".into(),
        template: "debit_failed".into(),
        audience: "customer".into(),
        phone: "19900000001".into(),
        openid: Some("o1".into()),
        lang: "zh".into(),
        values: BTreeMap::from([("amount".to_owned(), "199.00".to_owned())]),
        ..Parcel::default()
    }
}

/// The input as what a program says to the question after its hello: the rest of a line that begins with the right number, or a line as
/// it is. Then it waits for the end.
fn program(input: &[u8]) -> usize {
    let folder = TempDir::new().unwrap();
    let (hello, answer) = (folder.path().join("hello"), folder.path().join("answer"));
    let can = "[\"charge\",\"query_charge\",\"mandate_state\",\"close_order\",\"refund\",\"bill\",\"read_notice\",\"pay_link\"]";
    std::fs::write(&hello, format!("{{\"id\":1,\"kibble\":1,\"name\":\"b\",\"version\":\"1\",\"can\":{can}}}\n"))
        .unwrap();
    std::fs::write(&answer, [b"{\"id\":2,", input, b"\n"].concat()).unwrap();
    let script = "read -r q; cat \"$1\"; read -r q; cat \"$2\"; cat >/dev/null";
    let words = ["/bin/sh", "-c", script, "sh", hello.to_str().unwrap(), answer.to_str().unwrap()];
    let open = || {
        let account = exec::Account { command: words.map(str::to_owned).to_vec(), timeout_seconds: 60 };
        Exec::open("b", profile("alipay"), Clock::fixed(now()), account)
    };
    let mandate = MandateRef { contract_no: "KM1".into(), provider_no: None };
    let refund = RefundRequest { refund_no: REFUND.into(), order_no: ORDER.into(), paid: AMOUNT, amount: AMOUNT };
    let link = PayLinkRequest { order_no: ORDER.into(), amount: AMOUNT, subject: "x".into() };
    match input.len() % 6 {
        0 => size(&open().query_charge(ORDER, AMOUNT)),
        1 => size(&open().mandate_state(&mandate)),
        2 => size(&open().close_order(ORDER)),
        3 => size(&open().refund(&refund)),
        4 => size(&open().pay_link(&link)),
        _ => size(&open().bill(BillPeriod::Day(now().date_naive()))),
    }
}

fn notifying_program(input: &[u8]) -> usize {
    let folder = TempDir::new().unwrap();
    let answer = folder.path().join("answer");
    std::fs::write(&answer, input).unwrap();
    let words = ["/bin/sh", "-c", "cat >/dev/null; cat \"$1\"", "sh", answer.to_str().unwrap()];
    size(&notify_exec::Exec::new("p", words.map(str::to_owned).to_vec(), 60).send(&[parcel()]))
}

fn sample_alipay() -> Vec<Vec<u8>> {
    let all = vectors();
    let answers = all["alipay_responses"].as_array().unwrap();
    let mut samples: Vec<Vec<u8>> = answers.iter().map(|it| it["raw"].as_str().unwrap().as_bytes().to_vec()).collect();
    samples.extend(texts(&[
        "{\"error_response\":{\"code\":\"40002\",\"msg\":\"Invalid\",\"sub_code\":\"isv.invalid-signature\",\"sub_msg\":\"x\"}}",
        "<html><head><title>502</title></head><body>\u{7cfb}\u{7edf}</body></html>",
    ]));
    samples
}

fn sample_alipay_values() -> Vec<Vec<u8>> {
    let trade = format!(
        "{{\"code\":\"10000\",\"msg\":\"Success\",\"out_trade_no\":\"{ORDER}\",\"trade_status\":\"TRADE_SUCCESS\",\"total_amount\":\"199.00\",\
         \"trade_no\":\"2026\",\"send_pay_date\":\"2026-11-05 09:00:00\",\"out_request_no\":\"{REFUND}\",\"refund_amount\":\"199.00\",\
         \"refund_status\":\"REFUND_SUCCESS\",\"gmt_refund_pay\":\"2026-11-05 09:00:00.1\"}}"
    );
    let agreement = "{\"code\":\"10000\",\"status\":\"NORMAL\",\"agreement_no\":\"2026\",\"external_agreement_no\":\"KM0000000007\",\
                     \"sign_time\":\"2026-11-05 09:00:00\",\"next_deduct_time\":\"2026-12-05\",\"bill_download_url\":\"http://127.0.0.1:9/\"}";
    let refused = "{\"code\":\"40004\",\"msg\":\"Business Failed\",\"sub_code\":\"ACQ.TRADE_NOT_EXIST\",\"sub_msg\":\"\\u4ea4\\u6613\"}";
    let credit = "{\"code\":\"10000\",\"msg\":\"Success\",\"is_admittance\":\"Y\",\"biz_no\":\"ZM2026\"}";
    texts(&[&trade, agreement, refused, credit])
}

fn sample_wechat() -> Vec<Vec<u8>> {
    let proven = |lines: &str| proven_xml(lines.as_bytes()).into_bytes();
    let fields = sample_fields().into_iter().map(|it| proven(&String::from_utf8(it).unwrap()));
    let turned = "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[\u{7b7e}\u{540d}\u{9519}\u{8bef}]]></return_msg></xml>";
    fields.chain(texts(&[turned, "\u{feff}交易时间,微信订单号\r\n"])).collect()
}

fn sample_fields() -> Vec<Vec<u8>> {
    let start = format!("return_code=SUCCESS\nappid={APPID}\nmch_id={MCH_ID}\nresult_code=SUCCESS\nnonce_str=a\n");
    let order = format!(
        "{start}out_trade_no={ORDER}\ntrade_state=SUCCESS\ntotal_fee=19900\nfee_type=CNY\ntransaction_id=4200\ntime_end=20261105090000"
    );
    let contract = format!(
        "{start}plan_id=125350\ncontract_code=KM0000000007\ncontract_id=2026\ncontract_state=0\ncontract_signed_time=2026-11-05 09:00:00\n\
         contract_expired_time=2027-11-05 09:00:00"
    );
    let refused =
        format!("{}err_code=ORDERNOTEXIST\nerr_code_des=x", start.replace("result_code=SUCCESS", "result_code=FAIL"));
    texts(&[&order, &contract, &refused])
}

fn sample_json() -> Vec<Vec<u8>> {
    let refund = format!(
        "{{\"out_refund_no\":\"{REFUND}\",\"out_trade_no\":\"{ORDER}\",\"refund_id\":\"50\",\"status\":\"SUCCESS\",\
         \"success_time\":\"2026-11-05T09:00:00+08:00\",\"amount\":{{\"refund\":19900,\"total\":19900}}}}"
    );
    let bill = "{\"hash_type\":\"SHA1\",\"hash_value\":\"da39a3ee5e6b4b0d3255bfef95601890afd80709\",\"download_url\":\"@URL@/v3/bill/1\"}";
    texts(&[&refund, bill, "{\"code\":\"RESOURCE_NOT_EXISTS\",\"message\":\"x\"}"])
}

fn sample_channels() -> Vec<Vec<u8>> {
    texts(&[
        "{\"Code\":\"OK\",\"Message\":\"OK\",\"BizId\":\"1\",\"RequestId\":\"r\"}",
        "{\"Code\":\"OK\",\"TotalCount\":\"1\",\"SmsSendDetailDTOs\":{\"SmsSendDetailDTO\":[{\"OutId\":\"7K2QX9AB000000000000000000000001\",\"SendStatus\":3}]}}",
        "{\"Response\":{\"SendStatusSet\":[{\"SerialNo\":\"1\",\"Code\":\"Ok\",\"Message\":\"\"}],\"RequestId\":\"r\"}}",
        "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure\",\"Message\":\"x\"},\"RequestId\":\"r\"}}",
        "{\"errcode\":0,\"errmsg\":\"ok\",\"access_token\":\"t\",\"expires_in\":7200}",
    ])
}

fn sample_lines() -> Vec<Vec<u8>> {
    let paid = format!(
        "\"result\":\"paid\",\"order_no\":\"{ORDER}\",\"amount_fen\":19900,\"trade_no\":\"9\",\"paid_at\":\"2026-11-21T02:00:00Z\"}}"
    );
    texts(&[
        &paid,
        "\"result\":\"live\",\"contract_no\":\"KM1\",\"provider_no\":\"1\",\"signed_at\":\"2026-11-21T02:00:00Z\",\"next_date\":\"2026-12-05\"}",
        "\"result\":\"declined\",\"reason\":\"no_funds\",\"code\":\"c\",\"text\":\"t\"}",
    ])
}

fn sample_receipts() -> Vec<Vec<u8>> {
    texts(&[
        "{\"id\":\"n-1\",\"result\":\"sent\",\"said\":\"x 19900000001\"}\n",
        "no answer\n{\"id\":\"n-1\",\"result\":\"later\"}\n",
    ])
}
