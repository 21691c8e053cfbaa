//! What is right: types, states and decisions. Pure; knows no clock, no file, no database and none of our other rooms.

pub mod agreement;
pub mod bill;
pub mod book;
pub mod catalog;
pub mod charge;
pub mod credit;
pub mod customer;
pub mod date;
pub mod id;
pub mod journal;
pub mod mandate;
pub mod message;
pub mod money;
pub mod op;
pub mod order;
pub mod overdue;
pub mod pet;
pub mod plan;
pub mod points;
pub mod rail;
pub mod recon;
pub mod refund;
pub mod report;
pub mod retry;
pub mod sheet;
pub mod statement;
