//! What the sandbox's book holds, as types. Owns the words for states; the tables are `book.rs`.

use chrono::NaiveDate;
use serde::Serialize;

use crate::domain::date::At;
use crate::domain::money::Money;
use crate::domain::rail::Reason;

/// State of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractState {
    /// The link is out, the customer has not agreed.
    Waiting,
    /// Debits are possible.
    Live,
    /// Over, by whomever.
    Ended,
}

impl ContractState {
    /// All states.
    pub const ALL: [ContractState; 3] = [ContractState::Waiting, ContractState::Live, ContractState::Ended];

    /// The word in the book.
    pub const fn word(self) -> &'static str {
        match self {
            ContractState::Waiting => "waiting",
            ContractState::Live => "live",
            ContractState::Ended => "ended",
        }
    }

    /// Reads [`ContractState::word`] back.
    pub fn from_word(word: &str) -> Option<ContractState> {
        ContractState::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// A customer's agreement with the provider that a merchant may debit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Which rail.
    pub rail: String,
    /// The merchant's number.
    pub contract_no: String,
    /// The provider's number, from the moment the customer agrees.
    pub provider_no: Option<String>,
    /// Who pays.
    pub payer: String,
    /// Largest single debit that the customer agreed to.
    pub single_cap: Money,
    /// Number of debits that the customer agreed to.
    pub count: u32,
    /// Debits made.
    pub paid_count: u32,
    /// First registered date; its day of the month is the anchor of all later ones.
    pub first_date: NaiveDate,
    /// Next registered date.
    pub next_date: NaiveDate,
    /// Last day.
    pub valid_until: NaiveDate,
    /// State.
    pub state: ContractState,
    /// When the customer agreed.
    pub signed_at: Option<At>,
    /// When it ended.
    pub ended_at: Option<At>,
    /// Who ended it: `customer`, `merchant`, `expiry`.
    pub ended_by: Option<String>,
}

/// A notice that the provider gave the customer at the merchant's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Row in the book.
    pub id: i64,
    /// When it was given.
    pub given_at: At,
    /// The most that may be debited on it.
    pub amount: Money,
    /// The agreed day it speaks of.
    pub due: NaiveDate,
}

/// State of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// The money moved.
    Paid,
    /// Refused; the number is dead.
    Declined,
    /// Accepted, to be decided later.
    Pending,
    /// Closed unpaid; the number is dead.
    Closed,
    /// A link that the customer has not paid yet.
    LinkOpen,
}

impl OrderState {
    /// The word in the book.
    pub const fn word(self) -> &'static str {
        match self {
            OrderState::Paid => "paid",
            OrderState::Declined => "declined",
            OrderState::Pending => "pending",
            OrderState::Closed => "closed",
            OrderState::LinkOpen => "link_open",
        }
    }

    /// Reads [`OrderState::word`] back.
    pub fn from_word(word: &str) -> Option<OrderState> {
        [OrderState::Paid, OrderState::Declined, OrderState::Pending, OrderState::Closed, OrderState::LinkOpen]
            .into_iter()
            .find(|it| it.word() == word)
    }
}

/// One order number and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Which rail.
    pub rail: String,
    /// The merchant's number; unique per rail.
    pub order_no: String,
    /// The contract of a debit; `None` for a link.
    pub contract_no: Option<String>,
    /// Who pays; `None` for a link and where the contract is unknown.
    pub payer: Option<String>,
    /// How much.
    pub amount: Money,
    /// What the customer reads.
    pub subject: String,
    /// The period that a success uses up; `None` where a debit uses up none.
    pub cycle: Option<String>,
    /// State.
    pub state: OrderState,
    /// Why it was declined.
    pub reason: Option<Reason>,
    /// The provider's code.
    pub code: String,
    /// The provider's text.
    pub text: String,
    /// The provider's number, once paid.
    pub trade_no: Option<String>,
    /// When the order arrived.
    pub created_at: At,
    /// When a pending order is decided, or an open link closes by itself.
    pub decide_at: Option<At>,
    /// When the money moved.
    pub paid_at: Option<At>,
    /// What it was paid from: `balance`, `card:<label>`, or `outside` for a link.
    pub paid_from: Option<String>,
    /// The provider's fee.
    pub fee: Money,
    /// Sum refunded so far.
    pub refunded: Money,
}

/// Money sent back, or a refusal to send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Which rail.
    pub rail: String,
    /// The merchant's number; unique per rail.
    pub refund_no: String,
    /// The order.
    pub order_no: String,
    /// How much.
    pub amount: Money,
    /// The part of the fee that the provider gives back.
    pub fee_back: Money,
    /// Why it was refused; `None` when the money went back.
    pub refused: Option<Reason>,
    /// The provider's code.
    pub code: String,
    /// The provider's text.
    pub text: String,
    /// The provider's number.
    pub trade_no: Option<String>,
    /// When.
    pub at: At,
}

/// What kind of card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    /// Has a balance.
    Debit,
    /// Has a limit.
    Credit,
}

impl CardKind {
    /// The word in the book and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            CardKind::Debit => "debit",
            CardKind::Credit => "credit",
        }
    }

    /// Reads [`CardKind::word`] back.
    pub fn from_word(word: &str) -> Option<CardKind> {
        [CardKind::Debit, CardKind::Credit].into_iter().find(|it| it.word() == word)
    }
}

/// A card bound to a payer's wallet app. Cards are tried in the order in which they were first bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// What the payer calls it, for example `cmb-1234`; unique per payer.
    pub label: String,
    /// Debit or credit.
    pub kind: CardKind,
    /// What it can still pay: balance of a debit card, unused limit of a credit card.
    pub available: Money,
}

/// What an open book shows of a payer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payer {
    /// Who, for example `c-12`.
    pub payer: String,
    /// Balance in the wallet app.
    pub balance: Money,
    /// Bound cards, in the order in which they are tried.
    pub cards: Vec<Card>,
}
