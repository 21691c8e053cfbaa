//! The customer's permission to debit, on one rail, for one agreement: states and the numbers it carries at the rail.

use chrono::NaiveDate;
use serde::Serialize;

use crate::domain::agreement::words;
use crate::domain::date::At;
use crate::domain::id::{AgreementId, MandateId};

words! {
    /// The life of a mandate.
    MandateStatus {
        /// The customer has not agreed yet.
        Waiting = "waiting",
        /// Live.
        Live = "live",
        /// To be closed; the rail has not confirmed yet. Nothing is charged under it.
        Closing = "closing",
        /// Closed by us and confirmed by the rail.
        Closed = "closed",
        /// Ended by the customer or the provider.
        Revoked = "revoked",
        /// Ran out.
        Expired = "expired",
    }
}

/// A mandate as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mandate {
    /// Its id.
    pub id: MandateId,
    /// For which agreement.
    pub agreement: AgreementId,
    /// 1 for the first choice, 2 for the fallback.
    pub lane: u32,
    /// On which rail.
    pub rail: String,
    /// Our number of it.
    pub contract_no: String,
    /// The provider's number of it.
    pub provider_no: Option<String>,
    /// Where it stands.
    pub state: MandateStatus,
    /// Last day.
    pub valid_until: NaiveDate,
    /// When it was asked for.
    pub created_at: At,
    /// When the customer agreed.
    pub signed_at: Option<At>,
    /// When it ended.
    pub ended_at: Option<At>,
    /// Why it ended.
    pub end_cause: Option<String>,
}
