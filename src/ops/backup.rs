//! Copies of the shop's database: made while the shop works, checked, thinned by age; and put back, never over a live file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{Datelike, NaiveDate, NaiveDateTime};
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{BackupSettings, Config};
use crate::db;
use crate::db::backup::Inspected;
use crate::db::seal::Keyring;
use crate::domain::date::At;
use crate::domain::op::Op;
use crate::fault::Fault;
use crate::ops::{Ctx, Event, hand};
use crate::t;

/// How the moment stands in a backup's name.
const STAMP: &str = "%Y-%m-%dT%H%M";
/// How the name of a database begins that was replaced by a restored one.
const REPLACED: &str = "before-restore-";

/// A backup that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Backed {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Number of its last audit row.
    pub audit_seq: i64,
    /// Older backups that were removed.
    pub removed: Vec<PathBuf>,
    /// How many are kept, this one included.
    pub kept: usize,
}

/// Copies the database into `out` (the shop's `backups/` when `None`), checks the copy, and thins older ones by age.
///
/// # Errors
/// When the folder cannot be written or the copy is not sound; no half file stays then, and none is removed.
pub fn backup(ctx: &Ctx, out: Option<&Path>, now: At) -> Result<Backed> {
    let folder = out.map_or_else(|| ctx.config.backups_path(), Path::to_owned);
    let named = || t!("cannot write {path}", path = folder.display());
    fs::create_dir_all(&folder).with_context(named)?;
    let part = tempfile::Builder::new().prefix(".shop-").suffix(".part").tempfile_in(&folder).with_context(named)?;
    let _beside = Beside(part.path().to_owned());
    let head = db::audit::head(ctx.db.read())?;
    let mut begun = false;
    let mut done = 0;
    let copied = db::backup::copy(&ctx.db, part.path(), |pages, total| {
        if !begun {
            ctx.say(Event::Begin { label: t!("backup"), total: u64::try_from(total).unwrap_or_default() });
            begun = true;
        }
        ctx.say(Event::Step(u64::try_from(pages - done).unwrap_or_default()));
        done = pages;
    });
    ctx.say(Event::End);
    copied.with_context(named)?;
    let inspected = db::backup::inspect(part.path(), true)?;
    let older = inspected.audit_seq < head.0;
    if older || (inspected.audit_seq == head.0 && inspected.audit_hash != head.1) {
        return Err(Fault::broken(t!("the copy does not hold what the database holds; nothing was kept")).into());
    }
    part.as_file().sync_all().with_context(named)?;
    let file = keep(part, &folder, &now.with_timezone(&ctx.zone()).format(STAMP).to_string()).with_context(named)?;
    let bytes = fs::metadata(&file).map(|it| it.len()).unwrap_or_default();
    let (removed, kept) = thin(&folder, &ctx.config.settings.backup).with_context(named)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ctx.db.write(now, |_| Ok(((), Op::BackedUp { file: name })))?;
    Ok(Backed { file, bytes, audit_seq: inspected.audit_seq, removed, kept })
}

/// Gives the finished file its name; a second one of the same minute gets a number.
fn keep(part: tempfile::NamedTempFile, folder: &Path, stamp: &str) -> Result<PathBuf> {
    let mut part = part;
    for number in 1_u32.. {
        let name = if number == 1 { format!("shop-{stamp}.db") } else { format!("shop-{stamp}-{number}.db") };
        let path = folder.join(name);
        match part.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => part = error.file,
            Err(error) => return Err(error.error.into()),
        }
    }
    Err(Fault::refused(t!("there are too many backups of this minute")).into())
}

fn thin(folder: &Path, rule: &BackupSettings) -> Result<(Vec<PathBuf>, usize)> {
    let mut all: Vec<(NaiveDateTime, String)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(at) = made_at(&name) {
            all.push((at, name));
        }
    }
    let kept = kept(all.clone(), rule);
    let mut removed = Vec::new();
    for (_, name) in all.iter().filter(|it| !kept.contains(&it.1)) {
        let path = folder.join(name);
        fs::remove_file(&path)?;
        removed.push(path);
    }
    removed.sort();
    Ok((removed, kept.len()))
}

/// The moment in a backup's name; `None` for any other file, which is never touched.
fn made_at(name: &str) -> Option<NaiveDateTime> {
    let stamp = name.strip_prefix("shop-")?.strip_suffix(".db")?;
    let (stamp, number) = stamp.split_at_checked("2026-11-05T0900".len())?;
    let numbered = number.strip_prefix('-').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if !number.is_empty() && !numbered {
        return None;
    }
    NaiveDateTime::parse_from_str(stamp, STAMP).ok()
}

/// Which day, week or month a date belongs to.
type SpanOf = fn(NaiveDate) -> (i32, u32);

/// The names that stay: the newest of each of the last days, weeks and months that have any.
fn kept(mut all: Vec<(NaiveDateTime, String)>, rule: &BackupSettings) -> BTreeSet<String> {
    // Two of one minute: the longer name, which has the higher number, is the newer.
    all.sort_by(|a, b| (b.0, b.1.len(), &b.1).cmp(&(a.0, a.1.len(), &a.1)));
    let mut kept: BTreeSet<String> = all.first().map(|it| it.1.clone()).into_iter().collect();
    let spans: [(u32, SpanOf); 3] = [
        (rule.keep_daily, |day| (day.year(), day.ordinal())),
        (rule.keep_weekly, |day| (day.iso_week().year(), day.iso_week().week())),
        (rule.keep_monthly, |day| (day.year(), day.month())),
    ];
    for (count, span_of) in spans {
        let mut seen = BTreeSet::new();
        for (at, name) in &all {
            let span = span_of(at.date());
            if seen.contains(&span) {
                continue;
            }
            if seen.len() >= usize::try_from(count).unwrap_or(usize::MAX) {
                break;
            }
            seen.insert(span);
            kept.insert(name.clone());
        }
    }
    kept
}

/// A file that may be put back, checked.
#[derive(Clone, Debug)]
pub struct Restorable {
    /// The file.
    pub file: PathBuf,
    /// What it is.
    pub inspected: Inspected,
    /// What lies there now, if anything readable does.
    pub live: Option<Inspected>,
    /// True when something lies there now, readable or not.
    pub has_live: bool,
}

/// Checks that `file` is a sound database of this shop. Changes nothing.
///
/// # Errors
/// When it is not.
pub fn restorable(config: &Config, file: &Path) -> Result<Restorable> {
    let hint = || t!("the copies lie in {folder}", folder = config.backups_path().display());
    if file.is_dir() {
        return Err(Fault::refused(t!("{path} is a folder, not a copy", path = file.display())).hint(hint()).into());
    }
    let inspected = db::backup::inspect(file, true).map_err(|error| match error.downcast_ref::<Fault>() {
        Some(fault) if fault.next_step().is_none() => {
            let fault = fault.clone().hint(hint());
            error.context(fault)
        }
        _ => error,
    })?;
    let path = config.db_path();
    let same = fs::canonicalize(file).ok().zip(fs::canonicalize(&path).ok()).is_some_and(|(a, b)| a == b);
    if same {
        return Err(Fault::refused(t!("{path} is the live database itself", path = file.display())).into());
    }
    // A damaged live file is why people restore; the data key is the judge then.
    let live = db::backup::inspect(&path, false).ok();
    if let Some(live) = live.as_ref().filter(|live| live.install_code != inspected.install_code) {
        return Err(Fault::refused(t!(
            "{path} belongs to another shop ({theirs}; this one is {ours})",
            path = file.display(),
            theirs = inspected.install_code,
            ours = live.install_code
        ))
        .into());
    }
    Ok(Restorable { file: file.to_owned(), inspected, live, has_live: path.exists() })
}

/// A restore that was done.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// The file it came from.
    pub from: PathBuf,
    /// When the last change in it was made.
    pub last_change: Option<At>,
    /// Where the database that lay there went.
    pub moved_aside: Option<PathBuf>,
}

/// Puts the checked file in the place of the live one, which is moved into `backups/` first. The restored database moves no
/// money until it is adopted.
///
/// # Errors
/// When a debit run or a delivery is under way, the data key is not this shop's, or a file cannot be written.
pub fn restore(config: &Config, clock: &Clock, it: &Restorable) -> Result<Restored> {
    let _run = alone(&config.lock_path())?;
    let _delivery = alone(&config.outbox_lock_path())?;
    let now = clock.now();
    let path = config.db_path();
    let named = || t!("cannot write {path}", path = path.display());
    let part =
        tempfile::Builder::new().prefix(".shop-").suffix(".part").tempfile_in(&config.folder).with_context(named)?;
    let _beside = Beside(part.path().to_owned());
    db::backup::copy_file(&it.file, part.path(), |_, _| {})?;
    let name = it.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    {
        let revived = db::backup::revive(part.path(), Keyring::new(&config.key()?), hand())?;
        revived.write(now, |tx| {
            db::shop::set_restored(tx, now)?;
            Ok(((), Op::Restored { file: name }))
        })?;
    }
    // Without what its log holds, the file would not say that it was restored, and a log folded halfway leaves it torn.
    if !db::backup::fold_log(part.path()) {
        return Err(Fault::broken(t!("the disk refused to take the restored database; nothing was changed"))
            .hint(t!("free some space, then run the command again"))
            .into());
    }
    part.as_file().sync_all().with_context(named)?;
    let stamp = now.with_timezone(&config.settings.timezone).format(STAMP).to_string();
    let moved_aside = if it.has_live { Some(move_aside(config, &stamp)?) } else { None };
    if let Err(error) = part.persist(&path) {
        // The shop goes on with what it had.
        if let Some(aside) = &moved_aside
            && !path.exists()
        {
            drop(fs::rename(aside, &path));
        }
        return Err(error.error).with_context(named);
    }
    Ok(Restored { from: it.file.clone(), last_change: it.inspected.last_change, moved_aside })
}

/// The databases in the folder that were replaced by restored ones, by name.
///
/// # Errors
/// When the folder is there and cannot be read.
pub(super) fn replaced(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(REPLACED) && name.ends_with(".db") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Holds a lock until it is dropped, or says that somebody else does.
fn alone(path: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Fault::refused(t!("another kibble is at work in this shop; nothing was changed"))
                .hint(t!("wait until it has ended, then run the command again"))
                .into())
        }
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The live file with its log goes to `backups/`, under a name that is never thinned.
fn move_aside(config: &Config, stamp: &str) -> Result<PathBuf> {
    let folder = config.backups_path();
    let live = config.db_path();
    let named = || t!("cannot move {path} aside", path = live.display());
    fs::create_dir_all(&folder).with_context(named)?;
    db::backup::fold_log(&live);
    let mut number = 1_u32;
    let target = loop {
        let name = match number {
            1 => format!("{REPLACED}{stamp}.db"),
            _ => format!("{REPLACED}{stamp}-{number}.db"),
        };
        let target = folder.join(name);
        if !target.exists() {
            break target;
        }
        number += 1;
    };
    // A second name for the file, so that there is a database at every moment; where the disk knows no second names, it is moved.
    if fs::hard_link(&live, &target).is_err() {
        fs::rename(&live, &target).with_context(named)?;
    }
    // A log that could not be folded belongs to the old file, and must not meet the new one.
    for end in ["-wal", "-shm"] {
        let log = beside(&live, end);
        if log.exists() {
            fs::rename(&log, beside(&target, end)).with_context(named)?;
        }
    }
    Ok(target)
}

/// What the database library keeps beside a file while it is written. Goes away with the file, however that ends.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        for end in ["-wal", "-shm", "-journal"] {
            drop(fs::remove_file(beside(&self.0, end)));
        }
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::{kept, made_at};
    use crate::config::BackupSettings;

    #[test]
    fn a_foreign_file_is_no_backup() {
        for name in ["shop-2026-11-05T0900.db", "shop-2026-11-05T0900-2.db"] {
            assert!(made_at(name).is_some(), "{name}");
        }
        for name in [
            "shop.db",
            "before-restore-2026-11-05T0900.db",
            "shop-2026-11-05T0900.db.gz",
            "shop-2026-13-05T0900.db",
            "shop-2026-11-05T0900x.db",
            "shop-团子团子团子.db",
        ] {
            assert!(made_at(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_stays() {
        let names = [
            "shop-2026-11-05T0900.db",
            "shop-2026-11-05T1800.db",
            "shop-2026-11-05T1800-2.db",
            "shop-2026-11-04T0900.db",
            "shop-2026-11-03T0900.db",
            "shop-2026-10-30T0900.db",
            "shop-2026-10-20T0900.db",
            "shop-2026-09-30T0900.db",
            "shop-2026-08-31T0900.db",
        ];
        let all = names.iter().map(|name| (made_at(name).unwrap(), (*name).to_owned())).collect();
        let rule = BackupSettings { keep_daily: 2, keep_weekly: 3, keep_monthly: 3 };
        let kept: Vec<String> = kept(all, &rule).into_iter().collect();
        let expected = [
            "shop-2026-09-30T0900.db",
            "shop-2026-10-20T0900.db",
            "shop-2026-10-30T0900.db",
            "shop-2026-11-04T0900.db",
            "shop-2026-11-05T1800-2.db",
        ];
        assert_eq!(kept, expected);
    }

    #[test]
    fn the_one_just_made_stays_whatever_the_settings() {
        let name = "shop-2026-11-05T0900.db";
        let rule = BackupSettings { keep_daily: 0, keep_weekly: 0, keep_monthly: 0 };
        assert_eq!(kept(vec![(made_at(name).unwrap(), name.to_owned())], &rule).len(), 1);
    }
}
