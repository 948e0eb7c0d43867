//! The standard's status numbers.

use std::fmt;

/// What a host says about a request, or about one item of it.
///
/// Statuses that this build does not know keep their number, which is also their form in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "engine", derive(serde::Serialize, serde::Deserialize))]
pub struct Status(u8);

macro_rules! statuses {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*

            /// Returns the standard's name for this status, if this build knows it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }

            /// Returns every status that this build knows.
            pub const fn all() -> &'static [Self] {
                &[$(Self($number)),*]
            }
        }
    };
}

statuses! {
    /// The request, or the item, was carried out.
    SUCCESS = 0, "Success";
    /// A signature does not match its key and content.
    INVALID_SIGNATURE = 3, "InvalidSignature";
    /// The request's time is too far from the host's.
    CLOCK_OUT_OF_SYNC = 4, "ClockOutOfSync";
    /// The key is not registered with the host.
    USER_NOT_REGISTERED = 5, "UserNotRegistered";
    /// The host is misconfigured.
    SERVER_MISCONFIGURED = 6, "ServerMisconfigured";
    /// A request has no body.
    MISSING_BODY = 7, "MissingBody";
    /// Bytes follow the end of the request.
    EXTRA_BODY_CONTENT = 8, "ExtraBodyContent";
    /// A parameter is missing.
    MISSING_PARAM = 9, "MissingParam";
    /// A parameter is invalid.
    INVALID_PARAM = 10, "InvalidParam";
    /// The request is invalid.
    INVALID_REQUEST = 11, "InvalidRequest";
    /// The host failed.
    INTERNAL_ERROR = 12, "InternalError";
    /// There is no such call.
    NOT_FOUND = 13, "NotFound";
    /// Bytes do not match their layout.
    INVALID_MESSAGE = 14, "InvalidMessage";
    /// Nothing changed.
    NO_CHANGE = 15, "NoChange";
    /// The database is closed.
    DATABASE_CLOSED = 16, "DatabaseClosed";
    /// The host could not store something.
    STORAGE_ERROR = 17, "StorageError";
    /// The database failed.
    DATABASE_ERROR = 18, "DatabaseError";
    /// A hash does not match its content.
    HASH_MISMATCH = 19, "HashMismatch";
    /// A sealed box cannot be opened with its key.
    DECRYPTION_ERROR = 20, "DecryptionError";
    /// The call is not implemented.
    NOT_IMPLEMENTED = 21, "NotImplemented";
    /// There is no seed.
    MISSING_SEED = 22, "MissingSeed";
    /// A field needs more bytes than are left.
    OUT_OF_BOUNDS = 23, "OutOfBounds";
    /// The host failed, from a client's point of view.
    HOST_ERROR = 24, "HostError";
    /// The network failed.
    COMMUNICATION_ERROR = 25, "CommunicationError";
    /// A number does not fit in a varint.
    VAR_LIMIT_EXCEEDED = 26, "VarLimitExceeded";
    /// A response is invalid.
    INVALID_RESPONSE = 27, "InvalidResponse";
    /// The connection is closed.
    CONNECTION_CLOSED = 28, "ConnectionClosed";
}

impl Status {
    /// Returns the status with this number, known or not.
    pub const fn from_number(number: u8) -> Self {
        Self(number)
    }

    /// Returns the number on the wire.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns whether the host could not carry something out at the moment, and may be able to later.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::INTERNAL_ERROR
                | Self::DATABASE_CLOSED
                | Self::STORAGE_ERROR
                | Self::DATABASE_ERROR
                | Self::HOST_ERROR
                | Self::COMMUNICATION_ERROR
                | Self::CONNECTION_CLOSED
        )
    }

    /// Returns whether this is [`Status::SUCCESS`].
    pub const fn is_success(self) -> bool {
        self.0 == Self::SUCCESS.0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "unknown status ({})", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
