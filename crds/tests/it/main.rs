//! Integration tests of the resource types: their schemas, their rules, and the data that is
//! shipped with them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod catalogue;
mod examples;
mod export;
mod golden;
mod happi;
mod import;
mod rules;
mod schemas;
