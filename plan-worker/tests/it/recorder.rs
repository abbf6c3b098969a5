//! An output that remembers, and plans carried out over simulated devices.

use async_trait::async_trait;
use plan_worker::engine::hold::Hold;
use plan_worker::engine::message::{Message, Response};
use plan_worker::engine::output::{Output, OutputError, State};
use plan_worker::engine::plan::{Plan, Step};
use plan_worker::engine::{Engine, Finished, Request};
use plan_worker::environment::Devices;
use plan_worker::plans;
use plan_worker::protocol::{PlanCall, RunEntry};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

/// What an engine told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Document(&'static str, Value),
    State(State, bool),
    Waits(Option<String>),
    Refused(String),
}

/// Tells everything to a channel.
#[derive(Debug)]
pub(crate) struct Recorder {
    told: mpsc::UnboundedSender<Told>,
    scan_id: i64,
}

impl Recorder {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (told, listen) = mpsc::unbounded_channel();
        (Self { told, scan_id: 0 }, listen)
    }
}

#[async_trait]
impl Output for Recorder {
    async fn begins(&mut self, _: &Map<String, Value>) {}

    async fn waits(&mut self, reason: Option<&str>) {
        let _ = self.told.send(Told::Waits(reason.map(str::to_owned)));
    }

    async fn next_scan_id(&mut self) -> Result<i64, OutputError> {
        self.scan_id += 1;
        Ok(self.scan_id)
    }

    async fn document(&mut self, name: &'static str, document: Value) -> Result<(), OutputError> {
        let _ = self.told.send(Told::Document(name, document));
        Ok(())
    }

    async fn state(&mut self, state: State, deferred: bool) {
        let _ = self.told.send(Told::State(state, deferred));
    }

    async fn runs(&mut self, _: &[RunEntry]) {}

    async fn console(&mut self, _: String) {}

    async fn refused(&mut self, why: String) {
        let _ = self.told.send(Told::Refused(why));
    }
}

/// A plan under way.
pub(crate) struct Underway {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
    task: tokio::task::JoinHandle<Finished>,
}

impl Underway {
    pub(crate) fn start(plan: Plan) -> Self {
        Self::start_held(plan, Hold::never())
    }

    pub(crate) fn start_held(plan: Plan, hold: Hold) -> Self {
        let (recorder, told) = Recorder::new();
        let (requests, mut requested) = mpsc::channel(16);
        let task = tokio::spawn(async move {
            let mut engine = Engine::new(recorder, Map::new()).held_by(hold);
            engine.run(plan, Map::new(), &mut requested).await
        });
        Self { requests, told, task }
    }

    /// Everything told until `state` is entered, that included.
    pub(crate) async fn until(&mut self, state: State) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let next = within(self.told.recv()).await.expect("the plan ended before");
            told.push(next);
            if matches!(told.last(), Some(Told::State(entered, _)) if *entered == state) {
                return told;
            }
        }
    }

    /// Waits for a document of that name.
    pub(crate) async fn document(&mut self, name: &str) -> Value {
        loop {
            if let Told::Document(told, document) =
                within(self.told.recv()).await.expect("the plan ended before")
                && told == name
            {
                return document;
            }
        }
    }

    pub(crate) async fn request(&self, request: Request) {
        within(self.requests.send(request)).await.unwrap();
    }

    /// How the plan ended, and all that was told and not yet read.
    pub(crate) async fn end(mut self) -> (Finished, Vec<Told>) {
        let finished = within(self.task).await.unwrap();
        let mut told = Vec::new();
        while let Ok(next) = self.told.try_recv() {
            told.push(next);
        }
        (finished, told)
    }
}

/// `future`, which must not take long.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(30), future).await.expect("in time")
}

/// A call with positional and keyword arguments.
pub(crate) fn call(name: &str, args: Value, kwargs: Value) -> PlanCall {
    let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else { unreachable!() };
    PlanCall {
        item_uid: "item".into(),
        name: name.into(),
        args,
        kwargs,
        meta: Map::new(),
        user_group: String::new(),
    }
}

/// Carries out a call to its end.
pub(crate) async fn carry_out(
    devices: &Devices,
    call: &PlanCall,
) -> (Finished, Vec<(&'static str, Value)>) {
    let plan = plans::build(call, devices).unwrap();
    let (finished, told) = Underway::start(plan).end().await;
    (finished, documents(told))
}

pub(crate) fn documents(told: Vec<Told>) -> Vec<(&'static str, Value)> {
    told.into_iter()
        .filter_map(|told| match told {
            Told::Document(name, document) => Some((name, document)),
            _ => None,
        })
        .collect()
}

pub(crate) fn names(documents: &[(&'static str, Value)]) -> Vec<&'static str> {
    documents.iter().map(|(name, _)| *name).collect()
}

/// Empty arguments.
pub(crate) fn none() -> Value {
    json!({})
}

/// All messages of a plan when every one is answered at once; every device is at `position`.
pub(crate) async fn unroll(mut plan: Plan, position: Value) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        match plan.next().await {
            Step::Done(result) => {
                result.unwrap();
                return messages;
            }
            Step::Message(message, reply) => {
                let answer = match message {
                    Message::Locate(_) => Response::Position(position.clone()),
                    _ => Response::Done,
                };
                messages.push(message);
                reply.answer(Ok(answer));
            }
        }
    }
}
