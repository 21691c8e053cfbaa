//! A provider's asynchronous notice that the shop's own web server saved: read, verified by the rail it belongs to, and applied
//! through the same doors as the debit run's answers. Safe to apply twice and in any order. A server can call [`apply`] later.
//!
//! kibble asks the rails by itself and needs no notices; they only bring news earlier. So a notice never overrules what the rail
//! says when it is asked: only a payment of the very amount that is open is taken from the notice alone; a failure, a refund and the
//! end of a mandate are looked up first.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::adapters::rail::{Capability, MandateState, Noticed, SavedNotice, Trouble};
use crate::db::{self, Conn};
use crate::domain::charge::{Charge, ChargeState, InstallmentState};
use crate::domain::date::At;
use crate::domain::mandate::{Mandate, MandateStatus};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::rail::{Answer, Reply};
use crate::domain::refund::RefundState;
use crate::fault::Fault;
use crate::ops::debit::book::{self, Asked, Effect};
use crate::ops::debit::pay::close_other_link;
use crate::ops::debit::refuse_copies;
use crate::ops::mandate::{self, reference};
use crate::ops::{Ctx, refund};
use crate::t;

/// Largest notice that is read; theirs have a few kilobytes.
const NOTICE_BYTES: u64 = 1 << 20;
/// Code on a charge that a notice opened again.
const BY_NOTICE: &str = "NOTICE";

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Which rail vouched for it.
    pub rail: String,
    /// What it is about.
    pub kind: Kind,
    /// The number it names: of an order, a mandate or a refund.
    pub number: String,
    /// Our record, where there is one: `a-7/3`, `m-7`, a refund's id.
    pub record: Option<String>,
    /// What it did.
    pub result: Outcome,
    /// Where the record stands now; empty where there is none.
    pub state: String,
    /// Why nothing changed, or why somebody has to look; empty when all is well.
    pub why: String,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A charge or a pay link.
    Charge,
    /// A mandate.
    Mandate,
    /// A refund.
    Refund,
}

/// What a notice did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The books changed by it.
    Applied,
    /// It says what is known already, or nothing that is decided.
    Unchanged,
    /// It is genuine, and about a number that this shop does not know.
    UnknownNumber,
    /// It contradicts the books or the rail's own answer: nothing changed, and somebody must look.
    Disputed,
    /// It is written down as a question that somebody must look at: a second payment, or one about which the rail cannot speak now.
    Doubtful,
}

impl Heard {
    /// True when a person has to look.
    pub fn needs_person(&self) -> bool {
        matches!(self.result, Outcome::UnknownNumber | Outcome::Disputed | Outcome::Doubtful)
    }
}

/// Reads a saved notice: the body as it came, or HTTP headers, an empty line and the body.
///
/// # Errors
/// When the file cannot be read, or is far too large.
pub fn read(file: &Path) -> Result<SavedNotice> {
    let unread = || Fault::not_found(t!("cannot read {file}", file = file.display()));
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(unread)?;
    opened.take(NOTICE_BYTES + 1).read_to_end(&mut bytes).with_context(unread)?;
    if bytes.len() as u64 > NOTICE_BYTES {
        return Err(Fault::refused(t!("{file} is larger than any notice", file = file.display())).into());
    }
    Ok(saved(&bytes))
}

/// The same from bytes. A `Content-Length` says where the body ends, so that a line end added by saving does no harm.
pub fn saved(bytes: &[u8]) -> SavedNotice {
    let Some((headers, body)) = headers(bytes) else {
        return SavedNotice { headers: Vec::new(), body: bytes.to_vec() };
    };
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let end = length.unwrap_or(body.len()).min(body.len());
    SavedNotice { headers, body: body[..end].to_vec() }
}

/// Names in lower case, and values.
type Headers = Vec<(String, String)>;

/// The headers and the body, where every line before the first empty one is a header. A request line is passed over.
fn headers(bytes: &[u8]) -> Option<(Headers, &[u8])> {
    let mut headers = Vec::new();
    let mut rest = bytes;
    let mut first = true;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?.trim_end_matches('\r');
        rest = &rest[end + 1..];
        if line.is_empty() {
            return (!headers.is_empty()).then_some((headers, rest));
        }
        let is_request_line = first && line.contains(" HTTP/");
        first = false;
        if is_request_line {
            continue;
        }
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return None;
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Verifies a notice and applies it. Without a `rail`, the one that vouches for it is found.
///
/// # Errors
/// When no rail vouches for it (then nothing changed), or the database cannot be written.
pub fn apply(ctx: &Ctx, rail: Option<&str>, notice: &SavedNotice, now: At) -> Result<Heard> {
    // What a lost state charged would look like an order that nobody knows.
    refuse_copies(ctx)?;
    let (rail, noticed) = vouched(ctx, rail, notice)?;
    match noticed {
        Noticed::Charge { order_no, amount, reply } => charge(ctx, &rail, order_no, amount, &reply, now),
        Noticed::Mandate { contract_no, state } => mandate(ctx, &rail, contract_no, state, now),
        Noticed::Refund { refund_no, .. } => refunded(ctx, &rail, refund_no, now),
    }
}

/// Which rail vouches for the notice, and what it says.
fn vouched(ctx: &Ctx, wanted: Option<&str>, notice: &SavedNotice) -> Result<(String, Noticed)> {
    let mut said = Vec::new();
    let names: Vec<&str> = match wanted {
        Some(name) => vec![name],
        None => ctx
            .rails
            .iter()
            .filter(|(_, rail)| rail.capabilities().contains(&Capability::Notice))
            .map(|(name, _)| name.as_str())
            .collect(),
    };
    for name in &names {
        match ctx.rail(name)?.read_notice(notice) {
            Ok(noticed) => return Ok(((*name).to_owned(), noticed)),
            Err(Trouble::Unsupported) => said.push(t!("{rail}: it has no notices", rail = name)),
            Err(Trouble::Refused { text, .. } | Trouble::Unreachable { text }) => {
                said.push(t!("{about}: {what}", about = name, what = text));
            }
        }
    }
    if names.is_empty() {
        return Err(Fault::refused(t!("no payment rail of this shop sends notices"))
            .hint(t!("only rails with the adapter alipay or wechat do; see `kibble config show`"))
            .into());
    }
    Err(Fault::refused(t!(
        "this notice is not genuine; nothing was changed ({why})",
        why = said.join(t!("; ").as_str())
    ))
    .hint(t!("save the body byte for byte, with its headers where the provider signs them; see `kibble notice --help`"))
    .into())
}

fn charge(ctx: &Ctx, rail: &str, order_no: String, amount: Option<Money>, reply: &Reply, now: At) -> Result<Heard> {
    let heard = |record, result, state: &str, why| Heard {
        rail: rail.to_owned(),
        kind: Kind::Charge,
        number: order_no.clone(),
        record,
        result,
        state: state.to_owned(),
        why,
    };
    let Some(charge) = db::charge::by_order_no(ctx.db.read(), &order_no)?.filter(|it| it.rail == rail) else {
        return Ok(heard(None, Outcome::UnknownNumber, "", t!("this shop knows no such order")));
    };
    let record = Some(charge.installment.to_string());
    let word = charge.state.word();
    if let Some(amount) = amount.filter(|amount| *amount != charge.amount) {
        let why = t!(
            "the notice speaks of {theirs}, the order of {ours}",
            theirs = amount.yuan(),
            ours = charge.amount.yuan()
        );
        return Ok(heard(record, Outcome::Disputed, word, why));
    }
    match (charge.state, reply.answer) {
        (ChargeState::Paid, Answer::Declined(_)) => {
            let why = t!("the notice says that it was not paid, and it is booked as paid");
            return Ok(heard(record, Outcome::Disputed, word, why));
        }
        (ChargeState::Declined | ChargeState::Void, Answer::Paid) => {
            let (result, why) = late(ctx, &charge, now)?;
            let state = db::charge::get(ctx.db.read(), charge.id)?.map_or(word, |it| it.state.word());
            return Ok(heard(record, result, state, why));
        }
        (ChargeState::Paid | ChargeState::Declined | ChargeState::Void, _) => {
            return Ok(heard(record, Outcome::Unchanged, word, t!("it was known already")));
        }
        (ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown, Answer::Pending(_)) => {
            return Ok(heard(record, Outcome::Unchanged, word, t!("nothing is decided yet")));
        }
        (ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown, _) => {}
    }
    // A payment of this very amount is what its signature says. Anything else is only a reason to ask.
    let reply = match reply.answer {
        Answer::Paid if amount.is_some() => reply.clone(),
        _ => ctx.rail(rail)?.query_charge(&order_no, charge.amount),
    };
    if !matches!(reply.answer, Answer::Paid | Answer::Declined(_)) {
        let why = t!("the rail itself does not say so yet; the next `kibble debit run` asks again");
        return Ok(heard(record, Outcome::Unchanged, word, why));
    }
    let effect = write(ctx, &charge, &reply, now)?;
    let state = db::charge::get(ctx.db.read(), charge.id)?.map_or(word, |it| it.state.word());
    Ok(match effect {
        Effect::PaidTwice => {
            let why = t!("its term had been collected before: a second payment came in, which must go back");
            heard(record, Outcome::Doubtful, state, why)
        }
        Effect::Nothing => heard(record, Outcome::Unchanged, state, t!("it was known already")),
        _ => heard(record, Outcome::Applied, state, String::new()),
    })
}

/// A genuine notice says that a number which is dead here was paid. The rail has the last word: if it says so too, the charge is opened
/// again and booked, before another number is charged for the same term; if it cannot say, the charge is unknown from here on, which
/// blocks the term until the next debit run has asked. What was decided from a bill, or came for a term that nobody collects any more,
/// is left to the bill: its money would be booked a second time, or keep an agreement from being settled.
fn late(ctx: &Ctx, charge: &Charge, now: At) -> Result<(Outcome, String)> {
    if let Some(left) = left_to_the_bill(ctx.db.read(), charge)? {
        return Ok(left);
    }
    let reply = ctx.rail(&charge.rail)?.query_charge(&charge.order_no, charge.amount);
    if !matches!(reply.answer, Answer::Paid | Answer::Unknown) {
        return Ok((Outcome::Disputed, t!("the notice says that it was paid, and its number is booked as dead")));
    }
    // The link that the customer was sent meanwhile would be a second payment. One that cannot be closed now counts as another attempt.
    let link = close_other_link(ctx, charge.installment).ok().flatten();
    ctx.db.write(now, |tx| {
        if let Some(link) = link {
            db::charge::void(tx, link, "CLOSED", now)?;
        }
        let (effect, said) = match left_to_the_bill(tx, charge)? {
            Some(left) => (Effect::Nothing, left),
            None => reopened(ctx, tx, charge, &reply, now)?,
        };
        Ok((said, Op::ChargesWritten { noted: Vec::new(), answers: vec![(charge.id, effect.word())] }))
    })
}

/// Why a payment of a dead number is no matter for a notice, where it is none.
fn left_to_the_bill(conn: &Conn, charge: &Charge) -> Result<Option<(Outcome, String)>> {
    if db::recon::is_order_decided(conn, &charge.rail, &charge.order_no)? {
        return Ok(Some((Outcome::Unchanged, t!("it was decided from a bill before"))));
    }
    let term = db::installment::get(conn, charge.installment)?;
    let is_open = term.is_some_and(|term| term.state == InstallmentState::Open);
    Ok((!is_open).then(|| {
        let why = t!("the notice says that it was paid, and its term is not collected any more; the bill will tell");
        (Outcome::Disputed, why)
    }))
}

/// Opens a dead charge again and books what the rail said about it, unless another attempt of its term is open.
fn reopened(ctx: &Ctx, tx: &Conn, charge: &Charge, reply: &Reply, now: At) -> Result<(Effect, (Outcome, String))> {
    let row = db::installment::due_one(tx, None, charge.installment)?
        .with_context(|| format!("{} of {}", charge.installment, charge.id))?;
    if row.open.is_some() {
        let why = t!("the notice says that it was paid, and another attempt of its term is open; the bill will tell");
        return Ok((Effect::Nothing, (Outcome::Disputed, why)));
    }
    db::charge::reopen(tx, charge.id, BY_NOTICE)?;
    let (kind, rail, amount) = (charge.kind, charge.rail.clone(), charge.amount);
    let effect = book::apply(ctx, tx, &Asked { charge: charge.id, kind, rail, amount, row }, reply, None, now)?;
    Ok((
        effect,
        match effect {
            Effect::Paid => (Outcome::Applied, String::new()),
            Effect::Unknown => {
                let why = t!("its number was booked as dead; the next `kibble debit run` asks the rail");
                (Outcome::Doubtful, why)
            }
            // Somebody else wrote it a moment ago.
            _ => (Outcome::Unchanged, t!("it was known already")),
        },
    ))
}

/// Through the same door as the debit run's answers.
fn write(ctx: &Ctx, charge: &Charge, reply: &Reply, now: At) -> Result<Effect> {
    ctx.db.write(now, |tx| {
        // A debit run may have written it a moment ago.
        let open = db::charge::get(tx, charge.id)?
            .is_some_and(|it| matches!(it.state, ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown));
        if !open {
            let answers = vec![(charge.id, Effect::Nothing.word())];
            return Ok((Effect::Nothing, Op::ChargesWritten { noted: Vec::new(), answers }));
        }
        let asked =
            Asked::about(tx, None, charge)?.with_context(|| format!("{} of {}", charge.installment, charge.id))?;
        let effect = book::apply(ctx, tx, &asked, reply, None, now)?;
        Ok((effect, Op::ChargesWritten { noted: Vec::new(), answers: vec![(charge.id, effect.word())] }))
    })
}

fn mandate(ctx: &Ctx, rail: &str, contract_no: String, state: MandateState, now: At) -> Result<Heard> {
    let heard = |record: Option<&Mandate>, result, why| Heard {
        rail: rail.to_owned(),
        kind: Kind::Mandate,
        number: contract_no.clone(),
        record: record.map(|it| it.id.to_string()),
        result,
        state: record.map(|it| it.state.word().to_owned()).unwrap_or_default(),
        why,
    };
    let Some(mandate) = db::mandate::by_contract_no(ctx.db.read(), rail, &contract_no)? else {
        return Ok(heard(None, Outcome::UnknownNumber, t!("this shop knows no such mandate")));
    };
    let known = || t!("it was known already");
    match (&state, mandate.state) {
        (MandateState::Live { .. }, MandateStatus::Waiting) => {}
        (MandateState::Ended { .. }, MandateStatus::Waiting | MandateStatus::Live | MandateStatus::Closing) => {
            // The end of a mandate stops debits; a notice that is older than a new consent must not do that.
            if let Ok(MandateState::Live { .. }) = ctx.rail(rail)?.mandate_state(&reference(&mandate)) {
                return Ok(heard(Some(&mandate), Outcome::Disputed, t!("the rail itself says that it is live")));
            }
        }
        _ => return Ok(heard(Some(&mandate), Outcome::Unchanged, known())),
    }
    mandate::told(ctx, &mandate, state, now)?;
    let after = mandate::get(ctx.db.read(), mandate.id)?;
    Ok(match after.state == mandate.state {
        true => heard(Some(&after), Outcome::Unchanged, known()),
        false => heard(Some(&after), Outcome::Applied, String::new()),
    })
}

/// A notice of a refund is a reason to ask: some providers name in it what went back in all, not by this refund.
fn refunded(ctx: &Ctx, rail: &str, refund_no: String, now: At) -> Result<Heard> {
    let heard = |record, result, state: RefundState, why| Heard {
        rail: rail.to_owned(),
        kind: Kind::Refund,
        number: refund_no.clone(),
        record: Some(record),
        result,
        state: state.word().to_owned(),
        why,
    };
    let Some(known) = db::refund::by_no(ctx.db.read(), &refund_no)?.filter(|it| it.rail == rail) else {
        return Ok(Heard {
            rail: rail.to_owned(),
            kind: Kind::Refund,
            number: refund_no,
            record: None,
            result: Outcome::UnknownNumber,
            state: String::new(),
            why: t!("this shop knows no such refund"),
        });
    };
    let record = known.id.to_string();
    if matches!(known.state, RefundState::Paid | RefundState::Declined) {
        return Ok(heard(record, Outcome::Unchanged, known.state, t!("it was known already")));
    }
    let after = refund::look(ctx, &known, now)?;
    Ok(match after.state == known.state {
        true => {
            let why = t!("the rail itself does not say so yet; the next `kibble debit run` asks again");
            heard(record, Outcome::Unchanged, after.state, why)
        }
        false => heard(record, Outcome::Applied, after.state, String::new()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{NOTICE_BYTES, read, saved};

    #[test]
    fn a_saved_notice_is_a_body_or_headers_and_a_body() {
        let bare: [&[u8]; 5] =
            [b"app_id=1&sign=a%3Ab", b"<xml>\n<a>x: y</a>\n\n</xml>", b"{\"id\":\n\n1}", b"", b"not a header\n\nbody"];
        for body in bare {
            let it = saved(body);
            assert_eq!((it.headers.len(), it.body.as_slice()), (0, body));
        }
        let with: [&[u8]; 2] = [
            b"POST /notice HTTP/1.1\r\nWechatpay-Nonce: a:b\r\nContent-Length: 4\r\n\r\n{\"\"}\n",
            b"wechatpay-nonce:a:b\ncontent-length: 4\n\n{\"\"}",
        ];
        for file in with {
            let it = saved(file);
            assert_eq!(it.headers[0], ("wechatpay-nonce".to_owned(), "a:b".to_owned()));
            assert_eq!(it.body, b"{\"\"}");
        }
    }

    #[test]
    fn a_file_that_can_be_no_notice_is_not_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(NOTICE_BYTES).unwrap();
        assert!(read(file.path()).is_ok());
        file.as_file().set_len(NOTICE_BYTES + 1).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.contains("is larger than any notice"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_was_saved_is_a_body(bytes in any::<Vec<u8>>(), head in "[a:\r\n-]{0,40}", length in any::<u64>()) {
            let with = [format!("x: 1\r\ncontent-length: {length}\r\n{head}\r\n\r\n").as_bytes(), &bytes].concat();
            for file in [&bytes, &with] {
                let it = saved(file);
                prop_assert!(file.windows(it.body.len().max(1)).any(|part| part == it.body) || it.body.is_empty());
            }
        }
    }
}
