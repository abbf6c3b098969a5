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
    /// One after the other.
    Listed(Vec<Value>),
}

impl Positions {
    fn len(&self) -> usize {
        match self {
            Self::Even { num, .. } => *num,
            Self::Listed(positions) => positions.len(),
        }
    }

    /// The arithmetic of `numpy.linspace`, to the last bit.
    fn at(&self, index: usize) -> Value {
        match self {
            Self::Listed(positions) => positions[index].clone(),
            Self::Even { start, stop, num } => {
                if index + 1 == *num && *num > 1 {
                    return Value::from(*stop);
                }
                let intervals = num.saturating_sub(1).max(1) as f64;
                let step = (stop - start) / intervals;
                let offset = if step == 0.0 {
                    index as f64 / intervals * (stop - start)
                } else {
                    index as f64 * step
                };
                Value::from(offset + start)
            }
        }
    }
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
