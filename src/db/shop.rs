//! The one row about the shop itself: its install code, which copy of the database this is, and the check of the key. And the
//! codes of all copies, by which their numbers are told apart.

use anyhow::Result;
use rusqlite::{Row, named_params};

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at};
use crate::domain::charge::{Copies, CopyMade};
use crate::domain::date::At;
use crate::domain::id::AgreementId;
use crate::fault::Fault;
use crate::t;

const KEY_CHECK: &str = "key check";

/// What identifies this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Eight letters and digits, drawn at `init`: which shop this is.
    pub install_code: String,
    /// The code in the numbers that this copy of the database makes: the install code at first, another one after each adoption.
    pub code: String,
    /// 1 for the first database, one more for each adopted copy.
    pub copy_no: i64,
    /// When it was made.
    pub created_at: At,
    /// When it was restored from a backup, until it is adopted.
    pub restored_at: Option<At>,
}

/// Writes the row of a new shop.
pub(super) fn insert(conn: &Conn, install_code: &str, now: At) -> Result<()> {
    add_copy(conn, install_code, &CopyMade { copy_no: 1, made_from: None, last_agreement: AgreementId::new(0) })?;
    conn.sql().execute(
        "INSERT INTO shop (id, install_code, code, copy_no, created_at, key_check) VALUES (1, :code, :code, 1, :at, :check)",
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
        "SELECT install_code, code, copy_no, created_at, restored_at FROM shop WHERE id = 1",
        [],
        |row| {
            Ok(Identity {
                install_code: row.get("install_code")?,
                code: row.get("code")?,
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

/// Every copy whose numbers may be met: this one, those that it was, and lost ones that an adoption heard of.
///
/// # Errors
/// When the database cannot be read.
pub fn copies(conn: &Conn) -> Result<Copies> {
    let mut query = conn.sql().prepare("SELECT code, copy_no, made_from, last_agreement FROM copy")?;
    let rows = query.query_map([], |row| Ok((row.get("code")?, copy_made(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Makes this copy the shop's database: it makes its numbers with `code` from now on, which no copy has used, and knows those of the
/// `lost` copies. What the state that was lost signed since has other agreements under the same ids. Returns the new copy number, one more than the highest it knows.
///
/// # Errors
/// When a copy has that code already.
pub fn adopt(conn: &Conn, code: &str, lost: &Copies) -> Result<i64> {
    for (code, copy) in lost {
        add_copy(conn, code, copy)?;
    }
    let made = conn.sql().query_row(
        "SELECT (SELECT MAX(copy_no) + 1 FROM copy) AS copy_no, code AS made_from,
                (SELECT COALESCE(MAX(id), 0) FROM agreement) AS last_agreement FROM shop WHERE id = 1",
        [],
        copy_made,
    )?;
    let copy_no = made.copy_no;
    add_copy(conn, code, &made)?;
    conn.sql().execute(
        "UPDATE shop SET code = :code, copy_no = :copy_no, restored_at = NULL WHERE id = 1",
        named_params! { ":code": code, ":copy_no": copy_no },
    )?;
    Ok(copy_no)
}

fn copy_made(row: &Row<'_>) -> rusqlite::Result<CopyMade> {
    Ok(CopyMade {
        copy_no: row.get("copy_no")?,
        made_from: row.get("made_from")?,
        last_agreement: row.get("last_agreement")?,
    })
}

fn add_copy(conn: &Conn, code: &str, copy: &CopyMade) -> Result<()> {
    conn.sql().execute(
        "INSERT INTO copy (code, copy_no, made_from, last_agreement) VALUES (:code, :copy_no, :made_from, :last)",
        named_params! {
            ":code": code,
            ":copy_no": copy.copy_no,
            ":made_from": copy.made_from,
            ":last": copy.last_agreement,
        },
    )?;
    Ok(())
}
