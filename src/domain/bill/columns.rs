//! Columns of a bill: their names in each dialect, the header that is understood by them, and a row's cells by column.

use chrono::NaiveDateTime;

use super::cell::{amount, clean, is_mangled, split, time};
use super::{BillError, CellName, Dialect, LineKind};
use crate::domain::money::Money;
use crate::domain::sheet::header_key;

/// Hundred-thousandths of a yuan in a fen: WeChat writes fees with five decimals.
const PER_FEN: i64 = 1_000;

/// The longest number of an order, a trade or a refund that is read.
const NUMBER_LIMIT: usize = 128;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Time,
    Trade,
    Order,
    State,
    Amount,
    Received,
    RefundNo,
    Refunded,
    Coupon,
    OrderAmount,
    Asked,
    RefundState,
    Fee,
    Share,
}

pub(super) const COLUMNS: usize = 14;

/// A column's names in a dialect, the newest first, and whether a bill must have it.
type Names = (Column, &'static [&'static str], bool);

const ALIPAY: &[Names] = &[
    (Column::Trade, &["支付宝交易号"], true),
    (Column::Order, &["商户订单号"], true),
    (Column::State, &["业务类型"], true),
    (Column::Time, &["完成时间"], true),
    (Column::Amount, &["订单金额"], true),
    (Column::Received, &["商家实收"], false),
    (Column::RefundNo, &["退款批次号/请求号", "退款批次号"], true),
    (Column::Fee, &["服务费"], true),
    (Column::Share, &["分润"], false),
];

const WECHAT: &[Names] = &[
    (Column::Time, &["交易时间"], true),
    (Column::Trade, &["微信订单号"], true),
    (Column::Order, &["商户订单号"], true),
    (Column::State, &["交易状态"], true),
    (Column::Amount, &["应结订单金额", "总金额"], true),
    (Column::RefundNo, &["商户退款单号"], true),
    (Column::Refunded, &["退款金额"], true),
    (Column::Coupon, &["充值券退款金额", "企业红包退款金额"], false),
    (Column::RefundState, &["退款状态"], false),
    (Column::Fee, &["手续费"], true),
    (Column::OrderAmount, &["订单金额"], false),
    (Column::Asked, &["申请退款金额"], false),
];

/// Captions of WeChat's totals, each with the column it adds up.
pub(super) const WECHAT_TOTALS: &[(&str, Option<Column>)] = &[
    ("总交易单数", None),
    ("应结订单总金额", Some(Column::Amount)),
    ("总交易额", Some(Column::Amount)),
    ("退款总金额", Some(Column::Refunded)),
    ("总退款金额", Some(Column::Refunded)),
    ("充值券退款总金额", Some(Column::Coupon)),
    ("总企业红包退款金额", Some(Column::Coupon)),
    ("手续费总金额", Some(Column::Fee)),
    ("订单总金额", Some(Column::OrderAmount)),
    ("申请退款总金额", Some(Column::Asked)),
];

/// The header of a bill, understood.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) dialect: Dialect,
    pub(super) delimiter: char,
    pub(super) width: usize,
    pub(super) places: [Option<usize>; COLUMNS],
}

/// The cells of a row by column.
pub(super) struct Cells<'r> {
    pub(super) head: &'r Head,
    pub(super) row: u64,
    pub(super) cells: &'r [String],
}

impl Cells<'_> {
    pub(super) fn has(&self, column: Column) -> bool {
        self.head.places[column as usize].is_some()
    }

    pub(super) fn text(&self, column: Column) -> &str {
        self.head.places[column as usize].and_then(|place| self.cells.get(place)).map_or("", |cell| clean(cell))
    }

    pub(super) fn name(&self, column: Column) -> CellName {
        let names = dialect_columns(self.head.dialect).iter().find(|(known, ..)| *known == column);
        cell_name(self.row, names.map_or("", |(_, names, _)| names[0]), self.text(column))
    }

    pub(super) fn unreadable(&self, column: Column) -> BillError {
        BillError::Unreadable { cell: self.name(column) }
    }

    /// A number of an order, a trade or a refund, every digit of it.
    pub(super) fn number(&self, column: Column) -> Result<String, BillError> {
        let text = self.text(column);
        if is_mangled(text) {
            return Err(BillError::Mangled { cell: self.name(column) });
        }
        if text.len() > NUMBER_LIMIT || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(self.unreadable(column));
        }
        Ok(text.to_owned())
    }

    pub(super) fn time(&self) -> Result<NaiveDateTime, BillError> {
        time(self.text(Column::Time)).ok_or_else(|| self.unreadable(Column::Time))
    }

    /// An amount in hundred-thousandths of a yuan; 0 where the bill has no such column or the cell is blank.
    pub(super) fn raw(&self, column: Column) -> Result<i64, BillError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(0);
        }
        amount(text).ok_or_else(|| self.unreadable(column))
    }

    pub(super) fn money(&self, column: Column) -> Result<Money, BillError> {
        let raw = self.raw(column)?;
        if raw % PER_FEN != 0 { Err(self.unreadable(column)) } else { Ok(Money::from_fen(raw / PER_FEN)) }
    }

    /// A fee, rounded half up (away from zero) to whole fen.
    fn fee(&self, column: Column) -> Result<Money, BillError> {
        Ok(Money::from_fen(self.raw(column)?).share(1, PER_FEN))
    }

    /// Alipay: payments are positive, refunds negative; what it kept is negative and what it gave back positive. A share of the
    /// profit that goes to others never reaches the shop either, so it counts with the fee.
    pub(super) fn alipay_money(&self, kind: LineKind) -> Result<(Money, Money, String), BillError> {
        let column = if self.has(Column::Received) { Column::Received } else { Column::Amount };
        let amount = self.money(column)?;
        let wrong = match kind {
            LineKind::Payment => amount < Money::ZERO,
            LineKind::Refund => amount > Money::ZERO,
            LineKind::Other => false,
        };
        if wrong {
            return Err(self.unreadable(column));
        }
        Ok((amount, -(self.fee(Column::Fee)? + self.fee(Column::Share)?), String::new()))
    }

    /// WeChat: everything is positive but a fee that came back; what went back has a column of its own.
    pub(super) fn wechat_money(&self, kind: LineKind) -> Result<(Money, Money, String), BillError> {
        let (came, back) = (self.money(Column::Amount)?, self.money(Column::Refunded)?);
        if came < Money::ZERO {
            return Err(self.unreadable(Column::Amount));
        }
        if back < Money::ZERO {
            return Err(self.unreadable(Column::Refunded));
        }
        let amount = match kind {
            LineKind::Payment => came,
            LineKind::Refund => -back,
            LineKind::Other => came - back,
        };
        Ok((amount, self.fee(Column::Fee)?, self.text(Column::RefundState).to_owned()))
    }
}

const fn dialect_columns(dialect: Dialect) -> &'static [Names] {
    match dialect {
        Dialect::Alipay => ALIPAY,
        Dialect::Wechat => WECHAT,
    }
}

/// The header, when the row is one: it names our order number and the provider's trade number.
pub(super) fn read_head(text: &str) -> Result<Option<Head>, BillError> {
    for delimiter in [',', ';', '\t'] {
        let mut cells = Vec::new();
        split(text, delimiter, usize::MAX, &mut cells);
        let mut keys: Vec<String> = cells.iter().map(|cell| header_key(clean(cell))).collect();
        while keys.last().is_some_and(String::is_empty) {
            keys.pop();
        }
        let place = |name: &str| {
            let name = header_key(name);
            keys.iter().position(|key| *key == name)
        };
        let dialect = match (place("支付宝交易号"), place("微信订单号"), place("商户订单号")) {
            (Some(_), None, Some(_)) => Dialect::Alipay,
            (None, Some(_), Some(_)) => Dialect::Wechat,
            _ => continue,
        };
        let mut places = [None; COLUMNS];
        let mut missing = Vec::new();
        for (column, names, required) in dialect_columns(dialect) {
            places[*column as usize] = names.iter().find_map(|name| place(name));
            if *required && places[*column as usize].is_none() {
                missing.push(names[0]);
            }
        }
        if !missing.is_empty() {
            return Err(BillError::MissingColumns { missing });
        }
        return Ok(Some(Head { dialect, delimiter, width: keys.len(), places }));
    }
    Ok(None)
}

pub(super) fn cell_name(row: u64, column: &'static str, value: &str) -> CellName {
    CellName { row, column, value: value.chars().take(40).collect() }
}
