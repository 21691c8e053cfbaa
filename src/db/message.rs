//! The outbox: each event once, queued until a channel took it. Texts are rendered at delivery; what is kept here holds no names.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, ToSql, named_params};
use serde::Serialize;

use crate::db::Conn;
use crate::db::customer::{self, Contact};
use crate::db::types::{Instant, at, filter, maybe_at, maybe_day, word};
use crate::domain::agreement::AgreementState;
use crate::domain::charge::InstallmentState;
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId, InstallmentId, MessageId};
use crate::domain::message::{Audience, FIRST, MessageState, NewMessage};
use crate::domain::money::Money;
use crate::domain::pet::Status;

const COLUMNS: &str =
    "id, event, template, audience, customer_id, agreement_id, term, lang, params, created_at, not_before,
     state, channel, sent_at, said, tries, handed_at, refused";

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
    /// When a channel was given it last.
    pub handed_at: Option<At>,
    /// The channels that refused it for good.
    pub refused: Vec<String>,
}

impl Message {
    /// The term it is about.
    pub fn installment(&self) -> Option<InstallmentId> {
        Some(InstallmentId { agreement: self.agreement?, term: self.term? })
    }
}

/// A message with what is needed to write and address it, in one row.
#[derive(Clone, Debug)]
pub struct Addressed {
    /// The message.
    pub message: Message,
    /// Name and phone of the customer it is about; `None` for nobody, or when they were erased.
    pub customer: Option<(String, String)>,
    /// How else that customer can be reached.
    pub contact: Contact,
    /// Printed number and state of the agreement it is about.
    pub agreement: Option<(String, AgreementState)>,
    /// The pet's name, and whether it died, was lost or was returned.
    pub pet: Option<(String, bool)>,
    /// The term it is about: due date, amount and state.
    pub term: Option<(NaiveDate, Money, InstallmentState)>,
}

/// Queues a message. An event that is known already is not queued again; returns whether it was.
pub fn queue(conn: &Conn, new: &NewMessage, now: At) -> Result<bool> {
    let queued = conn
        .sql()
        .prepare_cached(
            "INSERT INTO message (event, template, audience, customer_id, agreement_id, term, lang, params, created_at,
                                  not_before, state, said, tries, refused)
             VALUES (:event, :template, :audience, :customer, :agreement, :term, :lang, :params, :at, :not_before,
                     'queued', '', 0, '')
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

/// Up to `limit` messages that may be sent now, after `after`, by id. In quiet hours those to the shop only. Either those that
/// go [`FIRST`], or the others.
pub fn sendable(
    conn: &Conn,
    now: At,
    quiet: bool,
    first: bool,
    after: MessageId,
    limit: u32,
) -> Result<Vec<Addressed>> {
    let (is, names) = (if first { "IN" } else { "NOT IN" }, FIRST.join("','"));
    let condition = &format!(
        "m.state = 'queued' AND m.not_before <= :now AND m.id > :after AND (:quiet = 0 OR m.audience = 'merchant')
         AND m.template {is} ('{names}') ORDER BY m.id LIMIT :limit"
    );
    let values = named_params! { ":now": Instant(now), ":quiet": i64::from(quiet), ":after": after, ":limit": limit };
    addressed(conn, condition, values)
}

/// How many messages may be sent now.
pub fn count_sendable(conn: &Conn, now: At, quiet: bool) -> Result<u64> {
    let mut query = conn.sql().prepare_cached(
        "SELECT count(*) AS number FROM message
         WHERE state = 'queued' AND not_before <= :now AND (:quiet = 0 OR audience = 'merchant')",
    )?;
    let values = named_params! { ":now": Instant(now), ":quiet": i64::from(quiet) };
    Ok(query.query_row(values, |row| row.get::<_, i64>("number"))?.unsigned_abs())
}

/// Whether an event was told, or is queued to be.
pub fn is_known(conn: &Conn, event: &str) -> Result<bool> {
    let mut query = conn.sql().prepare_cached("SELECT 1 FROM message WHERE event = :event")?;
    Ok(query.exists(named_params! { ":event": event })?)
}

/// Messages whose fate nobody knows: they were being sent when a run died, or their channel's answer was lost. In quiet hours
/// those to the shop only.
pub fn in_doubt(conn: &Conn, quiet: bool) -> Result<Vec<Addressed>> {
    let condition = "m.state IN ('sending','unknown') AND (:quiet = 0 OR m.audience = 'merchant') ORDER BY m.id";
    addressed(conn, condition, named_params! { ":quiet": i64::from(quiet) })
}

/// How many messages each channel was given for each phone number since `since`: `visit` hears channel, the number's
/// [mark](customer::phone_mark), and how many; an empty mark is the shop itself. What a channel refused or never got does not count.
pub fn handed_since(conn: &Conn, since: At, mut visit: impl FnMut(&str, &[u8], u64)) -> Result<()> {
    let mut query = conn.sql().prepare_cached(
        "SELECT m.channel, CASE WHEN m.audience = 'customer' THEN c.phone_hash END AS mark, count(*) AS number
         FROM message m LEFT JOIN customer c ON c.id = m.customer_id
         WHERE m.handed_at >= :since AND m.state IN ('sending','unknown','sent') AND m.channel IS NOT NULL
         GROUP BY m.channel, CASE WHEN m.audience = 'customer' THEN c.phone_hash END",
    )?;
    let mut rows = query.query(named_params! { ":since": Instant(since) })?;
    while let Some(row) = rows.next()? {
        let mark = row.get::<_, Option<Vec<u8>>>("mark")?.unwrap_or_default();
        visit(&row.get::<_, String>("channel")?, &mark, row.get::<_, i64>("number")?.unsigned_abs());
    }
    Ok(())
}

/// The newest messages first, at most `limit`, with whom they are for; of one customer or in one state when given.
pub fn newest_addressed(
    conn: &Conn,
    customer: Option<CustomerId>,
    state: Option<MessageState>,
    limit: u32,
) -> Result<Vec<Addressed>> {
    let of = filter("m.customer_id", ":customer", customer.is_some());
    let condition = &format!("{of} AND (:state IS NULL OR m.state = :state) ORDER BY m.id DESC LIMIT :limit");
    let values = named_params! { ":customer": customer, ":state": state.map(MessageState::word), ":limit": limit };
    addressed(conn, condition, values)
}

/// The message with this id.
pub fn get(conn: &Conn, id: MessageId) -> Result<Option<Message>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(from_row).transpose()?)
}

/// The message with this id, with whom it is for.
pub fn get_addressed(conn: &Conn, id: MessageId) -> Result<Option<Addressed>> {
    Ok(addressed(conn, "m.id = :id", named_params! { ":id": id })?.pop())
}

/// Moves a message to `state`, with what the channel said; without a channel the one that had it stays on record.
pub fn set_state(
    conn: &Conn,
    id: MessageId,
    state: MessageState,
    channel: Option<&str>,
    said: &str,
    now: At,
) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE message SET state = :state, channel = COALESCE(:channel, channel), said = :said,
               sent_at = CASE WHEN :state = 'sent' THEN :at ELSE sent_at END,
               handed_at = CASE WHEN :state = 'sending' THEN :at ELSE handed_at END,
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

/// Puts a failed message back into the queue, not before `not_before`; every channel may be asked again.
pub fn requeue(conn: &Conn, id: MessageId, not_before: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE message SET state = 'queued', not_before = :at, refused = '', tries = 0 WHERE id = :id",
        )?
        .execute(named_params! { ":at": Instant(not_before), ":id": id })?;
    Ok(())
}

/// The message was not told yet: it goes back into the queue, not before `not_before`, with the channel that had it, the channels
/// that refused it for good, and what was said.
pub fn put_back(
    conn: &Conn,
    id: MessageId,
    not_before: At,
    channel: Option<&str>,
    refused: &[String],
    said: &str,
) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE message SET state = 'queued', not_before = :at, channel = COALESCE(:channel, channel),
               refused = :refused, said = :said
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":at": Instant(not_before),
            ":channel": channel,
            ":refused": refused.join(","),
            ":said": said,
            ":id": id,
        })?;
    Ok(())
}

/// Whatever waits to be told becomes doubtful: in a database that was restored or copied, the other one may have told it. Returns
/// how many. Look-ups search from the moment at which each was queued.
pub fn doubt_queued(conn: &Conn, said: &str) -> Result<u64> {
    let changed = conn.sql().execute(
        "UPDATE message SET state = 'unknown', said = :said, handed_at = COALESCE(handed_at, created_at)
         WHERE state IN ('queued','sending')",
        named_params! { ":said": said },
    )?;
    Ok(u64::try_from(changed)?)
}

/// The messages of which nobody knows whether they arrived.
pub fn unknown(conn: &Conn) -> Result<Vec<Addressed>> {
    addressed(conn, "m.state = 'unknown' ORDER BY m.id", &[])
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
    let of = filter("customer_id", ":customer", customer.is_some());
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS} FROM message WHERE {of} AND (:state IS NULL OR state = :state) ORDER BY id DESC LIMIT :limit"
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

/// The newest message; 0 without any.
pub fn last_id(conn: &Conn) -> Result<MessageId> {
    Ok(conn.sql().query_row("SELECT COALESCE(MAX(id), 0) AS id FROM message", [], |row| row.get("id"))?)
}

/// Messages of one kind, by what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Which text.
    pub template: String,
    /// To whom.
    pub audience: Audience,
    /// Where they stand.
    pub state: MessageState,
    /// How many.
    pub count: u64,
    /// Before which moment none of them is sent.
    pub not_before: At,
}

/// The messages that were queued after `after`, counted by text, audience and state.
pub fn queued_after(conn: &Conn, after: MessageId) -> Result<Vec<Counted>> {
    let mut query = conn.sql().prepare(
        "SELECT template, audience, state, count(*) AS number, MIN(not_before) AS first FROM message WHERE id > :after
         GROUP BY template, audience, state ORDER BY template, audience, state",
    )?;
    let rows = query.query_map(named_params! { ":after": after }, |row| {
        Ok(Counted {
            template: row.get("template")?,
            audience: word(row, "audience", Audience::from_word)?,
            state: word(row, "state", MessageState::from_word)?,
            count: row.get::<_, i64>("number")?.unsigned_abs(),
            not_before: at(row, "first")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The messages to customers that wait or could not be sent, oldest first: all that are queued, and those after `after` that failed or
/// are in doubt.
pub fn untold(conn: &Conn, after: MessageId) -> Result<Vec<Message>> {
    let mut query = conn.sql().prepare(&format!(
        "SELECT {COLUMNS} FROM message WHERE audience = 'customer' AND state = 'queued'
         UNION ALL
         SELECT {COLUMNS} FROM message WHERE audience = 'customer' AND state IN ('failed','unknown') AND id > :after
         ORDER BY id"
    ))?;
    let rows = query.query_map(named_params! { ":after": after }, from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn addressed(conn: &Conn, condition: &str, values: &[(&str, &dyn ToSql)]) -> Result<Vec<Addressed>> {
    let mut query = conn.sql().prepare_cached(&format!(
        "SELECT m.id, m.event, m.template, m.audience, m.customer_id, m.agreement_id, m.term, m.lang, m.params, m.created_at,
                m.not_before, m.state, m.channel, m.sent_at, m.said, m.tries, m.handed_at, m.refused,
                c.wrapped_key, c.name AS customer_name, c.phone AS customer_phone, c.email, c.openid,
                a.no AS agreement_no, a.state AS agreement_state, p.name AS pet_name, p.status AS pet_status,
                i.due, i.amount, i.state AS term_state
         FROM message m
         LEFT JOIN customer c ON c.id = m.customer_id AND c.erased_at IS NULL
         LEFT JOIN agreement a ON a.id = m.agreement_id
         LEFT JOIN pet p ON p.id = a.pet_id
         LEFT JOIN installment i ON i.agreement_id = m.agreement_id AND i.term = m.term
         WHERE {condition}"
    ))?;
    let mut rows = query.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(addressed_row(conn, row)?);
    }
    Ok(found)
}

fn addressed_row(conn: &Conn, row: &Row<'_>) -> Result<Addressed> {
    let customer = match row.get::<_, Option<Vec<u8>>>("wrapped_key")? {
        Some(wrapped) => {
            let key = conn.keys().customer_key(&wrapped)?;
            let open = |from: &str, column: &str| key.open_text(column, &row.get::<_, Vec<u8>>(from)?);
            Some((open("customer_name", "name")?, open("customer_phone", "phone")?))
        }
        None => None,
    };
    let agreement = match row.get::<_, Option<String>>("agreement_no")? {
        Some(no) => Some((no, word(row, "agreement_state", AgreementState::from_word)?)),
        None => None,
    };
    let term = match maybe_day(row, "due")? {
        Some(due) => Some((due, row.get("amount")?, word(row, "term_state", InstallmentState::from_word)?)),
        None => None,
    };
    let pet = match row.get::<_, Option<String>>("pet_name")? {
        Some(name) => Some((name, !word(row, "pet_status", Status::from_word)?.may_be_charged_for())),
        None => None,
    };
    let contact = customer::contact_of(conn, row)?;
    Ok(Addressed { message: from_row(row)?, customer, contact, agreement, pet, term })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Message> {
    let refused: String = row.get("refused")?;
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
        handed_at: maybe_at(row, "handed_at")?,
        refused: refused.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    })
}
