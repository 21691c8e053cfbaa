//! How a command ends: an error becomes sentences and an exit code. Owns the order of the lines; the words come from whoever
//! met the trouble.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::ui::Ui;
use crate::fault::{Fault, Kind, io_reason};

/// How a command that met no error ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well: exit code 0.
    Done,
    /// The answer that was shown holds something a person must look at: exit code 3.
    NeedsPerson,
    /// The answer that was shown says that something is broken: exit code 1.
    Broken,
}

/// Shows what went wrong, if anything, makes sure that the output arrived, and gives the exit code:
/// 0 fine, 1 error, 2 wrong usage, 3 needs a person.
pub fn end(ui: &Ui, result: anyhow::Result<Exit>) -> ExitCode {
    let code = match &result {
        Ok(Exit::Done) => 0,
        Ok(Exit::NeedsPerson) => Kind::NeedsPerson.exit_code(),
        Ok(Exit::Broken) => Kind::Broken.exit_code(),
        Err(error) => show(ui, error),
    };
    match ui.finish() {
        Err(lost) if code == 0 => ExitCode::from(show(ui, &lost)),
        _ => ExitCode::from(code),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    kind: &'static str,
    message: String,
    hint: Option<&'a str>,
}

fn show(ui: &Ui, error: &anyhow::Error) -> u8 {
    let kind = kind_of(error);
    let hint = hint_of(error);
    let lines = sentences(error);
    if ui.wants_error_document() {
        ui.json(&Document { error: Body { kind: kind.word(), message: lines.join(": "), hint } });
    } else {
        ui.error(&lines, hint);
    }
    kind.exit_code()
}

/// The outermost fault decides; an error without one is trouble nobody foresaw.
fn kind_of(error: &anyhow::Error) -> Kind {
    fault_of(error).map_or(Kind::Broken, Fault::kind)
}

fn hint_of(error: &anyhow::Error) -> Option<&str> {
    // `anyhow` keeps a fault given as context inside a private type, which only its own downcast opens; one below that is
    // found in the chain.
    let outer = error.downcast_ref::<Fault>().and_then(Fault::next_step);
    outer.or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<Fault>()?.next_step()))
}

fn fault_of(error: &anyhow::Error) -> Option<&Fault> {
    error.downcast_ref::<Fault>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<Fault>()))
}

/// The error and those of its causes that say something new.
fn sentences(error: &anyhow::Error) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.downcast_ref::<std::io::Error>().map_or_else(|| cause.to_string(), io_reason);
        if !text.is_empty() && !lines.iter().any(|line| line.contains(&text)) {
            lines.push(text);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::{hint_of, kind_of, sentences};
    use crate::fault::{Fault, Kind};

    #[test]
    fn a_fault_is_found_at_any_depth() {
        let bare = anyhow::Error::from(Fault::refused("no").hint("try"));
        let wrapped = Err::<(), _>(Fault::usage("typed")).context("while reading").unwrap_err();
        let as_context = Err::<(), _>(anyhow!("disk")).context(Fault::not_found("gone").hint("look")).unwrap_err();
        assert_eq!((kind_of(&bare), hint_of(&bare)), (Kind::Refused, Some("try")));
        assert_eq!((kind_of(&wrapped), hint_of(&wrapped)), (Kind::Usage, None));
        assert_eq!((kind_of(&as_context), hint_of(&as_context)), (Kind::NotFound, Some("look")));
        assert_eq!(kind_of(&anyhow!("disk")), Kind::Broken);
    }

    #[test]
    fn a_cause_that_says_nothing_new_is_left_out() {
        let error = anyhow!("disk is full").context("cannot write a.csv: disk is full").context("export");
        assert_eq!(sentences(&error), ["export", "cannot write a.csv: disk is full"]);
    }

    #[test]
    fn the_systems_own_words_are_replaced() {
        let error =
            anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).context("cannot write a.csv");
        assert_eq!(sentences(&error), ["cannot write a.csv", "the disk is full"]);
    }
}
