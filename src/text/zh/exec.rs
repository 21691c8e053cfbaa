//! Chinese for a payment rail that is a program.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("no program is named", "没有写明程序"),
    ("{program} cannot be started: {why}", "{program} 无法启动：{why}"),
    ("the program has ended", "程序已经退出"),
    ("the program ended without an answer", "程序没有回答就退出了"),
    ("the program answered another question", "程序答非所问（编号不对）"),
    ("the program answered about another number", "程序回答的不是这个单号"),
    ("the program answered about another amount", "程序回答的金额不对"),
    ("the program's answer cannot be understood", "看不懂程序的回答"),
    ("the program cannot do {what}", "程序不支持 {what}"),
    (
        "the program speaks version {other} of the lines, this kibble version {known}",
        "程序用的是第 {other} 版协议，本 kibble 用的是第 {known} 版",
    ),
    ("the program's hello does not say which version it speaks", "程序的 hello 回答没有写明协议版本"),
    ("{name} {version} answers", "{name} {version} 有应答"),
    ("start the program by hand and see what it says", "手动启动这个程序，看看它说什么"),
];
