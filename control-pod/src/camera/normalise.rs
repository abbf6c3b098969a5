//! From numbers of any range to grey values 0 to 255 (contract §2.11, golden vectors of
//! `ophyd-websocket` §7.5).
//!
//! Over all numbers of a frame together: logarithmic is `ln(v + 1)` between its smallest and its
//! largest value, linear is `v` over the largest; both are cut off, not rounded. Different from
//! upstream, which drops such frames or lets them wrap: a negative number (a gap of a detector)
//! counts as 0, and so does one that is no number; an infinite one is white and sets no scale.

use crate::camera::samples::Samples;

/// How numbers become grey values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scale {
    /// Faint things show beside bright ones.
    Logarithmic,
    /// Twice the number is twice as bright.
    Linear,
}

/// Most entries of a table of grey values: all of a 16 bit camera.
const LARGEST_TABLE: u128 = 1 << 16;
/// A table of this size pays for any frame.
const SMALL_TABLE: u128 = 1 << 8;

/// One grey value per number.
pub(crate) fn normalise(samples: &Samples<'_>, scale: Scale) -> Vec<u8> {
    /// By a table of all numbers between the smallest and the largest where that is less work than
    /// a logarithm for each pixel.
    macro_rules! integers {
        ($items:expr) => {{
            let items = $items.as_ref();
            let Some((low, high)) = bounds(items) else { return Vec::new() };
            let grey = Grey64::new(scale, low as f64, high as f64);
            let span = (high as i128 - low as i128).unsigned_abs();
            if span < LARGEST_TABLE.min((items.len() as u128).max(SMALL_TABLE)) {
                let table: Vec<u8> =
                    (0..=span as i128).map(|i| grey.of((low as i128 + i) as f64)).collect();
                let at = |item: &_| (*item as u64).wrapping_sub(low as u64) as usize;
                items.iter().map(|item| table.get(at(item)).copied().unwrap_or(u8::MAX)).collect()
            } else {
                items.iter().map(|item| grey.of(*item as f64)).collect()
            }
        }};
    }
    match samples {
        Samples::Int8(items) => integers!(items),
        Samples::UInt8(items) => integers!(items),
        Samples::Int16(items) => integers!(items),
        Samples::UInt16(items) => integers!(items),
        Samples::Int32(items) => integers!(items),
        Samples::UInt32(items) => integers!(items),
        Samples::Int64(items) => integers!(items),
        Samples::UInt64(items) => integers!(items),
        Samples::Float32(items) => {
            let finite = items.iter().copied().filter(|item| item.is_finite());
            let (low, high) =
                finite.fold((f32::MAX, f32::MIN), |(low, high), it| (low.min(it), high.max(it)));
            let grey = Grey32::new(scale, low, high);
            items.iter().map(|item| grey.of(*item)).collect()
        }
        Samples::Float64(items) => {
            let finite = items.iter().copied().filter(|item| item.is_finite());
            let (low, high) =
                finite.fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)));
            let grey = Grey64::new(scale, low, high);
            items.iter().map(|item| grey.of(*item)).collect()
        }
    }
}

/// Smallest and largest number; written so that the compiler makes vector instructions of it.
fn bounds<T: Copy + Ord>(items: &[T]) -> Option<(T, T)> {
    let first = *items.first()?;
    let bounds = |(low, high): (T, T), item: &T| (low.min(*item), high.max(*item));
    Some(items.iter().fold((first, first), bounds))
}

/// The grey value of a number. In the precision that upstream calculates in, because the cut makes
/// the smallest difference a whole grey value: single for `Float32`, double for all others.
macro_rules! grey {
    ($name:ident, $number:ty) => {
        #[derive(Clone, Copy)]
        enum $name {
            Logarithmic { low: $number, range: $number },
            Linear { high: $number },
            Black,
        }

        impl $name {
            fn new(scale: Scale, low: $number, high: $number) -> Self {
                match scale {
                    Scale::Linear => Self::Linear { high: if high > 0.0 { high } else { 1.0 } },
                    Scale::Logarithmic => {
                        let (low, high) = (log(low), log(high));
                        if high > low {
                            Self::Logarithmic { low, range: high - low }
                        } else {
                            Self::Black
                        }
                    }
                }
            }

            fn of(self, number: $number) -> u8 {
                // Casts cut off, end at 0 and 255, and make 0 of what is no number.
                match self {
                    Self::Logarithmic { low, range } => ((log(number) - low) / range * 255.0) as u8,
                    Self::Linear { high } => (number / high * 255.0) as u8,
                    Self::Black => 0,
                }
            }
        }
    };
}

trait Logarithm {
    fn log(self) -> Self;
}

impl Logarithm for f32 {
    fn log(self) -> Self {
        (self.max(0.0) + 1.0).ln()
    }
}

impl Logarithm for f64 {
    fn log(self) -> Self {
        (self.max(0.0) + 1.0).ln()
    }
}

fn log<T: Logarithm>(number: T) -> T {
    number.log()
}

grey!(Grey32, f32);
grey!(Grey64, f64);

#[cfg(test)]
#[path = "normalise/tests.rs"]
mod tests;
