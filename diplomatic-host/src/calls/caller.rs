//! The caller, according to the start of every request.

use diplomatic::standard::calls::AuthTimestamp;
use diplomatic::standard::{PublicKey, Seq, Timestamp};

use super::Input;
use crate::{BagStore, Refusal};

/// A caller with a valid auth timestamp.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) key: PublicKey,
    /// The last seq of the caller's bags; `None` if the caller is not registered.
    last: Option<Seq>,
}

impl Caller {
    /// Takes the auth timestamp from the front of a request, before the rest has arrived, and checks it.
    pub(crate) async fn read<S: BagStore + ?Sized>(
        store: &S,
        now: Timestamp,
        request: &mut Input<'_>,
    ) -> Result<Self, Refusal> {
        let auth = request.auth().await?;
        let caller = Self::admit(store, now, &auth).await?;
        request.admit(&caller.key);
        Ok(caller)
    }

    /// Checks an auth timestamp.
    pub(crate) async fn admit<S: BagStore + ?Sized>(
        store: &S,
        now: Timestamp,
        auth: &AuthTimestamp,
    ) -> Result<Self, Refusal> {
        auth.verify(now)?;
        Ok(Self { key: auth.key, last: store.last(auth.key).await? })
    }

    pub(crate) const fn is_registered(&self) -> bool {
        self.last.is_some()
    }

    /// Returns the caller's last seq, or refuses a caller who is not registered.
    pub(crate) fn registered(&self) -> Result<Seq, Refusal> {
        self.last.ok_or(Refusal::NotRegistered)
    }
}
