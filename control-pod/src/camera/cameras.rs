//! The cameras that somebody looks at: one per selection of PVs, one stream per mode of it, all
//! shared.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::camera::render::Mode;
use crate::camera::selection::Selection;
use crate::camera::source::{Scene, follow};
use crate::camera::stream::{Output, Picture, Stream, Workshop};
use crate::gateway::Pvs;

/// All cameras of this process.
#[derive(Debug)]
pub(crate) struct Cameras {
    pvs: Pvs,
    workshop: Workshop,
    open: Mutex<HashMap<Selection, Weak<Camera>>>,
}

/// One camera. It is followed for as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Camera {
    selection: Selection,
    scene: watch::Receiver<Arc<Scene>>,
    workshop: Workshop,
    output: Arc<Output>,
    streams: Mutex<HashMap<Mode, Weak<Stream>>>,
    viewers: Mutex<BTreeMap<u64, Arc<Viewed>>>,
    _stop: DropGuard,
}

/// What one client has got.
#[derive(Debug)]
struct Viewed {
    from: String,
    sent: AtomicU64,
    bytes: AtomicU64,
    passed_over: AtomicU64,
    newest: AtomicU64,
}

impl Viewed {
    fn new(from: String) -> Self {
        let none = AtomicU64::default;
        Self { from, sent: none(), bytes: none(), passed_over: none(), newest: none() }
    }
}

/// One client of a camera. Dropping it ends what only it has looked at.
#[derive(Debug)]
pub(crate) struct Viewer {
    camera: Arc<Camera>,
    session: u64,
    viewed: Arc<Viewed>,
}

/// Figures of one camera, for people.
#[derive(Debug, Serialize)]
pub(crate) struct CameraFigures {
    pv: String,
    connected: bool,
    streams: usize,
    rendered: u64,
    failed: u64,
    clients: Vec<ViewerFigures>,
}

/// Figures of one client: who is slow has been passed over often.
#[derive(Debug, Serialize)]
struct ViewerFigures {
    session: u64,
    from: String,
    sent: u64,
    bytes: u64,
    passed_over: u64,
}

impl Cameras {
    /// No cameras yet. `threads` render at a time; no file is longer than `frame_limit` bytes.
    pub(crate) fn new(pvs: Pvs, threads: usize, frame_limit: usize) -> Self {
        let benches = Arc::new(Semaphore::new(threads.clamp(1, Semaphore::MAX_PERMITS)));
        let workshop = Workshop { benches, frame_limit, tasks: TaskTracker::new() };
        Self { pvs, workshop, open: Mutex::default() }
    }

    /// Another client of the camera of these PVs, which is followed from now on if nobody did.
    pub(crate) fn enter(&self, selection: Selection, session: u64, from: String) -> Viewer {
        let camera = self.of(selection);
        let viewed = Arc::new(Viewed::new(from));
        camera.viewers.lock().insert(session, Arc::clone(&viewed));
        camera.clients().increment(1.0);
        Viewer { camera, session, viewed }
    }

    fn of(&self, selection: Selection) -> Arc<Camera> {
        let mut open = self.open.lock();
        if let Some(camera) = open.get(&selection).and_then(Weak::upgrade) {
            return camera;
        }
        open.retain(|_, camera| camera.strong_count() > 0);
        let scene = watch::Sender::default();
        let stop = CancellationToken::new();
        let camera = Arc::new(Camera {
            selection: selection.clone(),
            scene: scene.subscribe(),
            workshop: self.workshop.clone(),
            output: Arc::default(),
            streams: Mutex::default(),
            viewers: Mutex::default(),
            _stop: stop.clone().drop_guard(),
        });
        let following = follow(self.pvs.clone(), selection.clone(), scene, stop);
        self.workshop.tasks.spawn(following);
        open.insert(selection, Arc::downgrade(&camera));
        camera
    }

    /// Figures of all cameras that somebody looks at, by array PV.
    pub(crate) fn figures(&self) -> Vec<CameraFigures> {
        let cameras: Vec<_> = self.open.lock().values().filter_map(Weak::upgrade).collect();
        let mut figures: Vec<_> = cameras.iter().map(|camera| camera.figures()).collect();
        figures.sort_by(|one, other| one.pv.cmp(&other.pv));
        figures
    }

    /// Waits until everything has ended; the clients must be gone.
    pub(crate) async fn stop(&self) {
        self.workshop.tasks.close();
        self.workshop.tasks.wait().await;
    }
}

impl Camera {
    fn clients(&self) -> metrics::Gauge {
        metrics::gauge!("control_camera_clients", "pv" => self.selection.array.clone())
    }

    fn figures(&self) -> CameraFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let streams = self.streams.lock().values().filter(|it| it.strong_count() > 0).count();
        let viewers = self.viewers.lock();
        let clients = viewers.iter().map(|(session, viewed)| ViewerFigures {
            session: *session,
            from: viewed.from.clone(),
            sent: read(&viewed.sent),
            bytes: read(&viewed.bytes),
            passed_over: read(&viewed.passed_over),
        });
        CameraFigures {
            pv: self.selection.array.clone(),
            connected: self.scene.borrow().array_connected,
            streams,
            rendered: read(&self.output.rendered),
            failed: read(&self.output.failed),
            clients: clients.collect(),
        }
    }
}

impl Viewer {
    /// What the PVs show, and every change of it.
    pub(crate) fn scene(&self) -> watch::Receiver<Arc<Scene>> {
        self.camera.scene.clone()
    }

    /// The PVs.
    pub(crate) fn selection(&self) -> &Selection {
        &self.camera.selection
    }

    /// The pictures in this mode, together with everybody else who wants them so.
    pub(crate) fn stream(&self, mode: Mode) -> Arc<Stream> {
        let Camera { selection, scene, workshop, output, streams, .. } = &*self.camera;
        let mut streams = streams.lock();
        if let Some(stream) = streams.get(&mode).and_then(Weak::upgrade) {
            return stream;
        }
        streams.retain(|_, stream| stream.strong_count() > 0);
        let pv = selection.array.clone();
        let stream = Arc::new(Stream::start(pv, mode, scene.clone(), Arc::clone(output), workshop));
        streams.insert(mode, Arc::downgrade(&stream));
        stream
    }

    /// Counts a picture that the client has taken, and those that it missed before.
    pub(crate) fn sent(&self, picture: &Picture) {
        let before = self.viewed.newest.swap(picture.number, Ordering::Relaxed);
        if before > 0 {
            let missed = picture.number.saturating_sub(before + 1);
            self.viewed.passed_over.fetch_add(missed, Ordering::Relaxed);
        }
        self.viewed.sent.fetch_add(1, Ordering::Relaxed);
        self.viewed.bytes.fetch_add(picture.bytes as u64, Ordering::Relaxed);
        let pv = &self.camera.selection.array;
        metrics::counter!("control_camera_frames_sent_total", "pv" => pv.clone()).increment(1);
        metrics::counter!("control_camera_bytes_sent_total", "pv" => pv.clone())
            .increment(picture.bytes as u64);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.camera.viewers.lock().remove(&self.session);
        self.camera.clients().decrement(1.0);
    }
}
