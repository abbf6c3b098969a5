//! The console: what the manager and the worker print, kept for a while and streamed to whoever listens.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;
use uuid::Uuid;

/// Messages that are kept: what clients ask for at most (`nlines` is bounded by 2,000 lines).
const KEPT: usize = 2_000;
/// Messages that a slow listener may lag behind before it loses the oldest ones.
const LISTENER_QUEUE: usize = 1_000;

/// One chunk of text, as printed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// Unix time in seconds.
    pub time: f64,
    /// The text; may be part of a line.
    pub msg: String,
}

/// The console. Clones share it.
#[derive(Clone, Debug)]
pub struct Console {
    kept: Arc<Mutex<Kept>>,
    listeners: broadcast::Sender<Arc<Message>>,
}

#[derive(Debug)]
struct Kept {
    messages: VecDeque<(Uuid, Arc<Message>)>,
    /// Known before anything was printed.
    origin: Uuid,
}

impl Default for Console {
    fn default() -> Self {
        let kept = Kept { messages: VecDeque::new(), origin: Uuid::new_v4() };
        Self { kept: Arc::new(Mutex::new(kept)), listeners: broadcast::Sender::new(LISTENER_QUEUE) }
    }
}

impl Console {
    /// Prints.
    pub fn print(&self, time: f64, text: String) {
        let message = Arc::new(Message { time, msg: text });
        let mut kept = self.kept.lock();
        kept.messages.push_back((Uuid::new_v4(), message.clone()));
        if kept.messages.len() > KEPT {
            kept.messages.pop_front();
        }
        // Nobody listening is no failure.
        let _ = self.listeners.send(message);
    }

    /// Everything that is printed from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Message>> {
        self.listeners.subscribe()
    }

    /// Changes whenever something is printed.
    pub fn uid(&self) -> String {
        let kept = self.kept.lock();
        kept.messages.back().map_or(kept.origin, |(uid, _)| *uid).to_string()
    }

    /// The last `lines` lines.
    pub fn text(&self, lines: usize) -> String {
        let kept = self.kept.lock();
        let text: String = kept.messages.iter().map(|(_, message)| message.msg.as_str()).collect();
        let all: Vec<_> = text.split_inclusive('\n').collect();
        all[all.len().saturating_sub(lines)..].concat()
    }

    /// What was printed after the message with that uid (`"ALL"`: everything that is kept), and the uid of the last message.
    pub fn since(&self, uid: &str) -> (String, Vec<Arc<Message>>) {
        let kept = self.kept.lock();
        let last = kept.messages.back().map_or(kept.origin, |(uid, _)| *uid).to_string();
        let known = |(known, _): &(Uuid, Arc<Message>)| known.to_string() == uid;
        let from = match uid {
            "ALL" => 0,
            uid if uid == kept.origin.to_string() => 0,
            _ => kept.messages.iter().position(known).map_or(kept.messages.len(), |i| i + 1),
        };
        (last, kept.messages.range(from..).map(|(_, message)| message.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_what_it_has_not_seen() {
        let console = Console::default();
        let (start, nothing) = console.since("ALL");
        assert!(nothing.is_empty());
        console.print(1.0, "one\ntwo".to_owned());
        console.print(2.0, "\nthree\n".to_owned());
        let (last, messages) = console.since(&start);
        assert_eq!(messages.len(), 2);
        assert_eq!(last, console.uid());
        assert!(console.since(&last).1.is_empty());
        assert!(console.since("unknown").1.is_empty());
        assert_eq!(console.text(2), "two\nthree\n");
    }
}
