//! From pixels to the bytes of a file that every browser shows.

use jpeg_encoder::{ColorType, SamplingFactor};

use crate::camera::arrange::Pixels;
use crate::camera::render::RenderError;

/// Format of the pictures that are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Baseline JPEG, with or without loss that shows, by its quality.
    #[default]
    Jpeg,
    /// PNG: no loss, twice to ten times the bytes.
    Png,
    /// WebP without loss: smaller than PNG, and slower.
    Webp,
}

impl Encoding {
    /// The format of that name: `jpeg`, `png` or `webp`.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "jpeg" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            "webp" => Some(Self::Webp),
            _ => None,
        }
    }
}

/// The picture as a file. `quality`, 1 to 100, is for JPEG.
///
/// # Errors
/// [`RenderError::Encode`] when the format does not take a picture of this size.
pub(crate) fn encode(
    pixels: &Pixels,
    encoding: Encoding,
    quality: u8,
) -> Result<Vec<u8>, RenderError> {
    // Most pictures of a camera compress to less than half of their pixels.
    let mut file = Vec::with_capacity(pixels.bytes.len() / 2);
    let refused = |reason: String| RenderError::Encode { encoding, reason };
    let side = |length: usize| u32::try_from(length).map_err(|_| RenderError::Size);
    let (width, height) = (side(pixels.extent.width)?, side(pixels.extent.height)?);
    let grey = pixels.channels == 1;
    match encoding {
        Encoding::Jpeg => {
            let short = |length: u32| u16::try_from(length).map_err(|_| RenderError::Size);
            let color = if grey { ColorType::Luma } else { ColorType::Rgb };
            let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
            encoder.set_sampling_factor(SamplingFactor::F_2_2);
            encoder
                .encode(&pixels.bytes, short(width)?, short(height)?, color)
                .map_err(|error| refused(error.to_string()))?;
        }
        Encoding::Png => {
            let mut encoder = png::Encoder::new(&mut file, width, height);
            encoder.set_color(if grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
            encoder.set_compression(png::Compression::Fast);
            let writer = encoder.write_header();
            writer
                .and_then(|mut writer| writer.write_image_data(&pixels.bytes))
                .map_err(|error| refused(error.to_string()))?;
        }
        Encoding::Webp => {
            let color = if grey { image_webp::ColorType::L8 } else { image_webp::ColorType::Rgb8 };
            image_webp::WebPEncoder::new(&mut file)
                .encode(&pixels.bytes, width, height, color)
                .map_err(|error| refused(error.to_string()))?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::color_mode::ColorMode;
    use crate::camera::geometry::{Extent, Layout};
    use crate::camera::unpack::{Codec, unpack};

    fn gradient(channels: usize) -> Pixels {
        let extent = Extent { width: 64, height: 48 };
        let bytes = (0..64 * 48 * channels).map(|i| (i / 64 / channels * 5) as u8).collect();
        Pixels { extent, channels, bytes }
    }

    #[test]
    fn a_jpeg_has_its_header_its_size_and_nearly_the_pixels() {
        for (channels, quality) in [(1, 100), (3, 100), (1, 85), (3, 50)] {
            let picture = gradient(channels);
            let file = encode(&picture, Encoding::Jpeg, quality).unwrap();
            assert!(file.starts_with(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"));
            let layout =
                Layout { extent: picture.extent, color: ColorMode::Mono, pixel_type: None };
            let decoded = unpack(Codec::Jpeg, &file, &layout).unwrap();
            assert_eq!(decoded.extent, picture.extent);
            assert_eq!(decoded.bytes.len(), picture.bytes.len(), "as many components as channels");
            let worst = decoded.bytes.iter().zip(&picture.bytes).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst.unwrap() < 12, "{worst:?} at {quality}");
        }
    }

    #[test]
    fn png_and_webp_lose_nothing() {
        for channels in [1, 3] {
            let picture = gradient(channels);
            let file = encode(&picture, Encoding::Png, 1).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(pixels, picture.bytes);
            let file = encode(&picture, Encoding::Webp, 1).unwrap();
            let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(file)).unwrap();
            let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
            decoder.read_image(&mut pixels).unwrap();
            let expected: Vec<u8> = match channels {
                1 => picture.bytes.iter().flat_map(|grey| [*grey; 3]).collect(),
                _ => picture.bytes,
            };
            assert_eq!(pixels, expected, "WebP has no grey pictures");
        }
    }

    #[test]
    fn a_picture_that_a_format_does_not_take_is_an_error() {
        let extent = Extent { width: 70_000, height: 1 };
        let wide = Pixels { extent, channels: 1, bytes: vec![0; 70_000] };
        assert_eq!(encode(&wide, Encoding::Jpeg, 90), Err(RenderError::Size));
        assert!(encode(&wide, Encoding::Webp, 90).is_err());
        assert!(encode(&wide, Encoding::Png, 90).is_ok());
    }
}
