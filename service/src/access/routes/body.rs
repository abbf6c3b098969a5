//! What the routes read.

use crate::validation::{Fields, Model, kinds};

/// What a new API key is asked to be.
pub(super) struct NewKey {
    /// Seconds that it is good for; for ever without.
    pub(super) expires_in: Option<i64>,
    /// Names of scopes; what the principal may do without it, or with `inherit`.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) note: Option<String>,
}

impl Model for NewKey {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let expires_in = fields.required("expires_in", kinds::nullable(kinds::integer));
        let scopes = fields.nullable("scopes", kinds::list(kinds::string));
        let note = fields.nullable("note", kinds::string);
        Some(Self { expires_in: expires_in?, scopes: scopes?, note: note? })
    }
}

/// A refresh token.
pub(super) struct RefreshToken(pub(super) String);

impl Model for RefreshToken {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.required("refresh_token", kinds::string).map(Self)
    }
}
