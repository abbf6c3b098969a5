//! The arguments of `LDAPAuthenticator`.

use std::time::Duration;

use regex::Regex;
use serde::Deserialize;
use url::Url;

use super::ConfigError;
use super::document::OneOrMany;
use crate::access::ldap::{Lookup, Restriction, Settings};
use crate::access::secret::Secret;
use crate::access::template::Template;

/// Longest time that may be waited for.
const LONGEST: Duration = Duration::from_secs(600);

/// As bluesky-httpserver names them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    server_address: OneOrMany,
    server_port: Option<u16>,
    #[serde(default)]
    use_ssl: bool,
    #[serde(default = "yes")]
    use_tls: bool,
    #[serde(default = "five")]
    connect_timeout: f64,
    #[serde(default = "sixty")]
    receive_timeout: f64,
    bind_dn_template: Option<OneOrMany>,
    allowed_groups: Option<Vec<String>>,
    #[serde(default = "usual_names")]
    valid_username_regex: String,
    #[serde(default)]
    lookup_dn: bool,
    user_search_base: Option<String>,
    user_attribute: Option<String>,
    #[serde(default = "usual_filter")]
    lookup_dn_search_filter: String,
    lookup_dn_search_user: Option<String>,
    lookup_dn_search_password: Option<Secret>,
    lookup_dn_user_dn_attribute: Option<String>,
    #[serde(default)]
    search_filter: String,
    #[serde(default = "yes")]
    use_lookup_dn_username: bool,
    /// Names are always escaped.
    #[serde(default, rename = "escape_userdn")]
    _escape_userdn: bool,
    /// Nothing but whether there is an entry is asked.
    #[serde(default, rename = "attributes")]
    _attributes: Option<Vec<String>>,
    /// Nobody looks at them.
    #[serde(default, rename = "auth_state_attributes")]
    _auth_state_attributes: Option<Vec<String>>,
}

fn yes() -> bool {
    true
}

fn five() -> f64 {
    5.0
}

fn sixty() -> f64 {
    60.0
}

fn usual_names() -> String {
    "^[a-z][.a-z0-9_-]*$".to_owned()
}

fn usual_filter() -> String {
    "({login_attr}={login})".to_owned()
}

impl Arguments {
    /// What they say, if that can be.
    pub(super) fn settings(self) -> Result<Settings, ConfigError> {
        let templates: Vec<_> = self.bind_dn_template.map(OneOrMany::into_vec).unwrap_or_default();
        let templates = templates.iter().filter(|text| !text.is_empty());
        let templates = templates.map(|text| Template::new(text, &["username"]));
        let templates: Vec<_> = templates.collect::<Result<_, _>>()?;
        if templates.is_empty() && !self.lookup_dn {
            return Err(ConfigError::Argument("bind_dn_template, unless lookup_dn is true"));
        }
        let usual_port = if self.use_ssl { 636 } else { 389 };
        let port = self.server_port.unwrap_or(usual_port);
        let servers = self.server_address.into_vec();
        let servers: Vec<_> = servers
            .iter()
            .map(|text| server(text, port, self.use_ssl))
            .collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(ConfigError::Argument("server_address"));
        }
        let named = |value: &Option<String>, name| {
            let value = value.clone().filter(|text| !text.is_empty());
            value.ok_or(ConfigError::Argument(name))
        };
        let lookup = match self.lookup_dn {
            false => None,
            true => Some(Lookup {
                base: named(&self.user_search_base, "user_search_base")?,
                filter: Template::new(&self.lookup_dn_search_filter, &["login_attr", "login"])?,
                attribute: named(&self.user_attribute, "user_attribute")?,
                name_attribute: named(
                    &self.lookup_dn_user_dn_attribute,
                    "lookup_dn_user_dn_attribute",
                )?,
                account: account(self.lookup_dn_search_user, self.lookup_dn_search_password)?,
                keeps_typed: !self.use_lookup_dn_username,
            }),
        };
        let restriction = match self.search_filter.is_empty() {
            true => None,
            false => Some(Restriction {
                base: named(&self.user_search_base, "user_search_base")?,
                filter: Template::new(&self.search_filter, &["userattr", "username"])?,
                attribute: self.user_attribute.unwrap_or_default(),
            }),
        };
        Ok(Settings {
            servers,
            starttls: self.use_tls && !self.use_ssl,
            connect_timeout: seconds(self.connect_timeout, "connect_timeout")?,
            receive_timeout: seconds(self.receive_timeout, "receive_timeout")?,
            templates,
            allowed_groups: self.allowed_groups.unwrap_or_default(),
            // Upstream looks for it at the beginning of a name.
            usernames: Regex::new(&format!("^(?:{})", self.valid_username_regex))
                .map_err(|_| ConfigError::Argument("valid_username_regex"))?,
            lookup,
            restriction,
        })
    }
}

/// Who looks users up. An account without its password would be let in by many a directory, as nobody.
fn account(
    user: Option<String>,
    password: Option<Secret>,
) -> Result<Option<(String, Secret)>, ConfigError> {
    let user = user.filter(|user| !user.is_empty());
    let password = password.filter(|password| !password.reveal().is_empty());
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some((user, password))),
        (None, None) => Ok(None),
        _ => Err(ConfigError::Argument(
            "lookup_dn_search_user together with lookup_dn_search_password",
        )),
    }
}

/// A server, by a name, an address, or either with a port; or as a URL.
fn server(text: &str, port: u16, use_ssl: bool) -> Result<Url, ConfigError> {
    let scheme = if use_ssl { "ldaps" } else { "ldap" };
    let bare_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    let written = match (text.contains("://"), bare_v6) {
        (true, _) => text.to_owned(),
        (_, true) => format!("{scheme}://[{text}]"),
        _ => format!("{scheme}://{text}"),
    };
    let bad = || ConfigError::Argument("server_address, as HOST or HOST:PORT");
    let mut url = Url::parse(&written).map_err(|_| bad())?;
    let is_ldap = matches!(url.scheme(), "ldap" | "ldaps");
    let is_plain = matches!(url.path(), "" | "/") && url.username().is_empty();
    if !is_ldap || !is_plain || url.host_str().is_none_or(str::is_empty) {
        return Err(bad());
    }
    if url.port().is_none() {
        url.set_port(Some(port)).map_err(|()| bad())?;
    }
    Ok(url)
}

fn seconds(value: f64, name: &'static str) -> Result<Duration, ConfigError> {
    let duration = Duration::try_from_secs_f64(value).ok();
    duration
        .filter(|duration| !duration.is_zero() && *duration <= LONGEST)
        .ok_or(ConfigError::Argument(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(arguments: Value) -> Result<Settings, String> {
        let arguments: Arguments = serde_json::from_value(arguments).map_err(|e| e.to_string())?;
        arguments.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn servers_are_read_as_upstream_reads_them() {
        let servers = |mut arguments: Value| {
            arguments["bind_dn_template"] = json!("uid={username}");
            let found = settings(arguments).unwrap().servers;
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(servers(json!({ "server_address": "ds" })), ["ldap://ds:389"]);
        assert_eq!(servers(json!({ "server_address": "ds", "use_ssl": true })), ["ldaps://ds:636"]);
        assert_eq!(
            servers(
                json!({ "server_address": ["a:1", "10.0.0.1", "::1", "[::1]:2"], "server_port": 3 })
            ),
            ["ldap://a:1", "ldap://10.0.0.1:3", "ldap://[::1]:3", "ldap://[::1]:2"]
        );
    }

    #[test]
    fn names_are_looked_at_from_their_beginning() {
        let of = |pattern: &str| {
            let arguments = json!({ "server_address": "ds", "bind_dn_template": "uid={username}", "valid_username_regex": pattern });
            settings(arguments).unwrap().usernames
        };
        assert!(of("[a-z]+").is_match("jo") && !of("[a-z]+").is_match("1jo"));
        let usual = settings(json!({ "server_address": "ds", "bind_dn_template": "{username}" }));
        let usual = usual.unwrap().usernames;
        assert!(usual.is_match("jo.x-1"));
        assert!(["Jo", "", "jo\n", "jo*", "jo,ou=x"].iter().all(|name| !usual.is_match(name)));
    }

    #[test]
    fn what_could_let_anybody_in_is_refused_at_the_start() {
        let base = json!({
            "server_address": "ds", "lookup_dn": true, "user_search_base": "dc=x",
            "user_attribute": "uid", "lookup_dn_user_dn_attribute": "cn",
        });
        assert!(settings(base.clone()).unwrap().lookup.unwrap().account.is_none());
        let with = |name: &str, value: Value| {
            let mut arguments = base.clone();
            arguments[name] = value;
            settings(arguments).unwrap_err()
        };
        for (name, value, told) in [
            ("lookup_dn", json!(false), "bind_dn_template, unless lookup_dn is true"),
            ("user_search_base", json!(null), "user_search_base"),
            ("user_attribute", json!(""), "user_attribute"),
            ("lookup_dn_search_user", json!("cn=admin"), "together with lookup_dn_search_password"),
            ("bind_dn_template", json!("uid={user}"), "may have {username}"),
            ("valid_username_regex", json!("("), "valid_username_regex"),
            ("receive_timeout", json!(-1), "receive_timeout"),
            ("server_address", json!([]), "server_address"),
            ("server_address", json!("http://ds"), "HOST or HOST:PORT"),
            ("bogus", json!(1), "unknown field `bogus`"),
        ] {
            let error = with(name, value);
            assert!(error.contains(told), "{name}: {error}");
        }
    }
}
