//! `[channel.NAME]`: how messages are delivered.

use std::path::Path;

use anyhow::Result;

use super::account;
use super::rail::absolute_files;
use crate::fault::Fault;
use crate::t;

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
    pub(super) account: toml::Table,
}

impl ChannelSettings {
    /// The channel's own settings, in the adapter's own type.
    ///
    /// # Errors
    /// When a setting of it is missing, unknown or of the wrong kind; it is named.
    pub fn account<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        account(&self.account, &format!("channel.{}", self.name))
    }

    /// True when it may bring a message to somebody on another machine. A program of the shop's own answers for itself.
    pub(super) fn reaches_people(&self) -> bool {
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

/// The channel called `name`; files of secrets lie in `folder`.
pub(super) fn read(folder: &Path, name: &str, table: &toml::Table) -> Result<ChannelSettings> {
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
