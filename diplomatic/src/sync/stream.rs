//! Decoding a response item by item as its chunks arrive.

use crate::standard::calls::ResponseHead;
use crate::standard::{Decode, DecodeError, Reader};

/// The maximum length of a response head: a status and eight varints.
const MAX_HEAD: usize = 1 + 8 * 8;

/// A response that does not match its layout, or holds what nobody asked for.
#[derive(Debug)]
pub(super) struct Garbled;

impl From<DecodeError> for Garbled {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// The bytes of a response that have not been decoded yet.
///
/// It never holds much more than one item and one chunk.
#[derive(Debug, Default)]
pub(crate) struct ResponseStream {
    bytes: Vec<u8>,
    taken: usize,
}

impl ResponseStream {
    pub(crate) fn extend(&mut self, chunk: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(chunk);
    }

    /// Returns whether all received bytes have been decoded.
    pub(crate) const fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Returns how many bytes have not been decoded yet.
    #[cfg(feature = "client")]
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(crate) fn head(&mut self) -> Result<Option<ResponseHead>, DecodeError> {
        self.item(MAX_HEAD)
    }

    /// Decodes the next item; `None` if its end has not arrived yet.
    ///
    /// An item of more than `limit` bytes is an error, so that a false length cannot fill the memory.
    pub(crate) fn item<T: Decode>(&mut self, limit: usize) -> Result<Option<T>, DecodeError> {
        let left = &self.bytes[self.taken..];
        let mut reader = Reader::new(left);
        match T::read(&mut reader) {
            Ok(item) => {
                self.taken = self.bytes.len() - reader.rest().len();
                Ok(Some(item))
            }
            Err(DecodeError::OutOfBounds { wanted, .. }) if wanted > limit as u64 => {
                Err(DecodeError::OutOfBounds { wanted, left: limit as u64 })
            }
            Err(error) if error.is_incomplete() && left.len() < limit => Ok(None),
            Err(error) => Err(error),
        }
    }
}
