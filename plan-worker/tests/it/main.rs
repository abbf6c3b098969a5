//! The worker against the real things: bluesky, ophyd and bluesky-queueserver in Python, real sockets, real IOCs.

mod bluesky;
mod engine;
mod python;
mod recorder;
