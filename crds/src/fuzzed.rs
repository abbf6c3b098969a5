//! What reads bytes from outside, each as one function that takes any. `make fuzz` and the tests below call them.

use crate::import::{Format, read};

/// A file to import, of any format.
///
/// # Panics
/// When what was imported cannot be written as manifests.
pub fn import(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let formats = [Format::Happi, Format::Bits, Format::Queueserver, Format::Dbl];
    for format in formats.into_iter().map(Some).chain([None]) {
        if let Ok(imported) = read(&text, format) {
            let manifests = imported.manifests();
            assert!(manifests.is_ok(), "{manifests:?}");
        }
    }
    let _ = crate::bits::beamline_id(&text);
}

#[cfg(test)]
mod tests {
    use peers::replay;

    #[test]
    fn any_file_is_imported_or_refused() {
        replay("import", super::import);
    }
}
