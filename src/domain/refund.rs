//! Money going back: states of a refund.

use crate::domain::agreement::words;

words! {
    /// The life of a refund, like that of a charge.
    RefundState {
        /// On disk; the rail may or may not have heard of it.
        Noted = "noted",
        /// Accepted; the outcome comes later.
        Pending = "pending",
        /// Nobody can say; asked again with the same number.
        Unknown = "unknown",
        /// The money went back.
        Paid = "paid",
        /// It definitely did not; a person decides.
        Declined = "declined",
    }
}
