//! Whether an ID token is good, and of whom it is (OpenID Connect Core 1.0 §3.1.3.7).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

/// What an ID token has to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// Who issued it, where that is known.
    pub(super) issuer: Option<&'a str>,
    /// For whom.
    pub(super) client_id: &'a str,
    /// For which login.
    pub(super) nonce: &'a str,
}

/// An ID token is not good.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadIdToken {
    #[error("it is no token")]
    Malformed(#[source] jsonwebtoken::errors::Error),
    #[error("none of the provider's keys has signed it")]
    UnknownKey,
    #[error("it is forged, over, or for somebody else")]
    Refused(#[source] jsonwebtoken::errors::Error),
    #[error("it is for another login")]
    Nonce,
    #[error("it is for several clients, and was not issued to this one")]
    Party,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// A text or a list.
    aud: Value,
    azp: Option<String>,
    nonce: Option<String>,
}

/// The subject of a token that one of the keys has signed and that says what is expected.
pub(super) fn subject(
    token: &str,
    keys: &[Jwk],
    expected: Expected<'_>,
) -> Result<String, BadIdToken> {
    let header = jsonwebtoken::decode_header(token).map_err(BadIdToken::Malformed)?;
    let key = signer(keys, header.alg, header.kid.as_deref()).ok_or(BadIdToken::UnknownKey)?;
    let key = DecodingKey::from_jwk(key).map_err(BadIdToken::Refused)?;
    let mut rules = Validation::new(header.alg);
    rules.validate_nbf = true;
    rules.set_audience(&[expected.client_id]);
    rules.set_required_spec_claims(&["exp", "aud", "sub"]);
    if let Some(issuer) = expected.issuer {
        rules.set_issuer(&[issuer]);
        rules.set_required_spec_claims(&["exp", "aud", "sub", "iss"]);
    }
    let read = jsonwebtoken::decode::<Claims>(token, &key, &rules);
    let Claims { sub, aud, azp, nonce } = read.map_err(BadIdToken::Refused)?.claims;
    if nonce.as_deref() != Some(expected.nonce) {
        return Err(BadIdToken::Nonce);
    }
    let is_alone = aud.as_array().is_none_or(|all| all.len() == 1);
    match azp {
        Some(party) if party != expected.client_id => Err(BadIdToken::Party),
        None if !is_alone => Err(BadIdToken::Party),
        _ => Ok(sub),
    }
}

/// The key that a token says it is signed with; without a name the only one that it can be.
fn signer<'a>(keys: &'a [Jwk], algorithm: Algorithm, name: Option<&str>) -> Option<&'a Jwk> {
    let mut fitting = keys.iter().filter(|key| signs(key, algorithm));
    match name {
        Some(name) => fitting.find(|key| key.common.key_id.as_deref() == Some(name)),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

/// Whether a key is for signatures of that kind. None is for those that need a shared secret.
fn signs(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let fits = match &key.algorithm {
        AlgorithmParameters::RSA(_) => {
            matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => algorithm == ES256,
            EllipticCurve::P384 => algorithm == ES384,
            EllipticCurve::P521 | EllipticCurve::Ed25519 => false,
        },
        AlgorithmParameters::OctetKeyPair(_) => algorithm == EdDSA,
        AlgorithmParameters::OctetKey(_) => false,
    };
    let is_named = key.common.key_algorithm.is_none_or(|named| {
        named.to_string().parse::<Algorithm>().is_ok_and(|named| named == algorithm)
    });
    fits && is_named && key.common.public_key_use != Some(PublicKeyUse::Encryption)
}

#[cfg(test)]
mod tests;
