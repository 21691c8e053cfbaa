//! Chinese for saved notices.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("Apply a provider's notice that the shop's own web server saved", "处理店铺网站服务器保存下来的渠道异步通知"),
    (
        "Apply a provider's notice that the shop's own web server saved\n\nThe file holds the body of the provider's request, byte for byte. Where the provider signs headers too (WeChat Pay v3), they stand above it, one `Name: value` per line, with an empty line between them and the body. kibble asks the rails by itself and needs no notices; they only bring news earlier. A notice that is not genuine changes nothing; the same one twice changes nothing the second time.",
        "处理店铺网站服务器保存下来的渠道异步通知\n\n文件内容是渠道请求的正文，一个字节都不能改。渠道连请求头也签名时（微信支付 V3），请求头写在正文上面，每行一个，名称和值之间用半角冒号，与正文之间空一行。本程序会自己去问支付渠道，不依赖通知；通知只是让消息早点到。假通知什么也不会改变；同一条通知再来一次，也什么都不会改变。",
    ),
    ("; ", "；"),
    ("The saved notice", "保存下来的通知"),
    ("{file} is larger than any notice", "{file} 太大，不可能是一条通知"),
    ("The payment rail it came from; found by its signature when left out", "来自哪个支付渠道；不写就按签名判断"),
    ("ask the rail with `kibble mandate sync {mandate}`", "用 `kibble mandate sync {mandate}` 问一下支付渠道"),
    ("it was decided from a bill before", "之前已经按账单处理过"),
    ("it was known already", "之前已经知道"),
    (
        "its term had been collected before: a second payment came in, which must go back",
        "这一期之前已经收过：又进来一笔付款，必须退回",
    ),
    ("mandate {number}", "代扣授权 {number}"),
    ("no payment rail of this shop sends notices", "本店没有会发通知的支付渠道"),
    ("nothing is decided yet", "还没有结果"),
    (
        "only rails with the adapter alipay or wechat do; see `kibble config show`",
        "只有 alipay 或 wechat 对接的支付渠道才有；用 `kibble config show` 查看",
    ),
    ("order {number}", "订单 {number}"),
    ("refund number {number}", "退款号 {number}"),
    (
        "save the body byte for byte, with its headers where the provider signs them; see `kibble notice --help`",
        "请原样保存正文，渠道连请求头也签名时一并保存；说明见 `kibble notice --help`",
    ),
    ("the bill tells it too: `kibble recon`", "账单里也会有：`kibble recon`"),
    ("the notice says that it was not paid, and it is booked as paid", "通知说没有付款，但账上已记为付款"),
    ("the notice says that it was paid, and its number is booked as dead", "通知说已付款，但账上这个订单号已经作废"),
    (
        "its number was booked as dead; the next `kibble debit run` asks the rail",
        "账上这个订单号已经作废；下次 `kibble debit run` 会向渠道查询",
    ),
    (
        "the notice says that it was paid, and another attempt of its term is open; the bill will tell",
        "通知说已付款，但这一期还有另一次扣款没有结果；以账单为准",
    ),
    (
        "the notice says that it was paid, and its term is not collected any more; the bill will tell",
        "通知说已付款，但这一期已经不再收款；以账单为准",
    ),
    ("the notice speaks of {theirs}, the order of {ours}", "通知说的金额是 {theirs}，订单是 {ours}"),
    (
        "the rail itself does not say so yet; the next `kibble debit run` asks again",
        "支付渠道自己还没有这么说；下次 `kibble debit run` 会再问",
    ),
    ("the rail itself says that it is live", "支付渠道自己说它仍然有效"),
    ("this notice is not genuine; nothing was changed ({why})", "这条通知不是真的，什么都没有改变（{why}）"),
    ("this shop knows no such mandate", "本店没有这个代扣授权"),
    ("this shop knows no such order", "本店没有这个订单号"),
    ("this shop knows no such refund", "本店没有这个退款号"),
    ("{rail}: it has no notices", "{rail}：它没有异步通知"),
    ("{rail}: {about}, {record}: nothing changed, {why}", "{rail}：{about}，{record}：没有变化，{why}"),
    ("{rail}: {about}, {record}: {state}", "{rail}：{about}，{record}：{state}"),
    (
        "{rail}: {about}, {record}: the notice is genuine, and somebody must look: {why}",
        "{rail}：{about}，{record}：通知是真的，需要人看一下：{why}",
    ),
    (
        "{rail}: {about}: the notice is genuine and nothing was changed: {why}",
        "{rail}：{about}：通知是真的，但什么都没有改变：{why}",
    ),
];
