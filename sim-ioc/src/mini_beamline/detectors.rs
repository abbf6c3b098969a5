//! The point detectors: how many counts a position, an exposure and a beam current give (contract
//! §6.3).

use libm::erfc;
use rand_distr::{Distribution as _, Normal, Poisson};

/// Counts per unit of beam current and second of exposure.
pub(crate) const COUNTS_PER_CURRENT: f64 = 200.0;

/// Above this mean the Poisson distribution is drawn as a rounded normal one; their shapes differ
/// by less than 1/sqrt(mean) = 3 % there, and an image of 307,200 pixels costs a tenth.
const NORMAL_FROM: f64 = 1000.0;

/// Beam current `seconds` after the start: 500 +- 25 with a period of 4 s.
pub(crate) fn beam_current(seconds: f64) -> f64 {
    500.0 + 25.0 * (seconds * std::f64::consts::TAU / 4.0).sin()
}

/// What stands in the beam and moves with the motor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// A Gaussian around 0, sigma 5.
    Pinhole,
    /// A smooth step at 5.
    Edge,
    /// A smooth window from -7.5 to 7.5.
    Slit,
}

impl Shape {
    /// Share of the beam that reaches the detector with the motor at `position`.
    pub(crate) fn transmission(self, position: f64) -> f64 {
        match self {
            Self::Pinhole => (-position.powi(2) / 50.0).exp(),
            Self::Edge => erfc((5.0 - position) / 2.5) / 2.0,
            Self::Slit => (erfc((position - 7.5) / 2.5) - erfc((position + 7.5) / 2.5)) / 2.0,
        }
    }

    /// Mean counts for a motor position, an exposure and a beam current.
    pub(crate) fn mean_counts(self, position: f64, exposure: f64, current: f64) -> f64 {
        COUNTS_PER_CURRENT * current * exposure * self.transmission(position)
    }
}

/// Counts drawn from a Poisson distribution; a mean that is none (negative, not finite) counts
/// nothing.
pub(crate) fn poisson(mean: f64, rng: &mut impl rand::Rng) -> f64 {
    if mean >= NORMAL_FROM {
        Normal::new(mean, mean.sqrt()).map_or(0.0, |counts| counts.sample(rng).round().max(0.0))
    } else {
        Poisson::new(mean).map_or(0.0, |counts| counts.sample(rng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beam_current_swings_by_five_percent_in_four_seconds() {
        assert!((beam_current(0.0) - 500.0).abs() < 1e-9);
        assert!((beam_current(1.0) - 525.0).abs() < 1e-9);
        assert!((beam_current(3.0) - 475.0).abs() < 1e-9);
    }

    #[test]
    fn each_shape_is_where_the_contract_puts_it() {
        assert!((Shape::Pinhole.transmission(0.0) - 1.0).abs() < 1e-12);
        assert!((Shape::Pinhole.transmission(5.0) - (-0.5f64).exp()).abs() < 1e-12);
        assert!((Shape::Edge.transmission(5.0) - 0.5).abs() < 1e-6);
        assert!(Shape::Edge.transmission(15.0) > 0.999 && Shape::Edge.transmission(-5.0) < 0.001);
        assert!((Shape::Slit.transmission(0.0) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn counts_are_whole_and_have_the_mean_and_spread_of_their_distribution() {
        let mut rng = rand::rng();
        for mean in [3.0, 900.0, 100_000.0] {
            let drawn: Vec<f64> = (0..4000).map(|_| poisson(mean, &mut rng)).collect();
            assert!(drawn.iter().all(|n| n.fract() == 0.0 && *n >= 0.0));
            let average = drawn.iter().sum::<f64>() / 4000.0;
            assert!((average - mean).abs() < 6.0 * (mean / 4000.0).sqrt(), "{mean}: {average}");
            let spread = drawn.iter().map(|n| (n - average).powi(2)).sum::<f64>() / 4000.0;
            assert!((spread / mean - 1.0).abs() < 0.2, "{mean}: variance {spread}");
        }
        assert_eq!(poisson(f64::NAN, &mut rng), 0.0);
        assert_eq!(poisson(-1.0, &mut rng), 0.0);
    }
}
