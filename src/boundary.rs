//! Where the program meets the outside: a commit, and a call to a rail or to a message channel. A simulation stands there and decides
//! that the power fails, that the disk is full, or that somebody else acts at that very moment. In a shop nobody stands there, and
//! everything passes.

use std::fmt;
use std::sync::Arc;

/// A place at which the program can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The work of a transaction is done and nothing of it is on disk.
    BeforeCommit,
    /// It is on disk, and the program has not been told.
    AfterCommit,
    /// A question is about to leave.
    BeforeCall,
    /// It was answered, and the answer has not been heard.
    AfterCall,
}

/// Whoever stands there. Says whether the program may pass.
type Guard = dyn Fn(Point) -> bool + Send + Sync;

/// The boundary of everything that one command opens.
#[derive(Clone, Default)]
pub struct Boundary(Option<Arc<Guard>>);

impl Boundary {
    /// A boundary at which somebody stands.
    pub fn guarded(guard: impl Fn(Point) -> bool + Send + Sync + 'static) -> Boundary {
        Boundary(Some(Arc::new(guard)))
    }

    /// Whether the program gets past this point. What does not pass before a commit is undone; what does not pass before a call is not
    /// asked; what does not pass afterwards was done, and nobody hears of it.
    pub fn passes(&self, point: Point) -> bool {
        self.0.as_ref().is_none_or(|guard| guard(point))
    }
}

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Boundary(guarded)" } else { "Boundary(open)" })
    }
}
