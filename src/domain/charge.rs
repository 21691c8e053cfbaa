//! One attempt to collect an installment: states, order numbers, and the rule that says whether and when it may be made.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::agreement::{AgreementState, words};
use crate::domain::date::{At, moment};
use crate::domain::id::{AgreementId, ChargeId, InstallmentId, MandateId};
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::rail::{Profile, Reason, Window};
use crate::planted::{self, Mistake};

words! {
    /// The life of a charge.
    ChargeState {
        /// On disk; the rail may or may not have heard of it.
        Noted = "noted",
        /// Accepted by the rail; the outcome comes later.
        Pending = "pending",
        /// Nobody can say; blocks the installment until the rail or a bill says.
        Unknown = "unknown",
        /// The money moved.
        Paid = "paid",
        /// It definitely did not.
        Declined = "declined",
        /// Given up without money moving: never sent, or closed unpaid.
        Void = "void",
    }
}

words! {
    /// How the money is asked for.
    ChargeKind {
        /// A debit under a mandate.
        Debit = "debit",
        /// A link the customer pays actively.
        Link = "link",
        /// Paid at the counter.
        Cash = "cash",
    }
}

words! {
    /// Where an installment stands.
    InstallmentState {
        /// To be collected.
        Open = "open",
        /// Collected.
        Paid = "paid",
        /// Collected before kibble.
        Before = "before",
        /// Not to be collected any more.
        Cancelled = "cancelled",
        /// Collected and given back.
        Refunded = "refunded",
    }
}

words! {
    /// What has become of collecting an open installment automatically.
    Course {
        /// Not tried yet.
        Planned = "planned",
        /// Declined; retries are still to come.
        Failing = "failing",
        /// The last retry failed. Counts for the high-risk rule.
        Failed = "failed",
        /// Its window passed without a decided attempt. Neutral for the high-risk rule.
        Missed = "missed",
    }
}

/// A charge as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// Its id.
    pub id: ChargeId,
    /// Which term.
    pub installment: InstallmentId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How.
    pub kind: ChargeKind,
    /// Under which mandate.
    pub mandate: Option<MandateId>,
    /// On which rail.
    pub rail: String,
    /// Our order number.
    pub order_no: String,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub state: ChargeState,
    /// Why it was declined.
    pub reason: Option<Reason>,
    /// The provider's code.
    pub code: String,
    /// The provider's text.
    pub said: String,
    /// The provider's number.
    pub trade_no: Option<String>,
    /// Where the customer can pay, for a link.
    pub link: Option<String>,
    /// When it was written down.
    pub noted_at: At,
    /// When the rail was last asked.
    pub asked_at: Option<At>,
    /// Until when it is pending.
    pub pending_until: Option<At>,
    /// When the outcome was known.
    pub answered_at: Option<At>,
    /// When the money moved.
    pub paid_at: Option<At>,
    /// How much of it has gone back.
    pub refunded: Money,
}

/// A copy of the shop's database, as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMade {
    /// 1 for the first.
    pub copy_no: i64,
    /// The code of the copy that it was made from; none for the first.
    pub made_from: Option<String>,
    /// The newest agreement that was in it then. The copy that it was made from may have given later numbers to other agreements.
    pub last_agreement: AgreementId,
}

/// Every copy of the database whose numbers may be met, by its code.
pub type Copies = BTreeMap<String, CopyMade>;

/// The newest agreement of which a number of the copy `code` speaks to the copy `own`: two copies know the same agreements up to where
/// they parted, and after that each gives the next number to another one. `None` for its own numbers, which are all its own.
pub fn reach(copies: &Copies, own: &str, code: &str) -> Option<AgreementId> {
    let (ours, theirs) = (ancestry(copies, own), ancestry(copies, code));
    let apart = |of: &[&str], other: &[&str]| {
        of.iter().filter(|code| !other.contains(code)).map(|code| copies[*code].last_agreement).min()
    };
    let (left, went) = (apart(&ours, &theirs), apart(&theirs, &ours));
    left.into_iter().chain(went).min()
}

/// A copy and those that it came from.
fn ancestry<'a>(copies: &'a Copies, code: &'a str) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let mut next = Some(code);
    while let Some((code, copy)) = next.and_then(|code| copies.get_key_value(code))
        && !found.contains(&code.as_str())
    {
        found.push(code);
        next = copy.made_from.as_deref();
    }
    found
}

/// The order number of an attempt: derived from stored facts only, so that it can be derived again after a crash or from a backup,
/// and different for two installments, two shops, and two copies of a database. 26 letters and digits:
/// `KB` + the copy's code (8) + its number (2) + agreement (8) + term (2) + attempt (4). The code alone tells copies apart: it was
/// drawn when the copy was adopted. The number stands beside it for people.
pub fn order_no(code: &str, copy_no: i64, installment: InstallmentId, attempt: u32) -> String {
    let attempt = if planted::is(Mistake::OrderNumber) { 1 } else { attempt };
    format!("KB{code}{copy_no:02}{:08}{:02}{attempt:04}", installment.agreement.number(), installment.term)
}

/// The installment and the attempt in an order number that one of these copies of the shop's database made; `None` for any other
/// number, and for one that speaks of an agreement which the copy `own` does not know.
pub fn read_order_no(copies: &Copies, own: &str, number: &str) -> Option<(InstallmentId, u32)> {
    let of_copy = |(code, copy): (&'_ String, &CopyMade)| {
        let rest = number.strip_prefix(&format!("KB{code}{:02}", copy.copy_no))?;
        Some((reach(copies, own, code), rest))
    };
    let (reach, rest) = copies.iter().find_map(of_copy)?;
    if rest.len() != 14 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let agreement = AgreementId::new(rest[..8].parse().ok()?);
    let (term, attempt) = (rest[8..10].parse().ok()?, rest[10..].parse().ok()?);
    if reach.is_some_and(|last| agreement > last) {
        return None;
    }
    Some((InstallmentId { agreement, term }, attempt))
}

/// Our number of a mandate at a rail, built like an order number.
pub fn contract_no(code: &str, copy_no: i64, agreement: AgreementId, count: u32) -> String {
    format!("KM{code}{copy_no:02}{:08}{count:04}", agreement.number())
}

/// Our number of a refund at a rail: the paid order's number is found again in it. So a copy that does not know that the money went
/// back asks for the very same refund again, and the rail, which takes a number once, sends nothing twice.
pub fn refund_no(order_no: &str, count: u32) -> String {
    format!("KR{}{count:02}", &order_no[2..])
}

/// Everything that decides whether an installment may be charged now.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which term.
    pub installment: InstallmentId,
    /// Where it stands.
    pub state: InstallmentState,
    /// What became of it so far.
    pub course: Course,
    /// The agreed day.
    pub due: NaiveDate,
    /// The date registered with the rail of the first lane.
    pub registered: NaiveDate,
    /// The lane that is next.
    pub lane: u32,
    /// Where the agreement stands.
    pub agreement: AgreementState,
    /// Until when it is paused.
    pub paused_until: Option<NaiveDate>,
    /// True when the pet died, was lost or was returned.
    pub pet_gone: bool,
    /// The mandate in the lane that is next.
    pub mandate: Option<(MandateId, MandateStatus)>,
    /// When the customer agreed to it.
    pub mandate_signed_at: Option<At>,
    /// Last day of the mandate.
    pub mandate_until: Option<NaiveDate>,
    /// An open charge of this installment, if any: its state and kind.
    pub open_charge: Option<(ChargeState, ChargeKind)>,
    /// From when the announcement allows the charge; `None` when none was given.
    pub charge_from: Option<At>,
    /// When the rail's own notice was given, where it needs one.
    pub rail_notice_at: Option<At>,
    /// When the next retry is due, after a failure.
    pub next_try_at: Option<At>,
    /// True when another term of the same agreement was charged in this run.
    pub charged_this_run: bool,
}

impl Candidate {
    /// The agreement runs again when the day of its pause's end has come: a run ends pauses before it looks at terms.
    pub fn resume(&mut self, today: NaiveDate) {
        if self.agreement == AgreementState::Paused && self.paused_until.is_some_and(|until| until <= today) {
            self.agreement = AgreementState::Active;
        }
    }

    /// The date registered with the rail of the lane that is next, which has `profile`. Only that of the first lane is on record;
    /// another lane's rail has its own rules.
    pub fn registered_with(&self, profile: &Profile) -> NaiveDate {
        if self.lane > 1 { profile.registered(self.due) } else { self.registered }
    }

    /// When the rail of the lane that is next, which has `profile`, accepts a charge.
    pub fn window(&self, profile: &Profile) -> Window {
        profile.window(self.due, self.registered_with(profile))
    }
}

/// The first rule that stops a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The installment is not open.
    NotOpen,
    /// The agreement is not running.
    AgreementNotLive,
    /// The agreement is paused.
    Paused,
    /// The pet died, was lost or was returned.
    PetGone,
    /// The last retry failed, or the window was missed; the customer pays by link or at the counter.
    TriesOver,
    /// No mandate is live.
    NoMandate,
    /// An earlier attempt is pending or unknown.
    OpenCharge,
    /// The agreed day has not come.
    NotDue,
    /// The 48-hour announcement has not been made.
    NotAnnounced,
    /// The announcement is not old enough.
    NoticeTooYoung,
    /// The rail's own notice has not been given, or does not cover today.
    RailNotice,
    /// Waiting for the next retry.
    RetryLater,
    /// Outside the rail's hours.
    OutsideHours,
    /// The rail's window has passed.
    WindowPassed,
    /// Another term of the agreement was charged in this run.
    OnePerRun,
}

/// Whether to charge, and else the first rule that stops it and when that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Charge now.
    Charge,
    /// Not now.
    Wait {
        /// The first rule that stops it.
        stop: Stop,
        /// The earliest moment at which that rule no longer stops it, where time alone changes it.
        until: Option<At>,
    },
}

/// When charges of the day begin, in the shop's words: the hour set in `shop.toml`.
#[derive(Clone, Copy, Debug)]
pub struct ChargeHour {
    /// Time of day.
    pub time: chrono::NaiveTime,
    /// The shop's zone.
    pub zone: Tz,
}

/// Design section 2, law 7, in the order in which a person would want to hear of it.
pub fn decide(now: At, it: &Candidate, profile: &Profile, hour: ChargeHour) -> Decision {
    let stop = |stop, until| Decision::Wait { stop, until };
    if it.state != InstallmentState::Open {
        return stop(Stop::NotOpen, None);
    }
    if it.agreement == AgreementState::Paused {
        return stop(Stop::Paused, it.paused_until.map(|day| moment(day, hour.time, hour.zone)));
    }
    if it.agreement != AgreementState::Active {
        return stop(Stop::AgreementNotLive, None);
    }
    if it.pet_gone {
        return stop(Stop::PetGone, None);
    }
    if matches!(it.open_charge, Some((_, ChargeKind::Debit | ChargeKind::Cash))) {
        return stop(Stop::OpenCharge, None);
    }
    if matches!(it.course, Course::Failed | Course::Missed) {
        return stop(Stop::TriesOver, None);
    }
    match (it.mandate, it.mandate_until) {
        (Some((_, MandateStatus::Live)), Some(until)) if it.due <= until => {}
        _ => return stop(Stop::NoMandate, None),
    }
    let window = it.window(profile);
    let due_at = moment(it.due, hour.time, hour.zone).max(window.opens());
    if now < due_at {
        return stop(Stop::NotDue, Some(due_at));
    }
    if now >= window.closes() {
        return stop(Stop::WindowPassed, None);
    }
    let Some(charge_from) = it.charge_from else {
        return stop(Stop::NotAnnounced, None);
    };
    if now < charge_from && !planted::is(Mistake::NoNotice) {
        return stop(Stop::NoticeTooYoung, window.next(charge_from));
    }
    if let Some(wait) = rail_notice(now, it, profile) {
        return wait;
    }
    if let Some(at) = it.next_try_at.filter(|at| now < *at) {
        return stop(Stop::RetryLater, window.next(at));
    }
    match window.next(now) {
        Some(at) if at > now => return stop(Stop::OutsideHours, Some(at)),
        None => return stop(Stop::WindowPassed, None),
        Some(_) => {}
    }
    if it.charged_this_run {
        return stop(Stop::OnePerRun, Some(now));
    }
    Decision::Charge
}

/// The rail's own notice, where the profile asks us for one: given, old enough, still good; or the first hours after signing.
fn rail_notice(now: At, it: &Candidate, profile: &Profile) -> Option<Decision> {
    use crate::domain::date::day_of;
    use crate::domain::rail::RailNotice;
    if profile.notice != RailNotice::Announce {
        return None;
    }
    let grace = chrono::Duration::hours(i64::from(profile.first_charge_grace_hours));
    if it.mandate_signed_at.is_some_and(|signed| now >= signed && now < signed + grace) {
        return None;
    }
    let Some(given) = it.rail_notice_at else {
        return Some(Decision::Wait { stop: Stop::RailNotice, until: None });
    };
    let (first, last) = profile.notice_covers(given);
    let today = day_of(now, profile.timezone);
    if today < first {
        let at = moment(first, profile.hours.from, profile.timezone);
        return Some(Decision::Wait { stop: Stop::RailNotice, until: Some(at) });
    }
    (today > last).then_some(Decision::Wait { stop: Stop::RailNotice, until: None })
}

#[cfg(test)]
mod tests {
    use super::{
        Candidate, ChargeHour, ChargeKind, ChargeState, Copies, CopyMade, Course, Decision, InstallmentState, Stop,
        decide, order_no, reach, read_order_no, refund_no,
    };
    use crate::domain::agreement::AgreementState;
    use crate::domain::date::At;
    use crate::domain::id::{AgreementId, InstallmentId, MandateId};
    use crate::domain::mandate::MandateStatus;
    use crate::domain::rail::Profile;
    use chrono::{NaiveTime, TimeZone};
    use chrono_tz::Asia::Shanghai;

    fn profile(name: &str) -> Profile {
        let all = [
            ("alipay", include_str!("../adapters/rail/profiles/alipay.toml")),
            ("prenotify", include_str!("../adapters/rail/profiles/wechat-prenotify.toml")),
        ];
        toml::from_str(all.iter().find(|it| it.0 == name).unwrap().1).unwrap()
    }

    fn at(day: u32, hour: u32) -> At {
        Shanghai.with_ymd_and_hms(2026, 11, day, hour, 0, 0).unwrap().to_utc()
    }

    fn ready() -> Candidate {
        Candidate {
            installment: InstallmentId { agreement: AgreementId::new(7), term: 3 },
            state: InstallmentState::Open,
            course: Course::Planned,
            due: "2026-11-05".parse().unwrap(),
            registered: "2026-11-07".parse().unwrap(),
            lane: 1,
            agreement: AgreementState::Active,
            paused_until: None,
            pet_gone: false,
            mandate: Some((MandateId::new(7), MandateStatus::Live)),
            mandate_signed_at: Some(at(1, 9) - chrono::Duration::days(60)),
            mandate_until: Some("2027-11-04".parse().unwrap()),
            open_charge: None,
            charge_from: Some(at(4, 8)),
            rail_notice_at: None,
            next_try_at: None,
            charged_this_run: false,
        }
    }

    fn asked(it: &Candidate, now: At, name: &str) -> Decision {
        let hour = ChargeHour { time: NaiveTime::from_hms_opt(9, 0, 0).unwrap(), zone: Shanghai };
        decide(now, it, &profile(name), hour)
    }

    /// A change that must stop the charge, the moment it is tried, and the stop and earliest moment expected.
    type Case = (fn(&mut Candidate), At, Stop, Option<At>);

    #[test]
    fn nothing_is_charged_unless_every_rule_agrees() {
        assert_eq!(asked(&ready(), at(5, 9), "alipay"), Decision::Charge);
        assert_eq!(asked(&ready(), at(7, 20), "alipay"), Decision::Charge);
        let cases: [Case; 14] = [
            (|it| it.state = InstallmentState::Paid, at(5, 9), Stop::NotOpen, None),
            (|it| it.agreement = AgreementState::Settling, at(5, 9), Stop::AgreementNotLive, None),
            (|it| it.agreement = AgreementState::Paused, at(5, 9), Stop::Paused, None),
            (|it| it.pet_gone = true, at(5, 9), Stop::PetGone, None),
            (|it| it.open_charge = Some((ChargeState::Unknown, ChargeKind::Debit)), at(5, 9), Stop::OpenCharge, None),
            (|it| it.course = Course::Failed, at(5, 9), Stop::TriesOver, None),
            (|it| it.mandate = None, at(5, 9), Stop::NoMandate, None),
            (|it| it.mandate = Some((MandateId::new(7), MandateStatus::Revoked)), at(5, 9), Stop::NoMandate, None),
            (|_| {}, at(5, 8), Stop::NotDue, Some(at(5, 9))),
            (|it| it.charge_from = None, at(5, 9), Stop::NotAnnounced, None),
            (|it| it.charge_from = Some(at(6, 18)), at(5, 9), Stop::NoticeTooYoung, Some(at(6, 18))),
            (|it| it.next_try_at = Some(at(5, 17)), at(5, 9), Stop::RetryLater, Some(at(5, 17))),
            (|_| {}, at(8, 9), Stop::WindowPassed, None),
            (|it| it.charged_this_run = true, at(5, 9), Stop::OnePerRun, Some(at(5, 9))),
        ];
        for (place, (change, now, stop, until)) in cases.into_iter().enumerate() {
            let mut it = ready();
            change(&mut it);
            assert_eq!(asked(&it, now, "alipay"), Decision::Wait { stop, until }, "case {place}");
        }
    }

    #[test]
    fn the_second_lane_has_the_window_of_its_own_rail() {
        // Alipay registered the seventh; WeChat keeps the agreed day itself and is open on it.
        let mut it = ready();
        (it.lane, it.rail_notice_at) = (2, Some(at(2, 8)));
        assert_eq!(asked(&it, at(5, 9), "prenotify"), Decision::Charge);
        // The other way round, WeChat's record must not close Alipay's window on the agreed day.
        it.registered = it.due;
        assert_eq!(asked(&it, at(7, 9), "alipay"), Decision::Charge);
    }

    #[test]
    fn wechat_needs_its_own_notice_and_its_own_hours() {
        let mut it = ready();
        it.registered = it.due;
        let wait = |stop, until| Decision::Wait { stop, until };
        assert_eq!(asked(&it, at(5, 9), "prenotify"), wait(Stop::RailNotice, None));
        it.rail_notice_at = Some(at(4, 8));
        assert_eq!(asked(&it, at(5, 9), "prenotify"), wait(Stop::RailNotice, Some(at(6, 7))));
        it.rail_notice_at = Some(at(3, 21));
        assert_eq!(asked(&it, at(5, 9), "prenotify"), Decision::Charge);
        assert_eq!(asked(&it, at(5, 22), "prenotify"), wait(Stop::OutsideHours, Some(at(6, 7))));
    }

    #[test]
    fn the_first_hours_after_signing_need_no_rail_notice() {
        let mut it = ready();
        it.registered = it.due;
        it.mandate_signed_at = Some(at(5, 8));
        assert_eq!(asked(&it, at(5, 9), "prenotify"), Decision::Charge);
        it.mandate_signed_at = Some(at(4, 8));
        assert_ne!(asked(&it, at(5, 9), "prenotify"), Decision::Charge);
    }

    #[test]
    fn an_unpaid_link_does_not_block_a_retry_because_the_run_closes_it_first() {
        let mut it = ready();
        it.open_charge = Some((ChargeState::Pending, ChargeKind::Link));
        it.course = Course::Failing;
        assert_eq!(asked(&it, at(5, 17), "alipay"), Decision::Charge);
    }

    #[test]
    fn no_two_installments_shops_or_copies_share_an_order_number() {
        let id = |agreement, term| InstallmentId { agreement: AgreementId::new(agreement), term };
        let mut seen = std::collections::BTreeSet::new();
        for (code, copy) in [("7K2QX9AB", 1), ("8M3RX9AC", 2), ("9N4SX9AD", 2), ("7K2QX9AC", 1)] {
            for agreement in [1, 11, 111, 12_345_678] {
                for term in [1, 2, 12, 21, 36] {
                    for attempt in [1, 2, 11, 9_999] {
                        let no = order_no(code, copy, id(agreement, term), attempt);
                        assert!(no.len() <= 32 && no.bytes().all(|b| b.is_ascii_alphanumeric()), "{no}");
                        assert!(seen.insert(no), "{code} {copy} {agreement} {term} {attempt}");
                    }
                }
            }
        }
        assert_eq!(refund_no(&order_no("7K2QX9AB", 1, id(7, 3), 1), 1).len(), 28);
        // Two adopted copies that knew nothing of each other have the same number, the first is copy 1, and one is the hundredth.
        let copies = copies(&[
            ("7K2QX9AB", 1, None, 0),
            ("8M3RX9AC", 2, Some("7K2QX9AB"), 7),
            ("9N4SX9AD", 2, Some("7K2QX9AB"), 8),
            ("9N4SX9AF", 100, Some("9N4SX9AD"), 9),
        ]);
        for (code, copy) in &copies {
            let number = order_no(code, copy.copy_no, id(7, 3), 11);
            assert!(refund_no(&number, 1).len() <= 32);
            assert_eq!(read_order_no(&copies, "9N4SX9AF", &number), Some((id(7, 3), 11)), "{number}");
        }
        for foreign in [
            "KB7K2QX9AC0100000007030001",
            "KB7K2QX9AB0200000007030001",
            "KB7K2QX9AB010000000703000",
            "KB7K2QX9AB01000000070300x1",
            "KB",
            "",
        ] {
            assert_eq!(read_order_no(&copies, "9N4SX9AF", foreign), None, "{foreign}");
        }
    }

    fn copies(made: &[(&str, i64, Option<&str>, i64)]) -> Copies {
        let copy = |(code, copy_no, from, last): &(&str, i64, Option<&str>, i64)| {
            let last_agreement = AgreementId::new(*last);
            ((*code).to_owned(), CopyMade { copy_no: *copy_no, made_from: from.map(str::to_owned), last_agreement })
        };
        made.iter().map(copy).collect()
    }

    #[test]
    fn a_number_speaks_of_the_agreements_that_both_copies_knew_when_they_parted() {
        // B was made from A when it knew ten agreements, C from A when it knew four, D from C with six.
        let copies =
            copies(&[("A", 1, None, 0), ("B", 2, Some("A"), 10), ("C", 3, Some("A"), 4), ("D", 4, Some("C"), 6)]);
        for (own, code, last) in [
            ("A", "A", None),
            ("D", "D", None),
            ("A", "B", Some(10)),
            ("B", "A", Some(10)),
            ("A", "C", Some(4)),
            ("C", "B", Some(4)),
            ("D", "C", Some(6)),
            ("C", "D", Some(6)),
            ("D", "A", Some(4)),
            ("D", "B", Some(4)),
        ] {
            assert_eq!(reach(&copies, own, code), last.map(AgreementId::new), "{code} to {own}");
        }
    }
}
