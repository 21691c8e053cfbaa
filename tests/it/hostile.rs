//! Hostile surroundings, with the real program: a full disk, a disk that may not be written, a database that somebody else holds, clocks
//! and zones that lie. Each gives a clear sentence and exit code 1, loses nothing, and leaves nothing half done; the next run in order
//! collects each term once. What is about copies of the database is in `copies.rs`, what is about cron in `cron.rs`.

mod clock;
#[cfg(target_os = "linux")]
mod disk;
mod locked;
mod zone;

#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr, reason = "whoever runs the tests should know what was not tested")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
