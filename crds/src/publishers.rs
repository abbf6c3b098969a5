//! Where the documents of the runs go, besides the files that every worker keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the documents of the runs are published. A publisher beside the worker follows its files and
/// remembers for each of these how far it came: what one cannot take now is kept for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Publishers {
    /// A proxy of bluesky (`bluesky-0MQ-proxy`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zmq: Option<ZmqProxy>,
    /// A Kafka topic, with messages as bluesky-kafka reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaTopic>,
    /// A Tiled server, written to by bluesky-tiled-plugins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiled: Option<TiledServer>,
    /// Day in UTC with whose runs one begins that is new to these files; yesterday when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub since: Option<String>,
}

/// A 0MQ proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ZmqProxy {
    /// `host:port` of its inner side, to which publishers connect.
    #[schemars(length(min = 3, max = 512), regex(pattern = r"^[^\s]+:[0-9]+$"))]
    pub address: String,
}

/// A Kafka topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTopic {
    /// `host:port` of brokers to begin with.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 3, max = 512), regex(pattern = r"^[^\s,]+:[0-9]+$"))
    )]
    pub bootstrap_servers: Vec<String>,
    /// Its name. The key of each message is the uid of the run.
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub topic: String,
    /// JSON file with more settings of librdkafka, such as those of TLS and SASL, as the publisher sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub config_file: Option<String>,
}

/// A Tiled server. The key for it is in the publisher's environment, as `TILED_API_KEY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TiledServer {
    /// Its address, or that of a container in it.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://"))]
    pub uri: String,
}

impl Publishers {
    /// Whether documents go anywhere.
    pub fn are_any(&self) -> bool {
        self.zmq.is_some() || self.kafka.is_some() || self.tiled.is_some()
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// These as the environment of a publisher.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Self { zmq, kafka, tiled, since } = self;
        let mut all = Vec::new();
        if let Some(ZmqProxy { address }) = zmq {
            all.push(("BEAMLINE_PUBLISH_ZMQ", address.clone()));
        }
        if let Some(KafkaTopic { bootstrap_servers, topic, config_file }) = kafka {
            all.push(("BEAMLINE_PUBLISH_KAFKA", bootstrap_servers.join(",")));
            all.push(("BEAMLINE_PUBLISH_KAFKA_TOPIC", topic.clone()));
            all.extend(config_file.clone().map(|file| ("BEAMLINE_PUBLISH_KAFKA_CONFIG", file)));
        }
        if let Some(TiledServer { uri }) = tiled {
            all.push(("BEAMLINE_PUBLISH_TILED", uri.clone()));
        }
        all.extend(since.clone().map(|day| ("BEAMLINE_PUBLISH_SINCE", day)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_in_the_environment() {
        assert!(Publishers::default().environment().is_empty() && !Publishers::default().are_any());
        let yaml = "{kafka: {bootstrapServers: ['a:1', 'b:2'], topic: runs}, since: '2026-11-01'}";
        let publishers: Publishers = serde_saphyr::from_str(yaml).unwrap();
        let expected = [
            ("BEAMLINE_PUBLISH_KAFKA", "a:1,b:2".to_owned()),
            ("BEAMLINE_PUBLISH_KAFKA_TOPIC", "runs".to_owned()),
            ("BEAMLINE_PUBLISH_SINCE", "2026-11-01".to_owned()),
        ];
        assert_eq!(publishers.environment(), expected);
        assert!(publishers.are_any());
    }
}
