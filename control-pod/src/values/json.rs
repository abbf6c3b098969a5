//! A PV's value as JSON: numbers as numbers, text as text, enums as their index, NaN and infinities
//! as `null`.
//!
//! Arrays are written straight from their shared slice; nothing is copied on the way.

use channels::PvValue;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::values::text;

/// Serialises a value as the wire shows it (contract §2.5, §2.8).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a PvValue);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            PvValue::String(text) => out.serialize_str(text),
            PvValue::Short(value) => out.serialize_i16(*value),
            PvValue::Float(value) => number(out, f64::from(*value)),
            PvValue::Enum(value) => out.serialize_u16(*value),
            PvValue::Char(value) => out.serialize_u8(*value),
            PvValue::Long(value) => out.serialize_i32(*value),
            PvValue::Double(value) => number(out, *value),
            PvValue::StringArray(items) => out.collect_seq(items.iter()),
            PvValue::ShortArray(items) => out.collect_seq(items.iter()),
            PvValue::FloatArray(items) => numbers(out, items.iter().copied().map(f64::from)),
            PvValue::EnumArray(items) => out.collect_seq(items.iter()),
            PvValue::CharArray(items) => match text::from_bytes(items) {
                Some(text) => out.serialize_str(text),
                None => out.collect_seq(items.iter()),
            },
            PvValue::LongArray(items) => out.collect_seq(items.iter()),
            PvValue::DoubleArray(items) => numbers(out, items.iter().copied()),
        }
    }
}

/// JSON has no NaN and no infinities; whatever the format behind `out` would make of them, the wire
/// says `null`.
fn number<S: Serializer>(out: S, value: f64) -> Result<S::Ok, S::Error> {
    if value.is_finite() { out.serialize_f64(value) } else { out.serialize_unit() }
}

fn numbers<S: Serializer>(
    out: S,
    items: impl ExactSizeIterator<Item = f64>,
) -> Result<S::Ok, S::Error> {
    let mut seq = out.serialize_seq(Some(items.len()))?;
    for item in items {
        if item.is_finite() {
            seq.serialize_element(&item)?;
        } else {
            seq.serialize_element(&())?;
        }
    }
    seq.end()
}

/// The value as a JSON tree, for small results that are put together from several PVs.
pub(crate) fn to_value(value: &PvValue) -> serde_json::Value {
    serde_json::to_value(Json(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: impl std::borrow::Borrow<PvValue>) -> String {
        serde_json::to_string(&Json(value.borrow())).unwrap()
    }

    #[test]
    fn every_kind_of_pv_has_its_own_form() {
        assert_eq!(json(PvValue::Double(0.0)), "0.0");
        assert_eq!(json(PvValue::Long(-3)), "-3");
        assert_eq!(json(PvValue::Enum(2)), "2");
        assert_eq!(json(PvValue::String("hello".into())), "\"hello\"");
        assert_eq!(json(PvValue::DoubleArray(vec![1.0, 2.5].into())), "[1.0,2.5]");
        assert_eq!(json(PvValue::DoubleArray(Vec::new().into())), "[]");
        assert_eq!(json(PvValue::CharArray(vec![1, 2, 3, 200].into())), "[1,2,3,200]");
        assert_eq!(json(PvValue::CharArray(b"new str\0\0".to_vec().into())), "\"new str\"");
        assert_eq!(json(PvValue::StringArray(vec!["a".to_owned()].into())), "[\"a\"]");
    }

    #[test]
    fn what_json_cannot_say_is_null() {
        assert_eq!(json(PvValue::Double(f64::NAN)), "null");
        assert_eq!(json(PvValue::Float(f32::INFINITY)), "null");
        let items = vec![1.0, f64::NEG_INFINITY].into();
        assert_eq!(json(PvValue::DoubleArray(items)), "[1.0,null]");
    }

    #[test]
    fn a_single_precision_number_keeps_its_exact_value() {
        assert_eq!(json(PvValue::Float(0.1)), "0.10000000149011612");
    }
}
