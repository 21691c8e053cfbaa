//! Wrong usage in our own words and in both languages: `clap` says what it found, and its sentences stay unused.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::domain::id::NotAnId;
use crate::fault::Fault;
use crate::t;

/// What was typed wrong, and what to type instead.
pub(super) fn fault(error: &clap::Error) -> Fault {
    let hint =
        suggestion(error).unwrap_or_else(|| t!("`{command} --help` shows what is possible", command = path(error)));
    Fault::usage(what(error)).hint(hint)
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
        source.to_string()
    }
}

fn what(error: &clap::Error) -> String {
    let arg = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            t!("there is no command `{word}`", word = text(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::UnknownArgument if arg.starts_with('-') => {
            t!("`{command}` knows no option `{option}`", command = path(error), option = arg)
        }
        ErrorKind::UnknownArgument => t!("`{command}` does not expect `{word}`", command = path(error), word = arg),
        ErrorKind::InvalidValue if value.is_empty() => t!("`{option}` needs a value", option = arg),
        ErrorKind::InvalidValue => t!("`{value}` is no value for `{option}`", value = value, option = arg),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(why).unwrap_or_default();
            t!("`{value}` does not fit `{option}`: {why}", value = value, option = arg, why = why)
        }
        ErrorKind::MissingRequiredArgument => t!("this is missing: {list}", list = arg),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            t!("`{command}` needs to know what to do", command = path(error))
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

/// The command that was meant, as typed: `kibble debit run`. `clap` tells it in its usage line only.
fn path(error: &clap::Error) -> String {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let words = usage.split_whitespace().skip_while(|word| *word != "kibble");
    let words: Vec<&str> = words.take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    if words.is_empty() { "kibble".to_owned() } else { words.join(" ") }
}
