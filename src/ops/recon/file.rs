//! A bill's bytes: plain or inside a zip, in UTF-8, UTF-16 or GBK, read row by row without ever holding the whole text. Caps what a
//! hostile file can cost. What a row says is `domain/bill`.

use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result};
use encoding_rs::{DecoderResult, Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};
use ring::digest;
use zip::ZipArchive;

use crate::adapters::keys::hex;
use crate::domain::bill::{BillError, CellName, Dialect, Figures, Line, Reader};
use crate::fault::Fault;
use crate::t;

/// The largest file, packed or plain: a month of a million lines of WeChat's takes about 400 MB.
const FILE_LIMIT: u64 = 1 << 30;
/// The largest zip.
const ZIP_LIMIT: u64 = 1 << 28;
/// The largest text inside a zip.
const TEXT_LIMIT: u64 = 1 << 30;
/// The largest file with the sums of a bill; it has one row per branch.
const SUMMARY_LIMIT: u64 = 1 << 20;
/// A zip of a bill holds two files.
const MEMBERS: usize = 32;
/// The longest row.
const ROW_LIMIT: usize = 64 * 1024;
const CHUNK: usize = 64 * 1024;

/// What a bill can be read from: a file, or bytes that a rail gave.
pub(super) trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// A bill that was opened.
pub(super) struct Opened<'b> {
    /// The file's name.
    pub(super) name: String,
    /// SHA-256 of its bytes, hex.
    pub(super) sha256: String,
    bytes: Box<dyn Bytes + 'b>,
    member: Option<Members>,
}

/// Which files of a zip are the bill and its sums.
struct Members {
    detail: usize,
    summary: Option<usize>,
}

/// What the rows go to; an error stops the reading.
type Visit<'v> = &'v mut dyn FnMut(Line) -> Result<()>;

impl<'b> Opened<'b> {
    /// Looks at the bytes: their hash, and where in them the bill is.
    ///
    /// # Errors
    /// When they cannot be read, are too large, or are no file that can hold a bill.
    pub(super) fn new(name: &str, mut bytes: Box<dyn Bytes + 'b>) -> Result<Opened<'b>> {
        let sha256 = hash(name, &mut bytes)?;
        bytes.rewind().with_context(|| unreadable(name))?;
        let mut start = Vec::new();
        bytes.by_ref().take(8).read_to_end(&mut start).with_context(|| unreadable(name))?;
        bytes.rewind().with_context(|| unreadable(name))?;
        let refuse = |why: String, fix: String| Err(refused(name, &why).hint(fix).into());
        if start.is_empty() {
            return refuse(t!("the file is empty"), t!("download it again"));
        }
        if start.starts_with(b"\xd0\xcf\x11\xe0") {
            return refuse(t!("it is a workbook"), t!("save it as CSV, then import that file"));
        }
        let mut opened = Opened { name: name.to_owned(), sha256, bytes, member: None };
        if start.starts_with(b"PK\x03\x04") {
            opened.member = Some(opened.look_into()?);
        }
        Ok(opened)
    }

    /// Who wrote it: reads no further than the header.
    ///
    /// # Errors
    /// When it is no bill.
    pub(super) fn dialect(&mut self) -> Result<Dialect> {
        let name = self.name.clone();
        let mut reader = Reader::new();
        self.rows(&mut |row, text| {
            reader.row(row, text).map_err(|error| bill_refused(&name, &error))?;
            Ok(reader.dialect().is_none())
        })?;
        match reader.dialect() {
            Some(dialect) => Ok(dialect),
            None => Err(reader.finish(None).map_or_else(
                |error| bill_refused(&name, &error),
                |_| Fault::broken("a bill has a header".to_owned()).into(),
            )),
        }
    }

    /// Reads the bill: `visit` gets every line, and the figures come once its totals fit its rows.
    ///
    /// # Errors
    /// Those of `visit`, and when the file is no sound bill.
    pub(super) fn read(&mut self, visit: Visit<'_>) -> Result<Figures> {
        let name = self.name.clone();
        let mut reader = Reader::new();
        self.rows(&mut |row, text| {
            if let Some(line) = reader.row(row, text).map_err(|error| bill_refused(&name, &error))? {
                visit(line)?;
            }
            Ok(true)
        })?;
        let summary = self.summary()?;
        reader.finish(summary.as_deref()).map_err(|error| bill_refused(&name, &error))
    }

    fn archive(&mut self) -> Result<ZipArchive<&mut Box<dyn Bytes + 'b>>> {
        let name = self.name.clone();
        ZipArchive::new(&mut self.bytes).map_err(|_| refused(&name, &t!("the zip is damaged")).into())
    }

    fn look_into(&mut self) -> Result<Members> {
        let name = self.name.clone();
        let named = announced_members(&name, &mut *self.bytes)?;
        if named > MEMBERS {
            return Err(refused(&name, &t!("the zip holds {count} files", count = named)).into());
        }
        let mut archive = self.archive()?;
        let (mut detail, mut plain, mut summary) = (None, Vec::new(), None);
        for place in 0..archive.len() {
            let member = archive.by_index_raw(place).map_err(|_| refused(&name, &t!("the zip is damaged")))?;
            let inside = member_name(member.name_raw());
            if inside.starts_with("xl/") || inside.ends_with(".xlsx") {
                return Err(refused(&name, &t!("it is a workbook"))
                    .hint(t!("save it as CSV, then import that file"))
                    .into());
            }
            if inside.contains("汇总") {
                summary = Some(place);
            } else if inside.contains("业务明细") {
                detail = Some(place);
            } else if inside.to_ascii_lowercase().ends_with(".csv") {
                plain.push(place);
            }
        }
        let detail = match (detail, plain.as_slice()) {
            (Some(place), _) => place,
            (None, [place]) => *place,
            _ => return Err(refused(&name, &t!("there is no bill in the zip")).into()),
        };
        Ok(Members { detail, summary })
    }

    /// The text of Alipay's file with the sums.
    fn summary(&mut self) -> Result<Option<String>> {
        let Some(place) = self.member.as_ref().and_then(|member| member.summary) else { return Ok(None) };
        let name = self.name.clone();
        let damaged = || refused(&name, &t!("the zip is damaged"));
        let mut archive = self.archive()?;
        let mut bytes = Vec::new();
        let member = archive.by_index(place).map_err(|_| damaged())?;
        member.take(SUMMARY_LIMIT + 1).read_to_end(&mut bytes).map_err(|_| damaged())?;
        if bytes.len() as u64 > SUMMARY_LIMIT {
            return Err(too_large(&name));
        }
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => GB18030.decode_without_bom_handling(&bytes).0,
        };
        Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
    }

    /// Visits the rows of the text, until `visit` says that it has enough.
    fn rows(&mut self, visit: &mut dyn FnMut(u64, &str) -> Result<bool>) -> Result<()> {
        let name = self.name.clone();
        let codec = self.with_text(|text| detect(&name, text))?;
        self.with_text(|text| each_row(&name, text, codec, visit))
    }

    fn with_text<T>(&mut self, work: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let name = self.name.clone();
        match self.member.as_ref().map(|member| member.detail) {
            None => {
                self.bytes.seek(SeekFrom::Start(0)).with_context(|| unreadable(&name))?;
                work(&mut self.bytes)
            }
            Some(place) => {
                let mut archive = self.archive()?;
                let mut member = archive.by_index(place).map_err(|_| refused(&name, &t!("the zip is damaged")))?;
                work(&mut member)
            }
        }
    }
}

/// How many files the end of a zip announces: looked at first, because opening a zip makes room for every one of them. The large
/// form of the end (zip64), which may announce any number, is refused: a bill needs neither 65,536 files nor four gigabytes.
fn announced_members(name: &str, bytes: &mut dyn Bytes) -> Result<usize> {
    /// What leads to the large form stands right before the end record.
    const LARGE: usize = 20;
    /// That, the end record, and the longest remark behind it.
    const TAIL: u64 = LARGE as u64 + 4 + 22 + 65_536;
    let size = bytes.seek(SeekFrom::End(0)).with_context(|| unreadable(name))?;
    if size > ZIP_LIMIT {
        return Err(too_large(name));
    }
    bytes.seek(SeekFrom::Start(size.saturating_sub(TAIL))).with_context(|| unreadable(name))?;
    let mut tail = Vec::new();
    bytes.take(TAIL).read_to_end(&mut tail).with_context(|| unreadable(name))?;
    bytes.rewind().with_context(|| unreadable(name))?;
    let ends = || tail.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x05\x06").map(|(place, _)| place);
    let is_large = |end: usize| end.checked_sub(LARGE).is_some_and(|place| tail[place..].starts_with(b"PK\x06\x07"));
    if ends().any(is_large) {
        return Err(too_large(name));
    }
    let end = ends().next_back();
    match end.and_then(|end| tail.get(end + 10..end + 12)) {
        Some(count) => Ok(usize::from(u16::from_le_bytes([count[0], count[1]]))),
        None => Err(refused(name, &t!("the zip is damaged")).into()),
    }
}

/// Names in a provider's zip are GBK without the flag that says otherwise.
fn member_name(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(name) => Cow::Borrowed(name),
        Err(_) => GBK.decode_without_bom_handling(raw).0,
    }
}

fn hash(name: &str, bytes: &mut dyn Read) -> Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let count = bytes.read(&mut chunk).with_context(|| unreadable(name))?;
        if count == 0 {
            break;
        }
        total += count as u64;
        if total > FILE_LIMIT {
            return Err(too_large(name));
        }
        context.update(&chunk[..count]);
    }
    Ok(hex(context.finish().as_ref()))
}

/// How the text spells its characters: by its mark, else UTF-8 when all of it is, else GBK.
fn detect(name: &str, text: &mut dyn Read) -> Result<&'static Encoding> {
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let mut chunk = vec![0; CHUNK];
    let mut scratch = vec![0; 4 * CHUNK];
    let mut total = 0u64;
    loop {
        let count = fill_chunk(name, text, &mut chunk)?;
        if total == 0 {
            if let Some((codec, _)) = Encoding::for_bom(&chunk[..count]) {
                return Ok(codec);
            }
            // A spreadsheet's own UTF-16 has a mark; without one, a zero byte is no text.
            if chunk[..count].contains(&0) {
                return Err(refused(name, &t!("it holds something other than text"))
                    .hint(t!("download it again"))
                    .into());
            }
        }
        total += count as u64;
        if total > TEXT_LIMIT {
            return Err(too_large(name));
        }
        let last = count < chunk.len();
        let (result, ..) = decoder.decode_to_utf8_without_replacement(&chunk[..count], &mut scratch, last);
        if let DecoderResult::Malformed(..) = result {
            return Ok(GB18030);
        }
        if last {
            return Ok(UTF_8);
        }
    }
}

fn each_row(
    name: &str,
    text: &mut dyn Read,
    codec: &'static Encoding,
    visit: &mut dyn FnMut(u64, &str) -> Result<bool>,
) -> Result<()> {
    debug_assert!([UTF_8, GB18030, UTF_16LE, UTF_16BE].contains(&codec));
    let mut decoder = codec.new_decoder_with_bom_removal();
    let mut chunk = vec![0; CHUNK];
    let mut pending = String::new();
    let (mut row, mut total) = (0u64, 0u64);
    loop {
        let count = fill_chunk(name, text, &mut chunk)?;
        total += count as u64;
        if total > TEXT_LIMIT {
            return Err(too_large(name));
        }
        let last = count < chunk.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(count).unwrap_or(4 * CHUNK);
        pending.reserve(room);
        let (result, _) = decoder.decode_to_string_without_replacement(&chunk[..count], &mut pending, last);
        let mut done = 0;
        while let Some(end) = pending[done..].find('\n') {
            row += 1;
            if !visit(row, &pending[done..done + end])? {
                return Ok(());
            }
            done += end + 1;
        }
        pending.drain(..done);
        if result != DecoderResult::InputEmpty {
            return Err(refused(name, &t!("row {row} holds characters that cannot be read", row = row + 1))
                .hint(t!("download it again, and import the file as it is"))
                .into());
        }
        if pending.len() > ROW_LIMIT {
            return Err(refused(name, &t!("row {row} is too long", row = row + 1)).into());
        }
        if last {
            if !pending.is_empty() {
                visit(row + 1, &pending)?;
            }
            return Ok(());
        }
    }
}

/// Reads until the chunk is full or the text ends, so that less than a chunk means the end.
fn fill_chunk(name: &str, text: &mut dyn Read, chunk: &mut [u8]) -> Result<usize> {
    let mut count = 0;
    while count < chunk.len() {
        match text.read(&mut chunk[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A zip says so when its text does not have the length or the checksum that it claims.
            Err(error) => return Err(anyhow::Error::from(error).context(unreadable(name))),
        }
    }
    Ok(count)
}

fn unreadable(name: &str) -> Fault {
    Fault::broken(t!("cannot read {file}", file = name))
}

fn too_large(name: &str) -> anyhow::Error {
    refused(name, &t!("it is larger than any bill")).into()
}

/// A bill that is refused, and why.
pub(super) fn refused(name: &str, why: &str) -> Fault {
    Fault::refused(t!("{file} cannot be imported: {reason}", file = name, reason = why))
}

fn bill_refused(name: &str, error: &BillError) -> anyhow::Error {
    let (why, fix) = bill_error_text(error);
    refused(name, &why).hint(fix).into()
}

/// Why a bill is refused, and what to do about it.
fn bill_error_text(error: &BillError) -> (String, String) {
    let again = || t!("download it again, and import the file as it is");
    let cell_text = |cell: &CellName| {
        t!("row {row}, {column}: `{value}`", row = cell.row, column = cell.column, value = cell.value)
    };
    match error {
        BillError::NoHeader { found } => (
            t!("it is no bill of Alipay or WeChat Pay; it begins with `{found}`", found = found),
            t!("download the trade bill (业务明细, or 交易账单 with all trades)"),
        ),
        BillError::MissingColumns { missing } => (
            t!("columns are missing: {columns}", columns = missing.join("、")),
            t!("download the trade bill (业务明细, or 交易账单 with all trades)"),
        ),
        BillError::CellCount { row, found, expected } => (
            t!("row {row} has {found} cells, the header has {expected}", row = row, found = found, expected = expected),
            again(),
        ),
        BillError::Mangled { cell } => (
            t!("a spreadsheet shortened a number: {cell}", cell = cell_text(cell)),
            t!("import the file as the provider gave it, before any spreadsheet saved it"),
        ),
        BillError::Unreadable { cell } => (t!("a cell cannot be read: {cell}", cell = cell_text(cell)), again()),
        BillError::OutsideDays { cell } => {
            (t!("a row lies outside the days of the bill: {cell}", cell = cell_text(cell)), again())
        }
        BillError::NoTotals => (t!("its totals are missing, so it may be cut off"), again()),
        BillError::Totals { what, told, rows } => (
            t!(
                "its own totals do not fit its rows: {what} says {told}, the rows add up to {rows}",
                what = what,
                told = told,
                rows = rows
            ),
            again(),
        ),
        BillError::AfterTotals { row } => {
            (t!("rows follow its totals, from row {row} on", row = row), t!("import each bill as a file of its own"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use encoding_rs::GBK;
    use proptest::prelude::{any, proptest};
    use zip::write::SimpleFileOptions;

    use super::Opened;
    use crate::domain::bill::{Figures, Line};

    const ROW: &str = "1\t,KB1\t,交易\t,2026-11-05 09:00:00\t,199.00\t,\t,-1.19\t";

    fn bill(rows: usize) -> String {
        let head = "支付宝交易号,商户订单号,业务类型,完成时间,订单金额（元）,退款批次号/请求号,服务费（元）";
        let rows_text = format!("{ROW}\r\n").repeat(rows);
        let total = crate::domain::money::Money::from_fen(19_900 * i64::try_from(rows).unwrap());
        format!("#支付宝业务明细查询\r\n{head}\r\n{rows_text}#列表结束\r\n#交易合计：{rows}笔，金额共{total}元\r\n")
    }

    fn read(bytes: &[u8]) -> anyhow::Result<(Vec<Line>, Figures)> {
        let mut lines = Vec::new();
        let mut opened = Opened::new("bill", Box::new(Cursor::new(bytes)))?;
        opened.dialect()?;
        let figures = opened.read(&mut |line| {
            lines.push(line);
            Ok(())
        })?;
        Ok((lines, figures))
    }

    fn refused(bytes: &[u8], why: &str) {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    /// A zip as Alipay makes it: names in GBK without the flag that says so.
    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let placeholder =
            |place: usize, length: usize| char::from(b'A' + u8::try_from(place).unwrap()).to_string().repeat(length);
        for (place, (name, bytes)) in files.iter().enumerate() {
            let name = GBK.encode(name).0;
            writer.start_file(placeholder(place, name.len()), SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        let mut bytes = writer.finish().unwrap().into_inner();
        for (place, (name, _)) in files.iter().enumerate() {
            let name = GBK.encode(name).0;
            let old = placeholder(place, name.len());
            while let Some(at) = bytes.windows(old.len()).position(|it| it == old.as_bytes()) {
                bytes[at..at + old.len()].copy_from_slice(&name);
            }
        }
        bytes
    }

    #[test]
    fn every_spelling_reads_the_same() {
        let text = bill(2);
        let expected = read(text.as_bytes()).unwrap();
        let gbk = GBK.encode(&text).0;
        let marked = format!("\u{feff}{text}");
        let utf16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [gbk.as_ref(), marked.as_bytes(), &utf16] {
            assert_eq!(read(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn a_long_file_is_read_in_pieces() {
        // Longer than any piece, so that characters and rows lie across the seams.
        let text = bill(3_000);
        let (lines, figures) = read(&GBK.encode(&text).0).unwrap();
        assert_eq!((lines.len(), figures.rows, lines[2_999].row), (3_000, 3_000, 3_002));
    }

    #[test]
    fn a_zip_with_names_in_gbk_is_read_and_its_sums_are_compared() {
        let detail = GBK.encode(&bill(1)).0.into_owned();
        let summary = |net: &str| {
            GBK.encode(&format!("#汇总\r\n门店编号,交易订单总笔数,实收净额（元）\r\n合计,1,{net}\r\n")).0.into_owned()
        };
        let zip = |net: &str| packed(&[("1_业务明细.csv", &detail), ("1_业务明细(汇总).csv", &summary(net))]);
        assert_eq!(read(&zip("-1.19")).unwrap().1.rows, 1);
        refused(&zip("1.00"), "实收净额 says 1.00, the rows add up to -1.19");
        refused(&packed(&[("letter.txt", b"dear")]), "there is no bill in the zip");
        refused(&packed(&[("xl/workbook.xml", b"<x/>")]), "it is a workbook");
        let many: Vec<(String, Vec<u8>)> = (0..40).map(|it| (format!("{it}.csv"), Vec::new())).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        refused(&packed(&many), "the zip holds 40 files");
        let mut damaged = zip("-1.19");
        damaged.truncate(100);
        refused(&damaged, "the zip is damaged");
    }

    #[test]
    fn a_small_zip_of_a_huge_row_is_given_up_early() {
        let bomb = packed(&[("1_业务明细.csv", &vec![b'a'; 64 << 20])]);
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        refused(&bomb, "row 1 is too long");
    }

    #[test]
    fn a_zip_that_lies_about_its_files_gets_no_room_for_them() {
        let mut zip = packed(&[("1_业务明细.csv", &GBK.encode(&bill(1)).0)]);
        let end = zip.len() - 22;
        // The large form: an end record that names a thousand million files, what leads to it, and the small one that says "look there".
        let count = 1_000_000_000u64.to_le_bytes();
        let mut large = b"PK\x06\x06".to_vec();
        large.extend(44u64.to_le_bytes());
        large.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        large.extend([count, count].concat());
        large.extend([u64::MAX.to_le_bytes(), 0u64.to_le_bytes()].concat());
        let leads = [b"PK\x06\x07".as_slice(), &[0; 4], &(end as u64).to_le_bytes(), &[1, 0, 0, 0]].concat();
        let tail = zip.split_off(end);
        zip.extend([large, leads, tail].concat());
        refused(&zip, "it is larger than any bill");
        let at = zip.len() - 22;
        zip[at + 8..at + 20].copy_from_slice(&[0xff; 12]);
        refused(&zip, "it is larger than any bill");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        refused(b"", "the file is empty");
        refused(b"\xd0\xcf\x11\xe0 old excel", "it is a workbook");
        refused(b"%PDF-1.7\0\0", "something other than text");
        refused("<html>404".as_bytes(), "it is no bill");
        let mut broken = GBK.encode(&bill(1)).0.into_owned();
        let at = broken.windows(3).position(|it| it == b"KB1").unwrap();
        broken[at] = 0xff;
        refused(&broken, "row 3 holds characters that cannot be read");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), at in 0usize..400, byte in any::<u8>()) {
            drop(read(&bytes));
            drop(read(&[b"PK\x03\x04".as_slice(), &bytes].concat()));
            let mut zip = packed(&[("1_业务明细.csv", &GBK.encode(&bill(2)).0)]);
            let place = at % zip.len();
            zip[place] = byte;
            drop(read(&zip));
        }
    }
}
