//! `kibble adopt`: goes on with a restored or copied database.

use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::cli::{self, Globals};
use crate::fault::Fault;
use crate::ops::adopt::adopt;
use crate::ops::witness;
use crate::t;

/// Go on with a database that was restored from a backup or copied: asks the payment rails what it missed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Eight letters and digits for the numbers of this copy; drawn by chance when left out
    #[arg(long, value_name = "CODE", hide = true)]
    code: Option<String>,
}

/// Adopts, after asking.
///
/// # Errors
/// Those of [`adopt`], and a missing `--yes` where nobody can be asked.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    if let Ok(verdict) = witness::inspect(&ctx) {
        ui.status(&verdict.text());
    }
    let question = t!("Go on with this database? The other one must never be used again.");
    if !ui.confirm(&question, false)? {
        return Err(Fault::refused(t!("nothing was changed")).into());
    }
    let adopted = adopt(&ctx, args.code.as_deref(), ctx.now())?;
    ui.answer(&adopted, |ui| {
        ui.data(&t!("This is the shop's database now (copy {copy}).", copy = adopted.copy_no));
        ui.data(&t!("asked about {count} order numbers", count = adopted.asked));
        for it in &adopted.found {
            let (term, order) = (it.installment, &it.order_no);
            ui.data(&match it.answer {
                "paid" => {
                    t!(
                        "{term}  {order}  {amount}  paid, was missing here",
                        term = term,
                        order = order,
                        amount = it.amount
                    )
                }
                _ => t!(
                    "{term}  {order}  {amount}  under way, was missing here",
                    term = term,
                    order = order,
                    amount = it.amount
                ),
            });
        }
        if adopted.messages > 0 {
            let count = adopted.messages;
            ui.data(&t!("messages that the lost state may have told, to be looked up: {count}", count = count));
        }
        if !adopted.found.is_empty() {
            ui.hint(&t!("`kibble debit run` books them"));
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}
