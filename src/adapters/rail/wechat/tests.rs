//! The provider's fixed vectors, byte for byte: what its own kits made of fixed inputs (payment facts 6).

use proptest::prelude::{any, prop_assert, proptest};
use serde_json::Value;

use super::v2::{self, SignType};
use super::v3::{self, Seal};
use super::xml::Fields;
use super::{Account, Wechat};
use crate::adapters::keys::{PrivateKey, PublicKey, md5_hex};
use crate::adapters::rail::{PROFILES, SavedNotice};
use crate::clock::Clock;
use crate::config::HttpSettings;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/data/payment-vectors.json")).unwrap()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

/// A rail whose v2 and v3 keys come from files with these texts.
fn rail(folder: &std::path::Path, v2_key: &str, v3_key: &str) -> Wechat {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        path.to_string_lossy().into_owned()
    };
    let account: Account = toml::from_str(&format!(
        "appid = 'wx0000000000000001'\nmch_id = '1900000001'\nplan_id = '1'\nnotify_url = 'https://shop.example/w'\n\
         api_v2_key = {{ file = '{}' }}\napi_v3_key = {{ file = '{}' }}\n",
        file("v2", v2_key),
        file("v3", v3_key)
    ))
    .unwrap();
    let profile = toml::from_str(PROFILES[1].1).unwrap();
    let clock = Clock::fixed(chrono::DateTime::from_timestamp(1_796_090_400, 0).unwrap());
    Wechat::open("wechat", profile, clock, account, HttpSettings::default())
}

#[test]
fn v2_signatures_and_documents_are_the_kits() {
    for (vector, kind) in vectors()["wechat_v2"].as_array().unwrap().iter().zip([SignType::Md5, SignType::HmacSha256]) {
        // The kit writes fields in the order in which they were given; the JSON reader here sorts them.
        let order = [
            "appid",
            "mch_id",
            "device_info",
            "nonce_str",
            "body",
            "out_trade_no",
            "total_fee",
            "attach",
            "sign_type",
            "trade_type",
        ];
        let order: Vec<&str> = match vector["params"].get("device_info") {
            Some(_) => vec!["appid", "mch_id", "device_info", "body", "nonce_str"],
            None => order.into_iter().filter(|name| vector["params"].get(name).is_some()).collect(),
        };
        let fields = order.iter().fold(Fields::new(), |fields, name| fields.with(name, text(&vector["params"], name)));
        let key = text(vector, "key");
        assert_eq!(v2::to_sign(&fields, key), text(vector, "string_to_sign"));
        assert_eq!(v2::sign(&fields, SignType::Md5, key), text(vector, "md5"));
        assert_eq!(v2::sign(&fields, SignType::HmacSha256, key), text(vector, "hmac_sha256"));
        let document = v2::signed(fields, kind, key).to_xml();
        assert_eq!(document, text(vector, "xml"));
        assert!(v2::holds(&Fields::read(&document, "xml").unwrap(), key));
    }
}

#[test]
fn a_v2_refund_notice_opens() {
    let vector = &vectors()["wechat_v2_refund_notice"];
    let key = text(vector, "v2key");
    assert_eq!(md5_hex(key.as_bytes()), text(vector, "aes_key"));
    let folder = tempfile::tempdir().unwrap();
    let fields = rail(folder.path(), key, "").unsealed(text(vector, "req_info")).unwrap();
    assert_eq!(fields, Fields::read(text(vector, "plain"), "root").unwrap());
    assert_eq!((fields.text("out_refund_no"), fields.text("refund_status")), ("WR1", "SUCCESS"));
    let other = rail(folder.path(), "0123456789abcdef0123456789abcdef", "");
    assert_eq!(other.unsealed(text(vector, "req_info")), None);
}

#[test]
fn v3_requests_are_signed_as_the_kits_sign() {
    let vectors = vectors();
    let key = PrivateKey::read(text(&vectors["keys"], "mch_private_pkcs8")).unwrap();
    let post = &vectors["wechat_v3_request"];
    let (timestamp, nonce) = (text(post, "timestamp").parse().unwrap(), text(post, "nonce"));
    let message = v3::request_text(text(post, "method"), text(post, "path"), timestamp, nonce, text(post, "body"));
    assert_eq!(message, text(post, "message"));
    let signature = key.sign(message.as_bytes());
    assert_eq!(signature, text(post, "signature"));
    let serial = "17F373E42E9117CA8DB55613A107810BFFAD6FAF";
    assert_eq!(v3::authorization("1900000001", serial, timestamp, nonce, &signature), text(post, "authorization"));
    let get = &vectors["wechat_v3_get"];
    let message = v3::request_text("GET", "/v3/refund/domestic/refunds/WR1?x=1", timestamp, "NONCE124", "");
    assert_eq!(message, text(get, "message"));
    assert_eq!(key.sign(message.as_bytes()), text(get, "signature"));
}

#[test]
fn v3_answers_hold_as_they_came_and_not_otherwise() {
    let vectors = vectors();
    let key = PublicKey::read(text(&vectors["keys"], "wxplatform_public")).unwrap();
    let ours = PublicKey::read(text(&vectors["keys"], "mch_public")).unwrap();
    let full = &vectors["wechat_v3_response"];
    let empty = &vectors["wechat_v3_empty_response"];
    let seal = |timestamp: &str, nonce: &str, signature: &str| Seal {
        timestamp: timestamp.to_owned(),
        nonce: nonce.to_owned(),
        signature: signature.to_owned(),
        serial: text(full, "serial").to_owned(),
    };
    let body = text(full, "body");
    assert_eq!(v3::answer_text(text(full, "timestamp"), text(full, "nonce"), body), text(full, "message"));
    let good = seal(text(full, "timestamp"), text(full, "nonce"), text(full, "signature"));
    assert!(good.holds(&key, body));
    assert!(!good.holds(&key, &body.replace(':', ": ")), "bytes, not meaning");
    assert!(!good.holds(&ours, body), "somebody else's key");
    assert!(!seal("1796090402", "NONCE9", text(full, "signature")).holds(&key, body), "another time");
    assert_eq!(v3::answer_text("1796090402", "NONCE10", ""), text(empty, "message"));
    assert!(seal("1796090402", "NONCE10", text(empty, "signature")).holds(&key, ""), "204 has no body");
}

#[test]
fn a_probe_fails_even_when_the_rest_of_it_is_a_signature() {
    let vectors = vectors();
    let key = PublicKey::read(text(&vectors["keys"], "wxplatform_public")).unwrap();
    let full = &vectors["wechat_v3_response"];
    let seal = Seal {
        timestamp: text(full, "timestamp").to_owned(),
        nonce: text(full, "nonce").to_owned(),
        signature: format!("WECHATPAY/SIGNTEST/{}", text(full, "signature")),
        serial: text(full, "serial").to_owned(),
    };
    assert!(!seal.holds(&key, text(full, "body")));
}

#[test]
fn a_v3_callback_opens() {
    let vector = &vectors()["wechat_v3_callback"];
    let folder = tempfile::tempdir().unwrap();
    let resource = serde_json::json!({
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": vector["nonce"],
        "associated_data": vector["associated_data"],
        "ciphertext": vector["ciphertext"],
    });
    let opened = rail(folder.path(), "x", text(vector, "apiv3_key")).opened(&resource).unwrap();
    assert_eq!(String::from_utf8(opened).unwrap(), text(vector, "plain"));
    let other = rail(folder.path(), "x", "00000000000000000000000000000000").opened(&resource);
    assert!(other.is_err(), "another key");
}

proptest! {
    #[test]
    fn whatever_comes_unsigned_is_no_notice(
        bytes in any::<Vec<u8>>(), text in "[<>/&a1=\"{}:]{0,60}", timestamp in ".{0,12}", serial in "PUB_KEY_ID_1|[0-9A-F]{0,9}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rail = rail(folder.path(), "x", "y");
        let headers = [("timestamp", timestamp.as_str()), ("nonce", "n"), ("signature", "AAAA"), ("serial", serial.as_str())];
        let headers: Vec<_> = headers.map(|(name, value)| (format!("wechatpay-{name}"), value.to_owned())).into();
        let sealed = format!("<xml><req_info>{text}</req_info><mch_id>1900000001</mch_id></xml>");
        for body in [bytes, text.into_bytes(), sealed.into_bytes(), br#"{"resource":{"ciphertext":"AAAA"}}"#.to_vec()] {
            let noticed = rail.noticed(&SavedNotice { headers: headers.clone(), body });
            prop_assert!(noticed.is_err(), "{noticed:?}");
        }
    }
}
