//! Orders and their lines, and the journal entries about them. Money moves in `db/journal.rs`; what may happen to a line is
//! `domain/order.rs`.

use anyhow::Result;
use chrono::NaiveDate;
use rusqlite::{Row, ToSql, named_params};
use serde::Serialize;

use crate::db::types::{Day, Instant, at, day, filter as when_given, maybe_at, word};
use crate::db::{Conn, customer};
use crate::domain::date::At;
use crate::domain::id::{CustomerId, EntryId, OrderId};
use crate::domain::journal::{EntryKind, WALLET_BONUS};
use crate::domain::money::Money;
use crate::domain::order::{Bought, Handover, OrderState};

const ORDER: &str = "o.id, o.customer_id, o.placed_at, o.placed_on, o.state, o.wallet_paid, o.cash_paid, o.handover,
     o.resend_of, o.note, o.closed_at";

const LINE: &str = "l.order_id, l.line, l.sku, l.name, l.category, l.supplier, l.qty, l.returned_qty, l.unit_price,
     l.list_price, l.unit_cost, l.wallet_part, l.wallet_ok, l.state, l.sent_at, l.shipped_at, l.delivered_at, l.carrier,
     l.tracking_no";

/// An order to be placed.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// Whose.
    pub customer: CustomerId,
    /// Over the counter or shipped.
    pub handover: Handover,
    /// Where it goes; sealed on the way in.
    pub address: Option<&'a str>,
    /// The order whose damaged goods it replaces.
    pub resend_of: Option<OrderId>,
    /// For people.
    pub note: &'a str,
    /// Its lines, numbered from 1 in this order.
    pub lines: Vec<NewLine>,
}

/// A line to be placed.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// The item's code.
    pub sku: String,
    /// Its name at that moment.
    pub name: String,
    /// Its category at that moment.
    pub category: String,
    /// Who ships it.
    pub supplier: String,
    /// Pieces.
    pub qty: u32,
    /// Price of one, as charged.
    pub unit_price: Money,
    /// Price of one for anybody; zero for goods sent again.
    pub list_price: Money,
    /// What one costs the shop.
    pub unit_cost: Money,
    /// What the wallet pays of the whole line.
    pub wallet_part: Money,
    /// Whether the wallet may pay for it.
    pub wallet_ok: bool,
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose.
    pub customer: CustomerId,
    /// When it was placed.
    pub placed_at: At,
    /// The shop's date then.
    pub placed_on: NaiveDate,
    /// How far it has come.
    pub state: OrderState,
    /// Paid from the wallet when it was placed.
    pub wallet_paid: Money,
    /// Paid in cash when it was placed.
    pub cash_paid: Money,
    /// Over the counter or shipped.
    pub handover: Handover,
    /// The order whose damaged goods it replaces.
    pub resend_of: Option<OrderId>,
    /// For people.
    pub note: String,
    /// When the last line was handed over, called off or brought back.
    pub closed_at: Option<At>,
}

/// A line as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Of which order.
    pub order: OrderId,
    /// Its number, from 1.
    pub line: u32,
    /// The item's code.
    pub sku: String,
    /// Its name when it was ordered.
    pub name: String,
    /// Its category when it was ordered.
    pub category: String,
    /// Who ships it.
    pub supplier: String,
    /// Pieces.
    pub qty: u32,
    /// Of these, brought back.
    pub returned_qty: u32,
    /// Price of one, as charged.
    pub unit_price: Money,
    /// Price of one for anybody.
    pub list_price: Money,
    /// What one costs the shop.
    pub unit_cost: Money,
    /// What the wallet paid of the whole line.
    pub wallet_part: Money,
    /// Whether the wallet was allowed to pay for it.
    pub wallet_ok: bool,
    /// How far it has come.
    pub state: OrderState,
    /// When the supplier got it.
    pub sent_at: Option<At>,
    /// When it went on its way.
    pub shipped_at: Option<At>,
    /// When it was handed over.
    pub delivered_at: Option<At>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The parcel's number.
    pub tracking_no: Option<String>,
}

impl Line {
    /// What the rule for money that goes back looks at.
    pub fn bought(&self) -> Bought {
        Bought {
            qty: self.qty,
            returned: self.returned_qty,
            unit_price: self.unit_price,
            wallet_part: self.wallet_part,
        }
    }

    /// Price of the whole line, as charged.
    pub fn total(&self) -> Money {
        times(self.unit_price, self.qty)
    }

    /// What `qty` pieces cost the shop.
    pub fn cost_of(&self, qty: u32) -> Money {
        times(self.unit_cost, qty)
    }
}

fn times(price: Money, qty: u32) -> Money {
    price.times(i64::from(qty)).expect("quantities and prices are bounded where they are entered")
}

/// Which orders.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// In this state.
    pub state: Option<OrderState>,
    /// With a line from this supplier.
    pub supplier: Option<String>,
}

/// A row of the list of orders.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The order.
    pub order: Order,
    /// The customer's full name; `None` once erased.
    pub name: Option<String>,
    /// How many lines it has.
    pub lines: u32,
}

/// A line that a supplier is to send, with where it goes.
#[derive(Clone, Debug)]
pub struct ToSend {
    /// The line.
    pub line: Line,
    /// Receiver.
    pub name: String,
    /// Receiver's phone.
    pub phone: String,
    /// Where it goes.
    pub address: String,
    /// The order's note.
    pub note: String,
}

/// An entry about an order, with its postings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderEntry {
    /// The entry.
    pub id: EntryId,
    /// When it was booked.
    pub at: At,
    /// What it is about.
    pub kind: EntryKind,
    /// Order, line, count.
    pub reference: String,
    /// Account and amount; positive debits, negative credits.
    pub postings: Vec<(String, Money)>,
}

/// Adds a placed order with its lines.
pub fn insert(conn: &Conn, new: &NewOrder<'_>, today: NaiveDate, now: At) -> Result<OrderId> {
    let address = new.address.map(|text| customer::seal_for(conn, new.customer, "order_address", text)).transpose()?;
    let wallet: Money = new.lines.iter().map(|line| line.wallet_part).sum();
    let total: Money = new.lines.iter().map(|line| times(line.unit_price, line.qty)).sum();
    let id: OrderId = conn
        .sql()
        .prepare_cached(
            "INSERT INTO orders (customer_id, placed_at, placed_on, state, wallet_paid, cash_paid, handover,
                                 address, resend_of, note)
             VALUES (:customer, :at, :today, 'placed', :wallet, :cash, :handover, :address, :resend_of, :note)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":customer": new.customer,
                ":at": Instant(now),
                ":today": Day(today),
                ":wallet": wallet,
                ":cash": total - wallet,
                ":handover": new.handover.word(),
                ":address": address,
                ":resend_of": new.resend_of,
                ":note": new.note,
            },
            |row| row.get("id"),
        )?;
    let mut insert = conn.sql().prepare_cached(
        "INSERT INTO order_line (order_id, line, sku, name, category, supplier, qty, returned_qty, unit_price, list_price,
                                 unit_cost, wallet_part, wallet_ok, state)
         VALUES (:order, :line, :sku, :name, :category, :supplier, :qty, 0, :price, :list, :cost, :wallet, :ok, 'placed')",
    )?;
    for (line, number) in new.lines.iter().zip(1u32..) {
        insert.execute(named_params! {
            ":order": id,
            ":line": number,
            ":sku": line.sku,
            ":name": line.name,
            ":category": line.category,
            ":supplier": line.supplier,
            ":qty": line.qty,
            ":price": line.unit_price,
            ":list": line.list_price,
            ":cost": line.unit_cost,
            ":wallet": line.wallet_part,
            ":ok": line.wallet_ok,
        })?;
    }
    Ok(id)
}

/// The order with this id.
pub fn get(conn: &Conn, id: OrderId) -> Result<Option<Order>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {ORDER} FROM orders o WHERE o.id = :id"))?;
    let mut rows = query.query(named_params! { ":id": id })?;
    Ok(rows.next()?.map(order_row).transpose()?)
}

/// Where an order goes; `None` for one over the counter.
pub fn address(conn: &Conn, id: OrderId) -> Result<Option<String>> {
    let mut query = conn.sql().prepare_cached("SELECT customer_id, address FROM orders WHERE id = :id")?;
    let (owner, sealed): (CustomerId, Option<Vec<u8>>) =
        query.query_row(named_params! { ":id": id }, |row| Ok((row.get("customer_id")?, row.get("address")?)))?;
    sealed.map(|sealed| customer::open_for(conn, owner, "order_address", &sealed)).transpose()
}

/// The lines of an order.
pub fn lines(conn: &Conn, id: OrderId) -> Result<Vec<Line>> {
    lines_where(conn, "l.order_id = :value ORDER BY l.line", &id)
}

/// Every line that a customer ordered, by order.
pub fn lines_of_customer(conn: &Conn, id: CustomerId) -> Result<Vec<Line>> {
    lines_where(
        conn,
        "l.order_id IN (SELECT id FROM orders WHERE customer_id = :value) ORDER BY l.order_id, l.line",
        &id,
    )
}

/// Lines on their way since before `day` begins, by order.
pub fn shipped_before(conn: &Conn, day_begins: At) -> Result<Vec<Line>> {
    lines_where(conn, "l.state = 'shipped' AND l.shipped_at < :value ORDER BY l.order_id, l.line", &Instant(day_begins))
}

/// Orders that send damaged goods of `id` again and were not called off: their lines' codes.
pub fn resent_skus(conn: &Conn, id: OrderId) -> Result<Vec<String>> {
    let lines = lines_where(
        conn,
        "l.order_id IN (SELECT id FROM orders WHERE resend_of = :value) AND l.state <> 'cancelled' ORDER BY l.order_id",
        &id,
    )?;
    Ok(lines.into_iter().map(|line| line.sku).collect())
}

/// Visits orders by id.
pub fn each(conn: &Conn, filter: &Filter, mut visit: impl FnMut(Listed) -> Result<()>) -> Result<()> {
    let of = when_given("o.customer_id", ":customer", filter.customer.is_some());
    let stands = when_given("o.state", ":state", filter.state.is_some());
    let mut query = conn.sql().prepare(&format!(
        "SELECT {ORDER}, c.wrapped_key, c.name,
                (SELECT count(*) FROM order_line l WHERE l.order_id = o.id) AS lines
         FROM orders o JOIN customer c ON c.id = o.customer_id
         WHERE {of} AND {stands}
           AND (:supplier IS NULL
                OR EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = o.id AND l.supplier = :supplier))
         ORDER BY o.id"
    ))?;
    let mut rows = query.query(named_params! {
        ":customer": filter.customer,
        ":state": filter.state.map(OrderState::word),
        ":supplier": filter.supplier,
    })?;
    while let Some(row) = rows.next()? {
        visit(Listed { order: order_row(row)?, name: opened(conn, row, "name")?, lines: row.get("lines")? })?;
    }
    Ok(())
}

/// Visits the lines that suppliers are to send, by supplier, order and line: those that no supplier has yet, and with `again`
/// also those that were sent to one and are not on their way.
pub fn each_to_send(conn: &Conn, again: bool, mut visit: impl FnMut(ToSend) -> Result<()>) -> Result<()> {
    let mut query = conn.sql().prepare(&format!(
        "SELECT {LINE}, o.address AS order_address, o.note, c.wrapped_key, c.name AS receiver, c.phone
         FROM order_line l JOIN orders o ON o.id = l.order_id JOIN customer c ON c.id = o.customer_id
         WHERE l.state IN ('placed', CASE WHEN :again THEN 'sent' ELSE 'placed' END)
         ORDER BY l.supplier, l.order_id, l.line"
    ))?;
    let mut rows = query.query(named_params! { ":again": again })?;
    while let Some(row) = rows.next()? {
        let wrapped: Vec<u8> = row.get("wrapped_key")?;
        let key = conn.keys().customer_key(&wrapped)?;
        let address = match row.get::<_, Option<Vec<u8>>>("order_address")? {
            Some(sealed) => key.open_text("order_address", &sealed)?,
            None => String::new(),
        };
        visit(ToSend {
            line: line_row(row)?,
            name: key.open_text("name", &row.get::<_, Vec<u8>>("receiver")?)?,
            phone: key.open_text("phone", &row.get::<_, Vec<u8>>("phone")?)?,
            address,
            note: row.get("note")?,
        })?;
    }
    Ok(())
}

/// Moves a line on and stamps the moment. Call [`refresh`] for its order afterwards.
pub fn set_line_state(conn: &Conn, order: OrderId, line: u32, state: OrderState, now: At) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE order_line SET state = :state,
               sent_at = CASE WHEN :state = 'sent' THEN :at ELSE sent_at END,
               shipped_at = CASE WHEN :state = 'shipped' THEN :at ELSE shipped_at END,
               delivered_at = CASE WHEN :state = 'delivered' THEN :at ELSE delivered_at END
             WHERE order_id = :order AND line = :line",
        )?
        .execute(named_params! { ":state": state.word(), ":at": Instant(now), ":order": order, ":line": line })?;
    Ok(())
}

/// Writes who carries a line under which number.
pub fn set_tracking(conn: &Conn, order: OrderId, line: u32, carrier: &str, tracking_no: &str) -> Result<()> {
    conn.sql()
        .prepare_cached(
            "UPDATE order_line SET carrier = :carrier, tracking_no = :no WHERE order_id = :order AND line = :line",
        )?
        .execute(named_params! { ":carrier": carrier, ":no": tracking_no, ":order": order, ":line": line })?;
    Ok(())
}

/// Writes how many pieces of a line were brought back so far.
pub fn set_returned(conn: &Conn, order: OrderId, line: u32, returned: u32) -> Result<()> {
    conn.sql()
        .prepare_cached("UPDATE order_line SET returned_qty = :qty WHERE order_id = :order AND line = :line")?
        .execute(named_params! { ":qty": returned, ":order": order, ":line": line })?;
    Ok(())
}

/// Brings an order's state in step with its lines, and says what it is now.
pub fn refresh(conn: &Conn, id: OrderId, now: At) -> Result<OrderState> {
    let mut query = conn.sql().prepare_cached("SELECT state FROM order_line WHERE order_id = :id")?;
    let states: Vec<OrderState> = query
        .query_map(named_params! { ":id": id }, |row| word(row, "state", OrderState::from_word))?
        .collect::<rusqlite::Result<_>>()?;
    let state = OrderState::of_lines(states);
    conn.sql()
        .prepare_cached(
            "UPDATE orders SET state = :state, closed_at = CASE WHEN :open THEN NULL ELSE COALESCE(closed_at, :at) END
             WHERE id = :id",
        )?
        .execute(named_params! { ":state": state.word(), ":open": state.is_open(), ":at": Instant(now), ":id": id })?;
    Ok(state)
}

/// The journal entries about an order, in the order of booking.
pub fn entries(conn: &Conn, id: OrderId) -> Result<Vec<OrderEntry>> {
    let mut query = conn.sql().prepare_cached(
        "SELECT e.id, e.at, e.kind, e.ref, p.account, p.amount
         FROM entry e JOIN posting p ON p.entry_id = e.id
         WHERE e.kind IN ('order','delivery','cancel','return','resend') AND e.ref >= :from AND e.ref < :to
         ORDER BY e.id, p.line",
    )?;
    let (from, to) = references(id);
    let mut rows = query.query(named_params! { ":from": from, ":to": to })?;
    let mut entries: Vec<OrderEntry> = Vec::new();
    while let Some(row) = rows.next()? {
        let entry: EntryId = row.get("id")?;
        if entries.last().is_none_or(|last| last.id != entry) {
            entries.push(OrderEntry {
                id: entry,
                at: at(row, "at")?,
                kind: word(row, "kind", EntryKind::from_word)?,
                reference: row.get("ref")?,
                postings: Vec::new(),
            });
        }
        if let Some(last) = entries.last_mut() {
            last.postings.push((row.get("account")?, row.get("amount")?));
        }
    }
    Ok(entries)
}

/// How much wallet bonus an order has taken and not yet given back.
pub fn bonus_out(conn: &Conn, id: OrderId) -> Result<Money> {
    let mut query = conn.sql().prepare_cached(
        "SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) AS total
         FROM entry e JOIN posting p ON p.entry_id = e.id AND p.account = :bonus
         WHERE e.kind IN ('order','cancel','return') AND e.ref >= :from AND e.ref < :to",
    )?;
    let (from, to) = references(id);
    Ok(query.query_row(named_params! { ":bonus": WALLET_BONUS, ":from": from, ":to": to }, |row| row.get("total"))?)
}

/// The stretch of references that are `o-31` or begin with `o-31/`: in the order of bytes `0` comes right after `/`.
fn references(id: OrderId) -> (String, String) {
    (id.to_string(), format!("{id}0"))
}

fn lines_where(conn: &Conn, condition: &str, value: &dyn ToSql) -> Result<Vec<Line>> {
    let mut query = conn.sql().prepare_cached(&format!("SELECT {LINE} FROM order_line l WHERE {condition}"))?;
    let rows = query.query_map(named_params! { ":value": value }, line_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A sealed column of the row's customer; `None` once the customer is erased.
fn opened(conn: &Conn, row: &Row<'_>, column: &str) -> Result<Option<String>> {
    match (row.get::<_, Option<Vec<u8>>>("wrapped_key")?, row.get::<_, Option<Vec<u8>>>(column)?) {
        (Some(wrapped), Some(sealed)) => Ok(Some(conn.keys().customer_key(&wrapped)?.open_text(column, &sealed)?)),
        _ => Ok(None),
    }
}

fn order_row(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get("id")?,
        customer: row.get("customer_id")?,
        placed_at: at(row, "placed_at")?,
        placed_on: day(row, "placed_on")?,
        state: word(row, "state", OrderState::from_word)?,
        wallet_paid: row.get("wallet_paid")?,
        cash_paid: row.get("cash_paid")?,
        handover: word(row, "handover", Handover::from_word)?,
        resend_of: row.get("resend_of")?,
        note: row.get("note")?,
        closed_at: maybe_at(row, "closed_at")?,
    })
}

fn line_row(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        order: row.get("order_id")?,
        line: row.get("line")?,
        sku: row.get("sku")?,
        name: row.get("name")?,
        category: row.get("category")?,
        supplier: row.get("supplier")?,
        qty: row.get("qty")?,
        returned_qty: row.get("returned_qty")?,
        unit_price: row.get("unit_price")?,
        list_price: row.get("list_price")?,
        unit_cost: row.get("unit_cost")?,
        wallet_part: row.get("wallet_part")?,
        wallet_ok: row.get("wallet_ok")?,
        state: word(row, "state", OrderState::from_word)?,
        sent_at: maybe_at(row, "sent_at")?,
        shipped_at: maybe_at(row, "shipped_at")?,
        delivered_at: maybe_at(row, "delivered_at")?,
        carrier: row.get("carrier")?,
        tracking_no: row.get("tracking_no")?,
    })
}
