//! Who can be asked whether a customer's credit is good enough. What a score is worth and who decides is not asked here: that is
//! `domain/credit.rs` and a person.

pub mod sandbox;
pub mod zhima;

use crate::domain::credit::Verdict;

/// What is asked. Personal: never logged.
pub struct Question<'a> {
    /// Our number of it: the same number asked again within a day gets the same answer.
    pub transaction_no: &'a str,
    /// Full name.
    pub name: &'a str,
    /// ID number.
    pub id_number: &'a str,
    /// Who that is at the sandbox, `c-12`.
    pub payer: &'a str,
    /// The least score that passes.
    pub threshold: u32,
}

/// What the provider said. Whatever goes wrong is [`Verdict::Error`], never a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In our words.
    pub verdict: Verdict,
    /// The score, where the provider tells it.
    pub score: Option<u32>,
    /// The provider's number of its answer.
    pub provider_no: Option<String>,
    /// The provider's own words, or why it could not be asked; nothing personal.
    pub said: String,
}

impl Answer {
    /// The provider could not be asked, or its answer cannot be understood.
    pub fn error(said: impl Into<String>) -> Answer {
        Answer { verdict: Verdict::Error, score: None, provider_no: None, said: said.into() }
    }
}

/// A provider of credit checks.
pub trait Credit: Send + Sync {
    /// The name under which `shop.toml` knows it.
    fn name(&self) -> &'static str;

    /// Asks about one customer, who has consented.
    fn ask(&self, question: &Question<'_>) -> Answer;
}
