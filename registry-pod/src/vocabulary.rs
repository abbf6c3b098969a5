//! The words of the wire as the published interface names them, for its description only. What is
//! read and written are the enums of the resources.

use utoipa::ToSchema;

/// Declares an enumeration of the description.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "describes the interface, is never built")]
        pub(crate) enum $name { $(#[schema(rename = $word)] $variant),* }
    };
}

words! {
    /// What a device is, in one word.
    DeviceLabel {
        Motor = "motor",
        Detector = "detector",
        Signal = "signal",
        Flyer = "flyer",
        Readable = "readable",
        Device = "device",
    }
}
words! {
    /// The protocol that serves a PV.
    PVProtocol { Ca = "ca", Pva = "pva" }
}
words! {
    /// Whether a PV may be written.
    PVAccessMode { ReadOnly = "read-only", ReadWrite = "read-write" }
}
words! {
    /// The Python framework of a device class.
    Framework { Sync = "ophyd-sync", Async = "ophyd-async" }
}
words! {
    /// What became of a device.
    ChangeOp { Upsert = "upsert", Delete = "delete" }
}
