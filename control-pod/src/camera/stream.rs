//! The pictures of one camera in one mode: each is rendered once, whoever looks at it.
//!
//! Work is drawn, not pushed: a frame is rendered when some client waits for one, and then it is
//! the newest. So clients that are slow, or that want few pictures, cost few renderings, and what
//! nobody could take is never made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::ws::Message;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::camera::geometry::Dimensions;
use crate::camera::render::{Mode, render};
use crate::camera::source::{Frame, Scene};

/// One rendered frame.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Number of the frame; larger is newer.
    pub(crate) number: u64,
    /// What a client is told of it.
    pub(crate) dimensions: Arc<Dimensions>,
    /// The file as the sockets send it, shared by all.
    pub(crate) message: Message,
    /// Length of the file.
    pub(crate) bytes: usize,
}

/// What all renderings of the process share.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    /// One permit for each thread that may render.
    pub(crate) benches: Arc<Semaphore>,
    /// Longest file that is sent, in bytes.
    pub(crate) frame_limit: usize,
    /// Lets the shutdown wait for the tasks.
    pub(crate) tasks: TaskTracker,
}

/// What a camera has done since its first client came.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Frames that were rendered, of all modes.
    pub(crate) rendered: AtomicU64,
    /// Frames that could not be.
    pub(crate) failed: AtomicU64,
}

/// The pictures of one camera in one mode. They end when the last client drops this.
#[derive(Debug)]
pub(crate) struct Stream {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    pv: String,
    mode: Mode,
    /// Clients that wait for a picture.
    waiting: watch::Sender<usize>,
    newest: watch::Sender<Option<Arc<Picture>>>,
    output: Arc<Output>,
}

/// One waiting client.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Stream {
    /// Pictures of `pv`, made from the frames of `scene`.
    pub(crate) fn start(
        pv: String,
        mode: Mode,
        scene: watch::Receiver<Arc<Scene>>,
        output: Arc<Output>,
        workshop: &Workshop,
    ) -> Self {
        let (waiting, newest) = (watch::Sender::new(0), watch::Sender::new(None));
        let shared = Arc::new(Shared { pv, mode, waiting, newest, output });
        let stop = CancellationToken::new();
        let running = run(scene, Arc::clone(&shared), workshop.clone());
        let stopped = stop.clone().cancelled_owned();
        workshop.tasks.spawn(async move {
            tokio::select! {
                () = stopped => {}
                () = running => {}
            }
        });
        Self { shared, _stop: stop.drop_guard() }
    }

    /// The newest picture, as soon as there is one that is newer than `number`. Dropping this
    /// while it waits loses nothing.
    pub(crate) async fn newer_than(&self, number: u64) -> Arc<Picture> {
        let _waiting = Waiting::new(&self.shared.waiting);
        let mut newest = self.shared.newest.subscribe();
        let newer = |picture: &Option<Arc<Picture>>| {
            picture.as_ref().is_some_and(|picture| picture.number > number)
        };
        let picture = newest.wait_for(newer).await.ok().and_then(|picture| picture.clone());
        match picture {
            Some(picture) => picture,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }
}

/// Renders the newest frame whenever somebody waits for one that he has not seen. Ends when the
/// camera does.
async fn run(mut scene: watch::Receiver<Arc<Scene>>, shared: Arc<Shared>, workshop: Workshop) {
    let mut waiting = shared.waiting.subscribe();
    let mut done = 0;
    loop {
        if waiting.wait_for(|clients| *clients > 0).await.is_err() {
            return;
        }
        let newer = |scene: &Arc<Scene>| frame_after(scene, done).is_some();
        if scene.wait_for(newer).await.is_err() {
            return;
        }
        let Ok(bench) = Arc::clone(&workshop.benches).acquire_owned().await else { return };
        // It may have become older while others were at work.
        let frame = frame_after(&scene.borrow(), done);
        let Some(frame) = frame else { continue };
        done = frame.number;
        let (mode, work) = (shared.mode, Arc::clone(&frame));
        let begun = Instant::now();
        let rendered = tokio::task::spawn_blocking(move || {
            let rendered = render(&work.raw, &mode);
            drop(bench);
            rendered
        });
        match rendered.await {
            Ok(Ok(file)) if file.len() > workshop.frame_limit => {
                shared.failed("oversize", &"the picture is longer than a frame may be");
            }
            Ok(Ok(file)) => {
                metrics::histogram!("control_camera_render_seconds", "pv" => shared.pv.clone())
                    .record(begun.elapsed());
                shared.publish(&frame, file);
            }
            Ok(Err(error)) => shared.failed(error.reason(), &error),
            Err(error) => shared.failed("panic", &error),
        }
    }
}

fn frame_after(scene: &Scene, number: u64) -> Option<Arc<Frame>> {
    scene.frame.clone().filter(|frame| frame.number > number)
}

impl Shared {
    fn publish(&self, frame: &Frame, file: Vec<u8>) {
        self.output.rendered.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("control_camera_renders_total", "pv" => self.pv.clone()).increment(1);
        self.newest.send_replace(Some(Arc::new(Picture {
            number: frame.number,
            dimensions: Arc::clone(&frame.dimensions),
            bytes: file.len(),
            message: Message::Binary(file.into()),
        })));
    }

    fn failed(&self, reason: &'static str, error: &dyn std::fmt::Display) {
        tracing::debug!(pv = %self.pv, %error, "frame skipped");
        self.output.failed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("control_camera_frames_skipped_total",
            "pv" => self.pv.clone(), "reason" => reason)
        .increment(1);
    }
}
