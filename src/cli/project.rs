//! Shows what the next months will bring: one table for each question, and what the answer rests on.

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Table, Ui};
use crate::cli::{Globals, progress};
use crate::config;
use crate::domain::money::Money;
use crate::domain::project::Range;
use crate::ops::project::{Habit, Month, Projection, Question, Wanted, project};
use crate::t;
use crate::text::letters::title;

/// From so many first debits on, a history speaks for itself.
const MUCH: u64 = 200;

/// Looks ahead and shows it.
///
/// # Errors
/// Those of [`project`].
pub fn run(wanted: &Wanted, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let folder = config::find_folder(globals.shop.as_deref())?;
    let ahead = project(&folder, globals.now.as_deref(), wanted, &mut progress(ui))?;
    ui.answer(&ahead, |ui| {
        show(ui, &ahead);
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show(ui: &Ui, it: &Projection) {
    ui.data(&ui.paint(Paint::Heading, &t!("Looking ahead from {from} to {to}", from = it.from, to = it.to)));
    if it.restored {
        ui.warn(&t!("this database was restored and not adopted: whatever happened after the backup is missing here"));
        ui.hint("kibble adopt");
    }
    if it.waiting > 0 {
        ui.data(&t!(
            "{count} {count|agreement waits for its customer|agreements wait for their customers} to agree; nothing of {count|it|them} is counted",
            count = it.waiting
        ));
    }
    if it.futures == 0 {
        ui.data(&t!("no agreement runs in this shop, so nothing falls due"));
        ui.hint(&match it.waiting {
            0 => t!("the first agreement begins with `kibble sign`"),
            _ => t!("see who has not agreed yet with `kibble mandate list --state waiting`"),
        });
        return;
    }
    ui.data(&basis(it));
    show_money(ui, &it.months);
    show_changes(ui, &it.months);
    show_messages(ui, &it.months);
    show_history(ui, it);
    closing(ui, it);
}

/// How much history there is, in one sentence.
fn basis(it: &Projection) -> String {
    let running = t!("{count} {count|agreement runs|agreements run}.", count = it.running);
    let (charges, months) = (it.history.charges, it.history.months);
    let history = match (charges, months) {
        (0, _) => t!("Your shop has made no debit yet: these are general assumptions, and the ranges are wide."),
        (few, _) if few < MUCH => {
            t!(
                "Your shop has debited {count} {count|term|terms} so far: the ranges are wide because of that.",
                count = few
            )
        }
        (many, months) => {
            t!(
                "This rests on the debits of {count} terms in {months} {months|month|months}.",
                count = many,
                months = months
            )
        }
    };
    t!("{first} {second}", first = running, second = history)
}

fn show_money(ui: &Ui, months: &[Month]) {
    heading(ui, &t!("What falls due, and what of it is paid by the month's end"));
    let heads = [
        t!("Month"),
        t!("Terms"),
        t!("Amount due"),
        t!("Low"),
        t!("Likely"),
        t!("High"),
        t!("For earlier months"),
        t!("Unpaid at its end"),
        t!("In the bank"),
    ];
    let mut table = Table::new(heads).right(&[1, 2, 3, 4, 5, 6, 7, 8]);
    for it in months {
        let collected = it.collected_amount;
        let amounts = [it.due_amount, collected.low, collected.likely, collected.high];
        let likely = [it.earlier_amount.likely, it.open_amount.likely, it.bank.likely];
        let cells = amounts.into_iter().chain(likely).map(Money::yuan);
        table.row([name(it), it.due.to_string()].into_iter().chain(cells));
    }
    ui.table(&table);
}

fn show_changes(ui: &Ui, months: &[Month]) {
    heading(ui, &t!("What changes"));
    let heads = [
        t!("Month"),
        t!("Agreements completed"),
        t!("Terminated"),
        t!("Mandates ended"),
        t!("High risk at its end"),
        t!("Refunds"),
        t!("Owed by customers who left"),
    ];
    let mut table = Table::new(heads).right(&[1, 2, 3, 4, 5, 6]);
    for it in months {
        let counts = [it.completing, it.terminated, it.mandates_ended, it.high_risk].map(span);
        let amounts = [it.refunds.likely, it.claims.likely].map(Money::yuan);
        table.row([name(it)].into_iter().chain(counts).chain(amounts));
    }
    ui.table(&table);
}

fn show_messages(ui: &Ui, months: &[Month]) {
    heading(ui, &t!("Messages that go out"));
    let mut kinds: Vec<&String> = months.iter().flat_map(|it| it.messages.keys()).collect();
    kinds.sort();
    kinds.dedup();
    let likely = |it: &Month, kind: &str| it.messages.get(kind).map_or(0, |range| range.likely);
    // What never comes in the middle of all futures is no news.
    kinds.retain(|kind| months.iter().any(|it| likely(it, kind) > 0));
    if kinds.is_empty() {
        ui.data(&format!("  {}", t!("none")));
        return;
    }
    let numbers: Vec<usize> = (1..=months.len()).collect();
    let mut table = Table::new([t!("Message")].into_iter().chain(months.iter().map(name))).right(&numbers);
    for kind in kinds {
        let counts = months.iter().map(|it| likely(it, kind).to_string());
        table.row([title(kind)].into_iter().chain(counts));
    }
    let totals = months.iter().map(|it| it.messages_total.likely.to_string());
    table.row([t!("all messages")].into_iter().chain(totals));
    ui.table(&table);
    let unsendable: u64 = months.iter().map(|it| it.unsendable.likely).sum();
    if unsendable > 0 {
        ui.warn(&t!("messages that cannot be sent as the shop is set up now: {count}", count = unsendable));
        ui.hint(&t!("`kibble remind list --state failed` and `kibble doctor` say what is missing"));
    }
}

fn show_history(ui: &Ui, it: &Projection) {
    heading(ui, &t!("What your past says, and what is taken from it"));
    let mut table = Table::new([t!("Habit"), t!("On record"), t!("Taken from it")]).right(&[1, 2]);
    for row in it.history.habits.iter().map(habit_row) {
        table.row(row);
    }
    table.row([t!("days late of late payments"), String::new(), it.history.likely_days_late.to_string()]);
    ui.table(&table);
}

fn habit_row(it: &Habit) -> [String; 3] {
    let what = match it.question {
        Question::FirstDeclined => t!("first debits declined, {rail}", rail = it.label),
        Question::FailedAgain => t!("months that fail after a failed one"),
        Question::RetryPaid => t!("retries paid"),
        Question::PaidLate => t!("failed terms paid late after all"),
        Question::ByLink => t!("of these, by link (the rest at the counter)"),
        Question::MandateEnded => t!("mandates that customers end, a month"),
        Question::Terminated => t!("agreements terminated, a month"),
        Question::AnswerLost => t!("answers of payment rails lost"),
    };
    let seen = match it.seen.of {
        0 => t!("never seen"),
        of => t!("{yes} of {of}", yes = it.seen.yes, of = of),
    };
    [what, seen, it.likely.to_string()]
}

fn closing(ui: &Ui, it: &Projection) {
    ui.data("");
    for line in [
        t!(
            "Low and high: nine of ten possible futures lie above the one, nine of ten below the other; {count} were run.",
            count = it.futures
        ),
        t!(
            "Not counted: new agreements, new mandates in place of ended ones, and goods that customers take from their wallets."
        ),
        t!("In the bank: what the payment rails pay out after their fees and refunds; cash is not in it."),
    ] {
        ui.data(&ui.paint(Paint::Dim, &line));
    }
    ui.status(&t!("this ran on a copy: nothing in your shop was touched, nobody was told anything"));
    ui.hint(&t!("who is late today: `kibble debit list overdue`; what this month was like: `kibble report overview`"));
}

fn heading(ui: &Ui, text: &str) {
    ui.data("");
    ui.data(&ui.paint(Paint::Heading, text));
}

/// A month, and from which day on where it has begun.
fn name(it: &Month) -> String {
    use chrono::Datelike;
    match it.from.day() {
        day if day > 1 && it.from.month() == it.to.month() => {
            t!("{month}, from the {day}", month = it.month, day = it.from.format("%d"))
        }
        _ => it.month.clone(),
    }
}

/// A count with its range, where it has one.
fn span(it: Range<u64>) -> String {
    match it.low == it.high {
        true => it.likely.to_string(),
        false => t!("{likely} ({low}–{high})", likely = it.likely, low = it.low, high = it.high),
    }
}
