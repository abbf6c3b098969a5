//! The conformance suite of the API: the same tests run in this process, over the loopback port, and, when
//! `BEAMLINE_CONFORMANCE_CLUSTER=1` and `KUBECONFIG` name one, against a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod apply;
mod deletion;
mod discovery;
mod durability;
mod kubectl;
mod lists;
mod patches;
mod runtime;
mod server;
mod shipped;
mod validation;
mod verbs;
mod watches;
