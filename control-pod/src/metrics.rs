//! What direct control measures beside what every service does, in words.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder of this process.
pub fn describe() {
    describe_gauge!(
        "control_sockets",
        Unit::Count,
        "WebSockets that are open, by `kind` and by the API (`dialect`)."
    );
    describe_counter!(
        "control_writes_total",
        Unit::Count,
        "Commands that wrote or were meant to, by the API (`dialect`) and how they ended (`outcome`)."
    );
    describe_counter!(
        "control_updates_replaced_total",
        Unit::Count,
        "Updates that a newer one replaced before a slow client had taken them."
    );
    describe_gauge!(
        "control_clients_behind",
        Unit::Count,
        "Clients that have not taken what they are sent as fast as it came, for some seconds; `GET /api/v1/stats` and the log name them."
    );
    describe_counter!(
        "control_monitor_samples_missed_total",
        Unit::Count,
        "Values that came faster than this process could pass them on; the newest is never one of them."
    );
    describe_counter!(
        "control_console_messages_lost_total",
        Unit::Count,
        "Console messages of the queue server that came faster than a client took them."
    );
    describe_gauge!(
        "control_connections_watched",
        Unit::Count,
        "PVs whose connection is followed to tell whether devices are connected; only at the replica that tells it."
    );
    describe_gauge!(
        "control_objects_connected",
        Unit::Count,
        "Devices and standalone PVs for which IOCs answer; only at the replica that tells it."
    );
    describe_gauge!(
        "control_objects_disconnected",
        Unit::Count,
        "Devices and standalone PVs for which an IOC does not answer; only at the replica that tells it."
    );
    describe_counter!(
        "control_status_writes_total",
        Unit::Count,
        "Changes of `Connected` that were written, by `status`. However often a PV flaps, a few a minute at most."
    );
    describe_counter!(
        "control_status_write_failures_total",
        Unit::Count,
        "Changes of `Connected` that could not be written; each is tried again."
    );
    describe_camera();
}

fn describe_camera() {
    describe_gauge!(
        "control_camera_clients",
        Unit::Count,
        "Clients that look at a camera, by `pv` of its array."
    );
    describe_counter!(
        "control_camera_frames_total",
        Unit::Count,
        "Frames that came from a camera that somebody looks at, by `pv`."
    );
    describe_counter!(
        "control_camera_renders_total",
        Unit::Count,
        "Frames that were decoded, normalised and encoded, by `pv`: each once for all clients that want it so."
    );
    describe_histogram!(
        "control_camera_render_seconds",
        Unit::Seconds,
        "How long that took, by `pv`."
    );
    describe_counter!(
        "control_camera_frames_skipped_total",
        Unit::Count,
        "Frames that could not be shown, by `pv` and `reason`."
    );
    describe_counter!(
        "control_camera_frames_sent_total",
        Unit::Count,
        "Pictures that clients have taken, by `pv`."
    );
    describe_counter!(
        "control_camera_bytes_sent_total",
        Unit::Bytes,
        "Bytes of those pictures, by `pv`."
    );
}
