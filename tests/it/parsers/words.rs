//! Single words that people type and files hold: amounts, dates, times, numbers of papers and records. What was read is shown, and
//! what is shown is read again as the same.

use std::fmt::Display;
use std::str::FromStr;

use kibble::adapters::page;
use kibble::domain::catalog::category;
use kibble::domain::customer::{IdNumber, PersonName, Phone, mask_name};
use kibble::domain::date::{clock_time, machine_moment};
use kibble::domain::id::{
    AgreementId, BillId, ChargeId, CustomerId, InstallmentId, LineId, MandateId, MessageId, OrderId, PetId, RefundId,
    RunId,
};
use kibble::domain::money::Money;
use kibble::domain::pet::{ChipNumber, Sex, Species};
use kibble::domain::recon::Subject;
use kibble::domain::report::{Period, ledger_text, text_for_csv};
use kibble::domain::sheet;
use kibble::ops::{read_day, read_money, read_now, read_span};
use kibble::text::Lang;

use super::outside::now;
use super::{Parser, size, texts};

pub const ALL: &[Parser] = &[
    Parser { name: "amount", read: amount, samples: sample_amounts, growth: 40, cases: 256 },
    Parser { name: "date or time", read: time, samples: sample_times, growth: 60, cases: 256 },
    Parser { name: "id", read: id, samples: sample_ids, growth: 40, cases: 256 },
    Parser { name: "person, phone, paper", read: person, samples: sample_people, growth: 60, cases: 256 },
    Parser { name: "word of a provider or a book", read: word, samples: sample_words, growth: 60, cases: 256 },
    Parser { name: "command line", read: command, samples: sample_commands, growth: 60, cases: 64 },
];

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn amount(input: &[u8]) -> usize {
    let text = text(input);
    if let Ok(amount) = text.parse::<Money>() {
        assert_eq!(amount.to_string().parse(), Ok(amount), "{text}");
        assert_eq!(amount.yuan().replacen("-¥", "-", 1).parse(), Ok(amount), "{text}");
        assert_eq!(-(-amount), amount);
    }
    size(&(
        text.parse::<Money>(),
        read_money(&text).is_ok(),
        kibble::ops::catalog::read_price(&text).is_ok(),
        sheet::whole(&text),
    ))
}

fn time(input: &[u8]) -> usize {
    let text = text(input);
    if let Ok(day) = sheet::date(&text) {
        assert_eq!(sheet::date(&day.to_string()), Ok(day), "{text}");
    }
    let zones = [chrono_tz::Asia::Shanghai, chrono_tz::America::New_York, chrono_tz::Australia::Lord_Howe];
    let moments = zones.map(|zone| read_now(&text, zone).ok());
    for moment in moments.into_iter().chain([machine_moment(&text)]).flatten() {
        // A year can be added and taken away, and it is written with four digits.
        assert!((moment + chrono::Duration::days(366)) > moment && moment.to_rfc3339().find('-') == Some(4), "{text}");
    }
    if let Ok(span) = read_span(&text) {
        assert!(now() + span > now());
    }
    let hour = clock_time::<serde_json::Error>(&text).ok();
    size(&(read_day(&text).is_ok(), moments, hour, Period::month(&text)))
}

fn id(input: &[u8]) -> usize {
    let text = text(input);
    reads_back::<CustomerId>(&text);
    reads_back::<PetId>(&text);
    reads_back::<AgreementId>(&text);
    reads_back::<MandateId>(&text);
    reads_back::<ChargeId>(&text);
    reads_back::<RefundId>(&text);
    reads_back::<RunId>(&text);
    reads_back::<OrderId>(&text);
    reads_back::<MessageId>(&text);
    reads_back::<BillId>(&text);
    reads_back::<LineId>(&text);
    reads_back::<InstallmentId>(&text);
    reads_back::<Subject>(&text);
    0
}

fn reads_back<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert!(id.to_string().parse::<T>().is_ok_and(|again| again == id), "{text}");
    }
}

fn person(input: &[u8]) -> usize {
    let text = text(input);
    let (paper, phone, name) =
        (IdNumber::parse(&text, now().date_naive()), Phone::parse(&text), PersonName::parse(&text));
    if let Ok(paper) = &paper {
        assert_eq!(IdNumber::parse(paper.reveal(), now().date_naive()).as_ref(), Ok(paper));
        assert!(!format!("{paper:?}").contains(paper.reveal()) && !paper.masked().contains(paper.reveal()));
        paper.is_female();
    }
    if let Ok(phone) = &phone {
        assert_eq!(Phone::parse(phone.reveal()).as_ref(), Ok(phone));
        assert!(!format!("{phone:?}").contains(phone.reveal()));
        phone.is_virtual_operator();
    }
    let chip = ChipNumber::parse(&text).map(|chip| chip.as_str().to_owned());
    size(&(paper, phone, name, mask_name(&text), chip.is_ok(), Species::from_text(&text), Sex::from_text(&text)))
}

fn word(input: &[u8]) -> usize {
    let text = text(input);
    let shown = page::words(input);
    assert!(shown.chars().count() <= 200 && !shown.contains('\n'), "{shown}");
    let names =
        (category(&text), Lang::from_word(&text), page::discreet(&text), ledger_text(&text), text_for_csv(&text));
    size(&(shown, names, sheet::tidy(&text), sheet::tidy_prose(&text), sheet::guarded(&text)))
}

fn command(input: &[u8]) -> usize {
    let text = text(input);
    let words = std::iter::once("kibble").chain(text.split([' ', '\n']));
    match kibble::cli::plain_command().try_get_matches_from(words) {
        Ok(_) => 0,
        Err(error) => error.to_string().len(),
    }
}

fn sample_amounts() -> Vec<Vec<u8>> {
    texts(&["199", "¥1,990.00", "-12.30", "150元", "10000000000", "0.01", "24期", "9223372036854775807"])
}

fn sample_times() -> Vec<Vec<u8>> {
    texts(&[
        "2026-11-05",
        "2026-11-05T09:00",
        "2026-11-05 09:00:00",
        "2026-11-05T09:00:00+08:00",
        "9999-12-31T23:59:59-12:00",
        "2026年11月5日",
        "46031",
        "20260109",
        "2026-11",
        "30m",
        "1d",
        "24:00",
        "2026-10-04T02:15",
    ])
}

fn sample_ids() -> Vec<Vec<u8>> {
    texts(&["c-12", "a-7/3", "l-1", "k-9223372036854775807", "m-00"])
}

fn sample_people() -> Vec<Vec<u8>> {
    texts(&[
        "119999198506150016",
        "１１９９９９ 19850615 001x",
        "830000199201300022",
        "+86 199-0000-0001",
        "8619900000001",
        "王小明",
        "156000000000001",
        "猫",
        "1.19999E+17",
    ])
}

fn sample_words() -> Vec<Vec<u8>> {
    texts(&[
        "<html><script>x</script><p>系统繁忙 13800000000</p></html>",
        "主粮",
        "=1+1",
        "zh_CN.UTF-8",
        "\u{feff}　a\t",
        "+00012",
    ])
}

fn sample_commands() -> Vec<Vec<u8>> {
    texts(&[
        "debit run --dry-run --json",
        "wallet show 王小明 --lang zh",
        "sign --plan cat-199-12 --rail alipay --customer c-1",
        "--now 2026-11-05T09:00 sandbox fault alipay --kind down --for 2h",
    ])
}
