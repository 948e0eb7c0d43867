use diplomatic::standard::{ClockOffset, Timestamp};

use crate::{Fields, vectors};

#[test]
fn offsets_are_measured_as_recorded() {
    for case in vectors("clock").cases("offset") {
        let time = |key| Timestamp::from_millis(case.number(key));
        let offset = ClockOffset::measure(
            time("t1ClientSent"),
            time("t2HostReceived"),
            time("t3HostSent"),
            time("t4ClientReceived"),
        );
        assert_eq!(offset.as_millis(), case["offsetMs"].as_i64().unwrap(), "{case}");
    }
}
