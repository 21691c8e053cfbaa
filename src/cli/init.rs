//! `kibble init`: a shop's first day.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::Globals;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::clock::Clock;
use crate::config;
use crate::fault::Fault;
use crate::ops;
use crate::ops::init::{NewShop, Opened, init};
use crate::t;
use crate::text;

/// Make a new shop: folder, settings, data key, database
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shop's name, as customers read it
    #[arg(long)]
    name: Option<String>,
    /// The shop's name in English messages
    #[arg(long, default_value = "", hide_default_value = true)]
    name_en: String,
    /// The shop's unified social credit code, for the agreement
    #[arg(long)]
    uscc: Option<String>,
    /// The shop's address, for the agreement
    #[arg(long)]
    address: Option<String>,
    /// The shop's phone, for agreement and messages
    #[arg(long)]
    phone: Option<String>,
    /// A payment rail as NAME=ADAPTER or NAME=ADAPTER:PROFILE, for example `alipay=sandbox`; may be given several times
    #[arg(long = "rail", value_name = "RAIL")]
    rails: Vec<String>,
    /// Eight letters and digits that tell this shop's order numbers apart; drawn by chance when left out
    #[arg(long, value_name = "CODE", hide = true)]
    install_code: Option<String>,
    /// Where the data key goes; never into the shop folder
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    opened: &'a Opened,
}

/// Makes the shop, asking for what the flags do not say.
///
/// # Errors
/// Those of [`init`], and a missing flag where nobody can be asked.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    // Said before anything is asked: nobody answers six questions for a shop that is there already.
    let folder = config::new_folder(globals.shop.as_deref())?;
    ops::init::must_be_free(&folder)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => ui.input(&t!("What is the shop called?"), None, "--name")?,
    };
    let rails = if args.rails.is_empty() { asked_rails(ui)? } else { read_rails(&args.rails)? };
    // A script that gives the name is not asked for what may be empty.
    let guided = args.name.is_none() && ui.can_ask();
    let optional = |given: &Option<String>, question: String, flag: &str| match given {
        Some(text) => Ok(text.clone()),
        None if guided => ui.input(&question, Some(""), flag),
        None => Ok(String::new()),
    };
    let new = NewShop {
        folder,
        name,
        name_en: args.name_en.clone(),
        uscc: optional(&args.uscc, t!("Unified social credit code (may be empty for now)"), "--uscc")?,
        address: optional(&args.address, t!("The shop's address (may be empty for now)"), "--address")?,
        phone: optional(&args.phone, t!("The shop's phone (may be empty for now)"), "--phone")?,
        lang: text::lang(),
        rails,
        key_file: args.key_file.clone(),
        install_code: args.install_code.clone(),
    };
    let clock = match &globals.now {
        // Only sandbox rails are known so far, so a new shop may be opened at any time of a rehearsal.
        Some(text) => Clock::fixed(ops::read_now(text, chrono_tz::Asia::Shanghai)?),
        None => Clock::System,
    };
    let opened = init(&new, &clock)?;
    ui.answer(&Answer { opened: &opened }, |ui| {
        show(ui, &opened, [&new.uscc, &new.address, &new.phone].iter().any(|it| it.is_empty()));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show(ui: &Ui, opened: &Opened, missing: bool) {
    ui.data(&t!("The shop is open: {folder}", folder = opened.folder.display()));
    ui.data(&format!("  {}", t!("settings   {path}", path = opened.settings.display())));
    ui.data(&format!("  {}", t!("data key   {path}", path = opened.key_file.display())));
    ui.data(&t!(
        "Keep a copy of the data key in another safe place: without it nobody can read names and phones again."
    ));
    ui.data(&t!("Plans on offer: {plans}", plans = opened.plans.join(", ")));
    ui.data("");
    ui.data(&t!("For cron (crontab -e), every hour:"));
    ui.data(&format!("  {}", opened.crontab));
    ui.data(&t!("Or for systemd:"));
    for line in opened.systemd.lines() {
        ui.data(&format!("  {line}"));
    }
    if missing {
        ui.warn(&t!(
            "agreements and messages need the shop's code, address and phone: fill in [merchant] in shop.toml"
        ));
    }
    ui.hint(&t!("next: `kibble catalog import FILE`, then `kibble sign`"));
}

type Rails = Vec<(String, String, Option<String>)>;

fn asked_rails(ui: &Ui) -> anyhow::Result<Rails> {
    let choices = [t!("Alipay and WeChat Pay"), t!("Alipay only"), t!("WeChat Pay only")];
    let chosen = ui.select(&t!("Which payment rails?"), &choices, Some(0), "--rail")?;
    let names: &[&str] = match chosen {
        0 => &["alipay=sandbox", "wechat=sandbox"],
        1 => &["alipay=sandbox"],
        _ => &["wechat=sandbox"],
    };
    read_rails(names)
}

fn read_rails(texts: &[impl AsRef<str>]) -> anyhow::Result<Rails> {
    let sound = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    texts
        .iter()
        .map(|text| {
            let text = text.as_ref();
            let wrong = || Fault::usage(t!("{text} is not a payment rail like alipay=sandbox", text = text));
            let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
            let (adapter, profile) = match rest.split_once(':') {
                Some((adapter, profile)) => (adapter, Some(profile.to_owned())),
                None => (rest, None),
            };
            if !sound(name) || !sound(adapter) {
                return Err(wrong().into());
            }
            Ok((name.to_owned(), adapter.to_owned(), profile))
        })
        .collect()
}
