//! Differences as a file for a spreadsheet, and the decisions in it read back. A row says again what it is about; a key that was changed,
//! or a number that the spreadsheet shortened, is refused with its row and its cell, and then nothing of the file is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::decide::{Did, accounts_hint, decide};
use super::list::{Difference, Filter, class_text, decision_text, differences};
use crate::db;
use crate::domain::bill::is_mangled;
use crate::domain::date::At;
use crate::domain::journal::Account;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::recon::{Decision, Subject};
use crate::domain::report::Cell;
use crate::domain::sheet::{self, Column, Row, Sheet, decode, tidy};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::book::sheet_error_text;
use crate::ops::book_file::{table_bytes, write_whole};
use crate::ops::debit::refuse_copies;
use crate::t;
use crate::text::{self, Lang};

/// The columns of the file, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Head {
    Id,
    Class,
    What,
    Rail,
    Day,
    Age,
    OrderNo,
    RefundNo,
    TradeNo,
    Term,
    Ours,
    Theirs,
    Fee,
    FeeExpected,
    State,
    Said,
    Proposed,
    Decision,
    Account,
}

impl Column for Head {
    const ALL: &'static [Head] = &[
        Head::Id,
        Head::Class,
        Head::What,
        Head::Rail,
        Head::Day,
        Head::Age,
        Head::OrderNo,
        Head::RefundNo,
        Head::TradeNo,
        Head::Term,
        Head::Ours,
        Head::Theirs,
        Head::Fee,
        Head::FeeExpected,
        Head::State,
        Head::Said,
        Head::Proposed,
        Head::Decision,
        Head::Account,
    ];

    fn name(self) -> (&'static str, &'static str) {
        match self {
            Head::Id => ("编号", "Id"),
            Head::Class => ("类别", "Class"),
            Head::What => ("差异", "What differs"),
            Head::Rail => ("支付渠道", "Payment rail"),
            Head::Day => ("日期", "Day"),
            Head::Age => ("天数", "Days old"),
            Head::OrderNo => ("订单号", "Order number"),
            Head::RefundNo => ("退款单号", "Refund number"),
            Head::TradeNo => ("渠道单号", "Provider's number"),
            Head::Term => ("期", "Installment"),
            Head::Ours => ("本店金额", "Our amount"),
            Head::Theirs => ("账单金额", "Their amount"),
            Head::Fee => ("手续费", "Fee"),
            Head::FeeExpected => ("应收手续费", "Expected fee"),
            Head::State => ("本店状态", "Our state"),
            Head::Said => ("渠道状态", "Their state"),
            Head::Proposed => ("建议", "Proposed"),
            Head::Decision => ("处理", "Decision"),
            Head::Account => ("科目", "Account"),
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        &[]
    }

    fn is_required(self) -> bool {
        matches!(
            self,
            Head::Id
                | Head::Class
                | Head::Rail
                | Head::OrderNo
                | Head::RefundNo
                | Head::Ours
                | Head::Theirs
                | Head::Decision
        )
    }
}

/// What identifies a row: it must come back as it was written.
const KEYS: [Head; 6] = [Head::Class, Head::Rail, Head::OrderNo, Head::RefundNo, Head::Ours, Head::Theirs];
/// Long numbers, which spreadsheets shorten.
const NUMBERS: [Head; 3] = [Head::OrderNo, Head::RefundNo, Head::TradeNo];

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// Rows below the header.
    pub rows: u64,
}

/// Writes every difference into `file`; with `fill` the proposed decisions stand in the column of decisions already.
///
/// # Errors
/// When the file cannot be written.
pub fn export(ctx: &Ctx, file: &Path, rail: Option<&str>, fill: bool, now: At) -> Result<Exported> {
    let found = differences(ctx, Filter { rail, ..Filter::default() }, now)?;
    let mut writer = sheet::Writer::new(Vec::new())?;
    writer.row(Head::ALL.iter().map(|head| heading(*head)))?;
    for it in &found {
        writer.row_as_is(Head::ALL.iter().map(|head| cell(it, *head, fill).csv()))?;
    }
    let bytes = writer.finish()?;
    let rows = u64::try_from(found.len())?;
    ctx.db.write(now, |_| Ok(((), Op::Exported { what: "recon".to_owned(), rows, reason: String::new() })))?;
    write_whole(file, &bytes)?;
    Ok(Exported { file: file.to_owned(), rows })
}

fn heading(head: Head) -> &'static str {
    let (zh, en) = head.name();
    if text::lang() == Lang::Zh { zh } else { en }
}

fn cell(it: &Difference, head: Head, fill: bool) -> Cell {
    let amount = |amount: Option<Money>| Cell::maybe(amount.map(Cell::Amount));
    match head {
        Head::Id => Cell::text(it.id),
        Head::Class => Cell::text(it.class.word()),
        Head::What => Cell::Text(class_text(it.class, it.kind)),
        Head::Rail => Cell::text(&it.rail),
        Head::Day => Cell::Date(it.day),
        Head::Age => Cell::Count(it.age_days),
        Head::OrderNo => Cell::text(&it.order_no),
        Head::RefundNo => Cell::text(&it.refund_no),
        Head::TradeNo => Cell::text(&it.trade_no),
        Head::Term => Cell::maybe(it.installment.map(Cell::text)),
        Head::Ours => amount(it.ours),
        Head::Theirs => amount(it.theirs),
        Head::Fee => amount(it.fee),
        Head::FeeExpected => amount(it.fee_expected),
        Head::State => Cell::text(it.our_state),
        Head::Said => Cell::text(&it.said),
        Head::Proposed => Cell::text(it.proposed.word()),
        Head::Decision if fill => Cell::text(it.proposed.word()),
        Head::Decision | Head::Account => Cell::Empty,
    }
}

/// What became of a file of decisions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Applied {
    /// Every row with a decision.
    pub rows: Vec<AppliedRow>,
    /// Rows whose decision was carried out.
    pub done: u64,
    /// Rows that stay: wait, and what the rail was asked about.
    pub left: u64,
    /// Rows that had been decided so before.
    pub before: u64,
    /// Rows whose decision could not be carried out.
    pub failed: u64,
    /// Rows without a decision.
    pub empty: u64,
}

/// What became of one row.
#[derive(Clone, Debug, Serialize)]
pub struct AppliedRow {
    /// The line of the file.
    pub row: u64,
    /// What it is about.
    pub id: Subject,
    /// What was decided.
    pub decision: Decision,
    /// What it did; nothing when it failed.
    pub did: Option<Did>,
    /// In a sentence.
    pub said: String,
}

/// A row that may be carried out.
struct Wish {
    row: u64,
    id: Subject,
    decision: Decision,
    account: Option<Account>,
    /// `None` when it has been decided before.
    difference: Option<Difference>,
}

/// Carries out the decisions of a file: first every row is checked, and only then is anything done, row by row. A row that a rule of
/// money forbids is told and leaves the others alone.
///
/// # Errors
/// Refused as a whole when one row has a changed key, a shortened number, or a decision that is no word of ours.
pub fn apply(ctx: &Ctx, file: &Path, now: At) -> Result<Applied> {
    refuse_copies(ctx)?;
    let bytes = table_bytes(file)?;
    let refuse = |error| {
        let advice = sheet_error_text(&error);
        let what = t!("{file} cannot be imported: {reason}", file = file.display(), reason = advice.reason);
        anyhow::Error::from(Fault::refused(what).hint(advice.fix))
    };
    let (text, _) = decode(&bytes).map_err(refuse)?;
    let sheet: Sheet<'_, Head> = Sheet::open(&text).map_err(refuse)?;
    let mut applied = Applied::default();
    let wishes = read(ctx, &sheet, &mut applied, now)?;
    for wish in wishes {
        carry_out(ctx, &wish, &mut applied, now)?;
    }
    Ok(applied)
}

fn carry_out(ctx: &Ctx, wish: &Wish, applied: &mut Applied, now: At) -> Result<()> {
    let outcome = match &wish.difference {
        None => Ok((Did::Before, t!("decided so before; nothing was done again"))),
        Some(difference) => decide(ctx, difference, wish.decision, wish.account.as_ref(), now),
    };
    let (did, said) = match outcome {
        Ok((did, said)) => (Some(did), said),
        // A rule that forbids it is an answer; trouble with the database or the disk ends the work.
        Err(error) => match error.downcast_ref::<Fault>() {
            Some(fault) => (None, with_hint(fault)),
            None => return Err(error),
        },
    };
    match did {
        Some(Did::Done) => applied.done += 1,
        Some(Did::Left | Did::Asked) => applied.left += 1,
        Some(Did::Before) => applied.before += 1,
        None => applied.failed += 1,
    }
    applied.rows.push(AppliedRow { row: wish.row, id: wish.id, decision: wish.decision, did, said });
    Ok(())
}

fn with_hint(fault: &Fault) -> String {
    match fault.next_step() {
        Some(hint) => format!("{fault} ({hint})"),
        None => fault.to_string(),
    }
}

fn read(ctx: &Ctx, sheet: &Sheet<'_, Head>, applied: &mut Applied, now: At) -> Result<Vec<Wish>> {
    let standing: BTreeMap<Subject, Difference> =
        differences(ctx, Filter::default(), now)?.into_iter().map(|it| (it.id, it)).collect();
    let (mut wishes, mut refused): (Vec<Wish>, Vec<String>) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for row in sheet.rows() {
        if sheet.value(&row, Head::Decision).is_empty() && row.fault.is_none() {
            applied.empty += 1;
            continue;
        }
        match wish(ctx, sheet, &row, &standing)? {
            Ok(wish) if !seen.insert(wish.id) => {
                refused.push(t!("row {row}: {id} stands twice", row = row.line, id = wish.id));
            }
            Ok(wish) => wishes.push(wish),
            Err(why) => refused.push(t!("row {row}: {why}", row = row.line, why = why)),
        }
    }
    if refused.is_empty() {
        return Ok(wishes);
    }
    let shown = refused.iter().take(10).cloned().collect::<Vec<_>>().join("\n  ");
    Err(Fault::refused(t!(
        "{count} {count|row was|rows were} refused and nothing was done:\n  {rows}",
        count = refused.len(),
        rows = shown
    ))
    .hint(t!("write only into the columns for decision and account; `kibble recon export` gives a fresh file"))
    .into())
}

/// Reads a row, or says why it is refused.
fn wish(
    ctx: &Ctx,
    sheet: &Sheet<'_, Head>,
    row: &Row,
    standing: &BTreeMap<Subject, Difference>,
) -> Result<std::result::Result<Wish, String>> {
    if row.fault.is_some() {
        return Ok(Err(t!("it has another number of cells than the header")));
    }
    for head in NUMBERS {
        let value = sheet.value(row, head);
        if is_mangled(&value) {
            return Ok(Err(t!(
                "{column}: the spreadsheet shortened the number to {value}",
                column = heading(head),
                value = value
            )));
        }
    }
    let text = sheet.value(row, Head::Id);
    let Ok(id) = text.parse::<Subject>() else {
        return Ok(Err(t!("{column}: {value} is no id like l-12", column = heading(Head::Id), value = text)));
    };
    let (decision, account) = match decision_of(&sheet.value(row, Head::Decision), &sheet.value(row, Head::Account)) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let Some(difference) = standing.get(&id) else { return decided_before(ctx, row, id, decision, account) };
    for head in KEYS {
        let (found, expected) = (sheet.value(row, head), cell(difference, head, false));
        if !same(&found, &expected) {
            return Ok(Err(t!(
                "{column}: {value} was changed; it is {expected}",
                column = heading(head),
                value = found,
                expected = tidy(&expected.csv())
            )));
        }
    }
    Ok(Ok(Wish { row: row.line, id, decision, account, difference: Some(difference.clone()) }))
}

/// A row about something that does not differ any more: the same decision as before is no mistake, another one is.
fn decided_before(
    ctx: &Ctx,
    row: &Row,
    id: Subject,
    decision: Decision,
    account: Option<Account>,
) -> Result<std::result::Result<Wish, String>> {
    let before = db::recon::decided(ctx.db.read(), id)?;
    let code = account.as_ref().map(Account::code).unwrap_or_default();
    Ok(match before {
        Some(it) if it.decision == decision && it.account == code => {
            Ok(Wish { row: row.line, id, decision, account, difference: None })
        }
        Some(it) => Err(t!("{id} was decided before: {decision}", id = id, decision = decision_text(it.decision))),
        // Time or a debit run explained it; what stays or was asked about needs nothing more.
        None if matches!(decision, Decision::Wait | Decision::Ask) => {
            Ok(Wish { row: row.line, id, decision, account, difference: None })
        }
        None => Err(t!("{id} does not differ any more", id = id)),
    })
}

/// Amounts are compared as amounts, because a spreadsheet writes 199.00 as 199; everything else as it stands.
fn same(found: &str, expected: &Cell) -> bool {
    match expected {
        Cell::Amount(amount) => found.parse::<Money>().is_ok_and(|found| found == *amount),
        cell => found == tidy(&cell.csv()),
    }
}

/// `accept`, `接受`, `book-as goodwill`; the account may stand in its own column.
fn decision_of(text: &str, account: &str) -> std::result::Result<(Decision, Option<Account>), String> {
    let text = text.to_lowercase();
    let (word, rest) = text.split_once([' ', ':', '：']).unwrap_or((text.as_str(), ""));
    let decision = match word {
        "accept" | "接受" => Decision::Accept,
        "refund" | "退款" => Decision::Refund,
        "wait" | "等待" => Decision::Wait,
        "ask" | "查询" => Decision::Ask,
        "book-as" | "book_as" | "记入" => Decision::BookAs,
        _ => {
            return Err(t!(
                "{column}: {value} is none of accept, refund, wait, ask, book-as",
                column = heading(Head::Decision),
                value = text
            ));
        }
    };
    let named = if rest.trim().is_empty() { account.trim() } else { rest.trim() };
    if decision != Decision::BookAs {
        return match named.is_empty() {
            true => Ok((decision, None)),
            false => Err(t!("{column}: only book-as has an account", column = heading(Head::Account))),
        };
    }
    match Account::own(named) {
        Some(account) => Ok((decision, Some(account))),
        None => Err(t!(
            "{column}: {value} is no account for book-as ({accounts})",
            column = heading(Head::Account),
            value = named,
            accounts = accounts_hint()
        )),
    }
}
