//! Asking a running host, for the command line.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Report;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a host did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, or the connection broke.
    #[error("no host answers at http://{address}; is one running there? (`--admin` says where to ask)")]
    Unreachable { address: SocketAddr, source: hyper_util::client::legacy::Error },
    /// Somebody listens, but does not answer in time.
    #[error("the host at http://{address} does not answer within {} s", TIMEOUT.as_secs())]
    Timeout { address: SocketAddr },
    /// What came back is no status.
    #[error("what answers at http://{address} is not the admin port of a host like this one")]
    NotAHost { address: SocketAddr },
}

/// The status of the host whose admin port is at `address`.
///
/// # Errors
///
/// When there is none, or it does not answer.
pub async fn fetch_status(address: SocketAddr) -> Result<Report, ClientError> {
    let client: Client<HttpConnector, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let not_a_host = || ClientError::NotAHost { address };
    let uri = format!("http://{address}/api/v1/status").parse().map_err(|_| not_a_host())?;
    let asking = async {
        let response = client.get(uri).await.map_err(|source| ClientError::Unreachable { address, source })?;
        let body = response.into_body().collect().await.map_err(|_| not_a_host())?;
        serde_json::from_slice(&body.to_bytes()).map_err(|_| not_a_host())
    };
    tokio::time::timeout(TIMEOUT, asking).await.map_err(|_| ClientError::Timeout { address })?
}
