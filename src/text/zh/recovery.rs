//! Chinese for what a debit run says of the time before it: an outage, a run that was broken off, a restore.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("Since the last run", "上次批次以来"),
    ("No debit run for {hours} hours, since {since}.", "自 {since} 起，有 {hours} 小时没有运行扣款批次。"),
    ("No debit run for {days} days, since {since}.", "自 {since} 起，有 {days} 天没有运行扣款批次。"),
    ("Run {run} of {at} was broken off before its end.", "{at} 开始的批次 {run} 中途断了，没有跑完。"),
    ("So were {count} more runs after it.", "此后另有 {count} 个批次同样中断。"),
    (
        "This database was restored or copied, and adopted on {at} as copy {copy}; charges found that were missing here: {count}.",
        "本数据库是恢复或复制来的，已于 {at} 启用为第 {copy} 份；核对出这里原先没有的扣款：{count} 笔。",
    ),
    ("Nothing fell due in that time.", "这段时间没有到期的款项。"),
    ("Fell due in that time: {count}, {amount}.", "这段时间到期：{count} 期，{amount}。"),
    (
        "Without an outcome: {count}, {amount}; the rails would be asked first.",
        "尚无结果的扣款：{count} 笔，{amount}；会先向支付渠道查询。",
    ),
    (
        "Without an outcome when it stopped: {count}, {amount}; asked now: {found}.",
        "中断时尚无结果的扣款：{count} 笔，{amount}；现已查询：{found}。",
    ),
    ("Nothing would be charged.", "不会扣任何款项。"),
    (
        "Still lawful to charge, and would be charged: {count}, {amount}.",
        "仍可依约扣款、将会扣款：{count} 期，{amount}。",
    ),
    ("Nothing could be charged.", "没有可以扣的款项。"),
    (
        "Still lawful to charge, and charged now: {count}, {amount}: {found}.",
        "仍可依约扣款、现已扣款：{count} 期，{amount}：{found}。",
    ),
    ("the rail was left alone; the next run tries again", "本批次没有再请求该支付渠道，下个批次再试"),
    ("Would wait: {count}, {amount}: {why}.", "需要等待：{count} 期，{amount}：{why}。"),
    ("Must wait: {count}, {amount}: {why}.", "只能等待：{count} 期，{amount}：{why}。"),
    ("{count} declined", "失败 {count} 笔"),
    ("{count} never reached the rail, given up", "未送达渠道、已作废 {count} 笔"),
    ("{count} under way at the rail", "渠道处理中 {count} 笔"),
    ("{count} still unknown", "仍无结果 {count} 笔"),
    ("{count} never reached the rail, sent again by the next run", "未送达渠道、下个批次重发 {count} 笔"),
    ("{terms} and {count} more", "{terms} 等，另有 {count} 期"),
    (
        "Window passed, would not be charged any more: {count}, {amount}: {terms}.",
        "已过扣款时间、不会再自动扣款：{count} 期，{amount}：{terms}。",
    ),
    (
        "Window passed, not charged any more: {count}, {amount}: {terms}.",
        "已过扣款时间、不再自动扣款：{count} 期，{amount}：{terms}。",
    ),
    (
        "No day is left before the next term or the end of the mandate: {count}; take the money with `kibble debit pay TERM --cash`, or leave it to the pay link in the customer's reminder.",
        "下一期之前、授权到期之前已没有可改的日子：{count} 期；可用 `kibble debit pay TERM --cash` 收现金，或由客户通过提醒里的补缴链接付款。",
    ),
    (
        "Needs a decision: {count}; below stand the first with the command to type, and where the others are.",
        "需要您决定：{count} 项；下方先列出一部分，各附应输入的命令，并注明其余的在哪里。",
    ),
    (
        "Proposal: move each with `kibble debit postpone TERM --to DATE`, or leave it to the pay link in the customer's reminder.",
        "建议：用 `kibble debit postpone TERM --to DATE` 逐期改期，或由客户通过提醒里的链接补缴。",
    ),
    ("Told now: {messages}.", "现已通知：{messages}。"),
    ("Still to be told: {count}.", "还须通知：{count} 条。"),
    ("from {time}", "{time} 起"),
    ("cannot be sent", "无法发送"),
    ("nobody knows whether it arrived", "不确定是否送达"),
    ("and {count} more: `kibble remind list --state queued`", "另有 {count} 条：`kibble remind list --state queued`"),
    ("Nothing needs a decision.", "没有需要您决定的事项。"),
    (
        "Needs a decision: {count}; each stands below with the command to type.",
        "需要您决定：{count} 项，见下方，各附应输入的命令。",
    ),
];
