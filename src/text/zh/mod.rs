//! The Chinese tables, one per word. A pair is the English as it stands in the code, and its Chinese.

mod agreement;
mod book;
mod cli;
mod config;
mod db;
mod init;
mod rehearsal;
mod sandbox;
mod sign;

/// Pairs of English and Chinese.
pub type Table = &'static [(&'static str, &'static str)];

/// All tables.
pub const TABLES: &[Table] = &[
    agreement::TABLE,
    book::TABLE,
    cli::TABLE,
    config::TABLE,
    db::TABLE,
    init::TABLE,
    rehearsal::TABLE,
    sandbox::TABLE,
    sign::TABLE,
];
