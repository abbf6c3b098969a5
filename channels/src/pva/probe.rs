//! How a place is asked for a PV over PVAccess.

use std::net::SocketAddr;
use std::time::Duration;

use epics_base_rs::runtime::task::Reactor;
use epics_pva_rs::auth::{authnz_default_host, authnz_default_user};
use epics_pva_rs::client_native::search_engine::{
    ClientSearchConfig, SearchEngine, SearchHit, SearchReason,
};
use epics_pva_rs::client_native::server_conn::{ConnConfig, ServerConn, heartbeat_timeout};
use epics_pva_rs::codec::PvaCodec;
use epics_pva_rs::config::Endpoint;
use epics_pva_rs::decode::{Frame, decode_create_channel_response};
use epics_pva_rs::proto::ByteOrder;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::MAX_MESSAGE;
use crate::diagnosis::Outcome;
use crate::probe::{Ask, PATIENCE, stranger, unreachable};

/// How often a search is sent by UDP.
const TRIES: u32 = 3;

/// How long a search by TCP may take: it is sent once a second, and not before the server has made the client's acquaintance.
const BY_TCP: Duration = Duration::from_millis(2500);

/// The one channel of a connection.
const CHANNEL: u32 = 1;

/// Asks in the words of PVAccess.
pub(super) struct PvAccess {
    pub(super) reactor: Reactor,
    /// Of servers that are searched by UDP.
    pub(super) server_port: u16,
}

impl Ask for PvAccess {
    const OTHER_PROTOCOL: u16 = 5064;

    /// A server that does not have a PV stays silent, so it is asked for a channel then.
    async fn name_server(&self, address: SocketAddr, pv: &str) -> Outcome {
        if let Err(reason) = reach(address).await {
            return unreachable::<Self>(address, reason).await;
        }
        let started = SearchEngine::spawn_name_servers_only(
            &self.reactor,
            vec![address],
            authnz_default_user(),
            authnz_default_host(),
            PATIENCE,
        );
        let Ok(engine) = started.await else { return Outcome::Silent };
        match timeout(BY_TCP, engine.find(pv, SearchReason::Initial)).await {
            Ok(Ok(SearchHit { server, .. })) => self.server(server, pv, true).await,
            Ok(Err(_)) | Err(_) => self.server(address, pv, false).await,
        }
    }

    fn by_tcp(&self, address: SocketAddr) -> SocketAddr {
        SocketAddr::new(address.ip(), self.server_port)
    }

    async fn search(&self, address: SocketAddr, pv: &str) -> Result<Vec<SocketAddr>, String> {
        let config = ClientSearchConfig {
            addr_list: vec![Endpoint { addr: address, ttl: None, iface: None }],
            auto_addr_list: false,
            broadcast_port: address.port(),
            server_port: self.server_port,
        };
        let started = SearchEngine::spawn_with_config(
            &self.reactor,
            config,
            Vec::new(),
            Vec::new(),
            authnz_default_user(),
            authnz_default_host(),
            PATIENCE,
        );
        let engine = started.await.map_err(|error| error.to_string())?;
        for _ in 0..TRIES {
            let search = engine.find_all(pv, SearchReason::Initial);
            let Ok(Ok(hits)) = timeout(PATIENCE, search).await else { continue };
            if !hits.is_empty() {
                let mut found: Vec<SocketAddr> = hits.into_iter().map(|hit| hit.server).collect();
                found.sort_unstable();
                found.dedup();
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn server(&self, by: SocketAddr, pv: &str, found: bool) -> Outcome {
        if let Err(reason) = reach(by).await {
            return match found {
                true => Outcome::Advertised { by, reason },
                false => unreachable::<Self>(by, reason).await,
            };
        }
        let (user, host) = (authnz_default_user(), authnz_default_host());
        let settings = ConnConfig {
            op_timeout: PATIENCE,
            tcp_timeout: heartbeat_timeout(),
            max_message_size: Some(MAX_MESSAGE),
        };
        let greeting = ServerConn::connect(&self.reactor, by, &user, &host, settings);
        let Ok(Ok(connection)) = timeout(PATIENCE, greeting).await else {
            return stranger::<Self>(by).await;
        };
        let answer = connection.register_cid_waiter(CHANNEL);
        let big_endian = matches!(connection.byte_order(), ByteOrder::Big);
        // A connection that is gone answers nothing.
        connection.try_send(PvaCodec { big_endian }.build_create_channel(CHANNEL, pv));
        match timeout(PATIENCE, answer).await {
            Ok(Ok(frame)) if is_created(&frame) => {
                Outcome::Serves { by, version: None, found_by_search: found }
            }
            Ok(Ok(_)) => Outcome::NoSuchPv { version: None },
            Ok(Err(_)) | Err(_) => Outcome::Silent,
        }
    }
}

fn is_created(frame: &Frame) -> bool {
    decode_create_channel_response(frame).is_ok_and(|answer| answer.status.is_success())
}

/// Whether something accepts connections there.
async fn reach(address: SocketAddr) -> Result<(), String> {
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).to_string()),
    }
}
