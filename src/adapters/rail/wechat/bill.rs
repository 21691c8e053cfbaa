//! The trade bill of a day (payment facts 2.7), by v3 with its hash or by v2. Owns getting the bytes; reading them is reconciliation's.

use std::io::Read;

use chrono::NaiveDate;
use flate2::read::MultiGzDecoder;

use super::door::{BILL_BYTES, Miss, Said3};
use super::v2::SignType;
use super::xml::Fields;
use super::{BillVersion, Wechat, tables};
use crate::adapters::keys::sha1_hex;
use crate::adapters::rail::{BillFile, Trouble};
use crate::domain::rail::Reason;
use crate::t;

impl Wechat {
    /// The statement of one day.
    pub(super) fn statement(&self, day: NaiveDate) -> Result<BillFile, Trouble> {
        let bytes = match self.account.bill_version {
            BillVersion::V3 => self.statement_v3(day)?,
            BillVersion::V2 => self.statement_v2(day)?,
        };
        Ok(BillFile { name: format!("{}All{day}.csv", self.account.mch_id), bytes })
    }

    fn statement_v3(&self, day: NaiveDate) -> Result<Vec<u8>, Trouble> {
        let path = format!("/v3/bill/tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP");
        let answer = match self.v3("GET", &path, None).map_err(Miss::trouble)? {
            Said3::Fine(answer) => answer,
            Said3::Refused(word) if is_any(tables::NO_BILL, &word.code) => return Err(no_bill(word.code)),
            Said3::Refused(word) if is_any(tables::BILL_LATER, &word.code) => return Err(later(word.code)),
            Said3::Refused(word) => return Err(word.trouble(&[])),
        };
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        if !text("hash_type").eq_ignore_ascii_case("SHA1") {
            return Err(Miss::garbage("hash_type").trouble());
        }
        let bytes = unpacked(self.download(text("download_url")).map_err(Miss::trouble)?)?;
        if !sha1_hex(&bytes).eq_ignore_ascii_case(text("hash_value")) {
            return Err(Trouble::Unreachable { text: t!("the bill arrived damaged: its hash is another one") });
        }
        Ok(bytes)
    }

    /// Neither signed nor hashed: what is no bill is refused here, and its own totals are compared by whoever reads it.
    fn statement_v2(&self, day: NaiveDate) -> Result<Vec<u8>, Trouble> {
        let fields = Fields::new()
            .with("appid", self.account.appid.clone())
            .with("mch_id", self.account.mch_id.clone())
            .with("sign_type", "HMAC-SHA256")
            .with("bill_date", day.format("%Y%m%d").to_string())
            .with("bill_type", "ALL");
        let bytes = self.v2_raw("/pay/downloadbill", fields, SignType::HmacSha256).map_err(Miss::trouble)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Miss::garbage("downloadbill").trouble())?;
        let text = text.trim_start_matches('\u{feff}');
        if text.starts_with("交易时间") {
            return Ok(bytes);
        }
        let answer = Fields::read(text, "xml").map_err(|_| Miss::garbage("downloadbill").trouble())?;
        let said = answer.text("return_msg").to_owned();
        let code = answer.get("error_code").or(answer.get("err_code")).unwrap_or("FAIL").to_owned();
        if is_any(tables::NO_BILL, &said) {
            return Err(no_bill(code));
        }
        if is_any(tables::BILL_LATER, &said) {
            return Err(later(code));
        }
        Err(Trouble::Refused { reason: Reason::OurConfiguration, code, text: said })
    }
}

/// The text of a bill, packed or not. Its hash is made over the text.
fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>, Trouble> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_slice()).take(BILL_BYTES + 1).read_to_end(&mut text);
    match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= BILL_BYTES) => Ok(text),
        _ => Err(Miss::garbage("GZIP").trouble()),
    }
}

/// Whether `said` is one of `words`, without case and blanks.
fn is_any(words: &[&str], said: &str) -> bool {
    let said: String = said.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    words.contains(&said.as_str())
}

fn no_bill(code: String) -> Trouble {
    let text = t!("there is no bill: nothing was paid or refunded on this day");
    Trouble::Refused { reason: Reason::Other, code, text }
}

fn later(code: String) -> Trouble {
    Trouble::Refused { reason: Reason::Other, code, text: t!("the bill of this day is not ready yet") }
}

#[cfg(test)]
mod tests {
    use super::{is_any, tables};

    #[test]
    fn no_bill_and_not_yet_are_told_apart() {
        for (said, none, later) in [
            ("No Bill Exist", true, false),
            ("NO Bill Exist", true, false),
            ("NO_STATEMENT_EXIST", true, false),
            ("Bill Creating", false, true),
            ("STATEMENT_CREATING", false, true),
            ("invalid bill_date", false, false),
        ] {
            assert_eq!((is_any(tables::NO_BILL, said), is_any(tables::BILL_LATER, said)), (none, later), "{said}");
        }
    }
}
