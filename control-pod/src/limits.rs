//! Control limits: whether a number may be written to a PV (contract §2.4 step 4).

use channels::{PvValue, Sample};
use serde_json::Value;
use thiserror::Error;

use crate::values::write::checkable_number;

/// The value lies outside the PV's control limits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("PV '{pv}': value {value} is {side} {limit}")]
pub(crate) struct OutOfLimits {
    /// PV name.
    pub(crate) pv: String,
    /// The value as the client wrote it.
    pub(crate) value: String,
    /// Which limit is broken.
    pub(crate) side: &'static str,
    /// The limit.
    pub(crate) limit: String,
}

/// Checks `value` against the control limits that came with `sample`, both ends included.
///
/// Text and arrays pass, and so does everything where the PV has no limits or both are 0, which is
/// how EPICS says "none".
///
/// # Errors
/// [`OutOfLimits`] names the limit.
pub(crate) fn check(pv: &str, value: &Value, sample: &Sample) -> Result<(), OutOfLimits> {
    let limits = sample.metadata.as_ref().and_then(|metadata| metadata.control_limits);
    let (Some(number), Some((low, high))) = (checkable_number(value), limits) else {
        return Ok(());
    };
    if low == 0.0 && high == 0.0 {
        return Ok(());
    }
    let (side, limit) = if number > high {
        ("above upper_ctrl_limit", high)
    } else if number < low {
        ("below lower_ctrl_limit", low)
    } else {
        return Ok(());
    };
    let limit = if is_whole(&sample.value) { format!("{limit}") } else { format!("{limit:?}") };
    Err(OutOfLimits { pv: pv.to_owned(), value: value.to_string(), side, limit })
}

/// Whether the PV holds whole numbers.
pub(crate) fn is_whole(value: &PvValue) -> bool {
    matches!(
        value,
        PvValue::Short(_)
            | PvValue::Char(_)
            | PvValue::Long(_)
            | PvValue::ShortArray(_)
            | PvValue::CharArray(_)
            | PvValue::LongArray(_)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use channels::{Alarm, Metadata};
    use serde_json::json;

    use super::*;

    fn sample(limits: Option<(f64, f64)>) -> Sample {
        Sample {
            value: PvValue::Double(0.0),
            time: SystemTime::UNIX_EPOCH,
            alarm: Alarm::default(),
            connected: true,
            read_access: true,
            write_access: true,
            metadata: Some(Arc::new(Metadata { control_limits: limits, ..Metadata::default() })),
        }
    }

    fn text(value: &Value, limits: (f64, f64)) -> String {
        check("IOC:m1_lim", value, &sample(Some(limits))).unwrap_err().to_string()
    }

    #[test]
    fn the_message_names_value_and_limit() {
        assert_eq!(
            text(&json!(100), (0.0, 10.0)),
            "PV 'IOC:m1_lim': value 100 is above upper_ctrl_limit 10.0"
        );
        assert_eq!(
            text(&json!(-1.5), (0.0, 10.0)),
            "PV 'IOC:m1_lim': value -1.5 is below lower_ctrl_limit 0.0"
        );
    }

    #[test]
    fn both_ends_are_allowed() {
        let sample = sample(Some((0.0, 10.0)));
        assert!(check("p", &json!(0), &sample).is_ok());
        assert!(check("p", &json!(10.0), &sample).is_ok());
    }

    #[test]
    fn without_limits_everything_passes() {
        assert!(check("p", &json!(1e9), &sample(Some((0.0, 0.0)))).is_ok());
        assert!(check("p", &json!(1e9), &sample(None)).is_ok());
        let limited = sample(Some((0.0, 1.0)));
        assert!(check("p", &json!("5"), &limited).is_ok());
        assert!(check("p", &json!([5]), &limited).is_ok());
    }
}
