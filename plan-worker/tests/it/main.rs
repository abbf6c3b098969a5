//! The worker against the real things: bluesky, ophyd and bluesky-queueserver in Python, real sockets, real IOCs.

mod bluesky;
mod descriptions;
mod engine;
mod python;
mod queue_side;
mod recorder;
mod slow_motor;
mod worker;
