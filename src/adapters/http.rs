//! HTTP to providers: one blocking client per account, with its timeouts, proxy and roots. It tells apart what was certainly not sent,
//! what nobody can say, and what a setting has to mend. It never repeats a call, and TLS certificates are always verified.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ureq::config::Config;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy, Timeout};

use crate::config::{self, HttpSettings};
use crate::domain::date::At;
use crate::t;

/// Largest answer of a call that is not a download.
const ANSWER_BYTES: u64 = 4 << 20;
/// How long an idle connection is kept for the next call. Providers close theirs later than that.
const IDLE: Duration = Duration::from_secs(10);

/// A call.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The whole address.
    pub url: &'a str,
    /// Headers beside `User-Agent`.
    pub headers: Vec<(&'a str, String)>,
    /// The body; not sent with `GET`.
    pub body: &'a [u8],
    /// Largest answer that is read, in bytes; `None` for a few megabytes.
    pub most_bytes: Option<u64>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The provider's clock, from the `Date` header (to the second).
    pub fn date(&self) -> Option<At> {
        DateTime::parse_from_rfc2822(self.header("date")?).ok().map(|at| at.with_timezone(&Utc))
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was sent: the provider could not be reached.
    NotSent(String),
    /// It may have been sent; nobody knows what became of it.
    Unsure(String),
    /// A setting is wrong: address, proxy, certificate. Nothing was sent.
    Setup(String),
}

impl Failure {
    /// What happened, for people; holds no secret and no personal data.
    pub fn text(&self) -> &str {
        match self {
            Failure::NotSent(text) | Failure::Unsure(text) | Failure::Setup(text) => text,
        }
    }
}

/// A client certificate with its key, PEM, for calls over mutual TLS.
#[derive(Clone, Copy)]
pub struct ClientPem<'a> {
    /// The certificate, with its chain if there is one.
    pub certificates: &'a str,
    /// The private key.
    pub key: &'a str,
}

/// A client that keeps its connections. Shared between threads.
#[derive(Clone, Debug)]
pub struct Http {
    agent: Agent,
}

impl Http {
    /// A client with these settings.
    ///
    /// # Errors
    /// [`Failure::Setup`] when proxy, roots or client certificate cannot be used.
    pub fn new(settings: &HttpSettings, client: Option<ClientPem<'_>>) -> Result<Http, Failure> {
        let mut tls = TlsConfig::builder();
        if !settings.ca_file.as_os_str().is_empty() {
            tls = tls.root_certs(RootCerts::Specific(Arc::new(roots(settings)?)));
        }
        if let Some(client) = client {
            tls = tls.client_cert(Some(client_cert(client)?));
        }
        let proxy = match settings.proxy.trim() {
            "" => None,
            // Not repeated in the sentence: it may hold a password.
            proxy => Some(
                Proxy::new(proxy)
                    .map_err(|_| Failure::Setup(t!("http.proxy: this is not an address like http://host:port")))?,
            ),
        };
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(tls.build())
            .user_agent(concat!("kibble/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections_per_host(64)
            .max_idle_connections(64)
            .max_idle_age(IDLE)
            .timeout_resolve(Some(Duration::from_secs(settings.connect_seconds)))
            .timeout_connect(Some(Duration::from_secs(settings.connect_seconds)))
            .timeout_global(Some(Duration::from_secs(settings.timeout_seconds)))
            .build();
        Ok(Http { agent: config.new_agent() })
    }

    /// Makes one call and waits for its answer.
    ///
    /// # Errors
    /// [`Failure`]; a status that is not 200 is an answer, not an error.
    pub fn send(&self, request: &Request<'_>) -> Result<Response, Failure> {
        let uri: ureq::http::Uri =
            request.url.parse().map_err(|_| Failure::Setup(t!("{url} is not an address", url = short(request.url))))?;
        let host = uri.host().unwrap_or_default().to_owned();
        if uri.scheme_str() != Some("https") && !is_loopback(&host) {
            return Err(Failure::Setup(t!("{url}: only https:// may be used", url = short(request.url))));
        }
        let mut call = ureq::http::Request::builder().method(request.method).uri(uri);
        for (name, value) in &request.headers {
            call = call.header(*name, value);
        }
        let setup = |_| Failure::Setup(t!("a header of a call to {host} cannot be sent", host = host));
        let answer = match request.method {
            "GET" => self.agent.run(call.body(()).map_err(setup)?),
            _ => self.agent.run(call.body(request.body).map_err(setup)?),
        };
        let mut answer = answer.map_err(|error| failure(&host, &error))?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = answer.status().as_u16();
        let body =
            answer.body_mut().with_config().limit(request.most_bytes.unwrap_or(ANSWER_BYTES)).read_to_vec().map_err(
                |error| match failure(&host, &error) {
                    Failure::NotSent(text) | Failure::Setup(text) | Failure::Unsure(text) => Failure::Unsure(text),
                },
            )?;
        Ok(Response { status, headers, body })
    }
}

/// The beginning of an address without what was asked: parameters may hold personal data.
fn short(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a host is this machine, where calls and letters may go without TLS.
pub(in crate::adapters) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}

fn roots(settings: &HttpSettings) -> Result<Vec<Certificate<'static>>, Failure> {
    let file = settings.ca_file.display();
    let pem = config::read_text(&settings.ca_file)
        .map_err(|_| Failure::Setup(t!("http.ca_file: {file} cannot be read", file = file)))?;
    let roots = certificates(pem.as_bytes());
    match roots.is_empty() {
        true => Err(Failure::Setup(t!("http.ca_file: {file} holds no certificate", file = file))),
        false => Ok(roots),
    }
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let items = parse_pem(pem).filter_map(Result::ok);
    items
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect()
}

fn client_cert(client: ClientPem<'_>) -> Result<ClientCert, Failure> {
    let chain = certificates(client.certificates.as_bytes());
    let key = PrivateKey::from_pem(client.key.as_bytes());
    match (chain.is_empty(), key) {
        (false, Ok(key)) => Ok(ClientCert::new_with_certs(&chain, key)),
        _ => Err(Failure::Setup(t!("the client certificate or its key is not PEM"))),
    }
}

fn failure(host: &str, error: &ureq::Error) -> Failure {
    use std::io::ErrorKind;
    use ureq::Error;
    let unreachable = || Failure::NotSent(t!("{host} cannot be reached", host = host));
    match error {
        Error::HostNotFound => Failure::NotSent(t!("the address {host} is not known", host = host)),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Failure::NotSent(t!("{host} cannot be reached in time", host = host))
        }
        Error::ConnectionFailed => unreachable(),
        Error::ConnectProxyFailed(_) => {
            Failure::NotSent(t!("the proxy did not lead to {host}; see http.proxy in shop.toml", host = host))
        }
        Error::Io(cause) => match cause.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
            Some(tls) => tls_failure(host, tls),
            None => match cause.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    unreachable()
                }
                _ => Failure::Unsure(t!("the connection to {host} was lost", host = host)),
            },
        },
        Error::Rustls(tls) => tls_failure(host, tls),
        Error::Tls(_) | Error::TlsRequired | Error::Pem(_) => {
            Failure::Setup(t!("no secure connection to {host}", host = host))
        }
        Error::BadUri(_) | Error::Http(_) | Error::InvalidProxyUrl => {
            Failure::Setup(t!("the call to {host} cannot be made; check the address and http.proxy", host = host))
        }
        Error::Timeout(_) => Failure::Unsure(t!("no answer from {host} in time", host = host)),
        Error::BodyExceedsLimit(_) => Failure::Unsure(t!("the answer of {host} is too large", host = host)),
        _ => Failure::Unsure(t!("the answer of {host} cannot be understood", host = host)),
    }
}

/// A handshake that fails comes before the request, so nothing was sent.
fn tls_failure(host: &str, error: &rustls::Error) -> Failure {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Failure::Setup(t!("the certificate of {host} has expired, or this machine's clock is wrong", host = host))
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            Failure::Setup(t!("the certificate of {host} is not valid yet: check this machine's clock", host = host))
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Failure::Setup(t!("the certificate shown by {host} is made out to somebody else", host = host)),
        Error::InvalidCertificate(_) => Failure::Setup(t!(
            "the certificate of {host} is not trusted; behind an intercepting proxy name its root in http.ca_file",
            host = host
        )),
        // The other side ended it, for want of a client certificate for example; it may also come later than the handshake.
        Error::AlertReceived(_) => Failure::Unsure(t!("{host} refused the secure connection", host = host)),
        _ => Failure::Unsure(t!("the secure connection to {host} broke", host = host)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Http, Request};
    use crate::config::HttpSettings;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn ask(url: &str) -> Result<super::Response, Failure> {
        let settings = HttpSettings { timeout_seconds: 5, ..HttpSettings::default() };
        let request = Request { method: "POST", url, headers: Vec::new(), body: b"secret=1", most_bytes: Some(64) };
        Http::new(&settings, None).unwrap().send(&request)
    }

    /// Answers the next connection with `answer` after reading what was asked.
    fn once(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/pay?phone=13800000000", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
        });
        url
    }

    #[test]
    fn whatever_status_is_an_answer_and_the_providers_clock_is_read() {
        let url = once(b"HTTP/1.1 503 Busy\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Length: 4\r\n\r\nbusy");
        let answer = ask(&url).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (503, b"busy".as_slice()));
        assert_eq!(answer.date().unwrap().to_rfc3339(), "2026-11-21T10:00:00+00:00");
    }

    #[test]
    fn a_call_that_reached_nobody_was_not_sent_and_one_that_was_cut_is_unsure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(ask(&dead), Err(Failure::NotSent(_))));
        let cut: [&'static [u8]; 4] = [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            b"what?\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n01234567890123456789012345678901234567890123456789012345678901234",
        ];
        for answer in cut {
            let failure = ask(&once(answer)).unwrap_err();
            assert!(matches!(failure, Failure::Unsure(_)), "{failure:?}");
            assert!(!failure.text().contains("138"), "no personal data: {failure:?}");
        }
    }

    #[test]
    fn plain_http_goes_nowhere_but_to_this_machine() {
        for url in ["http://openapi.alipay.com/gateway.do?a=1", "ftp://127.0.0.2.example/", "not an address"] {
            let Err(Failure::Setup(text)) = ask(url) else { panic!("{url}") };
            assert!(!text.contains("a=1"), "{text}");
        }
    }

    #[test]
    fn a_proxy_or_root_that_cannot_be_used_is_named() {
        let wrong = [
            (HttpSettings { proxy: "what ever".into(), ..HttpSettings::default() }, "http.proxy"),
            (HttpSettings { ca_file: "/nowhere/ca.pem".into(), ..HttpSettings::default() }, "http.ca_file"),
        ];
        for (settings, named) in wrong {
            let Err(Failure::Setup(text)) = Http::new(&settings, None) else { panic!("{named}") };
            assert!(text.contains(named), "{text}");
        }
    }
}
