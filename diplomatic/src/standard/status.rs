//! The standard's status numbers.

use std::fmt;

/// What a host says about a request, or about one item of it.
///
/// Numbers that this build does not know are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(u8);

macro_rules! statuses {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*

            /// Returns the standard's name of this status, if this build knows it.
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
    /// A signature does not fit its key and content.
    INVALID_SIGNATURE = 3, "InvalidSignature";
    /// The request's time is too far from the host's.
    CLOCK_OUT_OF_SYNC = 4, "ClockOutOfSync";
    /// The key is not registered with the host.
    USER_NOT_REGISTERED = 5, "UserNotRegistered";
    /// The host is set up wrongly.
    SERVER_MISCONFIGURED = 6, "ServerMisconfigured";
    /// A request came without a body.
    MISSING_BODY = 7, "MissingBody";
    /// Bytes follow where the request ends.
    EXTRA_BODY_CONTENT = 8, "ExtraBodyContent";
    /// A parameter is missing.
    MISSING_PARAM = 9, "MissingParam";
    /// A parameter cannot be used.
    INVALID_PARAM = 10, "InvalidParam";
    /// The request cannot be used.
    INVALID_REQUEST = 11, "InvalidRequest";
    /// The host failed.
    INTERNAL_ERROR = 12, "InternalError";
    /// No such call.
    NOT_FOUND = 13, "NotFound";
    /// Bytes that do not follow their layout.
    INVALID_MESSAGE = 14, "InvalidMessage";
    /// Nothing changed.
    NO_CHANGE = 15, "NoChange";
    /// The database is closed.
    DATABASE_CLOSED = 16, "DatabaseClosed";
    /// The host could not store.
    STORAGE_ERROR = 17, "StorageError";
    /// The database failed.
    DATABASE_ERROR = 18, "DatabaseError";
    /// A hash does not fit its content.
    HASH_MISMATCH = 19, "HashMismatch";
    /// A box does not open under its key.
    DECRYPTION_ERROR = 20, "DecryptionError";
    /// The call is not implemented.
    NOT_IMPLEMENTED = 21, "NotImplemented";
    /// There is no seed.
    MISSING_SEED = 22, "MissingSeed";
    /// A field wants more bytes than there are.
    OUT_OF_BOUNDS = 23, "OutOfBounds";
    /// The host failed, as a client sees it.
    HOST_ERROR = 24, "HostError";
    /// The network failed.
    COMMUNICATION_ERROR = 25, "CommunicationError";
    /// A number beyond what a varint carries.
    VAR_LIMIT_EXCEEDED = 26, "VarLimitExceeded";
    /// A response that cannot be used.
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

    /// Tells whether this is [`Status::SUCCESS`].
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
