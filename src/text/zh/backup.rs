//! Chinese for copies of the database: backup, restore, adopt, the witness.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    // backup
    (
        "Copy the database while the shop works, check the copy, and thin older copies by age",
        "不停业备份数据库，检查备份，并按时间清理旧备份",
    ),
    ("Where copies go; without it `backups` in the shop's folder", "备份放在哪里；不写就放商户文件夹里的 `backups`"),
    ("backup", "备份"),
    ("cannot write {path}", "无法写入 {path}"),
    ("the copy does not hold what the database holds; nothing was kept", "备份内容与数据库不一致，没有保留"),
    ("there are too many backups of this minute", "这一分钟里的备份太多了"),
    ("the database is being written without a pause", "数据库一直有人在写入，无法备份"),
    ("{path} ({size} KiB), checked", "{path}（{size} KiB），已检查"),
    ("removed {path}", "已清理 {path}"),
    ("{count} {count|copy|copies} kept", "保留 {count} 份备份"),
    (
        "keep the data key apart from the copies: without it names and phones stay sealed",
        "数据密钥要与备份分开保存：没有它，姓名和电话打不开",
    ),
    // Checking a file.
    ("{path} is not a kibble database", "{path} 不是 kibble 的数据库"),
    ("the copies lie in {folder}", "备份都在 {folder}"),
    ("{path} is a folder, not a copy", "{path} 是文件夹，不是备份文件"),
    ("there is no file {path}", "没有文件 {path}"),
    ("{path} is damaged: {what}", "{path} 已损坏：{what}"),
    ("use an older copy; the one before it may be sound", "请用更早的备份，前一份也许是好的"),
    // restore
    (
        "Put a copy of the database in the place of the live one, which is moved aside first",
        "用一份备份换下现在的数据库，现在的会先移到一边",
    ),
    ("The copy", "备份文件"),
    ("{path} is the live database itself", "{path} 就是正在使用的数据库"),
    ("{path} belongs to another shop ({theirs}; this one is {ours})", "{path} 是另一家店的（{theirs}，本店是 {ours}）"),
    ("Put this copy in the place of the live database?", "用这份备份换下现在的数据库？"),
    ("nothing was changed", "没有做任何改动"),
    ("restored from {path}", "已从 {path} 恢复"),
    ("the database that lay there is now {path}", "原来的数据库现在是 {path}"),
    (
        "no money moves until you have run `kibble adopt`: it asks the payment rails what this copy missed",
        "运行 `kibble adopt` 之前不会动任何钱：它会向支付渠道核对这份备份之后发生的扣款",
    ),
    ("never", "从未"),
    ("the copy is sound; its last change was made {time}", "备份完好；最后一次改动在 {time}"),
    ("the live database was changed last {time}", "现在的数据库最后一次改动在 {time}"),
    ("another kibble is at work in this shop; nothing was changed", "本店有另一个 kibble 正在运行；没有做任何改动"),
    ("wait until it has ended, then run the command again", "等它结束后再运行一次"),
    ("cannot move {path} aside", "无法移走 {path}"),
    ("the disk refused to take the restored database; nothing was changed", "磁盘写不下恢复的数据库；没有做任何改动"),
    // The witness.
    (
        "nothing on this computer remembers this database: it was used last on the computer {host}, or the file that remembers it is lost",
        "这台电脑没有用过这个数据库的记录：它上次是在电脑 {host} 上用的，或者那份记录丢了",
    ),
    (
        "the database was restored from a backup; whatever happened after that backup is missing in it",
        "数据库是从备份恢复的，备份之后发生的事都不在里面",
    ),
    (
        "the database is older than the one that was used last: its audit trail ends at {here}, that one's at {seen}",
        "这个数据库比上次用的旧：改动记录到 {here} 为止，上次已到 {seen}",
    ),
    (
        "the database is a copy: the one that was used last is still at {path}",
        "这个数据库是复制品：上次用的还在 {path}",
    ),
    (
        "the database and the one that was used last went different ways before audit row {seq}",
        "这个数据库与上次用的在第 {seq} 条改动记录之前就分开了",
    ),
    (
        "if this is the one to go on with, run `kibble adopt`, and never use the other one again",
        "如果以后就用这一个，请运行 `kibble adopt`，并且再也不要用另一个",
    ),
    (
        "{path} is damaged: nobody can say whether this is the newest database",
        "{path} 已损坏：无法确认这是不是最新的数据库",
    ),
    ("if it is, run `kibble adopt`", "如果是，请运行 `kibble adopt`"),
    // adopt
    ("another copy of this database has the code {code}", "代码 {code} 已被这个数据库的另一份用过"),
    ("leave --code out; a new one is drawn", "不要写 --code，会自动生成新的"),
    (
        "Eight letters and digits for the numbers of this copy; drawn by chance when left out",
        "这一份数据库的单号用的八位字母和数字；不填就随机生成",
    ),
    (
        "messages that the lost state may have told, to be looked up: {count}",
        "丢失的数据里可能已经发过、需要先查询的通知：{count} 条",
    ),
    ("it waited when this database was restored or copied", "这个数据库被恢复或复制时，它还在排队"),
    (
        "Go on with a database that was restored from a backup or copied: asks the payment rails what it missed",
        "启用恢复或复制来的数据库：先向支付渠道核对它缺了哪些扣款",
    ),
    ("Go on with this database? The other one must never be used again.", "以后就用这个数据库？另一个再也不能使用。"),
    ("asking the payment rails", "向支付渠道核对"),
    (
        "the payment rails cannot say now what became of {count} order numbers, the first is {order_no}; nothing was changed",
        "支付渠道现在说不清 {count} 个单号的结果，第一个是 {order_no}；没有做任何改动",
    ),
    ("run `kibble adopt` again when they answer", "等渠道恢复后再运行 `kibble adopt`"),
    ("This is the shop's database now (copy {copy}).", "现在起本店用这个数据库（第 {copy} 份）。"),
    ("asked about {count} order numbers", "核对了 {count} 个单号"),
    ("{term}  {order}  {amount}  paid, was missing here", "{term}  {order}  {amount}  已扣款，这里原来没有"),
    ("{term}  {order}  {amount}  under way, was missing here", "{term}  {order}  {amount}  处理中，这里原来没有"),
    (
        "{term}  {order}  {amount}  paid at the counter, was missing here; it is booked now",
        "{term}  {order}  {amount}  到店付款，这里原来没有，现已入账",
    ),
    ("`kibble debit run` books them", "运行 `kibble debit run` 即可入账"),
    (
        "Done by hand after the backup, and missing here; enter it again:",
        "以下是备份之后人工办理、这里没有的事项，请重新录入：",
    ),
    (
        "A refund that is entered again with the same amount is not paid twice: the payment rail knows its number, and cash was handed over already.",
        "同样金额的退款重新录入不会退两次：支付渠道认得它的单号，现金当时已经交给客户。",
    ),
    (
        "No payment rail knows what was done by hand after {time}: payments at the counter, orders, signatures, refunds. Enter it again before the next debit run.",
        "{time} 之后人工办理的事项，支付渠道都不知道：到店付款、订单、签约、退款。请在下一次扣款之前重新录入。",
    ),
];
