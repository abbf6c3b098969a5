//! The configuration file of bluesky-httpserver (contract queue-server §4.6), as far as it says who gets in.

mod api_access;
mod document;
mod error;
mod ldap;
mod oidc;
mod provider;
mod variables;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::directory::Directory;
use super::policy::{Lifetimes, Policy};
use document::{Authentication, Document, ResourceAccess};

pub use error::ConfigError;

/// Sections about other things, which are settings here.
const ELSEWHERE: [&str; 6] = [
    "allow_origins",
    "database",
    "metrics",
    "qserver_zmq_configuration",
    "server_configuration",
    "uvicorn",
];

/// Reads a file, or every `.yml` and `.yaml` of a folder. Where it says nothing, `otherwise` holds.
///
/// # Errors
/// [`ConfigError`].
pub fn read(path: &Path, otherwise: Policy) -> Result<Policy, ConfigError> {
    let mut sections = Map::new();
    for file in files(path)? {
        let text = std::fs::read_to_string(&file)
            .map_err(|source| ConfigError::Unreadable { path: file.clone(), source })?;
        // What is wrong with the text would be shown with the text.
        let Ok(Value::Object(found)) = serde_saphyr::from_str(&text) else {
            return Err(ConfigError::NoMapping(file));
        };
        for (name, section) in found {
            if sections.insert(name.clone(), section).is_some() {
                return Err(ConfigError::Twice(name));
            }
        }
    }
    for name in ELSEWHERE {
        if sections.remove(name).is_some() {
            tracing::warn!(section = name, "has no effect: see the settings of the queue server");
        }
    }
    policy(variables::expand(Value::Object(sections), &|name| std::env::var(name).ok())?, otherwise)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let entries = std::fs::read_dir(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>();
    let is_yaml =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let mut files: Vec<_> =
        entries.map_err(unreadable)?.iter().map(std::fs::DirEntry::path).filter(is_yaml).collect();
    files.sort();
    Ok(files)
}

fn policy(document: Value, otherwise: Policy) -> Result<Policy, ConfigError> {
    let Document { authentication, api_access, resource_access } =
        serde_json::from_value(document)?;
    let Authentication {
        providers,
        secret_keys,
        allow_anonymous_access,
        single_user_api_key,
        access_token_max_age,
        refresh_token_max_age,
        session_max_age,
    } = authentication;
    let Lifetimes { access_s, refresh_s, session_s } = otherwise.lifetimes;
    let mut directory = Directory::default();
    for entry in providers {
        let (name, provider) = provider::read(entry)?;
        if directory.providers.insert(name.clone(), provider).is_some() {
            return Err(ConfigError::Provider(name));
        }
    }
    if let Some(api_access) = api_access {
        (directory.users, directory.roles) = api_access::read(api_access)?;
    }
    if let Some(ResourceAccess { policy, args }) = resource_access {
        is("DefaultResourceAccessControl", &policy)?;
        directory.group = args.default_group;
    }
    Ok(Policy {
        single_user_key: single_user_api_key.or(otherwise.single_user_key),
        allow_anonymous: allow_anonymous_access.unwrap_or(otherwise.allow_anonymous),
        open: otherwise.open,
        audience: otherwise.audience,
        directory,
        secret_keys: match secret_keys.is_empty() {
            true => otherwise.secret_keys,
            false => secret_keys,
        },
        lifetimes: Lifetimes {
            access_s: access_token_max_age.unwrap_or(access_s),
            refresh_s: refresh_token_max_age.unwrap_or(refresh_s),
            session_s: session_max_age.unwrap_or(session_s),
        },
    })
}

fn arguments<T: DeserializeOwned>(args: Map<String, Value>) -> Result<T, ConfigError> {
    Ok(serde_json::from_value(Value::Object(args))?)
}

fn is(available: &'static str, asked: &str) -> Result<(), ConfigError> {
    match last(asked) == available {
        true => Ok(()),
        false => Err(ConfigError::Absent { name: asked.to_owned(), available }),
    }
}

/// The class of an import path such as `bluesky_httpserver.authenticators:DictionaryAuthenticator`.
fn last(path: &str) -> &str {
    path.rsplit([':', '.']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::directory::Users;
    use super::super::refusal::Refusal;
    use super::*;

    /// As in the documentation of the Python server.
    const TOY: &str = "
authentication:
  providers:
    - provider: toy
      authenticator: bluesky_httpserver.authenticators:DictionaryAuthenticator
      args:
        users_to_passwords:
          bob: ${BOB_PASSWORD}
          alice: alice_password
  access_token_max_age: 60
api_access:
  policy: bluesky_httpserver.authorization:DictionaryAPIAccessControl
  args:
    users:
      bob: {roles: [admin, expert]}
      alice: {roles: observer, displayed_name: Alice, email: alice@x.y}
      tom: null
    roles:
      observer: {scopes_remove: 'read:testing'}
resource_access:
  policy: bluesky_httpserver.authorization:DefaultResourceAccessControl
  args: {default_group: visitors}
uvicorn: {port: 1}
";

    fn read_text(text: &str) -> Result<Policy, ConfigError> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("config.yml");
        std::fs::write(&path, text.replace("${BOB_PASSWORD}", "bob_password")).unwrap();
        read(&path, Policy::default())
    }

    #[tokio::test]
    async fn providers_users_and_roles_are_read() {
        let policy = read_text(TOY).unwrap();
        let Directory { providers, users, group, .. } = &policy.directory;
        assert_eq!(group.as_deref(), Some("visitors"));
        let Users::Listed(users) = users else { panic!("they are in the file") };
        assert!(!users.contains_key("tom"));
        let toy = providers["toy"].takes_passwords().unwrap();
        assert_eq!(toy.user("bob", "bob_password".into()).await, Ok(Some("bob".into())));
        assert_eq!(users["bob"].roles, ["admin", "expert"]);
        assert_eq!(users["alice"].roles, ["observer"]);
        assert_eq!((policy.lifetimes.access_s, policy.lifetimes.refresh_s), (60, 604_800));
        let scopes = policy.directory.scopes("alice", Refusal::NoRole).unwrap();
        assert!(!scopes.contains(super::super::Scope::ReadTesting.into()));
    }

    #[test]
    fn what_is_not_here_is_refused_by_name() {
        for (text, told) in [
            (
                "api_access: {policy: BasicAPIAccessControl, args: {roles: {user: {scopes_add: 'write:queue'}}}}",
                "'write:queue' is not a scope",
            ),
            ("resource_access: {policy: 'a.b:Other'}", "'a.b:Other' is not available here"),
            ("authentication: {provider: x}", "unknown field `provider`"),
            ("bogus: 1", "unknown field `bogus`"),
            ("[1]", "is not a YAML mapping"),
            ("api_access: {policy: 'a.b:Other'}", "not available here; available: BasicAPI"),
            ("api_access: {policy: ServerBasedAPIAccessControl}", "missing field `instrument`"),
            (
                "api_access: {policy: BasicAPIAccessControl, args: {users: {}}}",
                "unknown field `users`",
            ),
            (
                "authentication: {providers: [{provider: p, authenticator: DictionaryAuthenticator}, {provider: p, authenticator: DictionaryAuthenticator}]}",
                "'p' is not the name of one provider",
            ),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_password_that_is_no_text_is_refused_and_not_shown() {
        let text = TOY.replace("alice_password", "12345");
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains("put it in quotes") && !error.contains("12345"), "{error}");
    }

    #[test]
    fn a_folder_is_read_as_one_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.yml", "authentication: {allow_anonymous_access: true}");
        write("b.yaml", "api_access: {policy: BasicAPIAccessControl}");
        write("notes.txt", "[");
        let otherwise = || Policy {
            single_user_key: Some("key".into()),
            lifetimes: Lifetimes { access_s: 1, ..Lifetimes::default() },
            ..Policy::default()
        };
        let policy = read(folder.path(), otherwise()).unwrap();
        assert!(policy.allow_anonymous, "as the file says");
        assert_eq!(policy.lifetimes.access_s, 1, "the file says nothing");
        assert_eq!(policy.single_user_key, Some("key".into()));
        write("c.yml", "api_access: {policy: BasicAPIAccessControl}");
        assert!(
            matches!(read(folder.path(), otherwise()), Err(ConfigError::Twice(name)) if name == "api_access")
        );
    }
}
