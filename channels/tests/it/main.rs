//! The client against real IOCs, and the fake held to the same checks.

mod caproto;
mod checks;
mod ioc;
mod softioc;
