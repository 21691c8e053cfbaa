//! `kibble why`: the chain behind a record, told so that it can be read to a customer on the phone.

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui, columns};
use crate::cli::{self, Globals, audit};
use crate::ops::Ctx;
use crate::ops::why::{Why, why};
use crate::t;

/// Why something happened, or what stopped it: from the clause to the money
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A term a-7/3, an agreement a-7, a charge k-12 or its order number, a customer for the wallet, a message n-9, a mandate m-9, a refund f-3, a run r-31
    #[arg(value_name = "RECORD")]
    subject: String,
    /// Of an agreement: why it is high risk, or is not
    #[arg(long)]
    high_risk: bool,
}

/// Explains a record.
///
/// # Errors
/// When there is no such record.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let it = why(&ctx, &args.subject, args.high_risk, ctx.now())?;
    ui.answer(&it, |ui| {
        show(&ctx, ui, &it);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show(ctx: &Ctx, ui: &Ui, it: &Why) {
    ui.data(&ui.paint(Paint::Heading, &it.title));
    ui.data(&it.answer);
    if let Some((at, stop)) = it.stopped.as_ref().and_then(|stop| Some((ctx.wall(stop.earliest?), stop)))
        && !stop.text.contains(&at)
    {
        ui.data(&t!("Not before {at}.", at = at));
    }
    let rows: Vec<Vec<String>> = it
        .steps
        .iter()
        .map(|step| vec![step.at.map_or(String::new(), |at| ctx.wall(at)), step.record.clone(), step.text.clone()])
        .collect();
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    if !it.changes.is_empty() {
        ui.data(&ui.paint(Paint::Heading, &t!("Changed by")));
        let rows: Vec<Vec<String>> = it
            .changes
            .iter()
            .map(|row| {
                let who = format!("{}@{}", row.actor, row.host);
                vec![ctx.wall(row.at), who, audit::change(&row.op), row.record.clone()]
            })
            .collect();
        for line in columns(&rows, &[]) {
            ui.data(&format!("  {line}"));
        }
    }
    for next in it.stopped.iter().flat_map(|stop| &stop.next) {
        ui.hint(&format!("`{next}`"));
    }
}
