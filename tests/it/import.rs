//! `kibble agreement import`: the shop's earlier book.

use crate::due::{id_number, wallet};
use crate::shop::Shop;

pub const BOOK: &[u8] = include_bytes!("../../examples/data/customers.csv");
const GBK: &[u8] = include_bytes!("../../examples/data/customers-gbk.csv");
const IMPORT: &str = "agreement import customers.csv --paid-until 2026-10-31";

/// A book with these rows.
pub fn book_of(rows: &[&str]) -> String {
    let header =
        "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号,钱包余额,备注";
    format!("{header}\n{}\n", rows.join("\n"))
}

fn shop() -> Shop {
    let mut shop = Shop::opened();
    shop.at("2026-11-21T09:00");
    shop
}

fn with(book: &[u8]) -> Shop {
    let shop = shop();
    shop.write("customers.csv", book);
    shop
}

/// Everything in the shop's folder by name, without what SQLite keeps for itself.
fn files(shop: &Shop) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(shop.dir()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    names.sort();
    names
}

/// Customers, pets and audit rows, to see that nothing changed.
fn state(shop: &Shop) -> String {
    shop.run("customer list --json").out + &shop.run("pet list --json").out
}

#[test]
fn both_spellings_of_the_book_give_the_same() {
    let answers = [BOOK, GBK].map(|book| {
        let shop = with(book);
        let mut answer = shop.run(&format!("{IMPORT} --json")).json();
        assert_eq!(
            (&answer["accepted"], &answer["refused"], &answer["repeated"]),
            (&301.into(), &10.into(), &1.into())
        );
        assert_eq!(
            (&answer["customers"], &answer["pets"], &answer["links"]["made"]),
            (&301.into(), &301.into(), &301.into())
        );
        answer["encoding"].take();
        (answer, state(&shop))
    });
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn every_refused_row_shows_field_value_reason_and_fix_in_both_languages() {
    let mut shop = with(BOOK);
    let answer = shop.run(&format!("{IMPORT} --dry-run --json")).json();
    let told: Vec<(u64, &str, &str)> = answer["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["line"].as_u64().unwrap(), it["field"].as_str().unwrap(), it["value"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (302, "phone", "138*****67"),
            (303, "id number", "119999**********60"),
            (304, "id number", "119999**********39"),
            (305, "monthly amount", "一百九十九"),
            (306, "terms", "0"),
            (307, "sign date", "2026-02-30"),
            (308, "debit day", "31"),
            (309, "rail", "银联"),
            (310, "name", ""),
            (311, "monthly amount", "1990.00"),
        ]
    );
    assert!(answer["refusals"].as_array().unwrap().iter().all(|it| it["reason"] != "" && it["fix"] != ""));
    let ran = shop.run(IMPORT);
    ran.ok("Rows refused: 10").says("Fix").says("a mobile number has 11 digits, this has 10").says("use 28 or 1");
    ran.says("20 × a debit day above 26 leaves no room for every retry")
        .says("6 × the customer was only 17 at signing");
    ran.says("mend the refused rows in customers.rejects.csv");
    shop.lang("zh")
        .run(IMPORT)
        .ok("没有导入的行：10")
        .says("改成 28 或 1，并告诉客户")
        .says("改法")
        .hides("Fix")
        .hides("line");
}

#[test]
fn money_of_the_earlier_book_goes_back_when_the_customer_leaves_before_signing_again() {
    let row = |place: u32, name: &str, pet: &str, signed: &str, balance: &str| {
        let id = id_number(place);
        let no = format!("HT{pet}");
        format!("{name},1990000000{place},{id},{pet},猫,英短,猫粮月付199,199.00,12,{signed},5,支付宝,{no},{balance},")
    };
    let shop = shop();
    let rows = [
        row(1, "王小明", "团子", "2026-06-05", "250.00"),
        row(2, "李晓红", "小白", "2024-10-05", "80.00"),
        // The same customer has another agreement, which runs.
        row(1, "王小明", "小黑", "2026-06-05", ""),
    ];
    shop.write("book.csv", book_of(&[&rows[0], &rows[1], &rows[2]]));
    shop.run("agreement import book.csv --paid-until 2026-11-20").ok("agreements taken over: 3");
    shop.run("sandbox sign m-2").exits(0);
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (25_000, 8_000));

    shop.run("agreement terminate a-1 --cause consumer --pet kept --reason moved --yes").ok("a-1 has ended");
    shop.run("agreement confirm a-1 --yes").fails(3, "¥250.00  cash").says("kibble agreement settle a-1");
    shop.run("debit run").says("¥250.00 of its settlement").says("kibble agreement settle a-1");
    shop.run("agreement settle a-1 --yes").ok("a-1: terminated and settled");

    // All its terms were collected before: what is left is asked back, and nobody pays for an end.
    let leave = "agreement terminate a-2 --pet kept --reason moved --yes --cause";
    shop.run(&format!("{leave} consumer")).fails(1, "a-2 was performed to its end").says("give --cause no-fault");
    shop.run(&format!("{leave} no-fault")).ok("a-2 has ended");
    shop.run("agreement confirm a-2 --yes").fails(3, "¥80.00  cash");
    shop.run("agreement settle a-2 --yes").ok("a-2: terminated and settled");
    shop.run(&format!("{leave} no-fault")).fails(1, "a-2 has ended already");

    // Nothing was taken from the agreement that runs.
    assert_eq!((wallet(&shop, 1), wallet(&shop, 2)), (0, 0));
    shop.run("agreement show a-3").ok("running");
    shop.run("check").ok("every law holds");
}

#[test]
fn the_same_file_again_changes_nothing() {
    let shop = with(BOOK);
    shop.run(IMPORT).ok("agreements taken over: 301").says("terms collected before kibble");
    let (before, names) = (state(&shop), files(&shop));
    assert!(names.contains(&"customers.rejects.csv".to_owned()), "{names:?}");
    shop.run(IMPORT).ok("nothing new: nothing was changed").says("in kibble already, unchanged: 301");
    assert_eq!((state(&shop), files(&shop)), (before, names));
    // The other spelling is the same book.
    shop.write("customers.csv", GBK);
    shop.run(IMPORT).ok("nothing new: nothing was changed");
}

#[test]
fn a_mended_rejects_file_adds_the_mended_rows_only() {
    let shop = with(BOOK);
    shop.run(IMPORT).exits(0);
    let rejects = shop.read("customers.rejects.csv");
    let mended = rejects.replace(",31,支付宝,", ",28,支付宝,").replace(",1381234567,", ",13812345670,");
    shop.write("customers.rejects.csv", &mended);
    shop.run("agreement import customers.rejects.csv --paid-until 2026-10-31")
        .ok("agreements taken over: 2")
        .says("Rows refused: 8")
        .says("customers.rejects-2.csv")
        .hides("columns that are not used");
    shop.run("agreement import customers.rejects.csv --paid-until 2026-10-31").ok("in kibble already, unchanged: 2");
    assert_eq!(shop.read("customers.rejects.csv"), mended, "a file that somebody mends is never written over");
    shop.run(IMPORT).ok("nothing new").says("in kibble already, unchanged: 301");
    assert_eq!(shop.read("customers.rejects.csv"), mended);
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let shop = with(BOOK);
    let (before, names) = (state(&shop), files(&shop));
    let rehearsed = shop.run(&format!("{IMPORT} --links links.csv --dry-run --json")).json();
    assert_eq!((state(&shop), files(&shop)), (before, names));
    let done = shop.run(&format!("{IMPORT} --json")).json();
    for key in ["accepted", "unchanged", "refused", "repeated", "refusals", "warnings", "customers", "terms_before"] {
        assert_eq!(rehearsed[key], done[key], "{key}");
    }
    assert_eq!((rehearsed["rejects"].is_null(), rehearsed["dry_run"] == true), (true, true));
}

#[test]
fn a_file_that_is_no_book_is_refused_and_nothing_changes() {
    let shop = shop();
    let before = state(&shop);
    for (content, expected) in [
        (&b"PK\x03\x04\x14\0\x06\0"[..], "this is an Excel or WPS workbook, not a CSV"),
        (b"<!DOCTYPE html><html><body>", "this is a web page or XML, not a CSV"),
        (b"", "the file is empty"),
        (b"%PDF-1.7\n", "this is a PDF, not a CSV"),
        (b"\x00\x01\x02\x03\x04\x05\x00\x00", "this is not a text file"),
        ("姓名,手机号\n王小明,19900000001\n".as_bytes(), "columns are missing: id number, pet name"),
        (b"a,b,c\n1,2,3\n", "no row near the top holds column names"),
    ] {
        shop.write("x.csv", content);
        shop.run("agreement import x.csv").fails(1, expected).says("x.csv cannot be imported").says("hint: ");
        shop.run("customer import x.csv --json").fails(1, expected);
    }
    shop.run("agreement import nowhere.csv").fails(1, "cannot read nowhere.csv").says("there is no such file");
    shop.run("agreement import .").fails(1, "cannot read .");
    assert_eq!(state(&shop), before);
}

#[test]
fn a_broken_row_does_not_take_the_others_with_it() {
    let shop = shop();
    shop.write(
        "book.csv",
        book_of(&[
            "王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H1,,",
            "李四,19900000002,too,few",
            "=1+1,19900000003,119999199003070019,\"圆子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,微信,H2,,",
            "=1+1,19900000003,119999199003070019,圆子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,微信支付,H3,,",
        ]),
    );
    shop.run("agreement import book.csv").ok("agreements taken over: 2").says("Rows refused: 2").says("has 4 cells");
    shop.run("customer show =1+1 --reveal --reason test").ok("=1+1");
}

#[test]
fn a_number_that_says_something_else_is_refused_and_named() {
    let shop = shop();
    let row = "王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H1,,";
    shop.write("book.csv", book_of(&[row]));
    shop.run("agreement import book.csv").ok("agreements taken over: 1");
    let before = state(&shop);
    for (from, to, fields) in [
        ("199.00", "299.00", "monthly amount"),
        (",9,支付宝", ",8,微信", "debit day, rail"),
        ("H1,,", "H1,50,", "wallet balance"),
        ("19900000001", "19900000009", "phone"),
        ("团子", "圆子", "pet name"),
    ] {
        shop.write("book.csv", book_of(&[&row.replace(from, to)]));
        let ran = shop.run("agreement import book.csv");
        ran.ok(&format!("a-1 has this number already and says something else: {fields} "));
        ran.says("nothing new");
    }
    assert_eq!(state(&shop), before);
}

#[test]
fn one_person_in_several_rows_is_one_customer() {
    let shop = shop();
    shop.write(
        "book.csv",
        book_of(&[
            "王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H1,,",
            "王小明,19900000005,119999198506150016,圆子,猫,布偶,我家套餐,180,12,2026-10-09,9,支付宝,H2,,",
            "王大明,19900000006,119999198506150016,方子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,支付宝,H3,,",
        ]),
    );
    shop.run("agreement import book.csv")
        .ok("agreements taken over: 2 (new customers: 1, new pets: 2)")
        .says("c-1 is known with another phone number")
        .says("no plan 我家套餐 has this amount and number of terms")
        .says("c-1 has this ID number and another name");
    shop.run("customer show c-1").ok("我家套餐").says("Cat food plan 199").says("199****0001");
}

#[test]
fn terms_before_kibble_are_counted_from_the_schedule() {
    let shop = shop();
    let rows = [
        "王小明,19900000001,119999198506150016,团子,猫,布偶,猫粮月付199,199.00,12,2026-01-31,28,微信,H1,,",
        "李四,19900000002,119999199003070019,圆子,猫,布偶,猫粮月付199,199.00,12,2025-01-09,9,支付宝,H2,,",
    ];
    shop.write("book.csv", book_of(&rows));
    let late = shop.run("agreement import book.csv --dry-run --json").json();
    assert_eq!((&late["terms_before"], &late["terms_past"]), (&0.into(), &21.into()));
    shop.run("agreement import book.csv --dry-run").ok("terms due before today that count as not collected: 21");
    // 2026-02-28 to 2026-10-28 are nine terms; the other agreement's twelve are all over.
    let answer = shop.run("agreement import book.csv --paid-until 2026-10-31 --json").json();
    assert_eq!((&answer["terms_before"], &answer["terms_past"]), (&21.into(), &0.into()));
    assert_eq!(answer["links"]["made"], 1, "nobody is asked to sign when nothing is left to collect");
    shop.run("customer show c-2").ok("completed");
    let signing =
        shop.run("agreement import book.csv --first-debit at-signing --paid-until 2026-10-31 --dry-run --json");
    assert_eq!(signing.json()["unchanged"], 2, "what is in kibble stays");
    shop.run("agreement import book.csv --paid-until 2027-01-01").fails(2, "2027-01-01 lies in the future");
    shop.run("agreement import book.csv --paid-until soon").fails(2, "soon is not a date like");
}

#[test]
fn a_day_that_the_rail_does_not_take_is_refused() {
    let shop = with(BOOK);
    let text = shop.read("shop.toml");
    shop.write(
        "shop.toml",
        text.replace("[rail.alipay]", "[rail.alipay.rules]\nregistered_day_max = 26\n[rail.alipay]"),
    );
    shop.run(IMPORT).ok("agreements taken over: 281").says("this payment rail takes debit days up to 26");
}

#[test]
fn the_counter_and_other_names_of_a_rail() {
    let shop = shop();
    let text = shop.read("shop.toml");
    shop.write("shop.toml", text.replace("[rail.alipay]\n", "[rail.alipay]\nlabel_zh = \"花呗代扣\"\n"));
    let row = |id: &str, rail: &str, no: &str| {
        format!("王小明,19900000001,{id},团子,猫,布偶,猫粮月付199,199.00,12,2026-10-09,9,{rail},{no},,")
    };
    let rows = [
        row("119999198506150016", "花呗代扣", "H1"),
        row("119999198506150016", "现金", "H2"),
        row("119999198506150016", "WeChat Pay", "H3"),
    ];
    shop.write("book.csv", book_of(&rows.each_ref().map(String::as_str)));
    // Nothing can be debited at the counter, so an agreement cannot name it; a customer can.
    shop.run("agreement import book.csv")
        .ok("agreements taken over: 2")
        .says("no such payment rail")
        .says("alipay, wechat");
    shop.run("customer import book.csv").ok("unchanged").hides("refused");
}

#[test]
fn links_are_written_for_the_customers_and_can_be_asked_for_again() {
    let shop = with(BOOK);
    shop.run(&format!("{IMPORT} --links links.csv"))
        .ok("sign links made: 301")
        .says("send each customer the link in links.csv");
    let first = shop.read("links.csv");
    assert_eq!(first.lines().count(), 302);
    assert!(first.starts_with("\u{feff}agreement no,"), "{}", &first[..80]);
    assert!(first.contains("HT20260701000,a-1,m-1,邓**(0075),alipay,https://") && !first.contains("邓宁可"));
    std::fs::remove_file(shop.path("links.csv")).unwrap();
    shop.run(&format!("{IMPORT} --links links.csv")).ok("nothing new").says("sign links made: 301");
    assert_eq!(shop.read("links.csv"), first);
}

#[test]
fn a_rejects_file_that_cannot_be_written_keeps_everything_out() {
    let shop = with(BOOK);
    let before = state(&shop);
    shop.run(&format!("{IMPORT} --rejects no/such/folder.csv")).fails(1, "cannot write no/such/folder.csv");
    shop.run(&format!("{IMPORT} --rejects ./customers.csv")).fails(2, "must not replace the book itself");
    assert_eq!(state(&shop), before);
    assert_eq!(std::fs::read(shop.path("customers.csv")).unwrap(), BOOK);
}
