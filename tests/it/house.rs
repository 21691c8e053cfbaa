//! The rules of the house that the compiler cannot check: which room uses which, that every sentence is there in both
//! languages, and that one file writes to the terminal. Reads the sources as text; owns no rule about behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kibble::cli;
use kibble::text::{self, Lang};

/// Rooms and leaves: what stands directly in `src/`.
const ROOMS: [&str; 11] =
    ["cli", "ops", "domain", "db", "adapters", "text", "clock", "fault", "config", "boundary", "planted"];

/// Which room may use which others. Whatever is not listed is a broken arrow.
const ARROWS: [(&str, &[&str]); 11] = [
    // Parses, calls one op, shows its answer; names domain types to read and show them.
    ("cli", &["ops", "domain", "text", "clock", "fault", "config"]),
    // Decides the order of things, so it meets everybody but the terminal.
    ("ops", &["db", "adapters", "domain", "text", "clock", "fault", "config", "boundary", "planted"]),
    // Remembers. Its faults are sentences.
    ("db", &["domain", "text", "clock", "fault", "config", "boundary", "planted"]),
    // Speak protocols, stamp their calls.
    ("adapters", &["domain", "text", "clock", "fault", "config", "boundary"]),
    // Pure, but for the mistakes that tests plant in it.
    ("domain", &["planted"]),
    // Know nobody.
    ("text", &[]),
    ("boundary", &[]),
    ("planted", &[]),
    // Tells the time in the domain's type of a moment.
    ("clock", &["domain"]),
    // Puts the operating system's words into the person's language.
    ("fault", &["text"]),
    // Settings are made of the domain's types, and refuse in sentences.
    ("config", &["domain", "text", "fault"]),
];

/// Single uses beyond the arrows: the file, what it names, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "src/config/rail.rs",
    "crate::adapters::rail::PROFILES",
    "the built-in rail profiles are the defaults of the settings that override them",
)];

/// Who may name the database crate.
const DATABASE: [(&str, &str); 2] = [
    ("src/db/", "the room that remembers"),
    ("src/adapters/rail/sandbox/book.rs", "the pretended provider keeps a book of its own, in its own file"),
];

/// Words of a Chinese help text that stay as they are, beside flags, `code`, names in capitals and names of commands.
const ASCII_IN_CHINESE: [&str; 14] =
    ["kibble", "toml", "shop", "db", "zh", "en", "auto", "always", "never", "Shell", "bash", "zsh", "fish", "Excel"];

/// Words in capitals that are English all the same: `clap` writes them by itself.
const NEVER_IN_CHINESE: [&str; 4] = ["OPTIONS", "COMMAND", "ARGS", "SUBCOMMAND"];

#[test]
fn no_arrow_is_broken() {
    let mut broken = Vec::new();
    for source in sources() {
        let room = source.room();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            // lib.rs is the map and main.rs calls cli::main.
            continue;
        };
        for (at, target) in source.uses() {
            let excepted =
                |(file, name, _): &(&str, &str, &str)| *file == source.name && source.code[at..].starts_with(name);
            if target != room && !allowed.contains(&target) && !EXCEPTIONS.iter().any(excepted) {
                broken.push(format!("{}: {room} uses {target}", source.at(at)));
            }
        }
        for at in source.find("crate::{") {
            broken.push(format!("{}: write one `use` per room, so that arrows can be read", source.at(at)));
        }
    }
    none(&broken, "arrows: cli -> ops -> {db, adapters} -> domain");
}

#[test]
fn only_the_database_room_names_the_database() {
    let mut found = Vec::new();
    for source in sources() {
        if !DATABASE.iter().any(|(path, _)| source.name.starts_with(path)) {
            found.extend(source.find("rusqlite").into_iter().map(|at| source.at(at)));
        }
    }
    none(&found, "rusqlite is named outside db/");
}

#[test]
fn only_ui_writes_to_the_terminal() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.name != "src/cli/ui.rs") {
        for name in [
            "io::stdout",
            "io::stderr",
            "io::Stdout",
            "io::Stderr",
            "println!",
            "print!",
            "dbg!",
            "indicatif",
            "dialoguer",
        ] {
            found.extend(source.find(name).into_iter().map(|at| format!("{}: {name}", source.at(at))));
        }
    }
    none(&found, "only cli/ui.rs writes to the terminal");
}

#[test]
fn every_sentence_has_its_chinese() {
    let mut missing = Vec::new();
    for (english, place) in sentences() {
        if text::chinese(&english).is_none() {
            missing.push(format!("{place}: {english:?}"));
        }
    }
    none(&missing, "add these to src/text/zh/<word>.rs");
}

#[test]
fn every_pair_is_used() {
    let used = sentences();
    let unused: Vec<String> =
        text::pairs().filter(|(english, _)| !used.contains_key(*english)).map(|(e, _)| format!("{e:?}")).collect();
    none(&unused, "no `t!`, no `english!` and no help text says this");
}

#[test]
fn the_audit_trail_has_a_word_for_every_change() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (op, audit) = (read("src/domain/op.rs"), read("src/cli/audit.rs"));
    let body = op.split_once("pub enum Op {").unwrap().1.split_once("\n}").unwrap().0;
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants: Vec<&str> = lines
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.split([' ', ',']).next().unwrap())
        .collect();
    assert!(variants.len() > 40, "{variants:?}");
    let word = |variant: &str| {
        let parts = variant.char_indices().map(|(place, c)| match c.is_ascii_uppercase() && place > 0 {
            true => format!("_{}", c.to_ascii_lowercase()),
            false => c.to_ascii_lowercase().to_string(),
        });
        parts.collect::<String>()
    };
    let missing: Vec<String> =
        variants.into_iter().map(word).filter(|word| !audit.contains(&format!("english!(\"{word}\")"))).collect();
    none(&missing, "add these to CHANGES in src/cli/audit.rs");
}

#[test]
fn no_sentence_has_two_translations() {
    let mut seen = BTreeMap::new();
    let mut twice = Vec::new();
    for (english, chinese) in text::pairs() {
        if *seen.entry(english).or_insert(chinese) != chinese {
            twice.push(format!("{english:?}: {:?} and {chinese:?}", seen[english]));
        }
    }
    none(&twice, "one sentence, one translation");
}

#[test]
fn placeholders_are_the_same_in_both_languages_and_in_the_call() {
    let mut wrong = Vec::new();
    for (english, chinese) in text::pairs() {
        if placeholders(english) != placeholders(chinese) {
            wrong.push(format!("{english:?} and {chinese:?}"));
        }
    }
    for source in sources() {
        for call in source.calls("t!") {
            if placeholders(&call.english) != call.names {
                wrong.push(format!("{}: {:?} is given {:?}", source.at(call.at), call.english, call.names));
            }
        }
    }
    none(&wrong, "placeholders differ");
}

#[test]
fn chinese_is_set_in_chinese_punctuation() {
    let mut wrong = Vec::new();
    for (_, chinese) in text::pairs() {
        let chars: Vec<char> = chinese.chars().collect();
        for (i, c) in chars.iter().enumerate().filter(|(_, c)| ",.;:?!".contains(**c)) {
            let before = i.checked_sub(1).map(|i| chars[i]);
            let after = chars[i + 1..].iter().find(|c| **c != ' ').copied();
            let between = before.is_some_and(is_chinese) && after.is_none_or(|c| is_chinese(c) || c == '{');
            let after_name = before.is_some_and(|c| "}`".contains(c)) && after.is_some_and(is_chinese);
            if between || after_name {
                wrong.push(format!("{chinese:?}: half-width `{c}`"));
            }
        }
    }
    none(&wrong, "use ，。；：？！");
}

#[test]
fn every_command_explains_itself() {
    let mut silent = Vec::new();
    walk(&cli::command(Lang::En), &mut Vec::new(), &mut |command, path| {
        if command.get_about().is_none() {
            silent.push(format!("{path}: the doc comment on its Args"));
        }
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            if arg.get_help().is_none_or(|help| help.to_string().trim().is_empty()) {
                silent.push(format!("{path} {}: its doc comment", arg.get_id()));
            }
            // These are shown by completion scripts and cannot be translated there.
            if arg.get_possible_values().iter().any(|value| value.get_help().is_some()) {
                silent.push(format!("{path} {}: explain its values in its own help, not one by one", arg.get_id()));
            }
        }
    });
    none(&silent, "help is missing");
}

#[test]
fn chinese_help_has_no_english_word() {
    let mut names: BTreeSet<String> = ASCII_IN_CHINESE.iter().map(|word| (*word).to_owned()).collect();
    walk(&cli::command(Lang::Zh), &mut Vec::new(), &mut |command, _| {
        names.extend(words(command.get_name()));
        for value in command.get_arguments().flat_map(clap::Arg::get_possible_values) {
            names.extend(words(value.get_name()));
        }
    });
    let mut english = Vec::new();
    walk(&cli::command(Lang::Zh), &mut Vec::new(), &mut |_, path| {
        let below: Vec<&str> = path.split(' ').skip(1).collect();
        let help = cli::help_of(&below, Lang::Zh).expect("every command of the tree has help");
        for word in words(&without_code(&help)) {
            let name = word.len() < 2 || names.contains(&word) || word.chars().all(|c| c.is_ascii_uppercase());
            if !name || NEVER_IN_CHINESE.contains(&word.as_str()) {
                english.push(format!("{path}: {word}"));
            }
        }
    });
    none(&english, "English in Chinese help");
}

#[test]
fn the_reader_of_sources_is_not_fooled() {
    let source = Source::new(
        "src/cli/x.rs",
        r##"
// t!("comment") crate::db
/* crate::db /* nested */ */
const A: &str = "crate::db \" t!(\"inside\")"; const B: char = '"'; fn f<'a>() {}
const C: &str = r#"raw " crate::db"#;
fn g() {
    t!(
        "two \
         lines {a} \u{4e2d}",
        a = h(b == c, "x, y = z"),
    );
    insert!("no"); kibble::t!("plain");
    super::super::db::open(); use crate::ops::x;
}
"##,
    );
    let calls = source.calls("t!");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].english, "two lines {a} 中");
    assert_eq!(calls[0].names, BTreeSet::from(["a".to_owned()]));
    assert_eq!((calls[1].english.as_str(), source.at(calls[1].at)), ("plain", "src/cli/x.rs:12".to_owned()));
    let uses: Vec<&str> = source.uses().into_iter().map(|(_, room)| room).collect();
    assert_eq!(uses, ["ops", "db", "text", "text"]);
}

/// Every English text that a person can meet, and where it stands.
fn sentences() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for source in sources() {
        for call in source.calls("t!").into_iter().chain(source.calls("english!")) {
            found.entry(call.english).or_insert_with(|| source.at(call.at));
        }
    }
    // As written in doc comments: `cli::command` has already put defaults and choices behind some of them.
    walk(&cli::plain_command(), &mut Vec::new(), &mut |command, path| {
        let texts =
            [command.get_about(), command.get_long_about(), command.get_after_help(), command.get_after_long_help()];
        for text in texts.into_iter().flatten() {
            found.entry(text.to_string()).or_insert_with(|| format!("help of `{path}`"));
        }
        for arg in command.get_arguments() {
            let texts = [arg.get_help(), arg.get_long_help()].into_iter().flatten().map(ToString::to_string);
            for text in texts.chain(arg.get_help_heading().map(str::to_owned)) {
                found.entry(text).or_insert_with(|| format!("help of `{path}` {}", arg.get_id()));
            }
        }
    });
    found
}

fn walk<'a>(command: &'a clap::Command, path: &mut Vec<&'a str>, visit: &mut impl FnMut(&clap::Command, &str)) {
    path.push(command.get_name());
    visit(command, &path.join(" "));
    for sub in command.get_subcommands() {
        walk(sub, path, visit);
    }
    path.pop();
}

/// Help without `code` and without flags, which are the same in every language.
fn without_code(help: &str) -> String {
    let outside: String = help.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    outside.split_whitespace().filter(|word| !word.starts_with('-')).collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is_chinese(c: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&c) || "，。；：？！、（）“”《》".contains(c)
}

fn placeholders(template: &str) -> BTreeSet<String> {
    let named = template.split('{').skip(1).filter_map(|part| part.split_once('}'));
    // `{count|term|terms}` is the word for the number of that name.
    named.map(|(name, _)| name.split('|').next().unwrap().to_owned()).collect()
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| Source::new(&name(path), &fs::read_to_string(path).unwrap())).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

/// A source file: its code with comments and the insides of strings blanked, and its strings by where they begin.
struct Source {
    name: String,
    code: String,
    strings: BTreeMap<usize, String>,
}

/// A macro call that begins with a text.
struct Call {
    at: usize,
    english: String,
    names: BTreeSet<String>,
}

impl Source {
    fn new(name: &str, source: &str) -> Source {
        let (code, strings) = blank(source);
        Source { name: name.to_owned(), code, strings }
    }

    /// `src/ops/debit.rs` -> `ops`, `src/clock.rs` -> `clock`.
    fn room(&self) -> &str {
        let below = self.name.strip_prefix("src/").unwrap_or(&self.name);
        below.split(['/', '.']).next().unwrap_or(below)
    }

    /// How many `super::` lead from this file's module to the crate.
    fn depth(&self) -> usize {
        self.name.trim_end_matches("/mod.rs").matches('/').count()
    }

    fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.name, self.code[..offset].matches('\n').count() + 1)
    }

    /// Where `name` stands as a whole word.
    fn find(&self, name: &str) -> Vec<usize> {
        let joined = |c: char| c.is_alphanumeric() || c == '_';
        let starts = |at: &usize| !self.code[..*at].ends_with(joined);
        let ends = |at: &usize| !name.ends_with(joined) || !self.code[at + name.len()..].starts_with(joined);
        self.code.match_indices(name).map(|(at, _)| at).filter(starts).filter(ends).collect()
    }

    /// The rooms named in paths, and the text room where `t!` is used.
    fn uses(&self) -> Vec<(usize, &'static str)> {
        let mut uses = Vec::new();
        let up = "super::".repeat(self.depth());
        for room in ROOMS {
            for path in [format!("crate::{room}"), format!("{up}{room}::"), format!("{up}super::{room}::")] {
                uses.extend(self.find(&path).into_iter().map(|at| (at, room)));
            }
        }
        for name in ["t!", "english!", "crate::t", "crate::english"] {
            uses.extend(self.find(name).into_iter().map(|at| (at, "text")));
        }
        uses
    }

    /// The calls of a macro whose first argument is a text.
    fn calls(&self, name: &str) -> Vec<Call> {
        let mut calls = Vec::new();
        for at in self.find(name) {
            let open = at + name.len();
            if !self.code[open..].starts_with('(') {
                continue;
            }
            let text = open + 1 + (self.code[open + 1..].len() - self.code[open + 1..].trim_start().len());
            if let Some(english) = self.strings.get(&text) {
                calls.push(Call { at, english: english.clone(), names: names(&self.code[open..]) });
            }
        }
        calls
    }
}

/// The names given to a macro: `(…, a = x, b = y)` -> a, b.
fn names(code: &str) -> BTreeSet<String> {
    let mut depth = 0;
    let mut arguments = vec![String::new()];
    for c in code.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 1 => arguments.push(String::new()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if c != ',' || depth > 1 {
            arguments.last_mut().unwrap().push(c);
        }
    }
    let name = |argument: &String| argument.split_once('=').map(|(name, _)| name.trim().to_owned());
    arguments.iter().skip(1).filter_map(name).collect()
}

/// Blanks comments and what is inside strings and characters, byte for byte, so that offsets and lines stay.
fn blank(source: &str) -> (String, BTreeMap<usize, String>) {
    let mut code = source.as_bytes().to_vec();
    let mut strings = BTreeMap::new();
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        let word_before = source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (inside, next) = if rest.starts_with("//") {
            let end = at + rest.find('\n').unwrap_or(rest.len());
            (at..end, end)
        } else if rest.starts_with("/*") {
            let end = at + comment_length(rest);
            (at..end, end)
        } else if let Some((length, hashes)) = raw_start(rest).filter(|_| !word_before) {
            let close = format!("\"{}", "#".repeat(hashes));
            let end = at + length + rest[length..].find(&close).expect("a raw string ends");
            strings.insert(at, source[at + length..end].to_owned());
            (at + length..end, end + close.len())
        } else if let Some(inside) = rest.strip_prefix('"') {
            let end = at + 1 + string_length(inside);
            strings.insert(at, unescape(&source[at + 1..end]));
            (at + 1..end, end + 1)
        } else if let Some(length) = char_length(rest) {
            (at + 1..at + length - 1, at + length)
        } else {
            let end = at + rest.chars().next().map_or(1, char::len_utf8);
            (at..at, end)
        };
        for byte in &mut code[inside] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    (String::from_utf8(code).expect("whole characters were blanked"), strings)
}

fn comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    loop {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest[at..].chars().next().expect("a comment ends").len_utf8();
        }
        if depth == 0 {
            return at;
        }
    }
}

/// `r#"` -> its length and its number of hashes.
fn raw_start(rest: &str) -> Option<(usize, usize)> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    body[hashes..].starts_with('"').then(|| (rest.len() - body.len() + hashes + 1, hashes))
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.expect("a string ends")
}

/// The length of a character literal; `None` for a lifetime.
fn char_length(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return Some(2 + first + escape[first..].find('\'')? + 1);
    }
    let first = body.chars().next()?.len_utf8();
    body[first..].starts_with('\'').then_some(first + 2)
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('0') => plain.push('\0'),
            Some('u') => {
                let code: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                plain.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some('x') => {
                let code: String = chars.by_ref().take(2).collect();
                plain.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            // The end of a line within a string: it goes on at the next text.
            Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}
