//! Why somebody is not let in, in the words of bluesky-httpserver (contract queue-server §4.5).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::provider::Silent;
use super::scope::Scopes;
use crate::ApiError;

/// Seconds after which it makes sense to try again.
const RETRY_AFTER_S: &str = "30";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Scopes are missing, perhaps because nothing was shown.
    #[error("Not enough permissions. Requires scopes {required}. Request had scopes {had}")]
    Scopes {
        /// What it takes.
        required: Scopes,
        /// What there was.
        had: Scopes,
    },
    /// The API key is not one of ours, or has expired.
    #[error("Invalid API key")]
    ApiKey,
    /// The token is not one of ours.
    #[error("Could not validate credentials")]
    Token,
    /// The token was one of ours.
    #[error("Access token has expired. Refresh token.")]
    TokenExpired,
    /// The session of a refresh token has ended.
    #[error("Session has expired. Please re-authenticate.")]
    SessionEnded,
    /// Nobody has that name and that password.
    #[error("Incorrect username or password")]
    Password,
    /// A login elsewhere came to nothing, or to nobody whom we know.
    #[error("Authentication failure")]
    Elsewhere,
    /// The provider that knows who somebody is cannot be asked.
    #[error("The login provider does not answer as it should. Try again later.")]
    Provider(#[from] Silent),
    /// Who logs in has no role.
    #[error("User is not authorized to access the server")]
    NoRole,
    /// Who shows a key or a token has no role any more.
    #[error("Permissions for the user are revoked. Please contact the administrator.")]
    Revoked,
    /// A token may be one of the cluster, which cannot be asked.
    #[error("The token cannot be verified: {0}")]
    Unverified(#[from] Unverified),
    /// The accounts cannot be read or written.
    #[error("The accounts cannot be reached. Try again later.")]
    Unavailable,
    /// The header is not `scheme secret`.
    #[error(
        "Authorization header must include the authorization type followed by a space and then the secret, \
         as in 'Bearer SECRET' or 'Apikey SECRET'. "
    )]
    Malformed,
    /// Too many credentials were wrong.
    #[error("Too many failed attempts. Try again later.")]
    TooMany,
}

/// Why the cluster cannot say whose token something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// It does not answer, or not as it should.
    #[error("the Kubernetes API does not answer. Try again later.")]
    Silent,
    /// It is the API of one machine, which has no users.
    #[error("this Kubernetes API has no TokenReview and no SubjectAccessReview.")]
    NoReviews,
    /// We may not ask.
    #[error(
        "this service may not create TokenReviews and SubjectAccessReviews (ClusterRole system:auth-delegator)."
    )]
    Forbidden,
}

impl Refusal {
    /// The status of the answer. Missing scopes are 401 too, as upstream.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Scopes { .. }
            | Self::ApiKey
            | Self::Token
            | Self::TokenExpired
            | Self::SessionEnded
            | Self::Password
            | Self::Elsewhere
            | Self::NoRole
            | Self::Revoked => StatusCode::UNAUTHORIZED,
            Self::Unavailable | Self::Unverified(_) | Self::Provider(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// A word for metrics and for the audit.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Scopes { had, .. } if had.is_empty() => "nothing-shown",
            Self::Scopes { .. } => "scope-missing",
            Self::ApiKey => "wrong-key",
            Self::Token => "wrong-token",
            Self::TokenExpired => "token-expired",
            Self::SessionEnded => "session-ended",
            Self::Password => "wrong-password",
            Self::Elsewhere => "wrong-login",
            Self::Provider(_) => "provider-unavailable",
            Self::NoRole => "no-role",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
            Self::Unverified(_) => "unverified",
            Self::Malformed => "malformed",
            Self::TooMany => "too-many-attempts",
        }
    }

    /// Whether somebody may be guessing.
    pub(super) fn is_failed_attempt(&self) -> bool {
        matches!(self, Self::ApiKey | Self::Token)
    }

    /// The answer to a request that needed `required`.
    pub(super) fn answer(&self, required: Scopes) -> Response {
        let mut response = ApiError::new(self.status(), self.to_string()).into_response();
        let headers = response.headers_mut();
        if self.status() == StatusCode::UNAUTHORIZED {
            let scopes = required.names().collect::<Vec<_>>().join(" ");
            if let Ok(asked) = HeaderValue::from_str(&format!("Bearer scope=\"{scopes}\"")) {
                headers.insert(header::WWW_AUTHENTICATE, asked);
            }
        }
        if *self == Self::TooMany {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    #[test]
    fn missing_scopes_are_named_in_the_text_and_in_the_header() {
        let required = Scopes::from(Scope::ReadStatus);
        let refusal = Refusal::Scopes { required, had: Scopes::default() };
        assert_eq!(
            refusal.to_string(),
            "Not enough permissions. Requires scopes ['read:status']. Request had scopes []"
        );
        let answer = refusal.answer(required);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer scope=\"read:status\"");
    }

    #[test]
    fn a_malformed_header_is_the_clients_mistake() {
        assert_eq!(Refusal::Malformed.status(), StatusCode::BAD_REQUEST);
        assert!(Refusal::Malformed.to_string().ends_with("'Apikey SECRET'. "));
    }
}
