//! The outbox: each event once, queued until a channel took it. Texts are rendered at delivery; what is kept here holds no names.

use anyhow::Result;
use rusqlite::{Row, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::types::{Instant, at, maybe_at, word};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId, InstallmentId, MessageId};
use crate::domain::message::{Audience, MessageState, NewMessage};

const COLUMNS: &str =
    "id, event, template, audience, customer_id, agreement_id, term, lang, params, created_at, not_before,
     state, channel, sent_at, said, tries";

/// A message as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The event it is about; unique, so that it is told once.
    pub event: String,
    /// Which text.
    pub template: String,
    /// To whom.
    pub audience: Audience,
    /// About which customer.
    pub customer: Option<CustomerId>,
    /// About which agreement.
    pub agreement: Option<AgreementId>,
    /// About which term.
    pub term: Option<u32>,
    /// `zh` or `en`.
    pub lang: String,
    /// Values for the text, as a JSON object.
    pub params: String,
    /// When the event happened.
    pub created_at: At,
    /// Not to be sent before.
    pub not_before: At,
    /// Where it stands.
    pub state: MessageState,
    /// Which channel took it.
    pub channel: Option<String>,
    /// When.
    pub sent_at: Option<At>,
    /// What the channel said.
    pub said: String,
    /// How often it was tried.
    pub tries: u32,
}

impl Message {
    /// The term it is about.
    pub fn installment(&self) -> Option<InstallmentId> {
        Some(InstallmentId { agreement: self.agreement?, term: self.term? })
    }
}

/// Queues a message. An event that is known already is not queued again; returns whether it was.
pub fn queue(conn: &Conn, new: &NewMessage, now: At) -> Result<bool> {
    let queued = conn
        .sql()
        .prepare_cached(
            "INSERT INTO message (event, template, audience, customer_id, agreement_id, term, lang, params, created_at,
                                  not_before, state, said, tries)
             VALUES (:event, :template, :audience, :customer, :agreement, :term, :lang, :params, :at, :not_before,
                     'queued', '', 0)
             ON CONFLICT (event) DO NOTHING",
        )?
        .execute(named_params! {
            ":event": new.event,
            ":template": new.template,
            ":audience": new.audience.word(),
            ":customer": new.customer,
            ":agreement": new.agreement,
            ":term": new.term,
            ":lang": new.lang,
            ":params": new.params.to_string(),
            ":at": Instant(now),
            ":not_before": Instant(new.not_before),
        })?;
    Ok(queued > 0)
}

/// Up to `limit` messages that may be sent now, after `after`, by id.
pub fn sendable(conn: &Conn, now: At, after: MessageId, limit: u32) -> Result<Vec<Message>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM message WHERE state = 'queued' AND not_before <= :now AND id > :after ORDER BY id LIMIT :limit"
    ))?;
    let rows = query.query_map(named_params! { ":now": Instant(now), ":after": after, ":limit": limit }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Messages that were being sent when a run died: nobody knows whether they arrived.
pub fn in_doubt(conn: &Conn) -> Result<Vec<Message>> {
    let mut query =
        conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE state = 'sending' ORDER BY id"))?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Moves a message to `state`, with what the channel said.
pub fn set_state(conn: &Conn, id: MessageId, state: MessageState, channel: &str, said: &str, now: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE message SET state = :state, channel = :channel, said = :said,
               sent_at = CASE WHEN :state = 'sent' THEN :at ELSE sent_at END,
               tries = tries + CASE WHEN :state = 'sending' THEN 1 ELSE 0 END
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":state": state.word(),
            ":channel": channel,
            ":said": said,
            ":at": Instant(now),
            ":id": id,
        })?;
    Ok(())
}

/// Puts a failed message back into the queue, not before `not_before`.
pub fn requeue(conn: &Conn, id: MessageId, not_before: At) -> Result<()> {
    conn.sql()
        .prepare_cached("UPDATE message SET state = 'queued', not_before = :at WHERE id = :id")?
        .execute(named_params! { ":at": Instant(not_before), ":id": id })?;
    Ok(())
}

/// Drops messages of an event family that no longer make sense, for example the announcement of a cancelled term.
pub fn drop_queued(conn: &Conn, agreement: AgreementId, template: &str, term: Option<u32>) -> Result<u64> {
    let changed = conn.sql().execute(
        "UPDATE message SET state = 'dropped' WHERE agreement_id = :agreement AND template = :template AND state = 'queued'
           AND (:term IS NULL OR term = :term)",
        named_params! { ":agreement": agreement, ":template": template, ":term": term },
    )?;
    Ok(u64::try_from(changed)?)
}

/// The newest messages first, at most `limit`; of one customer or in one state when given.
pub fn newest(
    conn: &Conn,
    customer: Option<CustomerId>,
    state: Option<MessageState>,
    limit: u32,
) -> Result<Vec<Message>> {
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS} FROM message
         WHERE (:customer IS NULL OR customer_id = :customer) AND (:state IS NULL OR state = :state)
         ORDER BY id DESC LIMIT :limit"
    ))?;
    let rows = query.query_map(
        named_params! { ":customer": customer, ":state": state.map(MessageState::word), ":limit": limit },
        from_row,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The messages about one term, oldest first.
pub fn of_installment(conn: &Conn, id: InstallmentId) -> Result<Vec<Message>> {
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS} FROM message WHERE agreement_id = :agreement AND term = :term ORDER BY id"
    ))?;
    let rows = query.query_map(named_params! { ":agreement": id.agreement, ":term": id.term }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get("id")?,
        event: row.get("event")?,
        template: row.get("template")?,
        audience: word(row, "audience", Audience::from_word)?,
        customer: row.get("customer_id")?,
        agreement: row.get("agreement_id")?,
        term: row.get("term")?,
        lang: row.get("lang")?,
        params: row.get("params")?,
        created_at: at(row, "created_at")?,
        not_before: at(row, "not_before")?,
        state: word(row, "state", MessageState::from_word)?,
        channel: row.get("channel")?,
        sent_at: maybe_at(row, "sent_at")?,
        said: row.get("said")?,
        tries: row.get("tries")?,
    })
}
