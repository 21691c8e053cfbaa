//! A shop's customer book: rows of a CSV become candidates for a customer, a pet and an agreement, or are refused with the
//! field and the reason. Owns the book's columns and what may stand in them. Does not look into the database and writes no
//! sentence: `ops/book.rs` says it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ring::digest::{SHA256, digest};

use super::customer::{Age, IdNumber, IdNumberError, NameError, PersonName, Phone, PhoneError, mask_name};
use super::id::{AgreementId, CustomerId};
use super::money::{Money, MoneyError};
use super::pet::Species;
use super::sheet::{self, Column, DateError, Row, RowFault, Rows, Sheet, SheetError, date, tidy_prose, whole};

/// A column of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Customer's name.
    Name,
    /// Mobile number.
    Phone,
    /// Citizen ID number.
    IdNumber,
    /// Pet's name.
    PetName,
    /// 猫, 狗 …
    Species,
    /// Breed, free text; may be missing.
    Breed,
    /// Plan, free text.
    Plan,
    /// Monthly amount.
    Amount,
    /// Number of installments.
    Terms,
    /// Date of signing.
    SignedOn,
    /// Day of the month.
    DebitDay,
    /// Payment channel.
    Rail,
    /// The shop's own number of the agreement.
    ContractNo,
    /// Address; may be missing.
    Address,
    /// What is in the wallet already; may be missing.
    Balance,
    /// Remark; may be missing.
    Note,
}

impl Column for Field {
    const ALL: &'static [Field] = &[
        Field::Name,
        Field::Phone,
        Field::IdNumber,
        Field::PetName,
        Field::Species,
        Field::Breed,
        Field::Plan,
        Field::Amount,
        Field::Terms,
        Field::SignedOn,
        Field::DebitDay,
        Field::Rail,
        Field::ContractNo,
        Field::Address,
        Field::Balance,
        Field::Note,
    ];

    fn name(self) -> (&'static str, &'static str) {
        match self {
            Field::Name => ("姓名", "name"),
            Field::Phone => ("手机号", "phone"),
            Field::IdNumber => ("身份证号", "id number"),
            Field::PetName => ("宠物名", "pet name"),
            Field::Species => ("种类", "species"),
            Field::Breed => ("品种", "breed"),
            Field::Plan => ("套餐", "plan"),
            Field::Amount => ("月付金额", "monthly amount"),
            Field::Terms => ("期数", "terms"),
            Field::SignedOn => ("签约日期", "sign date"),
            Field::DebitDay => ("扣款日", "debit day"),
            Field::Rail => ("扣款渠道", "rail"),
            Field::ContractNo => ("合同编号", "contract no"),
            Field::Address => ("地址", "address"),
            Field::Balance => ("钱包余额", "wallet balance"),
            Field::Note => ("备注", "note"),
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            Field::Name => &["客户姓名", "客户", "customername", "customer"],
            Field::Phone => &["手机号码", "手机", "电话", "联系电话", "mobile", "phonenumber", "mobilenumber"],
            Field::IdNumber => &["身份证号码", "身份证", "证件号", "证件号码", "idcard", "idno"],
            Field::PetName => &["宠物名字", "宠物名称", "宠物", "pet"],
            Field::Species => &["宠物种类"],
            Field::Breed => &["宠物品种"],
            Field::Plan => &["套餐名称"],
            Field::Amount => &["月付", "每期金额", "monthly", "amount"],
            Field::Terms => &["总期数", "numberofterms"],
            Field::SignedOn => &["签约日", "签约时间", "signedon", "signdate", "signed"],
            Field::DebitDay => &["每月扣款日"],
            Field::Rail => &["渠道", "支付渠道", "channel"],
            Field::ContractNo => &["合同号", "协议编号", "协议号", "agreementno", "contractnumber", "agreementnumber"],
            Field::Address => &["住址", "收货地址"],
            Field::Balance => &["余额", "balance"],
            Field::Note => &["说明", "remark", "notes"],
        }
    }

    fn is_required(self) -> bool {
        !matches!(self, Field::Breed | Field::Address | Field::Balance | Field::Note)
    }
}

/// What the shop knows when it reads a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Today in the shop's zone.
    pub today: NaiveDate,
    /// The rails that the shop has.
    pub rails: Vec<BookRail>,
}

/// A rail as a book may name it, and the debit days it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookRail {
    /// Its name in the shop's settings, for example `alipay`.
    pub name: String,
    /// What else it is called.
    pub labels: Vec<String>,
    /// Largest debit day that leaves room for every retry (day of the month).
    pub debit_day_max: u32,
    /// Largest day of the month that the rail accepts.
    pub registered_day_max: u32,
}

impl BookRail {
    /// A rail of no other name that takes every day a book may hold.
    pub fn named(name: &str) -> BookRail {
        BookRail { name: name.to_owned(), labels: Vec::new(), debit_day_max: 28, registered_day_max: 28 }
    }
}

/// A sound row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The line in the file.
    pub line: u64,
    /// Customer's name.
    pub name: PersonName,
    /// Mobile number.
    pub phone: Phone,
    /// Citizen ID number.
    pub id_number: IdNumber,
    /// Pet's name.
    pub pet_name: String,
    /// What kind of animal.
    pub species: Species,
    /// Breed, empty when not given.
    pub breed: String,
    /// Plan as the book names it.
    pub plan: String,
    /// Monthly amount.
    pub amount: Money,
    /// Number of installments.
    pub terms: u32,
    /// Date of signing.
    pub signed_on: NaiveDate,
    /// Day of the month, 1–28.
    pub debit_day: u32,
    /// Name of the rail, one of [`Rules::rails`].
    pub rail: String,
    /// The shop's own number of the agreement.
    pub contract_no: String,
    /// Address, when given.
    pub address: Option<String>,
    /// What is in the wallet already, when given.
    pub balance: Option<Money>,
    /// Remark, when given.
    pub note: Option<String>,
    /// Unusual, but accepted.
    pub warnings: Vec<Warning>,
}

impl Candidate {
    /// A digest of everything the row says, whatever the spelling: two rows with one digest are one row.
    pub fn fingerprint(&self) -> [u8; 32] {
        let parts = [
            self.name.reveal(),
            self.phone.reveal(),
            self.id_number.reveal(),
            &self.pet_name,
            self.species.word(),
            &self.breed,
            &self.plan,
            &self.amount.to_string(),
            &self.terms.to_string(),
            &self.signed_on.to_string(),
            &self.debit_day.to_string(),
            &self.rail,
            &self.contract_no,
            self.address.as_deref().unwrap_or(""),
            &self.balance.map(|balance| balance.to_string()).unwrap_or_default(),
            self.note.as_deref().unwrap_or(""),
        ];
        let hash = digest(&SHA256, parts.join("\u{1f}").as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        bytes
    }
}

/// What is unusual about an accepted row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Outside 150.00–300.00 (PC01).
    AmountUnusual(Money),
    /// Outside 12–24 (PC02).
    TermsUnusual(u32),
    /// The customer was 60 or older at signing (PC10).
    NeedsExplanation {
        /// Whole years.
        years: i32,
    },
    /// Below 18 on the day of signing, of age today: the customer has to confirm the agreement.
    MinorAtSigning {
        /// Whole years at signing.
        years: i32,
    },
    /// More than 5,000.00 in the wallet (PC11).
    BalanceLarge(Money),
    /// A species that kibble has no word for; it becomes "other".
    SpeciesOther(String),
    /// The rail accepts the debit day but closes before every retry has had its turn.
    NoRoomForRetries {
        /// Largest debit day that leaves room.
        max: u32,
    },
    /// The customer is known with another phone number, which stays.
    PhoneDiffers {
        /// Who.
        customer: CustomerId,
    },
    /// No plan has this name, amount and number of terms; the book's words are kept.
    PlanUnknown(String),
    /// Every term was collected already.
    NothingLeft,
}

/// What is wrong with a cell or a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The row as a whole.
    Row(RowFault),
    /// Nothing in a cell that must hold something.
    Missing,
    /// More characters than the field takes.
    TooLong {
        /// How many it takes.
        limit: usize,
    },
    /// The name.
    Name(NameError),
    /// The phone.
    Phone(PhoneError),
    /// The ID number.
    IdNumber(IdNumberError),
    /// Below 18 on the day of signing and still today (PC10).
    TooYoung {
        /// Whole years.
        years: i32,
    },
    /// An amount that cannot be read.
    Amount(MoneyError),
    /// Zero or negative.
    AmountNotPositive,
    /// Above the 500.00 that a rail takes for one debit (PC01).
    AmountTooLarge,
    /// Not a whole number.
    NotWhole,
    /// Below 1 or above 36 (PC02).
    TermsOutside,
    /// A date that cannot be read or does not exist.
    Date(DateError),
    /// Signed after today.
    SignedInFuture,
    /// 29, 30 or 31: not every month has it (PC04).
    DebitDayTooLate,
    /// Not a day of a month.
    DebitDayOutside,
    /// Not a rail of this shop.
    UnknownRail {
        /// The rails that it has.
        known: Vec<String>,
    },
    /// A wallet balance below zero.
    BalanceNegative,
    /// Another row has this number and says something else.
    ContractTwice {
        /// The line of the other row.
        line: u64,
    },
    /// The rail does not accept this day.
    DebitDayNotTaken {
        /// The largest that it does.
        max: u32,
    },
    /// An agreement of this number is there already and says something else.
    KnownOtherwise {
        /// Which.
        agreement: AgreementId,
        /// Where the two differ.
        fields: Vec<Field>,
    },
    /// A customer of another name has this ID number.
    IdOfAnother {
        /// Who.
        customer: CustomerId,
    },
}

impl From<RowFault> for Problem {
    fn from(fault: RowFault) -> Problem {
        Problem::Row(fault)
    }
}

/// A refused cell of the book.
pub type Refusal = sheet::Refusal<Field, Problem>;
/// A refused row of the book.
pub type Refused = sheet::Refused<Field, Problem>;

impl Refusal {
    /// The value as a screen or a log may show it: names, phones, ID numbers and addresses are masked. The line says where
    /// the whole value stands.
    pub fn shown(&self) -> String {
        let value = self.value.trim();
        match self.field {
            Some(Field::Name | Field::Address) | None if !value.is_empty() => mask_name(value),
            Some(Field::Phone) => masked_middle(value, 3, 2),
            Some(Field::IdNumber) => masked_middle(value, 6, 2),
            _ => value.chars().take(60).collect(),
        }
    }
}

fn masked_middle(value: &str, first: usize, last: usize) -> String {
    let chars: Vec<char> = value.chars().collect();
    if chars.len() <= first + last {
        return "*".repeat(chars.len());
    }
    let shown = |part: &[char]| part.iter().collect::<String>();
    let hidden = (chars.len() - first - last).min(20);
    format!("{}{}{}", shown(&chars[..first]), "*".repeat(hidden), shown(&chars[chars.len() - last..]))
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Ready to become a customer, a pet and an agreement.
    Sound(Box<Candidate>),
    /// Says exactly what an earlier row says: skipped.
    Repeat {
        /// The line in the file.
        line: u64,
        /// The line of the earlier row.
        same_as: u64,
    },
    /// Not taken.
    Refused(Refused),
}

/// An opened book.
#[derive(Clone, Debug)]
pub struct Book<'t> {
    sheet: Sheet<'t, Field>,
    rules: Rules,
}

impl<'t> Book<'t> {
    /// Understands the header of a decoded text ([`sheet::decode`]).
    ///
    /// # Errors
    /// When it is not a customer book.
    pub fn open(text: &'t str, rules: Rules) -> Result<Book<'t>, SheetError> {
        Ok(Book { sheet: Sheet::open(text)?, rules })
    }

    /// The table behind it: header, ignored columns, delimiter.
    pub fn sheet(&self) -> &Sheet<'t, Field> {
        &self.sheet
    }

    /// The rows, one by one.
    pub fn rows(&self) -> Outcomes<'_, 't> {
        Outcomes { book: self, rows: self.sheet.rows(), seen: BTreeMap::new(), last: None }
    }

    fn read(&self, row: &Row) -> Result<Candidate, Vec<Refusal>> {
        let mut cells = Cells { book: self, row, refusals: Vec::new() };
        let mut warnings = Vec::new();
        let name = cells.parse(Field::Name, |text| PersonName::parse(text).map_err(Problem::Name));
        let phone = cells.parse(Field::Phone, |text| Phone::parse(text).map_err(Problem::Phone));
        let today = self.rules.today;
        let id_number = cells.parse(Field::IdNumber, |text| IdNumber::parse(text, today).map_err(Problem::IdNumber));
        let pet_name = cells.text(Field::PetName, 40);
        let species = cells.parse(Field::Species, |text| {
            Ok(Species::from_text(text).unwrap_or_else(|| {
                warnings.push(Warning::SpeciesOther(text.chars().take(20).collect()));
                Species::Other
            }))
        });
        let breed = cells.optional(Field::Breed, 60);
        let plan = cells.text(Field::Plan, 80);
        let amount = cells.parse(Field::Amount, amount);
        let terms = cells.parse(Field::Terms, terms);
        let signed_on = cells.parse(Field::SignedOn, |text| match date(text) {
            Ok(day) if day > today => Err(Problem::SignedInFuture),
            Ok(day) => Ok(day),
            Err(error) => Err(Problem::Date(error)),
        });
        let debit_day = cells.parse(Field::DebitDay, debit_day);
        let rail = cells.parse(Field::Rail, |text| self.rail(text));
        let contract_no = cells.text(Field::ContractNo, 64);
        let address = cells.optional(Field::Address, 200);
        let balance = cells.parse_optional(Field::Balance, balance);
        let note = cells.optional(Field::Note, 500);

        if let (Some(day), Some(rail)) = (debit_day, rail) {
            if day > rail.registered_day_max {
                cells.refuse(Field::DebitDay, Problem::DebitDayNotTaken { max: rail.registered_day_max });
            } else if day > rail.debit_day_max {
                warnings.push(Warning::NoRoomForRetries { max: rail.debit_day_max });
            }
        }
        if let (Some(id), Some(day)) = (&id_number, signed_on) {
            match Age::on(id.birth_date(), day) {
                // A book holds agreements that already run. Whether one binds that was signed at seventeen is for people to
                // settle (domain facts 1.4, art. 10: voidable unless a guardian agreed); where the customer is of age by now
                // and can be asked, the row is taken and pointed out. Somebody still a minor is never taken.
                Age::TooYoung { years } if Age::on(id.birth_date(), today).may_sign() => {
                    warnings.push(Warning::MinorAtSigning { years });
                }
                Age::TooYoung { years } => cells.refuse(Field::IdNumber, Problem::TooYoung { years }),
                Age::NeedsExplanation { years } => warnings.push(Warning::NeedsExplanation { years }),
                Age::Adult => {}
            }
        }
        if let Some(amount) = amount.filter(|it| !(15_000..=30_000).contains(&it.fen())) {
            warnings.push(Warning::AmountUnusual(amount));
        }
        if let Some(terms) = terms.filter(|it| !(12..=24).contains(it)) {
            warnings.push(Warning::TermsUnusual(terms));
        }
        if let Some(balance) = balance.filter(|it| it.fen() > 500_000) {
            warnings.push(Warning::BalanceLarge(balance));
        }
        let refusals = cells.refusals;
        let whole = || {
            Some(Candidate {
                line: row.line,
                name: name?,
                phone: phone?,
                id_number: id_number?,
                pet_name: pet_name?,
                species: species?,
                breed: breed.unwrap_or_default(),
                plan: plan?,
                amount: amount?,
                terms: terms?,
                signed_on: signed_on?,
                debit_day: debit_day?,
                rail: rail?.name.clone(),
                contract_no: contract_no?,
                address,
                balance,
                note,
                warnings,
            })
        };
        if refusals.is_empty() { whole().ok_or_else(Vec::new) } else { Err(refusals) }
    }

    /// The rail that a word means, if the shop has it.
    fn rail(&self, text: &str) -> Result<&BookRail, Problem> {
        let word = text.to_lowercase();
        let meant = match word.as_str() {
            "支付宝" | "支付宝代扣" | "alipay" => "alipay",
            "微信" | "微信支付" | "微信代扣" | "wechat" | "wechat pay" | "wechatpay" => "wechat",
            "现金" | "cash" => "cash",
            other => other,
        };
        let rails = &self.rules.rails;
        let labelled = |rail: &&BookRail| rail.labels.iter().any(|label| label.to_lowercase() == word);
        let found = rails.iter().find(|rail| rail.name.to_lowercase() == meant).or_else(|| rails.iter().find(labelled));
        found.ok_or_else(|| Problem::UnknownRail { known: rails.iter().map(|rail| rail.name.clone()).collect() })
    }
}

/// The rows of a book, read one at a time. Remembers per contract number its line and digest, nothing else.
#[derive(Debug)]
pub struct Outcomes<'b, 't> {
    book: &'b Book<'t>,
    rows: Rows<'t>,
    seen: BTreeMap<String, (u64, [u8; 32])>,
    /// The row behind the last sound outcome.
    last: Option<Row>,
}

impl Outcomes<'_, '_> {
    /// Refuses the last sound row for a reason that only its reader could see, for example that its number is taken.
    pub fn refuse_last(&self, field: Field, problem: Problem) -> Refused {
        let row = self.last.clone().unwrap_or(Row { line: 0, cells: Vec::new(), fault: None });
        let value = self.book.sheet.raw(&row, field).to_owned();
        let refusal = Refusal { line: row.line, field: Some(field), value, problem };
        Refused { line: row.line, cells: row.cells, refusals: vec![refusal] }
    }
}

impl Iterator for Outcomes<'_, '_> {
    type Item = Outcome;

    fn next(&mut self) -> Option<Outcome> {
        let row = self.rows.next()?;
        if let Some(fault) = row.fault {
            return Some(Outcome::Refused(Refused::whole(row, fault)));
        }
        let candidate = match self.book.read(&row) {
            Ok(candidate) => candidate,
            Err(refusals) => return Some(Outcome::Refused(Refused { line: row.line, cells: row.cells, refusals })),
        };
        let print = candidate.fingerprint();
        match self.seen.get(&candidate.contract_no) {
            Some((line, earlier)) if *earlier == print => Some(Outcome::Repeat { line: row.line, same_as: *line }),
            Some((line, _)) => {
                let problem = Problem::ContractTwice { line: *line };
                let value = self.book.sheet.raw(&row, Field::ContractNo).to_owned();
                let refusal = Refusal { line: row.line, field: Some(Field::ContractNo), value, problem };
                Some(Outcome::Refused(Refused { line: row.line, cells: row.cells, refusals: vec![refusal] }))
            }
            None => {
                self.seen.insert(candidate.contract_no.clone(), (row.line, print));
                self.last = Some(row);
                Some(Outcome::Sound(Box::new(candidate)))
            }
        }
    }
}

/// The cells of one row, and the refusals found so far.
struct Cells<'a, 'b, 't> {
    book: &'b Book<'t>,
    row: &'a Row,
    refusals: Vec<Refusal>,
}

impl Cells<'_, '_, '_> {
    fn refuse(&mut self, field: Field, problem: Problem) {
        let value = self.book.sheet.raw(self.row, field).to_owned();
        self.refusals.push(Refusal { line: self.row.line, field: Some(field), value, problem });
    }

    fn parse<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        let text = self.book.sheet.value(self.row, field);
        let read = if text.is_empty() { Err(Problem::Missing) } else { parse(&text) };
        read.map_err(|problem| self.refuse(field, problem)).ok()
    }

    fn parse_optional<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        let text = self.book.sheet.value(self.row, field);
        if text.is_empty() { None } else { self.parse(field, parse) }
    }

    fn text(&mut self, field: Field, limit: usize) -> Option<String> {
        self.parse(field, |text| within(text, limit))
    }

    fn optional(&mut self, field: Field, limit: usize) -> Option<String> {
        let text = tidy_prose(self.book.sheet.raw(self.row, field));
        if text.is_empty() { None } else { self.parse(field, |_| within(&text, limit)) }
    }
}

fn within(text: &str, limit: usize) -> Result<String, Problem> {
    if text.chars().count() <= limit { Ok(text.to_owned()) } else { Err(Problem::TooLong { limit }) }
}

fn amount(text: &str) -> Result<Money, Problem> {
    let amount: Money = text.parse().map_err(Problem::Amount)?;
    match amount.fen() {
        ..=0 => Err(Problem::AmountNotPositive),
        1..=50_000 => Ok(amount),
        _ => Err(Problem::AmountTooLarge),
    }
}

fn terms(text: &str) -> Result<u32, Problem> {
    match whole(text).ok_or(Problem::NotWhole)? {
        terms @ 1..=36 => Ok(terms),
        _ => Err(Problem::TermsOutside),
    }
}

fn debit_day(text: &str) -> Result<u32, Problem> {
    match whole(text).ok_or(Problem::NotWhole)? {
        day @ 1..=28 => Ok(day),
        29..=31 => Err(Problem::DebitDayTooLate),
        _ => Err(Problem::DebitDayOutside),
    }
}

fn balance(text: &str) -> Result<Money, Problem> {
    let balance: Money = text.parse().map_err(Problem::Amount)?;
    if balance < Money::ZERO { Err(Problem::BalanceNegative) } else { Ok(balance) }
}

#[cfg(test)]
mod tests {
    use super::{Book, BookRail, Candidate, Field, Outcome, Problem, Rules, Warning};
    use crate::domain::customer::{IdNumberError, PhoneError};
    use crate::domain::money::MoneyError;
    use crate::domain::sheet::{DateError, RowFault, SheetError, decode};
    use proptest::prelude::{any, proptest};

    const UTF8: &[u8] = include_bytes!("../../examples/data/customers.csv");
    const GBK: &[u8] = include_bytes!("../../examples/data/customers-gbk.csv");
    const HEADER: &str =
        "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号,钱包余额";
    const SOUND: &str = "王小明,19900000001,119999198506150016,团子,猫,布偶,A,199.00,12,2026-01-09,9,支付宝,H1,";

    fn rules() -> Rules {
        on("2026-11-21")
    }

    fn on(today: &str) -> Rules {
        Rules { today: today.parse().unwrap(), rails: ["alipay", "wechat"].map(BookRail::named).to_vec() }
    }

    fn read(bytes: &[u8]) -> Vec<Outcome> {
        let (text, _) = decode(bytes).unwrap();
        Book::open(&text, rules()).unwrap().rows().collect()
    }

    fn one(row: &str) -> Outcome {
        let outcomes = read(format!("{HEADER}\n{row}\n").as_bytes());
        assert_eq!(outcomes.len(), 1, "{row}");
        outcomes.into_iter().next().unwrap()
    }

    fn problems(outcome: Outcome) -> Vec<(Option<Field>, Problem)> {
        match outcome {
            Outcome::Refused(row) => row.refusals.into_iter().map(|it| (it.field, it.problem)).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn sound(outcome: Outcome) -> Candidate {
        match outcome {
            Outcome::Sound(candidate) => *candidate,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_books_give_the_same_rows() {
        let outcomes = read(UTF8);
        assert_eq!(outcomes, read(GBK));
        let accepted: Vec<_> = outcomes.iter().filter(|it| matches!(it, Outcome::Sound(_))).collect();
        assert_eq!((outcomes.len(), accepted.len()), (312, 301));
        // Six of the sound rows were signed at seventeen by customers who are of age by now; nothing else is unusual.
        let warned: Vec<_> = accepted
            .iter()
            .filter_map(|it| match it {
                Outcome::Sound(row) if !row.warnings.is_empty() => Some((row.line, row.warnings.clone())),
                _ => None,
            })
            .collect();
        let minor = |line| (line, vec![Warning::MinorAtSigning { years: 17 }]);
        assert_eq!(warned, [3, 45, 75, 77, 127, 298].map(minor));
    }

    #[test]
    fn the_ten_faulty_rows_are_refused_for_their_one_fault() {
        let mut refused = Vec::new();
        let mut repeats = Vec::new();
        for outcome in read(UTF8) {
            match outcome {
                Outcome::Refused(row) => {
                    assert_eq!(row.refusals.len(), 1, "{row:?}");
                    let it = row.refusals.into_iter().next().unwrap();
                    refused.push((it.line, it.field.unwrap(), it.problem));
                }
                Outcome::Repeat { line, same_as } => repeats.push((line, same_as)),
                Outcome::Sound(_) => {}
            }
        }
        let known = rules().rails.into_iter().map(|rail| rail.name).collect();
        assert_eq!(
            refused,
            [
                (302, Field::Phone, Problem::Phone(PhoneError::Length { found: 10 })),
                (303, Field::IdNumber, Problem::IdNumber(IdNumberError::CheckCharacter)),
                (304, Field::IdNumber, Problem::TooYoung { years: 15 }),
                (305, Field::Amount, Problem::Amount(MoneyError::NotANumber)),
                (306, Field::Terms, Problem::TermsOutside),
                (307, Field::SignedOn, Problem::Date(DateError::NoSuchDay)),
                (308, Field::DebitDay, Problem::DebitDayTooLate),
                (309, Field::Rail, Problem::UnknownRail { known }),
                (310, Field::Name, Problem::Missing),
                (311, Field::Amount, Problem::AmountTooLarge),
            ]
        );
        assert_eq!(repeats.len(), 1);
        assert_eq!(repeats[0].0, 312);
    }

    #[test]
    fn customers_who_are_still_minors_are_refused_until_they_are_of_age() {
        // Two rows that the data calls sound belong to customers who turn 18 on 2026-11-04 and 2026-11-12.
        let (text, _) = decode(UTF8).unwrap();
        for (today, expected) in
            [("2026-11-01", vec![45, 127, 304]), ("2026-11-04", vec![127, 304]), ("2026-11-12", vec![304])]
        {
            let book = Book::open(&text, on(today)).unwrap();
            let young: Vec<u64> = book
                .rows()
                .filter_map(|it| match it {
                    Outcome::Refused(row) => Some(row),
                    _ => None,
                })
                .filter(|row| matches!(row.refusals[0].problem, Problem::TooYoung { .. }))
                .map(|row| row.line)
                .collect();
            assert_eq!(young, expected, "{today}");
        }
    }

    #[test]
    fn the_untidy_row_is_read_as_it_was_meant() {
        let last = sound(read(UTF8).pop().unwrap());
        assert_eq!((last.line, last.name.reveal(), last.phone.reveal()), (313, "赵宇豪", "13831072001"));
        assert_eq!((last.signed_on.to_string().as_str(), last.rail.as_str()), ("2026-01-09", "wechat"));
    }

    #[test]
    fn english_headers_and_semicolons_do_as_well() {
        let text = "Customer;Mobile;ID_Number;Pet Name;Species;Plan;Monthly Amount (yuan);Terms;Signed on;Debit-Day;Channel;Agreement No;age\n\
                    John Smith;+86 199-0000-0001;119999198506150016;Rex;dog;A;￥１９９;12;46031;9;Alipay;H1;41\n";
        let (text, _) = decode(text.as_bytes()).unwrap();
        let book = Book::open(&text, rules()).unwrap();
        assert_eq!(book.sheet().ignored(), ["age"]);
        let row = sound(book.rows().next().unwrap());
        assert_eq!(
            (row.amount.fen(), row.signed_on.to_string().as_str(), row.breed.as_str()),
            (19_900, "2026-01-09", "")
        );
    }

    #[test]
    fn a_missing_column_is_named() {
        let error =
            Book::open("姓名,手机号,身份证号,宠物名,种类,套餐,月付金额,期数,签约日期,扣款日,扣款渠道\n", rules());
        assert_eq!(error.unwrap_err(), SheetError::MissingColumns { missing: vec![("合同编号", "contract no")] });
    }

    #[test]
    fn each_rule_refuses_at_its_edge() {
        for (from, to, field, problem) in [
            ("199.00", "500.01", Field::Amount, Problem::AmountTooLarge),
            ("199.00", "0", Field::Amount, Problem::AmountNotPositive),
            ("199.00", "199.001", Field::Amount, Problem::Amount(MoneyError::TooPrecise)),
            (",12,", ",37,", Field::Terms, Problem::TermsOutside),
            (",12,", ",十二,", Field::Terms, Problem::NotWhole),
            ("2026-01-09", "2026-11-22", Field::SignedOn, Problem::SignedInFuture),
            ("119999198506150016", "11999920081122005X", Field::IdNumber, Problem::TooYoung { years: 17 }),
            (",9,", ",29,", Field::DebitDay, Problem::DebitDayTooLate),
            (",9,", ",0,", Field::DebitDay, Problem::DebitDayOutside),
            (
                "支付宝",
                "现金",
                Field::Rail,
                Problem::UnknownRail { known: vec!["alipay".to_owned(), "wechat".to_owned()] },
            ),
            ("团子", "　", Field::PetName, Problem::Missing),
            ("H1,", "H1,-1", Field::Balance, Problem::BalanceNegative),
        ] {
            assert_eq!(problems(one(&SOUND.replace(from, to))), [(Some(field), problem)], "{to}");
        }
    }

    #[test]
    fn unusual_rows_are_taken_with_a_warning() {
        for (from, to, warning) in [
            ("199.00", "149.99", Warning::AmountUnusual("149.99".parse().unwrap())),
            ("199.00", "300.01", Warning::AmountUnusual("300.01".parse().unwrap())),
            (",12,", ",11,", Warning::TermsUnusual(11)),
            ("119999198506150016", "119999195503080071", Warning::NeedsExplanation { years: 70 }),
            ("2026-01-09", "2003-06-14", Warning::MinorAtSigning { years: 17 }),
            ("H1,", "H1,5000.01", Warning::BalanceLarge("5000.01".parse().unwrap())),
            ("猫", "仓鼠", Warning::SpeciesOther("仓鼠".to_owned())),
        ] {
            assert_eq!(sound(one(&SOUND.replace(from, to))).warnings, [warning], "{to}");
        }
        assert!(sound(one(SOUND)).warnings.is_empty());
    }

    #[test]
    fn all_faults_of_a_row_are_told_at_once() {
        let row = SOUND.replace("19900000001", "1").replace("199.00", "x");
        assert_eq!(problems(one(&row)).len(), 2);
        assert_eq!(problems(one("王小明,1")), [(None, Problem::Row(RowFault::CellCount { found: 2, expected: 14 }))]);
    }

    #[test]
    fn a_row_twice_is_skipped_and_a_number_twice_is_refused() {
        let untidy = SOUND.replace("2026-01-09", "2026/1/9").replace("199.00", "199");
        let other = SOUND.replace("团子", "豆豆");
        let outcomes = read(format!("{HEADER}\n{SOUND}\n{untidy}\n{other}\n").as_bytes());
        assert_eq!(outcomes[1], Outcome::Repeat { line: 3, same_as: 2 });
        assert_eq!(problems(outcomes[2].clone()), [(Some(Field::ContractNo), Problem::ContractTwice { line: 2 })]);
    }

    #[test]
    fn a_refused_number_may_come_again_mended() {
        let wrong = SOUND.replace("199.00", "x");
        let outcomes = read(format!("{HEADER}\n{wrong}\n{SOUND}\n").as_bytes());
        assert!(matches!(outcomes[1], Outcome::Sound(_)));
    }

    #[test]
    fn a_customer_called_like_a_formula_stays_text() {
        assert_eq!(sound(one(&SOUND.replace("王小明", "=1+1"))).name.reveal(), "=1+1");
    }

    #[test]
    fn refused_values_are_shown_masked() {
        let Outcome::Refused(row) = one(&SOUND.replace("19900000001", "1990000000")) else { panic!() };
        assert_eq!(row.refusals[0].shown(), "199*****00");
        let Outcome::Refused(row) = one(&SOUND.replace("0016", "0015")) else { panic!() };
        assert_eq!(row.refusals[0].shown(), "119999**********15");
    }

    proptest! {
        #[test]
        fn no_book_panics(bytes in any::<Vec<u8>>(), cells in proptest::collection::vec(".{0,12}", 14), text in any::<String>()) {
            for bytes in [bytes, format!("{HEADER}\n{}\n{text}", cells.join(",")).into_bytes()] {
                if let Ok((text, _)) = decode(&bytes)
                    && let Ok(book) = Book::open(&text, rules())
                {
                    for outcome in book.rows() {
                        if let Outcome::Refused(row) = outcome {
                            let _ = row.refusals.iter().map(super::Refusal::shown).count();
                        }
                    }
                }
            }
        }
    }
}
