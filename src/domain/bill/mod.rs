//! A provider's bill, read line by line: which provider wrote it, what each row says in our words, and whether its own totals fit
//! its rows (payment facts 1.9 and 2.7). Knows neither our charges nor files; where the text comes from is the caller's business.
//!
//! Columns are found by their names. A bill that a person opened and saved in Excel or WPS reads the same: quotes, lost back-quotes,
//! semicolons or tabs, times without seconds. A number that the spreadsheet made into `1.23E+27` is refused, because nobody can say
//! any more which payment it was.

mod cell;
mod columns;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

pub use self::cell::is_mangled;

use self::cell::{amount, clean, split, whole, yuan};
use self::columns::{COLUMNS, Cells, Column, Head, WECHAT_TOTALS, cell_name, read_head};
use crate::domain::agreement::words;
use crate::domain::customer::is_invisible;
use crate::domain::date::plus_days;
use crate::domain::money::Money;
use crate::domain::rail::{Profile, RailNotice};
use crate::domain::sheet::header_key;

words! {
    /// Whose format and habits: who wrote a bill, or whom a rehearsal speaks like.
    Dialect {
        /// Alipay's business detail (`trade`).
        Alipay = "alipay",
        /// WeChat Pay's trade bill (`ALL`).
        Wechat = "wechat",
    }
}

impl Dialect {
    /// Which provider a rail speaks like: by its name where that says so, else by whether it gives notices, which of the two only
    /// WeChat Pay does.
    pub fn of(rail: &str, profile: &Profile) -> Dialect {
        match (Dialect::Alipay.is_named(rail), Dialect::Wechat.is_named(rail)) {
            (true, _) => Dialect::Alipay,
            (false, true) => Dialect::Wechat,
            (false, false) if profile.notice != RailNotice::None => Dialect::Wechat,
            (false, false) => Dialect::Alipay,
        }
    }

    /// Whether a rail's name says that it is this provider's.
    pub fn is_named(self, rail: &str) -> bool {
        let rail = rail.to_ascii_lowercase();
        match self {
            Dialect::Alipay => rail.contains("alipay"),
            Dialect::Wechat => rail.contains("wechat") || rail.contains("weixin"),
        }
    }
}

words! {
    /// What a line of a bill is about.
    LineKind {
        /// Money that came.
        Payment = "payment",
        /// Money that went back.
        Refund = "refund",
        /// A movement that kibble never asks for.
        Other = "other",
    }
}

/// A row of a bill in our words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The row of the file, from 1.
    pub row: u64,
    /// When the money moved, on the provider's wall clock. A spreadsheet may have lost the seconds.
    pub at: NaiveDateTime,
    /// What it is about.
    pub kind: LineKind,
    /// Our order number.
    pub order_no: String,
    /// The provider's number of the trade.
    pub trade_no: String,
    /// Our refund number; empty on a payment.
    pub refund_no: String,
    /// What it does to the shop's money at the provider: positive came, negative went back.
    pub amount: Money,
    /// What the provider kept of it; negative where it gave a fee back. Rounded half up to whole fen where the bill has more decimals.
    pub fee: Money,
    /// The provider's own words for the kind or state.
    pub said: String,
}

/// What a bill says of itself, once its totals fit its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Who wrote it.
    pub dialect: Dialect,
    /// Its rows.
    pub rows: u64,
    /// Payments, and what they brought.
    pub payments: (u64, Money),
    /// Refunds, and what they gave back, as a positive amount.
    pub refunds: (u64, Money),
    /// What the provider kept.
    pub fees: Money,
    /// First and last day, where the bill names them.
    pub named_days: Option<(NaiveDate, NaiveDate)>,
    /// True where the time that it names begins or ends within a day: then it is the whole of no day.
    pub is_part_of_day: bool,
    /// When it was written, where it says so: days that were not over then are not whole in it.
    pub written_at: Option<NaiveDateTime>,
    /// Days of the first and the last row, where it has rows. Refunds do not count where there are others: nobody promises that a
    /// refund's row has the refund's own time and not that of its payment.
    pub seen_days: Option<(NaiveDate, NaiveDate)>,
    refund_days: Option<(NaiveDate, NaiveDate)>,
    sums: Sums,
}

/// Why a bill is refused. Columns are named as the provider names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillError {
    /// No row near the top has the column names of a bill.
    NoHeader {
        /// The first row, shortened.
        found: String,
    },
    /// A bill of another kind, or a column was deleted.
    MissingColumns {
        /// Their names.
        missing: Vec<&'static str>,
    },
    /// More or fewer cells than the header, or a quotation mark that is not closed.
    CellCount {
        /// The row of the file.
        row: u64,
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// A spreadsheet shortened a long number.
    Mangled {
        /// The cell.
        cell: CellName,
    },
    /// A cell does not hold what its column is for.
    Unreadable {
        /// The cell.
        cell: CellName,
    },
    /// A row outside the days that the bill names.
    OutsideDays {
        /// The cell.
        cell: CellName,
    },
    /// Its totals are missing: the file is cut off, or somebody removed them.
    NoTotals,
    /// Its totals do not fit its rows.
    Totals {
        /// Which total.
        what: String,
        /// As the totals say.
        told: String,
        /// As the rows add up.
        rows: String,
    },
    /// Rows after the totals: two bills in one file.
    AfterTotals {
        /// The row of the file.
        row: u64,
    },
}

/// Where a cell stands and what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellName {
    /// The row of the file, from 1.
    pub row: u64,
    /// The column's name.
    pub column: &'static str,
    /// What stands there, shortened.
    pub value: String,
}

/// In how many rows from the top the header is looked for.
const HEADER_WITHIN_ROWS: u64 = 40;

/// Sums of the raw columns, in hundred-thousandths of a yuan; Alipay's apart for payments and refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    all: [i128; COLUMNS],
    payments: [i128; COLUMNS],
    refunds: [i128; COLUMNS],
}

/// Reads a bill row by row.
#[derive(Clone, Debug)]
pub struct Reader {
    head: Option<Head>,
    first: String,
    named_days: Option<(NaiveDate, NaiveDate)>,
    figures: Figures,
    captions: Option<Vec<String>>,
    ended: bool,
    totals: u32,
    cells: Vec<String>,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader::new()
    }
}

impl Reader {
    /// Nothing read yet.
    pub fn new() -> Reader {
        Reader {
            head: None,
            first: String::new(),
            named_days: None,
            figures: Figures {
                dialect: Dialect::Alipay,
                rows: 0,
                payments: (0, Money::ZERO),
                refunds: (0, Money::ZERO),
                fees: Money::ZERO,
                named_days: None,
                is_part_of_day: false,
                written_at: None,
                seen_days: None,
                refund_days: None,
                sums: Sums::default(),
            },
            captions: None,
            ended: false,
            totals: 0,
            cells: Vec::new(),
        }
    }

    /// Who wrote it, once the header is read.
    pub fn dialect(&self) -> Option<Dialect> {
        self.head.as_ref().map(|head| head.dialect)
    }

    /// Reads row `row` of the file; gives its line when it is one.
    ///
    /// # Errors
    /// [`BillError`]; the bill as a whole is refused then.
    pub fn row(&mut self, row: u64, text: &str) -> Result<Option<Line>, BillError> {
        let text = text.trim_matches(|c: char| c == '\r' || c == '\n' || c == '\0' || is_invisible(c));
        if text.chars().all(|c| c.is_whitespace() || ",;\"".contains(c)) {
            return Ok(None);
        }
        let Some(head) = self.head.clone() else { return self.before_header(row, text).map(|()| None) };
        if remark(text) {
            self.remark(text)?;
            return Ok(None);
        }
        if head.dialect == Dialect::Wechat && self.wechat_totals(&head, row, text)? {
            return Ok(None);
        }
        if self.ended {
            return Err(BillError::AfterTotals { row });
        }
        let mut cells = std::mem::take(&mut self.cells);
        split(text, head.delimiter, head.width, &mut cells);
        if cells.len() != head.width {
            return Err(BillError::CellCount { row, found: cells.len(), expected: head.width });
        }
        let line = self.line(&head, row, &cells)?;
        self.cells = cells;
        Ok(Some(line))
    }

    /// Ends the bill: compares its totals with its rows. `summary` is the text of Alipay's second file with the sums, where there is
    /// one.
    ///
    /// # Errors
    /// When it is no bill, its totals are missing, or they do not fit.
    pub fn finish(mut self, summary: Option<&str>) -> Result<Figures, BillError> {
        if self.head.is_none() {
            return Err(BillError::NoHeader { found: self.first });
        }
        if let Some(summary) = summary {
            self.totals += compare_summary(&self.figures, summary)?;
        }
        let closed = self.totals > 0 || (self.figures.dialect == Dialect::Alipay && self.ended);
        if !closed {
            return Err(BillError::NoTotals);
        }
        let seen_days = self.figures.seen_days.or(self.figures.refund_days);
        Ok(Figures { named_days: self.named_days, seen_days, ..self.figures })
    }

    fn before_header(&mut self, row: u64, text: &str) -> Result<(), BillError> {
        if self.first.is_empty() {
            self.first = text.chars().take(60).collect();
        }
        if remark(text) {
            self.named_days = self.named_days.or_else(|| named_days(text));
            self.of_time(text);
            return Ok(());
        }
        match read_head(text)? {
            Some(head) => {
                self.figures.dialect = head.dialect;
                self.head = Some(head);
                Ok(())
            }
            None if row > HEADER_WITHIN_ROWS => Err(BillError::NoHeader { found: self.first.clone() }),
            None => Ok(()),
        }
    }

    /// What a remark says of the time that the bill is about, and of its own.
    fn of_time(&mut self, text: &str) {
        let last_second = NaiveTime::from_hms_opt(23, 59, 59);
        let begins_late = moment_after(text, "起始日期").is_some_and(|from| from.time() != NaiveTime::MIN);
        let ends_early = moment_after(text, "终止日期")
            .is_some_and(|to| to.time() != NaiveTime::MIN && Some(to.time()) < last_second);
        self.figures.is_part_of_day |= begins_late || ends_early;
        self.figures.written_at = self.figures.written_at.or_else(|| moment_after(text, "导出时间"));
    }

    /// Alipay's `#` rows below the table: its end, and sums of payments and refunds.
    fn remark(&mut self, text: &str) -> Result<(), BillError> {
        self.of_time(text);
        if text.contains("列表结束") {
            self.ended = true;
        }
        let payments = text.contains("交易合计");
        if !payments && !text.contains("退款合计") {
            return Ok(());
        }
        let Some((count, amount)) = alipay_total(text) else { return Ok(()) };
        let (rows, sums) = match payments {
            true => (self.figures.payments.0, &self.figures.sums.payments),
            false => (self.figures.refunds.0, &self.figures.sums.refunds),
        };
        let what = if payments { "交易合计" } else { "退款合计" };
        if count != rows {
            return Err(totals(what, count, rows));
        }
        let column = if text.contains("商家实收") { Column::Received } else { Column::Amount };
        let sum = sums[column as usize];
        // Refunds are negative in the rows; the totals write them with or without the sign.
        if amount.abs() != sum.abs() {
            return Err(totals(what, yuan(amount), yuan(sum)));
        }
        self.ended = true;
        self.totals += 1;
        Ok(())
    }

    /// WeChat's last two rows: captions and totals. Returns whether the row was one of them.
    fn wechat_totals(&mut self, head: &Head, row: u64, text: &str) -> Result<bool, BillError> {
        if let Some(captions) = self.captions.take() {
            let mut cells = Vec::new();
            split(text, head.delimiter, captions.len(), &mut cells);
            self.compare_wechat(row, &captions, &cells)?;
            self.ended = true;
            self.totals += 1;
            return Ok(true);
        }
        if !text.trim_start_matches(['`', '"', '\'']).starts_with("总交易单数") {
            return Ok(false);
        }
        let mut cells = Vec::new();
        split(text, head.delimiter, usize::MAX, &mut cells);
        let mut captions: Vec<String> = cells.iter().map(|cell| header_key(clean(cell))).collect();
        while captions.last().is_some_and(String::is_empty) {
            captions.pop();
        }
        self.captions = Some(captions);
        Ok(true)
    }

    fn compare_wechat(&self, row: u64, captions: &[String], cells: &[String]) -> Result<(), BillError> {
        for (place, caption) in captions.iter().enumerate() {
            let known = WECHAT_TOTALS.iter().find(|(name, _)| header_key(name) == *caption);
            let Some((name, column)) = known else { continue };
            let value = cells.get(place).map_or("", |cell| clean(cell));
            let unreadable = || BillError::Unreadable { cell: cell_name(row, name, value) };
            match column {
                None => {
                    let told: u64 = whole(value).ok_or_else(unreadable)?;
                    if told != self.figures.rows {
                        return Err(totals(name, told, self.figures.rows));
                    }
                }
                Some(column) => {
                    let told = i128::from(amount(value).ok_or_else(unreadable)?);
                    let rows = self.figures.sums.all[*column as usize];
                    if told != rows {
                        return Err(totals(name, yuan(told), yuan(rows)));
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, head: &Head, row: u64, cells: &[String]) -> Result<Line, BillError> {
        let cell = Cells { head, row, cells };
        let at = cell.time()?;
        let order_no = cell.number(Column::Order)?;
        let trade_no = cell.number(Column::Trade)?;
        let refund_no = cell.number(Column::RefundNo)?;
        let state = cell.text(Column::State).to_owned();
        let kind = match (head.dialect, state.as_str()) {
            (Dialect::Alipay, "交易") | (Dialect::Wechat, "SUCCESS") => LineKind::Payment,
            (Dialect::Alipay, "退款") | (Dialect::Wechat, "REFUND" | "REVOKED") => LineKind::Refund,
            _ => LineKind::Other,
        };
        if kind != LineKind::Other && order_no.is_empty() {
            return Err(cell.unreadable(Column::Order));
        }
        let (amount, fee, said) = match head.dialect {
            Dialect::Alipay => cell.alipay_money(kind)?,
            Dialect::Wechat => cell.wechat_money(kind)?,
        };
        let said = [state, said].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let day = at.date();
        let is_outside = self.named_days.is_some_and(|(first, last)| day < first || day > last);
        if is_outside && kind != LineKind::Refund {
            return Err(BillError::OutsideDays { cell: cell.name(Column::Time) });
        }
        self.add_up(&cell, kind, amount, fee, day)?;
        Ok(Line { row, at, kind, order_no, trade_no, refund_no, amount, fee, said })
    }

    fn add_up(
        &mut self,
        cell: &Cells<'_>,
        kind: LineKind,
        amount: Money,
        fee: Money,
        day: NaiveDate,
    ) -> Result<(), BillError> {
        let figures = &mut self.figures;
        figures.rows += 1;
        figures.fees += fee;
        let (count, sum) = match kind {
            LineKind::Payment => (1, amount),
            LineKind::Refund | LineKind::Other => (0, Money::ZERO),
        };
        figures.payments = (figures.payments.0 + count, figures.payments.1 + sum);
        if kind == LineKind::Refund {
            figures.refunds = (figures.refunds.0 + 1, figures.refunds.1 - amount);
        }
        let days = match kind {
            LineKind::Refund => &mut figures.refund_days,
            LineKind::Payment | LineKind::Other => &mut figures.seen_days,
        };
        *days = Some(match *days {
            None => (day, day),
            Some((first, last)) => (first.min(day), last.max(day)),
        });
        for column in [
            Column::Amount,
            Column::Received,
            Column::Refunded,
            Column::Coupon,
            Column::Fee,
            Column::Share,
            Column::OrderAmount,
            Column::Asked,
        ] {
            let value = i128::from(cell.raw(column)?);
            figures.sums.all[column as usize] += value;
            match kind {
                LineKind::Payment => figures.sums.payments[column as usize] += value,
                LineKind::Refund => figures.sums.refunds[column as usize] += value,
                LineKind::Other => {}
            }
        }
        Ok(())
    }
}

/// Alipay's rows of remarks begin with `#`; a spreadsheet may put quotes round them.
fn remark(text: &str) -> bool {
    text.trim_start_matches(['"', '\'', ' ', '\t']).starts_with('#')
}

/// `#起始日期：[2026年11月05日 00:00:00]   终止日期：[2026年11月06日 00:00:00]`: the end is the first moment after.
fn named_days(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (from, to) = (moment_after(text, "起始日期")?, moment_after(text, "终止日期")?);
    let far = |day: NaiveDate| !(2000..2200).contains(&chrono::Datelike::year(&day));
    if far(from.date()) || far(to.date()) {
        return None;
    }
    let last = if to.time() == NaiveTime::MIN && to > from { plus_days(to.date(), -1) } else { to.date() };
    (last >= from.date()).then_some((from.date(), last))
}

/// The moment in brackets behind a name.
fn moment_after(text: &str, name: &str) -> Option<NaiveDateTime> {
    let (_, rest) = text.split_once(name)?;
    let (_, rest) = rest.split_once('[')?;
    let (inside, _) = rest.split_once(']')?;
    NaiveDateTime::parse_from_str(inside.trim(), "%Y年%m月%d日 %H:%M:%S").ok()
}

/// `交易合计：3笔，…共597.00元`: the count and the first sum.
fn alipay_total(text: &str) -> Option<(u64, i128)> {
    let (before, after) = text.split_once('笔')?;
    let digits: String = before.chars().rev().take_while(char::is_ascii_digit).collect();
    let count = digits.chars().rev().collect::<String>().parse().ok()?;
    let (_, after) = after.split_once('共')?;
    let (sum, _) = after.split_once('元')?;
    Some((count, i128::from(amount(sum.trim())?)))
}

/// Alipay's second file: one row that begins with 合计, under a header. Returns how many of its figures were compared.
fn compare_summary(figures: &Figures, text: &str) -> Result<u32, BillError> {
    let mut header: Option<(Vec<String>, char)> = None;
    let mut compared = 0;
    for line in text.lines() {
        if remark(line) {
            continue;
        }
        let Some((names, delimiter)) = &header else {
            for delimiter in [',', ';', '\t'] {
                let mut cells = Vec::new();
                split(line, delimiter, usize::MAX, &mut cells);
                let keys: Vec<String> = cells.iter().map(|cell| header_key(clean(cell))).collect();
                if keys.iter().any(|key| key == "交易订单总笔数") {
                    header = Some((keys, delimiter));
                    break;
                }
            }
            continue;
        };
        let mut cells = Vec::new();
        split(line, *delimiter, names.len(), &mut cells);
        if cells.first().is_none_or(|cell| clean(cell) != "合计") {
            continue;
        }
        for (name, cell) in names.iter().zip(&cells) {
            compared += u32::from(compare_summary_cell(figures, name, clean(cell))?);
        }
    }
    Ok(compared)
}

fn compare_summary_cell(figures: &Figures, name: &str, value: &str) -> Result<bool, BillError> {
    let count = match name {
        "交易订单总笔数" => Some(figures.payments.0),
        "退款订单总笔数" => Some(figures.refunds.0),
        _ => None,
    };
    if let Some(rows) = count {
        return match whole(value) {
            Some(told) if told == rows => Ok(true),
            told => Err(totals(name, told.map_or(value.to_owned(), |it: u64| it.to_string()), rows)),
        };
    }
    let all = |column: Column| figures.sums.all[column as usize];
    let sum = match name {
        "订单金额" => all(Column::Amount),
        "商家实收" => all(Column::Received),
        "服务费" => all(Column::Fee),
        "分润" => all(Column::Share),
        "实收净额" => all(Column::Received) + all(Column::Fee) + all(Column::Share),
        _ => return Ok(false),
    };
    match amount(value) {
        Some(told) if i128::from(told) == sum => Ok(true),
        _ => Err(totals(name, value, yuan(sum))),
    }
}

fn totals(what: &str, told: impl ToString, rows: impl ToString) -> BillError {
    BillError::Totals { what: what.to_owned(), told: told.to_string(), rows: rows.to_string() }
}

#[cfg(test)]
mod tests {
    use super::cell::{amount, time};
    use super::{BillError, Dialect, Figures, Line, LineKind, Reader, is_mangled, named_days};
    use crate::domain::money::Money;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const ALIPAY_HEAD: &str = "支付宝交易号,商户订单号,业务类型,完成时间,订单金额（元）,商家实收（元）,退款批次号/请求号,服务费（元）,分润（元）,备注";
    const WECHAT_HEAD: &str =
        "\u{feff}交易时间,微信订单号,商户订单号,交易状态,应结订单金额,商户退款单号,退款金额,退款状态,商品名称,手续费";
    const WECHAT_TOTALS: &str = "总交易单数,应结订单总金额,退款总金额,手续费总金额";

    /// An Alipay bill of these rows.
    fn alipay(rows: &[&str], totals: &str) -> String {
        let days = "#起始日期：[2026年11月05日 00:00:00]   终止日期：[2026年11月06日 00:00:00]";
        let end = "#-----业务明细列表结束-----";
        format!("#支付宝业务明细查询\r\n{days}\r\n{ALIPAY_HEAD}\r\n{}\r\n{end}\r\n{totals}", rows.join("\r\n"))
    }

    const PAID: &str = "2026\t,KB1\t,交易\t,2026-11-05 09:00:00\t,199.00\t,199.00\t,\t,-1.19\t,0.00\t,\t";
    const BACK: &str = "2026\t,KB1\t,退款\t,2026-11-05 10:00:00\t,-60.00\t,-60.00\t,KR1\t,0.36\t,0.00\t,\t";

    fn wechat(rows: &[&str], totals: &str) -> String {
        format!("{WECHAT_HEAD}\r\n{}\r\n{WECHAT_TOTALS}\r\n{totals}\r\n", rows.join("\r\n"))
    }

    const W_PAID: &str = "`2026-11-05 09:00:00,`4200,`KB2,`SUCCESS,`199.00,`,`0.00,`,`猫粮, 大包,`1.19400";
    const W_BACK: &str = "`2026-11-05 10:00:00,`4200,`KB2,`REFUND,`0.00,`KR2,`60.00,`SUCCESS,`x,`-0.36000";

    fn read(text: &str) -> Result<(Vec<Line>, Figures), BillError> {
        read_with(text, None)
    }

    fn read_with(text: &str, summary: Option<&str>) -> Result<(Vec<Line>, Figures), BillError> {
        let mut reader = Reader::new();
        let mut lines = Vec::new();
        for (row, text) in (1..).zip(text.split('\n')) {
            lines.extend(reader.row(row, text)?);
        }
        Ok((lines, reader.finish(summary)?))
    }

    fn fen(fen: i64) -> Money {
        Money::from_fen(fen)
    }

    #[test]
    fn alipays_rows_and_totals_are_read() {
        let totals =
            "#交易合计：1笔，商家实收共199.00元，商家优惠共0.00元\r\n#退款合计：1笔，商家实收退款共-60.00元\r\n";
        let (lines, figures) = read(&alipay(&[PAID, BACK], totals)).unwrap();
        let found: Vec<_> = lines.iter().map(|it| (it.kind, it.amount, it.fee, it.refund_no.as_str())).collect();
        assert_eq!(
            found,
            [(LineKind::Payment, fen(19_900), fen(119), ""), (LineKind::Refund, fen(-6_000), fen(-36), "KR1")]
        );
        assert_eq!(figures.dialect, Dialect::Alipay);
        assert_eq!((figures.payments, figures.refunds, figures.fees), ((1, fen(19_900)), (1, fen(6_000)), fen(83)));
        let day = "2026-11-05".parse().unwrap();
        assert_eq!((figures.named_days, figures.seen_days), (Some((day, day)), Some((day, day))));
    }

    #[test]
    fn wechats_rows_and_totals_are_read_and_fees_are_rounded() {
        let (lines, figures) = read(&wechat(&[W_PAID, W_BACK], "`2,`199.00,`60.00,`0.83400")).unwrap();
        let found: Vec<_> = lines.iter().map(|it| (it.kind, it.amount, it.fee, it.said.as_str())).collect();
        assert_eq!(
            found,
            [
                (LineKind::Payment, fen(19_900), fen(119), "SUCCESS"),
                (LineKind::Refund, fen(-6_000), fen(-36), "REFUND SUCCESS")
            ]
        );
        assert_eq!((figures.dialect, figures.rows, figures.fees), (Dialect::Wechat, 2, fen(83)));
    }

    #[test]
    fn what_a_spreadsheet_saved_reads_the_same() {
        let plain = read(&wechat(&[W_PAID, W_BACK], "`2,`199.00,`60.00,`0.83400")).unwrap();
        // No mark, no back-quotes, quotes where they are needed, times without seconds, amounts without zeros, padded rows.
        let saved = "交易时间;微信订单号;商户订单号;交易状态;应结订单金额;商户退款单号;退款金额;退款状态;商品名称;手续费\r\n\
            2026/11/5 9:00;4200;KB2;SUCCESS;199;;0;;\"猫粮, \"\"大包\"\"; 2\";1.194\r\n\
            2026/11/5 10:00;4200;KB2;REFUND;0;KR2;60;SUCCESS;x;-0.36\r\n\
            总交易单数;应结订单总金额;退款总金额;手续费总金额;;;;;;\r\n2;199;60;0.834;;;;;;\r\n";
        assert_eq!(read(saved).unwrap().0, plain.0);
        assert_eq!(read(&saved.replace(';', "\t").replace("大包\"\"\t", "大包\"\";")).unwrap().0, plain.0);
        let back_quotes = saved.replace("2026/11/5", "`2026/11/5").replace(";4200", ";`4200");
        assert_eq!(read(&back_quotes).unwrap().0, plain.0);
        let alipay = alipay(&[PAID], "#交易合计：1笔，金额共199.00元\r\n");
        let quoted =
            alipay.replace("#", "\"#").replace("元\r\n", "元\",,,,,,,,,\r\n").replace("查询\r", "查询\",,,,\r");
        assert_eq!(read(&quoted).unwrap().0, read(&alipay).unwrap().0);
    }

    #[test]
    fn totals_that_do_not_fit_are_named_with_both_figures() {
        let of = |what: &str, told: &str, rows: &str| {
            Err(BillError::Totals { what: what.into(), told: told.into(), rows: rows.into() })
        };
        for (totals, expected) in [
            ("`3,`199.00,`60.00,`0.83400", of("总交易单数", "3", "2")),
            ("`2,`199.01,`60.00,`0.83400", of("应结订单总金额", "199.01", "199.00")),
            ("`2,`199.00,`0.00,`0.83400", of("退款总金额", "0.00", "60.00")),
            ("`2,`199.00,`60.00,`0.83000", of("手续费总金额", "0.83", "0.834")),
        ] {
            assert_eq!(read(&wechat(&[W_PAID, W_BACK], totals)).map(|_| ()), expected, "{totals}");
        }
        for (totals, expected) in [
            ("#交易合计：2笔，金额共199.00元", of("交易合计", "2", "1")),
            ("#交易合计：1笔，金额共198.00元", of("交易合计", "198.00", "199.00")),
            ("#退款合计：1笔，金额共0.00元", of("退款合计", "1", "0")),
        ] {
            assert_eq!(read(&alipay(&[PAID], totals)).map(|_| ()), expected, "{totals}");
        }
        let summary = "#汇总\n门店编号,交易订单总笔数,退款订单总笔数,订单金额（元）,服务费（元）,实收净额（元）\n合计,1,0,199.00,-1.19,197.82\n";
        assert_eq!(read_with(&alipay(&[PAID], ""), Some(summary)).map(|_| ()), of("实收净额", "197.82", "197.81"));
        assert!(read_with(&alipay(&[PAID], ""), Some(&summary.replace("197.82", "197.81"))).is_ok());
    }

    #[test]
    fn a_file_that_is_cut_off_or_two_in_one_is_refused() {
        let whole = wechat(&[W_PAID], "`1,`199.00,`0.00,`1.19400");
        let cut = whole.split("总交易").next().unwrap();
        assert_eq!(read(cut).map(|_| ()), Err(BillError::NoTotals));
        assert_eq!(read(&format!("{cut}{WECHAT_TOTALS}\r\n")).map(|_| ()), Err(BillError::NoTotals));
        let end = alipay(&[PAID], "").find("#-----").unwrap();
        assert_eq!(read(&alipay(&[PAID], "")[..end]).map(|_| ()), Err(BillError::NoTotals));
        assert!(matches!(read(&format!("{whole}{W_PAID}\r\n")), Err(BillError::AfterTotals { row: 5 })));
        let twice = format!("{}{PAID}\r\n", alipay(&[PAID], "#交易合计：1笔，金额共199.00元\r\n"));
        assert!(matches!(read(&twice), Err(BillError::AfterTotals { .. })));
    }

    #[test]
    fn a_bad_cell_is_named() {
        let paid = |from: &str, to: &str| read(&alipay(&[&PAID.replace(from, to)], "")).map(|_| ());
        for (from, to, column) in [
            ("2026\t", "2.02611E+27\t", "支付宝交易号"),
            ("KB1", "1.23E+15", "商户订单号"),
            ("KB1", "4200002026110500000000000000", "商户订单号"),
        ] {
            assert!(
                matches!(paid(from, to), Err(BillError::Mangled { cell }) if cell.column == column && cell.row == 4),
                "{to}"
            );
        }
        for (from, to, column) in [
            ("KB1", "", "商户订单号"),
            ("2026-11-05 09:00:00", "gestern", "完成时间"),
            (",199.00\t,199.00", ",199.00\t,199.001", "商家实收"),
            (",199.00\t,199.00", ",-199.00\t,-199.00", "商家实收"),
            ("-1.19", "1e3", "服务费"),
        ] {
            assert!(matches!(paid(from, to), Err(BillError::Unreadable { cell }) if cell.column == column), "{to}");
        }
        assert!(matches!(paid("2026-11-05", "2026-11-06"), Err(BillError::OutsideDays { .. })));
        assert!(read(&alipay(&[PAID, &BACK.replace("2026-11-05", "2026-10-05")], "")).is_ok());
        assert!(matches!(paid("KB1\t,", "KB1,x\t,"), Err(BillError::CellCount { row: 4, found: 11, expected: 10 })));
        assert!(matches!(paid("KB1\t", "\"KB1\t"), Err(BillError::CellCount { .. })));
    }

    #[test]
    fn another_table_is_no_bill() {
        assert!(
            matches!(read("姓名,手机号\n王小明,1\n"), Err(BillError::NoHeader { found }) if found == "姓名,手机号")
        );
        let head = ALIPAY_HEAD.replace(",服务费（元）", "");
        assert_eq!(read(&head).map(|_| ()), Err(BillError::MissingColumns { missing: vec!["服务费"] }));
        assert!(matches!(read(""), Err(BillError::NoHeader { .. })));
    }

    #[test]
    fn a_bill_of_some_hours_is_the_whole_of_no_day_and_says_when_it_was_written() {
        let told = |period: &str, written: &str| {
            let text = format!(
                "#起始日期：[{}\r\n{ALIPAY_HEAD}\r\n{PAID}\r\n#列表结束\r\n#交易合计：1笔，金额共199.00元\r\n#导出时间：[{written}]\r\n",
                period
            );
            let figures = read(&text).unwrap().1;
            (figures.is_part_of_day, figures.written_at.map(|at| at.to_string()))
        };
        let written = "2026年11月05日 15:00:00";
        for (period, part) in [
            ("2026年11月05日 00:00:00]   终止日期：[2026年11月06日 00:00:00]", false),
            ("2026年11月05日 00:00:00]   终止日期：[2026年11月05日 23:59:59]", false),
            ("2026年11月05日 00:00:00]   终止日期：[2026年11月05日 15:00:00]", true),
            ("2026年11月05日 08:00:00]   终止日期：[2026年11月06日 00:00:00]", true),
        ] {
            assert_eq!(told(period, written), (part, Some("2026-11-05 15:00:00".to_owned())), "{period}");
        }
    }

    #[test]
    fn amounts_times_and_days_are_read_as_providers_and_spreadsheets_write_them() {
        for (text, raw) in [
            ("199.00", Some(19_900_000)),
            ("-1.19000", Some(-119_000)),
            ("0.00001", Some(1)),
            ("1,990.5", Some(199_050_000)),
            ("¥5", Some(500_000)),
            ("1.194000000", Some(119_400)),
            ("", None),
            (".5", None),
            ("1e3", None),
            ("0.000001", None),
            ("999999999999", None),
            ("--1", None),
            ("一百", None),
        ] {
            assert_eq!(amount(text), raw, "{text}");
        }
        for text in ["2026-11-05 09:00:00", "2026/11/5 9:00", "2026-11-05T09:00:00"] {
            assert_eq!(time(text).unwrap().to_string(), "2026-11-05 09:00:00", "{text}");
        }
        assert!(time("2026-11-05 24:00:00").is_none() && time("9:00").is_none() && time("").is_none());
        let day = |text: &str| text.parse().unwrap();
        let month = "#起始日期：[2026年11月01日 00:00:00]   终止日期：[2026年12月01日 00:00:00]";
        assert_eq!(named_days(month), Some((day("2026-11-01"), day("2026-11-30"))));
        let inclusive = month.replace("12月01日 00:00:00", "11月30日 23:59:59");
        assert_eq!(named_days(&inclusive), Some((day("2026-11-01"), day("2026-11-30"))));
        assert_eq!(named_days("#起始日期：]2026["), None);
    }

    #[test]
    fn a_shortened_number_is_seen_and_a_sound_one_is_not() {
        for text in ["1.23E+15", "2E+27", "2.02611E+27", "4200002026110500000000000000"] {
            assert!(is_mangled(text), "{text}");
        }
        for text in
            ["KB7K2QX9AB0100000007030001", "4200002026110512345678901234", "1E5", "E+5", "", "100000000000000000"]
        {
            assert!(!is_mangled(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), cells in proptest::collection::vec(any::<String>(), 0..12)) {
            drop(read(&text));
            drop(read(&alipay(&[&cells.join(",")], &text)));
            drop(read(&wechat(&[&text, &cells.join(",`")], &cells.join(","))));
            drop(read(&format!("#起始日期{text}\n{ALIPAY_HEAD}\n#交易合计{text}笔共{text}元")));
        }

        #[test]
        fn amounts_add_up_to_what_was_written(fen in proptest::collection::vec(0i64..100_000_000, 1..20)) {
            let money = |fen: i64| Money::from_fen(fen).to_string();
            let rows: Vec<String> = fen.iter().map(|it| PAID.replace("199.00", &money(*it))).collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let total = money(fen.iter().sum());
            let (lines, figures) = read(&alipay(&rows, &format!("#交易合计：{}笔，金额共{total}元", fen.len()))).unwrap();
            prop_assert_eq!(lines.iter().map(|it| it.amount.fen()).collect::<Vec<_>>(), fen.clone());
            prop_assert_eq!(figures.payments.1.fen(), fen.iter().sum::<i64>());
            let wrong = alipay(&rows, &format!("#交易合计：{}笔，金额共{}元", fen.len(), money(fen.iter().sum::<i64>() + 1)));
            prop_assert!(read(&wrong).is_err());
        }
    }
}
