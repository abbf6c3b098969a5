//! What is known of a directory.

use std::time::Duration;

use regex::Regex;
use url::Url;

use crate::access::secret::Secret;
use crate::access::template::Template;

/// How users are found in a directory.
#[derive(Clone, Debug)]
pub(in crate::access) struct Settings {
    /// `ldap://` or `ldaps://`, each with a port. One of them is asked, whichever answers.
    pub(in crate::access) servers: Vec<Url>,
    /// Whether TLS begins on a connection that begins without.
    pub(in crate::access) starttls: bool,
    /// For a connection to one server, with TLS.
    pub(in crate::access) connect_timeout: Duration,
    /// For each answer.
    pub(in crate::access) receive_timeout: Duration,
    /// DNs to bind as, one after the other. Without any, where a lookup finds the user.
    pub(in crate::access) templates: Vec<Template>,
    /// DNs of groups, of which a user has to be in one, if there are any.
    pub(in crate::access) allowed_groups: Vec<String>,
    /// What a name has to look like.
    pub(in crate::access) usernames: Regex,
    pub(in crate::access) lookup: Option<Lookup>,
    pub(in crate::access) restriction: Option<Restriction>,
}

/// How a user is looked up by what they typed.
#[derive(Clone, Debug)]
pub(in crate::access) struct Lookup {
    pub(in crate::access) base: String,
    pub(in crate::access) filter: Template,
    /// Goes into the filter.
    pub(in crate::access) attribute: String,
    /// Has the name of who is found.
    pub(in crate::access) name_attribute: String,
    /// Who looks, and the password; anonymous without.
    pub(in crate::access) account: Option<(String, Secret)>,
    /// Whether the user is known here by what they typed, not by that name.
    pub(in crate::access) keeps_typed: bool,
}

/// A search that has to find one entry, done by the user who logs in.
#[derive(Clone, Debug)]
pub(in crate::access) struct Restriction {
    pub(in crate::access) base: String,
    pub(in crate::access) filter: Template,
    pub(in crate::access) attribute: String,
}
