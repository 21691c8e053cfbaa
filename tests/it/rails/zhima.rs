//! Zhima's credit check through Alipay's gateway protocol: yes, no and "cannot tell" count with Alipay's signature only, and whatever
//! else comes is an error, never a pass.

use std::sync::Arc;

use kibble::adapters::credit::zhima::Zhima;
use kibble::adapters::credit::{Answer, Credit, Question};
use kibble::adapters::rail::sandbox::{Book, CreditTold};
use kibble::clock::Clock;
use kibble::config::HttpSettings;
use kibble::domain::credit::Verdict;
use tempfile::TempDir;

use crate::provider::Server;
use crate::provider::alipay::Alipay as Gateway;
use crate::rails::alipay::{account, keys};
use crate::rails::suite::{Trick, at, due, profile};

const ID_NUMBER: &str = "119999198506150016";

struct Office {
    zhima: Zhima,
    clock: Clock,
    gateway: Arc<Gateway>,
    server: Server,
    _keys: TempDir,
}

fn office() -> Office {
    let clock = Clock::fixed(at(due(), 10));
    let book = Arc::new(Book::in_memory().unwrap());
    let gateway = Arc::new(Gateway::new("alipay", profile("alipay"), clock.clone(), book));
    let server = Server::start(gateway.clone());
    let keys = keys();
    let account = account(&server.url(), keys.path(), "");
    let zhima = Zhima::open("alipay", clock.clone(), account, &HttpSettings::default(), "w1010100000000002733");
    Office { zhima, clock, gateway, server, _keys: keys }
}

impl Office {
    fn ask(&self, transaction_no: &str) -> Answer {
        let threshold = 600;
        self.zhima.ask(&Question { transaction_no, name: "王小明", id_number: ID_NUMBER, payer: "c-1", threshold })
    }

    fn tells(&self, told: CreditTold) {
        self.gateway.book().set_credit(ID_NUMBER, told).unwrap();
    }
}

#[test]
fn yes_no_and_cannot_tell_are_told_apart_and_a_failure_is_an_error() {
    let office = office();
    for (told, verdict, said) in [
        (CreditTold::Score(600), Verdict::Pass, "Y"),
        (CreditTold::Score(599), Verdict::Fail, "N"),
        (CreditTold::Unknown, Verdict::CannotTell, "N/A"),
        (CreditTold::Down, Verdict::Error, "SYSTEM_ERROR"),
    ] {
        office.tells(told);
        let answer = office.ask(&format!("KZ{}", told.word()));
        assert_eq!(answer.verdict, verdict, "{answer:?}");
        assert!(answer.said.contains(said), "{answer:?}");
        assert_eq!((answer.provider_no.is_some(), answer.score), (verdict != Verdict::Error, None));
    }
}

#[test]
fn an_unproven_yes_is_no_pass() {
    for trick in [Trick::BadSignature, Trick::NoSignature, Trick::ForeignSignature] {
        let office = office();
        office.gateway.trick(trick);
        assert_eq!(office.ask("KZ1").verdict, Verdict::Error, "{trick:?}");
        // The answer was lost, not the question: the same number gets it.
        assert_eq!(office.ask("KZ1").verdict, Verdict::Pass, "{trick:?}");
    }
}

#[test]
fn a_provider_that_is_down_or_busy_or_broken_is_an_error_that_names_nobody() {
    for trick in [None, Some(Trick::TooMany), Some(Trick::Maintenance), Some(Trick::ErrorPage), Some(Trick::ClockOff)] {
        let office = office();
        match trick {
            Some(trick) => office.gateway.trick(trick),
            None => office.server.set_down(true),
        }
        let answer = office.ask("KZ1");
        assert_eq!(answer.verdict, Verdict::Error, "{trick:?}: {answer:?}");
        assert!(!answer.said.is_empty(), "{trick:?}");
        assert!(!answer.said.contains(ID_NUMBER) && !answer.said.contains("王小明"), "{answer:?}");
    }
}

#[test]
fn one_number_has_one_answer_for_a_day() {
    let office = office();
    let first = office.ask("KZ1");
    office.tells(CreditTold::Score(400));
    assert_eq!(office.ask("KZ1"), first);
    office.clock.set(office.clock.now() + chrono::Duration::days(1));
    assert_eq!(office.ask("KZ1").verdict, Verdict::Error, "the number is dead");
    assert_eq!(office.ask("KZ2").verdict, Verdict::Fail);
}
