//! The Chinese tables, one per word. A pair is the English as it stands in the code, and its Chinese.

mod agreement;
mod agreement_import;
mod alipay;
mod audit;
mod backup;
mod book;
mod catalog;
mod check;
mod cli;
mod config;
mod credit;
mod customer;
mod db;
mod debit;
mod demo;
mod doctor;
mod exec;
mod http;
mod init;
mod keys;
mod notice;
mod notify;
mod order;
mod pet;
mod plan;
mod project;
mod recon;
mod recovery;
mod rehearsal;
mod remind;
mod report;
mod risk;
mod sandbox;
mod sign;
mod simulate;
mod wallet;
mod wechat;

/// Pairs of English and Chinese.
pub type Table = &'static [(&'static str, &'static str)];

/// All tables.
pub const TABLES: &[Table] = &[
    agreement::TABLE,
    agreement_import::TABLE,
    alipay::TABLE,
    audit::TABLE,
    backup::TABLE,
    book::TABLE,
    catalog::TABLE,
    check::TABLE,
    cli::TABLE,
    config::TABLE,
    credit::TABLE,
    customer::TABLE,
    db::TABLE,
    debit::TABLE,
    demo::TABLE,
    doctor::TABLE,
    exec::TABLE,
    http::TABLE,
    init::TABLE,
    keys::TABLE,
    notice::TABLE,
    notify::TABLE,
    order::TABLE,
    pet::TABLE,
    plan::TABLE,
    project::TABLE,
    recon::TABLE,
    recovery::TABLE,
    rehearsal::TABLE,
    remind::TABLE,
    report::TABLE,
    risk::TABLE,
    sandbox::TABLE,
    sign::TABLE,
    simulate::TABLE,
    wallet::TABLE,
    wechat::TABLE,
];
