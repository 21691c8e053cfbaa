//! The sentences of what was signed that allow or forbid something: quoted from the very text of the agreement, by their number in the
//! built-in template. A shop's own text has other numbers, and an imported agreement was signed on paper: both are said, not guessed.

use anyhow::Result;

use crate::db;
use crate::domain::agreement::{Agreement, AgreementSource};
use crate::domain::statement::Cause;
use crate::ops::Ctx;
use crate::ops::why::{Kind, Story};
use crate::t;

/// Debit day, first and last debit.
pub const DEBIT_DAY: &str = "3.1";
/// What the mandate allows, and that it can be revoked.
pub const MANDATE: &str = "3.2";
/// The reminder 48 hours ahead.
pub const NOTICE: &str = "3.3";
/// What follows a debit that failed.
pub const FAILED: &str = "3.4";
/// What reminders of overdue terms may do, and when.
pub const REMINDERS: &str = "3.5";
/// What the wallet is for.
pub const WALLET: &str = "4.1";
/// That it is not paid out while the agreement runs.
pub const NO_PAYOUT: &str = "4.3";
/// At which prices it pays.
pub const PRICES: &str = "4.5";
/// The pet died or was lost.
pub const PET_GONE: &str = "5.4";
/// Leaving within the cooling-off days; an article of one sentence without a number of its own.
pub const COOLING_OFF: &str = "6";
/// Termination, and that debits stop.
pub const TERMINATION: &str = "7.1";
/// What goes back, and by when.
pub const SETTLEMENT: &str = "7.2";
/// After two unpaid terms.
pub const TWO_UNPAID: &str = "7.5";

/// Puts what was signed, and those of its sentences with these numbers, at the beginning of a story.
pub fn put(story: &mut Story, ctx: &Ctx, it: &Agreement, numbers: &[&str]) -> Result<()> {
    let (terms, monthly, day) = (it.terms, it.monthly.yuan(), it.anchor_day);
    if it.source == AgreementSource::Imported {
        let said = t!(
            "agreement {no} from the shop's earlier book: {terms} × {monthly}, on day {day} of each month; its sentences stand on the paper that was signed",
            no = it.no,
            terms = terms,
            monthly = monthly,
            day = day
        );
        story.first(Some(it.signed_at), it.id, Kind::Agreement, said);
        return Ok(());
    }
    let said = t!(
        "agreement {no} was signed: {terms} × {monthly}, on day {day} of each month",
        no = it.no,
        terms = terms,
        monthly = monthly,
        day = day
    );
    story.first(Some(it.signed_at), it.id, Kind::Agreement, said);
    let text = db::agreement::text(ctx.db.read(), it.id)?;
    // `agreement.zh v2 …`: only of the built-in text do we know what stands under which number.
    let built_in = it.template.split(' ').nth(1).is_some_and(|version| version.starts_with('v'));
    let Some(text) = text.filter(|_| built_in) else {
        let said = match built_in {
            true => t!("the text that was signed cannot be read any more"),
            false => t!(
                "the shop's own text was signed; read it with `kibble agreement text {agreement}`",
                agreement = it.id
            ),
        };
        story.first(Some(it.signed_at), it.id, Kind::Clause, said);
        return Ok(());
    };
    for number in numbers {
        let Some(sentence) = sentence(&text, number) else { continue };
        let said = match law(number) {
            Some(law) => t!("clause {number}: {sentence} ({law})", number = number, sentence = sentence, law = law),
            None => t!("clause {number}: {sentence}", number = number, sentence = sentence),
        };
        story.first(Some(it.signed_at), format!("{} §{number}", it.id), Kind::Clause, said);
    }
    Ok(())
}

/// Whether an agreement ended within its cooling-off days: then its article about them holds, and not those about other ends.
pub fn is_cooling_off(it: &Agreement) -> bool {
    it.end_cause.as_deref() == Some(Cause::CoolingOff.word())
}

/// The sentence with this number: a line of the text that begins with it.
fn sentence<'a>(text: &'a str, number: &str) -> Option<&'a str> {
    if number == COOLING_OFF {
        let is_heading = |line: &&str| line.starts_with("第六条") || line.starts_with("Article 6 ");
        return text.lines().skip_while(|line| !is_heading(line)).nth(1).map(str::trim);
    }
    text.lines().find_map(|line| line.strip_prefix(number)?.strip_prefix(' ')).map(str::trim)
}

/// The law that a sentence follows, where it follows one (domain facts 1.3, 1.4).
fn law(number: &str) -> Option<String> {
    match number {
        WALLET | PRICES => Some(t!("Consumer Law, implementing regulations, article 22")),
        TERMINATION => Some(t!("Consumer Law, implementing regulations, article 17")),
        COOLING_OFF => Some(t!("prepaid consumption, judicial interpretation of 2025, article 14")),
        SETTLEMENT => Some(t!("prepaid consumption, judicial interpretation of 2025, articles 15 to 17")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        COOLING_OFF, DEBIT_DAY, FAILED, MANDATE, NO_PAYOUT, NOTICE, PET_GONE, PRICES, REMINDERS, SETTLEMENT,
        TERMINATION, TWO_UNPAID, WALLET, sentence,
    };

    /// A clause whose number moved in a template would be quoted for something it does not say.
    #[test]
    fn every_clause_stands_under_its_number_in_both_templates() {
        let zh = include_str!("../../text/templates/agreement.zh.txt.j2");
        let en = include_str!("../../text/templates/agreement.en.txt.j2");
        for (number, in_zh, in_en) in [
            (DEBIT_DAY, "扣款日为每月", "The debit day is"),
            (MANDATE, "授权代扣", "authorises debits"),
            (NOTICE, "48小时", "48 hours before"),
            (FAILED, "扣款失败", "If a debit fails"),
            (REMINDERS, "逾期期间", "No late fee"),
            (WALLET, "等额计入", "credited to Party B's pet wallet"),
            (NO_PAYOUT, "不办理提现", "not paid out"),
            (PRICES, "价目表", "price list"),
            (PET_GONE, "停止后续扣款", "further debits stop"),
            (COOLING_OFF, "无理由退出", "withdraw without reasons"),
            (TERMINATION, "随时解除", "may terminate at any time"),
            (SETTLEMENT, "应退金额", "Refund ="),
            (TWO_UNPAID, "连续两期未付", "two consecutive instalments"),
        ] {
            assert!(sentence(zh, number).unwrap().contains(in_zh), "{number}");
            assert!(sentence(en, number).unwrap().contains(in_en), "{number}");
        }
        assert_eq!(sentence("3.10 x\n3.1 y", "3.1"), Some("y"));
        assert_eq!(sentence("13.1 x", "3.1"), None);
    }
}
