//! The texts of messages: the built-in ones of `templates/notifications.toml`, those a shop puts in their place, and filling in
//! their placeholders. A text with a placeholder nobody filled is refused: half a text never leaves the shop. Knows nothing of
//! customers or of sending.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::english;
use crate::text::{Lang, lang, lookup_in, template};

const BUILT_IN: &str = include_str!("templates/notifications.toml");

/// Another name for a text: the earlier reminder says the same as the announcement.
const SAME_AS: [(&str, &str); 1] = [("heads_up", "pre_debit_48h")];

/// Why a text could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterError {
    /// No text has this name.
    Unknown,
    /// The text needs these values and was not given them.
    Missing(Vec<String>),
    /// The text itself is written wrong.
    Broken(String),
}

/// All texts, ready to be filled.
pub struct Letters {
    texts: Environment<'static>,
    /// What each text needs, once it was asked: finding it out reads the text's source again.
    needs: RefCell<BTreeMap<String, Rc<BTreeSet<String>>>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    msg: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    id: String,
    zh: String,
    en: String,
}

#[derive(Deserialize)]
struct Sample {
    sample: Map<String, Value>,
}

/// What people call a text: in a list of messages, not in the message. A name this program does not know stays as it is.
pub fn title(id: &str) -> String {
    title_in(lang(), id)
}

/// The same in a given language, for the heading of a message.
pub fn title_in(lang: Lang, id: &str) -> String {
    let english = match id {
        "pre_debit_48h" => english!("debit announced"),
        "heads_up" => english!("debit soon"),
        "debit_success" => english!("debit done"),
        "debit_failed" => english!("debit failed"),
        "retry_exhausted_customer" => english!("retries over"),
        "retry_exhausted_merchant" => english!("retries over, to the shop"),
        "overdue_l1" => english!("overdue, 1-3 days"),
        "overdue_l2" => english!("overdue, 4-15 days"),
        "overdue_l3" => english!("overdue, 16-30 days"),
        "overdue_l4" => english!("overdue, 31-60 days"),
        "overdue_l5" => english!("overdue, over 60 days"),
        "high_risk_alert" => english!("high risk, to the shop"),
        "vaccine_due" => english!("vaccination due"),
        "deworm_due" => english!("deworming due"),
        "complaint_ack" => english!("complaint received"),
        "complaint_sla_breach" => english!("complaint unanswered, to the shop"),
        "contract_expiring" => english!("agreement ends soon"),
        "contract_completed" => english!("agreement completed"),
        "mandate_revoked_customer" => english!("mandate ended by the customer"),
        "mandate_revoked_merchant" => english!("mandate ended by the customer, to the shop"),
        "termination_ack" => english!("termination received"),
        "refund_done" => english!("refund paid"),
        "advance_settled" => english!("advance booked, to the shop"),
        "shop_closing" => english!("shop closes or moves"),
        "data_request_done" => english!("request about personal data done"),
        "breach_notice" => english!("personal data incident"),
        other => return other.to_owned(),
    };
    lookup_in(lang, english).to_owned()
}

/// Whose text a text borrows: the earlier reminder says what the announcement says.
pub fn same_as(id: &str) -> Option<&'static str> {
    SAME_AS.iter().find(|(name, _)| *name == id).map(|(_, same)| *same)
}

impl Letters {
    /// The built-in texts, with those of `overrides` (the same format, only the ids it wants to change) in their place.
    ///
    /// # Errors
    /// What is wrong with `overrides`, in the TOML reader's or the template reader's words.
    pub fn new(overrides: Option<&str>) -> Result<Letters, String> {
        let mut letters = Letters { texts: template::environment(), needs: RefCell::default() };
        letters.add(BUILT_IN, false)?;
        if let Some(overrides) = overrides {
            letters.add(overrides, true)?;
        }
        Ok(letters)
    }

    fn add(&mut self, toml_text: &str, only_known: bool) -> Result<(), String> {
        let file: File = toml::from_str(toml_text).map_err(|error| error.to_string())?;
        for text in file.msg {
            if only_known && !self.knows(&text.id) {
                return Err(format!("id = \"{}\"", text.id));
            }
            for (lang, source) in [(Lang::Zh, text.zh), (Lang::En, text.en)] {
                template::check(&source).map_err(|fault| format!("{}.{}: {}", text.id, lang.word(), fault.text()))?;
                let added = self.texts.add_template_owned(key(&text.id, lang), source);
                added.map_err(|error| format!("{}.{}: {error}", text.id, lang.word()))?;
            }
        }
        Ok(())
    }

    fn knows(&self, id: &str) -> bool {
        self.texts.get_template(&key(id, Lang::Zh)).is_ok() || SAME_AS.iter().any(|(name, _)| *name == id)
    }

    /// The names of all texts.
    pub fn ids(&self) -> BTreeSet<String> {
        self.texts.templates().filter_map(|(name, _)| name.strip_suffix(".zh")).map(str::to_owned).collect()
    }

    /// The names of the values that a text needs.
    pub fn needs(&self, id: &str, lang: Lang) -> Option<Rc<BTreeSet<String>>> {
        let name = self.resolved(id, lang);
        if let Some(known) = self.needs.borrow().get(&name) {
            return Some(known.clone());
        }
        let found: BTreeSet<String> =
            self.texts.get_template(&name).ok()?.undeclared_variables(false).into_iter().collect();
        let found = Rc::new(found);
        self.needs.borrow_mut().insert(name, found.clone());
        Some(found)
    }

    /// Fills a text. A value that is missing, null or empty counts as not given.
    ///
    /// # Errors
    /// When there is no such text, a value is missing, or the text is broken.
    pub fn render(&self, id: &str, lang: Lang, values: &Map<String, Value>) -> Result<String, LetterError> {
        let needs = self.needs(id, lang).ok_or(LetterError::Unknown)?;
        let given = |name: &String| match values.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(_) => true,
        };
        let missing: Vec<String> = needs.iter().filter(|name| !given(name)).cloned().collect();
        if !missing.is_empty() {
            return Err(LetterError::Missing(missing));
        }
        let broken = |error: minijinja::Error| LetterError::Broken(error.to_string());
        self.texts.get_template(&self.resolved(id, lang)).and_then(|text| text.render(Serde(values))).map_err(broken)
    }

    fn resolved(&self, id: &str, lang: Lang) -> String {
        let own = key(id, lang);
        if self.texts.get_template(&own).is_ok() {
            return own;
        }
        same_as(id).map_or(own, |same| key(same, lang))
    }
}

/// Values with which every built-in text can be shown.
pub fn sample() -> Map<String, Value> {
    toml::from_str::<Sample>(BUILT_IN).map(|file| file.sample).unwrap_or_default()
}

fn key(id: &str, lang: Lang) -> String {
    format!("{id}.{}", lang.word())
}

#[cfg(test)]
mod tests {
    use super::{LetterError, Letters, sample};
    use crate::text::Lang;

    #[test]
    fn every_text_is_filled_and_fits_one_chinese_message() {
        let letters = Letters::new(None).unwrap();
        assert_eq!(letters.ids().len(), 25);
        for id in letters.ids() {
            for lang in [Lang::Zh, Lang::En] {
                let text = letters.render(&id, lang, &sample()).unwrap_or_else(|error| panic!("{id}: {error:?}"));
                assert!(!text.contains('{'), "{text}");
                let limit = if lang == Lang::Zh { 70 } else { 160 };
                assert!(text.chars().count() <= limit, "{id} {lang:?} has {}: {text}", text.chars().count());
            }
        }
    }

    #[test]
    fn half_a_text_is_refused_and_says_what_is_missing() {
        let letters = Letters::new(None).unwrap();
        let mut values = sample();
        values.remove("amount");
        values.insert("link".into(), " ".into());
        let missing = LetterError::Missing(vec!["amount".into(), "link".into()]);
        assert_eq!(letters.render("overdue_l1", Lang::Zh, &values), Err(missing));
        assert_eq!(letters.render("no_such", Lang::Zh, &values), Err(LetterError::Unknown));
    }

    #[test]
    fn a_shop_replaces_single_texts_and_cannot_invent_one() {
        let own = "[[msg]]\nid = \"refund_done\"\nzh = \"退{{ refund }}\"\nen = \"back {{ refund }}\"\n";
        let letters = Letters::new(Some(own)).unwrap();
        assert_eq!(letters.render("refund_done", Lang::En, &sample()).unwrap(), "back 312.50");
        assert!(letters.render("debit_success", Lang::En, &sample()).unwrap().contains("199.00"));
        let invented = own.replace("refund_done", "refund_dome");
        assert!(Letters::new(Some(&invented)).is_err_and(|why| why.contains("refund_dome")));
        assert!(Letters::new(Some(&own.replace("{{ refund }}", "{{ refund"))).is_err());
        let program = own.replace("{{ refund }}", "{{ refund ~ refund }}");
        assert!(Letters::new(Some(&program)).is_err_and(|why| why.contains("refund_done.zh") && why.contains('~')));
    }

    #[test]
    fn the_earlier_reminder_says_what_the_announcement_says() {
        let letters = Letters::new(None).unwrap();
        let both = ["heads_up", "pre_debit_48h"].map(|id| letters.render(id, Lang::Zh, &sample()).unwrap());
        assert_eq!(both[0], both[1]);
    }
}
