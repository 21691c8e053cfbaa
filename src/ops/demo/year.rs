//! The demo's year: debit runs at the hours that matter, signings, visits to the shop, and a calendar of what goes wrong and what
//! is put right. Every step is a use case of kibble's or something a customer or provider does in the sandbox; nothing is written
//! past them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use chrono::{Datelike, NaiveDate};

use super::people::{Person, earlier_book, people};
use super::shelf::{self, Shelf};
use super::{Counts, Highlight, Tale, at, choice};
use crate::adapters::rail::sandbox::rows::CardKind;
use crate::adapters::rail::sandbox::{FaultKind, FaultSpan};
use crate::db;
use crate::domain::agreement::{AgreementState, PauseEffect};
use crate::domain::charge::{ChargeKind, ChargeState, InstallmentState};
use crate::domain::date::{At, FirstDebit, plus_days};
use crate::domain::id::{AgreementId, ChargeId, CustomerId, InstallmentId, MandateId, PetId};
use crate::domain::money::Money;
use crate::domain::pet::{Species, Status};
use crate::domain::rail::Reason;
use crate::domain::statement::Cause;
use crate::ops::agreement::Pause;
use crate::ops::agreement_import::ImportOptions;
use crate::ops::debit::report::Concern;
use crate::ops::debit::{Options, Outcome};
use crate::ops::recon::{self, FetchOutcome, FetchWanted};
use crate::ops::sign::{Acknowledged, Form};
use crate::ops::statement::Termination;
use crate::ops::{Ctx, Event, agreement, agreement_import, backup, debit, pet, risk, sandbox, sign, statement};
use crate::t;

/// People who leave in the first months: their first debit comes a month after signing.
pub const LEAVES_EARLY: [usize; 3] = [25, 27, 28];

/// People who never buy: what they paid goes back, all of it.
const NEVER_BUYS: [usize; 3] = [20, 25, 27];

/// People whose agreement ends in the story: nothing of theirs may be under way.
const COUNTER_ONLY: [usize; 3] = [16, 28, 40];

/// Days of the month on which people come by.
const SHOP_DAYS: [u32; 4] = [7, 16, 23, 28];

/// More than anybody is charged in the demo.
const PLENTY: Money = Money::from_fen(2_000_000);

/// Something that happens on a day. People are named by their place.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Somebody has so much in the wallet app.
    Fund(usize, Money),
    /// Somebody binds a card and empties the balance.
    Card(usize),
    /// A rail goes wrong for so many charges.
    Fault(&'static str, FaultKind, u32),
    /// A rail cannot be reached until an hour of the day.
    Down(&'static str, u32),
    /// A mandate is ended in the wallet app.
    Revoke(usize),
    /// A new mandate is agreed to, on a rail.
    Again(usize, &'static str),
    /// The pay link of the oldest open term is paid.
    PayLink(usize),
    /// Every term that is due is paid at the counter.
    Counter(usize),
    /// A pause.
    Pause(usize, (i32, u32, u32), PauseEffect),
    /// The pet dies.
    Died(usize),
    /// A notice of termination, confirmed by the shop a day later.
    Leave(usize, Cause, bool),
    /// A part of the newest collected term goes back.
    Refund(usize, Money),
}

/// Before the run at nine, or at noon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hour {
    Morning,
    Noon,
}

use Hour::{Morning, Noon};

/// Month, day, hour, deed. December is the first month.
const CALENDAR: &[(u32, u32, Hour, Deed)] = &[
    (12, 12, Morning, Deed::Fault("wechat", FaultKind::Drop, 1)),
    (1, 2, Noon, Deed::Card(6)),
    (1, 5, Morning, Deed::Fault("alipay", FaultKind::LoseAnswer, 1)),
    (1, 10, Noon, Deed::Fund(4, Money::ZERO)),
    (1, 19, Noon, Deed::Fund(7, Money::ZERO)),
    (1, 20, Noon, Deed::Fund(7, PLENTY)),
    (1, 23, Noon, Deed::Leave(27, Cause::CoolingOff, false)),
    (1, 26, Noon, Deed::Revoke(9)),
    (2, 5, Noon, Deed::Fund(2, Money::ZERO)),
    (2, 10, Morning, Deed::Down("wechat", 15)),
    (2, 11, Noon, Deed::PayLink(2)),
    (2, 12, Noon, Deed::Fund(2, PLENTY)),
    (3, 1, Noon, Deed::Pause(12, (2026, 4, 20), PauseEffect::Extend)),
    (3, 2, Noon, Deed::Again(9, "alipay")),
    (3, 2, Noon, Deed::Counter(9)),
    (3, 5, Noon, Deed::Counter(4)),
    (3, 5, Noon, Deed::Fund(4, PLENTY)),
    (3, 12, Noon, Deed::Died(28)),
    (3, 12, Noon, Deed::Leave(28, Cause::NoFault, true)),
    (3, 20, Noon, Deed::Leave(25, Cause::Consumer, true)),
    (3, 25, Noon, Deed::Refund(20, Money::from_fen(5_000))),
    (4, 4, Noon, Deed::Fund(11, Money::ZERO)),
    (4, 11, Noon, Deed::Counter(11)),
    (4, 11, Noon, Deed::Fund(11, PLENTY)),
    (6, 8, Morning, Deed::Fault("alipay", FaultKind::Garbage, 1)),
    (7, 3, Noon, Deed::Revoke(16)),
    (7, 5, Noon, Deed::Pause(18, (2026, 8, 31), PauseEffect::Skip)),
    (7, 15, Morning, Deed::Fault("alipay", FaultKind::Decline, 3)),
    (7, 28, Noon, Deed::Leave(16, Cause::Consumer, true)),
    (8, 12, Noon, Deed::Leave(40, Cause::Merchant, false)),
    (8, 25, Morning, Deed::Fault("wechat", FaultKind::Drop, 1)),
    (9, 1, Noon, Deed::Fund(36, Money::ZERO)),
];

/// Somebody who has signed.
#[derive(Clone, Copy, Debug)]
struct Member {
    customer: CustomerId,
    agreement: AgreementId,
    pet: PetId,
}

struct Year<'a> {
    ctx: &'a Ctx,
    people: Vec<Person>,
    members: BTreeMap<usize, Member>,
    shelf: Shelf,
    counts: Counts,
    /// Terms whose answer did not come, and whether the connection was lost before the work.
    unknown: BTreeMap<InstallmentId, bool>,
    /// The day on which a rail was told to lose connections.
    dropped_on: Option<NaiveDate>,
    highlights: BTreeSet<Highlight>,
    /// Mandates whose link could not be made at signing.
    waiting: Vec<MandateId>,
    /// Statements to confirm, and the day for it.
    to_confirm: Vec<(NaiveDate, AgreementId)>,
}

/// Plays the days from `from` to `to`. The last one ends at ten.
///
/// # Errors
/// Those of the use cases.
pub fn play(ctx: &Ctx, from: NaiveDate, to: NaiveDate, say: &mut dyn FnMut(Event)) -> Result<(Counts, Vec<Highlight>)> {
    let days = u64::try_from((to - from).num_days() + 1)?;
    say(Event::Begin { label: t!("a year of the shop"), total: days });
    let mut year = Year {
        ctx,
        people: people(from)?,
        members: BTreeMap::new(),
        shelf: shelf::stock(ctx)?,
        counts: Counts::default(),
        unknown: BTreeMap::new(),
        dropped_on: None,
        highlights: BTreeSet::new(),
        waiting: Vec::new(),
        to_confirm: Vec::new(),
    };
    year.take_over(from)?;
    // Whoever loses power now builds the demo again; waiting for the disk after each of its commits would take most of the time.
    ctx.db.wait_for_disk(false)?;
    let mut day = from;
    while day <= to {
        year.day(day, to)?;
        say(Event::Step(1));
        day = plus_days(day, 1);
    }
    say(Event::End);
    ctx.db.wait_for_disk(true)?;
    year.finish()
}

impl Year<'_> {
    /// The book from before kibble: every customer agrees to a new mandate on the first morning.
    fn take_over(&mut self, from: NaiveDate) -> Result<()> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let file = folder.path().join("book.csv");
        fs::write(&file, earlier_book(&self.people)?).with_context(|| file.display().to_string())?;
        let imported = agreement_import::import(
            self.ctx,
            &ImportOptions {
                rejects: Some(folder.path().join("rejects.csv")),
                links: Some(folder.path().join("links.csv")),
                file,
                paid_until: Some(plus_days(from, -1)),
                first_debit: FirstDebit::NextMonth,
                dry_run: false,
            },
        )?;
        self.counts.imported = imported.accepted;
        sandbox::sign(self.ctx, None, self.ctx.now())?;
        for it in self.people.iter().filter(|it| it.is_earlier()) {
            let found = db::agreement::by_no(self.ctx.db.read(), &it.earlier_no())?;
            let found = found.with_context(|| it.earlier_no())?;
            let member = Member { customer: found.customer, agreement: found.id, pet: found.pet };
            self.members.insert(it.place, member);
        }
        Ok(())
    }

    fn day(&mut self, day: NaiveDate, to: NaiveDate) -> Result<()> {
        let is_last = day == to;
        self.run(at(day, 8, 0))?;
        self.deeds(day, Morning)?;
        let open = self.run(at(day, 9, 0))?;
        if open || is_last {
            self.run(at(day, 10, 0))?;
        }
        if (day.year(), day.month()) == (to.year(), to.month()) {
            self.ctx.clock.set(at(day, 10, 0));
            self.bills()?;
        }
        if is_last {
            backup::backup(self.ctx, None, self.ctx.now())?;
            return Ok(());
        }
        self.ctx.clock.set(at(day, 11, 0));
        self.signings(day)?;
        self.ctx.clock.set(at(day, 12, 0));
        self.deeds(day, Noon)?;
        self.confirmations(day)?;
        self.ctx.clock.set(at(day, 14, 0));
        self.shop(day)?;
        self.run(at(day, 17, 0))?;
        for mandate in std::mem::take(&mut self.waiting) {
            sandbox::sign(self.ctx, Some(mandate), self.ctx.now())?;
        }
        Ok(())
    }

    /// One debit run. True when something is left that an hour later may be settled.
    fn run(&mut self, now: At) -> Result<bool> {
        self.ctx.clock.set(now);
        let dropped = self.dropped_on == Some(self.ctx.today(now));
        let Outcome::Ran(report) = debit::run(self.ctx, &Options::default())? else {
            anyhow::bail!(t!("another debit run is at work"));
        };
        let counts = &mut self.counts;
        counts.runs += 1;
        counts.runs_needing_a_person += u64::from(report.needs_person());
        counts.unknown += report.unknown;
        counts.retries += report.retries;
        counts.messages += report.messages_sent;
        counts.completed += report.completed;
        for need in &report.needs {
            if let (Concern::Unknown { .. }, Ok(term)) = (&need.what, need.record.parse()) {
                self.unknown.insert(term, dropped);
            }
        }
        Ok(report.unknown > 0)
    }

    /// The bills of yesterday, as the owner fetches them every morning. Only in the last month: a year of them takes long and shows no
    /// more.
    fn bills(&mut self) -> Result<()> {
        for fetched in recon::fetch(self.ctx, &FetchWanted::default(), self.ctx.now())? {
            if let FetchOutcome::Taken(taken) = fetched.outcome {
                self.counts.bills += u64::from(taken.is_new);
                self.counts.bill_lines += taken.new_lines;
            }
        }
        Ok(())
    }

    fn signings(&mut self, day: NaiveDate) -> Result<()> {
        let now = self.ctx.now();
        let today: Vec<usize> =
            self.people.iter().filter(|it| !it.is_earlier() && it.signed_on == day).map(|it| it.place).collect();
        for place in today {
            let it = &self.people[place];
            let prepared = sign::prepare(self.ctx, &form(it), now)?;
            let shown = Acknowledged { shown_at: now, acknowledged_at: now, explained: true };
            let signed = sign::sign(self.ctx, &prepared, &vec![shown; prepared.points.len()], now)?;
            for link in &signed.links {
                match link.trouble {
                    None => drop(sandbox::sign(self.ctx, Some(link.mandate), now)?),
                    // The rail is down today: the customer gets the link and agrees in the evening.
                    Some(_) => self.waiting.push(link.mandate),
                }
            }
            let member = Member { customer: signed.customer, agreement: signed.agreement, pet: signed.pet };
            self.members.insert(place, member);
            self.counts.signed += 1;
        }
        Ok(())
    }

    fn shop(&mut self, day: NaiveDate) -> Result<()> {
        let (returned, cancelled) = self.shelf.day(self.ctx, day)?;
        self.show(Tale::OrderReturned, returned, "orders show");
        self.show(Tale::OrderCancelled, cancelled, "orders show");
        if !SHOP_DAYS.contains(&day.day()) {
            return Ok(());
        }
        for (place, member) in &self.members {
            if NEVER_BUYS.contains(place) || !self.runs(member)? {
                continue;
            }
            let counter_only = COUNTER_ONLY.contains(place);
            self.shelf.visit(self.ctx, member.customer, &self.people[*place], day, counter_only)?;
        }
        Ok(())
    }

    fn runs(&self, member: &Member) -> Result<bool> {
        let state = agreement::get(self.ctx.db.read(), member.agreement)?.state;
        Ok(matches!(state, AgreementState::Active | AgreementState::Paused))
    }

    fn deeds(&mut self, day: NaiveDate, hour: Hour) -> Result<()> {
        for (month, of_month, when, deed) in CALENDAR {
            if (*month, *of_month, *when) == (day.month(), day.day(), hour) {
                self.happens(*deed, day)?;
            }
        }
        Ok(())
    }

    fn happens(&mut self, deed: Deed, day: NaiveDate) -> Result<()> {
        let (ctx, now) = (self.ctx, self.ctx.now());
        match deed {
            Deed::Fund(who, amount) => sandbox::fund(ctx, self.member(who)?.customer, amount),
            Deed::Card(who) => {
                let customer = self.member(who)?.customer;
                sandbox::set_card(ctx, customer, "示例银行 0001", CardKind::Debit, PLENTY)?;
                sandbox::fund(ctx, customer, Money::ZERO)
            }
            Deed::Fault(rail, kind, times) => {
                if kind == FaultKind::Drop {
                    self.dropped_on = Some(day);
                }
                let reason = (kind == FaultKind::Decline).then_some(Reason::Limit);
                sandbox::set_fault(ctx, rail, kind, FaultSpan::Times(times), reason)
            }
            Deed::Down(rail, until) => {
                sandbox::set_fault(ctx, rail, FaultKind::Down, FaultSpan::Until(at(day, until, 0)), None)
            }
            Deed::Revoke(who) => self.revoke(who),
            Deed::Again(who, rail) => {
                let again = sign::again(ctx, self.member(who)?.agreement, Some(rail), now)?;
                for link in &again.links {
                    sandbox::sign(ctx, Some(link.mandate), now)?;
                }
                Ok(())
            }
            Deed::PayLink(who) => {
                if let Some(term) = self.due_terms(who, day)?.first() {
                    sandbox::pay(ctx, &term.to_string(), now)?;
                    self.show(Tale::LinkPaid, Some(*term), "debit show");
                }
                Ok(())
            }
            Deed::Counter(who) => {
                for term in self.due_terms(who, day)? {
                    debit::pay::pay_at_counter(ctx, term, now)?;
                    self.show(Tale::PaidAtCounter, Some(term), "debit show");
                }
                Ok(())
            }
            Deed::Pause(who, (year, month, of_month), effect) => {
                let until = NaiveDate::from_ymd_opt(year, month, of_month).context("a day of the calendar")?;
                let id = self.member(who)?.agreement;
                agreement::pause(ctx, id, &Pause { until, effect, reason: "away from home".to_owned() }, now)?;
                self.show(Tale::Paused, Some(id), "agreement show");
                Ok(())
            }
            Deed::Died(who) => {
                let member = self.member(who)?;
                pet::set_status(ctx, member.pet, Status::Died, "illness")?;
                self.show(Tale::PetDied, Some(member.agreement), "agreement show");
                Ok(())
            }
            Deed::Leave(who, cause, keep_pet) => self.leave(who, cause, keep_pet, day),
            Deed::Refund(who, amount) => {
                let terms = db::installment::of_agreement(ctx.db.read(), self.member(who)?.agreement)?;
                if let Some(term) = terms.iter().rfind(|it| it.state == InstallmentState::Paid) {
                    debit::pay::refund(ctx, term.id, Some(amount), "late delivery", now)?;
                    self.show(Tale::Refunded, Some(term.id), "debit show");
                }
                Ok(())
            }
        }
    }

    fn revoke(&mut self, who: usize) -> Result<()> {
        use crate::domain::mandate::MandateStatus;
        let member = self.member(who)?;
        let mandates = db::mandate::of_agreement(self.ctx.db.read(), member.agreement)?;
        if let Some(live) = mandates.iter().rfind(|it| it.state == MandateStatus::Live) {
            sandbox::revoke(self.ctx, live.id, self.ctx.now())?;
            self.show(Tale::Revoked, Some(member.agreement), "agreement show");
        }
        Ok(())
    }

    fn leave(&mut self, who: usize, cause: Cause, keep_pet: bool, day: NaiveDate) -> Result<()> {
        let id = self.member(who)?.agreement;
        let reason = cause.word().to_owned();
        statement::terminate(self.ctx, id, &Termination { cause, keep_pet, reason }, self.ctx.now())?;
        self.counts.terminated += 1;
        self.to_confirm.push((plus_days(day, 1), id));
        match cause {
            Cause::CoolingOff => self.show(Tale::CoolingOff, Some(id), "agreement show"),
            Cause::Consumer => self.show(Tale::Terminated, Some(id), "agreement show"),
            Cause::Merchant | Cause::NoFault => {}
        }
        Ok(())
    }

    fn confirmations(&mut self, day: NaiveDate) -> Result<()> {
        for (on, id) in self.to_confirm.clone() {
            if on == day {
                let done = statement::confirm(self.ctx, id, "demo", self.ctx.now())?;
                // What no rail can pay back is handed over at the counter.
                if !done.by_hand.is_empty() {
                    statement::pay_by_hand(self.ctx, id, self.ctx.now())?;
                }
            }
        }
        Ok(())
    }

    fn member(&self, who: usize) -> Result<Member> {
        self.members.get(&who).copied().with_context(|| format!("the demo's person {who} has not signed yet"))
    }

    /// Open terms of somebody that are due.
    fn due_terms(&self, who: usize, day: NaiveDate) -> Result<Vec<InstallmentId>> {
        let terms = db::installment::of_agreement(self.ctx.db.read(), self.member(who)?.agreement)?;
        let due = terms.into_iter().filter(|it| it.state == InstallmentState::Open && it.due <= day);
        Ok(due.map(|it| it.id).collect())
    }

    /// Keeps a record worth a look: the first of its kind.
    fn show<T: ToString>(&mut self, tale: Tale, record: Option<T>, command: &str) {
        let Some(record) = record.map(|it| it.to_string()) else { return };
        if self.highlights.iter().all(|it| it.tale != tale) {
            let command = format!("{command} {record}");
            self.highlights.insert(Highlight { tale, record, command });
        }
    }

    fn finish(mut self) -> Result<(Counts, Vec<Highlight>)> {
        self.counts.customers = u64::try_from(self.members.len())?;
        self.counts.orders = self.shelf.orders;
        // From the book: a debit that was sent again is one, and one that was declined a day later is declined.
        let debits = db::charge::made_after(self.ctx.db.read(), ChargeId::new(0))?;
        let in_state = |state| debits.get(&state).map_or(0, |(count, _)| *count);
        self.counts.charges = debits.values().map(|(count, _)| count).sum();
        self.counts.paid = in_state(ChargeState::Paid);
        self.counts.declined = in_state(ChargeState::Declined);
        let (split, shipped) = (self.shelf.split, self.shelf.shipped);
        self.show(Tale::OrderSplit, split, "orders show");
        self.show(Tale::OrderShipped, shipped, "orders show");
        let standing = risk::standing(self.ctx)?;
        let flagged = standing.first().map(|it| it.flag.agreement);
        self.show(Tale::HighRisk, flagged, "agreement show");
        let late = self.member(4)?.agreement;
        let flags = db::risk::list(self.ctx.db.read(), Some(late))?;
        let cleared = flags.iter().any(|it| it.cleared_at.is_some()).then_some(late);
        self.show(Tale::HighRiskCleared, cleared, "agreement show");
        self.charges()?;
        let members: Vec<Member> = self.members.values().copied().collect();
        for member in members {
            let it = agreement::get(self.ctx.db.read(), member.agreement)?;
            if it.state == AgreementState::Completed {
                self.show(Tale::Completed, Some(it.id), "agreement show");
            }
        }
        Ok((self.counts, self.highlights.into_iter().collect()))
    }

    /// What is worth a look among charges: a lost answer that turned out paid, and a retry that worked.
    fn charges(&mut self) -> Result<()> {
        for (term, dropped) in std::mem::take(&mut self.unknown) {
            let charges = db::charge::of_installment(self.ctx.db.read(), term)?;
            if charges.iter().any(|it| it.state == ChargeState::Paid && it.kind == ChargeKind::Debit) {
                let tale = if dropped { Tale::DroppedSettled } else { Tale::UnknownSettled };
                self.show(tale, Some(term), "debit show");
            }
        }
        let retried = self.member(7)?.agreement;
        for term in db::installment::of_agreement(self.ctx.db.read(), retried)? {
            if term.failures > 0 && term.state == InstallmentState::Paid {
                self.show(Tale::RetryPaid, Some(term.id), "debit show");
            }
        }
        Ok(())
    }
}

fn form(it: &Person) -> Form {
    let cat = it.species == Species::Cat;
    let sex = if choice(&[&it.phone, "sex"], 2) == 0 { "male" } else { "female" };
    Form {
        name: Some(it.name.clone()),
        phone: Some(it.phone.clone()),
        id_number: Some(it.id_number.clone()),
        address: Some(format!("示例市青禾路{}号", it.place + 1)),
        pet_name: Some(it.pet_name.clone()),
        species: Some(if cat { "cat" } else { "dog" }.to_owned()),
        breed: Some(it.breed.clone()),
        sex: Some(sex.to_owned()),
        reference_cost: Some(if cat { "680.00" } else { "820.00" }.to_owned()),
        plan: Some(it.plan.code.clone()),
        rail: Some(it.rail.to_owned()),
        second_rail: (it.place == 35).then(|| "wechat".to_owned()),
        debit_day: (it.plan.first_debit == FirstDebit::NextMonth).then(|| it.debit_day.to_string()),
        acknowledged: true,
        explained: true,
        ..Form::default()
    }
}
