use diplomatic::standard::calls::{AuthError, AuthTimestamp, AuthToken};
use diplomatic::standard::{Decode, Encode, HostKeys, Timestamp};

use crate::{Fields, to_hex, vectors};

#[test]
fn auth_timestamps_are_made_as_recorded() {
    for case in vectors("auth").cases("make") {
        let keys = HostKeys::derive(&case.seed(), &case.label());
        let auth = keys.authenticate(Timestamp::from_millis(case.number("tsMs")));
        assert_eq!(to_hex(&auth.to_bytes()), case.text("authTS"), "{case}");
        assert_eq!(AuthTimestamp::decode(&case.bytes("authTS")), Ok(auth.clone()));
        assert_eq!(AuthToken::new(auth.clone()).to_string(), case.text("authTS"));
        assert_eq!(AuthToken::parse(case.text("authTS")), Some(AuthToken::new(auth)));
    }
}

#[test]
fn a_host_takes_and_refuses_them_as_recorded() {
    for case in vectors("auth").cases("validate") {
        let auth = AuthTimestamp::decode(&case.bytes("authTS")).unwrap();
        let verified = auth.verify(Timestamp::from_millis(case.number("hostNowMs")));
        let expected = if case.status().is_success() { Ok(()) } else { Err(case.status()) };
        assert_eq!(verified.map_err(AuthError::status), expected, "{case}");
    }
}
