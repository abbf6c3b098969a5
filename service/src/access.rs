//! Who may do what (contract queue-server §4.5): one gate for every service.
//!
//! A service makes a [`Gate`] of a [`Policy`] and puts each route behind it with the [`Scope`] that the route takes
//! ([`Gate::guard`], [`Gate::guard_socket`]). The gate reads the [`Credential`] of a request, finds out who that is, and lets the
//! [`Caller`] pass or answers with a [`Refusal`]. Every refusal and every write leaves a line in the audit ([`AUDIT_TARGET`]);
//! who guesses keys is held up.
//!
//! Before that, requests that a browser sends for a page of somebody else are refused ([`Pages`]).
//!
//! With an audience in the [`Policy`] the tokens of the cluster are taken too, for which the Kubernetes API is asked.
//!
//! With providers in the [`Policy`] users log in ([`routes`]), with a password or where a [`Provider`] sends them. Their sessions and
//! API keys are in a Secret of the namespace ([`Store`]), as digests; what they may do is looked up in the [`Directory`] each time.

mod access_server;
mod accounts;
mod attempts;
mod audit;
mod book;
mod caller;
mod config;
mod credential;
mod directory;
mod gate;
mod guard;
mod http;
mod ldap;
mod login;
mod login_elsewhere;
mod oidc;
mod pages;
mod password;
mod policy;
mod provider;
mod refusal;
mod reviews;
mod role;
mod routes;
mod scope;
mod secret;
mod socket;
mod store;
mod template;
mod token;
mod trust;

pub(crate) use attempts::{Attempts, FOR_KEYS, subject};
pub(crate) use audit::{describe, note_foreign};

pub use access_server::AccessServer;
pub use audit::TARGET as AUDIT_TARGET;
pub use caller::{By, Caller, DEFAULT_GROUP, PUBLIC_NAME, SINGLE_USER_NAME};
pub use config::{ConfigError, read as read_configuration};
pub use credential::{Credential, SUBPROTOCOL};
pub use directory::{Directory, User, Users};
pub use gate::Gate;
pub use ldap::Ldap;
pub use oidc::Oidc;
pub use pages::{Foreign, Pages};
pub use password::Passwords;
pub use policy::{Entrance, Lifetimes, Policy, PolicyError};
pub use provider::{Provider, Silent};
pub use refusal::{Refusal, Unverified};
pub use role::{Change, PUBLIC, Roles, SINGLE_USER};
pub use routes::routes;
pub use scope::{Scope, Scopes, UnknownScope};
pub use secret::{NoRandomness, Secret, SecretDigest};
pub use socket::{Entry, Unknown};
pub use store::Store;
pub use template::BadTemplate;
