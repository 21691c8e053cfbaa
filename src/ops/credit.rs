//! Credit checks at signing: the customer's separate consent, the question to the provider or what the clerk saw, and the decision of
//! a person whenever the answer is not a pass. Until then no mandate is offered, so nothing can be charged.

use anyhow::Result;
use chrono::{Duration, NaiveDate};
use serde::Serialize;

use crate::adapters::credit::Question;
pub use crate::db::credit::Check;
use crate::db::credit::{Answered, NewCheck, Seen};
use crate::db::{self, Conn};
use crate::domain::agreement::AgreementState;
use crate::domain::credit::{Review, SAME_ANSWER_SECONDS, SCORES, Verdict, is_near, transaction_no};
use crate::domain::date::At;
use crate::domain::id::{AgreementId, CustomerId};
use crate::domain::mandate::MandateStatus;
use crate::domain::op::Op;
use crate::domain::statement::Cause;
use crate::english;
use crate::fault::Fault;
use crate::ops::mandate::{self, Link};
use crate::ops::sign::Form;
use crate::ops::statement::{self, Terminated, Termination};
use crate::ops::{Ctx, agreement, hand, read_day};
use crate::t;
use crate::text::{self, Lang, lookup_in};

/// What a clerk saw, as typed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// The score.
    pub score: Option<String>,
    /// `pass`, `fail` or `unknown`, where no number is shown.
    pub result: Option<String>,
    /// Where the proof is.
    pub reference: Option<String>,
    /// The day on which it was seen; today when nothing is said.
    pub seen_on: Option<String>,
}

/// What a clerk saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    verdict: Verdict,
    seen: Seen,
    on: NaiveDate,
}

/// A check that is to be made at signing.
#[derive(Clone, Debug)]
pub struct Wish {
    provider: String,
    threshold: u32,
    consent: bool,
    consent_text: String,
    record: Option<Record>,
}

/// A check that waits for a decision.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The check.
    #[serde(flatten)]
    pub check: Check,
    /// Whose, masked.
    pub label: String,
    /// The score, for whoever decides.
    pub score: Option<u32>,
    /// Where the proof is.
    pub reference: String,
    /// True when the score is close below the threshold: a smaller plan or a shorter term may do.
    pub near: bool,
}

/// A check that was decided in the customer's favour.
#[derive(Clone, Debug, Serialize)]
pub struct Approved {
    /// The check.
    pub check: Check,
    /// Where the customer agrees to each mandate.
    pub links: Vec<Link>,
}

/// A check that was decided against the customer: the agreement is called off.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// The check.
    pub check: Check,
    /// What became of the agreement.
    pub terminated: Terminated,
}

/// True when this shop checks credit at signing.
pub fn is_on(ctx: &Ctx) -> bool {
    ctx.config.settings.credit.check != "off"
}

/// True when the clerk looks and nobody is asked.
pub fn is_manual(ctx: &Ctx) -> bool {
    ctx.config.settings.credit.check == "manual"
}

/// What the customer is asked to consent to, apart from the agreement: an ID number is sensitive personal data (PIPL 29).
pub fn consent_text(ctx: &Ctx, lang: Lang) -> String {
    let english = match ctx.config.settings.credit.check.as_str() {
        "manual" => english!(
            "I agree that the shop looks at my credit score and records whether it is {score} or above. I may say no; a person then decides without it."
        ),
        "zhima" => english!(
            "I agree that the shop sends my name and ID number to Zhima Credit, which answers whether my score is {score} or above. I may say no; a person then decides without it."
        ),
        _ => english!(
            "I agree that the shop asks the pretended provider whether my score is {score} or above. I may say no; a person then decides without it."
        ),
    };
    text::fill(lookup_in(lang, english), &[("score", &ctx.config.settings.credit.score)])
}

/// The check that a signing asks for; `None` when the shop makes none.
///
/// # Errors
/// Usage when nothing is said about consent, or what the clerk saw is no score.
pub fn wish(ctx: &Ctx, form: &Form, lang: Lang, today: NaiveDate) -> Result<Option<Wish>> {
    if !is_on(ctx) {
        return Ok(None);
    }
    let settings = &ctx.config.settings.credit;
    let consent = match form.credit_consent.as_deref().map(str::trim) {
        Some("yes" | "true") => true,
        Some("no" | "false") => false,
        _ => {
            return Err(Fault::usage(t!("nothing is said about the customer's consent to the credit check"))
                .hint(t!("ask the customer, then give --credit-consent yes, or no: a person decides then"))
                .into());
        }
    };
    let record = match is_manual(ctx) && consent {
        true => Some(record(&form.credit_seen(), settings.score, today)?),
        false => None,
    };
    let consent_text = consent_text(ctx, lang);
    Ok(Some(Wish { provider: settings.check.clone(), threshold: settings.score, consent, consent_text, record }))
}

/// Whether a text is a score; says what one looks like when it is not.
///
/// # Errors
/// The sentence.
pub fn check_score(text: &str) -> Result<(), String> {
    match text.trim().parse::<u32>() {
        _ if text.trim().is_empty() => Ok(()),
        Ok(score) if (SCORES.0..=SCORES.1).contains(&score) => Ok(()),
        _ => Err(t!("a score is a number from {low} to {high}", low = SCORES.0, high = SCORES.1)),
    }
}

/// Notes the check in the transaction that signs: from here on it holds the agreement until it has passed or somebody decided.
pub(super) fn note(
    ctx: &Ctx,
    tx: &Conn,
    agreement: AgreementId,
    customer: CustomerId,
    wish: &Wish,
    now: At,
) -> Result<()> {
    let new = NewCheck {
        agreement,
        customer,
        provider: &wish.provider,
        threshold: wish.threshold,
        consent: wish.consent,
        consent_text: &wish.consent_text,
        verdict: if wish.consent { Verdict::Error } else { Verdict::CannotTell },
        today: ctx.today(now),
        by: &hand().actor,
    };
    db::credit::note(tx, &new, now)
}

/// Makes the check that was noted.
pub(super) fn make(ctx: &Ctx, agreement: AgreementId, wish: &Wish, now: At) -> Result<Check> {
    match &wish.record {
        Some(record) => write_record(ctx, &get(ctx.db.read(), agreement)?, record, now),
        None if wish.consent => ask(ctx, agreement, now),
        None => get(ctx.db.read(), agreement),
    }
}

/// Refuses while the credit check of an agreement waits for a decision, or was decided against the customer.
///
/// # Errors
/// Refused, with what to type next.
pub fn must_let_pass(conn: &Conn, agreement: AgreementId) -> Result<()> {
    let Some(check) = db::credit::of_agreement(conn, agreement)? else { return Ok(()) };
    match check.review {
        Review::None | Review::Approved => Ok(()),
        Review::Open => {
            Err(Fault::refused(t!("the credit check of {agreement} waits for a decision", agreement = agreement))
                .hint(decide_hint(agreement))
                .into())
        }
        Review::Refused => {
            Err(Fault::refused(t!("{agreement} was refused after its credit check", agreement = agreement))
                .hint(t!("see `kibble agreement show {agreement}`", agreement = agreement))
                .into())
        }
    }
}

/// Whether an agreement may go on to its mandate.
pub(super) fn lets_pass(conn: &Conn, agreement: AgreementId) -> Result<bool> {
    Ok(db::credit::of_agreement(conn, agreement)?.is_none_or(|check| check.review.lets_pass()))
}

/// What to type to decide about a check.
pub fn decide_hint(agreement: AgreementId) -> String {
    t!(
        "look at it with `kibble risk list`, then `kibble risk approve {agreement} --reason TEXT` or `kibble risk refuse {agreement} --reason TEXT`",
        agreement = agreement
    )
}

/// Checks that wait for a decision, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub fn waiting(ctx: &Ctx) -> Result<Vec<Waiting>> {
    let conn = ctx.db.read();
    let mut waiting = Vec::new();
    for (check, label, seen) in db::credit::open(conn)? {
        let near = seen.score.is_some_and(|score| is_near(score, check.threshold));
        waiting.push(Waiting { check, label, score: seen.score, reference: seen.reference, near });
    }
    Ok(waiting)
}

/// Makes an open check again: asks the provider, or records what the clerk sees now.
///
/// # Errors
/// When there is no open check, the customer did not consent, or what was typed is no score.
pub fn again(ctx: &Ctx, agreement: AgreementId, typed: &Typed, now: At) -> Result<Approved> {
    let check = open(ctx.db.read(), agreement)?;
    if check.consent_at.is_none() {
        return Err(Fault::refused(t!(
            "the customer of {agreement} did not consent to a check",
            agreement = agreement
        ))
        .hint(decide_hint(agreement))
        .into());
    }
    let check = match check.provider.as_str() {
        "manual" => write_record(ctx, &check, &record(typed, check.threshold, ctx.today(now))?, now)?,
        _ => ask(ctx, agreement, now)?,
    };
    let links = if check.review.lets_pass() { go_on(ctx, agreement, now)? } else { Vec::new() };
    Ok(Approved { check, links })
}

/// A person decides to go on in spite of the check: the customer may agree to the mandate now.
///
/// # Errors
/// When there is no open check, or no reason.
pub fn approve(ctx: &Ctx, agreement: AgreementId, reason: &str, now: At) -> Result<Approved> {
    decide(ctx, &open(ctx.db.read(), agreement)?, Review::Approved, reason, now)?;
    let links = go_on(ctx, agreement, now)?;
    Ok(Approved { check: get(ctx.db.read(), agreement)?, links })
}

/// A person decides against it: the agreement is called off.
///
/// # Errors
/// When there is no open check, or no reason.
pub fn refuse(ctx: &Ctx, agreement: AgreementId, reason: &str, now: At) -> Result<Refused> {
    let check = get(ctx.db.read(), agreement)?;
    // Decided a moment ago, and stopped before the agreement was called off: that is finished now.
    if check.review != Review::Refused {
        decide(ctx, &open(ctx.db.read(), agreement)?, Review::Refused, reason, now)?;
    }
    let notice = Termination { cause: Cause::NoFault, keep_pet: false, reason: reason.to_owned() };
    let terminated = statement::terminate(ctx, agreement, &notice, now)?;
    Ok(Refused { check: get(ctx.db.read(), agreement)?, terminated })
}

/// What a check said, in a sentence.
pub fn verdict_text(check: &Check) -> String {
    match check.verdict {
        Verdict::Pass => t!("{score} or above", score = check.threshold),
        Verdict::Fail => t!("below {score}", score = check.threshold),
        Verdict::CannotTell if check.consent_at.is_none() => t!("the customer did not consent, so nobody was asked"),
        Verdict::CannotTell => t!("it cannot be told"),
        Verdict::Error if check.said.is_empty() => t!("not asked yet"),
        Verdict::Error => t!("could not be asked: {why}", why = check.said),
    }
}

/// Who was asked.
pub fn provider_text(provider: &str) -> String {
    match provider {
        "manual" => t!("seen by the clerk"),
        "zhima" => t!("Zhima Credit"),
        _ => t!("pretended provider"),
    }
}

/// Where the decision stands; empty when there is nothing to decide.
pub fn review_text(check: &Check) -> String {
    let who = check.decided_by.as_deref().unwrap_or_default();
    let reason = check.decide_reason.as_deref().unwrap_or_default();
    match check.review {
        Review::None => String::new(),
        Review::Open => t!("a person must decide"),
        Review::Approved => t!("approved by {who}: {reason}", who = who, reason = reason),
        Review::Refused => t!("refused by {who}: {reason}", who = who, reason = reason),
    }
}

fn get(conn: &Conn, agreement: AgreementId) -> Result<Check> {
    agreement::get(conn, agreement)?;
    db::credit::of_agreement(conn, agreement)?.ok_or_else(|| {
        Fault::not_found(t!("{agreement} has no credit check", agreement = agreement))
            .hint(t!("see the open ones with `kibble risk list`"))
            .into()
    })
}

/// A check that a person must decide about, of an agreement that still waits.
fn open(conn: &Conn, agreement: AgreementId) -> Result<Check> {
    let check = get(conn, agreement)?;
    let waits = agreement::get(conn, agreement)?.state == AgreementState::Waiting;
    if check.review == Review::Open && waits {
        return Ok(check);
    }
    Err(Fault::refused(t!("the credit check of {agreement} does not wait for a decision", agreement = agreement))
        .hint(t!("see `kibble agreement show {agreement}`", agreement = agreement))
        .into())
}

fn decide(ctx: &Ctx, check: &Check, review: Review, reason: &str, now: At) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Fault::usage(t!("a decision has a reason")).hint(t!("add --reason TEXT")).into());
    }
    let by = hand().actor;
    ctx.db.write(now, |tx| {
        open(tx, check.agreement)?;
        db::credit::decide(tx, check.agreement, review, &by, reason.trim(), now)?;
        let decision = review.word().to_owned();
        Ok(((), Op::CreditDecided { agreement: check.agreement, decision, reason: reason.trim().to_owned() }))
    })
}

/// The way to the mandate is free: the links where the customer agrees. An agreement whose customer has agreed already starts.
fn go_on(ctx: &Ctx, id: AgreementId, now: At) -> Result<Vec<Link>> {
    let mandates = db::mandate::of_agreement(ctx.db.read(), id)?;
    if let Some(live) = mandates.iter().find(|it| it.lane == 1 && it.state == MandateStatus::Live) {
        ctx.db.write(now, |tx| {
            let agreement = agreement::get(tx, id)?;
            agreement::activate(ctx, tx, &agreement, live, now)?;
            let state = AgreementState::Active.word().to_owned();
            Ok(((), Op::AgreementChanged { agreement: id, state, reason: "credit check".to_owned() }))
        })?;
    }
    let waiting = mandates.iter().filter(|it| it.state == MandateStatus::Waiting);
    waiting.map(|it| mandate::link(ctx, it.id, now)).collect()
}

/// Notes the number, asks, notes the answer. Within a day the same number is used, so that a lost answer is not paid for twice.
fn ask(ctx: &Ctx, id: AgreementId, now: At) -> Result<Check> {
    let check = get(ctx.db.read(), id)?;
    let Some(provider) = ctx.credit.as_ref().filter(|it| it.name() == check.provider) else {
        return Err(Fault::refused(t!(
            "shop.toml does not say how to ask {provider} about credit",
            provider = provider_text(&check.provider)
        ))
        .hint(decide_hint(id))
        .into());
    };
    let still_good = |asked: At| now - asked < Duration::seconds(SAME_ANSWER_SECONDS);
    let number = match (&check.transaction_no, check.asked_at) {
        (Some(number), Some(asked)) if still_good(asked) => number.clone(),
        _ => {
            let identity = db::shop::identity(ctx.db.read())?;
            let attempt = check.attempt + 1;
            let number = transaction_no(&identity.code, identity.copy_no, id, attempt);
            ctx.db.write(now, |tx| {
                db::credit::set_asked(tx, id, &number, attempt, now)?;
                Ok(((), Op::CreditAsked { agreement: id, transaction_no: number.clone() }))
            })?;
            number
        }
    };
    let customer = db::customer::get(ctx.db.read(), check.customer)?
        .ok_or_else(|| Fault::refused(t!("{customer} has been erased", customer = check.customer)))?;
    let answer = provider.ask(&Question {
        transaction_no: &number,
        name: &customer.name,
        id_number: &customer.id_number,
        payer: &check.customer.to_string(),
        threshold: check.threshold,
    });
    let seen = Seen { score: answer.score, reference: String::new() };
    let answered = Answered {
        verdict: answer.verdict,
        on: ctx.today(now),
        seen: &seen,
        provider_no: answer.provider_no.as_deref(),
        said: &answer.said,
        by: &hand().actor,
    };
    write(ctx, &check, &answered, now)
}

fn write_record(ctx: &Ctx, check: &Check, record: &Record, now: At) -> Result<Check> {
    let by = hand().actor;
    let answered =
        Answered { verdict: record.verdict, on: record.on, seen: &record.seen, provider_no: None, said: "", by: &by };
    write(ctx, check, &answered, now)
}

fn write(ctx: &Ctx, check: &Check, answered: &Answered<'_>, now: At) -> Result<Check> {
    ctx.db.write(now, |tx| {
        db::credit::answer(tx, check, answered)?;
        let op = Op::CreditChecked {
            agreement: check.agreement,
            provider: check.provider.clone(),
            verdict: answered.verdict.word().to_owned(),
            threshold: check.threshold,
            consent: check.consent_at.is_some(),
        };
        Ok(((), op))
    })?;
    get(ctx.db.read(), check.agreement)
}

/// What a clerk typed, as a verdict. Nothing seen is "cannot tell"; a pass without a number needs its proof.
fn record(typed: &Typed, threshold: u32, today: NaiveDate) -> Result<Record> {
    let said = |text: &Option<String>| text.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned);
    let score = match said(&typed.score) {
        Some(text) => {
            check_score(&text)
                .map_err(|what| Fault::usage(what).hint(t!("answer it with {flag}", flag = "--credit-score")))?;
            text.parse().ok()
        }
        None => None,
    };
    let reference = said(&typed.reference).unwrap_or_default();
    let told = match said(&typed.result).as_deref() {
        None => None,
        Some("pass") => Some(Verdict::Pass),
        Some("fail") => Some(Verdict::Fail),
        Some("unknown") => Some(Verdict::CannotTell),
        Some(other) => {
            return Err(Fault::usage(t!("{text} is no result of a credit check", text = other))
                .hint(t!("one of: {choices}", choices = "pass, fail, unknown"))
                .into());
        }
    };
    let verdict = match (score, told) {
        (Some(score), told) => {
            let verdict = Verdict::of(score, threshold);
            if told.is_some_and(|told| told != verdict) {
                return Err(Fault::usage(t!("score and result of the credit check contradict each other")).into());
            }
            verdict
        }
        (None, Some(Verdict::Pass)) if reference.is_empty() => {
            return Err(Fault::usage(t!("a pass without a score needs its proof"))
                .hint(t!("answer it with {flag}", flag = "--credit-reference"))
                .into());
        }
        (None, told) => told.unwrap_or(Verdict::CannotTell),
    };
    let on = match said(&typed.seen_on) {
        Some(text) => read_day(&text)?,
        None => today,
    };
    if on > today {
        return Err(Fault::usage(t!("{day} lies ahead", day = on)).into());
    }
    Ok(Record { verdict, seen: Seen { score, reference }, on })
}

#[cfg(test)]
mod tests {
    use super::{Typed, record};
    use crate::domain::credit::Verdict;

    #[test]
    fn what_the_clerk_saw_is_a_verdict_only_with_a_number_or_a_proof() {
        let today = "2026-11-10".parse().unwrap();
        let text = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
        for (score, result, reference, expected) in [
            ("600", "", "", Some(Verdict::Pass)),
            ("599", "", "", Some(Verdict::Fail)),
            ("640", "pass", "", Some(Verdict::Pass)),
            ("640", "fail", "", None),
            ("20", "", "", None),
            ("six", "", "", None),
            ("", "pass", "", None),
            ("", "pass", "shot-1.png", Some(Verdict::Pass)),
            ("", "fail", "", Some(Verdict::Fail)),
            ("", "unknown", "", Some(Verdict::CannotTell)),
            ("", "", "", Some(Verdict::CannotTell)),
            ("", "maybe", "", None),
        ] {
            let typed = Typed { score: text(score), result: text(result), reference: text(reference), seen_on: None };
            assert_eq!(record(&typed, 600, today).ok().map(|it| it.verdict), expected, "{score} {result} {reference}");
        }
        let ahead = Typed { seen_on: text("2026-11-11"), ..Typed::default() };
        assert!(record(&ahead, 600, today).is_err());
    }
}
