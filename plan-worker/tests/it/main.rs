//! The worker against the real things: bluesky, ophyd and bluesky-queueserver in Python, real sockets, real IOCs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets the unexpected fails")]

mod bluesky;
mod bluesky_calls;
mod descriptions;
mod engine;
mod epics;
mod ioc;
mod python;
mod queue_side;
mod recorder;
mod refusals;
mod rejoin;
mod slow_motor;
mod worker;
