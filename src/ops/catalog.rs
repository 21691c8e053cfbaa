//! The shelf: taking over a supplier's price list, listing items, changing one by hand. What is wrong with a row is said by
//! `ops/book.rs`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::db;
use crate::db::catalog::Shelved;
use crate::domain::catalog::{Field, Item, Outcome, PriceList, Refused, Warning, wallet_pays};
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::domain::pet::Species;
use crate::domain::sheet::decode;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::book::{Rejects, amount_text, column_text, item_refusal_text, item_warning_text, sheet_error_text};
use crate::ops::book_file::{MOST_REFUSED_ROWS, table_bytes, too_many_refused};
use crate::t;

pub use crate::db::catalog::Filter;

/// What to import and how.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The price list.
    pub file: &'a Path,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Where refused rows go; beside the file when `None`.
    pub rejects: Option<&'a Path>,
}

/// A refused cell, or a refused row as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedCell {
    /// The line in the file.
    pub line: u64,
    /// The column; `None` for the whole row.
    pub field: Option<String>,
    /// The cell as it stands there.
    pub value: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub fix: String,
}

/// Something unusual that was taken all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Odd {
    /// The line in the file.
    pub line: u64,
    /// The item's code.
    pub sku: String,
    /// What is unusual.
    pub what: String,
}

/// What became of a price list.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// Whether nothing was written because nothing was to be written.
    pub dry_run: bool,
    /// Rows read.
    pub rows: u64,
    /// New items.
    pub added: u64,
    /// Items that the file changed.
    pub changed: u64,
    /// Items that stood like that already.
    pub unchanged: u64,
    /// Rows that say again what an earlier row said.
    pub repeated: u64,
    /// Rows refused.
    pub refused_rows: u64,
    /// Why, cell by cell.
    pub refused: Vec<RefusedCell>,
    /// Where the refused rows were written.
    pub rejects: Option<PathBuf>,
    /// Unusual rows that were taken.
    pub odd: Vec<Odd>,
    /// Columns that kibble does not use.
    pub ignored_columns: Vec<String>,
}

/// An item as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The shop's code.
    pub sku: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Category.
    pub category: String,
    /// For which animal; `None` for all.
    pub species: Option<Species>,
    /// Brand.
    pub brand: String,
    /// Pack.
    pub unit: String,
    /// What the shop pays.
    pub cost: Money,
    /// Price for anybody.
    pub price: Money,
    /// Price for members.
    pub member_price: Money,
    /// Whether the wallet may pay for it.
    pub wallet: bool,
    /// The item's own word about the wallet; `None` leaves it to the category.
    pub wallet_override: Option<bool>,
    /// Who ships it.
    pub supplier: String,
    /// Whether it can be ordered.
    pub on_sale: bool,
}

/// What of an item can be changed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Price for anybody.
    Price(Money),
    /// Price for members.
    MemberPrice(Money),
    /// What the shop pays.
    Cost(Money),
    /// Whether the wallet may pay for it; `None` leaves it to the category and the next price list.
    Wallet(Option<bool>),
    /// Whether it can be ordered.
    OnSale(bool),
}

/// An item after a change by hand.
#[derive(Clone, Debug, Serialize)]
pub struct Set {
    /// Whether anything changed.
    pub changed: bool,
    /// The item now.
    pub item: Listed,
    /// What is unusual about it now.
    pub odd: Option<String>,
}

/// Takes over a price list, all of its sound rows in one transaction. Prices and names are the file's; whether the wallet may
/// pay stays as a person set it, and so does whether an item is on sale. Items that the file does not name stay.
///
/// # Errors
/// When the file is not a price list, or the rejects file cannot be written; nothing is changed then.
pub fn import(ctx: &Ctx, options: &Import<'_>) -> Result<Imported> {
    let bytes = table_bytes(options.file)?;
    let as_fault = |error| {
        let advice = sheet_error_text(&error);
        Fault::refused(t!("{file}: {reason}", file = options.file.display(), reason = advice.reason)).hint(advice.fix)
    };
    let (text, _) = decode(&bytes).map_err(as_fault)?;
    let list = PriceList::open(&text).map_err(as_fault)?;
    let mut done = Imported {
        dry_run: options.dry_run,
        rows: 0,
        added: 0,
        changed: 0,
        unchanged: 0,
        repeated: 0,
        refused_rows: 0,
        refused: Vec::new(),
        rejects: None,
        odd: Vec::new(),
        ignored_columns: list.sheet().ignored().into_iter().map(str::to_owned).collect(),
    };
    let mut refused = Vec::new();
    let mut sound = Vec::new();
    for outcome in list.rows() {
        done.rows += 1;
        match outcome {
            Outcome::Sound { line, item, warnings } => {
                done.odd.extend(warnings.iter().map(|warning| odd(line, &item.sku, warning)));
                sound.push(*item);
            }
            Outcome::Repeat { .. } => done.repeated += 1,
            Outcome::Refused(row) => {
                done.refused.extend(cells_of(&row));
                refused.push(row);
                if refused.len() as u64 > MOST_REFUSED_ROWS {
                    let first = done.refused.first();
                    return Err(too_many_refused(options.file, first.map(|it| (it.line, it.reason.as_str()))));
                }
            }
        }
    }
    done.refused_rows = refused.len() as u64;
    let says_wallet = list.sheet().has(Field::Restricted);
    if options.dry_run {
        shelve(ctx, sound, says_wallet, &mut done)?;
    } else {
        // First the rejects: should they fail, the mended file can be imported as if nothing had happened.
        if !refused.is_empty() {
            done.rejects = Some(write_rejects(options, list.sheet().header(), &refused)?);
        }
        let now = ctx.now();
        let news = shelve(ctx, sound, says_wallet, &mut done)?;
        if !news.is_empty() {
            ctx.db.write(now, |tx| {
                for shelved in &news {
                    db::catalog::save(tx, shelved, now)?;
                }
                Ok(((), Op::CatalogImported { added: done.added, changed: done.changed }))
            })?;
        }
    }
    Ok(done)
}

/// Visits items by category and code.
pub fn list(ctx: &Ctx, filter: &Filter, mut visit: impl FnMut(Listed) -> Result<()>) -> Result<()> {
    db::catalog::each(ctx.db.read(), filter, |shelved| visit(listed(ctx, shelved)))
}

/// Changes one item by hand.
///
/// # Errors
/// When there is no such item, or the member price would lie above the price.
pub fn set(ctx: &Ctx, sku: &str, change: Change) -> Result<Set> {
    let now = ctx.now();
    let mut shelved = get(ctx, sku)?;
    let before = shelved.clone();
    let item = &mut shelved.item;
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let (field, to) = match change {
        Change::Price(price) => {
            item.price = price;
            ("price", price.to_string())
        }
        Change::MemberPrice(price) => {
            item.member_price = price;
            ("member-price", price.to_string())
        }
        Change::Cost(cost) => {
            item.cost = cost;
            ("cost", cost.to_string())
        }
        Change::Wallet(own) => {
            item.wallet = own;
            shelved.wallet_by_hand = own.is_some();
            ("wallet", own.map_or("default", yes_no).to_owned())
        }
        Change::OnSale(on_sale) => {
            shelved.on_sale = on_sale;
            ("on-sale", yes_no(on_sale).to_owned())
        }
    };
    let item = &shelved.item;
    if item.member_price > item.price {
        return Err(Fault::refused(t!(
            "{sku}: the member price {member} would lie above the price {price}",
            sku = sku,
            member = item.member_price,
            price = item.price
        ))
        .hint(t!("members never pay more than others; change the other price first"))
        .into());
    }
    let odd = (item.cost >= item.member_price)
        .then(|| item_warning_text(&Warning::CostNotBelowMember { cost: item.cost, member_price: item.member_price }));
    let changed = shelved != before;
    if changed {
        ctx.db.write(now, |tx| {
            db::catalog::save(tx, &shelved, now)?;
            Ok(((), Op::ItemChanged { sku: sku.to_owned(), field: field.to_owned(), to }))
        })?;
    }
    Ok(Set { changed, item: listed(ctx, shelved), odd })
}

/// A category in the chosen language; the shop's own words stay as they are.
pub fn category_text(word: &str) -> String {
    match word {
        "staple" => t!("staple food"),
        "snack" => t!("snacks"),
        "freeze_dried" => t!("freeze-dried"),
        "litter" => t!("litter"),
        "supplement" => t!("supplements"),
        "dewormer" => t!("dewormers"),
        "toy" => t!("toys"),
        "service" => t!("services"),
        own => own.to_owned(),
    }
}

/// Reads an amount typed for an item.
///
/// # Errors
/// Usage, with the fix as the hint.
pub fn read_price(text: &str) -> Result<Money> {
    match text.parse::<Money>() {
        Ok(price) if price >= Money::ZERO => Ok(price),
        Ok(_) => Err(Fault::usage(t!("a price is never below zero")).into()),
        Err(error) => {
            let advice = amount_text(error);
            Err(Fault::usage(t!("{value}: {reason}", value = text, reason = advice.reason)).hint(advice.fix).into())
        }
    }
}

/// The item with this code.
///
/// # Errors
/// Not found, with how to find it.
pub(super) fn get(ctx: &Ctx, sku: &str) -> Result<Shelved> {
    db::catalog::get(ctx.db.read(), sku)?.ok_or_else(|| {
        Fault::not_found(t!("the catalog has no item {sku}", sku = sku))
            .hint(t!("`kibble catalog list --search WORD` finds items"))
            .into()
    })
}

/// Counts what the file changes, and gives what is to be written.
fn shelve(ctx: &Ctx, sound: Vec<Item>, says_wallet: bool, done: &mut Imported) -> Result<Vec<Shelved>> {
    // One query for the whole shelf instead of one for each row of the file.
    let mut shelf = BTreeMap::new();
    db::catalog::each(ctx.db.read(), &Filter::default(), |shelved| {
        shelf.insert(shelved.item.sku.clone(), shelved);
        Ok(())
    })?;
    let mut news = Vec::new();
    for mut item in sound {
        match shelf.get(&item.sku) {
            None => {
                done.added += 1;
                news.push(Shelved { item, wallet_by_hand: false, on_sale: true });
            }
            Some(old) => {
                if old.wallet_by_hand || !says_wallet {
                    item.wallet = old.item.wallet;
                }
                if item == old.item {
                    done.unchanged += 1;
                } else {
                    done.changed += 1;
                    news.push(Shelved { item, ..*old });
                }
            }
        }
    }
    Ok(news)
}

fn listed(ctx: &Ctx, shelved: Shelved) -> Listed {
    let item = shelved.item;
    Listed {
        wallet: wallet_pays(item.wallet, &item.category, &ctx.config.settings.wallet.categories),
        wallet_override: item.wallet,
        sku: item.sku,
        name_zh: item.name_zh,
        name_en: item.name_en,
        category: item.category,
        species: item.species,
        brand: item.brand,
        unit: item.unit,
        cost: item.cost,
        price: item.price,
        member_price: item.member_price,
        supplier: item.supplier,
        on_sale: shelved.on_sale,
    }
}

fn odd(line: u64, sku: &str, warning: &Warning) -> Odd {
    Odd { line, sku: sku.to_owned(), what: item_warning_text(warning) }
}

fn cells_of(row: &Refused) -> Vec<RefusedCell> {
    let cell = |refusal| {
        let advice = item_refusal_text(refusal);
        RefusedCell {
            line: refusal.line,
            field: refusal.field.map(|field| column_text(field).to_owned()),
            value: refusal.value.clone(),
            reason: advice.reason,
            fix: advice.fix,
        }
    };
    row.refusals.iter().map(cell).collect()
}

/// Writes the rejects file, whole or not at all. A name that kibble chooses itself never replaces a file: it may be the one
/// that somebody is mending.
fn write_rejects(options: &Import<'_>, header: &[String], refused: &[Refused]) -> Result<PathBuf> {
    let mut file = Vec::new();
    let mut rejects = Rejects::new(&mut file, header)?;
    for row in refused {
        rejects.item_row(row)?;
    }
    rejects.finish()?;
    match options.rejects {
        Some(path) => {
            save(path, &file)?.persist(path).map_err(|error| error.error).with_context(|| named(path))?;
            Ok(path.to_owned())
        }
        None => {
            let path = fresh_beside(options.file);
            save(&path, &file)?.persist_noclobber(&path).map_err(|error| error.error).with_context(|| named(&path))?;
            Ok(path)
        }
    }
}

fn save(path: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(|| named(path))?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).with_context(|| named(path))?;
    Ok(file)
}

/// `catalog.csv` -> `catalog.rejects.csv`, or the first of `catalog.rejects-2.csv` … that is free.
fn fresh_beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split(".rejects").next().unwrap_or_default();
    let name = |number: u32| match number {
        1 => file.with_file_name(format!("{stem}.rejects.csv")),
        _ => file.with_file_name(format!("{stem}.rejects-{number}.csv")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}

fn named(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Change, Filter, Import, import, list, set};
    use crate::ops::testing::TestShop;

    const HEADER: &str = "货号,名称,类目,成本,售价,会员价,限制\n";

    fn wallets(shop: &TestShop) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        list(shop, &Filter::default(), |item| {
            found.push((item.sku, item.wallet));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn a_file_of_nothing_but_faults_or_without_end_is_refused_as_a_whole() {
        let shop = TestShop::open();
        let file = shop.root.path().join("prices.csv");
        let refusal = || {
            let options = Import { file: &file, dry_run: false, rejects: None };
            import(&shop, &options).unwrap_err().to_string()
        };
        fs::write(&file, format!("{HEADER}{}", "x\n".repeat(20_001))).unwrap();
        let said = refusal();
        assert!(said.contains("more than 20000 rows were refused") && said.contains("line 2"), "{said}");
        fs::File::create(&file).unwrap().set_len((64 << 20) + 1).unwrap();
        assert!(refusal().contains("is larger than 64 MB"));
    }

    #[test]
    fn what_a_person_decided_about_the_wallet_survives_the_next_price_list() {
        let shop = TestShop::open();
        let file = shop.root.path().join("list.csv");
        let rows = "A,粮,主粮,1,3,2,否\nB,球,玩具,1,3,2,是\nC,零食,零食,1,3,2,否\n";
        fs::write(&file, format!("{HEADER}{rows}")).unwrap();
        let options = Import { file: &file, dry_run: false, rejects: None };
        let first = import(&shop, &options).unwrap();
        assert_eq!((first.added, first.changed, first.unchanged), (3, 0, 0));
        let expect = |a, b, c| {
            let all = [("C", c), ("A", a), ("B", b)];
            assert_eq!(wallets(&shop), all.map(|(sku, wallet)| (sku.to_owned(), wallet)));
        };
        expect(true, false, true);
        set(&shop, "A", Change::Wallet(Some(false))).unwrap();
        set(&shop, "B", Change::Wallet(Some(true))).unwrap();
        expect(false, true, true);
        let again = import(&shop, &options).unwrap();
        assert_eq!((again.added, again.changed, again.unchanged), (0, 0, 3));
        expect(false, true, true);
        // Given back to the price list, the next one decides.
        set(&shop, "B", Change::Wallet(None)).unwrap();
        assert_eq!(import(&shop, &options).unwrap().changed, 1);
        expect(false, false, true);
    }

    #[test]
    fn a_member_price_never_lies_above_the_price() {
        let shop = TestShop::open();
        let file = shop.root.path().join("list.csv");
        fs::write(&file, format!("{HEADER}A,粮,主粮,1,3,2,否\n")).unwrap();
        import(&shop, &Import { file: &file, dry_run: false, rejects: None }).unwrap();
        let price = |text: &str| text.parse().unwrap();
        assert!(set(&shop, "A", Change::MemberPrice(price("3.01"))).is_err());
        assert!(set(&shop, "A", Change::Price(price("1.99"))).is_err());
        assert!(!set(&shop, "A", Change::Price(price("3"))).unwrap().changed);
        let cheap = set(&shop, "A", Change::MemberPrice(price("1"))).unwrap();
        assert!(cheap.changed && cheap.odd.is_some());
    }
}
