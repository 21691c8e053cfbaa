//! Step 5: everything due whose window is open. Look at the mandate, note, ask, note: no rail hears of a charge that is not on disk, and no
//! answer is waited for with a transaction open. One window's answers are committed together with the next window's notes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Result;

use crate::adapters::rail::{
    ChargeRequest, Closed, Health, MOST_SKEW_SECONDS, MandateRef, MandateState, Rail, Trouble,
};
use crate::db;
use crate::db::charge::NewCharge;
use crate::db::installment::{DueRow, Place};
use crate::domain::charge::{ChargeHour, ChargeKind, Decision, decide, order_no};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, ChargeId, InstallmentId, RunId};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::rail::{Answer, Profile, Reason, Reply};
use crate::ops::debit::book::{Asked, Effect, apply, lane_ended};
use crate::ops::debit::flight::{Pool, with_pool};
use crate::ops::debit::report::{Concern, Need, RunReport};
use crate::ops::{Ctx, Event, mandate};
use crate::planted::{self, Mistake};
use crate::t;

/// Rows read at once while looking for charges to make.
const READ_AHEAD: u32 = 256;
/// So many lost answers in a row and a rail is left alone for the rest of the run; one alone says nothing about the rail.
const MOST_LOST: u32 = 3;

/// A question to a rail.
enum Question {
    /// Before a charge is noted: does the mandate still live, and is the pay link closed?
    Look(Box<Look>),
    /// The charge itself.
    Charge(ChargeRequest),
    /// The charge again, of which the rail had never heard: asked about once more before it is sent.
    Again(ChargeRequest),
}

struct Look {
    mandate: MandateRef,
    registered: chrono::NaiveDate,
    link: Option<(String, Money)>,
}

/// A rail's answer.
enum Said {
    Look(Looked),
    Reply(Reply),
}

/// What a look at mandate and link found.
enum Looked {
    /// Both allow the charge.
    Ready,
    /// The customer paid the link in the meantime.
    LinkPaid(Reply),
    /// The mandate ended outside.
    Ended { at: Option<At>, by: String },
    /// The rail cannot say, or refuses.
    Trouble(Trouble),
}

/// Makes the charges of this run.
pub fn charge(ctx: &Ctx, run: RunId, report: &mut RunReport, now: At) -> Result<()> {
    let today = ctx.today(now);
    let (due, _) = db::installment::backlog(ctx.db.read(), today)?;
    ctx.say(Event::Begin { label: t!("charging"), total: due });
    let done = with_pool(&ctx.rails, !ctx.clock.is_rehearsal(), &ask, |pool| {
        let mut desk = Desk::new(ctx, run, now)?;
        // A decline that has another mandate to try leaves the installment due again: the next pass takes it.
        loop {
            let declined_to_next_lane = desk.pass(pool, report)?;
            let looks_again = std::mem::take(&mut desk.looks_again);
            if !declined_to_next_lane && !looks_again {
                return Ok(());
            }
        }
    });
    ctx.say(Event::End);
    done
}

fn ask(rail: &dyn Rail, question: Question) -> Said {
    match question {
        Question::Look(look) => Said::Look(look_at(rail, &look)),
        Question::Charge(request) => Said::Reply(rail.charge(&request)),
        Question::Again(request) => {
            let heard = rail.query_charge(&request.order_no, request.amount);
            Said::Reply(if heard.answer == Answer::NotFound { rail.charge(&request) } else { heard })
        }
    }
}

fn look_at(rail: &dyn Rail, look: &Look) -> Looked {
    match rail.mandate_state(&look.mandate) {
        Ok(MandateState::Live { next_date: Some(next), .. }) if next < look.registered => {
            // An unpaid month left the rail's date behind: without moving it the rail refuses every later month.
            match rail.postpone(&look.mandate, look.registered) {
                Ok(()) | Err(Trouble::Unsupported) => {}
                Err(trouble) => return Looked::Trouble(trouble),
            }
        }
        Ok(MandateState::Live { .. }) | Err(Trouble::Unsupported) => {}
        Ok(MandateState::Ended { at, by }) => return Looked::Ended { at, by },
        Ok(MandateState::NotFound | MandateState::Waiting) => {
            return Looked::Ended { at: None, by: "provider".into() };
        }
        Err(trouble) => return Looked::Trouble(trouble),
    }
    let Some((order_no, amount)) = &look.link else { return Looked::Ready };
    match rail.close_order(order_no) {
        Ok(Closed::Closed) => Looked::Ready,
        // Whoever closes an order names no sum; only the question that names it may say "paid".
        Ok(Closed::AlreadyPaid(_)) => Looked::LinkPaid(rail.query_charge(order_no, *amount)),
        Err(trouble) => Looked::Trouble(trouble),
    }
}

/// An answer that is not yet on disk.
struct Unwritten {
    asked: Asked,
    reply: Reply,
}

/// A charge about to be noted.
struct Ready {
    row: DueRow,
    /// The order that was sent before and that the rail has never heard of.
    again: Option<(ChargeId, String)>,
    /// The link that was closed for it.
    closed_link: Option<ChargeId>,
}

struct Desk<'a> {
    ctx: &'a Ctx,
    run: RunId,
    now: At,
    hour: ChargeHour,
    code: String,
    copy_no: i64,
    /// Rails that answered this run's first question.
    met: BTreeSet<String>,
    /// Rails that are left alone for the rest of the run.
    stopped: BTreeSet<String>,
    /// Looks in a row whose answer was lost, by rail.
    lost: BTreeMap<String, u32>,
    /// The same by installment, in a row or not.
    unseen: BTreeMap<InstallmentId, u32>,
    /// True when a lost look is made again by another pass.
    looks_again: bool,
    subject: String,
    ahead: Ahead,
}

/// The due list, read a page ahead of the windows.
#[derive(Default)]
struct Ahead {
    /// Read and not yet looked at.
    rows: VecDeque<DueRow>,
    /// Agreements of which something was taken since those were read: their rows here are out of date.
    taken: BTreeSet<AgreementId>,
    /// No page follows.
    at_end: bool,
    /// The count of other programs' commits before the oldest row that is still in use was read.
    others: i64,
}

impl<'a> Desk<'a> {
    fn new(ctx: &'a Ctx, run: RunId, now: At) -> Result<Desk<'a>> {
        let shop = db::shop::identity(ctx.db.read())?;
        let settings = &ctx.config.settings;
        Ok(Desk {
            ctx,
            run,
            now,
            hour: ChargeHour { time: settings.debit.hour, zone: settings.timezone },
            code: shop.code,
            copy_no: shop.copy_no,
            met: BTreeSet::new(),
            stopped: BTreeSet::new(),
            lost: BTreeMap::new(),
            unseen: BTreeMap::new(),
            looks_again: false,
            subject: settings.name.clone(),
            ahead: Ahead::default(),
        })
    }

    /// One walk over everything due. Returns true when a decline left an installment to another mandate.
    fn pass(&mut self, pool: &Pool<'_, Question, Said>, report: &mut RunReport) -> Result<bool> {
        let mut place = Place::start();
        self.ahead = Ahead::default();
        let mut unwritten: Vec<Unwritten> = Vec::new();
        let mut another_lane = false;
        loop {
            // A run over many charges takes its time: the hours of a window and the moment of a note are those of the wall.
            self.now = self.now.max(self.ctx.now());
            let rows = self.next_window(&mut place, report)?;
            let at_end = rows.is_empty();
            let ready = if at_end { Vec::new() } else { self.look(pool, rows, &mut unwritten, report)? };
            if at_end && unwritten.is_empty() {
                return Ok(another_lane);
            }
            let asked = self.commit(&mut unwritten, ready, &mut another_lane, report)?;
            self.ctx.say(Event::Step(u64::try_from(asked.len())?));
            unwritten = self.ask_charges(pool, asked);
        }
    }

    /// The next charges to make, at most one window of them and one of each agreement.
    fn next_window(&mut self, place: &mut Place, report: &mut RunReport) -> Result<Vec<DueRow>> {
        let wanted = usize::try_from(self.ctx.config.settings.debit.window)?;
        let mut rows: Vec<DueRow> = Vec::with_capacity(wanted);
        let mut agreements: BTreeSet<AgreementId> = BTreeSet::new();
        while rows.len() < wanted {
            let Some(row) = self.ahead.rows.pop_front() else {
                if self.ahead.at_end {
                    break;
                }
                self.read_ahead(place, agreements.is_empty())?;
                self.ahead.taken.clone_from(&agreements);
                continue;
            };
            let id = row.installment.id;
            let stale = self.ahead.taken.contains(&id.agreement);
            let unseen = self.unseen.get(&id).is_some_and(|times| *times >= MOST_LOST);
            if unseen || agreements.contains(&id.agreement) || self.stopped.contains(&row.rail) {
                continue;
            }
            let row = if stale { db::installment::due_one(self.ctx.db.read(), Some(self.run), id)? } else { Some(row) };
            let Some(row) = row.map(without_unheard).filter(|row| self.may_charge(row)) else { continue };
            if row.is_disputed {
                disputed(&row, report);
                continue;
            }
            agreements.insert(id.agreement);
            self.ahead.taken.insert(id.agreement);
            rows.push(row);
        }
        Ok(rows)
    }

    fn read_ahead(&mut self, place: &mut Place, begins_window: bool) -> Result<()> {
        let today = self.ctx.today(self.now);
        if begins_window {
            self.ahead.others = db::others_commits(self.ctx.db.read())?;
        }
        let page = db::installment::due_page(self.ctx.db.read(), self.run, today, *place, READ_AHEAD)?;
        self.ahead.at_end = page.len() < usize::try_from(READ_AHEAD)?;
        if let Some(last) = page.last() {
            *place = Place { due: last.installment.due, id: last.installment.id };
        }
        self.ahead.rows = page.into();
        Ok(())
    }

    fn may_charge(&self, row: &DueRow) -> bool {
        let profile = self.profile(&row.rail);
        profile.is_some_and(|profile| decide(self.now, &row.candidate, profile, self.hour) == Decision::Charge)
    }

    fn profile(&self, rail: &str) -> Option<&Profile> {
        self.ctx.config.rails.get(rail).map(|rail| &rail.profile)
    }

    /// Asks each rail about mandate and link of what is about to be charged; keeps what may be charged.
    fn look(
        &mut self,
        pool: &Pool<'_, Question, Said>,
        rows: Vec<DueRow>,
        unwritten: &mut Vec<Unwritten>,
        report: &mut RunReport,
    ) -> Result<Vec<Ready>> {
        for row in &rows {
            self.meet(&row.rail, report);
        }
        let rows: Vec<DueRow> = rows.into_iter().filter(|row| !self.stopped.contains(&row.rail)).collect();
        let questions = rows
            .iter()
            .map(|row| {
                let link = row.open.as_ref().filter(|open| !open.unheard);
                let link = link.map(|open| (open.order_no.clone(), open.amount));
                let own = |profile| row.candidate.registered_with(profile);
                let registered = self.profile(&row.rail).map_or(row.installment.registered, own);
                let look = Look { mandate: mandate_of(row), registered, link };
                (row.rail.clone(), Question::Look(Box::new(look)))
            })
            .collect();
        let mut ready = Vec::with_capacity(rows.len());
        for (row, said) in rows.into_iter().zip(pool.ask_all(questions)) {
            let looked = match said {
                Some(Said::Look(looked)) => looked,
                _ => Looked::Trouble(Trouble::Unreachable { text: t!("the rail's adapter broke") }),
            };
            if let Looked::Trouble(Trouble::Unreachable { text }) = &looked {
                self.lost_look(&row, text, report);
                continue;
            }
            self.lost.remove(&row.rail);
            match looked {
                Looked::Ready => {
                    let (again, closed_link) = match &row.open {
                        Some(open) if open.unheard => (Some((open.id, open.order_no.clone())), None),
                        Some(open) => (None, Some(open.id)),
                        None => (None, None),
                    };
                    ready.push(Ready { row, again, closed_link });
                }
                Looked::LinkPaid(reply) => {
                    if let Some(open) = row.open.clone() {
                        let (kind, rail, amount) = (ChargeKind::Link, open.rail, open.amount);
                        let asked = Asked { charge: open.id, kind, rail, amount, row };
                        unwritten.push(Unwritten { asked, reply });
                    }
                }
                Looked::Ended { at, by } => self.mandate_ended(&row, at, &by, report)?,
                Looked::Trouble(trouble) if is_about_this_one(&trouble) => report.need(Need {
                    record: row.installment.id.to_string(),
                    customer: Some(row.customer),
                    what: Concern::RailRefuses { said: trouble.to_string() },
                    next: format!("kibble debit show {}", row.installment.id),
                    urgent: false,
                }),
                Looked::Trouble(trouble) => self.stop_rail(&row.rail, &trouble, report),
            }
        }
        Ok(ready)
    }

    /// Before a rail is asked about anybody's money in this run: does it answer, are our keys right, do the clocks agree?
    fn meet(&mut self, name: &str, report: &mut RunReport) {
        let Some(rail) = self.ctx.rails.get(name) else { return };
        if rail.is_sandbox() || self.stopped.contains(name) || !self.met.insert(name.to_owned()) {
            return;
        }
        let skew = match health(rail.as_ref()) {
            Ok(health) => health.ahead_seconds(self.ctx.now()).unwrap_or(0),
            Err(Trouble::Unsupported) => 0,
            Err(trouble) => return self.stop_rail(name, &trouble, report),
        };
        if skew.abs() > MOST_SKEW_SECONDS {
            let minutes = skew.abs() / 60;
            let text = match skew > 0 {
                true => t!("this machine's clock is {minutes} minutes fast; set it right", minutes = minutes),
                false => t!("this machine's clock is {minutes} minutes slow; set it right", minutes = minutes),
            };
            let trouble = Trouble::Refused { reason: Reason::OurConfiguration, code: "CLOCK".into(), text };
            self.stop_rail(name, &trouble, report);
        }
    }

    fn mandate_ended(&self, row: &DueRow, at: Option<At>, by: &str, report: &mut RunReport) -> Result<()> {
        let Some((id, _)) = row.candidate.mandate else { return Ok(()) };
        let Some(ended) = db::mandate::get(self.ctx.db.read(), id)? else { return Ok(()) };
        let round = self.ctx.db.write(self.now, |tx| {
            mandate::ended_at_rail(self.ctx, tx, &ended, at.unwrap_or(self.now), by, self.now)?;
            // The mandate before this one has declined, and nothing is left to try at once: the round is over.
            let round = if row.installment.lane > 1 { lane_ended(self.ctx, tx, row, self.now)? } else { None };
            Ok((round, Op::MandatesChanged { mandates: vec![(id, by.to_owned())] }))
        })?;
        if let Some(effect) = round {
            report.lane_ended(row, effect);
        }
        report.mandates_ended += 1;
        report.need(Need {
            record: id.to_string(),
            customer: Some(row.customer),
            what: Concern::MandateEnded { by: by.to_owned() },
            next: format!("kibble sign --again {}", row.installment.id.agreement),
            urgent: false,
        });
        Ok(())
    }

    /// The answer to a look was lost, which says little about the rail: the next pass looks again. Several in a row mean that the
    /// rail is down; several about one installment, that a person must look at it.
    fn lost_look(&mut self, row: &DueRow, text: &str, report: &mut RunReport) {
        let lost = self.lost.entry(row.rail.clone()).or_default();
        *lost += 1;
        if *lost >= MOST_LOST {
            self.stop_rail(&row.rail, &Trouble::Unreachable { text: text.to_owned() }, report);
            return;
        }
        let unseen = self.unseen.entry(row.installment.id).or_default();
        *unseen += 1;
        if *unseen < MOST_LOST {
            self.looks_again = true;
            return;
        }
        let id = row.installment.id;
        report.need(Need {
            record: id.to_string(),
            customer: Some(row.customer),
            what: Concern::RailDown { said: text.to_owned() },
            next: format!("kibble debit show {id}"),
            urgent: true,
        });
    }

    /// A rail in trouble is left alone for the rest of the run; the others go on.
    fn stop_rail(&mut self, rail: &str, trouble: &Trouble, report: &mut RunReport) {
        let said = trouble.to_string();
        match trouble {
            Trouble::Refused { reason: Reason::OurConfiguration, .. } => {
                self.stopped.insert(rail.to_owned());
                report.rail_trouble(rail, Concern::RailMisconfigured { said });
            }
            Trouble::Unreachable { .. } => {
                self.stopped.insert(rail.to_owned());
                report.rail_trouble(rail, Concern::RailDown { said });
            }
            Trouble::Refused { .. } | Trouble::Unsupported => {}
        }
    }

    /// Writes the answers of the window before together with the notes of this one.
    fn commit(
        &mut self,
        unwritten: &mut Vec<Unwritten>,
        ready: Vec<Ready>,
        another_lane: &mut bool,
        report: &mut RunReport,
    ) -> Result<Vec<(Asked, ChargeRequest, bool)>> {
        let answers = std::mem::take(unwritten);
        let ready: Vec<Ready> = ready.into_iter().filter(|it| !self.stopped.contains(&it.row.rail)).collect();
        if answers.is_empty() && ready.is_empty() {
            return Ok(Vec::new());
        }
        let (effects, asked) = self.ctx.db.write(self.now, |tx| {
            let mut words = Vec::with_capacity(answers.len());
            let mut effects = Vec::with_capacity(answers.len());
            for it in &answers {
                let effect = apply(self.ctx, tx, &it.asked, &it.reply, Some(self.run), self.now)?;
                words.push((it.asked.charge, effect.word()));
                effects.push(effect);
            }
            let mut noted = Vec::with_capacity(ready.len());
            let mut asked = Vec::with_capacity(ready.len());
            let untouched = db::others_commits(tx)? == self.ahead.others;
            for it in ready {
                let Some(it) = self.still(tx, it, untouched)? else { continue };
                let (id, request, again) = self.note(tx, &it)?;
                if planted::is(Mistake::AskBeforeNote) {
                    ask(self.ctx.rail(&it.row.rail)?.as_ref(), Question::Charge(request.clone()));
                }
                noted.push(id);
                let (kind, rail, amount) = (ChargeKind::Debit, it.row.rail.clone(), it.row.installment.amount);
                asked.push((Asked { charge: id, kind, rail, amount, row: it.row }, request, again));
            }
            Ok(((effects, asked), Op::ChargesWritten { noted, answers: words }))
        })?;
        for (it, effect) in answers.iter().zip(effects) {
            self.count(it, effect, another_lane, report);
        }
        Ok(asked)
    }

    /// What was looked at while nothing was locked, now that everything is. Unless the file is untouched by others it is read again:
    /// somebody may have terminated or paused the agreement in between, or taken the money at the counter. `None` when it may not be
    /// charged any more.
    fn still(&self, tx: &db::Conn, it: Ready, untouched: bool) -> Result<Option<Ready>> {
        let mut row = match untouched {
            true => it.row,
            false => match db::installment::due_one(tx, Some(self.run), it.row.installment.id)? {
                Some(row) if row.candidate.mandate == it.row.candidate.mandate => row,
                _ => return Ok(None),
            },
        };
        let open = row.open.as_ref().map(|open| open.id);
        if let Some(link) = it.closed_link.filter(|link| open == Some(*link)) {
            // It is closed at the rail, whatever becomes of the charge.
            db::charge::void(tx, link, "CLOSED", self.now)?;
            (row.open, row.candidate.open_charge) = (None, None);
        }
        let row = without_unheard(row);
        let same_open = row.open.as_ref().map(|open| open.id) == it.again.as_ref().map(|again| again.0);
        Ok((same_open && !row.is_disputed && self.may_charge(&row)).then_some(Ready {
            row,
            again: it.again,
            closed_link: it.closed_link,
        }))
    }

    fn count(&mut self, it: &Unwritten, effect: Effect, another_lane: &mut bool, report: &mut RunReport) {
        report.charged(&it.asked.rail, it.asked.amount, &it.asked.row, effect);
        match effect {
            Effect::WillRetry { at: None, .. } => *another_lane = true,
            Effect::Misconfigured => {
                self.stopped.insert(it.asked.rail.clone());
                let said = format!("{} {}", it.reply.code, it.reply.text);
                report.rail_trouble(&it.asked.rail, Concern::RailMisconfigured { said });
            }
            _ => {}
        }
    }

    fn note(&self, tx: &db::Conn, it: &Ready) -> Result<(ChargeId, ChargeRequest, bool)> {
        let row = &it.row;
        let id = row.installment.id;
        let request = |order_no: String| ChargeRequest {
            order_no,
            mandate: mandate_of(row),
            amount: row.installment.amount,
            subject: format!("{} {}/{}", self.subject, id.term, row.terms),
            due: row.installment.due,
        };
        if let Some((charge, order_no)) = &it.again {
            return Ok((*charge, request(order_no.clone()), true));
        }
        let attempt = row.attempts + 1;
        let order_no = order_no(&self.code, self.copy_no, id, attempt);
        let new = NewCharge {
            installment: id,
            attempt,
            kind: ChargeKind::Debit,
            mandate: row.candidate.mandate.map(|it| it.0),
            rail: &row.rail,
            order_no: &order_no,
            amount: row.installment.amount,
            run: Some(self.run),
        };
        let charge = db::charge::note(tx, &new, self.now)?;
        Ok((charge, request(order_no), false))
    }

    fn ask_charges(&self, pool: &Pool<'_, Question, Said>, asked: Vec<(Asked, ChargeRequest, bool)>) -> Vec<Unwritten> {
        let mut questions = Vec::with_capacity(asked.len());
        let mut waiting = Vec::with_capacity(asked.len());
        for (it, request, again) in asked {
            let question = if again { Question::Again(request) } else { Question::Charge(request) };
            questions.push((it.rail.clone(), question));
            waiting.push(it);
        }
        let said = pool.ask_all(questions);
        waiting
            .into_iter()
            .zip(said)
            .map(|(asked, said)| match said {
                Some(Said::Reply(reply)) => Unwritten { asked, reply },
                _ => Unwritten { asked, reply: Reply::bare(Answer::Unknown) },
            })
            .collect()
    }
}

/// A refusal that concerns one mandate or link alone: it is looked at again by the next run, and a person hears of it.
fn is_about_this_one(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { reason, .. } if *reason != Reason::OurConfiguration)
}

/// One lost answer does not keep a rail from its work: asking moves nothing, so it is asked again.
fn health(rail: &dyn Rail) -> Result<Health, Trouble> {
    let mut heard = rail.health();
    for _ in 1..MOST_LOST {
        if !matches!(heard, Err(Trouble::Unreachable { .. })) {
            break;
        }
        heard = rail.health();
    }
    heard
}

/// A bill says that it was paid under a number that is dead here: nothing is collected before somebody decided about that.
fn disputed(row: &DueRow, report: &mut RunReport) {
    report.need(Need {
        record: row.installment.id.to_string(),
        customer: Some(row.customer),
        what: Concern::Unknown { rail: row.rail.clone() },
        next: "kibble recon list".to_owned(),
        urgent: true,
    });
}

/// An order of which the rail has never heard does not stand in the way: it is sent again under its number.
fn without_unheard(mut row: DueRow) -> DueRow {
    if row.open.as_ref().is_some_and(|open| open.unheard) {
        row.candidate.open_charge = None;
    }
    row
}

fn mandate_of(row: &DueRow) -> MandateRef {
    MandateRef { contract_no: row.contract_no.clone(), provider_no: row.provider_no.clone() }
}
