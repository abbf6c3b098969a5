//! What a directory is asked: names and filters, with what a user typed escaped in them.

use ldap3::{dn_escape, ldap_escape};

use crate::access::template::Template;

/// The DN of a template.
pub(super) fn with_username(template: &Template, username: &str) -> String {
    template.fill(|_| dn_escape(username))
}

/// The filter of `lookup_dn_search_filter`.
pub(super) fn with_login(template: &Template, attribute: &str, login: &str) -> String {
    template.fill(|blank| if blank == "login" { ldap_escape(login) } else { attribute.into() })
}

/// The filter of `search_filter`.
pub(super) fn with_user(template: &Template, attribute: &str, username: &str) -> String {
    template
        .fill(|blank| if blank == "username" { ldap_escape(username) } else { attribute.into() })
}

/// Finds a group in which somebody is.
pub(super) fn is_member(username: &str, dn: &str) -> String {
    let (dn, uid) = (ldap_escape(dn), ldap_escape(username));
    format!("(|(member={dn})(uniqueMember={dn})(memberUid={uid}))")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would mean something in a filter or a DN.
    const EVIL: &str = "*)(uid=*))(|(uid=a,ou=b\\\0";

    #[test]
    fn what_is_typed_means_nothing_in_a_dn() {
        let template = Template::new("uid={username},ou=people,dc=x", &["username"]).unwrap();
        assert_eq!(with_username(&template, "jo"), "uid=jo,ou=people,dc=x");
        assert_eq!(
            with_username(&template, "jo,ou=admins+cn=#"),
            "uid=jo\\2cou\\3dadmins\\2bcn\\3d#,ou=people,dc=x"
        );
        assert!(!with_username(&template, EVIL).contains("a,"));
    }

    #[test]
    fn what_is_typed_means_nothing_in_a_filter() {
        let login = Template::new("({login_attr}={login})", &["login_attr", "login"]).unwrap();
        assert_eq!(with_login(&login, "uid", "jo"), "(uid=jo)");
        let user = Template::new("({userattr}={username})", &["userattr", "username"]).unwrap();
        for filter in [with_login(&login, "uid", EVIL), with_user(&user, "uid", EVIL)] {
            assert_eq!(filter, "(uid=\\2a\\29\\28uid=\\2a\\29\\29\\28|\\28uid=a,ou=b\\5c\\00)");
        }
        let member = is_member(EVIL, EVIL);
        assert_eq!(member.matches('(').count(), 4);
        assert!(!member.contains('*'));
    }
}
