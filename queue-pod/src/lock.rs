//! The lock of the queue API (contract queue-server §2.7): who may still change things, and how it prints.

use crds::queue::QueueLock;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The hash under which a key is kept; the key itself never is.
pub fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

/// `lock_info` on the wire.
pub fn info(lock: Option<&QueueLock>, has_emergency_key: bool) -> Value {
    json!({
        "environment": lock.is_some_and(|lock| lock.environment),
        "queue": lock.is_some_and(|lock| lock.queue),
        "user": lock.map(|lock| lock.user.clone()),
        "time": lock.map(|lock| lock.time),
        "time_str": lock.map_or_else(String::new, |lock| time_text(lock.time)),
        "note": lock.and_then(|lock| lock.note.clone()),
        "emergency_lock_key_is_set": has_emergency_key,
    })
}

/// The lock as it is described to somebody without the key.
pub fn describe(lock: &QueueLock, has_emergency_key: bool) -> String {
    let python = |value| if value { "True" } else { "False" };
    format!(
        "RE Manager is locked by {} at {}\nEnvironment is locked: {}\nQueue is locked:       {}\n\
         Emergency lock key:    {}\nNote: {}",
        lock.user,
        time_text(lock.time),
        python(lock.environment),
        python(lock.queue),
        if has_emergency_key { "set" } else { "not set" },
        lock.note.as_deref().unwrap_or("---"),
    )
}

fn time_text(seconds: f64) -> String {
    local(seconds).strftime("%m/%d/%Y %H:%M:%S").to_string()
}

/// A Unix time in seconds as local time, as the Python server prints it.
pub fn local(seconds: f64) -> jiff::Zoned {
    let duration = jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
    Timestamp::from_duration(duration).unwrap_or_default().to_zoned(TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_described_line_by_line() {
        let lock = QueueLock {
            environment: true,
            queue: false,
            key_hash: hash("k"),
            note: Some("hi".to_owned()),
            user: "u".to_owned(),
            time: 0.0,
            uid: String::new(),
        };
        let text = describe(&lock, false);
        assert!(text.starts_with("RE Manager is locked by u at "));
        assert!(text.ends_with("\nEnvironment is locked: True\nQueue is locked:       False\nEmergency lock key:    not set\nNote: hi"));
    }
}
