//! `kibble restore`: puts a backup back.

use std::path::PathBuf;

use crate::cli::Globals;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::config::{self, Config};
use crate::domain::date::At;
use crate::fault::Fault;
use crate::ops;
use crate::ops::backup::{Restorable, restorable, restore};
use crate::t;

/// Put a copy of the database in the place of the live one, which is moved aside first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The copy
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Restores, after asking.
///
/// # Errors
/// Those of [`restore`], and a missing `--yes` where nobody can be asked.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    // Not through an open shop: its database may be the damaged one.
    let config = Config::load(&config::find_folder(globals.shop.as_deref())?)?;
    let clock = ops::clock_for(&config, globals.now.as_deref())?;
    let found = restorable(&config, &args.file)?;
    explain(&config, &found, ui);
    if found.has_live && !ui.confirm(&t!("Put this copy in the place of the live database?"), false)? {
        return Err(Fault::refused(t!("nothing was changed")).into());
    }
    let restored = restore(&config, &clock, &found)?;
    ui.answer(&restored, |ui| {
        ui.data(&t!("restored from {path}", path = restored.from.display()));
        if let Some(path) = &restored.moved_aside {
            ui.data(&t!("the database that lay there is now {path}", path = path.display()));
        }
        ui.warn(&t!(
            "no money moves until you have run `kibble adopt`: it asks the payment rails what this copy missed"
        ));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn explain(config: &Config, found: &Restorable, ui: &Ui) {
    let shown = |at: Option<At>| {
        at.map_or_else(
            || t!("never"),
            |at| at.with_timezone(&config.settings.timezone).format("%Y-%m-%d %H:%M").to_string(),
        )
    };
    ui.status(&t!("the copy is sound; its last change was made {time}", time = shown(found.inspected.last_change)));
    if let Some(live) = &found.live {
        ui.status(&t!("the live database was changed last {time}", time = shown(live.last_change)));
    }
}
