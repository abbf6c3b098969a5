//! Clients that watch PVs over WebSockets, for `bench/sockets.py`: `watch_pvs URL CLIENTS SECONDS COMMAND` has every client send the
//! command, waits until updates come to each, counts those of the given time, and prints one line of JSON.
//!
//! One thread for all clients, so that the service has the rest of the machine. A message is an update when it has a value and is no
//! metadata, whichever service it comes from; of one in sixteen the time since the IOC stamped it is taken.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::try_join_all;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// How long the first update of a client may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between the first update of the last client and the count.
const WARM_UP: Duration = Duration::from_secs(2);
const SAMPLED: u64 = 16;

/// What one client saw.
#[derive(Default)]
struct Seen {
    updates: u64,
    /// Seconds from the stamp of the IOC.
    ages: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, clients, seconds, command] = arguments.as_slice() else {
        return Err("usage: watch_pvs URL CLIENTS SECONDS COMMAND".into());
    };
    let (clients, seconds): (usize, f64) = (clients.parse()?, seconds.parse()?);
    let begun = Instant::now();
    let sockets = try_join_all((0..clients).map(|_| subscribed(url, command))).await?;
    let ready = begun.elapsed();
    let from = Instant::now() + WARM_UP;
    let until = from + Duration::from_secs_f64(seconds);
    let seen = try_join_all(sockets.into_iter().map(|socket| count(socket, from, until))).await?;
    let updates: u64 = seen.iter().map(|one| one.updates).sum();
    let least = seen.iter().map(|one| one.updates).min().unwrap_or_default();
    let mut ages: Vec<f64> = seen.into_iter().flat_map(|one| one.ages).collect();
    ages.sort_by(f64::total_cmp);
    let age = |part: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let place = (part * ages.len() as f64) as usize;
        ages.get(place.min(ages.len().saturating_sub(1))).map(|age| age * 1e3)
    };
    println!(
        "{}",
        json!({
            "updates": updates, "least_of_a_client": least, "seconds": seconds,
            "ready_s": ready.as_secs_f64(), "p50_ms": age(0.5), "p99_ms": age(0.99), "max_ms": age(1.0),
        })
    );
    Ok(())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A client that has got its first update.
async fn subscribed(url: &str, command: &str) -> Result<Socket, Box<dyn Error>> {
    let (mut socket, _) = connect_async(url).await?;
    socket.send(Message::text(command)).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match timeout_at(deadline, socket.next()).await? {
            Some(Ok(Message::Text(text))) if is_update(&text) => return Ok(socket),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the service closed the connection".into()),
        }
    }
}

/// Reads all the time, and counts from `from` to `until`.
async fn count(mut socket: Socket, from: Instant, until: Instant) -> Result<Seen, Box<dyn Error>> {
    let mut seen = Seen::default();
    let mut end = std::pin::pin!(sleep_until(until));
    loop {
        let message = tokio::select! {
            biased;
            () = &mut end => return Ok(seen),
            message = socket.next() => message,
        };
        match message {
            Some(Ok(Message::Text(text))) if is_update(&text) => {
                if seen.updates == 0 && Instant::now() < from {
                    continue;
                }
                seen.updates += 1;
                if seen.updates.is_multiple_of(SAMPLED)
                    && let Some(stamp) = stamp(&text)
                {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
                    seen.ages.push(now - stamp);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the service closed the connection".into()),
        }
    }
}

fn is_update(text: &str) -> bool {
    text.contains("\"value\":") && !text.contains("\"sub_type\"")
}

/// When the IOC stamped the value, in seconds since 1970.
fn stamp(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("\"timestamp\":")?;
    rest.split([',', '}']).next()?.trim().parse().ok()
}
