//! What is seen when the settings and keys of a rail or a channel are looked at. Who shows it is the doctor.

use serde::Serialize;

use crate::fault::Fault;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, and somebody should look.
    Warn,
    /// Does not work.
    Bad,
}

/// Something seen when settings and keys were looked at, in plain words and without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How serious.
    pub level: Level,
    /// What was seen; names the setting.
    pub what: String,
    /// What to do; empty when nothing.
    pub hint: String,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: String) -> Finding {
        Finding { level: Level::Ok, what, hint: String::new() }
    }

    /// Somebody should look.
    pub fn warn(what: String, hint: String) -> Finding {
        Finding { level: Level::Warn, what, hint }
    }

    /// It does not work.
    pub fn bad(what: String, hint: String) -> Finding {
        Finding { level: Level::Bad, what, hint }
    }

    /// A secret or a setting that cannot be read.
    pub fn of_fault(fault: &Fault) -> Finding {
        Finding::bad(fault.to_string(), fault.next_step().unwrap_or_default().to_owned())
    }
}
