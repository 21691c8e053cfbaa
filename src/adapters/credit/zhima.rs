//! Zhima Credit, "is the score at or above N": `zhima.credit.score.brief.get` through an Alipay account (payment facts 3). It never
//! tells the score. The answer counts only with Alipay's signature; whatever is not yes, no or "cannot tell" is an error.

use serde_json::json;

use crate::adapters::credit::{Answer, Credit, Question};
use crate::adapters::rail::alipay::Account;
use crate::adapters::rail::alipay::gateway::{Gateway, Heard, Said};
use crate::clock::Clock;
use crate::config::HttpSettings;
use crate::domain::credit::Verdict;
use crate::t;

/// The method of the gateway.
const METHOD: &str = "zhima.credit.score.brief.get";
/// What the gateway says of a call that was answered.
const SUCCEEDED: &str = "10000";

/// Zhima, asked by an Alipay account that has a contract with it.
pub struct Zhima {
    gateway: Gateway,
    product_code: String,
}

impl Zhima {
    /// Through the account of the rail called `rail`. Reads and sends nothing yet.
    pub fn open(rail: &str, clock: Clock, account: Account, http: &HttpSettings, product_code: &str) -> Zhima {
        Zhima { gateway: Gateway::open(rail, clock, account, http.clone()), product_code: product_code.to_owned() }
    }
}

impl Credit for Zhima {
    fn name(&self) -> &'static str {
        "zhima"
    }

    fn ask(&self, question: &Question<'_>) -> Answer {
        let biz = json!({
            "transaction_id": question.transaction_no,
            "product_code": self.product_code,
            "cert_type": "IDENTITY_CARD",
            "cert_no": question.id_number,
            "name": question.name,
            "admittance_score": question.threshold,
        });
        match self.gateway.call(METHOD, &biz, false) {
            Heard::Signed(said) if said.code == SUCCEEDED => answered(&said),
            other => {
                let (code, text) = other.words();
                Answer::error(format!("{code} {text}").trim().to_owned())
            }
        }
    }
}

fn answered(said: &Said) -> Answer {
    let told = said.field("is_admittance").unwrap_or_default();
    let verdict = match told {
        "Y" => Verdict::Pass,
        "N" => Verdict::Fail,
        "N/A" => Verdict::CannotTell,
        _ => return Answer::error(t!("Zhima's answer cannot be understood")),
    };
    Answer { verdict, score: None, provider_no: said.owned("biz_no"), said: told.to_owned() }
}
