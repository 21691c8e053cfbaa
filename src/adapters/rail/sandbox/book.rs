//! The sandbox's own book: one SQLite file for all sandbox rails of a shop. Owns its tables and every query on them; decides
//! nothing. It is the one file outside `db/` that names rusqlite, because the shop's database must not know this book:
//! it stands for a provider's computer somewhere else.
//!
//! `synchronous` is NORMAL: a power cut may cost the pretended provider its last answers, never its consistency, and a
//! rehearsal is several times faster.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row, TransactionBehavior, named_params};

use super::fault::{Call, Fault, FaultKind, FaultSpan};
use super::rows::{Card, CardKind, Contract, ContractState, Notice, Order, OrderState, Payer, Refund};
use crate::domain::date::At;
use crate::domain::money::Money;
use crate::domain::rail::Reason;
use crate::t;

/// What a payer has who was never funded: enough that a rehearsal works out of the box.
pub const DEFAULT_BALANCE: Money = Money::from_fen(10_000_000);

/// The version of the tables below; a newer book is refused.
const VERSION: i64 = 1;

/// Moments are Unix seconds, days are ISO text in the rail's zone, money is fen.
const TABLES: &str = "
CREATE TABLE payer (
    payer    TEXT PRIMARY KEY,
    balance  INTEGER NOT NULL CHECK (balance >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE credit (
    payer  TEXT PRIMARY KEY,
    told   TEXT NOT NULL
) STRICT;

CREATE TABLE card (
    place      INTEGER PRIMARY KEY,
    payer      TEXT NOT NULL REFERENCES payer (payer),
    label      TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('debit', 'credit')),
    available  INTEGER NOT NULL CHECK (available >= 0),
    UNIQUE (payer, label)
) STRICT;

CREATE TABLE contract (
    rail         TEXT NOT NULL,
    contract_no  TEXT NOT NULL,
    provider_no  TEXT,
    payer        TEXT NOT NULL REFERENCES payer (payer),
    single_cap   INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    paid_count   INTEGER NOT NULL,
    first_date   TEXT NOT NULL,
    next_date    TEXT NOT NULL,
    valid_until  TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'live', 'ended')),
    signed_at    INTEGER,
    ended_at     INTEGER,
    ended_by     TEXT,
    PRIMARY KEY (rail, contract_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX contract_waiting ON contract (rail, contract_no) WHERE state = 'waiting';

CREATE TABLE notice (
    id           INTEGER PRIMARY KEY,
    rail         TEXT NOT NULL,
    contract_no  TEXT NOT NULL,
    given_at     INTEGER NOT NULL,
    amount       INTEGER NOT NULL,
    due          TEXT NOT NULL,
    used         INTEGER NOT NULL CHECK (used IN (0, 1))
) STRICT;
CREATE INDEX notice_unused ON notice (rail, contract_no) WHERE used = 0;

CREATE TABLE orders (
    rail         TEXT NOT NULL,
    order_no     TEXT NOT NULL,
    contract_no  TEXT,
    payer        TEXT,
    amount       INTEGER NOT NULL,
    subject      TEXT NOT NULL,
    cycle        TEXT,
    state        TEXT NOT NULL CHECK (state IN ('paid', 'declined', 'pending', 'closed', 'link_open')),
    reason       TEXT,
    code         TEXT NOT NULL,
    text         TEXT NOT NULL,
    trade_no     TEXT,
    created_at   INTEGER NOT NULL,
    decide_at    INTEGER,
    paid_at      INTEGER,
    paid_from    TEXT,
    fee          INTEGER NOT NULL,
    refunded     INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND amount OR amount <= 0),
    PRIMARY KEY (rail, order_no),
    CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
    CHECK ((state = 'declined') = (reason IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_pending ON orders (rail, contract_no) WHERE state = 'pending';
CREATE INDEX orders_cycle ON orders (rail, contract_no, cycle) WHERE state = 'paid';
CREATE INDEX orders_payer ON orders (rail, payer, paid_at) WHERE state = 'paid';
CREATE INDEX orders_day ON orders (rail, paid_at) WHERE state = 'paid';
CREATE INDEX orders_made ON orders (created_at);

CREATE TABLE refunds (
    rail       TEXT NOT NULL,
    refund_no  TEXT NOT NULL,
    order_no   TEXT NOT NULL,
    amount     INTEGER NOT NULL,
    fee_back   INTEGER NOT NULL,
    refused    TEXT,
    code       TEXT NOT NULL,
    text       TEXT NOT NULL,
    trade_no   TEXT,
    at         INTEGER NOT NULL,
    PRIMARY KEY (rail, refund_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX refunds_day ON refunds (rail, at) WHERE refused IS NULL;

CREATE TABLE fault (
    place   INTEGER PRIMARY KEY,
    rail    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    reason  TEXT,
    left    INTEGER,
    until   INTEGER,
    UNIQUE (rail, kind)
) STRICT;
";

/// The pretended provider's memory. One for all sandbox rails of a shop; shared between threads and between processes.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    /// None until somebody asks the provider: most commands never do, and opening a file costs them a fifth of their time.
    connection: Mutex<Option<Connection>>,
}

impl Book {
    /// Opens the book in the file at `path`, and starts one where there is none.
    ///
    /// # Errors
    /// When the file cannot be read or written, is not such a book, or was written by a newer kibble.
    pub fn open(path: &Path) -> anyhow::Result<Book> {
        let book = Book::at(path);
        book.write(|_| Ok(()))?;
        Ok(book)
    }

    /// The book in the file at `path`, which is opened by the first who uses it; what [`Book::open`] refuses is refused then.
    pub fn at(path: &Path) -> Book {
        Book { path: path.to_owned(), connection: Mutex::new(None) }
    }

    /// A book that ends with the process, for tests and benches.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory() -> anyhow::Result<Book> {
        let connection = Book::prepared(Connection::open_in_memory()?)?;
        Ok(Book { path: PathBuf::from(":memory:"), connection: Mutex::new(Some(connection)) })
    }

    fn opened(&self) -> anyhow::Result<Connection> {
        let named = || t!("cannot open the sandbox's book {path}", path = self.path.display());
        let connection = Connection::open(&self.path).with_context(named)?;
        Book::prepared(connection).with_context(named)
    }

    fn prepared(mut connection: Connection) -> anyhow::Result<Connection> {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        // A book in memory keeps no log and answers `memory`; that is fine.
        let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Two processes may start the same book; the second one finds it made.
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match tx.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
            0 => {
                tx.execute_batch(TABLES)?;
                tx.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            newer => bail!(t!(
                "the book has version {found}, this kibble knows version {known}",
                found = newer,
                known = VERSION
            )),
        }
        tx.commit()?;
        Ok(connection)
    }

    /// Does `work` as one transaction that no other process or thread can come between. An error undoes all of it.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Page<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        // A thread that panicked inside its transaction has rolled it back: the book is sound.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(self.opened()?),
        };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&Page { db: &tx })?;
        tx.commit()?;
        Ok(done)
    }
}

/// The orders of one rail in one state.
pub(super) struct StateSum {
    pub(super) rail: String,
    pub(super) state: OrderState,
    pub(super) count: i64,
    pub(super) amount: Money,
    pub(super) refunded: Money,
}

/// The book inside one transaction.
pub(super) struct Page<'c> {
    db: &'c Connection,
}

/// Payers and what they can pay from.
impl Page<'_> {
    /// Makes the payer known, with the default balance, unless it is known already.
    pub(super) fn know_payer(&self, payer: &str) -> anyhow::Result<()> {
        self.run(
            "INSERT INTO payer (payer, balance) VALUES (:payer, :balance) ON CONFLICT DO NOTHING",
            named_params! { ":payer": payer, ":balance": DEFAULT_BALANCE.fen() },
        )?;
        Ok(())
    }

    pub(super) fn set_balance(&self, payer: &str, balance: Money) -> anyhow::Result<()> {
        self.run(
            "UPDATE payer SET balance = :balance WHERE payer = :payer",
            named_params! { ":payer": payer, ":balance": balance.fen() },
        )?;
        Ok(())
    }

    pub(super) fn set_card(&self, payer: &str, card: &Card) -> anyhow::Result<()> {
        self.run(
            "INSERT INTO card (payer, label, kind, available) VALUES (:payer, :label, :kind, :available)
             ON CONFLICT (payer, label) DO UPDATE SET kind = excluded.kind, available = excluded.available",
            named_params! {
                ":payer": payer, ":label": card.label, ":kind": card.kind.word(), ":available": card.available.fen(),
            },
        )?;
        Ok(())
    }

    pub(super) fn drop_card(&self, payer: &str, label: &str) -> anyhow::Result<bool> {
        let sql = "DELETE FROM card WHERE payer = :payer AND label = :label";
        Ok(self.run(sql, named_params! { ":payer": payer, ":label": label })? > 0)
    }

    pub(super) fn set_credit(&self, payer: &str, told: &str) -> anyhow::Result<()> {
        self.run(
            "INSERT INTO credit (payer, told) VALUES (:payer, :told) ON CONFLICT (payer) DO UPDATE SET told = excluded.told",
            named_params! { ":payer": payer, ":told": told },
        )?;
        Ok(())
    }

    pub(super) fn credit(&self, payer: &str) -> anyhow::Result<Option<String>> {
        let sql = "SELECT told FROM credit WHERE payer = :payer";
        self.one(sql, named_params! { ":payer": payer }, |row| row.get("told"))
    }

    pub(super) fn balance(&self, payer: &str) -> anyhow::Result<Option<Money>> {
        let sql = "SELECT balance FROM payer WHERE payer = :payer";
        self.one(sql, named_params! { ":payer": payer }, |row| money(row, "balance"))
    }

    pub(super) fn cards(&self, payer: &str) -> anyhow::Result<Vec<Card>> {
        self.all(
            "SELECT label, kind, available FROM card WHERE payer = :payer ORDER BY place",
            named_params! { ":payer": payer },
            card,
        )
    }

    /// Adds `amount` (negative takes) to the balance.
    pub(super) fn add_to_balance(&self, payer: &str, amount: Money) -> anyhow::Result<()> {
        self.run(
            "UPDATE payer SET balance = balance + :amount WHERE payer = :payer",
            named_params! { ":payer": payer, ":amount": amount.fen() },
        )?;
        Ok(())
    }

    /// Adds `amount` (negative takes) to what a card can pay; false where the card has been taken away.
    pub(super) fn add_to_card(&self, payer: &str, label: &str, amount: Money) -> anyhow::Result<bool> {
        let changed = self.run(
            "UPDATE card SET available = available + :amount WHERE payer = :payer AND label = :label",
            named_params! { ":payer": payer, ":label": label, ":amount": amount.fen() },
        )?;
        Ok(changed > 0)
    }

    pub(super) fn payers(&self) -> anyhow::Result<Vec<Payer>> {
        let bare = self.all("SELECT payer, balance FROM payer ORDER BY payer", [], |row| {
            Ok(Payer { payer: row.get("payer")?, balance: money(row, "balance")?, cards: Vec::new() })
        })?;
        bare.into_iter()
            .map(|payer| {
                let cards = self.cards(&payer.payer)?;
                Ok(Payer { cards, ..payer })
            })
            .collect()
    }
}

/// Contracts and notices.
impl Page<'_> {
    pub(super) fn contract(&self, rail: &str, contract_no: &str) -> anyhow::Result<Option<Contract>> {
        self.one(
            "SELECT rail, contract_no, provider_no, payer, single_cap, count, paid_count, first_date, next_date,
                    valid_until, state, signed_at, ended_at, ended_by
             FROM contract WHERE rail = :rail AND contract_no = :contract_no",
            named_params! { ":rail": rail, ":contract_no": contract_no },
            contract,
        )
    }

    pub(super) fn contracts(&self) -> anyhow::Result<Vec<Contract>> {
        self.all(
            "SELECT rail, contract_no, provider_no, payer, single_cap, count, paid_count, first_date, next_date,
                    valid_until, state, signed_at, ended_at, ended_by
             FROM contract ORDER BY rail, contract_no",
            [],
            contract,
        )
    }

    pub(super) fn waiting(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.all(
            "SELECT rail, contract_no FROM contract WHERE state = 'waiting' ORDER BY rail, contract_no",
            [],
            |row| Ok((row.get("rail")?, row.get("contract_no")?)),
        )
    }

    /// Writes a contract, new or changed.
    pub(super) fn save_contract(&self, it: &Contract) -> anyhow::Result<()> {
        self.run(
            "INSERT INTO contract (rail, contract_no, provider_no, payer, single_cap, count, paid_count, first_date,
                                   next_date, valid_until, state, signed_at, ended_at, ended_by)
             VALUES (:rail, :contract_no, :provider_no, :payer, :single_cap, :count, :paid_count, :first_date,
                     :next_date, :valid_until, :state, :signed_at, :ended_at, :ended_by)
             ON CONFLICT (rail, contract_no) DO UPDATE SET
                 provider_no = excluded.provider_no, payer = excluded.payer, single_cap = excluded.single_cap,
                 count = excluded.count, paid_count = excluded.paid_count, first_date = excluded.first_date,
                 next_date = excluded.next_date, valid_until = excluded.valid_until, state = excluded.state,
                 signed_at = excluded.signed_at, ended_at = excluded.ended_at, ended_by = excluded.ended_by",
            named_params! {
                ":rail": it.rail, ":contract_no": it.contract_no, ":provider_no": it.provider_no, ":payer": it.payer,
                ":single_cap": it.single_cap.fen(), ":count": it.count, ":paid_count": it.paid_count,
                ":first_date": it.first_date.to_string(), ":next_date": it.next_date.to_string(),
                ":valid_until": it.valid_until.to_string(), ":state": it.state.word(),
                ":signed_at": seconds(it.signed_at), ":ended_at": seconds(it.ended_at), ":ended_by": it.ended_by,
            },
        )?;
        Ok(())
    }

    /// The newest notice that no success has used.
    pub(super) fn notice(&self, rail: &str, contract_no: &str) -> anyhow::Result<Option<Notice>> {
        self.one(
            "SELECT id, given_at, amount, due FROM notice
             WHERE rail = :rail AND contract_no = :contract_no AND used = 0 ORDER BY id DESC LIMIT 1",
            named_params! { ":rail": rail, ":contract_no": contract_no },
            |row| {
                Ok(Notice {
                    id: row.get("id")?,
                    given_at: at(row, "given_at")?,
                    amount: money(row, "amount")?,
                    due: date(row, "due")?,
                })
            },
        )
    }

    pub(super) fn add_notice(
        &self,
        rail: &str,
        contract_no: &str,
        given_at: At,
        amount: Money,
        due: NaiveDate,
    ) -> anyhow::Result<()> {
        self.run(
            "INSERT INTO notice (rail, contract_no, given_at, amount, due, used)
             VALUES (:rail, :contract_no, :given_at, :amount, :due, 0)",
            named_params! {
                ":rail": rail, ":contract_no": contract_no, ":given_at": given_at.timestamp(), ":amount": amount.fen(),
                ":due": due.to_string(),
            },
        )?;
        Ok(())
    }

    /// Notes that a success used up every notice of the contract so far.
    pub(super) fn use_notices(&self, rail: &str, contract_no: &str) -> anyhow::Result<()> {
        self.run(
            "UPDATE notice SET used = 1 WHERE rail = :rail AND contract_no = :contract_no AND used = 0",
            named_params! { ":rail": rail, ":contract_no": contract_no },
        )?;
        Ok(())
    }
}

/// The columns of an order, in every query that reads one.
macro_rules! order_columns {
    () => {
        "rail, order_no, contract_no, payer, amount, subject, cycle, state, reason, code, text, trade_no, created_at, \
         decide_at, paid_at, paid_from, fee, refunded"
    };
}

/// Orders and refunds.
impl Page<'_> {
    pub(super) fn order(&self, rail: &str, order_no: &str) -> anyhow::Result<Option<Order>> {
        self.one(
            concat!("SELECT ", order_columns!(), " FROM orders WHERE rail = :rail AND order_no = :order_no"),
            named_params! { ":rail": rail, ":order_no": order_no },
            order,
        )
    }

    pub(super) fn add_order(&self, it: &Order) -> anyhow::Result<()> {
        self.run(
            concat!(
                "INSERT INTO orders (",
                order_columns!(),
                ") VALUES (:rail, :order_no, :contract_no, :payer, :amount, :subject, :cycle, :state, :reason, :code, \
                 :text, :trade_no, :created_at, :decide_at, :paid_at, :paid_from, :fee, :refunded)"
            ),
            named_params! {
                ":rail": it.rail, ":order_no": it.order_no, ":contract_no": it.contract_no, ":payer": it.payer,
                ":amount": it.amount.fen(), ":subject": it.subject, ":cycle": it.cycle, ":state": it.state.word(),
                ":reason": it.reason.map(Reason::word), ":code": it.code, ":text": it.text, ":trade_no": it.trade_no,
                ":created_at": it.created_at.timestamp(), ":decide_at": seconds(it.decide_at),
                ":paid_at": seconds(it.paid_at), ":paid_from": it.paid_from, ":fee": it.fee.fen(),
                ":refunded": it.refunded.fen(),
            },
        )?;
        Ok(())
    }

    /// Writes what became of an order that exists.
    pub(super) fn save_order(&self, it: &Order) -> anyhow::Result<()> {
        self.run(
            "UPDATE orders SET state = :state, reason = :reason, code = :code, text = :text, trade_no = :trade_no,
                 paid_at = :paid_at, paid_from = :paid_from, fee = :fee, refunded = :refunded
             WHERE rail = :rail AND order_no = :order_no",
            named_params! {
                ":rail": it.rail, ":order_no": it.order_no, ":state": it.state.word(),
                ":reason": it.reason.map(Reason::word), ":code": it.code, ":text": it.text, ":trade_no": it.trade_no,
                ":paid_at": seconds(it.paid_at), ":paid_from": it.paid_from, ":fee": it.fee.fen(),
                ":refunded": it.refunded.fen(),
            },
        )?;
        Ok(())
    }

    /// The undecided debits of one contract.
    pub(super) fn pending_of(&self, rail: &str, contract_no: &str) -> anyhow::Result<Vec<Order>> {
        self.all(
            concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders WHERE rail = :rail AND contract_no = :contract_no AND state = 'pending' ORDER BY decide_at, order_no"
            ),
            named_params! { ":rail": rail, ":contract_no": contract_no },
            order,
        )
    }

    /// The undecided debits of the rail whose time had come by `now`.
    pub(super) fn pending_by(&self, rail: &str, now: At) -> anyhow::Result<Vec<Order>> {
        self.all(
            concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders WHERE rail = :rail AND state = 'pending' AND decide_at <= :now ORDER BY decide_at, order_no"
            ),
            named_params! { ":rail": rail, ":now": now.timestamp() },
            order,
        )
    }

    /// How many debits of a contract were paid in `cycle`.
    pub(super) fn paid_in_cycle(&self, rail: &str, contract_no: &str, cycle: &str) -> anyhow::Result<u32> {
        let count = self.one(
            "SELECT count(*) AS n FROM orders
             WHERE rail = :rail AND contract_no = :contract_no AND cycle = :cycle AND state = 'paid'",
            named_params! { ":rail": rail, ":contract_no": contract_no, ":cycle": cycle },
            |row| row.get("n"),
        )?;
        Ok(count.unwrap_or(0))
    }

    /// What was debited from a payer since `from`.
    pub(super) fn spent_since(&self, rail: &str, payer: &str, from: At) -> anyhow::Result<Money> {
        let sum = self.one(
            "SELECT coalesce(sum(amount), 0) AS sum FROM orders
             WHERE rail = :rail AND payer = :payer AND paid_at >= :from AND state = 'paid'",
            named_params! { ":rail": rail, ":payer": payer, ":from": from.timestamp() },
            |row| money(row, "sum"),
        )?;
        Ok(sum.unwrap_or_default())
    }

    /// Orders paid from `from` to before `to`, oldest first.
    pub(super) fn paid_between(&self, rail: &str, from: At, to: At) -> anyhow::Result<Vec<Order>> {
        self.all(
            concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders WHERE rail = :rail AND paid_at >= :from AND paid_at < :to AND state = 'paid' ORDER BY paid_at, order_no"
            ),
            named_params! { ":rail": rail, ":from": from.timestamp(), ":to": to.timestamp() },
            order,
        )
    }

    /// Hands every order of the rail to `visit`, by order number, one at a time.
    /// Orders of all rails that arrived at `from` or later.
    pub(super) fn made_since(&self, from: At) -> anyhow::Result<Vec<Order>> {
        self.all(
            concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders WHERE created_at >= :from ORDER BY created_at, rail, order_no"
            ),
            named_params! { ":from": from.timestamp() },
            order,
        )
    }

    pub(super) fn each_order(
        &self,
        rail: &str,
        visit: &mut dyn FnMut(Order) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let sql = concat!("SELECT ", order_columns!(), " FROM orders WHERE rail = :rail ORDER BY order_no");
        let mut statement = self.db.prepare_cached(sql)?;
        for found in statement.query_map(named_params! { ":rail": rail }, order)? {
            visit(found?)?;
        }
        Ok(())
    }

    /// Counts and sums by rail and state.
    pub(super) fn sums(&self) -> anyhow::Result<Vec<StateSum>> {
        self.all(
            "SELECT rail, state, count(*) AS n, sum(amount) AS amount, sum(refunded) AS refunded
             FROM orders GROUP BY rail, state ORDER BY rail, state",
            [],
            |row| {
                Ok(StateSum {
                    rail: row.get("rail")?,
                    state: word(row, "state", OrderState::from_word)?,
                    count: row.get("n")?,
                    amount: money(row, "amount")?,
                    refunded: money(row, "refunded")?,
                })
            },
        )
    }

    pub(super) fn refund(&self, rail: &str, refund_no: &str) -> anyhow::Result<Option<Refund>> {
        self.one(
            "SELECT rail, refund_no, order_no, amount, fee_back, refused, code, text, trade_no, at
             FROM refunds WHERE rail = :rail AND refund_no = :refund_no",
            named_params! { ":rail": rail, ":refund_no": refund_no },
            refund,
        )
    }

    pub(super) fn add_refund(&self, it: &Refund) -> anyhow::Result<()> {
        self.run(
            "INSERT INTO refunds (rail, refund_no, order_no, amount, fee_back, refused, code, text, trade_no, at)
             VALUES (:rail, :refund_no, :order_no, :amount, :fee_back, :refused, :code, :text, :trade_no, :at)",
            named_params! {
                ":rail": it.rail, ":refund_no": it.refund_no, ":order_no": it.order_no, ":amount": it.amount.fen(),
                ":fee_back": it.fee_back.fen(), ":refused": it.refused.map(Reason::word), ":code": it.code,
                ":text": it.text, ":trade_no": it.trade_no, ":at": it.at.timestamp(),
            },
        )?;
        Ok(())
    }

    /// Refunds made from `from` to before `to`, oldest first.
    pub(super) fn refunded_between(&self, rail: &str, from: At, to: At) -> anyhow::Result<Vec<Refund>> {
        self.all(
            "SELECT rail, refund_no, order_no, amount, fee_back, refused, code, text, trade_no, at FROM refunds
             WHERE rail = :rail AND at >= :from AND at < :to AND refused IS NULL ORDER BY at, refund_no",
            named_params! { ":rail": rail, ":from": from.timestamp(), ":to": to.timestamp() },
            refund,
        )
    }
}

/// Faults.
impl Page<'_> {
    pub(super) fn set_fault(
        &self,
        rail: &str,
        kind: FaultKind,
        span: FaultSpan,
        reason: Option<Reason>,
    ) -> anyhow::Result<()> {
        let (left, until) = match span {
            FaultSpan::Times(times) => (Some(times), None),
            FaultSpan::Until(until) => (None, Some(until)),
        };
        self.drop_fault(rail, kind)?;
        if left == Some(0) {
            return Ok(());
        }
        self.run(
            "INSERT INTO fault (rail, kind, reason, left, until) VALUES (:rail, :kind, :reason, :left, :until)",
            named_params! {
                ":rail": rail, ":kind": kind.word(), ":reason": reason.map(Reason::word), ":left": left,
                ":until": seconds(until),
            },
        )?;
        Ok(())
    }

    pub(super) fn faults(&self) -> anyhow::Result<Vec<Fault>> {
        self.all("SELECT rail, kind, reason, left, until FROM fault ORDER BY rail, place", [], fault)
    }

    /// The fault that strikes this call, counted down; `None` on a normal call.
    pub(super) fn strike(&self, rail: &str, call: Call, now: At) -> anyhow::Result<Option<Fault>> {
        let faults = self.all(
            "SELECT rail, kind, reason, left, until FROM fault WHERE rail = :rail ORDER BY place",
            named_params! { ":rail": rail },
            fault,
        )?;
        for found in faults {
            if found.until.is_some_and(|until| until <= now) {
                self.drop_fault(rail, found.kind)?;
                continue;
            }
            if !found.kind.strikes(call) {
                continue;
            }
            match found.left {
                Some(0 | 1) => self.drop_fault(rail, found.kind)?,
                Some(_) => self.count_down(rail, found.kind)?,
                None => {}
            }
            return Ok(Some(found));
        }
        Ok(None)
    }

    fn drop_fault(&self, rail: &str, kind: FaultKind) -> anyhow::Result<()> {
        let sql = "DELETE FROM fault WHERE rail = :rail AND kind = :kind";
        self.run(sql, named_params! { ":rail": rail, ":kind": kind.word() })?;
        Ok(())
    }

    fn count_down(&self, rail: &str, kind: FaultKind) -> anyhow::Result<()> {
        let sql = "UPDATE fault SET left = left - 1 WHERE rail = :rail AND kind = :kind";
        self.run(sql, named_params! { ":rail": rail, ":kind": kind.word() })?;
        Ok(())
    }
}

/// The three ways of asking SQLite; every statement is prepared once.
impl Page<'_> {
    fn run(&self, sql: &str, params: impl Params) -> anyhow::Result<usize> {
        Ok(self.db.prepare_cached(sql)?.execute(params)?)
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        Ok(self.db.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let found = statement.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>()?;
        Ok(found)
    }
}

fn contract(row: &Row<'_>) -> rusqlite::Result<Contract> {
    Ok(Contract {
        rail: row.get("rail")?,
        contract_no: row.get("contract_no")?,
        provider_no: row.get("provider_no")?,
        payer: row.get("payer")?,
        single_cap: money(row, "single_cap")?,
        count: row.get("count")?,
        paid_count: row.get("paid_count")?,
        first_date: date(row, "first_date")?,
        next_date: date(row, "next_date")?,
        valid_until: date(row, "valid_until")?,
        state: word(row, "state", ContractState::from_word)?,
        signed_at: maybe_at(row, "signed_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        ended_by: row.get("ended_by")?,
    })
}

fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        rail: row.get("rail")?,
        order_no: row.get("order_no")?,
        contract_no: row.get("contract_no")?,
        payer: row.get("payer")?,
        amount: money(row, "amount")?,
        subject: row.get("subject")?,
        cycle: row.get("cycle")?,
        state: word(row, "state", OrderState::from_word)?,
        reason: maybe_reason(row, "reason")?,
        code: row.get("code")?,
        text: row.get("text")?,
        trade_no: row.get("trade_no")?,
        created_at: at(row, "created_at")?,
        decide_at: maybe_at(row, "decide_at")?,
        paid_at: maybe_at(row, "paid_at")?,
        paid_from: row.get("paid_from")?,
        fee: money(row, "fee")?,
        refunded: money(row, "refunded")?,
    })
}

fn refund(row: &Row<'_>) -> rusqlite::Result<Refund> {
    Ok(Refund {
        rail: row.get("rail")?,
        refund_no: row.get("refund_no")?,
        order_no: row.get("order_no")?,
        amount: money(row, "amount")?,
        fee_back: money(row, "fee_back")?,
        refused: maybe_reason(row, "refused")?,
        code: row.get("code")?,
        text: row.get("text")?,
        trade_no: row.get("trade_no")?,
        at: at(row, "at")?,
    })
}

fn card(row: &Row<'_>) -> rusqlite::Result<Card> {
    Ok(Card {
        label: row.get("label")?,
        kind: word(row, "kind", CardKind::from_word)?,
        available: money(row, "available")?,
    })
}

fn fault(row: &Row<'_>) -> rusqlite::Result<Fault> {
    Ok(Fault {
        rail: row.get("rail")?,
        kind: word(row, "kind", FaultKind::from_word)?,
        reason: maybe_reason(row, "reason")?,
        left: row.get("left")?,
        until: maybe_at(row, "until")?,
    })
}

fn seconds(at: Option<At>) -> Option<i64> {
    at.map(|at| at.timestamp())
}

fn money(row: &Row<'_>, column: &str) -> rusqlite::Result<Money> {
    row.get(column).map(Money::from_fen)
}

fn at(row: &Row<'_>, column: &str) -> rusqlite::Result<At> {
    moment_of(row.get(column)?, column)
}

fn maybe_at(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<At>> {
    row.get::<_, Option<i64>>(column)?.map(|seconds| moment_of(seconds, column)).transpose()
}

fn moment_of(seconds: i64, column: &str) -> rusqlite::Result<At> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| strange(column, Type::Integer))
}

fn date(row: &Row<'_>, column: &str) -> rusqlite::Result<NaiveDate> {
    word(row, column, |text| text.parse().ok())
}

fn maybe_reason(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Reason>> {
    let found: Option<String> = row.get(column)?;
    found.map(|text| Reason::from_word(&text).ok_or_else(|| strange(column, Type::Text))).transpose()
}

fn word<T>(row: &Row<'_>, column: &str, read: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| strange(column, Type::Text))
}

/// A value in the book that this program never writes.
fn strange(column: &str, kind: Type) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, kind, format!("strange value in column {column}").into())
}
