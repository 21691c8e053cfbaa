//! The one table at the end: what was measured beside what, and whether the goal is met.

use std::time::{Duration, Instant};

/// How large everything is.
pub struct Scale {
    /// Only to see that it works.
    pub small: bool,
    /// Sizes that were asked for.
    pub sizes: Vec<u32>,
}

impl Scale {
    /// The sizes to run: those asked for, else `usual`; `small` to see that it works.
    pub fn sizes(&self, usual: &[u32], small: u32) -> Vec<u32> {
        match (self.small, self.sizes.is_empty()) {
            (true, _) => vec![small],
            (false, true) => usual.to_vec(),
            (false, false) => self.sizes.clone(),
        }
    }

    /// How often each case runs; the fastest counts, because whatever else the machine does can only add.
    pub fn tries(&self, usual: usize) -> usize {
        if self.small { 1 } else { usual }
    }
}

/// What was measured.
#[derive(Clone, Copy)]
pub enum Figure {
    Time(Duration),
    Megabytes(f64),
}

impl Figure {
    fn number(self) -> f64 {
        match self {
            Figure::Time(time) => time.as_secs_f64(),
            Figure::Megabytes(count) => count,
        }
    }

    fn shown(self) -> String {
        match self {
            Figure::Time(time) if time >= Duration::from_secs(1) => format!("{:.2} s", time.as_secs_f64()),
            Figure::Time(time) => format!("{:.2} ms", time.as_secs_f64() * 1_000.0),
            Figure::Megabytes(count) => format!("{count:.1} MB"),
        }
    }
}

/// A line of the table.
pub struct Row {
    /// What ran, and beside what.
    pub what: String,
    /// How many of what.
    pub size: String,
    pub kibble: Figure,
    pub bare: Figure,
    /// The largest ratio that is good enough; `None` where no goal was set.
    pub goal: Option<f64>,
}

pub fn print(rows: &[Row]) {
    println!("\n| what | size | kibble | bare minimum | ratio | goal |\n|---|---|---|---|---|---|");
    for row in rows {
        let ratio = row.kibble.number() / row.bare.number().max(1e-9);
        let goal = match row.goal {
            None => "-".to_owned(),
            Some(goal) if ratio <= goal => format!("{goal:.2}"),
            Some(goal) => format!("{goal:.2}, missed"),
        };
        let (kibble, bare) = (row.kibble.shown(), row.bare.shown());
        println!("| {} | {} | {kibble} | {bare} | {ratio:.2} | {goal} |", row.what, row.size);
    }
}

/// How long `work` takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let made = work();
    (started.elapsed(), made)
}

/// A number as people read it: `10,000`.
pub fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
