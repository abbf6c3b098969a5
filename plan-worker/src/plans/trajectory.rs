//! Where a scan goes: points computed one at a time, so that a long scan needs no memory.

use serde_json::Value;

use crate::devices::DeviceRef;

/// Positions of one motor.
#[derive(Clone, Debug)]
pub enum Positions {
    /// Evenly spaced, both ends included.
    Even {
        /// First position.
        start: f64,
        /// Last position.
        stop: f64,
        /// Number of positions.
        num: usize,
    },
    /// Powers of ten whose exponents are evenly spaced, both ends included.
    PowersOfTen {
        /// First exponent.
        start: f64,
        /// Last exponent.
        stop: f64,
        /// Number of positions.
        num: usize,
    },
    /// One after the other, as the user wrote them.
    Listed(Vec<Value>),
    /// One after the other, from a formula.
    Computed(Vec<f64>),
}

impl Positions {
    fn len(&self) -> usize {
        match self {
            Self::Even { num, .. } | Self::PowersOfTen { num, .. } => *num,
            Self::Listed(positions) => positions.len(),
            Self::Computed(positions) => positions.len(),
        }
    }

    fn at(&self, index: usize) -> Value {
        match self {
            Self::Even { start, stop, num } => Value::from(evenly(*start, *stop, *num, index)),
            Self::PowersOfTen { start, stop, num } => {
                Value::from(10_f64.powf(evenly(*start, *stop, *num, index)))
            }
            Self::Listed(positions) => positions[index].clone(),
            Self::Computed(positions) => Value::from(positions[index]),
        }
    }
}

/// The arithmetic of `numpy.linspace`, to the last bit.
fn evenly(start: f64, stop: f64, num: usize, index: usize) -> f64 {
    if index + 1 == num && num > 1 {
        return stop;
    }
    let intervals = num.saturating_sub(1).max(1) as f64;
    let step = (stop - start) / intervals;
    let offset =
        if step == 0.0 { index as f64 / intervals * (stop - start) } else { index as f64 * step };
    offset + start
}

/// One motor of a trajectory.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What moves.
    pub motor: DeviceRef,
    /// Where to.
    pub positions: Positions,
    /// Whether every second pass of a grid goes backwards.
    pub snake: bool,
}

/// A path of one or more motors.
#[derive(Clone, Debug)]
pub enum Trajectory {
    /// All motors step together; they have the same number of positions.
    Together(Vec<Axis>),
    /// Every combination; the first motor is the slowest.
    Grid(Vec<Axis>),
}

impl Trajectory {
    fn axes(&self) -> &[Axis] {
        match self {
            Self::Together(axes) | Self::Grid(axes) => axes,
        }
    }

    /// The motors, in order.
    pub fn motors(&self) -> Vec<DeviceRef> {
        self.axes().iter().map(|axis| DeviceRef::clone(&axis.motor)).collect()
    }

    /// Number of points; `None` when it is beyond what a computer counts.
    pub fn points(&self) -> Option<usize> {
        match self {
            Self::Together(axes) => Some(axes.first().map_or(0, |axis| axis.positions.len())),
            Self::Grid(axes) => axes
                .iter()
                .try_fold(1_usize, |points, axis| points.checked_mul(axis.positions.len())),
        }
    }

    /// Where each motor is at the point `index`.
    pub fn point(&self, index: usize) -> Vec<(DeviceRef, Value)> {
        let at = |axis: &Axis, index| (DeviceRef::clone(&axis.motor), axis.positions.at(index));
        match self {
            Self::Together(axes) => axes.iter().map(|axis| at(axis, index)).collect(),
            Self::Grid(axes) => {
                let mut passes = index;
                let mut point = Vec::with_capacity(axes.len());
                for axis in axes.iter().rev() {
                    let length = axis.positions.len();
                    let (pass, place) = (passes / length, passes % length);
                    let backwards = axis.snake && pass % 2 == 1;
                    point.push(at(axis, if backwards { length - 1 - place } else { place }));
                    passes = pass;
                }
                point.reverse();
                point
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::environment::Devices;

    /// A grid over `motor1`, `motor2` and so on, with positions 0, 1, 2 and so on.
    fn grid(lengths: &[usize], snake: bool) -> Trajectory {
        let devices = Devices::simulated();
        let axes = lengths.iter().enumerate().map(|(number, length)| Axis {
            motor: devices.get(&format!("motor{}", number + 1)).unwrap(),
            positions: Positions::Even { start: 0.0, stop: (length - 1) as f64, num: *length },
            snake: snake && number > 0,
        });
        Trajectory::Grid(axes.collect())
    }

    fn path(trajectory: &Trajectory) -> Vec<Vec<i64>> {
        let positions = |point: Vec<(DeviceRef, Value)>| {
            point.into_iter().map(|(_, position)| position.as_f64().unwrap() as i64).collect()
        };
        let points = trajectory.points().unwrap();
        (0..points).map(|index| positions(trajectory.point(index))).collect()
    }

    proptest! {
        #[test]
        fn a_grid_visits_every_combination_once_with_the_first_motor_the_slowest(
            lengths in vec(1_usize..5, 1..4),
            snake: bool,
        ) {
            let path = path(&grid(&lengths, snake));
            let visited: BTreeSet<_> = path.iter().collect();
            prop_assert_eq!(visited.len(), lengths.iter().product::<usize>());
            prop_assert_eq!(visited.len(), path.len());
            prop_assert!(path.is_sorted_by_key(|point| point[0]));
            if !snake {
                prop_assert!(path.is_sorted());
            }
        }

        #[test]
        fn a_snaked_grid_moves_one_motor_by_one_step_at_a_time(lengths in vec(1_usize..5, 1..4)) {
            for pair in path(&grid(&lengths, true)).windows(2) {
                let steps: i64 = pair[0].iter().zip(&pair[1]).map(|(a, b)| (a - b).abs()).sum();
                prop_assert_eq!(steps, 1, "{:?}", pair);
            }
        }

        #[test]
        fn even_positions_begin_and_end_exactly_where_they_should(
            start in -1e9..1e9, stop in -1e9..1e9, num in 2_usize..1000,
        ) {
            let positions = Positions::Even { start, stop, num };
            prop_assert_eq!(positions.at(0), Value::from(start));
            prop_assert_eq!(positions.at(num - 1), Value::from(stop));
        }
    }
}
