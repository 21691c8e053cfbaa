//! Help in both languages. The doc comments on `Args` are the English and the key of the Chinese; `clap` has no languages of
//! its own, so its command tree is walked before parsing and every text in it is replaced. Owns no command.

use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Command};

use crate::english;
use crate::text::{self, Lang};

const TEMPLATE: &str = english!("{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}");
const COMMANDS: &str = english!("Commands");
const ARGUMENTS: &str = english!("Arguments");
const OPTIONS: &str = english!("Options");
const COMMAND: &str = english!("COMMAND");
const SOME_OPTIONS: &str = english!("[OPTIONS]");
const CHOICES: &str = english!("[one of: {choices}]");
const DEFAULT: &str = english!("[default: {default}]");

/// Puts every text of the tree into `lang`.
pub(super) fn dress(command: Command, lang: Lang) -> Command {
    let mut command = command
        .help_template(text::lookup_in(lang, TEMPLATE))
        .subcommand_help_heading(text::lookup_in(lang, COMMANDS))
        .subcommand_value_name(text::lookup_in(lang, COMMAND));
    if let Some(about) = command.get_about().cloned() {
        command = command.about(said(&about, lang));
    }
    if let Some(about) = command.get_long_about().cloned() {
        command = command.long_about(said(&about, lang));
    }
    if let Some(after) = command.get_after_help().cloned() {
        command = command.after_help(said(&after, lang));
    }
    if let Some(after) = command.get_after_long_help().cloned() {
        command = command.after_long_help(said(&after, lang));
    }
    command.mut_args(|arg| dress_arg(arg, lang)).mut_subcommands(|sub| dress(sub, lang))
}

/// Mends what `clap` writes by itself in the finished help text: the word for options in the usage line, its two
/// headings, and the colon after a heading.
pub(super) fn fix(help: String, lang: Lang) -> String {
    if lang == Lang::En {
        return help;
    }
    let help = help.replace(SOME_OPTIONS, text::lookup_in(lang, SOME_OPTIONS));
    help.split('\n')
        .map(|line| if line.starts_with(' ') { line.to_owned() } else { heading(line, lang) })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A line that is a heading, perhaps in colour, with the word and the colon of the language.
fn heading(line: &str, lang: Lang) -> String {
    let mut line = line.to_owned();
    for plain in [ARGUMENTS, OPTIONS] {
        line = line.replace(&format!("{plain}:"), &format!("{}:", text::lookup_in(lang, plain)));
    }
    match line.rsplit_once(':') {
        Some((word, rest)) if rest.is_empty() || rest.starts_with('\u{1b}') => format!("{word}：{rest}"),
        _ => line,
    }
}

fn dress_arg(arg: Arg, lang: Lang) -> Arg {
    let heading = arg.get_help_heading().map(|heading| said(&StyledStr::from(heading.to_owned()), lang));
    let long = arg.get_long_help().map(|help| said(help, lang));
    let mut help = arg.get_help().map(|help| said(help, lang)).unwrap_or_default();
    // `clap` would write these two in English.
    let takes_values = arg.get_action().takes_values();
    if takes_values {
        let choices: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !choices.is_empty() && !arg.is_hide_possible_values_set() {
            let choices = choices.join(", ");
            help = format!("{help} {}", text::fill(text::lookup_in(lang, CHOICES), &[("choices", &choices)]));
        }
        let default: Vec<String> = arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
        if !default.is_empty() && !arg.is_hide_default_value_set() {
            let default = default.join(" ");
            help = format!("{help} {}", text::fill(text::lookup_in(lang, DEFAULT), &[("default", &default)]));
        }
    }
    let arg = arg
        .help_heading(heading.map_or(Resettable::Reset, |heading| Resettable::Value(heading.into())))
        .help(help)
        .long_help(long.map_or(Resettable::Reset, |long| Resettable::Value(StyledStr::from(long))));
    if takes_values { arg.hide_possible_values(true).hide_default_value(true) } else { arg }
}

/// The text in `lang`; English where the Chinese is missing, which `tests/it/house.rs` does not let pass.
fn said(english: &StyledStr, lang: Lang) -> String {
    let english = english.to_string();
    match lang {
        Lang::En => english,
        Lang::Zh => text::chinese(&english).map_or(english, str::to_owned),
    }
}
