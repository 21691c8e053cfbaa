//! The one row about the shop itself: its install code, which copy of the database this is, and the check of the key.

use anyhow::Result;
use rusqlite::named_params;

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at};
use crate::domain::date::At;
use crate::fault::Fault;
use crate::t;

const KEY_CHECK: &str = "key check";

/// What identifies this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Eight letters and digits, drawn at `init`; part of every order number.
    pub install_code: String,
    /// 1 for the first database, one more for each adopted copy; part of every order number.
    pub copy_no: i64,
    /// When it was made.
    pub created_at: At,
    /// When it was restored from a backup, until it is adopted.
    pub restored_at: Option<At>,
}

/// Writes the row of a new shop.
pub(super) fn insert(conn: &Conn, install_code: &str, now: At) -> Result<()> {
    conn.sql().execute(
        "INSERT INTO shop (id, install_code, copy_no, created_at, key_check) VALUES (1, :code, 1, :at, :check)",
        named_params! {
            ":code": install_code,
            ":at": Instant(now),
            ":check": conn.keys().seal_for_shop(KEY_CHECK, install_code)?,
        },
    )?;
    Ok(())
}

/// Refuses a key that is not this shop's, before anything is sealed with it.
pub(super) fn check_key(conn: &Conn) -> Result<()> {
    let sealed: Vec<u8> = conn.sql().query_row("SELECT key_check FROM shop WHERE id = 1", [], |row| row.get(0))?;
    if conn.keys().opens(KEY_CHECK, &sealed) {
        return Ok(());
    }
    Err(Fault::refused(t!("the data key does not belong to this shop's database"))
        .hint(t!(
            "put back the key file that `kibble init` made for this shop; without it names and phones stay sealed"
        ))
        .into())
}

/// What identifies this database.
///
/// # Errors
/// When the row is missing.
pub fn identity(conn: &Conn) -> Result<Identity> {
    Ok(conn.sql().query_row(
        "SELECT install_code, copy_no, created_at, restored_at FROM shop WHERE id = 1",
        [],
        |row| {
            Ok(Identity {
                install_code: row.get("install_code")?,
                copy_no: row.get("copy_no")?,
                created_at: at(row, "created_at")?,
                restored_at: maybe_at(row, "restored_at")?,
            })
        },
    )?)
}

/// Marks the database as restored: it moves no money until it is adopted.
pub fn set_restored(conn: &Conn, now: At) -> Result<()> {
    conn.sql().execute("UPDATE shop SET restored_at = :at WHERE id = 1", named_params! { ":at": Instant(now) })?;
    Ok(())
}

/// Makes this copy the shop's database: its copy number becomes one more than its own and than `newest`, the highest that was
/// seen, so that order numbers of two copies never collide. Returns the new copy number.
pub fn adopt(conn: &Conn, newest: i64) -> Result<i64> {
    Ok(conn.sql().query_row(
        "UPDATE shop SET copy_no = CASE WHEN copy_no > :newest THEN copy_no ELSE :newest END + 1, restored_at = NULL
         WHERE id = 1 RETURNING copy_no",
        named_params! { ":newest": newest },
        |row| row.get("copy_no"),
    )?)
}
