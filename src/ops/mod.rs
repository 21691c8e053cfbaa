//! Use cases: each decides the order of things.

pub mod book;
