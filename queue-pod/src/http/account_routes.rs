//! The routes of accounts, `/api/auth/…`, in the OpenAPI description (contract queue-server §4.5). They are served by
//! [`service::access::routes`], for every service that has users.

use utoipa::openapi::path::HttpMethod::{self, Delete, Get, Post};
use utoipa::openapi::path::{
    OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Required};

use super::description::{anything, reply, text};

/// What a route reads.
#[derive(Clone, Copy)]
enum Reads {
    Nothing,
    /// A form with these fields.
    Form(&'static [&'static str]),
    /// An object.
    Object(&'static str),
    /// Parameters of the query.
    Queries(&'static [&'static str]),
}

/// One operation: verb, path, name, what it is for, and what it reads.
type Route = (HttpMethod, &'static str, &'static str, &'static str, Reads);

const KEY: Reads = Reads::Object("`expires_in` in seconds or null, `scopes` and a `note`");

#[rustfmt::skip]
const ROUTES: [Route; 18] = [
    (Post, "/api/auth/provider/{provider}/token", "log_in", "Log in with a name and a password, or as a program with its `device_code`", Reads::Form(&["username", "password"])),
    (Get, "/api/auth/provider/{provider}/authorize", "authorize", "Log in at the provider's own page, for a refresh token: a redirect", Reads::Nothing),
    (Post, "/api/auth/provider/{provider}/authorize", "device_login", "Log in for a program without a browser: the codes for it and for its user", Reads::Nothing),
    (Get, "/api/auth/provider/{provider}/device_code", "device_page", "Where its user logs in: a redirect", Reads::Nothing),
    (Post, "/api/auth/provider/{provider}/device_code", "device_approve", "The form that its user sends", Reads::Form(&["approval", "user_code"])),
    (Get, "/api/auth/provider/{provider}/code", "code", "Where the provider sends browsers back to: the refresh token", Reads::Queries(&["code", "state"])),
    (Post, "/api/auth/provider/{provider}/code", "code_posted", "The same", Reads::Queries(&["code", "state"])),
    (Post, "/api/auth/session/refresh", "session_refresh", "New tokens for a session", Reads::Object("The `refresh_token`")),
    (Delete, "/api/auth/session/revoke/{session}", "session_revoke", "End a session of one's own", Reads::Nothing),
    (Post, "/api/auth/apikey", "apikey_new", "Make an API key; its secret is shown this once", KEY),
    (Get, "/api/auth/apikey", "apikey_info", "The API key that this request shows", Reads::Nothing),
    (Delete, "/api/auth/apikey", "apikey_delete", "Delete an API key of one's own", Reads::Queries(&["first_eight"])),
    (Get, "/api/auth/whoami", "whoami", "Who one is: identities, sessions and API keys", Reads::Nothing),
    (Get, "/api/auth/scopes", "scopes", "Roles and scopes of the caller", Reads::Nothing),
    (Post, "/api/auth/logout", "logout", "Nothing is forgotten: cookies are not set here", Reads::Nothing),
    (Get, "/api/auth/principal", "principals", "Everybody who has ever logged in", Reads::Nothing),
    (Get, "/api/auth/principal/{uuid}", "principal", "One of them", Reads::Nothing),
    (Post, "/api/auth/principal/{uuid}/apikey", "principal_apikey_new", "Make an API key for somebody", KEY),
];

/// Adds them.
pub(super) fn describe(mut paths: PathsBuilder) -> PathsBuilder {
    for (verb, path, name, summary, reads) in ROUTES {
        let operation = OperationBuilder::new()
            .operation_id(Some(name))
            .summary(Some(summary))
            .tag("accounts")
            .response("200", reply("As from bluesky-httpserver"));
        let operation = parameters(path).fold(operation, parameter_of_path);
        paths = paths.path(path, PathItem::new(verb, read(operation, reads).build()));
    }
    paths
}

/// The names in braces.
fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter_of_path(operation: OperationBuilder, name: &str) -> OperationBuilder {
    operation.parameter(parameter(name, ParameterIn::Path))
}

fn parameter(name: &str, place: ParameterIn) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::True)
        .schema(Some(text().build()))
}

fn read(operation: OperationBuilder, reads: Reads) -> OperationBuilder {
    match reads {
        Reads::Nothing => operation,
        Reads::Queries(names) => names.iter().fold(operation, |operation, name| {
            operation.parameter(parameter(name, ParameterIn::Query))
        }),
        Reads::Object(what) => operation.request_body(Some(
            RequestBodyBuilder::new()
                .description(Some(what))
                .content("application/json", anything())
                .build(),
        )),
        Reads::Form(names) => {
            let form = names.iter().fold(ObjectBuilder::new(), |form, name| {
                form.property(*name, text().build()).required(*name)
            });
            let content = ContentBuilder::new().schema(Some(form.build())).build();
            let body =
                RequestBodyBuilder::new().content("application/x-www-form-urlencoded", content);
            operation.request_body(Some(body.build()))
        }
    }
}
