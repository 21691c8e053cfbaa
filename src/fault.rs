//! The error a person can do something about: what happened, to which record, and what to type next. It travels inside
//! `anyhow::Error`. Owns the kinds and nothing else: `cli/exit.rs` decides how a fault is shown and how the process ends.

use std::{fmt, io};

use crate::t;

/// What sort of trouble it is. It decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command was typed wrong.
    Usage,
    /// A rule forbids it.
    Refused,
    /// There is no such record, or more than one fits.
    NotFound,
    /// A file is damaged, a disk is full, a database is locked.
    Broken,
    /// The work is done as far as it can be, and a person has to look.
    NeedsPerson,
}

impl Kind {
    /// The word in `--json`.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Refused => "refused",
            Kind::NotFound => "not_found",
            Kind::Broken => "broken",
            Kind::NeedsPerson => "needs_person",
        }
    }

    /// The exit code of a process that ends with it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Refused | Kind::NotFound | Kind::Broken => 1,
            Kind::Usage => 2,
            Kind::NeedsPerson => 3,
        }
    }
}

/// An error with its kind, a sentence, and perhaps what to type next. Sentences come from [`crate::t`].
///
/// A cause is kept the `anyhow` way: `.context(Fault::broken(t!("…")))` on the error that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: Kind,
    what: String,
    hint: Option<String>,
}

impl Fault {
    /// The command was typed wrong.
    pub fn usage(what: impl Into<String>) -> Fault {
        Fault::new(Kind::Usage, what)
    }

    /// A rule forbids it.
    pub fn refused(what: impl Into<String>) -> Fault {
        Fault::new(Kind::Refused, what)
    }

    /// There is no such record, or more than one fits.
    pub fn not_found(what: impl Into<String>) -> Fault {
        Fault::new(Kind::NotFound, what)
    }

    /// A file is damaged, a disk is full, a database is locked.
    pub fn broken(what: impl Into<String>) -> Fault {
        Fault::new(Kind::Broken, what)
    }

    /// A person has to look.
    pub fn needs_person(what: impl Into<String>) -> Fault {
        Fault::new(Kind::NeedsPerson, what)
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// What sort of trouble it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What to type next.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn new(kind: Kind, what: impl Into<String>) -> Fault {
        Fault { kind, what: what.into(), hint: None }
    }
}

/// What went wrong with a file, a pipe or the network, in the language of this process. The operating system's own words
/// come in English, so they are kept only where we have none.
pub fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => t!("there is no such file or folder"),
        io::ErrorKind::PermissionDenied => t!("you are not allowed to"),
        io::ErrorKind::AlreadyExists => t!("it exists already"),
        io::ErrorKind::StorageFull => t!("the disk is full"),
        io::ErrorKind::QuotaExceeded => t!("your share of the disk is used up"),
        io::ErrorKind::FileTooLarge => t!("the disk takes no larger file"),
        io::ErrorKind::ReadOnlyFilesystem => t!("the disk is read-only"),
        io::ErrorKind::IsADirectory => t!("it is a folder, not a file"),
        io::ErrorKind::NotADirectory => t!("a part of the path is not a folder"),
        io::ErrorKind::InvalidData => t!("it holds something other than text in UTF-8"),
        io::ErrorKind::UnexpectedEof => t!("it ends too early"),
        io::ErrorKind::ConnectionRefused => t!("nobody answers there"),
        io::ErrorKind::TimedOut => t!("it took too long"),
        _ => error.to_string(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}
