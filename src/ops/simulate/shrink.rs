//! The shortest story: leaves people and steps out of one that breaks a law for as long as the same law still breaks.

use anyhow::Result;

use super::people::Person;
use super::story::{Plot, Step};
use super::watch::Broken;
use super::{End, play};

/// Stories told at most to leave out people, who cost a whole story each.
const MOST_CASTS: u32 = 60;
/// Stories told at most to leave out steps.
const MOST_TRIES: u32 = 160;

/// A story that breaks a law.
pub struct Tale {
    /// Who is in it.
    pub people: Vec<Person>,
    /// What happens.
    pub steps: Vec<Step>,
    /// What breaks.
    pub broken: Broken,
}

/// Shortens a tale.
///
/// # Errors
/// When the temporary folder cannot be written.
pub fn shortest(plot: &Plot, mut tale: Tale) -> Result<Tale> {
    let mut tries = 0;
    let mut size = tale.people.len().div_ceil(2);
    while size > 0 && tries < MOST_CASTS {
        let mut from = 0;
        while from < tale.people.len() && tries < MOST_CASTS {
            let to = (from + size).min(tale.people.len());
            let people: Vec<Person> = without(&tale.people, from, to);
            tries += 1;
            match still(plot, &people, &tale.steps, &tale.broken)? {
                Some(shorter) => tale = shorter,
                None => from = to,
            }
        }
        size /= 2;
    }
    tries = 0;
    let mut size = tale.steps.len().div_ceil(2);
    while size > 0 && tries < MOST_TRIES {
        let mut from = 0;
        while from < tale.steps.len() && tries < MOST_TRIES {
            let to = (from + size).min(tale.steps.len());
            let steps: Vec<Step> = without(&tale.steps, from, to);
            tries += 1;
            match still(plot, &tale.people, &steps, &tale.broken)? {
                Some(shorter) => tale = shorter,
                None => from = to,
            }
        }
        size /= 2;
    }
    Ok(tale)
}

fn without<T: Clone>(all: &[T], from: usize, to: usize) -> Vec<T> {
    all[..from].iter().chain(&all[to..]).cloned().collect()
}

/// The story with these people and steps, when it still breaks the same law in the same way.
fn still(plot: &Plot, people: &[Person], steps: &[Step], broken: &Broken) -> Result<Option<Tale>> {
    if people.is_empty() {
        return Ok(None);
    }
    Ok(match play(plot, people, steps)? {
        End::Breaks { at, broken: found } if (found.law, &found.what) == (broken.law, &broken.what) => {
            Some(Tale { people: people.to_vec(), steps: steps[..=at].to_vec(), broken: found })
        }
        _ => None,
    })
}
