//! Errors that the same input always leads to.

/// Gives errors of values an `is_retryable`, which every error of this crate has.
macro_rules! never_retryable {
    ($($error:ty),+ $(,)?) => {$(
        impl $error {
            /// Returns whether trying again may help, without any other change: it never does, since the same input leads to
            /// the same error.
            pub const fn is_retryable(&self) -> bool {
                false
            }
        }
    )+};
}

pub(crate) use never_retryable;
