//! Every parser of text from outside, in tables by family: the property tests and the fuzz targets both read them, so that a new parser
//! is added in one place. A parser here is what a file, a provider or a person meets, wherever its pieces lie: the whole import, the
//! whole answer over a real connection, with a good signature where a wrong one would hide what comes behind it.
//!
//! Knows nothing of `crate`, because the fuzz targets include this folder by its path.

mod answers;
mod bills;
mod books;
mod notices;
mod outside;
mod settings;
mod words;

use std::fmt::{self, Debug, Write};

/// Something that reads what comes from outside.
#[derive(Clone, Copy)]
pub struct Parser {
    /// What it reads, for the message of a failing test.
    pub name: &'static str,
    /// Reads it; the size of what it made of it.
    pub read: fn(&[u8]) -> usize,
    /// Sound inputs, to be changed a little.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// What it may make of one byte, in bytes of text for people; room for a heading comes on top.
    pub growth: usize,
    /// How many inputs the plain suite tries: fewer where each one starts a program or asks over a connection.
    pub cases: u32,
}

/// The families, each with its fuzz target.
pub const FAMILIES: [(&str, &[Parser]); 6] = [
    ("books", books::ALL),
    ("bills", bills::ALL),
    ("answers", answers::ALL),
    ("notices", notices::ALL),
    ("settings", settings::ALL),
    ("words", words::ALL),
];

/// What a parser may say whatever it was given: a refusal with its advice, one answer.
pub const HEADING_BYTES: usize = 64 * 1024;

/// Gives `input` to the parser of a family that its first byte names, and looks at how much came of it.
///
/// # Panics
/// When a parser does, or makes more of its input than it may.
#[allow(dead_code, reason = "the fuzz targets call it")]
pub fn feed(family: &str, input: &[u8]) {
    let parsers = FAMILIES.iter().find(|(name, _)| *name == family).expect("a family of the table").1;
    let Some((first, input)) = input.split_first() else { return };
    let parser = &parsers[usize::from(*first) % parsers.len()];
    check(parser, input);
}

/// Gives `input` to a parser.
///
/// # Panics
/// When the parser does, or makes more of its input than it may.
pub fn check(parser: &Parser, input: &[u8]) {
    let made = (parser.read)(input);
    let most = HEADING_BYTES + parser.growth * input.len();
    assert!(made <= most, "{}: {made} bytes were made of {}", parser.name, input.len());
}

/// The size of what was made, as text for programmers, without ever holding it.
fn size(made: &impl Debug) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    write!(count, "{made:?}").expect("counting never fails");
    count.0
}

/// Texts as inputs.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
