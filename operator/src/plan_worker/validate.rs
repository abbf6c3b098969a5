//! What is to be done for a worker, from its status and from what the launcher knows. Plain
//! functions.

use crds::PlanWorker;
use crds::conditions::{reasons, types};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::launch::{LONGEST_EXIT, LaunchError, Nature, Phase};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Start it.
    Start,
    /// Say how it is.
    Say(Saying),
    /// It ended and has said so.
    Settled,
}

/// How a worker is, for its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saying {
    /// Whether it runs.
    pub(super) ready: bool,
    /// Fixed word of the condition.
    pub(super) reason: &'static str,
    /// Sentence of the condition.
    pub(super) message: String,
    /// Process id.
    pub(super) pid: Option<i32>,
    /// How it ended.
    pub(super) exit: Option<String>,
}

/// Decides what is to be done for `worker`, which is in `phase` at a launcher of that nature.
pub(super) fn validate(worker: &PlanWorker, phase: &Phase, nature: Nature) -> Verdict {
    let status = worker.status.as_ref();
    match phase {
        Phase::Absent if is_to_be_started(worker, nature) => Verdict::Start,
        Phase::Absent if status.is_some_and(|status| status.exit.is_some()) => Verdict::Settled,
        phase => Verdict::Say(saying(phase, worker, nature)),
    }
}

/// Whether nobody started the worker, or so that a second start would find the first.
pub(super) fn is_to_be_started(worker: &PlanWorker, nature: Nature) -> bool {
    let Some(status) = worker.status.as_ref().filter(|status| !status.conditions.is_empty()) else {
        return true;
    };
    let is_starting =
        |one: &Condition| one.type_ == types::READY && one.reason == reasons::STARTING;
    nature.finds_again && status.exit.is_none() && status.conditions.iter().any(is_starting)
}

/// What to say of a worker that the launcher has started.
pub(super) fn saying(phase: &Phase, worker: &PlanWorker, nature: Nature) -> Saying {
    let earlier_pid = worker.status.as_ref().and_then(|status| status.pid);
    match phase {
        Phase::Starting { reason, message } => {
            Saying { ready: false, reason, message: message.clone(), pid: None, exit: None }
        }
        Phase::Running { pid, place } => Saying {
            ready: true,
            reason: reasons::RUNNING,
            message: place.clone(),
            pid: *pid,
            exit: None,
        },
        Phase::Ended { exit, clean } => Saying {
            ready: false,
            reason: if *clean { reasons::STOPPED } else { reasons::FAILED },
            message: format!("the worker ended: {exit}"),
            pid: earlier_pid,
            exit: Some(exit.clone()),
        },
        Phase::Absent => lost(worker, nature),
    }
}

/// What to say before a worker is started.
pub(super) fn starting() -> Saying {
    Saying {
        ready: false,
        reason: reasons::STARTING,
        message: "being started".to_owned(),
        pid: None,
        exit: None,
    }
}

/// What to say of a worker that does not start.
pub(super) fn failed_to_start(error: &LaunchError) -> Saying {
    let message = error.to_string();
    let exit = format!("never started: {message}").chars().take(LONGEST_EXIT).collect();
    Saying { ready: false, reason: reasons::FAILED, message, pid: None, exit: Some(exit) }
}

fn lost(worker: &PlanWorker, nature: Nature) -> Saying {
    Saying {
        ready: false,
        reason: reasons::FAILED,
        message: nature.loss.to_owned(),
        pid: worker.status.as_ref().and_then(|status| status.pid),
        exit: Some("lost".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(status: &str) -> PlanWorker {
        let text = format!(
            "{{apiVersion: beamline.dev/v1alpha1, kind: PlanWorker, metadata: {{name: w}}, \
             spec: {{queue: main, connectTo: 'ws://127.0.0.1:1', tokenSecret: t}}, status: {status}}}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    const STARTING: &str = "{conditions: [{type: Ready, status: 'False', reason: Starting, \
        message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}]";

    const PROCESS: Nature = Nature { finds_again: false, needs_token: true, loss: "gone" };
    const POD: Nature = Nature { finds_again: true, needs_token: false, loss: "gone" };

    fn said(status: &str, phase: &Phase) -> Saying {
        match validate(&worker(status), phase, PROCESS) {
            Verdict::Say(saying) => saying,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_worker_is_started() {
        assert_eq!(validate(&worker("null"), &Phase::Absent, PROCESS), Verdict::Start);
        assert_eq!(validate(&worker("null"), &Phase::Absent, POD), Verdict::Start);
    }

    #[test]
    fn a_worker_that_was_about_to_start_before_a_crash_is_lost_and_never_started_again() {
        let saying = said(&format!("{STARTING}}}"), &Phase::Absent);
        assert_eq!((saying.ready, saying.reason), (false, "Failed"));
        assert_eq!(saying.exit.as_deref(), Some("lost"));
    }

    #[test]
    fn a_pod_that_was_about_to_start_is_started_again_because_its_name_admits_only_one() {
        let starting = worker(&format!("{STARTING}}}"));
        assert_eq!(validate(&starting, &Phase::Absent, POD), Verdict::Start);
        let running = STARTING.replace("'False', reason: Starting", "'True', reason: Running");
        let verdict = validate(&worker(&format!("{running}}}")), &Phase::Absent, POD);
        assert!(matches!(verdict, Verdict::Say(Saying { reason: "Failed", .. })), "{verdict:?}");
    }

    #[test]
    fn a_worker_that_has_ended_in_an_earlier_life_stays_as_it_is() {
        let status = format!("{STARTING}, exit: exit code 0}}");
        assert_eq!(validate(&worker(&status), &Phase::Absent, PROCESS), Verdict::Settled);
        assert_eq!(validate(&worker(&status), &Phase::Absent, POD), Verdict::Settled);
    }

    #[test]
    fn a_running_worker_is_ready_and_shows_its_process() {
        let running = Phase::Running { pid: Some(7), place: "here".to_owned() };
        let saying = said(&format!("{STARTING}}}"), &running);
        assert!(saying.ready);
        assert_eq!((saying.pid, saying.exit), (Some(7), None));
    }

    #[test]
    fn a_crash_is_a_failure_and_a_clean_end_is_none() {
        let ended = |clean| Phase::Ended { exit: "exit code 3".to_owned(), clean };
        let status = format!("{STARTING}, pid: 7}}");
        assert_eq!(said(&status, &ended(false)).reason, "Failed");
        let clean = said(&status, &ended(true));
        assert_eq!((clean.ready, clean.reason, clean.pid), (false, "Stopped", Some(7)));
    }
}
