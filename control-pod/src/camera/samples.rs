//! The numbers of an array in the type that they were taken in.
//!
//! Channel Access has no unsigned 16 bit and no 64 bit integers, so an array arrives as another
//! type than the camera's: cast back with wrap-around (contract §2.11), or read from bytes when it
//! was compressed.

use std::borrow::Cow;

use channels::PvValue;

use crate::camera::pixel_type::PixelType;

/// Numbers of one type; borrowed where they arrived in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Samples<'a> {
    Int8(Cow<'a, [i8]>),
    UInt8(Cow<'a, [u8]>),
    Int16(Cow<'a, [i16]>),
    UInt16(Cow<'a, [u16]>),
    Int32(Cow<'a, [i32]>),
    UInt32(Cow<'a, [u32]>),
    Int64(Cow<'a, [i64]>),
    UInt64(Cow<'a, [u64]>),
    Float32(Cow<'a, [f32]>),
    Float64(Cow<'a, [f64]>),
}

/// Casts integers, which wraps.
macro_rules! from_integers {
    ($items:expr, $to:expr) => {
        match $to {
            PixelType::Int8 => Samples::Int8($items.iter().map(|item| *item as i8).collect()),
            PixelType::UInt8 => Samples::UInt8($items.iter().map(|item| *item as u8).collect()),
            PixelType::Int16 => Samples::Int16($items.iter().map(|item| *item as i16).collect()),
            PixelType::UInt16 => Samples::UInt16($items.iter().map(|item| *item as u16).collect()),
            PixelType::Int32 => Samples::Int32($items.iter().map(|item| *item as i32).collect()),
            PixelType::UInt32 => Samples::UInt32($items.iter().map(|item| *item as u32).collect()),
            PixelType::Int64 => Samples::Int64($items.iter().map(|item| *item as i64).collect()),
            PixelType::UInt64 => Samples::UInt64($items.iter().map(|item| *item as u64).collect()),
            PixelType::Float32 => {
                Samples::Float32($items.iter().map(|item| *item as f32).collect())
            }
            PixelType::Float64 => {
                Samples::Float64($items.iter().map(|item| *item as f64).collect())
            }
        }
    };
}

/// Casts fractions: to an integer by way of the widest one, so that it wraps too.
macro_rules! from_fractions {
    ($items:expr, $to:expr) => {
        match $to {
            PixelType::Float32 => {
                Samples::Float32($items.iter().map(|item| *item as f32).collect())
            }
            PixelType::Float64 => {
                Samples::Float64($items.iter().map(|item| f64::from(*item)).collect())
            }
            PixelType::UInt64 => Samples::UInt64($items.iter().map(|item| *item as u64).collect()),
            integer => {
                let whole: Vec<i64> = $items.iter().map(|item| *item as i64).collect();
                from_integers!(whole, integer)
            }
        }
    };
}

impl<'a> Samples<'a> {
    /// The first `count` numbers of a PV's array, cast to `to`, or as they came; `None` for text.
    pub(crate) fn of_array(
        array: &'a PvValue,
        count: usize,
        to: Option<PixelType>,
    ) -> Option<Self> {
        Some(match array {
            PvValue::CharArray(items) => {
                let items = items.get(..count)?;
                match to.unwrap_or(PixelType::UInt8) {
                    PixelType::UInt8 => Self::UInt8(items.into()),
                    other => from_integers!(items, other),
                }
            }
            PvValue::ShortArray(items) => {
                let items = items.get(..count)?;
                match to.unwrap_or(PixelType::Int16) {
                    PixelType::Int16 => Self::Int16(items.into()),
                    other => from_integers!(items, other),
                }
            }
            PvValue::EnumArray(items) => {
                let items = items.get(..count)?;
                match to.unwrap_or(PixelType::UInt16) {
                    PixelType::UInt16 => Self::UInt16(items.into()),
                    other => from_integers!(items, other),
                }
            }
            PvValue::LongArray(items) => {
                let items = items.get(..count)?;
                match to.unwrap_or(PixelType::Int32) {
                    PixelType::Int32 => Self::Int32(items.into()),
                    other => from_integers!(items, other),
                }
            }
            PvValue::FloatArray(items) => {
                let items = items.get(..count)?;
                match to.unwrap_or(PixelType::Float32) {
                    PixelType::Float32 => Self::Float32(items.into()),
                    other => from_fractions!(items, other),
                }
            }
            PvValue::DoubleArray(items) => {
                let items = items.get(..count)?;
                match to.unwrap_or(PixelType::Float64) {
                    PixelType::Float64 => Self::Float64(items.into()),
                    other => from_fractions!(items, other),
                }
            }
            _ => return None,
        })
    }

    /// Numbers from the bytes that a camera's computer wrote: little-endian.
    pub(crate) fn of_bytes(bytes: Vec<u8>, kind: PixelType) -> Samples<'static> {
        macro_rules! chunks {
            ($number:ty) => {
                bytes.as_chunks().0.iter().map(|chunk| <$number>::from_le_bytes(*chunk)).collect()
            };
        }
        match kind {
            PixelType::Int8 => Samples::Int8(chunks!(i8)),
            PixelType::UInt8 => Samples::UInt8(bytes.into()),
            PixelType::Int16 => Samples::Int16(chunks!(i16)),
            PixelType::UInt16 => Samples::UInt16(chunks!(u16)),
            PixelType::Int32 => Samples::Int32(chunks!(i32)),
            PixelType::UInt32 => Samples::UInt32(chunks!(u32)),
            PixelType::Int64 => Samples::Int64(chunks!(i64)),
            PixelType::UInt64 => Samples::UInt64(chunks!(u64)),
            PixelType::Float32 => Samples::Float32(chunks!(f32)),
            PixelType::Float64 => Samples::Float64(chunks!(f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(array: &PvValue, to: PixelType) -> Samples<'_> {
        Samples::of_array(array, array.count(), Some(to)).unwrap()
    }

    #[test]
    fn what_channel_access_carries_as_another_type_is_cast_back() {
        let shorts = PvValue::ShortArray([-1, -32768, 5].into());
        assert_eq!(cast(&shorts, PixelType::UInt16), Samples::UInt16(vec![65535, 32768, 5].into()));
        let longs = PvValue::LongArray([-1, 255, 256, 65535].into());
        assert_eq!(
            cast(&longs, PixelType::UInt32),
            Samples::UInt32(vec![u32::MAX, 255, 256, 65535].into())
        );
        assert_eq!(cast(&longs, PixelType::UInt8), Samples::UInt8(vec![255, 255, 0, 255].into()));
        let bytes = PvValue::CharArray([0, 127, 128, 255].into());
        assert_eq!(cast(&bytes, PixelType::Int8), Samples::Int8(vec![0, 127, -128, -1].into()));
        let doubles = PvValue::DoubleArray([65537.0, -1.0, 2.9].into());
        assert_eq!(cast(&doubles, PixelType::UInt16), Samples::UInt16(vec![1, 65535, 2].into()));
        assert_eq!(
            cast(&doubles, PixelType::Float32),
            Samples::Float32(vec![65537.0, -1.0, 2.9].into())
        );
    }

    #[test]
    fn an_array_without_a_type_stays_as_it_came_and_is_not_copied() {
        let array = PvValue::DoubleArray([1.5, 2.5, 9.0].into());
        let samples = Samples::of_array(&array, 2, None).unwrap();
        assert_eq!(samples, Samples::Float64(vec![1.5, 2.5].into()));
        assert!(matches!(samples, Samples::Float64(Cow::Borrowed(_))));
    }

    #[test]
    fn text_and_short_arrays_have_no_samples() {
        let text = PvValue::String("x".to_owned());
        assert_eq!(Samples::of_array(&text, 1, Some(PixelType::UInt8)), None);
        let short = PvValue::CharArray([1].into());
        assert_eq!(Samples::of_array(&short, 2, None), None);
    }

    #[test]
    fn bytes_are_little_endian() {
        let bytes = vec![1, 0, 0, 1];
        assert_eq!(
            Samples::of_bytes(bytes, PixelType::UInt16),
            Samples::UInt16(vec![1, 256].into())
        );
    }
}
