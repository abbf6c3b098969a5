//! What a class is taken for when nothing but its name is known, by the rules of ophyd-service
//! (contract registry-and-direct-control §1.12).

use crate::device::{Capabilities, DeviceLabel};

const NONE: Capabilities = Capabilities {
    movable: false,
    flyable: false,
    readable: false,
    triggerable: false,
    stageable: false,
    configurable: false,
    pausable: false,
    stoppable: false,
    subscribable: false,
    checkable: false,
    writes_external_assets: false,
};
const SIGNAL_RO: Capabilities = Capabilities { readable: true, subscribable: true, ..NONE };
const SIGNAL: Capabilities = Capabilities { movable: true, ..SIGNAL_RO };
const DEVICE: Capabilities = Capabilities {
    readable: true,
    triggerable: true,
    stageable: true,
    configurable: true,
    subscribable: true,
    ..NONE
};
const DETECTOR: Capabilities = Capabilities { writes_external_assets: true, ..DEVICE };
const POSITIONER: Capabilities =
    Capabilities { movable: true, stoppable: true, checkable: true, ..DEVICE };
const FLYER: Capabilities =
    Capabilities { flyable: true, readable: true, stageable: true, subscribable: true, ..NONE };
const SIGNAL_WITH_REGISTRY: Capabilities =
    Capabilities { triggerable: true, stageable: true, writes_external_assets: true, ..SIGNAL_RO };

/// The coarse kind of a device, from what it is used for and else from its short class name.
pub fn device_label(ophyd_class: &str, functional_group: Option<&str>) -> DeviceLabel {
    let by_group = functional_group.and_then(label_of_group);
    by_group.unwrap_or_else(|| label_of_class(&ophyd_class.to_lowercase()))
}

/// The coarse kind that a functional group stands for, if any.
pub fn label_of_group(group: &str) -> Option<DeviceLabel> {
    const WORDS: [(&str, DeviceLabel); 5] = [
        ("motor", DeviceLabel::Motor),
        ("detector", DeviceLabel::Detector),
        ("area", DeviceLabel::Detector),
        ("flyer", DeviceLabel::Flyer),
        ("signal", DeviceLabel::Signal),
    ];
    WORDS.iter().find(|(word, _)| group.contains(word)).map(|(_, label)| *label)
}

fn label_of_class(class: &str) -> DeviceLabel {
    const WORDS: [(&[&str], DeviceLabel); 4] = [
        (&["motor", "axis", "positioner"], DeviceLabel::Motor),
        (&["detector", "det"], DeviceLabel::Detector),
        (&["signal"], DeviceLabel::Signal),
        (&["flyable", "flyer"], DeviceLabel::Flyer),
    ];
    WORDS
        .iter()
        .find(|(words, _)| words.iter().any(|word| class.contains(word)))
        .map_or(DeviceLabel::Device, |(_, label)| *label)
}

/// What a device of that short class name can do.
pub fn capabilities(ophyd_class: &str) -> Capabilities {
    match ophyd_class {
        "EpicsMotor" | "PVPositioner" | "PVPositionerPC" | "PseudoPositioner" | "PseudoSingle"
        | "SoftPositioner" | "SynAxis" | "SynAxisNoPosition" | "SynAxisNoHints" => POSITIONER,
        "EpicsSignal" | "EpicsSignalWithRBV" => SIGNAL,
        "EpicsSignalRO" | "InternalSignal" | "EpicsPathSignal" | "SynSignal" | "SynSignalRO" => {
            SIGNAL_RO
        }
        "EpicsScaler" | "SynGauss" | "Device" => DEVICE,
        "SimDetector" | "AreaDetector" | "AdscDetector" | "PilatusDetector" => DETECTOR,
        "SynSignalWithRegistry" => SIGNAL_WITH_REGISTRY,
        "MockFlyer" | "TrivialFlyer" => FLYER,
        unknown => capabilities_of_unknown(&unknown.to_lowercase()),
    }
}

fn capabilities_of_unknown(class: &str) -> Capabilities {
    const WORDS: [(&[&str], Capabilities); 5] = [
        (&["motor", "positioner", "axis"], POSITIONER),
        (&["flyer", "flyable"], FLYER),
        (&["signalro"], SIGNAL_RO),
        (&["signal"], SIGNAL),
        (&["detector", "scaler"], DETECTOR),
    ];
    WORDS
        .iter()
        .find(|(words, _)| words.iter().any(|word| class.contains(word)))
        .map_or(DEVICE, |(_, flags)| *flags)
}
