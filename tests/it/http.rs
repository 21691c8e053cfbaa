//! Calls to providers over TLS: who is believed, and what a person is told when nobody is.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

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

/// A proxy that leads wherever it is asked to, and counts.
fn proxy() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, led) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicU32::new(0)));
    let count = led.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut asked = BufReader::new(client.try_clone().unwrap());
            let (mut line, mut rest) = (String::new(), String::new());
            asked.read_line(&mut line).unwrap();
            while asked.read_line(&mut rest).unwrap() > 2 {}
            let target = line.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
            let mut provider = TcpStream::connect(target).unwrap();
            client.write_all(b"HTTP/1.1 200 -\r\n\r\n").unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (mut back, mut answers) = (client.try_clone().unwrap(), provider.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut client, &mut provider));
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
        }
    });
    (url, led)
}

#[test]
fn a_proxy_carries_the_call_and_sees_nothing_of_it() {
    let tls = Tls::new(Flaw::None);
    let server = Server::start_tls(Arc::new(Echo), &tls);
    let (proxy, led) = proxy();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &tls.root).unwrap();
    let settings = HttpSettings { ca_file, proxy, ..HttpSettings::default() };
    let http = Http::new(&settings, None).unwrap();
    let url = format!("{}/pay", server.url());
    for _ in 0..3 {
        let request = Request { method: "POST", url: &url, headers: Vec::new(), body: b"19900", most_bytes: None };
        assert_eq!(http.send(&request).unwrap().body, b"19900");
    }
    assert_eq!(led.load(Ordering::SeqCst), 1, "one connection for all calls");
    // A proxy that is gone: nothing was sent, and the setting is named.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = HttpSettings { proxy: format!("http://{dead}"), ..settings };
    let request = Request { method: "POST", url: &url, headers: Vec::new(), body: b"19900", most_bytes: None };
    assert!(matches!(Http::new(&settings, None).unwrap().send(&request), Err(Failure::NotSent(_))));
    assert_eq!(server.asked().len(), 3);
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
