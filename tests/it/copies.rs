//! Copies of a shop's database: restored ones, and folders carried to a second computer. No two of them ever make the same number, none
//! moves money before somebody says that it is the one, and whatever the lost state did is asked for.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use kibble::config::Config;
use kibble::db;
use kibble::domain::money::Money;
use kibble::ops::adopt::{adopt, look};
use kibble::ops::{Ctx, backup};

use crate::due::{
    ALIPAY, RAILS, WECHAT, announced, ask, ask_rail, charges, counts, holds, id_number, opened, run, shop, wallet,
};
use crate::earnest::{Till, moment};
use crate::plant::sql;
use crate::shop::Shop;

/// The shop's folder on a second computer, with the key and without what remembers the database beside it. The payment rail is the same.
fn carried(shop: &Shop) -> Shop {
    let mut other = Shop::new();
    other.lang("en");
    for name in ["shop.toml", "shop.db"] {
        fs::copy(shop.path(name), other.path(name)).unwrap();
    }
    let toml = other.read("shop.toml");
    let key =
        toml.lines().find_map(|line| line.strip_prefix("key_file = \"")).unwrap().trim_end_matches('"').to_owned();
    let own = other.dir().with_file_name("home").join("shop.key");
    fs::copy(&key, &own).unwrap();
    other.write("shop.toml", toml.replace(&key, own.to_str().unwrap()));
    symlink(shop.path("sandbox.db"), other.path("sandbox.db")).unwrap();
    other
}

fn restored(shop: &mut Shop, at: &str, file: &str) {
    shop.at(at);
    shop.run(&format!("restore {file} --yes")).exits(0);
}

/// Makes a backup in the shop's own folder, and says where it lies.
fn backed_up(shop: &mut Shop, at: &str) -> String {
    shop.at(at);
    shop.run("backup --json").exits(0).json()["file"].as_str().unwrap().to_owned()
}

/// The databases that were replaced, with their bytes.
fn replaced(shop: &Shop) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(shop.path("backups")).unwrap().map(|file| file.unwrap());
    let mut found: Vec<_> = files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .filter(|(name, _)| !name.starts_with("shop-"))
        .collect();
    found.sort();
    found
}

/// Every number that a database ever gave to a rail.
fn numbers(shop: &Shop) -> BTreeSet<String> {
    let all = ask(shop, "SELECT order_no FROM charge UNION ALL SELECT contract_no FROM mandate");
    all.lines().map(str::to_owned).collect()
}

#[test]
fn two_copies_adopted_on_two_computers_never_make_the_same_number() {
    let mut first = shop(&[ALIPAY, WECHAT]);
    announced(&mut first);
    first.run("backup --out copies").exits(0);
    let file = fs::read_dir(first.path("copies")).unwrap().next().unwrap().unwrap().path();
    let mut second = carried(&first);
    let before = numbers(&first);
    // Each is adopted where it is, and neither hears of the other.
    second.at("2026-11-05T08:00").run("adopt --yes").ok("copy 2");
    restored(&mut first, "2026-11-05T08:00", file.to_str().unwrap());
    first.run("adopt --yes").ok("copy 2");
    // The first has no money at nine, so both ask the rail about the same terms.
    first.run("sandbox fund c-1 0").exits(0);
    first.run("sandbox fund c-2 0").exits(0);
    run(&mut first, "2026-11-05T09:00").says("2 declined");
    run(&mut second, "2026-11-05T09:00").says("2 declined");
    let (ours, theirs) = (numbers(&first), numbers(&second));
    assert!(ours.len() > before.len() + 2 && theirs.len() > before.len() + 2, "{ours:?} {theirs:?}");
    let same: Vec<_> = ours.intersection(&theirs).filter(|number| !before.contains(*number)).collect();
    assert!(same.is_empty(), "{same:?}");
    // The rail saw each number from one of them only, and money for a term came once.
    for order in ask_rail(&first, "SELECT order_no FROM orders").lines() {
        assert!(ours.contains(order) != theirs.contains(order), "{order}");
    }
    holds(&first);
    // Brought together on one computer, the other's numbers are known and asked about.
    second.run("sandbox fund c-1 1000").exits(0);
    run(&mut second, "2026-11-05T17:00").says("1 paid");
    fs::copy(second.path("shop.db"), first.path("shop.db")).unwrap();
    run(&mut first, "2026-11-05T18:00").fails(1, "kibble adopt");
    first.run("adopt --yes").ok("copy 3");
    assert_eq!(ask(&first, "SELECT count(*) FROM copy"), "4", "the first one, two seconds, and this");
    run(&mut first, "2026-11-05T19:00");
    assert_eq!(wallet(&first, 1), 19_900);
    first.run("check").hides("does not come from its installment");
}

#[test]
fn a_shop_carried_to_a_second_computer_moves_no_money_and_tells_nobody() {
    let mut first = shop(&[ALIPAY]);
    announced(&mut first);
    let mut second = carried(&first);
    second.at("2026-11-05T09:00");
    let before = counts(&second);
    for (lang, host, next) in [
        ("en", "used last on another computer", "make this the shop's database with `kibble adopt`"),
        ("zh", "上次是在另一台电脑", "用 `kibble adopt` 把它定为正式数据库"),
    ] {
        second.lang(lang);
        for line in ["debit run", "debit run --confirm-backlog", "debit pay a-1/1 --cash --yes"] {
            second.run(line).fails(1, host).says(next);
        }
        for line in ["sign --again a-1", "agreement import book.csv", "remind send --yes"] {
            second.run(line).fails(1, "kibble adopt");
        }
    }
    second.lang("en").run("doctor --offline").says("kibble adopt");
    assert_eq!(counts(&second), before);
    // Without the key it does not even open.
    let toml = second.read("shop.toml");
    second.write("shop.toml", toml.replace("shop.key", "away.key"));
    second.run("debit run").fails(1, "is missing");
    second.write("shop.toml", toml);
    // The first goes on as if nothing had been; the second, adopted, finds what it did.
    run(&mut first, "2026-11-05T09:00").ok("1 paid");
    second.at("2026-11-05T10:00").run("adopt --yes").ok("copy 2");
    run(&mut second, "2026-11-05T11:00").hides("1 declined");
    assert_eq!((wallet(&second, 1), ask_rail(&second, "SELECT count(*) FROM orders").as_str()), (19_900, "1"));
    holds(&second);
    holds(&first);
}

#[test]
fn a_shop_carried_away_with_all_that_remembers_it_moves_no_money_either() {
    let mut first = shop(&[ALIPAY]);
    announced(&mut first);
    let mut second = carried(&first);
    let seen = |shop: &Shop| Config::load(&shop.dir()).unwrap().witness_path();
    // The whole disk was carried, and the second computer has another number than the first.
    let remembered = fs::read_to_string(seen(&first)).unwrap();
    let mut all: serde_json::Value = serde_json::from_str(&remembered).unwrap();
    let of = all.as_object_mut().unwrap().values_mut().next().unwrap();
    of["shop_path"] = second.path("shop.db").to_str().unwrap().into();
    fs::write(seen(&second), all.to_string()).unwrap();
    run(&mut second, "2026-11-05T08:00").exits(0);
    let of = all.as_object_mut().unwrap().values_mut().next().unwrap();
    assert_eq!(of["machine"].as_str().unwrap().len(), 16);
    of["machine"] = "0123456789abcdef".into();
    fs::write(seen(&second), all.to_string()).unwrap();
    run(&mut second, "2026-11-05T09:00").fails(1, "used last on another computer").says("kibble adopt");
    assert_eq!(ask_rail(&second, "SELECT count(*) FROM orders"), "0");
    second.run("adopt --yes").ok("copy 2");
    run(&mut second, "2026-11-05T10:00").ok("1 paid");
    holds(&second);
}

#[test]
fn a_payment_at_the_counter_is_remembered_and_an_older_file_put_in_its_place_is_not_charged_on() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-05T08:00").run("backup --out copies").exits(0);
    let file = fs::read_dir(shop.path("copies")).unwrap().next().unwrap().unwrap().path();
    shop.at("2026-11-05T08:30").run("debit pay a-1/1 --cash --yes").exits(0);
    // Somebody copies the backup over the database by hand.
    fs::copy(&file, shop.path("shop.db")).unwrap();
    run(&mut shop, "2026-11-05T09:00").fails(1, "this database is older");
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders"), "0");
}

#[test]
fn a_payment_at_the_counter_after_the_backup_is_not_debited_again() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    let file = backed_up(&mut shop, "2026-11-05T08:05");
    shop.at("2026-11-05T08:30").run("debit pay a-1/1 --cash --yes").exits(0);
    // One term further on is paid as well, long before it falls due.
    shop.run("debit pay a-2/2 --cash --yes").exits(0);
    let paid = ask(&shop, "SELECT agreement_id, term, attempt, order_no, paid_at FROM charge WHERE kind = 'cash'");
    restored(&mut shop, "2026-11-05T08:40", &file);
    assert_eq!(charges(&shop), "");
    let before = replaced(&shop);
    let adopted = shop.at("2026-11-05T08:41").run("adopt --yes");
    adopted.ok("paid at the counter, was missing here").hides("No payment rail knows").hides("enter it again");
    assert_eq!(replaced(&shop), before, "the replaced database is read through a copy, and no copy stays");
    assert_eq!(ask(&shop, "SELECT agreement_id, term, attempt, order_no, paid_at FROM charge"), paid);
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900));
    assert_eq!(ask(&shop, "SELECT SUM(points) FROM points"), "398");
    run(&mut shop, "2026-11-05T09:00");
    assert_eq!(charges(&shop), "a-1/1 1 cash cash paid\na-2/2 1 cash cash paid\na-2/1 1 debit wechat paid");
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 39_800));
    holds(&shop);
    // Adopted once more, nothing is found once more.
    shop.run("adopt --yes").ok("copy 3").hides("was missing here");
    holds(&shop);
}

#[test]
fn a_payment_at_the_counter_of_an_adopted_copy_keeps_that_copys_number() {
    let mut shop = shop(&[ALIPAY, ALIPAY]);
    announced(&mut shop);
    let file = backed_up(&mut shop, "2026-11-05T08:05");
    shop.at("2026-11-05T08:10").run("debit pay a-1/1 --cash --yes").exits(0);
    restored(&mut shop, "2026-11-05T08:20", &file);
    shop.run("adopt --yes").ok("paid at the counter, was missing here");
    shop.at("2026-11-05T08:30").run("debit pay a-2/1 --cash --yes").exits(0);
    let both = ask(&shop, "SELECT order_no FROM charge ORDER BY agreement_id");
    // What remembers the second copy beside the key is lost; the replaced databases tell.
    fs::remove_file(Config::load(&shop.dir()).unwrap().witness_path()).unwrap();
    restored(&mut shop, "2026-11-05T08:40", &file);
    shop.run("adopt --yes").ok("copy 3").hides("paid_at_counter");
    assert_eq!(ask(&shop, "SELECT order_no FROM charge ORDER BY agreement_id"), both);
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (19_900, 19_900));
    run(&mut shop, "2026-11-05T09:00");
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders"), "0");
    holds(&shop);
}

#[test]
fn a_payment_at_the_counter_in_place_of_an_open_link_is_not_asked_for_again() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").says("1 declined");
    let file = backed_up(&mut shop, "2026-11-05T10:00");
    shop.at("2026-11-05T10:30").run("debit pay a-1/1 --cash --yes").exits(0);
    restored(&mut shop, "2026-11-05T10:40", &file);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay pending");
    shop.run("adopt --yes").ok("paid at the counter, was missing here");
    let all = "a-1/1 1 debit alipay declined\na-1/1 2 link alipay void\na-1/1 3 cash cash paid";
    assert_eq!(charges(&shop), all);
    shop.run("sandbox fund c-1 1000").exits(0);
    run(&mut shop, "2026-11-05T17:00");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), (all, 19_900));
    holds(&shop);
}

#[test]
fn cash_that_went_back_after_the_backup_is_not_debited_but_entered_again() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    let file = backed_up(&mut shop, "2026-11-05T08:05");
    shop.at("2026-11-05T08:10").run("debit pay a-1/1 --cash --yes").exits(0);
    shop.run("debit refund a-1/1 --reason 多收 --yes").ok("went back");
    restored(&mut shop, "2026-11-05T08:20", &file);
    let adopted = shop.run("adopt --yes");
    adopted.fails(3, "paid at the counter, was missing here").says("refund_noted").says("cash was handed over already");
    run(&mut shop, "2026-11-05T09:00");
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders"), "0");
    shop.run("debit refund a-1/1 --reason 多收 --yes").ok("went back");
    assert_eq!(
        (ask(&shop, "SELECT state FROM installment WHERE term = 1").as_str(), wallet(&shop, 1)),
        ("refunded", 0)
    );
    holds(&shop);
}

#[test]
fn cash_for_a_term_that_a_rail_collected_as_well_is_left_to_a_person() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    let file = backed_up(&mut shop, "2026-11-05T08:05");
    shop.at("2026-11-05T08:30").run("debit pay a-1/1 --cash --yes").exits(0);
    restored(&mut shop, "2026-11-05T08:40", &file);
    // It is adopted while the replaced one is out of reach, and collects what looks open.
    let aside = shop.path("backups").join(&replaced(&shop)[0].0);
    fs::rename(&aside, shop.path("aside.db")).unwrap();
    shop.run("adopt --yes").ok("No payment rail knows").hides("was missing here");
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    fs::rename(shop.path("aside.db"), &aside).unwrap();
    restored(&mut shop, "2026-11-05T10:00", &file);
    let adopted = shop.run("adopt --yes");
    adopted.fails(3, "paid, was missing here").hides("paid at the counter, was missing").says("paid_at_counter");
    run(&mut shop, "2026-11-05T11:00");
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit alipay paid", 19_900));
    holds(&shop);
}

#[test]
fn what_was_done_by_hand_after_the_backup_is_listed_to_be_entered_again() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").says("2 paid");
    let file = backed_up(&mut shop, "2026-11-05T10:00");
    shop.at("2026-11-05T10:10").run("debit refund a-1/1 --amount 50 --reason 重复 --yes").exits(0);
    shop.run("debit postpone a-2/2 --to 2026-12-10 --reason 出差 --yes").exits(0);
    shop.run(&format!("customer add --name 钱多多 --phone 19900000077 --id-number {}", id_number(77))).exits(0);
    run(&mut shop, "2026-11-05T10:20");
    restored(&mut shop, "2026-11-05T10:30", &file);
    shop.lang("zh").run("adopt --yes --code ZZZZ2222 --json").exits(3);
    restored(&mut shop, "2026-11-05T10:40", &file);
    let ran = shop.lang("en").run("adopt --yes");
    ran.fails(3, "Done by hand after the backup, and missing here; enter it again:").hides("No payment rail knows");
    ran.says("refund_noted").says("f-1").says("installment_postponed").says("a-2/2").says("customer_added").says("c-3");
    ran.says("A refund that is entered again with the same amount is not paid twice").hides("run_started");
    shop.run("debit refund a-1/1 --amount 50 --reason 重复 --yes").exits(0);
    assert_eq!(ask_rail(&shop, "SELECT refunded FROM orders WHERE rail = 'alipay'"), "5000");
    // What an adoption listed is not listed by the next one.
    let file = backed_up(&mut shop, "2026-11-05T11:00");
    restored(&mut shop, "2026-11-05T11:10", &file);
    let ran = shop.run("adopt --yes --json");
    assert_eq!(
        (ran.exits(0).json()["by_hand"].as_array().unwrap().len(), ran.json()["unseen_since"].is_null()),
        (0, true)
    );
    holds(&shop);
}

#[test]
fn where_no_replaced_database_can_be_read_adopt_says_what_nobody_knows() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    let file = backed_up(&mut shop, "2026-11-05T08:05");
    shop.at("2026-11-05T08:30").run("debit pay a-1/1 --cash --yes").exits(0);
    let said = "No payment rail knows what was done by hand after 2026-11-04 09:00: payments at the counter";
    // Nobody answers the question, and the sentence stands before it.
    let asked = |shop: &Shop| {
        shop.run("adopt").fails(2, said).hides("This is the shop's database now");
    };
    // Somebody copies the backup over the database by hand.
    fs::copy(shop.path("shop.db"), shop.path("live.db")).unwrap();
    fs::copy(&file, shop.path("shop.db")).unwrap();
    asked(&shop);
    // It is restored as it should be, over a database that is damaged.
    fs::write(shop.path("shop.db"), "no database").unwrap();
    restored(&mut shop, "2026-11-05T08:40", &file);
    asked(&shop);
    // The one that was put aside can be opened, and not read.
    fs::copy(shop.path("live.db"), shop.path("shop.db")).unwrap();
    sql(&shop, "ALTER TABLE copy RENAME TO gone");
    restored(&mut shop, "2026-11-05T08:50", &file);
    asked(&shop);
    shop.run("adopt --yes").ok(said);
    // Nothing is lost where nothing was restored.
    shop.run("adopt --yes").exits(0).hides("No payment rail knows");
}

#[test]
fn a_restored_database_sells_nothing_and_takes_nothing_back_before_it_is_adopted() {
    let mut shop = with_a_shelf(shop(&[ALIPAY]));
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.run("orders add c-1 STP-1 --counter --yes").exits(0);
    shop.run("backup --out copies").exits(0);
    let file = fs::read_dir(shop.path("copies")).unwrap().next().unwrap().unwrap().path();
    restored(&mut shop, "2026-11-05T10:00", file.to_str().unwrap());
    for line in [
        "orders add c-1 STP-1 --counter --yes",
        "orders cancel o-1 --reason 不要了",
        "orders return o-1 --line 1 --qty 1 --reason 不要了",
        "orders resend o-1 --line 1 --reason 破了",
        "orders ship --out out",
    ] {
        shop.run(line).fails(1, "kibble adopt");
    }
    assert_eq!(wallet(&shop, 1), 12_700);
    shop.run("adopt --yes").exits(0);
    shop.run("orders return o-1 --line 1 --qty 1 --reason 不要了").exits(0);
    assert_eq!(wallet(&shop, 1), 19_900);
}

#[test]
fn the_same_backup_restored_twice_never_repeats_a_number_nor_a_charge() {
    let mut shop = shop(&[ALIPAY, WECHAT]);
    announced(&mut shop);
    shop.run("backup --out copies").exits(0);
    let file = fs::read_dir(shop.path("copies")).unwrap().next().unwrap().unwrap().path();
    let file = file.to_str().unwrap().to_owned();
    restored(&mut shop, "2026-11-05T08:00", &file);
    shop.run("adopt --yes").ok("copy 2");
    shop.run("sandbox fund c-2 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").says("1 paid").says("1 declined");
    let second = numbers(&shop);
    let code = ask(&shop, "SELECT code FROM shop");
    // The backup knows nothing of the second copy; what is kept beside the key does.
    restored(&mut shop, "2026-11-05T10:00", &file);
    shop.run("debit run").fails(1, "kibble adopt");
    let ran = shop.run("adopt --yes");
    ran.ok("copy 3").says("a-1/1").says("paid, was missing here");
    assert!(ask(&shop, "SELECT order_no FROM charge ORDER BY id").contains(&code), "{}", ran.full());
    assert_eq!(ask(&shop, "SELECT count(*) FROM copy"), "3");
    shop.run("sandbox fund c-2 1000").exits(0);
    // The link that the second copy made is open, so its term waits for it; then everything is collected once.
    run(&mut shop, "2026-11-05T12:00");
    let made: Vec<String> = numbers(&shop).difference(&second).cloned().collect();
    assert!(made.iter().all(|number| !number.contains(&code)), "{made:?}");
    assert_eq!(wallet(&shop, 1), 19_900, "{}", charges(&shop));
    let paid = "SELECT count(*) FROM orders WHERE state = 'paid' AND rail = 'alipay'";
    assert_eq!(ask_rail(&shop, paid), "1");
    holds(&shop);
}

#[test]
fn a_payment_made_after_an_older_backup_is_found_when_a_younger_one_is_restored() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.run("backup --out old").exits(0);
    shop.run("sandbox fund c-1 0").exits(0);
    run(&mut shop, "2026-11-05T09:00").says("1 declined");
    shop.run("backup --out young").exits(0);
    let of = |shop: &Shop, name: &str| {
        let file = fs::read_dir(shop.path(name)).unwrap().next().unwrap().unwrap().path();
        file.to_str().unwrap().to_owned()
    };
    let (old, young) = (of(&shop, "old"), of(&shop, "young"));
    // The older one goes on and collects with its first attempt; the younger one has counted to two already.
    restored(&mut shop, "2026-11-05T10:00", &old);
    shop.run("adopt --yes").exits(0);
    shop.run("sandbox fund c-1 1000").exits(0);
    sql(&shop, "UPDATE charge SET state = 'void', answered_at = asked_at WHERE state = 'unknown'");
    run(&mut shop, "2026-11-06T09:00");
    restored(&mut shop, "2026-11-06T10:00", &young);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay pending");
    let adopted = shop.run("adopt --yes");
    let paid = ask_rail(&shop, "SELECT order_no FROM orders WHERE state = 'paid'");
    assert_eq!(paid.lines().count(), 1, "{}", ask_rail(&shop, "SELECT order_no, state FROM orders"));
    adopted.ok(&paid);
    run(&mut shop, "2026-11-06T11:00");
    assert_eq!(wallet(&shop, 1), 19_900, "{}", charges(&shop));
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders WHERE state = 'paid'"), "1");
    holds(&shop);
}

#[test]
fn a_debit_on_a_rail_that_the_restored_database_knows_no_mandate_on_is_found() {
    let mut shop = shop(&[ALIPAY]);
    let file = backed_up(&mut shop, "2026-11-01T09:00");
    shop.at("2026-11-01T10:00").run("sandbox revoke m-1").exits(0);
    shop.run("mandate sync m-1").exits(0);
    shop.run("sign --again a-1 --rail wechat").exits(0);
    shop.run("sandbox sign --all").exits(0);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    let paid = ask(&shop, "SELECT order_no FROM charge WHERE rail = 'wechat' AND state = 'paid'");
    restored(&mut shop, "2026-11-05T10:00", &file);
    assert_eq!(ask(&shop, "SELECT count(*) FROM mandate WHERE rail = 'wechat'"), "0");
    shop.run("adopt --yes").fails(3, "paid, was missing here").says(&paid).says("mandate_asked");
    assert_eq!(charges(&shop), "a-1/1 1 debit wechat unknown");
    for at in ["2026-11-05T11:00", "2026-11-05T17:00", "2026-11-06T09:00"] {
        run(&mut shop, at);
    }
    assert_eq!((charges(&shop).as_str(), wallet(&shop, 1)), ("a-1/1 1 debit wechat paid", 19_900));
    assert_eq!(ask_rail(&shop, "SELECT count(*) FROM orders WHERE state = 'paid'"), "1");
    holds(&shop);
}

#[test]
fn a_debit_that_no_mandate_stands_behind_is_given_up_when_its_rail_forgets_it() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    shop.at("2026-11-05T08:00");
    // As an adoption notes it, of a rail on which this database knows no mandate.
    sql(
        &shop,
        "INSERT INTO charge (agreement_id, term, attempt, kind, rail, order_no, amount, state, code, said, noted_at, asked_at, refunded)
         VALUES (1, 1, 1, 'debit', 'wechat', 'KB7K2QX9AB0100000001010001', 19900, 'unknown', '', '',
                 '2026-11-04T02:00:00Z', '2026-11-04T02:00:00Z', 0)",
    );
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    assert_eq!(charges(&shop), "a-1/1 1 debit wechat void\na-1/1 2 debit alipay paid");
    assert_eq!(ask_rail(&shop, "SELECT rail FROM orders"), "alipay");
}

/// Somebody signs, and agrees to the mandate.
fn signs(shop: &mut Shop, at: &str, name: &str, place: u32, day: u32) {
    shop.at(at);
    let id = id_number(place);
    shop.run(&format!(
        "sign --name {name} --phone 1990000000{place} --id-number {id} --pet-name 团子 --species cat --breed 英短 --sex female
         --source rescued --reference-cost 800 --plan cat-199-12 --rail alipay --debit-day {day} --acknowledged"
    ))
    .exits(0);
    shop.run("sandbox sign --all").exits(0);
}

/// A shop whose database was restored to before its only customer signed, and paid; then somebody else signed, and has no money.
fn signed_over() -> Shop {
    let mut shop = opened(RAILS, "");
    let early = backed_up(&mut shop, "2026-10-05T08:00");
    signs(&mut shop, "2026-10-05T12:00", "王小明", 1, 5);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    restored(&mut shop, "2026-11-05T10:00", &early);
    shop.run("adopt --yes").fails(3, "agreement_signed").hides("was missing here");
    signs(&mut shop, "2026-11-05T12:00", "李晓红", 2, 5);
    shop.run("sandbox fund c-1 0").exits(0);
    shop
}

#[test]
fn a_payment_of_the_lost_state_is_never_given_to_whoever_signed_after_it() {
    let mut shop = signed_over();
    for at in ["2026-12-02T08:00", "2026-12-03T09:00", "2026-12-04T09:00"] {
        run(&mut shop, at);
    }
    run(&mut shop, "2026-12-05T09:00").says("1 declined");
    let file = backed_up(&mut shop, "2026-12-05T10:00");
    restored(&mut shop, "2026-12-05T10:10", &file);
    shop.run("adopt --yes").ok("copy 3").hides("was missing here");
    run(&mut shop, "2026-12-05T11:00");
    assert_eq!((wallet(&shop, 1), ask(&shop, "SELECT count(*) FROM charge WHERE state = 'paid'").as_str()), (0, "0"));
    shop.run("check").hides("does not come from its installment");
    // Noted as hers all the same, the payment breaks the law that a number comes from its installment.
    let theirs = ask_rail(&shop, "SELECT order_no FROM orders WHERE state = 'paid'");
    sql(&shop, &format!("UPDATE charge SET order_no = '{theirs}' WHERE id = 1"));
    shop.run("check").fails(1, "does not come from its installment");
}

#[test]
fn a_payment_of_the_lost_state_on_a_bill_is_nobodys_here() {
    let mut shop = signed_over();
    shop.at("2026-11-09T12:00").run("recon fetch --day 2026-11-05");
    let list = crate::recon::list(&shop);
    assert_eq!((list.len(), list[0]["class"].as_str()), (1, Some("missing_here")), "{list:?}");
    assert!(list[0]["customer"].is_null() && list[0]["installment"].is_null(), "{list:?}");
    assert_ne!(list[0]["proposed"], "refund");
}

#[test]
fn the_number_on_an_agreement_is_never_printed_twice() {
    let shop = signed_over();
    let code = ask(&shop, "SELECT code FROM shop");
    assert_eq!(ask(&shop, "SELECT no FROM agreement"), format!("KB-2026-{code}-000001"));
    shop.run("agreement show KB-2026-000001").fails(1, "there is no agreement");
    shop.run(&format!("agreement show KB-2026-{code}-000001")).exits(0);
}

#[test]
fn a_refund_that_a_restored_database_has_forgotten_is_not_paid_twice() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    shop.run("backup --out copies").exits(0);
    let file = fs::read_dir(shop.path("copies")).unwrap().next().unwrap().unwrap().path();
    shop.at("2026-11-05T10:00").run("debit refund a-1/1 --amount 50 --reason 重复 --yes").exits(0);
    restored(&mut shop, "2026-11-05T11:00", file.to_str().unwrap());
    shop.run("debit refund a-1/1 --amount 50 --reason 重复 --yes").fails(1, "kibble adopt");
    shop.run("adopt --yes").fails(3, "refund_noted");
    shop.run("debit refund a-1/1 --amount 50 --reason 重复 --yes").exits(0);
    assert_eq!(ask_rail(&shop, "SELECT refunded FROM orders"), "5000");
    assert_eq!(wallet(&shop, 1), 14_900);
    holds(&shop);
}

/// A shop whose database was restored to before these amounts of its only paid term went back, and adopted.
fn refunded_before(mut shop: Shop, amounts: &[u32]) -> Shop {
    announced(&mut shop);
    run(&mut shop, "2026-11-05T09:00").ok("1 paid");
    if shop.path("shelf.csv").exists() {
        shop.run("orders add c-1 STP-1 --counter --yes").exits(0);
    }
    let file = backed_up(&mut shop, "2026-11-05T10:00");
    for amount in amounts {
        shop.run(&format!("debit refund a-1/1 --amount {amount} --reason 多收 --yes")).ok("went back");
    }
    restored(&mut shop, "2026-11-05T11:00", &file);
    shop.run("adopt --yes").fails(3, "A refund that is entered again with the same amount is not paid twice");
    shop
}

/// A shop that has something to sell.
fn with_a_shelf(shop: Shop) -> Shop {
    shop.write(
        "shelf.csv",
        "sku,name_zh,name_en,category,cost_yuan,price_yuan\nSTP-1,猫粮,Cat food,staple,40.00,72.00\n",
    );
    shop.run("catalog import shelf.csv").exits(0);
    shop
}

#[test]
fn a_refund_of_another_amount_than_the_lost_one_is_paid_under_a_number_of_its_own() {
    let mut shop = refunded_before(shop(&[ALIPAY]), &[100]);
    shop.run("debit refund a-1/1 --amount 30 --reason 多收 --yes").ok("went back");
    assert_eq!(ask_rail(&shop, "SELECT refunded FROM orders"), "13000");
    assert_eq!((wallet(&shop, 1), ask(&shop, "SELECT substr(refund_no, -2) FROM refund").as_str()), (16_900, "02"));
    // The lost one shows on the bill, and is taken over.
    shop.at("2026-11-09T12:00").run("recon fetch --day 2026-11-05");
    let list = crate::recon::list(&shop);
    assert_eq!(
        (list.len(), list[0]["class"].as_str(), list[0]["kind"].as_str()),
        (1, Some("missing_here"), Some("refund"))
    );
    crate::recon::decisions(&shop, &[(list[0]["id"].as_str().unwrap(), "accept")]);
    shop.run("recon apply decided.csv").ok("taken over as f-2");
    assert_eq!(wallet(&shop, 1), 6_900);
    holds(&shop);
    shop.run("debit refund a-1/1 --amount 10 --reason 多收 --yes").ok("went back");
    assert_eq!(ask(&shop, "SELECT substr(refund_no, -2) FROM refund ORDER BY id"), "02\n01\n03");
    holds(&shop);
}

#[test]
fn lost_refunds_entered_again_in_another_order_are_paid_once_each() {
    let shop = refunded_before(shop(&[ALIPAY]), &[100, 30]);
    for amount in [30, 100] {
        shop.run(&format!("debit refund a-1/1 --amount {amount} --reason 多收 --yes")).ok("went back");
    }
    assert_eq!((ask_rail(&shop, "SELECT refunded FROM orders").as_str(), wallet(&shop, 1)), ("13000", 6_900));
    holds(&shop);
}

#[test]
fn a_refund_after_an_adoption_waits_as_it_was_noted_while_the_rail_cannot_say() {
    let mut shop = refunded_before(shop(&[ALIPAY]), &[100]);
    shop.run("sandbox fault alipay down --for 2h").exits(0);
    shop.run("debit refund a-1/1 --amount 30 --reason 多收 --yes").ok("on its way");
    assert_eq!(ask(&shop, "SELECT state || ' ' || substr(refund_no, -2) FROM refund"), "noted 01");
    run(&mut shop, "2026-11-05T12:00");
    assert_eq!(ask_rail(&shop, "SELECT refunded FROM orders"), "10000");
    run(&mut shop, "2026-11-05T15:00");
    assert_eq!(ask(&shop, "SELECT state || ' ' || substr(refund_no, -2) FROM refund"), "paid 02");
    assert_eq!((ask_rail(&shop, "SELECT refunded FROM orders").as_str(), wallet(&shop, 1)), ("13000", 16_900));
}

#[test]
fn a_settlement_after_an_adoption_does_not_wait_for_ever_for_a_lost_refund() {
    let shop = refunded_before(with_a_shelf(shop(&[ALIPAY])), &[20]);
    shop.run("agreement terminate a-1 --cause no-fault --pet kept --reason 搬家").exits(0);
    shop.run("agreement confirm a-1").exits(0);
    assert_eq!(
        ask(&shop, "SELECT state FROM agreement"),
        "ended",
        "{}",
        ask(&shop, "SELECT refund_no, state, said FROM refund")
    );
    let paid = ask(&shop, "SELECT substr(refund_no, -2), amount, state FROM refund");
    assert_eq!((paid.as_str(), ask_rail(&shop, "SELECT refunded FROM orders").as_str()), ("02|12700|paid", "14700"));
}

#[test]
fn a_link_that_the_lost_state_sent_can_never_be_paid_after_an_adoption() {
    let mut shop = shop(&[ALIPAY]);
    announced(&mut shop);
    let till = Till::open(shop, "2026-11-05T08:00", "");
    let saved = backup::backup(&till.ctx, None, till.ctx.now()).unwrap().file;
    // The lost state: no money at nine, so the customer is sent a link, and has not opened it.
    till.book().fund("c-1", Money::ZERO).unwrap();
    till.ctx.clock.set(moment("2026-11-05T09:00"));
    crate::real::run(&till.ctx);
    let number = ask(&till.shop, "SELECT order_no FROM charge WHERE kind = 'link' AND state = 'pending'");
    assert!(
        till.ctx.rail("alipay").unwrap().query_charge(&number, Money::from_fen(19_900)).answer.word() == "not_found"
    );
    let Till { shop, ctx, gateway, server } = till;
    let clock = ctx.clock.clone();
    drop(ctx);
    clock.set(moment("2026-11-05T10:00"));
    let config = || Config::load(&shop.dir()).unwrap();
    let it = backup::restorable(&config(), &saved).unwrap();
    backup::restore(&config(), &clock, &it).unwrap();
    let ctx = Ctx::wire(config(), clock).unwrap();
    assert_eq!(charges(&shop), "");
    // While Alipay cannot be reached nobody can say whether the link is dead, and nothing changes.
    server.set_down(true);
    assert!(
        adopt(&ctx, look(&ctx).unwrap(), None, ctx.now())
            .unwrap_err()
            .to_string()
            .contains("cannot say now what became of 6 order numbers")
    );
    server.set_down(false);
    assert_eq!(db::shop::identity(ctx.db.read()).unwrap().copy_no, 1);
    let adopted = adopt(&ctx, look(&ctx).unwrap(), Some("ADPT2345"), ctx.now()).unwrap();
    assert_eq!((adopted.copy_no, adopted.code.as_str(), adopted.found.len()), (2, "ADPT2345", 0));
    gateway.book().fund("c-1", Money::from_fen(100_000)).unwrap();
    let paid = gateway.book().pay_link_order("alipay", &number, ctx.now());
    assert!(paid.unwrap_err().to_string().contains("is closed"));
    ctx.clock.set(moment("2026-11-05T11:00"));
    crate::real::run(&ctx);
    assert_eq!((wallet(&shop, 1), charges(&shop).as_str()), (19_900, "a-1/1 1 debit alipay paid"));
    assert_eq!(db::shop::identity(ctx.db.read()).unwrap().code, "ADPT2345");
    assert!(ask(&shop, "SELECT order_no FROM charge").starts_with("KBADPT234502"));
    holds(&shop);
}

#[test]
fn a_code_for_a_copy_is_eight_letters_and_digits_that_no_copy_has() {
    let shop = Shop::opened();
    shop.run("adopt --code short --yes").fails(2, "short is not eight capital letters and digits");
    shop.run("adopt --code 7K2QX9AB --yes").fails(1, "7K2QX9AB");
    shop.run("adopt --code 8M3RX9AC --yes --json").exits(0);
    assert_eq!(ask(&shop, "SELECT code, copy_no FROM copy ORDER BY copy_no"), "7K2QX9AB|1\n8M3RX9AC|2");
    let drawn = shop.run("adopt --yes --json").json()["code"].as_str().unwrap().to_owned();
    assert!(drawn.len() == 8 && drawn != "7K2QX9AB" && drawn != "8M3RX9AC", "{drawn}");
}
