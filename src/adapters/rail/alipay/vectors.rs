//! Fixed inputs and what the provider's own programs made of them: everything must match byte for byte.

use std::collections::BTreeMap;

use serde_json::Value;

use super::gateway::{cert_sn, root_sn};
use super::wire;
use crate::adapters::keys::{Certificate, PrivateKey, PublicKey, base64, open_cbc, seal_cbc, unbase64};

fn vectors() -> Value {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/payment-vectors.json"));
    serde_json::from_str(text).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

/// The parameters of the request, in the order in which its link has them.
fn params(vector: &Value) -> wire::Params {
    let link = text(vector, "url_query");
    let mut params: wire::Params = vector["params"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let place = |name: &str| format!("&{link}").find(&format!("&{name}=")).unwrap();
    params.sort_by_key(|(name, _)| place(name));
    params
}

#[test]
fn a_request_is_signed_and_encoded_as_the_providers_own_programs_do_it() {
    let all = vectors();
    let vector = &all["alipay_request"];
    let mut params = params(vector);
    assert_eq!(wire::to_sign(&params), text(vector, "sign_content"));
    for key in ["app_private_pkcs1", "app_private_pkcs8"] {
        let key = PrivateKey::read(text(&all["keys"], key)).unwrap();
        assert_eq!(key.sign(wire::to_sign(&params).as_bytes()), text(vector, "sign"));
    }
    params.push(("sign".into(), text(vector, "sign").to_owned()));
    assert_eq!(wire::to_sign(&params), text(vector, "sign_content"), "the signature is not signed");
    let link = text(vector, "url_query");
    let sent = wire::form(&params);
    assert!(link == sent || sent.starts_with(link), "{link}\n{sent}");
}

#[test]
fn answers_are_cut_and_verified_as_they_came() {
    let all = vectors();
    let key = PublicKey::read(text(&all["keys"], "alipay_public")).unwrap();
    for vector in all["alipay_responses"].as_array().unwrap() {
        let method = text(vector, "response_key").strip_suffix("_response").unwrap().replace('_', ".");
        let parts = wire::parts(text(vector, "raw"), &method).unwrap();
        let sign = parts.sign.unwrap().replace("\\/", "/");
        let valid = vector["valid"].as_bool().unwrap();
        assert_eq!(sign, text(vector, "sign"));
        assert_eq!(parts.signed == text(vector, "signed_substring"), valid, "{}", parts.signed);
        assert_eq!(key.verifies(parts.signed.as_bytes(), &sign), valid, "{}", parts.signed);
    }
}

#[test]
fn a_notice_is_verified_on_its_decoded_fields() {
    let all = vectors();
    let vector = &all["alipay_notify"];
    let fields: BTreeMap<String, String> = wire::fields(text(vector, "body")).unwrap();
    assert_eq!(wire::notice_to_sign(&fields), text(vector, "sign_content"));
    assert_eq!(fields["sign"], text(vector, "sign"));
    let key = PublicKey::read(text(&all["keys"], "alipay_public")).unwrap();
    assert!(key.verifies(wire::notice_to_sign(&fields).as_bytes(), &fields["sign"]));
}

#[test]
fn certificates_have_the_numbers_that_the_provider_knows_them_by() {
    let all = vectors();
    let vector = &all["alipay_cert_sn"];
    let (app, platform) = (text(&all["keys"], "app_cert"), text(&all["keys"], "wxplatform_cert"));
    assert_eq!(cert_sn(&Certificate::read(app).unwrap()), text(vector, "app_cert_sn"));
    let bundle = Certificate::read_all(&format!("{app}\n{platform}"));
    assert_eq!(root_sn(&bundle), text(vector, "root_cert_sn_of_two"));
}

#[test]
fn bodies_are_encrypted_as_the_provider_expects() {
    let all = vectors();
    let vector = &all["alipay_aes"];
    let key = unbase64(text(vector, "key_base64")).unwrap();
    assert_eq!(base64(&seal_cbc(&key, text(vector, "plain").as_bytes()).unwrap()), text(vector, "cipher_base64"));
    let plain = open_cbc(&key, &unbase64(text(vector, "cipher_base64")).unwrap()).unwrap();
    assert_eq!(plain, text(vector, "plain").as_bytes());
}
