//! `kibble report`: the definitions against the data set of the domain facts, and the exported files against the books, read
//! back by other programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, NaiveDate, Utc};
use kibble::db;
use kibble::db::agreement::NewAgreement;
use kibble::db::charge::{NewCharge, Outcome};
use kibble::db::customer::NewCustomer;
use kibble::db::installment::NewInstallment;
use kibble::db::pet::NewPet;
use kibble::db::refund::NewRefund;
use kibble::domain::agreement::AgreementSource;
use kibble::domain::charge::{ChargeKind, ChargeState, InstallmentState};
use kibble::domain::date::FirstDebit;
use kibble::domain::id::{AgreementId, ChargeId, CustomerId, InstallmentId};
use kibble::domain::journal::{Account, Entry, EntryKind};
use kibble::domain::money::Money;
use kibble::domain::op::Op;
use kibble::domain::pet::{Sex, Status};
use kibble::domain::rail::Reason;
use kibble::domain::refund::RefundState;
use kibble::ops::Ctx;
use serde_json::Value;

use crate::shop::Shop;

/// A shop whose books are written directly, so that every figure of a report is known beforehand.
struct Books {
    shop: Shop,
    ctx: Ctx,
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}+08:00")).unwrap().to_utc()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn fen(fen: i64) -> Money {
    Money::from_fen(fen)
}

const TERM: i64 = 19_900;

impl Books {
    fn opened() -> Books {
        let mut shop = Shop::opened();
        shop.at("2026-12-02T10:00");
        let ctx = Ctx::open(&shop.dir(), Some("2026-10-01T09:00")).unwrap();
        Books { shop, ctx }
    }

    fn write<T>(&self, work: impl FnOnce(&db::Conn) -> anyhow::Result<T>) -> T {
        let op = Op::Exported { what: "test".to_owned(), rows: 0, reason: String::new() };
        self.ctx.db.write(self.ctx.now(), |tx| Ok((work(tx)?, op))).unwrap()
    }

    fn customer(&self, name: &str, phone: &str) -> CustomerId {
        let new = NewCustomer {
            name: name.to_owned(),
            phone: phone.to_owned(),
            id_number: format!("id of {phone}"),
            address: None,
            lang: "zh".to_owned(),
        };
        self.write(|tx| db::customer::insert(tx, &new, self.ctx.now()))
    }

    /// An active agreement of 12 terms, signed on 1 October 2026.
    fn agreement(&self, customer: CustomerId) -> AgreementId {
        let now = self.ctx.now();
        self.write(|tx| {
            let pet = db::pet::insert(tx, &pet(customer), day("2026-10-01"), now)?;
            let new = NewAgreement {
                no: format!("KB-{customer}"),
                customer,
                pet,
                plan_code: "cat-199-12".to_owned(),
                plan_name: "猫粮月付".to_owned(),
                source: AgreementSource::Signed,
                monthly: fen(TERM),
                terms: 12,
                anchor_day: 5,
                first_debit: FirstDebit::NextMonth,
                signed_on: day("2026-10-01"),
                signed_at: now,
                ends_on: day("2027-11-04"),
                paid_before: 0,
                reference_cost: Money::ZERO,
                conditions: self.ctx.config.settings.terms.conditions(15),
                lang: "zh".to_owned(),
                template: "test 1".to_owned(),
                text: None,
                text_sha256: None,
                shown: "{}".to_owned(),
                import_row: None,
            };
            let id = db::agreement::insert(tx, &new)?;
            db::agreement::activate(tx, id, now)?;
            Ok(id)
        })
    }

    fn term(&self, agreement: AgreementId, term: u32, due: &str) -> InstallmentId {
        let id = InstallmentId { agreement, term };
        let new = NewInstallment {
            id,
            due: day(due),
            registered: day(due),
            amount: fen(TERM),
            state: InstallmentState::Open,
        };
        self.write(|tx| db::installment::create(tx, &new));
        id
    }

    /// An attempt with its answer, booked when it is paid.
    fn attempt(&self, id: InstallmentId, attempt: u32, kind: ChargeKind, when: &str, paid: bool) -> ChargeId {
        let when = at(when);
        let customer = db::agreement::get(self.ctx.db.read(), id.agreement).unwrap().unwrap().customer;
        self.write(|tx| {
            let order_no = format!("2026112122001400{:06}{:02}{attempt:02}", id.agreement.number(), id.term);
            let new = NewCharge {
                installment: id,
                attempt,
                kind,
                mandate: None,
                rail: "alipay",
                order_no: &order_no,
                amount: fen(TERM),
                run: None,
            };
            let charge = db::charge::note(tx, &new, when)?;
            let outcome = Outcome {
                state: if paid { ChargeState::Paid } else { ChargeState::Declined },
                reason: (!paid).then_some(Reason::NoFunds),
                code: "",
                said: "",
                trade_no: Some("2026112122001400001234567890"),
                pending_until: None,
                paid_at: paid.then_some(when),
                asked_at: when,
                run: None,
            };
            db::charge::answer(tx, charge, &outcome)?;
            if paid {
                db::installment::set_paid(tx, id, when)?;
                let entry = Entry::new(EntryKind::Charge, charge)
                    .of(customer)
                    .noted(id.to_string())
                    .debit(Account::RailClearing("alipay".to_owned()), fen(TERM))
                    .credit(Account::WalletPrincipal(customer), fen(TERM));
                db::journal::book(tx, &entry, self.ctx.today(when), when)?;
            }
            Ok(charge)
        })
    }

    fn debit(&self, id: InstallmentId, attempt: u32, when: &str, paid: bool) -> ChargeId {
        self.attempt(id, attempt, ChargeKind::Debit, when, paid)
    }

    fn book(&self, entry: &Entry, on: &str) {
        assert!(entry.balances());
        self.write(|tx| db::journal::book(tx, entry, day(on), at(&format!("{on}T12:00:00"))));
    }

    /// An order line of 7,200 fen paid by the wallet and delivered, of which one piece of two came back when `returned`.
    fn order(&self, customer: CustomerId, order: i64, on: &str, returned: bool) {
        let sql = rusqlite::Connection::open(self.shop.path("shop.db")).unwrap();
        let when = format!("{on}T04:00:00Z");
        sql.execute(
            "INSERT INTO orders (id, customer_id, placed_at, placed_on, state, wallet_paid, cash_paid, handover, note)
             VALUES (?1, ?2, ?3, ?4, 'delivered', 7200, 0, 'counter', '')",
            rusqlite::params![order, customer.number(), when, on],
        )
        .unwrap();
        sql.execute(
            "INSERT INTO order_line (order_id, line, sku, name, category, supplier, qty, returned_qty, unit_price, list_price,
                                     unit_cost, wallet_part, wallet_ok, state, delivered_at)
             VALUES (?1, 1, '00123', '鸡肉猫粮', 'staple', 's', 2, ?2, 3600, 3900, 2000, 7200, 1, 'delivered', ?3)",
            rusqlite::params![order, i64::from(returned), when],
        )
        .unwrap();
        let entry = |kind, reference: String| Entry::new(kind, reference).of(customer);
        self.book(
            &entry(EntryKind::Order, format!("o-{order}"))
                .debit(Account::WalletPrincipal(customer), fen(7_200))
                .credit(Account::OrdersOpen, fen(7_200)),
            on,
        );
        self.book(
            &entry(EntryKind::Delivery, format!("o-{order}/1"))
                .debit(Account::OrdersOpen, fen(7_200))
                .credit(Account::Sales("staple".to_owned()), fen(7_200))
                .debit(Account::Cost, fen(4_000))
                .credit(Account::Suppliers, fen(4_000)),
            on,
        );
        if returned {
            self.book(
                &entry(EntryKind::Return, format!("o-{order}/1/1"))
                    .debit(Account::Sales("staple".to_owned()), fen(3_600))
                    .credit(Account::WalletPrincipal(customer), fen(3_600))
                    .debit(Account::Suppliers, fen(2_000))
                    .credit(Account::Cost, fen(2_000)),
                on,
            );
        }
    }

    fn refund(&self, customer: CustomerId, charge: ChargeId, amount: i64, on: &str) {
        let when = at(&format!("{on}T15:00:00"));
        let refund = self.write(|tx| {
            let new = NewRefund {
                charge: Some(charge),
                customer,
                statement: None,
                rail: "alipay",
                refund_no: &format!("20261121220014000012345{charge}"),
                amount: fen(amount),
                why: "-1 day late; (goodwill)",
                line: None,
            };
            let refund = db::refund::note(tx, &new, when)?;
            db::refund::answer(tx, refund, RefundState::Paid, "", "", Some(when), when)?;
            Ok(refund)
        });
        let due = Account::RefundsDue(customer);
        self.book(
            &Entry::new(EntryKind::RefundDue, refund)
                .of(customer)
                .debit(Account::WalletPrincipal(customer), fen(amount))
                .credit(due.clone(), fen(amount)),
            on,
        );
        self.book(
            &Entry::new(EntryKind::RefundPaid, refund)
                .of(customer)
                .noted("refund; (part) | date:2026-13-45")
                .debit(due, fen(amount))
                .credit(Account::RailClearing("alipay".to_owned()), fen(amount)),
            on,
        );
    }

    /// The data set of domain facts 6.4: 20 terms of 199.00; attempt 1: 16 succeed; attempt 2 on 4: 1; attempt 3 on 3: 1; one
    /// of the last two pays by link. Returns the customers.
    fn micro_data_set(&self) -> Vec<CustomerId> {
        let names = ["=1+1", "王小明", "+86 138"];
        (0..20u32)
            .map(|place| {
                let name = names.get(place as usize).map_or_else(|| format!("客户{place}"), |name| (*name).to_owned());
                let customer = self.customer(&name, &format!("199000000{place:02}"));
                let id = self.term(self.agreement(customer), 1, "2026-11-05");
                self.debit(id, 1, "2026-11-05T09:00:00", place < 16);
                if place >= 16 {
                    self.debit(id, 2, "2026-11-05T17:00:00", place == 16);
                }
                if place >= 17 {
                    // The next day in the zone of the database as well, one minute inside the 24 hours.
                    self.debit(id, 3, "2026-11-06T08:59:00", place == 17);
                }
                if place == 18 {
                    self.attempt(id, 4, ChargeKind::Link, "2026-11-20T12:00:00", true);
                }
                customer
            })
            .collect()
    }

    /// What happens in a month beside debits: an October term, orders, a return, a refund.
    fn busy_month(&self) -> Vec<CustomerId> {
        let customers = self.micro_data_set();
        let earlier = self.customer("李四", "19900000090");
        let term = self.term(self.agreement(earlier), 1, "2026-10-05");
        let charge = self.debit(term, 1, "2026-10-05T09:00:00", true);
        self.order(earlier, 31, "2026-10-20", false);
        self.order(earlier, 32, "2026-11-10", true);
        self.order(customers[0], 33, "2026-11-11", false);
        self.refund(earlier, charge, 5_000, "2026-11-12");
        customers.into_iter().chain([earlier]).collect()
    }

    fn overview(&self, line: &str) -> Value {
        self.shop.run(&format!("report overview {line} --json")).exits(0).json()
    }

    fn export(&self, line: &str) -> Value {
        self.shop.run(&format!("report export --month 2026-11 --out out {line} --json")).exits(0).json()
    }

    /// The wallet of a customer at the end of November, by the books.
    fn wallet(&self, customer: CustomerId) -> Money {
        let (principal, bonus) = db::journal::wallet(self.ctx.db.read(), customer).unwrap();
        principal + bonus
    }
}

fn pet(customer: CustomerId) -> NewPet {
    NewPet {
        customer: Some(customer),
        name: "咪咪".to_owned(),
        species: "cat".to_owned(),
        breed: "田园猫".to_owned(),
        sex: Sex::Female,
        birth_date: None,
        birth_estimated: false,
        chip_no: None,
        quarantine_no: None,
        source: "rescued".to_owned(),
        reference_cost: Money::ZERO,
        status: Status::Adopted,
        note: String::new(),
    }
}

/// A CSV as another program reads it: header and rows.
fn csv_of(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbf"), "no mark of UTF-8: {}", path.display());
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, bytes.windows(2).filter(|pair| pair == b"\r\n").count(), "{}", path.display());
    let mut reader = csv::Reader::from_reader(&bytes[3..]);
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (header, rows)
}

fn column(path: &Path, name: &str) -> Vec<String> {
    let (header, rows) = csv_of(path);
    let place = header.iter().position(|it| it == name).unwrap_or_else(|| panic!("{name} in {header:?}"));
    rows.into_iter().map(|mut row| row.swap_remove(place)).collect()
}

fn sum(path: &Path, name: &str) -> Money {
    column(path, name).iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse::<Money>().unwrap()).sum()
}

#[test]
fn the_data_set_of_the_definitions_gives_exactly_its_percentages() {
    let books = Books::opened();
    books.micro_data_set();
    let it = books.overview("--month 2026-11");
    for (key, rate) in [
        ("first_try_rate", "0.8000"),
        ("installment_rate", "0.9000"),
        ("attempt_rate", "0.6667"),
        ("collection_rate", "0.9500"),
    ] {
        assert_eq!(it[key], rate, "{key}");
    }
    assert_eq!(it["due_amount"], "3980.00");
    assert_eq!(it["due_paid_amount"], "3781.00");
    assert_eq!(it["collected"], "3781.00");
    assert_eq!(it["attempts"], 27);
    for (place, rate) in [(0, Value::from("0.0500")), (1, Value::from("0.0500")), (2, Value::Null)] {
        assert_eq!(it["overdue"][place]["rate"], rate);
        assert_eq!(it["overdue"][place]["agreements_rate"], rate);
    }
    assert_eq!(it["overdue"][0]["unpaid_today"], "199.00");
    assert_eq!((&it["signed"], &it["active"], &it["high_risk"]), (&Value::from(0), &Value::from(20), &Value::from(0)));
    let ran = books.shop.run("report overview --month 2026-11");
    for shown in ["80.0 %", "90.0 %", "66.7 %", "95.0 %", "5.0 %", "¥3,781.00", "÷ terms presented"] {
        ran.ok(shown);
    }
    books.shop.run("report overview --month 2026-11 --no-definitions").exits(0).hides("÷");
}

#[test]
fn a_retry_counts_for_its_term_within_24_hours_and_not_a_second_longer() {
    let books = Books::opened();
    for (place, second) in ["2026-10-06T09:00:00", "2026-10-06T09:00:01", "2026-10-31T23:59:00"].into_iter().enumerate()
    {
        let customer = books.customer("王小明", &format!("1990000010{place}"));
        let id = books.term(books.agreement(customer), 1, "2026-10-05");
        books.debit(id, 1, "2026-10-05T09:00:00", false);
        books.debit(id, 2, second, true);
    }
    let it = books.overview("--from 2026-10-01 --to 2026-10-31");
    assert_eq!((&it["installment_rate"], &it["first_try_rate"]), (&Value::from("0.3333"), &Value::from("0.0000")));
}

#[test]
fn division_by_nothing_shows_a_dash() {
    let books = Books::opened();
    let it = books.overview("");
    for key in ["collection_rate", "first_try_rate", "installment_rate", "attempt_rate", "wallet_days"] {
        assert_eq!(it[key], Value::Null, "{key}");
    }
    let ran = books.shop.run("report overview --no-definitions");
    let line =
        |label: &str| ran.out.lines().find(|line| line.contains(label)).unwrap_or_else(|| panic!("{}", ran.full()));
    for label in ["collection rate", "success at first try", "days it lasts", "1+ days, by amount"] {
        assert!(line(label).split_whitespace().any(|word| word == "-"), "{}", line(label));
    }
}

#[test]
fn what_a_month_was_like_beside_its_debits() {
    let books = Books::opened();
    books.busy_month();
    let it = books.overview("--month 2026-11 --by revenue");
    assert_eq!((&it["collected"], &it["refunded"]), (&Value::from("3781.00"), &Value::from("50.00")));
    assert_eq!(it["monthly_collection"], "3731.00");
    assert_eq!((&it["revenue"], &it["cost"]), (&Value::from("108.00"), &Value::from("60.00")));
    // 20 × 199.00 paid in, less three orders of 72.00, a return of 36.00 and a refund of 50.00.
    assert_eq!(it["wallet_balance"], "3750.00");
    // 72.00 and 36.00 delivered in November, 72.00 in October: 180.00 in 90 days.
    assert_eq!((&it["wallet_redeemed_90_days"], &it["wallet_days"]), (&Value::from("180.00"), &Value::from(1875)));
    let best = &it["best_sellers"][0];
    assert_eq!((&best["sku"], &best["units"], &best["profit"]), (&"00123".into(), &3.into(), &"48.00".into()));
    let october = books.overview("--month 2026-10");
    assert_eq!((&october["wallet_balance"], &october["signed"]), (&Value::from("127.00"), &Value::from(21)));
    let both = books.overview("--from 2026-10-01 --to 2026-11-30");
    assert_eq!((&both["collected"], &both["monthly_collection"]), (&"3980.00".into(), &"1965.00".into()));
}

#[test]
fn an_agreement_at_high_risk_is_listed_masked() {
    let books = Books::opened();
    let customer = books.customer("王小明", "19900000001");
    let agreement = books.agreement(customer);
    books.write(|tx| db::risk::raise(tx, agreement, "a-1/1, a-1/2", at("2026-11-06T09:00:00")));
    books.shop.run("report overview --month 2026-11").ok("High risk: 1").says("王**(0001)").hides("王小明");
    books.shop.run("report overview --month 2026-10").ok("High risk: 0");
}

#[test]
fn the_totals_of_the_files_are_the_totals_of_the_books() {
    let books = Books::opened();
    let customers = books.busy_month();
    let said = books.export("");
    let out = books.shop.path("out");
    let file = |name: &str| out.join(name);
    for (name, heading, amount) in [
        ("charges.csv", "Collected", "3781.00"),
        ("refunds.csv", "Paid back", "50.00"),
        ("fees.csv", "Fee", "0.00"),
        ("wallet_entries.csv", "In", "3817.00"),
        ("wallet_entries.csv", "Out", "194.00"),
        ("redemptions.csv", "Amount", "108.00"),
        ("redemptions.csv", "From the wallet", "108.00"),
        ("redemptions.csv", "Cost", "60.00"),
    ] {
        assert_eq!(sum(&file(name), heading).to_string(), amount, "{name} {heading}");
    }
    assert_eq!(sum(&file("journal.csv"), "Debit"), sum(&file("journal.csv"), "Credit"));
    assert_eq!(column(&file("charges.csv"), "Charge").len(), 28);
    assert_eq!(column(&file("agreements.csv"), "Agreement").len(), 21);
    assert_eq!(column(&file("redemptions.csv"), "Pieces"), ["2", "-1", "2"]);
    assert_eq!((&said["collected"], &said["wallet_after"]), (&"3781.00".into(), &"3750.00".into()));
    assert_eq!((&said["wallet_before"], &said["fees_known"]), (&"127.00".into(), &false.into()));
    let after: Money = customers.iter().map(|customer| books.wallet(*customer)).sum();
    assert_eq!(said["wallet_after"], after.to_string());
    // The summary says so, figure by figure, and explains the empty file.
    let (_, summary) = csv_of(&file("summary.csv"));
    for row in summary.iter().filter(|row| !row[2].is_empty()) {
        assert_eq!(row[2], row[3], "{row:?}");
    }
    assert!(summary.iter().any(|row| row[0] == "fees.csv" && row[4].contains("no bill")), "{summary:?}");
    let mut files: Vec<_> = fs::read_dir(&out).unwrap().map(|it| it.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(
        files,
        [
            "2026-11.journal",
            "2026-11.xlsx",
            "agreements.csv",
            "charges.csv",
            "fees.csv",
            "journal.csv",
            "redemptions.csv",
            "refunds.csv",
            "summary.csv",
            "wallet_entries.csv"
        ]
    );
}

#[test]
fn a_paid_charge_that_the_books_do_not_know_stops_the_export() {
    let books = Books::opened();
    books.micro_data_set();
    let sql = rusqlite::Connection::open(books.shop.path("shop.db")).unwrap();
    sql.execute("UPDATE charge SET amount = amount + 1 WHERE id = 1", []).unwrap();
    books
        .shop
        .run("report export --month 2026-11 --out out")
        .fails(1, "charges.csv and the books differ in Collected: 3781.01 in the file, 3781.00 in the books")
        .says("kibble check");
    assert!(!books.shop.path("out").exists());
}

#[test]
fn a_name_like_a_formula_stays_text() {
    let books = Books::opened();
    books.micro_data_set();
    books.shop.run("report export --month 2026-11 --out out --full").fails(2, "for a reason only");
    books.export("--full --reason 'tax audit'");
    let names = column(&books.shop.path("out/charges.csv"), "Customer");
    assert!(names.iter().any(|name| name == "'=1+1") && names.iter().any(|name| name == "'+86 138"), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with(['=', '+', '-', '@'])), "{names:?}");
    // In the workbook a formula would stand in an element of its own.
    let sheets = unzipped(&books.shop.path("out/2026-11.xlsx"));
    assert!(sheets.values().all(|xml| !xml.contains("<f>")));
    assert!(sheets.values().any(|xml| xml.contains("<t>=1+1</t>")));
    let audit = db::audit::newest(books.ctx.db.read(), None, None, 1).unwrap();
    assert!(audit[0].op == "exported" && audit[0].detail.contains("tax audit"), "{audit:?}");
}

#[test]
fn a_phone_keeps_its_digits() {
    let books = Books::opened();
    books.micro_data_set();
    books.export("");
    let masked = column(&books.shop.path("out/charges.csv"), "Phone");
    assert!(masked.iter().all(|phone| phone.starts_with("199****")), "{masked:?}");
    assert!(!fs::read_to_string(books.shop.path("out/agreements.csv")).unwrap().contains("王小明"));
    books.export("--full --reason 'tax audit'");
    let phones = column(&books.shop.path("out/agreements.csv"), "Phone");
    assert!(phones.contains(&"19900000001\t".to_owned()), "{phones:?}");
    let numbers = column(&books.shop.path("out/charges.csv"), "Provider's number");
    assert!(numbers.iter().all(|number| number == "2026112122001400001234567890\t"), "{numbers:?}");
    let sheets = unzipped(&books.shop.path("out/2026-11.xlsx"));
    assert!(sheets.values().any(|xml| xml.contains("<t>19900000001</t>")));
    assert!(sheets.values().all(|xml| !xml.contains("<v>19900000001</v>")));
}

#[test]
fn a_half_written_export_never_replaces_a_whole_one() {
    let books = Books::opened();
    books.micro_data_set();
    books.export("");
    let whole = fs::read(books.shop.path("out/charges.csv")).unwrap();
    // A customer whose name does not open any more: the export fails in the middle of its first table.
    let sql = rusqlite::Connection::open(books.shop.path("shop.db")).unwrap();
    sql.execute("UPDATE customer SET name = x'00' WHERE id = 20", []).unwrap();
    books.shop.run("report export --month 2026-11 --out out").exits(1);
    assert_eq!(fs::read(books.shop.path("out/charges.csv")).unwrap(), whole);
    assert_eq!(fs::read_dir(books.shop.path("out")).unwrap().count(), 10);
    let left: Vec<_> = fs::read_dir(books.shop.dir()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".kibble")), "{left:?}");
}

#[test]
fn an_export_is_replaced_by_the_same_month_only() {
    let books = Books::opened();
    books.micro_data_set();
    books.export("");
    books.export("");
    books
        .shop
        .run("report export --month 2026-10 --out out")
        .fails(1, "2026-11.")
        .says("not part of an export of this period")
        .says("--out");
    books.shop.write("out/letter.txt", "dear");
    books.shop.run("report export --month 2026-11 --out out").fails(1, "letter.txt");
    assert_eq!(books.shop.read("out/letter.txt"), "dear");
    books.shop.run("report export --month 2026-11 --out shop.toml").fails(1, "is a file, not a folder");
    books.shop.run("report export --month 2026-11").ok("exports");
    assert!(books.shop.path("exports/2026-11/2026-11.xlsx").exists());
}

#[test]
fn the_files_speak_the_chosen_language() {
    let mut books = Books::opened();
    books.busy_month();
    let sql = rusqlite::Connection::open(books.shop.path("shop.db")).unwrap();
    sql.execute("UPDATE refund SET why = 'settlement'", []).unwrap();
    books.shop.lang("zh");
    books.shop.run("report export --month 2026-11 --out out").ok("已导出");
    assert_eq!(column(&books.shop.path("out/refunds.csv"), "原因"), ["结算"]);
    let (header, rows) = csv_of(&books.shop.path("out/charges.csv"));
    assert!(header.contains(&"实收金额".to_owned()) && rows[0].contains(&"已支付".to_owned()), "{header:?} {rows:?}");
    let overview = books.shop.run("report overview --month 2026-11");
    overview.ok("回款率").says("95.0 %").says("鸡肉猫粮");
    books.shop.run("report overview --month 十一月").fails(2, "不是像 2026-11 这样的月份");
}

#[test]
fn an_empty_month_is_a_set_of_files_with_headers() {
    let books = Books::opened();
    books.export("");
    for name in ["charges.csv", "fees.csv", "journal.csv"] {
        let (header, rows) = csv_of(&books.shop.path("out").join(name));
        assert!(header.len() > 3 && rows.is_empty(), "{name}");
    }
}

/// hledger accepts the journal, strictly, and its balances of wallets are the books'. Where hledger is not installed this says
/// so and checks nothing; CI installs it and sets KIBBLE_REQUIRE_HLEDGER=1.
#[test]
fn hledger_where_it_is_installed_accepts_the_journal_and_finds_the_wallets() {
    let Some(hledger) = hledger() else { return };
    let books = Books::opened();
    let customers = books.busy_month();
    for lang in ["en", "zh"] {
        books.shop.run(&format!("report export --month 2026-11 --out out --lang {lang}")).exits(0);
        hledger(&books.shop.path("out/2026-11.journal"), &["check", "--strict"]);
        hledger(&books.shop.path("out/2026-11.journal"), &["check", "ordereddates"]);
    }
    let journal = books.shop.path("out/2026-11.journal");
    let listed = hledger(&journal, &["balance", "--flat", "--no-total", "-O", "csv", "liabilities:wallet"]);
    let mut wallets: BTreeMap<String, Money> = BTreeMap::new();
    for row in csv::Reader::from_reader(listed.as_bytes()).records() {
        let row = row.unwrap();
        let amount: Money = row[1].trim_end_matches("CNY").trim().parse().unwrap();
        wallets.insert(row[0].to_owned(), -amount);
    }
    for customer in customers {
        let expected = books.wallet(customer);
        let found = wallets.remove(&format!("liabilities:wallet:{customer}")).unwrap_or_default();
        assert_eq!(found, expected, "{customer}");
    }
    assert!(wallets.is_empty(), "{wallets:?}");
    // The month's result is the month's: October's sale went into equity.
    let sales = hledger(&journal, &["balance", "--flat", "--no-total", "-O", "csv", "revenues"]);
    assert!(sales.contains("\"revenues:sales:staple\",\"-108.00 CNY\""), "{sales}");
}

/// Runs hledger on a file with arguments and gives what it printed, or `None` when it is not there.
fn hledger() -> Option<impl Fn(&Path, &[&str]) -> String> {
    #[expect(clippy::disallowed_methods, reason = "a switch of the test run, not of the program")]
    let required = std::env::var_os("KIBBLE_REQUIRE_HLEDGER").is_some();
    if Command::new("hledger").arg("--version").output().is_err() {
        assert!(!required, "hledger is required here and not installed");
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED: hledger is not installed, so nothing was checked");
        }
        return None;
    }
    Some(|file: &Path, args: &[&str]| {
        let output = Command::new("hledger").env("LANG", "C.UTF-8").arg("-f").arg(file).args(args).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hledger {args:?}\n{err}");
        String::from_utf8(output.stdout).unwrap()
    })
}

/// The XML files of a workbook.
fn unzipped(path: &Path) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let name = file.name().unwrap().into_owned();
        found.insert(name, text);
    }
    found
}
