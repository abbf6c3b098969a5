//! The registry as its clients see it: over sockets, on a real store.

mod api;
mod exerciser;
mod lab;
mod locks;
mod roads;
mod survival;
