//! `kibble recon`: our book against the providers' bills.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui};
use crate::cli::{Globals, open};
use crate::domain::date::At;
use crate::domain::id::BillId;
use crate::domain::money::Money;
use crate::domain::recon::Subject;
use crate::fault::Fault;
use crate::ops::recon::{
    self, Applied, BillStand, Did, Difference, FetchOutcome, FetchWanted, Fetched, Filter, Looked, Taken,
    accounts_hint, class_text, decision_text,
};
use crate::ops::report::{Asked, period};
use crate::ops::{Ctx, read_day};
use crate::t;

/// Compare our book with the providers' bills
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its `Args`.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Fetch(FetchArgs),
    Import(ImportArgs),
    List(ListArgs),
    Bills(BillsArgs),
    Show(ShowArgs),
    Export(ExportArgs),
    Apply(ApplyArgs),
}

/// Ask the payment rails for their bills; without a day every day since the last bill, up to yesterday
#[derive(Debug, clap::Args)]
struct FetchArgs {
    /// Only this payment rail
    #[arg(long)]
    rail: Option<String>,
    /// The bill of this day, for example 2026-11-05
    #[arg(long, value_name = "DAY", conflicts_with = "month")]
    day: Option<String>,
    /// The bill of this month, for example 2026-11
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
}

/// Take over a saved bill; importing it twice changes nothing
#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The bill: Alipay's ZIP or CSV, WeChat Pay's CSV
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The payment rail it belongs to
    #[arg(long)]
    rail: Option<String>,
    /// The day it is about, where the file does not say
    #[arg(long, value_name = "DAY", conflicts_with = "month")]
    day: Option<String>,
    /// The month it is about, where the file does not say
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
}

/// List what differs
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this payment rail
    #[arg(long)]
    rail: Option<String>,
    /// Also what may still be the cut-off between two bills
    #[arg(long)]
    waiting: bool,
}

/// List the bills that were taken over
#[derive(Debug, clap::Args)]
struct BillsArgs {
    /// Only this payment rail
    #[arg(long)]
    rail: Option<String>,
}

/// Show a bill, a line of it, or what the bills say about a charge or a refund
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// For example b-3, l-120, k-40 or f-3
    #[arg(value_name = "ID")]
    id: String,
}

/// Write what differs into a file in which decisions can be entered
#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// The file to write, for example `differences.csv`; one that is there already is only replaced with `--yes`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only this payment rail
    #[arg(long)]
    rail: Option<String>,
    /// Enter the proposed decisions
    #[arg(long)]
    fill: bool,
}

/// Carry out the decisions of a file; applying it twice changes nothing
#[derive(Debug, clap::Args)]
struct ApplyArgs {
    /// The file that `kibble recon export` wrote, with your decisions in it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = open(globals, ui)?;
    match &args.verb {
        Verb::Fetch(args) => fetch(args, &ctx, ui),
        Verb::Import(args) => import(args, &ctx, ui),
        Verb::List(args) => list(args, &ctx, ui),
        Verb::Bills(args) => bills(args, &ctx, ui),
        Verb::Show(args) => show(args, &ctx, ui),
        Verb::Export(args) => export(args, globals, &ctx, ui),
        Verb::Apply(args) => apply(args, &ctx, ui),
    }
}

fn fetch(args: &FetchArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let now = ctx.now();
    let month = match &args.month {
        None => None,
        Some(month) => Some(period(&Asked { month: Some(month.clone()), ..Asked::default() }, ctx.today(now))?),
    };
    let day = args.day.as_deref().map(read_day).transpose()?;
    let fetched = recon::fetch(ctx, &FetchWanted { rail: args.rail.clone(), day, month }, now)?;
    ui.answer(&fetched, |ui| {
        if fetched.is_empty() {
            ui.data(&t!("every bill up to yesterday is there"));
        }
        let mut quiet: BTreeMap<&str, usize> = BTreeMap::new();
        for it in &fetched {
            // A month of a rail that has bills of days only: days on which nothing happened are counted, not listed.
            match is_quiet(it) && fetched.len() > QUIET_FROM {
                true => *quiet.entry(it.rail.as_str()).or_default() += 1,
                false => show_fetched(ctx, ui, it),
            }
        }
        for (rail, days) in quiet {
            ui.data(&t!("{bill}  {count} {count|day|days} without anything new", bill = rail, count = days));
        }
        Ok(())
    })?;
    let failed = fetched.iter().any(|it| matches!(it.outcome, FetchOutcome::Failed { .. }));
    rest(ctx, ui, args.rail.as_deref(), failed, now)
}

/// Bills from which days without anything new are only counted.
const QUIET_FROM: usize = 7;

fn is_quiet(it: &Fetched) -> bool {
    match &it.outcome {
        FetchOutcome::Taken(taken) => taken.new_lines == 0 && taken.settled.is_empty() && taken.never_paid.is_empty(),
        _ => false,
    }
}

fn show_fetched(ctx: &Ctx, ui: &Ui, it: &Fetched) {
    let what = format!("{}  {}", it.rail, days_text(it));
    match &it.outcome {
        FetchOutcome::Taken(taken) => show_taken(ui, taken),
        FetchOutcome::NotReady { ready_at } => {
            let local = ready_at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M");
            ui.data(&t!("{bill}  not ready before {time}", bill = what, time = local));
        }
        FetchOutcome::None { said } => ui.data(&t!("{bill}  no bill so far: {said}", bill = what, said = said)),
        FetchOutcome::Unsupported => ui.data(&t!("{bill}  this payment rail has no bills", bill = what)),
        FetchOutcome::Failed { why } => ui.data(&t!("{bill}  failed: {why}", bill = what, why = why)),
    }
}

fn days_text(it: &Fetched) -> String {
    if it.first_day == it.last_day { it.first_day.to_string() } else { format!("{} – {}", it.first_day, it.last_day) }
}

fn import(args: &ImportArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let now = ctx.now();
    let asked = match (&args.day, &args.month) {
        (None, None) => None,
        (Some(day), _) => {
            Some(period(&Asked { from: Some(day.clone()), to: Some(day.clone()), ..Asked::default() }, ctx.today(now))?)
        }
        (None, Some(month)) => Some(period(&Asked { month: Some(month.clone()), ..Asked::default() }, ctx.today(now))?),
    };
    let taken = recon::import(ctx, &args.file, args.rail.as_deref(), asked, now)?;
    ui.answer(&taken, |ui| {
        show_taken(ui, &taken);
        Ok(())
    })?;
    rest(ctx, ui, Some(&taken.rail), false, now)
}

fn show_taken(ui: &Ui, taken: &Taken) {
    let days = match taken.first_day == taken.last_day {
        true => taken.first_day.to_string(),
        false => format!("{} – {}", taken.first_day, taken.last_day),
    };
    let what = format!("{}  {days}", taken.rail);
    if !taken.is_new {
        ui.data(&t!("{bill}  known already; nothing changed", bill = what));
    } else {
        let bill = taken.bill.map_or(String::new(), |bill| bill.to_string());
        let lines = t!("{count} {count|line|lines}", count = taken.lines);
        ui.data(&t!(
            "{bill}  {id}: {lines}, {new} new, {matched} as in our book; {came} came, {back} went back, fees {fees}",
            bill = what,
            id = bill,
            lines = lines,
            new = taken.new_lines,
            matched = taken.matched,
            came = taken.came.yuan(),
            back = taken.went_back.yuan(),
            fees = taken.fees.yuan()
        ));
    }
    if !taken.settled.is_empty() {
        let records = taken.settled.iter().map(|(record, _)| record.as_str()).collect::<Vec<_>>().join(", ");
        ui.data(&t!("  settled by the bill: {records}", records = records));
    }
    if !taken.never_paid.is_empty() {
        let records = taken.never_paid.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ui.data(&t!("  never paid, as complete bills show: {records}", records = records));
    }
    if !taken.is_complete {
        ui.status(&t!("the last day of this bill is not over; take over the whole bill later"));
    }
}

/// How much still differs, and what to do next.
fn rest(ctx: &Ctx, ui: &Ui, rail: Option<&str>, failed: bool, now: At) -> anyhow::Result<Exit> {
    let found = recon::differences(ctx, Filter { rail, ..Filter::default() }, now)?;
    let open = found.iter().filter(|it| !it.is_waiting).count();
    if open > 0 {
        ui.status(&t!("{count} {count|difference needs|differences need} a decision", count = open));
        ui.hint("kibble recon list");
    } else if !found.is_empty() {
        let count = found.len();
        ui.status(&t!("{count} {count|difference waits|differences wait} for the next bills", count = count));
    }
    Ok(if open > 0 || failed { Exit::NeedsPerson } else { Exit::Done })
}

fn list(args: &ListArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let all = recon::differences(ctx, Filter { rail: args.rail.as_deref(), ..Filter::default() }, ctx.now())?;
    let waiting = all.iter().filter(|it| it.is_waiting).count();
    let shown: Vec<Difference> = all.into_iter().filter(|it| args.waiting || !it.is_waiting).collect();
    let open = shown.iter().filter(|it| !it.is_waiting).count();
    let compared = !shown.is_empty() || !recon::bills(ctx, args.rail.as_deref())?.is_empty();
    ui.answer(&shown, |ui| {
        table(ui, &shown);
        match (shown.is_empty(), compared) {
            (false, _) => {}
            (true, true) => ui.data(&t!("nothing differs")),
            // Without a bill nothing was compared, and silence would look like a proof.
            (true, false) => {
                ui.data(&t!("no bill was taken over so far, so nothing was compared"));
                ui.hint("kibble recon fetch");
            }
        }
        if waiting > 0 && !args.waiting {
            ui.status(&t!(
                "{count} more {count|waits|wait} for the next bills: `kibble recon list --waiting`",
                count = waiting
            ));
        }
        if open > 0 {
            ui.status(&t!("decide about them with `kibble recon export --out FILE` and `kibble recon apply FILE`"));
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn table(ui: &Ui, differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    let header = [
        t!("Id"),
        t!("What differs"),
        t!("Payment rail"),
        t!("Day"),
        t!("Days old"),
        t!("Term or order"),
        t!("Ours"),
        t!("Theirs"),
        t!("Proposed"),
    ];
    let mut table = Table::new(header).right(&[4, 6, 7]);
    for it in differences {
        // The term says more to a person than its order number, which `show` and the export have.
        let order = it.installment.map_or_else(|| it.order_no.clone(), |term| term.to_string());
        let what = match (it.fee, it.fee_expected) {
            (Some(fee), Some(expected)) if it.class == crate::domain::recon::Class::Fee => {
                t!("fee {fee}, expected {expected}", fee = fee.yuan(), expected = expected.yuan())
            }
            _ => class_text(it.class, it.kind),
        };
        table.row([
            it.id.to_string(),
            what,
            it.rail.clone(),
            it.day.to_string(),
            it.age_days.to_string(),
            order,
            amount(it.ours),
            amount(it.theirs),
            decision_text(it.proposed),
        ]);
    }
    ui.table(&table);
}

fn amount(amount: Option<Money>) -> String {
    amount.map_or_else(|| "—".to_owned(), Money::grouped)
}

fn bills(args: &BillsArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let bills = recon::bills(ctx, args.rail.as_deref())?;
    ui.answer(&bills, |ui| {
        if bills.is_empty() {
            ui.data(&t!("no bill was taken over so far"));
            ui.hint("kibble recon fetch");
            return Ok(());
        }
        bill_table(ui, &bills);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn bill_table(ui: &Ui, bills: &[BillStand]) {
    let header = [
        t!("Bill"),
        t!("Payment rail"),
        t!("Day"),
        t!("Lines"),
        t!("New"),
        t!("Came"),
        t!("Went back"),
        t!("Fees"),
        t!("Open"),
    ];
    let mut table = Table::new(header).right(&[3, 4, 5, 6, 7, 8]);
    for BillStand { bill, open_lines } in bills {
        table.row([
            bill.id.to_string(),
            bill.rail.clone(),
            match bill.first_day == bill.last_day {
                true => bill.first_day.to_string(),
                false => format!("{} – {}", bill.first_day, bill.last_day),
            },
            bill.lines.to_string(),
            bill.new_lines.to_string(),
            bill.came.grouped(),
            bill.went_back.grouped(),
            bill.fees.grouped(),
            open_lines.to_string(),
        ]);
    }
    ui.table(&table);
}

fn show(args: &ShowArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let now = ctx.now();
    if let Ok(id) = args.id.parse::<BillId>() {
        let (stand, differences) = recon::bill(ctx, id, now)?;
        #[derive(serde::Serialize)]
        struct Document<'a> {
            #[serde(flatten)]
            bill: &'a BillStand,
            differences: &'a [Difference],
        }
        ui.answer(&Document { bill: &stand, differences: &differences }, |ui| {
            bill_table(ui, std::slice::from_ref(&stand));
            ui.data(&t!("file {name}, SHA-256 {sha256}", name = stand.bill.name, sha256 = stand.bill.sha256));
            table(ui, &differences);
            Ok(())
        })?;
        return Ok(Exit::Done);
    }
    let Ok(id) = args.id.parse::<Subject>() else {
        return Err(Fault::usage(t!("{text} is no id like b-3, l-120, k-40 or f-3", text = args.id)).into());
    };
    let looked = recon::look(ctx, id, now)?;
    ui.answer(&looked, |ui| {
        show_looked(ctx, ui, &looked);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_looked(ctx: &Ctx, ui: &Ui, looked: &Looked) {
    if let Some(line) = &looked.line {
        ui.data(&t!(
            "{id}  row {row} of {bill}, {rail}, {time}: {said}, order {order_no}, {amount}, fee {fee}",
            id = line.id,
            row = line.row,
            bill = line.bill,
            rail = line.rail,
            time = line.at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M:%S"),
            said = line.said,
            order_no = line.order_no,
            amount = line.amount.yuan(),
            fee = line.fee.yuan()
        ));
        if let Some(charge) = line.charge {
            ui.data(&t!("  belongs to {record}", record = charge));
        }
        if let Some(refund) = line.refund {
            ui.data(&t!("  belongs to {record}", record = refund));
        }
    }
    match (&looked.difference, &looked.decided) {
        (Some(it), _) => {
            table(ui, std::slice::from_ref(it));
            ui.status(&accounts_hint());
        }
        (None, Some(it)) => ui.data(&t!(
            "{id}  decided {day}: {decision} {account} {amount}",
            id = looked.id,
            day = ctx.today(it.at),
            decision = decision_text(it.decision),
            account = it.account,
            amount = it.amount.yuan()
        )),
        (None, None) => ui.data(&t!("{id}  does not differ", id = looked.id)),
    }
}

fn export(args: &ExportArgs, globals: &Globals, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    if args.out.exists() && !globals.yes {
        return Err(Fault::refused(t!(
            "{file} is there already, perhaps with decisions in it",
            file = args.out.display()
        ))
        .hint(t!("choose another name, or replace it with --yes"))
        .into());
    }
    let done = recon::export(ctx, &args.out, args.rail.as_deref(), args.fill, ctx.now())?;
    ui.answer(&done, |ui| {
        ui.data(&t!(
            "{count} {count|difference is|differences are} in {file}",
            count = done.rows,
            file = done.file.display()
        ));
        ui.status(&t!("enter accept, refund, wait, ask or book-as, then `kibble recon apply FILE`"));
        ui.status(&accounts_hint());
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn apply(args: &ApplyArgs, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let done = recon::apply(ctx, &args.file, ctx.now())?;
    ui.answer(&done, |ui| {
        show_applied(ui, &done);
        Ok(())
    })?;
    Ok(if done.failed > 0 { Exit::NeedsPerson } else { Exit::Done })
}

fn show_applied(ui: &Ui, done: &Applied) {
    for row in &done.rows {
        let line = format!("{}  {}  {}", row.id, decision_text(row.decision), row.said);
        match row.did {
            None => ui.data(&ui.paint(Paint::Warn, &t!("{line}: not done", line = line))),
            Some(Did::Done | Did::Left | Did::Asked | Did::Before) => ui.data(&line),
        }
    }
    ui.data(&t!(
        "{done} done, {left} left, {before} decided before, {failed} not done, {empty} without a decision",
        done = done.done,
        left = done.left,
        before = done.before,
        failed = done.failed,
        empty = done.empty
    ));
}
