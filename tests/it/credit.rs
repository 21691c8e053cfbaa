//! Credit checks at signing: nobody is asked without consent, only a pass goes on by itself, and nobody is refused by a machine.

use crate::shop::{Ran, Shop};
use crate::signing::{WANG, rows, shop};

/// A shop that checks credit by `check`, with Wang and his cat on record.
fn checking(check: &str) -> Shop {
    let shop = shop();
    let settings = shop.read("shop.toml").replace("check = \"off\"", &format!("check = \"{check}\""));
    shop.write("shop.toml", settings);
    shop.run("customer add --name 王小明 --phone 19900000001 --id-number 119999198506150016").exits(0);
    shop
}

/// Wang, who is c-1, signs.
fn sign(shop: &Shop, more: &str) -> Ran {
    let pet = "--pet-name 团子 --species cat --sex female --born 2026-08-10 --reference-cost 900";
    shop.run(&format!("sign --customer c-1 {pet} --plan cat-199-12 --rail alipay --acknowledged {more}"))
}

#[test]
fn without_the_setting_nobody_asks_about_credit() {
    let shop = shop();
    crate::signing::sign(&shop, "cat-199-12", "--json").exits(0);
    assert_eq!(shop.run("agreement show a-1 --json").json()["credit"], serde_json::Value::Null);
    assert_eq!(rows(&shop, "SELECT 1 FROM credit_check"), 0);
}

#[test]
fn consent_is_a_step_of_its_own_and_not_covered_by_yes() {
    let shop = checking("sandbox");
    sign(&shop, "").fails(2, "consent to the credit check").says("--credit-consent");
    sign(&shop, "--yes").fails(2, "consent to the credit check");
    assert_eq!(shop.run("agreement list --json").json(), serde_json::json!([]));
    let signed = sign(&shop, "--credit-consent yes --json");
    let json = signed.exits(0).json();
    assert_eq!((&json["credit"]["verdict"], &json["credit"]["review"]), (&"pass".into(), &"none".into()));
    assert!(json["credit"]["consent_text"].as_str().unwrap().contains("600 or above"), "{json}");
    assert_eq!(json["credit"]["transaction_no"], "KZ7K2QX9AB01000000010001");
    assert!(json["links"][0]["url"].is_string());
    shop.run("agreement show a-1").ok("credit check").says("600 or above");
    shop.run("audit list").ok("credit_asked").says("credit_checked");
    shop.run("check").ok("every law holds");
}

#[test]
fn nobody_who_says_no_is_asked_about_and_a_person_decides() {
    let shop = checking("sandbox");
    let json = sign(&shop, "--credit-consent no --json").exits(3).json();
    assert_eq!((&json["credit"]["verdict"], &json["credit"]["review"]), (&"cannot_tell".into(), &"open".into()));
    assert_eq!(
        (&json["credit"]["consent_at"], &json["credit"]["transaction_no"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(json["links"], serde_json::json!([]));
    shop.run("risk check a-1").fails(1, "did not consent");
    shop.run("risk approve a-1 --reason '老客户'").ok("a-1 may go on").says("https://");
}

#[test]
fn below_unknown_and_down_hold_the_mandate_until_a_person_decides() {
    for (told, verdict, says) in [
        ("599", "fail", "below 600"),
        ("unknown", "cannot_tell", "it cannot be told"),
        ("down", "error", "could not be asked: the pretended provider is down"),
    ] {
        let shop = checking("sandbox");
        shop.run(&format!("sandbox credit c-1 {told}")).exits(0);
        let signed = sign(&shop, "--credit-consent yes");
        signed.exits(3).says(says).says("gets no mandate before a person has decided").hides("https://");
        let shown = shop.run("agreement show a-1 --json").json();
        assert_eq!((&shown["credit"]["verdict"], &shown["agreement"]["state"]), (&verdict.into(), &"waiting".into()));
        shop.run("mandate link m-1").fails(1, "waits for a decision").says("kibble risk approve a-1");
        shop.run("sandbox sign m-1").fails(1, "waits for a decision");
        shop.run("sandbox sign --all").ok("0 agreed, 1 waiting").says("0 agreements run now");
        shop.run("debit run").exits(0);
        shop.run("risk list").ok(says).says("王**");
        shop.run("doctor --offline").says("credit checks that wait for a decision: 1");
        shop.run("risk approve a-1 --reason ''").fails(2, "say why, in a few words");
        shop.run("risk approve a-1 --reason '首期到店付清'").ok("may go on").says("https://");
        shop.run("risk approve a-1 --reason again").fails(1, "does not wait for a decision");
        shop.run("risk refuse a-1 --reason again").fails(1, "does not wait for a decision");
        shop.run("sandbox sign m-1").ok("1 agreement runs now");
        shop.run("agreement show a-1").ok("running").says("approved by").says("首期到店付清");
        shop.run("audit list").ok("credit_decided");
        shop.run("check").ok("every law holds");
    }
}

#[test]
fn a_refusal_is_a_persons_with_a_reason_and_frees_the_pet() {
    let shop = checking("sandbox");
    shop.run("sandbox credit c-1 400").exits(0);
    sign(&shop, "--credit-consent yes").exits(3);
    shop.run("risk refuse a-1").fails(2, "--reason");
    shop.run("risk refuse a-1 --reason '收入不明'").ok("a-1 is called off").says("explanation by a person");
    let shown = shop.run("agreement show a-1 --json").json();
    assert_eq!((&shown["agreement"]["state"], &shown["credit"]["review"]), (&"cancelled".into(), &"refused".into()));
    shop.run("pet show p-1 --json").ok("in_shop");
    shop.run("risk list").ok("no agreement is flagged").hides("below 600");
    shop.run("risk approve a-1 --reason x").fails(1, "does not wait for a decision");
}

#[test]
fn a_provider_that_was_down_is_asked_again_under_the_same_number_within_a_day() {
    let mut shop = checking("sandbox");
    shop.run("sandbox credit c-1 down").exits(0);
    sign(&shop, "--credit-consent yes").exits(3);
    let number = |shop: &Shop| shop.run("agreement show a-1 --json").json()["credit"]["transaction_no"].clone();
    let first = number(&shop);
    shop.at("2026-11-11T09:59");
    shop.run("risk check a-1").exits(3).says("could not be asked");
    assert_eq!(number(&shop), first);
    shop.at("2026-11-11T10:00");
    shop.run("sandbox credit c-1 700").exits(0);
    shop.run("risk check a-1").ok("600 or above").says("https://");
    assert_ne!(number(&shop), first);
    shop.run("risk check a-1").fails(1, "does not wait for a decision");
}

#[test]
fn what_the_clerk_saw_is_kept_sealed() {
    let shop = checking("manual");
    sign(&shop, "--credit-consent yes --credit-score 20").fails(2, "350 to 950");
    sign(&shop, "--credit-consent yes --credit-result pass").fails(2, "needs its proof");
    sign(&shop, "--credit-consent yes --credit-score 583 --credit-reference shot-17.png --credit-seen-on 2026-11-09")
        .exits(3)
        .says("below 600 (seen by the clerk)");
    let waiting = shop.run("risk list --json").json();
    let check = &waiting["credit_checks"][0];
    assert_eq!((&check["score"], &check["reference"]), (&583.into(), &"shot-17.png".into()));
    assert_eq!((&check["near"], &check["checked_on"]), (&true.into(), &"2026-11-09".into()));
    shop.run("risk list").ok("close to it");
    let file = std::fs::read(shop.path("shop.db")).unwrap();
    let log = std::fs::read(shop.path("shop.db-wal")).unwrap_or_default();
    for bytes in [file, log] {
        assert!(!bytes.windows(11).any(|it| it == b"shot-17.png"), "the reference lies in the open");
    }
    shop.run("risk check a-1 --credit-score 655").ok("600 or above").says("https://");
    shop.run("agreement show a-1 --json").ok("\"review\": \"none\"");
}

#[test]
fn a_signing_file_carries_consent_and_score() {
    let shop = checking("manual");
    let file = "customer = \"c-1\"\npet_name = \"团子\"\nspecies = \"猫\"\nreference_cost = \"900.00\"\nplan = \"cat-199-12\"\n\
                rail = \"alipay\"\nacknowledged = true\ncredit_consent = true\ncredit_score = 640\n";
    shop.write("sign.toml", file);
    shop.run("sign --file sign.toml").ok("600 or above (seen by the clerk)");
}

#[test]
fn a_wrong_setting_is_named() {
    let shop = shop();
    let settings = shop.read("shop.toml");
    for (from, to, part) in [
        ("check = \"off\"", "check = \"always\"", "credit.check: must be off, manual, zhima or sandbox"),
        ("score = 600", "score = 60", "credit.score: must lie between 350 and 950"),
        ("check = \"off\"", "check = \"zhima\"", "credit.rail: must name a payment rail whose adapter is alipay"),
    ] {
        shop.write("shop.toml", settings.replace(from, to));
        shop.run("risk list").fails(1, part);
    }
    // Nobody passes a pretended check where real money moves.
    let real = settings.replace("[rail.wechat]\nadapter = \"sandbox\"", "[rail.wechat]\nadapter = \"exec\"");
    shop.write("shop.toml", real.replace("check = \"off\"", "check = \"sandbox\""));
    shop.run("risk list").fails(1, "credit.check: sandbox is for rehearsals");
}

#[test]
fn an_agreement_that_runs_past_its_credit_check_breaks_a_law() {
    let shop = checking("sandbox");
    shop.run("sandbox credit c-1 400").exits(0);
    sign(&shop, "--credit-consent yes").exits(3);
    crate::plant::sql(&shop, "UPDATE agreement SET state = 'active', active_at = '2026-11-10T02:00:00Z' WHERE id = 1");
    shop.run("check").fails(1, "its credit check was not decided in its favour").says("a-1");
}

#[test]
fn credit_checks_speak_chinese() {
    let mut shop = checking("sandbox");
    shop.lang("zh");
    shop.run("sandbox credit c-1 400").ok("信用查询将答复：400");
    sign(&shop, "--credit-consent yes")
        .exits(3)
        .says("信用查询：不到 600 分（演练）")
        .says("不能办理代扣授权")
        .hides("credit check");
    shop.run("risk list").ok("不到 600 分");
    shop.run("risk refuse a-1 --reason 收入不明").ok("有权得到人工说明");
    let line = format!("sign {WANG} --plan cat-199-12 --rail alipay --acknowledged");
    let line = line.replace("119999198506150016", "11010119900307002X");
    shop.run(&line).fails(2, "客户是否同意查询信用");
}
