//! How things stand: what a queue pod has to hear that was not there before.

use crate::protocol::{PlanOutcome, Report, RunEntry};

/// What the worker has said so far, boiled down.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Plans and devices, once the environment is open.
    open: Option<(serde_json::Value, serde_json::Value)>,
    running: Option<String>,
    ended: Option<PlanOutcome>,
    /// State of the engine, and whether a deferred pause is asked for.
    state: Option<(String, bool)>,
    runs: Vec<RunEntry>,
}

impl Standing {
    /// The plan of that item begins.
    pub(crate) fn begins(&mut self, item_uid: &str) {
        self.running = Some(item_uid.to_owned());
    }

    /// Takes note of what is being said.
    pub(crate) fn note(&mut self, report: &Report) {
        match report {
            Report::Ready { plans, devices, .. } => {
                self.open = Some((plans.clone(), devices.clone()));
            }
            Report::ReState { state, deferred_pause_requested } => {
                self.state = Some((state.clone(), *deferred_pause_requested));
            }
            Report::Runs { runs } => self.runs.clone_from(runs),
            Report::PlanFinished { outcome } => {
                self.running = None;
                self.ended = Some(outcome.clone());
            }
            Report::Hello { .. }
            | Report::OpenFailed { .. }
            | Report::Lists { .. }
            | Report::ProfileDevices { .. }
            | Report::Progress { .. }
            | Report::NoRunEngine
            | Report::TaskFinished { .. }
            | Report::Metadata { .. }
            | Report::OwnDevices { .. }
            | Report::Document { .. }
            | Report::Console { .. }
            | Report::KernelConnection(_)
            | Report::Kernel { .. }
            | Report::KernelReserved { .. }
            | Report::CloseRefused { .. }
            | Report::Refused { .. }
            | Report::Closing => {}
        }
    }

    /// What a queue pod has to hear first, in order.
    pub(crate) fn opening(&self) -> Vec<Report> {
        let mut opening = vec![Report::Hello {
            version: crate::protocol::VERSION,
            engine: "native".to_owned(),
            pid: std::process::id(),
            // It reads the registry itself.
            wants_devices: false,
        }];
        let Some((plans, devices)) = self.open.clone() else { return opening };
        let (running, ended) = (self.running.clone(), self.ended.clone());
        let ended_tasks = Vec::new();
        opening.push(Report::Ready {
            plans,
            devices,
            run_engine: true,
            running,
            ended,
            ended_tasks,
        });
        if let Some((state, deferred_pause_requested)) = self.state.clone() {
            opening.push(Report::ReState { state, deferred_pause_requested });
        }
        opening.push(Report::Runs { runs: self.runs.clone() });
        opening
    }
}
