//! The picture that the camera takes: a blob that orbits over a diagonal gradient (contract §6.3).

/// Width and height of the sensor in pixels.
pub(super) const SENSOR: usize = 1024;

/// How the three colours of a pixel follow one another in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColorMode {
    Mono,
    /// Colour by colour within a pixel.
    Rgb1,
    /// Colour by colour within a row.
    Rgb2,
    /// Colour by colour within the image.
    Rgb3,
}

impl ColorMode {
    /// The mode behind an index of the `ColorMode` PV.
    pub(super) fn of_index(index: f64) -> Self {
        match index as i64 {
            1 => Self::Rgb1,
            2 => Self::Rgb2,
            3 => Self::Rgb3,
            _ => Self::Mono,
        }
    }
}

/// Largest number of the data type behind an index of the `DataType` PV: Int8, UInt8, Int16,
/// UInt16.
pub(super) fn full_scale(data_type: f64) -> f64 {
    match data_type as i64 {
        0 => f64::from(i8::MAX),
        2 => f64::from(i16::MAX),
        3 => f64::from(u16::MAX),
        _ => f64::from(u8::MAX),
    }
}

/// One axis of the region that is read out, in pixels of the sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) size: usize,
    pub(super) binning: usize,
}

impl Span {
    /// What the sensor makes of a wish: at least one pixel, nothing beyond its edge, binning
    /// within the size.
    pub(super) fn fit(start: f64, size: f64, binning: f64) -> Self {
        let start = start.clamp(0.0, SENSOR as f64 - 1.0) as usize;
        let size = (size.max(1.0) as usize).min(SENSOR - start);
        Self { start, size, binning: (binning.max(1.0) as usize).min(size) }
    }

    /// Pixels in the array.
    pub(super) fn pixels(self) -> usize {
        self.size / self.binning
    }
}

/// What one frame is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) color_mode: ColorMode,
    pub(super) full_scale: f64,
    pub(super) gain: f64,
    /// Number of the frame; the blob orbits by 0.15 rad a frame.
    pub(super) frame: i32,
}

impl Picture {
    /// Dimensions of the array, fastest first, as areaDetector reports them; 0 for one that is
    /// not there.
    pub(super) fn dimensions(self) -> [usize; 3] {
        let (w, h) = (self.width, self.height);
        match self.color_mode {
            ColorMode::Mono => [w, h, 0],
            ColorMode::Rgb1 => [3, w, h],
            ColorMode::Rgb2 => [w, 3, h],
            ColorMode::Rgb3 => [w, h, 3],
        }
    }

    /// The array of the frame.
    pub(super) fn pixels(self) -> Vec<i32> {
        let (w, h) = (self.width, self.height);
        let gradient = self.brightness(1.0, 0.0);
        let mono = self.brightness(0.25, 0.75);
        let blob = self.brightness(0.0, 1.0);
        let colors = [&blob, &mono, &gradient];
        match self.color_mode {
            ColorMode::Mono => mono,
            ColorMode::Rgb1 => (0..w * h).flat_map(|i| colors.map(|color| color[i])).collect(),
            ColorMode::Rgb2 => (0..h)
                .flat_map(|row| colors.map(|color| &color[row * w..(row + 1) * w]).concat())
                .collect(),
            ColorMode::Rgb3 => colors.map(Vec::as_slice).concat(),
        }
    }

    /// The scene with the given shares of gradient and blob, clipped at full scale.
    fn brightness(self, gradient: f64, blob: f64) -> Vec<i32> {
        let (w, h) = (self.width as f64, self.height as f64);
        let phase = 0.15 * f64::from(self.frame);
        let bell =
            |at: usize, center: f64| (-((at as f64 - center) / (w / 10.0)).powi(2) / 2.0).exp();
        let across: Vec<f64> =
            (0..self.width).map(|x| bell(x, w * (0.5 + 0.25 * phase.cos()))).collect();
        let mut pixels = Vec::with_capacity(self.width * self.height);
        for y in 0..self.height {
            let down = bell(y, h * (0.5 + 0.25 * phase.sin()));
            pixels.extend(across.iter().enumerate().map(|(x, across)| {
                let slope = (x as f64 / w + y as f64 / h) / 2.0;
                let light = self.gain * (gradient * slope + blob * across * down);
                (light * self.full_scale).clamp(0.0, self.full_scale) as i32
            }));
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: Picture = Picture {
        width: 40,
        height: 20,
        color_mode: ColorMode::Mono,
        full_scale: 255.0,
        gain: 1.0,
        frame: 0,
    };

    fn brightest(pixels: &[i32]) -> usize {
        (0..pixels.len()).max_by_key(|i| pixels[*i]).unwrap_or(0)
    }

    #[test]
    fn the_blob_orbits_and_stays_within_the_scale() {
        let first = PICTURE.pixels();
        assert_eq!(first.len(), 800);
        assert!(first.iter().all(|p| (0..=255).contains(p)));
        assert!(brightest(&first) % 40 > 25, "starts on the right");
        let half_a_turn = Picture { frame: 21, ..PICTURE }.pixels();
        assert!(brightest(&half_a_turn) % 40 < 15, "is on the left half a turn later");
    }

    #[test]
    fn every_color_mode_holds_the_same_three_colours_in_its_own_order() {
        let of = |color_mode| Picture { color_mode, ..PICTURE };
        let planes = of(ColorMode::Rgb3).pixels();
        let (by_pixel, by_row) = (of(ColorMode::Rgb1).pixels(), of(ColorMode::Rgb2).pixels());
        for (color, y, x) in [(0, 3, 7), (1, 0, 0), (2, 19, 39)] {
            let value = planes[color * 800 + y * 40 + x];
            assert_eq!(by_pixel[(y * 40 + x) * 3 + color], value);
            assert_eq!(by_row[y * 120 + color * 40 + x], value);
        }
        assert_eq!(of(ColorMode::Rgb1).dimensions(), [3, 40, 20]);
        assert_eq!(of(ColorMode::Mono).dimensions(), [40, 20, 0]);
    }

    #[test]
    fn a_region_is_fitted_into_the_sensor() {
        assert_eq!(Span::fit(0.0, 256.0, 1.0), Span { start: 0, size: 256, binning: 1 });
        assert_eq!(Span::fit(1000.0, 256.0, 2.0), Span { start: 1000, size: 24, binning: 2 });
        assert_eq!(Span::fit(-5.0, 0.0, 0.0), Span { start: 0, size: 1, binning: 1 });
        assert_eq!(Span::fit(9999.0, 5.0, 9.0), Span { start: 1023, size: 1, binning: 1 });
        assert_eq!(Span::fit(0.0, 256.0, 2.0).pixels(), 128);
    }

    #[test]
    fn data_types_have_their_full_scale() {
        assert_eq!([0.0, 1.0, 2.0, 3.0].map(full_scale), [127.0, 255.0, 32767.0, 65535.0]);
    }
}
