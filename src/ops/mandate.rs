//! Mandates: links to agree to them, what the rail says of them, closing them until the rail confirms, and what happens when a
//! customer ends one. Owns no rule about charging: a charge needs a live mandate, and that is `domain/charge.rs`.

use anyhow::Result;
use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use serde_json::{Value, json};

use crate::adapters::rail::{MandateRef, MandateState, SignRequest, Trouble};
use crate::db::{self, Conn};
use crate::domain::agreement::{Agreement, AgreementState};
use crate::domain::charge::InstallmentState;
use crate::domain::customer::label;
use crate::domain::date::{At, plus_days};
use crate::domain::id::{AgreementId, MandateId};
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::message::Audience;
use crate::domain::op::Op;
use crate::domain::rail::Reason;
use crate::fault::Fault;
use crate::ops::remind::{Letter, tell};
use crate::ops::{Ctx, agreement, credit};
use crate::t;
use crate::text::Lang;

/// Days ahead for which a mandate must last to count as good for the next term.
const OUTLIVED_DAYS: i64 = 31;

/// Mandates asked about between two commits.
const GROUP: u32 = 64;

/// Where a customer agrees to a mandate.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// The mandate.
    pub mandate: MandateId,
    /// For which agreement.
    pub agreement: AgreementId,
    /// 1 for the first choice, 2 for the fallback.
    pub lane: u32,
    /// On which rail.
    pub rail: String,
    /// To open or to send; `None` when the rail gave none now.
    pub url: Option<String>,
    /// To show as a QR code.
    pub qr: Option<String>,
    /// When it goes stale.
    pub good_until: Option<At>,
    /// Why there is none.
    pub trouble: Option<String>,
}

/// What asking about waiting mandates came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// Asked about.
    pub asked: u64,
    /// The customer has agreed.
    pub live: u64,
    /// Agreements that run now.
    pub activated: Vec<AgreementId>,
    /// Ended before or after the customer agreed.
    pub ended: Vec<MandateId>,
    /// Still waiting.
    pub waiting: u64,
    /// Rails that could not say, with what they said; each once.
    pub down: Vec<(String, String)>,
}

/// What closing mandates came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pursued {
    /// The rail confirmed.
    pub closed: u64,
    /// Rails that could not be reached, with what they said; each once. Asked again next time.
    pub down: Vec<(String, String)>,
    /// The rail refused, with its words: a person must look.
    pub refused: Vec<(MandateId, String)>,
}

/// The mandate with this id.
///
/// # Errors
/// When there is none.
pub fn get(conn: &Conn, id: MandateId) -> Result<Mandate> {
    db::mandate::get(conn, id)?.ok_or_else(|| {
        Fault::not_found(t!("there is no mandate {mandate}", mandate = id))
            .hint(t!("`kibble mandate list` shows them"))
            .into()
    })
}

/// Every mandate, in one state or of one agreement when given.
///
/// # Errors
/// When the database cannot be read.
pub fn list(ctx: &Ctx, state: Option<MandateStatus>, of: Option<AgreementId>) -> Result<Vec<Mandate>> {
    let conn = ctx.db.read();
    let mut found = Vec::new();
    match of {
        Some(agreement) => {
            agreement::get(conn, agreement)?;
            found = db::mandate::of_agreement(conn, agreement)?;
            found.retain(|it| state.is_none_or(|state| it.state == state));
        }
        None => db::mandate::each(conn, state, |it| {
            found.push(it);
            Ok(())
        })?,
    }
    Ok(found)
}

/// Asks the rail for the link where the customer agrees. Asking again gives a link to the same mandate. A rail that cannot be
/// reached is told in the answer, not as an error.
///
/// # Errors
/// When there is no such mandate, or it does not wait for the customer.
pub fn link(ctx: &Ctx, id: MandateId, now: At) -> Result<Link> {
    let conn = ctx.db.read();
    let mandate = get(conn, id)?;
    if mandate.state != MandateStatus::Waiting {
        let fault = Fault::refused(t!(
            "{mandate} does not wait for the customer: it is {state}",
            mandate = id,
            state = status_text(mandate.state)
        ));
        return Err(match mandate.state {
            MandateStatus::Live => fault.into(),
            _ => fault
                .hint(t!("ask for a new one with `kibble sign --again {agreement}`", agreement = mandate.agreement))
                .into(),
        });
    }
    credit::must_let_pass(conn, mandate.agreement)?;
    let request = sign_request(ctx, conn, &mandate, now)?;
    let answer = ctx.rail(&mandate.rail)?.sign_link(&request);
    let mut link = Link {
        mandate: id,
        agreement: mandate.agreement,
        lane: mandate.lane,
        rail: mandate.rail,
        url: None,
        qr: None,
        good_until: None,
        trouble: None,
    };
    match answer {
        Ok(it) => {
            link.url = Some(it.url);
            link.qr = Some(it.qr);
            link.good_until = it.good_until;
        }
        Err(trouble) => link.trouble = Some(trouble_text(&trouble)),
    }
    Ok(link)
}

/// Asks the rails about every mandate that waits for its customer, and starts the agreements whose customers have agreed.
/// Answers are written in groups; a rail that cannot be reached is counted.
///
/// # Errors
/// When the database cannot be read or written.
pub fn sync_waiting(ctx: &Ctx, now: At) -> Result<Synced> {
    let mut synced = Synced::default();
    let mut after = MandateId::new(0);
    loop {
        let page = db::mandate::page(ctx.db.read(), MandateStatus::Waiting, after, GROUP)?;
        let Some(last) = page.last() else { return Ok(synced) };
        after = last.id;
        let answers = page.into_iter().map(|mandate| (ask(ctx, &mandate), mandate)).collect();
        write_states(ctx, answers, &mut synced, now)?;
    }
}

/// Asks the rail about one mandate, waiting or live, and writes what it says.
///
/// # Errors
/// When there is no such mandate, or the database cannot be written.
pub fn sync(ctx: &Ctx, id: MandateId, now: At) -> Result<Synced> {
    let mandate = get(ctx.db.read(), id)?;
    let mut synced = Synced::default();
    if mandate.state == MandateStatus::Closing {
        let pursued = pursue(ctx, vec![mandate], now)?;
        synced.asked = 1;
        synced.down = pursued.down;
        if pursued.closed > 0 {
            synced.ended.push(id);
        }
        return Ok(synced);
    }
    if !matches!(mandate.state, MandateStatus::Waiting | MandateStatus::Live) {
        return Ok(synced);
    }
    write_states(ctx, vec![(ask(ctx, &mandate), mandate)], &mut synced, now)?;
    Ok(synced)
}

/// Writes what the rail says of one mandate without being asked.
///
/// # Errors
/// When the database cannot be written.
pub(super) fn told(ctx: &Ctx, mandate: &Mandate, state: MandateState, now: At) -> Result<Synced> {
    let mut synced = Synced::default();
    write_states(ctx, vec![(Ok(state), mandate.clone())], &mut synced, now)?;
    Ok(synced)
}

/// Asks the rails to close every mandate that is to be closed, until they confirm.
///
/// # Errors
/// When the database cannot be read or written; an unreachable rail is no error.
pub fn pursue_closing(ctx: &Ctx, now: At) -> Result<Pursued> {
    let mut pursued = Pursued::default();
    let mut after = MandateId::new(0);
    loop {
        let page = db::mandate::page(ctx.db.read(), MandateStatus::Closing, after, GROUP)?;
        let Some(last) = page.last() else { return Ok(pursued) };
        after = last.id;
        let part = pursue(ctx, page, now)?;
        pursued.closed += part.closed;
        pursued.refused.extend(part.refused);
        for (rail, said) in part.down {
            note_down(&mut pursued.down, &rail, said);
        }
    }
}

/// Asks the rail to close some mandates that are to be closed.
pub(super) fn pursue(ctx: &Ctx, mandates: Vec<Mandate>, now: At) -> Result<Pursued> {
    let mut pursued = Pursued::default();
    let mut closed = Vec::new();
    for mandate in mandates {
        let why = mandate.end_cause.clone().unwrap_or_default();
        // A rail that was taken out of shop.toml cannot be asked; the mandate stays in sight.
        let answer = match ctx.rail(&mandate.rail) {
            Ok(rail) => rail.close_mandate(&reference(&mandate), &why),
            Err(error) => Err(Trouble::Unreachable { text: error.to_string() }),
        };
        match answer {
            Ok(()) | Err(Trouble::Unsupported | Trouble::Refused { reason: Reason::MandateGone, .. }) => {
                closed.push(mandate.id);
            }
            Err(Trouble::Unreachable { text }) => note_down(&mut pursued.down, &mandate.rail, text),
            Err(trouble @ Trouble::Refused { .. }) => pursued.refused.push((mandate.id, trouble_text(&trouble))),
        }
    }
    if !closed.is_empty() {
        ctx.db.write(now, |tx| {
            for id in &closed {
                db::mandate::end(tx, *id, MandateStatus::Closed, "closed", now)?;
            }
            Ok(((), changed(&closed, MandateStatus::Closed)))
        })?;
    }
    pursued.closed = u64::try_from(closed.len())?;
    Ok(pursued)
}

/// Closes one mandate at the shop's wish: nothing is charged under it from here on; the rail is asked at once, and again by
/// later runs until it confirms.
///
/// # Errors
/// When there is no such mandate, or it is over.
pub fn close(ctx: &Ctx, id: MandateId, reason: &str, now: At) -> Result<Pursued> {
    let mandate = get(ctx.db.read(), id)?;
    match mandate.state {
        MandateStatus::Waiting | MandateStatus::Live => {
            ctx.db.write(now, |tx| {
                db::mandate::end(tx, id, MandateStatus::Closing, reason, now)?;
                let agreement = agreement::get(tx, mandate.agreement)?;
                if mandate.state == MandateStatus::Live {
                    tell_ended(ctx, tx, &agreement, &mandate, now)?;
                }
                Ok(((), changed(&[id], MandateStatus::Closing)))
            })?;
        }
        MandateStatus::Closing => {}
        MandateStatus::Closed | MandateStatus::Revoked | MandateStatus::Expired => {
            return Err(Fault::refused(t!(
                "{mandate} is over already: {state}",
                mandate = id,
                state = status_text(mandate.state)
            ))
            .into());
        }
    }
    pursue(ctx, vec![get(ctx.db.read(), id)?], now)
}

/// The rail says that a mandate is gone: written down and, where the customer did it, told to both sides once. Nothing is
/// charged under it from here on. `by` is the rail's word: `customer`, `merchant`, `expiry`, `provider`.
///
/// # Errors
/// When the database cannot be written.
pub fn ended_at_rail(ctx: &Ctx, tx: &Conn, mandate: &Mandate, when: At, by: &str, now: At) -> Result<()> {
    if matches!(mandate.state, MandateStatus::Closed | MandateStatus::Revoked | MandateStatus::Expired) {
        return Ok(());
    }
    if mandate.state == MandateStatus::Closing {
        return db::mandate::end(tx, mandate.id, MandateStatus::Closed, by, when);
    }
    let state = match by {
        "expiry" => MandateStatus::Expired,
        "merchant" => MandateStatus::Closed,
        _ => MandateStatus::Revoked,
    };
    db::mandate::end(tx, mandate.id, state, by, when)?;
    // Nobody was told that it lived, so nobody is told that it ended.
    if mandate.state == MandateStatus::Waiting {
        return Ok(());
    }
    let agreement = agreement::get(tx, mandate.agreement)?;
    if matches!(agreement.state, AgreementState::Active | AgreementState::Paused) {
        tell_ended(ctx, tx, &agreement, mandate, now)?;
        if state != MandateStatus::Closed {
            tell_shop(ctx, tx, &agreement, mandate, now)?;
        }
    }
    Ok(())
}

/// Mandates that run out before the next term falls due, as after a pause that made an agreement longer: they are closed, and both
/// sides are told in time to agree to a new one.
///
/// # Errors
/// When the database cannot be read or written.
pub fn close_outlived(ctx: &Ctx, now: At) -> Result<Vec<Mandate>> {
    let soon = plus_days(ctx.today(now), OUTLIVED_DAYS);
    let outlived = db::mandate::outlived(ctx.db.read(), soon)?;
    for mandate in &outlived {
        ctx.db.write(now, |tx| {
            let agreement = agreement::get(tx, mandate.agreement)?;
            db::mandate::end(tx, mandate.id, MandateStatus::Closing, "expiry", now)?;
            tell_ended(ctx, tx, &agreement, mandate, now)?;
            tell_shop(ctx, tx, &agreement, mandate, now)?;
            Ok(((), changed(&[mandate.id], MandateStatus::Closing)))
        })?;
    }
    Ok(outlived)
}

/// Has rails that keep a date of their own move it to the next term's: after a pause the term they know of is not the next one.
/// Returns what rails said that could not; the debit run stops at the window they keep, so nothing is charged on a wrong day.
pub fn postpone(ctx: &Ctx, id: AgreementId) -> Result<Vec<String>> {
    let conn = ctx.db.read();
    let next = db::installment::of_agreement(conn, id)?
        .into_iter()
        .find(|it| it.state == InstallmentState::Open && it.course == crate::domain::charge::Course::Planned);
    let Some(next) = next else { return Ok(Vec::new()) };
    let mut troubles = Vec::new();
    for mandate in db::mandate::of_agreement(conn, id)? {
        if mandate.state != MandateStatus::Live {
            continue;
        }
        let rail = ctx.rail(&mandate.rail)?;
        let to = rail.profile().registered(next.due);
        let known = match rail.mandate_state(&reference(&mandate)) {
            Ok(MandateState::Live { next_date, .. }) => next_date,
            _ => None,
        };
        if known.is_some_and(|known| known < to)
            && let Err(trouble) = rail.postpone(&reference(&mandate), to)
        {
            troubles.push(format!("{}: {}", mandate.id, trouble_text(&trouble)));
        }
    }
    Ok(troubles)
}

/// What a rail's trouble means, in the person's language.
pub fn trouble_text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Unsupported => t!("this payment rail cannot do that"),
        Trouble::Refused { code, text, .. } => {
            t!("the payment rail refused: {text} ({code})", text = text, code = code)
        }
        Trouble::Unreachable { text } => text.clone(),
    }
}

/// A mandate's state in the person's language.
pub fn status_text(state: MandateStatus) -> String {
    match state {
        MandateStatus::Waiting => t!("waiting for the customer to agree"),
        MandateStatus::Live => t!("live"),
        MandateStatus::Closing => t!("closing, the rail has not confirmed"),
        MandateStatus::Closed => t!("closed"),
        MandateStatus::Revoked => t!("ended in the wallet app"),
        MandateStatus::Expired => t!("expired"),
    }
}

/// How a rail finds a mandate.
pub fn reference(mandate: &Mandate) -> MandateRef {
    MandateRef { contract_no: mandate.contract_no.clone(), provider_no: mandate.provider_no.clone() }
}

/// `12月15日` and `Dec 15`, as message texts want a date.
pub(super) fn date_texts(date: NaiveDate) -> (String, String) {
    (format!("{}月{}日", date.month(), date.day()), date.format("%b %-d").to_string())
}

fn note_down(down: &mut Vec<(String, String)>, rail: &str, said: String) {
    if !down.iter().any(|(known, _)| known == rail) {
        down.push((rail.to_owned(), said));
    }
}

fn ask(ctx: &Ctx, mandate: &Mandate) -> Result<MandateState, Trouble> {
    // A rail that was taken out of shop.toml cannot be asked.
    let rail = ctx.rail(&mandate.rail).map_err(|error| Trouble::Unreachable { text: error.to_string() })?;
    rail.mandate_state(&reference(mandate))
}

fn write_states(
    ctx: &Ctx,
    answers: Vec<(Result<MandateState, Trouble>, Mandate)>,
    synced: &mut Synced,
    now: At,
) -> Result<()> {
    synced.asked += u64::try_from(answers.len())?;
    let mut news = Vec::new();
    for (answer, mandate) in answers {
        match answer {
            Err(trouble) => note_down(&mut synced.down, &mandate.rail, trouble_text(&trouble)),
            Ok(MandateState::Live { .. }) if mandate.state == MandateStatus::Live => {}
            Ok(MandateState::Waiting | MandateState::NotFound) => synced.waiting += 1,
            Ok(answer) => news.push((answer, mandate)),
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    ctx.db.write(now, |tx| {
        let mut words = Vec::new();
        for (answer, mandate) in news {
            // Somebody may have ended it meanwhile.
            let mandate = get(tx, mandate.id)?;
            match answer {
                MandateState::Live { provider_no, signed_at, .. } if mandate.state == MandateStatus::Waiting => {
                    if went_live(ctx, tx, &mandate, &provider_no, signed_at.unwrap_or(now), now)? {
                        synced.activated.push(mandate.agreement);
                    }
                    synced.live += 1;
                }
                MandateState::Ended { at, by } => {
                    ended_at_rail(ctx, tx, &mandate, at.unwrap_or(now), &by, now)?;
                    synced.ended.push(mandate.id);
                }
                _ => {}
            }
            words.push((mandate.id, get(tx, mandate.id)?.state.word().to_owned()));
        }
        Ok(((), Op::MandatesChanged { mandates: words }))
    })
}

/// The customer has agreed: the first lane starts the agreement. Returns whether it did.
fn went_live(ctx: &Ctx, tx: &Conn, mandate: &Mandate, provider_no: &str, signed_at: At, now: At) -> Result<bool> {
    db::mandate::set_live(tx, mandate.id, provider_no, signed_at)?;
    let agreement = agreement::get(tx, mandate.agreement)?;
    if agreement.state == AgreementState::Waiting {
        // Without a decision about the credit check nothing starts, whoever gave the customer the link.
        if mandate.lane != 1 || !credit::lets_pass(tx, agreement.id)? {
            return Ok(false);
        }
        agreement::activate(ctx, tx, &agreement, mandate, now)?;
        return Ok(true);
    }
    // A new mandate may be on another rail, which registers other dates and is not the one that was announced.
    let before = db::mandate::of_agreement(tx, agreement.id)?;
    let last = before.iter().rfind(|it| it.lane == mandate.lane && it.id < mandate.id);
    if mandate.lane == 1 && last.is_some_and(|last| last.rail != mandate.rail) {
        agreement::register_anew(ctx, tx, &agreement, mandate, now)?;
    }
    Ok(false)
}

fn sign_request(ctx: &Ctx, conn: &Conn, mandate: &Mandate, now: At) -> Result<SignRequest> {
    let agreement = agreement::get(conn, mandate.agreement)?;
    let customer = db::customer::get(conn, agreement.customer)?
        .ok_or_else(|| Fault::refused(t!("{customer} has been erased", customer = agreement.customer)))?;
    let today = ctx.today(now);
    let open = agreement::open_terms(conn, &agreement)?;
    let count = u32::try_from(open.len())?.max(1);
    let next = open.iter().find(|(_, due)| *due >= today).or(open.last()).map_or(agreement.ends_on, |(_, due)| *due);
    Ok(SignRequest {
        contract_no: mandate.contract_no.clone(),
        customer_label: label(&customer.name, &customer.phone),
        payer: agreement.customer.to_string(),
        amount: agreement.monthly,
        count,
        first_date: ctx.config.rail(&mandate.rail)?.profile.registered(next),
        valid_until: mandate.valid_until,
    })
}

fn changed(ids: &[MandateId], state: MandateStatus) -> Op {
    Op::MandatesChanged { mandates: ids.iter().map(|id| (*id, state.word().to_owned())).collect() }
}

fn tell_ended(ctx: &Ctx, tx: &Conn, agreement: &Agreement, mandate: &Mandate, now: At) -> Result<bool> {
    let letter = letter(ctx, tx, agreement, mandate, "mandate_revoked_customer", Audience::Customer, now)?;
    tell(ctx, tx, letter, now)
}

fn tell_shop(ctx: &Ctx, tx: &Conn, agreement: &Agreement, mandate: &Mandate, now: At) -> Result<bool> {
    let letter = letter(ctx, tx, agreement, mandate, "mandate_revoked_merchant", Audience::Merchant, now)?;
    tell(ctx, tx, letter, now)
}

fn letter(
    ctx: &Ctx,
    tx: &Conn,
    agreement: &Agreement,
    mandate: &Mandate,
    template: &'static str,
    audience: Audience,
    now: At,
) -> Result<Letter> {
    let today = ctx.today(now);
    let open = agreement::open_terms(tx, agreement)?;
    let next = open.iter().find(|(_, due)| *due >= today).or(open.last()).map_or(agreement.ends_on, |(_, due)| *due);
    let (date, date_en) = date_texts(next);
    let rail = ctx.config.rail(&mandate.rail);
    let label = |lang| rail.as_ref().map_or(mandate.rail.as_str(), |rail| rail.label(lang)).to_owned();
    Ok(Letter {
        event: format!("{template}:{}", mandate.id),
        template,
        audience,
        customer: Some(agreement.customer),
        agreement: Some(agreement.id),
        term: None,
        lang: match audience {
            Audience::Customer => agreement.lang.clone(),
            Audience::Merchant => shop_lang(ctx).word().to_owned(),
        },
        params: params(
            ctx,
            agreement.id,
            &[
                ("channel", label(Lang::Zh)),
                ("channel_en", label(Lang::En)),
                ("no", agreement.no.clone()),
                ("date", date),
                ("date_en", date_en),
            ],
        ),
    })
}

/// The language in which the shop itself is told things.
pub(super) fn shop_lang(ctx: &Ctx) -> Lang {
    ctx.config.settings.lang.unwrap_or_else(crate::text::lang)
}

/// Values for a message's text, the link to the record always among them.
pub(super) fn params(ctx: &Ctx, record: impl std::fmt::Display, values: &[(&str, String)]) -> Value {
    let mut params = json!({ "link": format!("{}{record}", ctx.config.settings.messages.link) });
    for (name, value) in values {
        params[*name] = Value::String(value.clone());
    }
    params
}
