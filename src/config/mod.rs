//! `shop.toml` -> [`Config`]. The only reader of settings, of the environment and of paths.
//!
//! Every setting has a default; `shop.example.toml` documents all of them, and a test loads it.

mod channel;
mod environment;
mod rail;
mod secret;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use self::channel::{ChannelKind, ChannelSettings};
pub use self::environment::{
    absolute, actor, busy_ms, find_folder, host, machine, new_folder, new_key_path, program, read_text, retyped,
    scratch_folder,
};
pub use self::rail::{AdapterKind, RailSettings};
pub use self::secret::{KEY_LEN, Secret, SecretRef, write_key};
pub use self::settings::{
    BackupSettings, CreditSettings, Debit, HttpSettings, Merchant, Messages, SandboxSettings, Settings, Terms, Tier,
    Wallet,
};

use self::rail::RawRail;
use self::secret::read_key;
use self::settings::flatten;
use crate::fault::Fault;
use crate::t;
use crate::text::Lang;

/// The settings file's name in the shop folder.
pub const SHOP_TOML: &str = "shop.toml";

/// The database's name in the shop folder.
pub const SHOP_DB: &str = "shop.db";

/// The sandbox rails' own book in the shop folder.
pub const SANDBOX_DB: &str = "sandbox.db";

/// The documented settings; `init` starts from it.
pub const EXAMPLE: &str = include_str!("../../shop.example.toml");

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
            rails.insert(name.clone(), rail::read(folder, name, raw)?);
        }
        if !rails.contains_key("cash") {
            rails.insert("cash".into(), rail::read(folder, "cash", &RawRail::counter())?);
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
            channels.insert(name.clone(), channel::read(folder, name, table)?);
        }
        if !channels.contains_key("print") {
            let table = toml::Table::from_iter([("adapter".to_owned(), "print".into())]);
            channels.insert("print".into(), channel::read(folder, "print", &table)?);
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

/// The language that the shop in `folder` chose; never fails, because a broken `shop.toml` is reported later, in some language.
pub fn lang_of(flag: Option<&Path>) -> Option<Lang> {
    #[derive(Deserialize)]
    struct Only {
        lang: Option<Lang>,
    }
    let text = read_text(&find_folder(flag).ok()?.join(SHOP_TOML)).ok()?;
    toml::from_str::<Only>(&text).ok()?.lang
}

/// A table of `shop.toml`, called `key` there, in the type of whoever it is for.
fn account<T: serde::de::DeserializeOwned>(table: &toml::Table, key: &str) -> Result<T> {
    table.clone().try_into().map_err(|error: toml::de::Error| {
        Fault::refused(t!("shop.toml: {key}: {why}", key = key, why = reason(error.message())))
            .hint(t!("correct that line; every setting is explained in shop.example.toml"))
            .into()
    })
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
