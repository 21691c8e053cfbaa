//! Channels that carry messages to people. A channel takes finished texts; which message goes out when is not its business.

pub mod exec;
pub mod print;

use serde::Serialize;

/// A finished message.
#[derive(Clone, Debug, Serialize)]
pub struct Parcel {
    /// Our number of it, `n-9`; the same number is the same message.
    pub id: String,
    /// Which text it is, `pre_debit_48h`.
    pub template: String,
    /// `customer` or `merchant`.
    pub audience: String,
    /// Phone number of the customer, or of the shop.
    pub phone: String,
    /// `zh` or `en`.
    pub lang: String,
    /// The text.
    pub text: String,
}

/// What the channel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It took the message.
    Sent {
        /// The channel's own number or words.
        said: String,
    },
    /// It cannot be reached now; trying again later is safe.
    Later {
        /// What happened.
        said: String,
    },
    /// It refused this message for good.
    Refused {
        /// Why.
        said: String,
    },
    /// Nobody can say whether it took it.
    Unknown {
        /// What happened.
        said: String,
    },
}

/// A channel.
pub trait Notify: Send + Sync {
    /// The name under which `shop.toml` knows it.
    fn name(&self) -> &str;

    /// Hands over messages; one receipt for each, in order.
    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt>;

    /// After a crash: which of these messages the channel has, in order. `None` when it cannot tell.
    fn took(&self, parcels: &[Parcel]) -> Option<Vec<bool>> {
        let _ = parcels;
        None
    }
}
