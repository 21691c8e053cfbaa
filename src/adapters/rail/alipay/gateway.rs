//! Keys and calls: signs a request, sends it once, and says how far the answer can be believed. Owns the keys; the meaning of what
//! Alipay says is `codes.rs` and `mod.rs`. Secrets and bodies never reach an error or a log.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono_tz::Asia::Shanghai;
use serde_json::Value;

use super::account::{Account, CertFile};
use super::codes::{self, Code};
use super::wire::{self, Params};
use crate::adapters::http::{Failure, Http, Request, Response};
use crate::adapters::keys::{
    Certificate, KeyFault, PrivateKey, PublicKey, base64, md5_hex, open_cbc, seal_cbc, unbase64,
};
use crate::adapters::page::{self, discreet};
use crate::clock::Clock;
use crate::config::{self, HttpSettings, SecretRef};
use crate::domain::date::At;
use crate::domain::money::Money;
use crate::t;

/// Our code where a key cannot be read.
pub const KEY: &str = "KEY";
/// Our code where the connection cannot be set up.
const HTTP: &str = "HTTP";
/// Largest bill that is fetched.
const BILL_BYTES: u64 = 256 << 20;
/// What the signature algorithm of a certificate begins with, if it counts for the number of the root (payment facts 1.3).
const RSA_SIGNED: &str = "1.2.840.113549.1.1";

/// What came of a call.
pub enum Heard {
    /// Signed by Alipay.
    Signed(Said),
    /// A refusal of the gateway's own about keys, parameters or permissions, which carries no signature.
    Unsigned(Said),
    /// The signature is missing or does not fit: nothing in the answer counts.
    Unproven(String),
    /// Not sent, not answered, or not understood. Whether the work was done is unknown.
    Lost(String),
    /// Our settings are wrong: keys that cannot be read, or a connection that cannot be set up.
    Misset {
        /// What sort of setting.
        code: String,
        /// What is wrong, with the setting's name.
        text: String,
    },
}

/// What Alipay said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The outer code.
    pub code: String,
    /// The inner code, where there is one.
    pub sub_code: String,
    /// Its text, for people; with the setting to look at, where the code is about one.
    pub text: String,
    /// When Alipay answered, by its own clock.
    pub date: Option<At>,
    fields: BTreeMap<String, String>,
}

impl Said {
    /// The code that says most.
    pub fn word(&self) -> String {
        if self.sub_code.is_empty() { self.code.clone() } else { self.sub_code.clone() }
    }

    /// A field that is there and not empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The same as text of one's own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.field(name).map(str::to_owned)
    }

    /// An amount in yuan.
    pub fn money(&self, name: &str) -> Option<Money> {
        self.field(name)?.parse().ok()
    }
}

impl Heard {
    /// Code and text for people, whatever came.
    pub fn words(self) -> (String, String) {
        match self {
            Heard::Signed(said) | Heard::Unsigned(said) => (said.word(), said.text),
            Heard::Unproven(text) => (super::SIGNATURE.into(), text),
            Heard::Lost(text) => (String::new(), text),
            Heard::Misset { code, text } => (code, text),
        }
    }
}

/// The keys of an account, read once.
pub struct Keys {
    /// The app's private key.
    pub private: PrivateKey,
    /// Alipay's keys with the numbers of their certificates; one without a number, where there are no certificates.
    pub alipay: Vec<(String, PublicKey)>,
    /// Numbers of the app's and of the root certificates, in certificate mode.
    pub cert_sns: Option<(String, String)>,
    encrypt: Option<Vec<u8>>,
    app_auth_token: Option<String>,
}

/// An account's connection to the gateway.
pub struct Gateway {
    name: String,
    clock: Clock,
    account: Account,
    http: HttpSettings,
    client: OnceLock<Result<Http, String>>,
    keys: OnceLock<Result<Keys, String>>,
}

impl Gateway {
    /// Reads and sends nothing yet.
    pub fn open(name: &str, clock: Clock, account: Account, http: HttpSettings) -> Gateway {
        Gateway { name: name.to_owned(), clock, account, http, client: OnceLock::new(), keys: OnceLock::new() }
    }

    /// The settings.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The dotted name of a setting of this account, for people.
    pub fn setting(&self, name: &str) -> String {
        format!("rail.{}.account.{name}", self.name)
    }

    /// Makes one call and waits. It is sent once, whatever happens.
    pub fn call(&self, method: &str, biz: &Value, with_notice: bool) -> Heard {
        match self.ask(method, biz, with_notice) {
            Ok(heard) | Err(heard) => heard,
        }
    }

    fn ask(&self, method: &str, biz: &Value, with_notice: bool) -> Result<Heard, Heard> {
        let keys = self.keys()?;
        let params = self.params(keys, method, biz, with_notice)?;
        // Charset and signature travel in the address, as the provider's own programs do it: the gateway needs to know the
        // charset before it can read the body.
        let (body, address): (Params, Params) = params.into_iter().partition(|(name, _)| name == "biz_content");
        let url = format!("{}?{}", self.account.gateway, wire::form(&address));
        let response = self.send(&Request {
            method: "POST",
            url: &url,
            headers: vec![("Content-Type", "application/x-www-form-urlencoded;charset=utf-8".to_owned())],
            body: wire::form(&body).as_bytes(),
            most_bytes: None,
        })?;
        Ok(self.heard(keys, method, &response))
    }

    /// Fetches a file whose address came in a signed answer.
    pub fn fetch(&self, url: &str) -> Result<Vec<u8>, Heard> {
        let request = Request { method: "GET", url, headers: Vec::new(), body: &[], most_bytes: Some(BILL_BYTES) };
        let response = self.send(&request)?;
        match response.status {
            200 => Ok(response.body),
            _ => Err(Heard::Lost(self.page(&response))),
        }
    }

    /// The signed parameters of a page that the customer opens, as a query.
    pub fn signed_query(&self, method: &str, biz: &Value) -> Result<String, Heard> {
        let keys = self.keys()?;
        let mut params = self.params(keys, method, biz, true)?;
        if !self.account.return_url.is_empty() {
            params.retain(|(name, _)| name != "sign");
            params.push(("return_url".into(), self.account.return_url.clone()));
            let sign = keys.private.sign(wire::to_sign(&params).as_bytes());
            params.push(("sign".into(), sign));
        }
        Ok(wire::form(&params))
    }

    /// The keys; read by the first who needs them.
    pub fn keys(&self) -> Result<&Keys, Heard> {
        let read = self.keys.get_or_init(|| self.read_keys());
        read.as_ref().map_err(|text| Heard::Misset { code: KEY.into(), text: text.clone() })
    }

    /// Whether `sign` is Alipay's over `text`; in certificate mode by whichever of its certificates.
    pub fn proves(&self, text: &str, sign: &str) -> Result<bool, Heard> {
        Ok(self.keys()?.alipay.iter().any(|(_, key)| key.verifies(text.as_bytes(), sign)))
    }

    /// Reads a secret's text.
    pub fn secret(&self, name: &str, secret: &SecretRef) -> Result<String, String> {
        secret.read(&self.setting(name)).map(|it| it.text().to_owned()).map_err(|fault| fault.to_string())
    }

    /// Reads a certificate's file.
    pub fn certificates(&self, name: &str, file: &CertFile) -> Result<Vec<Certificate>, String> {
        let path = file.file.display();
        let setting = self.setting(name);
        let text = config::read_text(&file.file)
            .map_err(|_| t!("{setting}: {file} cannot be read", setting = setting, file = path))?;
        let found = Certificate::read_all(&text);
        if !found.is_empty() {
            return Ok(found);
        }
        let fault = Certificate::read(&text).err().unwrap_or(KeyFault::NotACertificate);
        Err(format!("{setting}: {}", fault.text()))
    }

    fn read_keys(&self) -> Result<Keys, String> {
        let account = &self.account;
        let faulty = |name: &str, fault: KeyFault| format!("{}: {}", self.setting(name), fault.text());
        let private = PrivateKey::read(&self.secret("private_key", &account.private_key)?)
            .map_err(|fault| faulty("private_key", fault))?;
        let (alipay, cert_sns) = match (&account.app_cert, &account.alipay_cert, &account.alipay_root_cert) {
            (Some(app), Some(alipay), Some(root)) => {
                let own = self.certificates("app_cert", app)?;
                let own = own.first().map(cert_sn).unwrap_or_default();
                let root = root_sn(&self.certificates("alipay_root_cert", root)?);
                let alipay = self.certificates("alipay_cert", alipay)?;
                (alipay.into_iter().map(|it| (cert_sn(&it), it.key)).collect(), Some((own, root)))
            }
            (None, None, None) => {
                let missing = || {
                    let setting = self.setting("alipay_public_key");
                    t!("{setting} is missing: name Alipay's public key, or all three certificates", setting = setting)
                };
                let key = account.alipay_public_key.as_ref().ok_or_else(missing)?;
                let key = PublicKey::read(&self.secret("alipay_public_key", key)?)
                    .map_err(|fault| faulty("alipay_public_key", fault))?;
                (vec![(String::new(), key)], None)
            }
            _ => {
                let setting = self.setting("app_cert");
                return Err(t!(
                    "{setting}: app_cert, alipay_cert and alipay_root_cert belong together",
                    setting = setting
                ));
            }
        };
        let encrypt = match &account.encrypt_key {
            None => None,
            Some(key) => {
                let key = unbase64(&self.secret("encrypt_key", key)?).filter(|key| seal_cbc(key, b"").is_some());
                let wrong = || {
                    let setting = self.setting("encrypt_key");
                    t!("{setting}: this is no AES key in base64", setting = setting)
                };
                Some(key.ok_or_else(wrong)?)
            }
        };
        let app_auth_token = match &account.app_auth_token {
            None => None,
            Some(token) => Some(self.secret("app_auth_token", token)?),
        };
        Ok(Keys { private, alipay, cert_sns, encrypt, app_auth_token })
    }

    fn params(&self, keys: &Keys, method: &str, biz: &Value, with_notice: bool) -> Result<Params, Heard> {
        let account = &self.account;
        let biz = biz.to_string();
        let biz = match &keys.encrypt {
            None => biz,
            Some(key) => base64(&seal_cbc(key, biz.as_bytes()).unwrap_or_default()),
        };
        let now = self.clock.now().with_timezone(&Shanghai).format("%Y-%m-%d %H:%M:%S").to_string();
        let mut params: Params = Vec::with_capacity(14);
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                params.push((name.to_owned(), value.to_owned()));
            }
        };
        add("app_id", &account.app_id);
        add("method", method);
        add("format", "JSON");
        add("charset", "utf-8");
        add("sign_type", "RSA2");
        add("timestamp", &now);
        add("version", "1.0");
        if with_notice {
            add("notify_url", &account.notify_url);
        }
        add("app_auth_token", keys.app_auth_token.as_deref().unwrap_or_default());
        if let Some((own, root)) = &keys.cert_sns {
            add("app_cert_sn", own);
            add("alipay_root_cert_sn", root);
        }
        if keys.encrypt.is_some() {
            add("encrypt_type", "AES");
        }
        add("biz_content", &biz);
        let sign = keys.private.sign(wire::to_sign(&params).as_bytes());
        params.push(("sign".into(), sign));
        Ok(params)
    }

    fn send(&self, request: &Request<'_>) -> Result<Response, Heard> {
        let misset = |text: &str| Heard::Misset {
            code: HTTP.into(),
            text: t!("{why}; look at {setting}", why = text, setting = self.setting("gateway")),
        };
        let client = self.client.get_or_init(|| Http::new(&self.http, None).map_err(|why| why.text().to_owned()));
        let client = client.as_ref().map_err(|text| Heard::Misset { code: HTTP.into(), text: text.clone() })?;
        client.send(request).map_err(|failure| match &failure {
            Failure::NotSent(text) | Failure::Unsure(text) => Heard::Lost(text.clone()),
            Failure::Setup(text) => misset(text),
        })
    }

    fn heard(&self, keys: &Keys, method: &str, response: &Response) -> Heard {
        let text = match std::str::from_utf8(&response.body) {
            Ok(text) if response.status == 200 => text,
            _ => return Heard::Lost(self.page(response)),
        };
        let Some(parts) = wire::parts(text, method) else { return Heard::Lost(self.page(response)) };
        let Some(sign) = parts.sign else { return self.unsigned(parts.signed, response) };
        let known = |sn: &str| parts.cert_sn.is_none_or(|wanted| sn.is_empty() || sn == wanted);
        let mut candidates = keys.alipay.iter().filter(|(sn, _)| known(sn)).peekable();
        if candidates.peek().is_none() {
            let setting = self.setting("alipay_cert");
            return Heard::Unproven(t!(
                "Alipay signed with a certificate that is not in {setting}: download it again",
                setting = setting
            ));
        }
        let sign = sign.replace("\\/", "/");
        if !candidates.any(|(_, key)| key.verifies(parts.signed.as_bytes(), &sign)) {
            let setting = self.setting(if keys.cert_sns.is_some() { "alipay_cert" } else { "alipay_public_key" });
            return Heard::Unproven(t!(
                "the signature of the answer does not fit; is {setting} really Alipay's, not the app's own?",
                setting = setting
            ));
        }
        match self.value(keys, parts.signed) {
            Some(value) => {
                let said = self.said(&value, response);
                match parts.is_error && codes::code(&said.code) == Code::Succeeded {
                    true => Heard::Lost(self.page(response)),
                    false => Heard::Signed(said),
                }
            }
            None => {
                let setting = self.setting("encrypt_key");
                Heard::Unproven(t!("the answer cannot be decrypted; look at {setting}", setting = setting))
            }
        }
    }

    /// Only a refusal about our own settings is worth hearing without a signature; nothing about money is.
    fn unsigned(&self, raw: &str, response: &Response) -> Heard {
        let said = serde_json::from_str(raw).ok().map(|value: Value| self.said(&value, response));
        match said {
            Some(said) if codes::code(&said.code) == Code::Configuration => Heard::Unsigned(said),
            Some(said) if matches!(codes::code(&said.code), Code::TooMany | Code::Unclear) && !said.code.is_empty() => {
                Heard::Lost(format!("{} ({})", said.text, said.word()))
            }
            _ => Heard::Unproven(t!("the answer carries no signature")),
        }
    }

    /// The value of an answer, decrypted where it is encrypted. Refusals come plain even then.
    fn value(&self, keys: &Keys, raw: &str) -> Option<Value> {
        let value: Value = serde_json::from_str(raw).ok()?;
        match (&value, &keys.encrypt) {
            (Value::String(sealed), Some(key)) => serde_json::from_slice(&open_cbc(key, &unbase64(sealed)?)?).ok(),
            (Value::String(_), None) => None,
            _ => Some(value),
        }
    }

    fn said(&self, value: &Value, response: &Response) -> Said {
        let fields = wire::texts(value);
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (code, sub_code) = (text("code"), text("sub_code"));
        let words = if text("sub_msg").is_empty() { text("msg") } else { text("sub_msg") };
        let words = discreet(&words);
        let text = match (codes::code(&code), self.to_look_at(&sub_code)) {
            (Code::Configuration, Some(what)) => t!("{why}; look at {setting}", why = words, setting = what),
            _ => words,
        };
        Said { code, sub_code, text, date: response.date(), fields }
    }

    /// What to look at when the gateway refuses for this reason.
    fn to_look_at(&self, sub_code: &str) -> Option<String> {
        Some(match sub_code {
            "isv.invalid-signature" | "isv.missing-signature" => t!(
                "{setting}, and at whether its public half is the one stored at Alipay",
                setting = self.setting("private_key")
            ),
            "isv.missing-signature-config" => t!("the app's page at Alipay: no public key of the app is stored there"),
            "isv.invalid-app-id" | "isv.missing-app-id" | "not-online-app" => self.setting("app_id"),
            "isv.invalid-timestamp" | "isv.missing-timestamp" => t!("this machine's clock"),
            "app-cert-expired" => self.setting("app_cert"),
            "isv.invalid-encrypt" | "isv.decryption-error-unknown" | "isv.decryption-error-not-valid-encrypt-key" => {
                self.setting("encrypt_key")
            }
            "isv.invalid-app-auth-token" | "aop.invalid-app-auth-token" => self.setting("app_auth_token"),
            "isv.insufficient-isv-permissions" | "isv.insufficient-user-permissions" => {
                t!("the products signed for at Alipay, and {setting}", setting = self.setting("gateway"))
            }
            _ => return None,
        })
    }

    /// What came in place of an answer, readable: Alipay's pages are HTML in GBK.
    fn page(&self, response: &Response) -> String {
        let words = page::words(&response.body);
        let setting = self.setting("gateway");
        match words.is_empty() {
            true => t!(
                "what came (HTTP {status}) is no answer of Alipay's; look at {setting}",
                status = response.status,
                setting = setting
            ),
            false => t!(
                "what came (HTTP {status}) is no answer of Alipay's but \"{page}\"; look at {setting}",
                status = response.status,
                page = words,
                setting = setting
            ),
        }
    }
}

/// The number under which Alipay knows a certificate (payment facts 1.3).
pub fn cert_sn(certificate: &Certificate) -> String {
    md5_hex(format!("{}{}", certificate.issuer, certificate.serial_decimal).as_bytes())
}

/// The number of a bundle of root certificates.
pub fn root_sn(certificates: &[Certificate]) -> String {
    let counted = certificates.iter().filter(|it| it.signature_oid.starts_with(RSA_SIGNED));
    counted.map(cert_sn).collect::<Vec<_>>().join("_")
}
