//! The merchant account at WeChat Pay: its settings in `[rail.NAME.account]`, and what is wrong with them as far as can be seen without
//! asking anybody. Owns no call.

use serde::Deserialize;

use super::Wechat;
use crate::adapters::keys::{Certificate, PrivateKey, PublicKey, Standing};
use crate::adapters::rail::{Capability, Finding, Level};
use crate::config::{Secret, SecretRef};
use crate::domain::rail::RailNotice;
use crate::t;

/// WeChat Pay's addresses.
pub(super) const HOST: &str = "https://api.mch.weixin.qq.com";
pub(super) const SPARE_HOST: &str = "https://api2.mch.weixin.qq.com";
/// Characters of the v2 key and bytes of the v3 key.
const API_KEY_LEN: usize = 32;

/// The merchant account. What has no default must be set; everything else is documented in `shop.example.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Official account or mini program: `wx…`.
    pub appid: String,
    /// Merchant number.
    pub mch_id: String,
    /// Number of the approved template; it fixes the debit mode, which the rail's profile must match.
    pub plan_id: String,
    /// APIv2 key, 32 characters.
    pub api_v2_key: SecretRef,
    /// APIv3 key, 32 bytes. Needed to fetch platform certificates and to read v3 notices.
    pub api_v3_key: Option<SecretRef>,
    /// `apiclient_key.pem`: signs v3 calls.
    pub merchant_key: Option<SecretRef>,
    /// `apiclient_cert.pem`: gives the serial number, and proves us to v2 refunds.
    pub merchant_certificate: Option<SecretRef>,
    /// Serial number of the merchant certificate, in place of the certificate.
    #[serde(default)]
    pub merchant_serial: String,
    /// WeChat Pay's public key (`pub_key.pem`).
    pub platform_public_key: Option<SecretRef>,
    /// Its id: `PUB_KEY_ID_…`.
    #[serde(default)]
    pub platform_public_key_id: String,
    /// WeChat Pay's platform certificates, one or several in a file. Without any they are fetched.
    pub platform_certificates: Option<SecretRef>,
    /// Where WeChat Pay sends notices of debits, links and refunds: https, no query.
    pub notify_url: String,
    /// Where it sends notices of signing; the same when empty.
    #[serde(default)]
    sign_notify_url: String,
    /// Address of the machine that calls, as the calls carry it.
    #[serde(default = "loopback")]
    pub spbill_create_ip: String,
    /// WeChat Pay's address.
    #[serde(default = "host")]
    pub host: String,
    /// Its spare address, for calls that certainly did not reach the first; empty for none.
    #[serde(default = "spare_host")]
    pub spare_host: String,
    /// Which query is asked first.
    #[serde(default)]
    pub order_query: OrderQuery,
    /// How customers get to the page where they sign.
    #[serde(default)]
    pub sign_way: SignWay,
    /// How money is sent back.
    #[serde(default)]
    pub refund_way: RefundWay,
    /// How bills are fetched.
    #[serde(default)]
    pub bill_version: BillVersion,
    /// Where an accepted debit is decided at once: how often to look before the next run does.
    #[serde(default = "looks")]
    pub decision_looks: u32,
    /// Milliseconds between two looks.
    #[serde(default = "pause")]
    pub decision_pause_ms: u64,
}

/// The query of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderQuery {
    /// `/pay/orderquery`, which the provider's guide uses.
    #[default]
    Orderquery,
    /// `/pay/paporderquery`, which needs no other product; a closed order is then looked for by the first.
    Paporderquery,
}

impl OrderQuery {
    /// The call's path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            OrderQuery::Orderquery => "/pay/orderquery",
            OrderQuery::Paporderquery => "/pay/paporderquery",
        }
    }
}

/// The way to the page where a customer signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignWay {
    /// A link that is opened or scanned inside WeChat.
    #[default]
    Entrustweb,
    /// A page for a phone's browser; needs a further permission.
    H5,
}

/// How money is sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundWay {
    /// `/v3/refund/domestic/refunds`.
    #[default]
    V3,
    /// `/secapi/pay/refund`, over mutual TLS with the merchant certificate.
    V2,
}

/// How bills are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BillVersion {
    /// `/v3/bill/tradebill`, with a hash.
    #[default]
    V3,
    /// `/pay/downloadbill`.
    V2,
}

impl Account {
    /// Where notices of signing go.
    pub(super) fn sign_notify_url(&self) -> String {
        if self.sign_notify_url.is_empty() { self.notify_url.clone() } else { self.sign_notify_url.clone() }
    }
}

/// An address that WeChat Pay can send notices to: a whole https address without a query, on the public net (payment facts 2.3).
///
/// # Errors
/// Why it is none, in plain words.
pub(super) fn check_notify_url(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(host) = rest.map(|rest| rest.split('/').next().unwrap_or_default()) else {
        return Err(t!("{url} is no whole address like https://shop.example/wechat", url = url));
    };
    if url.contains(['?', '#']) {
        return Err(t!("{url}: WeChat Pay takes no address with a query", url = url));
    }
    let host = host.split(':').next().unwrap_or_default();
    let private = ["localhost", "127.", "10.", "192.168."].iter().any(|start| host.starts_with(start));
    if host.is_empty() || private {
        return Err(t!("{url}: WeChat Pay cannot reach an address inside your own net", url = url));
    }
    Ok(())
}

impl Wechat {
    /// What stands beside charging and asking.
    pub(super) fn abilities(&self) -> Vec<Capability> {
        let announces = self.profile.notice == RailNotice::Announce;
        Capability::ALL
            .into_iter()
            .filter(|it| *it != Capability::Postpone && (*it != Capability::Announce || announces))
            .collect()
    }

    /// Looks at keys and settings without asking WeChat Pay.
    pub(super) fn looked_over(&self) -> Vec<Finding> {
        let mut look = Look { rail: self, found: Vec::new() };
        look.numbers();
        look.v2_key();
        look.v3_key();
        let own = look.merchant();
        look.platform(own.as_ref());
        look.found
    }

    /// Whether something that is switched on speaks v3.
    fn speaks_v3(&self) -> bool {
        self.profile.notice == RailNotice::Announce
            || self.account.refund_way == RefundWay::V3
            || self.account.bill_version == BillVersion::V3
    }
}

/// A look over the settings.
struct Look<'w> {
    rail: &'w Wechat,
    found: Vec<Finding>,
}

impl Look<'_> {
    fn numbers(&mut self) {
        let account = &self.rail.account;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !(account.appid.starts_with("wx") && account.appid.len() == 18) {
            self.say(Level::Warn, "appid", t!("it does not look like wx and 16 further characters"));
        }
        if !(digits(&account.mch_id) && (8..=10).contains(&account.mch_id.len())) {
            self.say(Level::Bad, "mch_id", t!("a merchant number has 8 to 10 digits"));
        }
        if !digits(&account.plan_id) {
            self.say(Level::Bad, "plan_id", t!("the number of a template has digits only"));
        }
        for (name, url) in [("notify_url", &account.notify_url), ("sign_notify_url", &account.sign_notify_url)] {
            let given = name == "notify_url" || !url.is_empty();
            if let Some(why) = check_notify_url(url).err().filter(|_| given) {
                self.say(Level::Bad, name, why);
            }
        }
        for (name, host) in [("host", &account.host), ("spare_host", &account.spare_host)] {
            if host.ends_with('/') {
                self.say(Level::Bad, name, t!("it must not end with a slash"));
            }
        }
    }

    fn v2_key(&mut self) {
        let Some(key) = self.secret("api_v2_key", &self.rail.account.api_v2_key) else { return };
        let sound = key.text().len() == API_KEY_LEN && key.text().bytes().all(|byte| byte.is_ascii_alphanumeric());
        match sound {
            true => self.say(Level::Ok, "api_v2_key", t!("32 letters and digits, as it should be")),
            false => {
                self.say(Level::Bad, "api_v2_key", t!("the APIv2 key has 32 letters and digits; this one has not"))
            }
        }
    }

    fn v3_key(&mut self) {
        let Some(named) = &self.rail.account.api_v3_key else {
            if self.rail.speaks_v3() {
                let text = t!("it is not set: v3 notices cannot be read and platform certificates not be fetched");
                self.say(Level::Warn, "api_v3_key", text);
            }
            return;
        };
        let Some(key) = self.secret("api_v3_key", named) else { return };
        match key.text().len() == API_KEY_LEN {
            true => self.say(Level::Ok, "api_v3_key", t!("32 bytes, as it should be")),
            false => self.say(Level::Bad, "api_v3_key", t!("the APIv3 key has 32 bytes; this one has not")),
        }
    }

    /// The merchant's own public key, where there is one to compare with.
    fn merchant(&mut self) -> Option<PublicKey> {
        let account = &self.rail.account;
        let Some(named) = &account.merchant_key else {
            if self.rail.speaks_v3() || account.refund_way == RefundWay::V2 {
                self.say(Level::Bad, "merchant_key", t!("it is not set, and notices, refunds or bills need it"));
            }
            return None;
        };
        let secret = self.secret("merchant_key", named)?;
        let key = match PrivateKey::read(secret.text()) {
            Ok(key) => key,
            Err(fault) => {
                self.say(Level::Bad, "merchant_key", fault.text());
                return None;
            }
        };
        self.say(Level::Ok, "merchant_key", t!("a private key, as it should be"));
        self.merchant_certificate(&key);
        Some(key.public())
    }

    fn merchant_certificate(&mut self, key: &PrivateKey) {
        let account = &self.rail.account;
        let name = "merchant_certificate";
        let Some(named) = &account.merchant_certificate else {
            if account.refund_way == RefundWay::V2 {
                self.say(Level::Bad, name, t!("it is not set, and refunds by v2 need it"));
            }
            let hex = account.merchant_serial.bytes().all(|byte| byte.is_ascii_hexdigit());
            if account.merchant_serial.is_empty() {
                self.say(Level::Bad, "merchant_serial", t!("set it, or name the merchant certificate"));
            } else if !hex {
                self.say(Level::Bad, "merchant_serial", t!("a serial number is hexadecimal"));
            }
            return;
        };
        let Some(secret) = self.secret(name, named) else { return };
        match Certificate::read(secret.text()) {
            Err(fault) => self.say(Level::Bad, name, fault.text()),
            Ok(certificate) if certificate.key != key.public() => {
                self.say(Level::Bad, name, t!("it does not belong to merchant_key"));
            }
            Ok(certificate) => {
                let serial = &account.merchant_serial;
                if !serial.is_empty() && !serial.eq_ignore_ascii_case(&certificate.serial_hex) {
                    let text = t!("it is not the one of the certificate, {serial}", serial = certificate.serial_hex);
                    self.say(Level::Warn, "merchant_serial", text);
                }
                self.validity(name, &certificate);
            }
        }
    }

    fn platform(&mut self, own: Option<&PublicKey>) {
        let account = &self.rail.account;
        if let Some(named) = &account.platform_public_key {
            self.platform_public_key(named, own);
        }
        if let Some(named) = &account.platform_certificates {
            self.platform_certificates(named, own);
        }
        let none = account.platform_public_key.is_none() && account.platform_certificates.is_none();
        if none && self.rail.speaks_v3() {
            match account.api_v3_key {
                Some(_) => {
                    self.say(Level::Ok, "platform_certificates", t!("they are fetched from WeChat Pay when needed"));
                }
                None => {
                    let text = t!("no key of WeChat Pay's is named, so no v3 answer can be believed");
                    self.say(Level::Bad, "platform_public_key", text);
                }
            }
        }
    }

    fn platform_public_key(&mut self, named: &SecretRef, own: Option<&PublicKey>) {
        let name = "platform_public_key";
        let Some(secret) = self.secret(name, named) else { return };
        match PublicKey::read(secret.text()) {
            Err(fault) => self.say(Level::Bad, name, fault.text()),
            Ok(key) if own == Some(&key) => {
                let text = t!("this is your own public key; WeChat Pay's belongs here, from the merchant platform");
                self.say(Level::Bad, name, text);
            }
            Ok(_) => self.say(Level::Ok, name, t!("a public key, as it should be")),
        }
        if !self.rail.account.platform_public_key_id.starts_with("PUB_KEY_ID_") {
            self.say(Level::Bad, "platform_public_key_id", t!("it begins with PUB_KEY_ID_"));
        }
    }

    fn platform_certificates(&mut self, named: &SecretRef, own: Option<&PublicKey>) {
        let name = "platform_certificates";
        let Some(secret) = self.secret(name, named) else { return };
        let certificates = Certificate::read_all(secret.text());
        if certificates.is_empty() {
            self.say(Level::Bad, name, t!("there is no certificate in it"));
        }
        for certificate in certificates {
            match own == Some(&certificate.key) {
                true => {
                    let text = t!("this is your own certificate; WeChat Pay's platform certificate belongs here");
                    self.say(Level::Bad, name, text);
                }
                false => self.validity(name, &certificate),
            }
        }
    }

    fn validity(&mut self, name: &str, certificate: &Certificate) {
        let now = self.rail.clock.now();
        let end = certificate.not_after.with_timezone(&self.rail.profile.timezone).date_naive();
        let serial = &certificate.serial_hex;
        let (level, text) = match certificate.standing(now) {
            Standing::Expired => (Level::Bad, t!("certificate {serial} expired on {end}", serial = serial, end = end)),
            Standing::NotYet => {
                (Level::Bad, t!("certificate {serial} is not valid yet; check the clock", serial = serial))
            }
            Standing::EndsSoon => {
                (Level::Warn, t!("certificate {serial} expires on {end}", serial = serial, end = end))
            }
            Standing::Good => (Level::Ok, t!("certificate {serial} is good until {end}", serial = serial, end = end)),
        };
        self.say(level, name, text);
    }

    /// The secret, or a finding that says why there is none.
    fn secret(&mut self, name: &str, named: &SecretRef) -> Option<Secret> {
        match named.read(&self.rail.setting(name)) {
            Ok(secret) => Some(secret),
            Err(fault) => {
                self.found.push(Finding::of_fault(&fault));
                None
            }
        }
    }

    fn say(&mut self, level: Level, name: &str, text: String) {
        let setting = self.rail.setting(name);
        let hint = match level {
            Level::Ok => String::new(),
            Level::Warn | Level::Bad => t!("look at {setting} in shop.toml", setting = setting),
        };
        self.found.push(Finding { level, what: t!("{about}: {what}", about = setting, what = text), hint });
    }
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}

fn host() -> String {
    HOST.to_owned()
}

fn spare_host() -> String {
    SPARE_HOST.to_owned()
}

const fn looks() -> u32 {
    3
}

const fn pause() -> u64 {
    2_000
}

#[cfg(test)]
mod tests {
    use super::check_notify_url;

    #[test]
    fn notices_need_a_public_address_without_a_query() {
        for (url, sound) in [
            ("https://shop.example/wechat", true),
            ("http://shop.example/wechat", true),
            ("https://shop.example/wechat?x=1", false),
            ("https://localhost/wechat", false),
            ("https://192.168.1.2/wechat", false),
            ("https://127.0.0.1:8080/", false),
            ("shop.example/wechat", false),
            ("https:///x", false),
            ("", false),
        ] {
            assert_eq!(check_notify_url(url).is_ok(), sound, "{url}");
        }
    }
}
