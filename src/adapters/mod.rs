//! The outside: payment rails, message channels and credit checks. Adapters speak protocols and translate into the domain's words;
//! they never see the shop's database.

pub mod credit;
pub mod finding;
pub mod http;
pub mod keys;
pub mod notify;
pub mod page;
pub mod percent;
pub mod program;
pub mod rail;
