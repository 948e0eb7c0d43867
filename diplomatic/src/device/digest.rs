//! A digest of everything that a device holds.

use super::Device;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::Digest;

impl<R: Reducer> Device<R> {
    /// Returns the digest of every message that is here, or was until compaction dropped it. If two devices have the same
    /// digest, they have the same data.
    ///
    /// It is computed again only if messages were added.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn digest(&self) -> Result<Digest, LogError> {
        self.log.read(|reader| {
            // Of what a log ever knew, nothing is forgotten. So the number tells whether it is the same.
            let known = reader.known_count()?;
            if let Some((_, digest)) = self.digest.get().filter(|(counted, _)| *counted == known) {
                return Ok(digest);
            }
            let digest = Digest::of(reader.known_hashes()?);
            self.digest.set(Some((known, digest)));
            Ok(digest)
        })
    }
}
