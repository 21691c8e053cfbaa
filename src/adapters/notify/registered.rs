//! Texts that are registered with a provider: SMS providers and WeChat send nothing else. Which of theirs stands for which of ours,
//! and which values they want, is in `shop.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::adapters::notify::Parcel;
use crate::t;
use crate::text::Lang;
use crate::text::letters::same_as;

/// A registered text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// The provider's number of it.
    pub code: String,
    /// The values it wants, in order: our name, or `theirs=ours` where the provider's differs.
    #[serde(default)]
    pub params: Vec<String>,
}

impl Registered {
    /// The provider's names of the values, each with ours.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|param| {
            let (theirs, ours) = param.split_once('=').unwrap_or((param, param));
            (theirs.trim(), ours.trim())
        })
    }
}

/// A registered text with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled<'a> {
    /// The provider's number of the text.
    pub code: &'a str,
    /// The provider's names and the values, in the order of the setting.
    pub values: Vec<(String, String)>,
}

/// The registered texts of a channel, by the name of ours.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    zh: BTreeMap<String, Registered>,
    en: BTreeMap<String, Registered>,
}

impl Texts {
    /// From the tables `templates` and `templates_en` of a channel.
    pub fn new(zh: &BTreeMap<String, Registered>, en: &BTreeMap<String, Registered>) -> Texts {
        Texts { zh: zh.clone(), en: en.clone() }
    }

    /// The registered text for ours.
    pub fn get(&self, template: &str, lang: Lang) -> Option<&Registered> {
        let table = match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        };
        table.get(template).or_else(|| table.get(same_as(template)?))
    }

    /// Every registered text, with the name of ours and the setting it stands in.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Registered)> {
        let zh = self.zh.iter().map(|(name, text)| ("templates", name.as_str(), text));
        zh.chain(self.en.iter().map(|(name, text)| ("templates_en", name.as_str(), text)))
    }

    /// The registered text for a message, filled.
    ///
    /// # Errors
    /// Why the channel cannot carry it, in plain words.
    pub fn filled(&self, parcel: &Parcel) -> Result<Filled<'_>, String> {
        let lang = parcel.language();
        let Some(text) = self.get(&parcel.template, lang) else {
            return Err(t!(
                "no registered text for {template} ({lang})",
                template = parcel.template,
                lang = lang.word()
            ));
        };
        let mut values = Vec::with_capacity(text.params.len());
        for (theirs, ours) in text.names() {
            let Some(value) = parcel.values.get(ours) else {
                return Err(t!(
                    "the registered text for {template} wants {name}, which this message does not have",
                    template = parcel.template,
                    name = ours
                ));
            };
            values.push((theirs.to_owned(), value.clone()));
        }
        Ok(Filled { code: &text.code, values })
    }
}
