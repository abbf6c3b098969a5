//! From the value that a user writes to a field of the PV's own type.

use std::sync::Arc;

use epics_pva_rs::pvdata::{PvArray, PvField, ScalarType, ScalarValue, TypedScalarArray};

use super::normative::Shape;
use crate::PvValue;
use crate::convert::{Target, convert};

/// The field to write.
///
/// # Errors
/// Why the value does not fit.
pub(super) fn field(value: &PvValue, shape: Shape, labels: &[String]) -> Result<PvField, String> {
    let target = Target {
        native: shape.native(),
        max_count: shape.max_count(),
        labels,
        max_text: usize::MAX,
    };
    match shape {
        Shape::Image => Err("an image cannot be written".to_owned()),
        Shape::Enum => scalar(convert(value, &target)?, ScalarType::Int).map(PvField::Scalar),
        Shape::Scalar(kind) => scalar(convert(value, &target)?, kind).map(PvField::Scalar),
        Shape::Array(kind) => array(convert(value, &target)?, kind).map(PvField::ScalarArrayTyped),
    }
}

/// A scalar of the type that [`Shape::native`] names, as `kind`.
fn scalar(value: PvValue, kind: ScalarType) -> Result<ScalarValue, String> {
    Ok(match (value, kind) {
        (PvValue::String(text), _) => ScalarValue::String(text.into()),
        (PvValue::Short(number), ScalarType::Byte) => ScalarValue::Byte(narrow(number)?),
        (PvValue::Short(number), _) => ScalarValue::Short(number),
        (PvValue::Float(number), _) => ScalarValue::Float(number),
        (PvValue::Enum(index), ScalarType::Boolean) => ScalarValue::Boolean(index != 0),
        (PvValue::Enum(index), _) => ScalarValue::Int(i32::from(index)),
        (PvValue::Char(byte), _) => ScalarValue::UByte(byte),
        (PvValue::Long(number), ScalarType::UShort) => ScalarValue::UShort(narrow(number)?),
        (PvValue::Long(number), _) => ScalarValue::Int(number),
        (PvValue::Double(number), ScalarType::UInt) => ScalarValue::UInt(whole(number)?),
        (PvValue::Double(number), ScalarType::Long) => ScalarValue::Long(whole(number)?),
        (PvValue::Double(number), ScalarType::ULong) => ScalarValue::ULong(whole(number)?),
        (PvValue::Double(number), _) => ScalarValue::Double(number),
        (array, _) => return Err(format!("expected one value, got an array of {}", array.count())),
    })
}

fn array(value: PvValue, kind: ScalarType) -> Result<TypedScalarArray, String> {
    use TypedScalarArray as Items;
    Ok(match (value, kind) {
        (PvValue::StringArray(items), _) => {
            Items::String(items.iter().map(|item| item.as_str().into()).collect())
        }
        (PvValue::ShortArray(items), _) => Items::Short(items.into()),
        (PvValue::FloatArray(items), _) => Items::Float(items.into()),
        (PvValue::EnumArray(items), _) => Items::Boolean(items.iter().map(|it| *it != 0).collect()),
        (PvValue::CharArray(items), ScalarType::Byte) => {
            Items::Byte(items.iter().map(|item| item.cast_signed()).collect())
        }
        (PvValue::CharArray(items), _) => Items::UByte(items.into()),
        (PvValue::LongArray(items), ScalarType::UShort) => Items::UShort(each(&items, narrow)?),
        (PvValue::LongArray(items), _) => Items::Int(items.into()),
        (PvValue::DoubleArray(items), ScalarType::UInt) => Items::UInt(each(&items, whole)?),
        (PvValue::DoubleArray(items), ScalarType::Long) => Items::Long(each(&items, whole)?),
        (PvValue::DoubleArray(items), ScalarType::ULong) => Items::ULong(each(&items, whole)?),
        (PvValue::DoubleArray(items), _) => Items::Double(items.into()),
        // Not reached: arrays are converted to arrays.
        (scalar, _) => return array(scalar.into_array(), kind),
    })
}

fn each<T: Copy, U: Send + Sync + 'static>(
    items: &Arc<[T]>,
    convert: impl Fn(T) -> Result<U, String>,
) -> Result<PvArray<U>, String> {
    items.iter().map(|item| convert(*item)).collect::<Result<Vec<U>, String>>().map(PvArray::from)
}

/// An integer type, with its ends for messages.
trait Bounded: Sized {
    const ENDS: (i128, i128);
    fn of(number: i128) -> Option<Self>;
}

macro_rules! bounded {
    ($($integer:ty),+) => {$(
        impl Bounded for $integer {
            const ENDS: (i128, i128) = (<$integer>::MIN as i128, <$integer>::MAX as i128);
            fn of(number: i128) -> Option<Self> {
                Self::try_from(number).ok()
            }
        }
    )+};
}
bounded!(i8, u16, u32, i64, u64);

fn narrow<T: Bounded>(number: impl Into<i128>) -> Result<T, String> {
    let number = number.into();
    T::of(number).ok_or_else(|| unfit::<T>(&number))
}

fn whole<T: Bounded>(number: f64) -> Result<T, String> {
    // The cast stops at the ends, which are those of no type here.
    let integer = (number.fract() == 0.0).then_some(number as i128);
    integer.and_then(T::of).ok_or_else(|| unfit::<T>(&number))
}

fn unfit<T: Bounded>(got: &dyn std::fmt::Display) -> String {
    let (least, most) = T::ENDS;
    format!("expected an integer from {least} to {most}, got {got}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(value: impl Into<PvValue>, shape: Shape) -> Result<PvField, String> {
        field(&value.into(), shape, &shape.fixed_labels().unwrap_or_default())
    }

    #[test]
    fn integers_are_held_to_the_ends_of_their_own_type() {
        let of = |kind| Shape::Scalar(kind);
        let ok = |value| Ok(PvField::Scalar(value));
        assert_eq!(write(-128_i64, of(ScalarType::Byte)), ok(ScalarValue::Byte(-128)));
        assert_eq!(write(65_535_i64, of(ScalarType::UShort)), ok(ScalarValue::UShort(65_535)));
        assert_eq!(write(4e9, of(ScalarType::UInt)), ok(ScalarValue::UInt(4_000_000_000)));
        assert_eq!(
            write(-(2.0_f64.powi(60)), of(ScalarType::Long)),
            ok(ScalarValue::Long(-(1 << 60)))
        );
        for (value, kind, ends) in [
            (128.0, ScalarType::Byte, "-128 to 127"),
            (-1.0, ScalarType::UShort, "0 to 65535"),
            (-1.0, ScalarType::UInt, "0 to 4294967295"),
            (1e19, ScalarType::Long, "-9223372036854775808 to 9223372036854775807"),
            (1.5, ScalarType::ULong, "0 to 18446744073709551615"),
            (f64::NAN, ScalarType::ULong, "0 to 18446744073709551615"),
        ] {
            let refused = write(value, of(kind)).unwrap_err();
            assert_eq!(refused, format!("expected an integer from {ends}, got {value}"));
        }
    }

    #[test]
    fn a_boolean_takes_its_labels_and_numbers() {
        let boolean = Shape::Scalar(ScalarType::Boolean);
        let truth = |truth| Ok(PvField::Scalar(ScalarValue::Boolean(truth)));
        assert_eq!(write("true", boolean), truth(true));
        assert_eq!(write(0_i64, boolean), truth(false));
        assert_eq!(write(true, boolean), truth(true));
        assert!(write("yes", boolean).is_err());
    }

    #[test]
    fn text_has_no_longest_length_and_fills_a_character_array() {
        let long = "x".repeat(1000);
        let text = write(long.as_str(), Shape::Scalar(ScalarType::String));
        assert_eq!(text, Ok(PvField::Scalar(ScalarValue::String(long.as_str().into()))));
        let bytes = write("ab", Shape::Array(ScalarType::Byte)).unwrap();
        let PvField::ScalarArrayTyped(TypedScalarArray::Byte(bytes)) = bytes else {
            panic!("{bytes:?}")
        };
        assert_eq!(*bytes, [97, 98, 0]);
    }

    #[test]
    fn images_are_not_written() {
        assert!(write(1_i64, Shape::Image).is_err());
    }
}
