//! Direct control over real sockets: REST and WebSockets against the API of one machine.

mod device_socket;
mod fake;
mod pv_socket;
mod rest;
mod socket;
mod support;
