//! How each message is carried out.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::message::{Group, Message, Response, RunStatus};
use super::output::{Output, OutputError};
use super::run::{Description, Run, RunError};
use super::statuses::Deadline;
use super::{Execution, Interruption, Request, Stumble, lost};
use crate::devices::{Device, DeviceError, DeviceRef, Flyer, unix_now};
use crate::protocol::{PauseOption, RunEntry};

impl From<DeviceError> for Stumble {
    fn from(error: DeviceError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<RunError> for Stumble {
    fn from(error: RunError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<OutputError> for Stumble {
    fn from(error: OutputError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl<O: Output> Execution<'_, O> {
    /// Carries out one message, unless a request comes in between or something under way fails.
    pub(super) async fn execute(&mut self, message: Message) -> Result<Response, Stumble> {
        match message {
            Message::OpenRun { metadata } => self.open_run(metadata).await?,
            Message::CloseRun { status, reason } => {
                if self.run.is_none() {
                    return Err(Stumble::Failed("there is no open run to close".into()));
                }
                self.close_run(status, &reason).await?;
            }
            Message::Create { stream } => self.open_run_mut()?.create(&stream)?,
            Message::Read(device) => self.read(&device).await?,
            Message::Look { field } => {
                let value = self.open_run_mut()?.field(&field).cloned();
                return Ok(Response::Field(value));
            }
            Message::Save => {
                for (name, document) in self.open_run_mut()?.save(unix_now)? {
                    self.output.document(name, document).await?;
                }
            }
            Message::Drop => self.open_run_mut()?.drop_event()?,
            Message::Trigger { device, group } => self.statuses.trigger(device, group),
            Message::Set { device, value, group } => self.set(device, value, group)?,
            Message::Wait { group, timeout } => self.wait(group, timeout).await?,
            Message::Checkpoint => self.checkpoint().await?,
            Message::Sleep(time) => {
                self.interruptible(async {
                    tokio::time::sleep(time).await;
                    Ok(())
                })
                .await?;
            }
            Message::Stage(device) => {
                self.staged.push(device);
                self.set_checkpoint();
            }
            Message::Unstage(device) => {
                self.staged.retain(|staged| !Arc::ptr_eq(staged, &device));
                self.set_checkpoint();
            }
            Message::Locate(device) => {
                let position = self.interruptible(async { device.position().await }).await?;
                return Ok(Response::Position(position));
            }
            Message::Kickoff(device) => {
                self.will_move(&device);
                self.interruptible(async { flyer(&device)?.kickoff().await }).await?;
            }
            Message::Complete(device) => {
                self.interruptible(async { flyer(&device)?.complete().await }).await?;
            }
            Message::Collect(device) => self.collect(&device).await?,
            Message::Stop(device) => {
                self.interruptible(async { device.stop().await }).await?;
            }
            Message::Null => {}
        }
        Ok(Response::Done)
    }

    fn open_run_mut(&mut self) -> Result<&mut Run, Stumble> {
        self.run.as_mut().ok_or_else(|| Stumble::Failed("there is no open run".into()))
    }

    async fn open_run(&mut self, metadata: Map<String, Value>) -> Result<(), Stumble> {
        if self.run.is_some() {
            return Err(Stumble::Failed("a run is open already".into()));
        }
        let scan_id = self.output.next_scan_id().await?;
        let mut complete = self.metadata.clone();
        let defaults = [
            ("plan_type", json!("generator")),
            ("plan_name", json!(self.plan_name)),
            ("scan_id", json!(scan_id)),
        ];
        let defaults = defaults.map(|(key, value)| (key.to_owned(), value));
        for (key, value) in metadata.into_iter().chain(defaults).chain(self.constant.clone()) {
            complete.entry(key).or_insert(value);
        }
        let (run, (name, start)) = Run::open(&complete, scan_id, unix_now());
        self.output.document(name, start).await?;
        self.output.console(format!("New run was open: '{}'\n", run.uid())).await;
        self.runs.push(RunEntry {
            uid: run.uid().to_owned(),
            scan_id: run.scan_id(),
            is_open: true,
            exit_status: None,
        });
        self.run = Some(run);
        self.output.runs(&self.runs).await;
        self.set_checkpoint();
        Ok(())
    }

    /// Closes the open run, if there is one.
    pub(super) async fn close_run(
        &mut self,
        status: RunStatus,
        reason: &str,
    ) -> Result<(), Stumble> {
        let Some(run) = self.run.take() else { return Ok(()) };
        let (name, stop) = run.close(status, reason, unix_now());
        if let Some(entry) = self.runs.iter_mut().find(|entry| entry.uid == run.uid()) {
            entry.is_open = false;
            entry.exit_status = Some(status.as_str().to_owned());
        }
        let kept = self.output.document(name, stop).await;
        self.output.runs(&self.runs).await;
        self.output.console(format!("Run was closed: '{}'\n", run.uid())).await;
        self.set_checkpoint();
        Ok(kept?)
    }

    async fn read(&mut self, device: &DeviceRef) -> Result<(), Stumble> {
        let readings = self.interruptible(async { device.read().await }).await?;
        if self.run.as_ref().is_some_and(|run| run.needs_description(device)) {
            let description = self.interruptible(describe(device.as_ref())).await?;
            self.open_run_mut()?.describe(device, description);
        }
        self.open_run_mut()?.add(device, readings)?;
        Ok(())
    }

    fn set(&mut self, device: DeviceRef, value: Value, group: Group) -> Result<(), Stumble> {
        if !device.is_movable() {
            return Err(DeviceError::NotMovable { device: device.name().to_owned() }.into());
        }
        self.will_move(&device);
        self.statuses.set(device, value, group);
        Ok(())
    }

    /// Remembers a device that has to be brought to rest.
    fn will_move(&mut self, device: &DeviceRef) {
        if !self.moved.iter().any(|moved| Arc::ptr_eq(moved, device)) {
            self.moved.push(Arc::clone(device));
        }
    }

    async fn collect(&mut self, device: &DeviceRef) -> Result<(), Stumble> {
        let described = self.interruptible(describe_flight(device)).await?;
        let measured = self.interruptible(async { flyer(device)?.collect().await }).await?;
        let run = self.open_run_mut()?;
        for (name, document) in run.collect(device, described, measured, unix_now())? {
            self.output.document(name, document).await?;
        }
        Ok(())
    }

    async fn checkpoint(&mut self) -> Result<(), Stumble> {
        if self.run.as_ref().is_some_and(Run::event_is_open) {
            return Err(Stumble::Failed("a checkpoint cannot be within an event".into()));
        }
        self.set_checkpoint();
        if self.deferred_pause && self.ending.is_none() {
            return Err(requested(Request::Pause(PauseOption::Deferred)));
        }
        Ok(())
    }

    fn set_checkpoint(&mut self) {
        self.since_checkpoint.clear();
        if let Some(run) = &mut self.run {
            run.checkpoint();
        }
    }

    async fn wait(&mut self, group: Group, timeout: Option<Duration>) -> Result<(), Stumble> {
        let deadline = timeout.and_then(Deadline::after);
        loop {
            let request = tokio::select! {
                biased;
                request = self.requests.recv(), if self.ending.is_none() || !self.requests.is_closed() => {
                    request.unwrap_or_else(lost)
                }
                reason = self.hold.begins(), if self.ending.is_none() => return Err(held(reason)),
                result = self.statuses.wait(group, deadline) => return result.map_err(Stumble::Failed),
            };
            if let Some(request) = self.admit(request).await {
                return Err(requested(request));
            }
        }
    }

    /// Does `work` unless a request comes in or something under way fails.
    async fn interruptible<T>(
        &mut self,
        work: impl Future<Output = Result<T, DeviceError>>,
    ) -> Result<T, Stumble> {
        tokio::pin!(work);
        loop {
            let request = tokio::select! {
                biased;
                request = self.requests.recv(), if self.ending.is_none() || !self.requests.is_closed() => {
                    request.unwrap_or_else(lost)
                }
                reason = self.hold.begins(), if self.ending.is_none() => return Err(held(reason)),
                failure = self.statuses.failure() => return Err(Stumble::Failed(failure)),
                done = &mut work => return done.map_err(Stumble::from),
            };
            if let Some(request) = self.admit(request).await {
                return Err(requested(request));
            }
        }
    }
}

fn requested(request: Request) -> Stumble {
    Stumble::Interrupted(Interruption::Requested(request))
}

fn held(reason: String) -> Stumble {
    Stumble::Interrupted(Interruption::Held(reason))
}

async fn describe(device: &dyn Device) -> Result<Description, DeviceError> {
    let (data_keys, configuration, configuration_keys) = tokio::try_join!(
        device.describe(),
        device.read_configuration(),
        device.describe_configuration(),
    )?;
    Ok(Description { data_keys, configuration, configuration_keys })
}

fn flyer(device: &DeviceRef) -> Result<&dyn Flyer, DeviceError> {
    device.flyer().ok_or_else(|| DeviceError::NotFlyable { device: device.name().to_owned() })
}

/// Stream of a flyer, and what its descriptor says.
async fn describe_flight(device: &DeviceRef) -> Result<(String, Description), DeviceError> {
    let flyer = flyer(device)?;
    let ((stream, data_keys), configuration, configuration_keys) = tokio::try_join!(
        flyer.describe_collect(),
        device.read_configuration(),
        device.describe_configuration(),
    )?;
    Ok((stream, Description { data_keys, configuration, configuration_keys }))
}
