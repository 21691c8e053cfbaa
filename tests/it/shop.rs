//! The test language: a shop folder of its own, the real program, an empty environment.
//! `Shop::new().at("2026-03-01T09:00").run("debit run").ok("charged")`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A shop folder, and the home folder of the person who runs it. Both vanish at the end.
pub struct Shop {
    root: TempDir,
    at: Option<String>,
    lang: Option<String>,
}

impl Shop {
    /// An empty folder.
    pub fn new() -> Shop {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("shop")).unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        Shop { root, at: None, lang: None }
    }

    /// A shop that is open: sandbox rails alipay and wechat, plan templates on offer, English.
    pub fn opened() -> Shop {
        Shop::opened_as("7K2QX9AB")
    }

    /// The same with an install code of its own. Fixed, because the sandbox's temper depends on order numbers.
    pub fn opened_as(install_code: &str) -> Shop {
        let mut shop = Shop::new();
        shop.lang("en");
        let rails = "--rail alipay=sandbox --rail wechat=sandbox";
        let line = format!("init --install-code {install_code} --name 团子宠物 --name-en Tuanzi {rails} --yes");
        shop.run(&line).exits(0);
        shop
    }

    /// Sets the time of the commands that follow.
    pub fn at(&mut self, time: &str) -> &mut Shop {
        self.at = Some(time.to_owned());
        self
    }

    /// The commands that follow run on the machine's own clock, as they must where a rail could move real money.
    pub fn in_real_time(&mut self) -> &mut Shop {
        self.at = None;
        self
    }

    /// Sets the language of the commands that follow.
    pub fn lang(&mut self, lang: &str) -> &mut Shop {
        self.lang = Some(lang.to_owned());
        self
    }

    /// The shop's folder, in which commands run.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("shop")
    }

    /// Leaves the folders where they are when the test is over, for somebody to look at.
    pub fn keep(&mut self) -> &Path {
        self.root.disable_cleanup(true);
        self.root.path()
    }

    /// A file in the shop's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file into the shop's folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file from the shop's folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs `kibble` with the words of `line`; quotes as in a shell.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, &[])
    }

    /// Runs `kibble` with some environment variables.
    pub fn run_with(&self, line: &str, env: &[(&str, &str)]) -> Ran {
        let output = self.command(line).envs(env.iter().copied()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("kibble writes UTF-8");
        Ran {
            line: format!("kibble {}", self.words(line).join(" ")),
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The command itself, for a test that needs its pipes.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kibble"));
        let home = self.home();
        command.env_clear().env("HOME", &home).env("XDG_CONFIG_HOME", home.join(".config"));
        command.env("XDG_DATA_HOME", home.join(".local/share")).current_dir(self.dir()).args(self.words(line));
        command
    }

    fn home(&self) -> PathBuf {
        Path::join(self.root.path(), "home")
    }

    fn words(&self, line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (flag, value) in [("--now", &self.at), ("--lang", &self.lang)] {
            if let Some(value) = value {
                words.extend([flag.to_owned(), value.clone()]);
            }
        }
        words.extend(split(line));
        words
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    line: String,
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Ran {
    /// It went well and stdout or stderr holds `part`.
    #[track_caller]
    pub fn ok(&self, part: &str) -> &Ran {
        self.exits(0).says(part)
    }

    /// It failed with `code`, and stderr holds `part`; with `--json`, stdout.
    #[track_caller]
    pub fn fails(&self, code: i32, part: &str) -> &Ran {
        assert_ne!(code, 0, "a failure has an exit code");
        self.exits(code).says(part)
    }

    /// It ended with `code`.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Ran {
        assert!(self.code == code, "exit code {} instead of {code}\n{}", self.code, self.full());
        self
    }

    /// stdout or stderr holds `part`.
    #[track_caller]
    pub fn says(&self, part: &str) -> &Ran {
        assert!(self.out.contains(part) || self.err.contains(part), "nowhere: {part:?}\n{}", self.full());
        self
    }

    /// Neither stdout nor stderr holds `part`.
    #[track_caller]
    pub fn hides(&self, part: &str) -> &Ran {
        assert!(!self.out.contains(part) && !self.err.contains(part), "should not be there: {part:?}\n{}", self.full());
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{}", self.full()))
    }

    /// Command, exit code, stdout and stderr.
    pub fn full(&self) -> String {
        format!("$ {}\nexit code {}\n--- stdout\n{}\n--- stderr\n{}\n---", self.line, self.code, self.out, self.err)
    }
}

/// Splits words at spaces; `'…'` and `"…"` keep theirs.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is not closed: {line}");
    words.extend(word);
    words
}

#[test]
fn words_split_as_in_a_shell() {
    assert_eq!(
        split(r#"customer add --name "Li Si"  --note '' a"b c"d"#),
        ["customer", "add", "--name", "Li Si", "--note", "", "ab cd"]
    );
}

#[test]
fn a_shop_is_a_folder_of_its_own_with_a_time_and_a_language() {
    let mut shop = Shop::new();
    let path = shop.write("books/customers.csv", "姓名\n");
    assert_eq!((path, shop.read("books/customers.csv").as_str()), (shop.path("books/customers.csv"), "姓名\n"));
    assert!(shop.path("books").starts_with(shop.dir()));
    let ran = shop.at("2026-03-01T09:00").lang("zh").run("--version");
    ran.ok("kibble");
    assert!(ran.full().starts_with("$ kibble --now 2026-03-01T09:00 --lang zh --version\n"), "{}", ran.full());
}
