//! WeChat subscribe messages of the shop's own mini program. One consent is one message, so this can only be the first choice with
//! another channel behind it (payment facts 4.3).
//!
//! A customer is reached by the `openid` on record; without one the channel says no. The access token lives in memory and is asked
//! for with `stable_token`, which does not invalidate the one another program of the shop holds. There is no look-up: a message
//! whose answer was lost stays in doubt.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::adapters::finding::Finding;
use crate::adapters::notify::call::{Caller, inspected, secret};
use crate::adapters::notify::registered::{Filled, Registered, Texts};
use crate::adapters::notify::{Notify, Parcel, Receipt, scrubbed};
use crate::clock::Clock;
use crate::config::{HttpSettings, SecretRef};
use crate::domain::date::At;
use crate::t;
use crate::text::Lang;

/// Seconds before its end at which a token counts as over.
const TOKEN_SPARE_SECONDS: i64 = 300;
/// Seconds for which a token is believed to live, whatever is said; theirs live for two hours.
const TOKEN_MOST_SECONDS: i64 = 86_400;
/// Most characters of a value whose name begins with `thing`; a longer one is cut.
const THING_CHARS: usize = 20;
/// Most characters of a value whose name begins with `phrase`.
const PHRASE_CHARS: usize = 5;

/// The mini program, as `shop.toml` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The mini program's id.
    pub app_id: String,
    /// Its secret.
    pub app_secret: SecretRef,
    /// The page that a tap opens; empty for none.
    #[serde(default)]
    pub page: String,
    /// Which version of the mini program a tap opens.
    #[serde(default)]
    pub state: Version,
    /// Where the provider answers.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Subscribe templates in Chinese.
    #[serde(default)]
    pub templates: BTreeMap<String, Registered>,
    /// Subscribe templates in English.
    #[serde(default)]
    pub templates_en: BTreeMap<String, Registered>,
}

/// A version of a mini program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// The developer's.
    Developer,
    /// The trial.
    Trial,
    /// The published one.
    #[default]
    Formal,
}

/// The channel.
pub struct Wechat {
    name: String,
    account: Account,
    texts: Texts,
    caller: Caller,
    clock: Clock,
    token: Mutex<Option<(String, At)>>,
}

impl Wechat {
    /// The channel `name`. Nothing is read and nobody is asked yet.
    pub fn open(name: &str, account: &Account, http: &HttpSettings, clock: Clock) -> Wechat {
        Wechat {
            name: name.to_owned(),
            texts: Texts::new(&account.templates, &account.templates_en),
            account: account.clone(),
            caller: Caller::new(http),
            clock,
            token: Mutex::new(None),
        }
    }

    fn post(&self, path: &str, body: &Value, parcel: &Parcel) -> Result<Answer, Receipt> {
        let url = format!("{}{path}", self.account.endpoint.trim_end_matches('/'));
        let headers = vec![("content-type", "application/json".to_owned())];
        let response = self.caller.post(&url, headers, body.to_string().as_bytes(), parcel)?;
        serde_json::from_slice(&response.body).map_err(|_| Receipt::Unknown {
            said: t!("the answer cannot be read (HTTP {status})", status = response.status),
        })
    }

    /// The token in memory, or a new one. Whatever goes wrong here, no message was sent.
    fn token(&self, parcel: &Parcel) -> Result<String, Receipt> {
        let now = self.clock.now();
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = kept.as_ref()
            && now < *until
        {
            return Ok(token.clone());
        }
        let secret = secret(&self.name, "app_secret", &self.account.app_secret)?;
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.account.app_id,
            "secret": secret.text(),
        });
        let answer = match self.post("/cgi-bin/stable_token", &body, parcel) {
            Ok(answer) => answer,
            Err(Receipt::Unknown { said }) => return Err(Receipt::Down { said }),
            Err(receipt) => return Err(receipt),
        };
        if answer.access_token.is_empty() {
            let said = answer.said(parcel);
            return Err(match answer.errcode {
                // Id, secret, or the list of addresses that may ask.
                Some(40001 | 40002 | 40013 | 40125 | 40164 | 41002 | 41004 | 50004 | 50007) => Receipt::Broken { said },
                _ => Receipt::Down { said },
            });
        }
        let lives = Duration::seconds((answer.expires_in.clamp(0, TOKEN_MOST_SECONDS) - TOKEN_SPARE_SECONDS).max(0));
        *kept = Some((answer.access_token.clone(), now + lives));
        Ok(answer.access_token)
    }

    fn forget_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn send_one(&self, parcel: &Parcel) -> Receipt {
        match self.try_send(parcel) {
            // Somebody else's token took the place of ours. Nothing was sent, so asking once more with a fresh one is safe.
            Err(Stale) => {
                self.forget_token();
                self.try_send(parcel).unwrap_or_else(|Stale| Receipt::Down {
                    said: t!("WeChat does not accept the token that it has just given"),
                })
            }
            Ok(receipt) => receipt,
        }
    }

    fn try_send(&self, parcel: &Parcel) -> Result<Receipt, Stale> {
        let token = match self.token(parcel) {
            Ok(token) => token,
            Err(receipt) => return Ok(receipt),
        };
        let body = match self.body(parcel) {
            Ok(body) => body,
            Err(said) => return Ok(Receipt::Refused { said }),
        };
        let answer = match self.post(&format!("/cgi-bin/message/subscribe/send?access_token={token}"), &body, parcel) {
            Ok(answer) => answer,
            Err(Receipt::Unknown { said }) => return Ok(Receipt::Unknown { said: said.replace(&token, "***") }),
            Err(receipt) => return Ok(receipt),
        };
        let said = answer.said(parcel);
        Ok(match answer.errcode {
            Some(0) => Receipt::Sent { said: answer.msgid.map_or_else(String::new, |id| id.to_string()) },
            Some(40001 | 40014 | 42001) => return Err(Stale),
            // Not subscribed; openid; template; page; the values do not fit; the customer switched messages off.
            Some(43101 | 40003 | 40037 | 41030 | 47003 | 43107 | 43108) => Receipt::Refused { said },
            Some(45009 | 45011) => Receipt::Down { said },
            Some(48001 | 40013 | 40164 | 50001 | 50002) => Receipt::Broken { said },
            _ => Receipt::Unknown { said },
        })
    }

    fn body(&self, parcel: &Parcel) -> Result<Value, String> {
        let Some(openid) = &parcel.openid else { return Err(t!("the customer's WeChat id is not known")) };
        let Filled { code: template_id, values } = self.texts.filled(parcel)?;
        let mut data = Map::new();
        for (name, value) in values {
            let value = fitted(&name, value)?;
            data.insert(name, json!({ "value": value }));
        }
        let mut body = json!({
            "touser": openid,
            "template_id": template_id,
            "miniprogram_state": self.account.state,
            "lang": match parcel.language() {
                Lang::Zh => "zh_CN",
                Lang::En => "en_US",
            },
            "data": data,
        });
        if !self.account.page.is_empty() {
            body["page"] = Value::String(self.account.page.clone());
        }
        Ok(body)
    }
}

impl Notify for Wechat {
    fn name(&self) -> &str {
        &self.name
    }

    fn refuses(&self, parcel: &Parcel) -> Option<String> {
        self.body(parcel).err()
    }

    fn texts(&self) -> Option<&Texts> {
        Some(&self.texts)
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        parcels.iter().map(|parcel| self.send_one(parcel)).collect()
    }

    fn inspect(&self) -> Vec<Finding> {
        inspected(&self.name, &[("app_id", &self.account.app_id)], &[("app_secret", &self.account.app_secret)])
    }
}

/// The token was not accepted.
struct Stale;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    /// Missing in the answer with a token, and never in another.
    errcode: Option<i64>,
    errmsg: String,
    msgid: Option<Value>,
    access_token: String,
    expires_in: i64,
}

impl Answer {
    fn said(&self, parcel: &Parcel) -> String {
        let code = self.errcode.map_or_else(String::new, |code| code.to_string());
        scrubbed(format!("{code} {}", self.errmsg).trim(), parcel)
    }
}

/// A value as WeChat takes it under this name. A name (`thing`) that is too long is cut, which a reader sees; anything else that
/// does not fit is a no.
fn fitted(name: &str, value: String) -> Result<String, String> {
    let length = value.chars().count();
    if name.starts_with("thing") && length > THING_CHARS {
        return Ok(value.chars().take(THING_CHARS - 1).chain(['…']).collect());
    }
    if name.starts_with("phrase") && length > PHRASE_CHARS {
        return Err(t!(
            "{name} takes five characters at most, and the value has {length}",
            name = name,
            length = length
        ));
    }
    Ok(value)
}

fn endpoint() -> String {
    "https://api.weixin.qq.com".into()
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_name_that_is_too_long_is_cut_and_a_phrase_is_refused() {
        assert_eq!(fitted("thing1", "团子".into()), Ok("团子".into()));
        assert_eq!(fitted("thing1", "长".repeat(21)).unwrap().chars().count(), 20);
        assert!(fitted("phrase2", "余额不足了吧".into()).is_err());
        assert_eq!(fitted("amount3", "199.00元".into()), Ok("199.00元".into()));
    }
}
