//! Chinese for flags.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("a flag is cleared with a reason", "取消标记要写明原因"),
    ("add --reason TEXT", "加上 --reason TEXT"),
    ("no flag stands on {agreement}", "{agreement} 没有标记"),
    ("see the flags with `kibble risk list`", "用 `kibble risk list` 查看标记"),
    ("Clear the flag of an agreement", "取消一份协议的标记"),
    ("Which agreement, for example `a-7`", "哪份协议，例如 `a-7`"),
    ("no agreement is flagged", "没有被标记的协议"),
    ("{agreement} is no longer high risk", "{agreement} 不再是高风险"),
    ("Agreement", "协议"),
    ("High risk since", "高风险起始"),
    ("Why", "原因"),
    ("{count} {count|term|terms} in a row failed, the last was {term}", "连续 {count} 期失败，最近一期 {term}"),
];
