//! The one integration test binary: real commands in real folders, and the rules of the house.

#![allow(clippy::unwrap_used, reason = "a test may panic; clippy's own exception sees functions marked #[test] only")]

mod cli;
mod house;
mod init;
mod report;
mod shop;
