//! Whether a readback shows what was written, by ophyd's rule: equal, or within one digit of the
//! PV's precision. Pure.

use channels::{Metadata, PvValue, Sample};

/// Whether `sample` shows `written`.
pub(crate) fn has_arrived(written: &PvValue, sample: &Sample) -> bool {
    let metadata = sample.metadata.as_deref();
    match (written, numbers(&sample.value)) {
        (PvValue::String(text), _) => shows_text(text, &sample.value, metadata),
        (PvValue::StringArray(texts), _) => match &sample.value {
            PvValue::StringArray(shown) => shown.starts_with(texts),
            _ => false,
        },
        (written, Some(shown)) => match numbers(written) {
            Some(wanted) => within(&wanted, &shown, tolerance(metadata)),
            None => false,
        },
        (written, None) => match (written.as_f64(), &sample.value) {
            (Some(wanted), PvValue::String(text)) => text.parse() == Ok(wanted),
            _ => false,
        },
    }
}

/// How far a readback may be from what was written: one digit of the precision, or nothing where
/// there is none.
pub(crate) fn tolerance(metadata: Option<&Metadata>) -> f64 {
    match metadata.and_then(|metadata| metadata.precision) {
        Some(digits) if digits > 0 => 10_f64.powi(-i32::from(digits)),
        _ => 0.0,
    }
}

fn shows_text(text: &str, value: &PvValue, metadata: Option<&Metadata>) -> bool {
    match value {
        PvValue::String(shown) => shown == text,
        PvValue::CharArray(bytes) => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            &bytes[..end] == text.as_bytes()
        }
        PvValue::Enum(index) => {
            let labels = metadata.and_then(|metadata| metadata.enum_labels.as_ref());
            let label = labels.and_then(|labels| labels.get(usize::from(*index)));
            label.is_some_and(|label| label == text) || text.parse() == Ok(*index)
        }
        number => match (number.as_f64(), text.parse::<f64>()) {
            (Some(shown), Ok(wanted)) => within(&[wanted], &[shown], tolerance(metadata)),
            _ => false,
        },
    }
}

/// A waveform may be longer than what was written into it.
fn within(wanted: &[f64], shown: &[f64], tolerance: f64) -> bool {
    shown.len() >= wanted.len()
        && wanted.iter().zip(shown).all(|(wanted, shown)| same(*wanted, *shown, tolerance))
}

fn same(wanted: f64, shown: f64, tolerance: f64) -> bool {
    // The second line: a single precision PV shows the nearest number that it can hold. The third:
    // rounding of the difference.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the comparison is meant at single precision"
    )]
    let same_single = (wanted as f32).to_bits() == (shown as f32).to_bits();
    wanted == shown
        || (same_single && f64::from(shown as f32) == shown)
        || (wanted - shown).abs() <= tolerance * (1.0 + f64::EPSILON * 8.0)
}

fn numbers(value: &PvValue) -> Option<Vec<f64>> {
    Some(match value {
        PvValue::ShortArray(items) => items.iter().map(|item| f64::from(*item)).collect(),
        PvValue::FloatArray(items) => items.iter().map(|item| f64::from(*item)).collect(),
        PvValue::EnumArray(items) => items.iter().map(|item| f64::from(*item)).collect(),
        PvValue::CharArray(items) => items.iter().map(|item| f64::from(*item)).collect(),
        PvValue::LongArray(items) => items.iter().map(|item| f64::from(*item)).collect(),
        PvValue::DoubleArray(items) => items.to_vec(),
        scalar => vec![scalar.as_f64()?],
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use channels::Alarm;

    use super::*;

    fn shows(
        written: impl std::borrow::Borrow<PvValue>,
        value: PvValue,
        precision: Option<i16>,
    ) -> bool {
        let labels = vec!["Closed".to_owned(), "Open".to_owned()].into();
        let metadata = Metadata { precision, enum_labels: Some(labels), ..Metadata::default() };
        let sample = Sample {
            value,
            time: SystemTime::UNIX_EPOCH,
            alarm: Alarm::default(),
            connected: true,
            read_access: true,
            write_access: true,
            metadata: Some(Arc::new(metadata)),
        };
        has_arrived(written.borrow(), &sample)
    }

    #[test]
    fn a_number_arrives_within_one_digit_of_the_precision() {
        assert!(shows(PvValue::Double(1.25), PvValue::Double(1.25), None));
        assert!(shows(PvValue::Double(1.2504), PvValue::Double(1.25), Some(3)));
        assert!(!shows(PvValue::Double(1.26), PvValue::Double(1.25), Some(3)));
        assert!(!shows(PvValue::Double(1.2500001), PvValue::Double(1.25), Some(0)));
        assert!(shows(PvValue::Long(3), PvValue::Double(3.0), None));
        assert!(shows(PvValue::Double(0.1), PvValue::Float(0.1), None));
        assert!(!shows(PvValue::Double(1.0), PvValue::Double(f64::NAN), Some(3)));
    }

    #[test]
    fn an_enum_arrives_by_label_or_index() {
        assert!(shows(PvValue::String("Open".into()), PvValue::Enum(1), None));
        assert!(shows(PvValue::Long(1), PvValue::Enum(1), None));
        assert!(!shows(PvValue::String("Open".into()), PvValue::Enum(0), None));
    }

    #[test]
    fn text_and_arrays_arrive_whole() {
        let chars = PvValue::CharArray(b"new\0\0".to_vec().into());
        assert!(shows(PvValue::String("new".into()), chars.clone(), None));
        assert!(!shows(PvValue::String("ne".into()), chars, None));
        let array = PvValue::DoubleArray(vec![1.0, 2.0, 0.0].into());
        assert!(shows(PvValue::LongArray(vec![1, 2].into()), array.clone(), None));
        assert!(!shows(PvValue::LongArray(vec![1, 3].into()), array.clone(), None));
        assert!(!shows(PvValue::LongArray(vec![1, 2, 0, 0].into()), array, None));
    }
}
