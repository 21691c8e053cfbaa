//! Chinese for the WeChat Pay rail.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("there is no live contract with this number", "这个签约号没有有效的协议"),
    (
        "WeChat Pay closes an order no sooner than five minutes after it was made: {said}",
        "微信支付的订单生成五分钟后才能关闭：{said}",
    ),
    (
        "the sign link is longer than WeChat allows; use a shorter address",
        "签约链接超过微信允许的长度；请换一个短一点的通知地址",
    ),
    ("the refund was closed", "退款已关闭"),
    (
        "the customer's bank sent the money back; finish this refund in WeChat Pay's merchant platform",
        "客户的银行把钱退了回来；请到微信支付商户平台处理这笔退款",
    ),
    ("the bill arrived damaged: its hash is another one", "账单下载不完整：校验值对不上"),
    ("the answer of WeChat Pay cannot be understood ({what})", "看不懂微信支付的应答（{what}）"),
    ("the answer of WeChat Pay is about something else ({what})", "微信支付的应答说的是另一件事（{what}）"),
    (
        "the answer is not signed by WeChat Pay; if that stays so, look at {setting} in shop.toml",
        "应答没有微信支付的有效签名；如果一直这样，请看 shop.toml 里的 {setting}",
    ),
    (
        "WeChat Pay turned us away: {said}; look at {setting} in shop.toml",
        "微信支付拒绝了请求：{said}；请看 shop.toml 里的 {setting}",
    ),
    (
        "what came is no answer of WeChat Pay's but \"{page}\"; look at {setting}",
        "收到的不是微信支付的应答，而是“{page}”，请检查 {setting}",
    ),
    ("WeChat Pay's certificate {serial} has expired; fetch the new one", "微信支付的证书 {serial} 已过期；请换上新的"),
    ("WeChat Pay signed with {serial}, which no setting names", "微信支付用 {serial} 签名，设置里没有这个公钥或证书"),
    ("it does not open what WeChat Pay sealed with it", "用它解不开微信支付加密的内容"),
    (
        "the merchant certificate has expired; make a new one in the merchant platform",
        "商户证书已过期；请到商户平台申请新的",
    ),
    ("it is not set", "没有填"),
    ("it does not belong to merchant_key", "它和 merchant_key 不是一对"),
    (
        "this machine's clock and WeChat Pay's are {minutes} minutes apart; set the clock right",
        "这台电脑的时间和微信支付相差 {minutes} 分钟；请校准时间",
    ),
    (
        "{url} is no whole address like https://shop.example/wechat",
        "{url} 不是 https://shop.example/wechat 这样的完整网址",
    ),
    ("{url}: WeChat Pay takes no address with a query", "{url}：微信支付不接受带参数的地址"),
    ("{url}: WeChat Pay cannot reach an address inside your own net", "{url}：微信支付访问不到内网地址"),
    ("it does not look like wx and 16 further characters", "看起来不像 wx 加 16 个字符"),
    ("a merchant number has 8 to 10 digits", "商户号是 8 到 10 位数字"),
    ("the number of a template has digits only", "模板编号只能是数字"),
    ("it must not end with a slash", "末尾不能有斜杠"),
    ("32 letters and digits, as it should be", "32 位字母和数字，没问题"),
    ("the APIv2 key has 32 letters and digits; this one has not", "APIv2 密钥应是 32 位字母和数字；这个不是"),
    (
        "it is not set: v3 notices cannot be read and platform certificates not be fetched",
        "没有填：读不了 V3 通知，也下载不了平台证书",
    ),
    ("32 bytes, as it should be", "32 个字节，没问题"),
    ("the APIv3 key has 32 bytes; this one has not", "APIv3 密钥应是 32 个字节；这个不是"),
    ("it is not set, and notices, refunds or bills need it", "没有填，而预扣费通知、退款或账单要用到它"),
    ("a private key, as it should be", "是私钥，没问题"),
    ("it is not set, and refunds by v2 need it", "没有填，而 V2 退款要用到它"),
    ("set it, or name the merchant certificate", "请填上，或者指定商户证书"),
    ("a serial number is hexadecimal", "序列号应是十六进制"),
    ("it is not the one of the certificate, {serial}", "与证书的序列号 {serial} 不一致"),
    ("they are fetched from WeChat Pay when needed", "需要时自动从微信支付下载"),
    (
        "no key of WeChat Pay's is named, so no v3 answer can be believed",
        "没有指定微信支付的公钥或证书，V3 应答都无法验证",
    ),
    (
        "this is your own public key; WeChat Pay's belongs here, from the merchant platform",
        "这是你们自己的公钥；这里应放微信支付公钥，从商户平台下载",
    ),
    ("a public key, as it should be", "是公钥，没问题"),
    ("it begins with PUB_KEY_ID_", "应以 PUB_KEY_ID_ 开头"),
    ("there is no certificate in it", "里面没有证书"),
    (
        "this is your own certificate; WeChat Pay's platform certificate belongs here",
        "这是你们自己的证书；这里应放微信支付的平台证书",
    ),
    ("certificate {serial} expired on {end}", "证书 {serial} 已于 {end} 过期"),
    ("certificate {serial} is not valid yet; check the clock", "证书 {serial} 还没有生效；请核对电脑时间"),
    ("certificate {serial} expires on {end}", "证书 {serial} 将于 {end} 过期"),
    ("certificate {serial} is good until {end}", "证书 {serial} 有效期到 {end}"),
    ("look at {setting} in shop.toml", "请看 shop.toml 里的 {setting}"),
    ("a notice of this kind is not signed; the refund is asked about instead", "这种通知没有签名；改为直接查询退款"),
    ("kibble has no use for a notice of this kind", "这种通知用不上"),
    ("this is no notice of WeChat Pay's", "这不是微信支付的通知"),
    ("this notice is not signed by WeChat Pay", "这条通知没有微信支付的有效签名"),
    ("this notice is made out to another merchant ({field})", "这条通知是发给别的商户的（{field}）"),
];
