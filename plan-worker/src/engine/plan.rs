//! A plan: a coroutine that yields messages and gets answers.
//!
//! A plan is an async function over [`Messages`]. It performs no I/O of its own: whatever it wants done it says in a message, and
//! it is the engine that drives it. Dropping a [`Plan`] ends it where it stands, without clean-up.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::message::{Group, Message, Response, Thrown};
use crate::devices::DeviceRef;

/// A plan waits for the answer to each message, so there is never a second one under way.
const ONE_AT_A_TIME: usize = 1;

type Answer = oneshot::Sender<Result<Response, Thrown>>;

/// What a plan speaks through.
#[derive(Clone, Debug)]
pub struct Messages {
    outbox: mpsc::Sender<(Message, Answer)>,
    groups: Arc<AtomicU64>,
    origin: Option<Arc<Origin>>,
}

/// Where devices were before a relative plan first moved them.
#[derive(Debug, Default)]
pub struct Origin {
    devices: Vec<DeviceRef>,
    starts: Mutex<Vec<(DeviceRef, Value)>>,
}

impl Origin {
    /// Nothing known yet of `devices`.
    pub fn of(devices: Vec<DeviceRef>) -> Self {
        Self { devices, starts: Mutex::default() }
    }

    /// The devices that have been moved, in the order of their first move, with their starts.
    pub fn starts(&self) -> Vec<(DeviceRef, Value)> {
        self.starts.lock().clone()
    }

    fn start_of(&self, device: &DeviceRef) -> Option<Value> {
        let starts = self.starts.lock();
        starts.iter().find(|(known, _)| Arc::ptr_eq(known, device)).map(|(_, start)| start.clone())
    }
}

impl Messages {
    /// The same outlet, on which targets of the devices of `origin` count from where they were.
    pub fn relative_to(&self, origin: &Arc<Origin>) -> Self {
        Self { origin: Some(Arc::clone(origin)), ..self.clone() }
    }

    /// A group that nothing else uses.
    pub fn new_group(&self) -> Group {
        Group(self.groups.fetch_add(1, Ordering::Relaxed))
    }

    /// Has the engine carry out `message`.
    ///
    /// # Errors
    /// What the engine throws into the plan instead of an answer.
    pub async fn send(&self, message: Message) -> Result<Response, Thrown> {
        let (answer, answered) = oneshot::channel();
        let gone = || Thrown::Aborted("the engine has left".into());
        self.outbox.send((message, answer)).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Starts a move, from the origin for a device of a relative plan.
    ///
    /// # Errors
    /// As [`Messages::send`]; also when start and distance cannot be added.
    pub async fn set(&self, device: &DeviceRef, value: Value, group: Group) -> Result<(), Thrown> {
        let value = match &self.origin {
            Some(origin) if origin.devices.iter().any(|known| Arc::ptr_eq(known, device)) => {
                let start = self.start(origin, device).await?;
                add(device, &start, &value)?
            }
            _ => value,
        };
        self.send(Message::Set { device: Arc::clone(device), value, group }).await?;
        Ok(())
    }

    /// Waits for a group.
    ///
    /// # Errors
    /// As [`Messages::send`].
    pub async fn wait(&self, group: Group, timeout: Option<Duration>) -> Result<(), Thrown> {
        self.send(Message::Wait { group, timeout }).await.map(drop)
    }

    /// What the open event has in `field`, if it has it.
    ///
    /// # Errors
    /// As [`Messages::send`].
    pub async fn look(&self, field: &str) -> Result<Option<Value>, Thrown> {
        match self.send(Message::Look { field: field.to_owned() }).await? {
            Response::Field(value) => Ok(value),
            Response::Done | Response::Position(_) => Ok(None),
        }
    }

    async fn start(&self, origin: &Origin, device: &DeviceRef) -> Result<Value, Thrown> {
        if let Some(start) = origin.start_of(device) {
            return Ok(start);
        }
        let start = match self.send(Message::Locate(Arc::clone(device))).await? {
            Response::Position(start) => start,
            Response::Done | Response::Field(_) => Value::from(0),
        };
        origin.starts.lock().push((Arc::clone(device), start.clone()));
        Ok(start)
    }
}

/// `start + distance`, an integer only if both are.
fn add(device: &DeviceRef, start: &Value, distance: &Value) -> Result<Value, Thrown> {
    if let (Some(start), Some(distance)) = (start.as_i64(), distance.as_i64()) {
        return Ok(Value::from(start.saturating_add(distance)));
    }
    match (start.as_f64(), distance.as_f64()) {
        (Some(start), Some(distance)) => Ok(Value::from(start + distance)),
        _ => Err(Thrown::Failed(format!(
            "{} cannot be moved by {distance} from {start}: both have to be numbers",
            device.name()
        ))),
    }
}

/// A plan under way.
pub struct Plan {
    name: String,
    body: BoxFuture<'static, Result<(), Thrown>>,
    messages: mpsc::Receiver<(Message, Answer)>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a plan does next.
#[derive(Debug)]
pub enum Step {
    /// It wants something done, and waits for the answer.
    Message(Message, Reply),
    /// It has ended.
    Done(Result<(), Thrown>),
}

/// The way back into the plan.
#[derive(Debug)]
pub struct Reply(Answer);

impl Reply {
    /// Answers the message.
    pub fn answer(self, answer: Result<Response, Thrown>) {
        // A plan that no longer listens has been dropped, which is the caller's own doing.
        let _ = self.0.send(answer);
    }
}

impl Plan {
    /// A plan named `name` with that body.
    pub fn new<Body, Running>(name: impl Into<String>, body: Body) -> Self
    where
        Body: FnOnce(Messages) -> Running,
        Running: Future<Output = Result<(), Thrown>> + Send + 'static,
    {
        let (outbox, messages) = mpsc::channel(ONE_AT_A_TIME);
        let body = body(Messages { outbox, groups: Arc::default(), origin: None });
        Self { name: name.into(), body: Box::pin(body), messages }
    }

    /// Name of the plan.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next message, or the end. Must not be called again after the end.
    pub async fn next(&mut self) -> Step {
        tokio::select! {
            biased;
            Some((message, answer)) = self.messages.recv() => Step::Message(message, Reply(answer)),
            result = &mut self.body => Step::Done(result),
        }
    }
}
