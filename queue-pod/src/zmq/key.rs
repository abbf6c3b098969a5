//! The private key of the control socket (contract queue-server §1.2).

use omq_tokio::{CurveKeypair, CurveSecretKey};

/// The key pair of a private key.
///
/// # Errors
/// Upstream's sentence about a key that is none, without the key.
pub(super) fn pair(private: &str) -> Result<CurveKeypair, String> {
    let secret = CurveSecretKey::from_z85(private).map_err(|_| {
        "Invalid private key of the 0MQ control socket: the key must be a 40 byte z85 encoded string"
            .to_owned()
    })?;
    Ok(CurveKeypair { public: secret.derive_public(), secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_follows_from_the_private_one() {
        // The well-known pair of all clients.
        let pair = pair("=@e7WwVuz{*eGcnv{AL@x2hmX!z^)wP3vKsQ{S7s").unwrap();
        assert_eq!(pair.public.to_z85(), "wt8[6a8eoXFRVL<l2JBbOzs(hcI%kRBIr0Do/eLC");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        for wrong in
            ["", "secret", "=@e7WwVuz{*eGcnv{AL@x2hmX!z^)wP3vKsQ{S7", "\u{e9}\u{e9}\u{e9}\u{e9}"]
        {
            let error = pair(wrong).unwrap_err();
            assert!(error.ends_with("the key must be a 40 byte z85 encoded string"), "{error}");
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }
}
