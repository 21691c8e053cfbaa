//! Programs that break the rules. What a program does that keeps them is checked by the shared suite.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy's own exception does not see helpers under all(test, unix)"
)]

use std::fs;

use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{Account, Exec, outcome_of, state_of};
use crate::adapters::rail::{ChargeRequest, MandateRef, MandateState, PROFILES, Rail, RefundRequest, Trouble};
use crate::clock::Clock;
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Reason};

const HELLO: &str = r#"read -r hello; echo '{"id":1,"kibble":1,"name":"t","version":"1","can":["charge","query_charge","mandate_state","refund","query_refund"]}'; "#;

fn program(script: &str, timeout_seconds: u64) -> Exec {
    let text = PROFILES.iter().find(|(name, _)| *name == "alipay").unwrap().1;
    let clock = Clock::fixed("2026-12-05T02:00:00Z".parse().unwrap());
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    Exec::open("bank", toml::from_str(text).unwrap(), clock, Account { command, timeout_seconds })
}

/// A program that says hello well and then runs `script`.
fn polite(script: &str) -> Exec {
    program(&format!("{HELLO}{script}"), 20)
}

fn request() -> ChargeRequest {
    ChargeRequest {
        order_no: "n1".to_owned(),
        mandate: mandate(),
        amount: Money::from_fen(19_900),
        subject: "猫粮月付 \"12月\"".to_owned(),
        due: "2026-12-05".parse().unwrap(),
    }
}

fn mandate() -> MandateRef {
    MandateRef { contract_no: "m1".to_owned(), provider_no: None }
}

fn refund() -> RefundRequest {
    let amount = Money::from_fen(19_900);
    RefundRequest { refund_no: "f1".to_owned(), order_no: "n1".to_owned(), paid: amount, amount }
}

#[test]
fn paid_is_believed_only_about_our_number_and_our_amount() {
    let paid = r#""id":2,"order_no":"n1","result":"paid","amount_fen":19900"#;
    for (answer, expected) in [
        (format!("{{{paid},\"trade_no\":\"t1\",\"paid_at\":\"2026-12-05T10:00:01+08:00\"}}"), Answer::Paid),
        (format!("{{{}}}", paid.replace("\"n1\"", "\"n2\"")), Answer::Unknown),
        (format!("{{{}}}", paid.replace("\"order_no\":\"n1\",", "")), Answer::Unknown),
        (format!("{{{}}}", paid.replace("19900", "19901")), Answer::Unknown),
        (format!("{{{}}}", paid.replace("19900", "199.00")), Answer::Unknown),
        (format!("{{{}}}", paid.replace("19900", "\"19900\"")), Answer::Unknown),
        (format!("{{{}}}", paid.replace(",\"amount_fen\":19900", "")), Answer::Unknown),
        (format!("{{{}}}", paid.replace("\"id\":2", "\"id\":1")), Answer::Unknown),
        (format!("{{{}}}", paid.replace("\"id\":2", "\"id\":3")), Answer::Unknown),
        (format!("{{{paid},\"paid_at\":\"yesterday\"}}"), Answer::Unknown),
        (format!("{{{}}}", paid.replace("paid\"", "PAID\"")), Answer::Unknown),
        (format!("[{{{paid}}}]"), Answer::Unknown),
        ("<html>504</html>".to_owned(), Answer::Unknown),
        (String::new(), Answer::Unknown),
    ] {
        let rail = polite(&format!("read -r line; echo '{answer}'; read -r end"));
        assert_eq!(rail.charge(&request()).answer, expected, "{answer}");
    }
}

#[test]
fn every_outcome_is_one_of_ours_and_the_rest_is_unknown() {
    for (ask, rest, expected) in [
        ("charge", r#""result":"declined","reason":"no_funds""#, Answer::Declined(Reason::NoFunds)),
        ("charge", r#""result":"declined","reason":"poor""#, Answer::Unknown),
        ("charge", r#""result":"declined""#, Answer::Unknown),
        (
            "charge",
            r#""result":"pending","pending_until":"2026-12-06T02:00:00Z""#,
            Answer::Pending("2026-12-06T02:00:00Z".parse().unwrap()),
        ),
        ("charge", r#""result":"pending""#, Answer::Unknown),
        ("charge", r#""result":"not_found""#, Answer::Unknown),
        ("charge", r#""result":"ok""#, Answer::Unknown),
        ("charge", r#""result":"refused","reason":"no_funds""#, Answer::Unknown),
        ("query", r#""result":"not_found""#, Answer::NotFound),
        ("query", r#""result":"unknown""#, Answer::Unknown),
        ("query", r#""result":"unreachable""#, Answer::Unknown),
        ("query", r#""result":"declined","reason":"mandate_gone","amount_fen":100"#, Answer::Unknown),
    ] {
        let rail = polite(&format!(r#"read -r line; echo '{{"id":2,"order_no":"n1",{rest}}}'; read -r end"#));
        let reply = match ask {
            "charge" => rail.charge(&request()),
            _ => rail.query_charge("n1", Money::from_fen(19_900)),
        };
        assert_eq!(reply.answer, expected, "{ask} {rest}");
    }
}

#[test]
fn a_refund_number_is_taken_only_by_an_amount_that_the_program_says_went_back() {
    for (rest, taken_for) in [
        (r#""result":"paid","amount_fen":3000"#, Some(Money::from_fen(3_000))),
        (r#""result":"unknown","amount_fen":3000"#, None),
        (r#""result":"not_found","amount_fen":3000"#, None),
        (r#""result":"paid","amount_fen":"3000""#, None),
    ] {
        let rail = polite(&format!(r#"read -r line; echo '{{"id":2,"refund_no":"f1",{rest}}}'; read -r end"#));
        let reply = rail.query_refund(&refund());
        assert_eq!((reply.answer, reply.taken_for), (Answer::Unknown, taken_for), "{rest}");
    }
}

#[test]
fn nobody_knows_what_a_program_did_that_died_hung_or_babbled() {
    let endless = "read -r line; while :; do printf '%01000d' 0; done";
    for (script, seconds) in
        [("read -r line; exit 3", 20), ("exec sleep 600", 1), (endless, 20), ("read -r line; echo; read -r end", 20)]
    {
        let asked = || program(&format!("{HELLO}{script}"), seconds);
        assert_eq!(asked().charge(&request()).answer, Answer::Unknown, "{script}");
        assert_eq!(asked().query_charge("n1", Money::from_fen(19_900)).answer, Answer::Unknown, "{script}");
        assert_eq!(asked().refund(&refund()).answer, Answer::Unknown, "{script}");
        assert_eq!(asked().query_refund(&refund()).answer, Answer::Unknown, "{script}");
        assert!(matches!(asked().mandate_state(&mandate()), Err(Trouble::Unreachable { .. })), "{script}");
    }
}

#[test]
fn a_program_that_cannot_start_or_is_another_one_moves_nothing_and_names_the_setting() {
    let elsewhere = |script: &str| program(script, 20);
    let mut gone = elsewhere("");
    gone.account.command = vec!["/no/such/program".to_owned()];
    let newer = elsewhere(r#"read -r hello; echo '{"id":1,"kibble":2,"can":["charge","query_charge"]}'; read -r end"#);
    let unable = elsewhere(r#"read -r hello; echo '{"id":1,"kibble":1,"can":["charge"]}'; read -r end"#);
    let other = elsewhere(r#"read -r hello; echo '{"id":1}'; read -r end"#);
    for rail in [gone, newer, unable, other] {
        let reply = rail.charge(&request());
        assert_eq!(reply.answer, Answer::Declined(Reason::OurConfiguration), "{reply:?}");
        assert!(reply.text.contains("rail.bank.account.command"), "{reply:?}");
        // About a charge that was asked for earlier it says nothing.
        assert_eq!(rail.query_charge("n1", Money::from_fen(19_900)).answer, Answer::Unknown);
        let Err(Trouble::Refused { reason, text, .. }) = rail.mandate_state(&mandate()) else { panic!("refused") };
        assert!(reason == Reason::OurConfiguration && text.contains("rail.bank.account.command"), "{text}");
    }
}

#[test]
fn what_the_hello_does_not_list_is_not_asked() {
    let rail = polite("while read -r line; do exit 9; done");
    assert_eq!(rail.health().map(|_| ()), Err(Trouble::Unsupported));
    assert_eq!(rail.close_mandate(&mandate(), "x"), Err(Trouble::Unsupported));
    // The program is still there.
    assert_eq!(rail.program().unwrap().name, "t");
}

#[test]
fn a_state_of_another_contract_is_no_answer() {
    for (contract, good) in [("m1", true), ("m2", false)] {
        let answer = format!(r#"{{"id":2,"result":"live","contract_no":"{contract}","provider_no":"p"}}"#);
        let rail = polite(&format!("read -r line; echo '{answer}'; read -r end"));
        let state = rail.mandate_state(&mandate());
        assert_eq!(matches!(state, Ok(MandateState::Live { .. })), good, "{state:?}");
        assert!(good || matches!(state, Err(Trouble::Unreachable { .. })), "{state:?}");
    }
}

#[test]
fn one_program_answers_many_questions_and_a_dead_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    // Answers two queries, then ends while nobody asks.
    let script = format!(
        r#"echo x >> '{}'; {HELLO}for id in 2 3; do read -r line; echo "{{\"id\":$id,\"order_no\":\"n1\",\"result\":\"not_found\"}}"; done"#,
        starts.display()
    );
    let rail = program(&script, 20);
    for _ in 0..2 {
        assert_eq!(rail.query_charge("n1", Money::from_fen(19_900)).answer, Answer::NotFound);
    }
    assert_eq!(fs::read_to_string(&starts).unwrap(), "x\n", "one start for both");
    // It may still be ending when it is asked; then nobody knows, and the next question finds a new one.
    let answers = [(); 2].map(|()| rail.query_charge("n1", Money::from_fen(19_900)).answer);
    assert_eq!(answers[1], Answer::NotFound);
    assert_eq!(fs::read_to_string(&starts).unwrap(), "x\nx\n");
}

#[test]
fn a_program_that_hangs_is_killed_with_everything_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("alive");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // The child holds the pipe open for writing for as long as it lives.
    let script = format!("{HELLO}sleep 600 > '{}' & read -r line; sleep 600", pipe.display());
    let rail = program(&script, 3);
    let to_read = pipe.clone();
    let reader = std::thread::spawn(move || fs::read(to_read));
    assert_eq!(rail.charge(&request()).answer, Answer::Unknown);
    // Reading ends when the last writer is gone. Should there never have been one, this one lets it begin.
    std::thread::spawn(move || fs::File::options().write(true).open(pipe));
    assert_eq!(reader.join().unwrap().unwrap(), b"");
}

#[test]
fn a_program_that_never_stops_talking_is_ended() {
    let rail = polite("yes '{}'");
    assert!(rail.program().is_ok());
    // What nobody asked for is neither believed nor kept nor waited for.
    assert_eq!(rail.charge(&request()).answer, Answer::Unknown);
    drop(rail);
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(19_900)),
        Just(json!("no_funds")),
        Just(json!("2026-12-05T02:00:00Z")),
        Just(json!([{}])),
    ]
}

proptest! {
    #[test]
    fn only_a_whole_answer_is_paid(
        result in "paid|declined|pending|unknown|not_found|live|ended|yes",
        amount in anything(), at in anything(), reason in anything(), other in anything(),
    ) {
        let answer = json!({
            "result": result, "amount_fen": amount, "paid_at": at, "ended_at": at, "pending_until": at, "reason": reason,
            "provider_no": other, "trade_no": other, "code": other, "text": other, "by": other,
        });
        let answer = answer.as_object().unwrap();
        let paid = outcome_of(answer, true, false).is_ok_and(|reply| reply.answer == Answer::Paid);
        prop_assert!(!paid || (result == "paid" && !amount.is_null()));
        state_of(answer).ok();
    }
}
