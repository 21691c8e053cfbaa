//! Use cases: the order of things. An op takes the [`Ctx`] first, prints nothing, and returns a plain struct of what happened.

pub mod adopt;
pub mod agreement;
pub mod agreement_import;
pub mod audit;
pub mod backup;
pub mod book;
pub mod book_file;
pub mod catalog;
pub mod check;
pub mod credit;
pub mod customer;
pub mod debit;
pub mod demo;
pub mod doctor;
pub mod init;
pub mod mandate;
pub mod notice;
pub mod order;
pub mod pet;
pub mod plan;
pub mod points;
pub mod project;
pub mod recon;
pub mod refund;
pub mod remind;
pub mod report;
pub mod risk;
pub mod sandbox;
pub mod sign;
pub mod simulate;
pub mod statement;
#[cfg(test)]
pub(crate) mod testing;
pub mod wallet;
pub mod witness;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::adapters::credit::Credit;
use crate::adapters::credit::sandbox::Sandbox as PretendedCredit;
use crate::adapters::credit::zhima::Zhima;
use crate::adapters::rail::Rail;
use crate::adapters::rail::alipay::Alipay;
use crate::adapters::rail::cash::Cash;
use crate::adapters::rail::exec::Exec as ExecRail;
use crate::adapters::rail::sandbox::book::Book;
use crate::adapters::rail::sandbox::{Sandbox, Temper};
use crate::adapters::rail::wechat::Wechat;
use crate::clock::Clock;
use crate::config::{self, AdapterKind, Config, RailSettings};
use crate::db::seal::Keyring;
use crate::db::{Db, Hand};
use crate::domain::date::{At, day_of, machine_moment, moment_in_reach};
use crate::fault::Fault;
use crate::ops::remind::route::Channels;
use crate::t;

/// Progress of long work, for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stretch of work begins: its name and how many pieces it has, 0 when nobody knows.
    Begin {
        /// What is being done.
        label: String,
        /// Number of pieces.
        total: u64,
    },
    /// That many pieces are done.
    Step(u64),
    /// The stretch is over.
    End,
}

/// Everything a use case needs: the open database, the time, the settings and the outside.
pub struct Ctx {
    /// The shop's database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub config: Config,
    /// Rails by name.
    pub rails: BTreeMap<String, Arc<dyn Rail>>,
    /// The sandbox's book, where a sandbox rail is used: for the commands that play customer and provider.
    pub sandbox: Option<Arc<Book>>,
    /// Who is asked about credit at signing; `None` where nobody is, or the clerk looks.
    pub credit: Option<Box<dyn Credit>>,
    /// The message channels.
    pub notify: Channels,
    say: RefCell<Box<dyn FnMut(Event)>>,
}

impl Ctx {
    /// Opens the shop in `folder`. `now` is the pretended time, if any, in the words of the `--now` option.
    ///
    /// # Errors
    /// When settings, key or database are missing or wrong, or when time is pretended although a rail moves real money.
    pub fn open(folder: &Path, now: Option<&str>) -> Result<Ctx> {
        let config = Config::load(folder)?;
        let clock = clock_for(&config, now)?;
        Ctx::wire(config, clock)
    }

    /// Opens the shop of `config` on `clock`.
    ///
    /// # Errors
    /// As [`Ctx::open`].
    pub fn wire(config: Config, clock: Clock) -> Result<Ctx> {
        let keys = Keyring::new(&config.key()?);
        Ctx::wire_with(config, keys, clock)
    }

    /// The same with keys that were read elsewhere.
    ///
    /// # Errors
    /// As [`Ctx::open`].
    pub fn wire_with(config: Config, keys: Keyring, clock: Clock) -> Result<Ctx> {
        let db = Db::open(&config.db_path(), keys, hand())?;
        let is_pretended = config.settings.credit.check == "sandbox";
        let sandbox = match is_pretended || config.rails.values().any(|rail| rail.adapter == AdapterKind::Sandbox) {
            true => Some(Arc::new(Book::at(&config.sandbox_path()))),
            false => None,
        };
        let mut rails: BTreeMap<String, Arc<dyn Rail>> = BTreeMap::new();
        for (name, rail) in &config.rails {
            rails.insert(name.clone(), open_rail(&config, rail, &clock, sandbox.as_ref())?);
        }
        let credit = open_credit(&config, &clock, sandbox.as_ref())?;
        let notify = Channels::open(&config, &clock)?;
        Ok(Ctx { db, clock, config, rails, sandbox, credit, notify, say: RefCell::new(Box::new(|_| {})) })
    }

    /// Sends progress to `say` from now on.
    pub fn on_event(&self, say: impl FnMut(Event) + 'static) {
        *self.say.borrow_mut() = Box::new(say);
    }

    /// Tells whoever listens about progress.
    pub fn say(&self, event: Event) {
        (self.say.borrow_mut())(event);
    }

    /// The moment, asked once per command and passed down.
    pub fn now(&self) -> At {
        self.clock.now()
    }

    /// The civil date of `now` in the shop's zone.
    pub fn today(&self, now: At) -> NaiveDate {
        day_of(now, self.zone())
    }

    /// The shop's time zone.
    pub fn zone(&self) -> Tz {
        self.config.settings.timezone
    }

    /// A moment as the shop's clock on the wall shows it.
    pub fn wall(&self, at: At) -> String {
        at.with_timezone(&self.zone()).format("%Y-%m-%d %H:%M").to_string()
    }

    /// The rail called `name`.
    ///
    /// # Errors
    /// When `shop.toml` has none of that name.
    pub fn rail(&self, name: &str) -> Result<&Arc<dyn Rail>> {
        self.config.rail(name)?;
        self.rails.get(name).ok_or_else(|| Fault::not_found(name.to_owned()).into())
    }
}

/// The adapter of a rail. Nothing is read or called yet: keys are loaded when they are first needed.
fn open_rail(
    config: &Config,
    rail: &RailSettings,
    clock: &Clock,
    sandbox: Option<&Arc<Book>>,
) -> Result<Arc<dyn Rail>> {
    let (name, profile, clock) = (rail.name.as_str(), rail.profile.clone(), clock.clone());
    Ok(match (rail.adapter, sandbox) {
        (AdapterKind::Sandbox, Some(book)) => {
            let temper = Temper {
                seed: config.settings.sandbox.seed,
                no_funds_bps: config.settings.sandbox.no_funds_bps,
                limit_bps: config.settings.sandbox.limit_bps,
                lose_answer_bps: config.settings.sandbox.lose_answer_bps,
            };
            let sandbox = Sandbox::open(name, profile, clock, book.clone());
            Arc::new(sandbox.with_fee_bps(rail.fee_bps).with_temper(temper))
        }
        (AdapterKind::Cash | AdapterKind::Sandbox, _) => Arc::new(Cash::open(name, profile, clock)),
        (AdapterKind::Alipay, _) => {
            Arc::new(Alipay::open(name, profile, clock, rail.account()?, &config.settings.http))
        }
        (AdapterKind::Wechat, _) => {
            Arc::new(Wechat::open(name, profile, clock, rail.account()?, config.settings.http.clone()))
        }
        (AdapterKind::Exec, _) => Arc::new(ExecRail::open(name, profile, clock, rail.account()?)),
    })
}

/// Who is asked about credit. Nothing is read or called yet.
fn open_credit(config: &Config, clock: &Clock, sandbox: Option<&Arc<Book>>) -> Result<Option<Box<dyn Credit>>> {
    let settings = &config.settings.credit;
    Ok(match (settings.check.as_str(), sandbox) {
        ("sandbox", Some(book)) => Some(Box::new(PretendedCredit::open(book.clone()))),
        ("zhima", _) => {
            let (rail, http) = (&settings.rail, &config.settings.http);
            let account = config.rail(rail)?.account()?;
            Some(Box::new(Zhima::open(rail, clock.clone(), account, http, &settings.product_code)))
        }
        _ => None,
    })
}

/// The clock of a command: the system's, or the pretended time in the words of the `--now` option.
///
/// # Errors
/// When time is pretended although a rail moves real money, or the text is no time.
pub fn clock_for(config: &Config, now: Option<&str>) -> Result<Clock> {
    match (now, config.reaches_people()) {
        (None, _) => Ok(Clock::System),
        (Some(_), _) if !config.is_rehearsal() => {
            Err(Fault::usage(t!("--now is for rehearsals: a payment rail of this shop moves real money")).into())
        }
        (Some(_), Some(channel)) => Err(Fault::usage(t!(
            "--now is for rehearsals: the message channel {channel} reaches real people",
            channel = channel
        ))
        .into()),
        (Some(text), None) => Ok(Clock::fixed(read_now(text, config.settings.timezone)?)),
    }
}

/// Who and which machine, for the audit trail.
pub fn hand() -> Hand {
    Hand { actor: config::actor(), host: config::host() }
}

/// Puts a failure that a person can act on into plain words.
pub fn explain(error: anyhow::Error) -> anyhow::Error {
    crate::db::explain(error)
}

/// A date as people type it: `2026-11-05`, `2026/11/5`, `2026年11月5日`.
///
/// # Errors
/// For any other text.
pub fn read_day(text: &str) -> Result<NaiveDate> {
    crate::domain::sheet::date(text.trim())
        .map_err(|_| Fault::usage(t!("{text} is not a date like 2026-11-05", text = text)).into())
}

/// An amount in yuan as people type it.
///
/// # Errors
/// For any other text.
pub fn read_money(text: &str) -> Result<crate::domain::money::Money> {
    text.parse().map_err(|error| {
        let advice = book::amount_text(error);
        Fault::usage(t!("{text}: {reason}", text = text, reason = advice.reason)).hint(advice.fix).into()
    })
}

/// A span as people type it: `30m`, `2h`, `1d`; ten years at most.
///
/// # Errors
/// For any other text.
pub fn read_span(text: &str) -> Result<chrono::Duration> {
    const MOST_MINUTES: i64 = 10 * 366 * 24 * 60;
    let wrong = || Fault::usage(t!("{text} is not a time like 30m, 2h or 1d", text = text));
    let units = [('m', 1), ('h', 60), ('d', 24 * 60)];
    let (number, minutes) =
        units.iter().find_map(|(unit, minutes)| Some((text.strip_suffix(*unit)?, *minutes))).ok_or_else(wrong)?;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let minutes = number.checked_mul(minutes).filter(|it| (1..=MOST_MINUTES).contains(it)).ok_or_else(wrong)?;
    Ok(chrono::Duration::minutes(minutes))
}

/// `2026-11-05T09:00`, `2026-11-05 09:00`, `2026-11-05` (midnight) in the shop's zone, or RFC 3339.
///
/// # Errors
/// For any other text, and for years in which no shop lives.
pub fn read_now(text: &str, zone: Tz) -> Result<At> {
    typed_moment(text, zone)
        .ok_or_else(|| Fault::usage(t!("{text} is not a time like 2026-11-05T09:00", text = text)).into())
}

fn typed_moment(text: &str, zone: Tz) -> Option<At> {
    use chrono::{NaiveDateTime, NaiveTime};
    if let Some(at) = machine_moment(text) {
        return Some(at);
    }
    for shape in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(wall) = NaiveDateTime::parse_from_str(text, shape) {
            return moment_in_reach(wall.date(), wall.time(), zone);
        }
    }
    moment_in_reach(text.parse::<NaiveDate>().ok()?, NaiveTime::MIN, zone)
}

#[cfg(test)]
mod tests {
    use super::{read_now, read_span};

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, minutes) in [("30m", 30), ("2h", 120), ("1d", 1_440)] {
            assert_eq!(read_span(text).unwrap().num_minutes(), minutes, "{text}");
        }
        for wrong in ["", "h", "2", "-1h", "2w", "9999999999999999999h", "两h", "2两", "100000000000d"] {
            assert!(read_span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_outside_the_years_of_a_shop_is_refused_before_anything_is_added_to_it() {
        let zone = chrono_tz::Asia::Shanghai;
        assert_eq!(read_now("2026-11-05", zone).unwrap().to_rfc3339(), "2026-11-04T16:00:00+00:00");
        for wrong in
            ["+262142-12-31T23:59", "-0001-01-01", "9999-12-31T23:59:59-12:00", "0000-01-01 00:00", "1969-12-31"]
        {
            assert!(read_now(wrong, zone).is_err(), "{wrong}");
        }
    }
}
