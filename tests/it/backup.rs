//! `kibble backup`, `restore`, `adopt`: copies are sound, and a copy moves no money until somebody says that it is the one.

use std::fs;

use kibble::db;
use kibble::ops::Ctx;
use kibble::ops::witness::{self, Verdict};

use crate::plant::sql;
use crate::shop::Shop;
use crate::stage;

fn backups(shop: &Shop) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(shop.path("backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_is_one_sound_file_and_old_ones_are_thinned() {
    let shop = Shop::opened();
    shop.write(
        "shop.toml",
        shop.read("shop.toml").replace(
            "keep_daily = 14\nkeep_weekly = 8\nkeep_monthly = 24",
            "keep_daily = 2\nkeep_weekly = 0\nkeep_monthly = 0",
        ),
    );
    shop.run("--now 2026-11-03T09:00 backup").ok("shop-2026-11-03T0900.db").says("checked");
    shop.run("--now 2026-11-03T09:00 backup").ok("shop-2026-11-03T0900-2.db").says("removed");
    shop.run("--now 2026-11-04T09:00 backup").exits(0);
    shop.write("backups/notes.txt", "mine");
    let ran = shop.run("--json --now 2026-11-05T09:00 backup");
    assert_eq!(ran.exits(0).json()["kept"], 2);
    assert_eq!(backups(&shop), ["notes.txt", "shop-2026-11-04T0900.db", "shop-2026-11-05T0900.db"]);
    shop.run("audit list").ok("backed_up");
    shop.run("audit verify").exits(0);
}

#[test]
fn a_restore_is_checked_and_never_over_a_live_file_without_asking() {
    let shop = Shop::opened();
    shop.run("--now 2026-11-03T09:00 backup").exits(0);
    let copy = "backups/shop-2026-11-03T0900.db";
    let before = fs::read(shop.path("shop.db")).unwrap();
    shop.run(&format!("restore {copy}")).fails(2, "there is no terminal to ask on");
    let lie = format!("the copies lie in {}", shop.path("backups").display());
    shop.run("restore no.db --yes").fails(1, "there is no file no.db").says(&lie);
    shop.run("restore backups --yes").fails(1, "backups is a folder, not a copy").says(&lie);
    shop.write("text.db", "this is not a database, but it is long enough to look like one if nobody reads it closely");
    // What is wrong with that file is no word about the shop's own.
    shop.run("restore text.db --yes")
        .fails(1, "text.db is not a kibble database")
        .says(&lie)
        .hides("shop.db is damaged");
    shop.run("restore shop.db --yes").fails(1, "is the live database itself");
    let other = Shop::opened_as("8M3RX9AC");
    other.run("--now 2026-11-03T09:00 backup").exits(0);
    shop.run(&format!("restore {} --yes", other.path(copy).display())).fails(1, "belongs to another shop");
    let mut torn = fs::read(shop.path(copy)).unwrap();
    let middle = torn.len() / 2;
    torn[middle..].fill(7);
    shop.write("torn.db", torn);
    shop.run("restore torn.db --yes").fails(1, "torn.db is damaged").hides("shop.db is damaged");
    assert_eq!(fs::read(shop.path("shop.db")).unwrap(), before);
    let ran = shop.run(&format!("--now 2026-11-04T09:00 restore {copy} --yes"));
    ran.ok("the database that lay there is now").says("no money moves until you have run `kibble adopt`");
    assert!(backups(&shop).contains(&"before-restore-2026-11-04T0900.db".to_owned()));
    shop.run("audit list").ok("restored");
    shop.run("audit verify").says("every one follows");
    let left: Vec<_> = fs::read_dir(shop.dir())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_restore_helps_when_the_live_file_is_damaged() {
    let shop = Shop::opened();
    shop.run("--now 2026-11-03T09:00 backup").exits(0);
    for log in ["shop.db-wal", "shop.db-shm"] {
        drop(fs::remove_file(shop.path(log)));
    }
    shop.write("shop.db", "rubbish".repeat(2_000));
    shop.run("audit verify").fails(1, "kibble restore FILE");
    shop.run("restore backups/shop-2026-11-03T0900.db --yes").ok("restored from");
    shop.run("audit verify").says("every one follows");
}

#[test]
fn a_restored_database_moves_no_money() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    let cast = stage::set(&ctx);
    witness::remember(&ctx).unwrap();
    assert_eq!(witness::inspect(&ctx).unwrap(), Verdict::Same);
    shop.run("--now 2026-11-02T10:00 backup").exits(0);
    // The lost state declines nothing: attempt 2 collected term 1.
    let later = stage::open(&shop, "2026-11-05T09:30");
    let order_no = stage::charge_at_rail(&later, &cast, 2);
    witness::remember(&later).unwrap();
    drop((ctx, later));
    shop.run("--now 2026-11-06T09:00 restore backups/shop-2026-11-02T1000.db --yes").exits(0);
    let ctx = stage::open(&shop, "2026-11-06T09:00");
    let verdict = witness::inspect(&ctx).unwrap();
    assert!(matches!(verdict, Verdict::Behind { restored: true, .. }) && !verdict.may_move_money(), "{verdict:?}");
    assert!(verdict.refusal().unwrap().next_step().unwrap().contains("kibble adopt"));
    shop.run("--now 2026-11-06T09:00 adopt").fails(2, "there is no terminal to ask on");
    shop.run("--now 2026-11-06T09:00 adopt --yes").ok("copy 2").says(&order_no).says("paid, was missing here");
    let ctx = stage::open(&shop, "2026-11-06T09:00");
    assert_eq!(witness::inspect(&ctx).unwrap(), Verdict::Same);
    let charges = db::charge::of_installment(ctx.db.read(), stage::term(&cast, 1)).unwrap();
    assert_eq!((charges.len(), charges[0].state.word(), charges[0].attempt), (1, "unknown", 2));
    assert_eq!(charges[0].order_no, order_no);
    assert_eq!(db::shop::identity(ctx.db.read()).unwrap().copy_no, 2);
}

#[test]
fn an_adoption_changes_nothing_while_a_rail_cannot_say() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-06T09:00");
    stage::set(&ctx);
    let kind = kibble::adapters::rail::sandbox::fault::FaultKind::Down;
    let span = kibble::adapters::rail::sandbox::fault::FaultSpan::Times(1_000);
    ctx.sandbox.as_ref().unwrap().set_fault("alipay", kind, span, None).unwrap();
    shop.run("--now 2026-11-06T09:00 adopt --yes").fails(1, "cannot say now what became of 6 order numbers");
    assert_eq!(db::shop::identity(ctx.db.read()).unwrap().copy_no, 1);
}

#[test]
fn an_older_or_copied_or_forked_database_shows() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    stage::set(&ctx);
    assert_eq!(witness::inspect(&ctx).unwrap(), Verdict::Same, "it is remembered from its first day");
    witness::remember(&ctx).unwrap();
    drop(ctx);
    // A folder moved as a whole is no copy; one that leaves the old folder behind is.
    let moved = shop.dir().with_file_name("moved");
    fs::rename(shop.dir(), &moved).unwrap();
    let ctx = Ctx::open(&moved, Some("2026-11-02T09:00")).unwrap();
    assert_eq!(witness::inspect(&ctx).unwrap(), Verdict::Same);
    drop(ctx);
    fs::rename(&moved, shop.dir()).unwrap();
    fs::create_dir(&moved).unwrap();
    for name in ["shop.toml", "shop.db"] {
        fs::copy(shop.path(name), moved.join(name)).unwrap();
    }
    let ctx = Ctx::open(&moved, Some("2026-11-02T09:00")).unwrap();
    assert!(matches!(witness::inspect(&ctx).unwrap(), Verdict::Moved { .. }));
    drop(ctx);
    sql(&shop, "UPDATE audit SET hash = 'x' WHERE seq = 2");
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    assert!(matches!(witness::inspect(&ctx).unwrap(), Verdict::Forked { at_seq: 2, .. }));
    sql(&shop, "DELETE FROM audit WHERE seq = 2");
    assert!(matches!(witness::inspect(&ctx).unwrap(), Verdict::Behind { restored: false, here: 1, seen: 2, .. }));
}
