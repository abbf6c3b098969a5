//! Who sends a request, once that is known.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use uuid::Uuid;

use super::scope::Scopes;
use crate::ApiError;

/// The name of the single user, which is also that of everybody where nobody is asked.
pub const SINGLE_USER_NAME: &str = "UNAUTHENTICATED_SINGLE_USER";
/// The name of those who show nothing, where that is allowed.
pub const PUBLIC_NAME: &str = "UNAUTHENTICATED_PUBLIC";
/// The group whose permissions apply to everybody unless told otherwise (contract queue-server §4.5, `DefaultResourceAccessControl`).
pub const DEFAULT_GROUP: &str = "primary";

/// Who sends a request, and what that one may do. Handlers behind a guard extract it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    known: Arc<Known>,
    scopes: Scopes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    user: String,
    by: By,
    group: Option<String>,
    roles: Vec<String>,
    account: Option<Account>,
}

/// Whose account somebody uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) principal: Uuid,
    /// The first eight characters of the API key, where one was shown.
    pub(super) key: Option<String>,
}

/// By what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Nobody is asked.
    Open,
    /// Nothing was shown, and that is enough for this.
    Anonymous,
    /// The single-user key.
    SingleUserKey,
    /// An API key of an account.
    ApiKey,
    /// An access token of an account.
    Token,
    /// A token of the cluster.
    ClusterToken,
}

impl By {
    /// A word for the audit.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Anonymous => "anonymous",
            Self::SingleUserKey => "single-user-key",
            Self::ApiKey => "api-key",
            Self::Token => "token",
            Self::ClusterToken => "cluster-token",
        }
    }
}

impl Caller {
    pub(super) fn new(user: &str, by: By, scopes: Scopes) -> Self {
        let (user, roles) = (user.to_owned(), Vec::new());
        let known = Known { user, by, group: None, roles, account: None };
        Self { known: Arc::new(known), scopes }
    }

    pub(super) fn with_account(self, roles: Vec<String>, account: Account) -> Self {
        self.with(|known| (known.roles, known.account) = (roles, Some(account)))
    }

    pub(super) fn with_roles(self, roles: Vec<String>) -> Self {
        self.with(|known| known.roles = roles)
    }

    pub(super) fn in_group(self, group: Option<&str>) -> Self {
        self.with(|known| known.group = group.map(str::to_owned))
    }

    fn with(self, change: impl FnOnce(&mut Known)) -> Self {
        let mut known = Known::clone(&self.known);
        change(&mut known);
        Self { known: Arc::new(known), ..self }
    }

    /// Roles of the caller.
    pub fn roles(&self) -> &[String] {
        &self.known.roles
    }

    /// Whose account the caller uses.
    pub(super) fn account(&self) -> Option<&Account> {
        self.known.account.as_ref()
    }

    /// The name that is stored with what is done.
    pub fn user(&self) -> &str {
        &self.known.user
    }

    /// The user group whose permissions apply.
    pub fn group(&self) -> &str {
        self.known.group.as_deref().unwrap_or(DEFAULT_GROUP)
    }

    /// By what the caller is known.
    pub fn by(&self) -> By {
        self.known.by
    }

    /// What the caller may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let caller = parts.extensions.get::<Self>().cloned();
        // A route that wants a caller and has no guard: nobody gets in by mistake.
        caller.ok_or_else(|| ApiError::internal("Nobody has looked who sends this request"))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
