//! Notices that providers posted to the shop's own web server: forms, XML, JSON, with their HTTP headers or without. "Proven" as with
//! answers: signed on the way with the provider's key.

use std::collections::BTreeMap;

use kibble::adapters::keys::base64;
use kibble::adapters::percent::in_form;
use kibble::adapters::rail::{Rail, SavedNotice};
use kibble::ops::notice;
use serde_json::json;

use super::answers::{APP_ID, MCH_ID, V3_KEY, proven_xml, sealed, with_rails};
use super::outside::{private_key, vectors};
use super::{Parser, size, texts};

pub const ALL: &[Parser] = &[
    Parser { name: "saved notice", read: raw, samples: sample_raw, growth: 40, cases: 96 },
    Parser { name: "Alipay's proven notice", read: form, samples: sample_form, growth: 40, cases: 64 },
    Parser { name: "WeChat Pay's proven XML notice", read: xml, samples: sample_xml, growth: 40, cases: 64 },
    Parser { name: "WeChat Pay's proven JSON notice", read: sealed_json, samples: sample_json, growth: 40, cases: 64 },
];

fn told(saved: &SavedNotice) -> usize {
    with_rails(|rails| size(&(rails.alipay.read_notice(saved), rails.wechat.read_notice(saved))))
}

fn raw(input: &[u8]) -> usize {
    told(&notice::saved(input))
}

/// Lines `name=value` as a form that Alipay signed.
fn form(input: &[u8]) -> usize {
    let text = String::from_utf8_lossy(input);
    let mut fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    fields.entry("app_id").or_insert(APP_ID);
    fields.remove("sign");
    fields.remove("sign_type");
    let signed: Vec<String> =
        fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}")).collect();
    let sign = private_key("alipay_private_pkcs8").sign(signed.join("&").as_bytes());
    fields.insert("sign", &sign);
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", in_form(name), in_form(value))).collect();
    told(&SavedNotice { headers: Vec::new(), body: body.join("&").into_bytes() })
}

fn xml(input: &[u8]) -> usize {
    told(&SavedNotice { headers: Vec::new(), body: proven_xml(input).into_bytes() })
}

/// The input as what WeChat Pay sealed into a notice that it signed. The first byte says what the notice calls itself.
fn sealed_json(input: &[u8]) -> usize {
    let (first, inner) = input.split_first().unwrap_or((&0, input));
    let event = ["TRANSACTION.SUCCESS", "REFUND.SUCCESS", "OTHER"][usize::from(*first) % 3];
    let resource = json!({
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": gcm(inner),
        "nonce": "0123456789ab",
        "associated_data": "x",
    });
    let body = json!({ "id": "1", "event_type": event, "resource": resource }).to_string();
    told(&SavedNotice { headers: sealed(&body), body: body.into_bytes() })
}

fn gcm(plain: &[u8]) -> String {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, V3_KEY.as_bytes()).unwrap());
    let mut bytes = plain.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(b"0123456789ab").unwrap();
    key.seal_in_place_append_tag(nonce, Aad::from(b"x"), &mut bytes).unwrap();
    base64(&bytes)
}

fn sample_raw() -> Vec<Vec<u8>> {
    let form = vectors()["alipay_notify"]["body"].as_str().unwrap().to_owned();
    let saved = format!("POST /alipay HTTP/1.1\r\nContent-Length: {}\r\nHost: x\r\n\r\n{form}\n", form.len());
    let sealed = format!(
        "wechatpay-timestamp: 1\nwechatpay-nonce: n\nwechatpay-serial: s\nwechatpay-signature: x\n\n{}",
        "{\"event_type\":\"REFUND.SUCCESS\",\"resource\":{\"ciphertext\":\"AA==\",\"nonce\":\"\",\"associated_data\":\"\"}}"
    );
    let req_info = vectors()["wechat_v2_refund_notice"]["req_info"].as_str().unwrap().to_owned();
    let refund = format!(
        "<xml><return_code>SUCCESS</return_code><mch_id>{MCH_ID}</mch_id><req_info>{req_info}</req_info></xml>"
    );
    texts(&[&form, &saved, &sealed, &refund])
}

fn sample_form() -> Vec<Vec<u8>> {
    let trade = "notify_type=trade_status_sync\nout_trade_no=KB1\ntrade_status=TRADE_SUCCESS\ntotal_amount=199.00\ntrade_no=2026\n\
                 gmt_payment=2026-11-05 09:00:00\nseller_id=2088000000000022";
    texts(&[
        trade,
        &format!("{trade}\nout_biz_no=KR1\ngmt_refund=2026-11-05 10:00:00.123"),
        "notify_type=dut_user_sign\nstatus=NORMAL\nagreement_no=2026\nexternal_agreement_no=KM1\nsign_time=2026-11-05 09:00:00",
        "notify_type=dut_user_unsign\nstatus=UNSIGN\nagreement_no=2026\nexternal_agreement_no=KM1\nunsign_time=2026-11-05 09:00:00",
    ])
}

fn sample_xml() -> Vec<Vec<u8>> {
    let start = format!("return_code=SUCCESS\nresult_code=SUCCESS\nmch_id={MCH_ID}\n");
    texts(&[
        &format!(
            "{start}out_trade_no=KB1\ntotal_fee=19900\ntransaction_id=4200\ntime_end=20261105090000\nerr_code=SUCCESS"
        ),
        &format!("{start}out_trade_no=KB1\ntotal_fee=19900\nerr_code=NOTENOUGH\nerr_code_des=x"),
        &format!(
            "{start}change_type=ADD\nplan_id=125350\ncontract_code=KM1\ncontract_id=2026\noperate_time=2026-11-05 09:00:00"
        ),
        &format!("{start}change_type=DELETE\nplan_id=125350\ncontract_code=KM1\ncontract_termination_mode=2"),
    ])
}

fn sample_json() -> Vec<Vec<u8>> {
    let paid = format!(
        "\0{{\"mchid\":\"{MCH_ID}\",\"out_trade_no\":\"KB1\",\"trade_state\":\"SUCCESS\",\"transaction_id\":\"4200\",\
         \"success_time\":\"2026-11-05T09:00:00+08:00\",\"amount\":{{\"total\":19900}}}}"
    );
    let refund = format!(
        "\u{1}{{\"mchid\":\"{MCH_ID}\",\"out_refund_no\":\"KR1\",\"refund_status\":\"SUCCESS\",\"refund_id\":\"50\",\
         \"success_time\":\"2026-11-05T09:00:00+08:00\"}}"
    );
    texts(&[&paid, &refund])
}
