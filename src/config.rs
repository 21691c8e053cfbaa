//! `shop.toml` -> [`Config`]. The only reader of settings, of the environment and of paths.
//!
//! Every setting has a default; `shop.example.toml` documents all of them, and a test loads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveTime;
use chrono_tz::Tz;
use directories::ProjectDirs;
use serde::{Deserialize, Serialize};

use crate::adapters::rail::PROFILES;
use crate::domain::agreement::Conditions;
use crate::domain::credit::SCORES;
use crate::domain::date::{Hours, clock_time};
use crate::domain::money::Money;
use crate::domain::rail::Profile;
use crate::fault::Fault;
use crate::t;
use crate::text::Lang;

/// Bytes of the data key.
pub const KEY_LEN: usize = 32;
/// The settings file's name in the shop folder.
pub const SHOP_TOML: &str = "shop.toml";
/// The database's name in the shop folder.
pub const SHOP_DB: &str = "shop.db";
/// The sandbox rails' own book in the shop folder.
pub const SANDBOX_DB: &str = "sandbox.db";
/// The documented settings; `init` starts from it.
pub const EXAMPLE: &str = include_str!("../shop.example.toml");

/// A shop's settings and where its folder is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The shop folder.
    pub folder: PathBuf,
    /// What `shop.toml` says, with defaults filled in.
    pub settings: Settings,
    /// The rails with their rules, `cash` always among them.
    pub rails: BTreeMap<String, RailSettings>,
    /// The message channels, `print` always among them.
    pub channels: BTreeMap<String, ChannelSettings>,
    /// The settings that stand in `shop.toml`, dotted: `debit.hour`.
    given: BTreeSet<String>,
}

/// A setting as `config show` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownSetting {
    /// Its name in `shop.toml`, dotted: `debit.hour`.
    pub name: String,
    /// Its value as `shop.toml` would write it; never a secret.
    pub value: String,
    /// True when it stands in `shop.toml`.
    pub given: bool,
    /// True when the value is the default.
    pub default: bool,
}

/// `shop.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The shop's name.
    pub name: String,
    /// The name in English messages; empty for the same.
    #[serde(default)]
    pub name_en: String,
    /// Language of what people read; `None` leaves it to each person's computer.
    pub lang: Option<Lang>,
    /// Time zone of the shop.
    #[serde(default = "shanghai")]
    pub timezone: Tz,
    /// The data key.
    pub key_file: PathBuf,
    /// What stands in the agreement about the shop.
    #[serde(default)]
    pub merchant: Merchant,
    /// How providers are reached.
    #[serde(default)]
    pub http: HttpSettings,
    /// Payment rails by name.
    #[serde(default, skip_serializing)]
    rail: BTreeMap<String, RawRail>,
    /// Message channels by name.
    #[serde(default, skip_serializing)]
    channel: BTreeMap<String, toml::Table>,
    /// The debit run.
    #[serde(default)]
    pub debit: Debit,
    /// The numbers promised in the agreement.
    #[serde(default)]
    pub terms: Terms,
    /// What the wallet may pay for.
    #[serde(default)]
    pub wallet: Wallet,
    /// Member tiers, lowest first.
    #[serde(default)]
    pub tier: Vec<Tier>,
    /// Messages.
    #[serde(default)]
    pub messages: Messages,
    /// The credit check at signing.
    #[serde(default)]
    pub credit: CreditSettings,
    /// The sandbox's behaviour.
    #[serde(default)]
    pub sandbox: SandboxSettings,
    /// Backups kept.
    #[serde(default)]
    pub backup: BackupSettings,
}

/// What stands in the agreement about the shop.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Merchant {
    /// Unified social credit code.
    pub uscc: String,
    /// Business address.
    pub address: String,
    /// Phone.
    pub phone: String,
    /// Phone for complaints; the phone above when empty.
    pub complaint_phone: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRail {
    adapter: String,
    profile: Option<String>,
    #[serde(default)]
    label_zh: String,
    #[serde(default)]
    label_en: String,
    #[serde(default = "default_fee_bps")]
    fee_bps: i64,
    #[serde(default)]
    account: toml::Table,
    #[serde(default)]
    rules: toml::Table,
}

/// How providers are reached. TLS certificates are always verified; there is no setting for that.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Seconds to find and reach the provider.
    pub connect_seconds: u64,
    /// Seconds for a whole call; after that its outcome is unknown.
    pub timeout_seconds: u64,
    /// `http://host:port` of a proxy; empty for none. The environment's proxy is not used.
    pub proxy: String,
    /// PEM file with the root certificates to trust in place of the built-in ones, relative to the shop folder; empty for none.
    pub ca_file: PathBuf,
}

/// How a rail is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterKind {
    /// The pretended provider.
    Sandbox,
    /// The counter.
    Cash,
    /// Alipay.
    Alipay,
    /// WeChat Pay.
    Wechat,
    /// A program of the shop's own.
    Exec,
}

impl AdapterKind {
    /// Every adapter, in the order in which they are told.
    pub const ALL: [AdapterKind; 5] =
        [AdapterKind::Sandbox, AdapterKind::Cash, AdapterKind::Alipay, AdapterKind::Wechat, AdapterKind::Exec];

    /// The word in `shop.toml` and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            AdapterKind::Sandbox => "sandbox",
            AdapterKind::Cash => "cash",
            AdapterKind::Alipay => "alipay",
            AdapterKind::Wechat => "wechat",
            AdapterKind::Exec => "exec",
        }
    }

    /// False where real money moves by a call of this program's.
    pub const fn is_rehearsal(self) -> bool {
        matches!(self, AdapterKind::Sandbox | AdapterKind::Cash)
    }
}

/// A secret that `shop.toml` names and never holds: `{ file = "keys/app.pem" }` or `{ env = "ALIPAY_KEY" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    file: Option<PathBuf>,
    env: Option<String>,
}

/// A secret that was read. It shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, without white space round it. Never for logs or errors.
    pub fn text(&self) -> &str {
        self.0.trim()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl SecretRef {
    /// Reads the secret. `setting` is its dotted name in `shop.toml`, for people.
    ///
    /// # Errors
    /// When neither or both of file and environment variable are named, the file is missing, other people can read it, or the
    /// variable is not set. The secret is never part of an error.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads environment and paths")]
    pub fn read(&self, setting: &str) -> std::result::Result<Secret, Fault> {
        let secret = match (&self.file, &self.env) {
            (Some(file), None) => {
                let text = read_text(file).map_err(|_| {
                    let file = file.display();
                    Fault::not_found(t!("{setting}: {file} cannot be read", setting = setting, file = file))
                        .hint(t!("put the file there, or correct {setting} in shop.toml", setting = setting))
                })?;
                if let Some(mode) = readable_by_others(file) {
                    let file = file.display();
                    return Err(Fault::refused(t!(
                        "{setting}: other people on this machine can read {file} (mode {mode})",
                        setting = setting,
                        file = file,
                        mode = mode
                    ))
                    .hint(t!("run `chmod 600 {path}`", path = file)));
                }
                text
            }
            (None, Some(name)) => std::env::var(name).map_err(|_| {
                Fault::not_found(t!(
                    "{setting}: the environment variable {name} is not set",
                    setting = setting,
                    name = name
                ))
                .hint(t!("set it for cron too, or name a file in shop.toml"))
            })?,
            _ => {
                return Err(Fault::refused(t!(
                    "{setting}: name a file or an environment variable, one of the two",
                    setting = setting
                )));
            }
        };
        if secret.trim().is_empty() {
            return Err(Fault::refused(t!("{setting}: it is empty", setting = setting)));
        }
        Ok(Secret(secret))
    }
}

/// The mode of a file that people other than its owner can read.
fn readable_by_others(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then(|| format!("{mode:o}"))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// One rail with its rules.
#[derive(Clone, Debug)]
pub struct RailSettings {
    /// Its name in `shop.toml` and in columns.
    pub name: String,
    /// How it is reached.
    pub adapter: AdapterKind,
    /// Its rules: the built-in profile with the shop's overrides.
    pub profile: Profile,
    /// Name of the built-in profile it starts from.
    pub profile_name: String,
    /// What customers call it, in Chinese.
    pub label_zh: String,
    /// What customers call it, in English.
    pub label_en: String,
    /// The rail's fee in basis points.
    pub fee_bps: i64,
    /// Rules of the profile that `shop.toml` overrides.
    pub overridden: Vec<String>,
    /// The account at the provider, as it stands in `[rail.NAME.account]`; files in it are absolute.
    account: toml::Table,
}

/// How a message channel is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A file in the shop folder.
    Print,
    /// A program of the shop's own.
    Exec,
    /// SMS through Aliyun.
    Aliyun,
    /// SMS through Tencent Cloud.
    Tencent,
    /// WeChat subscribe messages.
    Wechat,
    /// A web address of the shop's own.
    Webhook,
    /// E-mail.
    Smtp,
}

impl ChannelKind {
    /// Every adapter, in the order in which they are told.
    pub const ALL: [ChannelKind; 7] = [
        ChannelKind::Print,
        ChannelKind::Exec,
        ChannelKind::Aliyun,
        ChannelKind::Tencent,
        ChannelKind::Wechat,
        ChannelKind::Webhook,
        ChannelKind::Smtp,
    ];

    /// The word in `shop.toml` and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            ChannelKind::Print => "print",
            ChannelKind::Exec => "exec",
            ChannelKind::Aliyun => "aliyun",
            ChannelKind::Tencent => "tencent",
            ChannelKind::Wechat => "wechat",
            ChannelKind::Webhook => "webhook",
            ChannelKind::Smtp => "smtp",
        }
    }

    /// Messages a day that one phone number may get, unless `shop.toml` says otherwise; 0 for any number.
    const fn daily_per_number(self) -> u32 {
        match self {
            ChannelKind::Aliyun | ChannelKind::Tencent => 10,
            _ => 0,
        }
    }
}

/// A message channel.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Its name in `shop.toml` and in columns.
    pub name: String,
    /// How it is reached.
    pub adapter: ChannelKind,
    /// Messages a day that one phone number may get; 0 for any number.
    pub daily_per_number: u32,
    /// The rest of `[channel.NAME]`; files in it are absolute.
    account: toml::Table,
}

/// The debit run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Debit {
    /// Time of day from which charges are made.
    #[serde(deserialize_with = "time_of_day", serialize_with = "show_time")]
    pub hour: NaiveTime,
    /// Hours between announcement and the earliest charge, at least 48.
    pub notice_hours: u32,
    /// Hours ahead at which the announcement is sent.
    pub announce_hours: u32,
    /// Days ahead of a second, earlier reminder; 0 for none.
    pub heads_up_days: u32,
    /// Hours between a failure and each retry.
    pub retry_gaps_hours: Vec<u32>,
    /// Charges per commit.
    pub window: u32,
    /// Backlog cap: charges.
    pub backlog_count: u64,
    /// Backlog cap: sum.
    pub backlog_amount: Money,
    /// Hours between runs that count as an outage.
    pub backlog_after_hours: u32,
    /// Days by which the clock may be ahead of the last run.
    pub clock_leap_days: u32,
}

/// The numbers promised in the agreement.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Days of withdrawal without reasons.
    pub cooling_off_days: u32,
    /// Days from termination to refund.
    pub refund_days: u32,
    /// Days in which the shop confirms the statement.
    pub confirm_days: u32,
    /// Days a written reminder gives.
    pub cure_days: u32,
    /// Retries within 24 hours.
    pub retry_max: u32,
    /// Years for which records are kept.
    pub retention_years: u32,
    /// Days in which a complaint is decided.
    pub resolve_days: u32,
    /// Diseases of the guarantee, in Chinese.
    pub disease_list_zh: String,
    /// Diseases of the guarantee, in English.
    pub disease_list_en: String,
    /// Interest when the shop is the cause, basis points a year.
    pub interest_bps_merchant: i64,
    /// Interest otherwise, basis points a year.
    pub interest_bps_consumer: i64,
    /// Settlement at list price after the customer's own termination.
    pub list_price_settlement: bool,
}

/// What the wallet may pay for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wallet {
    /// Categories the wallet may pay for, unless an item says otherwise.
    pub categories: Vec<String>,
    /// Balance above which the owner is warned.
    pub warn_above: Money,
}

/// A member tier.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Months performed.
    pub months: u32,
    /// Amount collected.
    pub amount: Money,
    /// Benefits in Chinese.
    #[serde(default)]
    pub benefits_zh: String,
    /// Benefits in English.
    #[serde(default)]
    pub benefits_en: String,
}

/// Messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Messages {
    /// Channels in the order in which they are tried.
    pub channels: Vec<String>,
    /// The same for messages to the shop; empty for the same channels.
    pub to_shop: Vec<String>,
    /// The same for single messages, by template.
    pub by_kind: BTreeMap<String, Vec<String>>,
    /// Mobile number for messages to the shop; `merchant.phone` when empty.
    pub owner_phone: String,
    /// E-mail address for messages to the shop.
    pub owner_email: String,
    /// Hours in which customers may be contacted.
    pub hours: Hours,
    /// Start of links.
    pub link: String,
    /// Templates that are not sent.
    pub off: Vec<String>,
}

/// The credit check at signing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditSettings {
    /// `off`, `manual`, `zhima` or `sandbox`.
    pub check: String,
    /// The least score that passes, 350 to 950.
    pub score: u32,
    /// For `zhima`: the Alipay rail whose account asks.
    pub rail: String,
    /// For `zhima`: the product that the contract with Zhima names.
    pub product_code: String,
}

/// The sandbox's behaviour.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// Seed of the decisions below.
    pub seed: u64,
    /// Of 10 000 charges, how many fail for lack of funds.
    pub no_funds_bps: u32,
    /// Of 10 000 charges, how many fail for a limit.
    pub limit_bps: u32,
    /// Of 10 000 charges, how many lose their answer.
    pub lose_answer_bps: u32,
}

/// Backups kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSettings {
    /// Newest of each of that many days.
    pub keep_daily: u32,
    /// Newest of each of that many weeks.
    pub keep_weekly: u32,
    /// Newest of each of that many months.
    pub keep_monthly: u32,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings { connect_seconds: 5, timeout_seconds: 20, proxy: String::new(), ca_file: PathBuf::new() }
    }
}

impl Default for Debit {
    fn default() -> Debit {
        Debit {
            hour: NaiveTime::from_hms_opt(9, 0, 0).expect("nine in the morning exists"),
            notice_hours: 48,
            announce_hours: 73,
            heads_up_days: 0,
            retry_gaps_hours: vec![8, 15],
            window: 32,
            backlog_count: 500,
            backlog_amount: Money::from_fen(10_000_000),
            backlog_after_hours: 36,
            clock_leap_days: 62,
        }
    }
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            cooling_off_days: 7,
            refund_days: 5,
            confirm_days: 3,
            cure_days: 15,
            retry_max: 2,
            retention_years: 3,
            resolve_days: 7,
            disease_list_zh: "猫瘟、猫传染性腹膜炎、犬细小病毒病、犬瘟热".into(),
            disease_list_en: "feline panleukopenia, feline infectious peritonitis, canine parvovirus, canine distemper"
                .into(),
            interest_bps_merchant: 300,
            interest_bps_consumer: 150,
            list_price_settlement: false,
        }
    }
}

impl Default for Wallet {
    fn default() -> Wallet {
        let categories = ["staple", "snack", "freeze_dried", "litter", "supplement", "dewormer", "service"];
        Wallet { categories: categories.map(str::to_owned).to_vec(), warn_above: Money::from_fen(500_000) }
    }
}

impl Default for Messages {
    fn default() -> Messages {
        Messages {
            channels: vec!["print".into()],
            to_shop: Vec::new(),
            by_kind: BTreeMap::new(),
            owner_phone: String::new(),
            owner_email: String::new(),
            hours: Hours::new((8, 0), (22, 0)),
            link: "kb.cn/".into(),
            off: Vec::new(),
        }
    }
}

impl Default for CreditSettings {
    fn default() -> CreditSettings {
        CreditSettings {
            check: "off".into(),
            score: 600,
            rail: "alipay".into(),
            product_code: "w1010100000000002733".into(),
        }
    }
}

impl Default for BackupSettings {
    fn default() -> BackupSettings {
        BackupSettings { keep_daily: 14, keep_weekly: 8, keep_monthly: 24 }
    }
}

impl Terms {
    /// The numbers frozen with an agreement, for a plan with `guarantee_days`.
    pub fn conditions(&self, guarantee_days: u32) -> Conditions {
        Conditions {
            cooling_off_days: self.cooling_off_days,
            refund_days: self.refund_days,
            confirm_days: self.confirm_days,
            cure_days: self.cure_days,
            retry_max: self.retry_max,
            guarantee_days,
            retention_years: self.retention_years,
            resolve_days: self.resolve_days,
            interest_bps_merchant: self.interest_bps_merchant,
            interest_bps_consumer: self.interest_bps_consumer,
            list_price_settlement: self.list_price_settlement,
        }
    }
}

impl RailSettings {
    /// The account at the provider, in the adapter's own type.
    ///
    /// # Errors
    /// When a setting of it is missing, unknown or of the wrong kind; it is named.
    pub fn account<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        self.account.clone().try_into().map_err(|error: toml::de::Error| {
            let key = format!("rail.{}.account", self.name);
            Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = reason(error.message())))
                .hint(t!("correct that line; every setting is explained in shop.example.toml"))
                .into()
        })
    }

    /// What people call the rail, in `lang`.
    pub fn label(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.label_zh,
            Lang::En => &self.label_en,
        }
    }
}

impl ChannelSettings {
    /// The channel's own settings, in the adapter's own type.
    ///
    /// # Errors
    /// When a setting of it is missing, unknown or of the wrong kind; it is named.
    pub fn account<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        self.account.clone().try_into().map_err(|error: toml::de::Error| {
            let key = format!("channel.{}", self.name);
            Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = reason(error.message())))
                .hint(t!("correct that line; every setting is explained in shop.example.toml"))
                .into()
        })
    }

    /// True when it may bring a message to somebody on another machine. A program of the shop's own answers for itself.
    fn reaches_people(&self) -> bool {
        let text = |key: &str| self.account.get(key).and_then(toml::Value::as_str);
        let host = match self.adapter {
            ChannelKind::Print | ChannelKind::Exec => return false,
            ChannelKind::Smtp => text("host"),
            ChannelKind::Webhook => text("url"),
            ChannelKind::Aliyun | ChannelKind::Tencent | ChannelKind::Wechat => text("endpoint"),
        };
        let host = host.unwrap_or_default();
        let host = host.split_once("://").map_or(host, |(_, rest)| rest);
        let host = host.split(['/', ':', '?']).next().unwrap_or_default();
        host != "localhost" && !host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
    }
}

impl Config {
    /// Reads the settings of the shop in `folder`.
    ///
    /// # Errors
    /// When there is no `shop.toml`, or something in it is wrong; line and key are named.
    pub fn load(folder: &Path) -> Result<Config> {
        let path = folder.join(SHOP_TOML);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Fault::not_found(t!("there is no shop in {folder}", folder = folder.display()))
                    .hint(t!("make one with `kibble init`, or name the shop's folder with --shop"))
                    .into());
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        Config::parse(folder, &text)
    }

    /// Reads settings from `text`, as if it were the `shop.toml` of `folder`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(folder: &Path, text: &str) -> Result<Config> {
        let mut settings: Settings = toml::from_str(text).map_err(|error| wrong_toml(text, &error))?;
        settings.check()?;
        if settings.http.ca_file.is_relative() && !settings.http.ca_file.as_os_str().is_empty() {
            settings.http.ca_file = folder.join(&settings.http.ca_file);
        }
        let mut rails = BTreeMap::new();
        for (name, raw) in &settings.rail {
            rails.insert(name.clone(), rail(folder, name, raw)?);
        }
        let counter = RawRail {
            adapter: "cash".into(),
            profile: Some("cash".into()),
            label_zh: "现金".into(),
            label_en: "cash".into(),
            fee_bps: 0,
            account: toml::Table::new(),
            rules: toml::Table::new(),
        };
        if !rails.contains_key("cash") {
            rails.insert("cash".into(), rail(folder, "cash", &counter)?);
        }
        if settings.credit.check == "sandbox" && !rails.values().all(|rail| rail.adapter.is_rehearsal()) {
            return Err(Fault::refused(t!(
                "shop.toml: {key}: {why}",
                key = "credit.check",
                why = t!("sandbox is for rehearsals, and a payment rail of this shop moves real money")
            ))
            .into());
        }
        let is_alipay = |rail: &RailSettings| rail.adapter == AdapterKind::Alipay;
        if settings.credit.check == "zhima" && !rails.get(&settings.credit.rail).is_some_and(is_alipay) {
            return Err(Fault::refused(t!(
                "shop.toml: {key}: {why}",
                key = "credit.rail",
                why = t!("must name a payment rail whose adapter is alipay")
            ))
            .into());
        }
        let mut channels = BTreeMap::new();
        for (name, table) in &settings.channel {
            channels.insert(name.clone(), channel(folder, name, table)?);
        }
        if !channels.contains_key("print") {
            let table = toml::Table::from_iter([("adapter".to_owned(), "print".into())]);
            channels.insert("print".into(), channel(folder, "print", &table)?);
        }
        settings.messages.check(&channels)?;
        let mut given = BTreeMap::new();
        flatten("", &toml::Value::Table(toml::from_str(text).context("read a moment ago")?), &mut given);
        Ok(Config { folder: folder.to_owned(), settings, rails, channels, given: given.into_keys().collect() })
    }

    /// The same shop in another folder, where nothing of it can reach anybody: every rail but the counter is a sandbox that keeps its
    /// profile, fee and name, every channel writes to a file, nobody is asked about credit, and the witness lies in that folder. The
    /// data key does not: whoever opens the shop there brings it along.
    pub fn detached(&self, folder: &Path) -> Config {
        let mut config = self.clone();
        config.folder = folder.to_owned();
        config.settings.key_file = folder.join("no.key");
        config.settings.credit.check = "off".to_owned();
        config.settings.sandbox = SandboxSettings::default();
        for rail in config.rails.values_mut().filter(|rail| rail.adapter != AdapterKind::Cash) {
            rail.adapter = AdapterKind::Sandbox;
            rail.account = toml::Table::new();
        }
        for channel in config.channels.values_mut() {
            channel.adapter = ChannelKind::Print;
            channel.account = toml::Table::new();
        }
        config
    }

    /// Every setting but the rails and the channels, with its value and whether `shop.toml` says so.
    ///
    /// # Errors
    /// Never for settings that were read; the type comes from the TOML writer.
    pub fn shown(&self) -> Result<Vec<ShownSetting>> {
        let bare: Settings =
            toml::from_str("name = ''\nkey_file = ''").context("the two settings without a default")?;
        let (values, defaults) = (self.settings.flat()?, bare.flat()?);
        let shown = values.into_iter().map(|(name, value)| ShownSetting {
            given: self.given.contains(&name),
            default: defaults.get(&name) == Some(&value),
            name,
            value,
        });
        Ok(shown.collect())
    }

    /// Where the database lies.
    pub fn db_path(&self) -> PathBuf {
        self.folder.join(SHOP_DB)
    }

    /// Where the sandbox's book lies.
    pub fn sandbox_path(&self) -> PathBuf {
        self.folder.join(SANDBOX_DB)
    }

    /// Where the debit run's lock lies.
    pub fn lock_path(&self) -> PathBuf {
        self.folder.join("debit.lock")
    }

    /// Where the lock of whoever delivers messages lies.
    pub fn outbox_lock_path(&self) -> PathBuf {
        self.folder.join("messages.lock")
    }

    /// Texts of messages that the shop puts in the place of the built-in ones; may be absent.
    pub fn letters_path(&self) -> PathBuf {
        self.folder.join("templates").join("notifications.toml")
    }

    /// Where backups go when nothing is said.
    pub fn backups_path(&self) -> PathBuf {
        self.folder.join("backups")
    }

    /// True when no rail can move real money: only then may time be pretended. Cash is the clerk's own hand.
    pub fn is_rehearsal(&self) -> bool {
        self.rails.values().all(|rail| rail.adapter.is_rehearsal())
    }

    /// The first channel in use that may bring a message to people outside this machine, if there is one. Then no time may be
    /// pretended either.
    pub fn reaches_people(&self) -> Option<&str> {
        let messages = &self.settings.messages;
        let used = messages.by_kind.values().chain([&messages.channels, &messages.to_shop]).flatten();
        let reaching = |name: &&String| self.channels.get(*name).is_some_and(ChannelSettings::reaches_people);
        used.into_iter().find(reaching).map(String::as_str)
    }

    /// The shop's own text of a template, `agreement.zh.txt.j2`, where it overrides the built-in one.
    ///
    /// # Errors
    /// When there is such a file and it cannot be read.
    pub fn template(&self, name: &str) -> Result<Option<String>> {
        let path = self.folder.join("templates").join(name);
        match read_text(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// The rail called `name`.
    ///
    /// # Errors
    /// When `shop.toml` has none of that name.
    pub fn rail(&self, name: &str) -> Result<&RailSettings> {
        self.rails.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.rails.keys().map(String::as_str).collect();
            Fault::not_found(t!("shop.toml has no payment rail called {name}", name = name))
                .hint(t!("it has {known}", known = known.join(", ")))
                .into()
        })
    }

    /// Reads the data key.
    ///
    /// # Errors
    /// When the file is missing, readable by others, or not a key.
    pub fn key(&self) -> Result<[u8; KEY_LEN]> {
        read_key(&self.settings.key_file)
    }

    /// The file beside the data key that remembers how far the database had come, so that a restored or copied one shows.
    pub fn witness_path(&self) -> PathBuf {
        self.settings.key_file.with_extension("seen")
    }

    /// The shop's name in `lang`.
    pub fn shop_name(&self, lang: Lang) -> &str {
        match lang {
            Lang::En if !self.settings.name_en.is_empty() => &self.settings.name_en,
            _ => &self.settings.name,
        }
    }
}

impl Settings {
    /// Every setting by its dotted name.
    fn flat(&self) -> Result<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        flatten("", &toml::Value::try_from(self).context("settings as TOML")?, &mut values);
        // A language that is not chosen has no spelling in TOML.
        values.entry("lang".to_owned()).or_default();
        Ok(values)
    }

    fn check(&self) -> Result<()> {
        let wrong = |key: &str, why: String| -> Result<()> {
            Err(Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = why)).into())
        };
        if self.debit.notice_hours < 48 {
            return wrong("debit.notice_hours", t!("the agreement promises 48 hours' notice; 48 is the least"));
        }
        if self.debit.announce_hours < self.debit.notice_hours {
            return wrong("debit.announce_hours", t!("must not be less than notice_hours"));
        }
        let announced = self.debit.announce_hours.div_ceil(24);
        if self.debit.heads_up_days != 0 && self.debit.heads_up_days <= announced {
            return wrong("debit.heads_up_days", t!("0, or more days than the announcement is sent ahead"));
        }
        if !(1..=1_024).contains(&self.debit.window) {
            return wrong("debit.window", t!("must lie between 1 and 1024"));
        }
        self.in_reach()?;
        if self.debit.retry_gaps_hours.len() > 2 || self.terms.retry_max > 2 {
            return wrong("debit.retry_gaps_hours", t!("the agreement allows two retries at most"));
        }
        if self.terms.cooling_off_days < 7 {
            return wrong("terms.cooling_off_days", t!("the law gives 7 days; 7 is the least"));
        }
        if self.terms.refund_days > 15 {
            return wrong("terms.refund_days", t!("a refund may take 15 days at most"));
        }
        if !["off", "manual", "zhima", "sandbox"].contains(&self.credit.check.as_str()) {
            return wrong("credit.check", t!("must be off, manual, zhima or sandbox"));
        }
        if !(SCORES.0..=SCORES.1).contains(&self.credit.score) {
            return wrong("credit.score", t!("must lie between {low} and {high}", low = SCORES.0, high = SCORES.1));
        }
        Ok(())
    }
}

impl Settings {
    /// Numbers that are added to dates or divide money: a slip of the finger must not carry a due date out of the calendar.
    fn in_reach(&self) -> Result<()> {
        let (debit, terms, sandbox) = (&self.debit, &self.terms, &self.sandbox);
        let gap = debit.retry_gaps_hours.iter().copied().max().unwrap_or_default();
        for (key, number, most) in [
            ("debit.notice_hours", debit.notice_hours.into(), MOST_HOURS),
            ("debit.announce_hours", debit.announce_hours.into(), MOST_HOURS),
            ("debit.heads_up_days", debit.heads_up_days.into(), MOST_DAYS),
            ("debit.retry_gaps_hours", gap.into(), MOST_HOURS),
            ("debit.backlog_after_hours", debit.backlog_after_hours.into(), MOST_HOURS),
            ("debit.clock_leap_days", debit.clock_leap_days.into(), 10 * MOST_DAYS),
            ("terms.cooling_off_days", terms.cooling_off_days.into(), MOST_DAYS),
            ("terms.confirm_days", terms.confirm_days.into(), MOST_DAYS),
            ("terms.cure_days", terms.cure_days.into(), MOST_DAYS),
            ("terms.resolve_days", terms.resolve_days.into(), MOST_DAYS),
            ("terms.retention_years", terms.retention_years.into(), 100),
            ("terms.interest_bps_merchant", terms.interest_bps_merchant, WHOLE_BPS),
            ("terms.interest_bps_consumer", terms.interest_bps_consumer, WHOLE_BPS),
            ("sandbox.no_funds_bps", sandbox.no_funds_bps.into(), WHOLE_BPS),
            ("sandbox.limit_bps", sandbox.limit_bps.into(), WHOLE_BPS),
            ("sandbox.lose_answer_bps", sandbox.lose_answer_bps.into(), WHOLE_BPS),
            ("http.connect_seconds", i64::try_from(self.http.connect_seconds).unwrap_or(i64::MAX), MOST_SECONDS),
            ("http.timeout_seconds", i64::try_from(self.http.timeout_seconds).unwrap_or(i64::MAX), MOST_SECONDS),
        ] {
            within_reach(key, number, 0, most)?;
        }
        Ok(())
    }
}

/// A year of hours, and of days.
const MOST_HOURS: i64 = 366 * 24;
const MOST_DAYS: i64 = 366;
/// An hour, for a call to a provider.
const MOST_SECONDS: i64 = 3_600;
/// Basis points of the whole.
const WHOLE_BPS: i64 = 10_000;

fn within_reach(key: &str, number: i64, least: i64, most: i64) -> Result<()> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    let why = t!("must lie between {low} and {high}", low = least, high = most);
    Err(Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = why)).into())
}

/// The same for the numbers of a rail.
fn rail_in_reach(name: &str, fee_bps: i64, rules: &Profile) -> Result<()> {
    within_reach(&format!("rail.{name}.fee_bps"), fee_bps, 0, WHOLE_BPS)?;
    for (key, number, least, most) in [
        ("debit_day_max", rules.debit_day_max, 1, 31),
        ("registered_days_after", rules.registered_days_after, 0, 31),
        ("registered_day_max", rules.registered_day_max, 1, 31),
        ("window_days_before", rules.window_days_before, 0, 10 * MOST_DAYS),
        ("window_days_after", rules.window_days_after, 0, 10 * MOST_DAYS),
        ("notice_days", rules.notice_days, 0, MOST_DAYS),
        ("notice_valid_days", rules.notice_valid_days, 0, MOST_DAYS),
        ("first_charge_grace_hours", rules.first_charge_grace_hours, 0, MOST_HOURS),
        ("pending_hours", rules.pending_hours, 0, MOST_HOURS),
        ("retry_gap_hours", rules.retry_gap_hours, 0, MOST_HOURS),
        ("retry_within_hours", rules.retry_within_hours, 0, MOST_HOURS),
        ("not_found_after_seconds", rules.not_found_after_seconds, 0, MOST_HOURS * MOST_SECONDS),
        ("query_days", rules.query_days, 0, 10 * MOST_DAYS),
        ("calls_in_flight", rules.calls_in_flight, 0, 1_024),
    ] {
        within_reach(&format!("rail.{name}.rules.{key}"), number.into(), least, most)?;
    }
    Ok(())
}

impl Messages {
    fn check(&self, channels: &BTreeMap<String, ChannelSettings>) -> Result<()> {
        let wrong = |key: &str, why: String| -> Result<()> {
            Err(Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = why))
                .hint(t!("it has {known}", known = channels.keys().cloned().collect::<Vec<_>>().join(", ")))
                .into())
        };
        if self.channels.is_empty() {
            return wrong("messages.channels", t!("name at least one channel"));
        }
        let by_kind = self.by_kind.iter().map(|(kind, order)| (format!("messages.by_kind.{kind}"), order));
        let lists = [("messages.channels".to_owned(), &self.channels), ("messages.to_shop".to_owned(), &self.to_shop)];
        for (key, order) in by_kind.chain(lists) {
            if let Some(name) = order.iter().find(|name| !channels.contains_key(*name)) {
                return wrong(&key, t!("there is no channel called {name}", name = name));
            }
        }
        for kind in self.by_kind.keys() {
            if !crate::domain::message::REQUIRED.iter().any(|(known, _)| known == kind) {
                let key = format!("messages.by_kind.{kind}");
                return Err(Fault::refused(t!(
                    "shop.toml: {key}: no message is called {name}",
                    key = key,
                    name = kind
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// Which folder is the shop: the flag, else `KIBBLE_SHOP`, else the current folder if it has a `shop.toml`, else the platform's
/// data folder.
///
/// # Errors
/// When there is no home folder to look in.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads environment and paths")]
pub fn find_folder(flag: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = flag {
        return Ok(folder.to_owned());
    }
    if let Some(folder) = std::env::var_os("KIBBLE_SHOP").filter(|value| !value.is_empty()) {
        return Ok(folder.into());
    }
    let here = std::env::current_dir().context("the current folder")?;
    if here.join(SHOP_TOML).exists() {
        return Ok(here);
    }
    Ok(project_dirs()?.data_dir().to_owned())
}

/// Where a new shop goes when nothing is said: the flag, else `KIBBLE_SHOP`, else the current folder.
///
/// # Errors
/// When the current folder cannot be read.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads environment and paths")]
pub fn new_folder(flag: Option<&Path>) -> Result<PathBuf> {
    match (flag, std::env::var_os("KIBBLE_SHOP").filter(|value| !value.is_empty())) {
        (Some(folder), _) => absolute(folder),
        (None, Some(folder)) => absolute(Path::new(&folder)),
        (None, None) => std::env::current_dir().context("the current folder"),
    }
}

/// `path` made absolute without asking the disk.
///
/// # Errors
/// When the current folder cannot be read.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

/// Where the data key of a new shop goes: the platform's settings folder, never the shop's.
///
/// # Errors
/// When there is no home folder.
pub fn new_key_path(install_code: &str) -> Result<PathBuf> {
    Ok(project_dirs()?.config_dir().join(format!("{install_code}.key")))
}

/// True when every payment rail that a `shop.toml` names is a sandbox or the counter, whether or not this kibble knows all of its
/// settings: a demo may be of an older kibble. False for a text that is no TOML.
pub fn only_rehearses(text: &str) -> bool {
    let Ok(table) = toml::from_str::<toml::Table>(text) else { return false };
    let adapter = |rail: &toml::Value| rail.get("adapter").and_then(|it| it.as_str().map(str::to_owned));
    match table.get("rail").and_then(toml::Value::as_table) {
        Some(rails) => rails.values().all(|rail| adapter(rail).is_some_and(|it| it == "sandbox" || it == "cash")),
        None => false,
    }
}

/// The program that is running, for the crontab line.
pub fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("kibble"))
}

/// The command that was typed with the word `from` replaced by `to`, for a hint; `None` when that word was not typed.
pub fn retyped(from: &str, to: &str) -> Option<String> {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if !words.iter().any(|word| word.trim() == from) {
        return None;
    }
    let words = words.iter().map(|word| match word.trim() == from {
        true => to.to_owned(),
        false if word.contains(char::is_whitespace) => format!("'{word}'"),
        false => word.clone(),
    });
    Some(std::iter::once("kibble".to_owned()).chain(words).collect::<Vec<_>>().join(" "))
}

/// Who is at the keyboard, for the audit trail: `KIBBLE_ACTOR`, else the login name, else `cron` where there is neither.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn actor() -> String {
    ["KIBBLE_ACTOR", "USER", "USERNAME", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "cron".into())
}

/// How long a command waits for another one's short write, in milliseconds: five seconds, or what `KIBBLE_BUSY_MS` says. That
/// variable is for tests of a locked database, which would otherwise wait.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn busy_ms() -> u64 {
    const DEFAULT_MS: u64 = 5_000;
    std::env::var("KIBBLE_BUSY_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_MS)
}

/// A new temporary folder for what is thrown away and never needs to survive: in memory, where this machine has such a place.
///
/// # Errors
/// When no temporary folder can be made.
pub fn scratch_folder() -> Result<tempfile::TempDir> {
    const IN_MEMORY: &str = "/dev/shm";
    let made = tempfile::Builder::new().prefix("kibble-").tempdir_in(IN_MEMORY);
    made.or_else(|_| tempfile::tempdir()).context("a temporary folder")
}

/// This machine's name, for the audit trail.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// The language that the shop in `folder` chose; never fails, because a broken `shop.toml` is reported later, in some language.
pub fn lang_of(flag: Option<&Path>) -> Option<Lang> {
    #[derive(Deserialize)]
    struct Only {
        lang: Option<Lang>,
    }
    let text = read_text(&find_folder(flag).ok()?.join(SHOP_TOML)).ok()?;
    toml::from_str::<Only>(&text).ok()?.lang
}

/// Writes a new key file, readable by its owner only. Never over an existing one.
///
/// # Errors
/// When it exists, or the folder cannot be written.
pub fn write_key(path: &Path, key: &[u8; KEY_LEN]) -> Result<()> {
    use std::io::Write;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).with_context(|| path.display().to_string())?;
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "{hex}").and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
}

/// What a text file holds that people write by hand: settings, templates, keys.
///
/// # Errors
/// When it cannot be read, is no text, or is longer than a megabyte.
pub fn read_text(path: &Path) -> io::Result<String> {
    const MOST_BYTES: u64 = 1 << 20;
    let mut text = String::new();
    let bytes = fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if bytes as u64 > MOST_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            t!("it is longer than {limit} KB", limit = MOST_BYTES / 1024),
        ));
    }
    Ok(text)
}

fn read_key(path: &Path) -> Result<[u8; KEY_LEN]> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Fault::not_found(t!("the data key {path} is missing", path = path.display()))
                .hint(t!(
                    "put the key file back, or correct key_file in shop.toml; without it names and phones stay sealed"
                ))
                .into());
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).with_context(|| path.display().to_string())?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Fault::refused(t!(
                "other people on this machine can read the data key {path}",
                path = path.display()
            ))
            .hint(t!("run `chmod 600 {path}`", path = path.display()))
            .into());
        }
    }
    decode_key(text.trim()).ok_or_else(|| {
        Fault::broken(t!("{path} is not a kibble data key", path = path.display()))
            .hint(t!("a data key is one line of 64 letters and digits; put the right file back"))
            .into()
    })
}

fn decode_key(hex: &str) -> Option<[u8; KEY_LEN]> {
    if hex.len() != KEY_LEN * 2 || !hex.is_ascii() {
        return None;
    }
    let mut key = [0; KEY_LEN];
    for (byte, place) in key.iter_mut().zip(0..) {
        *byte = u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(key)
}

fn project_dirs() -> Result<ProjectDirs> {
    ProjectDirs::from("", "", "kibble").ok_or_else(|| {
        Fault::not_found(t!("this account has no home folder")).hint(t!("name the shop's folder with --shop")).into()
    })
}

fn rail(folder: &Path, name: &str, raw: &RawRail) -> Result<RailSettings> {
    let Some(adapter) = AdapterKind::ALL.into_iter().find(|it| it.word() == raw.adapter) else {
        let key = format!("rail.{name}.adapter");
        let known = AdapterKind::ALL.map(AdapterKind::word).join(", ");
        return Err(Fault::refused(t!(
            "shop.toml: {key}: this kibble has no adapter {other}",
            key = key,
            other = raw.adapter
        ))
        .hint(t!("it has {known}", known = known))
        .into());
    };
    let profile_name = raw.profile.clone().unwrap_or_else(|| default_profile(name).to_owned());
    let Some((_, text)) = PROFILES.iter().find(|(known, _)| *known == profile_name) else {
        let key = format!("rail.{name}.profile");
        let known: Vec<&str> = PROFILES.iter().map(|it| it.0).collect();
        return Err(Fault::refused(t!(
            "shop.toml: {key}: no profile is called {name}",
            key = key,
            name = profile_name
        ))
        .hint(t!("it has {known}", known = known.join(", ")))
        .into());
    };
    let mut table: toml::Table = toml::from_str(text).context("a built-in profile")?;
    table.extend(raw.rules.clone());
    let profile: Profile = table.try_into().map_err(|error: toml::de::Error| {
        Fault::refused(t!("shop.toml: {key}: {why}", key = format!("rail.{name}.rules"), why = reason(error.message())))
    })?;
    rail_in_reach(name, raw.fee_bps, &profile)?;
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    let (zh, en) = default_labels(name);
    Ok(RailSettings {
        name: name.to_owned(),
        adapter,
        profile,
        profile_name,
        label_zh: or(&raw.label_zh, zh),
        label_en: or(&raw.label_en, en),
        fee_bps: raw.fee_bps,
        overridden: raw.rules.keys().cloned().collect(),
        account: absolute_files(folder, raw.account.clone()),
    })
}

fn channel(folder: &Path, name: &str, table: &toml::Table) -> Result<ChannelSettings> {
    let refused = |word: &str, why: String| {
        let key = format!("channel.{name}.{word}");
        Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = why))
    };
    let mut account = table.clone();
    let word = match account.remove("adapter") {
        Some(toml::Value::String(word)) => word,
        _ => return Err(refused("adapter", t!("the setting {name} is missing", name = "adapter")).into()),
    };
    let Some(adapter) = ChannelKind::ALL.into_iter().find(|it| it.word() == word) else {
        let known = ChannelKind::ALL.map(ChannelKind::word).join(", ");
        let why = t!("this kibble has no adapter {other} for messages", other = word);
        return Err(refused("adapter", why).hint(t!("it has {known}", known = known)).into());
    };
    if name.is_empty() || name.contains([',', ' ']) {
        return Err(refused("adapter", t!("a channel's name has no comma and no space")).into());
    }
    let daily_per_number = match account.remove("daily_per_number") {
        None => adapter.daily_per_number(),
        Some(toml::Value::Integer(count)) if count >= 0 => u32::try_from(count).unwrap_or(u32::MAX),
        Some(_) => {
            return Err(refused("daily_per_number", t!("this is not the kind of value that belongs here")).into());
        }
    };
    Ok(ChannelSettings { name: name.to_owned(), adapter, daily_per_number, account: secret_files(folder, account) })
}

/// A channel's `{ file = … }` entries lie in the shop folder unless they say otherwise; a file of its own (`print`) stays relative.
fn secret_files(folder: &Path, account: toml::Table) -> toml::Table {
    let absolute = |(key, value)| match value {
        toml::Value::Table(table) => (key, toml::Value::Table(absolute_files(folder, table))),
        other => (key, other),
    };
    account.into_iter().map(absolute).collect()
}

/// An account whose `{ file = … }` entries lie in the shop folder unless they say otherwise.
fn absolute_files(folder: &Path, account: toml::Table) -> toml::Table {
    account
        .into_iter()
        .map(|(key, value)| match value {
            toml::Value::String(file) if key == "file" => {
                (key, toml::Value::String(folder.join(file).to_string_lossy().into_owned()))
            }
            toml::Value::Table(table) => (key, toml::Value::Table(absolute_files(folder, table))),
            other => (key, other),
        })
        .collect()
}

/// The settings of a table by their dotted names. A list is one value, a list of tables is numbered: `tier.1.months`.
fn flatten(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&name, value, into);
            }
        }
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            for (place, value) in list.iter().enumerate() {
                flatten(&format!("{prefix}.{}", place + 1), value, into);
            }
        }
        toml::Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        other => {
            into.insert(prefix.to_owned(), other.to_string());
        }
    }
}

fn show_time<S: serde::Serializer>(time: &NaiveTime, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&time.format("%H:%M"))
}

fn default_profile(name: &str) -> &'static str {
    match name {
        "wechat" => "wechat-prenotify",
        "cash" => "cash",
        _ => "alipay",
    }
}

fn default_labels(name: &str) -> (&str, &str) {
    match name {
        "alipay" => ("支付宝", "Alipay"),
        "wechat" => ("微信支付", "WeChat Pay"),
        "cash" => ("现金", "cash"),
        other => (other, other),
    }
}

/// A broken `shop.toml`: the line, the key on it, and what is wrong in the reader's language.
fn wrong_toml(text: &str, error: &toml::de::Error) -> Fault {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text[..start].matches('\n').count() + 1;
    let content = text.lines().nth(line - 1).unwrap_or_default();
    let key = content.split('=').next().unwrap_or_default().trim().to_owned();
    Fault::refused(t!("shop.toml, line {line}: {key}: {why}", line = line, key = key, why = reason(error.message())))
        .hint(t!("correct that line; every setting is explained in shop.example.toml"))
}

/// The TOML reader's own words are English; the ones a person meets are put into the chosen language.
fn reason(message: &str) -> String {
    let quoted = |from: &str| from.split('`').nth(1).unwrap_or_default().to_owned();
    if message.starts_with("unknown field") {
        t!("there is no setting called {name}", name = quoted(message))
    } else if message.starts_with("missing field") {
        t!("the setting {name} is missing", name = quoted(message))
    } else if message.starts_with("invalid type") || message.starts_with("invalid value") {
        t!("this is not the kind of value that belongs here")
    } else if message.contains("duplicate key") {
        t!("this key stands twice")
    } else if message.contains("is not an amount") {
        t!("this is not an amount in yuan with at most two decimals, in quotes")
    } else if message.contains("is not a time of day") {
        t!("this is not a time of day like \"09:00\"")
    } else {
        t!("this is not written as TOML wants it")
    }
}

fn shanghai() -> Tz {
    chrono_tz::Asia::Shanghai
}

fn default_fee_bps() -> i64 {
    60
}

fn time_of_day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<NaiveTime, D::Error> {
    clock_time(&String::deserialize(deserializer)?)
}

#[cfg(test)]
mod tests {
    use super::{Config, EXAMPLE};
    use std::path::Path;

    #[test]
    fn the_documented_settings_load_and_equal_the_defaults() {
        let full = Config::parse(Path::new("."), EXAMPLE).unwrap();
        let bare = "name = \"团子宠物\"\nkey_file = \"k\"\n[rail.alipay]\nadapter = \"sandbox\"\n[rail.wechat]\nadapter = \"sandbox\"\n";
        let bare = Config::parse(Path::new("."), bare).unwrap();
        let show = |config: &Config| {
            let s = &config.settings;
            format!("{:#?}{:#?}{:#?}{:#?}{:#?}{:#?}", s.debit, s.terms, s.wallet, s.messages, s.backup, s.http)
        };
        assert_eq!(show(&full), show(&bare));
        assert_eq!(format!("{:?}", full.rails), format!("{:?}", bare.rails));
        assert!(full.is_rehearsal());
    }

    #[test]
    fn a_shop_with_one_real_rail_or_no_sense_is_no_rehearsal() {
        let sandbox = "was_a_setting_once = 1\n[rail.a]\nadapter = \"sandbox\"\n";
        assert!(super::only_rehearses(sandbox) && super::only_rehearses(EXAMPLE));
        for text in [&format!("{sandbox}[rail.b]\nadapter = \"alipay\"\n"), "nonsense", "name = \"x\"\n"] {
            assert!(!super::only_rehearses(text), "{text}");
        }
    }

    #[test]
    fn a_broken_setting_names_its_line_and_key() {
        let base = "name = \"x\"\nkey_file = \"k\"\n";
        for (text, expected) in [
            ("[debit]\nhuor = \"09:00\"\n", "line 4: huor: there is no setting called huor"),
            ("[debit]\nhour = \"9 Uhr\"\n", "line 4: hour: this is not a time of day like \"09:00\""),
            ("[debit]\nwindow = \"many\"\n", "line 4: window: this is not the kind of value that belongs here"),
            ("[debit\n", "line 3: [debit: this is not written as TOML wants it"),
            (
                "[debit]\nnotice_hours = 24\n",
                "debit.notice_hours: the agreement promises 48 hours' notice; 48 is the least",
            ),
            ("[debit]\nannounce_hours = 4294967295\n", "debit.announce_hours: must lie between 0 and 8784"),
            ("[http]\ntimeout_seconds = 9223372036854775807\n", "http.timeout_seconds: must lie between 0 and 3600"),
            (
                "[rail.x]\nadapter = \"sandbox\"\nfee_bps = 9223372036854775807\n",
                "rail.x.fee_bps: must lie between 0 and 10000",
            ),
            (
                "[rail.x]\nadapter = \"sandbox\"\n[rail.x.rules]\nwindow_days_after = 4294967295\n",
                "rail.x.rules.window_days_after: must lie between 0 and 3660",
            ),
            ("[rail.x]\nadapter = \"paypal\"\n", "rail.x.adapter: this kibble has no adapter paypal"),
            ("[rail.x]\nadapter = \"sandbox\"\nprofile = \"no\"\n", "rail.x.profile: no profile is called no"),
        ] {
            let error = Config::parse(Path::new("."), &format!("{base}{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
