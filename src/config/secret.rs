//! What `shop.toml` names and never holds: the data key, and the secrets of providers' accounts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::environment::read_text;
use crate::fault::Fault;
use crate::t;

/// Bytes of the data key.
pub const KEY_LEN: usize = 32;

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
                let read = read_text(file).and_then(|text| Ok((text, readable_by_others(file)?)));
                let (text, readable) = read.map_err(|_| {
                    let file = file.display();
                    Fault::not_found(t!("{setting}: {file} cannot be read", setting = setting, file = file))
                        .hint(t!("put the file there, or correct {setting} in shop.toml", setting = setting))
                })?;
                if let Some(mode) = readable {
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
fn readable_by_others(path: &Path) -> io::Result<Option<String>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        Ok((mode & 0o077 != 0).then(|| format!("{mode:o}")))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
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

/// Reads the data key; see [`super::Config::key`].
pub(super) fn read_key(path: &Path) -> Result<[u8; KEY_LEN]> {
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
    if readable_by_others(path).with_context(|| path.display().to_string())?.is_some() {
        return Err(Fault::refused(t!(
            "other people on this machine can read the data key {path}",
            path = path.display()
        ))
        .hint(t!("run `chmod 600 {path}`", path = path.display()))
        .into());
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
