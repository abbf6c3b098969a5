//! What is to be done for a worker, from its status and from what the launcher knows. Plain
//! functions.

use crds::PlanWorker;
use crds::conditions::reasons;

use crate::launch::{LaunchError, Phase};

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

/// Decides what is to be done for `worker`, which is in `phase`.
pub(super) fn validate(worker: &PlanWorker, phase: &Phase) -> Verdict {
    let status = worker.status.as_ref();
    match phase {
        Phase::Running { .. } | Phase::Ended { .. } => Verdict::Say(saying(phase, worker)),
        Phase::Absent if status.is_none_or(|status| status.conditions.is_empty()) => Verdict::Start,
        Phase::Absent if status.is_some_and(|status| status.exit.is_some()) => Verdict::Settled,
        Phase::Absent => Verdict::Say(lost(worker)),
    }
}

/// What to say of a worker that the launcher has started.
pub(super) fn saying(phase: &Phase, worker: &PlanWorker) -> Saying {
    let earlier_pid = worker.status.as_ref().and_then(|status| status.pid);
    match phase {
        Phase::Running { pid } => Saying {
            ready: true,
            reason: reasons::RUNNING,
            message: pid.map_or_else(|| "running".to_owned(), |pid| format!("process {pid} runs")),
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
        Phase::Absent => lost(worker),
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
    Saying {
        ready: false,
        reason: reasons::FAILED,
        message: error.to_string(),
        pid: None,
        exit: Some("never started".to_owned()),
    }
}

fn lost(worker: &PlanWorker) -> Saying {
    Saying {
        ready: false,
        reason: reasons::FAILED,
        message: "the operator that started it is gone".to_owned(),
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

    fn said(status: &str, phase: &Phase) -> Saying {
        match validate(&worker(status), phase) {
            Verdict::Say(saying) => saying,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_worker_is_started() {
        assert_eq!(validate(&worker("null"), &Phase::Absent), Verdict::Start);
    }

    #[test]
    fn a_worker_that_was_about_to_start_before_a_crash_is_lost_and_never_started_again() {
        let saying = said(&format!("{STARTING}}}"), &Phase::Absent);
        assert_eq!((saying.ready, saying.reason), (false, "Failed"));
        assert_eq!(saying.exit.as_deref(), Some("lost"));
    }

    #[test]
    fn a_worker_that_has_ended_in_an_earlier_life_stays_as_it_is() {
        let status = format!("{STARTING}, exit: exit code 0}}");
        assert_eq!(validate(&worker(&status), &Phase::Absent), Verdict::Settled);
    }

    #[test]
    fn a_running_worker_is_ready_and_shows_its_process() {
        let saying = said(&format!("{STARTING}}}"), &Phase::Running { pid: Some(7) });
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
