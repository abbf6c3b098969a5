//! Integration tests of the resource types: their schemas, their rules, and the data that is shipped with them.

mod golden;
mod rules;
mod schemas;
