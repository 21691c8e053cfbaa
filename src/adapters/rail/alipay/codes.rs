//! Alipay's words: what each code and each `sub_code` means in kibble's, as tables (payment facts 1.2, 1.6, 1.7, 1.8). Whatever
//! is not listed means nothing here, and the caller treats it as unknown.

use crate::domain::rail::Reason;

/// What a verified refusal of a debit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Definitely not paid under this order number.
    Declined(Reason),
    /// The number was paid before: a query says whether it was ours.
    PaidBefore,
    /// The number is used up or was sent with other content: a query says what became of it.
    UsedUp,
    /// Nobody can say: ask with the same number.
    Unknown,
}

/// What a refusal of a refund means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundRefusal {
    /// It will never go back this way.
    Declined(Reason),
    /// Not now: the same number is sent again later, and somebody is told meanwhile.
    Later,
    /// Nobody can say.
    Unknown,
}

/// The outer code of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 10000: the call succeeded; its fields decide.
    Succeeded,
    /// 40004: refused; the sub code decides.
    Business,
    /// 40001, 40002, 40003, 40006, 20001: our keys, parameters or permissions.
    Configuration,
    /// 40005: too many calls; nothing happened.
    TooMany,
    /// 10003, 20000 and everything else.
    Unclear,
}

/// Reads the outer code.
pub fn code(code: &str) -> Code {
    match code {
        "10000" => Code::Succeeded,
        "40004" => Code::Business,
        "40001" | "40002" | "40003" | "40006" | "20001" => Code::Configuration,
        "40005" => Code::TooMany,
        _ => Code::Unclear,
    }
}

/// The table of payment facts 1.7, in its order.
const DECLINES: [(Reason, &[&str]); 10] = [
    (
        Reason::NoFunds,
        &[
            "BUYER_BALANCE_NOT_ENOUGH",
            "BUYER_BANKCARD_BALANCE_NOT_ENOUGH",
            "NO_PAYMENT_INSTRUMENTS_AVAILABLE",
            "ERROR_BALANCE_PAYMENT_DISABLE",
        ],
    ),
    (Reason::Limit, &["BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR"]),
    (
        Reason::Other,
        &["PAYMENT_FAIL", "NOT_SUPPORT_PAYMENT_INST", "MOBILE_PAYMENT_SWITCH_OFF", "PULL_MOBILE_CASHIER_FAIL"],
    ),
    (
        Reason::Limit,
        &[
            "OVER_MERCHANT_DAILY_DEDUCT_AMOUNT",
            "OVER_MAX_UNDER_WAY_DEDUCT_COUNT",
            "BEYOND_PER_RECEIPT_DAY_RESTRICTION",
            "MERCHANT_PERM_RECEIPT_DAY_LIMIT",
        ],
    ),
    (Reason::RiskRefused, &["PAYMENT_REQUEST_HAS_RISK"]),
    (
        Reason::OutsidePlan,
        &[
            "CYCLE_PAY_DATE_NOT_MATCH",
            "OVER_DEDUCT_PERIOD",
            "CYCLE_PAY_SINGLE_FEE_EXCEED",
            "CYCLE_PAY_TOTAL_FEE_EXCEED",
            "CYCLE_PAY_TOTAL_TIMES_EXCEED",
            "OVER_MAX_DEDUCT_COUNT",
            "REQUEST_AMOUNT_EXCEED",
            "PRODUCT_AMOUNT_LIMIT_ERROR",
        ],
    ),
    (
        Reason::MandateGone,
        &["AGREEMENT_NOT_EXIST", "AGREEMENT_INVALID", "AGREEMENT_STATUS_NOT_NORMAL", "AGREEMENT_ERROR"],
    ),
    (
        Reason::CustomerBlocked,
        &[
            "BUYER_NOT_EXIST",
            "BUYER_ENABLE_STATUS_FORBID",
            "TRADE_BUYER_NOT_MATCH",
            "PAYER_UNMATCHED",
            "NOT_CERTIFIED_USER",
            "ERROR_BUYER_CERTIFY_LEVEL_LIMIT",
            "BUYER_NOT_MAINLAND_CERT",
            "CERT_EXPIRED",
            "CARD_USER_NOT_MATCH",
            "CARD_TYPE_ERROR",
            "BUYER_SELLER_EQUAL",
            "USER_LOGONID_DUP",
            // Of payments in a shop, but about the customer: it must not stop everybody's debits.
            "USER_FACE_PAYMENT_SWITCH_OFF",
        ],
    ),
    (
        Reason::OurConfiguration,
        &[
            "ACCESS_FORBIDDEN",
            "PARTNER_ERROR",
            "INVALID_PARAMETER",
            "MERCHANT_AGREEMENT_NOT_EXIST",
            "MERCHANT_AGREEMENT_INVALID",
            "MERCHANT_STATUS_NOT_NORMAL",
            "SELLER_BEEN_BLOCKED",
            "SELLER_NOT_EXIST",
            "RESTRICTED_MERCHANT_INDUSTRY",
            "BEYOND_PAY_RESTRICTION",
            "BEYOND_PER_RECEIPT_RESTRICTION",
            "BEYOND_PER_RECEIPT_SINGLE_RESTRICTION",
            "MERCHANT_PERM_RECEIPT_SINGLE_LIMIT",
            "MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT",
            "TOTAL_FEE_EXCEED",
            "EXIST_FORBIDDEN_WORD",
            "AMOUNT_OR_CURRENCY_ERROR",
            "CURRENCY_NOT_SUPPORT",
            "RISK_MERCHANT_IP_NOT_EXIST",
            "INVALID_STORE_ID",
            "NOW_TIME_AFTER_EXPIRE_TIME_ERROR",
            "UN_SUPPORT_TRADE_SCENE",
        ],
    ),
    // Codes of products that kibble does not use: whoever meets one has the wrong product in the account's settings.
    (
        Reason::OurConfiguration,
        &[
            "ZM_CREDIT_AUTH_FAIL",
            "PAYMENT_AUTH_CODE_INVALID",
            "TRADE_SETTLE_ERROR",
            "SUB_GOODS_SIZE_MAX_COUNT",
            "PLATFORM_BUSINESS_ACQUIRE_MODE_MUST_MERCHANT_ID",
            "INVALID_RECEIVE_ACCOUNT",
        ],
    ),
];

/// Families of [`DECLINES`] that are ours to put right: by how the code begins.
const CONFIGURATION_BEGINS: [&str; 7] =
    ["SECONDARY_MERCHANT_", "SUB_MERCHANT_", "AUTH_", "ZM_AUTH_", "SMILE_PAY_", "PRE_AUTH_", "ROYALTY_"];
/// And by how it ends.
const CONFIGURATION_END: &str = "_UNSUPPORT_ADVANCE";

/// What a refusal of `alipay.trade.pay` means.
pub fn pay(sub_code: &str) -> Refusal {
    let bare = bare(sub_code);
    match bare {
        "TRADE_HAS_SUCCESS" => return Refusal::PaidBefore,
        "TRADE_HAS_CLOSE" | "CONTEXT_INCONSISTENT" | "TRADE_STATUS_ERROR" => return Refusal::UsedUp,
        "SYSTEM_ERROR" => return Refusal::Unknown,
        _ => {}
    }
    if let Some((reason, _)) = DECLINES.iter().find(|(_, codes)| codes.contains(&bare)) {
        return Refusal::Declined(*reason);
    }
    if CONFIGURATION_BEGINS.iter().any(|begin| bare.starts_with(begin)) || bare.ends_with(CONFIGURATION_END) {
        return Refusal::Declined(Reason::OurConfiguration);
    }
    Refusal::Unknown
}

/// What a refusal of `alipay.trade.refund` means.
pub fn refund(sub_code: &str) -> RefundRefusal {
    match bare(sub_code) {
        "SELLER_BALANCE_NOT_ENOUGH" | "REASON_TRADE_BEEN_FREEZEN" => RefundRefusal::Later,
        "REFUND_AMT_NOT_EQUAL_TOTAL"
        | "REASON_TRADE_REFUND_FEE_ERR"
        | "REFUND_FEE_ERROR"
        | "TRADE_NOT_EXIST"
        | "TRADE_STATUS_ERROR"
        | "REASON_TRADE_STATUS_INVALID"
        | "TRADE_HAS_FINISHED"
        | "TRADE_HAS_CLOSE"
        | "TRADE_NOT_ALLOW_REFUND"
        | "NOT_ALLOW_PARTIAL_REFUND" => RefundRefusal::Declined(Reason::Other),
        "BUYER_NOT_EXIST" | "BUYER_ENABLE_STATUS_FORBID" | "BUYER_ERROR" | "USER_NOT_MATCH_ERR" => {
            RefundRefusal::Declined(Reason::CustomerBlocked)
        }
        "INVALID_PARAMETER" | "CURRENCY_NOT_SUPPORT" => RefundRefusal::Declined(Reason::OurConfiguration),
        // DISCORDANT_REPEAT_REQUEST says that the number went out with another amount: no conclusion may be drawn from it.
        _ => RefundRefusal::Unknown,
    }
}

/// Whether a refusal is about the dates of the plan: outside the window, or collected in this period already.
pub fn is_date(sub_code: &str) -> bool {
    matches!(bare(sub_code), "CYCLE_PAY_DATE_NOT_MATCH" | "OVER_DEDUCT_PERIOD")
}

/// Whether the provider says that it knows no such order.
pub fn is_no_trade(sub_code: &str) -> bool {
    bare(sub_code) == "TRADE_NOT_EXIST"
}

/// Whether a close came too late or too early: a query says which.
pub fn is_other_state(sub_code: &str) -> bool {
    matches!(
        bare(sub_code),
        "TRADE_STATUS_ERROR"
            | "REASON_TRADE_STATUS_INVALID"
            | "REASON_ILLEGAL_STATUS"
            | "TRADE_HAS_CLOSE"
            | "TRADE_HAS_SUCCESS"
    )
}

/// Whether the provider knows no agreement: also while the customer has not agreed yet.
pub fn is_no_agreement(sub_code: &str) -> bool {
    matches!(bare(sub_code), "USER_AGREEMENT_NOT_EXIST" | "AGREEMENT_NOT_EXIST" | "AGREEMENT_NOT_EXSIT")
}

/// Whether an agreement was ended before.
pub fn is_unsigned(sub_code: &str) -> bool {
    bare(sub_code) == "AGREEMENT_HAS_UNSIGNED"
}

/// Whether ending an agreement says that it is gone already; a query confirms it.
pub fn is_gone_already(sub_code: &str) -> bool {
    is_no_agreement(sub_code)
        || is_unsigned(sub_code)
        || matches!(bare(sub_code), "USER_AGREEMENT_STATUS_NOT_NORMAL" | "USER_AGREEMENT_STATUS_IS_NOT_NORMAL")
}

/// What a refusal of a call about an agreement means.
pub fn agreement(sub_code: &str) -> Reason {
    match bare(sub_code) {
        "ILLEGAL_EXECUTION_TIME" => Reason::OutsidePlan,
        "ILLEGAL_AGREEMENT" => Reason::MandateGone,
        "USER_NOT_EXIST_ERROR" | "USER_NOT_EXSIT_ERROR" | "LOGONID_IS_REPEATED" => Reason::CustomerBlocked,
        "AUTHOREE_IS_NOT_MATCH"
        | "PRODUCT_CODE_NOT_SUPPORTED_ERROR"
        | "PARENT_MERCHANT_QUERY_FAIL"
        | "MERCHANT_STATUS_IS_NOT_NORMAL"
        | "MERCHANT_AGREEMENT_IS_NOT_EXIST"
        | "INVALID_PARAMETER"
        | "ILLEGAL_PARAMS" => Reason::OurConfiguration,
        other if is_gone_already(other) => Reason::MandateGone,
        _ => Reason::Other,
    }
}

/// Whether the refusal only says that the provider is in trouble: asking again later is right.
pub fn is_passing(sub_code: &str) -> bool {
    let bare = bare(sub_code);
    bare == "SYSTEM_ERROR"
        || bare == "UNKNOWN_ERROR"
        || bare.ends_with("UNKNOW-ERROR")
        || bare.ends_with("unknow-error")
}

/// Whether a bill is simply not there (yet), spelled in any of the ways that were seen.
pub fn is_no_bill(sub_code: &str) -> bool {
    let upper = sub_code.to_ascii_uppercase();
    upper.contains("BILL_NOT_EXIST") || upper.contains("NO_BILL_DATA")
}

/// The code without its prefix: `ACQ.`, or `AQC.` as it is misspelt now and then.
fn bare(sub_code: &str) -> &str {
    sub_code.strip_prefix("ACQ.").or_else(|| sub_code.strip_prefix("AQC.")).unwrap_or(sub_code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Code, DECLINES, Reason, RefundRefusal, Refusal, code, is_no_bill, pay, refund};

    #[test]
    fn every_listed_code_means_one_thing_with_and_without_its_prefix() {
        let mut seen = BTreeSet::new();
        for (reason, codes) in DECLINES {
            for word in codes {
                assert!(seen.insert(*word), "{word} is listed twice");
                for prefix in ["", "ACQ.", "AQC."] {
                    assert_eq!(pay(&format!("{prefix}{word}")), Refusal::Declined(reason), "{prefix}{word}");
                }
            }
        }
    }

    #[test]
    fn families_are_known_by_their_ends() {
        for word in [
            "SECONDARY_MERCHANT_STATUS_ERROR",
            "ACQ.SUB_MERCHANT_TYPE_INVALID",
            "AUTH_AMOUNT_NOT_ENOUGH",
            "ACQ.ZM_AUTH_NOT_EXIST",
            "ACQ.SMILE_PAY_MERCHANT_NOT_MATCH",
            "ACQ.PRE_AUTH_PROD_CODE_INCORRECT",
            "ACQ.ROYALTY_ACCOUNT_ERROR",
            "ACQ.PROMO_UNSUPPORT_ADVANCE",
        ] {
            assert_eq!(pay(word), Refusal::Declined(Reason::OurConfiguration), "{word}");
        }
    }

    #[test]
    fn what_is_not_listed_is_never_a_decline() {
        for word in [
            "",
            "ACQ.",
            "ACQ.SYSTEM_ERROR",
            "SYSTEM_ERROR",
            "ACQ.NEVER_SEEN",
            "aop.ACQ.SYSTEM_ERROR",
            "buyer_balance_not_enough",
        ] {
            assert_eq!(pay(word), Refusal::Unknown, "{word}");
            assert_eq!(refund(word), RefundRefusal::Unknown, "{word}");
        }
        assert_eq!(pay("ACQ.TRADE_HAS_SUCCESS"), Refusal::PaidBefore);
        for word in ["TRADE_HAS_CLOSE", "ACQ.CONTEXT_INCONSISTENT", "AQC.TRADE_STATUS_ERROR"] {
            assert_eq!(pay(word), Refusal::UsedUp, "{word}");
        }
        assert_eq!(refund("ACQ.DISCORDANT_REPEAT_REQUEST"), RefundRefusal::Unknown);
        assert_eq!(refund("ACQ.SELLER_BALANCE_NOT_ENOUGH"), RefundRefusal::Later);
    }

    #[test]
    fn outer_codes() {
        for (word, meaning) in [
            ("10000", Code::Succeeded),
            ("10003", Code::Unclear),
            ("20000", Code::Unclear),
            ("20001", Code::Configuration),
            ("40001", Code::Configuration),
            ("40002", Code::Configuration),
            ("40003", Code::Configuration),
            ("40004", Code::Business),
            ("40005", Code::TooMany),
            ("40006", Code::Configuration),
            ("", Code::Unclear),
        ] {
            assert_eq!(code(word), meaning, "{word}");
        }
        for word in ["BILL_NOT_EXIST", "isp.bill_not_exist", "NO_BILL_DATA"] {
            assert!(is_no_bill(word), "{word}");
        }
        assert!(!is_no_bill("invalid_arguments"));
    }
}
