//! What was skipped at a host: holes in its list, and bags that cannot be read.

use std::fmt;

use crate::standard::{BagHead, Decode, DecodeError, Encode, InvalidSignature, OpenBagError, Reader, Seq, Status};
use crate::standard::{put_varbytes, put_varint};

/// Something that was skipped at a host. It is noted, counted and looked at again, but never blocks anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The number of the bag at the host, or of the first bag of several.
    pub seq: Seq,
    /// Why it was skipped.
    pub reason: SkipReason,
}

/// Why a bag, or a range of bags, was skipped.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The host does not list the bag.
    Hole {
        /// The last bag of the hole.
        last: Seq,
    },
    /// The bag's head cannot be opened, or not even decoded (`None`).
    Head(Option<OpenBagError>),
    /// The host does not deliver the bag's body (`None`), or one that cannot be opened.
    Body {
        /// The bag's head as the host listed it.
        head: BagHead,
        /// Why the body cannot be opened.
        error: Option<OpenBagError>,
    },
    /// The host does not list the bag, or not readably, but nothing that it held is missing here.
    Vacant {
        /// The last bag of the range.
        last: Seq,
    },
}

impl SkipReason {
    /// Returns whether a message may be missing because of this.
    pub const fn hides_something(&self) -> bool {
        !matches!(self, Self::Vacant { .. })
    }

    /// Returns the last seq of what was skipped from `seq` on.
    pub(crate) fn last(&self, seq: Seq) -> Seq {
        match self {
            Self::Hole { last } | Self::Vacant { last } => (*last).max(seq),
            Self::Head(_) | Self::Body { .. } => seq,
        }
    }

    /// Returns how many bags from `seq` on cannot be read, and how many the host leaves out.
    pub(crate) fn count(&self, seq: Seq) -> (u64, u64) {
        match self {
            Self::Hole { last } => (0, (last.number() + 1).saturating_sub(seq.number())),
            Self::Head(_) | Self::Body { .. } => (1, 0),
            Self::Vacant { .. } => (0, 0),
        }
    }

    /// Returns the same reason for a part of what was skipped.
    pub(super) fn until(&self, last: Seq) -> Self {
        match self {
            Self::Hole { .. } => Self::Hole { last },
            Self::Vacant { .. } => Self::Vacant { last },
            other => other.clone(),
        }
    }
}

impl fmt::Debug for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hole { last } => write!(f, "Hole(to {last})"),
            Self::Head(error) => f.debug_tuple("Head").field(error).finish(),
            Self::Body { head: _, error } => f.debug_tuple("Body").field(error).finish(),
            Self::Vacant { last } => write!(f, "Vacant(to {last})"),
        }
    }
}

/// What a note begins with. The first format began with the length of a head, which is never 0.
const SECOND_FORMAT: u8 = 0;

impl Skipped {
    /// Notes that a hole up to `vouched` hides nothing.
    pub(super) fn explain_hole(&mut self, vouched: Seq) {
        if let SkipReason::Hole { last } = self.reason
            && last <= vouched
        {
            self.reason = SkipReason::Vacant { last };
        }
    }

    /// Returns what is to be kept beside the bag's number.
    ///
    /// ```text
    /// u8 0 · u8 kind · 0 hole: varint last · 1 head: u8 error · 2 body: varbytes bag head, u8 error · 3 vacant: varint last
    /// error: 0 none · 1 signature · 2 head does not decrypt · 3 body does not decrypt · 4 hash · 5 head does not decode
    /// ```
    ///
    /// Notes of the first format are `varbytes bag head · u8 error`.
    pub(crate) fn to_note(&self) -> Vec<u8> {
        let mut note = vec![SECOND_FORMAT];
        match &self.reason {
            SkipReason::Hole { last } => {
                note.push(0);
                put_varint(&mut note, last.number());
            }
            SkipReason::Head(error) => note.extend([1, error_code(*error)]),
            SkipReason::Body { head, error } => {
                note.push(2);
                put_varbytes(&mut note, &head.to_bytes());
                note.push(error_code(*error));
            }
            SkipReason::Vacant { last } => {
                note.push(3);
                put_varint(&mut note, last.number());
            }
        }
        note
    }

    /// Reads it back. What exactly is wrong with a head that does not decode is not kept.
    pub(crate) fn from_note(seq: Seq, note: &[u8]) -> Result<Self, DecodeError> {
        let reason = match note {
            [SECOND_FORMAT, kind, rest @ ..] => {
                let mut reader = Reader::new(rest);
                match kind {
                    0 => SkipReason::Hole { last: Decode::read(&mut reader)? },
                    1 => SkipReason::Head(error_of(reader.byte()?)),
                    2 => {
                        let head = reader.varbytes().and_then(BagHead::decode)?;
                        SkipReason::Body { head, error: error_of(reader.byte()?) }
                    }
                    _ => SkipReason::Vacant { last: Decode::read(&mut reader)? },
                }
            }
            _ => {
                let mut reader = Reader::new(note);
                let head = reader.varbytes().and_then(BagHead::decode)?;
                match error_of(reader.byte()?) {
                    error @ (None | Some(OpenBagError::DecryptBody | OpenBagError::HashMismatch)) => {
                        SkipReason::Body { head, error }
                    }
                    error => SkipReason::Head(error),
                }
            }
        };
        Ok(Self { seq, reason })
    }
}

const fn error_code(error: Option<OpenBagError>) -> u8 {
    match error {
        None => 0,
        Some(OpenBagError::InvalidSignature(_)) => 1,
        Some(OpenBagError::DecryptHead) => 2,
        Some(OpenBagError::DecryptBody) => 3,
        Some(OpenBagError::HashMismatch) => 4,
        Some(OpenBagError::DecodeHead(_)) => 5,
    }
}

const fn error_of(code: u8) -> Option<OpenBagError> {
    match code {
        1 => Some(OpenBagError::InvalidSignature(InvalidSignature)),
        2 => Some(OpenBagError::DecryptHead),
        3 => Some(OpenBagError::DecryptBody),
        4 => Some(OpenBagError::HashMismatch),
        5 => Some(OpenBagError::DecodeHead(DecodeError::TruncatedInside { status: Status::INVALID_MESSAGE })),
        _ => None,
    }
}
