//! Runs a program of the shop's own that sends messages. One run for many messages, JSON lines in both directions, no shell.
//!
//! On stdin, a line for each message: `{"v":1,"id":"n-9","key":"7K2QX9AB3f…","template":"debit_failed","audience":"customer",
//! "phone":"…","lang":"zh","subject":"…","text":"…","values":{…}}`, and `email` and `openid` where they are known. On stdout,
//! a line for each: `{"id":"n-9","result":"sent","said":"…"}` with the results `sent`, `later` (the channel is down,
//! nothing was sent), `refused` (never try this one again), `unknown`. The same id is the same message, so a program that keeps
//! the ids it has sent can refuse to send one twice.
//!
//! A program that cannot be started has sent nothing. One that ends with exit code 75 (EX_TEMPFAIL) says the same of every
//! message it did not answer. After any other end, or when time is up, nobody knows about the messages it did not answer.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::adapters::finding::Finding;
use crate::adapters::notify::call::bad;
use crate::adapters::notify::{Notify, Parcel, Receipt, scrubbed};
use crate::adapters::program;
use crate::fault::io_reason;
use crate::t;

/// Version of the lines.
const VERSION: u32 = 1;
/// Exit code with which a program says that it sent nothing of what it did not answer (`EX_TEMPFAIL` of sysexits).
const NOTHING_SENT: i32 = 75;
/// How long the program may take to end after its last line, in milliseconds.
const END_MS: u64 = 1_000;
/// How often its end is looked for, in milliseconds.
const LOOK_MS: u64 = 10;
/// Most that a program may write in one run, in bytes; a program that writes more is ended with what it has answered.
const ANSWERS_MAX_BYTES: u64 = 4 << 20;
/// Messages handed over in one run of the program.
const BATCH: usize = 200;

/// The program.
pub struct Exec {
    name: String,
    command: Vec<String>,
    timeout_seconds: u64,
}

/// The channel's settings in `shop.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Seconds after which it is stopped.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    #[serde(flatten)]
    parcel: &'a Parcel,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    result: String,
    #[serde(default)]
    said: String,
}

/// How the run of the program ended.
enum Ended {
    /// By itself.
    Exit(Option<i32>),
    /// Time was up; it was killed.
    TimeUp,
}

impl Exec {
    /// `command` is the program and its arguments; it is stopped after `timeout_seconds`.
    pub fn new(name: &str, command: Vec<String>, timeout_seconds: u64) -> Exec {
        Exec { name: name.to_owned(), command, timeout_seconds }
    }

    /// The program's answers by message, and how it ended.
    fn talk(&self, mut child: Child, parcels: &[Parcel]) -> (BTreeMap<String, Answer>, Ended) {
        let lines: String = parcels.iter().map(|parcel| line(parcel) + "\n").collect();
        if let Some(mut stdin) = child.stdin.take() {
            // A program that stops reading says so by how it ends; what it did not answer stays open.
            thread::spawn(move || drop(stdin.write_all(lines.as_bytes())));
        }
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        let (done, is_done) = mpsc::channel::<()>();
        if let Some(stdout) = child.stdout.take() {
            let answers = answers.clone();
            thread::spawn(move || {
                for line in BufReader::new(stdout.take(ANSWERS_MAX_BYTES)).split(b'\n').map_while(Result::ok) {
                    if let Ok(answer) = serde_json::from_slice::<Answer>(&line) {
                        answers.lock().unwrap_or_else(PoisonError::into_inner).insert(answer.id.clone(), answer);
                    }
                }
                // Its end tells the one who waits.
                drop(done);
            });
        }
        let ended = match is_done.recv_timeout(Duration::from_secs(self.timeout_seconds)) {
            Err(RecvTimeoutError::Timeout) => Ended::TimeUp,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => end_of(&mut child),
        };
        if matches!(ended, Ended::TimeUp) {
            program::end(&mut child);
        }
        let answers = std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner));
        (answers, ended)
    }
}

impl Notify for Exec {
    fn name(&self) -> &str {
        &self.name
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn inspect(&self) -> Vec<Finding> {
        let setting = || format!("channel.{}.command", self.name);
        match self.command.first() {
            None => vec![bad(&setting(), &t!("the channel exec needs a program to run"))],
            Some(program) if program.contains('/') && !Path::new(program).exists() => {
                vec![bad(&setting(), &t!("there is no such file or folder"))]
            }
            Some(_) => Vec::new(),
        }
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        let child = match program::start(&self.command) {
            Ok(child) => child,
            Err(error) => {
                let said = t!("the program cannot be started: {why}", why = io_reason(&error));
                return vec![Receipt::Broken { said }; parcels.len()];
            }
        };
        let (mut answers, ended) = self.talk(child, parcels);
        parcels.iter().map(|parcel| receipt(parcel, answers.remove(&parcel.id), &ended)).collect()
    }
}

fn line(parcel: &Parcel) -> String {
    serde_json::to_string(&Line { v: VERSION, parcel }).expect("a parcel is made of text, which JSON can always write")
}

/// Waits a moment for a program that has closed its output.
fn end_of(child: &mut Child) -> Ended {
    for _ in 0..(END_MS / LOOK_MS) {
        match child.try_wait() {
            Ok(Some(status)) => return Ended::Exit(ExitStatus::code(&status)),
            Ok(None) => thread::sleep(Duration::from_millis(LOOK_MS)),
            Err(_) => return Ended::Exit(None),
        }
    }
    Ended::TimeUp
}

fn receipt(parcel: &Parcel, answer: Option<Answer>, ended: &Ended) -> Receipt {
    if let Some(answer) = answer {
        let said = scrubbed(&answer.said, parcel);
        return match answer.result.as_str() {
            "sent" => Receipt::Sent { said },
            "later" => Receipt::Down { said },
            "refused" => Receipt::Refused { said },
            _ => Receipt::Unknown { said },
        };
    }
    match ended {
        Ended::Exit(Some(NOTHING_SENT)) => Receipt::Down { said: t!("the program sent nothing (exit code 75)") },
        Ended::Exit(Some(code)) => {
            Receipt::Unknown { said: t!("the program ended with exit code {code} without an answer", code = code) }
        }
        Ended::Exit(None) => Receipt::Unknown { said: t!("the program was stopped before it answered") },
        Ended::TimeUp => Receipt::Unknown { said: t!("the program took too long and was stopped") },
    }
}

fn timeout_seconds() -> u64 {
    20
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Exec, Notify, Parcel, Receipt};

    fn parcels() -> Vec<Parcel> {
        let parcel = |number: u32| Parcel {
            id: format!("n-{number}"),
            template: "debit_failed".into(),
            audience: "customer".into(),
            phone: "19900000001".into(),
            lang: "zh".into(),
            text: "第1期\"199.00\"元".into(),
            ..Parcel::default()
        };
        vec![parcel(1), parcel(2)]
    }

    /// Runs `script` as the shop's program.
    fn said(script: &str, seconds: u64) -> Vec<Receipt> {
        Exec::new("exec", vec!["/bin/sh".into(), "-c".into(), script.into()], seconds).send(&parcels())
    }

    #[test]
    fn each_message_gets_its_own_answer_whatever_the_order() {
        let script = r#"
            read -r one; read -r two
            case "$one" in '{"v":1,"id":"n-1","key":"","template":"debit_failed"'*) ;; *) exit 1 ;; esac
            echo '{"id":"n-2","result":"refused","said":"no such number 19900000001"}'
            echo 'a line that is no answer'
            echo '{"id":"n-1","result":"sent","said":"x-77"}'
        "#;
        let refused = Receipt::Refused { said: "no such number ***".into() };
        assert_eq!(said(script, 10), [Receipt::Sent { said: "x-77".into() }, refused]);
    }

    #[test]
    fn a_program_that_cannot_start_has_sent_nothing() {
        let gone = Exec::new("exec", vec!["/no/such/program".into()], 5).send(&parcels());
        assert!(gone.iter().all(|it| matches!(it, Receipt::Broken { .. })), "{gone:?}");
    }

    #[test]
    fn nobody_knows_what_a_program_did_that_died_or_hung_without_an_answer() {
        let one = r#"read -r one; echo '{"id":"n-1","result":"sent"}'; "#;
        for (end, seconds) in [("exit 9", 10), ("exec sleep 60", 1)] {
            let receipts = said(&format!("{one}{end}"), seconds);
            assert_eq!(receipts[0], Receipt::Sent { said: String::new() });
            assert!(matches!(receipts[1], Receipt::Unknown { .. }), "{end}: {receipts:?}");
        }
        let receipts = said(&format!("{one}exit 75"), 10);
        assert!(matches!(receipts[1], Receipt::Down { .. }), "{receipts:?}");
    }
}
