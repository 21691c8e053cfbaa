//! One type per kind of record, so a pet can never be passed where a customer is meant.
//!
//! An id prints as its word's letter and its number (`c-12`), and is read back from the same text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnId {
    /// What such an id looks like, for example `c-12`.
    pub example: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.example)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id of row `number`.
            pub const fn new(number: i64) -> $name {
                $name(number)
            }

            /// The row's number, for the database.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($letter, "-{}"), self.0))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<$name, NotAnId> {
                text.strip_prefix(concat!($letter, "-"))
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .map($name)
                    .ok_or(NotAnId { example: concat!($letter, "-12") })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not an id like {}-12", $letter)))
            }
        }
    };
}

id!(
    /// Who signs and buys: `c-12`.
    CustomerId,
    "c"
);
id!(
    /// The animal: `p-12`.
    PetId,
    "p"
);
id!(
    /// What was signed: `a-7`.
    AgreementId,
    "a"
);
id!(
    /// The permission to debit on one rail: `m-7`.
    MandateId,
    "m"
);
id!(
    /// One attempt to collect an installment: `k-40`.
    ChargeId,
    "k"
);
id!(
    /// Money going back to a customer: `f-3`.
    RefundId,
    "f"
);
id!(
    /// One execution of the cycle: `r-31`.
    RunId,
    "r"
);
id!(
    /// What a customer took or had shipped: `o-31`.
    OrderId,
    "o"
);
id!(
    /// Something to be told once: `n-9`.
    MessageId,
    "n"
);
id!(
    /// A journal entry: `j-100`.
    EntryId,
    "j"
);
id!(
    /// A settlement statement: `t-4`.
    StatementId,
    "t"
);

id!(
    /// A provider's bill: `b-3`.
    BillId,
    "b"
);
id!(
    /// A line of a bill: `l-120`.
    LineId,
    "l"
);

/// One monthly term of an agreement: `a-7/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallmentId {
    /// The agreement it belongs to.
    pub agreement: AgreementId,
    /// Its number, counted from 1.
    pub term: u32,
}

impl fmt::Display for InstallmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.agreement, self.term))
    }
}

impl FromStr for InstallmentId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<InstallmentId, NotAnId> {
        let wrong = NotAnId { example: "a-7/3" };
        let (agreement, term) = text.split_once('/').ok_or(wrong.clone())?;
        let agreement = agreement.parse().map_err(|_| wrong.clone())?;
        match term.parse() {
            Ok(term) if term >= 1 => Ok(InstallmentId { agreement, term }),
            _ => Err(wrong),
        }
    }
}

impl Serialize for InstallmentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{AgreementId, CustomerId, InstallmentId, PetId};

    #[test]
    fn an_id_reads_back_and_refuses_another_kind() {
        assert_eq!("c-12".parse(), Ok(CustomerId::new(12)));
        assert_eq!(CustomerId::new(12).to_string(), "c-12");
        for wrong in ["12", "p-12", "c-", "c--1", "c-1x", "C-1", "c-99999999999999999999"] {
            assert!(wrong.parse::<CustomerId>().is_err(), "{wrong}");
        }
        assert!("c-12".parse::<PetId>().is_err());
    }

    #[test]
    fn an_installment_is_agreement_and_term() {
        let id = InstallmentId { agreement: AgreementId::new(7), term: 3 };
        assert_eq!(id.to_string(), "a-7/3");
        assert_eq!("a-7/3".parse(), Ok(id));
        for wrong in ["a-7", "a-7/0", "a-7/-1", "7/3", "a-7/3/1"] {
            assert!(wrong.parse::<InstallmentId>().is_err(), "{wrong}");
        }
    }
}
