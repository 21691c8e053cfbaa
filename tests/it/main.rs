//! The one integration test binary: real commands in real folders, and the rules of the house.

#![allow(clippy::unwrap_used, reason = "a test may panic; clippy's own exception sees functions marked #[test] only")]

mod agreement;
mod alipay;
mod audit;
mod backup;
mod catalog;
mod channels;
mod check;
mod cli;
mod config;
#[cfg(unix)]
mod copies;
mod credit;
mod cron;
mod customer;
mod debit;
mod demo;
mod docs;
mod doctor;
mod due;
mod earnest;
mod examples;
mod hostile;
mod house;
mod http;
mod import;
mod init;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod line;
mod log;
mod mandate;
mod money;
mod month;
mod noise;
mod notice;
mod november;
mod orders;
mod parsers;
mod pet;
mod plan;
mod plant;
mod power;
mod process;
mod project;
#[cfg(unix)]
mod prompts;
mod provider;
mod rails;
mod real;
mod recon;
#[cfg(unix)]
mod recovery;
mod refund;
mod remind;
mod report;
mod sandbox;
mod shop;
mod sign;
mod signing;
mod simulate;
mod stage;
#[cfg(unix)]
mod together;
mod trouble;
mod wallet;
mod why;
mod year;
