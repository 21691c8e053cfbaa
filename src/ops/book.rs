//! Says what is wrong with files that come from outside, the customer book and the price list: per file and per cell the
//! reason and the fix, in the chosen language; and writes refused rows to a CSV that can be mended and read again. Owns these
//! sentences; the rules are `domain/book.rs`, `domain/catalog.rs` and `domain/sheet.rs`.

use std::io;

use crate::domain::book::{self, Field, Problem, Warning};
use crate::domain::catalog;
use crate::domain::customer::{IdNumberError, NAME_LIMIT_CHARS, NameError, PhoneError};
use crate::domain::money::MoneyError;
use crate::domain::sheet::{Column, DateError, Refused, RowFault, SheetError, Writer};
use crate::t;
use crate::text::{Lang, lang};

/// Why a cell was refused and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub fix: String,
}

fn advice(reason: String, fix: String) -> Advice {
    Advice { reason, fix }
}

/// The columns that a rejects file adds: (Chinese, English).
const ADDED: [(&str, &str); 4] = [("行号", "line"), ("字段", "field"), ("原因", "reason"), ("改法", "fix")];

/// A column's name in the chosen language.
pub fn column_text<C: Column>(column: C) -> &'static str {
    chosen(column.name())
}

fn chosen((zh, en): (&'static str, &'static str)) -> &'static str {
    match lang() {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

fn chosen_list(names: &[(&'static str, &'static str)]) -> String {
    let names: Vec<&str> = names.iter().map(|name| chosen(*name)).collect();
    names.join(match lang() {
        Lang::Zh => "、",
        Lang::En => ", ",
    })
}

/// Why a refused cell or row of the customer book was refused, and the fix.
pub fn refusal_text(refusal: &book::Refusal) -> Advice {
    match &refusal.problem {
        Problem::Row(fault) => row_text(*fault),
        Problem::Missing => missing_text(),
        Problem::TooLong { limit } => too_long_text(*limit),
        Problem::Name(error) => name_text(*error),
        Problem::Phone(error) => phone_text(*error),
        Problem::IdNumber(error) => id_number_text(*error),
        Problem::TooYoung { years } => advice(
            t!(
                "the customer was {years} on the day of signing and is not of age today; only adults may sign",
                years = years
            ),
            t!("check the ID number and the sign date; if both are right, an adult has to sign a new agreement"),
        ),
        Problem::Amount(error) => amount_text(*error),
        Problem::AmountNotPositive => advice(
            t!("the monthly amount must be more than zero"),
            t!("write the amount of one month in yuan, for example 199.00"),
        ),
        Problem::AmountTooLarge => advice(
            t!("the monthly amount is above 500.00, more than payment rails take in one debit"),
            t!("write the amount of one month, not of the whole plan, for example 199.00"),
        ),
        Problem::NotWhole => advice(t!("this is not a whole number"), t!("write digits only, for example 12")),
        Problem::TermsOutside => {
            advice(t!("a plan has 1 to 36 terms"), t!("write how many monthly debits were agreed, usually 12 to 24"))
        }
        Problem::Date(DateError::NotADate) => {
            advice(t!("this cannot be read as a date"), t!("write year, month and day, for example 2026-01-09"))
        }
        Problem::Date(DateError::NoSuchDay) => advice(
            t!("the calendar has no such day"),
            t!("look up the day in the signed agreement and write it like 2026-01-09"),
        ),
        Problem::SignedInFuture => advice(
            t!("the sign date lies in the future"),
            t!("write the day on which the customer signed; leave out who has not signed yet"),
        ),
        Problem::DebitDayTooLate => {
            advice(t!("not every month has this day"), t!("use 28 or 1, and tell the customer"))
        }
        Problem::DebitDayOutside => advice(t!("this is not a day of the month"), t!("write a day from 1 to 28")),
        Problem::UnknownRail { known } => {
            advice(t!("this shop has no such payment rail"), t!("write one of: {rails}", rails = known.join(", ")))
        }
        Problem::BalanceNegative => {
            advice(t!("a wallet is never below zero"), t!("write 0 or what is left in the wallet"))
        }
        Problem::ContractTwice { line } => advice(
            t!("line {line} has the same number but says something else", line = line),
            t!("give each agreement its own number, or delete the row that is wrong"),
        ),
        Problem::DebitDayNotTaken { max } => advice(
            t!("this payment rail takes debit days up to {max}", max = max),
            t!("agree another day with the customer and write it here"),
        ),
        Problem::KnownOtherwise { agreement, fields } => {
            let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
            advice(
                t!(
                    "{agreement} has this number already and says something else: {fields}",
                    agreement = agreement,
                    fields = chosen_list(&names)
                ),
                t!("correct the row, or give it a number of its own; a file never changes an agreement"),
            )
        }
        Problem::IdOfAnother { customer } => advice(
            t!("{customer} has this ID number and another name", customer = customer),
            t!("compare name and ID number with the ID card"),
        ),
    }
}

/// What is unusual about an accepted row of the customer book.
pub fn warning_text(warning: &Warning) -> String {
    match warning {
        Warning::AmountUnusual(amount) => {
            t!("the monthly amount {amount} is outside the usual 150.00 to 300.00", amount = amount)
        }
        Warning::TermsUnusual(terms) => {
            t!("{terms} {terms|term is|terms are} outside the usual 12 to 24", terms = terms)
        }
        Warning::NeedsExplanation { years } => {
            t!("the customer was {years} at signing: note that the agreement was explained in full", years = years)
        }
        Warning::MinorAtSigning { years } => t!(
            "the customer was only {years} at signing and is of age now: ask for a confirmation of the agreement",
            years = years
        ),
        Warning::BalanceLarge(balance) => {
            t!(
                "{balance} in the wallet is above 5,000.00, the limit of a named prepaid card",
                balance = balance.grouped()
            )
        }
        Warning::SpeciesOther(word) => t!("the species {word} is kept as \"other\"", word = word),
        Warning::NoRoomForRetries { max } => {
            t!("a debit day above {max} leaves no room for every retry on this payment rail", max = max)
        }
        Warning::PhoneDiffers { customer } => {
            t!("{customer} is known with another phone number, which was kept", customer = customer)
        }
        Warning::PlanUnknown(plan) => {
            t!("no plan {plan} has this amount and number of terms; the name is kept as the book has it", plan = plan)
        }
        Warning::NothingLeft => {
            t!("every term was collected before: the agreement is kept as completed, without a mandate")
        }
    }
}

/// Why a refused cell or row of the price list was refused, and the fix.
pub fn item_refusal_text(refusal: &catalog::Refusal) -> Advice {
    match &refusal.problem {
        catalog::Problem::Row(fault) => row_text(*fault),
        catalog::Problem::Missing => missing_text(),
        catalog::Problem::TooLong { limit } => too_long_text(*limit),
        catalog::Problem::Amount(error) => amount_text(*error),
        catalog::Problem::Negative => {
            advice(t!("a price is never below zero"), t!("write the amount in yuan, for example 79.00"))
        }
        catalog::Problem::MemberAbovePrice { price } => advice(
            t!("the member price is above the price {price}", price = price),
            t!("members never pay more than others: lower the member price or leave it empty"),
        ),
        catalog::Problem::NotYesOrNo => {
            advice(t!("this is neither yes nor no"), t!("write yes when the wallet may not pay for it, otherwise no"))
        }
        catalog::Problem::SkuTwice { line } => advice(
            t!("line {line} has the same code but says something else", line = line),
            t!("give each item its own code, or delete the row that is wrong"),
        ),
    }
}

/// What is unusual about an accepted row of the price list.
pub fn item_warning_text(warning: &catalog::Warning) -> String {
    match warning {
        catalog::Warning::CostNotBelowMember { cost, member_price } => t!(
            "nothing is earned: the cost {cost} is not below the member price {price}",
            cost = cost,
            price = member_price
        ),
        catalog::Warning::CategoryUnknown(word) => {
            t!("the category {word} is new: say for each item whether the wallet may pay for it", word = word)
        }
        catalog::Warning::SpeciesOther(word) => t!("the species {word} is kept as \"other\"", word = word),
    }
}

/// Why a file as a whole cannot be read, and what to do.
pub fn sheet_error_text(error: &SheetError) -> Advice {
    match error {
        SheetError::Empty => advice(t!("the file is empty"), t!("check that it is the right file")),
        SheetError::Workbook => advice(
            t!("this is an Excel or WPS workbook, not a CSV"),
            t!("open it, choose \"Save as\", and choose the type CSV"),
        ),
        SheetError::Pdf => advice(t!("this is a PDF, not a CSV"), t!("get the table itself and save it as CSV")),
        SheetError::WebPage => advice(
            t!("this is a web page or XML, not a CSV"),
            t!("open it in Excel or WPS, choose \"Save as\", and choose the type CSV"),
        ),
        SheetError::Binary => {
            advice(t!("this is not a text file"), t!("save the table as CSV and choose UTF-8 when asked"))
        }
        SheetError::BrokenText { line } => advice(
            t!("line {line} has characters that are neither UTF-8 nor GBK", line = line),
            t!("save the table once more as \"CSV UTF-8\" from the original"),
        ),
        SheetError::NoHeader { found } => advice(
            t!("no row near the top holds column names; the first row reads: {found}", found = found),
            t!("add a row of column names at the top"),
        ),
        SheetError::MissingColumns { missing } => advice(
            t!("columns are missing: {columns}", columns = chosen_list(missing)),
            t!("add these columns, or rename yours to these names"),
        ),
        SheetError::ColumnTwice { header } => advice(
            t!("the column {column} stands there twice", column = header.trim()),
            t!("delete or rename one of the two"),
        ),
    }
}

/// What is wrong with a row as a whole, and the fix.
pub(super) fn row_text(fault: RowFault) -> Advice {
    match fault {
        RowFault::CellCount { found, expected } => advice(
            t!("the row has {found} cells but the header has {expected}", found = found, expected = expected),
            t!("look for a missing or extra comma; put a value that holds a comma in quotation marks"),
        ),
        RowFault::OpenQuote => {
            advice(t!("a quotation mark is opened and never closed"), t!("delete the quotation mark, or close it"))
        }
        RowFault::TooLong => {
            advice(t!("the row is longer than 64 KiB"), t!("look for a missing line break, or shorten the note"))
        }
    }
}

/// What is said about an empty cell that must hold something.
pub(super) fn missing_text() -> Advice {
    advice(t!("nothing is written here"), t!("fill it in"))
}

fn too_long_text(limit: usize) -> Advice {
    advice(
        t!("this is longer than {limit} characters", limit = limit),
        t!("shorten it; perhaps two cells have run together"),
    )
}

/// Why a name was refused, and the fix. Also for prompts and flags.
pub fn name_text(error: NameError) -> Advice {
    match error {
        NameError::Empty => missing_text(),
        NameError::TooShort => {
            advice(t!("one character is not a full name"), t!("write the name as it stands on the ID card"))
        }
        NameError::TooLong => too_long_text(NAME_LIMIT_CHARS),
    }
}

/// Why a phone number was refused, and the fix. Also for prompts and flags.
pub fn phone_text(error: PhoneError) -> Advice {
    let again = || t!("write the 11 digits of a mobile number, for example 138 0000 0000");
    match error {
        PhoneError::Empty => missing_text(),
        PhoneError::Rounded => advice(
            t!("the spreadsheet has rounded this number and lost its last digits"),
            t!("format the column as text and write the number again in full"),
        ),
        PhoneError::NotDigits => advice(t!("a phone number has digits only"), again()),
        PhoneError::Length { found } => {
            advice(t!("a mobile number has 11 digits, this has {found}", found = found), again())
        }
        PhoneError::NotMobile => {
            advice(t!("this is not a mobile number of mainland China, so it gets no text messages"), again())
        }
    }
}

/// Why an ID number was refused, and the fix. Also for prompts and flags.
pub fn id_number_text(error: IdNumberError) -> Advice {
    let again = || t!("compare it with the ID card, digit by digit");
    match error {
        IdNumberError::Empty => missing_text(),
        IdNumberError::Rounded => advice(
            t!("the spreadsheet has rounded this number and lost its last digits"),
            t!("format the column as text and write the number again in full"),
        ),
        IdNumberError::FirstGeneration => advice(
            t!("this is a 15-digit number of the first generation, which is no longer valid"),
            t!("write the 18 characters of the present ID card"),
        ),
        IdNumberError::Length { found } => {
            advice(t!("an ID number has 18 characters, this has {found}", found = found), again())
        }
        IdNumberError::NotDigits => advice(t!("an ID number is 17 digits and then a digit or X"), again()),
        IdNumberError::Province => advice(t!("no province has the first two digits of this ID number"), again()),
        IdNumberError::BirthDate => advice(t!("digits 7 to 14 of this ID number are not a date"), again()),
        IdNumberError::BornInFuture => advice(t!("by this ID number the customer is not born yet"), again()),
        IdNumberError::CheckCharacter => {
            advice(t!("the last character of this ID number does not fit the others: one was mistyped"), again())
        }
    }
}

/// Why an amount was refused, and the fix. Also for prompts and flags.
pub fn amount_text(error: MoneyError) -> Advice {
    let again = || t!("write the amount in yuan with digits, for example 199.00");
    match error {
        MoneyError::Empty => missing_text(),
        MoneyError::NotANumber => advice(t!("this is not an amount"), again()),
        MoneyError::TooPrecise => advice(t!("an amount has at most two decimals"), again()),
        MoneyError::TooLarge => advice(t!("this amount is too large"), again()),
    }
}

/// True for a column that a rejects file added: it is no column of the shop's.
pub fn is_added(name: &str) -> bool {
    ADDED.iter().any(|(zh, en)| name.trim() == *zh || name.trim() == *en)
}

/// A file of refused rows: the columns of the input as they stood, then line, field, reason and fix. Mended, it is read like
/// the original, which ignores the added columns.
pub struct Rejects<W: io::Write> {
    writer: Writer<W>,
    /// Places of the input's own columns; those that an earlier rejects file added are left out.
    kept: Vec<usize>,
    width: usize,
}

impl<W: io::Write> Rejects<W> {
    /// Starts the file for an input with this header.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn new(to: W, header: &[String]) -> io::Result<Rejects<W>> {
        let kept: Vec<usize> = (0..header.len()).filter(|place| !is_added(&header[*place])).collect();
        let mut writer = Writer::new(to)?;
        let own = kept.iter().map(|place| header[*place].as_str());
        writer.row(own.chain(ADDED.iter().map(|name| chosen(*name))))?;
        Ok(Rejects { writer, kept, width: header.len() })
    }

    /// Adds a refused row of the customer book.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn book_row(&mut self, row: &Refused<Field, Problem>) -> io::Result<()> {
        self.row(row, refusal_text)
    }

    /// Adds a refused row of the price list.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn item_row(&mut self, row: &Refused<catalog::Field, catalog::Problem>) -> io::Result<()> {
        self.row(row, item_refusal_text)
    }

    /// Adds a refused row; cells beyond the header come last, so that none is lost and none is taken for another column.
    fn row<C: Column, P>(
        &mut self,
        row: &Refused<C, P>,
        say: impl Fn(&crate::domain::sheet::Refusal<C, P>) -> Advice,
    ) -> io::Result<()> {
        let advice: Vec<Advice> = row.refusals.iter().map(say).collect();
        let joined = |parts: Vec<&str>| parts.join("; ");
        let fields = joined(row.refusals.iter().filter_map(|it| it.field).map(column_text).collect());
        let reasons = joined(advice.iter().map(|it| it.reason.as_str()).collect());
        let fixes = joined(advice.iter().map(|it| it.fix.as_str()).collect());
        let line = row.line.to_string();
        let own = self.kept.iter().map(|place| row.cells.get(*place).map_or("", String::as_str));
        let added = [line.as_str(), fields.as_str(), reasons.as_str(), fixes.as_str()];
        let beyond = row.cells.iter().skip(self.width).map(String::as_str);
        self.writer.row(own.chain(added).chain(beyond))
    }

    /// Ends the file and gives back what was written to.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Rejects, item_refusal_text, refusal_text, sheet_error_text};
    use crate::domain::book::{Book, BookRail, Outcome, Rules};
    use crate::domain::catalog::{self, PriceList};
    use crate::domain::sheet::{SheetError, decode};

    const BOOK: &[u8] = include_bytes!("../../examples/data/customers-gbk.csv");

    fn rules() -> Rules {
        Rules { today: "2026-11-21".parse().unwrap(), rails: ["alipay", "wechat"].map(BookRail::named).to_vec() }
    }

    /// The rejects file of a book, and how many rows were sound.
    fn rejects(bytes: &[u8]) -> (String, usize) {
        let (text, _) = decode(bytes).unwrap();
        let book = Book::open(&text, rules()).unwrap();
        let mut file = Rejects::new(Vec::new(), book.sheet().header()).unwrap();
        let mut sound = 0;
        for outcome in book.rows() {
            match outcome {
                Outcome::Refused(row) => file.book_row(&row).unwrap(),
                Outcome::Sound(_) => sound += 1,
                Outcome::Repeat { .. } => {}
            }
        }
        (String::from_utf8(file.finish().unwrap()).unwrap(), sound)
    }

    #[test]
    fn refused_rows_can_be_mended_and_read_again() {
        let (file, sound) = rejects(BOOK);
        assert_eq!(sound, 301);
        assert!(file.starts_with("\u{feff}姓名,手机号,"));
        assert_eq!(file.lines().count(), 11);
        assert!(
            file.contains(",308,debit day,not every month has this day,\"use 28 or 1, and tell the customer\"\r\n"),
            "{file}"
        );

        // Unmended, every row is refused again and the file comes out with the same columns.
        let (again, sound) = rejects(file.as_bytes());
        assert_eq!((sound, again.lines().count()), (0, 11));
        assert_eq!(file.lines().next(), again.lines().next());

        let mended = file.replace(",31,支付宝,", ",28,支付宝,").replace("1381234567,", "'+86 138-1234-5678,");
        let (rest, sound) = rejects(mended.as_bytes());
        assert_eq!((sound, rest.lines().count()), (2, 9));
    }

    #[test]
    fn a_row_with_too_many_cells_keeps_them_all() {
        let (file, _) = rejects("姓名,手机号,身份证号,宠物名,种类,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号\n=a,1,1,1,1,1,1,1,1,1,1,1,1,last\n".as_bytes());
        let row = file.lines().nth(1).unwrap();
        assert!(row.starts_with("'=a,1,") && row.ends_with(",1,last"), "{row}");
    }

    #[test]
    fn every_reason_has_a_fix_and_neither_is_bare() {
        let (text, _) = decode(BOOK).unwrap();
        for outcome in Book::open(&text, rules()).unwrap().rows() {
            if let Outcome::Refused(row) = outcome {
                let advice = refusal_text(&row.refusals[0]);
                assert!(
                    !advice.reason.contains('{') && !advice.fix.contains('{') && advice.reason != advice.fix,
                    "{advice:?}"
                );
            }
        }
        let list = "货号,名称,类目,成本,售价,会员价\nA,a,toy,1,2,3\n";
        for outcome in PriceList::open(list).unwrap().rows() {
            let catalog::Outcome::Refused(row) = outcome else { panic!() };
            assert_eq!(item_refusal_text(&row.refusals[0]).reason, "the member price is above the price 2.00");
        }
        let missing = SheetError::MissingColumns { missing: vec![("姓名", "name"), ("期数", "terms")] };
        assert_eq!(sheet_error_text(&missing).reason, "columns are missing: name, terms");
    }
}
