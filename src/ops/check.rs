//! Recomputes the laws that must hold after every command, every crash and every restore, from the stored records. Each verdict
//! says how many records were looked at; a broken law shows the first rows that break it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::Duration;
use serde::Serialize;

use crate::adapters::rail::sandbox::rows::{Order, OrderState};
use crate::db;
pub use crate::db::check::Culprit;
use crate::db::check::{Counted, Debit, OurOrder, Probe, Scheduled};
use crate::domain::charge::{ChargeState, InstallmentState, read_order_no};
use crate::domain::date::{Schedule, day_of, time_of};
use crate::domain::id::ChargeId;
use crate::english;
use crate::ops::{Ctx, Event, audit};
use crate::text;

/// Rows shown of a broken rule.
const SHOWN: u32 = 5;
/// Hours' notice that the agreement promises; a shop may give more.
const NOTICE_HOURS: i64 = 48;
/// Order numbers read at once for the comparison with a rail's book.
const PAGE: u32 = 1_000;

/// The laws, in order; all are the shop's but the twelfth, which compares it with the sandbox rails' own book.
const LAWS: [&str; 13] = [
    english!("One installment is collected at most once"),
    english!("A charge is on disk before the rail hears of it, under a number of its own"),
    english!("An unknown outcome counts neither as paid nor as failed"),
    english!("A paid charge credits the wallet once and grants points once"),
    english!("Every movement of money sums to zero"),
    english!("No wallet was ever negative, and it paid only for what it may pay for"),
    english!("Nothing was charged without agreement, mandate, notice and an open window"),
    english!("A message about one event is sent once, at hours when people may be contacted"),
    english!("Due dates come from the anchor day and the term number"),
    english!("The audit trail is whole"),
    english!("Personal data is sealed"),
    english!("The sandbox rails' book and ours agree"),
    english!("Every bill is booked once, as its lines say"),
];

/// What `check` found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// One verdict per law.
    pub laws: Vec<Law>,
}

impl Checked {
    /// True when every law holds.
    pub fn holds(&self) -> bool {
        self.laws.iter().all(Law::holds)
    }
}

/// The verdict on one law.
#[derive(Clone, Debug, Serialize)]
pub struct Law {
    /// Its number, from 1.
    pub number: usize,
    /// The law in a sentence.
    pub title: String,
    /// How many records were looked at.
    pub checked: u64,
    /// How many of them nobody can judge yet, for example charges that are open.
    pub exempt: u64,
    /// What breaks it; empty when it holds.
    pub broken: Vec<Broken>,
}

impl Law {
    /// True when nothing breaks it.
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

/// A rule that is broken, and the first rows that show it.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// What is wrong.
    pub what: String,
    /// The rows.
    pub rows: Vec<Culprit>,
}

/// Recomputes every law.
///
/// # Errors
/// When the database or a sandbox's book cannot be read.
pub fn check(ctx: &Ctx) -> Result<Checked> {
    let steps: [fn(&Ctx) -> Result<Findings>; 13] = [
        collected_once,
        on_disk_first,
        unknown_apart,
        credited_once,
        entries_balance,
        wallet_covers,
        nothing_unannounced,
        told_once,
        due_dates,
        audit_whole,
        sealed,
        books_agree,
        bills_booked,
    ];
    ctx.say(Event::Begin { label: text::lookup(english!("check")).to_owned(), total: 13 });
    let mut laws = Vec::with_capacity(steps.len());
    for (place, step) in steps.iter().enumerate() {
        let found = step(ctx)?;
        let broken = found.broken.into_iter().map(|(what, rows)| Broken { what: text::lookup(what).to_owned(), rows });
        laws.push(Law {
            number: place + 1,
            title: text::lookup(LAWS[place]).to_owned(),
            checked: found.checked,
            exempt: found.exempt,
            broken: broken.collect(),
        });
        ctx.say(Event::Step(1));
    }
    ctx.say(Event::End);
    Ok(Checked { laws })
}

#[derive(Default)]
struct Findings {
    checked: u64,
    exempt: u64,
    broken: BTreeMap<&'static str, Vec<Culprit>>,
}

impl Findings {
    /// What the database finds by itself.
    fn of(ctx: &Ctx, counted: Counted, probes: &'static [Probe]) -> Result<Findings> {
        let mut found = Findings { checked: db::check::count(ctx.db.read(), counted)?, ..Findings::default() };
        found.probe(ctx, probes)?;
        Ok(found)
    }

    fn probe(&mut self, ctx: &Ctx, probes: &'static [Probe]) -> Result<()> {
        for probe in probes {
            let rows = db::check::culprits(ctx.db.read(), probe, SHOWN)?;
            if !rows.is_empty() {
                self.broken.insert(probe.what, rows);
            }
        }
        Ok(())
    }

    fn add(&mut self, what: &'static str, record: impl ToString, shows: impl ToString) {
        let rows = self.broken.entry(what).or_default();
        if rows.len() < usize::try_from(SHOWN).unwrap_or_default() {
            rows.push(Culprit { record: record.to_string(), shows: shows.to_string() });
        }
    }
}

fn collected_once(ctx: &Ctx) -> Result<Findings> {
    Findings::of(ctx, Counted::Installments, db::check::COLLECTED_ONCE)
}

fn on_disk_first(ctx: &Ctx) -> Result<Findings> {
    let mut found = Findings::of(ctx, Counted::Charges, db::check::ON_DISK_FIRST)?;
    // The number must be one of a copy that this database is or was, or that an adoption heard of, and of an agreement that both knew.
    let copies = db::shop::copies(ctx.db.read())?;
    let code = db::shop::identity(ctx.db.read())?.code;
    db::check::each_number(ctx.db.read(), |it| {
        if read_order_no(&copies, &code, &it.order_no) != Some((it.installment, it.attempt)) {
            found.add(english!("an order number that does not come from its installment"), it.id, it.order_no);
        }
    })?;
    Ok(found)
}

fn unknown_apart(ctx: &Ctx) -> Result<Findings> {
    Findings::of(ctx, Counted::UnknownCharges, db::check::UNKNOWN_APART)
}

fn credited_once(ctx: &Ctx) -> Result<Findings> {
    Findings::of(ctx, Counted::PaidCharges, db::check::CREDITED_ONCE)
}

fn entries_balance(ctx: &Ctx) -> Result<Findings> {
    Findings::of(ctx, Counted::Entries, db::check::ENTRIES_BALANCE)
}

fn wallet_covers(ctx: &Ctx) -> Result<Findings> {
    Findings::of(ctx, Counted::WalletPostings, db::check::WALLET_COVERS)
}

fn nothing_unannounced(ctx: &Ctx) -> Result<Findings> {
    let mut found = Findings::default();
    let adopted = adopted(ctx)?;
    let postponed = postponed(ctx)?;
    db::check::each_debit(ctx.db.read(), |it| {
        found.checked += 1;
        // A charge that `adopt` found was made by the state that was lost, and so was its announcement.
        if adopted.contains(&it.id) {
            found.exempt += 1;
            return;
        }
        agreement_and_mandate(ctx, &it, &mut found);
        // A postponed term has the notice and the window of its new day; those of its earlier attempts are gone.
        if postponed.contains(&it.installment.to_string()) {
            found.exempt += 1;
            return;
        }
        announced_and_in_window(ctx, &it, &mut found);
    })?;
    found.probe(ctx, db::check::CREDIT_DECIDED)?;
    Ok(found)
}

fn agreement_and_mandate(ctx: &Ctx, it: &Debit, found: &mut Findings) {
    let noted = it.noted_at;
    if it.active_at.is_none_or(|active| noted < active) || it.agreement_ended_at.is_some_and(|ended| noted > ended) {
        found.add(english!("charged while the agreement did not run"), it.id, noted);
    }
    let day = day_of(noted, ctx.zone());
    let signed = it.mandate_signed_at.is_some_and(|signed| signed <= noted);
    if !signed || it.mandate_until.is_some_and(|until| day > until) {
        found.add(english!("charged without a live mandate"), it.id, noted);
    }
    // A mandate that the customer ended at the rail is known here only afterwards; the rail itself declines then.
    let refused = matches!(it.state, ChargeState::Declined | ChargeState::Void);
    if it.mandate_ended.is_some_and(|(ended, by_us)| noted > ended && (by_us || !refused)) {
        found.add(english!("charged after the mandate ended"), it.id, noted);
    }
    if it.pet_gone_on.is_some_and(|gone| day > gone) {
        found.add(english!("charged after the pet died, was lost or was returned"), it.id, noted);
    }
}

fn announced_and_in_window(ctx: &Ctx, it: &Debit, found: &mut Findings) {
    let noted = it.noted_at;
    let by_message = it.announced_at.is_some_and(|given| given + Duration::hours(NOTICE_HOURS) <= noted);
    let by_signing = it.signing_at.is_some_and(|given| given <= noted);
    if !by_message && !by_signing {
        let given = it.announced_at.map(|at| at.to_string()).unwrap_or_default();
        found.add(english!("charged without an announcement 48 hours before"), it.id, format!("{given} -> {noted}"));
    }
    // A rail that is no longer in shop.toml has no rules to compare with.
    let Some(rail) = ctx.config.rails.get(&it.rail) else {
        found.exempt += 1;
        return;
    };
    // Only the first lane's registered date is on record; the rail of another lane has its own.
    let registered = if it.lane > 1 { rail.profile.registered(it.due) } else { it.registered };
    if !rail.profile.window(it.due, registered).is_open(noted) {
        found.add(english!("charged outside the rail's window"), it.id, format!("{} {noted}", it.due));
    }
}

fn told_once(ctx: &Ctx) -> Result<Findings> {
    let mut found = Findings::of(ctx, Counted::Messages, db::check::TOLD_ONCE)?;
    let hours = ctx.config.settings.messages.hours;
    db::check::each_sent(ctx.db.read(), |id, at| {
        if !hours.contains(time_of(at, ctx.zone())) {
            found.add(
                english!("a customer was contacted outside the contact hours"),
                id,
                at.with_timezone(&ctx.zone()),
            );
        }
    })?;
    Ok(found)
}

fn due_dates(ctx: &Ctx) -> Result<Findings> {
    let mut found = Findings::default();
    let postponed = postponed(ctx)?;
    db::check::each_due(ctx.db.read(), |it| {
        found.checked += 1;
        if postponed.contains(&it.id.to_string()) {
            found.exempt += 1;
        } else if !derived(&it) {
            let shows = format!("{} <> {}", it.due, it.schedule.due(it.id.term));
            found.add(english!("a due date that does not come from the anchor day"), it.id, shows);
        }
    })?;
    Ok(found)
}

/// Whether a day comes from anchor and term. Terms before the last pause, and terms that are over, keep the days of the shifts
/// that held before it: any whole number of months up to today's shift.
fn derived(it: &Scheduled) -> bool {
    let term = it.id.term;
    if it.schedule.due(term) == it.due {
        return true;
    }
    if term >= it.schedule.shifted_from && it.state == InstallmentState::Open {
        return false;
    }
    let shifted = |shift_months| Schedule { shift_months, shifted_from: 1, ..it.schedule }.due(term);
    (0..=it.schedule.shift_months).any(|months| shifted(months) == it.due)
}

fn audit_whole(ctx: &Ctx) -> Result<Findings> {
    let verified = audit::verify(ctx)?;
    let mut found = Findings { checked: verified.rows, ..Findings::default() };
    if let Some(broken) = &verified.broken {
        found.add(english!("a row of the audit trail was edited, removed or replaced"), broken.seq, "");
    } else if !verified.holds() {
        found.add(english!("the end of the audit trail is missing"), verified.rows, verified.witness.text());
    }
    Ok(found)
}

fn sealed(ctx: &Ctx) -> Result<Findings> {
    let mut found = Findings::default();
    found.probe(ctx, db::check::SEALED)?;
    let texts = db::check::each_plain_text(ctx.db.read(), |record, plain| {
        if has_mobile_number(plain) {
            // Only where it stands: showing it would spread it.
            found.add(english!("a phone number stands in the open"), record, "");
        }
    })?;
    let mut customers = 0;
    db::check::each_sealed(ctx.db.read(), |record, opens| {
        customers += 1;
        if !opens {
            found.add(english!("a customer's data is not sealed with that customer's key"), record, "");
        }
    })?;
    found.checked += texts + customers;
    Ok(found)
}

/// Eleven digits that begin like a mobile number, with no digit or letter beside them.
fn has_mobile_number(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        let bytes = word.as_bytes();
        bytes.len() == 11
            && bytes[0] == b'1'
            && (b'3'..=b'9').contains(&bytes[1])
            && bytes.iter().all(u8::is_ascii_digit)
    })
}

fn bills_booked(ctx: &Ctx) -> Result<Findings> {
    Findings::of(ctx, Counted::BillLines, db::check::BILLS_BOOKED)
}

fn books_agree(ctx: &Ctx) -> Result<Findings> {
    let mut found = Findings::default();
    let Some(book) = &ctx.sandbox else { return Ok(found) };
    for (name, rail) in &ctx.rails {
        if !rail.is_sandbox() {
            continue;
        }
        let mut ours = Ours::of(ctx, name)?;
        book.orders(name, |theirs| {
            while let Some(it) = ours.next_if(|it| it.order_no < theirs.order_no)? {
                only_ours(&it, &mut found);
            }
            match ours.next_if(|it| it.order_no == theirs.order_no)? {
                Some(it) => both(&it, &theirs, &mut found),
                // What a person decided about, from a bill, is explained: the money went back or stands elsewhere in the books.
                None if db::recon::is_order_decided(ctx.db.read(), name, &theirs.order_no)? => found.exempt += 1,
                None => only_theirs(&theirs, &mut found),
            }
            Ok(())
        })?;
        while let Some(it) = ours.next_if(|_| true)? {
            only_ours(&it, &mut found);
        }
    }
    Ok(found)
}

fn only_ours(it: &OurOrder, found: &mut Findings) {
    found.checked += 1;
    match it.state {
        ChargeState::Paid => {
            found.add(
                english!("paid in our book, unknown to the rail"),
                it.id,
                format!("{} {}", it.order_no, it.amount),
            );
        }
        ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown => found.exempt += 1,
        ChargeState::Declined | ChargeState::Void => {}
    }
}

fn only_theirs(it: &Order, found: &mut Findings) {
    found.checked += 1;
    if it.state == OrderState::Paid {
        found.add(english!("paid at the rail, unknown in our book"), &it.order_no, it.amount);
    }
}

fn both(ours: &OurOrder, theirs: &Order, found: &mut Findings) {
    found.checked += 1;
    let shows = || {
        format!("{} {} {} <> {} {}", ours.order_no, ours.state.word(), ours.amount, theirs.state.word(), theirs.amount)
    };
    let theirs_paid = theirs.state == OrderState::Paid;
    match ours.state {
        ChargeState::Noted | ChargeState::Pending | ChargeState::Unknown => found.exempt += 1,
        // A person decided about a difference with the bill.
        _ if ours.is_decided => found.exempt += 1,
        ChargeState::Paid if !theirs_paid => {
            found.add(english!("paid in our book, not at the rail"), ours.id, shows());
        }
        ChargeState::Paid if ours.amount != theirs.amount => {
            found.add(english!("paid with another amount at the rail"), ours.id, shows());
        }
        ChargeState::Paid if ours.refund_open => found.exempt += 1,
        ChargeState::Paid if ours.refunded != theirs.refunded => {
            let shows = format!("{} <> {}", ours.refunded, theirs.refunded);
            found.add(english!("another amount went back at the rail"), ours.id, shows);
        }
        ChargeState::Paid => {}
        ChargeState::Declined | ChargeState::Void if theirs_paid => {
            found.add(english!("paid at the rail, not in our book"), ours.id, shows());
        }
        ChargeState::Declined | ChargeState::Void => {}
    }
}

/// Our order numbers of one rail, in order, a page in memory.
struct Ours<'a> {
    ctx: &'a Ctx,
    rail: &'a str,
    page: std::vec::IntoIter<OurOrder>,
    head: Option<OurOrder>,
}

impl<'a> Ours<'a> {
    fn of(ctx: &'a Ctx, rail: &'a str) -> Result<Ours<'a>> {
        let page = db::check::orders_page(ctx.db.read(), rail, "", PAGE)?;
        let mut ours = Ours { ctx, rail, page: page.into_iter(), head: None };
        ours.head = ours.page.next();
        Ok(ours)
    }

    fn next_if(&mut self, wanted: impl Fn(&OurOrder) -> bool) -> Result<Option<OurOrder>> {
        if !self.head.as_ref().is_some_and(wanted) {
            return Ok(None);
        }
        let head = self.head.take();
        self.head = self.page.next();
        if self.head.is_none() {
            let after = head.as_ref().map_or("", |it| it.order_no.as_str());
            self.page = db::check::orders_page(self.ctx.db.read(), self.rail, after, PAGE)?.into_iter();
            self.head = self.page.next();
        }
        Ok(head)
    }
}

/// Terms whose day was moved by hand.
fn postponed(ctx: &Ctx) -> Result<BTreeSet<String>> {
    let moved = db::audit::details(ctx.db.read(), "installment_postponed")?;
    Ok(moved.into_iter().map(|(entity, _)| entity).collect())
}

/// Charges that an adoption found.
fn adopted(ctx: &Ctx) -> Result<BTreeSet<ChargeId>> {
    #[derive(serde::Deserialize)]
    struct Detail {
        found: Vec<ChargeId>,
    }
    let adoptions = db::audit::details(ctx.db.read(), "shop_adopted")?;
    let found = adoptions.iter().filter_map(|(_, detail)| serde_json::from_str::<Detail>(detail).ok());
    Ok(found.flat_map(|detail| detail.found).collect())
}

#[cfg(test)]
mod tests {
    use super::{derived, has_mobile_number};
    use crate::db::check::Scheduled;
    use crate::domain::charge::InstallmentState;
    use crate::domain::date::{FirstDebit, Schedule};
    use crate::domain::id::{AgreementId, InstallmentId};

    #[test]
    fn a_phone_number_is_seen_among_other_numbers() {
        for text in ["call 19900000001", "{\"phone\":\"13800000002\"}", "13800000002", "打13800000002吧"] {
            assert!(has_mobile_number(text), "{text}");
        }
        for text in ["KB7K2QX9AB0100000007030001", "2026112113800000002", "12345678901", "1380000000", "k-13800000002x"]
        {
            assert!(!has_mobile_number(text), "{text}");
        }
    }

    #[test]
    fn a_day_must_come_from_its_anchor_whatever_pauses_there_were() {
        let mut schedule = Schedule::new("2026-01-10".parse().unwrap(), 10, FirstDebit::NextMonth);
        schedule.shift_months = 2;
        schedule.shifted_from = 5;
        let case = |term, due: &str, state| {
            let id = InstallmentId { agreement: AgreementId::new(1), term };
            derived(&Scheduled { id, due: due.parse().unwrap(), state, schedule })
        };
        use InstallmentState::{Cancelled, Open, Paid};
        assert!(case(1, "2026-02-10", Paid), "before any pause");
        assert!(case(4, "2026-06-10", Paid), "after the first pause, before the second");
        assert!(case(5, "2026-08-10", Open) && case(5, "2026-06-10", Cancelled));
        assert!(!case(5, "2026-07-10", Open) && !case(4, "2026-06-11", Paid) && !case(4, "2026-08-10", Paid));
    }
}
