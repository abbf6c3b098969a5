//! Integration tests of the resource types: their schemas, their rules, and the data that is shipped with them.

mod catalogue;
mod golden;
mod rules;
mod schemas;
