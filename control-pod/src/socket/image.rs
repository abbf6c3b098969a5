//! camera-socket, camera-socket-shared and tiff-socket: pictures of a camera (contract §2.11,
//! `ophyd-websocket` §7).
//!
//! The first message selects the PVs and may say how the pictures are wanted; later ones may change
//! that. What is sent: dimensions when they change, pictures, echoes of toggles, and one error
//! before the end. A client gets the newest picture whenever it has taken the one before, so a slow
//! one misses some and delays nobody. Generic over the transport, as [`crate::socket::session`].

pub(crate) mod wording;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, close_code};
use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::camera::cameras::Viewer;
use crate::camera::geometry::Dimensions;
use crate::camera::render::{Mode, RenderError};
use crate::camera::selection::Selection;
use crate::camera::source::{Scene, ready};
use crate::camera::stream::{Picture, Stream as Pictures};
use crate::camera::wishes::{Wishes, scale, toggle};
use crate::gateway::Gateway;
use crate::settings::Settings;
use crate::socket::Seat;
use crate::socket::delivery::Delivery;
use wording::Wording;

/// Echoes of toggles that wait for a slow client before it is read no further.
const ECHOES: usize = 16;

/// JPEG quality of `camera-socket-shared`, which upstream has for many viewers.
const SHARED_QUALITY: u8 = 75;

/// Which of the image sockets it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageSocket {
    /// `/api/v1/camera-socket`.
    Camera,
    /// `/api/v1/camera-socket-shared`.
    CameraShared,
    /// `/api/v1/tiff-socket`.
    Tiff,
}

impl ImageSocket {
    /// The PVs that the first message selects. What is no object selects the defaults.
    fn selection(self, message: &Value, settings: &Settings) -> Selection {
        let empty = serde_json::Map::new();
        let message = message.as_object().unwrap_or(&empty);
        match self {
            Self::Camera | Self::CameraShared => {
                Selection::of_camera(message, &settings.camera_default_image_array_pv)
            }
            Self::Tiff => Selection::of_tiff(message, &settings.tiff_default_prefix),
        }
    }

    /// How the pictures are when the client does not say.
    fn wishes(self, settings: &Settings) -> Wishes {
        let quality = match self {
            Self::Camera | Self::Tiff => settings.image_jpeg_quality,
            Self::CameraShared => settings.image_jpeg_quality.min(SHARED_QUALITY),
        };
        let mode = Mode {
            scale: scale(settings.image_log_normalization_default),
            encoding: settings.image_encoding,
            quality,
            max_dimension: settings.image_max_dimension,
        };
        Wishes { mode, interval: Duration::ZERO }
    }
}

/// Who looks, and how it wants to be spoken to.
#[derive(Debug)]
pub(crate) struct ImageClient {
    /// Its place among the sockets.
    pub(crate) seat: Seat,
    /// Where it connects from.
    pub(crate) from: String,
    /// Which socket it has opened.
    pub(crate) socket: ImageSocket,
    /// Whose words it understands.
    pub(crate) wording: Wording,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// The client left.
    Left,
    /// The service stops.
    Shutdown,
    /// The client did not take what was sent for a whole heartbeat interval.
    Stalled,
    /// The client cannot be served, and is told why.
    Refused(Message),
}

impl End {
    /// The word in the log.
    fn word(&self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Shutdown => "shutdown",
            Self::Stalled => "stalled",
            Self::Refused(_) => "refused",
        }
    }
}

/// Runs one image socket until the client leaves, stalls, cannot be served, or the service stops.
pub(crate) async fn run<S, R, E>(mut sink: S, stream: R, gateway: &Gateway, client: &ImageClient)
where
    S: Sink<Message> + Unpin,
    R: Stream<Item = Result<Message, E>>,
{
    let session = ImageSession { gateway, client, wording: client.wording };
    let end = tokio::select! {
        end = session.serve(&mut sink, stream) => end,
        () = gateway.sockets.shutdown.cancelled() => End::Shutdown,
    };
    client.seat.delivery.ended(end.word());
    tracing::debug!(?end, "image socket closed");
    let goodbye = async {
        let close = |code, reason: &'static str| {
            Message::Close(Some(CloseFrame { code, reason: reason.into() }))
        };
        match end {
            End::Left | End::Stalled => {}
            End::Shutdown => {
                let _ = sink.send(close(close_code::AWAY, "Service shutting down")).await;
            }
            End::Refused(error) => {
                if sink.send(error).await.is_ok() {
                    let _ = sink.send(close(close_code::NORMAL, "")).await;
                }
            }
        }
    };
    if timeout(gateway.settings.ws_send_timeout, goodbye).await.is_err() {
        tracing::debug!("the client did not take the closing frame");
    }
}

struct ImageSession<'a> {
    gateway: &'a Gateway,
    client: &'a ImageClient,
    wording: Wording,
}

impl ImageSession<'_> {
    async fn serve<S, R, E>(&self, sink: &mut S, stream: R) -> End
    where
        S: Sink<Message> + Unpin,
        R: Stream<Item = Result<Message, E>>,
    {
        let settings = &self.gateway.settings;
        let mut stream = pin!(stream);
        let patience = settings.image_selection_timeout;
        let Ok(first) = within(patience, next_text(&mut stream, || ())).await else {
            let seconds = patience.as_secs_f64();
            let text = format!("No camera was selected within {seconds:?} s.");
            return End::Refused(self.wording.error(&text, None));
        };
        let Some(first) = first else { return End::Left };
        let first = match self.wording.first_message(&first) {
            Ok(first) => first,
            Err(error) => return End::Refused(self.wording.error(&error, None)),
        };
        let selection = self.client.socket.selection(&first, settings);
        let usual = self.client.socket.wishes(settings);
        let most = settings.image_max_dimension;
        let wished = first.as_object().map_or(Ok(usual), |first| usual.after(first, most));
        let wishes = match wished {
            Ok(wishes) => watch::Sender::new(wishes),
            Err(error) => return End::Refused(self.wording.error(&error.to_string(), None)),
        };
        let readable = match self.wording {
            Wording::DirectControl => self.gateway.known_pv(&selection.array),
            Wording::OphydWebsocket => self.gateway.readable_in_oas(&selection.array),
        };
        if let Err(refusal) = readable {
            let error = self.wording.error(&refusal.to_string(), Some(&selection.array));
            return End::Refused(error);
        }
        let viewer = self.gateway.cameras.enter(
            selection,
            self.client.seat.session,
            self.client.from.clone(),
        );
        let alive = AtomicBool::new(true);
        let (echo, echoes) = mpsc::channel(ECHOES);
        tokio::select! {
            () = read(stream, &alive, &wishes, most, &echo) => End::Left,
            end = self.write(sink, &viewer, wishes.subscribe(), echoes, &alive) => end,
        }
    }

    /// The end of a client to whom nothing of the camera can be shown.
    fn refused(&self, viewer: &Viewer, error: &RenderError) -> End {
        let pv = &viewer.selection().array;
        End::Refused(self.wording.error(&format!("PV {pv} cannot be shown: {error}"), Some(pv)))
    }

    /// Sends pictures and what belongs to them.
    async fn write<S: Sink<Message> + Unpin>(
        &self,
        sink: &mut S,
        viewer: &Viewer,
        mut wishes: watch::Receiver<Wishes>,
        mut echoes: mpsc::Receiver<bool>,
        alive: &AtomicBool,
    ) -> End {
        let mut scene = viewer.scene();
        if let Err(missing) = ready(&mut scene, self.wording.connect_timeout()).await {
            let (text, pv) = self.wording.not_connected(missing, viewer.selection());
            return End::Refused(self.wording.error(&text, Some(pv)));
        }
        let refused = scene.borrow_and_update().refused.clone();
        if let Some(error) = refused {
            return self.refused(viewer, &error);
        }
        let patience = self.gateway.settings.ws_heartbeat_interval;
        let delivery = &*self.client.seat.delivery;
        let mut out = Outlet { sink, patience, delivery, wording: self.wording, told: None };
        let mut shown = Shown::new(viewer, *wishes.borrow_and_update());
        let mut beats = beats(patience);
        loop {
            let sent = tokio::select! {
                biased;
                Some(log) = echoes.recv() => out.send(self.wording.log_normalization(log)).await,
                Ok(()) = wishes.changed() => {
                    shown.wish(viewer, *wishes.borrow_and_update());
                    continue;
                }
                Ok(()) = scene.changed() => {
                    let now = Arc::clone(&scene.borrow_and_update());
                    if let Some(error) = &now.refused {
                        return self.refused(viewer, error);
                    }
                    out.tell_without_a_picture(&now).await
                }
                _ = beats.tick(), if !patience.is_zero() => {
                    if !alive.swap(false, Ordering::Relaxed) {
                        return End::Stalled;
                    }
                    out.send(Message::Ping(Bytes::new())).await
                }
                picture = shown.next() => {
                    let sent = out.show(&picture).await;
                    shown.taken(&picture);
                    viewer.sent(&picture);
                    sent
                }
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }
}

/// What one client is being shown.
struct Shown {
    wishes: Wishes,
    pictures: Arc<Pictures>,
    /// Number of the picture that was sent last in this mode.
    newest: u64,
    /// When that was.
    taken: Option<Instant>,
}

impl Shown {
    fn new(viewer: &Viewer, wishes: Wishes) -> Self {
        Self { wishes, pictures: viewer.stream(wishes.mode), newest: 0, taken: None }
    }

    /// Shows the current frame at once when it is to look otherwise.
    fn wish(&mut self, viewer: &Viewer, wishes: Wishes) {
        if wishes.mode == self.wishes.mode {
            self.wishes = wishes;
        } else {
            *self = Self::new(viewer, wishes);
        }
    }

    async fn next(&self) -> Arc<Picture> {
        if let Some(taken) = self.taken {
            sleep_until(taken + self.wishes.interval).await;
        }
        self.pictures.newer_than(self.newest).await
    }

    fn taken(&mut self, picture: &Picture) {
        self.newest = picture.number;
        self.taken = Some(Instant::now());
    }
}

/// The way to the client.
struct Outlet<'a, S> {
    sink: &'a mut S,
    /// How long a client may take for one frame; zero is without end.
    patience: Duration,
    delivery: &'a Delivery,
    wording: Wording,
    /// The dimensions that it knows.
    told: Option<Arc<Dimensions>>,
}

impl<S: Sink<Message> + Unpin> Outlet<'_, S> {
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let _sending = self.delivery.sending();
        let sent = within(self.patience, self.sink.send(message)).await;
        sent.map_err(|_| End::Stalled)?.map_err(|_| End::Left)
    }

    async fn tell(&mut self, dimensions: &Arc<Dimensions>) -> Result<(), End> {
        if self.told.as_deref() == Some(&**dimensions) {
            return Ok(());
        }
        self.told = Some(Arc::clone(dimensions));
        self.send(self.wording.dimensions(dimensions)).await
    }

    /// Dimensions travel with the pictures that have them; where there is no picture, they are
    /// what the settings say.
    async fn tell_without_a_picture(&mut self, scene: &Scene) -> Result<(), End> {
        match (&scene.frame, &scene.announced) {
            (None, Some(announced)) => self.tell(announced).await,
            _ => Ok(()),
        }
    }

    async fn show(&mut self, picture: &Picture) -> Result<(), End> {
        self.tell(&picture.dimensions).await?;
        self.send(picture.message.clone()).await
    }
}

/// What comes of `work` within `patience`; zero is without end.
async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    if patience.is_zero() { Ok(work.await) } else { timeout(patience, work).await }
}

fn beats(period: Duration) -> tokio::time::Interval {
    // A period of zero is never waited for.
    let period = period.max(Duration::from_millis(1));
    let mut beats = interval_at(Instant::now() + period, period);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

/// Takes what the client says while it is shown pictures; ends when it leaves.
async fn read<R, E>(
    mut stream: std::pin::Pin<&mut R>,
    alive: &AtomicBool,
    wishes: &watch::Sender<Wishes>,
    most: usize,
    echo: &mpsc::Sender<bool>,
) where
    R: Stream<Item = Result<Message, E>>,
{
    while let Some(text) = next_text(&mut stream, || alive.store(true, Ordering::Relaxed)).await {
        // Anything but pictures, dimensions and echoes would blank the canvas of a viewer, so what
        // makes no sense is passed over in silence.
        let Ok(Value::Object(message)) = serde_json::from_str(&text) else { continue };
        let before = *wishes.borrow();
        match before.after(&message, most) {
            Ok(after) if after != before => drop(wishes.send_replace(after)),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a wish of a client was passed over"),
        }
        if let Some(log) = toggle(&message)
            && echo.send(log).await.is_err()
        {
            return;
        }
    }
}

/// The next text of the client; `None` when it has left. `heard` is called for every sign of life.
async fn next_text<R, E>(stream: &mut std::pin::Pin<&mut R>, heard: impl Fn()) -> Option<String>
where
    R: Stream<Item = Result<Message, E>>,
{
    loop {
        match stream.next().await {
            None | Some(Err(_) | Ok(Message::Close(_))) => return None,
            Some(Ok(Message::Text(text))) => {
                heard();
                return Some(text.to_string());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => heard(),
        }
    }
}
