//! What is right: types, states and decisions. Pure; knows no clock, no file, no database and none of our other rooms.

pub mod date;
pub mod id;
pub mod money;
pub mod rail;
