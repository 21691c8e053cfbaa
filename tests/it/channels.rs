//! Channels that reach people: signatures as the providers' own SDKs make them, the next channel after a clear no, no message twice
//! after a lost answer, caps, and one dead channel that does not stop the others. The providers run in this process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use kibble::adapters::keys;
use kibble::adapters::notify::{aliyun, tencent, webhook};
use kibble::clock::Clock;
use kibble::config::{Config, EXAMPLE};
use kibble::db;
use kibble::domain::date::At;
use kibble::domain::id::{AgreementId, CustomerId, MandateId, MessageId};
use kibble::domain::message::MessageState;
use kibble::domain::op::Op;
use kibble::ops::Ctx;
use kibble::ops::customer::set_contact;
use kibble::ops::remind::route::{Channels, Level};
use kibble::ops::remind::{self, Delivered, Letter};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::provider::alipay::form;
use crate::provider::tls::{Flaw, Tls};
use crate::provider::{Answered, Asked, Provider, Server, private, vectors};
use crate::remind::{alert, announcement, tell};
use crate::shop::Shop;
use crate::stage::{self, Cast};

const SECRET: &str = "testsk";

/// A provider that takes messages: it checks what is signed, answers what it is told to, and keeps what it took.
#[derive(Default)]
struct Desk {
    /// By our key: phone or openid, and the registered text.
    took: Mutex<Vec<Taken>>,
    /// Answers to the next messages; after them everything is taken.
    answers: Mutex<Vec<Value>>,
    /// The token that is valid now.
    token: Mutex<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    to: String,
    key: String,
    code: String,
    values: String,
}

impl Desk {
    fn next(&self) -> Option<Value> {
        let mut answers = self.answers.lock().unwrap();
        (!answers.is_empty()).then(|| answers.remove(0))
    }

    fn will_say(&self, answer: Value) {
        self.answers.lock().unwrap().push(answer);
    }

    fn took(&self) -> Vec<Taken> {
        self.took.lock().unwrap().clone()
    }

    fn take(&self, to: &str, key: &str, code: &str, values: &str) {
        let taken = Taken { to: to.into(), key: key.into(), code: code.into(), values: values.into() };
        self.took.lock().unwrap().push(taken);
    }

    fn aliyun(&self, asked: &Asked) -> Value {
        let values: BTreeMap<String, String> = form(&asked.query);
        let canonical = asked.query.clone();
        assert!(canonical.split('&').is_sorted(), "{canonical}");
        let signer = aliyun::Signer {
            id: "testak",
            secret: SECRET,
            host: asked.header("host"),
            action: asked.header("x-acs-action"),
            date: asked.header("x-acs-date"),
            nonce: asked.header("x-acs-signature-nonce"),
        };
        for (name, value) in signer.headers(&canonical) {
            assert_eq!(asked.header(name), value, "{name}");
        }
        if asked.header("x-acs-action") == "QuerySendDetails" {
            let took = self.took();
            let listed = took.iter().filter(|it| it.to == values["PhoneNumber"]);
            let listed: Vec<Value> =
                listed.map(|it| json!({ "OutId": it.key, "SendStatus": 3, "ErrCode": "DELIVERED" })).collect();
            return json!({ "Code": "OK", "Message": "OK", "SmsSendDetailDTOs": { "SmsSendDetailDTO": listed } });
        }
        if let Some(answer) = self.next() {
            return answer;
        }
        self.take(&values["PhoneNumbers"], &values["OutId"], &values["TemplateCode"], &values["TemplateParam"]);
        json!({ "Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "R" })
    }

    fn tencent(&self, asked: &Asked) -> Value {
        let text = String::from_utf8(asked.body.clone()).unwrap();
        let timestamp = asked.header("x-tc-timestamp").parse().unwrap();
        let signed = tencent::authorization("testak", SECRET, asked.header("host"), timestamp, &text);
        assert_eq!(asked.header("authorization"), signed);
        let body: Value = serde_json::from_str(&text).unwrap();
        if asked.header("x-tc-action") == "PullSmsSendStatusByPhoneNumber" {
            // Sent, and no operator has answered: the list knows nothing of it.
            return json!({ "Response": { "PullSmsSendStatusSet": [], "RequestId": "R" } });
        }
        if let Some(answer) = self.next() {
            return answer;
        }
        let phone = body["PhoneNumberSet"][0].as_str().unwrap();
        let key = body["SessionContext"].as_str().unwrap();
        self.take(phone, key, body["TemplateId"].as_str().unwrap(), &body["TemplateParamSet"].to_string());
        let status =
            json!({ "SerialNo": "5000:1", "PhoneNumber": phone, "Fee": 1, "Code": "Ok", "Message": "send success" });
        json!({ "Response": { "SendStatusSet": [status], "RequestId": "R" } })
    }

    fn wechat(&self, asked: &Asked) -> Value {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        if asked.path == "/cgi-bin/stable_token" {
            assert_eq!((&body["appid"], &body["secret"]), (&json!("wx1"), &json!(SECRET)));
            let mut token = self.token.lock().unwrap();
            *token += 1;
            return json!({ "access_token": format!("T{token}"), "expires_in": 7200 });
        }
        if asked.query != format!("access_token=T{}", self.token.lock().unwrap()) {
            return json!({ "errcode": 40001, "errmsg": "invalid credential" });
        }
        if let Some(answer) = self.next() {
            return answer;
        }
        self.take(
            body["touser"].as_str().unwrap(),
            "",
            body["template_id"].as_str().unwrap(),
            &body["data"].to_string(),
        );
        json!({ "errcode": 0, "errmsg": "ok", "msgid": 7 })
    }

    fn webhook(&self, asked: &Asked) -> u16 {
        let text = String::from_utf8(asked.body.clone()).unwrap();
        let timestamp = asked.header("x-kibble-timestamp").parse().unwrap();
        assert_eq!(asked.header("x-kibble-signature"), webhook::signature(SECRET, timestamp, &text));
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["key"], asked.header("x-kibble-event"));
        if let Some(answer) = self.next() {
            return u16::try_from(answer.as_u64().unwrap()).unwrap();
        }
        let key = body["key"].as_str().unwrap();
        // The receiver takes the same event once.
        if !self.took().iter().any(|it| it.key == key) {
            self.take(
                body["phone"].as_str().unwrap(),
                key,
                body["template"].as_str().unwrap(),
                body["text"].as_str().unwrap(),
            );
        }
        204
    }
}

impl Provider for Desk {
    fn answer(&self, asked: &Asked) -> Answered {
        assert_eq!(asked.method, "POST");
        let (status, body) = match asked.path.as_str() {
            "/" if !asked.header("x-acs-action").is_empty() => (200, self.aliyun(asked)),
            "/" => (200, self.tencent(asked)),
            "/hook" => (self.webhook(asked), Value::Null),
            _ => (200, self.wechat(asked)),
        };
        Answered {
            status,
            headers: Vec::new(),
            body: if status == 204 { Vec::new() } else { body.to_string().into_bytes() },
        }
    }

    /// Mishaps strike messages, not look-ups and tokens.
    fn moves_money(&self, asked: &Asked) -> bool {
        let action = format!("{}{}", asked.header("x-acs-action"), asked.header("x-tc-action"));
        action == "SendSms" || asked.path == "/hook" || asked.path.ends_with("/send")
    }

    fn now(&self) -> At {
        "2026-11-02T01:00:00Z".parse().unwrap()
    }
}

/// A shop whose messages go over `order`, with a provider for the channels sms, tencent, wechat, hook.
struct Post {
    shop: Shop,
    desk: Arc<Desk>,
    server: Server,
}

impl Post {
    fn new(order: &str) -> Post {
        let desk = Arc::new(Desk::default());
        let server = Server::start(desk.clone());
        let shop = Shop::opened();
        private(&shop.path("sms.key"), SECRET);
        let url = server.url();
        let settings = shop.read("shop.toml").replace("channels = [\"print\"]", &format!("channels = {order}"));
        let texts = "debit_success = { code = \"SMS_1\", params = [\"n\", \"amount\"] }\n\
                     pre_debit_48h = { code = \"SMS_2\", params = [\"amount\", \"when=date\"] }\n";
        let channels = format!(
            "\n[channel.sms]\nadapter = \"aliyun\"\naccess_key_id = \"testak\"\naccess_key_secret = {{ file = \"sms.key\" }}\n\
             sign_name = \"团子宠物\"\nendpoint = \"{url}\"\n[channel.sms.templates]\n{texts}\
             [channel.tencent]\nadapter = \"tencent\"\nsecret_id = \"testak\"\nsecret_key = {{ file = \"sms.key\" }}\n\
             sdk_app_id = \"1400000000\"\nsign_name = \"团子宠物\"\nendpoint = \"{url}\"\n[channel.tencent.templates]\n{texts}\
             [channel.wechat]\nadapter = \"wechat\"\napp_id = \"wx1\"\napp_secret = {{ file = \"sms.key\" }}\n\
             endpoint = \"{url}\"\n[channel.wechat.templates]\n\
             debit_success = {{ code = \"W1\", params = [\"thing1=pet\", \"amount2=amount\"] }}\n\
             [channel.hook]\nadapter = \"webhook\"\nurl = \"{url}/hook\"\nsecret = {{ file = \"sms.key\" }}\n"
        );
        shop.write("shop.toml", format!("{settings}{channels}"));
        Post { shop, desk, server }
    }

    fn change(&self, from: &str, to: &str) {
        let settings = self.shop.read("shop.toml");
        assert!(settings.contains(from), "{from}");
        self.shop.write("shop.toml", settings.replace(from, to));
    }

    fn at(&self, time: &str) -> Ctx {
        stage::open(&self.shop, time)
    }
}

fn paid(cast: &Cast, term: u32) -> Letter {
    Letter {
        event: format!("debit_success:{}", stage::term(cast, term)),
        template: "debit_success",
        params: json!({ "n": term, "terms": 12, "amount": "199.00", "balance": "412.50" }),
        ..announcement(cast, term, "2026-11-05")
    }
}

fn deliver(ctx: &Ctx) -> Delivered {
    remind::deliver(ctx, ctx.now()).unwrap()
}

fn message(ctx: &Ctx, number: i64) -> (MessageState, String, String) {
    let it = db::message::get(ctx.db.read(), MessageId::new(number)).unwrap().unwrap();
    (it.state, it.channel.unwrap_or_default(), it.said)
}

#[test]
fn aliyun_and_tencent_are_signed_as_their_own_sdks_sign() {
    let vectors = vectors();
    let it = &vectors["aliyun_acs3"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names = ["PhoneNumbers", "SignName", "TemplateCode", "TemplateParam", "OutId"];
    let query = aliyun::query(&names.into_iter().map(|name| (name, text(&it["query"][name]))).collect());
    assert_eq!(query, it["canonical_query"]);
    let headers = &it["headers"];
    let signer = aliyun::Signer {
        id: it["access_key_id"].as_str().unwrap(),
        secret: it["access_key_secret"].as_str().unwrap(),
        host: headers["host"].as_str().unwrap(),
        action: headers["x-acs-action"].as_str().unwrap(),
        date: headers["x-acs-date"].as_str().unwrap(),
        nonce: headers["x-acs-signature-nonce"].as_str().unwrap(),
    };
    let made = signer.headers(&query);
    for (name, value) in headers.as_object().unwrap() {
        assert!(made.iter().any(|(made, text)| made == name && text == value), "{name}");
    }
    assert_eq!(made.last().unwrap(), &("authorization", text(&it["authorization"])));

    let it = &vectors["tencent_tc3"];
    let (id, key, host) = (text(&it["secret_id"]), text(&it["secret_key"]), text(&it["host"]));
    let made = tencent::authorization(&id, &key, &host, it["timestamp"].as_i64().unwrap(), &text(&it["body"]));
    assert_eq!(made, it["authorization"]);
    assert_eq!(webhook::signature("k", 1, "{}"), keys::hex(&keys::hmac_sha256(b"k", b"1.{}")));
}

#[test]
fn a_registered_text_goes_out_with_its_values_and_the_providers_number_is_kept() {
    let post = Post::new("[\"sms\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    assert_eq!(deliver(&ctx).sent, 1);
    let values = "{\"amount\":\"199.00\",\"when\":\"11月5日\"}".to_owned();
    let took = post.desk.took();
    let key = took[0].key.clone();
    assert!(key.starts_with("7K2QX9AB") && key.len() == 28, "{key}");
    assert_eq!(took, [Taken { to: "19900000001".into(), key, code: "SMS_2".into(), values }]);
    assert_eq!(message(&ctx, 1), (MessageState::Sent, "sms".into(), "900619746936498440^0".into()));
    let term = db::installment::get(ctx.db.read(), stage::term(&cast, 1)).unwrap().unwrap();
    assert_eq!(term.charge_from, Some(ctx.now() + chrono::Duration::hours(48)));
}

#[test]
fn after_a_clear_no_the_next_channel_is_asked_at_once() {
    let post = Post::new("[\"wechat\", \"sms\", \"hook\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    // Nobody's openid is known: SMS. An announcement has no subscribe text either.
    tell(&ctx, paid(&cast, 1));
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    assert_eq!(deliver(&ctx).sent, 2);
    assert_eq!(post.desk.took().iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["SMS_2", "SMS_1"]);
    // Subscribed: WeChat; the token serves several messages, and a fresh one takes the place of a stale one.
    set_contact(&ctx, "c-1", None, Some("oABC_1")).unwrap();
    tell(&ctx, paid(&cast, 2));
    assert_eq!(deliver(&ctx).sent, 1);
    *post.desk.token.lock().unwrap() = 7;
    tell(&ctx, paid(&cast, 3));
    assert_eq!(deliver(&ctx).sent, 1);
    let took = post.desk.took();
    assert_eq!((took[2].to.as_str(), took[2].code.as_str()), ("oABC_1", "W1"));
    assert_eq!(took[2].values, "{\"amount2\":{\"value\":\"199.00\"},\"thing1\":{\"value\":\"团子\"}}");
    assert_eq!((message(&ctx, 4).1.as_str(), *post.desk.token.lock().unwrap()), ("wechat", 8));
    // The consent is used up, and the number is wrong: the third channel takes it, in the same delivery.
    post.desk.will_say(json!({ "errcode": 43101, "errmsg": "user refuse to accept the msg" }));
    post.desk.will_say(json!({ "Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "19900000001 号码不合法" }));
    tell(&ctx, paid(&cast, 4));
    let done = deliver(&ctx);
    assert_eq!((done.sent, done.failed.len(), done.stopped.len()), (1, 0, 0));
    assert_eq!(message(&ctx, 5).1, "hook");
    // All of them say no: it has failed, with every reason and without the number.
    for answer in [
        json!({ "errcode": 43101, "errmsg": "refused oABC_1" }),
        json!({ "Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "19900000001" }),
        json!(410),
    ] {
        post.desk.will_say(answer);
    }
    tell(&ctx, paid(&cast, 5));
    assert_eq!(deliver(&ctx).failed, [MessageId::new(6)]);
    let (state, _, said) = message(&ctx, 6);
    assert_eq!(state, MessageState::Failed);
    assert_eq!(said, "wechat: 43101 refused ***; sms: isv.MOBILE_NUMBER_ILLEGAL ***; hook: HTTP 410");
}

#[test]
fn channels_by_kind_of_message_and_for_the_shop() {
    let post = Post::new("[\"print\"]");
    post.change("to_shop = []", "to_shop = [\"hook\"]\nby_kind = { debit_success = [\"sms\"] }");
    post.change("owner_phone = \"\"", "owner_phone = \"13800000009\"");
    let ctx = post.at("2026-11-02T23:00");
    let cast = stage::set(&ctx);
    tell(&ctx, alert(&cast));
    tell(&ctx, paid(&cast, 1));
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    // At night the shop is told, and no provider hears of a customer.
    assert_eq!((deliver(&ctx).sent, post.server.asked().len()), (1, 1));
    let morning = post.at("2026-11-03T08:00");
    assert_eq!(deliver(&morning).sent, 2);
    let channels: Vec<String> = (1..=3).map(|number| message(&morning, number).1).collect();
    assert_eq!(channels, ["hook", "sms", "print"]);
    assert_eq!(post.desk.took()[0].to, "13800000009");
}

#[test]
fn a_lost_answer_is_looked_up_and_nobody_is_told_twice() {
    let post = Post::new("[\"sms\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    post.server.lose_next();
    let done = deliver(&ctx);
    assert_eq!((done.sent, done.in_doubt.len(), done.undecidable.len()), (0, 1, 0));
    assert_eq!((message(&ctx, 1).0, post.desk.took().len()), (MessageState::Unknown, 1));
    let charge_from = || db::installment::get(ctx.db.read(), stage::term(&cast, 1)).unwrap().unwrap().charge_from;
    assert_eq!(charge_from(), None);
    // The provider's list has it.
    let later = post.at("2026-11-02T10:00");
    assert_eq!((deliver(&later).sent, post.desk.took().len()), (1, 1));
    assert_eq!(message(&later, 1).0, MessageState::Sent);
    assert_eq!(charge_from(), Some(later.now() + chrono::Duration::hours(48)));
    assert_eq!(deliver(&post.at("2026-11-02T11:00")).sent, 0);
    assert_eq!(post.desk.took().len(), 1);
}

#[test]
fn a_call_that_never_arrived_is_sent_again_once_the_list_is_old_enough() {
    let post = Post::new("[\"sms\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, paid(&cast, 1));
    post.server.drop_next();
    assert_eq!(deliver(&ctx).in_doubt.len(), 1);
    // The list may lag behind: not yet.
    let soon = post.at("2026-11-02T09:05");
    assert_eq!((deliver(&soon).in_doubt.len(), message(&soon, 1).0), (1, MessageState::Unknown));
    assert_eq!(post.desk.took().len(), 0);
    let later = post.at("2026-11-02T09:10");
    assert_eq!((deliver(&later).sent, post.desk.took().len()), (1, 1));
}

#[test]
fn what_cannot_be_looked_up_waits_for_a_person() {
    let mut post = Post::new("[\"tencent\", \"print\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, paid(&cast, 1));
    post.server.lose_next();
    let ran = post.shop.run("--now 2026-11-02T09:00 remind send");
    ran.exits(3).says("nobody knows whether these arrived; none is sent again: n-1").hides("19900000001");
    // No receipt proves nothing: it is not sent again, not by the other channel either.
    for time in ["2026-11-02T12:00", "2026-11-05T09:00", "2026-11-06T09:00"] {
        assert_eq!(deliver(&post.at(time)).in_doubt.len(), 1, "{time}");
    }
    assert_eq!(post.desk.took().len(), 1);
    post.shop
        .lang("zh")
        .run("--now 2026-11-06T09:00 remind send")
        .exits(3)
        .says("remind settle")
        .says("不知道有没有送到");
    post.shop.lang("en");
    // The run's hint works as it is typed, and leads to both answers.
    post.shop.run("--now 2026-11-06T09:00 debit run").exits(3).says("kibble why n-1");
    post.shop.run("--now 2026-11-06T09:00 why n-1").says("kibble remind settle n-1 --not-arrived");
    post.shop.run("--now 2026-11-06T09:00 remind settle n-1 --not-arrived").ok("queued again");
    post.shop.run("--now 2026-11-06T09:00 remind send").ok("1 message sent");
    assert_eq!(post.desk.took().len(), 2);
    post.shop.run("audit list").ok("message_settled");
}

#[test]
fn an_answer_about_somebody_else_or_in_no_language_is_no_answer() {
    let post = Post::new("[\"tencent\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    let other = json!({ "PhoneNumber": "+8613800000002", "Code": "Ok", "SerialNo": "1" });
    let ours =
        json!({ "PhoneNumber": "+8619900000001", "Code": "FailedOperation.PhoneNumberInBlacklist", "Message": "" });
    for (term, answer, expected) in [
        (1, json!({ "Response": { "SendStatusSet": [other.clone()] } }), MessageState::Unknown),
        (2, json!({ "Response": { "SendStatusSet": [other, ours] } }), MessageState::Failed),
        (3, json!({ "Response": { "Error": { "Code": "AuthFailure.SignatureFailure" } } }), MessageState::Queued),
        (4, json!({ "errcode": 0 }), MessageState::Unknown),
        (5, json!("<html>"), MessageState::Unknown),
    ] {
        post.desk.will_say(answer);
        tell(&ctx, paid(&cast, term));
        deliver(&ctx);
        assert_eq!(message(&ctx, i64::from(term)).0, expected, "{term}");
        let done = |tx: &db::Conn| {
            db::message::set_state(tx, MessageId::new(i64::from(term)), MessageState::Dropped, None, "", ctx.now())?;
            Ok(((), Op::MessagesMoved { moves: Vec::new() }))
        };
        ctx.db.write(ctx.now(), done).unwrap();
    }
    post.server.garble_next();
    tell(&ctx, paid(&cast, 6));
    assert_eq!((deliver(&ctx).in_doubt.len(), post.desk.took().len()), (1, 1));
}

#[test]
fn a_channel_that_loses_every_answer_is_not_given_the_whole_outbox() {
    let post = Post::new("[\"sms\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    for term in 1..=6 {
        tell(&ctx, paid(&cast, term));
    }
    for _ in 0..3 {
        post.server.lose_next();
    }
    let done = deliver(&ctx);
    assert_eq!((done.sent, done.in_doubt.len(), done.later, done.stopped.len()), (0, 3, 3, 1));
    assert_eq!(deliver(&post.at("2026-11-02T10:00")).sent, 6);
    let took = post.desk.took();
    let keys: std::collections::BTreeSet<&String> = took.iter().map(|it| &it.key).collect();
    assert_eq!((took.len(), keys.len()), (6, 6), "each once");
}

#[test]
fn a_restored_copy_tells_nobody_what_the_other_one_told() {
    let post = Post::new("[\"sms\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, paid(&cast, 1));
    tell(&ctx, paid(&cast, 2));
    drop(ctx);
    post.shop.run("--now 2026-11-02T09:00 backup").exits(0);
    post.desk.will_say(json!({ "Code": "OK", "BizId": "lost on its way, and never in the list" }));
    post.shop.run("--now 2026-11-02T09:00 remind send").ok("2 messages sent");
    let key = post.desk.took()[0].key.clone();
    post.shop.run("--now 2026-11-02T09:20 restore backups/shop-2026-11-02T0900.db --yes").exits(0);
    post.shop.run("--now 2026-11-02T09:30 remind send").fails(1, "restored from a backup").says("kibble adopt");
    assert_eq!(post.desk.took().len(), 1);
    // Adopted, it is looked up first: the number of a message is the same in every copy.
    post.shop.run("--now 2026-11-02T09:40 --yes adopt").ok("may have told, to be looked up: 2");
    let ctx = post.at("2026-11-02T09:50");
    let done = deliver(&ctx);
    assert_eq!((done.sent, done.in_doubt.len()), (2, 0));
    let keys: Vec<String> = post.desk.took().into_iter().map(|it| it.key).collect();
    assert_eq!(keys.len(), 2, "the one the lost state never told goes out now");
    assert_eq!(keys.iter().filter(|it| **it == key).count(), 1);
}

#[test]
fn a_webhook_that_lost_its_answer_is_repeated_with_the_same_event_and_nowhere_else() {
    let post = Post::new("[\"hook\", \"print\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, paid(&cast, 1));
    post.server.lose_next();
    assert_eq!(deliver(&ctx).in_doubt.len(), 1);
    // Now it is down, and stays down: the other channel would tell it twice.
    post.server.set_down(true);
    for time in ["2026-11-02T10:00", "2026-11-02T13:00"] {
        deliver(&post.at(time));
    }
    assert!(!post.shop.path("messages.txt").exists());
    post.server.set_down(false);
    for time in ["2026-11-02T14:00", "2026-11-02T15:00", "2026-11-02T16:00"] {
        deliver(&post.at(time));
    }
    assert_eq!((post.desk.took().len(), message(&ctx, 1).0), (1, MessageState::Sent));
}

#[test]
fn everything_in_doubt_can_be_settled_at_once() {
    let post = Post::new("[\"tencent\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    for term in 1..=2 {
        tell(&ctx, paid(&cast, term));
        post.server.lose_next();
    }
    assert_eq!(deliver(&ctx).in_doubt.len(), 2);
    post.shop.run("--now 2026-11-02T10:00 remind settle --arrived").fails(2, "name a message like n-9, or say --all");
    post.shop.run("--now 2026-11-02T10:00 remind settle --all --arrived").ok("2 count as sent from now on");
    post.shop.run("--now 2026-11-02T10:00 remind settle --all --not-arrived").ok("no message is in doubt");
    assert_eq!(post.desk.took().len(), 2);
}

#[test]
fn a_number_gets_so_many_a_day_and_the_promised_ones_first() {
    let post = Post::new("[\"sms\"]");
    post.change("sign_name = \"团子宠物\"\nendpoint", "sign_name = \"团子宠物\"\ndaily_per_number = 2\nendpoint");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, paid(&cast, 1));
    tell(&ctx, paid(&cast, 2));
    tell(&ctx, announcement(&cast, 1, "2026-11-05"));
    post.shop.run("--now 2026-11-02T09:00 remind send --dry-run").ok("3 messages could be sent");
    let ran = post.shop.run("--now 2026-11-02T09:00 remind send");
    ran.ok("2 messages sent").says("1 wait until tomorrow");
    assert_eq!(post.desk.took().iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["SMS_2", "SMS_1"]);
    let (state, _, said) = message(&ctx, 2);
    assert_eq!(
        (state, said.as_str()),
        (MessageState::Queued, "sms: this number had its 2 messages of today; tomorrow")
    );
    // Another delivery of the day remembers; the next morning the number is free.
    tell(&ctx, paid(&cast, 3));
    // Before the next delivery has met the cap, `why` knows of it and of its end.
    let why = post.shop.run("--now 2026-11-02T19:00 why n-4");
    why.ok("Not sent: sms: this number had its 2 messages of today; tomorrow.").says("Not before 2026-11-03 08:00.");
    assert_eq!(deliver(&post.at("2026-11-02T20:00")).capped, 1);
    assert_eq!(deliver(&post.at("2026-11-03T07:59")).sent, 0);
    assert_eq!(deliver(&post.at("2026-11-03T08:00")).sent, 2);
    // What the provider's own limit holds back waits as well, and stops nobody else.
    post.desk.will_say(json!({ "Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发天级流控Permits:10" }));
    let ctx = post.at("2026-11-04T09:00");
    tell(&ctx, paid(&cast, 4));
    tell(&ctx, paid(&cast, 5));
    let done = deliver(&ctx);
    assert_eq!((done.sent, done.later, done.stopped.len()), (1, 1, 0));
    assert_eq!(deliver(&post.at("2026-11-05T08:00")).sent, 1);
}

#[test]
fn a_dead_channel_is_asked_once_and_does_not_hold_the_others() {
    let post = Post::new("[\"sms\", \"hook\"]");
    post.change("to_shop = []", "to_shop = [\"hook\"]");
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", dead.local_addr().unwrap());
    drop(dead);
    let alive = post.server.url();
    post.change(
        &format!("endpoint = \"{alive}\"\n[channel.sms.templates]"),
        &format!("endpoint = \"{address}\"\n[channel.sms.templates]"),
    );
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    for term in 1..=3 {
        tell(&ctx, paid(&cast, term));
    }
    tell(&ctx, alert(&cast));
    let ran = post.shop.run("--now 2026-11-02T09:00 remind send");
    ran.exits(3).says("1 message sent").says("channel sms does not work now").says("3 wait").hides("19900000001");
    let tries: Vec<u32> =
        (1..=3).map(|number| db::message::get(ctx.db.read(), MessageId::new(number)).unwrap().unwrap().tries).collect();
    assert_eq!(tries, [1, 0, 0], "one was handed over, and nobody waited for the others");
    post.shop.run("--now 2026-11-02T09:20 debit run").exits(3).says("Needs you").says("messages cannot be handed over");
    // After two hours of waiting the next channel takes them.
    assert_eq!(deliver(&post.at("2026-11-02T11:00")).sent, 3);
    assert_eq!(message(&ctx, 1).1, "hook");
}

#[test]
fn a_channel_that_refuses_our_settings_is_named_and_the_next_takes_over() {
    let mut post = Post::new("[\"sms\", \"hook\"]");
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    for (term, answer) in [(1, "isv.AMOUNT_NOT_ENOUGH"), (2, "SignatureDoesNotMatch")] {
        post.desk.will_say(json!({ "Code": answer, "Message": "账户余额不足" }));
        tell(&ctx, paid(&cast, term));
        let done = deliver(&ctx);
        assert_eq!((done.sent, done.stopped["sms"].broken), (1, true), "{answer}");
        assert!(done.stopped["sms"].said.contains(answer));
    }
    // A key that is gone is named by its setting, before anybody is called.
    std::fs::remove_file(post.shop.path("sms.key")).unwrap();
    let calls = post.server.asked().len();
    tell(&ctx, paid(&cast, 3));
    tell(&ctx, paid(&cast, 4));
    let ran = post.shop.run("--now 2026-11-02T09:30 remind send");
    ran.exits(3).says("channel sms refuses our settings: channel.sms.access_key_secret").says("channel hook refuses");
    ran.says("2 wait").hides(SECRET);
    assert_eq!(post.server.asked().len(), calls);
    let ran = post.shop.lang("zh").run("config show");
    ran.ok("channel.sms.access_key_secret").says("没有报备模板").hides(SECRET);
    // Nothing was lost: with the key back everything goes out.
    private(&post.shop.path("sms.key"), SECRET);
    assert_eq!(deliver(&post.at("2026-11-02T10:00")).sent, 2);
}

#[test]
fn the_documented_channels_can_be_switched_on_as_they_stand() {
    let (before, rest) = EXAMPLE.split_once("[messages]\n").unwrap();
    let (section, after) = rest.split_once("# The sandbox's own").unwrap();
    let setting = |line: &str| {
        let text = line.strip_prefix("# ")?;
        let is = text.starts_with('[') || text.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        is.then(|| text.to_owned())
    };
    let section: Vec<String> = section.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned())).collect();
    let text = format!("{before}[messages]\n{}\n# The sandbox's own{after}", section.join("\n"));
    let config = Config::parse(std::path::Path::new("."), &text).unwrap();
    let channels = Channels::open(&config, &Clock::System).unwrap();
    assert_eq!(config.channels.len(), 7);
    let findings = channels.inspect(&config);
    // Only the secrets are missing: names of messages and values are right.
    let bad = findings.iter().filter(|it| it.level == Level::Bad);
    for it in bad {
        assert!(
            it.what.contains("keys/") || it.what.contains("TENCENT_SMS_KEY") || it.what.contains("channel.program"),
            "{it:?}"
        );
    }
    assert_eq!(config.reaches_people(), Some("wechat"));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let post = Post::new("[\"sms\"]");
    let good = post.shop.read("shop.toml");
    for (from, to, said) in [
        ("channels = [\"sms\"]", "channels = []", "messages.channels: name at least one channel"),
        ("channels = [\"sms\"]", "channels = [\"smss\"]", "there is no channel called smss"),
        ("\nadapter = \"aliyun\"", "\nadapter = \"aliun\"", "no adapter aliun for messages"),
        ("\nsign_name = \"团子宠物\"", "\nsing_name = \"团子宠物\"", "channel.sms"),
        ("\nadapter = \"aliyun\"", "\nadapter = \"aliyun\"\ndaily_per_number = -1", "channel.sms.daily_per_number"),
        ("to_shop = []", "by_kind = { debit_sucess = [\"sms\"] }", "no message is called debit_sucess"),
    ] {
        assert!(good.contains(from), "{from}");
        post.shop.write("shop.toml", good.replacen(from, to, 1));
        post.shop.run("remind list").fails(1, said);
    }
    // Pretended time and real people do not go together.
    let real = good.replace(&format!("endpoint = \"{}\"\n", post.server.url()), "");
    post.shop.write("shop.toml", real);
    post.shop.run("--now 2026-11-02T09:00 remind list").fails(2, "the message channel sms reaches real people");
    post.shop.run("remind list").ok("");
}

#[test]
fn a_registered_text_for_no_message_or_with_no_such_value_is_seen_before_it_is_needed() {
    let post = Post::new("[\"sms\"]");
    let settings = post.shop.read("shop.toml");
    let wrong = "[channel.sms.templates]\nrefund_dome = { code = \"SMS_7\" }\n\
                 refund_done = { code = \"SMS_8\", params = [\"refund\", \"x=balance\", \"day\", \"pet\"] }\n";
    post.shop.write("shop.toml", settings.replacen("\n[channel.sms.templates]\n", &format!("\n{wrong}"), 1));
    let ran = post.shop.run("config show");
    ran.ok("channel.sms.templates.refund_dome: no message is called refund_dome");
    ran.says("channel.sms.templates.refund_done: this message has no value balance").says("it has refund, shop");
    ran.says("channel sms: no registered text for debit_failed").hides("text for heads_up");
    let findings = post.shop.run("config show --json").json()["findings"].clone();
    let levels: Vec<&str> = findings.as_array().unwrap().iter().map(|it| it["level"].as_str().unwrap()).collect();
    assert_eq!(levels.iter().filter(|it| **it == "bad").count(), 2, "{findings}");
}

/// A mail server for the mails of one test. What it says to each step can be changed; `cut` ends the connection there.
struct MailServer {
    port: u16,
    answers: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    fn start() -> MailServer {
        MailServer::start_with(None)
    }

    fn start_with(tls: Option<Arc<ServerConfig>>) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Arc<Mutex<BTreeMap<&str, &str>>> = Arc::default();
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let (said, kept) = (answers.clone(), mails.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let wire: Box<dyn Wire> = match &tls {
                    Some(tls) => Box::new(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), stream)),
                    None => Box::new(stream),
                };
                let mut wire = BufReader::new(wire);
                let mut line = String::new();
                let mut reply = "220 mail ready\r\n".to_owned();
                loop {
                    if wire.get_mut().write_all(reply.as_bytes()).and_then(|()| wire.get_mut().flush()).is_err() {
                        break;
                    }
                    line.clear();
                    if wire.read_line(&mut line).unwrap_or(0) == 0 {
                        break;
                    }
                    let word = line[..4].to_uppercase();
                    let word =
                        ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"].into_iter().find(|it| *it == word).unwrap();
                    let told = said.lock().unwrap().get(word).copied();
                    reply = match (word, told) {
                        (_, Some("cut")) => break,
                        (_, Some(told)) => format!("{told}\r\n"),
                        ("EHLO", _) => "250-mail\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n".into(),
                        ("AUTH", _) => "235 welcome\r\n".into(),
                        ("DATA", _) => "354 go on\r\n".into(),
                        ("QUIT", _) => "221 bye\r\n".into(),
                        _ => "250 fine\r\n".into(),
                    };
                    if reply.starts_with("354") {
                        wire.get_mut().write_all(reply.as_bytes()).unwrap();
                        wire.get_mut().flush().unwrap();
                        let mut mail = String::new();
                        while !mail.ends_with("\r\n.\r\n") && wire.read_line(&mut mail).unwrap_or(0) > 0 {}
                        kept.lock().unwrap().push(mail);
                        match said.lock().unwrap().get("TEXT").copied() {
                            Some("cut") => break,
                            told => reply = format!("{}\r\n", told.unwrap_or("250 queued as Q77")),
                        }
                    }
                }
            }
        });
        MailServer { port, answers, mails }
    }

    fn says(&self, step: &'static str, answer: &'static str) {
        self.answers.lock().unwrap().clear();
        self.answers.lock().unwrap().insert(step, answer);
    }
}

#[test]
fn a_mail_goes_over_tls_to_the_right_server_only() {
    let sound = Tls::new(Flaw::None);
    let post = Post::new("[\"mail\", \"print\"]");
    post.shop.write("root.pem", &sound.root);
    let settings = post.shop.read("shop.toml").replace("ca_file = \"\"", "ca_file = \"root.pem\"");
    let others = [Tls::new(Flaw::Expired), Tls::new(Flaw::OtherName), Tls::new(Flaw::None)];
    let plain = MailServer::start();
    let mut term = 0;
    let mut told = |server: &MailServer, root: &str, security: &str| {
        term += 1;
        post.shop.write("root.pem", root);
        let channel = format!(
            "[channel.mail]\nadapter = \"smtp\"\nhost = \"localhost\"\nport = {}\nsecurity = \"{security}\"\n\
             username = \"shop\"\npassword = {{ file = \"sms.key\" }}\nfrom = \"shop@example.com\"\n",
            server.port
        );
        post.shop.write("shop.toml", format!("{settings}{channel}"));
        let ctx = post.at("2026-11-02T09:00");
        let cast = match term {
            1 => stage::set(&ctx),
            _ => Cast { customer: CustomerId::new(1), agreement: AgreementId::new(1), mandate: MandateId::new(1) },
        };
        set_contact(&ctx, "c-1", Some("wang@example.com"), None).unwrap();
        tell(&ctx, paid(&cast, term));
        let done = deliver(&ctx);
        let stop = done.stopped.get("mail").map(|stop| (stop.broken, stop.said.clone()));
        (message(&ctx, i64::from(term)).1, stop)
    };
    let server = MailServer::start_with(Some(sound.config.clone()));
    assert_eq!(told(&server, &sound.root, "tls"), ("mail".into(), None));
    assert!(server.mails.lock().unwrap()[0].contains("Subject: "));
    // Expired, made out to somebody else, of a root that nobody trusts; and one that offers no TLS at all.
    for (tls, root) in others.iter().zip([&others[0].root, &others[1].root, &sound.root]) {
        let server = MailServer::start_with(Some(tls.config.clone()));
        let (channel, stop) = told(&server, root, "tls");
        assert!(channel == "print" && stop.as_ref().is_some_and(|it| it.0), "{stop:?}");
        assert!(server.mails.lock().unwrap().is_empty());
    }
    let (channel, stop) = told(&plain, &sound.root, "starttls");
    assert!(channel == "print" && stop.as_ref().is_some_and(|it| it.0), "{stop:?}");
    assert!(plain.mails.lock().unwrap().is_empty(), "no password and no mail without TLS");
}

/// What a mail server reads from and writes to.
trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

#[test]
fn a_mail_goes_out_once_whatever_breaks_on_the_way() {
    let server = MailServer::start();
    let post = Post::new("[\"mail\", \"print\"]");
    let settings = post.shop.read("shop.toml");
    let channel = format!(
        "[channel.mail]\nadapter = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nusername = \"shop\"\n\
         password = {{ file = \"sms.key\" }}\nfrom = \"团子宠物 <shop@example.com>\"\n",
        server.port
    );
    post.shop.write("shop.toml", format!("{settings}{channel}"));
    let ctx = post.at("2026-11-02T09:00");
    let cast = stage::set(&ctx);
    tell(&ctx, paid(&cast, 1));
    assert_eq!((deliver(&ctx).sent, message(&ctx, 1).1.as_str()), (1, "print"), "no address, no mail");
    set_contact(&ctx, "c-1", Some("wang@example.com"), None).unwrap();
    assert!(set_contact(&ctx, "c-1", Some("wang"), None).is_err());
    post.shop.run("customer show c-1").ok("w**").hides("wang@");
    post.shop.run("customer show c-1 --reveal --reason test").ok("wang@example.com");
    post.shop.run("customer contact c-1").fails(2, "say what to change");
    post.shop
        .run("customer contact c-1 --openid oA_1")
        .ok("e-mail address on record, WeChat id on record")
        .hides("oA_1");
    post.shop.run("check").ok("");
    // What the server says at which step, then what becomes of the message and over which channel.
    for (next, (step, answer, state, channel, mails)) in (2..).zip([
        ("QUIT", "cut", MessageState::Sent, "mail", 1),
        ("RCPT", "550 no such user wang@example.com", MessageState::Sent, "print", 1),
        ("RCPT", "451 greylisted", MessageState::Queued, "mail", 1),
        ("AUTH", "535 wrong password", MessageState::Sent, "print", 1),
        ("MAIL", "cut", MessageState::Queued, "mail", 1),
        ("TEXT", "554 spam", MessageState::Sent, "print", 2),
        ("TEXT", "452 full", MessageState::Queued, "mail", 3),
        ("TEXT", "cut", MessageState::Unknown, "mail", 4),
    ]) {
        server.says(step, answer);
        tell(&ctx, paid(&cast, next));
        deliver(&ctx);
        let (got, over, said) = message(&ctx, i64::from(next));
        assert_eq!((got, over.as_str()), (state, channel), "{step} {answer}: {said}");
        assert_eq!(server.mails.lock().unwrap().len(), mails, "{step} {answer}");
        assert!(!said.contains("wang@"), "{said}");
        // Out of the way of the next one.
        let away = |tx: &db::Conn| {
            let id = MessageId::new(i64::from(next));
            db::message::set_state(tx, id, MessageState::Dropped, None, "", ctx.now())?;
            Ok(((), Op::MessagesMoved { moves: Vec::new() }))
        };
        if state != MessageState::Unknown {
            ctx.db.write(ctx.now(), away).unwrap();
        }
    }
    server.says("QUIT", "221 bye");
    assert_eq!(deliver(&post.at("2026-11-03T09:00")).undecidable.len(), 1);
    let mails = server.mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 4, "the lost one is not repeated");
    assert!(mails[0].contains("Message-ID: <7K2QX9AB"), "{}", mails[0]);
    assert!(mails[0].contains("To: wang@example.com") && mails[0].contains("Date: Mon, 02 Nov 2026 01:00:00 +0000"));
}
