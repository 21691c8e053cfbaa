//! Tables that a shop or a supplier hands in: customer books, price lists, tracking numbers, decided differences.

use kibble::domain::date::FirstDebit;
use kibble::ops::{agreement_import, catalog, customer, order, recon};

use super::outside::{in_a_shop, now};
use super::{Parser, size, texts};

/// Every refused cell is told with its reason and its mending, so a table of wrong cells grows a good deal.
const GROWTH: usize = 4_000;

pub const ALL: &[Parser] = &[
    Parser { name: "book of customers", read: read_customers, samples: sample_books, growth: GROWTH, cases: 48 },
    Parser { name: "book of agreements", read: read_agreements, samples: sample_books, growth: GROWTH, cases: 48 },
    Parser { name: "price list", read: read_prices, samples: sample_prices, growth: GROWTH, cases: 48 },
    Parser { name: "tracking numbers", read: read_tracking, samples: sample_tracking, growth: GROWTH, cases: 32 },
    Parser { name: "decided differences", read: read_decisions, samples: sample_decisions, growth: GROWTH, cases: 32 },
];

fn read_customers(input: &[u8]) -> usize {
    in_a_shop("book.csv", input, |ctx, file| {
        let options = customer::ImportOptions { file: file.to_owned(), rejects: None, dry_run: true };
        size(&customer::import(ctx, &options))
    })
}

fn read_agreements(input: &[u8]) -> usize {
    in_a_shop("book.csv", input, |ctx, file| {
        let options = agreement_import::ImportOptions {
            file: file.to_owned(),
            paid_until: None,
            first_debit: FirstDebit::NextMonth,
            rejects: None,
            links: None,
            dry_run: true,
        };
        size(&agreement_import::import(ctx, &options))
    })
}

fn read_prices(input: &[u8]) -> usize {
    in_a_shop("prices.csv", input, |ctx, file| {
        size(&catalog::import(ctx, &catalog::Import { file, dry_run: true, rejects: None }))
    })
}

fn read_tracking(input: &[u8]) -> usize {
    in_a_shop("tracking.csv", input, |ctx, file| size(&order::track(ctx, file)))
}

fn read_decisions(input: &[u8]) -> usize {
    in_a_shop("differences.csv", input, |ctx, file| size(&recon::apply(ctx, file, now())))
}

/// The header and some rows of a book, in every spelling; whole ones would only be slow.
fn sample_books() -> Vec<Vec<u8>> {
    let book = include_str!("../../../examples/data/customers.csv");
    let lines: Vec<&str> = book.lines().collect();
    let short = [&lines[..4], &lines[lines.len() - 12..]].concat().join("\r\n");
    let utf16: Vec<u8> = format!("\u{feff}{short}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gbk = encoding_rs::GBK.encode(&short).0.into_owned();
    vec![short.replace("\r\n", "\n").replace(',', ";").into_bytes(), gbk, utf16, short.into_bytes()]
}

fn sample_prices() -> Vec<Vec<u8>> {
    let list = include_str!("../../../examples/data/catalog.csv");
    let short: Vec<&str> = list.lines().take(20).collect();
    texts(&[&short.join("\n"), "货号,名称,类目,成本,售价,会员价,限制\nA,\"粮\n大包\",主粮,1,3,2,否\n"])
}

fn sample_tracking() -> Vec<Vec<u8>> {
    texts(&["订单号,货号,快递公司,快递单号\no-1,STP-001,顺丰,SF1234567890\no-2,,顺丰,\"SF1\"\n"])
}

fn sample_decisions() -> Vec<Vec<u8>> {
    texts(&["编号,处理,科目\nl-12,leave,\nk-1,book,bank\n", "id,decision,account\nl-1,,\n"])
}
