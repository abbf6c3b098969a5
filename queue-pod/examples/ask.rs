//! Clients that ask a queue server over 0MQ, for `bench/plan_queue.py`: `ask ADDRESS CLIENTS SECONDS METHOD [PARAMS]` has every client send the
//! request again as soon as it has the answer, counts the answers of the given time, and prints one line of JSON.
//!
//! One thread for all clients, so that the server has the rest of the machine.

use std::error::Error;
use std::time::Duration;

use futures::future::try_join_all;
use omq_tokio::{Message, Options, Socket, SocketType};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before the count begins.
const WARM_UP: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, clients, seconds, method, params) = match arguments.as_slice() {
        [address, clients, seconds, method] => (address, clients, seconds, method, "{}"),
        [address, clients, seconds, method, params] => {
            (address, clients, seconds, method, params.as_str())
        }
        _ => return Err("usage: ask ADDRESS CLIENTS SECONDS METHOD [PARAMS]".into()),
    };
    let (clients, seconds): (usize, f64) = (clients.parse()?, seconds.parse()?);
    let params: Value = serde_json::from_str(params)?;
    let request = json!({"method": method, "params": params}).to_string();
    let from = Instant::now() + WARM_UP;
    let until = from + Duration::from_secs_f64(seconds);
    let asked = try_join_all((0..clients).map(|_| ask(address, &request, from, until))).await?;
    let mut times: Vec<f64> = asked.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    let time = |percent: usize| {
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
    };
    println!(
        "{}",
        json!({"answers": times.len(), "seconds": seconds, "p50_ms": time(50), "p99_ms": time(99)})
    );
    Ok(())
}

/// Asks until `until`; the milliseconds of each answer that came since `from`.
async fn ask(
    address: &str,
    request: &str,
    from: Instant,
    until: Instant,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let socket = Socket::new(SocketType::Req, Options::new());
    socket.connect(address).await?;
    let mut times = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= until {
            return Ok(times);
        }
        socket.send(Message::single(request.to_owned())).await?;
        let answer = timeout(PATIENCE, socket.recv()).await??;
        // Reading every answer would take the server's share of the machine.
        if sent < from {
            check(&answer)?;
        } else {
            times.push(sent.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// That it is an answer, and not a refusal.
fn check(answer: &Message) -> Result<(), Box<dyn Error>> {
    let [body] = answer.try_as_parts().map_err(|_| "an answer of several parts")?;
    let answer: Value = serde_json::from_slice(&body)?;
    match answer.get("success") {
        Some(Value::Bool(false)) => Err(format!("refused: {answer}").into()),
        _ => Ok(()),
    }
}
