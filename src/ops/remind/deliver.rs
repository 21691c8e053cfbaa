//! Delivery: what was left in doubt is looked up, then what may be sent goes out, the promised messages first. Note, tell, note: a
//! message is on disk as being sent before its channel hears of it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, TryLockError};

use anyhow::{Context, Result};
use chrono::{Duration, NaiveDate};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::adapters::keys;
use crate::adapters::notify::{Handed, Notify, Parcel, Receipt, Trace, Wait};
use crate::config;
use crate::db::message::{Addressed, Message};
use crate::db::{self, Conn};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::InstallmentState;
use crate::domain::customer::label;
use crate::domain::date::{At, time_of};
use crate::domain::id::{InstallmentId, MessageId};
use crate::domain::message::{Audience, DAY, DebitNoticeKind, MessageState, contact_time, debit_notice};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::fault::Fault;
use crate::ops::remind::route::{Routes, Seeker, Stop, Way, named, order, tomorrow};
use crate::ops::remind::{record, to_whom};
use crate::ops::{Ctx, Event, witness};
use crate::t;
use crate::text::Lang;
use crate::text::letters::{LetterError, Letters, title_in};

/// Messages read at once.
const PAGE: u32 = 200;
/// Minutes until a message whose channel was down is tried again.
const LATER_MINUTES: i64 = 15;
/// How often a message is handed to one channel that says, each time afterwards, that it never had it.
const MAX_TRIES: u32 = 5;
/// After so many lost answers in a row a channel gets nothing more in this delivery.
const MAX_LOST: u32 = 3;
/// Hex digits of a message's number towards providers, after the install code.
const KEY_DIGITS: usize = 20;

/// What became of the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// How many a channel took.
    pub sent: u64,
    /// Messages that can never be sent as they are: refused by every channel, or with a text that cannot be made.
    pub failed: Vec<MessageId>,
    /// How many were overtaken by events.
    pub dropped: u64,
    /// How many wait because a channel is down or slowed them.
    pub later: u64,
    /// How many wait for tomorrow, because their number had its share of today.
    pub capped: u64,
    /// Messages of which nobody knows whether they arrived. None is sent again before that is known.
    pub in_doubt: Vec<MessageId>,
    /// Those of them whose channel cannot be asked: a person decides.
    pub undecidable: Vec<MessageId>,
    /// Channels that took nothing more, and why.
    pub stopped: BTreeMap<String, Stop>,
    /// True when another kibble is delivering at this moment; nothing was done then.
    pub busy: bool,
}

impl Delivered {
    /// True when a person has to look.
    pub fn needs_person(&self) -> bool {
        !self.failed.is_empty() || !self.in_doubt.is_empty() || !self.stopped.is_empty()
    }
}

/// Delivers at a person's wish. A database that was restored or copied tells nobody anything: its outbox may hold what the other
/// one has told.
///
/// # Errors
/// Those of [`deliver`], and when the database is not the one that was used last.
pub fn send(ctx: &Ctx, now: At) -> Result<Delivered> {
    if let Some(refusal) = witness::inspect(ctx)?.refusal() {
        return Err(refusal.into());
    }
    let delivered = deliver(ctx, now)?;
    witness::remember(ctx)?;
    Ok(delivered)
}

/// Delivers what may be sent at `now`.
///
/// # Errors
/// When the shop's own texts are broken, or the database cannot be written. What was handed over before is remembered as being
/// sent, and settled by the next delivery.
pub fn deliver(ctx: &Ctx, now: At) -> Result<Delivered> {
    let path = ctx.config.outbox_lock_path();
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.with_context(|| path.display().to_string())?;
    match lock.try_lock() {
        Ok(()) => {}
        // Whoever holds it has messages in the air; they are not in doubt.
        Err(TryLockError::WouldBlock) => return Ok(Delivered { busy: true, ..Delivered::default() }),
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
    }
    let done = deliver_alone(ctx, now);
    // Closing the file is not enough: a program that another thread is starting this very moment holds a copy of it until it runs.
    drop(lock.unlock());
    done
}

fn deliver_alone(ctx: &Ctx, now: At) -> Result<Delivered> {
    let mut post = Post::new(ctx, now)?;
    post.settle(now)?;
    post.send_all(now)?;
    post.done.stopped = post.routes.into_stopped();
    Ok(post.done)
}

/// A message as it would go out.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// Its id.
    pub id: MessageId,
    /// Which text.
    pub template: String,
    /// Who hears it, masked.
    pub to: String,
    /// Over which channel.
    pub channel: Option<String>,
    /// The finished text; `None` when it would not be sent.
    pub text: Option<String>,
    /// Why it would not be sent.
    pub why: Option<String>,
    /// From when on it would be, where time alone changes it.
    pub from: Option<At>,
}

/// What [`deliver`] would do with the first `limit` messages, and how many there are. Touches nothing.
///
/// # Errors
/// When the shop's own texts are broken or the database cannot be read.
pub fn preview(ctx: &Ctx, now: At, limit: u32) -> Result<(u64, Vec<Preview>)> {
    let (post, letters) = (Post::new(ctx, now)?, letters(ctx)?);
    let quiet = is_quiet(ctx, now);
    let mut shown = Vec::new();
    for first in [true, false] {
        let left = limit.saturating_sub(u32::try_from(shown.len()).unwrap_or(limit));
        let page = db::message::sendable(ctx.db.read(), now, quiet, first, MessageId::new(0), left)?;
        shown.extend(page.iter().map(|it| post.previewed(it, &letters, now)));
    }
    Ok((db::message::count_sendable(ctx.db.read(), now, quiet)?, shown))
}

/// What [`deliver`] would do with one message now, whatever its hour; `None` when there is no such message. Touches nothing.
///
/// # Errors
/// As [`preview`].
pub fn preview_one(ctx: &Ctx, id: MessageId, now: At) -> Result<Option<Preview>> {
    let Some(it) = db::message::get_addressed(ctx.db.read(), id)? else { return Ok(None) };
    Ok(Some(Post::new(ctx, now)?.previewed(&it, &letters(ctx)?, now)))
}

/// A person says that a message in doubt arrived. An announcement counts from now on, never from before.
pub(super) fn settled(ctx: &Ctx, tx: &Conn, it: &Addressed, now: At) -> Result<()> {
    let said = t!("arrived, as a person says");
    db::message::set_state(tx, it.message.id, MessageState::Sent, None, &said, now)?;
    match notice_of(it) {
        Ok(Some(notice)) => put_notice(ctx, tx, notice, now),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Delivery at work.
struct Post<'a> {
    ctx: &'a Ctx,
    routes: Routes<'a>,
    /// What tells this shop's messages from others.
    install_code: String,
    lost: BTreeMap<String, u32>,
    done: Delivered,
}

/// What to do with a message.
enum Fate {
    Send {
        parcel: Box<Parcel>,
        notice: Option<Notice>,
    },
    /// Not now; it stays queued.
    Hold,
    Drop(String),
    Fail(String),
}

/// What the books say once the message is sent.
#[derive(Clone, Copy)]
struct Notice {
    kind: DebitNoticeKind,
    installment: InstallmentId,
    due: NaiveDate,
    amount: Money,
}

/// A message on its way.
struct Job {
    id: MessageId,
    parcel: Parcel,
    notice: Option<Notice>,
    audience: Audience,
    mark: Vec<u8>,
    /// Channels that refused it for good, with what they said.
    refused: Vec<String>,
    said: Vec<String>,
    since: At,
    /// True once it stands on disk as being sent.
    marked: bool,
}

/// A message moves on.
struct Change {
    id: MessageId,
    to: MessageState,
    /// The channel that had it; `None` leaves what stands there.
    channel: Option<String>,
    refused: Vec<String>,
    said: String,
    /// When; for one that goes back into the queue, from when on it may be sent.
    at: At,
    notice: Option<Notice>,
}

impl<'a> Post<'a> {
    fn new(ctx: &'a Ctx, now: At) -> Result<Post<'a>> {
        let identity = db::shop::identity(ctx.db.read())?;
        Ok(Post {
            ctx,
            routes: Routes::new(ctx, now)?,
            install_code: identity.install_code,
            lost: BTreeMap::new(),
            done: Delivered::default(),
        })
    }

    /// Messages that were in the air when a delivery died, and those whose answer was lost.
    fn settle(&mut self, now: At) -> Result<()> {
        let doubtful = db::message::in_doubt(self.ctx.db.read(), is_quiet(self.ctx, now))?;
        let messages = &self.ctx.config.settings.messages;
        let mut by_channel: BTreeMap<&str, Vec<&Addressed>> = BTreeMap::new();
        for it in &doubtful {
            // What waited in a restored database went, if it did, over its first choice.
            let first = order(messages, it.message.audience, &it.message.template).first();
            let name = it.message.channel.as_ref().or(first).map_or("", String::as_str);
            by_channel.entry(name).or_default().push(it);
        }
        let mut changes = Vec::new();
        for (name, list) in by_channel {
            let handed: Vec<Handed> = list
                .iter()
                .map(|it| Handed {
                    parcel: self.parcel(it, String::new(), BTreeMap::new()),
                    at: it.message.handed_at.unwrap_or(it.message.created_at),
                })
                .collect();
            // A channel that is gone from shop.toml can tell no more than one that keeps no lists.
            let traces = self.ctx.notify.get(name).map(|it| it.look_up(&handed)).unwrap_or_default();
            let traces = traces.into_iter().chain(std::iter::repeat(Trace::CannotTell));
            changes.extend(list.into_iter().zip(traces).filter_map(|(it, trace)| self.traced(it, name, trace, now)));
        }
        self.commit(changes, now)
    }

    /// What a look-up means for a message; `None` when it stays as it is.
    fn traced(&mut self, it: &Addressed, name: &str, trace: Trace, now: At) -> Option<Change> {
        let id = it.message.id;
        let change = |to: MessageState, said: String| Change {
            id,
            to,
            channel: None,
            refused: it.message.refused.clone(),
            said,
            at: now,
            notice: None,
        };
        let again = |said: String, refused: bool| {
            let mut change = change(MessageState::Queued, said);
            change.refused.extend(refused.then(|| name.to_owned()));
            // Never earlier than its hour.
            change.at =
                contact_time(it.message.audience, now, self.ctx.config.settings.messages.hours, self.ctx.zone());
            change
        };
        match trace {
            Trace::Took { said } => {
                self.done.sent += 1;
                // An announcement that was in doubt counts from now on, never from before.
                let notice = notice_of(it).ok().flatten();
                Some(Change { notice, ..change(MessageState::Sent, said) })
            }
            Trace::Refused { said } => Some(again(said, true)),
            Trace::Again { said } => Some(again(said, it.message.tries >= MAX_TRIES)),
            Trace::Repeat { said } => {
                let mut change = again(said, false);
                // Another channel would tell it twice.
                let order = order(&self.ctx.config.settings.messages, it.message.audience, &it.message.template);
                change.refused = order.iter().filter(|other| *other != name).cloned().collect();
                Some(change)
            }
            Trace::NotYet { said } => {
                self.done.in_doubt.push(id);
                self.doubtful(it, said).map(|said| change(MessageState::Unknown, said))
            }
            Trace::CannotTell => {
                self.done.in_doubt.push(id);
                self.done.undecidable.push(id);
                let said = t!("a delivery was interrupted");
                self.doubtful(it, said).map(|said| change(MessageState::Unknown, said))
            }
        }
    }

    /// What is written about a message that stays in doubt; `None` when it is in doubt already, and the first reason stays.
    fn doubtful(&self, it: &Addressed, said: String) -> Option<String> {
        (it.message.state == MessageState::Sending).then_some(said)
    }

    fn send_all(&mut self, now: At) -> Result<()> {
        let ctx = self.ctx;
        let total = db::message::count_sendable(ctx.db.read(), now, is_quiet(ctx, now))?;
        if total == 0 {
            return Ok(());
        }
        // Read only now: most hours have an empty outbox.
        let letters = letters(ctx)?;
        ctx.say(Event::Begin { label: t!("messages"), total });
        // The answers of one call are written together with the marks of the next.
        let mut changes = Vec::new();
        for first in [true, false] {
            let mut after = MessageId::new(0);
            loop {
                let at = ctx.now().max(now);
                let page = db::message::sendable(ctx.db.read(), at, is_quiet(ctx, at), first, after, PAGE)?;
                let Some(last) = page.last() else { break };
                after = last.message.id;
                let mut jobs = VecDeque::with_capacity(page.len());
                for it in &page {
                    let (id, mut moved) = (it.message.id, None);
                    match self.prepare(it, &letters) {
                        Fate::Hold => {}
                        Fate::Drop(why) => {
                            self.done.dropped += 1;
                            moved = Some((MessageState::Dropped, why));
                        }
                        Fate::Fail(why) => {
                            self.done.failed.push(id);
                            moved = Some((MessageState::Failed, why));
                        }
                        Fate::Send { parcel, notice } => jobs.push_back(self.job(it, *parcel, notice)),
                    }
                    changes.extend(moved.map(|(to, said)| Change {
                        id,
                        to,
                        channel: None,
                        refused: it.message.refused.clone(),
                        said,
                        at,
                        notice: None,
                    }));
                }
                self.work_off(jobs, &mut changes, now)?;
                ctx.say(Event::Step(u64::try_from(page.len()).unwrap_or_default()));
            }
        }
        self.commit(changes, ctx.now().max(now))?;
        ctx.say(Event::End);
        Ok(())
    }

    /// Finds the way of each message and hands it over, as many at once as its channel takes.
    fn work_off(&mut self, mut jobs: VecDeque<Job>, changes: &mut Vec<Change>, now: At) -> Result<()> {
        let ctx = self.ctx;
        loop {
            let at = ctx.now().max(now);
            let mut batch: Vec<Job> = Vec::new();
            let mut by: Option<(&dyn Notify, String)> = None;
            while let Some(job) = jobs.pop_front() {
                let name = match self.routes.way(&job.seeker(), at) {
                    Way::By(name) => name,
                    other => {
                        changes.extend(self.set_aside(job, other, at));
                        continue;
                    }
                };
                if by.as_ref().is_some_and(|(_, chosen)| *chosen != name) {
                    jobs.push_front(job);
                    break;
                }
                let channel = ctx.notify.get(&name).context("a way leads over a channel that exists")?;
                self.routes.count(&name, &job.mark);
                by = Some((channel, name));
                batch.push(job);
                if batch.len() >= channel.batch() {
                    break;
                }
            }
            let Some((channel, name)) = by else { return Ok(()) };
            changes.extend(batch.iter().map(|job| Change {
                id: job.id,
                to: MessageState::Sending,
                channel: Some(name.clone()),
                refused: job.refused.clone(),
                said: String::new(),
                at,
                notice: None,
            }));
            self.commit(std::mem::take(changes), at)?;
            let parcels: Vec<Parcel> = batch.iter().map(|job| job.parcel.clone()).collect();
            let silent = || Receipt::Unknown { said: t!("the channel did not answer") };
            let receipts = channel.send(&parcels).into_iter().chain(std::iter::repeat_with(silent));
            let at = ctx.now().max(now);
            let mut again = Vec::new();
            for (mut job, receipt) in batch.into_iter().zip(receipts) {
                job.marked = true;
                match self.received(job, &name, receipt, at) {
                    Next::Change(change) => changes.push(change),
                    Next::Again(job) => again.push(*job),
                }
            }
            again.into_iter().rev().for_each(|job| jobs.push_front(job));
        }
    }

    /// What a channel's answer means for a message.
    fn received(&mut self, mut job: Job, name: &str, receipt: Receipt, at: At) -> Next {
        let several = order(&self.ctx.config.settings.messages, job.audience, &job.parcel.template).len();
        let said = receipt.said().to_owned();
        if !matches!(receipt, Receipt::Sent { .. } | Receipt::Unknown { .. }) {
            self.routes.discount(name, &job.mark);
        }
        if !matches!(receipt, Receipt::Unknown { .. }) {
            self.lost.remove(name);
        }
        match receipt {
            Receipt::Sent { .. } => {
                self.done.sent += 1;
                let notice = job.notice;
                Next::Change(Change { notice, ..job.moves(MessageState::Sent, name, said, at) })
            }
            Receipt::Unknown { .. } => {
                let lost = self.lost.entry(name.to_owned()).or_default();
                *lost += 1;
                if *lost >= MAX_LOST {
                    self.routes.stop(name, &said, false);
                }
                self.done.in_doubt.push(job.id);
                Next::Change(job.moves(MessageState::Unknown, name, said, at))
            }
            Receipt::Later { wait, .. } => {
                self.done.later += 1;
                let from = match wait {
                    Wait::Minutes(minutes) => at + Duration::minutes(i64::from(minutes)),
                    Wait::Tomorrow => tomorrow(self.ctx, at),
                };
                Next::Change(job.moves(MessageState::Queued, name, said, from))
            }
            Receipt::Refused { .. } => {
                job.said.push(named(name, &said, several));
                job.refused.push(name.to_owned());
                Next::Again(Box::new(job))
            }
            Receipt::Down { .. } | Receipt::Broken { .. } => {
                self.routes.stop(name, &said, matches!(receipt, Receipt::Broken { .. }));
                job.said.push(named(name, &said, several));
                Next::Again(Box::new(job))
            }
        }
    }

    /// A message that has no way now.
    fn set_aside(&mut self, mut job: Job, way: Way, at: At) -> Option<Change> {
        match way {
            Way::Hold => {
                self.done.later += 1;
                // What no channel was given today stays as it is on disk.
                let said = job.said.pop().unwrap_or_default();
                job.marked.then(|| job.moves_on(MessageState::Queued, said, at + Duration::minutes(LATER_MINUTES)))
            }
            Way::Tomorrow { channel, cap } => {
                self.done.capped += 1;
                let said = t!(
                    "{channel}: this number had its {cap} messages of today; tomorrow",
                    channel = channel,
                    cap = cap
                );
                let from = tomorrow(self.ctx, at);
                Some(job.moves_on(MessageState::Queued, said, from))
            }
            Way::Nowhere(reasons) => {
                self.done.failed.push(job.id);
                job.said.extend(reasons);
                let said = match job.said.is_empty() {
                    true => t!("every channel refused it"),
                    false => job.said.join("; "),
                };
                Some(job.moves_on(MessageState::Failed, said, at))
            }
            Way::By(_) => None,
        }
    }

    fn commit(&self, changes: Vec<Change>, now: At) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.ctx.db.write(now, |tx| {
            for change in &changes {
                let channel = change.channel.as_deref();
                if change.to == MessageState::Queued {
                    db::message::put_back(tx, change.id, change.at, channel, &change.refused, &change.said)?;
                } else {
                    db::message::set_state(tx, change.id, change.to, channel, &change.said, change.at)?;
                }
                if let Some(notice) = change.notice {
                    put_notice(self.ctx, tx, notice, change.at)?;
                }
            }
            let moves = changes.iter().map(|change| (change.id, change.to.word())).collect();
            Ok(((), Op::MessagesMoved { moves }))
        })
    }

    fn previewed(&self, it: &Addressed, letters: &Letters, now: At) -> Preview {
        let (mut channel, mut text, mut why, mut from) = (None, None, None, None);
        match self.prepare(it, letters) {
            Fate::Send { parcel, notice } => {
                let job = self.job(it, *parcel, notice);
                match self.routes.way(&job.seeker(), now) {
                    Way::By(name) => (channel, text) = (Some(name), Some(job.parcel.text)),
                    Way::Hold => text = Some(job.parcel.text),
                    Way::Tomorrow { channel, cap } => {
                        from = Some(tomorrow(self.ctx, now));
                        why = Some(t!(
                            "{channel}: this number had its {cap} messages of today; tomorrow",
                            channel = channel,
                            cap = cap
                        ));
                    }
                    Way::Nowhere(reasons) => why = Some(reasons.join("; ")),
                }
            }
            Fate::Hold => why = Some(t!("the agreement is paused")),
            Fate::Drop(reason) | Fate::Fail(reason) => why = Some(reason),
        }
        Preview { id: it.message.id, template: it.message.template.clone(), to: to_whom(it), channel, text, why, from }
    }

    fn job(&self, it: &Addressed, parcel: Parcel, notice: Option<Notice>) -> Job {
        let hours = self.ctx.config.settings.messages.hours;
        let mark = match it.message.audience {
            Audience::Customer => db::customer::phone_mark(self.ctx.db.read(), &parcel.phone),
            Audience::Merchant => Vec::new(),
        };
        Job {
            id: it.message.id,
            mark,
            parcel,
            notice,
            audience: it.message.audience,
            refused: it.message.refused.clone(),
            said: Vec::new(),
            since: contact_time(it.message.audience, it.message.created_at, hours, self.ctx.zone()),
            marked: false,
        }
    }

    fn prepare(&self, it: &Addressed, letters: &Letters) -> Fate {
        let notice = match notice_of(it) {
            Ok(notice) => notice,
            Err(fate) => return *fate,
        };
        if it.message.audience == Audience::Customer && it.customer.is_none() {
            return Fate::Fail(t!("the customer's phone number is not known any more"));
        }
        let Some(lang) = Lang::from_word(&it.message.lang) else {
            return Fate::Fail(t!("the language {lang} is not known", lang = it.message.lang));
        };
        let values = self.values(it);
        match letters.render(&it.message.template, lang, &values) {
            Ok(text) => {
                let parcel = self.parcel(it, text, values.into_iter().map(plain).collect());
                Fate::Send { parcel: Box::new(parcel), notice }
            }
            Err(error) => Fate::Fail(self.why(&error)),
        }
    }

    /// The params, and what is filled in at delivery.
    fn values(&self, it: &Addressed) -> Map<String, Value> {
        let config = &self.ctx.config;
        let merchant = &config.settings.merchant;
        let phone = if merchant.phone.is_empty() { &merchant.complaint_phone } else { &merchant.phone };
        let mut values = Map::new();
        let mut set = |name: &str, value: String| values.insert(name.to_owned(), Value::String(value));
        set("shop", config.shop_name(Lang::Zh).to_owned());
        set("shop_en", config.shop_name(Lang::En).to_owned());
        set("phone", phone.clone());
        set("link", format!("{}{}", config.settings.messages.link, record(&it.message)));
        if let Some((name, phone)) = &it.customer {
            set("who", label(name, phone));
        }
        if let Some((no, _)) = &it.agreement {
            set("no", no.clone());
        }
        if let Some((name, _)) = &it.pet {
            set("pet", name.clone());
        }
        if let Some((due, _, _)) = &it.term {
            // With its year, as WeChat wants a date.
            set(DAY, due.format("%Y年%-m月%-d日").to_string());
        }
        if let Ok(Value::Object(params)) = serde_json::from_str(&it.message.params) {
            values.extend(params);
        }
        values
    }

    fn parcel(&self, it: &Addressed, text: String, values: BTreeMap<String, String>) -> Parcel {
        let settings = &self.ctx.config.settings;
        let (phone, email, openid) = match it.message.audience {
            Audience::Customer => {
                let phone = it.customer.as_ref().map(|(_, phone)| phone.clone()).unwrap_or_default();
                (phone, it.contact.email.clone(), it.contact.openid.clone())
            }
            Audience::Merchant => {
                let own = [&settings.messages.owner_phone, &settings.merchant.phone];
                let phone = own.into_iter().find(|phone| !phone.is_empty()).cloned().unwrap_or_default();
                (phone, Some(settings.messages.owner_email.clone()).filter(|email| !email.is_empty()), None)
            }
        };
        let lang = Lang::from_word(&it.message.lang).unwrap_or_default();
        let title = title_in(lang, &it.message.template);
        let subject = match lang {
            Lang::Zh => format!("【{}】{title}", self.ctx.config.shop_name(lang)),
            Lang::En => format!("[{}] {title}", self.ctx.config.shop_name(lang)),
        };
        Parcel {
            id: it.message.id.to_string(),
            key: key(&self.install_code, &it.message),
            template: it.message.template.clone(),
            audience: it.message.audience.word().to_owned(),
            phone,
            email,
            openid,
            lang: it.message.lang.clone(),
            subject,
            text,
            values,
        }
    }

    fn why(&self, error: &LetterError) -> String {
        match error {
            LetterError::Unknown => t!("there is no text of this name"),
            LetterError::Missing(names) if names.iter().all(|name| name == "phone") => {
                t!("the text names the shop's phone, and merchant.phone in shop.toml is empty")
            }
            LetterError::Missing(names) => t!("the text lacks {names}", names = names.join(", ")),
            LetterError::Broken(why) => t!("the text is written wrong: {why}", why = why),
        }
    }
}

/// What comes after an answer.
enum Next {
    /// It is written down.
    Change(Change),
    /// It looks for another way.
    Again(Box<Job>),
}

impl Job {
    fn seeker(&self) -> Seeker<'_> {
        Seeker {
            parcel: &self.parcel,
            audience: self.audience,
            mark: &self.mark,
            refused: &self.refused,
            since: self.since,
        }
    }

    fn moves(self, to: MessageState, channel: &str, said: String, at: At) -> Change {
        Change { channel: Some(channel.to_owned()), ..self.moves_on(to, said, at) }
    }

    fn moves_on(self, to: MessageState, said: String, at: At) -> Change {
        Change { id: self.id, to, channel: None, refused: self.refused, said, at, notice: None }
    }
}

/// The texts of this shop.
fn letters(ctx: &Ctx) -> Result<Letters> {
    let path = ctx.config.letters_path();
    let own = match config::read_text(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    Letters::new(own.as_deref()).map_err(|why| {
        Fault::refused(t!("{path} cannot be used: {why}", path = path.display(), why = why))
            .hint(t!("mend the file, or move it away to use the built-in texts; no message was sent"))
            .into()
    })
}

/// Which notice a message gives, when it announces a debit that still stands.
fn notice_of(it: &Addressed) -> std::result::Result<Option<Notice>, Box<Fate>> {
    let Some((kind, day)) = debit_notice(&it.message.event) else { return Ok(None) };
    let dropped = |why: String| Err(Box::new(Fate::Drop(why)));
    let (Some(installment), Some((due, amount, state))) = (it.message.installment(), it.term) else {
        return dropped(t!("the installment does not exist"));
    };
    if state != InstallmentState::Open {
        return dropped(t!("{installment} is not open any more", installment = installment));
    }
    if day.is_some_and(|day| day != due) {
        return dropped(t!("{installment} was moved to {day}", installment = installment, day = due));
    }
    match &it.agreement {
        Some((_, AgreementState::Active)) => {}
        Some((_, AgreementState::Paused)) => return Err(Box::new(Fate::Hold)),
        _ => return dropped(t!("the agreement does not run any more")),
    }
    if it.pet.as_ref().is_some_and(|(_, gone)| *gone) {
        return dropped(t!("the pet died, was lost or was returned"));
    }
    Ok(Some(Notice { kind, installment, due, amount }))
}

/// The announcement was given at `at`; a charge must be so many hours younger.
fn put_notice(ctx: &Ctx, tx: &Conn, it: Notice, at: At) -> Result<()> {
    if it.kind == DebitNoticeKind::Announcement {
        let notice_time = Duration::hours(i64::from(ctx.config.settings.debit.notice_hours));
        db::installment::set_charge_from(tx, it.installment, at + notice_time)?;
    }
    db::installment::put_notice(tx, it.installment, it.kind.word(), 0, it.due, it.amount, at)
}

/// True outside the hours in which customers may be contacted.
pub(super) fn is_quiet(ctx: &Ctx, at: At) -> bool {
    !ctx.config.settings.messages.hours.contains(time_of(at, ctx.zone()))
}

/// A message's number towards providers: from what is stored of it and not from its row, so that a restored database gives the
/// same message the same number, and another message another one.
fn key(install_code: &str, it: &Message) -> String {
    let stored = format!("{} {}", it.event, it.created_at.timestamp());
    let digest: String = keys::sha256_hex(stored.as_bytes()).chars().take(KEY_DIGITS).collect();
    format!("{install_code}{digest}")
}

/// A value as plain text: numbers without quotes.
fn plain((name, value): (String, Value)) -> (String, String) {
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    (name, text)
}
