//! The client against real IOCs, and the fake held to the same checks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod caproto;
mod checks;
mod diagnosis;
mod environment;
mod fake;
mod ioc;
mod motor;
mod pva;
mod softioc;
