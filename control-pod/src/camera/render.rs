//! One frame, from the array of a PV to the bytes of a file. Pure, and the one thing that takes
//! time: it runs on threads for blocking work.

use channels::PvValue;
use thiserror::Error;

use crate::camera::arrange::arrange;
use crate::camera::color_mode::BayerPattern;
use crate::camera::downscale::downscaled;
use crate::camera::encode::{Encoding, encode};
use crate::camera::geometry::Layout;
use crate::camera::normalise::{Scale, normalise};
use crate::camera::samples::Samples;
use crate::camera::unpack::{Codec, unpack};

/// What is to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawFrame {
    /// Value of the array PV.
    pub(crate) array: PvValue,
    /// How its numbers make an image.
    pub(crate) layout: Layout,
    /// Where the filters of a mosaic begin.
    pub(crate) pattern: BayerPattern,
    /// How it is compressed, and how many of its bytes count.
    pub(crate) packed: Option<(Codec, usize)>,
}

/// How a frame is shown. Clients that want the same share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mode {
    pub(crate) scale: Scale,
    pub(crate) encoding: Encoding,
    /// 1 to 100; means something for JPEG only.
    pub(crate) quality: u8,
    /// Most pixels on a side.
    pub(crate) max_dimension: usize,
}

/// Why a frame is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum RenderError {
    /// The array holds no numbers, or fewer than it should.
    #[error("the array has no numbers for such an image")]
    NoNumbers,
    /// The image is larger than a format, or this service, takes.
    #[error("the image is too large")]
    Size,
    /// areaDetector compresses it in a way that is not known here.
    #[error("the codec '{0}' is not supported")]
    Codec(String),
    /// The compressed bytes are not what the codec makes.
    #[error("the compressed array is damaged")]
    Damaged,
    /// The encoder refuses the picture.
    #[error("{encoding:?} does not take the picture: {reason}")]
    Encode {
        /// Format that was wanted.
        encoding: Encoding,
        /// Words of the encoder.
        reason: String,
    },
}

impl RenderError {
    /// Fixed word for the metric.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NoNumbers => "no_numbers",
            Self::Size => "size",
            Self::Codec(_) => "codec",
            Self::Damaged => "damaged",
            Self::Encode { .. } => "encode",
        }
    }
}

/// The frame as a file.
///
/// # Errors
/// Every [`RenderError`].
pub(crate) fn render(frame: &RawFrame, mode: &Mode) -> Result<Vec<u8>, RenderError> {
    let (grey, extent, color) = match frame.packed {
        None => {
            let Layout { extent, color, pixel_type } = frame.layout;
            let samples = Samples::of_array(&frame.array, frame.layout.numbers(), pixel_type)
                .ok_or(RenderError::NoNumbers)?;
            (normalise(&samples, mode.scale), extent, color)
        }
        Some((codec, length)) => {
            let PvValue::CharArray(bytes) = &frame.array else {
                return Err(RenderError::NoNumbers);
            };
            let packed = bytes.get(..length).ok_or(RenderError::Damaged)?;
            let unpacked = unpack(codec, packed, &frame.layout)?;
            let samples = Samples::of_bytes(unpacked.bytes, unpacked.pixel_type);
            (normalise(&samples, mode.scale), unpacked.extent, unpacked.color)
        }
    };
    let picture = downscaled(arrange(grey, extent, color, frame.pattern), mode.max_dimension)?;
    encode(&picture, mode.encoding, mode.quality)
}
