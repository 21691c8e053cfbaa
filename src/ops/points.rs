//! Points and tiers: where a customer stands.

use anyhow::Result;
use serde::Serialize;

use crate::db;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;
use crate::domain::points::{Rung, tier_reached};
use crate::ops::Ctx;
use crate::text::{Lang, lang};

/// Where a customer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The tier's name in the chosen language; `None` below the first.
    pub tier: Option<String>,
    /// What it brings, in the chosen language.
    pub benefits: Option<String>,
    /// Monthly terms paid.
    pub months: u32,
    /// Money collected, less what was refunded.
    pub collected: Money,
}

/// The tier that a customer has reached, from terms paid and money collected.
pub fn tier_of(ctx: &Ctx, customer: CustomerId) -> Result<Standing> {
    let (months, collected) = db::points::performed(ctx.db.read(), customer)?;
    let tiers = &ctx.config.settings.tier;
    let rungs: Vec<Rung> = tiers.iter().map(|tier| Rung { months: tier.months, amount: tier.amount }).collect();
    let tier = tier_reached(&rungs, months, collected).map(|place| &tiers[place]);
    let chosen = |zh: &String, en: &String| if lang() == Lang::Zh { zh.clone() } else { en.clone() };
    Ok(Standing {
        tier: tier.map(|tier| chosen(&tier.name_zh, &tier.name_en)),
        benefits: tier.map(|tier| chosen(&tier.benefits_zh, &tier.benefits_en)),
        months,
        collected,
    })
}
