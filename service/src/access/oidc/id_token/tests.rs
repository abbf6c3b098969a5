//! Good tokens, and what forgers try.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::*;

/// Private keys for ES256, made for these tests, as PKCS #8.
const THEIRS: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgN1gIE2X4inLYPdUfC81v5F8DpgYJQYef2aphJWBJI6ihRANCAAQwV/VJw3iohFtQ6gjvNonFcYiTab7A7bZ2PKD9yR0nAHwFgU7+AFF27+dAXUPucW7L7mfAB+wJDaXFai8/JqPS";
const FORGER: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0no6XdqQAPjUU/L83JdLXdFoSxWt1P3mhw7ofSf8HHKhRANCAARDnEAH2irrW5Oh3NXezz1McsxdG9+aF79z+SxaicWKBt8pFGAMJM7fgSlQAKutGcZeWNd4KiPLQ1qsjHDdJTdc";
/// The public key of the first.
const X: &str = "MFf1ScN4qIRbUOoI7zaJxXGIk2m-wO22djyg_ckdJwA";
const Y: &str = "fAWBTv4AUXbv50BdQ-5xbsvuZ8AH7AkNpcVqLz8mo9I";

const EXPECTED: Expected<'_> =
    Expected { issuer: Some("https://id.x"), client_id: "beamline", nonce: "nonce" };

fn published() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig", "x": X, "y": Y })
}

fn keys() -> Vec<Jwk> {
    vec![serde_json::from_value(published()).unwrap()]
}

fn claims() -> Value {
    json!({ "iss": "https://id.x", "aud": "beamline", "sub": "bob", "nonce": "nonce", "exp": 4_000_000_000_u64 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn signed(key: &str, name: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: name.map(str::to_owned), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_der(&STANDARD.decode(key).unwrap());
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn refused(token: &str) -> String {
    subject(token, &keys(), EXPECTED).unwrap_err().to_string()
}

#[test]
fn a_good_token_says_who_it_is() {
    for name in [Some("one"), None] {
        let token = signed(THEIRS, name, &claims());
        assert_eq!(subject(&token, &keys(), EXPECTED).unwrap(), "bob");
    }
    let to_us = json!({ "aud": ["beamline", "other"], "azp": "beamline" });
    let mut several = claims();
    several.as_object_mut().unwrap().extend(to_us.as_object().unwrap().clone());
    let several = signed(THEIRS, None, &several);
    assert_eq!(subject(&several, &keys(), EXPECTED).unwrap(), "bob");
}

#[test]
fn what_is_signed_by_somebody_else_is_forged() {
    let forged = "it is forged, over, or for somebody else";
    assert_eq!(refused(&signed(FORGER, Some("one"), &claims())), forged);
    let unknown = "none of the provider's keys has signed it";
    assert_eq!(refused(&signed(FORGER, Some("two"), &claims())), unknown);
    let good = signed(THEIRS, Some("one"), &claims());
    let (head, signature) = (good.split('.').next().unwrap(), good.rsplit('.').next().unwrap());
    let other = URL_SAFE_NO_PAD.encode(with("sub", json!("alice")).to_string());
    assert_eq!(refused(&format!("{head}.{other}.{signature}")), forged);
}

#[test]
fn no_signature_and_one_with_the_public_key_are_worth_nothing() {
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    assert_eq!(refused(&format!("{none}.{body}.")), "it is no token");
    assert_eq!(refused(""), "it is no token");
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    for secret in [X.as_bytes().to_vec(), published().to_string().into_bytes()] {
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret));
        assert_eq!(refused(&token.unwrap()), "none of the provider's keys has signed it");
    }
    let shared = json!({ "kty": "oct", "kid": "one", "alg": "HS256", "k": "c2VjcmV0" });
    let shared: Jwk = serde_json::from_value(shared).unwrap();
    let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(b"secret"));
    assert!(
        subject(&token.unwrap(), &[shared], EXPECTED).is_err(),
        "it could be anybody who knows it"
    );
}

#[test]
fn a_token_for_somebody_else_or_of_another_time_is_refused() {
    let refused_of = |name: &str, value: Value| refused(&signed(THEIRS, None, &with(name, value)));
    let forged = "it is forged, over, or for somebody else";
    for (name, value) in [
        ("iss", json!("https://id.y")),
        ("iss", json!(null)),
        ("aud", json!("other")),
        ("aud", json!(["other"])),
        ("aud", json!(null)),
        ("exp", json!(1)),
        ("exp", json!("4000000000")),
        ("exp", json!(null)),
        ("nbf", json!(4_000_000_000_u64)),
        ("sub", json!(null)),
    ] {
        assert_eq!(refused_of(name, value.clone()), forged, "{name} {value}");
    }
    for value in [json!("other"), json!(null)] {
        assert_eq!(refused_of("nonce", value), "it is for another login");
    }
    let several = "it is for several clients, and was not issued to this one";
    assert_eq!(refused_of("aud", json!(["beamline", "other"])), several);
    assert_eq!(refused_of("azp", json!("other")), several);
}

#[test]
fn a_key_is_taken_for_what_it_is_published_for() {
    let token = signed(THEIRS, None, &claims());
    for (name, value) in [("use", "enc"), ("alg", "ES384")] {
        let mut key = published();
        key[name] = json!(value);
        let key = serde_json::from_value(key).unwrap();
        assert!(matches!(subject(&token, &[key], EXPECTED), Err(BadIdToken::UnknownKey)));
    }
    let twice = [keys(), keys()].concat();
    assert!(
        matches!(subject(&token, &twice, EXPECTED), Err(BadIdToken::UnknownKey)),
        "which of them?"
    );
}
