//! Whoever watches a simulation and judges the laws of the design after every step, from the rows as they stand, from the rails' own
//! book and from what the channel delivered. Remembers everything it ever saw, so that a row which changes afterwards shows too, and
//! believes no rule of the code that wrote the rows: dates, windows, order numbers and hashes are computed here anew.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta};
use ring::digest;

use super::people::{RAILS, names_somebody};
use super::story::ZONE;
use super::world::{Delivery, Hands, INSTALL_CODE};
use crate::adapters::rail::sandbox::rows::OrderState;
use crate::db;
use crate::db::watch::{ChargeRow, MessageRow, PostingRow, Seen, TrailRow};
use crate::domain::date::At;
use crate::ops::{Ctx, check};
use crate::t;

/// Hours between an announcement and the debit that it announces (agreement clause 3.3).
const NOTICE_HOURS: i64 = 48;
/// Tries of one term under one mandate: the first and two retries (agreement clause 3.4).
const MOST_TRIES: usize = 3;
/// Hours within which all of them lie.
const TRY_HOURS: i64 = 24;

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// Its number in the design; 0 when a command failed although nothing went wrong.
    pub law: u32,
    /// What is wrong.
    pub what: String,
    /// Which record shows it.
    pub record: String,
}

/// The watcher.
pub struct Watch {
    seen: Seen,
    delivered: usize,
    last_at: Option<At>,
    charges: BTreeMap<i64, ChargeRow>,
    by_number: BTreeMap<String, i64>,
    /// Orders of the rails, by rail and number.
    orders: BTreeMap<(String, String), OrderState>,
    paid: BTreeMap<(i64, u32), i64>,
    /// Debits by term, in order.
    debits: BTreeMap<(i64, u32), Vec<i64>>,
    wallets: BTreeMap<i64, i64>,
    /// Credits by charge: customer and fen.
    credits: BTreeMap<String, (i64, i64)>,
    points: BTreeMap<String, i64>,
    /// SHA-256 over every posting so far, entry by entry.
    postings: digest::Context,
    events: BTreeSet<String>,
    messages: BTreeMap<i64, MessageRow>,
    told: BTreeSet<String>,
    /// When the announcements of a term were delivered.
    announced: BTreeMap<(i64, u32), Vec<At>>,
    agreements: BTreeMap<i64, (String, String)>,
    mandates: BTreeMap<i64, String>,
    /// A term of each agreement and its day, the latest in its month of those seen.
    days: BTreeMap<i64, (u32, NaiveDate)>,
    /// Terms, and agreements as a whole, that somebody moved to other days.
    moved_days: BTreeSet<String>,
    trail: (i64, String),
    not_for_wallets: BTreeSet<String>,
}

/// What one step brought.
struct News {
    charges: Vec<ChargeRow>,
    postings: Vec<PostingRow>,
    messages: Vec<MessageRow>,
    trail: Vec<TrailRow>,
    /// Whether any row at all is new or changed.
    any: bool,
}

type Verdict = Result<(), Broken>;

/// One of the questions asked after every step.
type Judge = fn(&mut Watch, &Ctx, &Hands, &News, &[Delivery]) -> Result<Verdict>;

fn broken(law: u32, what: String, record: impl ToString) -> Broken {
    Broken { law, what, record: record.to_string() }
}

impl Watch {
    /// Watches from now on; what stands already counts as seen.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn new(ctx: &Ctx) -> Result<Watch> {
        let conn = ctx.db.read();
        let categories = &ctx.config.settings.wallet.categories;
        let mut watch = Watch {
            seen: Seen { charge: 1, message: 1, ..Seen::default() },
            delivered: 0,
            last_at: None,
            charges: BTreeMap::new(),
            by_number: BTreeMap::new(),
            orders: BTreeMap::new(),
            paid: BTreeMap::new(),
            debits: BTreeMap::new(),
            wallets: BTreeMap::new(),
            credits: BTreeMap::new(),
            points: BTreeMap::new(),
            postings: digest::Context::new(&digest::SHA256),
            events: BTreeSet::new(),
            messages: BTreeMap::new(),
            told: BTreeSet::new(),
            announced: BTreeMap::new(),
            agreements: BTreeMap::new(),
            mandates: BTreeMap::new(),
            days: BTreeMap::new(),
            moved_days: BTreeSet::new(),
            trail: (0, String::new()),
            not_for_wallets: db::watch::not_for_wallets(conn, categories)?.into_iter().collect(),
        };
        watch.remember_people(ctx)?;
        Ok(watch)
    }

    /// Judges what a step did. Money moves only when the clock does not go back.
    ///
    /// # Errors
    /// When the database or the rails' book cannot be read; the inner error is the law that broke.
    pub fn step(&mut self, ctx: &Ctx, hands: &Hands) -> Result<Verdict> {
        let news = self.news(ctx)?;
        let deliveries = hands.post.since(self.delivered);
        let verdict = self.judged(ctx, hands, &news, &deliveries)?;
        self.delivered += deliveries.len();
        self.remember_people(ctx)?;
        let now = ctx.now();
        self.last_at = Some(self.last_at.map_or(now, |last| last.max(now)));
        Ok(verdict)
    }

    /// Judges everything anew, from the first row to the last: that nothing seen before has changed since, that both books agree, and
    /// that kibble's own check holds.
    ///
    /// # Errors
    /// As [`Watch::step`].
    pub fn whole(&self, ctx: &Ctx, hands: &Hands) -> Result<Verdict> {
        let conn = ctx.db.read();
        for row in db::watch::charges(conn, 0)? {
            match self.charges.get(&row.id) {
                Some(known) if is_decided(&known.state) && known.state != row.state => {
                    return Ok(Err(broken(1, t!("a decided charge changed"), format!("k-{}", row.id))));
                }
                Some(known) if (known.amount, &known.order_no) == (row.amount, &row.order_no) => {}
                _ => {
                    return Ok(Err(broken(
                        2,
                        t!("a charge changed its number or its amount"),
                        format!("k-{}", row.id),
                    )));
                }
            }
        }
        let mut all = digest::Context::new(&digest::SHA256);
        db::watch::postings(conn, 0)?.iter().for_each(|row| absorb(&mut all, row));
        if all.finish().as_ref() != self.postings.clone().finish().as_ref() {
            return Ok(Err(broken(5, t!("an entry of the journal changed after it was written"), "")));
        }
        let mut trail = (0, String::new());
        for row in db::watch::trail(conn, 0)? {
            if let Err(found) = follows(&mut trail, &row) {
                return Ok(Err(found));
            }
        }
        if let Err(found) = self.both_books(hands)? {
            return Ok(Err(found));
        }
        // A settlement divides all that its agreement brought, so nothing is left with nobody.
        if let Some((customer, fen)) = db::watch::left_with_nobody(conn)?.first() {
            return Ok(Err(broken(
                4,
                t!("everything was settled, and the wallet is not empty"),
                format!("c-{customer} {fen}"),
            )));
        }
        let checked = check::check(ctx)?;
        let failed = checked.laws.iter().find_map(|law| Some((law, law.broken.first()?)));
        Ok(match failed {
            None => Ok(()),
            Some((law, first)) => {
                let record = first.rows.first().map(|row| format!("{} {}", row.record, row.shows)).unwrap_or_default();
                Err(broken(u32::try_from(law.number)?, first.what.clone(), record))
            }
        })
    }

    /// What must hold once everything that went wrong is over: nobody waits any more for the outcome of a debit made before `end`.
    pub fn settled(&self, end: At) -> Verdict {
        let waits = |it: &&ChargeRow| {
            it.kind == "debit" && !is_decided(&it.state) && it.code != PAID_TWICE && it.noted_at < end
        };
        match self.charges.values().find(waits) {
            None => Ok(()),
            Some(it) => {
                Err(broken(3, t!("a charge is still open after everything was settled"), format!("k-{}", it.id)))
            }
        }
    }

    /// Charges seen, by state.
    pub fn tally(&self) -> BTreeMap<String, u64> {
        let mut tally: BTreeMap<String, u64> = BTreeMap::new();
        for it in self.charges.values() {
            *tally.entry(it.state.clone()).or_default() += 1;
        }
        tally
    }

    fn news(&mut self, ctx: &Ctx) -> Result<News> {
        let conn = ctx.db.read();
        let charges: Vec<ChargeRow> = db::watch::charges(conn, self.seen.charge)?
            .into_iter()
            .filter(|row| {
                self.charges.get(&row.id).is_none_or(|known| *known != ChargeRow { due: known.due, ..row.clone() })
            })
            .collect();
        let messages: Vec<MessageRow> = db::watch::messages(conn, self.seen.message)?
            .into_iter()
            .filter(|row| self.messages.get(&row.id) != Some(row))
            .collect();
        let postings = db::watch::postings(conn, self.seen.entry)?;
        let trail = db::watch::trail(conn, self.seen.audit)?;
        let any = !(charges.is_empty() && messages.is_empty() && postings.is_empty());
        Ok(News { charges, postings, messages, trail, any })
    }

    fn judged(&mut self, ctx: &Ctx, hands: &Hands, news: &News, deliveries: &[Delivery]) -> Result<Verdict> {
        let order: [Judge; 8] = [
            |it, _, _, news, _| Ok(it.trail(news)),
            |it, ctx, _, news, _| it.money(ctx, news),
            |it, _, hands, _, _| it.heard(hands),
            |it, ctx, hands, news, _| it.charges(ctx, hands, news),
            |it, _, _, news, _| Ok(it.credited(news)),
            |it, _, _, news, _| Ok(it.messages(news)),
            |it, _, _, _, deliveries| Ok(it.deliveries(deliveries)),
            |it, ctx, _, _, _| it.baskets(ctx),
        ];
        for judge in order {
            if let Err(found) = judge(self, ctx, hands, news, deliveries)? {
                return Ok(Err(found));
            }
        }
        Ok(Ok(()))
    }

    /// Law 10: every change has its row, and the rows are chained.
    fn trail(&mut self, news: &News) -> Verdict {
        if news.any && news.trail.is_empty() {
            return Err(broken(10, t!("something changed without a row in the audit trail"), self.trail.0));
        }
        for row in &news.trail {
            follows(&mut self.trail, row)?;
            self.seen.audit = row.seq;
            if matches!(row.columns[3].as_str(), "installment_postponed" | "agreement_changed") {
                self.moved_days.insert(row.columns[4].clone());
            }
            self.discreet(&row.columns[5], &format!("audit {}", row.seq))?;
        }
        Ok(())
    }

    /// Laws 5 and 6: entries balance, no wallet goes below zero, and only charges credit as charges.
    fn money(&mut self, ctx: &Ctx, news: &News) -> Result<Verdict> {
        let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
        for row in &news.postings {
            absorb(&mut self.postings, row);
            self.seen.entry = row.entry;
            *sums.entry(row.entry).or_default() += row.amount;
            if let Err(found) = self.discreet(&row.note, &format!("e-{}", row.entry)) {
                return Ok(Err(found));
            }
            if row.account.starts_with("wallet:") {
                *self.wallets.entry(row.customer).or_default() -= row.amount;
            }
            if row.kind == "charge" && row.account == "wallet:principal" {
                let twice = self.credits.insert(row.reference.clone(), (row.customer, -row.amount)).is_some();
                if twice {
                    return Ok(Err(broken(4, t!("a charge credited the wallet twice"), &row.reference)));
                }
            }
        }
        if let Some((entry, _)) = sums.iter().find(|it| *it.1 != 0) {
            return Ok(Err(broken(5, t!("an entry does not sum to zero"), format!("e-{entry}"))));
        }
        if let Some((customer, _)) = self.wallets.iter().find(|it| *it.1 < 0) {
            return Ok(Err(broken(6, t!("a wallet is below zero"), format!("c-{customer}"))));
        }
        for row in db::watch::points(ctx.db.read(), self.seen.points)? {
            self.seen.points = row.id;
            if row.kind == "charge" && self.points.insert(row.reference.clone(), row.points).is_some() {
                return Ok(Err(broken(4, t!("a charge granted its points twice"), &row.reference)));
            }
        }
        Ok(Ok(()))
    }

    /// Law 2, from the rails' side: whatever a rail heard of stood in our books before.
    fn heard(&mut self, hands: &Hands) -> Result<Verdict> {
        // Orders of this moment or later; those of a step before at the same moment are seen twice, which is fine.
        let since = self.last_at.unwrap_or(At::MIN_UTC);
        for order in hands.book.orders_since(since)? {
            self.orders.insert((order.rail, order.order_no), order.state);
        }
        Ok(Ok(()))
    }

    /// Laws 1, 2, 3 and 7, charge by charge.
    fn charges(&mut self, ctx: &Ctx, hands: &Hands, news: &News) -> Result<Verdict> {
        let at_signing = match news.charges.iter().any(|row| self.is_new(row) && row.kind == "debit") {
            true => db::watch::announced_at_signing(ctx.db.read(), ctx.now())?.into_iter().collect(),
            false => BTreeSet::new(),
        };
        let mut charged: BTreeMap<i64, u32> = BTreeMap::new();
        for row in &news.charges {
            if self.is_new(row) {
                if let Err(found) = self.derived(row) {
                    return Ok(Err(found));
                }
                if row.kind == "debit" {
                    if let Err(found) = self.allowed(ctx, row, &at_signing, news) {
                        return Ok(Err(found));
                    }
                    if charged.insert(row.agreement, row.term).is_some_and(|other| other != row.term) {
                        let record = format!("a-{}/{}", row.agreement, row.term);
                        return Ok(Err(broken(7, t!("two terms of one agreement were charged in one run"), record)));
                    }
                }
            }
            if let Err(found) = self.moved(hands, row)? {
                return Ok(Err(found));
            }
            self.by_number.insert(row.order_no.clone(), row.id);
            // A term that is moved keeps its earlier charges on their own day.
            let due = self.charges.get(&row.id).map_or(row.due, |known| known.due);
            self.charges.insert(row.id, ChargeRow { due, ..row.clone() });
        }
        // Whatever the rails know must be known here by now.
        for (rail, number) in self.orders.keys() {
            if !self.by_number.contains_key(number) {
                return Ok(Err(broken(
                    2,
                    t!("the rail heard of an order that is not on disk"),
                    format!("{rail} {number}"),
                )));
            }
        }
        self.orders.clear();
        let open = |it: &&ChargeRow| !is_decided(&it.state);
        let mut terms: BTreeSet<(i64, u32)> = BTreeSet::new();
        for it in self.charges.range(self.seen.charge..).map(|it| it.1).filter(open) {
            if !terms.insert((it.agreement, it.term)) {
                let record = format!("a-{}/{}", it.agreement, it.term);
                return Ok(Err(broken(2, t!("a term has two open charges"), record)));
            }
        }
        let oldest = self.charges.range(self.seen.charge..).find(|it| !is_decided(&it.1.state)).map(|it| *it.0);
        let next = self.charges.last_key_value().map_or(1, |it| it.0 + 1);
        self.seen.charge = oldest.unwrap_or(next);
        Ok(Ok(()))
    }

    fn is_new(&self, row: &ChargeRow) -> bool {
        !self.charges.contains_key(&row.id)
    }

    /// Law 2: the number comes from stored facts, and nobody had it before.
    fn derived(&self, row: &ChargeRow) -> Verdict {
        let number = format!("KB{INSTALL_CODE}01{:08}{:02}{:04}", row.agreement, row.term, row.attempt);
        if row.order_no != number {
            return Err(broken(2, t!("an order number that does not come from its installment"), &row.order_no));
        }
        if self.by_number.contains_key(&row.order_no) {
            return Err(broken(2, t!("an order number was used twice"), &row.order_no));
        }
        Ok(())
    }

    /// Law 7: agreement, mandate, pet, announcement, window and tries of a new debit.
    fn allowed(&mut self, ctx: &Ctx, row: &ChargeRow, at_signing: &BTreeSet<(i64, u32)>, news: &News) -> Verdict {
        let term = (row.agreement, row.term);
        let record = format!("a-{}/{} {}", row.agreement, row.term, row.noted_at.with_timezone(&ZONE).naive_local());
        let fails = |what: String| Err(broken(7, what, &record));
        let noted = seq_of(news, &format!("\"k-{}\"", row.id));
        let ended_before = |entity: &str, ops: &[&str]| {
            news.trail
                .iter()
                .any(|it| it.seq < noted && it.columns[4] == entity && ops.contains(&it.columns[3].as_str()))
        };
        if let Some((state, pet)) = self.agreements.get(&row.agreement) {
            let entity = format!("a-{}", row.agreement);
            let went = ended_before(&entity, &["terminated"]);
            let changed = news
                .trail
                .iter()
                .rfind(|it| it.seq < noted && it.columns[4] == entity && it.columns[3] == "agreement_changed");
            let paused = changed.map_or(state == "paused", |it| it.columns[5].contains("\"state\":\"paused\""));
            if matches!(state.as_str(), "settling" | "ended" | "cancelled" | "completed") || went || paused {
                return fails(t!("charged while the agreement did not run"));
            }
            if matches!(pet.as_str(), "died" | "lost" | "returned") {
                return fails(t!("charged after the pet died, was lost or was returned"));
            }
        }
        let mandate = row.mandate.and_then(|id| self.mandates.get(&id));
        match mandate.map(String::as_str) {
            Some("live") => {}
            Some("closing" | "closed" | "revoked" | "expired") => return fails(t!("charged after the mandate ended")),
            // It may have been agreed to in this very step.
            _ => {
                let named = format!("\"m-{}\"", row.mandate.unwrap_or_default());
                let agreed = |it: &TrailRow| it.columns[3] == "mandates_changed" && it.columns[5].contains(&named);
                if !news.trail.iter().any(|it| it.seq < noted && agreed(it)) {
                    return fails(t!("charged before the mandate was agreed to"));
                }
            }
        }
        if !at_signing.contains(&term) {
            self.on_its_day(row)?;
        }
        let enough = |at: &At| row.noted_at - *at >= TimeDelta::hours(NOTICE_HOURS);
        if !at_signing.contains(&term) && !self.announced.get(&term).is_some_and(|all| all.iter().any(enough)) {
            return fails(t!("charged without an announcement 48 hours before"));
        }
        let wall = row.noted_at.with_timezone(&ZONE);
        let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
        let (days, from, to) = match row.rail.as_str() {
            "alipay" => (2, time(0, 30), time(23, 30)),
            _ => (6, time(7, 0), time(22, 0)),
        };
        let late = (wall.date_naive() - row.due).num_days();
        if !(0..=days).contains(&late) || wall.time() < from || wall.time() >= to {
            return fails(t!("charged outside the rail's window"));
        }
        let before = self.debits.entry(term).or_default();
        before.push(row.id);
        let declined: Vec<&ChargeRow> = before
            .iter()
            .filter_map(|id| self.charges.get(id))
            .filter(|it| it.due == row.due && it.state == "declined")
            .filter(|it| it.reason.as_deref() != Some("our_configuration"))
            .collect();
        if declined.iter().filter(|it| it.mandate == row.mandate).count() >= MOST_TRIES {
            return fails(t!("a term was tried more often than the agreement says"));
        }
        // A term has failed once every mandate that was tried for it has declined.
        let mut first: BTreeMap<Option<i64>, At> = BTreeMap::new();
        for it in &declined {
            first.entry(it.mandate).or_insert(it.answered_at.unwrap_or(it.noted_at));
        }
        let is_retry = first.contains_key(&row.mandate);
        let failed = first.into_values().max();
        if is_retry && failed.is_some_and(|failed| row.noted_at - failed > TimeDelta::hours(TRY_HOURS)) {
            return fails(t!("a retry came later than 24 hours after the first failure"));
        }
        if ctx.now() < row.noted_at {
            return fails(t!("a charge was noted in the future"));
        }
        Ok(())
    }

    /// Law 9: a term that nobody moved lies as many months after another as there are terms between them, on the same day of the month
    /// or on the last day of a shorter one.
    fn on_its_day(&mut self, row: &ChargeRow) -> Verdict {
        let (agreement, term) = (format!("a-{}", row.agreement), format!("a-{}/{}", row.agreement, row.term));
        if self.moved_days.contains(&agreement) || self.moved_days.contains(&term) {
            return Ok(());
        }
        let (other, day) = *self.days.entry(row.agreement).or_insert((row.term, row.due));
        let month = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month());
        let latest = day.day().max(row.due.day());
        let fits = |it: NaiveDate| it.day() == latest || it.succ_opt().is_some_and(|next| next.day() == 1);
        if month(row.due) - month(day) != i64::from(row.term) - i64::from(other) || !fits(day) || !fits(row.due) {
            return Err(broken(9, t!("a term fell due on another day than the one agreed"), term));
        }
        if row.due.day() > day.day() {
            self.days.insert(row.agreement, (row.term, row.due));
        }
        Ok(())
    }

    /// Laws 1 and 3: how a charge moved, compared with the rail's own book.
    fn moved(&mut self, hands: &Hands, row: &ChargeRow) -> Result<Verdict> {
        let record = format!("k-{} {}", row.id, row.order_no);
        let before = self.charges.get(&row.id);
        if before.is_some_and(|it| is_decided(&it.state) && it.state != row.state) {
            return Ok(Err(broken(1, t!("a decided charge changed"), record)));
        }
        let theirs = match row.kind.as_str() {
            "cash" => None,
            _ => hands.book.order(&row.rail, &row.order_no)?,
        };
        let is_paid_there = theirs.as_ref().is_some_and(|it| it.state == OrderState::Paid);
        match row.state.as_str() {
            "paid" => {
                if self.paid.insert((row.agreement, row.term), row.id).is_some_and(|other| other != row.id) {
                    return Ok(Err(broken(1, t!("a term was collected twice"), record)));
                }
                let amount = theirs.as_ref().map(|it| it.amount.fen());
                if row.kind != "cash" && !(is_paid_there && amount == Some(row.amount)) {
                    return Ok(Err(broken(3, t!("paid in our book, not at the rail"), record)));
                }
            }
            "declined" | "void" if is_paid_there => {
                return Ok(Err(broken(3, t!("paid at the rail, given up in our book"), record)));
            }
            // A term may be called off while an outcome is unknown; it may not count as paid.
            "unknown"
                if matches!(row.term_state.as_str(), "paid" | "refunded")
                    && !self.paid.contains_key(&(row.agreement, row.term)) =>
            {
                return Ok(Err(broken(3, t!("an unknown outcome counted as decided"), record)));
            }
            _ => {}
        }
        Ok(Ok(()))
    }

    /// Law 4: a paid charge credits once, to the fen, and nothing else credits as a charge.
    fn credited(&self, news: &News) -> Verdict {
        for row in news.charges.iter().filter(|row| row.state == "paid") {
            let reference = format!("k-{}", row.id);
            if self.credits.get(&reference) != Some(&(row.customer, row.amount)) {
                return Err(broken(4, t!("a paid charge did not credit the wallet with its amount"), reference));
            }
            if self.points.get(&reference) != Some(&(row.amount / 100)) {
                return Err(broken(4, t!("a paid charge did not grant its points"), reference));
            }
        }
        for row in news.postings.iter().filter(|row| row.kind == "charge") {
            let id = row.reference.strip_prefix("k-").and_then(|id| id.parse::<i64>().ok());
            let charge = id.and_then(|id| self.charges.get(&id));
            if charge.is_none_or(|it| it.state != "paid") {
                return Err(broken(4, t!("the wallet was credited for a charge that is not paid"), &row.reference));
            }
        }
        Ok(())
    }

    /// Laws 3, 8 and 11: each event once, no failure notice over an unknown outcome, nothing personal in the open.
    fn messages(&mut self, news: &News) -> Verdict {
        for row in &news.messages {
            let record = format!("n-{}", row.id);
            let is_new = !self.messages.contains_key(&row.id);
            if is_new && !self.events.insert(row.event.clone()) {
                return Err(broken(8, t!("a message about one event stands in the outbox twice"), record));
            }
            if is_new && row.template == "debit_failed" {
                let term = (row.agreement.unwrap_or_default(), row.term.unwrap_or_default());
                let debits: Vec<&ChargeRow> =
                    self.debits.get(&term).into_iter().flatten().filter_map(|id| self.charges.get(id)).collect();
                let unknown = debits.iter().any(|it| it.state == "unknown" || it.state == "noted");
                if unknown || !debits.iter().any(|it| it.state == "declined") {
                    return Err(broken(3, t!("a failure notice although nothing is known to have failed"), record));
                }
            }
            self.discreet(&row.params, &record)?;
            self.messages.insert(row.id, row.clone());
        }
        let waits = |it: &MessageRow| matches!(it.state.as_str(), "queued" | "sending" | "unknown");
        let oldest = self.messages.range(self.seen.message..).find(|it| waits(it.1)).map(|it| *it.0);
        let next = self.messages.last_key_value().map_or(1, |it| it.0 + 1);
        self.seen.message = oldest.unwrap_or(next);
        Ok(())
    }

    /// Law 8, from the channel's side: nobody hears a message twice, and no customer hears one at night.
    fn deliveries(&mut self, deliveries: &[Delivery]) -> Verdict {
        for it in deliveries {
            if !self.told.insert(it.id.clone()) {
                return Err(broken(8, t!("somebody was told the same twice"), &it.id));
            }
            let wall = it.at.with_timezone(&ZONE).time();
            let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
            if it.audience == "customer" && (wall < time(8) || wall >= time(22)) {
                return Err(broken(8, t!("a customer was contacted outside the contact hours"), &it.id));
            }
            let row = it.id.strip_prefix("n-").and_then(|id| id.parse().ok()).and_then(|id| self.messages.get(&id));
            let Some(row) = row else {
                return Err(broken(8, t!("a message was sent that is not on disk"), &it.id));
            };
            if let ("pre_debit_48h", Some(agreement), Some(term)) = (row.template.as_str(), row.agreement, row.term) {
                self.announced.entry((agreement, term)).or_default().push(it.at);
            }
        }
        Ok(())
    }

    /// Law 6: the wallet pays only for what it may pay for.
    fn baskets(&mut self, ctx: &Ctx) -> Result<Verdict> {
        for line in db::watch::wallet_lines(ctx.db.read(), self.seen.order)? {
            self.seen.order = line.order;
            if self.not_for_wallets.contains(&line.sku) {
                let record = format!("o-{} {}", line.order, line.sku);
                return Ok(Err(broken(6, t!("the wallet paid for something that it may not pay for"), record)));
            }
        }
        Ok(Ok(()))
    }

    /// Law 11: no name, phone or ID number in the open.
    fn discreet(&self, text: &str, record: &str) -> Verdict {
        match names_somebody(text) {
            true => Err(broken(11, t!("personal data stands in the open"), record)),
            false => Ok(()),
        }
    }

    /// Every order that was paid there is paid here or still open; every charge paid here is paid there.
    fn both_books(&self, hands: &Hands) -> Result<Verdict> {
        let mut verdict = Ok(());
        let mut there = BTreeSet::new();
        let mut terms: BTreeMap<(i64, u32), String> = BTreeMap::new();
        for (rail, _) in RAILS {
            hands.book.orders(rail, |order| {
                if order.state != OrderState::Paid || verdict.is_err() {
                    return Ok(());
                }
                let ours = self.by_number.get(&order.order_no).and_then(|id| self.charges.get(id));
                match ours {
                    Some(it)
                        if it.amount == order.amount.fen() && !matches!(it.state.as_str(), "declined" | "void") =>
                    {
                        let record = format!("a-{}/{}", it.agreement, it.term);
                        if terms.insert((it.agreement, it.term), order.order_no.clone()).is_some() {
                            verdict = Err(broken(1, t!("a customer paid a term twice"), record));
                        }
                        there.insert(it.id);
                    }
                    _ => verdict = Err(broken(1, t!("paid at the rail, unknown in our book"), &order.order_no)),
                }
                Ok(())
            })?;
        }
        let ours = self.charges.values().filter(|it| it.state == "paid" && it.kind != "cash");
        for it in ours {
            if verdict.is_ok() && !there.contains(&it.id) {
                verdict = Err(broken(3, t!("paid in our book, not at the rail"), format!("k-{}", it.id)));
            }
        }
        Ok(verdict)
    }

    fn remember_people(&mut self, ctx: &Ctx) -> Result<()> {
        let conn = ctx.db.read();
        for row in db::watch::agreements(conn)? {
            self.agreements.insert(row.id, (row.state, row.pet));
        }
        for row in db::watch::mandates(conn)? {
            self.mandates.insert(row.id, row.state);
        }
        Ok(())
    }
}

/// The code of a charge that the rail reports as a second payment.
const PAID_TWICE: &str = "PAID_TWICE";

fn is_decided(state: &str) -> bool {
    matches!(state, "paid" | "declined" | "void")
}

/// The audit row that first names a record; after all of them when none does.
fn seq_of(news: &News, record: &str) -> i64 {
    news.trail.iter().find(|it| it.columns[5].contains(record)).map_or(i64::MAX, |it| it.seq)
}

fn absorb(into: &mut digest::Context, row: &PostingRow) {
    let line =
        format!("{}|{}|{}|{}|{}|{}\n", row.entry, row.kind, row.reference, row.account, row.customer, row.amount);
    into.update(line.as_bytes());
}

/// Law 10: a row follows the one before it, and its hash is that of its columns.
fn follows(head: &mut (i64, String), row: &TrailRow) -> Verdict {
    let mut text = String::new();
    let seq = row.seq.to_string();
    let [at, actor, host, op, entity, detail] = &row.columns;
    for part in [&row.prev_hash, &seq, at, actor, host, op, entity, detail] {
        text += &format!("{}:{part}", part.len());
    }
    let hash: String =
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if row.seq != head.0 + 1 || row.prev_hash != head.1 || row.hash != hash {
        return Err(broken(10, t!("a row of the audit trail was edited, removed or replaced"), row.seq));
    }
    *head = (row.seq, row.hash.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{News, Watch};
    use crate::db::watch::{ChargeRow, TrailRow};
    use crate::domain::date::At;
    use crate::ops::testing::TestShop;

    fn debit(term: u32, due: &str) -> ChargeRow {
        let due: NaiveDate = due.parse().unwrap();
        let noted_at: At = due.and_hms_opt(2, 0, 0).unwrap().and_utc();
        ChargeRow {
            id: i64::from(term),
            agreement: 1,
            term,
            attempt: 1,
            kind: "debit".into(),
            mandate: Some(1),
            rail: "alipay".into(),
            order_no: String::new(),
            amount: 19_900,
            state: "noted".into(),
            reason: None,
            code: String::new(),
            noted_at,
            answered_at: None,
            term_state: "open".into(),
            due,
            customer: 1,
        }
    }

    fn row(seq: i64, op: &str, entity: &str, detail: &str) -> TrailRow {
        let columns = ["", "", "", op, entity, detail].map(str::to_owned);
        TrailRow { seq, columns, prev_hash: String::new(), hash: String::new() }
    }

    /// What the watcher says of a debit, with the state of its agreement and of its mandate before the step, and the step's rows.
    fn said(shop: &TestShop, states: [&str; 2], debit: &ChargeRow, rows: Vec<TrailRow>) -> String {
        let mut watch = Watch::new(shop).unwrap();
        watch.agreements.insert(1, (states[0].into(), "home".into()));
        watch.mandates.insert(1, states[1].into());
        watch.announced.insert((1, debit.term), vec![debit.noted_at - chrono::TimeDelta::days(3)]);
        let news = News { charges: vec![], postings: vec![], messages: vec![], trail: rows, any: true };
        watch.allowed(shop, debit, &std::collections::BTreeSet::new(), &news).err().map_or(String::new(), |it| it.what)
    }

    #[test]
    fn a_debit_in_a_pause_or_before_its_mandate_is_seen() {
        let shop = TestShop::open();
        let debit = debit(1, "2025-03-05");
        let noted = || row(9, "charges_written", "", r#"{"noted":["k-1"]}"#);
        let paused = |seq, state: &str| row(seq, "agreement_changed", "a-1", &format!(r#"{{"state":"{state}"}}"#));
        let agreed = |seq| row(seq, "mandates_changed", "", r#"{"mandates":[["m-1","live"]]}"#);
        for (states, rows, expected) in [
            (["active", "live"], vec![], ""),
            (["paused", "live"], vec![], "charged while the agreement did not run"),
            (["paused", "live"], vec![paused(8, "active")], ""),
            (["active", "live"], vec![paused(8, "paused")], "charged while the agreement did not run"),
            (["active", "waiting"], vec![], "charged before the mandate was agreed to"),
            (["active", "waiting"], vec![agreed(8)], ""),
            (["active", "revoked"], vec![agreed(8)], "charged after the mandate ended"),
        ] {
            let rows = rows.into_iter().chain([noted()]).collect();
            assert_eq!(said(&shop, states, &debit, rows), expected, "{states:?}");
        }
    }

    #[test]
    fn a_term_on_another_day_than_the_one_agreed_is_seen() {
        let shop = TestShop::open();
        let mut watch = Watch::new(&shop).unwrap();
        for (term, due) in [(1, "2025-02-28"), (2, "2025-03-31"), (3, "2025-04-30"), (4, "2025-05-31")] {
            assert_eq!(watch.on_its_day(&debit(term, due)), Ok(()), "{due}");
        }
        for (term, due) in [(5, "2025-07-31"), (5, "2025-06-29"), (6, "2025-07-30")] {
            assert_eq!(watch.on_its_day(&debit(term, due)).unwrap_err().law, 9, "{due}");
        }
        watch.moved_days.insert("a-1/5".into());
        assert_eq!(watch.on_its_day(&debit(5, "2025-07-02")), Ok(()));
        assert!(watch.on_its_day(&debit(6, "2025-07-30")).is_err());
        watch.moved_days.insert("a-1".into());
        assert_eq!(watch.on_its_day(&debit(6, "2025-08-31")), Ok(()));
    }
}
