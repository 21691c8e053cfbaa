//! The papers beside the code: the two READMEs say the same, every command in them works, and what they show is what kibble
//! prints.

use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use kibble::cli;
use kibble::text::Lang;

use crate::shop::{Shop, split};

const READMES: [(&str, &str); 2] = [("README.md", "en_US.UTF-8"), ("README.zh.md", "zh_CN.UTF-8")];

/// A fenced block: what it is written in, the mark in the line before it, its lines.
struct Block {
    language: String,
    mark: String,
    lines: Vec<String>,
}

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    let mut before = "";
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                let mark = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")).unwrap_or_default();
                blocks.push(Block { language: language.to_owned(), mark: mark.to_owned(), lines: Vec::new() });
            }
            None if inside => blocks.last_mut().unwrap().lines.push(line.to_owned()),
            None => before = line,
        }
    }
    assert!(!inside, "a block does not end");
    blocks
}

/// What a reader is to type, in order.
fn commands(text: &str) -> Vec<String> {
    let typed = |block: Block| -> Vec<String> {
        match block.language.as_str() {
            "sh" => block.lines,
            "console" => block.lines.iter().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    blocks(text).into_iter().flat_map(typed).collect()
}

/// The words that kibble gets, when the line calls it.
fn words(line: &str) -> Option<Vec<String>> {
    let rest = line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("kibble "))?;
    let mut words = split(rest);
    words.insert(0, "kibble".to_owned());
    Some(words)
}

#[test]
fn both_readmes_give_the_same_commands() {
    // What stands in quotes may be in the reader's language.
    let plain = |line: String| line.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let [english, chinese] =
        READMES.map(|(name, _)| commands(&file(name)).into_iter().map(plain).collect::<Vec<_>>().join("\n"));
    assert_eq!(english, chinese);
    assert!(english.lines().count() > 30, "too few commands were found:\n{english}");
}

#[test]
fn every_command_in_the_papers_is_understood() {
    for name in ["README.md", "README.zh.md", "examples/README.md", "examples/exec-rail/README.md"] {
        let text = file(name);
        for line in commands(&text) {
            let Some(words) = words(&line) else { continue };
            if let Err(error) = cli::command(Lang::En).try_get_matches_from(words) {
                panic!("{name}: {line}\n{error}");
            }
        }
        // In running text a command may lack its arguments, but must exist.
        for code in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let Some(words) = words(code) else { continue };
            if let Err(error) = cli::command(Lang::En).try_get_matches_from(words) {
                let short = [
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::MissingSubcommand,
                    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    ErrorKind::InvalidValue,
                ];
                assert!(short.contains(&error.kind()), "{name}: `{code}`\n{error}");
            }
        }
    }
}

#[test]
fn the_first_shop_of_the_readme_is_what_kibble_prints() {
    for (name, lang) in READMES {
        let shop = Shop::new();
        let home = shop.dir().parent().unwrap().join("home").display().to_string();
        let mut code = None;
        for block in blocks(&file(name)) {
            match block.mark.as_str() {
                "merchant" => fill_in(&shop, &block.lines),
                "first-shop" => follow(&shop, name, lang, &home, &mut code, &block.lines),
                _ => {}
            }
        }
        assert!(code.is_some(), "{name} opens no shop");
    }
}

/// Types the commands of a block and compares what is printed below each with its answer, line by line; `…` stands for any lines.
fn follow(shop: &Shop, name: &str, lang: &str, home: &str, code: &mut Option<String>, lines: &[String]) {
    let examples = format!("{}/examples/", env!("CARGO_MANIFEST_DIR"));
    let mut answer: Vec<String> = Vec::new();
    let mut leaves_out = false;
    for line in lines {
        if let Some(typed) = line.strip_prefix("$ kibble ") {
            assert!(leaves_out || answer.is_empty(), "{name} leaves out without saying so:\n{}", answer.join("\n"));
            leaves_out = false;
            let ran = shop.run_with(&typed.replace("../examples/", &examples), &[("LANG", lang)]);
            assert!([0, 3].contains(&ran.code), "{name}\n{}", ran.full());
            let mut out = ran.out;
            // The shop's own code is drawn from chance; the papers show this one.
            if code.is_none() {
                *code = out.split(".key").next().and_then(|it| it.rsplit('/').next()).map(str::to_owned);
            }
            let drawn = code.as_ref().expect("the first command opens the shop");
            let folder = shop.dir().display().to_string();
            out = out.replace(drawn, "RQ4JGXMW").replace(&folder, "/home/owner/my-shop").replace(home, "/home/owner");
            answer = out.lines().map(str::to_owned).collect();
        } else if line == "…" {
            leaves_out = true;
        } else {
            let place = answer.iter().position(|real| real == line);
            let place = place.filter(|place| leaves_out || *place == 0);
            let place = place.unwrap_or_else(|| {
                panic!("{name} shows a line that is not there, or not here:\n{line}\n{}", answer.join("\n"))
            });
            answer.drain(..=place);
            leaves_out = false;
        }
    }
    assert!(leaves_out || answer.is_empty(), "{name} leaves out without saying so:\n{}", answer.join("\n"));
}

/// Writes the values of a block into shop.toml, as the reader does.
fn fill_in(shop: &Shop, lines: &[String]) {
    let mut settings = shop.read("shop.toml");
    for line in lines.iter().filter(|line| line.contains(" = ")) {
        let (key, _) = line.split_once(" = ").unwrap();
        let empty = format!("\n{key} = \"\"\n");
        assert!(settings.contains(&empty), "shop.toml has no empty {key}");
        settings = settings.replace(&empty, &format!("\n{line}\n"));
    }
    shop.write("shop.toml", settings);
}

#[test]
fn the_readme_has_one_test_command() {
    for (name, _) in READMES {
        let marked: Vec<Block> = blocks(&file(name)).into_iter().filter(|it| it.mark == "test-command").collect();
        assert_eq!(marked.len(), 1, "{name}: .ci/run runs the block after <!-- test-command -->");
        assert_eq!(marked[0].lines.len(), 1, "{name}: .ci/run runs one line");
    }
    assert!(file(".ci/run").contains("README.md"));
}

#[test]
fn links_in_the_papers_lead_somewhere() {
    for name in ["README.md", "README.zh.md", "examples/README.md", "examples/exec-rail/README.md", "CHANGELOG.md"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let folder = folder.parent().unwrap();
        for link in file(name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(link.starts_with("https://") || folder.join(link).exists(), "{name}: {link}");
        }
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let version = concat!("## [", env!("CARGO_PKG_VERSION"), "]");
    assert!(file("CHANGELOG.md").contains(version), "{version}");
    assert!(file("LICENSE").contains("The kibble authors"));
}

#[test]
fn every_setting_is_explained_in_both_languages() {
    for name in ["shop.example.toml", "examples/sign.toml"] {
        let text = file(name);
        // A setting that is commented out is not a sentence.
        let comments = text.lines().filter(|line| line.starts_with("# ") && !is_setting(&line[2..]));
        let mut english_before = false;
        for comment in comments {
            if english_before {
                assert!(is_chinese(comment), "{name}: {comment}");
                english_before = false;
                continue;
            }
            let (english, chinese) = match comment.strip_suffix(" /") {
                // The Chinese follows on a line of its own.
                Some(english) => {
                    english_before = true;
                    (english, "中文")
                }
                None => comment.rsplit_once(" / ").unwrap_or_else(|| panic!("{name}: one language only: {comment}")),
            };
            assert!(!is_chinese(english) && is_chinese(chinese), "{name}: {comment}");
        }
    }
}

fn is_setting(text: &str) -> bool {
    text.starts_with('[') || text.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{3400}'..='\u{9fff}').contains(&c))
}
