//! `kibble init`: a shop's first day.

use crate::shop::Shop;

#[test]
fn a_shop_opens_with_flags_alone_and_its_key_lies_outside() {
    let mut shop = Shop::new();
    let ran = shop.lang("en").run("init --name 团子宠物 --rail alipay=sandbox --rail wechat=sandbox --yes");
    ran.ok("The shop is open").says("0 * * * *").says("OnCalendar=hourly");
    let settings = shop.read("shop.toml");
    assert!(settings.contains("[rail.wechat]\nadapter = \"sandbox\""), "{settings}");
    let key = settings.lines().find_map(|line| line.strip_prefix("key_file = \"")).unwrap().trim_end_matches('"');
    assert!(!std::path::Path::new(key).starts_with(shop.dir()), "{key}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_existing_shop_is_never_written_over() {
    let shop = Shop::opened();
    let before = shop.read("shop.toml");
    shop.run("init --name other --rail alipay=sandbox --yes").fails(1, "there is a shop in");
    assert_eq!(shop.read("shop.toml"), before);
}

#[test]
fn a_shop_that_cannot_be_made_leaves_nothing_behind() {
    let mut shop = Shop::new();
    shop.lang("en").run("init --name x --rail alipay=paypal --yes").fails(1, "this kibble has no adapter paypal");
    shop.run("init --name x --rail alipay").fails(2, "is not a payment rail like alipay=sandbox");
    shop.run("init --rail alipay=sandbox").fails(2, "--name");
    let left: Vec<_> = std::fs::read_dir(shop.dir()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
