//! What the shop sells: items, their categories, and the CSV that they come from. Owns the rules of a price list. Does not
//! decide what a wallet may pay for beyond the item's own override, and holds no stock.

use std::collections::BTreeMap;

use super::money::{Money, MoneyError};
use super::pet::Species;
use super::sheet::{self, Column, Row, RowFault, Rows, Sheet, SheetError, tidy, tidy_prose};

/// Categories that kibble knows; a shop may use others (domain facts 5).
pub const CATEGORIES: [&str; 8] =
    ["staple", "snack", "freeze_dried", "litter", "supplement", "dewormer", "toy", "service"];

/// Something on the shelf. Prices include tax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The shop's code for it, unique.
    pub sku: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name, empty when not given.
    pub name_en: String,
    /// One of [`CATEGORIES`] or the shop's own word, lower case.
    pub category: String,
    /// For which animal; `None` for all.
    pub species: Option<Species>,
    /// Brand, empty when not given.
    pub brand: String,
    /// Pack, for example `1.5kg/袋`.
    pub unit: String,
    /// What the shop pays for it.
    pub cost: Money,
    /// Price for anybody.
    pub price: Money,
    /// Price for members and for the wallet; never above `price`.
    pub member_price: Money,
    /// Whether the wallet may pay for it; `None` leaves it to the category.
    pub wallet: Option<bool>,
    /// Who ships it, empty when not given.
    pub supplier: String,
}

/// Whether the wallet may pay for something: the item's own word, else whether its category is among those the shop lets
/// the wallet pay for (domain facts 5).
pub fn wallet_pays(own: Option<bool>, category: &str, categories: &[String]) -> bool {
    own.unwrap_or_else(|| categories.iter().any(|known| known == category))
}

/// A column of the price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The shop's code.
    Sku,
    /// Chinese name.
    NameZh,
    /// English name; may be missing.
    NameEn,
    /// Category.
    Category,
    /// For which animal; may be missing.
    Species,
    /// Brand; may be missing.
    Brand,
    /// Pack; may be missing.
    Unit,
    /// Cost.
    Cost,
    /// Price.
    Price,
    /// Member price; may be missing, then it is the price.
    MemberPrice,
    /// Whether the wallet may not pay for it; may be missing.
    Restricted,
    /// Supplier; may be missing.
    Supplier,
}

impl Column for Field {
    const ALL: &'static [Field] = &[
        Field::Sku,
        Field::NameZh,
        Field::NameEn,
        Field::Category,
        Field::Species,
        Field::Brand,
        Field::Unit,
        Field::Cost,
        Field::Price,
        Field::MemberPrice,
        Field::Restricted,
        Field::Supplier,
    ];

    fn name(self) -> (&'static str, &'static str) {
        match self {
            Field::Sku => ("货号", "sku"),
            Field::NameZh => ("名称", "name_zh"),
            Field::NameEn => ("英文名", "name_en"),
            Field::Category => ("类目", "category"),
            Field::Species => ("适用", "species"),
            Field::Brand => ("品牌", "brand"),
            Field::Unit => ("规格", "unit"),
            Field::Cost => ("成本", "cost"),
            Field::Price => ("售价", "price"),
            Field::MemberPrice => ("会员价", "member_price"),
            Field::Restricted => ("限制", "restricted"),
            Field::Supplier => ("供应商", "supplier"),
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            Field::Sku => &["编码", "商品编码", "商品编号", "code"],
            Field::NameZh => &["商品名称", "商品", "品名", "name", "item"],
            Field::NameEn => &["英文名称", "englishname"],
            Field::Category => &["类别", "分类", "商品类目"],
            Field::Species => &["适用宠物", "适用种类", "pet"],
            Field::Brand => &[],
            Field::Unit => &["单位", "包装", "pack"],
            Field::Cost => &["成本价", "进价", "进货价", "costyuan", "costprice"],
            Field::Price => &["零售价", "价格", "priceyuan", "listprice"],
            Field::MemberPrice => &["memberpriceyuan"],
            Field::Restricted => &["钱包限制", "限制购买"],
            Field::Supplier => &["供货商", "vendor"],
        }
    }

    fn is_required(self) -> bool {
        matches!(self, Field::Sku | Field::NameZh | Field::Category | Field::Cost | Field::Price)
    }
}

/// What is wrong with a cell or a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The row as a whole.
    Row(RowFault),
    /// Nothing in a cell that must hold something.
    Missing,
    /// More characters than the field takes.
    TooLong {
        /// How many it takes.
        limit: usize,
    },
    /// An amount that cannot be read.
    Amount(MoneyError),
    /// An amount below zero.
    Negative,
    /// A member price above the price.
    MemberAbovePrice {
        /// The price.
        price: Money,
    },
    /// Neither yes nor no.
    NotYesOrNo,
    /// Another row has this code and says something else.
    SkuTwice {
        /// The line of the other row.
        line: u64,
    },
}

impl From<RowFault> for Problem {
    fn from(fault: RowFault) -> Problem {
        Problem::Row(fault)
    }
}

/// What is unusual about an accepted row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Nothing is earned at the member price.
    CostNotBelowMember {
        /// The cost.
        cost: Money,
        /// The member price.
        member_price: Money,
    },
    /// A category that kibble does not know, so it has no wallet default.
    CategoryUnknown(String),
    /// A species that kibble has no word for; it becomes "other".
    SpeciesOther(String),
}

/// A refused cell of the price list.
pub type Refusal = sheet::Refusal<Field, Problem>;
/// A refused row of the price list.
pub type Refused = sheet::Refused<Field, Problem>;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An item.
    Sound {
        /// The line in the file.
        line: u64,
        /// The item.
        item: Box<Item>,
        /// Unusual, but accepted.
        warnings: Vec<Warning>,
    },
    /// Says exactly what an earlier row says: skipped.
    Repeat {
        /// The line in the file.
        line: u64,
        /// The line of the earlier row.
        same_as: u64,
    },
    /// Not taken.
    Refused(Refused),
}

/// An opened price list.
#[derive(Clone, Debug)]
pub struct PriceList<'t> {
    sheet: Sheet<'t, Field>,
}

impl<'t> PriceList<'t> {
    /// Understands the header of a decoded text ([`sheet::decode`]).
    ///
    /// # Errors
    /// When it is not a price list.
    pub fn open(text: &'t str) -> Result<PriceList<'t>, SheetError> {
        Ok(PriceList { sheet: Sheet::open(text)? })
    }

    /// The table behind it: header, ignored columns, delimiter.
    pub fn sheet(&self) -> &Sheet<'t, Field> {
        &self.sheet
    }

    /// The rows, one by one.
    pub fn rows(&self) -> Outcomes<'_, 't> {
        Outcomes { list: self, rows: self.sheet.rows(), seen: BTreeMap::new() }
    }

    fn read(&self, row: &Row) -> Result<(Item, Vec<Warning>), Vec<Refusal>> {
        let mut cells = Cells { list: self, row, refusals: Vec::new() };
        let mut warnings = Vec::new();
        let sku = cells.required(Field::Sku, 64).map(|sku| tidy(&sku));
        let name_zh = cells.required(Field::NameZh, 120);
        let name_en = cells.text(Field::NameEn, 120);
        let category = cells.required(Field::Category, 40).map(|word| category(&word));
        let species = species(&self.sheet.value(row, Field::Species)).unwrap_or_else(|other| {
            warnings.push(Warning::SpeciesOther(other));
            Some(Species::Other)
        });
        let brand = cells.text(Field::Brand, 60);
        let unit = cells.text(Field::Unit, 40);
        let cost = cells.amount(Field::Cost);
        let price = cells.amount(Field::Price);
        let member_price = match self.sheet.value(row, Field::MemberPrice).is_empty() {
            true => price,
            false => cells.amount(Field::MemberPrice),
        };
        let wallet = match yes_or_no(&self.sheet.value(row, Field::Restricted)) {
            // A blank cell leaves it to the category; `no` says that the wallet may pay for this one.
            Ok(_) if self.sheet.value(row, Field::Restricted).is_empty() => None,
            Ok(restricted) => Some(!restricted),
            Err(problem) => {
                cells.refuse(Field::Restricted, problem);
                None
            }
        };
        let supplier = cells.text(Field::Supplier, 80);
        if let (Some(price), Some(member)) = (price, member_price)
            && member > price
        {
            cells.refuse(Field::MemberPrice, Problem::MemberAbovePrice { price });
        }
        if let (Some(cost), Some(member_price)) = (cost, member_price)
            && cost >= member_price
        {
            warnings.push(Warning::CostNotBelowMember { cost, member_price });
        }
        if let Some(word) = category.as_deref().filter(|word| !CATEGORIES.contains(word)) {
            warnings.push(Warning::CategoryUnknown(word.to_owned()));
        }
        let refusals = cells.refusals;
        let whole = || {
            Some(Item {
                sku: sku?,
                name_zh: name_zh?,
                name_en,
                category: category?,
                species,
                brand,
                unit,
                cost: cost?,
                price: price?,
                member_price: member_price?,
                wallet,
                supplier,
            })
        };
        if refusals.is_empty() { whole().map(|item| (item, warnings)).ok_or_else(Vec::new) } else { Err(refusals) }
    }
}

/// The rows of a price list, read one at a time. Remembers the items read, to find codes that come twice.
#[derive(Debug)]
pub struct Outcomes<'l, 't> {
    list: &'l PriceList<'t>,
    rows: Rows<'t>,
    seen: BTreeMap<String, (u64, Item)>,
}

impl Iterator for Outcomes<'_, '_> {
    type Item = Outcome;

    fn next(&mut self) -> Option<Outcome> {
        let row = self.rows.next()?;
        if let Some(fault) = row.fault {
            return Some(Outcome::Refused(Refused::whole(row, fault)));
        }
        let (item, warnings) = match self.list.read(&row) {
            Ok(read) => read,
            Err(refusals) => return Some(Outcome::Refused(Refused { line: row.line, cells: row.cells, refusals })),
        };
        match self.seen.get(&item.sku) {
            Some((line, earlier)) if *earlier == item => Some(Outcome::Repeat { line: row.line, same_as: *line }),
            Some((line, _)) => {
                let problem = Problem::SkuTwice { line: *line };
                let value = self.list.sheet.raw(&row, Field::Sku).to_owned();
                let refusal = Refusal { line: row.line, field: Some(Field::Sku), value, problem };
                Some(Outcome::Refused(Refused { line: row.line, cells: row.cells, refusals: vec![refusal] }))
            }
            None => {
                self.seen.insert(item.sku.clone(), (row.line, item.clone()));
                Some(Outcome::Sound { line: row.line, item: Box::new(item), warnings })
            }
        }
    }
}

/// The cells of one row, and the refusals found so far.
struct Cells<'a, 'l, 't> {
    list: &'l PriceList<'t>,
    row: &'a Row,
    refusals: Vec<Refusal>,
}

impl Cells<'_, '_, '_> {
    fn refuse(&mut self, field: Field, problem: Problem) {
        let value = self.list.sheet.raw(self.row, field).to_owned();
        self.refusals.push(Refusal { line: self.row.line, field: Some(field), value, problem });
    }

    fn text(&mut self, field: Field, limit: usize) -> String {
        let text = tidy_prose(self.list.sheet.raw(self.row, field));
        if text.chars().count() > limit {
            self.refuse(field, Problem::TooLong { limit });
        }
        text
    }

    fn required(&mut self, field: Field, limit: usize) -> Option<String> {
        let text = self.text(field, limit);
        if text.is_empty() {
            self.refuse(field, Problem::Missing);
            return None;
        }
        Some(text)
    }

    fn amount(&mut self, field: Field) -> Option<Money> {
        let text = self.list.sheet.value(self.row, field);
        let problem = match text.parse::<Money>() {
            _ if text.is_empty() => Problem::Missing,
            Ok(amount) if amount >= Money::ZERO => return Some(amount),
            Ok(_) => Problem::Negative,
            Err(error) => Problem::Amount(error),
        };
        self.refuse(field, problem);
        None
    }
}

/// The category's own word for what a shop writes: `主粮` -> `staple`. Unknown words stay, in lower case.
pub fn category(word: &str) -> String {
    let word = tidy(word).to_lowercase();
    let known = match word.as_str() {
        "主粮" | "粮" | "宠粮" | "猫粮" | "狗粮" => "staple",
        "零食" => "snack",
        "冻干" | "freeze-dried" | "freeze dried" => "freeze_dried",
        "猫砂" | "砂" | "垫料" => "litter",
        "保健" | "保健品" | "营养品" => "supplement",
        "驱虫" | "驱虫药" => "dewormer",
        "玩具" => "toy",
        "服务" => "service",
        other => other,
    };
    known.to_owned()
}

/// `None` for all animals; an unknown word comes back as the error.
fn species(text: &str) -> Result<Option<Species>, String> {
    match text.to_lowercase().as_str() {
        "" | "*" | "全部" | "通用" | "猫狗通用" | "all" | "any" => Ok(None),
        word => Species::from_text(word).map(Some).ok_or_else(|| text.chars().take(20).collect()),
    }
}

fn yes_or_no(text: &str) -> Result<bool, Problem> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "是" | "限制" | "受限" => Ok(true),
        "" | "no" | "n" | "false" | "0" | "否" | "不限" | "无" => Ok(false),
        _ => Err(Problem::NotYesOrNo),
    }
}

#[cfg(test)]
mod tests {
    use super::{CATEGORIES, Field, Item, Outcome, PriceList, Problem, Warning, wallet_pays};
    use crate::domain::pet::Species;
    use crate::domain::sheet::{RowFault, decode};
    use proptest::prelude::{any, proptest};
    use std::collections::BTreeMap;

    const HEADER: &str = "货号,名称,类目,适用,成本,售价（元）,会员价,限制";

    fn read(text: &str) -> Vec<Outcome> {
        PriceList::open(text).unwrap().rows().collect()
    }

    fn one(row: &str) -> Outcome {
        read(&format!("{HEADER}\n{row}\n")).remove(0)
    }

    fn sound(outcome: Outcome) -> (Item, Vec<Warning>) {
        match outcome {
            Outcome::Sound { item, warnings, .. } => (*item, warnings),
            other => panic!("{other:?}"),
        }
    }

    fn problem(outcome: Outcome) -> (Option<Field>, Problem) {
        match outcome {
            Outcome::Refused(mut row) if row.refusals.len() == 1 => {
                let it = row.refusals.remove(0);
                (it.field, it.problem)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_items_own_word_goes_before_its_category() {
        let categories = ["staple".to_owned()];
        for (own, category, pays) in [
            (None, "staple", true),
            (None, "toy", false),
            (None, "", false),
            (Some(false), "staple", false),
            (Some(true), "toy", true),
        ] {
            assert_eq!(wallet_pays(own, category, &categories), pays, "{own:?} {category}");
        }
    }

    #[test]
    fn the_example_catalog_is_read_whole() {
        let (text, _) = decode(include_bytes!("../../examples/data/catalog.csv")).unwrap();
        let list = PriceList::open(&text).unwrap();
        assert!(list.sheet().ignored().is_empty());
        let items: Vec<Item> = list
            .rows()
            .map(|row| {
                let (item, warnings) = sound(row);
                assert!(warnings.is_empty(), "{warnings:?}");
                item
            })
            .collect();
        assert_eq!(items.len(), 120);
        assert_eq!(items.iter().filter(|item| item.wallet == Some(false)).count(), 10);
        let mut count = BTreeMap::new();
        for item in &items {
            *count.entry(item.category.as_str()).or_insert(0) += 1;
        }
        assert_eq!(CATEGORIES.map(|word| count[word]), [30, 18, 14, 12, 14, 10, 10, 12]);
        assert_eq!(items.iter().filter(|item| item.species.is_none()).count(), 7);
    }

    #[test]
    fn chinese_words_are_understood() {
        let (item, warnings) = sound(one("A-1,猫粮（大包）,主粮,猫,１０,20,,是"));
        assert_eq!(
            (item.name_zh.as_str(), item.category.as_str(), item.species),
            ("猫粮（大包）", "staple", Some(Species::Cat))
        );
        assert_eq!(
            (item.cost.fen(), item.price.fen(), item.member_price.fen(), item.wallet),
            (1_000, 2_000, 2_000, Some(false))
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn each_rule_refuses_at_its_edge() {
        for (row, field, expected) in [
            (",a,主粮,猫,1,2,2,", Field::Sku, Problem::Missing),
            ("A,a,主粮,猫,-1,2,2,", Field::Cost, Problem::Negative),
            ("A,a,主粮,猫,1,2,2.01,", Field::MemberPrice, Problem::MemberAbovePrice { price: "2".parse().unwrap() }),
            ("A,a,主粮,猫,1,,2,", Field::Price, Problem::Missing),
            ("A,a,主粮,猫,1,2,2,也许", Field::Restricted, Problem::NotYesOrNo),
        ] {
            assert_eq!(problem(one(row)), (Some(field), expected), "{row}");
        }
        assert_eq!(problem(one("A,a")), (None, Problem::Row(RowFault::CellCount { found: 2, expected: 8 })));
    }

    #[test]
    fn odd_items_are_taken_with_a_warning() {
        let (_, warnings) = sound(one("A,a,水族,鱼,2,2,2,"));
        assert_eq!(
            warnings,
            [
                Warning::SpeciesOther("鱼".to_owned()),
                Warning::CostNotBelowMember { cost: "2".parse().unwrap(), member_price: "2".parse().unwrap() },
                Warning::CategoryUnknown("水族".to_owned()),
            ]
        );
    }

    #[test]
    fn a_code_twice_is_refused_unless_it_says_the_same() {
        let outcomes = read(&format!("{HEADER}\nA,a,主粮,猫,1,2,2,否\nA,a,主粮,猫,1.00,2,,否\nA,b,主粮,猫,1,2,2,\n"));
        assert_eq!(outcomes[1], Outcome::Repeat { line: 3, same_as: 2 });
        assert_eq!(problem(outcomes[2].clone()), (Some(Field::Sku), Problem::SkuTwice { line: 2 }));
    }

    proptest! {
        #[test]
        fn no_price_list_panics(text in any::<String>(), cells in proptest::collection::vec(".{0,8}", 8)) {
            let text = format!("{HEADER}\n{}\n{text}", cells.join(","));
            assert!(PriceList::open(&text).unwrap().rows().count() <= text.len());
        }
    }
}
