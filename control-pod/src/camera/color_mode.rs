//! How the colours of an image follow one another in its array, as areaDetector's `ColorMode`
//! names it.

/// How an array holds an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ColorMode {
    /// One number per pixel.
    Mono,
    /// One number per pixel, behind a mosaic of colour filters.
    Bayer,
    /// Colour by colour within a pixel.
    Rgb1,
    /// Colour by colour within a row.
    Rgb2,
    /// Colour by colour within the image.
    Rgb3,
    /// Brightness and two differences of colours, as bytes.
    Yuv(Packing),
}

/// How many neighbours in a row share their differences of colours, in the order of GigE Vision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Packing {
    /// 4:4:4: three bytes, U Y V, for each pixel.
    Yuv444,
    /// 4:2:2: four bytes, U Y V Y, for two pixels.
    Yuv422,
    /// 4:1:1: six bytes, U Y Y V Y Y, for four pixels.
    Yuv411,
}

/// areaDetector's names, in the order of its numbers.
pub(crate) const AREA_DETECTOR_LABELS: [&str; 8] =
    ["Mono", "Bayer", "RGB1", "RGB2", "RGB3", "YUV444", "YUV422", "YUV421"];

/// What an index means where the PV has no labels (contract §2.11).
pub(crate) const LABELS_BY_INDEX: [&str; 4] = ["Mono", "RGB1", "RGB2", "RGB3"];

impl ColorMode {
    /// The mode of a label. What is not known is shown as `Mono` where its numbers fit.
    pub(crate) fn of_label(label: &str) -> Self {
        match label {
            "RGB1" => Self::Rgb1,
            "RGB2" => Self::Rgb2,
            "RGB3" => Self::Rgb3,
            "Bayer" => Self::Bayer,
            "YUV444" => Self::Yuv(Packing::Yuv444),
            "YUV422" => Self::Yuv(Packing::Yuv422),
            // areaDetector's records have this name for what its code calls YUV411.
            "YUV411" | "YUV421" => Self::Yuv(Packing::Yuv411),
            _ => Self::Mono,
        }
    }

    /// Numbers in the array for that many pixels.
    pub(crate) fn numbers(self, pixels: usize) -> usize {
        match self {
            Self::Mono | Self::Bayer => pixels,
            Self::Rgb1 | Self::Rgb2 | Self::Rgb3 => pixels.saturating_mul(3),
            Self::Yuv(packing) => {
                let (bytes, together) = packing.group();
                pixels.div_ceil(together).saturating_mul(bytes)
            }
        }
    }
}

impl Packing {
    /// Bytes of a group, and its pixels.
    pub(crate) fn group(self) -> (usize, usize) {
        match self {
            Self::Yuv444 => (3, 1),
            Self::Yuv422 => (4, 2),
            Self::Yuv411 => (6, 4),
        }
    }
}

/// Which colour the filters of a Bayer mosaic begin with, row by row; areaDetector's
/// `BayerPattern`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum BayerPattern {
    /// Red and green, then green and blue.
    #[default]
    Rggb,
    /// Green and blue, then red and green.
    Gbrg,
    /// Green and red, then blue and green.
    Grbg,
    /// Blue and green, then green and red.
    Bggr,
}

impl BayerPattern {
    /// The pattern of an index.
    pub(crate) fn of_index(index: f64) -> Self {
        match index as i64 {
            1 => Self::Gbrg,
            2 => Self::Grbg,
            3 => Self::Bggr,
            _ => Self::Rggb,
        }
    }

    /// Column and row of the red filter within the first two by two.
    pub(crate) fn red(self) -> (usize, usize) {
        match self {
            Self::Rggb => (0, 0),
            Self::Gbrg => (0, 1),
            Self::Grbg => (1, 0),
            Self::Bggr => (1, 1),
        }
    }
}
