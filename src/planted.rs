//! Mistakes that a test plants to see that the simulation catches them: one in each place on which the promise "never twice, never lost"
//! rests. In a program that is not a test nothing is ever planted, and the questions below cost nothing.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Every attempt of an installment has the number of the first.
    OrderNumber,
    /// The rail is asked before the charge is on disk.
    AskBeforeNote,
    /// An unknown outcome counts as a decline.
    UnknownIsDecline,
    /// A payment by link credits nobody's wallet.
    NoCredit,
    /// Retries never end.
    EndlessRetry,
    /// A charge does not wait for its announcement to be old enough.
    NoNotice,
    /// An audit row follows the row before the last one.
    LooseAudit,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// True while a test has planted this mistake in this thread.
#[cfg(test)]
pub(crate) fn is(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

/// Nothing is planted.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn is(_: Mistake) -> bool {
    false
}

/// Runs `work` with a mistake planted in this thread.
#[cfg(test)]
pub(crate) fn with<T>(mistake: Mistake, work: impl FnOnce() -> T) -> T {
    PLANTED.set(Some(mistake));
    let done = work();
    PLANTED.set(None);
    done
}
