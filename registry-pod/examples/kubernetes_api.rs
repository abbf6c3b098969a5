//! The Kubernetes API of one machine and nothing else: `kubernetes_api STATE PORT`. For measurements, where the parts that
//! `beamline up` starts beside it would be in the way.

use std::error::Error;

use embedded::{Embedded, Settings};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("usage: kubernetes_api STATE PORT".into());
    };
    let api = Embedded::open(Settings { path: path.into(), crds: crds::all() }).await?;
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    Ok(api.serve(listener, CancellationToken::new()).await?)
}
