//! Where every front hands in its requests: one door to the state machine, so that 0MQ, HTTP and WebSockets cannot disagree.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::{Map, Value};
use service::lease::Tenure;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use crate::announced;
use crate::console::{Console, Level, Output};
use crate::driver::Signal;
use crate::encoding::Encoding;
use crate::machine::State;
use crate::methods::{Kind, Method, Refusal, Reply, failure};
use crate::python;
use crate::view::View;

/// Requests that may wait for the actor. Each takes a few milliseconds, so that the last one is still answered in time.
pub(crate) const WAITING_REQUESTS: usize = 1_024;
/// Statuses that a slow listener may lag behind.
const STATUS_QUEUE: usize = 256;
/// Longest time until a request is answered. Its outcome may still become true afterwards.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long nothing is answered over 0MQ after `manager_kill`: as long as the watchdog of the RE manager waits for one that hangs.
const SILENCE: Duration = Duration::from_secs(5);

/// The door to the state machine. Clones share it.
#[derive(Clone, Debug)]
pub struct Desk {
    view: Arc<ArcSwap<View>>,
    role: Arc<ArcSwap<Role>>,
    actor: mpsc::Sender<Signal>,
    /// Until when nothing is answered over 0MQ.
    silent_until: Arc<ArcSwap<Instant>>,
    statuses: broadcast::Sender<Arc<Value>>,
    /// What is printed.
    pub console: Console,
}

/// What this server is among those of its queue.
#[derive(Debug)]
enum Role {
    /// It serves the queue, for as long as it is sure of the lease.
    Leader(Tenure),
    /// It does not, for that reason.
    Standby(String),
}

/// Unix time in seconds.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Desk {
    /// A door to the actor behind that channel, which shows that state and prints as told.
    pub(crate) fn new(state: &State, actor: mpsc::Sender<Signal>, output: Output) -> Self {
        Self {
            view: Arc::new(ArcSwap::from_pointee(View::of(state))),
            role: Arc::new(ArcSwap::from_pointee(Role::Standby(
                "This queue server is starting".to_owned(),
            ))),
            actor,
            silent_until: Arc::new(ArcSwap::from_pointee(Instant::now())),
            statuses: broadcast::Sender::new(STATUS_QUEUE),
            console: Console::new(output),
        }
    }

    /// This server leads now, and begins with that state.
    pub(crate) fn lead(&self, state: &State, tenure: Tenure) {
        self.view.store(Arc::new(View::of(state)));
        self.role.store(Arc::new(Role::Leader(tenure)));
    }

    /// Another leads.
    pub(crate) fn stand_by(&self, holder: &str) {
        let text = format!("This queue server is on standby; the queue is served by '{holder}'");
        self.role.store(Arc::new(Role::Standby(text)));
    }

    /// This server leads no more, for that reason.
    pub(crate) fn resign(&self, why: &str) {
        let text = format!("This queue server does not serve the queue any more: {why}");
        self.role.store(Arc::new(Role::Standby(text)));
    }

    /// The tenure under which this server serves the queue.
    ///
    /// # Errors
    /// A sentence that says why it does not.
    pub fn tenure(&self) -> Result<Tenure, String> {
        match self.role.load().as_ref() {
            Role::Leader(tenure) if tenure.is_sure() => Ok(tenure.clone()),
            Role::Leader(_) => {
                Err("This queue server is not sure to lead the queue any more".to_owned())
            }
            Role::Standby(why) => Err(why.clone()),
        }
    }

    /// The state after the last event.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Every status from now on, and how far a plan is.
    pub fn statuses(&self) -> broadcast::Receiver<Arc<Value>> {
        self.statuses.subscribe()
    }

    /// Shows a new state; listeners hear of it when the status changed, or the plan is further.
    pub(crate) fn show(&self, state: &State) {
        let before = self.view.load();
        let view = View::of(state).after(&before);
        let news = view.is_news(&before).then(|| Arc::new(view.news()));
        view.measure();
        self.view.store(Arc::new(view));
        if let Some(news) = news {
            // Nobody listening is no failure.
            let _ = self.statuses.send(news);
        }
    }

    /// Carries out one method of the queue protocol.
    pub async fn call(&self, name: &str, params: Map<String, Value>) -> Reply {
        match self.admit(name) {
            Ok(method) => self.carry_out(method, params).await,
            Err(reply) => reply,
        }
    }

    /// The same, with the answer in that encoding.
    pub async fn call_encoded(
        &self,
        name: &str,
        params: Map<String, Value>,
        encoding: Encoding,
    ) -> Bytes {
        let reply = match self.admit(name) {
            Ok(method) => {
                let encoded = self.view.load().encoded(method, &params, encoding);
                if let Some(encoded) = encoded {
                    return encoded;
                }
                self.carry_out(method, params).await
            }
            Err(reply) => reply,
        };
        encoding.encode(&reply)
    }

    /// The method of that name, if it may be carried out.
    fn admit(&self, name: &str) -> Result<&'static Method, Reply> {
        let method =
            Method::named(name).ok_or_else(|| failure(format!("Unknown method '{name}'")))?;
        if let Err(why) = self.tenure() {
            metrics::counter!("queue_requests_refused_total").increment(1);
            return Err(method.refuse(Refusal::plain(why)));
        }
        metrics::counter!("queue_requests_total", "method" => method.name).increment(1);
        if let Some(line) = announced::request(method.kind) {
            self.console.say(now(), Level::Info, line);
        }
        Ok(method)
    }

    async fn carry_out(&self, method: &'static Method, params: Map<String, Value>) -> Reply {
        let (act, user) = match method.kind {
            Kind::Read(_) => return self.view().answer(method, &params),
            Kind::Kill => return self.kill(method, &params).await,
            Kind::Act(act) => (act, params.get("user").cloned()),
        };
        let reply = self.act(method, params).await;
        if let Some((level, line)) = announced::outcome(method.name, act, user.as_ref(), &reply) {
            self.console.say(now(), level, &line);
        }
        reply
    }

    async fn act(&self, method: &'static Method, params: Map<String, Value>) -> Reply {
        let (reply, answer) = oneshot::channel();
        let request = Signal::Request { method, params, reply };
        let answered = tokio::time::timeout(ANSWER_DEADLINE, async {
            self.actor.send(request).await.ok()?;
            answer.await.ok()
        });
        match answered.await {
            Ok(Some(reply)) => reply,
            Ok(None) => match self.tenure() {
                Ok(_) => method.refuse("RE Manager is shutting down".into()),
                Err(why) => method.refuse(Refusal::plain(why)),
            },
            Err(_) => method.refuse("The request was not answered in time".into()),
        }
    }

    /// Has the server begin anew, as if its process had been killed. Over 0MQ that is answered by silence.
    async fn kill(&self, method: &Method, params: &Map<String, Value>) -> Reply {
        if let Err(why) = method.check_params(params) {
            return method.refuse(why.into());
        }
        self.silent_until.store(Arc::new(Instant::now() + SILENCE));
        // Whoever does not listen any more is ending already.
        let _ = self.actor.send(Signal::Kill).await;
        method.refuse("The queue server begins anew".into())
    }

    /// Carries out a request as it came over the wire (contract queue-server §1.1), answered in the same encoding. None while this
    /// server is silent.
    pub async fn call_wire(&self, request: Value, encoding: Encoding) -> Option<Bytes> {
        let reply = match asked(request) {
            Ok((name, params)) => self.call_encoded(&name, params, encoding).await,
            Err(reply) => encoding.encode(&reply),
        };
        (Instant::now() >= **self.silent_until.load()).then_some(reply)
    }
}

/// Method and parameters of a request.
///
/// # Errors
/// The reply to what is no request.
fn asked(request: Value) -> Result<(String, Map<String, Value>), Reply> {
    let Value::Object(mut request) = request else {
        return Err(failure(match request {
            Value::String(text) => format!("Failed to decode the request: {text}"),
            other => {
                let kind = python::type_of(&other);
                format!("Incorrect request type: {kind}. Dictionary is expected")
            }
        }));
    };
    let Some(method) = request.get("method") else {
        let shown = python::repr_map(&request);
        return Err(failure(format!("Invalid request format: method is not specified: {shown}")));
    };
    let strange: Vec<_> = request
        .keys()
        .map(String::as_str)
        .filter(|key| !["method", "params"].contains(key))
        .collect();
    if !strange.is_empty() {
        let strange = python::repr_strs(strange);
        return Err(failure(format!(
            "Request contains unexpected keys {strange}. Allowed keys: ('method', 'params')"
        )));
    }
    let Value::String(name) = method.clone() else {
        return Err(failure(match method {
            Value::Array(_) => "unhashable type: 'list'".to_owned(),
            Value::Object(_) => "unhashable type: 'dict'".to_owned(),
            other => format!("Unknown method '{}'", python::str(other)),
        }));
    };
    match request.remove("params") {
        None => Ok((name, Map::new())),
        Some(Value::Object(params)) => Ok((name, params)),
        Some(_) if name == "status" || name == "ping" => Ok((name, Map::new())),
        Some(other) => Err(match Method::named(&name) {
            Some(method) => {
                let kind = python::type_of(&other);
                let kind = kind.trim_start_matches("<class ").trim_end_matches('>');
                method.refuse(format!("{kind} object is not iterable").into())
            }
            None => failure(format!("Unknown method '{name}'")),
        }),
    }
}
