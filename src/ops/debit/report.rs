//! What a run did and what needs a person, in that order. Owns the counting; showing it is `cli/debit.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::Serialize;

use crate::db::installment::DueRow;
use crate::domain::charge::{Charge, ChargeKind};
use crate::domain::date::At;
use crate::domain::id::{CustomerId, RunId};
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Reason};
use crate::ops::debit::book::Effect;
use crate::ops::debit::recovery::Recovery;

/// Days after which a debit that should be decided is reported.
const OVERDUE_DAYS: i64 = 1;

/// The report of one run.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Which run.
    pub run: RunId,
    /// When it began.
    pub at: At,
    /// Open charges that were asked about: how many, and what became of them.
    pub settled: BTreeMap<&'static str, u64>,
    /// How much of these was paid.
    pub settled_amount: Money,
    /// Mandates that the customer agreed to since the last run.
    pub mandates_live: u64,
    /// Mandates that the rail confirmed as closed.
    pub mandates_closed: u64,
    /// Mandates that ended outside.
    pub mandates_ended: u64,
    /// Agreements that ran out.
    pub completed: u64,
    /// Pauses that ended.
    pub resumed: u64,
    /// Settlement statements that confirmed themselves.
    pub statements_confirmed: u64,
    /// Refunds that went through.
    pub refunds_paid: u64,
    /// Announcements queued.
    pub announced: u64,
    /// Due date of the announcements, first and last.
    pub announced_for: Option<(chrono::NaiveDate, chrono::NaiveDate)>,
    /// Charges made.
    pub charged: u64,
    /// Of these: paid.
    pub paid: u64,
    /// How much that is.
    pub paid_amount: Money,
    /// Declined, by reason.
    pub declined: BTreeMap<Reason, u64>,
    /// Accepted, outcome later.
    pub pending: u64,
    /// Outcome unknown.
    pub unknown: u64,
    /// Retries planned.
    pub retries: u64,
    /// The earliest of them.
    pub next_retry: Option<At>,
    /// Pay links made.
    pub links: u64,
    /// Windows that passed without a decided attempt.
    pub missed: u64,
    /// Messages handed to the channel.
    pub messages_sent: u64,
    /// Messages waiting for their hour.
    pub messages_waiting: u64,
    /// What needs a person.
    pub needs: Vec<Need>,
    /// What happened before it, after an outage, a run that was broken off, or a restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    #[serde(skip)]
    seen: BTreeSet<(String, &'static str)>,
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Which record.
    pub record: String,
    /// Whose, when it is about a customer.
    pub customer: Option<CustomerId>,
    /// What happened.
    pub what: Concern,
    /// What to type next.
    pub next: String,
    /// True when the run ends with exit code 3 because of it.
    pub urgent: bool,
}

/// What can need a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Concern {
    /// All tries failed.
    TriesFailed {
        /// The last reason.
        reason: Reason,
        /// Whether the agreement became high risk.
        high_risk: bool,
    },
    /// The mandate ended outside.
    MandateEnded {
        /// By whom.
        by: String,
    },
    /// A window passed without a decided attempt.
    Missed {
        /// The agreed day.
        due: chrono::NaiveDate,
    },
    /// The outcome of a charge is unknown.
    Unknown {
        /// On which rail.
        rail: String,
    },
    /// A second payment for one installment.
    PaidTwice {
        /// On which rail.
        rail: String,
    },
    /// A rail cannot be reached.
    RailDown {
        /// What it said.
        said: String,
    },
    /// A rail answers, and refuses what must come before the charge of this one term.
    RailRefuses {
        /// What it said.
        said: String,
    },
    /// A rail refuses because of our settings.
    RailMisconfigured {
        /// What it said.
        said: String,
    },
    /// A refund was refused.
    RefundDeclined {
        /// What the rail said.
        said: String,
    },
    /// The rail of a refund is not in shop.toml any more.
    RefundStranded {
        /// Which.
        rail: String,
    },
    /// A settlement owes what no rail can pay.
    SettlementByHand {
        /// How much.
        amount: Money,
        /// By when it is to be paid.
        pay_by: chrono::NaiveDate,
    },
    /// A message channel takes no messages.
    MessagesStuck {
        /// What it said.
        said: String,
    },
    /// A message can never be sent as it is.
    MessageFailed,
    /// Nobody knows whether a message arrived.
    MessageInDoubt,
    /// The rail refuses to close a mandate that has ended here.
    MandateNotClosed {
        /// What it said.
        said: String,
    },
    /// A settlement statement waits for the shop.
    StatementOpen {
        /// When it confirms itself.
        confirm_by: At,
    },
    /// A settlement statement whose deadline has passed cannot be worked out.
    StatementStuck {
        /// Why.
        why: String,
    },
    /// Lines of bills differ from our book, and the waiting days are over.
    BillsDiffer {
        /// How many.
        count: u64,
        /// The day of the oldest.
        oldest: chrono::NaiveDate,
    },
}

impl Concern {
    /// The word in JSON.
    pub const fn word(&self) -> &'static str {
        match self {
            Concern::TriesFailed { .. } => "tries_failed",
            Concern::MandateEnded { .. } => "mandate_ended",
            Concern::Missed { .. } => "missed",
            Concern::Unknown { .. } => "unknown",
            Concern::PaidTwice { .. } => "paid_twice",
            Concern::RailDown { .. } => "rail_down",
            Concern::RailRefuses { .. } => "rail_refuses",
            Concern::RailMisconfigured { .. } => "rail_misconfigured",
            Concern::RefundDeclined { .. } => "refund_declined",
            Concern::RefundStranded { .. } => "refund_stranded",
            Concern::SettlementByHand { .. } => "settlement_by_hand",
            Concern::MessagesStuck { .. } => "messages_stuck",
            Concern::MessageFailed => "message_failed",
            Concern::MessageInDoubt => "message_in_doubt",
            Concern::MandateNotClosed { .. } => "mandate_not_closed",
            Concern::StatementOpen { .. } => "statement_open",
            Concern::StatementStuck { .. } => "statement_stuck",
            Concern::BillsDiffer { .. } => "bills_differ",
        }
    }
}

impl RunReport {
    /// An empty report.
    pub fn new(run: RunId, at: At) -> RunReport {
        RunReport {
            run,
            at,
            settled: BTreeMap::new(),
            settled_amount: Money::ZERO,
            mandates_live: 0,
            mandates_closed: 0,
            mandates_ended: 0,
            completed: 0,
            resumed: 0,
            statements_confirmed: 0,
            refunds_paid: 0,
            announced: 0,
            announced_for: None,
            charged: 0,
            paid: 0,
            paid_amount: Money::ZERO,
            declined: BTreeMap::new(),
            pending: 0,
            unknown: 0,
            retries: 0,
            next_retry: None,
            links: 0,
            missed: 0,
            messages_sent: 0,
            messages_waiting: 0,
            needs: Vec::new(),
            recovery: None,
            seen: BTreeSet::new(),
        }
    }

    /// True when the run ends with exit code 3.
    pub fn needs_person(&self) -> bool {
        self.needs.iter().any(|need| need.urgent)
    }

    /// Notes a need once.
    pub fn need(&mut self, need: Need) {
        if self.seen.insert((need.record.clone(), need.what.word())) {
            self.needs.push(need);
        }
    }

    /// An open charge was settled by asking.
    pub fn settled(&mut self, charge: &Charge, row: &DueRow, effect: Effect) {
        if effect == Effect::Nothing {
            return;
        }
        *self.settled.entry(effect.word()).or_default() += 1;
        if effect == Effect::Paid {
            self.settled_amount += charge.amount;
        }
        self.consequence(&charge.rail, row, effect);
    }

    /// An open charge is as open as before.
    pub fn still_open(&mut self, charge: &Charge, answer: Answer) {
        // A debit that is under way for a day longer than the rail promised is one about which nobody can say.
        let overdue = charge.kind != ChargeKind::Link
            && charge.pending_until.is_some_and(|until| self.at >= until + TimeDelta::days(OVERDUE_DAYS));
        if answer == Answer::Unknown || (overdue && matches!(answer, Answer::Pending(_))) {
            self.unknown_charge(&charge.installment.to_string(), &charge.rail, None);
        }
    }

    /// A charge made in this run was answered.
    pub fn charged(&mut self, rail: &str, amount: Money, row: &DueRow, effect: Effect) {
        self.charged += 1;
        match effect {
            Effect::Paid => {
                self.paid += 1;
                self.paid_amount += amount;
            }
            Effect::WillRetry { reason, .. } | Effect::GaveUp { reason, .. } => {
                *self.declined.entry(reason).or_default() += 1;
            }
            Effect::Misconfigured => *self.declined.entry(Reason::OurConfiguration).or_default() += 1,
            Effect::Pending => self.pending += 1,
            Effect::Unknown => self.unknown += 1,
            Effect::Closed | Effect::PaidTwice | Effect::Nothing => {}
        }
        self.consequence(rail, row, effect);
    }

    /// The round of an installment ended because the mandate that was next had ended.
    pub fn lane_ended(&mut self, row: &DueRow, effect: Effect) {
        self.consequence(&row.rail, row, effect);
    }

    /// What follows from an answer, whoever asked: a retry, or something for a person.
    fn consequence(&mut self, rail: &str, row: &DueRow, effect: Effect) {
        let id = row.installment.id;
        match effect {
            Effect::WillRetry { at: Some(at), .. } => {
                self.retries += 1;
                self.next_retry = Some(self.next_retry.map_or(at, |earlier| earlier.min(at)));
            }
            Effect::GaveUp { reason, high_risk } => self.need(Need {
                record: id.to_string(),
                customer: Some(row.customer),
                what: Concern::TriesFailed { reason, high_risk },
                next: format!("kibble debit show {id}"),
                urgent: false,
            }),
            Effect::Unknown => self.unknown_charge(&id.to_string(), rail, Some(row.customer)),
            Effect::PaidTwice => self.need(Need {
                record: id.to_string(),
                customer: Some(row.customer),
                what: Concern::PaidTwice { rail: rail.to_owned() },
                next: format!("kibble debit show {id}"),
                urgent: true,
            }),
            _ => {}
        }
    }

    fn unknown_charge(&mut self, record: &str, rail: &str, customer: Option<CustomerId>) {
        self.need(Need {
            record: record.to_owned(),
            customer,
            what: Concern::Unknown { rail: rail.to_owned() },
            next: format!("kibble debit show {record}"),
            urgent: true,
        });
    }

    /// A rail cannot be used now.
    pub fn rail_trouble(&mut self, rail: &str, what: Concern) {
        self.need(Need {
            record: rail.to_owned(),
            customer: None,
            what,
            next: "kibble doctor".to_owned(),
            urgent: true,
        });
    }
}
