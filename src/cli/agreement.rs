//! `kibble agreement`: what was signed, and what becomes of it.

use anyhow::Result;
use chrono::NaiveDate;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;

use crate::cli::agreement_import;
use crate::cli::exit::Exit;
use crate::cli::mandate::show_pursued;
use crate::cli::ui::{Paint, Table, Ui, columns};
use crate::cli::usage::reason;
use crate::cli::{self, Globals};
use crate::domain::agreement::{AgreementState, PauseEffect};
use crate::domain::charge::{Course, InstallmentState};
use crate::domain::id::InstallmentId;
use crate::domain::money::Money;
use crate::domain::statement::Cause;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::agreement::{self, Pause, Paused, Shown, StatementShown, state_text};
use crate::ops::credit;
use crate::ops::customer::resolve;
use crate::ops::mandate::status_text;
use crate::ops::refund::refund_text;
use crate::ops::risk;
use crate::ops::sign;
use crate::ops::statement::{self, Confirmed, Terminated, Termination};
use crate::t;

/// What was signed, and what becomes of it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

// A variant carries no doc comment: its help is that of its arguments.
#[derive(Debug, Subcommand)]
enum Verb {
    Import(agreement_import::Args),
    List(List),
    Show(Show),
    Text(TextArgs),
    Pause(PauseArgs),
    Resume(Resume),
    Terminate(Terminate),
    Confirm(Confirm),
    Settle(Settle),
}

/// List agreements
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<AgreementState>,
    /// Only those of this customer: id, phone number or name
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
}

/// Show an agreement: terms, dates, mandates, what is paid and left
#[derive(Debug, clap::Args)]
struct Show {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
}

/// Print the text that was signed, and check that it is unchanged
#[derive(Debug, clap::Args)]
struct TextArgs {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
}

/// Pause an agreement: nothing is charged until a day
#[derive(Debug, clap::Args)]
struct PauseArgs {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
    /// The day on which the pause is over
    #[arg(long, value_name = "DATE")]
    until: NaiveDate,
    /// What happens to the terms that fall into the pause: they move to later months, or are dropped
    #[arg(long, value_parser = effects())]
    effect: PauseEffect,
    /// Why, for the records
    #[arg(long, value_parser = reason)]
    reason: String,
}

/// End a pause now
#[derive(Debug, clap::Args)]
struct Resume {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
    /// Why, for the records
    #[arg(long, value_parser = reason)]
    reason: Option<String>,
}

/// Enter a notice of termination; it takes effect at once
#[derive(Debug, clap::Args)]
struct Terminate {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
    /// Who or what is the cause
    #[arg(long, value_parser = PossibleValuesParser::new(["consumer", "merchant", "no-fault", "cooling-off"]))]
    cause: String,
    /// Whether the customer keeps the pet
    #[arg(long, value_parser = PossibleValuesParser::new(["kept", "returned"]))]
    pet: String,
    /// Why, for the records
    #[arg(long, value_parser = reason)]
    reason: String,
}

/// Confirm the settlement statement of a terminated agreement and send the refunds
#[derive(Debug, clap::Args)]
struct Confirm {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
}

/// Record that refunds which no payment rail can pay were handed over
#[derive(Debug, clap::Args)]
struct Settle {
    /// The agreement, for example a-7, or its printed number
    agreement: String,
}

fn states() -> impl TypedValueParser<Value = AgreementState> {
    PossibleValuesParser::new(AgreementState::ALL.iter().map(|state| state.word()))
        .map(|word| AgreementState::from_word(&word).unwrap_or(AgreementState::Active))
}

fn effects() -> impl TypedValueParser<Value = PauseEffect> {
    PossibleValuesParser::new(PauseEffect::ALL.iter().map(|effect| effect.word()))
        .map(|word| PauseEffect::from_word(&word).unwrap_or(PauseEffect::Extend))
}

/// Runs the verb.
///
/// # Errors
/// Those of the op.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    let now = ctx.now();
    match &args.verb {
        Verb::Import(args) => agreement_import::run(args, globals, ui),
        Verb::List(it) => list(&ctx, ui, it),
        Verb::Show(it) => {
            let shown = agreement::show(&ctx, agreement::find(&ctx, &it.agreement)?, now)?;
            ui.answer(&shown, |ui| {
                show(&ctx, ui, &shown);
                Ok(())
            })?;
            Ok(Exit::Done)
        }
        Verb::Text(it) => text(&ctx, ui, it),
        Verb::Pause(it) => {
            let id = agreement::find(&ctx, &it.agreement)?.id;
            let pause = Pause { until: it.until, effect: it.effect, reason: it.reason.clone() };
            let done = agreement::pause(&ctx, id, &pause, now)?;
            ui.answer(&done, |ui| {
                ui.data(&t!("{agreement} is on pause until {until}", agreement = done.agreement, until = it.until));
                show_moves(ui, &done);
                Ok(())
            })?;
            Ok(Exit::Done)
        }
        Verb::Resume(it) => {
            let id = agreement::find(&ctx, &it.agreement)?.id;
            let done = agreement::resume(&ctx, id, it.reason.as_deref().unwrap_or_default(), now)?;
            ui.answer(&done, |ui| {
                ui.data(&t!("{agreement} runs again", agreement = done.agreement));
                show_moves(ui, &done);
                Ok(())
            })?;
            Ok(if done.troubles.is_empty() { Exit::Done } else { Exit::NeedsPerson })
        }
        Verb::Terminate(it) => terminate(&ctx, ui, it),
        Verb::Confirm(it) => {
            let id = agreement::find(&ctx, &it.agreement)?.id;
            let done = statement::confirm(&ctx, id, &statement::actor(), now)?;
            ui.answer(&done, |ui| {
                show_confirmed(ui, &done);
                Ok(())
            })?;
            Ok(if done.by_hand.is_empty() { Exit::Done } else { Exit::NeedsPerson })
        }
        Verb::Settle(it) => {
            let id = agreement::find(&ctx, &it.agreement)?.id;
            let done = statement::pay_by_hand(&ctx, id, now)?;
            ui.answer(&done, |ui| {
                show_confirmed(ui, &done);
                Ok(())
            })?;
            Ok(Exit::Done)
        }
    }
}

fn list(ctx: &Ctx, ui: &Ui, it: &List) -> Result<Exit> {
    let customer = it.customer.as_deref().map(|who| resolve(ctx, who)).transpose()?.map(|who| who.id);
    let mut found = Vec::new();
    agreement::list(ctx, customer, it.state, |row| {
        found.push(row);
        Ok(())
    })?;
    ui.answer(&found, |ui| {
        let mut table = Table::new([
            t!("Agreement"),
            t!("Number"),
            t!("Customer"),
            t!("Plan"),
            t!("Monthly"),
            t!("Terms"),
            t!("Signed"),
            t!("Until"),
            t!("State"),
        ])
        .right(&[4, 5]);
        for row in &found {
            table.row([
                row.id.to_string(),
                row.no.clone(),
                format!("{} {}", row.customer, row.label),
                row.plan.clone(),
                row.monthly.grouped(),
                row.terms.to_string(),
                row.signed_on.to_string(),
                row.ends_on.to_string(),
                state_text(row.state),
            ]);
        }
        match table.is_empty() {
            true => ui.status(&t!("no agreements")),
            false => ui.table(&table),
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn text(ctx: &Ctx, ui: &Ui, it: &TextArgs) -> Result<Exit> {
    let sealed = sign::text_of(ctx, &agreement::find(ctx, &it.agreement)?)?;
    ui.answer(&sealed, |ui| {
        ui.data(&sealed.text);
        Ok(())
    })?;
    if sealed.intact {
        ui.status(&t!(
            "unchanged since signing: its digest is the recorded one ({template})",
            template = sealed.template
        ));
        return Ok(Exit::Done);
    }
    Err(Fault::broken(t!(
        "the text of {agreement} does not have the digest recorded at signing",
        agreement = sealed.agreement
    ))
    .hint(t!("keep shop.db as it is and compare it with a backup: `kibble audit verify`"))
    .into())
}

fn terminate(ctx: &Ctx, ui: &Ui, it: &Terminate) -> Result<Exit> {
    let id = agreement::find(ctx, &it.agreement)?.id;
    let notice = Termination {
        cause: Cause::from_word(&it.cause.replace('-', "_")).unwrap_or(Cause::Consumer),
        keep_pet: it.pet == "kept",
        reason: it.reason.clone(),
    };
    let done = statement::terminate(ctx, id, &notice, ctx.now())?;
    ui.answer(&done, |ui| {
        show_terminated(ctx, ui, &done);
        Ok(())
    })?;
    Ok(if done.mandates.refused.is_empty() { Exit::Done } else { Exit::NeedsPerson })
}

fn show_terminated(ctx: &Ctx, ui: &Ui, done: &Terminated) {
    let id = done.agreement;
    if done.state == AgreementState::Cancelled {
        ui.data(&t!("{agreement} is called off; it had not started", agreement = id));
        return show_pursued(ui, &done.mandates);
    }
    ui.data(&t!(
        "{agreement} has ended. Nothing more is charged; {count} {count|term is|terms are} cancelled.",
        agreement = id,
        count = done.cancelled
    ));
    if done.mandates.closed > 0 {
        ui.data(&t!("The rail has closed the mandate."));
    }
    show_pursued(ui, &done.mandates);
    show_figures(ui, &done.figures);
    for term in &done.open_charges {
        ui.warn(&t!("the rail has not said what became of {term}; what it brings in is refunded too", term = term));
    }
    for order in &done.undelivered {
        ui.warn(&t!("{order} is paid and not delivered", order = order));
        ui.hint(&t!(
            "cancel it with `kibble orders cancel {order} --reason …`, or ship it; then confirm again",
            order = order
        ));
    }
    if let Some(by) = done.confirm_by {
        let by = by.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M").to_string();
        ui.hint(&t!(
            "check the figures and confirm them with `kibble agreement confirm {agreement}`; after {by} they confirm themselves",
            agreement = id,
            by = by
        ));
    }
}

fn show_confirmed(ui: &Ui, done: &Confirmed) {
    ui.data(&t!("{agreement}: {state}", agreement = done.agreement, state = state_text(done.state)));
    show_figures(ui, &done.figures);
    for it in &done.refunds {
        ui.data(&format!("  {}  {}  {}  {}", it.id, it.amount.yuan(), it.rail, refund_text(it.state)));
    }
    if !done.by_hand.is_empty() {
        ui.warn(&t!("no payment rail can pay this back: hand it over"));
        ui.hint(&t!("then enter it with `kibble agreement settle {agreement}`", agreement = done.agreement));
    }
}

fn show(ctx: &Ctx, ui: &Ui, it: &Shown) {
    let a = &it.agreement;
    ui.data(&ui.paint(Paint::Heading, &format!("{}  {}  {}", a.id, a.no, state_text(a.state))));
    let (collected, left) = (it.collected, it.left_terms);
    let collected =
        t!("{count} {count|term|terms}, {amount} through kibble", count = collected, amount = it.paid.yuan());
    let left = t!("{count} {count|term|terms}, {amount}", count = left, amount = it.left.yuan());
    let mut lines = vec![
        (t!("customer"), format!("{} {}", a.customer, it.label)),
        (t!("pet"), format!("{} {}", a.pet, it.pet_name)),
        (t!("plan"), format!("{} {}", a.plan_code, a.plan_name)),
        (
            t!("amount"),
            t!("{terms} × {monthly} = {total}", terms = a.terms, monthly = a.monthly.yuan(), total = a.total().yuan()),
        ),
        (t!("debit day"), a.anchor_day.to_string()),
        (t!("signed on"), a.signed_on.to_string()),
        (t!("until"), a.ends_on.to_string()),
        (t!("collected"), collected),
        (t!("left"), left),
        (t!("wallet"), it.wallet.yuan()),
        (t!("reference cost"), a.reference_cost.yuan()),
    ];
    match &it.evidence {
        Some(level) => lines.push((t!("evidence"), evidence_text(level))),
        None => lines.push((t!("evidence"), t!("signed on paper, before kibble"))),
    }
    if let Some(until) = a.paused_until {
        lines.push((t!("on pause until"), until.to_string()));
    }
    if let Some(check) = &it.credit {
        let said = format!("{}  {}  {}", check.checked_on, credit::verdict_text(check), credit::review_text(check));
        lines.push((t!("credit check"), said.trim_end().to_owned()));
    }
    for flag in &it.flags {
        let since = flag.since.with_timezone(&ctx.zone()).format("%Y-%m-%d").to_string();
        lines.push((t!("high risk since"), format!("{since}  {}", risk::reason_text(&flag.reason))));
    }
    let rows: Vec<Vec<String>> = lines.into_iter().map(|(name, value)| vec![format!("  {name}"), value]).collect();
    for line in columns(&rows, &[]) {
        ui.data(&line);
    }
    for mandate in &it.mandates {
        ui.data(&format!("  {}  {}  {}", mandate.id, mandate.rail, status_text(mandate.state)));
    }
    let mut table = Table::new([t!("Term"), t!("Due on"), t!("Amount"), t!("State")]).right(&[2]);
    for term in &it.terms {
        let state = term_text(term.state, term.course);
        table.row([term.id.to_string(), term.due.to_string(), term.amount.grouped(), state]);
    }
    if !table.is_empty() {
        ui.table(&table);
    }
    if let Some(statement) = &it.statement {
        show_statement(ctx, ui, statement);
    }
}

fn show_statement(ctx: &Ctx, ui: &Ui, it: &StatementShown) {
    let text = match it.row.confirmed_at {
        Some(at) => t!(
            "Settlement, confirmed on {day} by {who}",
            day = ctx.today(at),
            who = it.row.confirmed_by.clone().unwrap_or_default()
        ),
        None => t!("Settlement as of today; it confirms itself on {day}", day = ctx.today(it.row.confirm_by)),
    };
    ui.data(&ui.paint(Paint::Heading, &text));
    show_figures(ui, &it.figures);
    for refund in &it.refunds {
        ui.data(&format!("  {}  {}  {}  {}", refund.id, refund.amount.yuan(), refund.rail, refund_text(refund.state)));
    }
}

/// The sum that a customer can follow with a pencil.
fn show_figures(ui: &Ui, figures: &Value) {
    let amount = |key: &str| -> String {
        figures[key].as_str().and_then(|text| text.parse::<Money>().ok()).unwrap_or_default().grouped()
    };
    let less = |key: &str| match amount(key) {
        zero if zero == "0.00" => zero,
        sum => format!("-{sum}"),
    };
    let mut rows = vec![
        vec![format!("  {}", t!("collected")), amount("paid")],
        vec![format!("  {}", t!("goods delivered")), less("delivered")],
        vec![format!("  {}", t!("compensation for the pet")), less("compensation")],
        vec![format!("  {}", t!("refund")), amount("refund")],
        vec![format!("  {}", t!("interest")), amount("interest")],
        vec![format!("  {}", t!("to be paid back")), amount("payable")],
    ];
    if figures["claim"].as_str().is_some_and(|claim| claim != "0.00") {
        rows.push(vec![format!("  {}", t!("still owed by the customer")), amount("claim")]);
    }
    for line in columns(&rows, &[1]) {
        ui.data(&line);
    }
}

fn show_moves(ui: &Ui, done: &Paused) {
    let list = |terms: &[u32]| terms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !done.cancelled.is_empty() {
        ui.data(&format!("  {}", t!("terms dropped: {list}", list = list(&done.cancelled))));
    }
    if !done.reopened.is_empty() {
        ui.data(&format!("  {}", t!("terms collected again: {list}", list = list(&done.reopened))));
    }
    if let (Some((first, due)), Some((last, end))) = (done.moved.first(), done.moved.last()) {
        ui.data(&format!(
            "  {}",
            t!(
                "terms {first} to {last} fall due from {due} to {end}",
                first = first,
                last = last,
                due = due,
                end = end
            )
        ));
    }
    for (term, day) in &done.kept {
        ui.data(&format!(
            "  {}",
            t!(
                "{installment} keeps its day {day}: its debit is on its way, or it fell due at signing; if it is not collected, move it with `kibble debit postpone {installment} --to DATE`",
                installment = InstallmentId { agreement: done.agreement, term: *term },
                day = day
            )
        ));
    }
    ui.data(&format!("  {}", t!("the agreement runs until {day}", day = done.ends_on)));
    for trouble in &done.troubles {
        ui.warn(&t!("the rail could not move its date: {why}", why = trouble));
    }
}

fn evidence_text(level: &str) -> String {
    match level {
        "E2" => t!("E2: one-time code by SMS; no certificate of a licensed platform"),
        _ => t!("{level}: signed before staff; no certificate of a licensed platform", level = level),
    }
}

fn term_text(state: InstallmentState, course: Course) -> String {
    match (state, course) {
        (InstallmentState::Paid, _) => t!("paid"),
        (InstallmentState::Before, _) => t!("paid before kibble"),
        (InstallmentState::Cancelled, _) => t!("not to be collected"),
        (InstallmentState::Refunded, _) => t!("paid and given back"),
        (InstallmentState::Open, Course::Planned) => t!("to come"),
        (InstallmentState::Open, Course::Failing) => t!("declined, retries to come"),
        (InstallmentState::Open, Course::Failed) => t!("declined, retries over"),
        (InstallmentState::Open, Course::Missed) => t!("window missed"),
    }
}
