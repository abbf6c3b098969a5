//! One frame, from the array of a PV to the bytes of a file. Pure, and the one thing that takes
//! time: it runs on threads for blocking work.

use channels::PvValue;
use thiserror::Error;

use crate::camera::arrange::arrange;
use crate::camera::color_mode::{BayerPattern, ColorMode, Packing};
use crate::camera::downscale::downscaled;
use crate::camera::encode::{Encoding, encode};
use crate::camera::geometry::{Extent, Layout};
use crate::camera::normalise::{Scale, normalise};
use crate::camera::samples::Samples;
use crate::camera::unpack::{Codec, unpack};
use crate::camera::yuv;

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
    /// Brightness and differences of colours come as bytes.
    #[error("colours as YUV must be of 8 bit")]
    NoBytes,
    /// The image is larger than a format, or this service, takes.
    #[error("the image is too large")]
    Size,
    /// areaDetector compresses it in a way that is not known here.
    #[error("the codec '{0}' is not supported, only {known}", known = Codec::NAMES.join(", "))]
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
            Self::NoBytes => "no_bytes",
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
    let (samples, extent, color) = match frame.packed {
        None => {
            let Layout { extent, color, pixel_type } = frame.layout;
            let samples = Samples::of_array(&frame.array, frame.layout.numbers(), pixel_type)
                .ok_or(RenderError::NoNumbers)?;
            (samples, extent, color)
        }
        Some((codec, length)) => {
            let PvValue::CharArray(bytes) = &frame.array else {
                return Err(RenderError::NoNumbers);
            };
            let packed = bytes.get(..length).ok_or(RenderError::Damaged)?;
            let unpacked = unpack(codec, packed, &frame.layout)?;
            let samples = Samples::of_bytes(unpacked.bytes, unpacked.pixel_type);
            (samples, unpacked.extent, unpacked.color)
        }
    };
    let (samples, color) = match color {
        ColorMode::Yuv(packing) => (of_yuv(&samples, packing, extent)?, ColorMode::Rgb1),
        color => (samples, color),
    };
    let grey = normalise(&samples, mode.scale);
    let picture = downscaled(arrange(grey, extent, color, frame.pattern), mode.max_dimension)?;
    encode(&picture, mode.encoding, mode.quality)
}

/// Red, green and blue of all pixels.
fn of_yuv(
    samples: &Samples<'_>,
    packing: Packing,
    extent: Extent,
) -> Result<Samples<'static>, RenderError> {
    let Samples::UInt8(bytes) = samples else { return Err(RenderError::NoBytes) };
    let mut rgb = yuv::rgb(bytes, packing);
    // The last group may have more pixels than the image.
    rgb.truncate(extent.pixels().saturating_mul(3));
    Ok(Samples::UInt8(rgb.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::pixel_type::PixelType;

    fn frame(packing: Packing, bytes: &[u8], pixel_type: PixelType) -> RawFrame {
        let extent = Extent { width: 3, height: 1 };
        let layout =
            Layout { extent, color: ColorMode::Yuv(packing), pixel_type: Some(pixel_type) };
        let pattern = BayerPattern::default();
        RawFrame { array: PvValue::CharArray(bytes.into()), layout, pattern, packed: None }
    }

    const PNG: Mode =
        Mode { scale: Scale::Linear, encoding: Encoding::Png, quality: 1, max_dimension: 100 };

    #[test]
    fn yuv_becomes_a_picture_in_colours_cut_to_its_size() {
        // Two groups of two pixels for a row of three.
        let bytes = [85, 76, 255, 76, 85, 76, 255, 0];
        let file = render(&frame(Packing::Yuv422, &bytes, PixelType::UInt8), &PNG).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = [0; 9];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels.as_chunks().0, [[255, 0, 0]; 3]);
    }

    #[test]
    fn yuv_that_is_no_bytes_is_an_error() {
        let shorts = frame(Packing::Yuv444, &[1; 9], PixelType::UInt16);
        assert_eq!(render(&shorts, &PNG), Err(RenderError::NoBytes));
    }
}
