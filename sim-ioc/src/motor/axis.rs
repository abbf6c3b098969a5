//! One motor axis as a state machine over plain data: what a command and the passing of time do
//! to it.
//!
//! User coordinates are `direction * dial + offset`. The axis moves at constant velocity; there
//! is no acceleration phase. Times are seconds on any steady clock.

use std::collections::VecDeque;

/// Every motion, also one of no distance and the end of a stopped one, takes this many seconds at
/// least: clients wait for `DMOV` to fall and then to rise.
const SHORTEST_MOTION: f64 = 0.04;

/// Why a command is not carried out; nothing has changed then, except that `limit_violation` says
/// so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("outside of the soft limits")]
    OutOfLimits,
    #[error("not a finite number")]
    NotFinite,
    #[error("must be greater than 0")]
    NotPositive,
    #[error("the motor is stopped by its SPMG field")]
    Held,
}

/// `SPMG`: what the axis may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Permission {
    Stop = 0,
    Pause = 1,
    Move = 2,
    Go = 3,
}

/// What the axis does now.
#[derive(Clone, Debug, PartialEq)]
enum Motion {
    Idle,
    /// Way points still to reach, in dial coordinates; the first is the one being approached.
    Travel {
        from: f64,
        began: f64,
        way: VecDeque<f64>,
        velocity: f64,
    },
    /// Towards a limit until stopped; `sign` is in dial coordinates.
    Jog {
        from: f64,
        began: f64,
        sign: f64,
    },
    /// Coming to rest after a stop.
    Settle {
        began: f64,
    },
    /// Travel to dial 0 that ends at home.
    Home {
        from: f64,
        began: f64,
    },
}

/// A motor axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Setpoint and position, in dial coordinates.
    pub(super) dial_setpoint: f64,
    pub(super) dial_position: f64,
    pub(super) offset: f64,
    /// `DIR`: user coordinates run against the dial.
    pub(super) reversed: bool,
    /// `SET`: puts to the setpoint recalibrate instead of moving.
    pub(super) calibrating: bool,
    /// `FOFF`: calibration changes the dial, not the offset.
    pub(super) offset_frozen: bool,
    pub(super) permission: Permission,
    pub(super) velocity: f64,
    pub(super) jog_velocity: f64,
    pub(super) home_velocity: f64,
    pub(super) backlash: f64,
    pub(super) backlash_velocity: f64,
    /// Soft limits in dial coordinates; both 0 means none.
    pub(super) dial_low: f64,
    pub(super) dial_high: f64,
    pub(super) limit_violation: bool,
    pub(super) homed: bool,
    /// Last direction of travel was towards a higher dial position.
    pub(super) raised: bool,
    motion: Motion,
}

impl Default for Axis {
    fn default() -> Self {
        Self {
            dial_setpoint: 0.0,
            dial_position: 0.0,
            offset: 0.0,
            reversed: false,
            calibrating: false,
            offset_frozen: false,
            permission: Permission::Go,
            velocity: 1.0,
            jog_velocity: 1.0,
            home_velocity: 1.0,
            backlash: 0.0,
            backlash_velocity: 1.0,
            dial_low: 0.0,
            dial_high: 0.0,
            limit_violation: false,
            homed: false,
            raised: true,
            motion: Motion::Idle,
        }
    }
}

impl Axis {
    fn sign(&self) -> f64 {
        if self.reversed { -1.0 } else { 1.0 }
    }

    /// User coordinate of a dial coordinate.
    pub(super) fn user(&self, dial: f64) -> f64 {
        self.sign() * dial + self.offset
    }

    /// Dial coordinate of a user coordinate.
    pub(super) fn dial(&self, user: f64) -> f64 {
        self.sign() * (user - self.offset)
    }

    /// Limits in user coordinates, low first.
    pub(super) fn user_limits(&self) -> (f64, f64) {
        let (a, b) = (self.user(self.dial_low), self.user(self.dial_high));
        (a.min(b), a.max(b))
    }

    /// Whether a motion is under way.
    pub(super) fn moving(&self) -> bool {
        self.motion != Motion::Idle
    }

    /// Whether a jog in the given user direction is under way.
    pub(super) fn jogging(&self, forward: bool) -> bool {
        matches!(self.motion, Motion::Jog { sign, .. } if (sign * self.sign() > 0.0) == forward)
    }

    /// Whether the search for home is under way.
    pub(super) fn homing(&self) -> bool {
        matches!(self.motion, Motion::Home { .. })
    }

    fn limited(&self) -> bool {
        self.dial_low != self.dial_high
    }

    fn check(&mut self, dial: f64) -> Result<(), Refused> {
        if !dial.is_finite() {
            return Err(Refused::NotFinite);
        }
        self.limit_violation = self.limited() && !(self.dial_low..=self.dial_high).contains(&dial);
        if self.limit_violation { Err(Refused::OutOfLimits) } else { Ok(()) }
    }

    /// New setpoint in dial coordinates: moves there, also from the middle of another motion;
    /// recalibrates while `SET` is on; waits for `Go` while paused or stopped.
    pub(super) fn move_to(&mut self, dial: f64, now: f64) -> Result<(), Refused> {
        self.check(dial)?;
        self.tick(now);
        self.dial_setpoint = dial;
        if matches!(self.permission, Permission::Move | Permission::Go) {
            self.travel(now);
        }
        Ok(())
    }

    /// New setpoint in user coordinates. While `SET` is on this redefines where the axis is.
    pub(super) fn set_user(&mut self, user: f64, now: f64) -> Result<(), Refused> {
        if !self.calibrating {
            return self.move_to(self.dial(user), now);
        }
        if !user.is_finite() {
            return Err(Refused::NotFinite);
        }
        if self.offset_frozen {
            self.define_dial(self.dial(user))
        } else {
            self.offset = user - self.sign() * self.dial_position;
            self.dial_setpoint = self.dial_position;
            Ok(())
        }
    }

    /// New setpoint in dial coordinates as a client puts it.
    pub(super) fn set_dial(&mut self, dial: f64, now: f64) -> Result<(), Refused> {
        if self.calibrating { self.define_dial(dial) } else { self.move_to(dial, now) }
    }

    fn define_dial(&mut self, dial: f64) -> Result<(), Refused> {
        if !dial.is_finite() {
            return Err(Refused::NotFinite);
        }
        self.motion = Motion::Idle;
        (self.dial_setpoint, self.dial_position) = (dial, dial);
        Ok(())
    }

    /// The backlash is taken up by approaching from its side.
    fn travel(&mut self, now: f64) {
        let mut way = VecDeque::from([self.dial_setpoint]);
        let travel = self.dial_setpoint - self.dial_position;
        if self.backlash != 0.0 && travel * self.backlash < 0.0 {
            way.push_front(self.dial_setpoint - self.backlash);
        }
        self.motion =
            Motion::Travel { from: self.dial_position, began: now, way, velocity: self.velocity };
    }

    /// Ends any motion; the setpoint becomes the position. The axis is at rest a moment later.
    pub(super) fn stop(&mut self, now: f64) {
        self.tick(now);
        if self.moving() && !matches!(self.motion, Motion::Settle { .. }) {
            self.motion = Motion::Settle { began: now };
            self.dial_setpoint = self.dial_position;
        }
    }

    /// `SPMG`: stop drops the setpoint, pause keeps it, go resumes it.
    pub(super) fn permit(&mut self, permission: Permission, now: f64) {
        self.tick(now);
        let held = matches!(self.permission, Permission::Stop | Permission::Pause);
        self.permission = permission;
        match permission {
            Permission::Stop => self.stop(now),
            Permission::Pause => self.motion = Motion::Idle,
            Permission::Move | Permission::Go
                if held && self.dial_setpoint != self.dial_position =>
            {
                self.travel(now);
            }
            Permission::Move | Permission::Go => {}
        }
    }

    /// Starts or ends a jog in the given user direction.
    pub(super) fn jog(&mut self, forward: bool, on: bool, now: f64) -> Result<(), Refused> {
        if !on {
            if self.jogging(forward) {
                self.stop(now);
            }
            return Ok(());
        }
        self.may_move()?;
        self.tick(now);
        let sign = if forward { self.sign() } else { -self.sign() };
        self.motion = Motion::Jog { from: self.dial_position, began: now, sign };
        Ok(())
    }

    /// Starts or ends the search for home, which is at dial 0.
    pub(super) fn home(&mut self, on: bool, now: f64) -> Result<(), Refused> {
        if !on {
            if self.homing() {
                self.stop(now);
            }
            return Ok(());
        }
        self.may_move()?;
        self.check(0.0)?;
        self.tick(now);
        self.motion = Motion::Home { from: self.dial_position, began: now };
        Ok(())
    }

    fn may_move(&self) -> Result<(), Refused> {
        match self.permission {
            Permission::Stop | Permission::Pause => Err(Refused::Held),
            Permission::Move | Permission::Go => Ok(()),
        }
    }

    /// Advances the motion to `now`.
    pub(super) fn tick(&mut self, now: f64) {
        let before = self.dial_position;
        let motion = std::mem::replace(&mut self.motion, Motion::Idle);
        self.motion = match motion {
            Motion::Idle => Motion::Idle,
            Motion::Settle { began } if now - began < SHORTEST_MOTION => Motion::Settle { began },
            Motion::Settle { .. } => Motion::Idle,
            Motion::Travel { from, began, way, velocity } => {
                self.tick_travel(from, began, way, velocity, now)
            }
            Motion::Jog { from, began, sign } => self.tick_jog(from, began, sign, now),
            Motion::Home { from, began } => {
                match step(from, 0.0, self.home_velocity, now - began) {
                    Some(position) => {
                        self.dial_position = position;
                        Motion::Home { from, began }
                    }
                    None => {
                        (self.dial_position, self.dial_setpoint) = (0.0, 0.0);
                        self.homed = true;
                        Motion::Idle
                    }
                }
            }
        };
        if self.dial_position != before {
            self.raised = self.dial_position > before;
        }
    }

    fn tick_travel(
        &mut self,
        from: f64,
        began: f64,
        mut way: VecDeque<f64>,
        velocity: f64,
        now: f64,
    ) -> Motion {
        let Some(&target) = way.front() else { return Motion::Idle };
        if let Some(position) = step(from, target, velocity, now - began) {
            self.dial_position = position;
            return Motion::Travel { from, began, way, velocity };
        }
        self.dial_position = target;
        way.pop_front();
        if way.is_empty() {
            if self.permission == Permission::Move {
                self.permission = Permission::Pause;
            }
            return Motion::Idle;
        }
        Motion::Travel { from: target, began: now, way, velocity: self.backlash_velocity }
    }

    fn tick_jog(&mut self, from: f64, began: f64, sign: f64, now: f64) -> Motion {
        let reached = from + sign * self.jog_velocity * (now - began);
        let limit = if sign > 0.0 { self.dial_high } else { self.dial_low };
        if self.limited() && (reached - limit) * sign >= 0.0 {
            (self.dial_position, self.dial_setpoint) = (limit, limit);
            self.limit_violation = true;
            return Motion::Idle;
        }
        self.dial_position = reached;
        Motion::Jog { from, began, sign }
    }
}

/// Position on the way from one place to another after some seconds; none once it is there.
fn step(from: f64, target: f64, velocity: f64, elapsed: f64) -> Option<f64> {
    let gone = velocity * elapsed;
    let way = target - from;
    (elapsed < SHORTEST_MOTION || gone < way.abs())
        .then(|| from + way.signum() * gone.min(way.abs()))
}

#[cfg(test)]
#[path = "axis/tests.rs"]
mod tests;
