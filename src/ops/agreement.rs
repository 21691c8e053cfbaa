//! stub
use crate::domain::date::At;
use crate::ops::Ctx;
use anyhow::Result;
pub fn end_pauses(_: &Ctx, _: At) -> Result<u64> {
    Ok(0)
}
pub fn complete_finished(_: &Ctx, _: At) -> Result<u64> {
    Ok(0)
}
pub fn confirm_due_statements(_: &Ctx, _: At) -> Result<u64> {
    Ok(0)
}
