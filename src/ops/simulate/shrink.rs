//! The shortest story: leaves people and steps out of one that breaks a law for as long as the same law still breaks.

use anyhow::Result;

use super::people::Person;
use super::story::{Plot, Step};
use super::watch::Broken;
use super::{End, play};

/// Steps told at most to leave out people, and again to leave out steps: ten minutes each for a year of hundreds.
const MOST_STEPS: usize = 200_000;

/// A story that breaks a law.
pub struct Tale {
    /// Who is in it.
    pub people: Vec<Person>,
    /// What happens.
    pub steps: Vec<Step>,
    /// What breaks.
    pub broken: Broken,
}

/// Shortens a tale: first its people, then its steps.
///
/// # Errors
/// When the temporary folder cannot be written.
pub fn shortest(plot: &Plot, tale: Tale) -> Result<Tale> {
    let broken = tale.broken.clone();
    let tale = shorter(tale, |tale| &tale.people, |tale, people| still(plot, people, &tale.steps, &broken))?;
    shorter(tale, |tale| &tale.steps, |tale, steps| still(plot, &tale.people, steps, &broken))
}

/// Leaves out ever smaller stretches of a list, for as long as the tale that is told without them still breaks.
fn shorter<T: Clone>(
    mut tale: Tale,
    list: impl Fn(&Tale) -> &Vec<T>,
    told: impl Fn(&Tale, &[T]) -> Result<Option<Tale>>,
) -> Result<Tale> {
    let mut steps = 0;
    let mut size = list(&tale).len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < list(&tale).len() {
            if steps > MOST_STEPS {
                return Ok(tale);
            }
            steps += tale.steps.len();
            let all = list(&tale);
            let to = (from + size).min(all.len());
            let without: Vec<T> = all[..from].iter().chain(&all[to..]).cloned().collect();
            match told(&tale, &without)? {
                Some(shorter) => tale = shorter,
                None => from = to,
            }
        }
        size /= 2;
    }
    Ok(tale)
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
