//! The first byte says which parser of the family, the rest is what it reads.

#![no_main]

#[path = "../../it/parsers/mod.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|input: &[u8]| parsers::feed("bills", input));
