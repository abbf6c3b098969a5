//! One element of a value on its way into a PV.

use std::fmt;

use super::number;
use crate::PvValue;

/// `DBR_CTRL_ENUM` has room for so many labels; a menu may have more choices than it can name.
const MAX_LABELS: usize = 16;

/// One element of what the user gave.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    Integer(i64),
    Real(f64),
    Text(&'a str),
}

/// The elements of an array; none of a scalar, which [`super::convert`] has made an array of before.
pub(super) fn elements(array: &PvValue) -> Vec<Element<'_>> {
    match array {
        PvValue::StringArray(items) => items.iter().map(|item| Element::Text(item)).collect(),
        PvValue::ShortArray(items) => integers(items),
        PvValue::EnumArray(items) => integers(items),
        PvValue::CharArray(items) => integers(items),
        PvValue::LongArray(items) => integers(items),
        PvValue::FloatArray(items) => {
            items.iter().map(|item| Element::Real((*item).into())).collect()
        }
        PvValue::DoubleArray(items) => items.iter().map(|item| Element::Real(*item)).collect(),
        _ => Vec::new(),
    }
}

fn integers<'a, T: Copy + Into<i64>>(items: &[T]) -> Vec<Element<'a>> {
    items.iter().map(|item| Element::Integer((*item).into())).collect()
}

impl Element<'_> {
    /// An integer that the PV's type can hold.
    pub(super) fn integer<T: TryFrom<i64> + Bounds>(&self) -> Result<T, String> {
        let expected = || format!("expected an integer from {} to {}, got {self}", T::MIN, T::MAX);
        self.as_integer().and_then(|number| T::try_from(number).ok()).ok_or_else(expected)
    }

    /// A byte, signed or not: EPICS has one type for both.
    pub(super) fn byte(&self) -> Result<u8, String> {
        let number = self.as_integer();
        let byte = number.and_then(|number| {
            u8::try_from(number).ok().or_else(|| i8::try_from(number).ok().map(i8::cast_unsigned))
        });
        byte.ok_or_else(|| format!("expected a byte from -128 to 255, got {self}"))
    }

    pub(super) fn double(&self) -> Result<f64, String> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Real(number) => Some(*number),
            Self::Text(text) => number::real(text),
        }
        .ok_or_else(|| format!("expected a number, got {self}"))
    }

    /// Rounded to 32 bit; a number that only an infinity could stand for does not fit.
    pub(super) fn float(&self) -> Result<f32, String> {
        let double = self.double()?;
        let float = double as f32;
        if float.is_infinite() && double.is_finite() {
            return Err(format!("expected a number of at most {:e}, got {self}", f32::MAX));
        }
        Ok(float)
    }

    /// Text of at most `max` bytes; a number as it is written.
    pub(super) fn text(&self, max: usize) -> Result<String, String> {
        let text = match self {
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Text(text) => (*text).to_owned(),
        };
        if text.len() > max {
            return Err(format!("expected text of at most {max} bytes, got {}", text.len()));
        }
        Ok(text)
    }

    /// Index of a label: the label itself, or a number within the labels.
    pub(super) fn index(&self, labels: &[String]) -> Result<u16, String> {
        if let Self::Text(text) = self
            && let Some(index) = labels.iter().position(|label| label == text)
        {
            return u16::try_from(index).map_err(|error| error.to_string());
        }
        let named = self.as_integer().and_then(|number| u16::try_from(number).ok());
        let all_named = !labels.is_empty() && labels.len() < MAX_LABELS;
        named.filter(|index| !all_named || usize::from(*index) < labels.len()).ok_or_else(|| {
            match labels {
                [] => format!("expected an index from 0 to {}, got {self}", u16::MAX),
                labels => format!(
                    "expected one of {labels:?} or an index from 0 to {}, got {self}",
                    labels.len() - 1
                ),
            }
        })
    }

    /// The number when it has no fraction.
    fn as_integer(&self) -> Option<i64> {
        /// From here on doubles are further apart than 1.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Integer(number) => Some(*number),
            Self::Real(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                Some(*number as i64)
            }
            Self::Real(_) => None,
            Self::Text(text) => number::integer(text),
        }
    }
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Real(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Integer types of Channel Access, with their ends for messages.
pub(super) trait Bounds {
    const MIN: i64;
    const MAX: i64;
}

impl Bounds for i16 {
    const MIN: i64 = i16::MIN as i64;
    const MAX: i64 = i16::MAX as i64;
}

impl Bounds for i32 {
    const MIN: i64 = i32::MIN as i64;
    const MAX: i64 = i32::MAX as i64;
}
