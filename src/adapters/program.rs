//! Programs of the shop's own, for rails and channels: started without a shell, and ended with everything they started. What is said
//! to one is its adapter's business.

use std::io;
use std::process::{Child, Command, Stdio};

/// Starts a program with its arguments; its input and output are pipes.
///
/// # Errors
/// When `command` is empty, or the program cannot be started.
pub fn start(command: &[String]) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut start = Command::new(program);
    start.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    // What a program complains about may hold keys, names and phones, and nobody would read it: it keeps its own log.
    start.stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut start, 0);
    start.spawn()
}

/// Kills a program and whatever it started, and leaves nothing of it in the process table. Not for one that was waited for: its number
/// may be another's by then.
pub fn end(child: &mut Child) {
    kill(child);
    drop(child.wait());
}

#[cfg(unix)]
fn kill(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    // The program leads a group of its own, whose number is its own number.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // A group that is gone already is what was wanted.
        kill_process_group(group, Signal::KILL).ok();
    }
}

#[cfg(not(unix))]
fn kill(child: &mut Child) {
    drop(child.kill());
}
