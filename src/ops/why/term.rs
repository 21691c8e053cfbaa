//! Why a term was collected or was not, and why one attempt ended as it did.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::NaiveDate;
use serde_json::Value;

use crate::db;
use crate::db::audit::AuditRow;
use crate::db::installment::{DueRow, Notice};
use crate::db::message::Message;
use crate::domain::agreement::{Agreement, AgreementState, PauseEffect};
use crate::domain::charge::{Charge, ChargeKind, ChargeState, Course, InstallmentState, Stop};
use crate::domain::date::{At, Schedule, day_of};
use crate::domain::id::{ChargeId, InstallmentId, MessageId};
use crate::domain::journal::{EntryKind, WALLET_BONUS, WALLET_PRINCIPAL};
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::message::{MessageState, debit_notice};
use crate::domain::money::Money;
use crate::domain::pet::Status;
use crate::domain::refund::RefundState;
use crate::ops::debit::pay::{History, history, may_postpone};
use crate::ops::debit::plan::{Planned, planned, stop_text};
use crate::ops::debit::reason_text;
use crate::ops::mandate::status_text;
use crate::ops::refund::refund_text;
use crate::ops::report::export::word_text;
use crate::ops::why::moves::{Decided, Move, drops, moves};
use crate::ops::why::{About, Kind, Stopped, Story, Why, changes, clause, rows_about};
use crate::ops::{Ctx, agreement, remind};
use crate::t;
use crate::text;
use crate::text::letters;

/// Why a term is as it is.
pub fn of_term(ctx: &Ctx, id: InstallmentId, now: At) -> Result<Why> {
    let told = Told::gather(ctx, id, None, now)?;
    let it = &told.history.installment;
    let title = t!(
        "{id} · term {term} of {terms} · {amount} · due {due}",
        id = it.id,
        term = it.id.term,
        terms = told.history.terms,
        amount = it.amount.yuan(),
        due = it.due
    );
    let (answer, stopped) = told.term_answer();
    told.finish(id.to_string(), About::Installment, title, answer, stopped)
}

/// Why an attempt ended as it did.
pub fn of_charge(ctx: &Ctx, charge: &Charge, now: At) -> Result<Why> {
    let told = Told::gather(ctx, charge.installment, Some(charge.id), now)?;
    let title = t!(
        "{id} · for {term} · {amount} on {rail} · order {order_no}",
        id = charge.id,
        term = charge.installment,
        amount = charge.amount.yuan(),
        rail = rail_name(ctx, &charge.rail),
        order_no = charge.order_no
    );
    let (answer, stopped) = match charge.state {
        ChargeState::Paid | ChargeState::Void => (t!("{text}.", text = said(ctx, charge)), None),
        ChargeState::Declined => {
            let (after, stopped) = told.term_answer();
            (t!("{text}. {after}", text = said(ctx, charge), after = after), stopped)
        }
        ChargeState::Pending if charge.kind == ChargeKind::Link => {
            let stopped = link_stop(ctx, charge, now);
            (t!("{text}.", text = stopped.text), Some(stopped))
        }
        ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown => {
            let text = said(ctx, charge);
            let stopped = Stopped {
                rule: word_of(Stop::OpenCharge),
                text: text.clone(),
                earliest: charge.pending_until,
                next: vec!["kibble debit run".to_owned()],
            };
            (t!("{text}.", text = text), Some(stopped))
        }
    };
    told.finish(charge.id.to_string(), About::Charge, title, answer, stopped)
}

/// What an open pay link waits for. Its last moment is the customer's: it holds nothing back.
fn link_stop(ctx: &Ctx, charge: &Charge, now: At) -> Stopped {
    let text = match charge.pending_until {
        Some(until) if now < until => {
            t!("the pay link is open, and can be paid until {until}", until = ctx.wall(until))
        }
        Some(until) => {
            t!(
                "the pay link could be paid until {until}; the next debit run asks how it ended",
                until = ctx.wall(until)
            )
        }
        None => said(ctx, charge),
    };
    let next = vec!["kibble debit run".to_owned(), format!("kibble debit pay {} --cash", charge.installment)];
    Stopped { rule: word_of(Stop::OpenCharge), text, earliest: None, next }
}

/// Everything that is told of a term.
struct Told<'a> {
    ctx: &'a Ctx,
    history: History,
    row: DueRow,
    agreement: Agreement,
    mandates: Vec<Mandate>,
    planned: Planned,
    /// Which debit each is, counted without the pay links between them.
    debits: BTreeMap<ChargeId, usize>,
    /// The one attempt that it is about, if it is about one alone.
    only: Option<ChargeId>,
    /// What may have moved its day.
    moves: Vec<Move>,
    /// The charge that collected it, whatever attempt it is about.
    paid: Option<Charge>,
    /// Whether there is a day to which it can be moved.
    movable: bool,
    /// Of the pet that was signed for.
    pet: Option<Status>,
    /// What happened later is no part of the story: when the attempt was made, or else when the term was paid.
    until: Option<At>,
}

impl<'a> Told<'a> {
    fn gather(ctx: &'a Ctx, id: InstallmentId, only: Option<ChargeId>, now: At) -> Result<Told<'a>> {
        let conn = ctx.db.read();
        let agreement = agreement::get(conn, id.agreement)?;
        let mut history = history(ctx, id)?;
        let paid = history.charges.iter().find(|charge| charge.state == ChargeState::Paid).cloned();
        let row = db::installment::due_one(conn, None, id)?.expect("its history was read a moment ago");
        let debits = history.charges.iter().filter(|charge| charge.kind == ChargeKind::Debit);
        let debits = debits.enumerate().map(|(place, charge)| (charge.id, place + 1)).collect();
        if let Some(only) = only {
            history.charges.retain(|charge| charge.id == only);
            history.refunds.retain(|refund| refund.charge == Some(only));
        }
        let attempt = history.charges.first().filter(|_| only.is_some());
        Ok(Told {
            until: attempt.map(|charge| charge.noted_at).or(history.installment.paid_at),
            moves: moves(ctx, id.agreement, Some(id))?,
            movable: may_postpone(ctx, id, row.installment.due, now)?,
            pet: db::pet::get(conn, agreement.pet)?.map(|pet| pet.status),
            paid,
            agreement,
            mandates: db::mandate::of_agreement(conn, id.agreement)?,
            planned: planned(ctx, row.clone(), now),
            history,
            debits,
            row,
            ctx,
            only,
        })
    }

    fn term_answer(&self) -> (String, Option<Stopped>) {
        let it = &self.history.installment;
        match it.state {
            InstallmentState::Paid => {
                let at = it.paid_at.map_or(String::new(), |at| self.ctx.wall(at));
                (self.paid_answer(&it.amount.yuan(), &at), None)
            }
            InstallmentState::Before => (t!("Collected before kibble."), None),
            InstallmentState::Refunded => (t!("Collected, and given back."), None),
            InstallmentState::Cancelled => {
                let text = match self.agreement.state {
                    AgreementState::Active | AgreementState::Paused => t!("it was dropped by a pause"),
                    _ => t!("the agreement is not running"),
                };
                (t!("Not to be collected any more: {why}.", why = text), Some(stopped("cancelled", text)))
            }
            InstallmentState::Open => self.open_answer(),
        }
    }

    fn paid_answer(&self, amount: &str, at: &str) -> String {
        let Some(paid) = &self.paid else {
            return t!("Paid: {amount} came on {at}.", amount = amount, at = at);
        };
        let how = how(self.ctx, paid);
        match self.only.is_some_and(|only| only != paid.id) {
            true => {
                t!(
                    "Paid: {amount} came on {at}, {how} ({charge}).",
                    amount = amount,
                    at = at,
                    how = how,
                    charge = paid.id
                )
            }
            false => t!("Paid: {amount} came on {at}, {how}.", amount = amount, at = at, how = how),
        }
    }

    fn open_answer(&self) -> (String, Option<Stopped>) {
        let Some(stop) = self.planned.stop else {
            return (t!("Nothing stops it: the next debit run charges it."), None);
        };
        let text = match stop {
            Stop::TriesOver if self.row.installment.course == Course::Missed => {
                t!("the rail's window passed without a decided attempt; the customer pays by link or at the counter")
            }
            Stop::OpenCharge if self.row.is_disputed => {
                t!("a bill says that an attempt was paid that counted as not paid here; somebody must decide")
            }
            // A day that was moved is not the agreed one.
            Stop::NotDue if self.planned.due != self.signed_due() => {
                let until = self.planned.earliest.map_or(String::new(), |at| self.ctx.wall(at));
                t!("it falls due on {due}, from {until}", due = self.planned.due, until = until)
            }
            _ => stop_text(self.ctx, stop, self.planned.due, &self.planned.rail, self.planned.rule_until()),
        };
        let earliest = self.planned.earliest;
        let stopped = Stopped { rule: word_of(stop), text: text.clone(), earliest, next: self.next(stop) };
        (t!("Not charged: {why}.", why = text), Some(stopped))
    }

    /// What a person can type to change it.
    fn next(&self, stop: Stop) -> Vec<String> {
        let id = self.history.installment.id;
        let agreement = id.agreement;
        let by_hand = || {
            let mut typed = vec![format!("kibble debit pay {id} --cash")];
            typed.extend(self.movable.then(|| format!("kibble debit postpone {id} --to DATE")));
            typed
        };
        match stop {
            Stop::TriesOver | Stop::WindowPassed => by_hand(),
            Stop::NotAnnounced | Stop::NoticeTooYoung | Stop::RailNotice if self.planned.earliest.is_none() => {
                by_hand()
            }
            Stop::RetryLater => vec![format!("kibble debit pay {id} --cash")],
            Stop::Paused => vec![format!("kibble agreement resume {agreement}")],
            Stop::NoMandate => {
                vec![format!("kibble sign --again {agreement}"), format!("kibble debit pay {id} --cash")]
            }
            Stop::OpenCharge if self.row.is_disputed => vec!["kibble recon list".to_owned()],
            Stop::OpenCharge | Stop::NotAnnounced | Stop::RailNotice | Stop::OnePerRun => {
                vec!["kibble debit run".to_owned()]
            }
            Stop::AgreementNotLive if self.agreement.state == AgreementState::Waiting => {
                self.mandates.iter().rev().take(1).map(|it| format!("kibble mandate link {}", it.id)).collect()
            }
            Stop::AgreementNotLive => vec![format!("kibble agreement show {agreement}")],
            Stop::PetGone => vec![format!("kibble pet show {}", self.agreement.pet)],
            Stop::NotOpen | Stop::NotDue | Stop::NoticeTooYoung | Stop::OutsideHours => Vec::new(),
        }
    }

    fn finish(
        self,
        subject: String,
        about: About,
        title: String,
        answer: String,
        stopped: Option<Stopped>,
    ) -> Result<Why> {
        let mut story = Story::default();
        clause::put(&mut story, self.ctx, &self.agreement, &self.clauses())?;
        let rows = rows_about(self.ctx, self.records())?;
        self.tell_term(&mut story);
        self.tell_mandates(&mut story);
        self.tell_notices(&mut story);
        for charge in &self.history.charges {
            tell_charge(self.ctx, &mut story, charge, self.debits.get(&charge.id).copied(), &rows);
        }
        let references = self.history.charges.iter().map(|it| it.id.to_string());
        let references: Vec<String> =
            references.chain(self.history.refunds.iter().map(|it| it.id.to_string())).collect();
        tell_entries(self.ctx, &mut story, &references)?;
        for refund in &self.history.refunds {
            tell_refund(self.ctx, &mut story, refund);
        }
        for message in self.history.messages.iter().filter(|_| self.only.is_none()) {
            tell_message(self.ctx, &mut story, message);
        }
        Ok(Why {
            subject,
            about,
            title: format!(
                "{title} · {} {} · {}",
                self.history.customer, self.history.label, self.history.agreement_no
            ),
            customer: Some(self.history.customer),
            answer,
            stopped,
            steps: story.steps(),
            changes: changes(rows),
        })
    }

    fn records(&self) -> BTreeSet<String> {
        let id = self.history.installment.id;
        let charges = self.history.charges.iter().map(|it| it.id.to_string());
        let own = if self.only.is_some() { Vec::new() } else { vec![id.to_string(), id.agreement.to_string()] };
        charges.chain(self.history.refunds.iter().map(|it| it.id.to_string())).chain(own).collect()
    }

    /// Which sentences of the agreement this is about.
    fn clauses(&self) -> Vec<&'static str> {
        let has = |state: ChargeState| self.history.charges.iter().any(|charge| charge.state == state);
        let mut numbers = vec![clause::DEBIT_DAY, clause::MANDATE, clause::NOTICE];
        if has(ChargeState::Declined) || self.history.charges.iter().any(|it| it.kind == ChargeKind::Link) {
            numbers.push(clause::FAILED);
        }
        if self.only.is_none() && self.history.messages.iter().any(|it| it.template.starts_with("overdue")) {
            numbers.push(clause::REMINDERS);
        }
        if has(ChargeState::Paid) {
            numbers.push(clause::WALLET);
        }
        // A pet that came back lives, and the clause about its death says nothing.
        if matches!(self.pet, Some(Status::Died | Status::Lost)) {
            numbers.push(clause::PET_GONE);
        }
        match self.agreement.state {
            AgreementState::Settling | AgreementState::Ended if clause::is_cooling_off(&self.agreement) => {
                numbers.push(clause::COOLING_OFF);
            }
            AgreementState::Settling | AgreementState::Ended => {
                numbers.extend([clause::TERMINATION, clause::SETTLEMENT]);
            }
            _ => {}
        }
        numbers
    }

    fn tell_mandates(&self, story: &mut Story) {
        let used: BTreeSet<_> = self.history.charges.iter().filter_map(|charge| charge.mandate).collect();
        for mandate in self.mandates.iter().filter(|it| self.only.is_none() || used.contains(&it.id)) {
            tell_mandate(self.ctx, story, mandate);
        }
    }

    fn tell_term(&self, story: &mut Story) {
        let it = &self.history.installment;
        // Its day was fixed when the agreement was signed; what moved it comes after.
        let (amount, due) = (it.amount.yuan(), self.signed_due());
        let agreed = t!("agreed with the customer: {amount} is debited on {due}", amount = amount, due = due);
        story.first(Some(self.agreement.signed_at), it.id, Kind::Term, agreed);
        let is_told = |moved: &Move| self.until.is_none_or(|until| moved.at <= until);
        let last_shift = self.moves.iter().rposition(|moved| moved.shifts() && is_told(moved));
        for (place, moved) in self.moves.iter().enumerate() {
            if !is_told(moved) || !self.concerns(place) {
                continue;
            }
            moved.tell(story);
            if Some(place) == last_shift
                && let Some(due) = self.shifted_due(place)
            {
                story.event(moved.at, it.id, Kind::Term, t!("it is debited on {due} now", due = due));
            }
        }
    }

    /// The day that the agreement gave the term when it was signed.
    fn signed_due(&self) -> NaiveDate {
        let it = &self.agreement;
        Schedule::new(it.signed_on, it.anchor_day, it.first_debit).due(self.history.installment.id.term)
    }

    /// Whether a move has to do with this term: it moved it, dropped it, or holds it up now.
    fn concerns(&self, place: usize) -> bool {
        let it = &self.history.installment;
        let Some(pause) = self.moves[place].pause() else { return true };
        let begun = self.moves[..=place].iter().rfind(|it| matches!(it.what, Decided::Paused(_)));
        let from = begun.map_or(it.due, |it| day_of(it.at, self.ctx.zone()));
        let has_ended = self.moves[place..].iter().any(|it| matches!(it.what, Decided::Resumed { .. }));
        let is_held = it.state == InstallmentState::Open && self.agreement.state == AgreementState::Paused;
        (is_held && !has_ended)
            || drops(pause, from, it.due)
            || (pause.effect == PauseEffect::Extend && it.due != self.signed_due())
    }

    /// The day that a move of the whole schedule left the term with; `None` where that is the day it had, or no record tells it.
    fn shifted_due(&self, place: usize) -> Option<NaiveDate> {
        let it = &self.history.installment;
        let (before, after) = (&self.moves[..place], &self.moves[place + 1..]);
        let had = before.iter().rev().find_map(Move::postponed_to);
        // What was decided once the term was paid did not move it.
        let after = after.iter().filter(|moved| it.paid_at.is_none_or(|paid| moved.at <= paid));
        let (mut shifted, mut postponed) = (false, false);
        for moved in after {
            shifted |= moved.shifts();
            postponed |= moved.postponed_to().is_some();
        }
        let due = match (shifted, postponed) {
            (false, false) => it.due,
            (false, true) if had.is_none() => self.agreement.schedule().due(it.id.term),
            _ => return None,
        };
        (due != had.unwrap_or_else(|| self.signed_due())).then_some(due)
    }

    fn tell_notices(&self, story: &mut Story) {
        let is_before = |at: At| self.only.is_none() || self.until.is_none_or(|until| at <= until);
        let mut told: BTreeSet<MessageId> = BTreeSet::new();
        for notice in self.history.notices.iter().filter(|it| is_before(it.given_at)) {
            let by = self.history.messages.iter().find(|it| announces(it) && it.sent_at == Some(notice.given_at));
            let record = by.map_or_else(|| self.history.installment.id.to_string(), |message| message.id.to_string());
            told.extend(by.map(|message| message.id));
            story.event(notice.given_at, record, Kind::Notice, notice_text(notice));
        }
        // A notice of a day that was moved is no notice any more, but earlier attempts were made on it.
        let sent = self.history.messages.iter().filter(|it| it.state == MessageState::Sent && announces(it));
        for message in sent.filter(|it| !told.contains(&it.id)) {
            let Some(at) = message.sent_at.filter(|at| is_before(*at)) else { continue };
            let it = &self.history.installment;
            let day = debit_notice(&message.event).and_then(|(_, day)| day).unwrap_or(it.due);
            story.event(at, message.id, Kind::Notice, told_text(it.amount, day));
        }
    }
}

fn announces(message: &Message) -> bool {
    debit_notice(&message.event).is_some()
}

fn notice_text(notice: &Notice) -> String {
    let (amount, due) = (notice.amount.yuan(), notice.due);
    match notice.kind.as_str() {
        "signing" => t!("the agreement itself announced the debit of {amount} on {due}", amount = amount, due = due),
        "rail" => {
            t!("the payment rail told the customer of the debit of {amount} on {due}", amount = amount, due = due)
        }
        _ => told_text(notice.amount, due),
    }
}

fn told_text(amount: Money, due: NaiveDate) -> String {
    t!("the customer was told of the debit of {amount} on {due}", amount = amount.yuan(), due = due)
}

/// When a mandate was agreed to, and when and why it ended.
pub fn tell_mandate(ctx: &Ctx, story: &mut Story, it: &Mandate) {
    let rail = rail_name(ctx, &it.rail);
    if let Some(at) = it.signed_at {
        let agreed = t!("the customer agreed to debits on {rail}, until {until}", rail = rail, until = it.valid_until);
        story.event(at, it.id, Kind::Mandate, agreed);
    }
    let Some(at) = it.ended_at else { return };
    let over = match (it.state, it.end_cause.as_deref().unwrap_or_default()) {
        (MandateStatus::Revoked, "customer") => t!("the customer ended the mandate on {rail}", rail = rail),
        (MandateStatus::Expired, _) => t!("the mandate on {rail} ran out", rail = rail),
        (MandateStatus::Revoked, _) => t!("{rail} ended the mandate", rail = rail),
        (state, _) => t!("the mandate on {rail} was given up: {state}", rail = rail, state = status_text(state)),
    };
    story.event(at, it.id, Kind::Mandate, over);
}

/// An attempt: written down, asked, answered. Answers that decided nothing are no longer in its row; the audit trail has them.
fn tell_charge(ctx: &Ctx, story: &mut Story, it: &Charge, debit: Option<usize>, rows: &[AuditRow]) {
    let (amount, rail, order_no) = (it.amount.yuan(), rail_name(ctx, &it.rail), &it.order_no);
    let asked = match it.kind {
        ChargeKind::Debit => t!(
            "attempt {attempt}: {amount} was asked of {rail}, order {order_no}",
            attempt = debit.unwrap_or(1),
            amount = amount,
            rail = rail,
            order_no = order_no
        ),
        ChargeKind::Link => {
            t!(
                "the customer got a pay link for {amount} on {rail}, order {order_no}",
                amount = amount,
                rail = rail,
                order_no = order_no
            )
        }
        ChargeKind::Cash => t!("{amount} was paid at the counter", amount = amount),
    };
    story.event(it.noted_at, it.id, Kind::Charge, asked);
    if it.kind == ChargeKind::Cash {
        return;
    }
    let mut open_told = false;
    for (at, word) in answers(rows, it.id) {
        let text = match word.as_str() {
            "unknown" => unknown_text(&rail),
            "pending" if it.kind == ChargeKind::Debit => t!("{rail} accepted it; the outcome comes later", rail = rail),
            _ => continue,
        };
        open_told = true;
        story.event(at, it.id, Kind::Answer, text);
    }
    let decided = matches!(it.state, ChargeState::Paid | ChargeState::Declined | ChargeState::Void);
    let tells_open = !open_told && it.kind == ChargeKind::Debit;
    let Some(at) = it.answered_at.or(it.asked_at).filter(|_| decided || tells_open) else { return };
    // The rail's own moment of the payment may lie before ours of the note, by as much as the clocks differ.
    story.event(it.paid_at.unwrap_or(at).max(it.noted_at), it.id, Kind::Answer, said(ctx, it));
}

/// What the trail says was answered about a charge, in order.
fn answers(rows: &[AuditRow], id: ChargeId) -> Vec<(At, String)> {
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| row.op == "charges_written") {
        let detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
        for answer in detail["answers"].as_array().into_iter().flatten() {
            if answer[0].as_str() == Some(&id.to_string()) {
                found.push((row.at, answer[1].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

fn unknown_text(rail: &str) -> String {
    t!("no answer came from {rail}: nobody could say whether the money moved, so nothing else was tried", rail = rail)
}

/// What the rail said of a charge last, with its own code and words.
fn said(ctx: &Ctx, it: &Charge) -> String {
    let rail = rail_name(ctx, &it.rail);
    let text = match it.state {
        ChargeState::Paid => t!("{amount} was paid, {how}", amount = it.amount.yuan(), how = how(ctx, it)),
        ChargeState::Declined => {
            t!("{rail} declined it: {reason}", rail = rail, reason = reason_text(it.reason, text::lang()))
        }
        ChargeState::Void if it.kind == ChargeKind::Link => t!("the pay link was closed unpaid"),
        ChargeState::Void => t!("it was given up; no money moved"),
        ChargeState::Pending if it.kind == ChargeKind::Link => t!("the pay link is open"),
        ChargeState::Pending => t!("{rail} accepted it; the outcome comes later", rail = rail),
        ChargeState::Unknown => unknown_text(&rail),
        ChargeState::Noted => t!("{rail} has never heard of it; the next debit run sends it again", rail = rail),
    };
    let words = format!("{} {}", it.code, it.said);
    match words.trim() {
        "" => text,
        words => format!("{text} [{words}]"),
    }
}

fn how(ctx: &Ctx, it: &Charge) -> String {
    match it.kind {
        ChargeKind::Debit => t!("by debit on {rail}", rail = rail_name(ctx, &it.rail)),
        ChargeKind::Link => t!("through the pay link on {rail}", rail = rail_name(ctx, &it.rail)),
        ChargeKind::Cash => t!("at the counter"),
    }
}

/// The journal entries about some charges and refunds.
pub fn tell_entries(ctx: &Ctx, story: &mut Story, references: &[String]) -> Result<()> {
    for entry in db::journal::about(ctx.db.read(), references)? {
        let wallet = |(account, _): &&(String, Money)| account == WALLET_PRINCIPAL || account == WALLET_BONUS;
        let into: Money = -entry.postings.iter().filter(wallet).map(|it| it.1).sum::<Money>();
        let moved: Money = entry.postings.iter().filter(|it| it.1.is_positive()).map(|it| it.1).sum();
        let what = word_text(entry.kind.word());
        let text = match into {
            into if into.is_positive() => t!("booked: {amount} into the wallet", amount = into.yuan()),
            into if (-into).is_positive() => {
                t!("booked: {amount} out of the wallet ({what})", amount = (-into).yuan(), what = what)
            }
            _ => t!("booked: {amount} ({what})", amount = moved.yuan(), what = what),
        };
        let text = if entry.kind == EntryKind::Charge { text } else { format!("{text} · {}", entry.reference) };
        story.event(entry.at, entry.id, Kind::Entry, text);
    }
    Ok(())
}

/// A refund: written down, and what became of it.
pub fn tell_refund(ctx: &Ctx, story: &mut Story, it: &db::refund::Refund) {
    let (amount, rail) = (it.amount.yuan(), rail_name(ctx, &it.rail));
    let noted = t!(
        "{amount} is to go back on {rail}, number {number}: {why}",
        amount = amount,
        rail = rail,
        number = it.refund_no,
        why = word_text(&it.why)
    );
    story.event(it.noted_at, it.id, Kind::Refund, noted);
    let Some(at) = it.paid_at.or(it.asked_at).filter(|_| it.state != RefundState::Noted) else { return };
    let words = format!("{} {}", it.code, it.said);
    let text = match words.trim() {
        "" => refund_text(it.state),
        words => format!("{} [{words}]", refund_text(it.state)),
    };
    story.event(at.max(it.noted_at), it.id, Kind::Answer, text);
}

/// A message that was told, or waits. Announcements that were sent stand in the chain as notices.
fn tell_message(ctx: &Ctx, story: &mut Story, it: &Message) {
    let title = letters::title(&it.template);
    match (it.state, it.sent_at) {
        (MessageState::Sent, Some(_)) if announces(it) => {}
        (MessageState::Sent, Some(at)) => {
            story.event(at, it.id, Kind::Message, t!("message sent: {title}", title = title));
        }
        (MessageState::Queued, _) => {
            let from = ctx.wall(it.not_before);
            story.event(
                it.created_at,
                it.id,
                Kind::Message,
                t!("message waits: {title}, from {from}", title = title, from = from),
            );
        }
        (state, _) => {
            let state = remind::state_text(state);
            story.event(
                it.created_at,
                it.id,
                Kind::Message,
                t!("message {state}: {title}", state = state, title = title),
            );
        }
    }
}

/// What people call a rail.
pub fn rail_name(ctx: &Ctx, rail: &str) -> String {
    ctx.config.rails.get(rail).map_or_else(|| rail.to_owned(), |it| it.label(text::lang()).to_owned())
}

fn stopped(rule: &str, text: String) -> Stopped {
    Stopped { rule: rule.to_owned(), text, earliest: None, next: Vec::new() }
}

/// The word of a rule in JSON.
fn word_of(stop: Stop) -> String {
    serde_json::to_value(stop).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
