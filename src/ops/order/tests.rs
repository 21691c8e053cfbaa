use std::fs;

use super::{
    Basket, Filter, Placed, cancel, cancel_undelivered, deliver, deliver_shipped_before, list, place, quote, resend,
    return_line, send_to_suppliers, show, track,
};
use crate::db;
use crate::domain::agreement::AgreementState;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::journal::{Account, Entry, EntryKind};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::order::{Handover, OrderState, Pay};
use crate::ops::catalog::{Change, Import, import, set};
use crate::ops::read_now;
use crate::ops::testing::TestShop;
use crate::ops::wallet;

/// Food 30.00 (member 20.00, cost 8.00) and litter 12.00 (member 10.00, cost 4.00) from one supplier each, a toy 9.00
/// (member 9.00, cost 3.00) that the wallet does not pay for, and a bath.
const LIST: &str = "货号,名称,类目,成本,售价,会员价,供应商
FOOD,粮,主粮,8,30,20,甲仓
LITTER,砂,猫砂,4,12,10,乙仓
TOY,球,玩具,3,9,9,甲仓
BATH,洗澡,服务,5,50,40,
";

struct Floor {
    shop: TestShop,
    customer: CustomerId,
}

impl Floor {
    /// A member with `fen` in the wallet.
    fn with(fen: i64) -> Floor {
        let shop = TestShop::open();
        let file = shop.root.path().join("list.csv");
        fs::write(&file, LIST).unwrap();
        import(&shop, &Import { file: &file, dry_run: false, rejects: None }).unwrap();
        let customer = shop.customer("王小明", 1).id;
        shop.sign(customer);
        if fen > 0 {
            shop.fund(customer, fen, "a-1");
        }
        Floor { shop, customer }
    }

    fn basket(&self, wants: &[(&str, u32)], pay: Pay, handover: Handover) -> Basket {
        Basket {
            customer: self.customer,
            wants: wants.iter().map(|(sku, qty)| ((*sku).to_owned(), *qty)).collect(),
            pay,
            handover,
            address: None,
            note: String::new(),
        }
    }

    fn order(&self, wants: &[(&str, u32)], pay: Pay, handover: Handover) -> anyhow::Result<Placed> {
        let basket = self.basket(wants, pay, handover);
        place(&self.shop, &basket, &quote(&self.shop, &basket)?)
    }

    fn shipped(&self, wants: &[(&str, u32)]) -> OrderId {
        self.order(wants, Pay::Split, Handover::Ship).unwrap().order
    }

    fn account(&self, code: &str) -> i64 {
        let conn = self.shop.db.read();
        let mut sum = 0;
        list(&self.shop, &Filter::default(), |it| {
            let entries = db::order::entries(conn, it.order.id)?;
            let postings = entries.into_iter().flat_map(|entry| entry.postings);
            sum += postings.filter(|(account, _)| account == code).map(|(_, amount)| amount.fen()).sum::<i64>();
            Ok(())
        })
        .unwrap();
        sum
    }

    fn state(&self, order: OrderId) -> OrderState {
        show(&self.shop, order).unwrap().order.state
    }

    fn files(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.shop.root.path().join("out")) else { return Vec::new() };
        let mut names: Vec<String> =
            folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn send(&self, again: bool) -> super::SentOut {
        send_to_suppliers(&self.shop, &self.shop.root.path().join("out"), again).unwrap()
    }

    fn track(&self, text: &str) -> super::Tracked {
        let file = self.shop.root.path().join("tracking.csv");
        fs::write(&file, text).unwrap();
        track(&self.shop, &file).unwrap()
    }

    fn audit_rows(&self) -> i64 {
        db::audit::head(self.shop.db.read()).unwrap().0
    }

    fn end_agreement(&self, state: AgreementState) -> crate::domain::id::AgreementId {
        let now = self.shop.now();
        let agreement = crate::domain::id::AgreementId::new(1);
        let ended = self.shop.db.write(now, |tx| {
            db::agreement::set_state(tx, agreement, state, Some((now, "consumer")))?;
            Ok(((), Op::AgreementChanged { agreement, state: state.word().to_owned(), reason: String::new() }))
        });
        ended.unwrap();
        agreement
    }
}

#[test]
fn a_mixed_basket_is_split_and_the_books_say_so() {
    let floor = Floor::with(5_000);
    let placed = floor.order(&[("FOOD", 2), ("TOY", 1), ("LITTER", 2)], Pay::Split, Handover::Counter).unwrap();
    // Member prices: food 40.00 and 10.00 of the litter from the wallet; the toy and the other 10.00 in cash.
    let parts: Vec<i64> = placed.quote.lines.iter().map(|line| line.wallet_part.fen()).collect();
    assert_eq!(parts, [4_000, 0, 1_000]);
    assert_eq!(
        (placed.quote.wallet.fen(), placed.quote.cash.fen(), placed.state),
        (5_000, 1_900, OrderState::Delivered)
    );
    assert_eq!(floor.shop.wallet(floor.customer), (0, 0));
    let balances: Vec<(&str, i64)> = vec![
        ("wallet:principal", 5_000),
        ("cash", 1_900),
        ("orders_open", 0),
        ("sales:staple", -4_000),
        ("sales:toy", -900),
        ("sales:litter", -2_000),
        ("cost", 1_600 + 300 + 800),
        ("suppliers", -2_700),
    ];
    for (account, fen) in balances {
        assert_eq!(floor.account(account), fen, "{account}");
    }
}

#[test]
fn list_prices_hold_without_a_running_agreement() {
    let floor = Floor::with(10_000);
    let price =
        |floor: &Floor| quote(&floor.shop, &floor.basket(&[("FOOD", 1)], Pay::Split, Handover::Ship)).unwrap().total;
    assert_eq!(price(&floor).fen(), 2_000);
    floor.end_agreement(AgreementState::Completed);
    // What is left in the wallet never expires, so it can still be spent.
    let placed = floor.order(&[("FOOD", 1)], Pay::Wallet, Handover::Ship).unwrap();
    assert_eq!((placed.quote.total.fen(), placed.quote.member), (3_000, false));
    assert_eq!(floor.shop.wallet(floor.customer), (7_000, 0));
}

#[test]
fn a_wallet_never_goes_below_zero() {
    let floor = Floor::with(2_000);
    let refused = floor.order(&[("FOOD", 2)], Pay::Wallet, Handover::Ship).unwrap_err().to_string();
    assert!(refused.contains("holds ¥20.00") && refused.contains("¥40.00"), "{refused}");
    // A second order that was quoted before the first one took the money finds another balance and is refused.
    let basket = floor.basket(&[("FOOD", 1)], Pay::Wallet, Handover::Ship);
    let seen = quote(&floor.shop, &basket).unwrap();
    place(&floor.shop, &basket, &seen).unwrap();
    assert_eq!(floor.shop.wallet(floor.customer), (0, 0));
    let before = floor.audit_rows();
    assert!(place(&floor.shop, &basket, &seen).is_err());
    let split = floor.order(&[("FOOD", 1)], Pay::Split, Handover::Ship).unwrap();
    assert_eq!((split.quote.wallet.fen(), split.quote.cash.fen()), (0, 2_000));
    assert_eq!((floor.shop.wallet(floor.customer), floor.audit_rows()), ((0, 0), before + 1));
}

#[test]
fn the_wallet_does_not_pay_for_toys() {
    let floor = Floor::with(10_000);
    let refused = floor.order(&[("FOOD", 1), ("TOY", 1)], Pay::Wallet, Handover::Ship).unwrap_err().to_string();
    assert!(refused.contains("TOY") && !refused.contains("FOOD"), "{refused}");
    let split = floor.order(&[("FOOD", 1), ("TOY", 1)], Pay::Split, Handover::Ship).unwrap();
    assert_eq!((split.quote.wallet.fen(), split.quote.cash.fen()), (2_000, 900));
    // The owner may let a single item in.
    set(&floor.shop, "TOY", Change::Wallet(Some(true))).unwrap();
    assert!(floor.order(&[("TOY", 1)], Pay::Wallet, Handover::Ship).is_ok());
}

#[test]
fn while_an_agreement_is_settled_its_wallet_is_closed() {
    let floor = Floor::with(10_000);
    floor.end_agreement(AgreementState::Settling);
    assert!(floor.order(&[("FOOD", 1)], Pay::Wallet, Handover::Ship).is_err());
    let split = floor.order(&[("FOOD", 1)], Pay::Split, Handover::Ship).unwrap();
    assert_eq!((split.quote.wallet.fen(), split.quote.cash.fen()), (0, 3_000));
}

#[test]
fn a_cancelled_order_gives_back_where_it_came_from() {
    let floor = Floor::with(3_000);
    let order = floor.shipped(&[("FOOD", 1), ("LITTER", 2), ("TOY", 1)]);
    assert_eq!(floor.shop.wallet(floor.customer), (0, 0));
    let one = cancel(&floor.shop, order, Some(2), "wrong litter").unwrap();
    assert_eq!((one.wallet.fen(), one.cash.fen(), one.state), (1_000, 1_000, OrderState::Placed));
    assert!(cancel(&floor.shop, order, Some(2), "again").is_err());
    let rest = cancel(&floor.shop, order, None, "moved away").unwrap();
    assert_eq!((rest.wallet.fen(), rest.cash.fen(), rest.state), (2_000, 900, OrderState::Cancelled));
    assert!(cancel(&floor.shop, order, None, "again").is_err());
    assert_eq!(floor.shop.wallet(floor.customer), (3_000, 0));
    for account in ["wallet:principal", "cash", "orders_open", "cost", "suppliers"] {
        assert_eq!(floor.account(account), 0, "{account}");
    }
    let shown = show(&floor.shop, order).unwrap();
    assert_eq!((shown.wallet_back.fen(), shown.cash_back.fen()), (3_000, 1_900));
}

#[test]
fn a_bonus_is_spent_last_and_given_back_first() {
    let floor = Floor::with(1_500);
    let now = floor.shop.now();
    let gift = Entry::new(EntryKind::Correction, "gift")
        .of(floor.customer)
        .debit(Account::Goodwill, Money::from_fen(1_000))
        .credit(Account::WalletBonus(floor.customer), Money::from_fen(1_000));
    let given = floor.shop.db.write(now, |tx| {
        db::journal::book(tx, &gift, floor.shop.today(now), now)?;
        Ok(((), Op::Corrected { kind: "gift".into(), reference: "gift".into(), amount: Money::from_fen(1_000) }))
    });
    given.unwrap();
    let order = floor.shipped(&[("LITTER", 1), ("FOOD", 1)]);
    // 30.00 were due: 15.00 principal, 10.00 bonus, 5.00 cash.
    assert_eq!(floor.shop.wallet(floor.customer), (0, 0));
    cancel(&floor.shop, order, Some(1), "no").unwrap();
    assert_eq!(floor.shop.wallet(floor.customer), (0, 1_000));
    cancel(&floor.shop, order, Some(2), "no").unwrap();
    assert_eq!(floor.shop.wallet(floor.customer), (1_500, 1_000));
    assert_eq!(floor.account("cash"), 0);
}

#[test]
fn a_return_undoes_sale_and_cost() {
    let floor = Floor::with(5_000);
    let order = floor.order(&[("FOOD", 3)], Pay::Split, Handover::Counter).unwrap().order;
    assert_eq!((floor.account("sales:staple"), floor.account("cost")), (-6_000, 2_400));
    assert!(cancel(&floor.shop, order, None, "too late").is_err());
    let first = return_line(&floor.shop, order, 1, 1, "unopened").unwrap();
    assert_eq!((first.wallet.fen(), first.cash.fen(), first.state), (1_667, 333, OrderState::Delivered));
    let rest = return_line(&floor.shop, order, 1, 2, "unopened").unwrap();
    assert_eq!((rest.wallet.fen(), rest.cash.fen(), rest.state), (3_333, 667, OrderState::Returned));
    assert!(return_line(&floor.shop, order, 1, 1, "more").is_err());
    for account in ["sales:staple", "cost", "suppliers", "cash"] {
        assert_eq!(floor.account(account), 0, "{account}");
    }
    assert_eq!(floor.shop.wallet(floor.customer), (5_000, 0));
}

#[test]
fn nothing_goes_back_to_the_wallet_of_an_ended_agreement() {
    let floor = Floor::with(5_000);
    let order = floor.order(&[("FOOD", 1), ("TOY", 1)], Pay::Split, Handover::Counter).unwrap().order;
    floor.end_agreement(AgreementState::Ended);
    assert!(return_line(&floor.shop, order, 1, 1, "late").is_err());
    // Cash is cash.
    assert_eq!(return_line(&floor.shop, order, 2, 1, "late").unwrap().cash.fen(), 900);
}

#[test]
fn the_same_supplier_file_is_not_sent_twice() {
    let floor = Floor::with(20_000);
    let order = floor.shipped(&[("FOOD", 2), ("LITTER", 1), ("BATH", 1)]);
    // The bath is done on the spot, the rest waits.
    assert_eq!(floor.state(order), OrderState::Placed);
    let sent = floor.send(false);
    assert_eq!(sent.orders, [order]);
    assert_eq!(floor.files(), ["乙仓-20261105-1000.csv", "甲仓-20261105-1000.csv"]);
    let file = fs::read_to_string(floor.shop.root.path().join("out/甲仓-20261105-1000.csv")).unwrap();
    assert!(file.starts_with('\u{feff}') && file.ends_with("\r\n"), "{file:?}");
    assert!(file.contains(&format!("{order},王小明,13800000001,示例市青禾路2号,FOOD,")), "{file}");
    assert_eq!(floor.state(order), OrderState::Sent);

    let before = floor.audit_rows();
    assert!(floor.send(false).files.is_empty());
    assert_eq!((floor.files().len(), floor.audit_rows()), (2, before));
    // Asked for, the same lines are written once more, beside the first files.
    assert_eq!(floor.send(true).files.len(), 2);
    assert_eq!(floor.files().len(), 4);
    // Only the new order is sent the next time.
    let next = floor.shipped(&[("FOOD", 1)]);
    assert_eq!(floor.send(false).orders, [next]);
}

#[test]
fn an_order_file_that_cannot_be_written_marks_nothing() {
    let floor = Floor::with(20_000);
    let order = floor.shipped(&[("FOOD", 1)]);
    let blocked = floor.shop.root.path().join("blocked");
    fs::write(&blocked, "a file where the folder should be").unwrap();
    assert!(send_to_suppliers(&floor.shop, &blocked, false).is_err());
    assert_eq!(floor.state(order), OrderState::Placed);
}

#[test]
fn tracking_numbers_come_back_and_bad_rows_are_named() {
    let floor = Floor::with(50_000);
    let (both, food) = (floor.shipped(&[("FOOD", 1), ("LITTER", 1)]), floor.shipped(&[("FOOD", 1)]));
    floor.send(false);
    let file = format!(
        "订单号,货号,快递公司,快递单号\n{both},FOOD,顺丰,SF1\n{food},,中通,ZT7\no-99,,中通,1\n7,,中通,1\n{both},TOY,x,1\n{both},LITTER,x,\n"
    );
    let done = floor.track(&file);
    assert_eq!((done.shipped, done.unchanged, done.orders.clone()), (2, 0, vec![both, food]));
    let lines: Vec<u64> = done.refused.iter().map(|row| row.line).collect();
    assert_eq!(lines, [4, 5, 6, 7]);
    assert_eq!((floor.state(both), floor.state(food)), (OrderState::Sent, OrderState::Shipped));
    let before = floor.audit_rows();
    let again = floor.track(&file);
    assert_eq!((again.shipped, again.unchanged, floor.audit_rows()), (0, 2, before));
    // Another number for a parcel on its way is a mistake that a person must look at.
    assert_eq!(floor.track(&format!("order,tracking\n{food},ZT8\n")).refused.len(), 1);
}

#[test]
fn a_number_without_an_item_does_not_cover_another_suppliers_goods() {
    let floor = Floor::with(50_000);
    let order = floor.shipped(&[("FOOD", 1), ("LITTER", 1)]);
    floor.send(false);
    let done = floor.track(&format!("order,carrier,tracking_no\n{order},SF,1\n"));
    assert_eq!((done.shipped, done.refused.len()), (0, 1));
}

#[test]
fn what_went_out_long_ago_is_delivered() {
    let floor = Floor::with(50_000);
    let old = floor.shipped(&[("FOOD", 1)]);
    floor.track(&format!("order,tracking\n{old},1\n"));
    floor.shop.clock.set(read_now("2026-11-09T10:00", floor.shop.zone()).unwrap());
    let new = floor.shipped(&[("FOOD", 1)]);
    floor.track(&format!("order,tracking\n{new},2\n"));
    let day = |text: &str| text.parse().unwrap();
    assert_eq!(deliver_shipped_before(&floor.shop, day("2026-11-05")).unwrap().lines, 0);
    assert_eq!(deliver_shipped_before(&floor.shop, day("2026-11-06")).unwrap().orders, [old]);
    assert_eq!((floor.state(old), floor.state(new)), (OrderState::Delivered, OrderState::Shipped));
    deliver(&floor.shop, new).unwrap();
    assert!(deliver(&floor.shop, new).is_err());
    assert_eq!((floor.account("orders_open"), floor.account("sales:staple")), (0, -4_000));
}

#[test]
fn damaged_goods_are_sent_again_once_and_free() {
    let floor = Floor::with(50_000);
    let order = floor.shipped(&[("FOOD", 2)]);
    assert!(resend(&floor.shop, order, 1, "damaged", false).is_err());
    deliver(&floor.shop, order).unwrap();
    let resent = resend(&floor.shop, order, 1, "damaged", false).unwrap();
    assert_eq!((resent.cost.fen(), resent.state), (1_600, OrderState::Placed));
    assert_eq!((floor.account("cost"), floor.account("sales:staple")), (3_200, -4_000));
    assert!(resend(&floor.shop, order, 1, "damaged", false).is_err());
    // It travels like any other order, and its arrival books nothing twice.
    assert_eq!(floor.send(false).orders, [resent.order]);
    deliver(&floor.shop, resent.order).unwrap();
    assert_eq!(floor.account("cost"), 3_200);
    assert!(return_line(&floor.shop, resent.order, 1, 1, "no").is_err());
    let more = resend(&floor.shop, order, 1, "damaged again", true).unwrap();
    cancel(&floor.shop, more.order, None, "found it").unwrap();
    assert_eq!((floor.account("cost"), floor.account("suppliers")), (3_200, -3_200));
}

#[test]
fn a_termination_calls_off_what_the_wallet_paid_and_leaves_the_rest() {
    let floor = Floor::with(2_000);
    let wallet = floor.shipped(&[("FOOD", 1), ("TOY", 1)]);
    let cash = floor.shipped(&[("LITTER", 1)]);
    let now = floor.shop.now();
    let called_off = floor.shop.db.write(now, |tx| {
        let orders = cancel_undelivered(&floor.shop, tx, floor.customer, now, "terminated")?;
        Ok((orders, Op::OrdersMoved { state: "cancelled".to_owned(), orders: Vec::new() }))
    });
    assert_eq!(called_off.unwrap(), [wallet]);
    assert_eq!(floor.shop.wallet(floor.customer), (2_000, 0));
    assert_eq!((floor.state(wallet), floor.state(cash)), (OrderState::Placed, OrderState::Placed));
    let states: Vec<OrderState> = show(&floor.shop, wallet).unwrap().lines.iter().map(|line| line.state).collect();
    assert_eq!(states, [OrderState::Cancelled, OrderState::Placed]);
}

#[test]
fn goods_brought_back_before_the_settlement_is_confirmed_count_as_not_delivered() {
    let floor = Floor::with(5_000);
    let order = floor.order(&[("FOOD", 2)], Pay::Wallet, Handover::Counter).unwrap().order;
    let agreement = floor.end_agreement(AgreementState::Settling);
    let now = floor.shop.now();
    let statement = floor.shop.db.write(now, |tx| {
        let statement = db::statement::insert(tx, agreement, "consumer", false, now, now)?;
        Ok((statement, Op::StatementConfirmed { statement, by: "test".to_owned() }))
    });
    assert_eq!(return_line(&floor.shop, order, 1, 1, "unopened").unwrap().wallet.fen(), 2_000);
    assert_eq!(floor.shop.wallet(floor.customer), (3_000, 0));
    let confirmed = floor.shop.db.write(now, |tx| {
        let id = statement.unwrap();
        db::statement::confirm(tx, id, "test", "{}", Money::ZERO, Money::ZERO, now)?;
        Ok(((), Op::StatementConfirmed { statement: id, by: "test".to_owned() }))
    });
    confirmed.unwrap();
    assert!(return_line(&floor.shop, order, 1, 1, "unopened").is_err());
}

#[test]
fn an_order_that_makes_no_sense_is_refused_before_anything_moves() {
    let floor = Floor::with(50_000);
    let before = floor.audit_rows();
    for wants in [&[("NONE", 1)][..], &[("FOOD", 0)], &[("FOOD", 1_000)], &[("FOOD", 999), ("FOOD", 1)], &[]] {
        assert!(floor.order(wants, Pay::Split, Handover::Ship).is_err(), "{wants:?}");
    }
    assert_eq!(floor.audit_rows(), before);
    set(&floor.shop, "FOOD", Change::OnSale(false)).unwrap();
    assert!(floor.order(&[("FOOD", 1)], Pay::Split, Handover::Ship).is_err());
    // The same code twice is one line.
    let placed = floor.order(&[("LITTER", 1), ("LITTER", 2)], Pay::Split, Handover::Ship).unwrap();
    assert_eq!(placed.quote.lines.iter().map(|line| line.qty).collect::<Vec<_>>(), [3]);
}

#[test]
fn every_wallet_entry_names_its_record_and_the_balance_after_it() {
    let floor = Floor::with(5_000);
    let order = floor.shipped(&[("FOOD", 1)]);
    floor.shop.clock.set(read_now("2026-11-06T10:00", floor.shop.zone()).unwrap());
    cancel(&floor.shop, order, None, "no").unwrap();
    let customer = db::customer::get(floor.shop.db.read(), floor.customer).unwrap().unwrap();
    let read = |from: Option<&str>, to: Option<&str>| {
        let mut found = Vec::new();
        let day = |text: &str| text.parse().unwrap();
        wallet::entries(&floor.shop, &customer, from.map(day), to.map(day), |entry| {
            found.push((entry.record, entry.amount.fen(), entry.balance.fen()));
            Ok(())
        })
        .unwrap();
        found
    };
    let all = [("a-1".to_owned(), 5_000, 5_000), ("o-1".to_owned(), -2_000, 3_000), ("o-1/1".to_owned(), 2_000, 5_000)];
    assert_eq!(read(None, None), all);
    // A stretch of days still shows the true balance.
    assert_eq!(read(Some("2026-11-06"), None), all[2..]);
    assert_eq!(read(None, Some("2026-11-05")), all[..2]);
    let shown = wallet::show(&floor.shop, &customer).unwrap();
    assert_eq!((shown.balance.fen(), shown.last.len(), shown.points), (5_000, 3, 0));
    let terms = &shown.agreements[0];
    assert_eq!((terms.left, terms.next_due, terms.next_term), (12, "2026-12-05".parse().ok(), Some(1)));
}
