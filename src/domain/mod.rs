//! What is right: types, states and decisions. Pure; knows no clock, no file, no database and none of our other rooms.

pub mod agreement;
pub mod charge;
pub mod date;
pub mod id;
pub mod journal;
pub mod mandate;
pub mod message;
pub mod money;
pub mod op;
pub mod plan;
pub mod rail;
pub mod refund;
