//! What reads bytes from outside, each as one function that takes any. `make fuzz` and the tests below call them.

use crate::convert::{Target, convert};
use crate::{NativeType, PvValue, ca, pva, split_scheme};

/// A text that is written to a PV of every type; its first byte says how long an array may be.
///
/// # Panics
/// When a converted value does not fit the PV.
pub fn put_text(bytes: &[u8]) {
    let Some((&max_count, text)) = bytes.split_first() else { return };
    let max_count = usize::from(max_count).max(1);
    let text = String::from_utf8_lossy(text);
    let (_, name) = split_scheme(&text);
    assert!(text.ends_with(name), "{name:?} is no end of {text:?}");
    let labels = ["Closed".to_owned(), "Open".to_owned()];
    let parts: Vec<String> = text.split(',').map(str::to_owned).collect();
    let values = [PvValue::String(text.to_string()), PvValue::StringArray(parts.into())];
    for native in [
        NativeType::String,
        NativeType::Short,
        NativeType::Float,
        NativeType::Enum,
        NativeType::Char,
        NativeType::Long,
        NativeType::Double,
    ] {
        let target = Target { native, max_count, labels: &labels, max_text: 39 };
        for value in &values {
            if let Ok(fitting) = convert(value, &target) {
                assert!(fitting.count() <= max_count, "{fitting:?} in a PV of {max_count}");
            }
        }
    }
}

/// What a Channel Access server answers to a probe.
///
/// # Panics
/// When a message is longer than what there is of it, or has no length.
pub fn ca_answer(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(used) = ca::answer_length(rest) {
        assert!(used > 0 && used <= rest.len(), "{used} of {}", rest.len());
        rest = &rest[used..];
    }
}

/// The type of a PV and a value of it, as a PVAccess server tells them; the first byte says in which byte order.
///
/// # Panics
/// When there is more of a value than there can be.
pub fn pva_structure(bytes: &[u8]) {
    let Some((&order, structure)) = bytes.split_first() else { return };
    if let Some((most, held)) = pva::most_and_held(structure, order % 2 == 1) {
        assert!(held <= most, "{held} in a PV of {most}");
    }
}

#[cfg(test)]
mod tests {
    use peers::replay;

    #[test]
    fn any_text_is_converted_or_refused() {
        replay("put_text", super::put_text);
    }

    #[test]
    fn any_answer_of_a_server_is_read_to_its_end() {
        replay("ca_answer", super::ca_answer);
    }

    #[test]
    fn any_structure_of_a_server_is_shown_or_refused() {
        replay("pva_structure", super::pva_structure);
    }

    #[test]
    fn the_structures_that_fuzzing_begins_with_are_shown() {
        let text = include_bytes!("../../fuzz/corpus/pva_structure/text");
        assert_eq!(super::pva::most_and_held(&text[1..], false), Some((1, 1)));
        let image = include_bytes!("../../fuzz/corpus/pva_structure/image");
        assert_eq!(super::pva::most_and_held(&image[1..], false), Some((usize::MAX, 12)));
        let other = include_bytes!("../../fuzz/corpus/pva_structure/big_endian");
        assert_eq!(super::pva::most_and_held(&other[1..], true), Some((1, 1)));
    }
}
