//! Reading settings under their upstream names (`CONFIG_*`, `DIRECT_CONTROL_*`, `QSERVER_*`).
//!
//! Each pod has a `clap::Args` struct whose fields name their environment variable; the value
//! parsers here accept what the Python services accept.

/// What pages of other origins are told that may call a service (contract §1.1, `…_CORS_ORIGINS`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Those that are told; `*` is all.
    pub origins: Vec<String>,
    /// Whether cookies and authorisation headers may be sent. Has no effect while `*` is allowed.
    pub allow_credentials: bool,
    /// Whether each is told by its name, and that credentials may come with it, as ophyd-websocket does.
    pub mirror: bool,
}

impl Cors {
    /// As `…_CORS_ORIGINS` and `…_CORS_ALLOW_CREDENTIALS` say. Where no origins are listed, whichever gets in is told so: which
    /// do is said by [`Pages`](crate::access::Pages).
    pub fn of(origins: Option<&JsonList>, allow_credentials: bool) -> Self {
        let told = origins.map_or_else(|| vec!["*".to_owned()], |listed| listed.0.clone());
        Self { origins: told, allow_credentials, mirror: false }
    }
}

impl Default for Cors {
    fn default() -> Self {
        Self::of(None, false)
    }
}

/// A list in JSON, such as `["http://localhost:3000"]`.
///
/// # Errors
/// A sentence that names what was expected.
pub fn json_list(text: &str) -> Result<JsonList, String> {
    serde_json::from_str(text)
        .map(JsonList)
        .map_err(|error| format!("expected a JSON list of strings such as '[\"*\"]': {error}"))
}

/// A list of strings that is one value on the command line and in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonList(pub Vec<String>);

/// A truth value as pydantic reads it: `true/false`, `1/0`, `yes/no`, `on/off`, `t/f`, `y/n`.
///
/// # Errors
/// A sentence that names the words.
pub fn lax_bool(text: &str) -> Result<bool, String> {
    crate::validation::parse_bool(text)
        .ok_or_else(|| format!("'{text}' is not one of true, false, 1, 0, yes, no, on, off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json_and_truth_is_lax() {
        assert_eq!(json_list(r#"["a","b"]"#).unwrap().0, ["a", "b"]);
        assert!(json_list("a,b").unwrap_err().contains("JSON list"));
        assert_eq!(lax_bool("Yes"), Ok(true));
        assert_eq!(lax_bool("off"), Ok(false));
        assert!(lax_bool("maybe").is_err());
    }
}
