//! Making a picture fit a browser (contract §2.11: Lanczos, the sides keep their ratio).

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::camera::arrange::Pixels;
use crate::camera::geometry::Extent;
use crate::camera::render::RenderError;

/// The size of a picture whose longer side has at most `most` pixels.
fn fitted(extent: Extent, most: usize) -> Extent {
    let longer = extent.width.max(extent.height).max(1);
    let scaled = |side: usize| ((side * most + longer / 2) / longer).max(1);
    Extent { width: scaled(extent.width), height: scaled(extent.height) }
}

/// The picture with at most `most` pixels on its longer side; as it is where it fits.
///
/// # Errors
/// [`RenderError::Size`] when it has more pixels than can be counted in 32 bit.
pub(crate) fn downscaled(pixels: Pixels, most: usize) -> Result<Pixels, RenderError> {
    let Extent { width, height } = pixels.extent;
    if width.max(height) <= most {
        return Ok(pixels);
    }
    let extent = fitted(pixels.extent, most);
    let kind = if pixels.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let side = |length: usize| u32::try_from(length).map_err(|_| RenderError::Size);
    let whole = ImageRef::new(side(width)?, side(height)?, &pixels.bytes, kind);
    let whole = whole.map_err(|_| RenderError::Size)?;
    let mut small = Image::new(side(extent.width)?, side(extent.height)?, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    let resized = Resizer::new().resize(&whole, &mut small, &options);
    resized.map_err(|_| RenderError::Size)?;
    Ok(Pixels { extent, channels: pixels.channels, bytes: small.into_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, channels: usize) -> Pixels {
        let bytes = (0..width * height * channels).map(|i| (i % 251) as u8).collect();
        Pixels { extent: Extent { width, height }, channels, bytes }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let small = picture(4, 3, 1);
        assert_eq!(downscaled(small.clone(), 4).unwrap(), small);
    }

    #[test]
    fn what_is_too_large_keeps_the_ratio_of_its_sides() {
        for (width, height, channels, expected) in
            [(8, 8, 1, (4, 4)), (8, 4, 3, (4, 2)), (30, 90, 1, (1, 4)), (9, 1, 3, (4, 1))]
        {
            let small = downscaled(picture(width, height, channels), 4).unwrap();
            assert_eq!((small.extent.width, small.extent.height), expected);
            assert_eq!(small.bytes.len(), expected.0 * expected.1 * channels);
        }
    }

    #[test]
    fn an_even_picture_stays_even() {
        let extent = Extent { width: 50, height: 40 };
        let even = Pixels { extent, channels: 1, bytes: vec![77; 2000] };
        assert!(downscaled(even, 10).unwrap().bytes.iter().all(|pixel| *pixel == 77));
    }
}
