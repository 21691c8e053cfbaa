//! The Chinese tables, one per word. A pair is the English as it stands in the code, and its Chinese.

mod book;
mod cli;
mod config;
mod db;
mod init;
mod report;
mod sandbox;

/// Pairs of English and Chinese.
pub type Table = &'static [(&'static str, &'static str)];

/// All tables.
pub const TABLES: &[Table] =
    &[book::TABLE, cli::TABLE, config::TABLE, db::TABLE, init::TABLE, report::TABLE, sandbox::TABLE];
