//! The one integration test binary: real commands in real folders, and the rules of the house.

#![allow(clippy::unwrap_used, reason = "a test may panic; clippy's own exception sees functions marked #[test] only")]

mod audit;
mod backup;
mod catalog;
mod check;
mod cli;
mod config;
mod cron;
mod customer;
mod debit;
mod due;
mod house;
mod import;
mod init;
mod november;
mod orders;
mod pet;
mod plan;
mod plant;
mod remind;
mod shop;
mod stage;
mod wallet;
mod year;
