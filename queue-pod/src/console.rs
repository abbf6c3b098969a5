//! The console: what the manager and the worker print, kept for a while and streamed to whoever listens (contract queue-server §3).
//!
//! Text of the worker stays as it came. A line of the manager has its time and its weight before it.

mod terminal;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;
use uuid::Uuid;

pub use terminal::Shown;
use terminal::Terminal;

/// Messages that are kept: what clients ask for at most (`nlines` is bounded by 2,000 lines).
const KEPT: usize = 2_000;
/// Messages that a slow listener may lag behind before it loses the oldest ones.
const LISTENER_QUEUE: usize = 1_000;

/// Who a line of the manager is from, in the place where the RE manager names one of its modules.
const MANAGER: &str = "beamline.queue";

/// How much a line of the manager matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is done, as asked for.
    #[default]
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// As it stands before a line.
    fn letter(self) -> char {
        match self {
            Self::Info => 'I',
            Self::Warning => 'W',
            Self::Error => 'E',
        }
    }
}

/// What is printed, and where besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Lines of the manager that matter less are not printed; none of them when absent.
    pub least: Option<Level>,
    /// Where this process shows the console.
    pub shown: Shown,
}

impl Default for Output {
    fn default() -> Self {
        Self { least: Some(Level::Info), shown: Shown::Log }
    }
}

/// Something that is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Print {
    /// Text of the worker; may be part of a line.
    Text(String),
    /// A line of the manager, without its end.
    Line(Level, String),
}

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
    terminal: Terminal,
    least: Option<Level>,
}

#[derive(Debug)]
struct Kept {
    messages: VecDeque<(Uuid, Arc<Message>)>,
    /// Known before anything was printed.
    origin: Uuid,
}

impl Console {
    /// An empty one.
    pub fn new(output: Output) -> Self {
        let kept = Kept { messages: VecDeque::new(), origin: Uuid::new_v4() };
        Self {
            kept: Arc::new(Mutex::new(kept)),
            listeners: broadcast::Sender::new(LISTENER_QUEUE),
            terminal: Terminal::new(output.shown),
            least: output.least,
        }
    }

    /// Prints.
    pub fn print(&self, time: f64, print: Print) {
        match print {
            Print::Text(text) => {
                self.terminal.show(Level::Info, &text, &text);
                self.keep(time, text);
            }
            Print::Line(level, line) => self.say(time, level, &line),
        }
    }

    /// Prints a line of the manager, if it matters enough.
    pub fn say(&self, time: f64, level: Level, line: &str) {
        if self.least.is_some_and(|least| level >= least) {
            let text = format!("[{} {} {MANAGER}] {line}\n", level.letter(), stamp(time));
            self.terminal.show(level, line, &text);
            self.keep(time, text);
        }
    }

    fn keep(&self, time: f64, text: String) {
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

    /// The same, after what was printed since that time.
    pub fn listen_since(
        &self,
        time: f64,
    ) -> (Vec<Arc<Message>>, broadcast::Receiver<Arc<Message>>) {
        let kept = self.kept.lock();
        let recent = kept.messages.iter().map(|(_, message)| message);
        let recent = recent.filter(|message| message.time >= time).cloned().collect();
        // Nothing is printed in between: printing waits for the lock.
        (recent, self.listen())
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

/// The time as people read it, in the zone of this machine.
fn stamp(time: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "far from the end of i64")]
    let at = Timestamp::from_millisecond((time * 1e3) as i64).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S,%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(least: Option<Level>) -> Console {
        Console::new(Output { least, ..Output::default() })
    }

    fn text(text: &str) -> Print {
        Print::Text(text.to_owned())
    }

    #[test]
    fn a_reader_gets_what_it_has_not_seen() {
        let console = console(None);
        let (start, nothing) = console.since("ALL");
        assert!(nothing.is_empty());
        console.print(1.0, text("one\ntwo"));
        console.print(2.0, text("\nthree\n"));
        let (last, messages) = console.since(&start);
        assert_eq!(messages.len(), 2);
        assert_eq!(last, console.uid());
        assert!(console.since(&last).1.is_empty());
        assert!(console.since("unknown").1.is_empty());
        assert_eq!(console.text(2), "two\nthree\n");
    }

    #[test]
    fn a_listener_may_begin_with_what_was_printed_just_before() {
        let console = console(None);
        console.print(1.0, text("old"));
        console.print(2.0, text("recent"));
        let (before, mut listener) = console.listen_since(1.5);
        console.print(3.0, text("new"));
        assert_eq!(before.iter().map(|one| &*one.msg).collect::<Vec<_>>(), ["recent"]);
        assert_eq!(listener.try_recv().unwrap().msg, "new");
        assert!(listener.try_recv().is_err());
    }

    #[test]
    fn a_line_of_the_manager_has_its_time_and_weight_before_it() {
        let console = console(Some(Level::Info));
        console.say(1_795_225_107.728, Level::Warning, "The ring is down");
        let line = console.text(1);
        assert!(line.starts_with("[W 2026-11-2"), "{line}");
        assert!(line.ends_with(",728 beamline.queue] The ring is down\n"), "{line}");
    }

    #[test]
    fn lines_that_matter_too_little_are_not_printed_but_what_the_worker_prints_is() {
        let quiet = console(Some(Level::Warning));
        quiet.say(1.0, Level::Info, "Item added");
        quiet.say(1.0, Level::Error, "lost");
        quiet.print(1.0, text("table\n"));
        assert_eq!(quiet.since("ALL").1.len(), 2);
        let silent = console(None);
        silent.say(1.0, Level::Error, "lost");
        silent.print(1.0, text("table\n"));
        assert_eq!(silent.text(9), "table\n");
    }
}
