//! Kinds of request field that only direct control has.

use std::time::Duration;

use serde_json::{Value, json};
use service::validation::{Reader, kinds};

/// Seconds from 0 up (pydantic's `ge=0`).
pub(crate) fn seconds(value: &Value, reader: &mut Reader) -> Option<Duration> {
    let number = kinds::number(value, reader)?;
    if let Ok(duration) = Duration::try_from_secs_f64(number) {
        return Some(duration);
    }
    let ctx = json!({ "ge": 0.0 });
    let msg = "Input should be greater than or equal to 0";
    reader.problem("greater_than_equal", msg, value, Some(ctx))
}

/// The timeout that was asked for; 0 means "as usual" (contract §2.4).
pub(crate) fn given(timeout: Option<Duration>) -> Option<Duration> {
    timeout.filter(|timeout| !timeout.is_zero())
}
