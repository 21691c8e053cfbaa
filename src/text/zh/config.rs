//! Chinese for settings.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("there is no shop in {folder}", "{folder} 里没有店铺"),
    ("shop.toml has no payment rail called {name}", "shop.toml 里没有叫 {name} 的支付渠道"),
    ("it has {known}", "现有：{known}"),
    ("shop.toml: {key}: {why}", "shop.toml：{key}：{why}"),
    ("shop.toml, line {line}: {key}: {why}", "shop.toml 第 {line} 行：{key}：{why}"),
    ("the agreement promises 48 hours' notice; 48 is the least", "协议承诺提前48小时提醒，不能少于48"),
    ("must not be less than notice_hours", "不能小于 notice_hours"),
    ("must lie between 1 and 1024", "必须在1到1024之间"),
    ("the agreement allows two retries at most", "协议最多允许重试两次"),
    ("the law gives 7 days; 7 is the least", "法律规定7日，不能少于7"),
    ("a refund may take 15 days at most", "退款最长不超过15日"),
    ("the channel exec needs a program to run", "通知方式 exec 需要写明要运行的程序"),
    ("this kibble knows the channels print and exec", "本程序的通知方式有 print 和 exec"),
    ("the data key {path} is missing", "找不到数据密钥 {path}"),
    (
        "put the key file back, or correct key_file in shop.toml; without it names and phones stay sealed",
        "放回密钥文件，或改正 shop.toml 里的 key_file；没有它，姓名和电话都打不开",
    ),
    ("other people on this machine can read the data key {path}", "这台电脑上的其他人可以读取数据密钥 {path}"),
    ("run `chmod 600 {path}`", "运行 `chmod 600 {path}`"),
    ("{path} is not a kibble data key", "{path} 不是 kibble 的数据密钥"),
    (
        "a data key is one line of 64 letters and digits; put the right file back",
        "数据密钥是一行64个字母和数字，请放回正确的文件",
    ),
    ("this account has no home folder", "这个账户没有主目录"),
    ("shop.toml: {key}: this kibble has no adapter {other}", "shop.toml：{key}：本程序没有 {other} 这种对接方式"),
    ("it has sandbox, for rehearsals without real money", "现有 sandbox，用于演练，不动真钱"),
    ("shop.toml: {key}: no profile is called {name}", "shop.toml：{key}：没有叫 {name} 的规则档案"),
    (
        "correct that line; every setting is explained in shop.example.toml",
        "改正这一行；每项设置在 shop.example.toml 里都有说明",
    ),
    ("there is no setting called {name}", "没有叫 {name} 的设置"),
    ("the setting {name} is missing", "缺少设置 {name}"),
    ("this is not the kind of value that belongs here", "这里的值类型不对"),
    ("this key stands twice", "这个键重复了"),
    (
        "this is not an amount in yuan with at most two decimals, in quotes",
        "这里应当是以元为单位、最多两位小数、带引号的金额",
    ),
    ("this is not a time of day like \"09:00\"", "这里应当是像 \"09:00\" 这样的时刻"),
    ("this is not written as TOML wants it", "这里不符合TOML的写法"),
    (
        "--now is for rehearsals: a payment rail of this shop moves real money",
        "--now 只用于演练：本店有支付渠道会动真钱",
    ),
    ("{text} is not a time like 2026-11-05T09:00", "{text} 不是像 2026-11-05T09:00 这样的时间"),
    ("The shop's settings", "商户设置"),
    ("Show every setting, its value, and whether it is the default", "显示每项设置的值，以及是不是默认值"),
    ("folder     {path}", "文件夹     {path}"),
    ("rehearsal  no payment channel here moves real money", "演练       这里的支付渠道都不动真钱"),
    ("default", "默认"),
    ("shop.toml", "shop.toml"),
    ("profile", "规则档案"),
    ("Setting", "设置"),
    ("From", "来源"),
    ("Rule", "规则"),
    (
        "Payment channel {name} ({label}): adapter {adapter}, profile {profile}",
        "支付渠道 {name}（{label}）：对接方式 {adapter}，规则档案 {profile}",
    ),
];
