//! Chinese for Alipay.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    (
        "Alipay gave back another amount under refund number {number}",
        "支付宝用退款号 {number} 退的是另一个金额",
    ),
    ("Alipay has closed the order unpaid", "支付宝已关闭该订单，未付款"),
    ("Alipay has no bill for {day}", "支付宝没有 {day} 的账单"),
    ("Alipay has not closed the order yet", "支付宝还没有关闭该订单"),
    ("Alipay knows no such agreement", "支付宝查不到这份代扣协议"),
    (
        "Alipay knows order {order} with another amount than {amount}",
        "支付宝里订单 {order} 的金额不是 {amount}",
    ),
    (
        "Alipay signed with a certificate that is not in {setting}: download it again",
        "支付宝用的证书不在 {setting} 里，请重新下载",
    ),
    ("Alipay tells a state that kibble does not know", "支付宝返回了本程序不认识的状态"),
    (
        "copy Alipay's public key from the app's page at Alipay, not the app's own",
        "在支付宝开放平台的应用页面复制“支付宝公钥”，不是“应用公钥”",
    ),
    ("copy it from the app's page at Alipay", "从支付宝开放平台的应用页面复制"),
    ("correct {setting} in shop.toml", "改正 shop.toml 里的 {setting}"),
    ("delete that line from shop.toml", "从 shop.toml 里删掉那一行"),
    ("download Alipay's certificate from the app's page at Alipay", "在支付宝开放平台的应用页面下载支付宝公钥证书"),
    (
        "download Alipay's root certificate from the app's page at Alipay",
        "在支付宝开放平台的应用页面下载支付宝根证书",
    ),
    ("download a new one from the app's page at Alipay", "在支付宝开放平台的应用页面下载新的"),
    ("it is the app's private key, as Alipay's key tool made it", "这里要填支付宝密钥工具生成的应用私钥"),
    ("it was paid, and given back in full since", "已付款，之后又全额退回"),
    ("kibble does not know this kind of notice", "本程序不认识这种通知"),
    ("must lie between {low} and {high}", "必须在 {low} 到 {high} 之间"),
    ("not paid yet", "尚未付款"),
    ("rehearse with the adapter sandbox instead", "演练请改用 sandbox"),
    (
        "take the certificate that Alipay made from this app's private key",
        "请用支付宝按这个应用私钥签发的证书",
    ),
    ("the answer cannot be decrypted; look at {setting}", "应答无法解密，请检查 {setting}"),
    ("the answer carries no signature", "应答没有签名"),
    ("the answer speaks of another agreement", "应答说的是另一份代扣协议"),
    ("the answer speaks of another order", "应答说的是另一笔订单"),
    ("the answer speaks of another order or amount", "应答说的是另一笔订单或另一个金额"),
    (
        "the app's page at Alipay: no public key of the app is stored there",
        "支付宝开放平台的应用页面：那里还没有上传应用公钥",
    ),
    ("the notice is for another app than {rail}'s", "通知属于另一个应用，不是 {rail} 的"),
    ("the notice is for another merchant than {rail}'s", "通知属于另一个商户，不是 {rail} 的"),
    ("the notice is not signed by Alipay", "通知的签名不是支付宝的"),
    ("the notice names no agreement", "通知里没有代扣协议号"),
    ("the notice names no order", "通知里没有订单号"),
    (
        "the products signed for at Alipay, and {setting}",
        "在支付宝签约的产品，以及 {setting}",
    ),
    (
        "the signature of the answer does not fit; is {setting} really Alipay's, not the app's own?",
        "应答的签名对不上；{setting} 填的确实是支付宝的，而不是应用自己的吗？",
    ),
    ("this is no notice of Alipay's", "这不是支付宝的通知"),
    ("this machine's clock", "这台电脑的时钟"),
    ("what Alipay sent as the bill of {day} is no zip file", "支付宝发来的 {day} 账单不是 zip 文件"),
    (
        "what came (HTTP {status}) is no answer of Alipay's; look at {setting}",
        "收到的（HTTP {status}）不是支付宝的应答，请检查 {setting}",
    ),
    (
        "what came (HTTP {status}) is no answer of Alipay's but \"{page}\"; look at {setting}",
        "收到的（HTTP {status}）不是支付宝的应答，而是“{page}”，请检查 {setting}",
    ),
    ("write it with https:// in front", "前面要写 https://"),
    (
        "{setting} is missing: name Alipay's public key, or all three certificates",
        "缺少 {setting}：请填支付宝公钥，或者三个证书都填",
    ),
    ("{setting} is not used: the account has certificates", "{setting} 用不上：这个账户用的是证书"),
    (
        "{setting}, and at whether its public half is the one stored at Alipay",
        "{setting}，以及它对应的公钥是否就是上传到支付宝的那一个",
    ),
    ("{setting}: Alipay knows {known}", "{setting}：支付宝只认 {known}"),
    ("{setting}: Alipay's rehearsal gateway knows no debits", "{setting}：支付宝的沙箱网关不支持代扣"),
    ("{setting}: a certificate, valid until {day}", "{setting}：证书，有效期至 {day}"),
    ("{setting}: a private key", "{setting}：私钥"),
    ("{setting}: a public key, and not the app's own", "{setting}：公钥，且不是应用自己的"),
    ("{setting}: an app's id has 16 digits", "{setting}：应用编号应为16位数字"),
    (
        "{setting}: app_cert, alipay_cert and alipay_root_cert belong together",
        "{setting}：app_cert、alipay_cert 和 alipay_root_cert 要一起填",
    ),
    ("{setting}: it can be read", "{setting}：可以读取"),
    ("{setting}: it was made for another private key", "{setting}：它对应的是另一个私钥"),
    ("{setting}: no root certificate of Alipay's can be read", "{setting}：读不到支付宝根证书"),
    ("{setting}: root certificates", "{setting}：根证书"),
    ("{setting}: the certificate expired on {day}", "{setting}：证书已于 {day} 过期"),
    ("{setting}: the certificate expires on {day}", "{setting}：证书将于 {day} 过期"),
    (
        "{setting}: the certificate is not valid yet; is this machine's clock right?",
        "{setting}：证书尚未生效；这台电脑的时钟对吗？",
    ),
    ("{setting}: this is no AES key in base64", "{setting}：这不是 base64 形式的 AES 密钥"),
    ("{setting}: this is no address", "{setting}：这不是网址"),
    (
        "{setting}: this is the app's own certificate; Alipay's belongs here",
        "{setting}：这是应用自己的证书，这里应填支付宝的证书",
    ),
    (
        "{setting}: this is the app's own public key; Alipay's belongs here",
        "{setting}：这是应用自己的公钥，这里应填支付宝公钥",
    ),
    ("{why}; look at {setting}", "{why}，请检查 {setting}"),
];
