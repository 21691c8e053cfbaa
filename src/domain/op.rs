//! Every change that can happen, as the audit trail speaks of it. Details carry ids, amounts, dates and states; never a name,
//! a phone, an ID number or an address.

use serde::Serialize;

use crate::domain::id::{
    AgreementId, BillId, ChargeId, CustomerId, InstallmentId, MandateId, MessageId, OrderId, PetId, RefundId, RunId,
    StatementId,
};
use crate::domain::money::Money;

/// One change. The variant is the audit row's word; the field named in [`Op::entity`] is its record; the rest is its detail.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", content = "detail", rename_all = "snake_case")]
#[expect(missing_docs, reason = "a variant's sentence names its fields")]
pub enum Op {
    /// The shop's database was made.
    ShopOpened { install_code: String },
    /// A copied or restored database became the shop's: its copy number and code, and the charges that were
    /// missing in it.
    ShopAdopted { copy_no: i64, code: String, found: Vec<ChargeId>, messages: u64 },
    /// A customer was added.
    CustomerAdded { customer: CustomerId },
    /// Somebody looked at a customer's data in full.
    Revealed { customer: CustomerId, reason: String },
    /// A pet was added.
    PetAdded { pet: PetId },
    /// A pet's record changed, for example its status.
    PetChanged { pet: PetId, status: String, reason: String },
    /// A plan is on offer, or was changed.
    PlanSaved { code: String, monthly: Money, terms: u32 },
    /// A plan is no longer on offer.
    PlanWithdrawn { code: String },
    /// Items of the catalog were added or changed.
    CatalogImported { added: u64, changed: u64 },
    /// One item was changed by hand.
    ItemChanged { sku: String, field: String, to: String },
    /// Customers, pets and agreements came from a file.
    BookImported { customers: u64, agreements: u64, refused: u64 },
    /// An agreement was signed by the shop and the customer; the mandate is still to be agreed.
    AgreementSigned { agreement: AgreementId, customer: CustomerId, pet: PetId, sha256: String },
    /// An agreement changed its state.
    AgreementChanged { agreement: AgreementId, state: String, reason: String },
    /// A credit check was answered: what it said, and whether the customer had consented to it.
    CreditChecked { agreement: AgreementId, provider: String, verdict: String, threshold: u32, consent: bool },
    /// The provider of credit checks is about to be asked under this number.
    CreditAsked { agreement: AgreementId, transaction_no: String },
    /// A person decided about a credit check that did not pass.
    CreditDecided { agreement: AgreementId, decision: String, reason: String },
    /// A mandate was asked for.
    MandateAsked { mandate: MandateId, rail: String },
    /// Mandates changed at the rail or here.
    MandatesChanged { mandates: Vec<(MandateId, String)> },
    /// Installments were created, moved or cancelled.
    InstallmentsRolled { created: u64, changed: u64 },
    /// The date of one installment was moved.
    InstallmentPostponed { installment: InstallmentId, to: String, reason: String },
    /// Notices were given: terms with their kind.
    NoticesGiven { kind: String, installments: Vec<InstallmentId> },
    /// Charges were noted before the rail hears of them, and answers of earlier ones were written.
    ChargesWritten { noted: Vec<ChargeId>, answers: Vec<(ChargeId, &'static str)> },
    /// Follow-up of failed charges: retries planned, terms failed.
    FollowedUp { installments: Vec<InstallmentId>, flags: Vec<AgreementId> },
    /// An installment was paid at the counter.
    PaidAtCounter { installment: InstallmentId, amount: Money },
    /// A refund was noted.
    RefundNoted { refund: RefundId, amount: Money, why: String },
    /// A refund was answered.
    RefundAnswered { refund: RefundId, answer: String },
    /// A risk flag was raised or cleared.
    FlagChanged { agreement: AgreementId, flag: String, reason: String },
    /// Notice of termination arrived.
    Terminated { agreement: AgreementId, cause: String, keep_pet: bool, reason: String },
    /// A settlement statement was confirmed.
    StatementConfirmed { statement: StatementId, by: String },
    /// An order was placed.
    OrderPlaced { order: OrderId, wallet: Money, cash: Money },
    /// An order changed its state.
    OrderChanged { order: OrderId, state: String, reason: String },
    /// Orders were written into supplier files, or tracking numbers were read back.
    OrdersMoved { state: String, orders: Vec<OrderId> },
    /// A correcting journal entry.
    Corrected { kind: String, reference: String, amount: Money },
    /// Points were spent or adjusted.
    PointsChanged { customer: CustomerId, points: i64, reason: String },
    /// Messages were queued by hand.
    MessagesQueued { template: String, count: u64 },
    /// Messages went their way: each with the state it moved to.
    MessagesMoved { moves: Vec<(MessageId, &'static str)> },
    /// A failed message was put back into the queue by hand.
    MessageRetried { message: MessageId },
    /// A person found out whether a message in doubt arrived; if not, it is sent again.
    MessageSettled { message: MessageId, arrived: bool },
    /// E-mail address or WeChat id of a customer were changed.
    ContactChanged { customer: CustomerId, what: Vec<&'static str> },
    /// A debit run began.
    RunStarted { run: RunId },
    /// A debit run ended.
    RunEnded { run: RunId, needs: u64 },
    /// A bill was taken over: its lines, those of them that were new, and the charges and refunds that it settled.
    BillImported {
        bill: BillId,
        rail: String,
        sha256: String,
        lines: u64,
        new: u64,
        settled: Vec<(String, &'static str)>,
    },
    /// Complete bills have no line of these charges: they were never paid.
    BillsSilent { rail: String, charges: Vec<ChargeId> },
    /// A difference with a bill was decided.
    ReconDecided { subject: String, class: &'static str, decision: &'static str, account: String, amount: Money },
    /// Files with data of the shop were written; with a reason when they show names and phones in full.
    Exported { what: String, rows: u64, reason: String },
    /// A backup was made.
    BackedUp { file: String },
    /// The database was restored from a backup.
    Restored { file: String },
}

impl Op {
    /// The word of the audit row.
    pub fn word(&self) -> String {
        self.parts().0
    }

    /// The record that changed, or empty when there are several.
    pub fn entity(&self) -> String {
        match self {
            Op::CustomerAdded { customer }
            | Op::ContactChanged { customer, .. }
            | Op::Revealed { customer, .. }
            | Op::PointsChanged { customer, .. } => customer.to_string(),
            Op::PetAdded { pet } | Op::PetChanged { pet, .. } => pet.to_string(),
            Op::PlanSaved { code, .. } | Op::PlanWithdrawn { code } => code.clone(),
            Op::ItemChanged { sku, .. } => sku.clone(),
            Op::AgreementSigned { agreement, .. }
            | Op::AgreementChanged { agreement, .. }
            | Op::CreditChecked { agreement, .. }
            | Op::CreditAsked { agreement, .. }
            | Op::CreditDecided { agreement, .. }
            | Op::Terminated { agreement, .. }
            | Op::FlagChanged { agreement, .. } => agreement.to_string(),
            Op::MandateAsked { mandate, .. } => mandate.to_string(),
            Op::MandatesChanged { mandates } if mandates.len() == 1 => mandates[0].0.to_string(),
            Op::InstallmentPostponed { installment, .. } | Op::PaidAtCounter { installment, .. } => {
                installment.to_string()
            }
            Op::RefundNoted { refund, .. } | Op::RefundAnswered { refund, .. } => refund.to_string(),
            Op::StatementConfirmed { statement, .. } => statement.to_string(),
            Op::OrderPlaced { order, .. } | Op::OrderChanged { order, .. } => order.to_string(),
            Op::MessageRetried { message } | Op::MessageSettled { message, .. } => message.to_string(),
            Op::BillImported { bill, .. } => bill.to_string(),
            Op::ReconDecided { subject, .. } => subject.clone(),
            Op::RunStarted { run } | Op::RunEnded { run, .. } => run.to_string(),
            _ => String::new(),
        }
    }

    /// Everything else, as JSON text.
    ///
    /// # Errors
    /// Never for the variants above; the type comes from the JSON crate.
    pub fn detail(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.parts().1)
    }

    fn parts(&self) -> (String, serde_json::Value) {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(mut map)) => {
                let word = map.get("op").and_then(|op| op.as_str()).unwrap_or_default().to_owned();
                (word, map.remove("detail").unwrap_or_default())
            }
            _ => (String::new(), serde_json::Value::Null),
        }
    }
}
