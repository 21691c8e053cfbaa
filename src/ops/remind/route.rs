//! Which channel carries which message: the order in `shop.toml`, what a channel can never carry, what stopped in this delivery, and
//! how much a phone number may get in a day. Asks no channel anything but what it knows by itself.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::Duration;
use serde::Serialize;

use crate::adapters::notify::aliyun::Aliyun;
use crate::adapters::notify::exec::{self, Exec};
use crate::adapters::notify::print::{self, Print};
use crate::adapters::notify::registered::Texts;
use crate::adapters::notify::smtp::Smtp;
use crate::adapters::notify::tencent::Tencent;
use crate::adapters::notify::webhook::Webhook;
use crate::adapters::notify::wechat::Wechat;
use crate::adapters::notify::{Notify, Parcel};
use crate::clock::Clock;
use crate::config::{ChannelKind, ChannelSettings, Config, Messages};
use crate::db;
use crate::domain::date::{At, day_of, moment};
use crate::domain::message::{Audience, DAY, FILLED, REQUIRED};
use crate::ops::Ctx;
use crate::t;
use crate::text::Lang;

pub use crate::adapters::rail::{Finding, Level};

/// Hours for which a message waits for a channel that cannot be reached before the next one is asked.
const PATIENCE_HOURS: i64 = 2;

/// The channels of a shop, by their names in `shop.toml`.
pub struct Channels {
    by_name: BTreeMap<String, Box<dyn Notify>>,
}

/// Why a channel gets nothing more in this delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// What it said.
    pub said: String,
    /// True when settings or money are wrong, and a person must mend them; false when it cannot be reached or lost an answer.
    pub broken: bool,
}

/// Where a message goes.
pub(super) enum Way {
    /// Over this channel.
    By(String),
    /// Nowhere now: its channel stopped, or it is night.
    Hold,
    /// Over no channel today, because its number has had enough of this one.
    Tomorrow {
        /// The channel.
        channel: String,
        /// How many it had.
        cap: u32,
    },
    /// Over none, ever, for these reasons.
    Nowhere(Vec<String>),
}

/// What is asked about a message that looks for its way.
pub(super) struct Seeker<'a> {
    pub(super) parcel: &'a Parcel,
    pub(super) audience: Audience,
    /// The phone number's mark; empty for the shop.
    pub(super) mark: &'a [u8],
    /// Channels that refused it for good.
    pub(super) refused: &'a [String],
    /// Since when it might have been sent.
    pub(super) since: At,
}

/// The ways of one delivery.
pub(super) struct Routes<'a> {
    ctx: &'a Ctx,
    stopped: BTreeMap<String, Stop>,
    /// How many messages a number was given today, on channels that have a cap: a long outbox must not fill the memory.
    handed: BTreeMap<(String, Mark), u64>,
}

/// The beginning of a number's mark, which is a hash: enough to tell numbers apart.
type Mark = [u8; 8];

fn short(mark: &[u8]) -> Mark {
    let mut short = Mark::default();
    for (to, from) in short.iter_mut().zip(mark) {
        *to = *from;
    }
    short
}

impl Channels {
    /// Every channel of `shop.toml`. Nothing is read and nobody is asked yet.
    ///
    /// # Errors
    /// When a setting of a channel is missing, unknown or of the wrong kind; it is named.
    pub fn open(config: &Config, clock: &Clock) -> Result<Channels> {
        let opened = config.channels.iter().map(|(name, it)| Ok((name.clone(), open_one(config, clock, it)?)));
        Ok(Channels { by_name: opened.collect::<Result<_>>()? })
    }

    /// Puts a channel in the place of the one of its name, as measurements do.
    pub fn put(&mut self, channel: Box<dyn Notify>) {
        self.by_name.insert(channel.name().to_owned(), channel);
    }

    /// The channel called `name`.
    pub fn get(&self, name: &str) -> Option<&dyn Notify> {
        self.by_name.get(name).map(AsRef::as_ref)
    }

    /// What is wrong with the channels' settings: keys that cannot be read, accounts left empty, messages without a registered
    /// text. Asks nobody outside this machine.
    pub fn inspect(&self, config: &Config) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.by_name.values().flat_map(|channel| channel.inspect()).collect();
        for (name, channel) in &self.by_name {
            if let Some(texts) = channel.texts() {
                found.extend(misnamed(name, texts));
                found.extend(lacking(&config.settings.messages, name, texts));
            }
        }
        found
    }
}

impl<'a> Routes<'a> {
    /// The ways at the beginning of a delivery.
    pub(super) fn new(ctx: &'a Ctx, now: At) -> Result<Routes<'a>> {
        let mut routes = Routes { ctx, stopped: BTreeMap::new(), handed: BTreeMap::new() };
        if ctx.config.channels.values().any(|it| it.daily_per_number > 0) {
            db::message::handed_since(ctx.db.read(), midnight(ctx, now), |channel, mark, number| {
                if routes.cap(channel) > 0 {
                    *routes.handed.entry((channel.to_owned(), short(mark))).or_default() += number;
                }
            })?;
        }
        Ok(routes)
    }

    /// Where a message goes at `now`.
    pub(super) fn way(&self, it: &Seeker<'_>, now: At) -> Way {
        let messages = &self.ctx.config.settings.messages;
        if it.audience == Audience::Customer && super::is_quiet(self.ctx, now) {
            return Way::Hold;
        }
        let mut reasons = Vec::new();
        let mut waits = false;
        let order = order(messages, it.audience, &it.parcel.template);
        for name in order {
            let Some(channel) = self.ctx.notify.get(name) else { continue };
            if it.refused.contains(name) {
                continue;
            }
            if let Some(why) = channel.refuses(it.parcel) {
                reasons.push(named(name, &why, order.len()));
                continue;
            }
            match self.stopped.get(name) {
                // Whom settings or money keep from sending says a clear no; whom nobody can reach may be back in a moment.
                Some(stop) if !stop.broken && now - it.since < Duration::hours(PATIENCE_HOURS) => return Way::Hold,
                Some(_) => {
                    waits = true;
                    continue;
                }
                None => {}
            }
            let cap = self.cap(name);
            if cap > 0 && self.handed(name, it.mark) >= u64::from(cap) {
                return Way::Tomorrow { channel: name.clone(), cap };
            }
            return Way::By(name.clone());
        }
        if waits { Way::Hold } else { Way::Nowhere(reasons) }
    }

    /// A channel gets nothing more in this delivery. The first reason stays.
    pub(super) fn stop(&mut self, channel: &str, said: &str, broken: bool) {
        self.stopped.entry(channel.to_owned()).or_insert_with(|| Stop { said: said.to_owned(), broken });
    }

    /// What stopped.
    pub(super) fn into_stopped(self) -> BTreeMap<String, Stop> {
        self.stopped
    }

    /// A channel is given a message for a number.
    pub(super) fn count(&mut self, channel: &str, mark: &[u8]) {
        if self.cap(channel) > 0 {
            *self.handed.entry((channel.to_owned(), short(mark))).or_default() += 1;
        }
    }

    /// It did not take it.
    pub(super) fn discount(&mut self, channel: &str, mark: &[u8]) {
        if let Some(count) = self.handed.get_mut(&(channel.to_owned(), short(mark))) {
            *count = count.saturating_sub(1);
        }
    }

    fn cap(&self, channel: &str) -> u32 {
        self.ctx.config.channels.get(channel).map_or(0, |it| it.daily_per_number)
    }

    fn handed(&self, channel: &str, mark: &[u8]) -> u64 {
        self.handed.get(&(channel.to_owned(), short(mark))).copied().unwrap_or_default()
    }
}

/// The channels for a message, the first choice first.
pub fn order<'a>(messages: &'a Messages, audience: Audience, template: &str) -> &'a [String] {
    match messages.by_kind.get(template) {
        Some(order) => order,
        None if audience == Audience::Merchant && !messages.to_shop.is_empty() => &messages.to_shop,
        None => &messages.channels,
    }
}

/// Registered texts for messages that do not exist, and values that a message does not have.
fn misnamed(channel: &str, texts: &Texts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (table, template, text) in texts.all() {
        let setting = format!("channel.{channel}.{table}.{template}");
        let Some((_, required)) = REQUIRED.iter().find(|(known, _)| *known == template) else {
            found.push(Finding {
                level: Level::Bad,
                what: t!("{setting}: no message is called {name}", setting = setting, name = template),
                hint: t!("`kibble remind list` and shop.example.toml name the messages"),
            });
            continue;
        };
        let has = |name: &str| required.contains(&name) || FILLED.contains(&name) || name == DAY;
        for (_, ours) in text.names().filter(|(_, ours)| !has(ours)) {
            let known: Vec<&str> = required.iter().chain(&FILLED).copied().chain([DAY]).collect();
            found.push(Finding {
                level: Level::Bad,
                what: t!("{setting}: this message has no value {name}", setting = setting, name = ours),
                hint: t!("it has {known}", known = known.join(", ")),
            });
        }
    }
    found
}

/// Messages that go over a channel which has no registered text for them.
fn lacking(messages: &Messages, channel: &str, texts: &Texts) -> Option<Finding> {
    let is_on = |template: &str| !messages.off.iter().any(|off| off == template);
    let goes_here =
        |template: &str| order(messages, audience_of(template), template).iter().any(|name| name == channel);
    let lacks = |template: &str| [Lang::Zh, Lang::En].iter().all(|lang| texts.get(template, *lang).is_none());
    let templates: Vec<&str> = REQUIRED.iter().map(|(template, _)| *template).collect();
    let lacking: Vec<&str> = templates.into_iter().filter(|it| is_on(it) && goes_here(it) && lacks(it)).collect();
    (!lacking.is_empty()).then(|| Finding {
        level: Level::Warn,
        what: t!(
            "channel {channel}: no registered text for {templates}; these go to the next channel, or nowhere",
            channel = channel,
            templates = lacking.join(", ")
        ),
        hint: t!("add them to [channel.{channel}.templates] in shop.toml", channel = channel),
    })
}

/// What a channel said, with its name where there is more than one.
pub(super) fn named(channel: &str, said: &str, channels: usize) -> String {
    if channels > 1 { format!("{channel}: {said}") } else { said.to_owned() }
}

/// When the next day's contact hours begin.
pub(super) fn tomorrow(ctx: &Ctx, now: At) -> At {
    let hours = ctx.config.settings.messages.hours;
    moment(crate::domain::date::plus_days(day_of(now, ctx.zone()), 1), hours.from, ctx.zone())
}

fn midnight(ctx: &Ctx, now: At) -> At {
    moment(day_of(now, ctx.zone()), chrono::NaiveTime::MIN, ctx.zone())
}

/// Who hears a built-in text: those to the shop are named so.
fn audience_of(template: &str) -> Audience {
    let to_shop = template.ends_with("_merchant")
        || ["high_risk_alert", "complaint_sla_breach", "advance_settled"].contains(&template);
    if to_shop { Audience::Merchant } else { Audience::Customer }
}

fn open_one(config: &Config, clock: &Clock, it: &ChannelSettings) -> Result<Box<dyn Notify>> {
    let (name, http) = (it.name.as_str(), &config.settings.http);
    Ok(match it.adapter {
        ChannelKind::Print => {
            let account: print::Account = it.account()?;
            Box::new(Print::new(name, config.folder.join(account.file)))
        }
        ChannelKind::Exec => {
            let account: exec::Account = it.account()?;
            Box::new(Exec::new(name, account.command, account.timeout_seconds))
        }
        ChannelKind::Aliyun => Box::new(Aliyun::open(name, &it.account()?, http, clock.clone())),
        ChannelKind::Tencent => Box::new(Tencent::open(name, &it.account()?, http, clock.clone())),
        ChannelKind::Wechat => Box::new(Wechat::open(name, &it.account()?, http, clock.clone())),
        ChannelKind::Webhook => Box::new(Webhook::open(name, &it.account()?, http, clock.clone())),
        ChannelKind::Smtp => Box::new(Smtp::open(name, &it.account()?, http, clock.clone())),
    })
}
