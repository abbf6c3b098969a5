//! What is still to be sent to one client.
//!
//! Messages (acks, errors) keep their order and are never dropped. Updates live in slots: while one
//! waits, a newer one takes its place, so that a slow client costs at most one update per PV and
//! always gets the newest.
//!
//! Size: one update and one metadata slot per subscription, plus [`MESSAGES_BEFORE_PAUSE`] messages
//! and what one command answers; a session stops reading commands above that mark.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::ws::Message;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::socket::delivery::Delivery;

/// Waiting messages above which the session reads no further command.
pub(crate) const MESSAGES_BEFORE_PAUSE: usize = 256;

/// Names what a newer frame replaces: an update or the metadata of one subscription, or the
/// heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// The newest value of a feed.
    Update(u64),
    /// The newest metadata of a feed.
    Meta(u64),
    /// The sign of life.
    Heartbeat,
}

#[derive(Debug)]
enum Entry {
    Message(Message),
    Slot(Slot),
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Entry>,
    slots: HashMap<Slot, Message>,
    messages: usize,
    bytes: usize,
}

/// Length of what is sent.
fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

impl Waiting {
    /// Puts a frame into its slot; whether it took the place of another.
    fn insert(&mut self, slot: Slot, frame: Message) -> bool {
        self.bytes += length(&frame);
        let before = self.slots.insert(slot, frame);
        self.bytes -= before.as_ref().map_or(0, length);
        before.is_some()
    }

    fn remove(&mut self, slot: Slot) -> Option<Message> {
        let frame = self.slots.remove(&slot)?;
        self.bytes -= length(&frame);
        Some(frame)
    }
}

/// What is still to be sent to one client. Shared between the session and the feeds that fill it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
    drained: Notify,
    /// Who looks for slow clients reads it here.
    pub(crate) delivery: Arc<Delivery>,
}

impl Outbox {
    /// Nothing yet. What becomes of it is told to `delivery`.
    pub(crate) fn new(delivery: Arc<Delivery>) -> Self {
        Self { delivery, ..Self::default() }
    }

    /// Tells how much waits now.
    fn tell(&self, waiting: &Waiting) {
        self.delivery.queue(waiting.order.len(), waiting.bytes);
    }

    /// Adds a message that must arrive.
    pub(crate) fn push(&self, message: Message) {
        let mut waiting = self.waiting.lock();
        waiting.bytes += length(&message);
        waiting.order.push_back(Entry::Message(message));
        waiting.messages += 1;
        self.tell(&waiting);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Puts the newest frame of `slot` in place of one that still waits, or at the end. Whether one waited.
    pub(crate) fn put(&self, slot: Slot, frame: Message) -> bool {
        let mut waiting = self.waiting.lock();
        let replaced = waiting.insert(slot, frame);
        if replaced {
            metrics::counter!("control_updates_replaced_total").increment(1);
            self.delivery.overwrote();
        } else {
            waiting.order.push_back(Entry::Slot(slot));
        }
        self.tell(&waiting);
        drop(waiting);
        self.filled.notify_one();
        replaced
    }

    /// Puts the frame at the end, behind everything that waits: a snapshot that somebody asked for.
    pub(crate) fn put_last(&self, slot: Slot, frame: Message) {
        let mut waiting = self.waiting.lock();
        if waiting.insert(slot, frame) {
            waiting.order.retain(|entry| !matches!(entry, Entry::Slot(known) if *known == slot));
        }
        waiting.order.push_back(Entry::Slot(slot));
        self.tell(&waiting);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Forgets what waits in `slot`.
    pub(crate) fn forget(&self, slot: Slot) {
        let mut waiting = self.waiting.lock();
        if waiting.remove(slot).is_some() {
            waiting.order.retain(|entry| !matches!(entry, Entry::Slot(known) if *known == slot));
        }
        self.tell(&waiting);
        drop(waiting);
    }

    /// Whether a frame of `slot` still waits.
    pub(crate) fn holds(&self, slot: Slot) -> bool {
        self.waiting.lock().slots.contains_key(&slot)
    }

    /// The next frame, as soon as there is one. Cancellation safe: a frame is taken only when it is
    /// returned.
    pub(crate) async fn next(&self) -> Message {
        loop {
            let filled = self.filled.notified();
            if let Some(message) = self.take() {
                return message;
            }
            filled.await;
        }
    }

    /// The next frame, if one waits.
    pub(crate) fn take(&self) -> Option<Message> {
        let mut waiting = self.waiting.lock();
        let message = match waiting.order.pop_front()? {
            Entry::Message(message) => {
                waiting.messages -= 1;
                waiting.bytes -= length(&message);
                Some(message)
            }
            Entry::Slot(slot) => waiting.remove(slot),
        };
        self.tell(&waiting);
        drop(waiting);
        self.drained.notify_one();
        message
    }

    /// Waits until few enough messages wait for another command to be read.
    pub(crate) async fn has_room(&self) {
        loop {
            let drained = self.drained.notified();
            if self.waiting.lock().messages < MESSAGES_BEFORE_PAUSE {
                return;
            }
            drained.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Message {
        Message::Text(text.into())
    }

    fn drain(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.take())
            .map(|message| message.into_text().unwrap().to_string())
            .collect()
    }

    #[test]
    fn a_newer_update_takes_the_place_of_a_waiting_one() {
        let outbox = Outbox::default();
        outbox.put(Slot::Update(1), text("a1"));
        outbox.put(Slot::Update(2), text("b1"));
        outbox.push(text("ack"));
        outbox.put(Slot::Update(1), text("a2"));
        assert_eq!(drain(&outbox), ["a2", "b1", "ack"]);
        outbox.put(Slot::Update(1), text("a3"));
        assert_eq!(drain(&outbox), ["a3"]);
    }

    #[test]
    fn messages_are_never_dropped_and_keep_their_order() {
        let outbox = Outbox::default();
        for number in 0..1000 {
            outbox.push(text(&number.to_string()));
            outbox.put(Slot::Update(1), text("update"));
        }
        let sent = drain(&outbox);
        assert_eq!(sent.len(), 1001);
        let numbers: Vec<_> = sent.iter().filter(|text| *text != "update").cloned().collect();
        assert_eq!(numbers, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn metadata_and_updates_of_a_feed_do_not_replace_each_other() {
        let outbox = Outbox::default();
        outbox.put(Slot::Update(1), text("update"));
        outbox.put(Slot::Meta(1), text("meta"));
        assert_eq!(drain(&outbox), ["update", "meta"]);
    }

    #[test]
    fn a_snapshot_moves_to_the_end() {
        let outbox = Outbox::default();
        outbox.put(Slot::Update(1), text("old"));
        outbox.push(text("ack"));
        outbox.put_last(Slot::Update(1), text("new"));
        assert_eq!(drain(&outbox), ["ack", "new"]);
    }

    #[test]
    fn what_is_forgotten_is_not_sent() {
        let outbox = Outbox::default();
        outbox.put(Slot::Update(1), text("a"));
        outbox.put(Slot::Heartbeat, text("beat"));
        outbox.forget(Slot::Update(1));
        assert!(outbox.holds(Slot::Heartbeat) && !outbox.holds(Slot::Update(1)));
        assert_eq!(drain(&outbox), ["beat"]);
    }

    #[test]
    fn what_waits_and_what_was_overwritten_is_told() {
        let outbox = Outbox::default();
        let told = || {
            let now = outbox.delivery.figures();
            (now.overwritten, now.queued, now.queued_bytes)
        };
        assert!(!outbox.put(Slot::Update(1), text("four")));
        outbox.push(text("sixsix"));
        assert_eq!(told(), (0, 2, 10));
        assert!(outbox.put(Slot::Update(1), text("a")));
        assert_eq!(told(), (1, 2, 7));
        outbox.put_last(Slot::Update(1), text("ab"));
        assert_eq!(told(), (1, 2, 8), "who asked for it knows it");
        outbox.put(Slot::Update(2), text("abc"));
        outbox.forget(Slot::Update(1));
        assert_eq!(told(), (1, 2, 9));
        drain(&outbox);
        assert_eq!(told(), (1, 0, 0));
    }

    #[tokio::test]
    async fn the_next_command_waits_for_room() {
        let outbox = Outbox::default();
        for _ in 0..MESSAGES_BEFORE_PAUSE {
            outbox.push(text("x"));
        }
        let mut room = Box::pin(outbox.has_room());
        assert!(futures::poll!(&mut room).is_pending());
        outbox.take();
        room.await;
    }
}
