//! From grey values in the order of the array to pixels in the order of a picture.

use crate::camera::color_mode::{BayerPattern, ColorMode};
use crate::camera::geometry::Extent;

/// What can be encoded: rows from the top, pixels from the left, channels within a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) extent: Extent,
    /// 1 for grey, 3 for red, green and blue.
    pub(crate) channels: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The picture that `grey` makes. It must have as many values as the picture has numbers.
pub(crate) fn arrange(
    grey: Vec<u8>,
    extent: Extent,
    color: ColorMode,
    pattern: BayerPattern,
) -> Pixels {
    let channels = if color == ColorMode::Mono { 1 } else { 3 };
    let bytes = match color {
        // YUV has become colour by colour before anything was made grey.
        ColorMode::Mono | ColorMode::Rgb1 | ColorMode::Yuv(_) => grey,
        ColorMode::Rgb2 => {
            grey.chunks(3 * extent.width).flat_map(|row| interleaved(row, extent.width)).collect()
        }
        ColorMode::Rgb3 => interleaved(&grey, extent.pixels()).collect(),
        ColorMode::Bayer => demosaiced(&grey, extent, pattern),
    };
    Pixels { extent, channels, bytes }
}

/// The colours of three planes of `length`, pixel by pixel.
fn interleaved(planes: &[u8], length: usize) -> impl Iterator<Item = u8> {
    let (red, rest) = planes.split_at(length.min(planes.len()));
    let (green, blue) = rest.split_at(length.min(rest.len()));
    let pixels = red.iter().zip(green).zip(blue);
    pixels.flat_map(|((red, green), blue)| [*red, *green, *blue])
}

/// Each pixel gets the colours that its filter keeps out from the mean of its neighbours that have
/// them.
fn demosaiced(mosaic: &[u8], extent: Extent, pattern: BayerPattern) -> Vec<u8> {
    let Extent { width, height } = extent;
    let (red_column, red_row) = pattern.red();
    let mut bytes = Vec::with_capacity(3 * mosaic.len());
    for y in 0..height {
        for x in 0..width {
            let mut sums = [0u32; 3];
            let mut counts = [0u32; 3];
            for near_y in y.saturating_sub(1)..(y + 2).min(height) {
                for near_x in x.saturating_sub(1)..(x + 2).min(width) {
                    let color = (near_x + red_column) % 2 + (near_y + red_row) % 2;
                    sums[color] += u32::from(mosaic[near_y * width + near_x]);
                    counts[color] += 1;
                }
            }
            let own = (x + red_column) % 2 + (y + red_row) % 2;
            for color in 0..3 {
                bytes.push(match counts[color] {
                    _ if color == own => mosaic[y * width + x],
                    0 => 0,
                    count => (sums[color] / count) as u8,
                });
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_BY_TWO: Extent = Extent { width: 2, height: 2 };

    fn colors(color: ColorMode) -> Pixels {
        arrange((0..12).collect(), TWO_BY_TWO, color, BayerPattern::default())
    }

    #[test]
    fn the_layout_vectors_of_the_contract_hold() {
        assert_eq!(colors(ColorMode::Rgb1).bytes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(colors(ColorMode::Rgb2).bytes, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        assert_eq!(colors(ColorMode::Rgb3).bytes, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        assert_eq!(colors(ColorMode::Rgb3).channels, 3);
    }

    #[test]
    fn an_even_colour_behind_a_mosaic_comes_out_even() {
        let extent = Extent { width: 6, height: 4 };
        let light = [200u8, 100, 40];
        for (pattern, first_rows) in [
            (BayerPattern::Rggb, [[0, 1], [1, 2]]),
            (BayerPattern::Gbrg, [[1, 2], [0, 1]]),
            (BayerPattern::Grbg, [[1, 0], [2, 1]]),
            (BayerPattern::Bggr, [[2, 1], [1, 0]]),
        ] {
            let mosaic: Vec<u8> =
                (0..24).map(|i| light[first_rows[i / 6 % 2][i % 6 % 2]]).collect();
            let picture = arrange(mosaic, extent, ColorMode::Bayer, pattern);
            assert_eq!(picture.channels, 3);
            assert!(
                picture.bytes.as_chunks::<3>().0.iter().all(|pixel| *pixel == light),
                "{pattern:?}"
            );
        }
    }

    #[test]
    fn a_mosaic_of_one_pixel_is_no_problem() {
        let extent = Extent { width: 1, height: 1 };
        let picture = arrange(vec![9], extent, ColorMode::Bayer, BayerPattern::Rggb);
        assert_eq!(picture.bytes, [9, 0, 0]);
    }
}
