//! Which web pages may send requests.
//!
//! A browser sends what any page asks it to: to services on the machine of its user too, where nobody is asked for a key, and it
//! opens WebSockets to everywhere. It says in `Origin` for which page. What is no browser sends none, and is never refused here.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

use super::gate::Gate;
use super::policy::Entrance;
use crate::http::Listener;
use crate::settings::JsonList;

/// What a browser says of the page where it sends no origin.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Longest origin or name that is repeated in an answer.
const SHOWN: usize = 200;
/// Allows every page, and every name of the service.
const EVERY: &str = "*";

/// Which web pages may send requests to a service: its own, those of this machine, and those that are configured.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    setting: Option<&'static str>,
    origins: Vec<String>,
    /// By which names the service may be called besides those of this machine; by any without it.
    names: Option<Vec<String>>,
}

/// Why a request is refused that a browser sends. What it says is what the browser is answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It is sent for a page of somebody else.
    #[error("Web pages of '{origin}' may not call this service.{}", hint(*setting))]
    Origin {
        /// Of whom.
        origin: String,
        /// What lists those that may.
        setting: Option<&'static str>,
    },
    /// The same, where the browser does not say of whom.
    #[error("Web pages of other sites may not call this service.{}", hint(*setting))]
    Site {
        /// What lists those that may.
        setting: Option<&'static str>,
    },
    /// A name that anybody may have made to point to this machine.
    #[error(
        "This service is for programs of its own machine and asks for no key, so it does not answer to the name '{host}'.{}",
        hint(*setting)
    )]
    Name {
        /// How it was called.
        host: String,
        /// What lists those that may.
        setting: Option<&'static str>,
    },
}

fn hint(setting: Option<&'static str>) -> String {
    setting.map(|name| format!(" {name} lists the origins that may call it.")).unwrap_or_default()
}

impl Foreign {
    /// A word for metrics and for the audit.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Origin { .. } => "foreign-origin",
            Self::Site { .. } => "foreign-site",
            Self::Name { .. } => "foreign-name",
        }
    }
}

impl Pages {
    /// Besides the pages of the service and of this machine those which `setting` lists; `*` is every one.
    pub fn of(setting: &'static str, origins: Option<&JsonList>) -> Self {
        let origins = origins.map(|listed| listed.0.clone()).unwrap_or_default();
        Self { setting: Some(setting), origins, names: None }
    }

    /// The same for a service that listens there. Where nobody is asked for a key and only programs of this machine get in, it
    /// goes by the names of this machine alone: a name of a foreign page may point here too, and the page then is of that origin.
    #[must_use]
    pub fn listening(self, listener: &Listener, gate: &Gate) -> Self {
        match gate.entrance() {
            Entrance::Open => self.open(listener),
            _ => self,
        }
    }

    /// As [`Pages::listening`], for a service that never asks for a key.
    #[must_use]
    pub fn open(self, listener: &Listener) -> Self {
        let names = listener.addr().ip().is_loopback().then(|| vec![listener.host().to_owned()]);
        Self { names, ..self }
    }

    /// Whether a request may come from a browser, if it does.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        if self.origins.iter().any(|origin| origin == EVERY) {
            return Ok(());
        }
        let called = called(uri, headers);
        self.check_name(called.as_ref())?;
        let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
        if origins.peek().is_none() && !method.is_safe() {
            let site = headers.get(SITE).map(|site| site.as_bytes());
            return match site == Some(b"cross-site") {
                true => Err(Foreign::Site { setting: self.setting }),
                false => Ok(()),
            };
        }
        for origin in origins {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            if !self.knows(&origin, called.as_ref()) {
                return Err(Foreign::Origin { origin: shown(&origin), setting: self.setting });
            }
        }
        Ok(())
    }

    fn check_name(&self, called: Option<&Authority>) -> Result<(), Foreign> {
        let (Some(names), Some(called)) = (&self.names, called) else { return Ok(()) };
        let host = called.host();
        let is_ours = |name: &String| name.eq_ignore_ascii_case(host);
        let of_origin = |origin: &String| {
            Page::read(origin).is_some_and(|page| page.at.host().eq_ignore_ascii_case(host))
        };
        match is_this_machine(host)
            || names.iter().any(is_ours)
            || self.origins.iter().any(of_origin)
        {
            true => Ok(()),
            false => Err(Foreign::Name { host: shown(host), setting: self.setting }),
        }
    }

    fn knows(&self, origin: &str, called: Option<&Authority>) -> bool {
        let listed = self.origins.iter().any(|known| known == origin);
        listed
            || Page::read(origin).is_some_and(|page| {
                is_this_machine(page.at.host()) || called.is_some_and(|called| page.is_at(called))
            })
    }
}

/// Where a page is from.
struct Page {
    at: Authority,
    /// The port of its scheme, which nobody writes.
    usual: u16,
}

impl Page {
    fn read(origin: &str) -> Option<Self> {
        let uri: Uri = origin.parse().ok()?;
        let usual = match uri.scheme_str()? {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some(Self { at: uri.into_parts().authority?, usual })
    }

    /// Whether it is of the service that is called so. Which scheme is not known here: a proxy may have ended TLS.
    fn is_at(&self, called: &Authority) -> bool {
        let port = |of: &Authority| of.port_u16().unwrap_or(self.usual);
        self.at.host().eq_ignore_ascii_case(called.host()) && port(&self.at) == port(called)
    }
}

/// How a client calls the service.
fn called(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    host.or_else(|| uri.authority().cloned())
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

fn is_this_machine(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn pages(origins: &[&str], names: Option<&[&str]>) -> Pages {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        Pages {
            names: names.map(owned),
            ..Pages::of("THE_SETTING", Some(&JsonList(owned(origins))))
        }
    }

    fn check(pages: &Pages, method: &Method, pairs: &[(&str, &str)]) -> Result<(), &'static str> {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let headers = pairs.iter().map(pair).collect();
        pages.check(method, &Uri::from_static("/api"), &headers).map_err(|why| why.reason())
    }

    #[test]
    fn pages_of_the_service_and_of_this_machine_get_in_and_others_do_not() {
        let pages = pages(&["https://ui.example.org"], None);
        for (host, origin, gets_in) in [
            ("lab:8004", "http://lab:8004", true),
            ("lab:8004", "http://LAB:8004", true),
            ("lab:8004", "http://lab:9", false),
            ("lab:8004", "http://lab", false),
            ("lab", "https://lab", true),
            ("lab:443", "https://lab", true),
            ("lab", "http://lab:80", true),
            ("lab:8004", "http://localhost:3000", true),
            ("lab:8004", "https://app.localhost", true),
            ("lab:8004", "http://127.0.0.1:3000", true),
            ("lab:8004", "http://[::1]:3000", true),
            ("lab:8004", "https://ui.example.org", true),
            ("lab:8004", "http://ui.example.org", false),
            ("127.0.0.1:8004", "https://evil.example", false),
            ("127.0.0.1:8004", "https://localhost.evil.example", false),
            ("127.0.0.1:8004", "https://127.0.0.1.evil.example", false),
            ("127.0.0.1:8004", "null", false),
            ("127.0.0.1:8004", "file://localhost", false),
            ("127.0.0.1:8004", "", false),
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let checked = check(&pages, &method, &[("host", host), ("origin", origin)]);
                assert_eq!(checked.is_ok(), gets_in, "{method} of {origin} at {host}");
            }
        }
    }

    #[test]
    fn one_foreign_origin_of_several_is_enough() {
        let both = [("origin", "http://localhost"), ("origin", "http://evil.example")];
        let mut headers = HeaderMap::new();
        for (name, value) in both {
            headers.append(name, HeaderValue::from_static(value));
        }
        let checked = Pages::default().check(&Method::GET, &Uri::from_static("/"), &headers);
        let text = checked.unwrap_err().to_string();
        assert_eq!(text, "Web pages of 'http://evil.example' may not call this service.");
    }

    #[test]
    fn who_sends_no_origin_is_no_page_unless_it_says_so() {
        let pages = pages(&[], None);
        for (method, site, gets_in) in [
            (Method::POST, "cross-site", false),
            (Method::DELETE, "cross-site", false),
            (Method::POST, "same-origin", true),
            (Method::POST, "none", true),
            (Method::GET, "cross-site", true),
        ] {
            let checked = check(&pages, &method, &[("host", "lab"), ("sec-fetch-site", site)]);
            assert_eq!(checked.is_ok(), gets_in, "{method} {site}");
        }
        assert_eq!(check(&pages, &Method::POST, &[("host", "lab")]), Ok(()));
        assert_eq!(check(&pages, &Method::POST, &[]), Ok(()));
    }

    #[test]
    fn an_open_service_of_this_machine_goes_by_no_foreign_name() {
        let pages = pages(&["https://ui.example.org"], Some(&["lab"]));
        for (host, gets_in) in [
            ("localhost:8004", true),
            ("127.0.0.1:8004", true),
            ("127.0.1.1", true),
            ("[::1]:8004", true),
            ("LAB:8004", true),
            ("ui.example.org", true),
            ("evil.example:8004", false),
            ("localhost.evil.example", false),
            ("10.0.0.1:8004", false),
        ] {
            assert_eq!(check(&pages, &Method::GET, &[("host", host)]).is_ok(), gets_in, "{host}");
        }
        let rebound = [("host", "evil.example:8004"), ("origin", "http://evil.example:8004")];
        assert_eq!(check(&pages, &Method::POST, &rebound), Err("foreign-name"));
        assert_eq!(check(&pages, &Method::GET, &[]), Ok(()));
    }

    #[test]
    fn a_star_lets_every_page_in_by_every_name() {
        let pages = pages(&["*"], Some(&[]));
        let foreign = [("host", "evil.example"), ("origin", "http://other.example")];
        assert_eq!(check(&pages, &Method::POST, &foreign), Ok(()));
    }

    #[test]
    fn the_answer_names_the_setting() {
        let pages = pages(&[], Some(&[]));
        for headers in [("host", "evil.example"), ("origin", "http://evil.example")] {
            let (name, value) = headers;
            let headers = HeaderMap::from_iter([(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_static(value),
            )]);
            let refused = pages.check(&Method::GET, &Uri::from_static("/"), &headers).unwrap_err();
            let text = refused.to_string();
            assert!(
                text.contains("'")
                    && text.ends_with("THE_SETTING lists the origins that may call it."),
                "{text}"
            );
        }
    }
}
