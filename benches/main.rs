//! Every bench of kibble, each beside the least that could do the same work, and one table of ratios at the end. `README.md` says how
//! to read it and keeps the last one.
//!
//! `cargo bench` runs all of them, `cargo bench -- roll export` two, `cargo bench -- debit 10000` one of them at one size. Without
//! cargo's `--bench`, as `cargo test` calls it, everything runs once and small, so that no bench rots: it checks what came out, and
//! prints no figure.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a benchmark is a program that prints, and stops when it cannot run"
)]
#![allow(missing_docs, reason = "nobody links to a benchmark")]

mod debit;
mod export;
mod import;
mod instant;
mod report;
mod roll;
mod seed;
mod settle;
mod startup;
mod table;
mod year;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/provider/mod.rs"]
mod provider;
#[path = "rails.rs"]
mod real_rail;
#[allow(dead_code, unused_imports, unused_macros, reason = "the tests use more of it")]
#[path = "../tests/it/rails/suite.rs"]
pub mod suite;
mod rails {
    pub use crate::suite;
}

use crate::table::{Row, Scale};

/// A bench: its word, and what it measures.
struct Bench {
    word: &'static str,
    run: fn(&Scale) -> Vec<Row>,
}

const ALL: [Bench; 9] = [
    Bench { word: "debit", run: debit::run },
    Bench { word: "rails", run: real_rail::run },
    Bench { word: "roll", run: roll::run },
    Bench { word: "settle", run: settle::run },
    Bench { word: "report", run: report::run },
    Bench { word: "export", run: export::run },
    Bench { word: "import", run: import::run },
    Bench { word: "startup", run: startup::run },
    Bench { word: "year", run: year::run },
];

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == "child") {
        return child(&args[1..]);
    }
    let is_bench = args.iter().any(|arg| arg == "--bench");
    args.retain(|arg| arg != "--bench");
    // What belongs to the other test programs: there is nothing ignored here, and nothing to list.
    if args.iter().any(|arg| arg == "--list" || arg == "--ignored") {
        return;
    }
    let sizes: Vec<u32> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-') && arg.parse::<u32>().is_err()).collect();
    let scale = Scale { small: !is_bench, sizes };
    let mut rows = Vec::new();
    for bench in ALL {
        if words.is_empty() || words.iter().any(|word| *word == bench.word) {
            rows.extend((bench.run)(&scale));
        }
    }
    match (is_bench, rows.len()) {
        (true, _) => table::print(&rows),
        (false, 0) => {}
        (false, count) => println!("{count} rows of the benches ran, too small to be measured"),
    }
}

/// A case that has a process of its own: this program again.
fn child(words: &[String]) {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["debit", rest @ ..] => debit::child(rest),
        ["startup", file] => startup::child(file.as_ref()),
        other => panic!("nobody is called {other:?}"),
    }
}
