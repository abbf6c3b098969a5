//! Which PVs a camera is made of, from the first message of a client (contract §2.11,
//! `ophyd-websocket` §7.1). Pure.
//!
//! A name that is missing or empty is derived from the array's: the camera of
//! `13SIM1:image1:ArrayData` is `13SIM1:cam1:`, its plugin `13SIM1:image1:`.

use channels::split_scheme;
use serde_json::{Map, Value};

/// The PVs of one camera. Clients that name the same ones share everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Selection {
    /// The PV with the pixels.
    pub(crate) array: String,
    /// `MinX`.
    pub(crate) start_x: String,
    /// `MinY`.
    pub(crate) start_y: String,
    /// `SizeX`.
    pub(crate) size_x: String,
    /// `SizeY`.
    pub(crate) size_y: String,
    /// `ColorMode`.
    pub(crate) color_mode: String,
    /// `DataType`.
    pub(crate) data_type: String,
    /// `BinX`; not every camera has it.
    pub(crate) bin_x: String,
    /// `BinY`; not every camera has it.
    pub(crate) bin_y: String,
}

impl Selection {
    /// The PVs that a camera-socket's first message selects.
    pub(crate) fn of_camera(message: &Map<String, Value>, default_array: &str) -> Self {
        let given = |key: &str| {
            let name = message.get(key).and_then(Value::as_str);
            name.filter(|name| !name.is_empty()).map(str::to_owned)
        };
        let array = given("imageArray_PV").unwrap_or_else(|| default_array.to_owned());
        let derived = Self::of_base(camera_base(&array));
        Self {
            array,
            start_x: given("startX").unwrap_or(derived.start_x),
            start_y: given("startY").unwrap_or(derived.start_y),
            size_x: given("sizeX").unwrap_or(derived.size_x),
            size_y: given("sizeY").unwrap_or(derived.size_y),
            color_mode: given("colorMode").unwrap_or(derived.color_mode),
            data_type: given("dataType").unwrap_or(derived.data_type),
            bin_x: given("binX").unwrap_or(derived.bin_x),
            bin_y: given("binY").unwrap_or(derived.bin_y),
        }
    }

    /// The PVs that a tiff-socket's first message selects.
    pub(crate) fn of_tiff(message: &Map<String, Value>, default_prefix: &str) -> Self {
        let given = message.get("prefix").and_then(Value::as_str);
        let prefix = given.filter(|prefix| !prefix.is_empty()).unwrap_or(default_prefix);
        Self::of_base(&format!("{}:", prefix.trim_end_matches(':')))
    }

    /// Everything under the standard names.
    fn of_base(base: &str) -> Self {
        let camera = |what: &str| format!("{base}cam1:{what}");
        Self {
            array: format!("{base}image1:ArrayData"),
            start_x: camera("MinX"),
            start_y: camera("MinY"),
            size_x: camera("SizeX"),
            size_y: camera("SizeY"),
            color_mode: camera("ColorMode"),
            data_type: camera("DataType"),
            bin_x: camera("BinX"),
            bin_y: camera("BinY"),
        }
    }

    /// The six PVs that upstream needs, in the order in which it connects them.
    pub(crate) fn settings(&self) -> [&str; 6] {
        [
            &self.start_x,
            &self.start_y,
            &self.size_x,
            &self.size_y,
            &self.color_mode,
            &self.data_type,
        ]
    }

    /// What the names of the plugin's own PVs begin with.
    pub(crate) fn plugin_base(&self) -> &str {
        up_to_last_colon(&self.array)
    }

    /// What the names of the camera's PVs begin with.
    pub(crate) fn camera_prefix(&self) -> &str {
        up_to_last_colon(&self.size_x)
    }
}

/// What comes before `cam1:`: all before the last `image1:`, else the first part of the name. The protocol that the name asks for is
/// part of it, and its colon is none of the name.
fn camera_base(array: &str) -> &str {
    if let Some(plugin) = array.rfind("image1:") {
        return &array[..plugin];
    }
    let name = split_scheme(array).1;
    let scheme = array.len() - name.len();
    &array[..name.find(':').map_or(scheme, |colon| scheme + colon + 1)]
}

/// The name up to its last colon, or only the protocol that it asks for.
fn up_to_last_colon(name: &str) -> &str {
    let bare = split_scheme(name).1;
    let scheme = name.len() - bare.len();
    &name[..bare.rfind(':').map_or(scheme, |colon| scheme + colon + 1)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEFAULT: &str = "13SIM1:image1:ArrayData";

    fn camera(message: &Value) -> Selection {
        Selection::of_camera(message.as_object().unwrap(), DEFAULT)
    }

    #[test]
    fn the_pvs_of_a_camera_follow_from_its_array() {
        for (array, base) in [
            ("13SIM1:image1:ArrayData", "13SIM1:"),
            ("BL:DET1:image1:ArrayData", "BL:DET1:"),
            ("mini:dot:det", "mini:"),
            ("XF{Det:1}image1:ArrayData", "XF{Det:1}"),
        ] {
            let selected = camera(&json!({ "imageArray_PV": array }));
            assert_eq!(selected.array, array);
            assert_eq!(selected.size_x, format!("{base}cam1:SizeX"));
            assert_eq!(selected.data_type, format!("{base}cam1:DataType"));
        }
        assert_eq!(
            camera(&json!({"imageArray_PV": "A:image1:ArrayData"})).plugin_base(),
            "A:image1:"
        );
        assert_eq!(camera(&json!({"imageArray_PV": "lonely"})).plugin_base(), "");
    }

    #[test]
    fn the_protocol_of_an_array_is_that_of_its_camera() {
        for (array, camera_prefix, plugin_base) in [
            ("pva://13SIM1:Pva1:Image", "pva://13SIM1:cam1:", "pva://13SIM1:Pva1:"),
            ("pva://A:image1:ArrayData", "pva://A:cam1:", "pva://A:image1:"),
            ("ca://lonely", "ca://cam1:", "ca://"),
        ] {
            let selected = camera(&json!({ "imageArray_PV": array }));
            assert_eq!(selected.camera_prefix(), camera_prefix);
            assert_eq!(selected.plugin_base(), plugin_base);
        }
    }

    #[test]
    fn what_is_missing_empty_or_no_text_is_the_default() {
        let all = camera(&json!({}));
        assert_eq!(all.array, DEFAULT);
        assert_eq!(all.start_x, "13SIM1:cam1:MinX");
        let empty = json!({"imageArray_PV": "", "startX": "", "sizeX": 7, "colorMode": null});
        assert_eq!(camera(&empty), all);
    }

    #[test]
    fn each_pv_can_be_named_alone() {
        let selected = camera(&json!({"imageArray_PV": "A:image1:ArrayData", "sizeX": "B:Width"}));
        assert_eq!(
            (selected.size_x.as_str(), selected.size_y.as_str()),
            ("B:Width", "A:cam1:SizeY")
        );
    }

    #[test]
    fn a_tiff_socket_has_a_prefix() {
        let of = |message: &Value| Selection::of_tiff(message.as_object().unwrap(), "13PIL1");
        assert_eq!(of(&json!({})).array, "13PIL1:image1:ArrayData");
        assert_eq!(of(&json!({"prefix": "IOC"})).size_y, "IOC:cam1:SizeY");
        assert_eq!(of(&json!({"prefix": "IOC:"})), of(&json!({"prefix": "IOC"})));
    }
}
