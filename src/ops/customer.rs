//! Customers: finding the one that a person means.

use anyhow::Result;

use crate::db;
use crate::db::customer::Customer;
use crate::domain::customer::{PersonName, Phone, mask_name};
use crate::domain::id::CustomerId;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::t;

/// The customer meant by an id, a phone number or an unambiguous name.
///
/// # Errors
/// Not found when nobody fits, or when several do.
pub fn resolve(ctx: &Ctx, who: &str) -> Result<Customer> {
    let conn = ctx.db.read();
    if let Ok(id) = who.parse::<CustomerId>() {
        return db::customer::get(conn, id)?
            .ok_or_else(|| Fault::not_found(t!("there is no customer {who}", who = who)).into());
    }
    let mut found = match Phone::parse(who) {
        Ok(phone) => db::customer::by_phone(conn, phone.reveal())?,
        Err(_) => match PersonName::parse(who) {
            Ok(name) => db::customer::by_name(conn, name.reveal())?,
            Err(_) => Vec::new(),
        },
    };
    match (found.len(), found.pop()) {
        (1, Some(customer)) => Ok(customer),
        (_, None) => Err(Fault::not_found(t!("there is no customer {who}", who = who))
            .hint(t!("use the id or the phone number; `kibble customer list` shows them"))
            .into()),
        (_, Some(last)) => {
            found.push(last);
            let list: Vec<String> = found.iter().map(|it| format!("{} {}", it.id, mask_name(&it.name))).collect();
            Err(Fault::not_found(t!("several customers fit {who}: {list}", who = who, list = list.join(", ")))
                .hint(t!("use the id or the phone number; `kibble customer list` shows them"))
                .into())
        }
    }
}
