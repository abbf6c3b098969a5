//! Shape and raw bytes of arrays, as numpy describes them (contract §2.5).

use bytes::{BufMut, Bytes, BytesMut};
use channels::PvValue;
use serde::Serialize;

use crate::values::text;

/// What the wire says of a value's shape. A scalar and a text have no shape and no data type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Layout {
    /// Length of each dimension.
    pub(crate) shape: Vec<usize>,
    /// Numpy's `dtype.str`.
    pub(crate) dtype: Option<&'static str>,
    /// Number of dimensions.
    pub(crate) ndim: usize,
    /// Bytes of the raw array.
    pub(crate) nbytes: usize,
}

impl Layout {
    /// The layout of `value`.
    pub(crate) fn of(value: &PvValue) -> Self {
        let (dtype, width) = match value {
            PvValue::ShortArray(_) => ("<i2", 2),
            PvValue::FloatArray(_) => ("<f4", 4),
            PvValue::EnumArray(_) => ("<u2", 2),
            PvValue::CharArray(bytes) if text::from_bytes(bytes).is_none() => ("|u1", 1),
            PvValue::LongArray(_) => ("<i4", 4),
            PvValue::DoubleArray(_) => ("<f8", 8),
            PvValue::StringArray(items) => {
                return Self { shape: vec![items.len()], dtype: None, ndim: 1, nbytes: 0 };
            }
            _ => return Self::default(),
        };
        let count = value.count();
        Self { shape: vec![count], dtype: Some(dtype), ndim: 1, nbytes: count * width }
    }
}

/// The raw little-endian bytes of a numeric array; `None` for everything else.
pub(crate) fn raw_bytes(value: &PvValue) -> Option<Bytes> {
    let layout = Layout::of(value);
    layout.dtype?;
    let mut out = BytesMut::with_capacity(layout.nbytes);
    match value {
        PvValue::ShortArray(items) => items.iter().for_each(|item| out.put_i16_le(*item)),
        PvValue::FloatArray(items) => items.iter().for_each(|item| out.put_f32_le(*item)),
        PvValue::EnumArray(items) => items.iter().for_each(|item| out.put_u16_le(*item)),
        PvValue::CharArray(items) => out.put_slice(items),
        PvValue::LongArray(items) => items.iter().for_each(|item| out.put_i32_le(*item)),
        PvValue::DoubleArray(items) => items.iter().for_each(|item| out.put_f64_le(*item)),
        _ => return None,
    }
    Some(out.freeze())
}

/// The first `count` elements of an array; a scalar as it is.
pub(crate) fn truncated(value: PvValue, count: usize) -> PvValue {
    match value {
        PvValue::StringArray(items) if items.len() > count => {
            PvValue::StringArray(items[..count].into())
        }
        PvValue::ShortArray(items) if items.len() > count => {
            PvValue::ShortArray(items[..count].into())
        }
        PvValue::FloatArray(items) if items.len() > count => {
            PvValue::FloatArray(items[..count].into())
        }
        PvValue::EnumArray(items) if items.len() > count => {
            PvValue::EnumArray(items[..count].into())
        }
        PvValue::CharArray(items) if items.len() > count => {
            PvValue::CharArray(items[..count].into())
        }
        PvValue::LongArray(items) if items.len() > count => {
            PvValue::LongArray(items[..count].into())
        }
        PvValue::DoubleArray(items) if items.len() > count => {
            PvValue::DoubleArray(items[..count].into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_have_a_numpy_layout_and_scalars_none() {
        let layout = Layout::of(&PvValue::DoubleArray(vec![0.0; 20].into()));
        assert_eq!(
            serde_json::to_string(&layout).unwrap(),
            r#"{"shape":[20],"dtype":"<f8","ndim":1,"nbytes":160}"#
        );
        assert_eq!(
            serde_json::to_string(&Layout::of(&PvValue::Double(1.0))).unwrap(),
            r#"{"shape":[],"dtype":null,"ndim":0,"nbytes":0}"#
        );
        let empty = Layout::of(&PvValue::DoubleArray(Vec::new().into()));
        assert_eq!((empty.shape, empty.ndim, empty.dtype), (vec![0], 1, Some("<f8")));
    }

    #[test]
    fn raw_bytes_are_little_endian_and_only_of_numeric_arrays() {
        let bytes = raw_bytes(&PvValue::LongArray(vec![1, -1].into())).unwrap();
        assert_eq!(&bytes[..], &[1, 0, 0, 0, 255, 255, 255, 255]);
        assert!(raw_bytes(&PvValue::Double(1.0)).is_none());
        assert!(raw_bytes(&PvValue::CharArray(b"text".to_vec().into())).is_none());
    }

    #[test]
    fn truncation_never_grows_an_array() {
        let value = PvValue::ShortArray(vec![1, 2, 3].into());
        assert_eq!(truncated(value.clone(), 2), PvValue::ShortArray(vec![1, 2].into()));
        assert_eq!(truncated(value.clone(), 5), value);
    }
}
