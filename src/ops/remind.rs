//! Messages: queueing an event's message once, inside contact hours, and delivering what is queued. Note, tell, note: a message
//! is on disk as being sent before its channel hears of it, so that after a crash nobody is told twice.

use std::fs::File;
use std::fs::TryLockError;

use anyhow::{Context, Result};
use chrono::{Duration, NaiveDate};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::adapters::notify::{Parcel, Receipt};
use crate::db::message::{Addressed, Message};
use crate::db::{self, Conn};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::InstallmentState;
use crate::domain::customer::{Phone, mask_name};
use crate::domain::date::{At, time_of};
use crate::domain::id::{AgreementId, CustomerId, InstallmentId, MessageId};
use crate::domain::message::{Audience, DebitNoticeKind, MessageState, NewMessage, contact_time, debit_notice};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::fault::Fault;
use crate::ops::{Ctx, Event};
use crate::t;
use crate::text::Lang;
use crate::text::letters::{LetterError, Letters};

/// Messages handed over at once, with one commit before and one after.
const PAGE: u32 = 200;
/// Minutes until a channel that was down is tried again.
const LATER_MINUTES: i64 = 15;

/// A message about one event.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Names the event, for example `pre_debit_48h:a-7/3:2026-11-05`; the same event is told once.
    pub event: String,
    /// Which text of `notifications.toml`.
    pub template: &'static str,
    /// Who hears it.
    pub audience: Audience,
    /// About which customer.
    pub customer: Option<CustomerId>,
    /// About which agreement.
    pub agreement: Option<AgreementId>,
    /// About which term.
    pub term: Option<u32>,
    /// `zh` or `en`.
    pub lang: String,
    /// Values for the text that hold no personal data, see [`crate::domain::message::REQUIRED`]; names and the shop's own values
    /// are filled in at delivery.
    pub params: Value,
}

/// Queues `letter` inside the transaction of the change it tells of. Returns false when the event was told before, or when the
/// shop switched this message off.
pub fn tell(ctx: &Ctx, tx: &Conn, letter: Letter, now: At) -> Result<bool> {
    let messages = &ctx.config.settings.messages;
    if messages.off.iter().any(|off| off == letter.template) {
        return Ok(false);
    }
    let new = NewMessage {
        not_before: contact_time(letter.audience, now, messages.hours, ctx.zone()),
        event: letter.event,
        template: letter.template,
        audience: letter.audience,
        customer: letter.customer,
        agreement: letter.agreement,
        term: letter.term,
        lang: letter.lang,
        params: letter.params,
    };
    db::message::queue(tx, &new, now)
}

/// What became of the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// How many the channel took.
    pub sent: u64,
    /// Messages that can never be sent as they are: refused by the channel, or with a text that cannot be made.
    pub failed: Vec<MessageId>,
    /// How many were overtaken by events.
    pub dropped: u64,
    /// How many wait because the channel is down.
    pub later: u64,
    /// Messages of which nobody knows whether they arrived. They count as sent, so that nobody is told twice.
    pub in_doubt: Vec<MessageId>,
    /// Why the channel takes nothing now.
    pub channel_down: Option<String>,
    /// True when another kibble is delivering at this moment; nothing was done then.
    pub busy: bool,
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
    let mut post = Post { ctx, letters: letters(ctx)?, done: Delivered::default() };
    post.settle(now)?;
    post.send_all(now)?;
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
    /// The finished text; `None` when it would not be sent.
    pub text: Option<String>,
    /// Why it would not be sent.
    pub why: Option<String>,
}

/// What [`deliver`] would do with the first `limit` messages, and how many there are. Touches nothing.
///
/// # Errors
/// When the shop's own texts are broken or the database cannot be read.
pub fn preview(ctx: &Ctx, now: At, limit: u32) -> Result<(u64, Vec<Preview>)> {
    let post = Post { ctx, letters: letters(ctx)?, done: Delivered::default() };
    let quiet = is_quiet(ctx, now);
    let page = db::message::sendable(ctx.db.read(), now, quiet, MessageId::new(0), limit)?;
    let shown = page.iter().map(|it| {
        let (text, why) = match post.prepare(it) {
            Fate::Send { parcel, .. } => (Some(parcel.text), None),
            Fate::Hold => (None, Some(t!("the agreement is paused"))),
            Fate::Drop(why) | Fate::Fail(why) => (None, Some(why)),
        };
        Preview { id: it.message.id, template: it.message.template.clone(), to: to_whom(it), text, why }
    });
    Ok((db::message::count_sendable(ctx.db.read(), now, quiet)?, shown.collect()))
}

/// A message in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Who hears it, masked.
    pub to: String,
}

/// The newest messages first; of one customer or in one state when given.
///
/// # Errors
/// When the database cannot be read.
pub fn list(ctx: &Ctx, customer: Option<CustomerId>, state: Option<MessageState>, limit: u32) -> Result<Vec<Listed>> {
    let found = db::message::newest_addressed(ctx.db.read(), customer, state, limit)?;
    Ok(found.into_iter().map(|it| Listed { to: to_whom(&it), message: it.message }).collect())
}

/// Puts a failed message back into the queue, after its cause was removed. Returns when it will be sent.
///
/// # Errors
/// When there is no such message, or it has not failed.
pub fn retry(ctx: &Ctx, id: MessageId, now: At) -> Result<At> {
    let Some(message) = db::message::get(ctx.db.read(), id)? else {
        return Err(Fault::not_found(t!("there is no message {message}", message = id))
            .hint(t!("`kibble remind list --state failed` shows those that failed"))
            .into());
    };
    if message.state != MessageState::Failed {
        let state = state_text(message.state);
        return Err(Fault::refused(t!("message {message} has not failed: it is {state}", message = id, state = state))
            .hint(t!("`kibble remind list --state failed` shows those that failed"))
            .into());
    }
    let not_before = contact_time(message.audience, now, ctx.config.settings.messages.hours, ctx.zone());
    ctx.db.write(now, |tx| {
        db::message::requeue(tx, id, not_before)?;
        Ok((not_before, Op::MessageRetried { message: id }))
    })
}

/// The state of a message in the chosen language.
pub fn state_text(state: MessageState) -> String {
    match state {
        MessageState::Queued => t!("queued"),
        MessageState::Sending => t!("being sent"),
        MessageState::Sent => t!("sent"),
        MessageState::Failed => t!("not sent"),
        MessageState::Dropped => t!("overtaken"),
    }
}

/// Delivery at work.
struct Post<'a> {
    ctx: &'a Ctx,
    letters: Letters,
    done: Delivered,
}

/// What to do with a message.
enum Fate {
    Send {
        parcel: Parcel,
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

/// A message moves on.
struct Change {
    id: MessageId,
    to: MessageState,
    said: String,
    /// When; for one that goes back into the queue, from when on it may be sent.
    at: At,
    notice: Option<Notice>,
}

impl Post<'_> {
    /// Messages that were in the air when a delivery died.
    fn settle(&mut self, now: At) -> Result<()> {
        let doubtful = db::message::in_doubt(self.ctx.db.read(), is_quiet(self.ctx, now))?;
        if doubtful.is_empty() {
            return Ok(());
        }
        let parcels: Vec<Parcel> = doubtful.iter().map(|it| self.parcel(it, String::new())).collect();
        let took = self.ctx.notify.took(&parcels);
        let mut changes = Vec::with_capacity(doubtful.len());
        for (place, it) in doubtful.iter().enumerate() {
            let known = took.as_ref().and_then(|took| took.get(place)).copied();
            let (to, said) = match known {
                Some(true) => (MessageState::Sent, String::new()),
                Some(false) => (MessageState::Queued, t!("a delivery was interrupted before it was sent")),
                None => {
                    self.done.in_doubt.push(it.message.id);
                    (MessageState::Sent, in_doubt(&t!("a delivery was interrupted")))
                }
            };
            self.done.sent += u64::from(to == MessageState::Sent);
            // A notice in doubt counts from now on, never from before.
            let notice = if to == MessageState::Sent { notice_of(it).ok().flatten() } else { None };
            changes.push(Change { id: it.message.id, to, said, at: now, notice });
        }
        self.commit(changes, now)
    }

    fn send_all(&mut self, now: At) -> Result<()> {
        let ctx = self.ctx;
        let total = db::message::count_sendable(ctx.db.read(), now, is_quiet(ctx, now))?;
        if total == 0 {
            return Ok(());
        }
        ctx.say(Event::Begin { label: t!("messages"), total });
        let mut after = MessageId::new(0);
        // The answers of one page are written together with the marks of the next.
        let mut changes = Vec::new();
        while self.done.channel_down.is_none() {
            let at = ctx.now().max(now);
            let page = db::message::sendable(ctx.db.read(), at, is_quiet(ctx, at), after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.message.id;
            let mut parcels = Vec::with_capacity(page.len());
            let mut notices = Vec::with_capacity(page.len());
            for it in &page {
                let id = it.message.id;
                match self.prepare(it) {
                    Fate::Hold => {}
                    Fate::Drop(why) => {
                        self.done.dropped += 1;
                        changes.push(Change { id, to: MessageState::Dropped, said: why, at, notice: None });
                    }
                    Fate::Fail(why) => {
                        self.done.failed.push(id);
                        changes.push(Change { id, to: MessageState::Failed, said: why, at, notice: None });
                    }
                    Fate::Send { parcel, notice } => {
                        changes.push(Change { id, to: MessageState::Sending, said: String::new(), at, notice: None });
                        parcels.push(parcel);
                        notices.push((id, notice));
                    }
                }
            }
            self.commit(std::mem::take(&mut changes), at)?;
            if !parcels.is_empty() {
                changes = self.hand_over(&parcels, &notices, at);
            }
            ctx.say(Event::Step(u64::try_from(page.len()).unwrap_or_default()));
        }
        self.commit(changes, ctx.now().max(now))?;
        ctx.say(Event::End);
        Ok(())
    }

    /// Asks the channel and turns its answers into changes.
    fn hand_over(&mut self, parcels: &[Parcel], notices: &[(MessageId, Option<Notice>)], at: At) -> Vec<Change> {
        let silent = || Receipt::Unknown { said: t!("the channel did not answer") };
        let receipts = self.ctx.notify.send(parcels).into_iter().chain(std::iter::repeat_with(silent));
        let mut changes = Vec::with_capacity(parcels.len());
        for ((id, notice), receipt) in notices.iter().copied().zip(receipts) {
            let mut at = at;
            let (to, said, notice) = match receipt {
                Receipt::Sent { said } => {
                    self.done.sent += 1;
                    (MessageState::Sent, said, notice)
                }
                Receipt::Later { said } => {
                    self.done.later += 1;
                    at += Duration::minutes(LATER_MINUTES);
                    self.done.channel_down.get_or_insert_with(|| said.clone());
                    (MessageState::Queued, said, None)
                }
                Receipt::Refused { said } => {
                    self.done.failed.push(id);
                    (MessageState::Failed, said, None)
                }
                Receipt::Unknown { said } => {
                    // A channel that loses answers is not given more today.
                    self.done.channel_down.get_or_insert_with(|| said.clone());
                    self.done.sent += 1;
                    self.done.in_doubt.push(id);
                    (MessageState::Sent, in_doubt(&said), notice)
                }
            };
            changes.push(Change { id, to, said, at, notice });
        }
        changes
    }

    fn commit(&self, changes: Vec<Change>, now: At) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let channel = self.ctx.notify.name();
        let notice_time = Duration::hours(i64::from(self.ctx.config.settings.debit.notice_hours));
        self.ctx.db.write(now, |tx| {
            for change in &changes {
                if change.to == MessageState::Queued {
                    db::message::put_back(tx, change.id, change.at, channel, &change.said)?;
                } else {
                    db::message::set_state(tx, change.id, change.to, channel, &change.said, change.at)?;
                }
                if let Some(it) = change.notice {
                    if it.kind == DebitNoticeKind::Announcement {
                        db::installment::set_charge_from(tx, it.installment, change.at + notice_time)?;
                    }
                    let kind = it.kind.word();
                    db::installment::put_notice(tx, it.installment, kind, 0, it.due, it.amount, change.at)?;
                }
            }
            let moves = changes.iter().map(|change| (change.id, change.to.word())).collect();
            Ok(((), Op::MessagesMoved { moves }))
        })
    }

    fn prepare(&self, it: &Addressed) -> Fate {
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
        match self.letters.render(&it.message.template, lang, &self.values(it)) {
            Ok(text) => Fate::Send { parcel: self.parcel(it, text), notice },
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
            set("who", masked(name, phone));
        }
        if let Some((no, _)) = &it.agreement {
            set("no", no.clone());
        }
        if let Some((name, _)) = &it.pet {
            set("pet", name.clone());
        }
        if let Ok(Value::Object(params)) = serde_json::from_str(&it.message.params) {
            values.extend(params);
        }
        values
    }

    fn parcel(&self, it: &Addressed, text: String) -> Parcel {
        let phone = match it.message.audience {
            Audience::Customer => it.customer.as_ref().map(|(_, phone)| phone.clone()).unwrap_or_default(),
            Audience::Merchant => self.ctx.config.settings.merchant.phone.clone(),
        };
        Parcel {
            id: it.message.id.to_string(),
            template: it.message.template.clone(),
            audience: it.message.audience.word().to_owned(),
            phone,
            lang: it.message.lang.clone(),
            text,
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

/// The texts of this shop.
fn letters(ctx: &Ctx) -> Result<Letters> {
    let path = ctx.config.letters_path();
    let own = match std::fs::read_to_string(&path) {
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

fn is_quiet(ctx: &Ctx, at: At) -> bool {
    !ctx.config.settings.messages.hours.contains(time_of(at, ctx.zone()))
}

/// The record that a message's link leads to.
fn record(message: &Message) -> String {
    match (message.installment(), message.agreement, message.customer) {
        (Some(installment), _, _) => installment.to_string(),
        (None, Some(agreement), _) => agreement.to_string(),
        (None, None, Some(customer)) => customer.to_string(),
        (None, None, None) => message.id.to_string(),
    }
}

/// Who hears a message, masked: `王** 199****0001`, or the shop.
fn to_whom(it: &Addressed) -> String {
    match (it.message.audience, &it.customer) {
        (Audience::Merchant, _) => t!("the shop"),
        (Audience::Customer, Some((name, phone))) => {
            let phone = Phone::parse(phone).map_or_else(|_| "***".to_owned(), |phone| phone.masked());
            format!("{} {phone}", mask_name(name))
        }
        (Audience::Customer, None) => it.message.customer.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn masked(name: &str, phone: &str) -> String {
    Phone::parse(phone).map_or_else(|_| mask_name(name), |phone| crate::domain::customer::label(name, &phone))
}

fn in_doubt(why: &str) -> String {
    t!("in doubt, counted as sent: {why}", why = why)
}
