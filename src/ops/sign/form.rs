//! What was typed to sign: by flags, in a file, or at prompts.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::fault::Fault;
use crate::ops::credit;
use crate::t;

/// Everything that can be said about a signing, as typed: by flags, in a file, or at prompts. Nothing is checked yet.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the flag of its name, and the help of `kibble sign` explains them")]
pub struct Form {
    pub customer: Option<String>,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub id_number: Option<String>,
    pub address: Option<String>,
    pub pet: Option<String>,
    pub pet_name: Option<String>,
    pub species: Option<String>,
    pub breed: Option<String>,
    pub sex: Option<String>,
    pub born: Option<String>,
    pub chip: Option<String>,
    pub quarantine: Option<String>,
    pub source: Option<String>,
    pub reference_cost: Option<String>,
    pub plan: Option<String>,
    pub rail: Option<String>,
    pub second_rail: Option<String>,
    pub debit_day: Option<String>,
    pub text: Option<String>,
    pub credit_consent: Option<String>,
    pub credit_score: Option<String>,
    pub credit_result: Option<String>,
    pub credit_reference: Option<String>,
    pub credit_seen_on: Option<String>,
    pub acknowledged: bool,
    pub explained: bool,
}

impl Form {
    /// The keys of a file, which are the names of the flags.
    pub const KEYS: [&'static str; 27] = [
        "customer",
        "name",
        "phone",
        "id_number",
        "address",
        "pet",
        "pet_name",
        "species",
        "breed",
        "sex",
        "born",
        "chip",
        "quarantine",
        "source",
        "reference_cost",
        "plan",
        "rail",
        "second_rail",
        "debit_day",
        "text",
        "credit_consent",
        "credit_score",
        "credit_result",
        "credit_reference",
        "credit_seen_on",
        "acknowledged",
        "explained",
    ];

    /// Reads a file of one signing, TOML or JSON: one key per flag.
    ///
    /// # Errors
    /// When it is neither, or has a key that is no flag; line and key are named.
    pub fn read(name: &str, content: &str) -> Result<Form> {
        let values: BTreeMap<String, Value> = if content.trim_start().starts_with('{') {
            serde_json::from_str(content).map_err(|error| not_a_form(name, error.line()))?
        } else {
            toml::from_str(content).map_err(|error| {
                let at = error.span().map_or(0, |span| span.start.min(content.len()));
                not_a_form(name, content.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1)
            })?
        };
        let mut form = Form::default();
        for (key, value) in values {
            let text = match value {
                Value::String(text) => text,
                Value::Null => continue,
                Value::Array(_) | Value::Object(_) => return Err(unknown_key(name, &key)),
                plain => plain.to_string(),
            };
            if !form.set(&key.replace('-', "_"), text) {
                return Err(unknown_key(name, &key));
            }
        }
        Ok(form)
    }

    fn set(&mut self, key: &str, text: String) -> bool {
        let place = match key {
            "customer" => &mut self.customer,
            "name" => &mut self.name,
            "phone" => &mut self.phone,
            "id_number" => &mut self.id_number,
            "address" => &mut self.address,
            "pet" => &mut self.pet,
            "pet_name" => &mut self.pet_name,
            "species" => &mut self.species,
            "breed" => &mut self.breed,
            "sex" => &mut self.sex,
            "born" => &mut self.born,
            "chip" => &mut self.chip,
            "quarantine" => &mut self.quarantine,
            "source" => &mut self.source,
            "reference_cost" => &mut self.reference_cost,
            "plan" => &mut self.plan,
            "rail" => &mut self.rail,
            "second_rail" => &mut self.second_rail,
            "debit_day" => &mut self.debit_day,
            "text" => &mut self.text,
            "credit_consent" => &mut self.credit_consent,
            "credit_score" => &mut self.credit_score,
            "credit_result" => &mut self.credit_result,
            "credit_reference" => &mut self.credit_reference,
            "credit_seen_on" => &mut self.credit_seen_on,
            "acknowledged" => {
                self.acknowledged = text == "true";
                return true;
            }
            "explained" => {
                self.explained = text == "true";
                return true;
            }
            _ => return false,
        };
        *place = Some(text);
        true
    }

    /// What the clerk saw at the credit check.
    pub fn credit_seen(&self) -> credit::Typed {
        credit::Typed {
            score: self.credit_score.clone(),
            result: self.credit_result.clone(),
            reference: self.credit_reference.clone(),
            seen_on: self.credit_seen_on.clone(),
        }
    }
}

fn not_a_form(name: &str, line: usize) -> anyhow::Error {
    Fault::usage(t!("{file}, line {line}: this is neither TOML nor JSON", file = name, line = line))
        .hint(t!("write one `key = \"value\"` per line; the keys are the flags of `kibble sign`"))
        .into()
}

fn unknown_key(name: &str, key: &str) -> anyhow::Error {
    Fault::usage(t!("{file} has the key {key}, which `kibble sign` does not know", file = name, key = key))
        .hint(t!("one of: {choices}", choices = Form::KEYS.join(", ")))
        .into()
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_file_is_toml_or_json_and_knows_the_flags_only() {
        let toml = Form::read("s.toml", "name = \"王小明\"\ndebit-day = 15\nacknowledged = true").unwrap();
        assert_eq!((toml.name.as_deref(), toml.debit_day.as_deref()), (Some("王小明"), Some("15")));
        assert!(toml.acknowledged && !toml.explained);
        let json = Form::read("s.json", r#"{"id_number": "119999198506150016", "pet": null}"#).unwrap();
        assert_eq!(json.id_number.as_deref(), Some("119999198506150016"));
        for (text, part) in [
            ("name = ", "line 1"),
            ("nane = 'x'", "nane"),
            ("{\"name\": }", "line 1"),
            ("[customer]\nid = 1", "customer"),
        ] {
            let error = Form::read("s", text).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
