//! Closures of any type for code that is compiled once: what opens the log and what runs its transactions. Otherwise, every app
//! would compile that again for each of its reducers and for each place that reads or writes the log.

use super::{LogError, LogFailure};

/// A closure that runs at most once, and what it returned.
pub(super) struct Once<F, T, E> {
    act: Option<F>,
    outcome: Option<Result<T, E>>,
}

/// Why an operation on the log failed.
pub(super) enum Failed {
    Log(LogError),
    /// The closure returned an error, which [`Once`] keeps.
    Inside {
        is_storage: bool,
    },
}

impl<F, T, E: LogFailure> Once<F, T, E> {
    pub(super) const fn new(act: F) -> Self {
        Self { act: Some(act), outcome: None }
    }

    /// Runs the closure, unless it has run.
    pub(super) fn run(&mut self, call: impl FnOnce(F) -> Result<T, E>) -> Result<(), Failed> {
        let Some(act) = self.act.take() else { return Ok(()) };
        let outcome = call(act);
        let failed = outcome.as_ref().err().map(|error| Failed::Inside { is_storage: error.is_storage() });
        self.outcome = Some(outcome);
        failed.map_or(Ok(()), Err)
    }

    /// Returns the values of the closure and of the operation that ran it, or the error of either.
    pub(super) fn outcome<U>(self, done: Result<U, Failed>) -> Result<(T, U), E> {
        match (done, self.outcome) {
            (Err(Failed::Log(error)), _) => Err(error.into()),
            (_, Some(Err(error))) => Err(error),
            (Ok(done), Some(Ok(value))) => Ok((value, done)),
            (_, _) => Err(LogError::Damaged.into()),
        }
    }
}

impl From<LogError> for Failed {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl LogFailure for Failed {
    fn is_storage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_storage(),
            Self::Inside { is_storage } => *is_storage,
        }
    }
}
