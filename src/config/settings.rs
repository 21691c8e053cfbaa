//! The tables of `shop.toml` but the rails and the channels: their defaults, and what they may not say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::NaiveTime;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::channel::ChannelSettings;
use super::rail::RawRail;
use crate::domain::agreement::Conditions;
use crate::domain::credit::SCORES;
use crate::domain::date::{Hours, clock_time};
use crate::domain::message::REQUIRED;
use crate::domain::money::Money;
use crate::fault::Fault;
use crate::t;
use crate::text::Lang;

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
    pub(super) rail: BTreeMap<String, RawRail>,
    /// Message channels by name.
    #[serde(default, skip_serializing)]
    pub(super) channel: BTreeMap<String, toml::Table>,
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

impl Settings {
    /// Every setting by its dotted name.
    pub(super) fn flat(&self) -> Result<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        flatten("", &toml::Value::try_from(self).context("settings as TOML")?, &mut values);
        // A language that is not chosen has no spelling in TOML.
        values.entry("lang".to_owned()).or_default();
        Ok(values)
    }

    /// Numbers that contradict the law, the agreement or each other are refused, by their dotted name.
    pub(super) fn check(&self) -> Result<()> {
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
pub(super) const MOST_HOURS: i64 = 366 * 24;
pub(super) const MOST_DAYS: i64 = 366;

/// An hour, for a call to a provider.
pub(super) const MOST_SECONDS: i64 = 3_600;

/// Basis points of the whole.
pub(super) const WHOLE_BPS: i64 = 10_000;

/// Refuses a number outside `least..=most`, by its dotted name.
pub(super) fn within_reach(key: &str, number: i64, least: i64, most: i64) -> Result<()> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    let why = t!("must lie between {low} and {high}", low = least, high = most);
    Err(Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = why)).into())
}

impl Messages {
    /// Every channel and every message named must exist.
    pub(super) fn check(&self, channels: &BTreeMap<String, ChannelSettings>) -> Result<()> {
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
            if !REQUIRED.iter().any(|(known, _)| known == kind) {
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

/// The settings of a table by their dotted names. A list is one value, a list of tables is numbered: `tier.1.months`.
pub(super) fn flatten(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
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

fn shanghai() -> Tz {
    chrono_tz::Asia::Shanghai
}

fn time_of_day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<NaiveTime, D::Error> {
    clock_time(&String::deserialize(deserializer)?)
}
