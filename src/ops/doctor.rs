//! Looks at everything that must be well before money moves: folder, key, database, clock, rails, channels, cron, backups, and what
//! waits for a person. Changes nothing, and asks providers nothing that costs or moves anything.

use std::path::Path;

use anyhow::Result;
use chrono::{Duration, TimeDelta};
use serde::Serialize;

pub use crate::adapters::rail::Level;
use crate::adapters::rail::{Capability, MOST_SKEW_SECONDS, Rail, Trouble};
use crate::config::{AdapterKind, Config, SHOP_TOML};
use crate::db;
use crate::db::doctor::Backlog;
use crate::domain::date::{At, plus_days};
use crate::fault::{Fault, io_reason};
use crate::ops::mandate::trouble_text;
use crate::ops::{self, Ctx, credit, init, recon, refund, statement, witness};
use crate::t;

/// Seconds by which our clock and a provider's may differ before somebody should look; beyond [`MOST_SKEW_SECONDS`] it refuses us.
const SKEW_WARN_SECONDS: i64 = 60;
/// Cron runs every hour: after two of them somebody should look.
const RUN_WARN_HOURS: i64 = 2;
/// A run that began so long ago and has not ended was stopped.
const RUN_STOPPED_MINUTES: i64 = 60;
/// Days after which a backup is old.
const BACKUP_WARN_DAYS: i64 = 2;
/// Days after which the bill of a day should be there.
const BILL_WARN_DAYS: i64 = 3;
/// Hours after which an outcome that nobody knows should have been settled.
const UNKNOWN_BAD_HOURS: i64 = 24;
/// Hours after which a message that could have been sent is late.
const LATE_HOURS: i64 = 2;
/// Days for which a failed message is news.
const FAILED_DAYS: i64 = 7;
/// Free space below which somebody should look, and below which nothing can be relied on, in MiB.
const SPACE_WARN_MIB: u64 = 500;
const SPACE_BAD_MIB: u64 = 50;

/// Something the doctor saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `folder`, `key`, `database`, `clock`, `rail`, `channel`, `cron`, `backup`, `money`, `messages`, `credit`, …
    pub about: &'static str,
    /// Which one, for example the rail's name; empty where there is one only.
    pub name: String,
    /// How serious.
    pub level: Level,
    /// In a sentence.
    pub what: String,
    /// What to type or do next; empty when nothing.
    pub next: String,
}

/// What the doctor saw.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    /// Everything, in the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// True when providers were not asked.
    pub offline: bool,
}

impl Examined {
    /// How many findings are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|it| it.level == level).count()
    }
}

/// Examines the shop in `folder`. A database that cannot be opened is a finding, not an error.
///
/// # Errors
/// When there is no shop, its settings cannot be read, or time is pretended although real money moves.
pub fn examine(folder: &Path, now: Option<&str>, offline: bool) -> Result<Examined> {
    let config = Config::load(folder)?;
    let clock = ops::clock_for(&config, now)?;
    let mut notes = Notes(Vec::new());
    of_folder(&config, &mut notes);
    of_papers(&config, &mut notes);
    if !of_key(&config, &mut notes) {
        notes.warn("database", t!("the rest can be looked at once the data key can be read"), String::new());
        return Ok(Examined { findings: notes.0, offline });
    }
    match Ctx::wire(config, clock).map_err(ops::explain) {
        // An account that a rail or a channel cannot use is told with the name of the setting.
        Err(error) if error.to_string().starts_with(SHOP_TOML) => notes.error("settings", &error),
        Err(error) => notes.error("database", &error),
        Ok(ctx) => {
            let now = ctx.now();
            let parts: [(&'static str, Part); 8] = [
                ("database", of_database),
                ("clock", of_time),
                ("cron", of_cron),
                ("backup", of_backup),
                ("money", of_money),
                ("messages", of_messages),
                ("credit", of_credit),
                ("bill", of_bills),
            ];
            for (about, part) in parts {
                if let Err(error) = part(&ctx, now, &mut notes).map_err(ops::explain) {
                    notes.error(about, &error);
                }
            }
            of_channels(&ctx, &mut notes);
            of_rails(&ctx, offline, &mut notes);
        }
    }
    Ok(Examined { findings: notes.0, offline })
}

/// What a capability is called.
pub fn capability_text(it: Capability) -> String {
    match it {
        Capability::SignLink => t!("sign links"),
        Capability::MandateState => t!("states of mandates"),
        Capability::CloseMandate => t!("closing mandates"),
        Capability::Announce => t!("notices before debits"),
        Capability::CloseOrder => t!("closing orders"),
        Capability::Refund => t!("refunds"),
        Capability::Postpone => t!("postponing"),
        Capability::PayLink => t!("pay links"),
        Capability::Bill => t!("bills"),
        Capability::Notice => t!("asynchronous notices"),
    }
}

type Part = fn(&Ctx, At, &mut Notes) -> Result<()>;

struct Notes(Vec<Finding>);

impl Notes {
    fn add(&mut self, about: &'static str, name: &str, level: Level, what: String, next: String) {
        self.0.push(Finding { about, name: name.to_owned(), level, what, next });
    }

    fn ok(&mut self, about: &'static str, what: String) {
        self.add(about, "", Level::Ok, what, String::new());
    }

    fn warn(&mut self, about: &'static str, what: String, next: String) {
        self.add(about, "", Level::Warn, what, next);
    }

    fn bad(&mut self, about: &'static str, what: String, next: String) {
        self.add(about, "", Level::Bad, what, next);
    }

    fn error(&mut self, about: &'static str, error: &anyhow::Error) {
        let fault = error.downcast_ref::<Fault>().or_else(|| error.chain().find_map(|it| it.downcast_ref::<Fault>()));
        let next = fault.and_then(Fault::next_step).unwrap_or_default().to_owned();
        self.bad(about, error.to_string(), next);
    }
}

fn of_folder(config: &Config, notes: &mut Notes) {
    let folder = config.folder.display().to_string();
    match tempfile::Builder::new().prefix(".doctor-").tempfile_in(&config.folder) {
        Ok(_) => notes.ok("folder", t!("{folder} can be written", folder = folder)),
        Err(error) => notes.bad(
            "folder",
            t!("{folder} cannot be written: {why}", folder = folder, why = io_reason(&error)),
            t!("check who owns the folder and its files, and that the disk is not mounted read-only"),
        ),
    }
    if let Some(free_mib) = free_mib(&config.folder) {
        let what = t!("{free} MiB are free on its disk", free = free_mib);
        let next = || t!("free some space: a full disk stops the debit run");
        match free_mib {
            0..SPACE_BAD_MIB => notes.bad("folder", what, next()),
            SPACE_BAD_MIB..SPACE_WARN_MIB => notes.warn("folder", what, next()),
            _ => notes.ok("folder", what),
        }
    }
}

#[cfg(unix)]
fn free_mib(folder: &Path) -> Option<u64> {
    let it = rustix::fs::statvfs(folder).ok()?;
    Some(it.f_bavail.saturating_mul(it.f_frsize) >> 20)
}

#[cfg(not(unix))]
fn free_mib(_folder: &Path) -> Option<u64> {
    None
}

/// Says whether the key can be used.
fn of_key(config: &Config, notes: &mut Notes) -> bool {
    let path = config.settings.key_file.display().to_string();
    match config.key() {
        Err(error) => {
            notes.error("key", &error);
            return false;
        }
        Ok(_) if config.settings.key_file.starts_with(&config.folder) => notes.warn(
            "key",
            t!("{path} lies in the shop folder: whoever copies the folder can read every name", path = path),
            t!("move it elsewhere, and correct key_file in shop.toml"),
        ),
        Ok(_) => notes.ok("key", t!("{path} is readable by you alone", path = path)),
    }
    true
}

fn of_papers(config: &Config, notes: &mut Notes) {
    let merchant = &config.settings.merchant;
    let missing: Vec<&str> = [("uscc", &merchant.uscc), ("address", &merchant.address), ("phone", &merchant.phone)]
        .into_iter()
        .filter(|(_, value)| value.trim().is_empty())
        .map(|(key, _)| key)
        .collect();
    if !missing.is_empty() {
        notes.warn(
            "settings",
            t!(
                "shop.toml says nothing about the shop's {list}, which every agreement names",
                list = missing.join(", ")
            ),
            t!("fill them in under [merchant] in {path}", path = config.folder.join(SHOP_TOML).display()),
        );
    }
}

fn of_database(ctx: &Ctx, _now: At, notes: &mut Notes) -> Result<()> {
    let state = db::doctor::file_state(&ctx.db)?;
    match state.damage {
        None => notes.ok("database", t!("shop.db is sound")),
        Some(damage) => notes.bad(
            "database",
            t!("shop.db is damaged: {what}", what = damage.lines().next().unwrap_or_default()),
            t!("restore the last good copy with `kibble restore FILE`"),
        ),
    }
    if !state.has_log {
        notes.warn(
            "database",
            t!("shop.db has no log of its own (WAL), so commands wait for each other"),
            t!("run `kibble backup`, then `kibble restore` with that file, then `kibble adopt`"),
        );
    }
    if let Some(fault) = witness::inspect(ctx)?.refusal() {
        notes.bad("database", fault.to_string(), fault.next_step().unwrap_or_default().to_owned());
    }
    Ok(())
}

fn of_time(ctx: &Ctx, now: At, notes: &mut Notes) -> Result<()> {
    let zone = ctx.zone();
    let here = now.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string();
    notes.ok("clock", t!("it is {now} in {zone}", now = here, zone = zone.name()));
    for (name, rail) in &ctx.rails {
        let theirs = rail.profile().timezone;
        if theirs != zone {
            notes.warn(
                "clock",
                t!(
                    "the shop counts days in {ours}, {rail} in {theirs}",
                    ours = zone.name(),
                    rail = name,
                    theirs = theirs.name()
                ),
                t!("set timezone in shop.toml unless the shop is really elsewhere"),
            );
        }
    }
    if let Some(last) = db::run::last(ctx.db.read())?
        && last.started_at > now
    {
        notes.bad(
            "clock",
            t!(
                "the last run was at {last}, which lies ahead: one of the two clocks was wrong",
                last = shown(ctx, last.started_at)
            ),
            t!("set this computer's clock right, then run again"),
        );
    }
    Ok(())
}

fn of_cron(ctx: &Ctx, now: At, notes: &mut Notes) -> Result<()> {
    let line = || t!("let cron run it every hour (crontab -e): {line}", line = init::crontab(&ctx.config.folder));
    let Some(last) = db::run::last(ctx.db.read())? else {
        notes.warn("cron", t!("there was no debit run yet"), line());
        return Ok(());
    };
    let age = now - last.started_at;
    let what = t!("the last debit run was {run}, at {at}", run = last.id, at = shown(ctx, last.started_at));
    let outage_hours = i64::from(ctx.config.settings.debit.backlog_after_hours);
    if age > TimeDelta::hours(outage_hours) {
        notes.bad("cron", what, line());
    } else if age > TimeDelta::hours(RUN_WARN_HOURS) {
        notes.warn("cron", what, line());
    } else {
        notes.ok("cron", what);
    }
    if last.ended_at.is_none() && age > TimeDelta::minutes(RUN_STOPPED_MINUTES) {
        notes.warn(
            "cron",
            t!("{run} was stopped before its end; the next one settles what it left", run = last.id),
            "kibble debit run".to_owned(),
        );
    }
    Ok(())
}

fn of_backup(ctx: &Ctx, now: At, notes: &mut Notes) -> Result<()> {
    match db::doctor::last_backup(ctx.db.read())? {
        None => notes.warn("backup", t!("there is no backup yet"), "kibble backup".to_owned()),
        Some(at) if now - at > Duration::days(BACKUP_WARN_DAYS) => {
            let days = (now - at).num_days();
            notes.warn(
                "backup",
                t!("the last backup is {days} {days|day|days} old", days = days),
                "kibble backup".to_owned(),
            );
        }
        Some(at) => notes.ok("backup", t!("the last backup was made at {at}", at = shown(ctx, at))),
    }
    Ok(())
}

fn of_money(ctx: &Ctx, now: At, notes: &mut Notes) -> Result<()> {
    let conn = ctx.db.read();
    let old = |it: &Backlog| it.since.is_some_and(|since| now - since > Duration::hours(UNKNOWN_BAD_HOURS));
    let level = |it: &Backlog| if old(it) { Level::Bad } else { Level::Warn };
    let since = |it: &Backlog| it.since.map(|at| shown(ctx, at)).unwrap_or_default();
    let charges = db::doctor::unknown_charges(conn)?;
    let refunds = db::doctor::unknown_refunds(conn)?;
    if charges.count > 0 {
        let what = t!(
            "charges with an unknown outcome: {count}, the oldest since {at}",
            count = charges.count,
            at = since(&charges)
        );
        notes.add("money", "", level(&charges), what, "kibble debit list unknown".to_owned());
    }
    if refunds.count > 0 {
        let what = t!(
            "refunds with an unknown outcome: {count}, the oldest since {at}",
            count = refunds.count,
            at = since(&refunds)
        );
        notes.add("money", "", level(&refunds), what, "kibble debit run".to_owned());
    }
    for refused in db::refund::declined(conn)? {
        notes.add(
            "money",
            "",
            Level::Bad,
            t!(
                "the rail refused {refund}: {amount} is owed to a customer",
                refund = refused.id,
                amount = refused.amount.yuan()
            ),
            format!("kibble why {}", refused.id),
        );
    }
    for refund in refund::stranded(ctx)? {
        notes.add(
            "money",
            "",
            Level::Bad,
            t!(
                "{refund}, {amount}: its rail {rail} is not in shop.toml any more",
                refund = refund.id,
                amount = refund.amount.yuan(),
                rail = refund.rail
            ),
            format!("kibble why {}", refund.id),
        );
    }
    for owed in statement::to_hand_over(ctx)? {
        notes.warn(
            "money",
            t!(
                "{amount} of the settlement of {agreement} are to be handed over until {day}: no rail can pay them",
                amount = owed.amount.yuan(),
                agreement = owed.agreement,
                day = owed.pay_by
            ),
            format!("kibble agreement settle {}", owed.agreement),
        );
    }
    if charges.count + refunds.count == 0 {
        notes.ok("money", t!("no outcome is unknown"));
    }
    Ok(())
}

fn of_messages(ctx: &Ctx, now: At, notes: &mut Notes) -> Result<()> {
    let conn = ctx.db.read();
    let late = db::doctor::late_messages(conn, now - Duration::hours(LATE_HOURS))?;
    let doubt = db::doctor::messages_in_doubt(conn)?;
    let failed = db::doctor::failed_messages(conn, now - Duration::days(FAILED_DAYS))?;
    let next = |state: &str| format!("kibble remind list --state {state}");
    if late.count > 0 {
        let at = late.since.map(|at| shown(ctx, at)).unwrap_or_default();
        notes.warn(
            "messages",
            t!("messages that wait: {count}, the oldest since {at}", count = late.count, at = at),
            "kibble remind send".to_owned(),
        );
    }
    if doubt.count > 0 {
        notes.warn(
            "messages",
            t!("messages of which nobody knows whether they arrived: {count}", count = doubt.count),
            next("sending"),
        );
    }
    if failed.count > 0 {
        notes.warn("messages", t!("messages that failed within a week: {count}", count = failed.count), next("failed"));
    }
    if late.count + doubt.count + failed.count == 0 {
        notes.ok("messages", t!("no message is late or failed"));
    }
    Ok(())
}

fn of_credit(ctx: &Ctx, _now: At, notes: &mut Notes) -> Result<()> {
    let waiting = db::credit::count_open(ctx.db.read())?;
    if waiting > 0 {
        notes.warn(
            "credit",
            t!("credit checks that wait for a decision: {count}", count = waiting),
            "kibble risk list".to_owned(),
        );
    }
    if credit::is_on(ctx) && waiting == 0 {
        notes.ok("credit", t!("no credit check waits for a decision"));
    }
    Ok(())
}

fn of_bills(ctx: &Ctx, now: At, notes: &mut Notes) -> Result<()> {
    let known = db::bill::known_days(ctx.db.read())?;
    for (name, rail) in &ctx.rails {
        let last = known.get(name).map(|(_, last)| *last);
        // A rehearsal need not be reconciled; one that was once is looked at like the rest.
        let is_wanted = !rail.is_sandbox() && rail.capabilities().contains(&Capability::Bill);
        let next = format!("kibble recon fetch --rail {name}");
        match last {
            None if is_wanted => {
                notes.add("bill", name, Level::Warn, t!("no bill was taken over yet"), next);
            }
            None => {}
            Some(day) if plus_days(day, BILL_WARN_DAYS) < ctx.today(now) => {
                notes.add("bill", name, Level::Warn, t!("the last day with a bill is {day}", day = day), next);
            }
            Some(day) => {
                notes.add("bill", name, Level::Ok, t!("the last day with a bill is {day}", day = day), String::new());
            }
        }
    }
    if let Some((count, day)) = recon::overdue(ctx, now)? {
        notes.bad(
            "bill",
            t!(
                "lines of bills that differ from our book and wait for a decision: {count}, the oldest of {day}",
                count = count,
                day = day
            ),
            "kibble recon list".to_owned(),
        );
    }
    Ok(())
}

fn of_channels(ctx: &Ctx, notes: &mut Notes) {
    for it in ctx.notify.inspect(&ctx.config) {
        notes.add("channel", "", it.level, it.what, it.hint);
    }
    if !ctx.config.is_rehearsal() && ctx.config.reaches_people().is_none() {
        notes.warn(
            "channel",
            t!("no channel reaches anybody: messages are only written to a file"),
            t!("add a channel to shop.toml, and name it in messages.channels"),
        );
    }
}

fn of_rails(ctx: &Ctx, offline: bool, notes: &mut Notes) {
    let rehearsal = ctx.config.is_rehearsal();
    for (name, rail) in &ctx.rails {
        let kind = ctx.config.rails.get(name).map_or(AdapterKind::Cash, |it| it.adapter);
        match kind {
            // Cash is the clerk's own hand: there is nothing to look at.
            AdapterKind::Cash => continue,
            AdapterKind::Sandbox if rehearsal => {
                notes.add("rail", name, Level::Ok, t!("a sandbox: no real money moves"), String::new());
            }
            AdapterKind::Sandbox => notes.add(
                "rail",
                name,
                Level::Warn,
                t!("a sandbox beside rails that move real money"),
                t!("take it out of shop.toml, so that nobody signs on it"),
            ),
            _ => {}
        }
        let mut sound = true;
        for it in rail.inspect() {
            sound &= it.level != Level::Bad;
            notes.add("rail", name, it.level, it.what, it.hint);
        }
        // A rail whose keys are wrong is not asked with them.
        if !offline && sound {
            of_health(ctx, name, rail.as_ref(), notes);
        }
        let able: Vec<String> = rail.capabilities().into_iter().map(capability_text).collect();
        if !able.is_empty() {
            notes.add(
                "rail",
                name,
                Level::Ok,
                t!("it can do: {list}", list = able.join(t!(", ").as_str())),
                String::new(),
            );
        }
    }
}

fn of_health(ctx: &Ctx, name: &str, rail: &dyn Rail, notes: &mut Notes) {
    match rail.health() {
        Err(Trouble::Unsupported) => {}
        Err(trouble @ Trouble::Unreachable { .. }) => notes.add(
            "rail",
            name,
            Level::Bad,
            t!("it cannot be reached: {why}", why = trouble_text(&trouble)),
            t!("check this computer's network and [http] in shop.toml; try again later"),
        ),
        Err(trouble @ Trouble::Refused { .. }) => notes.add(
            "rail",
            name,
            Level::Bad,
            trouble_text(&trouble),
            t!("compare [rail.{name}.account] in shop.toml with what the provider shows", name = name),
        ),
        Ok(health) => {
            notes.add("rail", name, Level::Ok, t!("it answers"), String::new());
            if let Some(ahead_seconds) = health.ahead_seconds(ctx.now()) {
                of_skew(name, ahead_seconds, notes);
            }
        }
    }
}

fn of_skew(name: &str, ahead_seconds: i64, notes: &mut Notes) {
    let seconds = ahead_seconds.abs();
    let level = match seconds {
        0..=SKEW_WARN_SECONDS => Level::Ok,
        seconds if seconds <= MOST_SKEW_SECONDS => Level::Warn,
        _ => Level::Bad,
    };
    let what = match ahead_seconds {
        -1..=1 => t!("this computer's clock agrees with the provider's"),
        2.. => t!("this computer's clock is {seconds} seconds ahead of the provider's", seconds = seconds),
        _ => t!("this computer's clock is {seconds} seconds behind the provider's", seconds = seconds),
    };
    let next = match level {
        Level::Ok => String::new(),
        _ => t!("set this computer's clock by the network, for example `timedatectl set-ntp true`"),
    };
    notes.add("clock", name, level, what, next);
}

fn shown(ctx: &Ctx, at: At) -> String {
    at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::{Level, Notes, of_skew};

    #[test]
    fn a_minute_is_well_five_are_a_warning_more_is_bad() {
        for (seconds, level) in [
            (0, Level::Ok),
            (60, Level::Ok),
            (-61, Level::Warn),
            (300, Level::Warn),
            (301, Level::Bad),
            (-600, Level::Bad),
        ] {
            let mut notes = Notes(Vec::new());
            of_skew("alipay", seconds, &mut notes);
            assert_eq!(notes.0[0].level, level, "{seconds}");
            assert_eq!(notes.0[0].next.is_empty(), level == Level::Ok);
        }
    }
}
