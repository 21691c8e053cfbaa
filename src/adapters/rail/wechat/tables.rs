//! What WeChat Pay's words mean in ours: one table per call (payment facts 2.3–2.7). Owns no protocol. A word that stands in no table is
//! never guessed at: on a call that moves money it is "unknown".

use crate::domain::rail::Reason;

/// What a refusal means for the number it was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody can say; the same number is asked about later. Also where nothing was done and the same call may be made again.
    Unknown,
    /// The number was seen before: only a query can tell what became of it.
    Seen,
    /// Refused for that reason, unless the number is one that was seen before with another content.
    Unless(Reason),
    /// Refused for that reason; the number is dead or was never alive.
    Refused(Reason),
    /// What was wanted is so already.
    Fine,
    /// The thing asked about does not exist.
    Absent,
}

/// A word and its meaning.
pub(super) type Table = [(&'static str, Verdict)];

/// `/pay/pappayapply` (2.4, first table).
pub(super) const APPLY: &Table = &[
    ("SYSTEMERROR", Verdict::Unknown),
    ("ORDER_ACCEPTED", Verdict::Seen),
    ("ORDERPAID", Verdict::Seen),
    // After a failed debit WeChat Pay closes the order itself: its number is dead.
    ("ORDERCLOSED", Verdict::Seen),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
    ("RULELIMIT", Verdict::Refused(Reason::RiskRefused)),
    // No notice, window over, outside the hours, another debit in flight; but also a changed repeat.
    ("INVALID_REQUEST", Verdict::Unless(Reason::OutsidePlan)),
    ("CONTRACT_NOT_EXIST", Verdict::Refused(Reason::MandateGone)),
    ("CONTRACTERROR", Verdict::Refused(Reason::MandateGone)),
];

/// Why an accepted debit failed: in the notice, and in a query where it says so (2.4).
pub(super) const FAILED: &[(&str, Reason)] = &[
    ("NOTENOUGH", Reason::NoFunds),
    ("BANKERROR", Reason::Other),
    ("ACCOUNTERROR", Reason::Other),
    ("TRADE_ERROR", Reason::Other),
    ("RULELIMIT", Reason::RiskRefused),
    ("USER_ACCOUNT_ABNORMAL", Reason::CustomerBlocked),
    ("USER_NOT_EXIST", Reason::CustomerBlocked),
    ("CONTRACT_NOT_EXIST", Reason::MandateGone),
];

/// What `trade_state_desc` says in Chinese where the code does not tell why a debit failed. Both reasons are tried again, so a
/// slip here costs nothing but a better word for the owner.
pub(super) const FAILED_TEXT: &[(&str, Reason)] =
    &[("余额不足", Reason::NoFunds), ("限额", Reason::Limit), ("上限", Reason::Limit)];

/// The state of an order (2.4, queries).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderState {
    /// The money moved, whatever went back since.
    Paid,
    /// It did not and will not.
    Failed,
    /// Not decided.
    Pending,
}

/// `trade_state` of `/pay/orderquery` and `/pay/paporderquery`.
pub(super) const ORDER_STATES: &[(&str, OrderState)] = &[
    ("SUCCESS", OrderState::Paid),
    ("REFUND", OrderState::Paid),
    ("PAY_FAIL", OrderState::Failed),
    ("PAYERROR", OrderState::Failed),
    ("CLOSED", OrderState::Failed),
    ("REVOKED", OrderState::Failed),
    ("ACCEPT", OrderState::Pending),
    ("NOTPAY", OrderState::Pending),
    ("USERPAYING", OrderState::Pending),
];

/// `/pay/orderquery` and `/pay/paporderquery`.
pub(super) const QUERY: &Table =
    &[("ORDERNOTEXIST", Verdict::Absent), ("SYSTEMERROR", Verdict::Unknown), ("FREQUENCY_LIMITED", Verdict::Unknown)];

/// `/pay/closeorder`.
pub(super) const CLOSE: &Table = &[
    ("ORDERPAID", Verdict::Seen),
    ("ORDERCLOSED", Verdict::Fine),
    ("ORDERNOTEXIST", Verdict::Absent),
    ("SYSTEMERROR", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
];

/// `/pay/unifiedorder` for a link.
pub(super) const LINK: &Table = &[
    ("SYSTEMERROR", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
    ("ORDERPAID", Verdict::Refused(Reason::Other)),
    ("ORDERCLOSED", Verdict::Refused(Reason::Other)),
    ("OUT_TRADE_NO_USED", Verdict::Refused(Reason::OurConfiguration)),
    ("INVALID_REQUEST", Verdict::Refused(Reason::OurConfiguration)),
];

/// `/papay/querycontract`. `-25` was seen by others for a number that nobody ever signed.
pub(super) const CONTRACT_QUERY: &Table = &[
    ("RESULT_NULL", Verdict::Absent),
    ("CONTRACT_NOT_EXIST", Verdict::Absent),
    ("SYSTEMERROR", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
];

/// `/papay/deletecontract`.
pub(super) const CONTRACT_DELETE: &Table = &[
    ("CONTRACT_NOT_EXIST", Verdict::Absent),
    ("RESULT_NULL", Verdict::Absent),
    ("SYSTEMERROR", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
    ("PARAMETER FAIL", Verdict::Refused(Reason::OurConfiguration)),
    ("MERCHANT PERMISSION ERROR", Verdict::Refused(Reason::OurConfiguration)),
];

/// `contract_termination_mode`: by whom a contract was ended, in the words of `MandateState::Ended`.
pub(super) const ENDED_BY: &[(&str, &str)] = &[
    ("1", "expiry"),
    ("2", "customer"),
    ("3", "merchant"),
    ("4", "merchant"),
    // The customer closed the WeChat account, or had customer service end the contract.
    ("5", "customer"),
    ("7", "customer"),
];

/// `/v3/papay/contracts/{id}/notify` (2.5).
pub(super) const NOTIFY: &Table = &[
    ("RESOURCE_ALREADY_EXISTS", Verdict::Fine),
    ("INVALID_REQUEST", Verdict::Refused(Reason::OutsidePlan)),
    ("CONTRACT_NOT_EXIST", Verdict::Refused(Reason::MandateGone)),
    ("RULELIMIT", Verdict::Refused(Reason::RiskRefused)),
    ("SYSTEM_ERROR", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
    ("RATELIMIT_EXCEEDED", Verdict::Unknown),
];

/// `/secapi/pay/refund` (2.7). What may be repeated is repeated under the same number, so it stays unknown.
pub(super) const REFUND_V2: &Table = &[
    ("SYSTEMERROR", Verdict::Unknown),
    ("BIZERR_NEED_RETRY", Verdict::Unknown),
    ("NOTENOUGH", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
    ("TRADE_OVERDUE", Verdict::Refused(Reason::Other)),
    ("INVALID_TRANSACTIONID", Verdict::Refused(Reason::Other)),
    // The sums do not fit: more than is left, or the number was used for another sum.
    ("REFUND_FEE_MISMATCH", Verdict::Unless(Reason::Other)),
    ("INVALID_REQUEST", Verdict::Unless(Reason::Other)),
    ("USER_ACCOUNT_ABNORMAL", Verdict::Refused(Reason::CustomerBlocked)),
    ("TRADE_STATE_ERROR", Verdict::Unless(Reason::Other)),
    ("ORDERNOTEXIST", Verdict::Refused(Reason::Other)),
    // Mends itself with the right certificate, under the same number.
    ("CERT_ERROR", Verdict::Unknown),
];

/// `/pay/refundquery` (2.7).
pub(super) const REFUND_QUERY_V2: &Table =
    &[("REFUNDNOTEXIST", Verdict::Absent), ("ORDERNOTEXIST", Verdict::Absent), ("SYSTEMERROR", Verdict::Unknown)];

/// `/v3/refund/domestic/refunds` (2.7).
pub(super) const REFUND_V3: &Table = &[
    ("SYSTEM_ERROR", Verdict::Unknown),
    ("FREQUENCY_LIMITED", Verdict::Unknown),
    ("RATELIMIT_EXCEEDED", Verdict::Unknown),
    ("NOT_ENOUGH", Verdict::Unknown),
    ("INVALID_REQUEST", Verdict::Unless(Reason::Other)),
    ("PARAM_ERROR", Verdict::Unless(Reason::OurConfiguration)),
    ("USER_ACCOUNT_ABNORMAL", Verdict::Refused(Reason::CustomerBlocked)),
    ("RESOURCE_NOT_EXISTS", Verdict::Refused(Reason::Other)),
];

/// `GET /v3/refund/domestic/refunds/{no}` (2.7).
pub(super) const REFUND_QUERY_V3: &Table =
    &[("RESOURCE_NOT_EXISTS", Verdict::Absent), ("SYSTEM_ERROR", Verdict::Unknown)];

/// The state of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefundState {
    /// The money went back.
    Paid,
    /// On its way.
    Pending,
    /// It did not and will not.
    Closed,
    /// The bank sent it back to the merchant: somebody must hand it over in the merchant platform, under this number.
    Stuck,
}

/// `status` of v3 and `refund_status_0` of v2.
pub(super) const REFUND_STATES: &[(&str, RefundState)] = &[
    ("SUCCESS", RefundState::Paid),
    ("PROCESSING", RefundState::Pending),
    ("CLOSED", RefundState::Closed),
    ("REFUNDCLOSE", RefundState::Closed),
    ("ABNORMAL", RefundState::Stuck),
    ("CHANGE", RefundState::Stuck),
];

/// Bills, v2 by what `return_msg` says and v3 by `code`: whether there is none at all. Compared without case and blanks.
pub(super) const NO_BILL: &[&str] = &["nobillexist", "no_statement_exist"];

/// Bills that are not ready yet.
pub(super) const BILL_LATER: &[&str] = &["billcreating", "statement_creating"];

/// Words of either protocol that say that our settings, keys or permissions are wrong: the whole rail stops until somebody looks.
const OURS: &[&str] = &[
    "PARAM_ERROR",
    "SIGNERROR",
    "SIGN_ERROR",
    "NOAUTH",
    "NO_AUTH",
    "APPID_NOT_EXIST",
    "MCHID_NOT_EXIST",
    "APPID_MCHID_NOT_MATCH",
    "MCH_NOT_EXISTS",
    "LACK_PARAMS",
    "NOT_UTF8",
    "XML_FORMAT_ERROR",
    "POST_DATA_EMPTY",
    "REQUIRE_POST_METHOD",
];

/// The meaning of `code` after a call whose words are `table`; `None` for a word that nobody has told us.
pub(super) fn verdict(table: &Table, code: &str) -> Option<Verdict> {
    find(table, code).or_else(|| is_ours(code).then_some(Verdict::Refused(Reason::OurConfiguration)))
}

/// Whether `code` speaks of our settings.
pub(super) fn is_ours(code: &str) -> bool {
    OURS.contains(&code)
}

/// What stands beside `word`.
pub(super) fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}

/// Why a debit failed, by code, else by what the text says.
pub(super) fn why_failed(code: &str, text: &str) -> Reason {
    let by_text = || FAILED_TEXT.iter().find(|(part, _)| text.contains(part)).map(|(_, reason)| *reason);
    find(FAILED, code).or_else(by_text).unwrap_or(Reason::Other)
}

#[cfg(test)]
mod tests {
    use super::{APPLY, ORDER_STATES, OrderState, Verdict, find, verdict, why_failed};
    use crate::domain::rail::Reason;

    #[test]
    fn words_of_the_debit_mean_what_the_sheet_says() {
        for (code, meaning) in [
            ("SYSTEMERROR", Some(Verdict::Unknown)),
            ("FREQUENCY_LIMITED", Some(Verdict::Unknown)),
            ("ORDER_ACCEPTED", Some(Verdict::Seen)),
            ("ORDERPAID", Some(Verdict::Seen)),
            ("RULELIMIT", Some(Verdict::Refused(Reason::RiskRefused))),
            ("INVALID_REQUEST", Some(Verdict::Unless(Reason::OutsidePlan))),
            ("CONTRACT_NOT_EXIST", Some(Verdict::Refused(Reason::MandateGone))),
            ("CONTRACTERROR", Some(Verdict::Refused(Reason::MandateGone))),
            ("PARAM_ERROR", Some(Verdict::Refused(Reason::OurConfiguration))),
            ("SIGNERROR", Some(Verdict::Refused(Reason::OurConfiguration))),
            ("NOAUTH", Some(Verdict::Refused(Reason::OurConfiguration))),
            ("SOMETHING_NEW", None),
            ("", None),
        ] {
            assert_eq!(verdict(APPLY, code), meaning, "{code}");
        }
    }

    #[test]
    fn a_failed_debit_says_why() {
        for (code, text, reason) in [
            ("NOTENOUGH", "", Reason::NoFunds),
            ("BANKERROR", "", Reason::Other),
            ("RULELIMIT", "", Reason::RiskRefused),
            ("USER_NOT_EXIST", "", Reason::CustomerBlocked),
            ("CONTRACT_NOT_EXIST", "", Reason::MandateGone),
            ("", "订单支付失败：余额不足", Reason::NoFunds),
            ("", "用户账户支付已达上限", Reason::Limit),
            ("", "支付失败", Reason::Other),
        ] {
            assert_eq!(why_failed(code, text), reason, "{code} {text}");
        }
    }

    #[test]
    fn a_state_nobody_told_us_of_is_none() {
        assert_eq!(find(ORDER_STATES, "REFUND"), Some(OrderState::Paid));
        assert_eq!(find(ORDER_STATES, "ACCEPT"), Some(OrderState::Pending));
        assert_eq!(find(ORDER_STATES, "SETTLING"), None);
    }
}
