//! What goes through the browser of somebody who logs in elsewhere, signed, so that nothing has to be remembered here.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::secret::{NoRandomness, Secret};
use crate::access::token::{self, BadToken};

/// Seconds in which somebody has to log in at the provider.
const FOR_LOGIN: i64 = 600;
/// Seconds in which somebody has to type the code of a device.
const FOR_TYPING: i64 = 300;

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::access) enum Purpose {
    /// A refresh token is shown.
    Token,
    /// Somebody types the code that a device shows.
    Device,
}

/// A login that was begun: what a provider is given as `state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::access) struct Ticket {
    idp: String,
    id: String,
    pub(in crate::access) purpose: Purpose,
    exp: i64,
    #[serde(rename = "type")]
    kind: TicketKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TicketKind {
    Login,
}

/// Somebody has logged in, and has to type the code of a device now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::access) struct Approval {
    idp: String,
    pub(in crate::access) id: String,
    exp: i64,
    #[serde(rename = "type")]
    kind: ApprovalKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ApprovalKind {
    Approval,
}

/// Something signed that holds for one provider.
pub(in crate::access) trait OfProvider: Serialize + DeserializeOwned {
    /// The name of the provider.
    fn idp(&self) -> &str;

    /// Signs it.
    fn sign(&self, key: &Secret) -> Result<String, BadToken> {
        token::sign(self, key)
    }

    /// Reads one of the provider `idp`, that one of the keys has signed.
    fn read(text: &str, idp: &str, keys: &[Secret]) -> Result<Self, BadToken> {
        let read: Self = token::read(&text.into(), keys)?;
        if read.idp() == idp { Ok(read) } else { Err(BadToken::Invalid) }
    }
}

impl OfProvider for Ticket {
    fn idp(&self) -> &str {
        &self.idp
    }
}

impl OfProvider for Approval {
    fn idp(&self) -> &str {
        &self.idp
    }
}

/// What binds an answer of the provider to a ticket. Only who has the key knows both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::access) struct Bonds {
    /// Comes back in the ID token.
    pub(in crate::access) nonce: String,
    /// Shown for the code (RFC 7636).
    pub(in crate::access) verifier: String,
}

impl Ticket {
    /// For a login at the provider `idp`, begun at `now` (Unix time in seconds).
    pub(in crate::access) fn new(
        idp: &str,
        purpose: Purpose,
        now: i64,
    ) -> Result<Self, NoRandomness> {
        let id = Secret::random(16)?.reveal().to_owned();
        Ok(Self { idp: idp.to_owned(), id, purpose, exp: now + FOR_LOGIN, kind: TicketKind::Login })
    }

    /// Follows from the ticket and the key that signs.
    pub(in crate::access) fn bonds(&self, key: &Secret) -> Result<Bonds, BadToken> {
        let key = EncodingKey::from_secret(key.reveal().as_bytes());
        let of = |what: &str| {
            let message = format!("{what} {}", self.id);
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)
                .map_err(|_| BadToken::Invalid)
        };
        Ok(Bonds { nonce: of("nonce")?, verifier: of("verifier")? })
    }
}

impl Bonds {
    /// What the provider is told of the verifier.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }
}

impl Approval {
    /// Of the user `id` of the provider `idp`, who logged in at `now` (Unix time in seconds).
    pub(in crate::access) fn new(idp: &str, id: &str, now: i64) -> Self {
        let (idp, id) = (idp.to_owned(), id.to_owned());
        Self { idp, id, exp: now + FOR_TYPING, kind: ApprovalKind::Approval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 4_000_000_000;

    fn key() -> Secret {
        "key".into()
    }

    #[test]
    fn a_ticket_is_good_for_its_provider_and_for_what_it_is() {
        let ticket = Ticket::new("orcid", Purpose::Device, NOW).unwrap();
        let text = ticket.sign(&key()).unwrap();
        assert_eq!(Ticket::read(&text, "orcid", &[key()]), Ok(ticket));
        assert_eq!(Ticket::read(&text, "other", &[key()]), Err(BadToken::Invalid));
        assert_eq!(Ticket::read(&text, "orcid", &["other".into()]), Err(BadToken::Invalid));
        assert_eq!(Approval::read(&text, "orcid", &[key()]), Err(BadToken::Invalid));
        let approval = Approval::new("orcid", "bob", NOW).sign(&key()).unwrap();
        assert_eq!(Approval::read(&approval, "orcid", &[key()]).unwrap().id, "bob");
        assert_eq!(Ticket::read(&approval, "orcid", &[key()]), Err(BadToken::Invalid));
        assert!(token::read::<token::Access>(&approval.as_str().into(), &[key()]).is_err());
    }

    #[test]
    fn a_ticket_does_not_last() {
        let old = Ticket::new("orcid", Purpose::Token, 0).unwrap().sign(&key()).unwrap();
        assert_eq!(Ticket::read(&old, "orcid", &[key()]), Err(BadToken::Expired));
    }

    #[test]
    fn bonds_are_those_of_one_ticket_and_one_key() {
        let ticket = || Ticket::new("orcid", Purpose::Token, NOW).unwrap();
        let (one, other) = (ticket(), ticket());
        let bonds = one.bonds(&key()).unwrap();
        assert_eq!(one.bonds(&key()).unwrap(), bonds);
        assert_ne!(other.bonds(&key()).unwrap(), bonds);
        assert_ne!(one.bonds(&"other".into()).unwrap(), bonds);
        assert_ne!(bonds.nonce, bonds.verifier);
        assert!((43..=128).contains(&bonds.verifier.len()), "RFC 7636 §4.1");
    }
}
