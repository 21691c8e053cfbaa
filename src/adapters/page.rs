//! What came in place of an answer, made readable: a gateway's error page, in whatever encoding, without its tags and without what could
//! be personal.

use std::borrow::Cow;

/// Characters kept of a page.
const PAGE_CHARS: usize = 120;
/// Digits in a row that could be somebody's phone, card or ID number.
const PERSONAL_DIGITS: usize = 11;

/// The words of a page in UTF-8 or GBK, in one line; empty where there are none.
pub fn words(body: &[u8]) -> String {
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::GBK.decode(body).0,
    };
    discreet(&without_tags(&text))
}

/// A provider's words without what could be a phone, a card or an ID number.
pub fn discreet(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut digits = String::new();
    for c in words.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        match digits.len() >= PERSONAL_DIGITS {
            true => shown.push_str("***"),
            false => shown.push_str(&digits),
        }
        digits.clear();
        shown.push(c);
    }
    shown.trim_end().to_owned()
}

/// The words of a page, without its tags, scripts and styles, in one line.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        rest = &rest[start..];
        let lower = rest.get(..7).unwrap_or_default().to_ascii_lowercase();
        let end = if lower.starts_with("<script") {
            rest.find("</script>")
        } else if lower.starts_with("<style") {
            rest.find("</style>")
        } else {
            Some(0)
        };
        match end.and_then(|end| rest[end..].find('>').map(|close| end + close)) {
            Some(close) => rest = &rest[close + 1..],
            None => rest = "",
        }
    }
    text.push_str(rest);
    let shown: String =
        text.chars().filter(|c| !c.is_control() || c.is_whitespace()).filter(|c| *c != '\u{fffd}').collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(PAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{PAGE_CHARS, discreet, without_tags, words};

    #[test]
    fn a_page_is_told_in_its_words() {
        let page = "<html><head><style>p { a: b }</style><script>if (a < b) { x() }</script></head><body><p>系统繁忙</p>\n 稍后再试</body>";
        assert_eq!(without_tags(page), "系统繁忙 稍后再试");
        assert_eq!(without_tags("garbage \u{0}<never closed"), "garbage");
    }

    #[test]
    fn numbers_of_people_are_not_shown() {
        assert_eq!(discreet("买家13800000000余额不足"), "买家***余额不足");
        assert_eq!(discreet("order 123 of 2026"), "order 123 of 2026");
        assert_eq!(discreet("证件11010119900101001X"), "证件***X");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_told_in_a_line(bytes in any::<Vec<u8>>(), page in "[<>/a1猫\n]{0,80}|<script>.{0,20}|<style>.{0,20}</style>.{0,9}") {
            for shown in [words(&bytes), words(page.as_bytes())] {
                prop_assert!(shown.chars().count() <= PAGE_CHARS && !shown.contains('\n'), "{shown}");
            }
        }
    }
}
