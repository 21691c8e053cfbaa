//! Chinese for the database room.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("{path} exists already", "{path} 已经存在"),
    ("there is no shop database at {path}", "{path} 没有店铺数据库"),
    (
        "make one with `kibble init`, or name the shop's folder with --shop",
        "用 `kibble init` 新建，或用 --shop 指明店铺文件夹",
    ),
    (
        "the shop database is locked by another program; the step under way was undone, all before it stands",
        "店铺数据库被别的程序占用；正在做的这一步已撤销，之前的都有效",
    ),
    ("close the program that holds shop.db open, then run the command again", "关掉占用 shop.db 的程序，再运行一次"),
    ("the work was broken off", "操作中途中断"),
    (
        "the disk is full; the step under way was undone, all before it stands",
        "磁盘已满；正在做的这一步已撤销，之前的都有效",
    ),
    ("free some space, then run the command again", "腾出一些空间，再运行一次"),
    (
        "the shop folder cannot be written; the step under way was undone, all before it stands",
        "店铺文件夹不能写入；正在做的这一步已撤销，之前的都有效",
    ),
    (
        "check who owns the folder and its files, and that the disk is not mounted read-only",
        "检查文件夹和文件的所有者，并确认磁盘不是只读挂载",
    ),
    ("shop.db is damaged or is not a kibble database", "shop.db 已损坏，或者不是 kibble 的数据库"),
    ("restore the last good copy with `kibble restore FILE`", "用 `kibble restore FILE` 恢复最近一份完好的备份"),
    (
        "the disk refused to read or write; the step under way was undone, all before it stands",
        "磁盘读写失败；正在做的这一步已撤销，之前的都有效",
    ),
    ("check the disk and its free space, then run the command again", "检查磁盘及剩余空间，再运行一次"),
    (
        "this shop database is of a newer kibble (format {version}; this one knows up to {known})",
        "这个店铺数据库来自更新的 kibble（格式 {version}，本程序只认到 {known}）",
    ),
    ("install the newer kibble on this machine; nothing was changed", "在这台电脑上安装新版 kibble；没有做任何改动"),
    ("shop.db is a database of some other program", "shop.db 是别的程序的数据库"),
    ("name the shop's folder with --shop", "用 --shop 指明店铺文件夹"),
    ("the data key does not belong to this shop's database", "数据密钥与这个店铺的数据库不相符"),
    (
        "put back the key file that `kibble init` made for this shop; without it names and phones stay sealed",
        "放回 `kibble init` 为本店生成的密钥文件；没有它，姓名和电话都打不开",
    ),
    ("{customer} has been erased", "{customer} 的个人信息已删除"),
];
