//! The caller, according to the start of every request.

use diplomatic::standard::calls::AuthTimestamp;
use diplomatic::standard::{PublicKey, Seq, Timestamp};

use super::Input;
use crate::{BagStore, Refusal};

/// A caller with a valid auth timestamp.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) key: PublicKey,
}

impl Caller {
    /// Takes the auth timestamp from the front of a request, before the rest has arrived, and checks it.
    pub(crate) async fn read(now: Timestamp, request: &mut Input<'_>) -> Result<Self, Refusal> {
        let caller = Self::admit(now, &request.auth().await?)?;
        request.admit(&caller.key);
        Ok(caller)
    }

    /// Checks an auth timestamp.
    pub(crate) fn admit(now: Timestamp, auth: &AuthTimestamp) -> Result<Self, Refusal> {
        auth.verify(now)?;
        Ok(Self { key: auth.key })
    }

    /// Refuses a caller who is not registered.
    pub(crate) async fn registered<S: BagStore + ?Sized>(&self, store: &S) -> Result<(), Refusal> {
        store.is_registered(self.key).await?.then_some(()).ok_or(Refusal::NotRegistered)
    }

    /// Returns the caller's last seq, or refuses a caller who is not registered.
    pub(crate) async fn last<S: BagStore + ?Sized>(&self, store: &S) -> Result<Seq, Refusal> {
        store.last(self.key).await?.ok_or(Refusal::NotRegistered)
    }
}
