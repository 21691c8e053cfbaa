//! The shared suite on Alipay's gateway protocol, against a gateway on this machine: with bare keys, with certificates and encrypted
//! bodies, and where debits are only accepted at first; and what only Alipay has.

use std::path::Path;
use std::sync::Arc;

use kibble::adapters::rail::alipay::{Account, Alipay};
use kibble::adapters::rail::sandbox::{Book, FaultKind, FaultSpan};
use kibble::adapters::rail::{
    BillPeriod, Closed, Level, MandateRef, MandateState, Noticed, PayLinkRequest, Rail, SavedNotice, SignLink, Trouble,
};
use kibble::clock::Clock;
use kibble::config::HttpSettings;
use kibble::domain::date::plus_days;
use kibble::domain::money::Money;
use kibble::domain::rail::{Acceptance, Answer, Profile, Reason};
use tempfile::TempDir;

use crate::provider::alipay::{APP_ID, Alipay as Gateway, Certificates, SELLER, form};
use crate::provider::{Server, key, private, vectors};
use crate::rails::suite::{
    self, Mishap, Stage, Trick, at, charge, due, rail_suite, ready, refund, request, sign_request,
};

rail_suite!(bare_keys, till());
rail_suite!(certificates_and_encrypted_bodies, sealed_till());
rail_suite!(accepted_first, accepting_till());

/// The rail and its gateway.
struct Till {
    rail: Alipay,
    clock: Clock,
    gateway: Arc<Gateway>,
    server: Server,
    keys: TempDir,
}

impl Stage for Till {
    fn rail(&self) -> &dyn Rail {
        &self.rail
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn keeps_date(&self) -> bool {
        true
    }

    fn opens(&self, link: &SignLink) {
        self.gateway.opens(&link.qr, "c-12");
    }

    fn hears_of_links(&self) -> bool {
        false
    }

    fn says_who_ended(&self) -> bool {
        false
    }

    fn knows_unopened_links(&self) -> bool {
        false
    }

    fn says_why_later(&self) -> bool {
        self.rail.profile().acceptance == Acceptance::Final
    }

    fn agree(&self, contract_no: &str) {
        self.gateway.agrees(contract_no);
    }

    fn revoke(&self, contract_no: &str) {
        self.gateway.book().revoke("alipay", contract_no, self.clock.now()).unwrap();
    }

    fn fund(&self, payer: &str, amount: Money) {
        self.gateway.book().fund(payer, amount).unwrap();
    }

    fn pay_link(&self, order_no: &str) {
        // A closed link refuses, which the suite sees by asking the rail.
        let _ = self.gateway.book().pay_link_order("alipay", order_no, self.clock.now());
    }

    fn mishap(&self, mishap: Mishap) {
        match mishap {
            Mishap::Drop => self.server.drop_next(),
            Mishap::LoseAnswer => self.server.lose_next(),
            Mishap::Garbage => self.server.garble_next(),
            Mishap::Down => self.server.set_down(true),
            Mishap::Up => self.server.set_down(false),
        }
    }

    fn trick(&self, trick: Trick) -> bool {
        self.gateway.trick(trick);
        true
    }

    fn decline_next(&self, reason: Reason) -> Option<Reason> {
        let span = FaultSpan::Times(1);
        self.gateway.book().set_fault("alipay", FaultKind::Decline, span, Some(reason)).unwrap();
        Some(reason)
    }

    fn moved(&self) -> Money {
        let totals = self.gateway.book().totals("alipay").unwrap();
        totals.paid - totals.refunded
    }
}

fn profile() -> Profile {
    suite::profile("alipay")
}

fn till() -> Till {
    opened(profile(), "", |gateway| gateway)
}

fn sealed_till() -> Till {
    let sns = &vectors()["alipay_cert_sn"];
    let both = sns["root_cert_sn_of_two"].as_str().unwrap();
    let certificates = Certificates {
        app_cert_sn: sns["app_cert_sn"].as_str().unwrap().to_owned(),
        root_cert_sn: both.to_owned(),
        alipay_cert_sn: both.split_once('_').unwrap().1.to_owned(),
    };
    let settings = "app_cert = { file = \"KEYS/app.crt\" }\nalipay_cert = { file = \"KEYS/alipay.crt\" }\n\
                    alipay_root_cert = { file = \"KEYS/root.crt\" }\nencrypt_key = { file = \"KEYS/aes\" }\n";
    opened(profile(), settings, |gateway| gateway.with_certificates(certificates).with_encryption(b"0123456789abcdef"))
}

fn accepting_till() -> Till {
    opened(Profile { acceptance: Acceptance::Pending, pending_hours: 2, ..profile() }, "", |gateway| gateway)
}

fn opened(profile: Profile, settings: &str, made: impl FnOnce(Gateway) -> Gateway) -> Till {
    let clock = Clock::fixed(at(due(), 10));
    let book = Arc::new(Book::in_memory().unwrap());
    let gateway = Arc::new(made(Gateway::new("alipay", profile.clone(), clock.clone(), book)));
    let server = Server::start(gateway.clone());
    gateway.at(&server.url());
    let keys = keys();
    let account = account(&server.url(), keys.path(), settings);
    let rail = Alipay::open("alipay", profile, clock.clone(), account, &HttpSettings::default());
    Till { rail, clock, gateway, server, keys }
}

/// A folder with every key and certificate, readable by its owner only.
pub(super) fn keys() -> TempDir {
    let folder = TempDir::new().unwrap();
    let files = [
        ("app", key("app_private_pkcs8")),
        ("alipay", key("alipay_public")),
        ("own", key("app_public")),
        ("strange", key("mch_private_pkcs8")),
        ("garbage", "nothing of the kind".to_owned()),
        ("aes", vectors()["alipay_aes"]["key_base64"].as_str().unwrap().to_owned()),
        ("app.crt", key("app_cert")),
        ("alipay.crt", key("wxplatform_cert")),
        ("root.crt", format!("{}\n{}", key("app_cert"), key("wxplatform_cert"))),
    ];
    for (name, content) in files {
        private(&folder.path().join(name), &content);
    }
    folder
}

/// The account; settings that are not given stand for bare keys.
pub(super) fn account(url: &str, keys: &Path, settings: &str) -> Account {
    let mut text = format!("app_id = \"{APP_ID}\"\nseller_id = \"{SELLER}\"\ngateway = \"{url}/gateway.do\"\n");
    for (name, line) in [("private_key", "private_key = { file = \"KEYS/app\" }\n"), ("_cert", "")] {
        if !settings.contains(name) {
            text.push_str(line);
        }
    }
    if !settings.contains("_cert") && !settings.contains("alipay_public_key") {
        text.push_str("alipay_public_key = { file = \"KEYS/alipay\" }\n");
    }
    text.push_str(settings);
    toml::from_str(&text.replace("KEYS", keys.to_str().unwrap())).unwrap()
}

/// Another rail on the same gateway.
fn other(till: &Till, settings: &str) -> Alipay {
    let account = account(&till.server.url(), till.keys.path(), settings);
    Alipay::open("alipay", profile(), till.clock.clone(), account, &HttpSettings::default())
}

/// How often the gateway heard of a method.
fn heard(till: &Till, method: &str) -> usize {
    till.server.asked().iter().filter(|asked| form(&asked.query).get("method").is_some_and(|it| it == method)).count()
}

#[test]
fn a_debit_whose_answer_is_lost_was_sent_once() {
    for mishap in [Mishap::LoseAnswer, Mishap::Garbage, Mishap::Drop] {
        let till = till();
        let mandate = ready(&till);
        till.mishap(mishap);
        till.rail.charge(&request(&mandate, "n1"));
        let times = usize::from(mishap != Mishap::Drop);
        assert_eq!(heard(&till, "alipay.trade.pay"), times, "{mishap:?}");
    }
}

#[test]
fn a_declined_debit_is_closed_so_that_nobody_pays_it_later() {
    let till = till();
    let mandate = ready(&till);
    till.fund("c-12", Money::ZERO);
    assert_eq!(charge(&till, &mandate, "n1").answer, Answer::Declined(Reason::NoFunds));
    assert_eq!(heard(&till, "alipay.trade.close"), 1);
}

/// Cuts every call of these methods before the work.
fn deaf(till: &Till, methods: &'static [&'static str]) {
    till.server.set_watch(Box::new(move |asked| methods.contains(&form(&asked.query)["method"].as_str())));
}

#[test]
fn a_decline_is_none_while_the_order_may_still_be_paid() {
    let cases: [(&[&str], bool); 4] = [
        (&["alipay.trade.close", "alipay.trade.query"], false),
        (&["alipay.trade.close"], true),
        (&["alipay.trade.query"], true),
        (&[], true),
    ];
    for (unheard, declined) in cases {
        let till = till();
        let mandate = ready(&till);
        till.fund("c-12", Money::ZERO);
        deaf(&till, unheard);
        let answer = charge(&till, &mandate, "n1").answer;
        let expected = if declined { Answer::Declined(Reason::NoFunds) } else { Answer::Unknown };
        assert_eq!(answer, expected, "{unheard:?}");
    }
}

#[test]
fn a_refused_refund_is_unknown_until_a_query_finds_none() {
    let till = till();
    let mandate = ready(&till);
    charge(&till, &mandate, "n1");
    till.rail.refund(&refund("f1", Money::from_fen(19_900)));
    deaf(&till, &["alipay.trade.fastpay.refund.query"]);
    let second = refund("f2", Money::from_fen(19_900));
    assert_eq!(till.rail.refund(&second).answer, Answer::Unknown, "somebody would hand it over a second time");
    deaf(&till, &[]);
    assert!(matches!(till.rail.refund(&second).answer, Answer::Declined(_)));
}

#[test]
fn a_period_that_alipay_has_debited_is_no_failure_and_tells_the_dates() {
    let till = till();
    let mandate = ready(&till);
    assert_eq!(charge(&till, &mandate, "n1").answer, Answer::Paid);
    let second = charge(&till, &mandate, "n2");
    assert_eq!(second.answer, Answer::Unknown, "some number of ours was paid: nobody is asked to pay again");
    assert!(
        second.text.ends_with("Alipay's next date is 2027-01-07, its last debit was on 2026-12-05"),
        "{}",
        second.text
    );
}

#[test]
fn an_order_given_back_in_full_was_paid() {
    let till = till();
    let mandate = ready(&till);
    charge(&till, &mandate, "n1");
    till.rail.refund(&refund("f1", Money::from_fen(19_900)));
    let reply = till.rail.query_charge("n1", Money::from_fen(19_900));
    assert_eq!((reply.answer, reply.code.as_str()), (Answer::Paid, "TRADE_CLOSED"));
}

#[test]
fn a_pay_link_nobody_opened_is_unknown_to_alipay_and_can_be_closed_all_the_same() {
    let till = till();
    till.clock.set(at(due(), 10));
    let link =
        PayLinkRequest { order_no: "n1".into(), amount: Money::from_fen(100), subject: "团子宠物 3/12".into() };
    let made = till.rail.pay_link(&link).unwrap();
    assert_eq!(made.good_until, Some(till.clock.now() + chrono::Duration::hours(24)));
    assert_eq!(till.rail.query_charge("n1", link.amount).answer, Answer::NotFound);
    assert_eq!(till.rail.close_order("n1"), Ok(Closed::Closed));
    assert_eq!(heard(&till, "alipay.trade.cancel"), 1);
}

#[test]
fn every_kind_of_link_leads_to_the_same_signed_page() {
    let till = till();
    till.clock.set(at("2026-11-20".parse().unwrap(), 10));
    let request = sign_request(&till);
    let web = till.rail.sign_link(&request).unwrap();
    assert_eq!(web.url, web.qr);
    assert_eq!(web.good_until, Some(till.clock.now() + chrono::Duration::days(1)));
    assert!(web.url.starts_with(&format!("{}/gateway.do?", till.server.url())));
    assert_eq!(till.gateway.opens(&web.url, "c-12"), "m1");
    for (kind, start, field) in [
        ("scheme", "alipays://platformapi/startapp?appId=20000067&url=", "url"),
        (
            "app",
            "alipays://platformapi/startapp?appId=60000157&appClearTop=false&startMultApp=YES&sign_params=",
            "sign_params",
        ),
    ] {
        let link = other(&till, &format!("sign_link = \"{kind}\"\n")).sign_link(&request).unwrap();
        assert!(link.url.starts_with(start), "{}", link.url);
        assert_eq!(link.qr, web.qr, "the QR code is the page itself");
        let inner = form(link.url.split_once('?').unwrap().1)[field].clone();
        assert_eq!(inner.split_once('?').map_or(inner.as_str(), |it| it.1), web.url.split_once('?').unwrap().1);
    }
    let wrapped = other(&till, "sign_link = \"wrapped\"\n").sign_link(&request).unwrap();
    let inner = form(wrapped.url.split_once('?').unwrap().1)["scheme"].clone();
    assert!(wrapped.url.starts_with("https://render.alipay.com/p/s/i/?scheme="));
    assert!(inner.starts_with("alipays://platformapi/startapp?appId=20000067&url=http"), "{inner}");
}

#[test]
fn an_agreement_that_was_live_and_is_not_known_any_more_has_ended() {
    let till = till();
    let strange = MandateRef { contract_no: "m1".into(), provider_no: Some("2026000000000000000".into()) };
    assert!(matches!(till.rail.mandate_state(&strange), Ok(MandateState::Ended { at: None, .. })));
    assert_eq!(till.rail.close_mandate(&strange, "test"), Ok(()), "it is gone already");
}

#[test]
fn a_bill_is_fetched_as_alipay_made_it() {
    let till = till();
    let mandate = ready(&till);
    charge(&till, &mandate, "n1");
    let day = BillPeriod::Day(due());
    let Err(Trouble::Refused { code, .. }) = till.rail.bill(day) else { panic!("not ready on the same day") };
    assert_eq!(code, "BILL_NOT_EXIST");
    till.clock.set(at(plus_days(due(), 1), 11));
    let bill = till.rail.bill(day).unwrap();
    assert_eq!(bill.name, "alipay-2026-12-05.zip");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bill.bytes)).unwrap();
    assert!(!zip.is_empty());
    assert!(zip.by_index(0).unwrap().size() > 0);
}

#[test]
fn the_apps_own_public_key_in_place_of_alipays_is_named_and_nothing_is_charged() {
    let till = till();
    let mandate = ready(&till);
    let rail = other(&till, "alipay_public_key = { file = \"KEYS/own\" }\n");
    let named = "rail.alipay.account.alipay_public_key";
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, text, .. }) = rail.mandate_state(&mandate) else {
        panic!("ours to put right")
    };
    assert!(text.contains(named), "{text}");
    assert!(matches!(rail.health(), Err(Trouble::Refused { reason: Reason::OurConfiguration, .. })));
    let found = rail.inspect();
    let bad: Vec<_> = found.iter().filter(|it| it.level == Level::Bad).collect();
    assert_eq!(bad.len(), 1, "{found:?}");
    assert!(bad[0].what.contains(named) && bad[0].what.contains("the app's own public key"), "{found:?}");
    // Charged all the same, its outcome counts as unknown, and the right key finds it.
    assert_eq!(rail.charge(&request(&mandate, "n1")).answer, Answer::Unknown);
    assert_eq!(till.rail.query_charge("n1", Money::from_fen(19_900)).answer, Answer::Paid);
}

#[test]
fn a_private_key_that_alipay_does_not_know_is_named_and_charges_nothing() {
    let till = till();
    let mandate = ready(&till);
    let rail = other(&till, "private_key = { file = \"KEYS/strange\" }\n");
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, code, text }) = rail.mandate_state(&mandate) else {
        panic!("ours to put right")
    };
    assert_eq!(code, "isv.invalid-signature");
    assert!(text.contains("rail.alipay.account.private_key"), "{text}");
    // Nobody vouches for the refusal, and nobody can be asked: the number is not given up.
    assert_eq!(rail.charge(&request(&mandate, "n1")).answer, Answer::Unknown);
    assert_eq!(till.moved(), Money::ZERO);
}

#[test]
fn a_key_that_cannot_be_read_sends_nothing_and_names_its_setting() {
    let till = till();
    let mandate = ready(&till);
    let before = till.server.asked().len();
    for (settings, named) in [
        ("private_key = { file = \"KEYS/missing\" }\n", "private_key"),
        ("private_key = { file = \"KEYS/garbage\" }\n", "private_key"),
        ("private_key = { file = \"KEYS/own\" }\n", "private_key"),
        ("alipay_public_key = { file = \"KEYS/app\" }\n", "alipay_public_key"),
        ("encrypt_key = { file = \"KEYS/garbage\" }\n", "encrypt_key"),
        ("app_cert = { file = \"KEYS/app.crt\" }\n", "app_cert"),
        (
            "app_cert = { file = \"KEYS/app\" }\nalipay_cert = { file = \"KEYS/alipay.crt\" }\nalipay_root_cert = { file = \"KEYS/root.crt\" }\n",
            "app_cert",
        ),
    ] {
        let rail = other(&till, settings);
        let reply = rail.charge(&request(&mandate, "n1"));
        assert_eq!(reply.answer, Answer::Declined(Reason::OurConfiguration), "{settings}");
        assert!(reply.text.contains(&format!("rail.alipay.account.{named}")), "{}", reply.text);
        assert!(rail.inspect().iter().any(|it| it.level == Level::Bad && it.what.contains(named)), "{settings}");
        assert_eq!(rail.query_charge("n1", Money::from_fen(1)).answer, Answer::Unknown);
    }
    assert_eq!(till.server.asked().len(), before);
}

#[test]
fn certificates_are_looked_at_for_their_dates_and_whose_they_are() {
    let till = sealed_till();
    let well = till.rail.inspect();
    assert!(well.iter().all(|it| it.level == Level::Ok), "{well:?}");
    let worst = |rail: &dyn Rail, level: Level| {
        let found = rail.inspect();
        let hits: Vec<String> = found.iter().filter(|it| it.level == level).map(|it| it.what.clone()).collect();
        assert!(!hits.is_empty(), "{found:?}");
        hits.join("; ")
    };
    till.clock.set(at("2036-11-01".parse().unwrap(), 10));
    assert!(worst(&till.rail, Level::Warn).contains("expires on 2036-11-18"));
    till.clock.set(at("2037-01-01".parse().unwrap(), 10));
    assert!(worst(&till.rail, Level::Bad).contains("expired on 2036-11-18"));
    till.clock.set(at("2026-01-01".parse().unwrap(), 10));
    assert!(worst(&till.rail, Level::Bad).contains("not valid yet"));
    till.clock.set(at(due(), 10));
    let lines = |app: &str, alipay: &str, key: &str| {
        format!(
            "app_cert = {{ file = \"KEYS/{app}\" }}\nalipay_cert = {{ file = \"KEYS/{alipay}\" }}\n\
             alipay_root_cert = {{ file = \"KEYS/root.crt\" }}\nprivate_key = {{ file = \"KEYS/{key}\" }}\n"
        )
    };
    assert!(
        worst(&other(&till, &lines("app.crt", "app.crt", "app")), Level::Bad).contains("the app's own certificate")
    );
    assert!(
        worst(&other(&till, &lines("app.crt", "alipay.crt", "strange")), Level::Bad).contains("another private key")
    );
}

#[test]
fn a_page_in_gbk_is_told_in_its_words_and_names_the_gateway() {
    let till = till();
    let mandate = ready(&till);
    till.trick(Trick::ErrorPage);
    let reply = till.rail.charge(&request(&mandate, "n1"));
    assert_eq!(reply.answer, Answer::Unknown);
    assert!(reply.text.contains("系统繁忙 请稍后再试"), "{}", reply.text);
    assert!(reply.text.contains("rail.alipay.account.gateway"), "{}", reply.text);
}

#[test]
fn nothing_secret_shows() {
    let till = sealed_till();
    ready(&till);
    let shown = format!("{:?}", account(&till.server.url(), till.keys.path(), ""));
    for secret in ["app_private_pkcs8", "alipay_private_pkcs8"] {
        assert!(!shown.contains(&key(secret)[..40]));
    }
    // Of what travels, only the sealed body says what it is about.
    for asked in till.server.asked() {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        assert!(!asked.query.contains("m1") && !body.contains("contract"), "{body}");
    }
}

#[test]
fn settings_out_of_bounds_or_unknown_are_refused() {
    let keys = keys();
    let read = |line: &str| {
        let text = format!("app_id = \"1\"\nprivate_key = {{ env = \"KEY\" }}\n{line}");
        toml::from_str::<Account>(&text.replace("KEYS", keys.path().to_str().unwrap()))
    };
    assert!(read("").is_ok());
    for line in
        ["pay_link_hours = 25", "pay_link_hours = 0", "sign_link_minutes = 1441", "debit_minutes = 0", "privat_key = 1"]
    {
        assert!(read(line).is_err(), "{line}");
    }
}

#[test]
fn the_documented_settings_are_the_defaults() {
    let example = kibble::config::EXAMPLE;
    let block = example.split_once("# [rail.alipay.account]\n").unwrap().1.split("\n\n").next().unwrap();
    let settings = |wanted: &[&str]| {
        let lines = block.lines().map(|line| line.strip_prefix("# ").unwrap());
        let chosen = lines.filter(|line| line.split_once(" = ").is_some_and(|(name, _)| wanted.contains(&name)));
        let text: String = chosen.map(|line| format!("{line}\n")).collect();
        toml::from_str::<Account>(&text).unwrap()
    };
    let needed = ["app_id", "private_key", "alipay_public_key"];
    let optional = [
        "gateway",
        "personal_product_code",
        "sign_product_code",
        "pay_product_code",
        "sign_scene",
        "channel",
        "sign_link",
        "sign_link_minutes",
        "pay_link_hours",
        "debit_minutes",
        "seller_id",
        "notify_url",
        "return_url",
    ];
    assert_eq!(settings(&[&needed[..], &optional[..]].concat()), settings(&needed));
    let rest = ["app_cert", "alipay_cert", "alipay_root_cert", "encrypt_key", "app_auth_token"];
    assert!(settings(&[&needed[..], &rest[..]].concat()).has_certificates());
    let documented =
        block.lines().filter(|line| line[2..].split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')));
    assert_eq!(documented.count(), needed.len() + optional.len() + rest.len());
}

fn saved(body: &str) -> SavedNotice {
    SavedNotice { headers: Vec::new(), body: body.as_bytes().to_vec() }
}

#[test]
fn a_genuine_notice_is_read() {
    let till = till();
    let body = vectors()["alipay_notify"]["body"].as_str().unwrap().to_owned();
    let Ok(Noticed::Charge { order_no, amount, reply }) = till.rail.read_notice(&saved(&body)) else {
        panic!("genuine")
    };
    assert_eq!((order_no.as_str(), amount, reply.answer), ("K1", Some(Money::from_fen(8_990)), Answer::Paid));
    let agreement = |kind: &str, status: &str| {
        let fields = [
            ("notify_type", kind),
            ("status", status),
            ("external_agreement_no", "m1"),
            ("agreement_no", "20260001"),
            ("sign_time", "2026-12-01 10:00:00"),
            ("unsign_time", "2026-12-02 10:00:00"),
            ("alipay_logon_id", "159****5620"),
        ];
        till.rail.read_notice(&saved(&till.gateway.notice(&fields)))
    };
    let Ok(Noticed::Mandate { contract_no, state: MandateState::Live { provider_no, signed_at, .. } }) =
        agreement("dut_user_sign", "NORMAL")
    else {
        panic!("signed")
    };
    assert_eq!((contract_no.as_str(), provider_no.as_str()), ("m1", "20260001"));
    assert_eq!(signed_at, Some(at("2026-12-01".parse().unwrap(), 10)));
    let Ok(Noticed::Mandate { state: MandateState::Ended { at: Some(ended), .. }, .. }) =
        agreement("dut_user_unsign", "UNSIGN")
    else {
        panic!("ended")
    };
    assert_eq!(ended, at("2026-12-02".parse().unwrap(), 10));
    assert!(agreement("dut_user_sign", "STRANGE").is_err());
    assert!(agreement("something_else", "NORMAL").is_err());
    let back = [
        ("notify_type", "trade_status_sync"),
        ("trade_status", "TRADE_SUCCESS"),
        ("out_trade_no", "n1"),
        ("out_biz_no", "f1"),
        ("gmt_refund", "2026-12-03 10:00:00.123"),
        ("refund_fee", "50.00"),
    ];
    let Ok(Noticed::Refund { refund_no, reply }) = till.rail.read_notice(&saved(&till.gateway.notice(&back))) else {
        panic!("refunded")
    };
    assert_eq!((refund_no.as_str(), reply.answer), ("f1", Answer::Paid));
}

#[test]
fn a_notice_that_was_touched_or_is_for_others_is_refused() {
    let till = till();
    let body = vectors()["alipay_notify"]["body"].as_str().unwrap().to_owned();
    for forged in [
        body.replace("89.90", "8.990"),
        body.replace("K1", "K2"),
        body.replace("TRADE_SUCCESS", "TRADE_CLOSED"),
        body.split_once("&sign=").unwrap().0.to_owned(),
        format!("{body}&total_amount=0.01"),
        body.replace("sign=qq", "sign=rr"),
        String::new(),
        "<xml></xml>".to_owned(),
    ] {
        let refused = till.rail.read_notice(&saved(&forged));
        assert!(matches!(refused, Err(Trouble::Refused { .. })), "{forged}: {refused:?}");
    }
    let trade = [("notify_type", "trade_status_sync"), ("trade_status", "TRADE_SUCCESS"), ("out_trade_no", "n1")];
    for strange in [("app_id", "2021000000000002"), ("seller_id", "2088000000000001")] {
        let fields: Vec<_> = trade.iter().copied().chain([strange]).collect();
        let refused = till.rail.read_notice(&saved(&till.gateway.notice(&fields)));
        assert!(matches!(refused, Err(Trouble::Refused { .. })), "{refused:?}");
    }
}

#[test]
fn an_answer_by_a_certificate_nobody_knows_is_not_believed() {
    let till = sealed_till();
    let mandate = ready(&till);
    // The file holds the app's own certificate in place of Alipay's.
    let settings = "app_cert = { file = \"KEYS/app.crt\" }\nalipay_cert = { file = \"KEYS/app.crt\" }\n\
                    alipay_root_cert = { file = \"KEYS/root.crt\" }\nencrypt_key = { file = \"KEYS/aes\" }\n";
    let rail = other(&till, settings);
    let Err(Trouble::Refused { text, .. }) = rail.mandate_state(&mandate) else { panic!("not believed") };
    assert!(text.contains("rail.alipay.account.alipay_cert"), "{text}");
}
