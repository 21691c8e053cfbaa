//! Running programs that wait for the next question. As many as calls may be in flight; who finds all of them busy waits.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::adapters::rail::exec::talk::{Failure, Talk};

/// The programs of one rail.
#[derive(Debug)]
pub struct Pool {
    most: usize,
    state: Mutex<State>,
    back: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Talk>,
    lent: usize,
}

/// A program that is being asked; it goes back to the others afterwards if it is still of use.
pub struct Lent<'a> {
    pool: &'a Pool,
    talk: Option<Talk>,
}

impl Pool {
    /// Room for `most` programs; none is started yet.
    pub fn new(most: u32) -> Pool {
        let most = usize::try_from(most.max(1)).unwrap_or(1);
        Pool { most, state: Mutex::new(State::default()), back: Condvar::new() }
    }

    /// A program that waits, or a new one made by `start`.
    ///
    /// # Errors
    /// Those of `start`.
    pub fn lend(&self, start: impl FnOnce() -> Result<Talk, Failure>) -> Result<Lent<'_>, Failure> {
        let (mut lent, ended) = self.take();
        // Ended programs are reaped outside the lock: that can take a moment.
        drop(ended);
        if lent.talk.is_none() {
            lent.talk = Some(start()?);
        }
        Ok(lent)
    }

    fn take(&self) -> (Lent<'_>, Vec<Talk>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.lent >= self.most {
            state = self.back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lent += 1;
        let mut ended = Vec::new();
        let mut found = None;
        while let (None, Some(talk)) = (&found, state.idle.pop()) {
            match talk.is_ready() {
                true => found = Some(talk),
                false => ended.push(talk),
            }
        }
        (Lent { pool: self, talk: found }, ended)
    }
}

impl Lent<'_> {
    /// The program.
    ///
    /// # Errors
    /// When it is of no more use; it was thrown away then.
    pub fn talk<T>(&mut self, work: impl FnOnce(&mut Talk) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(mut talk) = self.talk.take() else { return Err(Failure::NotAsked(String::new())) };
        let done = work(&mut talk)?;
        self.talk = Some(talk);
        Ok(done)
    }
}

/// All of them are told to end before anybody waits for one.
impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.idle.iter_mut().for_each(Talk::close_input);
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lent -= 1;
        state.idle.extend(self.talk.take());
        self.pool.back.notify_one();
    }
}
