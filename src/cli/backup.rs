//! `kibble backup`: a checked copy of the database.

use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::cli::{self, Globals};
use crate::ops::backup::backup;
use crate::t;

/// Copy the database while the shop works, check the copy, and thin older copies by age
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where copies go; without it `backups` in the shop's folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Makes the backup.
///
/// # Errors
/// Those of [`backup`].
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let backed = backup(&ctx, args.out.as_deref(), ctx.now())?;
    ui.answer(&backed, |ui| {
        ui.data(&t!("{path} ({size} KiB), checked", path = backed.file.display(), size = backed.bytes.div_ceil(1_024)));
        for path in &backed.removed {
            ui.data(&t!("removed {path}", path = path.display()));
        }
        ui.status(&t!("{count} {count|copy|copies} kept", count = backed.kept));
        ui.hint(&t!("keep the data key apart from the copies: without it names and phones stay sealed"));
        Ok(())
    })?;
    Ok(Exit::Done)
}
