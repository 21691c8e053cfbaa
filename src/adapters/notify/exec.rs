//! Runs a program of the shop's own for each message.

use crate::adapters::notify::{Notify, Parcel, Receipt};

/// The program.
pub struct Exec {
    command: Vec<String>,
    timeout_seconds: u64,
}

impl Exec {
    /// `command` is the program and its arguments; it is stopped after `timeout_seconds`.
    pub fn new(command: Vec<String>, timeout_seconds: u64) -> Exec {
        Exec { command, timeout_seconds }
    }
}

impl Notify for Exec {
    fn name(&self) -> &str {
        "exec"
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        let said = format!("{} {}", self.command.join(" "), self.timeout_seconds);
        vec![Receipt::Later { said }; parcels.len()]
    }
}
