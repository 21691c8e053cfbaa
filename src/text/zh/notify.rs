//! Chinese for what message channels say.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("the program cannot be started: {why}", "程序无法启动：{why}"),
    ("the program sent nothing (exit code 75)", "程序什么也没发（退出码 75）"),
    ("the program ended with exit code {code} without an answer", "程序没有应答就结束了，退出码 {code}"),
    ("the program was stopped before it answered", "程序还没应答就被终止了"),
    ("the program took too long and was stopped", "程序超时，已被终止"),
    ("a delivery was interrupted before it was sent", "上次发送中断，这条还没发出"),
    ("no registered text for {template} ({lang})", "{template}（{lang}）没有报备模板"),
    (
        "the registered text for {template} wants {name}, which this message does not have",
        "{template} 的报备模板要用 {name}，而这条通知没有这个值",
    ),
    ("no mobile number is known", "没有手机号"),
    ("no e-mail address is known", "没有电子邮箱"),
    ("the e-mail address on record is none", "登记的电子邮箱不对"),
    ("the customer's WeChat id is not known", "没有登记客户的微信编号"),
    ("the answer cannot be read (HTTP {status})", "应答读不懂（HTTP {status}）"),
    ("the answer says nothing about this number", "应答里没有提到这个号码"),
    ("not in the provider's list yet", "服务商的发送记录里还没有"),
    ("not in the provider's list of that day", "服务商当天的发送记录里没有"),
    ("no operator's receipt for it yet", "还没有运营商的回执"),
    ("the receiver takes the same event once", "接收方对同一事件只收一次"),
    ("WeChat does not accept the token that it has just given", "微信不接受它刚刚发放的凭证"),
    ("{name} takes five characters at most, and the value has {length}", "{name} 最多五个字，而值有 {length} 个字"),
    ("HTTP {status}", "HTTP {status}"),
    ("{setting} is no e-mail address", "{setting} 不是电子邮箱"),
    ("{setting} is missing", "缺少 {setting}"),
    ("{setting}: only a server on this machine may go without TLS", "{setting}：只有本机的服务器可以不用 TLS"),
    ("it is empty", "是空的"),
    ("the channel exec needs a program to run", "exec 通道需要指定一个程序"),
    ("channel {channel}: keys and settings are there", "通道 {channel}：密钥和设置齐全"),
    (
        "correct it in shop.toml; every setting is explained in shop.example.toml",
        "请在 shop.toml 里改正；每个设置在 shop.example.toml 里都有说明",
    ),
    ("the file cannot be read", "文件读不出来"),
];
