//! How far the running plan is: what its worker says, and what of it the resource of its item shows.

use std::sync::Arc;

use crds::queue_item::ItemProgress;
use plan_worker::protocol::PlanProgress;

use super::advance::running_status;
use super::pending::begin as write;
use super::{Change, State, Stored, Write};
use crate::queue::Entry;

/// Shortest time between two writes of it, in seconds: the resources are no record of measurements.
const PAUSE: f64 = 5.0;
/// Largest number of movements that is passed on.
const MOST: usize = 32;
/// Longest reason of a plan that waits, in characters.
const LONGEST_REASON: usize = 1_000;

/// How far the running plan is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What its worker says.
    pub told: Option<PlanProgress>,
    /// What its resource shows, and since when.
    shown: Option<ItemProgress>,
    since: f64,
}

/// Another item is being executed.
pub(super) fn begin(state: &mut State) {
    state.progress = Progress { since: state.now, ..Progress::default() };
}

/// The worker says how far it is.
pub(super) fn told(state: &mut State, mut progress: PlanProgress) {
    let is_ours = state.running.as_ref().is_some_and(|running| {
        running.ending.is_none() && running.entry.item.uid() == progress.item_uid
    });
    if is_ours {
        progress.moving.truncate(MOST);
        if let Some(reason) = &mut progress.waiting {
            *reason = reason.chars().take(LONGEST_REASON).collect();
        }
        state.progress.told = Some(progress);
    }
}

/// Shows how far it is on its resource, if that is due; whether it was.
pub(super) fn show(state: &mut State) -> bool {
    let Some(running) = &state.running else { return false };
    let now = of(state);
    if now.is_none()
        || now == state.progress.shown
        || running.ending.is_some()
        || state.now - state.progress.since < PAUSE
    {
        return false;
    }
    let object = running.entry.object.clone();
    let status = Box::new(running_status(state, running));
    state.progress.shown = now;
    state.progress.since = state.now;
    write(state, vec![vec![Write::Status(object, status)]], Change::Progress);
    true
}

/// The resource shows it.
pub(super) fn shown(state: &mut State, stored: Option<&Stored>) {
    if let (Some(running), Some(stored)) = (&mut state.running, stored) {
        let entry = Entry { object: stored.object.clone(), ..(*running.entry).clone() };
        running.entry = Arc::new(entry);
    }
}

/// How far the running item is, as its resource shows it.
pub(super) fn of(state: &State) -> Option<ItemProgress> {
    let PlanProgress { points_done, points_expected, waiting, .. } =
        state.progress.told.as_ref()?;
    let number = |points: u64| i64::try_from(points).unwrap_or(i64::MAX);
    let points_expected = points_expected.map(number);
    let expected = points_expected.map_or_else(|| "?".to_owned(), |points| points.to_string());
    let waits = if waiting.is_some() { " waits" } else { "" };
    let shown = format!("{points_done}/{expected}{waits}");
    let waiting = waiting.clone();
    Some(ItemProgress { points_done: number(*points_done), points_expected, shown, waiting })
}
