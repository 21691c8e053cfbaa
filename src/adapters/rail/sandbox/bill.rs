//! Bills in the providers' own file formats (payment facts 1.9 and 2.7), so that reconciling can be rehearsed. Owns the bytes;
//! what happened on the day comes from the book.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;

use super::book::Page;
use super::rows::{Order, Refund};
use super::rules;
use crate::adapters::rail::{BillFile, BillPeriod};
use crate::domain::date::{At, days_in_month, plus_days};
use crate::domain::money::Money;
use crate::domain::rail::Profile;

/// The merchant's number at the pretended Alipay.
const ALIPAY_ACCOUNT: &str = "2088000000000022";
/// The merchant's number at the pretended WeChat Pay.
const WECHAT_MCHID: &str = "1900000022";

const ALIPAY_COLUMNS: [&str; 25] = [
    "支付宝交易号",
    "商户订单号",
    "业务类型",
    "商品名称",
    "创建时间",
    "完成时间",
    "门店编号",
    "门店名称",
    "操作员",
    "终端号",
    "对方账户",
    "订单金额（元）",
    "商家实收（元）",
    "支付宝红包（元）",
    "集分宝（元）",
    "支付宝优惠（元）",
    "商家优惠（元）",
    "券核销金额（元）",
    "券名称",
    "商家红包消费金额（元）",
    "卡消费金额（元）",
    "退款批次号/请求号",
    "服务费（元）",
    "分润（元）",
    "备注",
];

const WECHAT_COLUMNS: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,\
付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,\
手续费,费率,订单金额,申请退款金额,费率备注";

const WECHAT_TOTALS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";

/// First and last day of a bill.
pub(super) fn days(period: BillPeriod) -> (NaiveDate, NaiveDate) {
    match period {
        BillPeriod::Day(day) => (day, day),
        BillPeriod::Month(day) => {
            let on = |number| day.with_day(number).unwrap_or(day);
            (on(1), on(days_in_month(day)))
        }
    }
}

/// How a file name tells the days.
fn stamp(period: BillPeriod) -> String {
    match period {
        BillPeriod::Day(day) => day.format("%Y%m%d").to_string(),
        BillPeriod::Month(day) => day.format("%Y%m").to_string(),
    }
}

/// What happened on the days of a bill on a rail.
pub(super) struct Days {
    first: NaiveDate,
    last: NaiveDate,
    zone: Tz,
    paid: Vec<Order>,
    refunds: Vec<(Refund, Order)>,
}

impl Days {
    /// Reads the days from the book.
    pub(super) fn read(
        page: &Page<'_>,
        rail: &str,
        profile: &Profile,
        first: NaiveDate,
        last: NaiveDate,
    ) -> anyhow::Result<Days> {
        let (from, to) = (rules::day_bounds(profile, first).0, rules::day_bounds(profile, last).1);
        let paid = page.paid_between(rail, from, to)?;
        let mut refunds = Vec::new();
        for refund in page.refunded_between(rail, from, to)? {
            let order = page.order(rail, &refund.order_no)?.context("a refund has its order")?;
            refunds.push((refund, order));
        }
        Ok(Days { first, last, zone: profile.timezone, paid, refunds })
    }

    /// True when nothing was paid or refunded.
    pub(super) fn is_empty(&self) -> bool {
        self.paid.is_empty() && self.refunds.is_empty()
    }

    /// Every line by time and number; a charge before a refund of the same second.
    fn lines(&self) -> BTreeMap<(At, u8, &str), Line<'_>> {
        let mut lines = BTreeMap::new();
        for order in &self.paid {
            let at = order.paid_at.unwrap_or(order.created_at);
            lines.insert((at, 0, order.order_no.as_str()), Line { order, refund: None });
        }
        for (refund, order) in &self.refunds {
            lines.insert((refund.at, 1, refund.refund_no.as_str()), Line { order, refund: Some(refund) });
        }
        lines
    }

    fn wall(&self, at: At) -> String {
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// A charge, or a refund of one.
struct Line<'d> {
    order: &'d Order,
    refund: Option<&'d Refund>,
}

/// Alipay's business detail: GBK, CRLF, `#` lines round a table of 25 columns whose values end in a tab. Refunds are negative
/// amounts; the fee is negative on a payment and positive where it comes back.
pub(super) fn alipay(day: &Days, period: BillPeriod) -> anyhow::Result<BillFile> {
    let next = plus_days(day.last, 1);
    let mut text = format!(
        "#支付宝业务明细查询\r\n#账号：[{ALIPAY_ACCOUNT}]\r\n#起始日期：[{} 00:00:00]   终止日期：[{} 00:00:00]\r\n\
         #-----------------------------------------业务明细列表----------------------------------------\r\n",
        day.first.format("%Y年%m月%d日"),
        next.format("%Y年%m月%d日"),
    );
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    table.write_record(ALIPAY_COLUMNS)?;
    for ((at, _, _), line) in day.lines() {
        table.write_record(alipay_row(day, at, &line))?;
    }
    text.push_str(&String::from_utf8(table.into_inner()?)?);
    let count = |lines: usize, sum: Money, what: &str| format!("#{what}合计：{lines}笔，金额共{sum}元\r\n");
    text.push_str("#-----------------------------------------业务明细列表结束------------------------------------\r\n");
    text.push_str(&count(day.paid.len(), day.paid.iter().map(|it| it.amount).sum(), "交易"));
    text.push_str(&count(day.refunds.len(), day.refunds.iter().map(|(it, _)| -it.amount).sum(), "退款"));
    text.push_str(&format!("#导出时间：[{} 09:00:00]\r\n", next.format("%Y年%m月%d日")));
    let (bytes, _, _) = encoding_rs::GBK.encode(&text);
    let name = format!("{ALIPAY_ACCOUNT}_{}_业务明细.csv", stamp(period));
    Ok(BillFile { name, bytes: bytes.into_owned() })
}

fn alipay_row(day: &Days, at: At, line: &Line<'_>) -> Vec<String> {
    let order = line.order;
    let (kind, amount, fee, request) = match line.refund {
        None => ("交易", order.amount, -order.fee, ""),
        Some(refund) => ("退款", -refund.amount, refund.fee_back, refund.refund_no.as_str()),
    };
    let nothing = Money::ZERO.to_string();
    let mut row: Vec<String> = vec![
        order.trade_no.clone().unwrap_or_default(),
        order.order_no.clone(),
        kind.to_owned(),
        plain(&order.subject).into_owned(),
        day.wall(order.created_at),
        day.wall(at),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        order.payer.clone().unwrap_or_default(),
        amount.to_string(),
        amount.to_string(),
    ];
    row.extend(std::iter::repeat_n(nothing.clone(), 5));
    row.push(String::new());
    row.extend(std::iter::repeat_n(nothing.clone(), 2));
    row.extend([request.to_owned(), fee.to_string(), nothing, String::new()]);
    row.iter_mut().for_each(|value| value.push('\t'));
    row
}

/// WeChat's trade bill: UTF-8 with BOM, CRLF, every value behind a backtick, captions and totals at the end. The fee is
/// positive on a payment and negative where it comes back.
pub(super) fn wechat(day: &Days, fee_bps: i64) -> BillFile {
    let mut text = format!("\u{feff}{WECHAT_COLUMNS}\r\n");
    let lines = day.lines();
    for ((at, _, _), line) in &lines {
        text.push_str(&ticked(&wechat_row(day, *at, line, fee_bps)));
    }
    let paid: Money = day.paid.iter().map(|it| it.amount).sum();
    let back: Money = day.refunds.iter().map(|(it, _)| it.amount).sum();
    let fees: Money = day.paid.iter().map(|it| it.fee).sum();
    let fees_back: Money = day.refunds.iter().map(|(it, _)| it.fee_back).sum();
    text.push_str(WECHAT_TOTALS);
    text.push_str("\r\n");
    text.push_str(&ticked(&[
        lines.len().to_string(),
        paid.to_string(),
        back.to_string(),
        Money::ZERO.to_string(),
        five_places(fees - fees_back),
        paid.to_string(),
        back.to_string(),
    ]));
    BillFile { name: format!("{WECHAT_MCHID}All{}.csv", day.last), bytes: text.into_bytes() }
}

fn wechat_row(day: &Days, at: At, line: &Line<'_>, fee_bps: i64) -> Vec<String> {
    let order = line.order;
    let nothing = Money::ZERO.to_string();
    let kind = if order.contract_no.is_some() { "PAP" } else { "NATIVE" };
    let (state, paid, fee) = match line.refund {
        None => ("SUCCESS", order.amount, order.fee),
        Some(refund) => ("REFUND", Money::ZERO, -refund.fee_back),
    };
    let (refund_trade, refund_no, back, back_kind, back_state) = match line.refund {
        None => ("", "", Money::ZERO, "", ""),
        Some(it) => {
            (it.trade_no.as_deref().unwrap_or_default(), it.refund_no.as_str(), it.amount, "ORIGINAL", "SUCCESS")
        }
    };
    vec![
        day.wall(at),
        "wx0000000000000022".to_owned(),
        WECHAT_MCHID.to_owned(),
        "0".to_owned(),
        String::new(),
        order.trade_no.clone().unwrap_or_default(),
        order.order_no.clone(),
        order.payer.clone().unwrap_or_default(),
        kind.to_owned(),
        state.to_owned(),
        "OTHERS".to_owned(),
        "CNY".to_owned(),
        paid.to_string(),
        nothing.clone(),
        refund_trade.to_owned(),
        refund_no.to_owned(),
        back.to_string(),
        nothing,
        back_kind.to_owned(),
        back_state.to_owned(),
        plain(&order.subject).into_owned(),
        String::new(),
        five_places(fee),
        format!("{}.{:02}%", fee_bps / 100, fee_bps % 100),
        paid.to_string(),
        back.to_string(),
        String::new(),
    ]
}

/// `` `a,`b `` and the end of the line.
fn ticked(values: &[String]) -> String {
    format!("`{}\r\n", values.join(",`"))
}

/// WeChat writes fees with five decimals.
fn five_places(fee: Money) -> String {
    format!("{fee}000")
}

/// A subject that cannot break a line or a value.
fn plain(subject: &str) -> Cow<'_, str> {
    if subject.contains(['\r', '\n', '\t', '`']) {
        Cow::Owned(subject.replace(['\r', '\n', '\t', '`'], " "))
    } else {
        Cow::Borrowed(subject)
    }
}
