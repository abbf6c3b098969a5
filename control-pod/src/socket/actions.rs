//! The one table of what clients may ask for over a socket of commands, whatever its words are.

use serde_json::Value;

use crate::socket::command::{Manner, Received};

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To follow something.
    Subscribe(Manner),
    /// To follow it no longer.
    Unsubscribe,
    /// To be told the latest once more.
    Refresh,
    /// To write.
    Set,
    /// To stop a device.
    Stop,
    /// A sign of life.
    Ping,
}

impl Action {
    /// The action of a command; its `type` counts too where `or_type` says so.
    ///
    /// # Errors
    /// The word, when there is no such action; `None` in Python's words when there is none.
    pub(crate) fn of(received: &Received, or_type: bool) -> Result<Self, String> {
        let given = received.get("action").filter(|action| !action.is_null());
        let word = match given.or_else(|| received.get("type").filter(|_| or_type)) {
            Some(Value::String(action)) => action.as_str(),
            None | Some(Value::Null) => "None",
            Some(other) => return Err(other.to_string()),
        };
        Ok(match word {
            "subscribe" => Self::Subscribe(Manner::Plain),
            "subscribeSafely" => Self::Subscribe(Manner::Safely),
            "subscribeReadOnly" => Self::Subscribe(Manner::ReadOnly),
            "unsubscribe" => Self::Unsubscribe,
            "refresh" => Self::Refresh,
            "set" => Self::Set,
            "stop" => Self::Stop,
            "ping" => Self::Ping,
            other => return Err(other.to_owned()),
        })
    }
}

/// What a socket does about each action; answers go to its outbox.
pub(crate) trait Actions: Send + Sync {
    /// Whether the `type` of a command counts as its action.
    const OR_TYPE: bool = true;

    /// Follows what is named.
    fn subscribe(&self, received: &Received, manner: Manner) -> impl Future<Output = ()> + Send;

    /// Follows it no longer.
    fn unsubscribe(&self, received: &Received);

    /// Tells the latest once more.
    fn refresh(&self, received: &Received);

    /// Writes.
    fn set(&self, received: &Received) -> impl Future<Output = ()> + Send;

    /// Stops a device.
    fn stop(&self, received: &Received) -> impl Future<Output = ()> + Send;

    /// Answers a sign of life.
    fn ping(&self);

    /// Refuses an action that there is not.
    fn unknown(&self, action: &str);
}

/// Carries out one command.
pub(crate) async fn carry_out<A: Actions>(socket: &A, received: &Received) {
    match Action::of(received, A::OR_TYPE) {
        Ok(Action::Subscribe(manner)) => socket.subscribe(received, manner).await,
        Ok(Action::Unsubscribe) => socket.unsubscribe(received),
        Ok(Action::Refresh) => socket.refresh(received),
        Ok(Action::Set) => socket.set(received).await,
        Ok(Action::Stop) => socket.stop(received).await,
        Ok(Action::Ping) => socket.ping(),
        Err(other) => socket.unknown(&other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_action_may_come_as_type_on_some_sockets() {
        let of = |value: Value, or_type| Action::of(value.as_object().unwrap(), or_type);
        assert_eq!(of(json!({"action": "ping"}), true), Ok(Action::Ping));
        assert_eq!(of(json!({"type": "ping"}), true), Ok(Action::Ping));
        assert_eq!(of(json!({"type": "ping"}), false), Err("None".to_owned()));
        assert_eq!(of(json!({}), true), Err("None".to_owned()));
        assert_eq!(of(json!({"action": 3}), true), Err("3".to_owned()));
        assert_eq!(of(json!({"action": "get"}), true), Err("get".to_owned()));
    }
}
