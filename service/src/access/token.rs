//! Access and refresh tokens: JWTs signed with HS256 (contract queue-server §4.5).

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::scope::Scopes;
use super::secret::Secret;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    /// The principal.
    #[serde(with = "uuid::serde::simple")]
    pub(super) sub: Uuid,
    sub_typ: String,
    /// What the principal was allowed when it was made.
    pub(super) scp: Scopes,
    ids: Vec<Identity>,
    exp: i64,
    #[serde(rename = "type")]
    kind: AccessKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    id: String,
    idp: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AccessKind {
    Access,
}

/// What a refresh token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refresh {
    /// The session.
    #[serde(with = "uuid::serde::simple")]
    pub(super) sid: Uuid,
    exp: i64,
    #[serde(rename = "type")]
    kind: RefreshKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RefreshKind {
    Refresh,
}

impl Access {
    /// For a principal known as `id` to the provider `idp`, until `exp` (Unix time in seconds).
    pub(super) fn new(sub: Uuid, (idp, id): (&str, &str), scp: Scopes, exp: i64) -> Self {
        let ids = vec![Identity { id: id.to_owned(), idp: idp.to_owned() }];
        Self { sub, sub_typ: "user".to_owned(), scp, ids, exp, kind: AccessKind::Access }
    }
}

impl Refresh {
    /// For a session, until `exp` (Unix time in seconds).
    pub(super) fn new(sid: Uuid, exp: i64) -> Self {
        Self { sid, exp, kind: RefreshKind::Refresh }
    }
}

/// A token that is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It was.
    Expired,
    /// It never was, or is for something else.
    Invalid,
}

/// Signs with that key.
pub(super) fn sign(claims: &impl Serialize, key: &Secret) -> Result<String, BadToken> {
    let key = EncodingKey::from_secret(key.reveal().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .map_err(|_| BadToken::Invalid)
}

/// Reads a token that one of the keys has signed.
pub(super) fn read<T: DeserializeOwned>(token: &Secret, keys: &[Secret]) -> Result<T, BadToken> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.leeway = 0;
    rules.validate_aud = false;
    let mut problem = BadToken::Invalid;
    for key in keys {
        let key = DecodingKey::from_secret(key.reveal().as_bytes());
        match jsonwebtoken::decode::<T>(token.reveal(), &key, &rules) {
            Ok(read) => return Ok(read.claims),
            Err(error) if *error.kind() == ErrorKind::ExpiredSignature => {
                problem = BadToken::Expired;
            }
            Err(_) => {}
        }
    }
    Err(problem)
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    const FAR: i64 = 4_000_000_000;

    fn keys() -> [Secret; 2] {
        ["new".into(), "old".into()]
    }

    fn access(exp: i64) -> Access {
        Access::new(Uuid::from_u128(7), ("toy", "bob"), Scope::ReadStatus.into(), exp)
    }

    #[test]
    fn the_claims_are_those_of_the_contract() {
        assert_eq!(
            serde_json::to_string(&access(1)).unwrap(),
            r#"{"sub":"00000000000000000000000000000007","sub_typ":"user","scp":["read:status"],"ids":[{"id":"bob","idp":"toy"}],"exp":1,"type":"access"}"#
        );
    }

    #[test]
    fn every_key_verifies_and_a_foreign_one_does_not() {
        for key in keys() {
            let token = sign(&access(FAR), &key).unwrap().as_str().into();
            assert_eq!(read::<Access>(&token, &keys()), Ok(access(FAR)));
        }
        let foreign = sign(&access(FAR), &"foreign".into()).unwrap().as_str().into();
        assert_eq!(read::<Access>(&foreign, &keys()), Err(BadToken::Invalid));
    }

    #[test]
    fn an_old_token_has_expired_and_a_refresh_token_opens_nothing() {
        let key = &keys()[0];
        let old = sign(&access(1), key).unwrap().as_str().into();
        assert_eq!(read::<Access>(&old, &keys()), Err(BadToken::Expired));
        let refresh = sign(&Refresh::new(Uuid::from_u128(1), FAR), key).unwrap();
        assert_eq!(read::<Access>(&refresh.as_str().into(), &keys()), Err(BadToken::Invalid));
        let access = sign(&access(FAR), key).unwrap();
        assert_eq!(read::<Refresh>(&access.as_str().into(), &keys()), Err(BadToken::Invalid));
    }

    #[test]
    fn a_token_without_a_signature_is_none() {
        // {"alg":"none"} and the claims of an access token.
        let claims = "eyJzdWIiOiIwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwNyJ9";
        for token in [format!("eyJhbGciOiJub25lIn0.{claims}."), "x.y.z".into(), String::new()] {
            assert_eq!(read::<Access>(&token.as_str().into(), &keys()), Err(BadToken::Invalid));
        }
    }
}
