//! From an ophyd or EPICS name to a Kubernetes name, deterministically.
//!
//! Import, HTTP create and re-apply must derive the same `metadata.name`, or they would duplicate
//! objects.

use sha2::{Digest, Sha256};

/// Longest slug before the hash, so that the whole stays a legal label value (63 characters).
const MAX_SLUG: usize = 54;
/// Hex digits of the hash that follows a slug which does not tell the whole name.
const HASH_DIGITS: usize = 8;

/// The RFC 1123 name of an object whose real name is `name`.
///
/// A name that survives slugging under the one rule `_` → `-` keeps its plain slug (`sample_x` →
/// `sample-x`); every other name gets a short hash of the real name, so that `a:b` and `a.b`
/// differ.
pub fn object_name(name: &str) -> String {
    let slug = slug(name);
    if !slug.is_empty()
        && slug.len() <= MAX_SLUG
        && slug == name.replace('_', "-")
        && !name.contains('-')
    {
        return slug;
    }
    let digest = hex_digest(name);
    let head = slug.chars().take(MAX_SLUG).collect::<String>();
    let head = head.trim_matches('-');
    if head.is_empty() { format!("x-{digest}") } else { format!("{head}-{digest}") }
}

fn slug(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches('-').to_owned()
}

fn hex_digest(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(HASH_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::object_name;

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(object_name("sample_x"), "sample-x");
        assert_eq!(object_name("det1"), "det1");
    }

    #[test]
    fn names_that_lose_something_get_a_hash() {
        let pv = object_name("XF:23ID2-ES{CurrAmp:3}Gain:Val-SP");
        assert!(pv.starts_with("xf-23id2-es-curramp-3-gain-val-sp-"), "{pv}");
        assert_ne!(object_name("a:b"), object_name("a.b"));
        assert_ne!(object_name("sample-x"), object_name("sample_x"));
        assert_ne!(object_name("Det"), object_name("det"));
        assert_ne!(object_name("a__b"), object_name("a_b"));
    }

    #[test]
    fn every_name_is_legal() {
        for name in ["", "_", "{}", "µ", &"x".repeat(300), "-a-", "9"] {
            let out = object_name(name);
            assert!(!out.is_empty() && out.len() <= 63, "{name:?} -> {out:?}");
            assert!(out.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            assert!(!out.starts_with('-') && !out.ends_with('-'));
        }
    }
}
