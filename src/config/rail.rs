//! `[rail.NAME]`: how a payment rail is reached, and its rules.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::settings::{MOST_DAYS, MOST_HOURS, MOST_SECONDS, WHOLE_BPS, within_reach};
use super::{account, reason};
use crate::adapters::rail::PROFILES;
use crate::domain::rail::Profile;
use crate::fault::Fault;
use crate::t;
use crate::text::Lang;

/// `[rail.NAME]` as it stands in `shop.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRail {
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

impl RawRail {
    /// The counter, for a `shop.toml` that does not mention it.
    pub(super) fn counter() -> RawRail {
        RawRail {
            adapter: "cash".into(),
            profile: Some("cash".into()),
            label_zh: "现金".into(),
            label_en: "cash".into(),
            fee_bps: 0,
            account: toml::Table::new(),
            rules: toml::Table::new(),
        }
    }
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
    pub(super) account: toml::Table,
}

impl RailSettings {
    /// The account at the provider, in the adapter's own type.
    ///
    /// # Errors
    /// When a setting of it is missing, unknown or of the wrong kind; it is named.
    pub fn account<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        account(&self.account, &format!("rail.{}.account", self.name))
    }

    /// What people call the rail, in `lang`.
    pub fn label(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.label_zh,
            Lang::En => &self.label_en,
        }
    }
}

/// The numbers of a rail must not carry a date out of the calendar either.
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

/// The rail called `name`; files of its account lie in `folder`.
pub(super) fn read(folder: &Path, name: &str, raw: &RawRail) -> Result<RailSettings> {
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

/// An account whose `{ file = … }` entries lie in the shop folder unless they say otherwise.
pub(super) fn absolute_files(folder: &Path, account: toml::Table) -> toml::Table {
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

fn default_fee_bps() -> i64 {
    60
}
