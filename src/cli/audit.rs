//! `kibble audit`: who changed what, and whether the trail is whole.

use chrono::NaiveDate;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::ui::{Table, Ui};
use crate::cli::{self, Globals};
use crate::english;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::audit::{self, AuditRow, Break, Verified};
use crate::t;
use crate::text;

/// Who changed what, when
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(ListArgs),
    Verify(VerifyArgs),
}

/// List changes, the newest first
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only changes of this record, for example a-7 or a-7/3
    #[arg(long, value_name = "RECORD")]
    record: Option<String>,
    /// Only changes from this day on
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Recompute the chain of hashes: shows the first row that was edited or removed
#[derive(Debug, clap::Args)]
struct VerifyArgs {}

/// Runs the verb.
///
/// # Errors
/// Those of [`audit`], and a date that is none.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    match &args.verb {
        Verb::List(args) => list(&ctx, args, ui),
        Verb::Verify(_) => verify(&ctx, ui),
    }
}

/// Characters of a detail that a listing shows.
const DETAIL_MAX_CHARS: usize = 72;

/// The words of [`Op`](crate::domain::op::Op).
const CHANGES: &[&str] = &[
    english!("shop_opened"),
    english!("shop_adopted"),
    english!("customer_added"),
    english!("revealed"),
    english!("pet_added"),
    english!("pet_changed"),
    english!("plan_saved"),
    english!("plan_withdrawn"),
    english!("catalog_imported"),
    english!("item_changed"),
    english!("book_imported"),
    english!("agreement_signed"),
    english!("agreement_changed"),
    english!("credit_checked"),
    english!("credit_asked"),
    english!("credit_decided"),
    english!("mandate_asked"),
    english!("mandates_changed"),
    english!("installments_rolled"),
    english!("installment_postponed"),
    english!("notices_given"),
    english!("charges_written"),
    english!("followed_up"),
    english!("paid_at_counter"),
    english!("refund_noted"),
    english!("refund_answered"),
    english!("flag_changed"),
    english!("terminated"),
    english!("statement_confirmed"),
    english!("order_placed"),
    english!("order_changed"),
    english!("orders_moved"),
    english!("corrected"),
    english!("points_changed"),
    english!("messages_queued"),
    english!("messages_moved"),
    english!("message_retried"),
    english!("message_settled"),
    english!("contact_changed"),
    english!("run_started"),
    english!("run_ended"),
    english!("bill_imported"),
    english!("bills_silent"),
    english!("recon_decided"),
    english!("exported"),
    english!("backed_up"),
    english!("restored"),
];

#[derive(Serialize)]
struct Rows<'a> {
    rows: &'a [AuditRow],
}

fn list(ctx: &Ctx, args: &ListArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let wrong = |text: &String| Fault::usage(t!("{text} is not a date like 2026-11-05", text = text));
    let since = match &args.since {
        Some(text) => Some(text.parse::<NaiveDate>().map_err(|_| wrong(text))?),
        None => None,
    };
    let rows = audit::list(ctx, args.record.as_deref(), since, args.limit)?;
    ui.answer(&Rows { rows: &rows }, |ui| {
        if rows.is_empty() {
            ui.status(&t!("no change"));
            return Ok(());
        }
        ui.table(&table(ctx, &rows));
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Rows of the trail for people.
pub(super) fn table(ctx: &Ctx, rows: &[AuditRow]) -> Table {
    let mut table = Table::new([t!("No."), t!("Time"), t!("Who"), t!("Change"), t!("Record"), t!("Detail")]);
    for row in rows {
        table.row([
            row.seq.to_string(),
            row.at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M:%S").to_string(),
            format!("{}@{}", row.actor, row.host),
            change(&row.op),
            row.entity.clone(),
            short(&row.detail),
        ]);
    }
    table.right(&[0])
}

/// The change in the reader's language. In English it is the word that `--json` shows and the database holds.
pub(super) fn change(word: &str) -> String {
    CHANGES.iter().find(|known| **known == word).map_or_else(|| word.to_owned(), |known| text::lookup(known).to_owned())
}

/// As much of a detail as a line has room for; `--json` has all of it.
fn short(detail: &str) -> String {
    match detail.char_indices().nth(DETAIL_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &detail[..end]),
        None => detail.to_owned(),
    }
}

fn verify(ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let verified = audit::verify(ctx)?;
    ui.answer(&verified, |ui| {
        show(&verified, ui);
        Ok(())
    })?;
    Ok(if verified.holds() { Exit::Done } else { Exit::Broken })
}

fn show(it: &Verified, ui: &Ui) {
    match &it.broken {
        None => ui.data(&t!("{rows} {rows|row|rows}, every one follows the one before it", rows = it.rows)),
        Some(broken) => {
            let why = match broken.kind {
                Break::Gap => t!("rows before it are missing"),
                Break::Link => t!("the row before it was replaced"),
                Break::Edited => t!("it was edited"),
            };
            ui.data(&t!("broken at row {seq}: {why}", seq = broken.seq, why = why));
            ui.hint(&t!("compare with a backup: `kibble audit list` shows the rows around it"));
        }
    }
    let text = it.witness.text();
    if !text.is_empty() {
        ui.warn(&text);
    }
}
