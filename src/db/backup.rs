//! Copies of the database file: made while others work, checked before anybody relies on them. Owns the file's own checks and
//! its journal; which copy is kept where is `ops/backup.rs`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::Serialize;

use crate::boundary::Boundary;
use crate::db::seal::Keyring;
use crate::db::types::{at, maybe_at};
use crate::db::{Conn, Db, Hand, connect, migrate, no_database};
use crate::domain::date::At;
use crate::fault::Fault;
use crate::t;

/// Pages copied between two reports of progress.
const STEP_PAGES: i32 = 512;
/// How often a step that met somebody else's write is repeated before giving up, and the pause between, in milliseconds.
const TRIES: u32 = 200;
const PAUSE_MS: u64 = 25;
/// How often a file that is being written is read before SQLite itself is asked for a copy.
const TRIES_UNTOUCHED: u32 = 8;
/// Bytes at the head of a log, which are other ones in each log.
const LOG_HEAD: usize = 32;

/// What a database file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// Which shop's.
    pub install_code: String,
    /// Which copy.
    pub copy_no: i64,
    /// When the shop was opened.
    pub created_at: At,
    /// When it was restored, if it was not adopted since.
    pub restored_at: Option<At>,
    /// Number and hash of the last audit row.
    pub audit_seq: i64,
    /// Its hash.
    pub audit_hash: String,
    /// When the last change was made; `None` for a shop that was never used.
    pub last_change: Option<At>,
}

/// Copies the open database into the file at `to`, which must be empty or absent. Others may go on reading and writing.
/// `step` hears how many pages are done, and of how many.
///
/// # Errors
/// When the file cannot be written, or somebody else writes without a pause.
pub fn copy(db: &Db, to: &Path, step: impl FnMut(i32, i32)) -> Result<()> {
    copy_pages(&db.conn.sql, to, step)
}

/// Copies the database in the file at `from`, with whatever its log still holds.
///
/// # Errors
/// When it cannot be read, or `to` cannot be written.
pub fn copy_file(from: &Path, to: &Path, step: impl FnMut(i32, i32)) -> Result<()> {
    copy_pages(&open_to_read(from)?, to, step)
}

/// Copies the database in the file at `from` without touching anything: no lock is taken, no file beside it is made or changed, and it may
/// lie where nothing can be written. The program itself must not have it open, because closing a file gives up the locks on it. Afterwards
/// `to` is one file without a log.
///
/// The file is read first and its log after it. Whatever is moved from the log into the file meanwhile stands in the log too, unless the log
/// begins anew, which its head shows: then all is read again. A last change that was only half in the log is left out, as after a crash.
///
/// # Errors
/// When it cannot be read, somebody writes without a pause, or `to` cannot be written.
pub fn copy_untouched(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Err(no_database(from));
    }
    for end in ["-wal", "-shm", "-journal"] {
        drop(fs::remove_file(beside(to, end)));
    }
    for _ in 0..TRIES_UNTOUCHED {
        let before = standing(from);
        let named = || from.display().to_string();
        fs::copy(from, to).with_context(named)?;
        match fs::copy(beside(from, "-wal"), beside(to, "-wal")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(fs::remove_file(beside(to, "-wal"))),
            copied => drop(copied.with_context(named)?),
        }
        // A file that keeps no log is undone from its journal after a crash, which only its owner may do.
        if before == standing(from) && !beside(from, "-journal").exists() {
            writable(to)?;
            writable(&beside(to, "-wal"))?;
            return match fold_log(to) {
                true => Ok(()),
                false => {
                    Err(Fault::broken(t!("{path} is damaged: {what}", path = from.display(), what = "log")).into())
                }
            };
        }
        std::thread::sleep(Duration::from_millis(PAUSE_MS));
    }
    drop(fs::remove_file(beside(to, "-wal")));
    drop(fs::remove_file(to));
    copy_file(from, to, |_, _| {})
}

/// What shows that a database file was changed, or that its log began anew.
fn standing(path: &Path) -> (Option<(u64, SystemTime)>, Option<[u8; LOG_HEAD]>) {
    let log = File::open(beside(path, "-wal")).and_then(|mut log| {
        let mut head = [0; LOG_HEAD];
        log.read_exact(&mut head).map(|()| head)
    });
    // With a log that goes on, what is moved into the file does no harm.
    let file = match &log {
        Ok(_) => None,
        Err(_) => fs::metadata(path).and_then(|it| Ok((it.len(), it.modified()?))).ok(),
    };
    (file, log.ok())
}

/// A copy of a file that nobody may write is written here all the same.
fn writable(path: &Path) -> Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let mut permissions = metadata.permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    #[cfg(not(unix))]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).with_context(|| path.display().to_string())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn copy_pages(from: &Connection, to: &Path, mut step: impl FnMut(i32, i32)) -> Result<()> {
    let mut target = Connection::open(to).with_context(|| to.display().to_string())?;
    {
        let backup = Backup::new(from, &mut target)?;
        let mut tries = 0;
        loop {
            match backup.step(STEP_PAGES)? {
                StepResult::Done => break,
                StepResult::More => tries = 0,
                _ if tries >= TRIES => bail!(t!("the database is being written without a pause")),
                _ => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(PAUSE_MS));
                }
            }
            let progress = backup.progress();
            step(progress.pagecount - progress.remaining, progress.pagecount);
        }
    }
    // One file without a log beside it, so that it can be carried about; a shop's live file gets its log back at `restore`.
    let _: String = target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    Ok(())
}

/// Says what the file at `path` is; with `thorough`, after checking every page and every reference in it. Changes nothing.
///
/// # Errors
/// When it is not a kibble database, is of a newer kibble, or is damaged.
pub fn inspect(path: &Path, thorough: bool) -> Result<Inspected> {
    look(path, thorough).map_err(|error| unreadable(error, path))
}

fn look(path: &Path, thorough: bool) -> Result<Inspected> {
    if !path.is_file() {
        return Err(Fault::not_found(t!("there is no file {path}", path = path.display())).into());
    }
    let sql = open_to_read(path)?;
    let version = migrate::version_of(&sql).map_err(|error| error.context(not_ours(path)))?;
    match version {
        Some(version) if version > migrate::newest() => {
            return Err(migrate::too_new(version).into());
        }
        Some(_) => {}
        None => return Err(not_ours(path).into()),
    }
    if thorough {
        check_pages(&sql, path)?;
    }
    let shop =
        sql.query_row("SELECT install_code, copy_no, created_at, restored_at FROM shop WHERE id = 1", [], |row| {
            Ok((row.get("install_code")?, row.get("copy_no")?, at(row, "created_at")?, maybe_at(row, "restored_at")?))
        });
    let (install_code, copy_no, created_at, restored_at) =
        shop.map_err(|error| anyhow::Error::from(error).context(not_ours(path)))?;
    let mut inspected = Inspected {
        install_code,
        copy_no,
        created_at,
        restored_at,
        audit_seq: 0,
        audit_hash: String::new(),
        last_change: None,
    };
    let mut query = sql.prepare("SELECT seq, hash, at FROM audit ORDER BY seq DESC LIMIT 1")?;
    let mut rows = query.query([])?;
    if let Some(row) = rows.next()? {
        inspected.audit_seq = row.get("seq")?;
        inspected.audit_hash = row.get("hash")?;
        inspected.last_change = Some(at(row, "at")?);
    }
    Ok(inspected)
}

/// Opens the copy at `path` for good: brings it up to date and gives it the log that a live file has.
///
/// # Errors
/// As [`Db::open`].
pub fn revive(path: &Path, keys: Keyring, hand: Hand) -> Result<Db> {
    let db = Db {
        conn: Conn { sql: connect(path, true)?, keys },
        hand,
        path: path.to_owned(),
        boundary: Boundary::default(),
    };
    migrate::run(&db.conn.sql)?;
    super::shop::check_key(&db.conn)?;
    Ok(db)
}

/// Folds the log of the file at `path` into it, so that one file holds everything. A damaged file is left as it is.
pub fn fold_log(path: &Path) -> bool {
    let folded = connect(path, false)
        .and_then(|sql| Ok(sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))?));
    folded.is_ok_and(|busy| busy == 0)
}

fn open_to_read(path: &Path) -> Result<Connection> {
    let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .with_context(|| path.display().to_string())?;
    sql.busy_timeout(Duration::from_secs(5))?;
    Ok(sql)
}

fn not_ours(path: &Path) -> Fault {
    Fault::refused(t!("{path} is not a kibble database", path = path.display()))
}

fn damaged(path: &Path, what: &str) -> Fault {
    Fault::broken(t!("{path} is damaged: {what}", path = path.display(), what = what))
        .hint(t!("use an older copy; the one before it may be sound"))
}

/// Where the content of a file is the trouble, the fault names that file and says it all: the database's own words would be read as words
/// about the shop's database.
fn unreadable(error: anyhow::Error, path: &Path) -> anyhow::Error {
    match error.chain().find_map(|cause| cause.downcast_ref::<rusqlite::Error>()).and_then(|it| it.sqlite_error_code())
    {
        Some(ErrorCode::NotADatabase) => not_ours(path).into(),
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, "integrity_check").into(),
        _ => error,
    }
}

fn check_pages(sql: &Connection, path: &Path) -> Result<()> {
    let mut query = sql.prepare("PRAGMA integrity_check(1)")?;
    let said: String = query
        .query_row([], |row| row.get(0))
        .map_err(|error| anyhow::Error::from(error).context(damaged(path, "integrity_check")))?;
    if said != "ok" {
        return Err(damaged(path, said.lines().next().unwrap_or_default()).into());
    }
    let mut query = sql.prepare("PRAGMA foreign_key_check")?;
    let mut rows = query.query([])?;
    if let Some(row) = rows.next()? {
        let table: String = row.get(0)?;
        return Err(damaged(path, &table).into());
    }
    Ok(())
}
