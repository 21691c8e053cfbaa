//! Brings the tables up to date: a numbered list, and `user_version` says how many have run. A shipped step is never edited.

use anyhow::{Context, Result};
use rusqlite::Connection;

use crate::fault::Fault;
use crate::t;

/// The steps, in order.
const STEPS: &[&str] = &[include_str!("migrations/0001_init.sql")];

/// Marks the file as kibble's (`PRAGMA application_id`, "kibl").
const APPLICATION_ID: i64 = 0x6b69_626c;

/// Runs the steps that are missing, one transaction each, so that two commands that start together do not collide.
pub(super) fn run(sql: &Connection) -> Result<()> {
    let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = newest();
    if version > known {
        return Err(too_new(version).into());
    }
    let application: i64 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Fault::refused(t!("shop.db is a database of some other program"))
            .hint(t!("name the shop's folder with --shop"))
            .into());
    }
    for number in version..known {
        step(sql, number)?;
    }
    Ok(())
}

/// The newest format that this kibble knows.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// The format of a file, without changing it; `None` when it is not kibble's.
pub(super) fn version_of(sql: &Connection) -> Result<Option<i64>> {
    let application: i64 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application == APPLICATION_ID && version > 0).then_some(version))
}

/// A file of a newer kibble.
pub(super) fn too_new(version: i64) -> Fault {
    Fault::refused(t!(
        "this shop database is of a newer kibble (format {version}; this one knows up to {known})",
        version = version,
        known = newest()
    ))
    .hint(t!("install the newer kibble on this machine; nothing was changed"))
}

fn step(sql: &Connection, number: i64) -> Result<()> {
    sql.execute_batch("BEGIN IMMEDIATE")?;
    let done = (|| {
        let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != number {
            return Ok(());
        }
        let place = usize::try_from(number).expect("steps are counted from zero");
        sql.execute_batch(STEPS[place]).with_context(|| format!("migration {}", number + 1))?;
        sql.pragma_update(None, "application_id", APPLICATION_ID)?;
        sql.pragma_update(None, "user_version", number + 1)?;
        anyhow::Ok(())
    })();
    match done {
        Ok(()) => Ok(sql.execute_batch("COMMIT")?),
        Err(error) => {
            drop(sql.execute_batch("ROLLBACK"));
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::Connection;

    /// Today's tables for people; see the file.
    const SCHEMA: &str = include_str!("schema.sql");

    /// `CREATE TABLE charge` -> the whole statement, without comments and white space.
    fn statements(sql: &str) -> BTreeMap<String, String> {
        let plain: String =
            sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
        plain
            .split(';')
            .filter(|statement| !statement.trim().is_empty())
            .map(|statement| {
                let name = statement.split(['(', ' ']).filter(|word| !word.is_empty()).take_while(|word| *word != "ON");
                let name: Vec<&str> = name.take(4).filter(|word| *word != "UNIQUE").take(3).collect();
                (name.join(" "), statement.split_whitespace().collect())
            })
            .collect()
    }

    #[test]
    fn the_schema_that_people_read_is_the_one_that_the_migrations_make() {
        let sql = Connection::open_in_memory().unwrap();
        super::run(&sql).unwrap();
        let made: Vec<String> = sql
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        let (made, read) = (statements(&made.join(";\n")), statements(SCHEMA));
        for (name, statement) in &made {
            assert_eq!(read.get(name), Some(statement), "{name}: left is schema.sql, right what the migrations make");
        }
        for name in read.keys() {
            assert!(made.contains_key(name), "{name} stands in schema.sql, but no migration makes it");
        }
        assert!(made.len() > 40, "tables and indexes were found: {}", made.len());
    }

    #[test]
    fn every_table_column_and_index_says_what_it_is_for() {
        let mut above = "";
        let mut seen = 0;
        for line in SCHEMA.lines() {
            let is_column = line.starts_with("  ") && !line.trim().starts_with("--");
            if is_column || line.starts_with("CREATE ") {
                seen += 1;
                let comment = match line.split_once("--") {
                    Some((_, comment)) => comment,
                    None => above.trim().strip_prefix("--").unwrap_or_default(),
                };
                assert!(!comment.trim().is_empty(), "schema.sql does not say what this is for: {}", line.trim());
            }
            above = line;
        }
        assert!(seen > 250, "columns were found: {seen}");
    }
}
