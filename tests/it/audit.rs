//! `kibble audit`: the trail shows what was done, and what was done to it.

use crate::plant::sql;
use crate::shop::Shop;
use crate::stage;

#[test]
fn every_change_stands_in_the_trail() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    stage::set(&ctx);
    shop.run("audit list").ok("shop_opened").says("book_imported").hides("王小明").hides("19900000001");
    let rows = shop.run("--json audit list --limit 1").json();
    assert_eq!((rows["rows"].as_array().unwrap().len(), &rows["rows"][0]["op"]), (1, &"book_imported".into()));
    shop.run("audit list --record a-99").ok("no change");
    shop.run("audit list --since 2099-01-01").ok("no change");
    shop.run("audit list --since yesterday").fails(2, "is not a date like 2026-11-05");
    shop.run("audit verify").ok("2 rows, every one follows the one before it");
}

#[test]
fn an_edited_audit_row_shows() {
    for (edit, said) in [
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 1", "broken at row 1: it was edited"),
        ("UPDATE audit SET at = 'yesterday' WHERE seq = 2", "broken at row 2: it was edited"),
        ("DELETE FROM audit WHERE seq = 1", "broken at row 2: rows before it are missing"),
    ] {
        let shop = Shop::opened();
        let ctx = stage::open(&shop, "2026-11-02T09:00");
        stage::set(&ctx);
        sql(&shop, edit);
        shop.run("audit verify").fails(1, said);
        let document = shop.run("--json audit verify");
        assert!(document.exits(1).json()["broken"]["seq"].as_i64().is_some());
    }
}

#[test]
fn a_cut_off_end_of_the_trail_shows_by_the_witness() {
    let shop = Shop::opened();
    let ctx = stage::open(&shop, "2026-11-02T09:00");
    stage::set(&ctx);
    kibble::ops::witness::remember(&ctx).unwrap();
    shop.run("audit verify").exits(0);
    sql(&shop, "DELETE FROM audit WHERE seq = 2");
    shop.run("audit verify").fails(1, "its audit trail ends at 1, that one's at 2");
}
