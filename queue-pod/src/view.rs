//! What can be read: a consistent picture of the state after the last event, answered without asking the actor.
//!
//! A reader never waits for a write that is under way, and sees every change that was acknowledged.

mod encoded;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use crds::queue::QueueLock;
use plan_worker::protocol::{KernelConnection, PlanProgress, RunEntry};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::encoding::Encoding;
use crate::item::Item;
use crate::lock;
use crate::machine::{Revisions, State};
use crate::manifest::Record;
use crate::methods::{Kind, Method, Read, Refusal, Reply, failure, success};
use crate::plans::{Allowed, Catalogue, Group, Permissions};
use crate::python;
use crate::queue::Queue;
use crate::queue::target::{self, Position, uid_param};
use crate::status;
use crate::tasks::Tasks;
use encoded::Encoded;

fn task_uid(params: &Map<String, Value>) -> Result<&Value, Refusal> {
    let missing = "Required 'task_uid' parameter is missing in the API call.";
    params.get("task_uid").ok_or_else(|| missing.into())
}

/// A picture of the state.
#[derive(Clone, Debug)]
pub struct View {
    /// The status dictionary.
    pub status: Value,
    progress: Option<PlanProgress>,
    queue: Queue,
    running: Option<Item>,
    history: Arc<VecDeque<Arc<Record>>>,
    runs: Vec<RunEntry>,
    catalogue: Arc<Catalogue>,
    allowed: Arc<Allowed>,
    permissions: Permissions,
    lock: Option<QueueLock>,
    emergency_key_hash: Option<String>,
    revisions: Revisions,
    tasks: Arc<Tasks>,
    status_encoded: Arc<Encoded>,
    queue_encoded: Arc<Encoded>,
    connection: Option<Arc<KernelConnection>>,
}

/// The answer to `queue_get`, of what stands in memory.
#[derive(Serialize)]
struct QueueGet<'a> {
    success: bool,
    msg: &'static str,
    items: Items<'a>,
    running_item: &'a Map<String, Value>,
    plan_queue_uid: &'a str,
}

struct Items<'a>(&'a Queue);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|entry| &entry.item))
    }
}

/// What a running item is while there is none.
static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl View {
    /// The picture of that state.
    pub fn of(state: &State) -> Self {
        let running = state.running.as_ref().map(|running| {
            let mut properties = Map::new();
            if running.immediate {
                properties.insert("immediate_execution".to_owned(), json!(true));
            }
            properties.insert("time_start".to_owned(), json!(running.time_start));
            running.entry.item.clone().with("properties", properties)
        });
        let open = state.environment.is_open() || state.environment.is_awaited();
        Self {
            status: status::status(state),
            progress: state.progress.told.clone(),
            queue: state.queue.clone(),
            running,
            history: state.history.clone(),
            runs: state.runs.clone(),
            catalogue: state.catalogue.clone(),
            allowed: state.allowed.clone(),
            permissions: state.settings.permissions.clone(),
            lock: state.lock.clone(),
            emergency_key_hash: state.setup.emergency_key_hash.clone(),
            revisions: state.revisions.clone(),
            tasks: state.tasks.clone(),
            status_encoded: Arc::default(),
            queue_encoded: Arc::default(),
            connection: open.then(|| state.kernel.connection().cloned()).flatten(),
        }
    }

    /// This picture after an earlier one: what is the same in both is not encoded again.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        let is_same = self.revisions.queue == before.revisions.queue
            && self.queue.is_same(&before.queue)
            && self.running == before.running;
        if is_same {
            self.queue_encoded = before.queue_encoded.clone();
        }
        self
    }

    /// What is published: the status, and while a plan runs how far it is.
    pub fn news(&self) -> Value {
        let mut news = json!({ "status": self.status });
        if let Some(progress) = &self.progress {
            news["progress"] = json!(progress);
        }
        news
    }

    /// Whether the same is published of both.
    pub(crate) fn is_news(&self, before: &Self) -> bool {
        self.status["status_uid"] != before.status["status_uid"] || self.progress != before.progress
    }

    /// Records how much there is.
    pub(crate) fn measure(&self) {
        // Sizes are far below the limit up to which a float counts exactly.
        #[allow(clippy::cast_precision_loss, reason = "sizes of lists in memory")]
        let size = |size: usize| size as f64;
        metrics::gauge!("queue_items").set(size(self.queue.len()));
        metrics::gauge!("queue_history_items").set(size(self.history.len()));
        metrics::gauge!("queue_running_items").set(size(usize::from(self.running.is_some())));
    }

    /// Answers a method that only looks.
    pub fn answer(&self, method: &Method, params: &Map<String, Value>) -> Reply {
        let Kind::Read(read) = method.kind else {
            return method.refuse("not a request that only looks".into());
        };
        let answer = match read {
            // Whatever the parameters are: they are ignored.
            Read::Status => return self.status.as_object().cloned().unwrap_or_default(),
            _ => method.check_params(params).map_err(Refusal::from),
        };
        let answer = answer.and_then(|()| match read {
            Read::Status => Ok(Reply::new()),
            Read::Config => {
                let info = self.connection.as_ref().map_or_else(|| json!({}), |at| json!(at));
                Ok(success([("config", json!({ "ip_connect_info": info }))]))
            }
            Read::Queue => Ok(match json!(self.queue_get()) {
                Value::Object(reply) => reply,
                _ => Reply::new(),
            }),
            Read::Item => self.item(params),
            Read::History => Ok(success([
                ("items", self.history.iter().map(|record| record.wire()).collect()),
                ("plan_history_uid", json!(self.revisions.history)),
            ])),
            Read::PlansAllowed => self.group(params).map(|group| {
                success([
                    ("plans_allowed", json!(group.plans)),
                    ("plans_allowed_uid", json!(self.revisions.plans_allowed)),
                ])
            }),
            Read::DevicesAllowed => self.group(params).map(|group| {
                success([
                    ("devices_allowed", json!(group.devices)),
                    ("devices_allowed_uid", json!(self.revisions.devices_allowed)),
                ])
            }),
            Read::PlansExisting => Ok(success([
                ("plans_existing", json!(self.catalogue.plans)),
                ("plans_existing_uid", json!(self.revisions.plans_existing)),
            ])),
            Read::DevicesExisting => Ok(success([
                ("devices_existing", json!(self.catalogue.devices)),
                ("devices_existing_uid", json!(self.revisions.devices_existing)),
            ])),
            Read::Permissions => {
                Ok(success([("user_group_permissions", self.permissions.effective())]))
            }
            Read::Runs => self.runs(params),
            Read::Lock => self.lock_info(params),
            Read::TaskStatus => self.task_status(params),
            Read::TaskResult => self.task_result(params),
        });
        answer.unwrap_or_else(|refusal| method.refuse(refusal))
    }

    /// The bytes of [`View::answer`] to what clients ask again and again; `None` for other methods.
    pub(crate) fn encoded(
        &self,
        method: &Method,
        params: &Map<String, Value>,
        encoding: Encoding,
    ) -> Option<Bytes> {
        match method.kind {
            Kind::Read(Read::Status) => Some(self.status_encoded.get(encoding, &self.status)),
            Kind::Read(Read::Queue) if params.is_empty() => {
                Some(self.queue_encoded.get(encoding, self.queue_get()))
            }
            _ => None,
        }
    }

    fn queue_get(&self) -> QueueGet<'_> {
        QueueGet {
            success: true,
            msg: "",
            items: Items(&self.queue),
            running_item: self.running.as_ref().map_or(&*NOTHING, |item| &item.0),
            plan_queue_uid: &self.revisions.queue,
        }
    }

    fn item(&self, params: &Map<String, Value>) -> Result<Reply, Refusal> {
        let (position, uid) = (Position::param(params, "pos"), uid_param(params, "uid"));
        let running = self.running.as_ref().map(Item::uid);
        let index =
            target::existing(&self.queue, running, position.as_ref(), uid.as_deref(), false)?;
        let item = self.queue.get(index).map(|entry| json!(entry.item));
        Ok(success([("item", item.unwrap_or_else(|| json!({})))]))
    }

    /// The item with that uid and its `state`: `running`, `queued`, or how its plan ended.
    pub fn item_anywhere(&self, uid: &str) -> Reply {
        let found = |item: Value, state: &str| success([("item", item), ("state", json!(state))]);
        if let Some(item) = self.running.as_ref().filter(|item| item.uid() == uid) {
            return found(json!(item), "running");
        }
        if let Some(entry) = self.queue.find(uid) {
            return found(json!(entry.item), "queued");
        }
        // The latest, if it was run more than once.
        match self.history.iter().rev().find(|record| record.item.uid() == uid) {
            Some(record) => found(record.wire(), &record.result.exit_status),
            None => {
                let mut reply = failure(format!(
                    "Failed to get an item: Item with UID '{uid}' is not in the queue."
                ));
                reply.insert("item".to_owned(), json!({}));
                reply
            }
        }
    }

    fn group(&self, params: &Map<String, Value>) -> Result<&Group, Refusal> {
        let group = params
            .get("user_group")
            .ok_or("Incorrect request format: user group is not specified")?;
        let known = group.as_str().and_then(|group| self.allowed.group(group));
        known.ok_or_else(|| format!("Unknown user group: '{}'", python::str(group)).into())
    }

    /// The JSON Schemas of the plans that a group may run, or of the one that is named.
    ///
    /// # Errors
    /// The refusal of a group or a plan that is not there.
    pub fn plan_schemas(&self, group: &str, plan: Option<&str>) -> Result<Reply, String> {
        let unknown = || format!("Unknown user group: '{group}'");
        let schemas = self.allowed.group(group).ok_or_else(unknown)?.schemas(plan);
        match plan.filter(|_| schemas.is_empty()) {
            Some(name) => Err(format!("Plan '{name}' is not in the list of allowed plans.")),
            None => Ok(success([
                ("plans_schema", Value::Object(schemas)),
                ("plans_allowed_uid", json!(self.revisions.plans_allowed)),
            ])),
        }
    }

    fn runs(&self, params: &Map<String, Value>) -> Result<Reply, Refusal> {
        let wanted: fn(&&RunEntry) -> bool = match params.get("option") {
            None => |_| true,
            Some(Value::String(option)) if option == "active" => |_| true,
            Some(Value::String(option)) if option == "open" => |run| run.is_open,
            Some(Value::String(option)) if option == "closed" => |run| !run.is_open,
            Some(other) => {
                let text = python::str(other);
                return Err(format!(
                    "Option '{text}' is not supported. \
                     Available options: ('active', 'open', 'closed')"
                )
                .into());
            }
        };
        Ok(success([
            ("run_list", self.runs.iter().filter(wanted).map(|run| json!(run)).collect()),
            ("run_list_uid", json!(self.revisions.runs)),
        ]))
    }

    fn task_status(&self, params: &Map<String, Value>) -> Result<Reply, Refusal> {
        let given = task_uid(params)?;
        let wrong = || {
            let text = "'task_uid' must be a string or a list of strings";
            let kind = python::type_of(given);
            Refusal::from(format!("{text}: type(task_uid)={kind}")).with("task_uid", given.clone())
        };
        let status = match given {
            Value::String(uid) => json!(self.tasks.status(uid)),
            Value::Array(uids) => {
                let one = |uid: &Value| {
                    let uid = uid.as_str().ok_or_else(wrong)?;
                    Ok((uid.to_owned(), json!(self.tasks.status(uid))))
                };
                Value::Object(uids.iter().map(one).collect::<Result<_, Refusal>>()?)
            }
            _ => return Err(wrong()),
        };
        Ok(success([("task_uid", given.clone()), ("status", status)]))
    }

    fn task_result(&self, params: &Map<String, Value>) -> Result<Reply, Refusal> {
        let given = task_uid(params)?;
        let uid = given.as_str().unwrap_or_default();
        let (status, result) = (json!(self.tasks.status(uid)), self.tasks.result(uid));
        Ok(success([("task_uid", given.clone()), ("status", status), ("result", result)]))
    }

    fn lock_info(&self, params: &Map<String, Value>) -> Result<Reply, Refusal> {
        let has_emergency = self.emergency_key_hash.is_some();
        let info = lock::info(self.lock.as_ref(), has_emergency);
        let uid = json!(self.revisions.lock);
        let known = |text: String| {
            Refusal::from(text).with("lock_info", info.clone()).with("lock_info_uid", uid.clone())
        };
        match (params.get("lock_key"), &self.lock) {
            (None | Some(Value::Null), _) => {}
            (Some(Value::String(key)), Some(lock))
                if !key.is_empty() && lock.key_hash != lock::hash(key) =>
            {
                let described = lock::describe(lock, has_emergency);
                return Err(known(format!("Invalid lock key: \n{described}")));
            }
            (Some(Value::String(key)), _) if !key.is_empty() => {}
            (Some(other), _) => {
                let shown = python::repr(other);
                return Err(known(format!(
                    "Lock key must be a non-empty string or None: lock_key = {shown}"
                )));
            }
        }
        Ok(success([("lock_info", info), ("lock_info_uid", uid)]))
    }
}
