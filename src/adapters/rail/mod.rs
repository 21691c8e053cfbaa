//! What every payment rail can be asked, and nothing about when to ask it: that is the profile's and the debit run's business.
//!
//! A rail that cannot do something answers [`Trouble::Unsupported`], and the caller has an answer for that.

pub mod alipay;
pub mod cash;
pub mod exec;
pub mod guarded;
pub mod sandbox;
pub mod wechat;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use crate::adapters::finding::{Finding, Level};
use crate::domain::date::At;
use crate::domain::money::Money;
use crate::domain::rail::{Profile, Reason, Reply};
use crate::t;

/// The built-in profiles by name, as TOML.
pub const PROFILES: [(&str, &str); 4] = [
    ("alipay", include_str!("profiles/alipay.toml")),
    ("wechat-prenotify", include_str!("profiles/wechat-prenotify.toml")),
    ("wechat-notify24h", include_str!("profiles/wechat-notify24h.toml")),
    ("cash", include_str!("profiles/cash.toml")),
];

/// Seconds by which a provider's clock and ours may differ; beyond that it refuses our signatures (payment facts 2.6: five minutes).
pub const MOST_SKEW_SECONDS: i64 = 300;

/// What the rail needs to know to let a customer sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignRequest {
    /// Our number of the mandate: letters and digits, at most 32.
    pub contract_no: String,
    /// Whose wallet app is meant, masked (shown to the customer).
    pub customer_label: String,
    /// Who the payer is at this rail's sandbox, `c-12`; real rails learn it when the customer signs.
    pub payer: String,
    /// Amount of each debit.
    pub amount: Money,
    /// Number of debits.
    pub count: u32,
    /// First date registered with the rail.
    pub first_date: NaiveDate,
    /// Last day of the mandate.
    pub valid_until: NaiveDate,
}

/// Where the customer agrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignLink {
    /// To open or to send.
    pub url: String,
    /// To show as a QR code; often the same text.
    pub qr: String,
    /// When the link goes stale.
    pub good_until: Option<At>,
}

/// A mandate as the rail knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateRef {
    /// Our number.
    pub contract_no: String,
    /// The provider's number, once known.
    pub provider_no: Option<String>,
}

/// The state of a mandate at the rail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MandateState {
    /// The customer has not agreed yet.
    Waiting,
    /// Live.
    Live {
        /// The provider's number of the mandate.
        provider_no: String,
        /// When the customer agreed.
        signed_at: Option<At>,
        /// The next date registered with the rail, where it keeps one.
        next_date: Option<NaiveDate>,
    },
    /// Ended.
    Ended {
        /// When.
        at: Option<At>,
        /// By whom: `customer`, `merchant`, `expiry`, `provider`.
        by: String,
    },
    /// The rail has never heard of it.
    NotFound,
}

/// A debit to be announced to the rail, which then tells the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebitNotice {
    /// Which mandate.
    pub mandate: MandateRef,
    /// The most that will be debited.
    pub amount: Money,
    /// The agreed day.
    pub due: NaiveDate,
}

/// One attempt to collect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeRequest {
    /// Our order number, at most 32 letters and digits, already on disk.
    pub order_no: String,
    /// Which mandate.
    pub mandate: MandateRef,
    /// How much.
    pub amount: Money,
    /// What the customer reads on the statement.
    pub subject: String,
    /// The agreed day of the installment.
    pub due: NaiveDate,
}

/// An order that the customer pays actively, to make up a missed installment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayLinkRequest {
    /// Our order number.
    pub order_no: String,
    /// How much.
    pub amount: Money,
    /// What the customer reads.
    pub subject: String,
}

/// Where a missed installment can be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PayLink {
    /// To open or to send.
    pub url: String,
    /// When the order closes by itself.
    pub good_until: Option<At>,
}

/// What became of closing an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is closed and can never be paid.
    Closed,
    /// Too late: it has been paid.
    AlreadyPaid(Reply),
}

/// Money to go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequest {
    /// Our refund number, at most 32 letters and digits, already on disk; the same number is refunded once.
    pub refund_no: String,
    /// The order that was paid.
    pub order_no: String,
    /// What was paid with it.
    pub paid: Money,
    /// How much goes back.
    pub amount: Money,
}

/// The days of a provider's statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillPeriod {
    /// One day.
    Day(NaiveDate),
    /// The calendar month of that day.
    Month(NaiveDate),
}

/// A provider's statement of a day or a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillFile {
    /// Name the provider gives the file.
    pub name: String,
    /// Its bytes, as the provider made them.
    pub bytes: Vec<u8>,
}

/// A provider's asynchronous notice as it reached the shop's own web server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedNotice {
    /// HTTP headers, names in lower case; empty where the provider signs the body alone.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// What a notice says, after its signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// The outcome of a charge or of a pay link.
    Charge {
        /// Our order number.
        order_no: String,
        /// The amount that the notice names, where it names one.
        amount: Option<Money>,
        /// The outcome.
        reply: Reply,
    },
    /// The state of a mandate.
    Mandate {
        /// Our number of it.
        contract_no: String,
        /// Its state.
        state: MandateState,
    },
    /// The outcome of a refund.
    Refund {
        /// Our refund number.
        refund_no: String,
        /// The outcome.
        reply: Reply,
    },
}

/// A provider that answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its clock, to the second, where it tells.
    pub provider_time: Option<At>,
}

impl Health {
    /// Seconds by which our clock, at `now`, is ahead of the provider's; `None` where it tells no time. See [`MOST_SKEW_SECONDS`].
    pub fn ahead_seconds(&self, now: At) -> Option<i64> {
        Some((now - self.provider_time?).num_seconds())
    }
}

/// What a rail can do beside charging and answering queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// A link where the customer agrees.
    SignLink,
    /// The state of a mandate.
    MandateState,
    /// Close a mandate.
    CloseMandate,
    /// Give the rail's own notice.
    Announce,
    /// Close an unpaid order.
    CloseOrder,
    /// Send money back.
    Refund,
    /// Move the registered date.
    Postpone,
    /// A link for a missed installment.
    PayLink,
    /// Statements.
    Bill,
    /// Asynchronous notices.
    Notice,
}

impl Capability {
    /// All of them.
    pub const ALL: [Capability; 10] = [
        Capability::SignLink,
        Capability::MandateState,
        Capability::CloseMandate,
        Capability::Announce,
        Capability::CloseOrder,
        Capability::Refund,
        Capability::Postpone,
        Capability::PayLink,
        Capability::Bill,
        Capability::Notice,
    ];
}

/// Why a call that is not a charge or a refund did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This rail cannot do that.
    Unsupported,
    /// The provider definitely refused.
    Refused {
        /// In our words.
        reason: Reason,
        /// The provider's code.
        code: String,
        /// The provider's text.
        text: String,
    },
    /// The call did not reach the provider, or its answer cannot be understood; asking again later is safe.
    Unreachable {
        /// What happened, for people.
        text: String,
    },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Unsupported => f.write_str(&t!("this payment rail cannot do that")),
            Trouble::Refused { code, text, .. } if code.is_empty() => f.write_str(text),
            Trouble::Refused { code, text, .. } => write!(f, "{text} ({code})"),
            Trouble::Unreachable { text } => f.write_str(text),
        }
    }
}

impl std::error::Error for Trouble {}

/// A payment channel. Calls block; the debit run makes several at once, so a rail is shared between threads.
///
/// `charge`, `query_charge`, `refund` and `query_refund` never fail: whatever goes wrong is [`crate::domain::rail::Answer::Unknown`],
/// because a charge whose outcome nobody knows must never be repeated under another number.
pub trait Rail: Send + Sync {
    /// The name under which `shop.toml` knows it.
    fn name(&self) -> &str;

    /// Its rules.
    fn profile(&self) -> &Profile;

    /// True when no real money can move on it.
    fn is_sandbox(&self) -> bool {
        false
    }

    /// A link where the customer agrees to the mandate.
    ///
    /// # Errors
    /// [`Trouble`] when the rail has no such link or refuses.
    fn sign_link(&self, request: &SignRequest) -> Result<SignLink, Trouble>;

    /// The state of a mandate.
    ///
    /// # Errors
    /// [`Trouble`] when the rail cannot say now.
    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble>;

    /// Closes a mandate. Closing one that is gone already is a success.
    ///
    /// # Errors
    /// [`Trouble`]; the caller keeps asking until the rail confirms.
    fn close_mandate(&self, mandate: &MandateRef, why: &str) -> Result<(), Trouble>;

    /// Has the rail tell the customer of a coming debit. Announcing the same debit twice is a success.
    ///
    /// # Errors
    /// [`Trouble`].
    fn announce(&self, notice: &DebitNotice) -> Result<(), Trouble>;

    /// Collects. The order number makes it happen at most once.
    fn charge(&self, request: &ChargeRequest) -> Reply;

    /// What became of an order number.
    fn query_charge(&self, order_no: &str, amount: Money) -> Reply;

    /// Closes an unpaid order for good.
    ///
    /// # Errors
    /// [`Trouble`]; the order may still be paid then.
    fn close_order(&self, order_no: &str) -> Result<Closed, Trouble>;

    /// Sends money back to where it came from.
    fn refund(&self, request: &RefundRequest) -> Reply;

    /// What became of a refund number.
    fn query_refund(&self, request: &RefundRequest) -> Reply;

    /// Moves the date registered with the rail to a later one.
    ///
    /// # Errors
    /// [`Trouble`].
    fn postpone(&self, mandate: &MandateRef, to: NaiveDate) -> Result<(), Trouble>;

    /// A link where the customer pays a missed installment.
    ///
    /// # Errors
    /// [`Trouble`].
    fn pay_link(&self, request: &PayLinkRequest) -> Result<PayLink, Trouble>;

    /// The provider's statement of a day or a month.
    ///
    /// # Errors
    /// [`Trouble`], also while the bill is not ready.
    fn bill(&self, period: BillPeriod) -> Result<BillFile, Trouble>;

    /// What a saved notice says. Nothing in it is believed before its signature verifies.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for a notice that is not this account's or not signed by the provider, [`Trouble::Unsupported`] where the
    /// rail has no notices.
    fn read_notice(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        let _ = notice;
        Err(Trouble::Unsupported)
    }

    /// Looks at keys and settings without asking the provider; tells what is well, too.
    fn inspect(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// What it can do.
    fn capabilities(&self) -> Vec<Capability>;

    /// Whether the rail answers at all: one cheap call that changes nothing.
    ///
    /// # Errors
    /// [`Trouble`] with what is wrong.
    fn health(&self) -> Result<Health, Trouble>;
}
