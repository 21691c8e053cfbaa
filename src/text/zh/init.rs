//! Chinese for a shop's first day.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("there is a shop in {folder} already", "{folder} 里已经有店铺了"),
    (
        "choose another folder with --shop; kibble never writes over a shop",
        "用 --shop 另选一个文件夹；kibble 绝不覆盖已有的店铺",
    ),
    ("the data key must not lie in the shop folder", "数据密钥不能放在店铺文件夹里"),
    (
        "a copied shop folder would reveal every name; choose another place for the key",
        "否则文件夹一被复制，所有姓名都会泄露；请把密钥放在别处",
    ),
    ("Make a new shop: folder, settings, data key, database", "新建店铺：文件夹、设置、数据密钥、数据库"),
    ("The shop's name, as customers read it", "店名，客户看到的就是它"),
    ("The shop's name in English messages", "英文通知里的店名"),
    ("The shop's unified social credit code, for the agreement", "商户的统一社会信用代码，写入协议"),
    ("The shop's address, for the agreement", "经营地址，写入协议"),
    ("The shop's phone, for agreement and messages", "店铺电话，写入协议和通知"),
    (
        "agreements and messages need the shop's code, address and phone: fill in [merchant] in shop.toml",
        "协议和通知要用到信用代码、地址和电话：请填写 shop.toml 的 [merchant]",
    ),
    (
        "A payment rail as NAME=ADAPTER or NAME=ADAPTER:PROFILE, for example `alipay=sandbox`; may be given several times",
        "支付渠道，写成 NAME=ADAPTER 或 NAME=ADAPTER:PROFILE，例如 `alipay=sandbox`；可以给多个",
    ),
    ("Where the data key goes; never into the shop folder", "数据密钥放在哪里；不能放进店铺文件夹"),
    ("{text} is not a payment rail like alipay=sandbox", "{text} 不是像 alipay=sandbox 这样的支付渠道"),
    (
        "Eight letters and digits that tell this shop's order numbers apart; drawn by chance when left out",
        "区分本店订单号的八位字母和数字；不写则随机生成",
    ),
    ("{code} is not eight capital letters and digits", "{code} 不是八位大写字母和数字"),
    ("What is the shop called?", "店名叫什么？"),
    ("Which payment rails?", "用哪些支付渠道？"),
    ("Alipay and WeChat Pay", "支付宝和微信支付"),
    ("Alipay only", "只用支付宝"),
    ("WeChat Pay only", "只用微信支付"),
    ("The shop is open: {folder}", "店铺已建好：{folder}"),
    ("settings   {path}", "设置       {path}"),
    ("data key   {path}", "数据密钥   {path}"),
    (
        "Keep a copy of the data key in another safe place: without it nobody can read names and phones again.",
        "请把数据密钥另存一份到安全的地方：丢了它，谁也读不出姓名和电话。",
    ),
    ("Plans on offer: {plans}", "已上架套餐：{plans}"),
    ("For cron (crontab -e), every hour:", "定时任务（crontab -e），每小时一次："),
    ("Or for systemd:", "或者用 systemd："),
    (
        "next: `kibble catalog import FILE`, then `kibble sign`",
        "下一步：`kibble catalog import FILE`，然后 `kibble sign`",
    ),
    ("Unified social credit code (may be empty for now)", "统一社会信用代码（可以先不填）"),
    ("The shop's address (may be empty for now)", "店铺地址（可以先不填）"),
    ("The shop's phone (may be empty for now)", "店铺电话（可以先不填）"),
];
