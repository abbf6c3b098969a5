//! How a client wants its pictures: optional fields of any message that it sends. Ours, beside
//! upstream's `toggleLogNormalization` (contract §2.11). Pure.

use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::camera::encode::Encoding;
use crate::camera::normalise::Scale;
use crate::camera::render::Mode;

/// Fewest pixels on a side that a client can ask for.
const LEAST_DIMENSION: u64 = 16;

/// How one client wants its pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wishes {
    /// What each picture looks like.
    pub(crate) mode: Mode,
    /// Shortest time between two pictures.
    pub(crate) interval: Duration,
}

/// A wish that cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} must be {expected}, got {got}")]
pub(crate) struct BadWish {
    field: &'static str,
    expected: String,
    got: String,
}

impl Wishes {
    /// The wishes after a message: its fields in place of what was wished before. No side can be
    /// longer than `most` pixels.
    ///
    /// # Errors
    /// [`BadWish`] for a field that makes no sense; then nothing of the message counts.
    pub(crate) fn after(self, message: &Map<String, Value>, most: usize) -> Result<Self, BadWish> {
        let mut wishes = self;
        if let Some(value) = given(message, "quality") {
            let quality = value.as_u64().filter(|quality| (1..=100).contains(quality));
            let bad = || bad("quality", "a whole number from 1 to 100", value);
            wishes.mode.quality = quality.ok_or_else(bad)? as u8;
        }
        if let Some(value) = given(message, "maxRate") {
            let rate = value.as_f64().filter(|rate| *rate > 0.0 && rate.is_finite());
            let interval = rate.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
            let bad = || bad("maxRate", "a number of pictures a second above 0", value);
            wishes.interval = interval.ok_or_else(bad)?;
        }
        if let Some(value) = given(message, "maxDimension") {
            let least = LEAST_DIMENSION.min(most as u64);
            let fits = |pixels: &u64| (least..=most as u64).contains(pixels);
            let bad = || {
                bad("maxDimension", &format!("a number of pixels from {least} to {most}"), value)
            };
            wishes.mode.max_dimension = value.as_u64().filter(fits).ok_or_else(bad)? as usize;
        }
        if let Some(value) = given(message, "encoding") {
            let bad = || bad("encoding", "jpeg, png or webp", value);
            let encoding = value.as_str().and_then(Encoding::of_name);
            wishes.mode.encoding = encoding.ok_or_else(bad)?;
        }
        if let Some(value) = given(message, "logNormalization") {
            let bad = || bad("logNormalization", "true or false", value);
            wishes.mode.scale = scale(value.as_bool().ok_or_else(bad)?);
        }
        if let Some(log) = toggle(message) {
            wishes.mode.scale = scale(log);
        }
        Ok(wishes)
    }
}

/// The scale that `logNormalization` stands for.
pub(crate) fn scale(logarithmic: bool) -> Scale {
    if logarithmic { Scale::Logarithmic } else { Scale::Linear }
}

/// Whether the message sets the scale, and to what. What is no boolean counts as Python's `bool`
/// has it.
pub(crate) fn toggle(message: &Map<String, Value>) -> Option<bool> {
    Some(match message.get("toggleLogNormalization")? {
        Value::Null => false,
        Value::Bool(log) => *log,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    })
}

fn given<'a>(message: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    message.get(field).filter(|value| !value.is_null())
}

fn bad(field: &'static str, expected: &str, got: &Value) -> BadWish {
    BadWish { field, expected: expected.to_owned(), got: got.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first() -> Wishes {
        Wishes {
            mode: Mode {
                scale: Scale::Logarithmic,
                encoding: Encoding::Jpeg,
                quality: 100,
                max_dimension: 2500,
            },
            interval: Duration::ZERO,
        }
    }

    fn after(message: &Value) -> Result<Wishes, String> {
        let message = message.as_object().unwrap();
        first().after(message, 2500).map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_message_changes_what_it_names_and_nothing_else() {
        assert_eq!(after(&json!({"imageArray_PV": "x", "zzz": 1})), Ok(first()));
        let wishes =
            after(&json!({"quality": 80, "maxRate": 4, "encoding": "png", "maxDimension": 512}));
        let mode =
            Mode { quality: 80, encoding: Encoding::Png, max_dimension: 512, ..first().mode };
        assert_eq!(wishes, Ok(Wishes { mode, interval: Duration::from_millis(250) }));
        let linear = Mode { scale: Scale::Linear, ..first().mode };
        for message in
            [json!({"toggleLogNormalization": false}), json!({"logNormalization": false})]
        {
            assert_eq!(after(&message), Ok(Wishes { mode: linear, ..first() }));
        }
    }

    #[test]
    fn a_toggle_sets_and_does_not_flip_as_python_understands_truth() {
        let toggled =
            |value: Value| toggle(json!({"toggleLogNormalization": value}).as_object().unwrap());
        for yes in [json!(true), json!(1), json!("no"), json!([0])] {
            assert_eq!(toggled(yes), Some(true));
        }
        for no in [json!(false), json!(0), json!(""), json!(null), json!({})] {
            assert_eq!(toggled(no), Some(false));
        }
        assert_eq!(toggle(&Map::new()), None);
    }

    #[test]
    fn a_wish_that_makes_no_sense_is_refused_with_a_reason() {
        for (message, reason) in [
            (json!({"quality": 0}), "quality must be a whole number from 1 to 100, got 0"),
            (json!({"quality": 8.5}), "quality must be a whole number from 1 to 100, got 8.5"),
            (
                json!({"maxRate": -1}),
                "maxRate must be a number of pictures a second above 0, got -1",
            ),
            (
                json!({"maxRate": 1e-300}),
                "maxRate must be a number of pictures a second above 0, got 1e-300",
            ),
            (json!({"encoding": "gif"}), "encoding must be jpeg, png or webp, got \"gif\""),
            (
                json!({"maxDimension": 9}),
                "maxDimension must be a number of pixels from 16 to 2500, got 9",
            ),
            (
                json!({"logNormalization": "yes"}),
                "logNormalization must be true or false, got \"yes\"",
            ),
        ] {
            assert_eq!(after(&message), Err(reason.to_owned()));
        }
    }
}
