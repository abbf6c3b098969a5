//! Tasks of the worker: those that run, and the results of the last ones (contract queue-server §2.11).

use std::collections::{BTreeMap, VecDeque};

use plan_worker::protocol::TaskOutcome;
use serde_json::{Value, json};

/// How long results are kept, in seconds.
const RETENTION: f64 = 120.0;
/// Most results that are kept, however new they are.
const MOST_RESULTS: usize = 1000;

/// A task that runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// Unix time at which it was asked for.
    pub time_start: f64,
    /// Whether it runs beside plans.
    pub background: bool,
}

/// What is known of tasks. Nothing of it outlives this server.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    running: BTreeMap<String, Task>,
    /// Uid, time of the end and result, oldest first.
    completed: VecDeque<(String, f64, Value)>,
}

impl Tasks {
    /// A task begins.
    pub fn begin(&mut self, uid: &str, task: Task) {
        self.running.insert(uid.to_owned(), task);
    }

    /// A task ended at `now`; which one it was, unless that is known already.
    pub fn finish(&mut self, outcome: TaskOutcome, now: f64) -> Option<Task> {
        let TaskOutcome { task_uid, success, message, traceback, return_value } = outcome;
        let task = self.running.remove(&task_uid)?;
        let result = json!({
            "task_uid": task_uid,
            "success": success,
            "msg": message,
            "traceback": traceback,
            "return_value": return_value,
            "time_start": task.time_start,
            "time_stop": now,
        });
        self.completed.retain(|(_, end, _)| now - end < RETENTION);
        if self.completed.len() >= MOST_RESULTS {
            self.completed.pop_front();
        }
        self.completed.push_back((task_uid, now, result));
        Some(task)
    }

    /// The environment is gone, and what ran in it.
    pub fn forget_running(&mut self) {
        self.running.clear();
    }

    /// Number of tasks that run beside plans.
    pub fn in_background(&self) -> usize {
        self.running.values().filter(|task| task.background).count()
    }

    /// `running`, `completed` or `not_found`.
    pub fn status(&self, uid: &str) -> &'static str {
        if self.running.contains_key(uid) {
            "running"
        } else if self.completed.iter().any(|(known, ..)| known == uid) {
            "completed"
        } else {
            "not_found"
        }
    }

    /// What `task_result` shows of a task.
    pub fn result(&self, uid: &str) -> Value {
        if let Some(Task { time_start, background }) = self.running.get(uid) {
            return json!({
                "task_uid": uid, "time_start": time_start, "run_in_background": background,
            });
        }
        let known = self.completed.iter().find(|(known, ..)| known == uid);
        known.map_or_else(|| json!({}), |(.., result)| result.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(uid: &str) -> TaskOutcome {
        TaskOutcome {
            task_uid: uid.to_owned(),
            success: true,
            message: String::new(),
            traceback: String::new(),
            return_value: json!(7),
        }
    }

    #[test]
    fn a_task_runs_is_completed_and_forgotten_after_a_while() {
        let mut tasks = Tasks::default();
        assert_eq!((tasks.status("a"), tasks.result("a")), ("not_found", json!({})));
        tasks.begin("a", Task { time_start: 10.0, background: true });
        tasks.begin("b", Task { time_start: 10.0, background: false });
        assert_eq!((tasks.status("a"), tasks.in_background()), ("running", 1));
        assert_eq!(tasks.result("a")["run_in_background"], true);
        assert!(tasks.finish(ended("a"), 11.0).is_some_and(|task| task.background));
        assert_eq!(tasks.finish(ended("a"), 11.0), None, "an end is told once");
        assert_eq!((tasks.status("a"), tasks.in_background()), ("completed", 0));
        let result = tasks.result("a");
        assert_eq!((&result["return_value"], &result["time_stop"]), (&json!(7), &json!(11.0)));
        assert!(tasks.finish(ended("b"), 11.0 + RETENTION).is_some());
        assert_eq!((tasks.status("a"), tasks.status("b")), ("not_found", "completed"));
    }

    #[test]
    fn what_ran_in_an_environment_that_is_gone_is_not_found() {
        let mut tasks = Tasks::default();
        tasks.begin("a", Task { time_start: 10.0, background: true });
        tasks.forget_running();
        assert_eq!(tasks.status("a"), "not_found");
    }
}
