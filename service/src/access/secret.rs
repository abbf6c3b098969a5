//! Secrets: never shown, kept as hashes, compared in constant time.

use std::fmt;
use std::str::FromStr;

use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret as it was given to us. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for those who have to send it on.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `bytes` random bytes in hexadecimal.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random(bytes: usize) -> Result<Self, NoRandomness> {
        let mut random = vec![0; bytes];
        OsRng.try_fill_bytes(&mut random).map_err(|_| NoRandomness)?;
        Ok(Self(hex::encode(random)))
    }

    /// What is kept of it.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest(hex::encode(Sha256::digest(self.0.as_bytes())))
    }
}

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            // The usual complaint would show it.
            _ => Err(serde::de::Error::custom("a secret has to be text: put it in quotes")),
        }
    }
}

/// What is kept of a secret: SHA-256 in hexadecimal. Enough where the secret is random, as API keys are; not for passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// In hexadecimal.
    pub(super) fn as_hex(&self) -> &str {
        &self.0
    }

    /// Whether it is of that secret. Takes the same time whichever byte differs.
    pub fn is_of(&self, secret: &Secret) -> bool {
        self.0.as_bytes().ct_eq(secret.digest().0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_by_its_digest_and_never_shown() {
        let secret = Secret::from("APIKEYFORTESTS");
        assert!(secret.digest().is_of(&secret));
        assert!(!secret.digest().is_of(&"APIKEYFORTEST".into()));
        let shown = format!("{secret:?} {:?}", secret.digest());
        assert!(!shown.contains("APIKEY"), "{shown}");
    }

    #[test]
    fn random_secrets_differ() {
        let one = Secret::random(32).unwrap();
        assert_eq!(one.reveal().len(), 64);
        assert_ne!(one, Secret::random(32).unwrap());
    }
}
