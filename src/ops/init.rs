//! A shop's first day: folder, settings, data key, database, plan templates.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{self, Config, EXAMPLE, SHOP_TOML};
use crate::db::seal::Keyring;
use crate::db::{self, Db};
use crate::domain::op::Op;
use crate::domain::plan::Plan;
use crate::fault::Fault;
use crate::ops::{self, witness};
use crate::t;
use crate::text::Lang;

/// Letters and digits of the code of a shop or of a copy: no vowels, so that it never spells a word, and none that look alike.
const CODE_LETTERS: &[u8; 32] = b"23456789BCDFGHJKLMNPQRSTVWXZ0167";

/// What a new shop is made from.
#[derive(Clone, Debug)]
pub struct NewShop {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name.
    pub name: String,
    /// Its name in English messages.
    pub name_en: String,
    /// Unified social credit code, for the agreement; may be filled in later in `shop.toml`.
    pub uscc: String,
    /// Business address, for the agreement.
    pub address: String,
    /// Phone, for agreement and messages.
    pub phone: String,
    /// Language of what people read.
    pub lang: Lang,
    /// Rails: name, adapter, profile.
    pub rails: Vec<(String, String, Option<String>)>,
    /// Where the data key goes; the platform's settings folder when `None`.
    pub key_file: Option<PathBuf>,
    /// Drawn from chance when `None`; fixed for a demo.
    pub install_code: Option<String>,
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Opened {
    /// The shop folder.
    pub folder: PathBuf,
    /// The settings file.
    pub settings: PathBuf,
    /// The data key, outside the folder.
    pub key_file: PathBuf,
    /// The line for cron.
    pub crontab: String,
    /// The systemd service and timer.
    pub systemd: String,
    /// Codes of the plan templates that are on offer.
    pub plans: Vec<String>,
}

/// Makes the shop. An existing shop is never touched, and nothing is left behind when a step fails.
///
/// # Errors
/// When there is a shop already, a rail is unknown, or a file cannot be written.
pub fn init(new: &NewShop, clock: &Clock) -> Result<Opened> {
    let folder = config::absolute(&new.folder)?;
    let settings_path = folder.join(SHOP_TOML);
    must_be_free(&folder)?;
    let install_code = code_of(new.install_code.as_deref())?;
    let key_file = match &new.key_file {
        Some(path) => config::absolute(path)?,
        None => config::new_key_path(&install_code)?,
    };
    if key_file.starts_with(&folder) {
        return Err(Fault::refused(t!("the data key must not lie in the shop folder"))
            .hint(t!("a copied shop folder would reveal every name; choose another place for the key"))
            .into());
    }
    let text = settings_text(new, &key_file);
    let config = Config::parse(&folder, &text)?;
    let made_folder = !folder.exists();
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let made = build(&config, &key_file, &install_code, clock).and_then(|(db, plans)| {
        write_new(&settings_path, &text)?;
        witness::remember_first(&config, &db, clock.now())?;
        Ok(plans)
    });
    match made {
        Ok(plans) => Ok(Opened {
            crontab: crontab(&folder),
            systemd: systemd(&folder),
            folder,
            settings: settings_path,
            key_file,
            plans,
        }),
        Err(error) => {
            clean_up(&folder, made_folder);
            drop(fs::remove_file(&key_file));
            Err(ops::explain(error))
        }
    }
}

/// Makes sure that no shop lies in a folder.
///
/// # Errors
/// Refused when there is one.
pub fn must_be_free(folder: &Path) -> Result<()> {
    if folder.join(SHOP_TOML).exists() || folder.join(config::SHOP_DB).exists() {
        return Err(Fault::refused(t!("there is a shop in {folder} already", folder = folder.display()))
            .hint(t!("choose another folder with --shop; kibble never writes over a shop"))
            .into());
    }
    Ok(())
}

/// The plan templates every new shop starts with, for the brief's two scenarios.
///
/// # Errors
/// When the built-in list is broken.
pub fn plan_templates() -> Result<Vec<Plan>> {
    #[derive(serde::Deserialize)]
    struct File {
        plan: Vec<Plan>,
    }
    let file: File = toml::from_str(include_str!("../text/templates/plans.toml")).context("plans.toml")?;
    Ok(file.plan)
}

fn build(config: &Config, key_file: &Path, install_code: &str, clock: &Clock) -> Result<(Db, Vec<String>)> {
    let now = clock.now();
    let key = Keyring::fresh_key()?;
    config::write_key(key_file, &key)?;
    let db = Db::create(&config.db_path(), Keyring::new(&key), ops::hand(), now, install_code)?;
    let plans = plan_templates()?;
    db.write(now, |tx| {
        for plan in &plans {
            db::plan::save(tx, plan, now)?;
        }
        Ok(((), Op::ShopOpened { install_code: install_code.to_owned() }))
    })?;
    Ok((db, plans.into_iter().map(|plan| plan.code).collect()))
}

/// The code that was asked for, else one drawn by chance.
///
/// # Errors
/// When the one asked for is not eight capital letters and digits.
pub(super) fn code_of(asked: Option<&str>) -> Result<String> {
    match asked {
        Some(code) if is_code(code) => Ok(code.to_owned()),
        Some(code) => Err(Fault::usage(t!("{code} is not eight capital letters and digits", code = code)).into()),
        None => fresh_code(),
    }
}

fn is_code(code: &str) -> bool {
    code.len() == 8 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn fresh_code() -> Result<String> {
    let bytes = Keyring::fresh_key()?;
    Ok(bytes.iter().take(8).map(|byte| char::from(CODE_LETTERS[usize::from(byte % 32)])).collect())
}

fn clean_up(folder: &Path, made_folder: bool) {
    for name in [config::SHOP_DB, "shop.db-wal", "shop.db-shm", SHOP_TOML] {
        drop(fs::remove_file(folder.join(name)));
    }
    if made_folder {
        drop(fs::remove_dir(folder));
    }
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let named = || path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(named)?;
    file.write_all(text.as_bytes()).with_context(named)?;
    file.as_file().sync_all().with_context(named)?;
    file.persist_noclobber(path).map_err(|error| error.error).with_context(named)?;
    Ok(())
}

/// The documented settings with this shop's own values and rails, and the comments in its language.
fn settings_text(new: &NewShop, key_file: &Path) -> String {
    const AFTER_RAILS: &str = "# The debit run.";
    let (before, rest) = EXAMPLE.split_once("[rail.alipay]\n").expect("the example documents the rail alipay");
    let (_, after) = rest.split_once(AFTER_RAILS).expect("the example documents the debit run after the rails");
    let after = format!("{AFTER_RAILS}{after}");
    let own = |text: &str| -> String { text.lines().map(|line| own_line(line, new, key_file) + "\n").collect() };
    // Below the rails nothing is this shop's own: a tier's name_en is the tier's.
    let rest: String = after.lines().map(|line| in_lang(line, new.lang) + "\n").collect();
    own(before) + &rails_text(&new.rails) + &rest
}

fn own_line(line: &str, new: &NewShop, key_file: &Path) -> String {
    let set = |key: &str, value: &str| format!("{key} = {}", toml::Value::String(value.to_owned()));
    match line.split_once(" = ").map_or("", |(key, _)| key) {
        "name" => set("name", &new.name),
        "name_en" => set("name_en", &new.name_en),
        "lang" => set("lang", new.lang.word()),
        "key_file" => set("key_file", &key_file.display().to_string()),
        "uscc" => set("uscc", &new.uscc),
        "address" => set("address", &new.address),
        key @ ("phone" | "complaint_phone") => set(key, &new.phone),
        _ => in_lang(line, new.lang),
    }
}

/// Comments of the example are `# English / 中文`: keeps the half for `lang`.
fn in_lang(line: &str, lang: Lang) -> String {
    match (line.strip_prefix("# "), line.rsplit_once(" / ")) {
        (Some(_), Some((english, chinese))) => match lang {
            Lang::En => english.to_owned(),
            Lang::Zh => format!("# {chinese}"),
        },
        _ => line.to_owned(),
    }
}

fn rails_text(rails: &[(String, String, Option<String>)]) -> String {
    let mut text = String::new();
    for (name, adapter, profile) in rails {
        text.push_str(&format!("[rail.{name}]\nadapter = {}\n", toml::Value::String(adapter.clone())));
        if let Some(profile) = profile {
            text.push_str(&format!("profile = {}\n", toml::Value::String(profile.clone())));
        }
        text.push('\n');
    }
    text
}

/// The line for cron that runs the shop in a folder every hour.
pub fn crontab(folder: &Path) -> String {
    format!("0 * * * * {} --shop {} debit run", shell(&config::program()), shell(folder))
}

fn systemd(folder: &Path) -> String {
    format!(
        "# /etc/systemd/system/kibble.service\n[Service]\nType=oneshot\nSuccessExitStatus=3\nExecStart={} --shop {} debit run\n\n\
         # /etc/systemd/system/kibble.timer\n[Timer]\nOnCalendar=hourly\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        shell(&config::program()),
        shell(folder)
    )
}

/// A path as a shell reads it: quoted when it needs to be.
pub fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
