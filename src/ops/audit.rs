//! The audit trail: what it says, and whether it is whole.

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;

use crate::db;
pub use crate::db::audit::{AuditRow, Break};
use crate::domain::date::moment;
use crate::ops::witness::{self, Verdict};
use crate::ops::{Ctx, Event};
use crate::t;

/// The newest rows first; of one record, or from a day on, when given.
///
/// # Errors
/// When the database cannot be read.
pub fn list(ctx: &Ctx, record: Option<&str>, since: Option<NaiveDate>, limit: u32) -> Result<Vec<AuditRow>> {
    let since = since.map(|day| moment(day, NaiveTime::MIN, ctx.zone()));
    db::audit::newest(ctx.db.read(), record, since, limit)
}

/// What the walk along the chain showed.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// How many rows hold, from the first on.
    pub rows: u64,
    /// The first row that does not, and why.
    pub broken: Option<Broken>,
    /// What the witness beside the data key says of the end of the chain.
    pub witness: Verdict,
}

/// Where the chain breaks.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// The row's number.
    pub seq: i64,
    /// What kind of break.
    pub kind: Break,
}

impl Verified {
    /// True when nothing was removed or edited, as far as anybody can tell.
    pub fn holds(&self) -> bool {
        self.broken.is_none()
            && !matches!(self.witness, Verdict::Behind { restored: false, .. } | Verdict::Forked { .. })
    }
}

/// Recomputes every hash and link, and compares the end of the chain with the witness.
///
/// # Errors
/// When the database or the witness cannot be read.
pub fn verify(ctx: &Ctx) -> Result<Verified> {
    let (total, _) = db::audit::head(ctx.db.read())?;
    ctx.say(Event::Begin { label: t!("audit trail"), total: total.unsigned_abs() });
    let chain = db::audit::walk(ctx.db.read(), |rows| ctx.say(Event::Step(rows)));
    ctx.say(Event::End);
    let chain = chain?;
    let broken = chain.broken.map(|(seq, kind)| Broken { seq, kind });
    Ok(Verified { rows: chain.sound, broken, witness: witness::inspect(ctx)? })
}
