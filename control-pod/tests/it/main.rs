//! Direct control over real sockets: REST and WebSockets against the API of one machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod access;
mod audit;
mod beamline;
mod camera_iocs;
mod camera_socket;
mod connections;
mod control_socket;
mod device_socket;
mod fake;
mod ioc;
mod oas;
mod pages;
mod pv_socket;
mod rest;
mod slow_client;
mod soak;
mod socket;
mod support;
mod viewer;
