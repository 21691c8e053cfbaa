//! What the parsers need round them: a shop, keys, and somebody on this machine who answers whatever the input says.

use std::cell::OnceCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kibble::adapters::keys::PrivateKey;
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::date::At;
use kibble::domain::rail::Profile;
use kibble::ops::init::{NewShop, init};
use kibble::ops::{Ctx, read_now};
use kibble::text::Lang;
use serde_json::Value;
use tempfile::TempDir;

/// The moment at which everything is read.
pub fn now() -> At {
    read_now("2026-11-21T10:00", chrono_tz::Asia::Shanghai).unwrap()
}

/// The rules of a built-in profile.
pub fn profile(name: &str) -> Profile {
    let (_, text) = kibble::adapters::rail::PROFILES.iter().find(|(known, _)| *known == name).unwrap();
    toml::from_str(text).unwrap()
}

/// Fixed throw-away keys, and what the providers' own programs made of fixed inputs.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../../data/payment-vectors.json")).unwrap()
}

/// A key of the vectors' file.
pub fn key(name: &str) -> String {
    vectors()["keys"][name].as_str().unwrap().to_owned()
}

/// A private key of the vectors' file.
pub fn private_key(name: &str) -> PrivateKey {
    PrivateKey::read(&key(name)).unwrap()
}

/// A file that only its owner can read, as an account names it.
pub fn secret_file(folder: &Path, name: &str, content: &str) -> toml::Value {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    toml::Table::from_iter([("file".to_owned(), path.to_string_lossy().into_owned().into())]).into()
}

/// Work in an open shop that nothing of it changes, with `input` in a file.
pub fn in_a_shop<T>(name: &str, input: &[u8], work: impl FnOnce(&Ctx, &Path) -> T) -> T {
    thread_local! {
        static SHOP: OnceCell<(TempDir, Ctx)> = const { OnceCell::new() };
    }
    SHOP.with(|shop| {
        let (folder, ctx) = shop.get_or_init(open_shop);
        let file: PathBuf = folder.path().join(name);
        std::fs::write(&file, input).unwrap();
        work(ctx, &file)
    })
}

fn open_shop() -> (TempDir, Ctx) {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("shop");
    let new = NewShop {
        folder: folder.clone(),
        name: "团子宠物".into(),
        name_en: String::new(),
        uscc: String::new(),
        address: String::new(),
        phone: String::new(),
        lang: Lang::Zh,
        rails: vec![("alipay".into(), "sandbox".into(), None), ("wechat".into(), "sandbox".into(), None)],
        key_file: Some(root.path().join("shop.key")),
        install_code: Some("7K2QX9AB".into()),
    };
    init(&new, &Clock::fixed(now())).unwrap();
    let ctx = Ctx::wire(Config::load(&folder).unwrap(), Clock::fixed(now())).unwrap();
    (root, ctx)
}

/// A call as it arrived: its address, with everything behind it.
pub struct Asked {
    pub target: String,
}

/// What goes back.
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answered {
    /// A body as it is.
    pub fn plain(body: &[u8]) -> Answered {
        Answered { status: 200, headers: Vec::new(), body: body.to_vec() }
    }
}

type Answer = Box<dyn Fn(&Asked) -> Answered + Send>;

/// A provider on this machine that answers as it was told last.
#[derive(Clone)]
pub struct Provider {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    answer: Arc<Mutex<Answer>>,
}

impl Provider {
    /// One that runs as long as this program.
    pub fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(|_| Answered::plain(b""))));
        let answers = answer.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = answers.clone();
                thread::spawn(move || serve(stream, &answers));
            }
        });
        Provider { url, answer }
    }

    /// From now on it answers like this.
    pub fn says(&self, answer: impl Fn(&Asked) -> Answered + Send + 'static) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answer);
    }
}

fn serve(stream: TcpStream, answer: &Mutex<Answer>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let target = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).ok().filter(|read| *read > 0)?;
            match header.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok()?
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner)(&Asked { target });
        let mut head =
            format!("HTTP/1.1 {} -\r\nDate: {}\r\n", answered.status, now().format("%a, %d %b %Y %H:%M:%S GMT"));
        for (name, value) in &answered.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", answered.body.len()));
        stream.get_mut().write_all(&[head.as_bytes(), &answered.body].concat()).ok()?;
    }
}
