//! Chinese for the audit trail.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("Who changed what, when", "谁在什么时候改了什么"),
    ("List changes, the newest first", "列出改动，最新的在前"),
    ("Only changes of this record, for example a-7 or a-7/3", "只看这条记录的改动，例如 a-7 或 a-7/3"),
    ("Only changes from this day on", "只看这一天以来的改动"),
    (
        "Recompute the chain of hashes: shows the first row that was edited or removed",
        "重算整条校验链：指出第一条被改过或删掉的记录",
    ),
    ("{text} is not a date like 2026-11-05", "{text} 不是像 2026-11-05 这样的日期"),
    ("no change", "没有改动"),
    ("No.", "序号"),
    ("Who", "谁"),
    ("Change", "改动"),
    ("Record", "记录"),
    ("Detail", "明细"),
    ("audit trail", "改动记录"),
    ("{rows} rows, every one follows the one before it", "共 {rows} 条，前后相接，没有缺失和篡改"),
    ("rows before it are missing", "它前面有记录缺失"),
    ("the row before it was replaced", "它前面的一条被换掉了"),
    ("it was edited", "它被改过"),
    ("broken at row {seq}: {why}", "第 {seq} 条断开：{why}"),
    (
        "compare with a backup: `kibble audit list` shows the rows around it",
        "请与备份对照：`kibble audit list` 可以看它前后的记录",
    ),
];
