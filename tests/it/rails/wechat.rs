//! The shared suite on WeChat Pay's adapter, against the provider on this machine, in both debit modes; and what only WeChat Pay has.

use std::path::Path;
use std::sync::Arc;

use chrono::Duration;
use kibble::adapters::rail::sandbox::{Book, FaultKind, FaultSpan};
use kibble::adapters::rail::wechat::Wechat;
use kibble::adapters::rail::{
    BillPeriod, Closed, DebitNotice, Finding, Level, MandateRef, MandateState, Noticed, PayLinkRequest, Rail,
    SavedNotice, SignRequest, Trouble,
};
use kibble::clock::Clock;
use kibble::config::HttpSettings;
use kibble::domain::date::plus_days;
use kibble::domain::money::Money;
use kibble::domain::rail::{Acceptance, Answer, Profile, Reason};
use serde_json::json;
use tempfile::TempDir;

use crate::provider::tls::Tls;
use crate::provider::wechat::{self, Trick, WechatPay};
use crate::provider::{Server, key, key_file};
use crate::rails::suite::{
    self, Mishap, Stage, at, charge, due, profile, rail_suite, ready, refund, request, sign_request, signed,
};

rail_suite!(prenotify, stage("wechat-prenotify"));
rail_suite!(notify24h, stage("wechat-notify24h"));

const AMOUNT: Money = Money::from_fen(19_900);

/// WeChat Pay, its server, and a shop's account on it.
struct Play {
    rail: Wechat,
    provider: Arc<WechatPay>,
    server: Server,
    clock: Clock,
    book: Arc<Book>,
    keys: TempDir,
}

impl Play {
    /// With other settings of the account.
    fn with(self, change: impl FnOnce(&mut toml::Table)) -> Play {
        let mut account = wechat::account(self.keys.path(), &self.server.url());
        change(&mut account);
        let rail = open(self.rail.profile().clone(), &self.clock, account);
        Play { rail, ..self }
    }

    /// A secret of the account is another text.
    fn with_key(self, name: &str, text: &str) -> Play {
        let file = key_file(self.keys.path(), &format!("{name}.other"), text);
        self.with(|account| drop(account.insert(name.to_owned(), file.into())))
    }
}

impl Stage for Play {
    fn rail(&self) -> &dyn Rail {
        &self.rail
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn keeps_date(&self) -> bool {
        false
    }

    /// A link is made by the merchant alone, so the customer's page is made again here.
    fn agree(&self, contract_no: &str) {
        let request = SignRequest { contract_no: contract_no.to_owned(), ..sign_request(self) };
        let link = self.rail.sign_link(&request).unwrap();
        self.provider.customer_signs(&link.url, &request.payer).unwrap();
    }

    fn revoke(&self, contract_no: &str) {
        self.book.revoke(self.rail.name(), contract_no, self.clock.now()).unwrap();
    }

    fn fund(&self, payer: &str, amount: Money) {
        self.book.fund(payer, amount).unwrap();
    }

    fn pay_link(&self, order_no: &str) {
        // A closed link refuses, which the suite sees by asking the rail.
        let _ = self.book.pay_link_order(self.rail.name(), order_no, self.clock.now());
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

    /// A link is only an address: WeChat Pay hears of a contract when the customer agrees.
    fn hears_of_links(&self) -> bool {
        false
    }

    fn trick(&self, trick: suite::Trick) -> bool {
        let provider = &self.provider;
        match trick {
            suite::Trick::BadSignature => provider.play("", Trick::BadSignature),
            suite::Trick::NoSignature => provider.play("", Trick::Unsigned),
            suite::Trick::ForeignSignature => provider.play("", Trick::ForeignSignature),
            suite::Trick::OtherOrder => provider.play("", Trick::OtherOrder),
            suite::Trick::OtherAmount => provider.play("", Trick::OtherSum),
            suite::Trick::ClockOff => provider.set_ahead(Duration::minutes(10)),
            suite::Trick::TooMany => provider.set_mood(Some(Trick::TooMany)),
            suite::Trick::Maintenance => provider.set_mood(Some(Trick::Maintenance)),
            suite::Trick::ErrorPage => provider.set_mood(Some(Trick::Page)),
            suite::Trick::Over => {
                provider.set_ahead(Duration::zero());
                provider.set_mood(None);
            }
        }
        true
    }

    /// WeChat Pay has one word for limits and for risk.
    fn decline_next(&self, reason: Reason) -> Option<Reason> {
        self.book.set_fault("wechat", FaultKind::Decline, FaultSpan::Times(1), Some(reason)).unwrap();
        Some(if reason == Reason::Limit { Reason::RiskRefused } else { reason })
    }

    fn moved(&self) -> Money {
        self.provider.moved()
    }
}

fn stage(name: &str) -> Play {
    let rules = profile(name);
    let clock = Clock::fixed(at(due(), 10));
    let book = Arc::new(Book::in_memory().unwrap());
    let provider = Arc::new(WechatPay::new("wechat", rules.clone(), clock.clone(), book.clone()));
    let server = Server::start(provider.clone());
    let keys = TempDir::new().unwrap();
    let rail = open(rules, &clock, wechat::account(keys.path(), &server.url()));
    Play { rail, provider, server, clock, book, keys }
}

fn open(rules: Profile, clock: &Clock, account: toml::Table) -> Wechat {
    let http = HttpSettings { timeout_seconds: 10, ..HttpSettings::default() };
    Wechat::open("wechat", rules, clock.clone(), account.try_into().unwrap(), http)
}

const MODES: [&str; 2] = ["wechat-prenotify", "wechat-notify24h"];

#[test]
fn an_answer_that_is_not_proven_is_unknown_and_the_debit_is_found_by_asking() {
    for mode in MODES {
        for trick in [
            Trick::Unsigned,
            Trick::BadSignature,
            Trick::ForeignSignature,
            Trick::Page,
            Trick::Maintenance,
            Trick::TurnedAway,
            Trick::DoneBut("SYSTEMERROR"),
            Trick::DoneBut("FREQUENCY_LIMITED"),
            Trick::DoneBut("A_WORD_NOBODY_TOLD_US"),
        ] {
            let stage = stage(mode);
            let mandate = ready(&stage);
            stage.provider.play("/pay/pappayapply", trick);
            let reply = stage.rail.charge(&request(&mandate, "n1"));
            assert_eq!(reply.answer, Answer::Unknown, "{mode} {trick:?}");
            assert!(!reply.code.is_empty() || !reply.text.is_empty(), "{mode} {trick:?} says nothing");
            // Whether it was done or not: the same number is taken once.
            assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid, "{mode} {trick:?}");
            assert_eq!(stage.moved(), AMOUNT, "{mode} {trick:?}");
        }
    }
}

#[test]
fn an_answer_to_a_question_counts_only_when_it_is_proven_and_about_our_order_and_sum() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    for trick in [
        Trick::Unsigned,
        Trick::BadSignature,
        Trick::ForeignSignature,
        Trick::OtherOrder,
        Trick::OtherSum,
        Trick::Page,
        Trick::Maintenance,
        Trick::TurnedAway,
        Trick::Refuse("SYSTEMERROR"),
        Trick::Refuse("A_WORD_NOBODY_TOLD_US"),
    ] {
        stage.provider.play("/pay/orderquery", trick);
        let reply = stage.rail.query_charge("n1", AMOUNT);
        assert_eq!((reply.answer, reply.trade_no), (Answer::Unknown, None), "{trick:?}");
    }
    assert_eq!(stage.rail.query_charge("n1", AMOUNT).answer, Answer::Paid);
}

#[test]
fn every_refusal_of_a_debit_is_one_of_ours() {
    for (code, answer) in [
        ("RULELIMIT", Answer::Declined(Reason::RiskRefused)),
        ("CONTRACT_NOT_EXIST", Answer::Declined(Reason::MandateGone)),
        ("CONTRACTERROR", Answer::Declined(Reason::MandateGone)),
        ("INVALID_REQUEST", Answer::Declined(Reason::OutsidePlan)),
        ("PARAM_ERROR", Answer::Declined(Reason::OurConfiguration)),
        ("SIGNERROR", Answer::Declined(Reason::OurConfiguration)),
        ("NOAUTH", Answer::Declined(Reason::OurConfiguration)),
        ("SYSTEMERROR", Answer::Unknown),
        ("FREQUENCY_LIMITED", Answer::Unknown),
        // The query knows nothing of an order that was never made: nobody can say what this means.
        ("ORDERPAID", Answer::Unknown),
        ("ORDER_ACCEPTED", Answer::Unknown),
        ("ORDERCLOSED", Answer::Unknown),
        ("A_WORD_NOBODY_TOLD_US", Answer::Unknown),
    ] {
        let stage = stage("wechat-prenotify");
        let mandate = ready(&stage);
        stage.provider.play("/pay/pappayapply", Trick::Refuse(code));
        let reply = stage.rail.charge(&request(&mandate, "n1"));
        assert_eq!((reply.answer, reply.code.as_str()), (answer, code));
        assert_eq!(stage.moved(), Money::ZERO, "{code}");
    }
}

#[test]
fn an_order_that_the_provider_calls_paid_is_paid_when_the_query_says_so() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    for code in ["ORDERPAID", "ORDER_ACCEPTED", "INVALID_REQUEST"] {
        stage.provider.play("/pay/pappayapply", Trick::Refuse(code));
        assert_eq!(stage.rail.charge(&request(&mandate, "n1")).answer, Answer::Paid, "{code}");
    }
    assert_eq!(stage.moved(), AMOUNT);
}

#[test]
fn accepted_is_not_paid() {
    // The outcome cannot be asked for just now: the debit is accepted, and no more.
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    for _ in 0..3 {
        stage.provider.play("/pay/orderquery", Trick::Maintenance);
    }
    let reply = stage.rail.charge(&request(&mandate, "n1"));
    let Answer::Pending(until) = reply.answer else { panic!("{reply:?}") };
    assert_eq!(until, stage.clock.now() + Duration::minutes(10));
    assert_eq!(stage.rail.query_charge("n1", AMOUNT).answer, Answer::Paid);
}

#[test]
fn a_number_that_paporderquery_does_not_find_is_looked_for_by_orderquery() {
    let stage = stage("wechat-prenotify").with(|it| drop(it.insert("order_query".to_owned(), "paporderquery".into())));
    let mandate = ready(&stage);
    stage.provider.play("/pay/paporderquery", Trick::Refuse("ORDERNOTEXIST"));
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    assert_eq!(stage.rail.query_charge("n9", AMOUNT).answer, Answer::NotFound);
}

#[test]
fn a_failure_without_a_word_why_is_a_decline_all_the_same() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    stage.provider.set_mute();
    stage.fund("c-12", Money::ZERO);
    let reply = charge(&stage, &mandate, "n1");
    assert_eq!((reply.answer, reply.code.as_str()), (Answer::Declined(Reason::Other), "PAYERROR"));
    stage.fund("c-12", AMOUNT);
    assert_eq!(charge(&stage, &mandate, "n2").answer, Answer::Paid);
}

#[test]
fn a_merchant_without_leave_for_orderquery_lives_by_paporderquery() {
    let stage = stage("wechat-prenotify").with(|it| drop(it.insert("order_query".to_owned(), "paporderquery".into())));
    assert!(stage.rail.health().is_ok());
    stage.provider.play("/pay/orderquery", Trick::Refuse("NOAUTH"));
    assert_eq!(stage.rail.query_charge("n9", AMOUNT).answer, Answer::NotFound);
    stage.provider.play("/pay/orderquery", Trick::Maintenance);
    assert_eq!(stage.rail.query_charge("n9", AMOUNT).answer, Answer::Unknown);
}

#[test]
fn the_spare_address_is_used_when_the_first_was_certainly_not_reached() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", dead.local_addr().unwrap());
    drop(dead);
    let stage = stage("wechat-prenotify");
    let here = stage.server.url();
    let stage = stage.with(|account| {
        account.insert("host".to_owned(), nobody.into());
        account.insert("spare_host".to_owned(), here.into());
    });
    let mandate = ready(&stage);
    // A call that may have arrived is not made twice.
    stage.server.lose_next();
    assert_eq!(stage.rail.charge(&request(&mandate, "n1")).answer, Answer::Unknown);
    assert_eq!(stage.server.asked().iter().filter(|it| it.path == "/pay/pappayapply").count(), 1);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    assert_eq!(stage.moved(), AMOUNT);
}

#[test]
fn a_customer_agrees_on_the_page_itself() {
    use std::io::{Read, Write};
    let stage = stage("wechat-prenotify");
    let link = stage.rail.sign_link(&sign_request(&stage)).unwrap();
    let page = link.url.strip_prefix(&stage.server.url()).unwrap();
    let mut wire = std::net::TcpStream::connect(stage.server.url().trim_start_matches("http://")).unwrap();
    write!(wire, "GET {page} HTTP/1.1\r\nX-Payer: c-12\r\n\r\n").unwrap();
    let mut status = [0; 12];
    wire.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let mandate = MandateRef { contract_no: "m1".to_owned(), provider_no: None };
    assert!(matches!(stage.rail.mandate_state(&mandate), Ok(MandateState::Live { .. })));
}

#[test]
fn a_mandate_is_live_only_by_a_proven_answer_about_it() {
    let stage = stage("wechat-prenotify");
    let mandate = signed(&stage);
    for trick in [
        Trick::Unsigned,
        Trick::BadSignature,
        Trick::ForeignSignature,
        Trick::OtherOrder,
        Trick::Page,
        Trick::Maintenance,
        Trick::Refuse("SYSTEMERROR"),
        Trick::Refuse("FREQUENCY_LIMITED"),
    ] {
        stage.provider.play("/papay/querycontract", trick);
        let state = stage.rail.mandate_state(&mandate);
        assert!(matches!(state, Err(Trouble::Unreachable { .. })), "{trick:?} {state:?}");
    }
    // A mandate that was live does not vanish by a word that others saw for numbers that nobody ever signed.
    stage.provider.play("/papay/querycontract", Trick::Refuse("-25"));
    assert!(matches!(stage.rail.mandate_state(&mandate), Err(Trouble::Refused { .. })));
    stage.provider.play("/papay/querycontract", Trick::Refuse("-25"));
    let unsigned = MandateRef { provider_no: None, ..mandate.clone() };
    assert_eq!(stage.rail.mandate_state(&unsigned), Ok(MandateState::NotFound));
    assert!(matches!(stage.rail.mandate_state(&mandate), Ok(MandateState::Live { .. })));
}

#[test]
fn a_mandate_that_the_provider_will_not_find_is_looked_at_before_it_counts_as_closed() {
    let stage = stage("wechat-prenotify");
    let mandate = signed(&stage);
    stage.provider.play("/papay/deletecontract", Trick::Refuse("CONTRACT_NOT_EXIST"));
    let Err(Trouble::Refused { code, .. }) = stage.rail.close_mandate(&mandate, "ended") else { panic!("still live") };
    assert_eq!(code, "CONTRACT_NOT_EXIST");
    stage.revoke("m1");
    assert_eq!(stage.rail.close_mandate(&mandate, "ended"), Ok(()));
    let nobodys = MandateRef { contract_no: "m9".to_owned(), provider_no: None };
    assert_eq!(stage.rail.close_mandate(&nobodys, ""), Ok(()));
}

#[test]
fn a_clock_ten_minutes_off_stops_the_rail_before_any_harm() {
    for ahead in [10, -10] {
        let stage = stage("wechat-prenotify");
        let mandate = ready(&stage);
        stage.provider.set_ahead(Duration::minutes(ahead));
        let calls: [Trouble; 2] =
            [stage.rail.mandate_state(&mandate).unwrap_err(), stage.rail.announce(&announced(&mandate)).unwrap_err()];
        for trouble in calls {
            let Trouble::Refused { reason: Reason::OurConfiguration, code, text } = trouble else {
                panic!("{trouble}")
            };
            assert_eq!(code, "CLOCK");
            assert!(text.contains("10 minutes"), "{text}");
        }
        assert_eq!(stage.rail.refund(&refund("f1", AMOUNT)).answer, Answer::Unknown);
        assert_eq!(stage.moved(), Money::ZERO);
    }
}

#[test]
fn a_wrong_key_stops_the_rail_before_any_harm() {
    let other = "ffffffffffffffffffffffffffffffff";
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    let stage = stage.with_key("api_v2_key", other);
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, text, .. }) = stage.rail.mandate_state(&mandate)
    else {
        panic!("refused")
    };
    assert!(text.contains("look at rail.wechat.account.api_v2_key"), "{text}");
    assert!(matches!(stage.rail.health(), Err(Trouble::Refused { reason: Reason::OurConfiguration, .. })));
    assert_eq!(stage.rail.charge(&request(&mandate, "n1")).answer, Answer::Unknown, "turned away without proof");
    assert_eq!(stage.moved(), Money::ZERO);
    let strange = key("app_private_pkcs8");
    let stage = stage.with_key("merchant_key", &strange);
    let Err(Trouble::Refused { reason, code, text }) = stage.rail.announce(&announced(&mandate)) else {
        panic!("refused")
    };
    assert_eq!((reason, code.as_str()), (Reason::OurConfiguration, "SIGN_ERROR"));
    assert!(text.contains("look at rail.wechat.account.merchant_key"), "{text}");
    let own = key("mch_public");
    let stage = stage.with_key("platform_public_key", &own);
    let Err(trouble) = stage.rail.announce(&announced(&mandate)) else { panic!("not believed") };
    assert!(trouble.to_string().contains("look at rail.wechat.account.platform_public_key"), "{trouble}");
}

#[test]
fn a_key_that_cannot_be_read_is_named_and_nothing_is_sent() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    let before = stage.server.asked().len();
    let stage = stage.with(|account| {
        let nowhere = toml::Table::from_iter([("file".to_owned(), "/nowhere/v2.key".into())]);
        account.insert("api_v2_key".to_owned(), nowhere.into());
    });
    let reply = stage.rail.charge(&request(&mandate, "n1"));
    assert_eq!(reply.answer, Answer::Declined(Reason::OurConfiguration));
    assert!(reply.text.contains("rail.wechat.account.api_v2_key"), "{}", reply.text);
    assert_eq!(stage.rail.query_charge("n1", AMOUNT).answer, Answer::Unknown, "a question settles nothing then");
    assert_eq!(stage.server.asked().len(), before);
    let stage = stage.with_key("merchant_key", "no key");
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, text, .. }) =
        stage.rail.announce(&announced(&mandate))
    else {
        panic!("refused")
    };
    assert!(text.contains("rail.wechat.account.merchant_key"), "{text}");
}

#[test]
fn a_refund_whose_answer_is_not_proven_is_unknown_and_paid_once() {
    for way in ["v3", "v2"] {
        for trick in [
            Trick::Unsigned,
            Trick::BadSignature,
            Trick::ForeignSignature,
            Trick::Probe,
            Trick::Page,
            Trick::Maintenance,
            Trick::DoneBut(if way == "v3" { "SYSTEM_ERROR" } else { "SYSTEMERROR" }),
            Trick::Refuse(if way == "v3" { "NOT_ENOUGH" } else { "NOTENOUGH" }),
            Trick::Refuse("A_WORD_NOBODY_TOLD_US"),
        ] {
            let stage = refunding(stage("wechat-prenotify"), way);
            let mandate = ready(&stage);
            charge(&stage, &mandate, "n1");
            stage.provider.play(if way == "v3" { "/v3/refund/" } else { "/secapi/" }, trick);
            assert_eq!(stage.rail.refund(&refund("f1", AMOUNT)).answer, Answer::Unknown, "{way} {trick:?}");
            let again = stage.rail.refund(&refund("f1", AMOUNT));
            assert_eq!(again.answer, Answer::Paid, "{way} {trick:?}");
            assert!(again.at.is_some() && again.trade_no.is_some());
            assert_eq!(stage.moved(), Money::ZERO, "{way} {trick:?}");
        }
    }
}

#[test]
fn what_is_said_of_another_refund_is_not_believed() {
    for (way, path) in [("v3", "/v3/refund/"), ("v2", "/pay/refundquery")] {
        let stage = refunding(stage("wechat-prenotify"), way);
        let mandate = ready(&stage);
        charge(&stage, &mandate, "n1");
        assert_eq!(stage.rail.refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
        for trick in [Trick::OtherOrder, Trick::OtherSum, Trick::Stale] {
            if way == "v2" && trick == Trick::Stale {
                continue;
            }
            stage.provider.play(path, trick);
            assert_eq!(stage.rail.query_refund(&refund("f1", AMOUNT)).answer, Answer::Unknown, "{way} {trick:?}");
        }
        assert_eq!(stage.rail.query_refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
    }
}

#[test]
fn refunds_by_v2_pass_the_suites_fears_too() {
    for fear in [suite::one_refund_number_goes_back_once, suite::no_more_goes_back_than_was_paid] {
        fear(&refunding(stage("wechat-prenotify"), "v2"));
    }
}

#[test]
fn a_v2_refund_is_made_over_mutual_tls_and_by_nobody_without_the_certificate() {
    let stage = stage("wechat-notify24h");
    let mandate = ready(&stage);
    charge(&stage, &mandate, "n1");
    let tls = Tls::mutual();
    let server = Server::start_tls(stage.provider.clone(), &tls);
    let ca_file = stage.keys.path().join("root.pem");
    std::fs::write(&ca_file, &tls.root).unwrap();
    let rail = |certificate: &str, key: &str| {
        let mut account = wechat::account(stage.keys.path(), &server.url());
        let files = [("merchant_certificate", certificate), ("merchant_key", key)];
        for (name, pem) in files {
            account.insert(name.to_owned(), key_file(stage.keys.path(), &format!("{name}.pem"), pem).into());
        }
        account.insert("refund_way".to_owned(), "v2".into());
        let http = HttpSettings { ca_file: ca_file.clone(), ..HttpSettings::default() };
        Wechat::open("wechat", stage.rail.profile().clone(), stage.clock.clone(), account.try_into().unwrap(), http)
    };
    let stranger = Tls::mutual();
    let refused = rail(&stranger.client, &stranger.client_key).refund(&refund("f1", AMOUNT));
    assert_eq!((refused.answer, stage.moved()), (Answer::Unknown, AMOUNT), "{refused:?}");
    let broken = rail("no certificate", &tls.client_key).refund(&refund("f1", AMOUNT));
    assert_eq!(broken.answer, Answer::Unknown);
    assert!(broken.text.contains("rail.wechat.account.merchant_certificate"), "{}", broken.text);
    // The question that follows goes without a certificate, which this server takes from nobody.
    assert_eq!(rail(&tls.client, &tls.client_key).refund(&refund("f1", AMOUNT)).answer, Answer::Unknown);
    assert_eq!(stage.moved(), Money::ZERO);
    let stage = refunding(stage, "v2");
    assert_eq!(stage.rail.query_refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
}

#[test]
fn platform_certificates_are_fetched_once_and_only_from_who_has_our_key() {
    let stage = stage("wechat-prenotify").with(without_platform_keys);
    stage.provider.use_certificates();
    let mandate = ready(&stage);
    charge(&stage, &mandate, "n1");
    assert_eq!(stage.rail.refund(&refund("f1", AMOUNT)).answer, Answer::Paid);
    let fetched = stage.server.asked().iter().filter(|it| it.path == "/v3/certificates").count();
    assert_eq!(fetched, 1);
    // Another v3 key does not open them, so nothing that they sign is believed.
    let stage = stage.with(without_platform_keys);
    let stage = Play {
        rail: {
            let mut account = wechat::account(stage.keys.path(), &stage.server.url());
            without_platform_keys(&mut account);
            let file = key_file(stage.keys.path(), "v3.other", "00000000000000000000000000000000");
            account.insert("api_v3_key".to_owned(), file.into());
            open(stage.rail.profile().clone(), &stage.clock, account)
        },
        ..stage
    };
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, text, .. }) = stage.rail.health() else {
        panic!("refused")
    };
    assert!(text.contains("api_v3_key"), "{text}");
}

#[test]
fn a_key_of_wechats_that_no_setting_names_is_asked_for() {
    let stage = stage("wechat-prenotify").with(|account| {
        account.insert("platform_public_key_id".to_owned(), wechat::PUBLIC_KEY_ID.into());
        account.remove("platform_public_key");
    });
    let mandate = signed(&stage);
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, text, .. }) =
        stage.rail.announce(&announced(&mandate))
    else {
        panic!("refused")
    };
    assert!(text.contains(wechat::PUBLIC_KEY_ID), "{text}");
}

#[test]
fn the_sign_link_is_short_and_says_what_it_must() {
    let stage = stage("wechat-prenotify");
    let link = stage.rail.sign_link(&sign_request(&stage)).unwrap();
    assert!(link.url.len() <= 1024 && link.qr == link.url, "{}", link.url);
    assert!(link.url.contains("/papay/entrustweb?") && link.url.contains("contract_display_account=%E7%8E%8B%2A%2A"));
    assert!(stage.provider.customer_signs(&link.url.replace("contract_code=m1", "contract_code=m2"), "c-12").is_err());
    assert!(stage.provider.customer_signs(&link.url, "c-12").is_ok());
    let long = format!("https://shop.example/{}", "w".repeat(900));
    for url in [long.as_str(), "https://shop.example/w?x=1", "http://localhost/w"] {
        let stage = stage_with_notify(url);
        let Err(Trouble::Refused { reason, .. }) = stage.rail.sign_link(&sign_request(&stage)) else { panic!("{url}") };
        assert_eq!(reason, Reason::OurConfiguration, "{url}");
    }
}

#[test]
fn the_page_for_browsers_is_asked_for_and_good_for_ten_minutes() {
    let stage = stage("wechat-prenotify").with(|it| drop(it.insert("sign_way".to_owned(), "h5".into())));
    let link = stage.rail.sign_link(&sign_request(&stage)).unwrap();
    assert!(link.url.starts_with("https://payapp.weixin.qq.com/"), "{}", link.url);
    assert_eq!(link.good_until, Some(stage.clock.now() + Duration::minutes(10)));
    let stage = stage.with(|account| {
        account.insert("sign_way".to_owned(), "h5".into());
        account.insert("plan_id".to_owned(), "999".into());
    });
    assert!(matches!(stage.rail.sign_link(&sign_request(&stage)), Err(Trouble::Refused { .. })));
}

#[test]
fn a_link_is_not_closed_in_its_first_five_minutes() {
    let stage = stage("wechat-prenotify");
    let link = PayLinkRequest { order_no: "n1".to_owned(), amount: AMOUNT, subject: "food".to_owned() };
    let made = stage.rail.pay_link(&link).unwrap();
    assert!(made.url.starts_with("weixin://"));
    // Only this one order is passed over; the rail is well.
    let Err(Trouble::Refused { reason: Reason::Other, text, .. }) = stage.rail.close_order("n1") else {
        panic!("young")
    };
    assert!(text.contains("five minutes"), "{text}");
    stage.clock.set(stage.clock.now() + Duration::minutes(5));
    assert_eq!(stage.rail.pay_link(&link).unwrap().url, made.url, "the same order, the same code");
    assert_eq!(stage.rail.close_order("n1"), Ok(Closed::Closed));
    stage.provider.play("/pay/closeorder", Trick::Refuse("SYSTEMERROR"));
    assert!(matches!(stage.rail.close_order("n1"), Err(Trouble::Unreachable { .. })));
    stage.provider.play("/pay/closeorder", Trick::Unsigned);
    assert!(matches!(stage.rail.close_order("n1"), Err(Trouble::Unreachable { .. })));
}

#[test]
fn a_notice_ahead_of_a_debit_is_given_when_a_proven_answer_says_so() {
    let stage = stage("wechat-prenotify");
    let mandate = signed(&stage);
    stage.clock.set(at(plus_days(due(), -2), 10));
    for trick in [Trick::Unsigned, Trick::BadSignature, Trick::Probe, Trick::Stale, Trick::TooMany, Trick::Maintenance]
    {
        stage.provider.play("/v3/papay/", trick);
        let said = stage.rail.announce(&announced(&mandate));
        assert!(matches!(said, Err(Trouble::Unreachable { .. })), "{trick:?} {said:?}");
    }
    for (code, reason) in [
        ("CONTRACT_NOT_EXIST", Reason::MandateGone),
        ("RULELIMIT", Reason::RiskRefused),
        ("INVALID_REQUEST", Reason::OutsidePlan),
        ("PARAM_ERROR", Reason::OurConfiguration),
        ("NO_AUTH", Reason::OurConfiguration),
        ("A_WORD_NOBODY_TOLD_US", Reason::Other),
    ] {
        stage.provider.play("/v3/papay/", Trick::Refuse(code));
        let Err(Trouble::Refused { reason: told, .. }) = stage.rail.announce(&announced(&mandate)) else {
            panic!("{code}")
        };
        assert_eq!(told, reason, "{code}");
    }
    assert_eq!(stage.rail.announce(&announced(&mandate)), Ok(()));
}

#[test]
fn a_bill_comes_whole_or_not_at_all() {
    for version in ["v3", "v2"] {
        let stage = stage("wechat-prenotify").with(|it| drop(it.insert("bill_version".to_owned(), version.into())));
        let mandate = ready(&stage);
        charge(&stage, &mandate, "n1");
        let day = BillPeriod::Day(due());
        let early = stage.rail.bill(day);
        assert!(matches!(early, Err(Trouble::Refused { reason: Reason::Other, .. })), "{version} {early:?}");
        stage.clock.set(at(plus_days(due(), 2), 10));
        let bill = stage.rail.bill(day).unwrap();
        let text = String::from_utf8(bill.bytes).unwrap();
        assert!(text.starts_with("\u{feff}交易时间") && text.contains("`n1"), "{version} {text}");
        assert_eq!(bill.name, format!("{}All{}.csv", wechat::MCH_ID, due()));
        let none = stage.rail.bill(BillPeriod::Day(plus_days(due(), 1)));
        assert!(matches!(none, Err(Trouble::Refused { reason: Reason::Other, .. })), "{version} {none:?}");
        let path = if version == "v3" { "/v3/billdownload/" } else { "/pay/downloadbill" };
        stage.provider.play(path, Trick::Page);
        assert!(matches!(stage.rail.bill(day), Err(Trouble::Unreachable { .. })), "{version} damaged");
        assert_eq!(stage.rail.bill(BillPeriod::Month(due())), Err(Trouble::Unsupported));
    }
}

#[test]
fn health_is_a_proven_answer_and_tells_the_time() {
    let stage = stage("wechat-prenotify");
    assert_eq!(stage.rail.health().unwrap().provider_time, Some(stage.clock.now()));
    stage.provider.play("/pay/orderquery", Trick::ForeignSignature);
    assert!(stage.rail.health().is_err());
    stage.provider.play("/v3/refund/", Trick::Probe);
    assert!(stage.rail.health().is_err());
}

#[test]
fn notices_of_contracts_and_debits_are_read_when_they_are_signed() {
    let stage = stage("wechat-prenotify");
    let mandate = ready(&stage);
    let said = stage.rail.read_notice(&saved(stage.provider.contract_notice("m1")));
    let Ok(Noticed::Mandate { contract_no, state: MandateState::Live { provider_no, signed_at, .. } }) = said else {
        panic!("{said:?}")
    };
    assert_eq!((contract_no.as_str(), Some(provider_no)), ("m1", mandate.provider_no.clone()));
    assert!(signed_at.is_some());
    charge(&stage, &mandate, "n1");
    let body = stage.provider.debit_notice("n1");
    let said = stage.rail.read_notice(&saved(body.clone()));
    let Ok(Noticed::Charge { order_no, amount, reply }) = said else { panic!("{said:?}") };
    assert_eq!((order_no.as_str(), amount, reply.answer), ("n1", Some(AMOUNT), Answer::Paid));
    assert_eq!(Some(reply.trade_no), Some(stage.rail.query_charge("n1", AMOUNT).trade_no));
    for forged in [
        body.replace("19900", "1"),
        body.replace("<out_trade_no><![CDATA[n1]]>", "<out_trade_no><![CDATA[n2]]>"),
        body.replace("<xml>", "<!DOCTYPE xml><xml>"),
        body.replace("<sign>", "<sing>").replace("</sign>", "</sing>"),
        String::new(),
        "a=b".to_owned(),
    ] {
        assert!(matches!(stage.rail.read_notice(&saved(forged)), Err(Trouble::Refused { .. })));
    }
    stage.fund("c-12", Money::ZERO);
    charge(&stage, &mandate, "n3");
    stage.revoke("m1");
    let said = stage.rail.read_notice(&saved(stage.provider.contract_notice("m1")));
    let Ok(Noticed::Mandate { state: MandateState::Ended { by, at: Some(_) }, .. }) = said else { panic!("{said:?}") };
    assert_eq!(by, "customer");
    let other = stage.with(|account| drop(account.insert("mch_id".to_owned(), "1900000023".into())));
    assert!(matches!(other.rail.read_notice(&saved(body)), Err(Trouble::Refused { .. })), "somebody else's");
}

#[test]
fn a_notice_of_failure_is_a_decline_only_with_a_word_we_know() {
    let stage = stage("wechat-prenotify");
    for (error, transaction, answer) in [
        ("NOTENOUGH", "", Answer::Declined(Reason::NoFunds)),
        ("USER_NOT_EXIST", "", Answer::Declined(Reason::CustomerBlocked)),
        ("CONTRACT_NOT_EXIST", "", Answer::Declined(Reason::MandateGone)),
        ("SYSTEMERROR", "", Answer::Unknown),
        ("A_WORD_NOBODY_TOLD_US", "", Answer::Unknown),
        // The guide's own sample of a failure: success in every word, and no transaction.
        ("", "", Answer::Unknown),
        ("NOTENOUGH", "4200002212345", Answer::Unknown),
        ("SUCCESS", "4200002212345", Answer::Paid),
        ("0", "4200002212345", Answer::Paid),
    ] {
        let body = wechat::signed_xml(&[
            ("return_code", "SUCCESS"),
            ("result_code", "SUCCESS"),
            ("appid", wechat::APPID),
            ("mch_id", wechat::MCH_ID),
            ("out_trade_no", "n1"),
            ("total_fee", "19900"),
            ("err_code", error),
            ("transaction_id", transaction),
        ]);
        let said = stage.rail.read_notice(&saved(body));
        let Ok(Noticed::Charge { reply, .. }) = said else { panic!("{said:?}") };
        assert_eq!(reply.answer, answer, "{error} {transaction}");
    }
}

#[test]
fn a_v3_notice_is_proven_by_its_headers_over_its_bytes() {
    let stage = stage("wechat-prenotify");
    let inner = json!({
        "mchid": wechat::MCH_ID,
        "out_trade_no": "n1",
        "out_refund_no": "f1",
        "refund_id": "5000002212345",
        "refund_status": "SUCCESS",
        "success_time": "2026-12-05T10:00:00+08:00",
        "amount": { "total": 19_900, "refund": 19_900 },
    });
    let body = json!({
        "id": "EV-1",
        "event_type": "REFUND.SUCCESS",
        "resource_type": "encrypt-resource",
        "resource": {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": "fdasflkja484",
            "associated_data": "refund",
            "ciphertext": wechat::sealed_gcm(wechat::V3_KEY, "fdasflkja484", "refund", inner.to_string().as_bytes()),
        },
    })
    .to_string();
    let notice = SavedNotice { headers: stage.provider.sealed(&body), body: body.clone().into_bytes() };
    let said = stage.rail.read_notice(&notice);
    let Ok(Noticed::Refund { refund_no, reply }) = said else { panic!("{said:?}") };
    assert_eq!((refund_no.as_str(), reply.answer, reply.at), ("f1", Answer::Paid, Some(at(due(), 10))));
    let forged = SavedNotice { body: body.replace("EV-1", "EV-2").into_bytes(), ..notice.clone() };
    assert!(matches!(stage.rail.read_notice(&forged), Err(Trouble::Refused { .. })));
    let bare = SavedNotice { headers: Vec::new(), ..notice.clone() };
    assert!(matches!(stage.rail.read_notice(&bare), Err(Trouble::Refused { .. })));
    let mut probe = notice;
    for (name, value) in &mut probe.headers {
        if name == "wechatpay-signature" {
            *value = format!("WECHATPAY/SIGNTEST/{value}");
        }
    }
    assert!(matches!(stage.rail.read_notice(&probe), Err(Trouble::Refused { .. })));
}

#[test]
fn a_sound_account_has_nothing_to_mend() {
    let stage = stage("wechat-prenotify");
    let found = stage.rail.inspect();
    assert!(found.iter().all(|it| it.level == Level::Ok), "{found:#?}");
    assert!(found.len() >= 4);
}

#[test]
fn what_is_wrong_with_an_account_is_named() {
    let text = |name: &'static str, value: &'static str| {
        move |account: &mut toml::Table, _: &Path| drop(account.insert(name.to_owned(), value.into()))
    };
    let secret = |name: &'static str, value: String| {
        move |account: &mut toml::Table, folder: &Path| {
            drop(account.insert(name.to_owned(), key_file(folder, "wrong", &value).into()));
        }
    };
    type Change = Box<dyn Fn(&mut toml::Table, &Path)>;
    let table: Vec<(&str, Change)> = vec![
        ("appid", Box::new(text("appid", "1234"))),
        ("mch_id", Box::new(text("mch_id", "19x"))),
        ("plan_id", Box::new(text("plan_id", "cat-199"))),
        ("notify_url", Box::new(text("notify_url", "https://shop.example/w?x=1"))),
        ("host", Box::new(text("host", "https://api.mch.weixin.qq.com/"))),
        ("api_v2_key", Box::new(secret("api_v2_key", "short".to_owned()))),
        ("api_v3_key", Box::new(secret("api_v3_key", "short".to_owned()))),
        ("merchant_key", Box::new(secret("merchant_key", key("mch_public")))),
        ("merchant_key", Box::new(secret("merchant_key", key("app_cert")))),
        ("merchant_serial", Box::new(text("merchant_serial", ""))),
        ("merchant_serial", Box::new(text("merchant_serial", "not hex"))),
        ("platform_public_key", Box::new(secret("platform_public_key", key("mch_public")))),
        ("platform_public_key", Box::new(secret("platform_public_key", key("mch_private_pkcs8")))),
        ("platform_public_key_id", Box::new(text("platform_public_key_id", "3513BD31"))),
        ("merchant_certificate", Box::new(secret("merchant_certificate", key("app_cert")))),
        ("platform_certificates", Box::new(secret("platform_certificates", key("mch_public")))),
    ];
    for (name, change) in table {
        let stage = stage("wechat-prenotify");
        let folder = stage.keys.path().to_owned();
        let stage = stage.with(|account| change(account, &folder));
        let wrong: Vec<Finding> = stage.rail.inspect().into_iter().filter(|it| it.level != Level::Ok).collect();
        assert!(
            wrong.iter().any(|it| it.what.starts_with(&format!("rail.wechat.account.{name}:"))),
            "{name}: {wrong:#?}"
        );
        assert!(wrong.iter().all(|it| !it.hint.is_empty()), "{name}: {wrong:#?}");
        let shown = format!("{wrong:?}");
        assert!(!shown.contains(wechat::V2_KEY) && !shown.contains("short"), "no secrets: {shown}");
    }
}

#[test]
fn certificates_are_told_with_their_end() {
    let certificate = key("wxplatform_cert");
    let stage = stage("wechat-prenotify").with_key("platform_certificates", &certificate);
    let about = |stage: &Play| {
        let found = stage.rail.inspect();
        found.into_iter().find(|it| it.what.contains("platform_certificates")).unwrap()
    };
    let end = kibble::adapters::keys::Certificate::read(&certificate).unwrap().not_after;
    for (days, level) in [(-31, Level::Ok), (-29, Level::Warn), (1, Level::Bad)] {
        stage.clock.set(end + Duration::days(days));
        let found = about(&stage);
        assert_eq!(found.level, level, "{found:?}");
    }
    // What an expired certificate signs is not believed, and the setting is named.
    stage.provider.use_certificates();
    let stage = stage.with_key("platform_certificates", &certificate);
    let Err(Trouble::Refused { reason: Reason::OurConfiguration, code, .. }) = stage.rail.health() else {
        panic!("refused")
    };
    assert_eq!(code, "rail.wechat.account.platform_certificates");
}

#[test]
fn a_shop_without_v3_keys_debits_in_the_24_hour_mode() {
    let stage = stage("wechat-notify24h").with(|account| {
        for name in ["api_v3_key", "merchant_key", "platform_public_key"] {
            account.remove(name);
        }
        account.insert("bill_version".to_owned(), "v2".into());
    });
    assert_eq!(stage.rail.profile().acceptance, Acceptance::Pending);
    let mandate = ready(&stage);
    assert_eq!(charge(&stage, &mandate, "n1").answer, Answer::Paid);
    assert!(stage.rail.health().is_ok());
    let reply = stage.rail.refund(&refund("f1", AMOUNT));
    assert_eq!(reply.answer, Answer::Unknown, "refunds by v3 need the merchant key");
    assert!(reply.text.contains("rail.wechat.account.merchant_key"), "{}", reply.text);
}

#[test]
fn the_documented_account_is_one() {
    let lines = kibble::config::EXAMPLE.lines().skip_while(|line| *line != "# [rail.wechat.account]");
    let block = lines.take_while(|line| line.starts_with("# ")).skip(1);
    let settings: Vec<&str> = block
        .map(|line| &line[2..])
        .filter(|line| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
        .collect();
    let account: kibble::adapters::rail::wechat::Account = toml::from_str(&settings.join("\n")).unwrap();
    // Every setting that `Account` has, so that none goes undocumented.
    let named = format!("{account:#?}");
    let fields =
        named.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ") && line.contains(": "));
    let fields: Vec<&str> = fields.map(|line| line.trim().split(':').next().unwrap()).collect();
    let documented: Vec<&str> = settings.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(fields.len() > 15);
    for field in fields {
        assert!(documented.contains(&field), "{field}");
    }
}

fn announced(mandate: &MandateRef) -> DebitNotice {
    DebitNotice { mandate: mandate.clone(), amount: AMOUNT, due: due() }
}

fn saved(body: String) -> SavedNotice {
    SavedNotice { headers: Vec::new(), body: body.into_bytes() }
}

fn without_platform_keys(account: &mut toml::Table) {
    account.remove("platform_public_key");
    account.insert("platform_public_key_id".to_owned(), "".into());
}

fn stage_with_notify(url: &str) -> Play {
    stage("wechat-prenotify").with(|account| drop(account.insert("notify_url".to_owned(), url.into())))
}

/// With refunds by v2 the merchant certificate is shown; on this machine nobody asks for it.
fn refunding(stage: Play, way: &str) -> Play {
    let (certificate, key) = wechat::merchant_pem();
    let folder = stage.keys.path().to_owned();
    let way = way.to_owned();
    stage.with(move |account| {
        let files = [("merchant_certificate", certificate), ("merchant_key", key)];
        for (name, pem) in files {
            account.insert(name.to_owned(), key_file(&folder, &format!("{name}.pem"), &pem).into());
        }
        account.insert("refund_way".to_owned(), way.into());
    })
}
