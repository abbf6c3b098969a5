//! From brightness and differences of colours to red, green and blue: ITU-R BT.601 over all 256 values, as JPEG and GigE Vision
//! have it. Pure, in integers.

use crate::camera::color_mode::Packing;

/// 1 in the fixed point of the coefficients.
const ONE: i32 = 1 << SHIFT;
const SHIFT: u32 = 16;
/// 1.402, 0.344136, 0.714136 and 1.772.
const RED_OF_V: i32 = 91_881;
const GREEN_OF_U: i32 = 22_554;
const GREEN_OF_V: i32 = 46_802;
const BLUE_OF_U: i32 = 116_130;
/// No difference.
const NEUTRAL: i32 = 128;

/// Red, green and blue of each pixel. Bytes that make no whole group are left out.
pub(crate) fn rgb(bytes: &[u8], packing: Packing) -> Vec<u8> {
    let (length, pixels) = packing.group();
    let mut rgb = Vec::with_capacity(bytes.len() / length * pixels * 3);
    for group in bytes.chunks_exact(length) {
        match *group {
            [u, y, v] => rgb.extend(pixel(y, u, v)),
            [u, y0, v, y1] => {
                rgb.extend([y0, y1].into_iter().flat_map(|y| pixel(y, u, v)));
            }
            [u, y0, y1, v, y2, y3] => {
                rgb.extend([y0, y1, y2, y3].into_iter().flat_map(|y| pixel(y, u, v)));
            }
            _ => {}
        }
    }
    rgb
}

fn pixel(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (i32::from(y) * ONE, i32::from(u) - NEUTRAL, i32::from(v) - NEUTRAL);
    [y + RED_OF_V * v, y - GREEN_OF_U * u - GREEN_OF_V * v, y + BLUE_OF_U * u]
        .map(|color| ((color + ONE / 2) >> SHIFT).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Y, U and V of the colours that the standard defines, and what they are.
    const KNOWN: [([u8; 3], [u8; 3]); 9] = [
        ([0, 128, 128], [0, 0, 0]),
        ([255, 128, 128], [255, 255, 255]),
        ([128, 128, 128], [128, 128, 128]),
        ([76, 85, 255], [254, 0, 0]),
        ([150, 44, 21], [0, 255, 1]),
        ([29, 255, 107], [0, 0, 254]),
        ([226, 1, 149], [255, 255, 1]),
        ([179, 171, 1], [1, 255, 255]),
        ([105, 212, 235], [255, 0, 254]),
    ];

    #[test]
    fn the_colours_of_the_standard_come_out() {
        for ([y, u, v], expected) in KNOWN {
            assert_eq!(pixel(y, u, v), expected, "{y} {u} {v}");
        }
    }

    #[test]
    fn every_value_is_that_of_real_numbers_to_the_nearest() {
        for (y, u, v) in (0..=255u8).step_by(5).flat_map(|y| {
            (0..=255u8).step_by(3).flat_map(move |u| (0..=255u8).step_by(3).map(move |v| (y, u, v)))
        }) {
            let (red, blue) = (f64::from(v) - 128.0, f64::from(u) - 128.0);
            let y_real = f64::from(y);
            let real = [
                y_real + 1.402 * red,
                y_real - 0.344_136 * blue - 0.714_136 * red,
                y_real + 1.772 * blue,
            ];
            for (color, real) in pixel(y, u, v).into_iter().zip(real) {
                let near = (f64::from(color) - real.clamp(0.0, 255.0)).abs();
                assert!(near < 0.51, "{y} {u} {v}: {color} for {real}");
            }
        }
    }

    #[test]
    fn neighbours_share_their_differences() {
        let red = [254, 0, 0];
        assert_eq!(rgb(&[85, 76, 255, 128, 9, 128], Packing::Yuv444), [254, 0, 0, 9, 9, 9]);
        assert_eq!(rgb(&[85, 76, 255, 76], Packing::Yuv422), [red, red].concat());
        assert_eq!(rgb(&[128, 1, 128, 2], Packing::Yuv422), [1, 1, 1, 2, 2, 2]);
        let four = rgb(&[128, 1, 2, 128, 3, 4], Packing::Yuv411);
        assert_eq!(four, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    }

    #[test]
    fn what_is_no_whole_group_is_left_out() {
        for packing in [Packing::Yuv444, Packing::Yuv422, Packing::Yuv411] {
            let (bytes, pixels) = packing.group();
            assert_eq!(rgb(&vec![128; 2 * bytes - 1], packing).len(), 3 * pixels);
            assert!(rgb(&[], packing).is_empty());
        }
    }
}
