//! A pretended provider of credit checks, for rehearsals: it answers what `kibble sandbox credit` told it, and a good score for
//! everybody else. Its memory is the sandbox rails' book.

use std::sync::Arc;

use crate::adapters::credit::{Answer, Credit, Question};
use crate::adapters::rail::sandbox::{Book, CreditTold};
use crate::domain::credit::Verdict;
use crate::t;

/// The score of a customer of whom the book says nothing: "very good".
const USUAL_SCORE: u32 = 700;

/// The pretended provider.
#[derive(Debug)]
pub struct Sandbox {
    book: Arc<Book>,
}

impl Sandbox {
    /// On a book that rails may share.
    pub fn open(book: Arc<Book>) -> Sandbox {
        Sandbox { book }
    }
}

impl Credit for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn ask(&self, question: &Question<'_>) -> Answer {
        let score = match self.book.credit_of(question.payer) {
            Ok(None) => USUAL_SCORE,
            Ok(Some(CreditTold::Score(score))) => score,
            Ok(Some(CreditTold::Unknown)) => {
                let said = "N/A".to_owned();
                return Answer { verdict: Verdict::CannotTell, score: None, provider_no: number(question), said };
            }
            Ok(Some(CreditTold::Down)) => return Answer::error(t!("the pretended provider is down")),
            Err(error) => return Answer::error(format!("{error:#}")),
        };
        // Like the real one, it tells whether the score is high enough, and not the score.
        let verdict = Verdict::of(score, question.threshold);
        let said = if verdict == Verdict::Pass { "Y" } else { "N" };
        Answer { verdict, score: None, provider_no: number(question), said: said.to_owned() }
    }
}

fn number(question: &Question<'_>) -> Option<String> {
    Some(format!("SBZ{}", question.transaction_no))
}
