//! Several calls in flight: each rail has its own workers, as many as its profile allows, and its own pace. Answers come back in the order
//! of the questions.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::adapters::rail::Rail;

type Rails = BTreeMap<String, Arc<dyn Rail>>;

/// Workers that put questions to rails.
pub struct Pool<'a, Q, A> {
    rails: &'a Rails,
    ask: &'a (dyn Fn(&dyn Rail, Q) -> A + Sync),
    paced: bool,
    questions: BTreeMap<String, Sender<(usize, Q)>>,
    answers: Receiver<(usize, Option<A>)>,
}

/// Runs `work` with a pool whose workers put each question with `ask`. With `paced` false, in a rehearsal, there are no workers and no
/// rate limits: time does not pass, and questions are put one after the other, so that the same rehearsal always tells the same story.
pub fn with_pool<Q: Send, A: Send, T>(
    rails: &Rails,
    paced: bool,
    ask: &(dyn Fn(&dyn Rail, Q) -> A + Sync),
    work: impl FnOnce(&Pool<'_, Q, A>) -> T,
) -> T {
    thread::scope(|scope| {
        let (answer, answers) = channel();
        let mut questions = BTreeMap::new();
        for (name, rail) in rails.iter().filter(|_| paced) {
            let (question, waiting) = channel::<(usize, Q)>();
            let waiting = Arc::new(Mutex::new(waiting));
            let pace = Arc::new(Pace::new(rail.profile().calls_per_second));
            for _ in 0..rail.profile().calls_in_flight.max(1) {
                let (waiting, pace, answer) = (waiting.clone(), pace.clone(), answer.clone());
                scope.spawn(move || {
                    while let Ok((place, question)) = next(&waiting) {
                        pace.wait();
                        if answer.send((place, put(ask, rail.as_ref(), question))).is_err() {
                            break;
                        }
                    }
                });
            }
            questions.insert(name.clone(), question);
        }
        let pool = Pool { rails, ask, paced, questions, answers };
        work(&pool)
    })
}

/// An adapter that panics has a bug; to the caller it is a call whose outcome nobody knows.
fn put<Q, A>(ask: &(dyn Fn(&dyn Rail, Q) -> A + Sync), rail: &dyn Rail, question: Q) -> Option<A> {
    catch_unwind(AssertUnwindSafe(|| ask(rail, question))).ok()
}

fn next<Q>(waiting: &Mutex<Receiver<(usize, Q)>>) -> Result<(usize, Q), std::sync::mpsc::RecvError> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv()
}

impl<Q: Send, A: Send> Pool<'_, Q, A> {
    /// Puts all questions, each to the rail it names, and waits for all answers. `None` stands for a rail that does not exist or an
    /// adapter that broke: an outcome that nobody knows.
    pub fn ask_all(&self, questions: Vec<(String, Q)>) -> Vec<Option<A>> {
        if !self.paced {
            let rail = |name: &str| self.rails.get(name);
            return questions
                .into_iter()
                .map(|(name, question)| rail(&name).and_then(|rail| put(self.ask, rail.as_ref(), question)))
                .collect();
        }
        let mut said: Vec<Option<A>> = std::iter::repeat_with(|| None).take(questions.len()).collect();
        let mut sent = 0;
        for (place, (rail, question)) in questions.into_iter().enumerate() {
            if self.questions.get(&rail).is_some_and(|queue| queue.send((place, question)).is_ok()) {
                sent += 1;
            }
        }
        for (place, answer) in self.answers.iter().take(sent) {
            said[place] = answer;
        }
        said
    }
}

/// Spaces calls evenly, so that a rail's limit per second is never passed.
struct Pace {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(calls_per_second: u32) -> Pace {
        let gap = match calls_per_second {
            0 => Duration::ZERO,
            limit => Duration::from_secs(1) / limit,
        };
        Pace { gap, next: Mutex::new(None) }
    }

    fn wait(&self) {
        if self.gap.is_zero() {
            return;
        }
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = next.map_or_else(Instant::now, |at| at.max(Instant::now()));
            *next = Some(mine + self.gap);
            mine
        };
        thread::sleep(mine.saturating_duration_since(Instant::now()));
    }
}
