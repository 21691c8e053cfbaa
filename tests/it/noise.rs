//! Whatever comes from outside is read or refused: no panic, no end of the stack, no more made of it than its size allows. Arbitrary
//! bytes, sound inputs with bytes flipped, cut and repeated, and what attackers are known to send. The table of parsers is
//! `parsers/`; the fuzz targets of `tests/fuzz` read the same table.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::parsers::{FAMILIES, Parser, check};

/// How a sound input is changed: what, where, how much, and with what.
type Change = (u8, u16, u16, u8);

fn changed(sample: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for (what, at, length, byte) in changes {
        let at = usize::from(*at) % (bytes.len() + 1);
        let end = (at + usize::from(*length % 64)).min(bytes.len());
        match what % 8 {
            0 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
            1 if at < bytes.len() => bytes[at] = *byte,
            2 => bytes.insert(at, *byte),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.truncate(at),
            5 => {
                let piece = bytes[at..end].repeat(usize::from(byte % 8) + 1);
                bytes.splice(at..at, piece);
            }
            // What grammars mind.
            6 => {
                let signs = b"\"',;{}[]<>&%=\n\r\0-.09";
                bytes.insert(at, signs[usize::from(*byte) % signs.len()]);
            }
            _ => {
                let numbers: [&[u8]; 6] =
                    [b"99999999999999999999", b"-1", b"1e308", b"\xff\xfe", b"\xe4\xb8", b"+262142-12-31"];
                bytes.splice(at..at, numbers[usize::from(*byte) % numbers.len()].iter().copied());
            }
        }
    }
    bytes
}

fn stands(parser: &Parser) {
    let samples = (parser.samples)();
    for sample in &samples {
        check(parser, sample);
    }
    let config = ProptestConfig { cases: parser.cases, failure_persistence: None, ..ProptestConfig::default() };
    let inputs = (vec(any::<u8>(), 0..200), any::<usize>(), vec(any::<Change>(), 1..8));
    let tried = TestRunner::new(config).run(&inputs, |(noise, which, changes)| {
        let told = |input: Vec<u8>| {
            let read = std::panic::catch_unwind(|| check(parser, &input));
            read.map_err(|_| TestCaseError::fail(format!("{}: {:?}", parser.name, String::from_utf8_lossy(&input))))
        };
        told(noise)?;
        told(changed(&samples[which % samples.len()], &changes))
    });
    if let Err(error) = tried {
        panic!("{}: {error}", parser.name);
    }
}

fn family(name: &str) -> &'static [Parser] {
    FAMILIES.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn no_book_breaks_its_reader() {
    family("books").iter().for_each(stands);
}

#[test]
fn no_bill_breaks_its_reader() {
    family("bills").iter().for_each(stands);
}

#[test]
fn no_answer_breaks_its_reader() {
    family("answers").iter().for_each(stands);
}

#[test]
fn no_notice_breaks_its_reader() {
    family("notices").iter().for_each(stands);
}

#[test]
fn no_settings_break_their_reader() {
    family("settings").iter().for_each(stands);
}

#[test]
fn no_word_breaks_its_reader() {
    family("words").iter().for_each(stands);
}

/// Writes the sound inputs where `cargo fuzz` begins, into the folder that `KIBBLE_SEEDS` names; see `tests/fuzz/README.md`.
#[test]
#[ignore = "writes files for cargo fuzz"]
#[allow(clippy::disallowed_methods, reason = "this is a tool for whoever fuzzes; the program reads no such variable")]
fn seeds() {
    let Some(folder) = std::env::var_os("KIBBLE_SEEDS") else { return };
    for (name, parsers) in FAMILIES {
        let corpus = std::path::Path::new(&folder).join(name);
        std::fs::create_dir_all(&corpus).unwrap();
        for (place, parser) in parsers.iter().enumerate() {
            for (number, sample) in (parser.samples)().into_iter().enumerate() {
                let input = [&[u8::try_from(place).unwrap()], sample.as_slice()].concat();
                std::fs::write(corpus.join(format!("{place}-{number}")), input).unwrap();
            }
        }
    }
}

/// The inputs that are small and cost much where nobody minds: each goes to every parser, whatever it was made for.
#[test]
fn what_attackers_send_costs_no_more_than_its_size() {
    let laughs: String =
        (1..10).map(|it| format!("<!ENTITY l{it} \"{}\">", format!("&l{};", it - 1).repeat(10))).collect();
    let mut attacks: Vec<(&str, Vec<u8>)> = vec![
        (
            "a thousand million laughs",
            format!("<!DOCTYPE xml [<!ENTITY l0 \"ha\">{laughs}]><xml><a>&l9;</a></xml>").into_bytes(),
        ),
        (
            "a file of ours in XML",
            b"<!DOCTYPE xml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><xml><a>&x;</a></xml>".to_vec(),
        ),
        ("nested XML", "<xml>".repeat(10_000).into_bytes()),
        ("nested lists", "[".repeat(30_000).into_bytes()),
        ("nested objects", "{\"a\":".repeat(10_000).into_bytes()),
        ("nested tables", format!("a = {}", "{ a = ".repeat(10_000)).into_bytes()),
        ("a key of many dots", format!("{}a = 1", "a.".repeat(10_000)).into_bytes()),
        ("nested conditions", "{% if a %}".repeat(5_000).into_bytes()),
        ("a long number", format!("{{\"a\":{}}}", "9".repeat(50_000)).into_bytes()),
        ("open quotation marks", "姓名,手机号\n".bytes().chain("x\"y,\"\n".repeat(10_000).into_bytes()).collect()),
        ("one long cell", "a".repeat(150_000).into_bytes()),
        ("nothing but separators", ",".repeat(70_000).into_bytes()),
        ("beginnings of keys", "-----BEGIN CERTIFICATE-----AA".repeat(2_500).into_bytes()),
        ("nothing but tags", "<".repeat(70_000).into_bytes()),
        ("a body that says it is longer", b"Content-Length: 99999999999999999999\r\nX: y\r\n\r\nbody".to_vec()),
        ("headers without end", "a: b\n".repeat(12_000).into_bytes()),
        ("marks of UTF-16", [b"\xff\xfe".as_slice(), &b"\x00\xd8".repeat(12_000)].concat()),
        ("half characters", b"\x81".repeat(30_000)),
    ];
    attacks.push(("a bomb of zeros", gzip(&vec![0; 64 << 20])));
    for (name, bytes) in attacks {
        for (_, parsers) in FAMILIES {
            for parser in parsers {
                let read = std::panic::catch_unwind(|| check(parser, &bytes));
                assert!(read.is_ok(), "{name} to {}", parser.name);
            }
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
