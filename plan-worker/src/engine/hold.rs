//! Whether plans have to wait, whatever they would do next.

use std::future::pending;

use tokio::sync::watch;

/// What is watched elsewhere and makes plans wait: one place for each objection.
#[derive(Clone, Debug)]
pub struct Hold(watch::Receiver<Vec<Option<String>>>);

impl Hold {
    /// Plans wait while there is an objection. When its sender is gone, nothing changes any more.
    pub fn new(objections: watch::Receiver<Vec<Option<String>>>) -> Self {
        Self(objections)
    }

    /// Plans never wait.
    pub fn never() -> Self {
        Self(watch::channel(Vec::new()).1)
    }

    /// Why plans wait, if they do.
    pub fn reason(&self) -> Option<String> {
        let objections = self.0.borrow();
        let all: Vec<&str> = objections.iter().flatten().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Returns as soon as plans have to wait, with the reason.
    pub async fn begins(&mut self) -> String {
        loop {
            if let Some(reason) = self.reason() {
                return reason;
            }
            self.change().await;
        }
    }

    /// Returns as soon as they wait for another reason than `known`, or do not have to wait any more.
    pub async fn differs_from(&mut self, known: &str) -> Option<String> {
        loop {
            let reason = self.reason();
            if reason.as_deref() != Some(known) {
                return reason;
            }
            self.change().await;
        }
    }

    async fn change(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }
}
