//! What the audit trail knows of days that moved: pauses and their ends, and terms that were postponed. The rows of a term keep its
//! newest day only.

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime};
use serde_json::Value;

use crate::db;
use crate::db::audit::AuditRow;
use crate::domain::agreement::{AgreementState, PauseEffect};
use crate::domain::date::{At, moment};
use crate::domain::id::{AgreementId, InstallmentId};
use crate::ops::Ctx;
use crate::ops::agreement::{Pause, read_pause};
use crate::ops::why::{Kind, Story};
use crate::t;

/// Something that may have moved a day.
#[derive(Clone, Debug)]
pub struct Move {
    /// When it was decided.
    pub at: At,
    /// In which record it stands.
    pub record: String,
    /// What was decided.
    pub what: Decided,
}

/// What was decided.
#[derive(Clone, Debug)]
pub enum Decided {
    /// The agreement was paused.
    Paused(Pause),
    /// The pause was over, or ended early for this reason.
    Resumed { pause: Pause, early: Option<String> },
    /// The term was put off.
    Postponed { to: NaiveDate, reason: String },
}

impl Move {
    /// Whether a pause, or the early end of one, gave terms other days.
    pub fn shifts(&self) -> bool {
        match &self.what {
            Decided::Paused(pause) => pause.effect == PauseEffect::Extend,
            Decided::Resumed { pause, early } => pause.effect == PauseEffect::Extend && early.is_some(),
            Decided::Postponed { .. } => false,
        }
    }

    /// The pause, for its beginning and its end.
    pub fn pause(&self) -> Option<&Pause> {
        match &self.what {
            Decided::Paused(pause) | Decided::Resumed { pause, .. } => Some(pause),
            Decided::Postponed { .. } => None,
        }
    }

    /// The day to which the term was put off.
    pub fn postponed_to(&self) -> Option<NaiveDate> {
        match self.what {
            Decided::Postponed { to, .. } => Some(to),
            Decided::Paused(_) | Decided::Resumed { .. } => None,
        }
    }

    /// Puts it where it belongs in the chain.
    pub fn tell(&self, story: &mut Story) {
        let (text, reason) = match &self.what {
            Decided::Paused(pause) => {
                let text = match pause.effect {
                    PauseEffect::Extend => t!("what falls due until then moves to later months"),
                    PauseEffect::Skip => t!("what falls due until then is dropped"),
                };
                let paused = because(t!("paused until {until}", until = pause.until), &pause.reason);
                (t!("{paused}; {effect}", paused = paused, effect = text), "")
            }
            Decided::Resumed { early: Some(reason), .. } => (t!("the pause was ended early"), reason.as_str()),
            Decided::Resumed { early: None, .. } => (t!("the pause is over"), ""),
            Decided::Postponed { to, reason } => (t!("put off to {to}", to = to), reason.as_str()),
        };
        let kind = if self.pause().is_some() { Kind::Agreement } else { Kind::Term };
        story.event(self.at, &self.record, kind, because(text, reason));
    }
}

fn because(text: String, reason: &str) -> String {
    match reason.trim() {
        "" => text,
        reason => t!("{text}: {reason}", text = text, reason = reason),
    }
}

/// Everything that may have moved the days of an agreement, and of one of its terms alone when given; oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn moves(ctx: &Ctx, agreement: AgreementId, term: Option<InstallmentId>) -> Result<Vec<Move>> {
    let records: Vec<String> =
        [Some(agreement.to_string()), term.map(|id| id.to_string())].into_iter().flatten().collect();
    let mut found = Vec::new();
    let mut paused: Option<Pause> = None;
    for row in db::audit::of_records(ctx.db.read(), &records)? {
        let Some(what) = decided(ctx, &row, &mut paused) else { continue };
        found.push(Move { at: row.at, record: row.entity, what });
    }
    Ok(found)
}

/// `paused` is the pause that holds when the row is written.
fn decided(ctx: &Ctx, row: &AuditRow, paused: &mut Option<Pause>) -> Option<Decided> {
    let detail: Value = serde_json::from_str(&row.detail).ok()?;
    let word = |name: &str| detail[name].as_str().unwrap_or_default();
    match (row.op.as_str(), AgreementState::from_word(word("state"))) {
        ("agreement_changed", Some(AgreementState::Paused)) => {
            *paused = read_pause(word("reason"));
            paused.clone().map(Decided::Paused)
        }
        ("agreement_changed", Some(AgreementState::Active)) => {
            let pause = paused.take()?;
            let is_early = row.at < moment(pause.until, NaiveTime::MIN, ctx.zone());
            Some(Decided::Resumed { early: is_early.then(|| word("reason").to_owned()), pause })
        }
        ("installment_postponed", _) => {
            Some(Decided::Postponed { to: word("to").parse().ok()?, reason: word("reason").to_owned() })
        }
        _ => None,
    }
}

/// When it was decided that a term which would fall due on `due` is dropped: by the newest pause that drops it. `None` when no pause
/// did.
pub fn dropped_at(ctx: &Ctx, moves: &[Move], due: NaiveDate) -> Option<At> {
    let mut dropped = None;
    for it in moves {
        let day = ctx.today(it.at);
        match &it.what {
            Decided::Paused(pause) if drops(pause, day, due) => dropped = Some(it.at),
            // A pause that ends early gives back what falls due from that day on.
            Decided::Resumed { pause, .. } if drops(pause, day, due) => dropped = None,
            _ => {}
        }
    }
    dropped
}

/// Whether a pause that holds from the day `from` on drops what falls due on `due`.
pub fn drops(pause: &Pause, from: NaiveDate, due: NaiveDate) -> bool {
    pause.effect == PauseEffect::Skip && due >= from && due < pause.until
}
