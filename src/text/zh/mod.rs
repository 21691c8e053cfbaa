//! The Chinese tables, one per word. A pair is the English as it stands in the code, and its Chinese.

mod audit;
mod backup;
mod book;
mod check;
mod cli;
mod config;
mod db;
mod init;
mod remind;
mod sandbox;

/// Pairs of English and Chinese.
pub type Table = &'static [(&'static str, &'static str)];

/// All tables.
pub const TABLES: &[Table] = &[
    audit::TABLE,
    backup::TABLE,
    book::TABLE,
    check::TABLE,
    cli::TABLE,
    config::TABLE,
    db::TABLE,
    init::TABLE,
    remind::TABLE,
    sandbox::TABLE,
];
