//! What is right: types, states and decisions. Pure; knows no clock, no file, no database and none of our other rooms.

pub mod book;
pub mod catalog;
pub mod customer;
pub mod date;
pub mod id;
pub mod money;
pub mod pet;
pub mod rail;
pub mod sheet;
pub mod statement;
