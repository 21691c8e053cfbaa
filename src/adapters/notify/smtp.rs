//! E-mail by SMTP, over TLS. The steps are taken one by one, because what a broken connection means depends on the step: until the
//! last line of the text has gone out nothing was sent, and after it only the server's answer says whether it was. A mail whose
//! answer was lost is not repeated: no server can be asked.
//!
//! The proxy of `[http]` is for HTTP and is not used here; its certificate file is.

use std::sync::OnceLock;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use serde::Deserialize;

use crate::adapters::finding::Finding;
use crate::adapters::http::is_loopback;
use crate::adapters::notify::call::inspected;
use crate::adapters::notify::{Notify, Parcel, Receipt, Wait, scrubbed};
use crate::clock::Clock;
use crate::config::{self, HttpSettings, SecretRef};
use crate::t;

/// Minutes until a server that said "not now" of one person's mail is asked again: greylisting lets the second try through.
const LATER_MINUTES: u32 = 15;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte, usually port 465.
    #[default]
    Tls,
    /// TLS after a greeting, usually port 587; without it nothing is sent.
    Starttls,
    /// None. For a server on this machine only.
    None,
}

/// The mail server, as `shop.toml` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The server's name.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// Who logs in; empty for nobody.
    #[serde(default)]
    pub username: String,
    /// The password of who logs in.
    pub password: Option<SecretRef>,
    /// The sender: an address, or a name with an address in angle brackets.
    pub from: String,
}

/// The channel.
pub struct Smtp {
    name: String,
    account: Account,
    http: HttpSettings,
    clock: Clock,
    tls: OnceLock<Result<TlsParameters, String>>,
}

/// At which step something went wrong.
enum Step {
    /// Until the server has taken our greeting.
    Connect,
    /// Logging in.
    Login,
    /// The sender's address, or the wish to send a text.
    Sender,
    /// The person's address.
    Recipient,
    /// The text is out; the answer counts.
    Text,
}

impl Smtp {
    /// The channel `name`. Nothing is read and nobody is asked yet.
    pub fn open(name: &str, account: &Account, http: &HttpSettings, clock: Clock) -> Smtp {
        Smtp { name: name.to_owned(), account: account.clone(), http: http.clone(), clock, tls: OnceLock::new() }
    }

    fn setting(&self, word: &str) -> String {
        format!("channel.{}.{word}", self.name)
    }

    fn send_one(&self, parcel: &Parcel) -> Receipt {
        let mail = match self.mail(parcel) {
            Ok(mail) => mail,
            Err(receipt) => return receipt,
        };
        let login = match self.login() {
            Ok(login) => login,
            Err(said) => return Receipt::Broken { said },
        };
        let tls = match self.account.security {
            Security::None if !is_loopback(&self.account.host) => {
                let setting = self.setting("security");
                return Receipt::Broken {
                    said: t!("{setting}: only a server on this machine may go without TLS", setting = setting),
                };
            }
            Security::None => None,
            Security::Tls | Security::Starttls => match self.tls.get_or_init(|| self.roots()) {
                Ok(tls) => Some(tls),
                Err(said) => return Receipt::Broken { said: said.clone() },
            },
        };
        match self.transfer(&mail, login.as_ref(), tls) {
            Ok(answer) => Receipt::Sent { said: scrubbed(&answer.message().collect::<Vec<_>>().join(" "), parcel) },
            Err((step, error)) => judged(&step, &error, parcel),
        }
    }

    fn mail(&self, parcel: &Parcel) -> Result<Message, Receipt> {
        let Some(email) = &parcel.email else {
            return Err(Receipt::Refused { said: t!("no e-mail address is known") });
        };
        let Ok(to) = email.parse::<Mailbox>() else {
            return Err(Receipt::Refused { said: t!("the e-mail address on record is none") });
        };
        let broken =
            |word: &str| Receipt::Broken { said: t!("{setting} is no e-mail address", setting = self.setting(word)) };
        let Ok(from) = self.account.from.parse::<Mailbox>() else { return Err(broken("from")) };
        // The same message has the same id: a mailbox that gets it twice after all can see that.
        let id = format!("<{}@{}>", parcel.key, from.email.domain());
        Message::builder()
            .from(from)
            .to(to)
            .subject(&parcel.subject)
            .message_id(Some(id))
            .date(self.clock.now().into())
            .header(ContentType::TEXT_PLAIN)
            .body(parcel.text.clone())
            .map_err(|_| broken("from"))
    }

    fn login(&self) -> Result<Option<Credentials>, String> {
        match (&self.account.password, self.account.username.is_empty()) {
            (Some(password), false) => {
                let secret = password.read(&self.setting("password")).map_err(|error| error.to_string())?;
                Ok(Some(Credentials::new(self.account.username.clone(), secret.text().to_owned())))
            }
            (None, false) => Err(t!("{setting} is missing", setting = self.setting("password"))),
            (_, true) => Ok(None),
        }
    }

    /// The certificates that are trusted: those of `http.ca_file`, or without one the built-in ones, as for every other call.
    fn roots(&self) -> Result<TlsParameters, String> {
        let mut tls = TlsParameters::builder(self.account.host.clone());
        let file = &self.http.ca_file;
        if !file.as_os_str().is_empty() {
            let shown = file.display();
            let pem = config::read_text(file).map_err(|_| t!("http.ca_file: {file} cannot be read", file = shown))?;
            let roots = Certificate::from_pem(pem.as_bytes());
            let roots = roots.map_err(|_| t!("http.ca_file: {file} holds no certificate", file = shown))?;
            tls = tls.certificate_store(CertificateStore::None).add_root_certificate(roots);
        }
        tls.build().map_err(|_| t!("http.ca_file: {file} holds no certificate", file = file.display()))
    }

    fn transfer(
        &self,
        mail: &Message,
        login: Option<&Credentials>,
        tls: Option<&TlsParameters>,
    ) -> Result<Response, (Step, Error)> {
        let mut connection = self.connect(tls).map_err(|error| (Step::Connect, error))?;
        if let Some(login) = login {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], login).map_err(|error| (Step::Login, error))?;
        }
        let bytes = mail.formatted();
        let mut options = Vec::new();
        if connection.server_info().supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let envelope = mail.envelope();
        connection.command(Mail::new(envelope.from().cloned(), options)).map_err(|error| (Step::Sender, error))?;
        for to in envelope.to() {
            connection.command(Rcpt::new(to.clone(), Vec::new())).map_err(|error| (Step::Recipient, error))?;
        }
        connection.command(Data).map_err(|error| (Step::Sender, error))?;
        let answer = connection.message(&bytes).map_err(|error| (Step::Text, error))?;
        // Taken is taken, however the goodbye goes.
        drop(connection.quit());
        Ok(answer)
    }

    fn connect(&self, tls: Option<&TlsParameters>) -> Result<SmtpConnection, Error> {
        let account = &self.account;
        let hello = ClientId::default();
        let timeout = Some(Duration::from_secs(self.http.timeout_seconds));
        let at_once = tls.filter(|_| account.security == Security::Tls);
        let server = (account.host.as_str(), account.port);
        let mut connection = SmtpConnection::connect(server, timeout, &hello, at_once, None)?;
        if let (Security::Starttls, Some(tls)) = (account.security, tls) {
            connection.starttls(tls, &hello)?;
        }
        Ok(connection)
    }
}

impl Notify for Smtp {
    fn name(&self) -> &str {
        &self.name
    }

    fn refuses(&self, parcel: &Parcel) -> Option<String> {
        match &parcel.email {
            None => Some(t!("no e-mail address is known")),
            Some(email) if email.parse::<Mailbox>().is_err() => Some(t!("the e-mail address on record is none")),
            Some(_) => None,
        }
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        parcels.iter().map(|parcel| self.send_one(parcel)).collect()
    }

    fn inspect(&self) -> Vec<Finding> {
        let account = &self.account;
        let secrets: Vec<(&str, &SecretRef)> = account.password.iter().map(|it| ("password", it)).collect();
        inspected(&self.name, &[("host", &account.host), ("from", &account.from)], &secrets)
    }
}

/// What an error at a step means.
fn judged(step: &Step, error: &Error, parcel: &Parcel) -> Receipt {
    let said = scrubbed(&error.to_string(), parcel);
    // The TLS room words a bad certificate as a failure of the network.
    let certificate = said.contains("certificate");
    match step {
        Step::Connect if error.is_tls() || error.is_client() || certificate => Receipt::Broken { said },
        Step::Login if error.is_permanent() || error.is_client() => Receipt::Broken { said },
        Step::Sender if error.is_permanent() => Receipt::Broken { said },
        Step::Connect | Step::Login | Step::Sender => Receipt::Down { said },
        Step::Recipient | Step::Text if error.is_permanent() => Receipt::Refused { said },
        Step::Recipient | Step::Text if error.is_transient() => {
            Receipt::Later { said, wait: Wait::Minutes(LATER_MINUTES) }
        }
        Step::Recipient => Receipt::Down { said },
        Step::Text => Receipt::Unknown { said },
    }
}

fn port() -> u16 {
    465
}
