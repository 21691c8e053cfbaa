//! Chinese for credit checks.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    // Help.
    (
        "Whether the customer consents to the credit check: yes or no; after a no a person decides",
        "客户是否同意查询信用，`yes` 或 `no`；不同意则由人来决定",
    ),
    ("The credit score that you saw", "您看到的信用分"),
    (
        "What you saw where no score is shown: pass, fail or unknown",
        "没有显示分数时您看到的结果：`pass` 达标、`fail` 不达标、`unknown` 看不出",
    ),
    ("Where the proof is, for example the name of a screenshot", "凭据在哪里，例如截图的文件名"),
    ("The day on which you saw it; without it today", "哪天看到的；不写就是今天"),
    ("Set what the pretended provider of credit checks says of a customer", "设定演练时信用查询对某位客户怎么说"),
    ("A score from 350 to 950, `unknown`, or `down`", "350 到 950 的分数、`unknown`（查不到）或 `down`（连不上）"),
    (
        "See who is high risk and why, clear a flag, and decide about credit checks",
        "查看谁是高风险及原因，取消标记，决定信用查询的结果",
    ),
    ("List the flags that stand, and the credit checks that wait for a decision", "列出现有标记和等待决定的信用查询"),
    ("Make a credit check again that did not pass", "重新做一次没有通过的信用查询"),
    (
        "Go on in spite of a credit check: the customer may agree to the mandate",
        "信用查询未通过仍继续：客户可以办理代扣授权",
    ),
    ("Call an agreement off after its credit check", "信用查询之后取消一份协议"),
    ("Why, for the audit trail and for the customer who asks", "原因，记入操作日志，客户问起时也要能说明"),
    // Consent.
    (
        "I agree that the shop looks at my credit score and records whether it is {score} or above. I may say no; a person then decides without it.",
        "本人同意商户查看本人的信用分，并登记是否达到 {score} 分。本人可以不同意；不同意时由工作人员另行决定。",
    ),
    (
        "I agree that the shop sends my name and ID number to Zhima Credit, which answers whether my score is {score} or above. I may say no; a person then decides without it.",
        "本人同意商户将本人姓名和身份证号提供给芝麻信用，由其答复本人的信用分是否达到 {score} 分。本人可以不同意；不同意时由工作人员另行决定。",
    ),
    (
        "I agree that the shop asks the pretended provider whether my score is {score} or above. I may say no; a person then decides without it.",
        "本人同意商户向演练用的信用机构询问本人的信用分是否达到 {score} 分。本人可以不同意；不同意时由工作人员另行决定。",
    ),
    ("Does the customer consent to the credit check?", "客户是否同意查询信用？"),
    ("no, a person decides without it", "不同意，由人来决定"),
    ("yes, the customer consents", "同意，客户本人已表示同意"),
    ("The score you saw (may be empty)", "您看到的信用分（可以不填）"),
    ("What did you see?", "您看到了什么？"),
    ("high enough", "达标"),
    ("too low", "不达标"),
    ("Where is the proof, for example the name of a screenshot?", "凭据在哪里？例如截图的文件名"),
    (
        "Where is the proof, for example the name of a screenshot? (may be empty)",
        "凭据在哪里？例如截图的文件名（可以不填）",
    ),
    // What it said.
    ("credit check", "信用查询"),
    ("Credit check", "信用查询"),
    ("Score", "分数"),
    ("Proof", "凭据"),
    ("On", "日期"),
    ("credit check: {verdict} ({provider})", "信用查询：{verdict}（{provider}）"),
    ("{score} or above", "达到 {score} 分"),
    ("below {score}", "不到 {score} 分"),
    ("the customer did not consent, so nobody was asked", "客户不同意，没有查询"),
    ("it cannot be told", "查不出来"),
    ("not asked yet", "还没有查询"),
    ("could not be asked: {why}", "没能查到：{why}"),
    ("{verdict}, but close to it: a smaller plan may do", "{verdict}，但很接近：换个小一点的套餐也许可以"),
    ("seen by the clerk", "店员查看"),
    ("Zhima Credit", "芝麻信用"),
    ("pretended provider", "演练"),
    ("Zhima's answer cannot be understood", "看不懂芝麻信用的答复"),
    ("the pretended provider is down", "演练用的信用机构连不上"),
    ("a person must decide", "等待人来决定"),
    ("approved by {who}: {reason}", "{who} 批准：{reason}"),
    ("refused by {who}: {reason}", "{who} 拒绝：{reason}"),
    ("{agreement} gets no mandate before a person has decided", "有人决定之前，{agreement} 不能办理代扣授权"),
    ("{agreement} may go on", "{agreement} 可以继续"),
    (
        "tell the customer why, and whom they can talk to: they have a right to an explanation by a person",
        "请告诉客户原因和可以找谁沟通：客户有权得到人工说明",
    ),
    ("the credit check of {customer} will say: {told}", "{customer} 的信用查询将答复：{told}"),
    // Refusals.
    ("nothing is said about the customer's consent to the credit check", "没有写明客户是否同意查询信用"),
    (
        "ask the customer, then give --credit-consent yes, or no: a person decides then",
        "请先问客户，再加上 --credit-consent yes；不同意就写 no，由人来决定",
    ),
    ("a score is a number from {low} to {high}", "信用分是 {low} 到 {high} 之间的数"),
    ("{word} is no score from {low} to {high}", "{word} 不是 {low} 到 {high} 之间的分数"),
    ("or one of: {choices}", "或者：{choices}"),
    ("{text} is no result of a credit check", "{text} 不是信用查询的结果"),
    ("score and result of the credit check contradict each other", "信用分和查询结果互相矛盾"),
    ("a pass without a score needs its proof", "没有分数只有结果时，要写明凭据"),
    ("{day} lies ahead", "{day} 还没到"),
    ("the credit check of {agreement} waits for a decision", "{agreement} 的信用查询还在等人决定"),
    ("the credit check of {agreement} does not wait for a decision", "{agreement} 的信用查询不需要再决定"),
    ("{agreement} was refused after its credit check", "{agreement} 在信用查询后已被拒绝"),
    ("{agreement} has no credit check", "{agreement} 没有信用查询"),
    ("see the open ones with `kibble risk list`", "用 `kibble risk list` 查看待决定的"),
    ("the customer of {agreement} did not consent to a check", "{agreement} 的客户不同意查询信用"),
    ("a decision has a reason", "决定要写明原因"),
    (
        "look at it with `kibble risk list`, then `kibble risk approve {agreement} --reason TEXT` or `kibble risk refuse {agreement} --reason TEXT`",
        "先用 `kibble risk list` 查看，再用 `kibble risk approve {agreement} --reason TEXT` 批准，或 `kibble risk refuse {agreement} --reason TEXT` 拒绝",
    ),
    (
        "decide with `kibble risk approve AGREEMENT --reason TEXT` or `kibble risk refuse AGREEMENT --reason TEXT`",
        "用 `kibble risk approve AGREEMENT --reason TEXT` 批准，或 `kibble risk refuse AGREEMENT --reason TEXT` 拒绝",
    ),
    ("shop.toml does not say how to ask {provider} about credit", "shop.toml 没有写明怎样向{provider}查询信用"),
    (
        "an agreement runs although its credit check was not decided in its favour",
        "协议已在履行，但它的信用查询没有获准",
    ),
    // Settings.
    ("must be off, manual, zhima or sandbox", "只能是 off、manual、zhima 或 sandbox"),
    ("must lie between {low} and {high}", "必须在 {low} 到 {high} 之间"),
    (
        "sandbox is for rehearsals, and a payment rail of this shop moves real money",
        "sandbox 只用于演练，而本店有动真钱的支付渠道",
    ),
    ("must name a payment rail whose adapter is alipay", "必须是一个对接方式为 alipay 的支付渠道"),
];
