//! The outside: payment rails and message channels. Adapters speak protocols and translate into the domain's words;
//! they never see the shop's database.

pub mod http;
pub mod keys;
pub mod notify;
pub mod page;
pub mod rail;
