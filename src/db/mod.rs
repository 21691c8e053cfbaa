//! What the shop remembers. The only room that names the database crate; SQL lives here and nowhere else, and keeps to what
//! SQLite and PostgreSQL share, so that a chain's shared server can come later without touching another room.
//!
//! Reads take a [`Conn`]. Every change goes through [`Db::write`]: one transaction, one audit row.

pub mod agreement;
pub mod audit;
pub mod backup;
pub mod bill;
pub mod catalog;
pub mod charge;
pub mod check;
pub mod credit;
pub mod customer;
pub mod doctor;
pub mod installment;
pub mod journal;
pub mod mandate;
pub mod message;
mod migrate;
pub mod order;
pub mod pet;
pub mod plan;
pub mod points;
pub mod project;
pub mod recon;
pub mod refund;
pub mod report;
pub mod risk;
pub mod run;
pub mod seal;
pub mod shop;
pub mod statement;
mod types;
pub mod wallet;
pub mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::boundary::{Boundary, Point};
use crate::config;
use crate::db::seal::Keyring;
use crate::domain::date::At;
use crate::domain::op::Op;
use crate::fault::Fault;
use crate::t;

/// Page cache in KiB: enough for the hot indexes of a large shop, small enough for a small machine.
const CACHE_KIB: i64 = 8_192;

/// An open shop database with the keys that unseal it. Functions of this room take it; other rooms only pass it on.
pub struct Conn {
    sql: Connection,
    keys: Keyring,
}

impl Conn {
    fn sql(&self) -> &Connection {
        &self.sql
    }

    fn keys(&self) -> &Keyring {
        &self.keys
    }
}

/// Who is changing things and from which machine; stands in every audit row.
#[derive(Clone, Debug)]
pub struct Hand {
    /// The person or `cron`.
    pub actor: String,
    /// The machine's name.
    pub host: String,
}

/// The shop's database: reading, and the one door for writing.
pub struct Db {
    conn: Conn,
    hand: Hand,
    path: PathBuf,
    boundary: Boundary,
}

impl Db {
    /// Makes a new database at `path` and leaves it open.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create(path: &Path, keys: Keyring, hand: Hand, now: At, install_code: &str) -> Result<Db> {
        if path.exists() {
            return Err(Fault::refused(t!("{path} exists already", path = path.display())).into());
        }
        let db = Db {
            conn: Conn { sql: connect(path, true)?, keys },
            hand,
            path: path.to_owned(),
            boundary: Boundary::default(),
        };
        migrate::run(&db.conn.sql)?;
        shop::insert(&db.conn, install_code, now)?;
        Ok(db)
    }

    /// Opens the database at `path`, bringing an older one up to date.
    ///
    /// # Errors
    /// When it is missing, not a kibble database, newer than this program, or sealed with another key.
    pub fn open(path: &Path, keys: Keyring, hand: Hand) -> Result<Db> {
        let db = Db {
            conn: Conn { sql: connect(path, false)?, keys },
            hand,
            path: path.to_owned(),
            boundary: Boundary::default(),
        };
        migrate::run(&db.conn.sql)?;
        shop::check_key(&db.conn)?;
        Ok(db)
    }

    /// For reading.
    pub fn read(&self) -> &Conn {
        &self.conn
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when anything was changed through it since it was opened.
    pub fn has_written(&self) -> bool {
        self.conn.sql.total_changes() > 0
    }

    /// Puts somebody at the boundary of every commit: for simulations.
    pub fn guard(&mut self, boundary: Boundary) {
        self.boundary = boundary;
    }

    /// Whether a commit waits until the disk has it. A new [`Db`] always waits; only a rehearsal that can be built again from nothing
    /// may stop waiting, because a power cut can then cost the whole file.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn wait_for_disk(&self, wait: bool) -> Result<()> {
        self.conn.sql.pragma_update(None, "synchronous", if wait { "FULL" } else { "OFF" })?;
        Ok(())
    }

    /// Changes things: runs `work` in one transaction and writes the audit row of the [`Op`] it returns with its value. Either
    /// all of it is on disk afterwards, or nothing. The op comes from inside, because ids are born there.
    ///
    /// # Errors
    /// Those of `work`, and of a full disk, a locked or a read-only file; nothing is changed then.
    pub fn write<T>(&self, now: At, work: impl FnOnce(&Conn) -> Result<(T, Op)>) -> Result<T> {
        self.write_or_undo(now, |tx| work(tx).map(|(value, op)| (value, Some(op))))
    }

    /// As [`Db::write`], but work that returns no [`Op`] is undone and leaves no audit row: a dry run takes the same steps as the
    /// real one, and an import that found nothing new changes nothing.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_or_undo<T>(&self, now: At, work: impl FnOnce(&Conn) -> Result<(T, Option<Op>)>) -> Result<T> {
        self.conn.sql.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(&self.conn).and_then(|(value, op)| {
            let Some(op) = op else {
                self.conn.sql.execute_batch("ROLLBACK").context("ROLLBACK")?;
                return Ok(value);
            };
            audit::append(&self.conn, &self.hand, now, &op)?;
            self.pass(Point::BeforeCommit)?;
            self.conn.sql.execute_batch("COMMIT").context("COMMIT")?;
            self.pass(Point::AfterCommit)?;
            Ok(value)
        });
        if done.is_err() && !self.conn.sql.is_autocommit() {
            // A failed rollback leaves nothing to do: the journal undoes the transaction at the next open.
            drop(self.conn.sql.execute_batch("ROLLBACK"));
        }
        done
    }

    fn pass(&self, point: Point) -> Result<()> {
        match self.boundary.passes(point) {
            true => Ok(()),
            false => Err(Fault::broken(t!("the work was broken off")).into()),
        }
    }
}

/// A number that changes whenever another program commits to the file, and stays with our own commits: what was read while it stood
/// is still so while it stands.
pub fn others_commits(conn: &Conn) -> Result<i64> {
    let mut query = conn.sql.prepare_cached("PRAGMA data_version")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

fn no_database(path: &Path) -> anyhow::Error {
    Fault::not_found(t!("there is no shop database at {path}", path = path.display()))
        .hint(t!("make one with `kibble init`, or name the shop's folder with --shop"))
        .into()
}

fn connect(path: &Path, create: bool) -> Result<Connection> {
    if !create && !path.exists() {
        return Err(no_database(path));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)?;
    sql.busy_timeout(Duration::from_millis(config::busy_ms()))?;
    sql.pragma_update(None, "foreign_keys", true)?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "cache_size", -CACHE_KIB)?;
    sql.set_prepared_statement_cache_capacity(512);
    // Plans do not depend on the values bound; without this, SQLite prepares a cached statement anew whenever such a value changes,
    // which cost a quarter of a debit run.
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if create {
        sql.pragma_update(None, "journal_mode", "WAL")?;
    }
    Ok(sql)
}

/// Puts a database failure that a person can act on into plain words; other errors pass unchanged.
pub fn explain(error: anyhow::Error) -> anyhow::Error {
    let code =
        error.chain().find_map(|cause| cause.downcast_ref::<rusqlite::Error>()).and_then(|e| e.sqlite_error_code());
    let fault = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::broken(t!(
            "the shop database is locked by another program; the step under way was undone, all before it stands"
        ))
        .hint(t!("close the program that holds shop.db open, then run the command again")),
        Some(ErrorCode::DiskFull) => {
            Fault::broken(t!("the disk is full; the step under way was undone, all before it stands"))
                .hint(t!("free some space, then run the command again"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Fault::broken(t!("the shop folder cannot be written; the step under way was undone, all before it stands"))
                .hint(t!("check who owns the folder and its files, and that the disk is not mounted read-only"))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Fault::broken(t!("shop.db is damaged or is not a kibble database"))
                .hint(t!("restore the last good copy with `kibble restore FILE`"))
        }
        Some(ErrorCode::SystemIoFailure) => {
            Fault::broken(t!("the disk refused to read or write; the step under way was undone, all before it stands"))
                .hint(t!("check the disk and its free space, then run the command again"))
        }
        _ => return error,
    };
    // The fault says it all in the reader's language; the database's own English words would add nothing.
    fault.into()
}
