//! kibble runs a pet shop's monthly food plan on one SQLite file.
//!
//! The map. Words come in at [`cli`], a use case in [`ops`] decides the order of things, [`domain`] decides what is right,
//! [`db`] remembers, [`adapters`] ask the outside. Data flows one way: `cli -> ops -> {db, adapters} -> domain`; `db` and
//! `adapters` never meet, and `domain` uses nothing of ours. `tests/it/house.rs` checks the arrows. [`text`] holds what
//! people read, [`config`] is the only reader of settings and environment, [`clock`] of the wall clock, [`fault`] is the
//! error a person can do something about, [`boundary`] is where a simulation stands between the program and the outside.
//!
//! The same file name in several rooms is one word: `wallet` is `cli/wallet.rs`, `ops/wallet.rs`, `domain/wallet.rs`,
//! `db/wallet.rs`. A room has no file for a word it has nothing to say about.
//!
//! Deliberately absent: floats near money, async, an ORM, a `util` room, a server, loans.

pub mod adapters;
pub mod boundary;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod fault;
pub mod ops;
mod planted;
pub mod text;
