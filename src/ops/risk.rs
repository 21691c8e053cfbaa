//! Flags on agreements: who is high risk and why, and the owner clearing a flag with a reason.

use anyhow::Result;
use serde::Serialize;

use crate::db;
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId};
use crate::domain::op::Op;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

/// A standing flag, with whose it is.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The flag.
    #[serde(flatten)]
    pub flag: db::risk::Flag,
    /// Whose.
    pub customer: CustomerId,
    /// Masked.
    pub label: String,
}

/// Every standing flag, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn standing(ctx: &Ctx) -> Result<Vec<Standing>> {
    db::risk::standing(ctx.db.read(), |flag, customer, label| Standing { flag, customer, label })
}

/// Why a flag stands, for people. It is kept as "term and count", so that it reads in either language.
pub fn reason_text(reason: &str) -> String {
    match reason.split_once(' ') {
        Some((term, count)) => {
            t!("{count} {count|term|terms} in a row failed, the last was {term}", count = count, term = term)
        }
        None => reason.to_owned(),
    }
}

/// The owner clears an agreement's flag; failed terms are counted from zero again.
///
/// # Errors
/// When no flag stands on it, or no reason is given.
pub fn clear(ctx: &Ctx, agreement: AgreementId, reason: &str, now: At) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Fault::usage(t!("a flag is cleared with a reason")).hint(t!("add --reason TEXT")).into());
    }
    let by = crate::ops::hand().actor;
    ctx.db.write(now, |tx| {
        if !db::risk::clear(tx, agreement, &by, reason, now)? {
            return Err(Fault::not_found(t!("no flag stands on {agreement}", agreement = agreement))
                .hint(t!("see the flags with `kibble risk list`"))
                .into());
        }
        db::agreement::set_failed_in_row(tx, agreement, 0)?;
        Ok(((), Op::FlagChanged { agreement, flag: "high_risk cleared".into(), reason: reason.to_owned() }))
    })
}
