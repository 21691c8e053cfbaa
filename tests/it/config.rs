//! `kibble config show`: the settings in force.

use crate::shop::Shop;

#[test]
fn every_setting_is_shown_with_its_source() {
    let shop = Shop::opened();
    let text = shop.read("shop.toml");
    let text = text.replace("retry_max = 2", "retry_max = 1").replace("window = 32\n", "");
    shop.write(
        "shop.toml",
        text.replace("[rail.wechat]", "[rail.wechat.rules]\nsingle_cap = \"400.00\"\n[rail.wechat]"),
    );
    let ran = shop.run("config show");
    ran.ok("data key").says("no payment rail here moves real money").says("Payment rail wechat (WeChat Pay)");
    let answer = shop.run("config show --json").json();
    let setting = |name: &str| {
        let all = answer["settings"].as_array().unwrap();
        let it = all.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}"));
        (it["value"].as_str().unwrap().to_owned(), it["given"] == true, it["default"] == true)
    };
    assert_eq!(setting("terms.retry_max"), ("1".to_owned(), true, false));
    assert_eq!(setting("terms.refund_days"), ("5".to_owned(), true, true));
    assert_eq!(setting("debit.window"), ("32".to_owned(), false, true));
    assert_eq!(setting("tier.1.name_en"), ("gold".to_owned(), true, false));
    let wechat = answer["rails"].as_array().unwrap().iter().find(|rail| rail["name"] == "wechat").unwrap();
    assert_eq!(wechat["overridden"], serde_json::json!(["single_cap"]));
    assert_eq!(wechat["rules"]["single_cap"], "400.00");
    assert_eq!(answer["key_problem"], serde_json::Value::Null);
}

#[test]
fn no_secret_is_shown() {
    let shop = Shop::opened();
    let program = "\n[channel.program]\nadapter = \"exec\"\ncommand = [\"send\", \"--token\", \"s3cr3t\"]\n";
    let text = shop.read("shop.toml") + program;
    shop.write("shop.toml", &text);
    let key =
        text.lines().find_map(|line| line.strip_prefix("key_file = \"")).unwrap().trim_end_matches('"').to_owned();
    let bytes = std::fs::read_to_string(&key).unwrap();
    for line in ["config show", "config show --json"] {
        shop.run(line).ok(&key).says("program").hides("s3cr3t").hides(bytes.trim());
    }
}

#[test]
fn settings_are_shown_although_the_key_is_missing() {
    let mut shop = Shop::opened();
    let text = shop.read("shop.toml");
    let key =
        text.lines().find_map(|line| line.strip_prefix("key_file = \"")).unwrap().trim_end_matches('"').to_owned();
    std::fs::remove_file(&key).unwrap();
    shop.run("config show").ok("is missing");
    shop.run("customer list").fails(1, "is missing");
    shop.lang("zh").run("config show").ok("找不到数据密钥").hides("Setting");
}

#[test]
fn a_shop_with_a_real_rail_opens_without_its_keys() {
    let shop = Shop::opened();
    let text = shop.read("shop.toml");
    let (before, after) = text.split_once("[rail.wechat]\nadapter = \"sandbox\"").unwrap();
    let account = "appid = \"wx0000000000000001\"\nmch_id = \"1900000022\"\nplan_id = \"125350\"\n\
                   api_v2_key = { file = \"keys/v2.key\" }\nnotify_url = \"https://shop.example/wechat\"\n";
    let wired = format!("{before}[rail.wechat.account]\n{account}[rail.wechat]\nadapter = \"wechat\"{after}");
    shop.write("shop.toml", &wired);
    shop.run("customer list").exits(0);
    shop.run("config show --json").ok("wechat").hides("v2.key");
    shop.run("--now 2026-11-21T09:00 customer list").fails(2, "moves real money");
    shop.write("shop.toml", wired.replace("plan_id", "plan"));
    shop.run("customer list").fails(1, "rail.wechat.account").says("plan");
    shop.write("shop.toml", wired.replace("plan_id = \"125350\"\n", ""));
    shop.run("customer list").fails(1, "rail.wechat.account").says("plan_id");
}
