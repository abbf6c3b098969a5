//! Values as text: character arrays that hold text, enum labels, and numbers at the PV's precision.

use channels::{Metadata, PvValue};

/// Longest character array that is looked at as text. File names and messages are far below, images
/// far above.
const MAX_TEXT: usize = 4096;

/// The text in a character array, if it is text: printable up to the first NUL, and nothing but
/// NULs after it.
pub(crate) fn from_bytes(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > MAX_TEXT {
        return None;
    }
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (head, tail) = bytes.split_at(end);
    if head.is_empty() || tail.iter().any(|byte| *byte != 0) {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(printable).then_some(text)
}

/// What `as_string=true` answers (contract §2.5): the label of an enum, a number at the PV's
/// precision, the text of a character array, and only a description of any other array.
pub(crate) fn display(value: &PvValue, metadata: Option<&Metadata>) -> String {
    match value {
        PvValue::String(text) => text.clone(),
        PvValue::Enum(index) => metadata
            .and_then(|meta| meta.enum_labels.as_ref())
            .and_then(|labels| labels.get(usize::from(*index)).cloned())
            .unwrap_or_else(|| index.to_string()),
        PvValue::Float(number) => decimal(f64::from(*number), metadata),
        PvValue::Double(number) => decimal(*number, metadata),
        PvValue::Short(number) => number.to_string(),
        PvValue::Char(number) => number.to_string(),
        PvValue::Long(number) => number.to_string(),
        PvValue::CharArray(bytes) => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        }
        array => {
            format!("<array size={}, type=time_{}>", array.count(), element_name(array))
        }
    }
}

fn decimal(number: f64, metadata: Option<&Metadata>) -> String {
    match metadata.and_then(|meta| meta.precision).and_then(|digits| usize::try_from(digits).ok()) {
        Some(digits) => format!("{number:.digits$}"),
        None => number.to_string(),
    }
}

fn element_name(array: &PvValue) -> &'static str {
    match array {
        PvValue::StringArray(_) => "string",
        PvValue::ShortArray(_) => "short",
        PvValue::FloatArray(_) => "float",
        PvValue::EnumArray(_) => "enum",
        PvValue::CharArray(_) => "char",
        PvValue::LongArray(_) => "long",
        _ => "double",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_bytes_are_text() {
        assert_eq!(from_bytes(b"/data/scan.h5\0\0\0"), Some("/data/scan.h5"));
        assert_eq!(from_bytes(&[1, 2, 3, 200]), None);
        assert_eq!(from_bytes(b"ab\0cd"), None);
        assert_eq!(from_bytes(&[0, 0]), None);
        assert_eq!(from_bytes(&vec![b'a'; MAX_TEXT + 1]), None);
    }

    #[test]
    fn labels_and_precision_come_from_the_metadata() {
        let meta = Metadata {
            precision: Some(3),
            enum_labels: Some(vec!["Closed".to_owned(), "Open".to_owned()].into()),
            ..Metadata::default()
        };
        assert_eq!(display(&PvValue::Enum(1), Some(&meta)), "Open");
        assert_eq!(display(&PvValue::Enum(7), Some(&meta)), "7");
        assert_eq!(display(&PvValue::Double(1.5), Some(&meta)), "1.500");
        let array = PvValue::DoubleArray(vec![0.0; 20].into());
        assert_eq!(display(&array, None), "<array size=20, type=time_double>");
    }
}
