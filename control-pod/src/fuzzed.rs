//! What reads bytes from outside, each as one function that takes any. `make fuzz` and the tests below call them.

use channels::PvValue;
use serde_json::{Map, Value};

use crate::camera::color_mode::{BayerPattern, ColorMode, Packing};
use crate::camera::encode::Encoding;
use crate::camera::geometry::{Extent, Layout, Statements};
use crate::camera::normalise::Scale;
use crate::camera::pixel_type::PixelType;
use crate::camera::render::{Mode, RawFrame, render};
use crate::camera::selection::Selection;
use crate::camera::unpack::Codec;
use crate::camera::wishes::Wishes;
use crate::values::{array, json, text, write};
use crate::{oas, socket};

/// Longest side of the images that are rendered here, so that a run is spent on many of them.
const LONGEST_SIDE: usize = 64;

/// Most numbers of those images.
const MOST_NUMBERS: usize = LONGEST_SIDE * LONGEST_SIDE * 3;

/// A message to a socket of either API.
///
/// # Panics
/// When a name is subscribed twice.
pub fn socket_message(bytes: &[u8]) {
    let Ok(Value::Object(message)) = serde_json::from_slice(bytes) else { return };
    direct(&message);
    ophyd_websocket(&message);
    let _ = Selection::of_camera(&message, "A:image1:ArrayData").settings();
    let _ = Selection::of_tiff(&message, "A").plugin_base();
    let wishes = Wishes { mode: mode(0, 0), interval: std::time::Duration::ZERO };
    let _ = wishes.after(&message, 4096);
}

fn direct(message: &Map<String, Value>) {
    let _ = socket::command::text(message, "action");
    let names = socket::command::names(message, "pv", &["pvs", "devices"]);
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), names.len(), "a name came twice");
    let _ = socket::command::set_options(message, "SetRequest");
}

fn ophyd_websocket(message: &Map<String, Value>) {
    let _ = oas::command::names(message, "pv", &["pvs"]);
    let _ = oas::command::timeout(message);
    for value in message.values() {
        for like in [None, Some(&PvValue::Double(1.0)), Some(&PvValue::Enum(1))] {
            match oas::command::value_for(value, like) {
                Ok(value) => pv_set(&value),
                Err(unfit) => drop(unfit.told("A:pv", value)),
            }
        }
        let limits = (Value::from(-1.0), Value::from(1.0));
        let _ = oas::command::outside("value", "A:pv", value, limits);
    }
}

/// The value of a `pv/set`.
///
/// # Panics
/// When what was taken cannot be told again.
pub fn pv_value(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice(bytes) {
        pv_set(&value);
    }
}

fn pv_set(value: &Value) {
    let _ = write::checkable_number(value);
    let Ok(taken) = write::from_json(value) else { return };
    let _ = text::display(&taken, None);
    let _ = array::raw_bytes(&taken);
    let told = serde_json::to_string(&json::to_value(&taken)).unwrap_or_default();
    assert!(!told.is_empty(), "{taken:?} cannot be told");
    let shorter = array::truncated(taken.clone(), 2);
    assert!(shorter.count() <= 2 || shorter.count() == taken.count(), "{shorter:?}");
}

/// The array of a camera, whole or compressed: eight bytes that say how, and the rest.
///
/// # Panics
/// When a picture is empty.
pub fn camera_frame(bytes: &[u8]) {
    let Some((&[width, height, color, kind, codec, pattern, scale, encoding], rest)) =
        bytes.split_first_chunk()
    else {
        return;
    };
    let side = |byte: u8| 1 + usize::from(byte) % LONGEST_SIDE;
    let layout = Layout {
        extent: Extent { width: side(width), height: side(height) },
        color: color_mode(color),
        pixel_type: PixelType::ALL.get(usize::from(kind)).copied(),
    };
    let packed = match codec % 6 {
        0 => None,
        1 => Some(Codec::Jpeg),
        2 => Some(Codec::Lz4),
        3 => Some(Codec::Lz4Hdf5),
        4 => Some(Codec::Bslz4),
        _ => Some(Codec::Zlib),
    };
    let frame = RawFrame {
        array: PvValue::CharArray(rest.into()),
        layout,
        pattern: BayerPattern::of_index(f64::from(pattern)),
        packed: packed.map(|codec| (codec, rest.len())),
    };
    if let Ok(picture) = render(&frame, &mode(scale, encoding)) {
        assert!(!picture.is_empty(), "an empty picture of {layout:?}");
    }
}

/// What the PVs of a camera say of its images, and an array of some length.
///
/// # Panics
/// When a layout does not fit the array that it was found for.
pub fn camera_statements(bytes: &[u8]) {
    let mut numbers = bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk));
    let mut next = || numbers.next();
    let count = next().unwrap_or_default().abs() as usize;
    let label = |byte: Option<&u8>| {
        ["Mono", "RGB1", "RGB2", "RGB3", "Bayer", "", "YUV444", "YUV422", "YUV421"]
            [byte.map_or(5, |b| usize::from(*b) % 9)]
        .to_owned()
    };
    let statements = Statements {
        array_size: [next(), next(), next()],
        columns: next(),
        rows: next(),
        min: [next(), next()],
        size: [next(), next()],
        binning: [next(), next()],
        plugin_color: Some(label(bytes.last())),
        camera_color: Some(label(bytes.first())),
        plugin_type: bytes
            .get(1)
            .and_then(|b| PixelType::ALL.get(usize::from(*b)))
            .map(|kind| kind.name().to_owned()),
        camera_type: None,
    };
    let _ = statements.announced();
    let _ = statements.likely_layout();
    let Some((layout, _)) = statements.layout(count) else { return };
    assert!(layout.numbers() <= count, "{layout:?} for {count} numbers");
    if count <= MOST_NUMBERS {
        let array = PvValue::DoubleArray((0..count).map(|n| n as f64 * 1e9).collect());
        let frame = RawFrame { array, layout, pattern: BayerPattern::Rggb, packed: None };
        let _ = render(&frame, &mode(0, 0));
    }
}

fn color_mode(byte: u8) -> ColorMode {
    match byte % 8 {
        0 => ColorMode::Mono,
        1 => ColorMode::Bayer,
        2 => ColorMode::Rgb1,
        3 => ColorMode::Rgb2,
        4 => ColorMode::Rgb3,
        5 => ColorMode::Yuv(Packing::Yuv444),
        6 => ColorMode::Yuv(Packing::Yuv422),
        _ => ColorMode::Yuv(Packing::Yuv411),
    }
}

fn mode(scale: u8, encoding: u8) -> Mode {
    Mode {
        scale: if scale.is_multiple_of(2) { Scale::Linear } else { Scale::Logarithmic },
        encoding: match encoding % 3 {
            0 => Encoding::Jpeg,
            1 => Encoding::Png,
            _ => Encoding::Webp,
        },
        quality: 1 + encoding % 100,
        max_dimension: 1 + usize::from(scale),
    }
}

#[cfg(test)]
mod tests {
    use peers::replay;

    #[test]
    fn any_socket_message_is_read_or_refused() {
        replay("socket_message", super::socket_message);
    }

    #[test]
    fn any_pv_value_is_taken_or_refused() {
        replay("pv_value", super::pv_value);
    }

    #[test]
    fn any_camera_frame_is_rendered_or_refused() {
        replay("camera_frame", super::camera_frame);
    }

    #[test]
    fn any_statements_of_a_camera_give_a_layout_that_fits_or_none() {
        replay("camera_statements", super::camera_statements);
    }
}
