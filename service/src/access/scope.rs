//! The 25 scopes, by their names in bluesky-httpserver (contract queue-server §4.5).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing that may be allowed. The three APIs share the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, and the contract lists what each is for")]
pub enum Scope {
    AdminApiKeys,
    AdminMetrics,
    AdminReadPrincipals,
    ReadConfig,
    ReadConsole,
    ReadHistory,
    ReadLock,
    ReadMonitor,
    ReadQueue,
    ReadResources,
    ReadStatus,
    ReadTesting,
    UserApiKeys,
    WriteConfig,
    WriteExecute,
    WriteHistoryEdit,
    WriteLock,
    WriteManagerControl,
    WriteManagerStop,
    WritePermissions,
    WritePlanControl,
    WriteQueueControl,
    WriteQueueEdit,
    WriteScripts,
    WriteTesting,
}

use Scope as S;

/// Every scope with its name, in the order of the names.
#[rustfmt::skip]
const NAMES: [(Scope, &str); 25] = [
    (S::AdminApiKeys, "admin:apikeys"),
    (S::AdminMetrics, "admin:metrics"),
    (S::AdminReadPrincipals, "admin:read:principals"),
    (S::ReadConfig, "read:config"),
    (S::ReadConsole, "read:console"),
    (S::ReadHistory, "read:history"),
    (S::ReadLock, "read:lock"),
    (S::ReadMonitor, "read:monitor"),
    (S::ReadQueue, "read:queue"),
    (S::ReadResources, "read:resources"),
    (S::ReadStatus, "read:status"),
    (S::ReadTesting, "read:testing"),
    (S::UserApiKeys, "user:apikeys"),
    (S::WriteConfig, "write:config"),
    (S::WriteExecute, "write:execute"),
    (S::WriteHistoryEdit, "write:history:edit"),
    (S::WriteLock, "write:lock"),
    (S::WriteManagerControl, "write:manager:control"),
    (S::WriteManagerStop, "write:manager:stop"),
    (S::WritePermissions, "write:permissions"),
    (S::WritePlanControl, "write:plan:control"),
    (S::WriteQueueControl, "write:queue:control"),
    (S::WriteQueueEdit, "write:queue:edit"),
    (S::WriteScripts, "write:scripts"),
    (S::WriteTesting, "write:testing"),
];

impl Scope {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Whether it allows to change something.
    pub fn is_write(self) -> bool {
        !self.name().starts_with("read:")
            && !matches!(self, S::AdminMetrics | S::AdminReadPrincipals)
    }
}

/// No scope has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a scope")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = NAMES.iter().find(|(_, name)| *name == text);
        known.map(|(scope, _)| *scope).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// The set of these.
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut next) = (0, 0);
        while next < scopes.len() {
            bits |= 1 << scopes[next] as u32;
            next += 1;
        }
        Self(bits)
    }

    /// What either has.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What the other has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are in it.
    pub const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names, in their order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let has = move |scope: Scope| self.contains(Self::of(&[scope]));
        NAMES.into_iter().filter(move |(scope, _)| has(*scope)).map(|(_, name)| name)
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self::of(&[scope])
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::default(), |all, scope| all.and(scope.into()))
    }
}

/// As Python prints a list of them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().map(|name| format!("'{name}'")).collect();
        write!(f, "[{}]", names.join(", "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Scopes {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.collect_seq(self.names())
    }
}

/// Names of scopes, or a single one without a list around it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = match Names::deserialize(deserializer)? {
            Names::One(name) => vec![name],
            Names::Many(names) => names,
        };
        let scopes: Result<_, _> = names.iter().map(|name| name.parse::<Scope>()).collect();
        scopes.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_its_own_name_at_its_own_place() {
        for (at, (scope, name)) in NAMES.iter().enumerate() {
            assert_eq!(*scope as usize, at, "{name}");
            assert_eq!(name.parse(), Ok(*scope));
        }
        assert!(NAMES.is_sorted_by_key(|(_, name)| *name));
        assert_eq!("read:everything".parse::<Scope>(), Err(UnknownScope("read:everything".into())));
    }

    #[test]
    fn a_set_prints_as_in_python_and_is_read_back() {
        let scopes = Scopes::of(&[Scope::WriteQueueEdit, Scope::ReadStatus]);
        assert_eq!(scopes.to_string(), "['read:status', 'write:queue:edit']");
        assert_eq!(Scopes::default().to_string(), "[]");
        let json = serde_json::to_string(&scopes).unwrap();
        assert_eq!(serde_json::from_str::<Scopes>(&json).unwrap(), scopes);
        assert!(serde_json::from_str::<Scopes>(r#"["read:all"]"#).is_err());
    }

    #[test]
    fn sets_are_sets() {
        let (read, edit) = (Scopes::from(Scope::ReadQueue), Scopes::from(Scope::WriteQueueEdit));
        let both = read.and(edit);
        assert!(both.contains(read) && !read.contains(both));
        assert!(read.contains(Scopes::default()) && Scopes::default().is_empty());
        assert_eq!(both.without(edit), read);
        assert_eq!(both.within(edit), edit);
    }
}
