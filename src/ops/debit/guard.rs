//! Step 1: one run at a time, on the right database, at a believable time, and not over a backlog that nobody has looked at.

use std::fs::{File, TryLockError};

use anyhow::{Context, Result};
use chrono::TimeDelta;
use serde::Serialize;

use crate::db;
use crate::domain::date::At;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::debit::Options;
use crate::ops::witness::{self, Verdict};
use crate::t;

/// The lock of the debit run. It dies with the process, however that ends.
pub struct Lock(File);

impl Drop for Lock {
    /// Closing the file is not enough: a program that another thread is starting this very moment holds a copy of it until it runs.
    fn drop(&mut self) {
        // Should it fail, the end of the process releases it.
        drop(self.0.unlock());
    }
}

/// Takes the lock, or says that another run has it.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock(ctx: &Ctx) -> Result<Option<Lock>> {
    let path = ctx.config.lock_path();
    let named = || path.display().to_string();
    let file = File::options().create(true).truncate(false).write(true).open(&path).with_context(named)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(named),
    }
}

/// Refuses to move money on a database that was restored or copied, at a time that cannot be, or over an unseen backlog.
///
/// # Errors
/// Each refusal, with what to do about it.
pub fn check(ctx: &Ctx, options: &Options, now: At) -> Result<()> {
    copies(ctx)?;
    match refusal(ctx, options, now)? {
        Some(Refusal { what, hint }) => {
            Err(Fault::refused(t!("{what}; nothing was charged", what = what)).hint(hint).into())
        }
        None => Ok(()),
    }
}

/// Why a run would not begin: the time, or a backlog.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// Why a run at `now` would not begin on the right database.
///
/// # Errors
/// When the database cannot be read.
pub fn refusal(ctx: &Ctx, options: &Options, now: At) -> Result<Option<Refusal>> {
    let Some(last) = db::run::last(ctx.db.read())? else { return Ok(None) };
    if let Some(wrong) = clock_against(ctx, last.started_at, now).filter(|it| match it.is_back {
        true => !options.confirm_clock,
        false => !options.confirm_backlog,
    }) {
        let hint = match wrong.is_back {
            true => t!(
                "set this computer's clock right, then run again; if it is right now and was ahead at the last run, add --confirm-clock"
            ),
            false => t!("if the clock is right, look at `kibble debit run --dry-run`, then add --confirm-backlog"),
        };
        return Ok(Some(Refusal { what: wrong.said, hint }));
    }
    let settings = &ctx.config.settings.debit;
    if now - last.started_at > TimeDelta::hours(i64::from(settings.backlog_after_hours)) && !options.confirm_backlog {
        let (count, total) = db::installment::backlog(ctx.db.read(), ctx.today(now))?;
        if count > settings.backlog_count || total > settings.backlog_amount {
            let what = t!(
                "after {hours} hours without a run {count} installments with {total} are due",
                hours = (now - last.started_at).num_hours(),
                count = count,
                total = total.yuan()
            );
            let hint = t!("look at `kibble debit run --dry-run`, then add --confirm-backlog");
            return Ok(Some(Refusal { what, hint }));
        }
    }
    Ok(None)
}

/// Refuses to move money by hand, or to sign for it, on the wrong database or at a time that cannot be: what is written then bears the
/// wrong day for good.
///
/// # Errors
/// Each refusal, with what to do about it.
pub fn money(ctx: &Ctx, now: At) -> Result<()> {
    copies(ctx)?;
    let last = db::run::last(ctx.db.read())?;
    let Some(wrong) = last.and_then(|last| clock_against(ctx, last.started_at, now)) else { return Ok(()) };
    let hint = match wrong.is_back {
        true => t!(
            "set this computer's clock right, then run the command again; if it is right now and was ahead at the last run, first `kibble debit run --confirm-clock`"
        ),
        false => t!("if the clock is right, run `kibble debit run --confirm-backlog` first"),
    };
    Err(Fault::refused(t!("{what}; nothing was changed", what = wrong.said)).hint(hint).into())
}

/// A clock that went backwards or leapt since the last run.
struct WrongClock {
    is_back: bool,
    said: String,
}

fn clock_against(ctx: &Ctx, last: At, now: At) -> Option<WrongClock> {
    let zone = ctx.zone();
    let shown = |at: At| at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
    if now < last {
        let said = t!("the clock says {now}, but the last run was at {last}", now = shown(now), last = shown(last));
        return Some(WrongClock { is_back: true, said });
    }
    let leap = TimeDelta::days(i64::from(ctx.config.settings.debit.clock_leap_days));
    (now - last > leap).then(|| {
        let days = (now - last).num_days();
        let said = t!("the clock says {now}, {days} days after the last run", now = shown(now), days = days);
        WrongClock { is_back: false, said }
    })
}

/// Refuses to move money on a database that was restored or copied and not adopted: what it does not know may have been charged.
///
/// # Errors
/// The refusal, with what to do about it.
pub fn copies(ctx: &Ctx) -> Result<()> {
    let what = match witness::inspect(ctx)? {
        Verdict::Same => return Ok(()),
        Verdict::Stranger { host, .. } => t!(
            "this database was used last on another computer ({host}), or what remembered it here is lost",
            host = host
        ),
        Verdict::Behind { .. } => t!("this database is older than the last run on this machine: it was restored"),
        Verdict::Forked { .. } => t!("this database has another history than the last run on this machine"),
        Verdict::Moved { from, .. } => {
            t!("this shop is a copy: the original still stands at {from}", from = from.display())
        }
    };
    Err(Fault::refused(t!("{what}; no money moves", what = what))
        .hint(t!("make this the shop's database with `kibble adopt`; it asks the rails first"))
        .into())
}
