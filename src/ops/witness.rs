//! The witness: a small file beside the data key, outside the shop folder, that remembers how far the database had come. A
//! database that was restored from a backup or copied to another place does not agree with it, and moves no money until
//! somebody adopts it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::adapters::keys::sha256_hex;
use crate::config::{self, Config};
use crate::db::{self, Db};
use crate::domain::charge::Copies;
use crate::domain::date::At;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

/// What the witness says about the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing on this computer remembers it: it came from another one, with what remembers it or without, or that file is lost.
    Stranger {
        /// Where it was changed last.
        host: String,
        /// When that was.
        at: Option<At>,
    },
    /// It is the database that was seen last, perhaps in a folder that was moved as a whole.
    Same,
    /// It is an older state than the one that was seen last.
    Behind {
        /// True when kibble itself restored it.
        restored: bool,
        /// Number of the last audit row of this database.
        here: i64,
        /// Number of the last audit row that was seen.
        seen: i64,
        /// When that was.
        seen_at: Option<At>,
    },
    /// The one that was seen lies elsewhere, and is still there: one of the two is a copy.
    Moved {
        /// Where it was seen.
        from: PathBuf,
        /// Where this one lies.
        to: PathBuf,
    },
    /// It went another way than the one that was seen: both were used after one was copied from the other.
    Forked {
        /// Number of the audit row in which they differ, or the last one seen.
        at_seq: i64,
        /// When that was seen.
        seen_at: At,
    },
}

impl Verdict {
    /// True when this database may move money.
    pub fn may_move_money(&self) -> bool {
        matches!(self, Verdict::Same)
    }

    /// What is wrong, in a sentence; empty when nothing is.
    pub fn text(&self) -> String {
        match self {
            Verdict::Same => String::new(),
            Verdict::Stranger { host, .. } => t!(
                "nothing on this computer remembers this database: it was used last on the computer {host}, or the file that remembers it is lost",
                host = host
            ),
            Verdict::Behind { restored: true, .. } => {
                t!("the database was restored from a backup; whatever happened after that backup is missing in it")
            }
            Verdict::Behind { here, seen, .. } => t!(
                "the database is older than the one that was used last: its audit trail ends at {here}, that one's at {seen}",
                here = here,
                seen = seen
            ),
            Verdict::Moved { from, .. } => {
                t!("the database is a copy: the one that was used last is still at {path}", path = from.display())
            }
            Verdict::Forked { at_seq, .. } => t!(
                "the database and the one that was used last went different ways before audit row {seq}",
                seq = at_seq
            ),
        }
    }

    /// As an error for whoever wants to move money; `None` when it may.
    pub fn refusal(&self) -> Option<Fault> {
        if self.may_move_money() {
            return None;
        }
        let hint = t!("if this is the one to go on with, run `kibble adopt`, and never use the other one again");
        Some(Fault::refused(self.text()).hint(hint))
    }
}

/// What is remembered of one shop's database.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    /// The code in that copy's numbers.
    code: String,
    /// Those of all copies that were ever remembered: what a restored database does not know, it is told here.
    copies: Copies,
    /// On which computer, as a digest: the number itself is nobody else's business.
    machine: String,
    shop_path: PathBuf,
    audit_seq: i64,
    audit_hash: String,
    at: At,
}

/// Remembers the database as it is now. Called after a debit run, a delivery and an adoption.
///
/// # Errors
/// When the file beside the data key cannot be written.
pub fn remember(ctx: &Ctx) -> Result<()> {
    remember_first(&ctx.config, &ctx.db, ctx.now())
}

/// Remembers how far the database came by this command, if it is the one that was remembered before: an older state that is put in its
/// place is known as such from then on, be it older by one payment at the counter.
///
/// # Errors
/// As [`remember`].
pub fn follow(ctx: &Ctx) -> Result<()> {
    if ctx.db.has_written() && inspect(ctx)?.may_move_money() {
        remember(ctx)?;
    }
    Ok(())
}

/// Remembers a database that was just made.
///
/// # Errors
/// As [`remember`].
pub(super) fn remember_first(config: &Config, db: &Db, now: At) -> Result<()> {
    let path = config.witness_path();
    let identity = db::shop::identity(db.read())?;
    let mut copies = db::shop::copies(db.read())?;
    let (audit_seq, audit_hash) = db::audit::head(db.read())?;
    // Several shops of one owner may share a key; each has its own line. A file that cannot be read is written anew: what is
    // remembered now is all that counts from here on.
    let mut all = read(&path).unwrap_or_default();
    if let Some(before) = all.remove(&identity.install_code) {
        for (code, copy) in before.copies {
            copies.entry(code).or_insert(copy);
        }
    }
    let machine = this_machine(&identity.install_code);
    let seen = Seen { code: identity.code, copies, machine, shop_path: lies_at(db)?, audit_seq, audit_hash, at: now };
    all.insert(identity.install_code, seen);
    write(&path, &all).with_context(|| t!("cannot write {path}", path = path.display()))
}

/// Compares the database with what was remembered.
///
/// # Errors
/// When the witness exists and cannot be read, or the database cannot.
pub fn inspect(ctx: &Ctx) -> Result<Verdict> {
    let conn = ctx.db.read();
    let identity = db::shop::identity(conn)?;
    let (here, _) = db::audit::head(conn)?;
    let seen = read(&ctx.config.witness_path())?.remove(&identity.install_code);
    if identity.restored_at.is_some() {
        let (number, seen_at) = seen.map_or((here, None), |seen| (seen.audit_seq, Some(seen.at)));
        return Ok(Verdict::Behind { restored: true, here, seen: number, seen_at });
    }
    // Key, witness and folder may have come here together.
    let Some(seen) = seen.filter(|seen| seen.machine == this_machine(&identity.install_code)) else {
        let (host, at) = db::audit::last_host(conn)?;
        return Ok(Verdict::Stranger { host, at });
    };
    if identity.code != seen.code {
        return Ok(Verdict::Forked { at_seq: seen.audit_seq, seen_at: seen.at });
    }
    match db::audit::hash_at(conn, seen.audit_seq)? {
        None => Ok(Verdict::Behind { restored: false, here, seen: seen.audit_seq, seen_at: Some(seen.at) }),
        Some(hash) if hash != seen.audit_hash => Ok(Verdict::Forked { at_seq: seen.audit_seq, seen_at: seen.at }),
        Some(_) => moved(ctx, &identity.install_code, seen),
    }
}

/// The copies of a shop's database that were ever remembered; none when nothing is.
pub(super) fn seen_copies(ctx: &Ctx, install_code: &str) -> Copies {
    let seen = read(&ctx.config.witness_path()).ok().and_then(|mut all| all.remove(install_code));
    seen.map(|seen| seen.copies).unwrap_or_default()
}

/// The end of the chain agrees; it remains to be seen whether the place does.
fn moved(ctx: &Ctx, install_code: &str, seen: Seen) -> Result<Verdict> {
    let to = lies_at(&ctx.db)?;
    if to == seen.shop_path || !seen.shop_path.exists() {
        return Ok(Verdict::Same);
    }
    // A file there that cannot be read might be the other copy, so it counts as one.
    let other = db::backup::inspect(&seen.shop_path, false).map(|it| it.install_code);
    if other.is_ok_and(|code| code != install_code) {
        return Ok(Verdict::Same);
    }
    Ok(Verdict::Moved { from: seen.shop_path, to })
}

fn this_machine(install_code: &str) -> String {
    let mut digest = sha256_hex(format!("{install_code} {}", config::machine()).as_bytes());
    digest.truncate(16);
    digest
}

fn lies_at(db: &Db) -> Result<PathBuf> {
    fs::canonicalize(db.path()).with_context(|| db.path().display().to_string())
}

fn read(path: &Path) -> Result<BTreeMap<String, Seen>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    serde_json::from_str(&text).map_err(|_| {
        Fault::broken(t!(
            "{path} is damaged: nobody can say whether this is the newest database",
            path = path.display()
        ))
        .hint(t!("if it is, run `kibble adopt`"))
        .into()
    })
}

/// The file appears whole or not at all.
fn write(path: &Path, all: &BTreeMap<String, Seen>) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    serde_json::to_writer_pretty(&mut file, all)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
