//! Guards of routes: each has the scope that it takes.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::credential::{Credential, SUBPROTOCOL, offers_protocol};
use super::gate::{Asked, Gate};
use super::policy::Entrance;
use super::refusal::Refusal;
use super::scope::Scope;
use super::socket::Entry;
use crate::ApiError;

#[derive(Clone)]
struct Guard {
    gate: Gate,
    scope: Option<Scope>,
}

impl Gate {
    /// The same methods, for those who have the scope. Handlers find the [`Caller`](super::Caller) among the extensions.
    pub fn guard<S>(&self, methods: MethodRouter<S>, scope: Scope) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let guard = Guard { gate: self.clone(), scope: Some(scope) };
        methods.route_layer(from_fn_with_state(guard, check))
    }

    /// As [`Gate::guard`], for handlers that do not ask who calls: nothing stands before them while the gate is open.
    pub fn guard_closed<S>(&self, methods: MethodRouter<S>, scope: Scope) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        match self.entrance() {
            Entrance::Open => methods,
            _ => self.guard(methods, scope),
        }
    }

    /// The same methods, for everybody who is somebody.
    pub(super) fn guard_any<S>(&self, methods: MethodRouter<S>) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let guard = Guard { gate: self.clone(), scope: None };
        methods.route_layer(from_fn_with_state(guard, check))
    }

    /// The same WebSocket, for those who have the scope. Its handler passes the socket through the [`Entry`] that it
    /// finds among the extensions: a browser may have to say in its first message who it is.
    pub fn guard_socket<S>(&self, methods: MethodRouter<S>, scope: Scope) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let guard = Guard { gate: self.clone(), scope: Some(scope) };
        // Also what is for every method: `route_layer` would not take it for a route.
        methods.layer(from_fn_with_state(guard, check_socket))
    }
}

impl Asked {
    pub(super) fn of(
        extensions: &Extensions,
        (method, uri): (&Method, &Uri),
        scope: Option<Scope>,
    ) -> Self {
        let from = extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            from: from.map(|from| from.0.ip()),
            method: method.to_string(),
            path: uri.path().to_owned(),
            scope,
            changes: scope.map_or(method != Method::GET, Scope::is_write),
        }
    }
}

fn asked(request: &Request, scope: Option<Scope>) -> Asked {
    Asked::of(request.extensions(), (request.method(), request.uri()), scope)
}

async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let asked = asked(&request, guard.scope);
    let shown = Credential::of_request(request.uri(), request.headers());
    match guard.gate.decide(&asked, shown).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.answer(guard.scope.into_iter().collect()),
    }
}

async fn check_socket(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let Guard { gate, scope } = guard;
    let asked = asked(&request, scope);
    let shown = Credential::of_handshake(request.uri(), request.headers());
    let chooses = offers_protocol(request.headers());
    let entry = match shown {
        Ok(shown) if gate.knows_nothing_of(&asked, shown.as_ref()) => Entry::later(gate, asked),
        shown => match gate.decide(&asked, shown).await {
            Ok(caller) => Some(Entry::Known(caller)),
            Err(refusal) => return refused(&refusal),
        },
    };
    let Some(entry) = entry else {
        return refused(&Refusal::TooMany);
    };
    request.extensions_mut().insert(entry);
    let mut response = next.run(request).await;
    // A browser that offers protocols gives up unless one of them is chosen, and the other one is its secret.
    if chooses && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let chosen = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().entry(header::SEC_WEBSOCKET_PROTOCOL).or_insert(chosen);
    }
    response
}

/// As the Python server refuses a WebSocket before it is open.
fn refused(refusal: &Refusal) -> Response {
    ApiError::forbidden(refusal.to_string()).into_response()
}
