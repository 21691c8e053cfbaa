//! `kibble check`: do the books keep the laws.

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui};
use crate::cli::{self, Globals};
use crate::ops::check::{Law, check};
use crate::t;

/// Recompute every law of the books from the stored records
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Checks.
///
/// # Errors
/// Those of [`check`]. A broken law is an answer, with exit code 1.
pub fn run(_args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let checked = check(&ctx)?;
    ui.answer(&checked, |ui| {
        for law in &checked.laws {
            show(law, ui);
        }
        let broken = checked.laws.iter().filter(|law| !law.holds()).count();
        match broken {
            0 => ui.data(&t!("every law holds")),
            _ => {
                ui.data(&t!("{count} {count|law is|laws are} broken", count = broken));
                ui.hint(&t!(
                    "charge nothing before somebody has looked; `kibble audit list --record RECORD` shows what happened"
                ));
            }
        }
        Ok(())
    })?;
    Ok(if checked.holds() { Exit::Done } else { Exit::Broken })
}

fn show(law: &Law, ui: &Ui) {
    let (mark, paint) = if law.holds() { ("✓", Paint::Good) } else { ("✗", Paint::Bad) };
    let looked = match law.exempt {
        0 => t!("{count} {count|record|records}", count = law.checked),
        exempt => {
            t!("{count} {count|record|records}, {exempt} not to be judged yet", count = law.checked, exempt = exempt)
        }
    };
    ui.data(&format!("{} {:>2}  {}  {}", ui.paint(paint, mark), law.number, law.title, ui.paint(Paint::Dim, &looked)));
    for broken in &law.broken {
        ui.data(&format!("       {}", ui.paint(Paint::Bad, &broken.what)));
        for row in &broken.rows {
            ui.data(&format!("         {}  {}", row.record, row.shows));
        }
    }
}
