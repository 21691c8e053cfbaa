//! The provider's words: codes as Alipay and WeChat Pay use them (payment facts 1.7, 1.8, 2.4, 2.7), beside kibble's reasons.

use super::rules::Refusal;
use crate::domain::bill::Dialect;
use crate::domain::rail::Reason;
use crate::t;

/// Codes that are not refusals of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It worked.
    Fine,
    /// Accepted, not decided.
    Accepted,
    /// The order number is dead.
    DeadNumber,
    /// The debit waits for its decision and cannot be closed.
    Undecided,
    /// The order is closed.
    Closed,
    /// Same number, other content.
    Inconsistent,
    /// Order unknown.
    NoOrder,
    /// Refund unknown.
    NoRefund,
    /// Paid already.
    Paid,
    /// More refunded than paid.
    RefundTooMuch,
    /// What was paid is not what the refund says.
    RefundMismatch,
    /// The order was not paid, so nothing can go back.
    NotPaid,
    /// A contract with this number exists.
    ContractExists,
    /// The date cannot be registered.
    BadDate,
    /// Other values than the notice that stands.
    OtherNotice,
    /// Outside the hours for notices.
    NoticeHours,
    /// The bill is not ready.
    BillNotReady,
    /// There is no bill, because nothing happened.
    NoBill,
}

/// What the sandbox does and says in a provider's dialect. Alipay keeps a planned date per contract and moves it on after a success, and
/// writes bills in GBK; WeChat Pay keeps none, counts one success per period, and writes bills in UTF-8 with back-quotes.
impl Dialect {
    /// Whether the provider keeps a planned date per contract, which `postpone` moves.
    pub(super) const fn keeps_date(self) -> bool {
        matches!(self, Dialect::Alipay)
    }

    /// What trade numbers begin with.
    pub(super) const fn trade_prefix(self) -> &'static str {
        match self {
            Dialect::Alipay => "20260022",
            Dialect::Wechat => "42000022",
        }
    }

    /// Reason, code and text of a refusal.
    pub(super) fn refuse(self, refusal: Refusal) -> (Reason, String, String) {
        let (alipay, wechat) = codes(refusal);
        let code = match self {
            Dialect::Alipay => format!("ACQ.{alipay}"),
            Dialect::Wechat => wechat.to_owned(),
        };
        (reason(refusal), code, text(refusal))
    }

    /// Code and text of everything else.
    pub(super) fn say(self, word: Word) -> (String, String) {
        let (alipay, wechat) = word_codes(word);
        let code = match self {
            Dialect::Alipay => alipay,
            Dialect::Wechat => wechat,
        };
        (code.to_owned(), word_text(word))
    }
}

const fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::ContractUnknown | Refusal::ContractWaiting | Refusal::ContractEnded => Reason::MandateGone,
        Refusal::BadAmount | Refusal::BadNumber => Reason::OurConfiguration,
        Refusal::OutsideHours
        | Refusal::OutsideDays
        | Refusal::PeriodUsed
        | Refusal::InFlight
        | Refusal::NoNotice
        | Refusal::NoticeOtherDays
        | Refusal::AboveNotice
        | Refusal::AboveContract
        | Refusal::AboveRail
        | Refusal::CountUsed => Reason::OutsidePlan,
        Refusal::DayCap | Refusal::MonthCap => Reason::Limit,
        Refusal::NoFunds => Reason::NoFunds,
        Refusal::Told(reason) => reason,
    }
}

/// Alipay's code without `ACQ.`, and WeChat's.
const fn codes(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::ContractUnknown => ("AGREEMENT_NOT_EXIST", "CONTRACT_NOT_EXIST"),
        Refusal::ContractWaiting => ("AGREEMENT_STATUS_NOT_NORMAL", "CONTRACT_NOT_EXIST"),
        Refusal::ContractEnded => ("AGREEMENT_INVALID", "CONTRACT_NOT_EXIST"),
        Refusal::BadAmount | Refusal::BadNumber => ("INVALID_PARAMETER", "PARAM_ERROR"),
        Refusal::OutsideHours | Refusal::OutsideDays | Refusal::PeriodUsed => {
            ("CYCLE_PAY_DATE_NOT_MATCH", "INVALID_REQUEST")
        }
        Refusal::InFlight => ("OVER_MAX_UNDER_WAY_DEDUCT_COUNT", "INVALID_REQUEST"),
        Refusal::NoNotice | Refusal::NoticeOtherDays | Refusal::AboveNotice => {
            ("CYCLE_PAY_DATE_NOT_MATCH", "INVALID_REQUEST")
        }
        Refusal::AboveContract => ("CYCLE_PAY_SINGLE_FEE_EXCEED", "INVALID_REQUEST"),
        Refusal::AboveRail => ("REQUEST_AMOUNT_EXCEED", "INVALID_REQUEST"),
        Refusal::CountUsed => ("CYCLE_PAY_TOTAL_TIMES_EXCEED", "INVALID_REQUEST"),
        Refusal::DayCap => ("BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "RULELIMIT"),
        Refusal::MonthCap => ("BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR", "RULELIMIT"),
        Refusal::NoFunds => ("BUYER_BALANCE_NOT_ENOUGH", "NOTENOUGH"),
        Refusal::Told(reason) => match reason {
            Reason::NoFunds => ("BUYER_BALANCE_NOT_ENOUGH", "NOTENOUGH"),
            Reason::Limit => ("BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "RULELIMIT"),
            Reason::MandateGone => ("AGREEMENT_NOT_EXIST", "CONTRACT_NOT_EXIST"),
            Reason::CustomerBlocked => ("BUYER_ENABLE_STATUS_FORBID", "USER_ACCOUNT_ABNORMAL"),
            Reason::RiskRefused => ("PAYMENT_REQUEST_HAS_RISK", "RULELIMIT"),
            Reason::OutsidePlan => ("CYCLE_PAY_DATE_NOT_MATCH", "INVALID_REQUEST"),
            Reason::OurConfiguration => ("ACCESS_FORBIDDEN", "NOAUTH"),
            Reason::Other => ("PAYMENT_FAIL", "TRADE_ERROR"),
        },
    }
}

fn text(refusal: Refusal) -> String {
    match refusal {
        Refusal::ContractUnknown => t!("there is no such contract"),
        Refusal::ContractWaiting => t!("the customer has not agreed to the contract yet"),
        Refusal::ContractEnded => t!("the contract has ended"),
        Refusal::BadAmount => t!("the amount must be above zero"),
        Refusal::BadNumber => t!("a number must be 1 to 32 letters and digits"),
        Refusal::OutsideHours => t!("outside the hours of the day in which debits are accepted"),
        Refusal::OutsideDays => t!("outside the days in which this debit is accepted"),
        Refusal::PeriodUsed => t!("this period has had its debit"),
        Refusal::InFlight => t!("an earlier debit of this contract is not decided yet"),
        Refusal::NoNotice => t!("the customer was given no notice of this debit"),
        Refusal::NoticeOtherDays => t!("the notice given to the customer does not cover today"),
        Refusal::AboveNotice => t!("more than the customer was told"),
        Refusal::AboveContract => t!("more than the customer agreed to for one debit"),
        Refusal::AboveRail => t!("more than can be debited at once"),
        Refusal::CountUsed => t!("all debits of this contract have been made"),
        Refusal::DayCap => t!("above the customer's limit for the day"),
        Refusal::MonthCap => t!("above the customer's limit for the month"),
        Refusal::NoFunds => t!("neither balance nor bound card could pay"),
        Refusal::Told(reason) => match reason {
            Reason::NoFunds => t!("neither balance nor bound card could pay"),
            Reason::Limit => t!("above the customer's limit for the day"),
            Reason::MandateGone => t!("there is no such contract"),
            Reason::CustomerBlocked => t!("the customer's account cannot pay"),
            Reason::RiskRefused => t!("refused by risk control"),
            Reason::OutsidePlan => t!("outside the days in which this debit is accepted"),
            Reason::OurConfiguration => t!("the merchant has no permission for this call"),
            Reason::Other => t!("the payment failed"),
        },
    }
}

const fn word_codes(word: Word) -> (&'static str, &'static str) {
    match word {
        Word::Fine => ("10000", "SUCCESS"),
        Word::Accepted => ("10003", "ACCEPT"),
        Word::DeadNumber => ("ACQ.TRADE_HAS_CLOSE", "ORDERCLOSED"),
        Word::Undecided => ("ACQ.REASON_TRADE_STATUS_INVALID", "ORDER_ACCEPTED"),
        Word::Closed => ("TRADE_CLOSED", "CLOSED"),
        Word::Inconsistent => ("ACQ.CONTEXT_INCONSISTENT", "INVALID_REQUEST"),
        Word::NoOrder => ("ACQ.TRADE_NOT_EXIST", "ORDERNOTEXIST"),
        Word::NoRefund => ("ACQ.TRADE_NOT_EXIST", "REFUNDNOTEXIST"),
        Word::Paid => ("ACQ.TRADE_HAS_SUCCESS", "ORDERPAID"),
        Word::RefundTooMuch => ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "REFUND_FEE_MISMATCH"),
        Word::RefundMismatch => ("ACQ.REFUND_FEE_ERROR", "REFUND_FEE_MISMATCH"),
        Word::NotPaid => ("ACQ.TRADE_STATUS_ERROR", "TRADE_STATE_ERROR"),
        Word::ContractExists => ("USER_AGREEMENT_STATUS_NOT_NORMAL", "CONTRACT_CODE_DUPLICATE"),
        Word::BadDate => ("ILLEGAL_EXECUTION_TIME", "PARAM_ERROR"),
        Word::OtherNotice | Word::NoticeHours => ("INVALID_PARAMETER", "INVALID_REQUEST"),
        Word::BillNotReady => ("isp.bill_not_exist", "STATEMENT_CREATING"),
        Word::NoBill => ("isp.bill_not_exist", "NO_STATEMENT_EXIST"),
    }
}

fn word_text(word: Word) -> String {
    match word {
        Word::Fine | Word::Accepted => String::new(),
        Word::DeadNumber => t!("this order number was used and can never be paid"),
        Word::Undecided => t!("the debit is not decided yet"),
        Word::Closed => t!("the order is closed"),
        Word::Inconsistent => t!("this number was sent before with another content"),
        Word::NoOrder => t!("there is no such order"),
        Word::NoRefund => t!("there is no such refund"),
        Word::Paid => t!("the order is paid already"),
        Word::RefundTooMuch => t!("more would go back than was paid"),
        Word::RefundMismatch => t!("the order was paid with another amount"),
        Word::NotPaid => t!("the order was not paid, so nothing can go back"),
        Word::ContractExists => t!("a contract with this number exists already"),
        Word::BadDate => t!("this date cannot be registered"),
        Word::OtherNotice => t!("another notice stands for this contract"),
        Word::NoticeHours => t!("outside the hours of the day in which notices are accepted"),
        Word::BillNotReady => t!("the bill of this day is not ready yet"),
        Word::NoBill => t!("there is no bill: nothing was paid or refunded on this day"),
    }
}
