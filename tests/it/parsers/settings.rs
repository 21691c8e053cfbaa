//! What a shop writes into its own files: settings, texts of messages and agreements, papers of a signing, keys and certificates.

use std::path::Path;

use kibble::adapters::keys::{Certificate, PrivateKey, PublicKey};
use kibble::adapters::notify::{aliyun, exec as notify_exec, smtp, tencent, webhook, wechat as notify_wechat};
use kibble::adapters::rail::{alipay, exec, wechat};
use kibble::config::{self, Config, EXAMPLE};
use kibble::ops::sign::Form;
use kibble::text::letters::{Letters, sample};
use kibble::text::{Lang, template};

use super::outside::{key, now};
use super::{Parser, size, texts};

pub const ALL: &[Parser] = &[
    Parser { name: "shop.toml", read: read_settings, samples: sample_settings, growth: 400, cases: 128 },
    Parser { name: "texts of messages", read: read_letters, samples: sample_letters, growth: 200, cases: 64 },
    Parser {
        name: "template of an agreement",
        read: read_template,
        samples: sample_templates,
        growth: 200,
        cases: 192,
    },
    Parser { name: "papers of a signing", read: read_form, samples: sample_forms, growth: 20, cases: 192 },
    Parser { name: "key or certificate", read: read_key, samples: sample_keys, growth: 20, cases: 192 },
];

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn read_settings(input: &[u8]) -> usize {
    let text = text(input);
    config::only_rehearses(&text);
    let config = match Config::parse(Path::new("/shop"), &text) {
        Ok(config) => config,
        Err(error) => return size(&error),
    };
    let mut made = size(&config.shown());
    // Whatever was accepted must carry a due date through its rules.
    let day = now().date_naive();
    for rail in config.rails.values() {
        let registered = rail.profile.registered(day);
        let window = rail.profile.window(day, registered);
        made += size(&(window.next(now()), window.opens(), window.closes(), rail.profile.bill_ready_at(day)));
        made += size(&rail.profile.notice_covers(now()));
        made += size(&kibble::domain::money::Money::from_fen(20_000).bps(rail.fee_bps));
        made += size(&rail.account::<alipay::Account>().is_ok());
        made += size(&rail.account::<wechat::Account>().is_ok());
        made += size(&rail.account::<exec::Account>().is_ok());
    }
    for channel in config.channels.values() {
        made += size(&channel.account::<aliyun::Account>().is_ok());
        made += size(&channel.account::<tencent::Account>().is_ok());
        made += size(&channel.account::<webhook::Account>().is_ok());
        made += size(&channel.account::<smtp::Account>().is_ok());
        made += size(&channel.account::<notify_wechat::Account>().is_ok());
        made += size(&channel.account::<notify_exec::Account>().is_ok());
    }
    made
}

fn sample_settings() -> Vec<Vec<u8>> {
    let small = "name = \"x\"\nkey_file = \"k\"\n[debit]\nhour = \"09:00\"\nretry_gaps_hours = [8, 15]\nbacklog_amount = \"1\"\n\
                 [rail.alipay]\nadapter = \"sandbox\"\nfee_bps = 60\n[rail.alipay.rules]\nwindow_days_before = 5\n\
                 hours = [\"07:00\", \"24:00\"]\n[messages]\nchannels = [\"print\"]\n[[tier]]\nname_zh = \"a\"\nname_en = \"b\"\n\
                 months = 3\namount = \"100\"\n[rail.b]\nadapter = \"exec\"\nprofile = \"alipay\"\naccount = { command = [\"x\"] }\n";
    texts(&[small, EXAMPLE])
}

fn read_letters(input: &[u8]) -> usize {
    match Letters::new(Some(&text(input))) {
        Err(why) => why.len(),
        Ok(letters) => size(&letters.render("refund_done", Lang::Zh, &sample())),
    }
}

fn sample_letters() -> Vec<Vec<u8>> {
    texts(&[
        "[[msg]]\nid = \"refund_done\"\nzh = \"退{{ refund }}{% if name %}给{{ name }}{% endif %}\"\nen = \"back {{ refund }}\"\n",
    ])
}

fn read_template(input: &[u8]) -> usize {
    let source = text(input);
    if let Err(fault) = template::check(&source) {
        return fault.text().len();
    }
    let values: serde_json::Value = serde_json::from_str(include_str!("../../data/agreement.sample.json")).unwrap();
    let env = template::environment();
    let Ok(read) = env.template_from_str(&source) else { return 0 };
    read.render(minijinja::Value::from(minijinja::value::Serde(&values))).map_or(0, |text| text.len())
}

fn sample_templates() -> Vec<Vec<u8>> {
    let whole = include_str!("../../../src/text/templates/agreement.en.txt.j2");
    texts(&[
        "{{ agreement.no }} {%- if pet.name == \"团子\" and not x -%} {{ pet.name|default('-') }} {% else %}{# no #}{% endif %}",
        whole,
    ])
}

fn read_form(input: &[u8]) -> usize {
    match Form::read("sign.toml", &text(input)) {
        Ok(form) => size(&form),
        Err(error) => error.to_string().len(),
    }
}

fn sample_forms() -> Vec<Vec<u8>> {
    texts(&[
        include_str!("../../../examples/sign.toml"),
        "{\"name\": \"王小明\", \"debit-day\": 9, \"acknowledged\": true}",
    ])
}

fn read_key(input: &[u8]) -> usize {
    let text = text(input);
    let found = Certificate::read_all(&text);
    let standing: Vec<_> = found.iter().map(|it| it.standing(now())).collect();
    size(&(PrivateKey::read(&text), PublicKey::read(&text), Certificate::read(&text), found, standing))
}

fn sample_keys() -> Vec<Vec<u8>> {
    let names = ["app_private_pkcs1", "app_private_pkcs8", "app_public", "app_cert"];
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", bare(&key("app_cert")));
    let mut samples: Vec<Vec<u8>> = names.iter().map(|name| key(name).into_bytes()).collect();
    samples.push(certificate.repeat(2).into_bytes());
    samples
}

fn bare(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}
