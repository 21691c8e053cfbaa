//! `kibble pet`: the animal and its papers.

use crate::import::book_of;
use crate::shop::Shop;

fn shop() -> Shop {
    let mut shop = Shop::opened();
    shop.at("2026-11-21T09:00");
    shop
}

#[test]
fn a_pet_is_added_listed_and_shown() {
    let mut shop = shop();
    shop.run("pet add --name 旺旺 --species dog --breed 柯基 --sex male --birth-date 2026/8/1 --birth-estimated --chip '156 0000-0000 0012' --cost 300")
        .ok("p-1 旺旺 was added (in the shop)");
    shop.run("pet show p-1").ok("156000000000012").says("about 2026-08-01").says("¥300.00");
    shop.run("pet list --status in-shop").ok("旺旺").hides("error");
    shop.run("pet list --status died").ok("there are no such pets");
    shop.run("pet add --name x --species cat --chip 156000000000012").fails(1, "p-1 旺旺 has this chip number already");
    shop.run("pet add --name x --species cat --chip 12").fails(2, "a chip number has 15 digits, this has 2");
    shop.run("pet add --name x --species cat --birth-date 2027-01-01").fails(2, "lies in the future");
    shop.run("pet add --name x --species cat --birth-date tomorrow").fails(2, "tomorrow is not a date like");
    shop.run("pet add --name x --species cat --customer c-9").fails(1, "no customer has the id");
    shop.run("pet add --name x").fails(2, "answer it with --species");
    shop.run("pet show p-9").fails(1, "there is no pet p-9");
    shop.run("pet show 9").fails(2, "9 is not a pet's id like p-3");
    shop.lang("zh").run("pet show p-1").ok("在店").says("芯片号").hides("Chip");
}

#[test]
fn a_pet_that_died_stops_the_charges_and_says_what_comes_next() {
    let shop = shop();
    shop.write(
        "book.csv",
        book_of(&["王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H1,,"]),
    );
    shop.run("agreement import book.csv").ok("agreements taken over: 1");
    shop.run("pet status p-1 died").fails(2, "answer it with --reason");
    shop.run("pet status p-1 died --reason ''").fails(2, "say why, in a few words");
    shop.run("pet status p-1 died --reason illness")
        .ok("adopted → died")
        .says("nothing is charged for a-1 any more")
        .says("kibble agreement terminate a-1");
    shop.run("pet status p-1 died --reason illness").fails(1, "has this status already");
    shop.run("pet status p-1 adopted --reason 'a mistake'").ok("died → adopted").hides("nothing is charged");
}

#[test]
fn a_pet_does_not_go_back_into_the_shop_while_its_agreement_runs() {
    let shop = shop();
    shop.write(
        "book.csv",
        book_of(&["王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H1,,"]),
    );
    shop.run("agreement import book.csv").exits(0);
    shop.run("pet status p-1 returned --reason moved").ok("nothing is charged for a-1 any more");
    shop.run("pet status p-1 in-shop --reason healthy")
        .fails(1, "a-1 still runs for p-1")
        .says("agreement terminate a-1");
    shop.run("pet add --name 旺旺 --species dog").exits(0);
    shop.run("pet status p-2 adopted --reason x").fails(1, "p-2 belongs to nobody");
}
