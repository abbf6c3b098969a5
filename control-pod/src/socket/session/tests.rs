use std::convert::Infallible;

use futures::channel::mpsc;
use tokio::sync::Notify;

use super::*;

/// Echoes `name`; the command `slow` waits until it is let go.
struct Echo {
    outbox: Arc<Outbox>,
    go: Notify,
}

impl Protocol for Echo {
    fn keys(&self, command: &Received) -> Keys {
        let names: Vec<String> = command["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|key| key.as_str().map(str::to_owned))
            .collect();
        Keys::of("key", &names)
    }

    async fn handle(&self, command: Received) {
        let name = command["name"].as_str().unwrap_or_default().to_owned();
        if name == "slow" {
            self.go.notified().await;
        }
        self.outbox.push(Message::Text(name.into()));
    }

    fn malformed(&self, malformed: Malformed) -> Message {
        crate::socket::frames::malformed(malformed)
    }

    fn heartbeat(&self) -> Message {
        Message::Text(r#"{"type":"heartbeat"}"#.into())
    }
}

struct Client {
    to: mpsc::Sender<Result<Message, Infallible>>,
    from: mpsc::Receiver<Message>,
    shutdown: CancellationToken,
    protocol: Arc<Echo>,
    task: tokio::task::JoinHandle<End>,
}

impl Client {
    /// A session whose transport takes one frame and then waits for the client.
    fn connect(heartbeat: Duration) -> Self {
        let (to, stream) = mpsc::channel(8);
        let (sink, from) = mpsc::channel(0);
        let shutdown = CancellationToken::new();
        let outbox = Arc::new(Outbox::default());
        let protocol = Arc::new(Echo { outbox: Arc::clone(&outbox), go: Notify::new() });
        let settings = SessionSettings {
            heartbeat,
            close_timeout: Duration::from_secs(5),
            shutdown: shutdown.clone(),
        };
        let task = tokio::spawn({
            let protocol = Arc::clone(&protocol);
            async move { run(sink, stream, &outbox, &*protocol, &settings).await }
        });
        Self { to, from, shutdown, protocol, task }
    }

    async fn send(&mut self, text: &str) {
        self.to.send(Ok(Message::Text(text.into()))).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        timeout(Duration::from_secs(60), self.from.next()).await.expect("a frame").expect("open")
    }

    async fn text(&mut self) -> String {
        self.next().await.into_text().unwrap().to_string()
    }
}

#[tokio::test]
async fn a_slow_command_holds_up_only_its_own_thing() {
    let mut client = Client::connect(Duration::ZERO);
    client.send(r#"{"name":"slow","keys":["a"]}"#).await;
    client.send(r#"{"name":"after","keys":["a"]}"#).await;
    client.send(r#"{"name":"other","keys":["b"]}"#).await;
    assert_eq!(client.text().await, "other");
    client.protocol.go.notify_one();
    assert_eq!(client.text().await, "slow");
    assert_eq!(client.text().await, "after");
}

#[tokio::test]
async fn what_is_no_command_is_answered_and_the_connection_lives() {
    let mut client = Client::connect(Duration::ZERO);
    client.send("not json").await;
    assert!(client.text().await.contains("invalid JSON"));
    client.send("[1]").await;
    assert!(client.text().await.contains("a command must be a JSON object"));
    client.send(r#"{"name":"still here","keys":[]}"#).await;
    assert_eq!(client.text().await, "still here");
}

#[tokio::test]
async fn the_end_of_the_service_is_told() {
    let mut client = Client::connect(Duration::ZERO);
    client.shutdown.cancel();
    let Message::Close(Some(frame)) = client.next().await else { panic!("no close frame") };
    assert_eq!((frame.code, frame.reason.as_str()), (1001, "Service shutting down"));
    assert_eq!(client.task.await.unwrap(), End::Shutdown);
}

#[tokio::test]
async fn heartbeats_flow_and_a_client_that_takes_none_is_left() {
    let mut client = Client::connect(Duration::from_millis(20));
    for _ in 0..3 {
        assert_eq!(client.text().await, r#"{"type":"heartbeat"}"#);
    }
    // From here on the client reads nothing: the transport fills, then the outbox keeps the
    // heartbeat.
    assert_eq!(client.task.await.unwrap(), End::Stalled);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_session() {
    let mut client = Client::connect(Duration::ZERO);
    client.send(r#"{"name":"slow","keys":["a"]}"#).await;
    client.to.close_channel();
    assert_eq!(client.task.await.unwrap(), End::Left);
}
