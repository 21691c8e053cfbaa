//! `kibble demo`: a year of an invented shop to look at, and what to type next in it.

use std::path::{Path, PathBuf};

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui, columns};
use crate::cli::{Globals, progress, report};
use crate::fault::Fault;
use crate::ops::demo::{Demo, MONTHS, Tale, Wanted, build};
use crate::t;

/// Build a shop to look at: sixty invented customers, one year, no real money
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The demo's folder; its data key goes beside it
    #[arg(long, value_name = "DIR", default_value = "kibble-demo")]
    dir: PathBuf,
    /// Replace the demo that is there
    #[arg(long)]
    again: bool,
    /// Play so many months only
    #[arg(long, value_name = "N", hide = true, default_value_t = MONTHS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MONTHS)))]
    months: u32,
}

/// Builds the demo.
///
/// # Errors
/// Those of [`build`]; usage when another shop or another time is named.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    if globals.shop.is_some() {
        return Err(Fault::usage(t!("a demo has a folder of its own"))
            .hint(t!("name it with --dir, for example `kibble demo --dir kibble-demo`"))
            .into());
    }
    if globals.now.is_some() {
        return Err(Fault::usage(t!("a demo has a year of its own, so --now does not fit it")).into());
    }
    let wanted = Wanted { folder: args.dir.clone(), again: args.again, months: args.months };
    let demo = build(&wanted, &mut progress(ui))?;
    ui.answer(&demo, |ui| {
        show(ui, &demo, &args.dir);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show(ui: &Ui, demo: &Demo, dir: &Path) {
    report::show_overview(ui, &demo.overview);
    let it = &demo.counts;
    ui.data("");
    ui.data(&ui.paint(Paint::Heading, &t!("What happened")));
    let rows = [
        (t!("customers"), it.customers),
        (t!("agreements taken over"), it.imported),
        (t!("agreements signed"), it.signed),
        (t!("debit runs"), it.runs),
        (t!("debits made"), it.charges),
        (t!("debits declined"), it.declined),
        (t!("retries planned"), it.retries),
        (t!("answers lost"), it.unknown),
        (t!("messages sent"), it.messages),
        (t!("orders"), it.orders),
        (t!("lines of bills, last month"), it.bill_lines),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(label, count)| vec![label, count.to_string()]).collect();
    for line in columns(&rows, &[1]) {
        ui.data(&format!("  {line}"));
    }
    ui.data("");
    ui.data(&ui.paint(Paint::Heading, &t!("Records worth a look")));
    let rows: Vec<Vec<String>> = demo
        .highlights
        .iter()
        .map(|it| vec![it.record.clone(), tale_text(it.tale), ui.paint(Paint::Dim, &it.command)])
        .collect();
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    closing(ui, demo, dir);
}

fn closing(ui: &Ui, demo: &Demo, dir: &Path) {
    let shop = crate::ops::init::shell(dir);
    let command = |rest: &str| format!("kibble --shop {shop} --now {} {rest}", demo.now);
    let first = |tale: Tale| demo.highlights.iter().find(|it| it.tale == tale).map(|it| it.command.clone());
    ui.data("");
    ui.data(&ui.paint(Paint::Heading, &t!("What to type next")));
    let look = [Tale::HighRisk, Tale::UnknownSettled, Tale::Terminated].into_iter().filter_map(first);
    let fixed = ["debit list overdue", "wallet show c-1", "recon bills", "check"].map(str::to_owned);
    let export = format!("report export --month {} --out accountant", demo.to.format("%Y-%m"));
    let next_day = crate::domain::date::plus_days(demo.to, 1);
    for rest in look.chain(fixed).chain([export]) {
        ui.data(&format!("  {}", command(&rest)));
    }
    ui.data(&format!("  kibble --shop {shop} --now {next_day}T09:00 debit run"));
    ui.data("");
    ui.data(&t!(
        "The demo lies in {folder}, its data key beside it in {key}.",
        folder = demo.folder.display(),
        key = demo.key_file.display()
    ));
    ui.data(&t!(
        "Every payment rail in it is a sandbox, so --now sets its time: it stands at {now}. No real money moves.",
        now = demo.now
    ));
    ui.data(&t!("A shop of your own begins with `kibble init`."));
}

fn tale_text(tale: Tale) -> String {
    match tale {
        Tale::HighRisk => t!("two terms in a row failed: high risk"),
        Tale::HighRiskCleared => t!("was high risk, paid late, and is no more"),
        Tale::UnknownSettled => t!("the answer was lost, and asking settled it"),
        Tale::DroppedSettled => t!("the connection was lost before the rail heard of it"),
        Tale::LinkPaid => t!("declined, then paid through the link"),
        Tale::RetryPaid => t!("declined in the morning, paid by the retry"),
        Tale::PaidAtCounter => t!("declined, then paid at the counter"),
        Tale::Revoked => t!("the customer ended the mandate in the app"),
        Tale::Paused => t!("was paused, and its terms moved"),
        Tale::CoolingOff => t!("left within the cooling-off days"),
        Tale::Terminated => t!("ended by the customer, with refund and compensation"),
        Tale::PetDied => t!("the pet died, and nothing more was charged"),
        Tale::Refunded => t!("a part of it was given back"),
        Tale::Completed => t!("every term was collected"),
        Tale::OrderSplit => t!("paid by wallet and cash together"),
        Tale::OrderShipped => t!("sent by the supplier, with a tracking number"),
        Tale::OrderReturned => t!("one piece was brought back"),
        Tale::OrderCancelled => t!("called off before it was sent"),
    }
}
