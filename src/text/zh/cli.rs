//! What every command shares: help, wrong usage, errors, prompts.

use super::Table;

pub const TABLE: Table = &[
    // Help.
    (
        "{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}",
        "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}",
    ),
    ("Commands", "命令"),
    ("Arguments", "参数"),
    ("Options", "选项"),
    ("Global options", "通用选项"),
    ("COMMAND", "命令"),
    ("[OPTIONS]", "[选项]"),
    ("[one of: {choices}]", "[可选：{choices}]"),
    ("[default: {default}]", "[默认：{default}]"),
    (
        "Runs a pet shop's monthly food plan: agreements, debits, wallets, orders and reports",
        "管理宠物店的宠粮月付：协议、扣款、宠物钱包、订单和报表",
    ),
    (
        "The shop's folder; without it KIBBLE_SHOP, then this folder if it has a shop.toml, then your own data folder",
        "商户文件夹；不写时先看 KIBBLE_SHOP，再看当前文件夹里有没有 shop.toml，最后用您的个人数据文件夹",
    ),
    ("Print one JSON document instead of text", "不输出文字，改为输出一份 JSON"),
    (
        "Language of what you read; without it the shop's, then your computer's",
        "显示语言；不写时用商户设置的语言，再看电脑的语言",
    ),
    ("Answer yes to every question, and take what is suggested", "所有提问都回答“是”，并采用建议值"),
    ("Print the answer only, no status lines", "只输出结果，不显示过程"),
    ("When to use colour", "何时使用颜色"),
    (
        "Pretend that it is this time; only in a shop where every payment rail is a sandbox",
        "假装现在是这个时间；只能用于所有支付渠道都是沙箱的商户",
    ),
    ("Print help", "显示帮助"),
    ("Print the version", "显示版本"),
    // completions
    (
        "Print the script that makes a shell complete kibble's commands",
        "输出命令补全脚本，让终端自动补全 kibble 的命令",
    ),
    ("The shell that you use", "您使用的终端 Shell"),
    // Wrong usage.
    ("`{command} --help` shows what is possible", "用 `{command} --help` 查看可以怎么写"),
    ("there is no command `{word}`", "没有 `{word}` 这个命令"),
    ("`{command}` knows no option `{option}`", "`{command}` 没有 `{option}` 这个选项"),
    ("`{command}` does not expect `{word}`", "`{command}` 不需要 `{word}`"),
    ("`{option}` needs a value", "`{option}` 后面要写一个值"),
    ("`{value}` is no value for `{option}`", "`{option}` 不能是 `{value}`"),
    ("`{value}` does not fit `{option}`: {why}", "`{option}` 不能写成 `{value}`：{why}"),
    ("this is missing: {list}", "还缺少：{list}"),
    ("`{command}` needs to know what to do", "`{command}` 后面要写明做什么"),
    ("`{option}` needs its value after an equals sign", "`{option}` 的值要写在等号后面"),
    ("`{option}` takes no more values, but was given `{value}`", "`{option}` 的值已经够了，多写了 `{value}`"),
    ("`{option}` was given too few or too many values", "`{option}` 的值的个数不对"),
    ("the command line has characters that are not UTF-8", "命令里有不是 UTF-8 的字符"),
    ("the command line could not be understood", "看不懂这条命令"),
    ("`{option}` may be given once only", "`{option}` 只能写一次"),
    ("`{option}` and `{other}` do not go together", "`{option}` 和 `{other}` 不能一起用"),
    ("did you mean `{word}`?", "您是不是想输入 `{word}`？"),
    ("one of: {choices}", "可以是：{choices}"),
    // Errors, prompts.
    ("error: {text}", "错误：{text}"),
    ("because: {text}", "原因：{text}"),
    ("hint: {text}", "提示：{text}"),
    ("warning: {text}", "注意：{text}"),
    ("the text is too long for a QR code: {text}", "内容太长，无法生成二维码：{text}"),
    ("the output could not be written to the end: {why}", "结果没有全部写出：{why}"),
    ("there is no terminal to ask on: {question}", "没有可以提问的终端：{question}"),
    ("answer it with {flag}", "请用 {flag} 直接回答"),
    ("you stopped the command", "您中止了命令"),
    // What the operating system says.
    ("there is no such file or folder", "找不到这个文件或文件夹"),
    ("you are not allowed to", "没有权限"),
    ("it exists already", "已经存在"),
    ("the disk is full", "磁盘已满"),
    ("your share of the disk is used up", "您的磁盘配额已用完"),
    ("the disk is read-only", "磁盘是只读的"),
    ("it is a folder, not a file", "这是文件夹，不是文件"),
    ("a part of the path is not a folder", "路径中有一段不是文件夹"),
    ("it holds something other than text in UTF-8", "里面不是 UTF-8 文字"),
    ("it ends too early", "内容不完整，提前结束了"),
    ("nobody answers there", "对方没有应答"),
    ("it took too long", "等待超时"),
    // Prompts.
    ("the terminal could not be read", "无法从终端读取输入"),
    ("{question}: ", "{question}："),
    ("this cannot be left empty", "这一项不能不填"),
];
