//! What can be wrong with an account's keys and settings, seen without a call. The commonest mistake comes first: the app's own
//! public key stands where Alipay's belongs. Shows no key and no secret.

use super::account::CertFile;
use super::gateway::{Gateway, root_sn};
use crate::adapters::keys::{Certificate, PrivateKey, PublicKey, Standing};
use crate::adapters::rail::{Finding, Level};
use crate::config::SecretRef;
use crate::domain::date::At;
use crate::t;

/// What the address of Alipay's rehearsal gateway holds; no debits are possible there.
const REHEARSAL: &str = "alipaydev";
/// The values of `channel` that Alipay knows.
const CHANNELS: [&str; 3] = ["QRCODE", "QRCODEORSMS", "ALIPAYAPP"];

/// Looks at everything; what is well is told too.
pub fn inspect(gateway: &Gateway, now: At) -> Vec<Finding> {
    let mut found = Vec::new();
    let own = private_key(gateway, &mut found);
    match gateway.account().has_certificates() {
        true => certificates(gateway, own.as_ref(), now, &mut found),
        false => public_key(gateway, own.as_ref(), &mut found),
    }
    secrets(gateway, &mut found);
    settings(gateway, &mut found);
    found
}

fn private_key(gateway: &Gateway, found: &mut Vec<Finding>) -> Option<PublicKey> {
    let setting = gateway.setting("private_key");
    let secret = &gateway.account().private_key;
    let text = match gateway.secret("private_key", secret) {
        Ok(text) => text,
        Err(why) => {
            found.push(unreadable(&setting, secret, why));
            return None;
        }
    };
    match PrivateKey::read(&text) {
        Ok(key) => {
            found.push(Finding::ok(t!("{setting}: a private key", setting = setting)));
            Some(key.public())
        }
        Err(fault) => {
            let hint = t!("it is the app's private key, as Alipay's key tool made it");
            found.push(Finding::bad(format!("{setting}: {}", fault.text()), hint));
            None
        }
    }
}

fn public_key(gateway: &Gateway, own: Option<&PublicKey>, found: &mut Vec<Finding>) {
    let setting = gateway.setting("alipay_public_key");
    let from_console = || t!("copy Alipay's public key from the app's page at Alipay, not the app's own");
    let Some(secret) = &gateway.account().alipay_public_key else {
        let what = t!("{setting} is missing: name Alipay's public key, or all three certificates", setting = setting);
        found.push(Finding::bad(what, from_console()));
        return;
    };
    let text = match gateway.secret("alipay_public_key", secret) {
        Ok(text) => text,
        Err(why) => {
            found.push(unreadable(&setting, secret, why));
            return;
        }
    };
    match PublicKey::read(&text) {
        Err(fault) => found.push(Finding::bad(format!("{setting}: {}", fault.text()), from_console())),
        Ok(key) if Some(&key) == own => {
            let what = t!("{setting}: this is the app's own public key; Alipay's belongs here", setting = setting);
            found.push(Finding::bad(what, from_console()));
        }
        Ok(_) => found.push(Finding::ok(t!("{setting}: a public key, and not the app's own", setting = setting))),
    }
}

fn certificates(gateway: &Gateway, own: Option<&PublicKey>, now: At, found: &mut Vec<Finding>) {
    let account = gateway.account();
    if account.alipay_public_key.is_some() {
        let setting = gateway.setting("alipay_public_key");
        found.push(Finding::warn(
            t!("{setting} is not used: the account has certificates", setting = setting),
            t!("delete that line from shop.toml"),
        ));
    }
    if let Some(app) = read(gateway, "app_cert", account.app_cert.as_ref(), now, found).first() {
        let setting = gateway.setting("app_cert");
        if own.is_some_and(|own| *own != app.key) {
            found.push(Finding::bad(
                t!("{setting}: it was made for another private key", setting = setting),
                t!("take the certificate that Alipay made from this app's private key"),
            ));
        }
    }
    let alipay = read(gateway, "alipay_cert", account.alipay_cert.as_ref(), now, found);
    if alipay.iter().any(|it| Some(&it.key) == own) {
        let setting = gateway.setting("alipay_cert");
        found.push(Finding::bad(
            t!("{setting}: this is the app's own certificate; Alipay's belongs here", setting = setting),
            t!("download Alipay's certificate from the app's page at Alipay"),
        ));
    }
    let roots = read(gateway, "alipay_root_cert", account.alipay_root_cert.as_ref(), now, &mut Vec::new());
    let setting = gateway.setting("alipay_root_cert");
    match root_sn(&roots).is_empty() {
        true => found.push(Finding::bad(
            t!("{setting}: no root certificate of Alipay's can be read", setting = setting),
            t!("download Alipay's root certificate from the app's page at Alipay"),
        )),
        false => found.push(Finding::ok(t!("{setting}: root certificates", setting = setting))),
    }
}

/// Reads certificates and tells how long they last.
fn read(gateway: &Gateway, name: &str, file: Option<&CertFile>, now: At, found: &mut Vec<Finding>) -> Vec<Certificate> {
    let setting = gateway.setting(name);
    let hint = || t!("correct {setting} in shop.toml", setting = setting);
    let Some(file) = file else {
        let what = t!("{setting}: app_cert, alipay_cert and alipay_root_cert belong together", setting = setting);
        found.push(Finding::bad(what, hint()));
        return Vec::new();
    };
    let read = match gateway.certificates(name, file) {
        Ok(read) => read,
        Err(why) => {
            found.push(Finding::bad(why, hint()));
            return Vec::new();
        }
    };
    // Of several, the one that lasts longest is the one that counts.
    if let Some(last) = read.iter().max_by_key(|it| it.not_after) {
        let day = last.not_after.date_naive();
        let renew = || t!("download a new one from the app's page at Alipay");
        found.push(match last.standing(now) {
            Standing::Expired => {
                Finding::bad(t!("{setting}: the certificate expired on {day}", setting = setting, day = day), renew())
            }
            Standing::NotYet => Finding::bad(
                t!("{setting}: the certificate is not valid yet; is this machine's clock right?", setting = setting),
                String::new(),
            ),
            Standing::EndsSoon => {
                Finding::warn(t!("{setting}: the certificate expires on {day}", setting = setting, day = day), renew())
            }
            Standing::Good => {
                Finding::ok(t!("{setting}: a certificate, valid until {day}", setting = setting, day = day))
            }
        });
    }
    read
}

fn secrets(gateway: &Gateway, found: &mut Vec<Finding>) {
    let account = gateway.account();
    for (name, secret) in [("encrypt_key", &account.encrypt_key), ("app_auth_token", &account.app_auth_token)] {
        let Some(secret) = secret else { continue };
        let setting = gateway.setting(name);
        match gateway.secret(name, secret) {
            Ok(_) => found.push(Finding::ok(t!("{setting}: it can be read", setting = setting))),
            Err(why) => found.push(unreadable(&setting, secret, why)),
        }
    }
    // What only shows once everything is put together, such as a key of the wrong length.
    let all_well = found.iter().all(|it| it.level != Level::Bad);
    if let (true, Err(heard)) = (all_well, gateway.keys()) {
        found.push(Finding::bad(heard.words().1, String::new()));
    }
}

fn settings(gateway: &Gateway, found: &mut Vec<Finding>) {
    let account = gateway.account();
    if account.app_id.len() != 16 || !account.app_id.bytes().all(|it| it.is_ascii_digit()) {
        found.push(Finding::warn(
            t!("{setting}: an app's id has 16 digits", setting = gateway.setting("app_id")),
            t!("copy it from the app's page at Alipay"),
        ));
    }
    if account.gateway.contains(REHEARSAL) {
        found.push(Finding::warn(
            t!("{setting}: Alipay's rehearsal gateway knows no debits", setting = gateway.setting("gateway")),
            t!("rehearse with the adapter sandbox instead"),
        ));
    }
    if !CHANNELS.contains(&account.channel.as_str()) {
        found.push(Finding::warn(
            t!("{setting}: Alipay knows {known}", setting = gateway.setting("channel"), known = CHANNELS.join(", ")),
            String::new(),
        ));
    }
    for (name, url) in [("notify_url", &account.notify_url), ("return_url", &account.return_url)] {
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            let what = t!("{setting}: this is no address", setting = gateway.setting(name));
            found.push(Finding::bad(what, t!("write it with https:// in front")));
        }
    }
}

/// A secret that cannot be read, with the step that mends it: a mode is not mended in shop.toml.
fn unreadable(setting: &str, secret: &SecretRef, why: String) -> Finding {
    let step = secret.read(setting).err().and_then(|fault| fault.next_step().map(ToOwned::to_owned));
    Finding::bad(why, step.unwrap_or_else(|| t!("correct {setting} in shop.toml", setting = setting)))
}
