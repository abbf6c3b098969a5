//! Times as the wire shows them (contract §2.1): local ISO time without a zone, and epoch seconds.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Now, as local ISO time without a zone and with six decimals.
pub(crate) fn now() -> String {
    naive_local(SystemTime::now())
}

/// `time` as local ISO time without a zone and with six decimals.
pub(crate) fn naive_local(time: SystemTime) -> String {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// Seconds since 1970; negative before.
pub(crate) fn epoch_seconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn iso_time_has_six_decimals_and_no_zone() {
        let text = naive_local(UNIX_EPOCH + Duration::from_micros(1_795_225_057_582_143));
        assert!(text.ends_with(".582143"), "{text}");
        assert_eq!(text.len(), "2026-11-21T01:37:30.158203".len());
    }

    #[test]
    fn a_time_before_1970_is_negative() {
        assert_eq!(epoch_seconds(UNIX_EPOCH - Duration::from_millis(1500)), -1.5);
    }
}
