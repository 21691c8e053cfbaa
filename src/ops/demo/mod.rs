//! `kibble demo`: a shop of sixty customers in a folder of its own, one year of it played through the same use cases that a real
//! shop runs, on sandbox rails and a clock that is moved from hour to hour. One seed, so that every demo tells the same story.
//!
//! Owns the folder, the settings and the answer. Who is in it is `people.rs`, what happens when is `year.rs`, what is bought is
//! `shelf.rs`.

mod people;
mod shelf;
mod year;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use ring::digest;
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{self, Config, SHOP_TOML};
use crate::domain::date::{At, days_in_month, moment, plus_days};
use crate::domain::money::Money;
use crate::domain::report::{Period, Rank};
use crate::fault::Fault;
use crate::ops::init::{NewShop, init};
use crate::ops::report::{Overview, overview};
use crate::ops::{Ctx, Event};
use crate::t;
use crate::text;

/// Stands in every order number of a demo. Real codes are drawn from chance; this one is fixed, so that the sandbox, which decides
/// by order number, decides the same way every time.
const INSTALL_CODE: &str = "KBDM2026";

/// Seed of the sandbox's own temper.
const SEED: u64 = 20_261_130;

/// What makes a folder a demo's: without this file in it nothing is ever replaced.
const MARK: &str = "kibble-demo.txt";

/// First line of the mark.
const MARK_LINE: &str = "kibble demo";

/// Months of a demo when nothing is said.
pub const MONTHS: u32 = 12;

/// Items in the list of best sellers.
const TOP: u32 = 5;

/// How a demo is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its folder.
    pub folder: PathBuf,
    /// Replace an earlier demo in that folder.
    pub again: bool,
    /// How many months are played, 1 to [`MONTHS`]; tests play few.
    pub months: u32,
}

/// Something in the demo that is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tale {
    /// Two terms in a row failed; the flag stands.
    HighRisk,
    /// Two terms in a row failed, and both were paid late at the counter.
    HighRiskCleared,
    /// The answer was lost: unknown, then settled by asking.
    UnknownSettled,
    /// The connection was lost before the work: asked for, never heard of, charged again under the same number.
    DroppedSettled,
    /// Paid through the link after three declines.
    LinkPaid,
    /// Declined in the morning, paid by the retry.
    RetryPaid,
    /// Paid in cash.
    PaidAtCounter,
    /// The mandate was ended in the wallet app, and a new one agreed to.
    Revoked,
    /// Paused, with the terms moved.
    Paused,
    /// Left within the cooling-off days: everything back.
    CoolingOff,
    /// Ended by the customer, the pet kept: a refund less compensation.
    Terminated,
    /// The pet died.
    PetDied,
    /// A part of a term was given back.
    Refunded,
    /// All terms collected.
    Completed,
    /// Paid by wallet and cash together.
    OrderSplit,
    /// Shipped, with a tracking number.
    OrderShipped,
    /// A line was brought back.
    OrderReturned,
    /// Called off.
    OrderCancelled,
}

/// A record to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Highlight {
    /// Why.
    pub tale: Tale,
    /// Which record.
    pub record: String,
    /// What shows it, without `kibble --shop …`.
    pub command: String,
}

/// What happened in the demo, counted from what the use cases said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Customers.
    pub customers: u64,
    /// Agreements taken over from the earlier book.
    pub imported: u64,
    /// Agreements signed with kibble.
    pub signed: u64,
    /// Debit runs.
    pub runs: u64,
    /// Runs that needed a person.
    pub runs_needing_a_person: u64,
    /// Charges made.
    pub charges: u64,
    /// Charges paid.
    pub paid: u64,
    /// Charges declined.
    pub declined: u64,
    /// Answers that did not come.
    pub unknown: u64,
    /// Retries planned.
    pub retries: u64,
    /// Messages sent.
    pub messages: u64,
    /// Orders placed.
    pub orders: u64,
    /// Agreements that ran out.
    pub completed: u64,
    /// Agreements that were terminated.
    pub terminated: u64,
    /// Bills of the payment rails that were fetched, in the last month.
    pub bills: u64,
    /// Their lines.
    pub bill_lines: u64,
}

/// A demo that was built.
#[derive(Clone, Debug, Serialize)]
pub struct Demo {
    /// The shop folder.
    pub folder: PathBuf,
    /// The data key, beside it.
    pub key_file: PathBuf,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// The time at which it stands, in the words of the `--now` option.
    pub now: String,
    /// What happened.
    pub counts: Counts,
    /// What the pretended providers collected.
    pub provider_collected: Money,
    /// What they paid back.
    pub provider_refunded: Money,
    /// What is worth a look.
    pub highlights: Vec<Highlight>,
    /// The whole time.
    pub overview: Overview,
}

/// Builds the demo. A folder that is no demo is never touched.
///
/// # Errors
/// When the folder or the key's place is taken, or something cannot be written. A demo that was broken off can be replaced.
pub fn build(wanted: &Wanted, say: &mut dyn FnMut(Event)) -> Result<Demo> {
    let folder = config::absolute(&wanted.folder)?;
    let key_file = key_beside(&folder)?;
    clear_place(&folder, &key_file, wanted.again)?;
    let (from, to) = span(wanted.months);
    let clock = Clock::fixed(at(from, 8, 0));
    let config = open_shop(&folder, &key_file, &clock)?;
    let ctx = Ctx::wire(config, clock)?;
    let (counts, highlights) = year::play(&ctx, from, to, say)?;
    let mut demo = Demo {
        now: format!("{to}T10:00"),
        overview: overview(&ctx, whole(from, to)?, Rank::Revenue, TOP)?,
        provider_collected: Money::ZERO,
        provider_refunded: Money::ZERO,
        folder,
        key_file,
        from,
        to,
        counts,
        highlights,
    };
    for totals in crate::ops::sandbox::state(&ctx)?.rails.values() {
        demo.provider_collected += totals.paid;
        demo.provider_refunded += totals.refunded;
    }
    Ok(demo)
}

/// First and last day of a demo of so many months. The year ends in November 2026.
fn span(months: u32) -> (NaiveDate, NaiveDate) {
    let from = NaiveDate::from_ymd_opt(2025, 12, 1).expect("December has a first day");
    let last = from
        .checked_add_months(chrono::Months::new(months.clamp(1, MONTHS) - 1))
        .expect("a year later there is still a calendar");
    (from, plus_days(last, i64::from(days_in_month(last)) - 1))
}

fn whole(from: NaiveDate, to: NaiveDate) -> Result<Period> {
    Period::new(from, to).map_err(|_| Fault::broken(t!("the last day lies before the first: {text}", text = to)).into())
}

/// The data key's place: beside the folder, never in it.
fn key_beside(folder: &Path) -> Result<PathBuf> {
    match folder.file_name() {
        Some(name) => {
            let mut name = name.to_os_string();
            name.push(".key");
            Ok(folder.with_file_name(name))
        }
        None => Err(Fault::usage(t!("{folder} cannot be the demo's folder", folder = folder.display()))
            .hint(t!("name a folder of its own, for example `kibble demo --dir kibble-demo`"))
            .into()),
    }
}

/// Makes sure that nothing stands where the demo goes.
fn clear_place(folder: &Path, key_file: &Path, again: bool) -> Result<()> {
    let named = || folder.display().to_string();
    let empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(named),
    };
    if empty {
        // A key whose shop lies elsewhere may be the only one that opens it: never written over, never removed.
        if key_file.exists() {
            return Err(Fault::refused(t!("there is a data key at {path} already", path = key_file.display()))
                .hint(t!(
                    "choose another folder with --dir; if that key is left over from a demo you removed, remove it too"
                ))
                .into());
        }
        return Ok(());
    }
    if !is_demo(folder)? {
        return Err(Fault::refused(t!(
            "{folder} is no demo of kibble's; it stays as it is",
            folder = folder.display()
        ))
        .hint(t!("choose another folder with --dir"))
        .into());
    }
    if !again {
        return Err(Fault::refused(t!("there is a demo in {folder} already", folder = folder.display()))
            .hint(t!(
                "look at it with `kibble --shop {folder} report overview`, or build it anew with --again",
                folder = folder.display()
            ))
            .into());
    }
    fs::remove_dir_all(folder).with_context(named)?;
    for path in [key_file.to_owned(), key_file.with_extension("seen")] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| path.display().to_string());
            }
            _ => {}
        }
    }
    Ok(())
}

/// True for a folder that a demo made and nobody has made a real shop of since.
fn is_demo(folder: &Path) -> Result<bool> {
    let mark = fs::read_to_string(folder.join(MARK)).unwrap_or_default();
    if mark.lines().next() != Some(MARK_LINE) {
        return Ok(false);
    }
    // A demo that was broken off early has no settings yet.
    match fs::read_to_string(folder.join(SHOP_TOML)) {
        Ok(settings) => Ok(config::only_rehearses(&settings)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| folder.display().to_string()),
    }
}

/// The first day: folder, settings, key, database, as `kibble init` makes them, with what a demo needs said in `shop.toml`.
fn open_shop(folder: &Path, key_file: &Path, clock: &Clock) -> Result<Config> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mark = format!(
        "{MARK_LINE}\n{}\n",
        t!("This folder is a demo: invented customers, no real money. `kibble demo --again` replaces it.")
    );
    let mark_path = folder.join(MARK);
    fs::write(&mark_path, mark).with_context(|| mark_path.display().to_string())?;
    let rail = |name: &str, profile: &str| (name.to_owned(), "sandbox".to_owned(), Some(profile.to_owned()));
    let new = NewShop {
        folder: folder.to_owned(),
        name: "团子宠物".to_owned(),
        name_en: "Tuanzi Pets".to_owned(),
        uscc: "91110101MA00TEST0X".to_owned(),
        address: "示例市青禾路1号".to_owned(),
        phone: "010-00000000".to_owned(),
        lang: text::lang(),
        rails: vec![
            rail("alipay", "alipay"),
            rail("wechat", "wechat-prenotify"),
            rail(people::SLOW_RAIL, "wechat-notify24h"),
        ],
        key_file: Some(key_file.to_owned()),
        install_code: Some(INSTALL_CODE.to_owned()),
    };
    init(&new, clock)?;
    let path = folder.join(SHOP_TOML);
    let named = || path.display().to_string();
    let settings = dressed(&fs::read_to_string(&path).with_context(named)?);
    fs::write(&path, settings).with_context(named)?;
    Config::load(folder)
}

/// The settings of a new shop with a name for the slow rail, and with a sandbox that declines now and then.
fn dressed(settings: &str) -> String {
    let slow = format!("[rail.{}]\nadapter = \"sandbox\"\n", people::SLOW_RAIL);
    let labelled = format!("{slow}label_zh = \"微信支付（次日）\"\nlabel_en = \"WeChat Pay (next day)\"\n");
    [
        (slow.as_str(), labelled),
        ("\nseed = 1\n", format!("\nseed = {SEED}\n")),
        ("\nno_funds_bps = 0\n", "\nno_funds_bps = 350\n".to_owned()),
        ("\nlimit_bps = 0\n", "\nlimit_bps = 100\n".to_owned()),
        ("\nlose_answer_bps = 0\n", "\nlose_answer_bps = 20\n".to_owned()),
    ]
    .iter()
    .fold(settings.to_owned(), |text, (from, to)| text.replacen(from, to, 1))
}

/// A moment in the demo's zone.
fn at(day: NaiveDate, hour: u32, minute: u32) -> At {
    const ZONE: Tz = chrono_tz::Asia::Shanghai;
    moment(day, NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or(NaiveTime::MIN), ZONE)
}

/// A number below `below` that follows from the words alone: the demo's only chance.
fn choice(words: &[&str], below: usize) -> usize {
    let hash = digest::digest(&digest::SHA256, words.join("\n").as_bytes());
    let head = hash.as_ref().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let below = u64::try_from(below.max(1)).unwrap_or(1);
    usize::try_from(head % below).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{choice, dressed, span};
    use crate::config::{Config, EXAMPLE};
    use std::path::Path;

    #[test]
    fn the_year_ends_in_november_and_a_short_one_at_a_months_end() {
        assert_eq!(span(12).1.to_string(), "2026-11-30");
        assert_eq!(span(3).1.to_string(), "2026-02-28");
        assert_eq!(span(0).1.to_string(), "2025-12-31");
    }

    #[test]
    fn the_same_words_choose_the_same() {
        assert_eq!(choice(&["a", "b"], 7), choice(&["a", "b"], 7));
        assert!((0..50).map(|n| choice(&["x", &n.to_string()], 3)).all(|it| it < 3));
    }

    #[test]
    fn the_sandbox_of_a_demo_has_a_temper() {
        let config = Config::parse(Path::new("."), &dressed(EXAMPLE)).unwrap();
        assert!(config.settings.sandbox.no_funds_bps > 0 && config.settings.sandbox.lose_answer_bps > 0);
    }
}
