//! The line between a process and its providers: passes every byte on, counts calls, and can cut one of them after so many of its
//! bytes, in the request or in the answer. Knows HTTP/1.1 only so far: on one connection a request is answered before the next comes.

use std::cmp::Ordering;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the process to the provider.
    Request,
    /// Back.
    Answer,
}

/// Where the line is cut, counted from when it is armed.
pub struct Cut {
    /// Number of the call, from 0.
    pub call: u64,
    /// Whether its request or its answer.
    pub way: Way,
    /// How many bytes of it still pass. A shorter message passes whole, and nothing after it does.
    pub bytes: usize,
    /// What happens then, before the connection is closed.
    pub then: Box<dyn FnOnce() + Send>,
}

/// The lines to all providers: calls are counted over all of them.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Armed>>);

#[derive(Default)]
struct Armed {
    calls: u64,
    cut: Option<Cut>,
}

/// What passes one connection now, and which call passed it before.
struct Message {
    way: Way,
    call: u64,
    before: u64,
    passed: usize,
}

impl Lines {
    /// A line to `provider`, which is an address like `http://127.0.0.1:4000`. Gives the address to call instead.
    pub fn to(&self, provider: &str) -> String {
        let provider: SocketAddr = provider.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lines = self.clone();
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // A provider that is gone takes no call, and its caller sees that.
                if let Ok(provider) = TcpStream::connect(provider) {
                    lines.connect(caller, provider);
                }
            }
        });
        url
    }

    /// Cuts the line once. Whatever was armed before is forgotten.
    pub fn arm(&self, cut: Cut) {
        *self.0.lock().unwrap() = Armed { calls: 0, cut: Some(cut) };
    }

    /// The line holds from now on.
    pub fn disarm(&self) {
        *self.0.lock().unwrap() = Armed::default();
    }

    fn connect(&self, caller: TcpStream, provider: TcpStream) {
        for stream in [&caller, &provider] {
            stream.set_nodelay(true).unwrap();
        }
        let message = Arc::new(Mutex::new(Message { way: Way::Answer, call: 0, before: 0, passed: 0 }));
        let ways = [(Way::Request, &caller, &provider), (Way::Answer, &provider, &caller)];
        for (way, from, to) in ways {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (lines, message) = (self.clone(), message.clone());
            thread::spawn(move || lines.pass(way, &from, &to, &message));
        }
    }

    /// Passes bytes on until one side hangs up or the line is cut; then both sides are closed.
    fn pass(&self, way: Way, mut from: &TcpStream, mut to: &TcpStream, message: &Mutex<Message>) {
        let mut bytes = [0; 16_384];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            let (goes, then) = self.goes(way, read, message);
            let passed = to.write_all(&bytes[..goes]).is_ok();
            if let Some(then) = then {
                then();
                break;
            }
            if !passed {
                break;
            }
        }
        for stream in [from, to] {
            // The other half may have closed them already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// How many of `read` bytes pass, and what happens when the line is cut behind them.
    fn goes(&self, way: Way, read: usize, message: &Mutex<Message>) -> (usize, Option<Box<dyn FnOnce() + Send>>) {
        let mut armed = self.0.lock().unwrap();
        let mut message = message.lock().unwrap();
        if message.way != way {
            let before = message.call;
            let call = if way == Way::Request { armed.calls } else { before };
            armed.calls += u64::from(way == Way::Request);
            *message = Message { way, call, before, passed: 0 };
        }
        let passed = message.passed;
        message.passed += read;
        let left = armed.cut.as_ref().and_then(|cut| match (message.call, way).cmp(&(cut.call, cut.way)) {
            Ordering::Equal => Some(cut.bytes.saturating_sub(passed)),
            // The message was shorter than that. Calls on other connections have nothing to do with it.
            Ordering::Greater if [message.call, message.before].contains(&cut.call) => Some(0),
            _ => None,
        });
        match left.filter(|left| *left <= read) {
            Some(left) => (left, armed.cut.take().map(|cut| cut.then)),
            None => (read, None),
        }
    }
}
