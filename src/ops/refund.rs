//! stub
use crate::domain::date::At;
use crate::domain::id::RefundId;
use crate::ops::Ctx;
use anyhow::Result;
#[derive(Default)]
pub struct Settled {
    pub paid: u64,
    pub declined: Vec<(RefundId, String)>,
    pub down: Vec<(String, String)>,
}
pub fn settle_open_refunds(_: &Ctx, _: At) -> Result<Settled> {
    Ok(Settled::default())
}
#[derive(serde::Serialize)]
pub struct Refunded {}
pub fn refund_installment(
    _: &Ctx,
    _: crate::domain::id::InstallmentId,
    _: Option<crate::domain::money::Money>,
    _: &str,
    _: At,
) -> Result<Refunded> {
    anyhow::bail!("stub")
}
pub fn told(_: &Refunded) -> Vec<String> {
    Vec::new()
}
