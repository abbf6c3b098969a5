//! The published messages: `QS_Console` with everything printed, `QS_Info` with every status and the last one again each second.

use std::time::Duration;

use bytes::Bytes;
use omq_tokio::{Message, Socket};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::desk::{Desk, now};
use crate::encoding::Encoding;

/// Longest silence of the status.
const PERIOD: Duration = Duration::from_secs(1);
/// How the log calls it when it ends.
const NAME: &str = "0MQ publisher";

/// Publishes until `shutdown`.
pub(super) async fn run(
    socket: Socket,
    desk: Desk,
    encoding: Encoding,
    shutdown: CancellationToken,
) -> &'static str {
    let mut console = desk.console.listen();
    let mut statuses = desk.statuses();
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (topic, payload) = tokio::select! {
            () = shutdown.cancelled() => return NAME,
            message = console.recv() => match message {
                Ok(message) => ("QS_Console", json!(*message)),
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "console messages were not published");
                    continue;
                }
                Err(RecvError::Closed) => return NAME,
            },
            status = statuses.recv() => {
                period.reset();
                match status {
                    Ok(status) => ("QS_Info", info(&status)),
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return NAME,
                }
            }
            // Whoever leads says how things stand.
            _ = period.tick() => match desk.tenure() {
                Ok(_) => ("QS_Info", info(&desk.view().news())),
                Err(_) => continue,
            },
        };
        let frames = [Bytes::from_static(topic.as_bytes()), encoding.encode(&payload)];
        if let Err(error) = socket.send(Message::multipart(frames)).await {
            tracing::error!(%error, "the 0MQ publisher failed");
            return NAME;
        }
    }
}

/// News as they are published.
pub(crate) fn info(news: &Value) -> Value {
    json!({ "time": now(), "msg": news })
}
