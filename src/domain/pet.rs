//! The animal: its species, sex, state and chip number. Breeds are free text, since a shop's own word for one is as good as
//! a list's. Does not own vaccines or the health guarantee.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// What kind of animal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Species {
    /// 猫
    Cat,
    /// 狗
    Dog,
    /// 兔
    Rabbit,
    /// Anything else; the breed says what.
    Other,
}

impl Species {
    /// Every species.
    pub const ALL: [Species; 4] = [Species::Cat, Species::Dog, Species::Rabbit, Species::Other];

    /// The word in columns, files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Species::Cat => "cat",
            Species::Dog => "dog",
            Species::Rabbit => "rabbit",
            Species::Other => "other",
        }
    }

    /// Reads [`Species::word`] back.
    pub fn from_word(word: &str) -> Option<Species> {
        Species::ALL.into_iter().find(|species| species.word() == word)
    }

    /// Reads what people write, Chinese or English. `None` for a word it does not know: the caller decides whether that is
    /// [`Species::Other`] or a mistake.
    pub fn from_text(text: &str) -> Option<Species> {
        match plain(text).as_str() {
            "猫" | "猫咪" | "猫猫" | "cat" | "cats" | "kitten" => Some(Species::Cat),
            "狗" | "狗狗" | "犬" | "犬只" | "dog" | "dogs" | "puppy" => Some(Species::Dog),
            "兔" | "兔子" | "兔兔" | "rabbit" | "rabbits" => Some(Species::Rabbit),
            "其他" | "其它" | "异宠" | "other" => Some(Species::Other),
            _ => None,
        }
    }
}

/// An animal's sex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// 公
    Male,
    /// 母
    Female,
    /// Not known, or not noted.
    Unknown,
}

impl Sex {
    /// Every value.
    pub const ALL: [Sex; 3] = [Sex::Male, Sex::Female, Sex::Unknown];

    /// The word in columns, files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Sex::Male => "male",
            Sex::Female => "female",
            Sex::Unknown => "unknown",
        }
    }

    /// Reads [`Sex::word`] back.
    pub fn from_word(word: &str) -> Option<Sex> {
        Sex::ALL.into_iter().find(|sex| sex.word() == word)
    }

    /// Reads what people write, Chinese or English; `None` for a word it does not know.
    pub fn from_text(text: &str) -> Option<Sex> {
        match plain(text).as_str() {
            "公" | "雄" | "男" | "弟弟" | "male" | "m" => Some(Sex::Male),
            "母" | "雌" | "女" | "妹妹" | "female" | "f" => Some(Sex::Female),
            "" | "未知" | "不详" | "unknown" => Some(Sex::Unknown),
            _ => None,
        }
    }
}

/// Where an animal is in its life with the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Lives in the shop and may be adopted.
    InShop,
    /// Promised to somebody.
    Reserved,
    /// Lives with a customer.
    Adopted,
    /// Came back from a customer.
    Returned,
    /// Died: nothing is charged any more.
    Died,
    /// Ran away or was stolen: nothing is charged any more.
    Lost,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 6] =
        [Status::InShop, Status::Reserved, Status::Adopted, Status::Returned, Status::Died, Status::Lost];

    /// The word in columns, files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Status::InShop => "in_shop",
            Status::Reserved => "reserved",
            Status::Adopted => "adopted",
            Status::Returned => "returned",
            Status::Died => "died",
            Status::Lost => "lost",
        }
    }

    /// Reads [`Status::word`] back.
    pub fn from_word(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.word() == word)
    }

    /// True when an agreement for this animal may go on being charged (RQ25: death or loss stops the debits).
    pub const fn may_be_charged_for(self) -> bool {
        !matches!(self, Status::Died | Status::Lost | Status::Returned)
    }
}

/// A microchip number: 15 digits (ISO 11784/11785).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChipNumber(String);

/// A text that is not a chip number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAChipNumber {
    /// How many digits it has; 15 when something else than digits is the fault.
    pub digits: usize,
}

impl ChipNumber {
    /// Reads 15 digits; spaces, hyphens and full-width digits are fine.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<ChipNumber, NotAChipNumber> {
        let text: String = plain(text).chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits == 15 && text.len() == 15 { Ok(ChipNumber(text)) } else { Err(NotAChipNumber { digits }) }
    }

    /// The 15 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn plain(text: &str) -> String {
    text.nfkc().collect::<String>().trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{ChipNumber, NotAChipNumber, Sex, Species, Status};

    #[test]
    fn words_read_back() {
        assert!(Species::ALL.into_iter().all(|it| Species::from_word(it.word()) == Some(it)));
        assert!(Sex::ALL.into_iter().all(|it| Sex::from_word(it.word()) == Some(it)));
        assert!(Status::ALL.into_iter().all(|it| Status::from_word(it.word()) == Some(it)));
    }

    #[test]
    fn a_species_is_read_in_both_languages() {
        for (text, species) in [
            ("猫", Some(Species::Cat)),
            (" ＣＡＴ ", Some(Species::Cat)),
            ("犬", Some(Species::Dog)),
            ("兔子", Some(Species::Rabbit)),
            ("其他", Some(Species::Other)),
            ("仓鼠", None),
        ] {
            assert_eq!(Species::from_text(text), species, "{text}");
        }
    }

    #[test]
    fn the_dead_and_the_lost_are_not_charged_for() {
        assert!(Status::Adopted.may_be_charged_for());
        for status in [Status::Died, Status::Lost, Status::Returned] {
            assert!(!status.may_be_charged_for());
        }
    }

    #[test]
    fn a_chip_number_has_fifteen_digits() {
        assert_eq!(ChipNumber::parse("156 0000-0000 0012").unwrap().as_str(), "156000000000012");
        assert_eq!(ChipNumber::parse("15600000000001"), Err(NotAChipNumber { digits: 14 }));
        assert_eq!(ChipNumber::parse("15600000000001x2"), Err(NotAChipNumber { digits: 15 }));
    }
}
