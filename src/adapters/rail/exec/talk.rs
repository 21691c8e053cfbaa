//! A program that is running, and the lines that go to it and come from it. Knows nothing of payments: it starts the program, waits
//! for an answer no longer than it may, and ends the program with everything the program started.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::adapters::program;
use crate::domain::date::At;
use crate::fault::io_reason;
use crate::t;

/// Version of the lines; a program that speaks another one is not asked anything.
pub const VERSION: u64 = 1;
/// Longest line that a program may write, in bytes: more is no answer.
const LINE_MAX_BYTES: u64 = 1 << 20;
/// How long a program that is no longer needed may take to end by itself, in milliseconds.
const END_MS: u64 = 1_000;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The program cannot be started, or is not what the settings say. Nothing was asked.
    Setup(String),
    /// It broke before it was asked anything.
    NotAsked(String),
    /// It says that it cannot do this. Nothing was asked.
    Unsupported,
    /// It was asked, and nobody knows what it did.
    Unsure(String),
}

/// Who the program says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it can be asked, by the names of the questions.
    pub can: BTreeSet<String>,
}

/// A running program.
#[derive(Debug)]
pub struct Talk {
    child: Child,
    /// Lines to the program; dropped to close its input.
    questions: Option<Sender<String>>,
    /// Lines from the program, `None` for one that is too long; closed when the program ends.
    answers: Receiver<Option<Vec<u8>>>,
    last_id: u64,
    broken: bool,
    program: Program,
}

impl Talk {
    /// Starts `command` for the rail called `rail` and exchanges the hello.
    ///
    /// # Errors
    /// [`Failure::Setup`] or [`Failure::NotAsked`].
    pub fn start(command: &[String], rail: &str, timeout: Duration, now: At) -> Result<Talk, Failure> {
        let mut talk = spawn(command)?;
        let hello = json!({ "kibble": VERSION, "rail": rail });
        let answer = talk.call("hello", hello, timeout, now).map_err(|failure| match failure {
            Failure::Unsure(text) => Failure::NotAsked(text),
            other => other,
        })?;
        talk.program = introduced(&answer)?;
        Ok(talk)
    }

    /// Who the program says it is.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// True while the program waits for a question: it has not ended, and says nothing unasked.
    pub fn is_ready(&self) -> bool {
        !self.broken && matches!(self.answers.try_recv(), Err(TryRecvError::Empty))
    }

    /// Asks, and waits for the answer with the same id. After a failure the program is of no more use.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn call(&mut self, ask: &str, body: Value, timeout: Duration, now: At) -> Result<Map<String, Value>, Failure> {
        self.last_id += 1;
        let mut line = json!({ "id": self.last_id, "ask": ask, "now": now });
        if let (Some(line), Value::Object(body)) = (line.as_object_mut(), body) {
            line.extend(body);
        }
        let answer = self.exchange(format!("{line}\n"), timeout);
        self.broken |= answer.is_err();
        answer
    }

    /// The program sees the end of its input, and may end by itself from now on.
    pub fn close_input(&mut self) {
        self.questions = None;
    }

    fn exchange(&self, line: String, timeout: Duration) -> Result<Map<String, Value>, Failure> {
        let sent = self.questions.as_ref().is_some_and(|questions| questions.send(line).is_ok());
        if !sent {
            return Err(Failure::NotAsked(t!("the program has ended")));
        }
        let nonsense = || Failure::Unsure(t!("the program's answer cannot be understood"));
        let line = match self.answers.recv_timeout(timeout) {
            Ok(line) => line.ok_or_else(nonsense)?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(Failure::Unsure(t!("the program took too long and was stopped")));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Unsure(t!("the program ended without an answer")));
            }
        };
        let Ok(Value::Object(answer)) = serde_json::from_slice(&line) else { return Err(nonsense()) };
        match answer.get("id").and_then(Value::as_u64) {
            Some(id) if id == self.last_id => Ok(answer),
            _ => Err(Failure::Unsure(t!("the program answered another question"))),
        }
    }
}

/// A program that did as it should sees the end of its input and may end by itself; one that did not is killed at once. Either way
/// whatever it started goes with it, and nothing of it is left in the process table.
impl Drop for Talk {
    fn drop(&mut self) {
        self.questions = None;
        if !self.broken {
            // Its output ends when it does; who has more to say than was asked is not waited for. The group is killed before the
            // program is reaped, while its number is still its own.
            drop(self.answers.recv_timeout(Duration::from_millis(END_MS)));
        }
        program::end(&mut self.child);
    }
}

fn spawn(command: &[String]) -> Result<Talk, Failure> {
    let Some(name) = command.first() else {
        return Err(Failure::Setup(t!("no program is named")));
    };
    let mut child = program::start(command).map_err(|error| {
        Failure::Setup(t!("{program} cannot be started: {why}", program = name, why = io_reason(&error)))
    })?;
    let (questions, to_write) = channel::<String>();
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read must not hold up the one who waits for its answer.
        thread::spawn(move || {
            while let Ok(line) = to_write.recv() {
                if stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
    }
    // No more is heard than was asked for: a program that talks without end fills its own pipe, not our memory.
    let (heard, answers) = sync_channel(1);
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || read_lines(stdout, &heard));
    }
    let nobody = Program { name: String::new(), version: String::new(), can: BTreeSet::new() };
    Ok(Talk { child, questions: Some(questions), answers, last_id: 0, broken: false, program: nobody })
}

fn read_lines(stdout: impl Read, heard: &SyncSender<Option<Vec<u8>>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match stdout.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            // A line that the program did not finish is none, whatever stands in it.
            Ok(_) if line.last() != Some(&b'\n') => {
                drop(heard.send(None));
                return;
            }
            Ok(_) => {
                if heard.send(Some(line)).is_err() {
                    return;
                }
            }
        }
    }
}

fn introduced(answer: &Map<String, Value>) -> Result<Program, Failure> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match answer.get("kibble").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            return Err(Failure::Setup(t!(
                "the program speaks version {other} of the lines, this kibble version {known}",
                other = other,
                known = VERSION
            )));
        }
        None => return Err(Failure::Setup(t!("the program's hello does not say which version it speaks"))),
    }
    let listed = answer.get("can").and_then(Value::as_array);
    let can = listed.into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    Ok(Program { name: text("name"), version: text("version"), can })
}
