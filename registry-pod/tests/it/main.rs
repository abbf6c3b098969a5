//! The registry as its clients see it: over sockets, on a real store.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod api;
mod crashes;
mod exerciser;
mod faults;
mod lab;
mod lock_histories;
mod locks;
mod outages;
mod pages;
mod replicas;
mod roads;
mod seeding;
mod startup;
mod stream;
mod survival;
mod tokens;
