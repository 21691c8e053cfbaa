//! `kibble orders`: what customers take or have shipped.

use kibble::db;
use kibble::db::customer::NewCustomer;
use kibble::domain::journal::{Account, Entry, EntryKind};
use kibble::domain::money::Money;
use kibble::domain::op::Op;
use kibble::ops::Ctx;

use crate::shop::Shop;

const NOW: &str = "2026-11-05T10:00";

/// An open shop with a catalog, and c-1, 王小明, who has `fen` in the wallet.
pub fn with_customer(fen: i64) -> Shop {
    let mut shop = Shop::opened();
    shop.at(NOW);
    shop.write("catalog.csv", include_bytes!("../../examples/data/catalog.csv"));
    shop.run("catalog import catalog.csv").exits(0);
    let ctx = Ctx::open(&shop.dir(), Some(NOW)).unwrap();
    let now = ctx.now();
    let new = NewCustomer {
        name: "王小明".to_owned(),
        phone: "13800000001".to_owned(),
        id_number: "11010519491231002X".to_owned(),
        address: Some("=示例市青禾路2号".to_owned()),
        lang: "zh".to_owned(),
    };
    let added = ctx.db.write(now, |tx| {
        let customer = db::customer::insert(tx, &new, now)?;
        let amount = Money::from_fen(fen);
        let entry = Entry::new(EntryKind::Opening, "a-1")
            .of(customer)
            .debit(Account::Opening, amount)
            .credit(Account::WalletPrincipal(customer), amount);
        if fen > 0 {
            db::journal::book(tx, &entry, ctx.today(now), now)?;
        }
        Ok(((), Op::CustomerAdded { customer }))
    });
    added.unwrap();
    shop
}

#[test]
fn an_order_goes_from_the_counter_of_the_shop_to_the_customers_door() {
    let shop = with_customer(10_000);
    // 85.00 for food from the wallet; toys are cash.
    shop.run("orders add c-1 STP-003 TOY-003").fails(2, "from the wallet and").says("--yes");
    let placed = shop.run("orders add 13800000001 STP-003 TOY-003 --yes");
    placed.ok("Order o-1 for c-1 王**: placed").says("85.00").says("left in the wallet: ¥15.00").hides("王小明");
    shop.run("orders list --state placed").ok("o-1");
    shop.run("orders ship --out out").ok("1 order sent");
    shop.run("orders ship --out out").ok("nothing to send");
    let json = shop.run("orders show o-1 --json").json();
    assert_eq!((json["state"].as_str(), json["wallet_paid"].as_str()), (Some("sent"), Some("85.00")));
    let file = std::fs::read_dir(shop.path("out")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("o-1,王小明,13800000001,'=示例市青禾路2号,"), "{text}");
    shop.write("tracking.csv", "order,carrier,tracking_no,sku\no-1,SF,SF123,STP-003\no-1,ZT,ZT9,TOY-003\no-7,SF,1,\n");
    shop.run("orders ship --tracking tracking.csv").exits(3).says("2 lines of 1 order on the way").says("o-7");
    shop.run("orders deliver o-1").ok("2 lines of 1 order delivered");
    shop.run("orders show o-1").ok("delivered").says("SF SF123").says("sales: staple food").says("order o-1");
    shop.run("orders return o-1 --line 1 --qty 1 --reason unopened")
        .ok("given back: ¥85.00 to the wallet, ¥0.00 in cash");
    shop.run("orders cancel o-1 --reason late").fails(1, "it cannot be cancelled").says("orders return o-1");
    shop.run("orders resend o-1 --line 2 --reason damaged").ok("Order o-2 sends 1 of o-1/2 again");
    shop.run("wallet show 王小明").ok("¥100.00").says("return o-1/1");
}

#[test]
fn the_wallet_does_not_pay_for_toys_when_asked_to() {
    let shop = with_customer(50_000);
    shop.run("orders add c-1 STP-003 TOY-003 --pay wallet").fails(1, "the wallet may not pay for TOY-003");
    shop.run("orders add c-1 STP-003:9 --pay wallet").fails(1, "holds ¥500.00");
    shop.run("orders list").ok("no order fits");
    shop.run("orders add c-1 STP-003:2 TOY-003 --pay split --counter").ok("delivered");
    shop.run("orders add c-1 NONE").fails(1, "the catalog has no item NONE");
    shop.run("orders add c-1 STP-003:0 --pay cash").fails(2, "1 to 999 pieces");
    shop.run("orders add c-9 STP-003").fails(1, "c-9");
    shop.run("orders show o-9").fails(1, "there is no order o-9").says("orders list");
}

#[test]
fn orders_speak_chinese_in_a_chinese_shop() {
    let mut shop = with_customer(50_000);
    shop.lang("zh");
    let placed = shop.run("orders add c-1 STP-003 --pay wallet");
    placed.ok("订单 o-1，客户 c-1 王**：已下单").says("钱包余额：¥415.00");
    shop.run("orders ship --out out").ok("已发出 1 个订单");
    shop.run("orders cancel o-1 --reason 搬家").ok("退回：宠物钱包 ¥85.00").says("请通知他们");
    let shown = shop.run("orders show o-1");
    shown.ok("已取消").says("已付款未交付").hides("cancel").hides("staple").hides("orders_open");
}
