//! Double entry: every movement of money is an entry whose postings sum to zero. Positive postings are debits (money comes to an asset,
//! a liability shrinks), negative ones credits. Entries are never changed; a correction is a new entry that names what it corrects.

use crate::domain::agreement::words;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;

/// Where money stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Money a rail owes the shop until it settles to the bank.
    RailClearing(String),
    /// The shop's bank account.
    Bank,
    /// The till.
    Cash,
    /// What a customer paid in and has not spent: a liability until goods are delivered.
    WalletPrincipal(CustomerId),
    /// What the shop gave on top.
    WalletBonus(CustomerId),
    /// Goods that are paid for and not yet delivered.
    OrdersOpen,
    /// Sales of a catalog category.
    Sales(String),
    /// Compensation kept at a termination.
    Compensation,
    /// What the goods cost.
    Cost,
    /// What suppliers are owed for goods.
    Suppliers,
    /// What rails charge.
    Fees,
    /// Interest owed to customers.
    Interest,
    /// Money on its way back to a customer.
    RefundsDue(CustomerId),
    /// What a customer owes after a settlement.
    ClawbackDue(CustomerId),
    /// Money paid ahead by a funder.
    Advances,
    /// Balances from before kibble.
    Opening,
    /// Goodwill and write-offs.
    Goodwill,
}

impl Account {
    /// The account in columns and files; the customer stands in a column of its own.
    pub fn code(&self) -> String {
        match self {
            Account::RailClearing(rail) => format!("rail:{rail}"),
            Account::Sales(category) => format!("sales:{category}"),
            Account::Bank => "bank".into(),
            Account::Cash => "cash".into(),
            Account::WalletPrincipal(_) => WALLET_PRINCIPAL.into(),
            Account::WalletBonus(_) => WALLET_BONUS.into(),
            Account::OrdersOpen => "orders_open".into(),
            Account::Compensation => "compensation".into(),
            Account::Cost => "cost".into(),
            Account::Suppliers => "suppliers".into(),
            Account::Fees => "fees".into(),
            Account::Interest => "interest".into(),
            Account::RefundsDue(_) => "refunds_due".into(),
            Account::ClawbackDue(_) => "clawback_due".into(),
            Account::Advances => "advances".into(),
            Account::Opening => "opening".into(),
            Account::Goodwill => "goodwill".into(),
        }
    }

    /// An account of the shop's own that a person may name: everything but the rails' (which bills book) and what belongs to a
    /// customer.
    pub fn own(code: &str) -> Option<Account> {
        if let Some(category) = code.strip_prefix("sales:") {
            let sound = (1..=40).contains(&category.chars().count())
                && category.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            return sound.then(|| Account::Sales(category.to_owned()));
        }
        let own = [
            Account::Bank,
            Account::Cash,
            Account::Compensation,
            Account::Cost,
            Account::Suppliers,
            Account::Fees,
            Account::Interest,
            Account::Advances,
            Account::Opening,
            Account::Goodwill,
        ];
        own.into_iter().find(|account| account.code() == code)
    }

    /// Whose account it is; `None` for the shop's own.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Account::WalletPrincipal(customer)
            | Account::WalletBonus(customer)
            | Account::RefundsDue(customer)
            | Account::ClawbackDue(customer) => Some(*customer),
            _ => None,
        }
    }
}

/// Code of the wallet's principal account.
pub const WALLET_PRINCIPAL: &str = "wallet:principal";
/// Code of the wallet's bonus account.
pub const WALLET_BONUS: &str = "wallet:bonus";

words! {
    /// What an entry is about. With its reference it is unique, so that nothing is booked twice.
    EntryKind {
        /// A paid charge; the reference is the charge.
        Charge = "charge",
        /// A refund noted; the reference is the refund.
        RefundDue = "refund_due",
        /// A refund paid; the reference is the refund.
        RefundPaid = "refund_paid",
        /// An order paid; the reference is the order.
        Order = "order",
        /// Lines of an order delivered; the reference is order and line.
        Delivery = "delivery",
        /// Lines cancelled before delivery; the reference is order and line.
        Cancel = "cancel",
        /// Lines returned after delivery; the reference is order, line and count.
        Return = "return",
        /// Goods sent again at the shop's cost; the reference is the order.
        Resend = "resend",
        /// Settlement of a terminated agreement; the reference is the statement.
        Settlement = "settlement",
        /// A balance from before kibble; the reference is the agreement.
        Opening = "opening",
        /// A correction by hand; the reference is the corrected entry.
        Correction = "correction",
        /// The lines of a bill on one day: fees, and what is left; the reference is the bill and the day.
        Bill = "bill",
        /// A decision about a difference with a bill; the reference is the line, the charge or the refund that it is about.
        Recon = "recon",
    }
}

/// One side of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Where.
    pub account: Account,
    /// How much; positive debits, negative credits.
    pub amount: Money,
}

/// An entry to be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub kind: EntryKind,
    /// The record it is about, unique within its kind.
    pub reference: String,
    /// Whose movement it is, for looking up.
    pub customer: Option<CustomerId>,
    /// For people.
    pub note: String,
    /// At least two, summing to zero; zero postings are left out.
    pub postings: Vec<Posting>,
}

impl Entry {
    /// An entry without postings yet.
    pub fn new(kind: EntryKind, reference: impl ToString) -> Entry {
        Entry { kind, reference: reference.to_string(), customer: None, note: String::new(), postings: Vec::new() }
    }

    /// Names the customer.
    #[must_use]
    pub fn of(mut self, customer: CustomerId) -> Entry {
        self.customer = Some(customer);
        self
    }

    /// Adds a remark for people.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Entry {
        self.note = note.into();
        self
    }

    /// Debits `account`. Zero is left out.
    #[must_use]
    pub fn debit(mut self, account: Account, amount: Money) -> Entry {
        if !amount.is_zero() {
            self.postings.push(Posting { account, amount });
        }
        self
    }

    /// Credits `account`. Zero is left out.
    #[must_use]
    pub fn credit(self, account: Account, amount: Money) -> Entry {
        self.debit(account, -amount)
    }

    /// True when the postings sum to zero.
    pub fn balances(&self) -> bool {
        self.postings.iter().map(|posting| posting.amount).sum::<Money>().is_zero()
    }
}
