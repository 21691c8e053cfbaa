//! Calls to providers over TLS: who is believed, and what a person is told when nobody is.

use std::sync::Arc;

use kibble::adapters::http::{ClientPem, Failure, Http, Request, Response};
use kibble::config::HttpSettings;
use kibble::domain::date::At;

use crate::provider::tls::{Flaw, Tls};
use crate::provider::{Answered, Asked, Provider, Server};

/// Says back what it was asked.
struct Echo;

impl Provider for Echo {
    fn answer(&self, asked: &Asked) -> Answered {
        Answered { status: 200, headers: Vec::new(), body: asked.body.clone() }
    }

    fn moves_money(&self, _: &Asked) -> bool {
        true
    }

    fn now(&self) -> At {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }
}

/// Asks `server` with the root in a file of the settings, or with the built-in roots.
fn ask(server: &Server, root: Option<&str>, client: Option<ClientPem<'_>>) -> Result<Response, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, root.unwrap_or_default()).unwrap();
    let ca_file = if root.is_some() { ca_file } else { "".into() };
    let settings = HttpSettings { ca_file, ..HttpSettings::default() };
    let url = format!("{}/pay", server.url());
    let request = Request { method: "POST", url: &url, headers: Vec::new(), body: b"19900", most_bytes: None };
    Http::new(&settings, client).unwrap().send(&request)
}

#[test]
fn a_provider_whose_certificate_is_not_sound_hears_nothing() {
    let sound = Tls::new(Flaw::None);
    let server = Server::start_tls(Arc::new(Echo), &sound);
    assert_eq!(ask(&server, Some(&sound.root), None).unwrap().body, b"19900");
    let other = Tls::new(Flaw::None);
    let expired = Tls::new(Flaw::Expired);
    let elsewhere = Tls::new(Flaw::OtherName);
    let cases = [
        (&sound, None, "is not trusted"),
        (&sound, Some(&other.root), "is not trusted"),
        (&expired, Some(&expired.root), "has expired"),
        (&elsewhere, Some(&elsewhere.root), "made out to somebody else"),
    ];
    for (tls, root, said) in cases {
        let server = Server::start_tls(Arc::new(Echo), tls);
        let Err(Failure::Setup(text)) = ask(&server, root.map(String::as_str), None) else { panic!("{said}") };
        assert!(text.contains(said), "{text}");
        assert!(server.asked().is_empty());
    }
}

#[test]
fn a_client_certificate_is_shown_to_those_who_ask_for_it() {
    let tls = Tls::mutual();
    let server = Server::start_tls(Arc::new(Echo), &tls);
    let client = ClientPem { certificates: &tls.client, key: &tls.client_key };
    assert_eq!(ask(&server, Some(&tls.root), Some(client)).unwrap().status, 200);
    assert!(ask(&server, Some(&tls.root), None).is_err());
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_answer_cut_off_or_a_provider_that_is_down_is_never_taken_for_an_answer() {
    let server = Server::start(Arc::new(Echo));
    server.lose_next();
    assert!(matches!(ask(&server, None, None), Err(Failure::Unsure(_))));
    assert_eq!(server.asked().len(), 1, "the work was done, once: a POST is not repeated");
    server.drop_next();
    assert!(matches!(ask(&server, None, None), Err(Failure::Unsure(_))));
    server.set_down(true);
    assert!(matches!(ask(&server, None, None), Err(Failure::Unsure(_))));
    server.set_down(false);
    server.garble_next();
    assert_eq!(ask(&server, None, None).unwrap().body[0], 0);
    assert_eq!(ask(&server, None, None).unwrap().body, b"19900");
}
