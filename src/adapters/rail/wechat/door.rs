//! Making a call and believing its answer, or not. Owns keys, signatures and addresses; what an answer means is the callers'.
//!
//! Keys are read when the first call needs them, so that commands which ask no provider work without any.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

use super::Wechat;
use super::account::{HOST, SPARE_HOST};
use super::tables::{self, Table, Verdict};
use super::v2::{self, SignType};
use super::v3::{self, Seal};
use super::xml::Fields;
use crate::adapters::http::{ClientPem, Failure, Http, Request, Response};
use crate::adapters::keys::{Certificate, Nonces, PrivateKey, PublicKey, open_gcm, unbase64};
use crate::adapters::page;
use crate::adapters::percent::encoded;
use crate::adapters::rail::{Health, MOST_SKEW_SECONDS, Trouble};
use crate::config::Secret;
use crate::domain::date::At;
use crate::domain::rail::{Answer, Reason, Reply};
use crate::t;

/// Largest bill that is read, packed or not.
pub(super) const BILL_BYTES: u64 = 256 << 20;
/// An order number that no shop uses: asking for it shows that WeChat Pay answers and that the keys fit.
const NOBODYS_ORDER: &str = "KIBBLEHEALTH";
/// The setting to look at when v3 answers do not hold.
const PLATFORM: &str = "platform_public_key";
/// What v3 says of a signature that is not ours.
const SIGN_ERROR: &str = "SIGN_ERROR";
/// Our code for clocks that are too far apart.
const CLOCK: &str = "CLOCK";
/// What the serial of a public key begins with; a certificate's is hexadecimal.
const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_";

/// What the provider said: a code and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The provider's code.
    pub(super) code: String,
    /// The provider's text.
    pub(super) text: String,
}

impl Word {
    fn new(code: impl Into<String>, text: impl Into<String>) -> Word {
        Word { code: code.into(), text: text.into() }
    }

    /// As the answer to a charge or a refund.
    pub(super) fn reply(self, answer: Answer) -> Reply {
        Reply::said(answer, self.code, self.text)
    }

    /// As a definite refusal.
    pub(super) fn refused(self, reason: Reason) -> Trouble {
        Trouble::Refused { reason, code: self.code, text: self.text }
    }

    /// As something to be asked again later.
    pub(super) fn unreachable(self) -> Trouble {
        Trouble::Unreachable { text: format!("{} {}", self.code, self.text).trim().to_owned() }
    }

    /// As trouble, by what `table` says of the code. A word in no table is a refusal that a person has to read.
    pub(super) fn trouble(self, table: &Table) -> Trouble {
        match tables::verdict(table, &self.code) {
            Some(Verdict::Unknown) => self.unreachable(),
            Some(Verdict::Refused(reason) | Verdict::Unless(reason)) => self.refused(reason),
            Some(Verdict::Seen | Verdict::Fine | Verdict::Absent) | None => self.refused(Reason::Other),
        }
    }
}

/// Why there is no answer that could be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// Our settings or keys are wrong; nothing was sent.
    Ours(Word),
    /// We were turned away by somebody who did not prove to be WeChat Pay: most likely our settings, and nothing is certain.
    TurnedAway(Word),
    /// Nothing was sent.
    NotSent(String),
    /// It was sent, or may have been; nobody knows what became of it.
    Unsure(Word),
}

impl Miss {
    /// The answer does not hold what it must.
    pub(super) fn garbage(what: &str) -> Miss {
        Miss::Unsure(Word::new("", t!("the answer of WeChat Pay cannot be understood ({what})", what = what)))
    }

    /// The answer is proven, but speaks of something else.
    pub(super) fn foreign(what: &str) -> Miss {
        Miss::Unsure(Word::new("", t!("the answer of WeChat Pay is about something else ({what})", what = what)))
    }

    /// As the answer to a charge: only where nothing was sent and nothing can be until a setting is mended it is declined.
    pub(super) fn charge(self) -> Reply {
        match self {
            Miss::Ours(word) => word.reply(Answer::Declined(Reason::OurConfiguration)),
            other => other.unknown(),
        }
    }

    /// As the answer to a question about money.
    pub(super) fn unknown(self) -> Reply {
        match self {
            Miss::Ours(word) | Miss::TurnedAway(word) | Miss::Unsure(word) => word.reply(Answer::Unknown),
            Miss::NotSent(text) => Reply::said(Answer::Unknown, "", text),
        }
    }

    /// As trouble with any other call.
    pub(super) fn trouble(self) -> Trouble {
        match self {
            Miss::Ours(word) | Miss::TurnedAway(word) => word.refused(Reason::OurConfiguration),
            Miss::NotSent(text) => Trouble::Unreachable { text },
            Miss::Unsure(word) => word.unreachable(),
        }
    }
}

/// A proven answer of a v2 call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `result_code` SUCCESS.
    Fine(Fields),
    /// `result_code` FAIL.
    Refused(Word),
}

/// A proven answer of a v3 call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said3 {
    /// Status 2xx; null where the body is empty.
    Fine(Value),
    /// Status 4xx.
    Refused(Word),
}

/// Everything that is read once.
#[derive(Debug, Default)]
pub(super) struct Keys {
    http: OnceLock<Result<Http, Word>>,
    mutual: OnceLock<Result<Http, Word>>,
    v2: OnceLock<Result<Secret, Word>>,
    v3: OnceLock<Result<Merchant, Word>>,
    /// Keys of WeChat Pay's by serial, from settings.
    platform: OnceLock<Result<BTreeMap<String, Platform>, Word>>,
    /// Certificates that WeChat Pay handed out, by serial.
    fetched: Mutex<BTreeMap<String, Platform>>,
    /// What the last proven v2 answer said about our clock, where that is wrong.
    skew: Mutex<Option<String>>,
    nonces: Nonces,
}

/// What proves who we are in v3 calls.
#[derive(Debug)]
struct Merchant {
    key: PrivateKey,
    serial: String,
    expires: Option<At>,
}

/// A key of WeChat Pay's.
#[derive(Clone, Debug)]
struct Platform {
    key: PublicKey,
    expires: Option<At>,
}

/// v2.
impl Wechat {
    /// A call with `nonce_str`.
    pub(super) fn v2(&self, path: &str, fields: Fields, kind: SignType) -> Result<Said, Miss> {
        let answer = self.post_xml(self.http()?, path, self.with_nonce(path, fields), kind)?;
        self.timed(&answer)
    }

    /// A call over mutual TLS.
    pub(super) fn v2_mutual(&self, path: &str, fields: Fields, kind: SignType) -> Result<Said, Miss> {
        let answer = self.post_xml(self.mutual()?, path, self.with_nonce(path, fields), kind)?;
        self.timed(&answer)
    }

    /// A call of those that know no `nonce_str`.
    pub(super) fn v2_bare(&self, path: &str, fields: Fields, kind: SignType) -> Result<Said, Miss> {
        let answer = self.post_xml(self.http()?, path, fields, kind)?;
        self.timed(&answer)
    }

    /// Whether a debit may be sent: not while this machine's clock is known to be wrong. v2 calls carry no time, so WeChat Pay would
    /// take it, on a day or in an hour that nobody agreed to.
    pub(super) fn clock_is_right(&self) -> Result<(), Miss> {
        match self.keys.skew.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(text) => Err(Miss::Ours(Word::new(CLOCK, text))),
            None => Ok(()),
        }
    }

    /// The answer, if it is proven and our clock is right.
    fn timed(&self, answer: &Response) -> Result<Said, Miss> {
        let said = self.believed(&answer.body)?;
        let skew = self.skew(answer);
        self.keys.skew.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&skew);
        match skew {
            Some(text) => Err(Miss::TurnedAway(Word::new(CLOCK, text))),
            None => Ok(said),
        }
    }

    /// A call whose answer is not signed, as it came.
    pub(super) fn v2_raw(&self, path: &str, fields: Fields, kind: SignType) -> Result<Vec<u8>, Miss> {
        Ok(self.post_xml(self.http()?, path, self.with_nonce(path, fields), kind)?.body)
    }

    /// A page that is fetched with nothing but its address, whose answer is not signed.
    pub(super) fn plain_get(&self, url: &str) -> Result<String, Miss> {
        let request = Request { method: "GET", url, headers: Vec::new(), body: &[], most_bytes: None };
        let answer = self.http()?.send(&request).map_err(missed)?;
        String::from_utf8(answer.body).map_err(|_| Miss::garbage("UTF-8"))
    }

    /// The v2 key.
    pub(super) fn v2_key(&self) -> Result<&Secret, Miss> {
        let read = || self.account.api_v2_key.read(&self.setting("api_v2_key"));
        once(&self.keys.v2, || read().map_err(|fault| self.wrong("api_v2_key", &fault.to_string())))
    }

    fn with_nonce(&self, path: &str, fields: Fields) -> Fields {
        let about = format!("{path} {}", fields.to_xml());
        fields.with("nonce_str", self.keys.nonces.next(self.clock.now(), &about))
    }

    fn post_xml(&self, http: &Http, path: &str, fields: Fields, kind: SignType) -> Result<Response, Miss> {
        let xml = v2::signed(fields, kind, self.v2_key()?.text()).to_xml();
        let headers = vec![("Content-Type", "text/xml; charset=utf-8".to_owned())];
        let most_bytes = (path == "/pay/downloadbill").then_some(BILL_BYTES);
        let answer = self.send(http, "POST", path, &headers, xml.as_bytes(), most_bytes)?;
        if answer.status == 200 {
            return Ok(answer);
        }
        Err(Miss::Unsure(self.no_answer(answer.status, &answer.body)))
    }

    /// The answer, once its signature holds and it is made out to us. `return_code` comes first: without its success there is no
    /// signature, so nothing that such an answer says is certain.
    fn believed(&self, body: &[u8]) -> Result<Said, Miss> {
        let page = || Miss::Unsure(self.no_answer(200, body));
        let text = std::str::from_utf8(body).map_err(|_| page())?;
        let fields = Fields::read(text, "xml").map_err(|_| page())?;
        match fields.text("return_code") {
            "SUCCESS" => {}
            "FAIL" => {
                let text = self.away(fields.text("return_msg"), "api_v2_key");
                return Err(Miss::TurnedAway(Word::new("FAIL", text)));
            }
            _ => return Err(Miss::garbage("return_code")),
        }
        if !v2::holds(&fields, self.v2_key()?.text()) {
            return Err(self.unproven("api_v2_key"));
        }
        let account = &self.account;
        let other = |name: &str, ours: &str| fields.get(name).is_some_and(|theirs| theirs != ours);
        if other("mch_id", &account.mch_id) || other("appid", &account.appid) {
            return Err(Miss::foreign("mch_id"));
        }
        match fields.text("result_code") {
            "SUCCESS" => Ok(Said::Fine(fields)),
            "FAIL" => Ok(Said::Refused(Word::new(fields.text("err_code"), fields.text("err_code_des")))),
            _ => Err(Miss::garbage("result_code")),
        }
    }
}

/// v3.
impl Wechat {
    /// A call. `path` with its query, `body` for `POST`.
    pub(super) fn v3(&self, method: &'static str, path: &str, body: Option<&Value>) -> Result<Said3, Miss> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.send_v3(method, path, &body, None)?;
        let Ok(text) = std::str::from_utf8(&answer.body) else {
            return Err(Miss::Unsure(self.no_answer(answer.status, &answer.body)));
        };
        match answer.status {
            200..=299 => {
                self.proven(&answer, text)?;
                if text.is_empty() {
                    return Ok(Said3::Fine(Value::Null));
                }
                serde_json::from_str(text).map(Said3::Fine).map_err(|_| Miss::garbage("JSON"))
            }
            // Too many calls: nothing was done, and the same call may be made again.
            429 => Err(Miss::Unsure(v3_word(&answer, text))),
            400..=499 => match self.proven(&answer, text) {
                Ok(()) => Ok(Said3::Refused(self.signature_refused(v3_word(&answer, text)))),
                Err(_) if matches!(answer.status, 401 | 403) => Err(Miss::TurnedAway(self.at_the_door(&answer, text))),
                Err(miss) => Err(miss),
            },
            _ => Err(Miss::Unsure(v3_word(&answer, text))),
        }
    }

    /// The file behind an address that a proven answer named. Not signed.
    pub(super) fn download(&self, url: &str) -> Result<Vec<u8>, Miss> {
        let known = |host: &str| url.strip_prefix(host).is_some_and(|path| !host.is_empty() && path.starts_with('/'));
        // Our signature goes nowhere but to WeChat Pay.
        let account = &self.account;
        let path = [account.host.as_str(), account.spare_host.as_str(), HOST, SPARE_HOST]
            .into_iter()
            .find(|host| known(host))
            .map(|host| &url[host.len()..])
            .ok_or_else(|| Miss::garbage("download_url"))?;
        let answer = self.send_v3("GET", path, "", Some(BILL_BYTES))?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(Miss::Unsure(self.no_answer(answer.status, &answer.body)))
        }
    }

    /// Whether a notice or an answer is WeChat Pay's: `header` by name in lower case.
    pub(super) fn sealed_by_wechat<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &str,
    ) -> Result<Seal, Miss> {
        let seal = Seal::of(header).ok_or_else(|| self.unproven(PLATFORM))?;
        let platform = self.platform_key(&seal.serial)?;
        if platform.expires.is_some_and(|end| end < self.clock.now()) {
            let text = t!("WeChat Pay's certificate {serial} has expired; fetch the new one", serial = seal.serial);
            return Err(Miss::TurnedAway(Word::new(self.setting("platform_certificates"), text)));
        }
        if seal.holds(&platform.key, body) { Ok(seal) } else { Err(self.unproven(PLATFORM)) }
    }

    /// What AES-256-GCM under the v3 key hides in a `resource` or an `encrypt_certificate`.
    pub(super) fn opened(&self, resource: &Value) -> Result<Vec<u8>, Miss> {
        let text = |name: &str| resource[name].as_str().unwrap_or_default();
        let key = self.v3_api_key()?;
        let sealed = unbase64(text("ciphertext")).ok_or_else(|| Miss::garbage("ciphertext"))?;
        open_gcm(key.text().as_bytes(), text("nonce").as_bytes(), text("associated_data").as_bytes(), &sealed)
            .ok_or_else(|| {
                Miss::TurnedAway(self.wrong("api_v3_key", &t!("it does not open what WeChat Pay sealed with it")))
            })
    }

    fn send_v3(&self, method: &'static str, path: &str, body: &str, most: Option<u64>) -> Result<Response, Miss> {
        let merchant = self.merchant()?;
        let now = self.clock.now();
        if merchant.expires.is_some_and(|end| end < now) {
            let text = t!("the merchant certificate has expired; make a new one in the merchant platform");
            return Err(Miss::Ours(self.wrong("merchant_certificate", &text)));
        }
        let timestamp = now.timestamp();
        let nonce = self.keys.nonces.next(now, &format!("{method} {path} {body}"));
        let signature = merchant.key.sign(v3::request_text(method, path, timestamp, &nonce, body).as_bytes());
        let authorization = v3::authorization(&self.account.mch_id, &merchant.serial, timestamp, &nonce, &signature);
        let mut headers = vec![
            ("Authorization", authorization),
            ("Accept", "application/json".to_owned()),
            ("Content-Type", "application/json; charset=utf-8".to_owned()),
        ];
        if !self.account.platform_public_key_id.is_empty() {
            headers.push(("Wechatpay-Serial", self.account.platform_public_key_id.clone()));
        }
        self.send(self.http()?, method, path, &headers, body.as_bytes(), most)
    }

    /// Whether an answer is WeChat Pay's and of this moment.
    fn proven(&self, answer: &Response, text: &str) -> Result<(), Miss> {
        let seal = self.sealed_by_wechat(|name| answer.header(name), text)?;
        let away = seal.timestamp.parse::<i64>().map(|at| at.abs_diff(self.clock.now().timestamp()));
        if away.is_ok_and(|seconds| seconds <= MOST_SKEW_SECONDS.unsigned_abs()) {
            return Ok(());
        }
        match self.skew(answer) {
            Some(text) => Err(Miss::TurnedAway(Word::new(CLOCK, text))),
            None => Err(self.unproven(PLATFORM)),
        }
    }

    /// What an unproven 401 or 403 says; where the clocks are apart, that is why.
    fn at_the_door(&self, answer: &Response, text: &str) -> Word {
        match self.skew(answer) {
            Some(text) => Word::new(CLOCK, text),
            None => self.signature_refused(v3_word(answer, text)),
        }
    }

    /// A refusal of our signature names the setting.
    fn signature_refused(&self, word: Word) -> Word {
        match word.code.as_str() {
            SIGN_ERROR => Word { text: self.away(&word.text, "merchant_key"), ..word },
            _ => word,
        }
    }

    fn v3_api_key(&self) -> Result<Secret, Miss> {
        let Some(key) = &self.account.api_v3_key else {
            return Err(Miss::Ours(self.wrong("api_v3_key", &t!("it is not set"))));
        };
        key.read(&self.setting("api_v3_key")).map_err(|fault| Miss::Ours(self.wrong("api_v3_key", &fault.to_string())))
    }

    fn merchant(&self) -> Result<&Merchant, Miss> {
        once(&self.keys.v3, || self.read_merchant())
    }

    fn read_merchant(&self) -> Result<Merchant, Word> {
        let account = &self.account;
        let Some(key) = &account.merchant_key else {
            return Err(self.wrong("merchant_key", &t!("it is not set")));
        };
        let secret =
            key.read(&self.setting("merchant_key")).map_err(|it| self.wrong("merchant_key", &it.to_string()))?;
        let key = PrivateKey::read(secret.text()).map_err(|it| self.wrong("merchant_key", &it.text()))?;
        let Some(certificate) = &account.merchant_certificate else {
            if account.merchant_serial.is_empty() {
                return Err(self.wrong("merchant_serial", &t!("it is not set")));
            }
            return Ok(Merchant { key, serial: account.merchant_serial.clone(), expires: None });
        };
        let name = "merchant_certificate";
        let pem = certificate.read(&self.setting(name)).map_err(|it| self.wrong(name, &it.to_string()))?;
        let certificate = Certificate::read(pem.text()).map_err(|it| self.wrong(name, &it.text()))?;
        if certificate.key != key.public() {
            return Err(self.wrong(name, &t!("it does not belong to merchant_key")));
        }
        Ok(Merchant { key, serial: certificate.serial_hex, expires: Some(certificate.not_after) })
    }

    /// WeChat Pay's key with this serial: from the settings, or fetched.
    fn platform_key(&self, serial: &str) -> Result<Platform, Miss> {
        let known = once(&self.keys.platform, || self.read_platform())?;
        if let Some(platform) = known.get(serial) {
            return Ok(platform.clone());
        }
        let fetched = || self.keys.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(platform) = fetched().get(serial) {
            return Ok(platform.clone());
        }
        let nobodys = || {
            let text = t!("WeChat Pay signed with {serial}, which no setting names", serial = serial);
            Miss::TurnedAway(Word::new(self.setting("platform_public_key_id"), text))
        };
        // Only certificates are handed out, and only to who can open them.
        if serial.starts_with(PUBLIC_KEY_ID) || self.account.api_v3_key.is_none() || self.account.merchant_key.is_none()
        {
            return Err(nobodys());
        }
        let certificates = self.fetch_certificates()?;
        let found = certificates.get(serial).cloned().ok_or_else(nobodys);
        fetched().extend(certificates);
        found
    }

    /// The certificates that WeChat Pay uses now. They come sealed with the v3 key, which only WeChat Pay and we know; the answer must
    /// also be signed with one of them.
    fn fetch_certificates(&self) -> Result<BTreeMap<String, Platform>, Miss> {
        let answer = self.send_v3("GET", "/v3/certificates", "", None)?;
        let text = std::str::from_utf8(&answer.body).map_err(|_| Miss::garbage("UTF-8"))?;
        if answer.status != 200 {
            return Err(match answer.status {
                401 | 403 => Miss::TurnedAway(self.at_the_door(&answer, text)),
                _ => Miss::Unsure(v3_word(&answer, text)),
            });
        }
        let listed: Value = serde_json::from_str(text).map_err(|_| Miss::garbage("JSON"))?;
        let mut certificates = BTreeMap::new();
        for entry in listed["data"].as_array().ok_or_else(|| Miss::garbage("data"))? {
            let pem = String::from_utf8(self.opened(&entry["encrypt_certificate"])?)
                .map_err(|_| Miss::garbage("encrypt_certificate"))?;
            let certificate = Certificate::read(&pem).map_err(|_| Miss::garbage("encrypt_certificate"))?;
            let platform = Platform { key: certificate.key, expires: Some(certificate.not_after) };
            certificates.insert(certificate.serial_hex, platform);
        }
        let seal = Seal::of(|name| answer.header(name)).ok_or_else(|| self.unproven("api_v3_key"))?;
        let signed = certificates.get(&seal.serial).is_some_and(|platform| seal.holds(&platform.key, text));
        if signed { Ok(certificates) } else { Err(self.unproven("api_v3_key")) }
    }

    fn read_platform(&self) -> Result<BTreeMap<String, Platform>, Word> {
        let account = &self.account;
        let mut keys = BTreeMap::new();
        if let Some(key) = &account.platform_public_key {
            let name = "platform_public_key";
            let pem = key.read(&self.setting(name)).map_err(|it| self.wrong(name, &it.to_string()))?;
            let key = PublicKey::read(pem.text()).map_err(|it| self.wrong(name, &it.text()))?;
            keys.insert(account.platform_public_key_id.clone(), Platform { key, expires: None });
        }
        if let Some(bundle) = &account.platform_certificates {
            let name = "platform_certificates";
            let pem = bundle.read(&self.setting(name)).map_err(|it| self.wrong(name, &it.to_string()))?;
            for it in Certificate::read_all(pem.text()) {
                keys.insert(it.serial_hex, Platform { key: it.key, expires: Some(it.not_after) });
            }
        }
        Ok(keys)
    }
}

/// Both.
impl Wechat {
    /// Asks for an order that nobody has, by v2 and, where there are keys for it, by v3: a proven "no such order" is health.
    pub(super) fn pulse(&self) -> Result<Health, Trouble> {
        let fields = Fields::new()
            .with("appid", self.account.appid.clone())
            .with("mch_id", self.account.mch_id.clone())
            .with("sign_type", "HMAC-SHA256")
            .with("out_trade_no", NOBODYS_ORDER);
        let fields = self.with_nonce("pulse", fields);
        let http = self.http().map_err(Miss::trouble)?;
        let path = self.account.order_query.path();
        let answer = self.post_xml(http, path, fields, SignType::HmacSha256).map_err(Miss::trouble)?;
        match self.believed(&answer.body).map_err(Miss::trouble)? {
            Said::Fine(_) => {}
            Said::Refused(word) if tables::verdict(tables::QUERY, &word.code) == Some(Verdict::Absent) => {}
            Said::Refused(word) => return Err(word.trouble(tables::QUERY)),
        }
        let health = Health { provider_time: answer.date() };
        // A wrong clock shows in the time; by v3 it would only be turned away.
        if self.account.merchant_key.is_some() && self.skew(&answer).is_none() {
            let path = format!("/v3/refund/domestic/refunds/{}", encoded(NOBODYS_ORDER));
            match self.v3("GET", &path, None).map_err(Miss::trouble)? {
                Said3::Refused(word) if word.code == SIGN_ERROR => return Err(word.refused(Reason::OurConfiguration)),
                // Whatever else it says: it knows us, and we know it.
                Said3::Fine(_) | Said3::Refused(_) => {}
            }
        }
        Ok(health)
    }

    /// A setting's dotted name in `shop.toml`.
    pub(super) fn setting(&self, name: &str) -> String {
        format!("rail.{}.account.{name}", self.name)
    }

    /// Why the provider does not let us in, and which setting to look at.
    fn away(&self, said: &str, name: &str) -> String {
        t!(
            "WeChat Pay turned us away: {said}; look at {setting} in shop.toml",
            said = said,
            setting = self.setting(name)
        )
    }

    /// What came in place of an answer, readable.
    fn no_answer(&self, status: u16, body: &[u8]) -> Word {
        let (page, setting) = (page::words(body), self.setting("host"));
        let text = t!(
            "what came is no answer of WeChat Pay's but \"{page}\"; look at {setting}",
            page = page,
            setting = setting
        );
        Word::new(format!("HTTP {status}"), text)
    }

    /// An answer of somebody who did not prove to be WeChat Pay.
    fn unproven(&self, name: &str) -> Miss {
        let setting = self.setting(name);
        let text = t!(
            "the answer is not signed by WeChat Pay; if that stays so, look at {setting} in shop.toml",
            setting = setting
        );
        Miss::Unsure(Word::new("", text))
    }

    /// What is wrong with a setting, named in the text.
    fn wrong(&self, name: &str, why: &str) -> Word {
        let setting = self.setting(name);
        let text = if why.starts_with(&setting) { why.to_owned() } else { format!("{setting}: {why}") };
        Word::new(name, text)
    }

    /// What to say when WeChat Pay's clock and this machine's are too far apart.
    fn skew(&self, answer: &Response) -> Option<String> {
        let seconds = Health { provider_time: answer.date() }.ahead_seconds(self.clock.now())?.abs();
        (seconds > MOST_SKEW_SECONDS).then(|| {
            t!(
                "this machine's clock and WeChat Pay's are {minutes} minutes apart; set the clock right",
                minutes = seconds / 60
            )
        })
    }

    fn http(&self) -> Result<&Http, Miss> {
        once(&self.keys.http, || Http::new(&self.http, None).map_err(|failure| Word::new("", failure.text())))
    }

    fn mutual(&self) -> Result<&Http, Miss> {
        once(&self.keys.mutual, || {
            let account = &self.account;
            let read = |name: &str, file: &Option<crate::config::SecretRef>| match file {
                Some(file) => file.read(&self.setting(name)).map_err(|it| self.wrong(name, &it.to_string())),
                None => Err(self.wrong(name, &t!("it is not set"))),
            };
            let certificates = read("merchant_certificate", &account.merchant_certificate)?;
            let key = read("merchant_key", &account.merchant_key)?;
            let client = ClientPem { certificates: certificates.text(), key: key.text() };
            Http::new(&self.http, Some(client)).map_err(|it| self.wrong("merchant_certificate", it.text()))
        })
    }

    /// One call; to the spare address where the first was certainly not reached.
    fn send(
        &self,
        http: &Http,
        method: &'static str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
        most_bytes: Option<u64>,
    ) -> Result<Response, Miss> {
        let to = |host: &str| {
            let url = format!("{host}{path}");
            http.send(&Request { method, url: &url, headers: headers.to_vec(), body, most_bytes })
        };
        let spare = &self.account.spare_host;
        match to(&self.account.host) {
            Err(Failure::NotSent(_)) if !spare.is_empty() => to(spare),
            answer => answer,
        }
        .map_err(missed)
    }
}

/// Reads once; what went wrong stays wrong until the program is started again.
fn once<T>(cell: &OnceLock<Result<T, Word>>, read: impl FnOnce() -> Result<T, Word>) -> Result<&T, Miss> {
    cell.get_or_init(read).as_ref().map_err(|word| Miss::Ours(word.clone()))
}

fn missed(failure: Failure) -> Miss {
    match failure {
        Failure::NotSent(text) => Miss::NotSent(text),
        Failure::Unsure(text) => Miss::Unsure(Word::new("", text)),
        // A setting is wrong; but what ends a handshake may also end a call, so a debit does not count as declined by it.
        Failure::Setup(text) => Miss::TurnedAway(Word::new("http", text)),
    }
}

/// Code and message of a v3 error.
fn v3_word(answer: &Response, text: &str) -> Word {
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    match (said["code"].as_str(), said["message"].as_str()) {
        (Some(code), message) => Word::new(code, message.unwrap_or_default()),
        _ => Word::new(format!("HTTP {}", answer.status), page::words(&answer.body)),
    }
}
