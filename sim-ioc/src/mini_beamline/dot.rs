//! The picture of the moving dot: a Gaussian spot over a noisy background (contract §6.3).

use super::detectors::{COUNTS_PER_CURRENT, poisson};

/// Rows of the image.
pub(crate) const HEIGHT: usize = 480;
/// Columns of the image.
pub(crate) const WIDTH: usize = 640;

/// Mean background counts of a pixel.
const BACKGROUND: f64 = 1000.0;

/// What the picture depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dot {
    /// Motor positions, in pixels.
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Exposure.
    pub(crate) exposure: f64,
    /// Beam current.
    pub(crate) current: f64,
    /// With the shutter closed there is only background.
    pub(crate) shutter_open: bool,
}

impl Dot {
    /// Mean counts of every pixel, row by row.
    fn means(self) -> impl Iterator<Item = f64> {
        let dimmed = (-(self.x.powi(2) + self.y.powi(2)) / 100f64.powi(2)).exp();
        let peak = if self.shutter_open {
            COUNTS_PER_CURRENT * dimmed * self.exposure * self.current
        } else {
            0.0
        };
        let gauss = |distance: f64| (-distance.powi(2) / 2.0).exp();
        let columns: Vec<f64> =
            (0..WIDTH).map(|c| gauss((c as f64 - WIDTH as f64 / 2.0 + self.x) / 50.0)).collect();
        (0..HEIGHT).flat_map(move |r| {
            let row = peak * gauss((r as f64 - HEIGHT as f64 / 2.0 + self.y) / 25.0);
            columns.clone().into_iter().map(move |column| BACKGROUND + row * column)
        })
    }

    /// One frame with its noise: the sum of two Poisson counts is the Poisson count of the summed
    /// mean.
    pub(crate) fn frame(self, rng: &mut impl rand::Rng) -> Vec<f64> {
        self.means().map(|mean| poisson(mean, rng)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brightest(dot: Dot) -> (usize, usize) {
        let means: Vec<f64> = dot.means().collect();
        assert_eq!(means.len(), WIDTH * HEIGHT);
        let at = (0..means.len()).max_by(|a, b| means[*a].total_cmp(&means[*b])).unwrap_or(0);
        (at % WIDTH, at / WIDTH)
    }

    const DOT: Dot = Dot { x: 0.0, y: 0.0, exposure: 1.0, current: 500.0, shutter_open: true };

    #[test]
    fn the_dot_moves_against_its_motors() {
        assert_eq!(brightest(DOT), (320, 240));
        assert_eq!(brightest(Dot { x: 20.0, y: -30.0, ..DOT }), (300, 270));
    }

    #[test]
    fn a_closed_shutter_leaves_the_background() {
        assert!(Dot { shutter_open: false, ..DOT }.means().all(|mean| mean == BACKGROUND));
        let sum: f64 = Dot { shutter_open: false, ..DOT }.frame(&mut rand::rng()).iter().sum();
        assert!((sum / (WIDTH * HEIGHT) as f64 - BACKGROUND).abs() < 1.0);
    }
}
