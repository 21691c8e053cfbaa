//! A provider on this machine: a small HTTP/1.1 server whose answers come from a [`Provider`], and which can lose calls and answers on
//! the way. Owns the wire, with TLS in `tls.rs`; what a provider checks and says is in the file of its name.

pub mod alipay;
pub mod tls;
pub mod wechat;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kibble::domain::date::At;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use self::tls::Tls;

/// Fixed throw-away keys, and what the providers' own programs made of fixed inputs.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../../data/payment-vectors.json")).unwrap()
}

/// A key of the vectors' file.
pub fn key(name: &str) -> String {
    vectors()["keys"][name].as_str().unwrap().to_owned()
}

/// Writes a file that only its owner can read.
pub fn private(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// The same in `folder`, as an account names it.
pub fn key_file(folder: &Path, name: &str, content: &str) -> toml::Table {
    let path = folder.join(name);
    private(&path, content);
    toml::Table::from_iter([("file".to_owned(), path.to_string_lossy().into_owned().into())])
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Still encoded.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    }
}

/// What goes back.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Who answers.
pub trait Provider: Send + Sync + 'static {
    fn answer(&self, asked: &Asked) -> Answered;
    /// Whether the call moves money: single mishaps strike those only.
    fn moves_money(&self, asked: &Asked) -> bool;
    /// The provider's clock, for the `Date` header.
    fn now(&self) -> At;
}

/// What goes wrong on the way, as often as the counter says.
#[derive(Default)]
struct Troubles {
    drop_calls: AtomicU32,
    lose_answers: AtomicU32,
    garble_answers: AtomicU32,
    down: AtomicBool,
    delay_ms: AtomicU64,
    stopped: AtomicBool,
    watch: Mutex<Option<Watch>>,
}

/// Sees every call before it is answered, and cuts those for which it says true.
pub type Watch = Box<dyn Fn(&Asked) -> bool + Send + Sync>;

/// A server that runs until it is dropped.
pub struct Server {
    scheme: &'static str,
    address: SocketAddr,
    troubles: Arc<Troubles>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(provider: Arc<dyn Provider>) -> Server {
        Server::start_with(provider, None)
    }

    /// Over TLS, with the certificate and the demands of `tls`.
    pub fn start_tls(provider: Arc<dyn Provider>, tls: &Tls) -> Server {
        Server::start_with(provider, Some(tls.config.clone()))
    }

    fn start_with(provider: Arc<dyn Provider>, tls: Option<Arc<ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            scheme: if tls.is_some() { "https" } else { "http" },
            address: listener.local_addr().unwrap(),
            troubles: Arc::default(),
            asked: Arc::default(),
        };
        let (troubles, asked) = (server.troubles.clone(), server.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if troubles.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (provider, troubles, asked) = (provider.clone(), troubles.clone(), asked.clone());
                let tls = tls.clone();
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    let wire: Box<dyn Wire> = match tls {
                        Some(tls) => Box::new(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream)),
                        None => Box::new(stream),
                    };
                    serve(wire, provider.as_ref(), &troubles, &asked);
                });
            }
        });
        server
    }

    /// `http://127.0.0.1:PORT`, without a slash; `https://localhost:PORT` with TLS.
    pub fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
    }

    /// The next call that moves money is cut before the work.
    pub fn drop_next(&self) {
        self.troubles.drop_calls.fetch_add(1, Ordering::SeqCst);
    }

    /// The next answer to a call that moves money is cut off after the work.
    pub fn lose_next(&self) {
        self.troubles.lose_answers.fetch_add(1, Ordering::SeqCst);
    }

    /// The next answer to a call that moves money is nonsense, after the work.
    pub fn garble_next(&self) {
        self.troubles.garble_answers.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether every connection is cut at once.
    pub fn set_down(&self, down: bool) {
        self.troubles.down.store(down, Ordering::SeqCst);
    }

    /// How long every answer takes; the bench of the rails is what wants it.
    #[allow(dead_code, reason = "only the bench slows a provider down")]
    pub fn set_delay(&self, delay: Duration) {
        self.troubles.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Somebody who sees every call first.
    pub fn set_watch(&self, watch: Watch) {
        *self.troubles.watch.lock().unwrap() = Some(watch);
    }

    /// Every call so far that was not cut before the work.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.troubles.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

/// A connection, plain or not.
trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

fn serve(wire: Box<dyn Wire>, provider: &dyn Provider, troubles: &Troubles, log: &Mutex<Vec<Asked>>) {
    let mut wire = BufReader::new(wire);
    while let Some(asked) = read(&mut wire) {
        if troubles.down.load(Ordering::SeqCst) || troubles.stopped.load(Ordering::SeqCst) {
            return;
        }
        if troubles.watch.lock().unwrap().as_ref().is_some_and(|watch| watch(&asked)) {
            return;
        }
        let moves = provider.moves_money(&asked);
        if moves && once(&troubles.drop_calls) {
            return;
        }
        log.lock().unwrap().push(asked.clone());
        let answered = provider.answer(&asked);
        thread::sleep(Duration::from_millis(troubles.delay_ms.load(Ordering::SeqCst)));
        if moves && once(&troubles.lose_answers) {
            return;
        }
        let answered = match moves && once(&troubles.garble_answers) {
            true => Answered { body: b"\x00\xff<!nonsense".to_vec(), ..answered },
            false => answered,
        };
        if write(wire.get_mut(), &answered, provider.now()).is_err() {
            return;
        }
    }
}

/// Takes one from the counter, if there is one.
fn once(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn read(reader: &mut BufReader<Box<dyn Wire>>) -> Option<Asked> {
    let line = whole_line(reader)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    while let Some((name, value)) = whole_line(reader)?.trim_end().split_once(':') {
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = whole_line(reader)?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        body.resize(header("content-length").map_or(0, |it| it.parse().unwrap()), 0);
        reader.read_exact(&mut body).ok()?;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Asked { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

/// A line with its end. Whoever hangs up in the middle of one has asked nothing.
fn whole_line(reader: &mut BufReader<Box<dyn Wire>>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.ends_with('\n').then_some(line)
}

fn write(stream: &mut Box<dyn Wire>, answered: &Answered, now: At) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} -\r\nDate: {}\r\n", answered.status, now.format("%a, %d %b %Y %H:%M:%S GMT"));
    for (name, value) in &answered.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if answered.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", answered.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answered.body)?;
    stream.flush()
}
