//! Who signs and buys: names, mobile numbers and citizen ID numbers as outside text becomes them, the age rule, and how each
//! is masked. Owns what may be shown of a person; does not seal, store or look anybody up.
//!
//! None of these types prints itself in full: `Debug` masks, and there is no `Display`, so a log cannot leak by accident.
//! `reveal` is the one word to search for.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use unicode_normalization::UnicodeNormalization;

use super::date::age_on;

/// The age from which a person may sign (Civil Code 17–18; domain facts 1.6 and PC10).
pub const ADULT_YEARS: i32 = 18;

/// The age from which the agreement is explained once more before signing (PC10).
pub const EXPLAIN_FROM_YEARS: i32 = 60;

/// The longest name that is taken, in characters; the longest ones in Chinese registers are below thirty.
pub const NAME_LIMIT_CHARS: usize = 60;

/// A sound 18-character citizen ID number (GB 11643-1999). Sound means well formed: it may still be somebody else's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdNumber {
    text: String,
    birth: NaiveDate,
}

/// The first rule that an ID number broke, in the order of domain facts 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdNumberError {
    /// Nothing but spaces.
    Empty,
    /// A spreadsheet has turned it into something like `1.19999E+17`; the last digits are lost for good.
    Rounded,
    /// Fifteen digits: the first generation, no longer a valid document.
    FirstGeneration,
    /// Not 18 characters.
    Length {
        /// How many there are.
        found: usize,
    },
    /// Something else than 17 digits and a digit or `X`.
    NotDigits,
    /// The first two digits are no province.
    Province,
    /// Digits 7–14 are no day of the calendar, or lie before 1900.
    BirthDate,
    /// The birth date lies after today.
    BornInFuture,
    /// The last character does not fit the others: a digit was mistyped.
    CheckCharacter,
}

impl IdNumber {
    /// Reads a number as people type it: full-width digits, spaces, hyphens and a small `x` are fine. `today` bounds the
    /// birth date.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn parse(text: &str, today: NaiveDate) -> Result<IdNumber, IdNumberError> {
        let text: String = bare(text).chars().map(|c| c.to_ascii_uppercase()).collect();
        if text.is_empty() {
            return Err(IdNumberError::Empty);
        }
        if is_rounded(&text) {
            return Err(IdNumberError::Rounded);
        }
        let found = text.chars().count();
        if found == 15 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(IdNumberError::FirstGeneration);
        }
        if found != 18 {
            return Err(IdNumberError::Length { found });
        }
        let digits: Vec<u32> = text.chars().take(17).filter_map(|c| c.to_digit(10)).collect();
        let last = text.chars().next_back().unwrap_or(' ');
        if digits.len() != 17 || !(last.is_ascii_digit() || last == 'X') {
            return Err(IdNumberError::NotDigits);
        }
        if !is_province(digits[0] * 10 + digits[1]) {
            return Err(IdNumberError::Province);
        }
        let number = |range: std::ops::Range<usize>| digits[range].iter().fold(0u32, |sum, digit| sum * 10 + digit);
        let year = i32::try_from(number(6..10)).map_err(|_| IdNumberError::BirthDate)?;
        let birth = NaiveDate::from_ymd_opt(year, number(10..12), number(12..14)).ok_or(IdNumberError::BirthDate)?;
        if birth.year() < 1900 {
            return Err(IdNumberError::BirthDate);
        }
        if birth > today {
            return Err(IdNumberError::BornInFuture);
        }
        if check_character(&digits) != last {
            return Err(IdNumberError::CheckCharacter);
        }
        Ok(IdNumber { text, birth })
    }

    /// The character that completes 17 digits; `None` for anything else.
    pub fn check_letter(body: &str) -> Option<char> {
        let digits: Vec<u32> = body.chars().filter_map(|c| c.to_digit(10)).collect();
        (digits.len() == 17 && body.len() == 17).then(|| check_character(&digits))
    }

    /// The day of birth, a civil date.
    pub const fn birth_date(&self) -> NaiveDate {
        self.birth
    }

    /// True for an even sequence number.
    pub fn is_female(&self) -> bool {
        self.text.as_bytes()[16].is_ascii_digit() && (self.text.as_bytes()[16] - b'0').is_multiple_of(2)
    }

    /// `119999********0014`, for the customer's own contract.
    pub fn masked(&self) -> String {
        format!("{}********{}", &self.text[..6], self.last4())
    }

    /// The last four characters, all that staff lists show.
    pub fn last4(&self) -> &str {
        &self.text[14..]
    }

    /// The whole number: for sealing, and for an identity check that a role may do.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdNumber({})", self.masked())
    }
}

/// Prefixes that exist (domain facts 3.1). Counties are not looked at: their codes change.
fn is_province(prefix: u32) -> bool {
    matches!(prefix, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

/// ISO 7064 MOD 11-2 over 17 digits.
fn check_character(digits: &[u32]) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    CHECKS[(sum % 11) as usize]
}

/// A mobile number of mainland China, 11 digits without prefix.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

/// Why a text is not a mobile number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneError {
    /// Nothing but spaces.
    Empty,
    /// A spreadsheet has turned it into something like `1.38E+10`; the last digits are lost for good.
    Rounded,
    /// Something else than digits remains after prefix, spaces and hyphens are gone.
    NotDigits,
    /// Not 11 digits.
    Length {
        /// How many there are.
        found: usize,
    },
    /// Eleven digits that do not begin with 13–19, for example a fixed line: it gets no text message.
    NotMobile,
}

impl Phone {
    /// Reads a number as people type it: `+86`, `0086` or `86` before it, spaces, hyphens, full-width digits (domain facts
    /// 3.2). The pattern is the lenient one on purpose: ranges grow.
    ///
    /// # Errors
    /// Why it is not a mobile number.
    pub fn parse(text: &str) -> Result<Phone, PhoneError> {
        let text = bare(text);
        if text.is_empty() {
            return Err(PhoneError::Empty);
        }
        if is_rounded(&text) {
            return Err(PhoneError::Rounded);
        }
        let digits = text
            .strip_prefix("+86")
            .or_else(|| text.strip_prefix("0086"))
            .or_else(|| text.strip_prefix("86").filter(|rest| rest.len() == 11))
            .unwrap_or(&text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PhoneError::NotDigits);
        }
        if digits.len() != 11 {
            return Err(PhoneError::Length { found: digits.len() });
        }
        let bytes = digits.as_bytes();
        if bytes[0] != b'1' || !(b'3'..=b'9').contains(&bytes[1]) {
            return Err(PhoneError::NotMobile);
        }
        Ok(Phone(digits.to_owned()))
    }

    /// `199****0001`.
    pub fn masked(&self) -> String {
        format!("{}****{}", &self.0[..3], self.tail())
    }

    /// The last four digits, `0001`.
    pub fn tail(&self) -> &str {
        &self.0[7..]
    }

    /// Ranges of virtual operators: a slightly higher fraud signal, never a refusal (domain facts 3.2).
    pub fn is_virtual_operator(&self) -> bool {
        matches!(&self.0[..3], "162" | "165" | "167" | "170" | "171")
    }

    /// All eleven digits: for sealing and for sending a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

/// A person's name. Any text with two characters or a Latin letter will do: names are not ours to judge.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(String);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing but spaces.
    Empty,
    /// One Chinese character: a surname alone signs nothing.
    TooShort,
    /// More than [`NAME_LIMIT_CHARS`] characters: two cells have run together.
    TooLong,
}

impl PersonName {
    /// Tidies a name: NFKC, no invisible characters, single spaces, and none between Chinese characters, because lists pad
    /// `张　三` to the width of `王小明`.
    ///
    /// # Errors
    /// Why it is not a name.
    pub fn parse(text: &str) -> Result<PersonName, NameError> {
        let text: String = text.nfkc().filter(|c| !is_invisible(*c)).collect();
        let mut name = String::with_capacity(text.len());
        for word in text.split_whitespace() {
            let latin_meets = name.chars().next_back().is_some_and(|c| c.is_ascii())
                || word.chars().next().is_some_and(|c| c.is_ascii());
            if !name.is_empty() && latin_meets {
                name.push(' ');
            }
            name.push_str(word);
        }
        match name.chars().count() {
            0 => Err(NameError::Empty),
            1 if !name.chars().all(|c| c.is_ascii_alphabetic()) => Err(NameError::TooShort),
            count if count > NAME_LIMIT_CHARS => Err(NameError::TooLong),
            _ => Ok(PersonName(name)),
        }
    }

    /// `王**`.
    pub fn masked(&self) -> String {
        mask_name(&self.0)
    }

    /// The whole name: for sealing, for the agreement, and for a person allowed to see it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonName({})", self.masked())
    }
}

/// The first character and `**`, whatever the length, so that the length tells nothing: `王小明` -> `王**`, `John` -> `J**`.
pub fn mask_name(name: &str) -> String {
    let first: String = name.trim().chars().take(1).collect();
    format!("{first}**")
}

/// A masked name with the last four digits of the phone, `王**(0001)`: tells two people of one surname apart without naming either.
/// The name alone where the phone is no mobile number.
pub fn label(name: &str, phone: &str) -> String {
    match Phone::parse(phone) {
        Ok(phone) => format!("{}({})", mask_name(name), phone.tail()),
        Err(_) => mask_name(name),
    }
}

/// What a person's age means for signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Below 18: may not sign.
    TooYoung {
        /// Whole years.
        years: i32,
    },
    /// May sign.
    Adult,
    /// 60 or older: may sign after an extra explanation, which is recorded.
    NeedsExplanation {
        /// Whole years.
        years: i32,
    },
}

impl Age {
    /// The rule for somebody born on `birth` who signs on `day`.
    pub fn on(birth: NaiveDate, day: NaiveDate) -> Age {
        match age_on(birth, day) {
            years if years < ADULT_YEARS => Age::TooYoung { years },
            years if years >= EXPLAIN_FROM_YEARS => Age::NeedsExplanation { years },
            _ => Age::Adult,
        }
    }

    /// True from 18.
    pub const fn may_sign(self) -> bool {
        !matches!(self, Age::TooYoung { .. })
    }
}

/// Characters that show nothing and arrive by copying from a chat or a web page: zero-width ones, direction marks, the byte
/// order mark, the soft hyphen, control characters.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
        || (c.is_control() && !c.is_whitespace())
}

/// NFKC without spaces, dashes and invisible characters.
fn bare(text: &str) -> String {
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    text.nfkc().filter(|c| !c.is_whitespace() && !is_invisible(*c) && !is_dash(*c)).collect()
}

/// `1.38E+10`, as a spreadsheet writes a long number into a CSV.
fn is_rounded(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    !exponent.is_empty()
        && exponent.bytes().all(|b| b.is_ascii_digit())
        && mantissa.starts_with(|c: char| c.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::{Age, IdNumber, IdNumberError, NameError, PersonName, Phone, PhoneError, label, mask_name};
    use chrono::NaiveDate;
    use proptest::prelude::{any, proptest};

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn rows(text: &str) -> Vec<Vec<String>> {
        csv::Reader::from_reader(text.as_bytes())
            .records()
            .map(|row| row.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn id_numbers_of_the_table_are_taken_or_refused() {
        let today = date("2026-11-21");
        let rows = rows(include_str!("../../tests/data/test-ids.csv"));
        assert_eq!(rows.len(), 20);
        for row in rows {
            let read = IdNumber::parse(&row[0], today);
            assert_eq!(read.is_ok(), row[1] == "valid", "{row:?}");
            if let Ok(id) = read {
                assert_eq!(id.birth_date(), date(&row[2]), "{row:?}");
                assert_eq!(id.is_female(), row[3] == "F", "{row:?}");
                assert_eq!(super::age_on(id.birth_date(), today).to_string(), row[4], "{row:?}");
                assert_eq!(Age::on(id.birth_date(), today).may_sign(), row[5] == "yes", "{row:?}");
            }
        }
    }

    #[test]
    fn a_refused_id_number_names_the_rule_it_broke() {
        for (text, error) in [
            ("", IdNumberError::Empty),
            ("1.19999E+17", IdNumberError::Rounded),
            ("119999850615001", IdNumberError::FirstGeneration),
            ("11999919850615001", IdNumberError::Length { found: 17 }),
            ("1199991985O6150011", IdNumberError::NotDigits),
            ("1199991993050601XX", IdNumberError::NotDigits),
            ("99000119930506001X", IdNumberError::Province),
            ("119999199302300013", IdNumberError::BirthDate),
            ("119999190102290016", IdNumberError::BirthDate),
            ("119999209901010014", IdNumberError::BornInFuture),
            ("119999198506150015", IdNumberError::CheckCharacter),
        ] {
            assert_eq!(IdNumber::parse(text, date("2026-11-21")), Err(error), "{text}");
        }
    }

    #[test]
    fn an_id_number_is_read_as_people_type_it_and_shown_masked() {
        let today = date("2026-11-21");
        let id = IdNumber::parse(" 110105 19491231-002x ", today).unwrap();
        assert_eq!(id.reveal(), "11010519491231002X");
        assert_eq!(id.masked(), "110105********002X");
        assert_eq!(id.last4(), "002X");
        assert_eq!(format!("{id:?}"), "IdNumber(110105********002X)");
        assert!(IdNumber::parse("１１９９９９１９８５０６１５００１６", today).is_ok());
    }

    #[test]
    fn phones_of_the_table_are_taken_or_refused() {
        let rows = rows(include_str!("../../tests/data/test-phones.csv"));
        assert_eq!(rows.len(), 12);
        for row in rows {
            match Phone::parse(&row[0]) {
                Ok(phone) => {
                    assert_eq!((row[1].as_str(), phone.reveal()), ("valid", row[2].as_str()), "{row:?}");
                    assert_eq!(
                        phone.is_virtual_operator(),
                        ["170", "166", "162"].contains(&&row[2][..3]) && &row[2][..3] != "166"
                    );
                }
                Err(_) => assert_eq!(row[1], "invalid", "{row:?}"),
            }
        }
    }

    #[test]
    fn a_refused_phone_says_why() {
        for (text, error) in [
            (" ", PhoneError::Empty),
            ("1.38E+10", PhoneError::Rounded),
            ("138-abc", PhoneError::NotDigits),
            ("1381234567", PhoneError::Length { found: 10 }),
            ("010-12345678", PhoneError::NotMobile),
            ("+86", PhoneError::NotDigits),
        ] {
            assert_eq!(Phone::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn people_are_shown_masked() {
        let phone = Phone::parse("19900000001").unwrap();
        assert_eq!((phone.masked().as_str(), phone.tail()), ("199****0001", "0001"));
        assert_eq!((label("王小明", "19900000001"), label("王小明", "none")), ("王**(0001)".into(), "王**".into()));
        assert_eq!(
            format!("{:?} {phone:?}", PersonName::parse("王小明").unwrap()),
            "PersonName(王**) Phone(199****0001)"
        );
        assert_eq!(mask_name("John Smith"), "J**");
        assert_eq!(mask_name(""), "**");
    }

    #[test]
    fn names_are_tidied_not_judged() {
        for (text, expected) in [
            (" 赵宇豪　", Ok("赵宇豪")),
            ("张　三", Ok("张三")),
            ("John   Smith", Ok("John Smith")),
            ("王\u{200b}小明", Ok("王小明")),
            ("=1+1", Ok("=1+1")),
            ("王", Err(NameError::TooShort)),
            ("\u{3000}\u{feff}", Err(NameError::Empty)),
        ] {
            assert_eq!(PersonName::parse(text).as_ref().map(PersonName::reveal).map_err(|e| *e), expected, "{text}");
        }
        assert_eq!(PersonName::parse(&"长".repeat(61)), Err(NameError::TooLong));
    }

    #[test]
    fn sixty_needs_an_extra_explanation() {
        let day = date("2026-11-21");
        assert_eq!(Age::on(date("2008-11-22"), day), Age::TooYoung { years: 17 });
        assert_eq!(Age::on(date("2008-11-21"), day), Age::Adult);
        assert_eq!(Age::on(date("1966-11-22"), day), Age::Adult);
        assert_eq!(Age::on(date("1966-11-21"), day), Age::NeedsExplanation { years: 60 });
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), digits in "[0-9０-９Xx +-]{0,24}") {
            for text in [&text, &digits] {
                let _ = (IdNumber::parse(text, date("2026-11-21")), PersonName::parse(text), mask_name(text));
                if let Ok(phone) = Phone::parse(text) {
                    let _ = (phone.masked(), phone.is_virtual_operator());
                }
            }
        }
    }
}
