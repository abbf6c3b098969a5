//! What a configuration says, section by section.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::access::secret::Secret;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Document {
    pub(super) authentication: Authentication,
    pub(super) api_access: Option<ApiAccess>,
    pub(super) resource_access: Option<ResourceAccess>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Authentication {
    pub(super) providers: Vec<Provider>,
    pub(super) secret_keys: Vec<Secret>,
    pub(super) allow_anonymous_access: Option<bool>,
    pub(super) single_user_api_key: Option<Secret>,
    pub(super) access_token_max_age: Option<u32>,
    pub(super) refresh_token_max_age: Option<u32>,
    pub(super) session_max_age: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) provider: String,
    pub(super) authenticator: String,
    #[serde(default)]
    pub(super) args: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiAccess {
    pub(super) policy: String,
    #[serde(default)]
    pub(super) args: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceAccess {
    pub(super) policy: String,
    #[serde(default)]
    pub(super) args: ResourceAccessArgs,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ResourceAccessArgs {
    pub(super) default_group: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(all) => all,
        }
    }
}
