//! Wrong usage in our own words and in both languages: `clap` says what it found, and its sentences stay unused.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::domain::id::NotAnId;
use crate::fault::Fault;
use crate::t;

/// At most so many characters of a reason: it is read in lists, and kept for years.
const REASON_CHARS: usize = 500;
/// So many characters of a wrong value are repeated.
const SHOWN_CHARS: usize = 40;

/// What was typed wrong in `args`, and what to type instead.
pub(super) fn fault(error: &clap::Error, args: &[OsString]) -> Fault {
    let command = path(error).unwrap_or_else(|| typed(args));
    let hint = suggestion(error).unwrap_or_else(|| t!("`{command} --help` shows what is possible", command = command));
    Fault::usage(what(error, &command)).hint(hint)
}

/// The text after every `--reason`: somebody reads it years later, so it says something, and no more than somebody reads.
pub(super) fn reason(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Fault::usage(t!("say why, in a few words"))),
        count if count > REASON_CHARS => {
            Err(Fault::usage(t!("at most {most} characters, not {count}", most = REASON_CHARS, count = count)))
        }
        _ => Ok(text.to_owned()),
    }
}

/// What a value should look like. Parsers outside the house explain themselves in English; these are put into the chosen language.
fn why(source: &(dyn std::error::Error + 'static)) -> String {
    if let Some(wrong) = source.downcast_ref::<NotAnId>() {
        t!("write it like {example}", example = wrong.example)
    } else if source.is::<chrono::ParseError>() {
        t!("write it like {example}", example = "2026-11-20")
    } else if source.is::<std::num::ParseIntError>() {
        t!("write a whole number")
    } else {
        let said = source.to_string();
        match bounds(&said) {
            Some((least, most)) => t!("write a whole number from {least} to {most}", least = least, most = most),
            None => said,
        }
    }
}

/// The bounds in `0 is not in 1..=10`: `clap` tells them in no other way.
fn bounds(said: &str) -> Option<(&str, &str)> {
    let (_, range) = said.split_once(" is not in ")?;
    let (least, most) = range.split_once("..")?;
    Some((least, most.trim_start_matches('=')))
}

fn what(error: &clap::Error, command: &str) -> String {
    let arg = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            t!("there is no command `{word}`", word = text(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => {
            t!("`{command}` knows no option `{option}`", command = command, option = arg)
        }
        ErrorKind::UnknownArgument => t!("`{command}` does not expect `{word}`", command = command, word = arg),
        ErrorKind::InvalidValue if value.is_empty() => t!("`{option}` needs a value", option = arg),
        ErrorKind::InvalidValue => t!("`{value}` is no value for `{option}`", value = value, option = arg),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(why).unwrap_or_default();
            if value.trim().is_empty() {
                return t!("{option}: {why}", option = arg, why = why);
            }
            let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
            if shown.len() < value.len() {
                shown.push('…');
            }
            t!("`{value}` does not fit `{option}`: {why}", value = shown, option = arg, why = why)
        }
        ErrorKind::MissingRequiredArgument => t!("this is missing: {list}", list = arg),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            t!("`{command}` needs to know what to do", command = command)
        }
        ErrorKind::ArgumentConflict => conflict(&arg, &text(error, ContextKind::PriorArg)),
        ErrorKind::NoEquals => t!("`{option}` needs its value after an equals sign", option = arg),
        ErrorKind::TooManyValues => {
            t!("`{option}` takes no more values, but was given `{value}`", option = arg, value = value)
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            t!("`{option}` was given too few or too many values", option = arg)
        }
        ErrorKind::InvalidUtf8 => t!("the command line has characters that are not UTF-8"),
        _ => t!("the command line could not be understood"),
    }
}

fn conflict(arg: &str, prior: &str) -> String {
    if prior.is_empty() || arg == prior {
        return t!("`{option}` may be given once only", option = arg);
    }
    t!("`{option}` and `{other}` do not go together", option = arg, other = prior)
}

fn suggestion(error: &clap::Error) -> Option<String> {
    let near = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    if let Some(word) = near.into_iter().map(|kind| text(error, kind)).find(|word| !word.is_empty()) {
        return Some(t!("did you mean `{word}`?", word = word));
    }
    for kind in [ContextKind::ValidValue, ContextKind::ValidSubcommand] {
        let choices = text(error, kind);
        if !choices.is_empty() {
            return Some(t!("one of: {choices}", choices = choices));
        }
    }
    None
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The command that was meant: `kibble debit run`. `clap` tells it in its usage line only, which not every error has.
fn path(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return None };
    let usage = usage.to_string();
    let words = usage.split_whitespace().skip_while(|word| *word != "kibble");
    let words: Vec<&str> = words.take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The same from what was typed: the words that name commands, without options and their values.
fn typed(args: &[OsString]) -> String {
    let root = super::plain_command();
    let mut command = &root;
    let mut words = vec!["kibble"];
    let mut args = args.iter().skip(1).filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        if let Some(name) = arg.strip_prefix("--") {
            let mut known = root.get_arguments().chain(command.get_arguments());
            if known.any(|it| it.get_long() == Some(name) && it.get_action().takes_values()) {
                args.next();
            }
        } else if let Some(next) = command.find_subcommand(arg) {
            words.push(next.get_name());
            command = next;
        }
    }
    words.join(" ")
}
