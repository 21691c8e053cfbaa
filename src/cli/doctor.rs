//! `kibble doctor`: is everything well before money moves.

use crate::cli::Globals;
use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui};
use crate::config;
use crate::ops::doctor::{Finding, Level, examine};
use crate::t;

/// Look at folder, keys, clock, payment rails, cron, backups and what waits for somebody
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do not ask the payment rails
    #[arg(long)]
    offline: bool,
}

/// Looks.
///
/// # Errors
/// Those of [`examine`]. Something that is not well is an answer, with exit code 3.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let folder = config::find_folder(globals.shop.as_deref())?;
    let examined = examine(&folder, globals.now.as_deref(), args.offline)?;
    let bad = examined.count(Level::Bad);
    ui.answer(&examined, |ui| {
        for it in &examined.findings {
            show(it, ui);
        }
        if examined.offline {
            ui.status(&t!("the payment rails were not asked (--offline)"));
        }
        let warnings = examined.count(Level::Warn);
        match (bad, warnings) {
            (0, 0) => ui.data(&t!("everything is well")),
            (0, _) => ui.data(&t!("it works; to look at: {count}", count = warnings)),
            _ => ui.data(&t!("not well: {bad}; to look at: {count}", bad = bad, count = warnings)),
        }
        Ok(())
    })?;
    Ok(if bad == 0 { Exit::Done } else { Exit::NeedsPerson })
}

fn show(it: &Finding, ui: &Ui) {
    let (mark, paint) = match it.level {
        Level::Ok => ("✓", Paint::Good),
        Level::Warn => ("!", Paint::Warn),
        Level::Bad => ("✗", Paint::Bad),
    };
    let about = about_text(it.about);
    let about = if it.name.is_empty() { about } else { format!("{about} {}", it.name) };
    ui.data(&format!("{} {}", ui.paint(paint, mark), t!("{about}: {what}", about = about, what = it.what)));
    if !it.next.is_empty() {
        ui.data(&format!("    {}", ui.paint(Paint::Dim, &it.next)));
    }
}

fn about_text(about: &str) -> String {
    match about {
        "folder" => t!("folder"),
        "key" => t!("data key"),
        "settings" => t!("settings"),
        "database" => t!("database"),
        "clock" => t!("clock"),
        "cron" => t!("debit run"),
        "backup" => t!("backup"),
        "money" => t!("charges"),
        "messages" => t!("messages"),
        "credit" => t!("credit check"),
        "rail" => t!("payment rail"),
        "channel" => t!("channel"),
        "bill" => t!("bill"),
        _ => about.to_owned(),
    }
}
