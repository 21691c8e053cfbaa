//! The XML of WeChat Pay's v2 calls: one level of fields under `<xml>`. Owns reading and writing; what the fields mean is elsewhere.
//!
//! Whatever the calls do not need is refused: document types, entities beyond the five of XML itself, nesting, a field twice.
//! A reader that accepts less cannot be led to files, to other addresses or into growing without end.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// Most fields that an answer may have. A refund query with fifty part refunds has some hundreds.
const MOST_FIELDS: usize = 2_000;

/// Fields in the order in which they were written or received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// No fields.
    pub const fn new() -> Fields {
        Fields(Vec::new())
    }

    /// With one more field at the end.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Fields {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The value of a field; `None` where it is missing or empty, which WeChat Pay treats alike.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value of a field, empty where it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The document. Values with characters that XML minds stand in CDATA, as the provider's own kits write them.
    pub fn to_xml(&self) -> String {
        let mut xml = String::from("<xml>");
        for (name, value) in self.iter() {
            match value {
                "" => xml.push_str(&format!("<{name}/>")),
                _ => xml.push_str(&format!("<{name}>{}</{name}>", written(value))),
            }
        }
        xml.push_str("</xml>");
        xml
    }

    /// Reads a document whose root is called `root`.
    ///
    /// # Errors
    /// What is wrong with it, in a word for logs: anything but one level of fields.
    pub fn read(text: &str, root: &str) -> Result<Fields, &'static str> {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim());
        let mut reading = Reading::default();
        loop {
            match reader.read_event().map_err(|_| "not well-formed")? {
                Event::Start(tag) => reading.open(tag.name().as_ref(), root)?,
                Event::Empty(tag) => {
                    reading.open(tag.name().as_ref(), root)?;
                    reading.close()?;
                }
                Event::End(_) => reading.close()?,
                Event::Text(text) => reading.text(&text)?,
                Event::CData(text) => reading.cdata(&text)?,
                Event::GeneralRef(entity) => reading.text(&resolved(&entity)?)?,
                Event::Decl(_) | Event::Comment(_) => {}
                Event::DocType(_) => return Err("a document type"),
                Event::PI(_) => return Err("a processing instruction"),
                Event::Eof => return reading.done(),
            }
        }
    }
}

/// Where the reader stands.
#[derive(Default)]
struct Reading {
    fields: Vec<(String, String)>,
    in_root: bool,
    closed: bool,
    field: Option<Field>,
}

/// The field being read.
struct Field {
    name: String,
    text: String,
    /// The value stands in CDATA: blanks round that are layout.
    cdata: Option<String>,
}

impl Reading {
    fn open(&mut self, name: &str, root: &str) -> Result<(), &'static str> {
        if self.closed || self.field.is_some() {
            return Err("more than one level");
        }
        if !self.in_root {
            self.in_root = name == root;
            return if self.in_root { Ok(()) } else { Err("another root") };
        }
        if self.fields.iter().any(|(known, _)| known == name) {
            return Err("a field twice");
        }
        if self.fields.len() == MOST_FIELDS {
            return Err("too many fields");
        }
        self.field = Some(Field { name: name.to_owned(), text: String::new(), cdata: None });
        Ok(())
    }

    fn close(&mut self) -> Result<(), &'static str> {
        match self.field.take() {
            Some(Field { name, text, cdata: None }) => self.fields.push((name, text)),
            Some(Field { name, text, cdata: Some(value) }) if text.trim().is_empty() => self.fields.push((name, value)),
            Some(_) => return Err("text beside CDATA"),
            None if self.in_root && !self.closed => self.closed = true,
            None => return Err("not well-formed"),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), &'static str> {
        match &mut self.field {
            Some(field) => field.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("text between fields"),
        }
        Ok(())
    }

    fn cdata(&mut self, text: &str) -> Result<(), &'static str> {
        let field = self.field.as_mut().ok_or("text between fields")?;
        field.cdata.get_or_insert_default().push_str(text);
        Ok(())
    }

    fn done(self) -> Result<Fields, &'static str> {
        if self.closed { Ok(Fields(self.fields)) } else { Err("it ends too early") }
    }
}

/// The five entities of XML itself and characters by number; nothing that a document could define.
fn resolved(entity: &BytesRef<'_>) -> Result<String, &'static str> {
    if let Some(character) = entity.resolve_char_ref().map_err(|_| "not a character")? {
        return Ok(character.to_string());
    }
    let plain = match &**entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err("an entity"),
    };
    Ok(plain.to_owned())
}

fn written(value: &str) -> String {
    if !value.contains(['<', '>', '&']) {
        return value.to_owned();
    }
    if value.contains("]]>") {
        return value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    }
    format!("<![CDATA[{value}]]>")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Fields, MOST_FIELDS};

    #[test]
    fn values_come_back_as_they_were_written() {
        let fields = Fields::new().with("a", "猫粮 <月付> & 罐头").with("b", "").with("c", "x ]]> & y").with("d", "1");
        assert_eq!(
            fields.to_xml(),
            "<xml><a><![CDATA[猫粮 <月付> & 罐头]]></a><b/><c>x ]]&gt; &amp; y</c><d>1</d></xml>"
        );
        assert_eq!(Fields::read(&fields.to_xml(), "xml"), Ok(fields));
    }

    #[test]
    fn layout_round_cdata_is_not_a_value() {
        let text = "<?xml version=\"1.0\"?>\n<xml>\n\t<return_code> <![CDATA[SUCCESS]]> </return_code>\n<plain> a&#x4e2d; </plain></xml>\n";
        let fields = Fields::read(text, "xml").unwrap();
        assert_eq!((fields.text("return_code"), fields.text("plain")), ("SUCCESS", " a中 "));
    }

    #[test]
    fn nothing_that_leads_elsewhere_is_read() {
        for (text, why) in [
            ("<!DOCTYPE xml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><xml><a>&x;</a></xml>", "a document type"),
            ("<xml><a>&x;</a></xml>", "an entity"),
            ("<xml><a><b>1</b></a></xml>", "more than one level"),
            ("<xml><a>1</a><a>2</a></xml>", "a field twice"),
            ("<root><a>1</a></root>", "another root"),
            ("<xml><a>1</a>", "it ends too early"),
            ("<xml><a>1</a></xml><xml></xml>", "more than one level"),
            ("<xml>1</xml>", "text between fields"),
            ("<xml><a>1<![CDATA[2]]></a></xml>", "text beside CDATA"),
            ("<xml><a>1</b></xml>", "not well-formed"),
            ("<xml><?php x ?></xml>", "a processing instruction"),
            ("<!DOCTYPE HTML><html><body>502</body></html>", "a document type"),
            ("<html><body>502</body></html>", "another root"),
            ("", "it ends too early"),
        ] {
            assert_eq!(Fields::read(text, "xml"), Err(why), "{text}");
        }
    }

    #[test]
    fn a_document_without_end_is_given_up_early() {
        let many: String = (0..=MOST_FIELDS).map(|it| format!("<a{it}>1</a{it}>")).collect();
        assert_eq!(Fields::read(&format!("<xml>{many}</xml>"), "xml"), Err("too many fields"));
        assert!(Fields::read(&"<xml>".repeat(100_000), "xml").is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            text in "[<>/!\\[\\]?&;#x=\"'a1 \n-]{0,80}", at in 0usize..100, put in any::<char>(),
        ) {
            Fields::read(&text, "xml").ok();
            Fields::read(&format!("<xml><a>{text}</a></xml>"), "xml").ok();
            let mut document: Vec<char> = "<xml><a><![CDATA[猫]]></a><b>&#x4e2d;&amp;</b><c/></xml>".chars().collect();
            let place = at % document.len();
            document[place] = put;
            Fields::read(&document.into_iter().collect::<String>(), "xml").ok();
        }

        #[test]
        fn every_value_comes_back(value in "[ -~猫\n]{0,40}") {
            let fields = Fields::new().with("a", value);
            prop_assert_eq!(Fields::read(&fields.to_xml(), "xml"), Ok(fields));
        }
    }
}
