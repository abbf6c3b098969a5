//! Whether a service can do its work now, and why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::RwLock;
use serde_json::json;

/// The parts of a service that must be up before it is ready. Shared by clones; never blocks.
///
/// `GET /ready` answers `{"status":"ready"}`, or 503 with the first reason (contract §1.2).
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    waiting: Arc<RwLock<BTreeMap<&'static str, String>>>,
    word: Arc<RwLock<Option<&'static str>>>,
}

impl Readiness {
    /// Ready until something says otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a service that is ready says of itself, unless that is `ready`: `standby` when another
    /// works.
    pub fn say(&self, word: &'static str) {
        *self.word.write() = Some(word);
    }

    /// `part` cannot do its work, for `reason`.
    pub fn not_ready(&self, part: &'static str, reason: impl Into<String>) {
        self.waiting.write().insert(part, reason.into());
    }

    /// `part` does its work.
    pub fn ready(&self, part: &'static str) {
        self.waiting.write().remove(part);
    }

    /// Every reason why the service is not ready, by part.
    pub fn pending(&self) -> Vec<String> {
        self.waiting.read().values().cloned().collect()
    }

    /// The reason why the service is not ready; `None` when it is.
    pub fn reason(&self) -> Option<String> {
        self.waiting.read().values().next().cloned()
    }

    /// The answer to `GET /ready`.
    pub fn answer(&self) -> Response {
        match self.reason() {
            None => {
                let word = self.word.read().unwrap_or("ready");
                Json(json!({ "status": word })).into_response()
            }
            Some(reason) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({ "status": "not_ready", "reason": reason })),
            )
                .into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_when_every_part_is() {
        let readiness = Readiness::new();
        readiness.not_ready("devices", "registry not loaded");
        readiness.not_ready("locks", "lock table not loaded");
        readiness.ready("devices");
        assert_eq!(readiness.reason().as_deref(), Some("lock table not loaded"));
        assert_eq!(readiness.answer().status(), StatusCode::SERVICE_UNAVAILABLE);
        readiness.ready("locks");
        assert_eq!(readiness.answer().status(), StatusCode::OK);
        readiness.say("standby");
        assert_eq!(readiness.answer().status(), StatusCode::OK);
    }
}
