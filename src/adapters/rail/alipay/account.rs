//! The settings of an Alipay account, `[rail.NAME.account]` in `shop.toml`. Owns their names and defaults; `inspect.rs` says what
//! is wrong with them.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::config::SecretRef;
use crate::t;

/// One Alipay account. What payment facts 1.1 marks as "must be config" is here, with the defaults suggested there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The app's id at Alipay.
    pub app_id: String,
    /// The app's private key, PEM or bare base64.
    pub private_key: SecretRef,
    /// Alipay's public key from the console (not the app's own), PEM or bare base64; not with certificates.
    #[serde(default)]
    pub alipay_public_key: Option<SecretRef>,
    /// Certificate mode: the app's certificate, `appCertPublicKey_….crt`.
    #[serde(default)]
    pub app_cert: Option<CertFile>,
    /// Certificate mode: Alipay's certificates, one after another in one file, `alipayCertPublicKey_RSA2.crt`.
    #[serde(default)]
    pub alipay_cert: Option<CertFile>,
    /// Certificate mode: Alipay's root certificates, `alipayRootCert.crt`.
    #[serde(default)]
    pub alipay_root_cert: Option<CertFile>,
    /// Where calls go.
    #[serde(default = "gateway")]
    pub gateway: String,
    /// `personal_product_code` of signing, asking and ending.
    #[serde(default = "personal_product_code")]
    pub personal_product_code: String,
    /// `product_code` of signing.
    #[serde(default = "general_withholding")]
    pub sign_product_code: String,
    /// `product_code` of debiting.
    #[serde(default = "general_withholding")]
    pub pay_product_code: String,
    /// The template made in Alipay's console.
    #[serde(default = "sign_scene")]
    pub sign_scene: String,
    /// How the customer comes to the page: `QRCODE`, `QRCODEORSMS` or `ALIPAYAPP`.
    #[serde(default = "channel")]
    pub channel: String,
    /// What the link for signing looks like; the QR code is always the web link.
    #[serde(default)]
    pub sign_link: LinkKind,
    /// Minutes for which a link for signing is good, a day at most.
    #[serde(default = "a_day_in_minutes", deserialize_with = "within::<_, 1, 1440>")]
    pub sign_link_minutes: u32,
    /// Hours for which a pay link is good, 24 at most: an older one that nobody scanned cannot be cancelled at Alipay.
    #[serde(default = "a_day_in_hours", deserialize_with = "within::<_, 1, 24>")]
    pub pay_link_hours: u32,
    /// Minutes after which Alipay closes a debit that it left open, 15 days at most.
    #[serde(default = "debit_minutes", deserialize_with = "within::<_, 1, 21600>")]
    pub debit_minutes: u32,
    /// The merchant's number, `2088…`: notices for another one are refused. Empty leaves it unchecked.
    #[serde(default)]
    pub seller_id: String,
    /// The token of a merchant for whom an authorised app acts.
    #[serde(default)]
    pub app_auth_token: Option<SecretRef>,
    /// Where Alipay sends notices; empty for none. kibble asks by itself and needs none.
    #[serde(default)]
    pub notify_url: String,
    /// Where the customer comes back to after signing; empty for none.
    #[serde(default)]
    pub return_url: String,
    /// The key with which bodies are encrypted, base64, where the console has it switched on.
    #[serde(default)]
    pub encrypt_key: Option<SecretRef>,
}

/// A certificate's file, `{ file = "keys/app.crt" }`. Certificates are no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertFile {
    /// Where it lies.
    pub file: PathBuf,
}

/// What a link for signing looks like (payment facts 1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// The page itself, for a QR code scanned inside the wallet.
    #[default]
    Web,
    /// `alipays://` with the page: from a phone's browser into the wallet.
    Scheme,
    /// `alipays://` with the signed parameters: from an app of the shop's own.
    App,
    /// An address beginning with `https://` that opens the wallet, for messages.
    Wrapped,
}

impl Account {
    /// True with certificates instead of bare keys.
    pub fn has_certificates(&self) -> bool {
        self.app_cert.is_some() || self.alipay_cert.is_some() || self.alipay_root_cert.is_some()
    }
}

fn gateway() -> String {
    "https://openapi.alipay.com/gateway.do".into()
}

fn personal_product_code() -> String {
    "CYCLE_PAY_AUTH_P".into()
}

fn general_withholding() -> String {
    "GENERAL_WITHHOLDING".into()
}

fn sign_scene() -> String {
    "INDUSTRY|DEFAULT_SCENE".into()
}

fn channel() -> String {
    "QRCODE".into()
}

const fn a_day_in_minutes() -> u32 {
    24 * 60
}

const fn a_day_in_hours() -> u32 {
    24
}

const fn debit_minutes() -> u32 {
    360
}

fn within<'de, D: Deserializer<'de>, const LOW: u32, const HIGH: u32>(value: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(value)?;
    match (LOW..=HIGH).contains(&number) {
        true => Ok(number),
        false => Err(serde::de::Error::custom(t!("must lie between {low} and {high}", low = LOW, high = HIGH))),
    }
}
