//! `kibble config`: the settings as they are in force. Opens neither database nor key, so it helps when those are missing.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::Globals;
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui};
use crate::clock::Clock;
use crate::config::{self, Config, ShownSetting};
use crate::domain::rail::Profile;
use crate::ops::remind::route::{Channels, Finding, Level};
use crate::t;
use crate::text;

/// The shop's settings
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Show(Show),
}

/// Show every setting, its value, and whether it is the default
#[derive(Debug, clap::Args)]
struct Show {}

#[derive(Serialize)]
struct Answer {
    folder: PathBuf,
    settings_file: PathBuf,
    key_file: PathBuf,
    key_problem: Option<String>,
    rehearsal: bool,
    settings: Vec<ShownSetting>,
    rails: Vec<Rail>,
    channels: Vec<Channel>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Channel {
    name: String,
    adapter: &'static str,
    daily_per_number: u32,
    used: bool,
}

#[derive(Serialize)]
struct Rail {
    name: String,
    label: String,
    adapter: &'static str,
    profile: String,
    fee_bps: i64,
    overridden: Vec<String>,
    rules: Profile,
}

/// Runs the verb.
///
/// # Errors
/// When there is no shop, or its `shop.toml` is broken.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let Verb::Show(Show {}) = &args.verb;
    let folder = config::absolute(&config::find_folder(globals.shop.as_deref())?)?;
    let config = Config::load(&folder)?;
    let answer = answer(&config)?;
    ui.answer(&answer, |ui| show(ui, &answer))?;
    Ok(Exit::Done)
}

fn answer(config: &Config) -> anyhow::Result<Answer> {
    let rails = config.rails.values().map(|rail| Rail {
        name: rail.name.clone(),
        label: rail.label(text::lang()).to_owned(),
        adapter: rail.adapter.word(),
        profile: rail.profile_name.clone(),
        fee_bps: rail.fee_bps,
        overridden: rail.overridden.clone(),
        rules: rail.profile.clone(),
    });
    let messages = &config.settings.messages;
    let in_use = |name: &String| {
        let orders = messages.by_kind.values().chain([&messages.channels, &messages.to_shop]);
        orders.flatten().any(|it| it == name)
    };
    let channels = config.channels.values().map(|it| Channel {
        name: it.name.clone(),
        adapter: it.adapter.word(),
        daily_per_number: it.daily_per_number,
        used: in_use(&it.name),
    });
    Ok(Answer {
        folder: config.folder.clone(),
        settings_file: config.folder.join(config::SHOP_TOML),
        key_file: config.settings.key_file.clone(),
        // The key is read and dropped: only whether it is sound is told.
        key_problem: config.key().err().map(|error| error.to_string()),
        rehearsal: config.is_rehearsal(),
        settings: config.shown()?,
        rails: rails.collect(),
        channels: channels.collect(),
        findings: Channels::open(config, &Clock::System)?.inspect(config),
    })
}

fn show(ui: &Ui, it: &Answer) -> anyhow::Result<()> {
    ui.data(&t!("folder     {path}", path = it.folder.display()));
    ui.data(&t!("settings   {path}", path = it.settings_file.display()));
    ui.data(&t!("data key   {path}", path = it.key_file.display()));
    if let Some(problem) = &it.key_problem {
        ui.warn(problem);
    }
    if it.rehearsal {
        ui.data(&t!("rehearsal  no payment rail here moves real money"));
    }
    ui.data("");
    let source = |it: &ShownSetting| match (it.given, it.default) {
        (true, true) => t!("shop.toml, as by default"),
        (true, false) => t!("shop.toml"),
        (false, _) => t!("default"),
    };
    let mut table = Table::new([t!("Setting"), t!("Value"), t!("From")]);
    for setting in &it.settings {
        table.row([setting.name.clone(), setting.value.clone(), source(setting)]);
    }
    ui.table(&table);
    for rail in &it.rails {
        ui.data("");
        let heading = t!(
            "Payment rail {name} ({label}): adapter {adapter}, profile {profile}",
            name = rail.name,
            label = rail.label,
            adapter = rail.adapter,
            profile = rail.profile
        );
        ui.data(&ui.paint(Paint::Heading, &heading));
        let mut table = Table::new([t!("Rule"), t!("Value"), t!("From")]);
        table.row(["fee_bps".to_owned(), rail.fee_bps.to_string(), String::new()]);
        for (name, value) in rules(&rail.rules)? {
            let from = if rail.overridden.contains(&name) { t!("shop.toml") } else { t!("profile") };
            table.row([name, value, from]);
        }
        ui.table(&table);
    }
    ui.data("");
    let mut table = Table::new([t!("Channel"), t!("Adapter"), t!("A day per number"), t!("In use")]);
    for channel in &it.channels {
        let cap = match channel.daily_per_number {
            0 => "—".to_owned(),
            cap => cap.to_string(),
        };
        let used = if channel.used { t!("yes") } else { t!("no") };
        table.row([channel.name.clone(), channel.adapter.to_owned(), cap, used]);
    }
    ui.table(&table);
    for finding in it.findings.iter().filter(|it| it.level != Level::Ok) {
        ui.warn(&finding.what);
        if !finding.hint.is_empty() {
            ui.hint(&finding.hint);
        }
    }
    Ok(())
}

fn rules(profile: &Profile) -> anyhow::Result<Vec<(String, String)>> {
    let serde_json::Value::Object(rules) = serde_json::to_value(profile)? else { return Ok(Vec::new()) };
    let told = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(rules.into_iter().map(|(name, value)| (name, told(value))).collect())
}
