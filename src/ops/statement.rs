//! What ends an agreement: a notice of termination, the settlement statement, its confirmation, the refunds. Termination works the
//! moment its notice is entered (Civil Code 565); what it owes is computed by `domain/statement.rs` and confirmed afterwards.

use anyhow::Result;
use chrono::{Duration, NaiveDate};
use serde::Serialize;
use serde_json::{Value, json};

use crate::adapters::rail::Closed;
use crate::db::charge::Outcome;
use crate::db::mandate::of_agreement as mandates_of;
use crate::db::refund::{NewRefund, Refund};
use crate::db::statement::Delivered;
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementSource, AgreementState, COMPLETED, TERMS_OVER};
use crate::domain::charge::{Charge, ChargeKind, ChargeState, order_no, refund_no};
use crate::domain::date::{At, day_of, plus_days};
use crate::domain::id::{AgreementId, CustomerId, EntryId, InstallmentId, OrderId, RefundId, StatementId};
use crate::domain::journal::{Account, Entry, EntryKind, WALLET_PRINCIPAL};
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::Status;
use crate::domain::refund::RefundState;
use crate::domain::statement::{self, Cause, Ended, Line, Move, Rates, Share, Statement};
use crate::fault::{Fault, Kind};
use crate::ops::agreement::{get, letter, state_text};
use crate::ops::debit::may_move_money;
use crate::ops::mandate::{self, Pursued};
use crate::ops::remind::tell;
use crate::ops::{Ctx, order, refund};
use crate::t;

/// Who confirms a statement that nobody looked at in time.
pub(super) const BY_DEADLINE: &str = "deadline";
/// Announcements that make no sense once a term is moved or cancelled, or the agreement has ended.
const OVERTAKEN: [&str; 9] = [
    "pre_debit_48h",
    "pre_debit_heads_up",
    "debit_failed",
    "retry_exhausted_customer",
    "overdue_l1",
    "overdue_l2",
    "overdue_l3",
    "overdue_l4",
    "contract_expiring",
];

/// A notice of termination.
#[derive(Clone, Debug)]
pub struct Termination {
    /// Why.
    pub cause: Cause,
    /// Whether the customer keeps the pet.
    pub keep_pet: bool,
    /// In the shop's words.
    pub reason: String,
}

/// What a termination did at once.
#[derive(Clone, Debug, Serialize)]
pub struct Terminated {
    /// The agreement.
    pub agreement: AgreementId,
    /// Where it stands now: `settling`, or `cancelled` when the customer had not agreed to a mandate yet.
    pub state: AgreementState,
    /// The settlement statement.
    pub statement: Option<StatementId>,
    /// When it confirms itself.
    pub confirm_by: Option<At>,
    /// Terms that are not collected any more.
    pub cancelled: u64,
    /// What the rails said about closing the mandates.
    pub mandates: Pursued,
    /// Charges whose outcome the rail has not said yet: what they bring in is refunded as well.
    pub open_charges: Vec<InstallmentId>,
    /// Paid orders that must be cancelled before the statement can be confirmed.
    pub undelivered: Vec<OrderId>,
    /// The figures as they would be today.
    pub figures: Value,
}

/// Enters a notice of termination. It takes effect at once, whoever still has to confirm figures: nothing more is charged, the
/// mandates are closed, open pay links too, and paid goods that were not handed over go back into the wallet. One that was performed to
/// its end is settled likewise when the customer asks for what is left.
///
/// # Errors
/// When the agreement does not run and has no money left, or the cause does not fit.
pub fn terminate(ctx: &Ctx, id: AgreementId, notice: &Termination, now: At) -> Result<Terminated> {
    let agreement = get(ctx.db.read(), id)?;
    let has_money = share_of(ctx.db.read(), &agreement)?.left.is_positive();
    match agreement.state {
        AgreementState::Active | AgreementState::Paused => {}
        // The earlier book brought its money before the customer agreed to anything here.
        AgreementState::Waiting if has_money && agreement.source == AgreementSource::Imported => {}
        AgreementState::Waiting => return cancel_waiting(ctx, &agreement, notice, now),
        // The customer asks for what is left; nobody ends anything, so nothing is deducted for an end.
        AgreementState::Completed if has_money && notice.cause == Cause::NoFault => {}
        AgreementState::Completed if has_money => {
            return Err(Fault::refused(t!(
                "{agreement} was performed to its end: what is left goes back without anybody's fault",
                agreement = id
            ))
            .hint(t!("give --cause no-fault"))
            .into());
        }
        _ => {
            return Err(Fault::refused(t!(
                "{agreement} has ended already: {state}",
                agreement = id,
                state = state_text(agreement.state)
            ))
            .hint(t!("see `kibble agreement show {agreement}`", agreement = id))
            .into());
        }
    }
    if notice.cause == Cause::CoolingOff {
        within_cooling_off(ctx, &agreement, notice, now)?;
    }
    let confirm_by = now + Duration::days(i64::from(agreement.conditions.confirm_days));
    let cause = notice.cause.word();
    let (statement, cancelled) = ctx.db.write(now, |tx| {
        let ended = (agreement.state != AgreementState::Completed).then_some((now, cause));
        db::agreement::set_state(tx, id, AgreementState::Settling, ended)?;
        let cancelled = db::installment::cancel_open(tx, id, 1)?;
        db::mandate::close_all(tx, id, "terminated", now)?;
        if !notice.keep_pet {
            db::pet::set_status(tx, agreement.pet, Status::Returned, None, ctx.today(now))?;
        }
        order::cancel_undelivered(ctx, tx, agreement.customer, now, "terminated")?;
        for template in OVERTAKEN {
            db::message::drop_queued(tx, id, template, None)?;
        }
        let statement = db::statement::insert(tx, id, cause, notice.keep_pet, now, confirm_by)?;
        let days = |days: u32| days.to_string();
        let (confirm, refund) = (agreement.conditions.confirm_days, agreement.conditions.refund_days);
        let promised = [("confirm_days", days(confirm)), ("refund_days", days(refund))];
        let letter = letter(ctx, &agreement, "termination_ack", &promised);
        tell(ctx, tx, letter, now)?;
        let op = Op::Terminated {
            agreement: id,
            cause: cause.to_owned(),
            keep_pet: notice.keep_pet,
            reason: notice.reason.clone(),
        };
        Ok(((statement, cancelled), op))
    })?;
    let mandates = close_now(ctx, id, now)?;
    close_links(ctx, id, now)?;
    let conn = ctx.db.read();
    let row = db::statement::get(conn, statement)?
        .ok_or_else(|| Fault::broken(t!("{statement} is not there", statement = statement)))?;
    Ok(Terminated {
        agreement: id,
        state: AgreementState::Settling,
        statement: Some(statement),
        confirm_by: Some(confirm_by),
        cancelled,
        mandates,
        open_charges: db::charge::open_of(conn, id)?.into_iter().map(|it| it.installment).collect(),
        undelivered: db::statement::undelivered(conn, agreement.customer)?,
        figures: preview(ctx, conn, &get(conn, id)?, &row, now)?,
    })
}

/// What confirming a statement did.
#[derive(Clone, Debug, Serialize)]
pub struct Confirmed {
    /// The agreement.
    pub agreement: AgreementId,
    /// The statement.
    pub statement: StatementId,
    /// Where the agreement stands now: `ended` once every refund is paid.
    pub state: AgreementState,
    /// Every figure, final.
    pub figures: Value,
    /// What goes back, and how.
    pub refunds: Vec<Refund>,
    /// Refunds that somebody must hand over, or look at.
    pub by_hand: Vec<RefundId>,
}

/// Confirms the settlement statement of a terminated agreement: the figures are final, the books settle the wallet, and the
/// refunds go out. `by` is the person, or [`BY_DEADLINE`].
///
/// # Errors
/// When there is nothing to confirm, a charge is not decided yet, or paid orders are not delivered.
pub fn confirm(ctx: &Ctx, id: AgreementId, by: &str, now: At) -> Result<Confirmed> {
    may_move_money(ctx, now)?;
    let agreement = get(ctx.db.read(), id)?;
    let row = open_statement(ctx.db.read(), &agreement)?;
    close_links(ctx, id, now)?;
    may_confirm(ctx.db.read(), &agreement)?;
    ctx.db.write(now, |tx| {
        may_confirm(tx, &agreement)?;
        let row = open_statement(tx, &agreement)?;
        db::installment::cancel_open(tx, id, 1)?;
        let (figures, worked) = final_figures(ctx, tx, &agreement, &row, now)?;
        settle_books(ctx, tx, &agreement, row.id, &worked, now)?;
        note_refunds(tx, &agreement, row.id, worked.statement.payable, now)?;
        let claim = worked.statement.claim;
        db::statement::confirm(tx, row.id, by, &figures.to_string(), worked.statement.payable, claim, now)?;
        refund::settle_if_paid(ctx, tx, row.id, now)?;
        Ok(((), Op::StatementConfirmed { statement: row.id, by: by.to_owned() }))
    })?;
    for refund in db::refund::of_statement(ctx.db.read(), row.id)? {
        if !refund::waits_for_hand(ctx, &refund) {
            refund::send(ctx, &refund, now)?;
        }
    }
    confirmed(ctx, id, row.id)
}

/// What confirming by deadline came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfirmedByDeadline {
    /// How many statements were confirmed.
    pub count: u64,
    /// Agreements whose settlement cannot be worked out, with why: somebody must look.
    pub stuck: Vec<(AgreementId, String)>,
}

/// Confirms every statement whose deadline has passed. Those that cannot be confirmed yet stay open and in sight, and one that
/// cannot be worked out does not keep the others waiting.
///
/// # Errors
/// When the database cannot be read or written.
pub fn confirm_due_statements(ctx: &Ctx, now: At) -> Result<ConfirmedByDeadline> {
    let mut done = ConfirmedByDeadline::default();
    for row in db::statement::due(ctx.db.read(), now)? {
        let conn = ctx.db.read();
        let agreement = get(conn, row.agreement)?;
        if let Err(error) = final_figures(ctx, conn, &agreement, &row, now) {
            let fault = error.downcast::<Fault>()?;
            done.stuck.push((row.agreement, fault.to_string()));
            continue;
        }
        match confirm(ctx, row.agreement, BY_DEADLINE, now) {
            Ok(_) => done.count += 1,
            Err(error) if error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind() == Kind::Refused) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The shop handed over what no rail can pay of a settlement: cash, balances from before kibble, and declined refunds.
///
/// # Errors
/// When there is nothing to hand over.
pub fn pay_by_hand(ctx: &Ctx, id: AgreementId, now: At) -> Result<Confirmed> {
    let conn = ctx.db.read();
    get(conn, id)?;
    let row = db::statement::of_agreement(conn, id)?;
    let Some(row) = row.filter(|row| row.state != "open") else {
        return Err(Fault::refused(t!("{agreement} has no confirmed settlement", agreement = id))
            .hint(t!("see `kibble agreement show {agreement}`", agreement = id))
            .into());
    };
    let waiting = by_hand(ctx, row.id)?;
    if waiting.is_empty() {
        return Err(Fault::refused(t!("nothing of {agreement} is to be paid by hand", agreement = id)).into());
    }
    for refund in &waiting {
        refund::look_before_hand_over(ctx, refund, now)?;
    }
    for refund in &waiting {
        refund::pay_by_hand(ctx, refund.id, now)?;
    }
    confirmed(ctx, id, row.id)
}

/// What a confirmed settlement owes and no rail can pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// Of which agreement.
    pub agreement: AgreementId,
    /// To whom.
    pub customer: CustomerId,
    /// How much.
    pub amount: Money,
    /// By when the shop promised to pay it back.
    pub pay_by: NaiveDate,
}

/// What is to be handed over of confirmed settlements because no rail could ever pay it. What a rail refused is named by itself.
///
/// # Errors
/// When the database cannot be read.
pub fn to_hand_over(ctx: &Ctx) -> Result<Vec<Owed>> {
    let conn = ctx.db.read();
    let mut owed = Vec::new();
    for row in db::statement::in_state(conn, "confirmed")? {
        let refunds = by_hand(ctx, row.id)?;
        let is_named = |it: &Refund| it.state == RefundState::Declined || refund::is_stranded(ctx, it);
        let amount: Money = refunds.iter().filter(|it| !is_named(it)).map(|it| it.amount).sum();
        if amount.is_positive() {
            let agreement = get(conn, row.agreement)?;
            let confirmed = day_of(row.confirmed_at.unwrap_or(row.notice_at), ctx.zone());
            let pay_by = plus_days(confirmed, i64::from(agreement.conditions.refund_days));
            owed.push(Owed { agreement: agreement.id, customer: agreement.customer, amount, pay_by });
        }
    }
    Ok(owed)
}

/// Who confirms, for the statement: the person at the terminal.
pub fn actor() -> String {
    crate::config::actor()
}

/// Asks the rails at once to close what is to be closed of one agreement.
fn close_now(ctx: &Ctx, id: AgreementId, now: At) -> Result<Pursued> {
    let closing: Vec<Mandate> =
        mandates_of(ctx.db.read(), id)?.into_iter().filter(|it| it.state == MandateStatus::Closing).collect();
    mandate::pursue(ctx, closing, now)
}

/// An agreement that never started is simply called off.
fn cancel_waiting(ctx: &Ctx, agreement: &Agreement, notice: &Termination, now: At) -> Result<Terminated> {
    let id = agreement.id;
    ctx.db.write(now, |tx| {
        db::agreement::set_state(tx, id, AgreementState::Cancelled, Some((now, notice.cause.word())))?;
        db::mandate::close_all(tx, id, "cancelled", now)?;
        let pet = db::pet::get(tx, agreement.pet)?;
        if pet.is_some_and(|pet| pet.status == Status::Reserved) {
            db::pet::set_status(tx, agreement.pet, Status::InShop, None, ctx.today(now))?;
        }
        let state = AgreementState::Cancelled.word().into();
        Ok(((), Op::AgreementChanged { agreement: id, state, reason: notice.reason.clone() }))
    })?;
    Ok(Terminated {
        agreement: id,
        state: AgreementState::Cancelled,
        statement: None,
        confirm_by: None,
        cancelled: 0,
        mandates: close_now(ctx, id, now)?,
        open_charges: Vec::new(),
        undelivered: Vec::new(),
        figures: Value::Null,
    })
}

/// The right to leave without reasons: in the days after the first successful debit, and the pet goes back (domain facts 1.6).
fn within_cooling_off(ctx: &Ctx, agreement: &Agreement, notice: &Termination, now: At) -> Result<()> {
    let days = agreement.conditions.cooling_off_days;
    let refuse = |what: String| -> Result<()> {
        Err(Fault::refused(what).hint(t!("the customer may still leave with --cause consumer")).into())
    };
    if notice.keep_pet {
        return refuse(t!("within the cooling-off days the pet goes back; give --pet returned"));
    }
    let first = db::charge::paid_of(ctx.db.read(), agreement.id)?.into_iter().filter_map(|it| it.paid_at).min();
    let over = match first {
        Some(at) => ctx.today(now) > plus_days(day_of(at, ctx.zone()), i64::from(days)),
        None => agreement.paid_before > 0,
    };
    if over {
        return refuse(t!("the {days} cooling-off days after the first debit are over", days = days));
    }
    Ok(())
}

/// Closes the unpaid pay links of an agreement at the rail. One that was paid meanwhile, or cannot be closed now, stays open:
/// the debit run settles it.
fn close_links(ctx: &Ctx, id: AgreementId, now: At) -> Result<()> {
    let mut closed: Vec<Charge> = Vec::new();
    for charge in db::charge::open_of(ctx.db.read(), id)? {
        if charge.kind != ChargeKind::Link {
            continue;
        }
        let Ok(rail) = ctx.rail(&charge.rail) else { continue };
        if rail.close_order(&charge.order_no) == Ok(Closed::Closed) {
            closed.push(charge);
        }
    }
    if closed.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        let mut answers = Vec::new();
        for charge in &closed {
            let outcome = Outcome {
                state: ChargeState::Void,
                reason: None,
                code: "CLOSED",
                said: "",
                trade_no: None,
                pending_until: None,
                paid_at: None,
                asked_at: now,
                run: None,
            };
            db::charge::answer(tx, charge.id, &outcome)?;
            answers.push((charge.id, ChargeState::Void.word()));
        }
        Ok(((), Op::ChargesWritten { noted: Vec::new(), answers }))
    })
}

fn open_statement(conn: &Conn, agreement: &Agreement) -> Result<db::statement::Statement> {
    let row = db::statement::of_agreement(conn, agreement.id)?;
    match row {
        Some(row) if row.state == "open" => Ok(row),
        Some(_) => {
            Err(Fault::refused(t!("the settlement of {agreement} is confirmed already", agreement = agreement.id))
                .into())
        }
        None => Err(Fault::refused(t!(
            "{agreement} was not terminated, so there is nothing to confirm",
            agreement = agreement.id
        ))
        .hint(t!(
            "enter the notice with `kibble agreement terminate {agreement} --cause … --pet … --reason …`",
            agreement = agreement.id
        ))
        .into()),
    }
}

/// Figures are final only when nothing can change them any more.
fn may_confirm(conn: &Conn, agreement: &Agreement) -> Result<()> {
    if let Some(charge) = db::charge::open_of(conn, agreement.id)?.first() {
        return Err(Fault::refused(t!("the rail has not said what became of {term}", term = charge.installment))
            .hint(t!("`kibble debit run` asks it; then confirm again"))
            .into());
    }
    if let Some(line) = db::recon::console_refund(conn, agreement.id)? {
        return Err(Fault::refused(t!(
            "a bill says that money of {agreement} went back: {line}",
            agreement = agreement.id,
            line = line
        ))
        .hint(t!("decide about it with `kibble recon list` first"))
        .into());
    }
    if let Some(order) = db::statement::undelivered(conn, agreement.customer)?.first() {
        return Err(Fault::refused(t!("{order} is paid and not delivered", order = order))
            .hint(t!(
                "cancel it with `kibble orders cancel {order} --reason …`, or ship it; then confirm again",
                order = order
            ))
            .into());
    }
    Ok(())
}

/// A settlement worked out.
struct Worked {
    statement: Statement,
    /// What the agreement brought into the wallet, and what is left of it.
    share: Share,
}

/// The figures as they would be on `now`.
pub(super) fn preview(
    ctx: &Ctx,
    conn: &Conn,
    agreement: &Agreement,
    row: &db::statement::Statement,
    now: At,
) -> Result<Value> {
    figures(ctx, conn, agreement, row, now).map(|(figures, _)| figures)
}

/// The same, for the books: they must hold what the figures say is left.
fn final_figures(
    ctx: &Ctx,
    conn: &Conn,
    agreement: &Agreement,
    row: &db::statement::Statement,
    now: At,
) -> Result<(Value, Worked)> {
    let (figures, worked) = figures(ctx, conn, agreement, row, now)?;
    let (customer, left) = (agreement.customer, worked.share.left);
    let wallet = -db::journal::balance(conn, customer, WALLET_PRINCIPAL)?;
    if left > wallet {
        return Err(Fault::broken(t!(
            "the wallet of {customer} holds {wallet}, and {left} of {agreement} should be in it",
            customer = customer,
            wallet = wallet.yuan(),
            left = left.yuan(),
            agreement = agreement.id
        ))
        .hint(t!("run `kibble check`; a record contradicts another"))
        .into());
    }
    Ok((figures, worked))
}

fn figures(
    ctx: &Ctx,
    conn: &Conn,
    agreement: &Agreement,
    row: &db::statement::Statement,
    now: At,
) -> Result<(Value, Worked)> {
    let share = share_of(conn, agreement)?;
    let all = db::statement::delivered(conn, agreement.customer)?;
    let line = delivered_line(conn, agreement.customer, share, &all)?;
    let days = (ctx.today(now) - day_of(row.notice_at, ctx.zone())).num_days().max(0);
    let cause = Cause::from_word(&row.cause)
        .ok_or_else(|| Fault::broken(t!("{statement} is not there", statement = row.id)))?;
    let conditions = &agreement.conditions;
    let statement = statement::settle(&Ended {
        // More is left than came where goods came back that another agreement, settled since, had paid for.
        paid: vec![share.paid.max(share.left)],
        // Nothing in kibble gives a bonus on top of what is paid.
        bonus: Money::ZERO,
        delivered: vec![line],
        terms: agreement.terms,
        paid_terms: performed(conn, agreement)?,
        plan_total: agreement.total(),
        reference_cost: agreement.reference_cost,
        cause,
        keep_pet: row.keep_pet,
        list_price_disclosed: conditions.list_price_settlement,
        rates: Rates {
            agreed_bps: None,
            lpr_bps: conditions.interest_bps_merchant,
            deposit_bps: conditions.interest_bps_consumer,
        },
        days: u32::try_from(days)?,
    })
    .map_err(|wrong| {
        Fault::broken(t!(
            "the settlement of {agreement} cannot be computed: {why}",
            agreement = agreement.id,
            why = format!("{wrong:?}")
        ))
        .hint(t!("run `kibble check`; a record contradicts another"))
    })?;
    let figures = json!({
        "paid": statement.paid,
        "delivered": statement.delivered,
        "delivered_basis": statement.basis.word(),
        "delivered_charged": statement.delivered_charged,
        "delivered_list": statement.delivered_list,
        "delivered_lines": all.lines,
        "reference_cost": statement.reference_cost,
        "terms": statement.terms,
        "terms_left": statement.terms_left,
        "compensation": statement.compensation,
        "balance": statement.balance,
        "refund": statement.refund,
        "claim": statement.claim,
        "waived": statement.waived,
        "rate_bps": statement.rate_bps,
        "days": statement.days,
        "interest": statement.interest,
        "payable": statement.payable,
        "warnings": statement.warnings.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>(),
    });
    Ok((figures, Worked { statement, share }))
}

/// Terms that count as performed: those collected, here or before kibble, and all of an agreement that ran to its end.
fn performed(conn: &Conn, agreement: &Agreement) -> Result<u32> {
    if matches!(agreement.end_cause.as_deref(), Some(COMPLETED | TERMS_OVER)) {
        return Ok(agreement.terms);
    }
    // One that waits has no terms on record yet.
    let collected = db::installment::count_collected(conn, agreement.id)?;
    Ok(collected.max(agreement.paid_before).min(agreement.terms))
}

/// What this agreement brought into the customer's wallet and what is left of it, from the books themselves.
fn share_of(conn: &Conn, agreement: &Agreement) -> Result<Share> {
    let charges = db::charge::agreements_of(conn, agreement.customer)?;
    let statements = db::statement::agreements_of(conn, agreement.customer)?;
    let refunds = db::refund::of_customer(conn, agreement.customer)?;
    let of_refund = |id: RefundId| {
        let refund = refunds.iter().find(|it| it.id == id)?;
        refund.charge.and_then(|charge| charges.get(&charge)).copied()
    };
    // A settlement that took nothing from the wallet is no movement of it; it has its place by its time.
    let steps = db::journal::wallet_moves(conn, agreement.customer)?;
    let moved: Vec<&str> =
        steps.iter().filter(|it| it.kind == EntryKind::Settlement).map(|it| it.reference.as_str()).collect();
    let mut unmoved: Vec<(At, AgreementId)> = statements
        .iter()
        .filter(|(id, _)| !moved.contains(&id.to_string().as_str()))
        .filter_map(|(_, (of, confirmed_at))| confirmed_at.map(|at| (at, *of)))
        .collect();
    unmoved.sort_unstable();
    let mut moves = Vec::new();
    for step in &steps {
        moves.extend(unmoved.extract_if(.., |(at, _)| *at <= step.at).map(|(_, of)| Move::Settled(Some(of))));
        let (amount, into) = (step.amount.abs(), step.amount < Money::ZERO);
        let name = step.reference.as_str();
        let whose = match step.kind {
            EntryKind::Charge => name.parse().ok().and_then(|id| charges.get(&id)).copied(),
            EntryKind::RefundDue => name.parse().ok().and_then(of_refund),
            // A refund whose bill shows another amount: the difference.
            EntryKind::Recon => match name.parse().ok() {
                Some(line) => db::bill::line(conn, line)?.and_then(|line| line.refund).and_then(of_refund),
                None => None,
            },
            EntryKind::Settlement => name.parse().ok().and_then(|id| statements.get(&id)).map(|(of, _)| *of),
            EntryKind::Opening => name.parse().ok(),
            _ => None,
        };
        moves.push(match step.kind {
            EntryKind::Charge | EntryKind::Opening | EntryKind::Correction | EntryKind::Recon if into => {
                Move::In(whose, amount)
            }
            EntryKind::RefundDue | EntryKind::Settlement | EntryKind::Recon if !into => Move::Back(whose, amount),
            _ if into => Move::Unspent(amount),
            _ => Move::Spent(amount),
        });
        if step.kind == EntryKind::Settlement {
            moves.push(Move::Settled(whose));
        }
    }
    let shares = statement::shares(&moves);
    let share = |whose| shares.get(&whose).copied().unwrap_or_default();
    let (own, nobodys) = (share(Some(agreement.id)), share(None));
    Ok(match nobodys.left.is_positive() && is_last(conn, agreement)? {
        true => Share { paid: own.paid + nobodys.paid, left: own.left + nobodys.left },
        false => own,
    })
}

/// Whether no other agreement of the customer can spend what belongs to none of them, or settle it later.
fn is_last(conn: &Conn, agreement: &Agreement) -> Result<bool> {
    let mut last = true;
    db::agreement::each(conn, Some(agreement.customer), None, |it| {
        let is_over = match it.state {
            // What has not begun has brought nothing, and may never begin.
            AgreementState::Waiting | AgreementState::Ended | AgreementState::Cancelled => true,
            AgreementState::Settling => {
                db::statement::of_agreement(conn, it.id)?.is_some_and(|statement| statement.state != "open")
            }
            AgreementState::Active | AgreementState::Paused | AgreementState::Completed => false,
        };
        last &= it.id == agreement.id || is_over;
        Ok(())
    })?;
    Ok(last)
}

/// The goods that this agreement's money paid for: with several agreements, its part of what was delivered.
fn delivered_line(conn: &Conn, customer: CustomerId, share: Share, all: &Delivered) -> Result<Line> {
    let spent = (share.paid - share.left).max(Money::ZERO);
    let (principal, _) = db::journal::wallet(conn, customer)?;
    // With no other money about, the lines on record are this agreement's.
    if all.charged == spent || !all.charged.is_positive() || principal < Money::ZERO {
        return Ok(Line { charged: spent, list: all.list.max(spent), from_principal: spent });
    }
    let list = all.list.share(spent.fen(), all.charged.fen()).max(spent);
    Ok(Line { charged: spent, list, from_principal: spent })
}

/// Books the end: what is left of the agreement's money leaves the wallet, as refund, compensation and interest say.
fn settle_books(
    ctx: &Ctx,
    tx: &Conn,
    agreement: &Agreement,
    id: StatementId,
    worked: &Worked,
    now: At,
) -> Result<Option<EntryId>> {
    let (it, left) = (&worked.statement, worked.share.left);
    let customer = agreement.customer;
    // What the customer does not get back is the shop's: compensation, or goods counted at list price. Where goods count for
    // less than the wallet paid, the shop gives the difference.
    let kept = left + it.claim - it.refund;
    let (compensation, given) = (kept.max(Money::ZERO), (-kept).max(Money::ZERO));
    let entry = Entry::new(EntryKind::Settlement, id)
        .of(customer)
        .noted(agreement.id.to_string())
        .debit(Account::WalletPrincipal(customer), left)
        .debit(Account::ClawbackDue(customer), it.claim)
        .debit(Account::Interest, it.interest)
        .debit(Account::Goodwill, given)
        .credit(Account::RefundsDue(customer), it.payable)
        .credit(Account::Compensation, compensation);
    if entry.postings.is_empty() {
        return Ok(None);
    }
    db::journal::book(tx, &entry, ctx.today(now), now).map(Some)
}

/// Newest paid charge first, each at most what is left of it; the rest, which no rail can pay, by hand.
fn note_refunds(tx: &Conn, agreement: &Agreement, statement: StatementId, payable: Money, now: At) -> Result<()> {
    const WHY: &str = "settlement";
    let customer = agreement.customer;
    let mut rest = payable;
    for charge in db::charge::refundable(tx, agreement.id)? {
        let amount = (charge.amount - charge.refunded).min(rest);
        if amount.is_positive() {
            refund::note(tx, &charge, customer, Some(statement), amount, WHY, now)?;
            rest -= amount;
        }
    }
    if rest.is_positive() {
        let identity = db::shop::identity(tx)?;
        // No order was paid, so the number is derived from the agreement: term and attempt zero exist in no charge.
        let term = InstallmentId { agreement: agreement.id, term: 0 };
        let number = refund_no(&order_no(&identity.code, identity.copy_no, term, 0), 1);
        let new = NewRefund {
            charge: None,
            customer,
            statement: Some(statement),
            rail: "cash",
            refund_no: &number,
            amount: rest,
            why: WHY,
            line: None,
        };
        db::refund::note(tx, &new, now)?;
    }
    Ok(())
}

/// Refunds of a statement that somebody must pay by hand.
fn by_hand(ctx: &Ctx, statement: StatementId) -> Result<Vec<Refund>> {
    let refunds = db::refund::of_statement(ctx.db.read(), statement)?;
    let replaced = |it: &Refund| refunds.iter().any(|other| other.refund_no == refund::by_hand_no(it));
    Ok(refunds
        .iter()
        .filter(|it| match it.state {
            RefundState::Paid => false,
            RefundState::Declined => !replaced(it),
            RefundState::Noted | RefundState::Pending | RefundState::Unknown => refund::waits_for_hand(ctx, it),
        })
        .cloned()
        .collect())
}

fn confirmed(ctx: &Ctx, id: AgreementId, statement: StatementId) -> Result<Confirmed> {
    let conn = ctx.db.read();
    let row = db::statement::get(conn, statement)?
        .ok_or_else(|| Fault::broken(t!("{statement} is not there", statement = statement)))?;
    Ok(Confirmed {
        agreement: id,
        statement,
        state: get(conn, id)?.state,
        figures: serde_json::from_str(&row.figures)?,
        refunds: db::refund::of_statement(conn, statement)?,
        by_hand: by_hand(ctx, statement)?.into_iter().map(|it| it.id).collect(),
    })
}
