//! Everything people read, in English and Chinese.
//!
//! English stands in the code where it is used, as the key: `t!("no customer is called {name}", name = name)`. The Chinese
//! for it stands in `zh/<word>.rs`, a list of pairs that a translator can edit. `tests/it/house.rs` fails on a sentence
//! without its Chinese, on a pair nobody uses, and on a pair whose `{placeholders}` differ.
//!
//! No crate: the one that fits costs 68 crates of build for what is a table and a loop, and reads its files by key, so that
//! the English would no longer stand in the code.

pub mod letters;
pub mod template;
mod zh;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

/// The language of what a person reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Chinese, simplified.
    Zh,
    /// English.
    #[default]
    En,
}

impl Lang {
    /// `zh` or `en`.
    pub const fn word(self) -> &'static str {
        match self {
            Lang::Zh => "zh",
            Lang::En => "en",
        }
    }

    /// Reads `zh`, `zh-CN`, `zh_CN.UTF-8`, `en` …; `None` for any other language.
    pub fn from_word(word: &str) -> Option<Lang> {
        let word = word.to_ascii_lowercase();
        if word.starts_with("zh") {
            Some(Lang::Zh)
        } else if word.starts_with("en") {
            Some(Lang::En)
        } else {
            None
        }
    }
}

/// The language of this process, chosen once at its start.
static LANG: AtomicU8 = AtomicU8::new(0);

static ZH: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| zh::TABLES.iter().flat_map(|table| table.iter().copied()).collect());

/// Chooses the language of everything that [`t!`] makes from now on.
pub fn set_lang(lang: Lang) {
    LANG.store(u8::from(lang == Lang::Zh), Ordering::Relaxed);
}

/// The language chosen for this process.
pub fn lang() -> Lang {
    if LANG.load(Ordering::Relaxed) == 1 { Lang::Zh } else { Lang::En }
}

/// The text for an English sentence in the chosen language, placeholders unfilled.
pub fn lookup(english: &'static str) -> &'static str {
    lookup_in(lang(), english)
}

/// The text for an English sentence in a given language, whatever this process speaks.
pub fn lookup_in(lang: Lang, english: &'static str) -> &'static str {
    match lang {
        Lang::En => english,
        Lang::Zh => ZH.get(english).copied().unwrap_or(english),
    }
}

/// The Chinese for a text only known at run time (help of arguments); `None` when there is none.
pub fn chinese(english: &str) -> Option<&'static str> {
    ZH.get(english).copied()
}

/// Every pair of English and Chinese, for the test that compares them with the code.
pub fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    zh::TABLES.iter().flat_map(|table| table.iter().copied())
}

/// Fills `{name}` placeholders, and `{name|one|many}` with the word that fits the number. A placeholder without a value stays as it
/// is, so that it shows.
pub fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(template.len() + 16 * values.len());
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(end) = rest.find('}') else { break };
        let mut parts = rest[1..end].split('|');
        let named = parts.next();
        let value = values.iter().find(|(name, _)| Some(*name) == named).map(|(_, value)| value.to_string());
        match (value, parts.next(), parts.next()) {
            (Some(value), Some(one), Some(many)) => filled.push_str(if value == "1" { one } else { many }),
            (Some(value), None, _) => filled.push_str(&value),
            _ => filled.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    filled.push_str(rest);
    filled
}

/// A sentence in the chosen language: `t!("signed")`, `t!("{count} {count|charge|charges}", count = 3)`. The English is the key, and
/// must be a literal, so that the tests can find it.
#[macro_export]
macro_rules! t {
    ($english:literal) => { $crate::text::lookup($english).to_owned() };
    ($english:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::text::fill($crate::text::lookup($english), &[$((stringify!($name), &$value)),+])
    };
}

/// Marks an English text that is looked up later, by [`text::lookup`](crate::text::lookup), so that the tests find it:
/// `const HEADINGS: [&str; 2] = [english!("Customer"), english!("Amount")];`
#[macro_export]
macro_rules! english {
    ($english:literal) => {
        $english
    };
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn placeholders_are_filled_once_and_unknown_ones_show() {
        assert_eq!(fill("{a} of {b}", &[("a", &3), ("b", &"{a}")]), "3 of {a}");
        assert_eq!(fill("{missing} {", &[]), "{missing} {");
    }

    #[test]
    fn english_counts_one_thing_and_two_things() {
        let sentence = |count: u64| fill("{count} {count|term was|terms were} moved", &[("count", &count)]);
        assert_eq!([0, 1, 2].map(sentence), ["0 terms were moved", "1 term was moved", "2 terms were moved"]);
        assert_eq!(fill("{count|one}", &[("count", &1)]), "{count|one}");
    }
}
