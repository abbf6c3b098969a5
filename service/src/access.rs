//! Who may do what (contract queue-server §4.5): one gate for every service.
//!
//! A service makes a [`Gate`] of a [`Policy`] and puts each route behind it with the [`Scope`] that the route takes
//! ([`Gate::guard`], [`Gate::guard_socket`]). The gate reads the [`Credential`] of a request, finds out who that is, and lets the
//! [`Caller`] pass or answers with a [`Refusal`]. Every refusal and every write leaves a line in the audit ([`AUDIT_TARGET`]);
//! who guesses keys is held up.

mod attempts;
mod audit;
mod caller;
mod credential;
mod gate;
mod guard;
mod policy;
mod refusal;
mod role;
mod scope;
mod secret;
mod socket;

pub(crate) use audit::describe;

pub use audit::TARGET as AUDIT_TARGET;
pub use caller::{By, Caller, DEFAULT_GROUP, PUBLIC_NAME, SINGLE_USER_NAME};
pub use credential::{Credential, SUBPROTOCOL};
pub use gate::Gate;
pub use policy::{Entrance, Policy, PolicyError};
pub use refusal::Refusal;
pub use role::{PUBLIC, Roles, SINGLE_USER};
pub use scope::{Scope, Scopes, UnknownScope};
pub use secret::{NoRandomness, Secret, SecretDigest};
pub use socket::{Entry, Unknown};
