//! The only reader of the environment and of paths: whose shop, which folder, which machine, who types.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use directories::ProjectDirs;

use super::SHOP_TOML;
use crate::fault::Fault;
use crate::t;

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

/// What tells this computer from any other: the number that its system has for it, else its name.
pub fn machine() -> String {
    machine_uid::get().ok().filter(|number| !number.trim().is_empty()).unwrap_or_else(host)
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

fn project_dirs() -> Result<ProjectDirs> {
    ProjectDirs::from("", "", "kibble").ok_or_else(|| {
        Fault::not_found(t!("this account has no home folder")).hint(t!("name the shop's folder with --shop")).into()
    })
}
