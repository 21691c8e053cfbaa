//! Listings of installments.

use anyhow::Result;

use crate::db;
use crate::domain::date::{At, plus_days};
use crate::domain::id::CustomerId;
use crate::ops::Ctx;

pub use crate::db::installment::{Listed, Shelf};

/// Days ahead that the listing of due installments looks.
const AHEAD_DAYS: i64 = 7;

/// Visits the installments of a shelf, by due date; of one customer when given.
///
/// # Errors
/// When the database cannot be read.
pub fn each(
    ctx: &Ctx,
    shelf: Shelf,
    customer: Option<CustomerId>,
    now: At,
    visit: impl FnMut(Listed) -> Result<()>,
) -> Result<()> {
    let today = ctx.today(now);
    let day = if shelf == Shelf::Due { plus_days(today, AHEAD_DAYS) } else { today };
    db::installment::each_on(ctx.db.read(), shelf, day, customer, visit)
}
