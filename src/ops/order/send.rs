//! Between shop, supplier and customer: order files for suppliers, tracking numbers back from them, and what has arrived.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::undo::state_text;
use super::{get, hand_over};
use crate::db;
use crate::db::Conn;
use crate::db::order::{Line, ToSend};
use crate::domain::date::{moment, time_of};
use crate::domain::id::OrderId;
use crate::domain::op::Op;
use crate::domain::order::{OrderState, TrackingField, TrackingProblem};
use crate::domain::sheet::{Row, Sheet, Writer, decode};
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::book::{Advice, column_text, missing_text, row_text, sheet_error_text};
use crate::ops::book_file::{MOST_REFUSED_ROWS, table_bytes, too_many_refused};
use crate::ops::debit::refuse_copies;
use crate::t;
use crate::text::{Lang, lang};

/// The columns of an order file before those for the tracking number: (Chinese, English).
const COLUMNS: [(&str, &str); 8] = [
    ("订单号", "order"),
    ("收件人", "receiver"),
    ("手机号", "phone"),
    ("收货地址", "address"),
    ("货号", "sku"),
    ("商品", "item"),
    ("数量", "qty"),
    ("备注", "note"),
];

/// An order file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentFile {
    /// For whom; empty where the catalog names no supplier.
    pub supplier: String,
    /// Where it lies.
    pub file: PathBuf,
    /// How many lines it has.
    pub lines: u64,
}

/// What was sent out.
#[derive(Clone, Debug, Serialize)]
pub struct SentOut {
    /// One file for each supplier.
    pub files: Vec<SentFile>,
    /// The orders in them.
    pub orders: Vec<OrderId>,
}

/// A refused row of a tracking file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedTracking {
    /// The line in the file.
    pub line: u64,
    /// The column; `None` for the whole row.
    pub field: Option<String>,
    /// The cell as it stands there.
    pub value: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

/// What a tracking file brought.
#[derive(Clone, Debug, Serialize)]
pub struct Tracked {
    /// Order lines that are on their way now.
    pub shipped: u64,
    /// Order lines that had the same number already.
    pub unchanged: u64,
    /// The orders that moved.
    pub orders: Vec<OrderId>,
    /// Rows that could not be used.
    pub refused: Vec<RefusedTracking>,
}

/// What was handed over.
#[derive(Clone, Debug, Serialize)]
pub struct Delivered {
    /// The orders.
    pub orders: Vec<OrderId>,
    /// Lines in them.
    pub lines: u64,
}

/// Writes an order file for each supplier into `folder`, and marks the lines as sent once the files are on disk. Lines that a
/// supplier has already are written again only with `again`.
///
/// # Errors
/// When a file cannot be written; nothing is marked then, and no file stays.
pub fn send_to_suppliers(ctx: &Ctx, folder: &Path, again: bool) -> Result<SentOut> {
    let now = ctx.now();
    refuse_copies(ctx)?;
    let stamp = format!("{}-{}", ctx.today(now).format("%Y%m%d"), time_of(now, ctx.zone()).format("%H%M"));
    let mut kept: Vec<PathBuf> = Vec::new();
    let done = ctx.db.write(now, |tx| {
        // Files are written while the transaction holds the lines, so that two clerks cannot send the same ones.
        let (files, orders) = write_files(tx, folder, &stamp, again, &mut kept)?;
        if files.is_empty() {
            return Err(NothingToSend.into());
        }
        for (order, line, state) in &orders.lines {
            if *state == OrderState::Placed {
                db::order::set_line_state(tx, *order, *line, OrderState::Sent, now)?;
            }
        }
        let orders: Vec<OrderId> = orders.lines.iter().map(|it| it.0).collect::<BTreeSet<_>>().into_iter().collect();
        for order in &orders {
            db::order::refresh(tx, *order, now)?;
        }
        let op = Op::OrdersMoved { state: OrderState::Sent.word().to_owned(), orders: orders.clone() };
        Ok((SentOut { files, orders }, op))
    });
    match done {
        Ok(sent) => {
            let rows = sent.files.iter().map(|file| file.lines).sum();
            ctx.db.write(now, |_| {
                Ok(((), Op::Exported { what: "orders to suppliers".to_owned(), rows, reason: String::new() }))
            })?;
            Ok(sent)
        }
        Err(error) if error.is::<NothingToSend>() => Ok(SentOut { files: Vec::new(), orders: Vec::new() }),
        Err(error) => {
            for file in kept {
                drop(fs::remove_file(file));
            }
            Err(error)
        }
    }
}

/// Reads tracking numbers back from a supplier's file. Rows that cannot be used are named; the others count.
///
/// # Errors
/// When the file is not such a table.
pub fn track(ctx: &Ctx, file: &Path) -> Result<Tracked> {
    let now = ctx.now();
    let bytes = table_bytes(file)?;
    let as_fault = |error| {
        let advice = sheet_error_text(&error);
        Fault::refused(t!("{file}: {reason}", file = file.display(), reason = advice.reason)).hint(advice.fix)
    };
    let (text, _) = decode(&bytes).map_err(as_fault)?;
    let sheet = Sheet::<TrackingField>::open(&text).map_err(as_fault)?;
    let read = |tx: &Conn| -> Result<(Tracked, BTreeSet<OrderId>)> {
        let mut done = Tracked { shipped: 0, unchanged: 0, orders: Vec::new(), refused: Vec::new() };
        let mut moved = BTreeSet::new();
        for row in sheet.rows() {
            match parcel(tx, &sheet, &row)? {
                Err((field, problem)) => {
                    done.refused.push(refused(&sheet, &row, field, &problem));
                    if done.refused.len() as u64 > MOST_REFUSED_ROWS {
                        let first = done.refused.first();
                        return Err(too_many_refused(file, first.map(|it| (it.line, it.reason.as_str()))));
                    }
                }
                Ok(parcel) => {
                    for line in parcel.lines {
                        if line.state == OrderState::Shipped {
                            done.unchanged += 1;
                            continue;
                        }
                        db::order::set_tracking(tx, line.order, line.line, &parcel.carrier, &parcel.no)?;
                        db::order::set_line_state(tx, line.order, line.line, OrderState::Shipped, now)?;
                        moved.insert(line.order);
                        done.shipped += 1;
                    }
                }
            }
        }
        for order in &moved {
            db::order::refresh(tx, *order, now)?;
        }
        Ok((done, moved))
    };
    let tracked = ctx.db.write(now, |tx| {
        let (mut done, moved) = read(tx)?;
        if moved.is_empty() {
            return Err(Unmoved(done).into());
        }
        done.orders = moved.into_iter().collect();
        let op = Op::OrdersMoved { state: OrderState::Shipped.word().to_owned(), orders: done.orders.clone() };
        Ok((done, op))
    });
    match tracked.map_err(anyhow::Error::downcast::<Unmoved>) {
        Ok(done) | Err(Ok(Unmoved(done))) => Ok(done),
        Err(Err(error)) => Err(error),
    }
}

/// Everything of an order that was still to come has been handed over.
///
/// # Errors
/// When there is no such order, or nothing of it was to come.
pub fn deliver(ctx: &Ctx, id: OrderId) -> Result<Delivered> {
    let now = ctx.now();
    ctx.db.write(now, |tx| {
        let order = get(tx, id)?;
        let open: Vec<Line> = db::order::lines(tx, id)?.into_iter().filter(|line| line.state.is_open()).collect();
        if open.is_empty() {
            return Err(Fault::refused(t!(
                "{order} is {state}; nothing of it is still to come",
                order = id,
                state = state_text(order.state)
            ))
            .into());
        }
        for line in &open {
            hand_over(ctx, tx, &order, line, now)?;
        }
        let state = db::order::refresh(tx, id, now)?;
        let op = Op::OrderChanged { order: id, state: state.word().to_owned(), reason: String::new() };
        Ok((Delivered { orders: vec![id], lines: open.len() as u64 }, op))
    })
}

/// Every line that went on its way before the day `before` has been handed over.
pub fn deliver_shipped_before(ctx: &Ctx, before: NaiveDate) -> Result<Delivered> {
    let now = ctx.now();
    let day_begins = moment(before, NaiveTime::MIN, ctx.zone());
    if db::order::shipped_before(ctx.db.read(), day_begins)?.is_empty() {
        return Ok(Delivered { orders: Vec::new(), lines: 0 });
    }
    ctx.db.write(now, |tx| {
        let lines = db::order::shipped_before(tx, day_begins)?;
        let mut orders = BTreeSet::new();
        for line in &lines {
            hand_over(ctx, tx, &get(tx, line.order)?, line, now)?;
            orders.insert(line.order);
        }
        for order in &orders {
            db::order::refresh(tx, *order, now)?;
        }
        let orders: Vec<OrderId> = orders.into_iter().collect();
        let op = Op::OrdersMoved { state: OrderState::Delivered.word().to_owned(), orders: orders.clone() };
        Ok((Delivered { orders, lines: lines.len() as u64 }, op))
    })
}

/// Ends the transaction without an audit row, because nothing changed.
#[derive(Debug)]
struct NothingToSend;

impl std::fmt::Display for NothingToSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing to send")
    }
}

impl std::error::Error for NothingToSend {}

/// Ends the transaction without an audit row, because no line moved.
#[derive(Debug)]
struct Unmoved(Tracked);

impl std::fmt::Display for Unmoved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no line moved")
    }
}

impl std::error::Error for Unmoved {}

/// The lines in the files that were written, with the state each had before.
#[derive(Default)]
struct Written {
    lines: Vec<(OrderId, u32, OrderState)>,
}

/// An order file being written.
struct Draft {
    supplier: String,
    writer: Writer<BufWriter<NamedTempFile>>,
    lines: u64,
}

fn write_files(
    tx: &Conn,
    folder: &Path,
    stamp: &str,
    again: bool,
    kept: &mut Vec<PathBuf>,
) -> Result<(Vec<SentFile>, Written)> {
    let mut written = Written::default();
    let mut files = Vec::new();
    let mut draft: Option<Draft> = None;
    db::order::each_to_send(tx, again, |to_send| {
        if draft.as_ref().is_none_or(|draft| draft.supplier != to_send.line.supplier) {
            files.extend(draft.take().map(|draft| finish(draft, folder, stamp, kept)).transpose()?);
            draft = Some(begin(folder, &to_send.line.supplier)?);
        }
        if let Some(draft) = &mut draft {
            write_row(draft, &to_send)?;
        }
        written.lines.push((to_send.line.order, to_send.line.line, to_send.line.state));
        Ok(())
    })?;
    files.extend(draft.take().map(|draft| finish(draft, folder, stamp, kept)).transpose()?);
    Ok((files, written))
}

fn begin(folder: &Path, supplier: &str) -> Result<Draft> {
    let named = || folder.display().to_string();
    fs::create_dir_all(folder).with_context(named)?;
    let file = NamedTempFile::new_in(folder).with_context(named)?;
    let mut writer = Writer::new(BufWriter::new(file)).with_context(named)?;
    let chosen = |(zh, en): (&'static str, &'static str)| if lang() == Lang::Zh { zh } else { en };
    // The last two columns are empty: filled in by the supplier, the file comes back as a tracking file.
    let tracking = [TrackingField::Carrier, TrackingField::TrackingNo].map(column_text);
    writer.row(COLUMNS.map(chosen).into_iter().chain(tracking)).with_context(named)?;
    Ok(Draft { supplier: supplier.to_owned(), writer, lines: 0 })
}

fn write_row(draft: &mut Draft, to_send: &ToSend) -> Result<()> {
    let line = &to_send.line;
    let (order, qty) = (line.order.to_string(), line.qty.to_string());
    let cells = [&order, &to_send.name, &to_send.phone, &to_send.address, &line.sku, &line.name, &qty, &to_send.note];
    draft.writer.row(cells.into_iter().map(String::as_str).chain(["", ""]))?;
    draft.lines += 1;
    Ok(())
}

/// Brings a file to disk under a name that was free.
fn finish(draft: Draft, folder: &Path, stamp: &str, kept: &mut Vec<PathBuf>) -> Result<SentFile> {
    let named = || folder.display().to_string();
    let buffer = draft.writer.finish().with_context(named)?;
    let mut file = buffer.into_inner().map_err(|error| error.into_error()).with_context(named)?;
    file.as_file().sync_all().with_context(named)?;
    let base = format!("{}-{stamp}", file_name(&draft.supplier));
    for number in 1u32.. {
        let name = if number == 1 { format!("{base}.csv") } else { format!("{base}-{number}.csv") };
        let path = folder.join(name);
        match file.persist_noclobber(&path) {
            Ok(_) => {
                kept.push(path.clone());
                return Ok(SentFile { supplier: draft.supplier, file: path, lines: draft.lines });
            }
            Err(taken) if taken.error.kind() == std::io::ErrorKind::AlreadyExists => file = taken.file,
            Err(failed) => return Err(failed.error).with_context(|| path.display().to_string()),
        }
    }
    Err(anyhow::anyhow!("no free file name for {base}"))
}

/// A supplier's name as a file name on any system.
fn file_name(supplier: &str) -> String {
    let name: String =
        supplier.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    if name.is_empty() { "supplier".to_owned() } else { name.chars().take(40).collect() }
}

/// The lines that a row of a tracking file is about.
struct Parcel {
    lines: Vec<Line>,
    carrier: String,
    no: String,
}

type Cell = (Option<TrackingField>, TrackingProblem);

fn parcel(tx: &Conn, sheet: &Sheet<'_, TrackingField>, row: &Row) -> Result<std::result::Result<Parcel, Cell>> {
    if let Some(fault) = row.fault {
        return Ok(Err((None, fault.into())));
    }
    let value = |field| sheet.value(row, field);
    let (order, sku, no) = (value(TrackingField::Order), value(TrackingField::Sku), value(TrackingField::TrackingNo));
    for (field, text) in [(TrackingField::Order, &order), (TrackingField::TrackingNo, &no)] {
        if text.is_empty() {
            return Ok(Err((Some(field), TrackingProblem::Missing)));
        }
    }
    let Ok(id) = order.to_lowercase().parse::<OrderId>() else {
        return Ok(Err((Some(TrackingField::Order), TrackingProblem::NotAnOrder)));
    };
    let lines = db::order::lines(tx, id)?;
    if lines.is_empty() {
        return Ok(Err((Some(TrackingField::Order), TrackingProblem::UnknownOrder)));
    }
    let carrier = value(TrackingField::Carrier);
    Ok(lines_meant(lines, &sku, &no).map(|lines| Parcel { lines, carrier, no }))
}

/// Lines that wait for this number, or have it already.
fn lines_meant(lines: Vec<Line>, sku: &str, no: &str) -> std::result::Result<Vec<Line>, Cell> {
    let state = OrderState::of_lines(lines.iter().map(|line| line.state));
    let named: Vec<Line> = lines.into_iter().filter(|line| sku.is_empty() || line.sku == sku).collect();
    let state = if sku.is_empty() { Some(state) } else { named.first().map(|line| line.state) };
    let Some(state) = state else {
        return Err((Some(TrackingField::Sku), TrackingProblem::UnknownItem));
    };
    let has_it = |line: &Line| line.state == OrderState::Shipped && line.tracking_no.as_deref() == Some(no);
    let waits = |line: &Line| matches!(line.state, OrderState::Placed | OrderState::Sent);
    let meant: Vec<Line> = named.into_iter().filter(|line| waits(line) || has_it(line)).collect();
    if meant.is_empty() {
        return Err((Some(TrackingField::Order), TrackingProblem::NotWaiting { state }));
    }
    let suppliers: BTreeSet<&str> =
        meant.iter().filter(|line| waits(line)).map(|line| line.supplier.as_str()).collect();
    if suppliers.len() > 1 {
        return Err((Some(TrackingField::Sku), TrackingProblem::SeveralSuppliers));
    }
    Ok(meant)
}

fn refused(
    sheet: &Sheet<'_, TrackingField>,
    row: &Row,
    field: Option<TrackingField>,
    problem: &TrackingProblem,
) -> RefusedTracking {
    let value = match field {
        Some(field) => sheet.raw(row, field).to_owned(),
        None => row.cells.first().map(|cell| cell.chars().take(40).collect()).unwrap_or_default(),
    };
    let advice = problem_text(problem);
    RefusedTracking {
        line: row.line,
        field: field.map(|field| column_text(field).to_owned()),
        value,
        reason: advice.reason,
        fix: advice.fix,
    }
}

fn problem_text(problem: &TrackingProblem) -> Advice {
    let advice = |reason, fix| Advice { reason, fix };
    match problem {
        TrackingProblem::Row(fault) => row_text(*fault),
        TrackingProblem::Missing => missing_text(),
        TrackingProblem::NotAnOrder => advice(
            t!("this is not an order number"),
            t!("write the order number as in the order file, for example o-31"),
        ),
        TrackingProblem::UnknownOrder => {
            advice(t!("the shop has no such order"), t!("compare it with the order file that the supplier got"))
        }
        TrackingProblem::UnknownItem => {
            advice(t!("the order has no such item"), t!("compare it with the order file that the supplier got"))
        }
        TrackingProblem::SeveralSuppliers => advice(
            t!("several suppliers ship parts of this order"),
            t!("write the item's code in the column sku, one row for each item"),
        ),
        TrackingProblem::NotWaiting { state } => advice(
            t!("nothing here waits to be shipped: it is {state}", state = state_text(*state)),
            t!("`kibble orders show` tells what happened to it"),
        ),
    }
}
