//! Asking a running host, for the command line.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::cluster::NOT_CLUSTERED;
use super::{ClusterReport, Report};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Characters that are shown of a reason.
const REASON_LEN_MAX: usize = 300;

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
    /// The host runs, and is in no cluster.
    #[error("the host at http://{address} is in no cluster; `hostel up --cluster DIR` makes it join one")]
    NotClustered { address: SocketAddr },
    /// The host runs, and cannot say what was asked.
    #[error("the host at http://{address} cannot tell: {reason}")]
    Unavailable { address: SocketAddr, reason: String },
}

/// The status of the host whose admin port is at `address`.
///
/// # Errors
///
/// When there is none, or it does not answer.
pub async fn fetch_status(address: SocketAddr) -> Result<Report, ClientError> {
    let (_, body) = fetch(address, "/api/v1/status").await?;
    serde_json::from_slice(&body).map_err(|_| ClientError::NotAHost { address })
}

/// The cluster, as the host whose admin port is at `address` sees it.
///
/// # Errors
///
/// When there is none, it does not answer, or it is in no cluster.
pub async fn fetch_cluster(address: SocketAddr) -> Result<ClusterReport, ClientError> {
    let (status, body) = fetch(address, "/api/v1/cluster").await?;
    match status {
        StatusCode::NOT_FOUND if body == NOT_CLUSTERED => Err(ClientError::NotClustered { address }),
        StatusCode::SERVICE_UNAVAILABLE => {
            let text = String::from_utf8_lossy(&body);
            // One line: whoever answers may be anybody.
            let reason = text.trim().chars().take(REASON_LEN_MAX).filter(|c| !c.is_control()).collect();
            Err(ClientError::Unavailable { address, reason })
        }
        _ => serde_json::from_slice(&body).map_err(|_| ClientError::NotAHost { address }),
    }
}

async fn fetch(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), ClientError> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let not_a_host = || ClientError::NotAHost { address };
    let uri = format!("http://{address}{path}").parse().map_err(|_| not_a_host())?;
    let asking = async {
        let response = client.get(uri).await.map_err(|source| ClientError::Unreachable { address, source })?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|_| not_a_host())?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(TIMEOUT, asking).await.map_err(|_| ClientError::Timeout { address })?
}
