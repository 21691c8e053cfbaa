//! `kibble debit show`: the whole history of an installment, in order.

use crate::cli::exit::Exit;
use crate::cli::ui::{Paint, Ui, columns};
use crate::domain::charge::{Charge, ChargeKind, ChargeState};
use crate::domain::date::At;
use crate::domain::id::InstallmentId;
use crate::ops::Ctx;
use crate::ops::debit::pay::{History, history, may_postpone};
use crate::ops::debit::reason_text;
use crate::ops::refund::refund_text;
use crate::t;
use crate::text;
use crate::text::letters;

/// Show everything that happened to an installment, in order
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which installment, for example `a-7/3`
    installment: InstallmentId,
}

/// Shows the history.
///
/// # Errors
/// When there is no such installment.
pub fn run(args: &Args, ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let history = history(ctx, args.installment)?;
    ui.answer(&history, |ui| show(ctx, ui, &history))?;
    Ok(Exit::Done)
}

fn show(ctx: &Ctx, ui: &Ui, history: &History) -> anyhow::Result<()> {
    let it = &history.installment;
    let title = t!(
        "{id} · term {term} of {terms} · {amount} · due {due}",
        id = it.id,
        term = it.id.term,
        terms = history.terms,
        amount = it.amount.yuan(),
        due = it.due
    );
    ui.data(&ui.paint(Paint::Heading, &title));
    ui.data(&format!("  {} {}  {}", history.customer, history.label, history.agreement_no));
    let mut events: Vec<(At, String, String)> = Vec::new();
    for notice in &history.notices {
        let what = match notice.kind.as_str() {
            "signing" => t!("announced by the agreement itself"),
            "rail" => t!("announced through the rail"),
            "heads_up" => t!("announced early"),
            _ => t!("announced"),
        };
        events.push((notice.given_at, what, t!("{amount} for {due}", amount = notice.amount.yuan(), due = notice.due)));
    }
    for charge in &history.charges {
        charge_events(charge, &mut events);
    }
    for refund in &history.refunds {
        let what = match refund.charge {
            Some(_) => t!("refund {id}: {state}", id = refund.id, state = refund_text(refund.state)),
            None => t!("refund {id}: handed over", id = refund.id),
        };
        events.push((refund.paid_at.unwrap_or(refund.noted_at), what, refund.amount.yuan()));
    }
    for message in &history.messages {
        if let Some(at) = message.sent_at {
            events.push((at, t!("message sent"), letters::title(&message.template)));
        }
    }
    events.sort_by_key(|event| event.0);
    let rows: Vec<Vec<String>> = events
        .into_iter()
        .map(|(at, what, rest)| vec![at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M").to_string(), what, rest])
        .collect();
    for line in columns(&rows, &[]) {
        ui.data(&format!("  {line}"));
    }
    next_step(ctx, ui, history)
}

fn charge_events(charge: &Charge, events: &mut Vec<(At, String, String)>) {
    let noted = match charge.kind {
        ChargeKind::Debit => t!("charge {id} on {rail}", id = charge.id, rail = charge.rail),
        ChargeKind::Link => t!("pay link {id} on {rail}", id = charge.id, rail = charge.rail),
        ChargeKind::Cash => t!("paid at the counter"),
    };
    let detail = match &charge.link {
        Some(link) => format!("{} {link}", charge.order_no),
        None => charge.order_no.clone(),
    };
    events.push((charge.noted_at, noted, detail));
    let said = format!("{} {}", charge.code, charge.said);
    let at = charge.answered_at.or(charge.asked_at);
    let (Some(at), what) = (at, answer_text(charge)) else { return };
    events.push((charge.paid_at.unwrap_or(at).max(charge.noted_at), what, said.trim().to_owned()));
}

fn answer_text(charge: &Charge) -> String {
    match charge.state {
        ChargeState::Paid => t!("{id} paid", id = charge.id),
        ChargeState::Declined => {
            t!("{id} declined: {reason}", id = charge.id, reason = reason_text(charge.reason, text::lang()))
        }
        ChargeState::Void => t!("{id} closed unpaid", id = charge.id),
        ChargeState::Pending => t!("{id} pending", id = charge.id),
        ChargeState::Unknown => t!("{id}: outcome unknown", id = charge.id),
        ChargeState::Noted => t!("{id} not heard of at the rail", id = charge.id),
    }
}

fn next_step(ctx: &Ctx, ui: &Ui, history: &History) -> anyhow::Result<()> {
    let it = &history.installment;
    if let Some(at) = it.next_try_at {
        let time = at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M");
        ui.hint(&t!("next retry {time}", time = time));
    } else if it.state.word() == "open" && matches!(it.course.word(), "failed" | "missed") {
        ui.hint(&match may_postpone(ctx, it.id, it.due, ctx.now())? {
            true => t!(
                "take the money with `kibble debit pay {id} --cash`, or move the day with `kibble debit postpone {id} --to DATE`",
                id = it.id
            ),
            false => t!("take the money with `kibble debit pay {id} --cash`", id = it.id),
        });
    }
    Ok(())
}
