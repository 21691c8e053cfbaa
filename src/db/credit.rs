//! Credit checks: one row per agreement, with the consent, what was said, and what a person decided. The score and the clerk's
//! reference are sealed under the customer's key.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, named_params};
use serde::{Deserialize, Serialize};

use crate::db::Conn;
use crate::db::customer::{label_of, seal_for};
use crate::db::types::{Day, Instant, day, maybe_at, word};
use crate::domain::credit::{Review, Verdict};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId};

const COLUMNS: &str = "c.agreement_id, c.customer_id, c.provider, c.threshold, c.consent_at, c.consent_text, c.attempt,
     c.transaction_no, c.asked_at, c.verdict, c.checked_on, c.provider_no, c.said, c.recorded_by, c.review,
     c.decided_at, c.decided_by, c.decide_reason";

/// A credit check as it stands, without what is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Of which agreement.
    pub agreement: AgreementId,
    /// Of whom.
    pub customer: CustomerId,
    /// `manual`, `zhima` or `sandbox`.
    pub provider: String,
    /// The least score that passes.
    pub threshold: u32,
    /// When the customer consented to the check, apart from the agreement; `None` when they did not, and nobody was asked then.
    pub consent_at: Option<At>,
    /// The sentence that they consented to.
    pub consent_text: String,
    /// How often the provider was asked under a number of its own.
    pub attempt: u32,
    /// Our number of the last question.
    pub transaction_no: Option<String>,
    /// When that number was first used.
    pub asked_at: Option<At>,
    /// What it said.
    pub verdict: Verdict,
    /// The day of the answer, or the day on which the clerk saw the score.
    pub checked_on: NaiveDate,
    /// The provider's number of its answer.
    pub provider_no: Option<String>,
    /// The provider's own words, or why it could not be asked.
    pub said: String,
    /// Who was at the machine.
    pub recorded_by: String,
    /// Where the decision stands.
    pub review: Review,
    /// When it was made.
    pub decided_at: Option<At>,
    /// By whom.
    pub decided_by: Option<String>,
    /// Why.
    pub decide_reason: Option<String>,
}

/// What was seen: personal, and sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The score, where there is one.
    pub score: Option<u32>,
    /// Where the proof is, for example the name of a screenshot.
    pub reference: String,
}

/// A check before anybody is asked.
#[derive(Clone, Debug)]
pub struct NewCheck<'a> {
    /// Of which agreement.
    pub agreement: AgreementId,
    /// Of whom.
    pub customer: CustomerId,
    /// `manual`, `zhima` or `sandbox`.
    pub provider: &'a str,
    /// The least score that passes.
    pub threshold: u32,
    /// Whether the customer consented.
    pub consent: bool,
    /// The sentence that they were asked to consent to.
    pub consent_text: &'a str,
    /// What it counts as until an answer is written.
    pub verdict: Verdict,
    /// Today.
    pub today: NaiveDate,
    /// Who is at the machine.
    pub by: &'a str,
}

/// An answer to a check.
#[derive(Clone, Debug)]
pub struct Answered<'a> {
    /// What it said.
    pub verdict: Verdict,
    /// The day it is of.
    pub on: NaiveDate,
    /// What was seen.
    pub seen: &'a Seen,
    /// The provider's number of its answer.
    pub provider_no: Option<&'a str>,
    /// The provider's own words.
    pub said: &'a str,
    /// Who is at the machine.
    pub by: &'a str,
}

/// Notes a check: it needs a person until an answer says otherwise, so that a crash never reads as a pass.
pub fn note(conn: &Conn, new: &NewCheck<'_>, now: At) -> Result<()> {
    conn.sql().execute(
        "INSERT INTO credit_check (agreement_id, customer_id, provider, threshold, consent_at, consent_text, attempt, verdict,
                                   checked_on, said, recorded_by, review)
         VALUES (:agreement, :customer, :provider, :threshold, :consent_at, :consent_text, 0, :verdict, :today, '', :by, 'open')",
        named_params! {
            ":agreement": new.agreement,
            ":customer": new.customer,
            ":provider": new.provider,
            ":threshold": new.threshold,
            ":consent_at": new.consent.then_some(Instant(now)),
            ":consent_text": new.consent_text,
            ":verdict": new.verdict.word(),
            ":today": Day(new.today),
            ":by": new.by,
        },
    )?;
    Ok(())
}

/// The provider is about to be asked under a new number.
pub fn set_asked(conn: &Conn, agreement: AgreementId, transaction_no: &str, attempt: u32, now: At) -> Result<()> {
    conn.sql().execute(
        "UPDATE credit_check SET transaction_no = :number, attempt = :attempt, asked_at = :at WHERE agreement_id = :agreement",
        named_params! {
            ":number": transaction_no, ":attempt": attempt, ":at": Instant(now), ":agreement": agreement,
        },
    )?;
    Ok(())
}

/// Writes an answer. A decision that a person has made stands.
pub fn answer(conn: &Conn, check: &Check, it: &Answered<'_>) -> Result<()> {
    let seen = seal_for(conn, check.customer, "credit_seen", &serde_json::to_string(it.seen)?)?;
    conn.sql().execute(
        "UPDATE credit_check SET verdict = :verdict, checked_on = :day, seen = :seen, provider_no = :provider_no, said = :said,
           recorded_by = :by, review = CASE WHEN review = 'open' THEN :review ELSE review END
         WHERE agreement_id = :agreement",
        named_params! {
            ":verdict": it.verdict.word(),
            ":day": Day(it.on),
            ":seen": seen,
            ":provider_no": it.provider_no,
            ":said": it.said,
            ":by": it.by,
            ":review": it.verdict.review().word(),
            ":agreement": check.agreement,
        },
    )?;
    Ok(())
}

/// A person has decided.
pub fn decide(conn: &Conn, agreement: AgreementId, review: Review, by: &str, reason: &str, now: At) -> Result<()> {
    conn.sql().execute(
        "UPDATE credit_check SET review = :review, decided_at = :at, decided_by = :by, decide_reason = :reason
         WHERE agreement_id = :agreement",
        named_params! {
            ":review": review.word(), ":at": Instant(now), ":by": by, ":reason": reason, ":agreement": agreement,
        },
    )?;
    Ok(())
}

/// The check of an agreement; `None` where none was asked for.
pub fn of_agreement(conn: &Conn, agreement: AgreementId) -> Result<Option<Check>> {
    let mut query = conn
        .sql()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM credit_check c WHERE c.agreement_id = :agreement"))?;
    let mut rows = query.query(named_params! { ":agreement": agreement })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// Checks that wait for a decision on an agreement that still waits.
const OPEN: &str =
    "credit_check c JOIN agreement a ON a.id = c.agreement_id WHERE c.review = 'open' AND a.state = 'waiting'";

/// Checks that wait for a decision, oldest first, with the customer's masked label and what was seen.
pub fn open(conn: &Conn) -> Result<Vec<(Check, String, Seen)>> {
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS}, c.seen, u.wrapped_key, u.name, u.phone
         FROM (SELECT c.* FROM {OPEN}) c JOIN customer u ON u.id = c.customer_id ORDER BY c.agreement_id"
    ))?;
    let mut rows = query.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let column = |name: &str| row.get::<_, Option<Vec<u8>>>(name);
        let seen = match (column("wrapped_key")?, column("seen")?) {
            (Some(wrapped), Some(sealed)) => {
                serde_json::from_str(&conn.keys().customer_key(&wrapped)?.open_text("credit_seen", &sealed)?)?
            }
            _ => Seen::default(),
        };
        found.push((from_row(row)?, label_of(conn, row)?, seen));
    }
    Ok(found)
}

/// How many checks wait for a decision.
pub fn count_open(conn: &Conn) -> Result<u64> {
    let mut query = conn.sql().prepare(&format!("SELECT CAST(count(*) AS BIGINT) AS number FROM {OPEN}"))?;
    Ok(query.query_row([], |row| row.get::<_, i64>("number"))?.unsigned_abs())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Check> {
    Ok(Check {
        agreement: row.get("agreement_id")?,
        customer: row.get("customer_id")?,
        provider: row.get("provider")?,
        threshold: row.get("threshold")?,
        consent_at: maybe_at(row, "consent_at")?,
        consent_text: row.get("consent_text")?,
        attempt: row.get("attempt")?,
        transaction_no: row.get("transaction_no")?,
        asked_at: maybe_at(row, "asked_at")?,
        verdict: word(row, "verdict", Verdict::from_word)?,
        checked_on: day(row, "checked_on")?,
        provider_no: row.get("provider_no")?,
        said: row.get("said")?,
        recorded_by: row.get("recorded_by")?,
        review: word(row, "review", Review::from_word)?,
        decided_at: maybe_at(row, "decided_at")?,
        decided_by: row.get("decided_by")?,
        decide_reason: row.get("decide_reason")?,
    })
}
