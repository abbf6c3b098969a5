//! Request paths of the Kubernetes API.

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Health,
    Version,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1` and `/apis/GROUP/VERSION`
    Resources(String, String),
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/…`
    OpenApi(String, String),
    Object(ObjectPath),
}

/// A resource, all of it, of one namespace, or one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectPath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// `/watch/` before the resource, an old way to ask for a watch.
    pub(crate) watch: bool,
}

impl Path {
    /// Reads a path; `None` if it names nothing.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        Some(match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version] => Self::Resources(String::new(), (*version).to_owned()),
            ["apis", group, version] => Self::Resources((*group).to_owned(), (*version).to_owned()),
            ["openapi", "v3"] => Self::OpenApiIndex,
            ["openapi", "v3", "api", version] => {
                Self::OpenApi(String::new(), (*version).to_owned())
            }
            ["openapi", "v3", "apis", group, version] => {
                Self::OpenApi((*group).to_owned(), (*version).to_owned())
            }
            ["api", version, rest @ ..] => Self::Object(object("", version, rest)?),
            ["apis", group, version, rest @ ..] => Self::Object(object(group, version, rest)?),
            _ => return None,
        })
    }
}

fn object(group: &str, version: &str, rest: &[&str]) -> Option<ObjectPath> {
    let text = |part: &&str| Some((*part).to_owned());
    let (watch, rest) = match rest {
        ["watch", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let base = ObjectPath {
        group: group.to_owned(),
        version: version.to_owned(),
        watch,
        ..ObjectPath::default()
    };
    let (namespace, rest) = match rest {
        // `/namespaces/x` and its status are the namespace itself.
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            (text(namespace), rest)
        }
        rest => (None, rest),
    };
    Some(match rest {
        [plural] => ObjectPath { plural: (*plural).to_owned(), namespace, ..base },
        [plural, name] => {
            ObjectPath { plural: (*plural).to_owned(), namespace, name: text(name), ..base }
        }
        [plural, name, subresource] => ObjectPath {
            plural: (*plural).to_owned(),
            namespace,
            name: text(name),
            subresource: text(subresource),
            ..base
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> ObjectPath {
        match Path::parse(path) {
            Some(Path::Object(object)) => object,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn namespaces_are_both_objects_and_parts_of_paths() {
        assert_eq!(parse("/api/v1/namespaces").plural, "namespaces");
        let one = parse("/api/v1/namespaces/x/status");
        assert_eq!((one.plural.as_str(), one.name.as_deref()), ("namespaces", Some("x")));
        assert_eq!(one.subresource.as_deref(), Some("status"));
        let inside = parse("/apis/g/v1/namespaces/x/devices/d");
        assert_eq!(inside.namespace.as_deref(), Some("x"));
        assert_eq!((inside.plural.as_str(), inside.name.as_deref()), ("devices", Some("d")));
        assert_eq!(parse("/apis/g/v1/devices").namespace, None);
    }

    #[test]
    fn other_paths_name_what_they_say() {
        assert_eq!(Path::parse("/apis"), Some(Path::Groups));
        assert_eq!(Path::parse("/readyz"), Some(Path::Health));
        assert_eq!(Path::parse("/api/v1"), Some(Path::Resources(String::new(), "v1".into())));
        assert_eq!(Path::parse("/nothing/here"), None);
        assert_eq!(Path::parse("/api/v1/namespaces/a/b/c/d/e"), None);
    }
}
