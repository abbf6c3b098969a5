//! Moves and measurements under way.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::message::Group;
use crate::devices::{DeviceError, DeviceRef};

/// When a wait is over, and how long it was to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    of: Duration,
}

impl Deadline {
    /// `of` from now; none for a wait that outlives every machine.
    pub(super) fn after(of: Duration) -> Option<Self> {
        Instant::now().checked_add(of).map(|at| Self { at, of })
    }
}

/// Everything that was started and is not done yet. Dropping it lets go of all of it, but stops nothing.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    tasks: JoinSet<Result<(), DeviceError>>,
    groups: HashMap<Group, HashSet<Id>>,
    moving: HashMap<Id, DeviceRef>,
}

impl Statuses {
    /// Starts a move as a part of `group`.
    pub(super) fn set(&mut self, device: DeviceRef, value: serde_json::Value, group: Group) {
        let mover = DeviceRef::clone(&device);
        let id = self.tasks.spawn(async move { mover.set(&value).await }).id();
        self.groups.entry(group).or_default().insert(id);
        self.moving.insert(id, device);
    }

    /// Starts a measurement as a part of `group`.
    pub(super) fn trigger(&mut self, device: DeviceRef, group: Group) {
        let id = self.tasks.spawn(async move { device.trigger().await }).id();
        self.groups.entry(group).or_default().insert(id);
    }

    /// Waits until everything of `group` is done.
    ///
    /// # Errors
    /// The first failure of anything under way, or that the deadline is over.
    pub(super) async fn wait(
        &mut self,
        group: Group,
        deadline: Option<Deadline>,
    ) -> Result<(), String> {
        let done = async {
            while self.groups.get(&group).is_some_and(|left| !left.is_empty()) {
                self.next().await?;
            }
            Ok(())
        };
        let result = match deadline {
            None => done.await,
            Some(Deadline { at, of }) => timeout_at(at, done).await.unwrap_or_else(|_| {
                Err(format!("not everything was done within {} s", of.as_secs_f64()))
            }),
        };
        if result.is_ok() {
            self.groups.remove(&group);
        }
        result
    }

    /// The next failure of anything under way; never returns while all is well.
    pub(super) async fn failure(&mut self) -> String {
        loop {
            if self.tasks.is_empty() {
                return pending().await;
            }
            if let Err(failure) = self.next().await {
                return failure;
            }
        }
    }

    /// Devices whose moves are not done.
    pub(super) fn moving(&self) -> Vec<DeviceRef> {
        self.moving.values().cloned().collect()
    }

    /// Lets go of everything under way.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    async fn next(&mut self) -> Result<(), String> {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return pending().await;
        };
        let (id, result) = match ended {
            Ok((id, result)) => (id, result.map_err(|error| error.to_string())),
            Err(error) => (error.id(), Err(format!("a device ended unexpectedly: {error}"))),
        };
        self.moving.remove(&id);
        for left in self.groups.values_mut() {
            left.remove(&id);
        }
        result
    }
}
