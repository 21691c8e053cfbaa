//! stub
use crate::db::Conn;
use crate::domain::date::At;
use crate::domain::mandate::Mandate;
use crate::ops::Ctx;
use anyhow::Result;
#[derive(Default)]
pub struct Synced {
    pub live: u64,
    pub down: Vec<(String, String)>,
}
#[derive(Default)]
pub struct Pursued {
    pub closed: u64,
    pub down: Vec<(String, String)>,
}
pub fn sync_waiting(_: &Ctx, _: At) -> Result<Synced> {
    Ok(Synced::default())
}
pub fn pursue_closing(_: &Ctx, _: At) -> Result<Pursued> {
    Ok(Pursued::default())
}
pub fn ended_at_rail(_: &Ctx, _: &Conn, _: &Mandate, _: At, _: &str, _: At) -> Result<()> {
    Ok(())
}
