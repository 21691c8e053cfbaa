//! Why a wallet holds what it holds: every entry with the charge, order or refund behind it, and the balance after each.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::db;
use crate::db::customer::Customer;
use crate::domain::agreement::{Agreement, AgreementState};
use crate::domain::charge::ChargeKind;
use crate::domain::journal::EntryKind;
use crate::domain::money::Money;
use crate::ops::report::export::word_text;
use crate::ops::wallet::entry_text;
use crate::ops::why::term::rail_name;
use crate::ops::why::{About, Kind, Story, Why, changes, clause, rows_about};
use crate::ops::{Ctx, customer};
use crate::t;
use crate::text::{self, Lang};

/// Why the wallet of a customer holds what it holds.
pub fn why(ctx: &Ctx, it: &Customer) -> Result<Why> {
    let conn = ctx.db.read();
    let id = it.id;
    let mut story = Story::default();
    let mut newest: Option<Agreement> = None;
    db::agreement::each(conn, Some(id), None, |agreement| {
        newest = Some(agreement);
        Ok(())
    })?;
    if let Some(agreement) = &newest {
        clause::put(&mut story, ctx, agreement, &[clause::WALLET, clause::NO_PAYOUT, clause::PRICES])?;
    }
    let behind = behind(ctx, it)?;
    // Pieces of each line that were brought back so far: the number of a return counts all of them.
    let mut returned: BTreeMap<String, u32> = BTreeMap::new();
    let (mut came, mut went, mut count, mut held) = (Money::ZERO, Money::ZERO, 0_u64, Money::ZERO);
    db::wallet::each(conn, id, None, None, |change| {
        count += 1;
        held = change.balance;
        match change.amount.is_positive() {
            true => came += change.amount,
            false => went += -change.amount,
        }
        let about = match change.kind {
            EntryKind::Return => behind.brought_back(&mut returned, &change.reference),
            _ => behind.texts.get(&change.reference).cloned(),
        };
        let about = about.unwrap_or_default();
        let moved = match change.amount.is_positive() {
            true => t!("{amount} in, {balance} held", amount = change.amount.yuan(), balance = change.balance.yuan()),
            false => {
                t!("{amount} out, {balance} held", amount = (-change.amount).yuan(), balance = change.balance.yuan())
            }
        };
        let text = format!("{moved} · {} {about}", entry_text(change.kind, &change.reference));
        let kind = if change.kind == EntryKind::Order { Kind::Order } else { Kind::Entry };
        // They are in the order of their days already.
        story.first(Some(change.at), change.entry, kind, text.trim().to_owned());
        Ok(())
    })?;
    let (principal, bonus) = db::journal::wallet(conn, id)?;
    let balance = principal + bonus;
    let mut answer = t!(
        "The wallet holds {balance}: {came} came in and {went} went out, in {count} {count|entry|entries}.",
        balance = balance.yuan(),
        came = came.yuan(),
        went = went.yuan(),
        count = count
    );
    if held != balance {
        answer = t!("The entries do not add up to the balance; run `kibble check`.");
    }
    let runs = newest.is_some_and(|it| matches!(it.state, AgreementState::Active | AgreementState::Paused));
    if runs && balance.is_positive() {
        let bound = t!("While the agreement runs it is spent on goods and not paid out.");
        answer = t!("{first} {second}", first = answer, second = bound);
    }
    Ok(Why {
        subject: id.to_string(),
        about: About::Wallet,
        title: t!(
            "{customer} {label} · wallet {balance}",
            customer = id,
            label = customer::label(ctx, id)?,
            balance = balance.yuan()
        ),
        customer: Some(id),
        answer,
        stopped: None,
        steps: story.steps(),
        changes: changes(rows_about(ctx, [id.to_string()])?),
    })
}

/// What stands behind each record that an entry of the wallet names.
#[derive(Default)]
struct Behind {
    texts: BTreeMap<String, String>,
    /// What each line of an order is called: `o-31/2`.
    names: BTreeMap<String, String>,
}

impl Behind {
    /// The pieces of one return: `o-31/2/3` is the return after which three pieces of the line `o-31/2` have come back.
    fn brought_back(&self, returned: &mut BTreeMap<String, u32>, reference: &str) -> Option<String> {
        let (line, count) = reference.rsplit_once('/')?;
        let count: u32 = count.parse().ok()?;
        let before = returned.insert(line.to_owned(), count).unwrap_or_default();
        Some(format!("({})", goods(self.names.get(line)?, count.saturating_sub(before))))
    }
}

fn goods(name: &str, qty: u32) -> String {
    format!("{name} × {qty}")
}

fn behind(ctx: &Ctx, it: &Customer) -> Result<Behind> {
    let conn = ctx.db.read();
    let mut found = Behind::default();
    for charge in db::charge::paid_of_customer(conn, it.id)? {
        let (term, order_no) = (charge.installment, &charge.order_no);
        let rail = rail_name(ctx, &charge.rail);
        let text = match charge.kind {
            ChargeKind::Cash => t!("for {term}, at the counter", term = term),
            _ => t!("for {term}, on {rail}, order {order_no}", term = term, rail = rail, order_no = order_no),
        };
        found.texts.insert(charge.id.to_string(), text);
    }
    let comma = if text::lang() == Lang::Zh { "、" } else { ", " };
    let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in db::order::lines_of_customer(conn, it.id)? {
        let (reference, text) = (format!("{}/{}", line.order, line.line), goods(&line.name, line.qty));
        found.texts.insert(reference.clone(), format!("({text})"));
        found.names.insert(reference, line.name);
        orders.entry(line.order.to_string()).or_default().push(text);
    }
    found.texts.extend(orders.into_iter().map(|(order, lines)| (order, format!("({})", lines.join(comma)))));
    for refund in db::refund::of_customer(conn, it.id)? {
        found.texts.insert(refund.id.to_string(), format!("({})", word_text(&refund.why)));
    }
    Ok(found)
}
