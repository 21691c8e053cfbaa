//! `kibble catalog`: the shelf and its prices.

use crate::shop::Shop;

const CATALOG: &[u8] = include_bytes!("../../examples/data/catalog.csv");

#[test]
fn importing_the_same_catalog_twice_changes_nothing() {
    let shop = Shop::opened();
    shop.write("catalog.csv", CATALOG);
    shop.run("catalog import catalog.csv --dry-run").ok("120 items added").says("dry run");
    shop.run("catalog list").ok("no item fits");
    shop.run("catalog import catalog.csv").ok("120 rows: 120 items added, 0 changed, 0 as before");
    let before = shop.run("catalog list").out;
    shop.run("catalog import catalog.csv").ok("nothing changes; 120 items stood like that already");
    assert_eq!(shop.run("catalog list").out, before);
    assert!(!shop.path("catalog.rejects.csv").exists());
    let json = shop.run("catalog import catalog.csv --json").json();
    assert_eq!((json["unchanged"].as_u64(), json["added"].as_u64()), (Some(120), Some(0)));
}

#[test]
fn refused_rows_are_named_and_can_be_mended() {
    let shop = Shop::opened();
    let header = "sku,name,category,cost,price,member_price\n";
    shop.write("list.csv", format!("{header}A,food,staple,1,3,2\nB,=1+1,staple,x,3,4\n,litter,litter,1,2,2\n"));
    let ran = shop.run("catalog import list.csv");
    ran.exits(3).says("1 item added").says("2 rows refused:").says("cost").says("this is not an amount");
    ran.says("the member price is above the price 3.00").says("list.rejects.csv");
    let rejects = shop.read("list.rejects.csv");
    assert!(rejects.contains("B,'=1+1,staple,x,3,4,3,"), "{rejects}");
    // The sound row stays; the mended file brings the rest.
    shop.write("list.rejects.csv", rejects.replace(",x,3,4,", ",1,3,2,").replace("\n,litter", "\nC,litter"));
    shop.run("catalog import list.rejects.csv").ok("2 rows: 2 items added");
    shop.run("catalog list --search =1").ok("=1+1");
    // Refused once more, the rejects go beside the earlier file, never over it.
    shop.run("catalog import list.csv").exits(3).says("list.rejects-2.csv");
}

#[test]
fn a_file_that_is_no_price_list_changes_nothing() {
    let shop = Shop::opened();
    shop.write("book.xlsx", b"PK\x03\x04rest");
    shop.run("catalog import book.xlsx").fails(1, "this is an Excel or WPS workbook, not a CSV");
    shop.write("other.csv", "name,phone\nx,1\n");
    shop.run("catalog import other.csv").fails(1, "columns are missing");
    shop.run("catalog import none.csv").fails(1, "there is no such file");
    shop.run("catalog list").ok("no item fits");
}

#[test]
fn one_item_is_changed_by_hand() {
    let shop = Shop::opened();
    shop.write("catalog.csv", CATALOG);
    shop.run("catalog import catalog.csv").exits(0);
    shop.run("catalog set STP-001 member-price 70").ok("STP-001 changed").says("70.00");
    shop.run("catalog set STP-001 member-price 70").ok("nothing changed");
    shop.run("catalog set STP-001 member-price 79.01").fails(1, "would lie above the price 79.00");
    shop.run("catalog set STP-001 price cheap").fails(2, "this is not an amount");
}

#[test]
fn the_shelf_is_listed_in_both_languages() {
    let mut shop = Shop::opened();
    shop.write("catalog.csv", CATALOG);
    shop.run("catalog import catalog.csv").exits(0);
    shop.run("catalog set TOY-001 wallet yes").exits(0);
    shop.run("catalog list --category toy --search TOY-001").ok("yes*");
    shop.run("catalog set TOY-001 on-sale no").ok("(not on sale)");
    shop.run("catalog set TOY-001 wallet maybe").fails(2, "maybe is neither yes nor no");
    shop.run("catalog set NONE price 1").fails(1, "the catalog has no item NONE").says("catalog list --search");
    shop.run("catalog list --supplier 栖禾云仓 --category staple").ok("STP-001").hides("STP-005");
    shop.lang("zh").run("catalog list --category 主粮").ok("鸡肉鲜粮全价幼猫粮").says("主粮").hides("staple");
}
