//! The queue server: plans queued, validated and run by a worker.
//!
//! One actor owns a pure state machine; 0MQ, HTTP and WebSockets are thin fronts over the same commands. Every item is a
//! `QueueItem` resource that is written before the client gets its answer.

pub mod item;
pub mod python;
pub mod queue;
pub mod rank;
