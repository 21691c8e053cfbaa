//! Texts with placeholders that a shop may write itself: agreements and messages. Owns what such a text may do: fill in values, and
//! leave parts out with `if`. It is a letter and no program, so it can neither run without end nor grow without bound: there are no
//! loops, no variables of its own, no macros, no arithmetic, and no text put together from texts.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, filters, tests as asked};

use crate::t;

/// The longest text, in bytes; an agreement has about 12,000.
pub const LIMIT_BYTES: usize = 256 * 1024;

/// The longest placeholder or condition, in bytes, and the most conditions: the template reader goes one call deeper for each `not`, each
/// filter and each `elif`, and it does not count.
const MARK_LIMIT_BYTES: usize = 400;
const MOST_CONDITIONS: usize = 100;

/// What a `{% … %}` may begin with.
const WORDS: [&str; 4] = ["if", "elif", "else", "endif"];

/// Something that a text may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateFault {
    /// Longer than [`LIMIT_BYTES`].
    TooLong,
    /// A placeholder or a condition of more than [`MARK_LIMIT_BYTES`], or more than [`MOST_CONDITIONS`] of them.
    TooDeep {
        /// The line, from 1.
        line: usize,
    },
    /// A word or a sign that has no place in a letter.
    NoLetter {
        /// The line, from 1.
        line: usize,
        /// The word or the sign.
        what: String,
    },
}

impl TemplateFault {
    /// In plain words.
    pub fn text(&self) -> String {
        match self {
            TemplateFault::TooLong => t!("it is longer than {limit} KB", limit = LIMIT_BYTES / 1024),
            TemplateFault::TooDeep { line } => t!("line {line}: too long or too many conditions", line = line),
            TemplateFault::NoLetter { line, what } => {
                t!("line {line}: a text has placeholders and `if`, but no `{what}`", line = line, what = what)
            }
        }
    }
}

/// What fills texts: a value that is not given is an error, and nothing is escaped, because nothing becomes a web page.
pub fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.add_filter("default", filters::default);
    env.add_filter("trim", filters::trim);
    env.add_test("defined", asked::is_defined);
    env.add_test("undefined", asked::is_undefined);
    env.add_test("none", asked::is_none);
    env
}

/// Looks a text over before anything is made of it.
///
/// # Errors
/// [`TemplateFault`], at its first place.
pub fn check(source: &str) -> Result<(), TemplateFault> {
    if source.len() > LIMIT_BYTES {
        return Err(TemplateFault::TooLong);
    }
    let (mut at, mut conditions) = (0, 0);
    while let Some(found) = source[at..].find('{') {
        let begin = at + found;
        let inside = source.get(begin + 2..).unwrap_or_default();
        let kind = source.as_bytes().get(begin + 1).copied();
        let mark = match kind {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = begin + 1;
                continue;
            }
        };
        let line = || 1 + source[..begin].matches('\n').count();
        let no_letter = |what: &str| TemplateFault::NoLetter { line: line(), what: what.to_owned() };
        if kind == Some(b'#') {
            // A comment without end is the template reader's to refuse.
            at = inside.find(mark).map_or(source.len(), |end| begin + 2 + end + 2);
            continue;
        }
        let end = end_of(inside, mark).map_err(|sign| no_letter(&sign))?;
        let words = inside[..end].trim_start_matches(['-', '+']).trim_start();
        let word = words.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        if kind == Some(b'%') && !WORDS.contains(&word) {
            return Err(no_letter(word));
        }
        conditions += usize::from(matches!(word, "if" | "elif"));
        if end > MARK_LIMIT_BYTES || conditions > MOST_CONDITIONS {
            return Err(TemplateFault::TooDeep { line: line() });
        }
        at = begin + 2 + (end + 2).min(inside.len());
    }
    Ok(())
}

/// Where the part between two marks ends; a sign in it that has no place in a letter is refused. Signs inside quotes are text.
fn end_of(inside: &str, mark: &str) -> Result<usize, String> {
    let mut quote = None;
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            Some(_) if c == '\\' => {
                chars.next();
            }
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if inside[at..].starts_with(mark) => return Ok(at),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            // Round an own mark; whatever else it would do is arithmetic.
            None if matches!(c, '-' | '+') && (at == 0 || inside[at + 1..].starts_with(mark)) => {}
            None if c.is_alphanumeric() || c.is_whitespace() || "_.,()=!<>|".contains(c) => {}
            None => return Err(c.to_string()),
        }
    }
    Ok(inside.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};
    use serde_json::json;

    use super::{LIMIT_BYTES, TemplateFault, check, environment};

    fn filled(source: &str) -> Option<String> {
        check(source).ok()?;
        let values = json!({ "name": "王小明", "pet": { "name": "团子", "no": "" } });
        environment().template_from_str(source).ok()?.render(minijinja::value::Serde(&values)).ok()
    }

    #[test]
    fn a_letter_has_placeholders_and_leaves_parts_out() {
        for (source, text) in [
            ("{{ name }} {{- pet.name }}", "王小明团子"),
            ("{% if pet.no %}no {{ pet.no }}{% elif name == \"x }} {%\" %}x{% else %}none{% endif %}", "none"),
            ("{%- if not pet.no and (name != 'a') -%} b {%- endif +%}", "b"),
            ("{# {% set x = 1 %} #}{{ pet.chip | default(\"-\") }}{% if pet.chip is defined %}!{% endif %}", "-"),
            ("{{ \" * ~ \" }}", " * ~ "),
        ] {
            assert_eq!(filled(source).as_deref(), Some(text), "{source}");
        }
    }

    #[test]
    fn a_letter_is_no_program_that_could_run_or_grow_without_end() {
        let what = |source: &str| match check(source) {
            Err(TemplateFault::NoLetter { line, what }) => (line, what),
            other => panic!("{source}: {other:?}"),
        };
        for (source, line, word) in [
            ("{% for a in [1] %}{% endfor %}", 1, "["),
            ("\n{% for a in b %}{% endfor %}", 2, "for"),
            ("{%set x = name%}", 1, "set"),
            ("{% with a = name %}", 1, "with"),
            ("{% macro m() %}", 1, "macro"),
            ("{% include 'x' %}", 1, "include"),
            ("{{ name ~ name }}", 1, "~"),
            ("{{ 'a' * 1000000000 }}", 1, "*"),
            ("{{ name + name }}", 1, "+"),
            ("{{ {'a': 1} }}", 1, "{"),
        ] {
            assert_eq!(what(source), (line, word.to_owned()), "{source}");
        }
        assert_eq!(check(&"x".repeat(LIMIT_BYTES + 1)), Err(TemplateFault::TooLong));
        assert_eq!(filled("{{ range(100000000) }}"), None, "nothing can be called");
        assert_eq!(filled("{{ name | replace('王', name) }}"), None);
        for deep in [
            "{% if name %}".repeat(19_000),
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(19_000)),
            format!("{{{{ {} }}}}", "(".repeat(200_000)),
            format!("{{% if {} name %}}{{% endif %}}", "not ".repeat(60_000)),
            format!("{{{{ name{} }}}}", "|trim".repeat(40_000)),
        ] {
            assert_eq!(check(&deep), Err(TemplateFault::TooDeep { line: 1 }), "{}", &deep[..40]);
        }
        // What is just allowed does not end the stack either.
        for deep in [
            format!("{}x{}", "{% if name %}".repeat(100), "{% endif %}".repeat(100)),
            format!("{{% if pet.no %}}{}x{{% endif %}}", "{% elif pet.no %}".repeat(99)),
            format!("{{% if {}name %}}x{{% endif %}}", "not ".repeat(90)),
            format!("{{{{ name{} }}}}", "|trim".repeat(75)),
            format!("{{{{ {}name{} }}}}", "(".repeat(60), ")".repeat(60)),
        ] {
            assert!(filled(&deep).is_some(), "{}", &deep[..40]);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_filled_or_refused(
            source in "([{}%#|\"'. -]|name|pet|if|else|endif|not|default|[a-z\n]){0,30}", noise in any::<String>(),
        ) {
            for source in [source, noise] {
                if let Some(text) = filled(&source) {
                    prop_assert!(text.len() <= 10 * source.len() + 10, "{source}: {text}");
                }
            }
        }
    }
}
