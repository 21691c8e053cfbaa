//! `kibble completions`: the script that makes a shell complete kibble's commands.

use clap_complete::Shell;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::text;

/// Print the script that makes a shell complete kibble's commands
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that you use
    shell: Shell,
}

#[derive(Serialize)]
struct Answer {
    shell: String,
    script: String,
}

/// Prints the script for one shell.
///
/// # Errors
/// None of its own.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(text::lang()), "kibble", &mut script);
    let answer = Answer { shell: args.shell.to_string(), script: String::from_utf8_lossy(&script).into_owned() };
    ui.answer(&answer, |ui| {
        ui.data(answer.script.trim_end());
        Ok(())
    })?;
    Ok(Exit::Done)
}
