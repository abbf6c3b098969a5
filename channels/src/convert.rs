//! From the value that a user writes to the PV's own type, or to the reason why it does not fit.
//!
//! Lenient where the Python clients are: numeric text for numbers, a label or an index for an enum, text for a character
//! array, one value or a short array for an array. Strict where they lose something silently: a number that is out of
//! range or has a fraction, a text or an array that is too long, an index without a label.

mod element;
mod number;

use std::sync::Arc;

use self::element::{Element, elements};
use crate::{NativeType, PvValue};

/// The PV that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) native: NativeType,
    /// Most elements that the PV can have.
    pub(crate) max_count: usize,
    /// Labels of an enum; empty for other types, and for an enum without any.
    pub(crate) labels: &'a [String],
    /// Most bytes of a text.
    pub(crate) max_text: usize,
}

/// The value in the PV's own type: a scalar for a PV of one element, else an array.
///
/// # Errors
/// What was expected and what came instead.
pub(crate) fn convert(value: &PvValue, target: &Target<'_>) -> Result<PvValue, String> {
    let max = target.max_count;
    if target.native == NativeType::Char
        && max > 1
        && let PvValue::String(text) = value
    {
        return bytes_of(text, max);
    }
    let count = value.count();
    if max == 1 && count != 1 {
        return Err(format!("expected one value, got an array of {count}"));
    }
    if count > max {
        return Err(format!("expected at most {max} values, got {count}"));
    }
    let value = value.clone().into_array();
    let array = if fits_as_it_is(&value, target.native) {
        value
    } else {
        let items = elements(&value);
        match target.native {
            NativeType::String => {
                PvValue::StringArray(each(&items, |item| item.text(target.max_text))?)
            }
            NativeType::Short => PvValue::ShortArray(each(&items, Element::integer)?),
            NativeType::Float => PvValue::FloatArray(each(&items, Element::float)?),
            NativeType::Enum => PvValue::EnumArray(each(&items, |item| item.index(target.labels))?),
            NativeType::Char => PvValue::CharArray(each(&items, Element::byte)?),
            NativeType::Long => PvValue::LongArray(each(&items, Element::integer)?),
            NativeType::Double => PvValue::DoubleArray(each(&items, Element::double)?),
        }
    };
    Ok(if max == 1 { array.into_scalar() } else { array })
}

/// Whether the array has the PV's type and nothing in it needs a check.
fn fits_as_it_is(array: &PvValue, native: NativeType) -> bool {
    matches!(
        (array, native),
        (PvValue::ShortArray(_), NativeType::Short)
            | (PvValue::FloatArray(_), NativeType::Float)
            | (PvValue::CharArray(_), NativeType::Char)
            | (PvValue::LongArray(_), NativeType::Long)
            | (PvValue::DoubleArray(_), NativeType::Double)
    )
}

fn each<'a, T>(
    items: &[Element<'a>],
    convert: impl Fn(&Element<'a>) -> Result<T, String>,
) -> Result<Arc<[T]>, String> {
    items.iter().map(convert).collect()
}

/// Text as the content of a character array, closed by a zero where there is room for one.
fn bytes_of(text: &str, max: usize) -> Result<PvValue, String> {
    if text.len() > max {
        return Err(format!("expected text of at most {max} bytes, got {}", text.len()));
    }
    let closing = (text.len() < max).then_some(0);
    Ok(PvValue::CharArray(text.bytes().chain(closing).collect()))
}

#[cfg(test)]
mod tests;
