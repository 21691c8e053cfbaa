//! The Chinese tables, one per word. A pair is the English as it stands in the code, and its Chinese.

mod book;
mod catalog;
mod cli;
mod config;
mod customer;
mod db;
mod init;
mod order;
mod sandbox;
mod wallet;

/// Pairs of English and Chinese.
pub type Table = &'static [(&'static str, &'static str)];

/// All tables.
pub const TABLES: &[Table] = &[
    book::TABLE,
    catalog::TABLE,
    cli::TABLE,
    config::TABLE,
    customer::TABLE,
    db::TABLE,
    init::TABLE,
    order::TABLE,
    sandbox::TABLE,
    wallet::TABLE,
];
