//! Step 2: asks the rail about every charge that is noted, pending or unknown, under the number it has. Nothing new is made for an
//! installment that has one, except sending the very same order again when the rail has never heard of it.

use anyhow::Result;
use chrono::TimeDelta;

use crate::adapters::rail::{Closed, MOST_SKEW_SECONDS, Rail};
use crate::db;
use crate::domain::charge::{Charge, ChargeKind, ChargeState, InstallmentState};
use crate::domain::date::At;
use crate::domain::id::{ChargeId, RunId};
use crate::domain::op::Op;
use crate::domain::rail::{Answer, Reason, Reply};
use crate::ops::debit::book::{Asked, Effect, apply};
use crate::ops::debit::flight::with_pool;
use crate::ops::debit::report::RunReport;
use crate::ops::{Ctx, Event};
use crate::t;

/// Open charges asked about per commit.
const PAGE: u32 = 200;

/// Settles what can be settled.
pub fn settle(ctx: &Ctx, run: RunId, report: &mut RunReport, now: At) -> Result<()> {
    let ask = |rail: &dyn Rail, charge: Charge| {
        let reply = rail.query_charge(&charge.order_no, charge.amount);
        if is_stale_link(&charge, &reply, now) { given_up(rail, &charge, reply) } else { reply }
    };
    with_pool(&ctx.rails, !ctx.clock.is_rehearsal(), &ask, |pool| {
        let mut after = ChargeId::new(0);
        loop {
            let page = db::charge::open_page(ctx.db.read(), after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            ctx.say(Event::Begin { label: t!("settling"), total: u64::try_from(page.len())? });
            let questions = page.iter().map(|charge| (charge.rail.clone(), charge.clone())).collect();
            let replies = pool.ask_all(questions);
            write(ctx, run, &page, replies, report, now)?;
            ctx.say(Event::End);
        }
    })
}

/// A pay link whose time is over and that is neither paid nor closed: some providers never close it by themselves, and as long as it
/// is open its term gets no other link.
fn is_stale_link(charge: &Charge, reply: &Reply, now: At) -> bool {
    charge.kind == ChargeKind::Link
        && matches!(reply.answer, Answer::Pending(_))
        && charge.pending_until.is_some_and(|until| now >= until + skew())
}

/// Closes a stale link. Only the rail's word that it can never be paid gives it up.
fn given_up(rail: &dyn Rail, charge: &Charge, reply: Reply) -> Reply {
    match rail.close_order(&charge.order_no) {
        Ok(Closed::Closed) => Reply { answer: Answer::Declined(Reason::Other), ..reply },
        // Whoever closes an order names no sum; only the question that names it may say "paid".
        Ok(Closed::AlreadyPaid(_)) => rail.query_charge(&charge.order_no, charge.amount),
        Err(_) => reply,
    }
}

/// By how much a provider's clock may be behind ours: so much longer may a link live there.
fn skew() -> TimeDelta {
    TimeDelta::seconds(MOST_SKEW_SECONDS)
}

fn write(
    ctx: &Ctx,
    run: RunId,
    page: &[Charge],
    replies: Vec<Option<Reply>>,
    report: &mut RunReport,
    now: At,
) -> Result<()> {
    let mut changed = Vec::new();
    for (charge, reply) in page.iter().zip(replies) {
        let reply = reply.unwrap_or_else(|| Reply::bare(Answer::Unknown));
        let reply = believed(ctx, charge, reply, now)?;
        // What stands as it stood is not written again.
        let same = match reply.answer {
            Answer::Pending(_) => charge.state == ChargeState::Pending,
            Answer::Unknown => charge.state == ChargeState::Unknown || charge.kind == ChargeKind::Link,
            Answer::NotFound => {
                charge.code == db::charge::NOT_FOUND
                    && Asked::about(ctx.db.read(), Some(run), charge)?.is_some_and(|asked| is_wanted(&asked))
            }
            _ => false,
        };
        if same {
            report.still_open(charge, reply.answer);
        } else {
            changed.push((charge, reply));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        let mut answers = Vec::with_capacity(changed.len());
        for (charge, reply) in &changed {
            let Some(asked) = Asked::about(tx, Some(run), charge)? else { continue };
            let effect = match reply.answer {
                // What no mandate stands behind is given up, a link nobody can open above all, and a debit of a term that is not
                // collected any more; any other debit is sent again under the same number by the charge step.
                Answer::NotFound if charge.mandate.is_none() || !is_wanted(&asked) => {
                    db::charge::void(tx, charge.id, db::charge::NOT_FOUND, now)?;
                    Effect::Closed
                }
                Answer::NotFound => {
                    db::charge::mark_not_found(tx, charge.id)?;
                    Effect::Nothing
                }
                _ => apply(ctx, tx, &asked, reply, None, now)?,
            };
            answers.push((charge.id, effect.word()));
            report.settled(charge, &asked.row, effect);
        }
        Ok(((), Op::ChargesWritten { noted: Vec::new(), answers }))
    })
}

/// Whether the term of a charge may still be collected: it was not called off meanwhile, by a pause or a termination.
fn is_wanted(asked: &Asked) -> bool {
    asked.row.installment.state == InstallmentState::Open
}

/// "Not found" is only believed a while after the charge was sent, and only as far back as the rail answers queries; otherwise it is
/// unknown (payment facts 1.7, 2.4).
fn believed(ctx: &Ctx, charge: &Charge, reply: Reply, now: At) -> Result<Reply> {
    if reply.answer != Answer::NotFound {
        return Ok(reply);
    }
    // Alipay makes the order of a pay link only when somebody opens the link, so as long as it lives it may still be paid.
    if let (ChargeKind::Link, ChargeState::Pending, Some(until)) = (charge.kind, charge.state, charge.pending_until)
        && now < until + skew()
    {
        return Ok(Reply { answer: Answer::Pending(until), ..reply });
    }
    let profile = &ctx.config.rail(&charge.rail)?.profile;
    let sent = charge.asked_at.unwrap_or(charge.noted_at);
    let settled = now - sent >= TimeDelta::seconds(i64::from(profile.not_found_after_seconds));
    let within = now - charge.noted_at <= TimeDelta::days(i64::from(profile.query_days));
    Ok(if settled && within { reply } else { Reply { answer: Answer::Unknown, ..reply } })
}
