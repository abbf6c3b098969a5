//! The queue server over its sockets: on the real embedded API, with a worker that speaks the real protocol.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod access;
mod accounts;
mod approval;
mod checkout;
mod clients;
mod crashes;
mod environment;
mod failover;
mod fake_worker;
mod fixture;
mod http;
mod inventory;
mod kernel;
mod locks;
mod machine;
mod manager;
mod native;
mod noise;
mod pages;
mod permissions;
mod plans;
mod progress;
mod queueing;
mod registry;
mod resources;
mod simulation;
mod spreadsheets;
mod tasks;
mod verdicts;
