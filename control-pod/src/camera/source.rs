//! One camera as its PVs show it now: the newest array, and how its numbers make an image.
//!
//! A task follows all PVs over the shared channels and publishes a [`Scene`] for each new array and
//! each change of what is said of it. It does no work on pixels, and it ends with the last client.

use std::sync::Arc;
use std::time::Duration;

use channels::{PvChannel, PvValue, Sample};
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use crate::camera::color_mode::{BayerPattern, LABELS_BY_INDEX};
use crate::camera::description::Description;
use crate::camera::geometry::Dimensions;
use crate::camera::pixel_type::PixelType;
use crate::camera::render::{RawFrame, RenderError};
use crate::camera::selection::Selection;
use crate::gateway::Pvs;

/// How long the PVs that not every camera has may take after the others are there.
const GRACE: Duration = Duration::from_millis(250);

/// A camera at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    /// What to tell of the images while no array fits.
    pub(crate) announced: Option<Arc<Dimensions>>,
    /// The newest array; `None` while there is none that fits what is said of it.
    pub(crate) frame: Option<Arc<Frame>>,
    /// Whether the IOC serves the array and has sent one.
    pub(crate) array_connected: bool,
    /// Why no array of this camera can be shown; `None` while one could be.
    pub(crate) refused: Option<RenderError>,
    /// The settings that no IOC serves, by number in [`Selection::settings`].
    pub(crate) missing: Vec<usize>,
}

/// One array that can be shown.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Counts what was published; larger is newer.
    pub(crate) number: u64,
    /// What a client is told of it.
    pub(crate) dimensions: Arc<Dimensions>,
    /// What is rendered.
    pub(crate) raw: RawFrame,
}

/// Which statement a PV makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Array,
    /// One of [`Selection::settings`].
    Setting(usize),
    Binning(usize),
    ArraySize(usize),
    Columns,
    Rows,
    PluginColor,
    PluginType,
    Bayer,
    Codec,
    CompressedSize,
}

/// All PVs that say something of the array.
fn names(selection: &Selection) -> Vec<(Says, String)> {
    let plugin = |what: &str| format!("{}{what}", selection.plugin_base());
    let camera = |what: &str| format!("{}{what}", selection.camera_prefix());
    let mut names = vec![
        (Says::Binning(0), selection.bin_x.clone()),
        (Says::Binning(1), selection.bin_y.clone()),
        (Says::Columns, camera("ArraySizeX_RBV")),
        (Says::Rows, camera("ArraySizeY_RBV")),
        (Says::Columns, plugin("ArraySizeX_RBV")),
        (Says::Rows, plugin("ArraySizeY_RBV")),
        (Says::PluginColor, plugin("ColorMode_RBV")),
        (Says::PluginType, plugin("DataType_RBV")),
        (Says::Bayer, plugin("BayerPattern_RBV")),
        (Says::Codec, plugin("Codec_RBV")),
        (Says::CompressedSize, plugin("CompressedSize_RBV")),
    ];
    names.extend(
        (0..3).map(|axis| (Says::ArraySize(axis), plugin(&format!("ArraySize{axis}_RBV")))),
    );
    let settings = selection.settings().into_iter().enumerate();
    names.extend(settings.map(|(index, name)| (Says::Setting(index), name.to_owned())));
    names
}

/// What is known of a camera while it is followed.
#[derive(Debug, Default)]
struct Known {
    array: Option<Arc<Sample>>,
    /// What the newest array says of itself, where it does.
    of_array: Option<Description>,
    /// What other PVs say.
    of_pvs: Description,
    settings: [bool; 6],
}

impl Known {
    /// Takes in what a PV says; whether it is a new array.
    fn hear(&mut self, says: Says, sample: &Arc<Sample>) -> bool {
        let Description { statements, pattern, codec, compressed_size } = &mut self.of_pvs;
        // What a camera said before its IOC went still holds of its last array.
        let number = sample.value.as_f64();
        match says {
            Says::Array => {
                let image = sample.metadata.as_ref().and_then(|metadata| metadata.image.as_ref());
                self.of_array = image.map(|image| Description::of_image(image));
                let before = self.array.replace(Arc::clone(sample));
                return before.is_none_or(|before| !same_array(&before.value, &sample.value));
            }
            Says::Setting(index) => {
                self.settings[index] = sample.connected;
                match index {
                    0 | 1 => statements.min[index] = number,
                    2 | 3 => statements.size[index - 2] = number,
                    4 => statements.camera_color = label(sample, &LABELS_BY_INDEX),
                    _ => statements.camera_type = label(sample, &type_names()),
                }
            }
            Says::Binning(axis) => statements.binning[axis] = number,
            Says::ArraySize(axis) => statements.array_size[axis] = number,
            Says::Columns => statements.columns = number,
            Says::Rows => statements.rows = number,
            Says::PluginColor => statements.plugin_color = label(sample, &LABELS_BY_INDEX),
            Says::PluginType => statements.plugin_type = label(sample, &type_names()),
            Says::Bayer => *pattern = BayerPattern::of_index(number.unwrap_or_default()),
            Says::Codec => *codec = text(&sample.value),
            Says::CompressedSize => *compressed_size = number,
        }
        false
    }

    /// Everything that counts for the newest array.
    fn description(&self) -> &Description {
        self.of_array.as_ref().unwrap_or(&self.of_pvs)
    }

    /// The newest array and how it makes an image, if anything that is said of it fits.
    fn raw(&self) -> Result<Option<(RawFrame, Dimensions)>, RenderError> {
        self.array.as_ref().map_or(Ok(None), |array| self.description().frame(array))
    }

    /// The settings that no IOC serves; none where the array needs none.
    fn missing(&self) -> Vec<usize> {
        if self.of_array.is_some() {
            return Vec::new();
        }
        let settings = self.settings.iter().enumerate();
        settings.filter(|(_, there)| !**there).map(|(index, _)| index).collect()
    }
}

fn type_names() -> [&'static str; 10] {
    PixelType::ALL.map(PixelType::name)
}

/// The label of an enum, from the PV itself or, where it has none, from the usual ones.
fn label(sample: &Sample, usual: &[&str]) -> Option<String> {
    if let PvValue::String(label) = &sample.value {
        return Some(label.clone());
    }
    let index = sample.value.as_f64()? as usize;
    let own = sample.metadata.as_ref().and_then(|metadata| metadata.enum_labels.clone());
    match own.filter(|labels| !labels.is_empty()) {
        Some(labels) => labels.get(index).cloned(),
        None => usual.get(index).map(|label| (*label).to_owned()),
    }
}

/// Text of a string or of a character array.
fn text(value: &PvValue) -> String {
    match value {
        PvValue::String(text) => text.clone(),
        PvValue::CharArray(bytes) => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        }
        _ => String::new(),
    }
}

/// Whether it is the very same array, told again because the connection changed.
fn same_array(one: &PvValue, other: &PvValue) -> bool {
    match (one, other) {
        (PvValue::CharArray(a), PvValue::CharArray(b)) => Arc::ptr_eq(a, b),
        (PvValue::ShortArray(a), PvValue::ShortArray(b)) => Arc::ptr_eq(a, b),
        (PvValue::EnumArray(a), PvValue::EnumArray(b)) => Arc::ptr_eq(a, b),
        (PvValue::LongArray(a), PvValue::LongArray(b)) => Arc::ptr_eq(a, b),
        (PvValue::FloatArray(a), PvValue::FloatArray(b)) => Arc::ptr_eq(a, b),
        (PvValue::DoubleArray(a), PvValue::DoubleArray(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

type Heard = (Says, Arc<Sample>);

/// The PVs of a camera.
struct Followed {
    channels: Vec<Arc<dyn PvChannel>>,
    heard: SelectAll<BoxStream<'static, Heard>>,
}

impl Followed {
    fn of(pvs: &Pvs, names: impl IntoIterator<Item = (Says, String)>) -> Self {
        let mut followed = Self { channels: Vec::new(), heard: SelectAll::new() };
        for (says, name) in names {
            let channel = pvs.channel(&name);
            let samples = WatchStream::new(channel.monitor());
            let heard = samples.filter_map(move |sample| async move { Some((says, sample?)) });
            followed.heard.push(heard.boxed());
            followed.channels.push(channel);
        }
        followed
    }
}

/// Follows the PVs until told to stop, and publishes every change of the camera.
pub(crate) async fn follow(
    pvs: Pvs,
    selection: Selection,
    scene: watch::Sender<Arc<Scene>>,
    stop: CancellationToken,
) {
    let mut array = Followed::of(&pvs, [(Says::Array, selection.array.clone())]);
    let mut others = Some(Followed::of(&pvs, names(&selection)));
    let mut camera =
        Following { array: selection.array.clone(), scene, known: Known::default(), frames: 0 };
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => return,
            Some(first) = array.heard.next() => first,
            Some(first) = next_of(&mut others) => first,
        };
        let mut new_array = camera.known.hear(first.0, &first.1);
        // What has arrived together is looked at together.
        while let Some(Some((says, sample))) = next_of(&mut others).now_or_never() {
            new_array |= camera.known.hear(says, &sample);
        }
        while let Some(Some((says, sample))) = array.heard.next().now_or_never() {
            new_array |= camera.known.hear(says, &sample);
        }
        // An array that says everything itself needs no other PV.
        match (&camera.known.of_array, &others) {
            (Some(_), Some(_)) => others = None,
            (None, None) => others = Some(Followed::of(&pvs, names(&selection))),
            _ => {}
        }
        camera.publish(new_array);
    }
}

/// What one of the PVs says next, where they are followed. Cancellation safe.
async fn next_of(others: &mut Option<Followed>) -> Option<Heard> {
    match others {
        Some(others) => others.heard.next().await,
        None => None,
    }
}

struct Following {
    array: String,
    scene: watch::Sender<Arc<Scene>>,
    known: Known,
    frames: u64,
}

impl Following {
    fn publish(&mut self, new_array: bool) {
        let known = &self.known;
        if new_array {
            metrics::counter!("control_camera_frames_total", "pv" => self.array.clone())
                .increment(1);
        }
        let (raw, refused) = match known.raw() {
            Ok(raw) => (raw, None),
            Err(error) => {
                self.skipped(&error);
                (None, Some(error))
            }
        };
        let missing = known.missing();
        let before = self.scene.borrow().frame.clone();
        let frame = raw.map(|(raw, dimensions)| match before {
            Some(before) if !new_array && same_image(&before, &raw, &dimensions) => before,
            _ => {
                self.frames += 1;
                Arc::new(Frame { number: self.frames, dimensions: Arc::new(dimensions), raw })
            }
        });
        if new_array
            && frame.is_none()
            && known.description().codec.is_empty()
            && missing.is_empty()
        {
            metrics::counter!("control_camera_frames_skipped_total",
                "pv" => self.array.clone(), "reason" => "size_mismatch")
            .increment(1);
        }
        let array_connected = known.array.as_ref().is_some_and(|sample| sample.connected);
        let announced = known.description().statements.announced().map(Arc::new);
        let scene = Scene { announced, frame, array_connected, refused, missing };
        self.scene.send_replace(Arc::new(scene));
    }

    fn skipped(&self, error: &RenderError) {
        tracing::debug!(pv = %self.array, %error, "frame skipped");
        metrics::counter!("control_camera_frames_skipped_total",
            "pv" => self.array.clone(), "reason" => error.reason())
        .increment(1);
    }
}

/// Whether a frame would look as before, when its array is the same.
fn same_image(before: &Frame, raw: &RawFrame, dimensions: &Dimensions) -> bool {
    before.raw.layout == raw.layout
        && before.raw.pattern == raw.pattern
        && before.raw.packed == raw.packed
        && *before.dimensions == *dimensions
}

/// Waits until the camera can be shown, for at most `timeout`: its array is there, and either all
/// settings are or an image can be made without them, or none ever.
///
/// # Errors
/// What is missing when the time is over.
pub(crate) async fn ready(
    scene: &mut watch::Receiver<Arc<Scene>>,
    timeout: Duration,
) -> Result<(), Missing> {
    let shown = async {
        let complete = |scene: &Arc<Scene>| {
            let decided = scene.frame.is_some() || scene.refused.is_some();
            scene.array_connected && (scene.missing.is_empty() || decided)
        };
        let reached = scene.wait_for(complete).await.is_ok();
        if reached {
            // The plugin's own PVs are on the way with the others, where there are any.
            let whole = |scene: &Arc<Scene>| scene.missing.is_empty() && scene.frame.is_some();
            let _ = tokio::time::timeout(GRACE, scene.wait_for(whole)).await;
        }
    };
    if tokio::time::timeout(timeout, shown).await.is_ok() {
        return Ok(());
    }
    let scene = scene.borrow();
    match scene.missing.first() {
        Some(index) if scene.array_connected => Err(Missing::Setting(*index)),
        _ => Err(Missing::Array),
    }
}

/// What no IOC serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The array.
    Array,
    /// One of [`Selection::settings`].
    Setting(usize),
}
