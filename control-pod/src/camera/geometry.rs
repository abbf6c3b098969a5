//! How large the image in an array is, from what its PVs say. Pure.
//!
//! areaDetector says it in several places, and only one of them is about this very array: the
//! plugin's `ArraySize0/1/2_RBV`. The camera's `SizeX` and `MinX` are settings of the sensor, and
//! upstream shows their difference (contract §2.11), which is wrong for every region that does not
//! begin at 0. So each statement is a candidate, the plugin's first, and the first one that has
//! exactly as many numbers as the array is taken. An array that fits none is held back until its
//! PVs have caught up.

use crate::camera::color_mode::ColorMode;
use crate::camera::pixel_type::PixelType;

/// What the PVs of a camera say; `None` for what they do not (yet).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Statements {
    /// `ArraySize0_RBV` to `ArraySize2_RBV` of the plugin: fastest first, 0 where there is none.
    pub(crate) array_size: [Option<f64>; 3],
    /// `ArraySizeX_RBV` of the plugin or the camera.
    pub(crate) columns: Option<f64>,
    /// `ArraySizeY_RBV` of the plugin or the camera.
    pub(crate) rows: Option<f64>,
    /// `MinX` and `MinY`.
    pub(crate) min: [Option<f64>; 2],
    /// `SizeX` and `SizeY`.
    pub(crate) size: [Option<f64>; 2],
    /// `BinX` and `BinY`.
    pub(crate) binning: [Option<f64>; 2],
    /// Colour mode of the array, from the plugin.
    pub(crate) plugin_color: Option<String>,
    /// Colour mode of the camera.
    pub(crate) camera_color: Option<String>,
    /// Number type of the array, from the plugin.
    pub(crate) plugin_type: Option<String>,
    /// Number type of the camera.
    pub(crate) camera_type: Option<String>,
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extent {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Extent {
    fn new(width: f64, height: f64) -> Option<Self> {
        let pixels = |length: f64| (length.round() >= 1.0).then_some(length.round() as usize);
        Some(Self { width: pixels(width)?, height: pixels(height)? })
    }

    /// Number of pixels; as many as there can be when it is more.
    pub(crate) fn pixels(self) -> usize {
        self.width.saturating_mul(self.height)
    }
}

/// What a client is told of the images (contract §2.11).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dimensions {
    /// Width in pixels, before any downscaling.
    pub(crate) x: i64,
    /// Height in pixels, before any downscaling.
    pub(crate) y: i64,
    /// Label of the colour mode; empty when nobody says.
    pub(crate) color_mode: String,
    /// Name of the number type; empty when nobody says.
    pub(crate) data_type: String,
}

/// How the numbers of an array make an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    /// Size of the image.
    pub(crate) extent: Extent,
    /// How its colours follow one another.
    pub(crate) color: ColorMode,
    /// What the numbers are; `None` is what Channel Access carries them as.
    pub(crate) pixel_type: Option<PixelType>,
}

impl Layout {
    /// Numbers of the array that belong to the image.
    pub(crate) fn numbers(&self) -> usize {
        self.color.numbers(self.extent.pixels())
    }
}

impl Statements {
    /// The layout of an array of `count` numbers, with what a client is told of it; `None` when no
    /// statement fits.
    pub(crate) fn layout(&self, count: usize) -> Option<(Layout, Dimensions)> {
        let fits = |layout: &Layout| layout.numbers() == count;
        // The planes of RGB3 may be followed by something else.
        let holds = |layout: &Layout| layout.color == ColorMode::Rgb3 && layout.numbers() < count;
        let found = self.candidates().find(|(layout, _)| fits(layout));
        found.or_else(|| self.candidates().find(|(layout, _)| holds(layout)))
    }

    /// The layout of an array whose numbers cannot be counted, because it is compressed.
    pub(crate) fn likely_layout(&self) -> Option<(Layout, Dimensions)> {
        self.candidates().next()
    }

    /// What a client is told while no array fits: size minus start, as upstream has it.
    pub(crate) fn announced(&self) -> Option<Dimensions> {
        let [Some(width), Some(height)] = self.size else {
            return self.candidates().next().map(|(_, dimensions)| dimensions);
        };
        let [left, top] = self.min.map(Option::unwrap_or_default);
        Some(Dimensions {
            x: (width - left).round() as i64,
            y: (height - top).round() as i64,
            color_mode: self.camera_color.clone().unwrap_or_default(),
            data_type: self.camera_type.clone().unwrap_or_default(),
        })
    }

    fn candidates(&self) -> impl Iterator<Item = (Layout, Dimensions)> {
        let said = [self.plugin_color.as_deref(), self.camera_color.as_deref()];
        let colors = said.into_iter().flatten().chain(["Mono"]);
        let data_type = self.plugin_type.as_deref().or(self.camera_type.as_deref());
        let pixel_type = data_type.and_then(PixelType::of_name);
        let data_type = data_type.unwrap_or_default();
        colors.flat_map(move |label| {
            let color = ColorMode::of_label(label);
            self.extents(color).into_iter().flatten().map(move |extent| {
                let dimensions = Dimensions {
                    x: extent.width as i64,
                    y: extent.height as i64,
                    color_mode: label.to_owned(),
                    data_type: data_type.to_owned(),
                };
                (Layout { extent, color, pixel_type }, dimensions)
            })
        })
    }

    /// The sizes that an image of this colour mode may have, the most trustworthy first.
    fn extents(&self, color: ColorMode) -> [Option<Extent>; 6] {
        let both = |pair: [Option<f64>; 2]| Some((pair[0]?, pair[1]?));
        let size = both(self.size);
        let min = both(self.min);
        let binning = both(self.binning);
        [
            self.plugin_extent(color),
            both([self.array_size[0], self.array_size[1]])
                .filter(|_| matches!(color, ColorMode::Yuv(_)))
                .and_then(|(width, height)| Extent::new(width, height)),
            both([self.columns, self.rows]).and_then(|(x, y)| Extent::new(x, y)),
            size.zip(min).and_then(|((x, y), (left, top))| Extent::new(x - left, y - top)),
            size.and_then(|(x, y)| Extent::new(x, y)),
            size.zip(binning).and_then(|((x, y), (across, down))| {
                Extent::new((x / across.max(1.0)).floor(), (y / down.max(1.0)).floor())
            }),
        ]
    }

    fn plugin_extent(&self, color: ColorMode) -> Option<Extent> {
        let [first, second, third] = self.array_size;
        let (first, second, third) = (first?, second?, third.unwrap_or_default());
        match color {
            ColorMode::Mono | ColorMode::Bayer => Extent::new(first, second),
            ColorMode::Rgb1 if first == 3.0 => Extent::new(second, third),
            ColorMode::Rgb2 if second == 3.0 => Extent::new(first, third),
            ColorMode::Rgb3 if third == 3.0 => Extent::new(first, second),
            ColorMode::Rgb1 | ColorMode::Rgb2 | ColorMode::Rgb3 => None,
            ColorMode::Yuv(packing) => {
                // Whatever the drivers make a dimension of: the last one is of rows, all others are of the bytes of a row.
                let (row, rows) =
                    if third > 0.0 { (first * second, third) } else { (first, second) };
                let (bytes, pixels) = packing.group();
                Extent::new(row / bytes as f64 * pixels as f64, rows)
            }
        }
    }
}

#[cfg(test)]
#[path = "geometry/tests.rs"]
mod tests;
