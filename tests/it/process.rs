//! Another process: this test program again, at one of its ignored tests, which then is no test but a program of its own. It is told
//! by its environment what to be, and returns at once where nothing was said, so that `cargo test -- --ignored` passes it by.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// This program at one of its tests, named with its module.
pub fn this_program(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

/// A process that stands by: it answers each line it is told with a line `ok` and what it has to say.
pub struct Standing {
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Standing {
    /// Starts it, and gives what it says first.
    pub fn start(mut command: Command) -> (Standing, String) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (told, says) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut standing = Standing { child, told, says };
        let first = standing.heard();
        (standing, first)
    }

    /// Tells it something and waits until it is done.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.told, "{line}").unwrap();
        self.heard();
    }

    fn heard(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.says.read_line(&mut line).unwrap() > 0, "the other process is gone");
            // The test harness of that process writes lines of its own, some without an end.
            if let Some((_, said)) = line.trim_end().split_once("ok") {
                return said.trim().to_owned();
            }
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
