//! The points of spirals: the formulas of `bluesky.plan_patterns`, in the order of their operations, which decides the last bit.

use std::f64::consts::{FRAC_PI_2, PI};

use thiserror::Error;

/// Points that are looked at for one spiral, inside of its box or not. A number beyond it is a typing mistake.
const MOST_CANDIDATES: f64 = 10_000_000.0;

/// Positions of the two motors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Path {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
}

/// Numbers of which no spiral can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// A radius or a divisor of 0, or no number at all.
    #[error("the spiral has no shape: dr, dr_y, nth and factor must not be 0")]
    Shapeless,
    /// Too many points to look at.
    #[error("the spiral has more points than a scan can take")]
    Endless,
    /// One row or column.
    #[error("a square spiral needs at least two points along x and along y")]
    Flat,
}

/// An ellipse in a tilted box, which both round spirals fill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ellipse {
    pub(super) x_start: f64,
    pub(super) y_start: f64,
    pub(super) x_range: f64,
    pub(super) y_range: f64,
    pub(super) dr: f64,
    pub(super) dr_y: Option<f64>,
    pub(super) tilt: f64,
}

/// The box of an [`Ellipse`].
struct Frame {
    aspect: f64,
    half_x: f64,
    half_y: f64,
    tilt_tan: f64,
}

impl Frame {
    fn diagonal(&self) -> f64 {
        (self.half_x * self.half_x + self.half_y * self.half_y).sqrt()
    }

    /// Whether a point is between the tilted sides.
    fn between_sides(&self, x: f64, y: f64) -> bool {
        (x - (y / self.aspect) / self.tilt_tan).abs() <= self.half_x
    }
}

impl Ellipse {
    fn frame(&self) -> Result<Frame, PathError> {
        let aspect = self.dr_y.map_or(1.0, |dr_y| dr_y / self.dr);
        if self.dr == 0.0 || aspect == 0.0 || !aspect.is_finite() {
            return Err(PathError::Shapeless);
        }
        Ok(Frame {
            aspect,
            half_x: self.x_range / 2.0,
            half_y: self.y_range / (2.0 * aspect),
            tilt_tan: (self.tilt + FRAC_PI_2).tan(),
        })
    }

    /// Rings at a distance of `dr`, each with `nth` points more than the one inside of it.
    pub(super) fn rings(&self, nth: f64) -> Result<Path, PathError> {
        let frame = self.frame()?;
        if nth == 0.0 {
            return Err(PathError::Shapeless);
        }
        let end = within(3.0 + (frame.diagonal() / self.dr).trunc())?;
        within(end as f64 * end as f64 * nth / 2.0)?;
        let mut path = Path::default();
        for ring in 1..end {
            let radius = ring as f64 * self.dr;
            let on_ring = ring as f64 * nth;
            let step = 2.0 * PI / on_ring;
            for at in 0..within(on_ring.trunc())? {
                let angle = at as f64 * step;
                let x = radius * angle.cos();
                let y = radius * angle.sin() * frame.aspect;
                if frame.between_sides(x, y) && (y / frame.aspect).abs() <= frame.half_y {
                    path.push(self.x_start + x, self.y_start + y);
                }
            }
        }
        Ok(path)
    }

    /// The seeds of a sunflower: each turned by the golden angle against the one before.
    pub(super) fn fermat(&self, factor: f64) -> Result<Path, PathError> {
        let frame = self.frame()?;
        if factor == 0.0 {
            return Err(PathError::Shapeless);
        }
        let phi = 137.508 * PI / 180.0;
        let seeds = 1.5 * frame.diagonal() / (self.dr / factor);
        let mut path = Path::default();
        for seed in 1..within((seeds * seeds).trunc())? {
            let seed = seed as f64;
            let radius = seed.sqrt() * self.dr / factor;
            let angle = phi * seed;
            let x = radius * angle.cos();
            let y = radius * angle.sin() * frame.aspect;
            if frame.between_sides(x, y) && y.abs() <= frame.half_y {
                path.push(self.x_start + x, self.y_start + y);
            }
        }
        Ok(path)
    }
}

/// A grid that is visited from its middle outwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Square {
    pub(super) x_center: f64,
    pub(super) y_center: f64,
    pub(super) x_range: f64,
    pub(super) y_range: f64,
    pub(super) x_num: usize,
    pub(super) y_num: usize,
}

impl Square {
    /// The points of the grid, ring by ring.
    pub(super) fn rings(&self) -> Result<Path, PathError> {
        if self.x_num < 2 || self.y_num < 2 {
            return Err(PathError::Flat);
        }
        let rings = self.x_num.max(self.y_num) as i64;
        within((2.0 * rings as f64) * (2.0 * rings as f64))?;
        let (x_num, y_num) = (self.x_num as f64, self.y_num as f64);
        // In a grid of even length the middle lies between two points.
        let x_offset = if self.x_num.is_multiple_of(2) { 0.5 } else { 0.0 };
        let y_offset = if self.y_num.is_multiple_of(2) { -0.5 } else { 0.0 };
        let (x_delta, y_delta) = (self.x_range / (x_num - 1.0), self.y_range / (y_num - 1.0));
        let x_first = self.x_center - x_delta * x_offset;
        let y_first = self.y_center - y_delta * y_offset;
        let all = self.x_num.saturating_mul(self.y_num);

        let mut path = Path::default();
        path.push(x_first, y_first);
        let mut visit = |column: i64, row: i64| {
            let inside = (column as f64 - x_offset).abs() < x_num / 2.0
                && (row as f64 - y_offset).abs() < y_num / 2.0;
            if inside && path.x.len() < all {
                path.push(x_first + x_delta * column as f64, y_first + y_delta * row as f64);
            }
        };
        for ring in 2..=rings {
            let (out, back) = (ring - 1, ring - 2);
            for row in (-out..=back).rev() {
                visit(out, row);
            }
            for column in (-out..=back).rev() {
                visit(column, -out);
            }
            for row in -back..=out {
                visit(-out, row);
            }
            for column in -back..=out {
                visit(column, out);
            }
        }
        Ok(path)
    }
}

impl Path {
    fn push(&mut self, x: f64, y: f64) {
        self.x.push(x);
        self.y.push(y);
    }
}

/// A count as a whole number; below 0 there is nothing.
fn within(count: f64) -> Result<usize, PathError> {
    if count.is_nan() {
        return Err(PathError::Shapeless);
    }
    if count > MOST_CANDIDATES {
        return Err(PathError::Endless);
    }
    Ok(count.max(0.0) as usize)
}
