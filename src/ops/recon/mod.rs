//! Reconciliation: bills of the rails taken over, compared with our book both ways, booked, and every difference decided by a person.

mod decide;
mod fetch;
mod file;
mod import;
mod list;
mod sheet;

pub use decide::{Did, accounts_hint};
pub use fetch::{FetchOutcome, FetchWanted, Fetched, fetch};
pub(in crate::ops) use import::by_bill;
pub use import::{NOT_ON_BILL, Taken, import};
pub use list::{BillStand, Difference, Filter, Looked, bill, bills, class_text, decision_text, differences, look};
pub use sheet::{Applied, AppliedRow, Exported, apply, export};

use anyhow::Result;
use chrono::NaiveDate;

use crate::db;
use crate::domain::bill::Figures;
use crate::domain::date::{At, plus_days};
use crate::domain::recon::WAIT_DAYS;
use crate::ops::Ctx;

/// What a bill says of itself, once its totals fit its rows: read as an import reads it, without touching the books.
///
/// # Errors
/// When it is no sound bill.
pub fn figures(name: &str, bytes: &[u8]) -> Result<Figures> {
    let mut opened = file::Opened::new(name, Box::new(std::io::Cursor::new(bytes)))?;
    opened.dialect()?;
    opened.read(&mut |_| Ok(()))
}

/// How many lines of bills still differ although the waiting days are over, and the day of the oldest. Cheap while all is explained.
///
/// # Errors
/// When the database cannot be read.
pub fn overdue(ctx: &Ctx, now: At) -> Result<Option<(u64, NaiveDate)>> {
    let before = plus_days(ctx.today(now), -WAIT_DAYS);
    if db::recon::count_open(ctx.db.read(), before)? == 0 {
        return Ok(None);
    }
    let old = differences(ctx, Filter::default(), now)?.into_iter().filter(|it| it.bill.is_some() && !it.is_waiting);
    let days: Vec<NaiveDate> = old.map(|it| it.day).collect();
    Ok(days.iter().min().map(|oldest| (days.len() as u64, *oldest)))
}
