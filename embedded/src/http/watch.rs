//! Watches: a stream of JSON events, one a line. A watch pulls from the history at its client's pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use rand::Rng;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::objects::Call;
use super::options::Form;
use super::table::{self, Include};
use super::{json as answer_json, render, status};
use crate::api::Api;
use crate::api::selector::Selector;
use crate::error::ApiError;
use crate::store::history::Event;
use crate::store::object::Stored;

/// Events taken from the history at once; bounds what one slow client keeps alive.
const CHUNK: usize = 256;
/// How often a quiet watch says how far it is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts when the client does not say, at least; at most twice that, as on a real API server.
const DEFAULT_SECONDS: u64 = 30 * 60;

const ADDED: &str = "ADDED";
const MODIFIED: &str = "MODIFIED";
const DELETED: &str = "DELETED";

struct Watch {
    api: Arc<Api>,
    call: Call,
    selector: Selector,
    include: Include,
    /// Objects that exist already and are still to be sent.
    initial: VecDeque<Arc<Stored>>,
    /// Whether a bookmark has to mark the end of the initial objects.
    mark_end: bool,
    bookmarks: bool,
    /// Everything up to this version has been sent.
    seen: u64,
    deadline: Instant,
    next_bookmark: Instant,
    ending: CancellationToken,
    /// Whether the table's columns have been sent.
    headed: bool,
    over: bool,
}

/// Starts a watch.
pub(crate) fn answer(
    api: &Arc<Api>,
    call: Call,
    ending: CancellationToken,
) -> Result<Response, ApiError> {
    // A watch that ends as it begins would make the watcher start the next one at once, for ever.
    if ending.is_cancelled() {
        return Err(ApiError::Closed);
    }
    let mut selector = call.selector()?;
    if let Some(name) = &call.name {
        selector = Selector::parse(&call.resource, "", &format!("metadata.name={name}"))?;
    }
    let from = call.query.number("resourceVersion")?.unwrap_or_default();
    let streaming = call.query.flag("sendInitialEvents");
    let wanted = call.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let seconds =
        wanted.unwrap_or_else(|| DEFAULT_SECONDS + rand::rng().random_range(0..DEFAULT_SECONDS));
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let now = Instant::now();
    let mut watch = Watch {
        include: Include::parse(call.query.text("includeObject")),
        api: api.clone(),
        selector,
        initial: VecDeque::new(),
        mark_end: streaming && bookmarks,
        bookmarks,
        seen: from,
        deadline: now + Duration::from_secs(seconds),
        next_bookmark: now + BOOKMARK_EVERY,
        ending,
        headed: false,
        over: false,
        call,
    };
    if streaming || from == 0 {
        watch.start_with_state();
    } else {
        let current = api.store.version();
        if from > current {
            return Err(ApiError::FutureVersion { wanted: from, current });
        }
    }
    let lines = stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next_chunk().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), watch))
    });
    Ok(answer_json(StatusCode::OK, Body::from_stream(lines)))
}

impl Watch {
    fn start_with_state(&mut self) {
        let namespace =
            self.call.namespace.as_deref().filter(|_| self.call.resource.kind.namespaced);
        let listing = self.api.store.list(self.call.resource.storage, namespace);
        self.seen = listing.version;
        self.initial = listing.objects.into_iter().filter(|object| self.selects(object)).collect();
    }

    fn selects(&self, object: &Stored) -> bool {
        let here = match &self.call.namespace {
            Some(namespace) => *namespace == object.meta.namespace,
            None => true,
        };
        here && self.selector.matches(&object.meta)
    }

    /// The next lines to send; `None` when the watch is over.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut out = BytesMut::new();
        if !self.initial.is_empty() || self.mark_end {
            let some = self.initial.len().min(CHUNK);
            for object in self.initial.drain(..some).collect::<Vec<_>>() {
                self.write_event(&mut out, ADDED, &object);
            }
            if self.initial.is_empty() && std::mem::take(&mut self.mark_end) {
                self.write_bookmark(&mut out, true);
            }
            return Some(out.freeze());
        }
        loop {
            let resource = self.call.resource.storage;
            let Ok((events, mut latest, version)) =
                self.api.store.events_after(resource, self.seen, CHUNK)
            else {
                self.over = true;
                self.write_gone(&mut out);
                return Some(out.freeze());
            };
            self.seen = match events.last() {
                Some(last) if events.len() == CHUNK => last.version,
                _ => version,
            };
            for event in &events {
                self.write_change(&mut out, event);
            }
            if !out.is_empty() {
                return Some(out.freeze());
            }
            if events.len() == CHUNK {
                continue;
            }
            tokio::select! {
                changed = latest.wait_for(|newest| *newest > self.seen) => {
                    // The store is gone when its sender is.
                    changed.ok()?;
                }
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.write_bookmark(&mut out, false);
                    return Some(out.freeze());
                }
                () = tokio::time::sleep_until(self.deadline) => {
                    self.over = true;
                    if self.bookmarks {
                        self.write_bookmark(&mut out, false);
                        return Some(out.freeze());
                    }
                    return None;
                }
                () = self.ending.cancelled() => return None,
            }
        }
    }

    /// An event as this watch sees it: leaving the selection is a deletion, entering it a creation.
    fn write_change(&mut self, out: &mut BytesMut, event: &Event) {
        let was = event.previous.as_ref().is_some_and(|previous| self.selects(previous));
        let is = !event.deleted && self.selects(&event.object);
        let kind = match (was, is) {
            (false, true) => ADDED,
            (true, true) => MODIFIED,
            (true, false) => DELETED,
            (false, false) => return,
        };
        self.write_event(out, kind, &event.object);
    }

    fn write_event(&mut self, out: &mut BytesMut, kind: &str, object: &Stored) {
        let resource = &self.call.resource;
        out.put_slice(b"{\"type\":\"");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\",\"object\":");
        if self.call.form == Form::Table {
            let rows = [table::row(resource, object, self.include)];
            let version = object.version.to_string();
            let table = table::table(resource, &version, &rows, !self.headed);
            self.headed = true;
            out.put_slice(table.to_string().as_bytes());
        } else {
            out.put_slice(&render::object(resource, object, self.call.form));
        }
        out.put_slice(b"}\n");
    }

    fn write_bookmark(&mut self, out: &mut BytesMut, initial: bool) {
        self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
        let kind = &self.call.resource.kind;
        let mut metadata = json!({"resourceVersion": self.seen.to_string()});
        if initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.call.form {
            Form::Table => {
                let mut table =
                    table::table(&self.call.resource, &self.seen.to_string(), &[], !self.headed);
                self.headed = true;
                if initial {
                    let row = json!({"cells": [], "object": {
                        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                        "metadata": metadata}});
                    table["rows"] = json!([row]);
                }
                table
            }
            Form::Metadata | Form::MetadataList => {
                render::metadata_only(&json!({"metadata": metadata}))
            }
            _ => json!({
                "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata,
            }),
        };
        write_line(out, "BOOKMARK", &object);
    }

    fn write_gone(&self, out: &mut BytesMut) {
        let error = ApiError::Expired(format!("too old resource version: {}", self.seen));
        let (_, body) = status::status(&error);
        write_line(out, "ERROR", &body);
    }
}

fn write_line(out: &mut BytesMut, kind: &str, object: &Value) {
    out.put_slice(json!({"type": kind, "object": object}).to_string().as_bytes());
    out.put_u8(b'\n');
}
