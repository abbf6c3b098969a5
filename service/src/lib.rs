//! What every pod shares: how it listens and answers, how it refuses, what it measures and logs.
//!
//! The HTTP behaviour is that of the Python services which these pods replace (contract
//! registry-and-direct-control §1.1): error bodies, redirects, CORS and validation errors of
//! FastAPI and pydantic v2. Nothing here knows a domain.
//!
//! [`access`] is who may do what; [`lease`] is how one pod of several becomes the one that works.
//!
//! A pod builds an ordinary [`axum::Router`] of its routes and passes it through
//! [`http::finish`]; request bodies and queries are read with [`validation`]; every refusal is an
//! [`error::ApiError`].

pub mod access;
pub mod error;
pub mod health;
pub mod http;
pub mod lease;
pub mod metrics;
pub mod openapi;
pub mod settings;
pub mod telemetry;
pub mod validation;
pub mod watch;

pub use error::ApiError;
