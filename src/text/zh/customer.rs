//! Chinese for finding customers.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("there is no customer {who}", "没有这个客户：{who}"),
    (
        "use the id or the phone number; `kibble customer list` shows them",
        "请用客户编号或手机号；`kibble customer list` 可以查到",
    ),
    ("several customers fit {who}: {list}", "有几位客户都符合“{who}”：{list}"),
];
