//! What is known of a provider before it is asked.

use jsonwebtoken::jwk::Jwk;
use url::Url;

use crate::access::secret::Secret;
use crate::access::template::Template;

/// How users log in at a provider.
#[derive(Clone, Debug)]
pub(in crate::access) struct Settings {
    /// What the provider calls us.
    pub(in crate::access) client_id: String,
    pub(in crate::access) client_secret: Secret,
    /// Where the provider sends browsers back to: our `/api/auth/provider/NAME/code`, as browsers reach it.
    pub(in crate::access) redirect_uri: Url,
    /// Who signs ID tokens; what the provider says of itself when absent.
    pub(in crate::access) issuer: Option<String>,
    pub(in crate::access) endpoints: Endpoints,
    /// What users of the device code flow read in the end, with a blank `{id}`.
    pub(in crate::access) confirmation: Option<Template>,
}

/// Where a provider answers.
#[derive(Clone, Debug)]
pub(in crate::access) enum Endpoints {
    /// As its discovery document says (OpenID Connect Discovery 1.0 §4).
    Discovered(Url),
    /// As the configuration says.
    Fixed {
        /// Where users log in.
        authorization: Url,
        /// Where a code is worth an ID token.
        token: Url,
        /// Public keys of who signs.
        keys: Vec<Jwk>,
    },
}
