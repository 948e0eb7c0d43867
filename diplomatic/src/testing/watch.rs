//! What looks at a device beside its state, while a history happens.

use super::laws::Broken;
use crate::device::Device;
use crate::reducer::Reducer;

/// Looks at a device after every step of a history.
pub(super) type Watch<'w, R> = Box<dyn FnMut(&Device<R>) -> Result<(), Broken> + 'w>;

/// Looks at nothing.
pub(super) fn nothing<'w, R: Reducer>() -> Watch<'w, R> {
    Box::new(|_| Ok(()))
}
