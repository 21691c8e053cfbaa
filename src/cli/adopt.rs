//! `kibble adopt`: goes on with a restored or copied database.

use crate::cli::audit::table;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::cli::{self, Globals};
use crate::domain::date::At;
use crate::fault::Fault;
use crate::ops::adopt::{Adopted, adopt, look};
use crate::ops::{Ctx, witness};
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
    let replaced = look(&ctx)?;
    if let Some(since) = replaced.unseen_since {
        ui.warn(&unseen(&ctx, since));
    }
    let question = t!("Go on with this database? The other one must never be used again.");
    if !ui.confirm(&question, false)? {
        return Err(Fault::refused(t!("nothing was changed")).into());
    }
    let adopted = adopt(&ctx, replaced, args.code.as_deref(), ctx.now())?;
    ui.answer(&adopted, |ui| {
        show(&ctx, &adopted, ui);
        Ok(())
    })?;
    Ok(if adopted.by_hand.is_empty() { Exit::Done } else { Exit::NeedsPerson })
}

fn show(ctx: &Ctx, adopted: &Adopted, ui: &Ui) {
    ui.data(&t!("This is the shop's database now (copy {copy}).", copy = adopted.copy_no));
    ui.data(&t!("asked about {count} order numbers", count = adopted.asked));
    for it in &adopted.found {
        let (term, order, amount) = (it.installment, &it.order_no, it.amount);
        ui.data(&match (it.answer, it.rail.as_str()) {
            ("paid", "cash") => {
                t!(
                    "{term}  {order}  {amount}  paid at the counter, was missing here; it is booked now",
                    term = term,
                    order = order,
                    amount = amount
                )
            }
            ("paid", _) => {
                t!("{term}  {order}  {amount}  paid, was missing here", term = term, order = order, amount = amount)
            }
            _ => {
                t!(
                    "{term}  {order}  {amount}  under way, was missing here",
                    term = term,
                    order = order,
                    amount = amount
                )
            }
        });
    }
    if adopted.messages > 0 {
        let count = adopted.messages;
        ui.data(&t!("messages that the lost state may have told, to be looked up: {count}", count = count));
    }
    if !adopted.by_hand.is_empty() {
        ui.data("");
        ui.data(&t!("Done by hand after the backup, and missing here; enter it again:"));
        ui.table(&table(ctx, &adopted.by_hand));
        if adopted.by_hand.iter().any(|it| it.op == "refund_noted") {
            ui.data(&t!(
                "A refund that is entered again with the same amount is not paid twice: the payment rail knows its number, and cash was handed over already."
            ));
        }
    }
    if let Some(since) = adopted.unseen_since {
        ui.data(&unseen(ctx, since));
    }
    if adopted.found.iter().any(|it| it.rail != "cash") {
        ui.hint(&t!("`kibble debit run` books them"));
    }
}

fn unseen(ctx: &Ctx, since: At) -> String {
    t!(
        "No payment rail knows what was done by hand after {time}: payments at the counter, orders, signatures, refunds. Enter it again before the next debit run.",
        time = ctx.wall(since)
    )
}
