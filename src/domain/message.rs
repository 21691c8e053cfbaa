//! Something to be told to somebody once: who hears it, about which event, and the hours in which people may be contacted.
//! Texts are in `templates/`; channels are adapters.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::domain::agreement::words;
use crate::domain::date::{At, Hours};
use crate::domain::id::{AgreementId, CustomerId};

words! {
    /// Who hears a message.
    Audience {
        /// The customer; contact hours are kept.
        Customer = "customer",
        /// The shop; told at any hour.
        Merchant = "merchant",
    }
}

words! {
    /// Where a message stands.
    MessageState {
        /// Waiting for its hour and for the next delivery.
        Queued = "queued",
        /// Handed to the channel; the answer is not written yet.
        Sending = "sending",
        /// The channel took it.
        Sent = "sent",
        /// It was handed over and the answer was lost: looked up before anything else, and never sent again on a guess.
        Unknown = "unknown",
        /// Every channel refused it for good.
        Failed = "failed",
        /// Overtaken by events before it was sent.
        Dropped = "dropped",
    }
}

/// A message to be queued.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Names the event; the same event is told once.
    pub event: String,
    /// Which text.
    pub template: &'static str,
    /// Who hears it.
    pub audience: Audience,
    /// About which customer.
    pub customer: Option<CustomerId>,
    /// About which agreement.
    pub agreement: Option<AgreementId>,
    /// About which term.
    pub term: Option<u32>,
    /// `zh` or `en`.
    pub lang: String,
    /// Values for the text: numbers, dates, amounts; names are filled in at delivery.
    pub params: serde_json::Value,
    /// Not to be sent before.
    pub not_before: At,
}

/// What whoever queues a message must put into its params, by text. Everything else a text needs is filled in at delivery
/// (see [`FILLED`]), so that names and the shop's own values are not kept in the outbox.
pub const REQUIRED: &[(&str, &[&str])] = &[
    ("pre_debit_48h", &["n", "terms", "amount", "date", "date_en", "channel", "channel_en"]),
    ("heads_up", &["n", "terms", "amount", "date", "date_en", "channel", "channel_en"]),
    ("debit_success", &["n", "terms", "amount", "balance"]),
    ("debit_failed", &["n", "amount", "reason", "reason_en"]),
    ("retry_exhausted_customer", &["n", "amount"]),
    ("retry_exhausted_merchant", &["n", "amount"]),
    ("overdue_l1", &["n", "amount"]),
    ("overdue_l2", &["due", "days"]),
    ("overdue_l3", &["due", "days"]),
    ("overdue_l4", &["due", "days"]),
    ("overdue_l5", &[]),
    ("high_risk_alert", &[]),
    ("vaccine_due", &["vaccine", "vaccine_en", "date", "date_en"]),
    ("deworm_due", &["dewormer", "dewormer_en", "date", "date_en"]),
    ("complaint_ack", &["ticket"]),
    ("complaint_sla_breach", &["ticket", "hours"]),
    ("contract_expiring", &["date", "date_en", "balance"]),
    ("contract_completed", &["balance"]),
    ("mandate_revoked_customer", &["channel", "channel_en"]),
    ("mandate_revoked_merchant", &["channel", "channel_en", "date", "date_en"]),
    ("termination_ack", &["confirm_days", "refund_days"]),
    ("refund_done", &["refund"]),
    ("advance_settled", &["advance"]),
    ("shop_closing", &["date", "date_en", "balance"]),
    ("data_request_done", &["ticket"]),
    ("breach_notice", &[]),
];

/// What is filled in at delivery: the shop's name in both languages and its phone; the customer as a masked label; the
/// agreement's number; the pet's name; and the link to the record, unless the params give one.
pub const FILLED: [&str; 7] = ["shop", "shop_en", "phone", "who", "no", "pet", "link"];

/// What a message about a term has beside these, for channels with registered texts only: the agreed day with its year.
pub const DAY: &str = "day";

/// What the law or the agreement promises: it goes out before everything else, so that a phone number's daily cap is not used up
/// by what can wait.
pub const FIRST: [&str; 8] = [
    "pre_debit_48h",
    "heads_up",
    "debit_failed",
    "retry_exhausted_customer",
    "termination_ack",
    "mandate_revoked_customer",
    "breach_notice",
    "shop_closing",
];

/// What queues an announcement or a reminder of a debit, and counts as a notice once it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebitNoticeKind {
    /// The announcement that a charge must wait for.
    Announcement,
    /// The earlier reminder; no charge depends on it.
    HeadsUp,
}

impl DebitNoticeKind {
    /// The kind of the notice in the books.
    pub const fn word(self) -> &'static str {
        match self {
            DebitNoticeKind::Announcement => "message",
            DebitNoticeKind::HeadsUp => "heads_up",
        }
    }
}

/// Whether a message announces a debit, and for which day: read from its event, `pre_debit_48h:a-7/3:2026-11-05` or
/// `heads_up:a-7/3:2026-11-05`. An event without a readable day announces whatever day the installment has.
pub fn debit_notice(event: &str) -> Option<(DebitNoticeKind, Option<NaiveDate>)> {
    let (family, rest) = event.split_once(':')?;
    let kind = match family {
        "pre_debit_48h" => DebitNoticeKind::Announcement,
        "heads_up" => DebitNoticeKind::HeadsUp,
        _ => return None,
    };
    Some((kind, rest.rsplit(':').find_map(|part| part.parse().ok())))
}

/// The earliest moment from `now` on at which `audience` may be contacted.
pub fn contact_time(audience: Audience, now: At, hours: Hours, zone: Tz) -> At {
    match audience {
        Audience::Customer => hours.next(now, zone),
        Audience::Merchant => now,
    }
}

#[cfg(test)]
mod tests {
    use super::{Audience, DebitNoticeKind, contact_time, debit_notice};
    use crate::domain::date::Hours;
    use chrono::TimeZone;
    use chrono_tz::Asia::Shanghai;

    #[test]
    fn an_announcement_names_its_day_in_its_event() {
        let day = "2026-11-05".parse().ok();
        let (announcement, heads_up) = (DebitNoticeKind::Announcement, DebitNoticeKind::HeadsUp);
        assert_eq!(debit_notice("pre_debit_48h:a-7/3:2026-11-05"), Some((announcement, day)));
        assert_eq!(debit_notice("heads_up:a-7/3:2026-11-05"), Some((heads_up, day)));
        assert_eq!(debit_notice("pre_debit_48h:a-7/3"), Some((announcement, None)));
        assert_eq!(debit_notice("debit_failed:k-9"), None);
        assert_eq!(debit_notice("pre_debit_48h"), None);
    }

    #[test]
    fn the_shop_is_told_at_night_and_the_customer_in_the_morning() {
        let hours = Hours::new((8, 0), (22, 0));
        let at = |day: u32, hour: u32| Shanghai.with_ymd_and_hms(2026, 11, day, hour, 0, 0).unwrap().to_utc();
        assert_eq!(contact_time(Audience::Merchant, at(5, 23), hours, Shanghai), at(5, 23));
        assert_eq!(contact_time(Audience::Customer, at(5, 23), hours, Shanghai), at(6, 8));
    }
}
